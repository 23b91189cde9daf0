//! Consumer groups: who there is, how far they are, moving and forgetting them.

use serde_json::{Value, json};

use super::{
    Call,
    configure::inspected,
    group, name,
    options::{NAMESPACE, TASK},
    value,
};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{Command, Create, GroupView, Inspection, Operation, Outcome, SeekTo, Start},
    types::{GroupName, QueueName, Timestamp},
    wire::queen::time,
};

/// A group that is behind by more than this is lagging.
const LAGGING: u64 = 60;

/// The queues of a room, looked at.
#[derive(Debug, Default)]
pub struct Queues {
    all: Vec<(QueueName, Box<Inspection>)>,
}

/// Asks for the names of all queues.
#[must_use]
pub const fn list() -> Operation {
    Operation::ListQueues
}

/// Looks at all queues that were listed.
///
/// # Errors
/// What the room says.
pub fn inspect_all(
    listed: Result<Outcome, Error>,
) -> Result<(Vec<QueueName>, Vec<Operation>), Error> {
    let Outcome::Queues { queues, .. } = listed? else { return Err(ErrorCode::Internal.into()) };
    let names: Vec<QueueName> = queues.iter().map(|queue| queue.queue.clone()).collect();
    let look = |queue: &QueueName| Operation::Queue {
        queue: queue.clone(),
        create: Create::No,
        command: Command::Inspect,
    };
    let operations = names.iter().map(look).collect();
    Ok((names, operations))
}

impl Queues {
    /// What was found; queues that are gone by now are left out.
    ///
    /// # Errors
    /// What the room says.
    pub fn found(
        names: Vec<QueueName>,
        results: Vec<Result<Outcome, Error>>,
    ) -> Result<Self, Error> {
        let mut all = Vec::with_capacity(names.len());
        for (name, result) in names.into_iter().zip(results) {
            match result {
                Ok(outcome) => all.push((name, inspected(outcome)?)),
                Err(error) if error.code == ErrorCode::QueueNotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { all })
    }

    /// By name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&QueueName, &Inspection)> {
        self.all.iter().map(|(name, inspection)| (name, &**inspection))
    }

    /// Groups that somebody has made, and the work group where it has done something.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&QueueName, &Inspection, &GroupView)> {
        let is_used = |view: &GroupView| {
            let counts = view.counts;
            view.name.is_some() || counts.done + counts.leased + counts.dead > 0
        };
        self.iter().flat_map(move |(name, inspection)| {
            let used = inspection.groups.iter().filter(move |view| is_used(view));
            used.map(move |view| (name, inspection, view))
        })
    }
}

fn lag(view: &GroupView) -> u64 {
    let counts = view.counts;
    counts.ready + counts.delayed + counts.blocked + counts.leased
}

/// How many seconds the oldest message that is not done has waited.
fn behind(view: &GroupView, now: Timestamp) -> u64 {
    view.oldest_ready.map_or(0, |at| now.since(at).0 / 1000)
}

fn state(view: &GroupView, now: Timestamp) -> &'static str {
    match lag(view) {
        0 => "Stable",
        _ if behind(view, now) > LAGGING => "Lagging",
        _ => "Stable",
    }
}

/// All groups of all queues.
#[must_use]
pub fn all(call: &Call, queues: &Queues) -> Written {
    let shown = queues.groups().map(|(queue, inspection, view)| {
        json!({
            "name": super::show_group(view.name.as_ref()),
            "topics": [queue.as_str()],
            "queueName": queue.as_str(),
            "queueId": super::queue_id(queue),
            "members": inspection.partitions.len(),
            "totalLag": lag(view),
            "partitionsWithLag": u64::from(lag(view) > 0),
            "maxTimeLag": behind(view, call.now),
            "state": state(view, call.now),
            "subscriptionMode": view.name.as_ref().map(|_| "all"),
            "subscriptionTimestamp": null,
            "subscriptionCreatedAt": null,
            "namespace": inspection.settings.label(NAMESPACE).unwrap_or_default(),
            "task": inspection.settings.label(TASK).unwrap_or_default(),
            "conflation": false,
        })
    });
    value(200, &shown.collect())
}

