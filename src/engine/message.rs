//! A message, and what a sender may say about one.

use std::{fmt, str::FromStr, sync::Arc};

use super::{record::RecordNumber, settings::Backoff};
use crate::types::{Millis, PartitionKey, Payload, Timestamp};

/// A message's place among all of its queue: 1, 2, 3 … in the order of sending. Never reused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// Where a message is: the number of its partition and its offset in it, both from 0. Never reused.
///
/// Written `PARTITION-OFFSET`, and this is the id of a message whose sender gave it none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Which partition.
    pub partition: u32,
    /// Where in it.
    pub offset: u64,
}

impl Position {
    /// The numbers of its text, which dashes separate.
    #[must_use]
    pub const fn parts(self) -> [u64; 2] {
        [self.partition as u64, self.offset]
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.offset)
    }
}

/// Numbers as `Display` writes them, no signs and no leading zeros, with dashes between them: in one pass, because this is done
/// for each message.
pub(super) fn parse_dashed<const COUNT: usize>(text: &str) -> Result<[u64; COUNT], ()> {
    let mut bytes = text.bytes();
    let mut numbers = [0_u64; COUNT];
    for (at, number) in numbers.iter_mut().enumerate() {
        let mut digits = 0;
        loop {
            match bytes.next() {
                // Only a zero by itself begins with a zero.
                Some(digit @ b'0'..=b'9') if digits == 0 || *number > 0 => {
                    let tens = number.checked_mul(10).ok_or(())?;
                    *number = tens.checked_add(u64::from(digit - b'0')).ok_or(())?;
                    digits += 1;
                }
                Some(b'-') if digits > 0 && at + 1 < COUNT => break,
                None if digits > 0 && at + 1 == COUNT => break,
                _ => return Err(()),
            }
        }
    }
    Ok(numbers)
}

impl FromStr for Position {
    type Err = ();

    /// Only the one way of writing it.
    fn from_str(text: &str) -> Result<Self, ()> {
        let [partition, offset] = parse_dashed(text)?;
        Ok(Self { partition: u32::try_from(partition).map_err(|_| ())?, offset })
    }
}

/// What becomes of a message when one that it depends on is given up, cancelled, or past its time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ParentFailed {
    /// It goes on waiting: the parent may be redriven.
    #[default]
    Wait,
    /// It is given up, too.
    Fail,
    /// That parent counts as done.
    Run,
}

/// How a key is used that a message was sent with before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnDuplicate {
    /// The first message stays; this one is not added.
    #[default]
    Keep,
    /// The first message, if nobody has taken it yet, gets this body and delay; its place stays.
    Replace,
}

/// A key: two messages of one partition with the same key are the same message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupKey {
    /// 1 to 255 bytes.
    pub text: Arc<str>,
    /// How long it is remembered; none: the queue's window.
    pub window: Option<Millis>,
    /// Remembered only until the message is done or given up.
    pub until_settled: bool,
    /// What happens on a repetition.
    pub on_duplicate: OnDuplicate,
}

/// What few messages have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The sender's own id, unique among the messages that the queue knows.
    pub id: Option<Arc<str>>,
    /// The dedup key.
    pub key: Option<DedupKey>,
    /// Higher first. Only looked at with the priority ordering.
    pub priority: i32,
    /// Not ready before this is over; none: the queue's delay.
    pub delay: Option<Millis>,
    /// Not ready before; wins over `delay`.
    pub not_before: Option<Timestamp>,
    /// Good for so long; none: the queue's.
    pub ttl: Option<Millis>,
    /// No longer good from then on. The deadline ordering takes the earliest first.
    pub deadline: Option<Timestamp>,
    /// What kind of message this is; opaque.
    pub kind: Option<Arc<str>>,
    /// For filters; sorted by name.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// A JSON object that the engine does not look at.
    pub headers: Option<Payload>,
    /// Failures until it is given up, instead of the queue's; 0: never.
    pub attempts_max: Option<u32>,
    /// Instead of the queue's.
    pub backoff: Option<Backoff>,
    /// Ids of the messages that must be done before this one is ready.
    pub depends_on: Vec<Arc<str>>,
    /// When one of them is given up.
    pub parent_failed: ParentFailed,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// None: the default partition.
    pub partition: Option<PartitionKey>,
    /// The body.
    pub body: Payload,
    /// None: nothing but the queue's defaults.
    pub options: Option<Box<Options>>,
}

impl From<Payload> for NewMessage {
    fn from(body: Payload) -> Self {
        Self { partition: None, body, options: None }
    }
}

/// A message in a queue. Never changes; what changes is where its delivery stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its place among all.
    pub sequence: Sequence,
    /// Its place in its partition.
    pub position: Position,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// The record that made it: a delivery rests on it.
    pub sent_in: RecordNumber,
    /// No longer good from then on: the earlier of ttl and deadline.
    pub expires_at: Option<Timestamp>,
    /// The body.
    pub body: Payload,
    /// What its sender said about it.
    pub options: Option<Box<Options>>,
}

impl Options {
    /// Whether there are all these labels.
    pub(super) fn has_labels(said: Option<&Self>, labels: &[(Arc<str>, Arc<str>)]) -> bool {
        let own = said.map_or(&[][..], |options| &options.labels);
        labels.iter().all(|label| own.contains(label))
    }
}

impl Message {
    /// The sender's id, or the position.
    #[must_use]
    pub fn id(&self) -> String {
        match self.options.as_ref().and_then(|options| options.id.as_ref()) {
            Some(id) => id.to_string(),
            None => self.position.to_string(),
        }
    }

    /// Whether its sender said when it is ready.
    pub(super) fn has_own_delay(&self) -> bool {
        let options = self.options.as_ref();
        options.is_some_and(|options| options.delay.is_some() || options.not_before.is_some())
    }

    pub(super) fn priority(&self) -> i32 {
        self.options.as_ref().map_or(0, |options| options.priority)
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.options.as_ref().and_then(|options| options.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_written_in_one_way() {
        let position = Position { partition: 3, offset: 17 };
        assert_eq!("3-17".parse(), Ok(position));
        assert_eq!(position.to_string(), "3-17");
        let wrong = [
            "3-", "-3", "03-17", "3-017", "3-+17", "3-17-", "3-17-1", "3", "a", "", "3-1a", " 3-1",
        ];
        for other in wrong.into_iter().chain(["4294967296-0", "3-18446744073709551616", "00-1"]) {
            assert_eq!(other.parse::<Position>(), Err(()), "{other}");
        }
        for (partition, offset) in [(0, 0), (0, 10), (10, 0), (u32::MAX, u64::MAX)] {
            let position = Position { partition, offset };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
    }
}
