//! Commands that look: exact JSON for programs, tables for people.

use super::{Shell, timeless};

/// A queue with one message of every kind.
fn filled() -> Shell {
    let shell = Shell::new();
    for line in [
        "anteroom queue open demo/jobs attempts_max=1",
        r#"anteroom send demo/jobs '{"page" : 1.0}' --label tenant=acme --key k1 --type page"#,
        r#"printf '\000\377' | anteroom send demo/jobs --content-type image/x --id own --priority 5 --headers '{"a": 1}'"#,
        "anteroom send demo/jobs 3 --not-before 4000000000000 --partition p",
        "anteroom send demo/jobs 4 --label kind=bad",
        "anteroom consume demo/jobs --label kind=bad --exec 'exit 65' --count 1",
        "anteroom queue group open demo/jobs audit --from new",
        r#"anteroom queue schedule put demo/jobs nightly '{"r": 1}' --cron '0 3 * * *' --zone Europe/Berlin --paused"#,
    ] {
        shell.out(line);
    }
    shell
}

const PEEKED: [&str; 4] = [
    r#"{"id":"0-0","position":"0-0","partition":"Default","sent_at":AT,"attempt":0,"body":{"page" : 1.0},"type":"page","labels":{"tenant":"acme"},"key":"k1","state":"ready","failures":0}"#,
    r#"{"id":"own","position":"0-1","partition":"Default","sent_at":AT,"attempt":0,"base64":"AP8=","content_type":"image/x","headers":{"a": 1},"priority":5,"state":"ready","failures":0}"#,
    r#"{"id":"0-2","position":"0-2","partition":"Default","sent_at":AT,"attempt":1,"body":4,"labels":{"kind":"bad"},"state":"dead","failures":0,"ended_at":AT,"reason":"exit code 65"}"#,
    r#"{"id":"1-0","position":"1-0","partition":"p","sent_at":AT,"attempt":0,"body":3,"state":"delayed","failures":0,"until":AT}"#,
];

#[test]
fn every_reader_prints_json_for_programs() {
    let shell = filled();
    let json = |line: &str| timeless(&shell.out(&format!("anteroom {line} --output json")));
    assert_eq!(json("queue list demo"), r#"{"name":"jobs","size":2}"#);
    assert_eq!(json("ls demo"), json("room queue list --room demo"));
    assert_eq!(json("queue size demo/jobs"), r#"{"name":"jobs","size":2}"#);
    assert_eq!(json("peek demo/jobs"), PEEKED.join("\n"));
    assert_eq!(json("queue peek demo/jobs --states delayed"), PEEKED[3]);
    assert_eq!(json("queue peek demo/jobs --label tenant=acme"), PEEKED[0]);
    assert_eq!(json("queue peek demo/jobs --states ready --limit 1 --after 0-0"), PEEKED[1]);
    assert_eq!(json("queue dlq list demo/jobs"), PEEKED[2]);
    assert_eq!(json("queue dlq list demo/jobs --reason nope"), "");
    assert_eq!(
        json("explain demo/jobs"),
        r#"{"code":"no_receivers","counts":{"blocked":0,"dead":1,"delayed":1,"done":0,"leased":0,"ready":2},"receivers":0,"sentence":"2 messages ready, and nobody receives"}"#
    );
    assert_eq!(
        json("queue group list demo/jobs"),
        concat!(
            r#"{"name":null,"counts":{"blocked":0,"delayed":1,"ready":2,"leased":0,"dead":1,"done":0},"receivers":0,"oldest_ready_at":AT}"#,
            "\n",
            r#"{"name":"audit","counts":{"blocked":0,"delayed":0,"ready":0,"leased":0,"dead":0,"done":4},"receivers":0,"oldest_ready_at":null}"#
        )
    );
    assert_eq!(
        json("queue schedule list demo/jobs"),
        r#"{"name":"nightly","cron":"0 3 * * *","zone":"Europe/Berlin","catch_up":"skip","paused":true,"next_at":null,"message":{"body":{"r": 1}}}"#
    );
    assert_eq!(
        json("top demo"),
        r#"{"queue":"jobs","ready":2,"leased":0,"delayed":1,"dead":1,"receivers":0,"oldest_ready_at":AT,"status":"open","paused":false}"#
    );
    const SETTINGS: &str = r#"{"ageing":null,"attempts_max":1,"backoff":{"base_ms":0,"cap_ms":300000,"jitter_percent":0,"kind":"exponential"},"bytes_max":null,"concurrency":null,"dead_letter":true,"dead_letter_expired":false,"dedup_content":false,"dedup_window_ms":3600000,"delay_ms":0,"durability":"durable","encryption":"optional","expiry_is_failure":true,"labels":{},"lease_ms":30000,"messages_max":null,"ordering":"fifo","overflow":"reject","priority":0,"rate":null,"retain_dead_ms":1209600000,"retain_open_ms":"forever","retain_settled_ms":0,"ttl_ms":null,"window":null,"work_group":true}"#;
    assert_eq!(json("queue configure demo/jobs"), SETTINGS);
    let stats = json("stats demo/jobs");
    for part in [
        r#"{"name":"jobs","status":"open","paused":false,"settings":"#,
        r#""messages":4,"bytes":"#,
        r#""partitions":[{"name":"Default","number":0,"#,
        r#""totals":{"sent":4,"duplicates":0,"delivered":1,"done":0,"retried":0,"released":0,"leases_expired":0,"dead":1,"dropped":0,"cancelled":0}}"#,
        SETTINGS,
    ] {
        assert!(stats.contains(part), "{part}\n{stats}");
    }
    let received = json("receive demo/jobs --max 5");
    let lines: Vec<_> = received.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"id":"0-0","position":"0-0","partition":"Default","sent_at":AT,"attempt":1,"body":{"page" : 1.0},"type":"page","labels":{"tenant":"acme"},"key":"k1","until":AT}"#
    );
    assert_eq!(lines.len(), 2, "{received}");
}

