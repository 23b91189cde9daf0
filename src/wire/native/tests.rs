use serde_json::value::RawValue;

use super::*;
use crate::error::ErrorCode;

fn all(text: &str) -> Vec<Taken<'_>> {
    let mut taken = Vec::new();
    read_frames(text, 3, &mut |frame| taken.push(frame));
    taken
}

fn one(text: &str) -> Taken<'_> {
    let mut taken = all(text);
    assert_eq!(taken.len(), 1, "{text}");
    taken.remove(0)
}

fn refused(text: &str) -> (Option<u64>, ErrorCode, String) {
    let (id, error) = one(text).unwrap_err();
    (id, error.code, error.message.into_owned())
}

fn body_of(frame: Frame<'_>) -> String {
    match frame.request {
        Request::Send(Sending::Body(body)) => body.get().to_owned(),
        Request::Send(Sending::Full(send)) => send.into_message().body.unwrap().get().to_owned(),
        _ => panic!("{frame:?}"),
    }
}

/// Bodies that a parser would change.
const BODIES: &[&str] = &[
    "1.0e5",
    "0.1000",
    "-0",
    "123456789012345678901234567890",
    r#"{ "b" : 1 ,  "a":2,"a":3}"#,
    r#""\u0041\/""#,
    "null",
    "[ ]",
    "\"\u{2028}\"",
];

