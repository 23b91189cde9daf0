//! `anteroom.v1` over WebSocket.

use serde_json::{Value, json};

use crate::support::{
    Http, Native, Server, full, now,
    raw::{BINARY, RawSocket},
    run, sign, token,
};

#[test]
fn the_token_comes_in_three_ways_and_the_protocol_is_agreed_on() {
    run(async {
        let server = Server::start(&[]);
        let good = full("r");
        let path = "/v1/rooms/r/ws";
        let offer = |text: &str| vec![format!("Sec-WebSocket-Protocol: {text}")];
        let header = vec![format!("Authorization: Bearer {good}")];
        for (path, headers, echoed) in [
            (path.to_owned(), header.clone(), false),
            (format!("{path}?token={good}"), vec![], false),
            (path.to_owned(), offer(&format!("anteroom.v1, bearer.{good}")), true),
            (path.to_owned(), offer(&format!("bearer.{good},anteroom.v1")), true),
            (format!("{path}?token={good}"), offer("anteroom.v1"), true),
        ] {
            let peer = Native::connect(&server, &path, &headers).await.unwrap();
            let head = peer.socket.head.to_lowercase();
            assert_eq!(head.contains("sec-websocket-protocol: anteroom.v1\r"), echoed, "{head}");
        }
        let expired = sign(
            &json!({"name": "p", "exp": now() - 100, "grants": [{"name": "room", "scope": "r"}]}),
        );
        let bad = |token: &str| vec![format!("Authorization: Bearer {token}")];
        for (path, headers, status, code) in [
            (path.to_owned(), vec![], 401, "token_missing"),
            (path.to_owned(), bad("x"), 401, "token_invalid"),
            (path.to_owned(), bad(&expired), 401, "token_expired"),
            (path.to_owned(), bad(&full("other")), 403, "wrong_room"),
            (path.to_owned(), offer("anteroom.v1, bearer.x"), 401, "token_invalid"),
            (path.to_owned(), offer(&format!("chat, bearer.{good}")), 400, "invalid_request"),
            (format!("{path}?resume=s1&received=0&token={good}"), vec![], 404, "session_lost"),
        ] {
            let refusal = Native::connect(&server, &path, &headers).await.err().unwrap();
            let problem: Value = serde_json::from_str(&refusal.body).unwrap();
            assert_eq!((refusal.status, &problem["code"]), (status, &json!(code)), "{path}");
        }
        let evil = [header[0].clone(), "Origin: https://evil.example".to_owned()];
        assert_eq!(
            RawSocket::connect(server.address(), path, &evil).await.err().unwrap().status,
            403
        );
        let plain = Http::new(&server, "r").get("/ws");
        assert_eq!((plain.status, plain.code().as_str()), (400, "invalid_request"));
    });
}

#[test]
fn hello_says_who_one_is_and_what_the_limits_are() {
    run(async {
        let server = Server::start(&["--limit", "items_per_request=7"]);
        let peer = Native::join(&server, "r", &full("r")).await;
        let hello = &peer.hello;
        assert_eq!(hello["protocol"], "anteroom.v1");
        assert_eq!((&hello["room"], &hello["name"]), (&json!("r"), &json!("tester")));
        assert_eq!((&hello["resumed"], &hello["received"]), (&json!(false), &json!(0)));
        assert_eq!(hello["limits"]["items_per_request"], 7);
        assert!(hello["time"].as_u64().unwrap() / 1000 >= now() - 5);
        assert!(hello["session"].is_string() && hello["participant"].is_string());
    });
}

