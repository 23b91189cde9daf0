//! Looking at queues and managing them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    At, Error, Explanation, From, Inspection, Item, Labels, Message, Queue, Receipt, Settings,
    SettingsInForce, Settled, State, View, link::How, message::Wire, time::millis,
};

/// Which messages of a queue.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Filter {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    states: Vec<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_before: Option<At>,
}

impl Filter {
    /// All of them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// In one of these states.
    #[must_use]
    pub fn states(mut self, states: impl IntoIterator<Item = State>) -> Self {
        self.states.extend(states);
        self
    }

    /// Of this partition.
    #[must_use]
    pub fn partition(mut self, name: impl Into<String>) -> Self {
        self.partition = Some(name.into());
        self
    }

    /// Of this kind.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.r#type = Some(kind.into());
        self
    }

    /// With this label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Dead, and this text is part of the reason.
    #[must_use]
    pub fn reason(mut self, part: impl Into<String>) -> Self {
        self.reason = Some(part.into());
        self
    }

    /// Sent before this moment.
    #[must_use]
    pub fn sent_before(mut self, at: impl Into<At>) -> Self {
        self.sent_before = Some(at.into());
        self
    }
}

/// A part of what is in a queue.
#[derive(Debug, Clone)]
pub struct Page {
    /// The messages, by position.
    pub messages: Vec<View>,
    /// Where to go on; none: this was the end.
    pub next: Option<String>,
}

/// What is done to messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// They are removed, for all groups.
    Cancel,
    /// Delayed ones are ready at once.
    Promote,
    /// Dead ones are ready again, with no failures counted.
    Redrive {
        /// One after the other, so many per second.
        per_second: Option<u32>,
    },
    /// They are given up.
    Bury {
        /// Why.
        reason: Option<String>,
    },
}

/// What was changed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// So many messages.
    pub count: u64,
    /// The first 1,000 of them.
    #[serde(default)]
    pub ids: Vec<String>,
}

/// To which messages something is done.
#[derive(Debug, Clone)]
pub enum Which {
    /// Those with these ids.
    Ids(Vec<String>),
    /// Those that match, at most so many.
    Filter(Filter, Option<u64>),
}

/// Where a group goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeekTo {
    /// To the first message that is kept.
    Start,
    /// Past the last one.
    End,
    /// To the first one that was sent at this moment or later.
    At(At),
}

impl Serialize for SeekTo {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Start => serializer.serialize_str("start"),
            Self::End => serializer.serialize_str("end"),
            Self::At(at) => serializer.serialize_u64(at.0),
        }
    }
}

/// When and what a schedule sends.
///
/// ```
/// use anteroom::client::{Message, Schedule};
/// # fn main() -> Result<(), anteroom::client::Error> {
/// let report = Message::json(&serde_json::json!({"report": "daily"}))?;
/// let schedule = Schedule::cron("0 7 * * MON-FRI", "Europe/Berlin", report).catch_up_once();
/// # drop(schedule); Ok(()) }
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct Schedule {
    #[serde(skip_serializing_if = "Option::is_none")]
    every_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<At>,
    message: Message,
    #[serde(skip_serializing_if = "Option::is_none")]
    catch_up: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    paused: bool,
}

impl Schedule {
    const fn of(message: Message) -> Self {
        let (every_ms, cron, zone, at) = (None, None, None, None);
        Self { every_ms, cron, zone, at, message, catch_up: None, paused: false }
    }

    /// Every so often, counted from now.
    #[must_use]
    pub fn every(length: Duration, message: impl Into<Message>) -> Self {
        Self { every_ms: Some(millis(length)), ..Self::of(message.into()) }
    }

    /// As a cron expression of 5 fields (or 6, with seconds first) says, in a time zone like
    /// `Europe/Berlin` or `UTC`.
    #[must_use]
    pub fn cron(
        expression: impl Into<String>,
        zone: impl Into<String>,
        message: impl Into<Message>,
    ) -> Self {
        Self { cron: Some(expression.into()), zone: Some(zone.into()), ..Self::of(message.into()) }
    }

