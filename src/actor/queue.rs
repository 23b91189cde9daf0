//! One queue's actor: feeds the engine, holds replies until what they rest on is durable.
//!
//! One turn: every batch in the mailbox goes through the engine; then the records of all of them are
//! appended at once, and what rests on durable records is handed to the sessions, one hand-over each.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Context as TaskContext,
};

use actix::{Actor, Addr, AsyncContext, Context, Handler, ResponseFuture, SpawnHandle};
use foldhash::HashMap;
use tokio::sync::oneshot;

use super::{
    bodies::{Bodies, messages_in, messages_of},
    counted::Counted,
    messages::{Apply, Asked, Measure, Quiesce, Stored, Watch},
    pump::{Pump, Pumped},
    saving::Saving,
    transaction::{Joint, JointAppended, Part, ROOM, ROOM_ASKS, about},
};
use crate::{
    engine::{
        self, Command, Delivered, Effect, Event, Message, Queue, QueueConfig, Record, RecordNumber,
        ReplyTo,
    },
    error::ErrorCode,
    service::{Create, EVENT_WEIGHT, Link, Outcome, Reply, Shared, ToSession},
    store::{Appended, Batch, Requests, StoreError},
    types::{Millis, QueueName, RequestId, RoomName, SessionId, Timestamp},
};

/// What a queue shows to its room without being asked.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    /// Ready messages and 1; 0: the queue is not there.
    size: AtomicUsize,
    batches: AtomicU64,
    records: AtomicU64,
    /// It was deleted, and the store knows.
    gone: AtomicBool,
}

impl Gauge {
    fn publish(&self, engine: &Queue, batches: u64) {
        self.size.store(measure(engine).map_or(0, |size| size + 1), Ordering::Relaxed);
        if engine.exists() {
            self.gone.store(false, Ordering::Relaxed);
        }
        self.records.store(engine.last_record().0, Ordering::Relaxed);
        self.batches.store(batches, Ordering::Release);
    }

    /// Records that were written.
    pub(super) fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Whether the queue has done all of the `batches` that were sent to it.
    pub(super) fn has_done(&self, batches: u64) -> bool {
        self.batches.load(Ordering::Acquire) == batches
    }

    /// Of a queue that is not loaded yet.
    pub(super) fn loading() -> Self {
        Self { batches: AtomicU64::new(u64::MAX), ..Self::default() }
    }

    pub(super) fn is_gone(&self) {
        self.gone.store(true, Ordering::Release);
    }

    pub(super) fn says_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Whether nothing is lost with the actor of this queue, if it has done `batches` and gets no more.
    pub(super) fn can_go(&self, batches: u64) -> bool {
        self.has_done(batches) && self.size().is_none() && self.gone.load(Ordering::Acquire)
    }

    /// Ready messages; none: the queue is not there.
    pub(super) fn size(&self) -> Option<usize> {
        self.size.load(Ordering::Relaxed).checked_sub(1)
    }
}

fn measure(engine: &Queue) -> Option<usize> {
    engine.exists().then(|| engine.size())
}

fn config_of(shared: &Shared) -> QueueConfig {
    let limits = &shared.limits;
    QueueConfig {
        messages_max: limits.messages_per_queue,
        bytes_max: limits.bytes_per_queue,
        parked_max: limits.parked_per_queue,
        groups_max: limits.groups_per_queue,
        partitions_max: limits.partitions_per_queue,
        schedules_max: limits.schedules_per_queue,
        open_is_idempotent: shared.open_is_idempotent,
        encrypts: shared.store.encrypts(),
        // No queue hands out more than a thousand messages in every millisecond of its life.
        first_generation: shared.clock.now().0.saturating_mul(1000),
    }
}

/// A timer is never set further ahead: the wall clock it stands for may be moved.
const TIMER_MAX: Millis = Millis::from_secs(60);

/// See the module.
pub struct QueueActor {
    pub(super) room: RoomName,
    pub(super) name: QueueName,
    pub(super) shared: Arc<Shared>,
    pub(super) engine: Queue,
    /// Receivers parked or about to be, over all queues of the room.
    parked_in_room: Arc<AtomicUsize>,
    pub(super) gauge: Arc<Gauge>,
    /// Batches done.
    batches: u64,
    links: HashMap<SessionId, Slot>,
    effects: Vec<Effect>,
    unwritten: Vec<Record>,
    /// How many requests made these, if there are some.
    asked_by: Option<Requests>,
    /// Replies in order, each with what it rests on.
    pub(super) held: VecDeque<Held>,
    pub(super) durable: RecordNumber,
    pub(super) failed: Option<StoreError>,
    waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
    pub(super) watchers: Vec<Watcher>,
    /// A joint with records of this queue is not yet appended: until then nothing else is.
    pub(super) joint_is_open: bool,
    pub(super) saving: Saving,
    pub(super) bodies: Bodies,
    relaxed: Counted,
    /// The answer to what the room asked on its own account.
    for_room: Option<Result<engine::Outcome, ErrorCode>>,
    timer: Option<SpawnHandle>,
    armed_for: Option<Timestamp>,
    /// Sessions with something staged, in the order of their first reply.
    staged_for: Vec<SessionId>,
}

