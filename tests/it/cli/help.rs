//! Every help has examples, and every example does what it says.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Said, Shell};
use crate::support::{Http, SECRET, full};

/// Every command there is, as the words after `anteroom`, and its help.
fn all_helps(shell: &Shell) -> Vec<(String, String)> {
    let mut helps = Vec::new();
    let mut left = vec![String::new()];
    while let Some(words) = left.pop() {
        let help = shell.out(&format!("anteroom {words} --help"));
        let commands = help.split("\nCommands:\n").nth(1).unwrap_or_default();
        for line in commands.lines().take_while(|line| line.starts_with("  ")) {
            let name = line.split_whitespace().next().unwrap();
            if name != "help" {
                left.push(format!("{words} {name}").trim().to_owned());
            }
        }
        helps.push((words, help));
    }
    helps
}

/// The lines below `Examples:` that are commands; what is deeper indented says what they do.
fn examples(help: &str) -> Vec<String> {
    let block = help.split("Examples:\n").nth(1).unwrap_or_default();
    let lines = block.lines().take_while(|line| line.starts_with("  "));
    lines.filter(|line| !line.starts_with("   ")).map(|line| line.trim().to_owned()).collect()
}

/// The room as an example may expect it.
fn prepare(shell: &Shell, example: &str) {
    let http = Http::new(&shell.server, "demo");
    let put = |path: &str, body| drop(http.put(path, body).ok());
    let post = |path: &str, body| http.post(path, body).ok();
    http.call("DELETE", "/queues/jobs", "");
    http.call("DELETE", "/queues/mails", "");
    put("/queues/jobs", json!({}));
    let message = json!({"body": {"page": 1}, "labels": {"tenant": "acme"}});
    for _ in 0..3 {
        post("/queues/jobs/messages", message.clone());
    }
    let taken = post("/queues/jobs/receive", json!({}));
    let lease = &taken["messages"][0]["lease"];
    post("/queues/jobs/settle", json!({"lease": lease, "outcome": "dead", "reason": "timeout"}));
    if !example.contains("group open") && !example.contains("--from") {
        put("/queues/jobs/groups/audit", json!({"from": "all"}));
    }
    for name in ["nightly", "tick"] {
        let path = format!("/queues/jobs/schedules/{name}");
        put(&path, json!({"every_ms": 3_600_000, "message": {"body": {}}}));
    }
    let line =
        r#"{"message":{"body":1},"from":{"queue":"q","position":"0-1","sent_at":5,"attempts":1}}"#;
    for (name, text) in [
        ("jobs.jsonl", line),
        ("picture.png", "\u{0}\u{1}"),
        ("secret", SECRET),
        ("token", &full("demo")),
        ("anteroom.toml", ""),
        ("work.sh", "#!/bin/sh\ncat\n"),
    ] {
        std::fs::write(shell.home.path().join(name), text).unwrap();
    }
    for directory in [".local/share/bash-completion/completions", ".config/fish/completions"] {
        std::fs::create_dir_all(shell.home.path().join(directory)).unwrap();
    }
}

/// A store without a server, and a copy of it for the example that wants one.
fn prepare_store(shell: &Shell, example: &str) {
    shell.out("rm -rf anteroom-data anteroom-new backup-1 store.jsonl said");
    shell.out(&format!(
        "export ANTEROOM_SECRET='{SECRET}'
        anteroom serve --listen 127.0.0.1:0 --data anteroom-data > said 2> aside &
        until grep -qs ready said; do sleep 0.02; done
        kill $!; wait $!"
    ));
    if example.contains("restore") {
        shell.out("anteroom store backup --data anteroom-data --to backup-1");
    }
    if example.contains("import") {
        shell.out("anteroom store export --data anteroom-data --to store.jsonl");
    }
}

/// What an example cannot know: a free port, a token, the directory of zsh's functions.
fn fitted(example: &str) -> String {
    example
        .replace("0.0.0.0:8080", "127.0.0.1:0")
        .replace("eyJhbGciOi...", "$ANTEROOM_TOKEN")
        .replace("\"${fpath[1]}/_anteroom\"", "_anteroom")
}

/// An option that follows those of the server in the code would stand below their heading.
#[test]
fn only_what_is_about_the_server_stands_below_server() {
    let shell = Shell::new();
    let known = ["--url", "--token", "--token-file", "--as", "--config", "--data", "--secret-file"];
    for (words, help) in all_helps(&shell) {
        let below = help.split("\nServer:\n").nth(1).unwrap_or_default();
        let lines = below.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
        for option in lines.filter_map(|line| line.trim().strip_prefix("--")) {
            let option = format!("--{}", option.split(' ').next().unwrap());
            assert!(known.contains(&option.as_str()), "anteroom {words} --help: {option}");
        }
    }
}

