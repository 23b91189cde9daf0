//! What people get wrong: the exit code, and a sentence that says what to do.

use super::Shell;
use crate::support::full;

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_right() {
    let shell = Shell::new();
    for (line, part) in [
        ("", "Usage: anteroom <COMMAND>"),
        ("sned demo/jobs 1", "a similar subcommand exists: 'send'"),
        ("queue", "Usage: anteroom queue <COMMAND>"),
        ("room queue wat", "unrecognized subcommand 'wat'"),
        ("ls", "<ROOM>"),
        ("send", "which queue? write ROOM/QUEUE, or --room ROOM --queue QUEUE"),
        ("ls demo/jobs", "`demo/jobs` names a queue, and this is about a room"),
        ("send jobs 1", "`jobs` names no queue: write ROOM/QUEUE"),
        ("send demo/jobs", "the body is not JSON"),
        ("send demo/jobs '{page: 1}'", "write JSON, such as '{\"page\": 1}' or '\"text\"'"),
        ("send demo/jobs hello", "the body is not JSON"),
        ("send demo/jobs --json '{'", "the body is not JSON"),
        ("send demo/jobs 1 --lines", "with --lines the bodies come from standard input"),
        ("send demo/jobs 1 --delay soon", "`soon` is not a duration: write 500ms, 10s"),
        (
            "send demo/jobs 1 --not-before tomorrow",
            "`tomorrow` is no time: write 2030-01-31T09:00:00Z",
        ),
        ("send demo/jobs 1 --label tenant", "`tenant` is not NAME=VALUE"),
        ("send demo/jobs 1 --headers x", "--headers is not JSON"),
        ("send demo/jobs 1 --priority high", "high"),
        ("send demo/jobs 1 --url 127.0.0.1:8080", "write http://ADDRESS:PORT"),
        ("send demo/jobs 1 --url https://h", "speaks no TLS"),
        ("send demo/jobs 1 --token-file nope --token x", "cannot be used with"),
        ("receive demo/jobs --wait long", "`long` is not a duration"),
        ("receive demo/jobs --max 0", "0"),
        ("receive demo/jobs --from all", "--group"),
        ("receive demo/jobs more", "unexpected argument 'more'"),
        ("receive demo/jobs --output yaml", "[possible values: body, json, table]"),
        ("ls demo --output yaml", "[possible values: table, json]"),
        (
            "peek demo/jobs --states redy",
            "write one of blocked, delayed, ready, leased, dead, done",
        ),
        ("queue purge demo/jobs", "--states <STATES>"),
        ("queue open demo/jobs leas=3s", "there is no setting `leas`; did you mean `lease_ms`?"),
        ("queue open demo/jobs lease=30", "`30` has no unit"),
        ("queue open demo/jobs lease=soon", "`soon` is no length: write 500ms"),
        ("queue configure demo/jobs lease", "`lease` is not NAME=VALUE"),
        ("queue dlq redrive demo/jobs --rate 0/s", "less than one per second"),
        (
            "queue schedule put demo/jobs n '{}'",
            "--every <DURATION>|--cron <EXPRESSION>|--at <TIME>",
        ),
        ("queue schedule put demo/jobs n --every 1s", "name the schedule and give the body"),
        ("queue schedule pause demo/jobs", "name the schedule: ROOM/QUEUE NAME"),
        ("queue group delete demo/jobs", "name the group: ROOM/QUEUE GROUP"),
        ("queue group seek demo/jobs --to there", "`there` is no time"),
        ("consume demo/jobs", "--exec <CMD>"),
        ("consume demo/jobs --exec true --concurrency 0", "0"),
        ("top demo --sort wat", "[possible values: name, ready,"),
        ("completions tcsh", "[possible values: bash, elvish, fish, powershell, zsh]"),
    ] {
        let said = shell.run(&format!("anteroom {line}"));
        assert_eq!(said.code, Some(2), "{line}: {said:?}");
        assert!(said.err.contains(part), "{line}: {}", said.err);
        assert_eq!(said.out, "", "{line}");
    }
}

