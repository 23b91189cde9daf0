//! The end of every help: examples, exit codes.

/// The exit codes that all commands share but `serve` and `token`, which have fewer.
macro_rules! exit_codes {
    () => {
        "Exit codes:
  0  done
  1  refused, with the reason on standard error
  2  wrong usage, configuration or input
  3  cannot connect, or the connection was lost
  4  nothing to receive
  130, 143  ended by SIGINT or SIGTERM"
    };
}

/// Examples, then the exit codes.
macro_rules! help {
    ($($part:expr),+ $(,)?) => {
        concat!("Examples:\n", $($part, "\n",)+ "\n", $crate::cli::help::exit_codes!())
    };
}

pub(super) use {exit_codes, help};