/// Forgetting a group.
#[derive(Debug)]
pub struct Forget {
    group: String,
    /// Whether nothing is to be left of it; else it begins anew where it began.
    wholly: bool,
    /// None: in all queues.
    queue: Option<QueueName>,
    partitions: usize,
}

impl Forget {
    /// Reads the request.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn read(call: &Call, group: &str, queue: Option<&str>) -> Result<Self, Error> {
        let wholly = call.query.text("deleteMetadata") != Some("false");
        let queue = queue.map(|queue| name("queue", queue)).transpose()?;
        Ok(Self { group: group.to_owned(), wholly, queue, partitions: 0 })
    }

    /// What is asked.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn operations(&mut self, queues: &Queues) -> Result<Vec<Operation>, Error> {
        let wanted = group(Some(&self.group))?;
        let has_it =
            |inspection: &Inspection| inspection.groups.iter().any(|view| view.name == wanted);
        let is_meant = |queue: &QueueName| self.queue.as_ref().is_none_or(|meant| meant == queue);
        let meant: Vec<(&QueueName, &Inspection)> = (queues.iter())
            .filter(|(queue, inspection)| is_meant(queue) && has_it(inspection))
            .collect();
        self.partitions = meant.iter().map(|(_, inspection)| inspection.partitions.len()).sum();
        let operations = meant.into_iter().map(|(queue, _)| {
            let command = match &wanted {
                // The work group is always there, and begins at the oldest message.
                None => Command::Seek { group: None, partition: None, to: SeekTo::Start },
                Some(group) if self.wholly => Command::DeleteGroup { group: group.clone() },
                Some(group) => Command::Seek {
                    group: Some(group.clone()),
                    partition: None,
                    to: SeekTo::Origin,
                },
            };
            Operation::Queue { queue: queue.clone(), create: Create::No, command }
        });
        Ok(operations.collect())
    }

    /// The answer.
    ///
    /// # Errors
    /// What the room says.
    pub fn write(&self, results: Vec<Result<Outcome, Error>>) -> Result<Written, Error> {
        ignore_missing(results)?;
        let mut answer = json!({
            "success": true, "consumerGroup": self.group,
            "deletedPartitions": self.partitions, "metadataDeleted": self.wholly,
        });
        if let (Some(queue), Some(answer)) = (&self.queue, answer.as_object_mut()) {
            answer.insert("queueName".to_owned(), queue.as_str().into());
        }
        Ok(value(200, &answer))
    }
}

/// What was there before and is gone by now is no failure.
fn ignore_missing(results: Vec<Result<Outcome, Error>>) -> Result<(), Error> {
    let is_fine =
        |error: &Error| matches!(error.code, ErrorCode::QueueNotFound | ErrorCode::GroupNotFound);
    results.into_iter().find_map(Result::err).filter(|error| !is_fine(error)).map_or(Ok(()), Err)
}

/// Setting where a group begins in partitions that it has not met.
#[derive(Debug)]
pub struct Subscription {
    group: GroupName,
    at: Timestamp,
    said: String,
    queues: usize,
}

impl Subscription {
    /// Reads the request.
    ///
    /// # Errors
    /// `InvalidJson`, `InvalidRequest`, `InvalidName`.
    pub fn read(call: &Call, group: &str) -> Result<Self, Error> {
        let body = super::body(call)?;
        let said = body.get("subscriptionTimestamp").and_then(Value::as_str).unwrap_or_default();
        let at = time::read(said).ok_or_else(|| {
            Error::new(ErrorCode::InvalidRequest, "subscriptionTimestamp is required")
        })?;
        Ok(Self { group: name("consumerGroup", group)?, at, said: said.to_owned(), queues: 0 })
    }

    /// What is asked.
    pub fn operations(&mut self, queues: &Queues) -> Vec<Operation> {
        let has_it = |inspection: &Inspection| {
            inspection.groups.iter().any(|view| view.name.as_ref() == Some(&self.group))
        };
        let meant = queues.iter().filter(|(_, inspection)| has_it(inspection));
        let operations: Vec<Operation> = meant
            .map(|(queue, _)| {
                let (group, start) = (self.group.clone(), Start::From(self.at));
                let command = Command::SetStart { group, start };
                Operation::Queue { queue: queue.clone(), create: Create::No, command }
            })
            .collect();
        self.queues = operations.len();
        operations
    }

