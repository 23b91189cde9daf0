//! What a message costs the engine at a given depth: sends, takes and settles `ROUNDS` messages on a queue that
//! holds `DEPTH` already. Instructions are exact where time is noise:
//!
//! ```console
//! $ cargo build --release --example queue_cost
//! $ for depth in 10 1000000; do valgrind --tool=callgrind --callgrind-out-file=/dev/null \
//!     --toggle-collect='*rounds_of_work*' target/release/examples/queue_cost $depth 2>&1 | grep refs; done
//! ```
//!
//! Divided by the 10,000 rounds it is instructions per message.

use anteroom::engine::{
    Command, Effect, NewMessage, Outcome, Park, Permit, Queue, QueueConfig, ReplyTo, Take, Verdict,
};
use anteroom::types::{Payload, RequestId, SessionId, Timestamp};

const ROUNDS: u64 = 10_000;
const FROM: ReplyTo =
    ReplyTo { session: SessionId(1), request: RequestId(1), permit: Permit::InFlight };

fn apply(queue: &mut Queue, now: u64, command: Command, effects: &mut Vec<Effect>) {
    effects.clear();
    queue.apply(Timestamp(now), FROM, command, effects);
}

fn send(queue: &mut Queue, now: u64, effects: &mut Vec<Effect>) {
    let body: Payload = Payload::from("{}");
    apply(queue, now, Command::Send { message: NewMessage::from(body) }, effects);
}

#[inline(never)]
fn rounds_of_work(queue: &mut Queue, mut now: u64, effects: &mut Vec<Effect>) {
    for _ in 0..ROUNDS {
        now += 1;
        send(queue, now, effects);
        apply(queue, now, Command::Take(Box::new(Take::one(Park::No))), effects);
        let lease = effects.iter().find_map(|effect| match effect {
            Effect::Reply { result: Ok(Outcome::Delivered(messages)), .. } => {
                messages.first()?.lease
            }
            _ => None,
        });
        let items = lease.map(|lease| (lease, Verdict::Done { result: None }));
        apply(queue, now, Command::Settle { items: items.into_iter().collect() }, effects);
    }
}

fn main() {
    let depth = std::env::args().nth(1).and_then(|depth| depth.parse().ok()).unwrap_or(1_000);
    let mut queue = Queue::new(QueueConfig {
        messages_max: usize::MAX,
        bytes_max: usize::MAX,
        parked_max: 1,
        groups_max: 1,
        partitions_max: 1,
        schedules_max: 1,
        open_is_idempotent: false,
        encrypts: true,
        first_generation: 0,
    });
    let mut effects = Vec::new();
    for at in 1..=depth {
        send(&mut queue, at, &mut effects);
    }
    rounds_of_work(&mut queue, depth, &mut effects);
    println!("depth {depth}: {ROUNDS} messages sent, taken and settled; {} left", queue.size());
}
