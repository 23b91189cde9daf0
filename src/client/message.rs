//! Messages: as they are sent, as they come, as they are looked at.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{At, Backoff, Body, Error, body::some_raw, time::millis};

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// What happens to a message when one that it depends on is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParentFailed {
    /// It waits until the other one is redriven.
    Wait,
    /// It is given up, too.
    Fail,
    /// It runs all the same.
    Run,
}

/// A message to send: a body, and what there is to say about it.
///
/// ```
/// use anteroom::client::Message;
/// use std::time::Duration;
/// # fn main() -> Result<(), anteroom::client::Error> {
/// let message = Message::json(&serde_json::json!({"page": 1}))?
///     .key("page-1")                       // sent twice, it is added once
///     .priority(5)
///     .delay(Duration::from_secs(10))
///     .label("tenant", "acme");
/// # drop(message); Ok(()) }
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Message {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "some_raw")]
    pub(super) body: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) partition: Option<String>,
    #[serde(rename = "message_id", skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_window_ms: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    key_until_settled: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    key_replace: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff: Option<Backoff>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_failed: Option<ParentFailed>,
}

impl From<Body> for Message {
    fn from(body: Body) -> Self {
        let (body, base64, content_type) = body.into_wire();
        Self { body, base64, content_type, ..Self::default() }
    }
}

impl Message {
    /// A message whose body is any value that can be written as JSON.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it cannot.
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        Body::json(value).map(Self::from)
    }

    /// A message whose body is this JSON text, byte for byte.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not JSON.
    pub fn raw(text: impl Into<String>) -> Result<Self, Error> {
        Body::raw(text).map(Self::from)
    }

    /// A message whose body is any bytes.
    #[must_use]
    pub fn bytes(data: impl Into<Vec<u8>>, content_type: impl Into<String>) -> Self {
        Self::from(Body::bytes(data, content_type))
    }

    /// In this partition: its messages keep their order, whoever takes them.
    #[must_use]
    pub fn partition(mut self, name: impl Into<String>) -> Self {
        self.partition = Some(name.into());
        self
    }

    /// With this id; the queue knows no two messages with the same one.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Whether it has a key.
    #[must_use]
    pub const fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// With this key: a second message of its partition with the same key is the same message.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The key is remembered for so long, instead of the queue's window.
    #[must_use]
    pub fn key_window(mut self, window: Duration) -> Self {
        self.key_window_ms = Some(millis(window));
        self
    }

    /// The key is remembered only until the message is done or given up.
    #[must_use]
    pub fn key_until_settled(mut self) -> Self {
        self.key_until_settled = true;
        self
    }

    /// If the first message with the key was not taken yet, it gets this body and these options.
    #[must_use]
    pub fn key_replace(mut self) -> Self {
        self.key_replace = true;
        self
    }

    /// Higher is taken first, in a queue that is ordered by priority.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Not ready before this time has passed.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay_ms = Some(millis(delay));
        self
    }

    /// Not ready before this moment.
    #[must_use]
    pub fn not_before(mut self, at: impl Into<At>) -> Self {
        self.not_before = Some(at.into());
        self
    }

    /// No longer good after this time.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl_ms = Some(millis(ttl));
        self
    }

    /// No longer good from this moment on; a queue that is ordered by deadline takes the earliest first.
    #[must_use]
    pub fn deadline(mut self, at: impl Into<At>) -> Self {
        self.deadline = Some(at.into());
        self
    }

    /// What kind of message it is (`type` on the wire); a word of your own.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.r#type = Some(kind.into());
        self
    }

    /// With this label, for receivers that choose.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// With these headers: a JSON object that nobody looks at on the way.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it cannot be written as JSON.
    pub fn headers(mut self, headers: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        self.headers = Some(serde_json::value::to_raw_value(headers)?);
        Ok(self)
    }

    /// Failures until it is given up, instead of the queue's; 0 is never.
    #[must_use]
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.attempts_max = Some(attempts);
        self
    }

    /// How long it waits after a failure, instead of the queue's.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// Not ready before the messages with these ids are done.
    #[must_use]
    pub fn depends_on<T: Into<String>>(mut self, ids: impl IntoIterator<Item = T>) -> Self {
        self.depends_on.extend(ids.into_iter().map(Into::into));
        self
    }

    /// What happens to it when one that it depends on is given up.
    #[must_use]
    pub fn parent_failed(mut self, what: ParentFailed) -> Self {
        self.parent_failed = Some(what);
        self
    }
}

/// That a message is in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its id: the sender's own, or its position.
    pub id: String,
    /// Whether it was known already, and nothing was added.
    #[serde(default)]
    pub duplicate: bool,
}

/// What is known of a message, whoever looks at it.
#[derive(Debug, Clone)]
pub struct Info {
    /// The sender's own id, or the position.
    pub id: String,
    /// Its place: partition number and offset.
    pub position: String,
    /// Name of its partition.
    pub partition: String,
    /// When it was sent.
    pub sent_at: At,
    /// Which delivery this is; the first is 1.
    pub attempt: u32,
    /// When the lease ends by itself.
    pub until: Option<At>,
    /// The body.
    pub body: Body,
    /// What kind of message it is.
    pub kind: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// Its headers.
    pub headers: Option<Box<RawValue>>,
    /// Its priority.
    pub priority: i32,
    /// Its key.
    pub key: Option<String>,
    /// Its deadline.
    pub deadline: Option<At>,
    /// When it is no longer good.
    pub expires_at: Option<At>,
}

