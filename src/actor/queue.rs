//! One queue's actor: feeds the engine, holds replies until what they rest on is durable.
//!
//! One turn: every batch in the mailbox goes through the engine; then the records of all of them are
//! appended at once, and what rests on durable records is handed to the sessions, one hand-over each.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::Context as TaskContext,
};

use actix::{Actor, Addr, AsyncContext, Context, Handler, ResponseFuture};
use tokio::sync::oneshot;

use super::{
    messages::{Apply, Measure, Quiesce, Stored},
    pump::{Pump, Pumped},
};
use crate::{
    engine::{self, Command, Effect, Queue, QueueConfig, Record, RecordNumber, ReplyTo},
    error::{Error, ErrorCode},
    service::{Link, Outcome, Reply, Shared, ToSession},
    store::{Appended, Batch, StoreError},
    types::{QueueName, RoomName, SessionId},
};

/// What a queue shows to its room without being asked.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    size: AtomicUsize,
    batches: AtomicU64,
}

impl Gauge {
    fn publish(&self, size: usize, batches: u64) {
        self.size.store(size, Ordering::Relaxed);
        self.batches.store(batches, Ordering::Release);
    }

    /// Whether the queue has done all of the `batches` that were sent to it.
    pub(super) fn has_done(&self, batches: u64) -> bool {
        self.batches.load(Ordering::Acquire) == batches
    }

    /// Ready messages.
    pub(super) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }
}

/// See the module.
pub struct QueueActor {
    room: RoomName,
    name: QueueName,
    shared: Arc<Shared>,
    engine: Queue,
    /// Receivers parked or about to be, over all queues of the room.
    parked_in_room: Arc<AtomicUsize>,
    gauge: Arc<Gauge>,
    /// Batches done.
    batches: u64,
    links: HashMap<SessionId, Slot>,
    effects: Vec<Effect>,
    unwritten: Vec<Record>,
    /// Replies in order, each with what it rests on.
    held: VecDeque<Held>,
    durable: RecordNumber,
    failed: Option<StoreError>,
    waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
    /// Sessions with something staged, in the order of their first reply.
    staged_for: Vec<SessionId>,
}

struct Slot {
    link: Arc<Link>,
    staged: Vec<ToSession>,
}

struct Held {
    to: ReplyTo,
    result: Result<engine::Outcome, ErrorCode>,
    rests_on: RecordNumber,
}

impl QueueActor {
    /// Starts the actor of a queue on this arbiter.
    pub(super) fn begin(
        room: RoomName,
        name: QueueName,
        shared: Arc<Shared>,
        parked_in_room: Arc<AtomicUsize>,
        gauge: Arc<Gauge>,
    ) -> Addr<Self> {
        let limits = &shared.limits;
        let config = QueueConfig {
            messages_max: limits.messages_per_queue,
            bytes_max: limits.bytes_per_queue,
            parked_max: limits.parked_per_queue,
            open_is_idempotent: shared.open_is_idempotent,
        };
        let mut engine = Queue::new(config);
        let loaded = shared.store.load(&room, &name);
        let failed = match loaded {
            Ok(records) => {
                records.into_iter().for_each(|record| engine.replay(record));
                None
            }
            Err(error) => Some(error),
        };
        let durable = engine.last_record();
        gauge.publish(engine.size(), 0);
        Self {
            room,
            name,
            shared,
            engine,
            parked_in_room,
            gauge,
            batches: 0,
            links: HashMap::new(),
            effects: Vec::new(),
            unwritten: Vec::new(),
            held: VecDeque::new(),
            durable,
            failed,
            waiting: Vec::new(),
            staged_for: Vec::new(),
        }
        .start()
    }

