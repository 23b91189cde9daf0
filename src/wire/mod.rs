//! Bytes ⇄ typed frames. Pure.
//!
//! Knows what the bytes say in each protocol. Knows no grants, no defaults of ours, no sockets, and
//! nothing of what a queue does with it.
//!
//! What is asked all the time is read with a scanner of our own (`scan`, and `plain` of each protocol); everything else, and
//! whatever is wrong, with serde, which alone says what is wrong.

mod buffers;
mod fragments;
mod frame_reader;
mod frames;
mod json;
mod kept;
pub mod meshagent;
pub mod native;
pub mod queen;
mod scan;
pub mod websocket;
mod writer;

pub use kept::Kept;
pub use writer::Writer;
