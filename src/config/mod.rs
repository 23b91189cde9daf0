//! (stand-in until the real one is copied)
#![allow(missing_docs)]
use crate::types::{Limits, Millis};
pub struct Config {
    pub listen: std::net::SocketAddr,
    pub limits: Limits,
    pub open_is_idempotent: bool,
    pub origins: Vec<String>,
    pub ping_interval: Millis,
    pub pong_timeout: Millis,
    pub receipt_timeout: Millis,
    pub write_timeout: Millis,
    pub workers: usize,
    pub grace: Millis,
}
