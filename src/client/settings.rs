//! Settings of a queue: as they are set, and as they are shown.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Error, time::millis};

/// Which ready message is taken first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// In the order of sending.
    Fifo,
    /// The highest priority first.
    Priority,
    /// The earliest deadline first.
    Deadline,
}

/// How the wait before a retry grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackoffKind {
    /// The base each time.
    Fixed,
    /// The base times the failures.
    Linear,
    /// The base, doubled by each failure.
    Exponential,
}

/// How long a failed message waits before it is ready again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// How it grows.
    pub kind: BackoffKind,
    /// The wait after the first failure.
    pub base_ms: u64,
    /// It never waits longer than this.
    pub cap_ms: u64,
    /// Up to so many per cent are taken off.
    #[serde(default)]
    pub jitter_percent: u8,
}

impl Backoff {
    /// Doubles from `base` up to `cap`, with a tenth taken off at most.
    #[must_use]
    pub fn exponential(base: Duration, cap: Duration) -> Self {
        Self {
            kind: BackoffKind::Exponential,
            base_ms: millis(base),
            cap_ms: millis(cap),
            jitter_percent: 10,
        }
    }

    /// Always the same.
    #[must_use]
    pub fn fixed(wait: Duration) -> Self {
        Self {
            kind: BackoffKind::Fixed,
            base_ms: millis(wait),
            cap_ms: millis(wait),
            jitter_percent: 0,
        }
    }
}

/// What happens to a message that is sent to a full queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// It is refused.
    Reject,
    /// The oldest ready message is dropped for it.
    DropOldest,
    /// It becomes a dead letter.
    DeadLetter,
}

/// When requests are answered and messages are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// When the change is on disk.
    Durable,
    /// At once: what was sent or settled last may be undone by a crash of the server.
    Relaxed,
}

/// Settings to change. What is not named stays as it is.
///
/// ```
/// use anteroom::client::{Backoff, Settings};
/// use std::time::Duration;
///
/// let settings = Settings::new()
///     .attempts_max(3)
///     .lease(Duration::from_secs(60))
///     .backoff(Backoff::exponential(Duration::from_millis(100), Duration::from_secs(30)));
/// # drop(settings);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Settings(Map<String, Value>);

impl Settings {
    /// Changes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Any setting by its name on the wire; `null` puts back the default.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Puts back the default of a setting.
    #[must_use]
    pub fn reset(self, name: impl Into<String>) -> Self {
        self.set(name, Value::Null)
    }

    /// Which ready message is taken first.
    #[must_use]
    pub fn ordering(self, ordering: Ordering) -> Self {
        self.set("ordering", json!(ordering))
    }

    /// Each `every` of waiting raises the priority by `step`, up to `top`.
    #[must_use]
    pub fn ageing(self, every: Duration, step: i32, top: i32) -> Self {
        self.set("ageing", json!({"every_ms": millis(every), "step": step, "top": top}))
    }

