//! WebSocket framing (RFC 6455), the parts that the codec beneath us leaves open: a guard against
//! announced sizes, messages put together from fragments, close codes, and [`Frames`] to the peer.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

pub use super::frames::Frames;
use crate::error::ErrorCode;

/// Why a connection ends, as the peer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// RFC 6455 section 7.4.
    pub code: u16,
    /// At most 123 bytes.
    pub reason: Cow<'static, str>,
}

impl Close {
    /// The peer said goodbye; so do we.
    pub const NORMAL: Self = Self::new(1000, "");
    /// The peer broke the framing.
    pub const PROTOCOL: Self = Self::new(1002, "protocol error");
    /// A text message where only binary ones mean something.
    pub const TEXT: Self = Self::new(1003, "only binary messages are understood here");
    /// A binary message where only text means something.
    pub const BINARY: Self = Self::new(1003, "only text messages are understood here");
    /// Text that is not UTF-8.
    pub const NOT_UTF8: Self = Self::new(1007, "text is not UTF-8");
    /// The token has run out; a connection with a new one is welcome.
    pub const TOKEN_EXPIRED: Self = Self::new(4001, "the token has expired");

    /// A code and a reason.
    #[must_use]
    pub const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }
}

impl From<ErrorCode> for Close {
    /// The close code of an error that ends a session.
    fn from(code: ErrorCode) -> Self {
        let number = match code {
            ErrorCode::FrameTooLarge | ErrorCode::MessageTooLarge => 1009,
            ErrorCode::TooManyFragments | ErrorCode::TooManyPings => 1008,
            ErrorCode::ProtocolViolation => 1002,
            ErrorCode::ServerClosing => 1012,
            ErrorCode::SlowConsumer
            | ErrorCode::TooManyConnections
            | ErrorCode::TooManyParticipants
            | ErrorCode::TooManyRooms => 1013,
            _ => 1011,
        };
        Self::new(number, code.meaning())
    }
}

/// Reads only the headers of the frames that pass by.
///
/// The codec compares a frame's length with its limit when the whole frame is in memory; this stops
/// the connection at the header instead. It also counts complete frames, so that the session knows
/// whether more of them are waiting to be decoded.
#[derive(Debug)]
pub struct FrameGuard {
    frame_bytes_max: u64,
    header: [u8; 14],
    have: usize,
    body_left: u64,
    complete: u64,
}

impl FrameGuard {
    /// A guard for one connection.
    #[must_use]
    pub const fn new(frame_bytes_max: u64) -> Self {
        Self { frame_bytes_max, header: [0; 14], have: 0, body_left: 0, complete: 0 }
    }

    /// Frames that have passed whole.
    #[must_use]
    pub const fn complete(&self) -> u64 {
        self.complete
    }

