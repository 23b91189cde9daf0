//! What can be seen of a queue: counts, settings, and why nothing moves.

use super::{schedule::ScheduleSpec, settings::QueueSettings};
use crate::types::{GroupName, PartitionKey, ScheduleName, Timestamp};

/// Messages by state, as one group sees them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "see State")]
pub struct Counts {
    pub blocked: u64,
    pub delayed: u64,
    pub ready: u64,
    pub leased: u64,
    pub dead: u64,
    pub done: u64,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// None: the work group.
    pub name: Option<GroupName>,
    /// Its messages.
    pub counts: Counts,
    /// Its parked and standing receivers.
    pub receivers: u64,
    /// When the oldest ready message was sent; with another order than `Fifo`, the oldest of those that are
    /// taken first from their partitions.
    pub oldest_ready: Option<Timestamp>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionView {
    /// Its name.
    pub key: PartitionKey,
    /// Its number.
    pub number: u32,
    /// Messages kept in it, in whatever state.
    pub messages: u64,
    /// Offset of the next message.
    pub end: u64,
}

/// A partition as a group sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionSurvey {
    /// Its name.
    pub key: PartitionKey,
    /// Its number.
    pub number: u32,
    /// Offset of the oldest kept message; with none the end.
    pub start: u64,
    /// Offset of the next message.
    pub end: u64,
    /// Its kept messages.
    pub counts: Counts,
    /// When the oldest one was sent that is neither done nor dead.
    pub oldest_open: Option<Timestamp>,
    /// When the newest kept one was sent.
    pub newest: Option<Timestamp>,
    /// When the lease on the partition ends.
    pub leased_until: Option<Timestamp>,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleView {
    /// Its name.
    pub name: ScheduleName,
    /// When, what, how.
    pub spec: ScheduleSpec,
    /// Its next occurrence.
    pub next: Option<Timestamp>,
}

/// How often what happened since the queue's actor started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "see Happened")]
pub struct Totals {
    pub sent: u64,
    pub duplicates: u64,
    pub delivered: u64,
    pub done: u64,
    pub retried: u64,
    pub released: u64,
    pub leases_expired: u64,
    pub dead: u64,
    pub dropped: u64,
    pub cancelled: u64,
}

/// Whether a queue is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was never made, or it was deleted.
    Absent,
    /// It takes and gives.
    Open,
    /// It does neither.
    Closed,
}

/// Partitions shown at most.
pub(super) const PARTITIONS_SHOWN: usize = 1000;

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Whether it is there.
    pub status: Status,
    /// Whether it hands out nothing.
    pub paused: bool,
    /// The settings in force.
    pub settings: QueueSettings,
    /// Messages kept, in whatever state.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// The work group first, then the others by name.
    pub groups: Vec<GroupView>,
    /// By number, the first 1,000.
    pub partitions: Vec<PartitionView>,
    /// By name.
    pub schedules: Vec<ScheduleView>,
    /// Since the start.
    pub totals: Totals,
}

/// Why nothing moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields say what they are; the variants say what they mean")]
pub enum Why {
    /// There is no such queue.
    Absent,
    /// The queue is closed.
    Closed,
    /// The queue is paused.
    Paused,
    /// No message is there.
    Empty,
    /// The group has all it may have at the same time.
    ConcurrencyFull { leased: u64, cap: u32 },
    /// As many were handed out as may be for now.
    RateLimited { until: Option<Timestamp> },
    /// Messages are ready, and nobody asks for them.
    NoReceivers { ready: u64 },
    /// Messages are ready and receivers wait, but for others: by labels or by partition.
    NothingMatches { ready: u64, receivers: u64 },
    /// All ready messages are in partitions that somebody has.
    PartitionsLeased { ready: u64, next_end: Option<Timestamp> },
    /// All messages are in somebody's hands.
    AllLeased { leased: u64, next_end: Option<Timestamp> },
    /// All messages wait for their time.
    Delayed { delayed: u64, next: Option<Timestamp> },
    /// All messages wait for others.
    Blocked { blocked: u64 },
    /// Only dead letters are left.
    OnlyDead { dead: u64 },
}

impl Why {
    /// The reason's word.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Closed => "closed",
            Self::Paused => "paused",
            Self::Empty => "empty",
            Self::ConcurrencyFull { .. } => "concurrency_full",
            Self::RateLimited { .. } => "rate_limited",
            Self::NoReceivers { .. } => "no_receivers",
            Self::NothingMatches { .. } => "nothing_matches",
            Self::PartitionsLeased { .. } => "partitions_leased",
            Self::AllLeased { .. } => "all_leased",
            Self::Delayed { .. } => "delayed",
            Self::Blocked { .. } => "blocked",
            Self::OnlyDead { .. } => "only_dead",
        }
    }
}

/// Why nothing moves, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The reason.
    pub why: Why,
    /// For people.
    pub sentence: String,
    /// Messages by state.
    pub counts: Counts,
    /// Parked and standing receivers.
    pub receivers: u64,
}

fn count(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

fn span(from: Timestamp, to: Timestamp) -> String {
    let ms = to.since(from).0;
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

impl Explanation {
    pub(super) fn new(why: Why, counts: Counts, receivers: u64, now: Timestamp) -> Self {
        let in_time = |at: Option<Timestamp>, what: &str| {
            at.map_or(String::new(), |at| format!("; {what} in {}", span(now, at)))
        };
        let messages = |n| count(n, "message", "messages");
        let sentence = match why {
            Why::Absent => "there is no such queue".to_owned(),
            Why::Closed => "the queue is closed: open it".to_owned(),
            Why::Paused => {
                format!("the queue is paused, {} ready: resume it", messages(counts.ready))
            }
            Why::Empty => format!(
                "the queue is empty, {} waiting",
                count(receivers, "receiver is", "receivers are")
            ),
            Why::ConcurrencyFull { leased, cap } => {
                format!(
                    "{} leased, and no more than {cap} may be at the same time",
                    messages(leased)
                )
            }
            Why::RateLimited { until: None } => "the rate is 0: nothing is handed out".to_owned(),
            Why::RateLimited { until } => {
                format!("the rate is used up{}", in_time(until, "the next message goes out"))
            }
            Why::NoReceivers { ready } => {
                format!("{} ready, and nobody receives", messages(ready))
            }
            Why::NothingMatches { ready, receivers } => format!(
                "{} ready and {} waiting, but for other labels or partitions",
                messages(ready),
                count(receivers, "receiver", "receivers")
            ),
            Why::PartitionsLeased { ready, next_end } => format!(
                "{} ready, all in partitions that somebody has{}",
                messages(ready),
                in_time(next_end, "the first lease ends")
            ),
            Why::AllLeased { leased, next_end } => format!(
                "{} in somebody's hands, nothing else to hand out{}",
                messages(leased),
                in_time(next_end, "the first lease ends")
            ),
            Why::Delayed { delayed, next } => {
                format!("{} delayed{}", messages(delayed), in_time(next, "the first is ready"))
            }
            Why::Blocked { blocked } => {
                format!("{} waiting for other messages to be done", messages(blocked))
            }
            Why::OnlyDead { dead } => {
                format!(
                    "only {} left: redrive or purge them",
                    count(dead, "dead letter", "dead letters")
                )
            }
        };
        Self { why, sentence, counts, receivers }
    }
}
