//! Sending: what is refused, what is a duplicate, where a new message stands; schedules.

use std::sync::Arc;

use super::{
    Answer, Gathering, Kept, Key, Message, Model, Outcome, PartitionKey, Place, Position,
    RecordNumber, ScheduleName, ScheduleView, Stand, Status, Timing, WORK,
};
use crate::{
    engine::{
        NewMessage, OnDuplicate, Options, Overflow, ParentFailed, Receipt, ScheduleSpec, Sequence,
        settings::PRIORITY_MAX,
    },
    error::ErrorCode,
    types::{Millis, Payload, Timestamp},
};

/// What two uses of one key must have in common, if the queue cares.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Content {
    body: Payload,
    kind: Option<Arc<str>>,
}

/// What becomes of a message of a command.
#[derive(Debug, Clone)]
enum Plan {
    Add,
    /// It is known; nothing is added.
    Known(Receipt),
    /// It is known by its key, and may take the first one's place.
    Replace(u64, Receipt),
    /// As the n-th of the same command.
    Again(usize),
}

fn content(message: &NewMessage) -> Content {
    Content { body: message.body.clone(), kind: options(message).kind }
}

fn options(message: &NewMessage) -> Options {
    message.options.as_deref().cloned().unwrap_or_default()
}

fn partition_of(message: &NewMessage) -> PartitionKey {
    message.partition.clone().unwrap_or_default()
}

/// Those that are new.
fn added(messages: &[NewMessage], plans: &[Plan]) -> Vec<NewMessage> {
    let pairs = messages.iter().zip(plans);
    let added = pairs.filter(|(_, plan)| matches!(plan, Plan::Add));
    added.map(|(message, _)| message.clone()).collect()
}

fn bytes(messages: &[NewMessage]) -> u64 {
    messages.iter().map(|message| message.body.len() as u64).sum()
}

impl Model {
    pub(super) fn send(&mut self, message: NewMessage) -> Answer {
        Ok(Outcome::Sent(self.send_all(vec![message])?.remove(0)))
    }

