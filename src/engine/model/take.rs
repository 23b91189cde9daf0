//! Taking: what can be taken, who has it then, and whose turn it is.

use std::sync::Arc;

use super::{
    Answer, Delivered, GroupName, Lease, Model, Outcome, Output, PartitionKey, Receiver, ReplyTo,
    SessionId, Stand, Status, Take, Turn,
};
use crate::{
    engine::{
        LeaseId, Options, Park, Start, Term, Unit,
        settings::{LEASE_MAX, LEASE_MIN},
    },
    error::ErrorCode,
    types::RequestId,
};

/// Receivers of one line can take the same.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    group: u32,
    whole_partitions: bool,
    partition: Option<PartitionKey>,
    labels: Vec<(Arc<str>, Arc<str>)>,
}

impl Model {
    pub(super) fn take(&mut self, from: ReplyTo, take: Take) -> Option<Answer> {
        let group = match self.group_to_take_from(&take) {
            Ok(group) => group,
            Err(code) => return Some(Err(code)),
        };
        if let Park::Standing { credit } = take.park {
            return self.park(from, group, take, Some(credit)).err().map(Err);
        }
        let is_told = matches!(take.park, Park::Told(_));
        if is_told && !self.find_to_take(group, &take, take.max).is_empty() {
            return Some(Ok(Outcome::Takeable));
        }
        if self.set_aside(from, group, &take) {
            return None;
        }
        let delivered =
            if is_told { Vec::new() } else { self.take_now(from, group, &take, take.max) };
        if !delivered.is_empty() {
            return Some(Ok(Outcome::Delivered(delivered)));
        }
        match take.park {
            Park::Until(until) | Park::Told(until)
                if until.is_none_or(|until| until > self.now) =>
            {
                self.park(from, group, take, None).err().map(Err)
            }
            _ => Some(Ok(Outcome::Empty)),
        }
    }

    /// Checks a take, and makes queue and group if need be.
    fn group_to_take_from(&mut self, take: &Take) -> Result<u32, ErrorCode> {
        if self.status == Status::Closed {
            return Err(ErrorCode::QueueClosed);
        }
        let standing = matches!(take.park, Park::Standing { .. });
        let unit_fits = match take.unit {
            Unit::Message => true,
            Unit::Partition { max } | Unit::Newest { max } => {
                max > 0 && !standing && take.labels.is_empty()
            }
        };
        let term_fits = match take.term {
            Term::Timed { length: Some(length), .. } => (LEASE_MIN..=LEASE_MAX).contains(&length),
            _ => true,
        };
        if !unit_fits || !term_fits || (take.max == 0 && !standing) {
            return Err(ErrorCode::InvalidRequest);
        }
        let group = match self.group(take.group.as_ref()) {
            Err(ErrorCode::GroupNotFound) => {
                self.add_group(take.group.clone().unwrap(), take.start)?
            }
            other => other?,
        };
        self.come_into_being();
        Ok(group)
    }

    /// What this take would get now: for each lease its messages.
    fn find_to_take(&self, group: u32, take: &Take, max: u32) -> Vec<Vec<u64>> {
        let max = self.room(group).min(max as usize);
        match take.unit {
            Unit::Message => {
                let ready = self.ready_for(group, take).into_iter();
                ready.take(max).map(|sequence| vec![sequence]).collect()
            }
            Unit::Partition { max: partitions } => self.runs(group, take, partitions as usize, max),
            // One message of each, but those before it must be known.
            Unit::Newest { max: partitions } => {
                let mut runs = self.runs(group, take, partitions as usize, usize::MAX);
                runs.truncate(max);
                runs
            }
        }
    }

    /// How many messages pause, rate and concurrency let through.
    fn room(&self, group: u32) -> usize {
        if self.paused || self.status != Status::Open {
            return 0;
        }
        let by_rate = self.settings.rate.map_or(usize::MAX, |rate| {
            (rate.count as usize).saturating_sub(self.counted(rate.per).len())
        });
        let leased = self.messages.iter().filter(|kept| kept.lease(group).is_some()).count();
        let by_concurrency = self
            .settings
            .concurrency
            .map_or(usize::MAX, |cap| (cap as usize).saturating_sub(leased));
        by_rate.min(by_concurrency)
    }

