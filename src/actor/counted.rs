//! How many queues of a server are so, for whoever looks at it from outside.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// One of those that are counted as long as it is so.
pub(super) struct Counted {
    total: Arc<AtomicUsize>,
    is_so: bool,
}

impl Counted {
    pub(super) fn new(total: Arc<AtomicUsize>) -> Self {
        Self { total, is_so: false }
    }

    pub(super) fn set(&mut self, is_so: bool) {
        if std::mem::replace(&mut self.is_so, is_so) == is_so {
            return;
        }
        match is_so {
            true => self.total.fetch_add(1, Ordering::Relaxed),
            false => self.total.fetch_sub(1, Ordering::Relaxed),
        };
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.set(false);
    }
}
