//! The real binary, on a free port, in a directory of its own.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStderr, Command, Stdio},
    sync::{Arc, Mutex},
};

/// The default secret of test servers.
pub const SECRET: &str = "the secret of the tests, 32 bytes and more";

pub struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    log: Arc<Mutex<String>>,
    _data: tempfile::TempDir,
}

impl Server {
    /// Starts `anteroom serve` with these further flags and waits until it is ready. `ANTEROOM_X=y` among
    /// them goes into the environment.
    pub fn start(settings: &[&str]) -> Self {
        match std::env::var("ANTEROOM_TEST_STORE").as_deref() {
            // All tests that do not care, with a store: now and then, because it takes longer.
            Ok("durable") => Self::start_durable(settings),
            _ => Self::start_durable(&[&["--memory"], settings].concat()),
        }
    }

    /// The same without `--memory`.
    pub fn start_durable(settings: &[&str]) -> Self {
        let is_variable = |setting: &&&str| setting.starts_with("ANTEROOM_");
        let environment =
            settings.iter().filter(is_variable).filter_map(|pair| pair.split_once('='));
        let flags = settings.iter().filter(|setting| !is_variable(setting));
        let data = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_anteroom"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(flags)
            .env("ANTEROOM_SECRET", SECRET)
            .env("ANTEROOM_JOURNAL_SEGMENT", "1MiB")
            .envs(environment)
            .current_dir(data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().unwrap();
        std::thread::spawn({
            let log = Arc::clone(&log);
            move || collect(stderr, &log)
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(url) = line.trim().strip_prefix("ready ") else {
            let _ = child.wait();
            panic!("the server did not start: {line:?}\n{}", log.lock().unwrap());
        };
        let url = url.to_owned();
        Self { child, url, log, _data: data }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Everything on standard error so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Everything on standard error once it holds `part`; it comes by another way than the ready line.
    pub fn log_with(&self, part: &str) -> String {
        let deadline = std::time::Instant::now() + super::PATIENCE;
        loop {
            let log = self.log();
            if log.contains(part) {
                return log;
            }
            assert!(std::time::Instant::now() < deadline, "no {part} in the log:\n{log}");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    /// Sends a signal by name, as `kill` does.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Stops all of its threads: the signal alone stops them one after the other, and on a busy machine an answer can still leave.
    pub fn pause(&self) {
        self.signal("STOP");
        let tasks = format!("/proc/{}/task", self.pid());
        let is_stopped = |task: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with('T')
        };
        while !std::fs::read_dir(&tasks).unwrap().all(is_stopped) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Waits for the end and returns the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

fn collect(mut stderr: ChildStderr, log: &Mutex<String>) {
    let mut buffer = [0; 4096];
    while let Ok(count) = stderr.read(&mut buffer) {
        if count == 0 {
            return;
        }
        log.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
