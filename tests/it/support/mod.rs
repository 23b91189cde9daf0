//! What the tests stand on: the real server in a process of its own, tokens, a scripted peer.

mod both;
mod document;
mod http;
mod native;
mod peer;
pub mod raw;
mod server;
mod token;

pub use both::Both;
pub use document::Document;
pub use http::{Http, HttpAnswer, exchange};
pub use native::Native;
pub use peer::{Answer, Peer, Said, request};
pub use server::{SECRET, Server};
pub use token::{full, now, sign, token};

use std::future::Future;

/// No test waits longer for anything.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Awaits `future`, but not for ever.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited too long for {what}"),
    }
}

/// Runs an asynchronous test, which ends: a peer that waits for an answer is kept waiting by pings.
pub fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(2 * PATIENCE, test).await });
    ended.expect("the test did not end")
}

/// Says why a test cannot run here; in CI, where `ANTEROOM_REQUIRE=all`, that is a failure.
pub fn skip(reason: &str) {
    let required = std::env::var("ANTEROOM_REQUIRE").is_ok_and(|value| value == "all");
    assert!(!required, "ANTEROOM_REQUIRE=all, but: {reason}");
    eprintln!("\n*** SKIPPED: {reason}\n");
}
