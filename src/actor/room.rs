//! One room's actor: who is here, which queues there are.
//!
//! Commands of one session reach each queue in the order in which the session sent them, a batch at a time.
//! The room lives on the arbiter of the first session that entered it, and its queues beside it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use actix::{
    Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, ResponseFuture,
    SpawnHandle, WrapFuture,
};
use foldhash::HashMap;
use futures_util::future::join_all;

use super::{
    messages::{Apply, Asked, BATCH_MAX, Join, Leave, Measure, Quiesce, Submit, Watch},
    queue::{Gauge, QueueActor},
    saving::Retire,
    several::Severals,
    streams::Streams,
    transaction::{PreparedTransaction, about},
};
use crate::{
    engine::{Command, Notices, Permit, ReplyTo, Roster},
    error::{Error, ErrorCode},
    service::{
        Create, Link, Operation, Outcome, QueueSize, Reply, Request, Shared, ToSession,
        TransactionPart,
    },
    store::StoreError,
    types::{QueueName, RequestId, RoomName, SessionId},
};

/// See the module.
pub struct RoomActor {
    pub(super) name: RoomName,
    pub(super) shared: Arc<Shared>,
    members: HashMap<SessionId, Member>,
    roster: Roster,
    pub(super) queues: BTreeMap<QueueName, usize>,
    pub(super) slots: Vec<QueueSlot>,
    /// Places of queues that are no more.
    vacant: Vec<usize>,
    watchers: Vec<Watcher>,
    /// Of transactions.
    tickets: u64,
    pub(super) is_committing: bool,
    /// Transactions that wait until others are committed.
    pub(super) to_commit: VecDeque<PreparedTransaction>,
    /// Queues with something staged.
    staged_for: Vec<usize>,
    /// Receivers parked or about to be, over all queues.
    parked: Arc<AtomicUsize>,
    /// Grows whenever a list of the queues could come out differently.
    pub(super) version: u64,
    /// When to look whether it is still idle.
    pub(super) idle_check: Option<SpawnHandle>,
    /// Its queues are asked to rest, or do.
    pub(super) is_resting: bool,
    pub(super) streams: Streams,
    /// The last list and the version it shows.
    list: Option<(u64, Arc<[QueueSize]>)>,
    /// Takes from whichever queue has something.
    pub(super) severals: Severals,
}

struct Member {
    link: Arc<Link>,
    /// Queues that know this session.
    touched: BTreeSet<usize>,
    /// Version of the list that it was given last.
    listed: Option<u64>,
    /// A transaction of its is under way;
    busy: bool,
    /// these wait for it.
    later: Vec<Request>,
}

pub(super) struct QueueSlot {
    pub(super) address: Addr<QueueActor>,
    gauge: Arc<Gauge>,
    /// Batches sent to it.
    batches: u64,
    staged: Vec<Asked>,
    /// So many were staged in the last batch: there will be about as many in the next.
    last_batch: usize,
}

/// Who wants to hear what happens in all queues.
struct Watcher {
    link: Arc<Link>,
    watch: RequestId,
}

impl Watcher {
    fn is(&self, other: &Self) -> bool {
        self.link.session() == other.link.session() && self.watch == other.watch
    }
}

impl RoomActor {
    /// Starts the actor of a room on this arbiter.
    pub(crate) fn begin(name: RoomName, shared: Arc<Shared>) -> Addr<Self> {
        Self {
            name,
            shared,
            members: HashMap::default(),
            roster: Roster::default(),
            queues: BTreeMap::new(),
            slots: Vec::new(),
            vacant: Vec::new(),
            watchers: Vec::new(),
            tickets: 0,
            is_committing: false,
            to_commit: VecDeque::new(),
            staged_for: Vec::new(),
            parked: Arc::new(AtomicUsize::new(0)),
            version: 0,
            idle_check: None,
            is_resting: false,
            streams: Streams::default(),
            list: None,
            severals: Severals::default(),
        }
        .start()
    }

