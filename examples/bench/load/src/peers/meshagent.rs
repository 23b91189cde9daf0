//! MeshAgent's room protocol, toolkit form, as its published clients speak it:
//! a start packet and data packets of 1 KiB, each one binary WebSocket frame,
//! answers matched by message id, pings answered at once (a server may take the
//! pong as the receipt for what it wrote before the ping; there is no other
//! acknowledgement). `meshagent` drives a server, `meshagent-echo` the bare
//! responder (`echo meshagent`), whose figure is the ceiling of these frames.
//!
//! Environment: BENCH_SECRET signs the tokens, BENCH_ROOM names the room
//! (`bench`), BENCH_FORM is `python` (the header of the Python client, 264 bytes
//! around a message) or `js` (the bare minimum, 111 bytes).
use crate::peer::*;
use crate::wsraw::Ws;
use anyhow::{anyhow, bail, Context, Result};
use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Clients cut data at this size; servers may send larger packets.
const PACKET: usize = 1024;
const VERSION: &str = "0.56.0";

pub struct Meshagent {
    pub o: Opts,
    pub echo: bool,
}

pub fn env_or(key: &str, default: &str) -> String {
    std::env::var(key).unwrap_or_else(|_| default.to_string())
}

/// A token for everything in one room, as the SDKs make them.
pub fn token(room: &str, secret: &str) -> Result<String> {
    let mut api = serde_json::Map::new();
    for k in "livekit queues messaging dataset sqlite memory sync storage containers developer agents llm admin secrets tunnels services".split(' ') {
        api.insert(k.into(), json!({}));
    }
    let claims = json!({
        "name": "load",
        "version": VERSION,
        "exp": SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 86_400,
        "grants": [{"name": "room", "scope": room}, {"name": "role", "scope": "user"}, {"name": "api", "scope": api}],
    });
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    Ok(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?)
}

/// Ids are counted up: one multiplication spreads them well enough.
#[derive(Default)]
struct IdHash(u64);
impl Hasher for IdHash {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!()
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

enum Answer {
    Empty,
    Json(Bytes),
    Error(String, i64),
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    json: Option<&'a RawValue>,
    text: Option<String>,
    code: Option<i64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Response,
    Ready,
    Connected,
    Other,
}

/// One connection to a room.
struct Room {
    ws: Ws,
    q: String,
    js: bool,
    conn: u64,
    id: u64,
    /// requests without an answer yet
    open: HashSet<u64, BuildHasherDefault<IdHash>>,
    // reassembly
    kind: Kind,
    mid: u64,
    last: u32,
    next: u32,
    data: Vec<u8>,
    req: Vec<u8>,
    met: [bool; 2],
}

impl Room {
    async fn open(o: &Opts, echo: bool) -> Result<Room> {
        let room = env_or("BENCH_ROOM", "bench");
        let secret = match std::env::var("BENCH_SECRET") {
            Ok(s) => s,
            Err(_) if echo => "unused".into(),
            Err(_) => {
                bail!("BENCH_SECRET is not set: the secret that the server checks tokens with")
            }
        };
        let form = env_or("BENCH_FORM", "python");
        if form != "python" && form != "js" {
            bail!("BENCH_FORM is python or js");
        }
        let head =
            format!("Authorization: Bearer {}\r\nUser-Agent: load\r\n", token(&room, &secret)?);
        let ws = Ws::connect_with(&o.addr, &format!("/rooms/{room}?v={VERSION}"), &head).await?;
        let mut r = Room {
            ws,
            q: o.queue.clone(),
            js: form == "js",
            conn: SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64,
            id: 0,
            open: HashSet::default(),
            kind: Kind::Other,
            mid: 0,
            last: 0,
            next: 1,
            data: Vec::with_capacity(4096),
            req: Vec::with_capacity(4096),
            met: [false; 2],
        };
        tokio::time::timeout(Duration::from_secs(10), async {
            while r.met != [true; 2] {
                if r.next()?.is_some() {
                    bail!("an answer before any request");
                }
                if r.met != [true; 2] {
                    r.ws.fill().await?;
                }
            }
            Ok(())
        })
        .await
        .context("no room_ready and connected within 10 s")??;
        Ok(r)
    }

