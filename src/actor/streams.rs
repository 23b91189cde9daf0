//! Streams of a room: makes the windows that are due, and passes on what is asked of them.
//!
//! ```text
//!   "streams"        an internal queue: a message for each stream, which defines it
//!   "stream:NAME"    an internal queue: a message for each window, a partition for each key
//! ```
//!
//! What is due is decided by [`StreamSpec::due`]. While somebody waits for a window of a stream, its sources are
//! looked at a few times a second, if anything happened to them.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use actix::{
    ActorFutureExt, Addr, AsyncContext, AtomicResponse, Context, Handler, Message, MessageResult,
    WrapFuture,
};
use futures_util::future::join_all;

use super::{
    bodies::{fill, messages_in, messages_of},
    queue::QueueActor,
    room::{RoomActor, reply},
};
use crate::{
    engine::{
        Command, DedupKey, FOREVER, Filter, Moments, NewMessage, OnDuplicate, Options,
        Outcome as QueueOutcome, Park, QueueSettings, ReplyTo, SeekTo, Span, Start, States,
        StreamSpec,
    },
    error::{Error, ErrorCode},
    service::{Create, Outcome},
    store::StoreError,
    types::{GroupName, PartitionKey, QueueName, StreamName, Timestamp},
};

/// So often the sources are looked at while somebody waits.
const LOOK: Duration = Duration::from_millis(100);

/// Streams of one room.
const STREAMS_MAX: usize = 1000;

/// Windows that are sent at a time.
const BATCH: usize = 10_000;

/// The key of a stream that has only one.
const ONE_KEY: &str = "__GLOBAL__";

/// See the module.
#[derive(Default)]
pub(super) struct Streams {
    /// None: not read yet.
    specs: Option<BTreeMap<StreamName, Arc<StreamSpec>>>,
    runs: BTreeMap<StreamName, Run>,
}

impl Streams {
    /// A stream that is still what it was.
    fn known(&self, stream: &StreamName, was: &StreamSpec) -> Result<Arc<StreamSpec>, Error> {
        let known = self.specs.as_ref().and_then(|specs| specs.get(stream));
        let known = known.filter(|known| ***known == *was).map(Arc::clone);
        known.ok_or_else(|| {
            let text = format!("there is no stream {stream} any more, or it was defined anew");
            Error::new(ErrorCode::QueueNotFound, text)
        })
    }
}

/// How far the windows of a stream are made.
#[derive(Default)]
struct Run {
    /// The end of the last window of each key; none: not known yet.
    made: Option<Arc<BTreeMap<PartitionKey, Timestamp>>>,
    /// When the newest message of all sources was sent.
    newest: Timestamp,
    /// The records of the sources when they were last looked at.
    seen: Vec<u64>,
    is_making: bool,
    /// Somebody waits at most until then.
    awaited: Timestamp,
    is_looking: bool,
}

/// To a queue: do this on the room's own account.
#[derive(Message)]
#[rtype(result = "Result<QueueOutcome, ErrorCode>")]
pub(super) struct Do {
    command: Command,
    create: Create,
}

/// To a queue: when were the messages sent that are in no window yet?
#[derive(Message)]
#[rtype(result = "BTreeMap<PartitionKey, Moments>")]
pub(super) struct Look {
    made: Arc<BTreeMap<PartitionKey, Timestamp>>,
    together: Option<PartitionKey>,
}

/// To a queue of windows: where does the last one of each key end?
#[derive(Message)]
#[rtype(result = "BTreeMap<PartitionKey, Timestamp>")]
pub(super) struct Made;

fn definitions() -> Result<QueueName, Error> {
    QueueName::internal("streams").map_err(|_| ErrorCode::Internal.into())
}

fn windows_of(stream: &StreamName) -> Result<QueueName, Error> {
    QueueName::internal(&format!("stream:{stream}"))
        .map_err(|error| Error::new(ErrorCode::InvalidName, format!("`name`: {error}")))
}

/// Definitions are kept for good; nobody takes them.
fn definition_settings() -> Create {
    Create::With(Arc::new(QueueSettings { dedup_window: FOREVER, ..QueueSettings::default() }))
}

fn definition(stream: &StreamName, spec: &StreamSpec) -> NewMessage {
    let key = DedupKey {
        text: stream.as_str().into(),
        window: None,
        until_settled: false,
        on_duplicate: OnDuplicate::Replace,
    };
    let options = Options { key: Some(key), ..Options::default() };
    NewMessage { partition: None, body: spec.body(stream), options: Some(Box::new(options)) }
}

impl Handler<Do> for QueueActor {
    type Result = AtomicResponse<Self, Result<QueueOutcome, ErrorCode>>;

