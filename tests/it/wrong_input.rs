//! What is not understood over `anteroom.v1`: the code, the sentence, and that nothing else is harmed.

use serde_json::{Value, json};

use crate::support::{
    Both, Http, Native, Server, full,
    raw::{BINARY, TEXT, frame},
    run,
};

/// Rows of a request and its refusal (or what it begins with), the same over WebSocket and over HTTP.
async fn are_refused(both: &mut Both<'_>, rows: Vec<(Value, &str)>) {
    for (request, refusal) in rows {
        let said = both.refused(request.clone()).await;
        match refusal.strip_suffix('…') {
            Some(begin) => assert!(said.starts_with(begin), "{request}: {said}"),
            None => assert_eq!(said, refusal, "{request}"),
        }
    }
}

#[test]
fn fields_that_are_wrong_are_named() {
    run(async {
        let server = Server::start(&["--limit", "items_per_request=3"]);
        let mut both = Both::new(&server).await;
        let long = "x".repeat(256);
        let send = |more: Value| {
            let mut request = json!({"op": "send", "queue": "q"});
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            request
        };
        let with = |op: &str, more: Value| {
            let mut request = json!({"op": op, "queue": "q"});
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            request
        };
        let labels: serde_json::Map<String, Value> =
            (0..65).map(|n| (n.to_string(), json!("x"))).collect();
        let rows = vec![
            (send(json!({})), "invalid_request: missing field `body` or `base64`"),
            (
                send(json!({"body": 1, "color": 2})),
                "invalid_request: unknown field `color`, expected one of `messages`, …",
            ),
            (
                send(json!({"body": 1, "priority": "high"})),
                "invalid_request: `priority`: invalid type: string \"high\", expected i32",
            ),
            (
                send(json!({"body": 1, "priority": 1_000_001})),
                "invalid_request: `priority` must be between -1000000 and 1000000",
            ),
            (
                send(json!({"body": 1, "delay_ms": -1})),
                "invalid_request: `delay_ms`: invalid value: integer `-1`, expected u64",
            ),
            (
                send(json!({"body": 1, "delay_ms": 1.5})),
                "invalid_request: `delay_ms`: invalid type: floating point `1.5`, expected u64",
            ),
            (
                send(json!({"body": 1, "parent_failed": "shrug"})),
                "invalid_request: `parent_failed`: unknown variant `shrug`, expected one of `wait`, `fail`, `run`",
            ),
            (
                send(json!({"body": 1, "labels": {"a": 1}})),
                "invalid_request: `labels.a`: invalid type: integer `1`, expected a string",
            ),
            (
                send(json!({"body": 1, "labels": {"": "x"}})),
                "invalid_request: `labels` must not be empty",
            ),
            (
                send(json!({"body": 1, "labels": labels})),
                "invalid_request: `labels` has at most 64 labels",
            ),
            (
                send(json!({"body": 1, "headers": [1]})),
                "invalid_request: `headers`: an object is expected",
            ),
            (
                send(json!({"body": 1, "message_id": "3-17"})),
                "invalid_request: `message_id` must not look like a position: 3-17",
            ),
            (
                send(json!({"body": 1, "message_id": ""})),
                "invalid_request: `message_id` must not be empty",
            ),
            (
                send(json!({"body": 1, "message_id": long})),
                "invalid_request: `message_id` has at most 255 bytes",
            ),
            (
                send(json!({"body": 1, "type": "a\nb"})),
                "invalid_request: `type` must not hold control characters",
            ),
            (
                send(json!({"body": 1, "partition": long})),
                "invalid_name: `partition`: a name has at most 255 bytes",
            ),
            (
                send(json!({"body": 1, "key_window_ms": 1})),
                "invalid_request: `key_window_ms`: only beside `key`",
            ),
            (
                send(json!({"body": 1, "base64": "AA=="})),
                "invalid_request: `base64`: not beside `body`",
            ),
            (
                send(json!({"body": 1, "content_type": "x"})),
                "invalid_request: `content_type`: only beside `base64`",
            ),
            (send(json!({"base64": "AA=="})), "invalid_request: missing field `content_type`"),
            (
                send(json!({"base64": "AA", "content_type": "x/y"})),
                "invalid_request: `base64`: Invalid padding",
            ),
            (
                send(json!({"body": 1, "messages": [{"body": 1}]})),
                "invalid_request: `messages`: no field of a message may stand beside it",
            ),
            (send(json!({"messages": []})), "invalid_request: `messages` must not be empty"),
            (
                send(json!({"messages": [{"body": 1}, {"body": 1, "type": 1}]})),
                "invalid_request: `messages[1].type`: invalid type: integer `1`, expected a string",
            ),
            (
                send(json!({"messages": [{"body": 1}, {"body": 1, "message_id": "0-0"}]})),
                "invalid_request: `messages[1].message_id` must not look like a position: 0-0",
            ),
            (
                send(json!({"messages": [{"body": 1}, {"body": 1}, {"body": 1}, {"body": 1}]})),
                "too_many_items: `messages`: 4 things, and one request may name 3",
            ),
            (
                send(
                    json!({"body": 1, "backoff": {"kind": "fixed", "base_ms": 1, "jitter_percent": 101}}),
                ),
                "invalid_request: backoff.jitter_percent must be between 0 and 100",
            ),
            (with("receive", json!({"max": 0})), "invalid_request: `max` must be at least 1"),
            (
                with("receive", json!({"max": 4})),
                "too_many_items: `max`: 4 things, and one request may name 3",
            ),
            (
                with("receive", json!({"lease_ms": 0})),
                "invalid_request: `lease_ms` must be between 1 and 604800000 (7 days)",
            ),
            (
                with("receive", json!({"lease_ms": 604_800_001})),
                "invalid_request: `lease_ms` must be between 1 and 604800000 (7 days)",
            ),
            (
                with("receive", json!({"lease": "none", "lease_ms": 5})),
                "invalid_request: `lease_ms`: only with `timed` and `bound`",
            ),
            (
                with("receive", json!({"lease": "long"})),
                "invalid_request: `lease`: unknown variant `long`, expected one of `timed`, `bound`, `session`, `none`",
            ),
            (
                with("receive", json!({"partitions": 0})),
                "invalid_request: `partitions` must be at least 1",
            ),
            (
                with("receive", json!({"partitions": 1, "labels": {"a": "b"}})),
                "invalid_request: `labels`: not with `partitions`",
            ),
            (
                with("receive", json!({"from": "middle"})),
                "invalid_request: `from`: invalid value: string \"middle\", expected \"all\", \"new\", or a time in milliseconds since the epoch",
            ),
            (
                with("receive", json!({"group": ""})),
                "invalid_name: `group`: a name must not be empty",
            ),
            (
                with("receive", json!({"create": false})),
                "queue_not_found: there is no such queue: q",
            ),
            (
                with("receive", json!({"create": null})),
                "invalid_request: `create`: invalid type: null, expected a boolean",
            ),
            (with("settle", json!({})), "invalid_request: missing field `lease` or `items`"),
            (with("settle", json!({"lease": "mine"})), "invalid_request: `lease` is not a lease"),
            (
                with("settle", json!({"items": [{"lease": "0-0-0-1", "outcome": "fine"}]})),
                "invalid_request: `items[0].outcome`: unknown variant `fine`, expected one of `done`, `retry`, `dead`, `release`, `cancel`",
            ),
            (
                with("settle", json!({"items": [{"lease": "0-0-0-1", "reason": "x"}]})),
                "invalid_request: `items[0].reason`: only with `retry` and `dead`",
            ),
            (
                with("settle", json!({"lease": "0-0-0-1", "outcome": "retry", "result": 1})),
                "invalid_request: `result`: only with `done`",
            ),
            (
                with("settle", json!({"lease": "0-0-0-1", "delay_ms": 1})),
                "invalid_request: `delay_ms`: only with `retry` and `release`",
            ),
            (
                with("settle", json!({"lease": "0-0-0-1", "items": []})),
                "invalid_request: `items`: no other field may stand beside it",
            ),
            (with("extend", json!({"leases": []})), "invalid_request: `leases` must not be empty"),
            (
                with("extend", json!({"leases": ["0-0-0-1"], "by_ms": 0})),
                "invalid_request: `by_ms` must be between 1 and 604800000 (7 days)",
            ),
            (with("browse", json!({"limit": 0})), "invalid_request: `limit` must be at least 1"),
            (
                with("browse", json!({"after": "x"})),
                "invalid_request: `after` is not a position: write 0-17",
            ),
            (with("purge", json!({})), "invalid_request: missing field `states`"),
            (
                with("purge", json!({"states": ["lost"]})),
                "invalid_request: `states[0]`: unknown variant `lost`, expected one of `blocked`, `delayed`, `ready`, `leased`, `dead`, `done`",
            ),
            (
                with("seek", json!({"to": "middle"})),
                "invalid_request: `to`: invalid value: string \"middle\", expected \"start\", \"end\", or a time in milliseconds since the epoch",
            ),
            (
                with("open", json!({"settings": {"lease_ms": 0}})),
                "invalid_settings: lease_ms must be between 1 and 604800000 (7 days)",
            ),
            (
                with("open", json!({"settings": {"ordering": "random"}})),
                "invalid_request: `settings.ordering`: unknown variant `random`, expected one of `fifo`, `priority`, `deadline`",
            ),
            (
                with("open", json!({"settings": {"speed": 1}})),
                "invalid_request: `settings`: unknown field `speed`, expected one of …",
            ),
            (with("configure", json!({})), "invalid_request: missing field `settings`"),
            (
                with("pause", json!({"for": 1})),
                "invalid_request: unknown field `for`, there are no fields",
            ),
            (
                json!({"op": "open", "queue": long}),
                "invalid_name: `queue`: a name has at most 255 bytes",
            ),
            (
                json!({"op": "open", "queue": "a\u{7f}"}),
                "invalid_name: `queue`: a name must not hold control characters",
            ),
        ];
        are_refused(&mut both, rows).await;
        both.gets(json!({"op": "list"}), json!({"queues": []})).await;
    });
}

