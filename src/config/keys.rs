//! From files and variables to a [`KeyRing`].

use std::path::{Path, PathBuf};

use super::{
    Config,
    load::{ConfigError, Outside, read_text},
};
use crate::{
    auth::{ApiKey, KeyError, KeyRing, PublicAlgorithm, Secret},
    types::nearest,
};

/// What to do about a secret that is missing or too short.
pub(super) const ADVICE: &str = "make one with `openssl rand -base64 48 > secret` and start with \
    `--secret-file secret`, or set ANTEROOM_SECRET; to try things out, start with `--dev`";

/// The keys that were given without an id, before a ring is made of them.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) secret: Option<Secret>,
    pub(super) previous: Option<Secret>,
    pub(super) api_keys: Vec<ApiKey>,
}

/// One `[[keys]]` of the file.
#[derive(Debug)]
pub(super) struct KeyEntry {
    id: String,
    key: EntryKey,
}

#[derive(Debug)]
enum EntryKey {
    Secret { file: PathBuf, previous: Option<PathBuf> },
    Public { algorithm: PublicAlgorithm, file: PathBuf, audience: Option<String> },
}

pub(super) fn read_given(
    outside: &dyn Outside,
    config: &Config,
    secret_file_is_flag: bool,
    allow_short: bool,
) -> Result<Given, ConfigError> {
    // A flag beats the environment. Of two files or variables none is the later one.
    let variable = match outside.env("ANTEROOM_SECRET")? {
        Some(_) if secret_file_is_flag => None,
        Some(_) if outside.env("ANTEROOM_SECRET_FILE")?.is_some() => {
            let both = "ANTEROOM_SECRET and ANTEROOM_SECRET_FILE are both set: set one of them";
            return Err(ConfigError(both.to_owned()));
        }
        variable => variable,
    };
    let secret = match (variable, &config.secret_file) {
        (Some(text), _) => Some(make_secret("ANTEROOM_SECRET", &text, allow_short)?),
        (None, Some(file)) => Some(read_secret(outside, file, allow_short)?),
        (None, None) => None,
    };
    let previous = match (outside.env("ANTEROOM_PREVIOUS_SECRET")?, &config.previous_secret_file) {
        (Some(text), _) => Some(make_secret("ANTEROOM_PREVIOUS_SECRET", &text, allow_short)?),
        (None, Some(file)) => Some(read_secret(outside, file, allow_short)?),
        (None, None) => None,
    };
    let api_keys = match (outside.env("ANTEROOM_API_KEYS")?, &config.api_keys_file) {
        (Some(text), _) => parse_api_keys("ANTEROOM_API_KEYS", text.split(','), allow_short)?,
        (None, Some(file)) => {
            let text = read_text(outside, file)?;
            parse_api_keys(&file.display().to_string(), text.lines(), allow_short)?
        }
        (None, None) => Vec::new(),
    };
    Ok(Given { secret, previous, api_keys })
}

/// Puts all keys on one ring.
pub(super) fn ring(
    outside: &dyn Outside,
    config: &Config,
    given: Given,
    entries: &[KeyEntry],
    allow_short: bool,
) -> Result<KeyRing, ConfigError> {
    let mut keys = match (&given.secret, &given.previous) {
        (Some(current), previous) => KeyRing::new(current, previous.as_ref()),
        (None, Some(_)) => {
            return Err(ConfigError(format!(
                "there is a previous secret but no current one: {ADVICE}"
            )));
        }
        (None, None) => KeyRing::default(),
    };
    keys.set_require_exp(config.require_exp);
    for key in given.api_keys {
        let id = key.key_id();
        keys.add_api_key(key).map_err(|error| ConfigError(format!("API key {id}: {error}")))?;
    }
    for KeyEntry { id, key } in entries {
        match key {
            EntryKey::Secret { file, previous } => {
                let current = read_secret(outside, file, allow_short)?;
                let previous = match previous {
                    Some(file) => Some(read_secret(outside, file, allow_short)?),
                    None => None,
                };
                keys.add_secret(id, &current, previous.as_ref())
            }
            EntryKey::Public { algorithm, file, audience } => {
                let pem = read_text(outside, file)?;
                keys.add_public_key(id, *algorithm, pem.as_bytes(), audience.clone())
                    .map_err(|error| ConfigError::in_file(file, error))?;
                Ok(())
            }
        }
        .map_err(|error| ConfigError(format!("key `{id}`: {error}")))?;
    }
    Ok(keys)
}

