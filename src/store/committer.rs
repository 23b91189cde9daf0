//! Writes the journal: what waits becomes one frame, is synced, and is answered.
//!
//! Nobody waits for a timer: the sync under way is the time in which the next frame gathers. Only what nobody waits for lingers a
//! few milliseconds, so that it takes fewer syncs. What is appended is encoded into the next frame at once, by whoever appends
//! it; from 1 MiB on, into another one after it. A thread commits what has gathered; who is alone commits by itself (`pace`). One
//! frame is written at a time, by whichever of them has found nothing under way.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{
    Appended, Batch, Done, Requests, StoreError,
    frame::HEADER,
    ledger::Ledger,
    life::{Life, wait_for_room},
    pace::Pace,
    places::QueueKey,
    slot::{Epoch, Journal, MAIN},
};
use crate::{clock::stopwatch, journal::RecordNumber};

/// With so many bytes a frame is large enough: what comes later is in the next one, and waits no longer for it than it must.
/// A sync of twice as much takes twice the time.
const LARGE: usize = 1 << 20;

/// A buffer has room for a large frame, unless it becomes much too large by its last record. Then it is not used again,
const BUFFER: usize = 2 * LARGE;

/// and of the others so many wait.
const BUFFERS_MAX: usize = 4;

/// So long lingers what nobody waits for, unless it is a large frame.
const LINGER: Duration = Duration::from_millis(5);

/// What gathers for a frame.
struct Gathered {
    /// A frame in the making.
    buffer: Vec<u8>,
    done: Vec<Done>,
    /// Queues with records in it, and the last of these.
    queues: Vec<(QueueKey, RecordNumber)>,
    /// When the first came, if nobody waits for any of it.
    lingers_since: Option<Instant>,
}

impl Default for Gathered {
    fn default() -> Self {
        let buffer = Vec::with_capacity(BUFFER);
        Self { buffer, done: Vec::new(), queues: Vec::new(), lingers_since: None }
    }
}

impl Gathered {
    fn add(&mut self, batches: &[Batch<'_>], requests: Requests, done: Done) {
        self.begin(requests);
        for batch in batches {
            batch.put(&mut self.buffer);
            self.queues.push((batch.key(), batch.last()));
        }
        self.done.push(done);
    }

    fn add_entries(&mut self, entries: Entries, requests: Requests, done: Done) {
        self.begin(requests);
        self.buffer.extend_from_slice(&entries.bytes);
        self.queues.extend(entries.queues);
        self.done.push(done);
    }

    fn begin(&mut self, requests: Requests) {
        self.lingers_since = match requests {
            Requests::None if self.is_empty() => Some(stopwatch()),
            Requests::None => self.lingers_since,
            Requests::One | Requests::Many => None,
        };
        if self.buffer.is_empty() {
            self.buffer.resize(HEADER, 0);
        }
    }

    fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    fn is_large(&self) -> bool {
        self.buffer.len() >= LARGE
    }

    /// How long it may linger on.
    fn may_linger(&self, now: Instant) -> Option<Duration> {
        let since = self.lingers_since.filter(|_| !self.is_large())?;
        (since + LINGER).checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// The queue of its records, if it is only one batch.
    fn only_queue(&self) -> Option<&QueueKey> {
        match self.queues.as_slice() {
            [(queue, _)] => Some(queue),
            _ => None,
        }
    }

    fn clear(&mut self) {
        self.buffer.clear();
        self.done.clear();
        self.queues.clear();
        self.lingers_since = None;
    }
}

/// Batches as they are written.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) bytes: Vec<u8>,
    /// Queues with records in it, and the last of these.
    pub(super) queues: Vec<(QueueKey, RecordNumber)>,
}

#[derive(Default)]
struct Inbox {
    /// What is large enough to be written, in order.
    full: VecDeque<Gathered>,
    /// The last frame.
    gathered: Gathered,
    /// To be used again.
    spent: Vec<Gathered>,
    /// Somebody writes a frame.
    is_under_way: bool,
    pace: Pace,
    life: Life,
    /// The thread waits to be woken.
    is_waiting: bool,
}

/// The one who writes.
struct Writer {
    journal: Arc<dyn Journal>,
    epoch: Epoch,
    /// The last position that is durable.
    last: u64,
}

/// See the module.
pub(super) struct Committer {
    inbox: Mutex<Inbox>,
    wake: Condvar,
    writer: Mutex<Writer>,
    ledger: Arc<Ledger>,
}

impl Committer {
    /// Goes on behind `last`, the last position that is durable.
    pub(super) fn new(
        journal: Arc<dyn Journal>,
        ledger: Arc<Ledger>,
        epoch: Epoch,
        last: u64,
    ) -> Self {
        let writer = Mutex::new(Writer { journal, epoch, last });
        Self { inbox: Mutex::default(), wake: Condvar::new(), writer, ledger }
    }

