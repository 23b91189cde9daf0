//! A place of its own for each test: directory, environment, flags.

use std::{collections::BTreeMap, fs, path::PathBuf};

use tempfile::TempDir;

use super::{
    ServeArgs,
    load::{ConfigError, Loaded, Outside, load_from},
};
use crate::auth::{Claims, KeyRing, Secret, SignatureCheck, Token};

pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(super) const OTHER: &str = "fedcba9876543210fedcba9876543210";
pub(super) const API_KEY: &str =
    "ma-AAAAAAAAAAAAAAAAAAAAAA-AAAAAAAAAAAAAAAAAAAAAA-0123456789abcdef0123456789abcdef";

/// A directory and an environment of its own.
pub(super) struct Place {
    directory: TempDir,
    pub(super) env: BTreeMap<String, String>,
}

impl Outside for Place {
    fn env(&self, name: &str) -> Result<Option<String>, ConfigError> {
        Ok(self.env.get(name).filter(|text| !text.is_empty()).cloned())
    }
}

impl Place {
    pub(super) fn new(env: &[(&str, &str)]) -> Self {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { directory: tempfile::tempdir().unwrap(), env: env.collect() }
    }

    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(super) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Loads with these flags, as the command line has them.
    pub(super) fn load(&self, flags: &[&str]) -> Result<Loaded, String> {
        load_from(self, args(flags)).map_err(|error| error.to_string())
    }

    pub(super) fn dev(&self, flags: &[&str]) -> Loaded {
        let mut flags = flags.to_vec();
        let data = self.data();
        flags.extend(["--dev", "--data", data.to_str().unwrap()]);
        self.load(&flags).unwrap()
    }
}

fn args(flags: &[&str]) -> ServeArgs {
    try_args(flags).unwrap()
}

pub(super) fn try_args(flags: &[&str]) -> Result<ServeArgs, String> {
    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        args: ServeArgs,
    }
    let words = std::iter::once("anteroom").chain(flags.iter().copied());
    <Program as clap::Parser>::try_parse_from(words)
        .map(|program| program.args)
        .map_err(|error| error.to_string())
}

pub(super) fn token(keys: &KeyRing) -> String {
    Claims::full_access("ann".parse().unwrap(), "demo".parse().unwrap()).sign(keys).unwrap()
}

pub(super) fn accepts(keys: &KeyRing, token: &str) -> bool {
    Token::read(token).unwrap().check_signature(keys) == SignatureCheck::Right
}

pub(super) fn ring_of(secret: &str) -> KeyRing {
    KeyRing::new(&Secret::new(secret, true).unwrap(), None)
}
