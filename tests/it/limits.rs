//! Every limit: at it things work, one past it the named error comes, and the limit goes on working.

use serde_json::{Value, json};

use crate::support::{Answer, Both, Peer, Server, full, request, run, token};

async fn start(limits: &[&str]) -> (Server, Peer) {
    let flags: Vec<&str> = limits.iter().flat_map(|limit| ["--limit", limit]).collect();
    let server = Server::start(&flags);
    let peer = Peer::join(&server, "r", &full("r")).await;
    (server, peer)
}

#[test]
fn message_bytes() {
    run(async {
        let (_server, mut peer) = start(&["message_bytes=4096"]).await;
        // The whole request counts: 8 bytes of length, the header around the message, the message.
        let overhead = 8 + json!({"message": "", "name": "q"}).to_string().len();
        let at = "x".repeat(4096 - overhead);
        assert_eq!(peer.send("q", json!(at)).await, Answer::Empty);
        assert_eq!(peer.send("q", json!(format!("{at}x"))).await.code(), 1002);
        assert_eq!(peer.send("q", json!("small")).await, Answer::Empty, "the connection goes on");
        assert_eq!(peer.size("q").await, Some(2));
    });
}

#[test]
fn name_bytes() {
    run(async {
        let (server, mut peer) = start(&["name_bytes=6"]).await; // The peer's name is `tester`.
        assert_eq!(peer.send("123456", json!(1)).await, Answer::Empty);
        assert_eq!(peer.send("1234567", json!(1)).await.code(), 1002);
        assert_eq!(peer.take("1234567").await.code(), 1002);
        assert_eq!(peer.size("1234567").await, None);
        Peer::join(&server, "sixsix", &full("sixsix")).await;
        let refused = Peer::try_join(&server, "seven77", &full("seven77")).await.err().unwrap();
        assert_eq!(refused.status, 404, "the clients do not try again for ever");
        let long = token("r", "1234567", json!({"queues": {}}));
        assert!(Peer::try_join(&server, "r", &long).await.is_err());
    });
}

#[test]
fn messages_per_queue() {
    run(async {
        let (server, mut peer) = start(&["messages_per_queue=2"]).await;
        assert_eq!(peer.send("q", json!(1)).await, Answer::Empty);
        assert_eq!(peer.send("q", json!(2)).await, Answer::Empty);
        assert_eq!(peer.send("q", json!(3)).await.code(), 1008);
        assert_eq!(peer.send("other", json!(1)).await, Answer::Empty);
        // A message that was handed out counts until its receipt is in.
        peer.pongs = false;
        assert_eq!(peer.take("q").await, Answer::Json("1".into()));
        assert_eq!(peer.send("q", json!(3)).await.code(), 1008);
        drop(peer);
        let mut peer = Peer::join(&server, "r", &full("r")).await;
        peer.until_size("q", 2).await;
        let waiting = peer.park("q").await;
        assert_eq!(
            peer.answer(waiting).await,
            Answer::Json("1".into()),
            "what came back was let in"
        );
    });
}

#[test]
fn bytes_per_queue() {
    run(async {
        let (_server, mut peer) = start(&["bytes_per_queue=10"]).await;
        assert_eq!(peer.send("q", json!(123_456)).await, Answer::Empty);
        assert_eq!(peer.send("q", json!(12345)).await.code(), 1008);
        assert_eq!(peer.send("q", json!(1234)).await, Answer::Empty, "exactly full");
        assert_eq!(peer.send("q", json!(1)).await.code(), 1008);
        assert_eq!(peer.take("q").await, Answer::Json("123456".into()));
        let waiting = peer.park("empty").await; // Its pong was read before this is answered…
        peer.send("empty", json!(1)).await;
        peer.answer(waiting).await;
        peer.size("q").await; // …and the receipt has reached the queue before this.
        assert_eq!(peer.send("q", json!(123_456)).await, Answer::Empty, "space was given back");
    });
}

