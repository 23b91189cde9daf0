//! The journal of a server by itself: files of a directory. Which are in use, which are free.
//!
//! The epoch stands in the file `lock` and in the upper half of each generation, so it is in the name of each file and in each
//! frame.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{
    Keys, OpenError, StoreError,
    disk::{Disk, DiskFile, Lock},
    frame::{self, HEADER, Kin},
    recovery::{self, Found, Recovered},
    segment::Named,
    slot::{Epoch, Journal, ONLY, Piece, Slot},
};

/// So many free files are kept ready: one to go on with, one to live on when the disk is full.
const SPARES: usize = 2;

/// Of those that are given back so many are kept: when a large queue is saved many come at once, and to make one costs as
/// much as to write it full.
const SPARES_MAX: usize = 16;

pub(super) struct Files {
    disk: Arc<dyn Disk>,
    keys: Arc<Keys>,
    lock: Arc<Lock>,
    store: u64,
    epoch: Epoch,
    segment_bytes: u64,
    state: Mutex<FilesState>,
    writing: Mutex<Option<Writing>>,
}

struct FilesState {
    /// Oldest first; the last one is written to.
    segments: VecDeque<Found>,
    spares: Vec<Spare>,
    /// The highest that was ever used.
    generation: u64,
    next_spare: u64,
    last: u64,
}

struct Spare {
    name: String,
    bytes: u64,
}

/// The file that is written to.
struct Writing {
    kin: Kin,
    file: Box<dyn DiskFile>,
    bytes: u64,
    /// There was no room for a free file after it.
    is_last: bool,
    /// Where the next frame goes.
    at: u64,
}

/// What an error of a file means for the store.
pub(super) fn failed(error: std::io::Error) -> StoreError {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => StoreError::Full,
        _ => broken(error),
    }
}

fn broken(error: std::io::Error) -> StoreError {
    StoreError::Failed(format!("journal: {error}"))
}

impl Files {
    /// Takes the only slot over: what was found in it is this journal's, and nobody else writes there any more.
    pub(super) fn take_over(
        disk: Arc<dyn Disk>,
        keys: Arc<Keys>,
        lock: Arc<Lock>,
        store: u64,
        segment_bytes: u64,
        found: Recovered,
    ) -> Result<(Self, Epoch), OpenError> {
        let Recovered { segments, spares, generation, last, .. } = found;
        let epoch = Epoch(lock.raise((generation >> 32) as u32)?);
        let mut state = FilesState {
            segments: segments.into(),
            spares: Vec::new(),
            generation: u64::from(epoch.0) << 32,
            next_spare: 1,
            last,
        };
        for (bytes, name) in spares {
            // One that is not whole, or of another size, is no use.
            if bytes == segment_bytes && state.spares.len() < SPARES_MAX && Named::is_spare(&name) {
                if let Some(Named::Spare { number }) = Named::of(&name) {
                    state.next_spare = state.next_spare.max(number + 1);
                }
                state.spares.push(Spare { name, bytes });
            } else {
                disk.remove(&name)?;
            }
        }
        disk.sync_names()?;
        let (state, writing) = (Mutex::new(state), Mutex::new(None));
        Ok((Self { disk, keys, lock, store, epoch, segment_bytes, state, writing }, epoch))
    }

    fn state(&self) -> MutexGuard<'_, FilesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a free file if one is missing; whether one was. Its blocks are written, so that a commit has nothing to
    /// change but their content.
    fn make_spare(&self) -> Result<bool, StoreError> {
        if self.state().spares.len() >= SPARES {
            return Ok(false);
        }
        let spare = self.create_spare(self.segment_bytes)?;
        self.disk.sync_names().map_err(failed)?;
        self.state().spares.push(spare);
        Ok(true)
    }

    fn create_spare(&self, bytes: u64) -> Result<Spare, StoreError> {
        let number = {
            let mut state = self.state();
            state.next_spare += 1;
            state.next_spare
        };
        let name = Named::Spare { number }.name();
        self.disk.create(&name, bytes).map_err(failed)?;
        Ok(Spare { name, bytes })
    }

