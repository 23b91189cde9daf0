//! What the queues of a room do, seen through a socket by a scripted peer.

use serde_json::json;

use crate::support::{Answer, Peer, Said, Server, full, raw::PONG, run};

fn json_text(text: &str) -> Answer {
    Answer::Json(text.to_owned())
}

async fn pair(server: &Server) -> (Peer, Peer) {
    let token = full("r");
    (Peer::join(server, "r", &token).await, Peer::join(server, "r", &token).await)
}

#[test]
fn messages_leave_in_the_order_of_sending() {
    run(async {
        let server = Server::start(&[]);
        let (mut a, mut b) = pair(&server).await;
        for n in 0..100 {
            a.ask("queues.send", &json!({"name": "q", "message": n}).to_string()).await;
        }
        a.send("q", json!("last")).await;
        assert_eq!(b.size("q").await, Some(101));
        for n in 0..100 {
            assert_eq!(b.take("q").await, json_text(&n.to_string()));
        }
        assert_eq!(b.take("q").await, json_text("\"last\""));
        assert_eq!(b.take("q").await, Answer::Empty);
        assert_eq!(b.size("q").await, Some(0));
    });
}

#[test]
fn within_a_connection_the_newest_waiter_is_served_and_connections_take_turns() {
    run(async {
        let server = Server::start(&[]);
        let (mut a, mut b) = pair(&server).await;
        let mut c = Peer::join(&server, "r", &full("r")).await;
        let old = a.park("q").await;
        let new = a.park("q").await;
        a.size("q").await; // The parking is done before the next connection parks.
        let other = b.park("q").await;
        b.size("q").await;
        for n in 1..=3 {
            c.send("q", json!(n)).await;
        }
        assert_eq!(a.answer(new).await, json_text("1"));
        assert_eq!(b.answer(other).await, json_text("2"));
        assert_eq!(a.answer(old).await, json_text("3"));
    });
}

#[test]
fn a_message_without_receipt_goes_back_to_its_place_when_the_connection_ends() {
    run(async {
        let server = Server::start(&[]);
        let (mut a, mut b) = pair(&server).await;
        for n in 1..=5 {
            a.send("q", json!(n)).await;
        }
        b.pongs = false;
        for n in 1..=3 {
            assert_eq!(b.take("q").await, json_text(&n.to_string()));
        }
        assert_eq!(a.size("q").await, Some(2), "leased messages are not counted");
        drop(b);
        a.until_size("q", 5).await;
        for n in 1..=5 {
            assert_eq!(a.take("q").await, json_text(&n.to_string()), "all, in the old order");
        }
    });
}