    /// Once.
    #[must_use]
    pub fn at(at: impl Into<At>, message: impl Into<Message>) -> Self {
        Self { at: Some(at.into()), ..Self::of(message.into()) }
    }

    /// After an absence of the server, one message is sent for all that were missed.
    #[must_use]
    pub fn catch_up_once(mut self) -> Self {
        self.catch_up = Some("once");
        self
    }

    /// It stands still at first.
    #[must_use]
    pub fn paused(mut self) -> Self {
        self.paused = true;
        self
    }
}

#[derive(Deserialize)]
struct Nothing {}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

#[derive(Deserialize)]
struct Configured {
    settings: SettingsInForce,
}

#[derive(Deserialize)]
struct Next {
    next_at: Option<At>,
}

impl Queue {
    /// Makes the queue with these settings, or opens it again.
    ///
    /// # Errors
    /// [`Error`]; `queue_exists` if it is open, unless the server was told that this is no error.
    pub async fn open(&self, settings: Settings) -> Result<SettingsInForce, Error> {
        let fields = if settings.is_empty() { json!({}) } else { json!({ "settings": settings }) };
        Ok(self.ask::<Configured>("open", &fields, How::ONCE).await?.settings)
    }

    /// Makes the queue with these settings if it is not there, else changes them.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn configure(&self, settings: Settings) -> Result<SettingsInForce, Error> {
        let fields = json!({ "settings": settings });
        Ok(self.ask::<Configured>("configure", &fields, How::ONCE).await?.settings)
    }

    /// Puts back all settings to their defaults but these.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn configure_anew(&self, settings: Settings) -> Result<SettingsInForce, Error> {
        let fields = json!({ "settings": settings, "replace": true });
        Ok(self.ask::<Configured>("configure", &fields, How::ONCE).await?.settings)
    }

    /// All there is to see of the queue, its messages left out.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn inspect(&self) -> Result<Inspection, Error> {
        self.ask("inspect", &json!({}), How::READ).await
    }

    /// Why nothing moves.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn explain(&self, group: Option<&str>) -> Result<Explanation, Error> {
        self.ask("explain", &grouped(group, json!({})), How::READ).await
    }

    /// Sends and receives are refused from now on; what is in the queue stays.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn close(&self) -> Result<(), Error> {
        self.ask::<Nothing>("close", &json!({}), How::ONCE).await.map(drop)
    }

    /// Nothing is handed out until it is resumed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn pause(&self) -> Result<(), Error> {
        self.ask::<Nothing>("pause", &json!({}), How::ONCE).await.map(drop)
    }

    /// Messages are handed out again.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn resume(&self) -> Result<(), Error> {
        self.ask::<Nothing>("resume", &json!({}), How::ONCE).await.map(drop)
    }

    /// Removes the ready messages of the work group; says how many.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn drain(&self) -> Result<u64, Error> {
        Ok(self.ask::<Count>("drain", &json!({}), How::ONCE).await?.count)
    }

    /// Removes the messages in these states; says how many.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn purge(&self, states: &[State], group: Option<&str>) -> Result<u64, Error> {
        let fields = grouped(group, json!({ "states": states }));
        Ok(self.ask::<Count>("purge", &fields, How::ONCE).await?.count)
    }

    /// Removes the queue with all that is in it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete(&self) -> Result<(), Error> {
        self.ask::<Nothing>("delete", &json!({}), How::ONCE).await.map(drop)
    }

    /// Looks at messages without taking them: those after a position, at most `limit`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn browse(
        &self,
        filter: &Filter,
        group: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page, Error> {
        #[derive(Deserialize)]
        struct Found {
            messages: Vec<Wire>,
            next: Option<String>,
        }
        let mut fields = grouped(group, serde_json::to_value(filter)?);
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("limit".to_owned(), limit.into());
            if let Some(after) = after {
                fields.insert("after".to_owned(), after.into());
            }
        }
        let found: Found = self.ask("browse", &fields, How::READ).await?;
        let messages = found.messages.into_iter().map(Wire::into_view).collect::<Result<_, _>>()?;
        Ok(Page { messages, next: found.next })
    }

    /// One message by its id.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn find(&self, id: &str, group: Option<&str>) -> Result<View, Error> {
        self.ask::<Wire>("find", &grouped(group, json!({ "message": id })), How::READ)
            .await?
            .into_view()
    }

    /// Does something to messages, or says to how many it would be done.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn change(
        &self,
        action: Action,
        which: Which,
        group: Option<&str>,
        is_dry_run: bool,
    ) -> Result<Changed, Error> {
        let mut fields = match which {
            Which::Ids(ids) => json!({ "ids": ids }),
            Which::Filter(filter, None) => json!({ "filter": filter }),
            Which::Filter(filter, Some(limit)) => json!({ "filter": filter, "limit": limit }),
        };
        if let Some(fields) = fields.as_object_mut() {
            let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
            match action {
                Action::Cancel => set("action", "cancel".into()),
                Action::Promote => set("action", "promote".into()),
                Action::Redrive { per_second } => {
                    set("action", "redrive".into());
                    if let Some(per_second) = per_second {
                        set("per_second", per_second.into());
                    }
                }
                Action::Bury { reason } => {
                    set("action", "bury".into());
                    if let Some(reason) = reason {
                        set("reason", reason.into());
                    }
                }
            }
            if is_dry_run {
                set("dry_run", true.into());
            }
        }
        let how = if is_dry_run { How::READ } else { How::ONCE };
        self.ask("change", &grouped(group, fields), how).await
    }

    /// Makes a group that begins there.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn open_group(&self, group: &str, from: Option<From>) -> Result<(), Error> {
        let fields = match from {
            Some(from) => json!({ "group": group, "from": from }),
            None => json!({ "group": group }),
        };
        self.ask::<Nothing>("group_open", &fields, How::ONCE).await.map(drop)
    }

    /// Removes a group.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_group(&self, group: &str) -> Result<(), Error> {
        self.ask::<Nothing>("group_delete", &json!({ "group": group }), How::ONCE).await.map(drop)
    }

    /// Moves a group, so that it gets messages again or not at all.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn seek(
        &self,
        group: Option<&str>,
        partition: Option<&str>,
        to: SeekTo,
    ) -> Result<(), Error> {
        let mut fields = json!({ "to": to });
        if let (Some(partition), Some(fields)) = (partition, fields.as_object_mut()) {
            fields.insert("partition".to_owned(), partition.into());
        }
        self.ask::<Nothing>("seek", &grouped(group, fields), How::ONCE).await.map(drop)
    }

    /// Makes a schedule or replaces it; says when it sends next.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn put_schedule(&self, name: &str, schedule: &Schedule) -> Result<Option<At>, Error> {
        #[derive(Serialize)]
        struct Put<'a> {
            name: &'a str,
            #[serde(flatten)]
            schedule: &'a Schedule,
        }
        let fields = Put { name, schedule };
        Ok(self.ask::<Next>("schedule_put", &fields, How::ONCE).await?.next_at)
    }

    /// Removes a schedule.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_schedule(&self, name: &str) -> Result<(), Error> {
        self.ask::<Nothing>("schedule_delete", &json!({ "name": name }), How::ONCE).await.map(drop)
    }

    /// Stops a schedule until it is resumed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn pause_schedule(&self, name: &str) -> Result<Option<At>, Error> {
        Ok(self.ask::<Next>("schedule_pause", &json!({ "name": name }), How::ONCE).await?.next_at)
    }

    /// Lets a schedule go on; says when it sends next.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn resume_schedule(&self, name: &str) -> Result<Option<At>, Error> {
        Ok(self.ask::<Next>("schedule_resume", &json!({ "name": name }), How::ONCE).await?.next_at)
    }

    /// Sends a schedule's message now.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn fire_schedule(&self, name: &str) -> Result<Receipt, Error> {
        self.ask("schedule_fire", &json!({ "name": name }), How::ONCE).await
    }
}

