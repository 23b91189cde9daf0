//! The engine beside its model: the same commands, the same replies, the invariants after every step.
//!
//! `cargo test` sweeps 20 seeds × 2,000 steps. `ANTEROOM_SEEDS=100000` widens the sweep, `ANTEROOM_SEED=7`
//! begins it at that seed (and is it, without the other). A failure prints seed, step and the command that
//! replays it: `ANTEROOM_STEP` stops after that step and prints all commands up to it, and what the engine
//! holds then.

mod random;
mod reach;

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use proptest::prelude::*;

use super::{
    BLOCK, BlockImage, Command, Delivered, Durability, Effect, Event, Image, Item, LeaseId,
    Message, Outcome, Permit, Position, Queue, QueueConfig, Record, RecordNumber, ReplyTo, State,
    Totals,
    model::{Model, Output},
};
use crate::{
    error::ErrorCode,
    types::{Payload, RequestId, SessionId, Timestamp},
};
use random::Random;
use reach::Reach;

/// Seeds of the default sweep,
const SEEDS: u64 = 24;
/// and steps of each.
const STEPS: usize = 2000;

/// What commands may name: things that turned up in earlier replies.
#[derive(Debug, Default, PartialEq)]
struct Known {
    leases: Vec<LeaseId>,
    /// Those that are live.
    live: Vec<LeaseId>,
    positions: Vec<Position>,
    /// Requests that parked.
    parked: Vec<ReplyTo>,
}

/// What a run left behind.
#[derive(Debug, Default, PartialEq)]
struct Trace {
    known: Known,
    records: Vec<Record>,
    outputs: Vec<Output>,
    events: Vec<Event>,
    /// By group and message, the highest attempt.
    attempts: BTreeMap<(u32, u64), u32>,
    commands: Vec<String>,
    reach: Reach,
}

/// One step is a number from which its command is made, so that steps can be left out.
type Step = u64;

/// What a store would have of the queue.
#[derive(Default)]
struct Saved {
    image: Option<Image>,
    blocks: BTreeMap<(u32, u64), BlockImage>,
}

struct Run {
    config: QueueConfig,
    queue: Queue,
    model: Model,
    now: Timestamp,
    is_watched: bool,
    was_relaxed: bool,
    /// Whether commands are kept as text, for a failure that is to be read.
    is_told: bool,
    saved: Saved,
    trace: Trace,
}

/// Two queues that must hold the same.
fn compare(what: &str, before: &Queue, after: &Queue) -> Result<(), String> {
    let (before, after) = (before.durable_state(), after.durable_state());
    let lost = before.iter().filter(|line| !after.contains(line));
    let new = after.iter().filter(|line| !before.contains(line));
    let differ: Vec<_> = lost
        .map(|it| format!("\n  was {it}"))
        .chain(new.map(|it| format!("\n  is  {it}")))
        .collect();
    if differ.is_empty() { Ok(()) } else { Err(format!("{what}:{}", differ.concat())) }
}

fn config(random: &mut Random) -> QueueConfig {
    QueueConfig {
        messages_max: 10 + random.below(20) as usize,
        bytes_max: 100 + random.below(200) as usize,
        parked_max: 6,
        groups_max: 2,
        partitions_max: 3 + random.below(3) as usize,
        schedules_max: 2,
        open_is_idempotent: random.chance(50),
        encrypts: random.chance(50),
        first_generation: 1 + random.below(1000),
    }
}

impl Run {
    fn new(seed: u64, is_told: bool) -> Self {
        let mut random = Random(seed);
        let config = config(&mut random);
        let mut queue = Queue::new(config.clone());
        let is_watched = random.chance(50);
        queue.set_watched(is_watched);
        let (now, mut model) = (Timestamp(1_000_000), Model::new(config.clone()));
        queue.expire(now, &mut Vec::new());
        model.expire(now);
        let (saved, trace) = (Saved::default(), Trace::default());
        let was_relaxed = false;
        Self { queue, model, config, now, is_watched, was_relaxed, is_told, saved, trace }
    }

