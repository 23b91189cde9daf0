//! A store that no server uses: to be read as a whole, or to be filled.

use std::{
    collections::{BTreeSet, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Bodies, Keys, OpenError, Save, StoreError, Stored,
    admin::Report,
    disk::{Directory, Disk, Lock},
    durable::{check_clean_mark, has_segments},
    entries::{self, EntryReader},
    places::QueueKey,
    recovery::{self, Recovered, recover},
    state::State,
};
use crate::{journal::BlockImage, types::RoomName};

/// The parts of a store's directory.
pub(super) struct Place {
    pub(super) directory: PathBuf,
    pub(super) journal: Arc<dyn Disk>,
    /// Of bodies.
    pub(super) blobs: Arc<dyn Disk>,
}

impl Place {
    pub(super) fn of(directory: &Path) -> Result<Self, OpenError> {
        if !directory.join("state.db").is_file() || !directory.join("journal").is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no store here").into());
        }
        let journal: Arc<dyn Disk> = Arc::new(Directory::new(&directory.join("journal"))?);
        let blobs: Arc<dyn Disk> = Arc::new(Directory::new(&directory.join("blobs"))?);
        Ok(Self { directory: directory.to_owned(), journal, blobs })
    }

    pub(super) fn state_path(&self) -> PathBuf {
        self.directory.join("state.db")
    }

    pub(super) fn state(&self) -> Result<State, OpenError> {
        State::open(&self.state_path(), &self.blobs)
    }

    pub(super) fn lock(&self) -> Result<Lock, OpenError> {
        Lock::take(&self.directory.join("lock"))?.ok_or(OpenError::Locked)
    }

    pub(super) fn recover(&self, state: &State, keys: &Keys) -> Result<Recovered, OpenError> {
        recover(self.journal.as_ref(), state.store()?, &state.retired()?, keys, &|_, _| {})
    }
}

/// Everything that is stored in a directory. Changes nothing.
pub struct Offline<'a> {
    keys: &'a Keys,
    place: Place,
    state: State,
    found: Recovered,
    is_clean: bool,
    #[expect(dead_code, reason = "held, not used")]
    lock: Option<Lock>,
}

impl<'a> Offline<'a> {
    /// Reads and checks the journal, and keeps servers away.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(directory: &Path, keys: &'a Keys) -> Result<Self, OpenError> {
        let place = Place::of(directory)?;
        let lock = place.lock()?;
        Ok(Self { lock: Some(lock), ..Self::unlocked(place, keys)? })
    }

    pub(super) fn unlocked(place: Place, keys: &'a Keys) -> Result<Self, OpenError> {
        let state = place.state()?;
        let found = place.recover(&state, keys)?;
        let is_clean = check_clean_mark(place.journal.as_ref(), &found)?;
        Ok(Self { keys, place, state, found, is_clean, lock: None })
    }

    /// What can be said without reading the queues.
    pub(super) fn report(&self) -> Result<Report, OpenError> {
        let slots = self.found.slots.each().into_iter();
        let segments = slots.flat_map(|(_, found)| &found.segments);
        Ok(Report {
            segments: segments.clone().count() as u64,
            journal_bytes: segments.map(|segment| segment.bytes).sum(),
            last_frame: self.found.slots.main.last,
            state_bytes: fs::metadata(self.place.state_path())?.len(),
            blob_bytes: self.state.blob_bytes(),
            is_clean: self.is_clean,
            ..Report::default()
        })
    }

    /// All queues, in order; among those that are in the journal some may have been deleted.
    ///
    /// # Errors
    /// [`OpenError`] when they cannot be read.
    pub fn queues(&self) -> Result<BTreeSet<QueueKey>, OpenError> {
        let saved = self.state.queues()?.into_iter();
        let mut queues: BTreeSet<_> =
            saved.filter(|(_, exists, _)| *exists).map(|(key, ..)| key).collect();
        for (room, of_room) in &self.found.places {
            queues.extend(of_room.keys().map(|queue| (room.clone(), queue.clone())));
        }
        Ok(queues)
    }

    /// As [`Store::load`](super::Store::load).
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn load(&self, key: &QueueKey) -> Result<Stored, StoreError> {
        let saved = self.state.load(key, self.keys)?;
        let places = self.found.places.get(&key.0).and_then(|of_room| of_room.get(&key.1));
        let places = places.map_or(&[][..], Vec::as_slice);
        let mut entries = EntryReader::new(self.place.journal.as_ref(), self.keys);
        let records = entries::records(places, saved.applied, |place| {
            let segments = &self.found.slots.of(place.slot).segments;
            entries.read(place, || recovery::place(segments, place.position))
        })?;
        Ok(Stored { saved, records })
    }

    /// As [`Store::blocks`](super::Store::blocks).
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn blocks(
        &self,
        key: &QueueKey,
        after: Option<(u32, u64)>,
    ) -> Result<Vec<BlockImage>, StoreError> {
        self.state.blocks(key, after, self.keys)
    }

    /// As [`Store::bodies`](super::Store::bodies).
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn bodies(
        &self,
        key: &QueueKey,
        partition: u32,
        offsets: (u64, u64),
        bytes_max: usize,
    ) -> Result<Bodies, StoreError> {
        self.state.bodies(key, partition, offsets, bytes_max, self.keys)
    }
}

