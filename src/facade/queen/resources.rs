//! What there is: queues, namespaces, tasks, and how they are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    Call,
    configure::inspected,
    groups::Queues,
    name,
    options::{NAMESPACE, Options, TASK},
    show_group, survey, value,
};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{
        Command, Counts, Create, GroupView, Inspection, Operation, Outcome, PartitionSurvey,
    },
    types::{GroupName, QueueName},
    wire::queen::time,
};

/// Reads the look at one queue.
///
/// # Errors
/// `InvalidName`.
pub fn inspect(queue: &str) -> Result<Operation, Error> {
    let queue = name("queue", queue)?;
    Ok(Operation::Queue { queue, create: Create::No, command: Command::Inspect })
}

fn label(inspection: &Inspection, label: &str) -> String {
    inspection.settings.label(label).unwrap_or_default().to_owned()
}

/// Messages that are open in some group: of the group that is furthest behind.
fn open(view: &GroupView) -> u64 {
    let Counts { blocked, delayed, ready, .. } = view.counts;
    blocked + delayed + ready
}

/// The groups that count: consumer groups where there are any, else the work group.
fn counted(inspection: &Inspection) -> impl Iterator<Item = &GroupView> {
    let has_groups = inspection.groups.iter().any(|view| view.name.is_some());
    inspection.groups.iter().filter(move |view| view.name.is_some() == has_groups)
}

fn messages(inspection: &Inspection) -> Value {
    let pending = counted(inspection).map(open).max().unwrap_or(0);
    let processing = counted(inspection).map(|view| view.counts.leased).max().unwrap_or(0);
    let dead: u64 = inspection.groups.iter().map(|view| view.counts.dead).sum();
    let total = inspection.messages;
    json!({
        "total": total, "pending": pending, "processing": processing,
        "completed": total.saturating_sub(pending + processing), "failed": dead, "deadLetter": dead,
    })
}

fn queue(queue: &QueueName, inspection: &Inspection) -> Value {
    json!({
        "id": super::queue_id(queue), "name": queue.as_str(),
        "namespace": label(inspection, NAMESPACE), "task": label(inspection, TASK),
        "createdAt": null, "partitions": inspection.partitions.len(),
        "messages": messages(inspection), "priority": inspection.settings.priority,
        "paused": inspection.paused, "bytes": inspection.bytes,
    })
}

/// All queues, or those of a namespace or a task.
#[must_use]
pub fn queues(call: &Call, all: &Queues) -> Written {
    let has = |inspection: &Inspection, name: &str| {
        call.query.text(name).is_none_or(|wanted| inspection.settings.label(name) == Some(wanted))
    };
    let meant = all.iter().filter(|(_, found)| has(found, NAMESPACE) && has(found, TASK));
    let shown: Vec<Value> = meant.map(|(name, found)| queue(name, found)).collect();
    let number = |text: &str| call.query.number(text).and_then(|it| usize::try_from(it).ok());
    let (offset, limit) = (number("offset").unwrap_or(0), number("limit").unwrap_or(usize::MAX));
    let page: Vec<&Value> = shown.iter().skip(offset).take(limit).collect();
    value(200, &json!({"queues": page, "total": shown.len()}))
}

/// A queue that was looked at.
#[derive(Debug)]
pub struct Shown {
    queue: QueueName,
    found: Box<Inspection>,
}

impl Shown {
    /// What became of the look.
    ///
    /// # Errors
    /// What the room says.
    pub fn of(name: &str, found: Result<Outcome, Error>) -> Result<Self, Error> {
        let found = match found {
            Ok(found) => inspected(found)?,
            Err(error) if error.code == ErrorCode::QueueNotFound => {
                let text = format!("Queue '{name}' not found");
                return Err(Error::new(ErrorCode::QueueNotFound, text));
            }
            Err(error) => return Err(error),
        };
        Ok(Self { queue: super::name("queue", name)?, found })
    }

    /// Its name.
    #[must_use]
    pub const fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// The group that is furthest behind.
    #[must_use]
    pub fn slowest(&self) -> Option<GroupName> {
        let slowest = counted(&self.found).max_by_key(|view| open(view) + view.counts.leased);
        slowest.and_then(|view| view.name.clone())
    }
}

