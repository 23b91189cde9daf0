//! Connecting, sending, settling, managing, errors.

use std::{collections::BTreeSet, time::Duration};

use anteroom::client::{
    Action, Body, BufferOptions, Client, Error, Filter, From, Item, Message, Outcome, Receive,
    Schedule, SeekTo, Settings, State, Transaction, Which,
};
use serde_json::{Value, json};

use super::{LONG, jobs, join};
use crate::support::{Server, full, now, run, sign, token};

#[test]
fn a_connection_is_refused_with_the_servers_word() {
    run(async {
        let server = Server::start(&[]);
        let expired = sign(&json!({"name": "x", "exp": now() - 3600,
            "grants": [{"name": "room", "scope": "demo"}]}));
        for (token, status, code) in [
            ("not a token".to_owned(), 401, "token_invalid"),
            (expired, 401, "token_expired"),
            (full("other"), 403, "wrong_room"),
        ] {
            let error = Client::connect(&server.url, "demo", &token).await.unwrap_err();
            assert_eq!(error.code(), code);
            assert!(matches!(error, Error::Refused { status: found, .. } if found == status));
            assert!(!error.is_retryable() && !error.may_have_happened(), "{error:?}");
        }
        let nowhere = Client::connect("http://127.0.0.1:1", "demo", "x").await.unwrap_err();
        assert_eq!((nowhere.code(), nowhere.is_retryable()), ("cannot_connect", true));
        let wrong = Client::connect("127.0.0.1", "demo", "x").await.unwrap_err();
        assert!(wrong.to_string().contains("write http://"), "{wrong}");
    });
}

#[test]
fn hello_says_where_one_is() {
    run(async {
        let server = Server::start(&["--limit", "items_per_request=7"]);
        let client = join(&server).await;
        let hello = client.hello();
        assert_eq!((hello.room.as_str(), hello.name.as_str()), ("demo", "tester"));
        assert_eq!((hello.resumed, hello.limits.items_per_request), (false, 7));
        assert!(client.is_open());
        client.close().await;
        assert!(!client.is_open());
        let error = client.list().await.unwrap_err();
        assert_eq!((error.code(), error.may_have_happened()), ("connection_closed", false));
    });
}

#[test]
fn bodies_are_the_senders_bytes() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        let texts = [
            "null",
            "{\"b\" : 1.0,  \"a\":1e2, \"a\":3}",
            "\"\\u00e9 \\/ é\"",
            "123456789012345678901234567890",
            "[ ]",
        ];
        for text in texts {
            queue.send_message(Message::raw(text).unwrap()).await.unwrap();
        }
        let bytes: Vec<u8> = (0..=255).collect();
        queue.send_message(Message::bytes(bytes.clone(), "image/x-test")).await.unwrap();
        queue.send_message(Message::bytes([], "text/plain")).await.unwrap();
        let received = queue.receive_with(&Receive::new().max(10)).await.unwrap();
        let found: Vec<_> = received.iter().filter_map(|message| message.body.text()).collect();
        assert_eq!(found, texts);
        let body = |index: usize| {
            let body = &received[index].body;
            (body.as_bytes().to_vec(), body.content_type().to_owned())
        };
        assert_eq!(body(5), (bytes, "image/x-test".to_owned()));
        assert_eq!(body(6), (Vec::new(), "text/plain".to_owned()));
    });
}

#[test]
fn what_is_said_about_a_message_comes_with_it() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        let message = Message::json(&json!(1))
            .unwrap()
            .id("own")
            .key("k")
            .kind("page")
            .partition("p")
            .priority(-3)
            .label("tenant", "acme")
            .ttl(Duration::from_secs(3600))
            .headers(&json!({"trace": "t"}))
            .unwrap();
        let receipt = queue.send_message(message.clone()).await.unwrap();
        assert_eq!((receipt.id.as_str(), receipt.duplicate), ("own", false));
        assert!(queue.send_message(message).await.unwrap().duplicate);
        let got = queue.receive().await.unwrap();
        assert_eq!(
            (got.id.as_str(), got.partition.as_str(), got.priority, got.attempt),
            ("own", "p", -3, 1)
        );
        assert_eq!((got.key.as_deref(), got.kind.as_deref()), (Some("k"), Some("page")));
        assert_eq!(got.labels.get("tenant").map(String::as_str), Some("acme"));
        assert_eq!(got.headers.as_deref().map(|raw| raw.get()), Some(r#"{"trace":"t"}"#));
        assert_eq!(got.expires_at.unwrap().0, got.sent_at.0 + 3_600_000);
        assert!(got.until.is_some() && got.lease().is_some());
    });
}

#[test]
fn a_batch_is_added_as_a_whole_or_not_at_all() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        let batch: Vec<_> = (0..100).map(|n| Message::json(&n).unwrap()).collect();
        let receipts = queue.send_batch(&batch).await.unwrap();
        assert_eq!(receipts.len(), 100);
        assert_eq!((receipts[0].id.as_str(), receipts[99].id.as_str()), ("0-0", "0-99"));
        assert!(queue.send_batch(&[]).await.unwrap().is_empty());
        let wrong = [Message::json(&1).unwrap(), Message::json(&2).unwrap().key("")];
        assert_eq!(queue.send_batch(&wrong).await.unwrap_err().code(), "invalid_request");
        assert_eq!(queue.inspect().await.unwrap().totals.sent, 100);
    });
}

