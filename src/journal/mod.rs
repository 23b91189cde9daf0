//! What is written down: [`Record`] ⇄ bytes. Pure: knows no files, no checksums, no keys of a store.
//!
//! ```text
//! record   u8 kind | fields
//! number   LEB128, at most 10 bytes
//! body     number length | bytes
//! ```
//!
//! A kind's number, once written, keeps its meaning for ever.

use bytes::{Buf, BufMut, Bytes};

pub use crate::engine::Record;
use crate::{
    engine::Sequence,
    types::{Payload, Timestamp},
};

const OPENED: u8 = 1;
const CLOSED: u8 = 2;
const SENT: u8 = 3;
const SETTLED: u8 = 4;
const DRAINED: u8 = 5;

/// The bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a record")]
pub struct NotARecord;

/// Appends a record's bytes.
pub fn encode(record: &Record, out: &mut Vec<u8>) {
    match record {
        Record::Opened => out.put_u8(OPENED),
        Record::Closed => out.put_u8(CLOSED),
        Record::Sent { sequence, at, body } => {
            out.put_u8(SENT);
            put_number(out, sequence.0);
            put_number(out, at.0);
            put_number(out, body.len() as u64);
            out.put_slice(body.bytes());
        }
        Record::Settled { sequences } => {
            out.put_u8(SETTLED);
            put_sequences(out, sequences);
        }
        Record::Drained { through, kept } => {
            out.put_u8(DRAINED);
            put_number(out, through.0);
            put_sequences(out, kept);
        }
    }
}

/// Reads one record off the front of `bytes`; the body shares them.
///
/// # Errors
/// [`NotARecord`], with `bytes` in an unspecified state.
pub fn decode(bytes: &mut Bytes) -> Result<Record, NotARecord> {
    Ok(match bytes.try_get_u8().map_err(|_| NotARecord)? {
        OPENED => Record::Opened,
        CLOSED => Record::Closed,
        SENT => {
            let sequence = Sequence(get_number(bytes)?);
            let at = Timestamp(get_number(bytes)?);
            let length = usize::try_from(get_number(bytes)?).map_err(|_| NotARecord)?;
            if length > bytes.len() {
                return Err(NotARecord);
            }
            Record::Sent { sequence, at, body: Payload::from(bytes.split_to(length)) }
        }
        SETTLED => Record::Settled { sequences: get_sequences(bytes)? },
        DRAINED => {
            let through = Sequence(get_number(bytes)?);
            Record::Drained { through, kept: get_sequences(bytes)? }
        }
        _ => return Err(NotARecord),
    })
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}

fn get_number(bytes: &mut Bytes) -> Result<u64, NotARecord> {
    let mut number = 0;
    for shift in (0..70).step_by(7) {
        let byte = bytes.try_get_u8().map_err(|_| NotARecord)?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(NotARecord);
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(NotARecord)
}

fn put_sequences(out: &mut Vec<u8>, sequences: &[Sequence]) {
    put_number(out, sequences.len() as u64);
    sequences.iter().for_each(|sequence| put_number(out, sequence.0));
}

fn get_sequences(bytes: &mut Bytes) -> Result<Vec<Sequence>, NotARecord> {
    // Grown while reading: the announced count is not trusted with memory.
    let count = get_number(bytes)?;
    (0..count).map(|_| get_number(bytes).map(Sequence)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_record() -> impl Strategy<Value = Record> {
        let sequences = || proptest::collection::vec(any::<u64>().prop_map(Sequence), 0..5);
        let body = proptest::collection::vec(any::<u8>(), 0..50);
        prop_oneof![
            Just(Record::Opened),
            Just(Record::Closed),
            (any::<u64>(), any::<u64>(), body).prop_map(|(sequence, at, body)| Record::Sent {
                sequence: Sequence(sequence),
                at: Timestamp(at),
                body: Payload::from(Bytes::from(body)),
            }),
            sequences().prop_map(|sequences| Record::Settled { sequences }),
            (any::<u64>(), sequences())
                .prop_map(|(through, kept)| Record::Drained { through: Sequence(through), kept }),
        ]
    }

    proptest! {
        #[test]
        fn records_survive_and_every_cut_is_noticed(record in any_record()) {
            let mut written = Vec::new();
            encode(&record, &mut written);
            for cut in 0..written.len() {
                prop_assert_eq!(decode(&mut Bytes::copy_from_slice(&written[..cut])), Err(NotARecord));
            }
            written.push(0xff);
            let mut bytes = Bytes::from(written);
            prop_assert_eq!(decode(&mut bytes), Ok(record));
            prop_assert_eq!(bytes.as_ref(), [0xff].as_slice());
        }

        #[test]
        fn no_bytes_break_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode(&mut Bytes::from(bytes));
        }
    }
}
