//! The table of settings, and how one is read from a text or from the file.

use std::{net::SocketAddr, path::PathBuf};

use crate::types::{Millis, parse_quantity};

/// One row of [`Config::TABLE`](super::Config::TABLE).
#[derive(Debug, Clone, Copy)]
pub struct SettingInfo {
    /// The name in the file; in the environment it is upper case after `ANTEROOM_`.
    pub name: &'static str,
    /// Value when nothing is set.
    pub default: &'static str,
    /// What it is; with its unit, if it has one.
    pub meaning: &'static str,
}

macro_rules! settings {
    ($($name:ident: $type:ty = $default:expr, $text:literal, $meaning:literal;)*) => {
        /// All settings of a server. Each field says its meaning and its default.
        ///
        /// Durations are written `500ms`, `10s`, `5m` or `1h`.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Config {
            $(#[doc = concat!($meaning, ". Default: ", $text, ".")] pub $name: $type,)*
            /// What may grow up to where: one setting per row of [`Limits::TABLE`].
            pub limits: Limits,
        }

        impl Config {
            /// All settings but the limits, in the order of the documentation.
            pub const TABLE: &'static [SettingInfo] = &[$(SettingInfo {
                name: stringify!($name),
                default: $text,
                meaning: $meaning,
            }),*];

            fn apply(&mut self, layer: Layer) -> Result<(), String> {
                $(if let Some(value) = layer.$name {
                    self.$name = value;
                })*
                for (name, value) in layer.limits {
                    self.limits.set(&name, value)?;
                }
                Ok(())
            }
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($name: $default,)* limits: Limits::default() }
            }
        }

        /// What one source sets.
        #[derive(Debug, Default)]
        struct Layer {
            $($name: Option<$type>,)*
            limits: Vec<(String, u64)>,
        }

        impl Layer {
            /// Sets one setting by name; `None` if there is no such setting.
            fn set(&mut self, name: &str, value: Raw<'_>) -> Option<Result<(), String>> {
                match name {
                    $(stringify!($name) => Some(
                        <$type>::read(value).map(|value| self.$name = Some(value))
                    ),)*
                    _ => None,
                }
            }
        }
    };
}
pub(super) use settings;

/// A value as its source has it.
#[derive(Clone, Copy)]
pub(super) enum Raw<'a> {
    Text(&'a str),
    Toml(&'a toml::Value),
}

/// A type that a setting may have.
pub(super) trait Setting: Sized {
    fn from_text(text: &str) -> Result<Self, String>;

    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(text) => Self::from_text(text),
            other => Err(format!("must be a text in quotes, not {}", other.type_str())),
        }
    }

    fn read(value: Raw<'_>) -> Result<Self, String> {
        match value {
            Raw::Text(text) => Self::from_text(text),
            Raw::Toml(value) => Self::from_toml(value),
        }
    }
}

impl Setting for SocketAddr {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("`{text}` is not an address with a port: write 127.0.0.1:8080"))
    }
}

impl Setting for PathBuf {
    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("a path must not be empty".to_owned()) } else { Ok(text.into()) }
    }
}

impl Setting for Option<PathBuf> {
    fn from_text(text: &str) -> Result<Self, String> {
        PathBuf::from_text(text).map(Some)
    }
}

impl Setting for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Setting for Millis {
    fn from_text(text: &str) -> Result<Self, String> {
        parse_duration(text)
    }
}

impl Setting for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(format!("`{text}` is neither true nor false")),
        }
    }

    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| "must be true or false".to_owned())
    }
}

impl Setting for usize {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{text}` is not a whole number"))
    }

    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        value
            .as_integer()
            .and_then(|value| value.try_into().ok())
            .ok_or_else(|| "must be a whole number".to_owned())
    }
}

/// Bytes, written `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity(pub u64);

impl Setting for Quantity {
    fn from_text(text: &str) -> Result<Self, String> {
        parse_quantity(text).map(Self)
    }

    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(text) => Self::from_text(text),
            other => other
                .as_integer()
                .and_then(|value| value.try_into().ok())
                .map(Self)
                .ok_or_else(|| "must be a quantity like \"64MiB\"".to_owned()),
        }
    }
}

/// The only list among the settings is that of origins.
impl Setting for Vec<String> {
    fn from_text(text: &str) -> Result<Self, String> {
        text.split(',').map(|origin| parse_origin(origin.trim())).collect()
    }

    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        const WRONG: &str = "must be a list of texts";
        let items = value.as_array().ok_or(WRONG)?;
        items.iter().map(|item| parse_origin(item.as_str().ok_or(WRONG)?)).collect()
    }
}

/// Reads `500ms`, `10s`, `5m`, `1h` or `2d`.
///
/// # Errors
/// A sentence that says what a duration looks like.
pub fn parse_duration(text: &str) -> Result<Millis, String> {
    let wrong = || format!("`{text}` is not a duration: write 500ms, 10s, 5m, 1h or 2d");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(factor).map(Millis).ok_or_else(|| format!("`{text}` is too long"))
}

/// Reads an origin as browsers send it: `https://app.example.com`, in lower case, without the port that
/// its scheme has anyway; or `*` for every origin.
///
/// # Errors
/// A sentence that says what an origin looks like.
pub fn parse_origin(text: &str) -> Result<String, String> {
    if matches!(text, "*" | "null") {
        return Ok(text.to_owned());
    }
    let origin = text.to_ascii_lowercase();
    let wrong =
        || format!("`{text}` is not an origin: write https://app.example.com, or * for all");
    let (scheme, authority) = origin.split_once("://").ok_or_else(wrong)?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let authority = match scheme {
        "http" => authority.strip_suffix(":80").unwrap_or(authority),
        "https" => authority.strip_suffix(":443").unwrap_or(authority),
        _ => authority,
    };
    let is_legal = !scheme.is_empty()
        && !authority.is_empty()
        && authority.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']')
        });
    if is_legal { Ok(format!("{scheme}://{authority}")) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Layer};

    #[test]
    fn durations() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Millis(millis)), "{text}");
        }
        for bad in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "10 s",
            "1S",
            "1h30m",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins() {
        for (text, origin) in [
            ("*", "*"),
            ("null", "null"),
            ("https://app.example.com", "https://app.example.com"),
            ("https://App.Example.com/", "https://app.example.com"),
            ("https://app.example.com:443", "https://app.example.com"),
            ("http://app.example.com:80/", "http://app.example.com"),
            ("http://app.example.com:443", "http://app.example.com:443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("chrome-extension://abc", "chrome-extension://abc"),
        ] {
            assert_eq!(parse_origin(text).as_deref(), Ok(origin), "{text}");
        }
        for bad in [
            "",
            "app.example.com",
            "https://",
            "https://a/b",
            "https://u@a",
            "https://*.a",
            "https://a b",
        ] {
            assert!(parse_origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_table_names_the_true_defaults() {
        let default = Config::default();
        for setting in Config::TABLE {
            let mut layer = Layer::default();
            match (setting.name, setting.default) {
                (_, "none" | "number of processors") | ("origins", _) => continue,
                (name, text) => layer.set(name, Raw::Text(text)).unwrap().unwrap(),
            }
            let mut config = Config { workers: default.workers, ..Config::default() };
            config.apply(layer).unwrap();
            assert_eq!(config, default, "{}", setting.name);
        }
    }
}
