//! Reading by offset: no group, no lease, nothing to acknowledge.

use serde::Deserialize;
use serde_json::json;

use super::{
    Call, json, name,
    pop::{Shown, partition_id},
    value,
};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{
        Command, Create, Filter, Item, Operation, Outcome, PartitionSurvey, Position, QueueOutcome,
        States,
    },
    types::{PartitionKey, QueueName},
    wire::{
        Writer,
        native::Text,
        queen::{request, time},
    },
};

const UNKNOWN: &str = "UNKNOWN_TOPIC_OR_PARTITION";
const OUT_OF_RANGE: &str = "OFFSET_OUT_OF_RANGE";

/// Bytes of payloads in one answer, if nobody says,
const BYTES: u64 = 8 << 20;
/// and at most.
const BYTES_MAX: u64 = 64 << 20;
/// Messages that are looked up at a time.
const PAGE: u32 = 1000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fetch<'a> {
    #[serde(borrow)]
    entries: Vec<FetchEntry<'a>>,
    #[serde(default)]
    max_bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FetchEntry<'a> {
    #[serde(borrow)]
    queue: Text<'a>,
    #[serde(borrow)]
    partition: Text<'a>,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    max_bytes: Option<u64>,
}

/// One part of a fetch.
#[derive(Debug)]
pub struct Entry {
    queue: QueueName,
    partition: PartitionKey,
    offset: u64,
    bytes: u64,
}

/// A fetch that is under way.
#[derive(Debug)]
pub struct Fetching {
    /// The parts.
    pub entries: Vec<Entry>,
    /// Bytes that may still be answered.
    left: u64,
    /// Whether no message is answered yet: the first one always fits.
    is_empty: bool,
    out: Writer,
}

fn too_many(call: &Call, count: usize) -> Result<(), Error> {
    if count > call.items_max { Err(ErrorCode::TooManyItems.into()) } else { Ok(()) }
}

impl Fetching {
    /// Reads the request.
    ///
    /// # Errors
    /// `InvalidJson`, `InvalidRequest`, `InvalidName`, `TooManyItems`.
    pub fn read(call: &Call) -> Result<Self, Error> {
        let fetch: Fetch<'_> = request::read(&call.body)?;
        too_many(call, fetch.entries.len())?;
        let entries = fetch.entries.iter().map(|entry| {
            Ok(Entry {
                queue: name("queue", entry.queue.as_str())?,
                partition: name("partition", entry.partition.as_str())?,
                offset: entry.offset,
                bytes: entry.max_bytes.unwrap_or(BYTES).min(BYTES_MAX),
            })
        });
        let entries = entries.collect::<Result<_, Error>>()?;
        let left = fetch.max_bytes.unwrap_or(BYTES).min(BYTES_MAX);
        let mut out = Writer::default();
        out.put("{\"entries\":[");
        Ok(Self { entries, left, is_empty: true, out })
    }

    /// The answer.
    #[must_use]
    pub fn write(mut self) -> Written {
        self.out.put("]}");
        json(200, self.out)
    }

    fn error(&mut self, code: &str, part: Option<&PartitionSurvey>) {
        self.out.element();
        let (end, start) = part.map_or((0, 0), |part| (part.end, part.start));
        self.out.value(
            &json!({"error": code, "highWatermark": end, "logStartOffset": start, "records": []}),
        );
    }

    /// Takes in what is known of the partition of a part; says where to read, if there is anything to be read.
    ///
    /// # Errors
    /// What the room says.
    pub fn begin(
        &mut self,
        entry: &Entry,
        result: Result<Outcome, Error>,
    ) -> Result<Option<Reading>, Error> {
        let part = match result {
            Ok(Outcome::Queue { outcome: QueueOutcome::Surveyed { partitions, .. }, .. }) => {
                partitions.into_iter().next()
            }
            Ok(_) => return Err(ErrorCode::Internal.into()),
            Err(error) if error.code == ErrorCode::QueueNotFound => None,
            Err(error) => return Err(error),
        };
        let Some(part) = part else {
            self.error(UNKNOWN, None);
            return Ok(None);
        };
        if entry.offset < part.start || entry.offset > part.end {
            self.error(OUT_OF_RANGE, Some(&part));
            return Ok(None);
        }
        self.out.element();
        self.out.put("{");
        self.out.name("highWatermark");
        self.out.value(&part.end);
        self.out.name("logStartOffset");
        self.out.value(&part.start);
        self.out.name("records");
        self.out.put("[");
        // Those after this one; none: from the beginning of the first partition that the filter means.
        let after = entry.offset.checked_sub(1);
        let after = after.map(|offset| Position { partition: part.number, offset });
        let left = entry.bytes.min(self.left);
        Ok(Some(Reading {
            queue: entry.queue.clone(),
            partition: part.key,
            after,
            end: part.end,
            left,
        }))
    }