    /// # Errors
    /// [`StoreError`] once nothing is taken any more.
    pub(super) fn append(
        &self,
        batches: &[Batch<'_>],
        requests: Requests,
        done: Done,
    ) -> Result<Appended, StoreError> {
        let mut inbox = self.open_inbox()?;
        let is_idle = !inbox.is_under_way && inbox.is_empty();
        let lingered = inbox.gathered.lingers_since.is_some();
        inbox.next_frame().add(batches, requests, done);
        // Then the thread waits for its time already.
        let lingers_on = lingered && inbox.may_linger(stopwatch()).is_some();
        let Inbox { gathered, pace, .. } = &mut *inbox;
        let queue = gathered.only_queue();
        if pace.appended(requests, queue, is_idle, gathered.buffer.len())
            && let Some(gathered) = inbox.begin()
        {
            drop(inbox);
            return self.commit_here(gathered);
        }
        if !inbox.is_under_way && !lingers_on {
            self.wake_thread(&mut inbox);
        }
        Ok(Appended::Pending)
    }

    /// The same of what is encoded already; it is never committed here.
    ///
    /// # Errors
    /// `done`, which was not called, and why nothing is taken any more.
    pub(super) fn append_entries(
        &self,
        entries: Entries,
        requests: Requests,
        done: Done,
    ) -> Result<(), (Done, StoreError)> {
        let mut inbox = match self.open_inbox() {
            Ok(inbox) => inbox,
            Err(error) => return Err((done, error)),
        };
        inbox.next_frame().add_entries(entries, requests, done);
        inbox.pace.joined();
        if !inbox.is_under_way {
            self.wake_thread(&mut inbox);
        }
        Ok(())
    }

    fn open_inbox(&self) -> Result<MutexGuard<'_, Inbox>, StoreError> {
        let inbox = self.inbox.lock();
        inbox.life.admit()?;
        Ok(inbox)
    }

    fn wake_thread(&self, inbox: &mut Inbox) {
        if std::mem::take(&mut inbox.is_waiting) {
            self.wake.notify_one();
        }
    }

    /// Commits what one request appended, without the thread.
    fn commit_here(&self, mut gathered: Gathered) -> Result<Appended, StoreError> {
        let begun = stopwatch();
        match self.commit(&mut gathered) {
            Ok(()) => {
                let mut inbox = self.ended(begun);
                inbox.put_back(gathered);
                if !inbox.is_empty() || !inbox.life.is_open() {
                    self.wake_thread(&mut inbox);
                }
                Ok(Appended::Durable)
            }
            Err(StoreError::Full) => {
                // The thread has the time to wait for room.
                let mut inbox = self.inbox.lock();
                inbox.full.push_front(gathered);
                inbox.is_under_way = false;
                self.wake_thread(&mut inbox);
                Ok(Appended::Pending)
            }
            Err(error) => {
                gathered.done.clear();
                self.fail(gathered, &error);
                Err(error)
            }
        }
    }

    /// The thread: commits until the inbox is closed, or something fails. The last position that is durable.
    pub(super) fn run(&self) -> Result<u64, StoreError> {
        while let Some(mut gathered) = self.next()? {
            let begun = stopwatch();
            let committed = loop {
                match self.commit(&mut gathered) {
                    Err(StoreError::Full) if self.inbox.lock().life.is_open() => wait_for_room(),
                    committed => break committed,
                }
            };
            if let Err(error) = committed {
                self.fail(gathered, &error);
                return Err(error);
            }
            drop(self.ended(begun));
            gathered.done.drain(..).for_each(|done| done(Ok(())));
            self.inbox.lock().put_back(gathered);
        }
        Ok(self.writer.lock().last)
    }

    /// What has gathered, for the thread; none: it is closing and there is nothing more.
    fn next(&self) -> Result<Option<Gathered>, StoreError> {
        let mut inbox = self.inbox.lock();
        loop {
            let may_linger = inbox.may_linger(stopwatch()).filter(|_| inbox.life.is_open());
            match &inbox.life {
                Life::Broken(error) => return Err(error.clone()),
                _ if inbox.is_under_way || may_linger.is_some() => {}
                Life::Closing if inbox.is_empty() => return Ok(None),
                Life::Open if inbox.is_empty() => {}
                _ => return Ok(inbox.begin()),
            }
            inbox.is_waiting = true;
            let time = may_linger.filter(|_| !inbox.is_under_way).unwrap_or(Duration::MAX);
            self.wake.wait_for(&mut inbox, time);
        }
    }

    /// Writes one frame. When there is no room nothing of it was written, so nothing is in doubt.
    fn commit(&self, gathered: &mut Gathered) -> Result<(), StoreError> {
        let mut writer = self.writer.lock();
        let position = writer.last + 1;
        let epoch = writer.epoch;
        let appended = writer.journal.append(MAIN, position, epoch, &mut gathered.buffer);
        if appended == Err(StoreError::Full) {
            self.ledger.set_full(true);
        }
        let piece = appended?;
        writer.last = position;
        self.ledger.wrote(MAIN, piece, position, &mut gathered.queues);
        Ok(())
    }

