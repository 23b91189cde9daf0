//! The settings of a queue, as they are changed and as they are shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::value::{Keep, there};

/// Which ready message is taken first.
///
/// * `fifo`: in the order of sending.
/// * `priority`: the highest `priority` first, among equals in the order of sending.
/// * `deadline`: the earliest `deadline` first, those without one last, among equals in the order of sending.
///
/// A message that comes back (retry, release, expiry) takes its old place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see above")]
pub enum Ordering {
    Fifo,
    Priority,
    Deadline,
}

/// With `ordering: "priority"`: waiting raises the priority, so that nothing waits for ever. The priority
/// of a ready message is `priority + step × (whole intervals of every_ms since it was sent)`, but ageing
/// raises no priority above `top`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ageing {
    /// The interval in milliseconds, at least 1.
    pub every_ms: u64,
    /// What each whole interval adds: 1 to 1,000,000.
    pub step: i32,
    /// Ageing raises no priority above this: −1,000,000 to 1,000,000.
    pub top: i32,
}

/// How the wait before a retry grows with the number of failures f (1, 2, …): `fixed` is `base_ms`,
/// `linear` is `base_ms × f`, `exponential` is `base_ms × 2^(f − 1)`; never longer than `cap_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see above")]
pub enum BackoffKind {
    Fixed,
    Linear,
    Exponential,
}

/// How long a failed message waits before it is ready again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// How the wait grows.
    pub kind: BackoffKind,
    /// The wait after the first failure in milliseconds; 0: no wait at all.
    pub base_ms: u64,
    /// It never waits longer than this, in milliseconds. Default 300,000 (5 minutes).
    #[serde(default = "cap")]
    pub cap_ms: u64,
    /// Up to so many per cent are taken off the wait, by a number that is computed from the message and its
    /// failures: 0 to 100, default 0.
    #[serde(default)]
    pub jitter_percent: u8,
}

const fn cap() -> u64 {
    300_000
}

/// New messages of a partition are held back (state `delayed`) and become ready together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The window closes so many milliseconds after the first of them was sent; at least 1.
    pub length_ms: u64,
    /// `true`: it closes so long after the *last* of them was sent. Default `false`.
    #[serde(default)]
    pub debounce: bool,
    /// It closes at once when so many messages are in it; at least 1. Default 4,294,967,295: never.
    #[serde(default = "most")]
    pub messages: u32,
}

const fn most() -> u32 {
    u32::MAX
}

/// What happens to a message that is sent when the queue has `messages_max` messages or `bytes_max` bytes.
///
/// * `reject`: it is refused with `queue_full` or `queue_bytes_full`.
/// * `drop_oldest`: the oldest ready messages of the work group are dropped for it; with none ready it is refused.
/// * `dead_letter`: it becomes a dead letter with the reason `queue_full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see above")]
pub enum Overflow {
    Reject,
    DropOldest,
    DeadLetter,
}

/// When a request is answered and a message is delivered.
///
/// * `durable`: when the change is on disk.
/// * `relaxed`: at once. What was sent or settled last may be undone by a crash of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see above")]
pub enum Durability {
    Durable,
    Relaxed,
}

/// Whether what is stored of the queue must be encrypted.
///
/// * `optional`: it is if the server has a key.
/// * `required`: a server without a key refuses the queue with `encryption_unavailable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see above")]
pub enum Encryption {
    Optional,
    Required,
}

/// At most `count` messages are handed out within any interval of `per_ms` milliseconds, to all takers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// 0 (nothing is handed out) to 100,000.
    pub count: u32,
    /// The interval in milliseconds, at least 1.
    pub per_ms: u64,
}

