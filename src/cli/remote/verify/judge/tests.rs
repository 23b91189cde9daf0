use super::*;
use crate::cli::remote::verify::ledger::{Sent, Settle};

/// Ten messages, sent one after the other and acknowledged, at 0, 10, 20 …
fn book() -> Book {
    let mut book = Book::default();
    for send in 0..10 {
        let called = send * 10;
        let (answered, id) = (called + 5, Some(format!("0-{send}")));
        book.sends.push(Sent {
            sender: 0,
            queue: 0,
            called,
            answered,
            fate: Fate::Acknowledged,
            id,
        });
    }
    book
}

fn leased(send: usize, attempt: u32, called: u64, answered: u64) -> Receipt {
    let position = format!("0-{send}");
    Receipt {
        send: Some(send),
        queue: 0,
        position,
        receiver: 0,
        called,
        answered,
        attempt,
        is_leased: true,
    }
}

fn auto(send: usize, attempt: u32, called: u64, answered: u64) -> Receipt {
    Receipt { is_leased: false, ..leased(send, attempt, called, answered) }
}

fn found(states: &[(usize, State)]) -> Vec<Found> {
    let all = states.iter().map(|(send, state)| Found {
        send: Some(*send),
        queue: 0,
        position: format!("0-{send}"),
        state: *state,
    });
    all.collect()
}

fn all(state: State) -> Vec<Found> {
    found(&(0..10).map(|send| (send, state)).collect::<Vec<_>>())
}

fn settle(receipt: usize, called: u64, answer: Option<(u64, &str)>) -> Settle {
    let answer = answer.map(|(at, status)| (at, status.to_owned()));
    Settle { receipt, outcome: Outcome::Done, called, answer }
}

/// What is violated, by name and count.
fn violated(book: &Book, found: &[Found]) -> Vec<(&'static str, u64)> {
    let checks = judge(book, found, 1000, Vec::new());
    let wrong = checks.iter().filter(|check| check.violated > 0);
    wrong.map(|check| (check.name, check.violated)).collect()
}

#[test]
fn what_is_as_promised_holds() {
    let mut book = book();
    assert_eq!(violated(&book, &all(State::Ready)), []);
    assert_eq!(violated(&book, &all(State::Dead)), []);
    for send in 0..10 {
        let at = 100 + send as u64;
        book.receipts.push(leased(send, 1, at, at));
        book.settles.push(settle(send, at, Some((at, "done"))));
    }
    assert_eq!(violated(&book, &all(State::Done)), []);
}

#[test]
fn a_lost_message_is_noticed_and_an_unanswered_one_may_be_lost() {
    let mut book = book();
    let left: Vec<_> = all(State::Ready).into_iter().skip(1).collect();
    assert_eq!(violated(&book, &left), [("lost", 1)]);
    book.sends[0].fate = Fate::Unknown;
    assert_eq!(violated(&book, &left), []);
    // That it was taken and given back does not help.
    book.sends[0].fate = Fate::Acknowledged;
    book.receipts.push(leased(0, 1, 200, 210));
    assert_eq!(violated(&book, &left), [("lost", 1)]);
}

#[test]
fn what_was_settled_stays_so() {
    let mut book = book();
    book.receipts.push(leased(0, 1, 200, 210));
    book.settles.push(settle(0, 220, Some((230, "done"))));
    assert_eq!(violated(&book, &all(State::Ready)), [("lost", 1)]);
    book.settles[0] = Settle { outcome: Outcome::Dead, ..settle(0, 220, Some((230, "dead"))) };
    assert_eq!(violated(&book, &all(State::Ready)), [("lost", 1)]);
}

#[test]
fn a_message_that_nobody_received_is_done_only_if_a_receive_broke() {
    let mut book = book();
    let mut states = all(State::Ready);
    states[3].state = State::Done;
    states[4].state = State::Done;
    assert_eq!(violated(&book, &states), [("lost", 2)]);
    let broken = Broken { queue: 0, is_leased: false, called: 0, ended: 300 };
    book.broken.push(broken);
    assert_eq!(violated(&book, &states), [("lost", 1)], "it explains one");
    book.broken.push(Broken { is_leased: true, ..broken });
    book.broken.push(Broken { queue: 1, ..broken });
    book.broken.push(Broken { ended: 20, ..broken });
    assert_eq!(violated(&book, &states), [("lost", 1)], "none of these does");
    book.broken.push(Broken { ended: 35, ..broken });
    assert_eq!(violated(&book, &states), [], "one ended before the later message was sent");
}

#[test]
fn strangers_are_noticed() {
    let mut book = book();
    book.receipts.push(Receipt { send: None, ..leased(0, 1, 200, 210) });
    assert_eq!(violated(&book, &all(State::Ready)), [("strangers", 1)]);
    let mut book = self::book();
    let elsewhere: Vec<_> =
        all(State::Ready).into_iter().map(|one| Found { queue: 1, ..one }).collect();
    assert_eq!(violated(&book, &elsewhere), [("strangers", 10)]);
    book.sends[0].fate = Fate::Refused;
    assert_eq!(violated(&book, &all(State::Ready)), [("strangers", 1)]);
}

