//! One queue: `apply(now, from, command)` → effects. (stub)

use super::{Command, Effect, Record, RecordNumber, ReplyTo};
use crate::{error::ErrorCode, types::Timestamp};

/// What a server allows a queue, and how it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// Messages kept, whatever their state.
    pub messages_max: usize,
    /// Bytes of their bodies.
    pub bytes_max: usize,
    /// Parked and standing receivers.
    pub parked_max: usize,
    /// Groups.
    pub groups_max: usize,
    /// Partitions.
    pub partitions_max: usize,
    /// Schedules.
    pub schedules_max: usize,
    /// `Open` of an open queue: `Opened` again, or refused with `QueueExists`.
    pub open_is_idempotent: bool,
    /// The first lease has this generation. Larger than any that was ever given out before.
    pub first_generation: u64,
}

/// A queue. See the module's front page.
#[derive(Debug)]
pub struct Queue {
    #[expect(dead_code, reason = "stub")]
    config: QueueConfig,
}

impl Queue {
    /// A queue that does not exist yet.
    #[must_use]
    pub fn new(config: QueueConfig) -> Self {
        Self { config }
    }
    /// Does what `from` asks and appends the effects to `effects`.
    pub fn apply(&mut self, _: Timestamp, from: ReplyTo, _: Command, effects: &mut Vec<Effect>) {
        let result = Err(ErrorCode::NotSupported);
        effects.push(Effect::Reply { to: from, result, rests_on: RecordNumber(0) });
    }
    /// Does everything that is due by `now`.
    pub fn expire(&mut self, _: Timestamp, _: &mut Vec<Effect>) {}
    /// When `expire` has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        None
    }
    /// Whether the queue is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        true
    }
    /// Ready messages of the work group.
    #[must_use]
    pub fn size(&self) -> usize {
        0
    }
    /// Parked and standing receivers.
    #[must_use]
    pub fn parked(&self) -> usize {
        0
    }
    /// The newest record.
    #[must_use]
    pub const fn last_record(&self) -> RecordNumber {
        RecordNumber(0)
    }
    /// Whether anybody watches: without, no events are made.
    pub fn set_watched(&mut self, _: bool) {}
    /// Applies a record that was written earlier. Twice does no harm.
    pub fn replay(&mut self, _: Record) {}
}
