//! What is done by hand, and what can be seen.

use std::sync::Arc;

use super::{
    Action, Answer, GroupName, Kept, Model, Outcome, PartitionKey, Position, ReplyTo, Stand,
    Status, WORK, Waiting,
};
use crate::{
    engine::{
        Counts, Explanation, Filter, GroupView, Inspection, Item, Name, Options, PartitionSurvey,
        PartitionView, SeekTo, Select, Start, State, States, Totals, Why,
    },
    error::ErrorCode,
    types::{Millis, Timestamp},
};

impl Model {
    fn state(&self, group: u32, sequence: u64) -> State {
        match self.kept(sequence).place(group).stand {
            Stand::Blocked => State::Blocked,
            Stand::Delayed(_) | Stand::Held => State::Delayed,
            Stand::Ready => State::Ready,
            Stand::Leased(_) => State::Leased,
            Stand::Dead { .. } => State::Dead,
            Stand::Done { .. } => State::Done,
        }
    }

    /// A message as a group sees it.
    pub(super) fn item(&self, group: u32, sequence: u64) -> Item {
        let kept = self.kept(sequence);
        let place = kept.place(group);
        let window = self.partitions.iter().find(|it| it.number == kept.partition());
        let closes_at = window.and_then(|it| it.window.as_ref()).map(|it| it.closes_at);
        let until = match &place.stand {
            Stand::Delayed(until) => Some(*until),
            Stand::Held => closes_at,
            Stand::Leased(lease) => lease.until,
            _ => None,
        };
        let (ended_at, reason, result) = match &place.stand {
            Stand::Dead { at, reason } => (Some(*at), Some(Arc::clone(reason)), None),
            // What a group is done with is remembered only as long as the message is kept for nothing else.
            Stand::Done { at: _, result } => {
                (kept.settled_at, None, result.clone().filter(|_| group == WORK))
            }
            _ => (None, None, None),
        };
        Item {
            message: Arc::clone(&kept.message),
            partition: self.key_of(kept.partition()),
            state: self.state(group, sequence),
            attempts: place.attempts,
            failures: place.failures,
            until,
            ended_at,
            reason,
            result,
        }
    }

    pub(super) fn purge(&mut self, group: Option<&GroupName>, states: States) -> Answer {
        let group = self.group(group)?;
        let mut meant = self.sequences();
        meant.retain(|sequence| {
            let state = self.state(group, *sequence);
            !matches!(state, State::Leased | State::Done) && states.contains(state)
        });
        let count = meant.len() as u64;
        meant.into_iter().for_each(|sequence| self.purge_one(group, sequence));
        self.sweep();
        Ok(Outcome::Purged { count })
    }

    /// The group is done with it, though nobody did it.
    pub(super) fn purge_one(&mut self, group: u32, sequence: u64) {
        if group == WORK {
            self.purge_for_awaits(sequence);
        }
        self.done(group, sequence, None);
    }

    /// Tells those who wait for it why it ended.
    fn purge_for_awaits(&mut self, sequence: u64) {
        let (over, waiting) = std::mem::take(&mut self.awaits)
            .into_iter()
            .partition(|waiting| waiting.sequence == sequence);
        self.awaits = waiting;
        for waiting in over {
            let mut item = self.item(WORK, sequence);
            (item.state, item.until, item.ended_at) = (State::Done, None, Some(self.now));
            item.reason = Some("purged".into());
            self.reply(waiting.to, Ok(Outcome::Found(Box::new(item))));
        }
    }

    /// By position.
    fn by_position(&self) -> Vec<u64> {
        let mut all: Vec<_> = self.messages.iter().collect();
        all.sort_by_key(|kept| kept.message.position);
        all.into_iter().map(Kept::sequence).collect()
    }

    fn lets_through(&self, group: u32, filter: &Filter, sequence: u64) -> bool {
        let kept = self.kept(sequence);
        let message = &kept.message;
        let kind = message.options.as_ref().and_then(|options| options.kind.as_ref());
        let reason = match &kept.place(group).stand {
            Stand::Dead { reason, .. } => Some(reason),
            _ => None,
        };
        filter.states.contains(self.state(group, sequence))
            && filter.partition.as_ref().is_none_or(|key| self.key_of(kept.partition()) == *key)
            && filter.sent_from.is_none_or(|time| message.sent_at >= time)
            && filter.sent_before.is_none_or(|time| message.sent_at < time)
            && filter.kind.as_ref().is_none_or(|wanted| kind == Some(wanted))
            && Options::has_labels(message.options.as_deref(), &filter.labels)
            && filter
                .reason
                .as_ref()
                .is_none_or(|part| reason.is_some_and(|reason| reason.contains(&**part)))
    }

