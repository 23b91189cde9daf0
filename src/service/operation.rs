//! What can be asked through the door, and what comes back. The same for every protocol.

use std::sync::Arc;

use bytes::Bytes;

pub use crate::engine::{
    Action, Ageing, Attributes, Backoff, BackoffKind, CatchUp, Command, Counts, DedupKey,
    Delivered, Durability, Encryption, Event, Explanation, FOREVER, Filter, GroupView, Happened,
    Inspection, Item, LeaseId, Message, MessageOrder, Name, NamedSettled, NewMessage, Notice,
    OnDuplicate, Options, Outcome as QueueOutcome, Overflow, ParentFailed, Park, Participant,
    PartitionSurvey, PartitionView, Permit, Position, QueueSettings, Rate, Receipt, ScheduleSpec,
    ScheduleView, SeekTo, Select, SettingsPatch, SettleNamed, Settled, SettledPart, Span, Start,
    State, States, Status, StreamSpec, Take, Term, Timing, Totals, Transaction, Unit, Verdict, Why,
    Window,
};
use crate::{
    auth::Names,
    error::Error,
    types::{GroupName, Payload, QueueName, RequestId, StreamName, Timestamp},
};

/// Whether a queue that is not there may be made for what is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Create {
    /// It must be there.
    #[default]
    No,
    /// With the defaults.
    Yes,
    /// With these settings.
    With(Arc<QueueSettings>),
}

impl From<bool> for Create {
    fn from(create: bool) -> Self {
        if create { Self::Yes } else { Self::No }
    }
}

impl Create {
    /// What a queue is made with, if not with the defaults.
    #[must_use]
    pub fn settings(&self) -> Option<&Arc<QueueSettings>> {
        match self {
            Self::With(settings) => Some(settings),
            Self::No | Self::Yes => None,
        }
    }
}

/// What happens to one queue in a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionPart {
    /// Which queue. One that is sent to is made if need be.
    pub queue: QueueName,
    /// What happens to it.
    pub transaction: Transaction,
    /// What it is made with; none: the defaults.
    pub founding: Option<Arc<QueueSettings>>,
}

/// One thing that a participant asks of its room.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields say what they are; the variants say what they mean")]
pub enum Operation {
    /// All queues of the room and their sizes.
    ListQueues,
    /// Something of one queue.
    Queue { queue: QueueName, create: Create, command: Command },
    /// Takes from whichever queue with all these labels has something, from those first that have the highest
    /// priority. The lease must not be bound to the session.
    TakeAny {
        labels: Vec<(Arc<str>, Arc<str>)>,
        /// Only from these queues: those that the token lets receive from. Whoever asks leaves it open.
        only: Option<Names>,
        take: Box<Take>,
    },
    /// Changes of several queues, together or not at all.
    Transact { parts: Vec<TransactionPart> },
    /// Keeps a note about messages of a queue, beside it; its partition is not looked at.
    Note { about: QueueName, note: NewMessage },
    /// Notes with all these labels, about one queue or all, by position; those after one.
    Notes { about: Option<QueueName>, labels: Vec<(Arc<str>, Arc<str>)>, after: Option<Position> },
    /// Defines windows over the messages of some queues; one that was defined otherwise begins anew.
    DefineStream { stream: StreamName, spec: StreamSpec },
    /// What a stream is.
    FindStream { stream: StreamName },
    /// A take, settle or extend of windows; `spec` is what the stream is.
    Stream { stream: StreamName, spec: Arc<StreamSpec>, command: Command },
    /// Moves a group to the first window of each key that begins at a time or later.
    SeekStream { stream: StreamName, spec: Arc<StreamSpec>, group: GroupName, at: Timestamp },
    /// Tells this session what happens in a queue, or in all queues of the room, from now on.
    Watch { queue: Option<QueueName> },
    /// Tells it no more.
    Unwatch { watch: RequestId },
    /// No receiver of this session is to be served any more; no reply.
    Unpark,
    /// Who is in the room.
    ListParticipants,
    /// Takes part in messaging.
    EnableMessaging,
    /// Takes part no longer.
    DisableMessaging,
    /// A message to one participant, not kept.
    SendMessage { to: String, kind: String, message: Payload, attachment: Bytes },
    /// A message to all others.
    Broadcast { kind: String, message: Payload, attachment: Bytes },
    /// Changes the participant's attributes.
    SetAttributes { changed: Attributes },
}

