//! Streams: windows over the messages of some queues, polled, acknowledged, renewed, sought.
//!
//! | theirs | ours |
//! |---|---|
//! | poll | take of a window, then the messages of its time |
//! | windowId | the stream and the window's position |
//! | leaseId | the stream and the lease |
//! | ack with success | done, else release |

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{Call, QUEUE_MODE, json, name, nothing, pop::Shown, value};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{
        Command, Create, Delivered, Filter, Item, LeaseId, Operation, Outcome, Park, Position,
        QueueOutcome, Settled, Span, Start, States, StreamSpec, Take, Term, Unit, Verdict,
    },
    types::{GroupName, Millis, QueueName, StreamName},
    wire::{
        Writer,
        queen::{
            request,
            stream::{AckWindow, Define, Poll, RenewLease, SeekStream},
            time,
        },
    },
};

/// A poll waits at least so long: windows are made while it waits,
const WAIT_MIN: Millis = Millis(500);
/// and no longer than this.
pub const WAIT_MAX: Millis = Millis::from_secs(120);
/// A poll that does not say how long.
const WAIT: Millis = Millis::from_secs(30);
/// The longest window, grace and lease.
const LENGTH_MAX: Millis = Millis::from_secs(7 * 24 * 3600);
/// A lease, if nobody says.
const LEASE: Millis = Millis::from_secs(60);
/// Sources of one stream.
const SOURCES_MAX: usize = 1000;
/// Messages of one window that is handed out.
const MESSAGES_MAX: usize = 100_000;

fn invalid(sentence: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidRequest, sentence.into())
}

fn group(text: Option<&str>) -> Result<GroupName, Error> {
    name("consumerGroup", text.filter(|text| !text.is_empty()).unwrap_or(QUEUE_MODE))
}

/// Reads the definition of a stream.
///
/// # Errors
/// `InvalidJson`, `InvalidRequest`, `InvalidName`.
pub fn define(call: &Call) -> Result<(StreamName, Operation), Error> {
    let define: Define<'_> = request::read(&call.body)?;
    let stream: StreamName = name("name", define.name.as_str())?;
    if define.namespace.as_str().is_empty() {
        return Err(invalid("`namespace` must not be empty"));
    }
    if define.window_type.is_some_and(|kind| kind.as_str() != "tumbling") {
        return Err(invalid("`window_type` must be `tumbling`"));
    }
    let length = |field: &str, ms: u64, least: u64| match ms {
        ms if ms < least || ms > LENGTH_MAX.0 => {
            Err(invalid(format!("`{field}` must be {least} to {}", LENGTH_MAX.0)))
        }
        ms => Ok(Millis(ms)),
    };
    let mut sources = Vec::new();
    for source in &define.source_queue_names {
        let source: QueueName = name("source_queue_names", source.as_str())?;
        if !sources.contains(&source) {
            sources.push(source);
        }
        if sources.len() > SOURCES_MAX {
            return Err(invalid(format!("a stream has at most {SOURCES_MAX} sources")));
        }
    }
    if sources.is_empty() {
        return Err(invalid("`source_queue_names` must name a queue"));
    }
    let spec = StreamSpec {
        sources,
        partitioned: define.partitioned,
        length: length("window_duration_ms", define.window_duration_ms, 1)?,
        grace: length("window_grace_period_ms", define.window_grace_period_ms, 0)?,
        lease: match define.window_lease_timeout_ms {
            Some(ms) => length("window_lease_timeout_ms", ms, 1)?,
            None => LEASE,
        },
    };
    Ok((stream.clone(), Operation::DefineStream { stream, spec }))
}

/// The answer to it.
///
/// # Errors
/// What the room says.
pub fn defined(stream: &StreamName, result: Result<Outcome, Error>) -> Result<Written, Error> {
    result?;
    let id = BASE64_URL_SAFE_NO_PAD.encode(stream.as_str());
    let answer = serde_json::json!({"success": true, "stream_id": id, "name": stream.as_str()});
    Ok(value(201, &answer))
}

/// What a request asks of a stream that must first be found.
#[derive(Debug)]
pub struct Asked {
    stream: StreamName,
    what: What,
}

