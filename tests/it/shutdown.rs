//! SIGTERM: unready, last receipts, TCP dropped without a close frame, exit 0.

use std::time::Duration;

use serde_json::json;

use crate::support::{Answer, Peer, Said, Server, full, raw::PONG, run};

#[test]
fn parked_and_idle_connections_are_dropped_without_a_close_frame() {
    run(async {
        let mut server = Server::start(&[]);
        let mut parked = Peer::join(&server, "r", &full("r")).await;
        let mut idle = Peer::join(&server, "other", &full("other")).await;
        parked.park("q").await;
        parked.size("q").await;
        server.signal("TERM");
        assert_eq!(parked.end().await, None);
        assert_eq!(idle.end().await, None);
        assert_eq!(server.wait(), Some(0));
    });
}

#[test]
fn receipts_under_way_are_waited_for_and_nothing_more_is_handed_out() {
    run(async {
        let mut server = Server::start(&["--grace", "20s"]);
        let mut peer = Peer::join(&server, "r", &full("r")).await;
        let mut idle = Peer::join(&server, "r", &full("r")).await;
        let mut leaving = Peer::join(&server, "r", &full("r")).await;
        for receiver in [&mut leaving, &mut peer] {
            receiver.pongs = false;
            idle.send("q", json!(1)).await;
            assert!(matches!(receiver.take("q").await, Answer::Json(_)));
        }
        let Said::Ping(ping) = peer.next().await else { panic!("no ping behind the answer") };
        peer.park("q").await;
        assert_eq!(peer.size("q").await, Some(0));
        server.signal("TERM");
        assert_eq!(idle.end().await, None, "nothing is under way for this one");
        // A message comes back while the other still waits; it is not to be handed out again.
        drop(leaving);
        let said = tokio::time::timeout(Duration::from_millis(300), peer.next()).await;
        assert!(said.is_err(), "{said:?} although the server is closing");
        assert!(!server.has_ended(), "the receipt is waited for");
        peer.socket.send(PONG, &ping).await.unwrap();
        assert_eq!(peer.end().await, None);
        assert_eq!(server.wait(), Some(0));
    });
}

#[test]
fn a_receipt_that_never_comes_is_waited_for_no_longer_than_grace() {
    run(async {
        let mut server = Server::start(&["--grace", "500ms"]);
        let mut peer = Peer::join(&server, "r", &full("r")).await;
        peer.pongs = false;
        peer.send("q", json!(1)).await;
        peer.take("q").await;
        server.signal("TERM");
        let ended = tokio::task::spawn_blocking(move || server.wait());
        let code = tokio::time::timeout(Duration::from_secs(15), ended).await;
        assert_eq!(code.expect("the server ends").unwrap(), Some(0));
    });
}

#[test]
fn a_closing_server_is_unready_and_takes_nobody_in() {
    run(async {
        let server = Server::start(&["--grace", "20s"]);
        let mut peer = Peer::join(&server, "r", &full("r")).await;
        peer.pongs = false;
        peer.send("q", json!(1)).await;
        peer.take("q").await; // Keeps the server waiting for the receipt.
        server.signal("TERM");
        loop {
            match Peer::try_join(&server, "r", &full("r")).await {
                Err(refusal) => {
                    assert_eq!(refusal.status, 503);
                    assert!(refusal.body.contains("server_closing"));
                    break;
                }
                Ok(_) => tokio::task::yield_now().await,
            }
        }
    });
}

#[test]
fn a_signal_right_after_the_ready_line_is_a_clean_stop() {
    for name in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        server.signal(name);
        assert_eq!(server.wait(), Some(0), "{name}");
    }
}
