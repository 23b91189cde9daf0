//! A queue as it is: its image, and its messages by the block.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    NotARecord,
    table::{Reader, Written, fields, kinds},
};
use crate::engine::{
    BlockImage, GroupImage, Image, KeyImage, LaneImage, Message, Parent, PartitionImage,
    RecordNumber, SettledImage, Standing, Status, Totals,
};

/// The version of what follows.
const FORMAT: u8 = 1;

/// An image's bytes.
#[must_use]
pub fn encode_image(image: &Image) -> Vec<u8> {
    let mut out = vec![FORMAT];
    image.put(&mut out);
    out
}

/// Reads an image that fills `bytes`.
///
/// # Errors
/// [`NotARecord`].
pub fn decode_image(bytes: Bytes) -> Result<Image, NotARecord> {
    whole(bytes)
}

/// A block's bytes, without its numbers.
#[must_use]
pub fn encode_block(block: &BlockImage) -> Vec<u8> {
    let mut out = vec![FORMAT];
    block.messages.put(&mut out);
    out
}

/// Reads a block that fills `bytes`.
///
/// # Errors
/// [`NotARecord`].
pub fn decode_block(partition: u32, block: u64, bytes: Bytes) -> Result<BlockImage, NotARecord> {
    let messages: Vec<Arc<Message>> = whole(bytes)?;
    Ok(BlockImage { partition, block, messages })
}

fn whole<T: Written>(mut bytes: Bytes) -> Result<T, NotARecord> {
    let mut reader = Reader { bytes: &mut bytes, number: RecordNumber(0) };
    if reader.byte()? != FORMAT {
        return Err(NotARecord);
    }
    let value = T::get(&mut reader)?;
    if bytes.is_empty() { Ok(value) } else { Err(NotARecord) }
}

fields!(Image {
    last_record,
    last_sequence,
    generation,
    now,
    status,
    paused,
    settings,
    totals,
    partitions,
    groups,
    ids,
    keys,
    parents,
    schedules,
    settled,
    deliveries
});

fields!(PartitionImage { key, is_there, end, live, gathering });

fields!(GroupImage { name, lanes });

fields!(LaneImage { next, failures, deliveries });

fields!(KeyImage { partition, key, position, id, content, forget_at });

fields!(SettledImage { position, at, result });

fields!(Totals {
    sent,
    duplicates,
    delivered,
    done,
    retried,
    released,
    leases_expired,
    dead,
    dropped,
    cancelled
});

kinds!(Status { 1 Absent 2 Open 3 Closed });

/// `1 | position` or `2 | text id`
impl Written for Parent {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Position(position) => {
                out.push(1);
                position.put(out);
            }
            Self::Id(id) => {
                out.push(2);
                id.put(out);
            }
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        match reader.byte()? {
            1 => Written::get(reader).map(Self::Position),
            2 => Written::get(reader).map(Self::Id),
            _ => Err(NotARecord),
        }
    }
}

impl<A: Written, B: Written, C: Written> Written for (A, B, C) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
        self.2.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        Ok((A::get(reader)?, B::get(reader)?, C::get(reader)?))
    }
}

/// A delivery: offset, attempts, failures, where it stands.
impl Written for (u64, u32, u32, Standing) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
        self.2.put(out);
        self.3.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        Ok((u64::get(reader)?, u32::get(reader)?, u32::get(reader)?, Standing::get(reader)?))
    }
}
