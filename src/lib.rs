//! anteroom: rooms and queues over WebSockets.
//!
//! ```text
//! socket ─► server::ws ─► wire + facade ─► service ─► actor::room ─► actor::queue ─► engine
//!                                                                                      │
//! socket ◄─ frames ◄───── facade ◄─────── link ◄───── held replies ◄─ store ◄─ journal ◄┘
//! ```
//!
//! Reading order: [`engine`] (what a queue is), [`service`] (the door), [`actor`] (who runs, who waits),
//! [`wire`] and [`facade`] (how a protocol says it), [`server`] (where it listens). `ARCHITECTURE.md` has
//! the map and three walk-throughs.
//!
//! To take part in a room from Rust, see [`client`].

pub mod actor;
pub mod archive;
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
