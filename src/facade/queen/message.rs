//! Messages, looked at: one, or a list of them.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    Call,
    ack::message_name,
    dead::{browsed, discard},
    groups::Queues,
    json,
    listing::Listing,
    options::{NAMESPACE, Options, TASK},
    pop::Shown,
    show_group, value,
};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{
        Command, Create, Inspection, Item, Operation, Outcome, Position, QueueOutcome, State,
        States,
    },
    types::{GroupName, QueueName},
    wire::{
        Writer,
        queen::{PartitionName, time},
    },
};

/// Messages of one queue and group that are looked at, at most.
const LOOKED_AT: u32 = 10_000;

/// A page, if nobody says.
const PAGE: usize = 200;

fn not_found() -> Error {
    Error::new(ErrorCode::MessageNotFound, "Message not found")
}

/// Looking at one message, and in which queue.
pub(super) fn address(partition_id: &str, transaction_id: &str) -> Option<(QueueName, Operation)> {
    let PartitionName { queue, partition } = PartitionName::read(partition_id)?;
    let name = message_name(transaction_id, &queue);
    let command = Command::Look { partition, name };
    Some((queue.clone(), Operation::Queue { queue, create: Create::No, command }))
}

/// A message as all groups see it.
type Seen = Vec<(Option<GroupName>, Item)>;

fn looked(result: Result<Outcome, Error>) -> Result<Seen, Error> {
    match result {
        Ok(Outcome::Queue { outcome: QueueOutcome::Looked(seen), .. }) if !seen.is_empty() => {
            Ok(seen)
        }
        Ok(_) => Err(not_found()),
        Err(error) if error.code == ErrorCode::QueueNotFound => Err(not_found()),
        Err(error) => Err(error),
    }
}

/// What is said of a message as a whole: consumer groups count where there are any, else the work group.
fn status(seen: &[(Option<GroupName>, &Item)]) -> &'static str {
    let any = |state: State| seen.iter().any(|(_, item)| item.state == state);
    let has_groups = seen.iter().any(|(group, _)| group.is_some());
    let mut counted = seen.iter().filter(|(group, _)| group.is_some() == has_groups);
    match () {
        () if any(State::Dead) => "dead_letter",
        () if counted.all(|(_, item)| item.state == State::Done) => "completed",
        () if any(State::Leased) => "processing",
        () => "pending",
    }
}

/// Showing one message.
#[derive(Debug)]
pub struct Show {
    queue: QueueName,
    look: Operation,
}

impl Show {
    /// Reads the request.
    ///
    /// # Errors
    /// `MessageNotFound`.
    pub fn read(partition_id: &str, transaction_id: &str) -> Result<Self, Error> {
        let (queue, look) = address(partition_id, transaction_id).ok_or_else(not_found)?;
        Ok(Self { queue, look })
    }

    /// What is asked: the message, and its queue.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        let queue = self.queue.clone();
        let inspect = Operation::Queue { queue, create: Create::No, command: Command::Inspect };
        vec![self.look.clone(), inspect]
    }

    /// The answer.
    ///
    /// # Errors
    /// `MessageNotFound`; and what the room says.
    pub fn write(&self, results: Vec<Result<Outcome, Error>>) -> Result<Written, Error> {
        let mut results = results.into_iter();
        let seen = looked(results.next().unwrap_or_else(|| Err(not_found())))?;
        let inspection = results.next().and_then(Result::ok);
        let inspection = inspection.and_then(|found| super::configure::inspected(found).ok());
        let all: Vec<_> = seen.iter().map(|(group, item)| (group.clone(), item)).collect();
        let mut out = Writer::default();
        out.put("{");
        write_message(&mut out, &self.queue, inspection.as_deref(), &all);
        out.name("queueConfig");
        match &inspection {
            Some(inspection) => {
                out.value(&serde_json::Value::Object(Options::of(&inspection.settings).show()));
            }
            None => out.put("null"),
        }
        let groups = seen.iter().map(|(group, item)| {
            json!({
                "name": show_group(group.as_ref()),
                "consumerGroup": show_group(group.as_ref()),
                "consumed": matches!(item.state, State::Done | State::Dead),
                "deadLetter": item.state == State::Dead,
                "leaseActive": item.state == State::Leased,
                "leaseExpiresAt": lease_end(item),
                "attempts": item.attempts,
            })
        });
        out.name("consumerGroups");
        out.value(&groups.collect::<serde_json::Value>());
        out.put("}");
        Ok(json(200, out))
    }
}

fn lease_end(item: &Item) -> Option<String> {
    item.until.filter(|_| item.state == State::Leased).map(time::write)
}

/// All that is said of a message wherever it is shown; an object must be open.
fn write_message(
    out: &mut Writer,
    queue: &QueueName,
    inspection: Option<&Inspection>,
    seen: &[(Option<GroupName>, &Item)],
) {
    let Some((_, item)) = seen.first() else { return };
    let shown = Shown { message: &item.message, queue, partition: &item.partition };
    shown.write(out);
    shown.write_body(out, "payload");
    out.name("queue");
    out.text(queue.as_str());
    out.name("queuePath");
    out.text(&format!("{queue}/{}", item.partition));
    for label in [NAMESPACE, TASK] {
        out.name(label);
        out.text(inspection.and_then(|it| it.settings.label(label)).unwrap_or_default());
    }
    out.name("status");
    out.plain(status(seen));
    let dead = seen.iter().find(|(_, item)| item.state == State::Dead).map(|(_, item)| item);
    out.name("errorMessage");
    match dead.and_then(|item| item.reason.as_ref()) {
        Some(reason) => out.text(reason),
        None => out.put("null"),
    }
    out.name("retryCount");
    out.number(dead.map_or(0, |item| item.failures.saturating_sub(1)));
    out.name("leaseExpiresAt");
    match seen.iter().find_map(|(_, item)| lease_end(item)) {
        Some(end) => out.plain(end),
        None => out.put("null"),
    }
    out.name("isEncrypted");
    out.flag(false);
    let groups = seen.iter().filter(|(group, _)| group.is_some()).count();
    out.name("mode");
    out.value(&mode(groups));
}

