//! What a room keeps in internal queues: notes and windows survive, and are in nobody's way.

use std::time::Duration;

use serde_json::{Value, json};

use super::daemon::Home;

fn post(home: &Home, path: &str, body: &Value) -> (u16, Value) {
    let answer = home.request("POST", path, &body.to_string()).expect("the server answers");
    let json = if answer.text.is_empty() { Value::Null } else { answer.json() };
    (answer.status, json)
}

fn push(home: &Home, numbers: &[u64]) {
    let items: Vec<_> =
        numbers.iter().map(|n| json!({"queue": "q", "partition": "p", "payload": n})).collect();
    assert_eq!(post(home, "/api/v1/push", &json!({"items": items})).0, 201);
}

fn poll(home: &Home) -> Option<Value> {
    let asked = json!({"streamName": "s", "consumerGroup": "g", "timeout": 3000});
    match post(home, "/api/v1/stream/poll", &asked) {
        (200, mut answer) => Some(answer["window"].take()),
        (status, _) => {
            assert_eq!(status, 204);
            None
        }
    }
}

fn ack(home: &Home, window: &Value) {
    let ack = json!({"windowId": window["id"], "leaseId": window["leaseId"], "success": true});
    assert_eq!(
        post(home, "/api/v1/stream/ack", &ack),
        (200, json!({"success": true, "acked": true}))
    );
}

fn numbers(window: &Value) -> Vec<u64> {
    let messages = window["messages"].as_array().unwrap();
    messages.iter().map(|message| message["data"].as_u64().unwrap()).collect()
}

/// Windows until so many messages were in them; they follow one another.
fn windows(home: &Home, count: usize) -> Vec<Value> {
    let mut windows: Vec<Value> = Vec::new();
    while windows.iter().map(|window| numbers(window).len()).sum::<usize>() < count {
        let window = poll(home).expect("a window is due");
        if let Some(last) = windows.last() {
            assert_eq!(window["start"], last["end"]);
        }
        ack(home, &window);
        windows.push(window);
    }
    windows
}

#[test]
fn windows_and_notes_survive_kill_9() {
    let home = Home::new();
    let mut daemon = home.start();
    assert_eq!(post(&home, "/api/v1/configure", &json!({"queue": "q"})).0, 200);
    let define = json!({"name": "s", "namespace": "n", "source_queue_names": ["q"], "partitioned": true,
        "window_type": "tumbling", "window_duration_ms": 300, "window_grace_period_ms": 0,
        "window_lease_timeout_ms": 60_000});
    assert_eq!(post(&home, "/api/v1/stream/define", &define).0, 201);
    let second = Duration::from_millis(700);
    push(&home, &[1, 2]);
    std::thread::sleep(second);
    push(&home, &[3]);
    let seen = windows(&home, 2);
    assert_eq!(seen.iter().flat_map(numbers).collect::<Vec<_>>(), [1, 2]);
    // A window that is handed out when the power goes.
    std::thread::sleep(second);
    push(&home, &[4]);
    let held = poll(&home).expect("a window is due");

    let popped =
        home.request("GET", "/api/v1/pop/queue/q?batch=1&consumerGroup=t", "").unwrap().json();
    let message = &popped["messages"][0];
    let (partition, name) =
        (message["partitionId"].as_str().unwrap(), message["transactionId"].as_str().unwrap());
    let trace = json!({"transactionId": name, "partitionId": partition, "traceNames": ["t"], "data": {"step": 1}});
    assert_eq!(post(&home, "/api/v1/traces", &trace).0, 201);
    let traces = format!("/api/v1/traces/{partition}/{name}");
    let before = home.request("GET", &traces, "").unwrap().json();
    assert_eq!(before["traces"][0]["data"], json!({"step": 1}));

    daemon.kill();
    daemon = home.start();
    assert_eq!(home.request("GET", &traces, "").unwrap().json(), before);
    // The same definition again changes nothing; what was acknowledged does not come again, what was held does.
    assert_eq!(post(&home, "/api/v1/stream/define", &define).0, 201);
    let again = windows(&home, 1);
    assert_eq!(again.first().map(|window| &window["start"]), Some(&held["start"]));
    assert_eq!(again.iter().flat_map(numbers).collect::<Vec<_>>(), [3]);
    let listed = home.ok("GET", "/queues", &Value::Null);
    let names: Vec<_> = listed["queues"].as_array().unwrap().iter().map(|q| &q["name"]).collect();
    assert_eq!(names, ["q"], "internal queues are in no list");
    daemon.stop_well();

    // Another definition begins anew.
    let _daemon = home.start();
    let mut other = define;
    other["window_duration_ms"] = json!(200);
    assert_eq!(post(&home, "/api/v1/stream/define", &other).0, 201);
    let all = windows(&home, 3);
    assert_eq!(all.iter().flat_map(numbers).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn internal_queues_cannot_be_named() {
    let home = Home::new();
    let _daemon = home.start();
    for name in ["%01notes", "%01stream:s", "%01streams"] {
        let answer = home.call("POST", &format!("/queues/{name}/messages"), &json!({"body": 1}));
        assert_eq!(answer.code(), "invalid_name", "{name}");
        let answer = home.request("GET", &format!("/api/v1/pop/queue/{name}"), "").unwrap();
        assert_eq!(answer.status, 400, "{name}: {}", answer.text);
    }
}
