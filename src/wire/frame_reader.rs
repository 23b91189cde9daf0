//! Frames from the peer: bytes in pieces of any size come in, whole messages go out.
//!
//! What was just read lies in memory that all connections of a worker share, so that it is warm. Frames that are whole are
//! understood there; only what is left of it, mostly the beginning of one frame, is moved to memory of the connection's own.
//! A frame that is large is gathered in memory of its own size, and its message stays where it is.

use bytes::{Buf, Bytes, BytesMut};

use super::{
    fragments::Fragments,
    websocket::{Close, Message},
};
use crate::{
    error::ErrorCode,
    types::{Limits, SHARE_FROM},
};

/// The longest payload of a frame that is not a part of a message (RFC 6455 section 5.5).
const CONTROL_MAX: usize = 125;

/// So much room is made at once for a large frame that has begun, whatever length it announces. More than that only when
/// a quarter of it has come.
const ROOM: usize = 64 * 1024;

/// What a peer has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A whole message.
    Message(Message),
    /// It wants a pong.
    Ping(Bytes),
    /// Its answer to a ping.
    Pong(Bytes),
    /// It goes, with this code.
    Close(u16),
}

/// See the module.
#[derive(Debug)]
pub struct FrameReader {
    frame_bytes_max: usize,
    fragments: Fragments,
    /// What was read and not yet understood.
    kept: BytesMut,
}

impl FrameReader {
    /// A reader for one connection.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let (frame_bytes_max, fragments) = (limits.frame_bytes, Fragments::new(limits));
        Self { frame_bytes_max, fragments, kept: BytesMut::new() }
    }

    /// The next thing the peer has said, of what is kept and then of what is `fresh`; nothing if there is none that is whole.
    ///
    /// # Errors
    /// How the connection is to be closed. Nothing may be read after it.
    pub fn next(&mut self, fresh: &mut BytesMut) -> Result<Option<Received>, Close> {
        let whole = |message| Some(Received::Message(message));
        while let Some((header, mut payload)) = self.next_frame(fresh)? {
            unmask(&mut payload, header.mask);
            match (header.kind, self.fragments.have_begun()) {
                (Kind::Begin { is_text }, false) if header.is_final => {
                    return Message::new(is_text, payload.freeze()).map(whole);
                }
                (Kind::Begin { is_text }, false) => self.fragments.begin(is_text, &payload)?,
                (Kind::Continue, true) if header.is_final => {
                    return self.fragments.end(&payload).map(whole);
                }
                (Kind::Continue, true) => self.fragments.add(&payload)?,
                (Kind::Begin { .. }, true) | (Kind::Continue, false) => {
                    return Err(Close::PROTOCOL);
                }
                (Kind::Ping, _) => return Ok(Some(Received::Ping(payload.freeze()))),
                (Kind::Pong, _) => return Ok(Some(Received::Pong(payload.freeze()))),
                (Kind::Close, _) => return close_code(&payload).map(Received::Close).map(Some),
            }
        }
        Ok(None)
    }

    /// Keeps what is left of what was read.
    pub fn keep(&mut self, fresh: BytesMut) {
        self.kept.extend_from_slice(&fresh);
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Where the rest of a large frame that has begun is best read to, and at most how much of it.
    pub fn room(&mut self) -> Option<(&mut BytesMut, usize)> {
        let Ok(Some(header)) = Header::read(&self.kept, self.frame_bytes_max) else { return None };
        let length = header.start + header.length;
        let have = self.kept.len();
        if length < have + SHARE_FROM {
            return None;
        }
        if self.kept.capacity() == have || self.kept.capacity() < length.min(ROOM) {
            let mut larger = BytesMut::with_capacity(length.min(ROOM.max(have * 4)));
            larger.extend_from_slice(&self.kept);
            self.kept = larger;
        }
        let room = length.min(self.kept.capacity()) - have;
        Some((&mut self.kept, room))
    }

    fn next_frame(&mut self, fresh: &mut BytesMut) -> Result<Option<(Header, BytesMut)>, Close> {
        loop {
            let is_kept = !self.kept.is_empty();
            let bytes = if is_kept { &self.kept } else { &*fresh };
            let have = bytes.len();
            let header = Header::read(bytes, self.frame_bytes_max)?;
            let length = header.map_or(have + 1, |header| header.start + header.length);
            match header {
                Some(header) if have == length && is_kept => {
                    let mut payload = std::mem::take(&mut self.kept);
                    payload.advance(header.start);
                    return Ok(Some((header, payload)));
                }
                Some(header) if have >= length => {
                    let bytes = if is_kept { &mut self.kept } else { fresh };
                    bytes.advance(header.start);
                    let payload = bytes.split_to(header.length);
                    let is_large = header.length >= SHARE_FROM;
                    return Ok(Some((header, if is_large { (*payload).into() } else { payload })));
                }
                _ if !is_kept || fresh.is_empty() => return Ok(None),
                _ => {
                    let lacks = fresh.split_to((length - have).min(fresh.len()));
                    self.kept.extend_from_slice(&lacks);
                }
            }
        }
    }
}

