//! Dead letters: shown, sent anew, thrown away.

use std::sync::Arc;

use serde_json::json;

use super::{
    Call, group, groups::Queues, json, listing::Listing, message::address, name,
    options::pushed_settings, pop::Shown, show_group, value,
};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{
        Action, Command, Create, DedupKey, Item, NewMessage, OnDuplicate, Operation, Options,
        Outcome, Position, QueueOutcome, Receipt, Select, State, States,
    },
    types::{GroupName, PartitionKey, QueueName, Timestamp},
    wire::{
        Writer,
        queen::{DeadName, MessageName, time},
    },
};

/// Dead letters of one queue and group that are shown at most.
const SHOWN: u32 = 10_000;

/// A page, if nobody says.
const PAGE: usize = 100;

/// A list that is under way.
#[derive(Debug)]
pub struct List {
    listing: Listing,
    /// None: all of them.
    group: Option<Option<GroupName>>,
    /// Whose dead letters the answers are.
    asked: Vec<(QueueName, Option<GroupName>)>,
}

impl List {
    /// Reads the request.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn read(call: &Call) -> Result<Self, Error> {
        let named = call.query.text("consumerGroup");
        Ok(Self {
            listing: Listing::read(call, PAGE)?,
            group: named.map(|text| group(Some(text))).transpose()?,
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
            for view in inspection.groups.iter().filter(|view| view.counts.dead > 0) {
                if self.group.as_ref().is_some_and(|meant| *meant != view.name) {
                    continue;
                }
                let group = view.name.as_ref();
                operations.push(self.listing.browse(queue, group, States::DEAD, SHOWN));
                self.asked.push((queue.clone(), view.name.clone()));
            }
        }
        operations
    }

    /// The answer: the newest first.
    ///
    /// # Errors
    /// What the room says.
    pub fn write(&self, results: Vec<Result<Outcome, Error>>) -> Result<Written, Error> {
        let mut dead = Vec::new();
        for ((queue, group), result) in self.asked.iter().zip(results) {
            for item in browsed(result)? {
                let at = item.ended_at.unwrap_or_default();
                if self.listing.covers(at) {
                    dead.push((at, queue, group.as_ref(), item));
                }
            }
        }
        dead.sort_by_key(|(at, _, _, item)| std::cmp::Reverse((*at, item.message.sequence)));
        let page = self.listing.page(&dead);
        let mut out = Writer::default();
        out.put("{\"messages\":[");
        for (at, queue, group, item) in page {
            out.element();
            write_dead(&mut out, queue, *group, item, *at);
        }
        out.put("]");
        out.name("pagination");
        out.value(&json!({"limit": self.listing.limit, "offset": self.listing.offset}));
        out.name("total");
        out.number(page.len());
        out.put("}");
        Ok(json(200, out))
    }

    /// What throws all of them away.
    #[must_use]
    pub fn purge(&self, queues: &Queues) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (queue, inspection) in queues.iter() {
            for view in inspection.groups.iter().filter(|view| view.counts.dead > 0) {
                if self.group.as_ref().is_none_or(|meant| *meant == view.name) {
                    let (group, states) = (view.name.clone(), States::DEAD);
                    let command = Command::Purge { group, states };
                    let queue = queue.clone();
                    operations.push(Operation::Queue { queue, create: Create::No, command });
                }
            }
        }
        operations
    }
}

