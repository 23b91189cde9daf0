//! The same queue, written to be obviously right: plain `Vec`s, linear scans, no indexes, no timers.
//!
//! Written from the module's front page and not from the engine, so that a difference is a mistake in one of
//! them.

mod hand;
mod send;
mod settle;
mod take;
mod time;

use std::sync::Arc;

use super::{
    Action, Command, Delivered, Encryption, Message, Outcome, Overflow, Position, QueueConfig,
    QueueSettings, RecordNumber, ReplyTo, ScheduleView, SettingsPatch, Settled, Status, Take,
    Timing, Transaction,
};
use crate::{
    error::ErrorCode,
    types::{GroupName, PartitionKey, Payload, ScheduleName, SessionId, Timestamp},
};

/// What the outside sees of a command: replies and pushes, in their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Output {
    Reply(ReplyTo, Result<Outcome, ErrorCode>),
    Push(ReplyTo, Delivered),
}

pub(super) type Answer = Result<Outcome, ErrorCode>;

/// The number of the unnamed group.
const WORK: u32 = 0;

/// Where a message stands in a group.
#[derive(Debug, Clone, PartialEq)]
enum Stand {
    Blocked,
    Delayed(Timestamp),
    /// Until the window of its partition closes.
    Held,
    Ready,
    Leased(Lease),
    Dead {
        at: Timestamp,
        reason: Arc<str>,
    },
    /// Without a time if it was sent before the group began.
    Done {
        at: Option<Timestamp>,
        result: Option<Payload>,
    },
}

#[derive(Debug, Clone, PartialEq)]
struct Lease {
    generation: u64,
    session: SessionId,
    until: Option<Timestamp>,
    /// Whether it ends with its session.
    bound: bool,
    /// The receiver that took it.
    receiver: ReplyTo,
    /// Of a partition lease: the place in the order of the run.
    place: Option<usize>,
    /// The prepared transaction that keeps it.
    ticket: Option<u64>,
    /// Its session ended while a ticket kept it.
    abandoned: bool,
}

/// A message in a group.
#[derive(Debug, Clone)]
struct Place {
    stand: Stand,
    attempts: u32,
    failures: u32,
}

