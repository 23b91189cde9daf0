//! What was written and may have to be said again: the last frames of a connection, until the peer is known to have them.
//!
//! ```text
//!   stream   ├── confirmed, gone ──┼── kept chunks ─────────────┼── not yet with the socket ──┤
//!                                base (between two frames)    taken
//! ```
//!
//! Chunks are shared with the socket, not copied. A ping marks a place in the stream; its pong confirms it.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::buffers;

/// A place between two frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    /// Bytes of the stream before it.
    bytes: u64,
    /// Text frames before it.
    texts: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Kept {
    bytes_max: usize,
    chunks: VecDeque<Bytes>,
    /// Of the kept chunks.
    bytes: usize,
    /// Everything before is confirmed, or given up.
    base: Place,
    /// Where the stream was when a ping was written.
    marks: VecDeque<(u64, Place)>,
    /// Text frames written so far.
    texts: u64,
    /// Bytes handed to the socket so far.
    taken: u64,
}

impl Kept {
    /// Keeps up to about `bytes_max` bytes of what is written after `before` bytes that do not count and `texts` frames
    /// that the peer has.
    #[must_use]
    pub fn new(bytes_max: usize, before: u64, texts: u64) -> Self {
        let base = Place { bytes: before, texts };
        let (chunks, marks) = (VecDeque::new(), VecDeque::new());
        Self { bytes_max, chunks, bytes: 0, base, marks, texts, taken: 0 }
    }

    /// A text frame is written.
    pub(super) const fn count_text(&mut self) {
        self.texts += 1;
    }

    /// A chunk is handed to the socket.
    pub(super) fn take(&mut self, chunk: &Bytes) {
        self.taken += chunk.len() as u64;
        self.bytes += chunk.len();
        self.chunks.push_back(chunk.clone());
        // Too much is unconfirmed: the oldest is given up, mark by mark.
        while self.bytes > self.bytes_max
            && let Some((_, place)) = self.marks.pop_front()
        {
            self.forget_before(place);
        }
    }

    /// A ping is written when `pending` bytes are not yet with the socket.
    pub(super) fn mark(&mut self, ping: u64, pending: usize) {
        let place = Place { bytes: self.taken + pending as u64, texts: self.texts };
        self.marks.push_back((ping, place));
    }

    /// The pong of a ping came: what was written before it has arrived.
    pub(super) fn confirm(&mut self, ping: u64) {
        while self.marks.front().is_some_and(|(mark, _)| *mark <= ping) {
            if let Some((_, place)) = self.marks.pop_front() {
                self.forget_before(place);
            }
        }
    }

    fn forget_before(&mut self, place: Place) {
        self.base = place;
        let mut start = self.taken - self.bytes as u64;
        while let Some(chunk) = self.chunks.front()
            && start + chunk.len() as u64 <= place.bytes
        {
            start += chunk.len() as u64;
            self.bytes -= chunk.len();
            if let Some(chunk) = self.chunks.pop_front() {
                buffers::give_chunk(chunk);
            }
        }
    }

    /// Bytes written since the last mark, when `pending` are not yet with the socket.
    pub(super) fn unmarked(&self, pending: usize) -> u64 {
        let last = self.marks.back().map_or(self.base, |(_, place)| *place);
        (self.taken + pending as u64).saturating_sub(last.bytes)
    }

    /// Whether what a peer that has the first `received` text frames has not got is all here.
    #[must_use]
    pub const fn can_go_on_after(&self, received: u64) -> bool {
        self.base.texts <= received && received <= self.texts
    }

    /// The text frames after the first `received`, whole, for a peer that has only those. `None`: some are gone.
    #[must_use]
    pub fn after(&self, received: u64) -> Option<Vec<Bytes>> {
        if !self.can_go_on_after(received) {
            return None;
        }
        let mut stream = BytesMut::with_capacity(self.bytes);
        self.chunks.iter().for_each(|chunk| stream.extend_from_slice(chunk));
        let start = self.taken - self.bytes as u64;
        let mut stream = stream.freeze();
        stream
            .advance(usize::try_from(self.base.bytes.checked_sub(start)?).ok()?.min(stream.len()));
        let mut texts = self.base.texts;
        let mut frames = Vec::new();
        while !stream.is_empty() {
            let (opcode, len) = frame(&stream)?;
            let frame = stream.split_to(len);
            if opcode == 0x1 {
                texts += 1;
                if texts > received {
                    frames.push(frame);
                }
            }
        }
        Some(frames)
    }

    /// Text frames written so far.
    #[must_use]
    pub const fn texts(&self) -> u64 {
        self.texts
    }
}

