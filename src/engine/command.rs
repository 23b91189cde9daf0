//! What can be asked of a queue.

use std::sync::Arc;

use super::{
    effect::LeaseId,
    message::{NewMessage, Position},
    schedule::ScheduleSpec,
    settings::SettingsPatch,
};
use crate::types::{
    GroupName, Millis, PartitionKey, Payload, RequestId, ScheduleName, SessionId, Timestamp,
};

/// What a request holds until its reply is written; opaque to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permit {
    /// One of the connection's requests in flight.
    InFlight,
    /// The same; and only a refusal is to be written.
    Silent,
    /// One of the connection's parked receivers.
    Parked,
    /// Nothing: the session asked on its own account, and no reply is written.
    None,
}

/// Where a reply goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyTo {
    /// The session that asked.
    pub session: SessionId,
    /// What it calls its request.
    pub request: RequestId,
    /// What the reply gives back.
    pub permit: Permit,
}

/// Where a group begins that is met for the first time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// At the oldest message that is kept.
    #[default]
    All,
    /// After the newest.
    New,
    /// At the first message sent at this time or later.
    From(Timestamp),
}

/// What a take leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Single messages, each with a lease of its own.
    Message,
    /// Whole partitions: the first ready messages of each, in order, under one lease that keeps all others
    /// of the group out of the partition.
    Partition {
        /// At most so many partitions.
        max: u32,
    },
    /// The same, but of each partition only the last one of these messages: those before it are done with that.
    Newest {
        /// At most so many partitions.
        max: u32,
    },
}

impl Unit {
    /// Whether partitions are leased; at most so many.
    pub(super) const fn partitions(self) -> Option<u32> {
        match self {
            Self::Message => None,
            Self::Partition { max } | Self::Newest { max } => Some(max),
        }
    }
}

/// How long the taker has what it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// As long as its session lives.
    Session,
    /// A time; and with `bound` not longer than its session lives.
    Timed {
        /// None: the queue's.
        length: Option<Millis>,
        /// Whether the end of the session ends the lease.
        bound: bool,
    },
    /// No lease: it is done when it is handed out.
    Auto,
}

/// What happens to a take that finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Park {
    /// It is answered `Empty`.
    No,
    /// It waits, until a time if there is one, and is then answered `Empty`.
    Until(Option<Timestamp>),
    /// It waits likewise and is given nothing: it is answered `Takeable` as soon as it could be given something.
    Told(Option<Timestamp>),
    /// It stands: messages are pushed to it as they come, as long as fewer than `credit` of them are
    /// leased to it. Only for [`Unit::Message`]; `max` means nothing.
    Standing {
        /// So many may be unsettled.
        credit: u32,
    },
}

/// A take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// Which group; none is the work group.
    pub group: Option<GroupName>,
    /// Where the group begins, if it is new.
    pub start: Start,
    /// Only from this partition.
    pub partition: Option<PartitionKey>,
    /// What is leased.
    pub unit: Unit,
    /// At most so many messages; at least 1.
    pub max: u32,
    /// For how long.
    pub term: Term,
    /// Only messages with all these labels. Only for [`Unit::Message`].
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// When nothing is there.
    pub park: Park,
}

impl Take {
    /// One message of the work group, as long as the session lives.
    #[must_use]
    pub const fn one(park: Park) -> Self {
        Self {
            group: None,
            start: Start::All,
            partition: None,
            unit: Unit::Message,
            max: 1,
            term: Term::Session,
            labels: Vec::new(),
            park,
        }
    }
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Done, perhaps with a result for those who wait for it.
    Done {
        /// The result.
        result: Option<Payload>,
    },
    /// It failed: ready again after a wait, or given up if it failed too often.
    Retry {
        /// None: as the back-off says.
        delay: Option<Millis>,
        /// Why it failed.
        reason: Option<Arc<str>>,
    },
    /// It is given up at once.
    Dead {
        /// Why.
        reason: Option<Arc<str>>,
    },
    /// Given back untouched; no failure is counted.
    Release {
        /// Ready again after this; none or 0: at once.
        delay: Option<Millis>,
    },
    /// The message is removed from the queue, for all groups.
    Cancel,
}

