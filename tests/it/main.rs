//! The integration tests, in one binary: one link instead of many.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, and reads clocks and switches of its own"
)]

mod support;

mod actors;
mod api;
mod browser;
mod cli;
mod client;
mod clients;
mod command_line;
mod conformance;
mod cost;
mod durability;
mod examples;
mod frames;
mod grants;
mod http;
mod limits;
mod messages;
mod native;
mod operations;
mod queen;
mod resume;
mod rooms;
mod shutdown;
mod tidy;
mod tokens;
mod websocket;
mod wrong_input;
