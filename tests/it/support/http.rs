//! Plain HTTP, a connection for each request.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

use super::{PATIENCE, Server, full};

/// An answer.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl HttpAnswer {
    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of an answer with the status 200.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    /// The code of a refusal, whose form is checked.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], json!(self.status));
        problem["code"].as_str().unwrap().to_owned()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let is_it = |line: &&str| {
            line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
        };
        self.head.lines().find(is_it).map(|line| line.split_once(':').unwrap().1.trim())
    }
}

/// Asks one thing on a connection that is open, and reads the answer.
pub fn exchange(stream: &mut TcpStream, request: &str) -> HttpAnswer {
    stream.write_all(request.as_bytes()).unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), [0; 65_536]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            let mut answer = HttpAnswer { status, head, text: String::new() };
            let length = answer.header("content-length").map_or(0, |text| text.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                answer.text = String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).unwrap();
                return answer;
            }
        }
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "ended early: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// Somebody who asks by HTTP.
pub struct Http<'a> {
    pub server: &'a Server,
    pub room: String,
    pub token: String,
}

impl<'a> Http<'a> {
    /// With a token that may do everything in `room`.
    pub fn new(server: &'a Server, room: &str) -> Self {
        Self { server, room: room.to_owned(), token: full(room) }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The text of a request below the room; `headers` are whole lines.
    pub fn request(&self, method: &str, path: &str, headers: &[&str], body: &str) -> String {
        let (room, token, length) = (&self.room, &self.token, body.len());
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        format!(
            "{method} /v1/rooms/{room}{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}",
            self.server.address()
        )
    }

    pub fn call_with(&self, method: &str, path: &str, headers: &[&str], body: &str) -> HttpAnswer {
        exchange(&mut self.connect(), &self.request(method, path, headers, body))
    }

    pub fn call(&self, method: &str, path: &str, body: &str) -> HttpAnswer {
        self.call_with(method, path, &[], body)
    }

    pub fn get(&self, path: &str) -> HttpAnswer {
        self.call("GET", path, "")
    }

    pub fn post(&self, path: &str, body: Value) -> HttpAnswer {
        self.call("POST", path, &body.to_string())
    }

    pub fn put(&self, path: &str, body: Value) -> HttpAnswer {
        self.call("PUT", path, &body.to_string())
    }
}
