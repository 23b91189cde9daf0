//! `anteroom verify`, at work in the background.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::daemon::Home;
use crate::support::{PATIENCE, full};

pub struct Checker {
    child: Option<Child>,
    calls: PathBuf,
    /// Bytes of `calls` that were looked at.
    seen: usize,
}

impl Checker {
    pub fn start(home: &Home, flags: &[&str]) -> Self {
        let calls = home.beside("calls.jsonl");
        let child = Command::new(env!("CARGO_BIN_EXE_anteroom"))
            .args([
                "verify",
                "demo",
                "--for",
                "1h",
                "--output",
                "json",
                "--patience",
                "60s",
                "--log",
            ])
            .arg(&calls)
            .args(flags)
            .env("ANTEROOM_URL", home.url())
            .env("ANTEROOM_TOKEN", full("demo"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child: Some(child), calls, seen: 0 }
    }

    /// Waits for a send that is acknowledged after this moment.
    pub fn acknowledged(&mut self) {
        self.skip();
        self.wait_for("\"fate\":\"acknowledged\"");
    }

    /// What was written until now is not looked at.
    pub fn skip(&mut self) {
        self.seen =
            std::fs::metadata(&self.calls).map_or(0, |data| usize::try_from(data.len()).unwrap());
    }

    /// Waits for a line with this part, after what was skipped.
    pub fn wait_for(&mut self, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let bytes = std::fs::read(&self.calls).unwrap_or_default();
            if String::from_utf8_lossy(&bytes[self.seen.min(bytes.len())..]).contains(part) {
                return;
            }
            if let Some(child) = &mut self.child
                && child.try_wait().unwrap().is_some()
            {
                let output = self.child.take().unwrap().wait_with_output().unwrap();
                panic!("the checker ended: {output:?}");
            }
            assert!(Instant::now() < deadline, "no {part}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets it come to its end. The exit code, the report, and what it said aside.
    pub fn end(mut self) -> (Option<i32>, Value, String) {
        let child = self.child.take().unwrap();
        let status = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
        assert!(status.unwrap().success());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        let report =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{err}"));
        (output.status.code(), report, err)
    }

    /// The same when all must hold.
    pub fn finish(self) -> Value {
        let (code, report, err) = self.end();
        assert_eq!(code, Some(0), "{report}\n{err}");
        assert_eq!(report["holds"], true, "{report}");
        for check in report["checks"].as_array().unwrap() {
            assert!(check["checked"].as_u64().unwrap() > 0, "nothing was looked at: {check}");
        }
        eprintln!(
            "{} acknowledged, {} unanswered, {} received, {} connections made anew",
            report["acknowledged"],
            report["unanswered"],
            report["received"],
            report["connections_lost"]
        );
        report
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
