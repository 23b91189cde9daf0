//! Numbers and flags.

use bytes::Buf;

use super::{
    NotARecord,
    table::{Reader, Written},
};
use crate::{
    engine::{RecordNumber, Sequence},
    types::{Millis, Timestamp},
};

impl Written for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        let mut rest = reader.bytes.as_ref();
        let number = number(&mut rest)?;
        let length = reader.bytes.len() - rest.len();
        reader.bytes.advance(length);
        Ok(number)
    }
}

/// Reads a number off the front.
pub(super) fn number(bytes: &mut &[u8]) -> Result<u64, NotARecord> {
    let mut number = 0;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(NotARecord)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(NotARecord);
        }
        number |= bits << shift;
        if *byte < 0x80 {
            return Ok(number);
        }
    }
    Err(NotARecord)
}

impl Written for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        u64::from(*self).put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        u64::get(reader)?.try_into().map_err(|_| NotARecord)
    }
}

impl Written for usize {
    fn put(&self, out: &mut Vec<u8>) {
        (*self as u64).put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        u64::get(reader)?.try_into().map_err(|_| NotARecord)
    }
}

impl Written for i32 {
    fn put(&self, out: &mut Vec<u8>) {
        let zigzag = (*self << 1) ^ (*self >> 31);
        zigzag.cast_unsigned().put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        let zigzag = u32::get(reader)?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }
}

impl Written for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        reader.byte()
    }
}

impl Written for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(Self::into(*self));
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        match reader.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(NotARecord),
        }
    }
}

macro_rules! as_its_number {
    ($($type:ident)*) => {
        $(impl Written for $type {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }

            fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
                Written::get(reader).map(Self)
            }
        })*
    };
}

as_its_number!(RecordNumber Sequence Timestamp Millis);