    fn selected(&self, group: u32, select: &Select) -> Vec<u64> {
        let mut selected = Vec::new();
        match select {
            Select::Ids(ids) => {
                for sequence in ids.iter().filter_map(|id| self.by_id(id)) {
                    if !selected.contains(&sequence) {
                        selected.push(sequence);
                    }
                }
            }
            Select::Matching { filter, limit } => {
                selected = self.by_position();
                selected.retain(|sequence| self.lets_through(group, filter, *sequence));
                selected.truncate(*limit as usize);
            }
        }
        selected
    }

    pub(super) fn change(
        &mut self,
        group: Option<&GroupName>,
        select: &Select,
        action: &Action,
        dry_run: bool,
    ) -> Answer {
        let group = self.group(group)?;
        let mut meant = self.selected(group, select);
        meant.retain(|sequence| {
            let state = self.state(group, *sequence);
            match action {
                Action::Cancel => true,
                Action::Promote => state == State::Delayed,
                Action::Redrive { .. } => state == State::Dead,
                Action::Discard => !matches!(state, State::Leased | State::Done),
                Action::Bury { .. } => {
                    matches!(state, State::Blocked | State::Delayed | State::Ready)
                }
            }
        });
        let positions = meant.iter().take(1000).map(|it| self.kept(*it).message.position).collect();
        let count = meant.len() as u64;
        if !dry_run {
            for (nth, sequence) in meant.into_iter().enumerate() {
                self.change_one(group, sequence, action, nth as u64);
            }
            self.sweep();
        }
        Ok(Outcome::Changed { count, positions })
    }

    fn change_one(&mut self, group: u32, sequence: u64, action: &Action, nth: u64) {
        match action {
            Action::Cancel => self.cancel(sequence, "cancelled"),
            Action::Discard => self.purge_one(group, sequence),
            Action::Promote => self.put(group, sequence, Stand::Ready),
            Action::Redrive { per_second } => {
                self.kept_mut(sequence).place_mut(group).failures = 0;
                let wait = per_second.map_or(0, |rate| nth * 1000 / u64::from(rate.max(1)));
                let at = self.now.after(Millis(wait));
                let stand = if wait == 0 { Stand::Ready } else { Stand::Delayed(at) };
                self.put(group, sequence, stand);
            }
            // An earlier one's burial may have buried it, too.
            Action::Bury { .. } if !self.kept(sequence).place(group).stand.waits() => {}
            Action::Bury { reason } => {
                self.give_up(group, sequence, reason.as_deref().unwrap_or("buried"));
            }
        }
    }

    pub(super) fn browse(
        &self,
        group: Option<&GroupName>,
        filter: &Filter,
        after: Option<Position>,
        limit: u32,
    ) -> Answer {
        let group = self.group(group)?;
        let mut found = self.by_position();
        found.retain(|sequence| {
            let position = self.kept(*sequence).message.position;
            after.is_none_or(|after| position > after)
                && self.lets_through(group, filter, *sequence)
        });
        let is_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let items: Vec<_> = found.iter().map(|it| self.item(group, *it)).collect();
        let next = items.last().filter(|_| is_more).map(|item| item.message.position);
        Ok(Outcome::Browsed { items, next })
    }

    pub(super) fn find(&self, group: Option<&GroupName>, id: &str) -> Answer {
        let group = self.group(group)?;
        let sequence = self.by_id(id).ok_or(ErrorCode::MessageNotFound)?;
        Ok(Outcome::Found(Box::new(self.item(group, sequence))))
    }

    /// The last one with the key, else the one at the position.
    pub(super) fn look(&self, key: &PartitionKey, name: &Name) -> Answer {
        let partition = self.partition(key).ok_or(ErrorCode::MessageNotFound)?;
        let at = |position: Position| {
            self.messages.iter().find(|kept| kept.message.position == position)
        };
        let has_key = |kept: &&Kept| {
            let key = kept.message.options.as_ref().and_then(|options| options.key.as_ref());
            kept.partition() == partition && key.is_some_and(|key| key.text == name.key)
        };
        let known = self.key(key, &name.key).and_then(|known| at(known.position));
        let by_key = known.or_else(|| {
            let mut all: Vec<&Kept> = self.messages.iter().filter(has_key).collect();
            all.sort_by_key(|kept| kept.message.position);
            all.pop()
        });
        let by_place = name.position.filter(|place| place.partition == partition);
        let found = by_key.or_else(|| at(by_place?)).ok_or(ErrorCode::MessageNotFound)?;
        let sequence = found.sequence();
        let mut groups: Vec<_> = self.groups.iter().filter(|it| self.is_there(it.number)).collect();
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        let seen = groups.into_iter().map(|it| (it.name.clone(), self.item(it.number, sequence)));
        Ok(Outcome::Looked(seen.collect()))
    }

