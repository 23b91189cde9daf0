//! The only reader of time. Everything else is told the moment.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::types::{Millis, Timestamp};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time: for tokens and schedules. May jump.
    fn now(&self) -> Timestamp;

    /// Time since the clock was made: for time-outs. Never goes back.
    fn elapsed(&self) -> Millis;
}

/// The present moment, to measure how long something takes.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the reader of time")]
pub fn stopwatch() -> Instant {
    Instant::now()
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose `elapsed` begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: stopwatch() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the reader of time")]
    fn now(&self) -> Timestamp {
        Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis))
    }

    fn elapsed(&self) -> Millis {
        Millis(millis(self.start.elapsed()))
    }
}

/// A clock that stands still until told otherwise, for tests.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: AtomicU64,
    elapsed: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self { now: AtomicU64::new(now.0), elapsed: AtomicU64::new(0) }
    }

    /// Moves both readings forward.
    pub fn advance(&self, by: Millis) {
        self.now.fetch_add(by.0, Ordering::Relaxed);
        self.elapsed.fetch_add(by.0, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Millis {
        Millis(self.elapsed.load(Ordering::Relaxed))
    }
}
