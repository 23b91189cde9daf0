//! What a sweep has reached: it must not be empty of what it is for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{Debug, Write},
};

use super::Output;
use crate::{
    engine::{
        Action, Command, Delivered, Event, Happened, Item, Outcome, Overflow, Position, Record,
        ReplyTo, Standing, Unit,
    },
    error::ErrorCode,
};

/// One per line; after a colon several with the same beginning.
const REQUIRED: &str = "
    record: Opened Closed Paused Deleted Configured PartitionAdded GroupAdded GroupRemoved Sent
    record: GroupBegan
    record: Replaced Settled Moved Removed Purged Sought Charged Scheduled Unscheduled
    sent: Ready Blocked Delayed Held Dead Dropped
    moved: Ready Delayed Dead Dropped Done
    event: Opened Closed Paused Resumed Configured Deleted Purged Sent Ready Delivered Done Retried
    event: Released LeaseExpired Dead Dropped Cancelled GroupOpened GroupDeleted Sought Fired
    Open: Configured QueueExists InvalidSettings
    Configure: Configured InvalidSettings
    Close: Done
    Pause: Done
    Resume: Done
    Delete: Done
    Send: Sent InvalidRequest QueueClosed QueueFull QueueBytesFull KeyConflict TooManyPartitions
    SendBatch: SentBatch InvalidRequest QueueFull QueueBytesFull
    Take: Delivered Empty InvalidRequest QueueClosed GroupRequired TooManyGroups
    Take: TooManyParkedOnQueue Takeable
    Credit: Done ReceiverNotFound
    Cancel: Done ReceiverNotFound
    Settle: Settled
    settled: Done Back Dead Dropped Cancelled Lost
    SettleNamed: SettledNamed
    named: Settled Before Again Unknown
    ExtendTake: Extended
    Extend: Extended
    Transact: Transacted LeaseLost Duplicate QueueFull MessageNotFound
    Prepare: Prepared LeaseLost InvalidRequest
    Commit: Transacted NotFound
    Abort: Done NotFound
    Purge: Purged GroupRequired
    Change: Changed GroupNotFound
    changed: Cancel Promote Redrive Bury Discard
    Look: Looked MessageNotFound
    SetStart: Done GroupNotFound
    Browse: Browsed
    Find: Found MessageNotFound
    Await: Found MessageNotFound TooManyParkedOnQueue
    OpenGroup: Done GroupExists TooManyGroups
    DeleteGroup: Done GroupNotFound
    Seek: Done
    PutSchedule: Scheduled InvalidRequest TooManySchedules
    DeleteSchedule: Done ScheduleNotFound
    PauseSchedule: Scheduled
    FireSchedule: Sent
    Inspect: Inspected
    Survey: Surveyed
    code: QueueNotFound
    Explain: Explained
    why: Closed Paused Empty ConcurrencyFull RateLimited NoReceivers NothingMatches
    why: PartitionsLeased AllLeased Delayed Blocked OnlyDead
    reason: failed broken buried expired queue_full
    reason of two words: lease_expired parent_failed
    delivered after: Ready Blocked Delayed Held Dead
    full: Reject DropOldest
    overflow: made_room dead_letter dropped
    once: restart restart_with_leases restart_with_prepared restart_from_image image failed_save
    once: saved_ahead cooled warmed fetched
    once: duplicate named_group whole_partition without_lease pushed_again result_came
    once: receiver_gave_up closed_receiver fired_by_time browse_goes_on extended
    once: settles_and_sends settles_by_name named_released
    once: receiver_was_told founded newest
";

/// How often each was reached.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reach {
    counts: BTreeMap<String, u64>,
    sent_as: BTreeMap<Position, String>,
    dead: BTreeSet<(u32, Position)>,
}

/// What one step did.
pub(super) struct Step<'a> {
    pub(super) command: Option<&'a (ReplyTo, Command)>,
    pub(super) overflow: Overflow,
    pub(super) outputs: &'a [Output],
    pub(super) records: &'a [Record],
    pub(super) events: &'a [Event],
}

