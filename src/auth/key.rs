//! The keys a server knows: which secret or public key belongs to a token.
//!
//! | id in the token | algorithm in the token | key |
//! |---|---|---|
//! | none | HS256 | the default secret, then the previous one |
//! | of a secret | HS256 | that secret, then its previous one |
//! | of an API key | HS256 | the API key's secret |
//! | of a public key | the key's own, RS256 or ES256 | that public key |
//! | unknown | HS256 | the default secret, then the previous one: clients keep ids of other servers |
//! | any | anything else | none: refused |

use std::{collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};

use super::ApiKey;

/// Fewest bytes of a secret, by RFC 7518: the size of the hash.
pub const SECRET_BYTES_MIN: usize = 32;

/// Longest key id in bytes.
const KEY_ID_BYTES_MAX: usize = 128;

/// Smallest RSA key in bytes of its encoding: 2048 bits.
const RSA_KEY_BYTES_MIN: usize = 256;

/// Why a key cannot be used. Says nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret is empty.
    #[error("the secret is empty")]
    Empty,
    /// The secret is too short to be safe.
    #[error("the secret is shorter than {SECRET_BYTES_MIN} bytes")]
    Short,
    /// A PEM text was given where a secret belongs; whoever knows a public key could sign with it.
    #[error("the secret is a PEM key; a secret is random text")]
    PemAsSecret,
    /// The text is not a public key of the algorithm.
    #[error("the key is not a PEM public key (-----BEGIN PUBLIC KEY-----) of its algorithm")]
    NotAPublicKey,
    /// The RSA key is too small to be safe.
    #[error("the RSA key is smaller than 2048 bits")]
    SmallRsaKey,
    /// The id is not one.
    #[error("a key id has 1 to {KEY_ID_BYTES_MAX} of A-Z a-z 0-9 . _ -")]
    IllegalId,
    /// Two keys have the same id.
    #[error("two keys have the same id")]
    SameId,
    /// The text is not an API key.
    #[error("the API key is not of the form ma-ID-PROJECT-SECRET")]
    NotAnApiKey,
}

/// A shared secret. `Debug` prints nothing of it.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// A secret of at least [`SECRET_BYTES_MIN`] bytes; of at least one if `allow_short`.
    ///
    /// # Errors
    /// [`KeyError::Empty`], [`KeyError::Short`] or [`KeyError::PemAsSecret`].
    pub fn new(text: impl Into<Vec<u8>>, allow_short: bool) -> Result<Self, KeyError> {
        let bytes: Vec<u8> = text.into();
        if bytes.is_empty() {
            return Err(KeyError::Empty);
        }
        if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            return Err(KeyError::PemAsSecret);
        }
        if bytes.len() < SECRET_BYTES_MIN && !allow_short {
            return Err(KeyError::Short);
        }
        Ok(Self(bytes.into_boxed_slice()))
    }

    /// A new secret from random bytes: their URL-safe base64, so that it is text.
    #[must_use]
    pub fn generate(random: [u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(random).into_bytes().into_boxed_slice())
    }

    /// The bytes. Whoever asks must not print them.
    #[must_use]
    pub const fn expose(&self) -> &[u8] {
        &self.0
    }

    fn decoding(&self) -> DecodingKey {
        DecodingKey::from_secret(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A signature algorithm. There are no others here, whatever a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256, by a shared secret.
    Hs256,
    /// RSA with SHA-256, by a public key.
    Rs256,
    /// ECDSA on P-256 with SHA-256, by a public key.
    Es256,
}

/// The algorithms of public keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicAlgorithm {
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    /// The word in a token's header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    pub(super) const fn for_jsonwebtoken(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
        }
    }
}

/// Keys that check a token's signature, in the order to try them.
#[derive(Clone)]
pub(super) struct CheckingKeys {
    pub(super) algorithm: Algorithm,
    pub(super) keys: Vec<DecodingKey>,
    /// The audience its tokens must name; tokens of a key without one must name none.
    pub(super) audience: Option<String>,
    /// `None` for public keys: they cannot sign.
    signing: Option<EncodingKey>,
}

impl CheckingKeys {
    fn of_secret(current: &Secret, previous: Option<&Secret>) -> Self {
        Self {
            algorithm: Algorithm::Hs256,
            keys: std::iter::once(current).chain(previous).map(Secret::decoding).collect(),
            audience: None,
            signing: Some(EncodingKey::from_secret(&current.0)),
        }
    }
}

/// All keys of a server. `Debug` prints their ids only.
#[derive(Clone, Default)]
pub struct KeyRing {
    default: Option<CheckingKeys>,
    by_id: BTreeMap<String, CheckingKeys>,
    api_keys: Vec<ApiKey>,
    require_exp: bool,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("default", &self.default.is_some())
            .field("ids", &self.by_id.keys())
            .field("require_exp", &self.require_exp)
            .finish()
    }
}

impl KeyRing {
    /// A ring with the default secret, which new tokens are signed with, and the one before it.
    #[must_use]
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Self {
        Self { default: Some(CheckingKeys::of_secret(current, previous)), ..Self::default() }
    }

