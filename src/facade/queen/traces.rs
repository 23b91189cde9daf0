//! Traces: notes about a message, found by the message or by their names.
//!
//! | theirs | ours |
//! |---|---|
//! | trace | note about the message's queue |
//! | the message, a trace's names | labels of the note |

use std::{collections::BTreeMap, sync::Arc};

use super::{Call, QUEUE_MODE, ack::message_name, json, value};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{
        Command, Create, Item, NewMessage, Operation, Options, Outcome, Position, QueueOutcome,
    },
    types::{Payload, QueueName},
    wire::{
        Writer,
        queen::{
            MessageName, PartitionName, request, time,
            trace::{Trace, TraceNames},
        },
    },
};

/// Names of one trace,
const NAMES_MAX: usize = 32;
/// and bytes of one.
const NAME_BYTES_MAX: usize = 200;
/// Bytes of the kind of a trace.
const KIND_BYTES_MAX: usize = 100;

type Labels = Vec<(Arc<str>, Arc<str>)>;

fn invalid(sentence: String) -> Error {
    Error::new(ErrorCode::InvalidRequest, sentence)
}

/// The labels of all notes about a message.
fn of_message(partition: &PartitionName, transaction_id: &str) -> Labels {
    vec![
        ("message".into(), transaction_id.into()),
        ("partition".into(), partition.partition.as_str().into()),
    ]
}

/// The label of all notes of a name.
fn of_name(name: &str) -> (Arc<str>, Arc<str>) {
    (format!("name {name}").into(), "".into())
}

fn partition_of(text: &str) -> Result<PartitionName, Error> {
    PartitionName::read(text).ok_or_else(|| invalid(format!("there is no partition {text:.100}")))
}

/// Reads a trace.
///
/// # Errors
/// `InvalidJson`, `InvalidRequest`.
pub fn read(call: &Call) -> Result<Operation, Error> {
    let trace: Trace<'_> = request::read(&call.body)?;
    let Some(data) = trace.data else {
        return Err(invalid("missing field `data`".to_owned()));
    };
    let partition = partition_of(trace.partition_id.as_str())?;
    let mut names = trace.trace_names.map(TraceNames::into_list).unwrap_or_default();
    names.sort_unstable();
    names.dedup();
    let is_name = |name: &String| {
        !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control)
    };
    if names.len() > NAMES_MAX || !names.iter().all(is_name) {
        let sentence = format!(
            "a trace has at most {NAMES_MAX} names of 1 to {NAME_BYTES_MAX} bytes without control characters"
        );
        return Err(invalid(sentence));
    }
    let kind = trace.event_type.as_ref().map_or("info", |kind| kind.as_str());
    if kind.len() > KIND_BYTES_MAX {
        return Err(invalid(format!("`eventType` has at most {KIND_BYTES_MAX} bytes")));
    }
    let transaction_id = trace.transaction_id.as_str();
    let mut labels = of_message(&partition, transaction_id);
    labels.extend(names.iter().map(|name| of_name(name)));
    labels.sort();

    let mut body = Writer::default();
    body.put("{");
    for (member, text) in [
        ("event_type", kind),
        ("consumer_group", trace.consumer_group.as_ref().map_or(QUEUE_MODE, |it| it.as_str())),
        ("transaction_id", transaction_id),
        ("partition_id", trace.partition_id.as_str()),
        ("queue_name", partition.queue.as_str()),
        ("partition_name", partition.partition.as_str()),
    ] {
        body.name(member);
        body.text(text);
    }
    body.name("worker_id");
    body.put("null");
    body.name("trace_names");
    match names.is_empty() {
        true => body.put("null"),
        false => body.value(&names),
    }
    body.name("data");
    body.put(data);
    body.put("}");
    let options = Options { labels, ..Options::default() };
    let note = NewMessage {
        partition: None,
        body: Payload::from(body.finish()),
        options: Some(Box::new(options)),
    };
    Ok(Operation::Note { about: partition.queue, note })
}

/// The answer to it.
///
/// # Errors
/// What the room says.
pub fn kept(result: Result<Outcome, Error>) -> Result<Written, Error> {
    match result? {
        Outcome::Queue { queue, outcome: QueueOutcome::Sent(receipt) } => {
            let id = id(&queue, receipt.position);
            Ok(value(201, &serde_json::json!({"success": true, "traceId": id})))
        }
        _ => Err(ErrorCode::Internal.into()),
    }
}

fn id(notes: &QueueName, position: Position) -> String {
    MessageName { partition: position.partition, offset: position.offset }.write(notes)
}

/// Which notes are asked for; they come in pages.
#[derive(Debug)]
pub struct Traces {
    about: Option<QueueName>,
    labels: Labels,
    notes: Option<QueueName>,
    items: Vec<Item>,
    next: Option<Position>,
    is_complete: bool,
}

impl Traces {
    fn new(about: Option<QueueName>, labels: Labels) -> Self {
        Self { about, labels, notes: None, items: Vec::new(), next: None, is_complete: false }
    }

    /// Those about a message.
    ///
    /// # Errors
    /// `InvalidRequest`.
    pub fn of_message(partition: &str, transaction_id: &str) -> Result<Self, Error> {
        let partition = partition_of(partition)?;
        let labels = of_message(&partition, transaction_id);
        Ok(Self::new(Some(partition.queue), labels))
    }

