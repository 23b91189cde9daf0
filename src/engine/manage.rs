//! What is done by hand: opening, settings, closing, deleting, purging, changing messages.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    command::{Action, Filter, Select, State, States},
    effect::{Happened, Outcome},
    group::Group,
    lane::{Hold, Lane},
    message::Position,
    moves::Ending,
    numbered::Numbered,
    queue::{Queue, WORK},
    record::{Record, Standing},
    settings::{QueueSettings, SettingsPatch},
    timers::Timer,
    view::Status,
};
use crate::{
    error::ErrorCode,
    types::{GroupName, Millis},
};

/// Positions in the answer to a change.
const CHANGED_SHOWN: usize = 1000;

impl Queue {
    pub(super) fn open(
        &mut self,
        patch: Option<&SettingsPatch>,
        idempotent: bool,
    ) -> Result<Option<Outcome>, ErrorCode> {
        if self.status == Status::Open && !idempotent && !self.config.open_is_idempotent {
            return Err(ErrorCode::QueueExists);
        }
        let settings = patch.map(|patch| patch.apply(&self.settings));
        if let Some(settings) = &settings {
            settings.check().map_err(|_| ErrorCode::InvalidSettings)?;
            self.ensure_encryption(settings)?;
        }
        self.come_into_being();
        if self.status != Status::Open {
            self.status = Status::Open;
            self.append(Record::Opened);
            self.notify(Happened::Opened, None, WORK, 0);
            self.serve_all();
        }
        if let Some(settings) = settings {
            self.set_settings(settings);
        }
        Ok(Some(Outcome::Configured(Box::new(self.settings.clone()))))
    }

    pub(super) fn configure(
        &mut self,
        patch: &SettingsPatch,
        replace: bool,
    ) -> Result<Option<Outcome>, ErrorCode> {
        let base = match replace {
            true => QueueSettings::default(),
            false => self.settings.clone(),
        };
        let settings = patch.apply(&base);
        settings.check().map_err(|_| ErrorCode::InvalidSettings)?;
        self.ensure_encryption(&settings)?;
        self.come_into_being();
        self.set_settings(settings);
        Ok(Some(Outcome::Configured(Box::new(self.settings.clone()))))
    }

    pub(super) fn set_settings(&mut self, settings: QueueSettings) {
        if settings == self.settings {
            return;
        }
        if self.settings.work_group && !settings.work_group {
            self.refuse_receivers(WORK, ErrorCode::GroupRequired);
            let everything = self.positions(WORK, |state| state != State::Done);
            self.append(Record::Purged {
                group: WORK,
                at: self.now,
                through: self.last_sequence,
                kept: Vec::new(),
            });
            for position in everything {
                self.leave(WORK, position, Ending::Purged);
            }
        }
        let is_other_delay = settings.delay != self.settings.delay;
        self.append(Record::Configured { settings: Box::new(settings.clone()) });
        self.apply_settings(settings);
        if is_other_delay {
            self.delay_anew();
        }
        self.notify(Happened::Configured, None, WORK, 0);
        self.serve_all();
    }

    /// Messages that say nothing of a delay, and were never taken, wait as long as the queue says now.
    fn delay_anew(&mut self) {
        for group in self.group_numbers() {
            let waiting = |state| matches!(state, State::Delayed | State::Ready);
            for position in self.positions(group, waiting) {
                let Some(message) = self.message(position) else { continue };
                let delivery = self.lane_of(group, position.partition);
                let delivery = delivery.and_then(|lane| lane.get(position.offset));
                let (is_new, is_held) = delivery.map_or((true, false), |delivery| {
                    let is_new = (delivery.attempts, delivery.failures) == (0, 0);
                    (is_new, delivery.hold == Hold::Held)
                });
                let until = match delivery.map(|delivery| &delivery.hold) {
                    Some(Hold::Delayed(until)) => Some(*until),
                    _ => None,
                };
                let standing = self.standing_of(&message);
                let is_so =
                    standing == until.map_or(Standing::Ready, |until| Standing::Delayed { until });
                if message.has_own_delay() || !is_new || is_held || is_so {
                    continue;
                }
                self.put(group, position, None, standing);
            }
        }
    }

    /// From now on these are in force. Also for a replay.
    pub(super) fn apply_settings(&mut self, settings: QueueSettings) {
        let old = std::mem::replace(&mut self.settings, settings);
        let new = self.settings.clone();
        if old.work_group && !new.work_group {
            if let Some(group) = self.groups.first_mut() {
                *group = None;
            }
        } else if !old.work_group && new.work_group {
            let lanes = Numbered::like(&self.partitions, |part| Lane::starting_at(part.log.end()));
            let group = Group::new(None, lanes);
            if let Some(place) = self.groups.first_mut() {
                *place = Some(group);
            }
        }
        if (old.ordering, old.ageing) != (new.ordering, new.ageing) {
            self.put_in_order();
        }
        if old.retain_settled != new.retain_settled || old.retain_dead != new.retain_dead {
            self.retime(&old);
        }
        if old.retain_open != new.retain_open {
            for partition in self.partitions.numbers() {
                if let Some(part) = self.partitions.get_mut(partition) {
                    part.oldest = 0;
                    if let Some(at) = part.oldest_at.take() {
                        self.timers.clear(at, Timer::Oldest { partition });
                    }
                }
                self.watch_oldest(partition);
            }
        }
        if old.rate != new.rate {
            self.deliveries.clear();
            if let Some(at) = self.rate_timer.take() {
                self.timers.clear(at, Timer::Rate);
            }
        }
    }

