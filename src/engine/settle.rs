//! Ending leases: by their holder, by time, by prolonging them.

use std::collections::BTreeMap;

use super::{
    command::{Permit, ReplyTo, Verdict},
    effect::{Happened, LeaseId, Outcome, Settled},
    lane::{Hold, Lease},
    message::Position,
    moves::Ending,
    queue::Queue,
    record::Record,
    settings::Backoff,
    timers::Timer,
};
use crate::types::{Millis, Timestamp};

/// An item of a command that settles a partition lease: its place in the command, which message, and how.
pub(super) type RunItem = (usize, u64, Verdict);

/// Items of a partition lease by their place in the run: their place in the command, and how.
type Verdicts = BTreeMap<usize, (usize, Verdict)>;

/// What became of a message of a partition lease that its head ended.
enum Step {
    /// It is settled, and the next may be.
    Final(Settled),
    /// It is the last that is settled; none: it is only back. The partition has so many failures then.
    Stop(Option<Settled>, u32),
}

/// Why a message is given up, if nobody said.
const FAILED: &str = "failed";

impl Queue {
    pub(super) fn settle(
        &mut self,
        from: ReplyTo,
        items: Vec<(LeaseId, Verdict)>,
    ) -> Option<Outcome> {
        if from.permit == Permit::None {
            // Receipts: nobody hears what became of them.
            self.settle_items(items, |_, _| {});
            return Some(Outcome::Settled(Vec::new()));
        }
        let mut results = vec![Settled::Lost; items.len()];
        self.settle_items(items, |at, settled| {
            if let Some(result) = results.get_mut(at) {
                *result = settled;
            }
        });
        Some(Outcome::Settled(results))
    }

    /// Ends leases: those of messages one by one, and then those of partitions, the items of each together.
    pub(super) fn settle_items(
        &mut self,
        items: Vec<(LeaseId, Verdict)>,
        mut tell: impl FnMut(usize, Settled),
    ) {
        let mut runs: BTreeMap<(u32, u32), Vec<RunItem>> = BTreeMap::new();
        let mut order = Vec::new();
        for (at, (lease, verdict)) in items.into_iter().enumerate() {
            let LeaseId { group, position, .. } = lease;
            if self.is_run_lease(lease) {
                let key = (group, position.partition);
                let members = runs.entry(key).or_insert_with(|| {
                    order.push(key);
                    Vec::new()
                });
                members.push((at, position.offset, verdict));
            } else {
                tell(at, self.settle_message(lease, verdict));
            }
        }
        for (group, partition) in order {
            let items = runs.remove(&(group, partition)).unwrap_or_default();
            self.settle_run(group, partition, items, &mut tell);
        }
    }

    /// The live lease of a message, if it is this one.
    fn live_lease(&self, lease: LeaseId) -> Option<&Lease> {
        let lane = self.lane_of(lease.group, lease.position.partition)?;
        match &lane.get(lease.position.offset)?.hold {
            Hold::Leased(live) if live.generation == lease.generation => Some(live),
            _ => None,
        }
    }

    /// Whether this is a live lease of a partition and the message still belongs to it; and it is not pinned.
    fn is_run_lease(&self, lease: LeaseId) -> bool {
        self.run_lease(lease).is_some_and(|live| live.pinned.is_none())
    }

    fn run_lease(&self, lease: LeaseId) -> Option<&Lease> {
        let LeaseId { group, position, generation } = lease;
        let lane = self.lane_of(group, position.partition)?;
        let run = lane.run.as_ref().filter(|run| run.lease.generation == generation)?;
        lane.is_in_run(position.offset).then_some(&run.lease)
    }

    /// The lease that this one names, of a message or of its partition.
    pub(super) fn named_lease(&self, lease: LeaseId) -> Option<&Lease> {
        self.live_lease(lease).or_else(|| self.run_lease(lease))
    }

    fn settle_message(&mut self, lease: LeaseId, verdict: Verdict) -> Settled {
        if self.live_lease(lease).is_none_or(|live| live.pinned.is_some()) {
            return Settled::Lost;
        }
        let LeaseId { group, position, .. } = lease;
        match verdict {
            Verdict::Done { result } => {
                self.leave(group, position, Ending::Done(result));
                Settled::Done
            }
            Verdict::Retry { delay, reason } => {
                self.retry(group, position, delay, reason.as_deref())
            }
            Verdict::Dead { reason } => self.bury(group, position, reason.as_deref()),
            Verdict::Release { delay } => {
                let at = self.after(delay);
                self.release(group, position, at);
                Settled::Back { at }
            }
            Verdict::Cancel => {
                self.cancel(&[position]);
                Settled::Cancelled
            }
        }
    }

