//! Texts, names and bodies; what may be there, and lists.

use std::{str, sync::Arc};

use bytes::Bytes;

use super::{
    NotARecord,
    table::{Reader, Written},
};
use crate::types::{GroupName, PartitionKey, Payload, QueueName, RoomName, ScheduleName};

fn put_text(text: &str, out: &mut Vec<u8>) {
    text.len().put(out);
    out.extend_from_slice(text.as_bytes());
}

/// Reads a text and makes of it what it stands for.
fn get_text<T>(
    reader: &mut Reader<'_>,
    make: impl FnOnce(&str) -> Option<T>,
) -> Result<T, NotARecord> {
    let piece = reader.piece()?;
    str::from_utf8(&piece).ok().and_then(make).ok_or(NotARecord)
}

impl Written for Arc<str> {
    fn put(&self, out: &mut Vec<u8>) {
        put_text(self, out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        get_text(reader, |text| Some(text.into()))
    }
}

impl Written for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_text(self, out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        get_text(reader, |text| Some(text.into()))
    }
}

macro_rules! names {
    ($($type:ident)*) => {
        $(impl Written for $type {
            fn put(&self, out: &mut Vec<u8>) {
                put_text(self.as_str(), out);
            }

            fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
                get_text(reader, |text| text.parse().ok())
            }
        })*
    };
}

names!(GroupName PartitionKey RoomName ScheduleName);

impl Written for QueueName {
    fn put(&self, out: &mut Vec<u8>) {
        put_text(self.as_str(), out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        get_text(reader, |text| Self::stored(text).ok())
    }
}

/// Memory of its own: else one small body would keep all that was read with it.
pub(super) fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

impl Written for Payload {
    fn put(&self, out: &mut Vec<u8>) {
        match self.content_type() {
            None => false.put(out),
            Some(content_type) => {
                true.put(out);
                put_text(content_type, out);
            }
        }
        self.len().put(out);
        out.extend_from_slice(self.bytes());
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        if bool::get(reader)? {
            let content_type: Bytes = reader.piece()?;
            let content_type = str::from_utf8(&content_type).map_err(|_| NotARecord)?;
            Ok(Self::binary(own(&reader.piece()?), content_type))
        } else {
            reader.piece().map(|body| Self::from(own(&body)))
        }
    }
}

impl<T: Written> Written for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        self.iter().for_each(|value| value.put(out));
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        if bool::get(reader)? { T::get(reader).map(Some) } else { Ok(None) }
    }
}

impl<T: Written> Written for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        self.iter().for_each(|item| item.put(out));
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        // Grown while reading: every item takes a byte at least, and what is not there is not made room for.
        let count = u64::get(reader)?;
        (0..count).map(|_| T::get(reader)).collect()
    }
}

/// A label: name, value.
impl<A: Written, B: Written> Written for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        Ok((A::get(reader)?, B::get(reader)?))
    }
}

impl<T: Written> Written for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        T::put(self, out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        T::get(reader).map(Self::new)
    }
}

impl<T: Written> Written for Arc<T> {
    fn put(&self, out: &mut Vec<u8>) {
        T::put(self, out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        T::get(reader).map(Self::new)
    }
}
