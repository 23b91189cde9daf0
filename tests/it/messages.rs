//! What becomes of messages over `anteroom.v1`, asked over WebSocket and over HTTP: keys, windows, parents, times,
//! results, dead letters.

use serde_json::{Value, json};

use crate::support::{Both, Server, run};

/// One field of each message.
fn each<'a>(page: &'a Value, field: &str) -> Vec<&'a Value> {
    page["messages"].as_array().unwrap().iter().map(|message| &message[field]).collect()
}

#[test]
fn keys_and_windows() {
    run(async {
        let server = Server::start(&[]);
        let mut both = Both::new(&server).await;
        let send = |queue: &str, more: Value| {
            let mut request = json!({"op": "send", "queue": queue});
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            request
        };
        let receipt = |id: &str, duplicate: bool| json!({"id": id, "duplicate": duplicate});
        for (message, expected) in [
            (json!({"key": "k", "body": 1}), receipt("0-0", false)),
            (json!({"key": "k", "body": 2}), receipt("0-0", true)),
            (json!({"key": "k", "body": 3, "partition": "p"}), receipt("1-0", false)),
            (
                json!({"key": "k", "body": 4, "key_replace": true, "priority": 3}),
                receipt("0-0", true),
            ),
            (json!({"key": "until", "body": 5, "key_until_settled": true}), receipt("0-1", false)),
            (json!({"key": "none", "body": 6, "key_window_ms": 0}), receipt("0-2", false)),
            (json!({"key": "none", "body": 7, "key_window_ms": 0}), receipt("0-3", false)),
        ] {
            both.gets(send("q", message), expected).await;
        }
        let twice = json!({"messages": [{"key": "x", "body": 8}, {"key": "x", "body": 9}]});
        both.gets(
            send("q", twice),
            json!({"messages": [receipt("0-4", false), receipt("0-4", true)]}),
        )
        .await;
        let all = both.ok(json!({"op": "receive", "queue": "q", "max": 20})).await;
        assert_eq!(
            each(&all, "body"),
            [4, 3, 5, 6, 7, 8].map(|n| json!(n)).iter().collect::<Vec<_>>()
        );
        both.gets(
            send("q", json!({"key": "until", "body": 1, "key_until_settled": true})),
            receipt("0-1", true),
        )
        .await;
        both.ok(json!({"op": "settle", "queue": "q", "lease": "$2"})).await;
        both.gets(
            send("q", json!({"key": "until", "body": 1, "key_until_settled": true})),
            receipt("0-5", false),
        )
        .await;
        assert_eq!(
            both.ok(json!({"op": "inspect", "queue": "q"})).await["totals"]["duplicates"],
            4
        );
        both.ok(json!({"op": "configure", "queue": "q", "settings": {"dedup_content": true}}))
            .await;
        both.gets(send("q", json!({"key": "x", "body": 10})), receipt("0-4", true)).await;
        both.gets(send("q", json!({"key": "y", "body": 8})), receipt("0-6", false)).await;
        both.gets(send("q", json!({"key": "y", "body": 8})), receipt("0-6", true)).await;
        for other in [json!({"key": "y", "body": 9}), json!({"key": "y", "body": 8, "type": "t"})] {
            let refusal = both.refused(send("q", other)).await;
            assert_eq!(refusal, "key_conflict: the key was used with another body: q");
        }
        // Held until there are three, or the time is over.
        let window = json!({"window": {"length_ms": 3_600_000, "messages": 3}});
        both.ok(json!({"op": "open", "queue": "w", "settings": window})).await;
        both.ok(send("w", json!({"messages": [{"body": 1}, {"body": 2}]}))).await;
        both.gets(json!({"op": "receive", "queue": "w", "max": 9}), json!({"messages": []})).await;
        assert_eq!(both.ok(json!({"op": "explain", "queue": "w"})).await["counts"]["delayed"], 2);
        both.ok(send("w", json!({"body": 3}))).await;
        let all = both.ok(json!({"op": "receive", "queue": "w", "max": 9})).await;
        assert_eq!(each(&all, "body"), [1, 2, 3].map(|n| json!(n)).iter().collect::<Vec<_>>());
        let window = json!({"window": {"length_ms": 50, "debounce": true}});
        both.ok(json!({"op": "configure", "queue": "w", "settings": window})).await;
        both.ok(send("w", json!({"messages": [{"body": 4}, {"body": 5}]}))).await;
        let all =
            both.ok(json!({"op": "receive", "queue": "w", "max": 9, "wait_ms": 20_000})).await;
        assert_eq!(
            each(&all, "body"),
            [4, 5].map(|n| json!(n)).iter().collect::<Vec<_>>(),
            "together"
        );
    });
}