fn grouped(group: Option<&str>, mut fields: Value) -> Value {
    if let (Some(group), Some(fields)) = (group, fields.as_object_mut()) {
        fields.insert("group".to_owned(), group.into());
    }
    fields
}

/// Changes in several queues that happen together or not at all: messages are settled and others sent.
///
/// ```no_run
/// # async fn example(room: anteroom::client::Client) -> Result<(), anteroom::client::Error> {
/// use anteroom::client::{Item, Message, Outcome, Transaction};
///
/// let job = room.queue("in").receive().await?;
/// let lease = job.lease().unwrap_or_default();
/// let transaction = Transaction::new()
///     .settle("in", Item::new(lease, Outcome::Done))
///     .send("out", Message::json(&"the next step")?);
/// room.transact(&transaction).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, Serialize)]
pub struct Transaction {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Serialize)]
struct Part {
    queue: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settle: Vec<Item>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    send: Vec<Message>,
}

impl Transaction {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends this lease.
    #[must_use]
    pub fn settle(mut self, queue: impl Into<String>, item: Item) -> Self {
        self.part(queue.into()).settle.push(item);
        self
    }

    /// Sends this message.
    #[must_use]
    pub fn send(mut self, queue: impl Into<String>, message: impl Into<Message>) -> Self {
        self.part(queue.into()).send.push(message.into());
        self
    }

