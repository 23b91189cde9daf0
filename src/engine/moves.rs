//! How a message gets from one place to another: every index, timer and count in step (I1, I5), and whoever
//! waits for what that may bring is marked to be served (I3).
//!
//! The first half writes no records and makes no effects, so that a replay uses it, too.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    command::State,
    effect::{Happened, Item, Outcome},
    group::Group,
    lane::{Delivery, Hold, Lane, Lease},
    log::{Ended, Log},
    message::{Message, ParentFailed, Position},
    partition::Gathering,
    queue::{Parent, Queue, WORK},
    record::{Record, Standing},
    timers::Timer,
};
use crate::types::{Payload, Timestamp};

/// How a message leaves a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    Done(Option<Payload>),
    /// Given up and kept.
    Dead(Arc<str>),
    /// Given up, or past its time, and not kept.
    Dropped(Arc<str>),
    /// Thrown away by hand: for its children it is done.
    Purged,
}

impl Queue {
    /// A group's lane, its group and the messages of the partition.
    pub(super) fn lane(&mut self, group: u32, partition: u32) -> Option<(&mut Group, &Log)> {
        let log = &self.partitions.get(partition)?.log;
        let group = self.groups.get_mut(group as usize)?.as_mut()?;
        Some((group, log))
    }

    pub(super) fn lane_of(&self, group: u32, partition: u32) -> Option<&Lane> {
        self.group(group)?.lanes.get(partition)
    }

    /// Where a message stands; none if it is not kept.
    pub(super) fn state(&self, group: u32, position: Position) -> Option<State> {
        self.seen(position)?;
        Some(self.lane_of(group, position.partition)?.state(position.offset))
    }

    /// Takes a message out of all indexes of a group; `None` if the group is done with it, or it is not kept.
    /// One of [`Self::place`], [`Self::finish`] and the removal of the message must follow.
    pub(super) fn lift(&mut self, group: u32, position: Position) -> Option<Delivery> {
        let retain_dead = self.settings.retain_dead;
        let Position { partition, offset } = position;
        self.seen(position)?;
        let members = self.groups.get_mut(group as usize)?.as_mut()?;
        let lane = members.lanes.get_mut(partition)?;
        let delivery = lane.lift(offset)?;
        if let Some(at) = delivery.ages_at {
            self.timers.clear_ageing(at, group, position);
        }
        let mut ended_run = false;
        match &delivery.hold {
            Hold::Delayed(until) => self.timers.clear(*until, Timer::Visible { group, position }),
            Hold::Leased(lease) => {
                members.leased -= 1;
                if let Some(until) = lease.until {
                    self.timers.clear(until, Timer::Lease { group, position });
                }
                if let Some(session) = lease.bound {
                    members.unbind(session);
                }
                if let Some(key) = lease.receiver {
                    members.credit_back(key);
                }
            }
            Hold::InRun => {
                members.leased -= 1;
                ended_run = lane.run.as_ref().is_some_and(|run| run.members.is_empty());
            }
            Hold::Dead { at, .. } => {
                self.timers.clear(at.after(retain_dead), Timer::Dead { group, position });
            }
            Hold::Ready | Hold::Held | Hold::Blocked | Hold::Done => {}
        }
        let is_dead = matches!(delivery.hold, Hold::Dead { .. });
        if ended_run {
            self.end_run(group, partition);
        }
        // It may have been in somebody's way; with a cap on leases, in that of those who wait for any
        // partition.
        let is_leased = matches!(delivery.hold, Hold::Leased(_) | Hold::InRun);
        let frees_all = is_leased && self.settings.concurrency.is_some();
        self.serve(group, Some(partition).filter(|_| !frees_all));
        self.count(position, |slot| if is_dead { slot.dead -= 1 } else { slot.open -= 1 });
        Some(delivery)
    }

