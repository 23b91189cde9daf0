//! Consuming: a handler is called for each message, and what it returns settles it.

use std::{fmt::Display, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::{
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

use super::{Body, Error, Item, Outcome, Queue, Receive, Received, subscription::Creditor};

/// How messages are consumed.
#[derive(Debug, Clone)]
pub struct Consume {
    concurrency: u32,
    prefetch: u32,
    lease: Duration,
    grace: Duration,
    limit: Option<u64>,
    receive: Receive,
}

impl Default for Consume {
    fn default() -> Self {
        Self {
            concurrency: 1,
            prefetch: 0,
            lease: Duration::from_secs(30),
            grace: Duration::from_secs(30),
            limit: None,
            receive: Receive::new(),
        }
    }
}

impl Consume {
    /// One message after the other.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many handlers may run at the same time. Default: 1.
    #[must_use]
    pub fn concurrency(mut self, handlers: u32) -> Self {
        self.concurrency = handlers.clamp(1, super::CREDIT_MAX);
        self
    }

    /// So many more messages may be here and wait for a handler. Default: 0, which is right for work that
    /// takes long; for work that takes milliseconds, ten times the concurrency saves waiting.
    #[must_use]
    pub fn prefetch(mut self, messages: u32) -> Self {
        self.prefetch = messages.min(super::CREDIT_MAX);
        self
    }

    /// For how long a message is ours at a time. While its handler runs this is extended by itself, so it
    /// says how soon somebody else gets the message if this process hangs. Default: 30 seconds.
    #[must_use]
    pub fn lease(mut self, length: Duration) -> Self {
        self.lease = length.max(Duration::from_millis(10));
        self
    }

    /// How long [`Consumer::stop`] waits for handlers that run. Default: 30 seconds.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Takes so many messages and no more; then the consumer ends by itself, see [`Consumer::wait`].
    #[must_use]
    pub fn limit(mut self, messages: u64) -> Self {
        self.limit = Some(messages.max(1));
        self
    }

    /// Which messages: group, partition, labels.
    #[must_use]
    pub fn receive(mut self, receive: Receive) -> Self {
        self.receive = receive;
        self
    }
}

/// What a handler says of its message. Made from `()`, from a JSON value (the result), or by hand.
///
/// An error of the handler is a [`Handled::Retry`] with its text as the reason.
#[derive(Debug, Clone)]
pub enum Handled {
    /// It is done, and perhaps something came of it.
    Done(Option<Box<RawValue>>),
    /// It failed; again, after this time or as the queue says.
    Retry {
        /// Why.
        reason: String,
        /// When, instead of as the queue says.
        after: Option<Duration>,
    },
    /// It failed for good.
    Dead {
        /// Why.
        reason: String,
    },
    /// It was not begun: somebody else gets it.
    Release,
}

impl Handled {
    /// It failed for good.
    #[must_use]
    pub fn dead(reason: impl Into<String>) -> Self {
        Self::Dead { reason: reason.into() }
    }

    /// It failed; again after this time.
    #[must_use]
    pub fn retry_after(after: Duration, reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after: Some(after) }
    }

    fn item(self, lease: &str) -> Item {
        match self {
            Self::Done(result) => Item::new(lease, Outcome::Done).raw_result(result),
            Self::Retry { reason, after } => {
                let item = Item::new(lease, Outcome::Retry).reason(reason);
                match after {
                    Some(after) => item.delay(after),
                    None => item,
                }
            }
            Self::Dead { reason } => Item::new(lease, Outcome::Dead).reason(reason),
            Self::Release => Item::new(lease, Outcome::Release),
        }
    }
}

impl From<()> for Handled {
    fn from((): ()) -> Self {
        Self::Done(None)
    }
}

impl From<serde_json::Value> for Handled {
    fn from(result: serde_json::Value) -> Self {
        // A value can always be written.
        Self::Done(serde_json::value::to_raw_value(&result).ok())
    }
}

impl From<Body> for Handled {
    fn from(result: Body) -> Self {
        match result {
            Body::Json(json) => Self::Done(Some(json)),
            Body::Bytes { data, .. } => {
                Self::from(serde_json::Value::from(String::from_utf8_lossy(&data).into_owned()))
            }
        }
    }
}

/// Handlers at work. Dropping it stops it at once: what the handlers have comes back when its lease ends.
#[derive(Debug)]
#[must_use = "a consumer that is dropped stops"]
pub struct Consumer {
    stopping: watch::Sender<bool>,
    task: JoinHandle<Result<(), Error>>,
}

impl Consumer {
    pub(super) async fn start<H, F, T, E>(
        queue: &Queue,
        options: Consume,
        handler: H,
    ) -> Result<Self, Error>
    where
        H: Fn(Arc<Received>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Handled> + Send + 'static,
        E: Display + Send + 'static,
    {
        let credit = options.concurrency.saturating_add(options.prefetch);
        let limit = options.limit.and_then(|limit| u32::try_from(limit).ok());
        let credit = credit.min(limit.unwrap_or(u32::MAX));
        let receive = options.receive.clone().lease(options.lease);
        let subscription = queue.subscribe(credit, receive).await?;
        let (stopping, is_stopping) = watch::channel(false);
        let quota = options.limit.map(|left| Quota::new(left, credit, subscription.creditor()));
        let task = tokio::spawn(work(subscription, options, quota, handler, is_stopping));
        Ok(Self { stopping, task })
    }

    /// Takes no more messages, waits for the handlers that run, and gives back what was not begun. Handlers
    /// that run longer than the grace are ended, and their messages given back.
    ///
    /// # Errors
    /// What ended the consumer before.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.stopping.send_replace(true);
        finished((&mut self.task).await)
    }

    /// Waits until the consumer ends by itself: it has had as many messages as it may, the queue was closed
    /// or deleted, or the client was.
    ///
    /// # Errors
    /// What ended it.
    pub async fn wait(&mut self) -> Result<(), Error> {
        finished((&mut self.task).await)
    }
}

fn finished(result: Result<Result<(), Error>, tokio::task::JoinError>) -> Result<(), Error> {
    result.unwrap_or_else(|error| Err(Error::Invalid(format!("the consumer failed: {error}"))))
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn work<H, F, T, E>(
    mut subscription: super::Subscription,
    options: Consume,
    quota: Option<Quota>,
    handler: H,
    mut is_stopping: watch::Receiver<bool>,
) -> Result<(), Error>
where
    H: Fn(Arc<Received>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Into<Handled> + Send + 'static,
    E: Display + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(options.concurrency as usize));
    let handler = Arc::new(handler);
    let quota = quota.map(Arc::new);
    let mut running = JoinSet::new();
    let result = loop {
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, subscription.next().await)
        };
        tokio::select! {
            biased;
            _ = is_stopping.wait_for(|is| *is) => break Ok(()),
            Some(_) = running.join_next(), if !running.is_empty() => {}
            (permit, message) = next => match message {
                Some(Ok(message)) => {
                    let handler = Arc::clone(&handler);
                    let quota = quota.clone();
                    let is_last = quota.as_ref().is_some_and(|quota| quota.begin());
                    running.spawn(async move {
                        handle(message, options.lease, &*handler, quota.as_deref()).await;
                        drop(permit);
                    });
                    if is_last {
                        break Ok(());
                    }
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            },
        }
    };
    // Nothing more comes, and what came and was not begun is given back.
    drop(subscription);
    let has_ended = result.is_err();
    let end_of_grace = async {
        // Nobody is in a hurry until somebody asks for the end.
        if !has_ended {
            let _ = is_stopping.wait_for(|is| *is).await;
        }
        tokio::time::sleep(options.grace).await;
    };
    let is_late = tokio::select! {
        () = async { while running.join_next().await.is_some() {} } => false,
        () = end_of_grace => true,
    };
    if is_late {
        running.shutdown().await;
    }
    result
}