    /// A leased message goes back to its place untouched, perhaps after a wait.
    pub(super) fn release(&mut self, group: u32, position: Position, until: Option<Timestamp>) {
        self.totals.released += 1;
        self.notify(Happened::Released, Some(position), group, 1);
        self.come_back(group, position, self.failures(group, position), until, false);
    }

    fn failures(&self, group: u32, position: Position) -> u32 {
        let lane = self.lane_of(group, position.partition);
        lane.map_or(0, |lane| lane.counts_of(position.offset).1)
    }

    fn after(&self, delay: Option<Millis>) -> Option<Timestamp> {
        delay.filter(|delay| delay.0 > 0).map(|delay| self.now.after(delay))
    }

    /// How often this message may fail, and how long it waits then.
    fn patience(&self, position: Position) -> (u32, Backoff) {
        let options = self.options(position);
        let attempts_max = options.and_then(|options| options.attempts_max);
        let backoff = options.and_then(|options| options.backoff);
        (
            attempts_max.unwrap_or(self.settings.attempts_max),
            backoff.unwrap_or(self.settings.backoff),
        )
    }

    fn wait(&self, position: Position, failures: u32, asked: Option<Millis>) -> Option<Timestamp> {
        let seed = self.seen(position).map_or(0, |message| message.sequence().0);
        let wait = asked.unwrap_or_else(|| self.patience(position).1.wait(failures, seed));
        self.after(Some(wait))
    }

    /// A leased message has failed once more.
    fn retry(
        &mut self,
        group: u32,
        position: Position,
        delay: Option<Millis>,
        reason: Option<&str>,
    ) -> Settled {
        let failures = self.failures(group, position).saturating_add(1);
        let attempts_max = self.patience(position).0;
        if attempts_max > 0 && failures >= attempts_max {
            self.set_failures(group, position, failures);
            return self.bury(group, position, reason);
        }
        let at = self.wait(position, failures, delay);
        self.totals.retried += 1;
        self.notify(Happened::Retried, Some(position), group, 1);
        self.come_back(group, position, failures, at, true);
        Settled::Back { at }
    }

    fn set_failures(&mut self, group: u32, position: Position, failures: u32) {
        if let Some(members) = self.group_mut(group)
            && let Some(lane) = members.lanes.get_mut(position.partition)
        {
            lane.set_failures(position.offset, failures);
        }
    }

    fn bury(&mut self, group: u32, position: Position, reason: Option<&str>) -> Settled {
        self.give_up(group, position, reason.unwrap_or(FAILED));
        if self.settings.dead_letter { Settled::Dead } else { Settled::Dropped }
    }

    /// Removes messages by hand, whatever their state.
    pub(super) fn cancel(&mut self, positions: &[Position]) {
        self.totals.cancelled += positions.len() as u64;
        for position in positions {
            self.notify(Happened::Cancelled, Some(*position), super::queue::WORK, 1);
        }
        self.append(Record::Removed { at: self.now, positions: positions.to_vec() });
        positions.iter().for_each(|position| self.take_away(*position, Some("cancelled")));
    }

    /// Some messages of a partition lease are settled.
    pub(super) fn settle_run(
        &mut self,
        group: u32,
        partition: u32,
        items: Vec<RunItem>,
        tell: &mut impl FnMut(usize, Settled),
    ) {
        let Some(run) = self.lane_of(group, partition).and_then(|lane| lane.run.as_ref()) else {
            return;
        };
        let generation = run.lease.generation;
        let place: BTreeMap<u64, usize> = run.members.iter().copied().zip(0..).collect();
        let mut verdicts: Verdicts = BTreeMap::new();
        for (at, offset, verdict) in items {
            if let Some(place) = place.get(&offset) {
                // The first word counts; a second one is lost.
                verdicts.entry(*place).or_insert((at, verdict));
            }
        }
        let is_head = |verdict: &Verdict| !matches!(verdict, Verdict::Done { .. });
        let head =
            verdicts.iter().find(|(_, (_, verdict))| is_head(verdict)).map(|(place, _)| *place);
        let before_head = verdicts.range(..head.unwrap_or(usize::MAX));
        let done = before_head.map(|(place, _)| place + 1).next_back().unwrap_or(0);
        self.finish_run_members(group, partition, done, &mut verdicts, tell);
        let is_over = match head {
            None => {
                let is_over = self.lane_of(group, partition).is_some_and(|lane| lane.run.is_none());
                if is_over {
                    self.charge(group, partition, 0);
                }
                is_over
            }
            Some(head) => self.settle_from(group, partition, done, head, verdicts, tell),
        };
        if is_over
            && let Some(members) = self.group_mut(group)
            && let Some(lane) = members.lanes.get_mut(partition)
        {
            lane.settled_run = Some(generation);
        }
    }