    /// Changes how many groups have a message open, and what follows from it.
    fn count(&mut self, position: Position, change: impl FnOnce(&mut super::log::Slot)) {
        let Some(partition) = self.partitions.get_mut(position.partition) else { return };
        let Some(slot) = partition.log.get_mut(position.offset) else { return };
        let (was_open, was_settled) = (slot.open > 0, slot.is_settled());
        change(slot);
        let (bytes, is_open) = (slot.message.body.len(), slot.open > 0);
        match (was_settled, slot.is_settled()) {
            (false, true) => partition.has_settled(position.offset),
            (true, false) => partition.settled -= 1,
            (true, true) | (false, false) => {}
        }
        match (was_open, is_open) {
            (false, true) => {
                self.open_messages += 1;
                self.open_bytes += bytes;
            }
            (true, false) => {
                self.open_messages -= 1;
                self.open_bytes -= bytes;
            }
            (true, true) | (false, false) => {}
        }
    }

    /// The class of a waiting message, and when it changes.
    fn class(&self, message: &Message) -> (i64, Option<Timestamp>) {
        let (priority, sent_at) = (message.priority(), message.sent_at);
        let class = self.settings.class(priority, message.deadline(), sent_at, self.now);
        (class, self.settings.next_ageing(priority, sent_at, self.now))
    }

    /// What follows from the time for a message that is not in anybody's hands any more: if its own is over, that is the next thing to
    /// happen. Its class, if it `waits`, and when that changes.
    fn wait_again(
        &mut self,
        group: u32,
        position: Position,
        waits: bool,
    ) -> (i64, Option<Timestamp>) {
        let Some(message) = self.message(position) else { return (0, None) };
        if let Some(at) = message.expires_at.filter(|at| waits && *at <= self.moment) {
            self.timers.set(at, Timer::Expiry { position });
        }
        let too_old_at = message.sent_at.after(self.settings.retain_open);
        if too_old_at <= self.moment {
            self.look_again(position, too_old_at);
        }
        let (class, ages_at) = if waits { self.class(&message) } else { (0, None) };
        if let Some(at) = ages_at {
            self.timers.set_ageing(at, group, position);
        }
        (class, ages_at)
    }

    /// Puts a message that was lifted, or is new in this group, where `hold` says.
    pub(super) fn place(
        &mut self,
        group: u32,
        position: Position,
        (attempts, failures): (u32, u32),
        hold: Hold,
    ) {
        let Position { partition, offset } = position;
        if self.seen(position).is_none() {
            return;
        }
        let waits = matches!(hold, Hold::Ready | Hold::Delayed(_) | Hold::Held | Hold::Blocked);
        let (is_ready, is_dead) = (hold == Hold::Ready, matches!(hold, Hold::Dead { .. }));
        let (class, ages_at) = match waits || is_dead {
            true => self.wait_again(group, position, waits),
            false => (0, None),
        };
        match &hold {
            Hold::Delayed(until) => self.timers.set(*until, Timer::Visible { group, position }),
            Hold::Leased(lease) => {
                if let Some(until) = lease.until {
                    self.timers.set(until, Timer::Lease { group, position });
                }
            }
            Hold::Dead { at, .. } => {
                let until = at.after(self.settings.retain_dead);
                self.timers.set(until, Timer::Dead { group, position });
            }
            Hold::Ready | Hold::Held | Hold::Blocked | Hold::InRun | Hold::Done => {}
        }
        let Some((members, log)) = self.lane(group, partition) else { return };
        match &hold {
            Hold::Leased(lease) => {
                members.leased += 1;
                if let Some(session) = lease.bound {
                    members.bind(session, position);
                }
            }
            Hold::InRun => members.leased += 1,
            _ => {}
        }
        if let Some(lane) = members.lanes.get_mut(partition) {
            lane.place(offset, Delivery { attempts, failures, hold, class, ages_at }, log);
        }
        members.reindex(partition, log);
        self.count(position, |slot| if is_dead { slot.dead += 1 } else { slot.open += 1 });
        if is_ready {
            self.serve(group, Some(partition));
        }
    }

    /// A ready message is leased; for which time. It is open before and after, and nobody else can get something by that.
    pub(super) fn hand_out(&mut self, group: u32, position: Position, lease: Lease) -> Option<u32> {
        let Position { partition, offset } = position;
        let log = &self.partitions.get(partition)?.log;
        let members = self.groups.get_mut(group as usize)?.as_mut()?;
        let lane = members.lanes.get_mut(partition)?;
        let delivery = lane.lift(offset)?;
        if let Some(at) = delivery.ages_at {
            self.timers.clear_ageing(at, group, position);
        }
        if let Some(until) = lease.until {
            self.timers.set(until, Timer::Lease { group, position });
        }
        let (attempts, bound) = (delivery.attempts.saturating_add(1), lease.bound);
        let hold = Hold::Leased(Box::new(lease));
        let leased = Delivery { attempts, failures: delivery.failures, hold, ..Delivery::FRESH };
        lane.place(offset, leased, log);
        members.leased += 1;
        if let Some(session) = bound {
            members.bind(session, position);
        }
        members.reindex(partition, log);
        Some(attempts)
    }

