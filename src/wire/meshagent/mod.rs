//! The MeshAgent room protocol, both generations of it, as its published clients speak it.
//!
//! A *message* has an id, a kind and data. It travels as one start packet and `n` data packets, each one
//! binary WebSocket message, integers big endian:
//!
//! ```text
//! start packet   u64 id | u32 0          | u32 n | kind, UTF-8
//! data packet k  u64 id | u32 k (1..=n)  | bytes of the data
//! data           u64 length of header | header, a JSON object | attachment
//! ```
//!
//! Clients before 0.30 call `queues.send` and so on directly; later ones call the tool `send` of the
//! toolkit `queues` through `room.invoke_tool`. Both are read here into the same [`Request`]; the answers
//! are the same for all.

mod answer;
mod greeting;
mod packet;
mod plain;
mod request;

pub use answer::{Presence, answer_error, answer_json, answer_queues, empty, notice};
pub use greeting::{Layout, connected, room_ready};
pub use packet::{Joined, NotAPacket, Packets, Piece, cut, write_message, write_packed};
pub use request::{
    MessagingCall, MessagingTool, QueueCall, QueueTool, Request, RequestKind, read_request,
};
