//! One queue: `apply(now, from, command)` → effects.
//!
//! This file holds the state, the dispatch, and time. What a command does is in `send`, `take`, `settle`,
//! `manage`, `groups`, `schedules`, `transact` and `browse`; how a message changes its place is in `moves`;
//! `replay` does the same from records.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    command::{Command, ReplyTo},
    effect::{Delivered, Effect, Event, Happened, Outcome},
    group::Group,
    known::Known,
    log::Seen,
    message::{Message, Options, Position, Sequence},
    numbered::Numbered,
    partition::Partition,
    record::{Record, RecordNumber},
    schedule::ScheduleSpec,
    settings::{Durability, Encryption, QueueSettings},
    timers::{Timer, Timers},
    transact::Prepared,
    view::{Status, Totals},
};
use crate::{
    error::ErrorCode,
    types::{GroupName, PartitionKey, ScheduleName, SessionId, Timestamp},
};

/// What a server allows a queue, and how it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// Messages kept, whatever their state.
    pub messages_max: usize,
    /// Bytes of their bodies.
    pub bytes_max: usize,
    /// Parked and standing receivers.
    pub parked_max: usize,
    /// Groups.
    pub groups_max: usize,
    /// Partitions; and ten times as many of partitions × groups.
    pub partitions_max: usize,
    /// Schedules.
    pub schedules_max: usize,
    /// Whether `Open` of an open queue is fine, or refused with `QueueExists`.
    pub open_is_idempotent: bool,
    /// What is stored is encrypted, or nothing is stored.
    pub encrypts: bool,
    /// The first lease has this generation. Larger than any that was ever given out before.
    pub first_generation: u64,
}

impl QueueConfig {
    /// No limits.
    #[must_use]
    pub const fn unlimited() -> Self {
        let limit = usize::MAX;
        Self {
            messages_max: limit,
            bytes_max: limit,
            parked_max: limit,
            groups_max: limit,
            partitions_max: limit,
            schedules_max: limit,
            open_is_idempotent: true,
            encrypts: false,
            first_generation: 1,
        }
    }
}

/// A message that others wait for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parent {
    /// One that is kept, or was.
    Position(Position),
    /// An id that no message had yet.
    Id(Arc<str>),
}

/// Somebody who waits for a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Awaiting {
    pub(super) to: ReplyTo,
    pub(super) ticket: u64,
    pub(super) until: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schedule {
    pub(super) spec: Box<ScheduleSpec>,
    pub(super) next: Option<Timestamp>,
}

/// Number of the work group.
pub(super) const WORK: u32 = 0;

