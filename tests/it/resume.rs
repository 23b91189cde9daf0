//! Sessions of `anteroom.v1` that outlive their connection.

use serde_json::{Value, json};

use crate::support::{
    Native, Server, full, now,
    raw::{PING, TEXT, frame},
    run, sign, token, within,
};

/// Comes back for what is refused.
async fn lost(server: &Server, token: &str, session: &Value, received: u64) {
    let refusal = Native::resume(server, "r", token, session, received).await.err().unwrap();
    let problem: Value = serde_json::from_str(&refusal.body).unwrap();
    assert_eq!((refusal.status, &problem["code"]), (404, &json!("session_lost")));
}

/// Waits until somebody else gets the message: what was leased is given back.
async fn is_given_back(server: &Server, body: Value) {
    let mut other = Native::join(server, "r", &full("r")).await;
    let wait = json!({"op": "receive", "queue": "q", "wait_ms": 25_000, "lease": "none"});
    let got = other.ok(wait).await;
    assert_eq!((&got["messages"][0]["body"], &got["messages"][0]["attempt"]), (&body, &json!(2)));
}

#[test]
fn a_session_goes_on_where_it_was() {
    run(async {
        let server = Server::start(&[]);
        let token = full("r");
        let mut other = Native::join(&server, "r", &token).await;
        let mut peer = Native::join(&server, "r", &token).await;
        let (session, participant) =
            (peer.hello["session"].clone(), peer.hello["participant"].clone());
        assert_eq!(peer.hello["resume_ms"], 30_000);
        other.ok(json!({"op": "messaging", "enabled": true})).await;
        other.next().await;
        peer.ok(json!({"op": "messaging", "enabled": true})).await;
        peer.next().await;
        other.next().await;
        peer.ok(json!({"op": "send", "queue": "leased", "body": "mine"})).await;
        let got = peer.ok(json!({"op": "receive", "queue": "leased", "lease": "session"})).await;
        let lease = got["messages"][0]["lease"].clone();
        let subscribed = peer.ask(json!({"op": "subscribe", "queue": "pushed", "credit": 2})).await;
        let parked =
            peer.ask(json!({"op": "receive", "queue": "parked", "wait_ms": 600_000})).await;
        let watch = peer.ask(json!({"op": "watch", "queue": "leased"})).await;
        peer.reply(watch).await;
        let (heard, said) = (peer.heard, peer.said);
        drop(peer);

        // All of it stays, and what is to be said is kept.
        let bodies = json!([{"body": 1}, {"body": 2}, {"body": 3}]);
        other.ok(json!({"op": "send", "queue": "pushed", "messages": bodies})).await;
        other.ok(json!({"op": "send", "queue": "parked", "body": "to the one that waits"})).await;
        other.ok(json!({"op": "message", "to": participant, "type": "chat", "message": "are you there?"})).await;
        let nothing = json!({"messages": []});
        assert_eq!(other.ok(json!({"op": "receive", "queue": "leased"})).await, nothing);
        assert_eq!(other.ok(json!({"op": "receive", "queue": "parked"})).await, nothing);
        assert_eq!(
            each_body(&other.ok(json!({"op": "receive", "queue": "pushed", "max": 9})).await),
            [3]
        );
        let there = other.ok(json!({"op": "participants"})).await;
        assert_eq!(
            there["participants"].as_array().unwrap().len(),
            2,
            "nobody hears that it was away"
        );

        let mut peer = Native::resume(&server, "r", &token, &session, heard).await.unwrap();
        let hello = &peer.hello;
        assert_eq!((&hello["resumed"], &hello["received"]), (&json!(true), &json!(said)));
        assert_eq!((&hello["session"], &hello["participant"]), (&session, &participant));
        let mut pushed = Vec::new();
        let mut rest = Vec::new();
        while pushed.len() + rest.len() < 4 {
            let frame = peer.next().await;
            match &frame["receiver"] {
                Value::Null => rest.push(frame),
                receiver => {
                    assert_eq!(receiver, &json!(subscribed));
                    pushed.extend(
                        frame["messages"]
                            .as_array()
                            .unwrap()
                            .iter()
                            .map(|one| (one["body"].clone(), one["lease"].clone())),
                    );
                }
            }
        }
        assert_eq!((&pushed[0].0, &pushed[1].0), (&json!(1), &json!(2)));
        let reply = rest.iter().find(|frame| frame["id"] == json!(parked)).unwrap();
        assert_eq!(reply["ok"]["messages"][0]["body"], "to the one that waits");
        let notice = rest.iter().find(|frame| frame["notice"] == "message").unwrap();
        assert_eq!(notice["message"], "are you there?");

        // The lease, the subscription and the watch are as good as before.
        other.ok(json!({"op": "send", "queue": "pushed", "body": 4})).await;
        peer.ok(json!({"op": "settle", "queue": "pushed", "lease": pushed[0].1})).await;
        assert_eq!(peer.next().await["messages"][0]["body"], 4);
        let settled = peer.ask(json!({"op": "settle", "queue": "leased", "lease": lease})).await;
        let [one, two] = [peer.next().await, peer.next().await];
        let (event, reply) = if one.get("watch").is_some() { (one, two) } else { (two, one) };
        assert_eq!(reply, json!({"id": settled, "ok": {"results": [{"status": "done"}]}}));
        assert_eq!((&event["watch"], &event["event"]), (&json!(watch), &json!("done")));
        peer.ok(json!({"op": "cancel", "queue": "pushed", "receiver": subscribed})).await;
        assert_eq!(peer.reply(subscribed).await["ok"], json!({}));
    });
}