    /// A new message at the end of its partition is ready in a fifo queue: next to nothing is kept of that.
    pub(super) fn place_fresh(&mut self, group: u32, position: Position) {
        let Some((members, log)) = self.lane(group, position.partition) else { return };
        if let Some(lane) = members.lanes.get_mut(position.partition) {
            lane.push_fresh();
        }
        members.reindex(position.partition, log);
        self.count(position, |slot| slot.open += 1);
        self.serve(group, Some(position.partition));
    }

    /// The same while a queue is restored: the indexes of partitions are made when all messages are there.
    pub(super) fn restore_fresh(&mut self, group: u32, position: Position) {
        let lane = self.group_mut(group).and_then(|it| it.lanes.get_mut(position.partition));
        if let Some(lane) = lane {
            lane.push_fresh();
        }
        self.count(position, |slot| slot.open += 1);
    }

    /// A message that was lifted is done in this group.
    pub(super) fn finish(&mut self, group: u32, position: Position) {
        let Some((members, log)) = self.lane(group, position.partition) else { return };
        if let Some(lane) = members.lanes.get_mut(position.partition) {
            lane.finish(position.offset, log);
        }
        members.reindex(position.partition, log);
    }

    /// Removes a message, or keeps it for a while, if no group has anything to do with it any more.
    pub(super) fn settle_slot(
        &mut self,
        position: Position,
        at: Timestamp,
        result: Option<Payload>,
    ) {
        let retain = self.settings.retain_settled;
        let Some(partition) = self.partitions.get_mut(position.partition) else { return };
        let Some(slot) = partition.log.get_mut(position.offset) else { return };
        if let Some(result) = result {
            // It may wait for other groups: what its taker said is kept as long.
            slot.settled = Some(Box::new(Ended { at, result: Some(result) }));
        }
        if !slot.is_settled() {
            return;
        }
        let too_old_at = slot.message.sent_at.after(self.settings.retain_open);
        if retain.0 == 0 || too_old_at <= self.moment {
            return self.discard(position);
        }
        let ended = slot.settled.get_or_insert_with(|| Box::new(Ended { at, result: None }));
        ended.at = at;
        self.timers.set(at.after(retain), Timer::Settled { position });
    }

    /// Removes a message that no group has open.
    fn discard(&mut self, position: Position) {
        let (retain, window) = (self.settings.retain_settled, self.settings.dedup_window);
        let Position { partition, offset } = position;
        let Some(part) = self.partitions.get_mut(partition) else { return };
        let Some(slot) = part.log.remove(offset) else { return };
        part.settled -= usize::from(slot.is_settled());
        self.forget_parents(position);
        let Some(part) = self.partitions.get_mut(partition) else { return };
        for group in &mut self.groups {
            let Some(group) = group.as_mut() else { continue };
            if let Some(lane) = group.lanes.get_mut(partition) {
                lane.forget(offset, &part.log);
            }
            group.reindex(partition, &part.log);
        }
        self.messages -= 1;
        self.bytes -= slot.message.body.len();
        if slot.message.body.is_away() {
            self.away -= slot.message.body.len();
        }
        if let Some(at) = slot.message.expires_at {
            self.timers.clear(at, Timer::Expiry { position });
        }
        if let Some(ended) = &slot.settled {
            self.timers.clear(ended.at.after(retain), Timer::Settled { position });
        }
        let Some(id) = slot.message.options.as_ref().and_then(|options| options.id.clone()) else {
            return;
        };
        if let Some(known) = self.known.ids.get_mut(&id).filter(|known| known.position == position)
        {
            let until = self.now.after(window);
            known.forget_at = Some(until);
            if window.0 == 0 {
                self.known.ids.remove(&id);
            } else {
                self.timers.set(until, Timer::Id { id });
            }
        }
    }