    /// The answer.
    ///
    /// # Errors
    /// What the room says.
    pub fn write(&self, results: Vec<Result<Outcome, Error>>) -> Result<Written, Error> {
        ignore_missing(results)?;
        let answer = json!({
            "success": true, "consumerGroup": self.group.as_str(),
            "newTimestamp": self.said, "rowsUpdated": self.queues,
        });
        Ok(value(200, &answer))
    }
}

/// Moving a group.
#[derive(Debug)]
pub struct Seek {
    group: String,
    queue: QueueName,
    partition: Option<String>,
    to_end: bool,
    timestamp: Option<String>,
    partitions: usize,
}

impl Seek {
    /// Reads the request.
    ///
    /// # Errors
    /// `InvalidJson`, `InvalidRequest`, `InvalidName`.
    pub fn read(
        call: &Call,
        group: &str,
        queue: &str,
        partition: Option<&str>,
    ) -> Result<Self, Error> {
        let body = super::body(call)?;
        let to_end = body.get("toEnd").and_then(Value::as_bool).unwrap_or(false);
        let timestamp = body.get("timestamp").and_then(Value::as_str);
        if !to_end && timestamp.and_then(time::read).is_none() {
            let text = "Must specify either toEnd: true or a timestamp";
            return Err(Error::new(ErrorCode::InvalidRequest, text));
        }
        Ok(Self {
            group: group.to_owned(),
            queue: name("queue", queue)?,
            partition: partition.map(str::to_owned),
            to_end,
            timestamp: timestamp.map(str::to_owned),
            partitions: 0,
        })
    }

    /// What must be known first: the queue.
    #[must_use]
    pub fn first(&self) -> Operation {
        let queue = self.queue.clone();
        Operation::Queue { queue, create: Create::No, command: Command::Inspect }
    }

    /// What is asked then: a group that is not there yet is made.
    ///
    /// # Errors
    /// `QueueNotFound`, `InvalidName`; and what the room says.
    pub fn then(&mut self, found: Result<Outcome, Error>) -> Result<Vec<Operation>, Error> {
        let found = inspected(found?)?;
        let wanted = group(Some(&self.group))?;
        let partition =
            self.partition.as_deref().map(|text| name("partition", text)).transpose()?;
        self.partitions = match &partition {
            None => found.partitions.len(),
            Some(key) => found.partitions.iter().filter(|part| part.key == *key).count(),
        };
        let to = match self.timestamp.as_deref().and_then(time::read) {
            _ if self.to_end => SeekTo::End,
            Some(at) => SeekTo::Time(at),
            None => SeekTo::End,
        };
        let ask =
            |command| Operation::Queue { queue: self.queue.clone(), create: Create::No, command };
        let mut operations = Vec::new();
        if let Some(group) = &wanted
            && !found.groups.iter().any(|view| view.name.as_ref() == Some(group))
        {
            let group = group.clone();
            operations.push(ask(Command::OpenGroup { group, start: Start::All }));
        }
        operations.push(ask(Command::Seek { group: wanted, partition, to }));
        Ok(operations)
    }

    /// The answer.
    ///
    /// # Errors
    /// What the room says.
    pub fn write(&self, results: Vec<Result<Outcome, Error>>) -> Result<Written, Error> {
        // Somebody else may have made the group meanwhile.
        let exists = |error: &Error| error.code == ErrorCode::GroupExists;
        results.into_iter().find_map(Result::err).filter(|it| !exists(it)).map_or(Ok(()), Err)?;
        let mut answer = json!({
            "success": true, "consumerGroup": self.group, "queueName": self.queue.as_str(),
            "seekToEnd": self.to_end, "targetTimestamp": self.timestamp,
            "partitionsUpdated": self.partitions,
        });
        if let (Some(partition), Some(answer)) = (&self.partition, answer.as_object_mut()) {
            answer.insert("partitionName".to_owned(), partition.as_str().into());
        }
        Ok(value(200, &answer))
    }
}
