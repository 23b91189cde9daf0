//! Commands that change something, each once rightly.

use super::Shell;

#[test]
fn queues_are_opened_configured_paused_closed_and_deleted() {
    let shell = Shell::new();
    for (line, expected) in [
        ("queue open demo/jobs lease=60s", "jobs is open"),
        ("room queue open --room demo --queue jobs", "jobs is open"),
        ("q pause demo/jobs", "jobs is paused"),
        ("q resume demo/jobs", "jobs goes on"),
        ("q close demo/jobs", "jobs is closed: what is in it stays"),
        ("q open demo/jobs", "jobs is open"),
        ("send demo/jobs 1", "0-0"),
        ("put demo/jobs 2 --id own", "own"),
        ("put demo/jobs 2 --id own", "own duplicate"),
        ("send demo/jobs 3 --output json", r#"{"id":"0-2","duplicate":false}"#),
        ("q drain demo/jobs --yes", "3 removed"),
        ("q drain demo/jobs", "0 removed"),
        ("send demo/jobs 4 --delay 1h", "0-3"),
        ("q purge demo/jobs --states ready --yes", "0 removed"),
        ("q purge demo/jobs --states ready,delayed", "1 removed"),
        ("q purge demo/jobs --all --yes", "0 removed"),
        ("q rm demo/jobs --yes", "jobs is gone"),
        ("ls demo --output json", ""),
    ] {
        assert_eq!(shell.out(&format!("anteroom {line}")), expected, "{line}");
    }
    let settings = shell
        .out("anteroom q configure demo/jobs lease=90s backoff.kind=fixed ttl=1h --output json");
    for part in [
        r#""lease_ms":90000"#,
        r#""ttl_ms":3600000"#,
        r#""backoff":{"base_ms":0,"cap_ms":300000,"jitter_percent":0,"kind":"fixed"}"#,
    ] {
        assert!(settings.contains(part), "{settings}");
    }
    let (set, words) = ("anteroom q configure demo/jobs lease=60s ttl=", str::split_whitespace);
    let shown = shell.out(set);
    let expected = ["SETTING", "VALUE", "lease_ms", "60000", "ttl_ms", "null"];
    assert_eq!(words(&shown).collect::<Vec<_>>(), expected);
    shell.out("anteroom q configure demo/jobs lease=90s ttl=1h");
    let again = shell.out("anteroom q configure demo/jobs ttl= --output json");
    assert!(again.contains(r#""lease_ms":90000"#) && again.contains(r#""ttl_ms":null"#), "{again}");
    let anew = shell.out("anteroom q configure demo/jobs --replace attempts_max=7 --output json");
    assert!(anew.contains(r#""lease_ms":30000"#) && anew.contains(r#""attempts_max":7"#), "{anew}");
    // Every setting that a server shows can be set by its name.
    for setting in
        serde_json::from_str::<serde_json::Value>(&anew).unwrap().as_object().unwrap().keys()
    {
        shell.out(&format!("anteroom q configure demo/jobs {setting}="));
    }
}

#[test]
fn a_body_comes_as_a_word_by_an_option_or_from_standard_input() {
    let shell = Shell::new();
    for line in [
        r#"anteroom send demo/jobs ' {"a" : 1} '"#,
        r#"anteroom send --room demo --queue jobs --json '{"a" : 2}'"#,
        r#"anteroom send --room demo jobs '{"a" : 3}'"#,
        r#"printf '{"a" : 4}\n' | anteroom send demo/jobs"#,
        r#"printf '5\n\n"6"\n' | anteroom send demo/jobs --lines"#,
    ] {
        shell.out(line);
    }
    assert_eq!(
        shell.out("anteroom get demo/jobs --max 9"),
        "{\"a\" : 1}\n{\"a\" : 2}\n{\"a\" : 3}\n{\"a\" : 4}\n5\n\"6\""
    );
    shell.out("seq 1 1234 | anteroom send demo/jobs --lines > ids");
    assert_eq!(shell.out("wc -l < ids").trim(), "1234");
    assert_eq!(shell.out("anteroom queue size demo/jobs"), "1234");
}

#[test]
fn groups_schedules_and_dead_letters_are_managed() {
    let shell = Shell::new();
    shell.out("anteroom send demo/jobs 1");
    shell.out("anteroom send demo/jobs 2");
    for (line, expected) in [
        ("q group open demo/jobs audit --from all", "audit is there"),
        ("receive demo/jobs --group audit", "1"),
        ("q group seek demo/jobs audit --to start", "moved"),
        ("receive demo/jobs --group audit", "1"),
        ("q group seek --room demo --queue jobs audit --to end", "moved"),
        ("q group seek --room demo --queue jobs --to start", "moved"),
        ("q group rm demo/jobs audit", "audit is gone"),
        ("q schedule put demo/jobs tick '{}' --every 30s | cut -c1-9", "next: in "),
        ("q schedule pause demo/jobs tick", "tick is paused"),
        ("q schedule fire demo/jobs tick", "0-2"),
        ("q schedule rm --room demo --queue jobs tick", "tick is gone"),
        ("consume demo/jobs --exec 'exit 65' --count 2 --concurrency 2", ""),
        ("q dlq redrive demo/jobs --dry-run", "2 would be redriven"),
        ("q dlq redrive demo/jobs --id 0-1", "1 redriven"),
        ("q dlq redrive demo/jobs --reason nope --output json", r#"{"count":0,"ids":[]}"#),
        ("q dlq redrive demo/jobs --limit 5 --yes --output json", r#"{"count":1,"ids":["0-0"]}"#),
        ("q size demo/jobs", "3"),
    ] {
        assert_eq!(shell.out(&format!("anteroom {line}")), expected, "{line}");
    }
    let next = shell.out("anteroom q schedule put demo/jobs once '{}' --at 4000000000000");
    assert!(next.starts_with("next: in ") && next.ends_with('d'), "{next}");
}

#[test]
fn a_token_is_made_when_there_is_a_secret_and_none_is_given() {
    let shell = Shell::new();
    assert_eq!(shell.out_by_secret("anteroom send demo/jobs 1"), "0-0");
    let token = shell.out_by_secret("anteroom token create --room demo --name ann");
    std::fs::write(shell.home.path().join("token"), token).unwrap();
    let by_file = "unset ANTEROOM_TOKEN; anteroom receive demo/jobs --token-file token";
    assert_eq!(shell.out(by_file), "1");
}

/// On a terminal it asks first; `script` makes one.
#[test]
fn what_cannot_be_undone_is_asked_for_on_a_terminal() {
    let shell = Shell::new();
    if shell.run("script --version").code != Some(0) {
        return crate::support::skip("`script` of util-linux is not installed");
    }
    shell.out("anteroom send demo/jobs 1");
    let asked = |answer: &str, line: &str| {
        shell.run(&format!("echo {answer} | script -qec 'anteroom {line}' /dev/null"))
    };
    let said = asked("n", "queue drain demo/jobs");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("remove 1 ready message of jobs? [y/N]"), "{said:?}");
    assert!(said.out.contains("nothing was done"), "{said:?}");
    for line in ["queue purge demo/jobs --all", "queue rm demo/jobs", "queue dlq redrive demo/jobs"]
    {
        assert_eq!(asked("x", line).code, Some(1), "{line}");
    }
    assert_eq!(shell.out("anteroom queue size demo/jobs"), "1");
    let said = asked("y", "queue rm demo/jobs");
    assert!(said.code == Some(0) && said.out.contains("jobs is gone"), "{said:?}");
}

#[test]
fn top_is_drawn_on_a_terminal_and_ends_by_a_key() {
    let shell = Shell::new();
    if shell.run("script --version").code != Some(0) {
        return crate::support::skip("`script` of util-linux is not installed");
    }
    shell.out("anteroom send demo/jobs 1");
    let said = shell.run(
        "(sleep 1; printf s; sleep 0.3; printf q) | TERM=xterm script -qec 'stty cols 110 rows 10; anteroom top demo' /dev/null",
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    for part in ["room demo, 1 queue", "QUEUE", "READY", "jobs", "q quit"] {
        assert!(said.out.contains(part), "{part}: {said:?}");
    }
}
