//! The store of a server that keeps what it acknowledged: a journal, a state store, and two threads.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use super::{
    Appended, Batch, Bodies, Done, Health, Keys, OpenError, Requests, Save, Store, StoreError,
    Stored, Urgency,
    apart::Apart,
    committer::Committer,
    disk::{Directory, Disk, Lock},
    entries,
    files::{self, Files},
    ledger::{Held, Ledger, Pieces},
    places::{Places, QueueKey},
    recovery::{InSlot, Recovered, recover},
    reserve::Reserve,
    segment::Named,
    slot::{BySlot, Journal, MAIN},
    state::State,
};
use crate::{
    journal::BlockImage,
    types::{QueueName, RoomName, Timestamp},
};

/// How to open a store.
pub struct OpenOptions {
    /// Where it is; made if it is not there.
    pub directory: PathBuf,
    /// Bytes of one file of the journal.
    pub segment_bytes: u64,
    /// The journal is kept below this, by saving queues; what is acknowledged is never limited by it.
    pub journal_bytes: u64,
    /// For encryption.
    pub keys: Keys,
}

/// Queues are saved so many at a time.
const SAVES: usize = 32;

/// How often the keeper looks around when nobody wakes it.
const LOOK_AROUND: Duration = Duration::from_millis(200);

/// Rounds until the keeper looks again for room on a full disk.
const FULL_ROUNDS: u32 = 5;

/// Written when the server stops in order: the last frame of each slot, and a checksum.
pub(super) const CLEAN: &str = "clean";
const CLEAN_TO_BE: &str = "clean.new";

/// See the module.
pub struct DurableStore {
    core: Arc<Core>,
    threads: Mutex<Option<Threads>>,
    #[expect(dead_code, reason = "held while the store lives")]
    lock: Arc<Lock>,
}

struct Threads {
    apart: JoinHandle<Result<u64, StoreError>>,
    committer: JoinHandle<Result<u64, StoreError>>,
    keeper: JoinHandle<()>,
}

struct Core {
    disk: Arc<dyn Disk>,
    keys: Arc<Keys>,
    apart: Arc<Apart>,
    committer: Arc<Committer>,
    journal: Arc<dyn Journal>,
    ledger: Arc<Ledger>,
    reserve: Reserve,
    journal_bytes: u64,
    /// What was in the journal at the start, of queues that are not loaded yet.
    places: Mutex<Places>,
    /// For what is quick,
    reader: Mutex<State>,
    /// and for messages and their bodies.
    bodies: Mutex<State>,
    work: Mutex<Work>,
    wake: Condvar,
    due: Mutex<Due>,
}

/// What the keeper is to do.
#[derive(Default)]
struct Work {
    saves: VecDeque<(Save, Done)>,
    is_closing: bool,
}

/// When queues that are not loaded want to be woken.
#[derive(Default)]
struct Due {
    by_queue: HashMap<QueueKey, Timestamp>,
    by_time: BTreeSet<(Timestamp, QueueKey)>,
}

impl Due {
    fn set(&mut self, queue: QueueKey, at: Option<Timestamp>) {
        if let Some(before) = self.by_queue.remove(&queue) {
            self.by_time.remove(&(before, queue.clone()));
        }
        if let Some(at) = at {
            self.by_queue.insert(queue.clone(), at);
            self.by_time.insert((at, queue));
        }
    }

    fn pop(&mut self, now: Timestamp) -> Option<QueueKey> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, queue) = self.by_time.pop_first()?;
        self.by_queue.remove(&queue);
        Some(queue)
    }
}

impl DurableStore {
    /// Opens a store: reads and checks the whole journal. `told` hears how many bytes are read, of how many.
    ///
    /// # Errors
    /// [`OpenError`]; what was acknowledged is as it was then.
    pub fn open(options: OpenOptions, told: &dyn Fn(u64, u64)) -> Result<Self, OpenError> {
        let directory = options.directory.clone();
        let home = Directory::new(&directory)?;
        let lock = Lock::take(&directory.join("lock"))?.ok_or(OpenError::Locked)?;
        let disk = Arc::new(Directory::new(&directory.join("journal"))?);
        let blobs = Arc::new(Directory::new(&directory.join("blobs"))?);
        let state = directory.join("state.db");
        let store = Self::open_on(disk, blobs, &state, lock, options, told)?;
        // The names of all these survive a power cut, too; nothing is acknowledged yet.
        home.sync_names()?;
        if let Some(parent) = directory.canonicalize()?.parent() {
            Directory::new(parent)?.sync_names()?;
        }
        Ok(store)
    }

