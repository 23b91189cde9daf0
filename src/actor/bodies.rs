//! Bodies that are not in memory are fetched before anybody sees them, and go away again when there are too many.
//!
//! ```text
//!   effect with a body that is away ──► wanted ──► fetch (blocks, off the arbiter) ──► into the reply, and the engine
//!   more bodies than `body_cache` ──► save ahead ──► away
//! ```
//!
//! When more come than can be saved, answers wait for the store: so those who send wait, too.
//!
//! The store keeps what is wanted even if the image that is saved no longer needs it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use bytes::Bytes;

use super::queue::QueueActor;
use crate::{
    engine::{BLOCK, BodyRange, Message, Outcome, Queue},
    store::{Bodies as Fetched, StoreError},
};

/// How much a queue's bodies may grow until it looks again whether there are too many.
const STEP: usize = 1 << 20;

/// Bytes of bodies that stay for those who take next, and are fetched ahead.
const AHEAD: usize = 4 << 20;

/// A queue with no more than these takes nothing from the others.
const LITTLE: usize = 16 << 10;

/// Offsets between two wanted bodies that are fetched together.
const GAP: u64 = 64;

/// The bodies of all queues of a server.
pub struct BodyBudget {
    /// So many bytes of them may be in memory if they can be read again.
    max: usize,
    /// So many are.
    total: AtomicUsize,
    /// Queues that have more than [`LITTLE`] of it.
    queues: AtomicUsize,
}

impl BodyBudget {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, total: AtomicUsize::new(0), queues: AtomicUsize::new(0) }
    }

    fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// What each queue may have when all together have too much.
    fn share(&self) -> usize {
        self.max / self.queues.load(Ordering::Relaxed).max(1)
    }

    /// Those of it that stay for those who take next.
    fn ahead(&self) -> usize {
        (self.share() / 2).min(AHEAD)
    }

    fn step(&self) -> usize {
        (self.share() / 4).clamp(LITTLE, STEP)
    }
}

/// How a queue stands to the bodies of its messages.
pub(super) struct Bodies {
    /// Of messages that somebody is waiting for.
    wanted: Vec<BodyRange>,
    /// Of messages that somebody will ask for; by partition.
    next: BTreeMap<u32, BodyRange>,
    /// Those that are being fetched, for whom ever.
    fetching: Vec<BodyRange>,
    budget: Arc<BodyBudget>,
    /// This queue's part in it.
    counted: usize,
    /// Its part when it last looked whether it is too much.
    looked_at: usize,
}

/// Bodies by partition and offset.
pub(super) type ByPlace = HashMap<(u32, u64), Bytes>;

/// What was fetched, and whether it is for those who will ask.
type Found = (u32, Fetched, bool);

impl Bodies {
    pub(super) fn new(budget: Arc<BodyBudget>) -> Self {
        Self {
            wanted: Vec::new(),
            next: BTreeMap::new(),
            fetching: Vec::new(),
            budget,
            counted: 0,
            looked_at: 0,
        }
    }

    /// The blocks in which bodies are that somebody is waiting for, though their messages may be gone: by partition.
    pub(super) fn blocks_wanted(&self) -> Vec<(u32, u64, u64)> {
        let ranges = self.wanted.iter().chain(&self.fetching);
        ranges.map(|it| (it.partition, it.first / BLOCK, it.last / BLOCK)).collect()
    }

    /// Notes which bodies of an answer are missing; whether some are.
    pub(super) fn want(&mut self, messages: &[&Arc<Message>]) -> bool {
        let mut lacks = false;
        for message in messages.iter().filter(|message| message.body.is_away()) {
            lacks = true;
            let (partition, offset) = (message.position.partition, message.position.offset);
            match self.wanted.last_mut() {
                Some(range)
                    if range.partition == partition
                        && (range.first..=range.last + GAP).contains(&offset) =>
                {
                    range.last = range.last.max(offset);
                }
                _ => self.wanted.push(BodyRange { partition, first: offset, last: offset }),
            }
        }
        lacks
    }

    /// Somebody has got this message, and will ask for those after it.
    pub(super) fn want_next(&mut self, engine: &Queue, message: &Message) {
        let partition = message.position.partition;
        if self.fetching.iter().any(|range| range.partition == partition) {
            return;
        }
        if let Some(range) = engine.wanted_next(message.position, self.budget.ahead()) {
            self.next.insert(partition, range);
        }
    }

