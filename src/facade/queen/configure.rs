//! Settings of queues in their words, and deleting queues.

use std::sync::Arc;

use super::{Call, name, value};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{Backoff, BackoffKind, Command, Create, FOREVER, Operation, Outcome, QueueSettings},
    types::{Millis, QueueName},
};

/// What a queue is made with by a push, or by whoever waits for one.
#[must_use]
pub fn pushed_settings(queue: &QueueName) -> Arc<QueueSettings> {
    let _ = queue;
    Arc::new(QueueSettings { lease: Millis::from_secs(60), ..defaults() })
}

/// A queue with all their options at their defaults.
fn defaults() -> QueueSettings {
    QueueSettings {
        lease: Millis::from_secs(300),
        attempts_max: 4,
        backoff: Backoff { kind: BackoffKind::Fixed, base: Millis(0), cap: Millis(0), jitter: 0 },
        expiry_is_failure: false,
        retain_settled: FOREVER,
        retain_dead: FOREVER,
        ..QueueSettings::default()
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
        Ok(_) => {
            Ok(value(200, &serde_json::json!({"deleted": true, "queue": queue, "existed": true})))
        }
        Err(error) if error.code == ErrorCode::QueueNotFound => {
            let message = format!("queue '{queue}' does not exist");
            let answer = serde_json::json!({"deleted": false, "queue": queue, "existed": false, "message": message});
            Ok(value(200, &answer))
        }
        Err(error) => Err(error),
    }
}

/// Reads settings.
///
/// # Errors
/// `InvalidJson`, `InvalidRequest`, `InvalidName`.
pub fn read(call: &Call) -> Result<(String, Operation), Error> {
    let body: serde_json::Value = super::body(call)?;
    let Some(text) = body.get("queue").and_then(serde_json::Value::as_str) else {
        return Err(Error::new(ErrorCode::InvalidRequest, "queue is required"));
    };
    let queue = name("queue", text)?;
    let create = Create::With(Arc::new(defaults()));
    let command = Command::Configure { settings: Box::default(), replace: false };
    Ok((text.to_owned(), Operation::Queue { queue, create, command }))
}

/// The answer to it.
///
/// # Errors
/// What the room says.
pub fn write(queue: &str, result: Result<Outcome, Error>) -> Result<Written, Error> {
    result?;
    let answer = serde_json::json!({"configured": true, "queueId": queue, "partitionId": null, "queue": queue,
        "namespace": "", "task": "", "options": {}});
    Ok(value(200, &answer))
}
