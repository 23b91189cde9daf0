//! Queues that are saved: the journal stays small, rooms rest, copies are whole, damage is found.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::daemon::Home;
use crate::support::PATIENCE;

pub fn small() -> Home {
    Home::new()
        .with("ANTEROOM_JOURNAL_SEGMENT", "64KiB")
        .with("ANTEROOM_JOURNAL_SIZE", "128KiB")
        .with("ANTEROOM_IDLE_TIMEOUT", "100ms")
}

pub fn send(home: &Home, queue: &str, bodies: impl Iterator<Item = String>) {
    let messages: Vec<Value> = bodies.map(|body| json!({"body": body})).collect();
    for some in messages.chunks(50) {
        home.ok("POST", &format!("/queues/{queue}/messages"), &json!({"messages": some}));
    }
}

pub fn receive(home: &Home, queue: &str, max: usize) -> Vec<Value> {
    let path = format!("/queues/{queue}/receive");
    let received = home.ok("POST", &path, &json!({"max": max, "lease": "none"}));
    received["messages"].as_array().unwrap().iter().map(|one| one["body"].clone()).collect()
}

/// Waits until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn store(arguments: &[&str], home: &Home) -> Output {
    // One that waits for ever is to be noticed.
    Command::new("timeout")
        .args(["120", env!("CARGO_BIN_EXE_anteroom"), "store"])
        .args(arguments)
        .envs(home.environment.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap()
}

pub fn report(arguments: &[&str], home: &Home) -> Value {
    let output = store(&[arguments, &["--json"]].concat(), home);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

pub fn refusal(arguments: &[&str], home: &Home) -> String {
    let output = store(arguments, home);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn journal_bytes(home: &Home) -> u64 {
    let files = [home.segments(), home.large()].concat();
    files.iter().map(|file| fs::metadata(file).map_or(0, |data| data.len())).sum()
}

#[test]
fn queues_with_little_in_them_do_not_make_the_journal_as_long_as_it_may_be() {
    // It may have 512 MiB, and no room rests.
    let home = Home::new().with("ANTEROOM_JOURNAL_SEGMENT", "64KiB");
    let server = home.start();
    send(&home, "stuck", ["first".to_owned()].into_iter());
    for round in 0..40 {
        send(&home, "churn", (0..50).map(|at| format!("{round} {at} {}", "x".repeat(400))));
        assert_eq!(receive(&home, "churn", 50).len(), 50);
    }
    until("its files are free", || journal_bytes(&home) <= 4 * 64 * 1024);
    server.kill();
    let server = home.start();
    assert_eq!(receive(&home, "stuck", 10), [json!("first")]);
    assert!(receive(&home, "churn", 10).is_empty());
    server.stop_well();
}

#[test]
fn who_never_stops_sending_does_not_put_off_the_end_of_the_journal() {
    let home = small();
    let server = home.start();
    let (requests, bodies) = (100, 500);
    let longest = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for sender in 0..4 {
            let (home, longest) = (&home, &longest);
            scope.spawn(move || {
                for request in 0..requests {
                    let body = format!("{sender} {request} {}", "x".repeat(200));
                    let messages = vec![json!({"body": body}); bodies];
                    let path = "/queues/deep/messages";
                    home.ok("POST", path, &json!({"messages": messages}));
                    longest.fetch_max(journal_bytes(home), Ordering::Relaxed);
                }
            });
        }
    });
    let all = 4 * requests as u64 * bodies as u64 * 200;
    let longest = longest.into_inner();
    assert!(longest < all / 2, "{longest} bytes of journal for {all}");
    server.kill();
    let server = home.start();
    let ready = home.ok("GET", "/queues/deep", &json!(null))["messages"].clone();
    assert_eq!(ready, 4 * requests * bodies);
    server.stop_well();
}