/// Opcode and whole length of the unmasked frame at the front; `None` if it is not all there.
fn frame(stream: &Bytes) -> Option<(u8, usize)> {
    let (first, second) = (*stream.first()?, *stream.get(1)?);
    let (header, body) = match second {
        126 => (4, usize::from(u16::from_be_bytes(stream.get(2..4)?.try_into().ok()?))),
        127 => {
            let len = u64::from_be_bytes(stream.get(2..10)?.try_into().ok()?);
            (10, usize::try_from(len).ok()?)
        }
        len => (2, usize::from(len)),
    };
    let len = header + body;
    (stream.len() >= len).then_some((first & 0x0f, len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Writer, websocket::Frames};

    fn say(frames: &mut Frames, text: &str) {
        frames.text(&Bytes::copy_from_slice(text.as_bytes()));
    }

    fn drain(frames: &mut Frames) {
        while frames.next_chunk().is_some() {}
    }

    /// The texts of the frames after the first `received`.
    fn again(frames: &mut Frames, received: u64) -> Option<Vec<String>> {
        drain(frames);
        let again = frames.kept().unwrap().after(received)?;
        let text = |frame: Bytes| {
            let header =
                frame.len() - frame.iter().rev().take_while(|b| b.is_ascii_graphic()).count();
            String::from_utf8(frame[header..].to_vec()).unwrap()
        };
        Some(again.into_iter().map(text).collect())
    }

    #[test]
    fn what_is_not_confirmed_can_be_said_again() {
        let mut frames = Frames::default();
        say(&mut frames, "hello");
        frames.keep(1 << 20, 0);
        say(&mut frames, "one");
        say(&mut frames, &"2".repeat(70_000));
        drain(&mut frames);
        say(&mut frames, "three");
        frames.marked_ping(1);
        say(&mut frames, "four");
        assert_eq!(again(&mut frames, 0).unwrap().len(), 4);
        assert_eq!(again(&mut frames, 2).unwrap(), ["three", "four"]);
        assert_eq!(again(&mut frames, 4).unwrap(), [""; 0]);
        assert_eq!(again(&mut frames, 5), None, "never said");
        frames.confirm(1);
        assert_eq!(again(&mut frames, 3).unwrap(), ["four"]);
        assert_eq!(again(&mut frames, 2), None, "confirmed, and gone");
    }

    #[test]
    fn a_ping_needs_no_other_ping() {
        let mut frames = Frames::default();
        frames.keep(1 << 20, 0);
        assert_eq!(frames.unmarked(), 0);
        say(&mut frames, "one");
        assert_eq!(frames.unmarked(), 5);
        frames.marked_ping(1);
        assert_eq!(frames.unmarked(), 0);
        drain(&mut frames);
        assert_eq!(frames.unmarked(), 0);
        frames.confirm(1);
        assert_eq!(frames.unmarked(), 0);
        assert_eq!(again(&mut frames, 1).unwrap(), [""; 0]);
    }

    #[test]
    fn too_much_that_is_unconfirmed_is_given_up_from_the_front() {
        let mut frames = Frames::default();
        frames.keep(3000, 0);
        for n in 0..10_u64 {
            say(&mut frames, &n.to_string().repeat(1000));
            frames.marked_ping(n + 1);
            drain(&mut frames);
        }
        assert_eq!(again(&mut frames, 5), None);
        assert_eq!(again(&mut frames, 9).unwrap().len(), 1);
        assert!(frames.kept().unwrap().bytes <= 3000);
    }

    #[test]
    fn a_resumed_stream_goes_on_counting() {
        let mut frames = Frames::default();
        frames.keep(1 << 20, 0);
        (0..5).for_each(|n| say(&mut frames, &n.to_string()));
        drain(&mut frames);
        let unsaid = frames.kept().unwrap().after(2).unwrap();
        let mut next = Frames::default();
        say(&mut next, "hello");
        next.keep(1 << 20, 2);
        unsaid.iter().for_each(|frame| next.text_frame(frame));
        say(&mut next, "5");
        assert_eq!(again(&mut next, 4).unwrap(), ["4", "5"]);
        assert_eq!(next.kept().unwrap().texts(), 6);
    }

    #[test]
    fn frames_of_every_length_are_said_again_byte_for_byte_wherever_chunks_end() {
        for drain_after in 1..=9 {
            let (mut frames, mut writer) = (Frames::default(), Writer::default());
            frames.keep(1 << 30, 0);
            let (mut stream, mut texts) = (Vec::new(), 0);
            let mut take = |frames: &mut Frames| {
                while let Some(chunk) = frames.next_chunk() {
                    stream.extend_from_slice(&chunk);
                    Frames::sent(chunk);
                }
            };
            for (at, len) in
                [1, 125, 126, 5000, 40_000, 65_535, 65_536, 200_000, 2].iter().enumerate()
            {
                let large = Bytes::from(vec![b'0' + at as u8; *len]);
                writer.begin(&mut frames);
                writer.put("<");
                writer.json(&large);
                writer.end(&mut frames);
                writer.begin(&mut frames);
                writer.put(&"x".repeat(*len));
                writer.end(&mut frames);
                texts += 2;
                if at % drain_after == 0 {
                    take(&mut frames);
                }
            }
            take(&mut frames);
            let again = frames.kept().unwrap().after(0).unwrap();
            assert_eq!(again.len(), texts);
            assert!(again.concat() == stream, "{drain_after}");
            let mut next = Frames::default();
            next.keep(1 << 30, 4);
            again.iter().skip(4).for_each(|frame| next.text_frame(frame));
            drain(&mut next);
            assert!(next.kept().unwrap().after(4).unwrap() == again[4..]);
        }
    }
}