/// One message, from its handler to its end.
async fn handle<H, F, T, E>(
    message: Received,
    lease_length: Duration,
    handler: &H,
    quota: Option<&Quota>,
) where
    H: Fn(Arc<Received>) -> F + Sync,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Into<Handled> + Send + 'static,
    E: Display + Send + 'static,
{
    let queue = message.queue().clone();
    let Some(lease) = message.lease().map(str::to_owned) else { return };
    let mut guard = Unsettled { queue: &queue, lease: Some(&lease) };
    let epoch = message.epoch();
    let message = Arc::new(message);
    let running = tokio::spawn({
        let future = handler(Arc::clone(&message));
        async move { future.await.map(Into::into).map_err(|error| error.to_string()) }
    });
    let mut running = Aborting(running);
    let mut extensions = tokio::time::interval(lease_length / 3);
    extensions.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    extensions.tick().await;
    let mut is_ours = true;
    let handled: Handled = loop {
        tokio::select! {
            result = &mut running.0 => break match result {
                Ok(Ok(handled)) => handled,
                Ok(Err(reason)) => Handled::Retry { reason, after: None },
                Err(_) => Handled::Retry { reason: "the handler panicked".to_owned(), after: None },
            },
            _ = extensions.tick(), if is_ours => {
                let extended = queue.extend([lease.as_str()], Some(lease_length)).await;
                // Lost: there is nothing to extend any more. An error may be over next time.
                is_ours = !matches!(extended.as_deref(), Ok([None]));
            }
        }
    };
    guard.lease = None;
    if let Some(quota) = quota {
        quota.end().await;
    }
    // Whatever comes of it: a message that cannot be settled comes back when its lease ends.
    let _ = settle(&queue, handled, &lease, epoch).await;
}