/// A message that is kept.
#[derive(Debug, Clone)]
struct Kept {
    message: Arc<Message>,
    /// Its own time; none: as the queue says.
    ready_at: Option<Timestamp>,
    /// The parents that are not done: positions, or ids that no message had yet.
    waits_for: Vec<Arc<str>>,
    /// One for each group.
    places: Vec<(u32, Place)>,
    /// Since when no group has it in a state other than done.
    settled_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Partition {
    number: u32,
    key: PartitionKey,
    /// Offset of the next message.
    end: u64,
    window: Option<Gathering>,
}

/// An open window.
#[derive(Debug)]
struct Gathering {
    closes_at: Timestamp,
    count: u32,
}

#[derive(Debug)]
struct Group {
    number: u32,
    name: Option<GroupName>,
    /// The first message for it, when it began.
    from: u64,
    /// Partition and failures; who is not listed has none.
    failures: Vec<(u32, u32)>,
    /// Partition, and generation of the last lease of it that was settled to its end.
    settled_runs: Vec<(u32, u64)>,
}

impl Group {
    const fn new(number: u32, name: Option<GroupName>) -> Self {
        Self { number, name, from: 0, failures: Vec::new(), settled_runs: Vec::new() }
    }
}

#[derive(Debug)]
struct Key {
    partition: u32,
    text: Arc<str>,
    sequence: u64,
    position: Position,
    id: Option<Arc<str>>,
    /// None: contents did not count when it was sent.
    content: Option<send::Content>,
    /// None: until its message is settled.
    until: Option<Timestamp>,
}

#[derive(Debug)]
struct Receiver {
    to: ReplyTo,
    group: u32,
    take: Take,
    /// When it gives up.
    until: Option<Timestamp>,
    /// Of a standing one.
    credit: Option<u32>,
    /// Of one that waits for more: its number among them, and how long.
    fills: Option<(u64, Timestamp)>,
}

/// The receivers of one session that wait for the same.
#[derive(Debug)]
struct Turn {
    line: take::Line,
    session: SessionId,
    /// Oldest first; the newest is served first.
    receivers: Vec<ReplyTo>,
}

#[derive(Debug)]
struct Waiting {
    to: ReplyTo,
    sequence: u64,
    until: Timestamp,
}

#[derive(Debug)]
pub(super) struct Model {
    config: QueueConfig,
    now: Timestamp,
    /// As far as what is due has happened.
    moment: Timestamp,
    status: Status,
    paused: bool,
    settings: QueueSettings,
    /// What a queue is made with.
    founding: Option<QueueSettings>,
    last_sequence: u64,
    next_generation: u64,
    /// Leases with lower ones are from before the last crash.
    first_generation: u64,
    partitions_made: u32,
    partitions: Vec<Partition>,
    /// The work group first.
    groups: Vec<Group>,
    /// In the order of sending.
    messages: Vec<Kept>,
    keys: Vec<Key>,
    /// Own ids of messages that are gone, and until when they are remembered.
    gone: Vec<(Arc<str>, Timestamp)>,
    /// By name.
    schedules: Vec<ScheduleView>,
    receivers: Vec<Receiver>,
    set_aside: u64,
    /// Whose turn is next comes first.
    line: Vec<Turn>,
    awaits: Vec<Waiting>,
    tickets: Vec<(u64, Transaction)>,
    /// Deliveries since there is a rate.
    handed_out: Vec<Timestamp>,
    out: Vec<Output>,
}

impl Model {
    pub(super) fn new(config: QueueConfig) -> Self {
        Self {
            now: Timestamp(0),
            moment: Timestamp(0),
            status: Status::Absent,
            paused: false,
            settings: QueueSettings::default(),
            founding: None,
            last_sequence: 0,
            next_generation: config.first_generation,
            first_generation: config.first_generation,
            partitions_made: 0,
            partitions: Vec::new(),
            groups: vec![Group::new(WORK, None)],
            messages: Vec::new(),
            keys: Vec::new(),
            gone: Vec::new(),
            schedules: Vec::new(),
            receivers: Vec::new(),
            set_aside: 0,
            line: Vec::new(),
            awaits: Vec::new(),
            tickets: Vec::new(),
            handed_out: Vec::new(),
            out: Vec::new(),
            config,
        }
    }

    pub(super) fn apply(&mut self, now: Timestamp, from: ReplyTo, command: Command) -> Vec<Output> {
        self.advance(now);
        let founding = self.founding.clone().filter(|_| !self.exists());
        let has_founding = founding.is_some();
        self.settings = founding.unwrap_or_else(|| self.settings.clone());
        if let Some(answer) = self.obey(from, command) {
            self.out.push(Output::Reply(from, answer));
        }
        if has_founding && !self.exists() {
            self.settings = QueueSettings::default();
        }
        self.catch_up();
        std::mem::take(&mut self.out)
    }

    pub(super) const fn founding(&self) -> Option<&QueueSettings> {
        self.founding.as_ref()
    }

    pub(super) fn set_founding(&mut self, settings: Option<QueueSettings>) {
        self.founding = settings;
    }

    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Output> {
        self.advance(now);
        std::mem::take(&mut self.out)
    }

    /// What only counts while the server runs is gone. Says where the next generation begins.
    pub(super) fn crash(&mut self, now: Timestamp) -> u64 {
        self.receivers.clear();
        self.line.clear();
        self.awaits.clear();
        self.tickets.clear();
        self.handed_out.clear();
        self.groups.iter_mut().for_each(|group| group.settled_runs.clear());
        for kept in &mut self.messages {
            for (_, place) in &mut kept.places {
                place.attempts = 0;
                if matches!(place.stand, Stand::Leased(_)) {
                    place.stand = Stand::Ready;
                }
            }
        }
        self.next_generation += 1000;
        self.first_generation = self.next_generation;
        self.advance(now);
        self.next_generation
    }

