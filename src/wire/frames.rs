//! Frames to the peer, written straight into the chunks that the socket takes.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Kept, buffers, websocket::Close};

/// Pieces at least this long are handed to the socket as they are; shorter ones are copied together.
pub(super) const SHARE_FROM: usize = 4096;

/// Space for the header of a text frame whose length is not known when it begins; most headers need no other.
const HEADER: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub struct Frames {
    chunks: VecDeque<Bytes>,
    /// The last chunk, which is still written to.
    tail: Vec<u8>,
    len: usize,
    /// What may have to be said again.
    kept: Option<Box<Kept>>,
}

impl Frames {
    /// Bytes that wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next chunk for the socket, which gives it back with [`Self::sent`].
    pub fn next_chunk(&mut self) -> Option<Bytes> {
        let chunk = match self.chunks.pop_front() {
            Some(chunk) => Some(chunk),
            None => {
                let chunk = (!self.tail.is_empty()).then(|| self.freeze());
                // A connection at rest holds no buffer.
                buffers::give(std::mem::take(&mut self.tail));
                chunk
            }
        }?;
        self.len -= chunk.len();
        if let Some(kept) = &mut self.kept {
            kept.take(&chunk);
        }
        Some(chunk)
    }

    /// The socket has a chunk: whoever writes next may have its memory.
    pub fn sent(chunk: Bytes) {
        buffers::give_chunk(chunk);
    }

    /// From here on keeps up to about `bytes_max` bytes of what the peer is not known to have; it has `texts` frames.
    pub fn keep(&mut self, bytes_max: usize, texts: u64) {
        self.kept = Some(Box::new(Kept::new(bytes_max, self.len as u64, texts)));
    }

    /// What is kept.
    #[must_use]
    pub fn kept(&self) -> Option<&Kept> {
        self.kept.as_deref()
    }

    /// Everything that is kept, what is not yet with the socket included; nothing more is written.
    pub fn into_kept(mut self) -> Option<Kept> {
        while self.next_chunk().is_some() {}
        self.kept.map(|kept| *kept)
    }

    /// Bytes of what is kept that no ping covers yet.
    #[must_use]
    pub fn unmarked(&self) -> u64 {
        self.kept.as_ref().map_or(0, |kept| kept.unmarked(self.len))
    }

    /// A ping whose pong confirms everything before it.
    pub fn marked_ping(&mut self, number: u64) {
        self.ping(&number.to_be_bytes());
        // Behind the ping: what is only a ping needs no other one.
        if let Some(kept) = &mut self.kept {
            kept.mark(number, self.len);
        }
    }

    /// The pong of a ping came.
    pub fn confirm(&mut self, number: u64) {
        if let Some(kept) = &mut self.kept {
            kept.confirm(number);
        }
    }

    /// A whole text frame that was written before.
    pub fn text_frame(&mut self, frame: &Bytes) {
        if let Some(kept) = &mut self.kept {
            kept.count_text();
        }
        self.share(frame);
    }

    /// Begins a binary message of `len` bytes, which must follow by `put` and `share`.
    pub fn begin_binary(&mut self, len: usize) {
        self.begin(0x2, len);
    }

    /// A whole text message.
    pub fn text(&mut self, text: &Bytes) {
        self.begin(0x1, text.len());
        self.share(text);
    }

    /// A whole binary message.
    pub fn binary(&mut self, data: &Bytes) {
        self.begin(0x2, data.len());
        self.share(data);
    }

    /// A ping; at most 125 bytes.
    pub fn ping(&mut self, payload: &[u8]) {
        self.control(0x9, payload);
    }

    /// A pong; at most 125 bytes.
    pub fn pong(&mut self, payload: &[u8]) {
        self.control(0xa, payload);
    }

    /// A close frame. The last one.
    pub fn close(&mut self, close: Close) {
        let mut payload = Vec::with_capacity(2 + close.reason.len());
        payload.extend_from_slice(&close.code.to_be_bytes());
        payload.extend_from_slice(close.reason.as_bytes());
        self.control(0x8, &payload);
    }

    /// A close frame without a code, the answer to one.
    pub fn close_without_code(&mut self) {
        self.control(0x8, &[]);
    }