    /// Removes a message whatever its state.
    pub(super) fn remove(&mut self, position: Position) {
        for group in self.group_numbers() {
            self.lift(group, position);
        }
        self.discard(position);
    }

    /// A message has ended in the work group: its key is free again, if it was remembered until then.
    pub(super) fn forget_settled_key(&mut self, position: Position) {
        let Some(key) =
            self.options(position).and_then(|it| it.key.as_ref()).filter(|key| key.until_settled)
        else {
            return;
        };
        let place = (position.partition, Arc::clone(&key.text));
        if self.known.keys.get(&place).is_some_and(|known| known.position == position) {
            self.known.keys.remove(&place);
        }
    }

    /// A message waits for no parents any more.
    pub(super) fn forget_parents(&mut self, child: Position) {
        for parent in self.parents.remove(&child).into_iter().flatten() {
            self.forget_child(&parent, child);
        }
    }

    fn forget_child(&mut self, parent: &Parent, child: Position) {
        if let Some(children) = self.children.get_mut(parent) {
            children.remove(&child);
            if children.is_empty() {
                self.children.remove(parent);
            }
        }
    }

    /// A message waits for this parent no longer; `true`: nor for any other.
    pub(super) fn forget_parent(&mut self, parent: &Parent, child: Position) -> bool {
        self.forget_child(parent, child);
        let Some(parents) = self.parents.get_mut(&child) else { return false };
        parents.remove(parent);
        if !parents.is_empty() {
            return false;
        }
        self.parents.remove(&child);
        true
    }

    /// Those who wait for this message do no longer; returns those who wait for nothing else.
    pub(super) fn parent_is_done(&mut self, parent: &Parent) -> Vec<Position> {
        let mut free = Vec::new();
        for child in self.children.remove(parent).unwrap_or_default() {
            if let Some(parents) = self.parents.get_mut(&child) {
                parents.remove(parent);
                if parents.is_empty() {
                    self.parents.remove(&child);
                    free.push(child);
                }
            }
        }
        free
    }
}

/// The second half: moves that are written down and told.
impl Queue {
    /// A message leaves a group for good, from whatever state.
    pub(super) fn leave(&mut self, group: u32, position: Position, ending: Ending) {
        let at = self.now;
        let Some(delivery) = self.lift(group, position) else { return };
        let failures = delivery.failures;
        let moved = |standing| Record::Moved { group, position, failures, standing };
        match &ending {
            Ending::Done(None) => self.unrecorded.push((group, position)),
            // Written down by whoever purges.
            Ending::Purged => {}
            Ending::Done(result) => {
                self.append(moved(Standing::Done { at, result: result.clone() }));
            }
            Ending::Dead(reason) => {
                self.append(moved(Standing::Dead { at, reason: Arc::clone(reason) }));
            }
            Ending::Dropped(_) => self.append(moved(Standing::Dropped { at })),
        }
        let what = match &ending {
            Ending::Done(_) => {
                self.totals.done += 1;
                Happened::Done
            }
            Ending::Dead(_) => {
                self.totals.dead += 1;
                Happened::Dead
            }
            Ending::Dropped(_) => {
                self.totals.dropped += 1;
                Happened::Dropped
            }
            Ending::Purged => {
                self.totals.cancelled += 1;
                Happened::Purged
            }
        };
        if ending != Ending::Purged {
            self.notify(what, Some(position), group, 1);
        }
        if let Ending::Dead(reason) = &ending {
            let hold = Hold::Dead { at, reason: Arc::clone(reason) };
            self.place(group, position, (delivery.attempts, failures), hold);
        } else {
            self.finish(group, position);
        }
        if group == WORK {
            self.ended(position, &ending, delivery.attempts, failures);
        }
        match ending {
            Ending::Done(result) => {
                self.settle_slot(position, at, result.filter(|_| group == WORK));
            }
            Ending::Dropped(_) | Ending::Purged => self.settle_slot(position, at, None),
            Ending::Dead(_) => {}
        }
    }

