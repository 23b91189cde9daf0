//! A sender that gathers messages: one request for many of them.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{Error, Message, Queue, Receipt};

/// When a [`BufferedSender`] sends what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferOptions {
    /// When it has so many messages. Default: 100.
    pub count: usize,
    /// When the first of them has waited so long. Default: 5 ms.
    pub time: Duration,
    /// Messages that may wait to be gathered; one more waits in [`BufferedSender::send`]. Default: 1,000.
    pub waiting: usize,
}

impl Default for BufferOptions {
    fn default() -> Self {
        Self { count: 100, time: Duration::from_millis(5), waiting: 1000 }
    }
}

struct Waiting {
    message: Message,
    reply: oneshot::Sender<Result<Receipt, Error>>,
}

enum Entry {
    Message(Box<Waiting>),
    Flush(oneshot::Sender<()>),
}

/// Gathers messages and sends them together. Their order stays. Dropping it sends what it has.
///
/// ```no_run
/// # async fn example(jobs: anteroom::client::Queue) -> Result<(), anteroom::client::Error> {
/// use anteroom::client::{BufferOptions, Message};
///
/// let sender = jobs.buffered(BufferOptions::default());
/// let mut sent = Vec::new();
/// for page in 0..10_000 {
///     sent.push(sender.send(Message::json(&page)?).await?);
/// }
/// for receipt in sent {
///     receipt.await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct BufferedSender {
    entries: mpsc::Sender<Entry>,
}

/// What becomes of a message that was given to a [`BufferedSender`]: its receipt, when it is in the queue.
#[derive(Debug)]
pub struct Sending(oneshot::Receiver<Result<Receipt, Error>>);

impl Future for Sending {
    type Output = Result<Receipt, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|result| result.unwrap_or_else(|_| Err(gone())))
    }
}

fn gone() -> Error {
    Error::Closed { may_have_happened: true, reason: "the sender is gone".to_owned() }
}

impl BufferedSender {
    pub(super) fn start(queue: &Queue, options: BufferOptions) -> Self {
        let (entries, waiting) = mpsc::channel(options.waiting.max(1));
        tokio::spawn(gather(queue.clone(), options, waiting));
        Self { entries }
    }

    /// Adds a message; waits while there is no room. The receipt comes later.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn send(&self, message: impl Into<Message>) -> Result<Sending, Error> {
        let (reply, answer) = oneshot::channel();
        let waiting = Box::new(Waiting { message: message.into(), reply });
        self.entries.send(Entry::Message(waiting)).await.map_err(|_| gone())?;
        Ok(Sending(answer))
    }

    /// Sends what it has, and waits until that is answered.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn flush(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.entries.send(Entry::Flush(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

async fn gather(queue: Queue, options: BufferOptions, mut entries: mpsc::Receiver<Entry>) {
    let limit = queue.client().link.limits().items_per_request;
    let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(1000);
    let most = options.count.clamp(1, limit);
    while let Some(entry) = entries.recv().await {
        let mut batch = Vec::new();
        let mut flushes = Vec::new();
        let end = tokio::time::sleep(options.time);
        tokio::pin!(end);
        let mut next = Some(entry);
        loop {
            match next.take() {
                Some(Entry::Message(waiting)) => batch.push(*waiting),
                Some(Entry::Flush(reply)) => flushes.push(reply),
                None => break,
            }
            if batch.len() >= most || !flushes.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                entry = entries.recv() => next = entry,
                () = &mut end => break,
            }
        }
        send(&queue, batch).await;
        for reply in flushes {
            let _ = reply.send(());
        }
    }
}

/// Sends a batch and tells everybody what came of it. One batch after the other, so that the order stays.
async fn send(queue: &Queue, batch: Vec<Waiting>) {
    let (messages, replies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|waiting| (waiting.message, waiting.reply)).unzip();
    match queue.send_batch(&messages).await {
        Ok(receipts) => {
            for (reply, receipt) in replies.into_iter().zip(receipts) {
                let _ = reply.send(Ok(receipt));
            }
        }
        // A batch is refused as a whole; which message it was for, only each alone can tell.
        Err(Error::Server(error)) if messages.len() > 1 && !error.may_have_happened => {
            for (message, reply) in messages.into_iter().zip(replies) {
                let _ = reply.send(queue.send_message(message).await);
            }
        }
        Err(error) => {
            for reply in replies {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}
