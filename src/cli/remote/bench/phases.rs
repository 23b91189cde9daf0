//! What is timed.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt, TryStreamExt,
    future::try_join_all,
    stream::{self, FuturesUnordered},
};
use indicatif::ProgressBar;

use super::tally::{Measured, Tally, body};
use crate::{
    cli::Failure,
    client::{Client, Error, Item, Message, Outcome, Queue, Receive, Received, Settings},
    clock::stopwatch,
};

/// Who works where.
pub(super) struct Plan {
    pub(super) senders: Vec<Client>,
    pub(super) receivers: Vec<Client>,
    pub(super) queue: String,
    pub(super) messages: u64,
    pub(super) size: usize,
    pub(super) window: usize,
    pub(super) bar: ProgressBar,
}

/// When nothing comes for so long, nothing comes any more.
const QUIET: Duration = Duration::from_secs(10);

/// How often a receiver that gets nothing looks whether all is there.
const LOOK_AROUND: Duration = Duration::from_millis(20);

/// The bar is moved after so many messages.
const STEP: u64 = 64;

impl Plan {
    fn queue(&self, client: &Client) -> Queue {
        client.queue(&self.queue)
    }

    fn first_sender(&self) -> Result<Queue, Failure> {
        let client = self.senders.first();
        client
            .map(|client| self.queue(client))
            .ok_or_else(|| Failure::Usage("no senders".to_owned()))
    }

    pub(super) async fn open(&self) -> Result<(), Failure> {
        self.first_sender()?.configure(Settings::new()).await?;
        Ok(())
    }

    pub(super) async fn delete(&self) -> Result<(), Failure> {
        self.first_sender()?.delete().await?;
        Ok(())
    }

    fn begin(&self, phase: &'static str, messages: u64) -> RefCell<Tally> {
        self.bar.set_message(phase);
        self.bar.set_length(messages);
        self.bar.set_position(0);
        RefCell::new(Tally::new(phase, messages))
    }

    /// Sends the messages whose turn it is until all are sent. `timed`: the answers are what is timed.
    async fn send_from(
        &self,
        client: &Client,
        next: &Cell<u64>,
        begun: Instant,
        timed: Option<&RefCell<Tally>>,
    ) -> Result<(), Error> {
        let queue = self.queue(client);
        let numbers = std::iter::from_fn(|| {
            let number = next.get();
            next.set(number + 1);
            (number < self.messages).then_some(number)
        });
        let send = |number: u64| {
            let queue = &queue;
            async move {
                let from = begun.elapsed();
                let at = u64::try_from(from.as_micros()).unwrap_or(u64::MAX);
                queue.send_message(Message::raw(body(number, at, self.size))?).await?;
                if let Some(tally) = timed {
                    tally.borrow_mut().time(begun.elapsed().saturating_sub(from));
                    self.moved(number);
                }
                Ok(())
            }
        };
        stream::iter(numbers).map(send).buffer_unordered(self.window).try_collect::<()>().await
    }

    fn moved(&self, number: u64) {
        if number.is_multiple_of(STEP) {
            self.bar.inc(STEP);
        }
    }

    /// Receives until all are there. `timed`: from when the messages say that they were sent.
    async fn receive_at(
        &self,
        client: &Client,
        tally: &RefCell<Tally>,
        timed: Option<Instant>,
    ) -> Result<(), Error> {
        let queue = self.queue(client);
        let credit = u32::try_from(self.window).unwrap_or(u32::MAX);
        let mut messages = queue.subscribe(credit, Receive::new()).await?;
        let mut unsettled: Vec<Item> = Vec::new();
        let mut settling = FuturesUnordered::new();
        while tally.borrow().received() < self.messages {
            tokio::select! {
                message = messages.next() => {
                    let Some(message) = message.transpose()? else { break };
                    self.count(&message, tally, timed);
                    unsettled.extend(item(&message));
                    if unsettled.len() * 2 >= self.window {
                        settling.push(queue.settle(std::mem::take(&mut unsettled)));
                    }
                }
                Some(settled) = settling.next() => drop(settled?),
                // Others may have got the last one; or nothing comes any more.
                () = tokio::time::sleep(LOOK_AROUND) => {
                    if tally.borrow().is_quiet_for(QUIET) {
                        break;
                    }
                    if !unsettled.is_empty() {
                        settling.push(queue.settle(std::mem::take(&mut unsettled)));
                    }
                }
            }
        }
        messages.end();
        while let Some(message) = messages.next().await.transpose()? {
            self.count(&message, tally, timed);
            unsettled.extend(item(&message));
        }
        if !unsettled.is_empty() {
            settling.push(queue.settle(unsettled));
        }
        while let Some(settled) = settling.next().await {
            drop(settled?);
        }
        Ok(())
    }

    fn count(&self, message: &Received, tally: &RefCell<Tally>, timed: Option<Instant>) {
        let mut tally = tally.borrow_mut();
        let sent_at = tally.take(message.body.text().unwrap_or_default(), self.size);
        if let (Some(begun), Some(at)) = (timed, sent_at) {
            tally.time(begun.elapsed().saturating_sub(Duration::from_micros(at)));
        }
        self.moved(tally.received());
    }

    pub(super) async fn send(&self) -> Result<Measured, Failure> {
        let (tally, next) = (self.begin("send", self.messages), Cell::new(0));
        let begun = stopwatch();
        let all = self.senders.iter();
        try_join_all(all.map(|client| self.send_from(client, &next, begun, Some(&tally)))).await?;
        Ok(tally.into_inner().finish(false))
    }

    pub(super) async fn receive(&self) -> Result<Measured, Failure> {
        let tally = self.begin("receive", self.messages);
        let all = self.receivers.iter();
        try_join_all(all.map(|client| self.receive_at(client, &tally, None))).await?;
        Ok(tally.into_inner().finish(true))
    }

    pub(super) async fn both(&self) -> Result<Measured, Failure> {
        let (tally, next) = (self.begin("both", self.messages), Cell::new(0));
        let begun = stopwatch();
        let senders = self.senders.iter();
        let receivers = self.receivers.iter();
        tokio::try_join!(
            try_join_all(senders.map(|client| self.send_from(client, &next, begun, None))),
            try_join_all(receivers.map(|client| self.receive_at(client, &tally, Some(begun)))),
        )?;
        Ok(tally.into_inner().finish(true))
    }

    pub(super) async fn parked(&self, messages: u64) -> Result<Measured, Failure> {
        let tally = self.begin("parked", messages);
        let sender = self.first_sender()?;
        let Some(receiver) = self.receivers.first().map(|client| self.queue(client)) else {
            return Err(Failure::Usage("no receivers".to_owned()));
        };
        let begun = stopwatch();
        for number in 0..messages {
            let wait = receiver.receive();
            let send = async {
                // So long that the receiver waits at the server.
                tokio::time::sleep(Duration::from_millis(1)).await;
                let at = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                sender.send_message(Message::raw(body(number, at, self.size))?).await
            };
            let arrived = async { wait.await.map(|message| (message, begun.elapsed())) };
            let ((message, at), _) = tokio::try_join!(arrived, send)?;
            let sent_at = {
                let mut tally = tally.borrow_mut();
                tally.take(message.body.text().unwrap_or_default(), self.size)
            };
            if let Some(sent_at) = sent_at {
                tally.borrow_mut().time(at.saturating_sub(Duration::from_micros(sent_at)));
            }
            message.done().await?;
            self.moved(number);
        }
        Ok(tally.into_inner().finish(true))
    }
}

fn item(message: &Received) -> Option<Item> {
    message.lease().map(|lease| Item::new(lease, Outcome::Done))
}
