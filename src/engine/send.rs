//! Sending: check everything, then add everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    command::State,
    effect::{Happened, Receipt},
    known::{self, Fate, KnownId, KnownKey},
    lane::Hold,
    log::{Seen, Slot},
    message::{
        DedupKey, Message, NewMessage, OnDuplicate, Options, ParentFailed, Position, Sequence,
    },
    moves::Ending,
    partition::Partition,
    queue::{Parent, Queue, WORK},
    record::{Record, RecordNumber, Standing},
    settings::{MessageOrder, PRIORITY_MAX},
    timers::Timer,
    view::Status,
};
use crate::{
    error::ErrorCode,
    types::{PartitionKey, Payload, Timestamp},
};

/// Bytes of an id, a key, a kind, a label's name or its text.
const TEXT_MAX: usize = 255;
/// Labels of a message.
const LABELS_MAX: usize = 64;
/// Messages that one message may wait for.
const PARENTS_MAX: usize = 1000;

/// What is to be done with a message that was sent.
enum Plan {
    Add,
    /// It is known already.
    Keep(Receipt),
    /// It takes the place of the first one.
    Replace(Receipt),
    /// It is the same as an earlier one of the batch, by its place in the batch.
    SameAs(usize),
}

impl Queue {
    /// The common case, without a detour: one message, of which nothing is said, in a partition that is
    /// there.
    pub(super) fn send_one(&mut self, message: NewMessage) -> Result<Receipt, ErrorCode> {
        let has_partition = match &message.partition {
            None => self.default_partition.is_some(),
            Some(key) => self.by_key.contains_key(key),
        };
        if message.options.is_none()
            && has_partition
            && self.status == Status::Open
            && self.ensure_encryption(&self.settings).is_ok()
            && self.check_room(1, message.body.len()).is_ok()
        {
            return self.add(message, None);
        }
        let mut receipts = self.send_all(vec![message])?;
        receipts.pop().ok_or(ErrorCode::Internal)
    }