/// A message of a partition: the first one with this key, else the one at this place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The key that it was sent with.
    pub key: Arc<str>,
    /// Where it is, if that is known.
    pub position: Option<Position>,
}

/// Deliveries of one partition that are to be ended, by the names of their messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleNamed {
    /// Which group; none is the work group.
    pub group: Option<GroupName>,
    /// Which partition.
    pub partition: PartitionKey,
    /// Generation of the lease of the partition; none: whatever lease there is, or none at all.
    pub lease: Option<u64>,
    /// Which, and how.
    pub items: Vec<(Name, Verdict)>,
}

/// Where the delivery of a message to a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// Waits for other messages to be done.
    Blocked = 1,
    /// Waits for its time.
    Delayed = 2,
    /// Can be taken.
    Ready = 4,
    /// Somebody has it.
    Leased = 8,
    /// Given up, and kept apart.
    Dead = 16,
    /// Done, and kept for a while.
    Done = 32,
}

impl State {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Blocked, Self::Delayed, Self::Ready, Self::Leased, Self::Dead, Self::Done];

    /// The state's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Delayed => "delayed",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Dead => "dead",
            Self::Done => "done",
        }
    }
}

/// A set of states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct States(u8);

impl States {
    /// Every state.
    pub const ALL: Self = Self(63);
    /// Ready only.
    pub const READY: Self = Self(State::Ready as u8);
    /// Dead only.
    pub const DEAD: Self = Self(State::Dead as u8);

    /// Whether `state` is one of them.
    #[must_use]
    pub const fn contains(self, state: State) -> bool {
        self.0 & state as u8 != 0
    }
}

impl FromIterator<State> for States {
    fn from_iter<T: IntoIterator<Item = State>>(states: T) -> Self {
        Self(states.into_iter().fold(0, |set, state| set | state as u8))
    }
}

/// Which messages of a group are meant. All conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// In one of these states.
    pub states: States,
    /// In this partition.
    pub partition: Option<PartitionKey>,
    /// Sent at this time or later.
    pub sent_from: Option<Timestamp>,
    /// Sent before this time.
    pub sent_before: Option<Timestamp>,
    /// Of this kind.
    pub kind: Option<Arc<str>>,
    /// With all these labels.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// Dead, and this text is part of the reason.
    pub reason: Option<Arc<str>>,
}

impl Filter {
    /// All messages in these states.
    #[must_use]
    pub const fn states(states: States) -> Self {
        Self {
            states,
            partition: None,
            sent_from: None,
            sent_before: None,
            kind: None,
            labels: Vec::new(),
            reason: None,
        }
    }
}

/// Which messages a change is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// Those with these ids.
    Ids(Vec<Arc<str>>),
    /// The first ones, by position, that a filter lets through.
    Matching {
        /// The filter.
        filter: Filter,
        /// At most so many.
        limit: u32,
    },
}

/// A change by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Removed from the queue for all groups, in whatever state.
    Cancel,
    /// Delayed → ready at once.
    Promote,
    /// Dead → ready, with no failures counted; one after the other if there is a rate.
    Redrive {
        /// Messages per second.
        per_second: Option<u32>,
    },
    /// Blocked, delayed, ready or dead → done, by nobody.
    Discard,
    /// Blocked, delayed or ready → dead.
    Bury {
        /// Why.
        reason: Option<Arc<str>>,
    },
}

