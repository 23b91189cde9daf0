//! Messages that come in fragments.

use bytes::BytesMut;

use super::websocket::{Close, Message};
use crate::{error::ErrorCode, types::Limits};

/// A message of which not all fragments are there, or none.
#[derive(Debug)]
pub(super) struct Fragments {
    message_bytes_max: usize,
    fragments_max: usize,
    /// What has begun is text, or not.
    is_text: Option<bool>,
    count: usize,
    buffer: BytesMut,
    /// Bytes of `buffer` that are known to be whole UTF-8 characters.
    checked: usize,
}

impl Fragments {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            message_bytes_max: limits.message_bytes,
            fragments_max: limits.fragments_per_message,
            is_text: None,
            count: 0,
            buffer: BytesMut::new(),
            checked: 0,
        }
    }

    /// Whether a message has begun.
    pub(super) const fn have_begun(&self) -> bool {
        self.is_text.is_some()
    }

    /// The first fragment of a message.
    pub(super) fn begin(&mut self, is_text: bool, fragment: &[u8]) -> Result<(), Close> {
        (self.is_text, self.count, self.checked) = (Some(is_text), 0, 0);
        self.add(fragment)
    }

    /// A fragment in the middle.
    pub(super) fn add(&mut self, fragment: &[u8]) -> Result<(), Close> {
        self.count += 1;
        if self.count > self.fragments_max {
            return Err(ErrorCode::TooManyFragments.into());
        }
        if self.buffer.len() + fragment.len() > self.message_bytes_max {
            return Err(ErrorCode::MessageTooLarge.into());
        }
        self.buffer.extend_from_slice(fragment);
        if self.is_text == Some(true) {
            self.check_utf8()?;
        }
        Ok(())
    }

    /// The last fragment.
    pub(super) fn end(&mut self, fragment: &[u8]) -> Result<Message, Close> {
        self.add(fragment)?;
        Message::new(self.is_text.take() == Some(true), std::mem::take(&mut self.buffer).freeze())
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
    use bytes::Bytes;

    use super::*;

    fn fragments(message_bytes: usize, fragments_per_message: usize) -> Fragments {
        Fragments::new(&Limits { message_bytes, fragments_per_message, ..Limits::default() })
    }

    #[test]
    fn fragments_become_one_message() {
        let mut fragments = fragments(10, 3);
        assert!(!fragments.have_begun());
        fragments.begin(true, "aé".as_bytes().split_at(2).0).unwrap();
        assert!(fragments.have_begun());
        fragments.add("é".as_bytes().split_at(1).1).unwrap();
        assert_eq!(fragments.end(b""), Ok(Message::Text("aé".into())));
        assert!(!fragments.have_begun());
        fragments.begin(false, &[0xff]).unwrap();
        assert_eq!(fragments.end(&[0xfe]), Ok(Message::Binary(Bytes::from_static(&[0xff, 0xfe]))));
    }

    #[test]
    fn fragments_have_limits_and_text_must_be_utf8() {
        let too_big = Close::from(ErrorCode::MessageTooLarge);
        let mut full = fragments(4, 3);
        full.begin(false, b"1234").unwrap();
        assert_eq!(full.add(b"5"), Err(too_big));
        let mut many = fragments(4, 3);
        many.begin(false, b"").unwrap();
        many.add(b"").unwrap();
        many.add(b"").unwrap();
        assert_eq!(many.end(b""), Err(Close::from(ErrorCode::TooManyFragments)));
        assert_eq!(fragments(4, 3).begin(true, &[0xff]), Err(Close::NOT_UTF8), "at once");
        let mut cut = fragments(4, 3);
        cut.begin(true, &[0xc3]).unwrap();
        assert_eq!(cut.end(b""), Err(Close::NOT_UTF8), "cut at the end");
    }
}