#[test]
fn every_reader_prints_tables_for_people() {
    let shell = filled();
    // Blanks are as many as ages need.
    let words = |line: &str| {
        let text = shell.out(&format!("anteroom {line}"));
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).collect::<Vec<_>>()
    };
    assert_eq!(shell.out("anteroom ls demo"), "QUEUE  SIZE\njobs      2");
    assert_eq!(shell.out("anteroom queue size demo/jobs"), "2");
    let peeked = words("peek demo/jobs");
    assert_eq!(peeked[0], "ID STATE AGE ATTEMPTS REASON BODY");
    assert!(peeked[1].starts_with("0-0 ready ") && peeked[1].ends_with(r#" 0 - {"page" : 1.0}"#));
    assert!(peeked[2].ends_with("2 bytes of image/x"), "{peeked:?}");
    assert!(peeked[3].starts_with("0-2 dead ") && peeked[3].ends_with("1 exit code 65 4"));
    assert_eq!(words("queue dlq list demo/jobs").len(), 2);
    let groups = words("queue group list demo/jobs");
    assert_eq!(groups[0], "GROUP READY LEASED DEAD RECEIVERS OLDEST");
    assert!(groups[1].starts_with("(work) 2 0 1 0 ") && groups[2] == "audit 0 0 0 0 -");
    assert_eq!(
        words("queue schedule list demo/jobs"),
        ["SCHEDULE WHEN STATE NEXT", "nightly 0 3 * * * Europe/Berlin paused -"]
    );
    let top = words("top demo");
    assert_eq!(top[0], "QUEUE READY LEASED DELAYED DEAD IN/S OUT/S OLDEST RECEIVERS STATE");
    assert!(top[1].starts_with("jobs 2 0 1 1 - - ") && top[1].ends_with(" 0 open"), "{top:?}");
    let stats = words("stats demo/jobs");
    assert!(stats[0].starts_with("open; 4 messages, "), "{stats:?}");
    assert_eq!(stats[6], "SENT DELIVERED DONE RETRIED DEAD DROPPED DUPLICATES");
    assert_eq!(stats[7], "4 1 0 0 1 0 0");
    assert_eq!(
        shell.out("anteroom explain demo/jobs"),
        "no_receivers: 2 messages ready, and nobody receives"
    );
    let settings = words("queue configure demo/jobs");
    assert_eq!(settings[..3], ["SETTING VALUE", "ageing null", "attempts_max 1"]);
    let received = words("receive demo/jobs --output table");
    assert_eq!(received[0], "ID AGE ATTEMPT BODY");
}

#[test]
fn an_empty_table_says_so_aside() {
    let shell = Shell::new();
    let said = shell.run("anteroom ls demo");
    assert_eq!((said.code, &*said.out, &*said.err), (Some(0), "QUEUE  SIZE\n", "(none)\n"));
    let said = shell.run("anteroom ls demo --output json");
    assert_eq!((said.code, &*said.out, &*said.err), (Some(0), "", ""));
}

#[test]
fn receive_prints_bodies_byte_for_byte_and_what_is_printed_is_done() {
    let shell = filled();
    let said = shell.command("anteroom receive demo/jobs --max 2").output().unwrap();
    assert_eq!(said.stdout, b"{\"page\" : 1.0}\n\x00\xff\n");
    assert_eq!(shell.out("anteroom queue size demo/jobs"), "0");
    // Of a group: once from each.
    shell.out("anteroom send demo/jobs '\"for both\"'");
    for line in ["anteroom receive demo/jobs", "anteroom receive demo/jobs --group audit"] {
        assert_eq!(shell.out(line), "\"for both\"");
    }
    let waiting = shell.command("anteroom receive demo/jobs --wait 20s").spawn().unwrap();
    shell.out("anteroom room queue send --room demo --queue jobs --json '\"late\"'");
    assert_eq!(waiting.wait_with_output().unwrap().stdout, b"\"late\"\n");
}

#[test]
fn what_cannot_be_printed_stays_in_the_queue() {
    let shell = Shell::new();
    shell.out("anteroom send demo/jobs 1");
    // Nobody reads: the far end of the pipe is gone before it begins.
    let said = shell.run("(sleep 0.5; anteroom receive demo/jobs; echo $? >&2) | true");
    assert!(
        said.err.starts_with("error: cannot print: ") && said.err.ends_with("\n1\n"),
        "{said:?}"
    );
    assert_eq!(shell.out("anteroom receive demo/jobs"), "1");
    let full = shell.run("anteroom queue ls demo > /dev/full; echo $?");
    assert_eq!(full.code, Some(0), "{full:?}");
    // A reader that has seen enough is no error of the others.
    let said = shell.run("(sleep 0.5; anteroom queue configure demo/jobs; echo $? >&2) | true");
    assert_eq!(said.err, "0\n");
}

/// A receive that is interrupted leaves at once: nothing is kept for it.
#[test]
fn an_interrupted_wait_swallows_nothing() {
    let shell = Shell::new();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let waiting = shell.command("exec anteroom receive demo/jobs --wait").spawn().unwrap();
        let http = crate::support::Http::new(&shell.server, "demo");
        while http.get("/queues/jobs").json()["groups"][0]["receivers"] != 1 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        shell.out(&format!("kill -s {signal} {}", waiting.id()));
        assert_eq!(waiting.wait_with_output().unwrap().status.code(), Some(code));
        shell.out("anteroom send demo/jobs 1");
        let got = shell.out("anteroom receive demo/jobs --output json");
        assert!(got.contains(r#""attempt":1"#), "it was handed to nobody before: {got}");
    }
}

#[test]
fn tail_shows_what_happens() {
    let shell = Shell::new();
    shell.out("anteroom queue open demo/jobs");
    let mut tail = shell.command("anteroom tail demo/jobs --bodies --count 3 --output json");
    let tail = tail.spawn().unwrap();
    let mut dead = shell.command("anteroom queue tail demo/jobs --events done --count 1");
    let dead = dead.spawn().unwrap();
    // They watch once they have said nothing for long enough that both are connected.
    let participants =
        || crate::support::Http::new(&shell.server, "demo").get("/participants").ok();
    while participants()["participants"].as_array().unwrap().len() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    shell.out("anteroom send demo/jobs '{\"a\" :1}'");
    shell.out("anteroom receive demo/jobs");
    let seen = String::from_utf8(tail.wait_with_output().unwrap().stdout).unwrap();
    let lines: Vec<_> = seen.lines().map(timeless).collect();
    assert!(
        lines[0].starts_with(
            r#"{"event":{"queue":"jobs","event":"sent","at":AT,"message":"0-0","count":1}"#
        ),
        "{lines:?}"
    );
    assert_eq!(
        lines[1],
        r#"{"event":{"queue":"jobs","event":"delivered","at":AT,"message":"0-0","count":1}}"#
    );
    assert_eq!(
        lines[2],
        r#"{"event":{"queue":"jobs","event":"done","at":AT,"message":"0-0","count":1}}"#
    );
    let done = String::from_utf8(dead.wait_with_output().unwrap().stdout).unwrap();
    assert!(done.contains("Z  done       0-0"), "{done}");
}
