//! Every operation of `anteroom.v1`, asked over WebSocket and over HTTP: one answer, the exact one.

use serde_json::{Value, json};

use crate::support::{Both, Server, run};

fn first(page: &Value) -> &Value {
    &page["messages"][0]
}

/// One field of each message.
fn each<'a>(page: &'a Value, field: &str) -> Vec<&'a Value> {
    page["messages"].as_array().unwrap().iter().map(|message| &message[field]).collect()
}

#[test]
fn queues_are_opened_set_shown_and_deleted() {
    run(async {
        let server = Server::start(&[]);
        let mut both = Both::new(&server).await;
        let defaults = json!({
            "ordering": "fifo", "ageing": null, "lease_ms": 30_000, "attempts_max": 5,
            "backoff": {"kind": "exponential", "base_ms": 1000, "cap_ms": 300_000, "jitter_percent": 10},
            "expiry_is_failure": true, "dead_letter": true, "dead_letter_expired": false, "delay_ms": 0,
            "ttl_ms": null, "window": null, "dedup_window_ms": 300_000, "dedup_content": false,
            "messages_max": null, "bytes_max": null, "overflow": "reject", "retain_open_ms": "forever",
            "retain_settled_ms": 0, "retain_dead_ms": "forever", "rate": null, "concurrency": null,
            "work_group": true,
        });
        both.gets(json!({"op": "list"}), json!({"queues": []})).await;
        both.gets(json!({"op": "open", "queue": "q"}), json!({"settings": defaults})).await;
        both.gets(json!({"op": "open", "queue": "q"}), json!({"settings": defaults})).await;
        let set = json!({
            "ordering": "priority", "ageing": {"every_ms": 1000, "step": 2, "top": 9}, "lease_ms": 5000,
            "attempts_max": 0, "backoff": {"kind": "fixed", "base_ms": 5, "cap_ms": 5, "jitter_percent": 0},
            "expiry_is_failure": false, "dead_letter": false, "dead_letter_expired": true, "delay_ms": 1,
            "ttl_ms": 60_000, "window": {"length_ms": 10, "debounce": true, "messages": 3},
            "dedup_window_ms": 7, "dedup_content": true, "messages_max": 10, "bytes_max": 1000,
            "overflow": "drop_oldest", "retain_open_ms": 100_000, "retain_settled_ms": "forever",
            "retain_dead_ms": 200_000, "rate": {"count": 5, "per_ms": 1000}, "concurrency": 4,
            "work_group": false,
        });
        both.gets(json!({"op": "open", "queue": "q", "settings": set}), json!({"settings": set}))
            .await;
        let mut changed = set.clone();
        changed["lease_ms"] = json!(30_000);
        changed["ttl_ms"] = json!(null);
        changed["concurrency"] = json!(1);
        let change = json!({"lease_ms": null, "ttl_ms": null, "concurrency": 1});
        both.gets(
            json!({"op": "configure", "queue": "q", "settings": change}),
            json!({"settings": changed}),
        )
        .await;
        let replace = json!({"op": "configure", "queue": "q", "settings": {}, "replace": true});
        both.gets(replace, json!({"settings": defaults})).await;
        let zero =
            json!({"blocked": 0, "delayed": 0, "ready": 0, "leased": 0, "dead": 0, "done": 0});
        let explained = json!({"code": "empty", "sentence": "the queue is empty", "counts": zero, "receivers": 0});
        both.gets(json!({"op": "explain", "queue": "q"}), explained).await;
        both.gets(json!({"op": "close", "queue": "q"}), json!({})).await;
        let totals = json!({
            "sent": 0, "duplicates": 0, "delivered": 0, "done": 0, "retried": 0, "released": 0,
            "leases_expired": 0, "dead": 0, "dropped": 0, "cancelled": 0,
        });
        let group = json!({"name": null, "counts": zero, "receivers": 0, "oldest_ready_at": null});
        let shown = json!({
            "name": "q", "status": "closed", "paused": false, "settings": defaults, "messages": 0, "bytes": 0,
            "groups": [group], "partitions": [], "schedules": [], "totals": totals,
        });
        both.gets(json!({"op": "inspect", "queue": "q"}), shown).await;
        let refusal = "queue_closed: the queue is closed: q";
        assert_eq!(both.refused(json!({"op": "send", "queue": "q", "body": 1})).await, refusal);
        assert_eq!(both.refused(json!({"op": "receive", "queue": "q"})).await, refusal);
        both.ok(json!({"op": "open", "queue": "q"})).await;
        both.ok(json!({"op": "send", "queue": "q", "messages": [{"body": 1}, {"body": 2}, {"body": 3}]})).await;
        both.gets(json!({"op": "pause", "queue": "q"}), json!({})).await;
        both.gets(json!({"op": "receive", "queue": "q"}), json!({"messages": []})).await;
        assert_eq!(both.ok(json!({"op": "explain", "queue": "q"})).await["code"], "paused");
        both.gets(json!({"op": "resume", "queue": "q"}), json!({})).await;
        both.ok(json!({"op": "receive", "queue": "q"})).await;
        both.gets(json!({"op": "drain", "queue": "q"}), json!({"count": 2})).await;
        both.gets(json!({"op": "list"}), json!({"queues": [{"name": "q", "size": 0}]})).await;
        both.gets(
            json!({"op": "purge", "queue": "q", "states": ["leased", "ready"]}),
            json!({"count": 0}),
        )
        .await;
        both.gets(
            json!({"op": "settle", "queue": "q", "lease": "$0", "outcome": "dead"}),
            json!({"results": [{"status": "dead"}]}),
        )
        .await;
        both.gets(json!({"op": "purge", "queue": "q", "states": ["dead"]}), json!({"count": 1}))
            .await;
        both.gets(json!({"op": "delete", "queue": "q"}), json!({})).await;
        both.gets(json!({"op": "list"}), json!({"queues": []})).await;
        for op in ["inspect", "explain", "close", "pause", "resume", "drain", "delete"] {
            let refusal = both.refused(json!({"op": op, "queue": "q"})).await;
            assert_eq!(refusal, "queue_not_found: there is no such queue: q", "{op}");
        }
    });
}