struct Slot {
    link: Arc<Link>,
    staged: Vec<ToSession>,
    /// How many it was last time: likely as many again.
    last: usize,
}

pub(super) struct Held {
    to: ReplyTo,
    what: Answer,
    rests_on: RecordNumber,
    /// A body of it is away.
    pub(super) lacks: bool,
}

impl Held {
    const fn new(to: ReplyTo, what: Answer, rests_on: RecordNumber) -> Self {
        Self { to, what, rests_on, lacks: false }
    }

    /// Its messages.
    pub(super) fn messages(&mut self) -> Vec<&mut Arc<Message>> {
        match &mut self.what {
            Answer::Reply(Ok(outcome)) => messages_in(outcome),
            Answer::Push(delivered) => vec![&mut delivered.message],
            Answer::Reply(Err(_)) | Answer::Event(_) => Vec::new(),
        }
    }
}

enum Answer {
    Reply(Result<engine::Outcome, ErrorCode>),
    Push(Delivered),
    /// To all watchers.
    Event(Event),
}

/// A session that is told what happens.
pub(super) struct Watcher {
    link: Arc<Link>,
    watch: RequestId,
    /// Events left out since the last one that was not.
    missed: u64,
}

impl QueueActor {
    /// Starts the actor of a queue on this arbiter. One that `is_stored` is loaded first.
    pub(super) fn begin(
        room: RoomName,
        name: QueueName,
        shared: Arc<Shared>,
        parked_in_room: Arc<AtomicUsize>,
        gauge: Arc<Gauge>,
        is_stored: bool,
    ) -> Addr<Self> {
        let engine = Queue::new(config_of(&shared));
        let bodies = Bodies::new(Arc::clone(&shared.bodies));
        let relaxed = Counted::new(Arc::clone(&shared.relaxed));
        if !is_stored {
            gauge.publish(&engine, 0);
        }
        let mut queue = Self {
            room,
            name,
            shared,
            engine,
            parked_in_room,
            gauge,
            batches: 0,
            links: HashMap::default(),
            effects: Vec::new(),
            unwritten: Vec::new(),
            asked_by: None,
            held: VecDeque::new(),
            durable: RecordNumber(0),
            failed: None,
            waiting: Vec::new(),
            watchers: Vec::new(),
            joint_is_open: false,
            saving: Saving::new(!is_stored),
            bodies,
            relaxed,
            for_room: None,
            timer: None,
            armed_for: None,
            staged_for: Vec::new(),
        };
        Self::create(move |ctx| {
            if is_stored {
                queue.load(config_of(&queue.shared), ctx);
            }
            queue
        })
    }

    /// It is what the store knows.
    pub(super) fn loaded(&mut self, engine: Queue) {
        self.durable = engine.last_record();
        self.engine = engine;
        self.saving.is_loaded = true;
    }

    fn apply(&mut self, commands: Vec<Asked>) {
        let now = self.shared.clock.now();
        let parked_before = self.engine.parked();
        let is_full = self.shared.store.is_full();
        let mut asked_to_park = 0;
        self.saving.is_at_rest = false;
        for Asked { from, create, command } in commands {
            asked_to_park += usize::from(command.parks());
            if matches!(command, Command::Abandon) {
                // Whatever is still to be said to this session has nobody to hear it.
                self.links.remove(&from.session);
                self.watchers.retain(|watcher| watcher.link.session() != from.session);
            }
            let refused = match () {
                () if self.failed.is_some() => Some(ErrorCode::StoreFailed),
                () if create == Create::No && !self.engine.exists() => {
                    Some(ErrorCode::QueueNotFound)
                }
                () if is_full && command.grows() => Some(ErrorCode::StorageFull),
                () => None,
            };
            match refused {
                Some(code) => {
                    let what = Answer::Reply(Err(code));
                    self.held.push_back(Held::new(from, what, self.durable));
                }
                None => {
                    self.engine.set_founding(create.settings().cloned());
                    let written = self.engine.last_record();
                    self.engine.apply(now, from, command, &mut self.effects);
                    if self.engine.last_record() != written {
                        let is_first = self.asked_by.is_none();
                        self.asked_by = Some(if is_first { Requests::One } else { Requests::Many });
                    }
                }
            }
        }
        self.engine.set_watched(!self.watchers.is_empty());
        self.take_in(parked_before + asked_to_park);
    }