    fn part(&mut self, queue: String) -> &mut Part {
        let at = self.parts.iter().position(|part| part.queue == queue).unwrap_or_else(|| {
            self.parts.push(Part { queue, settle: Vec::new(), send: Vec::new() });
            self.parts.len() - 1
        });
        &mut self.parts[at]
    }
}

/// What a transaction did in one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartDone {
    /// The queue.
    pub queue: String,
    /// What became of the leases.
    #[serde(default)]
    pub settled: Vec<Settled>,
    /// The messages that were sent.
    #[serde(default)]
    pub sent: Vec<Receipt>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Outcome;

    #[test]
    fn a_schedule_keeps_its_message_as_it_is() {
        let message = Message::raw("{\"b\" : 1.0}").unwrap();
        let schedule = Schedule::cron("0 7 * * *", "UTC", message).catch_up_once();
        assert_eq!(
            serde_json::to_string(&schedule).unwrap(),
            r#"{"cron":"0 7 * * *","zone":"UTC","message":{"body":{"b" : 1.0}},"catch_up":"once"}"#
        );
    }

    #[test]
    fn a_transaction_has_one_part_per_queue() {
        let transaction = Transaction::new()
            .settle("a", Item::new("l", Outcome::Done))
            .send("b", Message::raw("1").unwrap())
            .send("a", Message::raw("2").unwrap());
        assert_eq!(
            serde_json::to_string(&transaction).unwrap(),
            concat!(
                r#"{"parts":[{"queue":"a","settle":[{"lease":"l","outcome":"done"}],"#,
                r#""send":[{"body":2}]},{"queue":"b","send":[{"body":1}]}]}"#
            )
        );
    }

    #[test]
    fn a_filter_says_only_what_is_asked() {
        assert_eq!(serde_json::to_string(&Filter::new()).unwrap(), "{}");
        let filter = Filter::new().states([State::Dead]).reason("time").sent_before(9);
        assert_eq!(
            serde_json::to_value(&filter).unwrap(),
            json!({"states": ["dead"], "reason": "time", "sent_before": 9})
        );
    }
}