    /// How long a taker has a message, if it does not say.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        self.set("lease_ms", millis(lease))
    }

    /// Failures until a message is given up; 0 is never.
    #[must_use]
    pub fn attempts_max(self, attempts: u32) -> Self {
        self.set("attempts_max", attempts)
    }

    /// How long a failed message waits.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.set("backoff", json!(backoff))
    }

    /// Whether a lease that runs out is a failure.
    #[must_use]
    pub fn expiry_is_failure(self, is: bool) -> Self {
        self.set("expiry_is_failure", is)
    }

    /// Whether messages that are given up are kept as dead letters.
    #[must_use]
    pub fn dead_letter(self, is: bool) -> Self {
        self.set("dead_letter", is)
    }

    /// Whether messages past their time become dead letters.
    #[must_use]
    pub fn dead_letter_expired(self, is: bool) -> Self {
        self.set("dead_letter_expired", is)
    }

    /// How long a message waits before it is ready, if its sender does not say.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        self.set("delay_ms", millis(delay))
    }

    /// How long a message is good for, if its sender does not say.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        self.set("ttl_ms", millis(ttl))
    }

    /// New messages are gathered for so long, or until there are so many, and become ready together.
    #[must_use]
    pub fn window(self, length: Duration, debounce: bool, messages: u32) -> Self {
        let length = millis(length);
        self.set("window", json!({"length_ms": length, "debounce": debounce, "messages": messages}))
    }

    /// How long a key is remembered.
    #[must_use]
    pub fn dedup_window(self, window: Duration) -> Self {
        self.set("dedup_window_ms", millis(window))
    }

    /// Whether a known key with another body is refused.
    #[must_use]
    pub fn dedup_content(self, is: bool) -> Self {
        self.set("dedup_content", is)
    }

    /// Messages that may be live at the same time.
    #[must_use]
    pub fn messages_max(self, messages: u64) -> Self {
        self.set("messages_max", messages)
    }

    /// Bytes of their bodies.
    #[must_use]
    pub fn bytes_max(self, bytes: u64) -> Self {
        self.set("bytes_max", bytes)
    }

    /// What happens to one more.
    #[must_use]
    pub fn overflow(self, overflow: Overflow) -> Self {
        self.set("overflow", json!(overflow))
    }

    /// Messages older than this are dropped.
    #[must_use]
    pub fn retain_open(self, length: Duration) -> Self {
        self.set("retain_open_ms", millis(length))
    }

    /// How long a message is kept after the last group is done with it.
    #[must_use]
    pub fn retain_settled(self, length: Duration) -> Self {
        self.set("retain_settled_ms", millis(length))
    }

    /// How long a dead letter is kept.
    #[must_use]
    pub fn retain_dead(self, length: Duration) -> Self {
        self.set("retain_dead_ms", millis(length))
    }

    /// At most `count` messages are handed out within any `per`.
    #[must_use]
    pub fn rate(self, count: u32, per: Duration) -> Self {
        self.set("rate", json!({"count": count, "per_ms": millis(per)}))
    }

    /// Messages of one group that may be leased at the same time.
    #[must_use]
    pub fn concurrency(self, messages: u32) -> Self {
        self.set("concurrency", messages)
    }

    /// Whether there is a work group: receivers that name no group.
    #[must_use]
    pub fn work_group(self, is: bool) -> Self {
        self.set("work_group", is)
    }

    /// When requests are answered and messages are delivered.
    #[must_use]
    pub fn durability(self, durability: Durability) -> Self {
        self.set("durability", json!(durability))
    }

    /// A server without a key for encryption refuses the queue.
    #[must_use]
    pub fn encryption_required(self, is: bool) -> Self {
        self.set("encryption", if is { "required" } else { "optional" })
    }

    /// Texts about the queue, by name.
    #[must_use]
    pub fn labels<N: Into<String>, T: Into<String>>(
        self,
        labels: impl IntoIterator<Item = (N, T)>,
    ) -> Self {
        let labels = labels.into_iter().map(|(name, text)| (name.into(), Value::from(text.into())));
        self.set("labels", labels.collect::<Map<String, Value>>())
    }

    /// Of several queues that somebody takes from at once, the one with the highest priority comes first.
    #[must_use]
    pub fn priority(self, priority: i32) -> Self {
        self.set("priority", priority)
    }
}

/// The settings in force, by their names on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SettingsInForce(pub Map<String, Value>);

impl SettingsInForce {
    /// One of them.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is of another type.
    pub fn get<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        Ok(T::deserialize(self.0.get(name).unwrap_or(&Value::Null))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_names_of_the_wire() {
        let settings = Settings::new()
            .ordering(Ordering::Priority)
            .rate(5, Duration::from_secs(1))
            .overflow(Overflow::DropOldest)
            .reset("ttl_ms");
        assert_eq!(
            serde_json::to_value(&settings).unwrap(),
            json!({"ordering": "priority", "rate": {"count": 5, "per_ms": 1000},
                "overflow": "drop_oldest", "ttl_ms": null})
        );
        let shown = SettingsInForce(settings.0);
        assert_eq!(shown.get::<Ordering>("ordering").unwrap(), Ordering::Priority);
        assert!(shown.get::<u64>("ordering").is_err());
    }
}