/// A queue. See the module's front page.
#[derive(Debug)]
pub struct Queue {
    pub(super) config: QueueConfig,
    pub(super) status: Status,
    pub(super) paused: bool,
    pub(super) settings: QueueSettings,
    pub(super) partitions: Numbered<Partition>,
    pub(super) by_key: BTreeMap<PartitionKey, u32>,
    pub(super) default_partition: Option<u32>,
    /// The settings of the queue while it is not there and somebody asks; none: the defaults.
    pub(super) founding: Option<Arc<QueueSettings>>,
    /// By number; the work group is the first. The number of a group that is deleted is free for the next one.
    pub(super) groups: Vec<Option<Group>>,
    pub(super) by_name: BTreeMap<GroupName, u32>,
    pub(super) timers: Timers,
    pub(super) known: Known,
    /// What each blocked message waits for.
    pub(super) parents: BTreeMap<Position, BTreeSet<Parent>>,
    /// The same, the other way round.
    pub(super) children: BTreeMap<Parent, BTreeSet<Position>>,
    pub(super) awaits: BTreeMap<Position, Vec<Awaiting>>,
    pub(super) awaiting: usize,
    pub(super) next_ticket: u64,
    pub(super) schedules: BTreeMap<ScheduleName, Schedule>,
    pub(super) prepared: BTreeMap<u64, Prepared>,
    /// Moments of deliveries that the rate still counts.
    pub(super) deliveries: VecDeque<Timestamp>,
    pub(super) rate_timer: Option<Timestamp>,
    /// Bytes of all kept bodies (I5).
    pub(super) bytes: usize,
    /// Those of bodies that are away.
    pub(super) away: usize,
    pub(super) messages: usize,
    /// Those of messages that some group has open.
    pub(super) open_bytes: usize,
    pub(super) open_messages: usize,
    /// For prepared transactions.
    pub(super) reserved_bytes: usize,
    pub(super) reserved_messages: usize,
    pub(super) now: Timestamp,
    /// As far as what is due has happened: `now`, but while time passes.
    pub(super) moment: Timestamp,
    pub(super) last_sequence: Sequence,
    pub(super) last_record: RecordNumber,
    pub(super) next_generation: u64,
    pub(super) watched: bool,
    pub(super) totals: Totals,
    pub(super) effects: Vec<Effect>,
    /// Done, and not yet in a record.
    pub(super) unrecorded: Vec<(u32, Position)>,
    /// Groups whose receivers may have something to get, perhaps only from one partition; by number.
    pub(super) unserved: VecDeque<(u32, Option<u32>)>,
    /// Groups with receivers that have found something and wait for more.
    pub(super) filling: BTreeSet<u32>,
    /// Messages that have ended (`true`: done) and whose children have not been told.
    pub(super) untold: VecDeque<(Position, bool)>,
    pub(super) telling: bool,
}

impl Queue {
    /// A queue that does not exist yet.
    #[must_use]
    pub fn new(config: QueueConfig) -> Self {
        let next_generation = config.first_generation;
        Self {
            config,
            status: Status::Absent,
            paused: false,
            settings: QueueSettings::default(),
            partitions: Numbered::default(),
            by_key: BTreeMap::new(),
            default_partition: None,
            founding: None,
            groups: vec![Some(Group::new(None, Numbered::default()))],
            by_name: BTreeMap::new(),
            timers: Timers::default(),
            known: Known::default(),
            parents: BTreeMap::new(),
            children: BTreeMap::new(),
            awaits: BTreeMap::new(),
            awaiting: 0,
            next_ticket: 0,
            schedules: BTreeMap::new(),
            prepared: BTreeMap::new(),
            deliveries: VecDeque::new(),
            rate_timer: None,
            bytes: 0,
            away: 0,
            messages: 0,
            open_bytes: 0,
            open_messages: 0,
            reserved_bytes: 0,
            reserved_messages: 0,
            now: Timestamp(0),
            moment: Timestamp(0),
            last_sequence: Sequence(0),
            last_record: RecordNumber(0),
            next_generation,
            watched: false,
            totals: Totals::default(),
            effects: Vec::new(),
            unrecorded: Vec::new(),
            unserved: VecDeque::new(),
            filling: BTreeSet::new(),
            untold: VecDeque::new(),
            telling: false,
        }
    }

    /// Does what `from` asks and appends the effects to `effects`.
    pub fn apply(
        &mut self,
        now: Timestamp,
        from: ReplyTo,
        command: Command,
        effects: &mut Vec<Effect>,
    ) {
        std::mem::swap(&mut self.effects, effects);
        self.pass_time(now);
        let founding = self.founding.clone().filter(|_| self.status == Status::Absent);
        if let Some(founding) = &founding {
            self.apply_settings((**founding).clone());
        }
        if let Some(result) = self.perform(from, command).transpose() {
            self.reply(from, result);
        }
        if founding.is_some() && self.status == Status::Absent {
            self.apply_settings(QueueSettings::default());
        }
        self.mark_filling();
        // What the command made due, and then whoever waits for what it brought.
        self.pass_time(now);
        self.record_settled();
        std::mem::swap(&mut self.effects, effects);
    }

