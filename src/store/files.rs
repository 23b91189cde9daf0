//! The journal's files: which are in use, what holds them, which are free.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    Health, OpenError, StoreError,
    committer::{Segments, Writing},
    disk::{Disk, DiskFile},
    frame::Kin,
    recovery::{Found, QueueKey},
    segment::Named,
};
use crate::journal::RecordNumber;

/// So many free files are kept ready: one to go on with, one to live on when the disk is full.
const SPARES: usize = 2;

/// Of those that are given back so many are kept: when a large queue is saved many come at once, and to make one costs as
/// much as to write it full.
const SPARES_MAX: usize = 16;

pub(super) struct Files {
    disk: Arc<dyn Disk>,
    store: u64,
    segment_bytes: u64,
    state: Mutex<FilesState>,
    /// There is no room for another file.
    is_full: AtomicBool,
    health: Mutex<Option<StoreError>>,
}

struct FilesState {
    /// Oldest first; the last one is written to.
    segments: VecDeque<Segment>,
    spares: Vec<Spare>,
    /// The highest that was ever used.
    generation: u64,
    next_spare: u64,
    last_frame: u64,
}

struct Segment {
    name: String,
    generation: u64,
    last: u64,
    bytes: u64,
    /// Queues with records in it that are not saved yet, and the last of these.
    holders: HashMap<QueueKey, RecordNumber>,
}

struct Spare {
    name: String,
    bytes: u64,
}

/// What an error of a file means for the store.
pub(super) fn failed(error: std::io::Error) -> StoreError {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => StoreError::Full,
        _ => StoreError::Failed(format!("journal: {error}")),
    }
}

impl Files {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        store: u64,
        segment_bytes: u64,
        found: Vec<Found>,
        spares: Vec<(u64, String)>,
        generation: u64,
        last_frame: u64,
    ) -> Result<Self, OpenError> {
        let segments = found.into_iter().map(|found| Segment {
            name: found.name,
            generation: found.kin.generation,
            last: found.last,
            bytes: found.bytes,
            holders: found.queues,
        });
        let mut state = FilesState {
            segments: segments.collect(),
            spares: Vec::new(),
            generation,
            next_spare: 1,
            last_frame,
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
        let (state, health) = (Mutex::new(state), Mutex::new(None));
        let files =
            Self { disk, store, segment_bytes, state, is_full: AtomicBool::new(false), health };
        match files.make_spare() {
            Ok(_) => {}
            // What is there can be had, and settled as far as there are free files.
            Err(StoreError::Full) => files.set_full(true),
            Err(error) => return Err(error.into()),
        }
        Ok(files)
    }

    fn state(&self) -> MutexGuard<'_, FilesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn health(&self) -> Health {
        let failed = self.health.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match failed {
            Some(error) => Health::Failed(error),
            None if self.is_full.load(Ordering::Relaxed) => Health::Full,
            None => Health::Good,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    pub(super) fn last_frame(&self) -> u64 {
        self.state().last_frame
    }

    /// Makes a free file if one is missing; whether one was. Its blocks are written, so that a commit has nothing to
    /// change but their content.
    pub(super) fn make_spare(&self) -> Result<bool, StoreError> {
        if self.state().spares.len() >= SPARES {
            return Ok(false);
        }
        let spare = self.create_spare(self.segment_bytes)?;
        self.disk.sync_names().map_err(failed)?;
        self.state().spares.push(spare);
        Ok(true)
    }

    /// On a full disk: gives back what is more than is needed.
    pub(super) fn give_up_spares(&self) {
        while let Some(spare) = {
            let mut state = self.state();
            if state.spares.len() > SPARES { state.spares.pop() } else { None }
        } {
            if let Err(error) = self.disk.remove(&spare.name) {
                tracing::debug!(%error, "a free file of the journal is not removed");
            }
        }
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

    /// The queue is saved up to and including `through`.
    pub(super) fn let_go(&self, queue: &QueueKey, through: RecordNumber) {
        for segment in &mut self.state().segments {
            if segment.holders.get(queue).is_some_and(|last| *last <= through) {
                segment.holders.remove(queue);
            }
        }
    }

    /// Up to `max` queues that hold up the oldest segments, if the journal is larger than `bytes_max`.
    pub(super) fn overdue(&self, bytes_max: u64, max: usize) -> Vec<QueueKey> {
        let state = self.state();
        let mut excess = state.segments.iter().map(|segment| segment.bytes).sum::<u64>();
        let mut overdue = Vec::new();
        for segment in state.segments.iter().take(state.segments.len().saturating_sub(1)) {
            if excess <= bytes_max || overdue.len() >= max {
                break;
            }
            excess -= segment.bytes;
            overdue.extend(segment.holders.keys().take(max - overdue.len()).cloned());
        }
        overdue
    }

    /// The last frame of the oldest segment that nothing holds, if there is one that is not written to.
    pub(super) fn free(&self) -> Option<u64> {
        let state = self.state();
        let oldest = state.segments.front()?;
        (state.segments.len() > 1 && oldest.holders.is_empty()).then_some(oldest.last)
    }

    /// Makes the oldest segment a free file. That its frames are no longer needed must be written down.
    pub(super) fn retire(&self) -> Result<(), StoreError> {
        let (segment, number) = {
            let mut state = self.state();
            state.next_spare += 1;
            let number = state.next_spare;
            let Some(segment) = state.segments.pop_front() else { return Ok(()) };
            (segment, number)
        };
        let spares_max = if self.is_full() { SPARES } else { SPARES_MAX };
        let is_wanted =
            segment.bytes == self.segment_bytes && self.state().spares.len() < spares_max;
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

impl Segments for Files {
    fn roll(&self, first: u64, bytes: u64) -> Result<Writing, StoreError> {
        let spare = {
            let mut state = self.state();
            state.spares.pop_if(|spare| spare.bytes >= bytes)
        };
        let spare = match spare {
            Some(spare) => spare,
            None => self.create_spare(bytes.max(self.segment_bytes))?,
        };
        // With the last one what gives room back must still be possible: the keeper may look too late.
        if self.state().spares.is_empty() {
            match self.make_spare() {
                Ok(_) => {}
                Err(StoreError::Full) => self.set_full(true),
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
        let file: Arc<dyn DiskFile> = self.disk.open(&name).map_err(failed)?.into();
        self.state().segments.push_back(Segment {
            name,
            generation,
            last: first - 1,
            bytes,
            holders: HashMap::new(),
        });
        Ok(Writing { kin: Kin { store: self.store, generation }, file, bytes, at: 0 })
    }

    fn wrote(&self, generation: u64, number: u64, queues: &mut Vec<(QueueKey, RecordNumber)>) {
        let mut state = self.state();
        state.last_frame = number;
        let Some(segment) = state.segments.back_mut() else { return };
        debug_assert_eq!(segment.generation, generation, "the last segment is written to");
        segment.last = number;
        for (queue, last) in queues.drain(..) {
            segment.holders.insert(queue, last);
        }
    }

    fn has_no_room(&self) {
        self.set_full(true);
    }

    fn failed(&self, error: &StoreError) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
    }
}
