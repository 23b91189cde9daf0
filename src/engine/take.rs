//! Taking, and those who wait for something to take.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    command::{Park, ReplyTo, Start, Take, Term, Unit},
    effect::{Delivered, Effect, Happened, LeaseId, Outcome},
    filling::Filling,
    group::Group,
    lane::{Hold, Lease, Run},
    log::Log,
    message::{Position, Sequence},
    moves::Ending,
    queue::{Queue, WORK},
    settings::{LEASE_MAX, LEASE_MIN},
    timers::Timer,
    view::Status,
    waiters::{Line, Receiver, ReceiverKey, StandingReceiver},
};
use crate::{
    error::ErrorCode,
    types::{GroupName, PartitionKey, RequestId, SessionId},
};

/// Ready messages that are looked at for labels.
const SCAN_MAX: usize = 10_000;

impl Queue {
    pub(super) fn take(&mut self, from: ReplyTo, take: Take) -> Result<Option<Outcome>, ErrorCode> {
        if self.status == Status::Closed {
            return Err(ErrorCode::QueueClosed);
        }
        check(&take)?;
        let Take { group, start, partition, unit, max, term, labels, park } = take;
        let group = self.group_for(group, start)?;
        let line = match (unit.partitions(), partition) {
            (_, of_partition) if !labels.is_empty() => Line::Labelled(of_partition, labels),
            (None, None) => Line::Message,
            (None, Some(key)) => Line::MessageOf(key),
            (Some(_), None) => Line::Partition,
            (Some(_), Some(key)) => Line::PartitionOf(key),
        };
        let partitions_max = unit.partitions().unwrap_or(1);
        let newest = matches!(unit, Unit::Newest { .. });
        let (until, standing) = match park {
            Park::Until(until) | Park::Told(until) => (until, false),
            Park::No => (None, false),
            Park::Standing { .. } => (None, true),
        };
        // A standing receiver gets one message at a time.
        let max = if standing { 1 } else { max };
        let told = matches!(park, Park::Told(_));
        let to = from;
        let receiver =
            Receiver { to, line, max, partitions_max, newest, term, until, standing, told };
        let receiver = Arc::new(receiver);
        if let Park::Standing { credit } = park {
            return self.stand(group, receiver, credit).map(|()| None);
        }
        if told && self.can_take(group, &receiver.line) {
            return Ok(Some(Outcome::Takeable));
        }
        if matches!(park, Park::Until(_)) && self.set_aside(group, &receiver) {
            return Ok(None);
        }
        let delivered = if told { Vec::new() } else { self.grab(group, &receiver) };
        if !delivered.is_empty() {
            return Ok(Some(Outcome::Delivered(delivered)));
        }
        if park == Park::No || until.is_some_and(|until| until <= self.now) {
            return Ok(Some(Outcome::Empty));
        }
        if self.parked() >= self.config.parked_max {
            return Err(ErrorCode::TooManyParkedOnQueue);
        }
        self.arm_rate(group, 1);
        self.park(group, receiver);
        Ok(None)
    }

    /// The group of a take, which is made if there is none.
    fn group_for(&mut self, name: Option<GroupName>, start: Start) -> Result<u32, ErrorCode> {
        let number = match name {
            None if self.group(WORK).is_none() => return Err(ErrorCode::GroupRequired),
            None => WORK,
            Some(name) => match self.by_name.get(&name) {
                Some(number) => *number,
                None => {
                    self.check_new_group()?;
                    self.come_into_being();
                    return Ok(self.make_group(&name, start));
                }
            },
        };
        self.come_into_being();
        Ok(number)
    }

    /// A receiver that stands.
    fn stand(&mut self, group: u32, receiver: Arc<Receiver>, credit: u32) -> Result<(), ErrorCode> {
        let (to, key) = (receiver.to, (receiver.to.session, receiver.to.request));
        if self.groups.iter().flatten().any(|group| group.standing.contains_key(&key)) {
            return Err(ErrorCode::InvalidRequest);
        }
        if self.parked() >= self.config.parked_max {
            return Err(ErrorCode::TooManyParkedOnQueue);
        }
        let Some(members) = self.group_mut(group) else { return Err(ErrorCode::Internal) };
        if credit > 0 {
            members.waiters.park(Arc::clone(&receiver));
        }
        let standing = StandingReceiver { to, credit, outstanding: 0, receiver };
        members.standing.insert(key, standing);
        self.serve(group, None);
        Ok(())
    }

