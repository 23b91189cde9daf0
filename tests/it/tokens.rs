//! Tokens that must not open a room, and tokens that must never be seen in a log.

use serde_json::{Value, json};

use crate::support::{Peer, Server, full, now, run, sign};

fn claims() -> Value {
    json!({
        "name": "p",
        "version": "0.56.0",
        "exp": now() + 600,
        "grants": [{"name": "room", "scope": "r"}, {"name": "api", "scope": {"queues": {}}}],
    })
}

fn with(change: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims();
    change(&mut claims);
    sign(&claims)
}

#[test]
fn a_bad_token_is_refused_with_403_before_the_upgrade() {
    run(async {
        let server = Server::start(&[]);
        let good = sign(&claims());
        let (head, rest) = good.split_once('.').unwrap();
        let (body, signature) = rest.split_once('.').unwrap();
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
        let hs384 = "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9";
        let rows: Vec<(&str, String)> = vec![
            ("empty", String::new()),
            ("not a token", "abc".into()),
            ("no signature", format!("{head}.{body}.")),
            ("alg none", format!("{none}.{body}.")),
            ("alg none with the signature", format!("{none}.{body}.{signature}")),
            ("another alg", format!("{hs384}.{body}.{signature}")),
            ("changed claims", format!("{head}.{}A.{signature}", &body[..body.len() - 1])),
            ("expired", with(|claims| claims["exp"] = json!(now() - 61))),
            ("exp as text", with(|claims| claims["exp"] = json!("2030-01-01"))),
            ("exp null", with(|claims| claims["exp"] = Value::Null)),
            ("not yet valid", with(|claims| claims["nbf"] = json!(now() + 120))),
            ("no name", with(|claims| drop(claims.as_object_mut().unwrap().remove("name")))),
            ("empty name", with(|claims| claims["name"] = json!(""))),
            ("no grants", with(|claims| drop(claims.as_object_mut().unwrap().remove("grants")))),
            ("another room", with(|claims| claims["grants"][0]["scope"] = json!("R"))),
            ("no room", with(|claims| drop(claims["grants"].as_array_mut().unwrap().remove(0)))),
            ("unknown alg RS256", with(|claims| claims["kid"] = json!("../../etc/passwd"))),
            (
                "send of a wrong type",
                with(|claims| {
                    claims["grants"][1]["scope"] = json!({"queues": {"send": "all"}});
                }),
            ),
            (
                "manage of a wrong type",
                with(|claims| {
                    claims["grants"][1]["scope"] = json!({"queues": {"manage": "*"}});
                }),
            ),
            ("longer than 8 KiB", with(|claims| claims["pad"] = json!("x".repeat(8192)))),
        ];
        for (what, token) in rows {
            let status =
                Peer::try_join(&server, "r", &token).await.err().map(|refusal| refusal.status);
            assert_eq!(status, Some(403), "{what}");
        }
        let nothing = Peer::connect(&server, "/rooms/r", &[]).await.err().unwrap();
        assert_eq!(nothing.status, 403, "no token at all");
        Peer::join(&server, "r", &good).await;
        let skewed = with(|claims| {
            claims["exp"] = json!(now() - 50);
            claims["nbf"] = json!(now() + 50);
        });
        Peer::join(&server, "r", &skewed).await;
    });
}

#[test]
fn the_header_wins_over_the_query_and_either_will_do() {
    run(async {
        let server = Server::start(&[]);
        let good = full("r");
        let query = format!("/rooms/r?token={good}");
        assert!(Peer::connect(&server, &query, &[]).await.is_ok());
        let bearer = |token: &str| [format!("Authorization: Bearer {token}")];
        assert!(Peer::connect(&server, "/rooms/r?token=bad", &bearer(&good)).await.is_ok());
        assert!(Peer::connect(&server, &query, &bearer("bad")).await.is_err());
        let room = "a b/ü";
        let path = format!("/rooms/a%20b%2F%C3%BC?token={}", full(room));
        assert!(Peer::connect(&server, &path, &[]).await.is_ok(), "any name, percent-encoded");
    });
}

/// Everything is logged that can be, and still no token is in it.
#[test]
fn no_token_and_no_body_is_ever_logged() {
    run(async {
        let server = Server::start(&["--log", "trace"]);
        let good = full("r");
        let bad = format!("{}x", full("r"));
        let (good_mark, bad_mark) = (mark(&good), mark(&bad));
        let mut peer =
            Peer::connect(&server, &format!("/rooms/r?token={good}"), &[]).await.ok().unwrap();
        peer.send("q", json!("the-body-of-the-message")).await;
        peer.take("q").await;
        let _ = Peer::try_join(&server, "r", &bad).await;
        let _ = Peer::connect(&server, &format!("/rooms/other?token={bad}"), &[]).await;
        let _ = Peer::connect(&server, &format!("/nowhere?token={good}"), &[]).await;
        let log = server.log_with("connection refused");
        for secret in [good_mark, bad_mark, "the-body-of-the-message", crate::support::SECRET] {
            assert!(!log.contains(secret), "{secret} is in the log");
        }
    });
}

/// A part of the token that nothing else has.
fn mark(token: &str) -> &str {
    &token[token.len() - 20..]
}