    /// What the commands from now on find, and make the queue with, if it is not there; none: the defaults.
    pub fn set_founding(&mut self, settings: Option<Arc<QueueSettings>>) {
        self.founding = settings;
    }

    /// Does everything that is due by `now`.
    pub fn expire(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        std::mem::swap(&mut self.effects, effects);
        self.pass_time(now);
        self.record_settled();
        std::mem::swap(&mut self.effects, effects);
    }

    /// When `expire` has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Whether the queue is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.status != Status::Absent
    }

    /// Whether it is there, and the settings in force.
    #[must_use]
    pub const fn description(&self) -> (Status, &QueueSettings) {
        (self.status, &self.settings)
    }

    /// Ready messages of the work group.
    #[must_use]
    pub fn size(&self) -> usize {
        self.group(WORK).map_or(0, Group::ready)
    }

    /// Everybody who waits: receivers, and those who wait for results.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.groups.iter().flatten().map(Group::receivers).sum::<usize>() + self.awaiting
    }

    /// The newest record.
    #[must_use]
    pub const fn last_record(&self) -> RecordNumber {
        self.last_record
    }

    /// Whether anybody watches: without, no events are made.
    pub const fn set_watched(&mut self, watched: bool) {
        self.watched = watched;
    }

    /// The answer, if it comes at once.
    fn perform(&mut self, from: ReplyTo, command: Command) -> Result<Option<Outcome>, ErrorCode> {
        match self.status {
            Status::Absent if !makes_queue(&command) => return absent(&command),
            Status::Absent | Status::Open | Status::Closed => {}
        }
        match command {
            Command::Open { settings, idempotent } => self.open(settings.as_deref(), idempotent),
            Command::Configure { settings, replace } => self.configure(&settings, replace),
            Command::Close => Ok(self.close()),
            Command::Pause => Ok(self.pause(true)),
            Command::Resume => Ok(self.pause(false)),
            Command::Delete => Ok(self.delete()),
            Command::Send { message } => {
                self.send_one(message).map(|sent| Some(Outcome::Sent(sent)))
            }
            Command::SendBatch { messages } => {
                self.send_all(messages).map(|sent| Some(Outcome::SentBatch(sent)))
            }
            Command::Take(take) => self.take(from, *take),
            Command::Credit { receiver, credit } => self.set_credit(from, receiver, credit),
            Command::Cancel { receiver } => self.cancel_receiver(from, receiver),
            Command::Settle { items } => Ok(self.settle(from, items)),
            Command::SettleNamed { parts } => Ok(Some(self.settle_all_named(parts))),
            Command::Extend { leases, by } => Ok(Some(self.extend(&leases, by))),
            Command::ExtendTake { generation, by } => Ok(Some(self.extend_take(generation, by))),
            Command::Transact(transaction) => self.transact(*transaction).map(Some),
            Command::Prepare { ticket, transaction } => {
                self.prepare(ticket, *transaction).map(Some)
            }
            Command::Commit { ticket } => self.commit(ticket).map(Some),
            Command::Abort { ticket } => self.abort(ticket).map(Some),
            Command::Purge { group, states } => self.purge(group.as_ref(), states).map(Some),
            Command::Change { group, select, action, dry_run } => {
                self.change(group.as_ref(), *select, &action, dry_run).map(Some)
            }
            Command::Browse { group, filter, after, limit } => {
                self.browse(group.as_ref(), &filter, after, limit).map(Some)
            }
            Command::Find { group, id } => self.find(group.as_ref(), &id).map(Some),
            Command::Look { partition, name } => self.look(&partition, &name).map(Some),
            Command::Await { id, until } => self.await_result(from, &id, until),
            Command::OpenGroup { group, start } => self.open_group(&group, start).map(Some),
            Command::SetStart { group, start } => self.set_start(&group, start).map(Some),
            Command::DeleteGroup { group } => self.delete_group(&group).map(Some),
            Command::Seek { group, partition, to } => {
                self.seek(group.as_ref(), partition.as_ref(), to).map(Some)
            }
            Command::PutSchedule { name, spec } => self.put_schedule(name, spec).map(Some),
            Command::DeleteSchedule { name } => self.delete_schedule(&name).map(Some),
            Command::PauseSchedule { name, paused } => self.pause_schedule(&name, paused).map(Some),
            Command::FireSchedule { name } => self.fire_schedule(&name).map(Some),
            Command::Inspect => Ok(Some(self.inspect())),
            Command::Survey { group, partition, after, limit } => {
                self.survey(group.as_ref(), partition.as_ref(), after, limit).map(Some)
            }
            Command::Explain { group } => self.explain(group.as_ref()).map(Some),
            Command::Unpark => {
                self.unpark(from.session);
                Ok(None)
            }
            Command::Abandon => {
                self.abandon(from.session);
                Ok(None)
            }
        }
    }

    /// Everything that is due by `now`, in the order of time. What is due by a moment happens before anything
    /// is handed out at it.
    pub(super) fn pass_time(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        // An age is that of now, however late it is for all else.
        while !self.timers.are_quiet(self.now)
            && let Some((group, position)) = self.timers.pop_ageing(self.now)
        {
            self.ages(group, position);
        }
        loop {
            if self.timers.are_quiet(self.now) {
                if self.unserved.is_empty() {
                    break;
                }
                self.serve_marked();
                continue;
            }
            // Whoever gives up at the very moment gets what comes at that moment.
            let is_later = match self.timers.first().filter(|(at, _)| *at <= self.now) {
                None => true,
                Some((
                    _,
                    Some(Timer::Fill { .. } | Timer::Await { .. } | Timer::Receiver { .. }),
                )) => true,
                Some((at, _)) => at > self.moment,
            };
            if is_later && !self.unserved.is_empty() {
                self.serve_marked();
                continue; // That may have cleared the timer.
            }
            let Some((at, timer)) = self.timers.pop_due(self.now) else { break };
            self.moment = self.moment.max(at);
            match timer {
                Timer::Lease { group, position } => self.lease_ends(group, position),
                Timer::Run { group, partition } => self.run_ends(group, partition),
                Timer::Visible { group, position } => self.becomes_visible(group, position),
                Timer::Window { partition } => self.close_window(partition),
                Timer::Expiry { position } => self.expires(position, at),
                Timer::Oldest { partition } => self.drops_oldest(partition, at),
                Timer::Settled { position } => self.remove_for_good(&[position]),
                Timer::Dead { group, position } => self.leave_quietly(group, position),
                Timer::Id { id } => {
                    if let Some(known) = self.known.ids.get(&id)
                        && known.forget_at == Some(at)
                    {
                        self.known.ids.remove(&id);
                    }
                }
                Timer::Key { partition, key } => {
                    let place = (partition, key);
                    if let Some(known) = self.known.keys.get(&place)
                        && known.forget_at == Some(at)
                    {
                        self.known.keys.remove(&place);
                    }
                }
                Timer::Schedule { name } => self.schedule_is_due(&name),
                Timer::Rate => {
                    self.rate_timer = None;
                    self.serve_all();
                }
                Timer::Fill { group, ticket } => self.fill_ends(group, ticket),
                Timer::Await { position, ticket } => self.await_ends(position, ticket),
                Timer::Receiver { group, session, request, ticket } => {
                    self.receiver_ends(group, (session, request, ticket));
                }
            }
            self.mark_filling();
        }
        self.moment = self.now;
    }

    pub(super) fn group(&self, group: u32) -> Option<&Group> {
        self.groups.get(group as usize)?.as_ref()
    }

    pub(super) fn group_mut(&mut self, group: u32) -> Option<&mut Group> {
        self.groups.get_mut(group as usize)?.as_mut()
    }

    /// Numbers of the groups that are there.
    pub(super) fn group_numbers(&self) -> impl Iterator<Item = u32> + use<> {
        let there: Vec<u32> =
            (0..).zip(&self.groups).filter(|(_, group)| group.is_some()).map(|(n, _)| n).collect();
        there.into_iter()
    }

    pub(super) fn name_of(&self, group: u32) -> Option<GroupName> {
        self.group(group).and_then(|group| group.name.clone())
    }

    /// A group that is there, by name.
    pub(super) fn named(&self, name: Option<&GroupName>) -> Result<u32, ErrorCode> {
        match name {
            None if self.group(WORK).is_some() => Ok(WORK),
            None => Err(ErrorCode::GroupRequired),
            Some(name) => self.by_name.get(name).copied().ok_or(ErrorCode::GroupNotFound),
        }
    }

    /// A message that is kept, as it is seen.
    pub(super) fn seen(&self, position: Position) -> Option<Seen<'_>> {
        self.partitions.get(position.partition)?.log.get(position.offset)
    }

    /// A message that is kept.
    pub(super) fn message(&self, position: Position) -> Option<Arc<Message>> {
        self.seen(position).map(Seen::message)
    }

    /// What its sender said about a message that is kept.
    pub(super) fn options(&self, position: Position) -> Option<&Options> {
        self.seen(position).and_then(Seen::options)
    }

    /// Writes a record.
    pub(super) fn append(&mut self, record: Record) {
        self.record_settled();
        self.last_record = RecordNumber(self.last_record.0 + 1);
        self.effects.push(Effect::Append(record));
    }

    /// Writes down what is done since the last record, a record for each group.
    pub(super) fn record_settled(&mut self) {
        while let Some((group, _)) = self.unrecorded.first().copied() {
            let mut positions = Vec::with_capacity(self.unrecorded.len());
            self.unrecorded.retain(|(other, position)| {
                let same = *other == group;
                if same {
                    positions.push(*position);
                }
                !same
            });
            self.last_record = RecordNumber(self.last_record.0 + 1);
            let record = Record::Settled { group, at: self.now, positions };
            self.effects.push(Effect::Append(record));
        }
    }

    /// Answers on the strength of everything written so far, which for a refusal includes its reason.
    pub(super) fn reply(&mut self, to: ReplyTo, result: Result<Outcome, ErrorCode>) {
        self.record_settled();
        let rests_on = match &result {
            Ok(Outcome::Delivered(delivered)) => {
                let all = delivered.iter().map(|one| self.delivery_rests_on(one));
                all.max().unwrap_or_default()
            }
            _ => self.last_record,
        };
        let rests_on = self.rest(rests_on);
        self.effects.push(Effect::Reply { to, result, rests_on });
    }

    /// What is leased rests on what was sent, and on the making of its group; what is done with it, on that.
    pub(super) fn delivery_rests_on(&self, delivered: &Delivered) -> RecordNumber {
        match delivered.lease {
            None => self.last_record,
            Some(lease) => {
                let made_in = self.group(lease.group).map_or(RecordNumber(0), |it| it.made_in);
                delivered.message.sent_in.max(made_in)
            }
        }
    }

    /// Whether nobody waits for its records.
    #[must_use]
    pub const fn is_relaxed(&self) -> bool {
        matches!(self.settings.durability, Durability::Relaxed)
    }

    /// What an answer rests on that rests on this record.
    pub(super) const fn rest(&self, record: RecordNumber) -> RecordNumber {
        if self.is_relaxed() { RecordNumber(0) } else { record }
    }

    /// # Errors
    /// `EncryptionUnavailable`: these settings demand what is not to be had here.
    pub(super) fn ensure_encryption(&self, settings: &QueueSettings) -> Result<(), ErrorCode> {
        match settings.encryption {
            Encryption::Required if !self.config.encrypts => Err(ErrorCode::EncryptionUnavailable),
            Encryption::Required | Encryption::Optional => Ok(()),
        }
    }

    /// Tells those who watch.
    pub(super) fn notify(
        &mut self,
        what: Happened,
        position: Option<Position>,
        group: u32,
        count: u64,
    ) {
        if self.watched {
            let message = position.and_then(|position| self.message(position));
            let group = self.name_of(group);
            self.effects.push(Effect::Notify(Event { at: self.now, what, message, group, count }));
        }
    }

    pub(super) fn come_into_being(&mut self) {
        if self.status == Status::Absent {
            self.status = Status::Open;
            self.append(Record::Opened);
            self.notify(Happened::Opened, None, WORK, 0);
            if self.settings != QueueSettings::default() {
                self.append(Record::Configured { settings: Box::new(self.settings.clone()) });
                self.notify(Happened::Configured, None, WORK, 0);
            }
        }
    }

    pub(super) fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    fn unpark(&mut self, session: SessionId) {
        for group in self.group_numbers() {
            let keys = self.group(group).map(|group| group.waiters.of_session(session));
            keys.into_iter().flatten().for_each(|key| drop(self.forget_receiver(group, key)));
            self.forget_filling(group, session);
            if let Some(group) = self.group_mut(group) {
                group.standing.retain(|(holder, _), _| *holder != session);
            }
        }
        let positions: Vec<Position> = self.awaits.keys().copied().collect();
        for position in positions {
            self.forget_awaiting(position, |waiting| waiting.to.session == session);
        }
    }

    fn abandon(&mut self, session: SessionId) {
        self.unpark(session);
        for group in self.group_numbers() {
            self.return_bound(group, session);
        }
    }

    /// Forgets those who wait for a result.
    pub(super) fn forget_awaiting(
        &mut self,
        position: Position,
        is_meant: impl Fn(&Awaiting) -> bool,
    ) -> Vec<Awaiting> {
        let Some(waiting) = self.awaits.get_mut(&position) else { return Vec::new() };
        let (gone, left): (Vec<_>, Vec<_>) =
            std::mem::take(waiting).into_iter().partition(|one| is_meant(one));
        *waiting = left;
        if waiting.is_empty() {
            self.awaits.remove(&position);
        }
        self.awaiting -= gone.len();
        for Awaiting { ticket, until, .. } in &gone {
            self.timers.clear(*until, Timer::Await { position, ticket: *ticket });
        }
        gone
    }

    /// Somebody has waited for a result long enough.
    fn await_ends(&mut self, position: Position, ticket: u64) {
        for Awaiting { to, .. } in self.forget_awaiting(position, |one| one.ticket == ticket) {
            let shown = self.item(WORK, position).map(|item| Outcome::Found(Box::new(item)));
            self.reply(to, shown.ok_or(ErrorCode::MessageNotFound));
        }
    }
}

/// Commands that make a queue which is not there.
const fn makes_queue(command: &Command) -> bool {
    matches!(
        command,
        Command::Open { .. }
            | Command::Configure { .. }
            | Command::Close
            | Command::Send { .. }
            | Command::SendBatch { .. }
            | Command::Take(_)
            | Command::OpenGroup { .. }
            | Command::PutSchedule { .. }
            | Command::Transact(_)
            | Command::Prepare { .. }
            | Command::Commit { .. }
            | Command::Abort { .. }
    )
}

/// What a command finds that needs a queue.
fn absent(command: &Command) -> Result<Option<Outcome>, ErrorCode> {
    match command {
        Command::Unpark | Command::Abandon => Ok(None),
        // Late receipts of a queue that was deleted.
        Command::Settle { items } => {
            Ok(Some(Outcome::Settled(vec![super::effect::Settled::Lost; items.len()])))
        }
        _ => Err(ErrorCode::QueueNotFound),
    }
}
