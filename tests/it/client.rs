//! The client of this crate against the real binary.

mod calls;
mod consuming;
mod proxy;
mod receiving;
mod reconnecting;

use std::time::Duration;

use anteroom::client::{Client, Queue};

use crate::support::{Server, full};

/// Long enough that its end would be noticed as a test that hangs.
const LONG: Duration = Duration::from_secs(20);

async fn join(server: &Server) -> Client {
    Client::connect(&server.url, "demo", &full("demo")).await.unwrap()
}

/// The queue of most tests, through a connection of its own.
async fn jobs(server: &Server) -> Queue {
    join(server).await.queue("jobs")
}
