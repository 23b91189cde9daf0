//! Queues that are larger than memory: bodies go away to the store, and are there when somebody is to see them.

use serde_json::{Value, json};

use super::{
    daemon::{Daemon, Home},
    saved::{receive, report, send, until},
};

/// Blocks of 1,024 messages; there is memory for the bodies of less than one.
const COUNT: usize = 9_000;

fn body(at: usize) -> String {
    format!("{at} {}", "z".repeat(500))
}

fn home() -> Home {
    Home::new()
        .with("ANTEROOM_JOURNAL_SEGMENT", "256KiB")
        .with("ANTEROOM_JOURNAL_SIZE", "1MiB")
        .with("ANTEROOM_BODY_CACHE", "64KiB")
        .with("ANTEROOM_LOG", "debug,actix_server=warn,actix_http=off")
}

fn has_let_go(server: &Daemon) -> bool {
    server.log().contains("bodies went away")
}

fn browse(home: &Home, after: usize, limit: usize) -> Vec<Value> {
    let path = format!("/queues/deep/messages?after=0-{after}&limit={limit}");
    let found = home.ok("GET", &path, &Value::Null);
    found["messages"].as_array().unwrap().iter().map(|one| one["body"].clone()).collect()
}

#[test]
fn what_waits_for_long_is_not_in_memory_and_comes_back_as_it_was() {
    let home = home();
    let server = home.start();
    send(&home, "deep", (0..COUNT).map(body));
    until("bodies go away", || {
        // It looks after each command.
        receive(&home, "other", 1);
        has_let_go(&server)
    });
    assert_eq!(browse(&home, 4999, 3), [body(5000), body(5001), body(5002)]);
    let found = home.ok("GET", "/queues/deep/messages/0-4100", &Value::Null);
    assert_eq!(found["body"], json!(body(4100)));
    let held = home.ok("POST", "/queues/deep/receive", &json!({"max": 1200, "group": "late"}));
    let held = held["messages"].as_array().unwrap();
    for (at, one) in held.iter().enumerate() {
        assert_eq!(one["body"], json!(body(at)));
    }
    assert_eq!(held.len(), 1200);
    server.kill();
    let server = home.start();
    for from in (0..COUNT).step_by(500) {
        let bodies = receive(&home, "deep", 500);
        let expected: Vec<_> = (from..(from + 500).min(COUNT)).map(|at| json!(body(at))).collect();
        assert!(bodies == expected, "from {from}");
    }
    server.stop_well();
    let server = home.start();
    assert!(receive(&home, "deep", 1).is_empty());
    let late = home.ok("POST", "/queues/deep/receive", &json!({"max": 2000, "group": "late"}));
    assert_eq!(late["messages"].as_array().unwrap().len(), 2000);
    assert_eq!(late["messages"][1999]["body"], json!(body(1999)));
    server.stop_well();
    let checked = report(&["check", "--data", home.data.to_str().unwrap()], &home);
    assert_eq!(checked["queues"], json!(2));
}

/// Memory of the process, in bytes.
fn memory(server: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    let kilobytes = line.split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

/// None of them fills a block.
#[test]
fn many_queues_that_are_not_deep_keep_no_more_in_memory_than_they_may() {
    const QUEUES: usize = 100;
    let home = Home::new()
        .with("ANTEROOM_JOURNAL_SEGMENT", "1MiB")
        .with("ANTEROOM_JOURNAL_SIZE", "4MiB")
        .with("ANTEROOM_BODY_CACHE", "4MiB");
    let server = home.start();
    let body = |queue: usize, at: usize| format!("{queue} {at} {}", "m".repeat(10_000));
    send(&home, "q0", (0..10).map(|at| body(0, at)));
    let before = memory(&server);
    for queue in 0..QUEUES {
        let first = if queue == 0 { 10 } else { 0 };
        send(&home, &format!("q{queue}"), (first..100).map(|at| body(queue, at)));
    }
    // All bodies: 100 MB.
    until("bodies go away", || {
        (0..QUEUES)
            .for_each(|queue| send(&home, &format!("q{queue}"), ["more".to_owned()].into_iter()));
        memory(&server) < before + (40 << 20)
    });
    for queue in [0, 1, QUEUES / 2, QUEUES - 1] {
        let bodies = receive(&home, &format!("q{queue}"), 100);
        let expected: Vec<_> = (0..100).map(|at| json!(body(queue, at))).collect();
        assert!(bodies == expected, "queue {queue}");
    }
    server.stop_well();
}

#[test]
fn a_body_that_is_away_is_compared_replaced_and_saved_again() {
    let home = home()
        .with("ANTEROOM_IDLE_TIMEOUT", "100ms")
        .with("ANTEROOM_ENCRYPTION_KEYS", &"5a".repeat(32));
    let server = home.start();
    let rests = |times: usize| {
        until("the room rests", || server.log().matches("the room rests").count() >= times);
    };
    home.ok("PUT", "/queues/deep", &json!({"settings": {"dedup_content": true}}));
    let first = json!({"messages": [
        {"message_id": "known", "body": "as it was"},
        {"key": "k", "body": "to be replaced", "key_window_ms": 600_000},
        {"body": "last"},
    ]});
    home.ok("POST", "/queues/deep/messages", &first);
    rests(1);
    let message = |body: &str| json!({"message_id": "known", "body": body});
    let again = home.ok("POST", "/queues/deep/messages", &message("as it was"));
    assert_eq!(again["duplicate"], json!(true));
    let other = home.call("POST", "/queues/deep/messages", &message("another"));
    assert_eq!(other.status, 409, "{}", other.text);
    rests(2);
    let second = json!({"key": "k", "body": "new", "key_window_ms": 600_000, "key_replace": true});
    let replaced = home.ok("POST", "/queues/deep/messages", &second);
    assert_eq!(replaced["duplicate"], json!(true));
    rests(3);
    let found = home.ok("GET", "/queues/deep/messages/known", &Value::Null);
    assert_eq!(found["body"], json!("as it was"));
    assert_eq!(receive(&home, "deep", 5), [json!("as it was"), json!("new"), json!("last")]);
    server.stop_well();
}
