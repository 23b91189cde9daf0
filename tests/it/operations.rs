//! Every operation of `anteroom.v1`, asked over WebSocket and over HTTP: one answer, the exact one.

use serde_json::{Value, json};

use crate::support::{Both, Server, run};

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
            "backoff": {"kind": "exponential", "base_ms": 0, "cap_ms": 300_000, "jitter_percent": 0},
            "expiry_is_failure": true, "dead_letter": true, "dead_letter_expired": false, "delay_ms": 0,
            "ttl_ms": null, "window": null, "dedup_window_ms": 3_600_000, "dedup_content": false,
            "messages_max": null, "bytes_max": null, "overflow": "reject", "retain_open_ms": "forever",
            "retain_settled_ms": 0, "retain_dead_ms": 1_209_600_000, "rate": null, "concurrency": null,
            "work_group": true, "labels": {}, "priority": 0, "durability": "durable", "encryption": "optional",
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
            "work_group": false, "labels": {"namespace": "billing", "team": ""}, "priority": -7, "durability": "relaxed", "encryption": "optional",
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
        let explained = json!({"code": "empty", "sentence": "the queue is empty, 0 receivers are waiting", "counts": zero, "receivers": 0});
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
        let refusal = "queue_closed: the queue q is closed";
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
        assert_eq!(each(&page, "failures"), [1, 0, 0].map(|n| json!(n)).iter().collect::<Vec<_>>());
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
        assert_eq!(refusal, "message_not_found: the queue q knows no such message");
    });
}

/// A message with this body in this partition.
fn of(partition: &str, body: Value) -> Value {
    json!({"partition": partition, "body": body})
}

#[test]
fn partitions_are_taken_whole() {
    run(async {
        let server = Server::start(&[]);
        let mut both = Both::new(&server).await;
        let messages = json!([
            of("a", json!(1)),
            of("b", json!(2)),
            of("a", json!(3)),
            of("a", json!(4)),
            of("c", json!(5))
        ]);
        both.ok(json!({"op": "send", "queue": "q", "messages": messages})).await;
        let whole = json!({"op": "receive", "queue": "q", "max": 10, "partitions": 1});
        let run = both.ok(whole.clone()).await;
        assert_eq!(each(&run, "partition"), ["a", "a", "a"]);
        assert_eq!(each(&run, "body"), [&json!(1), &json!(3), &json!(4)]);
        // The rest of the partition is nobody's as long as the lease lives.
        both.ok(json!({"op": "send", "queue": "q", "messages": [of("a", json!(6))]})).await;
        both.gets(
            json!({"op": "receive", "queue": "q", "partition": "a"}),
            json!({"messages": []}),
        )
        .await;
        let others =
            both.ok(json!({"op": "receive", "queue": "q", "max": 10, "partitions": 5})).await;
        assert_eq!(each(&others, "body"), [2, 5].map(|n| json!(n)).iter().collect::<Vec<_>>());
        // Everything up to the last one done is done; the first that is not done is the head.
        let settle = json!({"op": "settle", "queue": "q", "items": [{"lease": "$1"}, {"lease": "$2", "outcome": "retry"}]});
        both.gets(settle, json!({"results": [{"status": "done"}, {"status": "back"}]})).await;
        let again = both.ok(whole).await;
        assert_eq!(each(&again, "body"), [4, 6].map(|n| json!(n)).iter().collect::<Vec<_>>());
        assert_eq!(each(&again, "attempt"), [2, 1].map(|n| json!(n)).iter().collect::<Vec<_>>());
        both.gets(
            json!({"op": "settle", "queue": "q", "lease": "$6"}),
            json!({"results": [{"status": "done"}]}),
        )
        .await;
        both.gets(
            json!({"op": "receive", "queue": "q", "partition": "a"}),
            json!({"messages": []}),
        )
        .await;
        let shown = both.ok(json!({"op": "inspect", "queue": "q"})).await;
        assert_eq!(
            shown["partitions"],
            json!([
                {"name": "a", "number": 0, "messages": 0, "end": 4},
                {"name": "b", "number": 1, "messages": 1, "end": 1}, {"name": "c", "number": 2, "messages": 1, "end": 1},
            ])
        );
    });
}

