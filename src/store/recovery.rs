//! What a start finds in the journal's files.
//!
//! Frames are read in order and checked; records are not read yet. What was acknowledged and cannot be read stops the start:
//! a server with a hole would lie about what it has. The beginning of a frame that was never acknowledged is passed over.

use std::{collections::HashMap, io};

use bytes::Bytes;

use super::{
    OpenError, StoreError,
    cipher::Keys,
    disk::Disk,
    frame::{self, Frame, HEADER, Kin},
    segment::{self, Named},
    slot::{BySlot, LARGE, MAIN, Slot},
};
use crate::{
    journal::{Entry, Record, RecordNumber, Records},
    types::{QueueName, RoomName},
};

/// A queue, by its names.
pub type QueueKey = (RoomName, QueueName);

/// Where the entries of each queue are, by room.
pub(super) type Places = HashMap<RoomName, HashMap<QueueName, Vec<Place>>>;

/// Where an entry is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Its frame.
    pub(super) slot: Slot,
    pub(super) position: u64,
    /// Where it begins in the body.
    pub(super) start: usize,
    pub(super) last: RecordNumber,
}

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
    for (generation, _, bytes) in of_slots {
        found.generation = found.generation.max(*generation);
        total += bytes;
    }
    let mut reader = Reader { disk, store, keys, memory: Vec::new() };
    // What the other one names must be there.
    for slot in [LARGE, MAIN] {
        found.begin(slot, *retired.of(slot));
        found.read_slot(&mut reader, slot, segments.of(slot), &mut |bytes| {
            read += bytes;
            told(read, total);
        })?;
    }
    Ok(found)
}

/// Generation, first frame and bytes of a segment.
type NameOf = (u64, u64, u64);

/// Segments in order, and the spare files.
type Names = (BySlot<Vec<NameOf>>, Vec<(u64, String)>);

fn names(disk: &dyn Disk) -> Result<Names, OpenError> {
    let (mut segments, mut spares) = (BySlot::<Vec<NameOf>>::default(), Vec::new());
    for (name, bytes) in disk.list()? {
        match Named::of(&name) {
            Some(Named::Segment { slot, generation, first }) => {
                segments.of_mut(slot).push((generation, first, bytes));
            }
            Some(Named::Spare { .. }) => spares.push((bytes, name)),
            None => {}
        }
    }
    segments.main.sort_unstable();
    segments.large.sort_unstable();
    Ok((segments, spares))
}

/// What reads one file after the other.
struct Reader<'a> {
    disk: &'a dyn Disk,
    store: u64,
    keys: &'a Keys,
    /// Holds a file, and then the next one: new memory takes longer to come by than what is read into it.
    memory: Vec<u8>,
}

impl Reader<'_> {
    /// Reads a file; the disk begins with the next one.
    fn read(&mut self, name: &str, length: u64, next: Option<&str>) -> io::Result<Bytes> {
        let mut bytes = std::mem::take(&mut self.memory);
        bytes.resize(length as usize, 0);
        self.disk.open(name)?.read_at(0, &mut bytes)?;
        if let Some(next) = next {
            self.disk.open(next)?.read_ahead();
        }
        Ok(bytes.into())
    }
}

impl Recovered {
    fn begin(&mut self, slot: Slot, retired: u64) {
        *self.slots.of_mut(slot) = InSlot { last: retired, retired, ..InSlot::default() };
    }

    fn read_slot(
        &mut self,
        reader: &mut Reader<'_>,
        slot: Slot,
        segments: &[NameOf],
        told: &mut dyn FnMut(u64),
    ) -> Result<(), OpenError> {
        let retired = self.slots.of(slot).retired;
        let name_of = |(generation, first, _): &NameOf| {
            Named::Segment { slot, generation: *generation, first: *first }.name()
        };
        for (at, segment) in segments.iter().enumerate() {
            let (generation, first, length) = *segment;
            let (name, after) = (name_of(segment), segments.get(at + 1));
            let next = after.map(|(_, first, _)| *first);
            if next.is_some_and(|next| next <= retired + 1) {
                // The server stopped between writing down that it is no longer needed and giving it back.
                self.spares.push((0, name));
                continue;
            }
            let found = self.slots.of(slot);
            let is_behind = match found.segments.is_empty() {
                true => first <= found.last + 1,
                false => first == found.last + 1,
            };
            if !is_behind {
                return Err(OpenError::Missing { name, first, last: found.last });
            }
            let bytes = reader.read(&name, length, after.map(name_of).as_deref())?;
            let kin = Kin { store: reader.store, generation };
            self.check(&bytes, slot, name, kin, (first, next), reader.keys)?;
            // Nobody else has kept any of it.
            reader.memory = bytes.into();
            told(length);
        }
        let last = self.slots.of(slot).last;
        if last < retired {
            let name = "journal".to_owned();
            return Err(OpenError::Missing { name, first: last, last: retired });
        }
        Ok(())
    }

