//! Reads the entries that a start has found.

use bytes::Bytes;

use super::{
    StoreError,
    cipher::Keys,
    disk::{Disk, DiskFile},
    frame::{Frame, HEADER},
    places::{FramePlace, Place},
    recovery::opened,
    slot::Slot,
};
use crate::journal::{Entry, Record, RecordNumber};

/// Reads one entry after the other.
///
/// The file of the last one stays open, and its frame, if all of it was read, in memory: not for longer than a queue is loaded, for a
/// file that is held open gives no room back when it is removed. One that a record is still to be read from keeps its name.
pub(super) struct EntryReader<'a> {
    disk: &'a dyn Disk,
    keys: &'a Keys,
    file: Option<(String, Box<dyn DiskFile>)>,
    frame: Option<((Slot, u64), Bytes)>,
}

impl<'a> EntryReader<'a> {
    pub(super) fn new(disk: &'a dyn Disk, keys: &'a Keys) -> Self {
        Self { disk, keys, file: None, frame: None }
    }

    /// What there is from the beginning of an entry on. `find` says where its frame is.
    pub(super) fn read(
        &mut self,
        place: &Place,
        find: impl FnOnce() -> Option<FramePlace>,
    ) -> Result<Bytes, StoreError> {
        let (position, start) = (place.position, place.start as usize);
        if let Some((known, body)) = &self.frame
            && *known == (place.slot, position)
        {
            return Ok(body.slice(start.min(body.len())..));
        }
        let FramePlace { name, kin, at, length } = find().ok_or_else(|| damaged(position))?;
        if let Some(part) = place.part {
            let entry = self.bytes(name, at + (HEADER + start) as u64, part.length as usize)?;
            return match crc32c::crc32c(&entry) == part.crc {
                true => Ok(entry.into()),
                false => Err(damaged(position)),
            };
        }
        let bytes = self.bytes(name, at, HEADER + length)?;
        let frame = Frame::of(&bytes, kin).filter(|frame| frame.number == position);
        let frame = frame.ok_or_else(|| damaged(position))?;
        let body = Bytes::from(bytes).split_off(HEADER);
        let body = frame.is_body(&body).then(|| opened(body, &frame, kin, self.keys)).flatten();
        let body = body.ok_or_else(|| damaged(position))?;
        self.frame = Some(((place.slot, position), body.clone()));
        Ok(body.slice(start.min(body.len())..))
    }

    fn bytes(&mut self, name: String, at: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let file = match self.file.take() {
            Some((open, file)) if open == name => file,
            _ => self.disk.open(&name).map_err(failed)?,
        };
        let mut bytes = vec![0; length];
        file.read_at(at, &mut bytes).map_err(failed)?;
        self.file = Some((name, file));
        Ok(bytes)
    }
}

/// The records of a queue after `applied`, in order and without a gap.
pub(super) fn records(
    places: &[Place],
    applied: RecordNumber,
    mut read: impl FnMut(&Place) -> Result<Bytes, StoreError>,
) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    let mut expected = applied.0 + 1;
    for place in places.iter().filter(|place| place.last > applied) {
        let bytes = read(place)?;
        let read = Entry::get(&bytes, 0).and_then(|(entry, _)| entry.records(&bytes));
        for (number, record) in read.map_err(|_| damaged(place.position))? {
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

fn failed(error: std::io::Error) -> StoreError {
    StoreError::Failed(format!("journal: {error}"))
}

fn damaged(position: u64) -> StoreError {
    StoreError::Failed(format!("journal: frame {position} cannot be read any more"))
}
