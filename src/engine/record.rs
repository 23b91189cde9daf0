//! What is written down: state deltas with absolute values, so that replaying one twice changes nothing.

use super::effect::Sequence;
use crate::types::{Payload, Timestamp};

/// The n-th record of a queue; the first is 1. 0 stands for "rests on nothing".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordNumber(pub u64);

/// One change of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The queue is open.
    Opened,
    /// The queue is closed.
    Closed,
    /// A message was added.
    Sent {
        /// Its place.
        sequence: Sequence,
        /// When.
        at: Timestamp,
        /// Its body.
        body: Payload,
    },
    /// These messages are gone.
    Settled {
        /// Which.
        sequences: Vec<Sequence>,
    },
    /// Every message up to and including `through` is gone, except `kept`.
    Drained {
        /// The last message of that time.
        through: Sequence,
        /// Those that were leased.
        kept: Vec<Sequence>,
    },
}