#[test]
fn a_buffered_sender_gathers_keeps_the_order_and_answers_each() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        let sender = queue.buffered(BufferOptions { count: 64, ..BufferOptions::default() });
        let mut sendings = Vec::new();
        for n in 0..1000 {
            sendings.push(sender.send(Message::json(&n).unwrap()).await.unwrap());
        }
        sender.flush().await.unwrap();
        for (n, sending) in sendings.into_iter().enumerate() {
            assert_eq!(sending.await.unwrap().id, format!("0-{n}"));
        }
        // One that is wrong is refused alone.
        let good = sender.send(Message::json(&1).unwrap()).await.unwrap();
        let wrong = sender.send(Message::json(&2).unwrap().key("")).await.unwrap();
        let also = sender.send(Message::json(&3).unwrap()).await.unwrap();
        assert_eq!(good.await.unwrap().id, "0-1000");
        assert_eq!(wrong.await.unwrap_err().code(), "invalid_request");
        assert_eq!(also.await.unwrap().id, "0-1001");
    });
}

#[test]
fn every_verdict_does_what_it_says() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        let settings = Settings::new().attempts_max(2).retain_settled(LONG);
        queue.configure(settings).await.unwrap();
        for n in 0..6 {
            queue.send(&n).await.unwrap();
        }
        let mut taken = queue.receive_with(&Receive::new().max(6)).await.unwrap().into_iter();
        let mut next = || taken.next().unwrap();
        let first = next();
        let lease = first.lease().unwrap().to_owned();
        assert_eq!(first.done_with(&json!({"words": 17})).await.unwrap().status, "done");
        let retried = next().retry_after(Duration::ZERO, "once").await.unwrap();
        assert_eq!((retried.status.as_str(), retried.at), ("back", None));
        let later = next().retry_after(LONG, "later").await.unwrap();
        assert!(later.status == "back" && later.at.is_some());
        assert_eq!(next().dead("no").await.unwrap().status, "dead");
        assert_eq!(next().release().await.unwrap().status, "back");
        assert_eq!(next().cancel().await.unwrap().status, "cancelled");
        // A second time: it is known not to be ours any more.
        let again = queue.settle(vec![Item::new(lease, Outcome::Done)]).await.unwrap();
        assert!(again[0].is_lost());

        let view = queue.find("0-0", None).await.unwrap();
        assert_eq!(
            (view.state, view.result.unwrap().text().unwrap()),
            (State::Done, r#"{"words":17}"#)
        );
        let second = queue.receive().await.unwrap();
        assert_eq!((second.id.as_str(), second.attempt), ("0-1", 2));
        assert_eq!(second.retry("twice").await.unwrap().status, "dead");
        let dead =
            queue.browse(&Filter::new().states([State::Dead]), None, None, 10).await.unwrap();
        let dead: Vec<_> = dead
            .messages
            .iter()
            .map(|view| (view.message.id.as_str(), view.reason.as_deref()))
            .collect();
        assert_eq!(dead, [("0-1", Some("twice")), ("0-3", Some("no"))]);
        let released = queue.receive().await.unwrap();
        assert_eq!((released.id.as_str(), released.attempt), ("0-4", 2));
        assert!(queue.try_receive().await.unwrap().is_none());
        let counts = queue.inspect().await.unwrap().group(None).unwrap().counts;
        assert_eq!((counts.delayed, counts.dead, counts.leased, counts.done), (1, 2, 1, 1));
        let redriven = queue
            .change(
                Action::Redrive { per_second: None },
                Which::Ids(vec!["0-3".into()]),
                None,
                false,
            )
            .await
            .unwrap();
        assert_eq!((redriven.count, redriven.ids), (1, vec!["0-3".to_owned()]));
    });
}

#[test]
fn a_transaction_happens_as_a_whole() {
    run(async {
        let server = Server::start(&[]);
        let client = join(&server).await;
        let (from, to) = (client.queue("from"), client.queue("to"));
        from.send(&1).await.unwrap();
        let message = from.receive().await.unwrap();
        let lease = message.lease().unwrap().to_owned();
        let step = || {
            Transaction::new()
                .settle("from", Item::new(lease.clone(), Outcome::Done))
                .send("to", Message::json(&2).unwrap())
        };
        let parts = client.transact(&step()).await.unwrap();
        assert_eq!(
            (parts[0].settled[0].status.as_str(), parts[1].sent[0].id.as_str()),
            ("done", "0-0")
        );
        assert_eq!(client.transact(&step()).await.unwrap_err().code(), "lease_lost");
        assert_eq!(to.inspect().await.unwrap().totals.sent, 1, "the second one sent nothing");
    });
}

