//! How deliveries end, what follows from it, and transactions.

use std::sync::Arc;

use super::{Answer, Lease, Model, Outcome, Payload, SessionId, Stand, Status, Transaction, WORK};
use crate::{
    engine::{LeaseId, ParentFailed, Settled, Verdict},
    error::ErrorCode,
    types::{Millis, Timestamp},
};

/// One item of a command: its number there, the message's place in its run, and the verdict.
type RunItem<'a> = (usize, usize, &'a Verdict);

impl Model {
    /// A message stands so now. Who had it may have another one.
    pub(super) fn put(&mut self, group: u32, sequence: u64, stand: Stand) {
        let place = self.kept_mut(sequence).place_mut(group);
        let old = std::mem::replace(&mut place.stand, stand);
        if let Stand::Leased(lease) = old {
            self.enter_line(lease.receiver);
        }
        self.note_settled();
    }

    pub(super) fn done(&mut self, group: u32, sequence: u64, result: Option<Payload>) {
        self.put(group, sequence, Stand::Done { at: Some(self.now), result });
        if group == WORK {
            self.has_ended(sequence, None);
            self.children(sequence)
                .into_iter()
                .for_each(|child| self.parent_is_done(child, sequence));
        }
    }

    /// It ends without being done: dead or dropped, as `stand` says.
    pub(super) fn fail(&mut self, group: u32, sequence: u64, stand: Stand, reason: &str) {
        self.put(group, sequence, stand);
        if group == WORK {
            self.has_ended(sequence, Some(reason));
            let children = self.children(sequence);
            children.into_iter().for_each(|child| self.parent_has_failed_now(child, sequence));
        }
    }

    pub(super) fn give_up(&mut self, group: u32, sequence: u64, reason: &str) -> Settled {
        let at = self.now;
        if self.settings.dead_letter {
            self.fail(group, sequence, Stand::Dead { at, reason: reason.into() }, reason);
            Settled::Dead
        } else {
            self.fail(group, sequence, Stand::Done { at: Some(at), result: None }, reason);
            Settled::Dropped
        }
    }

    /// The work group has no more to do with it.
    fn has_ended(&mut self, sequence: u64, reason: Option<&str>) {
        self.keys.retain(|key| key.sequence != sequence || key.until.is_some());
        let (over, waiting) = std::mem::take(&mut self.awaits)
            .into_iter()
            .partition(|waiting| waiting.sequence == sequence);
        self.awaits = waiting;
        for waiting in over {
            let mut item = self.item(WORK, sequence);
            item.ended_at = Some(self.now);
            item.reason = reason.map(Arc::from);
            self.reply(waiting.to, Ok(Outcome::Found(Box::new(item))));
        }
    }

    /// Messages that wait for this one.
    fn children(&self, parent: u64) -> Vec<u64> {
        let mut children = self.sequences();
        children.retain(|child| self.waits_for(*child, parent));
        children
    }

    fn waits_for(&self, child: u64, parent: u64) -> bool {
        self.kept(child).waits_for.contains(&self.kept(parent).position())
    }

    fn parent_is_done(&mut self, child: u64, parent: u64) {
        let parent = self.kept(parent).position();
        self.kept_mut(child).waits_for.retain(|waiting| *waiting != parent);
        if !self.kept(child).waits_for.is_empty() {
            return;
        }
        let stand = self.fresh_stand(self.kept(child));
        for group in self.groups_with(child, |stand| *stand == Stand::Blocked) {
            self.put(group, child, stand.clone());
        }
    }

    fn parent_has_failed_now(&mut self, child: u64, parent: u64) {
        let options = self.kept(child).message.options.as_ref();
        match options.map(|options| options.parent_failed).unwrap_or_default() {
            ParentFailed::Wait => {}
            ParentFailed::Run => self.parent_is_done(child, parent),
            ParentFailed::Fail => self.fail_child(child),
        }
    }

