//! API keys: `ma-ID-PROJECT-SECRET`, as the published clients read them from `MESHAGENT_API_KEY`.
//!
//! Both ids are UUIDs, written as 16 bytes in URL-safe base64 without padding, with `-` written as `.`.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::key::{KeyError, Secret};

/// Random bytes that [`ApiKey::generate`] takes.
pub const API_KEY_RANDOM_BYTES: usize = 64;

/// An API key. `Debug` prints nothing of its secret; `Display` is the whole key.
#[derive(Clone)]
pub struct ApiKey {
    id: Uuid,
    project: Uuid,
    secret: Secret,
}

impl ApiKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyError::NotAnApiKey`], or what is wrong with its secret.
    pub fn parse(text: &str, allow_short: bool) -> Result<Self, KeyError> {
        let mut parts = text.strip_prefix("ma-").ok_or(KeyError::NotAnApiKey)?.splitn(3, '-');
        let (Some(id), Some(project), Some(secret)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(KeyError::NotAnApiKey);
        };
        // The key is one word of a header and of an environment variable.
        if !secret.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(KeyError::NotAnApiKey);
        }
        let secret = Secret::new(secret, allow_short)?;
        Ok(Self { id: read_id(id)?, project: read_id(project)?, secret })
    }

    /// A new key from random bytes: its id, its project and a secret of 32 bytes.
    #[must_use]
    pub fn generate(random: [u8; API_KEY_RANDOM_BYTES]) -> Self {
        let mut random = random.into_iter();
        let id = uuid::Builder::from_random_bytes(take(&mut random)).into_uuid();
        let project = uuid::Builder::from_random_bytes(take(&mut random)).into_uuid();
        Self { id, project, secret: Secret::generate(take(&mut random)) }
    }

    /// The id that tokens signed by it carry as `kid`.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.id.to_string()
    }

    /// The project that it belongs to.
    #[must_use]
    pub fn project(&self) -> String {
        self.project.to_string()
    }

    pub(super) const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Whether `bearer` is this key's text; the time does not say how much of it is right.
    pub(super) fn matches(&self, bearer: &str) -> bool {
        bool::from(self.to_string().as_bytes().ct_eq(bearer.as_bytes()))
    }
}

fn take<const N: usize>(bytes: &mut impl Iterator<Item = u8>) -> [u8; N] {
    std::array::from_fn(|_| bytes.next().unwrap_or_default())
}

fn read_id(text: &str) -> Result<Uuid, KeyError> {
    let bytes =
        URL_SAFE_NO_PAD.decode(text.replace('.', "-")).map_err(|_| KeyError::NotAnApiKey)?;
    Uuid::from_slice(&bytes).map_err(|_| KeyError::NotAnApiKey)
}

fn write_id(id: &Uuid) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes()).replace('-', ".")
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Made from text, so it is text.
        let secret = String::from_utf8_lossy(self.secret.expose());
        write!(f, "ma-{}-{}-{secret}", write_id(&self.id), write_id(&self.project))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, ..)", self.id)
    }
}

impl FromStr for ApiKey {
    type Err = KeyError;

    /// As [`ApiKey::parse`] with no short secrets.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const ID: &str = "0000003e-fbff-bfff-fbff-bffffbffbfff";

    #[test]
    fn a_key_is_read_as_the_published_clients_read_it() {
        // Made by encode_api_key of meshagent-api 0.56.0; `.` and `_` stand in the ids.
        let text = format!("ma-AAAAPvv_v__7_7__._.__w-AAAAAAAAAAAAAAAAAAAAAA-{SECRET}-x-");
        let key = ApiKey::parse(&text, false).unwrap();
        assert_eq!(key.to_string(), text);
        assert_eq!(key.key_id(), ID);
        assert_eq!(key.project(), "00000000-0000-0000-0000-000000000000");
        assert_eq!(key.secret().expose(), format!("{SECRET}-x-").as_bytes());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let id = "AAAAAAAAAAAAAAAAAAAAAA";
        for (text, why) in [
            (String::new(), KeyError::NotAnApiKey),
            (format!("{id}-{id}-{SECRET}"), KeyError::NotAnApiKey),
            (format!("MA-{id}-{id}-{SECRET}"), KeyError::NotAnApiKey),
            (format!("ma-{id}-{SECRET}"), KeyError::NotAnApiKey),
            (format!("ma-{id}A-{id}-{SECRET}"), KeyError::NotAnApiKey),
            (format!("ma-{id}==-{id}-{SECRET}"), KeyError::NotAnApiKey),
            (format!("ma-{id}-AAAAAAAAAAAAAAAAAAAAAB-{SECRET}"), KeyError::NotAnApiKey),
            (format!("ma-{id}-{id}-{SECRET} "), KeyError::NotAnApiKey),
            (format!("ma-{id}-{id}-{SECRET}\n"), KeyError::NotAnApiKey),
            (format!("ma-{id}-{id}-short"), KeyError::Short),
            (format!("ma-{id}-{id}-"), KeyError::Empty),
        ] {
            assert_eq!(text.parse::<ApiKey>().unwrap_err(), why, "{text:?}");
        }
        assert!(ApiKey::parse(&format!("ma-{id}-{id}-short"), true).is_ok());
    }

    #[test]
    fn a_new_key_can_be_read_back_and_shows_no_secret() {
        let mut random = [0; API_KEY_RANDOM_BYTES];
        for (index, byte) in random.iter_mut().enumerate() {
            *byte = u8::try_from(index * 7 % 256).unwrap();
        }
        let key = ApiKey::generate(random);
        let read: ApiKey = key.to_string().parse().unwrap();
        assert_eq!(read.to_string(), key.to_string());
        assert!(read.matches(&key.to_string()));
        assert!(!read.matches(&key.to_string()[..60]));
        let secret = String::from_utf8(key.secret().expose().to_vec()).unwrap();
        assert!(!format!("{key:?}").contains(&secret));
        assert!(!format!("{:?}", key.secret()).contains(&secret));
    }
}