    /// All or none.
    pub(super) fn send_all(
        &mut self,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Receipt>, ErrorCode> {
        if self.status == Status::Closed {
            return Err(ErrorCode::QueueClosed);
        }
        // Settings that demand encryption are refused where there is none.
        let plans = self.plan(&messages)?;
        let added = added(&messages, &plans);
        self.check_partitions(&added)?;
        let settled = self.settled_for(&added)?;
        let victims = match self.settings.overflow {
            Overflow::Reject => self.own_limits(&added).map(|()| Vec::new())?,
            Overflow::DropOldest => self.victims(&added)?,
            Overflow::DeadLetter => Vec::new(),
        };
        self.drop_settled(&settled);
        victims.into_iter().for_each(|sequence| self.cancel(sequence, "queue_full"));
        self.come_into_being();
        Ok(self.carry_out(messages, plans, true))
    }

    /// `may_overflow`: what does not fit becomes a dead letter, if the queue wants that.
    fn carry_out(
        &mut self,
        messages: Vec<NewMessage>,
        plans: Vec<Plan>,
        may_overflow: bool,
    ) -> Vec<Receipt> {
        let mut receipts: Vec<Receipt> = Vec::new();
        for (message, plan) in messages.into_iter().zip(plans) {
            let receipt = match plan {
                Plan::Add => self.add(message, may_overflow),
                Plan::Known(receipt) => receipt,
                Plan::Replace(sequence, receipt) => {
                    self.replace(sequence, message);
                    receipt
                }
                Plan::Again(earlier) => Receipt { duplicate: true, ..receipts[earlier].clone() },
            };
            receipts.push(receipt);
            self.sweep();
        }
        receipts
    }

    fn check_bounds(&self, message: &NewMessage) -> Result<(), ErrorCode> {
        let is_text = |text: &Arc<str>| (1..=255).contains(&text.len());
        let is_legal = |options: &Options| {
            options.id.as_ref().is_none_or(|id| is_text(id) && id.parse::<Position>().is_err())
                && options.key.as_ref().is_none_or(|key| is_text(&key.text))
                && options.kind.as_ref().is_none_or(is_text)
                && options.labels.iter().all(|(name, value)| is_text(name) && value.len() <= 255)
                && (-PRIORITY_MAX..=PRIORITY_MAX).contains(&options.priority)
                && options.depends_on.iter().all(is_text)
                && options.id.as_ref().is_none_or(|id| !options.depends_on.contains(id))
        };
        if is_legal(&options(message)) { Ok(()) } else { Err(ErrorCode::InvalidRequest) }
    }

    fn check_parents(&self, message: &NewMessage) -> Result<(), ErrorCode> {
        let all_sent = options(message).depends_on.iter().all(|id| !self.is_future(id));
        if all_sent { Ok(()) } else { Err(ErrorCode::InvalidRequest) }
    }

    /// A position that was never used.
    fn is_future(&self, id: &str) -> bool {
        let Ok(Position { partition, offset }) = id.parse() else { return false };
        match self.partitions.iter().find(|it| it.number == partition) {
            Some(known) => offset >= known.end,
            None => partition >= self.partitions_made,
        }
    }

    fn plan(&self, messages: &[NewMessage]) -> Result<Vec<Plan>, ErrorCode> {
        let mut plans = Vec::new();
        for (at, message) in messages.iter().enumerate() {
            self.check_bounds(message)?;
            self.check_parents(message)?;
            let plan = match self.known(message)? {
                Some(known) => known,
                None => self.known_within(messages, &plans, at)?,
            };
            plans.push(plan);
        }
        Ok(plans)
    }

    /// By id first, then by key.
    fn known(&self, message: &NewMessage) -> Result<Option<Plan>, ErrorCode> {
        let Options { id, key, .. } = options(message);
        if let Some(kept) = id.and_then(|id| self.by_id(&id)).map(|found| self.kept(found)) {
            self.check_content(Some(&kept.content()), message)?;
            return Ok(Some(Plan::Known(kept.receipt(true))));
        }
        let Some(new) = key.filter(|key| self.key_counts(key.window)) else { return Ok(None) };
        let Some(known) = self.key(&partition_of(message), &new.text) else { return Ok(None) };
        let receipt = Receipt { position: known.position, id: known.id.clone(), duplicate: true };
        if new.on_duplicate == OnDuplicate::Replace && self.may_be_replaced(known.sequence) {
            return Ok(Some(Plan::Replace(known.sequence, receipt)));
        }
        self.check_content(known.content.as_ref(), message)?;
        Ok(Some(Plan::Known(receipt)))
    }

    /// The same id or key in front of it in the same command.
    fn known_within(
        &self,
        messages: &[NewMessage],
        plans: &[Plan],
        at: usize,
    ) -> Result<Plan, ErrorCode> {
        let mut new = options(&messages[at]);
        new.key = new.key.filter(|key| self.key_counts(key.window));
        let added = |n: &usize| matches!(plans[*n], Plan::Add);
        let same_id = |n: &usize| new.id.is_some() && options(&messages[*n]).id == new.id;
        let same_key = |n: &usize| {
            let first = options(&messages[*n]).key;
            let text = |key: &Option<_>| {
                key.as_ref().map(|key: &crate::engine::DedupKey| key.text.clone())
            };
            new.key.is_some()
                && text(&first) == text(&new.key)
                && first.is_some_and(|key| self.key_counts(key.window))
                && partition_of(&messages[*n]) == partition_of(&messages[at])
        };
        let first = (0..at).filter(added).find(same_id);
        let Some(first) = first.or_else(|| (0..at).filter(added).find(same_key)) else {
            return Ok(Plan::Add);
        };
        self.check_content(Some(&content(&messages[first])), &messages[at])?;
        Ok(Plan::Again(first))
    }

    fn check_content(
        &self,
        first: Option<&Content>,
        message: &NewMessage,
    ) -> Result<(), ErrorCode> {
        let differs = first.is_some_and(|first| *first != content(message));
        if self.settings.dedup_content && differs { Err(ErrorCode::KeyConflict) } else { Ok(()) }
    }

    fn key_counts(&self, window: Option<Millis>) -> bool {
        window.unwrap_or(self.settings.dedup_window).0 > 0
    }

    pub(super) fn key(&self, partition: &PartitionKey, text: &str) -> Option<&Key> {
        let partition = self.partition(partition)?;
        let is_known = |key: &&Key| {
            key.partition == partition
                && *key.text == *text
                && key.until.is_none_or(|until| self.moment < until)
        };
        self.keys.iter().rev().find(is_known)
    }

    /// Ready or delayed in all groups, and never taken.
    fn may_be_replaced(&self, sequence: u64) -> bool {
        let is_fresh = |place: &Place| {
            let stand = &place.stand;
            (place.attempts, place.failures) == (0, 0)
                && matches!(stand, Stand::Ready | Stand::Delayed(_) | Stand::Held)
        };
        self.is_kept(sequence)
            && (self.kept(sequence).places.iter())
                .all(|(group, place)| !self.is_there(*group) || is_fresh(place))
    }

    fn check_partitions(&self, added: &[NewMessage]) -> Result<(), ErrorCode> {
        let mut new_partitions: Vec<_> = added.iter().map(partition_of).collect();
        new_partitions.retain(|key| self.partition(key).is_none());
        new_partitions.sort();
        new_partitions.dedup();
        let count = self.partitions.len() + new_partitions.len();
        if !new_partitions.is_empty() && count > self.config.partitions_max {
            return Err(ErrorCode::TooManyPartitions);
        }
        Ok(())
    }

    /// Count and bytes of what is kept, and of what prepared transactions keep room for.
    fn check_server_limits(&self, added: &[NewMessage]) -> Result<(), ErrorCode> {
        let (pending, pending_bytes) = self.pending();
        let count = self.messages.len() as u64 + pending;
        let kept_bytes: u64 = self.messages.iter().map(Kept::bytes).sum();
        if !added.is_empty() && count + added.len() as u64 > self.config.messages_max as u64 {
            return Err(ErrorCode::QueueFull);
        }
        if !added.is_empty()
            && kept_bytes + pending_bytes + bytes(added) > self.config.bytes_max as u64
        {
            return Err(ErrorCode::QueueBytesFull);
        }
        Ok(())
    }

    /// What must go so that they fit: the oldest messages that every group is done with, but 3 at least.
    fn settled_for(&self, added: &[NewMessage]) -> Result<Vec<u64>, ErrorCode> {
        let Err(code) = self.check_server_limits(added) else { return Ok(Vec::new()) };
        let (pending, pending_bytes) = self.pending();
        let count = self.messages.len() as u64 + pending + added.len() as u64;
        let all: u64 = self.messages.iter().map(Kept::bytes).sum();
        let all = all + pending_bytes + bytes(added);
        let (mut gone, mut freed) = (Vec::new(), 0);
        let is_enough = |gone: &[u64], freed| {
            count <= self.config.messages_max as u64 + gone.len() as u64
                && all <= self.config.bytes_max as u64 + freed
        };
        let is_settled = |kept: &&Kept| kept.places.iter().all(|(_, place)| place.stand.is_done());
        for kept in self.messages.iter().filter(is_settled) {
            if is_enough(&gone, freed) && gone.len() >= 3 {
                break;
            }
            gone.push(kept.sequence());
            freed += kept.bytes();
        }
        if is_enough(&gone, freed) { Ok(gone) } else { Err(code) }
    }

    pub(super) fn drop_settled(&mut self, settled: &[u64]) {
        settled.iter().for_each(|sequence| self.remove(*sequence));
    }

    fn own_limits(&self, added: &[NewMessage]) -> Result<(), ErrorCode> {
        self.fits(added, 0, 0)
    }

    /// Whether they fit, once so many live messages and bytes are gone.
    fn fits(&self, added: &[NewMessage], less: u64, less_bytes: u64) -> Result<(), ErrorCode> {
        if added.is_empty() {
            return Ok(());
        }
        let live: Vec<_> = self.messages.iter().filter(|kept| kept.is_live()).collect();
        let (pending, pending_bytes) = self.pending();
        let count = live.len() as u64 + pending + added.len() as u64 - less;
        let all_bytes =
            live.iter().map(|it| it.bytes()).sum::<u64>() + pending_bytes + bytes(added)
                - less_bytes;
        if self.settings.messages_max.is_some_and(|max| count > max) {
            return Err(ErrorCode::QueueFull);
        }
        if self.settings.bytes_max.is_some_and(|max| all_bytes > max) {
            return Err(ErrorCode::QueueBytesFull);
        }
        Ok(())
    }

    /// Room kept by prepared transactions.
    fn pending(&self) -> (u64, u64) {
        let sends = || self.tickets.iter().map(|(_, transaction)| &transaction.sends);
        (sends().map(|it| it.len() as u64).sum(), sends().map(|it| bytes(it)).sum())
    }

    /// The oldest ready messages of the work group, without which the new ones fit.
    fn victims(&self, added: &[NewMessage]) -> Result<Vec<u64>, ErrorCode> {
        let (mut victims, mut freed) = (Vec::new(), 0);
        for kept in self.messages.iter().filter(|kept| kept.place(WORK).stand == Stand::Ready) {
            if self.fits(added, victims.len() as u64, freed).is_ok() {
                break;
            }
            victims.push(kept.sequence());
            freed += kept.bytes();
        }
        let fits = self.fits(added, victims.len() as u64, freed);
        fits.or_else(|_| self.own_limits(added)).map(|()| victims)
    }

    fn add(&mut self, new: NewMessage, may_overflow: bool) -> Receipt {
        let overflows = may_overflow
            && self.settings.overflow == Overflow::DeadLetter
            && self.own_limits(std::slice::from_ref(&new)).is_err();
        let (key, content) = (partition_of(&new), content(&new));
        let (new, ready_at) = self.with_own_time(new);
        let message = Arc::new(self.number(new, &key));
        self.close_late_window(message.position.partition);
        let waits_for = self.open_parents(&message);
        let mut kept = Kept { message, ready_at, waits_for, places: Vec::new(), settled_at: None };
        let stand = self.first_stand(&kept);
        let is_held = stand == Stand::Held && !overflows;
        kept.places = self.groups.iter().map(|it| (it.number, Place::new(stand.clone()))).collect();
        let (receipt, sequence, position) = (kept.receipt(false), kept.sequence(), kept.position());
        self.messages.push(kept);
        if let Some(id) = &receipt.id {
            self.is_meant_by(id, &position);
        }
        self.remember_key(sequence, content);
        self.after_sending(sequence, overflows);
        if is_held {
            self.gather(receipt.position.partition);
        }
        receipt
    }

    /// What happens to some messages at the very beginning.
    fn after_sending(&mut self, sequence: u64, overflows: bool) {
        let must_fail = self.must_fail(self.kept(sequence));
        if overflows {
            if must_fail {
                self.kept_mut(sequence).waits_for.clear();
            }
            let mut groups = self.groups_with(sequence, |_| true);
            groups.retain(|group| self.is_there(*group));
            for group in groups {
                self.give_up(group, sequence, "queue_full");
            }
        } else if must_fail {
            self.fail_child(sequence);
        }
        if !self.is_there(WORK) && !self.kept(sequence).place(WORK).stand.has_ended() {
            self.done(WORK, sequence, None);
        }
    }

    fn must_fail(&self, kept: &Kept) -> bool {
        let options = kept.message.options.as_deref().cloned().unwrap_or_default();
        options.parent_failed == ParentFailed::Fail
            && kept.waits_for.iter().any(|id| self.parent_has_failed(id))
    }

    fn parent_has_failed(&self, id: &str) -> bool {
        self.by_id(id)
            .is_some_and(|parent| matches!(self.kept(parent).place(WORK).stand, Stand::Dead { .. }))
    }

    /// None: the sender did not say.
    fn ready_at(&self, new: &NewMessage) -> Option<Timestamp> {
        let Options { delay, not_before, .. } = options(new);
        not_before.or_else(|| delay.map(|delay| self.now.after(delay)))
    }

    /// The time before which it is not ready, written into it if it is not yet over.
    fn with_own_time(&self, mut new: NewMessage) -> (NewMessage, Option<Timestamp>) {
        let ready_at = self.ready_at(&new);
        if ready_at.is_some_and(|at| at > self.now) {
            new.options.get_or_insert_default().not_before = ready_at;
        }
        (new, ready_at)
    }

    fn expires_at(&self, new: &NewMessage) -> Option<Timestamp> {
        let Options { ttl, deadline, .. } = options(new);
        let by_ttl = ttl.or(self.settings.ttl).map(|ttl| self.now.after(ttl));
        by_ttl.into_iter().chain(deadline).min()
    }

    /// Gives it its place.
    fn number(&mut self, new: NewMessage, key: &PartitionKey) -> Message {
        if self.partition(key).is_none() {
            let (number, key) = (self.partitions_made, key.clone());
            self.partitions.push(super::Partition { number, key, end: 0, window: None });
            self.partitions_made += 1;
        }
        let expires_at = self.expires_at(&new);
        let partition = self.partitions.iter_mut().find(|it| it.key == *key).unwrap();
        let position = Position { partition: partition.number, offset: partition.end };
        partition.end += 1;
        self.last_sequence += 1;
        Message {
            sequence: Sequence(self.last_sequence),
            position,
            sent_at: self.now,
            sent_in: RecordNumber(0),
            expires_at,
            body: new.body,
            options: new.options,
        }
    }

    /// Those of its parents that keep it from being ready.
    fn open_parents(&self, message: &Message) -> Vec<Arc<str>> {
        let options = message.options.as_deref().cloned().unwrap_or_default();
        let run = options.parent_failed == ParentFailed::Run;
        let is_open = |id: &Arc<str>| match self.by_id(id) {
            Some(_) if run && self.parent_has_failed(id) => false,
            Some(parent) => !self.kept(parent).place(WORK).stand.is_done(),
            None if id.parse::<Position>().is_ok() => false,
            None => !self.gone.iter().any(|(gone, until)| gone == id && self.moment < *until),
        };
        let open = options.depends_on.into_iter().filter(is_open);
        let place =
            |id: Arc<str>| self.by_id(&id).map_or(id, |parent| self.kept(parent).position());
        // One that replaces another may name it.
        open.map(place).filter(|parent| **parent != message.position.to_string()).collect()
    }

    /// Whoever waits for this id waits for this message from now on.
    fn is_meant_by(&mut self, id: &str, position: &Arc<str>) {
        for waiting in self.messages.iter_mut().flat_map(|kept| &mut kept.waits_for) {
            if **waiting == *id {
                *waiting = Arc::clone(position);
            }
        }
    }

    fn first_stand(&self, kept: &Kept) -> Stand {
        match self.fresh_stand(kept) {
            Stand::Ready if self.settings.window.is_some() => Stand::Held,
            stand => stand,
        }
    }

    fn ready_from(&self, kept: &Kept) -> Timestamp {
        kept.ready_at.unwrap_or_else(|| kept.message.sent_at.after(self.settings.delay))
    }

    /// The queue's delay is another one: that of messages that were never taken, and say nothing of it.
    pub(super) fn delay_anew(&mut self) {
        for sequence in self.sequences() {
            let kept = self.kept(sequence);
            if kept.ready_at.is_some() {
                continue;
            }
            let stand = match self.ready_from(kept) {
                at if at > self.now => Stand::Delayed(at),
                _ => Stand::Ready,
            };
            let places = kept.places.iter().filter(|(group, place)| {
                let waits = matches!(place.stand, Stand::Delayed(_) | Stand::Ready);
                waits && (place.attempts, place.failures) == (0, 0) && self.is_there(*group)
            });
            let groups: Vec<u32> = places.map(|(group, _)| *group).collect();
            groups.into_iter().for_each(|group| self.put(group, sequence, stand.clone()));
        }
    }

    /// Blocked, delayed or ready.
    pub(super) fn fresh_stand(&self, kept: &Kept) -> Stand {
        if !kept.waits_for.is_empty() {
            Stand::Blocked
        } else if self.ready_from(kept) > self.now {
            Stand::Delayed(self.ready_from(kept))
        } else {
            Stand::Ready
        }
    }

    /// What is sent late does not come into a window whose time is over.
    fn close_late_window(&mut self, partition: u32) {
        let found = self.partitions.iter().find(|it| it.number == partition).unwrap();
        if found.window.as_ref().is_some_and(|open| open.closes_at <= self.now) {
            self.close_window(partition);
        }
    }

    /// One more held message.
    fn gather(&mut self, partition: u32) {
        let window = self.settings.window.unwrap();
        let closes_at = self.now.after(window.length);
        let found = self.partitions.iter_mut().find(|it| it.number == partition).unwrap();
        let open = found.window.get_or_insert(Gathering { closes_at, count: 0 });
        open.count += 1;
        if window.debounce {
            open.closes_at = closes_at;
        }
        if open.count >= window.messages {
            self.close_window(partition);
        }
    }

    fn remember_key(&mut self, sequence: u64, content: Content) {
        let message = Arc::clone(&self.kept(sequence).message);
        let Some(key) = message.options.as_ref().and_then(|options| options.key.clone()) else {
            return;
        };
        if !self.key_counts(key.window) {
            return;
        }
        let window = key.window.unwrap_or(self.settings.dedup_window);
        self.keys.push(Key {
            partition: message.position.partition,
            text: key.text,
            sequence,
            position: message.position,
            id: message.options.as_ref().and_then(|options| options.id.clone()),
            content: Some(content).filter(|_| self.settings.dedup_content),
            until: (!key.until_settled).then(|| self.now.after(window)),
        });
    }

    /// Another body and other options, in the first one's place.
    fn replace(&mut self, sequence: u64, new: NewMessage) {
        if !self.is_kept(sequence) {
            return; // It was dropped to make room.
        }
        let first = Arc::clone(&self.kept(sequence).message);
        let (id, key) = first.options.as_ref().map(|it| (it.id.clone(), it.key.clone())).unwrap();
        let (expires_at, content) = (self.expires_at(&new), content(&new));
        let (new, ready_at) = self.with_own_time(new);
        let message = Arc::new(Message {
            sequence: first.sequence,
            position: first.position,
            sent_at: first.sent_at,
            sent_in: first.sent_in,
            expires_at,
            options: Some(Box::new(Options { id, key, ..options(&new) })),
            body: new.body,
        });
        let waits_for = self.open_parents(&message);
        let kept = self.kept_mut(sequence);
        (kept.message, kept.ready_at, kept.waits_for) = (message, ready_at, waits_for);
        let stand = self.fresh_stand(self.kept(sequence));
        let has_work_group = self.settings.work_group;
        let places = &mut self.kept_mut(sequence).places;
        for (_, place) in places.iter_mut().filter(|(group, _)| has_work_group || *group != WORK) {
            let stays_held = place.stand == Stand::Held && stand == Stand::Ready;
            place.stand = if stays_held { Stand::Held } else { stand.clone() };
        }
        let content = Some(content).filter(|_| self.settings.dedup_content);
        for key in self.keys.iter_mut().filter(|key| key.sequence == sequence) {
            key.content.clone_from(&content);
        }
        if self.must_fail(self.kept(sequence)) {
            self.fail_child(sequence);
        }
    }

    /// What a transaction's messages must be: none known, and room for all, once what is returned is gone.
    pub(super) fn check_sends(&self, messages: &[NewMessage]) -> Result<Vec<u64>, ErrorCode> {
        let plans = self.plan(messages)?;
        self.check_partitions(&added(messages, &plans))?;
        if plans.iter().any(|plan| !matches!(plan, Plan::Add | Plan::Again(_))) {
            return Err(ErrorCode::Duplicate);
        }
        let settled = self.settled_for(messages)?;
        self.own_limits(messages)?;
        Ok(settled)
    }

    /// Adds what was checked before, one after the other; what is known by then is a duplicate.
    pub(super) fn send_checked(&mut self, messages: Vec<NewMessage>) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for message in messages {
            self.come_into_being();
            let plans = self.plan(std::slice::from_ref(&message));
            // Another body is no reason to refuse any more.
            let known = |_| self.known_anyhow(&message);
            let plan = match plans.map_or_else(known, |mut plans| plans.remove(0)) {
                Plan::Replace(_, receipt) => Plan::Known(receipt),
                other => other,
            };
            receipts.extend(self.carry_out(vec![message], vec![plan], false));
        }
        receipts
    }

