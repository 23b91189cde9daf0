//! Recorded requests of the published Queen clients, see `tests/frames/README.md`: asked again, they are answered as they
//! were, byte for byte but for times, leases, and the id of a transaction.

use std::{fs, net::TcpStream, path::Path};

use serde_json::value::RawValue;

use crate::support::{HttpAnswer, PATIENCE, Server, exchange};

const CLIENTS: [&str; 2] = ["python-0.13.0", "python-2.6.0"];
const SESSIONS: [&str; 3] = ["groups", "messages", "transactions"];

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/frames/queen");

/// Members of answers that are others each time.
const VOLATILE: [&str; 6] =
    ["leaseId", "createdAt", "failedAt", "expiresAt", "newExpiresAt", "lease_expires_at"];

#[derive(serde::Deserialize)]
struct Line<'a> {
    from: &'a str,
    #[serde(default)]
    method: &'a str,
    #[serde(default)]
    path: &'a str,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    #[serde(default)]
    status: u16,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

impl Line<'_> {
    fn text(&self) -> &str {
        self.body.map_or("", RawValue::get)
    }
}

/// A text with every volatile member as `*`, and what stood there.
fn masked(path: &str, text: &str) -> (String, Vec<(&'static str, String)>) {
    let (mut rest, mut out, mut found) = (text, String::new(), Vec::new());
    let start =
        |rest: &str, name: &str| Some(rest.find(&format!("\"{name}\":\""))? + name.len() + 4);
    // A transaction's own id is a UUID of its time; those of messages begin with their place.
    let of_transaction = |rest: &str| {
        let at = start(rest, "transactionId").filter(|_| path.ends_with("/transaction"))?;
        let is_own =
            uuid::Uuid::try_parse(rest.get(at..at + 36)?).is_ok() && &rest[at..at + 4] != "0000";
        is_own.then_some((at, "transactionId"))
    };
    let first = |rest: &str| {
        let all = VOLATILE.into_iter().filter_map(|name| Some((start(rest, name)?, name)));
        all.chain(of_transaction(rest)).min()
    };
    while let Some((at, name)) = first(rest) {
        let length = rest[at..].find('"').unwrap();
        out.push_str(&rest[..at]);
        out.push('*');
        found.push((name, rest[at..at + length].to_owned()));
        rest = &rest[at + length..];
    }
    (out + rest, found)
}

/// Asks everything again; the answers must be those of then.
fn replay(client: &str, session: &str) {
    let file = Path::new(FOLDER).join(client).join(session).with_extension("jsonl");
    let recorded = fs::read_to_string(file).unwrap();
    let lines: Vec<Line<'_>> =
        recorded.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect();
    let server = Server::start(&["--dev"]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Leases of then, and those of now.
    let mut leases: Vec<(String, String)> = Vec::new();
    for [asked, answered] in lines.as_chunks().0 {
        assert_eq!((asked.from, answered.from), ("client", "server"));
        let now = |text: &str| {
            leases.iter().fold(text.to_owned(), |text, (then, now)| text.replace(then, now))
        };
        let (path, body) = (now(asked.path), now(asked.text()));
        let at = format!("{client}/{session}: {} {} {body}", asked.method, asked.path);
        let kind = asked.kind.map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
        let (method, length) = (asked.method, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
        );
        let HttpAnswer { status, text, .. } = exchange(&mut stream, &request);
        let (then, members) = masked(asked.path, answered.text());
        let (text, members_now) = masked(asked.path, &text);
        assert_eq!((status, text.as_str()), (answered.status, then.as_str()), "{at}");
        for ((name, then), (_, now)) in members.into_iter().zip(members_now) {
            assert_eq!(then.is_empty(), now.is_empty(), "{at}");
            if name == "leaseId" && !leases.iter().any(|(known, _)| *known == then) {
                leases.push((then, now));
            }
        }
    }
    assert!(lines.len() > 10 && lines.len().is_multiple_of(2), "{client}/{session}");
}

#[test]
fn recorded_requests_of_queen_clients_are_answered_as_they_were() {
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|it| it.into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(Path::new(FOLDER)), CLIENTS);
    for client in CLIENTS {
        let files = SESSIONS.map(|session| format!("{session}.jsonl"));
        assert_eq!(names(&Path::new(FOLDER).join(client)), files);
        SESSIONS.into_iter().for_each(|session| replay(client, session));
    }
}