    /// Does one request, or stages it for its queue. An error is answered by the caller.
    fn perform(
        &mut self,
        to: ReplyTo,
        operation: Operation,
        ctx: &mut Context<Self>,
    ) -> Result<Option<Outcome>, Error> {
        match operation {
            Operation::ListQueues => return self.list(to, ctx),
            Operation::ListParticipants => {
                return Ok(Some(Outcome::Participants {
                    participants: self.roster.participants(),
                }));
            }
            Operation::Queue { queue, create, command } => {
                self.ask(&queue, create, command, to)?;
            }
            Operation::TakeAny { labels, only, take } => {
                self.take_any(to, labels, only, *take, ctx)?;
            }
            Operation::Transact { parts } => return self.transact(parts, to, ctx),
            Operation::Note { about, note } => return self.note(&about, note, to),
            Operation::Notes { about, labels, after } => {
                return self.notes(about.as_ref(), labels, after, to);
            }
            Operation::DefineStream { stream, spec } => self.define_stream(stream, spec, to, ctx),
            Operation::FindStream { stream } => self.find_stream(stream, to, ctx),
            Operation::Stream { stream, spec, command } => {
                self.of_stream(stream, spec, command, to, ctx);
            }
            Operation::SeekStream { stream, spec, group, at } => {
                self.seek_stream(stream, spec, (group, at), to, ctx);
            }
            Operation::Watch { queue } => return self.watch(queue, to),
            Operation::Unwatch { watch } => return Ok(self.unwatch(watch, to)),
            Operation::Unpark => self.tell_touched(to, &Command::Unpark),
            Operation::EnableMessaging => {
                let notices = self.roster.enable(to.session);
                return Ok(self.notify(notices));
            }
            Operation::DisableMessaging => {
                let notices = self.roster.disable(to.session);
                return Ok(self.notify(notices));
            }
            Operation::SendMessage { to: receiver, kind, message, attachment } => {
                let sent = self.roster.send(to.session, &receiver, kind, message, attachment);
                return Ok(self.notify(sent?));
            }
            Operation::Broadcast { kind, message, attachment } => {
                let notices = self.roster.broadcast(to.session, kind, message, attachment);
                return Ok(self.notify(notices));
            }
            Operation::SetAttributes { changed } => {
                let bytes_max = self.shared.limits.attributes_bytes;
                let set = self.roster.set_attributes(to.session, changed, bytes_max);
                return Ok(self.notify(set?));
            }
        }
        Ok(None)
    }

    /// Stages a command; one that may park takes a place among the room's receivers first.
    #[inline]
    pub(super) fn ask(
        &mut self,
        queue: &QueueName,
        create: Create,
        command: Command,
        to: ReplyTo,
    ) -> Result<(), Error> {
        let parks = command.parks();
        if parks && !self.take_place_to_park() {
            return Err(ErrorCode::TooManyParkedInRoom.into());
        }
        if matches!(command, Command::Configure { .. } | Command::Open { .. } | Command::Delete) {
            self.severals.changed.insert(queue.clone());
        }
        let staged = self.stage(queue, Asked { from: to, create, command });
        if parks && staged.is_err() {
            self.parked.fetch_sub(1, Ordering::Relaxed);
        }
        staged
    }

    /// A place among the room's receivers: given back by the queue when the receiver is answered or gone.
    pub(super) fn take_place_to_park(&self) -> bool {
        let parked = self.parked.fetch_add(1, Ordering::Relaxed);
        let is_free = parked < self.shared.limits.parked_per_room;
        if !is_free {
            self.parked.fetch_sub(1, Ordering::Relaxed);
        }
        is_free
    }

    #[inline]
    fn stage(&mut self, queue: &QueueName, asked: Asked) -> Result<(), Error> {
        let at = match self.queues.get(queue) {
            Some(at) => *at,
            None if asked.create != Create::No => self.begin_queue(queue)?,
            None => return Err(about(queue, ErrorCode::QueueNotFound)),
        };
        if let Some(slot) = self.slots.get_mut(at) {
            if slot.staged.is_empty() {
                slot.staged.reserve_exact(slot.last_batch.clamp(2, BATCH_MAX));
                self.staged_for.push(at);
            }
            slot.staged.push(asked);
        }
        Ok(())
    }

    /// The queues of a transaction; those that are sent to are made if need be.
    pub(super) fn addresses_for(
        &mut self,
        parts: &[TransactionPart],
    ) -> Result<Vec<Addr<QueueActor>>, Error> {
        let mut addresses = Vec::with_capacity(parts.len());
        for TransactionPart { queue, transaction, .. } in parts {
            let at = match self.queues.get(queue) {
                Some(at) => *at,
                None if transaction.sends.is_empty() => {
                    return Err(about(queue, ErrorCode::QueueNotFound));
                }
                None => self.begin_queue(queue)?,
            };
            addresses.extend(self.slots.get(at).map(|slot| slot.address.clone()));
        }
        self.version += 1;
        Ok(addresses)
    }

    pub(super) const fn next_ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    pub(super) fn link(&self, session: SessionId) -> Option<Arc<Link>> {
        self.members.get(&session).map(|member| Arc::clone(&member.link))
    }

