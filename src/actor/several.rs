//! Taking from whichever of several queues has something.
//!
//! ```text
//!   try the queues one after the other ── one has something ──► hand it on, forget the rest
//!        ▲                └─ none ──► wait at all of them to be *told*
//!        └────────── one tells, or a queue comes that fits ◄──┘
//! ```
//!
//! A queue that tells hands out nothing. So nothing is ever taken twice, and nothing need be given back but what
//! was taken for a session that is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use actix::{
    ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, MessageResult, SpawnHandle,
    WrapFuture,
};
use futures_util::future::join_all;

use super::{
    messages::Asked,
    queue::QueueActor,
    room::{RoomActor, reply},
};
use crate::{
    auth::Names,
    engine::{
        Command, Outcome as QueueOutcome, Park, Permit, ReplyTo, Status, Take, Term, Verdict,
    },
    error::{Error, ErrorCode},
    service::{Create, Link, Outcome, Outlet, Reply, ToSession},
    types::{QueueName, RequestId, SessionId, Timestamp},
};

/// Who takes when the room does so for a session. Real sessions count from 1 and never come so far.
const TAKER: SessionId = SessionId(u64::MAX);

/// The taker's request that nobody waits for an answer to.
const NOBODY: RequestId = RequestId(0);

type Labels = Vec<(Arc<str>, Arc<str>)>;

/// What a queue is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    is_open: bool,
    labels: Labels,
    priority: i32,
}

/// To a queue: what are you found by?
#[derive(Message)]
#[rtype(result = "Described")]
pub(super) struct Describe;

/// To a room: a queue answers the taker.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Heard(Vec<ToSession>);

/// Takes that are under way.
#[derive(Default)]
pub(super) struct Severals {
    all: BTreeMap<u64, Several>,
    made: u64,
    link: Option<Arc<Link>>,
    /// Queues that were made or changed since anybody looked.
    pub(super) changed: BTreeSet<QueueName>,
    /// What is known of the queues.
    described: BTreeMap<QueueName, Described>,
    /// The queue that gave last: the next one of the same priority comes first.
    last: Option<QueueName>,
}

struct Several {
    to: ReplyTo,
    labels: Labels,
    only: Option<Names>,
    take: Take,
    until: Option<Timestamp>,
    /// Queues that may have something, the next one last.
    to_try: Vec<QueueName>,
    /// The one that is asked now.
    asked: Option<QueueName>,
    /// Those that are to tell.
    waits_at: BTreeSet<QueueName>,
    timer: Option<SpawnHandle>,
    /// Its time is over; only an answer is waited for.
    is_over: bool,
}

impl Several {
    fn fits(&self, queue: &QueueName, described: &Described) -> bool {
        described.is_open
            && self.only.as_ref().is_none_or(|only| only.contains(queue))
            && self.labels.iter().all(|label| described.labels.contains(label))
    }
}

/// A try and a wait to be told have requests of their own.
const fn try_of(id: u64) -> RequestId {
    RequestId(id * 2)
}

const fn told_of(id: u64) -> RequestId {
    RequestId(id * 2 + 1)
}

struct Ear(Addr<RoomActor>);

impl Outlet for Ear {
    fn send(&self, items: Vec<ToSession>) {
        #[expect(
            clippy::disallowed_methods,
            reason = "what is lost with the room ends by its lease"
        )]
        self.0.do_send(Heard(items));
    }

    fn cut(&self) {}
}

impl RoomActor {
    /// Takes from whichever queue with these labels has something.
    pub(super) fn take_any(
        &mut self,
        to: ReplyTo,
        labels: Labels,
        only: Option<Names>,
        take: Take,
        ctx: &mut Context<Self>,
    ) -> Result<(), Error> {
        let is_free = match take.term {
            Term::Auto | Term::Timed { bound: false, .. } => true,
            Term::Session | Term::Timed { bound: true, .. } => false,
        };
        let until = match take.park {
            Park::No => Some(Timestamp(0)),
            Park::Until(until) => until,
            Park::Told(_) | Park::Standing { .. } => return Err(ErrorCode::InvalidRequest.into()),
        };
        if !is_free {
            let text = "a lease from any of several queues is not bound to the session";
            return Err(Error::new(ErrorCode::InvalidRequest, text));
        }
        self.flush(to.session);
        self.severals.made += 1;
        let id = self.severals.made;
        let timer = until.filter(|until| until.0 > 0).map(|until| {
            let wait = until.since(self.shared.clock.now());
            ctx.run_later(wait.into(), move |room, _| room.several_is_over(id))
        });
        let several = Several {
            to,
            labels,
            only,
            take: Take { park: Park::No, ..take },
            until,
            to_try: Vec::new(),
            asked: None,
            waits_at: BTreeSet::new(),
            timer,
            is_over: false,
        };
        self.severals.all.insert(id, several);
        self.severals.link.get_or_insert_with(|| {
            Arc::new(Link::new(TAKER, Box::new(Ear(ctx.address())), usize::MAX))
        });
        self.look_for(id, ctx);
        Ok(())
    }

