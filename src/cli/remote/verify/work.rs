//! Who sends and who receives. Each has a connection of its own, and makes it anew when it ends.

use std::{cell::Cell, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::ledger::{Broken, Fate, Ledger, Receipt, Settle};
use crate::client::{Builder, Client, Error, Item, Lease, Message, Outcome, Receive, Received};

/// What all workers know.
pub(super) struct Plan {
    pub(super) builder: Builder,
    /// Tells the messages of this run from all others.
    pub(super) run: String,
    pub(super) queues: Vec<String>,
    pub(super) lease: Duration,
    /// Fillers are shorter.
    pub(super) size: usize,
    pub(super) patience: Duration,
    /// Between two messages of one sender.
    pub(super) pace: Duration,
    pub(super) ends_at: u64,
    pub(super) ledger: Ledger,
    /// No more is sent.
    pub(super) is_draining: Cell<bool>,
    /// Nothing more is done.
    pub(super) is_over: Cell<bool>,
}

/// What is in a message.
#[derive(Serialize, Deserialize)]
pub(super) struct Content {
    run: String,
    send: usize,
    /// So that messages are not all of one length.
    filler: String,
}

impl Plan {
    /// Which of our messages has this body.
    pub(super) fn which(&self, message: &crate::client::Info) -> Option<usize> {
        let content: Content = message.decode().ok()?;
        (content.run == self.run).then_some(content.send)
    }

    /// How long the filler of a message is.
    const fn filler(&self, send: usize) -> usize {
        // No multiple of it is near to one of a size that anybody would ask for.
        send.wrapping_mul(7919) % self.size
    }

    fn must_stop(&self) -> bool {
        self.is_over.get() || self.is_draining.get() || self.ledger.now() >= self.ends_at
    }
}

pub(super) const NOT_FOUND: &str = "queue_not_found";

/// Between two attempts to connect, and after a refusal.
const BREATH: Duration = Duration::from_millis(20);

/// How long a receive waits on the server.
const WAIT: Duration = Duration::from_secs(1);

/// Messages of a receive with leases.
const LEASED_MAX: u32 = 4;

/// A connection that is made anew when it was lost.
pub(super) struct Line<'a> {
    plan: &'a Plan,
    client: Option<Client>,
    is_first: bool,
}

/// Whether nothing can come of trying again.
pub(super) fn is_final(error: &Error) -> bool {
    match error {
        Error::Refused { status, .. } => matches!(status, 400..=428 | 430..=499),
        // A server that lost the queue is to be found out, not to stop the search.
        Error::Server(refusal) => !refusal.retryable && refusal.code != NOT_FOUND,
        Error::Invalid(_) | Error::GivenUp { .. } => true,
        Error::Connect(_) | Error::Closed { .. } | Error::TimedOut { .. } => false,
    }
}

impl<'a> Line<'a> {
    pub(super) const fn new(plan: &'a Plan) -> Self {
        Self { plan, client: None, is_first: true }
    }

    /// A connection. Tries as long as it has patience with a server that is not there.
    pub(super) async fn client(&mut self) -> Result<Client, Error> {
        if let Some(client) = self.client.take().filter(Client::is_open) {
            return Ok(self.client.insert(client).clone());
        }
        if !std::mem::take(&mut self.is_first) {
            self.plan.ledger.connection_lost();
        }
        let patience = u64::try_from(self.plan.patience.as_millis()).unwrap_or(u64::MAX);
        let give_up_at = self.plan.ledger.now().saturating_add(patience);
        loop {
            match self.plan.builder.clone().connect().await {
                Ok(client) => return Ok(self.client.insert(client).clone()),
                Err(error) if is_final(&error) || self.plan.ledger.now() > give_up_at => {
                    return Err(error);
                }
                Err(_) => sleep(BREATH).await,
            }
        }
    }

    /// What a failed call means for the connection. An error is returned if nothing more can be done.
    async fn failed(&mut self, what: &str, called: u64, error: Error) -> Result<(), Error> {
        let ledger = &self.plan.ledger;
        match &error {
            Error::TimedOut { .. } => {
                ledger.silent(format!(
                    "{what} at {called} ms was not answered by {} ms",
                    ledger.now()
                ));
                ledger.connection_broke();
                self.close().await;
            }
            Error::Server(refusal) => ledger.refused(&refusal.code),
            _ => ledger.connection_broke(),
        }
        if is_final(&error) {
            return Err(error);
        }
        if matches!(error, Error::Server(_)) {
            sleep(BREATH).await;
        }
        Ok(())
    }

    pub(super) async fn close(&mut self) {
        if let Some(client) = self.client.take() {
            client.close().await;
        }
    }

    /// Calls until there is an answer; for what can be done twice.
    pub(super) async fn insist<T, F: Future<Output = Result<T, Error>>>(
        &mut self,
        what: &str,
        call: impl Fn(Client) -> F,
    ) -> Result<T, Error> {
        let patience = u64::try_from(self.plan.patience.as_millis()).unwrap_or(u64::MAX);
        let give_up_at = self.plan.ledger.now().saturating_add(patience);
        loop {
            let client = self.client().await?;
            let called = self.plan.ledger.now();
            match call(client).await {
                Ok(answer) => return Ok(answer),
                Err(error) if called > give_up_at => return Err(error),
                Err(error) => self.failed(what, called, error).await?,
            }
        }
    }
}

/// Sends one message after the other. Senders with an even number repeat what was not answered, under the same key,
/// until it is; the others leave it, and it may be there or not.
pub(super) async fn send(plan: &Plan, sender: usize) -> Result<(), Error> {
    let mut line = Line::new(plan);
    let result = send_by(plan, sender, &mut line).await;
    line.close().await;
    result
}

