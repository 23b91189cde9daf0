//! The only door. An [`Operation`] goes in, an [`Outcome`] or an [`Error`] comes out, whatever the protocol.
//!
//! ```text
//! enter(identity) ──► Seat ── submit(requests) ──► room actor ──► queue actors
//!                       ▲                                             │
//!                       └──────────────── Link ◄──────────────────────┘
//! ```
//!
//! Here grants are checked and rooms are found. Knows no protocol, no HTTP, and no rule of a queue.

mod directory;
mod link;
mod operation;
mod seat;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::ThreadId,
};

pub use crate::store::Health;
pub use link::{EVENT_WEIGHT, Link, Outlet};
pub use operation::*;
pub use seat::Seat;

pub(crate) use directory::Directory;

use crate::{
    actor::{BodyBudget, RoomActor},
    auth::Identity,
    clock::Clock,
    error::{Error, ErrorCode},
    store::{Store, Urgency},
    types::{Limits, Millis, QueueName, RoomName, SessionId},
};

/// What every room of a server shares.
pub struct Shared {
    /// The limits in force.
    pub limits: Limits,
    /// Opening an open queue succeeds.
    pub open_is_idempotent: bool,
    /// A room that nobody uses stays in memory for so long.
    pub idle_timeout: Millis,
    pub(crate) bodies: Arc<BodyBudget>,
    /// Queues in memory that are relaxed.
    pub(crate) relaxed: Arc<AtomicUsize>,
    /// Where records go.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    pub(crate) directory: Directory,
    sessions: AtomicU64,
}

impl Shared {
    /// A legal name may still be longer than this server wants names to be.
    fn ensure_name(&self, name: &str) -> Result<(), Error> {
        let bytes_max = self.limits.name_bytes;
        if name.len() > bytes_max {
            let text = format!("a name has at most {bytes_max} bytes on this server");
            return Err(Error::new(ErrorCode::InvalidName, text));
        }
        Ok(())
    }
}

/// What a server's owner decides.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The limits in force.
    pub limits: Limits,
    /// Opening an open queue succeeds.
    pub open_is_idempotent: bool,
    /// A room that nobody uses stays in memory for so long.
    pub idle_timeout: Millis,
    /// Bytes of bodies that are kept in memory if they can be read again.
    pub body_cache: usize,
}

impl Default for Rules {
    fn default() -> Self {
        let (limits, idle_timeout) = (Limits::default(), Millis::from_secs(30));
        Self { limits, open_is_idempotent: false, idle_timeout, body_cache: 256 << 20 }
    }
}

/// So many rooms are woken at a time: after a start there may be many, and who comes in must not wait for all of them.
const ROUSED: usize = 64;

/// The door. Cloning it is cheap.
#[derive(Clone)]
pub struct Service(Arc<Shared>);

impl Service {
    /// A server's door, with no rooms behind it yet.
    #[must_use]
    pub fn new(rules: Rules, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let Rules { limits, open_is_idempotent, idle_timeout, body_cache } = rules;
        let directory = Directory::new(limits.rooms, limits.participants_per_room);
        let sessions = AtomicU64::new(1);
        Self(Arc::new(Shared {
            limits,
            open_is_idempotent,
            idle_timeout,
            bodies: Arc::new(BodyBudget::new(body_cache)),
            relaxed: Arc::default(),
            store,
            clock,
            directory,
            sessions,
        }))
    }

    /// What is to be done now and then, by nobody's request: rooms with something due are woken, queues that hold up
    /// the journal are saved.
    ///
    /// Must be called on an actix arbiter: that is where a room will live that is woken.
    pub fn look_after_store(&self) {
        for room in self.0.store.due(self.0.clock.now(), ROUSED) {
            self.rouse(&room, None);
        }
        for ((room, queue), urgency) in self.0.store.overdue() {
            self.rouse(&room, Some((queue, urgency)));
        }
    }

    /// The room gives the seat back when it has heard: one that is about to rest would miss it.
    fn rouse(&self, room: &RoomName, save: Option<(QueueName, Urgency)>) {
        let begin = || RoomActor::begin(room.clone(), Arc::clone(&self.0));
        match self.0.directory.take_seat(room, begin) {
            #[expect(clippy::disallowed_methods, reason = "carries no message")]
            Ok(address) => address.do_send(crate::actor::Rouse { save }),
            // What is due there waits until there is place for the room.
            Err(error) => tracing::warn!(%room, error = error.name(), "the room is not woken"),
        }
    }

    /// How the store is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.store.health()
    }

    /// How many queues in memory acknowledge a message before it is on disk.
    #[must_use]
    pub fn relaxed_queues(&self) -> usize {
        self.0.relaxed.load(Ordering::Relaxed)
    }

    /// Lets a participant in, into the room of its token. The room is made if there is none.
    ///
    /// Must be called on an actix arbiter: that is where a new room will live.
    ///
    /// # Errors
    /// `TooManyRooms`, `TooManyParticipants`, `InvalidName`.
    pub fn enter(&self, identity: Identity) -> Result<Seat, Error> {
        self.0.ensure_name(identity.room.as_str())?;
        self.0.ensure_name(identity.name.as_str())?;
        let room = self.0.directory.take_seat(&identity.room, || {
            RoomActor::begin(identity.room.clone(), Arc::clone(&self.0))
        })?;
        let session = SessionId(self.0.sessions.fetch_add(1, Ordering::Relaxed));
        Ok(Seat::new(Arc::clone(&self.0), room, session, identity))
    }

    /// The thread on which a room lives, if it does.
    #[must_use]
    pub fn home(&self, room: &RoomName) -> Option<ThreadId> {
        self.0.directory.home(room)
    }

    /// Waits until every room has done what it was asked and its records are durable.
    ///
    /// # Errors
    /// `StoreFailed` when some are not and never will be.
    pub async fn quiesce(&self) -> Result<(), Error> {
        for room in self.0.directory.rooms() {
            match room.send(crate::actor::Quiesce).await {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(_)) => return Err(ErrorCode::StoreFailed.into()),
            }
        }
        Ok(())
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The time.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.0.clock.as_ref()
    }
}
