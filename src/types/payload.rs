//! The body of a message: the sender's exact bytes, shared and never re-serialised.

use std::sync::Arc;

use bytes::Bytes;

/// Below this a slice is always copied: sharing would save little.
const SHARE_FROM: usize = 16 * 1024;

/// Keeps `slice`, which must lie inside `buffer`: shared if it is most of the buffer, else copied, so that
/// what is kept never keeps alive much more than itself.
#[must_use]
pub fn keep(buffer: &Bytes, slice: &[u8]) -> Bytes {
    if slice.len() >= SHARE_FROM && slice.len() >= buffer.len() / 8 * 7 {
        buffer.slice_ref(slice)
    } else {
        Bytes::copy_from_slice(slice)
    }
}

/// A body: JSON text, or bytes of another content type. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    bytes: Bytes,
    /// None: JSON.
    content_type: Option<Arc<str>>,
}

impl Payload {
    /// Keeps `slice`, JSON text that must lie inside `buffer`.
    #[must_use]
    pub fn from_slice_of(buffer: &Bytes, slice: &str) -> Self {
        Self::from(keep(buffer, slice.as_bytes()))
    }

    /// Bytes that are not JSON, or not to be looked at.
    #[must_use]
    pub fn binary(bytes: Bytes, content_type: &str) -> Self {
        Self { bytes, content_type: Some(Arc::from(content_type)) }
    }

    /// The bytes as the sender wrote them.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What the bytes are; none is JSON.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the body is empty. JSON text never is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// JSON text.
impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, content_type: None }
    }
}

/// JSON text.
impl From<&'static str> for Payload {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_most_of_a_large_buffer_is_shared() {
        let buffer = Bytes::from(vec![b'1'; SHARE_FROM * 2]);
        let is_shared = |slice: &[u8]| keep(&buffer, slice).as_ptr() == slice.as_ptr();
        assert!(is_shared(&buffer[100..]));
        assert!(!is_shared(&buffer[SHARE_FROM..]), "half a buffer would keep the other half");
        let small = buffer.slice(SHARE_FROM + 1..);
        assert_ne!(keep(&small, &small).as_ptr(), small.as_ptr());
    }
}