    pub(super) fn park(&mut self, group: u32, receiver: Arc<Receiver>) {
        let until = receiver.until;
        let Some(members) = self.group_mut(group) else { return };
        let (session, request, ticket) = members.waiters.park(receiver);
        if let Some(until) = until {
            self.timers.set(until, Timer::Receiver { group, session, request, ticket });
        }
    }

    /// Messages for a receiver, leased to it, or done if it wants no lease.
    pub(super) fn grab(&mut self, group: u32, receiver: &Receiver) -> Vec<Delivered> {
        let max = (receiver.max as usize).min(self.allowance(group));
        if max == 0 {
            return Vec::new();
        }
        match &receiver.line {
            Line::Partition | Line::PartitionOf(_) => self.grab_runs(group, receiver, max),
            Line::Labelled(partition, labels) => {
                let found = self.labelled(group, partition.as_ref(), labels, max);
                found
                    .into_iter()
                    .filter_map(|position| self.lease(group, position, receiver))
                    .collect()
            }
            Line::Message | Line::MessageOf(_) => {
                let mut delivered = Vec::new();
                while delivered.len() < max
                    && let Some(one) = self.grab_one(group, receiver)
                {
                    delivered.push(one);
                }
                delivered
            }
        }
    }

    /// One message for a receiver that takes messages one by one.
    fn grab_one(&mut self, group: u32, receiver: &Receiver) -> Option<Delivered> {
        let position = match &receiver.line {
            Line::Message => self.group(group)?.first()?,
            Line::MessageOf(key) => {
                let partition = *self.by_key.get(key)?;
                let (_, offset) = self.lane_of(group, partition)?.takeable()?;
                Position { partition, offset }
            }
            Line::Labelled(partition, labels) => {
                *self.labelled(group, partition.as_ref(), labels, 1).first()?
            }
            Line::Partition | Line::PartitionOf(_) => return None,
        };
        self.lease(group, position, receiver)
    }

    /// Whether a receiver of a line would get something now.
    fn can_take(&mut self, group: u32, line: &Line) -> bool {
        if self.allowance(group) == 0 {
            return false;
        }
        let Some(members) = self.group(group) else { return false };
        let lane = |key| {
            let partition = *self.by_key.get(key)?;
            members.lanes.get(partition)
        };
        match line {
            Line::Message => members.first().is_some(),
            Line::Partition => members.first_run().is_some(),
            Line::MessageOf(key) => lane(key).is_some_and(|lane| lane.takeable().is_some()),
            Line::PartitionOf(key) => lane(key).is_some_and(|lane| lane.run_takeable().is_some()),
            Line::Labelled(partition, labels) => {
                !self.labelled(group, partition.as_ref(), labels, 1).is_empty()
            }
        }
    }

    /// The first messages with these labels, in order.
    pub(super) fn labelled(
        &self,
        group: u32,
        partition: Option<&PartitionKey>,
        labels: &[(Arc<str>, Arc<str>)],
        max: usize,
    ) -> Vec<Position> {
        let has_labels = |position: &Position| {
            self.seen(*position).is_some_and(|message| message.has_labels(labels))
        };
        let ready = self.takeable(group, partition).take(SCAN_MAX);
        ready.filter(has_labels).take(max).collect()
    }