    /// A frame is durable that was begun then.
    fn ended(&self, begun: Instant) -> MutexGuard<'_, Inbox> {
        let took = begun.elapsed();
        let mut inbox = self.inbox.lock();
        inbox.is_under_way = false;
        inbox.pace.committed(took);
        inbox
    }

    /// What the disk has of the last frame is not known: nothing is written ever again.
    fn fail(&self, gathered: Gathered, error: &StoreError) {
        self.stop(error);
        gathered.done.into_iter().for_each(|done| done(Err(error.clone())));
    }

    /// Nothing is written any more.
    pub(super) fn stop(&self, error: &StoreError) {
        let mut inbox = self.inbox.lock();
        inbox.life = Life::Broken(error.clone());
        inbox.is_under_way = false;
        let full = std::mem::take(&mut inbox.full);
        let last = std::mem::take(&mut inbox.gathered);
        self.wake_thread(&mut inbox);
        drop(inbox);
        self.ledger.failed(error);
        let all = full.into_iter().chain([last]);
        all.flat_map(|it| it.done).for_each(|done| done(Err(error.clone())));
    }

    /// Writes what has gathered, and nothing after it.
    pub(super) fn close(&self) {
        let mut inbox = self.inbox.lock();
        inbox.life.close();
        self.wake_thread(&mut inbox);
    }
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.full.is_empty() && self.gathered.is_empty()
    }

    /// The frame that what comes next goes into.
    fn next_frame(&mut self) -> &mut Gathered {
        if self.gathered.is_large() {
            let next = self.spent.pop().unwrap_or_default();
            self.full.push_back(std::mem::replace(&mut self.gathered, next));
        }
        &mut self.gathered
    }

    /// How long what is here may linger on.
    fn may_linger(&self, now: Instant) -> Option<Duration> {
        self.gathered.may_linger(now).filter(|_| self.full.is_empty())
    }

    /// The oldest of what has gathered is being written from now on.
    fn begin(&mut self) -> Option<Gathered> {
        let oldest = match self.full.pop_front() {
            None if self.gathered.is_empty() => None,
            None => {
                let next = self.spent.pop().unwrap_or_default();
                Some(std::mem::replace(&mut self.gathered, next))
            }
            full => full,
        };
        self.is_under_way |= oldest.is_some();
        oldest
    }

    /// What was written is used again, if it is worth it.
    fn put_back(&mut self, mut gathered: Gathered) {
        if self.spent.len() < BUFFERS_MAX && gathered.buffer.capacity() <= BUFFER {
            gathered.clear();
            self.spent.push(gathered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_waits_for_lingers_and_not_for_long() {
        let add = |gathered: &mut Gathered, requests| gathered.add(&[], requests, Box::new(drop));
        let mut gathered = Gathered::default();
        assert_eq!(gathered.may_linger(stopwatch()), None);
        add(&mut gathered, Requests::None);
        let since = gathered.lingers_since.unwrap();
        assert_eq!(gathered.may_linger(since), Some(LINGER));
        add(&mut gathered, Requests::None);
        assert_eq!(
            gathered.may_linger(since + LINGER / 2),
            Some(LINGER / 2),
            "since the first came"
        );
        assert_eq!(gathered.may_linger(since + LINGER), None);
        gathered.buffer.resize(LARGE, 0);
        assert_eq!(gathered.may_linger(since), None, "there is much of it");
        for requests in [Requests::One, Requests::Many] {
            let mut gathered = Gathered::default();
            add(&mut gathered, Requests::None);
            add(&mut gathered, requests);
            add(&mut gathered, Requests::None);
            assert_eq!(gathered.may_linger(since), None, "somebody waits");
        }
    }

    #[test]
    fn a_large_frame_is_followed_by_another_one() {
        let mut inbox = Inbox::default();
        assert!(inbox.begin().is_none() && !inbox.is_under_way);
        for length in [LARGE - 100, 200, 1, 2] {
            inbox.next_frame().add(&[], Requests::Many, Box::new(drop));
            let whole = inbox.gathered.buffer.len() + length;
            inbox.gathered.buffer.resize(whole, 0);
        }
        let frames: Vec<_> = std::iter::from_fn(|| inbox.begin()).collect();
        let counts: Vec<_> = frames.iter().map(|it| (it.done.len(), it.buffer.len())).collect();
        assert_eq!(counts, [(2, HEADER + LARGE + 100), (2, HEADER + 3)]);
        assert!(inbox.is_under_way && inbox.is_empty());
    }

    #[test]
    fn only_buffers_of_the_usual_size_are_used_again() {
        let mut inbox = Inbox::default();
        let mut large = Gathered::default();
        large.buffer.resize(BUFFER + 1, 0);
        inbox.put_back(large);
        assert!(inbox.spent.is_empty());
        for _ in 0..10 {
            let mut usual = Gathered::default();
            usual.add(&[], Requests::One, Box::new(drop));
            inbox.put_back(usual);
        }
        assert!(inbox.spent.len() == BUFFERS_MAX && inbox.spent.iter().all(Gathered::is_empty));
    }
}