    /// Runs the steps on both sides and fails at the first difference.
    fn compare(mut self, steps: impl Iterator<Item = Step>) -> Result<Trace, String> {
        let mut count = 0;
        for (number, step) in steps.enumerate() {
            let mut random = Random(step);
            let call = self.call(&mut random, number);
            let both = AssertUnwindSafe(|| {
                self.step(&call)?;
                self.check(&mut random)
            });
            let outcome = catch_unwind(both).unwrap_or_else(|panic| Err(words(&*panic)));
            let told = |error| format!("step {number} at {} {:?}: {error}", call.0.0, call.1);
            outcome.map_err(told).map_err(|error| self.with_commands(error))?;
            count = number;
        }
        let replay = catch_unwind(AssertUnwindSafe(|| self.restart(false)));
        let outcome = replay.unwrap_or_else(|panic| Err(words(&*panic)));
        let told = |error| format!("step {count} is the last, then a restart: {error}");
        outcome.map_err(told).map_err(|error| self.with_commands(error))?;
        Ok(self.trace)
    }

    fn with_commands(&self, error: String) -> String {
        if !self.is_told {
            return error;
        }
        let (commands, state) = (self.trace.commands.join("\n"), self.queue.durable_state());
        format!("{error}\n{commands}\nthe engine holds:\n  {}", state.join("\n  "))
    }

    /// The moment, and what is asked; nothing: only time goes by.
    fn call(
        &mut self,
        random: &mut Random,
        number: usize,
    ) -> (Timestamp, Option<(ReplyTo, Command)>) {
        let at = self.moment(random);
        self.now = self.now.max(at);
        let session = SessionId(1 + random.below(4));
        let from = ReplyTo { session, request: RequestId(number as u64), permit: Permit::InFlight };
        if random.chance(4) {
            return (at, None);
        }
        let parked = self.trace.known.parked.len().min(8) as u64;
        if parked > 0 && random.chance(3) {
            let chosen = self.trace.known.parked.len() - 1 - random.below(parked) as usize;
            let to = self.trace.known.parked[chosen];
            let from = ReplyTo { session: to.session, ..from };
            return (at, Some((from, random.receiver_command(to.request))));
        }
        if random.chance(10) {
            let founding = random.founding();
            self.queue.set_founding(founding.clone().map(Arc::new));
            self.model.set_founding(founding);
        }
        self.trace.known.live = self.model.leases();
        (at, Some((from, random.command(self.now, &self.trace.known))))
    }

    /// Mostly little time goes by, or none; often just as much as until something is due.
    fn moment(&self, random: &mut Random) -> Timestamp {
        match random.below(100) {
            0..40 => self.now,
            40..75 => Timestamp(self.now.0 + random.below(5)),
            75..90 => self.queue.next_deadline().map_or(self.now, |due| {
                let soon = Timestamp(self.now.0 + 1000);
                due.min(soon).max(self.now)
            }),
            90..97 => Timestamp(self.now.0 + random.below(40)),
            97 => Timestamp(self.now.0 - random.below(20)),
            98 => Timestamp(self.now.0 + random.below(500)),
            _ if random.chance(10) => Timestamp(self.now.0 + random.below(150_000)),
            _ => Timestamp(self.now.0 + random.below(3000)),
        }
    }

