//! Taking messages: how they are asked for, and what is done with them.

use std::{ops::Deref, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{At, Body, Error, Info, Labels, Queue, message::Wire, time::millis};

/// What ends a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lease {
    /// Its time.
    Timed,
    /// Its time or the end of the session, whichever comes first.
    Bound,
    /// The end of the session.
    Session,
    /// There is none: the message is done when it is handed out, and lost if it does not arrive.
    None,
}

/// Where a group begins that is not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At the first message that is kept.
    All,
    /// At the next message to be sent.
    New,
    /// At the first message that was sent at this moment or later.
    At(At),
}

impl Serialize for From {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::New => serializer.serialize_str("new"),
            Self::At(at) => serializer.serialize_u64(at.0),
        }
    }
}

/// Which messages are taken, and how. The default takes one message of the work group and does not wait.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Receive {
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease: Option<Lease>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<From>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<u32>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    create: Option<bool>,
}

impl Receive {
    /// One message of the work group, without waiting.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Up to so many messages.
    #[must_use]
    pub fn max(mut self, messages: u32) -> Self {
        self.max = Some(messages);
        self
    }

    /// Waits so long for the first one.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait_ms = Some(millis(wait));
        self
    }

    /// How long the lease lasts, instead of as the queue says.
    #[must_use]
    pub fn lease(mut self, length: Duration) -> Self {
        self.lease_ms = Some(millis(length));
        self
    }

    /// What ends the lease. Default: [`Lease::Bound`].
    #[must_use]
    pub fn lease_kind(mut self, lease: Lease) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Of this group, which is made if it is not there.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.group = Some(name.into());
        self
    }

    /// Where the group begins if it is not there.
    #[must_use]
    pub fn from(mut self, from: From) -> Self {
        self.from = Some(from);
        self
    }

    /// Of this partition.
    #[must_use]
    pub fn partition(mut self, name: impl Into<String>) -> Self {
        self.partition = Some(name.into());
        self
    }

    /// Whole partitions, at most so many: nobody else gets messages of them until they are settled.
    #[must_use]
    pub fn partitions(mut self, most: u32) -> Self {
        self.partitions = Some(most);
        self
    }

    /// With this label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Whether the queue is made if it is not there. Default: yes.
    #[must_use]
    pub fn create(mut self, is: bool) -> Self {
        self.create = Some(is);
        self
    }

    pub(super) fn wait_length(&self) -> Option<Duration> {
        self.wait_ms.filter(|wait| *wait > 0).map(Duration::from_millis)
    }

    /// Whether messages of a session that ended come back by themselves, so that asking again is safe.
    pub(super) fn is_tied_to_session(&self) -> bool {
        matches!(self.lease, None | Some(Lease::Bound | Lease::Session))
    }

    /// The same without what a subscription has not.
    pub(super) fn standing(mut self) -> Self {
        self.max = None;
        self.wait_ms = None;
        self.partitions = None;
        self
    }
}

/// How a delivery ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The work is done.
    Done,
    /// It failed; again after a while, until it was tried often enough.
    Retry,
    /// It failed for good.
    Dead,
    /// It was not begun; somebody else at once.
    Release,
    /// The message is removed.
    Cancel,
}

/// The end of one delivery.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    lease: String,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Item {
    /// Ends this lease so.
    #[must_use]
    pub fn new(lease: impl Into<String>, outcome: Outcome) -> Self {
        Self { lease: lease.into(), outcome, result: None, delay_ms: None, reason: None }
    }

    /// What came of it; only with [`Outcome::Done`].
    ///
    /// # Errors
    /// [`Error::Invalid`] if it cannot be written as JSON.
    pub fn result(mut self, result: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        self.result = Some(serde_json::value::to_raw_value(result)?);
        Ok(self)
    }

    /// Why it failed.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// When it is tried again, instead of as the queue says.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay_ms = Some(millis(delay));
        self
    }

    pub(super) fn raw_result(mut self, result: Option<Box<RawValue>>) -> Self {
        self.result = result;
        self
    }
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// `done`, `back`, `dead`, `dropped`, `cancelled`, or `lost`: the lease had ended before.
    pub status: String,
    /// When the message is ready again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
}

impl Settled {
    /// Whether the lease had ended before, so that nothing happened: somebody else has or had the message.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.status == "lost"
    }
}