    fn known_anyhow(&self, message: &NewMessage) -> Plan {
        let Options { id, key, .. } = options(message);
        if let Some(found) = id.and_then(|id| self.by_id(&id)) {
            return Plan::Known(self.kept(found).receipt(true));
        }
        let key = key.and_then(|key| self.key(&partition_of(message), &key.text)).unwrap();
        Plan::Known(Receipt { position: key.position, id: key.id.clone(), duplicate: true })
    }

    pub(super) fn put_schedule(&mut self, name: ScheduleName, mut spec: ScheduleSpec) -> Answer {
        spec.timing.check().map_err(|_| ErrorCode::InvalidRequest)?;
        self.check_bounds(&spec.message)?;
        let known = self.schedules.iter().position(|schedule| schedule.name == name);
        if known.is_none() && self.schedules.len() >= self.config.schedules_max {
            return Err(ErrorCode::TooManySchedules);
        }
        self.come_into_being();
        spec.since = self.now;
        let next = self.first_occurrence(&spec);
        let schedule = ScheduleView { name, spec, next };
        match known {
            Some(at) => self.schedules[at] = schedule,
            None => self.schedules.push(schedule),
        }
        self.schedules.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Outcome::Scheduled { next })
    }

    fn first_occurrence(&self, spec: &ScheduleSpec) -> Option<Timestamp> {
        let timing: &Timing = &spec.timing;
        if spec.paused { None } else { timing.next(spec.since, self.now) }
    }

    fn schedule(&self, name: &ScheduleName) -> Result<usize, ErrorCode> {
        let found = self.schedules.iter().position(|schedule| schedule.name == *name);
        found.ok_or(ErrorCode::ScheduleNotFound)
    }

    pub(super) fn delete_schedule(&mut self, name: &ScheduleName) -> Answer {
        let at = self.schedule(name)?;
        self.schedules.remove(at);
        Ok(Outcome::Done)
    }

    pub(super) fn pause_schedule(&mut self, name: &ScheduleName, paused: bool) -> Answer {
        let at = self.schedule(name)?;
        self.schedules[at].spec.paused = paused;
        let next = self.first_occurrence(&self.schedules[at].spec);
        self.schedules[at].next = next;
        Ok(Outcome::Scheduled { next })
    }

    pub(super) fn fire_schedule(&mut self, name: &ScheduleName) -> Answer {
        let at = self.schedule(name)?;
        self.send(self.schedules[at].spec.message.clone())
    }
}

impl Kept {
    pub(super) fn bytes(&self) -> u64 {
        self.message.body.len() as u64
    }

    /// Whether some group is not done with it, dead letters not counted.
    fn is_live(&self) -> bool {
        self.places.iter().any(|(_, place)| !place.stand.has_ended())
    }

    fn receipt(&self, duplicate: bool) -> Receipt {
        let id = self.own_id().map(Arc::from);
        Receipt { position: self.message.position, id, duplicate }
    }

    fn content(&self) -> Content {
        let kind = self.message.options.as_ref().and_then(|options| options.kind.clone());
        Content { body: self.message.body.clone(), kind }
    }
}
