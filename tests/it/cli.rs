//! The command line against the real server, as people and scripts type it: every line is run by a shell.

mod changing;
mod consuming;
mod explaining;
mod help;
mod moving;
mod reading;
mod readme;
mod wrong;

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::support::{SECRET, Server, full};

/// A server, a directory to work in, and a token for the room `demo`.
pub struct Shell {
    pub server: Server,
    pub home: tempfile::TempDir,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Shell {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With these settings of the server.
    pub fn with(settings: &[&str]) -> Self {
        let (server, home) = (Server::start(settings), tempfile::tempdir().unwrap());
        Self { server, home }
    }

    /// `sh -c LINE`, not started yet; `anteroom` is the program under test.
    pub fn command(&self, line: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_anteroom"));
        let path = format!("{}:{}", program.parent().unwrap().display(), env!("PATH"));
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home.path())
            .env("LANG", "C.UTF-8")
            .env("ANTEROOM_URL", &self.server.url)
            .env("ANTEROOM_TOKEN", full("demo"))
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, line: &str) -> Said {
        self.command(line).output().unwrap().into()
    }

    /// What a command that succeeds prints, without the last end of line.
    pub fn out(&self, line: &str) -> String {
        let Said { code, out, err } = self.run(line);
        assert_eq!(code, Some(0), "{line}\n{out}{err}");
        out.strip_suffix('\n').unwrap_or(&out).to_owned()
    }

    /// What a command says aside that fails with this exit code.
    pub fn fails(&self, code: i32, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.code, Some(code), "{line}\n{}{}", said.out, said.err);
        said.err
    }

    /// What a command that makes its own token from the secret prints.
    pub fn out_by_secret(&self, line: &str) -> String {
        self.out(&format!("unset ANTEROOM_TOKEN; export ANTEROOM_SECRET='{SECRET}'; {line}"))
    }
}

/// The same with `AT` for moments, which differ each time.
pub fn timeless(text: &str) -> String {
    let (mut timeless, mut digits) = (String::new(), String::new());
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        timeless += if digits.len() == 13 { "AT" } else { &digits };
        digits.clear();
        timeless.push(c);
    }
    timeless.pop();
    timeless
}
