//! Handlers: what they return settles their message, and while they run it stays theirs.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anteroom::client::{Backoff, Consume, Handled, Message, Receive, Settings, State};
use serde_json::{Value, json};

use super::{LONG, jobs};
use crate::support::{Server, run, within};

/// Settings with which a failed message comes back at once.
fn eager() -> Settings {
    Settings::new().backoff(Backoff::fixed(Duration::ZERO)).retain_settled(LONG)
}

#[test]
fn what_a_handler_returns_settles_its_message() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        queue.configure(eager().attempts_max(3)).await.unwrap();
        for what in ["done", "fails", "dead", "panics"] {
            queue.send(&what).await.unwrap();
        }
        let consumer = queue
            .consume(Consume::new().limit(8), |job| async move {
                match job.decode::<String>().unwrap().as_str() {
                    "done" => Ok(Handled::from(json!({"attempt": job.attempt}))),
                    "dead" => Ok(Handled::dead("for good")),
                    "panics" => panic!("as it must"),
                    other => Err(format!("it {other}")),
                }
            })
            .await;
        let mut consumer = consumer.unwrap();
        within("all of them", consumer.wait()).await.unwrap();
        let view = async |id: &str| {
            let view = queue.find(id, None).await.unwrap();
            (view.state, view.attempts, view.reason.unwrap_or_default())
        };
        assert_eq!(view("0-0").await.0, State::Done);
        assert_eq!(view("0-1").await, (State::Dead, 3, "it fails".to_owned()));
        assert_eq!(view("0-2").await, (State::Dead, 1, "for good".to_owned()));
        assert_eq!(view("0-3").await, (State::Dead, 3, "the handler panicked".to_owned()));
        let result = queue.find("0-0", None).await.unwrap().result.unwrap();
        assert_eq!(result.text(), Some(r#"{"attempt":1}"#));
        assert_eq!(queue.inspect().await.unwrap().totals.delivered, 8);
    });
}

#[test]
fn a_job_that_is_longer_than_its_lease_is_delivered_once() {
    run(async {
        let server = Server::start(&[]);
        let (queue, other) = (jobs(&server).await, jobs(&server).await);
        queue.send(&1).await.unwrap();
        let options = Consume::new().lease(Duration::from_millis(300)).limit(1);
        let (begun, mut begins) = tokio::sync::mpsc::channel(10);
        let handler = move |_| {
            let begun = begun.clone();
            async move {
                begun.send(()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1500)).await;
                Ok::<_, String>(())
            }
        };
        let mut consumer = queue.consume(options, handler).await.unwrap();
        within("the job", begins.recv()).await.unwrap();
        // Somebody who would take it at once if its lease ended.
        let rival = tokio::spawn(async move { other.receive().await });
        within("the job", consumer.wait()).await.unwrap();
        let totals = queue.inspect().await.unwrap().totals;
        assert_eq!((totals.delivered, totals.done, totals.leases_expired), (1, 1, 0));
        assert!(!rival.is_finished());
        rival.abort();
    });
}

#[test]
fn no_more_handlers_run_than_may_and_no_more_messages_come_than_may() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        let batch: Vec<_> = (0..50).map(|n| Message::json(&n).unwrap()).collect();
        queue.send_batch(&batch).await.unwrap();
        for (concurrency, prefetch, limit) in [(4, 0, 10), (1, 5, 3), (8, 8, 2), (3, 20, 15)] {
            let before = queue.inspect().await.unwrap().totals;
            let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let handler = {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                move |_| {
                    let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                    async move {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        now.fetch_sub(1, Ordering::SeqCst);
                        Ok::<_, String>(())
                    }
                }
            };
            let options = Consume::new().concurrency(concurrency).prefetch(prefetch).limit(limit);
            let mut consumer = queue.consume(options, handler).await.unwrap();
            within("the limit", consumer.wait()).await.unwrap();
            assert!(most.load(Ordering::SeqCst) <= concurrency, "{concurrency}");
            let after = queue.inspect().await.unwrap().totals;
            assert_eq!(after.done - before.done, limit);
            assert_eq!(after.delivered - before.delivered, limit, "{concurrency} {prefetch}");
        }
    });
}

#[test]
fn stop_lets_handlers_end_and_gives_the_rest_back() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        for n in 0..6 {
            queue.send(&n).await.unwrap();
        }
        let (begun, mut begins) = tokio::sync::mpsc::channel(10);
        let handler = move |_| {
            let begun = begun.clone();
            async move {
                begun.send(()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(300)).await;
                Ok::<_, String>(())
            }
        };
        let consumer = queue.consume(Consume::new().prefetch(3), handler).await.unwrap();
        within("the first", begins.recv()).await.unwrap();
        within("the end", consumer.stop()).await.unwrap();
        let inspection = queue.inspect().await.unwrap();
        let counts = inspection.group(None).unwrap().counts;
        assert_eq!((inspection.totals.done, counts.ready, counts.leased), (1, 5, 0));
        assert_eq!(inspection.totals.retried, 0);
    });
}

#[test]
fn handlers_that_outlive_the_grace_are_ended_and_their_messages_given_back() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        queue.send(&1).await.unwrap();
        let (begun, mut begins) = tokio::sync::mpsc::channel(1);
        let handler = move |_| {
            let begun = begun.clone();
            async move {
                begun.send(()).await.unwrap();
                std::future::pending::<()>().await;
                Ok::<_, String>(())
            }
        };
        let options = Consume::new().grace(Duration::from_millis(50)).lease(10 * LONG);
        let consumer = queue.consume(options, handler).await.unwrap();
        within("the first", begins.recv()).await.unwrap();
        within("the end", consumer.stop()).await.unwrap();
        let again = within("it to come back", queue.receive()).await.unwrap();
        assert_eq!((again.attempt, again.id.as_str()), (2, "0-0"));
    });
}

#[test]
fn a_consumer_of_one_keeps_the_order_and_one_of_a_group_its_share() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        let batch: Vec<_> = (0..500).map(|n| Message::json(&n).unwrap()).collect();
        queue.open_group("audit", None).await.unwrap();
        queue.send_batch(&batch).await.unwrap();
        for receive in [Receive::new(), Receive::new().group("audit")] {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let handler = {
                let seen = Arc::clone(&seen);
                move |job: Arc<anteroom::client::Received>| {
                    seen.lock().unwrap().push(job.decode::<u32>().unwrap());
                    async { Ok::<Value, String>(Value::Null) }
                }
            };
            let options = Consume::new().prefetch(50).limit(500).receive(receive);
            let mut consumer = queue.consume(options, handler).await.unwrap();
            within("all", consumer.wait()).await.unwrap();
            assert_eq!(*seen.lock().unwrap(), (0..500).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_consumer_ends_with_its_queue() {
    run(async {
        let server = Server::start(&[]);
        let queue = jobs(&server).await;
        queue.open(Settings::new()).await.unwrap();
        let handler = |_| async { Ok::<_, String>(()) };
        let mut consumer = queue.consume(Consume::new(), handler).await.unwrap();
        queue.inspect().await.unwrap();
        queue.delete().await.unwrap();
        let error = within("the end", consumer.wait()).await.unwrap_err();
        assert_eq!(error.code(), "queue_not_found");
    });
}