    /// Whoever waits for the work group to be done with a message hears of it. The message is still there.
    pub(super) fn ended(
        &mut self,
        position: Position,
        ending: &Ending,
        attempts: u32,
        failures: u32,
    ) {
        let is_done = matches!(ending, Ending::Done(_) | Ending::Purged);
        self.forget_settled_key(position);
        if self.awaits.contains_key(&position)
            && let Some(item) = self.item(WORK, position)
        {
            let (state, result, reason) = match ending {
                Ending::Done(result) => (State::Done, result.clone(), None),
                Ending::Dead(reason) => (State::Dead, None, Some(Arc::clone(reason))),
                Ending::Dropped(reason) => (State::Done, None, Some(Arc::clone(reason))),
                Ending::Purged => (State::Done, None, Some(Arc::from("purged"))),
            };
            let (until, ended_at) = (None, Some(self.now));
            let item = Item { state, attempts, failures, until, ended_at, reason, result, ..item };
            self.answer_awaiting(position, &item);
        }
        self.tell_children(position, is_done);
    }

    fn answer_awaiting(&mut self, position: Position, item: &Item) {
        for waiting in self.forget_awaiting(position, |_| true) {
            self.reply(waiting.to, Ok(Outcome::Found(Box::new(item.clone()))));
        }
    }

    /// The children of a message that has ended run, fail, or go on waiting. One after the other: a chain of
    /// failing children may be long.
    fn tell_children(&mut self, position: Position, is_done: bool) {
        if !self.children.contains_key(&Parent::Position(position)) {
            return;
        }
        self.untold.push_back((position, is_done));
        if self.telling {
            return;
        }
        self.telling = true;
        while let Some((position, is_done)) = self.untold.pop_front() {
            self.tell_children_of(position, is_done);
        }
        self.telling = false;
    }

    fn tell_children_of(&mut self, position: Position, is_done: bool) {
        let parent = Parent::Position(position);
        if is_done {
            let free = self.parent_is_done(&parent);
            free.into_iter().for_each(|child| self.unblock(child));
            return;
        }
        let children: BTreeSet<Position> = self.children.get(&parent).cloned().unwrap_or_default();
        for child in children {
            match self.rule_of(child) {
                ParentFailed::Wait => {}
                ParentFailed::Run if self.forget_parent(&parent, child) => self.unblock(child),
                ParentFailed::Run => {}
                ParentFailed::Fail => self.fail_child(child),
            }
        }
    }

    /// What becomes of a message when its parent fails.
    pub(super) fn rule_of(&self, child: Position) -> ParentFailed {
        self.options(child).map_or(ParentFailed::Wait, |options| options.parent_failed)
    }

    /// A child whose parent failed is given up in every group that has it blocked.
    pub(super) fn fail_child(&mut self, child: Position) {
        self.forget_parents(child);
        for group in self.group_numbers() {
            if self.state(group, child) == Some(State::Blocked) {
                self.give_up(group, child, "parent failed");
            }
        }
    }

    /// A message waits for nothing any more: it is delayed or ready in the groups that have it blocked.
    pub(super) fn unblock(&mut self, child: Position) {
        let Some(message) = self.message(child) else { return };
        for group in self.group_numbers() {
            if self.state(group, child) != Some(State::Blocked) {
                continue;
            }
            let Some(delivery) = self.lift(group, child) else { continue };
            let standing = self.standing_of(&message);
            self.move_to(group, child, (delivery.attempts, delivery.failures), standing);
        }
    }

    /// Where a message stands that is not blocked.
    pub(super) fn standing_of(&self, message: &Message) -> Standing {
        let not_before = message.options.as_ref().and_then(|options| options.not_before);
        let by_queue =
            (!message.has_own_delay()).then(|| message.sent_at.after(self.settings.delay));
        match not_before.or(by_queue).filter(|at| *at > self.now) {
            Some(until) => Standing::Delayed { until },
            None => Standing::Ready,
        }
    }

    /// Puts a lifted message somewhere, and writes that down.
    pub(super) fn move_to(
        &mut self,
        group: u32,
        position: Position,
        counts: (u32, u32),
        standing: Standing,
    ) {
        let hold = match &standing {
            Standing::Delayed { until } => Hold::Delayed(*until),
            Standing::Held => Hold::Held,
            Standing::Blocked => Hold::Blocked,
            Standing::Ready
            | Standing::Dead { .. }
            | Standing::Dropped { .. }
            | Standing::Done { .. } => Hold::Ready,
        };
        let is_ready = hold == Hold::Ready;
        self.append(Record::Moved { group, position, failures: counts.1, standing });
        self.place(group, position, counts, hold);
        if is_ready {
            self.notify(Happened::Ready, Some(position), group, 1);
        }
    }

