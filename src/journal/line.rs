//! What an export says: a store as lines of JSON, each an object with one field that says what it is.
//!
//! ```text
//! {"store": {"format": 1, "by": "0.1.0"}}                        first
//! {"queue": {"room": …, "name": …, "image": {settings, partitions, groups, schedules …}}}
//!   {"deliveries": {"group": 0, "partition": 0, "of": [[offset, attempts, failures, "ready" …] …]}}
//!   {"ids": …} {"keys": …} {"parents": …} {"settled": …} {"rated": …}
//!   {"message": {"position": "0-17", "sequence": 18, "sent_at": …, "body": {"json": …}, "options": …}}
//! {"end": {"queues": 1, "messages": 1, "lines": 5}}               last: the lines before it
//! ```
//!
//! What stands below a queue is its. Lists that can be long come in lines of some items, messages one by one, in the order of
//! their positions. The image is that of [`Image`] without these lists, and without what follows from the messages: `live`.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{
    json::{Json, Object, Writer, WrongJson},
    table::json_kinds,
};
use crate::{
    engine::{Image, KeyImage, Message, Parent, Position, SettledImage, Standing},
    types::{QueueName, RoomName, Timestamp},
};

/// The version of these lines.
pub const LINES_FORMAT: u32 = 1;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A message of the queue above.
    Message(Arc<Message>),
    /// Anything else.
    Part(Part),
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the module says it")]
pub enum Part {
    Store { format: u32, by: String },
    Queue { room: RoomName, name: QueueName, image: Box<Image> },
    Deliveries { group: u32, partition: u32, of: Vec<(u64, u32, u32, Standing)> },
    Ids { of: Vec<(Arc<str>, Position, Timestamp)> },
    Keys { of: Vec<KeyImage> },
    Parents { of: Vec<(Position, Vec<Parent>)> },
    Settled { of: Vec<SettledImage> },
    Rated { of: Vec<Timestamp> },
    End { queues: u64, messages: u64, lines: u64 },
}

json_kinds!(Part {
    Store { format, by }
    Queue { room, name, image }
    Deliveries { group, partition, of }
    Ids { of }
    Keys { of }
    Parents { of }
    Settled { of }
    Rated { of }
    End { queues, messages, lines }
});

const MESSAGE: &str = "message";

impl Line {
    /// Appends it, with its end.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Message(message) => {
                let mut object = Writer::new(out);
                object.field(MESSAGE, message);
                object.end();
            }
            Self::Part(part) => part.write(out),
        }
        out.push(b'\n');
    }

    /// Reads one, with its end or without.
    ///
    /// # Errors
    /// [`WrongJson`].
    pub fn read(line: &[u8]) -> Result<Self, WrongJson> {
        let json: &RawValue = serde_json::from_slice(line)
            .map_err(|_| WrongJson("the line is not JSON".to_owned()))?;
        let mut object = Object::read(json)?;
        match object.maybe(MESSAGE)? {
            Some(message) => object.end().map(|()| Self::Message(message)),
            None => Part::read(json).map(Self::Part),
        }
    }
}