    pub(super) fn fail_child(&mut self, child: u64) {
        self.kept_mut(child).waits_for.clear();
        for group in self.groups_with(child, |stand| *stand == Stand::Blocked) {
            self.give_up(group, child, "parent failed");
        }
    }

    /// Removes a message for all groups before it is done.
    pub(super) fn cancel(&mut self, sequence: u64, reason: &str) {
        if !self.kept(sequence).place(WORK).stand.has_ended() {
            let stand = Stand::Done { at: Some(self.now), result: None };
            self.fail(WORK, sequence, stand, reason);
        }
        self.remove(sequence);
    }

    pub(super) fn remove(&mut self, sequence: u64) {
        for group in self.groups_with(sequence, |stand| matches!(stand, Stand::Leased(_))) {
            self.put(group, sequence, Stand::Done { at: Some(self.now), result: None });
        }
        self.keys.retain(|key| key.sequence != sequence || key.until.is_some());
        let until = self.now.after(self.settings.dedup_window);
        let id: Option<Arc<str>> = self.kept(sequence).own_id().map(Arc::from);
        self.gone.retain(|(gone, _)| Some(gone) != id.as_ref());
        let is_remembered = self.settings.dedup_window.0 > 0;
        self.gone.extend(id.filter(|_| is_remembered).map(|id| (id, until)));
        self.messages.retain(|kept| kept.sequence() != sequence);
    }

    /// Notes for each message since when all groups are done with it.
    pub(super) fn note_settled(&mut self) {
        for kept in &mut self.messages {
            let all_done = kept.places.iter().all(|(_, place)| place.stand.is_done());
            kept.settled_at = all_done.then(|| kept.settled_at.unwrap_or(self.now));
        }
    }

    /// Removes what all groups are done with, when it was kept long enough.
    pub(super) fn sweep(&mut self) {
        let by = if self.settings.retain_settled.0 == 0 { self.now } else { self.moment };
        let is_over = |kept: &&super::Kept| {
            let too_old_at = kept.message.sent_at.after(self.settings.retain_open);
            self.settled_end(kept).is_some_and(|end| end <= by || too_old_at <= self.moment)
        };
        let over: Vec<_> =
            self.messages.iter().filter(is_over).map(super::Kept::sequence).collect();
        over.into_iter().for_each(|sequence| self.remove(sequence));
    }

    /// Failures of a partition under lease.
    pub(super) fn charge(&mut self, group: u32, partition: u32, failures: u32) {
        let group = self.groups.iter_mut().find(|it| it.number == group).unwrap();
        group.failures.retain(|(number, _)| *number != partition);
        group.failures.push((partition, failures));
    }

    fn charged(&self, group: u32, partition: u32) -> u32 {
        let group = self.groups.iter().find(|it| it.number == group).unwrap();
        let found = group.failures.iter().find(|(number, _)| *number == partition);
        found.map_or(0, |(_, failures)| *failures)
    }

    /// The message of a live lease. What a ticket keeps is live for this ticket only.
    fn live(&self, id: LeaseId, ticket: Option<u64>) -> Option<u64> {
        self.groups.iter().find(|group| group.number == id.group)?;
        let kept = self.messages.iter().find(|kept| kept.message.position == id.position)?;
        let lease = kept.lease(id.group)?;
        let is_live = lease.generation == id.generation && lease.ticket == ticket;
        is_live.then(|| kept.sequence())
    }

    /// All that are live.
    pub(in crate::engine) fn leases(&self) -> Vec<LeaseId> {
        let of = |kept: &super::Kept, group: u32| {
            let (position, generation) = (kept.message.position, kept.lease(group)?.generation);
            Some(LeaseId { group, position, generation })
        };
        let all = self.messages.iter();
        all.flat_map(|kept| kept.places.iter().filter_map(|(group, _)| of(kept, *group))).collect()
    }

    fn lease(&self, group: u32, sequence: u64) -> &Lease {
        self.kept(sequence).lease(group).unwrap()
    }

