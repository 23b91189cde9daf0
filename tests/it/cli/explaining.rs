//! `explain`: every reason that can be met, with its sentence.

use super::Shell;

#[test]
fn every_reason_is_said_in_a_sentence() {
    let shell = Shell::new();
    let open = |queue: &str, settings: &str| {
        shell.out(&format!("anteroom queue open demo/{queue} {settings}"));
        shell.out(&format!("anteroom send demo/{queue} 1 --label a=1"));
    };
    let explain = |queue: &str| shell.out(&format!("anteroom explain demo/{queue}"));
    let holding = |line: &str| {
        let child = shell.command(line).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(600));
        child
    };
    shell.out("anteroom queue open demo/empty");
    assert_eq!(explain("empty"), "empty: the queue is empty, 0 receivers are waiting");
    open("ready", "");
    assert_eq!(explain("ready"), "no_receivers: 1 message ready, and nobody receives");
    open("paused", "");
    shell.out("anteroom queue pause demo/paused");
    assert_eq!(explain("paused"), "paused: the queue is paused, 1 message ready: resume it");
    open("closed", "");
    shell.out("anteroom queue close demo/closed");
    assert_eq!(explain("closed"), "closed: the queue is closed: open it");
    open("dead", "");
    shell.out("anteroom consume demo/dead --exec 'exit 65' --count 1");
    assert_eq!(explain("dead"), "only_dead: only 1 dead letter left: redrive or purge them");
    shell.out("anteroom queue open demo/delayed delay=1h");
    shell.out("anteroom send demo/delayed 1");
    let delayed = explain("delayed");
    assert!(delayed.starts_with("delayed: 1 message delayed; the first is ready in "), "{delayed}");
    shell.out("anteroom send demo/blocked 1 --depends-on nobody");
    assert_eq!(explain("blocked"), "blocked: 1 message waiting for other messages to be done");
    open("rate", "rate='{\"count\":1,\"per_ms\":3600000}'");
    shell.out("anteroom send demo/rate 2");
    shell.out("anteroom receive demo/rate");
    let rate = explain("rate");
    assert!(
        rate.starts_with("rate_limited: the rate is used up; the next message goes out in "),
        "{rate}"
    );
    open("cap", "concurrency=1");
    shell.out("anteroom send demo/cap 2");
    let mut work = vec![holding("exec anteroom consume demo/cap --exec 'sleep 60'")];
    assert_eq!(
        explain("cap"),
        "concurrency_full: 1 message leased, and no more than 1 may be at the same time"
    );
    open("leased", "");
    work.push(holding("exec anteroom consume demo/leased --exec 'sleep 60'"));
    let leased = explain("leased");
    assert!(
        leased.starts_with("all_leased: 1 message in somebody's hands, nothing else to hand out; the first lease ends in "),
        "{leased}"
    );
    open("labels", "");
    work.push(holding("exec anteroom receive demo/labels --label a=2 --wait"));
    assert_eq!(
        explain("labels"),
        "nothing_matches: 1 message ready and 1 receiver waiting, but for other labels or partitions"
    );
    for mut child in work {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // Not there, and of a group that is not there.
    assert!(shell.fails(1, "anteroom explain demo/nope").contains("queue_not_found: "));
    let group = shell.fails(1, "anteroom explain demo/ready --group nope");
    assert!(group.starts_with("error: group_not_found: "), "{group}");
}