    fn step(&mut self, call: &(Timestamp, Option<(ReplyTo, Command)>)) -> Result<(), String> {
        let (at, command) = call;
        if let Some((_, Command::Seek { .. })) = command {
            // With it attempts begin anew, but not with what is due before.
            self.step(&(*at, None))?;
            self.trace.attempts.clear();
        }
        if self.is_told {
            self.trace.commands.push(format!("  {} {command:?}", at.0));
        }
        let (records, events) = (self.trace.records.len(), self.trace.events.len());
        let (overflow, existed) = (self.model.overflow(), self.model.exists());
        let mut effects = Vec::new();
        let expected = match command.clone() {
            Some((from, command)) => {
                self.queue.apply(*at, from, command.clone(), &mut effects);
                self.model.apply(*at, from, command)
            }
            None => {
                self.queue.expire(*at, &mut effects);
                self.model.expire(*at)
            }
        };
        if !existed && self.model.exists() && self.model.founding().is_some() {
            self.trace.reach.once("founded");
        }
        let found = self.take_in(effects)?;
        if let Some((from, command)) = command
            && command.parks()
            && !found.iter().any(|output| matches!(output, Output::Reply(to, _) if to == from))
        {
            self.trace.known.parked.push(*from);
        }
        self.trace.reach.step(&reach::Step {
            command: command.as_ref(),
            overflow,
            outputs: &found,
            records: &self.trace.records[records..],
            events: &self.trace.events[events..],
        });
        let (found, expected) = (comparable(found), comparable(expected));
        if found != expected {
            return Err(difference(&found, &expected));
        }
        self.trace.outputs.extend(found.0.into_iter().chain(found.1));
        Ok(())
    }

    /// What must hold after every step.
    fn check(&mut self, random: &mut Random) -> Result<(), String> {
        self.queue.check_invariants();
        let engine = (self.queue.exists(), self.queue.size(), self.queue.parked());
        let model = (self.model.exists(), self.model.size(), self.model.parked());
        if engine != model {
            return Err(format!("(exists, size, parked): engine {engine:?}, model {model:?}"));
        }
        if self.queue.last_record().0 != self.trace.records.len() as u64 {
            return Err(format!("the last record is {:?}", self.queue.last_record()));
        }
        let deadline = self.queue.next_deadline();
        if deadline.is_some_and(|deadline| deadline <= self.now) {
            return Err(format!("I9: {deadline:?} is due, it is {:?}", self.now));
        }
        let needed = self.model.next_due().filter(|due| due.0 < u64::MAX);
        if needed.is_some_and(|needed| deadline.is_none_or(|deadline| deadline > needed)) {
            return Err(format!("I9: {needed:?} comes before the deadline {deadline:?}"));
        }
        if random.below(40) == 0 {
            self.look()?;
        }
        if random.below(50) == 0 {
            self.save(random)?;
        }
        if random.below(30) == 0 {
            self.move_bodies(random);
        }
        if random.below(300) == 0 {
            self.restart(random.chance(50))?;
        }
        Ok(())
    }

    /// The queue is saved: an image, and the blocks that are new. What was saved earlier stays.
    fn save(&mut self, random: &mut Random) -> Result<(), String> {
        if self.is_told {
            self.trace.commands.push("  save".to_owned());
        }
        if random.chance(20) {
            self.trace.reach.once("failed_save");
            let blocks = self.queue.unsaved_blocks(random.below(500) as usize, random.chance(50));
            let places: Vec<_> = blocks.iter().map(|it| (it.partition, it.block)).collect();
            self.queue.not_saved(&places);
        }
        while self.queue.has_unsaved_blocks(true) && random.chance(80) {
            self.save_blocks(random.below(500) as usize + 1, true);
        }
        if random.chance(20) {
            self.trace.reach.once("saved_ahead");
            return Ok(());
        }
        self.save_blocks(usize::MAX, false);
        if self.queue.has_unsaved_blocks(false) {
            return Err("all blocks were saved".to_owned());
        }
        let image = self.queue.image();
        let needed = image.needed_blocks();
        self.saved.blocks.retain(|(partition, block), _| {
            needed
                .iter()
                .any(|(of, first, last)| of == partition && (first..=last).contains(&block))
        });
        self.saved.image = Some(image);
        self.trace.reach.once("image");
        let restored = self.restored().ok_or("it was just saved")?;
        compare("an image", &self.queue, &restored)?;
        if self.queue.attempts() != restored.attempts() {
            return Err("an image: attempts".to_owned());
        }
        if self.saved.image != Some(restored.image()) {
            return Err("the image of what comes from an image is another".to_owned());
        }
        Ok(())
    }