#[test]
fn groups_see_every_message_and_can_be_moved() {
    run(async {
        let server = Server::start(&[]);
        let mut both = Both::new(&server).await;
        let keep = json!({"retain_settled_ms": "forever"});
        both.ok(json!({"op": "open", "queue": "q", "settings": keep})).await;
        both.ok(json!({"op": "send", "queue": "q", "messages": [{"body": 1}, {"body": 2}]})).await;
        both.gets(json!({"op": "group_open", "queue": "q", "group": "all"}), json!({})).await;
        both.gets(
            json!({"op": "group_open", "queue": "q", "group": "new", "from": "new"}),
            json!({}),
        )
        .await;
        both.gets(json!({"op": "group_open", "queue": "q", "group": "ä/b", "from": 4_000_000_000_000_u64}), json!({})).await;
        let refusal = both.refused(json!({"op": "group_open", "queue": "q", "group": "new"})).await;
        assert_eq!(refusal, "group_exists: the group is there already: q");
        both.ok(json!({"op": "send", "queue": "q", "body": 3})).await;
        let take = |group: &str| json!({"op": "receive", "queue": "q", "max": 9, "group": group, "lease": "none"});
        for (group, from, bodies) in [
            ("all", None, vec![1, 2, 3]),
            ("all", None, vec![]),
            ("new", None, vec![3]),
            ("ä/b", None, vec![3]),
            ("made by receiving", Some(json!("new")), vec![]),
            ("made by receiving, too", Some(json!("all")), vec![1, 2, 3]),
            ("from a time", Some(json!(1000)), vec![1, 2, 3]),
        ] {
            let mut take = take(group);
            if let Some(from) = from {
                take["from"] = from;
            }
            let expected: Vec<Value> = bodies.iter().map(|n| json!(n)).collect();
            assert_eq!(
                each(&both.ok(take).await, "body"),
                expected.iter().collect::<Vec<_>>(),
                "{group}"
            );
        }
        both.ok(json!({"op": "receive", "queue": "q", "max": 9, "lease": "none"})).await;
        for (to, bodies) in
            [(json!("start"), vec![1, 2, 3]), (json!("end"), vec![]), (json!(1000), vec![1, 2, 3])]
        {
            both.gets(json!({"op": "seek", "queue": "q", "group": "all", "to": to}), json!({}))
                .await;
            let expected: Vec<Value> = bodies.iter().map(|n| json!(n)).collect();
            assert_eq!(
                each(&both.ok(take("all")).await, "body"),
                expected.iter().collect::<Vec<_>>()
            );
        }
        both.gets(json!({"op": "seek", "queue": "q", "to": "start"}), json!({})).await;
        assert_eq!(both.ok(json!({"op": "explain", "queue": "q"})).await["counts"]["ready"], 3);
        assert_eq!(
            both.ok(json!({"op": "explain", "queue": "q", "group": "all"})).await["code"],
            "empty"
        );
        both.gets(
            json!({"op": "seek", "queue": "q", "partition": "Default", "to": "end"}),
            json!({}),
        )
        .await;
        assert_eq!(
            both.ok(json!({"op": "inspect", "queue": "q"})).await["groups"]
                .as_array()
                .unwrap()
                .len(),
            7
        );
        both.gets(json!({"op": "group_delete", "queue": "q", "group": "all"}), json!({})).await;
        let gone = "group_not_found: the queue q has no such group";
        for op in ["group_delete", "explain", "browse", "seek", "purge"] {
            let mut request = json!({"op": op, "queue": "q", "group": "all"});
            match op {
                "seek" => request["to"] = json!("end"),
                "purge" => request["states"] = json!(["ready"]),
                _ => {}
            }
            assert_eq!(both.refused(request).await, gone, "{op}");
        }
        both.ok(json!({"op": "configure", "queue": "q", "settings": {"work_group": false}})).await;
        for request in [
            json!({"op": "receive", "queue": "q"}),
            json!({"op": "drain", "queue": "q"}),
            json!({"op": "browse", "queue": "q"}),
            json!({"op": "explain", "queue": "q"}),
            json!({"op": "seek", "queue": "q", "to": "end"}),
        ] {
            let refusal = both.refused(request).await;
            assert_eq!(refusal, "group_required: the queue q has no work group: name a group");
        }
    });
}