    /// A partition lease ends by its head. The first `done` messages are done already. Whether none came back.
    fn settle_from(
        &mut self,
        group: u32,
        partition: u32,
        done: usize,
        head: usize,
        mut verdicts: Verdicts,
        tell: &mut impl FnMut(usize, Settled),
    ) -> bool {
        let Some(run) = self.end_run(group, partition) else { return false };
        let before = self.lane_of(group, partition).map_or(0, |lane| lane.failures);
        let last_done =
            verdicts.iter().rev().find(|(_, (_, it))| matches!(it, Verdict::Done { .. }));
        let last_done = last_done.map_or(0, |(place, _)| *place);
        // How many failures the partition has then; none: nothing has stopped it.
        let mut stopped = None;
        let mut is_over = true;
        for (offset, place) in run.members.into_iter().zip(done..) {
            let position = Position { partition, offset };
            let item = verdicts.remove(&place);
            let goes_on = place >= head && stopped.is_none();
            let settled = match (&item, goes_on) {
                (Some((_, verdict)), true) => {
                    let step = self.settle_member(group, position, verdict, before, place == head);
                    match step {
                        Step::Final(settled) => Some(settled),
                        Step::Stop(settled, failures) => {
                            stopped = Some(failures);
                            is_over = false;
                            settled
                        }
                    }
                }
                (None, true) if place < last_done => {
                    self.leave(group, position, Ending::Done(None));
                    Some(Settled::Done)
                }
                (_, goes_on) => {
                    if goes_on {
                        stopped = Some(0);
                    }
                    None
                }
            };
            let settled = settled.unwrap_or_else(|| {
                is_over = false;
                let counted = self.failures(group, position);
                self.come_back(group, position, counted, None, false);
                Settled::Back { at: None }
            });
            if let Some((at, _)) = item {
                tell(at, settled);
            }
        }
        self.charge(group, partition, stopped.unwrap_or(0));
        is_over
    }

    /// One message of a partition lease that its head ends, the head or behind it.
    fn settle_member(
        &mut self,
        group: u32,
        position: Position,
        verdict: &Verdict,
        before: u32,
        is_head: bool,
    ) -> Step {
        match verdict {
            Verdict::Done { result } => {
                self.leave(group, position, Ending::Done(result.clone()));
                Step::Final(Settled::Done)
            }
            Verdict::Dead { reason } => Step::Final(self.bury(group, position, reason.as_deref())),
            Verdict::Cancel => {
                self.cancel(&[position]);
                Step::Final(Settled::Cancelled)
            }
            Verdict::Retry { delay, reason } => {
                let failures = before.saturating_add(1);
                let attempts_max = self.patience(position).0;
                if attempts_max > 0 && failures >= attempts_max {
                    self.set_failures(group, position, failures);
                    return Step::Final(self.bury(group, position, reason.as_deref()));
                }
                if !is_head {
                    return Step::Stop(None, before);
                }
                let at = self.wait(position, failures, *delay);
                self.totals.retried += 1;
                self.notify(Happened::Retried, Some(position), group, 1);
                let counted = self.failures(group, position);
                self.come_back(group, position, counted, at, false);
                Step::Stop(Some(Settled::Back { at }), failures)
            }
            Verdict::Release { .. } if !is_head => Step::Stop(None, 0),
            Verdict::Release { delay } => {
                let at = self.after(*delay);
                self.release(group, position, at);
                Step::Stop(Some(Settled::Back { at }), before)
            }
        }
    }

    /// The first `count` messages of a partition lease are done.
    fn finish_run_members(
        &mut self,
        group: u32,
        partition: u32,
        count: usize,
        verdicts: &mut Verdicts,
        tell: &mut impl FnMut(usize, Settled),
    ) {
        let Some(members) = self.group_mut(group) else { return };
        let Some(run) = members.lanes.get_mut(partition).and_then(|lane| lane.run.as_mut()) else {
            return;
        };
        let done: Vec<u64> = run.members.drain(..count).collect();
        for (place, offset) in done.into_iter().enumerate() {
            let result = match verdicts.remove(&place) {
                Some((at, Verdict::Done { result })) => {
                    tell(at, Settled::Done);
                    result
                }
                _ => None,
            };
            self.leave(group, Position { partition, offset }, Ending::Done(result));
        }
    }

    /// Sets the failures of a partition under partition leases.
    pub(super) fn charge(&mut self, group: u32, partition: u32, failures: u32) {
        let Some(members) = self.group_mut(group) else { return };
        let Some(lane) = members.lanes.get_mut(partition) else { return };
        if lane.failures != failures {
            lane.failures = failures;
            self.append(Record::Charged { group, partition, failures });
        }
    }

