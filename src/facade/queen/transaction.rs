//! Transactions: pushes and acknowledgements in any number of queues, all of them or nothing.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    Call,
    ack::{Word, give_reasons, message_name, reason, refused},
    group, json,
    options::pushed_settings,
    push::message,
    value,
};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{
        Command, Create, NamedSettled, Operation, Outcome, QueueOutcome, Receipt, SettleNamed,
        Settled, SettledPart, Transaction, TransactionPart,
    },
    types::{GroupName, PartitionKey, QueueName},
    wire::{
        Writer,
        queen::{
            LeaseName, MessageName, PartitionName,
            request::{self, Step, Steps},
        },
    },
};

/// A transaction that is under way.
#[derive(Debug)]
pub struct Bundle {
    parts: Vec<(QueueName, Transaction)>,
    results: Vec<Place>,
}

/// Where the result of something that was asked is to be found: part of the bundle, and there.
#[derive(Debug)]
enum Place {
    Push { part: usize, at: usize, queue: QueueName, key: Option<String> },
    Ack { part: usize, of_part: usize, at: usize, transaction_id: String, word: Word },
}

fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidRequest, text)
}

/// Acknowledgements that are settled together.
type PartKey = (usize, PartitionKey, Option<GroupName>, Option<u64>);

impl Bundle {
    /// Reads the request.
    ///
    /// # Errors
    /// `InvalidJson`, `InvalidRequest`, `InvalidName`, `TooManyItems`; `NotSupported` of what is not done here;
    /// `MessageNotFound`, `LeaseLost` of what cannot be anywhere.
    pub fn read(call: &Call) -> Result<Self, Error> {
        let steps: Steps<'_> = request::read(&call.body)?;
        for (riders, what) in [(&steps.kv, "kv"), (&steps.timers, "timers")] {
            if riders.as_ref().is_some_and(|riders| !riders.is_empty()) {
                let text = format!("`{what}` in a transaction is not offered here");
                return Err(Error::new(ErrorCode::NotSupported, text));
            }
        }
        let required: Vec<LeaseName> = steps
            .required_leases
            .iter()
            .flatten()
            .filter_map(|lease| LeaseName::read(lease.as_str()))
            .collect();
        let mut bundle = Self { parts: Vec::new(), results: Vec::new() };
        let mut places: BTreeMap<PartKey, usize> = BTreeMap::new();
        for (at, step) in steps.operations.iter().enumerate() {
            match step.kind.as_ref().map(|kind| kind.as_str()) {
                Some("push") => bundle.push(call, step, at)?,
                Some("ack") => bundle.ack(step, at, &required, &mut places)?,
                Some(other) => {
                    return Err(invalid(format!("operations[{at}]: unknown type '{other}'")));
                }
                None => return Err(invalid(format!("operations[{at}]: missing field `type`"))),
            }
            if bundle.results.len() > call.items_max {
                return Err(ErrorCode::TooManyItems.into());
            }
        }
        for (_, transaction) in &mut bundle.parts {
            transaction.named.iter_mut().for_each(|part| give_reasons(&mut part.items));
        }
        Ok(bundle)
    }

    fn part(&mut self, queue: &QueueName) -> usize {
        if let Some(at) = self.parts.iter().position(|(known, _)| known == queue) {
            return at;
        }
        self.parts.push((queue.clone(), Transaction::default()));
        self.parts.len() - 1
    }

    fn push(&mut self, call: &Call, step: &Step<'_>, at: usize) -> Result<(), Error> {
        if step.items.is_none() {
            return Err(invalid(format!("operations[{at}]: missing field `items`")));
        }
        for item in step.items.iter().flatten() {
            if item.payload.is_none() {
                return Err(invalid(format!("operations[{at}]: missing field `payload`")));
            }
            let (queue, _, message) = message(call, item)?;
            let part = self.part(&queue);
            let key = item.transaction_id.as_ref().map(|key| key.as_str().to_owned());
            if let Some((_, transaction)) = self.parts.get_mut(part) {
                transaction.sends.push(message);
                let at = transaction.sends.len() - 1;
                self.results.push(Place::Push { part, at, queue, key });
            }
        }
        Ok(())
    }

    fn ack(
        &mut self,
        step: &Step<'_>,
        at: usize,
        required: &[LeaseName],
        places: &mut BTreeMap<PartKey, usize>,
    ) -> Result<(), Error> {
        let (Some(transaction_id), Some(partition)) = (&step.transaction_id, &step.partition_id)
        else {
            let text = format!("operations[{at}]: an ack names transactionId and partitionId");
            return Err(invalid(text));
        };
        let PartitionName { queue, partition } =
            PartitionName::read(partition.as_str()).ok_or(ErrorCode::MessageNotFound)?;
        let of_group = group(step.consumer_group.as_ref().map(|it| it.as_str()))?;
        let said = step.lease_id.as_ref().map(|lease| lease.as_str()).filter(|it| !it.is_empty());
        let lease = match said {
            Some(lease) => {
                let lease = LeaseName::read(lease).filter(|lease| lease.queue == queue);
                Some(lease.ok_or(ErrorCode::LeaseLost)?.generation)
            }
            // Older clients say only which leases are needed at all.
            None => {
                let mut own = required.iter().filter(|lease| lease.queue == queue);
                own.next().filter(|_| own.next().is_none()).map(|lease| lease.generation)
            }
        };
        let part = self.part(&queue);
        let Some((_, transaction)) = self.parts.get_mut(part) else {
            return Err(ErrorCode::Internal.into());
        };
        let key = (part, partition.clone(), of_group.clone(), lease);
        let of_part = *places.entry(key).or_insert_with(|| {
            let items = Vec::new();
            transaction.named.push(SettleNamed { group: of_group, partition, lease, items });
            transaction.named.len() - 1
        });
        let Some(named) = transaction.named.get_mut(of_part) else {
            return Err(ErrorCode::Internal.into());
        };
        let word = Word::read(step.status.as_ref().map(|status| status.as_str()));
        let why = step.error.as_ref().map(|error| reason(error.as_str()));
        let transaction_id = transaction_id.as_str();
        named.items.push((message_name(transaction_id, &queue), word.verdict(why)));
        let (at, transaction_id) = (named.items.len() - 1, transaction_id.to_owned());
        self.results.push(Place::Ack { part, of_part, at, transaction_id, word });
        Ok(())
    }

