//! WebSocket framing (RFC 6455): frames from the peer ([`FrameReader`]) and to it ([`Frames`]), messages, close codes.

use std::borrow::Cow;

use bytes::Bytes;
use bytestring::ByteString;

pub use super::{
    frame_reader::{FrameReader, Received},
    frames::Frames,
};
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

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Known to be UTF-8.
    Text(ByteString),
    /// Anything.
    Binary(Bytes),
}

impl Message {
    /// Fails if it is said to be text and is not UTF-8.
    pub(super) fn new(is_text: bool, bytes: Bytes) -> Result<Self, Close> {
        match is_text {
            true => bytes.try_into().map(Self::Text).map_err(|_| Close::NOT_UTF8),
            false => Ok(Self::Binary(bytes)),
        }
    }
}
