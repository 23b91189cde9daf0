//! The end of a file of the journal, where frames are appended.
//!
//! A disk writes whole blocks, and reads them from memory by itself. So a frame is copied behind the beginning of the block that
//! the last one ended in, and that block is written once more, as it was and with more in it.
//!
//! ```text
//!  memory   … │ last frame ─┤0000│          │ last ─┤ frame ───────────┤00│ …
//!                   written before           the same, one block further on: written next
//! ```

use std::io;

use super::disk::{BlockFile, Memory};

/// So much is given to the disk at a time: whatever else is synced meanwhile does not have to wait for all of a large frame. It is
/// all of the memory, too: a small frame goes behind the one before, as it takes time to write where a disk has just read.
const AT_A_TIME: usize = 1 << 20;

/// See the module.
pub(super) struct Tail {
    file: Box<dyn BlockFile>,
    block: usize,
    /// Where the next frame goes.
    at: u64,
    memory: Memory,
    /// Where in memory the block begins that the last frame ended in,
    last: usize,
    /// and where nothing was written for the longest time.
    free: usize,
}

impl Tail {
    /// At the beginning of a file.
    pub(super) fn new(file: Box<dyn BlockFile>, block: usize) -> Self {
        Self { file, block, at: 0, memory: Memory::new(AT_A_TIME), last: 0, free: 0 }
    }

    /// Where the next frame goes.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Makes a frame durable.
    pub(super) fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        let mut rest = frame;
        while !rest.is_empty() {
            let (some, after) = rest.split_at(rest.len().min(AT_A_TIME - self.begun()));
            self.append_some(some)?;
            rest = after;
        }
        self.file.sync()
    }

    /// How much of the next block has been written.
    fn begun(&self) -> usize {
        self.at as usize % self.block
    }

    fn append_some(&mut self, bytes: &[u8]) -> io::Result<()> {
        let begun = self.begun();
        let end = begun + bytes.len();
        let whole = end.next_multiple_of(self.block);
        let place = if self.free + whole > AT_A_TIME { 0 } else { self.free };
        let memory = self.memory.bytes_mut();
        memory.copy_within(self.last..self.last + begun, place);
        // Memory has room for it; if it had not, nothing must pass for written.
        let blocks = memory.get_mut(place..place + whole);
        let blocks = blocks.ok_or_else(|| io::Error::other("a frame is too long"))?;
        let (_, to) = blocks.split_at_mut(begun);
        let (to, padding) = to.split_at_mut(bytes.len());
        to.copy_from_slice(bytes);
        padding.fill(0);
        self.file.write(blocks, self.at - begun as u64)?;
        self.at += bytes.len() as u64;
        self.last = place + end - end % self.block;
        self.free = place + whole;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::{
        Disk,
        bad::{BadDisk, Fault},
    };

    const LENGTHS: [usize; 9] =
        [64, 448, 1, 1000, 2 * AT_A_TIME + 700, 3, AT_A_TIME, AT_A_TIME - 1, 4096];

    fn frame(number: usize, length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7 + number * 31) as u8 | 1).collect()
    }

    #[test]
    fn frames_stand_behind_each_other_and_survive_a_power_cut_in_the_next_one() {
        for operation in 1.. {
            let disk = BadDisk::default();
            disk.create("file", 5 * AT_A_TIME as u64).unwrap();
            disk.sync_names().unwrap();
            let mut tail = Tail::new(disk.open_blocks("file").unwrap(), disk.block());
            disk.fail_at(operation, Fault::PowerCut);
            let mut written = Vec::new();
            let frames = LENGTHS.iter().enumerate().map(|(at, length)| frame(at, *length));
            let is_cut = frames.into_iter().any(|frame| {
                assert_eq!(tail.at(), written.len() as u64);
                let is_cut = tail.append(&frame).is_err();
                written.extend(if is_cut { Vec::new() } else { frame });
                is_cut
            });
            let mut state = operation;
            let random = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state >> 63 == 1
            };
            let left = disk.after_power_cut(random).files().remove("file").unwrap();
            assert!(left.starts_with(&written), "operation {operation}");
            if !is_cut {
                assert!(
                    operation > 2 * LENGTHS.len() as u64
                        && left[written.len()..].iter().all(|it| *it == 0)
                );
                break;
            }
        }
    }
}