#[test]
fn a_transaction_happens_as_a_whole_or_not_at_all() {
    run(async {
        let server = Server::start(&[]);
        let mut both = Both::new(&server).await;
        let transact = |parts: Value| json!({"op": "transaction", "parts": parts});
        let receipt = |id: &str| json!({"id": id, "duplicate": false});
        // One part and many parts are answered in the same shape.
        both.gets(transact(json!([{"queue": "a", "send": [{"body": 1}, {"body": 2, "message_id": "two"}]}])),
            json!({"parts": [{"queue": "a", "settled": [], "sent": [receipt("0-0"), receipt("two")]}]})).await;
        both.ok(json!({"op": "receive", "queue": "a", "max": 2})).await;
        let pipeline = json!([
            {"queue": "b", "send": [{"body": 3}]},
            {"queue": "a", "settle": [{"lease": "$0", "result": 7}]},
            {"queue": "c", "send": [{"body": 4}], "settle": []},
        ]);
        both.gets(
            transact(pipeline),
            json!({"parts": [
                {"queue": "b", "settled": [], "sent": [receipt("0-0")]},
                {"queue": "a", "settled": [{"status": "done"}], "sent": []},
                {"queue": "c", "settled": [], "sent": [receipt("0-0")]},
            ]}),
        )
        .await;
        both.ok(json!({"op": "close", "queue": "c"})).await;
        both.ok(json!({"op": "open", "queue": "full", "settings": {"messages_max": 1}})).await;
        let send = |queue: &str, message: Value| json!({"queue": queue, "send": [message]});
        let rows = [
            (
                json!([send("b", json!({"body": 5})), {"queue": "a", "settle": [{"lease": "$0"}]}]),
                "lease_lost: a lease is no longer live: a",
            ),
            (
                json!([{"queue": "a", "settle": [{"lease": "$0"}]}]),
                "lease_lost: a lease is no longer live: a",
            ),
            (
                json!([{"queue": "a", "settle": [{"lease": "$1"}]}, send("c", json!({"body": 5}))]),
                "queue_closed: the queue c is closed",
            ),
            (
                json!([
                    send("b", json!({"body": 5})),
                    send("a", json!({"body": 6, "message_id": "two"}))
                ]),
                "duplicate: a message of the transaction was sent before: a",
            ),
            (
                json!([send("b", json!({"body": 5})), {"queue": "full", "send": [{"body": 5}, {"body": 6}]}]),
                "queue_full: the queue full has as many messages as it may have",
            ),
            (
                json!([send("b", json!({"body": 5})), {"queue": "none", "settle": [{"lease": "$0"}]}]),
                "queue_not_found: there is no such queue: none",
            ),
            (
                json!([send("b", json!({"body": 5})), send("b", json!({"body": 5}))]),
                "invalid_request: `parts[1].queue`: a queue may come once only",
            ),
            (json!([]), "invalid_request: `parts` must not be empty"),
            (json!([{"queue": "b"}]), "invalid_request: `parts` must not be empty"),
            (
                json!([send("b", json!({"body": 5})), send("", json!({"body": 5}))]),
                "invalid_name: `parts[1].queue`: a name must not be empty",
            ),
            (
                json!([send("b", json!({"body": 5, "ttl_ms": "x"}))]),
                "invalid_request: `parts[0].send[0].ttl_ms`: invalid type: string \"x\", expected u64",
            ),
        ];
        for (parts, refusal) in rows {
            assert_eq!(both.refused(transact(parts.clone())).await, refusal, "{parts}");
        }
        let sizes = json!([{"name": "a", "size": 0}, {"name": "b", "size": 1}, {"name": "c", "size": 1}, {"name": "full", "size": 0}]);
        both.gets(json!({"op": "list"}), json!({"queues": sizes})).await;
        both.gets(
            json!({"op": "settle", "queue": "a", "lease": "$1"}),
            json!({"results": [{"status": "done"}]}),
        )
        .await;
    });
}