    fn handle(&mut self, Do { command, create }: Do, _: &mut Self::Context) -> Self::Result {
        let mut result = self.ask(create, command);
        let bodies = self.bodies_of(&result.as_ref().map(messages_of).unwrap_or_default());
        AtomicResponse::new(Box::pin(bodies.into_actor(self).map(move |bodies, _, _| {
            let messages = result.as_mut().map(messages_in).unwrap_or_default();
            match bodies.is_ok_and(|bodies| fill(messages, &bodies)) {
                true => result,
                false => Err(ErrorCode::StoreFailed),
            }
        })))
    }
}

impl Handler<Look> for QueueActor {
    type Result = MessageResult<Look>;

    fn handle(&mut self, Look { made, together }: Look, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.engine.moments(&made, together.as_ref()))
    }
}

impl Handler<Made> for QueueActor {
    type Result = AtomicResponse<Self, BTreeMap<PartitionKey, Timestamp>>;

    fn handle(&mut self, Made: Made, _: &mut Self::Context) -> Self::Result {
        let mut newest = self.engine.newest();
        let messages: Vec<_> = newest.iter().map(|(_, message)| message).collect();
        let bodies = self.bodies_of(&messages);
        AtomicResponse::new(Box::pin(bodies.into_actor(self).map(move |bodies, queue, _| {
            let messages = newest.iter_mut().map(|(_, message)| message).collect();
            match bodies {
                Ok(bodies) if fill(messages, &bodies) => {}
                Ok(_) => queue.fail(StoreError::Failed("a body is missing".into())),
                Err(error) => queue.fail(error),
            }
            let spans = newest.into_iter().filter(|(_, message)| !message.body.is_away());
            spans.filter_map(|(key, m)| Some((key, Span::of(&m.body)?.end))).collect()
        })))
    }
}

impl RoomActor {
    /// Defines a stream; one that was another is begun anew.
    pub(super) fn define_stream(
        &mut self,
        stream: StreamName,
        spec: StreamSpec,
        to: ReplyTo,
        ctx: &mut Context<Self>,
    ) {
        self.with_streams(to, ctx, move |room, ctx| {
            let windows = windows_of(&stream)?;
            let specs = room.streams.specs.get_or_insert_default();
            let count = specs.len();
            let spec = Arc::new(spec);
            match specs.entry(stream.clone()) {
                Entry::Occupied(known) if *known.get() == spec => {}
                Entry::Vacant(_) if count >= STREAMS_MAX => {
                    let text = format!("a room has at most {STREAMS_MAX} streams");
                    return Err(Error::new(ErrorCode::TooManyQueues, text));
                }
                Entry::Vacant(place) => drop(place.insert(Arc::clone(&spec))),
                Entry::Occupied(mut known) => {
                    known.insert(Arc::clone(&spec));
                    room.streams.runs.remove(&stream);
                    if let Some(address) = room.address(&windows) {
                        let delete = Do { command: Command::Delete, create: Create::No };
                        let gone = address.send(delete).into_actor(room);
                        ctx.spawn(gone.map(|_, _, _| ()));
                    }
                }
            }
            let message = definition(&stream, &spec);
            room.ask(&definitions()?, definition_settings(), Command::Send { message }, to)?;
            room.flush(to.session);
            Ok(None)
        });
    }

    /// Says what a stream is.
    pub(super) fn find_stream(&mut self, stream: StreamName, to: ReplyTo, ctx: &mut Context<Self>) {
        self.with_streams(to, ctx, move |room, _| {
            let known = room.streams.specs.as_ref().and_then(|specs| specs.get(&stream));
            Ok(Some(Outcome::Stream { spec: known.map(Arc::clone) }))
        });
    }

    /// Does something with the windows of a stream, if it still is what the asker was allowed to use.
    pub(super) fn of_stream(
        &mut self,
        stream: StreamName,
        allowed: Arc<StreamSpec>,
        command: Command,
        to: ReplyTo,
        ctx: &mut Context<Self>,
    ) {
        self.with_streams(to, ctx, move |room, ctx| {
            let spec = room.streams.known(&stream, &allowed)?;
            let awaited = match &command {
                Command::Take(take) => match take.park {
                    Park::Until(Some(until)) | Park::Told(Some(until)) => Some(until),
                    Park::No | Park::Until(None) | Park::Told(None) | Park::Standing { .. } => {
                        Some(room.shared.clock.now())
                    }
                },
                _ => None,
            };
            let create = Create::With(Arc::new(spec.settings()));
            room.ask(&windows_of(&stream)?, create, command, to)?;
            room.flush(to.session);
            if let Some(until) = awaited {
                let run = room.streams.runs.entry(stream.clone()).or_default();
                run.awaited = run.awaited.max(until);
                room.make_windows(stream, ctx);
            }
            Ok(None)
        });
    }

