//! The integration tests, in one binary: one link instead of many.

mod support;

// mod actors;
// mod clients;
// mod command_line;
// mod conformance;
// mod frames;
mod grants;
mod http;
mod limits;
mod rooms;
mod shutdown;
// mod tidy;
mod tokens;
mod websocket;