    /// Ready messages, in their order, that a take of messages may have.
    fn ready_for(&self, group: u32, take: &Take) -> Vec<u64> {
        let partition_fits = |number: u32| match &take.partition {
            Some(key) => self.partition(key) == Some(number),
            None => true,
        };
        let mut ready: Vec<u64> = (self.messages.iter())
            .filter(|kept| kept.place(group).stand == Stand::Ready)
            .filter(|kept| Options::has_labels(kept.message.options.as_deref(), &take.labels))
            .filter(|kept| partition_fits(kept.partition()))
            .filter(|kept| !self.is_taken_whole(group, kept.partition()))
            .map(super::Kept::sequence)
            .collect();
        ready.sort_by_key(|sequence| self.rank(*sequence));
        ready
    }

    pub(super) fn is_taken_whole(&self, group: u32, partition: u32) -> bool {
        !self.run(group, partition).is_empty()
    }

    /// What is leased with a partition, in the order of the run.
    pub(super) fn run(&self, group: u32, partition: u32) -> Vec<u64> {
        let of_run = |kept: &super::Kept| Some((kept.lease(group)?.place?, kept.sequence()));
        let mut run: Vec<_> = (self.messages.iter())
            .filter(|kept| kept.partition() == partition)
            .filter_map(of_run)
            .collect();
        run.sort_unstable();
        run.into_iter().map(|(_, sequence)| sequence).collect()
    }

    /// The partitions that can be taken, the one with the first message first.
    fn runs(&self, group: u32, take: &Take, partitions: usize, max: usize) -> Vec<Vec<u64>> {
        let numbers = self
            .partitions
            .iter()
            .filter(|it| take.partition.as_ref().is_none_or(|key| it.key == *key));
        let mut runs: Vec<Vec<u64>> = (numbers)
            .map(|it| self.run_to_take(group, it.number))
            .filter(|run| !run.is_empty())
            .collect();
        runs.sort_by_key(|run| self.rank(run[0]));
        runs.truncate(partitions);
        let mut left = max;
        for run in &mut runs {
            run.truncate(left);
            left -= run.len();
        }
        runs.retain(|run| !run.is_empty());
        runs
    }

    /// The first ready messages up to one that is not; none if somebody has one of its messages.
    fn run_to_take(&self, group: u32, partition: u32) -> Vec<u64> {
        let in_partition = || self.messages.iter().filter(|kept| kept.partition() == partition);
        if in_partition().any(|kept| kept.lease(group).is_some()) {
            return Vec::new();
        }
        let mut open: Vec<_> = in_partition()
            .filter(|kept| !kept.place(group).stand.has_ended())
            .map(super::Kept::sequence)
            .collect();
        open.sort_by_key(|sequence| self.rank(*sequence));
        let is_ready = |sequence: &u64| self.kept(*sequence).place(group).stand == Stand::Ready;
        open.into_iter().take_while(is_ready).collect()
    }

    /// Hands out one lease after the other: what is done by being handed out may free the next. Messages with
    /// labels are all chosen before.
    fn take_now(&mut self, to: ReplyTo, group: u32, take: &Take, max: u32) -> Vec<Delivered> {
        let (leased, mut rest) = (take.term != Term::Auto, take.clone());
        rest.max = u32::try_from(self.room(group)).unwrap_or(u32::MAX).min(max);
        let mut delivered = Vec::new();
        loop {
            let mut found = self.find_to_take(group, &rest, rest.max);
            if take.labels.is_empty() {
                found.truncate(1);
            }
            if found.is_empty() {
                break;
            }
            let is_whole = match &mut rest.unit {
                Unit::Message => false,
                Unit::Partition { max } | Unit::Newest { max } => {
                    *max -= 1;
                    true
                }
            };
            if matches!(take.unit, Unit::Newest { .. }) {
                let last = found[0].len() - 1;
                let newest = found[0].split_off(last);
                found[0].iter().for_each(|older| self.done(group, *older, None));
                found[0] = newest;
            }
            rest.max -= if is_whole { found[0].len() } else { found.len() } as u32;
            for run in &found {
                for (place, sequence) in run.iter().enumerate() {
                    delivered.push(self.hand(
                        to,
                        group,
                        take,
                        *sequence,
                        is_whole.then_some(place),
                    ));
                    // All partitions of a take share one generation; of messages each has its own.
                    self.next_generation += u64::from(leased && !is_whole);
                }
            }
            self.sweep();
            if !take.labels.is_empty() {
                break;
            }
        }
        let is_whole = take.unit != Unit::Message;
        self.next_generation += u64::from(leased && is_whole && !delivered.is_empty());
        delivered
    }

