//! The command line: the server (`serve`), tokens (`token`), and everything a participant can do (`room queue`,
//! `send`, `receive`, `top` …).
//!
//! Results go to standard output and everything else to standard error, so that a script can use what a
//! command prints. What this module refuses to know: anything that a client could not do over the
//! network, but for starting a server and signing tokens.

mod banner;
mod help;
mod inspect;
mod remote;
mod serve;
mod store;
mod text;
mod token;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::{config::ConfigError, error::Error};

use help::help;

const HELP: &str = help!(
    "  anteroom serve --dev --memory
  anteroom send demo/jobs '{\"page\": 1}'
  anteroom receive demo/jobs
  anteroom queue list demo"
);

const QUEUE_HELP: &str = help!(
    "  anteroom queue list demo
  anteroom queue stats demo/jobs
  anteroom room queue send --room demo --queue jobs --json '{\"page\": 1}'
  anteroom room queue receive --room demo --queue jobs"
);

const TOKEN_HELP: &str = "Examples:
  anteroom token create --room demo --name ann
  anteroom token create --room demo --name ann | anteroom token inspect -

Exit codes:
  0  done
  1  refused, with the reason on standard error
  2  wrong usage or configuration";

/// Rooms and queues over WebSockets for agents, browsers and services.
#[derive(Debug, Parser)]
#[command(name = "anteroom", version, after_help = HELP, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Arguments),
    /// Look after what a server has stored
    #[command(subcommand, after_help = store::HELP)]
    Store(store::StoreCommand),
    /// Make tokens and look into them
    #[command(subcommand, after_help = TOKEN_HELP)]
    Token(TokenCommand),
    /// Work with what is in a room
    #[command(subcommand, after_help = QUEUE_HELP)]
    Room(remote::RoomCommand),
    /// Work with queues (short for `room queue`)
    #[command(subcommand, visible_alias = "q", after_help = QUEUE_HELP)]
    Queue(remote::QueueCommand),
    #[command(flatten)]
    Shortcut(remote::Shortcut),
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

const COMPLETIONS_HELP: &str = "Examples:
  anteroom completions bash > ~/.local/share/bash-completion/completions/anteroom
  anteroom completions zsh > \"${fpath[1]}/_anteroom\"
  anteroom completions fish > ~/.config/fish/completions/anteroom.fish

Exit codes:
  0  done
  2  wrong usage";

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print it
    Create(token::Arguments),
    /// Say what a token allows
    Inspect(inspect::Arguments),
}

/// Why a command failed; each has an exit code of its own.
#[derive(Debug)]
enum Failure {
    /// What was asked for is refused.
    Refused(String),
    /// The settings or the arguments cannot be used.
    Usage(String),
    /// There is no connection, or there is none any more.
    Connect(String),
    /// There was nothing to receive.
    Nothing(String),
    /// A signal ended it.
    Stopped(i32),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error.message.into_owned())
    }
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nowhere to say so if this fails.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let result = match arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Store(command) => store::run(command),
        Command::Token(TokenCommand::Create(arguments)) => token::run(arguments),
        Command::Token(TokenCommand::Inspect(arguments)) => inspect::run(&arguments),
        Command::Room(remote::RoomCommand::Queue(command)) | Command::Queue(command) => {
            remote::run_queue(command)
        }
        Command::Shortcut(command) => remote::run_shortcut(command),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "anteroom", &mut script);
            text::print(String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
    };
    let (reason, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Refused(reason)) => (reason, 1),
        Err(Failure::Usage(reason)) => (reason, 2),
        Err(Failure::Connect(reason)) => (reason, 3),
        Err(Failure::Nothing(reason)) => {
            text::complain(&reason);
            return ExitCode::from(4);
        }
        // As a shell says it.
        Err(Failure::Stopped(signal)) => {
            return ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX));
        }
    };
    text::complain(&format!("error: {reason}"));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_documents_its_exit_codes() {
        let mut command = Arguments::command();
        command.clone().debug_assert();
        assert!(command.render_help().to_string().contains("4  nothing to receive"));
        for words in [&["token", "create"][..], &["token", "inspect"], &["serve"]] {
            let mut at = command.clone();
            for word in words {
                at = at.find_subcommand(word).unwrap().clone();
            }
            let help = at.render_long_help().to_string();
            assert!(help.contains("Examples:") && help.contains("Exit codes:"), "{help}");
        }
    }
}
