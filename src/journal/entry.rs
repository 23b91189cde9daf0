//! What stands in a log of many queues: the records of one queue that were written together.
//!
//! ```text
//! entry     text room | text queue | number first | number count | u32 length, little-endian | records
//!         | text room | text queue | number first | number count | u32 0xffff_ffff | number position
//! ```
//!
//! `first` is the number of the first of `count` records; the length lets a reader pass over what it does not need. Records that
//! are large may stand elsewhere, where `position` says: the same entry, with them in it.

use std::ops::Range;

use bytes::Bytes;

use super::{
    NotARecord, decode, encode,
    number::number,
    table::{Reader, Written},
};
use crate::{
    engine::{Record, RecordNumber},
    types::{QueueName, RoomName},
};

/// Records of one queue, in order, not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Which queue, of which room.
    pub names: Names<'a>,
    /// Number of the first record.
    pub first: RecordNumber,
    /// How many there are.
    pub count: u64,
    /// They themselves.
    pub records: Records,
}

/// Names of a room and a queue, as they are written: they are the same if their bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    /// Their bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`NotARecord`].
    pub fn read(self) -> Result<(RoomName, QueueName), NotARecord> {
        let mut bytes = Bytes::copy_from_slice(self.0);
        let mut reader = Reader { bytes: &mut bytes, number: RecordNumber(0) };
        Ok((RoomName::get(&mut reader)?, QueueName::get(&mut reader)?))
    }
}

/// The records of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// Where their bytes are in what the entry was read from.
    Here(Range<usize>),
    /// They stand apart, at this position.
    Apart(u64),
}

/// The length of records that stand apart.
const APART: u32 = u32::MAX;

/// Appends an entry.
pub fn put_entry(
    room: &RoomName,
    queue: &QueueName,
    first: RecordNumber,
    records: &[Record],
    out: &mut Vec<u8>,
) {
    put_head(room, queue, first, records.len(), out);
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    records.iter().for_each(|record| encode(record, out));
    let length = u32::try_from(out.len() - length_at - 4).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(length_at..length_at + 4) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

/// Appends an entry whose records stand apart.
pub fn put_apart(
    room: &RoomName,
    queue: &QueueName,
    first: RecordNumber,
    count: usize,
    position: u64,
    out: &mut Vec<u8>,
) {
    put_head(room, queue, first, count, out);
    out.extend_from_slice(&APART.to_le_bytes());
    position.put(out);
}

fn put_head(
    room: &RoomName,
    queue: &QueueName,
    first: RecordNumber,
    count: usize,
    out: &mut Vec<u8>,
) {
    room.put(out);
    queue.put(out);
    first.0.put(out);
    count.put(out);
}

impl<'a> Entry<'a> {
    /// Reads the one that begins at `at`; where it ends.
    ///
    /// # Errors
    /// [`NotARecord`].
    pub fn get(bytes: &'a [u8], at: usize) -> Result<(Self, usize), NotARecord> {
        let begin = bytes.get(at..).ok_or(NotARecord)?;
        let mut rest = begin;
        skip_text(&mut rest)?; // the room
        skip_text(&mut rest)?; // the queue
        let (names, _) = begin.split_at(begin.len() - rest.len());
        let (first, count) = (RecordNumber(number(&mut rest)?), number(&mut rest)?);
        let (length, mut rest) = rest.split_first_chunk().ok_or(NotARecord)?;
        let here = |rest: &[u8]| bytes.len() - rest.len();
        let (records, end) = match u32::from_le_bytes(*length) {
            APART => (Records::Apart(number(&mut rest)?), here(rest)),
            length if length as usize > rest.len() => return Err(NotARecord),
            length => {
                let end = here(rest) + length as usize;
                (Records::Here(here(rest)..end), end)
            }
        };
        Ok((Self { names: Names(names), first, count, records }, end))
    }

    /// The number of the last record.
    ///
    /// # Errors
    /// [`NotARecord`] when there is none.
    pub fn last(&self) -> Result<RecordNumber, NotARecord> {
        let last = self.count.checked_sub(1).and_then(|more| self.first.0.checked_add(more));
        last.map(RecordNumber).ok_or(NotARecord)
    }

    /// Its records, each with its number. It was read from `bytes`.
    ///
    /// # Errors
    /// [`NotARecord`], also when they are not here.
    pub fn records(&self, bytes: &Bytes) -> Result<Vec<(RecordNumber, Record)>, NotARecord> {
        let Records::Here(range) = &self.records else { return Err(NotARecord) };
        let mut bytes = bytes.slice(range.clone());
        let mut records = Vec::new();
        let mut number = self.first;
        while !bytes.is_empty() {
            records.push((number, decode(&mut bytes, number)?));
            number.0 += 1;
        }
        if records.len() as u64 == self.count { Ok(records) } else { Err(NotARecord) }
    }
}

fn skip_text(bytes: &mut &[u8]) -> Result<(), NotARecord> {
    let length = usize::try_from(number(bytes)?).map_err(|_| NotARecord)?;
    *bytes = bytes.get(length..).ok_or(NotARecord)?;
    Ok(())
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
        let bytes = Bytes::from(bytes);
        let (first, end) = Entry::get(&bytes, 0).unwrap();
        let (room, queue) = first.names.read().unwrap();
        assert_eq!((room.as_str(), queue.as_str(), first.count), ("r", "jobs", 2));
        assert_eq!(first.last(), Ok(RecordNumber(301)));
        let [opened, paused] = records;
        let expected = vec![(RecordNumber(300), opened), (RecordNumber(301), paused)];
        assert_eq!(first.records(&bytes), Ok(expected));
        let (second, end) = Entry::get(&bytes, end).unwrap();
        assert_eq!(second.records(&bytes), Ok(vec![(RecordNumber(300), Record::Closed)]));
        assert_eq!(end, bytes.len());
    }

    #[test]
    fn records_may_stand_apart() {
        let mut out = Vec::new();
        let (room, queue) = ("r".parse().unwrap(), "jobs".parse().unwrap());
        put_apart(&room, &queue, RecordNumber(300), 2, 5, &mut out);
        assert_eq!(out, b"\x01r\x04jobs\xac\x02\x02\xff\xff\xff\xff\x05");
        out.extend(entry(&[Record::Closed]));
        let bytes = Bytes::from(out);
        let (apart, end) = Entry::get(&bytes, 0).unwrap();
        let expected = (RecordNumber(300), 2, Records::Apart(5));
        assert_eq!((apart.first, apart.count, apart.records.clone()), expected);
        assert_eq!(apart.records(&bytes), Err(NotARecord));
        let (here, end) = Entry::get(&bytes, end).unwrap();
        assert!(here.records(&bytes).is_ok() && end == bytes.len());
    }

    #[test]
    fn what_is_cut_or_miscounted_is_no_entry() {
        let whole = entry(&[Record::Opened, Record::Closed]);
        let mut apart = Vec::new();
        let (room, queue) = ("r".parse().unwrap(), "jobs".parse().unwrap());
        put_apart(&room, &queue, RecordNumber(300), 2, 500, &mut apart);
        for entry in [&whole, &apart] {
            for length in 0..entry.len() {
                assert!(Entry::get(&entry[..length], 0).is_err(), "{length}");
            }
        }
        let mut miscounted = whole;
        miscounted[9] = 3;
        let bytes = Bytes::from(miscounted);
        let (entry, _) = Entry::get(&bytes, 0).unwrap();
        assert_eq!((entry.count, entry.records(&bytes)), (3, Err(NotARecord)));
    }
}
