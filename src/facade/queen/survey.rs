//! Partitions one by one, as a group sees them: depths, and how far behind a group is where.

use serde_json::{Map, Value, json};

use super::{Call, groups::Queues, pop::partition_id, show_group, value};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{Command, Counts, Create, Operation, Outcome, PartitionSurvey, QueueOutcome},
    types::{GroupName, QueueName, Timestamp},
    wire::queen::time,
};

/// A look at the partitions of a queue.
#[must_use]
pub fn ask(queue: &QueueName, group: Option<GroupName>, call: &Call) -> Operation {
    let limit = u32::try_from(call.items_max).unwrap_or(u32::MAX);
    let command = Command::Survey { group, partition: None, after: None, limit };
    Operation::Queue { queue: queue.clone(), create: Create::No, command }
}

/// What became of it.
///
/// # Errors
/// What the room says.
pub fn found(result: Result<Outcome, Error>) -> Result<Vec<PartitionSurvey>, Error> {
    match result? {
        Outcome::Queue { outcome: QueueOutcome::Surveyed { partitions, .. }, .. } => Ok(partitions),
        _ => Err(ErrorCode::Internal.into()),
    }
}

/// Messages that are neither done nor dead.
const fn open(counts: &Counts) -> u64 {
    counts.blocked + counts.delayed + counts.ready + counts.leased
}

const fn kept(counts: &Counts) -> u64 {
    open(counts) + counts.dead + counts.done
}

/// A partition in full.
pub(super) fn partition(queue: &QueueName, part: &PartitionSurvey) -> Value {
    let counts = &part.counts;
    let messages = json!({
        "total": kept(counts), "pending": open(counts) - counts.leased, "processing": counts.leased,
        "completed": counts.done, "failed": counts.dead, "deadLetter": counts.dead,
    });
    let newest = part.newest.map(time::write);
    json!({
        "id": partition_id(queue, &part.key), "name": part.key.as_str(), "createdAt": null,
        "messages": messages, "stats": messages, "lastActivity": newest, "newestMessage": newest,
        "oldestMessage": part.oldest_open.map(time::write),
        "cursor": {"totalConsumed": counts.done, "batchesConsumed": null},
    })
}

/// How much a group has before it; one that is not there yet, everything.
#[must_use]
pub fn depth(queue: &str, group: Option<&str>, parts: &[PartitionSurvey], is_new: bool) -> Written {
    let (mut pending, mut processing, mut ready) = (0, 0, 0);
    let (mut owing, mut takeable) = (0_u64, 0_u64);
    let mut shown = Vec::with_capacity(parts.len());
    for part in parts {
        let counts = &part.counts;
        let (before, leased, can_go) = match is_new {
            true => (kept(counts), 0, kept(counts)),
            false => (open(counts), counts.leased, counts.ready),
        };
        pending += before;
        processing += leased;
        ready += can_go;
        owing += u64::from(before > 0);
        takeable += u64::from(can_go > 0 && leased == 0);
        let key = part.key.as_str();
        shown.push(
            json!({"partition": key, "pending": before, "processing": leased, "ready": can_go}),
        );
    }
    let answer = json!({
        "queue": queue, "group": group, "pending": pending, "processing": processing, "ready": ready,
        "partitionsPending": owing, "partitionsReady": takeable, "conflation": false,
        "effectivePending": pending, "effectiveReady": ready, "partitions": shown,
    });
    value(200, &answer)
}

/// A group of a queue, partition by partition.
#[derive(Debug)]
pub struct OfGroup {
    queue: QueueName,
    group: Option<GroupName>,
    parts: Vec<PartitionSurvey>,
}

/// What is asked for all groups, or for one.
#[must_use]
pub fn ask_groups(
    call: &Call,
    queues: &Queues,
    only: Option<&Option<GroupName>>,
) -> (Vec<OfGroup>, Vec<Operation>) {
    let groups = queues.groups().filter(|(_, _, view)| only.is_none_or(|only| view.name == *only));
    groups
        .map(|(queue, _, view)| {
            let group = view.name.clone();
            let operation = ask(queue, group.clone(), call);
            (OfGroup { queue: queue.clone(), group, parts: Vec::new() }, operation)
        })
        .unzip()
}

/// Takes in what became of that. What went meanwhile has no partitions.
///
/// # Errors
/// A refusal.
pub fn found_groups(
    groups: &mut [OfGroup],
    results: Vec<Result<Outcome, Error>>,
) -> Result<(), Error> {
    for (group, result) in groups.iter_mut().zip(results) {
        match found(result) {
            Ok(parts) => group.parts = parts,
            Err(error)
                if matches!(error.code, ErrorCode::QueueNotFound | ErrorCode::GroupNotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn seconds_since(call: &Call, at: Option<Timestamp>) -> u64 {
    at.map_or(0, |at| call.now.since(at).0 / 1000)
}

/// Partitions where a group is behind by so many seconds or more, the latest first.
#[must_use]
pub fn lagging(call: &Call, groups: &[OfGroup]) -> Written {
    let least = call.query.number("minLagSeconds").and_then(|it| u64::try_from(it).ok());
    let mut shown = Vec::new();
    for OfGroup { queue, group, parts } in groups {
        for part in parts {
            let lag = seconds_since(call, part.oldest_open);
            if part.oldest_open.is_none() || lag < least.unwrap_or(3600) {
                continue;
            }
            let row = json!({
                "consumer_group": show_group(group.as_ref()), "queue_name": queue.as_str(),
                "partition_name": part.key.as_str(), "partition_id": partition_id(queue, &part.key),
                "worker_id": null, "offset_lag": open(&part.counts), "time_lag_seconds": lag,
                "lag_hours": (lag as f64 / 36.0).round() / 100.0,
                "oldest_unconsumed_at": part.oldest_open.map(time::write), "last_consumed_at": null,
            });
            shown.push((lag, row));
        }
    }
    shown.sort_by_key(|(lag, _)| std::cmp::Reverse(*lag));
    value(200, &shown.into_iter().map(|(_, row)| row).collect())
}

/// A group, queue by queue.
#[must_use]
pub fn group(call: &Call, groups: &[OfGroup]) -> Written {
    let mut shown = Map::new();
    for OfGroup { queue, parts, .. } in groups {
        let rows = parts.iter().map(|part| {
            json!({
                "partition": part.key.as_str(), "workerId": null, "lastConsumedAt": null,
                "totalConsumed": part.counts.done + part.counts.dead, "offsetLag": open(&part.counts),
                "timeLagSeconds": seconds_since(call, part.oldest_open),
                "leaseActive": part.leased_until.is_some_and(|until| until > call.now),
                "leaseExpiresAt": part.leased_until.map(time::write),
            })
        });
        let rows: Vec<Value> = rows.collect();
        let lag: u64 = parts.iter().map(|part| open(&part.counts)).sum();
        let time_lag = parts.iter().map(|part| seconds_since(call, part.oldest_open)).max();
        let of_queue =
            json!({"partitions": rows, "totalLag": lag, "maxTimeLag": time_lag.unwrap_or(0)});
        shown.insert(queue.to_string(), of_queue);
    }
    value(200, &Value::Object(shown))
}