    /// Messages that can be taken, in order. A partition is only opened when its first message has its turn.
    pub(super) fn takeable(
        &self,
        group: u32,
        partition: Option<&PartitionKey>,
    ) -> impl Iterator<Item = Position> {
        let first = |partition| (i64::MIN, Sequence(0), partition);
        let one = partition.map(|key| self.by_key.get(key).copied().map(first));
        let all = self.group(group).filter(|_| one.is_none());
        let all = all.into_iter().flat_map(Group::heads);
        let mut heads = one.flatten().into_iter().chain(all).peekable();
        let lane = move |partition: u32| {
            let log = &self.partitions.get(partition)?.log;
            let lane = self.lane_of(group, partition)?;
            lane.takeable().map(|_| (partition, log, lane.iter_ready(log)))
        };
        let mut open = BTreeMap::new();
        std::iter::from_fn(move || {
            while let Some((class, sequence, partition)) = heads.peek().copied()
                && open.first_key_value().is_none_or(|(first, _)| (class, sequence) < *first)
            {
                heads.next();
                open.extend(lane(partition).and_then(next_of));
            }
            let (_, (position, lane)) = open.pop_first()?;
            open.extend(next_of(lane));
            Some(position)
        })
    }

    /// A new lease for this session.
    fn new_lease(&mut self, term: Term, session: SessionId) -> Lease {
        let generation = self.next_generation;
        self.next_generation += 1;
        let (until, bound) = match term {
            Term::Session | Term::Auto => (None, Some(session)),
            Term::Timed { length, bound } => {
                let length = length.unwrap_or(self.settings.lease);
                (Some(self.now.after(length)), bound.then_some(session))
            }
        };
        Lease { generation, until, bound, receiver: None, pinned: None, orphaned: false }
    }

    /// Leases one ready message.
    fn lease(&mut self, group: u32, position: Position, receiver: &Receiver) -> Option<Delivered> {
        let message = self.message(position)?;
        let partition = self.partitions.get(position.partition)?.key.clone();
        self.count_delivery();
        self.notify(Happened::Delivered, Some(position), group, 1);
        if receiver.term == Term::Auto {
            let lane = self.lane_of(group, position.partition)?;
            let attempt = lane.get(position.offset).map_or(1, |delivery| delivery.attempts + 1);
            self.leave(group, position, Ending::Done(None));
            return Some(Delivered { message, partition, lease: None, attempt, until: None });
        }
        let mut lease = self.new_lease(receiver.term, receiver.to.session);
        if receiver.standing {
            lease.receiver = Some((receiver.to.session, receiver.to.request));
        }
        let (until, generation) = (lease.until, lease.generation);
        let attempt = self.hand_out(group, position, lease)?;
        let lease = Some(LeaseId { group, position, generation });
        Some(Delivered { message, partition, lease, attempt, until })
    }

    /// Leases partitions as a whole.
    fn grab_runs(&mut self, group: u32, receiver: &Receiver, max: usize) -> Vec<Delivered> {
        let mut delivered: Vec<Delivered> = Vec::new();
        let mut lease = None;
        for _ in 0..receiver.partitions_max {
            let left = max - delivered.len();
            let partition = match &receiver.line {
                Line::PartitionOf(key) => self.by_key.get(key).copied().filter(|partition| {
                    let lane = self.lane_of(group, *partition);
                    lane.is_some_and(|lane| lane.run_takeable().is_some())
                }),
                _ => self.group(group).and_then(|group| group.first_run()),
            };
            let Some(partition) = partition.filter(|_| left > 0) else { break };
            let Some(lane) = self.lane_of(group, partition) else { break };
            let Some(part) = self.partitions.get(partition) else { break };
            let most = if receiver.newest { usize::MAX } else { left };
            let (mut members, key) = (lane.run_of(most, &part.log), part.key.clone());
            if receiver.newest {
                let older = members.len().saturating_sub(1);
                for offset in members.drain(..older) {
                    self.leave(group, Position { partition, offset }, Ending::Done(None));
                }
            }
            if receiver.term == Term::Auto {
                for offset in members {
                    delivered.extend(self.lease(group, Position { partition, offset }, receiver));
                }
                self.charge(group, partition, 0);
                continue;
            }
            let lease = match &lease {
                Some(lease) => lease,
                None => lease.insert(self.new_lease(receiver.term, receiver.to.session)),
            };
            let (generation, until) = (lease.generation, lease.until);
            let attempts: Vec<(u32, u32)> = members
                .iter()
                .map(|offset| {
                    let delivery = self.lift(group, Position { partition, offset: *offset });
                    delivery.map_or((1, 0), |one| (one.attempts.saturating_add(1), one.failures))
                })
                .collect();
            let run = Run { lease: lease.clone(), members: members.clone() };
            self.begin_run(group, partition, run);
            for (offset, counts) in members.into_iter().zip(attempts) {
                let position = Position { partition, offset };
                self.place(group, position, counts, Hold::InRun);
                self.count_delivery();
                self.notify(Happened::Delivered, Some(position), group, 1);
                if let Some(message) = self.message(position) {
                    let lease = Some(LeaseId { group, position, generation });
                    let partition = key.clone();
                    delivered.push(Delivered {
                        message,
                        partition,
                        lease,
                        attempt: counts.0,
                        until,
                    });
                }
            }
        }
        delivered
    }