    /// Moves a group to the first window of each key that begins at `at` or later.
    pub(super) fn seek_stream(
        &mut self,
        stream: StreamName,
        allowed: Arc<StreamSpec>,
        (group, at): (GroupName, Timestamp),
        to: ReplyTo,
        ctx: &mut Context<Self>,
    ) {
        self.with_streams(to, ctx, move |room, ctx| {
            room.streams.known(&stream, &allowed)?;
            let windows = windows_of(&stream)?;
            let Some(address) = room.address(&windows) else { return Ok(Some(Outcome::Done)) };
            let open = Command::OpenGroup { group: group.clone(), start: Start::All };
            let browse = Command::Browse {
                group: Some(group.clone()),
                filter: Box::new(Filter::states(States::ALL)),
                after: None,
                limit: u32::MAX,
            };
            // A group that is there already is what was wanted.
            let opened = address.send(Do { command: open, create: Create::No });
            let shown = address.send(Do { command: browse, create: Create::No });
            let both = async move { (opened.await, shown.await) };
            ctx.spawn(both.into_actor(room).map(move |(_, shown), room, ctx| {
                let Some(link) = room.link(to.session) else { return };
                let result = match shown {
                    Ok(Ok(QueueOutcome::Browsed { items, .. })) => {
                        let mut goals: BTreeMap<PartitionKey, SeekTo> = BTreeMap::new();
                        for item in items {
                            let goal = goals.entry(item.partition).or_insert(SeekTo::End);
                            let is_after =
                                Span::of(&item.message.body).is_some_and(|span| span.start >= at);
                            if is_after && *goal == SeekTo::End {
                                *goal = SeekTo::Offset(item.message.position.offset);
                            }
                        }
                        for (key, goal) in goals {
                            let (group, partition) = (Some(group.clone()), Some(key));
                            let command = Command::Seek { group, partition, to: goal };
                            let sought = address.send(Do { command, create: Create::No });
                            ctx.spawn(sought.into_actor(room).map(|_, _, _| ()));
                        }
                        Ok(())
                    }
                    Ok(Ok(_)) | Err(_) => Err(ErrorCode::Internal),
                    Ok(Err(code)) => Err(code),
                };
                // The answer comes from the queue, after all that it was asked here.
                let asked = result.map_err(Error::from).and_then(|()| {
                    room.ask(&windows, Create::No, Command::Inspect, to)?;
                    room.flush(to.session);
                    Ok(())
                });
                if let Err(error) = asked {
                    reply(&link, to, Err(error));
                }
            }));
            Ok(None)
        });
    }