#[test]
fn nothing_comes_twice() {
    let on = |breaks: &[u64], first: Receipt, second: Receipt, settles: &[Settle]| {
        let mut book = book();
        book.breaks.extend_from_slice(breaks);
        book.receipts.extend([first, second]);
        book.settles.extend(settles.iter().cloned());
        let checks = judge(&book, &all(State::Done), 1000, Vec::new());
        checks.iter().find(|check| check.name == "twice").unwrap().violated
    };
    let of = |first: Receipt, second: Receipt, settles: &[Settle]| on(&[], first, second, settles);
    let done = settle(0, 220, Some((230, "done")));
    assert_eq!(of(auto(0, 1, 200, 210), auto(0, 2, 300, 310), &[]), 1);
    assert_eq!(of(auto(0, 1, 200, 210), auto(0, 1, 300, 310), &[]), 1);
    assert_eq!(of(leased(0, 1, 200, 210), leased(0, 2, 300, 310), std::slice::from_ref(&done)), 1);
    // A lease holds for a second, unless we wanted it to end.
    assert_eq!(of(leased(0, 1, 200, 210), leased(0, 2, 300, 310), &[]), 1);
    assert_eq!(of(leased(0, 1, 200, 210), leased(0, 2, 300, 1210), &[]), 0);
    let back = settle(0, 220, Some((230, "back")));
    assert_eq!(of(leased(0, 1, 200, 210), leased(0, 2, 300, 310), &[back]), 0);
    // An old lease settles nothing.
    let (late, second) =
        (settle(0, 1300, Some((1310, "done"))), settle(1, 1300, Some((1310, "done"))));
    assert_eq!(of(leased(0, 1, 200, 210), leased(0, 2, 300, 1250), &[late, second]), 2);
    // A lease is not lost before its time, unless an unanswered settle ended it.
    let lost = settle(0, 230, Some((240, "lost")));
    assert_eq!(of(leased(0, 1, 200, 210), auto(1, 1, 300, 310), std::slice::from_ref(&lost)), 1);
    let unsure = settle(0, 220, None);
    assert_eq!(of(leased(0, 1, 200, 210), auto(1, 1, 300, 310), &[unsure, lost]), 0);
    // A server that was started anew has ended the leases, but has forgotten nothing that was over.
    let (first, again) = (leased(0, 1, 200, 210), leased(0, 1, 300, 310));
    assert_eq!(of(first.clone(), again.clone(), &[]), 1);
    assert_eq!(on(&[250], first.clone(), again.clone(), &[]), 0);
    assert_eq!(on(&[190, 320], first.clone(), again.clone(), &[]), 1, "it was not between");
    assert_eq!(on(&[250], first.clone(), again.clone(), &[done]), 1);
    assert_eq!(on(&[250], auto(0, 1, 200, 210), again, &[]), 1);
    let lost = settle(0, 230, Some((260, "lost")));
    assert_eq!(on(&[250], first, auto(1, 1, 300, 310), &[lost]), 0);
    let elsewhere = Receipt { position: "0-77".to_owned(), ..auto(0, 2, 1300, 1310) };
    assert_eq!(of(leased(0, 1, 200, 210), elsewhere, &[]), 1, "stored twice");
}

#[test]
fn first_deliveries_are_in_order() {
    let of = |receipts: &[Receipt], broken: &[Broken]| {
        let mut book = book();
        book.receipts.extend_from_slice(receipts);
        book.broken.extend_from_slice(broken);
        order(&book).violated
    };
    let (early, late) = (leased(1, 1, 200, 210), leased(0, 1, 220, 230));
    assert_eq!(of(&[early.clone(), late.clone()], &[]), 1);
    assert_eq!(of(&[early.clone(), Receipt { called: 205, ..late.clone() }], &[]), 0, "at once");
    assert_eq!(of(&[early.clone(), Receipt { attempt: 2, ..late.clone() }], &[]), 0);
    let broken = Broken { queue: 0, is_leased: true, called: 190, ended: 215 };
    assert_eq!(of(&[early.clone(), late.clone()], &[broken]), 0);
    assert_eq!(of(&[early.clone(), late], &[Broken { queue: 1, ..broken }]), 1);
    // One answer has an order.
    assert_eq!(of(&[early.clone(), leased(0, 1, 200, 210)], &[]), 1);
    assert_eq!(of(&[leased(0, 1, 200, 210), early], &[]), 0);
}

#[test]
fn what_was_late_is_told() {
    let mut book = book();
    book.silent.push("a receive".to_owned());
    let checks = judge(&book, &all(State::Ready), 1000, vec!["not empty".to_owned()]);
    let answers = checks.iter().find(|check| check.name == "answers").unwrap();
    assert_eq!(answers.violations, ["a receive", "not empty"]);
}