    fn check(
        &mut self,
        bytes: &Bytes,
        slot: Slot,
        name: String,
        kin: Kin,
        (first, next): (u64, Option<u64>),
        keys: &Keys,
    ) -> Result<(), OpenError> {
        let scan = segment::scan(bytes, kin, first, next).map_err(|damage| OpenError::Damaged {
            name: name.clone(),
            offset: damage.offset as u64,
            number: damage.number,
        })?;
        let mut queues = HashMap::new();
        for frame in &scan.frames {
            let offset = (frame.body.start - HEADER) as u64;
            let unreadable =
                || OpenError::Unreadable { name: name.clone(), offset, key: frame.sealing.key };
            let body = opened(bytes, frame, kin, keys).ok_or_else(unreadable)?;
            // Of what is large it only counts what is named.
            if slot == LARGE {
                continue;
            }
            let is_whole = self.note(body, frame.number, &mut queues).ok_or_else(unreadable)?;
            if !is_whole {
                return Err(OpenError::Damaged { name, offset, number: frame.number });
            }
        }
        let place = |frame: &Frame| {
            let units = (frame.body.start - HEADER) / HEADER;
            (u32::try_from(units).unwrap_or(u32::MAX), frame.body.len() as u32)
        };
        let frames = scan.frames.iter().map(place).collect();
        let last = scan.frames.last().map_or(first - 1, |frame| frame.number);
        let found = self.slots.of_mut(slot);
        (found.last, found.end) = (last, (name.clone(), scan.end as u64));
        found.segments.push(Found { name, kin, first, last, bytes: bytes.len() as u64, frames });
        found.queues.push(queues);
        Ok(())
    }

    /// Writes down which entries a frame has; whether all that it names is there. `None`: it cannot be read.
    fn note(
        &mut self,
        body: Bytes,
        position: u64,
        queues: &mut HashMap<QueueKey, RecordNumber>,
    ) -> Option<bool> {
        let mut rest = body.clone();
        while !rest.is_empty() {
            let start = body.len() - rest.len();
            let Entry { room, queue, first, count, records } = Entry::get(&mut rest).ok()?;
            let last = RecordNumber(first.0.checked_add(count.checked_sub(1)?)?);
            let key = (room.clone(), queue.clone());
            let place = match records {
                Records::Here(_) => Place { slot: MAIN, position, start, last },
                Records::Apart(position) => {
                    if !self.slots.large.is_there(position, &key, last) {
                        return Some(false);
                    }
                    Place { slot: LARGE, position, start: 0, last }
                }
            };
            queues.insert(key, last);
            self.places.entry(room).or_default().entry(queue).or_default().push(place);
        }
        Some(true)
    }
}

impl InSlot {
    /// Whether a frame is there that has records of a queue, or is no longer needed.
    fn is_there(&mut self, position: u64, queue: &QueueKey, last: RecordNumber) -> bool {
        let holds = |segment: &Found| segment.first <= position && position <= segment.last;
        if let Some(at) = self.segments.iter().position(holds)
            && let Some(queues) = self.queues.get_mut(at)
        {
            queues.insert(queue.clone(), last);
            return true;
        }
        position <= self.retired
    }
}

/// The records of a queue after `applied`, in order and without a gap.
pub(super) fn records(
    places: &[Place],
    applied: RecordNumber,
    read: impl Fn(Slot, u64) -> Result<Bytes, StoreError>,
) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    let mut expected = applied.0 + 1;
    let mut last_frame: Option<((Slot, u64), Bytes)> = None;
    for place in places.iter().filter(|place| place.last > applied) {
        let frame = (place.slot, place.position);
        let body = match last_frame.take().filter(|(known, _)| *known == frame) {
            Some((_, body)) => body,
            None => read(place.slot, place.position)?,
        };
        let mut rest = body.slice(place.start.min(body.len())..);
        last_frame = Some((frame, body));
        let entry = Entry::get(&mut rest).and_then(Entry::records);
        for (number, record) in entry.map_err(|_| damaged(place.position))? {
            if number <= applied {
                continue;
            }
            if number.0 != expected {
                let text = format!("journal: record {expected} of a queue is missing");
                return Err(StoreError::Failed(text));
            }
            expected += 1;
            records.push(record);
        }
    }
    Ok(records)
}

/// File, kin, place and length of the body of a frame.
type FramePlace = (String, Kin, u64, usize);

/// Where a frame is that was found.
pub(super) fn place<'a>(
    segments: impl IntoIterator<Item = &'a Found>,
    position: u64,
) -> Option<FramePlace> {
    let segment = segments.into_iter().find(|it| it.first <= position && position <= it.last)?;
    let (units, length) = segment.frames.get((position - segment.first) as usize)?;
    let offset = u64::from(*units) * HEADER as u64;
    Some((segment.name.clone(), segment.kin, offset, *length as usize))
}

/// Reads the body of a frame again. Its file is opened for that: one that is held open gives no room back when it is
/// removed. A file that a record is still to be read from keeps its name.
pub(super) fn read(
    disk: &dyn Disk,
    keys: &Keys,
    position: u64,
    place: Option<FramePlace>,
) -> Result<Bytes, StoreError> {
    let (name, kin, offset, length) = place.ok_or_else(|| damaged(position))?;
    let mut bytes = vec![0; HEADER + length];
    disk.open(&name)
        .and_then(|file| file.read_at(offset, &mut bytes))
        .map_err(|error| StoreError::Failed(format!("journal: {error}")))?;
    let bytes = Bytes::from(bytes);
    let frame = frame::read(&bytes, 0, kin).filter(|frame| frame.number == position);
    let frame = frame.ok_or_else(|| damaged(position))?;
    opened(&bytes, &frame, kin, keys).ok_or_else(|| damaged(position))
}

/// The body of a frame as it was before it was encrypted.
fn opened(bytes: &Bytes, frame: &Frame, kin: Kin, keys: &Keys) -> Option<Bytes> {
    let body = bytes.slice(frame.body.clone());
    match frame.sealing.key {
        0 => Some(body),
        _ => {
            let place = frame::place(kin, frame.number);
            keys.open(frame.sealing, &place, body.to_vec()).map(Bytes::from)
        }
    }
}

fn damaged(position: u64) -> StoreError {
    StoreError::Failed(format!("journal: frame {position} cannot be read any more"))
}
