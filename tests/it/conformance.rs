//! The Autobahn suite against the server's own WebSocket layer, as `examples/ws_echo.rs` shows it.
//!
//! The suite is a Python 2.7 program; its environment is made on first use, under `target/tmp`.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::skip;

/// Messages come back whole, compression (12, 13) is not offered.
const EXCLUDED: [&str; 2] = ["12.*", "13.*"];

#[test]
fn autobahn_finds_no_failure() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("autobahn");
    std::fs::create_dir_all(&directory).unwrap();
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/setup.sh");
    let setup = Command::new("sh").arg(setup).arg(&directory).output().unwrap();
    match setup.status.code() {
        Some(0) => {}
        Some(3) => return skip(String::from_utf8_lossy(&setup.stderr).trim()),
        code => panic!("setup ended with {code:?}:\n{}", String::from_utf8_lossy(&setup.stderr)),
    }
    let tests = std::env::current_exe().unwrap();
    let echo = tests.parent().unwrap().parent().unwrap().join("examples/ws_echo");
    let mut echo = Command::new(echo)
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(echo.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let url = ready.trim().strip_prefix("ready ").unwrap();

    let reports = directory.join("reports");
    let _ = std::fs::remove_dir_all(&reports);
    let specification = json!({
        "outdir": reports, "servers": [{"url": url, "agent": "anteroom"}], "cases": ["*"],
        "exclude-cases": EXCLUDED, "exclude-agent-cases": {},
    });
    let specification_file = directory.join("specification.json");
    std::fs::write(&specification_file, specification.to_string()).unwrap();
    let suite = Command::new(directory.join("suite/bin/wstest"))
        .args(["-m", "fuzzingclient", "-s"])
        .arg(specification_file)
        .output()
        .unwrap();
    let _ = echo.kill();
    let _ = echo.wait();

    let index = std::fs::read(reports.join("index.json"));
    let index =
        index.unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&suite.stdout)));
    let index: Value = serde_json::from_slice(&index).unwrap();
    let cases = index["anteroom"].as_object().unwrap();
    let with = |verdict: &str| cases.values().filter(|case| case["behavior"] == verdict).count();
    println!("{} cases: {} ok, {} not strict", cases.len(), with("OK"), with("NON-STRICT"));
    let good = ["OK", "INFORMATIONAL", "NON-STRICT"];
    let bad: Vec<_> = (cases.iter())
        .filter(|(_, case)| {
            ["behavior", "behaviorClose"]
                .iter()
                .any(|key| !good.contains(&case[key].as_str().unwrap()))
        })
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(cases.len() > 290 && with("NON-STRICT") <= 2, "{} cases", cases.len());
}
