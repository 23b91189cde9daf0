//! Writes the journal: everything that waits becomes one frame, is synced, and is answered.
//!
//! Nobody waits for a timer: the sync under way is the time in which the next frame gathers. Only what nobody waits for lingers a
//! few milliseconds, so that it takes fewer syncs. What is appended is encoded into the next frame at once, by whoever appends
//! it. A thread commits what has gathered; who is alone commits by itself
//! (`pace`). One frame is written at a time, by whichever of them has found nothing under way.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Appended, Batch, Done, Requests, StoreError,
    frame::HEADER,
    ledger::Ledger,
    pace::Pace,
    recovery::QueueKey,
    slot::{Epoch, Journal, ONLY, Slot},
};
use crate::{
    clock::stopwatch,
    journal::{self, RecordNumber},
};

/// A buffer up to this size is used again.
const KEEP_BYTES: usize = 4 << 20;

/// So long lingers what nobody waits for,
const LINGER: Duration = Duration::from_millis(5);

/// unless there is so much of it.
const MUCH: usize = 1 << 20;

/// How often a full disk is looked at again when there is no file to go on with.
const FULL_WAIT: Duration = Duration::from_millis(50);

/// What gathers for the next frame.
#[derive(Default)]
struct Gathered {
    /// A frame in the making.
    buffer: Vec<u8>,
    done: Vec<Done>,
    /// Queues with records in it, and the last of these.
    queues: Vec<(QueueKey, RecordNumber)>,
    /// When the first came, if nobody waits for any of it.
    lingers_since: Option<Instant>,
}

impl Gathered {
    fn add(&mut self, batches: &[Batch<'_>], requests: Requests, done: Done) {
        self.lingers_since = match requests {
            Requests::None if self.is_empty() => Some(stopwatch()),
            Requests::None => self.lingers_since,
            Requests::One | Requests::Many => None,
        };
        let Self { buffer, done: waiting, queues, .. } = self;
        if buffer.is_empty() {
            buffer.resize(HEADER, 0);
        }
        for batch in batches {
            journal::put_entry(batch.room, batch.queue, batch.first, batch.records, buffer);
            let last = RecordNumber(batch.first.0 + batch.records.len() as u64 - 1);
            queues.push(((batch.room.clone(), batch.queue.clone()), last));
        }
        waiting.push(done);
    }

    fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// How long it may linger on.
    fn may_linger(&self, now: Instant) -> Option<Duration> {
        let since = self.lingers_since.filter(|_| self.buffer.len() < MUCH)?;
        (since + LINGER).checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// The queue of its records, if it is only one batch.
    fn only_queue(&self) -> Option<&QueueKey> {
        match self.queues.as_slice() {
            [(queue, _)] => Some(queue),
            _ => None,
        }
    }

    /// What gathered later comes behind it.
    fn put_behind(&mut self, later: Self) {
        self.buffer.extend_from_slice(later.buffer.get(HEADER..).unwrap_or_default());
        self.done.extend(later.done);
        self.queues.extend(later.queues);
        self.lingers_since = None;
    }

    fn clear(&mut self) {
        self.buffer.clear();
        if self.buffer.capacity() > KEEP_BYTES {
            self.buffer = Vec::new();
        }
        self.done.clear();
        self.queues.clear();
        self.lingers_since = None;
    }
}

#[derive(Default)]
enum Life {
    #[default]
    Open,
    /// Nothing is taken any more; what has gathered is written.
    Closing,
    /// Nothing is written any more.
    Broken(StoreError),
}

#[derive(Default)]
struct Inbox {
    gathered: Gathered,
    /// Was gathered and is written: to be used again.
    spent: Gathered,
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
    slot: Slot,
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Committer {
    /// Goes on behind `last`, the last position that is durable.
    pub(super) fn new(
        journal: Arc<dyn Journal>,
        ledger: Arc<Ledger>,
        epoch: Epoch,
        last: u64,
    ) -> Self {
        let writer = Mutex::new(Writer { journal, slot: ONLY, epoch, last });
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
        let mut inbox = lock(&self.inbox);
        match &inbox.life {
            Life::Open => {}
            Life::Closing => return Err(StoreError::Failed("the store is closed".into())),
            Life::Broken(error) => return Err(error.clone()),
        }
        let is_idle = !inbox.is_under_way && inbox.gathered.is_empty();
        let Inbox { gathered, pace, .. } = &mut *inbox;
        let lingered = gathered.lingers_since.is_some();
        gathered.add(batches, requests, done);
        // Then the thread waits for its time already.
        let lingers_on = lingered && gathered.may_linger(stopwatch()).is_some();
        let queue = gathered.only_queue();
        if pace.appended(requests, queue, is_idle, gathered.buffer.len()) {
            let gathered = inbox.begin();
            drop(inbox);
            return self.commit_here(gathered);
        }
        if !inbox.is_under_way && !lingers_on {
            self.wake_thread(&mut inbox);
        }
        Ok(Appended::Pending)
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
                gathered.clear();
                inbox.spent = gathered;
                if !inbox.gathered.is_empty() || !inbox.is_open() {
                    self.wake_thread(&mut inbox);
                }
                Ok(Appended::Durable)
            }
            Err(StoreError::Full) => {
                // The thread has the time to wait for room.
                let mut inbox = lock(&self.inbox);
                let later = std::mem::take(&mut inbox.gathered);
                gathered.put_behind(later);
                inbox.gathered = gathered;
                inbox.is_under_way = false;
                self.wake_thread(&mut inbox);
                Ok(Appended::Pending)
            }
            Err(error) => {
                gathered.clear();
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
                    Err(StoreError::Full) if lock(&self.inbox).is_open() => {
                        #[expect(clippy::disallowed_methods, reason = "a thread of its own")]
                        std::thread::sleep(FULL_WAIT);
                    }
                    committed => break committed,
                }
            };
            if let Err(error) = committed {
                self.fail(gathered, &error);
                return Err(error);
            }
            drop(self.ended(begun));
            gathered.done.drain(..).for_each(|done| done(Ok(())));
            gathered.clear();
            lock(&self.inbox).spent = gathered;
        }
        Ok(lock(&self.writer).last)
    }

