//! anteroom: rooms and queues over WebSockets. (Crate docs follow.)
pub mod actor;
pub mod auth;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod engine;
pub mod error;
pub mod facade;
pub mod journal;
pub mod server;
pub mod service;
pub mod store;
pub mod types;
pub mod wire;
