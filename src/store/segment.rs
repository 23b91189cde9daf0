//! A file of the journal: its name, and what can be read of it. Pure.
//!
//! A segment is called by its generation and its first frame. Files are made in advance and used again; what a
//! file was before is told by its generation. Every start begins a new segment, so what a crash left behind the last
//! good frame is never written over and never read again.

use super::{
    frame::{self, Frame, HEADER, Kin},
    slot::{LARGE, MAIN, Slot},
};

/// What a file of the journal is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// In use, or not yet given back.
    Segment { slot: Slot, generation: u64, first: u64 },
    /// Free.
    Spare { number: u64 },
}

impl Named {
    pub(super) fn of(name: &str) -> Option<Self> {
        let number = |text: &str| {
            let fine = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            fine.then(|| u64::from_str_radix(text, 16).ok()).flatten()
        };
        let (rest, kind) = name.split_once('.')?;
        let slot = match kind {
            "segment" => MAIN,
            "large" => LARGE,
            "spare" => return Some(Self::Spare { number: number(rest)? }),
            _ => return None,
        };
        let (generation, first) = rest.split_once('-')?;
        Some(Self::Segment { slot, generation: number(generation)?, first: number(first)? })
    }

    pub(super) fn is_spare(name: &str) -> bool {
        matches!(Self::of(name), Some(Self::Spare { .. }))
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::Segment { slot, generation, first } => {
                let kind = if slot == LARGE { "large" } else { "segment" };
                format!("{generation:016x}-{first:016x}.{kind}")
            }
            Self::Spare { number } => format!("{number:016x}.spare"),
        }
    }
}

/// Something that was acknowledged cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damage {
    /// Where the first frame is that is wrong.
    pub(super) offset: usize,
    /// Which frame should be there.
    pub(super) number: u64,
}

/// What a segment holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) frames: Vec<Frame>,
    /// Where the last good frame ends.
    pub(super) end: usize,
}

/// Reads a segment that begins with frame `first`; `next` is the first frame of the segment after it, if there is one.
///
/// A bad frame where a good one must be is damage: where the next segment says that there were more, or where a
/// frame further on says that this one had been acknowledged. Otherwise it is what a crash leaves.
pub(super) fn scan(bytes: &[u8], kin: Kin, first: u64, next: Option<u64>) -> Result<Scan, Damage> {
    let mut frames = Vec::new();
    let (mut at, mut number) = (0, first);
    while next.is_none_or(|next| number < next) {
        match frame::read(bytes, at, kin) {
            Some(frame) if frame.number == number => {
                at = frame.end;
                frames.push(frame);
                number += 1;
            }
            Some(_) => return Err(Damage { offset: at, number }),
            None if next.is_some() => return Err(Damage { offset: at, number }),
            None => break,
        }
    }
    if next.is_none() && was_acknowledged(bytes, at, kin, number) {
        return Err(Damage { offset: at, number });
    }
    Ok(Scan { frames, end: at })
}

/// Whether a frame after the bad one at `at` says that number `number` was durable.
fn was_acknowledged(bytes: &[u8], at: usize, kin: Kin, number: u64) -> bool {
    let mut at = at + HEADER;
    while at + HEADER <= bytes.len() {
        if frame::read(bytes, at, kin).is_some_and(|frame| frame.durable >= number) {
            return true;
        }
        at += HEADER;
    }
    false
}
