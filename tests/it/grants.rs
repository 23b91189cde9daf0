//! The grants matrix: every operation × every grant set → allowed, or exactly code 1001 and no trace.

use serde_json::{Value, json};

use crate::support::{Answer, Peer, Server, full, now, run, sign, token};

const PERMISSION_DENIED: u16 = 1001;

/// The operations, in the order of the columns.
fn operations() -> [(&'static str, Value); 12] {
    [
        ("queues.list", json!({})),
        ("queues.open", json!({"name": "a"})),
        ("queues.send", json!({"name": "a", "message": 1})),
        ("queues.send", json!({"name": "b", "message": 1})),
        ("queues.receive", json!({"name": "a", "wait": false})),
        ("queues.receive", json!({"name": "b", "wait": false})),
        ("queues.drain", json!({"name": "a"})),
        ("queues.close", json!({"name": "a"})),
        ("messaging.enable", json!({})),
        ("messaging.send", json!({"to_participant_id": "x", "type": "t", "message": {}})),
        ("messaging.broadcast", json!({"type": "t", "message": {}})),
        ("messaging.disable", json!({})),
    ]
}

/// Grant sets, each with one letter per operation: `+` may, `-` may not.
fn grant_sets() -> Vec<(&'static str, Value)> {
    vec![
        // list open sendA sendB recvA recvB drain close | enable send broadcast disable
        ("++++++++++++", json!({"queues": {}, "messaging": {}})),
        ("++++++++----", json!({"queues": {}})),
        ("--------++++", json!({"messaging": {}})),
        ("------------", json!({})),
        ("------------", json!({"queues": {"send": [], "receive": [], "list": false}})),
        ("+-----------", json!({"queues": {"send": [], "receive": []}})),
        ("-+++++++----", json!({"queues": {"list": false}})),
        ("+++----+----", json!({"queues": {"send": ["a"], "receive": []}})),
        ("++--+-++----", json!({"queues": {"send": [], "receive": ["a"]}})),
        ("+++-++++----", json!({"queues": {"send": ["a"]}})),
        ("+++++-++----", json!({"queues": {"receive": ["a"], "send": null}})),
        ("+++--+-+----", json!({"queues": {"send": ["a"], "receive": ["b"]}})),
        ("+-----------", json!({"queues": {"send": ["A", "a ", "*a"], "receive": ["a/../a"]}})),
        ("+-----------", json!({"queues": {"send": ["*", "a*", ":*"], "receive": ["b*", "a:*"]}})),
        ("+++---++----", json!({"queues": {"send": ["a"], "receive": [], "manage": ["a"]}})),
        ("++----++----", json!({"queues": {"send": [], "receive": [], "manage": ["a"]}})),
        ("++----++----", json!({"queues": {"send": [], "receive": [], "manage": true}})),
        ("+-----------", json!({"queues": {"send": [], "receive": [], "manage": ["b", "A"]}})),
        ("++++++++----", json!({"queues": {"manage": []}})),
        ("--------+-++", json!({"messaging": {"send": false}})),
        ("--------++-+", json!({"messaging": {"broadcast": false}})),
        ("--------++++", json!({"messaging": {"list": false}})),
    ]
}

#[test]
fn every_operation_under_every_grant_set() {
    run(async {
        let server = Server::start(&[]);
        for (at, (expected, api)) in grant_sets().into_iter().enumerate() {
            for (number, (operation, arguments)) in operations().into_iter().enumerate() {
                // A room of its own: a refused operation must leave no trace in it.
                let room = format!("r{at}-{number}");
                let mut peer = Peer::join(&server, &room, &token(&room, "p", api.clone())).await;
                let code = peer.call(operation, arguments.clone()).await.code();
                let allowed = expected.as_bytes()[number] == b'+';
                let cell = format!("{operation} {arguments} with {api}");
                assert_eq!(code != PERMISSION_DENIED, allowed, "{cell}: code {code}");
                if !allowed {
                    let mut judge = Peer::join(&server, &room, &full(&room)).await;
                    let list = judge.call("queues.list", json!({})).await;
                    assert_eq!(
                        list,
                        Answer::Json(r#"{"queues":[]}"#.into()),
                        "{cell} left a trace"
                    );
                }
            }
        }
    });
}

#[test]
fn without_an_api_grant_the_version_decides() {
    run(async {
        let server = Server::start(&[]);
        for (version, allowed) in [
            (None, true),
            (Some("0.5.19"), true),
            (Some("0.0.21"), true),
            (Some("0.6.0"), false),
            (Some("0.10.0"), false),
            (Some("0.56.0"), false),
            (Some("1.0"), false),
        ] {
            let mut claims =
                json!({"name": "p", "exp": now() + 60, "grants": [{"name": "room", "scope": "r"}]});
            if let Some(version) = version {
                claims["version"] = json!(version);
            }
            let mut peer = Peer::join(&server, "r", &sign(&claims)).await;
            let code = peer.call("queues.list", json!({})).await.code();
            assert_eq!(code, if allowed { 0 } else { PERMISSION_DENIED }, "{version:?}");
        }
    });
}
