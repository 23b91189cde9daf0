//! Queen MQ's HTTP protocol: how its words map to ours.
//!
//! | theirs | ours |
//! |---|---|
//! | queue, partition, consumer group | the same; no group, or `__QUEUE_MODE__`, is the work group |
//! | transactionId | the dedup key; a message that was sent without one is called by its id |
//! | pop | take whole partitions under one lease |
//! | leaseId | generation of the lease, and the queue |
//! | ack | settle by name: completed is done, failed is retry, retry is release, dlq is dead |
//! | retryLimit | attempts − 1 |
//! | nothing is deleted by consuming | what is settled is retained |
//!
//! Each module reads a request into operations, and writes their outcomes. Whoever asks the room is `server`.

pub mod ack;
pub mod configure;
pub mod dead;
pub mod groups;
mod listing;
pub mod message;
mod options;
pub mod pop;
pub mod push;
pub mod reads;
pub mod resources;
pub mod streams;
pub mod survey;
pub mod system;
pub mod traces;
pub mod transaction;

use bytes::Bytes;

use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    types::{GroupName, NameError, ParticipantName, QueueName, Timestamp},
    wire::{
        Writer,
        queen::{MessageName, Query},
    },
};

/// The name of "no group".
pub const QUEUE_MODE: &str = "__QUEUE_MODE__";

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    /// The time.
    pub now: Timestamp,
    /// Things in one request.
    pub items_max: usize,
    /// Its body.
    pub body: Bytes,
    /// Its query.
    pub query: Query,
    /// Who asks; none: nobody in particular.
    pub producer: Option<ParticipantName>,
}

fn name<N: std::str::FromStr<Err = NameError>>(field: &str, text: &str) -> Result<N, Error> {
    text.parse().map_err(|error| Error::new(ErrorCode::InvalidName, format!("{field}: {error}")))
}

/// The queue whose name is empty to them.
const UNNAMED: &str = "unnamed";

/// A queue by their name of it.
fn queue_name(text: &str) -> Result<QueueName, Error> {
    name("queue", if text.is_empty() { UNNAMED } else { text })
}

/// A group by their name of it.
///
/// # Errors
/// `InvalidName`.
pub fn group(text: Option<&str>) -> Result<Option<GroupName>, Error> {
    match text.filter(|text| !text.is_empty() && *text != QUEUE_MODE) {
        Some(text) => name("consumerGroup", text).map(Some),
        None => Ok(None),
    }
}

/// Our name of a group as theirs.
fn show_group(group: Option<&GroupName>) -> &str {
    group.map_or(QUEUE_MODE, GroupName::as_str)
}

/// An answer of JSON.
#[must_use]
pub fn json(status: u16, out: Writer) -> Written {
    Written { status, content_type: "application/json", body: out.finish() }
}

/// An answer of a value.
#[must_use]
pub fn value(status: u16, value: &serde_json::Value) -> Written {
    let mut out = Writer::default();
    out.value(value);
    json(status, out)
}

/// Nothing.
#[must_use]
pub const fn nothing() -> Written {
    Written { status: 204, content_type: "application/json", body: Bytes::new() }
}

/// A refusal.
#[must_use]
pub fn refusal(error: &Error) -> Written {
    let (text, code) = (error.message.as_ref(), error.code.name());
    value(error.code.http_status(), &serde_json::json!({"error": text, "code": code}))
}

/// Where nothing is.
#[must_use]
pub fn no_such_route() -> Written {
    value(404, &serde_json::json!({"error": "Not Found", "code": "no_such_route"}))
}

/// The body as a JSON object.
///
/// # Errors
/// `InvalidJson`, `InvalidRequest`.
fn body(call: &Call) -> Result<serde_json::Map<String, serde_json::Value>, Error> {
    match crate::wire::queen::request::read(&call.body)? {
        serde_json::Value::Object(body) => Ok(body),
        _ => Err(Error::new(ErrorCode::InvalidRequest, "the body must be an object")),
    }
}

/// Their id of a queue, in the form of a UUID.
fn queue_id(queue: &QueueName) -> String {
    MessageName { partition: u32::MAX, offset: 0 }.write(queue)
}
