//! Streams: the messages of some queues, cut into windows of time.
//!
//! ```text
//!   messages of a key   ·  · ·   ·       ·             ·
//!   windows             ├──────┼──────┼──────┼──────┼──────┼──►  [start, end), aligned to their length
//!                          due when the newest message of all sources is at or past end + grace
//! ```
//!
//! A stream's *key* is a partition's name (partitions of the same name in several sources are one key), or there is one
//! key for everything. The windows of a key follow one another without a gap, the first one begins where its
//! oldest kept message is. A window without a message is a window, too; but no more than [`EMPTY_MAX`] in a row are
//! made: then the key is silent, and goes on with the window of its next message.
//!
//! Only what is decided is here: which windows are due. They are sent as messages, a partition for each key, into
//! an internal queue of the stream; leases, groups, order and waiting are that queue's. What it keeps says how far a
//! key has come, so windows are kept for [`KEEP`], and older ones are not made.

use std::{collections::BTreeMap, str};

use bytes::Bytes;

use super::{log::Seen, queue::Queue, settings::QueueSettings};
use crate::types::{Millis, PartitionKey, Payload, QueueName, StreamName, Timestamp};

/// Windows without a message that a key gets in a row, and windows that are made for it at a time.
pub const EMPTY_MAX: u64 = 1000;

/// How long a window is kept, whoever is done with it.
pub const KEEP: Millis = Millis::from_secs(30 * 24 * 3600);

/// What a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// Whose messages. Those that are not there are passed over.
    pub sources: Vec<QueueName>,
    /// Whether each partition has windows of its own.
    pub partitioned: bool,
    /// How long a window is; not 0.
    pub length: Millis,
    /// How long after its end a window is kept open.
    pub grace: Millis,
    /// How long a taker has a window.
    pub lease: Millis,
}

/// A window's time: from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

impl Span {
    /// As the body of the message that stands for the window.
    #[must_use]
    pub fn body(self) -> Payload {
        Payload::from(Bytes::from(format!("[{},{}]", self.start.0, self.end.0)))
    }

    /// The window that a body stands for.
    #[must_use]
    pub fn of(body: &Payload) -> Option<Self> {
        let text = str::from_utf8(body.bytes()).ok()?;
        let (start, end) = text.strip_prefix('[')?.strip_suffix(']')?.split_once(',')?;
        Some(Self { start: Timestamp(start.parse().ok()?), end: Timestamp(end.parse().ok()?) })
    }
}

/// What is known of the messages of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moments {
    /// When the oldest kept message was sent that is not in a window yet.
    pub next: Option<Timestamp>,
    /// When the newest kept message was sent.
    pub last: Option<Timestamp>,
}

impl Moments {
    /// Of two sources together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let next = self.next.into_iter().chain(other.next).min();
        Self { next, last: self.last.max(other.last) }
    }
}

impl StreamSpec {
    /// As the body of the message that defines the stream: its name, its numbers, its sources, a line each; no name
    /// holds the end of a line.
    #[must_use]
    pub fn body(&self, name: &StreamName) -> Payload {
        let partitioned = u8::from(self.partitioned);
        let (length, grace, lease) = (self.length.0, self.grace.0, self.lease.0);
        let mut text = format!("{name}\n{partitioned} {length} {grace} {lease}");
        for source in &self.sources {
            text.push('\n');
            text.push_str(source.as_str());
        }
        Payload::binary(text.into(), "text/plain")
    }

    /// The stream that a body defines.
    #[must_use]
    pub fn of(body: &Payload) -> Option<(StreamName, Self)> {
        let mut lines = str::from_utf8(body.bytes()).ok()?.split('\n');
        let name = lines.next()?.parse().ok()?;
        let mut numbers = lines.next()?.split(' ').map(str::parse);
        let mut number = || numbers.next()?.ok();
        let partitioned = number()? == 1;
        let (length, grace, lease) = (Millis(number()?), Millis(number()?), Millis(number()?));
        let sources = lines.map(str::parse).collect::<Result<_, _>>().ok()?;
        Some((name, Self { sources, partitioned, length, grace, lease }))
    }

    /// Where the window begins that a moment is in.
    const fn start_of(&self, at: Timestamp) -> u64 {
        at.0 - at.0 % self.length.0
    }

    /// The settings of the queue that its windows are in.
    #[must_use]
    pub fn settings(&self) -> QueueSettings {
        QueueSettings {
            lease: self.lease,
            attempts_max: 0,
            expiry_is_failure: false,
            dead_letter: false,
            dedup_window: Millis(0),
            retain_open: KEEP,
            retain_settled: KEEP,
            work_group: false,
            ..QueueSettings::default()
        }
    }

