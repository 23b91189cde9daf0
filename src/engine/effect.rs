//! What a command causes. Carried out by the shell, in order.

use std::{fmt, str::FromStr, sync::Arc};

use super::{
    command::{ReplyTo, State},
    message::{Message, Position, parse_dashed},
    record::{Record, RecordNumber},
    settings::QueueSettings,
    view::{Explanation, Inspection, PartitionSurvey},
};
use crate::{
    error::ErrorCode,
    types::{GroupName, PartitionKey, Payload, Timestamp},
};

/// One delivery of one message. A settle by a lease that is no longer live is passed over, so an old holder
/// can never finish a message that has moved on.
///
/// Written `GROUP-PARTITION-OFFSET-GENERATION`; to a client it is a text without meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId {
    /// The group's number.
    pub group: u32,
    /// Which message.
    pub position: Position,
    /// Grows with every take of the queue, and over restarts.
    pub generation: u64,
}

impl LeaseId {
    /// The numbers of its text, which dashes separate.
    #[must_use]
    pub const fn parts(self) -> [u64; 4] {
        let [partition, offset] = self.position.parts();
        [self.group as u64, partition, offset, self.generation]
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.group, self.position, self.generation)
    }
}

impl FromStr for LeaseId {
    type Err = ();

    /// Only the one way of writing it.
    fn from_str(text: &str) -> Result<Self, ()> {
        let [group, partition, offset, generation] = parse_dashed(text)?;
        let number = |number| u32::try_from(number).map_err(|_| ());
        let position = Position { partition: number(partition)?, offset };
        Ok(Self { group: number(group)?, position, generation })
    }
}

/// A message in somebody's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The message.
    pub message: Arc<Message>,
    /// Name of its partition.
    pub partition: PartitionKey,
    /// To settle it with; none: it is done already.
    pub lease: Option<LeaseId>,
    /// Which delivery of it to this group; the first is 1.
    pub attempt: u32,
    /// When the lease ends, if it is timed.
    pub until: Option<Timestamp>,
}

/// What became of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Where it is; of a duplicate, where the first one is or was.
    pub position: Position,
    /// The sender's id of it, of a duplicate the first one's; none: the position is the id.
    pub id: Option<Arc<str>>,
    /// Whether it was known already, and nothing was added.
    pub duplicate: bool,
}

/// What became of a lease that was to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The message is done.
    Done,
    /// It is ready again, at this time if there is one.
    Back {
        /// None: at once.
        at: Option<Timestamp>,
    },
    /// It is a dead letter now.
    Dead,
    /// It was given up, and the queue keeps no dead letters.
    Dropped,
    /// It is removed.
    Cancelled,
    /// The lease was not live any more; nothing happened.
    Lost,
}

/// What became of a message that was to be settled by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedSettled {
    /// As by a lease.
    Settled(Settled),
    /// The group was done with it before, or has given it up; nothing happened.
    Before,
    /// The lease was settled as a whole before, and this message with it; nothing happened.
    Again,
    /// No such message is in anybody's hands, or was.
    Unknown,
}

/// What became of the deliveries of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledPart {
    /// Whether a lease of the partition ended by it.
    pub released: bool,
    /// In the order of the request.
    pub items: Vec<NamedSettled>,
}

/// A message as a group sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The message.
    pub message: Arc<Message>,
    /// Name of its partition.
    pub partition: crate::types::PartitionKey,
    /// Where it stands. Of one that is gone: `Done`.
    pub state: State,
    /// Deliveries so far, as far as they are known.
    pub attempts: u32,
    /// Failures so far.
    pub failures: u32,
    /// When it changes by itself: ready again, or the lease's end.
    pub until: Option<Timestamp>,
    /// When it was given up or done.
    pub ended_at: Option<Timestamp>,
    /// Why it was given up, or how it ended without being done.
    pub reason: Option<Arc<str>>,
    /// What its taker said.
    pub result: Option<Payload>,
}

