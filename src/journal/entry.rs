//! What stands in a log of many queues: the records of one queue that were written together.
//!
//! ```text
//! entry     text room | text queue | number first | number count | u32 length, little-endian | records
//! ```
//!
//! `first` is the number of the first of `count` records; the length lets a reader pass over what it does not need.

use bytes::{Buf, Bytes};

use super::{
    NotARecord, decode, encode,
    table::{Reader, Written},
};
use crate::{
    engine::{Record, RecordNumber},
    types::{QueueName, RoomName},
};

/// Records of one queue, in order, not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose queue.
    pub room: RoomName,
    /// Which queue.
    pub queue: QueueName,
    /// Number of the first record.
    pub first: RecordNumber,
    /// How many there are.
    pub count: u64,
    /// Their bytes.
    pub records: Bytes,
}

/// Appends an entry.
pub fn put_entry(
    room: &RoomName,
    queue: &QueueName,
    first: RecordNumber,
    records: &[Record],
    out: &mut Vec<u8>,
) {
    room.put(out);
    queue.put(out);
    first.0.put(out);
    records.len().put(out);
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    records.iter().for_each(|record| encode(record, out));
    let length = u32::try_from(out.len() - length_at - 4).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(length_at..length_at + 4) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

impl Entry {
    /// Reads one off the front of `bytes`, which it shares.
    ///
    /// # Errors
    /// [`NotARecord`], with `bytes` in an unspecified state.
    pub fn get(bytes: &mut Bytes) -> Result<Self, NotARecord> {
        let mut reader = Reader { bytes, number: RecordNumber(0) };
        let (room, queue) = (RoomName::get(&mut reader)?, QueueName::get(&mut reader)?);
        let first = RecordNumber(u64::get(&mut reader)?);
        let count = u64::get(&mut reader)?;
        let length = bytes.try_get_u32_le().map_err(|_| NotARecord)? as usize;
        if length > bytes.len() {
            return Err(NotARecord);
        }
        Ok(Self { room, queue, first, count, records: bytes.split_to(length) })
    }

    /// Its records, each with its number.
    ///
    /// # Errors
    /// [`NotARecord`].
    pub fn records(mut self) -> Result<Vec<(RecordNumber, Record)>, NotARecord> {
        let mut records = Vec::new();
        let mut number = self.first;
        while !self.records.is_empty() {
            records.push((number, decode(&mut self.records, number)?));
            number.0 += 1;
        }
        if records.len() as u64 == self.count { Ok(records) } else { Err(NotARecord) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(records: &[Record]) -> Vec<u8> {
        let mut out = Vec::new();
        let (room, queue) = ("r".parse().unwrap(), "jobs".parse().unwrap());
        put_entry(&room, &queue, RecordNumber(300), records, &mut out);
        out
    }

    #[test]
    fn entries_follow_each_other_and_know_their_records() {
        let records = [Record::Opened, Record::Paused { paused: true }];
        let mut bytes = entry(&records);
        assert_eq!(bytes, b"\x01r\x04jobs\xac\x02\x02\x03\0\0\0\x01\x03\x01");
        bytes.extend(entry(&[Record::Closed]));
        let mut bytes = Bytes::from(bytes);
        let first = Entry::get(&mut bytes).unwrap();
        assert_eq!((first.room.as_str(), first.queue.as_str(), first.count), ("r", "jobs", 2));
        let [opened, paused] = records;
        let expected = vec![(RecordNumber(300), opened), (RecordNumber(301), paused)];
        assert_eq!(first.records(), Ok(expected));
        let second = Entry::get(&mut bytes).unwrap();
        assert_eq!(second.records(), Ok(vec![(RecordNumber(300), Record::Closed)]));
        assert!(bytes.is_empty());
    }

    #[test]
    fn what_is_cut_or_miscounted_is_no_entry() {
        let whole = entry(&[Record::Opened, Record::Closed]);
        for length in 0..whole.len() {
            let mut bytes = Bytes::copy_from_slice(&whole[..length]);
            assert!(Entry::get(&mut bytes).is_err(), "{length}");
        }
        let mut miscounted = whole;
        miscounted[9] = 3;
        let entry = Entry::get(&mut Bytes::from(miscounted)).unwrap();
        assert_eq!((entry.count, entry.records()), (3, Err(NotARecord)));
    }
}
