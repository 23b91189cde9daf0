//! Recorded frames of the published MeshAgent clients, see `tests/frames/README.md`: what they say is
//! understood, and what the server said to them is said again, byte for byte.
//!
//! The expectation is read from the recorded bytes a second time, in a slow and simple way.

mod queen;

use std::collections::{BTreeMap, BTreeSet};
use std::{fs, path::Path};

use anteroom::error::ErrorCode;
use anteroom::wire::meshagent::{self, Joined, Layout, MessagingCall, Packets, Request};
use anteroom::wire::websocket::{Close, Frames};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Value, from_str, value::RawValue};

/// The clients, and how each is greeted.
const CLIENTS: [(&str, Layout); 3] = [
    ("javascript-0.39.9", Layout::Spaces),
    ("python-0.0.21", Layout::Spaces),
    ("python-0.56.0", Layout::Packed),
];

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/frames/meshagent");

fn names_in(directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(Path::new(FOLDER).join(directory)).unwrap().map(Result::unwrap);
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn decoded(base64: &Value) -> Bytes {
    BASE64_STANDARD.decode(base64.as_str().unwrap()).unwrap().into()
}

/// The members of a JSON object, to the letter. Whatever else is there has none.
fn members(json: &str) -> BTreeMap<String, &RawValue> {
    from_str(json).unwrap_or_default()
}

/// A message, read from its packets by hand.
struct Said {
    id: u64,
    kind: String,
    /// `toolkit.tool` of a tool, else the kind.
    call: String,
    /// The arguments of a tool without what they are wrapped in, else the header: JSON, or nothing at all.
    text: String,
    value: Value,
    attachment: Bytes,
    data: Bytes,
    packets: Vec<Bytes>,
    /// The file, and the line that the recorder writes.
    at: String,
}

impl Said {
    fn read(file: &str, by: &str, packets: Vec<Bytes>) -> Self {
        let id = u64::from_be_bytes(packets[0][..8].try_into().unwrap());
        let kind = String::from_utf8(packets[0][16..].to_vec()).unwrap();
        let data: Bytes = packets[1..].iter().flat_map(|packet| &packet[12..]).copied().collect();
        let (start, end) = match data.first() {
            None | Some(b'{') => (0, data.len()),
            Some(b' ') => (8, data.len()),
            Some(_) => (8, 8 + u64::from_be_bytes(data[..8].try_into().unwrap()) as usize),
        };
        let attachment = data.slice(end..);
        let mut text = String::from_utf8(data[start..end].to_vec()).unwrap();
        let secrets = ["eyJ", "Bearer", "token=", "/work", "/home", "/tmp"];
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{file}: {text}");
        let (mut what, mut call) = (format!("request {id} {kind}"), kind.clone());
        if by == "server" {
            let is_push = kind != "__response__";
            what = if is_push { format!("push {kind}") } else { format!("answer {id}") };
        } else if kind == "room.invoke_tool" {
            let value: Value = from_str(&text).unwrap();
            call = [&value["toolkit"], &value["tool"]].map(|name| name.as_str().unwrap()).join(".");
            what = format!("{what} {call}");
            let json = members(members(&text)["arguments"].get()).get("json").copied();
            text = json.map_or_else(|| text.clone(), |json| json.get().to_owned());
        }
        let shown: String = text.chars().take(80).collect();
        let more = if shown.len() < text.len() { "…" } else { "" };
        let size = format!(" + {} bytes", attachment.len());
        let size = if attachment.is_empty() { "" } else { &size };
        let at = format!("{file}: {what} {shown}{more}{size}").trim_end().to_owned();
        let value = from_str(&text).unwrap_or_default();
        Self { id, kind, call, text, value, attachment, data, packets, at }
    }

    fn exact(&self, key: &str) -> Bytes {
        members(&self.text).get(key).map_or("null", |json| json.get()).to_owned().into()
    }

    /// Writes the same message with our encoder; `asked` is the call that it answers.
    fn say_again(&self, out: &mut Frames, layout: Layout, asked: &str) {
        let (id, value) = (self.id, &self.value);
        let text = |pointer: &str| value.pointer(pointer).unwrap().as_str().unwrap();
        match (self.kind.as_str(), value["type"].as_str(), asked) {
            ("room_ready", ..) => {
                let (room, url) = (text("/room_name"), text("/room_url"));
                assert!(url.starts_with("ws://127.0.0.1:"), "{url}");
                meshagent::room_ready(out, id, layout, room, url, text("/session_id"));
            }
            ("connected", Some("init"), _) => {
                let name = text("/attributes/name");
                meshagent::connected(out, id, layout, text("/participantId"), name);
            }
            ("messaging.send", Some(kind), _) => {
                let (from, message) = (text("/from_participant_id"), self.exact("message"));
                meshagent::notice(out, id, from, kind, &message, &self.attachment);
            }
            ("__response__", Some("empty"), _) => meshagent::empty(out, id),
            ("__response__", Some("error"), _) => {
                let code = value["code"].as_u64().unwrap() as u16;
                meshagent::answer_error(out, id, text("/text"), code);
            }
            ("__response__", Some("json"), "queues.list") => {
                let queues = value["json"]["queues"].as_array().unwrap().iter().map(|queue| {
                    (queue["name"].as_str().unwrap(), queue["size"].as_u64().unwrap() as usize)
                });
                meshagent::answer_queues(out, id, queues);
            }
            ("__response__", ..) => meshagent::answer_json(out, id, &self.exact("json")),
            _ => panic!("the server says no such thing: {}", self.at),
        }
    }
}

/// All connections: how the client was greeted, what it said, what the server said, and the server's
/// pings and closes. Messages are joined by our reader and by hand.
fn recordings() -> Vec<(Layout, [Vec<Said>; 2], Vec<Value>)> {
    let files = CLIENTS.into_iter().flat_map(|(client, layout)| {
        names_in(client).into_iter().map(move |name| (format!("{client}/{name}"), layout))
    });
    let read = |(file, layout): (String, Layout)| {
        let text = fs::read_to_string(Path::new(FOLDER).join(&file)).unwrap();
        let mut lines: Vec<Value> = text.lines().map(|line| from_str(line).unwrap()).collect();
        let said = ["client", "server"].map(|by| {
            let (mut reader, mut packets, mut all) = (Packets::new(1 << 20), vec![], vec![]);
            for line in lines.iter().filter(|line| line["from"] == by && line["opcode"] == 2) {
                let mut joined = None;
                packets.push(decoded(&line["data"]));
                reader.next(decoded(&line["data"]), &mut |event| joined = Some(event)).unwrap();
                let Some(joined) = joined else { continue };
                let said = Said::read(&file, by, std::mem::take(&mut packets));
                assert_eq!(said.at, format!("{file}: {}", line["meaning"].as_str().unwrap()));
                let (id, kind, data) = (said.id, said.kind.clone().into(), said.data.clone());
                assert_eq!(joined, Joined::Message { id, kind, data }, "{}", said.at);
                all.push(said);
            }
            assert!(packets.is_empty() && !all.is_empty(), "{file}: {by} broke off or was silent");
            all
        });
        lines.retain(|line| line["from"] == "server" && line["opcode"] != 2);
        (layout, said, lines)
    };
    files.map(read).collect()
}

fn bytes_of(mut frames: Frames) -> Vec<u8> {
    std::iter::from_fn(|| frames.next_chunk()).flatten().collect()
}

/// A WebSocket frame of the server, by the book; there are none of 64 KiB here.
fn frame(opcode: u8, data: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(data.len()).unwrap().to_be_bytes();
    let len = if data.len() < 126 { vec![low] } else { vec![126, high, low] };
    [&[0x80 | opcode], &len[..], data].concat()
}

#[test]
fn every_client_has_recordings() {
    assert_eq!(names_in(""), CLIENTS.map(|(client, _)| client.to_owned()).into());
    assert!(CLIENTS.iter().all(|(client, _)| names_in(client).contains("queues.jsonl")));
}

#[test]
fn requests_of_the_clients_are_understood_and_cut_as_they_cut_them() {
    for said in recordings().into_iter().flat_map(|(_, [client, _], _)| client) {
        let at = &said.at;
        assert_eq!(meshagent::cut(said.id, &said.kind, &said.data), said.packets, "{at}");
        let text = |key: &str| said.value[key].as_str().unwrap_or_default().to_owned();
        let flag = |key: &str| said.value.get(key).is_none_or(|flag| flag.as_bool().unwrap());
        let kind = meshagent::RequestKind::read(said.kind.as_bytes());
        let request = meshagent::read_request(&kind, &said.data);
        match (request, said.call.split_once('.').unwrap_or(("", &said.call))) {
            (Ok(Request::Queues(read)), ("queues", tool)) => {
                assert_eq!(format!("{:?}", read.tool).to_lowercase(), tool, "{at}");
                assert_eq!(read.name, text("name"), "{at}");
                assert_eq!((read.create, read.wait), (flag("create"), flag("wait")), "{at}");
                assert_eq!(read.message, said.exact("message"), "{at}");
            }
            (Ok(Request::Messaging(read)), ("messaging", tool)) => {
                let (to, kind) = (text("to_participant_id"), text("type"));
                let is_tool = said.kind == "room.invoke_tool";
                let body =
                    if is_tool { text("message_json").into() } else { said.exact("message") };
                let (message, base64) = (body.into(), text("attachment_base64").into());
                let attachment = if is_tool { decoded(&base64) } else { said.attachment };
                let expected = match tool {
                    "enable" => MessagingCall::Enable,
                    "disable" => MessagingCall::Disable,
                    "send" => MessagingCall::Send { to, kind, message, attachment },
                    _ => MessagingCall::Broadcast { kind, message, attachment },
                };
                assert_eq!(read, expected, "{at}");
            }
            (Ok(Request::SetAttributes(read)), ("", "set_attributes")) => {
                let names = members(&said.text).into_keys().filter(|name| name != "__meshagent__");
                let expected = names.map(|name| (name.clone(), said.exact(&name).into()));
                assert_eq!(read, expected.collect::<Vec<_>>(), "{at}");
            }
            (Ok(Request::ListToolkits), ("room" | "agent", "list_toolkits"))
            | (Ok(Request::ToolCallChunk), ("room", "tool_call_request_chunk")) => {}
            (Err(error), (toolkit, tool)) => {
                let is_ours = ["queues", "messaging"].contains(&toolkit) && tool != "no-such-tool";
                assert_eq!((error.code, is_ours), (ErrorCode::NotSupported, false), "{at}");
            }
            (Ok(read), _) => panic!("{at}: {read:?}"),
        }
    }
}

#[test]
fn what_the_server_said_is_said_again_byte_for_byte() {
    for (layout, [client, server], controls) in recordings() {
        for said in server {
            let asked = client.iter().find(|request| request.id == said.id);
            let asked = asked.map_or("", |request| &request.call);
            let expected: Vec<u8> = said.packets.iter().flat_map(|data| frame(2, data)).collect();
            let mut frames = Frames::default();
            said.say_again(&mut frames, layout, asked);
            assert_eq!(bytes_of(frames), expected, "{}", said.at);
            if asked == "queues.receive" && said.value["type"] == "json" {
                let mut sent = client.iter().filter(|request| request.call == "queues.send");
                let got = said.exact("json");
                assert!(sent.any(|sent| sent.exact("message") == got), "never sent: {}", said.at);
            }
        }
        for line in controls {
            let (mut frames, data) = (Frames::default(), decoded(&line["data"]));
            let opcode = line["opcode"].as_u64().unwrap() as u8;
            match opcode {
                8 => frames.close(Close::NORMAL),
                _ => frames.ping(&data),
            }
            assert_eq!(bytes_of(frames), frame(opcode, &data));
        }
    }
}