    /// While a session is busy with a transaction its other requests wait: they take effect in their order.
    pub(super) fn set_busy(&mut self, session: SessionId, busy: bool) {
        if let Some(member) = self.members.get_mut(&session) {
            member.busy = busy;
        }
    }

    pub(super) fn catch_up(&mut self, session: SessionId, ctx: &mut Context<Self>) {
        let Some(member) = self.members.get_mut(&session) else { return };
        let requests = std::mem::take(&mut member.later);
        self.version += 1;
        self.submit(session, requests, ctx);
    }

    fn submit(&mut self, session: SessionId, requests: Vec<Request>, ctx: &mut Context<Self>) {
        let Some(member) = self.members.get(&session) else { return };
        let (link, mut is_busy) = (Arc::clone(&member.link), member.busy);
        let mut requests = requests.into_iter();
        while !is_busy && let Some(Request { id, permit, operation }) = requests.next() {
            let to = ReplyTo { session, request: id, permit };
            // What goes to one queue keeps nobody busy.
            let may_be_long = !matches!(operation, Operation::Queue { .. });
            match self.perform(to, operation, ctx) {
                Ok(None) => {}
                Ok(Some(outcome)) => reply(&link, to, Ok(outcome)),
                Err(error) => reply(&link, to, Err(error)),
            }
            is_busy = may_be_long && self.members.get(&session).is_none_or(|member| member.busy);
        }
        if let Some(member) = self.members.get_mut(&session) {
            member.later.extend(requests);
        }
        self.flush(session);
        self.reconsider(ctx);
    }

    /// Tells the queue, or all queues that are there and all to come, to tell this session.
    fn watch(&mut self, queue: Option<QueueName>, to: ReplyTo) -> Result<Option<Outcome>, Error> {
        self.flush(to.session);
        let Some(member) = self.members.get(&to.session) else { return Ok(None) };
        let told = Watcher { link: Arc::clone(&member.link), watch: to.request };
        match &queue {
            Some(queue) => {
                let at = self.queues.get(queue);
                let at = at.ok_or_else(|| about(queue, ErrorCode::QueueNotFound))?;
                if let Some(slot) = self.slots.get_mut(*at) {
                    slot.watch(&told, true);
                }
            }
            None => {
                for at in
                    self.queues.iter().filter(|(name, _)| !name.is_internal()).map(|(_, at)| at)
                {
                    if let Some(slot) = self.slots.get_mut(*at) {
                        slot.watch(&told, true);
                    }
                }
                self.watchers.push(told);
            }
        }
        Ok(Some(Outcome::Done))
    }

    fn unwatch(&mut self, watch: RequestId, to: ReplyTo) -> Option<Outcome> {
        let member = self.members.get(&to.session)?;
        let told = Watcher { link: Arc::clone(&member.link), watch };
        self.slots.iter_mut().for_each(|slot| slot.watch(&told, false));
        self.watchers.retain(|known| !known.is(&told));
        Some(Outcome::Done)
    }

    fn begin_queue(&mut self, queue: &QueueName) -> Result<usize, Error> {
        let at = self.place_for_queue()?;
        let is_stored = self.shared.store.knows(&self.name, queue);
        let slot = self.start_queue(queue, is_stored);
        match self.slots.get_mut(at) {
            Some(vacant) => {
                vacant.post(Retire);
                *vacant = slot;
            }
            None => self.slots.push(slot),
        }
        self.queues.insert(queue.clone(), at);
        self.severals.changed.insert(queue.clone());
        self.version += 1;
        Ok(at)
    }

    /// Where a new queue goes: at the end, or where one was that is no more.
    fn place_for_queue(&mut self) -> Result<usize, Error> {
        if self.slots.len() < self.shared.limits.queues_per_room {
            return Ok(self.slots.len());
        }
        if self.vacant.is_empty() {
            let (slots, vacant) = (&self.slots, &mut self.vacant);
            self.queues.retain(|_, at| {
                let can_go = slots.get(*at).is_some_and(QueueSlot::can_go);
                if can_go {
                    vacant.push(*at);
                }
                !can_go
            });
        }
        self.vacant.pop().ok_or_else(|| ErrorCode::TooManyQueues.into())
    }