    /// Given up: dead, or dropped if the queue keeps no dead letters.
    pub(super) fn give_up(&mut self, group: u32, position: Position, reason: &str) {
        let reason = Arc::from(reason);
        let ending =
            if self.settings.dead_letter { Ending::Dead(reason) } else { Ending::Dropped(reason) };
        self.leave(group, position, ending);
    }

    /// When a message must not wait for a taker any more.
    pub(super) fn over_at(&self, message: &Message) -> Timestamp {
        let too_old_at = message.sent_at.after(self.settings.retain_open);
        message.expires_at.map_or(too_old_at, |at| at.min(too_old_at))
    }

    /// A leased message returns to its old place, perhaps after a wait. `is_changed`: what is written of it
    /// is no longer true.
    pub(super) fn come_back(
        &mut self,
        group: u32,
        position: Position,
        failures: u32,
        until: Option<Timestamp>,
        is_changed: bool,
    ) {
        let Some(delivery) = self.lift(group, position) else { return };
        let until = until.filter(|until| *until > self.now);
        let standing = until.map_or(Standing::Ready, |until| Standing::Delayed { until });
        let hold = until.map_or(Hold::Ready, Hold::Delayed);
        if is_changed || until.is_some() {
            self.append(Record::Moved { group, position, failures, standing });
        }
        self.place(group, position, (delivery.attempts, failures), hold);
    }

    /// Removes messages whatever their state, for all groups.
    pub(super) fn remove_for_good(&mut self, positions: &[Position]) {
        self.append(Record::Removed { at: self.now, positions: positions.to_vec() });
        for position in positions {
            self.take_away(*position, None);
        }
    }

    /// Removes a message; whoever waits for it hears the reason.
    pub(super) fn take_away(&mut self, position: Position, reason: Option<&str>) {
        let was_done = self.state(WORK, position).is_none_or(|state| state == State::Done);
        if !was_done {
            let (attempts, failures) = self
                .lane_of(WORK, position.partition)
                .and_then(|lane| lane.get(position.offset))
                .map_or((0, 0), |delivery| (delivery.attempts, delivery.failures));
            let ending = Ending::Dropped(reason.unwrap_or("removed").into());
            self.ended(position, &ending, attempts, failures);
        }
        self.remove(position);
    }

    pub(super) fn becomes_visible(&mut self, group: u32, position: Position) {
        let Some(delivery) = self.lift(group, position) else { return };
        self.place(group, position, (delivery.attempts, delivery.failures), Hold::Ready);
        self.notify(Happened::Ready, Some(position), group, 1);
    }

    /// The class of a waiting message changes.
    pub(super) fn ages(&mut self, group: u32, position: Position) {
        let Some(delivery) = self.lift(group, position) else { return };
        self.place(group, position, (delivery.attempts, delivery.failures), delivery.hold);
    }

    /// A message is past its time since `at`: it leaves every group but those that have it in their hands.
    pub(super) fn expires(&mut self, position: Position, at: Timestamp) {
        let Some(message) = self.message(position) else { return };
        if self.over_at(&message) > self.now {
            return; // A replay set the timer, and then the settings changed.
        }
        let is_too_old = message.sent_at.after(self.settings.retain_open) <= at;
        for group in self.group_numbers() {
            match self.state(group, position) {
                Some(State::Blocked | State::Delayed | State::Ready) => {
                    let is_kept = self.settings.dead_letter_expired && !is_too_old;
                    let ending = if is_kept { Ending::Dead } else { Ending::Dropped };
                    self.leave(group, position, ending("expired".into()));
                }
                Some(State::Dead) if is_too_old => self.leave_quietly(group, position),
                Some(State::Leased | State::Dead | State::Done) | None => {}
            }
        }
    }

