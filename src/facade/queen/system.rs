//! The server as a whole: whether it is well, and what it does not do.

use serde_json::{Value, json};

use super::value;
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
};

/// Whether it is well.
#[must_use]
pub fn health(is_well: bool) -> Written {
    let (status, word, store) = match is_well {
        true => (200, "healthy", "connected"),
        false => (503, "unhealthy", "disconnected"),
    };
    let version = env!("CARGO_PKG_VERSION");
    value(
        status,
        &json!({"status": word, "database": store, "server": "anteroom", "version": version}),
    )
}

/// It runs.
#[must_use]
pub fn live() -> Written {
    value(200, &json!({"status": "ok"}))
}

/// A few numbers.
#[must_use]
pub fn metrics(connections: usize, uptime: u64) -> Written {
    value(
        200,
        &json!({
            "uptime": uptime, "requests": {"total": 0, "rate": 0.0}, "messages": {"total": 0, "rate": 0.0},
            "database": {"poolSize": 0, "idleConnections": 0, "waitingRequests": 0},
            "memory": {}, "cpu": {}, "connections": connections,
        }),
    )
}

/// The same for Prometheus.
#[must_use]
pub fn prometheus(connections: usize, uptime: u64, relaxed_queues: usize) -> Written {
    let text = format!(
        "# TYPE queen_up gauge\nqueen_up 1\n# TYPE queen_connections gauge\nqueen_connections {connections}\n\
         # TYPE queen_uptime_seconds counter\nqueen_uptime_seconds {uptime}\n\
         # HELP anteroom_relaxed_queues Queues in memory that acknowledge a message before it is on disk.\n\
         # TYPE anteroom_relaxed_queues gauge\nanteroom_relaxed_queues {relaxed_queues}\n"
    );
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    Written { status: 200, content_type, body: text.into() }
}

/// Nothing to do: every number is counted when it is asked for.
#[must_use]
pub fn refreshed() -> Written {
    value(200, &json!({"success": true, "refreshed": false}))
}

/// What a room has switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maintenance {
    /// Pushes are answered `buffered`: they are stored all the same, at once.
    pub pushes: bool,
    /// Pops get nothing.
    pub pops: bool,
}

/// Reads whether something is to be switched on or off.
///
/// # Errors
/// `InvalidJson`, `InvalidRequest`.
pub fn switch(body: &[u8]) -> Result<bool, Error> {
    let body: Value = crate::wire::queen::request::read(body)?;
    let said = body.get("enabled").and_then(Value::as_bool);
    said.ok_or_else(|| Error::new(ErrorCode::InvalidRequest, "enabled must be true or false"))
}

/// How it is switched; `is_on` is the one that was asked for.
#[must_use]
pub fn maintenance(is_on: bool, all: Maintenance) -> Written {
    value(
        200,
        &json!({
            "success": true, "enabled": is_on, "maintenanceMode": all.pushes,
            "popMaintenanceMode": all.pops, "bufferedMessages": 0, "bufferHealthy": true,
            "bufferStats": {"pendingCount": 0, "failedCount": 0},
        }),
    )
}

/// What their servers have and this one does not.
#[must_use]
pub fn not_offered(what: &str) -> Written {
    let text = format!("this server does not offer {what}");
    super::refusal(&Error::new(ErrorCode::NotSupported, text))
}

/// Nothing is measured over time.
#[must_use]
pub fn no_series() -> Written {
    value(200, &json!({"data": [], "series": [], "timeSeries": [], "buffers": {}, "queues": []}))
}
