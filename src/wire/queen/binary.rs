//! A push in one binary body. All numbers are little-endian.
//!
//! ```text
//! "QPB1" | u8 flags | u32 groups | groups ×
//!     u16 queue | u16 partition | u32 messages | messages × [u16 transaction id] | u32 payload
//! ```
//!
//! A text or payload follows its length. Flags: 2, only counts are to be answered; 4, transaction ids are there, an empty
//! one is none. 1 and 8 say that something is compressed, which nobody sends who was not told to.

use serde_json::value::RawValue;

use super::request::PushItem;
use crate::{
    error::{Error, ErrorCode},
    wire::{json::check_depth, native::Text},
};

const MAGIC: &[u8] = b"QPB1";

const COUNTS: u8 = 2;
const TRANSACTION_IDS: u8 = 4;

/// A push.
#[derive(Debug)]
pub struct BinaryPush<'a> {
    /// The messages.
    pub items: Vec<PushItem<'a>>,
    /// Only how many they were is to be answered.
    pub counts: bool,
}

/// Whether a body is one of these.
#[must_use]
pub fn is_binary(body: &[u8]) -> bool {
    body.starts_with(MAGIC)
}

/// Reads a push of at most so many messages.
///
/// # Errors
/// `InvalidRequest`, `InvalidJson`, `TooManyItems`.
pub fn read_push(body: &[u8], items_max: usize) -> Result<BinaryPush<'_>, Error> {
    let mut rest = Rest(body.get(MAGIC.len()..).unwrap_or_default());
    let flags = rest.bytes(1)?.first().copied().unwrap_or_default();
    if flags & !(COUNTS | TRANSACTION_IDS) != 0 {
        return Err(invalid("compressed pushes are not understood: leave `push_compression` off"));
    }
    let groups = rest.number(4)?;
    let mut items = Vec::new();
    for _ in 0..groups {
        let (queue, partition) = (rest.text(2)?, rest.text(2)?);
        let messages = rest.number(4)?;
        if messages > items_max - items.len() {
            return Err(ErrorCode::TooManyItems.into());
        }
        for _ in 0..messages {
            let id = if flags & TRANSACTION_IDS == 0 { "" } else { rest.text(2)? };
            items.push(PushItem {
                queue: Text::from(queue),
                partition: Some(Text::from(partition)),
                payload: Some(json(rest.text(4)?)?),
                transaction_id: (!id.is_empty()).then(|| Text::from(id)),
                trace_id: None,
            });
        }
    }
    match rest.0 {
        [] => Ok(BinaryPush { items, counts: flags & COUNTS != 0 }),
        _ => Err(invalid("there is more in the body than its groups")),
    }
}

fn invalid(sentence: &'static str) -> Error {
    Error::new(ErrorCode::InvalidRequest, sentence)
}

/// One JSON value as it stands.
fn json(text: &str) -> Result<&str, Error> {
    let value: &RawValue = serde_json::from_str(text)
        .map_err(|error| Error::new(ErrorCode::InvalidJson, format!("payload: {error}")))?;
    check_depth(value.get())?;
    Ok(value.get())
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let cut = self.0.split_at_checked(length);
        let (bytes, rest) = cut.ok_or_else(|| invalid("the body ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A number of so many bytes.
    fn number(&mut self, length: usize) -> Result<usize, Error> {
        let bytes = self.bytes(length)?.iter().rev();
        Ok(bytes.fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// A text after its length, which is a number of so many bytes.
    fn text(&mut self, length: usize) -> Result<&'a str, Error> {
        let length = self.number(length)?;
        std::str::from_utf8(self.bytes(length)?).map_err(|_| invalid("a text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One group of queue `q` and partition `p`.
    fn body(flags: u8, messages: &[(&str, &str)]) -> Vec<u8> {
        let mut body = [MAGIC, &[flags, 1, 0, 0, 0, 1, 0, b'q', 1, 0, b'p']].concat();
        body.extend(u32::try_from(messages.len()).unwrap().to_le_bytes());
        for (id, payload) in messages {
            if flags & TRANSACTION_IDS != 0 {
                body.extend(u16::try_from(id.len()).unwrap().to_le_bytes());
                body.extend(id.as_bytes());
            }
            body.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
            body.extend(payload.as_bytes());
        }
        body
    }

    fn shown(push: &BinaryPush<'_>) -> Vec<String> {
        let show = |item: &PushItem<'_>| {
            let text = |text: &Option<Text<'_>>| {
                text.as_ref().map_or("-", |text| text.as_str()).to_owned()
            };
            let (partition, id) = (text(&item.partition), text(&item.transaction_id));
            format!("{} {partition} {id} {}", item.queue.as_str(), item.payload.unwrap())
        };
        push.items.iter().map(show).collect()
    }

    #[test]
    fn a_push_is_read_and_payloads_stay_as_they_are() {
        let all = body(TRANSACTION_IDS, &[("a", "{\"n\": 1}"), ("", " [1.0, \"é\"] ")]);
        let push = read_push(&all, 2).unwrap();
        assert_eq!(shown(&push), ["q p a {\"n\": 1}", "q p - [1.0, \"é\"]"]);
        assert!(!push.counts && is_binary(&all) && !is_binary(b"{\"items\":[]}"));
        let plain = body(COUNTS, &[("", "null")]);
        let push = read_push(&plain, 1).unwrap();
        assert_eq!((shown(&push), push.counts), (vec!["q p - null".to_owned()], true));
    }

    #[test]
    fn what_is_no_push_is_refused_wherever_it_ends() {
        let whole = body(TRANSACTION_IDS, &[("a", "1"), ("b", "2")]);
        for end in MAGIC.len()..whole.len() {
            let code = read_push(&whole[..end], 9).unwrap_err().code;
            assert_eq!(code, ErrorCode::InvalidRequest, "{end}");
        }
        let code = |body: &[u8], max| read_push(body, max).unwrap_err().code;
        assert_eq!(code(&[&whole[..], &[0]].concat(), 9), ErrorCode::InvalidRequest);
        assert_eq!(code(&whole, 1), ErrorCode::TooManyItems);
        assert_eq!(code(&body(1, &[]), 9), ErrorCode::InvalidRequest);
        assert_eq!(code(&body(8, &[]), 9), ErrorCode::InvalidRequest);
        for payload in ["", "{", "1 2", &"[".repeat(200)] {
            assert_eq!(code(&body(0, &[("", payload)]), 9), ErrorCode::InvalidJson, "{payload}");
        }
        let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
        assert_eq!(code(&body(0, &[("", &deep)]), 9), ErrorCode::InvalidJson);
        let mut wrong = whole;
        wrong[11] = 0xff;
        assert_eq!(code(&wrong, 9), ErrorCode::InvalidRequest);
    }
}