    /// The windows of a key that are due and not made, in order; at most [`EMPTY_MAX`]. `made` is the end of the last
    /// one that was made, `newest` when the newest message of all sources was sent.
    #[must_use]
    pub fn due(
        &self,
        made: Option<Timestamp>,
        of_key: Moments,
        newest: Timestamp,
        now: Timestamp,
    ) -> Vec<Span> {
        let length = self.length.0.max(1);
        // Windows that end here or earlier are due.
        let due = newest.0.saturating_sub(self.grace.0) / length;
        let next = of_key.next.map(|at| self.start_of(at) / length);
        let made = made.map(|end| end.0.div_ceil(length));
        let (first, silent_from) = match (made, next) {
            (None, None) => return Vec::new(),
            (None, Some(next)) => (next, next + EMPTY_MAX),
            (Some(made), Some(next)) if next > made + EMPTY_MAX => (next, next + EMPTY_MAX),
            (Some(made), Some(next)) => (made, made.max(next) + EMPTY_MAX),
            (Some(made), None) => {
                let last = of_key.last.map(|at| self.start_of(at) / length + 1);
                (made, last.unwrap_or(made) + EMPTY_MAX)
            }
        };
        let first = first.max(now.0.saturating_sub(KEEP.0) / length);
        let span = |window: u64| Span {
            start: Timestamp(window * length),
            end: Timestamp((window + 1).saturating_mul(length)),
        };
        (first..due.min(silent_from).min(first + EMPTY_MAX)).map(span).collect()
    }
}

impl Queue {
    /// The last kept message of each partition.
    pub fn newest(&self) -> Vec<(PartitionKey, std::sync::Arc<super::Message>)> {
        let parts = self.partitions.values();
        let newest = parts.filter_map(|part| {
            let slot = part.log.get(part.log.last()?)?;
            Some((part.key.clone(), slot.message()))
        });
        newest.collect()
    }