    fn save_blocks(&mut self, weight_max: usize, ahead: bool) {
        for mut block in self.queue.unsaved_blocks(weight_max, ahead) {
            // By which record they came is not saved; what is away was saved before.
            let saved = block.messages.iter().map(|it| message(&self.complete(it)));
            block.messages = saved.collect();
            self.saved.blocks.insert((block.partition, block.block), block);
        }
    }

    /// The message with its body.
    fn complete(&self, message: &Arc<Message>) -> Arc<Message> {
        if !message.body.is_away() {
            return Arc::clone(message);
        }
        let Position { partition, offset } = message.position;
        let block = &self.saved.blocks[&(partition, offset / BLOCK)];
        let saved = block.messages.iter().find(|saved| saved.position == message.position);
        let body = message.body.with(saved.unwrap().body.bytes().clone());
        assert_eq!(body.len(), message.body.len(), "another body was saved");
        Arc::new(Message { body, ..message.as_ref().clone() })
    }

    /// Bodies go away, or come back.
    fn move_bodies(&mut self, random: &mut Random) {
        if random.chance(60) {
            let gone = self.queue.cool(random.below(300) as usize, random.below(100) as usize);
            if gone > 0 {
                self.trace.reach.once("cooled");
            }
            return;
        }
        let is_needed = random.chance(50);
        let before = self.queue.bodies_here();
        for block in self.saved.blocks.values() {
            let body = |it: &Arc<Message>| (it.position.offset, it.body.bytes().clone());
            let bodies: Vec<_> = block.messages.iter().map(body).collect();
            // Some may have been replaced since they were saved: those are here.
            self.queue.warm(block.partition, &bodies, is_needed).unwrap();
        }
        if self.queue.bodies_here() > before {
            self.trace.reach.once("warmed");
        }
    }

    /// The queue from what was saved last, and the records since.
    fn restored(&self) -> Option<Queue> {
        let image = self.saved.image.clone()?;
        let blocks = self.saved.blocks.values().cloned().map(without_bodies);
        let first = image.last_record.0 as usize;
        let mut restored = Queue::restore(self.config.clone(), image, blocks).unwrap();
        self.trace.records[first..].iter().cloned().for_each(|record| restored.replay(record));
        Some(restored)
    }

    /// Compares everything that can be seen.
    fn look(&mut self) -> Result<(), String> {
        let from =
            ReplyTo { session: SessionId(0), request: RequestId(0), permit: Permit::InFlight };
        let mut effects = Vec::new();
        self.queue.apply(self.now, from, Command::Inspect, &mut effects);
        let found = comparable(self.take_in(effects)?);
        let expected = comparable(self.model.apply(self.now, from, Command::Inspect));
        if found == expected { Ok(()) } else { Err(difference(&found, &expected)) }
    }