#[test]
fn bodies_may_be_nested_128_deep_and_may_be_anything_that_is_json() {
    run(async {
        let server = Server::start(&[]);
        let http = Http::new(&server, "http");
        let mut peer = Native::join(&server, "ws", &full("ws")).await;
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let bodies = [
            "1.0e5",
            "-0",
            "1E400",
            r#"{ "b" : 1 ,"a":2, "a":3 }"#,
            "123456789012345678901234567890.5",
            "null",
            "\"\"",
            r#""\u00e9\ud83d\ude00é😀\/\n""#,
            "[ ]",
            r#""\ud800""#,
            &nested(127),
        ];
        for (at, body) in bodies.into_iter().enumerate() {
            let fields = format!(r#""queue":"q","body":{body},"headers":{{"h": {body}}}}}"#);
            peer.say(&format!(r#"{{"id":{at},"op":"send",{fields}"#)).await;
            assert_eq!(peer.reply(at as u64).await["ok"]["duplicate"], false, "{body}");
            let fields = fields.replacen(r#""queue":"q","#, "", 1);
            assert_eq!(
                http.call("POST", "/queues/q/messages", &format!("{{{fields}")).status,
                200,
                "{body}"
            );
            peer.say(r#"{"id":100,"op":"receive","queue":"q","lease":"none"}"#).await;
            let over_ws = peer.next_text().await;
            let over_http = http.call("POST", "/queues/q/receive", r#"{"lease":"none"}"#).text;
            for answer in [over_ws, over_http] {
                assert!(
                    answer.contains(&format!(r#""body":{body},"headers":{{"h": {body}}}}}"#)),
                    "{answer}"
                );
            }
        }
        // In a batch too, and what was said of a message comes out as it went in.
        let message = r#"{"message_id":"m","body":{"x" : 1.50,"x":2},"headers":{"y":1e1}}"#;
        peer.say(&format!(r#"[{{"op":"send","queue":"q","messages":[{message}]}},{{"id":7,"op":"receive","queue":"q","max":5}}]"#)).await;
        let text = peer.next_text().await;
        assert!(text.contains(r#""body":{"x" : 1.50,"x":2},"headers":{"y":1e1}}]}}"#), "{text}");
        let deepest = nested(128);
        peer.say(&format!(r#"{{"id":8,"op":"send","queue":"q","body":{deepest}}}"#)).await;
        assert_eq!(peer.reply(8).await["ok"]["duplicate"], false);
        http.call("POST", "/queues/q/messages", &format!(r#"{{"body":{deepest}}}"#)).ok();
        for bad in [nested(129).as_str(), "[", "01", "'x'", "NaN", "{\"a\":}", "\"\u{1}\""] {
            let said = format!(r#"{{"id":1,"op":"send","queue":"q","body":{bad}}}"#);
            peer.say(&said).await;
            let refusal = peer.next().await;
            let code = refusal["error"]["code"].as_str().unwrap().to_owned();
            let answer = http.call("POST", "/queues/q/messages", &format!(r#"{{"body":{bad}}}"#));
            assert_eq!((answer.status, answer.code()), (400, code.clone()), "{bad}");
            assert!(["invalid_json", "invalid_request"].contains(&code.as_str()), "{bad}: {code}");
        }
        assert_eq!(peer.ok(json!({"op": "list"})).await["queues"][0]["size"], 1);
    });
}

/// A frame, and what stands in the refusal.
#[test]
fn frames_that_are_wrong_are_refused_by_themselves() {
    run(async {
        let server = Server::start(&["--limit", "items_per_request=3"]);
        let mut peer = Native::join(&server, "r", &full("r")).await;
        let deep = format!(
            r#"{{"id":5,"op":"list","x":{}1{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        for (said, id, code, sentence) in [
            ("", Value::Null, "invalid_json", "EOF while parsing"),
            ("hello", Value::Null, "invalid_json", "expected value"),
            (r#"{"id":5,"op":"list"} {}"#, Value::Null, "invalid_json", "trailing characters"),
            (r#"{"id":5,"op":"list""#, Value::Null, "invalid_json", "EOF while parsing"),
            ("5", Value::Null, "invalid_request", "expected a request: an object with `op`"),
            ("null", Value::Null, "invalid_request", "expected a request: an object with `op`"),
            ("{}", Value::Null, "invalid_request", "missing field `op`"),
            (r#"{"id":5}"#, json!(5), "invalid_request", "missing field `op`"),
            (r#"{"id":5,"op":"fly"}"#, json!(5), "invalid_request", "unknown variant `fly`"),
            (r#"{"id":5,"op":7}"#, json!(5), "invalid_request", "expected a string"),
            (
                r#"{"id":"5","op":"list"}"#,
                Value::Null,
                "invalid_request",
                "`id`: invalid type: string",
            ),
            (
                r#"{"id":-5,"op":"list"}"#,
                Value::Null,
                "invalid_request",
                "`id`: invalid value: integer `-5`",
            ),
            (
                r#"{"id":5.5,"op":"list"}"#,
                Value::Null,
                "invalid_request",
                "`id`: invalid type: floating point",
            ),
            (
                r#"{"id":9007199254740992,"op":"list"}"#,
                Value::Null,
                "invalid_request",
                "at most 9007199254740991",
            ),
            (
                r#"{"id":5,"op":"list","op":"list"}"#,
                json!(5),
                "invalid_request",
                "duplicate field `op`",
            ),
            (
                r#"{"id":5,"op":"list","queue":"q"}"#,
                json!(5),
                "invalid_request",
                "unknown field `queue` for `list`",
            ),
            (r#"{"id":5,"op":"inspect"}"#, json!(5), "invalid_request", "missing field `queue`"),
            (
                r#"{"id":5,"op":"inspect","queue":7}"#,
                json!(5),
                "invalid_request",
                "`queue`: invalid type: integer",
            ),
            (
                r#"{"queue":"q","max":"x","op":"receive","id":5}"#,
                json!(5),
                "invalid_request",
                "`max`: invalid type: string",
            ),
            (
                r#"{"op":"receive","queue":"q"}"#,
                Value::Null,
                "invalid_request",
                "missing field `id`",
            ),
            (
                r#"{"op":"await","queue":"q","message":"0-0"}"#,
                Value::Null,
                "invalid_request",
                "missing field `id`",
            ),
            (
                r#"{"op":"subscribe","queue":"q"}"#,
                Value::Null,
                "invalid_request",
                "missing field `id`",
            ),
            (r#"{"op":"watch"}"#, Value::Null, "invalid_request", "missing field `id`"),
            (
                r#"{"id":5,"op":"credit","queue":"q","receiver":1}"#,
                json!(5),
                "invalid_request",
                "missing field `credit`",
            ),
            (
                r#"{"id":5,"op":"subscribe","queue":"q","max":1}"#,
                json!(5),
                "invalid_request",
                "unknown field `max`",
            ),
            (
                r#"{"id":5,"op":"message","message":1}"#,
                json!(5),
                "invalid_request",
                "missing field `type`",
            ),
            (
                r#"{"id":5,"op":"messaging","enabled":"yes"}"#,
                json!(5),
                "invalid_request",
                "`enabled`: invalid type: string",
            ),
            (
                r#"{"id":5,"op":"attributes","attributes":[]}"#,
                json!(5),
                "invalid_request",
                "`attributes`: invalid type: sequence",
            ),
            (
                r#"[{"op":"ping"},{"op":"ping"},{"op":"ping"},{"op":"ping"}]"#,
                Value::Null,
                "too_many_items",
                "a frame may hold 3 requests",
            ),
            (
                r#"[{"op":"ping"},{"op":"p"},{"op":"ping"},{"op":"ping"}]"#,
                Value::Null,
                "too_many_items",
                "a frame may hold 3 requests",
            ),
            (r#"[{"id":5,"op":"ping"}"#, Value::Null, "invalid_json", "EOF while parsing"),
            ("[[]]", Value::Null, "invalid_request", "expected a request"),
            (deep.as_str(), json!(5), "invalid_request", "unknown field `x`"),
        ] {
            peer.say(said).await;
            let refusal = peer.next().await;
            let error = &refusal["error"];
            let said = said.chars().take(80).collect::<String>();
            assert_eq!((&refusal["id"], &error["code"]), (&id, &json!(code)), "{said}: {refusal}");
            assert!(error["message"].as_str().unwrap().contains(sentence), "{said}: {refusal}");
            assert_eq!(
                (&error["retryable"], &error["may_have_happened"]),
                (&json!(false), &json!(false))
            );
        }
        // An empty batch asks nothing, spaces mean nothing, and what is right is done.
        peer.say("[]").await;
        peer.say(
            " [ {\"op\" : \"ping\"} , {\"id\":1,\"op\":\"bad\"}, {\"op\":\"ping\",\"id\":0} ] ",
        )
        .await;
        assert_eq!(peer.next().await["error"]["code"], "invalid_request");
        assert!(peer.reply(0).await["ok"]["time"].is_u64());
        peer.say(r#"{"queue":"q","body":[1],"\u006fp":"\u0073end","id":9007199254740991}"#).await;
        assert_eq!(peer.reply(9_007_199_254_740_991).await["ok"]["id"], "0-0");
    });
}

#[test]
fn broken_framing_ends_the_connection_with_its_code() {
    run(async {
        let server =
            Server::start(&["--limit", "frame_bytes=1000", "--limit", "message_bytes=1500"]);
        let text =
            |length: usize| format!(r#"{{"id":1,"op":"ping","x":"{}"}}"#, "x".repeat(length - 27));
        for (bytes, code, reason) in [
            (frame(true, BINARY, b"{}"), 1003, "only text messages are understood here"),
            (frame(true, TEXT, b"\xff"), 1007, ""),
            (frame(true, TEXT, text(1001).as_bytes()), 1009, "the frame is larger than the limit"),
            (
                [frame(false, TEXT, text(1000).as_bytes()), frame(true, 0, &[b' '; 501])].concat(),
                1009,
                "the message is larger than the limit",
            ),
            (vec![0x81, 0x02, b'{', b'}'], 1002, ""),
        ] {
            let mut peer = Native::join(&server, "r", &full("r")).await;
            peer.socket.send_raw(&bytes).await.unwrap();
            let (ended, said) = peer.end().await.unwrap();
            assert_eq!(ended, code, "{said}");
            if !reason.is_empty() {
                assert_eq!(said, reason);
            }
        }
        let mut peer = Native::join(&server, "r", &full("r")).await;
        let at = text(1000);
        peer.socket.send_raw(&frame(false, TEXT, at.as_bytes())).await.unwrap();
        peer.socket.send_raw(&frame(true, 0, &[b' '; 500])).await.unwrap();
        let refusal = peer.next().await;
        assert_eq!(
            (&refusal["id"], &refusal["error"]["code"]),
            (&json!(1), &json!("invalid_request")),
            "at the limit"
        );
    });
}
