//! Frames of the WebSocket: a request with its name, and everything that the server says.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeSeed, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;
use serde_path_to_error::Track;

use super::{
    answer::{Participant, Refusal},
    message::Received,
    plain::{self, Element},
    read,
    request::{
        Await, Browse, Cancel, Change, Configure, Credit, Extend, Find, GroupDelete, GroupOpen,
        InGroup, Messaging, Nothing, Open, Purge, Receive, Say, ScheduleName, SchedulePut, Seek,
        SetAttributes, Settle, Subscribe, Transact, Unwatch,
    },
    sending::Sending,
    value::Text,
};
use crate::error::{Error, ErrorCode};

/// The greatest `id`: 2^53 − 1, the greatest whole number that every JSON implementation keeps.
pub const ID_MAX: u64 = (1 << 53) - 1;

/// A request as it stands in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the client calls it; none: it wants no reply.
    pub id: Option<u64>,
    /// Which queue is meant.
    pub queue: Option<Text<'a>>,
    /// What is asked.
    pub request: Request<'a>,
}

/// Whether a request names a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Queue,
    Maybe,
    None,
}

macro_rules! requests {
    ($($variant:ident($type:ty) $name:literal $names:ident;)*) => {
        /// What is asked.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(missing_docs, reason = "see the table on the module's page")]
        pub enum Request<'a> {
            $($variant($type),)*
        }

        /// All words for `op`.
        pub const OPS: &[&str] = &[$($name),*];

        impl Request<'_> {
            /// The word for `op`.
            #[must_use]
            pub const fn op(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            const fn names(&self) -> Names {
                match self { $(Self::$variant(_) => Names::$names,)* }
            }
        }

        fn read_request<'de, A: MapAccess<'de>>(
            op: &str,
            rest: &mut Rest<'de, A>,
        ) -> Result<Request<'de>, A::Error> {
            match op {
                $($name => Deserialize::deserialize(MapAccessDeserializer::new(rest)).map(Request::$variant),)*
                _ => Err(de::Error::unknown_variant(op, OPS)),
            }
        }
    };
}

