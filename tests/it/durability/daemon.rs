//! A server that can be started again: its directory and its port stay the same.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{HttpAnswer, PATIENCE, SECRET, full};

/// Where a server lives, and how it is started.
pub struct Home {
    pub data: PathBuf,
    pub port: u16,
    /// Words before the program: `nsenter …`.
    pub before: Vec<String>,
    pub environment: Vec<(String, String)>,
    _directory: tempfile::TempDir,
}

/// A server that runs.
pub struct Daemon {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

/// How a server ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub log: String,
}

impl Home {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let environment = [("ANTEROOM_SECRET", SECRET), ("ANTEROOM_JOURNAL_SEGMENT", "256KiB")];
        Self {
            data: directory.path().join("data"),
            port,
            before: Vec::new(),
            environment: environment
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            _directory: directory,
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a journal so small that queues are saved and its files are used again all the time.
    pub fn with_small_journal(self) -> Self {
        self.with("ANTEROOM_JOURNAL_SEGMENT", "64KiB").with("ANTEROOM_JOURNAL_SIZE", "128KiB")
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A directory beside the data.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.data.with_file_name(name)
    }

    /// Starts without waiting. `extra` goes into the environment of this one alone.
    pub fn spawn(
        &self,
        port: u16,
        extra: &[(&str, &str)],
    ) -> (Daemon, BufReader<std::process::ChildStdout>) {
        let mut words = self.before.clone();
        words.push(env!("CARGO_BIN_EXE_anteroom").to_owned());
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(&self.data)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .envs(extra.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (log, mut stderr) = (Arc::new(Mutex::new(String::new())), child.stderr.take().unwrap());
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                    log.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
                }
            }
        });
        let stdout = BufReader::new(child.stdout.take().unwrap());
        (Daemon { child, log, reader: Some(reader) }, stdout)
    }

    pub fn try_start(&self, extra: &[(&str, &str)]) -> Result<Daemon, Ended> {
        let (daemon, mut stdout) = self.spawn(self.port, extra);
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        if line.starts_with("ready ") { Ok(daemon) } else { Err(daemon.wait()) }
    }

    pub fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    pub fn start_with(&self, extra: &[(&str, &str)]) -> Daemon {
        self.try_start(extra).unwrap_or_else(|ended| panic!("the server did not start: {ended:?}"))
    }

    /// Any path, with a token of the room `demo`.
    pub fn request(&self, method: &str, path: &str, body: &str) -> Option<HttpAnswer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (token, length) = (full("demo"), body.len());
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).ok()?;
        let mut answer = String::new();
        // One that is cut gives no answer: a server that starts or ends may do that.
        let _ = stream.read_to_string(&mut answer);
        let (head, text) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(HttpAnswer { status, head: head.to_owned(), text: text.to_owned() })
    }

    /// Any path; none: nobody listens, or nobody answers.
    pub fn get(&self, path: &str) -> Option<HttpAnswer> {
        self.request("GET", path, "")
    }

    /// Below the room `demo`.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> HttpAnswer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.request(method, &format!("/v1/rooms/demo{path}"), &body).expect("the server answers")
    }

    pub fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, path, body).ok()
    }

    /// The segments of the journal that are or were used, the last one last.
    pub fn segments(&self) -> Vec<PathBuf> {
        files(&self.data.join("journal"), "segment")
    }

    /// The same for what is written apart.
    pub fn large(&self) -> Vec<PathBuf> {
        files(&self.data.join("journal"), "large")
    }

    /// The files of saved bodies.
    pub fn blobs(&self) -> Vec<PathBuf> {
        files(&self.data.join("blobs"), "blob")
    }
}

fn files(directory: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == kind)).collect();
    files.sort();
    files
}

impl Daemon {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Kills it as a power cut does, but for the page cache.
    pub fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.wait()
    }

    /// Waits for the end, but not for ever.
    pub fn wait(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the server does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        };
        // All that it said has been read.
        self.reader.take().map(std::thread::JoinHandle::join);
        Ended { code: status.code(), log: self.log() }
    }

    /// Stops it in order.
    pub fn stop(self) -> Ended {
        self.signal("TERM");
        self.wait()
    }

    /// Stops it in order, which must go well.
    pub fn stop_well(self) {
        let ended = self.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server said:\n{}", self.log());
        }
    }
}