#[test]
fn schedules_send_when_it_is_time() {
    run(async {
        let server = Server::start(&[]);
        let mut both = Both::new(&server).await;
        let put = |name: &str, more: Value| {
            let mut request = json!({"op": "schedule_put", "queue": "q", "name": name});
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            request
        };
        let message = json!({"body": {"tick": 1.0}, "type": "tick", "ttl_ms": 60_000});
        let every = json!({"every_ms": 3_600_000, "message": message, "catch_up": "once"});
        both.gets(put("hourly", every.clone()), json!({"next_at": "T"})).await;
        both.gets(put("a/ü", json!({"cron": "0 9 * * MON-FRI", "zone": "Europe/Berlin", "message": {"base64": "AA==", "content_type": "x/y"}, "paused": true})),
            json!({"next_at": null})).await;
        both.gets(
            put("late", json!({"at": 4_000_000_000_000_u64, "message": {"body": 1}})),
            json!({"next_at": 4_000_000_000_000_u64}),
        )
        .await;
        let shown = both.ok(json!({"op": "inspect", "queue": "q"})).await;
        assert_eq!(
            shown["schedules"],
            json!([
                {"name": "a/ü", "cron": "0 9 * * MON-FRI", "zone": "Europe/Berlin", "catch_up": "skip", "paused": true, "next_at": null,
                    "message": {"base64": "AA==", "content_type": "x/y"}},
                {"name": "hourly", "every_ms": 3_600_000, "catch_up": "once", "paused": false, "next_at": "T", "message": message},
                {"name": "late", "at": 4_000_000_000_000_u64, "catch_up": "skip", "paused": false, "next_at": 4_000_000_000_000_u64, "message": {"body": 1}},
            ])
        );
        both.gets(
            json!({"op": "schedule_resume", "queue": "q", "name": "a/ü"}),
            json!({"next_at": "T"}),
        )
        .await;
        both.gets(
            json!({"op": "schedule_pause", "queue": "q", "name": "a/ü"}),
            json!({"next_at": null}),
        )
        .await;
        both.gets(
            json!({"op": "schedule_fire", "queue": "q", "name": "a/ü"}),
            json!({"id": "0-0", "duplicate": false}),
        )
        .await;
        both.gets(json!({"op": "schedule_delete", "queue": "q", "name": "a/ü"}), json!({})).await;
        for op in ["schedule_pause", "schedule_resume", "schedule_fire", "schedule_delete"] {
            let refusal = both.refused(json!({"op": op, "queue": "q", "name": "a/ü"})).await;
            assert_eq!(refusal, "schedule_not_found: the queue q has no such schedule");
        }
        // One that fires by itself, again and again.
        both.ok(put("often", json!({"every_ms": 20, "message": {"body": "now"}}))).await;
        let wait = json!({"op": "receive", "queue": "q", "wait_ms": 20_000, "lease": "none", "labels": {}});
        for body in [Value::Null, json!("now"), json!("now")] {
            let got = both.ok(wait.clone()).await;
            assert_eq!(got["messages"][0].get("body").unwrap_or(&Value::Null), &body);
        }
        for (more, refusal) in [
            (
                json!({"message": {"body": 1}}),
                "invalid_request: exactly one of `every_ms`, `cron` and `at` must be there",
            ),
            (
                json!({"every_ms": 1, "at": 1, "message": {"body": 1}}),
                "invalid_request: exactly one of `every_ms`, `cron` and `at` must be there",
            ),
            (
                json!({"every_ms": 1, "zone": "UTC", "message": {"body": 1}}),
                "invalid_request: `zone`: only with `cron`",
            ),
            (
                json!({"every_ms": 1, "message": {}}),
                "invalid_request: `message`: missing field `body` or `base64`",
            ),
            (json!({"every_ms": 1}), "invalid_request: missing field `message`"),
        ] {
            assert_eq!(both.refused(put("bad", more.clone())).await, refusal, "{more}");
        }
        for more in [
            json!({"every_ms": 0}),
            json!({"cron": "x"}),
            json!({"cron": "* * * * *", "zone": "Mars/Base"}),
        ] {
            let mut more = more.clone();
            more["message"] = json!({"body": 1});
            let refusal = both.refused(put("bad", more.clone())).await;
            assert!(refusal.starts_with("invalid_request: "), "{more}: {refusal}");
        }
    });
}
