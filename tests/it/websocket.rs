//! The WebSocket layer under peers that do not behave.

use serde_json::json;

use crate::support::{
    Answer, Native, Peer, Said, Server, full,
    raw::{BINARY, CLOSE, PING, PONG, RawSocket, TEXT, frame},
    request, run, within,
};

const LIST: &str = "queues.list";

async fn joined(flags: &[&str]) -> (Server, Peer) {
    let server = Server::start(flags);
    let peer = Peer::join(&server, "r", &full("r")).await;
    (server, peer)
}

/// Sends raw bytes and returns how the server ends the connection.
async fn ends_with(flags: &[&str], bytes: &[u8]) -> Option<u16> {
    let (_server, mut peer) = joined(flags).await;
    peer.socket.send_raw(bytes).await.unwrap();
    peer.end().await
}

#[test]
fn whatever_is_wrong_with_the_framing_has_its_close_code() {
    run(async {
        let announced = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
        let small = ["--limit", "frame_bytes=1024"];
        let fragments = ["--limit", "fragments_per_message=3"];
        let pieces = |count: usize| {
            let mut bytes = frame(false, BINARY, b"");
            (0..count).for_each(|_| bytes.extend(frame(false, 0, b"")));
            bytes
        };
        for (what, flags, bytes, code) in [
            ("text", &[][..], frame(true, TEXT, b"hello"), 1003),
            ("a short packet", &[], frame(true, BINARY, b"short"), 1002),
            ("an unmasked frame", &[], vec![0x82, 0], 1002),
            ("a reserved bit", &[], vec![0xc2, 0x80, 0, 0, 0, 0], 1002),
            ("an unknown opcode", &[], frame(true, 3, b""), 1002),
            ("a fragmented ping", &[], frame(false, PING, b""), 1002),
            ("a stray continuation", &[], frame(true, 0, b""), 1002),
            ("text that is not UTF-8", &[], frame(true, TEXT, &[0xff]), 1007),
            ("8 GiB announced", &[], announced(8 << 30), 1009),
            ("all there is announced", &[], announced(u64::MAX >> 1), 1009),
            ("one past the frame limit", &small[..], announced(1025), 1009),
            ("one fragment too many", &fragments[..], pieces(3), 1008),
            ("a polite close", &[], frame(true, CLOSE, &[3, 0xe8]), 1000),
        ] {
            assert_eq!(ends_with(flags, &bytes).await, Some(code), "{what}");
        }
    });
}