    /// Another file for frames from `first` on, for one of so many bytes at least.
    fn roll(&self, first: u64, bytes: u64) -> Result<Writing, StoreError> {
        // Whoever could take the lock while this process had it writes in a later epoch.
        if self.lock.epoch().is_some_and(|now| now > self.epoch.0) {
            return Err(StoreError::Failed("another process has taken the journal over".into()));
        }
        let spare = {
            let mut state = self.state();
            state.spares.pop_if(|spare| spare.bytes >= bytes)
        };
        let spare = match spare {
            Some(spare) => spare,
            None => self.create_spare(bytes.max(self.segment_bytes))?,
        };
        // With the last one what gives room back must still be possible: the keeper may look too late.
        let mut is_last = false;
        if self.state().spares.is_empty() {
            match self.make_spare() {
                Ok(_) => {}
                Err(StoreError::Full) => is_last = true,
                Err(error) => return Err(error),
            }
        }
        let Spare { name: from, bytes } = spare;
        let generation = {
            let mut state = self.state();
            state.generation += 1;
            state.generation
        };
        let name = Named::Segment { generation, first }.name();
        self.disk.rename(&from, &name).map_err(failed)?;
        self.disk.sync_names().map_err(failed)?;
        let file = self.disk.open(&name).map_err(failed)?;
        let kin = Kin { store: self.store, generation };
        let (last, frames) = (first - 1, Vec::new());
        self.state().segments.push_back(Found { name, kin, first, last, bytes, frames });
        Ok(Writing { kin, file, bytes, is_last, at: 0 })
    }

    /// Makes the oldest segment a free file.
    fn retire(&self) -> Result<(), StoreError> {
        let (segment, number, is_wanted) = {
            let mut state = self.state();
            state.next_spare += 1;
            let number = state.next_spare;
            let Some(segment) = state.segments.pop_front() else { return Ok(()) };
            let is_wanted = segment.bytes == self.segment_bytes && state.spares.len() < SPARES_MAX;
            (segment, number, is_wanted)
        };
        let name = Named::Spare { number }.name();
        let done = match is_wanted {
            true => self.disk.rename(&segment.name, &name),
            false => self.disk.remove(&segment.name),
        };
        done.and_then(|()| self.disk.sync_names()).map_err(failed)?;
        if is_wanted {
            self.state().spares.push(Spare { name, bytes: segment.bytes });
        }
        Ok(())
    }
}

impl Journal for Files {
    fn append(
        &self,
        slot: Slot,
        position: u64,
        epoch: Epoch,
        frame: &mut Vec<u8>,
    ) -> Result<Piece, StoreError> {
        let last = self.state().last;
        if (slot, position, epoch) != (ONLY, last + 1, self.epoch) {
            return Err(StoreError::Failed("journal: somebody else writes there".into()));
        }
        // Encryption adds 16 bytes.
        let length = (frame.len() + 16).next_multiple_of(HEADER) as u64;
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |writing: &Writing| writing.at + length <= writing.bytes;
        let mut to = match writing.take().filter(fits) {
            Some(to) => to,
            None => self.roll(position, length)?,
        };
        let sealing = self.keys.seal(frame, HEADER, &frame::place(to.kin, position))?;
        frame::seal(frame, to.kin, position, last, sealing);
        to.file.write_at(frame, to.at).map_err(broken)?;
        to.file.sync().map_err(broken)?;
        to.at += frame.len() as u64;
        let (number, bytes, is_last) = (to.kin.generation, to.bytes, to.is_last);
        *writing = Some(to);
        let mut state = self.state();
        state.last = position;
        if let Some(segment) = state.segments.back_mut() {
            segment.last = position;
        }
        Ok(Piece { number, bytes, is_last })
    }

    fn read(&self, slot: Slot, position: u64) -> Result<Bytes, StoreError> {
        let place = {
            let state = self.state();
            recovery::place(&state.segments, position).filter(|_| slot == ONLY)
        };
        recovery::read(self.disk.as_ref(), &self.keys, position, place)
    }

    fn truncate(&self, _: Slot, through: u64) -> Result<(), StoreError> {
        let is_over = |state: &FilesState| {
            state.segments.len() > 1 && state.segments.front().is_some_and(|it| it.last <= through)
        };
        while is_over(&self.state()) {
            self.retire()?;
        }
        Ok(())
    }

    fn tend(&self) -> Result<(), StoreError> {
        while self.make_spare()? {}
        Ok(())
    }

    fn make_room(&self) {
        while let Some(spare) = {
            let mut state = self.state();
            if state.spares.len() > SPARES { state.spares.pop() } else { None }
        } {
            if let Err(error) = self.disk.remove(&spare.name) {
                tracing::debug!(%error, "a free file of the journal is not removed");
            }
        }
    }
}