    /// All messages that are not done are placed anew: their class has changed.
    fn put_in_order(&mut self) {
        for group in self.group_numbers() {
            let waiting = self.positions(group, |state| {
                matches!(state, State::Blocked | State::Delayed | State::Ready)
            });
            for position in waiting {
                if let Some(delivery) = self.lift(group, position) {
                    let counts = (delivery.attempts, delivery.failures);
                    self.place(group, position, counts, delivery.hold);
                }
            }
        }
    }

    /// Timers that were set by the old retention.
    fn retime(&mut self, old: &QueueSettings) {
        let (settled, dead) = (self.settings.retain_settled, self.settings.retain_dead);
        for (partition, part) in self.partitions.iter() {
            for (offset, ended) in part.log.settled() {
                let position = Position { partition, offset };
                let seen = part.log.get(offset);
                if seen.is_some_and(|seen| seen.open() == 0 && seen.dead() == 0) {
                    self.timers
                        .clear(ended.at.after(old.retain_settled), Timer::Settled { position });
                    self.timers.set(ended.at.after(settled), Timer::Settled { position });
                }
            }
        }
        for (group, members) in (0..).zip(&self.groups) {
            for (partition, lane) in members.iter().flat_map(|members| members.lanes.iter()) {
                for (offset, delivery) in lane.exceptions() {
                    if let Hold::Dead { at, .. } = &delivery.hold {
                        let timer = Timer::Dead { group, position: Position { partition, offset } };
                        self.timers.clear(at.after(old.retain_dead), timer.clone());
                        self.timers.set(at.after(dead), timer);
                    }
                }
            }
        }
    }

    pub(super) fn close(&mut self) -> Option<Outcome> {
        if self.status != Status::Closed {
            // With the settings that it would have been made with.
            self.come_into_being();
            self.status = Status::Closed;
            self.append(Record::Closed);
            self.notify(Happened::Closed, None, WORK, 0);
            self.group_numbers()
                .for_each(|group| self.refuse_receivers(group, ErrorCode::QueueClosed));
        }
        Some(Outcome::Done)
    }

    pub(super) fn pause(&mut self, paused: bool) -> Option<Outcome> {
        if self.paused != paused {
            self.paused = paused;
            self.append(Record::Paused { paused });
            let what = if paused { Happened::Paused } else { Happened::Resumed };
            self.notify(what, None, WORK, 0);
            self.serve_all();
        }
        Some(Outcome::Done)
    }

    pub(super) fn delete(&mut self) -> Option<Outcome> {
        self.append(Record::Deleted);
        self.notify(Happened::Deleted, None, WORK, self.messages as u64);
        self.group_numbers()
            .for_each(|group| self.refuse_receivers(group, ErrorCode::QueueNotFound));
        let waiting: Vec<Position> = self.awaits.keys().copied().collect();
        for position in waiting {
            for waiting in self.forget_awaiting(position, |_| true) {
                self.reply(waiting.to, Err(ErrorCode::QueueNotFound));
            }
        }
        self.vanish();
        Some(Outcome::Done)
    }

    /// Nothing is left but the numbers, which go on. Also for a replay.
    pub(super) fn vanish(&mut self) {
        let empty = Self::new(self.config.clone());
        let old = std::mem::replace(self, empty);
        self.partitions = Numbered::starting_at(old.partitions.next());
        if let Some(work) = self.groups.first_mut() {
            let lanes = Numbered::starting_at(self.partitions.first());
            *work = Some(Group::new(None, lanes));
        }
        (self.now, self.moment) = (old.now, old.moment);
        self.last_sequence = old.last_sequence;
        self.last_record = old.last_record;
        self.next_generation = old.next_generation;
        self.founding = old.founding;
        self.next_ticket = old.next_ticket;
        self.watched = old.watched;
        self.totals = old.totals;
        self.effects = old.effects;
    }

    /// Positions of kept messages by the state that they have in a group.
    pub(super) fn positions(&self, group: u32, is_meant: impl Fn(State) -> bool) -> Vec<Position> {
        let mut found = Vec::new();
        for (partition, part) in self.partitions.iter() {
            let Some(lane) = self.lane_of(group, partition) else { continue };
            for (offset, _) in part.log.from(0) {
                if is_meant(lane.state(offset)) {
                    found.push(Position { partition, offset });
                }
            }
        }
        found
    }