impl Reach {
    pub(super) fn note(&mut self, what: &str, kind: &str) {
        *self.counts.entry(format!("{what} {kind}")).or_default() += 1;
    }

    pub(super) fn once(&mut self, what: &str) {
        self.note("once", what);
    }

    pub(super) fn add(&mut self, other: Self) {
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }

    /// What is required and was never reached.
    pub(super) fn missing(&self) -> Vec<String> {
        let lines = REQUIRED.lines().filter_map(|line| line.trim().split_once(": "));
        let all = lines.flat_map(|(what, kinds)| {
            let what = if what == "reason of two words" { "reason" } else { what };
            kinds.split_whitespace().map(move |kind| format!("{what} {kind}"))
        });
        all.filter(|what| !self.counts.contains_key(what)).collect()
    }

    pub(super) fn step(&mut self, step: &Step<'_>) {
        step.records.iter().for_each(|record| self.record(record));
        for event in step.events {
            self.note("event", &word(&event.what));
        }
        let asked = step.command.map(|(from, command)| (*from, word(command)));
        for output in step.outputs {
            match output {
                Output::Push(_, delivered) => {
                    self.delivered(std::slice::from_ref(delivered));
                    if delivered.attempt > 1 {
                        self.once("pushed_again");
                    }
                }
                Output::Reply(to, result) => {
                    let own = asked.as_ref().filter(|(from, _)| from == to).map(|(_, name)| name);
                    self.reply(own, result);
                }
            }
        }
        self.command(step);
    }

    fn record(&mut self, record: &Record) {
        self.note("record", &word(record));
        match record {
            Record::Sent { message, standing } => {
                self.note("sent", &word(standing));
                self.sent_as.insert(message.position, word(standing));
                self.reason(standing);
            }
            Record::Moved { group, position, standing, .. } => {
                self.note("moved", &word(standing));
                self.reason(standing);
                if matches!(standing, Standing::Dead { .. }) {
                    self.dead.insert((*group, *position));
                }
            }
            _ => {}
        }
    }

    fn reason(&mut self, standing: &Standing) {
        if let Standing::Dead { reason, .. } = standing {
            self.note("reason", &reason.replace(' ', "_"));
        }
    }

    fn reply(&mut self, own: Option<&String>, result: &Result<Outcome, ErrorCode>) {
        let kind = result.as_ref().map_or_else(word, word);
        if result.is_err() {
            self.note("code", &kind);
        }
        if let Some(name) = own {
            self.note(name, &kind);
        }
        match result {
            Err(_) if own.is_none() => self.once("closed_receiver"),
            Ok(Outcome::Empty) if own.is_none() => self.once("receiver_gave_up"),
            Ok(Outcome::Takeable) if own.is_none() => self.once("receiver_was_told"),
            Ok(Outcome::Found(item)) if own.is_none() => {
                let Item { result, .. } = &**item;
                result.iter().for_each(|_| self.once("result_came"));
            }
            Ok(Outcome::Delivered(all)) => self.delivered(all),
            Ok(Outcome::Settled(all)) => {
                all.iter().for_each(|settled| self.note("settled", &word(settled)));
            }
            Ok(Outcome::SettledNamed(parts)) => {
                for part in parts {
                    part.items.iter().for_each(|settled| self.note("named", &word(settled)));
                    if part.released {
                        self.once("named_released");
                    }
                }
            }
            Ok(Outcome::Transacted { named, .. }) if !named.is_empty() => {
                self.once("settles_by_name");
            }
            Ok(Outcome::Transacted { settled, sent, .. })
                if !settled.is_empty() && !sent.is_empty() =>
            {
                self.once("settles_and_sends");
            }
            Ok(Outcome::Sent(receipt)) if receipt.duplicate => self.once("duplicate"),
            Ok(Outcome::Explained(explanation)) => self.note("why", &word(&explanation.why)),
            Ok(Outcome::Browsed { next: Some(_), .. }) => self.once("browse_goes_on"),
            Ok(Outcome::Extended(ends)) if ends.iter().any(Option::is_some) => {
                self.once("extended");
            }
            _ => {}
        }
    }