/// A positive answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields say what they are; the variants say what they mean")]
pub enum Outcome {
    /// It is so.
    Done,
    /// The settings in force.
    Configured(Box<QueueSettings>),
    /// The message is in the queue.
    Sent(Receipt),
    /// So are these.
    SentBatch(Vec<Receipt>),
    /// Messages; never none.
    Delivered(Vec<Delivered>),
    /// Something could be taken, by a take that only wants to be told.
    Takeable,
    /// Nothing is ready, and the take does not wait, or no longer.
    Empty,
    /// What became of each lease, in the order of the request; empty if nobody hears it.
    Settled(Vec<Settled>),
    /// What became of each partition, in the order of the request.
    SettledNamed(Vec<SettledPart>),
    /// When each lease ends now; none: it was not live, or is not timed.
    Extended(Vec<Option<Timestamp>>),
    /// It is done, all of it.
    Transacted { settled: Vec<Settled>, named: Vec<SettledPart>, sent: Vec<Receipt> },
    /// It can be done, and what it needs is kept.
    Prepared,
    /// So many messages were removed.
    Purged { count: u64 },
    /// So many messages were changed, or would be; the first 1,000 of them.
    Changed { count: u64, positions: Vec<Position> },
    /// Messages by position, and where to go on.
    Browsed { items: Vec<Item>, next: Option<Position> },
    /// The message.
    Found(Box<Item>),
    /// The message as each group sees it: the work group first, then the others by name.
    Looked(Vec<(Option<GroupName>, Item)>),
    /// The schedule's next occurrence; none: there is no more.
    Scheduled { next: Option<Timestamp> },
    /// Partitions by number, and the number to go on after.
    Surveyed { partitions: Vec<PartitionSurvey>, next: Option<u32> },
    /// The queue.
    Inspected(Box<Inspection>),
    /// Why nothing moves.
    Explained(Box<Explanation>),
}

/// What happened to a queue or a message, for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// The queue is open.
    Opened,
    /// The queue is closed.
    Closed,
    /// It hands out nothing.
    Paused,
    /// It hands out again.
    Resumed,
    /// Settings changed.
    Configured,
    /// It is gone.
    Deleted,
    /// Messages were removed.
    Purged,
    /// A message was added.
    Sent,
    /// A message became ready: its time came, its parents are done, or it was promoted or redriven.
    Ready,
    /// A message was handed out.
    Delivered,
    /// A message is done.
    Done,
    /// A message came back after a failure.
    Retried,
    /// A message came back untouched.
    Released,
    /// A lease ran out.
    LeaseExpired,
    /// A message was given up and is kept.
    Dead,
    /// A message was given up, went past its time, or made room, and is not kept.
    Dropped,
    /// A message was removed by hand.
    Cancelled,
    /// A group was made.
    GroupOpened,
    /// A group was removed.
    GroupDeleted,
    /// A group was moved.
    Sought,
    /// A schedule sent its message.
    Fired,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Happened,
    /// To which message.
    pub message: Option<Arc<Message>>,
    /// In which group; none is the work group.
    pub group: Option<GroupName>,
    /// How many messages, where it is not one.
    pub count: u64,
}

/// One thing for the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write this record; it gets the next [`RecordNumber`].
    Append(Record),
    /// Answer. Not before the record it rests on is durable, and not before the effects ahead of it.
    Reply {
        /// To whom.
        to: ReplyTo,
        /// What.
        result: Result<Outcome, ErrorCode>,
        /// The newest record that this answer depends on.
        rests_on: RecordNumber,
    },
    /// Hand a message to a standing receiver, under the same rules.
    Push {
        /// The request that made the receiver.
        to: ReplyTo,
        /// What.
        delivered: Delivered,
        /// As for a reply.
        rests_on: RecordNumber,
    },
    /// Tell those who watch.
    Notify(Event),
}
