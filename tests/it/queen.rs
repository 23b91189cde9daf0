//! Queen MQ's protocol, byte by byte: status codes, shapes, and the rules of acknowledging. What its clients make of
//! it is in `clients.rs`.

use std::{net::TcpStream, thread, time::Duration};

use serde_json::{Value, json};

use crate::support::{HttpAnswer, PATIENCE, Server, exchange, full, sign, token};

/// Somebody who speaks it, on one connection for all requests.
struct Queen {
    stream: TcpStream,
    prefix: String,
    token: Option<String>,
}

impl Queen {
    fn new(server: &Server, prefix: &str, token: Option<String>) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, prefix: prefix.to_owned(), token }
    }

    fn call(&mut self, method: &str, path: &str, body: &str) -> HttpAnswer {
        let token = self.token.iter().map(|token| format!("Authorization: Bearer {token}\r\n"));
        let head: String = token.collect();
        let (prefix, length) = (&self.prefix, body.len());
        let request = format!(
            "{method} {prefix}{path} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {length}\r\n\r\n{body}"
        );
        exchange(&mut self.stream, &request)
    }

    fn get(&mut self, path: &str) -> HttpAnswer {
        self.call("GET", path, "")
    }

    fn post(&mut self, path: &str, body: Value) -> HttpAnswer {
        self.call("POST", path, &body.to_string())
    }

    /// Pushes messages with these transaction ids into the partition `p`.
    fn push(&mut self, queue: &str, ids: &[&str]) {
        let item =
            |id| json!({"queue": queue, "partition": "p", "payload": id, "transactionId": id});
        let items: Vec<Value> = ids.iter().map(item).collect();
        assert_eq!(self.post("/api/v1/push", json!({"items": items})).status, 201);
    }

    /// Messages of a pop, none for 204.
    fn pop(&mut self, queue: &str, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("/api/v1/pop/queue/{queue}?batch=10&{query}"));
        match answer.status {
            204 => {
                assert_eq!(answer.text, "");
                Vec::new()
            }
            _ => answer.ok()["messages"].as_array().unwrap().clone(),
        }
    }

    /// Acknowledges messages; the answers.
    fn ack(&mut self, messages: &[(&Value, &str)]) -> Vec<Value> {
        let item = |(message, status): &(&Value, &str)| {
            json!({"transactionId": message["transactionId"], "partitionId": message["partitionId"],
                "leaseId": message["leaseId"], "status": status, "error": null})
        };
        let items: Vec<Value> = messages.iter().map(item).collect();
        let body = json!({"acknowledgments": items, "consumerGroup": null});
        self.post("/api/v1/ack/batch", body).ok().as_array().unwrap().clone()
    }
}

fn open() -> Server {
    Server::start(&["--dev"])
}

fn names(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["data"].as_str().unwrap()).collect()
}

fn successes(answers: &[Value]) -> Vec<bool> {
    answers.iter().map(|answer| answer["success"].as_bool().unwrap()).collect()
}

