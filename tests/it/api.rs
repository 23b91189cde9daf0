//! `anteroom.v1` over HTTP.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Document, Http, PATIENCE, Server, exchange, full, now, run, sign, token};

/// Asks until it is so: what a closed connection causes takes its time.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lease(message: &Value) -> Value {
    message["lease"].clone()
}

#[test]
fn a_token_is_needed_and_must_be_good_for_the_room() {
    let server = Server::start(&[]);
    let http = |token: &str| Http { token: token.to_owned(), ..Http::new(&server, "r") };
    assert_eq!(Http::new(&server, "r").get("/queues").ok(), json!({"queues": []}));
    let expired =
        sign(&json!({"name": "p", "exp": now() - 100, "grants": [{"name": "room", "scope": "r"}]}));
    for (token, status, code) in [
        ("bad", 401, "token_invalid"),
        (expired.as_str(), 401, "token_expired"),
        (&full("other"), 403, "wrong_room"),
        (&token("r", "p", json!({"messaging": {}})), 403, "permission_denied"),
    ] {
        let answer = http(token).get("/queues");
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        assert_eq!(answer.header("www-authenticate"), (status == 401).then_some("Bearer"));
    }
    let plain = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        exchange(&mut http("").connect(), &request)
    };
    assert_eq!(plain("/v1/rooms/r/queues").code(), "token_missing");
    assert_eq!(plain(&format!("/v1/rooms/r/queues?token={}", full("r"))).status, 200);
    let send_only = token("r", "p", json!({"queues": {"send": ["q"], "receive": []}}));
    let sender = http(&send_only);
    assert_eq!(sender.post("/queues/q/messages", json!({"body": 1})).status, 200);
    assert_eq!(sender.post("/queues/q/receive", json!({})).code(), "permission_denied");
    assert_eq!(sender.post("/queues/q/pause", json!({})).code(), "permission_denied");
    assert_eq!(
        sender.post("/queues/other/messages", json!({"body": 1})).code(),
        "permission_denied"
    );
}

