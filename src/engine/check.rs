//! The invariants of the module's front page, and what a replay must bring back.

use std::collections::BTreeMap;

use super::{
    command::State,
    effect::Effect,
    lane::Hold,
    message::{Message, ParentFailed, Position},
    queue::{Parent, Queue, WORK},
    settings::MessageOrder,
    view::Status,
    waiters::{Line, Receiver},
};
use crate::types::{PartitionKey, Timestamp};

impl Queue {
    /// # Panics
    /// When an invariant does not hold.
    pub(super) fn check_invariants(&self) {
        let fifo = self.settings.ordering == MessageOrder::Fifo;
        let (mut messages, mut bytes, mut away, mut open_messages, mut open_bytes) =
            (0, 0, 0, 0, 0);
        for group in self.groups.iter().flatten() {
            group.check(&self.partitions, fifo);
        }
        for (partition, part) in self.partitions.iter() {
            assert_eq!(part.log.len(), part.log.from(0).count(), "I5: log");
            let settled = part.log.from(0).filter(|(_, seen)| seen.is_settled());
            let settled: Vec<u64> = settled.map(|(offset, _)| offset).collect();
            assert_eq!(settled.len(), part.settled, "I5: settled");
            assert_eq!(part.next_settled(0).map(|(offset, _)| offset), settled.first().copied());
            for (offset, slot) in part.log.from(0) {
                let position = Position { partition, offset };
                messages += 1;
                let message = slot.message();
                bytes += message.body.len();
                away += if message.body.is_away() { message.body.len() } else { 0 };
                assert_eq!(message.position, position, "I1");
                assert!(message.sent_in <= self.last_record, "I6");
                let states: Vec<State> =
                    self.group_numbers().filter_map(|group| self.state(group, position)).collect();
                let is_open = |state: &&State| !matches!(state, State::Done | State::Dead);
                assert_eq!(slot.open() as usize, states.iter().filter(is_open).count(), "I5: open");
                let dead = states.iter().filter(|state| **state == State::Dead).count();
                assert_eq!(slot.dead() as usize, dead, "I5: dead");
                if slot.open() > 0 {
                    open_messages += 1;
                    open_bytes += message.body.len();
                } else if slot.dead() == 0 {
                    assert!(self.settings.retain_settled.0 > 0, "a settled message is kept");
                    assert!(slot.settled().is_some(), "since when is it settled?");
                }
            }
        }
        assert_eq!((messages, bytes, away), (self.messages, self.bytes, self.away), "I5");
        assert_eq!((open_messages, open_bytes), (self.open_messages, self.open_bytes), "I5: open");
        if self.status != Status::Open {
            let receivers = self.groups.iter().flatten().map(super::group::Group::receivers);
            assert_eq!(receivers.sum::<usize>(), 0, "I4");
        }
        let is_filling = |group: &u32| self.group(*group).is_some_and(|it| !it.filling.is_empty());
        let filling = self.group_numbers().filter(is_filling);
        assert!(filling.eq(self.filling.iter().copied()));
        assert_eq!(self.awaiting, self.awaits.values().map(Vec::len).sum::<usize>());
        self.check_dependencies();
        self.check_leases();
        self.check_liveness();
        assert!(self.timers.next().is_none_or(|at| at > self.now), "I9");
        assert!(self.unserved.is_empty() && self.unrecorded.is_empty() && self.untold.is_empty());
    }

    fn check_dependencies(&self) {
        for group in self.group_numbers() {
            for child in self.positions(group, |state| state == State::Blocked) {
                assert!(self.parents.contains_key(&child), "{child} is blocked by nothing");
            }
        }
        for (child, parents) in &self.parents {
            assert!(!parents.is_empty());
            assert!(self.seen(*child).is_some(), "a child is kept");
            for parent in parents {
                assert!(self.children[parent].contains(child), "both ways");
            }
        }
        for (parent, children) in &self.children {
            assert!(!children.is_empty());
            assert!(children.iter().all(|child| self.parents[child].contains(parent)), "both ways");
            if let Parent::Position(position) = parent {
                // A failed parent that is no longer dead, but kept for others, looks done.
                let waits = |child| self.rule_of(child) == ParentFailed::Wait;
                assert!(
                    self.state(WORK, *position) != Some(State::Done)
                        || children.iter().all(|child| waits(*child)),
                    "done means free"
                );
            }
        }
    }

