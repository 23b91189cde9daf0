//! Messages by the block: what is said of them, and their bodies apart.
//!
//! ```text
//! block   format | list (sequence | offset | sent_at | maybe expires_at | maybe content type | length | digest | maybe options)
//! bodies  format | list (offset | length | bytes)
//! ```
//!
//! `length` is that of the body. `digest` is that of the body of a message with an id of its own, else 0.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    NotARecord,
    basic::own,
    table::{Reader, Written},
};
use crate::{
    engine::{BlockImage, Message, Position, RecordNumber},
    types::Payload,
};

/// The version of what follows.
const FORMAT: u8 = 1;

/// A block's bytes, without its numbers and without the bodies.
#[must_use]
pub fn encode_block(block: &BlockImage) -> Vec<u8> {
    let mut out = vec![FORMAT];
    block.messages.len().put(&mut out);
    for message in &block.messages {
        let Message { sequence, position, sent_at, sent_in: _, expires_at, body, options } =
            message.as_ref();
        let has_id = options.as_ref().is_some_and(|options| options.id.is_some());
        sequence.put(&mut out);
        position.offset.put(&mut out);
        sent_at.put(&mut out);
        expires_at.put(&mut out);
        body.shared_type().cloned().put(&mut out);
        body.len().put(&mut out);
        if has_id { body.digest() } else { 0 }.put(&mut out);
        options.put(&mut out);
    }
    out
}

/// Reads a block that fills `bytes`. All bodies are away.
///
/// # Errors
/// [`NotARecord`].
pub fn decode_block(
    partition: u32,
    block: u64,
    mut bytes: Bytes,
) -> Result<BlockImage, NotARecord> {
    let mut reader = reader(&mut bytes)?;
    let count = u64::get(&mut reader)?;
    let messages = (0..count).map(|_| message(&mut reader, partition)).collect::<Result<_, _>>()?;
    if bytes.is_empty() { Ok(BlockImage { partition, block, messages }) } else { Err(NotARecord) }
}

fn message(reader: &mut Reader<'_>, partition: u32) -> Result<Arc<Message>, NotARecord> {
    let sequence = Written::get(reader)?;
    let position = Position { partition, offset: Written::get(reader)? };
    let (sent_at, expires_at) = (Written::get(reader)?, Written::get(reader)?);
    let content_type = Written::get(reader)?;
    let (length, digest) = (Written::get(reader)?, Written::get(reader)?);
    Ok(Arc::new(Message {
        sequence,
        position,
        sent_at,
        sent_in: reader.number,
        expires_at,
        body: Payload::away(length, digest, content_type),
        options: Written::get(reader)?,
    }))
}

/// The bytes of bodies, each with the offset of its message.
#[must_use]
pub fn encode_bodies(bodies: &[(u64, Bytes)]) -> Vec<u8> {
    const BASE: usize = 16;
    let length = bodies.iter().map(|(_, body)| BASE + body.len()).sum::<usize>();
    let mut out = Vec::with_capacity(BASE + length);
    out.push(FORMAT);
    bodies.len().put(&mut out);
    for (offset, body) in bodies {
        offset.put(&mut out);
        body.len().put(&mut out);
        out.extend_from_slice(body);
    }
    out
}

/// Reads bodies that fill `bytes`.
///
/// # Errors
/// [`NotARecord`].
pub fn decode_bodies(mut bytes: Bytes) -> Result<Vec<(u64, Bytes)>, NotARecord> {
    let mut reader = reader(&mut bytes)?;
    let count = u64::get(&mut reader)?;
    let body = |_| Ok((u64::get(&mut reader)?, own(&reader.piece()?)));
    let bodies = (0..count).map(body).collect::<Result<_, _>>()?;
    if bytes.is_empty() { Ok(bodies) } else { Err(NotARecord) }
}

/// What is stored is durable: no record need be waited for.
fn reader(bytes: &mut Bytes) -> Result<Reader<'_>, NotARecord> {
    let mut reader = Reader { bytes, number: RecordNumber(0) };
    if reader.byte()? == FORMAT { Ok(reader) } else { Err(NotARecord) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{Options, Sequence},
        types::Timestamp,
    };

    fn sample() -> BlockImage {
        let message = |offset: u64, body: Payload, options: Option<Options>| {
            Arc::new(Message {
                sequence: Sequence(offset + 1),
                position: Position { partition: 2, offset },
                sent_at: Timestamp(300),
                sent_in: RecordNumber(9),
                expires_at: None,
                body,
                options: options.map(Box::new),
            })
        };
        let own_id = Options { id: Some("i".into()), ..Options::default() };
        let text = Payload::binary(Bytes::from_static(b"abc"), "t");
        let messages = vec![
            message(8, Payload::from("{}"), None),
            message(9, text, None),
            message(11, Payload::from("[]"), Some(own_id)),
        ];
        BlockImage { partition: 2, block: 1, messages }
    }

    #[test]
    fn a_block_comes_back_without_its_bodies_and_the_bodies_by_themselves() {
        let block = sample();
        let read = decode_block(2, 1, encode_block(&block).into()).unwrap();
        for (before, after) in block.messages.iter().zip(&read.messages) {
            assert!(after.body.is_away() && after.sent_in == RecordNumber(0));
            let with_body = Message {
                body: after.body.with(before.body.bytes().clone()),
                sent_in: before.sent_in,
                ..after.as_ref().clone()
            };
            assert_eq!(with_body, **before);
        }
        assert_eq!(read.messages[2].body.digest(), block.messages[2].body.digest());
        assert_eq!(read.messages.len(), 3);
        assert_eq!(encode_block(&read), encode_block(&block), "bodies are not looked at");
        let bodies = vec![(8, Bytes::from_static(b"{}")), (300, Bytes::new())];
        assert_eq!(decode_bodies(encode_bodies(&bodies).into()), Ok(bodies));
    }

    /// The form of version 1, for ever.
    #[test]
    fn blocks_and_bodies_have_these_bytes() {
        let mut block = sample();
        block.messages.truncate(2);
        let bytes = [1, 2, 9, 8, 0xac, 2, 0, 0, 2, 0, 0, 10, 9, 0xac, 2, 0, 1, 1, b't', 3, 0, 0];
        assert_eq!(encode_block(&block), bytes);
        let bodies = [(300, Bytes::from_static(b"{}")), (301, Bytes::from_static(b"1"))];
        let bytes = [1, 2, 0xac, 2, 2, b'{', b'}', 0xad, 2, 1, b'1'];
        assert_eq!(encode_bodies(&bodies), bytes);
    }

    #[test]
    fn what_is_cut_or_of_another_format_is_none() {
        let block = encode_block(&sample());
        let bodies = encode_bodies(&[(1, Bytes::from_static(b"{}"))]);
        for length in 0..block.len() {
            let cut = Bytes::copy_from_slice(&block[..length]);
            assert!(decode_block(2, 1, cut).is_err(), "{length}");
        }
        for length in 0..bodies.len() {
            assert!(decode_bodies(Bytes::copy_from_slice(&bodies[..length])).is_err(), "{length}");
        }
        for whole in [block, bodies] {
            let (mut other, mut longer) = (whole.clone(), whole);
            other[0] = 2;
            longer.push(0);
            for wrong in [other, longer] {
                assert!(decode_block(2, 1, wrong.clone().into()).is_err());
                assert!(decode_bodies(wrong.into()).is_err());
            }
        }
    }
}