async fn send_by(plan: &Plan, sender: usize, line: &mut Line<'_>) -> Result<(), Error> {
    let ledger = &plan.ledger;
    let is_repeating = sender.is_multiple_of(2);
    let mut pace = tokio::time::interval(plan.pace);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for count in sender.. {
        pace.tick().await;
        if plan.must_stop() {
            break;
        }
        let queue = count % plan.queues.len();
        let mut client = line.client().await?;
        let send = ledger.begins(sender, queue);
        let content =
            Content { run: plan.run.clone(), send, filler: "x".repeat(plan.filler(send)) };
        let mut message = Message::json(&content)?;
        if is_repeating {
            message = message.key(format!("{}-{send}", plan.run));
        }
        let mut is_unsure = false;
        loop {
            let called = ledger.now();
            let result = client.queue(&plan.queues[queue]).send_message(message.clone()).await;
            ledger.ended();
            let error = match result {
                Ok(receipt) => {
                    ledger.sent(send, Fate::Acknowledged, Some(receipt.id));
                    break;
                }
                Err(error) => error,
            };
            is_unsure |= error.may_have_happened();
            let is_again = is_repeating && is_unsure && !plan.is_over.get();
            if !is_again {
                let fate = if is_unsure { Fate::Unknown } else { Fate::Refused };
                ledger.sent(send, fate, None);
            }
            line.failed("a send", called, error).await?;
            if !is_again {
                break;
            }
            client = line.client().await?;
        }
    }
    Ok(())
}

/// Receives until nothing more is done; with leases, each of which it ends in some way, or without.
pub(super) async fn receive(plan: &Plan, receiver: usize, is_leased: bool) -> Result<(), Error> {
    let mut line = Line::new(plan);
    let result = receive_by(plan, receiver, is_leased, &mut line).await;
    if result.is_err() {
        // Nobody else can go on either.
        plan.is_over.set(true);
    }
    line.close().await;
    result
}

async fn receive_by(
    plan: &Plan,
    receiver: usize,
    is_leased: bool,
    line: &mut Line<'_>,
) -> Result<(), Error> {
    let ledger = &plan.ledger;
    let how = if is_leased {
        Receive::new().wait(WAIT).max(LEASED_MAX).lease(plan.lease).lease_kind(Lease::Timed)
    } else {
        Receive::new().wait(WAIT).max(1).lease_kind(Lease::None)
    };
    for count in receiver / 2.. {
        if plan.is_over.get() {
            break;
        }
        let queue = count % plan.queues.len();
        let name = &plan.queues[queue];
        let client = line.client().await?;
        let called = ledger.now();
        let result = client.queue(name).receive_with(&how).await;
        ledger.ended();
        let answered = ledger.now();
        let messages = match result {
            Ok(messages) => messages,
            Err(error) => {
                if error.may_have_happened() {
                    ledger.broken(Broken { queue, is_leased, called, ended: answered });
                }
                line.failed("a parked receive", called, error).await?;
                continue;
            }
        };
        let mut ends = Vec::new();
        for message in messages {
            let receipt = ledger.received(Receipt {
                send: plan.which(message.info()),
                queue,
                position: message.position.clone(),
                receiver,
                called,
                answered,
                attempt: message.attempt,
                is_leased,
            });
            ends.extend(end(plan, &message).map(|(item, outcome)| (item, outcome, receipt)));
        }
        settle(plan, name, ends, line).await?;
    }
    Ok(())
}

/// What is done with a message that has a lease: most are done; the others fail, are given back or given up, or are left
/// until the lease ends. When it comes to an end, all that is left is done.
fn end(plan: &Plan, message: &Received) -> Option<(Item, Outcome)> {
    let lease = message.lease()?;
    let send = plan.which(message.info()).unwrap_or(0);
    let dice =
        (send.wrapping_mul(2_654_435_761) ^ (message.attempt as usize).wrapping_mul(40_503)) >> 3;
    let outcome = match dice % 100 {
        _ if plan.is_draining.get() => Outcome::Done,
        0..8 => Outcome::Retry,
        8..14 => Outcome::Release,
        14..18 => Outcome::Dead,
        18..20 => return None,
        _ => Outcome::Done,
    };
    let item = Item::new(lease, outcome);
    let item = match outcome {
        Outcome::Retry => item.delay(Duration::from_millis(20)).reason("verify"),
        Outcome::Dead => item.reason("verify"),
        _ => item,
    };
    Some((item, outcome))
}

/// Settles, and once more if no answer came: then either the first one happened, and this one says `lost`, or not.
async fn settle(
    plan: &Plan,
    queue: &str,
    ends: Vec<(Item, Outcome, usize)>,
    line: &mut Line<'_>,
) -> Result<(), Error> {
    let ledger = &plan.ledger;
    let items: Vec<_> = ends.iter().map(|(item, ..)| item.clone()).collect();
    for _ in 0..if items.is_empty() { 0 } else { 3 } {
        let client = line.client().await?;
        let called = ledger.now();
        let result = client.queue(queue).settle(items.clone()).await;
        ledger.ended();
        let answered = ledger.now();
        let write = |place: usize, answer: Option<String>| {
            let Some((_, outcome, receipt)) = ends.get(place) else { return };
            let answer = answer.map(|status| (answered, status));
            ledger.settled(Settle { receipt: *receipt, outcome: *outcome, called, answer });
        };
        match result {
            Ok(results) => {
                for (place, settled) in results.into_iter().enumerate() {
                    write(place, Some(settled.status));
                }
                return Ok(());
            }
            Err(error) => {
                if error.may_have_happened() {
                    (0..ends.len()).for_each(|place| write(place, None));
                }
                line.failed("a settle", called, error).await?;
            }
        }
    }
    Ok(())
}
