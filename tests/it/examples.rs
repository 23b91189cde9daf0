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

#[test]
fn participant_pair() {
    let server = Server::start(&[]);
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("examples/participant_pair");
    let said = finished(example(&program, &[], &server).spawn().unwrap());
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
