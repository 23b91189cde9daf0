//! Traces: what a handler says about a message.

use serde::Deserialize;

use super::request::json;
use crate::wire::native::Text;

/// `POST /api/v1/traces`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace<'a> {
    /// About which message,
    #[serde(borrow)]
    pub transaction_id: Text<'a>,
    /// and where it is.
    #[serde(borrow)]
    pub partition_id: Text<'a>,
    /// What is said.
    #[serde(borrow, default, deserialize_with = "json")]
    pub data: Option<&'a str>,
    /// In which group.
    #[serde(borrow, default)]
    pub consumer_group: Option<Text<'a>>,
    /// By which names it is found.
    #[serde(default)]
    pub trace_names: Option<TraceNames>,
    /// What kind of trace.
    #[serde(borrow, default)]
    pub event_type: Option<Text<'a>>,
}

/// One name, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum TraceNames {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl TraceNames {
    /// All of them.
    #[must_use]
    pub fn into_list(self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name],
            Self::Several(names) => names,
        }
    }
}
