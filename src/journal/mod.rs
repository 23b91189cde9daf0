//! What is written down: [`Record`] ⇄ bytes. Pure: knows no files, no checksums, no keys of a store.
//!
//! ```text
//! record    kind | fields                     in the order of the tables in this module's files
//! kind      u8                                of a record, and of every other "one of these"
//! flag      u8                                0 or 1
//! number    LEB128, at most 10 bytes
//! signed    number                            zigzag: 0, −1, 1, −2 … are 0, 1, 2, 3 …
//! text      number length | UTF-8             names, too; what is no legal name is no record
//! maybe x   flag | x if the flag is 1
//! list x    number count | x …
//! payload   maybe text content type | number length | bytes
//! tagged    (number tag | number length | value) … | 0      tags ascend, from 1
//! ```
//!
//! * Moments and durations are numbers, milliseconds. A single small number (a percentage) is a `u8`.
//! * Kinds and tags are written in the tables as numbers. A number, once written, keeps its meaning for ever;
//!   a retired one is never used again.
//! * `tagged` is for what grows with versions: the settings of a queue, the options of a message. A tag that is
//!   missing is a default. Of settings all are written, because a later version may have other defaults; of
//!   options those that are not. A tag that is not known makes the whole no record today; the length is there so
//!   that a version which knows that it may can pass over it.
//! * What a record's number says is not written: [`Message::sent_in`](crate::engine::Message::sent_in) is the
//!   number of the record itself, and whoever reads a log counts its records.
//!
//! Bodies get memory of their own. An announced length or count is never trusted with memory.

mod basic;
mod block;
mod entry;
mod image;
mod json;
mod line;
mod message;
mod number;
mod record;
mod settings;
mod table;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use crate::engine::{
    BLOCK, BlockImage, Image, Message, Position, Record, RecordNumber, Sequence,
};
pub use block::{decode_block, decode_bodies, encode_block, encode_bodies};
pub use entry::{Entry, Names, Records, put_apart, put_entry};
pub use image::{decode_image, encode_image};
pub use json::WrongJson;
pub use line::{LINES_FORMAT, Line, Part};
use table::{Reader, Written};

/// The bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a record")]
pub struct NotARecord;

/// Appends a record's bytes.
pub fn encode(record: &Record, out: &mut Vec<u8>) {
    record.put(out);
}

/// Reads one record off the front of `bytes`; bodies share them. It is the queue's record with this `number`.
///
/// # Errors
/// [`NotARecord`], with `bytes` in an unspecified state.
pub fn decode(bytes: &mut Bytes, number: RecordNumber) -> Result<Record, NotARecord> {
    Record::get(&mut Reader { bytes, number })
}