    fn check_leases(&self) {
        for (number, group) in (0..).zip(&self.groups) {
            let Some(group) = group else { continue };
            let mut outstanding: BTreeMap<_, u32> = BTreeMap::new();
            let mut bound: BTreeMap<_, Vec<Position>> = BTreeMap::new();
            for (partition, lane) in group.lanes.iter() {
                for (offset, delivery) in lane.exceptions() {
                    let Hold::Leased(lease) = &delivery.hold else { continue };
                    let position = Position { partition, offset };
                    assert!(delivery.attempts >= 1, "I6: leased means attempted");
                    assert!(lease.generation < self.next_generation, "I6");
                    if let Some(session) = lease.bound {
                        bound.entry(session).or_default().push(position);
                    }
                    if let Some(key) = lease.receiver {
                        *outstanding.entry(key).or_default() += 1;
                    }
                }
            }
            for (session, positions) in &bound {
                assert_eq!(group.bound_to(*session), *positions, "bound");
            }
            let counts = bound.iter().map(|(session, all)| (*session, all.len())).collect();
            assert_eq!(group.bound.counts(), counts, "bound");
            for (key, standing) in &group.standing {
                let leased = outstanding.get(key).copied().unwrap_or_default();
                assert_eq!(standing.outstanding, leased, "credit of {number} {key:?}");
            }
        }
    }

    /// I3, by looking at every message for every receiver: no index is asked.
    fn check_liveness(&self) {
        if self.status != Status::Open || self.paused {
            return;
        }
        for (number, group) in (0..).zip(&self.groups) {
            let Some(group) = group else { continue };
            let leased = self.positions(number, |state| state == State::Leased).len();
            if self.settings.concurrency.is_some_and(|cap| leased >= cap as usize) {
                continue;
            }
            for receiver in group.waiters.receivers() {
                let Some(position) = self.could_be_taken(number, receiver) else { continue };
                let Some(rate) = self.settings.rate else {
                    panic!("I3: {position} is ready, and {receiver:?} waits");
                };
                let counts = |at: &&Timestamp| at.after(rate.per) > self.now;
                let used = self.deliveries.iter().filter(counts).count();
                assert!(used >= rate.count as usize, "I3: {position} is ready for {receiver:?}");
                assert!(rate.count == 0 || self.rate_timer.is_some(), "I3: nobody looks again");
            }
        }
    }

    /// A message that a receiver may have.
    fn could_be_taken(&self, group: u32, receiver: &Receiver) -> Option<Position> {
        let is_of = |position: &Position, key: &PartitionKey| {
            self.partitions.get(position.partition).unwrap().key == *key
        };
        let is_free = |position: &Position| {
            self.lane_of(group, position.partition).is_some_and(|lane| lane.run.is_none())
        };
        let ready = self.positions(group, |state| state == State::Ready);
        let mut ready = ready.into_iter().filter(is_free);
        match &receiver.line {
            Line::Message => ready.next(),
            Line::MessageOf(key) => ready.find(|position| is_of(position, key)),
            Line::Labelled(key, labels) => ready.find(|position| {
                key.as_ref().is_none_or(|key| is_of(position, key))
                    && self.seen(*position).unwrap().has_labels(labels)
            }),
            Line::Partition => ready.find(|position| self.is_first(group, *position)),
            Line::PartitionOf(key) => {
                ready.find(|position| is_of(position, key) && self.is_first(group, *position))
            }
        }
    }

    /// Whether a ready message comes before all others of its partition that are open, and none is leased.
    fn is_first(&self, group: u32, position: Position) -> bool {
        let lane = self.lane_of(group, position.partition).unwrap();
        let place = |offset: u64| (lane.get(offset).map_or(0, |one| one.class), offset);
        let log = &self.partitions.get(position.partition).unwrap().log;
        log.from(0).all(|(offset, _)| match lane.state(offset) {
            State::Leased => false,
            State::Done | State::Dead => true,
            State::Blocked | State::Delayed | State::Ready => {
                place(offset) >= place(position.offset)
            }
        })
    }