#[derive(Debug)]
enum What {
    Poll(Take),
    Ack { lease: LeaseId, is_done: bool },
    Renew { lease: LeaseId, by: Millis },
    Seek { group: GroupName, at: crate::types::Timestamp },
}

/// A place in a stream, as an opaque text.
fn write_id(stream: &StreamName, place: impl std::fmt::Display) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{stream}\0{place}"))
}

fn read_id<P: std::str::FromStr>(text: &str) -> Option<(StreamName, P)> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (stream, place) = text.split_once('\0')?;
    Some((stream.parse().ok()?, place.parse().ok()?))
}

fn no_lease(code: ErrorCode) -> Error {
    Error::new(code, "invalid or expired lease")
}

impl Asked {
    /// Reads a poll.
    ///
    /// # Errors
    /// `InvalidJson`, `InvalidRequest`, `InvalidName`.
    pub fn poll(call: &Call) -> Result<Self, Error> {
        let poll: Poll<'_> = request::read(&call.body)?;
        let wait = poll.timeout.map_or(WAIT, Millis).clamp(WAIT_MIN, WAIT_MAX);
        let take = Take {
            group: Some(group(poll.consumer_group.as_ref().map(|it| it.as_str()))?),
            start: Start::All,
            partition: None,
            unit: Unit::Partition { max: 1 },
            max: 1,
            term: Term::Timed { length: None, bound: false },
            labels: Vec::new(),
            park: Park::Until(Some(call.now.after(wait))),
        };
        Ok(Self { stream: name("streamName", poll.stream_name.as_str())?, what: What::Poll(take) })
    }

    /// Reads an acknowledgement.
    ///
    /// # Errors
    /// `InvalidJson`, `InvalidRequest`.
    pub fn ack(call: &Call) -> Result<Self, Error> {
        let ack: AckWindow<'_> = request::read(&call.body)?;
        let window = read_id::<Position>(ack.window_id.as_str());
        let lease = read_id::<LeaseId>(ack.lease_id.as_str());
        match (window, lease) {
            (Some((of, window)), Some((stream, lease)))
                if of == stream && lease.position == window =>
            {
                Ok(Self { stream, what: What::Ack { lease, is_done: ack.success } })
            }
            _ => Err(no_lease(ErrorCode::InvalidRequest)),
        }
    }

    /// Reads the renewal of a lease.
    ///
    /// # Errors
    /// `InvalidJson`, `InvalidRequest`, `NotFound`.
    pub fn renew(call: &Call) -> Result<Self, Error> {
        let renew: RenewLease<'_> = request::read(&call.body)?;
        let by = renew.extend_ms.map_or(LEASE, Millis).min(LENGTH_MAX);
        let (stream, lease) =
            read_id(renew.lease_id.as_str()).ok_or_else(|| no_lease(ErrorCode::NotFound))?;
        Ok(Self { stream, what: What::Renew { lease, by } })
    }

    /// Reads a move.
    ///
    /// # Errors
    /// `InvalidJson`, `InvalidRequest`, `InvalidName`.
    pub fn seek(call: &Call) -> Result<Self, Error> {
        let seek: SeekStream<'_> = request::read(&call.body)?;
        let at = time::read(seek.timestamp.as_str())
            .ok_or_else(|| invalid("`timestamp` must be a time in ISO 8601"))?;
        let group = group(seek.consumer_group.as_ref().map(|it| it.as_str()))?;
        let stream = name("streamName", seek.stream_name.as_str())?;
        Ok(Self { stream, what: What::Seek { group, at } })
    }

    /// What is to be asked first.
    #[must_use]
    pub fn find(&self) -> Operation {
        Operation::FindStream { stream: self.stream.clone() }
    }