    pub(super) fn wait_for(
        &mut self,
        to: ReplyTo,
        id: &str,
        until: Option<Timestamp>,
    ) -> Option<Answer> {
        if self.status == Status::Absent {
            return Some(Err(ErrorCode::QueueNotFound));
        }
        let Some(sequence) = self.by_id(id) else {
            return Some(Err(ErrorCode::MessageNotFound));
        };
        let has_ended = self.kept(sequence).place(WORK).stand.has_ended();
        match until.filter(|until| *until > self.now && !has_ended) {
            Some(_) if self.parked() >= self.config.parked_max => {
                Some(Err(ErrorCode::TooManyParkedOnQueue))
            }
            Some(until) => {
                self.awaits.push(Waiting { to, sequence, until });
                None
            }
            None => Some(Ok(Outcome::Found(Box::new(self.item(WORK, sequence))))),
        }
    }

    pub(super) fn open_group(&mut self, name: GroupName, start: Start) -> Answer {
        if self.group(Some(&name)).is_ok() {
            return Err(ErrorCode::GroupExists);
        }
        self.add_group(name, start)?;
        self.come_into_being();
        Ok(Outcome::Done)
    }

    pub(super) fn delete_group(&mut self, name: &GroupName) -> Answer {
        let number = self.group(Some(name))?;
        self.end_receivers(|receiver| receiver.group == number, ErrorCode::GroupNotFound);
        self.groups.retain(|group| group.number != number);
        for kept in &mut self.messages {
            kept.places.retain(|(group, _)| *group != number);
        }
        self.note_settled();
        self.sweep();
        Ok(Outcome::Done)
    }

    pub(super) fn seek(
        &mut self,
        group: Option<&GroupName>,
        partition: Option<&PartitionKey>,
        to: SeekTo,
    ) -> Answer {
        let group = self.group(group)?;
        let only = partition.map(|key| self.partition(key));
        let is_meant = |number: u32| only.is_none_or(|only| only == Some(number));
        for sequence in self.by_position() {
            let kept = self.kept(sequence);
            let is_before = match to {
                SeekTo::Start => false,
                SeekTo::End => true,
                SeekTo::Origin => {
                    let of_group = self.groups.iter().find(|it| it.number == group).unwrap();
                    sequence < of_group.from
                }
                SeekTo::Time(time) => kept.message.sent_at < time,
                SeekTo::Offset(offset) => kept.message.position.offset < offset,
            };
            if !is_meant(kept.partition()) {
                continue;
            }
            if !is_before {
                let stand = self.fresh_stand(kept);
                let place = self.kept_mut(sequence).place_mut(group);
                (place.attempts, place.failures) = (0, 0);
                self.put(group, sequence, stand);
            } else if !kept.place(group).stand.is_done() {
                self.done(group, sequence, None);
            }
        }
        let all: Vec<_> = self.partitions.iter().map(|partition| partition.number).collect();
        all.into_iter().filter(|number| is_meant(*number)).for_each(|partition| {
            self.charge(group, partition, 0);
            self.forget_run(group, partition);
        });
        self.sweep();
        Ok(Outcome::Done)
    }

    pub(super) fn counts(&self, group: u32) -> Counts {
        let mut counts = Counts::default();
        for sequence in self.sequences() {
            let count = match self.state(group, sequence) {
                State::Blocked => &mut counts.blocked,
                State::Delayed => &mut counts.delayed,
                State::Ready => &mut counts.ready,
                State::Leased => &mut counts.leased,
                State::Dead => &mut counts.dead,
                State::Done => &mut counts.done,
            };
            *count += 1;
        }
        counts
    }

    /// Among those that come first in their partitions.
    fn oldest_ready(&self, group: u32) -> Option<Timestamp> {
        let first_of = |partition: &super::Partition| {
            (self.messages.iter())
                .filter(|kept| kept.partition() == partition.number)
                .filter(|kept| kept.place(group).stand == Stand::Ready)
                .min_by_key(|kept| self.rank(kept.sequence()))
        };
        self.partitions.iter().filter_map(first_of).map(|kept| kept.message.sent_at).min()
    }

    fn receivers_of(&self, group: u32) -> u64 {
        self.receivers.iter().filter(|receiver| receiver.group == group).count() as u64
    }