    fn begin_run(&mut self, group: u32, partition: u32, run: Run) {
        let (until, bound) = (run.lease.until, run.lease.bound);
        let Some(members) = self.group_mut(group) else { return };
        if let Some(lane) = members.lanes.get_mut(partition) {
            lane.run = Some(Box::new(run));
        }
        if let Some(session) = bound {
            members.bound_runs.insert((session, partition));
        }
        if let Some(until) = until {
            self.timers.set(until, Timer::Run { group, partition });
        }
    }

    /// A partition is free again. Its messages must have been moved.
    pub(super) fn end_run(&mut self, group: u32, partition: u32) -> Option<Run> {
        let (members, log) = self.lane(group, partition)?;
        let run = members.lanes.get_mut(partition)?.run.take()?;
        members.reindex(partition, log);
        if let Some(session) = run.lease.bound {
            members.bound_runs.remove(&(session, partition));
        }
        if let Some(until) = run.lease.until {
            self.timers.clear(until, Timer::Run { group, partition });
        }
        self.serve(group, Some(partition));
        Some(*run)
    }

    /// How many messages may be handed out now.
    pub(super) fn allowance(&mut self, group: u32) -> usize {
        if self.paused || self.status != Status::Open {
            return 0;
        }
        let concurrency = self.settings.concurrency.map_or(usize::MAX, |cap| {
            let leased = self.group(group).map_or(0, |group| group.leased);
            (cap as usize).saturating_sub(leased)
        });
        concurrency.min(self.rate_left())
    }

    /// How many messages the rate still allows.
    pub(super) fn rate_left(&mut self) -> usize {
        let Some(rate) = self.settings.rate else { return usize::MAX };
        while self.deliveries.front().is_some_and(|at| at.after(rate.per) <= self.moment) {
            self.deliveries.pop_front();
        }
        (rate.count as usize).saturating_sub(self.deliveries.len())
    }

    fn count_delivery(&mut self) {
        self.totals.delivered += 1;
        if self.settings.rate.is_some() {
            self.deliveries.push_back(self.now);
        }
    }

    /// With receivers waiting and messages ready: wakes up when the rate allows more, if that is less than is wanted.
    pub(super) fn arm_rate(&mut self, group: u32, wanted: u32) {
        let Some(rate) = self.settings.rate else { return };
        if self.rate_timer.is_some() || self.rate_left() >= wanted as usize {
            return;
        }
        let ready = self.group(group).is_some_and(|group| group.ready() > 0);
        let Some(oldest) = self.deliveries.front().copied().filter(|_| ready) else { return };
        let at = oldest.after(rate.per);
        self.rate_timer = Some(at);
        self.timers.set(at, Timer::Rate);
    }

    /// Receivers of a group may have something to get, perhaps only from one partition.
    pub(super) fn serve(&mut self, group: u32, partition: Option<u32>) {
        if self.group(group).is_none_or(Group::has_nobody) {
            return;
        }
        let place = self.unserved.partition_point(|(other, _)| *other < group);
        match self.unserved.get_mut(place).filter(|(other, _)| *other == group) {
            Some((_, hint)) if *hint != partition => *hint = None,
            Some(_) => {}
            None => self.unserved.insert(place, (group, partition)),
        }
    }

    pub(super) fn serve_all(&mut self) {
        self.group_numbers().for_each(|group| self.serve(group, None));
    }

