//! Streams: windows over the messages of some queues.

use serde::Deserialize;

use crate::wire::native::Text;

/// `POST /api/v1/stream/define`
#[derive(Debug, Deserialize)]
pub struct Define<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Where it belongs; it counts for nothing.
    #[serde(borrow)]
    pub namespace: Text<'a>,
    /// Whose messages.
    #[serde(borrow)]
    pub source_queue_names: Vec<Text<'a>>,
    /// Whether each partition has windows of its own.
    #[serde(default)]
    pub partitioned: bool,
    /// What kind of window.
    #[serde(borrow, default)]
    pub window_type: Option<Text<'a>>,
    /// How long a window is.
    pub window_duration_ms: u64,
    /// How long it stays open after its end.
    #[serde(default)]
    pub window_grace_period_ms: u64,
    /// How long a taker has it.
    #[serde(default)]
    pub window_lease_timeout_ms: Option<u64>,
}

/// `POST /api/v1/stream/poll`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Poll<'a> {
    /// Which stream.
    #[serde(borrow)]
    pub stream_name: Text<'a>,
    /// For which group.
    #[serde(borrow, default)]
    pub consumer_group: Option<Text<'a>>,
    /// Milliseconds that it waits.
    #[serde(default)]
    pub timeout: Option<u64>,
}

/// `POST /api/v1/stream/ack`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AckWindow<'a> {
    /// Which window.
    #[serde(borrow)]
    pub window_id: Text<'a>,
    /// The lease under which it was handed out.
    #[serde(borrow)]
    pub lease_id: Text<'a>,
    /// Whether it is done, or to be given out again.
    #[serde(default = "yes")]
    pub success: bool,
}

const fn yes() -> bool {
    true
}

/// `POST /api/v1/stream/renew-lease`
#[derive(Debug, Deserialize)]
pub struct RenewLease<'a> {
    /// Which lease.
    #[serde(borrow, rename = "leaseId")]
    pub lease_id: Text<'a>,
    /// It ends so many milliseconds from now.
    #[serde(default)]
    pub extend_ms: Option<u64>,
}

/// `POST /api/v1/stream/seek`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeekStream<'a> {
    /// Which stream.
    #[serde(borrow)]
    pub stream_name: Text<'a>,
    /// Which group.
    #[serde(borrow, default)]
    pub consumer_group: Option<Text<'a>>,
    /// Where to.
    #[serde(borrow)]
    pub timestamp: Text<'a>,
}
