//! What comes back: what stands in `ok` over WebSocket, and is the body over HTTP.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    message::{Receipt, Received, View},
    request::CatchUp,
    settings::Settings,
};

/// Nothing more is to be said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({}))]
pub struct Empty {}

/// A queue in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueSize {
    /// Its name.
    pub name: String,
    /// Ready messages of its work group.
    pub size: u64,
}

/// The queues of the room, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"queues": [{"name": "jobs", "size": 3}]}))]
pub struct Queues {
    /// All of them.
    pub queues: Vec<QueueSize>,
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Configured {
    /// All of them.
    pub settings: Settings,
}

/// Messages by state, as one group sees them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Null: the work group.
    #[schema(required)]
    pub name: Option<String>,
    /// Its messages.
    pub counts: Counts,
    /// Its waiting and standing receivers.
    pub receivers: u64,
    /// When the oldest ready message was sent, in milliseconds since the epoch.
    #[schema(required)]
    pub oldest_ready_at: Option<u64>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Partition {
    /// Its name.
    pub name: String,
    /// Its number: the first part of the positions in it.
    pub number: u32,
    /// Messages kept in it, in whatever state.
    pub messages: u64,
    /// Offset of the next message.
    pub end: u64,
}

/// A schedule, as it was put, and when it fires next.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ScheduleShown {
    /// Its name.
    pub name: String,
    /// As it was put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// As it was put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// As it was put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// As it was put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// As it was put.
    pub catch_up: CatchUp,
    /// Whether it stands still.
    pub paused: bool,
    /// Its next occurrence; null: there is none.
    #[schema(required)]
    pub next_at: Option<u64>,
    /// What is sent: a message as it is sent.
    #[schema(value_type = super::message::NewMessage)]
    pub message: Box<RawValue>,
}

/// How often what happened since the server started. `delivered` counts handings out to all groups; `retried` failures
/// after which a message came back; `dead` and `dropped` those that were given up, expired or made room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "see the events")]
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

/// Whether a queue takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Status {
    Open,
    Closed,
}

/// A queue.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Inspection {
    /// Its name.
    pub name: String,
    /// Whether it takes and gives, or does neither.
    pub status: Status,
    /// Whether it hands out nothing for now.
    pub paused: bool,
    /// The settings in force.
    pub settings: Settings,
    /// Messages kept, in whatever state.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// The work group first (if there is one), then the others by name.
    pub groups: Vec<Group>,
    /// By number, the first 1,000.
    pub partitions: Vec<Partition>,
    /// By name.
    pub schedules: Vec<ScheduleShown>,
    /// Since the server started.
    pub totals: Totals,
}

/// Why nothing moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "code": "no_receivers", "sentence": "3 messages ready, and nobody receives", "receivers": 0,
    "counts": {"blocked": 0, "delayed": 0, "ready": 3, "leased": 0, "dead": 0, "done": 0}
}))]
pub struct Explanation {
    /// One of `closed`, `paused`, `empty`, `concurrency_full`, `rate_limited`, `no_receivers`, `nothing_matches`,
    /// `partitions_leased`, `all_leased`, `delayed`, `blocked`, `only_dead`.
    pub code: String,
    /// For people.
    pub sentence: String,
    /// Messages of the group by state.
    pub counts: Counts,
    /// Its waiting and standing receivers.
    pub receivers: u64,
}

/// How many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"count": 3}))]
pub struct Count {
    /// How many messages were removed.
    pub count: u64,
}

/// What became of what was sent: of one message `id` and `duplicate`, of several `messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Sent {
    /// Of several, in the order of the request.
    Several {
        /// What became of each.
        messages: Vec<Receipt>,
    },
    /// Of one.
    One(Receipt),
}

/// Messages that were handed out; perhaps none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Messages {
    /// In the order of the queue.
    pub messages: Vec<Received>,
}

/// What became of a lease that was to be ended.
///
/// * `done`. `back`: the message is ready again. `dead`: it is a dead letter. `dropped`: it was given up, and the queue
///   keeps no dead letters. `cancelled`: it is removed.
/// * `lost`: the lease was not live any more, and nothing happened. The others of the same request happen all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see above")]
pub enum SettleStatus {
    Done,
    Back,
    Dead,
    Dropped,
    Cancelled,
    Lost,
}

/// What became of a lease that was to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Settled {
    /// What.
    pub status: SettleStatus,
    /// With `back`: when it is ready again; absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

/// What became of each lease, in the order of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"results": [{"status": "done"}, {"status": "back", "at": 1_785_000_001_000_u64}]}))]
pub struct Results {
    /// One for each.
    pub results: Vec<Settled>,
}

/// When each lease ends now, in the order of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"until": [1_785_000_060_000_u64, null]}))]
pub struct Extended {
    /// In milliseconds since the epoch; null: it is not live, or not timed.
    pub until: Vec<Option<u64>>,
}

/// What a transaction did in one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartDone {
    /// Which queue.
    pub queue: String,
    /// What became of the leases, in the order of the request.
    pub settled: Vec<Settled>,
    /// What became of the messages, in the order of the request.
    pub sent: Vec<Receipt>,
}

/// What a transaction did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transacted {
    /// By queue, in the order of the request.
    pub parts: Vec<PartDone>,
}

/// A page of messages.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Page {
    /// By position: by the number of their partition, then by offset.
    pub messages: Vec<View>,
    /// What to ask for `after` to see more; null: that was all.
    #[schema(required)]
    pub next: Option<String>,
}

/// What was changed by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"count": 2, "ids": ["0-3", "0-4"]}))]
pub struct Changed {
    /// How many messages were changed, or would be.
    pub count: u64,
    /// The positions of the first 1,000 of them; a position can be used wherever an id can.
    pub ids: Vec<String>,
}

/// When a schedule fires next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"next_at": 1_785_000_000_000_u64}))]
pub struct NextAt {
    /// Its next occurrence in milliseconds since the epoch; null: there is none, or it is paused.
    #[schema(required)]
    pub next_at: Option<u64>,
}

/// A participant of the room.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Participant {
    /// Unique in the room and in time.
    pub id: String,
    /// From its token. Several participants may share one.
    pub name: String,
    /// From its token.
    pub role: String,
    /// Set by the participant: JSON values by name.
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    pub attributes: BTreeMap<String, Box<RawValue>>,
}

/// Who is in the room: those who are connected by WebSocket.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Participants {
    /// In the order of their coming.
    pub participants: Vec<Participant>,
}

/// The answer to `ping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// The server's, in milliseconds since the epoch.
    pub time: u64,
}

/// A refusal over WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What went wrong, as a word that never changes its meaning.
    pub code: String,
    /// The same as a number.
    pub number: u16,
    /// For people.
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Whether the refused request may have changed something all the same.
    pub may_have_happened: bool,
}

/// A refusal over HTTP, with the content type `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "type": "about:blank", "title": "there is no such queue", "status": 404, "detail": "there is no such queue: jobs",
    "code": "queue_not_found", "number": 300, "retryable": false, "may_have_happened": false
}))]
pub struct Problem {
    /// Always `about:blank`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The meaning of the code, for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time, for people; names the field, the queue, the setting.
    pub detail: String,
    /// What went wrong, as a word that never changes its meaning.
    pub code: String,
    /// The same as a number.
    pub number: u16,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Whether the refused request may have changed something all the same.
    pub may_have_happened: bool,
}