    /// Looks at the next bytes from the peer.
    ///
    /// # Errors
    /// `FrameTooLarge` as soon as a header announces more than the limit.
    pub fn inspect(&mut self, mut chunk: &[u8]) -> Result<(), ErrorCode> {
        loop {
            if self.body_left > 0 {
                let here = self.body_left.min(chunk.len() as u64);
                self.body_left -= here;
                chunk = chunk.get(usize::try_from(here).unwrap_or(usize::MAX)..).unwrap_or(&[]);
                if self.body_left > 0 {
                    return Ok(());
                }
                self.complete += 1;
            }
            let Some((byte, rest)) = chunk.split_first() else { return Ok(()) };
            chunk = rest;
            if let Some(slot) = self.header.get_mut(self.have) {
                *slot = *byte;
            }
            self.have += 1;
            let [_, second, ..] = self.header;
            let extra = match second & 0x7f {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            let masked = if second & 0x80 != 0 { 4 } else { 0 };
            if self.have >= 2 && self.have == 2 + extra + masked {
                self.have = 0;
                self.body_left = self.announced(extra, second);
                if self.body_left > self.frame_bytes_max {
                    return Err(ErrorCode::FrameTooLarge);
                }
                self.complete += u64::from(self.body_left == 0);
            }
        }
    }

    fn announced(&self, extra: usize, second: u8) -> u64 {
        if extra == 0 {
            return u64::from(second & 0x7f);
        }
        let length = self.header.iter().skip(2).take(extra);
        length.fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Known to be UTF-8.
    Text(ByteString),
    /// Anything.
    Binary(Bytes),
}

/// Puts messages together from fragments.
#[derive(Debug)]
pub struct Aggregator {
    message_bytes_max: usize,
    fragments_max: usize,
    is_text: bool,
    fragments: usize,
    buffer: BytesMut,
    /// Bytes of `buffer` that are known to be whole UTF-8 characters.
    checked: usize,
}

impl Aggregator {
    /// An aggregator for one connection.
    #[must_use]
    pub fn new(message_bytes_max: usize, fragments_max: usize) -> Self {
        let buffer = BytesMut::new();
        Self { message_bytes_max, fragments_max, is_text: false, fragments: 0, buffer, checked: 0 }
    }

    /// The first fragment of a message.
    ///
    /// # Errors
    /// How the connection is to be closed.
    pub fn first(&mut self, is_text: bool, fragment: &[u8]) -> Result<(), Close> {
        (self.is_text, self.fragments, self.checked) = (is_text, 0, 0);
        self.buffer.clear();
        self.more(fragment)
    }

    /// A fragment in the middle.
    ///
    /// # Errors
    /// How the connection is to be closed.
    pub fn more(&mut self, fragment: &[u8]) -> Result<(), Close> {
        self.fragments += 1;
        if self.fragments > self.fragments_max {
            return Err(ErrorCode::TooManyFragments.into());
        }
        if self.buffer.len() + fragment.len() > self.message_bytes_max {
            return Err(ErrorCode::MessageTooLarge.into());
        }
        self.buffer.extend_from_slice(fragment);
        if self.is_text {
            self.check_utf8()?;
        }
        Ok(())
    }

    /// The last fragment.
    ///
    /// # Errors
    /// How the connection is to be closed.
    pub fn last(&mut self, fragment: &[u8]) -> Result<Message, Close> {
        self.more(fragment)?;
        let whole = std::mem::take(&mut self.buffer).freeze();
        match self.is_text {
            true => whole.try_into().map(Message::Text).map_err(|_| Close::NOT_UTF8),
            false => Ok(Message::Binary(whole)),
        }
    }

    /// Checks what is new; a character that is cut by a fragment's end is looked at again.
    fn check_utf8(&mut self) -> Result<(), Close> {
        match std::str::from_utf8(self.buffer.get(self.checked..).unwrap_or(&[])) {
            Ok(text) => self.checked += text.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(Close::NOT_UTF8),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(header: &[u8], body: usize) -> Vec<u8> {
        let mut bytes = header.to_vec();
        bytes.extend_from_slice(&[1, 2, 3, 4]);
        bytes.extend(std::iter::repeat_n(0xff, body));
        bytes
    }

    #[test]
    fn the_guard_counts_frames_in_chunks_of_any_size() {
        let mut bytes = masked(&[0x82, 0x80 | 5], 5);
        bytes.extend(masked(&[0x89, 0x80], 0));
        bytes.extend(masked(&[0x82, 0x80 | 126, 1, 0], 256));
        bytes.extend(masked(&[0x82, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0], 65_536));
        for size in [1, 2, 3, 7, 1000, bytes.len()] {
            let mut guard = FrameGuard::new(65_536);
            bytes.chunks(size).for_each(|chunk| guard.inspect(chunk).unwrap());
            assert_eq!(guard.complete(), 4, "chunks of {size}");
        }
    }

    #[test]
    fn the_guard_stops_at_the_header_of_a_frame_past_the_limit() {
        let frame = |len: u64| [&[0x82, 0xff][..], &len.to_be_bytes()[..], &[0; 4]].concat();
        assert_eq!(FrameGuard::new(100_000).inspect(&frame(100_000)), Ok(()));
        for len in [100_001, 8 << 30, u64::MAX] {
            let mut guard = FrameGuard::new(100_000);
            assert_eq!(guard.inspect(&frame(len)), Err(ErrorCode::FrameTooLarge), "{len}");
        }
    }

    #[test]
    fn fragments_become_one_message() {
        let mut aggregator = Aggregator::new(10, 3);
        aggregator.first(true, "aé".as_bytes().split_at(2).0).unwrap();
        aggregator.more("é".as_bytes().split_at(1).1).unwrap();
        assert_eq!(aggregator.last(b""), Ok(Message::Text("aé".into())));
        aggregator.first(false, &[0xff]).unwrap();
        assert_eq!(
            aggregator.last(&[0xfe]),
            Ok(Message::Binary(Bytes::from_static(&[0xff, 0xfe])))
        );
    }

    #[test]
    fn fragments_have_limits_and_text_must_be_utf8() {
        let mut aggregator = Aggregator::new(4, 3);
        let too_big = Close::from(ErrorCode::MessageTooLarge);
        aggregator.first(false, b"1234").unwrap();
        assert_eq!(aggregator.more(b"5"), Err(too_big));
        aggregator.first(false, b"").unwrap();
        aggregator.more(b"").unwrap();
        aggregator.more(b"").unwrap();
        assert_eq!(aggregator.last(b""), Err(Close::from(ErrorCode::TooManyFragments)));
        assert_eq!(aggregator.first(true, &[0xff]), Err(Close::NOT_UTF8), "at once");
        aggregator.first(true, &[0xc3]).unwrap();
        assert_eq!(aggregator.last(b""), Err(Close::NOT_UTF8), "cut at the end");
    }
}