    fn start_queue(&self, queue: &QueueName, is_stored: bool) -> QueueSlot {
        let (room, shared) = (self.name.clone(), Arc::clone(&self.shared));
        let gauge = Arc::new(if is_stored { Gauge::loading() } else { Gauge::default() });
        let (parked, shown) = (Arc::clone(&self.parked), Arc::clone(&gauge));
        let address = QueueActor::begin(room, queue.clone(), shared, parked, shown, is_stored);
        let mut slot = QueueSlot { address, gauge, batches: 0, staged: Vec::new(), last_batch: 0 };
        if !queue.is_internal() {
            self.watchers.iter().for_each(|watcher| slot.watch(watcher, true));
        }
        slot
    }

    /// The queues that the store knows.
    fn begin_stored(&mut self) {
        match self.shared.store.queues(&self.name) {
            Ok(queues) => {
                for queue in queues {
                    let slot = self.start_queue(&queue, true);
                    self.queues.insert(queue, self.slots.len());
                    self.slots.push(slot);
                }
            }
            Err(error) => tracing::error!(room = %self.name, %error, "the queues cannot be read"),
        }
    }

    /// Nobody is here, and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.members.is_empty() && !self.is_committing && self.to_commit.is_empty()
    }

    /// Hands what is staged to the queues.
    pub(super) fn flush(&mut self, session: SessionId) {
        let Some(member) = self.members.get_mut(&session) else { return };
        for at in self.staged_for.drain(..) {
            let Some(slot) = self.slots.get_mut(at) else { continue };
            member.touched.insert(at);
            self.version += 1;
            let (link, commands) = (Arc::clone(&member.link), std::mem::take(&mut slot.staged));
            slot.last_batch = commands.len();
            slot.tell(Apply { link, commands });
        }
    }

    fn tell_touched(&mut self, from: ReplyTo, command: &Command) {
        self.flush(from.session);
        let Some(member) = self.members.get(&from.session) else { return };
        for at in &member.touched {
            if let Some(slot) = self.slots.get_mut(*at) {
                self.version += 1;
                let commands = vec![Asked { from, create: Create::No, command: command.clone() }];
                slot.tell(Apply { link: Arc::clone(&member.link), commands });
            }
        }
    }

    /// All queues and their sizes at this point in the session's requests: what it sent before is counted,
    /// what it sends after is not.
    ///
    /// Lists that would be the same are shared, and each weighs on the connection it waits for.
    fn list(&mut self, to: ReplyTo, ctx: &mut Context<Self>) -> Result<Option<Outcome>, Error> {
        self.flush(to.session);
        let shared = self.list.as_ref().filter(|(version, _)| *version == self.version);
        let Some(member) = self.members.get_mut(&to.session) else { return Ok(None) };
        let has_it = shared.is_some() && member.listed == Some(self.version);
        let booked = if has_it { 0 } else { weight(self.queues.keys()) };
        if !member.link.book(booked) {
            let text = "too many large answers wait to be read on this connection";
            return Err(Error::new(ErrorCode::TooManyRequests, text));
        }
        member.listed = Some(self.version);
        let link = Arc::clone(&member.link);
        if let Some((_, queues)) = shared {
            return Ok(Some(Outcome::Queues { queues: Arc::clone(queues), booked }));
        }
        let (mut queues, behind) = self.measure();
        if behind.is_empty() {
            let queues: Arc<[QueueSize]> = queues.into();
            self.list = Some((self.version, Arc::clone(&queues)));
            return Ok(Some(Outcome::Queues { queues, booked }));
        }
        let (at, asked): (Vec<usize>, Vec<_>) = behind.into_iter().unzip();
        ctx.spawn(join_all(asked).into_actor(self).map(move |sizes, _, _| {
            let mut gone = BTreeSet::new();
            for (at, size) in at.into_iter().zip(sizes) {
                match (queues.get_mut(at), size) {
                    (Some(queue), Ok(Ok(Some(size)))) => queue.size = size,
                    // A list without it would say that it is not there.
                    (Some(QueueSize { queue, .. }), Ok(Err(_))) => {
                        return refuse_list(&link, to, queue, booked);
                    }
                    _ => drop(gone.insert(at)),
                }
            }
            let mut at = 0..;
            queues.retain(|_| at.next().is_some_and(|at| !gone.contains(&at)));
            reply(&link, to, Ok(Outcome::Queues { queues: queues.into(), booked }));
        }));
        Ok(None)
    }

    /// All queues by name. Those at rest show their size; the others, by their place in the list, are asked.
    fn measure(&self) -> (Vec<QueueSize>, Vec<(usize, Measuring)>) {
        let mut queues = Vec::with_capacity(self.queues.len());
        let mut behind = Vec::new();
        for (queue, at) in self.queues.iter().filter(|(queue, _)| !queue.is_internal()) {
            let Some(slot) = self.slots.get(*at) else { continue };
            if !slot.gauge.has_done(slot.batches) {
                behind.push((queues.len(), slot.address.send(Measure)));
            } else if slot.gauge.size().is_none() {
                continue; // Deleted.
            }
            let size = slot.gauge.size().unwrap_or_default();
            queues.push(QueueSize { queue: queue.clone(), size });
        }
        (queues, behind)
    }

    fn notify(&self, notices: Notices) -> Option<Outcome> {
        for (to, notice) in notices {
            if let Some(member) = self.members.get(&to) {
                member.link.notify(notice);
            }
        }
        Some(Outcome::Done)
    }
}

