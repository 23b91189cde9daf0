//! JSON text, written piece by piece: what is large is shared, not copied.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use itoa::Integer;
use serde::Serialize;

use super::frames::{Frames, SHARE_FROM};

/// See the module. Members of an object are separated by the writer itself.
#[derive(Debug, Default)]
pub struct Writer {
    text: Vec<u8>,
    /// Where it begins in `text`: before it may stand what was written to the same chunk.
    start: usize,
    /// Each stands in the text before this offset.
    shared: Vec<(usize, Bytes)>,
    shared_len: usize,
}

impl Writer {
    /// Bytes written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.text.len() - self.start + self.shared_len
    }

    /// Whether nothing is written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// JSON text as it is.
    #[inline]
    pub fn put(&mut self, json: &str) {
        self.text.extend_from_slice(json.as_bytes());
    }

    #[inline]
    fn separate(&mut self) {
        let is_first = self.text.last().is_none_or(|last| matches!(last, b'{' | b'['));
        // Behind a shared piece a member never is the first.
        if !is_first || self.shared.last().is_some_and(|(at, _)| *at == self.text.len()) {
            self.text.push(b',');
        }
    }

    /// The next element of an array begins.
    pub fn element(&mut self) {
        self.separate();
    }

    /// The name of the next member of an object. `name` needs no escapes.
    pub fn name(&mut self, name: &str) {
        self.separate();
        self.text.push(b'"');
        self.put(name);
        self.put("\":");
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            return self.plain(text);
        }
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(&mut self.text, text);
    }

    /// A text that needs no escapes.
    #[inline]
    pub fn plain(&mut self, text: impl AsRef<str>) {
        self.text.push(b'"');
        self.put(text.as_ref());
        self.text.push(b'"');
    }

    /// Numbers with dashes between them, in quotes: an id of ours.
    pub fn dashed<const N: usize>(&mut self, parts: [u64; N]) {
        let mut before = b'"';
        for part in parts {
            self.text.push(before);
            match part {
                // Most are of the first group and the first partition.
                0..10 => self.text.push(b'0' | part as u8),
                _ => self.number(part),
            }
            before = b'-';
        }
        self.text.push(b'"');
    }

    /// A number.
    #[inline]
    pub fn number(&mut self, number: impl Integer) {
        self.put(itoa::Buffer::new().format(number));
    }

    /// A number that may not be there.
    pub fn number_or_null(&mut self, number: Option<impl Integer>) {
        match number {
            Some(number) => self.number(number),
            None => self.put("null"),
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, flag: bool) {
        self.put(if flag { "true" } else { "false" });
    }

    /// A JSON value as its sender wrote it.
    pub fn json(&mut self, json: &Bytes) {
        if json.len() < SHARE_FROM {
            return self.text.extend_from_slice(json);
        }
        self.shared_len += json.len();
        self.shared.push((self.text.len(), json.clone()));
    }

    /// Bytes in base64, in quotes.
    pub fn base64(&mut self, bytes: &[u8]) {
        if bytes.len() < SHARE_FROM {
            return self.plain(BASE64_STANDARD.encode(bytes));
        }
        self.text.push(b'"');
        self.json(&BASE64_STANDARD.encode(bytes).into());
        self.text.push(b'"');
    }

    /// Anything else.
    pub fn value(&mut self, value: &impl Serialize) {
        // None of our types fails to be written: no map has keys that are not texts.
        let _ = serde_json::to_writer(&mut self.text, value);
    }

    /// What follows is a text message, written straight into a chunk of `frames`, until [`Self::end`].
    pub fn begin(&mut self, frames: &mut Frames) {
        self.text = frames.begin_text();
        self.start = self.text.len();
    }

    /// The message is whole. Nothing is left in the writer.
    pub fn end(&mut self, frames: &mut Frames) {
        let len = self.len();
        let text = std::mem::take(&mut self.text);
        frames.end_text(text, self.start, &mut self.shared, len);
        self.start = 0;
        if self.shared_len > 0 {
            self.shared_len = 0;
            self.shared = Vec::new();
        }
    }

    /// All of it in one piece.
    #[must_use]
    pub fn finish(self) -> Bytes {
        if self.shared.is_empty() {
            return self.text.into();
        }
        let mut all = BytesMut::with_capacity(self.len());
        let mut from = 0;
        for (at, bytes) in self.shared {
            all.extend_from_slice(self.text.get(from..at).unwrap_or(&[]));
            all.extend_from_slice(&bytes);
            from = at;
        }
        all.extend_from_slice(self.text.get(from..).unwrap_or(&[]));
        all.freeze()
    }
}
