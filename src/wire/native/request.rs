//! What can be asked, without what HTTP has in its path.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    message::{Labels, NewMessage, State},
    settings::SettingsChange,
    value::{Begin, Json, SeekTo, Text, is_false, is_true, json, yes},
};

/// A request without fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Opens a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"settings": {"lease_ms": 60_000}}))]
pub struct Open {
    /// Settings to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Box<SettingsChange>>,
}

/// Changes settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"settings": {"attempts_max": 3, "ttl_ms": null}, "replace": false}))]
pub struct Configure {
    /// What is to be changed.
    pub settings: Box<SettingsChange>,
    /// Whether all settings that are not named go back to their defaults. Default `false`: they stay.
    #[serde(default, skip_serializing_if = "is_false")]
    pub replace: bool,
}

/// Names a group; nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InGroup<'a> {
    /// The group; absent or null: the work group.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub group: Option<Text<'a>>,
}

/// Removes the messages of a group that are in some states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"states": ["ready", "dead"]}))]
pub struct Purge<'a> {
    /// Which states; leased messages are never removed, even if `leased` is named.
    pub states: Vec<State>,
    /// As this group sees them; absent or null: the work group.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub group: Option<Text<'a>>,
}

/// How long the taker has what it took.
///
/// * `timed`: until `lease_ms` have passed, even if the session ends before. Default over HTTP.
/// * `bound`: the same, but not longer than the session lives. Default over WebSocket; not over HTTP.
/// * `session`: as long as the session lives. Not over HTTP.
/// * `none`: no lease; the message is done when it is handed out (at most once).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see above")]
pub enum Lease {
    Timed,
    Bound,
    Session,
    None,
}

/// Takes messages. Those that can be taken are handed out in the order of the queue, up to `max`; with none, the
/// answer waits up to `wait_ms` for one that can be taken, and is then an empty list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"max": 10, "wait_ms": 100, "lease_ms": 60_000}))]
pub struct Receive<'a> {
    /// At most so many messages: 1 to the server's limit `items_per_request` (default 10,000); more are refused with
    /// `too_many_items`. Default 1. A waiting receive is answered with the first message that comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// How long to wait for a message, in milliseconds; over HTTP at most 60,000, over WebSocket any number. Default 0:
    /// the answer comes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// How long the lease is, in milliseconds: 1 to 604,800,000. Default: the queue's `lease_ms`. Only with `timed` and
    /// `bound`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
    /// How long the taker has what it took. Default: `timed` over HTTP, `bound` over WebSocket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The consumer group that takes; made if it is not there. Absent or null: the work group. A message that one group
    /// takes stays for all others.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub group: Option<Text<'a>>,
    /// Where the group begins if this makes it. Default `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Begin>,
    /// Only from this partition.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub partition: Option<Text<'a>>,
    /// Takes whole partitions, at most so many (at least 1): the first ready messages of each, in order, and nobody else
    /// of the group gets messages of these partitions until the lease ends. Absent: single messages. Not with `labels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<u32>,
    /// Only messages with all these labels.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub labels: Option<Labels<'a>>,
    /// Whether the queue is made if it is not there (default `true`), or the request is refused with `queue_not_found`.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub create: bool,
}

/// A standing receiver: messages are pushed as they come. Only over WebSocket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Subscribe<'a> {
    /// So many pushed messages may be unsettled; then nothing is pushed until one is settled. 0: nothing is pushed
    /// until `credit` says otherwise. Default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit: Option<u32>,
    /// As in a receive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
    /// As in a receive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// As in a receive.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub group: Option<Text<'a>>,
    /// As in a receive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Begin>,
    /// As in a receive.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub partition: Option<Text<'a>>,
    /// As in a receive.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub labels: Option<Labels<'a>>,
    /// As in a receive.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub create: bool,
}

/// Changes the credit of a standing receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credit {
    /// The `id` of the request that made it.
    pub receiver: u64,
    /// So many may be unsettled from now on.
    pub credit: u32,
}

/// Ends a waiting receive or a standing receiver. Its leases stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The `id` of the request that made it.
    pub receiver: u64,
}