#[test]
fn every_example_of_every_help_runs() {
    let shell = Shell::new();
    shell.out("mkdir -p bin");
    let mut examples_run = BTreeSet::new();
    for (words, help) in all_helps(&shell) {
        assert!(help.contains("Exit codes:\n  0  "), "no exit codes: anteroom {words} --help");
        let examples = examples(&help);
        assert!(!examples.is_empty(), "no examples: anteroom {words} --help");
        for example in examples {
            if !examples_run.insert(example.clone()) {
                continue;
            }
            prepare(&shell, &example);
            if example.starts_with("anteroom store") {
                prepare_store(&shell, &example);
            }
            // What runs until it is stopped, is stopped.
            let is_endless = example.contains("anteroom serve ")
                || example.contains(" consume ")
                || example.contains(" tail ");
            let environment = format!("export ANTEROOM_SECRET='{SECRET}'; chmod +x work.sh");
            let line = fitted(&example);
            let mut command = if is_endless {
                let mut command = shell.command("timeout -k 20 -s TERM 1 sh -c \"$LINE\"");
                command.env("LINE", &line).env("ANTEROOM_LISTEN", "127.0.0.1:0");
                command
            } else {
                shell.command(&format!("{environment}; {line}"))
            };
            if is_endless {
                command.env("ANTEROOM_SECRET", SECRET);
                shell.out("chmod +x work.sh");
            }
            let said = Said::from(command.output().unwrap());
            let expected: &[i32] = if is_endless { &[0, 124] } else { &[0] };
            assert!(said.code.is_some_and(|code| expected.contains(&code)), "{example}\n{said:?}");
            assert!(
                !example.starts_with("anteroom serve") || said.out.starts_with("ready http://"),
                "{example}\n{said:?}"
            );
            assert!(!said.err.contains("error:"), "{example}\n{said:?}");
        }
    }
    assert!(examples_run.len() > 60, "{}", examples_run.len());
}

#[test]
fn the_exit_codes_are_in_every_help() {
    let shell = Shell::new();
    let all = "Exit codes:
  0  done
  1  refused, with the reason on standard error
  2  wrong usage, configuration or input
  3  cannot connect, or the connection was lost
  4  nothing to receive
  130, 143  ended by SIGINT or SIGTERM";
    let mut count = 0;
    for (words, help) in all_helps(&shell) {
        if !["serve", "store", "token", "completions"].iter().any(|word| words.starts_with(word)) {
            assert!(help.contains(all), "{words}: {help}");
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn every_verb_has_both_forms() {
    let shell = Shell::new();
    let helps: BTreeSet<_> = all_helps(&shell).into_iter().map(|(words, _)| words).collect();
    for verb in [
        "list",
        "open",
        "send",
        "receive",
        "size",
        "drain",
        "close",
        "peek",
        "tail",
        "stats",
        "pause",
        "resume",
        "purge",
        "dlq list",
        "dlq redrive",
        "schedule list",
        "schedule put",
        "consume",
        "export",
        "import",
        "top",
        "explain",
        "configure",
        "delete",
        "group list",
    ] {
        assert!(helps.contains(&format!("room queue {verb}")), "{verb}");
        assert!(helps.contains(&format!("queue {verb}")), "{verb}");
    }
    for short in ["ls", "send", "receive", "peek", "tail", "stats", "consume", "explain", "top"] {
        assert!(helps.contains(short), "{short}");
    }
    for alias in [
        "put",
        "get",
        "q ls",
        "q put",
        "q get",
        "q rm",
        "q dlq ls",
        "q schedule rm",
        "q group ls",
        "room q ls",
    ] {
        shell.out(&format!("anteroom {alias} --help"));
    }
}

#[test]
fn completions_are_accepted_by_the_shells() {
    let shell = Shell::new();
    for (name, check) in [
        ("bash", "bash -c '. ./script && complete -p anteroom'"),
        (
            "zsh",
            "zsh -f -c 'autoload -U compinit && compinit -D && . ./script && echo $_comps[anteroom]'",
        ),
        ("fish", "fish -N -c 'source script; and complete -C \"anteroom queue sch\"'"),
    ] {
        let script = shell.out(&format!("anteroom completions {name} | tee script"));
        for word in ["redrive", "schedule", "token", "--output"] {
            let word = if name == "fish" { word.trim_start_matches('-') } else { word };
            assert!(script.contains(word), "{name}: {word}");
        }
        if shell.run(&format!("command -v {name}")).code != Some(0) {
            eprintln!("*** {name} is not installed: its script is not tried");
            continue;
        }
        let said = shell.run(check);
        assert_eq!(said.code, Some(0), "{name}: {said:?}");
        assert!(!said.out.is_empty(), "{name}: {said:?}");
    }
}