    fn apply(&mut self, commands: Vec<(ReplyTo, Command)>) {
        let now = self.shared.clock.now();
        let parked_before = self.engine.parked();
        let mut asked_to_park = 0;
        for (from, command) in commands {
            match command {
                Command::Take { park: true } => asked_to_park += 1,
                // Whatever is still to be said to this session has nobody to hear it.
                Command::Abandon => drop(self.links.remove(&from.session)),
                _ => {}
            }
            if self.failed.is_some() {
                let (result, rests_on) = (Err(ErrorCode::StoreFailed), self.durable);
                self.held.push_back(Held { to: from, result, rests_on });
                continue;
            }
            self.engine.apply(now, from, command, &mut self.effects);
        }
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Append(record) => self.unwritten.push(record),
                Effect::Reply { to, result, rests_on } => {
                    self.held.push_back(Held { to, result, rests_on });
                }
            }
        }
        let no_longer_parked = asked_to_park + parked_before - self.engine.parked();
        if no_longer_parked > 0 {
            self.parked_in_room.fetch_sub(no_longer_parked, Ordering::Relaxed);
        }
    }

    fn write(&mut self, address: Addr<Self>) {
        if self.unwritten.is_empty() || self.failed.is_some() {
            return;
        }
        let through = self.engine.last_record();
        let done = move |result| {
            #[expect(clippy::disallowed_methods, reason = "one per batch; carries no message")]
            address.do_send(Stored { through, result });
        };
        let batch = Batch { room: &self.room, queue: &self.name, records: &self.unwritten };
        match self.shared.store.append(batch, Box::new(done)) {
            Ok(Appended::Durable) => self.durable = through,
            Ok(Appended::Pending) => {}
            Err(error) => self.fail(error),
        }
        self.unwritten.clear();
    }

    /// Nothing of this queue becomes durable any more: every reply that waits becomes a refusal.
    fn fail(&mut self, error: StoreError) {
        tracing::error!(room = %self.room, queue = %self.name, %error, "queue stopped");
        for held in &mut self.held {
            if held.rests_on > self.durable {
                held.result = Err(ErrorCode::StoreFailed);
                held.rests_on = self.durable;
            }
        }
        self.failed = Some(error);
    }

    fn release(&mut self) {
        while self.held.front().is_some_and(|held| held.rests_on <= self.durable) {
            let Some(Held { to, result, .. }) = self.held.pop_front() else { break };
            let Some(slot) = self.links.get_mut(&to.session) else { continue };
            let result = match result {
                Ok(outcome) => Ok(translate(&self.name, outcome)),
                Err(code) => Err(Error::new(code, format!("{}: {}", code.meaning(), self.name))),
            };
            if slot.staged.is_empty() {
                self.staged_for.push(to.session);
            }
            slot.staged.push(ToSession::Reply(Reply { id: to.request, permit: to.permit, result }));
        }
        for session in self.staged_for.drain(..) {
            if let Some(slot) = self.links.get_mut(&session) {
                slot.link.send(std::mem::take(&mut slot.staged));
            }
        }
        if self.held.is_empty() {
            let result = self.failed.clone().map_or(Ok(()), Err);
            for waiting in self.waiting.drain(..) {
                let _ = waiting.send(result.clone());
            }
        }
    }
}

fn translate(queue: &QueueName, outcome: engine::Outcome) -> Outcome {
    match outcome {
        engine::Outcome::Delivered { lease, body } => {
            Outcome::Delivered { queue: queue.clone(), lease, body }
        }
        engine::Outcome::Empty => Outcome::Empty,
        engine::Outcome::Opened
        | engine::Outcome::Closed
        | engine::Outcome::Sent
        | engine::Outcome::Settled
        | engine::Outcome::Drained => Outcome::Done,
    }
}

impl Actor for QueueActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Pump::default());
    }
}

impl Pumped for QueueActor {
    fn turn_ends(&mut self, ctx: &mut Self::Context, _: &mut TaskContext<'_>) {
        self.gauge.publish(self.engine.size(), self.batches);
        self.write(ctx.address());
        self.release();
    }
}

impl Handler<Apply> for QueueActor {
    type Result = ();

    fn handle(&mut self, Apply { link, commands }: Apply, _: &mut Self::Context) {
        (self.links.entry(link.session())).or_insert_with(|| Slot { link, staged: Vec::new() });
        self.apply(commands);
        self.batches += 1;
    }
}

impl Handler<Stored> for QueueActor {
    type Result = ();

    fn handle(&mut self, Stored { through, result }: Stored, _: &mut Self::Context) {
        match result {
            Ok(()) => self.durable = self.durable.max(through),
            Err(error) => self.fail(error),
        }
    }
}

impl Handler<Measure> for QueueActor {
    type Result = usize;

    fn handle(&mut self, Measure: Measure, _: &mut Self::Context) -> usize {
        self.engine.size()
    }
}

impl Handler<Quiesce> for QueueActor {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, Quiesce: Quiesce, _: &mut Self::Context) -> Self::Result {
        let (done, told) = oneshot::channel();
        self.waiting.push(done);
        Box::pin(async move { told.await.unwrap_or(Ok(())) })
    }
}