    /// On other disks than the real one; the state store stays on the real one.
    pub(super) fn open_on(
        disk: Arc<dyn Disk>,
        blobs: Arc<dyn Disk>,
        state_path: &Path,
        lock: Lock,
        options: OpenOptions,
        told: &dyn Fn(u64, u64),
    ) -> Result<Self, OpenError> {
        // Without the state store that they belong to, segments say nothing.
        let mut state = match has_segments(disk.as_ref())? {
            true => State::open(state_path, &blobs)?,
            false => State::open_or_make(state_path, &blobs)?,
        };
        let (store, retired) = (state.store()?, state.retired()?);
        let mut found = recover(disk.as_ref(), store, &retired, &options.keys, told)?;
        if check_clean_mark(disk.as_ref(), &found)? {
            remove_clean_mark(disk.as_ref())?;
        }
        let is_in_journal = |(room, queue): &QueueKey| {
            found.places.get(room).is_some_and(|queues| queues.contains_key(queue))
        };
        let mut due = Due::default();
        for (queue, exists, at) in state.queues()? {
            if exists && !is_in_journal(&queue) {
                due.set(queue, at);
            }
        }
        // What has records after it was saved may want something: it is woken at once.
        for (room, queues) in &found.places {
            queues
                .keys()
                .for_each(|queue| due.set((room.clone(), queue.clone()), Some(Timestamp(0))));
        }
        let forgotten = state.forget_deleted(retired.main, |room, queue| {
            let (room, queue) = (room.parse::<RoomName>(), QueueName::stored(queue));
            room.is_ok_and(|room| queue.is_ok_and(|queue| is_in_journal(&(room, queue))))
        });
        match forgotten {
            // It is only tidying up.
            Ok(()) | Err(StoreError::Full) => {}
            Err(error) => return Err(error.into()),
        }
        let places = std::mem::take(&mut found.places);
        let BySlot { main, large } = &mut found.slots;
        let last = BySlot { main: main.last, large: large.last };
        let ledger = Arc::new(Ledger::new(BySlot { main: pieces(main), large: pieces(large) }));
        let keys = Arc::new(options.keys);
        let lock = Arc::new(lock);
        let (files, epoch) = Files::take_over(
            Arc::clone(&disk),
            Arc::clone(&keys),
            Arc::clone(&lock),
            store,
            options.segment_bytes,
            found,
        )?;
        let journal: Arc<dyn Journal> = Arc::new(files);
        match journal.tend() {
            Ok(()) => {}
            // What is there can be had, and settled as far as there is room ahead.
            Err(StoreError::Full) => ledger.set_full(true),
            Err(error) => return Err(error.into()),
        }
        let committer = Committer::new(Arc::clone(&journal), Arc::clone(&ledger), epoch, last.main);
        let committer = Arc::new(committer);
        let apart = Arc::new(Apart::new(
            Arc::clone(&committer),
            Arc::clone(&journal),
            Arc::clone(&ledger),
            epoch,
            last.large,
            options.segment_bytes,
        ));
        let core = Arc::new(Core {
            disk,
            keys,
            apart: Arc::clone(&apart),
            committer: Arc::clone(&committer),
            journal,
            ledger,
            reserve: Reserve::beside(state_path, options.segment_bytes),
            journal_bytes: options.journal_bytes,
            places: Mutex::new(places),
            reader: Mutex::new(state.another()?),
            bodies: Mutex::new(state.another()?),
            work: Mutex::default(),
            wake: Condvar::new(),
            due: Mutex::new(due),
        });
        let apart = thread("apart", move || apart.run())?;
        let committer = thread("committer", move || committer.run())?;
        let kept = Arc::clone(&core);
        let keeper = thread("keeper", move || kept.keep(state))?;
        let threads = Mutex::new(Some(Threads { apart, committer, keeper }));
        Ok(Self { core, threads, lock })
    }

    /// Writes what waits, and leaves a mark that says so. Blocks.
    ///
    /// # Errors
    /// [`StoreError`] if something could not be written; then there is no mark.
    pub fn close(&self) -> Result<(), StoreError> {
        let Some(Threads { apart, committer, keeper }) = self.threads.lock().take() else {
            return Ok(());
        };
        let failed = |what: &str| StoreError::Failed(format!("the {what} has panicked"));
        // What it writes goes on to the committer.
        self.core.apart.close();
        let large = apart.join().map_err(|_| failed("writer of what is large"));
        self.core.committer.close();
        let last = committer.join().map_err(|_| failed("committer"));
        self.core.work.lock().is_closing = true;
        self.core.wake.notify_one();
        keeper.join().map_err(|_| failed("keeper"))?;
        let last = BySlot { main: last??, large: large?? };
        match write_clean_mark(self.core.disk.as_ref(), &last) {
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                // All is stored; the next start only cannot tell that the end of the journal is its end.
                tracing::warn!("there is no room for journal/{CLEAN}");
                Ok(())
            }
            written => {
                written.map_err(|error| StoreError::Failed(format!("journal/{CLEAN}: {error}")))
            }
        }
    }
}