    pub(super) fn settle(
        &mut self,
        items: &[(LeaseId, Verdict)],
        ticket: Option<u64>,
    ) -> Vec<Settled> {
        let mut answers: Vec<Option<Settled>> = vec![None; items.len()];
        for (at, (id, verdict)) in items.iter().enumerate() {
            match self.live(*id, ticket) {
                None => answers[at] = Some(Settled::Lost),
                Some(sequence) if self.lease(id.group, sequence).place.is_none() => {
                    answers[at] = Some(self.settle_message(id.group, sequence, verdict));
                    self.sweep();
                }
                Some(_) => {}
            }
        }
        // Partition leases come after all message leases.
        for (at, (id, _)) in items.iter().enumerate() {
            if answers[at].is_none() {
                self.settle_run(*id, items, ticket, &mut answers);
                self.sweep();
            }
        }
        answers.into_iter().map(Option::unwrap).collect()
    }

    fn settle_message(&mut self, group: u32, sequence: u64, verdict: &Verdict) -> Settled {
        match verdict {
            Verdict::Done { result } => {
                self.done(group, sequence, result.clone());
                Settled::Done
            }
            Verdict::Retry { delay, reason } => {
                let reason = reason.as_deref().unwrap_or("failed");
                if self.count_failure(group, sequence) {
                    return self.give_up(group, sequence, reason);
                }
                let failures = self.kept(sequence).place(group).failures;
                let wait = delay.unwrap_or_else(|| self.back_off(sequence, failures));
                self.put_back(group, sequence, wait)
            }
            Verdict::Dead { reason } => {
                self.give_up(group, sequence, reason.as_deref().unwrap_or("failed"))
            }
            Verdict::Release { delay } => self.put_back(group, sequence, delay.unwrap_or_default()),
            Verdict::Cancel => {
                self.cancel(sequence, "cancelled");
                Settled::Cancelled
            }
        }
    }

    /// One failure more; whether that is one too many.
    fn count_failure(&mut self, group: u32, sequence: u64) -> bool {
        self.kept_mut(sequence).place_mut(group).failures += 1;
        self.is_too_many(sequence, self.kept(sequence).place(group).failures)
    }

    fn is_too_many(&self, sequence: u64, failures: u32) -> bool {
        let own = self.kept(sequence).message.options.as_ref().and_then(|it| it.attempts_max);
        let max = own.unwrap_or(self.settings.attempts_max);
        max > 0 && failures >= max
    }

    fn back_off(&self, sequence: u64, failures: u32) -> Millis {
        let own = self.kept(sequence).message.options.as_ref().and_then(|it| it.backoff);
        own.unwrap_or(self.settings.backoff).wait(failures, sequence)
    }

    fn put_back(&mut self, group: u32, sequence: u64, wait: Millis) -> Settled {
        if wait.0 == 0 {
            self.put(group, sequence, Stand::Ready);
            return Settled::Back { at: None };
        }
        let at = self.now.after(wait);
        self.put(group, sequence, Stand::Delayed(at));
        Settled::Back { at: Some(at) }
    }

    /// All items of a command for one partition under lease.
    fn settle_run(
        &mut self,
        first: LeaseId,
        items: &[(LeaseId, Verdict)],
        ticket: Option<u64>,
        answers: &mut [Option<Settled>],
    ) {
        let (group, partition) = (first.group, first.position.partition);
        let run = self.run(group, partition);
        let mut own: Vec<RunItem<'_>> = Vec::new();
        for (at, (id, verdict)) in items.iter().enumerate() {
            if (id.group, id.position.partition) != (group, partition) || answers[at].is_some() {
                continue;
            }
            let place = (self.live(*id, ticket))
                .and_then(|sequence| run.iter().position(|other| *other == sequence));
            match place {
                Some(place) if own.iter().all(|(_, other, _)| *other != place) => {
                    own.push((at, place, verdict));
                }
                _ => answers[at] = Some(Settled::Lost),
            }
        }
        let is_done = |item: &&RunItem<'_>| matches!(item.2, Verdict::Done { .. });
        let head = own.iter().filter(|item| !is_done(item)).min_by_key(|item| item.1).copied();
        let end = head.map_or(run.len(), |(_, place, _)| place);
        let done = own.iter().filter(is_done).map(|item| item.1 + 1).filter(|it| *it <= end).max();
        let done = done.unwrap_or(0);
        for (place, sequence) in run.iter().enumerate().take(done) {
            let item = own.iter().find(|item| item.1 == place);
            let result = match item {
                Some((_, _, Verdict::Done { result })) => result.clone(),
                _ => None,
            };
            self.done(group, *sequence, result);
        }
        let of_head = head.map(|(_, place, verdict)| {
            self.end_run(group, partition, &run[done..], run[place], verdict)
        });
        if head.is_none() && done == run.len() {
            self.charge(group, partition, 0);
        }
        for (at, place, _) in own {
            answers[at] = Some(match of_head {
                Some(answer) if place == end => answer,
                Some(_) if place > end => Settled::Back { at: None },
                _ => Settled::Done,
            });
        }
    }

