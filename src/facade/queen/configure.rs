//! Settings of queues in their words, and deleting queues.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    Call, name,
    options::{NAMESPACE, Options, TASK},
    queue_name, value,
};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{Command, Create, Inspection, Operation, Outcome, QueueOutcome},
    types::QueueName,
};

/// A change of settings that is under way.
#[derive(Debug)]
pub struct Configure {
    queue: QueueName,
    said: Map<String, Value>,
    /// None: as it is.
    namespace: Option<String>,
    task: Option<String>,
    /// Whether what is not named goes back to its default.
    replace: bool,
}

impl Configure {
    /// Reads the request.
    ///
    /// # Errors
    /// `InvalidJson`, `InvalidRequest`, `InvalidName`.
    pub fn read(call: &Call) -> Result<Self, Error> {
        let body = super::body(call)?;
        let invalid = |text: &'static str| Error::new(ErrorCode::InvalidRequest, text);
        let queue = body.get("queue").and_then(Value::as_str);
        let queue = queue_name(queue.ok_or_else(|| invalid("queue is required"))?)?;
        let said = match body.get("options") {
            Some(Value::Object(options)) => Options::named(options),
            None | Some(Value::Null) => Options::named(&body),
            Some(_) => return Err(invalid("options must be an object")),
        };
        let text = |member: &str| body.get(member).and_then(Value::as_str).map(str::to_owned);
        let replace = body.get("mode").and_then(Value::as_str) == Some("replace");
        let (namespace, task) = (text("namespace"), text("task"));
        Ok(Self { queue, said, namespace, task, replace })
    }

    /// What must be known first: the queue as it is.
    #[must_use]
    pub fn first(&self) -> Operation {
        let queue = self.queue.clone();
        Operation::Queue { queue, create: Create::No, command: Command::Inspect }
    }

    /// What is asked then, and the options that are in force by it.
    ///
    /// # Errors
    /// `InvalidSettings`; and what the room says.
    pub fn then(&self, found: Result<Outcome, Error>) -> Result<(Operation, Value), Error> {
        let found = match found {
            Ok(outcome) => Some(inspected(outcome)?),
            Err(error) if error.code == ErrorCode::QueueNotFound => None,
            Err(error) => return Err(error),
        };
        let settings = found.as_ref().map(|found| &found.settings);
        let before = settings.filter(|_| !self.replace).map(Options::of).unwrap_or_default();
        let options = before.with(&self.said)?;
        let as_is = |said: &Option<String>, label: &str| {
            let known = || settings.and_then(|settings| settings.label(label)).map(str::to_owned);
            said.clone().or_else(known).unwrap_or_default()
        };
        let (namespace, task) = (as_is(&self.namespace, NAMESPACE), as_is(&self.task, TASK));
        let labels = [(NAMESPACE, namespace.as_str()), (TASK, task.as_str())];
        let create = Create::With(Arc::new(options.settings(&labels)));
        let command =
            Command::Configure { settings: Box::new(options.patch(&labels)), replace: false };
        let queue = self.queue.clone();
        let answer = json!({
            "configured": true, "queueId": super::queue_id(&queue), "partitionId": null,
            "queue": queue.as_str(), "namespace": namespace, "task": task,
            "options": options.show(),
        });
        Ok((Operation::Queue { queue, create, command }, answer))
    }

    /// The answer.
    ///
    /// # Errors
    /// What the room says.
    pub fn write(result: Result<Outcome, Error>, answer: &Value) -> Result<Written, Error> {
        result.map(|_| value(200, answer))
    }
}

/// A queue that was looked at.
pub(super) fn inspected(outcome: Outcome) -> Result<Box<Inspection>, Error> {
    match outcome {
        Outcome::Queue { outcome: QueueOutcome::Inspected(inspection), .. } => Ok(inspection),
        _ => Err(ErrorCode::Internal.into()),
    }
}

/// Reads the deletion of a queue.
///
/// # Errors
/// `InvalidName`.
pub fn delete(queue: &str) -> Result<Operation, Error> {
    let queue = name("queue", queue)?;
    Ok(Operation::Queue { queue, create: Create::No, command: Command::Delete })
}

/// The answer to it.
///
/// # Errors
/// What the room says.
pub fn deleted(queue: &str, result: Result<Outcome, Error>) -> Result<Written, Error> {
    match result {
        Ok(_) => Ok(value(200, &json!({"deleted": true, "queue": queue, "existed": true}))),
        Err(error) if error.code == ErrorCode::QueueNotFound => {
            let message = format!("Queue '{queue}' not found");
            let answer =
                json!({"deleted": false, "queue": queue, "existed": false, "message": message});
            Ok(value(200, &answer))
        }
        Err(error) => Err(error),
    }
}
