//! `anteroom.v1` over WebSocket: one frame a send, a subscription with credit, settles by the batch.
//! Environment: as for `meshagent` (BENCH_SECRET, BENCH_ROOM).
use crate::msg::find;
use crate::peer::*;
use crate::peers::meshagent::{env_or, token};
use crate::wsraw::Ws;
use anyhow::{bail, Context, Result};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

pub struct Native {
    pub o: Opts,
}

async fn open(o: &Opts) -> Result<Ws> {
    let room = env_or("BENCH_ROOM", "bench");
    let secret = std::env::var("BENCH_SECRET")
        .context("BENCH_SECRET is not set: the secret that the server checks tokens with")?;
    let head = format!(
        "Authorization: Bearer {}\r\nSec-WebSocket-Protocol: anteroom.v1\r\n",
        token(&room, &secret)?
    );
    let mut ws = Ws::connect_with(&o.addr, &format!("/v1/rooms/{room}/ws"), &head).await?;
    let hello = next(&mut ws).await?;
    if !hello.starts_with(b"{\"hello\"") {
        bail!("odd greeting {}", String::from_utf8_lossy(&hello));
    }
    Ok(ws)
}

async fn next(ws: &mut Ws) -> Result<Vec<u8>> {
    loop {
        if let Some(f) = ws.next_buffered()? {
            return Ok(f.to_vec());
        }
        ws.fill().await?;
    }
}

#[async_trait]
impl Peer for Native {
    fn name(&self) -> &'static str {
        "anteroom"
    }
    async fn reset(&self) -> Result<()> {
        let mut ws = open(&self.o).await?;
        ws.text(&[
            format!("{{\"id\":1,\"op\":\"delete\",\"queue\":\"{}\"}}", self.o.queue).as_bytes()
        ]);
        // Written, and not synced before the answer.
        let settings = match self.o.level.as_str() {
            "disk" => ",\"settings\":{\"durability\":\"relaxed\"}",
            _ => "",
        };
        ws.text(&[format!(
            "{{\"id\":2,\"op\":\"open\",\"queue\":\"{}\"{settings}}}",
            self.o.queue
        )
        .as_bytes()]);
        ws.flush().await?;
        next(&mut ws).await?;
        let opened = next(&mut ws).await?;
        if find(&opened, b"\"ok\"").is_none() {
            bail!("open: {}", String::from_utf8_lossy(&opened));
        }
        Ok(())
    }
    async fn producer(&self) -> Result<Box<dyn Producer>> {
        Ok(Box::new(Prod {
            ws: open(&self.o).await?,
            q: self.o.queue.clone(),
            id: 0,
            window: self.o.window,
            open: 0,
        }))
    }
    async fn consumer(&self, _i: usize) -> Result<Box<dyn Consumer>> {
        let mut ws = open(&self.o).await?;
        ws.text(&[format!(
            "{{\"id\":0,\"op\":\"subscribe\",\"queue\":\"{}\",\"credit\":{}}}",
            self.o.queue, self.o.window
        )
        .as_bytes()]);
        ws.flush().await?;
        Ok(Box::new(Cons {
            ws,
            q: self.o.queue.clone(),
            id: 0,
            window: self.o.window,
            acks: 0,
            got: Vec::new(),
            done: Vec::new(),
        }))
    }
}

struct Prod {
    ws: Ws,
    q: String,
    id: u64,
    window: usize,
    open: usize,
}

impl Prod {
    async fn confirm(&mut self, down_to: usize) -> Result<()> {
        loop {
            while let Some(f) = self.ws.next_buffered()? {
                let head = &f[..f.len().min(32)];
                if find(head, b",\"ok\":").is_none() {
                    bail!("send: {}", String::from_utf8_lossy(f));
                }
                self.open -= 1;
            }
            if self.open <= down_to {
                return Ok(());
            }
            self.ws.flush().await?;
            self.ws.fill().await?;
        }
    }
}