    /// I7: the server stops without warning, and the records bring back what was there, but for leases,
    /// receivers and what only counts while it runs; so do what was saved and the records after it. Both
    /// sides go on from there.
    fn restart(&mut self, from_saved: bool) -> Result<(), String> {
        if self.is_told {
            self.trace.commands.push("  restart".to_owned());
        }
        self.trace.reach.once("restart");
        if self.queue.leased() > 0 {
            self.trace.reach.once("restart_with_leases");
        }
        if self.model.is_prepared() {
            self.trace.reach.once("restart_with_prepared");
        }
        let mut effects = Vec::new();
        for session in 1..5 {
            let (session, request) = (SessionId(session), RequestId(0));
            let from = ReplyTo { session, request, permit: Permit::None };
            self.queue.apply(self.now, from, Command::Unpark, &mut effects);
        }
        self.queue.end_all_leases(&mut effects);
        self.take_in(effects)?;
        self.config.first_generation = self.model.crash(self.now);
        let mut again = Queue::new(self.config.clone());
        self.trace.records.iter().cloned().for_each(|record| again.replay(record));
        let mut effects = Vec::new();
        again.expire(self.now, &mut effects);
        again.check_invariants();
        self.take_in(effects)?;
        compare("I7", &self.queue, &again)?;
        if let Some(mut restored) = self.restored() {
            restored.expire(self.now, &mut Vec::new());
            restored.check_invariants();
            compare("I7, from an image", &again, &restored)?;
            if from_saved {
                self.trace.reach.once("restart_from_image");
                again = restored;
            }
        }
        if !from_saved {
            self.saved = Saved::default();
        }
        let attempts = again.attempts();
        self.model.set_attempts(|place| attempts.get(&place).copied());
        self.model.set_handed_out(again.image().deliveries);
        again.set_watched(self.is_watched);
        again.set_founding(self.model.founding().cloned().map(Arc::new));
        self.queue = again;
        self.trace.attempts.clear();
        self.look()
    }

    /// Splits effects into records, events and outputs; checks I6 on the way.
    fn take_in(&mut self, effects: Vec<Effect>) -> Result<Vec<Output>, String> {
        let mut outputs = Vec::new();
        for mut effect in effects {
            for message in messages_in(&mut effect) {
                if message.body.is_away() {
                    self.trace.reach.once("fetched");
                    *message = self.complete(message);
                }
            }
            match effect {
                Effect::Append(record) => {
                    if let Record::Configured { settings } = &record {
                        self.was_relaxed |= settings.durability == Durability::Relaxed;
                    }
                    if let Record::GroupAdded { group: new, .. } = &record {
                        // Another one had this number.
                        self.trace.attempts.retain(|(group, _), _| group != new);
                    }
                    self.trace.records.push(record);
                }
                Effect::Notify(event) => {
                    if !self.is_watched {
                        return Err(format!("nobody watches: {event:?}"));
                    }
                    self.trace.events.push(event);
                }
                Effect::Reply { to, result, rests_on } => {
                    self.check_rest(rests_on)?;
                    self.learn(&result, rests_on)?;
                    outputs.push(Output::Reply(to, result));
                }
                Effect::Push { to, delivered, rests_on } => {
                    self.check_rest(rests_on)?;
                    self.learn_delivery(&delivered, rests_on)?;
                    outputs.push(Output::Push(to, delivered));
                }
            }
        }
        Ok(outputs)
    }

    fn check_rest(&self, rests_on: RecordNumber) -> Result<(), String> {
        if rests_on.0 > self.trace.records.len() as u64 {
            return Err(format!("I6: it rests on {rests_on:?}, which is not written"));
        }
        Ok(())
    }

