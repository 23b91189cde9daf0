//! The journal of a server by itself: files of a directory. Which are in use, for which slot, and which are free.
//!
//! The epoch stands in the file `lock` and in the upper half of each generation, so it is in the name of each file and in each
//! frame.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use super::{
    Keys, OpenError, StoreError,
    disk::{Disk, Lock},
    entries::EntryReader,
    frame::{self, HEADER, Kin},
    places::Place,
    recovery::{self, Found, InSlot, Recovered},
    segment::Named,
    slot::{BySlot, Epoch, Journal, LARGE, MAIN, Piece, Reader, Slot},
    tail::Tail,
};
use crate::clock::stopwatch;

/// So many free files are kept ready: one to go on with, one to live on when the disk is full.
const SPARES: usize = 2;

/// Of those that are given back so many are kept: when a large queue is saved many come at once, and to fill one costs as
/// much as to write it full.
const SPARES_MAX: usize = 16;

/// So many segments of a slot that are no longer needed are kept for who copies them, whom that may take long.
pub(super) const COPIED_MAX: usize = 256;

/// So long after a file was begun the next ones are not filled. Where one is full sooner, commits are large and gain little
/// by it, and would wait for the zeros.
pub(super) const UNHURRIED: Duration = Duration::from_millis(200);

pub(super) struct Files {
    disk: Arc<dyn Disk>,
    keys: Arc<Keys>,
    lock: Arc<Lock>,
    store: u64,
    epoch: Epoch,
    segment_bytes: u64,
    state: Mutex<FilesState>,
    writing: BySlot<Mutex<Option<Writing>>>,
}

struct FilesState {
    slots: BySlot<InUse>,
    spares: Vec<Spare>,
    /// The highest that was ever used.
    generation: u64,
    next_spare: u64,
    /// When a file that is written to was begun, or the journal taken over: a start does not wait for zeros either.
    begun: Instant,
    /// Generations of files that were left for one that is filled.
    left: Vec<u64>,
}

/// The files of a slot.
struct InUse {
    /// Oldest first; the last one is written to.
    segments: VecDeque<Found>,
    /// The last frame.
    last: u64,
    /// Frames up to this one are no longer needed.
    over: u64,
}

impl From<InSlot> for InUse {
    fn from(InSlot { segments, last, .. }: InSlot) -> Self {
        Self { segments: segments.into(), last, over: 0 }
    }
}

impl InUse {
    /// How many segments are no longer needed.
    fn segments_over(&self) -> usize {
        let before_last = self.segments.iter().take(self.segments.len().saturating_sub(1));
        before_last.take_while(|segment| segment.last <= self.over).count()
    }
}

impl FilesState {
    fn is_hurried(&self) -> bool {
        self.begun.elapsed() < UNHURRIED
    }
}

struct Spare {
    name: String,
    bytes: u64,
    /// Each of its blocks was written: a commit has nothing to change but their content, which takes it a third less time.
    is_filled: bool,
}

/// The file that is written to.
struct Writing {
    kin: Kin,
    tail: Tail,
    bytes: u64,
    is_filled: bool,
    /// There was no room for a free file after it.
    is_last: bool,
}

/// What an error of a file means for the store.
pub(super) fn failed(error: io::Error) -> StoreError {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => StoreError::Full,
        _ => broken(error),
    }
}

fn broken(error: io::Error) -> StoreError {
    StoreError::Failed(format!("journal: {error}"))
}