    /// Finds out what is not known of the queues, and begins with all that fit.
    fn look_for(&mut self, id: u64, ctx: &mut Context<Self>) {
        let unknown: Vec<QueueName> = (self.queues.keys())
            .filter(|queue| !self.severals.described.get(*queue).is_some_and(|it| it.is_open))
            .cloned()
            .collect();
        self.describe(unknown, ctx, move |room, _| {
            let Some(several) = room.severals.all.get(&id) else { return };
            let mut fitting: Vec<(i32, QueueName)> = (room.severals.described.iter())
                .filter(|(queue, described)| several.fits(queue, described))
                .map(|(queue, described)| (described.priority, queue.clone()))
                .collect();
            // The lowest priority first, as the last one is the next; among equals those that come after the last.
            let last = room.severals.last.clone();
            let is_late = |queue: &QueueName| last.as_ref().is_some_and(|last| queue <= last);
            fitting.sort_by(|(one, first), (other, second)| {
                (one.cmp(other))
                    .then_with(|| is_late(second).cmp(&is_late(first)))
                    .then_with(|| second.cmp(first))
            });
            let to_try = fitting.into_iter().map(|(_, queue)| queue).collect();
            if let Some(several) = room.severals.all.get_mut(&id) {
                several.to_try = to_try;
            }
            room.step(id);
        });
    }

