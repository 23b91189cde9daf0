//! A block of messages whose bodies are away and of which there is nothing to tell one by one: some bytes for each.
//!
//! By which record a message came is forgotten: what is saved is durable.

use std::sync::Arc;

use super::{
    log::Slot,
    message::{Message, Options, Position, Sequence},
    record::RecordNumber,
};
use crate::types::{Payload, Timestamp};

/// See the module.
#[derive(Debug)]
pub(super) struct Packed {
    partition: u32,
    /// Offset of the first row.
    first: u64,
    /// The rows count from these.
    sequence: u64,
    sent_at: u64,
    /// Groups that have each of its messages open.
    pub(super) open: u32,
    rows: Box<[Row]>,
    /// What few messages have, by row.
    more: Box<[(u16, More)]>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    sequence: u32,
    sent_at: u32,
    length: u32,
}

/// No message is kept there.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct More {
    expires_at: Option<Timestamp>,
    content_type: Option<Arc<str>>,
    options: Option<Box<Options>>,
    digest: u64,
}

impl Packed {
    /// None: there is more to tell of some message. The first slot has the offset `first`.
    pub(super) fn new(slots: &mut [Option<Slot>], first: u64) -> Option<Self> {
        let some = slots.iter().flatten().next()?;
        let (partition, open) = (some.message.position.partition, some.open);
        let (sequence, sent_at) = (some.message.sequence.0, some.message.sent_at.0);
        let row = |slot: &Option<Slot>| {
            let Some(Slot { message, open: of, dead, settled }) = slot else {
                return Some(Row { sequence: 0, sent_at: 0, length: NONE });
            };
            let length = u32::try_from(message.body.len()).ok()?;
            let is_plain = message.body.is_away()
                && *of == open
                && *dead == 0
                && settled.is_none()
                && length != NONE;
            let sequence = u32::try_from(message.sequence.0.checked_sub(sequence)?).ok()?;
            let sent_at = u32::try_from(message.sent_at.0.checked_sub(sent_at)?).ok()?;
            is_plain.then_some(Row { sequence, sent_at, length })
        };
        let rows: Box<[Row]> = slots.iter().map(row).collect::<Option<_>>()?;
        let mut more = Vec::new();
        for (at, slot) in (0..).zip(slots) {
            let Some(slot) = slot else { continue };
            let (expires_at, content_type) =
                (slot.message.expires_at, slot.message.body.shared_type().cloned());
            let digest = slot.message.body.digest();
            let options = match Arc::get_mut(&mut slot.message) {
                Some(message) => message.options.take(),
                None => slot.message.options.clone(),
            };
            if expires_at.is_some() || content_type.is_some() || options.is_some() {
                more.push((at, More { expires_at, content_type, options, digest }));
            }
        }
        Some(Self { partition, first, sequence, sent_at, open, rows, more: more.into() })
    }

    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// The first row from `at` on with a message.
    pub(super) fn next_at(&self, at: usize) -> Option<usize> {
        self.rows.iter().skip(at).position(|row| row.length != NONE).map(|found| at + found)
    }

    pub(super) fn has(&self, at: usize) -> bool {
        self.rows.get(at).is_some_and(|row| row.length != NONE)
    }

    fn more(&self, at: usize) -> Option<&More> {
        let found = self.more.binary_search_by_key(&at, |(row, _)| usize::from(*row)).ok()?;
        self.more.get(found).map(|(_, more)| more)
    }

    fn row(&self, at: usize) -> Row {
        self.rows.get(at).copied().unwrap_or(Row { sequence: 0, sent_at: 0, length: 0 })
    }

    pub(super) fn sequence(&self, at: usize) -> Sequence {
        Sequence(self.sequence + u64::from(self.row(at).sequence))
    }

    pub(super) fn sent_at(&self, at: usize) -> Timestamp {
        Timestamp(self.sent_at + u64::from(self.row(at).sent_at))
    }

    pub(super) fn options(&self, at: usize) -> Option<&Options> {
        self.more(at)?.options.as_deref()
    }

    pub(super) fn length(&self, at: usize) -> usize {
        self.row(at).length as usize
    }

    fn make(&self, at: usize, more: Option<More>) -> Arc<Message> {
        let (expires_at, content_type, options, digest) = match more {
            Some(more) => (more.expires_at, more.content_type, more.options, more.digest),
            None => (None, None, None, 0),
        };
        Arc::new(Message {
            sequence: self.sequence(at),
            position: Position { partition: self.partition, offset: self.first + at as u64 },
            sent_at: self.sent_at(at),
            sent_in: RecordNumber(0),
            expires_at,
            body: Payload::away(self.length(at), digest, content_type),
            options,
        })
    }

    pub(super) fn message(&self, at: usize) -> Arc<Message> {
        let more = self.more(at).map(|more| More {
            expires_at: more.expires_at,
            content_type: more.content_type.clone(),
            options: more.options.clone(),
            digest: more.digest,
        });
        self.make(at, more)
    }

    /// What it was made of.
    pub(super) fn unpack(&mut self) -> Vec<Option<Slot>> {
        let mut more = std::mem::take(&mut self.more).into_iter().peekable();
        let slot = |at: usize| {
            self.has(at).then(|| {
                let more = more.next_if(|(row, _)| usize::from(*row) == at).map(|(_, more)| more);
                let message = self.make(at, more);
                Slot { message, open: self.open, dead: 0, settled: None }
            })
        };
        (0..self.rows.len()).map(slot).collect()
    }
}