#[test]
fn the_token_names_the_room_and_a_trial_needs_none() {
    let server = Server::start(&[]);
    let health = Queen::new(&server, "", None).get("/health").ok();
    assert_eq!((&health["status"], &health["database"]), (&json!("healthy"), &json!("connected")));
    let mut nobody = Queen::new(&server, "", None);
    let answer = nobody.get("/api/v1/pop/queue/q");
    assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("token_missing")));
    let mut one = Queen::new(&server, "", Some(full("one")));
    one.push("q", &["a"]);
    assert!(Queen::new(&server, "", Some(full("two"))).pop("q", "").is_empty(), "another room");
    let wrong =
        Queen::new(&server, "/rooms/two/queen", Some(full("one"))).get("/api/v1/pop/queue/q");
    assert_eq!((wrong.status, &wrong.json()["code"]), (403, &json!("wrong_room")));
    let mut same = Queen::new(&server, "/rooms/one/queen", Some(full("one")));
    assert_eq!(names(&same.pop("q", "")), ["a"]);
    let sender = token("one", "p", json!({"queues": {"send": ["q"], "receive": []}}));
    let mut sender = Queen::new(&server, "", Some(sender));
    sender.push("q", &["b"]);
    assert_eq!(sender.get("/api/v1/pop/queue/q").status, 403);
    assert_eq!(sender.post("/api/v1/configure", json!({"queue": "q"})).status, 403);
    let receiver = token("one", "p", json!({"queues": {"send": [], "receive": ["q"]}}));
    let mut receiver = Queen::new(&server, "", Some(receiver));
    let push = receiver.post("/api/v1/push", json!({"items": [{"queue": "q", "payload": 1}]}));
    assert_eq!((push.status, &push.json()["code"]), (403, &json!("permission_denied")));

    let of_role = |role: &str| sign(&json!({"sub": "svc", "roles": [role]}));
    let mut writer = Queen::new(&server, "", Some(of_role("write-only")));
    writer.push("r", &["a"]);
    assert_eq!(writer.get("/api/v1/pop/queue/r").status, 403);
    let mut both = Queen::new(&server, "", Some(of_role("read-write")));
    let popped = both.pop("r", "");
    assert_eq!((names(&popped), &popped[0]["producerSub"]), (vec!["a"], &json!("svc")));
    assert_eq!(both.call("DELETE", "/api/v1/resources/queues/r", "").status, 403);
    let mut admin = Queen::new(&server, "/rooms/queen/queen", Some(of_role("admin")));
    let deleted = admin.call("DELETE", "/api/v1/resources/queues/r", "").ok();
    assert_eq!(deleted["existed"], true);
    let elsewhere = Queen::new(&server, "/v1/rooms/queen", Some(of_role("admin"))).get("/queues");
    assert_eq!(elsewhere.status, 401, "roles mean something here only");

    let server = open();
    Queen::new(&server, "", None).push("q", &["c"]);
    let mut by_path = Queen::new(&server, "/rooms/queen/queen", None);
    assert_eq!(names(&by_path.pop("q", "")), ["c"], "the room of those who name none");
    assert!(Queen::new(&server, "/rooms/other/queen", None).pop("q", "").is_empty());
}

