//! After a restart everything is as it was.

use serde_json::{Value, json};

use super::daemon::{Daemon, Home};

/// What can be seen of a queue, without what counts from the start of the server.
pub fn seen(home: &Home, queue: &str) -> Value {
    let mut inspection = home.ok("GET", &format!("/queues/{queue}"), &json!(null));
    inspection.as_object_mut().unwrap().remove("totals");
    let states = "ready,delayed,blocked,leased,dead,done";
    let mut messages = home.ok(
        "GET",
        &format!("/queues/{queue}/messages?limit=1000&states={states}"),
        &json!(null),
    );
    for message in messages["messages"].as_array_mut().unwrap() {
        // Deliveries are counted from the start of the server; failures are kept.
        message.as_object_mut().unwrap().remove("attempts");
    }
    json!({"inspection": inspection, "messages": messages})
}

/// A room with something of everything.
pub fn fill(home: &Home) {
    let put = |path: &str, body: Value| home.ok("PUT", path, &body);
    let post = |path: &str, body: Value| home.ok("POST", path, &body);
    // Priorities, failures, a dead letter, what is done and kept, a delayed one, one that waits for another.
    put(
        "/queues/jobs",
        json!({"settings": {"ordering": "priority", "attempts_max": 3, "retain_settled_ms": 3_600_000, "dead_letter": true,
            "backoff": {"kind": "fixed", "base_ms": 0, "cap_ms": 0}, "dedup_window_ms": 3_600_000}}),
    );
    for (number, priority) in [1, 5, 3, 5, 9, 0].into_iter().enumerate() {
        post(
            "/queues/jobs/messages",
            json!({"body": {"n": number}, "priority": priority, "labels": {"l": "x"}}),
        );
    }
    for outcome in ["done", "dead", "retry"] {
        let taken = post("/queues/jobs/receive", json!({}));
        let lease = &taken["messages"][0]["lease"];
        post("/queues/jobs/settle", json!({"lease": lease, "outcome": outcome}));
    }
    post(
        "/queues/jobs/messages",
        json!({"body": "later", "delay_ms": 3_600_000, "message_id": "later"}),
    );
    post("/queues/jobs/messages", json!({"body": "child", "depends_on": ["later"]}));
    post("/queues/jobs/messages", json!({"body": "one", "key": "k"}));
    put(
        "/queues/jobs/schedules/nightly",
        json!({"cron": "0 7 * * *", "zone": "Europe/Berlin", "message": {"body": 1}}),
    );
    put(
        "/queues/jobs/schedules/stands",
        json!({"every_ms": 3_600_000, "message": {"body": 2}, "paused": true}),
    );
    // Groups that stand at different places.
    for number in 0..5 {
        post(
            "/queues/log/messages",
            json!({"body": number, "partition": if number % 2 == 0 { "even" } else { "odd" }}),
        );
    }
    put("/queues/log/groups/reader", json!({"from": "all"}));
    put("/queues/log/groups/late", json!({"from": "new"}));
    let taken = post("/queues/log/receive", json!({"group": "reader", "max": 2}));
    for message in taken["messages"].as_array().unwrap() {
        post("/queues/log/settle", json!({"lease": message["lease"]}));
    }
    // One that is paused, one that is closed, one that is gone.
    put("/queues/paused", json!({}));
    post("/queues/paused/pause", json!({}));
    put("/queues/closed", json!({}));
    post("/queues/closed/messages", json!({"body": 1}));
    post("/queues/closed/close", json!({}));
    post("/queues/gone/messages", json!({"body": 1}));
    home.ok("DELETE", "/queues/gone", &json!(null));
}

pub const QUEUES: [&str; 4] = ["closed", "jobs", "log", "paused"];

