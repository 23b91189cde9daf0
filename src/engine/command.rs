//! What can be asked of a queue.

use super::effect::LeaseId;
use crate::types::{Payload, RequestId, SessionId};

/// What a request holds until its reply is written; opaque to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permit {
    /// One of the connection's requests in flight.
    InFlight,
    /// The same; and only a refusal is to be written.
    Silent,
    /// One of the connection's parked receivers.
    Parked,
    /// Nothing: the session asked on its own account, and no reply is written.
    None,
}

/// Where a reply goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyTo {
    /// The session that asked.
    pub session: SessionId,
    /// What it calls its request.
    pub request: RequestId,
    /// What the reply gives back.
    pub permit: Permit,
}

/// The closed list of what can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Makes the queue, or opens it again after `Close`.
    Open,
    /// Refuses sends and takes from now on and ends all parked receivers. Messages stay.
    Close,
    /// Adds a message at the end.
    Send {
        /// The body.
        body: Payload,
    },
    /// Leases the first ready message to the asking session.
    Take {
        /// With nothing ready: wait for a message (`true`) or answer `Empty` (`false`).
        park: bool,
    },
    /// Ends leases of the asking session for good: their messages are gone. Leases that are no longer
    /// the session's, or of an earlier attempt, are passed over.
    Settle {
        /// The leases.
        leases: Vec<LeaseId>,
    },
    /// Removes all ready messages. Leased ones stay leased; parked receivers stay parked.
    Drain,
    /// Forgets the parked receivers of the asking session without an answer. Its leases stay.
    Unpark,
    /// The asking session is gone: its parked receivers are forgotten, its leases return to their places.
    Abandon,
}
