//! One commit on disk. Pure.
//!
//! ```text
//!  0  magic                    32  generation of the segment
//!  4  CRC32C of bytes 8..64    40  id of the store
//!  8  CRC32C of the body       48  id of the key the body is encrypted with; 0: it is not
//! 12  length of the body       52  nonce, 12 bytes
//! 16  number of the frame      64  body, then zeros up to a multiple of 64
//! 24  frames up to this one were durable when this one was written
//! ```
//!
//! All numbers are little-endian. Frames are numbered from 1 without gaps over all segments. A frame counts only if
//! all of it is right: what a segment was used for before has another generation.

use super::cipher::Sealing;

/// Length of what stands before a body; frames begin at multiples of it.
pub(super) const HEADER: usize = 64;

const MAGIC: u32 = u32::from_le_bytes(*b"arf1");

/// What all frames of a segment have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kin {
    pub(super) store: u64,
    pub(super) generation: u64,
}

/// What a header says of its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) number: u64,
    pub(super) durable: u64,
    pub(super) sealing: Sealing,
    /// Length of its body.
    pub(super) length: usize,
    body_crc: u32,
}

/// What an encrypted body is bound to.
pub(super) fn place(kin: Kin, number: u64) -> [u8; 24] {
    let mut place = [0; 24];
    place[..8].copy_from_slice(&kin.store.to_le_bytes());
    place[8..16].copy_from_slice(&kin.generation.to_le_bytes());
    place[16..].copy_from_slice(&number.to_le_bytes());
    place
}

/// Turns `HEADER` free bytes and a body into a frame.
pub(super) fn seal(buffer: &mut Vec<u8>, kin: Kin, number: u64, durable: u64, sealing: Sealing) {
    let body = buffer.get(HEADER..).unwrap_or_default();
    let (length, body_crc) = (body.len() as u32, crc32c::crc32c(body));
    let mut header = [0; HEADER];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = header.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    put(0, &MAGIC.to_le_bytes());
    put(8, &body_crc.to_le_bytes());
    put(12, &length.to_le_bytes());
    put(16, &number.to_le_bytes());
    put(24, &durable.to_le_bytes());
    put(32, &kin.generation.to_le_bytes());
    put(40, &kin.store.to_le_bytes());
    put(48, &sealing.key.to_le_bytes());
    put(52, &sealing.nonce);
    let header_crc = crc32c::crc32c(&header[8..]);
    header[4..8].copy_from_slice(&header_crc.to_le_bytes());
    if let Some(place) = buffer.get_mut(..HEADER) {
        place.copy_from_slice(&header);
    }
    buffer.resize(buffer.len().next_multiple_of(HEADER), 0);
}

impl Frame {
    /// What a header says, if it is right and of this kin.
    pub(super) fn of(header: &[u8], kin: Kin) -> Option<Self> {
        let header = header.get(..HEADER)?;
        let u32_at = |at: usize| {
            let four = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            four.map_or(0, u32::from_le_bytes)
        };
        let u64_at = |at: usize| {
            let eight = header.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            eight.map_or(0, u64::from_le_bytes)
        };
        if u32_at(0) != MAGIC
            || (Kin { store: u64_at(40), generation: u64_at(32) }) != kin
            || u32_at(4) != crc32c::crc32c(header.get(8..)?)
        {
            return None;
        }
        Some(Self {
            number: u64_at(16),
            durable: u64_at(24),
            sealing: Sealing { key: u32_at(48), nonce: header.get(52..64)?.try_into().ok()? },
            length: u32_at(12) as usize,
            body_crc: u32_at(8),
        })
    }

    /// Whether this is its body.
    pub(super) fn is_body(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.length && crc32c::crc32c(bytes) == self.body_crc
    }

    /// How far behind its first byte the next one begins.
    pub(super) fn stride(&self) -> u64 {
        (HEADER + self.length).next_multiple_of(HEADER) as u64
    }
}