    /// Writes a page; none: that was all that there is, or that may be said.
    ///
    /// # Errors
    /// What the room says.
    pub fn page(
        &mut self,
        mut reading: Reading,
        result: Result<Outcome, Error>,
    ) -> Result<Option<Reading>, Error> {
        let Outcome::Queue { outcome: QueueOutcome::Browsed { items, next }, .. } = result? else {
            return Err(ErrorCode::Internal.into());
        };
        for Item { message, .. } in items {
            let bytes = message.body.len() as u64;
            if message.position.offset >= reading.end || (bytes > reading.left && !self.is_empty) {
                return Ok(self.end());
            }
            reading.left = reading.left.saturating_sub(bytes);
            self.left = self.left.saturating_sub(bytes);
            self.is_empty = false;
            let shown =
                Shown { message: &message, queue: &reading.queue, partition: &reading.partition };
            self.out.element();
            self.out.put("{");
            self.out.name("offset");
            self.out.value(&message.position.offset);
            self.out.name("transactionId");
            self.out.text(&shown.transaction_id());
            shown.write_body(&mut self.out, "payload");
            self.out.name("ts");
            self.out.text(&time::write(message.sent_at));
            self.out.put("}");
        }
        match next {
            Some(next) if reading.left > 0 => Ok(Some(Reading { after: Some(next), ..reading })),
            _ => Ok(self.end()),
        }
    }

    fn end(&mut self) -> Option<Reading> {
        self.out.put("]}");
        None
    }
}

impl Entry {
    /// What is asked first.
    #[must_use]
    pub fn first(&self) -> Operation {
        let partition = Some(self.partition.clone());
        let command = Command::Survey { group: None, partition, after: None, limit: 1 };
        Operation::Queue { queue: self.queue.clone(), create: Create::No, command }
    }
}

/// A part that is being read.
#[derive(Debug)]
pub struct Reading {
    queue: QueueName,
    partition: PartitionKey,
    after: Option<Position>,
    end: u64,
    left: u64,
}

impl Reading {
    /// What is asked next.
    #[must_use]
    pub fn next(&self) -> Operation {
        let filter =
            Filter { partition: Some(self.partition.clone()), ..Filter::states(States::ALL) };
        let command = Command::Browse {
            group: None,
            filter: Box::new(filter),
            after: self.after,
            limit: PAGE,
        };
        Operation::Queue { queue: self.queue.clone(), create: Create::No, command }
    }
}

#[derive(Debug, Deserialize)]
struct Changed<'a> {
    #[serde(borrow)]
    entries: Vec<ChangedEntry<'a>>,
}

#[derive(Debug, Deserialize)]
struct ChangedEntry<'a> {
    #[serde(borrow)]
    queue: Text<'a>,
    #[serde(borrow, default)]
    since: Option<Text<'a>>,
    #[serde(borrow, default)]
    after: Option<Text<'a>>,
    #[serde(default)]
    limit: Option<u32>,
}

/// Which partitions of a queue were written to.
#[derive(Debug)]
pub struct ChangedPartitions {
    /// What is asked, for each entry.
    pub operations: Vec<Operation>,
    since: Vec<Option<crate::types::Timestamp>>,
}

impl ChangedPartitions {
    /// Reads the request.
    ///
    /// # Errors
    /// `InvalidJson`, `InvalidRequest`, `InvalidName`, `TooManyItems`.
    pub fn read(call: &Call) -> Result<Self, Error> {
        let changed: Changed<'_> = request::read(&call.body)?;
        too_many(call, changed.entries.len())?;
        let most = u32::try_from(call.items_max).unwrap_or(u32::MAX);
        let invalid = |text: &str| Error::new(ErrorCode::InvalidRequest, text.to_owned());
        let (mut operations, mut since) = (Vec::new(), Vec::new());
        for entry in &changed.entries {
            let at = entry.since.as_ref().map(|text| time::read(text.as_str()));
            since.push(match at {
                Some(None) => return Err(invalid("`since` must be a time in ISO 8601")),
                Some(at) => at,
                None => None,
            });
            let after = entry.after.as_ref().map(|text| text.as_str().parse());
            let after = after.transpose().map_err(|_| invalid("`after` is what `next` was"))?;
            let limit = entry.limit.unwrap_or(most).clamp(1, most);
            let command = Command::Survey { group: None, partition: None, after, limit };
            let queue: QueueName = name("queue", entry.queue.as_str())?;
            operations.push(Operation::Queue { queue, create: Create::No, command });
        }
        Ok(Self { operations, since })
    }

    /// The answer. Everything that was written before the request is in it.
    ///
    /// # Errors
    /// What the room says.
    pub fn write(
        self,
        call: &Call,
        results: Vec<Result<Outcome, Error>>,
    ) -> Result<Written, Error> {
        let mut entries = Vec::with_capacity(results.len());
        for (result, since) in results.into_iter().zip(self.since) {
            let (queue, partitions, next) = match result {
                Ok(Outcome::Queue {
                    queue,
                    outcome: QueueOutcome::Surveyed { partitions, next },
                }) => (queue, partitions, next),
                Ok(_) => return Err(ErrorCode::Internal.into()),
                Err(error) if error.code == ErrorCode::QueueNotFound => {
                    entries.push(json!({"error": UNKNOWN, "partitions": [], "next": null}));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let is_meant =
                |part: &&PartitionSurvey| since.is_none_or(|since| part.newest >= Some(since));
            let shown = partitions.iter().filter(is_meant).map(|part| {
                json!({
                    "name": part.key.as_str(), "id": partition_id(&queue, &part.key),
                    "lastOffset": part.end.checked_sub(1), "logStart": part.start,
                    "lastWriteAt": part.newest.map(time::write),
                })
            });
            let shown: Vec<_> = shown.collect();
            let next = next.map(|number| number.to_string());
            entries.push(json!({"queue": queue.as_str(), "partitions": shown, "next": next}));
        }
        let safe = time::write(call.now);
        Ok(value(200, &json!({"safeTime": safe, "safeTimeDegraded": false, "entries": entries})))
    }
}