/// Settles, again if need be: a second time does no harm, the lease is gone then.
async fn settle(queue: &Queue, handled: Handled, lease: &str, epoch: u64) -> Result<(), Error> {
    let item = handled.item(lease);
    for _ in 0..3 {
        match queue.settle(vec![item.clone()]).await {
            Err(error) if error.is_retryable() && queue.client().is_open() => {
                if epoch != queue.client().link.board.epoch() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => return Err(error),
            Ok(_) => break,
        }
    }
    Ok(())
}

/// Sees to it that no more messages come than may be begun: settling one lets the server send another, so
/// before that the credit is lowered if need be.
struct Quota {
    state: Mutex<QuotaState>,
    creditor: Creditor,
}

#[derive(Debug, Clone, Copy)]
struct QuotaState {
    /// Messages that may still be begun.
    left: u64,
    unsettled: u64,
    credit: u64,
}

impl QuotaState {
    /// Takes note that one more is about to be settled. A credit to ask for before that.
    fn end(&mut self) -> Option<u32> {
        self.unsettled = self.unsettled.saturating_sub(1);
        let most = self.unsettled + self.left;
        (most < self.credit).then(|| {
            self.credit = most;
            u32::try_from(most).unwrap_or(u32::MAX)
        })
    }
}

impl Quota {
    fn new(left: u64, credit: u32, creditor: Creditor) -> Self {
        let state = QuotaState { left, unsettled: 0, credit: credit.into() };
        Self { state: Mutex::new(state), creditor }
    }

    /// One more message is begun. Whether it is the last.
    fn begin(&self) -> bool {
        let mut state = self.state.lock();
        state.left = state.left.saturating_sub(1);
        state.unsettled += 1;
        state.left == 0
    }

    async fn end(&self) {
        let credit = self.state.lock().end();
        if let Some(credit) = credit {
            // If the client is closed nothing more comes anyway.
            let _ = self.creditor.credit(credit).await;
        }
    }
}

/// Ends a handler that nobody waits for any more.
struct Aborting<T>(JoinHandle<T>);

impl<T> Drop for Aborting<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Gives a message back whose handler was ended.
struct Unsettled<'a> {
    queue: &'a Queue,
    lease: Option<&'a str>,
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        if let Some(lease) = self.lease {
            self.queue.client().link.board.abandon(super::link::Abandoned::Release {
                queue: Arc::from(self.queue.name()),
                leases: vec![lease.to_owned()],
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_credit_falls_so_that_no_more_come_than_may_be_begun() {
        let mut state = QuotaState { left: 3, unsettled: 0, credit: 2 };
        let mut said = Vec::new();
        for _ in 0..3 {
            state.left -= 1;
            state.unsettled += 1;
            said.push(state.end());
        }
        assert_eq!(said, [None, Some(1), Some(0)]);
        let mut both = QuotaState { left: 0, unsettled: 2, credit: 2 };
        assert_eq!((both.end(), both.end()), (Some(1), Some(0)));
    }

    #[test]
    fn what_a_handler_says_becomes_the_end_of_the_lease() {
        for (handled, expected) in [
            (Handled::from(()), json!({"lease": "l", "outcome": "done"})),
            (Handled::from(json!(5)), json!({"lease": "l", "outcome": "done", "result": 5})),
            (Handled::dead("no"), json!({"lease": "l", "outcome": "dead", "reason": "no"})),
            (
                Handled::retry_after(Duration::from_secs(1), "later"),
                json!({"lease": "l", "outcome": "retry", "reason": "later", "delay_ms": 1000}),
            ),
            (Handled::Release, json!({"lease": "l", "outcome": "release"})),
        ] {
            assert_eq!(serde_json::to_value(handled.item("l")).unwrap(), expected);
        }
    }
}