    /// Adds all messages or none.
    pub(super) fn send_all(
        &mut self,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Receipt>, ErrorCode> {
        let plans = self.plan(&messages)?;
        let added = |plan: &&Plan| matches!(plan, Plan::Add);
        let count = plans.iter().filter(added).count();
        let sizes = plans.iter().zip(&messages).filter(|(plan, _)| added(plan));
        let bytes = sizes.map(|(_, message)| message.body.len()).sum();
        self.make_room(count, bytes)?;
        self.come_into_being();
        let mut receipts: Vec<Receipt> = Vec::with_capacity(messages.len());
        for (plan, message) in plans.into_iter().zip(messages) {
            let receipt = match plan {
                Plan::Add => {
                    // Only with `Overflow::DeadLetter` is there still too much.
                    let is_full = self.excess(1, message.body.len()) != (0, 0);
                    self.add(message, is_full.then_some("queue_full"))?
                }
                Plan::Keep(receipt) => receipt,
                Plan::Replace(receipt) => {
                    self.replace(receipt.position, message);
                    receipt
                }
                Plan::SameAs(at) => match receipts.get(at) {
                    Some(first) => Receipt { duplicate: true, ..first.clone() },
                    None => return Err(ErrorCode::Internal),
                },
            };
            self.totals.duplicates += u64::from(receipt.duplicate);
            receipts.push(receipt);
        }
        Ok(receipts)
    }

    /// Whether all messages could be added, none of them known from before.
    pub(super) fn check_send(&self, messages: &[NewMessage]) -> Result<(), ErrorCode> {
        let plans = self.plan(messages)?;
        let is_new = plans.iter().all(|plan| matches!(plan, Plan::Add | Plan::SameAs(_)));
        if is_new { Ok(()) } else { Err(ErrorCode::Duplicate) }
    }

    /// Adds messages that were admitted when their transaction was prepared. What is known by now is a
    /// duplicate.
    pub(super) fn send_admitted(
        &mut self,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Receipt>, ErrorCode> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        self.come_into_being();
        let mut receipts = Vec::with_capacity(messages.len());
        for message in messages {
            receipts.push(match self.known_receipt(&message) {
                Some(receipt) => {
                    self.totals.duplicates += 1;
                    receipt
                }
                None => self.add(message, None)?,
            });
        }
        Ok(receipts)
    }

    fn known_receipt(&self, message: &NewMessage) -> Option<Receipt> {
        let options = message.options.as_deref()?;
        if let Some(id) = &options.id
            && let Some(position) = self.known.position(id)
        {
            return Some(Receipt { position, id: Some(Arc::clone(id)), duplicate: true });
        }
        let key = options.key.as_ref().filter(|key| self.remembers(key))?;
        let default = PartitionKey::default();
        let number = self.by_key.get(message.partition.as_ref().unwrap_or(&default))?;
        let first = self.known.keys.get(&(*number, Arc::clone(&key.text)))?;
        Some(Receipt { position: first.position, id: first.id.clone(), duplicate: true })
    }

    fn plan(&self, messages: &[NewMessage]) -> Result<Vec<Plan>, ErrorCode> {
        if self.status == Status::Closed {
            return Err(ErrorCode::QueueClosed);
        }
        self.ensure_encryption(&self.settings)?;
        // Those of the batch that are added.
        let mut ids: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        let mut keys: BTreeMap<(&PartitionKey, &Arc<str>), usize> = BTreeMap::new();
        let mut new_partitions: BTreeSet<&PartitionKey> = BTreeSet::new();
        let mut plans = Vec::with_capacity(messages.len());
        let default = PartitionKey::default();
        for (at, message) in messages.iter().enumerate() {
            let partition = message.partition.as_ref().unwrap_or(&default);
            let Some(options) = &message.options else {
                new_partitions.insert(partition);
                plans.push(Plan::Add);
                continue;
            };
            check_options(options)?;
            self.check_parents(options)?;
            let key = options.key.as_ref().filter(|key| self.remembers(key));
            if let Some(plan) = self.first_of(partition, options, key.is_some(), &message.body)? {
                plans.push(plan);
                continue;
            }
            let key = key.map(|key| (partition, &key.text));
            let same_id = options.id.as_ref().and_then(|id| ids.get(id));
            let same = same_id.or_else(|| key.and_then(|key| keys.get(&key))).copied();
            plans.push(match same {
                Some(first) => {
                    if self.settings.dedup_content && !is_same(messages.get(first), message) {
                        return Err(ErrorCode::KeyConflict);
                    }
                    Plan::SameAs(first)
                }
                None => {
                    ids.extend(options.id.as_ref().map(|id| (id, at)));
                    keys.extend(key.map(|key| (key, at)));
                    new_partitions.insert(partition);
                    Plan::Add
                }
            });
        }
        new_partitions.retain(|key| !self.by_key.contains_key(*key));
        self.check_new_partitions(new_partitions.len())?;
        Ok(plans)
    }

    fn check_new_partitions(&self, new: usize) -> Result<(), ErrorCode> {
        let (partitions, max) = (self.by_key.len() + new, self.config.partitions_max);
        let lanes = partitions.saturating_mul(self.group_numbers().count());
        if new > 0 && (partitions > max || lanes > max.saturating_mul(10)) {
            return Err(ErrorCode::TooManyPartitions);
        }
        Ok(())
    }

    /// A parent that is named by its position must have been sent.
    fn check_parents(&self, options: &Options) -> Result<(), ErrorCode> {
        let was_sent = |id: &Arc<str>| {
            id.parse::<Position>().is_err() || self.fate_of(id).1 != Fate::Live || self.is_kept(id)
        };
        if options.depends_on.iter().all(was_sent) {
            Ok(())
        } else {
            Err(ErrorCode::InvalidRequest)
        }
    }

    fn is_kept(&self, id: &str) -> bool {
        id.parse().is_ok_and(|position| self.seen(position).is_some())
    }

    /// Whether a key means anything.
    fn remembers(&self, key: &DedupKey) -> bool {
        key.window.unwrap_or(self.settings.dedup_window).0 > 0
    }

    /// What a message with an id or a key that is known comes to.
    fn first_of(
        &self,
        partition: &PartitionKey,
        options: &Options,
        has_key: bool,
        body: &Payload,
    ) -> Result<Option<Plan>, ErrorCode> {
        if let Some(id) = &options.id
            && let Some(position) = self.known.position(id)
        {
            let same = self.message(position).is_none_or(|first| {
                known::content_of(&first) == known::content(body, options.kind.as_deref())
            });
            if self.settings.dedup_content && !same {
                return Err(ErrorCode::KeyConflict);
            }
            return Ok(Some(Plan::Keep(Receipt {
                position,
                id: Some(Arc::clone(id)),
                duplicate: true,
            })));
        }
        let Some(key) = options.key.as_ref().filter(|_| has_key) else { return Ok(None) };
        let Some(number) = self.by_key.get(partition) else { return Ok(None) };
        let Some(first) = self.known.keys.get(&(*number, Arc::clone(&key.text))) else {
            return Ok(None);
        };
        let (position, id) = (first.position, first.id.clone());
        let receipt = Receipt { position, id, duplicate: true };
        if key.on_duplicate == OnDuplicate::Replace && self.is_untouched(position) {
            return Ok(Some(Plan::Replace(receipt)));
        }
        let content = known::content(body, options.kind.as_deref());
        if self.settings.dedup_content && first.content.is_some_and(|first| first != content) {
            return Err(ErrorCode::KeyConflict);
        }
        Ok(Some(Plan::Keep(receipt)))
    }

    /// Still ready or delayed in all groups, and never taken.
    fn is_untouched(&self, position: Position) -> bool {
        self.seen(position).is_some()
            && self.group_numbers().all(|group| {
                let Some(lane) = self.lane_of(group, position.partition) else { return false };
                let state = lane.state(position.offset);
                let is_new = lane.counts_of(position.offset) == (0, 0);
                matches!(state, State::Ready | State::Delayed) && is_new
            })
    }

    /// The number of a partition, which is made if there is none.
    pub(super) fn partition(&mut self, key: &PartitionKey) -> u32 {
        if let Some(number) = self.by_key.get(key) {
            return *number;
        }
        let number = self.partitions.next();
        self.append(Record::PartitionAdded { partition: number, key: key.clone() });
        self.add_partition(key.clone());
        number
    }

    pub(super) fn add_partition(&mut self, key: PartitionKey) {
        let number = self.partitions.next();
        if key == PartitionKey::default() {
            self.default_partition = Some(number);
        }
        self.by_key.insert(key.clone(), number);
        self.partitions.push(Partition::new(key));
        let is_second = self.partitions.len() == 2;
        // Groups that are there have all that comes; the work group only if there is one.
        for group in self.groups.iter_mut().flatten() {
            group.lanes.push(super::lane::Lane::default());
            // With a single partition the group keeps no index of partitions.
            if is_second && let Some((first, part)) = self.partitions.iter().next() {
                group.reindex(first, &part.log);
            }
        }
    }

    /// Adds a message that is not known and fits.
    pub(super) fn add(
        &mut self,
        new: NewMessage,
        dead: Option<&str>,
    ) -> Result<Receipt, ErrorCode> {
        let NewMessage { partition, body, options } = new;
        let number = match (&partition, self.default_partition) {
            (None, Some(number)) => number,
            (None, None) => self.partition(&PartitionKey::default()),
            (Some(key), _) => self.partition(key),
        };
        let Some(part) = self.partitions.get(number) else {
            return Err(ErrorCode::Internal);
        };
        let position = Position { partition: number, offset: part.log.end() };
        let sequence = Sequence(self.last_sequence.0 + 1);
        // Partitions are written down before their first message, settled ones before what follows.
        self.record_settled();
        let sent_in = RecordNumber(self.last_record.0 + 1);
        let (options, expires_at) = self.times_of(options);
        let sent_at = self.now;
        let message =
            Arc::new(Message { sequence, position, sent_at, sent_in, expires_at, body, options });
        let parents = self.parents_of(&message);
        let standing = match (&parents, dead) {
            (_, Some(_)) if !self.settings.dead_letter => Standing::Dropped { at: self.now },
            (_, Some(reason)) => Standing::Dead { at: self.now, reason: Arc::from(reason) },
            (Ok(parents), None) if !parents.is_empty() => Standing::Blocked,
            (Ok(_), None) => match self.standing_of(&message) {
                Standing::Ready if self.settings.window.is_some() => Standing::Held,
                standing => standing,
            },
            (Err(ParentIsFailed), None) => Standing::Blocked,
        };
        let id = message.options.as_ref().and_then(|options| options.id.clone());
        self.append(Record::Sent { message: Arc::clone(&message), standing: standing.clone() });
        self.totals.sent += 1;
        self.insert(message, &standing, parents.as_ref().ok());
        self.notify(Happened::Sent, Some(position), WORK, 1);
        let ending = match standing {
            Standing::Dead { reason, .. } => {
                self.totals.dead += 1;
                self.notify(Happened::Dead, Some(position), WORK, 1);
                Some(Ending::Dead(reason))
            }
            Standing::Dropped { .. } => {
                self.totals.dropped += 1;
                self.notify(Happened::Dropped, Some(position), WORK, 1);
                Some(Ending::Dropped("queue_full".into()))
            }
            Standing::Blocked if parents.is_err() => {
                self.fail_child(position);
                None
            }
            Standing::Ready
            | Standing::Blocked
            | Standing::Held
            | Standing::Delayed { .. }
            | Standing::Done { .. } => None,
        };
        // Without a work group it is done, whatever becomes of it in others.
        let without = self.group(WORK).is_none().then_some(Ending::Done(None));
        if let Some(ending) = without.or(ending) {
            self.ended(position, &ending, 0, 0);
        }
        if self.has_no_group(position) {
            self.settle_slot(position, sent_at, None);
        }
        Ok(Receipt { position, id, duplicate: false })
    }

    /// No group has anything to do with a message.
    pub(super) fn has_no_group(&self, position: Position) -> bool {
        let slot = self.partitions.get(position.partition);
        let slot = slot.and_then(|part| part.log.get(position.offset));
        slot.is_some_and(Seen::is_settled)
    }

    /// The times of a message as moments: when it is ready, if its sender said so, and when it is no longer good.
    fn times_of(&self, options: Option<Box<Options>>) -> (Option<Box<Options>>, Option<Timestamp>) {
        let said = options.as_deref();
        let delay = said.and_then(|options| options.delay);
        let ready_at = said.and_then(|options| options.not_before);
        let ready_at = ready_at.or_else(|| delay.map(|delay| self.now.after(delay)));
        let ttl = said.and_then(|options| options.ttl).or(self.settings.ttl);
        let deadline = said.and_then(|options| options.deadline);
        let expires_at = ttl.map(|ttl| self.now.after(ttl)).into_iter().chain(deadline).min();
        let Some(ready_at) = ready_at.filter(|at| *at > self.now) else {
            return (options, expires_at);
        };
        let mut options = options.unwrap_or_default();
        options.not_before = Some(ready_at);
        (Some(options), expires_at)
    }

    /// Puts a message into the log, the groups and all indexes. Also for a replay.
    pub(super) fn insert(
        &mut self,
        message: Arc<Message>,
        standing: &Standing,
        parents: Option<&BTreeSet<Parent>>,
    ) {
        let (position, sent_at) = (message.position, message.sent_at);
        let part = self.partitions.get(position.partition);
        let open = part.and_then(|part| part.gathering);
        if open.is_some_and(|open| open.closes_at <= sent_at) {
            self.close_window(position.partition);
        }
        self.last_sequence = self.last_sequence.max(message.sequence);
        self.messages += 1;
        self.bytes += message.body.len();
        if let Some(at) = message.expires_at {
            self.timers.set(at, Timer::Expiry { position });
        }
        if let Some(options) = &message.options {
            self.know(&message, options);
        }
        if let Some(part) = self.partitions.get_mut(position.partition) {
            part.log.push(Slot { message, open: 0, dead: 0, settled: None });
            part.has_settled(position.offset);
        }
        self.wait_for(position, parents);
        let is_fresh = *standing == Standing::Ready && self.settings.ordering == MessageOrder::Fifo;
        for group in 0..u32::try_from(self.groups.len()).unwrap_or(u32::MAX) {
            if self.group(group).is_none() {
                continue;
            }
            match standing {
                Standing::Ready if is_fresh => self.place_fresh(group, position),
                Standing::Dropped { .. } | Standing::Done { .. } => self.finish(group, position),
                standing => self.place(group, position, (0, 0), hold_of(standing)),
            }
        }
        if *standing == Standing::Held {
            self.gather(position, sent_at);
        }
        if self.settings.retain_open != super::settings::FOREVER {
            self.watch_oldest(position.partition);
        }
    }

    pub(super) fn wait_for(&mut self, child: Position, parents: Option<&BTreeSet<Parent>>) {
        for parent in parents.into_iter().flatten() {
            self.parents.entry(child).or_default().insert(parent.clone());
            self.children.entry(parent.clone()).or_default().insert(child);
        }
    }

    /// Remembers a message's id and key.
    fn know(&mut self, message: &Message, options: &Options) {
        let position = message.position;
        if let Some(id) = &options.id {
            let known = KnownId { position, forget_at: None };
            if let Some(before) = self.known.ids.insert(Arc::clone(id), known)
                && let Some(at) = before.forget_at
            {
                self.timers.clear(at, Timer::Id { id: Arc::clone(id) });
            }
            // Whoever waited for this id waits for this message.
            for child in self.children.remove(&Parent::Id(Arc::clone(id))).unwrap_or_default() {
                let parent = Parent::Position(position);
                self.children.entry(parent.clone()).or_default().insert(child);
                if let Some(parents) = self.parents.get_mut(&child) {
                    parents.remove(&Parent::Id(Arc::clone(id)));
                    parents.insert(parent);
                }
            }
        }
        let Some(key) = options.key.as_ref().filter(|key| self.remembers(key)) else {
            return;
        };
        let window = key.window.unwrap_or(self.settings.dedup_window);
        let forget_at = (!key.until_settled).then(|| message.sent_at.after(window));
        let (partition, text) = (position.partition, Arc::clone(&key.text));
        if let Some(at) = forget_at {
            self.timers.set(at, Timer::Key { partition, key: Arc::clone(&text) });
        }
        let content = self.settings.dedup_content.then(|| known::content_of(message));
        let known = KnownKey { position, id: options.id.clone(), content, forget_at };
        self.known.keys.insert((partition, text), known);
    }

    /// What a message must wait for; `Err`: a parent has failed, and the message is to fail, too.
    pub(super) fn parents_of(&self, message: &Message) -> Result<BTreeSet<Parent>, ParentIsFailed> {
        let mut parents = BTreeSet::new();
        let Some(options) =
            message.options.as_ref().filter(|options| !options.depends_on.is_empty())
        else {
            return Ok(parents);
        };
        for id in &options.depends_on {
            let (parent, fate) = self.fate_of(id);
            if parent == Parent::Position(message.position) {
                continue; // One that replaces another may name it.
            }
            match (fate, options.parent_failed) {
                (Fate::Done, _) | (Fate::Failed, ParentFailed::Run) => {}
                (Fate::Failed, ParentFailed::Fail) => return Err(ParentIsFailed),
                (Fate::Live, _) | (Fate::Failed, ParentFailed::Wait) => {
                    parents.insert(parent);
                }
            }
        }
        Ok(parents)
    }

    fn fate_of(&self, id: &Arc<str>) -> (Parent, Fate) {
        // A replay forgets later.
        let is_known = |known: &&KnownId| known.forget_at.is_none_or(|at| at > self.moment);
        let position = match self.known.ids.get(id).filter(is_known) {
            // It is no longer kept.
            Some(known) if known.forget_at.is_some() => {
                return (Parent::Id(Arc::clone(id)), Fate::Done);
            }
            Some(known) => known.position,
            None => match id.parse::<Position>() {
                Ok(position) => position,
                Err(()) => return (Parent::Id(Arc::clone(id)), Fate::Live),
            },
        };
        let parent = Parent::Position(position);
        match self.state(WORK, position) {
            Some(State::Dead) => (parent, Fate::Failed),
            Some(State::Done) => (parent, Fate::Done),
            Some(State::Blocked | State::Delayed | State::Ready | State::Leased) => {
                (parent, Fate::Live)
            }
            None if self.was_used(position) => (parent, Fate::Done),
            None => (parent, Fate::Live),
        }
    }

    /// Whether a message was ever here, kept or not. Of deleted partitions only the number is known.
    pub(super) fn was_used(&self, position: Position) -> bool {
        let is_used = |part: &Partition| position.offset < part.log.end();
        position.partition < self.partitions.first()
            || self.partitions.get(position.partition).is_some_and(is_used)
    }

    /// The first message with this key gets another body and other options, in its old place.
    fn replace(&mut self, position: Position, new: NewMessage) {
        let Some(old) = self.message(position) else {
            return; // It was dropped to make room.
        };
        let (mut options, expires_at) = self.times_of(new.options);
        let before = old.options.as_deref();
        if let Some(options) = &mut options {
            options.id = before.and_then(|options| options.id.clone());
            options.key = before.and_then(|options| options.key.clone());
        }
        self.record_settled();
        let message = Arc::new(Message {
            sequence: old.sequence,
            position,
            sent_at: old.sent_at,
            sent_in: RecordNumber(self.last_record.0 + 1),
            expires_at,
            body: new.body,
            options,
        });
        let was_held = self.group_numbers().any(|group| {
            let lane = self.lane_of(group, position.partition);
            lane.is_some_and(|lane| lane.held.contains(&position.offset))
        });
        let parents = self.parents_of(&message);
        let standing = match &parents {
            Ok(parents) if parents.is_empty() => match self.standing_of(&message) {
                Standing::Ready if was_held => Standing::Held,
                standing => standing,
            },
            Ok(_) | Err(ParentIsFailed) => Standing::Blocked,
        };
        let record = Record::Replaced { message: Arc::clone(&message), standing: standing.clone() };
        self.append(record);
        self.put_in_place(message, &standing, parents.as_ref().ok());
        if parents.is_err() {
            self.fail_child(position);
        }
    }

    /// Also for a replay.
    pub(super) fn put_in_place(
        &mut self,
        message: Arc<Message>,
        standing: &Standing,
        parents: Option<&BTreeSet<Parent>>,
    ) {
        let position = message.position;
        self.forget_parents(position);
        self.wait_for(position, parents);
        if let Some(key) = message.options.as_ref().and_then(|options| options.key.as_ref())
            && let Some(known) =
                self.known.keys.get_mut(&(position.partition, Arc::clone(&key.text)))
        {
            known.content = self.settings.dedup_content.then(|| known::content_of(&message));
        }
        for group in self.group_numbers() {
            self.lift(group, position);
        }
        let Some(part) = self.partitions.get_mut(position.partition) else { return };
        let (expires_at, length) = (message.expires_at, message.body.len());
        let Some(old) = part.log.replace(position.offset, message) else { return };
        if let Some(at) = old.expires_at {
            self.timers.clear(at, Timer::Expiry { position });
        }
        if let Some(at) = expires_at {
            self.timers.set(at, Timer::Expiry { position });
        }
        self.bytes = self.bytes - old.body.len() + length;
        if old.body.is_away() {
            self.away -= old.body.len();
        }
        self.has_changed(position);
        for group in self.group_numbers() {
            self.place(group, position, (0, 0), hold_of(standing));
        }
    }
}

/// A message that was to wait for one that failed is to fail, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ParentIsFailed;

pub(super) fn hold_of(standing: &Standing) -> Hold {
    match standing {
        Standing::Ready => Hold::Ready,
        Standing::Blocked => Hold::Blocked,
        Standing::Delayed { until } => Hold::Delayed(*until),
        Standing::Held => Hold::Held,
        Standing::Dead { at, reason } => Hold::Dead { at: *at, reason: Arc::clone(reason) },
        Standing::Done { .. } | Standing::Dropped { .. } => Hold::Done,
    }
}

fn is_same(first: Option<&NewMessage>, other: &NewMessage) -> bool {
    let content = |message: &NewMessage| {
        let kind = message.options.as_ref().and_then(|options| options.kind.as_deref());
        known::content(&message.body, kind)
    };
    first.is_some_and(|first| content(first) == content(other))
}

fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_MAX && !text.chars().any(char::is_control)
}

/// What a sender may say about a message.
pub(super) fn check_options(options: &Options) -> Result<(), ErrorCode> {
    let is_id = |id: &Arc<str>| is_text(id) && id.parse::<Position>().is_err();
    let fine = options.id.as_ref().is_none_or(is_id)
        && options.key.as_ref().is_none_or(|key| is_text(&key.text))
        && options.kind.as_ref().is_none_or(|kind| is_text(kind))
        && options.labels.len() <= LABELS_MAX
        && options.labels.iter().all(|(name, text)| is_text(name) && text.len() <= TEXT_MAX)
        && options.labels.windows(2).all(|two| two[0].0 < two[1].0)
        && options.depends_on.len() <= PARENTS_MAX
        && options.depends_on.iter().all(|id| is_text(id) && options.id.as_ref() != Some(id))
        && (-PRIORITY_MAX..=PRIORITY_MAX).contains(&options.priority)
        && options.backoff.is_none_or(|backoff| backoff.jitter <= 100);
    if fine { Ok(()) } else { Err(ErrorCode::InvalidRequest) }
}
