//! kill -9 at random moments, under load.

use std::time::Duration;

use super::{checker::Checker, daemon::Home, next, rounds, seed};

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let (mut seed, kills) = (seed(), rounds("ANTEROOM_KILLS", 10));
    let home = Home::new();
    let mut daemon = home.start();
    let mut checker = Checker::start(&home, &["--rate", "600/s", "--queues", "2", "--lease", "1s"]);
    for round in 1..=kills {
        checker.acknowledged();
        let wait = 10 + next(&mut seed) % 490;
        std::thread::sleep(Duration::from_millis(wait));
        let ended = daemon.kill();
        assert!(!ended.log.contains("ERROR") && !ended.log.contains("panicked"), "{}", ended.log);
        eprintln!("kill {round} of {kills} after {wait} ms");
        daemon = home.start();
    }
    let report = checker.finish();
    assert!(report["acknowledged"].as_u64().unwrap() > kills as u64, "{report}");
    assert!(report["connections_lost"].as_u64().unwrap() >= kills as u64, "{report}");
    daemon.stop_well();
}
