//! Names of the journal's files. Pure.
//!
//! A segment is called by its generation and its first frame. Files are made in advance and used again; what a
//! file was before is told by its generation. Every start begins a new segment, so what a crash left behind the last
//! good frame is never written over and never read again.

use super::slot::{LARGE, MAIN, Slot};

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
