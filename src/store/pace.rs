//! Whether a batch is committed where it is appended, or by the committer's thread.
//!
//! Handing a batch to a thread and its answer back wakes two threads, which takes a lone request about as long as the sync
//! of a fast disk. But while a batch is synced where it was appended, nothing else happens there: whatever comes meanwhile
//! cannot gather for the next frame. So that is done only for who is alone: one request after the other, for one queue, each
//! of which found nothing under way, on a disk that is fast as a rule: a single slow sync among fast ones is no reason to pay
//! for two threads from then on. The first sign of somebody else ends it.

use std::time::Duration;

use super::{Requests, places::QueueKey};

/// So many in a row must have been alone.
const ALONE: u32 = 8;

/// Syncs that take longer hold up too much.
const FAST: Duration = Duration::from_micros(500);

/// The last sync counts for one part of so many in how long they take.
const PARTS: u32 = 8;

/// More bytes take too long.
const SMALL: usize = 512 * 1024;

/// What was seen of the last commits.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How many in a row were alone.
    alone: u32,
    /// How long they take, the later the more it counts; none: nothing was committed yet.
    typical: Option<Duration>,
    queue: Option<QueueKey>,
}

impl Pace {
    /// Records are appended: how many requests made them, for which queue if it is only one, and whether nothing else is
    /// under way. Whether to commit them at once, if they are so many bytes.
    pub(super) fn appended(
        &mut self,
        requests: Requests,
        queue: Option<&QueueKey>,
        is_idle: bool,
        bytes: usize,
    ) -> bool {
        let is_same = queue.is_some() && self.queue.as_ref() == queue;
        if !is_same {
            self.queue = queue.cloned();
        }
        if !is_same || !is_idle || requests != Requests::One {
            self.alone = 0;
        }
        self.alone >= ALONE && bytes <= SMALL && self.typical.is_some_and(|it| it <= FAST)
    }

    /// Something else is under way.
    pub(super) const fn joined(&mut self) {
        self.alone = 0;
    }

    /// A commit took so long.
    pub(super) fn committed(&mut self, took: Duration) {
        self.alone = self.alone.saturating_add(1);
        let before = self.typical.unwrap_or(took);
        self.typical = Some(before - before / PARTS + took / PARTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_micros(100);

    fn key(queue: &str) -> QueueKey {
        ("r".parse().unwrap(), queue.parse().unwrap())
    }

    /// One request by itself. Whether it is committed at once.
    fn lone(pace: &mut Pace, queue: &str, took: Duration) -> bool {
        let at_once = pace.appended(Requests::One, Some(&key(queue)), true, 100);
        pace.committed(took);
        at_once
    }

    /// Somebody who has been alone long enough.
    fn alone() -> Pace {
        let mut pace = Pace::default();
        // The first one is of another queue than none.
        for _ in 0..ALONE {
            assert!(!lone(&mut pace, "a", QUICK));
        }
        assert!(lone(&mut pace, "a", QUICK));
        pace
    }

    #[test]
    fn who_is_alone_for_a_while_commits_at_once() {
        let mut pace = alone();
        assert!(lone(&mut pace, "a", QUICK));
    }

    #[test]
    fn nobody_is_alone_beside_another_queue() {
        let mut pace = alone();
        assert!(!lone(&mut pace, "b", QUICK));
        assert!(!lone(&mut pace, "a", QUICK));
    }

    #[test]
    fn several_requests_or_queues_at_once_are_not_alone() {
        let mut pace = alone();
        assert!(!pace.appended(Requests::Many, Some(&key("a")), true, 100));
        let mut pace = alone();
        assert!(!pace.appended(Requests::One, None, true, 100));
    }

    #[test]
    fn what_comes_while_another_is_under_way_is_not_alone() {
        let mut pace = alone();
        assert!(!pace.appended(Requests::One, Some(&key("a")), false, 100));
        pace.committed(QUICK);
        assert!(!lone(&mut pace, "a", QUICK), "nor is the next one");
    }

    #[test]
    fn a_slow_disk_must_first_be_fast_again() {
        let mut pace = alone();
        assert!(lone(&mut pace, "a", FAST * 16));
        assert!(!lone(&mut pace, "a", QUICK));
        let commits = (0..100).find(|_| lone(&mut pace, "a", QUICK));
        assert!(commits.is_some_and(|commits| commits > 4), "{commits:?}");
    }

    #[test]
    fn a_slow_sync_now_and_then_changes_nothing() {
        let mut pace = alone();
        for _ in 0..10 {
            assert!(lone(&mut pace, "a", FAST * 4));
            (0..8).for_each(|_| assert!(lone(&mut pace, "a", QUICK)));
        }
    }

    #[test]
    fn a_disk_that_is_slow_from_the_start_is_left_to_the_thread() {
        let mut pace = Pace::default();
        (0..100).for_each(|_| assert!(!lone(&mut pace, "a", FAST * 2)));
    }

    #[test]
    fn a_large_batch_goes_to_the_thread() {
        let mut pace = alone();
        assert!(!pace.appended(Requests::One, Some(&key("a")), true, SMALL + 1));
        assert!(pace.appended(Requests::One, Some(&key("a")), true, SMALL));
    }
}
