//! What clients say, what is read, what is refused.

use super::*;
use proptest::prelude::*;

fn packed(header: &str, attachment: &[u8]) -> Bytes {
    let length = (header.len() as u64).to_be_bytes();
    [&length[..], header.as_bytes(), attachment].concat().into()
}

fn read<'a>(kind: &str, data: &'a Bytes) -> Result<Request<'a>, Error> {
    read_request(&RequestKind::read(kind.as_bytes()), data)
}

fn call(tool: QueueTool, name: &str, message: &'static str) -> Request<'static> {
    let name = Cow::Owned(name.to_owned());
    Request::Queues(QueueCall { tool, name, create: true, wait: true, message })
}

#[test]
fn both_generations_say_the_same() {
    let direct = packed(r#"{"name":"q","message":{"n":1.0},"__meshagent__":{"v":1}}"#, b"");
    let toolkit = packed(
        r#"{"tool_call_id":"t","arguments":{"json":{"message":{"n":1.0},"name":"q"},"type":"json"},
           "tool":"send","toolkit":"queues","participant_id":null}"#,
        b"",
    );
    let expected = call(QueueTool::Send, "q", r#"{"n":1.0}"#);
    assert_eq!(read("queues.send", &direct), Ok(expected));
    assert_eq!(read("room.invoke_tool", &toolkit), Ok(call(QueueTool::Send, "q", r#"{"n":1.0}"#)));
    assert_eq!(read("queues.list", &Bytes::new()), Ok(call(QueueTool::List, "", "null")));
}

#[test]
fn bodies_keep_their_exact_text() {
    for body in [
        "null",
        r#""text""#,
        "18446744073709551616123456789",
        "-0.0",
        "5e-324",
        r#"{"b" : 1 , "a":1, "a":2}"#,
        r#""\u0000\ud800\u00e9é""#,
    ] {
        let data = packed(&format!(r#"{{"name":"q","message":{body}}}"#), b"");
        let Ok(Request::Queues(call)) = read("queues.send", &data) else { panic!("{body}") };
        assert_eq!(call.message, body);
    }
}

#[test]
fn nesting_has_a_limit_that_brackets_in_text_do_not_reach() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let text = format!("[\"{}\\\"{}\"]", "[".repeat(500), "{".repeat(500));
    let wide = format!("[{}1]", "[],".repeat(500));
    for (body, fits) in [
        (nested(128), true),
        (nested(129), false),
        (nested(100_000), false),
        (text, true),
        (wide, true),
    ] {
        let data = packed(&format!(r#"{{"name":"q","message":{body}}}"#), b"");
        assert_eq!(read("queues.send", &data).is_ok(), fits, "{} bytes", body.len());
    }
}

#[test]
fn refusals_repeat_little_of_what_was_said() {
    let long = "x".repeat(1 << 20);
    for header in [
        format!(r#"{{"toolkit":"storage","tool":"{long}","arguments":{{}}}}"#),
        format!(r#"{{"toolkit":"queues","tool":"open","arguments":"{long}"}}"#),
    ] {
        let error = read("room.invoke_tool", &packed(&header, b"")).unwrap_err();
        assert!(error.message.len() < 300, "{}", error.message.len());
    }
}

#[test]
fn refusals_have_codes() {
    use ErrorCode::{InvalidJson, InvalidRequest, NotSupported};
    let tool = |toolkit: &str, tool: &str, arguments: &str| {
        format!(r#"{{"toolkit":"{toolkit}","tool":"{tool}","arguments":{arguments}}}"#)
    };
    let json = |json: &str| format!(r#"{{"type":"json","json":{json}}}"#);
    for (kind, header, code) in [
        ("queues.send", r#"{"name":"q"}"#.to_owned(), InvalidRequest),
        ("queues.send", r#"{"message":1}"#.to_owned(), InvalidRequest),
        ("queues.send", r#"{"name":1,"message":1}"#.to_owned(), InvalidRequest),
        ("queues.send", r#"{"name":"a","name":"b","message":1}"#.to_owned(), InvalidRequest),
        ("queues.send", r#"{"name":"q","message":NaN}"#.to_owned(), InvalidJson),
        ("queues.send", r#"{"name":"q","message":1"#.to_owned(), InvalidJson),
        ("queues.receive", r#"{"name":"q","wait":"yes"}"#.to_owned(), InvalidRequest),
        ("queues.receive", "[]".to_owned(), InvalidRequest),
        ("queues.peek", "{}".to_owned(), NotSupported),
        ("storage.list", "{}".to_owned(), NotSupported),
        ("room.invoke_tool", tool("storage", "list", &json(r#"{"name":1}"#)), NotSupported),
        ("room.invoke_tool", tool("queues", "peek", &json("{}")), NotSupported),
        (
            "room.invoke_tool",
            tool("messaging", "stream", r#"{"type":"control","method":"open"}"#),
            NotSupported,
        ),
        ("room.invoke_tool", tool("queues", "list", r#"{"type":"empty"}"#), InvalidRequest),
        ("room.invoke_tool", tool("queues", "open", &json("{}")), InvalidRequest),
        ("room.invoke_tool", "{}".to_owned(), InvalidRequest),
        ("messaging.send", r#"{"to_participant_id":"p","message":{}}"#.to_owned(), InvalidRequest),
        ("messaging.send", r#"{"type":"t","message":{}}"#.to_owned(), InvalidRequest),
        ("messaging.broadcast", r#"{"type":"t","message":[]}"#.to_owned(), InvalidRequest),
        (
            "messaging.broadcast",
            r#"{"type":"participant.disabled","message":{}}"#.to_owned(),
            InvalidRequest,
        ),
    ] {
        let data = packed(&header, b"");
        assert_eq!(read(kind, &data).map_err(|error| error.code), Err(code), "{kind} {header}");
    }
    let short = Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 9, b'{', b'}']);
    assert_eq!(read("queues.list", &short).unwrap_err().code, InvalidRequest);
    assert_eq!(read("queues.open", &Bytes::new()).unwrap_err().code, InvalidRequest);
}

#[test]
fn messaging_in_both_forms() {
    let attachment = Bytes::from_static(b"\0bytes");
    let expected = Ok(Request::Messaging(MessagingCall::Send {
        to: "p".into(),
        kind: "chat".into(),
        message: Payload::from(r#"{"a":1}"#),
        attachment: attachment.clone(),
    }));
    let direct =
        packed(r#"{"to_participant_id":"p","type":"chat","message":{"a":1}}"#, &attachment);
    assert_eq!(read("messaging.send", &direct), expected);
    let toolkit = packed(
        r#"{"toolkit":"messaging","tool":"send","arguments":{"type":"json","json":
           {"to_participant_id":"p","type":"chat","message_json":"{\"a\":1}","attachment_base64":"AGJ5dGVz"}}}"#,
        b"",
    );
    assert_eq!(read("room.invoke_tool", &toolkit), expected);
}

#[test]
fn attributes_are_plain_or_packed_and_lose_the_trace_context() {
    let expected = Ok(Request::SetAttributes(vec![("a".into(), Payload::from("[1]"))]));
    let plain = Bytes::from_static(br#"{"a":[1]}"#);
    assert_eq!(read("set_attributes", &plain), expected);
    let with_trace = packed(r#"{"a":[1],"__meshagent__":{"v":1,"otel":{}}}"#, b"");
    assert_eq!(read("set_attributes", &with_trace), expected);
}

proptest! {
    #[test]
    fn no_bytes_break_the_reading(kind in 0usize..6, data in proptest::collection::vec(any::<u8>(), 0..80)) {
        let kinds = ["queues.send", "queues.list", "room.invoke_tool", "messaging.send", "set_attributes", "x"];
        let data = Bytes::from(data);
        let _ = read(kinds[kind], &data);
    }
}
