//! Receivers that have found something, and wait a little for more.
//!
//! Such a receiver is in no line. It is served when its max is there, before all who are in line, or when its time is
//! over; if what it had found is gone by then it goes back into its line.

use std::sync::Arc;

use super::{
    effect::Outcome,
    queue::Queue,
    timers::Timer,
    waiters::{Line, Receiver},
};
use crate::types::{SessionId, Timestamp};

#[derive(Debug)]
pub(super) struct Filling {
    pub(super) receiver: Arc<Receiver>,
    ends: Timestamp,
    ticket: u64,
}

impl Queue {
    /// A receiver that would get something, but not its max, is set aside, if the queue wants that.
    pub(super) fn set_aside(&mut self, group: u32, receiver: &Arc<Receiver>) -> bool {
        let wait = self.settings.batch_wait;
        if wait.0 == 0 || receiver.max < 2 || receiver.told || receiver.standing {
            return false;
        }
        let ends = self.now.after(wait);
        let ends = receiver.until.map_or(ends, |until| until.min(ends));
        let found = self.found(group, receiver);
        if ends <= self.moment
            || found == 0
            || found >= receiver.max as usize
            || self.parked() >= self.config.parked_max
        {
            return false;
        }
        let ticket = self.ticket();
        self.timers.set(ends, Timer::Fill { group, ticket });
        let filling = Filling { receiver: Arc::clone(receiver), ends, ticket };
        if let Some(members) = self.group_mut(group) {
            members.filling.push(filling);
            self.filling.insert(group);
        }
        self.arm_rate(group, receiver.max);
        true
    }

    /// How many messages a receiver would get now.
    fn found(&mut self, group: u32, receiver: &Receiver) -> usize {
        let max = (receiver.max as usize).min(self.allowance(group));
        let Some(members) = self.group(group).filter(|_| max > 0) else { return 0 };
        let one = |key| self.by_key.get(key).copied();
        let run = |partition: u32| {
            let lane = members.lanes.get(partition)?;
            lane.run_takeable()?;
            let log = &self.partitions.get(partition)?.log;
            Some(if receiver.newest { 1 } else { lane.run_of(max, log).len() })
        };
        let count = |partitions: &mut dyn Iterator<Item = u32>| {
            partitions.take(receiver.partitions_max as usize).filter_map(run).sum::<usize>()
        };
        let found = match &receiver.line {
            Line::Message => self.takeable(group, None).take(max).count(),
            Line::MessageOf(key) => self.takeable(group, Some(key)).take(max).count(),
            Line::Labelled(partition, labels) => {
                self.labelled(group, partition.as_ref(), labels, max).len()
            }
            Line::Partition => count(&mut members.runs_in_order()),
            Line::PartitionOf(key) => count(&mut one(key).into_iter()),
        };
        found.min(max)
    }

    /// Something has happened: perhaps the max of one is there now. It need not be a message that has come: where the run
    /// that it would have got is taken by another, or gone, the next one may be longer.
    pub(super) fn mark_filling(&mut self) {
        let groups = std::mem::take(&mut self.filling);
        groups.iter().for_each(|group| self.serve(*group, None));
        self.filling = groups;
    }

    /// Serves the first one whose max is there; `false` if there is none.
    pub(super) fn serve_filled(&mut self, group: u32) -> bool {
        let count = self.group(group).map_or(0, |members| members.filling.len());
        // The last one that found too little, and how much: most want the same, and would find the same.
        let mut last: Option<(Arc<Receiver>, usize)> = None;
        for at in 0..count {
            let filling = self.group(group).and_then(|members| members.filling.get(at));
            let Some(receiver) = filling.map(|filling| Arc::clone(&filling.receiver)) else {
                break;
            };
            let found = match &last {
                Some((other, found)) if receiver.finds_what(other) => *found,
                _ => self.found(group, &receiver),
            };
            if found >= receiver.max as usize {
                self.take_filling(group, |filling| filling.receiver.to == receiver.to);
                let delivered = self.grab(group, &receiver);
                self.reply(receiver.to, Ok(Outcome::Delivered(delivered)));
                return true;
            }
            // Perhaps the messages are there, and only the rate is against it.
            self.arm_rate(group, receiver.max);
            last = Some((receiver, found));
        }
        false
    }

    /// Its time is over: it gets what is there.
    pub(super) fn fill_ends(&mut self, group: u32, ticket: u64) {
        let Some(receiver) = self.take_filling(group, |it| it.ticket == ticket) else { return };
        let delivered = self.grab(group, &receiver);
        if !delivered.is_empty() {
            self.reply(receiver.to, Ok(Outcome::Delivered(delivered)));
        } else if receiver.until.is_some_and(|until| until <= self.moment) {
            self.reply(receiver.to, Ok(Outcome::Empty));
        } else {
            self.arm_rate(group, 1);
            self.park(group, receiver);
        }
    }