    pub(super) fn survey(
        &self,
        group: Option<&GroupName>,
        only: Option<&PartitionKey>,
        after: Option<u32>,
        limit: u32,
    ) -> Answer {
        let group = self.group(group)?;
        let mut shown: Vec<_> = (self.partitions.iter())
            .filter(|it| only.is_none_or(|key| it.key == *key))
            .filter(|it| after.is_none_or(|after| it.number > after))
            .collect();
        shown.sort_by_key(|it| it.number);
        let all = shown.len();
        shown.truncate(limit as usize);
        let next = shown.last().map(|it| it.number).filter(|_| shown.len() < all);
        let partitions = shown.into_iter().map(|it| {
            let mut kept: Vec<_> =
                self.messages.iter().filter(|kept| kept.partition() == it.number).collect();
            kept.sort_by_key(|kept| kept.message.position.offset);
            let mut counts = Counts::default();
            let mut oldest_open = None;
            for one in &kept {
                let state = self.state(group, one.sequence());
                match state {
                    State::Blocked => counts.blocked += 1,
                    State::Delayed => counts.delayed += 1,
                    State::Ready => counts.ready += 1,
                    State::Leased => counts.leased += 1,
                    State::Dead => counts.dead += 1,
                    State::Done => counts.done += 1,
                }
                if !matches!(state, State::Dead | State::Done) {
                    oldest_open.get_or_insert(one.message.sent_at);
                }
            }
            PartitionSurvey {
                key: it.key.clone(),
                number: it.number,
                start: kept.first().map_or(it.end, |one| one.message.position.offset),
                end: it.end,
                counts,
                oldest_open,
                newest: kept.last().map(|one| one.message.sent_at),
                leased_until: (kept.iter().filter_map(|one| one.lease(group)))
                    .find(|lease| lease.place.is_some())
                    .and_then(|lease| lease.until),
            }
        });
        Ok(Outcome::Surveyed { partitions: partitions.collect(), next })
    }

    /// Totals are not the model's business.
    pub(super) fn inspect(&self) -> Outcome {
        let mut groups: Vec<_> = (self.groups.iter())
            .map(|group| GroupView {
                name: group.name.clone(),
                counts: self.counts(group.number),
                receivers: self.receivers_of(group.number),
                oldest_ready: self.oldest_ready(group.number),
            })
            .collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        let partitions = (self.partitions.iter())
            .map(|it| PartitionView {
                key: it.key.clone(),
                number: it.number,
                messages: self.messages.iter().filter(|kept| kept.partition() == it.number).count()
                    as u64,
                end: it.end,
            })
            .collect();
        Outcome::Inspected(Box::new(Inspection {
            status: self.status,
            paused: self.paused,
            settings: self.settings.clone(),
            messages: self.messages.len() as u64,
            bytes: self.messages.iter().map(Kept::bytes).sum(),
            groups,
            partitions,
            schedules: self.schedules.clone(),
            totals: Totals::default(),
        }))
    }

    pub(super) fn explain(&self, group: Option<&GroupName>) -> Answer {
        let group = self.group(group)?;
        let (counts, receivers) = (self.counts(group), self.receivers_of(group));
        let why = self.why(group, counts, receivers);
        Ok(Outcome::Explained(Box::new(Explanation::new(why, counts, receivers, self.now))))
    }

    fn why(&self, group: u32, counts: Counts, receivers: u64) -> Why {
        let Counts { blocked, delayed, ready, leased, dead, .. } = counts;
        if self.status == Status::Closed {
            Why::Closed
        } else if self.paused {
            Why::Paused
        } else if blocked + delayed + ready + leased + dead == 0 {
            Why::Empty
        } else if ready > 0 {
            self.why_not_taken(group, ready, leased, receivers)
        } else if leased > 0 {
            Why::AllLeased { leased, next_end: self.next_end(group) }
        } else if delayed > 0 {
            Why::Delayed { delayed, next: self.next_ready(group) }
        } else if blocked > 0 {
            Why::Blocked { blocked }
        } else {
            Why::OnlyDead { dead }
        }
    }

    fn why_not_taken(&self, group: u32, ready: u64, leased: u64, receivers: u64) -> Why {
        let is_free = |kept: &Kept| {
            kept.place(group).stand == Stand::Ready && !self.is_taken_whole(group, kept.partition())
        };
        let is_rated = self
            .settings
            .rate
            .is_some_and(|rate| self.counted(rate.per).len() >= rate.count as usize);
        if let Some(cap) = self.settings.concurrency.filter(|cap| leased >= u64::from(*cap)) {
            Why::ConcurrencyFull { leased, cap }
        } else if is_rated {
            Why::RateLimited { until: self.rate_frees_at() }
        } else if receivers == 0 {
            Why::NoReceivers { ready }
        } else if !self.messages.iter().any(is_free) {
            Why::PartitionsLeased { ready, next_end: self.next_end(group) }
        } else {
            Why::NothingMatches { ready, receivers }
        }
    }

    fn next_end(&self, group: u32) -> Option<Timestamp> {
        self.messages.iter().filter_map(|kept| kept.lease(group)?.until).min()
    }

    fn next_ready(&self, group: u32) -> Option<Timestamp> {
        let items = self.messages.iter().map(|kept| self.item(group, kept.sequence()));
        items.filter(|item| item.state == State::Delayed).filter_map(|item| item.until).min()
    }
}