    fn learn(
        &mut self,
        result: &Result<Outcome, ErrorCode>,
        rests_on: RecordNumber,
    ) -> Result<(), String> {
        match result {
            Ok(Outcome::Delivered(all)) => {
                all.iter().try_for_each(|delivered| self.learn_delivery(delivered, rests_on))
            }
            Ok(Outcome::Sent(receipt)) => {
                self.trace.known.positions.push(receipt.position);
                Ok(())
            }
            Ok(Outcome::SentBatch(sent) | Outcome::Transacted { sent, .. }) => {
                self.trace.known.positions.extend(sent.iter().map(|receipt| receipt.position));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// I6: a delivery rests on the sending, its attempt is a new one, and its generation does not fall.
    fn learn_delivery(
        &mut self,
        delivered: &Delivered,
        rests_on: RecordNumber,
    ) -> Result<(), String> {
        let Delivered { message, lease, attempt, .. } = delivered;
        let written = (message.sent_in.0 as usize).checked_sub(1);
        let made_by = written.and_then(|at| self.trace.records.get(at));
        let is_made = match made_by {
            Some(Record::Sent { message: made, .. } | Record::Replaced { message: made, .. }) => {
                made.sequence == message.sequence
            }
            // What was saved is durable.
            _ => message.sent_in == RecordNumber(0),
        };
        let is_relaxed = self.was_relaxed && rests_on == RecordNumber(0);
        if !is_made || (rests_on < message.sent_in && !is_relaxed) {
            return Err(format!("I6: {message:?} rests on {rests_on:?}, made by {made_by:?}"));
        }
        let Some(lease) = *lease else { return Ok(()) };
        let highest = self.trace.attempts.entry((lease.group, message.sequence.0)).or_insert(0);
        if attempt <= highest {
            return Err(format!("I6: the attempt of {lease:?} fell from {highest} to {attempt}"));
        }
        *highest = *attempt;
        let last = self.trace.known.leases.last();
        if last.is_some_and(|last| lease.generation < last.generation) {
            return Err(format!("I6: {lease:?} is older than {last:?}"));
        }
        self.trace.known.leases.push(lease);
        Ok(())
    }
}

/// Deliveries in their order, and all other answers by whom they are for: among those no order is promised.
fn comparable(outputs: Vec<Output>) -> (Vec<Output>, Vec<Output>) {
    let is_delivery = |output: &Output| {
        matches!(output, Output::Push(..) | Output::Reply(_, Ok(Outcome::Delivered(_))))
    };
    let (deliveries, mut others): (Vec<_>, Vec<_>) =
        outputs.into_iter().map(without_numbers).partition(is_delivery);
    others.sort_by_key(|output| match output {
        Output::Reply(to, _) | Output::Push(to, _) => *to,
    });
    (deliveries, others)
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a word"))
}

/// What only one of the two says.
fn difference(engine: &(Vec<Output>, Vec<Output>), model: &(Vec<Output>, Vec<Output>)) -> String {
    let all = |outputs: &(Vec<Output>, Vec<Output>)| {
        outputs.0.iter().chain(&outputs.1).cloned().collect::<Vec<_>>()
    };
    let (engine, model) = (all(engine), all(model));
    let same = engine.iter().zip(&model).take_while(|(a, b)| a == b).count();
    let list = |outputs: &[Output]| {
        outputs.iter().map(|output| format!("\n    {output:?}")).collect::<String>()
    };
    let (engine, model) = (list(&engine[same..]), list(&model[same..]));
    // Of two long lists only where they part.
    let equal = engine.bytes().zip(model.bytes()).take_while(|(a, b)| a == b).count();
    let part = |text: &str| {
        let shown = text.chars().skip(equal.saturating_sub(300)).take(1000);
        shown.collect::<String>()
    };
    format!("after {same} equal answers\n  engine: {}\n  model: {}", part(&engine), part(&model))
}

/// Without what the model does not know.
fn without_numbers(output: Output) -> Output {
    match output {
        Output::Push(to, delivered) => Output::Push(to, delivery(delivered)),
        Output::Reply(to, Ok(outcome)) => Output::Reply(
            to,
            Ok(match outcome {
                Outcome::Delivered(all) => {
                    Outcome::Delivered(all.into_iter().map(delivery).collect())
                }
                Outcome::Looked(seen) => {
                    let seen = seen.into_iter().map(|(group, seen)| (group, item(seen)));
                    Outcome::Looked(seen.collect())
                }
                Outcome::Found(found) => Outcome::Found(Box::new(item(*found))),
                Outcome::Browsed { items, next } => {
                    Outcome::Browsed { items: items.into_iter().map(item).collect(), next }
                }
                Outcome::Inspected(mut inspection) => {
                    inspection.totals = Totals::default();
                    Outcome::Inspected(inspection)
                }
                other => other,
            }),
        ),
        other => other,
    }
}

fn messages_in(effect: &mut Effect) -> Vec<&mut Arc<Message>> {
    match effect {
        Effect::Reply { result: Ok(Outcome::Delivered(all)), .. } => {
            all.iter_mut().map(|one| &mut one.message).collect()
        }
        Effect::Reply { result: Ok(Outcome::Browsed { items, .. }), .. } => {
            items.iter_mut().map(|item| &mut item.message).collect()
        }
        Effect::Reply { result: Ok(Outcome::Found(item)), .. } => vec![&mut item.message],
        Effect::Reply { result: Ok(Outcome::Looked(items)), .. } => {
            items.iter_mut().map(|(_, item)| &mut item.message).collect()
        }
        Effect::Push { delivered, .. } => vec![&mut delivered.message],
        _ => Vec::new(),
    }
}

/// As a store gives it back.
fn without_bodies(mut block: BlockImage) -> BlockImage {
    for message in &mut block.messages {
        let has_id = message.options.as_ref().is_some_and(|options| options.id.is_some());
        let body = &message.body;
        let digest = if has_id { body.digest() } else { 0 };
        let body = Payload::away(body.len(), digest, body.shared_type().cloned());
        Arc::make_mut(message).body = body;
    }
    block
}

fn message(message: &Message) -> Arc<Message> {
    Arc::new(Message {
        sequence: message.sequence,
        position: message.position,
        sent_at: message.sent_at,
        sent_in: RecordNumber(0),
        expires_at: message.expires_at,
        body: message.body.clone(),
        options: message.options.clone(),
    })
}

fn delivery(delivered: Delivered) -> Delivered {
    Delivered { message: message(&delivered.message), ..delivered }
}

/// How often a message that is done was delivered is not remembered.
fn item(item: Item) -> Item {
    let message = message(&item.message);
    if item.state == State::Done {
        Item { message, attempts: 0, failures: 0, ..item }
    } else {
        Item { message, ..item }
    }
}

fn run(seed: u64) -> Result<Trace, String> {
    let stop = number("ANTEROOM_STEP").map(|step| step as usize + 1);
    let mut random = Random(seed);
    let steps = std::iter::repeat_with(move || random.next()).take(stop.unwrap_or(STEPS));
    let trace = Run::new(seed, stop.is_some()).compare(steps)?;
    trace.commands.iter().for_each(|command| eprintln!("{command}"));
    Ok(trace)
}

fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test's own switches")]
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn engine_and_model_agree_over_a_sweep_of_seeds() {
    let seeds = match number("ANTEROOM_SEED") {
        Some(seed) => seed..seed + number("ANTEROOM_SEEDS").unwrap_or(1),
        None => 0..number("ANTEROOM_SEEDS").unwrap_or(SEEDS),
    };
    let (count, mut reach) = (seeds.end - seeds.start, Reach::default());
    for seed in seeds {
        match run(seed) {
            Ok(trace) => reach.add(trace.reach),
            Err(difference) => {
                let step = difference.split_whitespace().nth(1).unwrap_or_default();
                panic!(
                    "seed {seed}, {difference}\nreplay: ANTEROOM_SEED={seed} \
                     ANTEROOM_STEP={step} cargo test --lib engine_and_model_agree_over"
                );
            }
        }
    }
    if count >= SEEDS {
        assert_eq!(reach.missing(), [""; 0], "a sweep must reach these");
    }
}

#[test]
fn a_seed_gives_the_same_trace_twice() {
    assert_eq!(run(7), run(7));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The same comparison with a shrinking generator: a failure comes out as a short list of commands.
    #[test]
    fn engine_and_model_agree(
        seed in 0..16_u64,
        steps in proptest::collection::vec(any::<u64>().no_shrink(), 0..200),
    ) {
        Run::new(seed, true).compare(steps.into_iter()).map_err(TestCaseError::fail)?;
    }
}