/// One queue.
#[must_use]
pub fn one(seen: &Shown, parts: &[PartitionSurvey]) -> Written {
    let Shown { queue: name, found } = seen;
    let mut shown = queue(name, found);
    if let Some(shown) = shown.as_object_mut() {
        let options = Value::Object(Options::of(&found.settings).show());
        shown.insert("options".to_owned(), options.clone());
        shown.insert("config".to_owned(), options);
        let parts = parts.iter().map(|part| survey::partition(name, part));
        shown.insert("partitions".to_owned(), parts.collect());
        shown.insert("totals".to_owned(), messages(found));
    }
    value(200, &shown)
}

/// Everything in numbers.
fn totals(all: &Queues) -> Value {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, inspection) in all.iter() {
        let messages = messages(inspection);
        for name in ["total", "pending", "processing", "completed", "failed", "deadLetter"] {
            *sums.entry(name).or_default() +=
                messages.get(name).and_then(Value::as_u64).unwrap_or(0);
        }
    }
    json!(sums)
}

fn labels(all: &Queues, name: &str) -> BTreeSet<String> {
    let labels = all.iter().filter_map(|(_, found)| found.settings.label(name));
    labels.map(str::to_owned).collect()
}

/// The room at a glance.
#[must_use]
pub fn overview(call: &Call, all: &Queues) -> Written {
    let partitions: usize = all.iter().map(|(_, found)| found.partitions.len()).sum();
    let groups: BTreeSet<_> = all
        .iter()
        .flat_map(|(_, found)| &found.groups)
        .filter_map(|view| view.name.as_ref())
        .collect();
    value(
        200,
        &json!({
            "queues": all.iter().count(), "partitions": partitions,
            "namespaces": labels(all, NAMESPACE).len(), "tasks": labels(all, TASK).len(),
            "consumerGroups": groups.len(), "messages": totals(all),
            "timestamp": time::write(call.now),
        }),
    )
}

/// Namespaces, or tasks, with what is in them.
#[must_use]
pub fn labelled(all: &Queues, by: &'static str) -> Written {
    let shown = labels(all, by).into_iter().map(|text| {
        let own: Vec<_> = all.iter().filter(|(_, found)| found.settings.label(by) == Some(&text)).collect();
        let partitions: usize = own.iter().map(|(_, found)| found.partitions.len()).sum();
        let total: u64 = own.iter().map(|(_, found)| found.messages).sum();
        let pending: u64 = own.iter().map(|(_, found)| counted(found).map(open).max().unwrap_or(0)).sum();
        json!({by: text, "queues": own.len(), "partitions": partitions, "messages": {"total": total, "pending": pending}})
    });
    let member = format!("{by}s");
    value(200, &json!({member: shown.collect::<Value>()}))
}

/// The room for a dashboard.
#[must_use]
pub fn status(call: &Call, all: &Queues) -> Written {
    let dead: u64 =
        all.iter().flat_map(|(_, found)| &found.groups).map(|view| view.counts.dead).sum();
    let leased: u64 =
        all.iter().flat_map(|(_, found)| &found.groups).map(|view| view.counts.leased).sum();
    value(
        200,
        &json!({
            "timeRange": {"from": call.query.text("from"), "to": call.query.text("to")},
            "throughput": [], "queues": all.iter().map(|(name, found)| queue(name, found)).collect::<Value>(),
            "messages": totals(all), "leases": {"active": leased, "partitionsWithLeases": leased},
            "deadLetterQueue": {"totalMessages": dead, "affectedPartitions": 0, "topErrors": []},
            "workers": [], "errors": [],
        }),
    )
}

/// One queue for a dashboard.
#[must_use]
pub fn status_of(seen: &Shown, parts: &[PartitionSurvey]) -> Written {
    let Shown { queue: name, found } = seen;
    let groups = found.groups.iter().map(|view| {
        json!({"name": show_group(view.name.as_ref()), "pending": open(view), "processing": view.counts.leased,
            "deadLetter": view.counts.dead})
    });
    let parts = parts.iter().map(|part| survey::partition(name, part));
    let mut totals = messages(found);
    if let Some(totals) = totals.as_object_mut() {
        totals.insert("messages".to_owned(), messages(found));
        totals.insert("partitions".to_owned(), found.partitions.len().into());
    }
    value(
        200,
        &json!({
            "queue": queue(name, found), "totals": totals,
            "consumerGroups": groups.collect::<Value>(), "partitions": parts.collect::<Value>(),
        }),
    )
}
