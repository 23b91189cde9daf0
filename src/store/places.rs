//! Where the records of each queue are in the journal.

use std::collections::HashMap;

use super::{
    frame::Kin,
    slot::{BySlot, Slot},
};
use crate::{
    journal::{Names, NotARecord, RecordNumber},
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
    pub(super) start: u32,
    /// It can be read by itself.
    pub(super) part: Option<Part>,
    pub(super) last: RecordNumber,
}

/// An entry that is read without the others of its frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) length: u32,
    /// CRC32C of its bytes.
    pub(super) crc: u32,
}

/// Where a frame is.
pub(super) struct FramePlace {
    /// In which file.
    pub(super) name: String,
    pub(super) kin: Kin,
    pub(super) at: u64,
    /// Length of its body.
    pub(super) length: usize,
}

/// The queues of a journal that is read, numbered as they are found: there may be as many entries as messages, and what is done
/// for each of them decides how long a start takes.
#[derive(Default)]
pub(super) struct Queues {
    numbers: foldhash::HashMap<Box<[u8]>, usize>,
    found: Vec<FoundQueue>,
}

struct FoundQueue {
    key: QueueKey,
    places: Vec<Place>,
    /// The segments with records of it, in order, and the last of them there.
    last: BySlot<Vec<(usize, RecordNumber)>>,
}

impl Queues {
    /// The number of the queue of this name.
    pub(super) fn number(&mut self, names: Names<'_>) -> Result<usize, NotARecord> {
        if let Some(number) = self.numbers.get(names.as_bytes()) {
            return Ok(*number);
        }
        let number = self.found.len();
        let (key, places, last) = (names.read()?, Vec::new(), BySlot::default());
        self.found.push(FoundQueue { key, places, last });
        self.numbers.insert(names.as_bytes().into(), number);
        Ok(number)
    }

    /// Writes down where a queue has an entry.
    pub(super) fn add(&mut self, queue: usize, place: Place) {
        if let Some(found) = self.found.get_mut(queue) {
            found.places.push(place);
        }
    }

    /// Writes down up to where a segment has records of a queue.
    pub(super) fn hold(&mut self, slot: Slot, segment: usize, queue: usize, last: RecordNumber) {
        let Some(found) = self.found.get_mut(queue) else { return };
        let held = found.last.of_mut(slot);
        match held.last_mut() {
            Some((of, known)) if *of == segment => *known = last,
            _ => held.push((segment, last)),
        }
    }

    /// The last record of each queue in each of so many segments.
    pub(super) fn held(
        &mut self,
        slot: Slot,
        segments: usize,
    ) -> Vec<HashMap<QueueKey, RecordNumber>> {
        let mut held = vec![HashMap::new(); segments];
        for found in &mut self.found {
            for (segment, last) in std::mem::take(found.last.of_mut(slot)) {
                if let Some(held) = held.get_mut(segment) {
                    held.insert(found.key.clone(), last);
                }
            }
        }
        held
    }

    pub(super) fn into_places(self) -> Places {
        let mut places = Places::new();
        for FoundQueue { key: (room, queue), places: of_queue, .. } in self.found {
            places.entry(room).or_default().entry(queue).or_default().extend(of_queue);
        }
        places
    }
}
