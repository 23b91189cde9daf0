//! What a message costs when there is much of something: the server's CPU time for a send, a receive and a settle.
//!   growth ADDR PID AXIS [MOST]    AXIS: depth queues rooms connections parked partitions groups body
//! Prints a line of JSON for each value of the axis. BENCH_SECRET as for `load`.
use anyhow::{bail, Context, Result};
use load::{
    msg::find,
    peers::meshagent::{env_or, token},
    procfs,
    wsraw::Ws,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Requests that are sent before their answers are read.
const WINDOW: usize = 64;
/// Messages of one measurement.
const MESSAGES: usize = 20_000;

struct Growth {
    addr: String,
    pid: u32,
    axis: String,
    secret: String,
    id: u64,
    body: String,
}

/// One message: on which connection, to which queue, with what else said of the send and of the receive.
struct Trip {
    connection: usize,
    queue: String,
    send: String,
    receive: String,
}

impl Trip {
    fn to(queue: impl Into<String>) -> Self {
        Trip { connection: 0, queue: queue.into(), send: String::new(), receive: String::new() }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, addr, pid, axis, ..] = &args[..] else { bail!("growth ADDR PID AXIS [MOST]") };
    let secret = std::env::var("BENCH_SECRET").context("BENCH_SECRET is not set")?;
    let mut growth = Growth {
        addr: addr.clone(),
        pid: pid.parse()?,
        axis: axis.clone(),
        secret,
        id: 0,
        body: body(1024),
    };
    let most: usize = args.get(4).map_or(Ok(usize::MAX), |most| most.parse())?;
    let values: &[usize] = match axis.as_str() {
        "depth" => &[1, 1_000, 10_000, 100_000, 1_000_000, 10_000_000],
        "queues" | "rooms" => &[1, 10, 100, 1_000, 10_000, 100_000],
        // With fewer than a window the sender has to wait.
        "parked" => &[64, 1_000, 10_000, 100_000],
        "connections" | "partitions" | "groups" => &[1, 10, 100, 1_000, 10_000],
        "body" => &[100, 1_000, 10_000, 100_000, 1_000_000, 15_900_000],
        other => bail!("there is no axis {other}"),
    };
    for value in values.iter().copied().filter(|value| *value <= most) {
        growth.measure(value).await.with_context(|| format!("{axis} {value}"))?;
    }
    Ok(())
}

fn body(length: usize) -> String {
    format!("{{\"x\":\"{}\"}}", "x".repeat(length.saturating_sub(8)))
}

impl Growth {
    async fn open(&self) -> Result<Ws> {
        let room = env_or("BENCH_ROOM", "bench");
        let head = format!(
            "Authorization: Bearer {}\r\nSec-WebSocket-Protocol: anteroom.v1\r\n",
            token(&room, &self.secret)?
        );
        let mut ws = Ws::connect_with(&self.addr, &format!("/v1/rooms/{room}/ws"), &head).await?;
        answer(&mut ws).await?;
        Ok(ws)
    }

    async fn measure(&mut self, value: usize) -> Result<()> {
        let mut messages = MESSAGES;
        let mut sockets = vec![self.open().await?];
        let queue = format!("{}-{value}", self.axis);
        match self.axis.as_str() {
            "rooms" => return self.measure_rooms(value).await,
            "parked" => return self.measure_parked(value, sockets.remove(0), &queue).await,
            "depth" => {
                for filled in (0..value).step_by(1000) {
                    let item = format!("{{\"body\":{}}}", self.body);
                    let items = vec![item; 1000.min(value - filled)].join(",");
                    let more = format!("\"messages\":[{items}]");
                    self.ask(&mut sockets[0], "send", &queue, &more);
                    self.all_well(&mut sockets[0], 1).await?;
                }
            }
            "connections" => {
                for _ in 1..value {
                    sockets.push(self.open().await?.slim());
                }
            }
            "groups" => {
                for number in 0..value {
                    let more = format!("\"group\":\"g{number}\"");
                    self.ask(&mut sockets[0], "group_open", &queue, &more);
                    self.all_well(&mut sockets[0], 1).await?;
                }
                messages = (2_000_000 / value).clamp(400, 2_000);
            }
            "body" => {
                self.body = body(value);
                messages = (256_000_000 / value).clamp(32, MESSAGES);
            }
            _ => {}
        }
        let axis = self.axis.clone();
        let trip = |number: usize| {
            let mut trip = Trip::to(queue.as_str());
            match axis.as_str() {
                "queues" => trip.queue = format!("q{}", number % value),
                "connections" => trip.connection = number % value,
                "partitions" => trip.send = format!("\"partition\":\"p{}\",", number % value),
                "groups" => trip.receive = format!("\"group\":\"g{}\"", number % value),
                _ => {}
            }
            trip
        };
        if matches!(axis.as_str(), "queues" | "connections" | "partitions") {
            // Everything is there once before it is measured.
            messages = messages.max(value);
            let once: Vec<Trip> = (0..value).map(trip).collect();
            self.go(&mut sockets, &once).await?;
        }
        let trips: Vec<Trip> = (0..messages).map(trip).collect();
        let before = procfs::usage(&[self.pid]);
        self.go(&mut sockets, &trips).await?;
        self.report(value, trips.len(), before);
        Ok(())
    }

    fn report(&self, value: usize, messages: usize, before: procfs::Usage) {
        let after = procfs::usage(&[self.pid]);
        let us = (after.cpu_s - before.cpu_s) * 1e6 / messages as f64;
        println!(
            "{}",
            json!({"axis": self.axis, "value": value, "us": (us * 100.0).round() / 100.0,
                "messages": messages, "rss_mib": after.rss_kib / 1024})
        );
    }

    /// Sends, receives and settles all of them, a window at a time.
    async fn go(&mut self, sockets: &mut [Ws], trips: &[Trip]) -> Result<()> {
        let window = if self.body.len() > 100_000 { 1 } else { WINDOW };
        for trips in trips.chunks(window) {
            for trip in trips {
                let more = format!("{}\"body\":{}", trip.send, self.body);
                self.ask(&mut sockets[trip.connection], "send", &trip.queue, &more);
            }
            self.each(sockets, trips).await?;
            for trip in trips {
                self.ask(&mut sockets[trip.connection], "receive", &trip.queue, &trip.receive);
            }
            let leases = self.each(sockets, trips).await?;
            for (trip, lease) in trips.iter().zip(&leases) {
                let more = format!("\"items\":[{{\"lease\":\"{lease}\"}}]");
                self.ask(&mut sockets[trip.connection], "settle", &trip.queue, &more);
            }
            self.each(sockets, trips).await?;
        }
        Ok(())
    }

    /// Leaves what was asked, and reads an answer for each trip: the leases in them.
    async fn each(&mut self, sockets: &mut [Ws], trips: &[Trip]) -> Result<Vec<String>> {
        for trip in trips {
            sockets[trip.connection].flush().await?;
        }
        let mut leases = Vec::with_capacity(trips.len());
        for trip in trips {
            leases.push(lease(&answer(&mut sockets[trip.connection]).await?)?);
        }
        Ok(leases)
    }

    fn ask(&mut self, ws: &mut Ws, op: &str, queue: &str, more: &str) {
        self.id += 1;
        let comma = if more.is_empty() { "" } else { "," };
        let frame =
            format!("{{\"id\":{},\"op\":\"{op}\",\"queue\":\"{queue}\"{comma}{more}}}", self.id);
        ws.text(&[frame.as_bytes()]);
    }

    async fn all_well(&mut self, ws: &mut Ws, answers: usize) -> Result<()> {
        ws.flush().await?;
        for _ in 0..answers {
            lease(&answer(ws).await?)?;
        }
        Ok(())
    }

    /// So many receives wait on one queue; each that is served waits again.
    async fn measure_parked(&mut self, value: usize, mut sender: Ws, queue: &str) -> Result<()> {
        let mut receiver = self.open().await?;
        let wait = "\"wait_ms\":3600000";
        for parked in 0..value {
            self.ask(&mut receiver, "receive", queue, wait);
            if parked % 1000 == 0 {
                receiver.flush().await?;
            }
        }
        receiver.flush().await?;
        let window = WINDOW;
        let mut before = procfs::usage(&[self.pid]);
        for done in (0..MESSAGES + 2_000).step_by(window) {
            if done < 2_000 {
                before = procfs::usage(&[self.pid]);
            }
            for _ in 0..window {
                let more = format!("\"body\":{}", self.body);
                self.ask(&mut sender, "send", queue, &more);
            }
            self.all_well(&mut sender, window).await?;
            let mut leases = Vec::new();
            for _ in 0..window {
                leases.push(lease(&answer(&mut receiver).await?)?);
            }
            for lease in leases {
                // On the other connection: its answers are told from the messages that way.
                let more = format!("\"items\":[{{\"lease\":\"{lease}\"}}]");
                self.ask(&mut sender, "settle", queue, &more);
                self.ask(&mut receiver, "receive", queue, wait);
            }
            receiver.flush().await?;
            self.all_well(&mut sender, window).await?;
        }
        self.report(value, MESSAGES, before);
        Ok(())
    }

    /// Over HTTP: a connection is not a room's there.
    async fn measure_rooms(&mut self, value: usize) -> Result<()> {
        let tokens = (0..value)
            .map(|number| token(&format!("r{number}"), &self.secret))
            .collect::<Result<Vec<_>>>()?;
        let mut sock = TcpStream::connect(&self.addr).await?;
        sock.set_nodelay(true)?;
        let messages = 3_000;
        let mut before = procfs::usage(&[self.pid]);
        for number in 0..value + messages {
            if number == value {
                before = procfs::usage(&[self.pid]);
            }
            // Far from the last one, and each in its turn.
            let room = (number * 7919) % value;
            let ask = |path: &str, body: &str| {
                format!(
                    "POST /v1/rooms/r{room}/queues/jobs/{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
                     Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    tokens[room],
                    body.len()
                )
            };
            post(&mut sock, &ask("messages", &format!("{{\"body\":{}}}", self.body))).await?;
            let lease = lease(&post(&mut sock, &ask("receive", "{}")).await?)?;
            let items = format!("{{\"items\":[{{\"lease\":\"{lease}\"}}]}}");
            post(&mut sock, &ask("settle", &items)).await?;
        }
        self.report(value, messages, before);
        Ok(())
    }
}

async fn answer(ws: &mut Ws) -> Result<Vec<u8>> {
    loop {
        if let Some(frame) = ws.next_buffered()? {
            return Ok(frame.to_vec());
        }
        ws.flush().await?;
        ws.fill().await?;
    }
}

/// The first lease in an answer, if there is one.
fn lease(answer: &[u8]) -> Result<String> {
    if find(&answer[..answer.len().min(40)], b"\"error\"").is_some() {
        bail!("{}", String::from_utf8_lossy(answer));
    }
    let Some(at) = find(answer, b"\"lease\":\"") else { return Ok(String::new()) };
    let text = &answer[at + 9..];
    let end = text.iter().position(|byte| *byte == b'"').context("a lease without an end")?;
    Ok(String::from_utf8_lossy(&text[..end]).into_owned())
}

async fn post(sock: &mut TcpStream, request: &str) -> Result<Vec<u8>> {
    sock.write_all(request.as_bytes()).await?;
    let mut read = Vec::new();
    loop {
        let mut more = [0; 16 * 1024];
        let count = sock.read(&mut more).await?;
        if count == 0 {
            bail!("closed");
        }
        read.extend_from_slice(&more[..count]);
        let Some(end) = find(&read, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("no length")?.trim().parse()?;
        if read.len() >= end + 4 + length {
            if !head.starts_with("http/1.1 2") {
                bail!("{}", String::from_utf8_lossy(&read));
            }
            return Ok(read.split_off(end + 4));
        }
    }
}
