//! What time does: each step looks at everything, and does what is due first.

use super::{Kept, Model, Position, ReplyTo, Stand, Timestamp, WORK};
use crate::{
    engine::{CatchUp, Outcome, Rate, schedule::MISSED_AFTER},
    types::Millis,
};

/// What can be due. At the same moment: in the order of this list, then by group and position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Lease(u32, Position),
    Run(u32, u32),
    Delay(u32, Position),
    Window(u32),
    Ttl(Position),
    RetainOpen(Position),
    RetainDead(u32, Position),
    RetainSettled(Position),
    Fire(usize),
}

impl Model {
    /// Everything that is due by `now`, in the order of time; then what can be handed out.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        loop {
            let next_due = self.due().map(|(at, _)| at);
            let steps = [next_due, self.rate_rises_at(), self.next_time_out()];
            let Some(step) = steps.into_iter().flatten().min().filter(|at| *at <= self.now) else {
                self.moment = self.now;
                return self.hand_out();
            };
            self.moment = self.moment.max(step);
            while let Some((_, due)) = self.due().filter(|(at, _)| *at <= step) {
                self.happen(due);
            }
            self.hand_out();
            self.time_out(step);
        }
    }

    /// What a command made due, and then what can be handed out.
    pub(super) fn catch_up(&mut self) {
        let due_now = |model: &Self| model.due().filter(|(at, _)| *at <= model.now);
        loop {
            while let Some((_, due)) = due_now(self) {
                self.happen(due);
            }
            self.hand_out();
            if due_now(self).is_none() {
                return;
            }
        }
    }

    /// When time does something by itself next.
    pub(in crate::engine) fn next_due(&self) -> Option<Timestamp> {
        let next_due = self.due().map(|(at, _)| at);
        next_due.into_iter().chain(self.next_time_out()).min()
    }

    fn due(&self) -> Option<(Timestamp, Due)> {
        let of_messages = self.messages.iter().flat_map(|kept| self.due_of(kept));
        let of_windows = self.partitions.iter().filter_map(|partition| {
            let window = partition.window.as_ref()?;
            Some((window.closes_at, Due::Window(partition.number)))
        });
        let of_schedules = (self.schedules.iter().enumerate())
            .filter_map(|(index, schedule)| Some((schedule.next?, Due::Fire(index))));
        of_messages.chain(of_windows).chain(of_schedules).min()
    }

    fn due_of(&self, kept: &Kept) -> Vec<(Timestamp, Due)> {
        let position = kept.message.position;
        let mut due = Vec::new();
        for (group, place) in &kept.places {
            match &place.stand {
                Stand::Leased(lease) if lease.ticket.is_none() => {
                    let ends = match lease.place {
                        None => Due::Lease(*group, position),
                        Some(_) => Due::Run(*group, position.partition),
                    };
                    due.extend(lease.until.map(|at| (at, ends)));
                }
                Stand::Delayed(until) => due.push((*until, Due::Delay(*group, position))),
                Stand::Dead { at, .. } => {
                    let until = at.after(self.settings.retain_dead);
                    due.push((until, Due::RetainDead(*group, position)));
                }
                _ => {}
            }
        }
        let any_waits = kept.places.iter().any(|(_, place)| place.stand.waits());
        if let Some(at) = kept.message.expires_at.filter(|_| any_waits) {
            due.push((at, Due::Ttl(position)));
        }
        let any_dead = kept.places.iter().any(|(_, it)| matches!(it.stand, Stand::Dead { .. }));
        if any_waits || any_dead || !kept.is_leased_anywhere() {
            let at = kept.message.sent_at.after(self.settings.retain_open);
            due.push((at, Due::RetainOpen(position)));
        }
        due.extend(self.settled_end(kept).map(|at| (at, Due::RetainSettled(position))));
        due
    }

    /// When a message that all groups are done with is removed.
    pub(super) fn settled_end(&self, kept: &Kept) -> Option<Timestamp> {
        Some(kept.settled_at?.after(self.settings.retain_settled))
    }

    fn happen(&mut self, due: Due) {
        let at = |position| self.messages.iter().find(|kept| kept.message.position == position);
        let message = |position| at(position).unwrap().sequence();
        match due {
            Due::Lease(group, position) => self.lease_runs_out(group, message(position)),
            Due::Run(group, partition) => self.run_runs_out(group, partition),
            Due::Delay(group, position) => self.put(group, message(position), Stand::Ready),
            Due::Window(partition) => self.close_window(partition),
            Due::Ttl(position) => self.ttl_is_over(message(position)),
            Due::RetainOpen(position) => self.is_too_old(message(position)),
            Due::RetainDead(group, position) => {
                let done = Stand::Done { at: Some(self.now), result: None };
                self.put(group, message(position), done);
            }
            Due::RetainSettled(position) => self.remove(message(position)),
            Due::Fire(index) => self.occurrence(index),
        }
        self.sweep();
    }

    fn ttl_is_over(&mut self, sequence: u64) {
        for group in self.groups_with(sequence, |stand| stand.waits()) {
            // What its end in another group caused may have ended it here, too.
            if !self.kept(sequence).place(group).stand.waits() {
                continue;
            }
            let at = self.now;
            let stand = if self.settings.dead_letter_expired {
                Stand::Dead { at, reason: "expired".into() }
            } else {
                Stand::Done { at: Some(at), result: None }
            };
            self.fail(group, sequence, stand, "expired");
        }
    }

    /// Leased ones are left alone: they are due when they come back.
    fn is_too_old(&mut self, sequence: u64) {
        let done = Stand::Done { at: Some(self.now), result: None };
        for group in self.groups_with(sequence, |stand| stand.waits()) {
            if self.kept(sequence).place(group).stand.waits() {
                self.fail(group, sequence, done.clone(), "expired");
            }
        }
        for group in self.groups_with(sequence, |stand| matches!(stand, Stand::Dead { .. })) {
            self.put(group, sequence, done.clone());
        }
        if !self.kept(sequence).is_leased_anywhere() {
            self.remove(sequence);
        }
    }

    /// The groups in which a message stands so.
    pub(super) fn groups_with(&self, sequence: u64, so: impl Fn(&Stand) -> bool) -> Vec<u32> {
        let places = self.kept(sequence).places.iter();
        places.filter(|(_, place)| so(&place.stand)).map(|(group, _)| *group).collect()
    }

    pub(super) fn close_window(&mut self, partition: u32) {
        let found = self.partitions.iter_mut().find(|it| it.number == partition).unwrap();
        found.window = None;
        for kept in self.messages.iter_mut().filter(|kept| kept.partition() == partition) {
            for (_, place) in &mut kept.places {
                if place.stand == Stand::Held {
                    place.stand = Stand::Ready;
                }
            }
        }
    }

    fn occurrence(&mut self, index: usize) {
        let schedule = &self.schedules[index];
        let (spec, at) = (schedule.spec.clone(), schedule.next.unwrap());
        let is_missed = self.now.since(at) > MISSED_AFTER;
        let from = if is_missed { Timestamp(self.now.0 - MISSED_AFTER.0 - 1) } else { at };
        self.schedules[index].next = spec.timing.next(spec.since, from);
        if !is_missed || spec.catch_up == CatchUp::Once {
            // What is refused is passed over.
            drop(self.send(spec.message));
        }
    }

    /// When the rate allows the next delivery, if it does not now.
    pub(super) fn rate_frees_at(&self) -> Option<Timestamp> {
        let Rate { count, per } = self.settings.rate.filter(|rate| rate.count > 0)?;
        let counted = self.counted(per);
        let first = counted.len().checked_sub(count as usize)?;
        Some(counted[first].after(per))
    }

    /// When the rate allows one delivery more than now.
    fn rate_rises_at(&self) -> Option<Timestamp> {
        let Rate { per, .. } = self.settings.rate?;
        Some(self.counted(per).first()?.after(per))
    }

    /// Deliveries that count for the rate.
    pub(super) fn counted(&self, per: Millis) -> Vec<Timestamp> {
        self.handed_out.iter().copied().filter(|at| at.after(per) > self.moment).collect()
    }

    fn next_time_out(&self) -> Option<Timestamp> {
        let until = |receiver: &super::Receiver| match receiver.fills {
            Some((_, ends)) => Some(ends),
            None => receiver.until,
        };
        let of_receivers = self.receivers.iter().filter_map(until);
        of_receivers.chain(self.awaits.iter().map(|waiting| waiting.until)).min()
    }

    fn time_out(&mut self, step: Timestamp) {
        let is_over = |until: Option<Timestamp>| until.is_some_and(|until| until <= step);
        let filled = |model: &Self| {
            let over = model.receivers.iter().filter(|it| is_over(it.fills.map(|fills| fills.1)));
            over.min_by_key(|it| (it.fills.map(|fills| fills.1), it.group, it.fills))
                .map(|it| it.to)
        };
        while let Some(to) = filled(self) {
            self.end_fill(to);
            self.hand_out();
        }
        let over: Vec<ReplyTo> =
            self.receivers.iter().filter(|it| is_over(it.until)).map(|it| it.to).collect();
        self.forget_receivers(|receiver| is_over(receiver.until));
        for to in over {
            self.reply(to, Ok(Outcome::Empty));
        }
        let (over, waiting) =
            std::mem::take(&mut self.awaits).into_iter().partition(|waiting| waiting.until <= step);
        self.awaits = waiting;
        for waiting in over {
            let item = self.item(WORK, waiting.sequence);
            self.reply(waiting.to, Ok(Outcome::Found(Box::new(item))));
        }
    }
}
