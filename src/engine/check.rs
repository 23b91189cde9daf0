//! The invariants of the module's front page, and what a replay must bring back.

use std::collections::BTreeMap;

use super::{
    command::State,
    effect::Effect,
    lane::Hold,
    message::Position,
    queue::{Parent, Queue, WORK},
    settings::MessageOrder,
    view::Status,
};

impl Queue {
    /// # Panics
    /// When an invariant does not hold.
    pub(super) fn check_invariants(&self) {
        let fifo = self.settings.ordering == MessageOrder::Fifo;
        let (mut messages, mut bytes, mut open_messages, mut open_bytes) = (0, 0, 0, 0);
        for group in self.groups.iter().flatten() {
            group.check(&self.partitions, fifo);
        }
        for (partition, part) in (0..).zip(&self.partitions) {
            assert_eq!(part.log.len(), part.log.from(0).count(), "I5: log");
            for (offset, slot) in part.log.from(0) {
                let position = Position { partition, offset };
                messages += 1;
                bytes += slot.message.body.len();
                assert_eq!(slot.message.position, position, "I1");
                assert!(slot.message.sent_in <= self.last_record, "I6");
                let states: Vec<State> =
                    self.group_numbers().filter_map(|group| self.state(group, position)).collect();
                let is_open = |state: &&State| !matches!(state, State::Done | State::Dead);
                assert_eq!(slot.open as usize, states.iter().filter(is_open).count(), "I5: open");
                let dead = states.iter().filter(|state| **state == State::Dead).count();
                assert_eq!(slot.dead as usize, dead, "I5: dead");
                if slot.open > 0 {
                    open_messages += 1;
                    open_bytes += slot.message.body.len();
                } else if slot.dead == 0 {
                    assert!(self.settings.retain_settled.0 > 0, "a settled message is kept");
                    assert!(slot.settled.is_some(), "since when is it settled?");
                }
            }
        }
        assert_eq!((messages, bytes), (self.messages, self.bytes), "I5");
        assert_eq!((open_messages, open_bytes), (self.open_messages, self.open_bytes), "I5: open");
        if self.status != Status::Open {
            let receivers = self.groups.iter().flatten().map(super::group::Group::receivers);
            assert_eq!(receivers.sum::<usize>(), 0, "I4");
        }
        assert_eq!(self.awaiting, self.awaits.values().map(Vec::len).sum::<usize>());
        self.check_dependencies();
        self.check_leases();
        assert!(self.timers.next().is_none_or(|at| at > self.now), "I9");
        assert!(self.unserved.is_empty() && self.unrecorded.is_empty() && self.untold.is_empty());
    }

    fn check_dependencies(&self) {
        for (child, parents) in &self.parents {
            assert!(!parents.is_empty());
            let blocked =
                |group| self.state(group, *child).is_none_or(|state| state == State::Blocked);
            assert!(self.group(WORK).is_none() || blocked(WORK), "a child is blocked");
            for parent in parents {
                assert!(self.children[parent].contains(child), "both ways");
            }
        }
        for (parent, children) in &self.children {
            assert!(!children.is_empty());
            assert!(children.iter().all(|child| self.parents[child].contains(parent)), "both ways");
            if let Parent::Position(position) = parent {
                assert_ne!(self.state(WORK, *position), Some(State::Done), "done means free");
            }
        }
    }

    fn check_leases(&self) {
        for (number, group) in (0..).zip(&self.groups) {
            let Some(group) = group else { continue };
            let mut outstanding: BTreeMap<_, u32> = BTreeMap::new();
            for (partition, lane) in (0..).zip(&group.lanes) {
                for (offset, delivery) in lane.exceptions() {
                    let Hold::Leased(lease) = &delivery.hold else { continue };
                    let position = Position { partition, offset };
                    assert!(delivery.attempts >= 1, "I6: leased means attempted");
                    assert!(lease.generation < self.next_generation, "I6");
                    if let Some(session) = lease.bound {
                        assert!(group.bound.contains(&(session, position)), "bound");
                    }
                    if let Some(key) = lease.receiver {
                        *outstanding.entry(key).or_default() += 1;
                    }
                }
            }
            for (key, standing) in &group.standing {
                let leased = outstanding.get(key).copied().unwrap_or_default();
                assert_eq!(standing.outstanding, leased, "credit of {number} {key:?}");
            }
        }
    }

    /// What a replay must bring back, as text.
    pub(super) fn durable_state(&self) -> Vec<String> {
        let mut state = vec![
            format!("{:?} paused {} {:?}", self.status, self.paused, self.settings),
            format!("last {:?} {:?}", self.last_sequence, self.last_record),
            format!("groups {:?} partitions {:?}", self.by_name, self.by_key),
            format!("parents {:?}", self.parents),
        ];
        for (partition, part) in (0..).zip(&self.partitions) {
            for (offset, slot) in part.log.from(0) {
                let position = Position { partition, offset };
                let mut line = format!("{position} {:?} {:?}", slot.message, slot.settled);
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
            for (partition, lane) in (0..).zip(group.iter().flat_map(|group| &group.lanes)) {
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
