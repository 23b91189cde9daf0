//! Sessions that outlive their connection for a while, so that a client may come back to them.
//!
//! ```text
//!   connection ends ──► detached: the session, its dialect, the frames that may not have arrived ──► time is over: dropped
//!                            │                                                                      (the seat is given back)
//!                            └──► the client resumes: a new connection takes all of it over
//! ```
//!
//! What the room says goes into an inbox that both connections share (`inbox.rs`).

use std::{sync::Arc, time::Duration};

use dashmap::{DashMap, mapref::entry::Entry};

use super::inbox::Inbox;
use crate::{
    actor::Session,
    auth::Identity,
    error::ErrorCode,
    facade::Dialect,
    service::Link,
    types::{Limits, Millis, ParticipantName, RoomName},
    wire::Kept,
};

/// A session without a connection.
pub(super) struct Detached {
    pub(super) session: Session,
    pub(super) dialect: Box<dyn Dialect>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) kept: Kept,
}

/// Who may come back to a session.
#[derive(PartialEq, Eq)]
struct Owner(RoomName, ParticipantName);

impl Owner {
    fn of(identity: &Identity) -> Self {
        Self(identity.room.clone(), identity.name.clone())
    }
}

struct Known {
    owner: Owner,
    connection: Connection,
}

enum Connection {
    Attached(Arc<Link>),
    /// None, until then.
    Detached(Box<Detached>, Millis),
}

/// The sessions that can be resumed, by name. Names cannot be guessed.
pub(super) struct Sessions {
    known: DashMap<String, Known>,
    pub(super) keep_for: Millis,
    pub(super) bytes_max: usize,
}

/// A session that still has a connection loses it when its client comes on another one; this long that may take.
const TAKE_OVER_TRIES: u32 = 100;
const TAKE_OVER_STEP: Duration = Duration::from_millis(10);

impl Sessions {
    pub(super) fn new(keep_for: Millis, limits: &Limits) -> Arc<Self> {
        Arc::new(Self { known: DashMap::new(), keep_for, bytes_max: limits.resume_bytes })
    }

    pub(super) fn attached(&self, name: &str, identity: &Identity, link: &Arc<Link>) {
        let connection = Connection::Attached(Arc::clone(link));
        self.known.insert(name.to_owned(), Known { owner: Owner::of(identity), connection });
    }

    /// The connection of a session has ended; it may be resumed until `now` and a while.
    pub(super) fn detached(&self, name: &str, detached: Detached, now: Millis) {
        detached.inbox.detach();
        let until = Millis(now.0.saturating_add(self.keep_for.0));
        let owner = Owner::of(detached.session.seat().identity());
        let connection = Connection::Detached(Box::new(detached), until);
        self.known.insert(name.to_owned(), Known { owner, connection });
    }

    pub(super) fn forget(&self, name: &str) {
        self.known.remove(name);
    }

    /// Drops sessions whose time is over, and those that were cut.
    pub(super) fn sweep(&self, now: Millis) {
        self.known.retain(|_, known| match &known.connection {
            Connection::Attached(_) => true,
            Connection::Detached(detached, until) => *until > now && !detached.inbox.is_lost(),
        });
    }

    /// Drops all that have no connection.
    pub(super) fn clear(&self) {
        self.known.retain(|_, known| matches!(known.connection, Connection::Attached(_)));
    }

    /// A session for the client that has `received` text frames of it. One that still has a connection loses it first.
    pub(super) async fn resume(
        &self,
        name: &str,
        identity: Identity,
        received: u64,
        now: Millis,
    ) -> Result<Detached, ErrorCode> {
        for _ in 0..TAKE_OVER_TRIES {
            if let Some(detached) = self.try_resume(name, &identity, received, now)? {
                return Ok(detached);
            }
            actix_web::rt::time::sleep(TAKE_OVER_STEP).await;
        }
        Err(ErrorCode::SessionLost)
    }

    /// `None`: it has a connection, which is being cut.
    fn try_resume(
        &self,
        name: &str,
        identity: &Identity,
        received: u64,
        now: Millis,
    ) -> Result<Option<Detached>, ErrorCode> {
        let Entry::Occupied(entry) = self.known.entry(name.to_owned()) else {
            return Err(ErrorCode::SessionLost);
        };
        if entry.get().owner != Owner::of(identity) {
            return Err(ErrorCode::SessionLost);
        }
        match &entry.get().connection {
            Connection::Attached(link) => {
                link.cut();
                return Ok(None);
            }
            Connection::Detached(..) => {}
        }
        let Connection::Detached(mut detached, until) = entry.remove().connection else {
            return Ok(None);
        };
        // Its client hears that it is lost, and then it is: what it has goes back at once.
        let can_go_on =
            until > now && !detached.inbox.is_lost() && detached.kept.can_go_on_after(received);
        if !can_go_on {
            return Err(ErrorCode::SessionLost);
        }
        detached.session.renew(identity.clone());
        Ok(Some(*detached))
    }
}
