//! Consuming: a handler is called for each message, and what it returns settles it.

use std::{fmt::Display, sync::Arc, time::Duration};

use serde_json::value::RawValue;
use tokio::{
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

use super::{Body, Error, Item, Outcome, Queue, Receive, Received};

/// How messages are consumed.
#[derive(Debug, Clone)]
pub struct Consume {
    concurrency: u32,
    prefetch: u32,
    lease: Duration,
    grace: Duration,
    receive: Receive,
}

impl Default for Consume {
    fn default() -> Self {
        Self {
            concurrency: 1,
            prefetch: 0,
            lease: Duration::from_secs(30),
            grace: Duration::from_secs(30),
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
        let receive = options.receive.clone().lease(options.lease);
        let subscription = queue.subscribe(credit, receive).await?;
        let (stopping, is_stopping) = watch::channel(false);
        let task = tokio::spawn(work(subscription, options, handler, is_stopping));
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

    /// Waits until the consumer ends by itself: the queue was closed or deleted, or the client was.
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
                    running.spawn(async move {
                        handle(message, options.lease, &*handler).await;
                        drop(permit);
                    });
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            },
        }
    };
    // Nothing more comes, and what came and was not begun is given back.
    drop(subscription);
    let rest = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(options.grace, rest).await.is_err() {
        running.shutdown().await;
    }
    result
}

/// One message, from its handler to its end.
async fn handle<H, F, T, E>(message: Received, lease_length: Duration, handler: &H)
where
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
