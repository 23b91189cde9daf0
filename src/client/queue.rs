//! A queue: sending, receiving, settling.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    At, Body, BufferOptions, BufferedSender, Client, Consume, Consumer, Error, Handled, Item,
    Message, Receipt, Receive, Received, Settled, Subscription, View, Watch, link::How,
    message::Wire, time::millis,
};

/// A queue of the room, by name; it need not be there. Cloning is cheap.
#[derive(Clone)]
pub struct Queue {
    client: Client,
    name: Arc<str>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Queue").field(&self.name).finish()
    }
}

impl Queue {
    pub(super) fn new(client: &Client, name: &str) -> Self {
        Self { client: client.clone(), name: Arc::from(name) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The room that it is in.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    pub(super) async fn ask<T: for<'a> Deserialize<'a>>(
        &self,
        op: &str,
        fields: &(impl Serialize + ?Sized),
        how: How,
    ) -> Result<T, Error> {
        let answer = self.client.link.call(op, Some(&self.name), fields, how).await?;
        Ok(serde_json::from_str(answer.get())?)
    }

    /// Sends any value that can be written as JSON, with nothing more said about it.
    ///
    /// # Errors
    /// [`Error`]. If [it may have happened](Error::may_have_happened), send it again only with a
    /// [key](Message::key).
    pub async fn send(&self, body: &(impl Serialize + ?Sized)) -> Result<Receipt, Error> {
        self.send_message(Message::json(body)?).await
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn send_message(&self, message: impl Into<Message>) -> Result<Receipt, Error> {
        self.ask("send", &message.into(), How::ONCE).await
    }

    /// Sends messages, all of them or none.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn send_batch(&self, messages: &[Message]) -> Result<Vec<Receipt>, Error> {
        #[derive(Serialize)]
        struct Batch<'a> {
            messages: &'a [Message],
        }
        #[derive(Deserialize)]
        struct Receipts {
            messages: Vec<Receipt>,
        }
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let receipts: Receipts = self.ask("send", &Batch { messages }, How::ONCE).await?;
        Ok(receipts.messages)
    }

    /// A sender that gathers messages and sends them together. Needs a tokio runtime.
    #[must_use]
    pub fn buffered(&self, options: BufferOptions) -> BufferedSender {
        BufferedSender::start(self, options)
    }

    /// Takes one message if one is ready.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn try_receive(&self) -> Result<Option<Received>, Error> {
        Ok(self.receive_with(&Receive::new()).await?.into_iter().next())
    }

    /// Takes one message; waits until there is one. Dropping the future ends the wait, and nothing is lost.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn receive(&self) -> Result<Received, Error> {
        const WAIT: Duration = Duration::from_secs(60);
        loop {
            let messages = self.receive_with(&Receive::new().wait(WAIT)).await?;
            if let Some(message) = messages.into_iter().next() {
                return Ok(message);
            }
        }
    }

    /// Takes messages, as told. Dropping the future ends the wait, and nothing is lost.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn receive_with(&self, receive: &Receive) -> Result<Vec<Received>, Error> {
        #[derive(Deserialize)]
        struct Messages {
            messages: Vec<Wire>,
        }
        let how = How {
            waits: receive.wait_length(),
            is_repeatable: receive.is_tied_to_session(),
            takes: true,
        };
        let epoch = self.client.link.board.epoch();
        let Messages { messages } = self.ask("receive", receive, how).await?;
        messages.into_iter().map(|wire| Received::new(wire, self, epoch)).collect()
    }

    /// Lets messages come by themselves, while fewer than `credit` are unsettled.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn subscribe(&self, credit: u32, receive: Receive) -> Result<Subscription, Error> {
        Subscription::open(self, credit, receive).await
    }

    /// Calls `handler` for each message, for several at the same time, and settles them by what it returns:
    /// see [`Consume`].
    ///
    /// # Errors
    /// [`Error`].
    pub async fn consume<H, F, T, E>(&self, options: Consume, handler: H) -> Result<Consumer, Error>
    where
        H: Fn(Arc<Received>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Handled> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        Consumer::start(self, options, handler).await
    }

    /// Ends leases, each in its way.
    ///
    /// # Errors
    /// [`Error`]. A lease that had ended is no error, see [`Settled::is_lost`].
    pub async fn settle(&self, items: Vec<Item>) -> Result<Vec<Settled>, Error> {
        #[derive(Serialize)]
        struct Items {
            items: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Results {
            results: Vec<Settled>,
        }
        let results: Results = self.ask("settle", &Items { items }, How::ONCE).await?;
        Ok(results.results)
    }

    /// Keeps leases longer: they end so long from now on, or as the queue says. Says when; none: the lease
    /// had ended, or has no time.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn extend(
        &self,
        leases: impl IntoIterator<Item = impl Into<String>>,
        by: Option<Duration>,
    ) -> Result<Vec<Option<At>>, Error> {
        #[derive(Serialize)]
        struct Extend {
            leases: Vec<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            by_ms: Option<u64>,
        }
        #[derive(Deserialize)]
        struct Extended {
            until: Vec<Option<At>>,
        }
        let leases = leases.into_iter().map(Into::into).collect();
        let fields = Extend { leases, by_ms: by.map(millis) };
        // Twice is as good as once.
        Ok(self.ask::<Extended>("extend", &fields, How::READ).await?.until)
    }

    /// Waits until a message is done, given up or gone, and says how it ended. None: it is none of these
    /// after `wait`.
    ///
    /// ```no_run
    /// # async fn example(jobs: anteroom::client::Queue) -> Result<(), anteroom::client::Error> {
    /// let receipt = jobs.send(&serde_json::json!({"square": 7})).await?;
    /// let wait = std::time::Duration::from_secs(10);
    /// if let Some(end) = jobs.await_result(&receipt.id, wait).await? {
    ///     println!("{:?}: {:?}", end.state, end.result);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error`]. `message_not_found` if the queue does not know it: one that is done is forgotten at once
    /// unless the setting `retain_settled` says otherwise.
    pub async fn await_result(&self, id: &str, wait: Duration) -> Result<Option<View>, Error> {
        use super::State;
        let fields = serde_json::json!({"message": id, "wait_ms": millis(wait)});
        let how = How { waits: Some(wait), is_repeatable: true, takes: false };
        let answer = self.client.link.call("await", Some(&self.name), &fields, how).await?;
        let view = View::parse(answer.get())?;
        Ok(matches!(view.state, State::Done | State::Dead).then_some(view))
    }

    /// Sends a message, waits for what comes of it, and returns that: a call by way of a queue.
    ///
    /// # Errors
    /// [`Error`]; [`Error::GivenUp`] if the message became a dead letter, [`Error::TimedOut`] if it is still under
    /// way after `wait`.
    pub async fn request(
        &self,
        message: impl Into<Message>,
        wait: Duration,
    ) -> Result<Option<Body>, Error> {
        let receipt = self.send_message(message).await?;
        let view = self
            .await_result(&receipt.id, wait)
            .await?
            .ok_or(Error::TimedOut { may_have_happened: true })?;
        if view.state == super::State::Dead {
            let reason = view.reason.unwrap_or_else(|| "no reason was given".to_owned());
            return Err(Error::GivenUp { reason });
        }
        Ok(view.result)
    }

    /// What happens to this queue, as it happens.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn watch(&self) -> Result<Watch, Error> {
        Watch::open(&self.client, Some(&self.name)).await
    }
}
