//! Bodies of requests.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    error::{Error, ErrorCode},
    wire::{json::check_depth, native::Text},
};

/// Reads a body; none at all is an object without fields.
///
/// # Errors
/// `InvalidJson`, `InvalidRequest`.
pub fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Error::new(ErrorCode::InvalidJson, "the body is not UTF-8"))?;
    crate::wire::native::read(if text.trim_ascii().is_empty() { "{}" } else { text })
}

/// The text of a JSON value; `null` is a value, too.
pub(super) fn json<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a str>, D::Error> {
    let text = <&RawValue>::deserialize(deserializer)?.get();
    check_depth(text).map_err(|error| serde::de::Error::custom(error.message))?;
    Ok(Some(text))
}

/// `POST /api/v1/push`
#[derive(Debug, Deserialize)]
pub struct Push<'a> {
    /// The messages.
    #[serde(borrow)]
    pub items: Vec<PushItem<'a>>,
}

/// A message to be pushed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushItem<'a> {
    /// Which queue.
    #[serde(borrow)]
    pub queue: Text<'a>,
    /// Which partition; none: `Default`.
    #[serde(borrow, default)]
    pub partition: Option<Text<'a>>,
    /// The body.
    #[serde(borrow, default, deserialize_with = "json")]
    pub payload: Option<&'a str>,
    /// The client's name for it.
    #[serde(borrow, default)]
    pub transaction_id: Option<Text<'a>>,
    /// For those who follow it.
    #[serde(borrow, default)]
    pub trace_id: Option<Text<'a>>,
}

/// An acknowledgement.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ack<'a> {
    /// Which message.
    #[serde(borrow)]
    pub transaction_id: Text<'a>,
    /// Where it is.
    #[serde(borrow)]
    pub partition_id: Text<'a>,
    /// The lease under which it was handed out.
    #[serde(borrow, default)]
    pub lease_id: Option<Text<'a>>,
    /// What became of it.
    #[serde(borrow, default)]
    pub status: Option<Text<'a>>,
    /// Why it failed.
    #[serde(borrow, default)]
    pub error: Option<Text<'a>>,
    /// For which group.
    #[serde(borrow, default)]
    pub consumer_group: Option<Text<'a>>,
}

/// `POST /api/v1/ack/batch`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AckBatch<'a> {
    /// The acknowledgements.
    #[serde(borrow)]
    pub acknowledgments: Vec<Ack<'a>>,
    /// For which group.
    #[serde(borrow, default)]
    pub consumer_group: Option<Text<'a>>,
}

/// `POST /api/v1/transaction`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Steps<'a> {
    /// What is to happen.
    #[serde(borrow)]
    pub operations: Vec<Step<'a>>,
    /// Leases that must be live.
    #[serde(borrow, default)]
    pub required_leases: Option<Vec<Text<'a>>>,
    /// Changes of keys and values.
    #[serde(borrow, default)]
    pub kv: Option<Vec<&'a RawValue>>,
    /// Timers.
    #[serde(borrow, default)]
    pub timers: Option<Vec<&'a RawValue>>,
}

/// One step of a transaction: an ack, or pushes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step<'a> {
    /// Which of the two.
    #[serde(borrow, default, rename = "type")]
    pub kind: Option<Text<'a>>,
    /// Of an ack: which message.
    #[serde(borrow, default)]
    pub transaction_id: Option<Text<'a>>,
    /// Where it is.
    #[serde(borrow, default)]
    pub partition_id: Option<Text<'a>>,
    /// The lease under which it was handed out.
    #[serde(borrow, default)]
    pub lease_id: Option<Text<'a>>,
    /// What became of it.
    #[serde(borrow, default)]
    pub status: Option<Text<'a>>,
    /// Why it failed.
    #[serde(borrow, default)]
    pub error: Option<Text<'a>>,
    /// For which group.
    #[serde(borrow, default)]
    pub consumer_group: Option<Text<'a>>,
    /// Of pushes: the messages.
    #[serde(borrow, default)]
    pub items: Option<Vec<PushItem<'a>>>,
}