    /// Does what the room asks on its own account.
    pub(super) fn ask(
        &mut self,
        create: Create,
        command: Command,
    ) -> Result<engine::Outcome, ErrorCode> {
        self.apply(vec![Asked { from: ROOM_ASKS, create, command }]);
        self.for_room.take().unwrap_or(Err(ErrorCode::StoreFailed))
    }

    /// Commits a prepared transaction; its records go into the joint.
    pub(super) fn commit(
        &mut self,
        ticket: u64,
        create: Create,
        joint: &Joint,
        address: Addr<Self>,
    ) -> Result<engine::Outcome, ErrorCode> {
        // What came before is written by itself.
        self.write(address.clone());
        let answer = self.ask(create, Command::Commit { ticket });
        // The room commits one transaction after the other, so no other joint is open.
        let first = self.first_unwritten();
        let records = std::mem::take(&mut self.unwritten);
        self.asked_by = None;
        self.joint_is_open = true;
        let (room, queue) = (self.room.clone(), self.name.clone());
        let through = self.engine.last_record();
        let part = Part { room, queue, first, records, through, address };
        joint.add(part, self.shared.store.as_ref());
        answer
    }

    /// Does what time does.
    pub(super) fn expire(&mut self) {
        if self.failed.is_some() {
            return;
        }
        let parked_before = self.engine.parked();
        self.engine.expire(self.shared.clock.now(), &mut self.effects);
        // Nobody waits for what time does, but somebody may come meanwhile.
        self.asked_by = Some(Requests::Many);
        self.take_in(parked_before);
    }

