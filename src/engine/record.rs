//! What is written down: state deltas with absolute values, so that replaying one twice changes nothing.

use std::sync::Arc;

use super::{
    message::{Message, Position, Sequence},
    schedule::ScheduleSpec,
    settings::QueueSettings,
};
use crate::types::{GroupName, PartitionKey, Payload, ScheduleName, Timestamp};

/// The n-th record of a queue; the first is 1. 0 stands for "rests on nothing".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordNumber(pub u64);

/// Where a message stands, as it is written down. A lease is not: after a crash it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Can be taken.
    Ready,
    /// Waits for its parents.
    Blocked,
    /// Waits for its time.
    Delayed {
        /// Until when.
        until: Timestamp,
    },
    /// Waits for its window to close.
    Held,
    /// Given up.
    Dead {
        /// When.
        at: Timestamp,
        /// Why.
        reason: Arc<str>,
    },
    /// The group has given it up, and keeps nothing of it.
    Dropped {
        /// When.
        at: Timestamp,
    },
    /// The group is done with it.
    Done {
        /// When.
        at: Timestamp,
        /// What its taker said.
        result: Option<Payload>,
    },
}

/// One change of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields say what they are; the variants say what they mean")]
pub enum Record {
    /// The queue is open.
    Opened,
    /// The queue is closed.
    Closed,
    /// It hands out nothing, or hands out again.
    Paused { paused: bool },
    /// It is gone with all that was in it. Numbers go on where they were.
    Deleted,
    /// These settings are in force.
    Configured { settings: Box<QueueSettings> },
    /// A partition has this number.
    PartitionAdded { partition: u32, key: PartitionKey },
    /// A group has this number. Messages from `from` on are for it.
    GroupAdded { group: u32, name: GroupName, from: Sequence },
    /// Where the group began is this message.
    GroupBegan { group: u32, from: Sequence },
    /// The group is gone.
    GroupRemoved { group: u32, at: Timestamp },
    /// A message was added, and stands so in every group.
    Sent { message: Arc<Message>, standing: Standing },
    /// A message got another body and options, in its place.
    Replaced { message: Arc<Message>, standing: Standing },
    /// A group is done with these.
    Settled { group: u32, at: Timestamp, positions: Vec<Position> },
    /// A message stands so in a group.
    Moved { group: u32, position: Position, failures: u32, standing: Standing },
    /// These messages are removed, for all groups.
    Removed { at: Timestamp, positions: Vec<Position> },
    /// A group is done with every message up to and including `through`, but for `kept`.
    Purged { group: u32, at: Timestamp, through: Sequence, kept: Vec<Position> },
    /// In this partition of a group everything before `offset` is done, everything from it on is ready.
    Sought { group: u32, partition: u32, offset: u64, at: Timestamp },
    /// Failures of a partition under lease, in a group.
    Charged { group: u32, partition: u32, failures: u32 },
    /// A schedule is as this says.
    Scheduled { name: ScheduleName, spec: Box<ScheduleSpec>, next: Option<Timestamp> },
    /// The schedule is gone.
    Unscheduled { name: ScheduleName },
}
