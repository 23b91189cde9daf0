//! What holds when connections are cut at any moment, and when the server itself is started anew.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anteroom::client::{
    Client, ConnectionEvent, Consume, Message, Receive, Received, Reconnect, Settings, WatchItem,
};
use tokio::sync::broadcast;

use super::{LONG, jobs, join, proxy::Proxy};
use crate::support::{Server, full, run, within};

async fn through(proxy: &Proxy) -> Client {
    let quick = Reconnect {
        first: Duration::from_millis(5),
        longest: Duration::from_millis(50),
        give_up_after: Some(LONG),
    };
    Client::builder(&proxy.url, "demo", &full("demo")).reconnect(quick).connect().await.unwrap()
}

/// Waits for an event of this kind.
async fn event(
    events: &mut broadcast::Receiver<ConnectionEvent>,
    is_it: impl Fn(&ConnectionEvent) -> bool,
) -> ConnectionEvent {
    let found = async {
        loop {
            let event = events.recv().await.unwrap();
            if is_it(&event) {
                return event;
            }
        }
    };
    within("an event of the connection", found).await
}

const fn is_connected(event: &ConnectionEvent) -> bool {
    matches!(event, ConnectionEvent::Connected { .. })
}

#[test]
fn a_session_goes_on_after_a_cut() {
    run(async {
        let server = Server::start(&[]);
        let proxy = Proxy::start(server.address(), 1).await;
        let client = through(&proxy).await;
        let queue = client.queue("jobs");
        queue.send(&1).await.unwrap();
        let message = queue.receive().await.unwrap();
        let (session, mut events) = (client.hello().session, client.events());
        proxy.cut();
        let back = event(&mut events, is_connected).await;
        assert_eq!(back, ConnectionEvent::Connected { session, is_resumed: true });
        // The lease is still ours, though it is bound to the session.
        assert_eq!(message.done().await.unwrap().status, "done");
        // A call that waits notices nothing.
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.receive().await.unwrap() }
        });
        while queue.inspect().await.unwrap().group(None).unwrap().receivers == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        proxy.cut();
        event(&mut events, is_connected).await;
        jobs(&server).await.send(&2).await.unwrap();
        let message = within("the receive", waiting).await.unwrap();
        assert_eq!((message.body.text(), message.attempt), (Some("2"), 1));
        assert_eq!(proxy.connections(), 3);
    });
}

/// The whole promise at once: connections of sender and worker are cut in the middle of frames, dozens of
/// times. Every message is there once, in the order of sending, is delivered once and settled once.
#[test]
fn nothing_is_lost_repeated_or_reordered_by_cuts() {
    const MESSAGES: u32 = 600;
    for seed in [7, 99] {
        run(async {
            let server = Server::start(&[]);
            let (to, from) = (
                Proxy::start(server.address(), seed).await,
                Proxy::start(server.address(), seed + 1).await,
            );
            let (sender, worker) = (through(&to).await, through(&from).await);
            let seen = Arc::new(Mutex::new(Vec::new()));
            let handler = {
                let seen = Arc::clone(&seen);
                move |job: Arc<Received>| {
                    seen.lock().unwrap().push((job.decode::<u32>().unwrap(), job.attempt));
                    async { Ok::<_, String>(()) }
                }
            };
            to.cut_after(6000);
            from.cut_after(6000);
            to.cut();
            from.cut();
            let options = Consume::new().prefetch(20).limit(MESSAGES.into());
            let mut consumer = worker.queue("jobs").consume(options, handler).await.unwrap();
            // Several calls under way at any moment, in order.
            let queue = sender.queue("jobs");
            let sends = (0..MESSAGES).map(|n| {
                let queue = queue.clone();
                async move { queue.send_message(Message::json(&n).unwrap()).await.unwrap() }
            });
            let receipts: Vec<_> = futures_util::StreamExt::collect(
                futures_util::StreamExt::buffered(futures_util::stream::iter(sends), 16),
            )
            .await;
            for (n, receipt) in receipts.iter().enumerate() {
                assert_eq!((receipt.id.as_str(), receipt.duplicate), (&*format!("0-{n}"), false));
            }
            within("the worker", consumer.wait()).await.unwrap();
            let expected: Vec<_> = (0..MESSAGES).map(|n| (n, 1)).collect();
            assert_eq!(*seen.lock().unwrap(), expected);
            let totals = jobs(&server).await.inspect().await.unwrap().totals;
            let all = u64::from(MESSAGES);
            assert_eq!(
                (totals.sent, totals.delivered, totals.done),
                (all, all, all),
                "seed {seed}"
            );
            assert_eq!((totals.duplicates, totals.released, totals.leases_expired), (0, 0, 0));
            let cuts = (to.connections(), from.connections());
            assert!(cuts.0 > 10 && cuts.1 > 10, "too few cuts to say anything: {cuts:?}");
        });
    }
}

