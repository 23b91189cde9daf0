//! Acknowledging: deliveries are settled by the names of their messages.

use std::{collections::BTreeMap, sync::Arc};

use super::{Call, group, json, value};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{
        Command, Create, Name, NamedSettled, Operation, Outcome, Position, QueueOutcome,
        SettleNamed, Settled, SettledPart, Verdict,
    },
    types::{GroupName, Millis, QueueName},
    wire::{
        Writer,
        queen::{
            LeaseName, MessageName, PartitionName,
            request::{self, Ack, AckBatch},
        },
    },
};

/// Why a message became a dead letter, if nobody said.
const EXHAUSTED: &str = "Retries exhausted";

/// Bytes of a reason that are kept.
const REASON_MAX: usize = 4096;

/// What is said of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Completed,
    Failed,
    Retry,
    Dlq,
}

impl Word {
    pub(super) fn read(status: Option<&str>) -> Self {
        match status {
            None | Some("completed" | "success" | "acked" | "ok") => Self::Completed,
            Some("retry") => Self::Retry,
            Some("dlq") => Self::Dlq,
            Some(_) => Self::Failed,
        }
    }

    pub(super) fn verdict(self, reason: Option<Arc<str>>) -> Verdict {
        match self {
            Self::Completed => Verdict::Done { result: None },
            Self::Failed => Verdict::Retry { delay: None, reason },
            Self::Retry => Verdict::Release { delay: None },
            Self::Dlq => Verdict::Dead { reason },
        }
    }
}

/// Items of one command: by queue, partition, group and lease.
type PartKey = (QueueName, PartitionName, Option<GroupName>, Option<u64>);