    /// What is asked; none: nothing.
    pub fn operation(&mut self) -> Option<Operation> {
        let mut parts = std::mem::take(&mut self.parts);
        if parts.len() > 1 {
            let parts = parts.into_iter().map(|(queue, transaction)| {
                let founding = Some(pushed_settings(&queue));
                TransactionPart { queue, transaction, founding }
            });
            return Some(Operation::Transact { parts: parts.collect() });
        }
        let (queue, transaction) = parts.pop()?;
        let create = match transaction.sends.is_empty() {
            true => Create::No,
            false => Create::With(pushed_settings(&queue)),
        };
        Some(Operation::Queue { queue, create, command: Command::Transact(Box::new(transaction)) })
    }

    /// The answer; `id` is the transaction's.
    ///
    /// # Errors
    /// What is no matter of the transaction: above all that the token does not allow it.
    pub fn write(
        &self,
        id: &str,
        result: Option<Result<Outcome, Error>>,
    ) -> Result<Written, Error> {
        let parts: Vec<QueueOutcome> = match result {
            None => Vec::new(),
            Some(Ok(Outcome::Queue { outcome, .. })) => vec![outcome],
            Some(Ok(Outcome::Transacted { parts })) => {
                parts.into_iter().map(|(_, outcome)| outcome).collect()
            }
            Some(Ok(_)) => return Err(ErrorCode::Internal.into()),
            Some(Err(error)) => return rolled_back(id, error),
        };
        let mut out = Writer::default();
        out.put("{\"transactionId\":");
        out.plain(id);
        out.name("success");
        out.flag(true);
        out.name("results");
        out.put("[");
        for (index, place) in self.results.iter().enumerate() {
            out.element();
            out.put("{\"index\":");
            out.number(index);
            match place {
                Place::Push { part, at, queue, key } => {
                    let receipt = transacted(&parts, *part).and_then(|(_, sent)| sent.get(*at));
                    write_push(&mut out, queue, key.as_deref(), receipt);
                }
                Place::Ack { part, of_part, at, transaction_id, word } => {
                    let settled = transacted(&parts, *part)
                        .and_then(|(named, _)| named.get(*of_part)?.items.get(*at).copied());
                    write_ack(&mut out, transaction_id, *word, settled);
                }
            }
            out.put("}");
        }
        out.put("]}");
        Ok(json(200, out))
    }
}

fn transacted(parts: &[QueueOutcome], at: usize) -> Option<(&[SettledPart], &[Receipt])> {
    match parts.get(at)? {
        QueueOutcome::Transacted { named, sent, .. } => Some((named, sent)),
        _ => None,
    }
}

fn write_push(out: &mut Writer, queue: &QueueName, key: Option<&str>, receipt: Option<&Receipt>) {
    let id = receipt.map_or_else(String::new, |receipt| {
        let position = receipt.position;
        MessageName { partition: position.partition, offset: position.offset }.write(queue)
    });
    out.name("type");
    out.plain("push");
    out.name("success");
    out.flag(receipt.is_some());
    out.name("transactionId");
    out.text(key.filter(|key| !key.is_empty()).unwrap_or(&id));
    out.name("messageId");
    out.text(&id);
    out.name("queueName");
    out.text(queue.as_str());
    if receipt.is_some_and(|receipt| receipt.duplicate) {
        out.name("duplicate");
        out.flag(true);
    }
}

fn write_ack(out: &mut Writer, transaction_id: &str, word: Word, settled: Option<NamedSettled>) {
    let settled = settled.unwrap_or(NamedSettled::Unknown);
    let error = refused(word, settled);
    out.name("type");
    out.plain("ack");
    out.name("success");
    out.flag(error.is_none());
    out.name("transactionId");
    out.text(transaction_id);
    out.name("error");
    match error {
        Some(error) => out.text(error),
        None => out.put("null"),
    }
    out.name("dlq");
    out.flag(settled == NamedSettled::Settled(Settled::Dead));
}

/// Nothing has happened. Whose fault it is says the status.
///
/// # Errors
/// What is no matter of the transaction.
pub fn rolled_back(id: &str, error: Error) -> Result<Written, Error> {
    let reason = match error.code {
        ErrorCode::Duplicate => "duplicate",
        ErrorCode::LeaseLost
        | ErrorCode::MessageNotFound
        | ErrorCode::GroupRequired
        | ErrorCode::QueueNotFound => "ack_rejected",
        ErrorCode::MessageTooLarge => "payload_too_large",
        ErrorCode::QueueFull
        | ErrorCode::QueueBytesFull
        | ErrorCode::QueueClosed
        | ErrorCode::TooManyPartitions
        | ErrorCode::TooManyQueues => error.code.name(),
        _ => return Err(error),
    };
    let text = error.message.as_ref();
    let answer = json!({"transactionId": id, "success": false, "reason": reason, "error": text,
        "results": []});
    Ok(value(200, &answer))
}