#[test]
fn queues_per_room() {
    run(async {
        let (_server, mut peer) = start(&["queues_per_room=2"]).await;
        assert_eq!(peer.send("a", json!(1)).await, Answer::Empty);
        assert_eq!(peer.call("queues.open", json!({"name": "b"})).await, Answer::Empty);
        assert_eq!(peer.send("c", json!(1)).await.code(), 1008);
        assert_eq!(peer.take("c").await.code(), 1008);
        assert_eq!(peer.call("queues.open", json!({"name": "c"})).await.code(), 1008);
        assert_eq!(peer.send("a", json!(1)).await, Answer::Empty);
        assert_eq!(peer.size("c").await, None);
    });
}

#[test]
fn parked_receivers() {
    run(async {
        for (limit, same_queue, same_connection) in [
            ("parked_per_connection=2", false, true),
            ("parked_per_queue=2", true, false),
            ("parked_per_room=2", false, false),
        ] {
            let (server, mut first) = start(&[limit]).await;
            let mut second = Peer::join(&server, "r", &full("r")).await;
            let one = first.park("a").await;
            first.size("a").await;
            let peer = if same_connection { &mut first } else { &mut second };
            let two = peer.park(if same_queue { "a" } else { "b" }).await;
            let three = peer.park("a").await;
            assert_eq!(peer.answer(three).await.code(), 1008, "{limit}");
            assert_eq!(peer.take("c").await, Answer::Empty, "not to wait is allowed: {limit}");
            // One is served, and there is a place again.
            peer.send(if same_queue { "a" } else { "b" }, json!(1)).await;
            if same_queue {
                first.answer(one).await;
            } else {
                peer.answer(two).await;
            }
            let peer = if same_connection { &mut first } else { &mut second };
            let again = peer.park("d").await;
            peer.send("d", json!(2)).await;
            assert_eq!(peer.answer(again).await, Answer::Json("2".into()), "{limit}");
        }
    });
}

#[test]
fn parked_in_room_is_given_back_when_a_session_leaves() {
    run(async {
        let (server, mut first) = start(&["parked_per_room=2"]).await;
        first.park("a").await;
        first.park("b").await;
        first.size("a").await;
        drop(first);
        let mut second = Peer::join(&server, "r", &full("r")).await;
        loop {
            let waiting = second.park("a").await;
            second.send("a", json!(1)).await;
            match second.answer(waiting).await {
                Answer::Json(_) => break,
                refused => assert_eq!(refused.code(), 1008, "the other's leaving is on its way"),
            }
        }
    });
}

#[test]
fn requests_in_flight_past_the_limit_wait_to_be_read_and_are_all_answered() {
    run(async {
        let (_server, mut peer) = start(&["requests_in_flight=1"]).await;
        let mut ids = Vec::new();
        for n in 0..200 {
            ids.push(
                peer.ask("queues.send", &json!({"name": "q", "message": n}).to_string()).await,
            );
        }
        for id in ids {
            assert_eq!(peer.answer(id).await, Answer::Empty);
        }
        assert_eq!(peer.size("q").await, Some(200));
    });
}

#[test]
fn connections_participants_and_rooms() {
    run(async {
        for (limit, second_room) in
            [("connections=1", "r"), ("participants_per_room=1", "r"), ("rooms=1", "other")]
        {
            let (server, mut first) = start(&[limit]).await;
            let refused =
                Peer::try_join(&server, second_room, &full(second_room)).await.err().unwrap();
            assert_eq!(refused.status, 503, "{limit}");
            assert!(refused.body.contains("too_many_"), "{}", refused.body);
            assert_eq!(first.take("q").await, Answer::Empty);
            if limit == "rooms=1" {
                continue; // The room has a queue now and stays.
            }
            drop(first);
            while Peer::try_join(&server, second_room, &full(second_room)).await.is_err() {
                tokio::task::yield_now().await;
            }
        }
    });
}