    /// Reads the definitions if need be, and then goes on.
    fn with_streams(
        &mut self,
        to: ReplyTo,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) -> Result<Option<Outcome>, Error> + 'static,
    ) {
        let go_on = move |room: &mut Self, ctx: &mut Context<Self>| {
            // Who has left meanwhile asks for nothing more.
            if room.link(to.session).is_none() {
                return;
            }
            let result = match then(room, ctx) {
                Ok(None) => return,
                Ok(Some(outcome)) => Ok(outcome),
                Err(error) => Err(error),
            };
            if let Some(link) = room.link(to.session) {
                reply(&link, to, result);
            }
        };
        let stored = definitions().ok().and_then(|queue| self.address(&queue));
        let (None, Some(address)) = (&self.streams.specs, stored) else {
            self.streams.specs.get_or_insert_default();
            return go_on(self, ctx);
        };
        let browse = Command::Browse {
            group: None,
            filter: Box::new(Filter::states(States::ALL)),
            after: None,
            limit: u32::MAX,
        };
        let read = address.send(Do { command: browse, create: Create::No });
        ctx.spawn(read.into_actor(self).map(move |read, room, ctx| {
            if let Ok(Ok(QueueOutcome::Browsed { items, .. })) = read {
                let specs = items.iter().filter_map(|item| StreamSpec::of(&item.message.body));
                let specs = specs.map(|(stream, spec)| (stream, Arc::new(spec))).collect();
                // Somebody may have been quicker.
                room.streams.specs.get_or_insert(specs);
            }
            go_on(room, ctx);
        }));
    }

    /// Looks which windows are due, and sends them.
    fn make_windows(&mut self, stream: StreamName, ctx: &mut Context<Self>) {
        let Some(spec) = self.streams.specs.as_ref().and_then(|specs| specs.get(&stream)) else {
            return;
        };
        let spec = Arc::clone(spec);
        let Ok(windows) = windows_of(&stream) else { return };
        let seen = self.records_of(&spec.sources);
        let sources: Vec<_> = spec.sources.iter().filter_map(|name| self.address(name)).collect();
        let made_by_queue = self.address(&windows);
        let now = self.shared.clock.now();
        let Some(run) = self.streams.runs.get_mut(&stream) else { return };
        if run.is_making {
            return;
        }
        (run.is_making, run.seen) = (true, seen);
        let known = run.made.clone();
        let together = (!spec.partitioned).then(|| ONE_KEY.parse().unwrap_or_default());
        let look = async move {
            let made = match (known, made_by_queue) {
                (Some(made), _) => made,
                (None, Some(queue)) => Arc::new(queue.send(Made).await.unwrap_or_default()),
                (None, None) => Arc::default(),
            };
            let looks = sources.iter().map(|source| {
                source.send(Look { made: Arc::clone(&made), together: together.clone() })
            });
            let mut keys: BTreeMap<PartitionKey, Moments> = BTreeMap::new();
            for found in join_all(looks.collect::<Vec<_>>()).await.into_iter().flatten() {
                for (key, moments) in found {
                    let entry = keys.entry(key).or_default();
                    *entry = entry.and(moments);
                }
            }
            (made, keys)
        };
        ctx.spawn(look.into_actor(self).map(move |(made, keys), room, ctx| {
            let Some(run) = room.streams.runs.get_mut(&stream) else { return };
            let newest = keys.values().filter_map(|moments| moments.last).max();
            run.newest = run.newest.max(newest.unwrap_or_default());
            let mut ends = BTreeMap::clone(&made);
            let mut messages = Vec::new();
            for (key, moments) in keys {
                if messages.len() >= BATCH {
                    break;
                }
                let due = spec.due(made.get(&key).copied(), moments, run.newest, now);
                if let Some(last) = due.last() {
                    ends.insert(key.clone(), last.end);
                }
                messages.extend(due.into_iter().map(|span| NewMessage {
                    partition: Some(key.clone()),
                    body: span.body(),
                    options: None,
                }));
            }
            run.made = Some(made);
            run.is_making = false;
            if messages.is_empty() {
                return room.look_again(stream, ctx);
            }
            room.send_windows(stream, &spec, messages, ends, ctx);
        }));
    }

    fn send_windows(
        &mut self,
        stream: StreamName,
        spec: &StreamSpec,
        messages: Vec<NewMessage>,
        ends: BTreeMap<PartitionKey, Timestamp>,
        ctx: &mut Context<Self>,
    ) {
        let Some(run) = self.streams.runs.get_mut(&stream) else { return };
        run.is_making = true;
        let address = windows_of(&stream).ok().and_then(|queue| self.address(&queue));
        let Some(address) = address else { return };
        let create = Create::With(Arc::new(spec.settings()));
        let sent = address.send(Do { command: Command::SendBatch { messages }, create });
        ctx.spawn(sent.into_actor(self).map(move |sent, room, ctx| {
            let Some(run) = room.streams.runs.get_mut(&stream) else { return };
            run.is_making = false;
            match sent {
                Ok(Ok(_)) => {
                    run.made = Some(Arc::new(ends));
                    // There may be more.
                    room.make_windows(stream, ctx);
                }
                // Full, perhaps: when somebody waits, it is tried again.
                Ok(Err(code)) => {
                    tracing::warn!(room = %room.name, %stream, code = code.name(), "windows refused");
                    room.look_again(stream, ctx);
                }
                Err(_) => {}
            }
        }));
    }

    /// While somebody waits, the sources are looked at now and then.
    fn look_again(&mut self, stream: StreamName, ctx: &mut Context<Self>) {
        let now = self.shared.clock.now();
        let Some(run) = self.streams.runs.get_mut(&stream) else { return };
        if run.is_looking || run.awaited <= now {
            return;
        }
        run.is_looking = true;
        ctx.run_later(LOOK, move |room, ctx| {
            let spec = room.streams.specs.as_ref().and_then(|specs| specs.get(&stream));
            let seen = spec.map(|spec| room.records_of(&spec.sources)).unwrap_or_default();
            let Some(run) = room.streams.runs.get_mut(&stream) else { return };
            run.is_looking = false;
            match run.seen == seen {
                true => room.look_again(stream, ctx),
                false => room.make_windows(stream, ctx),
            }
        });
    }

    /// How many records each of these queues has: what is the same has not changed.
    fn records_of(&self, queues: &[QueueName]) -> Vec<u64> {
        let slots = queues.iter().map(|queue| self.slots.get(*self.queues.get(queue)?));
        slots.map(|slot| slot.map_or(0, |slot| slot.records())).collect()
    }

    /// The actor of a queue that is known.
    fn address(&self, queue: &QueueName) -> Option<Addr<QueueActor>> {
        let slot = self.slots.get(*self.queues.get(queue)?)?;
        Some(slot.address.clone())
    }
}
