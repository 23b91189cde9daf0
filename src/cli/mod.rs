//! The command line: `anteroom serve`, `anteroom token create`, `anteroom token inspect`.
//!
//! Results go to standard output and everything else to standard error, so that a script can use what a
//! command prints. What this module refuses to know: anything that a client could not do over the
//! network, but for starting a server and signing tokens.

mod banner;
mod inspect;
mod serve;
mod text;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{config::ConfigError, error::Error};

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  refused, with the reason on standard error
  2  wrong usage or configuration
  3  cannot connect
  4  nothing to receive";

/// Rooms and queues over WebSockets for agents, browsers and services.
#[derive(Debug, Parser)]
#[command(name = "anteroom", version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Arguments),
    /// Make tokens and look into them
    #[command(subcommand, after_help = EXIT_CODES)]
    Token(TokenCommand),
}

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
        Command::Token(TokenCommand::Create(arguments)) => token::run(arguments),
        Command::Token(TokenCommand::Inspect(arguments)) => inspect::run(&arguments),
    };
    let (reason, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Refused(reason)) => (reason, 1),
        Err(Failure::Usage(reason)) => (reason, 2),
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
