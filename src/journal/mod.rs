//! What is written down: [`Record`] ⇄ bytes. Pure: knows no files, no checksums, no keys of a store.

use bytes::Bytes;

pub use crate::engine::Record;

/// The bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a record")]
pub struct NotARecord;

/// Appends a record's bytes.
pub fn encode(_: &Record, _: &mut Vec<u8>) {}

/// Reads one record off the front of `bytes`; bodies share them.
///
/// # Errors
/// [`NotARecord`], with `bytes` in an unspecified state.
pub fn decode(_: &mut Bytes) -> Result<Record, NotARecord> {
    Err(NotARecord)
}
