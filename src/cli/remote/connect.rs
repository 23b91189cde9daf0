//! Which server, which room, whose token.

use std::{cell::RefCell, path::PathBuf, time::Duration};

use super::values::url;
use crate::{
    auth::KeyRing,
    cli::{Failure, token},
    client::{Builder, Client, Error, Reconnect},
    clock::{Clock, SystemClock},
    config::{self, KeyArgs},
    types::{Millis, ParticipantName, RoomName},
};

thread_local! {
    /// The connections of this command. One that is not closed with a word may come back, as far as the server
    /// knows, which would keep its messages for it.
    static OPEN: RefCell<Vec<Client>> = const { RefCell::new(Vec::new()) };
}

/// Closes the connections of the command, however it ended.
pub(super) async fn close_all() {
    for client in OPEN.take() {
        client.close().await;
    }
}

/// Life of a token that is made for one command.
const TOKEN_LIFE: Millis = Millis::from_secs(10 * 60);

/// Life of a token that is made for a command that runs until it is stopped.
const LONG_TOKEN_LIFE: Millis = Millis::from_secs(24 * 3600);

/// Where the server is and who we are.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct ServerArgs {
    /// Address of the server
    #[arg(long, env = "ANTEROOM_URL", default_value = "http://127.0.0.1:8080", value_name = "URL", value_parser = url)]
    pub(super) url: String,

    /// Token; others on this machine can read a command line, so better set ANTEROOM_TOKEN
    #[arg(long, env = "ANTEROOM_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,

    /// File with the token
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,

    /// Name to take part as, when a token is made because none is given
    #[arg(long = "as", value_name = "NAME", default_value = "cli")]
    name: ParticipantName,

    #[command(flatten)]
    keys: KeyArgs,
}

/// What to do when there is neither token nor secret.
const NO_TOKEN: &str = "there is no token: set ANTEROOM_TOKEN, give --token-file, or let one be made from the \
    server's secret (ANTEROOM_SECRET, ANTEROOM_API_KEYS, --secret-file, --config, or the --data of a server \
    that was started with --dev)";

impl ServerArgs {
    fn find_token(&self, room: &RoomName, life: Millis) -> Result<String, Failure> {
        if let Some(path) = &self.token_file {
            return Ok(config::read_file_text(path)?.trim().to_owned());
        }
        if let Some(token) = self.token.as_deref().map(str::trim).filter(|token| !token.is_empty())
        {
            return Ok(token.to_owned());
        }
        let keys: KeyRing =
            config::load_keys(&self.keys)?.ok_or_else(|| Failure::Usage(NO_TOKEN.to_owned()))?;
        let now = SystemClock::new().now();
        Ok(token::full_access(&keys, self.name.clone(), room.clone(), now.after(life))
            .sign(&keys)?)
    }

    /// Connects for one command: a lost connection is not waited for long.
    pub(super) async fn connect(&self, room: &RoomName) -> Result<Client, Failure> {
        let token = self.find_token(room, TOKEN_LIFE)?;
        let reconnect =
            Reconnect { give_up_after: Some(Duration::from_secs(10)), ..Reconnect::default() };
        join(self.builder(room, &token).reconnect(reconnect)).await
    }

    /// Connects for a command that runs until it is stopped, whatever the server does meanwhile.
    pub(super) async fn connect_for_long(&self, room: &RoomName) -> Result<Client, Failure> {
        let token = self.find_token(room, LONG_TOKEN_LIFE)?;
        join(self.builder(room, &token)).await
    }

    /// For a command that makes connections of its own, and closes them.
    pub(super) fn builder_for_long(&self, room: &RoomName) -> Result<Builder, Failure> {
        Ok(self.builder(room, &self.find_token(room, LONG_TOKEN_LIFE)?))
    }

    fn builder(&self, room: &RoomName, token: &str) -> Builder {
        Client::builder(&self.url, room.as_str(), token)
    }
}

async fn join(builder: Builder) -> Result<Client, Failure> {
    let client = builder.connect().await?;
    OPEN.with_borrow_mut(|open| open.push(client.clone()));
    Ok(client)
}

/// What to do about a refusal, by its code.
fn next_step(code: &str) -> Option<&'static str> {
    Some(match code {
        "token_missing" | "token_invalid" | "token_expired" | "token_not_yet_valid" => {
            "make a token with `anteroom token create`, and see what one says with `anteroom token inspect`"
        }
        "wrong_room" => "make a token for this room with `anteroom token create --room ROOM`",
        "permission_denied" => "see what the token allows with `anteroom token inspect`",
        "queue_not_found" => {
            "see which there are with `anteroom queue list ROOM`, or make it with `anteroom queue open ROOM/QUEUE`"
        }
        "queue_exists" => {
            "it is open already, so there is nothing to do; settings are changed by `anteroom queue configure`"
        }
        "queue_closed" => "open it again with `anteroom queue open ROOM/QUEUE`",
        "queue_paused" => "let it go on with `anteroom queue resume ROOM/QUEUE`",
        "queue_full" | "queue_bytes_full" => {
            "receive or purge messages, or raise the limit with `anteroom queue configure`"
        }
        "group_not_found" => "see which there are with `anteroom queue group list ROOM/QUEUE`",
        "group_exists" => "there is nothing to do; `anteroom queue group seek` moves it",
        "group_required" => "name a group with --group",
        "schedule_not_found" => {
            "see which there are with `anteroom queue schedule list ROOM/QUEUE`"
        }
        "message_not_found" => "see which there are with `anteroom queue peek ROOM/QUEUE`",
        "invalid_settings" => {
            "see the settings in force with `anteroom queue configure ROOM/QUEUE`"
        }
        _ => return None,
    })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = |code: &str, sentence: &str| {
            let next = next_step(code).map(|step| format!("\nnext: {step}")).unwrap_or_default();
            format!("{code}: {sentence}{next}")
        };
        match &error {
            Error::Connect(reason) => Self::Connect(format!(
                "cannot connect: {reason}\nnext: see that the server runs, and that --url or ANTEROOM_URL is right"
            )),
            Error::Closed { .. } | Error::TimedOut { .. } => {
                let next = if error.may_have_happened() {
                    "look whether it happened before you do it again"
                } else {
                    "try it again"
                };
                Self::Connect(format!("{error}\nnext: {next}"))
            }
            Error::Refused { status, code, message } => match code {
                Some(code) => Self::Refused(text(code, message)),
                None => Self::Refused(format!(
                    "the server refused the connection: {message} (HTTP {status})\nnext: see that --url is an anteroom server and the token is for this room"
                )),
            },
            Error::Server(refusal) => Self::Refused(text(&refusal.code, &refusal.message)),
            Error::GivenUp { .. } | Error::Invalid(_) => Self::Refused(error.to_string()),
        }
    }
}
