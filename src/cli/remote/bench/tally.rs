//! What came back, and how long it took.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock::stopwatch;

/// What one phase came to. Times are of single messages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Measured {
    pub(super) phase: &'static str,
    pub(super) messages: u64,
    pub(super) seconds: f64,
    pub(super) per_second: f64,
    /// None: nothing was timed.
    pub(super) p50_us: Option<u64>,
    pub(super) p90_us: Option<u64>,
    pub(super) p99_us: Option<u64>,
    pub(super) max_us: Option<u64>,
    pub(super) lost: u64,
    pub(super) twice: u64,
    pub(super) changed: u64,
}

/// The body of a message; the members in this order.
#[derive(Serialize, Deserialize)]
pub(super) struct Content<'a> {
    pub(super) number: u64,
    /// Microseconds since the beginning of the run.
    pub(super) at: u64,
    pub(super) filler: &'a str,
}

/// A body of exactly `size` bytes, or the least that it can have.
pub(super) fn body(number: u64, at: u64, size: usize) -> String {
    let bare = format!("{{\"number\":{number},\"at\":{at},\"filler\":\"\"}}");
    let filler = "x".repeat(size.saturating_sub(bare.len()));
    format!("{{\"number\":{number},\"at\":{at},\"filler\":\"{filler}\"}}")
}

/// Counts what comes.
pub(super) struct Tally {
    phase: &'static str,
    begun: Instant,
    /// When a message came that was not there before.
    last: Instant,
    /// How often each message came.
    seen: Vec<u8>,
    received: u64,
    changed: u64,
    times: Vec<u64>,
}

impl Tally {
    /// Messages `0..messages` are expected.
    pub(super) fn new(phase: &'static str, messages: u64) -> Self {
        let seen = vec![0; usize::try_from(messages).unwrap_or(0)];
        let times = Vec::with_capacity(seen.len());
        let begun = stopwatch();
        Self { phase, begun, last: begun, seen, received: 0, changed: 0, times }
    }

    /// A message came with this body. The time of its sending, if it is one of ours.
    pub(super) fn take(&mut self, body: &str, size: usize) -> Option<u64> {
        let content: Option<Content<'_>> = serde_json::from_str(body).ok();
        let ours =
            content.filter(|it| body.len() >= size && it.filler.bytes().all(|byte| byte == b'x'));
        let slot = ours.as_ref().and_then(|it| self.seen.get_mut(usize::try_from(it.number).ok()?));
        let Some(slot) = slot else {
            self.changed += 1;
            return None;
        };
        *slot = slot.saturating_add(1);
        if *slot == 1 {
            self.received += 1;
            self.last = stopwatch();
        }
        ours.map(|it| it.at)
    }

    /// One message took so long.
    pub(super) fn time(&mut self, length: Duration) {
        self.times.push(u64::try_from(length.as_micros()).unwrap_or(u64::MAX));
    }

    /// Different messages that came.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Whether nothing new has come for so long.
    pub(super) fn is_quiet_for(&self, length: Duration) -> bool {
        self.last.elapsed() > length
    }

    /// `counted`: whether messages were to come at all.
    pub(super) fn finish(mut self, counted: bool) -> Measured {
        let seconds = self.begun.elapsed().as_secs_f64();
        let messages = self.seen.len() as u64;
        self.times.sort_unstable();
        let times = &self.times;
        let at = |share: usize| {
            let last = times.len().checked_sub(1)?;
            times.get(last * share / 100).copied()
        };
        let twice = self.seen.iter().map(|times| u64::from(times.saturating_sub(1))).sum();
        Measured {
            phase: self.phase,
            messages,
            seconds,
            per_second: messages as f64 / seconds.max(f64::MIN_POSITIVE),
            p50_us: at(50),
            p90_us: at(90),
            p99_us: at(99),
            max_us: at(100),
            lost: if counted { messages - self.received } else { 0 },
            twice,
            changed: self.changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_twice_or_changed_is_counted() {
        let mut tally = Tally::new("both", 4);
        assert_eq!(tally.take(&body(0, 17, 100), 100), Some(17));
        assert_eq!(tally.take(&body(2, 18, 100), 100), Some(18));
        assert_eq!(tally.take(&body(2, 18, 100), 100), Some(18));
        assert_eq!(tally.take(&body(4, 19, 100), 100), None, "not one of ours");
        assert_eq!(tally.take(&body(1, 19, 99), 100), None, "cut");
        assert_eq!(tally.take(&body(1, 19, 100).replace("xx", "xy"), 100), None);
        assert_eq!(tally.take("null", 100), None);
        assert_eq!(tally.received(), 2);
        (1..=200).for_each(|micros| tally.time(Duration::from_micros(micros)));
        let measured = tally.finish(true);
        assert_eq!((measured.lost, measured.twice, measured.changed), (2, 1, 4));
        assert_eq!((measured.p50_us, measured.max_us), (Some(100), Some(200)));
    }

    #[test]
    fn a_body_has_the_size_that_was_asked_for() {
        for size in [64, 100, 1024] {
            assert_eq!(body(123, 456_789, size).len(), size);
        }
    }
}