    /// What is known of the messages of each key, given where the windows of each end that were made; by partition,
    /// or all under `together`.
    pub fn moments(
        &self,
        made: &BTreeMap<PartitionKey, Timestamp>,
        together: Option<&PartitionKey>,
    ) -> BTreeMap<PartitionKey, Moments> {
        let mut moments: BTreeMap<PartitionKey, Moments> = BTreeMap::new();
        for part in self.partitions.values() {
            let sent_at = |offset| part.log.get(offset).map(Seen::sent_at);
            let Some(last) = part.log.last().and_then(sent_at) else { continue };
            let key = together.unwrap_or(&part.key);
            let next = match made.get(key) {
                Some(end) if last < *end => None,
                Some(end) => sent_at(part.log.first_sent(*end)),
                None => part.log.next_at(0).and_then(sent_at),
            };
            let known = Moments { next, last: Some(last) };
            let entry = moments.entry(key.clone()).or_default();
            *entry = entry.and(known);
        }
        moments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(length: u64, grace: u64) -> StreamSpec {
        StreamSpec {
            sources: Vec::new(),
            partitioned: true,
            length: Millis(length),
            grace: Millis(grace),
            lease: Millis(1),
        }
    }

    /// Of messages sent at these moments, those before `made` being in windows.
    fn moments(sent: &[u64], made: Option<Timestamp>) -> Moments {
        let open = sent.iter().copied().filter(|at| made.is_none_or(|end| *at >= end.0));
        Moments { next: open.min().map(Timestamp), last: sent.iter().copied().max().map(Timestamp) }
    }

    fn due(spec: &StreamSpec, made: Option<u64>, sent: &[u64], newest: u64) -> Vec<(u64, u64)> {
        let made = made.map(Timestamp);
        let spans = spec.due(made, moments(sent, made), Timestamp(newest), Timestamp(newest));
        spans.into_iter().map(|span| (span.start.0, span.end.0)).collect()
    }

    #[test]
    fn windows_are_aligned_and_follow_one_another() {
        let tens = spec(10, 0);
        assert_eq!(due(&tens, None, &[], 1000), []);
        assert_eq!(due(&tens, None, &[25], 29), [], "not over");
        assert_eq!(due(&tens, None, &[25], 30), [(20, 30)]);
        assert_eq!(due(&tens, None, &[25, 47], 47), [(20, 30), (30, 40)]);
        assert_eq!(due(&tens, Some(40), &[25, 47], 47), []);
        assert_eq!(due(&tens, Some(40), &[25, 47, 50], 50), [(40, 50)]);
        assert_eq!(due(&tens, Some(30), &[25], 60), [(30, 40), (40, 50), (50, 60)], "empty ones");
    }

    #[test]
    fn grace_keeps_windows_open() {
        let patient = spec(10, 5);
        assert_eq!(due(&patient, None, &[25], 34), []);
        assert_eq!(due(&patient, None, &[25], 35), [(20, 30)]);
        assert_eq!(due(&spec(10, 1000), None, &[25], 100), [], "no time before the epoch");
    }

    #[test]
    fn a_silent_key_gets_so_many_windows_and_goes_on_with_its_next_message() {
        let ones = spec(1, 0);
        let first = due(&ones, None, &[7], 1_000_000);
        assert_eq!(
            (first.len() as u64, first[0], first.last()),
            (EMPTY_MAX, (7, 8), Some(&(1006, 1007)))
        );
        let rest = due(&ones, Some(1007), &[7], 1_000_000);
        assert_eq!(rest, [(1007, 1008)], "the thousandth empty one");
        assert_eq!(due(&ones, Some(1008), &[7], 1_000_000), []);
        let again = due(&ones, Some(1008), &[7, 900_000], 900_002);
        assert_eq!(again, [(900_000, 900_001), (900_001, 900_002)]);
        assert_eq!(
            due(&ones, Some(100), &[], 1_000_000).len() as u64,
            EMPTY_MAX,
            "its messages are gone"
        );
    }

    #[test]
    fn after_the_length_has_changed_windows_are_aligned_anew() {
        assert_eq!(due(&spec(20, 0), Some(30), &[25, 31, 45], 60), [(40, 60)]);
    }

    #[test]
    fn a_stream_is_read_from_its_body() {
        let name = "sums of orders".parse().unwrap();
        let sources = ["a b", "Grüße"].map(|name| name.parse().unwrap()).to_vec();
        for stream in
            [StreamSpec { sources, ..spec(10, 5) }, StreamSpec { partitioned: false, ..spec(1, 0) }]
        {
            assert_eq!(StreamSpec::of(&stream.body(&name)), Some((name.clone(), stream)));
        }
        for other in ["", "a", "a\n1 2", "a\n1 2 3 x", "\n1 2 3 4", "a\n1 2 3 4\n"] {
            assert_eq!(StreamSpec::of(&Payload::from(other)), None, "{other}");
        }
    }

    #[test]
    fn what_is_too_old_to_be_kept_is_not_made() {
        let made = due(&spec(10, 0), None, &[975, 1005], KEEP.0 + 1000);
        assert_eq!(made.first(), Some(&(1000, 1010)));
    }

    #[test]
    fn a_window_is_read_from_its_body() {
        let span = Span { start: Timestamp(20), end: Timestamp(30) };
        assert_eq!(Span::of(&span.body()), Some(span));
        for other in ["", "[1]", "[1,2", "[-1,2]", "[1,x]", "1,2"] {
            assert_eq!(Span::of(&Payload::from(other)), None, "{other}");
        }
    }

    /// Whatever the moments of the messages, and whenever one looks: each message is in exactly one window, and
    /// windows follow one another but over a silence.
    #[test]
    fn each_message_is_in_one_window() {
        let mut seed = 1_u64;
        let mut random = move |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..300 {
            let spec = spec(1 + random(50), random(100));
            let (mut sent, mut newest, mut made) = (Vec::new(), 10_000, None);
            let mut windows: Vec<Span> = Vec::new();
            for _ in 0..60 {
                newest += if random(20) == 0 { random(200_000) } else { random(60) };
                // Of another key, sometimes.
                if random(4) > 0 {
                    sent.push(newest);
                }
                if random(2) == 0 {
                    let newest = Timestamp(newest);
                    let spans = spec.due(made, moments(&sent, made), newest, newest);
                    made = spans.last().map(|span| span.end).or(made);
                    windows.extend(spans);
                }
            }
            for pair in windows.windows(2) {
                assert!(pair[0].end <= pair[1].start);
                let silence = (pair[1].start.0 - pair[0].end.0) / spec.length.0;
                assert!(silence == 0 || silence > EMPTY_MAX - 2, "{pair:?}");
            }
            for at in sent {
                let holders = windows.iter().filter(|w| w.start.0 <= at && at < w.end.0).count();
                let is_made = made.is_some_and(|end| at < end.0);
                assert_eq!(holders, usize::from(is_made), "{at} {spec:?}");
            }
            assert!(windows.iter().all(|w| w.start.0 % spec.length.0 == 0));
        }
    }
}