/// How a delivery ended.
///
/// * `done`: it is done, perhaps with a `result`.
/// * `retry`: it failed; ready again after `delay_ms` (else the back-off), or given up if it failed too often.
/// * `dead`: it is given up at once.
/// * `release`: given back untouched, ready again after `delay_ms` (else at once); no failure is counted.
/// * `cancel`: the message is removed from the queue, for all groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see above")]
pub enum Verdict {
    #[default]
    Done,
    Retry,
    Dead,
    Release,
    Cancel,
}

macro_rules! item {
    ($($(#[doc = $doc:literal])+ $(@$attribute:meta)* $name:ident: $type:ty as $schema:ty;)*) => {
        /// How one delivery ended.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[schema(example = json!({"lease": "0-0-17-1785000000000001", "outcome": "retry", "reason": "timeout"}))]
        pub struct Item<'a> {
            /// The lease of the delivery, as it was received.
            #[serde(borrow)]
            #[schema(value_type = String)]
            pub lease: Text<'a>,
            $(
                $(#[doc = $doc])+
                $(#[$attribute])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schema(value_type = $schema)]
                pub $name: Option<$type>,
            )*
        }

        /// Ends one delivery, or several in `items`: then no other field may stand beside it.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[schema(example = json!({"items": [
            {"lease": "0-0-17-1785000000000001"},
            {"lease": "0-0-18-1785000000000001", "outcome": "retry", "reason": "timeout"}
        ]}))]
        pub struct Settle<'a> {
            /// Several: 1 to the server's limit `items_per_request` (default 10,000).
            #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
            #[schema(value_type = Option<Vec<Item>>)]
            pub items: Option<Vec<Item<'a>>>,
            /// The lease of the delivery, as it was received.
            #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
            #[schema(value_type = Option<String>)]
            pub lease: Option<Text<'a>>,
            $(
                $(#[doc = $doc])+
                $(#[$attribute])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schema(value_type = $schema)]
                pub $name: Option<$type>,
            )*
        }

        impl<'a> Settle<'a> {
            /// The item that stands in the request itself.
            #[must_use]
            pub fn into_item(self) -> Option<Item<'a>> {
                Some(Item { lease: self.lease?, $($name: self.$name,)* })
            }
        }
    };
}

item! {
    /// How it ended. Default `done`.
    outcome: Verdict as Option<Verdict>;
    /// What came of it: any JSON value, kept with the message as long as it is kept, and shown to those who await it.
    /// Only with `done`.
    @serde(borrow, deserialize_with = "json")
    result: Json<'a> as Option<serde_json::Value>;
    /// When it is to be ready again, in milliseconds from now. Only with `retry` and `release`.
    delay_ms: u64 as Option<u64>;
    /// Why. Only with `retry` and `dead`.
    @serde(borrow)
    reason: Text<'a> as Option<String>;
}

/// Prolongs timed leases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"leases": ["0-0-17-1785000000000001"], "by_ms": 60_000}))]
pub struct Extend<'a> {
    /// Which: 1 to the server's limit `items_per_request`.
    #[serde(borrow)]
    #[schema(value_type = Vec<String>)]
    pub leases: Vec<Text<'a>>,
    /// They end so many milliseconds after now, if that is later than they would have: 1 to 604,800,000. Default: the
    /// queue's `lease_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_ms: Option<u64>,
}

/// What a transaction does in one queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Part<'a> {
    /// Which queue.
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub queue: Text<'a>,
    /// Deliveries that end; each lease must be live.
    #[serde(default, borrow, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Item>)]
    pub settle: Vec<Item<'a>>,
    /// Messages that are added; none may be a duplicate.
    #[serde(default, borrow, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<NewMessage>)]
    pub send: Vec<NewMessage<'a>>,
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self(std::borrow::Cow::Borrowed(""))
    }
}

/// Changes of several queues that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"parts": [{"queue": "results", "send": [{"body": {"page": 1, "ok": true}}]}]}))]
pub struct Transact<'a> {
    /// By queue; a queue may come once only.
    #[serde(borrow)]
    #[schema(value_type = Vec<Part>)]
    pub parts: Vec<Part<'a>>,
}

