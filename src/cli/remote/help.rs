//! The end of every help: examples, exit codes.

/// Examples, then the exit codes that all commands share.
macro_rules! help {
    ($($part:expr),+ $(,)?) => {
        concat!(
            "Examples:\n",
            $($part, "\n",)+
            "
Exit codes:
  0  done
  1  refused by the server, with the reason on standard error
  2  wrong usage or configuration
  3  cannot connect, or the connection was lost
  4  nothing to receive"
        )
    };
}
pub(super) use help;