#[test]
fn a_body_comes_out_byte_for_byte_wherever_it_stands() {
    for body in BODIES {
        for frame in [
            format!(r#"{{"id":1,"op":"send","queue":"q","body":{body}}}"#),
            format!(r#"{{"body":{body},"queue":"q","op":"send"}}"#),
            format!(" {{ \"op\" : \"send\" , \"body\" :\n{body} , \"queue\" : \"q\" }} "),
        ] {
            assert_eq!(body_of(one(&frame).unwrap()), *body, "{frame}");
        }
        let batch = format!(r#"{{"messages":[{{"body":{body}}}]}}"#);
        let send: SendRequest<'_> = read(&batch).unwrap();
        assert_eq!(send.messages.unwrap()[0].body.unwrap().get(), *body);
        let settle = format!(r#"{{"lease":"x","result":{body}}}"#);
        let settle: request::Settle<'_> = read(&settle).unwrap();
        assert_eq!(settle.result.unwrap().get(), *body);
    }
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let send = |body: &str| format!(r#"{{"id":1,"op":"send","queue":"q","body":{body}}}"#);
    assert_eq!(body_of(one(&send(&nested(128))).unwrap()).len(), 256);
    for depth in [129, 100_000] {
        let (id, code, message) = refused(&send(&nested(depth)));
        assert_eq!((id, code), (Some(1), ErrorCode::InvalidRequest));
        assert_eq!(message, "`body`: the message is nested too deeply");
    }
    let (_, code, _) =
        refused(&format!(r#"{{"op":"purge","queue":"q","states":{}}}"#, nested(9999)));
    assert_eq!(code, ErrorCode::InvalidRequest);
}

#[test]
fn every_op_is_read_with_its_fields_in_any_order() {
    for (text, op) in [
        (r#"{"op":"list"}"#, "list"),
        (r#"{"op":"open","queue":"q","settings":{"ttl_ms":null}}"#, "open"),
        (r#"{"settings":{"lease_ms":5},"op":"configure","queue":"q","replace":true}"#, "configure"),
        (r#"{"op":"explain","queue":"q","group":null}"#, "explain"),
        (r#"{"op":"purge","queue":"q","states":["ready"]}"#, "purge"),
        (r#"{"max":3,"op":"receive","wait_ms":1,"queue":"q","from":"new"}"#, "receive"),
        (r#"{"op":"subscribe","queue":"q","credit":0,"lease":"none"}"#, "subscribe"),
        (r#"{"op":"credit","queue":"q","receiver":5,"credit":1}"#, "credit"),
        (r#"{"op":"cancel","queue":"q","receiver":5}"#, "cancel"),
        (r#"{"op":"settle","queue":"q","items":[{"lease":"a","outcome":"dead"}]}"#, "settle"),
        (r#"{"op":"extend","queue":"q","leases":["a"]}"#, "extend"),
        (r#"{"op":"transaction","parts":[{"queue":"q","send":[{"body":1}]}]}"#, "transaction"),
        (r#"{"op":"browse","queue":"q","labels":{"a":"b"},"limit":3}"#, "browse"),
        (r#"{"op":"find","queue":"q","message":"0-1"}"#, "find"),
        (r#"{"op":"await","queue":"q","message":"0-1","wait_ms":9}"#, "await"),
        (r#"{"op":"change","queue":"q","action":"bury","ids":["0-1"]}"#, "change"),
        (r#"{"op":"group_open","queue":"q","group":"g","from":17}"#, "group_open"),
        (r#"{"op":"seek","queue":"q","to":"end"}"#, "seek"),
        (
            r#"{"op":"schedule_put","queue":"q","name":"n","at":1,"message":{"body":1}}"#,
            "schedule_put",
        ),
        (r#"{"op":"watch"}"#, "watch"),
        (r#"{"op":"watch","queue":"q"}"#, "watch"),
        (r#"{"op":"message","type":"t","message":{"x":1}}"#, "message"),
        (r#"{"op":"attributes","attributes":{"a":1.0}}"#, "attributes"),
        (r#"{"op":"ping","id":9007199254740991}"#, "ping"),
    ] {
        assert_eq!(one(text).map(|frame| frame.request.op()), Ok(op), "{text}");
    }
    assert!(OPS.contains(&"messaging"));
}

#[test]
fn a_refusal_names_the_field() {
    use ErrorCode::{InvalidJson, InvalidRequest};
    for (text, id, code, part) in [
        ("{", None, InvalidJson, "EOF"),
        ("nul}", None, InvalidJson, "expected"),
        ("7", None, InvalidRequest, "expected a request"),
        (r#"{"id":1}"#, Some(1), InvalidRequest, "missing field `op`"),
        (r#"{"id":1,"op":"fly"}"#, Some(1), InvalidRequest, "unknown variant `fly`"),
        (r#"{"id":1,"op":7}"#, Some(1), InvalidRequest, "`op`: invalid type"),
        (r#"{"id":-1,"op":"list"}"#, None, InvalidRequest, "`id`: invalid value"),
        (r#"{"id":1.5,"op":"list"}"#, None, InvalidRequest, "`id`: invalid type"),
        (r#"{"id":"1","op":"list"}"#, None, InvalidRequest, "`id`: invalid type"),
        (r#"{"id":9007199254740992,"op":"list"}"#, None, InvalidRequest, "`id` must be"),
        (r#"{"id":1,"id":2,"op":"list"}"#, None, InvalidRequest, "duplicate field `id`"),
        (r#"{"id":1,"op":"list","op":"list"}"#, Some(1), InvalidRequest, "duplicate field `op`"),
        (r#"{"id":1,"op":"inspect"}"#, Some(1), InvalidRequest, "missing field `queue`"),
        (r#"{"id":1,"op":"list","queue":"q"}"#, Some(1), InvalidRequest, "unknown field `queue`"),
        (r#"{"op":"list","id":3,"x":1}"#, Some(3), InvalidRequest, "unknown field `x`"),
        (r#"{"x":1,"op":"list","id":3}"#, Some(3), InvalidRequest, "unknown field `x`"),
        (
            r#"{"id":1,"op":"send","queue":"q","messages":[{"body":1},{"body":1,"priority":"x"}]}"#,
            Some(1),
            InvalidRequest,
            "`messages[1].priority`: invalid type: string \"x\", expected i32",
        ),
        (
            r#"{"max":"x","id":1,"op":"receive","queue":"q"}"#,
            Some(1),
            InvalidRequest,
            "`max`: invalid type",
        ),
        (
            r#"{"id":1,"op":"open","queue":"q","settings":{"backoff":{"kind":"odd","base_ms":1}}}"#,
            Some(1),
            InvalidRequest,
            "`settings.backoff.kind`: unknown variant `odd`",
        ),
        (
            r#"{"id":1,"op":"receive","queue":"q","from":"old"}"#,
            Some(1),
            InvalidRequest,
            "`from`: invalid value: string \"old\", expected \"all\", \"new\"",
        ),
        (r#"{"id":1,"op":"receive","queue":"q","lease":5}"#, Some(1), InvalidRequest, "`lease`"),
        (
            r#"{"id":1,"op":"receive","queue":"q","create":null}"#,
            Some(1),
            InvalidRequest,
            "`create`",
        ),
    ] {
        let (found, found_code, message) = refused(text);
        assert_eq!((found, found_code), (id, code), "{text}: {message}");
        assert!(message.contains(part), "{text}: {message}");
    }
    let long = format!(r#"{{"op":"list","{}":1}}"#, "ü".repeat(10_000));
    assert!(refused(&long).2.len() < 600, "what the client wrote is not repeated at length");
}

#[test]
fn one_bad_request_of_a_batch_is_refused_alone() {
    let taken = all(r#"[{"id":1,"op":"list"},{"id":2,"op":"fly"},{"id":3,"op":"ping"}]"#);
    let seen: Vec<_> = taken
        .into_iter()
        .map(|frame| frame.map(|frame| frame.id).map_err(|(id, error)| (id, error.code)))
        .collect();
    assert_eq!(seen, [Ok(Some(1)), Err((Some(2), ErrorCode::InvalidRequest)), Ok(Some(3))]);
    assert_eq!(all("[]").len(), 0);
    let many = |last: &str| format!(r#"[{{"op":"list"}},{{"op":"list"}},{{"op":"list"}},{last}]"#);
    assert_eq!(refused(&many(r#"{"op":"list"}"#)).1, ErrorCode::TooManyItems);
    assert_eq!(refused(&many("1")).1, ErrorCode::TooManyItems);
    assert_eq!(refused(r#"[{"id":1,"op":"list"},"#).1, ErrorCode::InvalidJson, "none is taken");
}

#[test]
fn null_puts_a_setting_back_and_absence_leaves_it() {
    let change: settings::SettingsChange =
        read(r#"{"ttl_ms":null,"lease_ms":5,"retain_dead_ms":"forever","retain_open_ms":7}"#)
            .unwrap();
    assert_eq!(
        (change.ttl_ms, change.lease_ms, change.delay_ms),
        (Some(None), Some(Some(5)), None)
    );
    assert_eq!(change.retain_dead_ms, Some(Some(Keep::Forever)));
    assert_eq!(
        serde_json::to_string(&change).unwrap(),
        r#"{"lease_ms":5,"ttl_ms":null,"retain_open_ms":7,"retain_dead_ms":"forever"}"#
    );
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_query_is_read_into_the_same_types() {
    let query = pairs(&[
        ("states", "ready,dead"),
        ("label", "a:b"),
        ("limit", "7"),
        ("label", "c:d:e"),
        ("type", "x"),
        ("sent_before", "99"),
    ]);
    let browse: request::Browse<'_> = read_query(&query).unwrap();
    assert_eq!(browse.states, Some(vec![State::Ready, State::Dead]));
    assert_eq!((browse.limit, browse.sent_before), (Some(7), Some(99)));
    let labels = browse.labels.unwrap();
    assert_eq!(labels[&Text::from("a")], Text::from("b"));
    assert_eq!(labels[&Text::from("c")], Text::from("d:e"));
    for (wrong, part) in [
        (("limit", "x"), "`limit`: invalid value: string \"x\", expected u32"),
        (("limit", "-1"), "`limit`"),
        (("states", "odd"), "`states`: unknown variant `odd`"),
        (("states", ""), "`states`"),
        (("label", "a"), "`label`: \"a\" is not"),
        (("odd", "1"), "unknown field `odd`"),
    ] {
        let query = pairs(&[wrong]);
        let error = read_query::<request::Browse<'_>>(&query).unwrap_err();
        assert!(error.message.contains(part), "{wrong:?}: {error}");
    }
    let query = pairs(&[("body", "1")]);
    assert!(read_query::<SendRequest<'_>>(&query).unwrap_err().message.contains("`body`"));
    let query = pairs(&[("priority", "-5"), ("key_replace", "true"), ("depends_on", "a,b")]);
    let send: SendRequest<'_> = read_query(&query).unwrap();
    assert_eq!((send.priority, send.key_replace), (Some(-5), Some(true)));
    assert_eq!(send.depends_on.map(|ids| ids.len()), Some(2));
}

#[test]
fn a_client_writes_what_the_server_reads() {
    let body: Box<RawValue> = serde_json::from_str("1.0e5").unwrap();
    let message = NewMessage { body: Some(Json::from(&*body)), ..NewMessage::default() };
    let request = SendRequest::from(message);
    let call = Call { id: Some(1), op: "send", queue: Some("q"), request };
    let text = serde_json::to_string(&call).unwrap();
    assert_eq!(text, r#"{"id":1,"op":"send","queue":"q","body":1.0e5}"#);
    assert_eq!(body_of(one(&text).unwrap()), "1.0e5");
    let request = request::Nothing {};
    let text = serde_json::to_string(&Call { id: None, op: "list", queue: None, request }).unwrap();
    assert_eq!(one(&text).unwrap().request, Request::List(request));
}

#[test]
fn a_client_reads_what_the_server_says() {
    let said = |text: &'static str| serde_json::from_str::<Said>(text).unwrap();
    assert_eq!(said(r#"{"id":1,"ok":{"x":1.0}}"#).ok.unwrap().get(), r#"{"x":1.0}"#);
    let event = said(r#"{"watch":7,"queue":"q","event":"sent","at":1,"message":"0-0","count":1}"#);
    assert_eq!(event.message.unwrap().get(), r#""0-0""#);
    let refusal = said(
        r#"{"id":null,"error":{"code":"x","number":1,"message":"m","retryable":true,"may_have_happened":false}}"#,
    );
    assert!(refusal.id.is_none() && refusal.error.unwrap().retryable);
}

#[test]
fn the_writer_separates_members_and_shares_what_is_large() {
    use crate::wire::websocket::Frames;
    use bytes::Bytes;
    let large = Bytes::from(format!("\"{}\"", "x".repeat(5000)));
    let mut writer = Writer::default();
    for _ in 0..2 {
        let mut frames = Frames::default();
        writer.begin(&mut frames);
        writer.put("[");
        for body in [&large, &Bytes::from_static(b"1"), &large] {
            writer.element();
            writer.put("{");
            writer.name("a");
            writer.text("\"\n");
            writer.name("body");
            writer.json(body);
            writer.name("n");
            writer.number_or_null(None::<u64>);
            writer.put("}");
        }
        writer.put("]");
        let expected = writer.len();
        writer.end(&mut frames);
        let mut bytes: Vec<u8> = Vec::new();
        let mut is_shared = false;
        while let Some(chunk) = frames.next_chunk() {
            is_shared |= chunk.as_ptr() == large.as_ptr();
            bytes.extend_from_slice(&chunk);
        }
        assert!(is_shared && writer.is_empty());
        let text = std::str::from_utf8(&bytes[4..]).unwrap();
        assert_eq!(text.len(), expected);
        let list: Vec<std::collections::BTreeMap<String, Box<RawValue>>> =
            serde_json::from_str(text).unwrap();
        assert_eq!((list.len(), list[2]["body"].get().as_bytes()), (3, &large[..]));
    }
}

#[test]
fn a_received_message_names_its_partition() {
    let whole = r#"{"id":"0-0","lease":null,"attempt":1,"until":null,"position":"0-0","partition":"p","sent_at":5,"body":1}"#;
    let received: Received = serde_json::from_str(whole).unwrap();
    assert_eq!((received.partition.as_str(), received.until), ("p", None));
    let less = whole.replace(r#""partition":"p","#, "");
    let error = serde_json::from_str::<Received>(&less).unwrap_err();
    assert!(error.to_string().starts_with("missing field `partition`"), "{error}");
}
