//! What `--dev` makes when it is missing: a secret and an API key, kept in `DATA/dev.toml` so that tokens
//! survive a restart. With `--memory` nothing is kept.

use std::path::{Path, PathBuf};

use super::{
    Config,
    keys::{Given, make_secret},
    load::{ConfigError, Outside, parse_toml, read_text},
};
use crate::auth::{API_KEY_RANDOM_BYTES, ApiKey, Secret};

/// What the file holds.
#[derive(Default)]
struct Kept {
    secret: Option<Secret>,
    api_key: Option<ApiKey>,
}

/// Adds what is missing and returns the API key to show.
pub(super) fn complete(
    outside: &dyn Outside,
    config: &Config,
    given: &mut Given,
) -> Result<ApiKey, ConfigError> {
    let path = path(config);
    let mut kept = if config.memory { Kept::default() } else { read(outside, &path)? };
    let mut is_new = false;
    if given.secret.is_none() {
        if kept.secret.is_none() {
            let mut random = [0; 32];
            outside.random(&mut random)?;
            kept.secret = Some(Secret::generate(random));
            is_new = true;
        }
        given.secret.clone_from(&kept.secret);
    }
    if given.api_keys.is_empty() && kept.api_key.is_none() {
        let mut random = [0; API_KEY_RANDOM_BYTES];
        outside.random(&mut random)?;
        kept.api_key = Some(ApiKey::generate(random));
        is_new = true;
    }
    if is_new && !config.memory {
        write(outside, &path, &kept)?;
    }
    if given.api_keys.is_empty() {
        given.api_keys.extend(kept.api_key);
    }
    let shown = given.api_keys.first().cloned();
    shown.ok_or_else(|| ConfigError("no API key could be made".to_owned()))
}

/// Adds what an earlier server with `--dev` kept, if there is anything.
pub(super) fn add_kept(
    outside: &dyn Outside,
    config: &Config,
    given: &mut Given,
) -> Result<(), ConfigError> {
    let kept = read(outside, &path(config))?;
    given.secret = kept.secret;
    given.api_keys.extend(kept.api_key);
    Ok(())
}

fn path(config: &Config) -> PathBuf {
    config.data.join("dev.toml")
}

fn read(outside: &dyn Outside, path: &Path) -> Result<Kept, ConfigError> {
    let missing =
        outside.read(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    if missing {
        return Ok(Kept::default());
    }
    let table = parse_toml(path, &read_text(outside, path)?)?;
    let mut kept = Kept::default();
    for (key, value) in &table {
        let text = value.as_str().unwrap_or_default();
        match key.as_str() {
            "secret" => kept.secret = Some(make_secret(&path.display().to_string(), text, true)?),
            "api_key" => {
                let key = ApiKey::parse(text, true);
                kept.api_key = Some(key.map_err(|error| ConfigError::in_file(path, error))?);
            }
            other => {
                let reason = format!("unknown key `{other}`: delete the file to have it made anew");
                return Err(ConfigError::in_file(path, reason));
            }
        }
    }
    Ok(kept)
}

fn write(outside: &dyn Outside, path: &Path, kept: &Kept) -> Result<(), ConfigError> {
    let mut text =
        "# Made by `anteroom serve --dev`. Delete it to have new ones made.\n".to_owned();
    if let Some(secret) = &kept.secret {
        // Made here, so it is base64 and needs no escapes.
        text += &format!("secret = \"{}\"\n", String::from_utf8_lossy(secret.expose()));
    }
    if let Some(api_key) = &kept.api_key {
        text += &format!("api_key = \"{api_key}\"\n");
    }
    outside.write_private(path, &text).map_err(|error| {
        let path = path.display();
        ConfigError(format!("cannot write {path}: {error}; with `--memory` nothing is written"))
    })
}

#[cfg(test)]
mod tests;
