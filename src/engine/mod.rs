//! What a queue is. Pure: no clock, no randomness, no I/O, no actors, no logging.
//!
//! A command goes in with the moment it happens, effects come out as values:
//!
//! ```text
//!              send                  take                       settle
//!   message ──────────► ready ─────────────────► leased ─────────────────► gone
//!                         ▲                        │
//!                         └────────────────────────┘ abandon: back to its old place
//! ```
//!
//! A queue is `Absent` until the first command that needs it, then `Open` or `Closed`:
//!
//! ```text
//!   Absent ── open, send, take ──► Open ── close ──► Closed ── open ──► Open
//! ```
//!
//! Receivers that find nothing may park. A message goes to a parked receiver at once: connections take
//! turns, and within a connection the *newest* receiver is served first, because a client that gives up
//! on a receive tells nobody, and the newest is the one it surely still waits for.
//!
//! # Invariants (checked after every step by the tests, which cite them)
//!
//! * **I1** a live message is in exactly one place: ready, or in one lease.
//! * **I2** ready messages leave in the order of their sequence, whatever came back meanwhile.
//! * **I3** no message is ready while a receiver is parked and the queue is open.
//! * **I4** a closed or absent queue has no parked receivers.
//! * **I5** the bytes accounted for are the bytes of the live messages.
//! * **I6** every effect rests on a record that was written, and an attempt never falls.
//! * **I7** replaying the records gives the state that wrote them, with all leases returned.
//!
//! It refuses to know who a session is, how a record is written, or what any protocol calls these things.

mod command;
mod effect;
mod leases;
#[cfg(test)]
mod model;
mod queue;
mod ready;
mod record;
mod roster;
#[cfg(test)]
mod simulation;
mod waiters;

pub use command::{Command, Permit, ReplyTo};
pub use effect::{Effect, LeaseId, Outcome, Sequence};
pub use queue::{Queue, QueueConfig};
pub use record::{Record, RecordNumber};
pub use roster::{Attributes, Notice, Notices, Participant, Roster};
