//! Popping: partitions as a whole, under one lease.

use serde_json::json;

use super::{
    Call, group, name, nothing,
    options::{NAMESPACE, TASK, pushed_settings},
    show_group, value,
};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{
        Command, Create, Delivered, Operation, Outcome, Park, QueueOutcome, Start, Take, Term, Unit,
    },
    types::{GroupName, Millis, PartitionKey, QueueName},
    wire::{
        Writer,
        queen::{LeaseName, MessageName, PartitionName, time},
    },
};

/// A pop waits no longer than this.
pub const WAIT_MAX: Millis = Millis::from_secs(120);

/// A pop that waits and does not say how long.
const WAIT: i64 = 30_000;

/// A pop that is under way.
#[derive(Debug)]
pub struct Pop {
    group: Option<GroupName>,
    /// Whether the queue stands in the path.
    names_queue: bool,
    /// Of each partition the newest message alone was asked for.
    newest: bool,
}

/// What is to be taken, by the query.
fn take(call: &Call, partition: Option<PartitionKey>) -> Result<Take, Error> {
    let query = &call.query;
    let at_least_one = |number: i64| u32::try_from(number).ok().filter(|number| *number > 0);
    let max = query.number("batch").and_then(at_least_one).unwrap_or(1);
    let partitions = match query.number("partitions") {
        Some(number) => at_least_one(number).unwrap_or(u32::MAX),
        None => 1,
    };
    let term = match query.number("leaseSeconds").filter(|seconds| *seconds > 0) {
        _ if query.is_on("autoAck") => Term::Auto,
        seconds => {
            let length = seconds.and_then(|it| u64::try_from(it).ok()).map(Millis::from_secs);
            Term::Timed { length, bound: false }
        }
    };
    let group = group(query.text("consumerGroup"))?;
    let newest = query.is_on("conflation");
    if newest && (group.is_none() || term == Term::Auto) {
        let text = "conflation needs a consumer group, and acks: it goes neither without the one nor with autoAck";
        return Err(Error::new(ErrorCode::InvalidRequest, text));
    }
    let unit = match newest {
        true => Unit::Newest { max: partitions },
        false => Unit::Partition { max: partitions },
    };
    let park = match query.is_on("wait") {
        true => {
            let wait = u64::try_from(query.number("timeout").unwrap_or(WAIT)).unwrap_or(0);
            Park::Until(Some(call.now.after(Millis(wait).min(WAIT_MAX))))
        }
        false => Park::No,
    };
    Ok(Take {
        group,
        start: start(call),
        partition,
        unit,
        max: u32::try_from(call.items_max).map_or(max, |most| max.min(most)),
        term,
        labels: Vec::new(),
        park,
    })
}

/// Where a group begins that is met for the first time.
fn start(call: &Call) -> Start {
    let from = call.query.text("subscriptionFrom");
    let mode = call.query.text("subscriptionMode");
    if from == Some("now") {
        return Start::New;
    }
    match from.and_then(time::read) {
        Some(at) => Start::From(at),
        None if matches!(mode, Some("new" | "new-only")) => Start::New,
        None => Start::All,
    }
}

