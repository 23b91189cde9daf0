//! What the handles of a client share with the task that has the connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::{
    ConnectionEvent, Error, Hello, Notice, QueueEvent, ServerLimits, frame, message::Wire,
};

pub(super) type Answer = Result<Box<RawValue>, Error>;

/// What a handle asks of the connection.
pub(super) enum Command {
    /// A call, a subscription or a watch.
    Request { id: u64, text: Utf8Bytes, pending: Pending },
    /// A request that nobody waits for.
    Say(Utf8Bytes),
}

/// Who waits for the answer to a request.
pub(super) enum Pending {
    Call(Call),
    Receiver(Receiver),
    Watcher(Watcher),
}

/// A call that waits for its one answer.
pub(super) struct Call {
    pub(super) reply: oneshot::Sender<Answer>,
    /// Whether it does no harm twice, and so is made again in a new session.
    pub(super) is_repeatable: bool,
    /// The queue whose messages the answer brings, to be given back if nobody wants them.
    pub(super) takes_from: Option<Arc<str>>,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// A subscription.
pub(super) struct Receiver {
    pub(super) queue: Arc<str>,
    pub(super) messages: mpsc::Sender<Delivery>,
    pub(super) end: End,
}

/// A message on its way to a subscription.
pub(super) struct Delivery {
    pub(super) message: Wire,
    pub(super) epoch: u64,
}

/// A watch.
pub(super) struct Watcher {
    /// Taken when the server has agreed.
    pub(super) reply: Option<oneshot::Sender<Answer>>,
    pub(super) events: mpsc::Sender<QueueEvent>,
    pub(super) missed: Arc<Missed>,
}

/// Events of a watch that there was no room for since its reader last heard of such.
#[derive(Default)]
pub(super) struct Missed {
    count: AtomicU64,
    reader: AtomicWaker,
}

impl Missed {
    /// Adds some.
    pub(super) fn add(&self, count: u64) {
        self.count.fetch_add(count, Ordering::AcqRel);
        self.reader.wake();
    }

    /// Whether the reader has not heard of some yet: then what comes now would be out of its order.
    pub(super) fn is_open(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// For the reader, which has read all that there was room for.
    pub(super) fn take(&self, cx: &std::task::Context<'_>) -> Option<u64> {
        self.reader.register(cx.waker());
        Some(self.count.swap(0, Ordering::AcqRel)).filter(|count| *count > 0)
    }
}

/// What a watch brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchItem {
    /// Something happened.
    Event(QueueEvent),
    /// So many events came faster than they were read, and are lost.
    Missed(u64),
}

/// Why a stream ended, if not because it was asked to; set before it ends.
pub(super) type End = Arc<Mutex<Option<Error>>>;

/// What is to be done for handles that were dropped.
pub(super) enum Abandoned {
    /// Nobody waits for this request any more.
    Cancel(u64),
    /// Nor for the events of this watch.
    Unwatch(u64),
    /// Messages that nobody took.
    Release { queue: Arc<str>, leases: Vec<String> },
}

/// What both sides write on. Never holds more than one entry per request under way.
#[derive(Default)]
pub(super) struct Board {
    abandoned: Mutex<Vec<Abandoned>>,
    pub(super) wake: Notify,
    /// Grows with each new session.
    pub(super) epoch: AtomicU64,
}

impl Board {
    pub(super) fn abandon(&self, what: Abandoned) {
        self.abandoned.lock().push(what);
        self.wake.notify_one();
    }

    pub(super) fn take(&self) -> Vec<Abandoned> {
        std::mem::take(&mut *self.abandoned.lock())
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }
}

/// The handles' end. When the last one is dropped, the connection is closed.
pub(super) struct Link {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) board: Arc<Board>,
    pub(super) next_id: AtomicU64,
    pub(super) in_flight: Arc<Semaphore>,
    pub(super) waiting: Arc<Semaphore>,
    pub(super) hello: watch::Receiver<Hello>,
    pub(super) connection: broadcast::Sender<ConnectionEvent>,
    pub(super) notices: broadcast::Sender<Notice>,
    pub(super) timeout: Duration,
    /// Set to true, it asks the connection to end.
    pub(super) closing: watch::Sender<bool>,
    /// Why the connection ended for good.
    pub(super) ended: watch::Receiver<Option<String>>,
}

/// How a call is made.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct How {
    /// The server may wait so long before it answers; none: it answers at once.
    pub(super) waits: Option<Duration>,
    pub(super) is_repeatable: bool,
    /// The answer brings messages.
    pub(super) takes: bool,
}