impl Drop for DurableStore {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the store was not closed in order");
        }
    }
}

pub(super) fn has_segments(disk: &dyn Disk) -> Result<bool, OpenError> {
    let is_segment = |name: &str| matches!(Named::of(name), Some(Named::Segment { .. }));
    Ok(disk.list()?.iter().any(|(name, _)| is_segment(name)))
}

fn thread<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, OpenError> {
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(run)?)
}

/// What was found in a slot, and who needs it.
fn pieces(slot: &mut InSlot) -> Pieces {
    let held = slot.segments.iter().zip(std::mem::take(&mut slot.queues));
    let held = held.map(|(segment, holders)| {
        let (number, bytes, last) = (segment.kin.generation, segment.bytes, segment.last);
        Held { number, bytes, last, holders }
    });
    Pieces::new(held, slot.last)
}

fn mark(last: &BySlot<u64>) -> Vec<u8> {
    let mut mark = last.main.to_le_bytes().to_vec();
    // As it was before there was anything large.
    if last.large > 0 {
        mark.extend(last.large.to_le_bytes());
    }
    mark.extend(crc32c::crc32c(&mark).to_le_bytes());
    mark
}

/// A mark says where the journal must end. Whether there is one.
pub(super) fn check_clean_mark(disk: &dyn Disk, found: &Recovered) -> Result<bool, OpenError> {
    if !disk.list()?.iter().any(|(name, _)| name == CLEAN) {
        return Ok(false);
    }
    let file = disk.open(CLEAN)?;
    let mut bytes = vec![0; usize::try_from(file.length()?).unwrap_or_default()];
    file.read_at(0, &mut bytes)?;
    let (said, _) = bytes.split_at(bytes.len().saturating_sub(4));
    let number = |at: usize| {
        let eight = said.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        eight.map_or(0, u64::from_le_bytes)
    };
    let said = BySlot { main: number(0), large: number(8) };
    if bytes != mark(&said) {
        return Err(OpenError::State(format!("journal/{CLEAN} is damaged")));
    }
    for (slot, found) in found.slots.each() {
        let expected = *said.of(slot);
        if expected != found.last {
            let (name, offset) = found.end.clone();
            return Err(OpenError::CleanStop { expected, found: found.last, name, offset });
        }
    }
    Ok(true)
}

/// Before anything else is written it is taken away.
fn remove_clean_mark(disk: &dyn Disk) -> std::io::Result<()> {
    disk.remove(CLEAN)?;
    disk.sync_names()
}

fn write_clean_mark(disk: &dyn Disk, last: &BySlot<u64>) -> std::io::Result<()> {
    let mark = mark(last);
    if disk.list()?.iter().any(|(name, _)| name == CLEAN_TO_BE) {
        disk.remove(CLEAN_TO_BE)?; // Of a stop that was not finished.
    }
    let file = disk.create(CLEAN_TO_BE, mark.len() as u64)?;
    file.write_at(&mark, 0)?;
    file.sync()?;
    // Under its name it is whole.
    disk.rename(CLEAN_TO_BE, CLEAN)?;
    disk.sync_names()
}

impl Core {
    /// The keeper: saves queues, gives files back, makes new ones.
    fn keep(&self, mut state: State) {
        let mut rounds_to_wait = 0;
        loop {
            let (saves, is_closing) = self.next_work();
            for (save, done) in saves {
                let queue = (save.room.clone(), save.queue.clone());
                let saved = state.save(&save, self.ledger.last(MAIN), &self.keys);
                if saved.is_ok() && save.image.is_some() {
                    self.ledger.let_go(&queue, save.applied);
                    self.due.lock().set(queue.clone(), save.due.filter(|_| save.exists));
                }
                if let Err(error) = &saved {
                    self.ledger.failed(error);
                }
                done(saved);
            }
            if self.ledger.is_full() {
                // A save needs room, too.
                self.reserve.give_up();
                self.journal.make_room();
                state.make_room();
            }
            if is_closing {
                return;
            }
            if rounds_to_wait > 0 {
                rounds_to_wait -= 1;
                continue;
            }
            match self.look_after_files(&state) {
                Ok(()) => self.ledger.set_full(false),
                Err(error) => {
                    tracing::warn!(%error, "the journal has no room for another file");
                    self.ledger.failed(&error);
                    rounds_to_wait = FULL_ROUNDS;
                }
            }
        }
    }

