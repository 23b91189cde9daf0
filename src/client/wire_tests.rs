//! What the client writes is what the server reads. The client has types of its own, so this has to be tested.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::*;
use crate::wire::native::read_frames;

#[track_caller]
fn is_read(op: &str, queue: Option<&str>, fields: &impl Serialize) {
    let text = frame::request(Some(1), op, queue, fields).unwrap();
    let mut frames = Vec::new();
    read_frames(&text, 10_000, &mut |frame| {
        frames.push(frame.map(|frame| frame.request.op()).map_err(|(_, error)| error.to_string()));
    });
    assert_eq!(frames, [Ok(op)], "{text}");
}

fn whole() -> Message {
    Message::json(&json!({"a": 1}))
        .unwrap()
        .partition("p")
        .id("mine")
        .key("k")
        .key_window(Duration::from_secs(1))
        .key_replace()
        .priority(3)
        .delay(Duration::from_secs(1))
        .not_before(1_900_000_000_000)
        .ttl(Duration::from_secs(9))
        .deadline(1_900_000_000_000)
        .kind("t")
        .label("l", "v")
        .headers(&json!({"h": [1]}))
        .unwrap()
        .attempts_max(2)
        .backoff(Backoff::exponential(Duration::from_millis(1), Duration::from_secs(1)))
        .depends_on(["0-1"])
        .parent_failed(ParentFailed::Fail)
}

#[test]
fn messages_and_receives_are_read() {
    is_read("send", Some("q"), &whole());
    is_read("send", Some("q"), &Message::bytes([1, 2], "a/b").key("k").key_until_settled());
    is_read("send", Some("q"), &json!({ "messages": [whole(), Message::raw("null").unwrap()] }));
    let receive = Receive::new()
        .max(3)
        .wait(Duration::from_secs(1))
        .lease(Duration::from_secs(1))
        .lease_kind(Lease::Session)
        .group("g")
        .from(From::New)
        .partition("p")
        .label("a", "b")
        .create(false);
    is_read("receive", Some("q"), &receive);
    is_read("receive", Some("q"), &Receive::new().partitions(2).from(From::At(At(1))));
    let mut subscribe = serde_json::to_value(receive.standing()).unwrap();
    subscribe["credit"] = 5.into();
    is_read("subscribe", Some("q"), &subscribe);
    is_read("credit", Some("q"), &json!({"receiver": 1, "credit": 2}));
    is_read("cancel", Some("q"), &json!({"receiver": 1}));
    let item = Item::new("0-0-0-1", Outcome::Done).result(&json!(1)).unwrap();
    let retry = Item::new("0-0-0-1", Outcome::Retry).reason("r").delay(Duration::from_secs(1));
    is_read("settle", Some("q"), &json!({ "items": [item, retry] }));
    is_read("extend", Some("q"), &json!({"leases": ["0-0-0-1"], "by_ms": 5}));
    is_read("await", Some("q"), &json!({"message": "0-0", "wait_ms": 5}));
    let transaction = Transaction::new().settle("a", item).send("b", whole());
    is_read("transaction", None, &transaction);
}

#[test]
fn administration_is_read() {
    let settings = Settings::new()
        .ordering(Ordering::Deadline)
        .ageing(Duration::from_secs(1), 1, 5)
        .lease(Duration::from_secs(1))
        .attempts_max(0)
        .backoff(Backoff::fixed(Duration::from_secs(1)))
        .expiry_is_failure(false)
        .dead_letter(true)
        .dead_letter_expired(true)
        .delay(Duration::ZERO)
        .ttl(Duration::from_secs(1))
        .window(Duration::from_secs(1), true, 5)
        .dedup_window(Duration::from_secs(1))
        .dedup_content(true)
        .messages_max(5)
        .bytes_max(5)
        .overflow(Overflow::DeadLetter)
        .retain_open(Duration::from_secs(1))
        .retain_settled(Duration::from_secs(1))
        .retain_dead(Duration::from_secs(1))
        .rate(5, Duration::from_secs(1))
        .concurrency(5)
        .work_group(false)
        .durability(Durability::Relaxed)
        .encryption_required(true)
        .labels([("team", "billing")])
        .priority(3)
        .reset("ttl_ms");
    is_read("open", Some("q"), &json!({ "settings": settings }));
    is_read("configure", Some("q"), &json!({ "settings": settings, "replace": true }));
    let filter = Filter::new()
        .states(State::ALL)
        .partition("p")
        .kind("t")
        .label("a", "b")
        .reason("r")
        .sent_before(5);
    let mut browse = serde_json::to_value(&filter).unwrap();
    browse["limit"] = 5.into();
    browse["after"] = "0-1".into();
    is_read("browse", Some("q"), &browse);
    is_read("find", Some("q"), &json!({"message": "0-1", "group": "g"}));
    is_read(
        "change",
        Some("q"),
        &json!({"action": "redrive", "filter": filter, "limit": 5, "per_second": 5, "dry_run": true}),
    );
    is_read("change", Some("q"), &json!({"action": "bury", "ids": ["0-1"], "reason": "r"}));
    is_read("purge", Some("q"), &json!({ "states": State::ALL, "group": "g" }));
    is_read("group_open", Some("q"), &json!({"group": "g", "from": From::All}));
    is_read("group_delete", Some("q"), &json!({"group": "g"}));
    is_read("seek", Some("q"), &json!({"group": "g", "partition": "p", "to": SeekTo::End}));
    for schedule in [
        Schedule::every(Duration::from_secs(1), whole()),
        Schedule::cron("* * * * *", "UTC", whole()).catch_up_once(),
        Schedule::at(5, whole()).paused(),
    ] {
        let mut text = frame::request(None, "x", None, &schedule).unwrap();
        text = text.replacen(r#""op":"x""#, r#""name":"n""#, 1);
        is_read("schedule_put", Some("q"), &serde_json::from_str::<Value>(&text).unwrap());
    }
    for op in ["schedule_delete", "schedule_pause", "schedule_resume", "schedule_fire"] {
        is_read(op, Some("q"), &json!({"name": "n"}));
    }
    for op in ["inspect", "explain", "close", "pause", "resume", "drain", "delete", "watch"] {
        is_read(op, Some("q"), &json!({}));
    }
    for op in ["list", "watch", "participants", "ping"] {
        is_read(op, None, &json!({}));
    }
    is_read("unwatch", None, &json!({"watch": 7}));
    is_read("messaging", None, &json!({"enabled": true}));
    is_read("message", None, &json!({"to": "id", "type": "t", "message": [1]}));
    is_read("attributes", None, &json!({"attributes": {"a": 1}}));
}
