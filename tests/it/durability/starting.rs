//! A server that reads its journal says how far it is.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{daemon::Home, lying::shim};
use crate::support::PATIENCE;

#[test]
fn while_it_replays_it_is_unready_and_says_how_far_it_is() {
    let Some(shim) = shim() else { return };
    let home = Home::new();
    let daemon = home.start();
    // More than is saved in passing.
    let body = "x".repeat(100_000);
    for _ in 0..60 {
        home.ok("POST", "/queues/jobs/messages", &json!({"body": body}));
    }
    daemon.stop_well();
    assert!(home.segments().len() + home.large().len() > 5, "a journal of many files");
    // Each file takes a while, so that there is something to be seen.
    let (daemon, mut stdout) = home.spawn(home.port, &[("LD_PRELOAD", shim), ("SHIM_SLOW", "200")]);
    let deadline = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    loop {
        assert!(Instant::now() < deadline, "{seen:?}");
        std::thread::sleep(Duration::from_millis(20));
        let Some(ready) = home.get("/health/ready") else { continue };
        if ready.status == 200 {
            break;
        }
        assert_eq!(ready.status, 503);
        let status = ready.json()["status"].as_str().unwrap().to_owned();
        if !status.starts_with("replaying, ") {
            continue; // It is just taking over.
        }
        let percent: u64 =
            status["replaying, ".len()..].strip_suffix(" %").unwrap().parse().unwrap();
        if seen.is_empty() {
            assert_eq!(home.get("/health/live").unwrap().status, 200);
            let other = home.call("GET", "/queues", &json!(null));
            assert_eq!((other.status, other.header("retry-after")), (503, Some("1")), "{other:?}");
            assert_eq!(other.code(), "server_starting");
        }
        seen.push(percent);
    }
    assert!(seen.is_sorted() && seen.iter().all(|percent| *percent <= 100), "{seen:?}");
    assert!(seen.iter().any(|percent| (1..100).contains(percent)), "{seen:?}");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert!(line.starts_with("ready "), "{line}");
    assert_eq!(home.ok("GET", "/queues/jobs", &json!(null))["messages"], 60);
    daemon.stop_well();
}
