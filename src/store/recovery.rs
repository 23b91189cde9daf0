//! What a start finds in the journal's files.
//!
//! Frames are read in order and checked; records are not read yet. What was acknowledged and cannot be read stops the start:
//! a server with a hole would lie about what it has. The beginning of a frame that was never acknowledged is passed over.

use std::{collections::HashMap, ops::Range};

use bytes::Bytes;

use super::{
    OpenError,
    cipher::Keys,
    disk::Disk,
    frame::{self, Frame, HEADER, Kin},
    places::{FramePlace, Part, Place, Places, QueueKey, Queues},
    scan::{Scanned, Window, scan},
    segment::Named,
    slot::{BySlot, LARGE, MAIN, Slot},
};
use crate::journal::{Entry, NotARecord, RecordNumber, Records};

/// A segment as it was found, or is written to.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) kin: Kin,
    /// The first position in it.
    pub(super) first: u64,
    /// The last one; one before the first if there is none.
    pub(super) last: u64,
    pub(super) bytes: u64,
    /// Where the frames are that were found: in units of [`HEADER`], and the lengths of their bodies.
    pub(super) frames: Vec<(u32, u32)>,
}

impl Found {
    fn holds(&self, position: u64) -> bool {
        self.first <= position && position <= self.last
    }
}

/// What the journal's files hold.
#[derive(Default)]
pub(super) struct Recovered {
    pub(super) slots: BySlot<InSlot>,
    pub(super) spares: Vec<(u64, String)>,
    pub(super) places: Places,
    /// The highest generation that was ever used.
    pub(super) generation: u64,
}

/// What the files of one slot hold.
#[derive(Debug, Default)]
pub(super) struct InSlot {
    /// In order.
    pub(super) segments: Vec<Found>,
    /// The last record of each queue in each of them.
    pub(super) queues: Vec<HashMap<QueueKey, RecordNumber>>,
    /// The last frame.
    pub(super) last: u64,
    /// The file where it is, and where it ends there.
    pub(super) end: (String, u64),
    /// All frames up to this one are in the state store.
    retired: u64,
}

/// Reads the journal. All up to the frames `retired` is in the state store. `told` hears how much is read, of how much.
pub(super) fn recover(
    disk: &dyn Disk,
    store: u64,
    retired: &BySlot<u64>,
    keys: &Keys,
    told: &dyn Fn(u64, u64),
) -> Result<Recovered, OpenError> {
    let (segments, spares) = names(disk)?;
    let of_slots = segments.each().into_iter().flat_map(|(_, of_slot)| of_slot);
    let (mut read, mut total) = (0, 0);
    let mut found = Recovered { spares, ..Recovered::default() };
    for segment in of_slots {
        found.generation = found.generation.max(segment.generation);
        total += segment.bytes;
    }
    let queues = Queues::default();
    let (memory, entries) = (Bytes::new(), Vec::new());
    let mut reading = Reading { disk, store, keys, memory, found, queues, entries };
    // What the other one names must be there.
    for slot in [LARGE, MAIN] {
        reading.slot(slot, *retired.of(slot), segments.of(slot), &mut |bytes| {
            read += bytes;
            told(read, total);
        })?;
    }
    Ok(reading.end())
}

/// A segment, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct NameOf {
    generation: u64,
    first: u64,
    bytes: u64,
}

/// Segments in order, and the spare files.
type Names = (BySlot<Vec<NameOf>>, Vec<(u64, String)>);

fn names(disk: &dyn Disk) -> Result<Names, OpenError> {
    let (mut segments, mut spares) = (BySlot::<Vec<NameOf>>::default(), Vec::new());
    for (name, bytes) in disk.list()? {
        match Named::of(&name) {
            Some(Named::Segment { slot, generation, first }) => {
                segments.of_mut(slot).push(NameOf { generation, first, bytes });
            }
            Some(Named::Spare { .. }) => spares.push((bytes, name)),
            None => {}
        }
    }
    segments.main.sort_unstable();
    segments.large.sort_unstable();
    Ok((segments, spares))
}

/// The journal while it is read.
struct Reading<'a> {
    disk: &'a dyn Disk,
    store: u64,
    keys: &'a Keys,
    /// For one file after the other.
    memory: Bytes,
    found: Recovered,
    queues: Queues,
    /// Those of a frame: number of the queue, place, and where in the body the entry is that says so.
    entries: Vec<(usize, Place, Range<usize>)>,
}