impl Files {
    /// Takes the slots over: what was found in them is this journal's, and nobody else writes there any more.
    pub(super) fn take_over(
        disk: Arc<dyn Disk>,
        keys: Arc<Keys>,
        lock: Arc<Lock>,
        store: u64,
        segment_bytes: u64,
        found: Recovered,
    ) -> Result<(Self, Epoch), OpenError> {
        let Recovered { slots: BySlot { main, large }, spares, generation, .. } = found;
        let segment_bytes = segment_bytes.next_multiple_of(disk.block() as u64);
        let epoch = Epoch(lock.raise((generation >> 32) as u32)?);
        let mut state = FilesState {
            slots: BySlot { main: main.into(), large: large.into() },
            spares: Vec::new(),
            generation: u64::from(epoch.0) << 32,
            next_spare: 1,
            begun: stopwatch(),
            left: Vec::new(),
        };
        for (bytes, name) in spares {
            // One that is not whole, or of another size, is no use.
            if bytes == segment_bytes && state.spares.len() < SPARES_MAX && Named::is_spare(&name) {
                if let Some(Named::Spare { number }) = Named::of(&name) {
                    state.next_spare = state.next_spare.max(number + 1);
                }
                // If it is not, that costs only time.
                state.spares.push(Spare { name, bytes, is_filled: true });
            } else {
                disk.remove(&name)?;
            }
        }
        disk.sync_names()?;
        let (state, writing) = (Mutex::new(state), BySlot::default());
        Ok((Self { disk, keys, lock, store, epoch, segment_bytes, state, writing }, epoch))
    }

    fn state(&self) -> MutexGuard<'_, FilesState> {
        self.state.lock()
    }

    /// Makes a free file if one is missing; whether one was.
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
        Ok(Spare { name, bytes, is_filled: false })
    }

    /// Fills a free file if one is not and there is time; whether there was one. Meanwhile nobody else can have it.
    fn fill_spare(&self) -> Result<bool, StoreError> {
        let spare = {
            let mut state = self.state();
            let is_hurried = state.is_hurried();
            let found = state.spares.iter().position(|spare| !spare.is_filled && !is_hurried);
            found.map(|at| state.spares.remove(at))
        };
        let Some(mut spare) = spare else { return Ok(false) };
        let filled = self.disk.open_blocks(&spare.name).and_then(|file| file.fill());
        spare.is_filled = filled.is_ok();
        self.state().spares.push(spare);
        filled.map(|()| true).map_err(failed)
    }

    /// Whether a frame of so many bytes is better written to another file: to a filled one, now that there is one, and one to
    /// live on beside it.
    fn is_to_be_left(&self, writing: &Writing, length: u64) -> bool {
        if writing.is_filled {
            return false;
        }
        let mut state = self.state();
        let is_better = |spare: &Spare| spare.is_filled && spare.bytes >= length;
        let is_left = !state.is_hurried()
            && state.spares.len() >= SPARES
            && state.spares.iter().any(is_better);
        if is_left {
            state.left.push(writing.kin.generation);
        }
        is_left
    }

    /// Another file for frames of a slot from `first` on, for one of so many bytes at least.
    fn roll(&self, slot: Slot, first: u64, bytes: u64) -> Result<Writing, StoreError> {
        // Whoever could take the lock while this process had it writes in a later epoch.
        if self.lock.epoch().is_some_and(|now| now > self.epoch.0) {
            return Err(StoreError::Failed("another process has taken the journal over".into()));
        }
        // What is large does not take the file that all others can live on.
        if slot == LARGE {
            self.make_spare()?;
        }
        let spare = {
            let spares = &mut self.state().spares;
            let fits = |filled: bool| {
                spares.iter().rposition(|it| it.bytes >= bytes && it.is_filled >= filled)
            };
            fits(true).or_else(|| fits(false)).map(|at| spares.remove(at))
        };
        let spare = match spare {
            Some(spare) => spare,
            None => {
                let whole = bytes.next_multiple_of(self.disk.block() as u64);
                self.create_spare(whole.max(self.segment_bytes))?
            }
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
        let Spare { name: from, bytes, is_filled } = spare;
        let generation = {
            let mut state = self.state();
            state.begun = stopwatch();
            state.generation += 1;
            state.generation
        };
        let name = Named::Segment { slot, generation, first }.name();
        self.disk.rename(&from, &name).map_err(failed)?;
        self.disk.sync_names().map_err(failed)?;
        let file = self.disk.open_blocks(&name).map_err(failed)?;
        let tail = Tail::new(file, self.disk.block());
        let kin = Kin { store: self.store, generation };
        let (last, frames) = (first - 1, Vec::new());
        let mut state = self.state();
        state.slots.of_mut(slot).segments.push_back(Found {
            name,
            kin,
            first,
            last,
            bytes,
            frames,
        });
        Ok(Writing { kin, tail, bytes, is_filled, is_last })
    }

    /// Makes free files of the segments that are no longer needed, but not while somebody copies the journal: the state store
    /// that he has copied before may be older, and need them.
    fn retire_all(&self, slot: Slot) -> Result<(), StoreError> {
        let over = || self.state().slots.of(slot).segments_over();
        if over() == 0 {
            return Ok(());
        }
        let uncopied = self.disk.uncopied().map_err(failed)?;
        if uncopied.is_none() && over() <= COPIED_MAX {
            return Ok(());
        }
        while over() > 0 {
            self.retire(slot)?;
        }
        Ok(())
    }

    /// Makes the oldest segment of a slot a free file.
    fn retire(&self, slot: Slot) -> Result<(), StoreError> {
        let (segment, number, is_wanted, is_filled) = {
            let mut state = self.state();
            state.next_spare += 1;
            let number = state.next_spare;
            let Some(segment) = state.slots.of_mut(slot).segments.pop_front() else {
                return Ok(());
            };
            let is_wanted = segment.bytes == self.segment_bytes && state.spares.len() < SPARES_MAX;
            let left = state.left.iter().position(|left| *left == segment.kin.generation);
            let is_filled = left.map(|at| state.left.swap_remove(at)).is_none();
            (segment, number, is_wanted, is_filled)
        };
        let name = Named::Spare { number }.name();
        let done = match is_wanted {
            true => self.disk.rename(&segment.name, &name),
            false => self.disk.remove(&segment.name),
        };
        done.and_then(|()| self.disk.sync_names()).map_err(failed)?;
        if is_wanted {
            self.state().spares.push(Spare { name, bytes: segment.bytes, is_filled });
        }
        Ok(())
    }
}

