//! A store as lines of JSON, and a store from them: nothing is missing, and nothing is taken that is not whole.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{
    daemon::Home,
    kept::{QUEUES, fill, seen},
    saved::{receive, refusal, report, send, small, until},
};

const KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";

/// A server that was killed, with something of everything: in the journal, and saved.
fn filled() -> Home {
    let home = small();
    let server = home.start();
    fill(&home);
    send(&home, "deep", (0..1500).map(|at| format!("{at} {}", "y".repeat(200))));
    let bodies = [
        r#"{"body": {"n":  1.50, "n2": [ ]}}"#,
        "{\"body\": {\n \"lines\": 2}}",
        r#"{"base64": "AAH/", "content_type": "image/x"}"#,
        r#"{"base64": "bGluZQoK", "content_type": "text/plain", "partition": "p"}"#,
        r#"{"body": "\u0001 é \ud83d\ude00 \\n", "headers": {"a":  1}}"#,
    ];
    for body in bodies {
        let sent = home.request("POST", "/v1/rooms/demo/queues/odd/messages", body).unwrap();
        assert_eq!(sent.status, 200, "{}", sent.text);
    }
    assert_eq!(receive(&home, "deep", 3).len(), 3);
    for round in 0..3 {
        home.request("DELETE", "/v1/rooms/demo/queues/again", "").unwrap();
        send(&home, "again", ["one", "two"].map(|body| format!("{body} {round}")).into_iter());
    }
    home.ok("POST", "/queues/again/receive", &json!({"group": "g", "lease": "none"}));
    // A lease ends with the server.
    home.ok("POST", "/queues/odd/receive", &json!({"lease_ms": 600_000}));
    server.kill();
    home
}

fn export(home: &Home, name: &str, more: &[&str]) -> String {
    let file = home.beside(name);
    let (data, to) = (home.data.to_str().unwrap(), file.to_str().unwrap());
    report(&[&["export", "--data", data, "--to", to], more].concat(), home);
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(file).unwrap();
    text
}