#[test]
fn the_journal_stays_small_and_what_stays_long_is_saved() {
    let home = small();
    let server = home.start();
    send(&home, "stuck", ["first".to_owned()].into_iter());
    for round in 0..40 {
        send(&home, "churn", (0..50).map(|at| format!("{round} {at} {}", "x".repeat(400))));
        assert_eq!(receive(&home, "churn", 50).len(), 50);
    }
    send(&home, "deep", (0..2000).map(|at| format!("{at} {}", "y".repeat(400))));
    // 3 MiB have gone through it.
    until("the journal gets small", || journal_bytes(&home) <= 512 * 1024);
    server.kill();
    let server = home.start();
    assert_eq!(receive(&home, "stuck", 10), [json!("first")]);
    assert!(receive(&home, "churn", 10).is_empty());
    let deep = receive(&home, "deep", 3000);
    assert_eq!(deep.len(), 2000);
    for (at, body) in deep.iter().enumerate() {
        assert!(body.as_str().unwrap().starts_with(&format!("{at} y")), "in order: {at}");
    }
    server.stop_well();
    let server = home.start();
    assert!(receive(&home, "deep", 10).is_empty(), "what was received stays so");
    server.stop_well();
}

#[test]
fn a_room_rests_and_wakes_with_all_it_had() {
    let home = small().with("ANTEROOM_LOG", "debug,actix_server=warn,actix_http=off");
    let server = home.start();
    home.ok("PUT", "/queues/jobs", &json!({"settings": {"attempts_max": 7}}));
    send(&home, "jobs", ["a".to_owned(), "b".to_owned()].into_iter());
    let leased = home.ok("POST", "/queues/jobs/receive", &json!({"lease_ms": 60_000}));
    let lease = leased["messages"][0]["lease"].clone();
    let schedule = json!({"every_ms": 1_500, "message": {"body": "tick"}});
    home.ok("PUT", "/queues/ticks/schedules/s", &schedule);
    std::thread::sleep(Duration::from_millis(400));
    assert!(!server.log().contains("the room rests"), "somebody has a message of it");
    let settled = json!({"lease": lease, "outcome": "retry"});
    home.ok("POST", "/queues/jobs/settle", &settled);
    until("the room rests", || server.log().contains("the room rests"));
    // It is woken when the schedule is due.
    until("it ticks", || server.log().matches("the room rests").count() >= 2);
    assert!(!receive(&home, "ticks", 10).is_empty());
    let again = home.ok("POST", "/queues/jobs/receive", &json!({"max": 2}));
    let seen: Vec<_> = again["messages"].as_array().unwrap().iter().collect();
    assert_eq!((&seen[0]["body"], &seen[0]["attempt"]), (&json!("a"), &json!(2)));
    assert_eq!((&seen[1]["body"], &seen[1]["attempt"]), (&json!("b"), &json!(1)));
    let settings = home.ok("GET", "/queues/jobs", &Value::Null);
    assert_eq!(settings["settings"]["attempts_max"], json!(7));
    server.stop_well();
}

#[test]
fn a_deleted_queue_makes_room_for_another_and_stays_deleted() {
    let home = small().with("ANTEROOM_LIMIT_QUEUES_PER_ROOM", "2");
    let server = home.start();
    for round in 0..10 {
        // The store hears of a deletion a moment later.
        let message = json!({"body": "x"});
        until("there is a place", || {
            home.call("POST", &format!("/queues/q{round}/messages"), &message).status != 429
        });
        home.ok("DELETE", &format!("/queues/q{round}"), &Value::Null);
    }
    server.kill();
    let server = home.start();
    assert_eq!(home.ok("GET", "/queues", &Value::Null)["queues"], json!([]));
    let message = json!({"body": "again"});
    until("there is a place", || home.call("POST", "/queues/q0/messages", &message).status != 429);
    assert_eq!(receive(&home, "q0", 5), [json!("again")]);
    server.kill();
    let server = home.start();
    assert!(receive(&home, "q0", 5).is_empty());
    server.stop_well();
}