fn each_body(answer: &Value) -> Vec<Value> {
    answer["messages"].as_array().unwrap().iter().map(|message| message["body"].clone()).collect()
}

#[test]
fn what_one_side_has_not_got_is_said_again_in_order_and_nothing_twice() {
    run(async {
        let server = Server::start(&[]);
        let token = full("r");
        let mut peer = Native::join(&server, "r", &token).await;
        peer.pongs = false; // Nothing is known to have arrived.
        let session = peer.hello["session"].clone();
        let mut texts = Vec::new();
        for n in 1..=6 {
            let body = "x".repeat(n * 10_000);
            peer.say(&json!({"id": n, "op": "send", "queue": "q", "body": body, "message_id": n.to_string()}).to_string()).await;
            peer.say(
                &json!({"id": n + 100, "op": "find", "queue": "q", "message": n.to_string()})
                    .to_string(),
            )
            .await;
            texts.extend([peer.next_text().await, peer.next_text().await]);
        }
        // Half a frame counts as nothing.
        let half = frame(true, TEXT, br#"{"id":300,"op":"send","queue":"q","body":"late"}"#);
        peer.socket.send_raw(&half[..20]).await.unwrap();
        drop(peer);
        for received in [0, 3, 11, 12] {
            let mut peer = Native::resume(&server, "r", &token, &session, received).await.unwrap();
            peer.pongs = false;
            assert_eq!(peer.hello["received"], 12);
            for text in &texts[received as usize..] {
                assert_eq!(&peer.next_text().await, text);
            }
            drop(peer);
        }
        let mut peer = Native::resume(&server, "r", &token, &session, 12).await.unwrap();
        peer.socket.send_raw(&half).await.unwrap();
        assert_eq!(peer.next().await, json!({"id": 300, "ok": {"id": "0-6", "duplicate": false}}));
        assert_eq!(
            peer.ok(json!({"op": "list"})).await["queues"][0]["size"],
            7,
            "nothing was sent twice"
        );
        drop(peer);
        let mut peer = Native::resume(&server, "r", &token, &session, 14).await.unwrap();
        assert_eq!(peer.hello["received"], 14);
        peer.ok(json!({"op": "ping"})).await;
        drop(peer);
        // Less than what it said to have.
        lost(&server, &token, &session, 11).await;
    });
}

#[test]
fn a_connection_that_the_server_still_has_is_cut_for_the_one_that_comes_back() {
    run(async {
        let server = Server::start(&[]);
        let token = full("r");
        let mut first = Native::join(&server, "r", &token).await;
        let session = first.hello["session"].clone();
        first.ok(json!({"op": "send", "queue": "q", "body": 1})).await;
        let got = first.ok(json!({"op": "receive", "queue": "q"})).await;
        let mut second = Native::resume(&server, "r", &token, &session, 2).await.unwrap();
        assert_eq!(first.end().await, None, "without a close frame");
        let settle = json!({"op": "settle", "queue": "q", "lease": got["messages"][0]["lease"]});
        assert_eq!(second.ok(settle).await, json!({"results": [{"status": "done"}]}));
        // Nobody else can do that.
        let stranger = crate::support::token("r", "stranger", json!({"queues": {}}));
        lost(&server, &stranger, &session, 3).await;
        second.ok(json!({"op": "ping"})).await;
    });
}

/// A session of `tester` in room `r` that has a message of `q`, and has no connection; frames that it has got.
async fn detached(server: &Server, token: &str) -> (Value, u64) {
    let mut peer = Native::join(server, "r", token).await;
    peer.ok(json!({"op": "send", "queue": "q", "body": "held"})).await;
    peer.ok(json!({"op": "receive", "queue": "q", "lease": "session"})).await;
    (peer.hello["session"].clone(), peer.heard)
}

#[test]
fn only_its_participant_may_come_back() {
    run(async {
        let server = Server::start(&["ANTEROOM_RESUME_TIMEOUT=10m"]);
        let (session, heard) = detached(&server, &full("r")).await;
        let stranger = token("r", "stranger", json!({"queues": {}}));
        lost(&server, &stranger, &session, heard).await;
        lost(&server, &full("r"), &json!("00000000-0000-7000-8000-000000000000"), heard).await;
        let other_room = Native::resume(&server, "other", &full("other"), &session, heard).await;
        assert_eq!(other_room.err().unwrap().status, 404);
        for (query, code) in [("received=x", "invalid_request"), ("received=-1", "invalid_request")]
        {
            let path = format!(
                "/v1/rooms/r/ws?resume={}&{query}&token={}",
                session.as_str().unwrap(),
                full("r")
            );
            let refusal = Native::connect(&server, &path, &[]).await.err().unwrap();
            assert_eq!(refusal.status, 400);
            assert!(refusal.body.contains(code), "{}", refusal.body);
        }
        // None of that has harmed it.
        let mut peer = Native::resume(&server, "r", &full("r"), &session, heard).await.unwrap();
        assert_eq!(peer.ok(json!({"op": "receive", "queue": "q"})).await, json!({"messages": []}));
        // Too much received: it is lost at once, and what it had is given back.
        drop(peer);
        lost(&server, &full("r"), &session, heard + 2).await;
        is_given_back(&server, json!("held")).await;
        lost(&server, &full("r"), &session, heard).await;
    });
}

#[test]
fn who_comes_too_late_has_lost_the_session() {
    run(async {
        let server = Server::start(&["ANTEROOM_RESUME_TIMEOUT=100ms"]);
        let (session, heard) = detached(&server, &full("r")).await;
        is_given_back(&server, json!("held")).await;
        lost(&server, &full("r"), &session, heard).await;
    });
}

#[test]
fn without_a_time_there_is_nothing_to_come_back_to() {
    run(async {
        let server = Server::start(&["ANTEROOM_RESUME_TIMEOUT=0s"]);
        let peer = Native::join(&server, "r", &full("r")).await;
        assert_eq!(peer.hello["resume_ms"], 0);
        drop(peer);
        let (session, heard) = detached(&server, &full("r")).await;
        is_given_back(&server, json!("held")).await;
        lost(&server, &full("r"), &session, heard).await;
    });
}

#[test]
fn a_session_that_was_closed_is_over_at_once() {
    run(async {
        let server = Server::start(&["ANTEROOM_RESUME_TIMEOUT=10m"]);
        let mut peer = Native::join(&server, "r", &full("r")).await;
        peer.ok(json!({"op": "send", "queue": "q", "body": "held"})).await;
        peer.ok(json!({"op": "receive", "queue": "q", "lease": "session"})).await;
        peer.socket.send(crate::support::raw::CLOSE, &1000_u16.to_be_bytes()).await.unwrap();
        assert_eq!(peer.end().await.unwrap().0, 1000);
        is_given_back(&server, json!("held")).await;
        lost(&server, &full("r"), &peer.hello["session"], peer.heard).await;
    });
}

/// The limit `resume_bytes`: at it everything is said again, one past it the session is lost.
#[test]
fn resume_bytes() {
    run(async {
        // A body long enough that a ping follows it at once, and a short one.
        let bodies = [json!("x".repeat(70_000)), json!("y")];
        let mut total = 0;
        for limit in [None, Some(100), Some(-1)] {
            let limit = limit.map(|more: i64| format!("resume_bytes={}", total + more));
            let mut settings = vec!["ANTEROOM_RESUME_TIMEOUT=10m"];
            settings.extend(limit.iter().flat_map(|limit| ["--limit", limit]));
            let server = Server::start(&settings);
            let mut peer = Native::join(&server, "r", &full("r")).await;
            let session = peer.hello["session"].clone();
            peer.ok(json!({"op": "send", "queue": "q", "messages": [{"body": bodies[0]}, {"body": bodies[1]}]})).await;
            peer.pongs = false;
            let mut texts = 0;
            for id in [1, 2] {
                let receive = json!({"id": id, "op": "receive", "queue": "q", "lease": "session"});
                peer.socket.send(TEXT, receive.to_string().as_bytes()).await.unwrap();
                // The first is known to be followed by a ping.
                loop {
                    let frame = within("a frame", peer.socket.next()).await.unwrap();
                    texts += usize::from(frame.opcode == TEXT);
                    if texts == 1 && frame.opcode == PING || texts == 2 {
                        break;
                    }
                }
            }
            let came = peer.socket.came as i64;
            drop(peer);
            match limit {
                None => total = came,
                Some(limit) if limit.ends_with(&(total + 100).to_string()) => {
                    let mut peer =
                        Native::resume(&server, "r", &full("r"), &session, 1).await.unwrap();
                    assert_eq!(peer.reply(1).await["ok"]["messages"][0]["body"], bodies[0]);
                    assert_eq!(peer.reply(2).await["ok"]["messages"][0]["body"], bodies[1]);
                }
                Some(_) => {
                    lost(&server, &full("r"), &session, 1).await;
                    is_given_back(&server, bodies[0].clone()).await;
                }
            }
        }
    });
}

#[test]
fn another_token_of_the_participant_counts_from_then_on() {
    run(async {
        let server = Server::start(&["ANTEROOM_PING_INTERVAL=200ms"]);
        // Good for eight seconds more: sixty seconds of leeway.
        let ends = now() - 52;
        let grants =
            json!([{"name": "room", "scope": "r"}, {"name": "api", "scope": {"queues": {}}}]);
        let short = sign(&json!({"name": "tester", "exp": ends, "grants": grants}));
        let peer = Native::join(&server, "r", &short).await;
        let session = peer.hello["session"].clone();
        drop(peer);
        let receive_only = token("r", "tester", json!({"queues": {"send": []}}));
        let mut peer = Native::resume(&server, "r", &receive_only, &session, 0).await.unwrap();
        assert_eq!(
            peer.refused(json!({"op": "send", "queue": "q", "body": 1})).await,
            "permission_denied"
        );
        while now() <= ends + 61 {
            peer.ok(json!({"op": "receive", "queue": "q", "wait_ms": 200})).await;
        }
    });
}

#[test]
fn events_that_pile_up_while_nobody_reads_are_counted_and_left_out() {
    run(async {
        let server = Server::start(&["--limit", "outgoing_bytes=10000"]);
        let mut other = Native::join(&server, "r", &full("r")).await;
        other.ok(json!({"op": "open", "queue": "q"})).await;
        let mut peer = Native::join(&server, "r", &full("r")).await;
        let watch = peer.ask(json!({"op": "watch", "queue": "q"})).await;
        peer.reply(watch).await;
        let session = peer.hello["session"].clone();
        drop(peer);
        for n in 0..60 {
            other.ok(json!({"op": "send", "queue": "q", "body": n, "delay_ms": 3_600_000})).await;
        }
        let mut peer = Native::resume(&server, "r", &full("r"), &session, 1).await.unwrap();
        let ping = peer.ask(json!({"op": "ping"})).await;
        let mut told = 0;
        loop {
            let frame = peer.next().await;
            if frame["id"] == json!(ping) {
                break;
            }
            assert_eq!((&frame["watch"], &frame["event"]), (&json!(watch), &json!("sent")));
            assert_eq!(frame["message"], json!(format!("0-{told}")), "the first that have room");
            told += 1;
        }
        // Perhaps some were written before the server knew that nobody reads.
        assert!((19..60).contains(&told), "{told}");
        other.ok(json!({"op": "send", "queue": "q", "body": "next", "delay_ms": 3_600_000})).await;
        let missed = json!({"watch": watch, "missed": 60 - told});
        assert_eq!(peer.next().await, missed, "said before the next one");
        assert_eq!(peer.next().await["message"], "0-60");
        // Notices must not be left out: who lets too many of them pile up has lost the session.
        for member in [&mut other, &mut peer] {
            member.ok(json!({"op": "messaging", "enabled": true})).await;
        }
        let heard = peer.heard;
        drop(peer);
        let text = "x".repeat(6000);
        for _ in 0..3 {
            other.ok(json!({"op": "message", "type": "chat", "message": text})).await;
        }
        lost(&server, &full("r"), &session, heard).await;
    });
}

#[test]
fn a_server_that_stops_keeps_nobody_who_is_away() {
    run(async {
        let mut server = Server::start(&["ANTEROOM_RESUME_TIMEOUT=10m"]);
        detached(&server, &full("r")).await;
        server.signal("TERM");
        assert_eq!(server.wait(), Some(0));
    });
}
