//! What can be set on a queue, and what each setting's values may be.

use std::sync::Arc;

use crate::types::{Millis, Timestamp};

/// Which ready message is taken first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageOrder {
    /// In the order of sending.
    Fifo,
    /// The highest priority first, among equals in the order of sending.
    Priority,
    /// The earliest deadline first; those without one last; among equals in the order of sending.
    Deadline,
}

/// With [`MessageOrder::Priority`]: waiting raises the priority, so that nothing waits for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ageing {
    /// Each whole interval since the sending adds a step.
    pub every: Millis,
    /// What is added.
    pub step: i32,
    /// Ageing raises no priority above this.
    pub top: i32,
}

/// How the wait before a retry grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackoffKind {
    /// `base` each time.
    Fixed,
    /// `base` × failures.
    Linear,
    /// `base` × 2^(failures − 1).
    Exponential,
}

/// How long a failed message waits before it is ready again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// How it grows.
    pub kind: BackoffKind,
    /// The wait after the first failure; 0 is none.
    pub base: Millis,
    /// It never waits longer than this.
    pub cap: Millis,
    /// Up to so many per cent are taken off, by a number computed from message and failures: 0 to 100.
    pub jitter: u8,
}

impl Backoff {
    /// The wait after failure number `failures` (1, 2, …) of the message with this `seed`.
    #[must_use]
    pub fn wait(self, failures: u32, seed: u64) -> Millis {
        let failures = u64::from(failures.max(1));
        let grown = match self.kind {
            BackoffKind::Fixed => self.base.0,
            BackoffKind::Linear => self.base.0.saturating_mul(failures),
            BackoffKind::Exponential => self.base.0.saturating_mul(1_u64 << (failures - 1).min(62)),
        };
        let wait = grown.min(self.cap.0);
        let share = mix(seed ^ failures.rotate_left(32)) % 10_001;
        let off = u128::from(wait) * u128::from(self.jitter) * u128::from(share) / 1_000_000;
        Millis(wait - u64::try_from(off).unwrap_or(wait).min(wait))
    }
}

/// SplitMix64's last step: spreads a number over all bits.
const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// New messages of a partition are gathered and become ready together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// So long after the first of them was sent,
    pub length: Millis,
    /// or, with this, so long after the *last* of them was sent,
    pub debounce: bool,
    /// but at once when there are so many.
    pub messages: u32,
}

/// What happens to a message that is sent to a full queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// It is refused.
    Reject,
    /// The oldest ready message of the work group is dropped for it; with none ready it is refused.
    DropOldest,
    /// It becomes a dead letter with the reason `queue_full`.
    DeadLetter,
}

/// What an answer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Until what it rests on is durable.
    Durable,
    /// Nothing: what was answered, sent or done last may be undone by a crash.
    Relaxed,
}

/// Whether a queue may be on a server that does not encrypt what it stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// It may.
    Optional,
    /// It may not.
    Required,
}

/// At most `count` messages are handed out within any `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// 0: none at all.
    pub count: u32,
    /// The interval.
    pub per: Millis,
}