    fn describe(
        &mut self,
        queues: Vec<QueueName>,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &[QueueName]) + 'static,
    ) {
        if queues.is_empty() {
            return then(self, &[]);
        }
        let ask = |queue: QueueName| {
            let slot = self.queues.get(&queue).and_then(|at| self.slots.get(*at))?;
            Some((queue, slot.address.send(Describe)))
        };
        let (queues, asked): (Vec<_>, Vec<_>) = queues.into_iter().filter_map(ask).unzip();
        ctx.spawn(join_all(asked).into_actor(self).map(move |answers, room, _| {
            for (queue, answer) in queues.iter().zip(answers) {
                match answer {
                    Ok(described) => {
                        drop(room.severals.described.insert(queue.clone(), described));
                    }
                    Err(_) => drop(room.severals.described.remove(queue)),
                }
            }
            then(room, &queues);
        }));
    }

    /// Queues that were made or changed may be what somebody waits for.
    pub(super) fn reconsider(&mut self, ctx: &mut Context<Self>) {
        let changed = std::mem::take(&mut self.severals.changed);
        for queue in &changed {
            self.severals.described.remove(queue);
        }
        if changed.is_empty() || self.severals.all.is_empty() {
            return;
        }
        self.describe(changed.into_iter().collect(), ctx, |room, queues| {
            let mut woken = Vec::new();
            for (id, several) in &mut room.severals.all {
                for queue in queues {
                    let fits = (room.severals.described.get(queue))
                        .is_some_and(|described| several.fits(queue, described));
                    let is_known = several.waits_at.contains(queue)
                        || several.to_try.contains(queue)
                        || several.asked.as_ref() == Some(queue);
                    if fits && !is_known {
                        several.to_try.push(queue.clone());
                        woken.push(*id);
                    }
                }
            }
            woken.dedup();
            woken.into_iter().for_each(|id| room.step(id));
        });
    }

    /// The next queue is asked; when all have been, it waits, or is over.
    fn step(&mut self, id: u64) {
        let now = self.shared.clock.now();
        let Some(several) = self.severals.all.get_mut(&id) else { return };
        if several.asked.is_some() {
            return;
        }
        if let Some(queue) = several.to_try.pop() {
            several.asked = Some(queue.clone());
            let command = Command::Take(Box::new(several.take.clone()));
            self.ask_as_taker(&queue, try_of(id), command);
            return;
        }
        if several.is_over || several.until.is_some_and(|until| until <= now) {
            return self.finish_several(id, Some(Ok(Outcome::Done)));
        }
        let fitting: Vec<QueueName> = (self.severals.described.iter())
            .filter(|(queue, described)| several.fits(queue, described))
            .map(|(queue, _)| queue.clone())
            .filter(|queue| !several.waits_at.contains(queue))
            .collect();
        let take = Take { park: Park::Told(several.until), ..several.take.clone() };
        several.waits_at.extend(fitting.iter().cloned());
        for queue in fitting {
            if !self.take_place_to_park() {
                let refused = Err(ErrorCode::TooManyParkedInRoom.into());
                return self.finish_several(id, Some(refused));
            }
            self.ask_as_taker(&queue, told_of(id), Command::Take(Box::new(take.clone())));
        }
    }

    fn ask_as_taker(&mut self, queue: &QueueName, request: RequestId, command: Command) {
        let from = ReplyTo { session: TAKER, request, permit: Permit::InFlight };
        let Some(link) = self.severals.link.clone() else { return };
        self.version += 1;
        let asked = Asked { from, create: Create::No, command };
        if let Some(slot) = self.queues.get(queue).and_then(|at| self.slots.get_mut(*at)) {
            slot.ask(link, asked);
        }
    }

    fn several_is_over(&mut self, id: u64) {
        let Some(several) = self.severals.all.get_mut(&id) else { return };
        several.is_over = true;
        several.timer = None;
        if several.asked.is_none() {
            self.finish_several(id, Some(Ok(Outcome::Done)));
        }
    }

    /// It waits no more; `result` goes to its session.
    fn finish_several(&mut self, id: u64, result: Option<Result<Outcome, Error>>) {
        let Some(several) = self.severals.all.remove(&id) else { return };
        for queue in &several.waits_at {
            self.ask_as_taker(queue, NOBODY, Command::Cancel { receiver: told_of(id) });
        }
        if let Some(result) = result
            && let Some(link) = self.link(several.to.session)
        {
            reply(&link, several.to, result);
        }
    }

    /// A session is gone: nothing is to be taken for it.
    pub(super) fn forget_severals(&mut self, session: SessionId) {
        let of_session = self.severals.all.iter().filter(|(_, it)| it.to.session == session);
        let ids: Vec<u64> = of_session.map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.finish_several(id, None));
    }

    fn hear(
        &mut self,
        request: RequestId,
        result: Result<Outcome, Error>,
        ctx: &mut Context<Self>,
    ) {
        let id = request.0 / 2;
        let is_try = request == try_of(id);
        let Some(several) = self.severals.all.get_mut(&id) else {
            return self.give_back(result);
        };
        match result {
            Ok(Outcome::Queue { queue, outcome: QueueOutcome::Delivered(delivered) }) => {
                let result = Ok(Outcome::Queue {
                    queue: queue.clone(),
                    outcome: QueueOutcome::Delivered(delivered),
                });
                several.asked = None;
                self.severals.last = Some(queue);
                match self.link(self.severals.all.get(&id).map_or(TAKER, |it| it.to.session)) {
                    Some(_) => self.finish_several(id, Some(result)),
                    None => {
                        self.finish_several(id, None);
                        self.give_back(result);
                    }
                }
            }
            Ok(Outcome::Queue { queue, outcome: QueueOutcome::Takeable }) => {
                several.waits_at.remove(&queue);
                several.to_try.push(queue);
                self.step(id);
            }
            _ if is_try => {
                several.asked = None;
                self.step(id);
            }
            Ok(Outcome::Queue { queue, .. }) => drop(several.waits_at.remove(&queue)),
            Ok(_) => {}
            Err(error)
                if matches!(error.code, ErrorCode::QueueNotFound | ErrorCode::QueueClosed) =>
            {
                // One of them is gone; which is not said.
                let waits_at = std::mem::take(&mut several.waits_at);
                for queue in waits_at {
                    self.severals.described.remove(&queue);
                    self.ask_as_taker(&queue, NOBODY, Command::Cancel { receiver: told_of(id) });
                }
                self.look_for(id, ctx);
            }
            Err(error) => self.finish_several(id, Some(Err(error))),
        }
    }

    /// What was taken for a session that is gone goes back to its place.
    fn give_back(&mut self, result: Result<Outcome, Error>) {
        if let Ok(Outcome::Queue { queue, outcome: QueueOutcome::Delivered(delivered) }) = result {
            let leases = delivered.iter().filter_map(|one| one.lease);
            let release = Verdict::Release { delay: None };
            let items = leases.map(|lease| (lease, release.clone())).collect();
            self.ask_as_taker(&queue, NOBODY, Command::Settle { items });
        }
    }
}

impl Handler<Heard> for RoomActor {
    type Result = ();

    fn handle(&mut self, Heard(items): Heard, ctx: &mut Self::Context) {
        for item in items {
            if let ToSession::Reply(Reply { id, result, .. }) = item
                && id != NOBODY
            {
                self.hear(id, result, ctx);
            }
        }
    }
}

impl Handler<Describe> for QueueActor {
    type Result = MessageResult<Describe>;

    fn handle(&mut self, Describe: Describe, _: &mut Self::Context) -> Self::Result {
        let (status, settings) = self.engine.description();
        let labels = settings.labels.clone();
        let is_open = status == Status::Open;
        MessageResult(Described { is_open, labels, priority: settings.priority })
    }
}
