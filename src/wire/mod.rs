//! Bytes ⇄ typed frames. Pure.
//!
//! Knows what the bytes say in each protocol. Knows no grants, no defaults of ours, no sockets, and
//! nothing of what a queue does with it.

mod buffers;
mod frames;
mod json;
mod kept;
pub mod meshagent;
pub mod native;
pub mod queen;
pub mod websocket;
mod writer;

pub use kept::Kept;
pub use writer::Writer;