macro_rules! filter {
    ($($(#[doc = $doc:literal])+ $(@$attribute:meta)* $name:ident: $type:ty as $schema:ty;)*) => {
        /// Which messages of a group are meant. All conditions must hold.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[schema(example = json!({"states": ["dead"], "reason": "timeout"}))]
        pub struct Filter<'a> {
            $(
                $(#[doc = $doc])+
                $(#[$attribute])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schema(value_type = $schema)]
                pub $name: Option<$type>,
            )*
        }

        /// Shows messages without taking them, by position.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct Browse<'a> {
            /// As this group sees them; absent or null: the work group.
            #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
            #[schema(value_type = Option<String>)]
            pub group: Option<Text<'a>>,
            /// Only those after this position: `next` of the page before.
            #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
            #[schema(value_type = Option<String>)]
            pub after: Option<Text<'a>>,
            /// At most so many: 1 to the server's limit `items_per_request`. Default 100.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub limit: Option<u32>,
            $(
                $(#[doc = $doc])+
                $(#[$attribute])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schema(value_type = $schema)]
                pub $name: Option<$type>,
            )*
        }

        impl<'a> Browse<'a> {
            /// The conditions.
            #[must_use]
            pub fn into_filter(self) -> Filter<'a> {
                Filter { $($name: self.$name,)* }
            }
        }
    };
}

filter! {
    /// In one of these states. Default: any.
    states: Vec<State> as Option<Vec<State>>;
    /// In this partition.
    @serde(borrow)
    partition: Text<'a> as Option<String>;
    /// Sent before this time, in milliseconds since the epoch.
    sent_before: u64 as Option<u64>;
    /// Of this type.
    @serde(borrow, rename = "type")
    kind: Text<'a> as Option<String>;
    /// With all these labels.
    @serde(borrow)
    labels: Labels<'a> as Option<BTreeMap<String, String>>;
    /// Dead, and this text is part of the reason.
    @serde(borrow)
    reason: Text<'a> as Option<String>;
}

/// Shows one message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Find<'a> {
    /// Its id or its position.
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub message: Text<'a>,
    /// As this group sees it; absent or null: the work group.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub group: Option<Text<'a>>,
}

/// Waits until a message is done, dead or gone in the work group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Await<'a> {
    /// Its id or its position.
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub message: Text<'a>,
    /// How long, in milliseconds; over HTTP at most 60,000. Then the message is shown as it is. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// A change by hand.
///
/// * `cancel`: removed from the queue for all groups, in whatever state (a `done` one that is still kept, too).
/// * `promote`: delayed → ready at once.
/// * `redrive`: dead → ready, with no failures counted; one after the other with `per_second`.
/// * `bury`: blocked, delayed or ready → dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see above")]
pub enum Action {
    Cancel,
    Promote,
    Redrive,
    Bury,
}

/// Changes messages by hand: those with these `ids`, or the first ones, by position, that a `filter` lets through.
/// Ids that are not known, and messages in a state that the action does not apply to, are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"action": "redrive", "filter": {"reason": "timeout"}, "limit": 100}))]
pub struct Change<'a> {
    /// What is to be done.
    pub action: Action,
    /// Ids or positions, 1 to the server's limit `items_per_request`. Exactly one of `ids` and `filter` must be there.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub ids: Option<Vec<Text<'a>>>,
    /// Which messages.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Filter>)]
    pub filter: Option<Filter<'a>>,
    /// At most so many, at least 1; only with `filter`. Default: the server's limit `items_per_request`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// As this group sees them; absent or null: the work group.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub group: Option<Text<'a>>,
    /// Messages per second, at least 1; only with `redrive`. Default: all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// Why; only with `bury`. Default `buried`.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub reason: Option<Text<'a>>,
    /// Only count them; nothing is changed. Default `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

/// Makes a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupOpen<'a> {
    /// Its name.
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub group: Text<'a>,
    /// Where it begins. Default `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Begin>,
}

/// Removes a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupDelete<'a> {
    /// Its name.
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub group: Text<'a>,
}

