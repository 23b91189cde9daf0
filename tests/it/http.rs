//! The plain HTTP face: health, the command line's calls, origins.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::support::{Peer, Server, full, now, run, sign};

fn ask(server: &Server, head: &str, body: &str) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    let length = body.len();
    write!(
        stream,
        "{head}\r\nHost: {}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}",
        server.address()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn get(server: &Server, path: &str) -> (u16, String) {
    ask(server, &format!("GET {path} HTTP/1.1"), "")
}

#[test]
fn health_configuration_and_the_landing_page() {
    let server = Server::start(&[]);
    assert_eq!(get(&server, "/health/live"), (200, json!({"status": "live"}).to_string()));
    assert_eq!(get(&server, "/health/ready"), (200, json!({"status": "ready"}).to_string()));
    let (status, config) = get(&server, "/config");
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!((status, &config["version"]), (200, &json!("0.56.0")));
    assert!(get(&server, "/").1.contains("anteroom"));
    assert_eq!(get(&server, "/nowhere").0, 404);
    assert_eq!(get(&server, "/rooms/r").0, 403);
}

#[test]
fn connect_gives_a_token_for_a_token_of_that_room_only() {
    run(async {
        let server = Server::start(&[]);
        let connect = |room: &str, bearer: &str| {
            let head = format!(
                "POST /accounts/projects/p/rooms/{room}/connect HTTP/1.1\r\nAuthorization: Bearer {bearer}"
            );
            ask(&server, &head, "{}")
        };
        let token = full("r");
        let (status, body) = connect("r", &token);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, 200);
        assert_eq!(body["room_name"], "r");
        assert_eq!(body["project_id"], "p");
        assert_eq!(body["room_url"], format!("ws://{}/rooms/r", server.address()));
        Peer::join(&server, "r", body["jwt"].as_str().unwrap()).await;
        assert_eq!(connect("other", &token).0, 403);
        assert_eq!(connect("r", "ma-unknown-key-x").0, 403);
        assert_eq!(connect("r", "").0, 403);
        let expired = sign(
            &json!({"name": "p", "exp": now() - 100, "grants": [{"name": "room", "scope": "r"}]}),
        );
        assert_eq!(connect("r", &expired).0, 403);
    });
}

#[test]
fn pages_of_other_origins_may_not_connect_unless_they_are_listed() {
    run(async {
        for (flags, origin, allowed) in [
            (&[][..], "http://localhost:5173", true),
            (&[], "https://evil.example", false),
            (&["--origin", "https://app.example"], "https://app.example", true),
            (&["--origin", "https://app.example"], "http://localhost:5173", false),
        ] {
            let server = Server::start(flags);
            let path = format!("/rooms/r?token={}", full("r"));
            let headers = [format!("Origin: {origin}"), "User-Agent: Mozilla/5.0".to_owned()];
            let result = Peer::connect(&server, &path, &headers).await;
            assert_eq!(
                result.map(drop).map_err(|refusal| refusal.status),
                if allowed { Ok(()) } else { Err(403) },
                "{origin}"
            );
        }
    });
}

#[test]
fn a_body_that_never_comes_is_not_waited_for() {
    let server = Server::start(&[]);
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let head = "POST /accounts/projects/p/rooms/r/connect HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{}";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}