#[test]
fn what_the_server_refuses_ends_with_1_its_code_and_what_to_do_next() {
    let shell = Shell::new();
    shell.out("anteroom queue open demo/jobs");
    shell.out("anteroom queue open demo/shut");
    shell.out("anteroom queue close demo/shut");
    for (line, code, next) in [
        ("stats demo/nope", "queue_not_found", "anteroom queue list ROOM"),
        ("queue size demo/nope", "queue_not_found", "anteroom queue list ROOM"),
        ("peek demo/nope", "queue_not_found", "anteroom queue list ROOM"),
        ("tail demo/nope", "queue_not_found", "anteroom queue list ROOM"),
        ("queue drain demo/nope --yes", "queue_not_found", "anteroom queue list ROOM"),
        ("queue purge demo/nope --all --yes", "queue_not_found", "anteroom queue list ROOM"),
        ("queue close demo/nope", "queue_not_found", "anteroom queue list ROOM"),
        ("queue pause demo/nope", "queue_not_found", "anteroom queue list ROOM"),
        ("queue resume demo/nope", "queue_not_found", "anteroom queue list ROOM"),
        ("queue rm demo/nope --yes", "queue_not_found", "anteroom queue list ROOM"),
        ("queue configure demo/nope", "queue_not_found", "anteroom queue list ROOM"),
        ("queue export demo/nope", "queue_not_found", "anteroom queue list ROOM"),
        ("queue dlq list demo/nope", "queue_not_found", "anteroom queue list ROOM"),
        ("queue dlq redrive demo/nope --yes", "queue_not_found", "anteroom queue list ROOM"),
        ("queue group list demo/nope", "queue_not_found", "anteroom queue list ROOM"),
        ("queue schedule list demo/nope", "queue_not_found", "anteroom queue list ROOM"),
        ("send demo/shut 1", "queue_closed", "anteroom queue open ROOM/QUEUE"),
        ("receive demo/shut", "queue_closed", "anteroom queue open ROOM/QUEUE"),
        ("consume demo/shut --exec true", "queue_closed", "anteroom queue open ROOM/QUEUE"),
        ("queue group delete demo/jobs nope", "group_not_found", "anteroom queue group list"),
        (
            "queue schedule fire demo/jobs nope",
            "schedule_not_found",
            "anteroom queue schedule list",
        ),
        ("queue open demo/jobs lease_ms=0", "invalid_settings", "anteroom queue configure"),
        ("queue configure demo/jobs ordering=random", "invalid_request", ""),
        ("queue schedule put demo/jobs n 1 --cron 'x y'", "invalid_request", ""),
        ("queue schedule put demo/jobs n 1 --cron '0 3 * * *' --zone Mars", "invalid_request", ""),
        ("ls demo --token nonsense", "token_invalid", "anteroom token create"),
        ("ls other", "wrong_room", "anteroom token create --room ROOM"),
    ] {
        let said = shell.run(&format!("anteroom {line}"));
        assert_eq!((said.code, &*said.out), (Some(1), ""), "{line}: {said:?}");
        assert!(said.err.starts_with(&format!("error: {code}: ")), "{line}: {}", said.err);
        assert!(next.is_empty() || said.err.contains("\nnext: "), "{line}: {}", said.err);
        assert!(said.err.contains(next), "{line}: {}", said.err);
    }
}

#[test]
fn what_the_token_does_not_allow_is_refused() {
    let shell = Shell::new();
    let token = shell.out_by_secret(
        "anteroom token create --room demo --name w --send jobs --no-receive --no-list",
    );
    for (code, line) in [
        (0, "send demo/jobs 1"),
        (1, "send demo/other 1"),
        (1, "receive demo/jobs"),
        (1, "ls demo"),
    ] {
        let said = shell.run(&format!("ANTEROOM_TOKEN={token} anteroom {line}"));
        assert_eq!(said.code, Some(code), "{line}: {said:?}");
        assert!(code == 0 || said.err.starts_with("error: permission_denied: "), "{}", said.err);
        assert!(code == 0 || said.err.contains("anteroom token inspect"), "{}", said.err);
    }
}

#[test]
fn without_a_token_or_a_secret_it_says_where_one_comes_from() {
    let shell = Shell::new();
    let said = shell.fails(2, "unset ANTEROOM_TOKEN; anteroom ls demo");
    for part in ["there is no token", "ANTEROOM_TOKEN", "--token-file", "ANTEROOM_SECRET", "--dev"]
    {
        assert!(said.contains(part), "{said}");
    }
    let said = shell.fails(2, "unset ANTEROOM_TOKEN; anteroom ls demo --token-file nope");
    assert!(said.contains("nope"), "{said}");
    // A token is never repeated, not even in the help.
    let help = shell.out("anteroom send --help");
    assert!(!help.contains(&full("demo")[..20]), "{help}");
}

#[test]
fn a_server_that_is_not_there_ends_with_3() {
    let shell = Shell::new();
    for line in [
        "ls demo",
        "send demo/jobs 1",
        "receive demo/jobs --wait",
        "consume demo/jobs --exec true",
        "top demo",
    ] {
        let said = shell.fails(3, &format!("ANTEROOM_URL=http://127.0.0.1:1 anteroom {line}"));
        assert!(said.starts_with("error: cannot connect: http://127.0.0.1:1: "), "{said}");
        assert!(said.contains("next: see that the server runs"), "{said}");
    }
}

#[test]
fn nothing_to_receive_ends_with_4() {
    let shell = Shell::new();
    let said = shell.run("anteroom receive demo/jobs");
    assert_eq!(
        (said.code, &*said.out, &*said.err),
        (Some(4), "", "nothing to receive from jobs\n")
    );
    let said = shell.run("anteroom receive demo/jobs --wait 50ms --output json");
    assert_eq!((said.code, &*said.out), (Some(4), ""));
}

#[test]
fn a_line_that_is_wrong_is_named_and_what_came_before_it_is_sent() {
    let shell = Shell::new();
    let said = shell.run(r"printf '1\n\n{x\n4\n' | anteroom send demo/jobs --lines");
    assert_eq!((said.code, &*said.out), (Some(2), "0-0\n"));
    assert!(said.err.starts_with("error: line 3: the body is not JSON: "), "{said:?}");
    let said =
        shell.run(r#"printf '{"message":{"body":1}}\nx\n' | anteroom queue import demo/copy"#);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.starts_with(
            "1 imported, 0 were there already\nerror: line 2 is no line of an export: "
        ),
        "{said:?}"
    );
    let typo = r#"echo '{"message":{"body":1,"delay":5}}' | anteroom queue import demo/copy"#;
    assert!(shell.fails(2, typo).contains("unknown field `delay`"));
}
