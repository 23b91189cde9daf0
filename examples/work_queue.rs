//! A work queue: handlers at work, retries, and what becomes of work that never succeeds.
//!
//! ```text
//! cargo run --release -- serve --dev --memory          # prints a token for the room `demo`
//! ANTEROOM_TOKEN=… cargo run --example work_queue
//! ```
//!
//! `ANTEROOM_URL` (default http://127.0.0.1:8080) says where the server is.

#![expect(clippy::disallowed_methods, reason = "an example reads its own variables")]

use std::time::Duration;

use anteroom::client::{Backoff, Client, Consume, Filter, Settings, State};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let room = connect().await?;
    let jobs = room.queue("example-work");
    let settings = Settings::new()
        .attempts_max(3)
        .backoff(Backoff::fixed(Duration::from_millis(50)))
        .retain_settled(Duration::from_secs(60));
    jobs.configure(settings).await?;

    // Up to four at the same time. `Ok` is done, `Err` is tried again; after three failures it is a dead letter.
    let consumer = jobs
        .consume(Consume::new().concurrency(4), |job| async move {
            let number =
                job.decode::<Value>().map_err(|error| error.to_string())?["number"].as_u64();
            match number {
                Some(number) if number != 3 => {
                    println!("job {number} is done, attempt {}", job.attempt);
                    Ok(json!({"square": number * number}))
                }
                _ => Err(format!("nobody can do this one, attempt {}", job.attempt)),
            }
        })
        .await?;

    let mut sent = Vec::new();
    for number in 1..=5 {
        sent.push(jobs.send(&json!({ "number": number })).await?);
    }
    for receipt in sent {
        let end = jobs.await_result(&receipt.id, Duration::from_secs(10)).await?;
        let end = end.ok_or("it took too long")?;
        match end.state {
            State::Done => println!(
                "{}: {}",
                receipt.id,
                end.result.as_ref().and_then(|r| r.text()).unwrap_or("-")
            ),
            _ => println!("{}: given up, {}", receipt.id, end.reason.unwrap_or_default()),
        }
    }
    consumer.stop().await?;

    let dead = jobs.browse(&Filter::new().states([State::Dead]), None, None, 10).await?;
    println!("{} dead letter", dead.messages.len());
    jobs.delete().await?;
    room.close().await;
    Ok(())
}

async fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let url = std::env::var("ANTEROOM_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".into());
    let token = std::env::var("ANTEROOM_TOKEN").map_err(|_| "set ANTEROOM_TOKEN")?;
    Ok(Client::connect(&url, "demo", &token).await?)
}