    /// Serves all groups that may have something to get (I3).
    pub(super) fn serve_marked(&mut self) {
        while let Some((group, partition)) = self.unserved.pop_front() {
            while self.serve_next(group, partition) {
                // Perhaps it is somebody else's turn now.
                if !self.unserved.is_empty() {
                    self.serve(group, partition);
                    break;
                }
            }
        }
    }

    /// Serves the receiver whose turn it is; `false` if there is none, or nothing for it.
    fn serve_next(&mut self, group: u32, partition: Option<u32>) -> bool {
        if self.group(group).is_none_or(Group::has_nobody) {
            return false;
        }
        if self.allowance(group) == 0 {
            self.arm_rate(group, 1);
            return false;
        }
        if self.serve_filled(group) {
            return true;
        }
        let Some(key) = self.whose_turn(group, partition) else { return false };
        let Some(members) = self.group_mut(group) else { return false };
        let Some(receiver) = members.waiters.get(key).map(Arc::clone) else { return false };
        if receiver.standing {
            return self.serve_standing(group, key, &receiver);
        }
        members.waiters.serve(key);
        let (session, request, ticket) = key;
        if let Some(until) = receiver.until {
            self.timers.clear(until, Timer::Receiver { group, session, request, ticket });
        }
        if receiver.told {
            self.reply(receiver.to, Ok(Outcome::Takeable));
            return true;
        }
        if self.set_aside(group, &receiver) {
            return true;
        }
        let delivered = self.grab(group, &receiver);
        debug_assert!(!delivered.is_empty(), "whose turn it is can be served");
        self.reply(receiver.to, Ok(Outcome::Delivered(delivered)));
        true
    }

    /// Pushes one message to a standing receiver, which goes on waiting as long as it has credit; `false` if there is none.
    fn serve_standing(&mut self, group: u32, key: ReceiverKey, receiver: &Receiver) -> bool {
        let Some(delivered) = self.grab_one(group, receiver) else { return false };
        let is_leased = delivered.lease.is_some();
        self.record_settled();
        let rests_on = self.rest(self.delivery_rests_on(&delivered));
        self.effects.push(Effect::Push { to: receiver.to, delivered, rests_on });
        let (session, request, _) = key;
        let Some(members) = self.group_mut(group) else { return false };
        let Some(standing) = members.standing.get_mut(&(session, request)) else { return false };
        standing.outstanding += u32::from(is_leased);
        if standing.outstanding < standing.credit {
            members.waiters.serve_standing(key, &receiver.line);
        } else {
            members.waiters.serve(key);
        }
        true
    }

    /// Who is to be served next: the earliest turn among those for whom there is something.
    fn whose_turn(&self, group: u32, partition: Option<u32>) -> Option<ReceiverKey> {
        let members = self.group(group)?;
        let waiters = &members.waiters;
        let mut best: Option<(u64, ReceiverKey)> = None;
        let mut offer = |turn: Option<u64>, key: Option<ReceiverKey>| {
            if let (Some(turn), Some(key)) = (turn, key)
                && best.is_none_or(|(earliest, _)| turn < earliest)
            {
                best = Some((turn, key));
            }
        };
        let lane_serves = |line: &Line| {
            let (key, whole) = match line {
                Line::MessageOf(key) => (key, false),
                Line::PartitionOf(key) => (key, true),
                Line::Message | Line::Partition | Line::Labelled(..) => return false,
            };
            let lane = self.by_key.get(key).and_then(|partition| members.lanes.get(*partition));
            lane.is_some_and(|lane| {
                if whole { lane.run_takeable() } else { lane.takeable() }.is_some()
            })
        };
        if members.first().is_some() {
            offer(waiters.turn(&Line::Message), waiters.first(&Line::Message));
        }
        if !waiters.are_choosy() {
            return best.map(|(_, key)| key);
        }
        if members.first_run().is_some() {
            offer(waiters.turn(&Line::Partition), waiters.first(&Line::Partition));
        }
        match partition.and_then(|partition| self.partitions.get(partition)) {
            Some(only) => {
                let lines =
                    [Line::MessageOf(only.key.clone()), Line::PartitionOf(only.key.clone())];
                for line in lines.iter().filter(|line| lane_serves(line)) {
                    offer(waiters.turn(line), waiters.first(line));
                }
            }
            None => {
                for line in waiters.partition_lines().filter(|line| lane_serves(line)) {
                    offer(waiters.turn(line), waiters.first(line));
                }
            }
        }
        for line in waiters.labelled_lines() {
            if let Line::Labelled(partition, labels) = line
                && !self.labelled(group, partition.as_ref(), labels, 1).is_empty()
            {
                offer(waiters.turn(line), waiters.first(line));
            }
        }
        best.map(|(_, key)| key)
    }