/// Moves a group: everything kept from there on is ready again, everything before is done; its leases are lost, its
/// dead letters and failures forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"to": "start"}))]
pub struct Seek<'a> {
    /// Which group; absent or null: the work group.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub group: Option<Text<'a>>,
    /// Only in this partition.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub partition: Option<Text<'a>>,
    /// Where to.
    pub to: SeekTo,
}

/// What happens to occurrences that were missed by more than a minute because the server was not there.
///
/// * `skip`: nothing. `once`: one message is sent for all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see above")]
pub enum CatchUp {
    #[default]
    Skip,
    Once,
}

macro_rules! schedule {
    ($($(#[doc = $doc:literal])+ $(@$attribute:meta)* $name:ident: $type:ty as $schema:ty;)*) => {
        /// When a message is sent, and what. Exactly one of `every_ms`, `cron` and `at` must be there.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[schema(example = json!({"cron": "0 9 * * MON-FRI", "zone": "Europe/Berlin", "message": {"body": {"report": "daily"}}}))]
        pub struct Schedule<'a> {
            $(
                $(#[doc = $doc])+
                $(#[$attribute])*
                #[schema(value_type = $schema)]
                pub $name: $type,
            )*
        }

        /// Makes or replaces a schedule.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct SchedulePut<'a> {
            /// Its name.
            #[serde(borrow)]
            pub name: Text<'a>,
            $(
                $(#[doc = $doc])+
                $(#[$attribute])*
                pub $name: $type,
            )*
        }

        impl<'a> SchedulePut<'a> {
            /// A schedule and its name.
            #[must_use]
            pub fn new(name: Text<'a>, schedule: Schedule<'a>) -> Self {
                Self { name, $($name: schedule.$name,)* }
            }
        }
    };
}

schedule! {
    /// Every so many milliseconds (at least 1), counted from the making of the schedule.
    @serde(default, skip_serializing_if = "Option::is_none")
    every_ms: Option<u64> as Option<u64>;
    /// A cron expression of 5 fields (minute, hour, day, month, weekday), or 6 with seconds first. With `zone`.
    @serde(default, borrow, skip_serializing_if = "Option::is_none")
    cron: Option<Text<'a>> as Option<String>;
    /// The time zone of `cron`: an IANA name such as `Europe/Berlin`. Default `UTC`.
    @serde(default, borrow, skip_serializing_if = "Option::is_none")
    zone: Option<Text<'a>> as Option<String>;
    /// Once, at this time in milliseconds since the epoch.
    @serde(default, skip_serializing_if = "Option::is_none")
    at: Option<u64> as Option<u64>;
    /// What is sent.
    @serde(borrow)
    message: Box<NewMessage<'a>> as NewMessage;
    /// After an absence of the server. Default `skip`.
    @serde(default)
    catch_up: CatchUp as CatchUp;
    /// Whether it stands still. Default `false`.
    @serde(default, skip_serializing_if = "is_false")
    paused: bool as bool;
}

/// Names a schedule; nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleName<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
}

/// Ends a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unwatch {
    /// The `id` of the request that made it.
    pub watch: u64,
}

/// A message to one participant, or to all others; it is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Say<'a> {
    /// Whom it is for; absent or null: all others.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub to: Option<Text<'a>>,
    /// What kind of message it is: at most 255 bytes.
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    /// Any JSON value.
    #[serde(borrow)]
    pub message: Json<'a>,
}

/// Takes part in messaging, or no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Messaging {
    /// Which.
    pub enabled: bool,
}

/// Changes one's own attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAttributes<'a> {
    /// Those that are named are set to these JSON values; the others stay.
    #[serde(borrow)]
    pub attributes: BTreeMap<Text<'a>, Json<'a>>,
}

/// Where a group begins; nothing else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"from": "new"}))]
pub struct GroupFrom {
    /// Where it begins. Default `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Begin>,
}

/// How long to wait; nothing else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// How long, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}