#[test]
fn messages_are_sent_received_looked_at_and_settled() {
    run(async {
        let server = Server::start(&[]);
        let mut both = Both::new(&server).await;
        let full = json!({
            "body": {"n": 1}, "partition": "p", "message_id": "mine", "key": "k", "key_window_ms": 1000,
            "key_until_settled": false, "key_replace": false, "priority": -7, "ttl_ms": 600_000,
            "deadline": 4_000_000_000_000_u64, "type": "t", "labels": {"b": "2", "a": "1"},
            "headers": {"h": [1.0]}, "attempts_max": 2, "depends_on": [], "parent_failed": "run",
            "backoff": {"kind": "fixed", "base_ms": 600_000, "cap_ms": 600_000, "jitter_percent": 0},
        });
        let mut send = full.clone();
        send["op"] = json!("send");
        send["queue"] = json!("q");
        both.gets(send.clone(), json!({"id": "mine", "duplicate": false})).await;
        both.gets(send, json!({"id": "mine", "duplicate": true})).await;
        let several = json!({"op": "send", "queue": "q", "messages": [
            {"body": null}, {"base64": "AAEC", "content_type": "image/png"}, {"body": "x", "partition": "p"}, {"body": "y"},
        ]});
        let receipt = |id: &str| json!({"id": id, "duplicate": false});
        let receipts = ["1-0", "1-1", "0-1", "1-2"].map(receipt);
        both.gets(several, json!({"messages": receipts})).await;
        let content = json!({
            "position": "0-0", "partition": "p", "sent_at": "T", "body": {"n": 1}, "type": "t",
            "labels": {"a": "1", "b": "2"}, "headers": {"h": [1.0]}, "priority": -7, "key": "k",
            "deadline": 4_000_000_000_000_u64, "expires_at": "T",
        });
        let with = |more: Value| {
            let mut all = content.clone();
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        let view = json!({
            "id": "mine", "state": "ready", "attempts": 0, "failures": 0, "until": null, "ended_at": null,
            "reason": null, "result": null,
        });
        both.gets(json!({"op": "find", "queue": "q", "message": "mine"}), with(view.clone())).await;
        both.gets(json!({"op": "find", "queue": "q", "message": "0-0"}), with(view)).await;
        let delivered = |id: &str, lease: &str, more: Value| {
            let mut all =
                json!({"id": id, "lease": lease, "attempt": 1, "until": "T", "sent_at": "T"});
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        let received = json!({"messages": [
            with(delivered("mine", "$0", json!({}))),
            delivered("1-0", "$1", json!({"position": "1-0", "partition": "Default", "body": null})),
            delivered("1-1", "$2", json!({"position": "1-1", "partition": "Default", "base64": "AAEC", "content_type": "image/png"})),
        ]});
        both.gets(json!({"op": "receive", "queue": "q", "max": 3, "lease_ms": 60_000}), received)
            .await;
        let rest = json!({"messages": [
            delivered("0-1", "$3", json!({"position": "0-1", "partition": "p", "body": "x"})),
            delivered("1-2", "$4", json!({"position": "1-2", "partition": "Default", "body": "y"})),
        ]});
        both.gets(json!({"op": "receive", "queue": "q", "max": 10}), rest).await;
        both.gets(json!({"op": "extend", "queue": "q", "leases": ["$0", "$4", "9-9-9-9"], "by_ms": 90_000}),
            json!({"until": ["T", "T", null]})).await;
        both.gets(json!({"op": "extend", "queue": "q", "leases": ["$1"]}), json!({"until": ["T"]}))
            .await;
        let items = json!({"op": "settle", "queue": "q", "items": [
            {"lease": "$0", "outcome": "retry", "reason": "busy"},
            {"lease": "$1", "outcome": "done", "result": {"r": 1.50}},
            {"lease": "$2", "outcome": "release", "delay_ms": 600_000},
            {"lease": "$3", "outcome": "dead", "reason": "no"},
            {"lease": "$4", "outcome": "cancel"},
            {"lease": "$4"},
        ]});
        both.gets(items, json!({"results": [
            {"status": "back", "at": "T"}, {"status": "done"}, {"status": "back", "at": "T"}, {"status": "dead"},
            {"status": "cancelled"}, {"status": "lost"},
        ]})).await;
        let page = both.ok(json!({"op": "browse", "queue": "q"})).await;
        assert_eq!(each(&page, "id"), ["mine", "0-1", "1-1"]);
        assert_eq!(each(&page, "state"), ["delayed", "dead", "delayed"]);
        assert_eq!(each(&page, "failures"), [1, 1, 0].map(|n| json!(n)).iter().collect::<Vec<_>>());
        assert_eq!(page["messages"][1]["reason"], "no");
        assert_eq!(page["next"], json!(null));
        let page = both.ok(json!({"op": "browse", "queue": "q", "limit": 1, "after": "0-0"})).await;
        assert_eq!((each(&page, "id"), &page["next"]), (vec![&json!("0-1")], &json!("0-1")));
        for (filter, expected) in [
            (json!({"states": ["dead", "ready"]}), vec!["0-1"]),
            (json!({"partition": "p"}), vec!["mine", "0-1"]),
            (json!({"type": "t"}), vec!["mine"]),
            (json!({"labels": {"a": "1"}}), vec!["mine"]),
            (json!({"labels": {"a": "1", "b": "1"}}), vec![]),
            (json!({"reason": "n"}), vec!["0-1"]),
            (json!({"sent_before": 1000}), vec![]),
            (
                json!({"sent_before": 4_000_000_000_000_u64, "states": ["delayed"]}),
                vec!["mine", "1-1"],
            ),
        ] {
            let mut browse = json!({"op": "browse", "queue": "q"});
            browse.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
            assert_eq!(each(&both.ok(browse).await, "id"), expected, "{filter}");
        }
        let refusal = both.refused(json!({"op": "find", "queue": "q", "message": "1-0"})).await;
        assert_eq!(refusal, "message_not_found: the queue knows no such message: q");
    });
}