/// A queue that was asked for its size.
type Measuring = actix::prelude::Request<QueueActor, Measure>;

/// Bytes that a list of these queues takes, roughly.
fn weight<'a>(queues: impl Iterator<Item = &'a QueueName>) -> usize {
    const BASE: usize = 64;
    queues.map(|queue| BASE + queue.as_str().len()).sum()
}

fn refuse_list(link: &Link, to: ReplyTo, queue: &QueueName, booked: usize) {
    link.written(booked);
    reply(link, to, Err(about(queue, ErrorCode::StoreFailed)));
}

pub(super) fn reply(link: &Link, to: ReplyTo, result: Result<Outcome, Error>) {
    let reply = Reply { id: to.request, permit: to.permit, result };
    link.send(vec![ToSession::Reply(reply)]);
}

impl QueueSlot {
    fn watch(&mut self, Watcher { link, watch }: &Watcher, on: bool) {
        #[expect(
            clippy::disallowed_methods,
            reason = "one per watch and queue; carries no message"
        )]
        self.address.do_send(Watch { link: Arc::clone(link), watch: *watch, on });
    }

    /// Records that it has written.
    pub(super) fn records(&self) -> u64 {
        self.gauge.records()
    }

    /// Whether nothing is lost with it.
    fn can_go(&self) -> bool {
        self.staged.is_empty() && self.gauge.can_go(self.batches)
    }

    pub(super) fn post<M>(&self, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        QueueActor: Handler<M>,
    {
        #[expect(clippy::disallowed_methods, reason = "one per save or rest; carries no message")]
        self.address.do_send(message);
    }

    /// One command on somebody's account.
    pub(super) fn ask(&mut self, link: Arc<Link>, asked: Asked) {
        self.tell(Apply { link, commands: vec![asked] });
    }

    fn tell(&mut self, batch: Apply) {
        self.batches += 1;
        #[expect(
            clippy::disallowed_methods,
            reason = "a batch of requests that hold permits; a queue's actor lives as long as its room's"
        )]
        self.address.do_send(batch);
    }
}

impl Actor for RoomActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.begin_stored();
        self.rest_later(ctx);
    }
}

impl Handler<Join> for RoomActor {
    type Result = ();

    fn handle(&mut self, Join { link, presence }: Join, ctx: &mut Self::Context) {
        self.rest_no_more(ctx);
        let session = link.session();
        if let Some((participant, may_list)) = presence {
            self.roster.join(session, participant, may_list);
        }
        self.members.insert(
            session,
            Member { link, touched: BTreeSet::new(), listed: None, busy: false, later: Vec::new() },
        );
    }
}

impl Handler<Submit> for RoomActor {
    type Result = ();

    fn handle(&mut self, Submit { session, requests }: Submit, ctx: &mut Self::Context) {
        self.submit(session, requests, ctx);
    }
}

impl Handler<Leave> for RoomActor {
    type Result = ();

    fn handle(&mut self, Leave { session }: Leave, ctx: &mut Self::Context) {
        let from = ReplyTo { session, request: RequestId(0), permit: Permit::None };
        self.tell_touched(from, &Command::Abandon);
        self.members.remove(&session);
        self.forget_severals(session);
        self.watchers.retain(|watcher| watcher.link.session() != session);
        let notices = self.roster.leave(session);
        self.notify(notices);
        if self.slots.is_empty() {
            self.rest(ctx);
        }
        self.rest_later(ctx);
    }
}

impl Handler<Quiesce> for RoomActor {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, Quiesce: Quiesce, _: &mut Self::Context) -> Self::Result {
        let queues = join_all(self.slots.iter().map(|slot| slot.address.send(Quiesce)));
        Box::pin(async move {
            let results = queues.await.into_iter().filter_map(Result::ok);
            results.collect::<Result<(), StoreError>>()
        })
    }
}