    /// There are more bodies than can be saved as fast as they come: who sends them has to wait.
    pub(super) fn are_too_many(&self) -> bool {
        let budget = &self.budget;
        self.counted > budget.share().min(STEP)
            && budget.total() > budget.max.saturating_add(budget.max / 4)
    }

    /// Says how many bytes there are in this queue; in all of them.
    fn count(&mut self, here: usize) -> usize {
        let before = std::mem::replace(&mut self.counted, here);
        match (before > LITTLE, here > LITTLE) {
            (false, true) => self.budget.queues.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.budget.queues.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
        let total = self.budget.total.fetch_add(here.wrapping_sub(before), Ordering::Relaxed);
        total.wrapping_add(here).wrapping_sub(before)
    }
}

impl Drop for Bodies {
    fn drop(&mut self) {
        self.count(0);
    }
}

/// The messages of an answer.
pub(super) fn messages_of(outcome: &Outcome) -> Vec<&Arc<Message>> {
    match outcome {
        Outcome::Delivered(delivered) => delivered.iter().map(|one| &one.message).collect(),
        Outcome::Browsed { items, .. } => items.iter().map(|item| &item.message).collect(),
        Outcome::Found(item) => vec![&item.message],
        Outcome::Looked(items) => items.iter().map(|(_, item)| &item.message).collect(),
        Outcome::Done
        | Outcome::Configured(_)
        | Outcome::Sent(_)
        | Outcome::SentBatch(_)
        | Outcome::Takeable
        | Outcome::Empty
        | Outcome::Settled(_)
        | Outcome::SettledNamed(_)
        | Outcome::Extended(_)
        | Outcome::Transacted { .. }
        | Outcome::Prepared
        | Outcome::Purged { .. }
        | Outcome::Changed { .. }
        | Outcome::Scheduled { .. }
        | Outcome::Surveyed { .. }
        | Outcome::Inspected(_)
        | Outcome::Explained(_) => Vec::new(),
    }
}

/// The same, to be completed.
pub(super) fn messages_in(outcome: &mut Outcome) -> Vec<&mut Arc<Message>> {
    match outcome {
        Outcome::Delivered(delivered) => delivered.iter_mut().map(|one| &mut one.message).collect(),
        Outcome::Browsed { items, .. } => items.iter_mut().map(|item| &mut item.message).collect(),
        Outcome::Found(item) => vec![&mut item.message],
        Outcome::Looked(items) => items.iter_mut().map(|(_, item)| &mut item.message).collect(),
        _ => Vec::new(),
    }
}

/// Puts bodies into messages; whether none is missing.
pub(super) fn fill(messages: Vec<&mut Arc<Message>>, bodies: &ByPlace) -> bool {
    let mut all = true;
    for message in messages.into_iter().filter(|message| message.body.is_away()) {
        let place = (message.position.partition, message.position.offset);
        match bodies.get(&place).filter(|body| body.len() == message.body.len()) {
            Some(body) => {
                let body = message.body.with(body.clone());
                Arc::make_mut(message).body = body;
            }
            None => all = false,
        }
    }
    all
}

impl QueueActor {
    /// Bodies of messages that are away, for what the room asks on its own account. Nothing else may happen to the queue
    /// until they are there.
    pub(super) fn bodies_of(
        &self,
        messages: &[&Arc<Message>],
    ) -> impl Future<Output = Result<ByPlace, StoreError>> + use<> {
        let away = messages.iter().filter(|message| message.body.is_away());
        let places: Vec<(u32, u64)> =
            away.map(|message| (message.position.partition, message.position.offset)).collect();
        let (store, room, queue) =
            (self.shared.store.clone(), self.room.clone(), self.name.clone());
        async move {
            let mut bodies = ByPlace::new();
            if places.is_empty() {
                return Ok(bodies);
            }
            let fetching = tokio::task::spawn_blocking(move || {
                for (partition, offset) in places {
                    if bodies.contains_key(&(partition, offset)) {
                        continue; // It was beside another one.
                    }
                    let fetched =
                        store.bodies(&room, &queue, partition, (offset, offset), usize::MAX)?;
                    bodies.extend(fetched.into_iter().map(|(at, body)| ((partition, at), body)));
                }
                Ok(bodies)
            });
            let panicked = |_| StoreError::Failed("bodies could not be read".into());
            fetching.await.map_err(panicked).and_then(|fetched| fetched)
        }
    }