impl Pop {
    /// Reads a pop of one queue, perhaps of one partition.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn read(
        call: &Call,
        queue: &str,
        partition: Option<&str>,
    ) -> Result<(Self, Operation), Error> {
        let queue: QueueName = name("queue", queue)?;
        let partition = partition.map(|text| name("partition", text)).transpose()?;
        let take = take(call, partition)?;
        let pop = Self::of(&take, true);
        // Whoever waits for a queue that is not there waits for it to come.
        let create = match take.park {
            Park::No => Create::No,
            Park::Until(_) | Park::Told(_) | Park::Standing { .. } => {
                Create::With(pushed_settings(&queue))
            }
        };
        let command = Command::Take(Box::new(take));
        Ok((pop, Operation::Queue { queue, create, command }))
    }

    /// Reads a pop of all queues with a namespace and a task, or with one of them.
    ///
    /// # Errors
    /// `InvalidName`, `InvalidRequest`.
    pub fn read_any(call: &Call) -> Result<(Self, Operation), Error> {
        let label = |label: &'static str| Some((label.into(), call.query.text(label)?.into()));
        let labels: Vec<_> = [NAMESPACE, TASK].into_iter().filter_map(label).collect();
        if labels.is_empty() {
            let text = "namespace or task is required";
            return Err(Error::new(ErrorCode::InvalidRequest, text));
        }
        let take = take(call, None)?;
        let pop = Self::of(&take, false);
        Ok((pop, Operation::TakeAny { labels, only: None, take: Box::new(take) }))
    }

    fn of(take: &Take, names_queue: bool) -> Self {
        let newest = matches!(take.unit, Unit::Newest { .. });
        Self { group: take.group.clone(), names_queue, newest }
    }

    /// The answer when there is nothing. Whoever asked for the newest alone is told that this is what was looked for.
    #[must_use]
    pub fn nothing(&self) -> Written {
        match self.newest {
            true => value(200, &json!({"success": true, "messages": [], "conflation": true})),
            false => nothing(),
        }
    }

    /// The answer.
    ///
    /// # Errors
    /// What the room says.
    pub fn write(&self, result: Result<Outcome, Error>) -> Result<Written, Error> {
        match result {
            Ok(Outcome::Queue { queue, outcome: QueueOutcome::Delivered(delivered) })
                if !delivered.is_empty() =>
            {
                Ok(super::json(200, self.messages(&queue, &delivered)))
            }
            Ok(_) => Ok(self.nothing()),
            Err(error) if error.code == ErrorCode::QueueNotFound => Ok(self.nothing()),
            Err(error) => Err(error),
        }
    }

    fn messages(&self, queue: &QueueName, delivered: &[Delivered]) -> Writer {
        let group = show_group(self.group.as_ref());
        let mut out = Writer::default();
        let first = delivered.first();
        let lease = first.and_then(|one| lease_name(queue, one)).unwrap_or_default();
        let mut partitions: Vec<&PartitionKey> =
            delivered.iter().map(|one| &one.partition).collect();
        partitions.dedup();
        out.put("{\"success\":true");
        out.name("queue");
        out.text(if self.names_queue { queue.as_str() } else { "" });
        out.name("partition");
        out.text(first.map_or("", |one| one.partition.as_str()));
        out.name("partitionId");
        out.text(&first.map_or_else(String::new, |one| partition_id(queue, &one.partition)));
        out.name("leaseId");
        out.text(&lease);
        out.name("consumerGroup");
        out.text(group);
        out.name("partitionsClaimed");
        out.number(partitions.len());
        if self.newest {
            out.name("conflation");
            out.flag(true);
        }
        out.name("messages");
        out.put("[");
        for one in delivered {
            out.element();
            write_delivered(&mut out, queue, one, group);
        }
        out.put("]}");
        out
    }
}

fn lease_name(queue: &QueueName, delivered: &Delivered) -> Option<String> {
    let generation = delivered.lease?.generation;
    Some(LeaseName { queue: queue.clone(), generation }.to_string())
}

/// Their id of a partition.
pub(super) fn partition_id(queue: &QueueName, partition: &PartitionKey) -> String {
    PartitionName { queue: queue.clone(), partition: partition.clone() }.to_string()
}

/// What is known of a message by all who see it.
pub(super) struct Shown<'a> {
    pub(super) message: &'a crate::service::Message,
    pub(super) queue: &'a QueueName,
    pub(super) partition: &'a PartitionKey,
}

impl Shown<'_> {
    /// The message's id.
    pub(super) fn id(&self) -> String {
        let position = self.message.position;
        MessageName { partition: position.partition, offset: position.offset }.write(self.queue)
    }

    /// What its sender called it, or the id.
    pub(super) fn transaction_id(&self) -> String {
        let options = self.message.options.as_ref();
        let key = options.and_then(|options| options.key.as_ref());
        key.map_or_else(|| self.id(), |key| key.text.to_string())
    }

    /// Something that the sender said besides.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let headers = self.message.options.as_ref()?.headers.as_ref()?;
        let headers: serde_json::Value = serde_json::from_slice(headers.bytes()).ok()?;
        headers.get(name)?.as_str().map(str::to_owned)
    }

    /// `id` and all that follows from the message alone; an object must be open.
    pub(super) fn write(&self, out: &mut Writer) {
        out.name("id");
        out.plain(self.id());
        self.write_without_id(out);
    }

    pub(super) fn write_without_id(&self, out: &mut Writer) {
        out.name("transactionId");
        out.text(&self.transaction_id());
        for (member, header) in [("traceId", "traceId"), ("producerSub", "producerSub")] {
            out.name(member);
            match self.header(header) {
                Some(text) => out.text(&text),
                None => out.put("null"),
            }
        }
        self.write_body(out, "data");
        out.name("createdAt");
        out.plain(time::write(self.message.sent_at));
        out.name("partitionId");
        out.text(&partition_id(self.queue, self.partition));
        out.name("partition");
        out.text(self.partition.as_str());
    }

    /// The body; of one that is not JSON, its bytes in base64.
    pub(super) fn write_body(&self, out: &mut Writer, member: &str) {
        let body = &self.message.body;
        out.name(member);
        match body.content_type() {
            None => out.json(body.bytes()),
            Some(_) => out.base64(body.bytes()),
        }
    }
}

fn write_delivered(out: &mut Writer, queue: &QueueName, one: &Delivered, group: &str) {
    let shown = Shown { message: &one.message, queue, partition: &one.partition };
    out.put("{");
    shown.write(out);
    out.name("leaseId");
    out.text(&lease_name(queue, one).unwrap_or_default());
    out.name("consumerGroup");
    out.text(group);
    out.name("deliveryAttempt");
    out.number(one.attempt);
    out.put("}");
}