    fn delivered(&mut self, all: &[Delivered]) {
        for delivered in all {
            let position = delivered.message.position;
            if let Some(sent_as) = self.sent_as.get(&position).cloned() {
                self.note("delivered after", &sent_as);
            }
            let Some(lease) = delivered.lease else {
                self.once("without_lease");
                continue;
            };
            if lease.group > 0 {
                self.once("named_group");
            }
            if self.dead.contains(&(lease.group, position)) {
                self.note("delivered after", "Dead");
            }
        }
        let generation = |one: &Delivered| one.lease.map(|lease| lease.generation);
        let is_run = |two: &[Delivered]| {
            generation(&two[0]).is_some() && { generation(&two[0]) == generation(&two[1]) }
        };
        if all.len() > 2 && all.windows(2).all(is_run) {
            self.once("whole_partition");
        }
    }

    fn command(&mut self, step: &Step<'_>) {
        let fired = step.events.iter().any(|event| event.what == Happened::Fired);
        let by_hand = matches!(step.command, Some((_, Command::FireSchedule { .. })));
        if fired && !by_hand {
            self.once("fired_by_time");
        }
        let Some((from, command)) = step.command else { return };
        let answer = step.outputs.iter().find_map(|output| match output {
            Output::Reply(to, result) if to == from => Some(result),
            _ => None,
        });
        match (command, answer) {
            (Command::Change { action, dry_run: false, .. }, Some(Ok(answer))) => {
                if matches!(answer, Outcome::Changed { count: 1.., .. }) {
                    self.changed(action);
                }
            }
            (
                Command::Send { .. } | Command::SendBatch { .. },
                Some(Err(ErrorCode::QueueFull | ErrorCode::QueueBytesFull)),
            ) => self.note("full", &word(&step.overflow)),
            (Command::Send { .. }, Some(Ok(_))) => self.overflow(step),
            (Command::Take(take), Some(Ok(Outcome::Delivered(_)))) => {
                let passes_over = |record: &Record| matches!(record, Record::Settled { .. });
                if matches!(take.unit, Unit::Newest { .. }) && step.records.iter().any(passes_over)
                {
                    self.once("newest");
                }
            }
            _ => {}
        }
    }

    fn changed(&mut self, action: &Action) {
        self.note("changed", &word(action));
    }

    fn overflow(&mut self, step: &Step<'_>) {
        let is_removal = |record: &Record| matches!(record, Record::Removed { .. });
        for record in step.records {
            match (step.overflow, record) {
                (Overflow::DeadLetter, Record::Sent { standing: Standing::Dead { .. }, .. }) => {
                    self.note("overflow", "dead_letter");
                }
                (Overflow::DeadLetter, Record::Sent { standing: Standing::Dropped { .. }, .. }) => {
                    self.note("overflow", "dropped");
                }
                // The removal is written just before what it made room for.
                (Overflow::DropOldest, record) if is_removal(record) => {
                    self.note("overflow", "made_room");
                }
                _ => {}
            }
        }
    }
}

/// The first word of what `{:?}` says: the name of a variant. The rest is not even made.
fn word(it: &impl Debug) -> String {
    struct First(String);
    impl Write for First {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            let is_name = |character: char| character.is_alphanumeric() || character == '_';
            let end = text.find(|character| !is_name(character)).unwrap_or(text.len());
            self.0.push_str(&text[..end]);
            if end < text.len() { Err(std::fmt::Error) } else { Ok(()) }
        }
    }
    let mut first = First(String::new());
    let _ = write!(first, "{it:?}");
    first.0
}
