//! Reads a segment from its beginning to its end, a piece at a time.

use std::io;

use bytes::Bytes;

use super::{
    OpenError,
    disk::DiskFile,
    frame::{Frame, HEADER, Kin},
};

/// So much is read at a time: it is still in the processor's cache when its checksum is made.
const PIECE: usize = 1 << 20;

/// A frame, where it begins, and its body.
pub(super) struct Scanned {
    pub(super) frame: Frame,
    pub(super) at: u64,
    pub(super) body: Bytes,
}

/// A part of a file that is in memory. It goes through the file, and never back.
pub(super) struct Window {
    file: Box<dyn DiskFile>,
    file_length: u64,
    /// Where it begins.
    start: u64,
    bytes: Bytes,
}

impl Window {
    /// At the beginning of a file. `memory` may be another window's: new memory takes longer to come by than what is read
    /// into it.
    pub(super) fn new(file: Box<dyn DiskFile>, memory: Bytes) -> io::Result<Self> {
        let file_length = file.length()?;
        let foreign = memory.len();
        let mut window = Self { file, file_length, start: 0, bytes: memory };
        window.read(0, foreign, 0)?;
        Ok(window)
    }

    pub(super) fn into_memory(self) -> Bytes {
        self.bytes
    }

    /// Where in memory these bytes begin. `None`: the file ends before they do.
    fn reach(&mut self, at: u64, length: usize) -> io::Result<Option<usize>> {
        if at.saturating_add(length as u64) > self.file_length {
            return Ok(None);
        }
        let begin = (at - self.start) as usize;
        if begin + length <= self.bytes.len() {
            return Ok(Some(begin));
        }
        self.read(at, begin, length)?;
        Ok(Some(0))
    }

    /// Goes on to `at`, which is at `begin` in memory, and has at least so many bytes from there on.
    fn read(&mut self, at: u64, begin: usize, length: usize) -> io::Result<()> {
        let mut bytes = Vec::from(std::mem::take(&mut self.bytes));
        // What it has of that already comes to the front.
        let begin = begin.min(bytes.len());
        let known = bytes.len() - begin;
        bytes.copy_within(begin.., 0);
        let left = usize::try_from(self.file_length - at).unwrap_or(usize::MAX);
        bytes.resize(length.max(PIECE).min(left), 0);
        if let Some(unknown) = bytes.get_mut(known..) {
            self.file.read_at(at + known as u64, unknown)?;
        }
        (self.start, self.bytes) = (at, bytes.into());
        Ok(())
    }

    /// The frame at `at`, if there is one of this kin and all of it is right.
    fn frame(&mut self, at: u64, kin: Kin) -> io::Result<Option<Scanned>> {
        let Some(begin) = self.reach(at, HEADER)? else { return Ok(None) };
        let header = self.bytes.get(begin..).unwrap_or_default();
        let Some(frame) = Frame::of(header, kin) else { return Ok(None) };
        let Some(begin) = self.reach(at + HEADER as u64, frame.length)? else { return Ok(None) };
        let body = self.bytes.slice(begin..begin + frame.length);
        Ok(frame.is_body(&body).then_some(Scanned { frame, at, body }))
    }
}

/// Hands over each frame of a segment, and says where the last one ends. Its frames begin with `first`; with `next`
/// begins the segment after it, if there is one.
///
/// A bad frame where a good one must be is damage: where the next segment says that there were more, or where a
/// frame further on says that this one had been acknowledged. Otherwise it is what a crash leaves.
pub(super) fn scan(
    window: &mut Window,
    name: &str,
    kin: Kin,
    (first, next): (u64, Option<u64>),
    hand: &mut dyn FnMut(Scanned) -> Result<(), OpenError>,
) -> Result<u64, OpenError> {
    let damaged = |offset, number| {
        let name = name.to_owned();
        Err(OpenError::Damaged { name, offset, number })
    };
    let (mut at, mut number) = (0, first);
    while next.is_none_or(|next| number < next) {
        match window.frame(at, kin)? {
            Some(scanned) if scanned.frame.number == number => {
                at += scanned.frame.stride();
                number += 1;
                hand(scanned)?;
            }
            None if next.is_none() => break,
            _ => return damaged(at, number),
        }
    }
    if next.is_none() && was_acknowledged(window, at, kin, number)? {
        return damaged(at, number);
    }
    Ok(at)
}

/// Whether a frame after the bad one at `at` says that number `number` was durable.
fn was_acknowledged(window: &mut Window, at: u64, kin: Kin, number: u64) -> io::Result<bool> {
    let mut at = at + HEADER as u64;
    while at + HEADER as u64 <= window.file_length {
        if window.frame(at, kin)?.is_some_and(|scanned| scanned.frame.durable >= number) {
            return Ok(true);
        }
        at += HEADER as u64;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        cipher::Sealing,
        disk::{Disk, bad::BadDisk},
        frame,
    };

    const KIN: Kin = Kin { store: 1, generation: 2 };

    /// Frames with bodies of these lengths, of which each says that the one before was durable; where each begins.
    fn frames(lengths: &[usize]) -> (Vec<u8>, Vec<u64>) {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for (at, length) in lengths.iter().enumerate() {
            let mut frame = vec![at as u8 + 1; HEADER + length];
            frame::seal(&mut frame, KIN, at as u64 + 1, at as u64, Sealing::default());
            starts.push(bytes.len() as u64);
            bytes.extend(frame);
        }
        (bytes, starts)
    }

    /// The frames that are found, and where they end.
    fn scanned(bytes: Vec<u8>, next: Option<u64>) -> Result<(Vec<(u64, usize)>, u64), OpenError> {
        let files = [("a".to_owned(), bytes)].into_iter().collect();
        let file = BadDisk::with_files(&files).open("a")?;
        let mut found = Vec::new();
        let mut window = Window::new(file, Bytes::from(vec![7; 3 * PIECE]))?;
        let end = scan(&mut window, "a", KIN, (1, next), &mut |Scanned { frame, at, body }| {
            assert!(body.iter().all(|byte| u64::from(*byte) == frame.number));
            found.push((at, body.len()));
            Ok(())
        })?;
        Ok((found, end))
    }

    #[test]
    fn frames_may_be_larger_than_what_is_read_at_a_time_and_lie_across_it() {
        let lengths = [10, PIECE - 200, 0, 3 * PIECE, PIECE, 64, 70_000, 2 * PIECE - 64, 1];
        let (bytes, starts) = frames(&lengths);
        let all: Vec<_> = starts.iter().copied().zip(lengths).collect();
        let end = bytes.len() as u64;
        let mut with_room = bytes.clone();
        with_room.resize(bytes.len() + 2 * PIECE, 0);
        for next in [None, Some(10)] {
            assert_eq!(scanned(bytes.clone(), next).unwrap(), (all.clone(), end));
            assert_eq!(scanned(with_room.clone(), next).unwrap(), (all.clone(), end));
        }
        for (number, start) in starts.iter().enumerate() {
            for wrong in [*start, *start + (HEADER + lengths[number]) as u64 - 1] {
                let mut bytes = with_room.clone();
                bytes[wrong as usize] ^= 1;
                match scanned(bytes, None) {
                    // Nobody says that it was acknowledged.
                    Ok(found) => {
                        assert_eq!(found, (all[..number].to_vec(), *start));
                        assert_eq!(number, 8);
                    }
                    Err(OpenError::Damaged { offset, .. }) => assert_eq!(offset, *start),
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}