/// Messages that were browsed; of a queue or a group that is gone by now there are none.
pub(super) fn browsed(result: Result<Outcome, Error>) -> Result<Vec<Item>, Error> {
    match result {
        Ok(Outcome::Queue { outcome: QueueOutcome::Browsed { items, .. }, .. }) => Ok(items),
        Ok(_) => Ok(Vec::new()),
        Err(error) if matches!(error.code, ErrorCode::QueueNotFound | ErrorCode::GroupNotFound) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// The answer to throwing all away.
///
/// # Errors
/// What the room says.
pub fn purged(results: Vec<Result<Outcome, Error>>) -> Result<Written, Error> {
    let mut count = 0;
    for result in results {
        if let Outcome::Queue { outcome: QueueOutcome::Purged { count: purged }, .. } = result? {
            count += purged;
        }
    }
    Ok(value(200, &json!({"success": true, "deleted": count, "purged": count})))
}

fn write_dead(
    out: &mut Writer,
    queue: &QueueName,
    group: Option<&GroupName>,
    item: &Item,
    at: Timestamp,
) {
    let shown = Shown { message: &item.message, queue, partition: &item.partition };
    let position = item.message.position;
    let dead = DeadName {
        queue: queue.clone(),
        group: group.cloned(),
        partition: position.partition,
        offset: position.offset,
    };
    out.put("{\"id\":");
    out.text(&dead.to_string());
    out.name("messageId");
    out.plain(shown.id());
    shown.write_without_id(out);
    out.name("queue");
    out.text(queue.as_str());
    out.name("consumerGroup");
    out.text(show_group(group));
    out.name("errorMessage");
    match &item.reason {
        Some(reason) => out.text(reason),
        None => out.put("null"),
    }
    out.name("retryCount");
    out.number(item.failures.saturating_sub(1));
    out.name("failedAt");
    out.plain(time::write(at));
    out.put("}");
}

/// Sending a dead letter anew, as another message.
#[derive(Debug)]
pub struct Replay {
    queue: QueueName,
    /// None: whichever has it dead.
    group: Option<Option<GroupName>>,
    look: Operation,
    /// Where it goes.
    to_queue: Option<QueueName>,
    to_partition: Option<PartitionKey>,
    found: Option<Found>,
}

#[derive(Debug)]
struct Found {
    group: Option<GroupName>,
    position: Position,
    partition: PartitionKey,
    key: String,
    original: String,
}

fn gone() -> Error {
    Error::new(ErrorCode::MessageNotFound, "there is no such dead letter")
}

impl Replay {
    /// Reads the replay of a dead letter by its id.
    ///
    /// # Errors
    /// `MessageNotFound`, `InvalidName`.
    pub fn of_dead(call: &Call, id: &str) -> Result<Self, Error> {
        let DeadName { queue, group, partition, offset } = DeadName::read(id).ok_or_else(gone)?;
        let position = Position { partition, offset };
        let command = Command::Find { group: group.clone(), id: position.to_string().into() };
        let look = Operation::Queue { queue: queue.clone(), create: Create::No, command };
        let body = super::body(call).unwrap_or_default();
        let text = |member: &str| body.get(member).and_then(serde_json::Value::as_str);
        Ok(Self {
            queue,
            group: Some(group),
            look,
            to_queue: text("queue").map(|text| name("queue", text)).transpose()?,
            to_partition: text("partition").map(|text| name("partition", text)).transpose()?,
            found: None,
        })
    }

    /// Reads the replay of the newest dead letter of a message.
    ///
    /// # Errors
    /// `MessageNotFound`.
    pub fn of_message(partition_id: &str, transaction_id: &str) -> Result<Self, Error> {
        let (queue, look) = address(partition_id, transaction_id).ok_or_else(gone)?;
        let (group, to_queue, to_partition) = (None, None, None);
        Ok(Self { queue, group, look, to_queue, to_partition, found: None })
    }

    /// What must be known first.
    #[must_use]
    pub fn first(&self) -> Operation {
        self.look.clone()
    }

    /// Sends it anew. Done again, it is a duplicate.
    ///
    /// # Errors
    /// `MessageNotFound`; and what the room says.
    pub fn then(&mut self, found: Result<Outcome, Error>) -> Result<Operation, Error> {
        let (group, item) = match found? {
            Outcome::Queue { outcome: QueueOutcome::Found(item), .. } => {
                (self.group.clone().unwrap_or_default(), *item)
            }
            Outcome::Queue { outcome: QueueOutcome::Looked(seen), .. } => {
                let dead = seen.into_iter().filter(|(_, item)| item.state == State::Dead);
                dead.max_by_key(|(_, item)| item.ended_at).ok_or_else(gone)?
            }
            _ => return Err(gone()),
        };
        if item.state != State::Dead {
            return Err(gone());
        }
        let position = item.message.position;
        let shown =
            Shown { message: &item.message, queue: &self.queue, partition: &item.partition };
        let name = DeadName {
            queue: self.queue.clone(),
            group: group.clone(),
            partition: position.partition,
            offset: position.offset,
        };
        let full = format!("dlq:{name}");
        // A key has 255 bytes at most.
        let key = match full.len() {
            ..=255 => full,
            _ => format!("dlq:{}:{}", shown.id(), show_group(group.as_ref()).len()),
        };
        let headers = item.message.options.as_ref().and_then(|options| options.headers.clone());
        let dedup = DedupKey {
            text: key.as_str().into(),
            window: None,
            until_settled: false,
            on_duplicate: OnDuplicate::Keep,
        };
        let options = Options { key: Some(dedup), headers, ..Options::default() };
        let partition = self.to_partition.clone().unwrap_or_else(|| item.partition.clone());
        let message = NewMessage {
            partition: Some(partition.clone()),
            body: item.message.body.clone(),
            options: Some(Box::new(options)),
        };
        let original = shown.transaction_id();
        self.found = Some(Found { group, position, partition, key, original });
        let queue = self.to_queue.clone().unwrap_or_else(|| self.queue.clone());
        let create = Create::With(pushed_settings(&queue));
        Ok(Operation::Queue { queue, create, command: Command::Send { message } })
    }

    /// And then the dead letter goes.
    ///
    /// # Errors
    /// What the room says.
    pub fn last(&self, sent: Result<Outcome, Error>) -> Result<(Operation, Receipt), Error> {
        let Outcome::Queue { outcome: QueueOutcome::Sent(receipt), .. } = sent? else {
            return Err(ErrorCode::Internal.into());
        };
        let found = self.found.as_ref().ok_or(ErrorCode::Internal)?;
        Ok((discard(&self.queue, found.group.clone(), found.position), receipt))
    }

    /// The answer.
    ///
    /// # Errors
    /// What the room says.
    pub fn write(
        &self,
        receipt: &Receipt,
        result: Result<Outcome, Error>,
    ) -> Result<Written, Error> {
        result?;
        let found = self.found.as_ref().ok_or(ErrorCode::Internal)?;
        let queue = self.to_queue.as_ref().unwrap_or(&self.queue);
        let position = receipt.position;
        let id =
            MessageName { partition: position.partition, offset: position.offset }.write(queue);
        let answer = json!({
            "success": true,
            "result": if receipt.duplicate { "duplicate" } else { "moved" },
            "queue": queue.as_str(), "partition": found.partition.as_str(),
            "offset": position.offset, "messageId": id, "transactionId": found.key,
            "consumerGroup": show_group(found.group.as_ref()),
            "originalTransactionId": found.original,
        });
        Ok(value(200, &answer))
    }
}

/// What throws one dead letter away.
pub(super) fn discard(
    queue: &QueueName,
    group: Option<GroupName>,
    position: Position,
) -> Operation {
    let id: Arc<str> = position.to_string().into();
    let (select, action) = (Select::Ids(vec![id]), Action::Discard);
    let command = Command::Change {
        group,
        select: Box::new(select),
        action: Box::new(action),
        dry_run: false,
    };
    Operation::Queue { queue: queue.clone(), create: Create::No, command }
}