    /// What is to be asked then.
    ///
    /// # Errors
    /// `NotFound`: there is no such stream; what the room says.
    pub fn found(self, result: Result<Outcome, Error>) -> Result<(Found, Operation), Error> {
        let Self { stream, what } = self;
        let Outcome::Stream { spec } = result? else { return Err(ErrorCode::Internal.into()) };
        let spec = spec.ok_or_else(|| {
            Error::new(ErrorCode::NotFound, format!("there is no stream {stream}"))
        })?;
        let (kind, command) = match what {
            What::Poll(take) => (Kind::Poll, Command::Take(Box::new(take))),
            What::Ack { lease, is_done } => {
                let verdict = match is_done {
                    true => Verdict::Done { result: None },
                    false => Verdict::Release { delay: None },
                };
                (Kind::Ack, Command::Settle { items: vec![(lease, verdict)] })
            }
            What::Renew { lease, by } => {
                (Kind::Renew, Command::Extend { leases: vec![lease], by: Some(by) })
            }
            What::Seek { group, at } => {
                let found =
                    Found { stream: stream.clone(), spec: Arc::clone(&spec), kind: Kind::Seek };
                return Ok((found, Operation::SeekStream { stream, spec, group, at }));
            }
        };
        let found = Found { stream: stream.clone(), spec: Arc::clone(&spec), kind };
        Ok((found, Operation::Stream { stream, spec, command }))
    }
}

/// A request to a stream that is there.
#[derive(Debug)]
pub struct Found {
    stream: StreamName,
    spec: Arc<StreamSpec>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Poll,
    Ack,
    Renew,
    Seek,
}

/// What comes of it.
#[derive(Debug)]
pub enum Next {
    /// The answer.
    Answer(Written),
    /// A window, whose messages are still to be found.
    Window(Box<Window>),
}

impl Found {
    /// Takes in what the room says.
    ///
    /// # Errors
    /// What the room says; `InvalidRequest` and `NotFound` where a lease is no longer live.
    pub fn answer(self, result: Result<Outcome, Error>) -> Result<Next, Error> {
        let outcome = match (result?, self.kind) {
            (_, Kind::Seek) => {
                return Ok(Next::Answer(value(200, &serde_json::json!({"success": true}))));
            }
            (Outcome::Queue { outcome, .. }, _) => outcome,
            _ => return Err(ErrorCode::Internal.into()),
        };
        match (self.kind, outcome) {
            (Kind::Poll, QueueOutcome::Empty) => Ok(Next::Answer(nothing())),
            (Kind::Poll, QueueOutcome::Delivered(delivered)) => {
                let taken = delivered.into_iter().next().ok_or(ErrorCode::Internal)?;
                let span = Span::of(&taken.message.body).ok_or(ErrorCode::Internal)?;
                Ok(Next::Window(Box::new(Window::new(self.stream, &self.spec, taken, span))))
            }
            (Kind::Ack, QueueOutcome::Settled(settled)) => match settled.first() {
                Some(Settled::Lost) | None => Err(no_lease(ErrorCode::InvalidRequest)),
                Some(settled) => {
                    let acked = *settled == Settled::Done;
                    let answer = serde_json::json!({"success": true, "acked": acked});
                    Ok(Next::Answer(value(200, &answer)))
                }
            },
            (Kind::Renew, QueueOutcome::Extended(ends)) => match ends.first() {
                Some(Some(until)) => {
                    let until = time::write(*until);
                    let answer = serde_json::json!({"success": true, "lease_expires_at": until});
                    Ok(Next::Answer(value(200, &answer)))
                }
                _ => Err(no_lease(ErrorCode::NotFound)),
            },
            _ => Err(ErrorCode::Internal.into()),
        }
    }
}

/// A window that was handed out, and its messages as far as they are found.
#[derive(Debug)]
pub struct Window {
    stream: StreamName,
    taken: Delivered,
    span: Span,
    filter: Filter,
    /// Sources whose messages are still to be found; the last one is next.
    sources: Vec<QueueName>,
    after: Option<Position>,
    found: Vec<(QueueName, Item)>,
}

impl Window {
    fn new(stream: StreamName, spec: &StreamSpec, taken: Delivered, span: Span) -> Self {
        let filter = Filter {
            partition: spec.partitioned.then(|| taken.partition.clone()),
            sent_from: Some(span.start),
            sent_before: Some(span.end),
            ..Filter::states(States::ALL)
        };
        let sources = spec.sources.iter().rev().cloned().collect();
        Self { stream, taken, span, filter, sources, after: None, found: Vec::new() }
    }

    /// What is to be asked next; none: all is there.
    #[must_use]
    pub fn next(&self, call: &Call) -> Option<Operation> {
        let queue = self.sources.last()?.clone();
        let limit = u32::try_from(call.items_max).unwrap_or(u32::MAX);
        let (filter, after) = (self.filter.clone(), self.after);
        let command = Command::Browse { group: None, filter: Box::new(filter), after, limit };
        Some(Operation::Queue { queue, create: Create::No, command })
    }

