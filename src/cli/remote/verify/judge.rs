//! Whether what was written down agrees with the promises. Pure.
//!
//! Times are of one clock, the checker's own. A call took effect at some moment between its beginning and its answer, so
//! one thing was before another only if it was answered before the other was called for. `attempt` is the server's word for
//! which delivery of a message it is; that each is used once is checked, so deliveries of one message have an order.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::ledger::{Book, Broken, Fate, Receipt};
use crate::client::{Outcome, State};

/// A message that the queue still knows at the end.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) send: Option<usize>,
    pub(super) queue: usize,
    pub(super) position: String,
    pub(super) state: State,
}

/// One promise, and what is against it.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) promise: &'static str,
    /// So many things were looked at.
    pub(super) checked: u64,
    /// What does not hold: the first ones.
    pub(super) violations: Vec<String>,
    /// How many there are.
    pub(super) violated: u64,
}

/// So many are told of each check.
const TOLD_MAX: usize = 20;

impl Check {
    const fn new(name: &'static str, promise: &'static str) -> Self {
        Self { name, promise, checked: 0, violations: Vec::new(), violated: 0 }
    }

    fn wrong(&mut self, text: String) {
        self.violated += 1;
        if self.violations.len() < TOLD_MAX {
            self.violations.push(text);
        }
    }
}

/// Leases may end so much earlier by the server's clock than by ours.
const CLOCK_SLACK_MS: u64 = 20;

/// What is known of one message, gathered.
#[derive(Default)]
struct Story<'a> {
    receipts: Vec<(usize, &'a Receipt)>,
    found: Vec<&'a Found>,
    /// Times at which a settle was answered with this word.
    done: Vec<u64>,
    dead: Vec<u64>,
    /// A settle of it was not answered.
    is_unsure: bool,
}

/// All checks. `lease_ms`: what the leased receipts were taken for; `late`: what was still to be done when no more time
/// was left.
pub(super) fn judge(book: &Book, found: &[Found], lease_ms: u64, late: Vec<String>) -> Vec<Check> {
    let mut stories: Vec<Story<'_>> = Vec::new();
    stories.resize_with(book.sends.len(), Story::default);
    let mut strangers =
        Check::new("strangers", "nothing is there that was not sent, and nothing that was refused");
    for (index, receipt) in book.receipts.iter().enumerate() {
        strangers.checked += 1;
        match receipt.send.and_then(|send| stories.get_mut(send)) {
            Some(story) => story.receipts.push((index, receipt)),
            None => strangers.wrong(format!(
                "received at {} ms: {} is none of ours",
                receipt.answered, receipt.position
            )),
        }
    }
    for one in found {
        strangers.checked += 1;
        match one.send.and_then(|send| stories.get_mut(send)) {
            Some(story) => story.found.push(one),
            None => {
                strangers.wrong(format!("queue {}: {} is none of ours", one.queue, one.position))
            }
        }
    }
    for settle in &book.settles {
        let receipt = book.receipts.get(settle.receipt);
        let Some(story) = receipt.and_then(|one| one.send).and_then(|send| stories.get_mut(send))
        else {
            continue;
        };
        match &settle.answer {
            Some((at, status)) if status == "done" => story.done.push(*at),
            Some((at, status)) if status == "dead" => story.dead.push(*at),
            Some(_) => {}
            None => story.is_unsure = true,
        }
    }
    for (send, story) in stories.iter().enumerate() {
        let queue = book.sends[send].queue;
        if story.receipts.iter().any(|(_, one)| one.queue != queue)
            || story.found.iter().any(|one| one.queue != queue)
        {
            strangers.wrong(format!("{} is in another queue", named(book, send)));
        }
    }
    for (send, story) in stories.iter().enumerate() {
        if book.sends[send].fate == Fate::Refused
            && !(story.receipts.is_empty() && story.found.is_empty())
        {
            strangers.wrong(format!("{} was refused, and is there", named(book, send)));
        }
    }
    let mut answers = Check::new(
        "answers",
        "every call is answered, or ends with its connection; every message is handed out in the end",
    );
    answers.checked = book.calls;
    book.silent.iter().cloned().chain(late).for_each(|text| answers.wrong(text));
    vec![lost(book, &stories), strangers, twice(book, &stories, lease_ms), order(book), answers]
}

fn named(book: &Book, send: usize) -> String {
    let sent = &book.sends[send];
    let id = sent.id.as_deref().unwrap_or("?");
    let (queue, sender, called, answered) = (sent.queue, sent.sender, sent.called, sent.answered);
    format!(
        "message {send} (id {id} in queue {queue}, from sender {sender}, {called}..{answered} ms)"
    )
}

