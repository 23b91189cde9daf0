//! Messages that come by themselves, and events.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::Stream;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::{
    Client, Error, Queue, QueueEvent, Receive, Received, frame,
    link::{Abandoned, Command, Delivery, End, Missed, Pending, Receiver, WatchItem, Watcher},
};

/// Most messages that one subscription may hold unsettled.
pub const CREDIT_MAX: u32 = 10_000;

/// Events of a watch that may wait to be read.
const EVENTS_WAITING_MAX: usize = 1024;

/// Messages of a queue that come by themselves, while fewer than the credit are unsettled.
///
/// Also a [`Stream`]. When the session is lost it is made anew by itself. Dropping it ends it; messages that
/// came and were not taken are given back.
#[must_use = "a subscription that is dropped ends"]
pub struct Subscription {
    id: u64,
    queue: Queue,
    messages: mpsc::Receiver<Delivery>,
    end: End,
    is_tied_to_session: bool,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Subscription {
    pub(super) async fn open(queue: &Queue, credit: u32, receive: Receive) -> Result<Self, Error> {
        #[derive(Serialize)]
        struct Subscribe {
            credit: u32,
        }
        if receive.lease == Some(super::Lease::None) {
            return Err(Error::Invalid(
                "a subscription needs leases: without them nothing says how many messages may come"
                    .to_owned(),
            ));
        }
        let credit = credit.clamp(1, CREDIT_MAX);
        let link = &queue.client().link;
        let id = link.new_id();
        let is_tied_to_session = receive.is_tied_to_session();
        let mut fields = serde_json::to_value(receive.standing())?;
        if let (Some(fields), serde_json::Value::Object(credit)) =
            (fields.as_object_mut(), serde_json::to_value(Subscribe { credit })?)
        {
            fields.extend(credit);
        }
        let text = frame::request(Some(id), "subscribe", Some(queue.name()), &fields)?;
        let (sender, messages) = mpsc::channel(credit as usize);
        let end = End::default();
        let receiver =
            Receiver { queue: Arc::from(queue.name()), messages: sender, end: Arc::clone(&end) };
        let pending = Pending::Receiver(receiver);
        let command = Command::Request { id, text: text.into(), pending };
        link.commands.send(command).await.map_err(|_| link.closed())?;
        Ok(Self { id, queue: queue.clone(), messages, end, is_tied_to_session })
    }

    /// The next message; waits until there is one. None: the subscription was [ended](Self::end).
    ///
    /// # Errors
    /// [`Error`], and after it nothing more comes: the queue was closed or deleted, or the client is.
    pub async fn next(&mut self) -> Option<Result<Received, Error>> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Received, Error>>> {
        loop {
            let Some(Delivery { message, epoch }) = ready!(self.messages.poll_recv(cx)) else {
                let error = self.end.lock().take();
                return Poll::Ready(error.map(Err));
            };
            // The session that had its lease is no more, so it is on its way to somebody again.
            if !self.is_tied_to_session || epoch == self.queue.client().link.board.epoch() {
                return Poll::Ready(Some(Received::new(message, &self.queue, epoch)));
            }
        }
    }

    /// Asks that no more messages come. Those under way still do; then [`next`](Self::next) says none.
    pub fn end(&self) {
        self.queue.client().link.board.abandon(Abandoned::Cancel(self.id));
    }

    /// Changes how many messages may be unsettled, up to what it began with.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn credit(&self, credit: u32) -> Result<(), Error> {
        let most = u32::try_from(self.messages.max_capacity()).unwrap_or(CREDIT_MAX);
        self.creditor().credit(credit.min(most)).await
    }

    /// Changes its credit from elsewhere.
    pub(super) fn creditor(&self) -> Creditor {
        Creditor { id: self.id, queue: self.queue.clone() }
    }
}

/// Changes the credit of a subscription, no higher than what it began with.
pub(super) struct Creditor {
    id: u64,
    queue: Queue,
}

impl Creditor {
    pub(super) async fn credit(&self, credit: u32) -> Result<(), Error> {
        let fields = serde_json::json!({"receiver": self.id, "credit": credit});
        let text = frame::request(None, "credit", Some(self.queue.name()), &fields)?;
        let link = &self.queue.client().link;
        link.commands.send(Command::Say(text.into())).await.map_err(|_| link.closed())
    }
}

impl Stream for Subscription {
    type Item = Result<Received, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let board = &self.queue.client().link.board;
        self.messages.close();
        let mut leases = Vec::new();
        while let Ok(delivery) = self.messages.try_recv() {
            leases.extend(delivery.message.lease);
        }
        if !leases.is_empty() {
            board.abandon(Abandoned::Release { queue: Arc::from(self.queue.name()), leases });
        }
        board.abandon(Abandoned::Cancel(self.id));
    }
}

/// What happens to queues, as it happens. Also a [`Stream`]. Dropping it ends it.
#[must_use = "a watch that is dropped ends"]
pub struct Watch {
    id: u64,
    client: Client,
    events: mpsc::Receiver<QueueEvent>,
    missed: Arc<Missed>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    pub(super) async fn open(client: &Client, queue: Option<&str>) -> Result<Self, Error> {
        let link = &client.link;
        let id = link.new_id();
        let text = frame::request(Some(id), "watch", queue, &serde_json::json!({}))?;
        let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
        let (reply, answer) = oneshot::channel();
        let missed = Arc::new(Missed::default());
        let watcher = Watcher { reply: Some(reply), events: sender, missed: Arc::clone(&missed) };
        let command =
            Command::Request { id, text: text.into(), pending: Pending::Watcher(watcher) };
        link.commands.send(command).await.map_err(|_| link.closed())?;
        let watch = Self { id, client: client.clone(), events, missed };
        match tokio::time::timeout(link.timeout, answer).await {
            Ok(Ok(Ok(_))) => Ok(watch),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err(link.closed()),
            Err(_) => Err(Error::TimedOut { may_have_happened: false }),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<WatchItem>> {
        match self.events.poll_recv(cx) {
            Poll::Ready(Some(event)) => Poll::Ready(Some(WatchItem::Event(event))),
            // All that there was room for is read: what there was none for came after it.
            rest @ (Poll::Ready(None) | Poll::Pending) => match self.missed.take(cx) {
                Some(count) => Poll::Ready(Some(WatchItem::Missed(count))),
                None => rest.map(|_| None),
            },
        }
    }

    /// The next event. None: the client is closed.
    pub async fn next(&mut self) -> Option<WatchItem> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }
}

impl Stream for Watch {
    type Item = WatchItem;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchItem>> {
        self.get_mut().poll(cx)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.client.link.board.abandon(Abandoned::Unwatch(self.id));
    }
}
