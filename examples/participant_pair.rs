//! Two participants in Rust: one hands out work, the other does it and hands back the result.
//!
//! ```text
//! cargo run --release -- serve --dev --memory          # prints a token for the room `demo`
//! MESHAGENT_TOKEN=… cargo run --example participant_pair
//! ```
//!
//! `MESHAGENT_API_URL` (default http://127.0.0.1:8080) and `MESHAGENT_ROOM` (default demo) say where.

#![expect(clippy::disallowed_methods, reason = "an example reads its own variables")]

use anteroom::client::{ClientError, RoomClient};
use serde_json::{Value, json};

const JOBS: u64 = 3;

/// Waits for work and answers on the queue that the job names.
async fn worker(room: RoomClient) -> Result<(), ClientError> {
    for _ in 0..JOBS {
        let job: Value = room.receive("jobs").await?;
        let number = job["number"].as_u64().unwrap_or(0);
        let reply_to = job["reply_to"].as_str().unwrap_or("results");
        room.send(reply_to, &json!({"number": number, "square": number * number})).await?;
    }
    Ok(())
}

/// Sends all jobs at once, then waits for the results in whatever order they come.
async fn boss(room: RoomClient) -> Result<(), ClientError> {
    for number in 1..=JOBS {
        room.send("jobs", &json!({"number": number, "reply_to": "results"})).await?;
    }
    for _ in 0..JOBS {
        let result: Value = room.receive("results").await?;
        println!("the square of {} is {}", result["number"], result["square"]);
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let variable =
        |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
    let url = variable("MESHAGENT_API_URL", "http://127.0.0.1:8080");
    let name = variable("MESHAGENT_ROOM", "demo");
    let token = std::env::var("MESHAGENT_TOKEN").map_err(|_| "set MESHAGENT_TOKEN")?;
    let one = RoomClient::connect(&url, &name, &token).await?;
    let other = RoomClient::connect(&url, &name, &token).await?;
    tokio::try_join!(worker(one), boss(other))?;
    Ok(())
}