/// TCP takes back what is not read yet if a connection is closed while something of the peer's is unread.
#[test]
fn who_goes_on_talking_still_hears_why_it_is_over() {
    run(async {
        let (_server, mut peer) = joined(&[]).await;
        let mut bytes = vec![0xc2, 0x80, 0, 0, 0, 0];
        bytes.resize(150_000, b'x');
        for piece in bytes.chunks(50_000) {
            peer.socket.send_raw(piece).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(peer.end().await, Some(1002));
    });
}

fn send(id: usize, body: &str) -> Vec<u8> {
    let request = json!({"id": id, "op": "send", "queue": "q", "messages": [{"body": body}]});
    frame(true, TEXT, request.to_string().as_bytes())
}

/// All bodies in the queue.
async fn bodies(peer: &mut Native) -> Vec<String> {
    let request = json!({"op": "receive", "queue": "q", "max": 1000, "lease": "none"});
    let reply = peer.ok(request).await;
    let messages = reply["messages"].as_array().unwrap().iter();
    messages.map(|message| message["body"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_said_right_behind_the_handshake_is_heard_first() {
    run(async {
        let server = Server::start(&[]);
        let body = |at: usize| format!("{at} {}", "x".repeat(1000));
        let early: Vec<u8> = (0..100).flat_map(|at| send(at, &body(at))).collect();
        // The last of these frames is cut in the middle.
        let (before, after) = early.split_at(early.len() - 500);
        let headers = [format!("Authorization: Bearer {}", full("r"))];
        let path = "/v1/rooms/r/ws";
        let mut socket =
            RawSocket::connect_and_say(server.address(), path, &headers, before).await.unwrap();
        let late: Vec<u8> = (100..200).flat_map(|at| send(at, &body(at))).collect();
        socket.send_raw(&[after, &late].concat()).await.unwrap();
        for _ in 0..=200 {
            assert_eq!(socket.next().await.unwrap().opcode, TEXT); // The hello, and the answers.
        }
        let mut other = Native::join(&server, "r", &full("r")).await;
        assert_eq!(bodies(&mut other).await, (0..200).map(body).collect::<Vec<_>>());
    });
}

/// The answer waits until the old connection is gone; meanwhile more comes than the HTTP layer has room for.
#[test]
fn what_is_said_before_a_late_answer_is_heard_whole_and_in_order() {
    run(async {
        let server = Server::start(&[]);
        let old = Native::join(&server, "r", &full("r")).await;
        let session = old.hello["session"].as_str().unwrap();
        let path = format!("/v1/rooms/r/ws?resume={session}&received=0");
        let headers = [format!("Authorization: Bearer {}", full("r"))];
        let body = |at: usize| format!("{at} {}", "x".repeat(1000));
        let early: Vec<u8> = (0..900).flat_map(|at| send(at, &body(at))).collect();
        let connecting = RawSocket::connect_and_say(server.address(), &path, &headers, &early);
        let mut socket = within("the handshake", connecting).await.unwrap();
        for _ in 0..=900 {
            let frame = within("an answer", socket.next()).await.expect("the connection stays");
            assert_eq!(frame.opcode, TEXT);
        }
        let mut other = Native::join(&server, "r", &full("r")).await;
        assert_eq!(bodies(&mut other).await, (0..900).map(body).collect::<Vec<_>>());
    });
}

#[test]
fn what_is_said_before_goodbye_counts() {
    run(async {
        let server = Server::start(&[]);
        let mut other = Native::join(&server, "r", &full("r")).await;
        let goodbye = frame(true, CLOSE, &1000_u16.to_be_bytes());
        let nonsense = frame(true, 3, b"");
        for last in [goodbye, nonsense] {
            let mut peer = Native::join(&server, "r", &full("r")).await;
            peer.socket.send_raw(&[send(1, "a"), send(2, "b"), last].concat()).await.unwrap();
            assert!(peer.end().await.is_some());
            assert_eq!(bodies(&mut other).await, ["a", "b"]);
        }
    });
}

#[test]
fn at_the_limits_of_frames_and_fragments_things_work() {
    run(async {
        let (_server, mut peer) =
            joined(&["--limit", "frame_bytes=1036", "--limit", "fragments_per_message=3"]).await;
        // The clients' data packets of 1024 bytes make frames of exactly 1036.
        assert_eq!(peer.send("q", json!("x".repeat(3000))).await, Answer::Empty);
        let whole = request(77, LIST, "{}");
        let packets = split_frames(&whole);
        for packet in packets {
            let (head, rest) = packet.split_at(5);
            let (middle, end) = rest.split_at(5);
            for (is_last, opcode, part) in
                [(false, BINARY, head), (false, 0, middle), (true, 0, end)]
            {
                // A ping may stand between fragments.
                let bytes = [frame(true, PING, b"between"), frame(is_last, opcode, part)].concat();
                peer.socket.send_raw(&bytes).await.unwrap();
            }
        }
        loop {
            // The pongs come as frames of their own; the peer sees them as answers to nothing.
            let said = next_skipping_pongs(&mut peer).await;
            if let Said::Answer(77, Answer::Json(_)) = said {
                break;
            }
        }
    });
}

fn split_frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while let [_, length, ..] = bytes {
        let length = usize::from(length & 0x7f);
        packets.push(bytes[6..6 + length].to_vec());
        bytes = &bytes[6 + length..];
    }
    packets
}

/// Pongs are read off the raw socket first; what follows is for the peer.
async fn next_skipping_pongs(peer: &mut Peer) -> Said {
    for _ in 0..6 {
        let pong = peer.socket.next().await.unwrap();
        assert_eq!((pong.opcode, pong.data.as_slice()), (PONG, &b"between"[..]));
    }
    peer.next().await
}

#[test]
fn a_ping_is_answered_and_a_flood_of_them_ends_the_connection() {
    run(async {
        let (_server, mut peer) = joined(&["--limit", "pings_per_second=3"]).await;
        for n in 0..3 {
            peer.socket.send(PING, &[n]).await.unwrap();
            assert_eq!(peer.socket.next().await.unwrap().data, [n]);
        }
        for _ in 0..8 {
            let _ = peer.socket.send(PING, b"flood").await;
        }
        loop {
            let said = peer.socket.next().await.expect("a close frame");
            if said.opcode == CLOSE {
                assert_eq!(said.data[..2], 1008u16.to_be_bytes());
                break;
            }
        }
    });
}

#[test]
fn announced_frames_cost_no_memory() {
    run(async {
        let (server, peer) = joined(&[]).await;
        drop(peer);
        let before = server.resident();
        let mut attackers = Vec::new();
        for _ in 0..50 {
            let mut peer = Peer::join(&server, "r", &full("r")).await;
            peer.socket
                .send_raw(&[&[0x82, 0xff][..], &(8u64 << 30).to_be_bytes()].concat())
                .await
                .unwrap();
            for _ in 0..16 {
                if peer.socket.send_raw(&[0; 65_536]).await.is_err() {
                    break; // Cut already.
                }
            }
            attackers.push(peer);
        }
        let grown = server.resident().saturating_sub(before);
        assert!(grown < 32 << 20, "{grown} bytes for 50 × 1 MiB that was announced as 8 GiB");
    });
}

#[test]
fn a_message_of_endless_packets_is_refused_and_costs_no_memory() {
    run(async {
        let (server, mut peer) = joined(&["--limit", "message_bytes=100000"]).await;
        let before = server.resident();
        let head = [
            &5u64.to_be_bytes()[..],
            &0u32.to_be_bytes(),
            &u32::MAX.to_be_bytes(),
            LIST.as_bytes(),
        ];
        peer.socket.send(BINARY, &head.concat()).await.unwrap();
        for number in 1u32..=20000 {
            let packet = [&5u64.to_be_bytes()[..], &number.to_be_bytes(), &[b' '; 10_000]].concat();
            peer.socket.send(BINARY, &packet).await.unwrap();
        }
        assert_eq!(peer.answer(5).await.code(), 1002);
        assert_eq!(peer.take("q").await, Answer::Empty, "the connection goes on");
        let grown = server.resident().saturating_sub(before);
        assert!(grown < 16 << 20, "{grown} bytes");
    });
}

/// The peer waits for much and reads nothing: it is cut from outside, and what it was handed goes back.
#[test]
fn a_peer_that_does_not_read_is_cut_and_costs_little() {
    run(async {
        let (server, mut deaf) = joined(&["ANTEROOM_WRITE_TIMEOUT=1s"]).await;
        for _ in 0..40 {
            deaf.park("q").await;
        }
        deaf.size("q").await;
        let mut loud = Peer::join(&server, "r", &full("r")).await;
        let body = "x".repeat(1 << 20);
        let before = server.resident();
        for n in 0..40 {
            assert_eq!(loud.send("q", json!([n, body])).await, Answer::Empty);
        }
        let grown = server.resident().saturating_sub(before);
        assert!(grown < 80 << 20, "{grown} bytes for 40 MiB of messages");
        loud.until_size("q", 40).await;
        server.log_with("does not read");
        for n in 0..40 {
            let Answer::Json(text) = loud.take("q").await else { panic!("number {n}") };
            assert!(text.starts_with(&format!("[{n},")), "in the old order");
        }
    });
}

#[test]
fn a_peer_that_reads_but_never_pongs_is_cut_and_its_message_goes_back() {
    run(async {
        let (server, mut mute) = joined(&["ANTEROOM_RECEIPT_TIMEOUT=300ms"]).await;
        mute.pongs = false;
        mute.send("q", json!(1)).await;
        assert_eq!(mute.take("q").await, Answer::Json("1".into()));
        assert_eq!(mute.end().await, None, "TCP is dropped: the client may come back");
        let mut other = Peer::join(&server, "r", &full("r")).await;
        let waiting = other.park("q").await;
        assert_eq!(other.answer(waiting).await, Answer::Json("1".into()));
    });
}

#[test]
fn a_quiet_peer_is_pinged_and_a_silent_one_is_cut() {
    run(async {
        let (_server, mut peer) =
            joined(&["ANTEROOM_PING_INTERVAL=200ms", "ANTEROOM_PONG_TIMEOUT=600ms"]).await;
        peer.pongs = false;
        let Said::Ping(ping) = peer.next().await else { panic!("no ping") };
        peer.socket.send(PONG, &ping).await.unwrap();
        assert!(matches!(peer.next().await, Said::Ping(_)), "again");
        assert_eq!(peer.end().await, None);
    });
}

#[test]
fn a_thousand_parked_receivers_do_not_delay_a_list() {
    run(async {
        let (_server, mut peer) = joined(&[]).await;
        for _ in 0..1000 {
            peer.park("q").await;
        }
        assert_eq!(peer.size("q").await, Some(0));
    });
}