#[test]
fn a_store_is_checked_copied_and_restored() {
    let home = small();
    let server = home.start();
    send(&home, "deep", (0..1500).map(|at| format!("{at} {}", "y".repeat(300))));
    let data = home.data.to_str().unwrap().to_owned();
    assert!(refusal(&["check", "--data", &data], &home).contains("another process"));
    let copy = home.beside("copy");
    let copied = report(&["backup", "--data", &data, "--to", copy.to_str().unwrap()], &home);
    assert_eq!((&copied["queues"], &copied["rooms"]), (&json!(1), &json!(1)));
    assert!(
        refusal(&["backup", "--data", &data, "--to", copy.to_str().unwrap()], &home)
            .contains("exists")
    );
    assert_eq!(receive(&home, "deep", 2000).len(), 1500);
    server.stop_well();
    let checked = report(&["check", "--data", &data], &home);
    assert_eq!((&checked["queues"], &checked["is_clean"]), (&json!(1), &json!(true)));
    assert!(
        refusal(&["restore", copy.to_str().unwrap(), "--data", &data], &home)
            .contains("is there already")
    );
    // Back to the moment of the copy.
    fs::rename(&home.data, home.beside("old")).unwrap();
    report(&["restore", copy.to_str().unwrap(), "--data", &data], &home);
    let server = home.start();
    assert_eq!(receive(&home, "deep", 2000).len(), 1500);
    server.stop_well();
}

#[test]
fn damage_is_found_named_and_cut_only_when_asked() {
    let home = Home::new();
    let server = home.start();
    for text in ["one", "two", "three"] {
        send(&home, "q", [text.to_owned()].into_iter());
    }
    server.kill();
    let segment = home.segments().pop().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(3).position(|three| three == b"two").unwrap();
    bytes[at] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let name = segment.file_name().unwrap().to_str().unwrap().to_owned();
    let data = home.data.to_str().unwrap().to_owned();
    let refused = home.try_start(&[]).err().unwrap();
    assert_eq!(refused.code, Some(1));
    for said in [refused.log, refusal(&["check", "--data", &data], &home)] {
        assert!(said.contains(&name) && said.contains("damaged at byte"), "{said}");
    }
    assert_eq!(store(&["repair", "--data", &data], &home).status.code(), Some(2));
    let losses = report(&["repair", "--data", &data, "--accept-loss"], &home);
    let [loss] = losses.as_array().unwrap().as_slice() else { panic!("{losses}") };
    assert_eq!(loss["file"], json!(name));
    assert!(Path::new(loss["kept_in"].as_str().unwrap()).join(&name).is_file());
    assert_eq!(report(&["repair", "--data", &data, "--accept-loss"], &home), json!([]));
    let server = home.start();
    assert_eq!(receive(&home, "q", 5), [json!("one")]);
    server.stop_well();
}

/// With files of 64 KiB, from 4 KiB on.
fn large(at: usize) -> String {
    format!("{at} {}", "z".repeat(if at.is_multiple_of(3) { 5000 } else { 100 }))
}

#[test]
fn what_is_large_is_written_apart_and_is_like_all_else() {
    let home = small();
    let server = home.start();
    send(&home, "q", (0..6).map(large));
    assert_eq!(home.large().len(), 1);
    for path in home.segments() {
        let bytes = fs::read(path).unwrap();
        assert!(!bytes.windows(100).any(|some| some == [b'z'; 100]), "only its name");
    }
    server.kill();
    let server = home.start();
    assert_eq!(receive(&home, "q", 2), [json!(large(0)), json!(large(1))]);
    // A copy of a server at work, and its files come and go.
    send(&home, "q", (6..400).map(large));
    let (data, copy) = (home.data.to_str().unwrap().to_owned(), home.beside("copy"));
    report(&["backup", "--data", &data, "--to", copy.to_str().unwrap()], &home);
    until("it is saved", || journal_bytes(&home) <= 256 * 1024);
    server.stop_well();
    let checked = report(&["check", "--data", &data], &home);
    assert_eq!((&checked["queues"], &checked["is_clean"]), (&json!(1), &json!(true)));
    fs::rename(&home.data, home.beside("old")).unwrap();
    report(&["restore", copy.to_str().unwrap(), "--data", &data], &home);
    let server = home.start();
    let all: Vec<_> = (2..400).map(|at| json!(large(at))).collect();
    assert_eq!(receive(&home, "q", 1000), all);
    server.stop_well();
}

#[test]
fn of_what_is_large_nothing_can_be_read_without_a_key() {
    let home = small().with("ANTEROOM_ENCRYPTION_KEYS", &"07".repeat(32));
    let server = home.start();
    send(&home, "q", (0..6).map(large));
    server.kill();
    for path in home.large() {
        let bytes = fs::read(path).unwrap();
        assert!(!bytes.windows(10).any(|some| some == [b'z'; 10]));
    }
    let server = home.start();
    assert_eq!(receive(&home, "q", 10), (0..6).map(|at| json!(large(at))).collect::<Vec<_>>());
    server.stop_well();
}

