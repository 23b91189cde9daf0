//! `export` and `import`.

use super::{Shell, timeless};

#[test]
fn an_export_is_imported_as_it_was() {
    let shell = Shell::new();
    for line in [
        r#"anteroom send demo/jobs '{"page" : 1.0, "a":"\u00e9"}' --label tenant=acme --label kind=x --key k1 --type page"#,
        r#"printf '\000\001\377' | anteroom send demo/jobs --content-type image/x --id own --priority -5 --headers '{"a": 1}'"#,
        "anteroom send demo/jobs null --partition p --ttl 1h",
        "anteroom send demo/jobs 3 --not-before 4000000000000",
    ] {
        shell.out(line);
    }
    let said = shell.run("anteroom queue export demo/jobs > jobs.jsonl");
    assert_eq!((said.code, &*said.err), (Some(0), "4 exported\n"));
    let lines = timeless(&shell.out("cat jobs.jsonl"));
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"message":{"body":{"page" : 1.0, "a":"\u00e9"},"key":"k1","type":"page","labels":{"kind":"x","tenant":"acme"}},"from":{"queue":"jobs","position":"0-0","sent_at":AT,"state":"ready","attempts":0,"failures":0}}"#
    );
    assert_eq!(
        lines[1],
        r#"{"message":{"base64":"AAH/","content_type":"image/x","message_id":"own","priority":-5,"headers":{"a": 1}},"from":{"queue":"jobs","position":"0-1","sent_at":AT,"state":"ready","attempts":0,"failures":0}}"#
    );
    let said = shell.run("anteroom queue import demo/copy < jobs.jsonl");
    assert_eq!((said.code, &*said.err), (Some(0), "4 imported, 0 were there already\n"));
    // Again, as after an interruption.
    let said = shell.run("anteroom queue import demo/copy < jobs.jsonl");
    assert_eq!((said.code, &*said.err), (Some(0), "0 imported, 4 were there already\n"));
    // What comes out of the copy is what went into the first, but for the keys that say where it was.
    let strip = r#"sed -E 's/"from".*//; s/"key":"jobs[^"]*",?//; s/,}/}/; s/,$//'"#;
    let messages = |queue: &str| {
        shell.out(&format!("anteroom queue export demo/{queue} 2>/dev/null | {strip}"))
    };
    assert_eq!(messages("copy"), messages("jobs"));
    let delayed = shell.out("anteroom peek demo/copy --states delayed --output json");
    assert!(
        delayed.contains(r#""until":4000000000000"#),
        "a delay goes with its message: {delayed}"
    );
}

#[test]
fn what_is_taken_is_gone_once_it_is_written() {
    let shell = Shell::new();
    shell.out("seq 1 1200 | anteroom send demo/jobs --lines");
    shell.out("anteroom send demo/jobs 0 --delay 1h");
    let said = shell.run("anteroom queue export demo/jobs --take > jobs.jsonl");
    assert_eq!((said.code, &*said.err), (Some(0), "1200 exported\n"));
    assert_eq!(shell.out("anteroom queue size demo/jobs"), "0");
    assert_eq!(shell.out("wc -l < jobs.jsonl").trim(), "1200");
    shell.out("anteroom queue import demo/copy < jobs.jsonl");
    let bodies = shell.out("anteroom receive demo/copy --max 2000");
    assert_eq!(bodies, (1..=1200).map(|n| n.to_string()).collect::<Vec<_>>().join("\n"));
    // Where nothing can be written, nothing is gone.
    shell.out("seq 1 5 | anteroom send demo/more --lines");
    let said = shell.fails(1, "anteroom queue export demo/more --take > /dev/full");
    assert!(said.starts_with("error: cannot write: "), "{said}");
    assert_eq!(shell.out("anteroom queue size demo/more"), "5");
}

#[test]
fn an_export_chooses_and_goes_on() {
    let shell = Shell::new();
    shell.out("anteroom send demo/jobs 1 --label a=b");
    shell.out("anteroom send demo/jobs 2 --delay 1h");
    shell.out("anteroom send demo/jobs 3");
    let positions = |options: &str| {
        let out = shell.out(&format!("anteroom queue export demo/jobs {options} 2>/dev/null"));
        let position = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["from"]["position"].as_str().unwrap().to_owned()
        };
        out.lines().map(position).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(positions(""), "0-0 0-1 0-2");
    assert_eq!(positions("--states delayed"), "0-1");
    assert_eq!(positions("--label a=b"), "0-0");
    assert_eq!(positions("--after 0-0"), "0-1 0-2");
}

#[test]
fn progress_is_shown_on_a_terminal() {
    let shell = Shell::new();
    if shell.run("script --version").code != Some(0) {
        return crate::support::skip("`script` of util-linux is not installed");
    }
    shell.out("seq 1 5000 | anteroom send demo/jobs --lines > ids");
    let said = shell
        .run("TERM=xterm script -qec 'anteroom queue export demo/jobs > jobs.jsonl' /dev/null");
    assert!(said.code == Some(0) && said.out.contains("/5000 messages, "), "{said:?}");
    assert!(said.out.contains("5000 exported"), "{said:?}");
    let said = shell
        .run("TERM=xterm script -qec 'anteroom queue import demo/copy < jobs.jsonl' /dev/null");
    assert!(said.code == Some(0) && said.out.contains(" messages, "), "{said:?}");
}
