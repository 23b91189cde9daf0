//! A disk that fails, and one that forgets what was not synced.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use serde_json::{Value, json};

use super::{checker::Checker, daemon::Home, next, rounds, seed};
use crate::support::skip;

/// The shim as a library. None: there is no C compiler.
pub fn shim() -> Option<&'static str> {
    static SHIM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let shim = SHIM.get_or_init(|| {
        let to =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lying-{}.so", std::process::id()));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/durability/lying.c");
        let mut cc = Command::new("cc");
        let status = cc
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&to)
            .args([source, "-ldl", "-lpthread"])
            .status();
        match status {
            Ok(status) => {
                assert!(status.success(), "the shim does not compile");
                Some(to)
            }
            Err(_) => None,
        }
    });
    if shim.is_none() {
        skip("there is no cc to make the shim with");
    }
    shim.as_deref().map(|path| path.to_str().unwrap())
}

#[test]
fn after_a_failed_sync_the_server_says_so_and_ends_and_never_tries_again() {
    let Some(shim) = shim() else { return };
    let home = Home::new();
    let fail = home.beside("fail");
    let daemon = home.start_with(&[("LD_PRELOAD", shim), ("SHIM_FAIL", fail.to_str().unwrap())]);
    let send = |number: u64| home.call("POST", "/queues/jobs/messages", &json!({"body": number}));
    send(0).ok();
    for number in 1..5 {
        send(number).ok();
    }
    // What the shim does is done by the shim: without it the test would see nothing.
    fs::write(&fail, "").unwrap();
    let refused = send(5);
    assert_eq!((refused.status, refused.code().as_str()), (503, "store_failed"));
    assert_eq!(refused.json()["may_have_happened"], true);
    // From now on it is unready, as long as it is there at all.
    if let Some(ready) = home.get("/health/ready") {
        assert_eq!(ready.status, 503, "{ready:?}");
    }
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("the store has failed"), "{}", ended.log);
    let calls = fs::read_to_string(&fail).unwrap();
    assert_eq!(calls.lines().count(), 1, "a sync that failed was tried again:\n{calls}");
    assert!(!home.data.join("journal/clean").exists());

    let daemon = home.start();
    let answer = home.ok("POST", "/queues/jobs/receive", &json!({"max": 100}));
    let bodies: Vec<_> =
        answer["messages"].as_array().unwrap().iter().map(|one| one["body"].clone()).collect();
    let acknowledged: Vec<Value> = (0..5).map(|number| json!(number)).collect();
    assert_eq!(bodies[..5], acknowledged, "{bodies:?}");
    assert!(bodies.len() <= 6, "the one that failed may be there, and no other: {bodies:?}");
    daemon.stop_well();
}

/// The directory as it was when it was synced last.
fn forget_unsynced(data: &Path, shadow: &Path) {
    let mut names: HashMap<PathBuf, Vec<(String, String)>> = HashMap::new();
    for entry in fs::read_dir(shadow).unwrap().map(Result::unwrap) {
        if entry.file_name().to_str().unwrap().starts_with("names-") {
            let text = fs::read_to_string(entry.path()).unwrap();
            let (directory, lines) = text.split_once('\n').unwrap();
            let lines = lines.lines().map(|line| line.split_once(' ').unwrap());
            let lines = lines.filter(|(_, name)| !matches!(*name, "." | ".."));
            names.insert(
                directory.into(),
                lines.map(|(inode, name)| (inode.to_owned(), name.to_owned())).collect(),
            );
        }
    }
    for directory in directories(data) {
        let Some(kept) = names.get(&directory) else {
            assert_ne!(directory, data.join("journal"), "the journal's names were never synced");
            continue;
        };
        for entry in fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        for (inode, name) in kept {
            let (content, path) = (fs::read(shadow.join(inode)), directory.join(name));
            if !path.is_dir() {
                // A file whose content was never synced is empty.
                fs::write(path, content.unwrap_or_default()).unwrap();
            }
        }
    }
    fs::remove_dir_all(shadow).unwrap();
    fs::create_dir(shadow).unwrap();
}

fn directories(data: &Path) -> [PathBuf; 3] {
    [data.to_owned(), data.join("journal"), data.join("blobs")]
}

/// Everything is as good as synced: what a fresh shadow begins with.
fn begin_shadow(data: &Path, shadow: &Path) {
    use std::os::unix::fs::MetadataExt;
    for directory in directories(data) {
        let mut text = format!("{}\n", directory.display());
        for entry in fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            let inode = entry.metadata().unwrap().ino();
            text += &format!("{inode} {}\n", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), shadow.join(inode.to_string())).unwrap();
            }
        }
        let inode = fs::metadata(&directory).unwrap().ino();
        fs::write(shadow.join(format!("names-{inode}")), text).unwrap();
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_what_was_not_synced_is_undone() {
    let Some(shim) = shim() else { return };
    let mut seed = seed();
    let home = Home::new().with_small_journal();
    let shadow = home.beside("shadow");
    fs::create_dir(&shadow).unwrap();
    let lying = [("LD_PRELOAD", shim), ("SHIM_SHADOW", shadow.to_str().unwrap())];
    // The first start is before the first power cut.
    home.start().stop_well();
    begin_shadow(&home.data, &shadow);
    let mut daemon = home.start_with(&lying);
    let load = ["--rate", "300/s", "--lease", "1s", "--size", "6000"];
    let mut checker = Checker::start(&home, &load);
    for _ in 0..rounds("ANTEROOM_POWER_CUTS", 5) {
        checker.acknowledged();
        std::thread::sleep(Duration::from_millis(10 + next(&mut seed) % 490));
        daemon.kill();
        forget_unsynced(&home.data, &shadow);
        begin_shadow(&home.data, &shadow);
        daemon = home.start_with(&lying);
    }
    checker.finish();
    daemon.stop_well();
}