    /// How often messages were delivered is known after a crash as far as it was saved.
    pub(super) fn set_attempts(&mut self, known: impl Fn((u32, Position)) -> Option<u32>) {
        for kept in &mut self.messages {
            for (group, place) in &mut kept.places {
                place.attempts = known((*group, kept.message.position)).unwrap_or(0);
            }
        }
    }

    /// So are the deliveries that the rate counts.
    pub(super) fn set_handed_out(&mut self, handed_out: Vec<Timestamp>) {
        self.handed_out = handed_out;
    }

    pub(super) const fn overflow(&self) -> Overflow {
        self.settings.overflow
    }

    /// Whether a transaction is prepared.
    pub(super) const fn is_prepared(&self) -> bool {
        !self.tickets.is_empty()
    }

    /// Ready messages of the work group.
    pub(super) fn size(&self) -> usize {
        self.messages.iter().filter(|kept| kept.place(WORK).stand == Stand::Ready).count()
    }

    /// Receivers and awaits.
    pub(super) fn parked(&self) -> usize {
        self.receivers.len() + self.awaits.len()
    }

    pub(super) fn exists(&self) -> bool {
        self.status != Status::Absent
    }

    /// The answer, if there is one now.
    fn obey(&mut self, from: ReplyTo, command: Command) -> Option<Answer> {
        match command {
            Command::Unpark => {
                self.forget(from.session);
                None
            }
            Command::Abandon => {
                self.abandon(from.session);
                None
            }
            Command::Take(take) => self.take(from, *take),
            Command::Await { id, until } => self.wait_for(from, &id, until),
            other => Some(self.answer(from, other)),
        }
    }

    fn answer(&mut self, from: ReplyTo, command: Command) -> Answer {
        if self.status == Status::Absent && !makes_a_queue(&command) {
            return match command {
                // Late receipts of a queue that was deleted.
                Command::Settle { items } => Ok(Outcome::Settled(vec![Settled::Lost; items.len()])),
                _ => Err(ErrorCode::QueueNotFound),
            };
        }
        match command {
            Command::Open { settings, idempotent } => self.open(settings, idempotent),
            Command::Configure { settings, replace } => self.configure(&settings, replace),
            Command::Close => self.close(),
            Command::Pause => self.pause(true),
            Command::Resume => self.pause(false),
            Command::Delete => self.delete(),
            Command::Send { message } => self.send(message),
            Command::SendBatch { messages } => self.send_all(messages).map(Outcome::SentBatch),
            Command::Credit { receiver, credit } => self.set_credit(from.session, receiver, credit),
            Command::Cancel { receiver } => self.cancel_receiver(from.session, receiver),
            Command::Settle { items } => Ok(Outcome::Settled(self.settle(&items, None))),
            Command::SettleNamed { parts } => {
                let settled = parts.iter().map(|part| self.settle_named(part, None)).collect();
                Ok(Outcome::SettledNamed(settled))
            }
            Command::Extend { leases, by } => Ok(Outcome::Extended(self.extend(&leases, by))),
            Command::ExtendTake { generation, by } => {
                Ok(Outcome::Extended(self.extend_take(generation, by)))
            }
            Command::Transact(transaction) => self.transact(*transaction),
            Command::Prepare { ticket, transaction } => self.prepare(ticket, *transaction),
            Command::Commit { ticket } => self.commit(ticket),
            Command::Abort { ticket } => self.abort(ticket),
            Command::Purge { group, states } => self.purge(group.as_ref(), states),
            Command::Change { group, select, action, dry_run } => {
                self.change(group.as_ref(), &select, &action, dry_run)
            }
            Command::Browse { group, filter, after, limit } => {
                self.browse(group.as_ref(), &filter, after, limit)
            }
            Command::Look { partition, name } => self.look(&partition, &name),
            Command::Find { group, id } => self.find(group.as_ref(), &id),
            Command::OpenGroup { group, start } => self.open_group(group, start),
            Command::SetStart { group, start } => {
                let number = self.group(Some(&group))?;
                let from = self.first_of(start);
                self.groups.iter_mut().find(|it| it.number == number).unwrap().from = from;
                Ok(Outcome::Done)
            }
            Command::DeleteGroup { group } => self.delete_group(&group),
            Command::Seek { group, partition, to } => {
                self.seek(group.as_ref(), partition.as_ref(), to)
            }
            Command::PutSchedule { name, spec } => self.put_schedule(name, *spec),
            Command::DeleteSchedule { name } => self.delete_schedule(&name),
            Command::PauseSchedule { name, paused } => self.pause_schedule(&name, paused),
            Command::FireSchedule { name } => self.fire_schedule(&name),
            Command::Inspect => Ok(self.inspect()),
            Command::Survey { group, partition, after, limit } => {
                self.survey(group.as_ref(), partition.as_ref(), after, limit)
            }
            Command::Explain { group } => self.explain(group.as_ref()),
            Command::Take(_) | Command::Await { .. } | Command::Unpark | Command::Abandon => {
                unreachable!("answered elsewhere")
            }
        }
    }