#[test]
fn request_and_reply() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        queue.configure(Settings::new().retain_settled(LONG)).await.unwrap();
        let worker = tokio::spawn({
            let queue = queue.clone();
            async move {
                queue.receive().await.unwrap().done_with(&json!([7])).await.unwrap();
                queue.receive().await.unwrap().dead("cannot").await.unwrap();
            }
        });
        let ask = |n: i32| queue.request(Message::json(&n).unwrap(), LONG);
        assert_eq!(ask(1).await.unwrap().unwrap().text(), Some("[7]"));
        let error = ask(2).await.unwrap_err();
        assert_eq!(error.code(), "given_up");
        assert_eq!(error.to_string(), "the request was given up: cannot");
        worker.await.unwrap();
        let short = Duration::from_millis(50);
        let late = queue.request(Message::json(&3).unwrap(), short).await.unwrap_err();
        assert_eq!((late.code(), late.may_have_happened()), ("timed_out", true));
    });
}

#[test]
fn queues_groups_and_schedules_are_managed() {
    run(async {
        let server = Server::start(&[]);
        let client = join(&server).await;
        let queue = client.queue("jobs");
        let in_force = queue.open(Settings::new().attempts_max(9)).await.unwrap();
        assert_eq!(in_force.get::<u32>("attempts_max").unwrap(), 9);
        queue.send(&1).await.unwrap();
        queue.pause().await.unwrap();
        assert!(queue.try_receive().await.unwrap().is_none());
        assert_eq!(queue.explain(None).await.unwrap().code, "paused");
        queue.resume().await.unwrap();
        queue.close().await.unwrap();
        let closed = queue.send(&2).await.unwrap_err();
        assert_eq!((closed.code(), closed.is_retryable()), ("queue_closed", true));
        queue.open(Settings::new()).await.unwrap();
        queue.open_group("audit", Some(From::All)).await.unwrap();
        assert_eq!(queue.open_group("audit", None).await.unwrap_err().code(), "group_exists");
        let audit = Receive::new().group("audit");
        assert_eq!(queue.receive_with(&audit).await.unwrap().len(), 1);
        queue.send(&2).await.unwrap();
        queue.seek(Some("audit"), None, SeekTo::End).await.unwrap();
        assert!(queue.receive_with(&audit).await.unwrap().is_empty());
        queue.delete_group("audit").await.unwrap();
        let schedule = Schedule::every(LONG, Message::json(&"tick").unwrap());
        assert!(queue.put_schedule("tick", &schedule).await.unwrap().is_some());
        assert_eq!(queue.fire_schedule("tick").await.unwrap().id, "0-2");
        assert_eq!(queue.pause_schedule("tick").await.unwrap(), None);
        assert!(queue.resume_schedule("tick").await.unwrap().is_some());
        queue.delete_schedule("tick").await.unwrap();
        assert_eq!(queue.delete_schedule("tick").await.unwrap_err().code(), "schedule_not_found");
        let list: Vec<_> =
            client.list().await.unwrap().into_iter().map(|q| (q.name, q.size)).collect();
        assert_eq!(list, [("jobs".to_owned(), 3)]);
        assert_eq!(queue.drain().await.unwrap(), 3);
        queue.delete().await.unwrap();
        assert_eq!(queue.inspect().await.unwrap_err().code(), "queue_not_found");
    });
}

#[test]
fn every_error_has_a_code_and_a_sentence() {
    run(async {
        let server = Server::start(&["--limit", "message_bytes=4096"]);
        let client = join(&server).await;
        let queue = client.queue("jobs");
        queue.send(&1).await.unwrap();
        let receiver = Client::connect(
            &server.url,
            "demo",
            &token("demo", "r", json!({"queues": {"send": [], "receive": [], "list": true}})),
        )
        .await
        .unwrap();
        let large = Value::from("x".repeat(5000));
        let errors = [
            queue.find("nope", None).await.unwrap_err(),
            client.queue("nope").inspect().await.unwrap_err(),
            queue.explain(Some("nope")).await.unwrap_err(),
            receiver.queue("jobs").send(&1).await.unwrap_err(),
            queue.send(&large).await.unwrap_err(),
            queue.configure(Settings::new().set("nope", 1)).await.unwrap_err(),
            queue.configure(Settings::new().set("lease_ms", 0)).await.unwrap_err(),
            client.queue("").send(&1).await.unwrap_err(),
            Body::raw("{").unwrap_err(),
            client.message(Some("nobody"), "chat", &json!(1)).await.unwrap_err(),
        ];
        let codes: Vec<_> = errors.iter().map(Error::code).collect();
        assert_eq!(
            codes,
            [
                "message_not_found",
                "queue_not_found",
                "group_not_found",
                "permission_denied",
                "invalid",
                "invalid_request",
                "invalid_settings",
                "invalid_name",
                "invalid",
                "participant_not_found",
            ]
        );
        let sentences: BTreeSet<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(sentences.len(), errors.len());
        for error in &errors {
            assert!(error.to_string().len() > 10 && !error.may_have_happened(), "{error:?}");
        }
        assert_eq!(queue.inspect().await.unwrap().totals.sent, 1, "the client is still good");
    });
}