impl How {
    /// Changes something.
    pub(super) const ONCE: Self = Self { waits: None, is_repeatable: false, takes: false };
    /// Only looks.
    pub(super) const READ: Self = Self { waits: None, is_repeatable: true, takes: false };
}

impl Link {
    pub(super) fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn limits(&self) -> ServerLimits {
        self.hello.borrow().limits
    }

    pub(super) fn closed(&self) -> Error {
        let reason = self.ended.borrow().clone();
        Error::Closed {
            may_have_happened: false,
            reason: reason.unwrap_or_else(|| "the client is closed".to_owned()),
        }
    }

    /// Makes a call and waits for its answer.
    pub(super) async fn call(
        &self,
        op: &str,
        queue: Option<&str>,
        fields: &(impl Serialize + ?Sized),
        how: How,
    ) -> Answer {
        let limit = self.timeout.saturating_add(how.waits.unwrap_or_default());
        let mut is_sent = false;
        let call = self.call_without_end(op, queue, fields, how, &mut is_sent);
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::TimedOut { may_have_happened: is_sent && !how.is_repeatable }),
        }
    }

    async fn call_without_end(
        &self,
        op: &str,
        queue: Option<&str>,
        fields: &(impl Serialize + ?Sized),
        how: How,
        is_sent: &mut bool,
    ) -> Answer {
        let waits = if how.waits.is_some() { &self.waiting } else { &self.in_flight };
        let permit = Arc::clone(waits).acquire_owned().await.map_err(|_| self.closed())?;
        let id = self.new_id();
        let text = frame::request(Some(id), op, queue, fields)?;
        let most = self.limits().message_bytes;
        if most > 0 && text.len() as u64 > most {
            let length = text.len();
            return Err(Error::Invalid(format!(
                "the request has {length} bytes, and the server takes {most}"
            )));
        }
        let (reply, answer) = oneshot::channel();
        let takes_from = if how.takes { queue.map(Arc::from) } else { None };
        let pending = Pending::Call(Call {
            reply,
            is_repeatable: how.is_repeatable,
            takes_from: takes_from.clone(),
            _permit: permit,
        });
        let command = Command::Request { id, text: text.into(), pending };
        self.commands.send(command).await.map_err(|_| self.closed())?;
        *is_sent = true;
        let mut waiting = Waiting {
            id,
            answer,
            board: &self.board,
            takes_from,
            is_cancelled: how.waits.is_some(),
            is_over: false,
        };
        let result = (&mut waiting.answer).await;
        waiting.is_over = true;
        result.unwrap_or_else(|_| {
            let reason = self.ended.borrow().clone().unwrap_or_else(|| "closed".to_owned());
            Err(Error::Closed { may_have_happened: !how.is_repeatable, reason })
        })
    }
}

/// A call whose answer is awaited. Dropped before, it ends the wait on the server, and gives back what came.
struct Waiting<'a> {
    id: u64,
    answer: oneshot::Receiver<Answer>,
    board: &'a Board,
    takes_from: Option<Arc<str>>,
    is_cancelled: bool,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.answer.close();
        match (self.answer.try_recv(), &self.takes_from) {
            (Ok(Ok(answer)), Some(queue)) => {
                let leases = leases(answer.get());
                if !leases.is_empty() {
                    self.board.abandon(Abandoned::Release { queue: Arc::clone(queue), leases });
                }
            }
            (Ok(_), _) => {}
            (Err(_), _) if self.is_cancelled => self.board.abandon(Abandoned::Cancel(self.id)),
            (Err(_), _) => {}
        }
    }
}

/// The leases of the messages in an answer.
pub(super) fn leases(answer: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Leased {
        lease: Option<String>,
    }
    #[derive(serde::Deserialize)]
    struct Messages {
        messages: Vec<Leased>,
    }
    let messages =
        serde_json::from_str(answer).map_or_else(|_| Vec::new(), |m: Messages| m.messages);
    messages.into_iter().filter_map(|message| message.lease).collect()
}

/// The request that gives messages back untouched.
pub(super) fn release(queue: &str, leases: &[String]) -> Result<String, Error> {
    let items: Vec<_> = leases
        .iter()
        .map(|lease| serde_json::json!({"lease": lease, "outcome": "release"}))
        .collect();
    frame::request(None, "settle", Some(queue), &serde_json::json!({ "items": items }))
}
