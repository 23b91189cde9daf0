//! `consume --exec`: one process per message, its exit code settles it.

use std::time::{Duration, Instant};

use super::{Shell, timeless};
use crate::support::PATIENCE;

/// Waits until a file in the shell's directory holds this.
fn until_file_holds(shell: &Shell, name: &str, part: &str) {
    let path = shell.home.path().join(name);
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(&path).is_ok_and(|text| text.contains(part)) {
        assert!(Instant::now() < deadline, "no {part} in {name}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_exit_code_settles_the_message() {
    let shell = Shell::new();
    shell.out("anteroom queue open demo/jobs attempts_max=2 backoff.base=0s retain_settled=1h");
    shell.out("printf '0\\n65\\n75\\n3\\n' | anteroom send demo/jobs --lines");
    // Two are done with at once, two are tried twice.
    let said = shell.run("anteroom consume demo/jobs --exec 'exit $(cat)' --count 6");
    assert_eq!((said.code, &*said.out), (Some(0), ""), "{said:?}");
    let mut complaints: Vec<_> = said.err.lines().collect();
    complaints.sort_unstable();
    assert_eq!(
        complaints,
        ["0-2: exit code 75", "0-2: exit code 75", "0-3: exit code 3", "0-3: exit code 3"]
    );
    let states = shell.out("anteroom peek demo/jobs --output json");
    let found: Vec<_> = states
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|view| {
            format!(
                "{} {} {}",
                view["id"].as_str().unwrap(),
                view["state"].as_str().unwrap(),
                view["reason"]
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "0-0 done null",
            "0-1 dead \"exit code 65\"",
            "0-2 dead \"exit code 75\"",
            "0-3 dead \"exit code 3\"",
        ]
    );
}

#[test]
fn the_message_is_on_standard_input_and_in_the_environment() {
    let shell = Shell::new();
    shell.out(concat!(
        r#"anteroom send demo/jobs '{"page" : 1}' --id own --key k --type page --priority 7 --label a=b "#,
        r#"--headers '{"h": 1}' --partition p"#
    ));
    shell.out(r"printf '\000\377' | anteroom send demo/jobs --content-type image/x");
    let out = shell.out("anteroom consume demo/jobs --exec 'cat; echo; env | grep ^ANTEROOM_ | grep -v TOKEN | sort' --count 1");
    let expected = format!(
        r#"{{"page" : 1}}
ANTEROOM_ATTEMPT=1
ANTEROOM_CONTENT_TYPE=application/json
ANTEROOM_HEADERS={{"h": 1}}
ANTEROOM_KEY=k
ANTEROOM_LABELS={{"a":"b"}}
ANTEROOM_MESSAGE_ID=own
ANTEROOM_PARTITION=p
ANTEROOM_PRIORITY=7
ANTEROOM_QUEUE=jobs
ANTEROOM_ROOM=demo
ANTEROOM_SENT_AT=AT
ANTEROOM_TYPE=page
ANTEROOM_URL={}"#,
        shell.server.url
    );
    assert_eq!(timeless(&out), expected);
    let binary =
        "anteroom consume demo/jobs --exec 'od -An -tx1; echo $ANTEROOM_CONTENT_TYPE' --count 1";
    assert_eq!(shell.out(binary), " 00 ff\nimage/x");
}

#[test]
fn standard_output_becomes_the_result() {
    let shell = Shell::new();
    shell.out("anteroom queue open demo/jobs retain_settled=1h");
    shell.out("printf '2\\n3\\n' | anteroom send demo/jobs --lines");
    let square = r#"anteroom consume demo/jobs --result --count 1 --exec 'read n; echo "{\"square\" : $((n * n))}"'"#;
    assert_eq!(shell.out(square), "");
    shell.out("anteroom consume demo/jobs --result --count 1 --exec 'echo plain words'");
    let views = shell.out("anteroom peek demo/jobs --output json");
    assert!(
        views.contains(r#""result":{"square" : 4}"#) && views.contains(r#""result":"plain words""#),
        "{views}"
    );
}

#[test]
fn a_command_that_takes_too_long_is_ended_and_its_message_tried_again() {
    let shell = Shell::new();
    shell.out("anteroom queue open demo/jobs attempts_max=1");
    shell.out("anteroom send demo/jobs 1");
    let said = shell.run(
        "anteroom consume demo/jobs --exec 'sleep 60 & sleep 60; wait' --timeout 200ms --count 1",
    );
    assert_eq!((said.code, &*said.err), (Some(0), "0-0: the command took too long\n"));
    let dead = shell.out("anteroom queue dlq list demo/jobs --output json");
    assert!(dead.contains(r#""reason":"the command took too long""#), "{dead}");
}

#[test]
fn a_job_longer_than_its_lease_is_run_once_and_others_run_beside_it() {
    let shell = Shell::new();
    shell.out("seq 1 4 | anteroom send demo/jobs --lines");
    shell.out("anteroom consume demo/jobs --lease 300ms --concurrency 4 --count 4 --exec 'printf \"%s\\\\n\" $(cat) >> log; sleep 1'");
    assert_eq!(shell.out("sort log"), "1\n2\n3\n4");
    let stats = shell.out("anteroom stats demo/jobs --output json");
    assert!(stats.contains(r#""sent":4,"duplicates":0,"delivered":4,"done":4,"retried":0,"released":0,"leases_expired":0"#), "{stats}");
}

#[test]
fn the_first_signal_lets_commands_end_and_the_second_ends_them() {
    let shell = Shell::new();
    shell.out("seq 1 3 | anteroom send demo/jobs --lines");
    for signal in ["INT", "TERM"] {
        let consume = "exec anteroom consume demo/jobs --exec 'echo begun >> log; sleep 1; echo ended >> log'";
        let child = shell.command(consume).spawn().unwrap();
        until_file_holds(&shell, "log", "begun");
        shell.out(&format!("kill -s {signal} {}", child.id()));
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(shell.out("cat log; rm log"), "begun\nended", "SIG{signal}");
    }
    assert_eq!(shell.out("anteroom queue size demo/jobs"), "1");
    let child = shell.command(
        "exec anteroom consume demo/jobs --exec 'echo begun >> log; sleep 60; echo ended >> log'",
    );
    let child = {
        let mut child = child;
        child.spawn().unwrap()
    };
    until_file_holds(&shell, "log", "begun");
    for _ in 0..2 {
        shell.out(&format!("kill -s INT {}", child.id()));
        std::thread::sleep(Duration::from_millis(300));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "ended at once: messages under way are given back\n"
    );
    assert_eq!(shell.out("cat log"), "begun");
    // That there was an end of its output means that nothing the command began is left.
    assert_eq!(shell.out("anteroom receive demo/jobs"), "3", "it is back");
}

#[test]
fn it_ends_with_the_queue() {
    let shell = Shell::new();
    shell.out("anteroom queue open demo/jobs");
    let child = shell.command("exec anteroom consume demo/jobs --exec true").spawn().unwrap();
    let http = crate::support::Http::new(&shell.server, "demo");
    while http.get("/queues/jobs").ok()["groups"][0]["receivers"] != 1 {
        std::thread::sleep(Duration::from_millis(5));
    }
    shell.out("anteroom queue rm demo/jobs --yes");
    let said = super::Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(1));
    assert!(said.err.starts_with("error: queue_not_found: "), "{said:?}");
}
