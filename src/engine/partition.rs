//! A partition: its name and its messages.

use std::collections::BTreeSet;

use super::log::Log;
use crate::types::{PartitionKey, Timestamp};

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) key: PartitionKey,
    pub(super) log: Log,
    /// Messages before this offset have been looked at for being too old.
    pub(super) oldest: u64,
    /// When the first one after them is.
    pub(super) oldest_at: Option<Timestamp>,
    /// New messages are being gathered.
    pub(super) gathering: Option<Gathering>,
    /// What is kept before this offset is in saved blocks,
    pub(super) saved_to: u64,
    /// but for messages of these, which are others now.
    pub(super) changed: BTreeSet<u64>,
}

/// A window that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gathering {
    pub(super) closes_at: Timestamp,
    /// Messages that were sent into it.
    pub(super) messages: u32,
}

impl Partition {
    pub(super) fn new(key: PartitionKey) -> Self {
        Self {
            key,
            log: Log::default(),
            oldest: 0,
            oldest_at: None,
            gathering: None,
            saved_to: 0,
            changed: BTreeSet::new(),
        }
    }
}