#[test]
fn a_pong_is_the_receipt_of_everything_before_its_ping() {
    run(async {
        let server = Server::start(&[]);
        let (mut a, mut b) = pair(&server).await;
        for n in 1..=3 {
            a.send("q", json!(n)).await;
        }
        b.pongs = false;
        let mut pings = Vec::new();
        for n in 1..=3 {
            let id = b.ask("queues.receive", r#"{"name":"q"}"#).await;
            assert_eq!(b.next().await, Said::Answer(id, json_text(&n.to_string())));
            let Said::Ping(ping) = b.next().await else { panic!("no ping behind the answer") };
            pings.push(ping);
        }
        b.socket.send(PONG, b"never sent").await.unwrap();
        b.socket.send(PONG, &u64::MAX.to_be_bytes()).await.unwrap();
        b.socket.send(PONG, &pings[1]).await.unwrap();
        b.size("q").await; // The pongs are read before this.
        drop(b);
        a.until_size("q", 1).await;
        assert_eq!(a.take("q").await, json_text("3"), "only the third was not received");
        assert_eq!(a.take("q").await, Answer::Empty);
    });
}

#[test]
fn the_ping_leaves_before_the_answer_to_any_later_request() {
    run(async {
        let server = Server::start(&[]);
        let (mut a, mut b) = pair(&server).await;
        a.send("q", json!(1)).await;
        b.pongs = false;
        let receive = b.ask("queues.receive", r#"{"name":"q"}"#).await;
        assert_eq!(b.next().await, Said::Answer(receive, json_text("1")));
        let list = b.ask("queues.list", "{}").await;
        assert!(matches!(b.next().await, Said::Ping(_)));
        assert!(matches!(b.next().await, Said::Answer(id, _) if id == list));
    });
}

#[test]
fn parked_receivers_hold_up_nothing_and_a_dead_one_swallows_nothing() {
    run(async {
        let server = Server::start(&[]);
        let (mut a, mut b) = pair(&server).await;
        for _ in 0..50 {
            b.park("q").await;
        }
        assert_eq!(b.size("q").await, Some(0));
        drop(b);
        let mut c = Peer::join(&server, "r", &full("r")).await;
        let waiting = c.park("q").await;
        c.size("q").await;
        a.send("q", json!("x")).await;
        assert_eq!(c.answer(waiting).await, json_text("\"x\""));
    });
}

#[test]
fn close_ends_waiting_refuses_and_keeps_the_messages_until_open() {
    run(async {
        let server = Server::start(&[]);
        let (mut a, mut b) = pair(&server).await;
        let waiting = b.park("q").await;
        b.size("q").await;
        assert_eq!(a.call("queues.close", json!({"name": "q"})).await, Answer::Empty);
        assert_eq!(b.answer(waiting).await.code(), 1006);
        assert_eq!(a.send("q", json!(1)).await.code(), 1006);
        assert_eq!(a.take("q").await.code(), 1006);
        assert_eq!(a.call("queues.open", json!({"name": "q"})).await, Answer::Empty);
        assert_eq!(a.call("queues.open", json!({"name": "q"})).await.code(), 5002);
        assert_eq!(a.send("q", json!(2)).await, Answer::Empty);
        a.call("queues.close", json!({"name": "q"})).await;
        assert_eq!(a.size("q").await, Some(1), "a closed queue is listed");
        a.call("queues.open", json!({"name": "q"})).await;
        assert_eq!(a.take("q").await, json_text("2"));
    });
}

#[test]
fn open_succeeds_twice_if_the_server_is_told_so() {
    run(async {
        let server = Server::start(&["--open-is-idempotent"]);
        let mut a = Peer::join(&server, "r", &full("r")).await;
        for _ in 0..2 {
            assert_eq!(a.call("queues.open", json!({"name": "q"})).await, Answer::Empty);
        }
    });
}

#[test]
fn a_refused_request_leaves_no_queue() {
    run(async {
        let server = Server::start(&[]);
        let mut a = Peer::join(&server, "r", &full("r")).await;
        let long = "x".repeat(256);
        for (kind, arguments, code) in [
            ("queues.send", json!({"name": "no", "message": 1, "create": false}), 5001),
            ("queues.receive", json!({"name": "no", "create": false}), 5001),
            ("queues.receive", json!({"name": "no", "create": false, "wait": false}), 5001),
            ("queues.drain", json!({"name": "no"}), 5001),
            ("queues.close", json!({"name": "no"}), 5001),
            ("queues.send", json!({"name": "", "message": 1}), 1002),
            ("queues.send", json!({"name": long, "message": 1}), 1002),
            ("queues.send", json!({"name": "a\u{85}b", "message": 1}), 1002),
            ("queues.send", json!({"name": "no"}), 1002),
            ("storage.list", json!({"path": "/"}), 1002),
        ] {
            assert_eq!(a.call(kind, arguments.clone()).await.code(), code, "{kind} {arguments}");
        }
        assert_eq!(a.call("queues.list", json!({})).await, json_text(r#"{"queues":[]}"#));
    });
}

#[test]
fn a_room_is_a_world_of_its_own() {
    run(async {
        let server = Server::start(&[]);
        let mut one = Peer::join(&server, "one", &full("one")).await;
        let mut two = Peer::join(&server, "two", &full("two")).await;
        one.send("q", json!(1)).await;
        assert_eq!(two.size("q").await, None);
        assert_eq!(two.take("q").await, Answer::Empty);
    });
}
