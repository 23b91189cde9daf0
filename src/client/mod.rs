//! A participant in Rust: joins a room over WebSocket and uses its queues.
//!
//! ```no_run
//! # async fn example(token: &str) -> Result<(), anteroom::client::Error> {
//! use anteroom::client::Client;
//! use serde_json::json;
//!
//! let room = Client::connect("http://127.0.0.1:8080", "demo", token).await?;
//! let jobs = room.queue("jobs");
//! jobs.send(&json!({"page": 1})).await?;
//!
//! let job = jobs.receive().await?;                  // ours until it is settled
//! let body: serde_json::Value = job.decode()?;
//! assert_eq!(body["page"], 1);
//! job.done().await?;
//! room.close().await;
//! # Ok(()) }
//! ```
//!
//! A [`Client`] is a handle: clone it, use it from many tasks at once. All share one connection, on which
//! calls are pipelined; calls of one task take effect in their order.
//!
//! # Working
//!
//! [`Queue::consume`] calls a handler for each message, several at the same time. `Ok` is done, with a result
//! if there is one; `Err` is tried again as the queue's settings say, and in the end it is a dead letter. While
//! a handler runs its lease is extended by itself.
//!
//! ```no_run
//! # async fn example(room: anteroom::client::Client) -> Result<(), anteroom::client::Error> {
//! use anteroom::client::{Consume, Settings};
//! use serde_json::{Value, json};
//!
//! let jobs = room.queue("jobs");
//! jobs.configure(Settings::new().attempts_max(3)).await?;
//! let consumer = jobs
//!     .consume(Consume::new().concurrency(8), |job| async move {
//!         let page: Value = job.decode().map_err(|error| error.to_string())?;
//!         if page.is_null() {
//!             return Err("there is no such page".to_owned());
//!         }
//!         Ok(json!({"fetched": page}))
//!     })
//!     .await?;
//! tokio::signal::ctrl_c().await.ok();
//! consumer.stop().await?;                           // those that run end, the others are given back
//! # Ok(()) }
//! ```
//!
//! # When the connection is lost
//!
//! The client connects again by itself ([`Reconnect`]) and goes on with the same session: it says again what
//! the server has not got, the server says again what has not come here. Calls that are under way notice
//! nothing but the delay.
//!
//! When the session is lost (the server was away for too long, or was started anew) a new one begins. Then
//! calls that were under way and change something fail with [`Error::Closed`], which says whether they [may have
//! happened](Error::may_have_happened); those that only look, waiting receives, subscriptions and watches are made
//! again; messages that were handed out come back by themselves. [`Client::events`] tells.
//!
//! # Limits
//!
//! Nothing here grows without end: a call waits when too many are unanswered ([`Builder::in_flight`]), a
//! subscription brings no more messages than its credit, and a watch whose events are not read says how
//! many it lost.
//!
//! Dropping a future that waits for messages ends the wait on the server; what came meanwhile is given back.
//!
//! Knows nothing of the server: only what it says.

mod admin;
mod body;
mod buffered;
mod consume;
mod driver;
mod error;
mod frame;
mod link;
mod message;
mod options;
mod outbox;
mod queue;
mod receive;
mod settings;
mod socket;
mod subscription;
mod time;
mod view;
#[cfg(test)]
mod wire_tests;

use std::sync::{Arc, atomic::AtomicU64};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, broadcast, mpsc, watch};

pub use admin::{Action, Changed, Filter, Page, PartDone, Schedule, SeekTo, Transaction, Which};
pub use body::Body;
pub use buffered::{BufferOptions, BufferedSender, Sending};
pub use consume::{Consume, Consumer, Handled};
pub use error::{Error, ServerError};
pub use frame::{Hello, ServerLimits};
pub use link::WatchItem;
pub use message::{Info, Labels, Message, ParentFailed, Receipt, State, View};
pub use options::{Builder, Reconnect};
pub use queue::Queue;
pub use receive::{From, Item, Lease, Outcome, Receive, Received, Settled};
pub use settings::{
    Backoff, BackoffKind, Durability, Ordering, Overflow, Settings, SettingsInForce,
};
pub use subscription::{CREDIT_MAX, Subscription, Watch};
pub use time::At;
pub use view::{
    Counts, Explanation, GroupInfo, Inspection, Notice, Participant, PartitionInfo, QueueEvent,
    QueueInfo, ScheduleInfo, Totals,
};

