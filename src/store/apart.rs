//! What is large is written apart, so that nothing else waits for it.
//!
//! ```text
//!  append ─┬─ large: a frame by itself, in a slot of its own ──► synced ─┐
//!          │                                                             ▼
//!          └─ all else, and what comes for the same queues meanwhile: waits ──► the committer, with the name of that frame
//! ```
//!
//! Until its large part is durable a batch is not in the journal, and no later one of its queues either: so their order is kept, a
//! frame that is named is always there, and one that is not named never counted. A thread writes what is large, one after the other.

use std::{
    collections::{HashSet, VecDeque},
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{
    Appended, Batch, Done, Requests, StoreError,
    committer::{Committer, Entries},
    frame::HEADER,
    ledger::Ledger,
    life::{Life, wait_for_room},
    places::QueueKey,
    slot::{Epoch, Journal, LARGE},
};
use crate::{
    journal::{self, Record, RecordNumber},
    types::{QueueName, RoomName},
};

/// A record from this size on is written apart. Smaller ones are better off in a frame with others: half a millisecond holds up nobody.
const LARGE_BYTES: u64 = 512 << 10;

/// See the module.
pub(super) struct Apart {
    committer: Arc<Committer>,
    large_from: usize,
    state: Mutex<State>,
    /// Somebody waits: what is appended may have to wait as well.
    is_used: AtomicBool,
    wake: Condvar,
    ledger: Arc<Ledger>,
    journal: Arc<dyn Journal>,
    epoch: Epoch,
}

#[derive(Default)]
struct State {
    /// In the order in which they came.
    waiting: VecDeque<Waiting>,
    /// What is to be written apart, in order.
    large: VecDeque<Large>,
    next: u64,
    /// The last position that is durable.
    last: u64,
    life: Life,
}

/// What was appended, and is not yet with the committer.
struct Waiting {
    number: u64,
    parts: Vec<Part>,
    queues: Vec<(QueueKey, RecordNumber)>,
    requests: Requests,
    done: Done,
}

/// A batch, as it will stand in the journal.
enum Part {
    Here(Vec<u8>),
    Apart(Named),
}

/// A batch that is named only.
struct Named {
    room: RoomName,
    queue: QueueName,
    first: RecordNumber,
    count: usize,
    /// Where it is, once it is there.
    position: Option<u64>,
}

/// A batch to be written apart.
struct Large {
    /// Whose it is, and which part of it.
    number: u64,
    part: usize,
    frame: Vec<u8>,
    queue: (QueueKey, RecordNumber),
}

impl Waiting {
    fn is_ready(&self) -> bool {
        self.parts.iter().all(|part| match part {
            Part::Here(_) => true,
            Part::Apart(named) => named.position.is_some(),
        })
    }

    fn is_of(&self, queue: (&RoomName, &QueueName)) -> bool {
        self.queues.iter().any(|((room, name), _)| (room, name) == queue)
    }

    fn entries(parts: Vec<Part>, queues: Vec<(QueueKey, RecordNumber)>) -> Entries {
        let mut entries = Entries { bytes: Vec::new(), queues };
        for part in parts {
            match part {
                Part::Here(bytes) => entries.bytes.extend(bytes),
                Part::Apart(Named { room, queue, first, count, position }) => {
                    let position = position.unwrap_or_default();
                    let out = &mut entries.bytes;
                    journal::put_apart(&room, &queue, first, count, position, out);
                }
            }
        }
        entries
    }
}

/// About how long a record is, if it is long.
fn weight(record: &Record) -> usize {
    match record {
        Record::Sent { message, .. } | Record::Replaced { message, .. } => message.body.len(),
        Record::PartitionAdded { key, .. } => key.as_str().len(),
        _ => 0,
    }
}

impl Apart {
    /// Goes on behind `last`, the last large frame that is durable.
    pub(super) fn new(
        committer: Arc<Committer>,
        journal: Arc<dyn Journal>,
        ledger: Arc<Ledger>,
        epoch: Epoch,
        last: u64,
        segment_bytes: u64,
    ) -> Self {
        let large_from = (segment_bytes / 16).min(LARGE_BYTES) as usize;
        let state = Mutex::new(State { last, ..State::default() });
        let (is_used, wake) = (AtomicBool::new(false), Condvar::new());
        Self { committer, large_from, state, is_used, wake, ledger, journal, epoch }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn is_large(&self, batch: &Batch<'_>) -> bool {
        batch.records.iter().any(|record| weight(record) >= self.large_from)
    }

    /// # Errors
    /// [`StoreError`] once nothing is taken any more.
    pub(super) fn append(
        &self,
        batches: &[Batch<'_>],
        requests: Requests,
        done: Done,
    ) -> Result<Appended, StoreError> {
        let is_large = batches.iter().any(|batch| self.is_large(batch));
        if !is_large && !self.is_used.load(Ordering::Acquire) {
            return self.committer.append(batches, requests, done);
        }
        // Written down while nobody is held up by it.
        let encoded = is_large.then(|| self.encode(batches));
        let mut state = self.state();
        state.life.admit()?;
        let follows = |batch: &Batch<'_>| {
            state.waiting.iter().any(|waiting| waiting.is_of((batch.room, batch.queue)))
        };
        if !is_large && !batches.iter().any(follows) {
            drop(state);
            return self.committer.append(batches, requests, done);
        }
        let (parts, large) = encoded.unwrap_or_else(|| self.encode(batches));
        let number = state.next;
        state.next += 1;
        let queues: Vec<_> = batches.iter().map(|batch| (batch.key(), batch.last())).collect();
        for (part, frame) in large {
            let queue = queues.get(part).cloned();
            state.large.extend(queue.map(|queue| Large { number, part, frame, queue }));
        }
        state.waiting.push_back(Waiting { number, parts, queues, requests, done });
        self.is_used.store(true, Ordering::Release);
        self.wake.notify_one();
        Ok(Appended::Pending)
    }

    /// Batches as they will stand in the journal, and the frames of those that are large.
    fn encode(&self, batches: &[Batch<'_>]) -> (Vec<Part>, Vec<(usize, Vec<u8>)>) {
        let (mut parts, mut large) = (Vec::new(), Vec::new());
        for batch in batches {
            if self.is_large(batch) {
                let mut frame = vec![0; HEADER];
                batch.put(&mut frame);
                large.push((parts.len(), frame));
                let ((room, queue), first) = (batch.key(), batch.first);
                let count = batch.records.len();
                parts.push(Part::Apart(Named { room, queue, first, count, position: None }));
            } else {
                let mut bytes = Vec::new();
                batch.put(&mut bytes);
                parts.push(Part::Here(bytes));
            }
        }
        (parts, large)
    }

    /// The thread: writes what is large until it is closed, or something fails. The last position that is durable.
    pub(super) fn run(&self) -> Result<u64, StoreError> {
        while let Some((mut large, position)) = self.next()? {
            let appended = loop {
                match self.journal.append(LARGE, position, self.epoch, &mut large.frame) {
                    Err(StoreError::Full) if self.state().life.is_open() => {
                        self.ledger.set_full(true);
                        wait_for_room();
                    }
                    appended => break appended,
                }
            };
            match appended {
                Ok(piece) => {
                    self.ledger.wrote(LARGE, piece, position, &mut vec![large.queue]);
                    self.wrote(large.number, large.part, position);
                }
                Err(error) => {
                    self.fail(&error);
                    return Err(error);
                }
            }
        }
        Ok(self.state().last)
    }

    /// What is to be written next, and where.
    fn next(&self) -> Result<Option<(Large, u64)>, StoreError> {
        let mut state = self.state();
        loop {
            if let Life::Broken(error) = &state.life {
                return Err(error.clone());
            }
            match (state.large.pop_front(), &state.life) {
                (Some(large), _) => return Ok(Some((large, state.last + 1))),
                (None, Life::Open) => {}
                (None, _) => return Ok(None),
            }
            self.wake.wait(&mut state);
        }
    }

    /// A part is durable: passes on whatever waits for nothing any more, nor for anybody before it.
    fn wrote(&self, number: u64, part: usize, position: u64) {
        let mut state = self.state();
        state.last = position;
        let waiting = state.waiting.iter_mut().find(|waiting| waiting.number == number);
        if let Some(Part::Apart(named)) = waiting.and_then(|it| it.parts.get_mut(part)) {
            named.position = Some(position);
        }
        let mut held: HashSet<QueueKey> = HashSet::new();
        let mut refused = Vec::new();
        for waiting in mem::take(&mut state.waiting) {
            let is_held = waiting.queues.iter().any(|(queue, _)| held.contains(queue));
            if is_held || !waiting.is_ready() {
                held.extend(waiting.queues.iter().map(|(queue, _)| queue.clone()));
                state.waiting.push_back(waiting);
                continue;
            }
            let Waiting { parts, queues, requests, done, .. } = waiting;
            let entries = Waiting::entries(parts, queues);
            refused.extend(self.committer.append_entries(entries, requests, done).err());
        }
        self.is_used.store(!state.waiting.is_empty(), Ordering::Release);
        drop(state);
        refused.into_iter().for_each(|(done, error)| done(Err(error)));
    }

    /// What the disk has of the last frame is not known: nothing is written ever again.
    fn fail(&self, error: &StoreError) {
        let waiting = {
            let mut state = self.state();
            state.life = Life::Broken(error.clone());
            state.large.clear();
            mem::take(&mut state.waiting)
        };
        self.committer.stop(error);
        waiting.into_iter().for_each(|waiting| (waiting.done)(Err(error.clone())));
    }

    /// Writes what is there, and nothing after it.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.life.close();
        self.wake.notify_one();
    }
}