    /// The lease ends with the verdict on its head; the rest is ready again.
    fn end_run(
        &mut self,
        group: u32,
        partition: u32,
        rest: &[u64],
        head: u64,
        verdict: &Verdict,
    ) -> Settled {
        for sequence in rest.iter().filter(|sequence| **sequence != head) {
            self.put(group, *sequence, Stand::Ready);
        }
        let charged = self.charged(group, partition);
        match verdict {
            Verdict::Retry { delay, reason } => {
                let failures = charged + 1;
                if self.is_too_many(head, failures) {
                    self.charge(group, partition, 0);
                    return self.give_up(group, head, reason.as_deref().unwrap_or("failed"));
                }
                self.charge(group, partition, failures);
                let wait = delay.unwrap_or_else(|| self.back_off(head, failures));
                self.put_back(group, head, wait)
            }
            Verdict::Release { .. } => self.settle_message(group, head, verdict),
            Verdict::Dead { .. } | Verdict::Cancel | Verdict::Done { .. } => {
                self.charge(group, partition, 0);
                self.settle_message(group, head, verdict)
            }
        }
    }

    pub(super) fn lease_runs_out(&mut self, group: u32, sequence: u64) {
        if self.settings.expiry_is_failure && self.count_failure(group, sequence) {
            self.give_up(group, sequence, "lease expired");
        } else {
            self.put(group, sequence, Stand::Ready);
        }
    }

    pub(super) fn run_runs_out(&mut self, group: u32, partition: u32) {
        for sequence in self.run(group, partition) {
            self.put(group, sequence, Stand::Ready);
        }
    }

    /// Receivers go first, so that nothing is handed to them any more.
    pub(super) fn abandon(&mut self, session: SessionId) {
        self.forget(session);
        for kept in &mut self.messages {
            for (_, place) in &mut kept.places {
                if let Stand::Leased(lease) = &mut place.stand {
                    lease.abandoned |= lease.bound && lease.session == session;
                }
            }
        }
        self.return_abandoned();
    }

    fn return_abandoned(&mut self) {
        let is_over = |stand: &Stand| match stand {
            Stand::Leased(lease) => lease.abandoned && lease.ticket.is_none(),
            _ => false,
        };
        for sequence in self.sequences() {
            for group in self.groups_with(sequence, is_over) {
                self.put(group, sequence, Stand::Ready);
            }
        }
    }

    /// When each lease ends now.
    pub(super) fn extend(
        &mut self,
        leases: &[LeaseId],
        by: Option<Millis>,
    ) -> Vec<Option<Timestamp>> {
        let until = self.now.after(by.unwrap_or(self.settings.lease));
        leases.iter().map(|id| self.extend_one(*id, until)).collect()
    }

    fn extend_one(&mut self, id: LeaseId, until: Timestamp) -> Option<Timestamp> {
        let sequence = self.live(id, None)?;
        let lease = self.lease(id.group, sequence);
        let until = lease.until?.max(until);
        let all = match lease.place {
            None => vec![sequence],
            Some(_) => self.run(id.group, id.position.partition),
        };
        for sequence in all {
            self.change_lease(id.group, sequence, |lease| lease.until = Some(until));
        }
        Some(until)
    }

