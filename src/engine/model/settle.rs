//! How deliveries end, what follows from it, and transactions.

use std::sync::Arc;

use super::{Answer, Lease, Model, Outcome, Payload, SessionId, Stand, Status, Transaction, WORK};
use crate::{
    engine::{
        LeaseId, Name, NamedSettled, ParentFailed, SettleNamed, Settled, SettledPart, Verdict,
    },
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
        for (at, _, _) in own.iter().filter(|(_, place, _)| *place < done) {
            answers[*at] = Some(Settled::Done);
        }
        let is_over = match head {
            // What was cancelled by an item before is settled by nobody.
            None => !run.is_empty() && done == run.len(),
            Some((_, head, _)) => self.end_run((group, partition), &run, done, head, &own, answers),
        };
        if is_over {
            if head.is_none() {
                self.charge(group, partition, 0);
            }
            self.note_run(group, partition, first.generation);
        }
    }

    /// The lease ends by its head; from `done` on, message by message. Whether none is ready again.
    fn end_run(
        &mut self,
        (group, partition): (u32, u32),
        run: &[u64],
        done: usize,
        head: usize,
        own: &[RunItem<'_>],
        answers: &mut [Option<Settled>],
    ) -> bool {
        let charged = self.charged(group, partition);
        let last_done = own.iter().filter(|item| matches!(item.2, Verdict::Done { .. }));
        let last_done = last_done.map(|item| item.1).max().unwrap_or(0);
        // What the partition has failed when nothing is settled any more.
        let mut stopped: Option<u32> = None;
        let mut is_over = true;
        for (place, sequence) in run.iter().copied().enumerate().skip(done) {
            let item = own.iter().find(|item| item.1 == place);
            let goes_on = place >= head && stopped.is_none();
            let verdict = item.map(|item| item.2).filter(|_| goes_on);
            let is_too_many = self.is_too_many(sequence, charged + 1);
            let settled = match verdict {
                Some(Verdict::Done { .. } | Verdict::Dead { .. } | Verdict::Cancel) => {
                    self.settle_message(group, sequence, verdict.unwrap())
                }
                Some(Verdict::Retry { reason, .. }) if is_too_many => {
                    self.kept_mut(sequence).place_mut(group).failures = charged + 1;
                    self.give_up(group, sequence, reason.as_deref().unwrap_or("failed"))
                }
                Some(Verdict::Retry { delay, .. }) if place == head => {
                    stopped = Some(charged + 1);
                    let wait = delay.unwrap_or_else(|| self.back_off(sequence, charged + 1));
                    self.put_back(group, sequence, wait)
                }
                Some(Verdict::Release { .. }) if place == head => {
                    stopped = Some(charged);
                    self.settle_message(group, sequence, verdict.unwrap())
                }
                None if goes_on && place < last_done => {
                    self.done(group, sequence, None);
                    Settled::Done
                }
                other => {
                    if goes_on {
                        let is_retry = matches!(other, Some(Verdict::Retry { .. }));
                        stopped = Some(if is_retry { charged } else { 0 });
                    }
                    self.put(group, sequence, Stand::Ready);
                    Settled::Back { at: None }
                }
            };
            is_over &= !matches!(settled, Settled::Back { .. });
            if let Some((at, _, _)) = item {
                answers[*at] = Some(settled);
            }
        }
        self.charge(group, partition, stopped.unwrap_or(0));
        is_over
    }

    /// A partition lease was settled to its end.
    fn note_run(&mut self, group: u32, partition: u32, generation: u64) {
        self.forget_run(group, partition);
        let group = self.groups.iter_mut().find(|it| it.number == group).unwrap();
        group.settled_runs.push((partition, generation));
    }

    pub(super) fn forget_run(&mut self, group: u32, partition: u32) {
        let group = self.groups.iter_mut().find(|it| it.number == group).unwrap();
        group.settled_runs.retain(|(number, _)| *number != partition);
    }

    /// Group and partition of a part, its lease if there is one, and the messages that its items mean; or what is
    /// answered to all its items. `Again` stands for those of them that are behind.
    fn find_named(
        &self,
        part: &SettleNamed,
        ticket: Option<u64>,
    ) -> Result<(u32, u32, Vec<u64>, bool), NamedSettled> {
        let lost = NamedSettled::Settled(Settled::Lost);
        let missing = if part.lease.is_some() { lost } else { NamedSettled::Unknown };
        let group = self.group(part.group.as_ref()).map_err(|_| missing)?;
        let partition = self.partition(&part.partition).ok_or(missing)?;
        let run = self.run(group, partition);
        let lease = run.first().map(|first| self.lease(group, *first));
        match (lease, part.lease) {
            (Some(lease), asked) => {
                let is_free = lease.ticket.is_none_or(|it| Some(it) == ticket);
                if is_free && asked.is_none_or(|asked| asked == lease.generation) {
                    return Ok((group, partition, run, true));
                }
            }
            (None, None) => {
                let in_it = |kept: &&super::Kept| {
                    kept.partition() == partition && kept.place(group).stand == Stand::Ready
                };
                let mut ready: Vec<u64> =
                    self.messages.iter().filter(in_it).map(super::Kept::sequence).collect();
                ready.sort_by_key(|sequence| self.rank(*sequence));
                return Ok((group, partition, ready, false));
            }
            (None, Some(_)) => {}
        }
        let of_group = self.groups.iter().find(|it| it.number == group).unwrap();
        let is_again = |asked| of_group.settled_runs.contains(&(partition, asked));
        Err(if part.lease.is_some_and(is_again) { NamedSettled::Again } else { lost })
    }

    /// The first one with the key, else the one at the position.
    fn named(&self, name: &Name, partition: u32, among: &[u64]) -> Option<usize> {
        let key = |sequence: &u64| {
            let options = self.kept(*sequence).message.options.as_ref()?;
            options.key.as_ref().map(|key| Arc::clone(&key.text))
        };
        let by_key = among.iter().position(|it| key(it).is_some_and(|key| key == name.key));
        by_key.or_else(|| {
            let at = name.position.filter(|position| position.partition == partition)?;
            among.iter().position(|sequence| self.kept(*sequence).message.position == at)
        })
    }

    fn is_behind(&self, part: &SettleNamed, name: &Name) -> bool {
        let (Ok(group), Some(partition)) =
            (self.group(part.group.as_ref()), self.partition(&part.partition))
        else {
            return false;
        };
        let known = self.key(&part.partition, &name.key).map(|key| key.position);
        let Some(at) = known.or(name.position).filter(|at| at.partition == partition) else {
            return false;
        };
        match self.messages.iter().find(|kept| kept.message.position == at) {
            Some(kept) => kept.place(group).stand.has_ended(),
            None => self.partitions.iter().any(|it| it.number == partition && at.offset < it.end),
        }
    }

    pub(super) fn settle_named(&mut self, part: &SettleNamed, ticket: Option<u64>) -> SettledPart {
        let behind: Vec<bool> =
            part.items.iter().map(|(name, _)| self.is_behind(part, name)).collect();
        let (group, partition, among, is_run) = match self.find_named(part, ticket) {
            Ok(found) => found,
            Err(all) => {
                let lost = NamedSettled::Settled(Settled::Lost);
                let is_old = part.lease.is_some_and(|lease| lease < self.first_generation);
                let one = |(behind, (_, verdict)): (bool, &(Name, Verdict))| match all {
                    NamedSettled::Again if !behind => lost,
                    all if all == lost && is_old && behind => match verdict {
                        Verdict::Done { .. } => NamedSettled::Again,
                        _ => lost,
                    },
                    all => all,
                };
                let items = behind.into_iter().zip(&part.items).map(one).collect();
                return SettledPart { released: all == NamedSettled::Again, items };
            }
        };
        let places: Vec<Option<usize>> =
            part.items.iter().map(|(name, _)| self.named(name, partition, &among)).collect();
        // For each message the strongest of what is said of it; the first one of several that are.
        let mut chosen: Vec<(usize, &Verdict)> = Vec::new();
        for (place, (_, verdict)) in places.iter().zip(&part.items) {
            let Some(place) = place else { continue };
            match chosen.iter_mut().find(|(other, _)| other == place) {
                None => chosen.push((*place, verdict)),
                Some((_, other)) if strength(verdict) > strength(other) => *other = verdict,
                Some(_) => {}
            }
        }
        let settled = if is_run {
            let lease = self.lease(group, among[0]);
            let (generation, of_ticket) = (lease.generation, lease.ticket);
            let id = |place: usize| LeaseId {
                group,
                position: self.kept(among[place]).message.position,
                generation,
            };
            let items: Vec<(LeaseId, Verdict)> =
                chosen.iter().map(|(place, verdict)| (id(*place), (*verdict).clone())).collect();
            self.settle(&items, of_ticket)
        } else {
            self.settle_ready(group, &among, &chosen)
        };
        let answer = |(place, behind): (&Option<usize>, bool)| match place {
            Some(place) => {
                let at = chosen.iter().position(|(other, _)| other == place).unwrap();
                NamedSettled::Settled(settled[at])
            }
            None if behind => NamedSettled::Before,
            None => NamedSettled::Unknown,
        };
        let items = places.iter().zip(behind).map(answer).collect();
        self.sweep();
        let released = is_run && self.run(group, partition).is_empty();
        SettledPart { released, items }
    }

    /// Nobody has the partition: only what is done counts, before the first that is not.
    fn settle_ready(
        &mut self,
        group: u32,
        ready: &[u64],
        chosen: &[(usize, &Verdict)],
    ) -> Vec<Settled> {
        let is_done = |item: &&(usize, &Verdict)| matches!(item.1, Verdict::Done { .. });
        let head = chosen.iter().filter(|item| !is_done(item)).map(|item| item.0).min();
        let done = chosen.iter().filter(is_done).map(|item| item.0 + 1);
        let end = done.filter(|it| head.is_none_or(|head| *it <= head)).max().unwrap_or(0);
        for (place, sequence) in ready.iter().enumerate().take(end) {
            let result = match chosen.iter().find(|item| item.0 == place) {
                Some((_, Verdict::Done { result })) => result.clone(),
                _ => None,
            };
            self.done(group, *sequence, result);
        }
        let settled = chosen.iter().map(|(place, _)| match *place < end {
            true => Settled::Done,
            false => Settled::Back { at: None },
        });
        settled.collect()
    }

    /// Each can be found, or is done already; each partition once, and in no lease that is settled besides.
    fn check_named(&self, transaction: &Transaction) -> Result<(), ErrorCode> {
        let mut seen: Vec<(u32, u32)> =
            transaction.settles.iter().map(|(id, _)| (id.group, id.position.partition)).collect();
        for part in &transaction.named {
            let (group, partition, among, _) = match self.find_named(part, None) {
                Ok(found) => found,
                Err(NamedSettled::Unknown) => return Err(ErrorCode::MessageNotFound),
                Err(_) => return Err(ErrorCode::LeaseLost),
            };
            let is_fine = |(name, verdict): &(Name, Verdict)| {
                self.named(name, partition, &among).is_some()
                    || (matches!(verdict, Verdict::Done { .. }) && self.is_behind(part, name))
            };
            if !part.items.iter().all(is_fine) {
                return Err(ErrorCode::MessageNotFound);
            }
            if seen.contains(&(group, partition)) {
                return Err(ErrorCode::LeaseLost);
            }
            seen.push((group, partition));
        }
        Ok(())
    }

    pub(super) fn extend_take(&mut self, generation: u64, by: Millis) -> Vec<Option<Timestamp>> {
        let until = self.now.after(by);
        let mut ends = Vec::new();
        let groups: Vec<u32> = self.groups.iter().map(|group| group.number).collect();
        for group in groups {
            let mut numbers: Vec<u32> = self.partitions.iter().map(|it| it.number).collect();
            numbers.sort_unstable();
            for partition in numbers {
                let run = self.run(group, partition);
                let Some(first) = run.first() else { continue };
                let lease = self.lease(group, *first);
                if lease.generation == generation {
                    let position = self.kept(*first).message.position;
                    ends.push(self.extend_one(LeaseId { group, position, generation }, until));
                }
            }
        }
        ends
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
        let named = transaction.named.iter().map(|part| self.settle_named(part, None)).collect();
        let sent = self.send_checked(transaction.sends);
        Ok(Outcome::Transacted { settled, named, sent })
    }

    fn check_transaction(&mut self, transaction: &Transaction) -> Result<(), ErrorCode> {
        if self.status == Status::Closed && !transaction.sends.is_empty() {
            return Err(ErrorCode::QueueClosed);
        }
        self.check_settles(&transaction.settles)?;
        self.check_named(transaction)?;
        let settled = self.check_sends(&transaction.sends)?;
        self.drop_settled(&settled);
        Ok(())
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

    pub(super) fn prepare(&mut self, ticket: u64, mut transaction: Transaction) -> Answer {
        if self.tickets.iter().any(|(known, _)| *known == ticket) {
            return Err(ErrorCode::InvalidRequest);
        }
        self.check_transaction(&transaction)?;
        for (id, _) in &transaction.settles {
            let sequence = self.live(*id, None).unwrap();
            self.change_lease(id.group, sequence, |lease| lease.ticket = Some(ticket));
        }
        for part in &mut transaction.named {
            let Ok((group, _, run, true)) = self.find_named(part, None) else { continue };
            part.lease = Some(self.lease(group, run[0]).generation);
            for sequence in run {
                self.change_lease(group, sequence, |lease| lease.ticket = Some(ticket));
            }
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
        let named = transaction.named.iter();
        let named = named.map(|part| self.settle_named(part, Some(ticket))).collect();
        // A run that lost a message by hand meanwhile may have kept others.
        self.give_back(ticket);
        let sent = self.send_checked(transaction.sends);
        Ok(Outcome::Transacted { settled, named, sent })
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
        self.groups[0].settled_runs.clear();
        self.sweep();
    }
}

/// Giving up is stronger than failing, that than giving back, and that than being done.
const fn strength(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Done { .. } => 0,
        Verdict::Release { .. } => 1,
        Verdict::Retry { .. } => 2,
        Verdict::Dead { .. } => 3,
        Verdict::Cancel => 4,
    }
}