    /// A receiver has waited long enough.
    pub(super) fn receiver_ends(&mut self, group: u32, key: ReceiverKey) {
        let receiver = self.group_mut(group).and_then(|members| members.waiters.remove(key));
        if let Some(receiver) = receiver {
            self.reply(receiver.to, Ok(Outcome::Empty));
        }
    }

    /// A receiver waits no longer; nobody is told.
    pub(super) fn forget_receiver(
        &mut self,
        group: u32,
        key: ReceiverKey,
    ) -> Option<Arc<Receiver>> {
        let receiver = self.group_mut(group)?.waiters.remove(key)?;
        let (session, request, ticket) = key;
        if let Some(until) = receiver.until {
            self.timers.clear(until, Timer::Receiver { group, session, request, ticket });
        }
        Some(receiver)
    }

    pub(super) fn set_credit(
        &mut self,
        from: ReplyTo,
        request: RequestId,
        credit: u32,
    ) -> Result<Option<Outcome>, ErrorCode> {
        let key = (from.session, request);
        let group = self.standing_group(key).ok_or(ErrorCode::ReceiverNotFound)?;
        let Some(members) = self.group_mut(group) else { return Err(ErrorCode::Internal) };
        let Some(standing) = members.standing.get_mut(&key) else {
            return Err(ErrorCode::Internal);
        };
        let waited = standing.outstanding < standing.credit;
        standing.credit = credit;
        let waits = standing.outstanding < credit;
        let receiver = Arc::clone(&standing.receiver);
        match (waited, waits) {
            (false, true) => drop(members.waiters.park(receiver)),
            (true, false) => {
                if let Some(waiting) = members.waiters.find(from.session, request) {
                    members.waiters.remove(waiting);
                }
            }
            (true, true) | (false, false) => {}
        }
        self.serve(group, None);
        Ok(Some(Outcome::Done))
    }

    fn standing_group(&self, key: (SessionId, RequestId)) -> Option<u32> {
        self.group_numbers()
            .find(|group| self.group(*group).is_some_and(|group| group.standing.contains_key(&key)))
    }

    /// Ends one receiver, or one who waits for a result, of the asking session.
    pub(super) fn cancel_receiver(
        &mut self,
        from: ReplyTo,
        request: RequestId,
    ) -> Result<Option<Outcome>, ErrorCode> {
        let session = from.session;
        let key = (session, request);
        let mut ended = None;
        if let Some(group) = self.standing_group(key)
            && let Some(members) = self.group_mut(group)
        {
            ended = members.standing.remove(&key).map(|standing| standing.to);
            if let Some(waiting) = members.waiters.find(session, request) {
                members.waiters.remove(waiting);
            }
        }
        if ended.is_none() {
            let waiting = self.group_numbers().find_map(|group| {
                Some((group, self.group(group)?.waiters.find(session, request)?))
            });
            if let Some((group, waiting)) = waiting {
                ended = self.forget_receiver(group, waiting).map(|receiver| receiver.to);
            }
        }
        if ended.is_none() {
            let is_it = |it: &Filling| (it.receiver.to.session, it.receiver.to.request) == key;
            let filling = self.group_numbers().find_map(|group| self.take_filling(group, is_it));
            ended = filling.map(|receiver| receiver.to);
        }
        if ended.is_none() {
            let is_it = |waiting: &super::queue::Awaiting| {
                waiting.to.session == session && waiting.to.request == request
            };
            let found = self.awaits.iter().find(|(_, waiting)| waiting.iter().any(is_it));
            if let Some(position) = found.map(|(position, _)| *position) {
                ended = self.forget_awaiting(position, is_it).pop().map(|waiting| waiting.to);
            }
        }
        let ended = ended.ok_or(ErrorCode::ReceiverNotFound)?;
        self.reply(ended, Ok(Outcome::Empty));
        Ok(Some(Outcome::Done))
    }