    pub(super) fn extend(&mut self, leases: &[LeaseId], by: Option<Millis>) -> Outcome {
        let until = self.now.after(by.unwrap_or(self.settings.lease));
        let ends = leases.iter().map(|lease| self.extend_to(*lease, until)).collect();
        Outcome::Extended(ends)
    }

    fn extend_to(&mut self, id: LeaseId, until: Timestamp) -> Option<Timestamp> {
        let live = self.named_lease(id).filter(|live| live.pinned.is_none())?;
        let before = live.until?;
        if until <= before {
            return Some(before);
        }
        let LeaseId { group, position, .. } = id;
        if self.live_lease(id).is_none() {
            return self.extend_run(group, position.partition, until);
        }
        let lane = self.group_mut(group)?.lanes.get_mut(position.partition)?;
        lane.lease_mut(position.offset)?.until = Some(until);
        let timer = Timer::Lease { group, position };
        self.timers.clear(before, timer.clone());
        self.timers.set(until, timer);
        Some(until)
    }

    /// Prolongs the lease of a partition; none: there is none, it is not timed, or a transaction keeps it.
    pub(super) fn extend_run(
        &mut self,
        group: u32,
        partition: u32,
        until: Timestamp,
    ) -> Option<Timestamp> {
        let lane = self.group_mut(group)?.lanes.get_mut(partition)?;
        let lease = &mut lane.run.as_mut().filter(|run| run.lease.pinned.is_none())?.lease;
        let before = lease.until?;
        if until <= before {
            return Some(before);
        }
        lease.until = Some(until);
        self.timers.clear(before, Timer::Run { group, partition });
        self.timers.set(until, Timer::Run { group, partition });
        Some(until)
    }

    /// The lease of a message runs out.
    pub(super) fn lease_ends(&mut self, group: u32, position: Position) {
        let lane = self.lane_of(group, position.partition);
        let hold = lane.and_then(|lane| lane.get(position.offset)).map(|delivery| &delivery.hold);
        let Some(Hold::Leased(lease)) = hold else { return };
        if lease.pinned.is_some() {
            return; // Its transaction decides.
        }
        self.totals.leases_expired += 1;
        self.notify(Happened::LeaseExpired, Some(position), group, 1);
        let failures = self.failures(group, position);
        if !self.settings.expiry_is_failure {
            return self.come_back(group, position, failures, None, false);
        }
        let (attempts_max, failures) = (self.patience(position).0, failures.saturating_add(1));
        if attempts_max > 0 && failures >= attempts_max {
            self.set_failures(group, position, failures);
            self.give_up(group, position, "lease expired");
        } else {
            self.come_back(group, position, failures, None, true);
        }
    }

    /// The lease of a partition runs out.
    pub(super) fn run_ends(&mut self, group: u32, partition: u32) {
        let run = self.lane_of(group, partition).and_then(|lane| lane.run.as_ref());
        if run.is_none_or(|run| run.lease.pinned.is_some()) {
            return;
        }
        self.totals.leases_expired += 1;
        self.notify(Happened::LeaseExpired, None, group, 1);
        self.release_run(group, partition);
    }
}

impl Queue {
    /// Marks leases as belonging to a prepared transaction, or no longer.
    pub(super) fn pin(&mut self, leases: &[LeaseId], ticket: Option<u64>) {
        for id in leases {
            let LeaseId { group, position, generation } = *id;
            let Some(members) = self.group_mut(group) else { continue };
            let Some(lane) = members.lanes.get_mut(position.partition) else { continue };
            if let Some(lease) = lane.lease_mut(position.offset)
                && lease.generation == generation
            {
                lease.pinned = ticket;
            }
            if let Some(run) = lane.run.as_mut()
                && run.lease.generation == generation
            {
                run.lease.pinned = ticket;
            }
        }
    }

    /// Leases whose end had to wait for a transaction that was given up: an end that is over is the next
    /// thing to happen.
    pub(super) fn end_overdue(&mut self, leases: &[LeaseId]) {
        for id in leases {
            let LeaseId { group, position, generation } = *id;
            let partition = position.partition;
            let of_run = self.lane_of(group, partition).and_then(|lane| lane.run.as_ref());
            let of_run = of_run.map(|run| &run.lease).filter(|it| it.generation == generation);
            let Some(lease) = self.live_lease(*id).or(of_run) else { continue };
            let (is_orphaned, until) = (lease.orphaned, lease.until);
            let timer = match self.live_lease(*id) {
                Some(_) if is_orphaned => {
                    self.release(group, position, None);
                    continue;
                }
                None if is_orphaned => {
                    self.release_run(group, partition);
                    continue;
                }
                Some(_) => Timer::Lease { group, position },
                None => Timer::Run { group, partition },
            };
            if let Some(until) = until {
                self.timers.set(until, timer);
            }
        }
    }
}
