//! The thread that writes the journal: everything that waits becomes one frame, is synced, and is answered.
//!
//! There is no timer: the sync under way is the time in which the next frame gathers. What is appended is encoded into
//! the next frame at once, by whoever appends it.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Batch, Done, StoreError,
    frame::HEADER,
    ledger::Ledger,
    recovery::QueueKey,
    slot::{Epoch, Journal, Slot},
};
use crate::journal::{self, RecordNumber};

/// A buffer up to this size is used again.
const KEEP_BYTES: usize = 4 << 20;

/// How often a full disk is looked at again when there is no file to go on with.
const FULL_WAIT: Duration = Duration::from_millis(50);

/// What gathers for the next frame.
#[derive(Default)]
pub(super) struct Gathered {
    /// A frame in the making.
    buffer: Vec<u8>,
    done: Vec<Done>,
    /// Queues with records in it, and the last of these.
    queues: Vec<(QueueKey, RecordNumber)>,
}

/// Between those who append and the thread.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<InboxState>,
    wake: Condvar,
}

#[derive(Default)]
struct InboxState {
    gathered: Gathered,
    /// Nothing is taken any more.
    failed: Option<StoreError>,
    is_closing: bool,
    is_waiting: bool,
}

impl Inbox {
    fn state(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn append(&self, batches: &[Batch<'_>], done: Done) -> Result<(), StoreError> {
        let mut state = self.state();
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        let Gathered { buffer, done: waiting, queues } = &mut state.gathered;
        if buffer.is_empty() {
            buffer.resize(HEADER, 0);
        }
        for batch in batches {
            journal::put_entry(batch.room, batch.queue, batch.first, batch.records, buffer);
            let last = RecordNumber(batch.first.0 + batch.records.len() as u64 - 1);
            queues.push(((batch.room.clone(), batch.queue.clone()), last));
        }
        waiting.push(done);
        if std::mem::take(&mut state.is_waiting) {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// What has gathered; none: it is closing and there is nothing more.
    fn next(&self, mut spent: Gathered) -> Option<Gathered> {
        spent.buffer.clear();
        if spent.buffer.capacity() > KEEP_BYTES {
            spent.buffer = Vec::new();
        }
        let mut state = self.state();
        loop {
            if !state.gathered.done.is_empty() {
                return Some(std::mem::replace(&mut state.gathered, spent));
            }
            if state.is_closing {
                return None;
            }
            state.is_waiting = true;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes what has gathered, and nothing after it.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closing = true;
        state.failed.get_or_insert_with(|| StoreError::Failed("the store is closed".into()));
        self.wake.notify_one();
    }

    fn fail(&self, error: &StoreError) -> Gathered {
        let mut state = self.state();
        state.failed = Some(error.clone());
        std::mem::take(&mut state.gathered)
    }
}

pub(super) struct Committer {
    pub(super) inbox: Arc<Inbox>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) slot: Slot,
    pub(super) epoch: Epoch,
    /// The last position that is durable.
    pub(super) last: u64,
}

impl Committer {
    /// Commits until the inbox is closed, or something fails. The last position that is durable.
    pub(super) fn run(mut self) -> Result<u64, StoreError> {
        let mut gathered = Gathered::default();
        while let Some(next) = self.inbox.next(gathered) {
            gathered = next;
            if let Err(error) = self.commit(&mut gathered) {
                // What the disk has of it is not known: nothing is written ever again.
                let rest = self.inbox.fail(&error);
                self.ledger.failed(&error);
                let waiting = gathered.done.drain(..).chain(rest.done);
                waiting.for_each(|done| done(Err(error.clone())));
                return Err(error);
            }
            gathered.done.drain(..).for_each(|done| done(Ok(())));
        }
        Ok(self.last)
    }

    /// Waits for room if there is none: nothing of the frame was written yet, so nothing is in doubt.
    fn commit(&mut self, gathered: &mut Gathered) -> Result<(), StoreError> {
        let position = self.last + 1;
        let piece = loop {
            let frame = &mut gathered.buffer;
            match self.journal.append(self.slot, position, self.epoch, frame) {
                Err(StoreError::Full) if !self.inbox.state().is_closing => {
                    self.ledger.set_full(true);
                    #[expect(clippy::disallowed_methods, reason = "a thread of its own")]
                    std::thread::sleep(FULL_WAIT);
                }
                appended => break appended?,
            }
        };
        self.last = position;
        self.ledger.wrote(piece, position, &mut gathered.queues);
        Ok(())
    }
}