/// Acknowledgements that are under way.
#[derive(Debug)]
pub struct Acks {
    items: Vec<Item>,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Item {
    transaction_id: String,
    word: Word,
    partition: Option<PartitionName>,
    /// Operation, part of it, item of that; none: there is no such partition, or no such lease.
    place: Option<(usize, usize, usize)>,
    has_lease: bool,
}

/// The name of a message of a queue.
pub(super) fn message_name(text: &str, queue: &QueueName) -> Name {
    let position = MessageName::read(text, queue)
        .map(|MessageName { partition, offset }| Position { partition, offset });
    Name { key: text.into(), position }
}

pub(super) fn reason(text: &str) -> Arc<str> {
    let end = (0..=REASON_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default().into()
}

impl Acks {
    /// Reads one acknowledgement.
    ///
    /// # Errors
    /// `InvalidJson`, `InvalidRequest`, `InvalidName`.
    pub fn read_one(call: &Call) -> Result<Self, Error> {
        let ack: Ack<'_> = request::read(&call.body)?;
        let of_group = group(ack.consumer_group.as_ref().map(|it| it.as_str()))?;
        Ok(Self::new(&[ack], of_group.as_ref()))
    }

    /// Reads several.
    ///
    /// # Errors
    /// As above, and `TooManyItems`.
    pub fn read_batch(call: &Call) -> Result<Self, Error> {
        let batch: AckBatch<'_> = request::read(&call.body)?;
        if batch.acknowledgments.len() > call.items_max {
            return Err(ErrorCode::TooManyItems.into());
        }
        let of_group = group(batch.consumer_group.as_ref().map(|it| it.as_str()))?;
        Ok(Self::new(&batch.acknowledgments, of_group.as_ref()))
    }

    fn new(acks: &[Ack<'_>], group: Option<&GroupName>) -> Self {
        let mut parts: BTreeMap<QueueName, Vec<SettleNamed>> = BTreeMap::new();
        let mut places: BTreeMap<PartKey, usize> = BTreeMap::new();
        let mut items = Vec::with_capacity(acks.len());
        for ack in acks {
            let word = Word::read(ack.status.as_ref().map(|status| status.as_str()));
            let partition = PartitionName::read(ack.partition_id.as_str());
            let lease = ack.lease_id.as_ref().map(|lease| lease.as_str());
            let lease = lease.filter(|lease| !lease.is_empty());
            let transaction_id = ack.transaction_id.as_str();
            let place = partition.as_ref().and_then(|partition| {
                let queue = &partition.queue;
                let generation = match lease {
                    // A lease of another queue is none of this one.
                    Some(lease) => {
                        Some(LeaseName::read(lease).filter(|it| it.queue == *queue)?.generation)
                    }
                    None => None,
                };
                let parts = parts.entry(queue.clone()).or_default();
                let key = (queue.clone(), partition.clone(), group.cloned(), generation);
                let part = *places.entry(key).or_insert_with(|| {
                    parts.push(SettleNamed {
                        group: group.cloned(),
                        partition: partition.partition.clone(),
                        lease: generation,
                        items: Vec::new(),
                    });
                    parts.len() - 1
                });
                let items = &mut parts.get_mut(part)?.items;
                let why = ack.error.as_ref().map(|error| reason(error.as_str()));
                items.push((message_name(transaction_id, queue), word.verdict(why)));
                Some((queue.clone(), part, items.len() - 1))
            });
            let transaction_id = transaction_id.to_owned();
            items.push((transaction_id, word, partition, place, lease.is_some()));
        }
        parts.values_mut().flatten().for_each(|part| give_reasons(&mut part.items));
        let queues: Vec<QueueName> = parts.keys().cloned().collect();
        let items = items.into_iter().map(|(transaction_id, word, partition, place, has_lease)| {
            let place = place
                .and_then(|(queue, part, at)| Some((queues.binary_search(&queue).ok()?, part, at)));
            Item { transaction_id, word, partition, place, has_lease }
        });
        let items = items.collect();
        let operations = parts.into_iter().map(|(queue, parts)| {
            let command = Command::SettleNamed { parts };
            Operation::Queue { queue, create: Create::No, command }
        });
        Self { items, operations: operations.collect() }
    }

    /// What is asked.
    pub fn operations(&mut self) -> Vec<Operation> {
        std::mem::take(&mut self.operations)
    }

    /// The answer.
    ///
    /// # Errors
    /// A refusal that is none of one message, `PermissionDenied` above all.
    pub fn write(&self, results: &[Result<Outcome, Error>]) -> Result<Written, Error> {
        let mut parts: Vec<Option<&[SettledPart]>> = Vec::with_capacity(results.len());
        for result in results {
            parts.push(match result {
                Ok(Outcome::Queue { outcome: QueueOutcome::SettledNamed(parts), .. }) => {
                    Some(parts)
                }
                Ok(_) => None,
                Err(error) if error.code == ErrorCode::QueueNotFound => None,
                Err(error) => return Err(error.clone()),
            });
        }
        let mut out = Writer::default();
        out.put("[");
        for (index, item) in self.items.iter().enumerate() {
            let part = item.place.and_then(|(operation, part, at)| {
                let part = (*parts.get(operation)?)?.get(part)?;
                Some((part.items.get(at).copied()?, part.released))
            });
            let missing = match item.has_lease {
                true => NamedSettled::Settled(Settled::Lost),
                false => NamedSettled::Unknown,
            };
            let (settled, released) = part.unwrap_or((missing, false));
            out.element();
            item.write(&mut out, index, settled, released);
        }
        out.put("]");
        Ok(json(200, out))
    }
}

/// Whoever fails without a reason has that of the first one that has one.
pub(super) fn give_reasons(items: &mut [(Name, Verdict)]) {
    let first = items.iter().find_map(|(_, verdict)| match verdict {
        Verdict::Retry { reason, .. } | Verdict::Dead { reason } => reason.clone(),
        Verdict::Done { .. } | Verdict::Release { .. } | Verdict::Cancel => None,
    });
    let first = first.unwrap_or_else(|| EXHAUSTED.into());
    for (_, verdict) in items {
        if let Verdict::Retry { reason, .. } | Verdict::Dead { reason } = verdict {
            reason.get_or_insert_with(|| Arc::clone(&first));
        }
    }
}

/// What is wrong with an acknowledgement, if anything is.
pub(super) fn refused(word: Word, settled: NamedSettled) -> Option<&'static str> {
    match settled {
        NamedSettled::Settled(Settled::Lost) => Some("invalid or expired lease"),
        NamedSettled::Before if word != Word::Completed => {
            Some("already committed: the cursor is past this message")
        }
        NamedSettled::Unknown => {
            Some("unresolvable: no such message between the cursor and the end of the batch")
        }
        NamedSettled::Settled(_) | NamedSettled::Before | NamedSettled::Again => None,
    }
}

impl Item {
    fn write(&self, out: &mut Writer, index: usize, settled: NamedSettled, released: bool) {
        let error = refused(self.word, settled);
        let is_dead = settled == NamedSettled::Settled(Settled::Dead);
        out.put("{\"index\":");
        out.number(index);
        out.name("transactionId");
        out.text(&self.transaction_id);
        out.name("success");
        out.flag(error.is_none());
        out.name("error");
        match error {
            Some(error) => out.text(error),
            None => out.put("null"),
        }
        out.name("leaseReleased");
        out.flag(released && error.is_none());
        out.name("dlq");
        out.flag(is_dead);
        out.name("noop");
        out.flag(settled == NamedSettled::Before && error.is_none());
        let partition = self.partition.as_ref();
        for (member, text) in [
            ("queueName", partition.map(|it| it.queue.as_str())),
            ("partitionName", partition.map(|it| it.partition.as_str())),
        ] {
            out.name(member);
            match text {
                Some(text) => out.text(text),
                None => out.put("null"),
            }
        }
        out.put("}");
    }
}

/// A lease is prolonged by so much, if nobody says.
const EXTENSION: Millis = Millis::from_secs(60);

/// Reads the prolonging of a lease; none: there is no such lease.
#[must_use]
pub fn extend(call: &Call, lease: &str) -> Option<Operation> {
    let LeaseName { queue, generation } = LeaseName::read(lease)?;
    let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let seconds = body.get("seconds").and_then(serde_json::Value::as_u64).filter(|it| *it > 0);
    let by = seconds.map_or(EXTENSION, Millis::from_secs);
    let command = Command::ExtendTake { generation, by };
    Some(Operation::Queue { queue, create: Create::No, command })
}

/// The answer to it.
///
/// # Errors
/// What the room says.
pub fn extended(lease: &str, result: Option<Result<Outcome, Error>>) -> Result<Written, Error> {
    let ends = match result {
        Some(Ok(Outcome::Queue { outcome: QueueOutcome::Extended(ends), .. })) => ends,
        Some(Err(error)) if error.code != ErrorCode::QueueNotFound => return Err(error),
        _ => Vec::new(),
    };
    let live: Vec<_> = ends.into_iter().flatten().collect();
    let until = live.iter().min().map(|at| crate::wire::queen::time::write(*at));
    let mut answer = serde_json::json!({
        "leaseId": lease, "success": !live.is_empty(), "renewed": live.len(),
        "newExpiresAt": until, "expiresAt": until, "lease_expires_at": until,
    });
    if live.is_empty()
        && let Some(answer) = answer.as_object_mut()
    {
        answer.insert("error".to_owned(), "lease not found or expired".into());
    }
    Ok(value(200, &answer))
}