/// An acknowledged message was received, or is still there; what was settled is in the state that it was settled to.
///
/// The queues keep messages that are done. So a message that nobody received and that is done was handed
/// out, without a lease, to somebody whose connection broke: each broken receive explains one.
fn lost(book: &Book, stories: &[Story<'_>]) -> Check {
    let mut check = Check::new(
        "lost",
        "every acknowledged message was received, is still there, or is a dead letter; what was settled stays so",
    );
    let mut unexplained = Vec::new();
    for (send, story) in stories.iter().enumerate() {
        let sent = &book.sends[send];
        if sent.fate != Fate::Acknowledged {
            continue;
        }
        check.checked += 1;
        let is_received =
            !story.done.is_empty() || story.receipts.iter().any(|(_, one)| !one.is_leased);
        let state = story.found.first().map(|found| found.state);
        match state {
            None if is_received => {
                check.wrong(format!("{} was received, but is not kept as done", named(book, send)))
            }
            None => check.wrong(format!(
                "{} is lost: acknowledged, and neither received nor there",
                named(book, send)
            )),
            Some(State::Done) if is_received || story.is_unsure => {}
            Some(State::Done) => unexplained.push(send),
            Some(state) if is_received => {
                check.wrong(format!(
                    "{} was received and done, and is {} again",
                    named(book, send),
                    state.name()
                ));
            }
            Some(State::Dead) => {}
            Some(state) if !story.dead.is_empty() => {
                check.wrong(format!(
                    "{} was given up at {} ms, and is {} again",
                    named(book, send),
                    story.dead[0],
                    state.name()
                ));
            }
            Some(_) => {}
        }
    }
    // The latest message needs a receive that ended after it; so the latest first.
    unexplained.sort_by_key(|send| std::cmp::Reverse(book.sends[*send].called));
    let mut broken: Vec<&Broken> = book.broken.iter().filter(|broken| !broken.is_leased).collect();
    broken.sort_by_key(|broken| std::cmp::Reverse(broken.ended));
    for send in unexplained {
        let sent = &book.sends[send];
        match broken
            .iter()
            .position(|broken| broken.queue == sent.queue && broken.ended >= sent.called)
        {
            Some(at) => drop(broken.remove(at)),
            None => check.wrong(format!("{} is done, and nobody received it", named(book, send))),
        }
    }
    check
}

/// No message is stored twice, delivered twice under one number, settled twice, handed out after it was done, or handed
/// out while somebody has it.
///
/// A server that is started anew has ended all leases and counts deliveries from one. So leases and numbers are compared only
/// where no connection broke meanwhile; what is over (done, dead, or handed out without a lease) is over for good.
fn twice(book: &Book, stories: &[Story<'_>], lease_ms: u64) -> Check {
    let mut breaks = book.breaks.clone();
    breaks.sort_unstable();
    let broke = |from: u64, to: u64| {
        let next = breaks.partition_point(|at| *at < from);
        breaks.get(next).is_some_and(|at| *at <= to)
    };
    let mut check = Check::new(
        "twice",
        "no message is stored or settled twice, handed out after it was done, or leased to two at a time",
    );
    let mut first_settle: HashMap<usize, u64> = HashMap::new();
    let mut settled: HashMap<usize, u64> = HashMap::new();
    for settle in &book.settles {
        let first = first_settle.entry(settle.receipt).or_insert(settle.called);
        *first = settle.called.min(*first);
        if let Some((at, status)) = &settle.answer {
            if matches!(
                (settle.outcome, status.as_str()),
                (Outcome::Done, "done") | (Outcome::Dead, "dead")
            ) {
                settled.insert(settle.receipt, *at);
            }
            let receipt = &book.receipts[settle.receipt];
            let is_held = at + CLOCK_SLACK_MS < receipt.called + lease_ms;
            let is_first = *first == settle.called;
            if status == "lost" && is_held && is_first && !broke(receipt.called, *at) {
                check.wrong(format!(
                    "a lease of {lease_ms} ms, taken at {}..{} ms, was over at {at} ms: position {} attempt {}",
                    receipt.called, receipt.answered, receipt.position, receipt.attempt
                ));
            }
        }
    }
    for (send, story) in stories.iter().enumerate() {
        check.checked += story.receipts.len() as u64;
        let positions = story.receipts.iter().map(|(_, one)| &one.position);
        let positions: BTreeSet<_> =
            positions.chain(story.found.iter().map(|one| &one.position)).collect();
        if positions.len() > 1 {
            check.wrong(format!("{} is in the queue at {positions:?}", named(book, send)));
        } else if story.found.len() > 1 {
            check.wrong(format!("{} is listed {} times", named(book, send), story.found.len()));
        }
        if story.done.len() > 1 {
            check.wrong(format!(
                "{} was settled as done at {:?} ms",
                named(book, send),
                story.done
            ));
        }
        let mut deliveries = story.receipts.clone();
        deliveries.sort_by_key(|(_, one)| (one.answered, one.attempt));
        for pair in deliveries.windows(2) {
            let [(index, a), (other, b)] = pair else { continue };
            let told = |what: String| {
                format!(
                    "{what}, {}: attempt {} at {}..{} ms and attempt {} at {}..{} ms",
                    named(book, send),
                    a.attempt,
                    a.called,
                    a.answered,
                    b.attempt,
                    b.called,
                    b.answered
                )
            };
            // Surely over when the later one was asked for, whatever happened to the server between.
            let over = (!a.is_leased).then_some(a.answered).or_else(|| settled.get(index).copied());
            if over.is_some_and(|over| over < b.called) {
                check.wrong(told("delivered again though it was over".to_owned()));
                continue;
            }
            if broke(a.called.min(b.called), b.answered) {
                continue;
            }
            let ((index, a), b) =
                if a.attempt <= b.attempt { ((index, a), b) } else { ((other, b), a) };
            // Surely ours until we first wanted it to end, or its time was over.
            let wanted = first_settle.get(index).copied().unwrap_or(u64::MAX);
            let held_until = wanted.min(a.called + lease_ms);
            if a.attempt == b.attempt {
                check.wrong(told("two deliveries under one number".to_owned()));
            } else if !a.is_leased || settled.contains_key(index) {
                check.wrong(told("delivered again though it was over".to_owned()));
            } else if b.answered + CLOCK_SLACK_MS < held_until {
                check.wrong(told(format!(
                    "two had it at the same time, the first until {held_until} ms"
                )));
            }
        }
    }
    check
}

/// A message, the place of its first receipt, and that receipt.
type First<'a> = (usize, usize, &'a Receipt);

/// Of two messages that one sender sent to one queue one after the other, the first one is handed out first.
///
/// Only first deliveries are compared: what comes back has its old place, and may come late. A first delivery that went to
/// a connection that broke comes back, too, and is not counted: pairs around a broken receive are passed over.
fn order(book: &Book) -> Check {
    let mut check = Check::new(
        "order",
        "first deliveries of one sender's messages in one queue are in the order of sending",
    );
    let mut seen = HashSet::new();
    let mut by_line: HashMap<(usize, usize), Vec<First<'_>>> = HashMap::new();
    for (index, receipt) in book.receipts.iter().enumerate() {
        // The numbers begin anew with the server, so the first one that came is told by time.
        let Some(send) = receipt.send.filter(|send| seen.insert(*send)) else { continue };
        if receipt.attempt != 1 {
            continue;
        }
        let Some(sent) = book.sends.get(send).filter(|sent| sent.fate == Fate::Acknowledged) else {
            continue;
        };
        by_line.entry((sent.queue, sent.sender)).or_default().push((send, index, receipt));
    }
    for ((queue, _), mut line) in by_line {
        line.sort_by_key(|(send, ..)| *send);
        let broken: Vec<_> = book.broken.iter().filter(|broken| broken.queue == queue).collect();
        // The earliest answer among the later messages.
        let mut earliest: Option<First<'_>> = None;
        for &(send, index, a) in line.iter().rev() {
            if let Some((later, other, b)) = earliest {
                check.checked += 1;
                let is_one_call =
                    (a.receiver, a.called, a.answered) == (b.receiver, b.called, b.answered);
                let is_before = b.answered < a.called || (is_one_call && other < index);
                let sent_at = book.sends[send].called;
                let is_excused = broken
                    .iter()
                    .any(|broken| broken.called <= b.answered && broken.ended >= sent_at);
                if is_before && !is_excused {
                    check.wrong(format!(
                        "{} came at {}..{} ms, after {} at {}..{} ms",
                        named(book, send),
                        a.called,
                        a.answered,
                        named(book, later),
                        b.called,
                        b.answered
                    ));
                }
            }
            if earliest.is_none_or(|(.., b)| a.answered <= b.answered) {
                earliest = Some((send, index, a));
            }
        }
    }
    check
}

#[cfg(test)]
mod tests;