    /// Copies bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
        self.buffer().extend_from_slice(bytes);
    }

    /// Shares bytes if they are many, else copies them.
    pub fn share(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARE_FROM {
            return self.put(bytes);
        }
        self.seal();
        self.len += bytes.len();
        self.chunks.push_back(bytes.clone());
    }

    /// Lends the chunk that is written to, with space for a header at its end. The text that is written there comes back
    /// with [`Self::end_text`], and nothing else is written before.
    pub(super) fn begin_text(&mut self) -> Vec<u8> {
        self.buffer();
        let mut buffer = std::mem::take(&mut self.tail);
        buffer.extend_from_slice(&[0; HEADER]);
        buffer
    }

    /// A text frame is whole: the `len` bytes of UTF-8 from `start` on in `buffer`, and those of `shared`, each to stand
    /// before an offset in `buffer`.
    pub(super) fn end_text(
        &mut self,
        mut buffer: Vec<u8>,
        start: usize,
        shared: &mut Vec<(usize, Bytes)>,
        len: usize,
    ) {
        if let Some(kept) = &mut self.kept {
            kept.count_text();
        }
        let header = Header::new(0x1, len);
        let space = start - HEADER;
        let end = space + header.bytes().len();
        match header.bytes().len() {
            HEADER => {}
            // Fewer than 126 bytes are moved.
            2 => {
                buffer.copy_within(start.., end);
                buffer.truncate(buffer.len() - (start - end));
            }
            more => {
                let whole = buffer.len();
                buffer.resize(whole + more - HEADER, 0);
                buffer.copy_within(start..whole, end);
            }
        }
        if let Some(space) = buffer.get_mut(space..end) {
            space.copy_from_slice(header.bytes());
        }
        self.len += header.bytes().len() + len;
        self.tail = buffer;
        if !shared.is_empty() {
            self.cut(shared.drain(..).map(|(at, bytes)| (at + end - start, bytes)));
        }
    }

    /// Ends the chunk that is written to, with `pieces` in it: each before an offset.
    fn cut(&mut self, pieces: impl Iterator<Item = (usize, Bytes)>) {
        let text = self.freeze();
        let mut from = 0;
        for (at, piece) in pieces {
            if from < at {
                self.chunks.push_back(text.slice(from..at));
            }
            self.chunks.push_back(piece);
            from = at;
        }
        if from < text.len() {
            self.chunks.push_back(text.slice(from..));
        }
    }

    /// Ends the chunk that is written to.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let chunk = self.freeze();
            self.chunks.push_back(chunk);
        }
    }

    /// What was written to the last chunk. Its buffer goes along if it is well used; else it stays: what is kept never
    /// keeps alive much more than itself.
    fn freeze(&mut self) -> Bytes {
        if self.tail.len() >= self.tail.capacity() / 2 {
            return std::mem::take(&mut self.tail).into();
        }
        let chunk = Bytes::copy_from_slice(&self.tail);
        self.tail.clear();
        chunk
    }

    fn control(&mut self, opcode: u8, payload: &[u8]) {
        let payload = payload.get(..125).unwrap_or(payload);
        self.begin(opcode, payload.len());
        self.put(payload);
    }

    fn begin(&mut self, opcode: u8, len: usize) {
        if let Some(kept) = self.kept.as_mut().filter(|_| opcode == 0x1) {
            kept.count_text();
        }
        self.put(Header::new(opcode, len).bytes());
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        if self.tail.capacity() == 0 {
            self.tail = buffers::take();
        }
        &mut self.tail
    }
}

/// Of one frame, unmasked and whole.
struct Header {
    bytes: [u8; 10],
    len: usize,
}

