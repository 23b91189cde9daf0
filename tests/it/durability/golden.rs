//! What an earlier version has written is read: directories of every format, with what was in them then.
//!
//! `tests/stores/FORMAT-plain` and `FORMAT-encrypted` are data directories, `seen.json` is what could be seen of them. They are
//! made once, by `ANTEROOM_UPDATE=1 cargo test --test it golden`, and never changed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    daemon::Home,
    saved::{receive, report, send, until},
};

/// The format that this version writes.
const FORMAT: u32 = 3;

const KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";

fn stores() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores")
}

fn home(is_encrypted: bool) -> Home {
    let home = Home::new()
        .with("ANTEROOM_JOURNAL_SEGMENT", "64KiB")
        .with("ANTEROOM_JOURNAL_SIZE", "128KiB")
        .with("ANTEROOM_IDLE_TIMEOUT", "100ms")
        .with("ANTEROOM_LOG", "debug,actix_server=warn,actix_http=off");
    if is_encrypted { home.with("ANTEROOM_ENCRYPTION_KEYS", KEY) } else { home }
}

/// Something of what a queue can have that time does not change: first what is saved, then what is in the journal only.
fn make(is_encrypted: bool, target: &Path) {
    let home = home(is_encrypted);
    let server = home.start();
    let forever = json!({"settings": {"attempts_max": 1, "retain_dead_ms": "forever", "retain_settled_ms": "forever"}});
    home.ok("PUT", "/queues/jobs", &forever);
    let messages = json!({"messages": [
        {"body": {"n": 1.50}, "message_id": "first", "type": "t", "labels": {"a": "b"}, "headers": {"h": [1]}},
        {"base64": "AAEC", "content_type": "image/x", "partition": "p", "priority": 3},
        {"body": "child", "depends_on": ["first"], "partition": "p"},
        {"body": null},
    ]});
    home.ok("POST", "/queues/jobs/messages", &messages);
    let taken = home.ok("POST", "/queues/jobs/receive", &json!({"max": 2, "group": "g"}));
    let lease = |at: usize| taken["messages"][at]["lease"].clone();
    let items = json!({"items": [
        {"lease": lease(0), "outcome": "done"}, {"lease": lease(1), "outcome": "dead", "reason": "no"},
    ]});
    home.ok("POST", "/queues/jobs/settle", &items);
    send(&home, "deep", (0..1500).map(|at| format!("body {at} {}", ".".repeat(60))));
    until("the room rests", || server.log().contains("the room rests"));
    assert_eq!(receive(&home, "deep", 3).len(), 3);
    send(&home, "jobs", ["in the journal".to_owned()].into_iter());
    server.stop_well();
    copy(&home.data, target);
    let server = home.start();
    let text = seen(&home).to_string();
    fs::write(target.join("seen.json"), text + "\n").unwrap();
    server.stop_well();
}

/// Copies what counts of a data directory.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::copy(from.join("state.db"), to.join("state.db")).unwrap();
    for directory in ["journal", "blobs"] {
        // There are no blobs before format 3.
        let Ok(files) = fs::read_dir(from.join(directory)) else { continue };
        fs::create_dir_all(to.join(directory)).unwrap();
        for file in files.map(Result::unwrap) {
            let path = Path::new(directory).join(file.file_name());
            if path.extension().is_none_or(|kind| kind != "spare") {
                fs::copy(from.join(&path), to.join(&path)).unwrap();
            }
        }
    }
}

fn seen(home: &Home) -> Value {
    let mut seen = json!({});
    for (queue, group) in [("jobs", ""), ("jobs", "&group=g"), ("deep", "")] {
        let states = "ready,delayed,blocked,leased,dead,done";
        let path = format!("/queues/{queue}/messages?limit=2000&states={states}{group}");
        seen[format!("{queue}{group}")] = home.ok("GET", &path, &Value::Null)["messages"].take();
    }
    seen["settings"] = home.ok("GET", "/queues/jobs", &Value::Null)["settings"].take();
    seen
}

/// A later version may show more than was seen then, but not less.
fn ensure_same(before: &Value, now: &Value, place: &str) {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            for (name, value) in before {
                let place = format!("{place}.{name}");
                ensure_same(value, now.get(name).unwrap_or(&Value::Null), &place);
            }
        }
        (Value::Array(before), Value::Array(now)) => {
            assert_eq!(before.len(), now.len(), "{place}");
            for (at, (before, now)) in before.iter().zip(now).enumerate() {
                ensure_same(before, now, &format!("{place}[{at}]"));
            }
        }
        _ => assert_eq!(before, now, "{place}"),
    }
}

#[test]
fn what_was_written_by_every_version_is_read() {
    let is_update = std::env::var_os("ANTEROOM_UPDATE").is_some();
    for (kind, is_encrypted) in [("plain", false), ("encrypted", true)] {
        let target = stores().join(format!("{FORMAT}-{kind}"));
        if is_update && !target.exists() {
            make(is_encrypted, &target);
        }
        assert!(target.is_dir(), "{} is made with ANTEROOM_UPDATE=1", target.display());
    }
    for entry in fs::read_dir(stores()).unwrap() {
        let directory = entry.unwrap().path();
        let home = home(directory.to_string_lossy().ends_with("-encrypted"));
        copy(&directory, &home.data);
        let checked = report(&["check", "--data", home.data.to_str().unwrap()], &home);
        assert_eq!((&checked["queues"], &checked["is_clean"]), (&json!(2), &json!(true)));
        let server = home.start();
        let text = fs::read_to_string(directory.join("seen.json")).unwrap();
        let place = directory.file_name().unwrap().to_string_lossy().into_owned();
        ensure_same(&serde_json::from_str(&text).unwrap(), &seen(&home), &place);
        server.stop_well();
    }
}
