//! A scripted MeshAgent peer: says exactly what it is told, and answers pings only if told to.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{
    Server,
    raw::{BINARY, CLOSE, PING, PONG, RawSocket, Refusal, frame},
    within,
};
use anteroom::wire::meshagent::{Joined, Packets, cut};

/// The one answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Empty,
    /// The exact JSON text.
    Json(String),
    /// The client's code and the text.
    Error(u16, String),
}

impl Answer {
    /// The code of a refusal; 0 for anything else.
    pub fn code(&self) -> u16 {
        match self {
            Self::Error(code, _) => *code,
            _ => 0,
        }
    }
}

/// What the server says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Answer(u64, Answer),
    Ping(Vec<u8>),
    /// Any other message: its kind and header.
    Push(String, Value),
    /// The end: a close code, or none when TCP just ended.
    End(Option<u16>),
}

pub struct Peer {
    pub socket: RawSocket,
    packets: Packets,
    last_id: u64,
    /// Answers to requests that were not asked for yet.
    early: VecDeque<Said>,
    /// Pings are answered at once, as every real client does.
    pub pongs: bool,
}

impl Peer {
    /// Joins with a token in the header, as the newest clients do.
    pub async fn join(server: &Server, room: &str, token: &str) -> Self {
        match Self::try_join(server, room, token).await {
            Ok(peer) => peer,
            Err(refusal) => panic!("{refusal:?}"),
        }
    }

    pub async fn try_join(server: &Server, room: &str, token: &str) -> Result<Self, Refusal> {
        let authorization = format!("Authorization: Bearer {token}");
        Self::connect(server, &format!("/rooms/{room}?v=0.56.0"), &[authorization]).await
    }

    /// Any handshake; past it, the two greetings.
    pub async fn connect(server: &Server, path: &str, headers: &[String]) -> Result<Self, Refusal> {
        let socket =
            within("the handshake", RawSocket::connect(server.address(), path, headers)).await?;
        let packets = Packets::new(1 << 30);
        let mut peer = Self { socket, packets, last_id: 0, early: VecDeque::new(), pongs: true };
        for expected in ["room_ready", "connected"] {
            match peer.next().await {
                Said::Push(kind, _) if kind == expected => {}
                other => panic!("{expected} expected, {other:?} came"),
            }
        }
        Ok(peer)
    }

    /// Writes a request in the direct form; returns its id.
    pub async fn ask(&mut self, kind: &str, arguments: &str) -> u64 {
        self.last_id += 1;
        let bytes = request(self.last_id, kind, arguments);
        self.socket.send_raw(&bytes).await.expect("the server reads");
        self.last_id
    }

    /// Writes a request and waits for its answer.
    pub async fn call(&mut self, kind: &str, arguments: Value) -> Answer {
        let id = self.ask(kind, &arguments.to_string()).await;
        self.answer(id).await
    }

    pub async fn send(&mut self, queue: &str, message: Value) -> Answer {
        self.call("queues.send", json!({"name": queue, "message": message})).await
    }

    /// Receives without waiting.
    pub async fn take(&mut self, queue: &str) -> Answer {
        self.call("queues.receive", json!({"name": queue, "wait": false})).await
    }

    /// Parks a receiver; returns its id.
    pub async fn park(&mut self, queue: &str) -> u64 {
        self.ask("queues.receive", &json!({"name": queue}).to_string()).await
    }

    /// Size of a queue in the list; none if it is not listed.
    pub async fn size(&mut self, queue: &str) -> Option<u64> {
        let Answer::Json(list) = self.call("queues.list", json!({})).await else { panic!() };
        let list: Value = serde_json::from_str(&list).unwrap();
        let queues = list["queues"].as_array().unwrap();
        queues.iter().find(|item| item["name"] == queue).map(|item| item["size"].as_u64().unwrap())
    }

    /// Asks until a queue has this size: what another connection's end causes takes its time.
    pub async fn until_size(&mut self, queue: &str, size: u64) {
        let became = async {
            while self.size(queue).await != Some(size) {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        within("the size of a queue", became).await;
    }

    /// Waits for the answer to a request; answers to others are kept.
    pub async fn answer(&mut self, id: u64) -> Answer {
        let is_it = |said: &Said| matches!(said, Said::Answer(other, _) if *other == id);
        if let Some(at) = self.early.iter().position(is_it)
            && let Some(Said::Answer(_, answer)) = self.early.remove(at)
        {
            return answer;
        }
        loop {
            match self.hear().await {
                Said::Answer(other, answer) if other == id => return answer,
                Said::End(code) => panic!("ended with {code:?} before the answer to {id}"),
                said => self.early.push_back(said),
            }
        }
    }

    /// The next thing the server says, pings that are answered left out.
    pub async fn next(&mut self) -> Said {
        match self.early.pop_front() {
            Some(said) => said,
            None => self.hear().await,
        }
    }

    /// Waits for the end of the connection: its close code, or none when TCP just ended.
    pub async fn end(&mut self) -> Option<u16> {
        loop {
            if let Said::End(code) = self.next().await {
                return code;
            }
        }
    }

    async fn hear(&mut self) -> Said {
        loop {
            let frame = within("the server to say something", self.socket.next()).await;
            let Some(frame) = frame else { return Said::End(None) };
            match frame.opcode {
                PING if self.pongs => drop(self.socket.send(PONG, &frame.data).await),
                PING => return Said::Ping(frame.data),
                CLOSE => {
                    let code = frame.data.get(..2).map(|two| u16::from_be_bytes([two[0], two[1]]));
                    return Said::End(Some(code.unwrap_or(1005)));
                }
                BINARY => {
                    let mut joined = None;
                    self.packets
                        .next(frame.data.into(), &mut |event| joined = Some(event))
                        .unwrap();
                    if let Some(joined) = joined {
                        return read(joined);
                    }
                }
                other => panic!("a frame of opcode {other}"),
            }
        }
    }
}

/// The frames of a request in the direct form.
pub fn request(id: u64, kind: &str, arguments: &str) -> Vec<u8> {
    let data = [&(arguments.len() as u64).to_be_bytes()[..], arguments.as_bytes()].concat();
    cut(id, kind, &data.into()).iter().flat_map(|packet| frame(true, BINARY, packet)).collect()
}

fn read(joined: Joined) -> Said {
    let Joined::Message { id, kind, data } = joined else { panic!("{joined:?}") };
    let kind = String::from_utf8(kind.to_vec()).unwrap();
    let (length, rest) = data.split_first_chunk::<8>().unwrap();
    let header = match length {
        b"        " => rest, // Eight spaces: see the greeting of older clients.
        length => &rest[..u64::from_be_bytes(*length) as usize],
    };
    let header = String::from_utf8(header.to_vec()).unwrap();
    let value: Value = serde_json::from_str(&header).unwrap();
    if kind != "__response__" {
        return Said::Push(kind, value);
    }
    let answer = match value["type"].as_str().unwrap() {
        "empty" => Answer::Empty,
        "json" => {
            let text = header.strip_prefix(r#"{"type":"json","json":"#).unwrap();
            Answer::Json(text.strip_suffix('}').unwrap().to_owned())
        }
        "error" => {
            let code = value["code"].as_u64().unwrap() as u16;
            Answer::Error(code, value["text"].as_str().unwrap().to_owned())
        }
        other => panic!("an answer of type {other}"),
    };
    Said::Answer(id, answer)
}
