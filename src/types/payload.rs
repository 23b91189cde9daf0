//! The body of a message: the sender's exact JSON text, shared and never re-serialised.

use bytes::Bytes;

/// Below this, a body is copied out of the buffer it came in, so that a small message never keeps a
/// large read buffer alive. Above it the buffer holds little else and is shared.
const SHARE_FROM: usize = 16 * 1024;

/// A body. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(Bytes);

impl Payload {
    /// `slice` must lie inside `buffer`; small slices get an allocation of their own.
    #[must_use]
    pub fn from_slice_of(buffer: &Bytes, slice: &str) -> Self {
        if slice.len() < SHARE_FROM {
            Self(Bytes::copy_from_slice(slice.as_bytes()))
        } else {
            Self(buffer.slice_ref(slice.as_bytes()))
        }
    }

    /// The bytes as the sender wrote them.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the body is empty. JSON text never is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<&'static str> for Payload {
    fn from(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_body_leaves_its_buffer_and_a_large_one_shares_it() {
        let buffer = Bytes::from(vec![b'1'; SHARE_FROM * 2]);
        let text = std::str::from_utf8(&buffer).unwrap();
        let small = Payload::from_slice_of(&buffer, &text[..SHARE_FROM - 1]);
        let large = Payload::from_slice_of(&buffer, &text[..SHARE_FROM]);
        assert_ne!(small.bytes().as_ptr(), buffer.as_ptr());
        assert_eq!(large.bytes().as_ptr(), buffer.as_ptr());
    }
}
