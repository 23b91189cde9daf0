//! The vocabulary. Everything here is a value: parsed once at the edge, legal from then on.
//!
//! Knows: what is a legal name, an id, a moment, a body, a limit. Knows nothing of who uses them.

mod id;
mod limits;
mod name;
mod nearest;
mod payload;
mod time;

pub use id::{RequestId, SessionId};
pub use limits::{LimitInfo, Limits, parse_quantity};
pub use name::{
    GroupName, NameError, ParticipantName, PartitionKey, QueueName, RoomName, ScheduleName,
    StreamName,
};
pub(crate) use nearest::nearest;
pub use payload::{Payload, SHARE_FROM, digest, keep};
pub use time::{Millis, Timestamp};