fn is_as_it_was(end: impl Fn(Daemon)) {
    let home = Home::new();
    let daemon = home.start();
    fill(&home);
    let before: Vec<Value> = QUEUES.iter().map(|queue| seen(&home, queue)).collect();
    let names = home.ok("GET", "/queues", &json!(null));
    let listed: Vec<_> =
        names["queues"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(listed, QUEUES);
    end(daemon);

    let daemon = home.start();
    assert_eq!(home.ok("GET", "/queues", &json!(null)), names);
    for (queue, before) in QUEUES.iter().zip(&before) {
        assert_eq!(&seen(&home, queue), before, "{queue}");
    }
    // What cannot be seen is kept, too: keys, order, failures.
    let post = |path: &str, body: Value| home.ok("POST", path, &body);
    let again = post("/queues/jobs/messages", json!({"body": "two", "key": "k"}));
    assert_eq!(again["duplicate"], true);
    assert_eq!(
        post("/queues/jobs/messages", json!({"body": 0, "message_id": "later"}))["duplicate"],
        true
    );
    let taken = post("/queues/jobs/receive", json!({"max": 100}));
    let taken = taken["messages"].as_array().unwrap();
    let bodies: Vec<_> = taken.iter().map(|one| one["body"].clone()).collect();
    let expected =
        [json!({"n": 3}), json!({"n": 2}), json!({"n": 0}), json!({"n": 5}), json!("one")];
    assert_eq!(bodies, expected);
    // It has failed once: two more, and it is given up.
    let mut lease = taken[0]["lease"].clone();
    let settle = post("/queues/jobs/settle", json!({"lease": lease, "outcome": "retry"}));
    assert_eq!(settle["results"][0]["status"], "back");
    lease = post("/queues/jobs/receive", json!({}))["messages"][0]["lease"].clone();
    let settle = post("/queues/jobs/settle", json!({"lease": lease, "outcome": "retry"}));
    assert_eq!(settle["results"][0]["status"], "dead");
    let group = |name: &str| {
        let taken = post("/queues/log/receive", json!({"group": name, "max": 100}));
        taken["messages"].as_array().unwrap().len()
    };
    assert_eq!((group("reader"), group("late")), (3, 0));
    let refused = home.call("POST", "/queues/closed/messages", &json!({"body": 2}));
    assert_eq!(refused.code(), "queue_closed");
    assert_eq!(home.call("GET", "/queues/gone", &json!(null)).code(), "queue_not_found");
    daemon.stop_well();
}

#[test]
fn after_a_stop_in_order_everything_is_as_it_was() {
    is_as_it_was(Daemon::stop_well);
}

#[test]
fn after_kill_9_everything_is_as_it_was() {
    is_as_it_was(|daemon| drop(daemon.kill()));
}

#[test]
fn a_restart_ends_leases_and_an_old_lease_settles_nothing() {
    let home = Home::new();
    let daemon = home.start();
    home.ok("POST", "/queues/jobs/messages", &json!({"body": 1}));
    let taken = home.ok("POST", "/queues/jobs/receive", &json!({"lease_ms": 600_000}));
    daemon.kill();
    let daemon = home.start();
    let again = home.ok("POST", "/queues/jobs/receive", &json!({}));
    assert_eq!(again["messages"][0]["body"], 1);
    let settle = json!({"lease": taken["messages"][0]["lease"]});
    assert_eq!(home.ok("POST", "/queues/jobs/settle", &settle)["results"][0]["status"], "lost");
    let settle = json!({"lease": again["messages"][0]["lease"]});
    assert_eq!(home.ok("POST", "/queues/jobs/settle", &settle)["results"][0]["status"], "done");
    daemon.stop_well();
}

#[test]
fn how_many_queues_are_relaxed_can_be_seen_from_outside() {
    let home = Home::new();
    let server = home.start();
    let relaxed = || {
        let text = home.get("/metrics/prometheus").unwrap().text;
        let line = text.lines().find_map(|line| line.strip_prefix("anteroom_relaxed_queues "));
        line.unwrap().parse::<u32>().unwrap()
    };
    let put = |queue: &str, durability: &str| {
        let settings = json!({"settings": {"durability": durability}});
        home.ok("PUT", &format!("/queues/{queue}"), &settings);
    };
    put("a", "durable");
    assert_eq!(relaxed(), 0, "never by itself");
    put("b", "relaxed");
    put("c", "relaxed");
    assert_eq!(relaxed(), 2);
    server.stop_well();
    let server = home.start();
    home.ok("GET", "/queues", &json!(null));
    super::saved::until("it is counted once it is in memory", || relaxed() == 2);
    home.ok("PATCH", "/queues/b", &json!({"settings": {"durability": "durable"}}));
    home.ok("DELETE", "/queues/c", &json!(null));
    assert_eq!(relaxed(), 0);
    server.stop_well();
}
