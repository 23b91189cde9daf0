//! A pipeline: work that waits for other work, and two steps that happen together or not at all.
//!
//! ```text
//! cargo run --release -- serve --dev --memory          # prints a token for the room `demo`
//! ANTEROOM_TOKEN=… cargo run --example pipeline
//! ```
//!
//! `ANTEROOM_URL` (default http://127.0.0.1:8080) says where the server is.

#![expect(clippy::disallowed_methods, reason = "an example reads its own variables")]

use anteroom::client::{Client, Item, Message, Outcome, Transaction};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let room = connect().await?;
    let steps = room.queue("example-pipeline");

    // `publish` is blocked until both others are done, in whatever order that happens.
    let publish = Message::json("publish")?.id("publish").depends_on(["fetch", "draw"]);
    steps.send_message(publish).await?;
    steps.send_message(Message::json("fetch")?.id("fetch")).await?;
    steps.send_message(Message::json("draw")?.id("draw")).await?;

    for _ in 0..2 {
        let step = steps.receive().await?;
        println!("{}", step.decode::<String>()?);
        step.done().await?;
    }

    // The last step is done and the news of it is sent, both or none.
    let last = steps.receive().await?;
    println!("{}", last.decode::<String>()?);
    let lease = last.lease().ok_or("there is a lease")?;
    let transaction = Transaction::new()
        .settle(steps.name(), Item::new(lease, Outcome::Done))
        .send("example-news", Message::json("it is published")?);
    room.transact(&transaction).await?;

    let news = room.queue("example-news");
    let message = news.receive().await?;
    println!("{}", message.decode::<String>()?);
    message.done().await?;
    steps.delete().await?;
    news.delete().await?;
    room.close().await;
    Ok(())
}

async fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let url = std::env::var("ANTEROOM_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".into());
    let token = std::env::var("ANTEROOM_TOKEN").map_err(|_| "set ANTEROOM_TOKEN")?;
    Ok(Client::connect(&url, "demo", &token).await?)
}
