//! What is taken first: the highest priority, or the earliest deadline.
//!
//! ```text
//! cargo run --release -- serve --dev --memory          # prints a token for the room `demo`
//! ANTEROOM_TOKEN=… cargo run --example priority_deadline
//! ```
//!
//! `ANTEROOM_URL` (default http://127.0.0.1:8080) says where the server is.

#![expect(clippy::disallowed_methods, reason = "an example reads its own variables")]

use std::time::{Duration, SystemTime};

use anteroom::client::{Client, Message, Ordering, Queue, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let room = connect().await?;

    let urgent = room.queue("example-priority");
    // Each minute of waiting raises the priority by 1, up to 10: nothing waits for ever.
    let settings =
        Settings::new().ordering(Ordering::Priority).ageing(Duration::from_secs(60), 1, 10);
    urgent.configure(settings).await?;
    for (name, priority) in [("later", -5), ("normal", 0), ("now", 9)] {
        urgent.send_message(Message::json(name)?.priority(priority)).await?;
    }
    take_all("by priority", &urgent).await?;

    let due = room.queue("example-deadline");
    due.configure(Settings::new().ordering(Ordering::Deadline)).await?;
    #[expect(clippy::disallowed_methods, reason = "a deadline is a moment of the clock")]
    let now = SystemTime::now();
    for (name, seconds) in [("in an hour", 3600), ("in a minute", 60), ("in a day", 86_400)] {
        let deadline = now + Duration::from_secs(seconds);
        due.send_message(Message::json(name)?.deadline(deadline)).await?;
    }
    take_all("by deadline", &due).await?;
    room.close().await;
    Ok(())
}

async fn take_all(title: &str, queue: &Queue) -> Result<(), Box<dyn std::error::Error>> {
    while let Some(message) = queue.try_receive().await? {
        println!("{title}: {}", message.decode::<String>()?);
        message.done().await?;
    }
    queue.delete().await?;
    Ok(())
}

async fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let url = std::env::var("ANTEROOM_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".into());
    let token = std::env::var("ANTEROOM_TOKEN").map_err(|_| "set ANTEROOM_TOKEN")?;
    Ok(Client::connect(&url, "demo", &token).await?)
}
