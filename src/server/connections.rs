//! The sessions of the server, WebSockets and single requests: how many there may be, and a way to reach all
//! of them.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use dashmap::DashMap;

use crate::{
    error::ErrorCode,
    service::{Link, ToSession},
    types::SessionId,
};

/// See the module.
pub(super) struct Connections {
    links: DashMap<SessionId, Arc<Link>>,
    taken: AtomicUsize,
    /// Requests over HTTP that are being answered.
    visits: AtomicUsize,
    max: usize,
    closing: AtomicBool,
}

impl Connections {
    pub(super) fn new(max: usize) -> Arc<Self> {
        let (taken, visits, closing) =
            (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { links: DashMap::new(), taken, visits, max, closing })
    }

    /// Takes a place for a connection.
    pub(super) fn take_place(self: &Arc<Self>) -> Result<Place, ErrorCode> {
        if self.is_closing() {
            return Err(ErrorCode::ServerClosing);
        }
        if self.taken.fetch_add(1, Ordering::Relaxed) >= self.max {
            self.taken.fetch_sub(1, Ordering::Relaxed);
            return Err(ErrorCode::TooManyConnections);
        }
        Ok(Place { connections: Arc::clone(self), session: OnceLock::new(), is_visit: false })
    }

    /// Takes a place for one request over HTTP; how many of them there are is bounded by their connections.
    pub(super) fn visit(self: &Arc<Self>) -> Result<Place, ErrorCode> {
        if self.is_closing() {
            return Err(ErrorCode::ServerClosing);
        }
        self.visits.fetch_add(1, Ordering::Relaxed);
        Ok(Place { connections: Arc::clone(self), session: OnceLock::new(), is_visit: true })
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// No more places; every session takes in its last receipts and goes.
    pub(super) fn finish_all(&self) {
        self.closing.store(true, Ordering::Release);
        self.links.iter().for_each(|link| link.send(vec![ToSession::Finish]));
    }

    /// Places taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed) + self.visits.load(Ordering::Relaxed)
    }
}

/// One connection's place, given back when it is dropped.
pub(super) struct Place {
    connections: Arc<Connections>,
    session: OnceLock<SessionId>,
    is_visit: bool,
}

impl Place {
    /// The server is stopping.
    pub(super) fn is_closing(&self) -> bool {
        self.connections.is_closing()
    }

    /// From now on the session can be reached.
    pub(super) fn announce(&self, link: &Arc<Link>) {
        if self.session.set(link.session()).is_ok() {
            self.connections.links.insert(link.session(), Arc::clone(link));
            // It may have come between the closing of the door and the last call.
            if self.connections.is_closing() {
                link.send(vec![ToSession::Finish]);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(session) = self.session.get() {
            self.connections.links.remove(session);
        }
        let connections = &self.connections;
        let counted = if self.is_visit { &connections.visits } else { &connections.taken };
        counted.fetch_sub(1, Ordering::Relaxed);
    }
}
