//! Ending deliveries of partitions by the names of their messages, and prolonging all that one take gave.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    command::{Name, SettleNamed, State, Verdict},
    effect::{LeaseId, NamedSettled, Outcome, Settled, SettledPart},
    lane::Lane,
    message::Position,
    moves::Ending,
    queue::Queue,
};
use crate::{
    error::ErrorCode,
    types::{Millis, Timestamp},
};

/// Ready messages that are looked at for a name when nobody has the partition.
const SCAN_MAX: usize = 10_000;

/// What is to be done to the message with a name, if the name means anything: its place, in an order.
type Found = Vec<Option<usize>>;

impl Queue {
    pub(super) fn settle_all_named(&mut self, parts: Vec<SettleNamed>) -> Outcome {
        let settled = parts.into_iter().map(|part| self.settle_named(part)).collect();
        Outcome::SettledNamed(settled)
    }

    /// The lease of a partition that a part of a transaction names.
    pub(super) fn lease_of_named(&self, part: &SettleNamed) -> Option<LeaseId> {
        let group = self.named(part.group.as_ref()).ok()?;
        let partition = *self.by_key.get(&part.partition)?;
        let run = self.lane_of(group, partition)?.run.as_ref()?;
        let position = Position { partition, offset: *run.members.first()? };
        Some(LeaseId { group, position, generation: run.lease.generation })
    }

    /// Whether a part of a transaction can be done as a whole; its group and partition.
    ///
    /// # Errors
    /// `LeaseLost`, `MessageNotFound`.
    pub(super) fn check_named(&self, part: &SettleNamed) -> Result<(u32, u32), ErrorCode> {
        let missing = match part.lease {
            Some(_) => ErrorCode::LeaseLost,
            None => ErrorCode::MessageNotFound,
        };
        let group = self.named(part.group.as_ref()).map_err(|_| missing)?;
        let partition = *self.by_key.get(&part.partition).ok_or(missing)?;
        let lane = self.lane_of(group, partition).ok_or(missing)?;
        let found = match &lane.run {
            Some(run) => {
                let is_it = part.lease.is_none_or(|lease| lease == run.lease.generation);
                if !is_it || run.lease.pinned.is_some() {
                    return Err(ErrorCode::LeaseLost);
                }
                self.find_named(partition, run.members.iter().copied(), &part.items)
            }
            None if part.lease.is_some() => return Err(ErrorCode::LeaseLost),
            None => {
                let ready = self.first_ready_of(group, partition);
                self.find_named(partition, ready.into_iter(), &part.items)
            }
        };
        let is_fine = |(place, (name, verdict)): (&Option<usize>, &(Name, Verdict))| {
            let is_done = matches!(verdict, Verdict::Done { .. });
            place.is_some() || (is_done && self.is_behind(group, partition, name))
        };
        match found.iter().zip(&part.items).all(is_fine) {
            true => Ok((group, partition)),
            false => Err(ErrorCode::MessageNotFound),
        }
    }

    fn first_ready_of(&self, group: u32, partition: u32) -> Vec<u64> {
        let part = self.partitions.get(partition);
        let ready = part.zip(self.lane_of(group, partition)).map(|(part, lane)| {
            lane.iter_ready(&part.log).take(SCAN_MAX).map(|(_, offset)| offset).collect()
        });
        ready.unwrap_or_default()
    }

    pub(super) fn settle_named(&mut self, part: SettleNamed) -> SettledPart {
        let SettleNamed { group, partition, lease, items } = part;
        let group = self.named(group.as_ref()).ok();
        let partition = self.by_key.get(&partition).copied();
        let (Some(group), Some(partition)) = (group, partition) else {
            let what = match lease {
                Some(_) => NamedSettled::Settled(Settled::Lost),
                None => NamedSettled::Unknown,
            };
            return SettledPart { released: false, items: vec![what; items.len()] };
        };
        let lane = self.lane_of(group, partition);
        let live = lane.and_then(|lane| lane.run.as_ref()).map(|run| &run.lease);
        match (live, lease) {
            (Some(live), lease)
                if live.pinned.is_none() && lease.is_none_or(|it| it == live.generation) =>
            {
                self.settle_named_run(group, partition, items)
            }
            (None, None) => self.settle_named_ready(group, partition, &items),
            (_, lease) => {
                let is_again = lease.is_some() && lane.is_some_and(|it| it.settled_run == lease);
                let is_old = lease.is_some_and(|lease| lease < self.config.first_generation);
                let again = |name: &Name, verdict: &Verdict| {
                    (is_again || is_old && matches!(verdict, Verdict::Done { .. }))
                        && self.is_behind(group, partition, name)
                };
                let items = items.iter().map(|(name, verdict)| match again(name, verdict) {
                    true => NamedSettled::Again,
                    false => NamedSettled::Settled(Settled::Lost),
                });
                SettledPart { released: is_again, items: items.collect() }
            }
        }
    }

    /// Whether the group is done with a message, or has given it up.
    fn is_behind(&self, group: u32, partition: u32, name: &Name) -> bool {
        let known = self.known.keys.get(&(partition, Arc::clone(&name.key)));
        let position = known.map(|known| known.position).or(name.position);
        let Some(position) = position.filter(|position| position.partition == partition) else {
            return false;
        };
        match self.state(group, position) {
            Some(state) => matches!(state, State::Done | State::Dead),
            None => self.was_used(position),
        }
    }