fn write(home: &Home, text: &str) -> String {
    let path = home.beside("lines.jsonl");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn import(home: &Home, text: &str) -> Value {
    report(&["import", &write(home, text), "--data", home.data.to_str().unwrap()], home)
}

fn refused(home: &Home, text: &str) -> String {
    refusal(&["import", &write(home, text), "--data", home.data.to_str().unwrap()], home)
}

/// Everything that can be had of some queues, in order: exact bodies.
fn drained(home: &Home) -> Vec<String> {
    let take = |queue: &str| {
        let path = format!("/v1/rooms/demo/queues/{queue}/receive");
        home.request("POST", &path, r#"{"max": 2000, "lease": "none"}"#).unwrap().text
    };
    ["deep", "odd", "jobs", "log", "again"].map(take).to_vec()
}

#[test]
fn what_is_exported_and_imported_is_the_same_store() {
    let home = filled();
    let text = export(&home, "store.jsonl", &[]);
    assert_eq!(text, export(&home, "again.jsonl", &[]), "nothing was changed");
    let copy = Home::new();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let expected = json!({"queues": last["end"]["queues"], "messages": last["end"]["messages"]});
    assert!(expected["messages"].as_u64() > Some(1500), "{last}");
    let again = text.lines().find(|line| line.contains(r#""name":"again""#)).unwrap();
    let is_brief =
        again.contains(r#""first_partition":2"#) && !again.contains(r#""is_there":false"#);
    assert!(is_brief, "{again}");
    assert_eq!(import(&copy, &text), expected);
    assert_eq!(export(&copy, "copy.jsonl", &[]), text);
    let checked = report(&["check", "--data", copy.data.to_str().unwrap()], &copy);
    assert_eq!(checked["saved_messages"], expected["messages"]);

    let (server, other) = (home.start(), copy.start());
    for queue in QUEUES {
        assert_eq!(seen(&home, queue), seen(&copy, queue), "{queue}");
    }
    let before = drained(&home);
    assert_eq!(before, drained(&copy));
    for part in [r#"{"n":  1.50, "n2": [ ]}"#, "{\n \"lines\": 2}", "AAH/", "bGluZQoK"] {
        assert!(before[1].contains(part), "{part}: {}", before[1]);
    }
    assert!(before[4].contains("one 2") && !before[4].contains("one 1"), "{}", before[4]);
    let again = json!({"body": "two", "key": "k"});
    assert_eq!(copy.ok("POST", "/queues/jobs/messages", &again)["duplicate"], true);
    send(&copy, "deep", ["more".to_owned()].into_iter());
    other.kill();
    let other = copy.start();
    assert_eq!(receive(&copy, "deep", 10), [json!("more")]);
    other.stop_well();
    server.stop_well();
}

#[test]
fn a_backup_is_exported_and_rooms_are_added_to_a_store() {
    let home = filled();
    let backup = home.beside("backup");
    let (data, copy) = (home.data.to_str().unwrap(), backup.to_str().unwrap());
    report(&["backup", "--data", data, "--to", copy], &home);
    let text = export(&home, "store.jsonl", &[]);
    let of_backup = home.beside("backup.jsonl");
    report(&["export", "--data", copy, "--to", of_backup.to_str().unwrap()], &home);
    assert_eq!(fs::read_to_string(&of_backup).unwrap(), text);
    let said = refusal(&["export", "--data", copy, "--to", of_backup.to_str().unwrap()], &home);
    assert!(said.contains("exists"), "{said}");

    let said = refused(&home, &text);
    assert!(said.contains("line 2: ") && said.contains("\"demo\""), "{said}");
    assert_eq!(export(&home, "as-before.jsonl", &[]), text);
    let other = text.replace(r#""room":"demo""#, r#""room":"other""#);
    import(&home, &other);
    assert_eq!(export(&home, "demo.jsonl", &["--room", "demo"]), text);
    assert_eq!(export(&home, "other.jsonl", &["--room", "other"]), other);
    let both = export(&home, "both.jsonl", &[]);
    assert_eq!(both.lines().count(), text.lines().count() + other.lines().count() - 2);

    let server = home.start();
    let said = refusal(&["export", "--data", data], &home);
    assert!(said.contains("another process uses"), "{said}");
    assert!(refused(&home, &text).contains("another process uses"));
    assert_eq!(receive(&home, "deep", 1).len(), 1);
    server.stop_well();
}

#[test]
fn what_is_not_whole_is_refused_with_its_line_and_leaves_nothing() {
    let home = filled();
    let text = export(&home, "store.jsonl", &[]);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let count = lines.len();
    let target = Home::new();
    let is_refused = |lines: &[String], number: usize, why: &str| {
        let said = refused(&target, &lines.concat());
        let expected = format!("error: line {number}: ");
        assert!(said.starts_with(&expected) && said.contains(why), "{expected}{why}: {said}");
        assert!(!target.data.join("state.db").exists(), "{said}");
    };
    let whole: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let with = |at: usize, line: &str| {
        let mut lines = whole.clone();
        lines[at] = line.to_owned();
        lines
    };
    let without = |at: usize| {
        let mut lines = whole.clone();
        lines.remove(at);
        lines
    };
    let changed = |at: usize, from: &str, to: &str| {
        assert!(whole[at].contains(from), "{}", whole[at]);
        with(at, &whole[at].replacen(from, to, 1))
    };
    let message = lines.iter().rposition(|line| line.starts_with("{\"message\"")).unwrap();
    let deliveries = lines.iter().position(|line| line.starts_with("{\"deliveries\"")).unwrap();
    let queue = lines.iter().position(|line| line.contains(r#""name":"deep""#)).unwrap();
    is_refused(&[], 1, "the file is cut");
    is_refused(&whole[..count - 1], count, "the file is cut");
    is_refused(&with(message, &lines[message][..40]), message + 1, "not JSON");
    is_refused(&with(message, "\n"), message + 1, "not JSON");
    is_refused(&changed(message, "{\"message\"", "{\"massage\""), message + 1, "\"massage\"");
    is_refused(
        &changed(message, "\"sent_at\"", "\"sent\""),
        message + 1,
        "message: sent_at is missing",
    );
    is_refused(&changed(message, "\"body\"", "\"size\":1,\"body\""), message + 1, "\"size\"");
    is_refused(&changed(message, "\"position\":\"", "\"position\":\"7"), message + 1, "position");
    is_refused(
        &changed(queue, "\"ordering\":\"fifo\"", "\"ordering\":\"fife\""),
        queue + 1,
        "\"fife\"",
    );
    is_refused(&without(message), count - 1, "there should be");
    is_refused(&without(0), 1, "the first line");
    is_refused(&changed(0, "\"format\":1", "\"format\":2"), 1, "format 2");
    is_refused(&without(1), 2, "below no queue");
    is_refused(
        &changed(deliveries, "\"partition\":0", "\"partition\":9"),
        deliveries + 1,
        "no such",
    );
    is_refused(&[whole.clone(), vec!["{}\n".to_owned()]].concat(), count + 1, "after the end");
    let swapped = {
        let mut lines = whole.clone();
        lines.swap(queue + 1, queue + 2);
        lines
    };
    is_refused(&swapped, queue + 3, "in the order");
    // A message of which the queue's image says more.
    let lacking = {
        let mut lines = without(queue + 1);
        let end = json!({"end": {"queues": 0, "messages": 0, "lines": count - 2}});
        *lines.last_mut().unwrap() = format!("{end}\n");
        lines
    };
    assert!(refused(&target, &lacking.concat()).contains("there should be"));
    assert_eq!(import(&target, &text)["queues"], json!(QUEUES.len() + 3));
}

#[test]
fn an_import_that_is_killed_has_imported_nothing() {
    let home = filled();
    let text = export(&home, "store.jsonl", &[]);
    let target = Home::new();
    let data = target.data.to_str().unwrap();
    let mut importing = Command::new(env!("CARGO_BIN_EXE_anteroom"))
        .args(["store", "import", "-", "--data", data])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = importing.stdin.take().unwrap();
    // More than the pipe holds: when it is taken, most of it is saved.
    lines.write_all(&text.as_bytes()[..text.len() - 100]).unwrap();
    until("it saves", || {
        fs::metadata(target.data.join("state.db")).is_ok_and(|state| state.len() > 100_000)
    });
    importing.kill().unwrap();
    importing.wait().unwrap();
    let checked = report(&["check", "--data", data], &target);
    assert_eq!((&checked["queues"], &checked["saved_messages"]), (&json!(0), &json!(0)));
    import(&target, &text);
    assert_eq!(export(&target, "copy.jsonl", &[]), text);
}

#[test]
fn what_must_be_encrypted_is_only_imported_with_a_key() {
    let home = small().with("ANTEROOM_ENCRYPTION_KEYS", KEY);
    let server = home.start();
    home.ok("PUT", "/queues/secret", &json!({"settings": {"encryption": "required"}}));
    send(&home, "secret", ["do not tell".to_owned()].into_iter());
    server.stop_well();
    let text = export(&home, "store.jsonl", &[]);
    assert!(text.contains("do not tell"), "the text is plain");
    let said = refused(&Home::new(), &text);
    assert!(said.contains("line 2: ") && said.contains("no key"), "{said}");
    let target = Home::new().with("ANTEROOM_ENCRYPTION_KEYS", KEY);
    import(&target, &text);
    assert!(!contains(&target.data.join("state.db"), b"do not tell"));
    assert_eq!(export(&target, "again.jsonl", &[]), text);
    let server = target.start();
    assert_eq!(receive(&target, "secret", 2), [json!("do not tell")]);
    server.stop_well();
}

fn contains(path: &Path, text: &[u8]) -> bool {
    fs::read(path).unwrap().windows(text.len()).any(|some| some == text)
}
