//! Pushing: messages for any number of queues. Those of one partition are added together or not at all.

use std::collections::BTreeMap;

use super::{Call, json, name, options::pushed_settings, pop::partition_id, queue_name};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{
        Command, Create, DedupKey, NewMessage, OnDuplicate, Operation, Options, Outcome,
        QueueOutcome, Receipt,
    },
    types::{PartitionKey, Payload, QueueName},
    wire::{
        Writer,
        queen::{
            MessageName,
            binary::{self, BinaryPush},
            request::{self, PushItem},
        },
    },
};

/// Where a message goes whose id is unknown.
const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

/// A push that is under way.
#[derive(Debug)]
pub struct Push {
    items: Vec<Item>,
    operations: Vec<Operation>,
    /// The room is in maintenance.
    is_buffered: bool,
    /// Only how many they were is to be answered.
    counts: bool,
}

#[derive(Debug)]
struct Item {
    queue: String,
    partition: Option<PartitionKey>,
    key: Option<String>,
    trace: Option<String>,
    /// Which operation, and which message of it; or why it is not even asked for.
    place: Result<(usize, usize), Error>,
}

impl Push {
    /// Reads the request.
    ///
    /// # Errors
    /// `InvalidJson`, `InvalidRequest`, `TooManyItems`.
    pub fn read(call: &Call) -> Result<Self, Error> {
        let BinaryPush { items, counts } = match binary::is_binary(&call.body) {
            true => binary::read_push(&call.body, call.items_max)?,
            false => {
                let request::Push { items } = request::read(&call.body)?;
                BinaryPush { items, counts: false }
            }
        };
        if items.len() > call.items_max {
            return Err(ErrorCode::TooManyItems.into());
        }
        let mut parts: Vec<(QueueName, Vec<NewMessage>)> = Vec::new();
        let mut places: BTreeMap<(QueueName, PartitionKey), usize> = BTreeMap::new();
        let mut read = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            if item.payload.is_none() {
                let sentence = format!("`items[{at}]`: missing field `payload`");
                return Err(Error::new(ErrorCode::InvalidRequest, sentence));
            }
            let queue = item.queue.as_str().to_owned();
            let key = item.transaction_id.as_ref().map(|key| key.as_str().to_owned());
            let place = message(call, item).map(|(queue, partition, message)| {
                let part = *places.entry((queue.clone(), partition)).or_insert_with(|| {
                    parts.push((queue, Vec::new()));
                    parts.len() - 1
                });
                let messages = parts.get_mut(part).map(|(_, messages)| messages);
                let at = messages.map_or(0, |messages| {
                    messages.push(message);
                    messages.len() - 1
                });
                (part, at)
            });
            let trace = item.trace_id.as_ref().map(|trace| trace.as_str().to_owned());
            let partition = place.as_ref().ok().and_then(|_| partition_key(item).ok());
            read.push(Item { queue, partition, key, trace, place });
        }
        let operations = parts.into_iter().map(|(queue, messages)| {
            let create = Create::With(pushed_settings(&queue));
            Operation::Queue { queue, create, command: Command::SendBatch { messages } }
        });
        let operations = operations.collect();
        Ok(Self { items: read, operations, is_buffered: false, counts })
    }

    /// The room is in maintenance: what is stored is called `buffered`.
    pub const fn may_take_a_while(&mut self) {
        self.is_buffered = true;
    }

    /// What is asked.
    pub fn operations(&mut self) -> Vec<Operation> {
        std::mem::take(&mut self.operations)
    }

    /// The answer.
    ///
    /// # Errors
    /// That the token does not allow it is no matter of one message.
    pub fn write(&self, results: &[Result<Outcome, Error>]) -> Result<Written, Error> {
        let is_denied = |error: &&Error| error.code == ErrorCode::PermissionDenied;
        if let Some(error) = results.iter().filter_map(|it| it.as_ref().err()).find(is_denied) {
            return Err(error.clone());
        }
        let receipt_of =
            |item: &Item| item.place.clone().and_then(|(part, at)| receipt(results.get(part), at));
        if self.counts {
            let receipts: Vec<_> = self.items.iter().map(receipt_of).collect();
            let stored = receipts.iter().flatten();
            let duplicate = stored.clone().filter(|receipt| receipt.duplicate).count();
            let stored = stored.count();
            let counts = serde_json::json!({
                "count": receipts.len(), "queued": stored - duplicate, "duplicate": duplicate,
                "error": receipts.len() - stored,
            });
            return Ok(super::value(201, &counts));
        }
        let mut out = Writer::default();
        out.put("[");
        for (index, item) in self.items.iter().enumerate() {
            out.element();
            let receipt = receipt_of(item);
            out.put("{\"index\":");
            out.number(index);
            write_item(&mut out, item, receipt, self.is_buffered);
            out.put("}");
        }
        out.put("]");
        Ok(json(201, out))
    }
}

