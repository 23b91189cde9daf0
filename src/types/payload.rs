//! The body of a message: the sender's exact bytes, shared and never re-serialised; here, or away in the store.

use std::sync::Arc;

use bytes::Bytes;

/// Below this a slice is always copied: sharing would save little.
pub const SHARE_FROM: usize = 16 * 1024;

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
///
/// Its bytes may be *away*: not in memory, but in the store, from where they come before anybody reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    content: Content,
    /// None: JSON.
    content_type: Option<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Here(Bytes),
    Away { length: usize, digest: u64 },
}

/// What stands for bytes that are away.
static NOTHING: Bytes = Bytes::new();

impl Payload {
    /// Keeps `slice`, JSON text that must lie inside `buffer`.
    #[must_use]
    pub fn from_slice_of(buffer: &Bytes, slice: &str) -> Self {
        Self::from(keep(buffer, slice.as_bytes()))
    }

    /// Bytes that are not JSON, or not to be looked at.
    #[must_use]
    pub fn binary(bytes: Bytes, content_type: &str) -> Self {
        Self { content: Content::Here(bytes), content_type: Some(Arc::from(content_type)) }
    }

    /// A body of this length whose bytes are away. The digest is [`Self::digest`], or 0 if nobody will ask for it.
    #[must_use]
    pub const fn away(length: usize, digest: u64, content_type: Option<Arc<str>>) -> Self {
        Self { content: Content::Away { length, digest }, content_type }
    }

    /// The same body with its bytes here, which must be its bytes.
    #[must_use]
    pub fn with(&self, bytes: Bytes) -> Self {
        Self { content: Content::Here(bytes), content_type: self.content_type.clone() }
    }

    /// The bytes as the sender wrote them. They must be here.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        debug_assert!(!self.is_away(), "a body that is away is read");
        self.here().unwrap_or(&NOTHING)
    }

    /// The bytes, if they are here.
    #[must_use]
    pub const fn here(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Here(bytes) => Some(bytes),
            Content::Away { .. } => None,
        }
    }

    /// Whether the bytes are away.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        self.here().is_none()
    }

    /// What the bytes are; none is JSON.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The same, shared.
    #[must_use]
    pub const fn shared_type(&self) -> Option<&Arc<str>> {
        self.content_type.as_ref()
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        match &self.content {
            Content::Here(bytes) => bytes.len(),
            Content::Away { length, .. } => *length,
        }
    }

    /// Whether the body is empty. JSON text never is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A number that differs if the bytes do (FNV-1a).
    #[must_use]
    pub fn digest(&self) -> u64 {
        match &self.content {
            Content::Here(bytes) => digest(0xcbf2_9ce4_8422_2325, bytes),
            Content::Away { digest, .. } => *digest,
        }
    }
}

/// Goes on with a digest (FNV-1a).
#[must_use]
pub fn digest(so_far: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(so_far, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// JSON text.
impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self { content: Content::Here(bytes), content_type: None }
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

    #[test]
    fn a_body_that_is_away_keeps_its_length_its_type_and_its_digest() {
        let body = Payload::binary(Bytes::from_static(b"abc"), "text/plain");
        let away = Payload::away(body.len(), body.digest(), body.shared_type().cloned());
        assert!(away.is_away() && !body.is_away());
        assert_eq!((away.len(), away.digest()), (3, body.digest()));
        assert_eq!(away.content_type(), Some("text/plain"));
        assert_eq!(away.with(Bytes::from_static(b"abc")), body);
        assert_eq!(size_of::<Payload>(), 48, "it costs no memory");
    }
}