fn mode(groups: usize) -> serde_json::Value {
    let kind = if groups > 0 { "bus" } else { "queue" };
    json!({"hasQueueMode": groups == 0, "busGroupsCount": groups, "type": kind})
}

/// Throwing a dead letter away, in whichever group it is one.
#[derive(Debug)]
pub struct Delete {
    queue: QueueName,
    look: Operation,
    partition_id: String,
    transaction_id: String,
}

impl Delete {
    /// Reads the request.
    ///
    /// # Errors
    /// `MessageNotFound`.
    pub fn read(partition_id: &str, transaction_id: &str) -> Result<Self, Error> {
        let (queue, look) = address(partition_id, transaction_id).ok_or_else(not_found)?;
        let (partition_id, transaction_id) = (partition_id.to_owned(), transaction_id.to_owned());
        Ok(Self { queue, look, partition_id, transaction_id })
    }

    /// What must be known first.
    #[must_use]
    pub fn first(&self) -> Operation {
        self.look.clone()
    }

    /// What is asked then.
    ///
    /// # Errors
    /// `MessageNotFound`; and what the room says.
    pub fn then(&self, found: Result<Outcome, Error>) -> Result<Vec<Operation>, Error> {
        let seen = looked(found)?;
        let dead = seen.into_iter().filter(|(_, item)| item.state == State::Dead);
        let operations: Vec<_> =
            dead.map(|(group, item)| discard(&self.queue, group, item.message.position)).collect();
        match operations.is_empty() {
            // Messages that live are kept: only their groups move on.
            true => Err(not_found()),
            false => Ok(operations),
        }
    }

    /// The answer.
    ///
    /// # Errors
    /// What the room says.
    pub fn write(&self, results: Vec<Result<Outcome, Error>>) -> Result<Written, Error> {
        results.into_iter().find_map(Result::err).map_or(Ok(()), Err)?;
        let answer = json!({
            "success": true, "partitionId": self.partition_id,
            "transactionId": self.transaction_id, "message": "Message deleted successfully",
        });
        Ok(value(200, &answer))
    }
}

/// A list of messages.
#[derive(Debug)]
pub struct List {
    listing: Listing,
    namespace: Option<String>,
    task: Option<String>,
    status: Option<String>,
    asked: Vec<(QueueName, Option<GroupName>)>,
}

impl List {
    /// Reads the request.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn read(call: &Call) -> Result<Self, Error> {
        let text = |member: &str| call.query.text(member).map(str::to_owned);
        Ok(Self {
            listing: Listing::read(call, PAGE)?,
            namespace: text("namespace"),
            task: text("task"),
            status: text("status"),
            asked: Vec::new(),
        })
    }

    /// The one queue that is meant, if it is one.
    #[must_use]
    pub const fn queue(&self) -> Option<&QueueName> {
        self.listing.queue.as_ref()
    }

    /// What is asked of the queues that were found.
    pub fn operations(&mut self, queues: &Queues) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (queue, inspection) in queues.iter() {
            let has = |label: &str, said: &Option<String>| {
                said.is_none() || inspection.settings.label(label) == said.as_deref()
            };
            if !has(NAMESPACE, &self.namespace) || !has(TASK, &self.task) {
                continue;
            }
            for view in &inspection.groups {
                let group = view.name.as_ref();
                operations.push(self.listing.browse(queue, group, States::ALL, LOOKED_AT));
                self.asked.push((queue.clone(), view.name.clone()));
            }
        }
        operations
    }

    /// The answer: the newest first.
    ///
    /// # Errors
    /// What the room says.
    pub fn write(
        &self,
        queues: &Queues,
        results: Vec<Result<Outcome, Error>>,
    ) -> Result<Written, Error> {
        let mut seen: BTreeMap<(&QueueName, Position), Seen> = BTreeMap::new();
        for ((queue, group), result) in self.asked.iter().zip(results) {
            for item in browsed(result)? {
                if self.listing.covers(item.message.sent_at) {
                    let place = (queue, item.message.position);
                    seen.entry(place).or_default().push((group.clone(), item));
                }
            }
        }
        let mut all: Vec<(&QueueName, Seen)> =
            seen.into_iter().map(|((queue, _), seen)| (queue, seen)).collect();
        all.retain(|(_, seen)| {
            let seen: Vec<_> = seen.iter().map(|(group, item)| (group.clone(), item)).collect();
            self.status.as_deref().is_none_or(|wanted| wanted == status(&seen))
        });
        let age = |seen: &Seen| {
            seen.first().map(|(_, item)| (item.message.sent_at, item.message.sequence))
        };
        all.sort_by_key(|(_, seen)| std::cmp::Reverse(age(seen)));
        let page = self.listing.page(&all);
        let mut out = Writer::default();
        out.put("{\"messages\":[");
        for (queue, seen) in page {
            let seen: Vec<_> = seen.iter().map(|(group, item)| (group.clone(), item)).collect();
            let inspection = queues.iter().find(|(name, _)| *name == *queue).map(|(_, it)| it);
            out.element();
            out.put("{");
            write_message(&mut out, queue, inspection, &seen);
            out.put("}");
        }
        let groups = self.asked.iter().filter(|(_, group)| group.is_some()).count();
        out.put("]");
        out.name("mode");
        out.value(&mode(groups));
        out.name("total");
        out.number(all.len());
        out.put("}");
        Ok(json(200, out))
    }
}
