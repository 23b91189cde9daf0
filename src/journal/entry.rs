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