    /// Those of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        Self::new(None, vec![of_name(name)])
    }

    /// All.
    #[must_use]
    pub fn all() -> Self {
        Self::new(None, Vec::new())
    }

    /// What is to be asked next; none: everything is there.
    #[must_use]
    pub fn next(&self) -> Option<Operation> {
        let (about, labels) = (self.about.clone(), self.labels.clone());
        (!self.is_complete).then_some(Operation::Notes { about, labels, after: self.next })
    }

    /// Takes in a page.
    ///
    /// # Errors
    /// What the room says.
    pub fn page(&mut self, result: Result<Outcome, Error>) -> Result<(), Error> {
        match result? {
            Outcome::Queue { queue, outcome: QueueOutcome::Browsed { items, next } } => {
                self.items.extend(items);
                self.notes = Some(queue);
                (self.next, self.is_complete) = (next, next.is_none());
                Ok(())
            }
            _ => Err(ErrorCode::Internal.into()),
        }
    }

    /// The answer about a message: oldest first.
    #[must_use]
    pub fn write(self) -> Written {
        let mut out = Writer::default();
        out.put("{\"traces\":[");
        for item in &self.items {
            self.write_item(&mut out, item);
            out.put("}");
        }
        out.put("]}");
        json(200, out)
    }

    /// The page of a name's traces that was asked for, newest first; and the messages that they are about.
    #[must_use]
    pub fn by_name(mut self, call: &Call) -> NamedTraces {
        self.items.sort_by_key(|item| std::cmp::Reverse(item.message.sequence));
        let total = self.items.len();
        let number = |name: &str, or: usize| {
            call.query.number(name).and_then(|it| usize::try_from(it).ok()).unwrap_or(or)
        };
        let (limit, offset) = (number("limit", 100), number("offset", 0));
        self.items = self.items.into_iter().skip(offset).take(limit).collect();
        NamedTraces { traces: self, total }
    }

    /// The names and how often they are used, the newest first.
    #[must_use]
    pub fn names(self, call: &Call) -> Written {
        struct Used {
            traces: u64,
            messages: std::collections::BTreeSet<(String, String)>,
            last: crate::types::Timestamp,
        }
        let mut names: BTreeMap<String, Used> = BTreeMap::new();
        for item in &self.items {
            let labels = item.message.options.as_ref().map_or(&[][..], |options| &options.labels);
            let label = |name: &str| {
                let found = labels.iter().find(|(known, _)| &**known == name);
                found.map_or_else(String::new, |(_, text)| text.to_string())
            };
            let message = (format!("{}\0{}", item.partition, label("partition")), label("message"));
            for (name, _) in labels {
                let Some(name) = name.strip_prefix("name ") else { continue };
                let used = names.entry(name.to_owned()).or_insert_with(|| Used {
                    traces: 0,
                    messages: std::collections::BTreeSet::new(),
                    last: item.message.sent_at,
                });
                used.traces += 1;
                used.messages.insert(message.clone());
                used.last = used.last.max(item.message.sent_at);
            }
        }
        let total = names.len();
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_by_key(|(_, used)| std::cmp::Reverse(used.last));
        let limit = call.query.number("limit").and_then(|it| usize::try_from(it).ok());
        let shown = names.into_iter().take(limit.unwrap_or(50)).map(|(name, used)| {
            serde_json::json!({
                "trace_name": name, "trace_count": used.traces, "message_count": used.messages.len(),
                "last_seen": time::write(used.last),
            })
        });
        let shown: Vec<_> = shown.collect();
        value(200, &serde_json::json!({"trace_names": shown, "total": total}))
    }

    /// A trace, its object left open.
    fn write_item(&self, out: &mut Writer, item: &Item) {
        out.element();
        out.put("{");
        let id = self.notes.as_ref().map(|notes| id(notes, item.message.position));
        out.name("id");
        out.plain(id.unwrap_or_default());
        out.name("created_at");
        out.plain(time::write(item.message.sent_at));
        // The body is an object of ours: its members go on here.
        let body = item.message.body.bytes();
        if body.len() > 2 {
            out.put(",");
            out.json(&body.slice(1..body.len() - 1));
        }
    }
}

/// Traces of a name.
#[derive(Debug)]
pub struct NamedTraces {
    traces: Traces,
    total: usize,
}

impl NamedTraces {
    /// What is asked to find the messages that they are about, one for each.
    #[must_use]
    pub fn looks(&self) -> Vec<Operation> {
        let of_item = |item: &Item| {
            let labels = &item.message.options.as_ref()?.labels;
            let label = |name: &str| labels.iter().find(|(known, _)| &**known == name);
            let queue: QueueName = item.partition.as_str().parse().ok()?;
            let partition = label("partition")?.1.parse().ok()?;
            let name = message_name(&label("message")?.1, &queue);
            let command = Command::Look { partition, name };
            Some(Operation::Queue { queue, create: Create::No, command })
        };
        // All of them were made here, with these labels.
        self.traces.items.iter().filter_map(of_item).collect()
    }

    /// The answer, with what became of these messages.
    #[must_use]
    pub fn write(&self, looks: &[Result<Outcome, Error>]) -> Written {
        let mut out = Writer::default();
        out.put("{\"traces\":[");
        for (at, item) in self.traces.items.iter().enumerate() {
            self.traces.write_item(&mut out, item);
            out.name("message_payload");
            let payload = match looks.get(at) {
                Some(Ok(Outcome::Queue { outcome: QueueOutcome::Looked(seen), .. })) => {
                    seen.first().map(|(_, item)| &item.message.body)
                }
                _ => None,
            };
            match payload {
                Some(payload) if payload.content_type().is_none() => out.json(payload.bytes()),
                Some(payload) => out.base64(payload.bytes()),
                None => out.put("null"),
            }
            out.put("}");
        }
        out.put("]");
        out.name("total");
        out.number(self.total);
        out.put("}");
        json(200, out)
    }
}