    fn change_lease(&mut self, group: u32, sequence: u64, change: impl Fn(&mut Lease)) {
        if let Stand::Leased(lease) = &mut self.kept_mut(sequence).place_mut(group).stand {
            change(lease);
        }
    }

    pub(super) fn transact(&mut self, transaction: Transaction) -> Answer {
        self.check_transaction(&transaction)?;
        let settled = self.settle(&transaction.settles, None);
        let sent = self.send_checked(transaction.sends);
        Ok(Outcome::Transacted { settled, sent })
    }

    fn check_transaction(&self, transaction: &Transaction) -> Result<(), ErrorCode> {
        if self.status == Status::Closed && !transaction.sends.is_empty() {
            return Err(ErrorCode::QueueClosed);
        }
        self.check_settles(&transaction.settles)?;
        self.check_sends(&transaction.sends)
    }

    /// Each live, each once, and of a partition lease all.
    fn check_settles(&self, settles: &[(LeaseId, Verdict)]) -> Result<(), ErrorCode> {
        let mut all: Vec<(u32, u64)> = Vec::new();
        for (id, _) in settles {
            let sequence = self.live(*id, None).ok_or(ErrorCode::LeaseLost)?;
            if all.contains(&(id.group, sequence)) {
                return Err(ErrorCode::LeaseLost);
            }
            all.push((id.group, sequence));
        }
        let run_is_whole = |(group, sequence): &(u32, u64)| {
            self.lease(*group, *sequence).place.is_none()
                || (self.run(*group, self.kept(*sequence).partition()).iter())
                    .all(|other| all.contains(&(*group, *other)))
        };
        if all.iter().all(run_is_whole) { Ok(()) } else { Err(ErrorCode::LeaseLost) }
    }

    pub(super) fn prepare(&mut self, ticket: u64, transaction: Transaction) -> Answer {
        if self.tickets.iter().any(|(known, _)| *known == ticket) {
            return Err(ErrorCode::InvalidRequest);
        }
        self.check_transaction(&transaction)?;
        for (id, _) in &transaction.settles {
            let sequence = self.live(*id, None).unwrap();
            self.change_lease(id.group, sequence, |lease| lease.ticket = Some(ticket));
        }
        self.tickets.push((ticket, transaction));
        Ok(Outcome::Prepared)
    }

    fn remove_ticket(&mut self, ticket: u64) -> Result<Transaction, ErrorCode> {
        let found = self.tickets.iter().position(|(known, _)| *known == ticket);
        Ok(self.tickets.remove(found.ok_or(ErrorCode::NotFound)?).1)
    }

    pub(super) fn commit(&mut self, ticket: u64) -> Answer {
        let transaction = self.remove_ticket(ticket)?;
        let settled = self.settle(&transaction.settles, Some(ticket));
        // A run that lost a message by hand meanwhile may have kept others.
        self.give_back(ticket);
        let sent = self.send_checked(transaction.sends);
        Ok(Outcome::Transacted { settled, sent })
    }

    pub(super) fn abort(&mut self, ticket: u64) -> Answer {
        self.remove_ticket(ticket)?;
        self.give_back(ticket);
        Ok(Outcome::Done)
    }

    fn give_back(&mut self, ticket: u64) {
        for sequence in self.sequences() {
            for group in self.groups_with(sequence, |stand| matches!(stand, Stand::Leased(_))) {
                self.change_lease(group, sequence, |lease| {
                    lease.ticket = lease.ticket.filter(|known| *known != ticket);
                });
            }
        }
        self.return_abandoned();
    }

    pub(super) fn end_work_group(&mut self) {
        for sequence in self.sequences() {
            if !self.kept(sequence).place(WORK).stand.is_done() {
                self.purge_one(WORK, sequence);
            }
        }
        self.groups[0].failures.clear();
        self.sweep();
    }
}