/// Texts by name.
pub type Labels = BTreeMap<String, String>;

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty, $shown:ty;)*) => {
        /// Settings to be changed. A field that is absent stays as it is; a field that is `null` goes back to
        /// its default. A value out of its range is refused with `invalid_settings`, and nothing is changed.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[schema(example = json!({"lease_ms": 60_000, "attempts_max": 3}))]
        pub struct SettingsChange {
            $(
                $(#[doc = $doc])+
                #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
                #[schema(value_type = Option<$type>)]
                pub $name: Option<Option<$type>>,
            )*
        }

        /// The settings in force. All fields are there.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub struct Settings {
            $($(#[doc = $doc])+ #[schema(required)] pub $name: $shown,)*
        }
    };
}

settings! {
    /// Which ready message is taken first. Default `fifo`.
    ordering: Ordering, Ordering;
    /// Whether waiting raises the priority. Default `null`: it does not.
    ageing: Ageing, Option<Ageing>;
    /// How long a taker has a message, in milliseconds, if it does not say: 1 to 604,800,000 (7 days). Default 30,000.
    lease_ms: u64, u64;
    /// A message whose failures reach this is given up: it becomes a dead letter or is dropped (`dead_letter`).
    /// 0: never. Default 5. Failures are retries, and leases that ran out if `expiry_is_failure`.
    attempts_max: u32, u32;
    /// How long a failed message waits before it is ready again, if the settle that failed it does not say.
    /// Default `{"kind":"exponential","base_ms":0,"cap_ms":300000,"jitter_percent":0}`: no wait.
    backoff: Backoff, Backoff;
    /// Whether a lease that runs out counts as a failure. Default `true`. The message is ready again at once.
    expiry_is_failure: bool, bool;
    /// Whether messages that are given up are kept as dead letters (state `dead`), or dropped. Default `true`.
    dead_letter: bool, bool;
    /// Whether messages past their ttl or deadline become dead letters (reason `expired`), or are dropped. Default `false`.
    dead_letter_expired: bool, bool;
    /// How long a message waits before it is ready, in milliseconds, if its sender does not say. Default 0.
    delay_ms: u64, u64;
    /// How long a message is good for, in milliseconds from its sending, if its sender does not say; at least 1.
    /// Default `null`: for ever.
    ttl_ms: u64, Option<u64>;
    /// Whether new messages are gathered. Default `null`: they are not.
    window: Window, Option<Window>;
    /// How long the `key` of a message is remembered, in milliseconds from its sending, if its sender does not say;
    /// 0: keys mean nothing. Default 3,600,000 (1 hour).
    dedup_window_ms: u64, u64;
    /// Whether a known key with another body is refused with `key_conflict` (`true`), or is taken for the
    /// same message (`false`, default).
    dedup_content: bool, bool;
    /// Messages that some group is not done with, dead letters not counted; at least 1. Default `null`: the
    /// server's limit `messages_per_queue`, which counts all that is kept and always refuses.
    messages_max: u64, Option<u64>;
    /// Bytes of the bodies of these messages; at least 1. Default `null`: the server's limit `bytes_per_queue`.
    bytes_max: u64, Option<u64>;
    /// What happens to one more. Default `reject`.
    overflow: Overflow, Overflow;
    /// Messages older than this are dropped, whatever their state; leased ones when they come back.
    /// At least 1 (ms) or `"forever"`. Default `"forever"`.
    retain_open_ms: Keep, Keep;
    /// How long a message is kept (state `done`) after the last group is done with it, so that it can be found,
    /// awaited, and read again by a group that seeks back. Default 0: it is removed at once.
    retain_settled_ms: Keep, Keep;
    /// How long a dead letter is kept. Default 1,209,600,000 (14 days).
    retain_dead_ms: Keep, Keep;
    /// How fast messages are handed out, to all takers together. Default `null`: as fast as they are asked for.
    rate: Rate, Option<Rate>;
    /// Messages of one group that may be leased at the same time; at least 1. Default `null`: any number.
    concurrency: u32, Option<u32>;
    /// Whether there is a work group: receives that name no group. Default `true`.
    work_group: bool, bool;
    /// When a request is answered and a message is delivered. Default `durable`: when the change is on disk.
    durability: Durability, Durability;
    /// Whether what is stored of the queue must be encrypted. Default `optional`.
    encryption: Encryption, Encryption;
    /// Texts about the queue, by name: at most 64, of names of 1 to 255 bytes, each at most 4,096 bytes. They are set as a
    /// whole. Default `{}`. Interfaces of other protocols keep here what they know of the queue.
    labels: Labels, Labels;
    /// Of several queues that somebody takes from at once, the one with the highest priority comes first:
    /// −1,000,000 to 1,000,000. Default 0.
    priority: i32, i32;
}