    /// Gives one message to somebody.
    fn hand(
        &mut self,
        to: ReplyTo,
        group: u32,
        take: &Take,
        sequence: u64,
        place: Option<usize>,
    ) -> Delivered {
        if self.settings.rate.is_some() {
            self.handed_out.push(self.now);
        }
        let (until, bound) = match take.term {
            Term::Session => (None, true),
            Term::Timed { length, bound } => {
                (Some(self.now.after(length.unwrap_or(self.settings.lease))), bound)
            }
            Term::Auto => (None, false),
        };
        let generation = self.next_generation;
        let kept = self.kept_mut(sequence);
        let message = Arc::clone(&kept.message);
        kept.place_mut(group).attempts += 1;
        let attempt = kept.place(group).attempts;
        let lease = if take.term == Term::Auto {
            if place.is_some() {
                self.charge(group, message.position.partition, 0);
            }
            self.done(group, sequence, None);
            None
        } else {
            let (ticket, abandoned, session) = (None, false, to.session);
            let lease =
                Lease { generation, session, until, bound, receiver: to, place, ticket, abandoned };
            self.put(group, sequence, Stand::Leased(lease));
            Some(LeaseId { group, position: message.position, generation })
        };
        let partition = self.key_of(message.position.partition);
        Delivered { message, partition, lease, attempt, until }
    }

    fn park(
        &mut self,
        to: ReplyTo,
        group: u32,
        take: Take,
        credit: Option<u32>,
    ) -> Result<(), ErrorCode> {
        if self.parked() >= self.config.parked_max {
            return Err(ErrorCode::TooManyParkedOnQueue);
        }
        let until = match take.park {
            Park::Until(until) | Park::Told(until) => until,
            Park::No | Park::Standing { .. } => None,
        };
        self.receivers.push(Receiver { to, group, take, until, credit, fills: None });
        self.enter_line(to);
        Ok(())
    }

