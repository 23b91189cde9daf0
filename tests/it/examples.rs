//! The examples run as they stand.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    clients::environment,
    support::{Server, full, skip},
};

fn example(program: &Path, arguments: &[&str], server: &Server) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("MESHAGENT_API_URL", &server.url)
        .env("MESHAGENT_ROOM", "demo")
        .env("MESHAGENT_TOKEN", full("demo"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn finished(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

const SQUARES: [&str; 3] = ["the square of 1 is 1", "the square of 2 is 4", "the square of 3 is 9"];

/// Runs an example of the client and returns what it says.
fn run(name: &str) -> String {
    let server = Server::start(&[]);
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    let mut command = example(&program, &[], &server);
    command.env("ANTEROOM_URL", &server.url).env("ANTEROOM_TOKEN", full("demo"));
    finished(command.spawn().unwrap())
}

#[test]
fn work_queue() {
    let said = run("work_queue");
    for part in ["job 5 is done, attempt 1", r#"{"square":25}"#, "attempt 3", "1 dead letter"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn fan_out() {
    let expected =
        "mailer: signed up\nmailer: paid\naudit: signed up\naudit: paid\nlate: 2 messages\n";
    assert_eq!(run("fan_out"), expected);
}

#[test]
fn priority_deadline() {
    let said = run("priority_deadline").replace("by priority: ", "").replace("by deadline: ", "");
    assert_eq!(said, "now\nnormal\nlater\nin a minute\nin an hour\nin a day\n");
}

#[test]
fn delayed_cron() {
    let said = run("delayed_cron");
    let mut lines: Vec<_> = said.lines().collect();
    // On a slow machine half a second may be over before the first of them is received.
    lines.sort_unstable();
    assert_eq!(lines, ["at once", "in half a second", "the next report is planned", "tick"]);
}

#[test]
fn pipeline() {
    assert_eq!(run("pipeline"), "fetch\ndraw\npublish\nit is published\n");
}

#[test]
fn request_reply() {
    let said = run("request_reply");
    for line in SQUARES {
        assert!(said.contains(line), "{said}");
    }
}

/// The worker in Python and the sender in JavaScript, in one room.
#[test]
fn meshagent_worker_and_sender() {
    let (python, javascript) =
        match (environment("python-0.56.0"), environment("javascript-0.39.9")) {
            (Ok(python), Ok(javascript)) => (python, javascript),
            (Err(reason), _) | (_, Err(reason)) => return skip(&reason),
        };
    let server = Server::start(&[]);
    let python = python.join("venv/bin/python");
    let worker = example(&python, &["examples/meshagent_worker.py", "3"], &server).spawn().unwrap();
    let mut sender = example(Path::new("node"), &["examples/meshagent_sender.mjs"], &server);
    let said = finished(sender.env("NODE_MODULES", javascript).spawn().unwrap());
    for line in SQUARES {
        assert!(said.contains(line), "{said}");
    }
    assert!(finished(worker).contains("job 3"));
}