struct FilesReader<'a> {
    files: &'a Files,
    entries: EntryReader<'a>,
}

impl Reader for FilesReader<'_> {
    fn read(&mut self, place: &Place) -> Result<Bytes, StoreError> {
        self.entries.read(place, || {
            let state = self.files.state();
            recovery::place(&state.slots.of(place.slot).segments, place.position)
        })
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
        let last = self.state().slots.of(slot).last;
        if ![MAIN, LARGE].contains(&slot) || (position, epoch) != (last + 1, self.epoch) {
            return Err(StoreError::Failed("journal: somebody else writes there".into()));
        }
        // Encryption adds 16 bytes.
        let length = (frame.len() + 16).next_multiple_of(HEADER) as u64;
        let writing = self.writing.of(slot);
        let mut writing = writing.lock();
        let is_good = |writing: &Writing| {
            writing.tail.at() + length <= writing.bytes && !self.is_to_be_left(writing, length)
        };
        let mut to = match writing.take().filter(is_good) {
            Some(to) => to,
            None => self.roll(slot, position, length)?,
        };
        let sealing = self.keys.seal(frame, HEADER, &frame::place(to.kin, position))?;
        frame::seal(frame, to.kin, position, last, sealing);
        to.tail.append(frame).map_err(broken)?;
        let (number, bytes, is_last) = (to.kin.generation, to.bytes, to.is_last);
        *writing = Some(to);
        let mut state = self.state();
        let in_use = state.slots.of_mut(slot);
        in_use.last = position;
        if let Some(segment) = in_use.segments.back_mut() {
            segment.last = position;
        }
        Ok(Piece { number, bytes, is_last })
    }

    fn reader(&self) -> Box<dyn Reader + '_> {
        let entries = EntryReader::new(self.disk.as_ref(), &self.keys);
        Box::new(FilesReader { files: self, entries })
    }

    fn truncate(&self, slot: Slot, through: u64) -> Result<(), StoreError> {
        self.state().slots.of_mut(slot).over = through;
        self.retire_all(slot)
    }

    fn tend(&self) -> Result<(), StoreError> {
        [MAIN, LARGE].into_iter().try_for_each(|slot| self.retire_all(slot))?;
        while self.make_spare()? || self.fill_spare()? {}
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