#[test]
fn messages_are_sent_received_and_settled() {
    run(async {
        let server = Server::start(&[]);
        let mut peer = Native::join(&server, "r", &full("r")).await;
        let sent = peer.ok(json!({"op": "send", "queue": "q", "body": {"page": 1}})).await;
        assert_eq!(sent, json!({"id": "0-0", "duplicate": false}));
        peer.say(r#"{"id":99,"op":"send","queue":"q","body": { "b":1.0e5, "b" : 2 } }"#).await;
        peer.reply(99).await;
        let id = peer.ask(json!({"op": "receive", "queue": "q", "max": 9})).await;
        let text = peer.next_text().await;
        assert!(text.contains(r#""body":{ "b":1.0e5, "b" : 2 }}"#), "{text}");
        let reply: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(reply["id"], id);
        let messages = &reply["ok"]["messages"];
        let items = json!([{"lease": messages[0]["lease"]}, {"lease": messages[1]["lease"], "outcome": "dead"}]);
        let settled = peer.ok(json!({"op": "settle", "queue": "q", "items": items})).await;
        assert_eq!(settled, json!({"results": [{"status": "done"}, {"status": "dead"}]}));
        assert!(peer.ok(json!({"op": "ping"})).await["time"].is_u64());
        assert_eq!(peer.ok(json!({"op": "inspect", "queue": "q"})).await["totals"]["delivered"], 2);
        let parts =
            json!([{"queue": "a", "send": [{"body": 1}]}, {"queue": "b", "send": [{"body": 2}]}]);
        let done = peer.ok(json!({"op": "transaction", "parts": parts})).await;
        assert_eq!(
            done["parts"][1],
            json!({"queue": "b", "settled": [], "sent": [{"id": "0-0", "duplicate": false}]})
        );
    });
}

#[test]
fn what_is_wrong_is_refused_under_its_id_and_the_rest_goes_on() {
    run(async {
        let server = Server::start(&[]);
        let mut peer = Native::join(&server, "r", &full("r")).await;
        peer.say(r#"[{"id":1,"op":"send","queue":"q","body":1},{"id":2,"op":"fly"},{"id":3,"op":"list"}]"#).await;
        let bad = peer.reply(2).await;
        assert_eq!(bad["error"]["code"], "invalid_request");
        assert_eq!(bad["error"]["number"], 100);
        assert_eq!(
            peer.reply(3).await["ok"]["queues"][0]["size"],
            1,
            "it counts what came before it"
        );
        peer.reply(1).await;
        peer.say("{").await;
        let refusal = peer.next().await;
        assert_eq!(
            (&refusal["id"], &refusal["error"]["code"]),
            (&Value::Null, &json!("invalid_json"))
        );
        // Without an id there is no reply, but a refusal.
        peer.say(r#"{"op":"send","queue":"q","body":2}"#).await;
        peer.say(r#"{"op":"list"}"#).await;
        peer.say(r#"{"op":"ping"}"#).await;
        peer.say(r#"{"op":"receive","queue":"q"}"#).await;
        let refusal = peer.next().await;
        assert!(refusal["id"].is_null(), "{refusal}");
        assert!(refusal["error"]["message"].as_str().unwrap().contains("`id`"));
        peer.say(r#"{"op":"inspect","queue":"none"}"#).await;
        assert_eq!(peer.next().await["error"]["code"], "queue_not_found");
        assert_eq!(peer.ok(json!({"op": "list"})).await["queues"][0]["size"], 2);
        peer.socket.send(BINARY, b"x").await.unwrap();
        assert_eq!(peer.end().await.unwrap().0, 1003);
    });
}

#[test]
fn the_token_decides_and_its_end_is_the_end() {
    run(async {
        let server = Server::start(&["ANTEROOM_PING_INTERVAL=200ms"]);
        let receive_only = token("r", "p", json!({"queues": {"send": [], "list": false}}));
        let mut peer = Native::join(&server, "r", &receive_only).await;
        assert_eq!(
            peer.refused(json!({"op": "send", "queue": "q", "body": 1})).await,
            "permission_denied"
        );
        assert_eq!(peer.refused(json!({"op": "list"})).await, "permission_denied");
        assert_eq!(peer.refused(json!({"op": "watch"})).await, "permission_denied");
        assert_eq!(peer.refused(json!({"op": "participants"})).await, "permission_denied");
        peer.ok(json!({"op": "receive", "queue": "q"})).await;
        let short = sign(&json!({
            "name": "p", "exp": now() - 58,
            "grants": [{"name": "room", "scope": "r"}, {"name": "api", "scope": {"queues": {}}}],
        }));
        let mut peer = Native::join(&server, "r", &short).await;
        assert_eq!(peer.end().await, Some((4401, "token_expired".to_owned())));
    });
}

#[test]
fn a_subscription_pushes_as_far_as_its_credit_goes() {
    run(async {
        let server = Server::start(&[]);
        let mut peer = Native::join(&server, "r", &full("r")).await;
        let id = peer.ask(json!({"op": "subscribe", "queue": "q", "credit": 2})).await;
        let bodies = json!((0..5).map(|n| json!({"body": n})).collect::<Vec<_>>());
        peer.ok(json!({"op": "send", "queue": "q", "messages": bodies})).await;
        let mut leases = Vec::new();
        while leases.len() < 2 {
            let push = peer.next().await;
            assert_eq!((&push["receiver"], &push["queue"]), (&json!(id), &json!("q")), "{push}");
            let messages = push["messages"].as_array().unwrap();
            leases.extend(messages.iter().map(|message| message["lease"].clone()));
        }
        assert_eq!(peer.ok(json!({"op": "list"})).await["queues"][0]["size"], 3, "no more for now");
        peer.ok(json!({"op": "settle", "queue": "q", "lease": leases[0]})).await;
        assert_eq!(peer.next().await["messages"][0]["body"], 2);
        peer.ok(json!({"op": "credit", "queue": "q", "receiver": id, "credit": 10})).await;
        let mut bodies = Vec::new();
        while bodies.len() < 2 {
            let push = peer.next().await;
            bodies
                .extend(push["messages"].as_array().unwrap().iter().map(|one| one["body"].clone()));
        }
        assert_eq!(bodies, [3, 4]);
        peer.ok(json!({"op": "cancel", "queue": "q", "receiver": id})).await;
        assert_eq!(peer.reply(id).await, json!({"id": id, "ok": {}}));
        assert_eq!(
            peer.refused(json!({"op": "cancel", "queue": "q", "receiver": id})).await,
            "receiver_not_found"
        );
        let id = peer.ask(json!({"op": "subscribe", "queue": "q"})).await;
        peer.ok(json!({"op": "close", "queue": "q"})).await;
        assert_eq!(peer.reply(id).await["error"]["code"], "queue_closed");
    });
}

#[test]
fn a_receive_waits_until_there_is_something_or_the_time_is_over_or_it_is_cancelled() {
    run(async {
        let server = Server::start(&[]);
        let mut peer = Native::join(&server, "r", &full("r")).await;
        let wait = json!({"op": "receive", "queue": "q", "wait_ms": 100});
        assert_eq!(peer.ok(wait).await, json!({"messages": []}));
        let id = peer.ask(json!({"op": "receive", "queue": "q", "wait_ms": 999_999_999})).await;
        peer.ok(json!({"op": "cancel", "queue": "q", "receiver": id})).await;
        assert_eq!(peer.reply(id).await["ok"], json!({"messages": []}));
        let id = peer.ask(json!({"op": "receive", "queue": "q", "wait_ms": 999_999_999})).await;
        peer.ok(json!({"op": "send", "queue": "q", "body": "x"})).await;
        assert_eq!(peer.reply(id).await["ok"]["messages"][0]["body"], "x");
    });
}

#[test]
fn a_session_that_ends_gives_back_what_is_bound_to_it() {
    run(async {
        let server = Server::start(&["ANTEROOM_RESUME_TIMEOUT=0s"]);
        let mut peer = Native::join(&server, "r", &full("r")).await;
        let mut other = Native::join(&server, "r", &full("r")).await;
        let bodies = json!([{"body": 0}, {"body": 1}, {"body": 2}]);
        peer.ok(json!({"op": "send", "queue": "q", "messages": bodies})).await;
        for lease in ["bound", "timed", "session"] {
            peer.ok(json!({"op": "receive", "queue": "q", "lease": lease})).await;
        }
        drop(peer);
        let mut bodies = Vec::new();
        while bodies.len() < 2 {
            let wait = json!({"op": "receive", "queue": "q", "max": 9, "wait_ms": 20_000});
            let got = other.ok(wait).await["messages"].as_array().unwrap().clone();
            bodies.extend(got.iter().map(|message| message["body"].clone()));
        }
        assert_eq!(bodies, [0, 2]);
        let left = json!({"op": "receive", "queue": "q", "max": 9, "wait_ms": 100});
        assert_eq!(other.ok(left).await, json!({"messages": []}), "timed ones stay");
    });
}

#[test]
fn events_tell_what_happens() {
    run(async {
        let server = Server::start(&[]);
        let mut peer = Native::join(&server, "r", &full("r")).await;
        let mut other = Native::join(&server, "r", &full("r")).await;
        let watch = other.ask(json!({"op": "watch"})).await;
        assert_eq!(other.reply(watch).await["ok"], json!({}));
        peer.ok(json!({"op": "send", "queue": "q", "body": 1, "message_id": "mine"})).await;
        let mut seen = Vec::new();
        while !seen.contains(&"sent".to_owned()) {
            let event = other.next().await;
            assert_eq!((&event["watch"], &event["queue"]), (&json!(watch), &json!("q")), "{event}");
            assert!(event["at"].is_u64() && event["count"].is_u64() && event["group"].is_null());
            seen.push(event["event"].as_str().unwrap().to_owned());
            if event["event"] == "sent" {
                assert_eq!(event["message"], "mine");
            }
        }
        other.ok(json!({"op": "unwatch", "watch": watch})).await;
        assert_eq!(other.refused(json!({"op": "watch", "queue": "none"})).await, "queue_not_found");
    });
}

#[test]
fn participants_see_each_other_and_talk() {
    run(async {
        let server = Server::start(&["ANTEROOM_RESUME_TIMEOUT=0s"]);
        let mut a = Native::join(&server, "r", &full("r")).await;
        let mut b = Native::join(&server, "r", &full("r")).await;
        let (a_id, b_id) = (a.hello["participant"].clone(), b.hello["participant"].clone());
        let there = a.ok(json!({"op": "participants"})).await["participants"].clone();
        assert_eq!(there.as_array().unwrap().len(), 2);
        assert_eq!(
            there[0],
            json!({"id": a_id, "name": "tester", "role": "user", "attributes": {}})
        );
        let enable = json!({"op": "messaging", "enabled": true});
        a.ok(enable.clone()).await;
        assert_eq!(a.next().await, json!({"notice": "participants", "participants": []}));
        b.ok(enable).await;
        let joined = a.next().await;
        assert_eq!((&joined["notice"], &joined["participant"]["id"]), (&json!("joined"), &b_id));
        b.next().await;
        b.say(r#"{"op":"attributes","attributes":{"x":1.0}}"#).await;
        let text = a.next_text().await;
        assert!(text.contains(r#""attributes":{"x":1.0}"#), "{text}");
        b.say(&format!(r#"{{"op":"message","to":{a_id},"type":"chat","message":{{"y" : 2}}}}"#))
            .await;
        let text = a.next_text().await;
        assert!(text.contains(r#""message":{"y" : 2}"#), "{text}");
        let message: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&message["from"], &message["type"]), (&b_id, &json!("chat")));
        a.ok(json!({"op": "message", "type": "all", "message": null})).await;
        assert_eq!(b.next().await["type"], "all");
        let nobody = json!({"op": "message", "to": "nobody", "type": "t", "message": 1});
        assert_eq!(a.refused(nobody).await, "participant_not_found");
        drop(b);
        assert_eq!(a.next().await, json!({"notice": "left", "participant_id": b_id}));
    });
}

#[test]
fn a_server_that_stops_says_when_to_come_back() {
    run(async {
        let mut server = Server::start(&[]);
        let mut peer = Native::join(&server, "r", &full("r")).await;
        peer.ask(json!({"op": "receive", "queue": "q", "wait_ms": 60_000})).await;
        peer.ok(json!({"op": "ping"})).await;
        server.signal("TERM");
        let (code, reason) = peer.end().await.unwrap();
        assert_eq!(code, 1012);
        let retry: u64 = reason.strip_prefix("restart;retry_ms=").unwrap().parse().unwrap();
        assert!(retry <= 5000);
        assert_eq!(server.wait(), Some(0));
    });
}

#[test]
fn a_message_sent_by_one_protocol_is_received_by_another() {
    run(async {
        let server = Server::start(&[]);
        let mut native = Native::join(&server, "r", &full("r")).await;
        let mut peer = crate::support::Peer::join(&server, "r", &full("r")).await;
        peer.send("q", json!({"from": "meshagent"})).await;
        let got = native.ok(json!({"op": "receive", "queue": "q", "lease": "none"})).await;
        assert_eq!(got["messages"][0]["body"], json!({"from": "meshagent"}));
        assert!(got["messages"][0]["lease"].is_null());
        native
            .ok(json!({"op": "send", "queue": "q", "base64": "AAE=", "content_type": "x/y"}))
            .await;
        let expected = r#"{"base64":"AAE=","content_type":"x/y"}"#;
        assert_eq!(peer.take("q").await, crate::support::Answer::Json(expected.to_owned()));
    });
}

/// The next push: which receiver, and the bodies.
async fn pushed(peer: &mut Native) -> (u64, Vec<Value>) {
    let push = peer.next().await;
    let messages = push["messages"].as_array().unwrap_or_else(|| panic!("{push}"));
    let bodies = messages.iter().map(|message| message["body"].clone()).collect();
    (push["receiver"].as_u64().unwrap(), bodies)
}

#[test]
fn subscriptions_choose_share_and_end() {
    run(async {
        let server = Server::start(&[]);
        let mut peer = Native::join(&server, "r", &full("r")).await;
        let mut other = Native::join(&server, "r", &full("r")).await;
        let send = |messages: Value| json!({"op": "send", "queue": "q", "messages": messages});
        // By label, partition and group; without a lease there is nothing to settle, and credit is never used up.
        let labelled = peer.ask(json!({"op": "subscribe", "queue": "q", "labels": {"a": "1"}, "credit": 1, "lease": "none"})).await;
        let of_partition =
            peer.ask(json!({"op": "subscribe", "queue": "q", "partition": "p"})).await;
        let grouped = peer
            .ask(json!({"op": "subscribe", "queue": "q", "group": "g", "from": "new", "credit": 3}))
            .await;
        peer.ok(json!({"op": "ping"})).await;
        other.ok(json!({"op": "list"})).await;
        while other.ok(json!({"op": "inspect", "queue": "q"})).await["groups"]
            .as_array()
            .unwrap()
            .len()
            < 2
        {}
        let a = json!({"a": "1"});
        other.ok(send(json!([{"body": 1, "labels": a}, {"body": 2, "partition": "p"}, {"body": 3, "labels": a}]))).await;
        let mut got = std::collections::BTreeMap::<u64, Vec<Value>>::new();
        while got.values().map(Vec::len).sum::<usize>() < 6 {
            let (receiver, bodies) = pushed(&mut peer).await;
            got.entry(receiver).or_default().extend(bodies);
        }
        assert_eq!(got[&labelled], [1, 3]);
        assert_eq!(got[&of_partition], [2]);
        assert_eq!(got[&grouped].len(), 3, "every message");
        // Nothing for anybody: it waits, as the group's credit is used up.
        other.ok(send(json!([{"body": 4}]))).await;
        assert_eq!(
            other.ok(json!({"op": "explain", "queue": "q", "group": "g"})).await["counts"]["ready"],
            1
        );
        peer.ok(json!({"op": "credit", "queue": "q", "receiver": grouped, "credit": 4})).await;
        assert_eq!(pushed(&mut peer).await, (grouped, vec![json!(4)]));
        peer.ok(json!({"op": "credit", "queue": "q", "receiver": grouped, "credit": 0})).await;
        other.ok(send(json!([{"body": 5}]))).await;
        assert_eq!(
            other.ok(json!({"op": "explain", "queue": "q", "group": "g"})).await["counts"]["ready"],
            1
        );
        // A cancelled one leaves its leases; a group that is deleted, and a queue, end theirs with an error.
        peer.ok(json!({"op": "cancel", "queue": "q", "receiver": of_partition})).await;
        assert_eq!(peer.reply(of_partition).await, json!({"id": of_partition, "ok": {}}));
        assert_eq!(other.ok(json!({"op": "explain", "queue": "q"})).await["counts"]["leased"], 1);
        for op in ["cancel", "credit"] {
            let mut request = json!({"op": op, "queue": "q", "receiver": of_partition});
            if op == "credit" {
                request["credit"] = json!(5);
            }
            assert_eq!(peer.refused(request).await, "receiver_not_found");
        }
        other.ok(json!({"op": "group_delete", "queue": "q", "group": "g"})).await;
        assert_eq!(peer.reply(grouped).await["error"]["code"], "group_not_found");
        other.ok(json!({"op": "delete", "queue": "q"})).await;
        assert_eq!(peer.reply(labelled).await["error"]["code"], "queue_not_found");
        let nowhere = json!({"op": "subscribe", "queue": "none", "create": false});
        assert_eq!(peer.refused(nowhere).await, "queue_not_found");
        // Two connections take turns.
        for member in [&mut peer, &mut other] {
            member.ask(json!({"op": "subscribe", "queue": "shared"})).await;
            member.ok(json!({"op": "list"})).await;
        }
        let messages = json!((0..10).map(|n| json!({"body": n})).collect::<Vec<_>>());
        let mut third = Native::join(&server, "r", &full("r")).await;
        third.ok(json!({"op": "send", "queue": "shared", "messages": messages})).await;
        for (member, expected) in [(&mut peer, [0, 2, 4, 6, 8]), (&mut other, [1, 3, 5, 7, 9])] {
            let mut got = Vec::new();
            while got.len() < 5 {
                got.extend(pushed(member).await.1);
            }
            assert_eq!(got, expected);
        }
    });
}

/// Leases that end by time, and by another connection, give credit back, too.
#[test]
fn credit_comes_back_however_a_lease_ends() {
    run(async {
        let server = Server::start(&[]);
        let mut peer = Native::join(&server, "r", &full("r")).await;
        let mut other = Native::join(&server, "r", &full("r")).await;
        let subscribe =
            json!({"op": "subscribe", "queue": "q", "credit": 1, "lease": "timed", "lease_ms": 50});
        let id = peer.ask(subscribe).await;
        peer.ok(json!({"op": "send", "queue": "q", "messages": [{"body": 1, "attempts_max": 1}, {"body": 2}]})).await;
        assert_eq!(pushed(&mut peer).await, (id, vec![json!(1)]));
        // Its lease runs out, which is a failure, and the next one comes.
        let push = peer.next().await;
        assert_eq!(push["messages"][0]["body"], 2);
        let lease = &push["messages"][0]["lease"];
        other.ok(json!({"op": "extend", "queue": "q", "leases": [lease], "by_ms": 600_000})).await;
        other.ok(json!({"op": "send", "queue": "q", "body": 3})).await;
        let settled = other.ok(json!({"op": "settle", "queue": "q", "lease": lease})).await;
        if settled["results"][0]["status"] == "done" {
            assert_eq!(pushed(&mut peer).await, (id, vec![json!(3)]));
        }
        assert_eq!(
            other.ok(json!({"op": "find", "queue": "q", "message": "0-0"})).await["reason"],
            "lease expired"
        );
    });
}

/// All that can happen in a queue, in its order.
#[test]
fn every_event_is_told() {
    run(async {
        let server = Server::start(&[]);
        let mut peer = Native::join(&server, "r", &full("r")).await;
        let mut other = Native::join(&server, "r", &full("r")).await;
        other.ok(json!({"op": "watch"})).await;
        let settle = |lease: &Value, outcome: &str| json!({"op": "settle", "queue": "q", "lease": lease, "outcome": outcome});
        let take = json!({"op": "receive", "queue": "q"});
        let lease = |got: &Value| got["messages"][0]["lease"].clone();
        peer.ok(json!({"op": "open", "queue": "q"})).await;
        peer.ok(json!({"op": "configure", "queue": "q", "settings": {"attempts_max": 2}})).await;
        peer.ok(json!({"op": "group_open", "queue": "q", "group": "g", "from": "new"})).await;
        peer.ok(json!({"op": "seek", "queue": "q", "group": "g", "to": "end"})).await;
        peer.ok(json!({"op": "group_delete", "queue": "q", "group": "g"})).await;
        peer.ok(json!({"op": "send", "queue": "q", "body": 1, "message_id": "one"})).await;
        let got = peer.ok(take.clone()).await;
        peer.ok(settle(&lease(&got), "retry")).await;
        let got = peer.ok(take.clone()).await;
        peer.ok(settle(&lease(&got), "release")).await;
        let got = peer.ok(take.clone()).await;
        peer.ok(settle(&lease(&got), "dead")).await;
        peer.ok(json!({"op": "change", "queue": "q", "action": "redrive", "ids": ["one"]})).await;
        let got = peer.ok(take.clone()).await;
        peer.ok(settle(&lease(&got), "done")).await;
        peer.ok(json!({"op": "send", "queue": "q", "body": 2, "delay_ms": 20})).await;
        let got = peer.ok(json!({"op": "receive", "queue": "q", "wait_ms": 20_000})).await;
        peer.ok(settle(&lease(&got), "cancel")).await;
        peer.ok(json!({"op": "schedule_put", "queue": "q", "name": "s", "every_ms": 3_600_000, "message": {"body": 3, "ttl_ms": 600_000}})).await;
        peer.ok(json!({"op": "schedule_fire", "queue": "q", "name": "s"})).await;
        peer.ok(json!({"op": "drain", "queue": "q"})).await;
        for op in ["pause", "resume", "close", "open", "delete"] {
            peer.ok(json!({"op": op, "queue": "q"})).await;
        }
        let mut told = Vec::new();
        while told.last().is_none_or(|last: &String| !last.starts_with("deleted")) {
            let event = other.next().await;
            assert_eq!(event["queue"], "q");
            let (message, group) = (&event["message"], &event["group"]);
            let part =
                |value: &Value| value.as_str().map_or(String::new(), |text| format!(" {text}"));
            told.push(format!(
                "{}{}{} {}",
                event["event"].as_str().unwrap(),
                part(message),
                part(group),
                event["count"]
            ));
        }
        let expected = [
            "opened 0",
            "configured 0",
            "group_opened g 0",
            "sought g 0",
            "group_deleted g 0",
            "sent one 1",
            "delivered one 1",
            "retried one 1",
            "delivered one 1",
            "released one 1",
            "delivered one 1",
            "dead one 1",
            "ready one 1",
            "delivered one 1",
            "done one 1",
            "sent 0-1 1",
            "ready 0-1 1",
            "delivered 0-1 1",
            "cancelled 0-1 1",
            "sent 0-2 1",
            "fired 0-2 1",
            "purged 1",
            "paused 0",
            "resumed 0",
            "closed 0",
            "opened 0",
            "deleted 0",
        ];
        assert_eq!(told, expected);
    });
}

#[test]
fn who_sends_much_goes_on_with_another_worker_and_nothing_is_lost_or_out_of_order() {
    const ROUNDS: usize = 40;
    const AT_ONCE: usize = 3;
    run(async {
        let server = Server::start(&["--workers", "4", "--log", "debug"]);
        let token = full("r");
        let mut peers = Vec::new();
        for _ in 0..6 {
            peers.push(Native::join(&server, "r", &token).await);
        }
        let filling = "x".repeat(60_000);
        for round in 0..ROUNDS {
            let mut asked = Vec::new();
            for (from, peer) in peers.iter_mut().enumerate() {
                for at in 0..AT_ONCE {
                    let body = json!({"from": from, "number": round * AT_ONCE + at, "x": filling});
                    asked.push((
                        from,
                        peer.ask(json!({"op": "send", "queue": "q", "body": body})).await,
                    ));
                }
            }
            for (from, id) in asked {
                let reply = peers[from].reply(id).await;
                assert!(reply["ok"].is_object(), "{reply}");
            }
        }
        server.log_with("goes back to the worker");
        let mut next = vec![0; peers.len()];
        let mut taken = 0;
        while taken < peers.len() * ROUNDS * AT_ONCE {
            // Whoever has moved, and whoever has not, receives them.
            let peer = taken % peers.len();
            let receive = json!({"op": "receive", "queue": "q", "max": 7, "lease": "none"});
            let messages = peers[peer].ok(receive).await["messages"].clone();
            for message in messages.as_array().unwrap() {
                let body = &message["body"];
                let from = usize::try_from(body["from"].as_u64().unwrap()).unwrap();
                assert_eq!(body["number"], json!(next[from]));
                assert_eq!(body["x"].as_str(), Some(filling.as_str()));
                next[from] += 1;
                taken += 1;
            }
        }
        assert_eq!(next, vec![ROUNDS * AT_ONCE; peers.len()]);
        for mut peer in peers {
            peer.ok(json!({"op": "list"})).await;
        }
    });
}