    fn open(&mut self, settings: Option<Box<SettingsPatch>>, idempotent: bool) -> Answer {
        let may_be_open = idempotent || self.config.open_is_idempotent;
        if self.status == Status::Open && !may_be_open {
            return Err(ErrorCode::QueueExists);
        }
        if let Some(patch) = &settings {
            self.change_settings(patch.apply(&self.settings))?;
        }
        self.status = Status::Open;
        Ok(Outcome::Configured(Box::new(self.settings.clone())))
    }

    fn configure(&mut self, patch: &SettingsPatch, replace: bool) -> Answer {
        let defaults = QueueSettings::default();
        self.change_settings(patch.apply(if replace { &defaults } else { &self.settings }))?;
        self.come_into_being();
        Ok(Outcome::Configured(Box::new(self.settings.clone())))
    }

    fn change_settings(&mut self, settings: QueueSettings) -> Result<(), ErrorCode> {
        settings.check().map_err(|_| ErrorCode::InvalidSettings)?;
        if settings.encryption == Encryption::Required && !self.config.encrypts {
            return Err(ErrorCode::EncryptionUnavailable);
        }
        if settings.rate != self.settings.rate {
            self.handed_out.clear();
        }
        if self.settings.work_group && !settings.work_group {
            self.end_receivers(|receiver| receiver.group == WORK, ErrorCode::GroupRequired);
            self.end_work_group();
        }
        let is_other_delay = settings.delay != self.settings.delay;
        self.settings = settings;
        if is_other_delay {
            self.delay_anew();
        }
        Ok(())
    }

    fn close(&mut self) -> Answer {
        self.status = Status::Closed;
        self.end_receivers(|_| true, ErrorCode::QueueClosed);
        Ok(Outcome::Done)
    }

    fn pause(&mut self, paused: bool) -> Answer {
        self.paused = paused;
        Ok(Outcome::Done)
    }

    /// Everything is forgotten but how far the numbers went.
    fn delete(&mut self) -> Answer {
        self.end_receivers(|_| true, ErrorCode::QueueNotFound);
        for waiting in std::mem::take(&mut self.awaits) {
            self.reply(waiting.to, Err(ErrorCode::QueueNotFound));
        }
        let fresh = Self::new(self.config.clone());
        let old = std::mem::replace(self, fresh);
        (self.now, self.moment) = (old.now, old.moment);
        self.last_sequence = old.last_sequence;
        self.next_generation = old.next_generation;
        self.first_generation = old.first_generation;
        self.partitions_made = old.partitions_made;
        self.founding = old.founding;
        self.out = old.out;
        Ok(Outcome::Done)
    }

    fn come_into_being(&mut self) {
        if self.status == Status::Absent {
            self.status = Status::Open;
        }
    }

    /// Forgets receivers and awaits of a session, without an answer.
    fn forget(&mut self, session: SessionId) {
        self.forget_receivers(|receiver| receiver.to.session == session);
        self.awaits.retain(|waiting| waiting.to.session != session);
    }

    fn reply(&mut self, to: ReplyTo, answer: Answer) {
        self.out.push(Output::Reply(to, answer));
    }

