//! The engine beside its model: the same commands, the same replies, the invariants after every step.
//!
//! `cargo test` sweeps 256 seeds × 2,000 steps. `ANTEROOM_SEEDS=100000` widens the sweep; a failure
//! prints the seed, the step and the command that replays it.

use proptest::prelude::*;

use super::{
    Command, Effect, LeaseId, Outcome, Permit, Queue, QueueConfig, Record, ReplyTo, Sequence,
    model::Model,
};
use crate::types::{Payload, RequestId, SessionId, Timestamp};

const BODIES: [&str; 4] = ["1", "\"two\"", "{\"n\":3}", "[4,4,4,4,4,4,4,4]"];

fn config(open_is_idempotent: bool) -> QueueConfig {
    QueueConfig { messages_max: 12, bytes_max: 60, parked_max: 6, open_is_idempotent }
}

/// One thing to do. Names come from small pools, so that commands collide.
#[derive(Debug, Clone)]
enum Step {
    Plain {
        session: u64,
        command: Command,
    },
    /// Settles some of the leases that were handed out lately, right ones and stale ones.
    Settle {
        session: u64,
        pick: usize,
        count: usize,
    },
}

/// Runs the steps on both sides and fails at the first difference.
fn compare(config: &QueueConfig, steps: impl Iterator<Item = Step>) -> Result<Trace, String> {
    let mut queue = Queue::new(config.clone());
    let mut model = Model::new(config.clone());
    let mut trace = Trace::default();
    for (number, step) in steps.enumerate() {
        let (session, command) = match step {
            Step::Plain { session, command } => (session, command),
            Step::Settle { session, pick, count } => {
                let known = &trace.leases;
                let leases = (pick..pick + count)
                    .filter_map(|at| known.get(at % known.len().max(1)).copied());
                (session, Command::Settle { leases: leases.collect() })
            }
        };
        let request = RequestId(number as u64);
        let from = ReplyTo { session: SessionId(session), request, permit: Permit::InFlight };
        let mut effects = Vec::new();
        queue.apply(Timestamp(number as u64), from, command.clone(), &mut effects);
        let replies = trace.take_in(effects)?;
        let expected = model.apply(from, command.clone());
        if replies != expected {
            return Err(format!(
                "step {number} {command:?}: engine {replies:?}, model {expected:?}"
            ));
        }
        queue.check_invariants();
        if queue.size() != model.ready() {
            return Err(format!(
                "step {number} {command:?}: size {} is not {}",
                queue.size(),
                model.ready()
            ));
        }
    }
    let mut again = Queue::new(config.clone());
    trace.records.iter().cloned().for_each(|record| again.replay(record));
    again.check_invariants();
    if again.durable_state() != queue.durable_state() {
        return Err(format!("I7: {:?} became {:?}", queue.durable_state(), again.durable_state()));
    }
    Ok(trace)
}

#[derive(Debug, Default, PartialEq)]
struct Trace {
    records: Vec<Record>,
    leases: Vec<LeaseId>,
}

impl Trace {
    /// Splits effects into records and replies; checks I6 on the way.
    fn take_in(&mut self, effects: Vec<Effect>) -> Result<super::model::Replies, String> {
        let mut replies = Vec::new();
        for effect in effects {
            match effect {
                Effect::Append(record) => self.records.push(record),
                Effect::Reply { to, result, rests_on } => {
                    let Some(written) =
                        usize::try_from(rests_on.0).ok().filter(|n| *n <= self.records.len())
                    else {
                        return Err(format!(
                            "I6: {result:?} rests on {rests_on:?}, which is not written"
                        ));
                    };
                    if let Ok(Outcome::Delivered { lease, .. }) = &result {
                        let made_by = written.checked_sub(1).map(|at| &self.records[at]);
                        if !matches!(made_by, Some(Record::Sent { sequence, .. }) if *sequence == lease.sequence)
                        {
                            return Err(format!("I6: {lease:?} rests on {made_by:?}"));
                        }
                        let earlier =
                            self.leases.iter().filter(|known| known.sequence == lease.sequence);
                        if earlier.clone().any(|known| known.attempt >= lease.attempt) {
                            return Err(format!("I6: the attempt of {lease:?} fell"));
                        }
                        self.leases.push(*lease);
                    }
                    replies.push((to, result));
                }
            }
        }
        Ok(replies)
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn step(&mut self) -> Step {
        let session = 1 + self.below(4);
        let command = match self.below(100) {
            0..35 => Command::Send { body: Payload::from(BODIES[self.below(4) as usize]) },
            35..60 => Command::Take { park: self.below(3) > 0 },
            60..80 => {
                let (pick, count) = (self.below(1 << 20) as usize, self.below(5) as usize);
                return Step::Settle { session, pick, count };
            }
            80..88 => Command::Abandon,
            88..90 => Command::Unpark,
            90..92 => Command::Drain,
            92..94 => Command::Close,
            _ => Command::Open,
        };
        Step::Plain { session, command }
    }
}

fn run(seed: u64) -> Result<Trace, String> {
    let mut random = Random(seed);
    compare(&config(seed % 2 == 1), std::iter::repeat_with(move || random.step()).take(2000))
}

fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test's own switches")]
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn engine_and_model_agree_over_a_sweep_of_seeds() {
    let seeds = match number("ANTEROOM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ANTEROOM_SEEDS").unwrap_or(256),
    };
    for seed in seeds {
        let result =
            std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|_| Err("panicked".into()));
        if let Err(difference) = result {
            panic!("{difference}\nreplay: ANTEROOM_SEED={seed} cargo test engine_and_model_agree");
        }
    }
}

#[test]
fn a_seed_gives_the_same_trace_twice() {
    assert_eq!(run(7), run(7));
}

/// The sweep must not be empty of what it is for.
#[test]
fn the_sweep_reaches_redelivery_and_every_kind_of_record() {
    let traces: Vec<_> = (0..8).map(|seed| run(seed).unwrap()).collect();
    let records = || traces.iter().flat_map(|trace| &trace.records);
    assert!(traces.iter().flat_map(|trace| &trace.leases).any(|lease| lease.attempt > 2));
    assert!(records().any(|record| matches!(record, Record::Closed)));
    assert!(
        records()
            .any(|record| matches!(record, Record::Settled { sequences } if sequences.len() > 1))
    );
    assert!(
        records().any(|record| matches!(record, Record::Drained { kept, .. } if !kept.is_empty()))
    );
    assert!(
        records()
            .any(|record| matches!(record, Record::Sent { sequence: Sequence(n), .. } if *n > 100))
    );
}

fn any_step() -> impl Strategy<Value = Step> {
    any::<u64>().prop_map(|seed| Random(seed).step())
}

proptest! {
    /// The same comparison with a shrinking generator: a failure comes out as a short list of steps.
    #[test]
    fn engine_and_model_agree(steps in proptest::collection::vec(any_step(), 0..60), idempotent: bool) {
        compare(&config(idempotent), steps.into_iter()).map_err(TestCaseError::fail)?;
    }
}