    pub(super) fn purge(
        &mut self,
        group: Option<&GroupName>,
        states: States,
    ) -> Result<Outcome, ErrorCode> {
        let group = self.named(group)?;
        let is_kept =
            |state| state == State::Done || state == State::Leased || !states.contains(state);
        let purged = self.positions(group, |state| !is_kept(state));
        let count = purged.len() as u64;
        if count == 0 {
            return Ok(Outcome::Purged { count });
        }
        let kept = self.positions(group, |state| state != State::Done && is_kept(state));
        self.append(if kept.len() < purged.len() {
            Record::Purged { group, at: self.now, through: self.last_sequence, kept }
        } else {
            Record::Settled { group, at: self.now, positions: purged.clone() }
        });
        for position in purged {
            self.leave(group, position, Ending::Purged);
        }
        self.notify(Happened::Purged, None, group, count);
        Ok(Outcome::Purged { count })
    }

    pub(super) fn change(
        &mut self,
        group: Option<&GroupName>,
        select: Select,
        action: &Action,
        dry_run: bool,
    ) -> Result<Outcome, ErrorCode> {
        let group = self.named(group)?;
        let mut selected = self.select(group, select);
        selected.retain(|at| self.state(group, *at).is_some_and(|state| action.fits(state)));
        if !dry_run {
            self.act(group, &selected, action);
        }
        let count = selected.len() as u64;
        selected.truncate(CHANGED_SHOWN);
        Ok(Outcome::Changed { count, positions: selected })
    }

    fn select(&self, group: u32, select: Select) -> Vec<Position> {
        match select {
            Select::Ids(ids) => {
                let mut seen = BTreeSet::new();
                let found = ids.iter().filter_map(|id| self.find_id(id));
                found.filter(|position| seen.insert(*position)).collect()
            }
            Select::Matching { filter, limit } => {
                let all = self.candidates(group, &filter, None);
                let matching = all.filter(|position| self.passes(group, *position, &filter));
                matching.take(limit as usize).collect()
            }
        }
    }

    /// Whether a filter lets a message through.
    pub(super) fn passes(&self, group: u32, position: Position, filter: &Filter) -> bool {
        let Some(message) = self.seen(position) else { return false };
        let Some(lane) = self.lane_of(group, position.partition) else { return false };
        let key = self.partitions.get(position.partition).map(|part| &part.key);
        let kind = message.options().and_then(|options| options.kind.as_ref());
        let reason = lane.get(position.offset).and_then(|delivery| match &delivery.hold {
            Hold::Dead { reason, .. } => Some(reason),
            _ => None,
        });
        filter.states.contains(lane.state(position.offset))
            && filter.partition.as_ref().is_none_or(|partition| key == Some(partition))
            && filter.sent_from.is_none_or(|from| message.sent_at() >= from)
            && filter.sent_before.is_none_or(|before| message.sent_at() < before)
            && filter.kind.as_ref().is_none_or(|wanted| kind == Some(wanted))
            && message.has_labels(&filter.labels)
            && filter
                .reason
                .as_ref()
                .is_none_or(|part| reason.is_some_and(|reason| reason.contains(part.as_ref())))
    }

    fn act(&mut self, group: u32, selected: &[Position], action: &Action) {
        match action {
            Action::Cancel if selected.is_empty() => {}
            Action::Cancel => self.cancel(selected),
            Action::Promote => {
                for position in selected {
                    self.put(group, *position, None, Standing::Ready);
                }
            }
            Action::Redrive { per_second } => {
                for (n, position) in (0_u64..).zip(selected) {
                    let wait = per_second.map_or(0, |rate| n * 1000 / u64::from(rate.max(1)));
                    let standing = match wait {
                        0 => Standing::Ready,
                        wait => Standing::Delayed { until: self.now.after(Millis(wait)) },
                    };
                    self.put(group, *position, Some(0), standing);
                }
            }
            Action::Discard if selected.is_empty() => {}
            Action::Discard => {
                let (at, positions) = (self.now, selected.to_vec());
                self.append(Record::Settled { group, at, positions });
                for position in selected {
                    self.leave(group, *position, Ending::Purged);
                }
                self.notify(Happened::Purged, None, group, selected.len() as u64);
            }
            Action::Bury { reason } => {
                let reason = reason.clone().unwrap_or_else(|| Arc::from("buried"));
                for position in selected {
                    // The burial of its parent may have buried it, too.
                    if self.state(group, *position).is_some_and(|state| action.fits(state)) {
                        self.give_up(group, *position, &reason);
                    }
                }
            }
        }
    }

    /// Moves a message to another place, perhaps with another count of failures.
    fn put(&mut self, group: u32, position: Position, failures: Option<u32>, standing: Standing) {
        let Some(delivery) = self.lift(group, position) else { return };
        let counts = (delivery.attempts, failures.unwrap_or(delivery.failures));
        self.move_to(group, position, counts, standing);
    }
}