    /// Whether tokens without an expiry are refused. They are not by default.
    pub const fn set_require_exp(&mut self, require: bool) {
        self.require_exp = require;
    }

    pub(super) const fn require_exp(&self) -> bool {
        self.require_exp
    }

    /// Adds a secret with an id of its own.
    ///
    /// # Errors
    /// [`KeyError::IllegalId`], [`KeyError::SameId`].
    pub fn add_secret(
        &mut self,
        id: &str,
        current: &Secret,
        previous: Option<&Secret>,
    ) -> Result<(), KeyError> {
        self.add(id, CheckingKeys::of_secret(current, previous))
    }

    /// Adds a PEM public key. With an `audience`, its tokens must name that audience.
    ///
    /// # Errors
    /// [`KeyError::IllegalId`], [`KeyError::SameId`], [`KeyError::NotAPublicKey`],
    /// [`KeyError::SmallRsaKey`].
    pub fn add_public_key(
        &mut self,
        id: &str,
        algorithm: PublicAlgorithm,
        pem: &[u8],
        audience: Option<String>,
    ) -> Result<(), KeyError> {
        let (algorithm, key) = read_public_key(algorithm, pem)?;
        self.add(id, CheckingKeys { algorithm, keys: vec![key], audience, signing: None })
    }

    /// Adds an API key: its bearer may ask for tokens, and tokens signed with its secret are valid.
    ///
    /// # Errors
    /// [`KeyError::SameId`].
    pub fn add_api_key(&mut self, key: ApiKey) -> Result<(), KeyError> {
        self.add(&key.key_id(), CheckingKeys::of_secret(key.secret(), None))?;
        self.api_keys.push(key);
        Ok(())
    }

    fn add(&mut self, id: &str, keys: CheckingKeys) -> Result<(), KeyError> {
        if !is_key_id(id) {
            return Err(KeyError::IllegalId);
        }
        if self.by_id.contains_key(id) {
            return Err(KeyError::SameId);
        }
        self.by_id.insert(id.to_owned(), keys);
        Ok(())
    }

    /// Whether there is a default secret.
    #[must_use]
    pub const fn has_default(&self) -> bool {
        self.default.is_some()
    }

    /// The API keys, in the order they were added.
    #[must_use]
    pub fn api_keys(&self) -> &[ApiKey] {
        &self.api_keys
    }

    /// The known API key that `bearer` is, compared in constant time.
    #[must_use]
    pub fn api_key(&self, bearer: &str) -> Option<&ApiKey> {
        // Every key is compared, so that the time says nothing of which one is near.
        let mut found = None;
        for key in &self.api_keys {
            if key.matches(bearer) {
                found = Some(key);
            }
        }
        found
    }

    /// The keys that may check a token with this algorithm and key id, by the table above.
    pub(super) fn checking(&self, algorithm: &str, id: Option<&str>) -> Option<&CheckingKeys> {
        let keys = match id.and_then(|id| self.by_id.get(id)) {
            Some(keys) => Some(keys),
            None => self.default.as_ref(),
        };
        keys.filter(|keys| keys.algorithm.name() == algorithm)
    }

    /// The secret that signs new tokens: of that id, or the default one.
    pub(super) fn signing(&self, id: Option<&str>) -> Option<&EncodingKey> {
        match id {
            Some(id) => self.by_id.get(id)?.signing.as_ref(),
            None => self.default.as_ref()?.signing.as_ref(),
        }
    }
}

pub(super) fn is_key_id(id: &str) -> bool {
    (1..=KEY_ID_BYTES_MAX).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn read_public_key(
    algorithm: PublicAlgorithm,
    pem: &[u8],
) -> Result<(Algorithm, DecodingKey), KeyError> {
    // The library would also take a private key or a certificate, and use some part of it.
    let tag = pem.trim_ascii_start();
    let is_public = [&b"-----BEGIN PUBLIC KEY-----"[..], b"-----BEGIN RSA PUBLIC KEY-----"]
        .iter()
        .any(|begin| tag.starts_with(begin));
    if !is_public {
        return Err(KeyError::NotAPublicKey);
    }
    let (algorithm, key) = match algorithm {
        PublicAlgorithm::Rs256 => (Algorithm::Rs256, DecodingKey::from_rsa_pem(pem)),
        PublicAlgorithm::Es256 => (Algorithm::Es256, DecodingKey::from_ec_pem(pem)),
    };
    let key = key.map_err(|_| KeyError::NotAPublicKey)?;
    let bytes = key.try_get_as_bytes().map_err(|_| KeyError::NotAPublicKey)?;
    if algorithm == Algorithm::Rs256 && bytes.len() < RSA_KEY_BYTES_MIN {
        return Err(KeyError::SmallRsaKey);
    }
    // A trial: the library looks at an elliptic curve key only when it checks with it.
    jsonwebtoken::crypto::verify("", b"", &key, algorithm.for_jsonwebtoken())
        .map_err(|_| KeyError::NotAPublicKey)?;
    Ok((algorithm, key))
}

#[cfg(test)]
mod tests;