/// As long as the process lives, and longer.
pub const FOREVER: Millis = Millis(u64::MAX);

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr;)*) => {
        /// The settings of a queue.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct QueueSettings {
            $($(#[doc = $doc])+ pub $name: $type,)*
        }

        /// Settings to be changed; what is none stays as it is.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct SettingsPatch {
            $($(#[doc = $doc])+ pub $name: Option<$type>,)*
        }

        impl Default for QueueSettings {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl SettingsPatch {
            /// The settings with these changes.
            #[must_use]
            pub fn apply(&self, settings: &QueueSettings) -> QueueSettings {
                QueueSettings {
                    $($name: self.$name.clone().unwrap_or_else(|| settings.$name.clone()),)*
                }
            }
        }
    };
}

settings! {
    /// Which ready message is taken first.
    ordering: MessageOrder = MessageOrder::Fifo;
    /// Whether waiting raises the priority.
    ageing: Option<Ageing> = None;
    /// How long a taker has a message, if it does not say.
    lease: Millis = Millis::from_secs(30);
    /// Failures until a message is given up; 0: never.
    attempts_max: u32 = 5;
    /// How long a failed message waits.
    backoff: Backoff = Backoff {
        kind: BackoffKind::Exponential,
        base: Millis(0),
        cap: Millis::from_secs(300),
        jitter: 0,
    };
    /// Whether a lease that runs out is a failure.
    expiry_is_failure: bool = true;
    /// Whether messages that are given up are kept as dead letters, or dropped.
    dead_letter: bool = true;
    /// Whether messages past their time become dead letters, or are dropped.
    dead_letter_expired: bool = false;
    /// How long a message waits before it is ready, if its sender does not say.
    delay: Millis = Millis(0);
    /// How long a message is good for, if its sender does not say.
    ttl: Option<Millis> = None;
    /// Whether new messages are gathered.
    window: Option<Window> = None;
    /// How long a key is remembered; 0: keys mean nothing.
    dedup_window: Millis = Millis::from_secs(3600);
    /// Whether a known key with another body is refused, or taken for the same message.
    dedup_content: bool = false;
    /// Messages that may be live; none: the server's limit.
    messages_max: Option<u64> = None;
    /// Bytes of their bodies; none: the server's limit.
    bytes_max: Option<u64> = None;
    /// What happens to one more.
    overflow: Overflow = Overflow::Reject;
    /// Messages older than this are dropped, whatever their state, unless leased.
    retain_open: Millis = FOREVER;
    /// How long a message is kept after the last group is done with it, as long as there is room.
    retain_settled: Millis = Millis(0);
    /// How long a dead letter is kept.
    retain_dead: Millis = Millis::from_secs(14 * 24 * 3600);
    /// How fast messages are handed out, to all takers together.
    rate: Option<Rate> = None;
    /// Messages of one group that may be leased at the same time.
    concurrency: Option<u32> = None;
    /// Whether there is a work group: takes that name no group.
    work_group: bool = true;
    /// Whether answers wait until what they rest on is durable.
    durability: Durability = Durability::Durable;
    /// Whether what is stored of it must be encrypted.
    encryption: Encryption = Encryption::Optional;
    /// Texts by which queues are found, and which others than the engine know what to make of; sorted by name.
    labels: Vec<(Arc<str>, Arc<str>)> = Vec::new();
    /// Of several queues that somebody takes from at once, the one with the highest priority comes first.
    priority: i32 = 0;
    /// How long a receiver that could get something, but not its max, waits for more.
    batch_wait: Millis = Millis(0);
}

/// A lease is at least so long,
pub(super) const LEASE_MIN: Millis = Millis(1);
/// and at most.
pub(super) const LEASE_MAX: Millis = Millis::from_secs(7 * 24 * 3600);
/// A receiver waits no longer for more.
const BATCH_WAIT_MAX: Millis = Millis::from_secs(3600);
/// A priority is at most this, and at least its negative.
pub(super) const PRIORITY_MAX: i32 = 1_000_000;
/// The rate counts exactly, and remembers this many moments at most.
pub(super) const RATE_COUNT_MAX: u32 = 100_000;

/// A queue has at most so many labels,
const LABELS_MAX: usize = 64;
/// of names of so many bytes,
const LABEL_NAME_MAX: usize = 255;
/// and texts of so many.
const LABEL_TEXT_MAX: usize = 4096;

impl QueueSettings {
    /// The text of one of its labels.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        let found = self.labels.iter().find(|(label, _)| label.as_ref() == name);
        found.map(|(_, text)| text.as_ref())
    }

    fn has_legal_labels(&self) -> bool {
        let is_name = |name: &str| {
            (1..=LABEL_NAME_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
        };
        self.labels.len() <= LABELS_MAX
            && self.labels.iter().all(|(name, text)| is_name(name) && text.len() <= LABEL_TEXT_MAX)
            && self.labels.is_sorted_by(|one, other| one.0 < other.0)
    }

    /// # Errors
    /// A sentence that names the first setting with a value it may not have, and the range.
    pub fn check(&self) -> Result<(), &'static str> {
        let rules = [
            (
                (LEASE_MIN..=LEASE_MAX).contains(&self.lease),
                "lease_ms must be between 1 and 604800000 (7 days)",
            ),
            (self.backoff.jitter <= 100, "backoff.jitter_percent must be between 0 and 100"),
            (
                self.ageing.is_none_or(|ageing| {
                    ageing.every.0 > 0
                        && (1..=PRIORITY_MAX).contains(&ageing.step)
                        && (-PRIORITY_MAX..=PRIORITY_MAX).contains(&ageing.top)
                }),
                "ageing: every_ms and step must be at least 1, top between -1000000 and 1000000",
            ),
            (
                self.window.is_none_or(|window| window.length.0 > 0 && window.messages > 0),
                "window: length_ms and messages must be at least 1",
            ),
            (
                self.rate.is_none_or(|rate| rate.per.0 > 0 && rate.count <= RATE_COUNT_MAX),
                "rate: per_ms must be at least 1, count at most 100000",
            ),
            (self.ttl.is_none_or(|ttl| ttl.0 > 0), "ttl_ms must be at least 1"),
            (self.batch_wait <= BATCH_WAIT_MAX, "batch_wait_ms must be at most 3600000 (1 hour)"),
            (self.retain_open.0 > 0, "retain_open_ms must be at least 1"),
            (self.messages_max != Some(0), "messages_max must be at least 1"),
            (self.bytes_max != Some(0), "bytes_max must be at least 1"),
            (self.concurrency != Some(0), "concurrency must be at least 1"),
            (
                self.has_legal_labels(),
                "labels: at most 64, names of 1 to 255 bytes without control characters, texts of at most 4096",
            ),
            (
                (-PRIORITY_MAX..=PRIORITY_MAX).contains(&self.priority),
                "priority must be between -1000000 and 1000000",
            ),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(rule))
    }

    /// The place of a message among the ready ones: the smallest first.
    #[must_use]
    pub(super) fn class(
        &self,
        priority: i32,
        deadline: Option<Timestamp>,
        sent_at: Timestamp,
        now: Timestamp,
    ) -> i64 {
        match self.ordering {
            MessageOrder::Fifo => 0,
            MessageOrder::Priority => -i64::from(self.aged(priority, sent_at, now)),
            MessageOrder::Deadline => {
                deadline.map_or(i64::MAX, |at| i64::try_from(at.0).unwrap_or(i64::MAX))
            }
        }
    }

    /// A priority after waiting.
    fn aged(&self, priority: i32, sent_at: Timestamp, now: Timestamp) -> i32 {
        let Some(Ageing { every, step, top }) = self.ageing else { return priority };
        if priority >= top {
            return priority;
        }
        let steps = i64::try_from(now.since(sent_at).0 / every.0.max(1)).unwrap_or(i64::MAX);
        let aged = i64::from(priority).saturating_add(steps.saturating_mul(i64::from(step)));
        i32::try_from(aged.min(i64::from(top))).unwrap_or(top)
    }

    /// When the class of a message that is ready at `now` changes next.
    pub(super) fn next_ageing(
        &self,
        priority: i32,
        sent_at: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let Ageing { every, top, .. } = self.ageing?;
        if self.ordering != MessageOrder::Priority || self.aged(priority, sent_at, now) >= top {
            return None;
        }
        let intervals = now.since(sent_at).0 / every.0.max(1) + 1;
        Some(sent_at.after(Millis(intervals.saturating_mul(every.0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_cap_and_jitter_only_takes_off() {
        let backoff = |kind, jitter| Backoff { kind, base: Millis(100), cap: Millis(1000), jitter };
        let waits = |kind| [1, 2, 3, 5, 90].map(|n| backoff(kind, 0).wait(n, 7).0);
        assert_eq!(waits(BackoffKind::Fixed), [100; 5]);
        assert_eq!(waits(BackoffKind::Linear), [100, 200, 300, 500, 1000]);
        assert_eq!(waits(BackoffKind::Exponential), [100, 200, 400, 1000, 1000]);
        let jittered: Vec<u64> =
            (0..100).map(|seed| backoff(BackoffKind::Fixed, 50).wait(1, seed).0).collect();
        assert!(jittered.iter().all(|wait| (50..=100).contains(wait)));
        assert!(jittered.iter().any(|wait| *wait < 60) && jittered.iter().any(|wait| *wait > 90));
    }

    #[test]
    fn ageing_adds_a_step_per_interval_up_to_the_top() {
        let ageing = Some(Ageing { every: Millis(10), step: 5, top: 12 });
        let settings =
            QueueSettings { ordering: MessageOrder::Priority, ageing, ..QueueSettings::default() };
        let class = |now| settings.class(1, None, Timestamp(100), Timestamp(now));
        assert_eq!([100, 109, 110, 120, 130, 9999].map(class), [-1, -1, -6, -11, -12, -12]);
        let next = |now| settings.next_ageing(1, Timestamp(100), Timestamp(now));
        assert_eq!(next(100), Some(Timestamp(110)));
        assert_eq!(next(110), Some(Timestamp(120)));
        assert_eq!(next(130), None, "at the top");
        assert_eq!(settings.class(20, None, Timestamp(0), Timestamp(999)), -20, "above it already");
    }

    #[test]
    fn the_defaults_may_be_set() {
        QueueSettings::default().check().unwrap();
        let wrong = QueueSettings { lease: Millis(0), ..QueueSettings::default() };
        assert!(wrong.check().unwrap_err().starts_with("lease_ms"));
    }
}
