//! What a message costs on its way through the server, in instructions, which are exact where time is noise: a
//! 1 KiB message is sent, pushed to a subscriber and settled, 16 of them by one frame, on a queue that holds `DEPTH`
//! messages already. No actors and no sockets; everything else is what the server does. One part at a time:
//!
//! ```console
//! $ cargo build --release --example path_cost
//! $ for part in read_frames decide write_records write_answers; do echo $part; valgrind --tool=callgrind \
//!     --callgrind-out-file=/dev/null --toggle-collect="path_cost::$part" \
//!     target/release/examples/path_cost 1000 2>&1 | grep refs; done
//! ```
//!
//! Divided by the rounds (10,000, or the second argument) it is instructions per message.

use std::error::Error;

use anteroom::{
    engine::{
        Command, Effect, NewMessage, Permit, Queue, QueueConfig, Record, RecordNumber, ReplyTo,
    },
    facade::{
        Dialect, Incoming,
        native::{NativeDialect, Welcome},
    },
    journal,
    service::{self, Operation, Outgoing},
    types::{Limits, Payload, QueueName, RequestId, RoomName, SessionId, Timestamp},
    wire::websocket::{FrameReader, Frames, Received},
};
use bytes::BytesMut;

const BODY: usize = 1024;
/// So many messages are settled by one frame, and four times as many are in a subscriber's hands.
const TOGETHER: usize = 16;

struct Path {
    room: RoomName,
    name: QueueName,
    reader: FrameReader,
    dialect: NativeDialect,
    incoming: Vec<Incoming>,
    queue: Queue,
    effects: Vec<Effect>,
    frames: Frames,
    journal: Vec<u8>,
    now: Timestamp,
}

impl Path {
    fn new() -> Result<Self, Box<dyn Error>> {
        let queue = Queue::new(QueueConfig {
            messages_max: usize::MAX,
            bytes_max: usize::MAX,
            parked_max: 10,
            groups_max: 1,
            partitions_max: 1,
            schedules_max: 1,
            open_is_idempotent: false,
            first_generation: 1,
            encrypts: false,
        });
        let text = |text: &str| text.to_owned();
        let welcome = Welcome {
            room: text("demo"),
            session: text("s"),
            number: 1,
            participant: text("p"),
            name: text("me"),
            role: text("user"),
            resume_ms: 0,
        };
        let mut path = Self {
            room: "demo".parse()?,
            name: "jobs".parse()?,
            reader: FrameReader::new(&Limits::default()),
            dialect: NativeDialect::new(welcome, &Limits::default()),
            incoming: Vec::new(),
            queue,
            effects: Vec::new(),
            frames: Frames::default(),
            journal: Vec::new(),
            now: Timestamp(1_000_000),
        };
        path.dialect.greet(path.now, &mut path.frames);
        Ok(path)
    }

    /// Everything that a frame of the client causes. The leases of what it brought.
    fn hear(&mut self, text: &str) -> Vec<String> {
        let mut leases = Vec::new();
        let mut incoming = std::mem::take(&mut self.incoming);
        // What all connections read to lasts: only a part of it is given back.
        let mut shared = framed(text);
        let mut fresh = shared.split();
        read_frames(&mut self.reader, &mut fresh, &mut self.dialect, self.now, &mut incoming);
        for asked in incoming.drain(..) {
            let Incoming::Ask(id, Operation::Queue { command, .. }) = asked else { continue };
            let mut effects = std::mem::take(&mut self.effects);
            decide(&mut self.queue, self.now, id, command, &mut effects);
            let mut records = Vec::new();
            let mut answers = Vec::new();
            for effect in effects.drain(..) {
                match effect {
                    Effect::Append(record) => records.push(record),
                    Effect::Reply { to, result, .. } => {
                        let queue = self.name.clone();
                        let result =
                            result.map(|outcome| service::Outcome::Queue { queue, outcome });
                        answers.push(Outgoing::Reply(to.request, result.map_err(Into::into)));
                    }
                    Effect::Push { to, delivered, .. } => {
                        leases.extend(delivered.lease.map(|lease| lease.to_string()));
                        answers.push(Outgoing::Push(to.request, self.name.clone(), delivered));
                    }
                    Effect::Notify(_) => {}
                }
            }
            self.effects = effects;
            let first = RecordNumber(self.queue.last_record().0 + 1 - records.len() as u64);
            write_records(&self.room, &self.name, first, &records, &mut self.journal);
            write_answers(&mut self.dialect, answers, &mut self.frames);
        }
        self.incoming = incoming;
        leases
    }
}