#[async_trait]
impl Producer for Prod {
    async fn send(&mut self, batch: &[Bytes]) -> Result<()> {
        for b in batch {
            self.id += 1;
            let head =
                format!("{{\"id\":{},\"op\":\"send\",\"queue\":\"{}\",\"body\":", self.id, self.q);
            self.ws.text(&[head.as_bytes(), b, b"}"]);
        }
        self.open += batch.len();
        self.ws.flush().await?;
        self.confirm(self.window.saturating_sub(batch.len())).await
    }
    async fn flush(&mut self) -> Result<()> {
        self.confirm(0).await
    }
}

struct Cons {
    ws: Ws,
    q: String,
    id: u64,
    window: usize,
    acks: usize,
    got: Vec<Delivery>,
    done: Vec<u8>,
}

/// What stands between `from` and `to`, and what follows.
fn between<'a>(text: &'a [u8], from: &[u8], to: u8) -> Option<(&'a [u8], &'a [u8])> {
    let text = &text[find(text, from)? + from.len()..];
    let end = memchr::memchr(to, text)?;
    Some((&text[..end], &text[end..]))
}

/// The length of the JSON object that `text` begins with (no braces within its strings).
fn object(text: &[u8]) -> Option<usize> {
    Some(memchr::memchr(b'}', text)? + 1)
}

impl Cons {
    fn take(&mut self) -> Result<()> {
        while let Some(f) = self.ws.next_buffered()? {
            if f.starts_with(b"{\"receiver\":") {
                let mut rest = f;
                while let Some((lease, after)) = between(rest, b"\"lease\":\"", b'"') {
                    let Some(at) = find(after, b"\"body\":") else {
                        bail!("a message without a body")
                    };
                    let body = &after[at + 7..];
                    let Some(length) = object(body) else { bail!("a body that is no object") };
                    let token = Token::Text(Bytes::copy_from_slice(lease));
                    self.got
                        .push(Delivery { body: Bytes::copy_from_slice(&body[..length]), token });
                    rest = &body[length..];
                }
            } else if find(&f[..f.len().min(32)], b",\"ok\":").is_some() {
                if find(f, b"\"lost\"").is_some() {
                    bail!("a lease was lost: {}", String::from_utf8_lossy(f));
                }
                self.acks -= 1;
            } else {
                bail!("odd frame {}", String::from_utf8_lossy(f));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Consumer for Cons {
    async fn receive(&mut self, _max: usize, wait: Duration) -> Result<Vec<Delivery>> {
        self.ws.flush().await?;
        let end = tokio::time::Instant::now() + wait;
        loop {
            self.take()?;
            if !self.got.is_empty() {
                return Ok(std::mem::take(&mut self.got));
            }
            match tokio::time::timeout_at(end, self.ws.fill()).await {
                Err(_) => return Ok(Vec::new()),
                Ok(r) => r?,
            }
            self.ws.flush().await?;
        }
    }
    async fn ack(&mut self, done: Vec<Delivery>) -> Result<()> {
        self.done.clear();
        for d in &done {
            if let Token::Text(lease) = &d.token {
                self.done.extend_from_slice(if self.done.is_empty() {
                    b"{\"lease\":\""
                } else {
                    b",{\"lease\":\""
                });
                self.done.extend_from_slice(lease);
                self.done.extend_from_slice(b"\"}");
            }
        }
        self.id += 1;
        self.acks += 1;
        let head =
            format!("{{\"id\":{},\"op\":\"settle\",\"queue\":\"{}\",\"items\":[", self.id, self.q);
        self.ws.text(&[head.as_bytes(), &self.done, b"]}"]);
        if self.window == 1 {
            self.flush().await?;
        }
        Ok(())
    }
    async fn flush(&mut self) -> Result<()> {
        self.ws.flush().await?;
        loop {
            self.take()?;
            if self.acks == 0 {
                return Ok(());
            }
            self.ws.flush().await?;
            self.ws.fill().await?;
        }
    }
}