impl Operation {
    /// A message at the end of a queue.
    #[must_use]
    pub const fn send(queue: QueueName, message: NewMessage, create: Create) -> Self {
        Self::Queue { queue, create, command: Command::Send { message } }
    }

    /// Whether its answer may wait for something to happen, for as long as it takes.
    #[must_use]
    pub const fn parks(&self) -> bool {
        match self {
            Self::Queue { command, .. } | Self::Stream { command, .. } => command.parks(),
            Self::TakeAny { take, .. } => !matches!(take.park, Park::No),
            _ => false,
        }
    }
}

/// A queue in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSize {
    /// Its name.
    pub queue: QueueName,
    /// Ready messages.
    pub size: usize,
}

/// A positive answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is so.
    Done,
    /// What a queue answers.
    Queue {
        /// Which queue.
        queue: QueueName,
        /// Its answer.
        outcome: QueueOutcome,
    },
    /// What became of each part of a transaction, in the order of the request.
    Transacted {
        /// By part.
        parts: Vec<(QueueName, QueueOutcome)>,
    },
    /// What a stream is; none: there is none of this name.
    Stream {
        /// By its definition.
        spec: Option<Arc<StreamSpec>>,
    },
    /// Who is in the room.
    Participants {
        /// All that are there.
        participants: Vec<Participant>,
    },
    /// The queues, by name. Lists that were asked for at the same time share one.
    Queues {
        /// The list.
        queues: Arc<[QueueSize]>,
        /// Bytes booked on the link for it.
        booked: usize,
    },
    /// A JSON value that the protocol itself knows.
    Json(&'static str),
    /// The time, which the protocol itself was told.
    Time(Timestamp),
}

/// A request: what is asked, what the client calls it, what it holds until its reply is written.
#[derive(Debug)]
pub struct Request {
    /// The client's name for it.
    pub id: RequestId,
    /// Given back with the reply.
    pub permit: Permit,
    /// What is asked.
    pub operation: Operation,
}

/// The one reply to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Whose.
    pub id: RequestId,
    /// What the request held.
    pub permit: Permit,
    /// The answer.
    pub result: Result<Outcome, Error>,
}

/// What reaches a session.
#[derive(Debug)]
pub enum ToSession {
    /// A reply to a request of its own.
    Reply(Reply),
    /// A message for a standing receiver of its own.
    Push {
        /// The request that made the receiver.
        receiver: RequestId,
        /// Where the message comes from.
        queue: QueueName,
        /// The message.
        delivered: Delivered,
    },
    /// Something happened in a queue that it watches.
    Event {
        /// The request that asked for it.
        watch: RequestId,
        /// Where.
        queue: QueueName,
        /// What.
        event: Event,
    },
    /// So many events were left out: they came faster than they were read.
    Missed {
        /// The request that asked for them.
        watch: RequestId,
        /// How many.
        count: u64,
    },
    /// News of others.
    Notice(Notice),
    /// The server is closing: take in the last receipts and go.
    Finish,
}

/// What is to be written to the peer of a session.
#[derive(Debug)]
pub enum Outgoing {
    /// A reply to its request of this name.
    Reply(RequestId, Result<Outcome, Error>),
    /// A message for its standing receiver of this name.
    Push(RequestId, QueueName, Delivered),
    /// Something happened; by the name of the request to watch.
    Event(RequestId, QueueName, Event),
    /// So many events were left out.
    Missed(RequestId, u64),
    /// News.
    Notice(Notice),
}