    /// A dead letter has been kept long enough; nobody waits for it any more.
    pub(super) fn leave_quietly(&mut self, group: u32, position: Position) {
        if self.lift(group, position).is_none() {
            return;
        }
        self.finish(group, position);
        self.append(Record::Moved {
            group,
            position,
            failures: 0,
            standing: Standing::Dropped { at: self.now },
        });
        self.settle_slot(position, self.now, None);
    }

    /// The oldest messages of a partition are too old; not those that are so only later than `at`.
    pub(super) fn drops_oldest(&mut self, partition: u32, at: Timestamp) {
        let retain = self.settings.retain_open;
        let Some(part) = self.partitions.get_mut(partition) else { return };
        part.oldest_at = None;
        let mut gone = Vec::new();
        let mut oldest = part.oldest;
        for (offset, slot) in part.log.from(oldest) {
            if slot.sent_at().after(retain) > at {
                break;
            }
            oldest = offset + 1;
            gone.push(Position { partition, offset });
        }
        part.oldest = oldest;
        let is_leased = |position: &Position| {
            self.group_numbers().any(|group| self.state(group, *position) == Some(State::Leased))
        };
        let (leased, gone): (Vec<_>, Vec<_>) = gone.into_iter().partition(is_leased);
        leased.into_iter().for_each(|position| self.expires(position, at));
        if !gone.is_empty() {
            self.totals.dropped += gone.len() as u64;
            self.notify(Happened::Dropped, None, WORK, gone.len() as u64);
            self.append(Record::Removed { at: self.now, positions: gone.clone() });
            gone.into_iter().for_each(|position| self.take_away(position, Some("expired")));
        }
        self.watch_oldest(partition);
    }

    /// Arms the timer for the next message of a partition that gets too old.
    pub(super) fn watch_oldest(&mut self, partition: u32) {
        let retain = self.settings.retain_open;
        let Some(part) = self.partitions.get_mut(partition) else { return };
        if retain == super::settings::FOREVER || part.oldest_at.is_some() {
            return;
        }
        let Some((_, slot)) = part.log.from(part.oldest).next() else { return };
        let at = slot.sent_at().after(retain);
        part.oldest_at = Some(at);
        self.timers.set(at, Timer::Oldest { partition });
    }

    /// A message that was passed over, because somebody had it, is too old.
    fn look_again(&mut self, position: Position, at: Timestamp) {
        let partition = position.partition;
        let Some(part) = self.partitions.get_mut(partition) else { return };
        part.oldest = part.oldest.min(position.offset);
        if part.oldest_at.is_some_and(|armed| armed <= at) {
            return;
        }
        if let Some(armed) = part.oldest_at.replace(at) {
            self.timers.clear(armed, Timer::Oldest { partition });
        }
        self.timers.set(at, Timer::Oldest { partition });
    }

    /// A message is sent into the window of its partition, which it may open, prolong or fill. Also for a
    /// replay.
    pub(super) fn gather(&mut self, position: Position, sent_at: Timestamp) {
        let partition = position.partition;
        let Some(window) = self.settings.window else { return };
        let Some(part) = self.partitions.get_mut(partition) else { return };
        let open = part.gathering;
        let closes_at = match open {
            Some(open) if !window.debounce => open.closes_at,
            _ => sent_at.after(window.length),
        };
        let messages = open.map_or(0, |open| open.messages) + 1;
        part.gathering = Some(Gathering { closes_at, messages });
        if let Some(open) = open {
            self.timers.clear(open.closes_at, Timer::Window { partition });
        }
        self.timers.set(closes_at, Timer::Window { partition });
        if messages >= window.messages {
            self.close_window(partition);
        }
    }

    /// The messages that were held become ready, in all groups.
    pub(super) fn close_window(&mut self, partition: u32) {
        let Some(part) = self.partitions.get_mut(partition) else { return };
        let Some(open) = part.gathering.take() else { return };
        self.timers.clear(open.closes_at, Timer::Window { partition });
        for group in self.group_numbers() {
            let held = self.lane_of(group, partition).map(|lane| lane.held.clone());
            for offset in held.into_iter().flatten() {
                let position = Position { partition, offset };
                if let Some(delivery) = self.lift(group, position) {
                    self.place(
                        group,
                        position,
                        (delivery.attempts, delivery.failures),
                        Hold::Ready,
                    );
                    self.notify(Happened::Ready, Some(position), group, 1);
                }
            }
        }
    }
}