fn read_secret(
    outside: &dyn Outside,
    path: &Path,
    allow_short: bool,
) -> Result<Secret, ConfigError> {
    let text = read_text(outside, path)?;
    // Tools that write a line end it.
    let text = text
        .strip_suffix('\n')
        .map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    make_secret(&path.display().to_string(), text, allow_short)
}

pub(super) fn make_secret(
    source: &str,
    text: &str,
    allow_short: bool,
) -> Result<Secret, ConfigError> {
    Secret::new(text, allow_short).map_err(|error| match error {
        KeyError::Empty | KeyError::Short => ConfigError(format!("{source}: {error}: {ADVICE}")),
        error => ConfigError(format!("{source}: {error}")),
    })
}

/// Blank texts are skipped; the error says the place and nothing of the key.
fn parse_api_keys<'a>(
    source: &str,
    texts: impl Iterator<Item = &'a str>,
    allow_short: bool,
) -> Result<Vec<ApiKey>, ConfigError> {
    texts
        .enumerate()
        .map(|(index, text)| (index + 1, text.trim()))
        .filter(|(_, text)| !text.is_empty())
        .map(|(number, text)| {
            ApiKey::parse(text, allow_short)
                .map_err(|error| ConfigError(format!("{source}: API key {number}: {error}")))
        })
        .collect()
}

/// Reads the `[[keys]]` of the file. No key is read yet.
pub(super) fn read_entries(value: &toml::Value) -> Result<Vec<KeyEntry>, String> {
    let wrong = "keys must be a list of tables: [[keys]]";
    let items = value.as_array().ok_or(wrong)?;
    items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let table = item.as_table().ok_or(wrong)?;
            read_entry(table).map_err(|reason| format!("key {}: {reason}", index + 1))
        })
        .collect()
}

fn read_entry(table: &toml::Table) -> Result<KeyEntry, String> {
    const KNOWN: [&str; 6] =
        ["id", "algorithm", "secret_file", "previous_secret_file", "public_key_file", "audience"];
    if let Some(key) = table.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!(
            "unknown key `{key}`; did you mean `{}`?",
            nearest(key, KNOWN.into_iter())
        ));
    }
    let text = |key: &str| match table.get(key) {
        None => Ok(None),
        Some(toml::Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{key} must be a text")),
    };
    let need = |key: &str| text(key)?.ok_or_else(|| format!("{key} is missing"));
    let refuse = |keys: [&str; 2], algorithm: &str| match keys
        .iter()
        .find(|key| table.contains_key(**key))
    {
        Some(key) => Err(format!("{key} does not go with algorithm {algorithm}")),
        None => Ok(()),
    };
    let id = need("id")?;
    let algorithm = need("algorithm")?;
    let public = match algorithm.as_str() {
        "HS256" => None,
        "RS256" => Some(PublicAlgorithm::Rs256),
        "ES256" => Some(PublicAlgorithm::Es256),
        other => return Err(format!("algorithm `{other}` is not HS256, RS256 or ES256")),
    };
    let key = match public {
        None => {
            refuse(["public_key_file", "audience"], &algorithm)?;
            EntryKey::Secret {
                file: need("secret_file")?.into(),
                previous: text("previous_secret_file")?.map(PathBuf::from),
            }
        }
        Some(public) => {
            refuse(["secret_file", "previous_secret_file"], &algorithm)?;
            EntryKey::Public {
                algorithm: public,
                file: need("public_key_file")?.into(),
                audience: text("audience")?,
            }
        }
    };
    Ok(KeyEntry { id, key })
}
