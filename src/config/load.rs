//! From all sources to one [`Config`] and one [`KeyRing`]. The only reader of environment and files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    Config, KeyArgs, Layer, ServeArgs, dev,
    encryption::{self, EncryptionKeys},
    keys::{self, KeyEntry},
    settings::Raw,
};
use crate::{
    auth::{ApiKey, KeyRing},
    types::{Limits, nearest, parse_quantity},
};

/// Why the settings cannot be used: one sentence that says what to do. Holds nothing of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub(super) String);

impl ConfigError {
    pub(super) fn in_file(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self(format!("{}: {reason}", path.display()))
    }
}

/// All that `anteroom serve` needs to start.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The keys that check and sign tokens.
    pub keys: KeyRing,
    /// The keys that encrypt what is stored, the newest first.
    pub encryption: EncryptionKeys,
    /// With `dev`, an API key to show.
    pub dev_api_key: Option<ApiKey>,
}

/// Loads the settings and keys of a server.
///
/// # Errors
/// [`ConfigError`].
pub fn load(args: ServeArgs) -> Result<Loaded, ConfigError> {
    load_from(&Machine, args)
}

/// Loads the keys for a command that signs or checks tokens: those that a server with the same sources
/// would use, or those that a server with `--dev` left in the data directory. `None` if there are none.
///
/// # Errors
/// [`ConfigError`].
pub fn load_keys(args: &KeyArgs) -> Result<Option<KeyRing>, ConfigError> {
    load_keys_from(&Machine, args)
}

/// The directory and the encryption keys of a server's store, for a command that looks after it.
///
/// # Errors
/// [`ConfigError`].
pub fn load_store(
    file: Option<PathBuf>,
    data: Option<PathBuf>,
) -> Result<(PathBuf, EncryptionKeys), ConfigError> {
    let (config, _) = merge(&Machine, file, Layer { data, ..Layer::default() })?;
    let keys = encryption::read_keys(&Machine, &config)?;
    Ok((config.data, keys))
}

/// Reads a text file for a command, such as one with a token.
///
/// # Errors
/// [`ConfigError`], which names the file.
pub fn read_file_text(path: &Path) -> Result<String, ConfigError> {
    read_text(&Machine, path)
}

pub(super) fn load_from(outside: &dyn Outside, args: ServeArgs) -> Result<Loaded, ConfigError> {
    let secret_file_is_flag = args.keys.secret_file.is_some();
    let (config, entries) = merge(outside, args.keys.config.clone(), args.layer())?;
    config.check().map_err(ConfigError)?;
    let mut given = keys::read_given(outside, &config, secret_file_is_flag, config.dev)?;
    let dev_api_key =
        if config.dev { Some(dev::complete(outside, &config, &mut given)?) } else { None };
    if given.secret.is_none() && given.api_keys.is_empty() && entries.is_empty() {
        return Err(ConfigError(format!(
            "there is no secret to check tokens with: {}",
            keys::ADVICE
        )));
    }
    let keys = keys::ring(outside, &config, given, &entries, config.dev)?;
    let encryption = encryption::read_keys(outside, &config)?;
    Ok(Loaded { config, keys, encryption, dev_api_key })
}

pub(super) fn load_keys_from(
    outside: &dyn Outside,
    args: &KeyArgs,
) -> Result<Option<KeyRing>, ConfigError> {
    let secret_file_is_flag = args.secret_file.is_some();
    let (config, entries) = merge(outside, args.config.clone(), args.layer())?;
    // Whether a short secret will do is for the server to say.
    let mut given = keys::read_given(outside, &config, secret_file_is_flag, true)?;
    // Given keys are meant for another server than the one that may have left its keys here.
    if given.secret.is_none() && given.api_keys.is_empty() {
        dev::add_kept(outside, &config, &mut given)?;
    }
    if given.secret.is_none() && given.api_keys.is_empty() && entries.is_empty() {
        return Ok(None);
    }
    keys::ring(outside, &config, given, &entries, true).map(Some)
}

/// Default < file < environment < flag.
fn merge(
    outside: &dyn Outside,
    file: Option<PathBuf>,
    flags: Layer,
) -> Result<(Config, Vec<KeyEntry>), ConfigError> {
    let file = match file {
        Some(file) => Some(file),
        None => outside.env("ANTEROOM_CONFIG")?.map(PathBuf::from),
    };
    let mut config = Config::default();
    let mut entries = Vec::new();
    if let Some(path) = file {
        let (layer, found) = read_file(outside, &path)?;
        config.apply(layer).map_err(|reason| ConfigError::in_file(&path, reason))?;
        entries = found;
    }
    config.apply(read_environment(outside)?).map_err(ConfigError)?;
    config.apply(flags).map_err(ConfigError)?;
    Ok((config, entries))
}