    /// The number of the group that a command names.
    fn group(&self, name: Option<&GroupName>) -> Result<u32, ErrorCode> {
        match name {
            None if !self.settings.work_group => Err(ErrorCode::GroupRequired),
            None => Ok(WORK),
            Some(_) => {
                let found = self.groups.iter().find(|group| group.name.as_ref() == name);
                found.map(|group| group.number).ok_or(ErrorCode::GroupNotFound)
            }
        }
    }

    /// The work group may be switched off.
    fn is_there(&self, group: u32) -> bool {
        group != WORK || self.settings.work_group
    }

    fn partition(&self, key: &PartitionKey) -> Option<u32> {
        self.partitions.iter().find(|it| it.key == *key).map(|it| it.number)
    }

    fn key_of(&self, partition: u32) -> PartitionKey {
        let found = self.partitions.iter().find(|it| it.number == partition);
        found.map(|it| it.key.clone()).unwrap()
    }

    fn kept(&self, sequence: u64) -> &Kept {
        self.messages.iter().find(|kept| kept.sequence() == sequence).unwrap()
    }

    fn kept_mut(&mut self, sequence: u64) -> &mut Kept {
        self.messages.iter_mut().find(|kept| kept.sequence() == sequence).unwrap()
    }

    fn is_kept(&self, sequence: u64) -> bool {
        self.messages.iter().any(|kept| kept.sequence() == sequence)
    }

    fn sequences(&self) -> Vec<u64> {
        self.messages.iter().map(Kept::sequence).collect()
    }

    /// By position if the text is one, else by own id.
    fn by_id(&self, id: &str) -> Option<u64> {
        let found = match id.parse::<Position>() {
            Ok(position) => self.messages.iter().find(|kept| kept.message.position == position),
            Err(()) => self.messages.iter().find(|kept| kept.own_id() == Some(id)),
        };
        found.map(Kept::sequence)
    }

    /// The smallest is taken first.
    fn rank(&self, sequence: u64) -> (i64, u64) {
        let message = &self.kept(sequence).message;
        let (priority, deadline) = (message.priority(), message.deadline());
        (self.settings.class(priority, deadline, message.sent_at, self.now), sequence)
    }
}

impl Kept {
    fn sequence(&self) -> u64 {
        self.message.sequence.0
    }

    fn partition(&self) -> u32 {
        self.message.position.partition
    }

    fn position(&self) -> Arc<str> {
        self.message.position.to_string().into()
    }

    fn own_id(&self) -> Option<&str> {
        self.message.options.as_ref()?.id.as_deref()
    }

    fn place(&self, group: u32) -> &Place {
        self.places.iter().find(|(number, _)| *number == group).map(|(_, place)| place).unwrap()
    }

    fn place_mut(&mut self, group: u32) -> &mut Place {
        self.places.iter_mut().find(|(number, _)| *number == group).map(|(_, it)| it).unwrap()
    }

    fn lease(&self, group: u32) -> Option<&Lease> {
        match &self.place(group).stand {
            Stand::Leased(lease) => Some(lease),
            _ => None,
        }
    }

    fn is_leased_anywhere(&self) -> bool {
        self.places.iter().any(|(group, _)| self.lease(*group).is_some())
    }
}

impl Stand {
    /// Neither leased nor at an end.
    const fn waits(&self) -> bool {
        matches!(self, Self::Blocked | Self::Delayed(_) | Self::Held | Self::Ready)
    }

    const fn has_ended(&self) -> bool {
        matches!(self, Self::Dead { .. } | Self::Done { .. })
    }

    const fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

impl Place {
    const fn new(stand: Stand) -> Self {
        Self { stand, attempts: 0, failures: 0 }
    }
}

const fn makes_a_queue(command: &Command) -> bool {
    matches!(
        command,
        Command::Open { .. }
            | Command::Configure { .. }
            | Command::Close
            | Command::Send { .. }
            | Command::SendBatch { .. }
            | Command::OpenGroup { .. }
            | Command::PutSchedule { .. }
            | Command::Transact(_)
            | Command::Prepare { .. }
            | Command::Commit { .. }
            | Command::Abort { .. }
    )
}