#[test]
fn damage_of_what_is_large_is_found_and_all_that_names_it_is_cut() {
    let home = Home::new().with("ANTEROOM_JOURNAL_SEGMENT", "64KiB");
    let server = home.start();
    (0..6).for_each(|at| send(&home, "q", [large(at)].into_iter()));
    server.kill();
    let file = home.large().pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.iter().rposition(|byte| *byte == b'z').unwrap();
    bytes[at] ^= 1;
    fs::write(&file, bytes).unwrap();
    let data = home.data.to_str().unwrap().to_owned();
    let refused = home.try_start(&[]).err().unwrap();
    assert!(refused.log.contains("damaged at byte"), "{}", refused.log);
    let losses = report(&["repair", "--data", &data, "--accept-loss"], &home);
    assert_eq!(losses.as_array().unwrap().len(), 1, "the end of the file may be torn: {losses}");
    assert_eq!(report(&["repair", "--data", &data, "--accept-loss"], &home), json!([]));
    let server = home.start();
    assert_eq!(receive(&home, "q", 9), [large(0), large(1), large(2)].map(Value::from));
    server.stop_well();
}

#[test]
fn a_changed_byte_of_the_state_store_is_never_taken_for_the_truth() {
    let home = small();
    let server = home.start();
    send(&home, "deep", (0..1000).map(|at| format!("{at} {}", "y".repeat(300))));
    until("the queue is saved", || journal_bytes(&home) <= 256 * 1024);
    server.stop_well();
    // What is said of messages stands in the one, their bodies in the other.
    let blobs = home.blobs();
    let [blob] = &blobs[..] else { panic!("{blobs:?}") };
    let files = [home.data.join("state.db"), blob.clone()];
    let data = home.data.to_str().unwrap().to_owned();
    assert!(report(&["check", "--data", &data], &home)["saved_messages"].as_u64().unwrap() > 0);
    let mut seed = super::seed();
    for path in &files {
        let good = fs::read(path).unwrap();
        let (mut refused, rounds) = (0, super::rounds("ANTEROOM_FLIPS", 20));
        for round in 0..10 * rounds {
            // A tenth of the state store, or a little more, is content.
            if round >= rounds && refused > 0 {
                break;
            }
            let mut bad = good.clone();
            let at = super::next(&mut seed) as usize % bad.len();
            bad[at] ^= 1 << (at % 8);
            fs::write(path, &bad).unwrap();
            // Unused space does not count.
            refused += usize::from(!store(&["check", "--data", &data], &home).status.success());
            let _ = fs::remove_file(home.data.join("state.db-wal"));
            let _ = fs::remove_file(home.data.join("state.db-shm"));
        }
        fs::write(path, &good).unwrap();
        assert!(refused > 0, "some of {} is content", path.display());
    }
    let damaged = |path: &Path, what: &[u8]| {
        let good = fs::read(path).unwrap();
        let mut bad = good.clone();
        // Wherever it stands: some of it may be in unused space.
        for (at, _) in good.windows(what.len()).enumerate().filter(|(_, some)| *some == what) {
            bad[at] ^= 1;
        }
        assert_ne!(bad, good);
        fs::write(path, &bad).unwrap();
        assert!(!store(&["check", "--data", &data], &home).status.success());
        good
    };
    // In what is kept beside the messages, where the name of the partition stands. A list without the queue would say that
    // it is not there.
    let good = damaged(&files[0], b"Default");
    let server = home.start();
    for path in ["/queues", "/queues/deep"] {
        assert_eq!(home.call("GET", path, &Value::Null).code(), "store_failed");
    }
    server.kill();
    fs::write(&files[0], good).unwrap();
    // In a body: it is read when somebody is to see it.
    let good = damaged(blob, b" yyyy");
    let refused = refusal(&["check", "--data", &data], &home);
    assert!(refused.contains("damaged: blobs/0000000000000001.blob, from byte "), "{refused}");
    let server = home.start();
    for path in ["/queues/deep/receive", "/queues/deep/messages"] {
        let asked =
            if path.ends_with("receive") { json!({"max": 1000}) } else { json!({"body": 1}) };
        assert_eq!(home.call("POST", path, &asked).code(), "store_failed");
    }
    server.kill();
    // What is not there at all is noticed by the start.
    fs::write(blob, &good[..good.len() / 2]).unwrap();
    let refused = home.try_start(&[]).err().unwrap();
    assert!(refused.log.contains("blobs/0000000000000001.blob: its end is missing"));
    fs::remove_file(blob).unwrap();
    let refused = home.try_start(&[]).err().unwrap();
    assert!(refused.log.contains("blobs/0000000000000001.blob: it is missing"));
    fs::write(blob, &good).unwrap();
    let server = home.start();
    assert_eq!(receive(&home, "deep", 2000).len(), 1000);
    server.stop_well();
}

