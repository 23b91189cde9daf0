//! Taking messages: waiting, subscriptions, watches, participants.

use std::time::Duration;

use anteroom::client::{From, Lease, Message, Notice, Receive, Settings, WatchItem};
use futures_util::StreamExt;
use serde_json::json;

use super::{LONG, jobs, join};
use crate::support::{Server, run, within};

#[test]
fn a_receive_waits_and_one_that_is_given_up_swallows_nothing() {
    run(async {
        let server = Server::start(&[]);
        let (queue, other) = (jobs(&server).await, jobs(&server).await);
        assert!(queue.try_receive().await.unwrap().is_none());
        let short = Receive::new().wait(Duration::from_millis(50));
        assert!(queue.receive_with(&short).await.unwrap().is_empty());
        // Given up after the server has parked it.
        let given_up = tokio::time::timeout(Duration::from_millis(100), queue.receive()).await;
        assert!(given_up.is_err());
        let receivers = async || queue.inspect().await.unwrap().group(None).unwrap().receivers;
        while receivers().await != 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.receive().await.unwrap() }
        });
        while receivers().await != 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        other.send(&"first").await.unwrap();
        let message = within("the receive", waiting).await.unwrap();
        assert_eq!((message.body.text(), message.attempt), (Some("\"first\""), 1));
        let _ = message.done().await.unwrap();
        assert_eq!(other.inspect().await.unwrap().totals.delivered, 1);
    });
}

#[test]
fn many_receives_wait_at_once_on_one_connection() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        let waiting: Vec<_> = (0..200)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move {
                    let message = queue.receive().await.unwrap();
                    let number: u32 = message.decode().unwrap();
                    message.done().await.unwrap();
                    number
                })
            })
            .collect();
        let messages: Vec<_> = (0..200).map(|n| Message::json(&n).unwrap()).collect();
        queue.send_batch(&messages).await.unwrap();
        let mut numbers = Vec::new();
        for task in waiting {
            numbers.push(within("a receive", task).await.unwrap());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn leases_end_and_are_prolonged() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        queue.configure(Settings::new().expiry_is_failure(false)).await.unwrap();
        queue.send(&1).await.unwrap();
        let short = Receive::new().lease(Duration::from_millis(80));
        let first = queue.receive_with(&short).await.unwrap().remove(0);
        let second = within("the lease's end", queue.receive()).await.unwrap();
        assert_eq!((second.id.as_str(), second.attempt), ("0-0", 2));
        assert!(first.extend(LONG).await.unwrap().is_none(), "it is not ours any more");
        assert!(first.done().await.unwrap().is_lost());
        let until = second.extend(2 * LONG).await.unwrap().unwrap();
        assert!(until > second.until.unwrap());
        assert_eq!(second.done().await.unwrap().status, "done");
        queue.send(&2).await.unwrap();
        let none = Receive::new().lease_kind(Lease::None);
        let gone = queue.receive_with(&none).await.unwrap().remove(0);
        assert!(gone.lease().is_none());
        assert_eq!(gone.done().await.unwrap().status, "done", "it was done when it was handed out");
        assert_eq!(queue.inspect().await.unwrap().messages, 0);
    });
}

#[test]
fn groups_partitions_and_labels_choose() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        for (n, partition, tenant) in [(0, "a", "x"), (1, "a", "y"), (2, "b", "x"), (3, "b", "y")] {
            let message = Message::json(&n).unwrap().partition(partition).label("tenant", tenant);
            queue.send_message(message).await.unwrap();
        }
        let take = async |receive: Receive| {
            let messages = queue.receive_with(&receive.max(10)).await.unwrap();
            messages.iter().map(|m| m.decode::<u32>().unwrap()).collect::<Vec<_>>()
        };
        let audit = || Receive::new().group("audit").from(From::All);
        assert_eq!(take(audit().label("tenant", "y")).await, [1, 3]);
        assert_eq!(take(audit().partition("b")).await, [2]);
        assert_eq!(take(Receive::new().group("late").from(From::New)).await, [0_u32; 0]);
        let whole = take(Receive::new().partitions(1)).await;
        assert_eq!(whole, [0, 1]);
        assert_eq!(take(Receive::new()).await, [2, 3], "the other partition is somebody's");
    });
}