    /// What a name means among messages in some order.
    fn find_named(
        &self,
        partition: u32,
        offsets: impl Iterator<Item = u64>,
        items: &[(Name, Verdict)],
    ) -> Found {
        let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
        let mut places: BTreeMap<u64, usize> = BTreeMap::new();
        let wanted: BTreeSet<&str> = items.iter().map(|(name, _)| name.key.as_ref()).collect();
        for (offset, place) in offsets.zip(0..) {
            places.insert(offset, place);
            let options = self.options(Position { partition, offset });
            if let Some(key) = options.and_then(|options| options.key.as_ref())
                && let Some(key) = wanted.get(key.text.as_ref())
            {
                keys.entry(*key).or_insert(place);
            }
        }
        let at = |position: Position| {
            places.get(&position.offset).filter(|_| position.partition == partition)
        };
        let found = items.iter().map(|(name, _)| {
            keys.get(name.key.as_ref()).or_else(|| name.position.and_then(at)).copied()
        });
        found.collect()
    }

    /// What is answered of a name that means none of those that could be settled.
    fn not_found(&self, group: u32, partition: u32, name: &Name) -> NamedSettled {
        match self.is_behind(group, partition, name) {
            true => NamedSettled::Before,
            false => NamedSettled::Unknown,
        }
    }

    /// Somebody has the partition.
    fn settle_named_run(
        &mut self,
        group: u32,
        partition: u32,
        items: Vec<(Name, Verdict)>,
    ) -> SettledPart {
        let run = self.lane_of(group, partition).and_then(|lane| lane.run.as_ref());
        let members = run.map_or_else(Vec::new, |run| run.members.clone());
        let found = self.find_named(partition, members.iter().copied(), &items);
        let mut answers: Vec<NamedSettled> =
            items.iter().map(|(name, _)| self.not_found(group, partition, name)).collect();
        let verdicts = strongest(&found, items.into_iter().map(|(_, verdict)| verdict));
        let run_items = verdicts
            .into_iter()
            .filter_map(|(place, verdict)| Some((place, *members.get(place)?, verdict)));
        let mut settled: BTreeMap<usize, Settled> = BTreeMap::new();
        self.settle_run(group, partition, run_items.collect(), &mut |place, how| {
            settled.insert(place, how);
        });
        for (answer, place) in answers.iter_mut().zip(found) {
            if let Some(how) = place.and_then(|place| settled.get(&place)) {
                *answer = NamedSettled::Settled(*how);
            }
        }
        let released = self.lane_of(group, partition).is_some_and(|lane| lane.run.is_none());
        SettledPart { released, items: answers }
    }

    /// Nobody has the partition: what is done is done, with all ready ones before it; nothing else counts.
    fn settle_named_ready(
        &mut self,
        group: u32,
        partition: u32,
        items: &[(Name, Verdict)],
    ) -> SettledPart {
        let ready = self.first_ready_of(group, partition);
        let found = self.find_named(partition, ready.iter().copied(), items);
        let is_done = |verdict: &Verdict| matches!(verdict, Verdict::Done { .. });
        let head = found.iter().zip(items).filter(|(_, (_, verdict))| !is_done(verdict));
        let head = head.filter_map(|(place, _)| *place).min().unwrap_or(usize::MAX);
        let mut results: BTreeMap<usize, &Verdict> = BTreeMap::new();
        for (place, (_, verdict)) in found.iter().zip(items) {
            if let Some(place) = place.filter(|place| *place < head) {
                results.entry(place).or_insert(verdict);
            }
        }
        let end = results.last_key_value().map_or(0, |(place, _)| place + 1);
        let answers = found.iter().zip(items).map(|(place, (name, _))| match place {
            Some(place) if *place < end => NamedSettled::Settled(Settled::Done),
            Some(_) => NamedSettled::Settled(Settled::Back { at: None }),
            None => self.not_found(group, partition, name),
        });
        let answers = answers.collect();
        for (place, offset) in ready.into_iter().enumerate().take(end) {
            let result = match results.get(&place) {
                Some(Verdict::Done { result }) => result.clone(),
                _ => None,
            };
            self.leave(group, Position { partition, offset }, Ending::Done(result));
        }
        SettledPart { released: false, items: answers }
    }

    pub(super) fn extend_take(&mut self, generation: u64, by: Millis) -> Outcome {
        let until = self.now.after(by);
        let mut ends: Vec<Option<Timestamp>> = Vec::new();
        for group in self.group_numbers() {
            let lanes = self.group(group).into_iter().flat_map(|group| group.lanes.iter());
            let is_it = |lane: &Lane| {
                lane.run.as_ref().is_some_and(|run| run.lease.generation == generation)
            };
            let partitions: Vec<u32> =
                lanes.filter(|(_, lane)| is_it(lane)).map(|(it, _)| it).collect();
            for partition in partitions {
                ends.push(self.extend_run(group, partition, until));
            }
        }
        Outcome::Extended(ends)
    }
}

/// One verdict for each place: giving up goes before failing, failing before giving back, and that before
/// being done.
fn strongest(found: &Found, verdicts: impl Iterator<Item = Verdict>) -> BTreeMap<usize, Verdict> {
    let mut all: BTreeMap<usize, Verdict> = BTreeMap::new();
    for (place, verdict) in found.iter().zip(verdicts) {
        let Some(place) = place else { continue };
        match all.get_mut(place) {
            Some(other) if rank(other) <= rank(&verdict) => {}
            Some(other) => *other = verdict,
            None => drop(all.insert(*place, verdict)),
        }
    }
    all
}

const fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Cancel => 0,
        Verdict::Dead { .. } => 1,
        Verdict::Retry { .. } => 2,
        Verdict::Release { .. } => 3,
        Verdict::Done { .. } => 4,
    }
}