fn read_environment(outside: &dyn Outside) -> Result<Layer, ConfigError> {
    let mut layer = Layer::default();
    for setting in Config::TABLE {
        let name = format!("ANTEROOM_{}", setting.name.to_ascii_uppercase());
        if let Some(text) = outside.env(&name)?
            && let Some(Err(reason)) = layer.set(setting.name, Raw::Text(&text))
        {
            return Err(ConfigError(format!("{name}: {reason}")));
        }
    }
    for limit in Limits::TABLE {
        let name = format!("ANTEROOM_LIMIT_{}", limit.name.to_ascii_uppercase());
        if let Some(text) = outside.env(&name)? {
            let value = parse_quantity(&text)
                .and_then(|value| Limits::default().set(limit.name, value).map(|()| value))
                .map_err(|reason| ConfigError(format!("{name}: {reason}")))?;
            layer.limits.push((limit.name.to_owned(), value));
        }
    }
    Ok(layer)
}

fn read_file(outside: &dyn Outside, path: &Path) -> Result<(Layer, Vec<KeyEntry>), ConfigError> {
    let text = read_text(outside, path)?;
    let table = parse_toml(path, &text)?;
    let mut layer = Layer::default();
    let mut entries = Vec::new();
    for (key, value) in &table {
        let result = match key.as_str() {
            "limits" => read_limits(value).map(|limits| layer.limits = limits),
            "keys" => keys::read_entries(value).map(|found| entries = found),
            _ => match layer.set(key, Raw::Toml(value)) {
                Some(result) => result.map_err(|reason| format!("{key}: {reason}")),
                None => Err(unknown_key(key)),
            },
        };
        result.map_err(|reason| ConfigError::in_file(path, reason))?;
    }
    Ok((layer, entries))
}

fn unknown_key(key: &str) -> String {
    let settings = Config::TABLE.iter().map(|setting| setting.name);
    let known = settings.chain(["limits", "keys"]);
    format!("unknown key `{key}`; did you mean `{}`?", nearest(key, known))
}

fn read_limits(value: &toml::Value) -> Result<Vec<(String, u64)>, String> {
    let table = value.as_table().ok_or("limits must be a table: [limits]")?;
    let mut limits = Vec::with_capacity(table.len());
    for (name, value) in table {
        let quantity = match value {
            toml::Value::Integer(number) => {
                u64::try_from(*number).map_err(|_| "must not be negative".to_owned())
            }
            toml::Value::String(text) => parse_quantity(text),
            _ => Err("must be a whole number or a quantity like \"64KiB\"".to_owned()),
        };
        let quantity = quantity.map_err(|reason| format!("limits.{name}: {reason}"))?;
        limits.push((name.clone(), quantity));
    }
    Ok(limits)
}

/// The error says the line and what is wrong, but does not show what stands there: it may be a secret.
pub(super) fn parse_toml(path: &Path, text: &str) -> Result<toml::Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ConfigError::in_file(path, format!("line {line}: {}", error.message()))
    })
}

/// A text file, or a sentence that names it.
pub(super) fn read_text(outside: &dyn Outside, path: &Path) -> Result<String, ConfigError> {
    let bytes = outside
        .read(path)
        .map_err(|error| ConfigError(format!("cannot read {}: {error}", path.display())))?;
    String::from_utf8(bytes).map_err(|_| ConfigError::in_file(path, "is not UTF-8 text"))
}

/// What is outside of the process. Tests have another one.
pub(super) trait Outside {
    /// A variable of the environment; an empty one counts as none, as container tools write it so.
    fn env(&self, name: &str) -> Result<Option<String>, ConfigError>;

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    /// Writes a file that only its owner can read, and its directory if that is missing.
    fn write_private(&self, path: &Path, text: &str) -> io::Result<()> {
        write_private(path, text)
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), ConfigError> {
        getrandom::fill(bytes)
            .map_err(|error| ConfigError(format!("the system has no random numbers: {error}")))
    }
}

struct Machine;

impl Outside for Machine {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    fn env(&self, name: &str) -> Result<Option<String>, ConfigError> {
        match std::env::var(name) {
            Ok(text) if text.is_empty() => Ok(None),
            Ok(text) => Ok(Some(text)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(ConfigError(format!("{name} is not UTF-8 text")))
            }
        }
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::DirBuilderExt, os::unix::fs::OpenOptionsExt};
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    // A file of another name first, so that there is never half a file, nor a readable one.
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // The new name is on disk when its directory is.
    match path.parent() {
        Some(directory) => fs::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
