//! The keys that encrypt what is stored.

use std::fmt;

use super::{
    Config,
    load::{ConfigError, Outside, read_text},
};

/// Keys of 32 bytes, the newest first.
#[derive(Default)]
pub struct EncryptionKeys(pub Vec<[u8; 32]>);

impl fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} encryption keys", self.0.len())
    }
}

pub(super) fn read_keys(
    outside: &dyn Outside,
    config: &Config,
) -> Result<EncryptionKeys, ConfigError> {
    let (source, text) =
        match (outside.env("ANTEROOM_ENCRYPTION_KEYS")?, &config.encryption_keys_file) {
            (Some(text), _) => ("ANTEROOM_ENCRYPTION_KEYS".to_owned(), text),
            (None, Some(file)) => (file.display().to_string(), read_text(outside, file)?),
            (None, None) => return Ok(EncryptionKeys::default()),
        };
    let keys = text.split([',', '\n']).map(str::trim).filter(|line| !line.is_empty());
    let keys = keys.map(read_key).collect::<Option<Vec<_>>>().filter(|keys| !keys.is_empty());
    keys.map(EncryptionKeys).ok_or_else(|| {
        ConfigError(format!(
            "{source}: a key is 64 hexadecimal digits on a line of its own: make one with `openssl rand -hex 32`"
        ))
    })
}

fn read_key(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; 32];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(key)
}