#[test]
fn a_room_without_queues_ends_with_its_last_session() {
    run(async {
        let (server, first) = start(&["rooms=1"]).await;
        drop(first);
        while Peer::try_join(&server, "other", &full("other")).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn attributes_bytes() {
    run(async {
        let (server, mut peer) = start(&["attributes_bytes=10"]).await;
        let mut other =
            Peer::join(&server, "r", &token("r", "other", json!({"messaging": {}}))).await;
        for member in [&mut peer, &mut other] {
            member.call("messaging.enable", json!({})).await;
        }
        let id = peer.ask("set_attributes", r#"{"a":12345678}"#).await;
        let too_many = peer.ask("set_attributes", r#"{"b":123}"#).await;
        assert_eq!(peer.answer(too_many).await.code(), 1002, "a refusal is said even so");
        assert!(id < too_many);
        let seen: Value = loop {
            match other.next().await {
                crate::support::Said::Push(_, push) if push["type"] == "participant.attributes" => {
                    break push["message"]["attributes"].clone();
                }
                _ => {}
            }
        };
        assert_eq!(seen, json!({"a": 12_345_678}));
    });
}

#[test]
fn outgoing_bytes_refuse_what_would_pile_up() {
    run(async {
        let (_server, mut peer) = start(&["outgoing_bytes=100"]).await;
        peer.send("a-queue-with-a-long-name", json!(1)).await;
        peer.send("another-queue-with-a-long-name", json!(1)).await;
        assert!(
            peer.size("another-queue-with-a-long-name").await.is_some(),
            "one alone always fits"
        );
        // Lists that differ, in one write; now and then the first may be written before the second is made.
        let message = json!({"name": "a-queue-with-a-long-name", "message": 1}).to_string();
        let mut refused = 0;
        for id in (1000..1100).step_by(3) {
            let [one, send, two] =
                [("queues.list", "{}"), ("queues.send", &message), ("queues.list", "{}")];
            let requests = [one, send, two].into_iter().zip(id..);
            let bytes: Vec<u8> =
                requests.flat_map(|((kind, text), id)| request(id, kind, text)).collect();
            peer.socket.send_raw(&bytes).await.unwrap();
            peer.answer(id).await;
            peer.answer(id + 1).await;
            refused += usize::from(peer.answer(id + 2).await.code() == 1008);
        }
        assert!(refused > 0);
        assert!(peer.size("a-queue-with-a-long-name").await.is_some(), "the limit goes on working");
    });
}

#[test]
fn a_peer_that_lets_news_pile_up_is_cut() {
    run(async {
        let (server, mut slow) = start(&["outgoing_bytes=100000"]).await;
        slow.call("messaging.enable", json!({})).await;
        let mut loud = Peer::join(&server, "r", &full("r")).await;
        loud.call("messaging.enable", json!({})).await;
        let text = "x".repeat(50_000);
        let message = json!({"type": "chat", "message": {"text": text}}).to_string();
        let broadcast = request(9, "messaging.broadcast", &message);
        // `slow` does not read; kernel buffers fill, then the gauge.
        for _ in 0..2000 {
            loud.socket.send_raw(&broadcast).await.unwrap();
            if loud.answer(9).await != Answer::Empty {
                panic!("the sender is not to be harmed");
            }
            if loud.call("messaging.enable", json!({})).await == Answer::Empty
                && gone(&mut loud).await
            {
                return;
            }
        }
        panic!("the slow peer was never cut");
    });
}

/// Whether nobody else takes part any more, as the list says that `enable` brings.
async fn gone(peer: &mut Peer) -> bool {
    use crate::support::Said;
    let mut participants = None;
    let id = peer.ask("queues.list", "{}").await;
    loop {
        match peer.next().await {
            Said::Push(_, push) if push["type"] == "messaging.enabled" => {
                participants = Some(push["message"]["participants"].as_array().unwrap().len());
            }
            Said::Answer(other, _) if other == id => return participants == Some(0),
            _ => {}
        }
    }
}

#[test]
fn a_thousand_lists_at_once_cost_little_and_are_all_answered() {
    run(async {
        // Lists that are asked for while a queue is busy are not shared, and on a busy machine that may be many.
        let (server, mut peer) = start(&["outgoing_bytes=1GiB"]).await;
        for n in 0..500 {
            peer.ask("queues.open", &json!({"name": format!("queue-{n}")}).to_string()).await;
        }
        peer.size("queue-0").await;
        let before = server.resident();
        let mut ids = Vec::new();
        for _ in 0..1000 {
            ids.push(peer.ask("queues.list", "{}").await);
        }
        let mut other = Peer::join(&server, "r", &full("r")).await;
        assert_eq!(other.take("queue-0").await, Answer::Empty, "others are served meanwhile");
        for id in ids {
            let answer = peer.answer(id).await;
            let is_whole = matches!(&answer, Answer::Json(list) if list.contains("queue-499"));
            assert!(is_whole, "{id}: {answer:?}");
        }
        let grown = server.resident().saturating_sub(before);
        assert!(grown < 64 << 20, "{grown} bytes");
    });
}

#[test]
fn requests_without_an_answer_are_in_flight_too() {
    run(async {
        let (_server, mut peer) = start(&["requests_in_flight=1"]).await;
        for n in 0..500 {
            peer.ask("set_attributes", &json!({"n": n}).to_string()).await;
        }
        assert_eq!(peer.take("q").await, Answer::Empty, "they give their permits back");
    });
}

#[test]
fn groups_per_queue() {
    run(async {
        let server = Server::start(&["--limit", "groups_per_queue=2"]);
        let mut both = Both::new(&server).await;
        let open = |group: &str| json!({"op": "group_open", "queue": "q", "group": group});
        let take = |group: &str| json!({"op": "receive", "queue": "q", "group": group});
        both.ok(open("a")).await;
        both.ok(take("b")).await;
        let refusal = "too_many_groups: the queue q has as many groups as it may have";
        assert_eq!(both.refused(open("c")).await, refusal);
        assert_eq!(both.refused(take("c")).await, refusal);
        both.ok(take("a")).await;
        both.ok(json!({"op": "receive", "queue": "q"})).await;
        both.ok(json!({"op": "receive", "queue": "other", "group": "c"})).await;
        both.ok(json!({"op": "group_delete", "queue": "q", "group": "a"})).await;
        both.ok(open("c")).await;
        assert_eq!(both.refused(open("a")).await, refusal);
    });
}

#[test]
fn partitions_per_queue() {
    run(async {
        let server = Server::start(&["--limit", "partitions_per_queue=2"]);
        let mut both = Both::new(&server).await;
        let send = |partitions: &[&str]| {
            let message = |partition: &&str| json!({"body": 1, "partition": partition});
            let messages: Vec<Value> = partitions.iter().map(message).collect();
            json!({"op": "send", "queue": "q", "messages": messages})
        };
        let refusal = "too_many_partitions: the queue q has as many partitions as it may have";
        assert_eq!(both.refused(send(&["a", "b", "c"])).await, refusal, "as a whole");
        both.ok(send(&["a", "b", "a"])).await;
        assert_eq!(both.refused(send(&["a", "c"])).await, refusal);
        assert_eq!(
            both.refused(json!({"op": "send", "queue": "q", "body": 1})).await,
            refusal,
            "`Default` is one, too"
        );
        both.ok(send(&["b"])).await;
        let size = json!({"queues": [{"name": "q", "size": 4}]});
        both.gets(json!({"op": "list"}), size).await;
        // Partitions times groups: ten times the limit, so ten groups with two partitions.
        let open =
            |group: usize| json!({"op": "group_open", "queue": "q", "group": group.to_string()});
        for group in 0..9 {
            both.ok(open(group)).await;
        }
        let refusal = both.refused(open(9)).await;
        assert!(refusal.starts_with("too_many_"), "{refusal}");
    });
}

#[test]
fn schedules_per_queue() {
    run(async {
        let server = Server::start(&["--limit", "schedules_per_queue=2"]);
        let mut both = Both::new(&server).await;
        let put = |name: &str| {
            let message = json!({"body": 1});
            json!({"op": "schedule_put", "queue": "q", "name": name, "every_ms": 3_600_000, "message": message})
        };
        both.ok(put("a")).await;
        both.ok(put("b")).await;
        both.ok(put("a")).await;
        let refusal = "too_many_schedules: the queue q has as many schedules as it may have";
        assert_eq!(both.refused(put("c")).await, refusal);
        both.ok(json!({"op": "schedule_delete", "queue": "q", "name": "a"})).await;
        both.ok(put("c")).await;
        assert_eq!(both.refused(put("a")).await, refusal);
    });
}

#[test]
fn items_per_request() {
    run(async {
        let server = Server::start(&["--limit", "items_per_request=2"]);
        let mut both = Both::new(&server).await;
        let many = |count: usize, item: Value| Value::Array(vec![item; count]);
        let part = |count: usize| json!([{"queue": "q", "send": many(count, json!({"body": 1}))}]);
        let two_parts = |count: usize| {
            let one = json!({"queue": "q", "send": [{"body": 1}]});
            json!([one, {"queue": "p", "send": many(count - 1, json!({"body": 1}))}])
        };
        type Make<'a> = Box<dyn Fn(usize) -> Value + 'a>;
        let rows: Vec<(&str, Make<'_>)> = vec![
            (
                "messages",
                Box::new(
                    |n| json!({"op": "send", "queue": "q", "messages": many(n, json!({"body": 1}))}),
                ),
            ),
            ("max", Box::new(|n| json!({"op": "receive", "queue": "q", "max": n}))),
            (
                "items",
                Box::new(
                    |n| json!({"op": "settle", "queue": "q", "items": many(n, json!({"lease": "9-9-9-9"}))}),
                ),
            ),
            (
                "leases",
                Box::new(
                    |n| json!({"op": "extend", "queue": "q", "leases": many(n, json!("9-9-9-9"))}),
                ),
            ),
            ("limit", Box::new(|n| json!({"op": "browse", "queue": "q", "limit": n}))),
            (
                "ids",
                Box::new(
                    |n| json!({"op": "change", "queue": "q", "action": "bury", "ids": many(n, json!("9-9"))}),
                ),
            ),
            (
                "limit",
                Box::new(
                    |n| json!({"op": "change", "queue": "q", "action": "bury", "filter": {"states": ["dead"]}, "limit": n}),
                ),
            ),
            ("parts[0].send", Box::new(|n| json!({"op": "transaction", "parts": part(n)}))),
            ("parts", Box::new(|n| json!({"op": "transaction", "parts": two_parts(n)}))),
        ];
        for (field, make) in rows {
            both.ok(make(2)).await;
            let refusal = both.refused(make(3)).await;
            let begin = if field.starts_with("parts") { "parts" } else { field };
            assert_eq!(
                refusal,
                format!("too_many_items: `{begin}`: 3 things, and one request may name 2")
            );
        }
        both.peer.say(r#"[{"id":1,"op":"ping"},{"id":2,"op":"ping"}]"#).await;
        assert!(both.peer.next().await["ok"]["time"].is_u64());
        assert!(both.peer.next().await["ok"]["time"].is_u64());
        both.peer.say(r#"[{"id":1,"op":"ping"},{"id":2,"op":"ping"},{"id":3,"op":"ping"}]"#).await;
        assert_eq!(both.peer.next().await["error"]["code"], "too_many_items");
    });
}