    fn next_work(&self) -> (VecDeque<(Save, Done)>, bool) {
        let mut work = self.work.lock();
        if work.saves.is_empty() && !work.is_closing {
            self.wake.wait_for(&mut work, LOOK_AROUND);
        }
        (std::mem::take(&mut work.saves), work.is_closing)
    }

    fn look_after_files(&self, state: &State) -> Result<(), StoreError> {
        // It needs no room, and costs only room if it cannot be done.
        if let Err(error) = state.give_back() {
            tracing::debug!(%error, "blobs do not get less");
        }
        let mut freed = false;
        while let Some((slot, last)) = self.ledger.free() {
            state.set_retired(slot, last)?;
            self.ledger.truncated(slot, last);
            self.journal.truncate(slot, last)?;
            freed = true;
        }
        if freed {
            state.shrink()?;
        }
        self.journal.tend()?;
        self.reserve.make().map_err(files::failed)
    }
}

impl Store for DurableStore {
    fn append(
        &self,
        batches: &[Batch<'_>],
        requests: Requests,
        done: Done,
    ) -> Result<Appended, StoreError> {
        self.core.apart.append(batches, requests, done)
    }

    fn knows(&self, room: &RoomName, queue: &QueueName) -> bool {
        let places = self.core.places.lock();
        if places.get(room).is_some_and(|queues| queues.contains_key(queue)) {
            return true;
        }
        drop(places);
        // Who cannot be asked is loaded, and says why then.
        self.core.reader.lock().knows(room, queue).unwrap_or(true)
    }

    fn encrypts(&self) -> bool {
        self.core.keys.encrypts()
    }

    fn lasts(&self) -> bool {
        true
    }

    fn queues(&self, room: &RoomName) -> Result<Vec<QueueName>, StoreError> {
        let mut queues: BTreeSet<_> =
            self.core.reader.lock().queues_of(room)?.into_iter().collect();
        if let Some(in_journal) = self.core.places.lock().get(room) {
            queues.extend(in_journal.keys().cloned());
        }
        Ok(queues.into_iter().collect())
    }

    fn load(&self, room: &RoomName, queue: &QueueName) -> Result<Stored, StoreError> {
        let key = (room.clone(), queue.clone());
        let saved = self.core.reader.lock().load(&key, &self.core.keys)?;
        let places = {
            let mut places = self.core.places.lock();
            let mut of_room = places.remove(room).unwrap_or_default();
            let found = of_room.remove(queue).unwrap_or_default();
            if !of_room.is_empty() {
                places.insert(room.clone(), of_room);
            }
            found
        };
        let mut reader = self.core.journal.reader();
        let records = entries::records(&places, saved.applied, |place| reader.read(place))?;
        self.core.due.lock().set(key, None);
        Ok(Stored { saved, records })
    }

    fn blocks(
        &self,
        room: &RoomName,
        queue: &QueueName,
        after: Option<(u32, u64)>,
    ) -> Result<Vec<BlockImage>, StoreError> {
        let key = (room.clone(), queue.clone());
        self.core.bodies.lock().blocks(&key, after, &self.core.keys)
    }

    fn bodies(
        &self,
        room: &RoomName,
        queue: &QueueName,
        partition: u32,
        offsets: (u64, u64),
        bytes_max: usize,
    ) -> Result<Bodies, StoreError> {
        let key = (room.clone(), queue.clone());
        let reader = self.core.bodies.lock();
        reader.bodies(&key, partition, offsets, bytes_max, &self.core.keys)
    }

    fn save(&self, save: Save, done: Done) {
        let mut work = self.core.work.lock();
        if work.is_closing {
            drop(work);
            return done(Err(StoreError::Failed("the store is closed".into())));
        }
        work.saves.push_back((save, done));
        self.core.wake.notify_one();
    }

    fn overdue(&self) -> Vec<(QueueKey, Urgency)> {
        // On a full disk everything that can be given back is.
        let bytes_max = if self.is_full() { 0 } else { self.core.journal_bytes };
        self.core.ledger.overdue(bytes_max, SAVES)
    }

    fn due(&self, now: Timestamp, most: usize) -> Vec<RoomName> {
        let mut due = self.core.due.lock();
        let mut rooms = BTreeMap::new();
        while rooms.len() < most
            && let Some((room, _)) = due.pop(now)
        {
            rooms.insert(room, ());
        }
        rooms.into_keys().collect()
    }

    fn health(&self) -> Health {
        self.core.ledger.health()
    }

    fn is_full(&self) -> bool {
        self.core.ledger.is_full()
    }
}

#[cfg(test)]
mod tests;
