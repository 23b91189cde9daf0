//! Random commands. Names and numbers come from small pools, so that commands collide.

use std::sync::Arc;

use super::Known;
use crate::{
    engine::{
        Action, Ageing, Backoff, BackoffKind, CatchUp, Command, DedupKey, Durability, Encryption,
        Filter, LeaseId, MessageOrder, Name, NewMessage, OnDuplicate, Options, Overflow,
        ParentFailed, Park, Position, QueueSettings, Rate, ScheduleSpec, SeekTo, Select,
        SettingsPatch, SettleNamed, Start, State, States, Take, Term, Timing, Transaction, Unit,
        Verdict, Window,
    },
    types::{GroupName, Millis, PartitionKey, Payload, ScheduleName, Timestamp},
};

const BODIES: [&str; 4] = ["1", "\"two\"", "{\"n\":3}", "[4,4,4,4,4,4,4,4]"];

/// SplitMix64.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True in so many cases of a hundred.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, pool: &[T]) -> T {
        pool[self.below(pool.len() as u64) as usize].clone()
    }

    fn maybe<T>(&mut self, percent: u64, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let is_made = self.chance(percent);
        is_made.then(|| make(self))
    }

    fn millis(&mut self, below: u64) -> Millis {
        Millis(self.below(below))
    }

    fn after(&mut self, now: Timestamp, below: u64) -> Timestamp {
        now.after(self.millis(below))
    }

    /// A time around now.
    fn around(&mut self, now: Timestamp) -> Timestamp {
        Timestamp((now.0 + self.below(20)).saturating_sub(self.below(60)))
    }

    fn partition(&mut self) -> Option<PartitionKey> {
        self.maybe(50, |random| random.pick(&["p", "q", "p", "q", "p", "r"]).parse().unwrap())
    }

    fn group_name(&mut self) -> GroupName {
        self.pick(&["g", "h", "i"]).parse().unwrap()
    }

    fn group(&mut self) -> Option<GroupName> {
        self.maybe(30, Self::group_name)
    }

    fn schedule(&mut self) -> ScheduleName {
        self.pick(&["daily", "hourly", "once"]).parse().unwrap()
    }

    fn text(&mut self, pool: &[&str]) -> Arc<str> {
        Arc::from(self.pick(pool))
    }

    fn labels(&mut self) -> Vec<(Arc<str>, Arc<str>)> {
        let value = |random: &mut Self| random.text(&["1", "2"]);
        let x = self.maybe(50, |random| ("x".into(), value(random)));
        let y = self.maybe(30, |random| ("y".into(), value(random)));
        x.into_iter().chain(y).collect()
    }

    /// An own id, or the position of a message that was sent lately.
    fn id(&mut self, known: &Known) -> Arc<str> {
        if known.positions.is_empty() || self.chance(40) {
            return self.text(&["a", "b", "c", "d", "e"]);
        }
        let lately = known.positions.len().min(12) as u64;
        let at = known.positions.len() - 1 - self.below(lately) as usize;
        let Position { partition, offset } = known.positions[at];
        let offset = if self.chance(3) { offset + 50 } else { offset };
        Position { partition, offset }.to_string().into()
    }

    fn key(&mut self) -> DedupKey {
        DedupKey {
            text: self.text(&["k", "l", "m"]),
            window: self.maybe(30, |random| random.millis(40)),
            until_settled: self.chance(40),
            on_duplicate: self.pick(&[OnDuplicate::Keep, OnDuplicate::Replace]),
        }
    }

    fn backoff(&mut self) -> Backoff {
        Backoff {
            kind: self.pick(&[BackoffKind::Fixed, BackoffKind::Linear, BackoffKind::Exponential]),
            base: self.millis(8),
            cap: self.millis(30),
            jitter: self.pick(&[0, 0, 50]),
        }
    }

    fn options(&mut self, now: Timestamp, known: &Known) -> Options {
        let failed = [ParentFailed::Wait, ParentFailed::Fail, ParentFailed::Run];
        let parents = if self.chance(25) { 1 + self.below(2) } else { 0 };
        let illegal = ["0-1", ""];
        Options {
            id: self.maybe(30, |random| {
                let wrong = random.maybe(3, |random| random.text(&illegal));
                wrong.unwrap_or_else(|| random.text(&["a", "b", "c", "d", "e"]))
            }),
            key: self.maybe(25, Self::key),
            priority: self.below(4) as i32 - 1,
            delay: self.maybe(15, |random| random.millis(20)),
            not_before: self.maybe(10, |random| random.around(now)),
            ttl: self.maybe(15, |random| Millis(1 + random.below(40))),
            deadline: self.maybe(15, |random| random.after(now, 60)),
            kind: self.maybe(30, |random| random.text(&["one", "other"])),
            labels: self.labels(),
            headers: None,
            attempts_max: self.maybe(20, |random| random.below(4) as u32),
            backoff: self.maybe(10, Self::backoff),
            depends_on: (0..parents).map(|_| self.id(known)).collect(),
            parent_failed: self.pick(&failed),
        }
    }

    fn body(&mut self) -> Payload {
        Payload::from(self.pick(&BODIES))
    }

    fn message(&mut self, now: Timestamp, known: &Known) -> NewMessage {
        NewMessage {
            partition: self.partition(),
            body: self.body(),
            options: self.maybe(50, |random| Box::new(random.options(now, known))),
        }
    }

    fn messages(&mut self, now: Timestamp, known: &Known, most: u64) -> Vec<NewMessage> {
        (0..=self.below(most)).map(|_| self.message(now, known)).collect()
    }

    fn start(&mut self, now: Timestamp) -> Start {
        let time = self.around(now);
        self.pick(&[Start::All, Start::All, Start::New, Start::From(time)])
    }

    fn take(&mut self, now: Timestamp) -> Take {
        let whole = self.chance(30);
        let length = self.maybe(60, |random| Millis(1 + random.below(80)));
        let bound = self.chance(50);
        let timed = Term::Timed { length, bound };
        let until = self.maybe(50, |random| random.after(now, 30));
        let standing = Park::Standing { credit: self.below(4) as u32 };
        let most = if whole { 6 } else { 3 };
        Take {
            group: self.group(),
            start: self.start(now),
            partition: if self.chance(30) { self.partition() } else { None },
            unit: if whole {
                let max = 1 + self.below(3) as u32;
                if self.chance(30) { Unit::Newest { max } } else { Unit::Partition { max } }
            } else {
                Unit::Message
            },
            max: if self.chance(2) { 0 } else { 1 + self.below(most) as u32 },
            term: if self.chance(8) { Term::Auto } else { self.pick(&[Term::Session, timed]) },
            labels: if self.chance(if whole { 2 } else { 20 }) {
                self.labels()
            } else {
                Vec::new()
            },
            park: match self.below(10) {
                0..4 => Park::No,
                4 if whole => Park::No,
                4..6 => standing,
                6 => Park::Told(until),
                _ => Park::Until(until),
            },
        }
    }

    fn verdict(&mut self) -> Verdict {
        let delay = self.maybe(30, |random| random.millis(15));
        let reason = self.maybe(50, |random| random.text(&["broken", "late"]));
        match self.below(20) {
            0..9 => Verdict::Done { result: self.maybe(30, Self::body) },
            9..14 => Verdict::Retry { delay, reason },
            14 => Verdict::Dead { reason },
            15..19 => Verdict::Release { delay },
            _ => Verdict::Cancel,
        }
    }

    /// Leases that were handed out lately, live ones and stale ones.
    fn leases(&mut self, known: &Known) -> Vec<LeaseId> {
        let lately = &known.leases[known.leases.len().saturating_sub(30)..];
        let pool = if known.live.is_empty() || self.chance(10) { lately } else { &known.live };
        if pool.is_empty() {
            return Vec::new();
        }
        let one = |random: &mut Self| random.pick(pool);
        let first = one(self);
        if self.chance(40) {
            // All that came with it: of a partition lease the whole run.
            let mut all = known.leases.clone();
            all.retain(|lease| lease.generation == first.generation);
            all.sort();
            all.dedup();
            return all;
        }
        let more = self.below(4);
        std::iter::once(first).chain((0..more).map(|_| one(self))).collect()
    }

    fn settles(&mut self, known: &Known) -> Vec<(LeaseId, Verdict)> {
        self.leases(known).into_iter().map(|lease| (lease, self.verdict())).collect()
    }

    /// Parts that settle by name: mostly of what somebody has.
    fn named(&mut self, known: &Known) -> Vec<SettleNamed> {
        let count = 1 + self.below(2);
        (0..count).map(|_| self.named_part(known)).collect()
    }

    fn named_part(&mut self, known: &Known) -> SettleNamed {
        let lately = &known.leases[known.leases.len().saturating_sub(12)..];
        let pool = if known.live.is_empty() || self.chance(40) { lately } else { &known.live };
        let lease = if pool.is_empty() { None } else { Some(self.pick(pool)) };
        let items = 1 + self.below(3);
        let items = (0..items).map(|_| {
            let same = known.leases.iter().rev().take(40);
            let same: Vec<LeaseId> = same
                .filter(|other| lease.is_some_and(|it| it.generation == other.generation))
                .copied()
                .collect();
            let position = if same.is_empty() || self.chance(20) {
                self.maybe(50, |random| Position { partition: 0, offset: random.below(20) })
            } else {
                Some(self.pick(&same).position)
            };
            (Name { key: self.text(&["k", "l", "m", "none", "none"]), position }, self.verdict())
        });
        SettleNamed {
            items: items.collect(),
            group: self.group(),
            partition: self.partition().unwrap_or_default(),
            lease: lease.filter(|_| self.chance(65)).map(|lease| lease.generation),
        }
    }

    fn transaction(&mut self, now: Timestamp, known: &Known) -> Transaction {
        let mut settles = self.settles(known);
        if self.chance(80) {
            settles.dedup_by_key(|(lease, _)| *lease);
        }
        let sends = if self.chance(60) { self.messages(now, known, 2) } else { Vec::new() };
        let named = if self.chance(50) { self.named(known) } else { Vec::new() };
        if !named.is_empty() && self.chance(80) {
            settles.clear();
        }
        Transaction { settles, named, sends }
    }

    fn states(&mut self) -> States {
        if self.chance(30) {
            return States::ALL;
        }
        State::ALL.into_iter().filter(|_| self.chance(30)).collect()
    }

    fn filter(&mut self, now: Timestamp) -> Filter {
        Filter {
            states: self.states(),
            partition: if self.chance(20) { self.partition() } else { None },
            sent_from: self.maybe(20, |random| random.around(now)),
            sent_before: self.maybe(20, |random| random.around(now)),
            kind: self.maybe(10, |random| random.text(&["one", "other"])),
            labels: if self.chance(10) { self.labels() } else { Vec::new() },
            reason: self.maybe(5, |random| random.text(&["ail", "broken"])),
        }
    }

    fn change(&mut self, now: Timestamp, known: &Known) -> Command {
        let reason = self.maybe(50, |random| random.text(&["by hand"]));
        let per_second = self.maybe(40, |random| 1 + random.below(500) as u32);
        let redrive = Action::Redrive { per_second };
        let actions = [
            Action::Cancel,
            Action::Promote,
            Action::Promote,
            redrive,
            Action::Discard,
            Action::Bury { reason },
        ];
        let action = self.pick(&actions);
        let select = if self.chance(50) {
            Select::Ids((0..=self.below(3)).map(|_| self.id(known)).collect())
        } else {
            let mut filter = self.filter(now);
            if self.chance(75) {
                filter.states = State::ALL.into_iter().filter(|it| action.fits(*it)).collect();
            }
            Select::Matching { filter, limit: 1 + self.below(4) as u32 }
        };
        let (select, action) = (Box::new(select), Box::new(action));
        Command::Change { group: self.group(), select, action, dry_run: self.chance(15) }
    }

    fn spec(&mut self, now: Timestamp, known: &Known) -> ScheduleSpec {
        let timings = [
            Timing::At(self.around(now)),
            Timing::At(self.after(now, 200)),
            Timing::Every(Millis(300 + self.below(3000))),
            Timing::Every(Millis(0)),
            Timing::Cron { expression: "*/7 * * * * *".into(), zone: "UTC".into() },
        ];
        ScheduleSpec {
            timing: self.pick(&timings),
            message: self.message(now, known),
            catch_up: self.pick(&[CatchUp::Skip, CatchUp::Once]),
            paused: self.chance(15),
            since: Timestamp(0),
        }
    }

    /// What a queue is made with, if anything is said.
    pub(super) fn founding(&mut self) -> Option<QueueSettings> {
        let patch = SettingsPatch { encryption: None, ..self.patch() };
        let settings = patch.apply(&QueueSettings::default());
        (settings.check().is_ok() && self.chance(70)).then_some(settings)
    }

    /// A few settings, and most of them back at their defaults from time to time.
    fn patch(&mut self) -> SettingsPatch {
        let mut patch = SettingsPatch::default();
        for _ in 0..=self.below(5) {
            self.set_one(&mut patch);
        }
        patch
    }

    fn set_one(&mut self, patch: &mut SettingsPatch) {
        let orders = [MessageOrder::Fifo, MessageOrder::Priority, MessageOrder::Deadline];
        let overflows =
            [Overflow::Reject, Overflow::DropOldest, Overflow::DeadLetter, Overflow::DeadLetter];
        match self.below(29) {
            28 => patch.batch_wait = Some(Millis(self.pick(&[0, 3, 20]))),
            26 => patch.labels = Some(self.labels()),
            27 => patch.priority = Some(self.below(3) as i32),
            0..2 => patch.ordering = Some(self.pick(&orders)),
            2 => {
                let every = Millis(1 + self.below(10));
                let ageing = Ageing { every, step: 1, top: 3 };
                patch.ageing = Some(self.maybe(70, |_| ageing));
            }
            3 => patch.lease = Some(Millis(self.pick(&[0, 12, 50, 100]))),
            4 => patch.attempts_max = Some(self.below(4) as u32),
            5 => patch.backoff = Some(self.backoff()),
            6 => patch.expiry_is_failure = Some(self.chance(70)),
            7 => patch.dead_letter = Some(self.chance(40)),
            8 => patch.dead_letter_expired = Some(self.chance(50)),
            9 => patch.delay = Some(Millis(self.pick(&[0, 0, 0, 7]))),
            10 => patch.ttl = Some(self.maybe(40, |random| Millis(10 + random.below(50)))),
            11..13 => {
                let window = |random: &mut Self| Window {
                    length: Millis(1 + random.below(15)),
                    debounce: random.chance(50),
                    messages: 2 + random.below(3) as u32,
                };
                patch.window = Some(self.maybe(40, window));
            }
            13 => patch.dedup_window = Some(Millis(self.pick(&[0, 15, 60, 3_600_000]))),
            14 => patch.dedup_content = Some(self.chance(50)),
            15 => patch.messages_max = Some(self.maybe(60, |random| 4 + random.below(9))),
            16 => patch.bytes_max = Some(self.maybe(60, |random| 20 + random.below(80))),
            17 => patch.overflow = Some(self.pick(&overflows)),
            18 => patch.retain_open = Some(Millis(self.pick(&[u64::MAX, u64::MAX, 60, 200]))),
            19 => patch.retain_settled = Some(Millis(self.pick(&[0, 0, 20, 100]))),
            20 => patch.retain_dead = Some(Millis(self.pick(&[0, 30, 100, 1_000_000]))),
            21 => {
                let rate = |random: &mut Self| Rate {
                    count: random.below(4) as u32,
                    per: Millis(1 + random.below(25)),
                };
                patch.rate = Some(self.maybe(40, rate));
            }
            22 => {
                patch.concurrency = Some(self.maybe(50, |random| 1 + random.below(4) as u32));
            }
            23 => patch.work_group = Some(self.chance(75)),
            24 => {
                let durability = self.pick(&[Durability::Durable, Durability::Relaxed]);
                patch.durability = Some(durability);
            }
            _ => {
                let encryption = self.pick(&[Encryption::Optional, Encryption::Required]);
                patch.encryption = Some(encryption);
            }
        }
    }

    fn configure(&mut self) -> Command {
        let replace = self.chance(40);
        Command::Configure { settings: Box::new(self.patch()), replace }
    }

    /// A command; leases, receivers and positions come from what is known.
    pub(super) fn command(&mut self, now: Timestamp, known: &Known) -> Command {
        match self.below(1000) {
            0..220 => Command::Send { message: self.message(now, known) },
            220..250 => Command::SendBatch { messages: self.messages(now, known, 3) },
            250..430 => Command::Take(Box::new(self.take(now))),
            // With nothing in anybody's hands there is little to settle.
            430..770 if known.live.is_empty() && self.chance(80) => {
                Command::Take(Box::new(self.take(now)))
            }
            430..610 => Command::Settle { items: self.settles(known) },
            610..670 => Command::SettleNamed { parts: self.named(known) },
            670..675 => {
                let (generation, by) = match known.live.last() {
                    Some(lease) => (lease.generation, Millis(1 + self.below(60))),
                    None => (self.below(10), Millis(5)),
                };
                Command::ExtendTake { generation, by }
            }
            675..690 => {
                let by = self.maybe(70, |random| Millis(1 + random.below(40)));
                Command::Extend { leases: self.leases(known), by }
            }
            690..720 => Command::Transact(Box::new(self.transaction(now, known))),
            720..740 => {
                let transaction = self.transaction(now, known);
                Command::Prepare { ticket: self.below(3), transaction: Box::new(transaction) }
            }
            740..760 => Command::Commit { ticket: self.below(3) },
            760..770 => Command::Abort { ticket: self.below(3) },
            770..850 => self.look(now, known),
            850..890 => self.change(now, known),
            890..900 => Command::Purge { group: self.group(), states: self.states() },
            900..920 => self.group_command(now),
            920..940 => self.schedule_command(now, known),
            _ => self.queue_command(),
        }
    }

    fn look(&mut self, now: Timestamp, known: &Known) -> Command {
        let group = self.group();
        match self.below(7) {
            6 => {
                let position = known.positions.last().copied().filter(|_| self.chance(70));
                let key = self.text(&["k", "l", "m", "none"]);
                let partition = self.partition().unwrap_or_default();
                Command::Look { partition, name: Name { key, position } }
            }
            0 => {
                let after = self.maybe(30, |random| Position {
                    partition: random.below(3) as u32,
                    offset: random.below(100),
                });
                let limit = 1 + self.below(10) as u32;
                Command::Browse { group, filter: Box::new(self.filter(now)), after, limit }
            }
            1 => Command::Find { group, id: self.id(known) },
            2 => {
                let until = self.maybe(80, |random| random.after(now, 60));
                // Mostly of what somebody is at.
                let leased = if self.chance(60) { &known.live[..] } else { &[] };
                let id = match leased {
                    [] => self.id(known),
                    leased => self.pick(leased).position.to_string().into(),
                };
                Command::Await { id, until }
            }
            3 => Command::Inspect,
            4 => Command::Survey {
                group,
                partition: self.partition(),
                after: self.maybe(20, |random| random.below(3) as u32),
                limit: self.below(4) as u32,
            },
            _ => Command::Explain { group },
        }
    }

    fn group_command(&mut self, now: Timestamp) -> Command {
        let (time, offset) = (self.around(now), self.below(20));
        match self.below(5) {
            4 => Command::SetStart { group: self.group_name(), start: self.start(now) },
            0 => Command::OpenGroup { group: self.group_name(), start: self.start(now) },
            1 => Command::DeleteGroup { group: self.group_name() },
            _ => Command::Seek {
                group: self.group(),
                partition: self.partition(),
                to: self.pick(&[
                    SeekTo::Start,
                    SeekTo::End,
                    SeekTo::Time(time),
                    SeekTo::Origin,
                    SeekTo::Offset(offset),
                ]),
            },
        }
    }

    fn schedule_command(&mut self, now: Timestamp, known: &Known) -> Command {
        let name = self.schedule();
        match self.below(6) {
            0..2 => Command::PutSchedule { name, spec: Box::new(self.spec(now, known)) },
            2 => Command::DeleteSchedule { name },
            3 => Command::PauseSchedule { name, paused: self.chance(50) },
            _ => Command::FireSchedule { name },
        }
    }

    fn queue_command(&mut self) -> Command {
        match self.below(120) {
            0..30 => self.configure(),
            30..60 => Command::Open {
                settings: self.maybe(30, |random| Box::new(random.patch())),
                idempotent: self.chance(50),
            },
            60..62 => Command::Close,
            62..67 => Command::Pause,
            67..84 => Command::Resume,
            84..86 => Command::Delete,
            86..92 => Command::Unpark,
            _ => Command::Abandon,
        }
    }

    /// What one does with receivers that one has.
    pub(super) fn receiver_command(&mut self, receiver: crate::types::RequestId) -> Command {
        if self.chance(60) {
            Command::Credit { receiver, credit: self.below(5) as u32 }
        } else {
            Command::Cancel { receiver }
        }
    }
}
