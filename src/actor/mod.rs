//! The shell: mailboxes, timers, parking. Carries out what the engine decides and decides nothing itself
//! but "who gets this".
//!
//! * [`RoomActor`]: who is here, which queues there are; passes commands on, in order.
//! * [`QueueActor`]: feeds one engine, holds replies until the records they rest on are durable.
//! * [`Session`]: a connection without its transport: permits, outbox, receipts, ping clock.
//!
//! Knows no protocol, no HTTP, no JSON of any client.

mod bodies;
mod counted;
mod messages;
mod notes;
mod pump;
mod queue;
mod receipts;
mod resting;
mod room;
mod saving;
mod session;
mod several;
mod streams;
mod transaction;

pub use bodies::BodyBudget;
pub(crate) use messages::{Join, Leave, Quiesce, Submit};
pub use pump::{Pump, Pumped};
pub use queue::QueueActor;
pub(crate) use resting::Rouse;
pub use room::RoomActor;
pub use session::{Session, SessionTimes, Verdict};
