//! Rooms and queues as actors, without sockets: what waits for the store, what a failed store does.

use std::sync::{Arc, Mutex};

use anteroom::{
    actor::{Session, SessionTimes},
    auth::{Claims, Grants, Identity},
    clock::ManualClock,
    error::{Error, ErrorCode},
    service::{
        Command, Delivered, Durability, Happened, LeaseId, Link, NewMessage, Operation, Outcome,
        Outlet, Park, Permit, QueueOutcome, Reply, Request, Rules, Seat, Service, SettingsPatch,
        Take, ToSession, Transaction, TransactionPart, Verdict,
    },
    store::{Done, MemoryStore},
    types::{Limits, Millis, Payload, QueueName, RequestId},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::within;

struct Collect {
    items: UnboundedSender<ToSession>,
    cut: Arc<Mutex<bool>>,
}

impl Outlet for Collect {
    fn send(&self, items: Vec<ToSession>) {
        items.into_iter().for_each(|item| drop(self.items.send(item)));
    }

    fn cut(&self) {
        *self.cut.lock().unwrap() = true;
    }
}

/// A participant without a socket.
struct Member {
    seat: Seat,
    items: UnboundedReceiver<ToSession>,
}

impl Member {
    fn enter(service: &Service) -> Self {
        let seat = service.enter(identity()).unwrap();
        let (sender, items) = unbounded_channel();
        let outlet = Collect { items: sender, cut: Arc::default() };
        seat.join(Arc::new(Link::new(seat.session(), Box::new(outlet), 1 << 20)));
        Self { seat, items }
    }

    fn ask(&self, id: u64, operation: Operation) {
        let permit = Permit::InFlight;
        let refused = self.seat.submit(vec![Request { id: RequestId(id), permit, operation }]);
        assert!(refused.is_empty());
    }

    async fn reply(&mut self) -> (u64, Result<Outcome, Error>) {
        match within("a reply", self.items.recv()).await {
            Some(ToSession::Reply(Reply { id, result, .. })) => (id.0, result),
            other => panic!("{other:?}"),
        }
    }

    async fn event(&mut self) -> Happened {
        match within("an event", self.items.recv()).await {
            Some(ToSession::Event { event, .. }) => event.what,
            other => panic!("{other:?}"),
        }
    }

    /// Lets the actors work; nothing must come of it.
    async fn expect_nothing(&mut self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert!(self.items.try_recv().is_err(), "a reply left before its record was durable");
    }
}

fn identity() -> Identity {
    let claims = Claims::full_access("m".parse().unwrap(), "r".parse().unwrap());
    let (name, role, room) = (claims.name, claims.role, claims.room);
    Identity { name, role, room, grants: Grants::full(), expires_at: None }
}

fn queue() -> QueueName {
    "q".parse().unwrap()
}

fn ask(command: Command) -> Operation {
    Operation::Queue { queue: queue(), create: true.into(), command }
}

fn send(text: &'static str) -> Operation {
    Operation::send(queue(), NewMessage::from(Payload::from(text)), true.into())
}

/// A message to each of two queues.
fn both(first: &'static str, second: &'static str) -> Operation {
    let sends = |text| vec![NewMessage::from(Payload::from(text))];
    let part = |queue, text| {
        let transaction = Transaction { sends: sends(text), ..Transaction::default() };
        TransactionPart { queue, transaction, founding: None }
    };
    let other = "other".parse().unwrap();
    Operation::Transact { parts: vec![part(queue(), first), part(other, second)] }
}

fn receive(wait: bool) -> Operation {
    let park = if wait { Park::Until(None) } else { Park::No };
    ask(Command::Take(Box::new(Take::one(park))))
}

/// The request with this id was a send, and its message is in the queue.
#[track_caller]
fn assert_sent((id, result): (u64, Result<Outcome, Error>), expected: u64) {
    assert_eq!(id, expected);
    match result {
        Ok(Outcome::Queue { queue: of, outcome: QueueOutcome::Sent(receipt) }) => {
            assert_eq!((of, receipt.duplicate), (queue(), false));
        }
        other => panic!("{other:?}"),
    }
}

/// The request with this id was a take, and this is its one message.
#[track_caller]
fn delivered((id, result): (u64, Result<Outcome, Error>), expected: u64) -> Delivered {
    assert_eq!(id, expected);
    match result {
        Ok(Outcome::Queue { outcome: QueueOutcome::Delivered(messages), .. }) => {
            let [delivered] = <[Delivered; 1]>::try_from(messages).unwrap();
            delivered
        }
        other => panic!("{other:?}"),
    }
}

fn service(store: &Arc<MemoryStore>) -> Service {
    let store = Arc::clone(store);
    Service::new(Rules::default(), store, Arc::new(ManualClock::default()))
}

fn in_system<F: Future>(test: F) -> F::Output {
    actix_web::rt::System::new().block_on(test)
}

#[test]
fn a_reply_waits_for_its_record_and_a_refusal_for_its_reason() {
    in_system(async {
        let store = Arc::new(MemoryStore::keeping());
        let service = service(&store);
        let mut member = Member::enter(&service);
        store.stall();
        member.ask(1, send("1"));
        member.ask(2, ask(Command::Open { settings: None, idempotent: false }));
        member.expect_nothing().await;
        store.resume();
        assert_sent(member.reply().await, 1);
        let (id, refused) = member.reply().await;
        assert_eq!((id, refused.unwrap_err().code), (2, ErrorCode::QueueExists));
    });
}

#[test]
fn nothing_is_delivered_that_a_power_cut_could_undo() {
    in_system(async {
        let store = Arc::new(MemoryStore::keeping());
        let service = service(&store);
        let mut sender = Member::enter(&service);
        let mut receiver = Member::enter(&service);
        receiver.ask(1, receive(true));
        receiver.expect_nothing().await;
        store.stall();
        sender.ask(1, send("1"));
        receiver.expect_nothing().await;
        store.resume();
        delivered(receiver.reply().await, 1);
        assert_sent(sender.reply().await, 1);
    });
}

#[test]
fn a_new_group_delivers_when_it_is_durable() {
    in_system(async {
        let store = Arc::new(MemoryStore::keeping());
        let service = service(&store);
        let mut member = Member::enter(&service);
        member.ask(1, send("1"));
        assert_sent(member.reply().await, 1);
        store.stall();
        let take = Take { group: Some("late".parse().unwrap()), ..Take::one(Park::No) };
        member.ask(2, ask(Command::Take(Box::new(take))));
        member.expect_nothing().await;
        store.resume();
        delivered(member.reply().await, 2);
    });
}

#[test]
fn a_relaxed_queue_answers_and_delivers_at_once() {
    in_system(async {
        let store = Arc::new(MemoryStore::keeping());
        let service = service(&store);
        let mut member = Member::enter(&service);
        let set = |durability| {
            let settings =
                SettingsPatch { durability: Some(durability), ..SettingsPatch::default() };
            ask(Command::Configure { settings: Box::new(settings), replace: false })
        };
        member.ask(1, set(Durability::Relaxed));
        member.reply().await.1.unwrap();
        store.stall();
        member.ask(2, send("1"));
        assert_sent(member.reply().await, 2);
        member.ask(3, receive(false));
        assert_eq!(delivered(member.reply().await, 3).message.body, Payload::from("1"));
        // What says that it is durable again rests on all that was not.
        member.ask(4, set(Durability::Durable));
        member.expect_nothing().await;
        store.resume();
        assert_eq!(member.reply().await.0, 4);
    });
}

#[test]
fn what_is_not_durable_yet_is_no_news() {
    in_system(async {
        let store = Arc::new(MemoryStore::keeping());
        let service = service(&store);
        let mut sender = Member::enter(&service);
        let mut watcher = Member::enter(&service);
        sender.ask(1, send("1"));
        assert_sent(sender.reply().await, 1);
        watcher.ask(1, Operation::Watch { queue: Some(queue()) });
        assert_eq!(watcher.reply().await, (1, Ok(Outcome::Done)));
        store.stall();
        sender.ask(2, send("2"));
        watcher.expect_nothing().await;
        store.resume();
        assert_eq!(watcher.event().await, Happened::Sent);
        assert_sent(sender.reply().await, 2);
        store.stall();
        sender.ask(3, send("3"));
        watcher.expect_nothing().await;
        store.fail();
        assert_eq!(sender.reply().await.1.unwrap_err().code, ErrorCode::StoreFailed);
        watcher.expect_nothing().await;
    });
}

#[test]
fn a_transaction_of_several_queues_is_one_entry_and_waits_for_it() {
    in_system(async {
        let store = Arc::new(MemoryStore::keeping());
        let before = service(&store);
        let mut member = Member::enter(&before);
        store.stall();
        member.ask(1, both("1", "2"));
        // Later requests of the same session wait for it, and see it done.
        member.ask(2, receive(false));
        member.expect_nothing().await;
        store.resume();
        let (id, done) = member.reply().await;
        let Ok(Outcome::Transacted { parts }) = done else { panic!("{done:?}") };
        assert_eq!((id, parts.len()), (1, 2));
        assert_eq!(delivered(member.reply().await, 2).message.body, Payload::from("1"));

        let after = service(&store); // The same records, as after a crash.
        let mut member = Member::enter(&after);
        for (name, text) in [("q", "1"), ("other", "2")] {
            let take = Command::Take(Box::new(Take::one(Park::No)));
            let queue = name.parse().unwrap();
            member.ask(1, Operation::Queue { queue, create: true.into(), command: take });
            assert_eq!(delivered(member.reply().await, 1).message.body, Payload::from(text));
        }
        store.stall();
        member.ask(2, both("3", "4"));
        member.expect_nothing().await;
        store.fail();
        let (id, refused) = member.reply().await;
        assert_eq!((id, refused.unwrap_err().code), (2, ErrorCode::StoreFailed));
        member.ask(3, both("5", "6"));
        assert_eq!(member.reply().await.1.unwrap_err().code, ErrorCode::StoreFailed);
    });
}

#[test]
fn a_part_that_cannot_be_done_leaves_all_others_undone() {
    in_system(async {
        let store = Arc::new(MemoryStore::keeping());
        let service = service(&store);
        let mut member = Member::enter(&service);
        member.ask(1, send("1"));
        assert_sent(member.reply().await, 1);
        member.ask(2, receive(false));
        let lease = delivered(member.reply().await, 2).lease.unwrap();
        let settles = vec![(lease, Verdict::Done { result: None })];
        let part = |queue, sends: &[&'static str], settles: &[(LeaseId, Verdict)]| {
            let sends = sends.iter().map(|text| NewMessage::from(Payload::from(*text))).collect();
            let settles = settles.to_vec();
            let transaction = Transaction { settles, sends, ..Transaction::default() };
            TransactionPart { queue, transaction, founding: None }
        };
        let other: QueueName = "other".parse().unwrap();
        let parts = vec![part(queue(), &[], &settles), part(other.clone(), &["2"], &[])];
        member.ask(3, Operation::Transact { parts: parts.clone() });
        assert!(member.reply().await.1.is_ok());
        // The lease is used up: nothing is sent either.
        member.ask(4, Operation::Transact { parts });
        assert_eq!(member.reply().await.1.unwrap_err().code, ErrorCode::LeaseLost);
        member.ask(
            5,
            Operation::Queue { queue: other, create: false.into(), command: Command::Inspect },
        );
        let (_, inspected) = member.reply().await;
        let Ok(Outcome::Queue { outcome: QueueOutcome::Inspected(view), .. }) = inspected else {
            panic!("{inspected:?}")
        };
        assert_eq!(view.messages, 1, "{view:?}");
    });
}

#[test]
fn what_was_held_for_a_session_that_left_goes_to_the_next() {
    in_system(async {
        let store = Arc::new(MemoryStore::keeping());
        let service = service(&store);
        let mut sender = Member::enter(&service);
        let mut first = Member::enter(&service);
        first.ask(1, receive(true));
        first.expect_nothing().await;
        let mut second = Member::enter(&service);
        second.ask(7, receive(true));
        second.expect_nothing().await;
        store.stall();
        sender.ask(1, send("1"));
        sender.expect_nothing().await;
        drop(first); // The message is leased to it, and the delivery is held.
        second.expect_nothing().await;
        store.resume();
        delivered(second.reply().await, 7);
    });
}

#[test]
fn a_failed_store_is_never_acknowledged_and_stops_the_queue() {
    in_system(async {
        let store = Arc::new(MemoryStore::keeping());
        let service = service(&store);
        let mut member = Member::enter(&service);
        member.ask(1, send("1"));
        assert_sent(member.reply().await, 1);
        store.stall();
        member.ask(2, send("2"));
        member.expect_nothing().await;
        store.fail();
        for id in [2, 3] {
            let (replied, result) = member.reply().await;
            assert_eq!((replied, result.unwrap_err().code), (id, ErrorCode::StoreFailed));
            member.ask(id + 1, receive(true));
        }
        assert!(service.quiesce().await.is_err());
    });
}

#[test]
fn quiesce_waits_for_what_is_not_durable_yet() {
    in_system(async {
        let store = Arc::new(MemoryStore::keeping());
        let service = service(&store);
        let mut member = Member::enter(&service);
        store.stall();
        member.ask(1, send("1"));
        let waiting = service.clone();
        let quiesced = actix_web::rt::spawn(async move { waiting.quiesce().await });
        member.expect_nothing().await;
        assert!(!quiesced.is_finished());
        store.resume();
        assert_eq!(within("the rooms to come to rest", quiesced).await.unwrap(), Ok(()));
    });
}

#[test]
fn a_queue_comes_back_from_its_records() {
    in_system(async {
        let store = Arc::new(MemoryStore::keeping());
        let before = service(&store);
        let mut member = Member::enter(&before);
        for (id, text) in [(1, "1"), (2, "2"), (3, "3")] {
            member.ask(id, send(text));
            assert!(member.reply().await.1.is_ok());
        }
        member.ask(4, receive(false));
        let lease = delivered(member.reply().await, 4).lease.unwrap();
        let items = vec![(lease, Verdict::Done { result: None })];
        member.ask(5, ask(Command::Settle { items }));
        assert!(member.reply().await.1.is_ok());
        member.ask(6, receive(false)); // Leased and never settled.
        assert!(member.reply().await.1.is_ok());

        let after = service(&store); // The same records, as after a crash.
        let mut member = Member::enter(&after);
        for text in ["2", "3"] {
            member.ask(1, receive(false));
            let message = delivered(member.reply().await, 1).message;
            assert_eq!(message.body, Payload::from(text));
        }
    });
}

#[test]
fn a_session_is_not_read_while_its_requests_are_unanswered() {
    in_system(async {
        let store = Arc::new(MemoryStore::keeping());
        let limits = Limits { requests_in_flight: 2, ..Limits::default() };
        let clock = Arc::new(ManualClock::default());
        let service =
            Service::new(Rules { limits, ..Rules::default() }, Arc::clone(&store) as _, clock);
        let seat = service.enter(identity()).unwrap();
        let (sender, mut items) = unbounded_channel();
        let outlet = Collect { items: sender, cut: Arc::default() };
        let link = Arc::new(Link::new(seat.session(), Box::new(outlet), 1 << 20));
        let times = SessionTimes {
            ping_interval: Millis(1000),
            pong_timeout: Millis(1000),
            receipt_timeout: Millis(1000),
        };
        let mut session = Session::begin(seat, link, times, Millis(0), true);
        session.request(RequestId(1), send("1"));
        session.request(RequestId(2), receive(true)); // Parked: not in flight.
        assert!(session.is_ready());
        session.tell(RequestId(3), send("2"));
        assert!(!session.is_ready(), "at the limit");
        session.submit();
        for _ in 0..3 {
            let item = within("a reply", items.recv()).await.unwrap();
            session.arrived(vec![item]);
        }
        assert!(!session.is_ready(), "what has arrived is not written yet");
        while session.next_outgoing().is_some() {}
        assert!(session.is_ready());
    });
}

#[test]
fn a_queue_is_saved_as_a_whole_though_more_comes_than_can_be_saved() {
    in_system(async {
        let (saves, mut saved) = unbounded_channel();
        let mut under_way: Option<Done> = None;
        let store = MemoryStore::saving(move |save, done| {
            assert!(saves.send((save.image.is_some(), done)).is_ok());
        });
        let rules = Rules {
            limits: Limits { requests_in_flight: 10_000, ..Limits::default() },
            ..Rules::default()
        };
        let service = Service::new(rules, Arc::new(store), Arc::new(ManualClock::default()));
        let mut member = Member::enter(&service);
        for piece in 0.. {
            // More than two blocks, before the piece that is with the store is saved.
            let permit = Permit::InFlight;
            let request = |id| Request { id: RequestId(id), permit, operation: send("1") };
            assert!(member.seat.submit((0..2500).map(request).collect()).is_empty());
            for _ in 0..2500 {
                assert!(member.reply().await.1.is_ok());
            }
            if piece == 0 {
                service.look_after_store();
            } else if let Some(done) = under_way.take() {
                done(Ok(()));
            }
            let (is_image, done) = within("a piece", saved.recv()).await.unwrap();
            if is_image {
                assert!(piece > 0, "blocks go ahead");
                break;
            }
            under_way = Some(done);
            assert!(piece < 10, "there is no end to it");
        }
    });
}
