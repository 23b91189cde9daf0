//! kill -9 at random moments, under load.

use std::time::Duration;

use serde_json::{Value, json};

use super::{checker::Checker, daemon::Home, next, rounds, seed};
use crate::support::token;

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let (mut seed, kills) = (seed(), rounds("ANTEROOM_KILLS", 10));
    let home = Home::new().with_small_journal();
    let mut daemon = home.start();
    // Some are written apart.
    let load = ["--rate", "600/s", "--queues", "2", "--lease", "1s", "--size", "6000"];
    let mut checker = Checker::start(&home, &load);
    for round in 1..=kills {
        checker.acknowledged();
        let wait = 10 + next(&mut seed) % 490;
        std::thread::sleep(Duration::from_millis(wait));
        let ended = daemon.kill();
        // A connection that comes while the server takes over from the one that says how far it is.
        let of_ours = |line: &&str| {
            line.contains("ERROR") && !line.contains("actix_server::accept: No workers")
        };
        let errors: Vec<_> = ended.log.lines().filter(of_ours).collect();
        assert!(errors.is_empty() && !ended.log.contains("panicked"), "{}", ended.log);
        eprintln!("kill {round} of {kills} after {wait} ms");
        daemon = home.start();
    }
    let report = checker.finish();
    assert!(report["acknowledged"].as_u64().unwrap() > kills as u64, "{report}");
    assert!(report["connections_lost"].as_u64().unwrap() >= kills as u64, "{report}");
    daemon.stop_well();
}

/// That the checker notices anything at all.
#[test]
fn a_server_that_keeps_nothing_is_found_out() {
    let memory = [("ANTEROOM_MEMORY", "true")];
    let home = Home::new();
    let daemon = home.start_with(&memory);
    let mut checker =
        Checker::start(&home, &["--rate", "600/s", "--receivers", "1", "--lease", "1s"]);
    for _ in 0..20 {
        checker.acknowledged();
    }
    daemon.kill();
    let _daemon = home.start_with(&memory);
    checker.acknowledged();
    let (code, report, err) = checker.end();
    assert_eq!(code, Some(1), "{report}");
    assert!(err.contains("not hold: see the report"), "{err}");
    assert_eq!(report["holds"], false);
    let lost =
        report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "lost").unwrap();
    assert!(lost["violated"].as_u64().unwrap() > 0, "{lost}");
    assert!(lost["violations"][0].as_str().unwrap().contains("message "), "{lost}");
    // It leaves nothing behind.
    assert_eq!(home.ok("GET", "/queues", &Value::Null), json!({"queues": []}));
}

#[test]
fn a_token_that_may_not_is_told_so() {
    let home = Home::new();
    let daemon = home.start();
    for scope in [json!({"queues": {"send": ["jobs"]}}), json!({"messaging": {}})] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_anteroom"))
            .args(["verify", "demo", "--for", "1s"])
            .env("ANTEROOM_URL", home.url())
            .env("ANTEROOM_TOKEN", token("demo", "limited", scope))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.starts_with("error: permission_denied: ") && said.contains("verify-"),
            "{said}"
        );
        assert_eq!(output.stdout, b"");
    }
    daemon.stop_well();
}