#[test]
fn a_subscription_brings_no_more_than_its_credit_and_gives_back_what_was_not_taken() {
    run(async {
        let server = Server::start(&[]);
        let (queue, other) = (jobs(&server).await, jobs(&server).await);
        for n in 0..10 {
            queue.send(&n).await.unwrap();
        }
        let mut subscription = queue.subscribe(3, Receive::new()).await.unwrap();
        let first = within("a push", subscription.next()).await.unwrap().unwrap();
        assert_eq!(first.body.text(), Some("0"));
        let leased = async || other.inspect().await.unwrap().group(None).unwrap().counts.leased;
        assert_eq!(leased().await, 3);
        first.done().await.unwrap();
        let second = within("a push", subscription.next()).await.unwrap().unwrap();
        assert_eq!((second.body.text(), leased().await), (Some("1"), 3));
        subscription.credit(1).await.unwrap();
        second.done().await.unwrap();
        assert_eq!(leased().await, 2, "the credit is used up by the two that are here");
        drop(subscription);
        let all_back = async { while leased().await > 0 {} };
        within("what was not taken", all_back).await;
        let again = other.receive_with(&Receive::new().max(20)).await.unwrap();
        let order: Vec<u32> = again.iter().map(|message| message.decode().unwrap()).collect();
        assert_eq!(order, (2..10).collect::<Vec<_>>());
    });
}

#[test]
fn a_subscription_ends_with_its_reason() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        let mut asked = queue.subscribe(1, Receive::new()).await.unwrap();
        asked.end();
        assert!(within("the end", asked.next()).await.is_none());
        let mut closed = queue.subscribe(1, Receive::new()).await.unwrap();
        queue.inspect().await.unwrap();
        queue.close().await.unwrap();
        let error = within("the end", closed.next()).await.unwrap().unwrap_err();
        assert_eq!(error.code(), "queue_closed");
        assert!(closed.next().await.is_none());
        let none = Receive::new().lease_kind(Lease::None);
        assert_eq!(queue.subscribe(1, none).await.unwrap_err().code(), "invalid");
    });
}

#[test]
fn a_watch_tells_what_happens() {
    run(async {
        let server = Server::start(&[]);
        let client = join(&server).await;
        let (queue, other) = (client.queue("jobs"), client.queue("other"));
        queue.open(Settings::new()).await.unwrap();
        let mut one = queue.watch().await.unwrap();
        let mut all = client.watch().await.unwrap();
        other.send(&0).await.unwrap();
        queue.send(&1).await.unwrap();
        queue.receive().await.unwrap().done().await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            match within("an event", one.next()).await.unwrap() {
                WatchItem::Event(event) => seen.push((event.event, event.message)),
                WatchItem::Missed(count) => panic!("{count} missed"),
            }
        }
        let first = |event: &str| (event.to_owned(), Some("0-0".to_owned()));
        assert_eq!(seen, [first("sent"), first("delivered"), first("done")]);
        let Some(WatchItem::Event(event)) = within("an event", all.next()).await else { panic!() };
        assert_eq!((event.queue.as_str(), event.event.as_str()), ("other", "opened"));
        assert!(event.at.0 > 0);
    });
}

#[test]
fn a_watch_that_is_not_read_says_how_many_events_it_lost() {
    run(async {
        let server = Server::start(&[]);
        let (queue, other) = (jobs(&server).await, jobs(&server).await);
        queue.open(Settings::new()).await.unwrap();
        let mut watch = queue.watch().await.unwrap();
        let batch: Vec<_> = (0..1000).map(|n| Message::json(&n).unwrap()).collect();
        for _ in 0..5 {
            other.send_batch(&batch).await.unwrap();
        }
        // All have come, and most were not kept.
        queue.inspect().await.unwrap();
        let (mut events, mut missed) = (0, 0);
        while events + missed < 5000 {
            match within("an event", watch.next()).await.unwrap() {
                WatchItem::Event(_) => events += 1,
                WatchItem::Missed(count) => missed += count,
            }
        }
        assert_eq!(events + missed, 5000, "one for each message");
        assert!(missed > 3000, "{missed}");
    });
}

#[test]
fn participants_see_and_hear_each_other() {
    run(async {
        let server = Server::start(&[]);
        let (ann, bob) = (join(&server).await, join(&server).await);
        let mut heard = bob.notices();
        bob.messaging(true).await.unwrap();
        ann.messaging(true).await.unwrap();
        ann.message(Some(&bob.hello().participant), "chat", &json!({"hi": 1})).await.unwrap();
        let message = async {
            loop {
                if let Notice::Message { from, r#type, message } = heard.recv().await.unwrap() {
                    return (from, r#type, message);
                }
            }
        };
        let (from, kind, said) = within("the message", message).await;
        assert_eq!(from, ann.hello().participant);
        assert_eq!((kind.as_str(), said), ("chat", json!({"hi": 1})));
        assert_eq!(ann.participants().await.unwrap().len(), 2);
    });
}

#[test]
fn a_subscription_is_a_stream() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        for n in 0..3 {
            queue.send(&n).await.unwrap();
        }
        let stream = queue.subscribe(3, Receive::new()).await.unwrap();
        let bodies = stream.take(3).map(|message| message.unwrap().decode::<u32>().unwrap());
        assert_eq!(within("three", bodies.collect::<Vec<_>>()).await, [0, 1, 2]);
    });
}
