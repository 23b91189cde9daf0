//! `anteroom.v1`, over WebSocket and over HTTP: the same requests, the same answers.
//!
//! `operation` makes of a request what the service understands, `outcome` writes what comes back. `dialect` speaks both
//! on a WebSocket, `http` in one exchange.

mod dialect;
mod http;
mod message;
mod operation;
mod outcome;
mod settings;
#[cfg(test)]
mod tests;

pub use dialect::{NativeDialect, Welcome};
pub use http::{HttpRequest, WAIT_MAX, problem};