#[test]
fn a_deep_queue_is_copied_while_it_is_used_and_its_files_get_less_with_it() {
    let home = small();
    let server = home.start();
    let body = |at: usize| format!("{at} {}", "z".repeat(2000));
    send(&home, "deep", (0..3000).map(body));
    until("it is saved", || !home.blobs().is_empty() && journal_bytes(&home) <= 256 * 1024);
    let data = home.data.to_str().unwrap().to_owned();
    let copies: Vec<_> = (0..3).map(|number| home.beside(&format!("copy-{number}"))).collect();
    let (is_over, taken) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 3000;
            while !is_over.load(Ordering::Relaxed) {
                let from = taken.fetch_add(50, Ordering::Relaxed);
                let expected: Vec<_> = (from..from + 50).map(|at| json!(body(at))).collect();
                assert!(receive(&home, "deep", 50) == expected, "from {from}");
                send(&home, "deep", (next..next + 50).map(body));
                next += 50;
            }
        });
        // Also if a copy fails.
        let _over = AtTheEnd(&is_over);
        for copy in &copies {
            let before = taken.load(Ordering::Relaxed);
            until("it is used", || taken.load(Ordering::Relaxed) > before + 200);
            let copy = copy.to_str().unwrap();
            report(&["backup", "--data", &data, "--to", copy], &home);
        }
    });
    let taken = taken.into_inner();
    let rest: Vec<_> = (taken..taken + 3000).map(|at| json!(body(at))).collect();
    assert!(receive(&home, "deep", 4000) == rest);
    until("all is given back", || {
        home.blobs().iter().map(|path| allocated(path)).sum::<u64>() == 0
    });
    server.stop_well();
    fs::rename(&home.data, home.beside("old")).unwrap();
    for copy in &copies {
        report(&["restore", copy.to_str().unwrap(), "--data", &data], &home);
        let server = home.start();
        let bodies = receive(&home, "deep", 4000);
        let first = bodies[0].as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
        let expected: Vec<_> = (first..first + bodies.len()).map(|at| json!(body(at))).collect();
        assert!(bodies == expected && (2950..=3000).contains(&bodies.len()), "{}", bodies.len());
        server.stop_well();
        fs::remove_dir_all(&home.data).unwrap();
    }
}

/// Says so when it is dropped.
struct AtTheEnd<'a>(&'a AtomicBool);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Bytes that a file has on its disk.
fn allocated(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(&fs::metadata(path).unwrap()) * 512
}

#[test]
fn a_queue_that_requires_encryption_is_refused_where_there_is_none() {
    let home = small();
    let server = home.start();
    let required = json!({"settings": {"encryption": "required"}});
    let refused = home.call("PUT", "/queues/secret", &required);
    assert!(
        refused.status == 409 && refused.text.contains("encryption_unavailable"),
        "{}",
        refused.text
    );
    assert_eq!(home.call("GET", "/queues/secret", &Value::Null).status, 404, "it was not made");
    server.stop_well();
    let home = small().with("ANTEROOM_ENCRYPTION_KEYS", &"ab".repeat(32));
    let server = home.start();
    assert_eq!(
        home.ok("PUT", "/queues/secret", &required)["settings"]["encryption"],
        json!("required")
    );
    send(&home, "secret", ["x".to_owned()].into_iter());
    assert_eq!(receive(&home, "secret", 1), [json!("x")]);
    server.stop_well();
}
