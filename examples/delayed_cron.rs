//! Later: a message with a delay, one that comes every so often, and one by cron.
//!
//! ```text
//! cargo run --release -- serve --dev --memory          # prints a token for the room `demo`
//! ANTEROOM_TOKEN=… cargo run --example delayed_cron
//! ```
//!
//! `ANTEROOM_URL` (default http://127.0.0.1:8080) says where the server is.

#![expect(clippy::disallowed_methods, reason = "an example reads its own variables")]

use std::time::Duration;

use anteroom::client::{Client, Message, Schedule};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let room = connect().await?;
    let queue = room.queue("example-later");

    queue
        .send_message(Message::json("in half a second")?.delay(Duration::from_millis(500)))
        .await?;
    queue.send("at once").await?;

    let tick = Schedule::every(Duration::from_secs(1), Message::json("tick")?);
    queue.put_schedule("tick", &tick).await?;
    // Weekdays at seven in Berlin, whatever its clocks do in spring and autumn.
    let report = Schedule::cron("0 7 * * MON-FRI", "Europe/Berlin", Message::json("report")?);
    let next = queue.put_schedule("report", &report).await?;
    println!("the next report is {}", if next.is_some() { "planned" } else { "never" });

    for _ in 0..3 {
        let message = queue.receive().await?;
        println!("{}", message.decode::<String>()?);
        message.done().await?;
    }
    queue.delete().await?;
    room.close().await;
    Ok(())
}

async fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let url = std::env::var("ANTEROOM_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".into());
    let token = std::env::var("ANTEROOM_TOKEN").map_err(|_| "set ANTEROOM_TOKEN")?;
    Ok(Client::connect(&url, "demo", &token).await?)
}