    /// Fetches what is wanted, one fetch at a time.
    pub(super) fn fetch(&mut self, ctx: &mut Context<Self>) {
        let bodies = &mut self.bodies;
        if !bodies.fetching.is_empty() || (bodies.wanted.is_empty() && bodies.next.is_empty()) {
            return;
        }
        let wanted = std::mem::take(&mut bodies.wanted).into_iter().map(|range| (range, false));
        let next = std::mem::take(&mut bodies.next).into_values().map(|range| (range, true));
        let ranges: Vec<_> = wanted.chain(next).collect();
        bodies.fetching = ranges.iter().map(|(range, _)| *range).collect();
        let (store, room, queue) =
            (self.shared.store.clone(), self.room.clone(), self.name.clone());
        let ahead = bodies.budget.ahead();
        let fetching = tokio::task::spawn_blocking(move || {
            let mut found: Vec<Found> = Vec::with_capacity(ranges.len());
            for (BodyRange { partition, first, last }, is_next) in ranges {
                // What somebody is waiting for is fetched whatever it weighs.
                let bytes_max = if is_next { ahead } else { usize::MAX };
                let fetched = store.bodies(&room, &queue, partition, (first, last), bytes_max)?;
                found.push((partition, fetched, is_next));
            }
            Ok(found)
        });
        ctx.spawn(fetching.into_actor(self).map(|found, queue, ctx| {
            queue.bodies.fetching.clear();
            let panicked = |_| StoreError::Failed("bodies could not be read".into());
            match found.map_err(panicked).and_then(|found| found) {
                Ok(found) => queue.fetched(found),
                Err(error) => queue.fail(error),
            }
            queue.end_turn(ctx);
        }));
    }

    fn fetched(&mut self, found: Vec<Found>) {
        let mut by_place = ByPlace::new();
        for (partition, bodies, is_next) in found {
            if self.engine.warm(partition, &bodies, is_next).is_err() {
                return self
                    .fail(StoreError::Failed("a body is not the one that was saved".into()));
            }
            // What is next for somebody may be what another one is waiting for.
            if self.held.iter().any(|held| held.lacks) {
                let places = bodies.into_iter().map(|(offset, body)| ((partition, offset), body));
                by_place.extend(places);
            }
        }
        let still_wanted = self.complete(&by_place);
        // What came to be wanted meanwhile is fetched next; everything else must be here now.
        self.bodies.wanted.retain(|range| {
            still_wanted.iter().any(|(partition, offset)| {
                range.partition == *partition && (range.first..=range.last).contains(offset)
            })
        });
        let is_known = |(partition, offset): &(u32, u64)| {
            self.bodies.wanted.iter().any(|range| {
                range.partition == *partition && (range.first..=range.last).contains(offset)
            })
        };
        if let Some((partition, offset)) = still_wanted.iter().find(|place| !is_known(place)) {
            let text = format!("the body of message {partition}-{offset} is missing");
            self.fail(StoreError::Failed(text));
        }
    }

    /// Puts bodies into the answers that wait for them. Those that are missing still.
    fn complete(&mut self, bodies: &ByPlace) -> Vec<(u32, u64)> {
        let mut missing = Vec::new();
        for held in self.held.iter_mut().filter(|held| held.lacks) {
            held.lacks = !fill(held.messages(), bodies);
            if held.lacks {
                let away = held.messages().into_iter().filter(|message| message.body.is_away());
                missing.extend(away.map(|it| (it.position.partition, it.position.offset)));
            }
        }
        missing
    }

    /// Lets bodies go away when there are too many in the server; whether some of this queue should be saved, so that
    /// they can.
    pub(super) fn limit_bodies(&mut self) -> bool {
        let here = self.engine.bodies_here();
        let total = self.bodies.count(here);
        let budget = Arc::clone(&self.bodies.budget);
        let max = budget.max;
        self.bodies.looked_at = self.bodies.looked_at.min(here);
        if !self.shared.store.lasts()
            || total <= max / 2
            || here < self.bodies.looked_at + budget.step()
        {
            return false;
        }
        if total > max && self.saving.is_still() {
            let bytes = self.engine.cool(total - max / 4 * 3, budget.ahead());
            tracing::debug!(room = %self.room, queue = %self.name, bytes, "bodies went away");
            self.bodies.count(self.engine.bodies_here());
        }
        self.bodies.looked_at = self.engine.bodies_here();
        self.engine.has_unsaved_blocks(true)
    }

    /// What was saved may go away.
    pub(super) fn look_again_at_bodies(&mut self) {
        self.bodies.looked_at = 0;
    }
}
