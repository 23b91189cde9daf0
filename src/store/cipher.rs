//! Encryption at rest: AES-256-GCM over the body of a frame or of a row, bound to where it stands.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use bytes::Bytes;

use super::StoreError;

/// The keys of a store: the first one writes, all of them read. With none, nothing is encrypted.
#[derive(Default)]
pub struct Keys(Vec<Key>);

struct Key {
    id: u32,
    cipher: Aes256Gcm,
}

/// What must be known to read what was encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sealing {
    /// Which key; 0: it is not encrypted.
    pub(super) key: u32,
    pub(super) nonce: [u8; 12],
}

impl Keys {
    /// Keys of 32 bytes.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = [u8; 32]>) -> Self {
        // An id says nothing about its key, and is never 0.
        let id = |key: &[u8; 32]| crc32c::crc32c_append(0x6b65_7921, key).max(1);
        let key = |key: [u8; 32]| Key { id: id(&key), cipher: Aes256Gcm::new(&key.into()) };
        Self(keys.into_iter().map(key).collect())
    }

    /// Whether what is written is encrypted.
    #[must_use]
    pub fn encrypts(&self) -> bool {
        !self.0.is_empty()
    }

    /// Encrypts what stands in `buffer` from `from` on, if there is a key. `place` is where it will stand.
    pub(super) fn seal(
        &self,
        buffer: &mut Vec<u8>,
        from: usize,
        place: &[u8],
    ) -> Result<Sealing, StoreError> {
        let Some(key) = self.0.first() else { return Ok(Sealing::default()) };
        let failed = || StoreError::Failed("encryption failed".into());
        let mut nonce = [0; 12];
        getrandom::fill(&mut nonce).map_err(|_| failed())?;
        let plain = Payload { msg: buffer.get(from..).unwrap_or_default(), aad: place };
        let encrypted = key.cipher.encrypt(&nonce.into(), plain).map_err(|_| failed())?;
        buffer.truncate(from);
        buffer.extend_from_slice(&encrypted);
        Ok(Sealing { key: key.id, nonce })
    }

    /// What was encrypted, or these bytes themselves. `None`: there is no such key, or it did not encrypt them.
    pub(super) fn open(&self, sealing: Sealing, place: &[u8], bytes: Bytes) -> Option<Bytes> {
        if sealing.key == 0 {
            return Some(bytes);
        }
        let key = self.0.iter().find(|key| key.id == sealing.key)?;
        let plain = key.cipher.decrypt(&sealing.nonce.into(), Payload { msg: &bytes, aad: place });
        plain.ok().map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encrypted_is_read_with_its_key_in_its_place_only() {
        let (old, new) = (Keys::new([[1; 32]]), Keys::new([[2; 32], [1; 32]]));
        let mut bytes = b"headsecret".to_vec();
        let sealing = old.seal(&mut bytes, 4, b"here").unwrap();
        assert!(bytes.starts_with(b"head") && !bytes.windows(6).any(|six| six == b"secret"));
        let sealed = Bytes::from(bytes).split_off(4);
        assert_eq!(new.open(sealing, b"here", sealed.clone()).unwrap(), &b"secret"[..]);
        assert_eq!(new.open(sealing, b"there", sealed.clone()), None);
        assert_eq!(Keys::new([[2; 32]]).open(sealing, b"here", sealed.clone()), None);
        assert_eq!(Keys::default().open(sealing, b"here", sealed.clone()), None);
        let mut changed = sealed.to_vec();
        changed[0] ^= 1;
        assert_eq!(new.open(sealing, b"here", changed.into()), None);
    }

    #[test]
    fn without_a_key_nothing_is_changed() {
        let mut bytes = b"plain".to_vec();
        let sealing = Keys::default().seal(&mut bytes, 0, b"").unwrap();
        assert_eq!((sealing, &bytes[..]), (Sealing::default(), &b"plain"[..]));
        assert_eq!(Keys::default().open(sealing, b"", bytes.into()).unwrap(), &b"plain"[..]);
    }
}