impl Action {
    /// Whether it does anything to a message in this state.
    pub(super) const fn fits(&self, state: State) -> bool {
        match self {
            Self::Cancel => true,
            Self::Promote => matches!(state, State::Delayed),
            Self::Redrive { .. } => matches!(state, State::Dead),
            Self::Discard => !matches!(state, State::Leased | State::Done),
            Self::Bury { .. } => matches!(state, State::Blocked | State::Delayed | State::Ready),
        }
    }
}

/// Where a group is moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeekTo {
    /// The oldest message that is kept.
    Start,
    /// After the newest.
    End,
    /// The first message sent at this time or later.
    Time(Timestamp),
    /// Where the group began.
    Origin,
    /// The first message with this offset or a later one, in each partition that is meant.
    Offset(u64),
}

/// Several changes of one queue that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Leases that end; each must be live.
    pub settles: Vec<(LeaseId, Verdict)>,
    /// Deliveries that end by the names of their messages; each message must be in somebody's hands, or be done
    /// and named as done. A partition of a group stands here once.
    pub named: Vec<SettleNamed>,
    /// Messages that are added; none may have been sent before.
    pub sends: Vec<NewMessage>,
}

/// The closed list of what can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Makes the queue, or opens it again after `Close`; with settings, changes them too.
    Open {
        /// Settings to be changed.
        settings: Option<Box<SettingsPatch>>,
        /// Whether an open queue may be opened.
        idempotent: bool,
    },
    /// Changes settings.
    Configure {
        /// What is to be changed.
        settings: Box<SettingsPatch>,
        /// Whether all others go back to their defaults.
        replace: bool,
    },
    /// Refuses sends and takes from now on and ends all parked receivers. Messages stay.
    Close,
    /// Hands out nothing from now on; sends go on, receivers stay parked.
    Pause,
    /// Hands out again.
    Resume,
    /// Removes the queue with all that is in it.
    Delete,
    /// Adds a message at the end.
    Send {
        /// The message.
        message: NewMessage,
    },
    /// Adds several messages, all or none.
    SendBatch {
        /// The messages.
        messages: Vec<NewMessage>,
    },
    /// Takes messages.
    Take(Box<Take>),
    /// Sets the credit of a standing receiver of the asking session.
    Credit {
        /// The request that made it.
        receiver: RequestId,
        /// So many may be unsettled; 0: nothing more is pushed.
        credit: u32,
    },
    /// Forgets one parked or standing receiver of the asking session. Its leases stay.
    Cancel {
        /// The request that made it.
        receiver: RequestId,
    },
    /// Ends leases. One that is no longer live is passed over and answered `Lost`.
    Settle {
        /// Which, and how.
        items: Vec<(LeaseId, Verdict)>,
    },
    /// Ends deliveries by the names of their messages, partition by partition.
    SettleNamed {
        /// Which, and how.
        parts: Vec<SettleNamed>,
    },
    /// Prolongs timed leases.
    Extend {
        /// Which.
        leases: Vec<LeaseId>,
        /// They end so long after now, if that is later than they would have; none: the queue's lease.
        by: Option<Millis>,
    },
    /// Prolongs all partition leases that one take gave.
    ExtendTake {
        /// Their generation.
        generation: u64,
        /// They end so long after now, if that is later than they would have.
        by: Millis,
    },
    /// Several changes together or not at all.
    Transact(Box<Transaction>),
    /// First step of a change of several queues: checks, and keeps what is needed.
    Prepare {
        /// Names it.
        ticket: u64,
        /// What is to be done.
        transaction: Box<Transaction>,
    },
    /// Second step: does it. Cannot fail.
    Commit {
        /// Which.
        ticket: u64,
    },
    /// Second step: gives back what was kept.
    Abort {
        /// Which.
        ticket: u64,
    },
    /// Removes the messages of a group that are in these states; leased ones are never meant.
    Purge {
        /// Which group; none is the work group.
        group: Option<GroupName>,
        /// Which states.
        states: States,
    },
    /// Changes messages by hand.
    Change {
        /// As this group sees them; none is the work group.
        group: Option<GroupName>,
        /// Which.
        select: Box<Select>,
        /// How.
        action: Box<Action>,
        /// Only count them.
        dry_run: bool,
    },
    /// Shows messages without taking them, by position.
    Browse {
        /// As this group sees them; none is the work group.
        group: Option<GroupName>,
        /// Which.
        filter: Box<Filter>,
        /// Only those after this one.
        after: Option<Position>,
        /// At most so many.
        limit: u32,
    },
    /// Shows one message.
    Find {
        /// As this group sees it; none is the work group.
        group: Option<GroupName>,
        /// Its id.
        id: Arc<str>,
    },
    /// Shows one message as each group sees it.
    Look {
        /// In which partition.
        partition: PartitionKey,
        /// Which.
        name: Name,
    },
    /// Waits until a message is done, dead or gone in the work group.
    Await {
        /// Its id.
        id: Arc<str>,
        /// Then it is shown as it is; none: no wait.
        until: Option<Timestamp>,
    },
    /// Makes a group.
    OpenGroup {
        /// Its name.
        group: GroupName,
        /// Where it begins.
        start: Start,
    },
    /// Says anew where a group began. It is not moved by that.
    SetStart {
        /// Its name.
        group: GroupName,
        /// Where it began.
        start: Start,
    },
    /// Removes a group.
    DeleteGroup {
        /// Its name.
        group: GroupName,
    },
    /// Moves a group: everything kept from there on is ready again, everything before is done. Its leases
    /// are lost.
    Seek {
        /// Which group; none is the work group.
        group: Option<GroupName>,
        /// Only in this partition.
        partition: Option<PartitionKey>,
        /// Where to.
        to: SeekTo,
    },
    /// Makes or replaces a schedule.
    PutSchedule {
        /// Its name.
        name: ScheduleName,
        /// When, and what.
        spec: Box<ScheduleSpec>,
    },
    /// Removes a schedule.
    DeleteSchedule {
        /// Its name.
        name: ScheduleName,
    },
    /// Stops a schedule, or lets it go on with the next occurrence after now.
    PauseSchedule {
        /// Its name.
        name: ScheduleName,
        /// Stop, or go on.
        paused: bool,
    },
    /// Sends a schedule's message now; its next occurrence stays.
    FireSchedule {
        /// Its name.
        name: ScheduleName,
    },
    /// Shows the queue: settings, groups, counts, schedules.
    Inspect,
    /// Shows partitions, by number.
    Survey {
        /// As this group sees them; none is the work group.
        group: Option<GroupName>,
        /// Only this one.
        partition: Option<PartitionKey>,
        /// Only those with a higher number.
        after: Option<u32>,
        /// At most so many.
        limit: u32,
    },
    /// Says why nothing moves.
    Explain {
        /// In which group; none is the work group.
        group: Option<GroupName>,
    },
    /// Forgets all parked and standing receivers of the asking session without an answer. Leases stay.
    Unpark,
    /// The asking session is gone: its receivers are forgotten, its session-bound leases return.
    Abandon,
}

impl Command {
    /// Whether it may need more room in the store for good.
    #[must_use]
    pub const fn grows(&self) -> bool {
        match self {
            Self::Open { .. }
            | Self::Configure { .. }
            | Self::Send { .. }
            | Self::SendBatch { .. }
            | Self::OpenGroup { .. }
            | Self::PutSchedule { .. } => true,
            Self::Transact(transaction) | Self::Prepare { transaction, .. } => {
                !transaction.sends.is_empty()
            }
            _ => false,
        }
    }

    /// Whether its answer may wait for something to happen, for as long as it takes.
    #[must_use]
    pub const fn parks(&self) -> bool {
        match self {
            Self::Take(take) => !matches!(take.park, Park::No),
            Self::Await { until, .. } => until.is_some(),
            _ => false,
        }
    }
}