use driver::Driver;
use link::{Board, How, Link};

/// Commands that wait for the connection to take them.
const COMMANDS_WAITING_MAX: usize = 256;

/// Events that wait for a slow listener; then it misses the oldest.
const EVENTS_KEPT: usize = 64;

/// Notices that wait for a slow listener; then it misses the oldest.
const NOTICES_KEPT: usize = 1024;

/// What happens to the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// It is there again.
    Connected {
        /// The session's name.
        session: String,
        /// Whether it is the one that was there before.
        is_resumed: bool,
    },
    /// It is gone; attempts to make it anew begin.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// What the server knew of us is gone.
    SessionLost {
        /// Why.
        reason: String,
        /// Calls that failed and may have happened.
        failed: usize,
    },
    /// The server refused something that nobody waits for an answer to.
    Complaint(ServerError),
    /// It is over.
    Ended {
        /// Why.
        reason: String,
    },
}

/// A participant's connection to a room. Dropping all clones, and all that was made from them, leaves it.
///
/// A program that ends should [close](Self::close) it before: to the server, a connection that ends without a
/// word is one that was cut, whose session it keeps for a while, with the messages that it has.
#[derive(Clone)]
pub struct Client {
    link: Arc<Link>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hello = self.hello();
        f.debug_struct("Client")
            .field("room", &hello.room)
            .field("participant", &hello.participant)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Joins `room` on the server at `url` (`http://` or `ws://`, with address and port).
    ///
    /// # Errors
    /// [`Error::Connect`] or [`Error::Refused`].
    pub async fn connect(url: &str, room: &str, token: &str) -> Result<Self, Error> {
        Self::builder(url, room, token).connect().await
    }

    /// The same with a say in how.
    ///
    /// ```no_run
    /// # async fn example(token: &str) -> Result<(), anteroom::client::Error> {
    /// use anteroom::client::{Client, Reconnect};
    /// use std::time::Duration;
    ///
    /// let room = Client::builder("http://127.0.0.1:8080", "demo", token)
    ///     .timeout(Duration::from_secs(5))
    ///     .reconnect(Reconnect {
    ///         give_up_after: Some(Duration::from_secs(60)),
    ///         ..Reconnect::default()
    ///     })
    ///     .connect()
    ///     .await?;
    /// # drop(room); Ok(()) }
    /// ```
    #[must_use]
    pub fn builder(url: &str, room: &str, token: &str) -> Builder {
        Builder::new(url, room, token)
    }

    async fn open(options: Builder) -> Result<Self, Error> {
        let (socket, first) = socket::connect(&options, None).await?;
        let (commands, waiting) = mpsc::channel(COMMANDS_WAITING_MAX);
        let board = Arc::new(Board::default());
        let (closing, is_closing) = watch::channel(false);
        let (say_hello, hello) = watch::channel(first);
        let (say_ended, ended) = watch::channel(None);
        let (connection, _) = broadcast::channel(EVENTS_KEPT);
        let (notices, _) = broadcast::channel(NOTICES_KEPT);
        let link = Link {
            commands,
            board: Arc::clone(&board),
            next_id: AtomicU64::new(1),
            in_flight: Arc::new(Semaphore::new(options.in_flight)),
            waiting: Arc::new(Semaphore::new(options.waiting)),
            hello,
            connection: connection.clone(),
            notices: notices.clone(),
            timeout: options.timeout,
            closing,
            ended,
        };
        let driver = Driver::new(
            options, waiting, board, is_closing, say_hello, say_ended, connection, notices,
        );
        tokio::spawn(driver.run(socket));
        Ok(Self { link: Arc::new(link) })
    }