    /// What a replay must bring back, as text.
    pub(super) fn durable_state(&self) -> Vec<String> {
        let mut state = vec![
            format!("{:?} paused {} {:?}", self.status, self.paused, self.settings),
            format!("last {:?} {:?}", self.last_sequence, self.last_record),
            format!("groups {:?} partitions {:?}", self.by_name, self.by_key),
            format!("parents {:?}", self.parents),
        ];
        for (partition, part) in self.partitions.iter() {
            state.extend(part.gathering.map(|window| format!("{partition} {window:?}")));
            for (offset, slot) in part.log.from(0) {
                let position = Position { partition, offset };
                // By which record it came is forgotten with the record; where its body is does not matter.
                let message = slot.message();
                let Message { sequence, sent_at, expires_at, body, options, .. } = message.as_ref();
                let mut line = format!(
                    "{position} {sequence:?} {sent_at:?} {expires_at:?} {} {:?} {options:?} {:?}",
                    body.len(),
                    body.content_type(),
                    slot.settled()
                );
                for group in self.group_numbers() {
                    let lane = self.lane_of(group, partition);
                    let hold = lane.and_then(|lane| lane.get(offset)).map(|one| &one.hold);
                    let failures = lane.map_or(0, |lane| lane.counts_of(offset).1);
                    let shown = match (lane.map(|lane| lane.state(offset)), hold) {
                        (Some(State::Leased | State::Ready), _) => "ready".to_owned(),
                        (Some(State::Done), _) => "done".to_owned(),
                        (_, hold) => format!("{hold:?}"),
                    };
                    line += &format!(" {group}: {shown} {failures}");
                }
                state.push(line);
            }
        }
        for (number, group) in (0..).zip(&self.groups) {
            let group: Option<&super::group::Group> = group.as_ref();
            for (partition, lane) in group.iter().flat_map(|group| group.lanes.iter()) {
                let (number, partition): (u32, u32) = (number, partition);
                if lane.failures > 0 {
                    state.push(format!("lane {number} {partition} failures {}", lane.failures));
                }
            }
        }
        state.extend(
            self.known.ids.iter().map(|(id, known)| format!("id {id} {:?}", known.position)),
        );
        let key = |(place, known): (&(u32, _), &super::known::KnownKey)| {
            format!("key {place:?} {:?} {:?}", known.position, known.content)
        };
        state.extend(self.known.keys.iter().map(key));
        state.extend(self.schedules.iter().map(|schedule| format!("{schedule:?}")));
        state
    }

    /// How often each message was delivered to each group: a replay does not bring that back, but an image
    /// does.
    pub(super) fn attempts(&self) -> BTreeMap<(u32, Position), u32> {
        let mut attempts = BTreeMap::new();
        for group in self.group_numbers() {
            for position in self.positions(group, |state| state != State::Done) {
                let lane = self.lane_of(group, position.partition).unwrap();
                attempts.insert((group, position), lane.counts_of(position.offset).0);
            }
        }
        attempts
    }

    /// Ends all leases, as a crash does: what is written down is then all there is.
    pub(super) fn end_all_leases(&mut self, effects: &mut Vec<Effect>) {
        std::mem::swap(&mut self.effects, effects);
        for group in self.group_numbers() {
            for position in self.positions(group, |state| state == State::Leased) {
                let lane = self.lane_of(group, position.partition);
                if lane.is_some_and(|lane| lane.run.is_some()) {
                    self.release_run(group, position.partition);
                } else if let Some(lane) = lane {
                    let failures = lane.counts_of(position.offset).1;
                    self.come_back(group, position, failures, None, false);
                }
            }
        }
        self.unserved.clear();
        self.pass_time(self.now);
        self.record_settled();
        std::mem::swap(&mut self.effects, effects);
    }
}
