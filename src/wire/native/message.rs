//! Messages: as they are sent, as they are received, as they are looked at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    settings::Backoff,
    value::{Json, Text, json, raw},
};

/// What becomes of a message when one that it depends on is given up, expires or is cancelled.
///
/// * `wait`: it goes on waiting; the parent may be redriven.
/// * `fail`: it is given up, too, with the reason `parent failed`.
/// * `run`: that parent counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see above")]
pub enum ParentFailed {
    Wait,
    Fail,
    Run,
}

/// Labels: texts by name, for filters. All names and values are texts.
pub type Labels<'a> = BTreeMap<Text<'a>, Text<'a>>;

macro_rules! new_message {
    ($($(#[doc = $doc:literal])+ $(@$attribute:meta)* $name:ident: $type:ty as $schema:ty;)*) => {
        /// A message to be sent. It has either `body`, or `base64` with `content_type`.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[schema(example = json!({"body": {"page": 1}, "partition": "customer-7", "key": "order-1", "delay_ms": 1000}))]
        pub struct NewMessage<'a> {
            $(
                $(#[doc = $doc])+
                $(#[$attribute])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schema(value_type = $schema)]
                pub $name: Option<$type>,
            )*
        }

        /// One message, or several in `messages`: then no other field of a message may stand beside it. Several
        /// are admitted as a whole or refused as a whole; a key or an id that comes twice makes the second a duplicate.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[schema(example = json!({"body": {"page": 1}, "partition": "customer-7", "key": "order-1", "delay_ms": 1000}))]
        pub struct SendRequest<'a> {
            /// Several messages: 1 to the server's limit `items_per_request` (default 10,000), more are refused with
            /// `too_many_items`.
            #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
            #[schema(value_type = Option<Vec<NewMessage>>)]
            pub messages: Option<Vec<NewMessage<'a>>>,
            /// Whether the queue is made if it is not there (default `true`), or the request is refused with
            /// `queue_not_found` (`false`).
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub create: Option<bool>,
            $(
                $(#[doc = $doc])+
                $(#[$attribute])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schema(value_type = $schema)]
                pub $name: Option<$type>,
            )*
        }

        impl<'a> From<NewMessage<'a>> for SendRequest<'a> {
            fn from(message: NewMessage<'a>) -> Self {
                Self { messages: None, create: None, $($name: message.$name,)* }
            }
        }

        impl<'a> SendRequest<'a> {
            /// The message that stands in the request itself; without a body if `messages` is meant.
            #[must_use]
            pub fn into_message(self) -> NewMessage<'a> {
                NewMessage { $($name: self.$name,)* }
            }
        }
    };
}

new_message! {
    /// The body: any JSON value, `null` included. It is never parsed and comes out byte for byte as it went
    /// in: spaces, number formats, the order of keys and repeated keys stay.
    @serde(borrow, deserialize_with = "json")
    body: Json<'a> as Option<serde_json::Value>;
    /// A body that is not JSON, in standard base64 with padding. `content_type` must stand beside it.
    @serde(borrow)
    base64: Text<'a> as Option<String>;
    /// What `base64` is, such as `image/png`; only beside `base64`. 1 to 255 bytes.
    @serde(borrow)
    content_type: Text<'a> as Option<String>;
    /// The partition it goes to: a name of 1 to 255 bytes; made if it is not there. Messages of one partition keep
    /// their order, and a consumer can take a whole partition. Default: the partition `Default`.
    @serde(borrow)
    partition: Text<'a> as Option<String>;
    /// The sender's own id of the message: 1 to 255 bytes, and it must not look like a position (`3-17`). A message
    /// whose id the queue knows is a duplicate. Without it the position is the id.
    @serde(borrow)
    message_id: Text<'a> as Option<String>;
    /// The dedup key: two messages of one partition with the same key are the same message while the key is
    /// remembered. The answer is the first one's, with `duplicate: true`, and nothing is added. 1 to 255 bytes.
    @serde(borrow)
    key: Text<'a> as Option<String>;
    /// How long the key is remembered, in milliseconds from the sending. Default: the queue's `dedup_window_ms`.
    /// Only beside `key`.
    key_window_ms: u64 as Option<u64>;
    /// The key is remembered only until the message is done, dead or gone. Default `false`. Only beside `key`.
    key_until_settled: bool as Option<bool>;
    /// If the first message with the key is still ready or delayed in all groups and was never taken, it gets this
    /// body, these options and this delay; its place, id and key stay. Default `false`. Only beside `key`.
    key_replace: bool as Option<bool>;
    /// Looked at with `ordering: "priority"`: higher first. −1,000,000 to 1,000,000, default 0.
    priority: i32 as Option<i32>;
    /// Not ready (state `delayed`) before so many milliseconds have passed. Default: the queue's `delay_ms`.
    delay_ms: u64 as Option<u64>;
    /// Not ready before this time, in milliseconds since the epoch; wins over `delay_ms`.
    not_before: u64 as Option<u64>;
    /// Good for so many milliseconds from the sending; then it expires. Default: the queue's `ttl_ms`.
    ttl_ms: u64 as Option<u64>;
    /// Expires at this time, in milliseconds since the epoch (the earlier of `ttl_ms` and `deadline` counts). With
    /// `ordering: "deadline"` the earliest is taken first.
    deadline: u64 as Option<u64>;
    /// What kind of message this is; up to the sender. 1 to 255 bytes.
    @serde(borrow, rename = "type")
    kind: Text<'a> as Option<String>;
    /// Labels by name, for filters: at most 64, names and values of 1 to 255 bytes.
    @serde(borrow)
    labels: Labels<'a> as Option<BTreeMap<String, String>>;
    /// A JSON object that the server does not look at; comes out byte for byte.
    @serde(borrow, deserialize_with = "json")
    headers: Json<'a> as Option<BTreeMap<String, serde_json::Value>>;
    /// Failures until it is given up, instead of the queue's; 0: never.
    attempts_max: u32 as Option<u32>;
    /// Instead of the queue's.
    backoff: Backoff as Option<Backoff>;
    /// Ids (or positions) of the messages that must be done in the work group before this one is ready; until then
    /// it is `blocked`. An id that the queue does not know is waited for. A position that is no longer kept is done.
    @serde(borrow)
    depends_on: Vec<Text<'a>> as Option<Vec<String>>;
    /// When one of them is given up, expires or is cancelled. Default `wait`.
    parent_failed: ParentFailed as Option<ParentFailed>;
}

/// What became of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0-17", "duplicate": false}))]
pub struct Receipt {
    /// The sender's id of the message, or its position. Of a duplicate: the first one's.
    pub id: String,
    /// Whether it was known already, and nothing was added.
    pub duplicate: bool,
}

/// A message that was handed out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "0-17", "lease": "0-0-17-1785000000000001", "attempt": 1, "until": 1_785_000_030_000_u64, "position": "0-17",
    "partition": "Default", "sent_at": 1_785_000_000_000_u64, "body": {"page": 1}
}))]
pub struct Received {
    /// The sender's id of the message, or its position.
    pub id: String,
    /// To settle it with; a text without meaning, valid in this queue until the lease ends. Null with
    /// `lease: "none"`: it is done already.
    #[schema(required)]
    pub lease: Option<String>,
    /// Which delivery of the message to this group this is; the first is 1. Never falls.
    pub attempt: u32,
    /// When the lease ends, in milliseconds since the epoch; null: it is not timed.
    #[schema(required)]
    pub until: Option<u64>,
    /// Where it is: number of its partition, and offset in it. Never reused.
    pub position: String,
    /// Name of its partition.
    pub partition: String,
    /// When it was sent, in milliseconds since the epoch.
    pub sent_at: u64,
    /// The body, if it is JSON: the sender's bytes.
    #[serde(default, deserialize_with = "raw", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub body: Option<Box<RawValue>>,
    /// The body, if it is not JSON, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// What `base64` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// What kind of message this is. Absent if its sender did not say; the same holds for what follows.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Labels by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// The sender's headers, byte for byte.
    #[serde(default, deserialize_with = "raw", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, serde_json::Value>>)]
    pub headers: Option<Box<RawValue>>,
    /// The priority; absent if 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// The dedup key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The deadline that the sender set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// When it expires: the earlier of ttl and deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

/// Where a message stands, as one group sees it.
///
/// * `blocked`: waits for other messages to be done. `delayed`: waits for its time. `ready`: can be taken.
/// * `leased`: somebody has it. `dead`: given up, and kept apart. `done`: done, and kept for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see above")]
pub enum State {
    Blocked,
    Delayed,
    Ready,
    Leased,
    Dead,
    Done,
}

/// A message as a group sees it, not taken.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct View {
    /// The sender's id of the message, or its position.
    pub id: String,
    /// Where it stands. One that is gone (removed, cancelled, dropped) while its result was awaited shows as `done`.
    pub state: State,
    /// Deliveries to the group so far, as far as they are known.
    pub attempts: u32,
    /// Failures in the group so far.
    pub failures: u32,
    /// When it changes by itself: ready again (delayed), or the lease's end (leased); null: not by itself.
    #[schema(required)]
    pub until: Option<u64>,
    /// When it was given up or done.
    #[schema(required)]
    pub ended_at: Option<u64>,
    /// Why it was given up: what the settle said, else `failed`, `lease expired`, `expired`, `parent failed`,
    /// `queue_full`, `buried`.
    #[schema(required)]
    pub reason: Option<String>,
    /// What its taker said when it was done: any JSON value. Null also if nothing was said.
    #[schema(value_type = Option<serde_json::Value>, required)]
    pub result: Option<Box<RawValue>>,
    /// Where it is: number of its partition, and offset in it.
    pub position: String,
    /// Name of its partition.
    pub partition: String,
    /// When it was sent.
    pub sent_at: u64,
    /// The body, if it is JSON.
    #[serde(default, deserialize_with = "raw", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub body: Option<Box<RawValue>>,
    /// The body, if it is not JSON, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// What `base64` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// What kind of message this is. Absent if its sender did not say; the same holds for what follows.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Labels by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// The sender's headers.
    #[serde(default, deserialize_with = "raw", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, serde_json::Value>>)]
    pub headers: Option<Box<RawValue>>,
    /// The priority; absent if 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// The dedup key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The deadline that the sender set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}