    /// Takes in a page.
    ///
    /// # Errors
    /// What the room says; `TooManyItems`.
    pub fn page(&mut self, result: Result<Outcome, Error>) -> Result<(), Error> {
        match result {
            Ok(Outcome::Queue { queue, outcome: QueueOutcome::Browsed { items, next } }) => {
                self.found.extend(items.into_iter().map(|item| (queue.clone(), item)));
                self.after = next;
            }
            Ok(_) => return Err(ErrorCode::Internal.into()),
            Err(error) if error.code == ErrorCode::QueueNotFound => self.after = None,
            Err(error) => return Err(error),
        }
        if self.after.is_none() {
            self.sources.pop();
        }
        if self.found.len() > MESSAGES_MAX {
            let sentence = format!("a window has at most {MESSAGES_MAX} messages");
            return Err(Error::new(ErrorCode::TooManyItems, sentence));
        }
        Ok(())
    }

    /// The answer: the messages in the order of their sending.
    #[must_use]
    pub fn write(mut self) -> Written {
        self.found.sort_by_key(|(_, item)| (item.message.sent_at, item.message.position));
        let mut out = Writer::default();
        out.put("{\"window\":{");
        out.name("id");
        out.plain(write_id(&self.stream, self.taken.message.position));
        out.name("leaseId");
        out.plain(self.taken.lease.map_or_else(String::new, |lease| write_id(&self.stream, lease)));
        out.name("key");
        out.text(self.taken.partition.as_str());
        out.name("start");
        out.plain(time::write(self.span.start));
        out.name("end");
        out.plain(time::write(self.span.end));
        out.name("messages");
        out.put("[");
        for (queue, item) in &self.found {
            out.element();
            out.put("{");
            Shown { message: &item.message, queue, partition: &item.partition }.write(&mut out);
            out.name("queue");
            out.text(queue.as_str());
            out.put("}");
        }
        out.put("]}}");
        json(200, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        service::{Message, State},
        types::{Payload, Timestamp},
    };

    fn message() -> Arc<Message> {
        Arc::new(Message {
            sequence: Default::default(),
            position: Position { partition: 0, offset: 0 },
            sent_at: Timestamp(0),
            sent_in: Default::default(),
            expires_at: None,
            body: Payload::from(bytes::Bytes::from_static(b"1")),
            options: None,
        })
    }

    /// A page of so many messages, and whether there are more.
    fn page(count: usize, goes_on: bool) -> Result<Outcome, Error> {
        let item = Item {
            message: message(),
            partition: "p".parse().unwrap(),
            state: State::Ready,
            attempts: 0,
            failures: 0,
            until: None,
            ended_at: None,
            reason: None,
            result: None,
        };
        let next = goes_on.then_some(Position { partition: 0, offset: 0 });
        let outcome = QueueOutcome::Browsed { items: vec![item; count], next };
        Ok(Outcome::Queue { queue: "q".parse().unwrap(), outcome })
    }

    #[test]
    fn a_window_holds_so_many_messages_and_not_one_more() {
        let window = || {
            let spec = StreamSpec {
                sources: vec!["q".parse().unwrap()],
                partitioned: false,
                length: Millis(1000),
                grace: Millis(0),
                lease: Millis(1000),
            };
            let partition = "p".parse().unwrap();
            let taken =
                Delivered { message: message(), partition, lease: None, attempt: 1, until: None };
            let span = Span { start: Timestamp(0), end: Timestamp(1000) };
            Window::new("s".parse().unwrap(), &spec, taken, span)
        };
        let mut full = window();
        full.page(page(MESSAGES_MAX - 1, true)).unwrap();
        full.page(page(1, false)).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&full.write().body).unwrap();
        assert_eq!(written["window"]["messages"].as_array().unwrap().len(), MESSAGES_MAX);
        let mut over = window();
        over.page(page(MESSAGES_MAX, true)).unwrap();
        let error = over.page(page(1, false)).unwrap_err();
        assert_eq!(
            (error.code, error.message.as_ref()),
            (ErrorCode::TooManyItems, "a window has at most 100000 messages",)
        );
    }
}
