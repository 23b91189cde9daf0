//! Ids and keys that were seen: what a repetition is compared with.

use std::{collections::BTreeMap, sync::Arc};

use super::message::{Message, Position};
use crate::types::{Payload, Timestamp, digest};

/// How a message ended that others depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has not.
    Live,
    /// It is done.
    Done,
    /// It was given up, or removed.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownId {
    pub(super) position: Position,
    /// Set when the message is no longer kept.
    pub(super) forget_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownKey {
    pub(super) position: Position,
    pub(super) id: Option<Arc<str>>,
    /// Of the body, if that is to be compared.
    pub(super) content: Option<u64>,
    pub(super) forget_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) ids: BTreeMap<Arc<str>, KnownId>,
    pub(super) keys: BTreeMap<(u32, Arc<str>), KnownKey>,
}

impl Known {
    /// Where the message with this id is, if it is kept.
    pub(super) fn position(&self, id: &str) -> Option<Position> {
        self.ids.get(id).filter(|known| known.forget_at.is_none()).map(|known| known.position)
    }
}

/// A number that differs if body, kind or content type do. It is kept when the body is not.
pub(super) fn content(body: &Payload, kind: Option<&str>) -> u64 {
    let content_type = body.content_type().unwrap_or_default().as_bytes();
    let parts = [b"\0", kind.unwrap_or_default().as_bytes(), b"\0", content_type];
    parts.into_iter().fold(body.digest(), digest)
}

/// Of a message with an id of its own, or one whose body is here.
pub(super) fn content_of(message: &Message) -> u64 {
    let kind = message.options.as_ref().and_then(|options| options.kind.as_deref());
    content(&message.body, kind)
}