/// A store that gets queues of rooms that it does not have: all of them with [`Self::end`], or none.
pub struct Filling<'a> {
    keys: &'a Keys,
    directory: PathBuf,
    state: Option<State>,
    /// Rooms of which there is something.
    rooms: HashSet<RoomName>,
    last_frame: u64,
    /// There was no store.
    is_new: bool,
    #[expect(dead_code, reason = "held, not used")]
    lock: Lock,
}

impl<'a> Filling<'a> {
    /// Opens the store of this directory, or makes one, and keeps servers away.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn begin(directory: &Path, keys: &'a Keys) -> Result<Self, OpenError> {
        let is_new = !directory.join("state.db").exists();
        Directory::new(directory)?;
        let journal = Directory::new(&directory.join("journal"))?;
        let lock = Lock::take(&directory.join("lock"))?.ok_or(OpenError::Locked)?;
        let path = directory.join("state.db");
        let (mut rooms, mut last_frame) = (HashSet::new(), 0);
        let state = if is_new {
            // What is in a journal belongs to a state store that is missing.
            if has_segments(&journal)? {
                return Err(OpenError::State("it is missing".to_owned()));
            }
            let blobs: Arc<dyn Disk> = Arc::new(Directory::new(&directory.join("blobs"))?);
            State::open_or_make(&path, &blobs)?
        } else {
            let place = Place::of(directory)?;
            let state = place.state()?;
            let found = place.recover(&state, keys)?;
            check_clean_mark(place.journal.as_ref(), &found)?;
            rooms.extend(state.queues()?.into_iter().map(|((room, _), ..)| room));
            last_frame = found.slots.main.last;
            rooms.extend(found.places.into_keys());
            state
        };
        state.begin_filling()?;
        let (directory, state) = (directory.to_owned(), Some(state));
        Ok(Self { keys, directory, state, rooms, last_frame, is_new, lock })
    }

    /// Whether something of the room was there, be it a queue that was deleted.
    #[must_use]
    pub fn has(&self, room: &RoomName) -> bool {
        self.rooms.contains(room)
    }

    fn state(&self) -> Result<&State, StoreError> {
        self.state.as_ref().ok_or_else(|| StoreError::Failed("the store is closed".to_owned()))
    }

    /// Saves a queue, or some blocks of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn save(&self, save: &Save) -> Result<(), StoreError> {
        self.state()?.fill(save, self.last_frame, self.keys)
    }

    /// As [`Store::blocks`](super::Store::blocks).
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn blocks(
        &self,
        key: &QueueKey,
        after: Option<(u32, u64)>,
    ) -> Result<Vec<BlockImage>, StoreError> {
        self.state()?.blocks(key, after, self.keys)
    }

    /// All that was saved is there.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is there, then.
    pub fn end(mut self) -> Result<(), OpenError> {
        self.state()?.end_filling()?;
        self.state = None;
        Directory::new(&self.directory)?.sync_names()?;
        if let Some(parent) = self.directory.canonicalize()?.parent() {
            Directory::new(parent)?.sync_names()?;
        }
        Ok(())
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        // Not ended: SQLite takes back what was saved.
        if self.state.take().is_some() && self.is_new {
            for name in ["state.db", "state.db-wal", "state.db-shm", "state.db-journal"] {
                // What is left of it is a store without queues.
                let _ = fs::remove_file(self.directory.join(name));
            }
            let _ = fs::remove_dir(self.directory.join("journal"));
            let _ = fs::remove_dir_all(self.directory.join("blobs"));
        }
    }
}