    fn receiver(&self, to: ReplyTo) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.to == to)
    }

    /// Whether a standing receiver may have one more.
    fn has_credit(&self, receiver: &Receiver) -> bool {
        let Some(credit) = receiver.credit else { return true };
        let has_it = |kept: &&super::Kept| {
            kept.lease(receiver.group).is_some_and(|lease| lease.receiver == receiver.to)
        };
        self.messages.iter().filter(has_it).count() < credit as usize
    }

    /// Puts a receiver in its line, as its session's newest, if it may be served and is not there.
    pub(super) fn enter_line(&mut self, to: ReplyTo) {
        let Some(receiver) = self.receiver(to) else { return };
        let is_there = self.line.iter().any(|turn| turn.receivers.contains(&to));
        if is_there || !self.has_credit(receiver) {
            return;
        }
        let line = line_of(receiver);
        let same = |turn: &&mut Turn| turn.session == to.session && turn.line == line;
        match self.line.iter_mut().find(same) {
            Some(turn) => turn.receivers.push(to),
            None => self.line.push(Turn { line, session: to.session, receivers: vec![to] }),
        }
    }

    fn leave_line(&mut self, to: ReplyTo) {
        for turn in &mut self.line {
            turn.receivers.retain(|receiver| *receiver != to);
        }
        self.line.retain(|turn| !turn.receivers.is_empty());
    }

    pub(super) fn forget_receivers(&mut self, which: impl Fn(&Receiver) -> bool) {
        let (gone, stay) =
            std::mem::take(&mut self.receivers).into_iter().partition(|it| which(it));
        self.receivers = stay;
        let gone: Vec<Receiver> = gone;
        gone.iter().for_each(|receiver| self.leave_line(receiver.to));
    }

    pub(super) fn end_receivers(&mut self, which: impl Fn(&Receiver) -> bool, code: ErrorCode) {
        let ended: Vec<_> = self.receivers.iter().filter(|it| which(it)).map(|it| it.to).collect();
        self.forget_receivers(which);
        ended.into_iter().for_each(|to| self.reply(to, Err(code)));
    }

    /// Serves who waits, as long as somebody can be served.
    pub(super) fn hand_out(&mut self) {
        let can_be_served = |model: &Self, turn: &Turn| {
            let receiver = model.receiver(*turn.receivers.last().unwrap()).unwrap();
            !model.find_to_take(receiver.group, &receiver.take, 1).is_empty()
        };
        // The groups one after the other.
        let next = |model: &Self| {
            let turns = model.line.iter().enumerate();
            let servable = turns.filter(|(_, turn)| can_be_served(model, turn));
            servable.min_by_key(|(at, turn)| (turn.line.group, *at)).map(|(at, _)| at)
        };
        loop {
            let at = next(self);
            let group = at.map(|at| self.line[at].line.group);
            match (self.next_filled().filter(|filled| group.is_none_or(|it| filled.0 <= it)), at) {
                (Some((_, to)), _) => self.end_fill(to),
                (None, Some(at)) => self.serve(at),
                (None, None) => break,
            }
        }
    }

    /// How many messages a take would get.
    fn found(&self, group: u32, take: &Take) -> usize {
        let found = self.find_to_take(group, take, take.max);
        match take.unit {
            Unit::Newest { .. } => found.len(),
            Unit::Message | Unit::Partition { .. } => found.iter().map(Vec::len).sum(),
        }
    }

    /// A receiver that could get something, but not its max, waits for more.
    fn set_aside(&mut self, to: ReplyTo, group: u32, take: &Take) -> bool {
        let Park::Until(until) = take.park else { return false };
        let wait = self.settings.batch_wait;
        let ends = self.now.after(wait);
        let ends = until.map_or(ends, |until| until.min(ends));
        let found = self.found(group, take);
        let waits = wait.0 > 0
            && take.max > 1
            && ends > self.moment
            && (1..take.max as usize).contains(&found)
            && self.parked() < self.config.parked_max;
        if waits {
            self.set_aside += 1;
            let (fills, take) = (Some((self.set_aside, ends)), take.clone());
            self.receivers.push(Receiver { to, group, take, until, credit: None, fills });
        }
        waits
    }

    /// The first one, group by group, whose max is there.
    fn next_filled(&self) -> Option<(u32, ReplyTo)> {
        let filled = self.receivers.iter().filter(|it| {
            it.fills.is_some() && self.found(it.group, &it.take) >= it.take.max as usize
        });
        let first = filled.min_by_key(|it| (it.group, it.fills))?;
        Some((first.group, first.to))
    }

    /// It gets what is there; if nothing is, it waits on in its line.
    pub(super) fn end_fill(&mut self, to: ReplyTo) {
        let at = self.receivers.iter().position(|receiver| receiver.to == to).unwrap();
        let receiver = Receiver { fills: None, ..self.receivers.remove(at) };
        let delivered = self.take_now(to, receiver.group, &receiver.take, receiver.take.max);
        if !delivered.is_empty() {
            self.reply(to, Ok(Outcome::Delivered(delivered)));
        } else if receiver.until.is_some_and(|until| until <= self.moment) {
            self.reply(to, Ok(Outcome::Empty));
        } else {
            self.receivers.push(receiver);
            self.enter_line(to);
        }
    }

    /// Serves the newest receiver of a turn; what is left of the turn goes to the end of the line.
    fn serve(&mut self, at: usize) {
        let mut turn = self.line.remove(at);
        let to = turn.receivers.pop().unwrap();
        let receiver = self.receiver(to).unwrap();
        let (group, take, standing) =
            (receiver.group, receiver.take.clone(), receiver.credit.is_some());
        if let Park::Told(_) = take.park {
            self.receivers.retain(|receiver| receiver.to != to);
            self.out.push(Output::Reply(to, Ok(Outcome::Takeable)));
            if !turn.receivers.is_empty() {
                self.line.push(turn);
            }
            return;
        }
        if !standing {
            let at = self.receivers.iter().position(|receiver| receiver.to == to).unwrap();
            let receiver = self.receivers.remove(at);
            if self.set_aside(to, group, &take) {
                if !turn.receivers.is_empty() {
                    self.line.push(turn);
                }
                return;
            }
            self.receivers.push(receiver);
        }
        let max = if standing { 1 } else { take.max };
        let mut delivered = self.take_now(to, group, &take, max);
        if standing {
            self.out.push(Output::Push(to, delivered.remove(0)));
            if self.has_credit(self.receiver(to).unwrap()) {
                turn.receivers.insert(0, to);
            }
        } else {
            self.receivers.retain(|receiver| receiver.to != to);
            self.out.push(Output::Reply(to, Ok(Outcome::Delivered(delivered))));
        }
        if !turn.receivers.is_empty() {
            self.line.push(turn);
        }
    }

    pub(super) fn set_credit(
        &mut self,
        session: SessionId,
        request: RequestId,
        credit: u32,
    ) -> Answer {
        let to = self.receiver_of(session, request, |receiver| receiver.credit.is_some())?;
        let receiver = self.receivers.iter_mut().find(|receiver| receiver.to == to).unwrap();
        receiver.credit = Some(credit);
        if self.has_credit(self.receiver(to).unwrap()) {
            self.enter_line(to);
        } else {
            self.leave_line(to);
        }
        Ok(Outcome::Done)
    }

    pub(super) fn cancel_receiver(&mut self, session: SessionId, request: RequestId) -> Answer {
        let is_it = |waiting: &super::Waiting| {
            waiting.to.session == session && waiting.to.request == request
        };
        let to = match self.awaits.iter().position(is_it) {
            Some(at) => self.awaits.remove(at).to,
            None => self.receiver_of(session, request, |_| true)?,
        };
        self.forget_receivers(|receiver| receiver.to == to);
        self.reply(to, Ok(Outcome::Empty));
        Ok(Outcome::Done)
    }

    fn receiver_of(
        &self,
        session: SessionId,
        request: RequestId,
        which: impl Fn(&Receiver) -> bool,
    ) -> Result<ReplyTo, ErrorCode> {
        let is_it = |to: ReplyTo| to.session == session && to.request == request;
        let found = self.receivers.iter().find(|it| is_it(it.to) && which(it));
        found.map(|receiver| receiver.to).ok_or(ErrorCode::ReceiverNotFound)
    }

    /// The first message of a group that begins so.
    pub(super) fn first_of(&self, start: Start) -> u64 {
        let next = self.last_sequence + 1;
        match start {
            Start::All => 0,
            Start::New => next,
            Start::From(time) => {
                let late = self.messages.iter().filter(|kept| kept.message.sent_at >= time);
                late.map(super::Kept::sequence).min().unwrap_or(next)
            }
        }
    }

    pub(super) fn add_group(&mut self, name: GroupName, start: Start) -> Result<u32, ErrorCode> {
        // The work group is not counted.
        if self.groups.len() > self.config.groups_max {
            return Err(ErrorCode::TooManyGroups);
        }
        let is_free = |number: &u32| self.groups.iter().all(|group| group.number != *number);
        let number = (1..).find(is_free).unwrap();
        let from = self.first_of(start);
        self.groups.push(super::Group { from, ..super::Group::new(number, Some(name)) });
        for sequence in self.sequences() {
            let kept = self.kept(sequence);
            let is_before = match start {
                Start::All => false,
                Start::New => true,
                Start::From(time) => kept.message.sent_at < time,
            };
            let stand = if is_before {
                Stand::Done { at: None, result: None }
            } else {
                self.fresh_stand(kept)
            };
            self.kept_mut(sequence).places.push((number, super::Place::new(stand)));
        }
        self.note_settled();
        Ok(number)
    }
}

fn line_of(receiver: &Receiver) -> Line {
    Line {
        group: receiver.group,
        whole_partitions: receiver.take.unit != Unit::Message,
        partition: receiver.take.partition.clone(),
        labels: receiver.take.labels.clone(),
    }
}