/// The message of one item, and where it goes.
pub(super) fn message(
    call: &Call,
    item: &PushItem<'_>,
) -> Result<(QueueName, PartitionKey, NewMessage), Error> {
    let queue = queue_name(item.queue.as_str())?;
    let partition = partition_key(item)?;
    let key = item.transaction_id.as_ref().map(|key| key.as_str());
    let key = key.filter(|key| !key.is_empty()).map(|key| DedupKey {
        text: key.into(),
        window: None,
        until_settled: false,
        on_duplicate: OnDuplicate::Keep,
    });
    let headers = headers(call, item);
    let options = (key.is_some() || headers.is_some())
        .then(|| Box::new(Options { key, headers, ..Options::default() }));
    let body = Payload::from_slice_of(&call.body, item.payload.unwrap_or("null"));
    Ok((queue, partition.clone(), NewMessage { partition: Some(partition), body, options }))
}

fn partition_key(item: &PushItem<'_>) -> Result<PartitionKey, Error> {
    let partition = item.partition.as_ref().map(|partition| partition.as_str());
    match partition.filter(|partition| !partition.is_empty()) {
        Some(partition) => name("partition", partition),
        None => Ok(PartitionKey::default()),
    }
}

/// What is said of the message besides.
fn headers(call: &Call, item: &PushItem<'_>) -> Option<Payload> {
    let mut headers = serde_json::Map::new();
    if let Some(trace) = &item.trace_id {
        headers.insert("traceId".to_owned(), trace.as_str().into());
    }
    if let Some(producer) = &call.producer {
        headers.insert("producerSub".to_owned(), producer.as_str().into());
    }
    let text = serde_json::Value::Object(headers);
    (text != serde_json::json!({})).then(|| Payload::from(bytes::Bytes::from(text.to_string())))
}

/// What became of one message of an operation.
pub(super) fn receipt(
    result: Option<&Result<Outcome, Error>>,
    at: usize,
) -> Result<Receipt, Error> {
    match result {
        Some(Ok(Outcome::Queue { outcome: QueueOutcome::SentBatch(receipts), .. })) => {
            receipts.get(at).cloned().ok_or_else(|| ErrorCode::Internal.into())
        }
        Some(Err(error)) => Err(error.clone()),
        _ => Err(ErrorCode::Internal.into()),
    }
}

fn write_item(out: &mut Writer, item: &Item, receipt: Result<Receipt, Error>, is_buffered: bool) {
    let id = receipt.as_ref().ok().and_then(|receipt| {
        let queue = queue_name(&item.queue).ok()?;
        let position = receipt.position;
        Some(MessageName { partition: position.partition, offset: position.offset }.write(&queue))
    });
    let id = id.as_deref().unwrap_or(NO_ID);
    out.name("transaction_id");
    out.text(item.key.as_deref().filter(|key| !key.is_empty()).unwrap_or(id));
    out.name("message_id");
    out.plain(id);
    out.name("queueName");
    out.text(&item.queue);
    out.name("status");
    match receipt {
        Ok(receipt) if receipt.duplicate => return out.plain("duplicate"),
        Ok(_) if is_buffered => out.plain("buffered"),
        Ok(_) => out.plain("queued"),
        Err(error) => {
            out.plain("failed");
            out.name("error");
            return out.text(&error.to_string());
        }
    }
    if let (Ok(queue), Some(partition)) = (queue_name(&item.queue), &item.partition) {
        out.name("partition_id");
        out.text(&partition_id(&queue, partition));
    }
    out.name("trace_id");
    match &item.trace {
        Some(trace) => out.text(trace),
        None => out.put("null"),
    }
}
