//! What the room says to a session, whatever connection it has, and whichever worker looks after that.
//!
//! The connection is woken through its switch and looks here: nothing is in the mailbox of an actor that has ended, or that goes on
//! with another thread.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;

use super::switch::Switch;
use crate::service::{Outlet, ToSession};

/// See the module. What waits here is bounded by permits and by the link's gauge; messages stay leased.
#[derive(Default)]
pub(super) struct Inbox {
    items: Mutex<Vec<ToSession>>,
    /// Of the connection.
    switch: Mutex<Option<Arc<Switch>>>,
    /// It was cut while it had no connection.
    is_lost: AtomicBool,
}

impl Inbox {
    /// Whoever attaches takes what is here afterwards.
    pub(super) fn attach(&self, switch: Arc<Switch>) {
        *self.switch.lock() = Some(switch);
    }

    pub(super) fn detach(&self) {
        *self.switch.lock() = None;
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self) -> Vec<ToSession> {
        std::mem::take(&mut *self.items.lock())
    }

    /// Whether there was nothing before.
    fn put(&self, more: Vec<ToSession>) -> bool {
        let mut items = self.items.lock();
        let was_empty = items.is_empty();
        if was_empty {
            *items = more;
        } else {
            items.extend(more);
        }
        was_empty
    }
}

/// The room's end of an inbox.
pub(super) struct ToInbox(pub(super) Arc<Inbox>);

impl Outlet for ToInbox {
    fn send(&self, items: Vec<ToSession>) {
        if self.0.put(items)
            && let Some(switch) = self.0.switch.lock().as_ref()
        {
            switch.wake();
        }
    }

    fn cut(&self) {
        match self.0.switch.lock().as_ref() {
            Some(switch) => switch.throw(),
            None => self.0.is_lost.store(true, Ordering::Relaxed),
        }
    }
}