    fn take_in(&mut self, parked_at_most: usize) {
        let written = self.engine.last_record();
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Append(record) => self.unwritten.push(record),
                Effect::Reply { to, result, .. } if to.session == ROOM => {
                    self.for_room = Some(result);
                }
                Effect::Reply { to, result, rests_on } => {
                    let messages = result.as_ref().map_or_else(|_| Vec::new(), messages_of);
                    let lacks = self.bodies.want(&messages);
                    if let Ok(engine::Outcome::Delivered(_)) = &result
                        && let Some(last) = messages.last()
                    {
                        self.bodies.want_next(&self.engine, last);
                    }
                    let held = Held::new(to, Answer::Reply(result), rests_on);
                    self.held.push_back(Held { lacks, ..held });
                }
                Effect::Push { to, delivered, rests_on } => {
                    let lacks = self.bodies.want(&[&delivered.message]);
                    self.bodies.want_next(&self.engine, &delivered.message);
                    let held = Held::new(to, Answer::Push(delivered), rests_on);
                    self.held.push_back(Held { lacks, ..held });
                }
                Effect::Notify(event) => {
                    self.held.push_back(Held::new(ROOM_ASKS, Answer::Event(event), written));
                }
            }
        }
        let no_longer_parked = parked_at_most - self.engine.parked();
        if no_longer_parked > 0 {
            self.parked_in_room.fetch_sub(no_longer_parked, Ordering::Relaxed);
        }
    }

    pub(super) fn end_turn(&mut self, ctx: &mut Context<Self>) {
        if self.saving.is_loaded {
            self.gauge.publish(&self.engine, self.batches);
            self.relaxed.set(self.engine.exists() && self.engine.is_relaxed());
        }
        self.write(ctx.address());
        self.release();
        self.fetch(ctx);
        self.save(ctx);
        self.arm(ctx);
    }

    /// Keeps one timer armed for the engine's next deadline, or for an earlier one that is none any more: a wake-up too many
    /// does no harm, and leases come and go with each message.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let is_at_work = self.failed.is_none() && !self.saving.is_at_rest;
        let next = self.engine.next_deadline().filter(|_| is_at_work);
        let is_early = self.armed_for.is_some_and(|armed| next.is_none_or(|next| armed <= next));
        if is_at_work && is_early {
            return;
        }
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.armed_for = next;
        let Some(next) = next else { return };
        let wait = next.since(self.shared.clock.now()).min(TIMER_MAX);
        self.timer = Some(ctx.run_later(wait.into(), |queue, ctx| {
            queue.armed_for = None;
            queue.timer = None;
            queue.expire();
            // The pump was polled before this timer, and nothing wakes it again.
            queue.end_turn(ctx);
        }));
    }

    fn first_unwritten(&self) -> RecordNumber {
        RecordNumber(self.engine.last_record().0 + 1 - self.unwritten.len() as u64)
    }

    fn write(&mut self, address: Addr<Self>) {
        if self.unwritten.is_empty() {
            self.asked_by = None;
            return;
        }
        if self.failed.is_some() || self.joint_is_open {
            return;
        }
        let through = self.engine.last_record();
        let done = move |result| {
            #[expect(clippy::disallowed_methods, reason = "one per batch; carries no message")]
            address.do_send(Stored { through, result });
        };
        let first = self.first_unwritten();
        let (room, queue, records) = (&self.room, &self.name, &self.unwritten);
        let batch = Batch { room, queue, first, records };
        let requests = match self.asked_by.take() {
            _ if self.engine.is_relaxed() => Requests::None,
            asked_by => asked_by.unwrap_or(Requests::Many),
        };
        match self.shared.store.append(&[batch], requests, Box::new(done)) {
            Ok(Appended::Durable) => self.durable = through,
            Ok(Appended::Pending) => {}
            Err(error) => self.fail(error),
        }
        self.unwritten.clear();
    }

    /// Nothing of this queue becomes durable any more: every reply that waits becomes a refusal.
    pub(super) fn fail(&mut self, error: StoreError) {
        tracing::error!(room = %self.room, queue = %self.name, %error, "queue stopped");
        for held in &mut self.held {
            if (held.rests_on > self.durable || std::mem::take(&mut held.lacks))
                && let Answer::Reply(result) = &mut held.what
            {
                *result = Err(ErrorCode::StoreFailed);
                held.rests_on = self.durable;
            }
        }
        // What did not come to be is no news, and no message of a subscription.
        self.held.retain_mut(|held| {
            held.rests_on <= self.durable
                && !held.messages().iter().any(|message| message.body.is_away())
        });
        self.failed = Some(error);
    }

    fn release(&mut self) {
        // The end of what is being saved comes back here.
        if !self.saving.is_still() && self.bodies.are_too_many() {
            return;
        }
        let can_go = |held: &Held| held.rests_on <= self.durable && !held.lacks;
        while self.held.front().is_some_and(can_go) {
            let Some(Held { to, what, .. }) = self.held.pop_front() else { break };
            let queue = &self.name;
            let item = match what {
                Answer::Event(event) => {
                    self.watchers.iter_mut().for_each(|watcher| watcher.tell(queue, &event));
                    continue;
                }
                Answer::Push(delivered) => {
                    ToSession::Push { receiver: to.request, queue: queue.clone(), delivered }
                }
                Answer::Reply(result) => {
                    let result = match result {
                        Ok(outcome) => Ok(Outcome::Queue { queue: queue.clone(), outcome }),
                        Err(code) => Err(about(queue, code)),
                    };
                    ToSession::Reply(Reply { id: to.request, permit: to.permit, result })
                }
            };
            let Some(slot) = self.links.get_mut(&to.session) else { continue };
            if slot.staged.is_empty() {
                self.staged_for.push(to.session);
                slot.staged.reserve(slot.last);
            }
            slot.staged.push(item);
        }
        for session in self.staged_for.drain(..) {
            if let Some(slot) = self.links.get_mut(&session) {
                slot.last = slot.staged.len();
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

impl Watcher {
    fn tell(&mut self, queue: &QueueName, event: &Event) {
        if !self.link.book(EVENT_WEIGHT) {
            self.missed += 1;
            return;
        }
        let mut items = Vec::with_capacity(2);
        let missed = std::mem::take(&mut self.missed);
        if missed > 0 {
            items.push(ToSession::Missed { watch: self.watch, count: missed });
        }
        let (watch, queue, event) = (self.watch, queue.clone(), event.clone());
        items.push(ToSession::Event { watch, queue, event });
        self.link.send(items);
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
        self.end_turn(ctx);
    }
}

impl Handler<Apply> for QueueActor {
    type Result = ();

    fn handle(&mut self, Apply { link, commands }: Apply, _: &mut Self::Context) {
        let slot = || Slot { link: Arc::clone(&link), staged: Vec::new(), last: 0 };
        self.links.entry(link.session()).or_insert_with(slot);
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

impl Handler<JointAppended> for QueueActor {
    type Result = ();

    fn handle(&mut self, JointAppended { through, result }: JointAppended, _: &mut Self::Context) {
        self.joint_is_open = false;
        match result {
            Ok(Appended::Durable) => self.durable = self.durable.max(through),
            Ok(Appended::Pending) => {}
            Err(error) => self.fail(error),
        }
    }
}

impl Handler<Measure> for QueueActor {
    type Result = Result<Option<usize>, StoreError>;

    fn handle(&mut self, Measure: Measure, _: &mut Self::Context) -> Self::Result {
        match &self.failed {
            Some(error) if !self.saving.is_loaded => Err(error.clone()),
            _ => Ok(measure(&self.engine)),
        }
    }
}

impl Handler<Watch> for QueueActor {
    type Result = ();

    fn handle(&mut self, Watch { link, watch, on }: Watch, _: &mut Self::Context) {
        let session = link.session();
        self.saving.is_at_rest = false;
        self.watchers.retain(|known| known.link.session() != session || known.watch != watch);
        if on {
            self.watchers.push(Watcher { link, watch, missed: 0 });
        }
        self.engine.set_watched(!self.watchers.is_empty());
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