    /// Queues one request: the start packet and its data packets. `args` is the
    /// JSON of the arguments in up to three pieces.
    fn invoke(&mut self, tool: &str, args: [&[u8]; 3]) -> u64 {
        self.id += 1;
        let (id, d) = (self.id, &mut self.req);
        d.clear();
        d.extend_from_slice(&[0; 8]);
        let start = if self.js {
            ["{\"toolkit\":\"queues\",\"tool\":\"", "\",\"arguments\":{\"type\":\"json\",\"json\":"]
        } else {
            ["{\"toolkit\": \"queues\", \"tool\": \"", "\", \"participant_id\": null, \"on_behalf_of_id\": null, \"arguments\": {\"type\": \"json\", \"json\": "]
        };
        d.extend_from_slice(start[0].as_bytes());
        d.extend_from_slice(tool.as_bytes());
        d.extend_from_slice(start[1].as_bytes());
        for a in args {
            d.extend_from_slice(a);
        }
        if self.js {
            d.extend_from_slice(b"}}");
        } else {
            d.extend_from_slice(b"}, \"tool_call_id\": \"");
            hex(d, self.conn);
            hex(d, id);
            d.extend_from_slice(b"\", \"__meshagent__\": {\"v\": 1, \"otel\": {}}}");
        }
        let head = (d.len() - 8) as u64;
        d[..8].copy_from_slice(&head.to_be_bytes());
        let n = d.len().div_ceil(PACKET) as u32;
        let mut p = [0u8; 16];
        p[..8].copy_from_slice(&id.to_be_bytes());
        p[12..].copy_from_slice(&n.to_be_bytes());
        self.ws.binary(&[&p, b"room.invoke_tool"]);
        for (k, c) in d.chunks(PACKET).enumerate() {
            p[8..12].copy_from_slice(&(k as u32 + 1).to_be_bytes());
            self.ws.binary(&[&p[..12], c]);
        }
        self.open.insert(id);
        id
    }

    fn send(&mut self, message: &[u8]) -> u64 {
        let h = if self.js {
            format!("{{\"name\":\"{}\",\"create\":true,\"message\":", self.q)
        } else {
            format!("{{\"name\": \"{}\", \"create\": true, \"message\": ", self.q)
        };
        self.invoke("send", [h.as_bytes(), message, b"}"])
    }

    fn park(&mut self) -> u64 {
        let h = if self.js {
            format!("{{\"name\":\"{}\",\"create\":true,\"wait\":true}}", self.q)
        } else {
            format!("{{\"name\": \"{}\", \"create\": true, \"wait\": true}}", self.q)
        };
        self.invoke("receive", [h.as_bytes(), b"", b""])
    }

    /// The next answer among what has been read; every rule of the framing that
    /// the real clients rely on is checked on the way.
    fn next(&mut self) -> Result<Option<(u64, Answer)>> {
        while let Some(f) = self.ws.next_buffered()? {
            if f.len() < 12 {
                bail!("a packet of {} bytes", f.len());
            }
            let mid = u64::from_be_bytes(f[..8].try_into().unwrap());
            let k = u32::from_be_bytes(f[8..12].try_into().unwrap());
            if k == 0 {
                if self.next <= self.last {
                    bail!("message {mid} begins inside message {}", self.mid);
                }
                if f.len() < 16 {
                    bail!("a start packet of {} bytes", f.len());
                }
                self.last = u32::from_be_bytes(f[12..16].try_into().unwrap());
                self.kind = match &f[16..] {
                    b"__response__" => Kind::Response,
                    b"room_ready" => Kind::Ready,
                    b"connected" => Kind::Connected,
                    _ => Kind::Other,
                };
                self.mid = mid;
                self.next = 1;
                self.data.clear();
            } else {
                if mid != self.mid || k != self.next || k > self.last {
                    bail!(
                        "packet {k} of message {mid} where packet {} of message {} was due",
                        self.next,
                        self.mid
                    );
                }
                self.data.extend_from_slice(&f[12..]);
                self.next += 1;
            }
            if self.next <= self.last {
                continue;
            }
            if self.ws.last_op() != 2 {
                bail!("a text frame");
            }
            match self.kind {
                Kind::Other => {}
                Kind::Ready | Kind::Connected => {
                    header(&self.data)?;
                    self.met[(self.kind == Kind::Connected) as usize] = true;
                }
                Kind::Response => {
                    if !self.open.remove(&mid) {
                        bail!("an answer to request {mid}, which is not open");
                    }
                    return Ok(Some((mid, answer(header(&self.data)?)?)));
                }
            }
        }
        Ok(None)
    }

