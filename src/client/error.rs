//! What can go wrong, and what then is known.

use serde::Deserialize;

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no connection to be had.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The server refused the connection.
    #[error("the server refused the connection with HTTP {status}: {message}")]
    Refused {
        /// The HTTP status: 401 or 403, the token is wrong or for another room; 503, try again later.
        status: u16,
        /// The server's word for it, if it gave one: `token_expired`, `wrong_room` …
        code: Option<String>,
        /// A sentence.
        message: String,
    },
    /// The server refused the call.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The connection or the session ended before the answer came.
    #[error("the connection ended before the answer came: {reason}{}", perhaps(*.may_have_happened))]
    Closed {
        /// Whether the call may have taken effect.
        may_have_happened: bool,
        /// Why it ended.
        reason: String,
    },
    /// The answer did not come in time.
    #[error("no answer in time{}", perhaps(*.may_have_happened))]
    TimedOut {
        /// Whether the call may have taken effect.
        may_have_happened: bool,
    },
    /// The message of a [request](super::Queue::request) became a dead letter, so there is no reply.
    #[error("the request was given up: {reason}")]
    GivenUp {
        /// What its taker said.
        reason: String,
    },
    /// What was given or what came is not what was asked for.
    #[error("{0}")]
    Invalid(String),
}

const fn perhaps(may_have_happened: bool) -> &'static str {
    if may_have_happened { "; the call may have taken effect" } else { "" }
}

impl Error {
    /// Whether the call may have taken effect all the same.
    #[must_use]
    pub const fn may_have_happened(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Refused { .. } | Self::Invalid(_) => false,
            // Its taker had it, perhaps more than once.
            Self::GivenUp { .. } => true,
            Self::Server(error) => error.may_have_happened,
            Self::Closed { may_have_happened, .. } | Self::TimedOut { may_have_happened } => {
                *may_have_happened
            }
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Closed { .. } | Self::TimedOut { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::Server(error) => error.retryable,
            Self::GivenUp { .. } | Self::Invalid(_) => false,
        }
    }

    /// The word for what is wrong, for programs. The server's (`queue_closed`, `permission_denied` …), or the
    /// client's own: `cannot_connect`, `connection_refused` (by something that gives no code), `connection_closed`,
    /// `timed_out`, `given_up`, `invalid`.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Server(error) => &error.code,
            Self::Refused { code, .. } => code.as_deref().unwrap_or("connection_refused"),
            Self::Connect(_) => "cannot_connect",
            Self::Closed { .. } => "connection_closed",
            Self::TimedOut { .. } => "timed_out",
            Self::GivenUp { .. } => "given_up",
            Self::Invalid(_) => "invalid",
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Invalid(format!("not what was asked for: {error}"))
    }
}

/// A refusal as the server says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct ServerError {
    /// Its word, for programs: `queue_closed`.
    pub code: String,
    /// Its number, which never changes its meaning.
    pub number: u16,
    /// A sentence for people.
    pub message: String,
    /// Whether the same call may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// Whether the call may have taken effect all the same.
    #[serde(default)]
    pub may_have_happened: bool,
}