#[test]
fn what_is_not_understood_is_refused() {
    let server = open();
    let mut queen = Queen::new(&server, "", None);
    for (method, path, body, status, code) in [
        ("GET", "/api/v1/nowhere", "", 404, "no_such_route"),
        ("POST", "/api/v1/push", "{", 400, "invalid_json"),
        ("POST", "/api/v1/push", "{}", 400, "invalid_request"),
        ("POST", "/api/v1/push", r#"{"items":[{"payload":1}]}"#, 400, "invalid_request"),
        ("POST", "/api/v1/push", r#"{"items":[{"queue":"q"}]}"#, 400, "invalid_request"),
        ("POST", "/api/v1/configure", "{}", 400, "invalid_request"),
        (
            "POST",
            "/api/v1/configure",
            r#"{"queue":"q","options":{"leaseTime":"x"}}"#,
            400,
            "invalid_settings",
        ),
        ("GET", "/api/v1/pop", "", 400, "invalid_request"),
        ("POST", "/api/v1/transaction", "{}", 400, "invalid_request"),
        ("POST", "/api/v1/transaction", r#"{"operations":[{"type":"x"}]}"#, 400, "invalid_request"),
        ("GET", "/api/v1/messages/x/y", "", 404, "message_not_found"),
        ("POST", "/api/v1/dlq/x/replay", "", 404, "message_not_found"),
        ("POST", "/api/v1/consumer-groups/g/queues/q/seek", "{}", 400, "invalid_request"),
        (
            "POST",
            "/api/v1/consumer-groups/g/queues/no/seek",
            r#"{"toEnd":true}"#,
            404,
            "queue_not_found",
        ),
    ] {
        let answer = queen.call(method, path, body);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (status, &json!(code)),
            "{path} {body}"
        );
        assert!(answer.json()["error"].is_string(), "{path}");
    }
    assert_eq!(queen.post("/api/v1/push", json!({"items": []})).text, "[]");
    // Two things are answered though there is nothing to be done.
    let extended = queen.call("POST", "/api/v1/lease/x/extend", "").ok();
    assert_eq!((&extended["success"], &extended["renewed"]), (&json!(false), &json!(0)));
    let deleted = queen.call("DELETE", "/api/v1/resources/queues/no", "").ok();
    assert_eq!((&deleted["deleted"], &deleted["existed"]), (&json!(false), &json!(false)));
}

#[test]
fn payloads_come_out_byte_for_byte_and_a_transaction_id_counts_once() {
    let server = open();
    let mut queen = Queen::new(&server, "", None);
    let bodies = ["null", "1.50", r#"{"b" : 1,"a":"\u00e9"}"#, "[ ]", r#""""#];
    let items: Vec<String> = (bodies.iter().enumerate())
        .map(|(at, body)| format!(r#"{{"queue":"q","transactionId":"t{at}","payload":{body}}}"#))
        .collect();
    let push = format!(r#"{{"items":[{},{}]}}"#, items.join(","), items[1]);
    let answer = queen.call("POST", "/api/v1/push", &push);
    let statuses: Vec<Value> =
        answer.json().as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, ["queued", "queued", "queued", "queued", "queued", "duplicate"]);
    assert_eq!(answer.json()[5]["message_id"], answer.json()[1]["message_id"], "of the first one");
    let popped = queen.get("/api/v1/pop/queue/q?batch=10").text;
    for body in bodies {
        assert!(popped.contains(&format!("\"data\":{body},")), "{body} in {popped}");
    }
    let again = queen.call("POST", "/api/v1/push", &push).json();
    assert!(again.as_array().unwrap().iter().all(|one| one["status"] == "duplicate"));
    let other =
        json!({"items": [{"queue": "q", "partition": "p", "transactionId": "t0", "payload": 1}]});
    assert_eq!(queen.post("/api/v1/push", other).json()[0]["status"], "queued");
}

#[test]
fn a_partition_is_leased_as_a_whole_and_groups_do_not_meet() {
    let server = open();
    let mut queen = Queen::new(&server, "", None);
    queen.push("q", &["a", "b"]);
    let popped = queen.get("/api/v1/pop/queue/q?batch=1").ok();
    assert_eq!(popped["messages"][0]["data"], "a");
    for (outer, inner) in
        [("partition", "partition"), ("partitionId", "partitionId"), ("leaseId", "leaseId")]
    {
        assert_eq!(popped[outer], popped["messages"][0][inner]);
    }
    assert_eq!(
        (&popped["consumerGroup"], &popped["partitionsClaimed"]),
        (&json!("__QUEUE_MODE__"), &json!(1))
    );
    assert!(queen.pop("q", "").is_empty(), "somebody has it");
    assert_eq!(names(&queen.pop("q", "consumerGroup=g")), ["a", "b"]);
    assert!(queen.pop("q", "consumerGroup=new&subscriptionMode=new").is_empty());
    queen.push("q", &["c"]);
    assert_eq!(names(&queen.pop("q", "consumerGroup=new&subscriptionMode=all")), ["c"]);
    let auto = queen.pop("q", "consumerGroup=auto&autoAck=true");
    assert_eq!((names(&auto), &auto[0]["leaseId"]), (vec!["a", "b", "c"], &json!("")));
    assert!(queen.pop("q", "consumerGroup=auto").is_empty(), "done when it was handed out");
    assert_eq!(
        names(&queen.pop("q", "consumerGroup=late")),
        ["a", "b", "c"],
        "nothing was deleted"
    );
}

#[test]
fn the_cursor_stops_at_the_lowest_failure() {
    let server = open();
    let mut queen = Queen::new(&server, "", None);
    queen.post("/api/v1/configure", json!({"queue": "q", "options": {"retryLimit": 1}})).ok();
    queen.push("q", &["a", "b", "c", "d"]);
    let all = queen.pop("q", "");
    let answers = queen.ack(&[(&all[0], "completed"), (&all[1], "failed"), (&all[3], "completed")]);
    assert_eq!(successes(&answers), [true, true, true]);
    assert!(answers.iter().all(|answer| answer["leaseReleased"] == true && answer["dlq"] == false));
    let again = queen.pop("q", "");
    assert_eq!(names(&again), ["b", "c", "d"]);
    assert_eq!(again[0]["deliveryAttempt"], 2);
    let stale = queen.ack(&[(&all[1], "completed")]);
    assert_eq!(
        (&stale[0]["success"], &stale[0]["error"]),
        (&json!(false), &json!("invalid or expired lease"))
    );
    // The second failure is one too many; what comes behind is settled all the same.
    let answers = queen.ack(&[(&again[0], "failed"), (&again[2], "completed")]);
    assert_eq!((&answers[0]["dlq"], &answers[1]["dlq"]), (&json!(true), &json!(false)));
    assert!(queen.pop("q", "").is_empty());
    let repeated = queen.ack(&[(&again[0], "failed"), (&again[2], "completed")]);
    assert_eq!(successes(&repeated), [true, true], "the reply may have been lost");
    let dead = queen.get("/api/v1/dlq?queue=q").ok();
    assert_eq!((&dead["total"], &dead["messages"][0]["data"]), (&json!(1), &json!("b")));
    assert_eq!(dead["messages"][0]["errorMessage"], "Retries exhausted");
    assert_eq!(dead["messages"][0]["retryCount"], 1);
}

#[test]
fn retry_counts_nothing_dlq_is_at_once_and_without_a_lease_nobody_is_asked() {
    let server = open();
    let mut queen = Queen::new(&server, "", None);
    queen.post("/api/v1/configure", json!({"queue": "q", "options": {"retryLimit": 0}})).ok();
    queen.push("q", &["a", "b", "c"]);
    for _ in 0..3 {
        let all = queen.pop("q", "");
        assert_eq!(successes(&queen.ack(&[(&all[0], "retry")])), [true]);
    }
    let all = queen.pop("q", "");
    assert_eq!(queen.ack(&[(&all[0], "dlq")])[0]["dlq"], true);
    let all = queen.pop("q", "");
    assert_eq!(names(&all), ["b", "c"]);
    let plain = |message: &Value, status: &str| json!({"transactionId": message["transactionId"], "partitionId": message["partitionId"], "status": status});
    let answer = queen.post("/api/v1/ack", plain(&all[1], "completed")).ok();
    assert_eq!(answer[0]["success"], true);
    let before = queen.post("/api/v1/ack", plain(&all[0], "completed")).ok();
    assert_eq!((&before[0]["success"], &before[0]["noop"]), (&json!(true), &json!(true)));
    let before = queen.post("/api/v1/ack", plain(&all[0], "failed")).ok();
    assert!(before[0]["error"].as_str().unwrap().starts_with("already committed"), "{before}");
    let unknown = json!({"transactionId": "no", "partitionId": all[0]["partitionId"]});
    let unknown = queen.post("/api/v1/ack", unknown).ok();
    assert!(unknown[0]["error"].as_str().unwrap().starts_with("unresolvable"), "{unknown}");
    // Nobody has the partition, and yet what is done is done, with all before it.
    queen.push("q", &["d", "e", "f"]);
    let id = all[0]["partitionId"].clone();
    let answer = queen.post("/api/v1/ack", json!({"transactionId": "e", "partitionId": id})).ok();
    assert_eq!(answer[0]["success"], true);
    assert_eq!(names(&queen.pop("q", "")), ["f"]);
}

#[test]
fn a_transaction_happens_in_all_its_queues_or_in_none() {
    let server = open();
    let mut queen = Queen::new(&server, "", None);
    queen.push("a", &["1", "2"]);
    let all = queen.pop("a", "");
    let ack = |message: &Value| {
        json!({"type": "ack", "transactionId": message["transactionId"],
            "partitionId": message["partitionId"], "leaseId": message["leaseId"], "status": "completed"})
    };
    let push = |queue: &str, id: &str| json!({"type": "push", "items": [{"queue": queue, "partition": "p", "payload": id, "transactionId": id}]});
    let first = json!({"operations": [push("b", "x"), ack(&all[0]), push("c", "y")]});
    let done = queen.post("/api/v1/transaction", first.clone()).ok();
    assert_eq!(done["success"], true);
    let kinds: Vec<&Value> =
        done["results"].as_array().unwrap().iter().map(|it| &it["type"]).collect();
    assert_eq!(kinds, ["push", "ack", "push"]);
    for (operations, reason) in [
        (json!([ack(&all[1]), push("b", "x")]), "duplicate"),
        (
            json!([
                push("b", "z"),
                ack(&json!({"transactionId": "no", "partitionId": all[0]["partitionId"],
            "leaseId": all[0]["leaseId"]}))
            ]),
            "ack_rejected",
        ),
        (
            json!([
                push("b", "z"),
                ack(&json!({"transactionId": "2", "partitionId": all[0]["partitionId"],
            "leaseId": "1-YQ"}))
            ]),
            "ack_rejected",
        ),
    ] {
        let refused = queen.post("/api/v1/transaction", json!({"operations": operations})).ok();
        assert_eq!((&refused["success"], &refused["reason"]), (&json!(false), &json!(reason)));
        assert_eq!(refused["results"], json!([]));
    }
    assert_eq!(names(&queen.pop("b", "")), ["x"], "and no z");
    // Twice in one bundle is once; the lease of the second message still holds.
    let twice = json!({"operations": [push("c", "t"), push("c", "t"), ack(&all[1])]});
    let done = queen.post("/api/v1/transaction", twice).ok();
    assert_eq!((&done["success"], &done["results"][1]["duplicate"]), (&json!(true), &json!(true)));
    assert_eq!(names(&queen.pop("c", "")), ["y", "t"]);
    assert!(queen.pop("a", "").is_empty());
}

#[test]
fn a_pop_that_waits_is_answered_at_once_and_takes_nothing_when_it_goes_away() {
    let server = open();
    let mut queen = Queen::new(&server, "", None);
    assert_eq!(queen.get("/api/v1/pop/queue/q?wait=true&timeout=50").status, 204);
    let mut gone = Queen::new(&server, "", None);
    gone.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let request = "GET /api/v1/pop/queue/q?wait=true&timeout=60000 HTTP/1.1\r\nHost: x\r\n\r\n";
    std::io::Write::write_all(&mut gone.stream, request.as_bytes()).unwrap();
    assert!(std::io::Read::read(&mut gone.stream, &mut [0; 1]).is_err(), "it waits");
    drop(gone);
    let waiting: Vec<_> = [
        "/api/v1/pop/queue/q?wait=true&timeout=60000",
        "/api/v1/pop?namespace=n&wait=true&timeout=60000",
    ]
    .into_iter()
    .map(|path| {
        let mut waiter = Queen::new(&server, "", None);
        thread::spawn(move || waiter.get(path))
    })
    .collect();
    thread::sleep(Duration::from_millis(300));
    queen.push("q", &["a"]);
    // This queue comes only now.
    queen.post("/api/v1/configure", json!({"queue": "other", "namespace": "n"})).ok();
    queen.push("other", &["b"]);
    let found: Vec<Value> = waiting
        .into_iter()
        .map(|it| it.join().unwrap().ok()["messages"][0]["data"].clone())
        .collect();
    assert_eq!(found, ["a", "b"]);
}

#[test]
fn queues_are_found_by_namespace_and_task_the_highest_priority_first() {
    let server = open();
    let mut queen = Queen::new(&server, "", None);
    for (queue, task, priority) in [("low", "t", 1), ("high", "t", 9), ("none", "u", 5)] {
        let configure = json!({"queue": queue, "namespace": "n", "task": task, "options": {"priority": priority}});
        assert_eq!(
            queen.post("/api/v1/configure", configure).ok()["options"]["priority"],
            priority
        );
        queen.push(queue, &[queue]);
    }
    let mut pop = |query: &str| {
        let answer = queen.get(&format!("/api/v1/pop?{query}"));
        (answer.status == 200).then(|| answer.ok()["messages"][0]["data"].clone())
    };
    let found = [pop("namespace=n&task=t"), pop("namespace=n&task=t"), pop("namespace=n&task=t")];
    assert_eq!(found, [Some(json!("high")), Some(json!("low")), None]);
    assert_eq!(pop("task=u&autoAck=true"), Some(json!("none")));
    assert_eq!(pop("namespace=other"), None);
    // Without a name in it, the change of an option leaves both as they are.
    let merged =
        queen.post("/api/v1/configure", json!({"queue": "low", "options": {"ttl": 7}})).ok();
    assert_eq!((&merged["namespace"], &merged["task"]), (&json!("n"), &json!("t")));
    assert_eq!((&merged["options"]["priority"], &merged["options"]["ttl"]), (&json!(1), &json!(7)));
    let replaced = json!({"queue": "low", "mode": "replace", "options": {"ttl": 8}});
    let replaced = queen.post("/api/v1/configure", replaced).ok();
    assert_eq!(
        (&replaced["options"]["priority"], &replaced["options"]["ttl"]),
        (&json!(0), &json!(8))
    );
}

#[test]
fn the_delay_and_the_size_of_a_queue_count_at_once() {
    let server = open();
    let mut queen = Queen::new(&server, "", None);
    queen.push("q", &["a", "b"]);
    let set = |queen: &mut Queen, name: &str, value: u32| {
        queen.post("/api/v1/configure", json!({"queue": "q", "options": {name: value}})).ok()
    };
    set(&mut queen, "delayedProcessing", 3600);
    assert!(queen.pop("q", "").is_empty(), "what is stored is delayed, too");
    set(&mut queen, "maxSize", 2);
    let one = json!({"items": [{"queue": "q", "partition": "p", "payload": 1}]});
    assert_eq!(queen.post("/api/v1/push", one).json()[0]["status"], "failed");
    set(&mut queen, "delayedProcessing", 0);
    assert_eq!(names(&queen.pop("q", "")), ["a", "b"]);
}

#[test]
fn groups_are_moved_and_begin_again_where_they_began() {
    let server = open();
    let mut queen = Queen::new(&server, "", None);
    queen.push("q", &["a"]);
    assert!(queen.pop("q", "consumerGroup=g&subscriptionMode=new&autoAck=true").is_empty());
    queen.push("q", &["b", "c"]);
    assert_eq!(names(&queen.pop("q", "consumerGroup=g&autoAck=true")), ["b", "c"]);
    let path = "/api/v1/consumer-groups/g";
    let kept = queen.call("DELETE", &format!("{path}?deleteMetadata=false"), "").ok();
    assert_eq!((&kept["deletedPartitions"], &kept["metadataDeleted"]), (&json!(1), &json!(false)));
    assert_eq!(names(&queen.pop("q", "consumerGroup=g&autoAck=true")), ["b", "c"]);
    queen.call("DELETE", &format!("{path}?deleteMetadata=true"), "").ok();
    assert_eq!(names(&queen.pop("q", "consumerGroup=g&autoAck=true")), ["a", "b", "c"]);
    let sought =
        queen.post(&format!("{path}/queues/q/seek"), json!({"timestamp": "2020-01-01T00:00:00Z"}));
    assert_eq!(sought.ok()["partitionsUpdated"], 1);
    assert_eq!(names(&queen.pop("q", "consumerGroup=g")), ["a", "b", "c"]);
    let sought =
        queen.post(&format!("{path}/queues/q/partitions/p/seek"), json!({"toEnd": true})).ok();
    assert_eq!((&sought["seekToEnd"], &sought["partitionsUpdated"]), (&json!(true), &json!(1)));
    assert!(queen.pop("q", "consumerGroup=g").is_empty());
    let at = json!({"subscriptionTimestamp": "2020-01-01T00:00:00Z"});
    assert_eq!(queen.post(&format!("{path}/subscription"), at).ok()["rowsUpdated"], 1);
    assert!(queen.pop("q", "consumerGroup=g").is_empty(), "nothing is moved by that");
    queen.call("DELETE", &format!("{path}/queues/q?deleteMetadata=false"), "").ok();
    assert_eq!(names(&queen.pop("q", "consumerGroup=g")), ["a", "b", "c"]);
}

#[test]
fn dead_letters_are_listed_replayed_and_thrown_away() {
    let server = open();
    let mut queen = Queen::new(&server, "", None);
    queen.push("q", &["a", "b", "c"]);
    let all = queen.pop("q", "");
    let answers = queen.ack(&[(&all[0], "dlq"), (&all[1], "dlq"), (&all[2], "dlq")]);
    assert!(answers.iter().all(|answer| answer["dlq"] == true), "{answers:?}");
    let dead = queen.get("/api/v1/dlq?queue=q&limit=2").ok();
    assert_eq!(names(dead["messages"].as_array().unwrap()), ["c", "b"]);
    assert_eq!(dead["pagination"], json!({"limit": 2, "offset": 0}));
    for (query, count) in [
        ("partition=p", 3),
        ("partition=other", 0),
        ("consumerGroup=g", 0),
        ("from=2020-01-01T00:00:00Z", 3),
        ("to=2020-01-01T00:00:00Z", 0),
        ("limit=100&offset=2", 1),
    ] {
        assert_eq!(queen.get(&format!("/api/v1/dlq?{query}")).ok()["total"], count, "{query}");
    }
    let id = dead["messages"][0]["id"].as_str().unwrap().to_owned();
    let moved = queen.call("POST", &format!("/api/v1/dlq/{id}/replay"), "").ok();
    assert_eq!(
        (&moved["result"], &moved["transactionId"]),
        (&json!("moved"), &json!(format!("dlq:{id}")))
    );
    assert_eq!(queen.call("POST", &format!("/api/v1/dlq/{id}/replay"), "").status, 404);
    let of_b = format!("/api/v1/messages/{}/b", all[1]["partitionId"].as_str().unwrap());
    assert_eq!(queen.get(&of_b).ok()["status"], "dead_letter");
    assert_eq!(queen.call("POST", &format!("{of_b}/retry"), "").ok()["originalTransactionId"], "b");
    assert_eq!(names(&queen.pop("q", "")), ["c", "b"]);
    assert_eq!(queen.get(&of_b).ok()["status"], "completed");
    assert_eq!(queen.call("DELETE", &of_b, "").status, 404, "no dead letter any more");
    let purged = queen.call("DELETE", "/api/v1/dlq?queue=q", "").ok();
    assert_eq!(purged["deleted"], 1);
    assert_eq!(queen.get("/api/v1/dlq").ok()["total"], 0);
}

#[test]
fn a_room_in_maintenance_gives_nothing_and_says_that_pushes_may_take_a_while() {
    let server = Server::start(&[]);
    let mut queen = Queen::new(&server, "", Some(full("r")));
    let mut other = Queen::new(&server, "", Some(full("other")));
    let (pushes, pops) = ("/api/v1/system/maintenance", "/api/v1/system/maintenance/pop");
    assert_eq!(queen.get(pushes).ok()["enabled"], false);
    assert_eq!(queen.post(pushes, json!({})).status, 400);
    assert_eq!(queen.post(pushes, json!({"enabled": true})).ok()["maintenanceMode"], true);
    assert_eq!(queen.post(pops, json!({"enabled": true})).ok()["popMaintenanceMode"], true);
    let item = json!({"items": [{"queue": "q", "partition": "p", "payload": "a"}]});
    assert_eq!(queen.post("/api/v1/push", item).json()[0]["status"], "buffered");
    assert!(queen.pop("q", "").is_empty());
    other.push("q", &["b"]);
    assert_eq!(names(&other.pop("q", "")), ["b"], "another room");
    assert_eq!(queen.post(pops, json!({"enabled": false})).ok()["enabled"], false);
    assert_eq!(names(&queen.pop("q", "")), ["a"]);
    let sender = token("r", "p", json!({"queues": {"send": ["q"], "receive": []}}));
    let denied = Queen::new(&server, "", Some(sender)).post(pops, json!({"enabled": true}));
    assert_eq!(denied.status, 403);
}

#[test]
fn a_room_has_a_thousand_streams_and_not_one_more() {
    let server = open();
    let mut a = Queen::new(&server, "", None);
    a.push("source", &["1"]);
    let mut define = |name: &str, length: u32| {
        let stream = json!({
            "name": name, "namespace": "n", "source_queue_names": ["source"], "partitioned": false,
            "window_type": "tumbling", "window_duration_ms": length,
            "window_grace_period_ms": 0, "window_lease_timeout_ms": 1000,
        });
        a.post("/api/v1/stream/define", stream)
    };
    for n in 0..1000 {
        assert_eq!(define(&format!("s{n}"), 1000).status, 201);
    }
    let refused = define("one more", 1000);
    assert_eq!((refused.status, &refused.json()["code"]), (429, &json!("too_many_queues")));
    assert_eq!(refused.json()["error"], "a room has at most 1000 streams");
    assert_eq!(define("s7", 2000).status, 201, "one that is there may be defined anew");
}

#[test]
fn an_ack_may_be_repeated_after_a_restart_if_its_message_is_done() {
    let data = tempfile::tempdir().unwrap();
    let flags = ["--dev", "--data", data.path().to_str().unwrap()];
    let server = Server::start_durable(&flags);
    let mut a = Queen::new(&server, "", None);
    a.push("q", &["1", "2", "3"]);
    let got = a.pop("q", "");
    assert_eq!(successes(&a.ack(&[(&got[0], "completed"), (&got[1], "completed")])), [true, true]);
    drop(server); // killed
    let server = Server::start_durable(&flags);
    let mut a = Queen::new(&server, "", None);
    let all = [(&got[1], "completed"), (&got[2], "completed"), (&got[0], "failed")];
    assert_eq!(successes(&a.ack(&all)), [true, false, false]);
    assert_eq!(names(&a.pop("q", "")), ["3"], "nothing was changed by that");
}

#[test]
fn what_is_completed_makes_room_in_a_full_queue_and_what_is_not_does_not() {
    let server = Server::start(&["--dev", "--limit", "messages_per_queue=4"]);
    let mut a = Queen::new(&server, "", None);
    a.push("q", &["1", "2", "3", "4"]);
    let mut push = |id: &str| {
        let items = json!([{"queue": "q", "partition": "p", "payload": id, "transactionId": id}]);
        a.post("/api/v1/push", json!({"items": items})).json()[0]["status"].clone()
    };
    assert_eq!(push("5"), "failed");
    let mut b = Queen::new(&server, "", None);
    let got = b.pop("q", "");
    assert_eq!(successes(&b.ack(&[(&got[1], "completed")])), [true]);
    assert_eq!(
        (push("6"), push("7"), push("8")),
        ("queued".into(), "queued".into(), "failed".into())
    );
    assert_eq!(successes(&b.ack(&[(&got[3], "completed")])), [true]);
    assert_eq!(names(&b.pop("q", "")), ["6", "7"]);
}