/// What is said before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    is_final: bool,
    kind: Kind,
    mask: [u8; 4],
    /// Where the payload begins.
    start: usize,
    /// Of the payload.
    length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Begin { is_text: bool },
    Continue,
    Close,
    Ping,
    Pong,
}

impl Kind {
    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

impl Header {
    /// Nothing if it is not all there.
    fn read(bytes: &[u8], frame_bytes_max: usize) -> Result<Option<Self>, Close> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let is_final = first & 0x80 != 0;
        let kind = match first & 0x7f {
            0 => Kind::Continue,
            1 => Kind::Begin { is_text: true },
            2 => Kind::Begin { is_text: false },
            8 => Kind::Close,
            9 => Kind::Ping,
            10 => Kind::Pong,
            _ => return Err(Close::PROTOCOL), // Reserved, or of an extension that was not agreed on.
        };
        let has_mask = second & 0x80 != 0;
        let (length, rest) = match second & 0x7f {
            126 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            length => (u64::from(length), rest),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !has_mask || (kind.is_control() && (!is_final || length > CONTROL_MAX)) {
            return Err(Close::PROTOCOL);
        }
        if length > frame_bytes_max {
            return Err(ErrorCode::FrameTooLarge.into());
        }
        let Some((mask, payload)) = rest.split_first_chunk() else { return Ok(None) };
        let start = bytes.len() - payload.len();
        Ok(Some(Self { is_final, kind, mask: *mask, start, length }))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut();
    words.iter_mut().for_each(|word| *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes());
    rest.iter_mut().zip(wide.to_ne_bytes()).for_each(|(byte, mask)| *byte ^= mask);
}

/// RFC 6455 sections 5.5.1 and 7.4; IANA has added 1012 to 1014.
fn close_code(payload: &[u8]) -> Result<u16, Close> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(Close::NORMAL.code) } else { Err(Close::PROTOCOL) };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Close::PROTOCOL);
    }
    std::str::from_utf8(reason).map(|_| code).map_err(|_| Close::NOT_UTF8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ ..126 => frame.push(0x80 | short as u8),
            middle @ ..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend((middle as u16).to_be_bytes());
            }
            long => {
                frame.push(0x80 | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    fn reader(frame_bytes: usize) -> FrameReader {
        FrameReader::new(&Limits { frame_bytes, message_bytes: 1 << 20, ..Limits::default() })
    }

    /// Reads like a connection: pieces that end anywhere, the rest of a large frame into its room.
    fn read_in(
        reader: &mut FrameReader,
        bytes: &[u8],
        sizes: &[usize],
    ) -> Result<Vec<Received>, Close> {
        let (mut all, mut rest, mut sizes) = (Vec::new(), bytes, sizes.iter().cycle());
        while !rest.is_empty() {
            let size = (*sizes.next().unwrap()).min(rest.len());
            let mut fresh = BytesMut::new();
            match reader.room() {
                Some((kept, room)) => {
                    let capacity = kept.capacity();
                    let (now, later) = rest.split_at(size.min(room));
                    kept.extend_from_slice(now);
                    assert_eq!(kept.capacity(), capacity, "there is room for it");
                    rest = later;
                }
                None => {
                    fresh.extend_from_slice(&rest[..size]);
                    rest = &rest[size..];
                }
            }
            while let Some(received) = reader.next(&mut fresh)? {
                all.push(received);
            }
            reader.keep(fresh);
        }
        assert_eq!(reader.kept(), 0);
        Ok(all)
    }

    fn text(text: &str) -> Received {
        Received::Message(Message::Text(text.into()))
    }

    fn binary(bytes: &[u8]) -> Received {
        Received::Message(Message::Binary(Bytes::copy_from_slice(bytes)))
    }

    #[test]
    fn frames_are_whole_however_they_are_cut() {
        let (middle, long) = (vec![7; 300], (0..400_000).map(|n| n as u8).collect::<Vec<_>>());
        let bytes = [
            frame(0x81, "aé".as_bytes()),
            frame(0x82, b""),
            frame(0x01, b"in "),
            frame(0x89, b"?"),
            frame(0x00, b"three "),
            frame(0x80, b"parts"),
            frame(0x82, &middle),
            frame(0x82, &long),
            frame(0x8a, b"!"),
            frame(0x88, &[0x0f, 0xa0, b'x']),
        ]
        .concat();
        let expected = [
            text("aé"),
            binary(b""),
            Received::Ping(Bytes::from_static(b"?")),
            text("in three parts"),
            binary(&middle),
            binary(&long),
            Received::Pong(Bytes::from_static(b"!")),
            Received::Close(4000),
        ];
        for sizes in
            [&[1][..], &[2], &[3], &[7, 1], &[1000], &[65_536], &[bytes.len()], &[40, 1 << 20]]
        {
            assert_eq!(
                read_in(&mut reader(1 << 20), &bytes, sizes).unwrap(),
                expected,
                "{sizes:?}"
            );
        }
    }

    #[test]
    fn a_frame_past_the_limit_ends_it_before_it_is_there() {
        let header = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &MASK].concat();
        let mut at_the_limit = reader(100_000);
        assert_eq!(at_the_limit.next(&mut (*header(100_000)).into()), Ok(None));
        for length in [100_001, 8 << 30, u64::MAX] {
            let ended = reader(100_000).next(&mut (*header(length)).into());
            assert_eq!(ended, Err(ErrorCode::FrameTooLarge.into()), "{length}");
        }
    }

    #[test]
    fn room_is_made_for_what_comes_and_not_for_what_is_announced() {
        let mut reader = reader(1 << 30);
        let whole = frame(0x82, &vec![1; 1 << 24]);
        reader.keep(whole[..1000].into());
        let (kept, room) = reader.room().unwrap();
        assert_eq!((kept.capacity(), room), (ROOM, ROOM - 1000));
        kept.extend_from_slice(&whole[1000..ROOM]);
        assert_eq!(reader.room().unwrap().1, 3 * ROOM);
        let mut small = self::reader(1 << 30);
        small.keep(frame(0x82, &[0; 20_000])[..9_000].into());
        assert!(small.room().is_none(), "what is small is gathered in passing");
    }

    #[test]
    fn what_breaks_the_protocol_ends_it() {
        let protocol = Err(Close::PROTOCOL);
        for (bytes, ending) in [
            (vec![0x81, 0x01, b'a'], protocol.clone()), // not masked
            (frame(0xc1, b"a"), protocol.clone()),      // an extension
            (frame(0x83, b"a"), protocol.clone()),      // reserved
            (frame(0x8b, b""), protocol.clone()),       // reserved
            (frame(0x09, b""), protocol.clone()),       // a ping in fragments
            (frame(0x89, &[0; 126]), protocol.clone()), // a long ping
            (frame(0x80, b"a"), protocol.clone()),      // the end of nothing
            ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), protocol.clone()),
            (frame(0x88, &[3]), protocol.clone()), // half a code
            (frame(0x88, &[0x03, 0xed]), protocol.clone()), // 1005
            (frame(0x88, &[0x27, 0x10]), protocol), // 10000
            (frame(0x88, &[0x03, 0xe8, 0xff]), Err(Close::NOT_UTF8)),
            (frame(0x81, &[0xff]), Err(Close::NOT_UTF8)),
            (frame(0x88, &[]), Ok(vec![Received::Close(1000)])),
            (frame(0x89, &[0; 125]), Ok(vec![Received::Ping(Bytes::from_static(&[0; 125]))])),
        ] {
            assert_eq!(read_in(&mut reader(1000), &bytes, &[bytes.len()]), ending, "{bytes:?}");
        }
    }

    #[test]
    fn a_small_message_shares_what_was_read_and_a_large_one_has_its_own() {
        for (length, is_shared) in [(SHARE_FROM - 1, true), (SHARE_FROM, false)] {
            let mut fresh = BytesMut::from(&frame(0x82, &vec![1; length])[..]);
            let memory = fresh.as_ptr_range();
            let Ok(Some(Received::Message(Message::Binary(bytes)))) =
                reader(1 << 20).next(&mut fresh)
            else {
                panic!("a message")
            };
            assert_eq!(memory.contains(&bytes.as_ptr()), is_shared);
        }
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_nothing_breaks(bytes in proptest::collection::vec(any::<u8>(), 0..400), size in 1_usize..50) {
            let mut reader = reader(100);
            for piece in bytes.chunks(size) {
                let mut fresh = BytesMut::from(piece);
                loop {
                    match reader.next(&mut fresh) {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => return Ok(()),
                    }
                }
                reader.keep(fresh);
                prop_assert!(reader.kept() < 130);
            }
        }
    }
}
