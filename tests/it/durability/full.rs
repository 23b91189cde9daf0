//! A disk without room, on a small file system of its own.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::daemon::Home;
use crate::support::PATIENCE;

/// A file system of 24 MiB that only those see who enter: as long as this process lives.
struct Small {
    holder: Child,
    home: Home,
}

impl Small {
    fn new() -> Option<Self> {
        let mut home = Home::new();
        std::fs::create_dir(&home.data).unwrap();
        let script = format!(
            "mount -t tmpfs -o size=24m none '{}' && echo mounted && exec sleep 600",
            home.data.display()
        );
        let is_root = rustix_is_root();
        let mut holder = Command::new("unshare")
            .args(if is_root { &["-m"][..] } else { &["-rm"] })
            .args(["sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let mut stdout = std::io::BufReader::new(holder.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        if line.trim() != "mounted" {
            let _ = holder.wait();
            return None;
        }
        let pid = holder.id().to_string();
        let words = if is_root {
            vec!["nsenter", "-m", "-t", &pid]
        } else {
            vec!["nsenter", "-U", "-m", "--preserve-credentials", "-t", &pid]
        };
        home.before = words.into_iter().map(str::to_owned).collect();
        Some(Self { holder, home: home.with_small_journal() })
    }

    /// A file on it, as seen from outside.
    fn path(&self, name: &str) -> PathBuf {
        let inside = self.home.data.strip_prefix("/").unwrap().join(name);
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(inside)
    }
}

fn rustix_is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn small() -> Option<Small> {
    let small = Small::new();
    if small.is_none() {
        // Nothing that could be installed would help: it is the kernel that does not let us.
        eprintln!(
            "\n*** SKIPPED: no file system can be mounted here: the full disk is not tried\n"
        );
    }
    small
}

/// Sends until there is no room; the bodies that were acknowledged.
fn send_until_full(home: &Home) -> Vec<Value> {
    let (deadline, mut sent) = (Instant::now() + PATIENCE, Vec::new());
    loop {
        assert!(Instant::now() < deadline, "it is never full");
        let body = json!({"n": sent.len(), "filler": "x".repeat(20_000)});
        let answer = home.call("POST", "/queues/jobs/messages", &json!({"body": body}));
        if answer.status == 507 {
            assert_eq!(answer.code(), "storage_full");
            return sent;
        }
        answer.ok();
        sent.push(body);
    }
}

/// Sends until it is taken again.
fn send_until_taken(home: &Home) -> Value {
    let (deadline, body) = (Instant::now() + PATIENCE, json!("there is room again"));
    loop {
        let answer = home.call("POST", "/queues/jobs/messages", &json!({"body": body}));
        if answer.status != 507 {
            answer.ok();
            return body;
        }
        assert!(Instant::now() < deadline, "there is room, and it is still full");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn take_all(home: &Home) -> Vec<Value> {
    let mut bodies = Vec::new();
    loop {
        let answer = home.ok("POST", "/queues/jobs/receive", &json!({"max": 10}));
        let messages = answer["messages"].as_array().unwrap();
        if messages.is_empty() {
            return bodies;
        }
        let items: Vec<_> = messages.iter().map(|one| json!({"lease": one["lease"]})).collect();
        let settled = home.ok("POST", "/queues/jobs/settle", &json!({"items": items}));
        assert!(
            settled["results"].as_array().unwrap().iter().all(|one| one["status"] == "done"),
            "{settled}"
        );
        bodies.extend(messages.iter().map(|one| one["body"].clone()));
    }
}

#[test]
fn without_room_nothing_is_taken_in_and_everything_goes_out() {
    let Some(small) = small() else { return };
    let home = &small.home;
    let ballast = small.path("ballast");
    std::fs::write(&ballast, vec![1; 4 << 20]).unwrap();
    let daemon = home.start();
    let mut sent = send_until_full(home);
    assert!(sent.len() > 20, "{}", sent.len());
    // Receives, settles and drains go on.
    let taken = home.ok("POST", "/queues/jobs/receive", &json!({"max": 3}));
    let items: Vec<_> = taken["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!({"lease": one["lease"]}))
        .collect();
    assert_eq!(items.len(), 3);
    home.ok("POST", "/queues/jobs/settle", &json!({"items": items}));
    sent.drain(..3);
    assert_eq!(home.get("/health/live").unwrap().status, 200);
    // A restart with a full disk loses nothing, and is no harder than another one.
    daemon.kill();
    let daemon = home.start();
    let refused = home.call("POST", "/queues/jobs/messages", &json!({"body": "x".repeat(20_000)}));
    if refused.status == 200 {
        sent.push(json!("x".repeat(20_000)));
    }
    // There is room again, and it is noticed.
    std::fs::remove_file(&ballast).unwrap();
    sent.push(send_until_taken(home));
    daemon.stop_well();
    let daemon = home.start();
    assert_eq!(take_all(home), sent);
    daemon.stop_well();
}

#[test]
fn what_is_received_makes_room() {
    let Some(small) = small() else { return };
    let home = &small.home;
    std::fs::write(small.path("ballast"), vec![1; 4 << 20]).unwrap();
    let daemon = home.start();
    for _ in 0..3 {
        let sent = send_until_full(home);
        assert_eq!(take_all(home), sent);
        send_until_taken(home);
        assert_eq!(home.ok("POST", "/queues/jobs/drain", &json!({}))["count"], 1);
    }
    daemon.stop_well();
    home.start().stop_well();
}
