//! anteroom: rooms and queues over WebSockets. (Crate docs follow.)
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod error;
pub mod types;
pub mod wire;