    /// The first one that is meant waits no more.
    pub(super) fn take_filling(
        &mut self,
        group: u32,
        is_meant: impl Fn(&Filling) -> bool,
    ) -> Option<Arc<Receiver>> {
        let members = self.group_mut(group)?;
        let at = members.filling.iter().position(is_meant)?;
        let Filling { receiver, ends, ticket } = members.filling.remove(at);
        if members.filling.is_empty() {
            self.filling.remove(&group);
        }
        self.timers.clear(ends, Timer::Fill { group, ticket });
        Some(receiver)
    }

    /// A session waits no more; nobody is told.
    pub(super) fn forget_filling(&mut self, group: u32, session: SessionId) {
        while self.take_filling(group, |it| it.receiver.to.session == session).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{
            Command, Effect, NewMessage, Park, Permit, QueueConfig, ReplyTo, SettingsPatch, Take,
            Term, Unit, settings::Rate,
        },
        types::{Millis, Payload, RequestId},
    };

    /// Who is given how many messages, by the number of the request.
    type Given = Vec<(u64, usize)>;

    fn apply(queue: &mut Queue, now: u64, request: u64, command: Command) -> Given {
        let to = ReplyTo {
            session: SessionId(1),
            request: RequestId(request),
            permit: Permit::InFlight,
        };
        let mut effects = Vec::new();
        queue.apply(Timestamp(now), to, command, &mut effects);
        queue.check_invariants();
        given(effects)
    }

    fn given(effects: Vec<Effect>) -> Given {
        let given = effects.into_iter().filter_map(|effect| match effect {
            Effect::Reply { to, result: Ok(Outcome::Delivered(all)), .. } => {
                Some((to.request.0, all.len()))
            }
            _ => None,
        });
        given.collect()
    }

    /// A receiver that wants more waits up to 100 ms.
    fn waiting(rate: Option<Rate>) -> Queue {
        let mut queue = Queue::new(QueueConfig::unlimited());
        let settings = SettingsPatch {
            batch_wait: Some(Millis(100)),
            rate: Some(rate),
            ..SettingsPatch::default()
        };
        let settings = Some(Box::new(settings));
        apply(&mut queue, 0, 0, Command::Open { settings, idempotent: true });
        queue
    }

    fn send(queue: &mut Queue, now: u64, partition: &str) -> Given {
        let partition = Some(partition.parse().unwrap());
        let message = NewMessage { partition, ..NewMessage::from(Payload::from("1")) };
        apply(queue, now, 0, Command::Send { message })
    }

    fn take(unit: Unit, max: u32, park: Park) -> Command {
        Command::Take(Box::new(Take { unit, max, term: Term::Auto, ..Take::one(park) }))
    }

    #[test]
    fn who_waits_only_for_the_rate_is_served_when_it_allows_more() {
        let mut queue = waiting(Some(Rate { count: 3, per: Millis(10) }));
        send(&mut queue, 0, "p");
        send(&mut queue, 0, "p");
        assert_eq!(apply(&mut queue, 0, 1, take(Unit::Message, 2, Park::No)), [(1, 2)]);
        send(&mut queue, 0, "p");
        send(&mut queue, 0, "p");
        let more = take(Unit::Message, 2, Park::Until(None));
        assert_eq!(apply(&mut queue, 1, 2, more), []);
        assert_eq!(queue.next_deadline(), Some(Timestamp(10)));
        let mut effects = Vec::new();
        queue.expire(Timestamp(10), &mut effects);
        assert_eq!(given(effects), [(2, 2)]);
    }

    #[test]
    fn who_waits_is_served_when_the_next_run_is_long_enough() {
        let mut queue = waiting(None);
        for partition in ["p", "q", "q"] {
            send(&mut queue, 0, partition);
        }
        let run = |park| take(Unit::Partition { max: 1 }, 2, park);
        assert_eq!(apply(&mut queue, 0, 1, run(Park::Until(None))), [], "one in p");
        let one = Command::Take(Box::new(Take::one(Park::No)));
        assert_eq!(apply(&mut queue, 1, 2, one), [(2, 1), (1, 2)], "two in q");
    }

    #[test]
    fn of_those_who_wait_the_first_whose_max_is_there_is_served() {
        let mut queue = waiting(None);
        send(&mut queue, 0, "p");
        for (request, max) in [(1, 4), (2, 3), (3, 3)] {
            let more = take(Unit::Message, max, Park::Until(None));
            assert_eq!(apply(&mut queue, 0, request, more), []);
        }
        assert_eq!(send(&mut queue, 1, "p"), []);
        assert_eq!(send(&mut queue, 1, "p"), [(2, 3)]);
        let mut effects = Vec::new();
        send(&mut queue, 2, "p");
        queue.expire(Timestamp(100), &mut effects);
        assert_eq!(given(effects), [(1, 1)], "its time is over");
        assert_eq!(queue.parked(), 1);
    }
}