impl Header {
    const fn new(opcode: u8, len: usize) -> Self {
        let first = 0x80 | opcode;
        let [.., g, h] = (len as u64).to_be_bytes();
        match len {
            0..126 => Self { bytes: [first, h, 0, 0, 0, 0, 0, 0, 0, 0], len: 2 },
            126..65_536 => Self { bytes: [first, 126, g, h, 0, 0, 0, 0, 0, 0], len: 4 },
            _ => {
                let [a, b, c, d, e, f, g, h] = (len as u64).to_be_bytes();
                Self { bytes: [first, 127, a, b, c, d, e, f, g, h], len: 10 }
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Writer;

    fn drain(frames: &mut Frames) -> Vec<Bytes> {
        std::iter::from_fn(|| frames.next_chunk()).collect()
    }

    #[test]
    fn the_length_of_a_frame_has_three_forms() {
        for (length, header) in [
            (125, &[0x82, 125][..]),
            (126, &[0x82, 126, 0, 126]),
            (65_535, &[0x82, 126, 0xff, 0xff]),
            (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut frames = Frames::default();
            frames.begin_binary(length);
            assert_eq!(frames.next_chunk().unwrap(), header, "{length}");
        }
    }

    #[test]
    fn frames_share_large_pieces_and_count_every_byte() {
        let large = Bytes::from(vec![7; 70_000]);
        let mut frames = Frames::default();
        frames.ping(b"p");
        frames.binary(&large);
        frames.text(&Bytes::from_static(b"t"));
        frames.close(Close::NORMAL);
        let total = frames.len();
        let chunks: Vec<Bytes> = std::iter::from_fn(|| frames.next_chunk()).collect();
        assert_eq!(chunks.iter().map(Bytes::len).sum::<usize>(), total);
        assert!(frames.is_empty());
        assert!(chunks.iter().any(|chunk| chunk.as_ptr() == large.as_ptr()), "not copied");
        let head = [0x89, 1, b'p', 0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70];
        assert_eq!(chunks[0][..], head);
        assert_eq!(chunks[2][..], [0x81, 1, b't', 0x88, 2, 3, 0xe8]);
    }

    /// A text frame as RFC 6455 has it.
    fn plain(text: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x81];
        match text.len() {
            len @ 0..126 => frame.push(len as u8),
            len @ 126..65_536 => {
                frame.push(126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        frame.extend(text);
        frame
    }

    #[test]
    fn a_text_frame_of_any_length_is_patched_in_its_place() {
        for len in [0, 1, 124, 125, 126, 127, 65_535, 65_536, 65_537, 300_000] {
            let (mut frames, mut writer) = (Frames::default(), Writer::default());
            let text: String = (0..len).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
            let mut expected = Vec::new();
            for text in ["before", &text, "after"] {
                writer.begin(&mut frames);
                writer.put(text);
                writer.end(&mut frames);
                frames.ping(b"!");
                expected.extend(plain(text.as_bytes()));
                expected.extend([0x89, 1, b'!']);
                assert_eq!(frames.len(), expected.len());
            }
            assert!(drain(&mut frames).concat() == expected, "{len}");
            assert!(frames.is_empty());
        }
    }

    #[test]
    fn shared_pieces_stand_where_they_were_written_whatever_header_comes_before() {
        for large in [SHARE_FROM, 65_000, 65_536, 200_000] {
            let large = Bytes::from(vec![b'7'; large]);
            let (mut frames, mut writer) = (Frames::default(), Writer::default());
            let mut expected = Vec::new();
            for (before, after) in [("", ""), ("a", ""), ("", "b"), ("a", "b")] {
                writer.begin(&mut frames);
                writer.put(before);
                writer.json(&large);
                writer.json(&large);
                writer.put(after);
                writer.end(&mut frames);
                let text = [before.as_bytes(), &large[..], &large[..], after.as_bytes()].concat();
                expected.extend(plain(&text));
            }
            let chunks = drain(&mut frames);
            assert!(chunks.concat() == expected, "{}", large.len());
            let shared = chunks.iter().filter(|chunk| chunk.as_ptr() == large.as_ptr());
            assert_eq!(shared.count(), 8, "not copied");
        }
    }

    #[test]
    fn chunks_that_are_kept_hold_little_more_than_their_bytes() {
        let mut frames = Frames::default();
        frames.text(&Bytes::from_static(b"few"));
        let few = frames.next_chunk().unwrap();
        assert_eq!(few[..], plain(b"few"));
        assert_eq!(Vec::from(few).capacity(), 5);
        assert_eq!(frames.tail.capacity(), 0, "at rest");
        let many = vec![b'm'; 1000];
        (0..60).for_each(|_| frames.text(&Bytes::copy_from_slice(&many)));
        let place = frames.tail.as_ptr();
        let chunk = frames.next_chunk().unwrap();
        assert_eq!((chunk.as_ptr(), chunk.len()), (place, 60 * 1004), "not copied");
        Frames::sent(chunk);
        frames.text(&Bytes::from_static(b"more"));
        assert_eq!(frames.tail.as_ptr(), place, "written to again");
    }
}
