//! A partition: its name and its messages.

use std::collections::BTreeSet;

use super::log::{BLOCK, Log, Seen};
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
    /// Kept messages that every group is done with,
    pub(super) settled: usize,
    /// none of them before this offset.
    pub(super) settled_from: u64,
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
            settled: 0,
            settled_from: u64::MAX,
            saved_to: 0,
            changed: BTreeSet::new(),
        }
    }

    /// A message is added of which no group knows yet, or every group is done with one.
    pub(super) fn has_settled(&mut self, offset: u64) {
        self.settled += 1;
        self.settled_from = self.settled_from.min(offset);
    }

    /// The first message at `offset` or later that every group is done with.
    pub(super) fn next_settled(&self, offset: u64) -> Option<(u64, Seen<'_>)> {
        let kept = self.log.from(offset.max(self.settled_from));
        kept.filter(|_| self.settled > 0).find(|(_, seen)| seen.is_settled())
    }

    /// A block that is not saved, or not as it is now. `ahead`: only one of which nothing was saved, and which gets no more
    /// messages: the last image may still count what is no longer in a block that it knows.
    pub(super) fn first_unsaved(&self, ahead: bool) -> Option<u64> {
        if let Some(changed) = self.changed.first().filter(|_| !ahead) {
            return Some(*changed);
        }
        let from = if ahead { self.saved_to.next_multiple_of(BLOCK) } else { self.saved_to };
        let block = self.log.next_at(from)? / BLOCK;
        (!ahead || (block + 1) * BLOCK <= self.log.end()).then_some(block)
    }

    /// From the first of which nothing was saved to the last that gets no more messages.
    pub(super) fn blocks_ahead(&self) -> usize {
        let count = |first| usize::try_from(self.log.end() / BLOCK - first).unwrap_or(usize::MAX);
        self.first_unsaved(true).map_or(0, count)
    }

    /// The same as [`Self::first_unsaved`]; it counts as saved from now on.
    pub(super) fn next_unsaved(&mut self, ahead: bool) -> Option<u64> {
        let block = self.first_unsaved(ahead)?;
        if !self.saved_to.is_multiple_of(BLOCK) && self.saved_to / BLOCK < block {
            self.changed.insert(self.saved_to / BLOCK); // It is passed over.
        }
        self.changed.remove(&block);
        let end = ((block + 1) * BLOCK).min(self.log.end());
        self.saved_to = self.saved_to.max(end);
        Some(block)
    }
}