#[test]
fn what_is_not_understood_is_refused_as_a_problem_that_names_it() {
    let server =
        Server::start(&["--limit", "items_per_request=3", "--limit", "message_bytes=1000"]);
    let http = Http::new(&server, "r");
    let rows = [
        ("POST", "/nowhere", "", 404, "not_found", "/v1/rooms/r/nowhere"),
        ("DELETE", "/queues", "", 405, "method_not_allowed", ""),
        ("POST", "/queues/q/messages", "{", 400, "invalid_json", "EOF"),
        ("POST", "/queues/q/messages", "{}", 400, "invalid_request", "missing field `body`"),
        (
            "POST",
            "/queues/q/messages",
            r#"{"body":1,"x":2}"#,
            400,
            "invalid_request",
            "unknown field `x`",
        ),
        (
            "POST",
            "/queues/q/messages",
            r#"{"messages":[{"body":1},{"body":1,"priority":1.5}]}"#,
            400,
            "invalid_request",
            "`messages[1].priority`: invalid type: floating point",
        ),
        (
            "POST",
            "/queues/q/messages",
            r#"{"messages":[{"body":1},{"body":1,"partition":""}]}"#,
            400,
            "invalid_name",
            "`messages[1].partition`: a name must not be empty",
        ),
        (
            "POST",
            "/queues/q/messages",
            r#"{"messages":[{"body":1},{"body":1},{"body":1},{"body":1}]}"#,
            413,
            "too_many_items",
            "`messages`: 4",
        ),
        ("POST", "/queues/q/receive", r#"{"max":4}"#, 413, "too_many_items", "`max`"),
        ("POST", "/queues/q/receive", r#"{"max":0}"#, 400, "invalid_request", "`max`"),
        ("POST", "/queues/q/receive", r#"{"wait_ms":60001}"#, 400, "invalid_request", "`wait_ms`"),
        ("POST", "/queues/q/receive", r#"{"lease":"session"}"#, 400, "invalid_request", "`lease`"),
        ("POST", "/queues/q/receive", r#"{"create":false}"#, 404, "queue_not_found", "q"),
        ("POST", "/queues/q/settle", r#"{"lease":"x"}"#, 400, "invalid_request", "`lease`"),
        ("PUT", "/queues/q", r#"{"settings":{"lease_ms":0}}"#, 400, "invalid_settings", "lease_ms"),
        ("PUT", "/queues/a%00b", "", 400, "invalid_name", "`queue`: a name must not hold"),
        ("GET", "/queues/q/messages?limit=x", "", 400, "invalid_request", "`limit`"),
        ("GET", "/queues/none", "", 404, "queue_not_found", "none"),
        (
            "PUT",
            "/queues/q/schedules/s",
            r#"{"cron":"61 * * * *","message":{"body":1}}"#,
            400,
            "invalid_request",
            "61 * * * *",
        ),
    ];
    for (method, path, body, status, code, part) in rows {
        let answer = http.call(method, path, body);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{path} {body}: {answer:?}"
        );
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(part), "{path} {body}: {detail}");
    }
    assert_eq!(http.call("DELETE", "/queues", "").header("allow"), Some("GET"));
    let body = |length: usize| format!(r#"{{"body":"{}"}}"#, "x".repeat(length - 11));
    assert_eq!(http.call("POST", "/queues/q/messages", &body(1000)).status, 200, "at the limit");
    assert_eq!(http.call("POST", "/queues/q/messages", &body(1001)).code(), "message_too_large");
}

#[test]
fn messages_are_sent_received_and_settled_and_bodies_keep_their_bytes() {
    let server = Server::start(&[]);
    let http = Http::new(&server, "r");
    let path = "/queues/a%20b%2F%C3%BC/messages";
    let bodies = [
        "1.0e5",
        r#"{ "b" : 1 ,"a":2, "a":3 }"#,
        "123456789012345678901234567890",
        r#""é\u00e9""#,
        "null",
    ];
    for body in bodies {
        let sent = http.call("POST", path, &format!(r#"{{"body": {body} }}"#)).ok();
        assert_eq!(sent["duplicate"], json!(false));
    }
    let large = format!("[{}1]", "1, ".repeat(20_000));
    http.call("POST", path, &format!(r#"{{"messages":[{{"body":{large}}}]}}"#)).ok();
    assert_eq!(http.get("/queues").ok()["queues"][0], json!({"name": "a b/ü", "size": 6}));
    let answer =
        http.call("POST", "/queues/a%20b%2F%C3%BC/receive", r#"{"max":10,"lease_ms":60000}"#);
    let messages = answer.ok()["messages"].as_array().unwrap().clone();
    assert_eq!(messages.len(), 6);
    for body in bodies.into_iter().chain([large.as_str()]) {
        assert!(answer.text.contains(&format!(r#""body":{body}}}"#)), "{body}");
    }
    assert_eq!(messages[0]["id"], "0-0");
    assert_eq!(messages[0]["attempt"], 1);
    let until = messages[0]["until"].as_u64().unwrap();
    assert!(until > messages[0]["sent_at"].as_u64().unwrap() + 50_000);
    let items = json!({"items": [
        {"lease": lease(&messages[0])},
        {"lease": lease(&messages[1]), "outcome": "retry", "delay_ms": 60_000, "reason": "busy"},
        {"lease": lease(&messages[2]), "outcome": "dead"},
        {"lease": lease(&messages[3]), "outcome": "release"},
        {"lease": lease(&messages[4]), "outcome": "cancel"},
        {"lease": "0-0-0-1"},
    ]});
    let results = http.post("/queues/a%20b%2F%C3%BC/settle", items).ok()["results"].clone();
    let status: Vec<&str> =
        results.as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["done", "back", "dead", "back", "cancelled", "lost"]);
    assert!(results[1]["at"].is_u64() && results[3].get("at").is_none());
    let extended = json!({"leases": [lease(&messages[5]), lease(&messages[0])], "by_ms": 600_000});
    let extended = http.post("/queues/a%20b%2F%C3%BC/extend", extended).ok()["until"].clone();
    assert!(extended[0].as_u64().unwrap() > until && extended[1].is_null());
}

#[test]
fn a_body_may_be_sent_as_it_is() {
    let server = Server::start(&[]);
    let http = Http::new(&server, "r");
    let path = "/queues/q/messages/raw?type=t&label=a:b&label=c:d:e&priority=-3&key=k";
    let send = |kind: &str, path: &str, body: &str| {
        http.call_with("POST", path, &[&format!("Content-Type: {kind}")], body)
    };
    send("application/json; charset=utf-8", path, r#" {"x": 1.50} "#).ok();
    assert!(send("text/plain", path, "other").ok()["duplicate"].as_bool().unwrap(), "its key");
    send("text/plain", "/queues/q/messages/raw", "é").ok();
    http.call("POST", "/queues/q/messages/raw", "\x01").ok();
    assert_eq!(send("application/json", path, "{").code(), "invalid_json");
    assert_eq!(send("text/plain", "/queues/q/messages/raw?body=1", "x").code(), "invalid_request");
    let answer = http.post("/queues/q/receive", json!({"max": 9}));
    assert!(answer.text.contains(r#""body":{"x": 1.50},"#), "{}", answer.text);
    let messages = answer.ok()["messages"].clone();
    assert_eq!(messages[0]["labels"], json!({"a": "b", "c": "d:e"}));
    assert_eq!((&messages[0]["type"], &messages[0]["priority"]), (&json!("t"), &json!(-3)));
    assert_eq!(
        (&messages[1]["base64"], &messages[1]["content_type"]),
        (&json!("w6k="), &json!("text/plain"))
    );
    assert_eq!(messages[2]["content_type"], "application/octet-stream");
}

#[test]
fn an_idempotency_key_is_the_key_of_messages_that_have_none() {
    let server = Server::start(&[]);
    let http = Http::new(&server, "r");
    let send = |body: Value| {
        let body = body.to_string();
        http.call_with("POST", "/queues/q/messages", &["Idempotency-Key: order-7"], &body).ok()
    };
    assert_eq!(send(json!({"body": 1})), json!({"id": "0-0", "duplicate": false}));
    assert_eq!(send(json!({"body": 1})), json!({"id": "0-0", "duplicate": true}));
    let batch = json!({"messages": [{"body": 1}, {"body": 2, "key": "own"}]});
    assert_eq!(send(batch.clone())["messages"][1], json!({"id": "0-2", "duplicate": false}));
    assert_eq!(send(batch)["messages"][0], json!({"id": "0-1", "duplicate": true}));
    let messages = http.post("/queues/q/receive", json!({"max": 9})).ok()["messages"].clone();
    let keys: Vec<&str> =
        messages.as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["order-7", "order-7:0", "own"]);
}

#[test]
fn a_receive_waits_for_a_message() {
    let server = Server::start(&[]);
    let http = Http::new(&server, "r");
    let began = Instant::now();
    assert_eq!(
        http.post("/queues/q/receive", json!({"wait_ms": 200})).ok(),
        json!({"messages": []})
    );
    assert!(began.elapsed() >= Duration::from_millis(200));
    std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| http.post("/queues/q/receive", json!({"wait_ms": 30_000})).ok());
        until("the receiver waits", || receivers(&http) == 1);
        http.post("/queues/q/messages", json!({"body": "x"})).ok();
        assert_eq!(waiting.join().unwrap()["messages"][0]["body"], "x");
    });
}

fn receivers(http: &Http<'_>) -> u64 {
    http.get("/queues/q").ok()["groups"][0]["receivers"].as_u64().unwrap()
}

/// Whether it closes, aborts, or only closes its own end: nothing is handed to a peer that is gone.
#[test]
fn a_client_that_goes_away_while_it_waits_takes_nothing() {
    let server = Server::start(&[]);
    let http = Http::new(&server, "r");
    http.put("/queues/q", json!({})).ok();
    for way in ["drop", "half"] {
        let mut stream = http.connect();
        let request = http.request("POST", "/queues/q/receive", &[], r#"{"wait_ms":60000}"#);
        stream.write_all(request.as_bytes()).unwrap();
        until("the receiver waits", || receivers(&http) == 1);
        match way {
            "drop" => drop(stream),
            _ => stream.shutdown(std::net::Shutdown::Write).unwrap(),
        }
        until("the receiver is forgotten", || receivers(&http) == 0);
    }
    http.post("/queues/q/messages", json!({"body": 1})).ok();
    let messages = http.post("/queues/q/receive", json!({})).ok()["messages"].clone();
    assert_eq!((messages.as_array().unwrap().len(), &messages[0]["attempt"]), (1, &json!(1)));
}

#[test]
fn a_connection_serves_many_requests() {
    let server = Server::start(&[]);
    let http = Http::new(&server, "r");
    let mut stream = http.connect();
    for n in 0..20 {
        let body = json!({"body": n}).to_string();
        let request = http.request("POST", "/queues/q/messages", &[], &body);
        assert_eq!(exchange(&mut stream, &request).ok()["id"], json!(format!("0-{n}")));
        // Refusals end no connection.
        assert_eq!(exchange(&mut stream, &http.request("GET", "/nowhere", &[], "")).status, 404);
        assert_eq!(exchange(&mut stream, &http.request("GET", "/queues?x=1", &[], "")).status, 200);
    }
    // A wait longer than a request may take otherwise.
    let wait = http.request("POST", "/queues/empty/receive", &[], r#"{"wait_ms":17000}"#);
    assert_eq!(exchange(&mut stream, &wait).ok(), json!({"messages": []}));
    let mut half = http.request("GET", "/queues", &[], "");
    half.truncate(20);
    stream.write_all(half.as_bytes()).unwrap();
    let end = stream.read_to_string(&mut String::new());
    let is_cut = end.map_or_else(|error| error.kind() != ErrorKind::WouldBlock, |_| true);
    assert!(is_cut, "a request that never ends is cut before the reader's patience is over");
}

#[test]
fn pages_of_allowed_origins_may_ask() {
    let server = Server::start(&["--origin", "https://app.example"]);
    let http = Http::new(&server, "r");
    let ask = |origin: &str| http.call_with("GET", "/queues", &[&format!("Origin: {origin}")], "");
    let allowed = ask("https://app.example");
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example"));
    let refused = ask("https://evil.example");
    assert_eq!((refused.status, refused.code().as_str()), (403, "origin_not_allowed"));
    assert_eq!(refused.header("access-control-allow-origin"), None);
    let preflight = |origin: &str| {
        let request = format!(
            "OPTIONS /v1/rooms/r/queues/q/messages HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n\r\n"
        );
        exchange(&mut http.connect(), &request)
    };
    let answer = preflight("https://app.example");
    assert_eq!(answer.status, 204);
    assert!(answer.header("access-control-allow-methods").unwrap().contains("PATCH"));
    assert!(answer.header("access-control-allow-headers").unwrap().contains("authorization"));
    assert_eq!(preflight("https://evil.example").status, 403);
    let refused = http.call_with("GET", "/queues/none", &["Origin: https://app.example"], "");
    assert!(refused.header("access-control-allow-origin").is_some(), "refusals can be read, too");
}

#[test]
fn queues_can_be_managed() {
    let server = Server::start(&[]);
    let http = Http::new(&server, "r");
    let settings =
        http.put("/queues/q", json!({"settings": {"lease_ms": 5000}})).ok()["settings"].clone();
    assert_eq!(
        (&settings["lease_ms"], &settings["retain_open_ms"]),
        (&json!(5000), &json!("forever"))
    );
    assert_eq!(http.call("PUT", "/queues/q", "").status, 200, "again, without a body");
    let change = json!({"settings": {"retain_settled_ms": 60_000, "lease_ms": null}});
    let settings = http.call("PATCH", "/queues/q", &change.to_string()).ok()["settings"].clone();
    assert_eq!(
        (&settings["lease_ms"], &settings["retain_settled_ms"]),
        (&json!(30_000), &json!(60_000))
    );
    assert_eq!(http.get("/queues/q/explain").ok()["code"], "empty");
    http.post(
        "/queues/q/messages",
        json!({"messages": [{"body": 1, "message_id": "a"}, {"body": 2}]}),
    )
    .ok();
    assert_eq!(http.get("/queues/q/messages/a").ok()["state"], "ready");
    assert_eq!(http.get("/queues/q/messages/none").code(), "message_not_found");
    let page = http.get("/queues/q/messages?limit=1&states=ready,dead").ok();
    assert_eq!(page["messages"][0]["id"], "a");
    let next = page["next"].as_str().unwrap();
    assert_eq!(
        http.get(&format!("/queues/q/messages?after={next}")).ok()["messages"][0]["body"],
        2
    );
    http.call("POST", "/queues/q/pause", "").ok();
    assert_eq!(http.get("/queues/q").ok()["paused"], true);
    http.call("POST", "/queues/q/resume", "").ok();
    let message = http.post("/queues/q/receive", json!({})).ok()["messages"][0].clone();
    let settle = json!({"lease": lease(&message), "result": {"n": 1.0}});
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| http.get("/queues/q/messages/a/result?wait_ms=30000"));
        std::thread::sleep(Duration::from_millis(50));
        http.post("/queues/q/settle", settle).ok();
        let answer = waiting.join().unwrap();
        assert_eq!(answer.ok()["state"], "done");
        assert!(answer.text.contains(r#""result":{"n":1.0}"#), "{}", answer.text);
    });
    let change = json!({"action": "bury", "filter": {"states": ["ready"]}, "reason": "old"});
    assert_eq!(http.post("/queues/q/change", change).ok(), json!({"count": 1, "ids": ["0-1"]}));
    assert_eq!(http.post("/queues/q/purge", json!({"states": ["dead"]})).ok(), json!({"count": 1}));
    http.call("PUT", "/queues/q/groups/g", "").ok();
    assert_eq!(http.call("PUT", "/queues/q/groups/g", "").code(), "group_exists");
    http.post("/queues/q/seek", json!({"group": "g", "to": "end"})).ok();
    http.call("DELETE", "/queues/q/groups/g", "").ok();
    let schedule =
        json!({"every_ms": 3_600_000, "message": {"body": {"x": 1}, "type": "t", "delay_ms": 5}});
    assert!(http.put("/queues/q/schedules/s", schedule.clone()).ok()["next_at"].is_u64());
    let shown = http.get("/queues/q").ok()["schedules"][0].clone();
    assert_eq!(
        (&shown["message"], &shown["every_ms"]),
        (&schedule["message"], &schedule["every_ms"])
    );
    http.call("POST", "/queues/q/schedules/s/pause", "").ok();
    http.call("POST", "/queues/q/schedules/s/resume", "").ok();
    assert_eq!(http.call("POST", "/queues/q/schedules/s/fire", "").ok()["duplicate"], false);
    http.call("DELETE", "/queues/q/schedules/s", "").ok();
    assert_eq!(http.call("POST", "/queues/q/schedules/s/fire", "").code(), "schedule_not_found");
    let part = json!({"parts": [{"queue": "q", "send": [{"body": 1}]}, {"queue": "p", "send": [{"body": 2}]}]});
    assert_eq!(http.post("/transaction", part).ok()["parts"][1]["sent"][0]["id"], "0-0");
    http.call("POST", "/queues/p/drain", "").ok();
    http.call("POST", "/queues/q/close", "").ok();
    assert_eq!(http.post("/queues/q/messages", json!({"body": 1})).code(), "queue_closed");
    http.call("DELETE", "/queues/q", "").ok();
    assert_eq!(http.get("/queues/q").code(), "queue_not_found");
    assert_eq!(
        http.get("/participants").ok(),
        json!({"participants": []}),
        "visitors are not seen"
    );
}

#[test]
fn a_server_that_stops_refuses_those_who_wait() {
    let mut server = Server::start(&[]);
    let http = Http::new(&server, "r");
    let mut stream = http.connect();
    let request = http.request("POST", "/queues/q/receive", &[], r#"{"wait_ms":60000}"#);
    stream.write_all(request.as_bytes()).unwrap();
    until("the receiver waits", || {
        http.get("/queues").ok()["queues"] != json!([]) && receivers(&http) == 1
    });
    server.signal("TERM");
    assert_eq!(exchange(&mut stream, "").code(), "server_closing");
    assert_eq!(server.wait(), Some(0));
}

/// Each is sent as it stands; those of answers and of schemas that nobody sends fit their schemas.
#[test]
fn every_example_of_the_document_is_accepted() {
    let server = Server::start(&[]);
    let http = Http::new(&server, "r");
    let document = Document::of(&server);
    http.put("/queues/q", json!({})).ok();
    let mut tried = 0;
    for (path, item) in document.0["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let Some(example) = document.example_of(schema) else {
                let is_free = path.ends_with("/raw") || schema.is_null();
                assert!(is_free, "{method} {path} has a body and no example");
                continue;
            };
            let below = path.strip_prefix("/v1/rooms/{room}").unwrap();
            let below =
                below.replace("{queue}", "q").replace("{group}", "g").replace("{name}", "n");
            let (method, body) = (method.to_uppercase(), example.to_string());
            let answer = http.call(&method, &below, &body);
            assert_eq!(answer.status, 200, "{method} {path} {example}: {answer:?}");
            document.check(&method, &below, &body, &answer);
            tried += 1;
        }
    }
    assert!(tried >= 12, "{tried}");
    let examples = document.all("example");
    assert!(examples.len() > 20, "{}", examples.len());
    for (place, example) in examples {
        let schema = document.0.pointer(&place).unwrap();
        assert_eq!(document.validate(schema, example), Ok(()), "{place}");
    }
}

/// Every reference leads somewhere, and every operation says what it must.
#[test]
fn the_document_is_whole() {
    let server = Server::start(&[]);
    let document = Document::of(&server);
    let api = &document.0;
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(api["servers"][0]["url"], "/");
    let references = document.all("$ref");
    assert!(references.len() > 50);
    for (place, reference) in references {
        let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
        assert!(api.pointer(pointer).is_some(), "{place}: {reference}");
    }
    for name in api["components"]["schemas"].as_object().unwrap().keys() {
        let reference = json!(format!("#/components/schemas/{name}"));
        let is_used = document.all("$ref").iter().any(|(_, used)| **used == reference);
        assert!(is_used || name == "Subscribe", "{name} is not used");
    }
    let codes: Vec<&str> = anteroom::error::ErrorCode::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(api["components"]["schemas"]["Problem"]["properties"]["code"]["enum"], json!(codes));
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
            assert!(operation["summary"].is_string() && operation["description"].is_string());
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let named: Vec<&str> = (parameters.clone())
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let parts =
                path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            assert_eq!(named, parts.collect::<Vec<_>>(), "{method} {path}");
            for parameter in parameters {
                assert!(!parameter["description"].as_str().unwrap().is_empty());
                assert!(!parameter["schema"].to_string().contains("null"), "{path}: {parameter}");
            }
            let answers = operation["responses"].as_object().unwrap();
            for (status, answer) in answers {
                assert!(
                    !answer["description"].as_str().unwrap().is_empty(),
                    "{method} {path} {status}"
                );
            }
            if path.contains("{room}") {
                assert_eq!(operation["security"], json!([{"bearer": []}, {"query": []}]));
                let granted = &answers[if path.ends_with("/ws") { "101" } else { "200" }];
                assert!(granted["description"].as_str().unwrap().len() > 5, "{method} {path}");
                for status in ["400", "401", "403", "500", "503", "default"] {
                    let body = &answers[status]["content"]["application/problem+json"]["schema"];
                    assert_eq!(body["$ref"], "#/components/schemas/Problem", "{path} {status}");
                }
            }
        }
    }
    let text = api["info"]["description"].as_str().unwrap();
    for code in codes {
        assert!(text.contains(&format!("`{code}`")), "{code}");
    }
    for op in anteroom::wire::native::OPS {
        assert!(text.contains(&format!("`{op}`")), "{op}");
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    run(async {
        let server = Server::start(&[]);
        for (path, kind) in [
            ("/docs", "text/html"),
            ("/docs.js", "text/javascript"),
            ("/docs.css", "text/css"),
            ("/docs.svg", "image/svg+xml"),
        ] {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            let answer =
                exchange(&mut stream, &format!("GET /v1{path} HTTP/1.1\r\nHost: x\r\n\r\n"));
            assert_eq!(answer.status, 200);
            assert!(answer.header("content-type").unwrap().starts_with(kind));
            assert_eq!(answer.header("content-security-policy"), Some("default-src 'self'"));
            let text = answer.text.replace("http://www.w3.org/2000/svg", ""); // A name, not an address.
            assert!(!text.contains("http://") && !text.contains("https://"));
            assert!(!answer.text.contains("style=") && !answer.text.contains("onclick"));
        }
    });
}