/// The states of a message, as one group sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for other messages.
    Blocked,
    /// Its time is not come.
    Delayed,
    /// It can be taken.
    Ready,
    /// Somebody has it.
    Leased,
    /// It was given up.
    Dead,
    /// It is done.
    Done,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Blocked, Self::Delayed, Self::Ready, Self::Leased, Self::Dead, Self::Done];

    /// Its word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Delayed => "delayed",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Dead => "dead",
            Self::Done => "done",
        }
    }
}

/// A message as one group sees it, looked at without taking it.
#[derive(Debug, Clone)]
pub struct View {
    /// The message. Its `attempt` is the last delivery.
    pub message: Info,
    /// Where it stands.
    pub state: State,
    /// Deliveries so far.
    pub attempts: u32,
    /// Failures so far.
    pub failures: u32,
    /// When it changes by itself: ready again, or the end of the lease.
    pub until: Option<At>,
    /// When it was done or given up.
    pub ended_at: Option<At>,
    /// Why it was given up, or how it ended without being done.
    pub reason: Option<String>,
    /// What its taker said.
    pub result: Option<Body>,
}

/// All that a message on the wire can have.
#[derive(Debug, Deserialize)]
pub(super) struct Wire {
    id: String,
    pub(super) lease: Option<String>,
    #[serde(default)]
    attempt: u32,
    until: Option<At>,
    #[serde(default)]
    position: String,
    #[serde(default)]
    partition: String,
    #[serde(default)]
    sent_at: At,
    #[serde(default, deserialize_with = "some_raw")]
    body: Option<Box<RawValue>>,
    base64: Option<String>,
    content_type: Option<String>,
    r#type: Option<String>,
    #[serde(default)]
    labels: Option<Labels>,
    headers: Option<Box<RawValue>>,
    priority: Option<i32>,
    key: Option<String>,
    deadline: Option<At>,
    expires_at: Option<At>,
    state: Option<State>,
    #[serde(default)]
    attempts: Option<u32>,
    #[serde(default)]
    failures: Option<u32>,
    ended_at: Option<At>,
    reason: Option<String>,
    result: Option<Box<RawValue>>,
}

impl Wire {
    pub(super) fn into_info(self) -> Result<Info, Error> {
        Ok(Info {
            id: self.id,
            position: self.position,
            partition: self.partition,
            sent_at: self.sent_at,
            attempt: self.attempt,
            until: self.until,
            body: Body::from_wire(self.body, self.base64, self.content_type)?,
            kind: self.r#type,
            labels: self.labels.unwrap_or_default(),
            headers: self.headers,
            priority: self.priority.unwrap_or(0),
            key: self.key,
            deadline: self.deadline,
            expires_at: self.expires_at,
        })
    }

    pub(super) fn into_view(mut self) -> Result<View, Error> {
        let state =
            self.state.ok_or_else(|| Error::Invalid("a message has no state".to_owned()))?;
        let result = self.result.take().map(Body::Json);
        let reason = self.reason.take();
        Ok(View {
            state,
            attempts: self.attempts.unwrap_or(self.attempt),
            failures: self.failures.unwrap_or(0),
            until: self.until,
            ended_at: self.ended_at,
            reason,
            result,
            message: self.into_info()?,
        })
    }
}

impl View {
    /// From the JSON of the wire.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        serde_json::from_str::<Wire>(text)?.into_view()
    }
}

impl Info {
    /// The body as a value of a type.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is none.
    pub fn decode<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        self.body.decode()
    }

    /// The same message, to be sent again (elsewhere): body and what its sender said that shows.
    #[must_use]
    pub fn to_message(&self) -> Message {
        let mut message = Message::from(self.body.clone());
        message.partition = (self.partition != "Default" && !self.partition.is_empty())
            .then(|| self.partition.clone());
        message.id = (self.id != self.position).then(|| self.id.clone());
        message.key.clone_from(&self.key);
        message.priority = (self.priority != 0).then_some(self.priority);
        message.deadline = self.deadline.or(self.expires_at);
        message.r#type.clone_from(&self.kind);
        message.labels.clone_from(&self.labels);
        message.headers.clone_from(&self.headers);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_goes_over_the_wire() {
        let message = Message::raw("{\"b\" : 1}").unwrap();
        assert_eq!(serde_json::to_string(&message).unwrap(), r#"{"body":{"b" : 1}}"#);
        let message = Message::bytes([255], "x/y")
            .key("k")
            .key_until_settled()
            .priority(-1)
            .delay(Duration::from_millis(1500))
            .kind("t")
            .label("a", "b")
            .depends_on(["1", "2"])
            .parent_failed(ParentFailed::Run);
        assert_eq!(
            serde_json::to_string(&message).unwrap(),
            concat!(
                r#"{"base64":"/w==","content_type":"x/y","key":"k","key_until_settled":true,"#,
                r#""priority":-1,"delay_ms":1500,"type":"t","labels":{"a":"b"},"#,
                r#""depends_on":["1","2"],"parent_failed":"run"}"#
            )
        );
    }

    #[test]
    fn a_view_is_read_whole_and_a_null_is_a_body() {
        let view = View::parse(
            r#"{"id":"0-3","position":"0-3","partition":"Default","sent_at":5,"body":null,
            "attempt":2,"until":null,"state":"dead","attempts":2,"failures":1,"ended_at":9,
            "reason":"failed","result":{"a": 1},"labels":{"x":"y"},"later":1}"#,
        )
        .unwrap();
        assert_eq!((view.state, view.failures, view.message.sent_at), (State::Dead, 1, At(5)));
        assert_eq!(view.message.body.text(), Some("null"));
        assert_eq!(view.result.as_ref().and_then(Body::text), Some(r#"{"a": 1}"#));
        let again = serde_json::to_string(&view.message.to_message()).unwrap();
        assert_eq!(again, r#"{"body":null,"labels":{"x":"y"}}"#);
    }
}