/// A frame as a client sends it.
fn framed(text: &str) -> BytesMut {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let mut frame = BytesMut::with_capacity(text.len() + 64);
    match text.len() {
        short @ ..126 => frame.extend([0x81, 0x80 | short as u8]),
        long => {
            frame.extend([0x81, 0x80 | 126]);
            frame.extend((long as u16).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(text.bytes().zip(MASK.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[inline(never)]
fn read_frames(
    reader: &mut FrameReader,
    fresh: &mut BytesMut,
    dialect: &mut NativeDialect,
    now: Timestamp,
    incoming: &mut Vec<Incoming>,
) {
    while let Ok(Some(Received::Message(message))) = reader.next(fresh) {
        if dialect.read(now, message, incoming).is_err() {
            incoming.clear();
        }
    }
}

#[inline(never)]
fn decide(
    queue: &mut Queue,
    now: Timestamp,
    request: RequestId,
    command: Command,
    effects: &mut Vec<Effect>,
) {
    let permit = if command.parks() { Permit::Parked } else { Permit::InFlight };
    queue.apply(now, ReplyTo { session: SessionId(1), request, permit }, command, effects);
}

#[inline(never)]
fn write_records(
    room: &RoomName,
    queue: &QueueName,
    first: RecordNumber,
    records: &[Record],
    out: &mut Vec<u8>,
) {
    out.clear();
    if !records.is_empty() {
        journal::put_entry(room, queue, first, records, out);
    }
}

#[inline(never)]
fn write_answers(dialect: &mut NativeDialect, answers: Vec<Outgoing>, frames: &mut Frames) {
    for answer in answers {
        dialect.write(answer, frames);
    }
    dialect.flush(frames);
    while frames.next_chunk().is_some() {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().unwrap_or(1000));
    let (depth, rounds) =
        (arguments.next().unwrap_or(1000_u64), arguments.next().unwrap_or(10_000));
    let mut path = Path::new()?;
    let body: Payload = Payload::from("{}");
    let from = ReplyTo { session: SessionId(2), request: RequestId(0), permit: Permit::InFlight };
    for _ in 0..depth {
        let message = NewMessage::from(body.clone());
        path.queue.apply(path.now, from, Command::Send { message }, &mut Vec::new());
    }
    let subscribe =
        format!(r#"{{"id":1,"op":"subscribe","queue":"jobs","credit":{}}}"#, 4 * TOGETHER);
    let mut leases = path.hear(&subscribe);
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(BODY - 11));
    let (mut id, mut settled) = (2, 0);
    for round in 1..=rounds {
        id += 1;
        let send = format!(r#"{{"id":{id},"op":"send","queue":"jobs","body":{body}}}"#);
        leases.extend(path.hear(&send));
        if round % TOGETHER as u64 > 0 {
            continue;
        }
        path.now.0 += 1;
        id += 1;
        let later = leases.split_off(leases.len().min(TOGETHER));
        let items: Vec<String> =
            leases.iter().map(|lease| format!(r#"{{"lease":"{lease}"}}"#)).collect();
        let items = items.join(",");
        let settle = format!(r#"{{"id":{id},"op":"settle","queue":"jobs","items":[{items}]}}"#);
        settled += leases.len();
        leases = later;
        leases.extend(path.hear(&settle));
    }
    println!(
        "depth {depth}: {rounds} messages sent, {settled} settled; {} ready",
        path.queue.size()
    );
    Ok(())
}