impl Reading<'_> {
    fn slot(
        &mut self,
        slot: Slot,
        retired: u64,
        segments: &[NameOf],
        told: &mut dyn FnMut(u64),
    ) -> Result<(), OpenError> {
        *self.found.slots.of_mut(slot) = InSlot { last: retired, retired, ..InSlot::default() };
        for (at, segment) in segments.iter().enumerate() {
            let NameOf { generation, first, bytes } = *segment;
            let name = Named::Segment { slot, generation, first }.name();
            let next = segments.get(at + 1).map(|next| next.first);
            if next.is_some_and(|next| next <= retired + 1) {
                // The server stopped between writing down that it is no longer needed and giving it back.
                self.found.spares.push((0, name));
                continue;
            }
            let found = self.found.slots.of(slot);
            let is_behind = match found.segments.is_empty() {
                true => first <= found.last + 1,
                false => first == found.last + 1,
            };
            if !is_behind {
                return Err(OpenError::Missing { name, first, last: found.last });
            }
            let (kin, last) = (Kin { store: self.store, generation }, first.saturating_sub(1));
            let frames = Vec::new();
            self.segment(slot, Found { name, kin, first, last, bytes, frames }, next)?;
            told(bytes);
        }
        let last = self.found.slots.of(slot).last;
        if last < retired {
            let name = "journal".to_owned();
            return Err(OpenError::Missing { name, first: last, last: retired });
        }
        Ok(())
    }

    /// Reads a segment; `next` is the first frame of the one after it.
    fn segment(
        &mut self,
        slot: Slot,
        mut segment: Found,
        next: Option<u64>,
    ) -> Result<(), OpenError> {
        let memory = std::mem::take(&mut self.memory);
        let mut window = Window::new(self.disk.open(&segment.name)?, memory)?;
        let (name, kin, frames) = (segment.name.clone(), segment.kin, (segment.first, next));
        let end = scan(&mut window, &name, kin, frames, &mut |Scanned { frame, at, body }| {
            let unit = u32::try_from(at / HEADER as u64).unwrap_or(u32::MAX);
            segment.frames.push((unit, frame.length as u32));
            segment.last = frame.number;
            let key = frame.sealing.key;
            let unreadable = || OpenError::Unreadable { name: name.clone(), offset: at, key };
            let body = opened(body, &frame, kin, self.keys).ok_or_else(unreadable)?;
            // Of what is large it only counts what is named.
            if slot == LARGE {
                return Ok(());
            }
            if self.note(&body, frame.number, key == 0).map_err(|_| unreadable())? {
                return Ok(());
            }
            Err(OpenError::Damaged { name: name.clone(), offset: at, number: frame.number })
        })?;
        self.memory = window.into_memory();
        let found = self.found.slots.of_mut(slot);
        (found.last, found.end) = (segment.last, (name, end));
        found.segments.push(segment);
        Ok(())
    }

    /// Writes down which entries a frame has; whether all that it names is there. They can be read by themselves if the body stands
    /// there `as_it_is`.
    fn note(&mut self, body: &[u8], position: u64, as_it_is: bool) -> Result<bool, NotARecord> {
        let (mut at, segment) = (0, self.found.slots.main.segments.len());
        let mut entries = std::mem::take(&mut self.entries);
        while at < body.len() {
            let (from, entry);
            (from, (entry, at)) = (at, Entry::get(body, at)?);
            let (queue, last) = (self.queues.number(entry.names)?, entry.last()?);
            self.queues.hold(MAIN, segment, queue, last);
            let (slot, position, start) = match entry.records {
                Records::Here(_) => (MAIN, position, from as u32),
                Records::Apart(position) => {
                    let large = &self.found.slots.large;
                    match large.segments.iter().position(|it| it.holds(position)) {
                        Some(segment) => self.queues.hold(LARGE, segment, queue, last),
                        None if position > large.retired => return Ok(false),
                        None => {}
                    }
                    (LARGE, position, 0)
                }
            };
            let place = Place { slot, position, start, part: None, last };
            entries.push((queue, place, from..at));
        }
        // One queue reads all of it at once; many would each read what all others have, too.
        let of_many = entries.windows(2).any(|two| matches!(two, [one, next] if one.0 != next.0));
        for (queue, mut place, bytes) in entries.drain(..) {
            if of_many && as_it_is && place.slot == MAIN {
                let entry = body.get(bytes).unwrap_or_default();
                let (length, crc) = (entry.len() as u32, crc32c::crc32c(entry));
                place.part = Some(Part { length, crc });
            }
            self.queues.add(queue, place);
        }
        self.entries = entries;
        Ok(true)
    }

    fn end(mut self) -> Recovered {
        for slot in [LARGE, MAIN] {
            let found = self.found.slots.of_mut(slot);
            found.queues = self.queues.held(slot, found.segments.len());
        }
        Recovered { places: self.queues.into_places(), ..self.found }
    }
}

/// Where a frame is that was found.
pub(super) fn place<'a>(
    segments: impl IntoIterator<Item = &'a Found>,
    position: u64,
) -> Option<FramePlace> {
    let segment = segments.into_iter().find(|it| it.holds(position))?;
    let (units, length) = segment.frames.get((position - segment.first) as usize)?;
    let at = u64::from(*units) * HEADER as u64;
    Some(FramePlace { name: segment.name.clone(), kin: segment.kin, at, length: *length as usize })
}

/// The body of a frame as it was before it was encrypted.
pub(super) fn opened(body: Bytes, frame: &Frame, kin: Kin, keys: &Keys) -> Option<Bytes> {
    keys.open(frame.sealing, &frame::place(kin, frame.number), body)
}