    /// Who we are, and what the server allows.
    #[must_use]
    pub fn hello(&self) -> Hello {
        self.link.hello.borrow().clone()
    }

    /// Whether the client has a connection, or is about to have one again.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.link.ended.borrow().is_none()
    }

    /// What happens to the connection from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<ConnectionEvent> {
        self.link.connection.subscribe()
    }

    /// Says good-bye and ends the connection, for all clones. Calls under way fail.
    pub async fn close(&self) {
        self.link.closing.send_replace(true);
        let mut ended = self.link.ended.clone();
        // An error means that it has ended.
        let _ = ended.wait_for(Option::is_some).await;
    }

    /// Waits until the connection ends for good, and says why it did.
    pub async fn ended(&self) -> String {
        let mut ended = self.link.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "the client is closed".to_owned(),
        }
    }

    /// A queue of the room. Asks nobody; the queue need not be there.
    #[must_use]
    pub fn queue(&self, name: &str) -> Queue {
        Queue::new(self, name)
    }

    /// All queues of the room.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list(&self) -> Result<Vec<QueueInfo>, Error> {
        #[derive(Deserialize)]
        struct Queues {
            queues: Vec<QueueInfo>,
        }
        let queues: Queues = self.ask("list", &json!({}), How::READ).await?;
        Ok(queues.queues)
    }

    /// Does all that a transaction says, or nothing.
    ///
    /// # Errors
    /// [`Error`]; `lease_lost` or `duplicate` if nothing was done.
    pub async fn transact(&self, transaction: &Transaction) -> Result<Vec<PartDone>, Error> {
        #[derive(Deserialize)]
        struct Parts {
            parts: Vec<PartDone>,
        }
        let answer = self.link.call("transaction", None, transaction, How::ONCE).await?;
        Ok(serde_json::from_str::<Parts>(answer.get())?.parts)
    }

    /// What happens to all queues of the room, as it happens.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn watch(&self) -> Result<Watch, Error> {
        Watch::open(self, None).await
    }

    /// Who is in the room.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn participants(&self) -> Result<Vec<Participant>, Error> {
        #[derive(Deserialize)]
        struct Participants {
            participants: Vec<Participant>,
        }
        let answer: Participants = self.ask("participants", &json!({}), How::READ).await?;
        Ok(answer.participants)
    }

    /// Takes part in what participants say to each other, or no longer. After a lost session it is to be
    /// said again.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn messaging(&self, is_enabled: bool) -> Result<(), Error> {
        self.say("messaging", json!({ "enabled": is_enabled })).await
    }

    /// What other participants say and do, from now on; [messaging](Self::messaging) must be enabled.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.link.notices.subscribe()
    }

    /// Says something to one participant, or to all others.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn message(
        &self,
        to: Option<&str>,
        kind: &str,
        message: &Value,
    ) -> Result<(), Error> {
        let mut fields = json!({ "type": kind, "message": message });
        if let (Some(to), Some(fields)) = (to, fields.as_object_mut()) {
            fields.insert("to".to_owned(), to.into());
        }
        self.say("message", fields).await
    }

    /// Sets what the others see of us.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set_attributes(&self, attributes: &Map<String, Value>) -> Result<(), Error> {
        self.say("attributes", json!({ "attributes": attributes })).await
    }

    async fn say(&self, op: &str, fields: Value) -> Result<(), Error> {
        self.link.call(op, None, &fields, How::ONCE).await.map(drop)
    }

    async fn ask<T: for<'a> Deserialize<'a>>(
        &self,
        op: &str,
        fields: &Value,
        how: How,
    ) -> Result<T, Error> {
        let answer = self.link.call(op, None, fields, how).await?;
        Ok(serde_json::from_str(answer.get())?)
    }
}