    /// Writes what is queued (requests and pongs), then waits for more to read.
    async fn more(&mut self) -> Result<()> {
        self.ws.flush().await?;
        self.ws.fill().await
    }

    async fn ask(&mut self, tool: &str, args: &[u8]) -> Result<Answer> {
        let id = self.invoke(tool, [args, b"", b""]);
        loop {
            while let Some((i, a)) = self.next()? {
                if i == id {
                    return Ok(a);
                }
            }
            self.more().await?;
        }
    }
}

fn hex(d: &mut Vec<u8>, n: u64) {
    for i in (0..16).rev() {
        d.push(b"0123456789abcdef"[(n >> (4 * i)) as usize & 15]);
    }
}

/// The JSON header of packed data, which must end with the data here.
fn header(d: &[u8]) -> Result<&[u8]> {
    match d.get(..8).map(|n| u64::from_be_bytes(n.try_into().unwrap())) {
        Some(n) if n == d.len() as u64 - 8 => Ok(&d[8..]),
        _ => bail!("header length does not fit: {}", String::from_utf8_lossy(d)),
    }
}

fn answer(h: &[u8]) -> Result<Answer> {
    if h == b"{\"type\":\"empty\"}" || h == b"{\"type\": \"empty\"}" {
        return Ok(Answer::Empty);
    }
    for p in [&b"{\"type\":\"json\",\"json\":"[..], &b"{\"type\": \"json\", \"json\": "[..]] {
        if h.starts_with(p) && h.ends_with(b"}}") {
            return Ok(Answer::Json(Bytes::copy_from_slice(&h[p.len()..h.len() - 1])));
        }
    }
    let a: Head = serde_json::from_slice(h)
        .map_err(|e| anyhow!("answer {}: {e}", String::from_utf8_lossy(h)))?;
    Ok(match (a.kind, a.json) {
        ("empty", _) => Answer::Empty,
        ("json", Some(j)) => Answer::Json(Bytes::copy_from_slice(j.get().as_bytes())),
        ("error", _) => Answer::Error(a.text.unwrap_or_default(), a.code.unwrap_or(0)),
        _ => bail!("answer {}", String::from_utf8_lossy(h)),
    })
}

#[async_trait]
impl Peer for Meshagent {
    fn name(&self) -> &'static str {
        if self.echo {
            "meshagent-echo"
        } else {
            "meshagent"
        }
    }
    fn consumes(&self) -> bool {
        !self.echo
    }
    async fn reset(&self) -> Result<()> {
        if self.echo {
            return Ok(());
        }
        let mut r = Room::open(&self.o, false).await?;
        let name = json!({"name": self.o.queue}).to_string();
        // a connection of the run before may still be giving messages back
        for _ in 0..100 {
            match r.ask("drain", name.as_bytes()).await? {
                Answer::Empty | Answer::Error(_, 5001) => {}
                Answer::Error(t, c) => bail!("drain: {t} ({c})"),
                Answer::Json(_) => bail!("drain: not an empty answer"),
            }
            let Answer::Json(j) = r.ask("list", b"{}").await? else {
                bail!("list: no json answer")
            };
            let l: serde_json::Value = serde_json::from_slice(&j)?;
            let ours = l["queues"]
                .as_array()
                .context("list: no queues")?
                .iter()
                .find(|q| q["name"] == self.o.queue.as_str());
            if ours.map_or(true, |q| q["size"] == 0) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the queue does not become empty")
    }
    async fn producer(&self) -> Result<Box<dyn Producer>> {
        Ok(Box::new(Prod { r: Room::open(&self.o, self.echo).await?, window: self.o.window }))
    }
    async fn consumer(&self, _i: usize) -> Result<Box<dyn Consumer>> {
        if self.echo {
            bail!("the echo ceiling has no consumer");
        }
        Ok(Box::new(Cons {
            r: Room::open(&self.o, false).await?,
            window: self.o.window,
            got: Vec::new(),
            count: 0,
        }))
    }
}

struct Prod {
    r: Room,
    window: usize,
}

impl Prod {
    async fn confirm(&mut self, down_to: usize) -> Result<()> {
        loop {
            while let Some((_, a)) = self.r.next()? {
                match a {
                    Answer::Empty => {}
                    Answer::Error(t, c) => bail!("send: {t} ({c})"),
                    Answer::Json(_) => bail!("send: not an empty answer"),
                }
            }
            if self.r.open.len() <= down_to {
                return Ok(());
            }
            self.r.more().await?;
        }
    }
}

#[async_trait]
impl Producer for Prod {
    async fn send(&mut self, batch: &[Bytes]) -> Result<()> {
        for b in batch {
            self.r.send(b);
        }
        self.r.ws.flush().await?;
        self.confirm(self.window.saturating_sub(batch.len())).await
    }
    async fn flush(&mut self) -> Result<()> {
        self.confirm(0).await
    }
}

struct Cons {
    r: Room,
    window: usize,
    got: Vec<Delivery>,
    count: u64,
}

impl Cons {
    fn take(&mut self) -> Result<()> {
        while let Some((_, a)) = self.r.next()? {
            match a {
                Answer::Json(body) => {
                    self.count += 1;
                    self.got.push(Delivery { body, token: Token::None });
                }
                Answer::Empty => {} // a server may let a parked receive end so
                Answer::Error(t, c) => bail!("receive: {t} ({c})"),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Consumer for Cons {
    async fn receive(&mut self, _max: usize, wait: Duration) -> Result<Vec<Delivery>> {
        let end = tokio::time::Instant::now() + wait;
        loop {
            self.take()?;
            if !self.got.is_empty() {
                return Ok(std::mem::take(&mut self.got));
            }
            // ask again in half windows, so that one write carries many requests
            if self.r.open.len() <= self.window / 2 {
                while self.r.open.len() < self.window {
                    self.r.park();
                }
            }
            self.r.ws.flush().await?;
            match tokio::time::timeout_at(end, self.r.ws.fill()).await {
                Err(_) => return Ok(Vec::new()),
                Ok(r) => r?,
            }
        }
    }
    /// The pongs are the receipts: they leave now, with the next requests.
    async fn ack(&mut self, _done: Vec<Delivery>) -> Result<()> {
        if self.r.open.len() <= self.window / 2 {
            while self.r.open.len() < self.window {
                self.r.park();
            }
        }
        self.r.ws.flush().await
    }
    /// A round is an ordinary request behind the pongs; its answer says that the
    /// server has read them. Over when a round brings no further ping.
    async fn flush(&mut self) -> Result<()> {
        loop {
            let pings = self.r.ws.pings;
            let id = self.r.invoke("list", [b"{}", b"", b""]);
            self.r.ws.flush().await?;
            'round: loop {
                while let Some((i, a)) = self.r.next()? {
                    match a {
                        Answer::Error(t, c) => bail!("flush: {t} ({c})"),
                        _ if i == id => break 'round,
                        Answer::Json(_) => bail!(
                            "a message was handed out again: its receipt (pong) did not count"
                        ),
                        Answer::Empty => {}
                    }
                }
                self.r.more().await?;
            }
            if self.r.ws.pings == pings {
                break;
            }
        }
        if std::env::var_os("BENCH_TRACE").is_some() {
            eprintln!("consumer: {} messages, {} pings answered", self.count, self.r.ws.pings);
        }
        Ok(())
    }
}