requests! {
    List(Nothing) "list" None;
    Open(Open) "open" Queue;
    Configure(Configure) "configure" Queue;
    Inspect(Nothing) "inspect" Queue;
    Explain(InGroup<'a>) "explain" Queue;
    Close(Nothing) "close" Queue;
    Pause(Nothing) "pause" Queue;
    Resume(Nothing) "resume" Queue;
    Drain(Nothing) "drain" Queue;
    Purge(Purge<'a>) "purge" Queue;
    Delete(Nothing) "delete" Queue;
    Send(Sending<'a>) "send" Queue;
    Receive(Box<Receive<'a>>) "receive" Queue;
    Subscribe(Box<Subscribe<'a>>) "subscribe" Queue;
    Credit(Credit) "credit" Queue;
    Cancel(Cancel) "cancel" Queue;
    Settle(Box<Settle<'a>>) "settle" Queue;
    Extend(Extend<'a>) "extend" Queue;
    Transaction(Transact<'a>) "transaction" None;
    Browse(Box<Browse<'a>>) "browse" Queue;
    Find(Find<'a>) "find" Queue;
    Await(Await<'a>) "await" Queue;
    Change(Box<Change<'a>>) "change" Queue;
    GroupOpen(GroupOpen<'a>) "group_open" Queue;
    GroupDelete(GroupDelete<'a>) "group_delete" Queue;
    Seek(Seek<'a>) "seek" Queue;
    SchedulePut(Box<SchedulePut<'a>>) "schedule_put" Queue;
    ScheduleDelete(ScheduleName<'a>) "schedule_delete" Queue;
    SchedulePause(ScheduleName<'a>) "schedule_pause" Queue;
    ScheduleResume(ScheduleName<'a>) "schedule_resume" Queue;
    ScheduleFire(ScheduleName<'a>) "schedule_fire" Queue;
    Watch(Nothing) "watch" Maybe;
    Unwatch(Unwatch) "unwatch" None;
    Participants(Nothing) "participants" None;
    Message(Say<'a>) "message" None;
    Messaging(Messaging) "messaging" None;
    Attributes(SetAttributes<'a>) "attributes" None;
    Ping(Nothing) "ping" None;
}

/// What became of the reading of one request: a refusal has its `id`, if that was found.
pub type Taken<'a> = Result<Frame<'a>, (Option<u64>, Error)>;

/// Reads a text frame: one request or an array of at most `max`. Each is read in one pass; bodies are only scanned.
///
/// A request that is not understood is refused by itself, under its `id` if that can be found; a frame that is
/// no JSON, or has too many requests, is refused as a whole.
pub fn read_frames<'a>(text: &'a str, max: usize, take: &mut impl FnMut(Taken<'a>)) {
    if !text.trim_ascii_start().starts_with('[') {
        return match plain::read(text) {
            Some(frame) => take(Ok(frame)),
            None => take(read_frame(text)),
        };
    }
    if let Some(elements) = plain::elements(text, max) {
        if elements.len() > max {
            return take(Err((None, too_many(max))));
        }
        return elements.into_iter().for_each(|element| {
            take(match element {
                Element::Plain(frame) => Ok(frame),
                Element::Other(text) => read_frame(text),
            });
        });
    }
    match read::read::<Vec<&'a RawValue>>(text) {
        Ok(frames) if frames.len() > max => take(Err((None, too_many(max)))),
        Ok(frames) => frames.into_iter().for_each(|frame| take(read_frame(frame.get()))),
        Err(error) => take(Err((None, error))),
    }
}

fn too_many(max: usize) -> Error {
    Error::new(ErrorCode::TooManyItems, format!("a frame may hold {max} requests"))
}

fn read_frame(text: &str) -> Taken<'_> {
    /// For a refusal.
    #[derive(Deserialize)]
    struct OnlyId {
        id: Option<u64>,
    }
    read::read(text).map_err(|error| {
        let id = match error.code {
            ErrorCode::InvalidJson => None,
            _ => serde_json::from_str::<OnlyId>(text).ok().and_then(|only| only.id),
        };
        (id.filter(|id| *id <= ID_MAX), error)
    })
}

impl<'de: 'a, 'a> Deserialize<'de> for Frame<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FrameVisitor<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for FrameVisitor<'a> {
            type Value = Frame<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a request: an object with `op`")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Frame<'a>, A::Error> {
                let mut rest = Rest { map, early: Vec::new(), value: None, id: None, queue: None };
                let op = rest.op()?;
                let request = read_request(op.as_str(), &mut rest)?;
                let Rest { id, queue, .. } = rest;
                match (request.names(), &queue) {
                    (Names::Queue, None) => Err(de::Error::missing_field("queue")),
                    (Names::None, Some(_)) => Err(de::Error::custom(format!(
                        "unknown field `queue` for `{}`",
                        request.op()
                    ))),
                    _ => Ok(Frame { id, queue, request }),
                }
            }
        }
        deserializer.deserialize_map(FrameVisitor(PhantomData))
    }
}

/// The fields of a frame but for `op`, `id` and `queue`, which are put aside: first those that came before `op`,
/// then those that are still to be read.
struct Rest<'de, A> {
    map: A,
    early: Vec<(Text<'de>, &'de RawValue)>,
    value: Option<(Text<'de>, &'de RawValue)>,
    id: Option<u64>,
    queue: Option<Text<'de>>,
}

impl<'de, A: MapAccess<'de>> Rest<'de, A> {
    /// Reads on until `op`.
    fn op(&mut self) -> Result<Text<'de>, A::Error> {
        while let Some(name) = self.map.next_key::<Text<'de>>()? {
            match name.as_str() {
                "op" => return self.map.next_value(),
                "id" | "queue" => self.put_aside(&name)?,
                _ => self.early.push((name, self.map.next_value()?)),
            }
        }
        Err(de::Error::missing_field("op"))
    }

    fn put_aside(&mut self, name: &Text<'de>) -> Result<(), A::Error> {
        let twice =
            |is: bool, name| if is { Err(de::Error::duplicate_field(name)) } else { Ok(()) };
        match name.as_str() {
            "id" => {
                twice(self.id.is_some(), "id")?;
                let id = self.map.next_value::<Option<u64>>()?;
                if id.is_some_and(|id| id > ID_MAX) {
                    return Err(de::Error::custom("`id` must be at most 9007199254740991"));
                }
                self.id = id;
            }
            "queue" => {
                twice(self.queue.is_some(), "queue")?;
                self.queue = self.map.next_value()?;
            }
            _ => return Err(de::Error::duplicate_field("op")),
        }
        Ok(())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for &mut Rest<'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        if let Some((name, value)) = self.early.pop() {
            let key = seed.deserialize(de::value::StrDeserializer::new(name.as_str()))?;
            self.value = Some((name, value));
            return Ok(Some(key));
        }
        while let Some(name) = self.map.next_key::<Text<'de>>()? {
            match name.as_str() {
                "op" | "id" | "queue" => self.put_aside(&name)?,
                name => return seed.deserialize(de::value::StrDeserializer::new(name)).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.value.take() {
            Some((name, value)) => {
                let mut track = Track::new();
                let read =
                    seed.deserialize(serde_path_to_error::Deserializer::new(value, &mut track));
                let located = |error| read::located(name.as_str(), &track.path(), &error);
                read.map_err(|error| de::Error::custom(located(error)))
            }
            None => self.map.next_value_seed(seed),
        }
    }
}

/// A request for [`serde_json::to_string`], as a client writes it. `request` is one of the types in this module;
/// `op` is its word.
#[derive(Debug, Clone, Serialize)]
pub struct Call<'a, R> {
    /// What the client calls it; none: it wants no reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// The word.
    pub op: &'a str,
    /// Which queue is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<&'a str>,
    /// Its fields.
    #[serde(flatten)]
    pub request: R,
}

/// Limits that a client of a session must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloLimits {
    /// Bytes of one request, put together from its frames.
    pub message_bytes: u64,
    /// Unanswered requests, waiting receives and subscriptions not counted; past it the server reads no more until
    /// one is answered.
    pub requests_in_flight: u64,
    /// Messages, leases or ids in one request.
    pub items_per_request: u64,
}

/// What the server says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// `anteroom.v1`.
    pub protocol: String,
    /// The room.
    pub room: String,
    /// To resume with.
    pub session: String,
    /// The participant's own id, as others see it.
    pub participant: String,
    /// Its name, from the token.
    pub name: String,
    /// Its role, from the token.
    pub role: String,
    /// Whether a session goes on.
    pub resumed: bool,
    /// Text frames that the server has got in this session.
    pub received: u64,
    /// How long the session lives on without a connection, in milliseconds; 0: sessions cannot be resumed.
    pub resume_ms: u64,
    /// Limits.
    pub limits: HelloLimits,
    /// The server's time in milliseconds since the epoch.
    pub time: u64,
}

/// A text frame of the server. Which fields are there says what it is:
///
/// * `hello`: the first.
/// * `ok` or `error`: the reply to request `id` (null: to one that had none).
/// * `receiver`: messages for a subscription.
/// * `event`: something happened in a queue that is watched; `missed`: events were left out.
/// * `notice`: news of other participants.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Said {
    /// What the server says first.
    pub hello: Option<Box<Hello>>,
    /// Which request this is the reply to.
    pub id: Option<u64>,
    /// The answer.
    #[serde(default, deserialize_with = "super::value::raw")]
    pub ok: Option<Box<RawValue>>,
    /// The refusal.
    pub error: Option<Refusal>,
    /// The request that made the subscription.
    pub receiver: Option<u64>,
    /// Which queue.
    pub queue: Option<String>,
    /// Its messages.
    pub messages: Option<Vec<Received>>,
    /// The request to watch.
    pub watch: Option<u64>,
    /// What happened.
    pub event: Option<String>,
    /// When.
    pub at: Option<u64>,
    /// In which group; null: the work group, or none in particular.
    pub group: Option<String>,
    /// How many messages.
    pub count: Option<u64>,
    /// So many events were left out.
    pub missed: Option<u64>,
    /// What is new.
    pub notice: Option<String>,
    /// Who sent the message.
    pub from: Option<String>,
    /// What kind of message it is.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// In a notice, the JSON value that was sent; in an event, the id of the message as a text.
    #[serde(default, deserialize_with = "super::value::raw")]
    pub message: Option<Box<RawValue>>,
    /// Bytes that came with the message, in base64.
    pub attachment: Option<String>,
    /// Who joined.
    pub participant: Option<Participant>,
    /// Who left, or whose attributes changed.
    pub participant_id: Option<String>,
    /// The changed attributes.
    pub attributes: Option<std::collections::BTreeMap<String, Box<RawValue>>>,
    /// Who is there.
    pub participants: Option<Vec<Participant>>,
}
