//! `anteroom serve`.

use std::{
    io::{ErrorKind, IsTerminal},
    net::SocketAddr,
};

use tracing_subscriber::EnvFilter;

use super::{
    Failure,
    banner::{Banner, base_url},
    text::{complain, print},
};
use crate::{
    clock::{Clock, SystemClock},
    config::{self, Loaded, ServeArgs},
    server::{self, StartError},
};

const HELP: &str =
    "Every setting can also be given in the environment, as ANTEROOM_ and its name in upper \
case, or in the settings file. A flag beats the environment, and the environment beats the file. \
`anteroom serve --help` lists all settings.

When it accepts connections it prints one line to standard output: ready http://ADDRESS:PORT

Examples:
  anteroom serve --dev
      try it out: prints a token and commands to paste
  openssl rand -base64 48 > secret
  anteroom serve --listen 0.0.0.0:8080 --secret-file secret
      a server for others
  anteroom serve --config anteroom.toml --limit message_bytes=64MiB
      settings from a file, and one limit

Exit codes:
  0  stopped cleanly
  1  could not start, or could not stop cleanly
  2  wrong usage or configuration";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP, after_long_help = long_help())]
pub(super) struct Arguments {
    #[command(flatten)]
    serve: ServeArgs,
}

/// The short help and the table of all settings.
fn long_help() -> String {
    let mut help = format!("{HELP}\n\nSettings:\n");
    for setting in config::Config::TABLE {
        help += &format!("  {} [{}]\n      {}\n", setting.name, setting.default, setting.meaning);
    }
    help += "\nLimits, by --limit NAME=VALUE, ANTEROOM_LIMIT_NAME, or [limits] in the file:\n";
    for limit in crate::types::Limits::TABLE {
        help += &format!("  {} [{}]\n      {}\n", limit.name, limit.default, limit.meaning);
    }
    help
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Loaded { config, keys, encryption, dev_api_key } = config::load(arguments.serve)?;
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| Failure::Usage(format!("log: `{}`: {error}", config.log)))?;
    // An error means that there is a subscriber already, and then that one it is.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
    let banner = match dev_api_key {
        Some(api_key) => Some(Banner::new(&keys, &api_key, SystemClock::new().now())?),
        None => None,
    };
    let announce = move |address: SocketAddr| {
        if let Some(banner) = banner {
            complain(&banner.text(address));
        }
        print(&format!("ready {}", base_url("http", address)));
    };
    server::run(config, keys, encryption, announce).map_err(|error| failure(&error))
}

fn failure(error: &StartError) -> Failure {
    let next = match error {
        StartError::Listen { source, .. } if source.kind() == ErrorKind::AddrInUse => {
            "\nnext: take another port with --listen 127.0.0.1:8081 (port 0 is a free one), or end what listens there"
        }
        _ => "",
    };
    Failure::Refused(format!("{error}{next}"))
}