    /// What has gathered, for the thread; none: it is closing and there is nothing more.
    fn next(&self) -> Result<Option<Gathered>, StoreError> {
        let mut inbox = lock(&self.inbox);
        loop {
            let may_linger = inbox.gathered.may_linger(stopwatch()).filter(|_| inbox.is_open());
            match &inbox.life {
                Life::Broken(error) => return Err(error.clone()),
                _ if inbox.is_under_way || may_linger.is_some() => {}
                _ if !inbox.gathered.is_empty() => return Ok(Some(inbox.begin())),
                Life::Closing => return Ok(None),
                Life::Open => {}
            }
            inbox.is_waiting = true;
            let time = may_linger.filter(|_| !inbox.is_under_way).unwrap_or(Duration::MAX);
            let waited = self.wake.wait_timeout(inbox, time);
            inbox = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Writes one frame. When there is no room nothing of it was written, so nothing is in doubt.
    fn commit(&self, gathered: &mut Gathered) -> Result<(), StoreError> {
        let mut writer = lock(&self.writer);
        let position = writer.last + 1;
        let (slot, epoch) = (writer.slot, writer.epoch);
        let appended = writer.journal.append(slot, position, epoch, &mut gathered.buffer);
        if appended == Err(StoreError::Full) {
            self.ledger.set_full(true);
        }
        let piece = appended?;
        writer.last = position;
        self.ledger.wrote(piece, position, &mut gathered.queues);
        Ok(())
    }

    /// A frame is durable that was begun then.
    fn ended(&self, begun: Instant) -> MutexGuard<'_, Inbox> {
        let took = begun.elapsed();
        let mut inbox = lock(&self.inbox);
        inbox.is_under_way = false;
        inbox.pace.committed(took);
        inbox
    }

    /// What the disk has of the last frame is not known: nothing is written ever again.
    fn fail(&self, gathered: Gathered, error: &StoreError) {
        let mut inbox = lock(&self.inbox);
        inbox.life = Life::Broken(error.clone());
        inbox.is_under_way = false;
        let rest = std::mem::take(&mut inbox.gathered);
        self.wake_thread(&mut inbox);
        drop(inbox);
        self.ledger.failed(error);
        let waiting = gathered.done.into_iter().chain(rest.done);
        waiting.for_each(|done| done(Err(error.clone())));
    }

    /// Writes what has gathered, and nothing after it.
    pub(super) fn close(&self) {
        let mut inbox = lock(&self.inbox);
        if inbox.is_open() {
            inbox.life = Life::Closing;
        }
        self.wake_thread(&mut inbox);
    }
}

impl Inbox {
    const fn is_open(&self) -> bool {
        matches!(self.life, Life::Open)
    }

    /// What has gathered is being written from now on.
    fn begin(&mut self) -> Gathered {
        self.is_under_way = true;
        let spent = std::mem::take(&mut self.spent);
        std::mem::replace(&mut self.gathered, spent)
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
        gathered.buffer.resize(MUCH, 0);
        assert_eq!(gathered.may_linger(since), None, "there is much of it");
        for requests in [Requests::One, Requests::Many] {
            let mut gathered = Gathered::default();
            add(&mut gathered, Requests::None);
            add(&mut gathered, requests);
            add(&mut gathered, Requests::None);
            assert_eq!(gathered.may_linger(since), None, "somebody waits");
        }
    }
}
