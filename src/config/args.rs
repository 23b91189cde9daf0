//! The flags of the command line. A secret is never one: others can read a process's flags.

use std::{net::SocketAddr, path::PathBuf};

use super::{Layer, parse_duration, parse_origin, settings::Setting};
use crate::types::{Limits, Millis, parse_quantity};

/// Flags that say where keys are, for all commands that sign or check tokens.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct KeyArgs {
    /// Settings file (TOML) [env: ANTEROOM_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Directory for what is to survive a restart [default: ./anteroom-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// File with the secret that signs tokens; or set ANTEROOM_SECRET to the secret itself
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
}

/// Flags of `anteroom serve`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServeArgs {
    /// Where keys are.
    #[command(flatten)]
    pub keys: KeyArgs,

    /// Address and port; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = SocketAddr::from_text)]
    pub listen: Option<SocketAddr>,

    /// Write nothing at all to disk
    #[arg(long)]
    pub memory: bool,

    /// Try it out: make what is missing of secret and API key, and print what to paste
    #[arg(long)]
    pub dev: bool,

    /// How long a stopping server waits for what is under way [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub grace: Option<Millis>,

    /// Threads that serve connections [default: number of processors]
    #[arg(long, value_name = "NUMBER")]
    pub workers: Option<usize>,

    /// What is logged: a level, or a filter like warn,anteroom=debug [default: info, without what actix says]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,

    /// Origin of web pages that may connect, * for all; may be repeated
    #[arg(long = "origin", value_name = "ORIGIN", value_parser = parse_origin)]
    pub origins: Vec<String>,

    /// Opening an open queue succeeds
    #[arg(long)]
    pub open_is_idempotent: bool,

    /// Set a limit; may be repeated
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = parse_limit)]
    pub limits: Vec<(String, u64)>,
}

/// Name and value are checked here, so that the command line's own error says what is wrong.
fn parse_limit(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let value = parse_quantity(value)?;
    Limits::default().set(name, value)?;
    Ok((name.to_owned(), value))
}

impl KeyArgs {
    pub(super) fn layer(&self) -> Layer {
        Layer {
            data: self.data.clone(),
            secret_file: self.secret_file.clone().map(Some),
            ..Layer::default()
        }
    }
}

impl ServeArgs {
    pub(super) fn layer(self) -> Layer {
        // A flag that is not there says nothing; none can say "false".
        let is_set = |flag: bool| flag.then_some(true);
        Layer {
            listen: self.listen,
            memory: is_set(self.memory),
            dev: is_set(self.dev),
            grace: self.grace,
            workers: self.workers,
            log: self.log,
            origins: (!self.origins.is_empty()).then_some(self.origins),
            open_is_idempotent: is_set(self.open_is_idempotent),
            limits: self.limits,
            ..self.keys.layer()
        }
    }
}
