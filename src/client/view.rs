//! What can be seen of queues, groups, schedules and participants.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::{At, SettingsInForce};

/// A queue in the list of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueInfo {
    /// Its name.
    pub name: String,
    /// Messages that wait in it.
    pub size: u64,
}

/// Messages by state, as one group sees them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// They wait for others.
    pub blocked: u64,
    /// Their time is not come.
    pub delayed: u64,
    /// They can be taken.
    pub ready: u64,
    /// Somebody has them.
    pub leased: u64,
    /// They were given up.
    pub dead: u64,
    /// They are done, and kept.
    pub done: u64,
}

/// A group of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupInfo {
    /// None: the work group.
    pub name: Option<String>,
    /// Its messages.
    pub counts: Counts,
    /// Those who wait for messages.
    #[serde(default)]
    pub receivers: u64,
    /// When its oldest ready message was sent.
    pub oldest_ready_at: Option<At>,
}

/// A partition of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionInfo {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: u32,
    /// Messages kept in it.
    pub messages: u64,
    /// Offset of the next message.
    pub end: u64,
}

/// A schedule of a queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScheduleInfo {
    /// Its name.
    pub name: String,
    /// Every so many milliseconds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// or as this cron expression says,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// in this time zone,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// or once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// `skip` or `once`.
    #[serde(default)]
    pub catch_up: Option<String>,
    /// It stands still.
    #[serde(default)]
    pub paused: bool,
    /// Its next occurrence.
    pub next_at: Option<At>,
    /// What it sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Box<RawValue>>,
}

/// How often what happened, since the server started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the words of the protocol")]
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

/// A queue, looked at closely.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Inspection {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// `open` or `closed`.
    pub status: String,
    /// Whether it hands out nothing.
    #[serde(default)]
    pub paused: bool,
    /// The settings in force.
    #[serde(default)]
    pub settings: SettingsInForce,
    /// Messages kept, in whatever state.
    #[serde(default)]
    pub messages: u64,
    /// Bytes of their bodies.
    #[serde(default)]
    pub bytes: u64,
    /// The work group first.
    #[serde(default)]
    pub groups: Vec<GroupInfo>,
    /// The first 1,000.
    #[serde(default)]
    pub partitions: Vec<PartitionInfo>,
    /// By name.
    #[serde(default)]
    pub schedules: Vec<ScheduleInfo>,
    /// Since the server started.
    #[serde(default)]
    pub totals: Totals,
}

impl Inspection {
    /// The work group, or another one by name.
    #[must_use]
    pub fn group(&self, name: Option<&str>) -> Option<&GroupInfo> {
        self.groups.iter().find(|group| group.name.as_deref() == name)
    }
}

/// Why nothing moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub sentence: String,
    /// Messages by state.
    #[serde(default)]
    pub counts: Counts,
    /// Those who wait.
    #[serde(default)]
    pub receivers: u64,
}

/// Somebody in the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Unique in the room.
    pub id: String,
    /// From its token.
    pub name: String,
    /// From its token.
    #[serde(default)]
    pub role: String,
    /// What it says about itself.
    #[serde(default)]
    pub attributes: Map<String, Value>,
}

/// Something that happened to a queue or to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueEvent {
    /// The queue.
    pub queue: String,
    /// What: `sent`, `delivered`, `done`, `dead` …
    pub event: String,
    /// When.
    #[serde(default)]
    pub at: At,
    /// To which message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// In which group; none is the work group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How many messages.
    #[serde(default)]
    pub count: u64,
}

/// What a participant hears of the others.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// A message of another participant.
    Message {
        /// Its id.
        from: String,
        /// What kind of message.
        #[serde(default)]
        r#type: String,
        /// What it says.
        #[serde(default)]
        message: Value,
    },
    /// Somebody came.
    Joined {
        /// Who.
        participant: Participant,
    },
    /// Somebody went.
    Left {
        /// Who.
        participant_id: String,
    },
    /// Somebody says something else about itself.
    Attributes {
        /// Who.
        participant_id: String,
        /// What.
        attributes: Map<String, Value>,
    },
    /// Who was there already.
    Participants {
        /// Who.
        participants: Vec<Participant>,
    },
}