    /// Ends all receivers of a group with a refusal.
    pub(super) fn refuse_receivers(&mut self, group: u32, code: ErrorCode) {
        let Some(members) = self.group_mut(group) else { return };
        let waiting = members.waiters.take_all();
        let mut standing = std::mem::take(&mut members.standing);
        for ((session, request, ticket), receiver) in waiting {
            standing.remove(&(session, request));
            if let Some(until) = receiver.until {
                self.timers.clear(until, Timer::Receiver { group, session, request, ticket });
            }
            self.reply(receiver.to, Err(code));
        }
        for (_, standing) in standing {
            self.reply(standing.to, Err(code));
        }
        while let Some(receiver) = self.take_filling(group, |_| true) {
            self.reply(receiver.to, Err(code));
        }
    }

    /// What is bound to a session that has ended goes back to its place.
    pub(super) fn return_bound(&mut self, group: u32, session: SessionId) {
        let Some(members) = self.group(group) else { return };
        let bound = members.bound_to(session);
        let runs: Vec<u32> = members
            .bound_runs
            .range((session, 0)..=(session, u32::MAX))
            .map(|(_, partition)| *partition)
            .collect();
        for position in bound {
            self.orphan(group, position);
        }
        for partition in runs {
            self.orphan_run(group, partition);
        }
    }

    fn orphan(&mut self, group: u32, position: Position) {
        let Some(members) = self.group_mut(group) else { return };
        let Some(lane) = members.lanes.get_mut(position.partition) else { return };
        let Some(lease) = lane.lease_mut(position.offset) else { return };
        if lease.pinned.is_some() {
            // Its transaction decides. If it is given up, the lease ends at once.
            lease.orphaned = true;
            return;
        }
        self.release(group, position, None);
    }

    fn orphan_run(&mut self, group: u32, partition: u32) {
        let Some(members) = self.group_mut(group) else { return };
        let Some(run) = members.lanes.get_mut(partition).and_then(|lane| lane.run.as_mut()) else {
            return;
        };
        if run.lease.pinned.is_some() {
            run.lease.orphaned = true;
            return;
        }
        self.release_run(group, partition);
    }

    /// The messages of a partition lease go back to their places, and the partition is free.
    pub(super) fn release_run(&mut self, group: u32, partition: u32) {
        let Some(run) = self.end_run(group, partition) else { return };
        for offset in run.members {
            self.release(group, Position { partition, offset }, None);
        }
    }
}

/// Ready messages of one partition.
type OpenLane<'a, I> = (u32, &'a Log, I);

/// A message's place in the order, the message, and the lane behind it.
type Next<'a, I> = ((i64, Sequence), (Position, OpenLane<'a, I>));

/// The next message of an open lane with its place in the order, and what is left of the lane.
fn next_of<I: Iterator<Item = (i64, u64)>>(
    (partition, log, mut ready): OpenLane<'_, I>,
) -> Option<Next<'_, I>> {
    let (class, offset) = ready.next()?;
    let place = (class, log.get(offset)?.sequence());
    Some((place, (Position { partition, offset }, (partition, log, ready))))
}

fn check(take: &Take) -> Result<(), ErrorCode> {
    let length = match take.term {
        Term::Timed { length, .. } => length,
        Term::Session | Term::Auto => None,
    };
    let stands = matches!(take.park, Park::Standing { .. });
    let unit_fits = (take.unit.partitions())
        .is_none_or(|partitions| partitions > 0 && take.labels.is_empty() && !stands);
    let fine = unit_fits
        && (take.max > 0 || stands)
        && length.is_none_or(|length| (LEASE_MIN..=LEASE_MAX).contains(&length));
    if fine { Ok(()) } else { Err(ErrorCode::InvalidRequest) }
}