/// A message that is ours until it is settled, or its lease ends. Dropping it settles nothing.
#[derive(Debug)]
#[must_use = "a message that is not settled comes back when its lease ends"]
pub struct Received {
    info: Info,
    lease: Option<String>,
    queue: Queue,
    epoch: u64,
}

impl Deref for Received {
    type Target = Info;

    fn deref(&self) -> &Info {
        &self.info
    }
}

impl Received {
    pub(super) fn new(mut wire: Wire, queue: &Queue, epoch: u64) -> Result<Self, Error> {
        let lease = wire.lease.take();
        Ok(Self { info: wire.into_info()?, lease, queue: queue.clone(), epoch })
    }

    /// To settle it with; none if it is done already.
    #[must_use]
    pub fn lease(&self) -> Option<&str> {
        self.lease.as_deref()
    }

    /// The queue that it is from.
    #[must_use]
    pub const fn queue(&self) -> &Queue {
        &self.queue
    }

    /// What is known of it.
    #[must_use]
    pub const fn info(&self) -> &Info {
        &self.info
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The work is done.
    ///
    /// # Errors
    /// [`Error`]. A lease that had ended is no error, see [`Settled::is_lost`].
    pub async fn done(self) -> Result<Settled, Error> {
        self.end(Outcome::Done, |item| item).await
    }

    /// The work is done, and this came of it: whoever sent the message can ask for it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn done_with(self, result: &(impl Serialize + ?Sized)) -> Result<Settled, Error> {
        let result = match Body::json(result)? {
            Body::Json(json) => Some(json),
            Body::Bytes { .. } => None,
        };
        self.end(Outcome::Done, |item| item.raw_result(result)).await
    }

    /// It failed: again after as long as the queue says.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn retry(self, reason: impl Into<String>) -> Result<Settled, Error> {
        self.end(Outcome::Retry, |item| item.reason(reason)).await
    }

    /// It failed: again after this time.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn retry_after(
        self,
        delay: Duration,
        reason: impl Into<String>,
    ) -> Result<Settled, Error> {
        self.end(Outcome::Retry, |item| item.reason(reason).delay(delay)).await
    }

    /// It failed for good: it becomes a dead letter.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn dead(self, reason: impl Into<String>) -> Result<Settled, Error> {
        self.end(Outcome::Dead, |item| item.reason(reason)).await
    }

    /// It was not begun: somebody else gets it, and no failure is counted.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn release(self) -> Result<Settled, Error> {
        self.end(Outcome::Release, |item| item).await
    }

    /// It is removed from the queue.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn cancel(self) -> Result<Settled, Error> {
        self.end(Outcome::Cancel, |item| item).await
    }

    /// Keeps it longer: its lease ends so long from now on. None: the lease had ended before.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn extend(&self, by: Duration) -> Result<Option<At>, Error> {
        let Some(lease) = &self.lease else { return Ok(None) };
        Ok(self.queue.extend([lease.as_str()], Some(by)).await?.into_iter().next().flatten())
    }

    async fn end(self, outcome: Outcome, say: impl FnOnce(Item) -> Item) -> Result<Settled, Error> {
        let Some(lease) = self.lease else {
            return Ok(Settled { status: "done".to_owned(), at: None });
        };
        let results = self.queue.settle(vec![say(Item::new(lease, outcome))]).await?;
        results
            .into_iter()
            .next()
            .ok_or_else(|| Error::Invalid("the server does not say what became of it".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn what_is_asked_for_has_the_names_of_the_wire() {
        let receive = Receive::new()
            .max(5)
            .wait(Duration::from_secs(2))
            .lease(Duration::from_secs(1))
            .lease_kind(Lease::Timed)
            .group("g")
            .from(From::At(At(7)))
            .label("a", "b");
        assert!(!receive.is_tied_to_session());
        assert_eq!(
            to_value(&receive).unwrap(),
            json!({"max": 5, "wait_ms": 2000, "lease_ms": 1000, "lease": "timed", "group": "g",
                "from": 7, "labels": {"a": "b"}})
        );
        assert_eq!(
            to_value(Receive::new().wait(Duration::ZERO).from(From::New).standing()).unwrap(),
            json!({"from": "new"})
        );
        let item = Item::new("l", Outcome::Retry).reason("r").delay(Duration::from_millis(5));
        assert_eq!(
            to_value(item).unwrap(),
            json!({"lease": "l", "outcome": "retry", "delay_ms": 5, "reason": "r"})
        );
    }
}
