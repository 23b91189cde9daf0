//! A participant in Rust: joins a room over WebSocket and uses its queues.
//!
//! Speaks the MeshAgent room protocol, so it works against any server of that protocol. Calls may be made
//! from many tasks at once; they are pipelined on one connection, and sends take effect in the order of the
//! calls.
//!
//! ```no_run
//! # async fn example(token: &str) -> Result<(), anteroom::client::ClientError> {
//! use anteroom::client::RoomClient;
//! use serde_json::json;
//!
//! let room = RoomClient::connect("http://127.0.0.1:8080", "demo", token).await?;
//! room.send("jobs", &json!({"page": 1})).await?;
//! let job: serde_json::Value = room.receive("jobs").await?;
//! assert_eq!(job["page"], 1);
//! # Ok(()) }
//! ```
//!
//! Knows nothing of the server: only the wire.

mod connection;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use connection::{Answer, Call};

/// Calls that wait to be written.
const CALLS_WAITING_MAX: usize = 256;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server refused the connection, with this HTTP status.
    #[error("the server refused the connection with HTTP {status}")]
    Refused {
        /// 403: the token is wrong or not for this room.
        status: u16,
    },
    /// There is no connection to be had.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The connection ended before the answer came. The call may have taken effect.
    #[error("the connection has ended")]
    Closed,
    /// The server refused the call.
    #[error("{text} ({code})")]
    Answer {
        /// The protocol's number: 1001 not permitted, 1006 closed, 5001 no such queue, 5002 exists …
        code: u16,
        /// A sentence.
        text: String,
    },
    /// What came is not of the type that was asked for.
    #[error("the message is not what was asked for: {0}")]
    Json(#[from] serde_json::Error),
}

/// A queue in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct QueueInfo {
    /// Its name.
    pub name: String,
    /// Messages that wait in it.
    pub size: usize,
}

/// A participant's connection to a room. Dropping it leaves the room.
#[derive(Debug, Clone)]
pub struct RoomClient {
    calls: mpsc::Sender<Call>,
}

#[derive(Default, Serialize)]
struct Arguments<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<bool>,
}

#[derive(Serialize)]
struct Invocation<'a> {
    toolkit: &'a str,
    tool: &'a str,
    arguments: Content<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    r#type: &'a str,
    json: Arguments<'a>,
}

impl RoomClient {
    /// Joins `room` on the server at `url` (`http`, `https`, `ws` or `wss`).
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::Connect`].
    pub async fn connect(url: &str, room: &str, token: &str) -> Result<Self, ClientError> {
        let (calls, waiting) = mpsc::channel(CALLS_WAITING_MAX);
        connection::open(url, room, token, waiting).await?;
        Ok(Self { calls })
    }

    /// Adds a message at the end of a queue, which is made if there is none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn send(&self, queue: &str, message: &impl Serialize) -> Result<(), ClientError> {
        let message = serde_json::value::to_raw_value(message)?;
        let arguments =
            Arguments { name: Some(queue), message: Some(&message), ..Arguments::default() };
        self.call("send", arguments).await.map(drop)
    }

    /// The first message of a queue; waits until there is one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn receive<T: DeserializeOwned>(&self, queue: &str) -> Result<T, ClientError> {
        loop {
            if let Some(message) = self.take(queue, true).await? {
                return Ok(serde_json::from_slice(&message)?);
            }
        }
    }

    /// The first message of a queue, if there is one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn try_receive<T: DeserializeOwned>(
        &self,
        queue: &str,
    ) -> Result<Option<T>, ClientError> {
        let message = self.take(queue, false).await?;
        Ok(message.map(|message| serde_json::from_slice(&message)).transpose()?)
    }

    /// All queues of the room.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(&self) -> Result<Vec<QueueInfo>, ClientError> {
        #[derive(Deserialize)]
        struct Queues {
            queues: Vec<QueueInfo>,
        }
        let answer = self.call("list", Arguments::default()).await?;
        let list: Queues = serde_json::from_slice(&answer.unwrap_or_default())?;
        Ok(list.queues)
    }

    /// Makes a queue, or opens a closed one.
    ///
    /// # Errors
    /// [`ClientError`]; code 5002 if it is open already.
    pub async fn open(&self, queue: &str) -> Result<(), ClientError> {
        self.on_queue("open", queue).await
    }

    /// Removes all messages of a queue.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn drain(&self, queue: &str) -> Result<(), ClientError> {
        self.on_queue("drain", queue).await
    }

    /// Closes a queue: its messages stay, sends and receives are refused.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn close(&self, queue: &str) -> Result<(), ClientError> {
        self.on_queue("close", queue).await
    }

    async fn on_queue(&self, tool: &str, queue: &str) -> Result<(), ClientError> {
        let arguments = Arguments { name: Some(queue), ..Arguments::default() };
        self.call(tool, arguments).await.map(drop)
    }

    async fn take(&self, queue: &str, wait: bool) -> Result<Option<Bytes>, ClientError> {
        let arguments = Arguments { name: Some(queue), wait: Some(wait), ..Arguments::default() };
        self.call("receive", arguments).await
    }

    async fn call(
        &self,
        tool: &str,
        arguments: Arguments<'_>,
    ) -> Result<Option<Bytes>, ClientError> {
        let arguments = Content { r#type: "json", json: arguments };
        let header = serde_json::to_vec(&Invocation { toolkit: "queues", tool, arguments })?;
        let (reply, answer) = oneshot::channel();
        let call = Call { header, reply };
        self.calls.send(call).await.map_err(|_| ClientError::Closed)?;
        match answer.await.map_err(|_| ClientError::Closed)? {
            Answer::Empty => Ok(None),
            Answer::Json(json) => Ok(Some(json)),
            Answer::Error { text, code } => Err(ClientError::Answer { code, text }),
        }
    }
}