/// Without resuming, a cut loses the session: what was under way fails and says so, and what was handed out
/// comes back. With a key nothing is there twice.
#[test]
fn without_resuming_a_cut_loses_no_message_either() {
    run(async {
        let server = Server::start(&["ANTEROOM_RESUME_TIMEOUT=0s"]);
        let proxy = Proxy::start(server.address(), 3).await;
        let client = Client::builder(&proxy.url, "demo", &full("demo"))
            .resume(false)
            .connect()
            .await
            .unwrap();
        let queue = client.queue("jobs");
        proxy.cut_after(4000);
        proxy.cut();
        let mut failed = 0;
        for n in 0..300 {
            let message = Message::json(&n).unwrap().key(format!("k{n}"));
            while let Err(error) = queue.send_message(message.clone()).await {
                assert_eq!(error.code(), "connection_closed");
                assert!(error.to_string().contains("the session is lost"), "{error}");
                assert!(error.may_have_happened() && error.is_retryable());
                failed += 1;
            }
        }
        assert!(failed > 5, "too few cuts to say anything: {failed}");
        proxy.cut_after(0);
        let mut events = client.events();
        proxy.cut();
        event(&mut events, is_connected).await;
        let mut next = 0_u32;
        while next < 300 {
            let Some(message) = queue.try_receive().await.unwrap() else { break };
            assert_eq!(message.decode::<u32>().unwrap(), next);
            if next % 100 == 50 && message.attempt == 1 {
                // It is lost on the way, and comes back to its old place.
                proxy.cut();
                event(&mut events, is_connected).await;
                assert!(message.done().await.unwrap().is_lost());
                // Its session ends when the server has seen that the connection did.
                while queue.inspect().await.unwrap().group(None).unwrap().counts.leased > 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                continue;
            }
            message.done().await.unwrap();
            next += 1;
        }
        assert_eq!(next, 300);
        assert_eq!(queue.inspect().await.unwrap().messages, 0);
    });
}

