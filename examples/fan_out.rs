//! Fan-out: every group sees every message, each at its own pace.
//!
//! ```text
//! cargo run --release -- serve --dev --memory          # prints a token for the room `demo`
//! ANTEROOM_TOKEN=… cargo run --example fan_out
//! ```
//!
//! `ANTEROOM_URL` (default http://127.0.0.1:8080) says where the server is.

#![expect(clippy::disallowed_methods, reason = "an example reads its own variables")]

use std::time::Duration;

use anteroom::client::{Client, From, Receive};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let room = connect().await?;
    let events = room.queue("example-events");
    for group in ["mailer", "audit"] {
        events.open_group(group, Some(From::All)).await?;
    }
    for event in ["signed up", "paid"] {
        events.send(event).await?;
    }

    for group in ["mailer", "audit"] {
        let receive = Receive::new().group(group).max(10).wait(Duration::from_secs(5));
        for message in events.receive_with(&receive).await? {
            println!("{group}: {}", message.decode::<String>()?);
            message.done().await?;
        }
    }

    // A group that comes later begins where it likes: here, with everything that is kept.
    let late = Receive::new().group("late").from(From::All).max(10);
    println!("late: {} messages", events.receive_with(&late).await?.len());
    events.delete().await?;
    room.close().await;
    Ok(())
}

async fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let url = std::env::var("ANTEROOM_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".into());
    let token = std::env::var("ANTEROOM_TOKEN").map_err(|_| "set ANTEROOM_TOKEN")?;
    Ok(Client::connect(&url, "demo", &token).await?)
}
