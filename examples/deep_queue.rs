//! How fast a queue is, and how much memory it takes, whatever waits in it.
//!
//! ```text
//! ANTEROOM_TOKEN=… cargo run --release --example deep_queue -- fill 1000000     # sends messages of 1 KiB
//! ANTEROOM_TOKEN=… cargo run --release --example deep_queue -- work 20 100      # for 20 s: send 100, receive 100, settle
//! ANTEROOM_TOKEN=… cargo run --release --example deep_queue -- take 100000      # only receives and settles
//! ANTEROOM_TOKEN=… cargo run --release --example deep_queue -- lone 2000        # one send after the other: how long one takes
//! ```
//!
//! `ANTEROOM_URL` (default http://127.0.0.1:8080) says where the server is. `ANTEROOM_TASKS` (8) is how many do it at the same
//! time, over one connection.

#![expect(clippy::disallowed_methods, reason = "an example reads its own variables and the time")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anteroom::client::{Client, Item, Lease, Message, Outcome, Queue, Receive};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A body of 1 KiB.
fn body(number: u64) -> String {
    let mut text = format!("{{\"number\":{number},\"text\":\"");
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while text.len() < 1022 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push(char::from(b'a' + (state % 26) as u8));
    }
    text + "\"}"
}

async fn send(queue: &Queue, first: u64, count: u64) -> Result<(), Error> {
    if count == 1 {
        queue.send_message(Message::raw(body(first))?).await?;
        return Ok(());
    }
    let messages = (first..first + count).map(|number| Message::raw(body(number)));
    queue.send_batch(&messages.collect::<Result<Vec<_>, _>>()?).await?;
    Ok(())
}

/// Receives and settles up to so many; how many there were.
async fn take(queue: &Queue, count: u64) -> Result<u64, Error> {
    let receive = Receive::new().max(count as u32).lease_kind(Lease::Session);
    let received = queue.receive_with(&receive).await?;
    if received.iter().any(|message| message.body.as_bytes().len() != 1024) {
        return Err("a body is not the one that was sent".into());
    }
    let leases = received.iter().filter_map(|message| message.lease());
    let items: Vec<Item> = leases.map(|lease| Item::new(lease, Outcome::Done)).collect();
    let taken = items.len() as u64;
    if taken > 0 {
        queue.settle(items).await?;
    }
    Ok(taken)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let url = variable("ANTEROOM_URL").unwrap_or_else(|| "http://127.0.0.1:8080".into());
    let token = variable("ANTEROOM_TOKEN").ok_or("set ANTEROOM_TOKEN")?;
    let tasks = variable("ANTEROOM_TASKS").and_then(|tasks| tasks.parse().ok()).unwrap_or(8);
    let name = variable("ANTEROOM_QUEUE").unwrap_or_else(|| "deep".into());
    let mut words = std::env::args().skip(1);
    let what = words.next().unwrap_or_default();
    let mut number = |default: u64| words.next().and_then(|it| it.parse().ok()).unwrap_or(default);
    let (first, second) = (number(1000), number(100));
    let room = Client::connect(&url, "demo", &token).await?;
    if what == "lone" {
        let queue = room.queue(&name);
        let mut times = Vec::new();
        for number in 0..first {
            let at = Instant::now();
            send(&queue, number, 1).await?;
            times.push(at.elapsed());
        }
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        println!("lone sends: p50 {:?}, p99 {:?}", at(50), at(99));
        return Ok(());
    }
    let (begin, done) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let running: Vec<_> = (0..tasks)
        .map(|task: u64| {
            let (queue, done, what) = (room.queue(&name), Arc::clone(&done), what.clone());
            tokio::spawn(async move {
                match what.as_str() {
                    "fill" => loop {
                        let from = done.fetch_add(second, Ordering::Relaxed);
                        if from >= first {
                            return Ok(());
                        }
                        send(&queue, from, second.min(first - from)).await?;
                    },
                    "work" => {
                        while begin.elapsed() < Duration::from_secs(first) {
                            send(&queue, task, second).await?;
                            take(&queue, second).await?;
                            done.fetch_add(second, Ordering::Relaxed);
                        }
                        Ok(())
                    }
                    "take" => {
                        while done.load(Ordering::Relaxed) < first {
                            let taken = take(&queue, second).await?;
                            if taken == 0 {
                                return Ok(());
                            }
                            done.fetch_add(taken, Ordering::Relaxed);
                        }
                        Ok::<_, Error>(())
                    }
                    _ => Err("fill, work or take".into()),
                }
            })
        })
        .collect();
    for task in running {
        task.await??;
    }
    let (count, seconds) = (done.load(Ordering::Relaxed), begin.elapsed().as_secs_f64());
    println!("{what}: {count} in {seconds:.2} s, {:.0} per second", count as f64 / seconds);
    room.close().await;
    Ok(())
}