#[test]
fn a_server_that_is_started_anew_without_a_store_has_lost_the_session_and_the_client_says_so() {
    run(async {
        let first = Server::start(&[]);
        let proxy = Proxy::start(first.address(), 1).await;
        let client = through(&proxy).await;
        let queue = client.queue("jobs");
        let (session, mut events) = (client.hello().session, client.events());
        queue.configure(Settings::new()).await.unwrap();
        queue.send(&1).await.unwrap();
        let old = queue.receive().await.unwrap();
        let mut subscription = client.queue("more").subscribe(5, Receive::new()).await.unwrap();
        client.queue("more").inspect().await.unwrap();
        let mut watch = client.queue("more").watch().await.unwrap();
        let waiting = tokio::spawn({
            let queue = client.queue("other");
            async move { queue.receive().await }
        });
        client.queue("other").inspect().await.ok();
        let second = Server::start(&[]);
        proxy.lead_to(second.address());
        drop(first);
        let lost =
            event(&mut events, |event| matches!(event, ConnectionEvent::SessionLost { .. })).await;
        let ConnectionEvent::SessionLost { reason, failed } = lost else { panic!() };
        assert!(reason.contains("no such session"), "{reason}");
        assert_eq!(failed, 0, "no call that changes something was under way");
        let back = event(&mut events, is_connected).await;
        let ConnectionEvent::Connected { session: new, is_resumed } = back else { panic!() };
        assert!(!is_resumed && new != session);
        // What was handed out by the old one cannot be settled.
        assert_eq!(old.done().await.unwrap_err().code(), "queue_not_found");
        // What waited, waits again.
        let other = join(&second).await;
        other.queue("other").send(&"new").await.unwrap();
        let message = within("the receive", waiting).await.unwrap().unwrap();
        assert_eq!(message.body.text(), Some("\"new\""));
        other.queue("more").send(&"pushed").await.unwrap();
        let pushed = within("a push", subscription.next()).await.unwrap().unwrap();
        assert_eq!(pushed.body.text(), Some("\"pushed\""));
        let Some(WatchItem::Event(seen)) = within("an event", watch.next()).await else { panic!() };
        assert_eq!(seen.queue, "more");
    });
}

#[test]
fn a_call_that_was_under_way_when_the_server_died_says_that_it_may_have_happened() {
    run(async {
        let mut server = Server::start(&[]);
        let proxy = Proxy::start(server.address(), 1).await;
        let client = through(&proxy).await;
        client.queue("jobs").send(&1).await.unwrap();
        // A server that reads and does not answer.
        server.pause();
        let call = tokio::spawn({
            let queue = client.queue("jobs");
            async move { queue.send(&2).await }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let second = Server::start(&[]);
        proxy.lead_to(second.address());
        server.signal("KILL");
        server.wait();
        let error = within("the call", call).await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.may_have_happened()), ("connection_closed", true));
        assert!(error.to_string().contains("the session is lost"), "{error}");
        client.queue("jobs").send(&3).await.unwrap();
    });
}

#[test]
fn a_client_that_may_not_come_back_ends() {
    run(async {
        let server = Server::start(&[]);
        let proxy = Proxy::start(server.address(), 1).await;
        let client = Client::builder(&proxy.url, "demo", &full("demo"))
            .no_reconnect()
            .connect()
            .await
            .unwrap();
        proxy.cut();
        let reason = within("the end", client.ended()).await;
        assert!(!reason.is_empty() && !client.is_open());
        assert_eq!(client.list().await.unwrap_err().code(), "connection_closed");

        let short =
            Reconnect { give_up_after: Some(Duration::from_millis(300)), ..Reconnect::default() };
        let client = Client::builder(&proxy.url, "demo", &full("demo"))
            .reconnect(short)
            .connect()
            .await
            .unwrap();
        drop(server);
        within("the end", client.ended()).await;
        assert_eq!(client.queue("jobs").send(&1).await.unwrap_err().code(), "connection_closed");
    });
}

/// A server that stops says when to come back, and clients do.
#[test]
fn a_clean_restart_is_waited_for() {
    run(async {
        let mut first = Server::start(&[]);
        let proxy = Proxy::start(first.address(), 1).await;
        let client = through(&proxy).await;
        let mut events = client.events();
        let second = Server::start(&[]);
        proxy.lead_to(second.address());
        first.signal("TERM");
        assert_eq!(first.wait(), Some(0));
        let gone =
            event(&mut events, |event| matches!(event, ConnectionEvent::Disconnected { .. })).await;
        assert_eq!(
            gone,
            ConnectionEvent::Disconnected { reason: "the server restarts".to_owned() }
        );
        event(&mut events, is_connected).await;
        client.queue("jobs").send(&1).await.unwrap();
        assert_eq!(join(&second).await.list().await.unwrap().len(), 1);
    });
}