#[test]
fn messages_wait_for_others_and_for_their_time() {
    run(async {
        let server = Server::start(&[]);
        let mut both = Both::new(&server).await;
        let child = |id: &str, parents: Value, failed: &str| json!({"body": id, "message_id": id, "depends_on": parents, "parent_failed": failed});
        let messages = json!([
            {"body": "parent", "message_id": "parent"}, child("waits", json!(["parent"]), "wait"),
            child("fails", json!(["parent"]), "fail"), child("runs", json!(["parent"]), "run"),
            child("both", json!(["parent", "later"]), "run"),
        ]);
        both.ok(json!({"op": "send", "queue": "q", "messages": messages})).await;
        let states = |page: &Value| {
            each(page, "state")
                .into_iter()
                .map(|state| state.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let browse = json!({"op": "browse", "queue": "q"});
        assert_eq!(states(&both.ok(browse.clone()).await), "ready blocked blocked blocked blocked");
        assert_eq!(
            both.ok(json!({"op": "receive", "queue": "q", "max": 9})).await["messages"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        both.ok(json!({"op": "settle", "queue": "q", "lease": "$0", "outcome": "dead", "reason": "broken"})).await;
        assert_eq!(states(&both.ok(browse.clone()).await), "dead blocked dead ready blocked");
        assert_eq!(
            both.ok(json!({"op": "find", "queue": "q", "message": "fails"})).await["reason"],
            "parent failed"
        );
        both.ok(json!({"op": "send", "queue": "q", "body": "later", "message_id": "later"})).await;
        both.gets(
            json!({"op": "change", "queue": "q", "action": "redrive", "ids": ["parent"]}),
            json!({"count": 1, "ids": ["0-0"]}),
        )
        .await;
        let all = both.ok(json!({"op": "receive", "queue": "q", "max": 9})).await;
        assert_eq!(each(&all, "body"), ["parent", "runs", "later"]);
        both.ok(json!({"op": "settle", "queue": "q", "items": [{"lease": "$1"}, {"lease": "$3"}]}))
            .await;
        let all = both.ok(json!({"op": "receive", "queue": "q", "max": 9})).await;
        assert_eq!(each(&all, "body"), ["waits", "both"]);
        let refusal = both
            .refused(json!({"op": "send", "queue": "q", "body": 1, "depends_on": ["0-99"]}))
            .await;
        assert!(refusal.starts_with("invalid_request: "), "{refusal}");
        // Delays, deadlines and times to live.
        both.ok(json!({"op": "send", "queue": "t", "messages": [
            {"body": "far", "not_before": 4_000_000_000_000_u64}, {"body": "soon", "delay_ms": 30}, {"body": "short", "ttl_ms": 1, "delay_ms": 20},
        ]})).await;
        let got =
            both.ok(json!({"op": "receive", "queue": "t", "max": 9, "wait_ms": 20_000})).await;
        assert_eq!(each(&got, "body"), ["soon"]);
        let far = both.ok(json!({"op": "find", "queue": "t", "message": "0-0"})).await;
        assert_eq!(
            (&far["state"], &far["until"]),
            (&json!("delayed"), &json!(4_000_000_000_000_u64))
        );
        assert!(
            both.refused(json!({"op": "find", "queue": "t", "message": "0-2"}))
                .await
                .starts_with("message_not_found")
        );
        both.gets(json!({"op": "change", "queue": "t", "action": "promote", "filter": {"states": ["delayed"]}}), json!({"count": 1, "ids": ["0-0"]})).await;
        assert_eq!(each(&both.ok(json!({"op": "receive", "queue": "t"})).await, "body"), ["far"]);
        for (ordering, bodies) in
            [("priority", ["high", "none", "low"]), ("deadline", ["low", "high", "none"])]
        {
            both.ok(json!({"op": "open", "queue": ordering, "settings": {"ordering": ordering}}))
                .await;
            both.ok(json!({"op": "send", "queue": ordering, "messages": [
                {"body": "low", "priority": -1, "deadline": 4_000_000_000_000_u64}, {"body": "none"},
                {"body": "high", "priority": 1, "deadline": 4_000_000_000_001_u64},
            ]})).await;
            assert_eq!(
                each(&both.ok(json!({"op": "receive", "queue": ordering, "max": 9})).await, "body"),
                bodies
            );
        }
    });
}

#[test]
fn results_are_waited_for_and_dead_letters_are_driven_again() {
    run(async {
        let server = Server::start(&[]);
        let mut both = Both::new(&server).await;
        both.ok(json!({"op": "open", "queue": "q", "settings": {"retain_settled_ms": 60_000, "attempts_max": 2}})).await;
        both.ok(json!({"op": "send", "queue": "q", "messages": [{"body": 1, "message_id": "a"}, {"body": 2}, {"body": 3}]})).await;
        let view = |state: &str, more: Value| {
            let mut view = json!({
                "id": "a", "state": state, "attempts": 0, "failures": 0, "until": null, "ended_at": null, "reason": null,
                "result": null, "position": "0-0", "partition": "Default", "sent_at": "T", "body": 1,
            });
            view.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            view
        };
        let wait = |message: &str, ms: u64| json!({"op": "await", "queue": "q", "message": message, "wait_ms": ms});
        both.gets(wait("a", 0), view("ready", json!({}))).await;
        both.gets(wait("a", 50), view("ready", json!({}))).await;
        both.ok(json!({"op": "receive", "queue": "q", "max": 9})).await;
        both.ok(json!({"op": "settle", "queue": "q", "lease": "$0", "result": {"sum": [1, 2]}}))
            .await;
        both.gets(
            wait("0-0", 20_000),
            view("done", json!({"ended_at": "T", "result": {"sum": [1, 2]}})),
        )
        .await;
        assert!(both.refused(wait("nobody", 5)).await.starts_with("message_not_found: "));
        // Two failures, and it is given up.
        for expected in [json!({"status": "back"}), json!({"status": "dead"})] {
            let lease = if expected["status"] == "back" { "$1" } else { "$3" };
            let settle = json!({"op": "settle", "queue": "q", "lease": lease, "outcome": "retry", "reason": "timeout"});
            both.gets(settle, json!({"results": [expected]})).await;
            both.ok(json!({"op": "receive", "queue": "q"})).await;
        }
        let dead = both.ok(wait("0-1", 20_000)).await;
        assert_eq!(
            (&dead["state"], &dead["failures"], &dead["attempts"], &dead["reason"]),
            (&json!("dead"), &json!(2), &json!(2), &json!("timeout"))
        );
        let change = |action: &str, more: Value| {
            let mut request = json!({"op": "change", "queue": "q", "action": action});
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            request
        };
        let one = json!({"count": 1, "ids": ["0-1"]});
        let timeouts = json!({"filter": {"states": ["dead"], "reason": "time"}});
        let mut dry = timeouts.clone();
        dry["dry_run"] = json!(true);
        both.gets(change("redrive", dry), one.clone()).await;
        both.gets(change("redrive", timeouts.clone()), one.clone()).await;
        both.gets(change("redrive", timeouts), json!({"count": 0, "ids": []})).await;
        let ready = both.ok(json!({"op": "find", "queue": "q", "message": "0-1"})).await;
        assert_eq!(
            (&ready["state"], &ready["failures"], &ready["attempts"]),
            (&json!("ready"), &json!(0), &json!(2))
        );
        both.gets(change("bury", json!({"ids": ["0-1"], "reason": "old"})), one.clone()).await;
        assert_eq!(
            both.ok(json!({"op": "find", "queue": "q", "message": "0-1"})).await["reason"],
            "old"
        );
        both.gets(change("redrive", json!({"ids": ["0-1"], "per_second": 1000})), one.clone())
            .await;
        let again = both.ok(json!({"op": "receive", "queue": "q", "wait_ms": 20_000})).await;
        assert_eq!(
            (&again["messages"][0]["id"], &again["messages"][0]["attempt"]),
            (&json!("0-1"), &json!(3))
        );
        both.gets(
            change("cancel", json!({"ids": ["0-1", "0-2"]})),
            json!({"count": 2, "ids": ["0-1", "0-2"]}),
        )
        .await;
        // What is gone is passed over, what is done and kept can be cancelled, too.
        both.gets(
            change("cancel", json!({"ids": ["none", "0-2", "a", "0-0"]})),
            json!({"count": 1, "ids": ["0-0"]}),
        )
        .await;
        for (action, more, refusal) in [
            ("cancel", json!({}), "exactly one of `ids` and `filter` must be there"),
            (
                "cancel",
                json!({"ids": ["a"], "filter": {}}),
                "exactly one of `ids` and `filter` must be there",
            ),
            ("cancel", json!({"ids": []}), "`ids` must not be empty"),
            ("cancel", json!({"ids": ["a"], "limit": 1}), "`limit`: only with `filter`"),
            ("cancel", json!({"ids": ["a"], "reason": "x"}), "`reason`: only with `bury`"),
            ("bury", json!({"ids": ["a"], "per_second": 1}), "`per_second`: only with `redrive`"),
            ("redrive", json!({"ids": ["a"], "per_second": 0}), "`per_second` must be at least 1"),
        ] {
            assert_eq!(
                both.refused(change(action, more.clone())).await,
                format!("invalid_request: {refusal}"),
                "{more}"
            );
        }
    });
}
