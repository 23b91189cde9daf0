//! Request and reply: what a worker returns goes back to whoever sent the work.
//!
//! ```text
//! cargo run --release -- serve --dev --memory          # prints a token for the room `demo`
//! ANTEROOM_TOKEN=… cargo run --example request_reply
//! ```
//!
//! `ANTEROOM_URL` (default http://127.0.0.1:8080) says where the server is.

#![expect(clippy::disallowed_methods, reason = "an example reads its own variables")]

use std::time::Duration;

use anteroom::client::{Client, Consume, Message, Settings};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let worker = connect().await?;
    let squares = worker.queue("example-squares");
    // A result is kept for as long as its message is.
    squares.configure(Settings::new().retain_settled(Duration::from_secs(60))).await?;
    let consumer = squares
        .consume(Consume::new(), |job| async move {
            let number = job.decode::<u64>().map_err(|error| error.to_string())?;
            Ok::<Value, String>(json!({"number": number, "square": number * number}))
        })
        .await?;

    let asker = connect().await?;
    for number in 1..=3 {
        let request = Message::json(&number)?;
        let reply =
            asker.queue("example-squares").request(request, Duration::from_secs(10)).await?;
        let reply: Value = reply.ok_or("there is a result")?.decode()?;
        println!("the square of {} is {}", reply["number"], reply["square"]);
    }

    consumer.stop().await?;
    squares.delete().await?;
    asker.close().await;
    worker.close().await;
    Ok(())
}

async fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let url = std::env::var("ANTEROOM_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".into());
    let token = std::env::var("ANTEROOM_TOKEN").map_err(|_| "set ANTEROOM_TOKEN")?;
    Ok(Client::connect(&url, "demo", &token).await?)
}
