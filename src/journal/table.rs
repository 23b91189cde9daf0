//! How a type is written, and the tables from which both directions are made, so that they cannot differ.

use bytes::{Buf, Bytes};

use super::NotARecord;
use crate::engine::RecordNumber;

/// Something with bytes of its own.
pub(super) trait Written: Sized {
    /// Appends its bytes.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads it off the front.
    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord>;
}

/// What is read from.
pub(super) struct Reader<'a> {
    /// What is left.
    pub(super) bytes: &'a mut Bytes,
    /// The number of the record that is read.
    pub(super) number: RecordNumber,
}

impl Reader<'_> {
    pub(super) fn byte(&mut self) -> Result<u8, NotARecord> {
        self.bytes.try_get_u8().map_err(|_| NotARecord)
    }

    /// As many bytes as a number in front of them says; they are shared.
    pub(super) fn piece(&mut self) -> Result<Bytes, NotARecord> {
        let length = usize::get(self)?;
        if length > self.bytes.len() {
            return Err(NotARecord);
        }
        Ok(self.bytes.split_to(length))
    }

    /// A value that fills the next piece.
    pub(super) fn value<T: Written>(&mut self) -> Result<T, NotARecord> {
        let mut piece = self.piece()?;
        let value = T::get(&mut Reader { bytes: &mut piece, number: self.number })?;
        if piece.is_empty() { Ok(value) } else { Err(NotARecord) }
    }
}

/// Appends `tag | length | value`.
pub(super) fn put_tagged<T: Written>(tag: u64, value: &T, out: &mut Vec<u8>) {
    tag.put(out);
    let start = out.len();
    value.put(out);
    let end = out.len();
    // The length is known now, and goes to the front.
    (end - start).put(out);
    let moved = out.len() - end;
    if let Some(written) = out.get_mut(start..) {
        written.rotate_right(moved);
    }
}

/// One of several: a number each, then its fields in this order.
macro_rules! kinds {
    ($type:ident { $($number:literal $kind:ident $({ $($field:ident),* })?)* }) => {
        impl $crate::journal::table::Written for $type {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$kind $({ $($field),* })? => {
                        out.push($number);
                        $($($crate::journal::table::Written::put($field, out);)*)?
                    })*
                }
            }

            fn get(
                reader: &mut $crate::journal::table::Reader<'_>,
            ) -> Result<Self, $crate::journal::NotARecord> {
                Ok(match reader.byte()? {
                    $($number => Self::$kind $({
                        $($field: $crate::journal::table::Written::get(reader)?),*
                    })?,)*
                    _ => return Err($crate::journal::NotARecord),
                })
            }
        }

        $crate::journal::table::json_kinds!($type { $($kind $({ $($field),* })?)* });
    };
}

/// The same as JSON only.
macro_rules! json_kinds {
    ($type:ident { $($kind:ident $({ $($field:ident),* })?)* }) => {
        impl $crate::journal::json::Json for $type {
            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$kind $({ $($field),* })? => {
                        let has_fields = $crate::journal::table::json_kinds!(@any $($($field)*)?);
                        out.extend_from_slice(if has_fields { b"{\"" } else { b"\"" });
                        $crate::journal::json::put_kind(stringify!($kind), out);
                        out.push(b'"');
                        $(
                            out.push(b':');
                            let mut object = $crate::journal::json::Writer::new(out);
                            $(object.field(stringify!($field), $field);)*
                            object.end();
                            out.push(b'}');
                        )?
                    })*
                }
            }

            fn read(
                json: &serde_json::value::RawValue,
            ) -> Result<Self, $crate::journal::json::WrongJson> {
                #[allow(unused_mut, reason = "not every kind has fields")]
                let (name, mut object) = $crate::journal::json::kind(json)?;
                let is = |kind| $crate::journal::json::is_kind(&name, kind);
                $(if is(stringify!($kind)) {
                    let value = Self::$kind $({
                        $($field: object.field(stringify!($field)).map_err(|wrong| wrong.inside(&name))?),*
                    })?;
                    return object.end().map_err(|wrong| wrong.inside(&name)).map(|()| value);
                })*
                Err($crate::journal::json::WrongJson(format!("{name:?} is none of those known here")))
            }
        }
    };
    (@any) => { false };
    (@any $($field:ident)+) => { true };
}

/// All fields, in this order; those that stand behind `without` are written elsewhere.
macro_rules! fields {
    ($type:ident { $($field:ident),* }) => {
        fields!($type { $($field),* } without {});
    };
    ($type:ident { $($field:ident),* } without { $($other:ident),* }) => {
        impl $crate::journal::table::Written for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field,)* $($other: _),* } = self;
                $($crate::journal::table::Written::put($field, out);)*
            }

            fn get(
                reader: &mut $crate::journal::table::Reader<'_>,
            ) -> Result<Self, $crate::journal::NotARecord> {
                Ok(Self {
                    $($field: $crate::journal::table::Written::get(reader)?,)*
                    $($other: Default::default()),*
                })
            }
        }

        impl $crate::journal::json::Json for $type {
            fn write(&self, out: &mut Vec<u8>) {
                let mut object = $crate::journal::json::Writer::new(out);
                $(object.field(stringify!($field), &self.$field);)*
                $(object.field(stringify!($other), &self.$other);)*
                object.end();
            }

            fn read(
                json: &serde_json::value::RawValue,
            ) -> Result<Self, $crate::journal::json::WrongJson> {
                let mut object = $crate::journal::json::Object::read(json)?;
                let value = Self {
                    $($field: object.field(stringify!($field))?,)*
                    $($other: object.field(stringify!($other))?,)*
                };
                object.end().map(|()| value)
            }
        }
    };
}

/// Fields with tags: `all` of them, or the `set` ones, which differ from the default; or all, and then set ones.
macro_rules! tagged {
    ($type:ident all { $($all_tag:literal $all:ident)* } set { $($set_tag:literal $set:ident)* }) => {
        tagged!($type { $($all_tag all $all)* $($set_tag set $set)* });
    };
    ($type:ident $which:ident { $($tag:literal $field:ident)* }) => {
        tagged!(@same $type $which { $($tag $field)* });
    };
    (@same $type:ident all { $($tag:literal $field:ident)* }) => {
        tagged!($type { $($tag all $field)* });
    };
    (@same $type:ident set { $($tag:literal $field:ident)* }) => {
        tagged!($type { $($tag set $field)* });
    };
    ($type:ident { $($tag:literal $which:ident $field:ident)* }) => {
        impl $crate::journal::table::Written for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let default = Self::default();
                let Self { $($field),* } = self;
                $(if tagged!(@$which) || *$field != default.$field {
                    $crate::journal::table::put_tagged($tag, $field, out);
                })*
                out.push(0);
            }

            fn get(
                reader: &mut $crate::journal::table::Reader<'_>,
            ) -> Result<Self, $crate::journal::NotARecord> {
                let mut value = Self::default();
                let mut last = 0;
                loop {
                    let tag: u64 = $crate::journal::table::Written::get(reader)?;
                    match tag {
                        0 => return Ok(value),
                        // So that there is one way of writing it.
                        _ if tag <= last => return Err($crate::journal::NotARecord),
                        $($tag => value.$field = reader.value()?,)*
                        _ => return Err($crate::journal::NotARecord),
                    }
                    last = tag;
                }
            }
        }

        impl $crate::journal::json::Json for $type {
            fn write(&self, out: &mut Vec<u8>) {
                let default = Self::default();
                let mut object = $crate::journal::json::Writer::new(out);
                $(if tagged!(@$which) || self.$field != default.$field {
                    object.always(stringify!($field), &self.$field);
                })*
                object.end();
            }

            fn read(
                json: &serde_json::value::RawValue,
            ) -> Result<Self, $crate::journal::json::WrongJson> {
                let mut object = $crate::journal::json::Object::read(json)?;
                let mut value = Self::default();
                $(if let Some(said) = object.maybe(stringify!($field))? {
                    value.$field = said;
                } else if tagged!(@$which) {
                    let missing = concat!(stringify!($field), " is missing").to_owned();
                    return Err($crate::journal::json::WrongJson(missing));
                })*
                object.end().map(|()| value)
            }
        }
    };
    (@all) => { true };
    (@set) => { false };
}

pub(super) use {fields, json_kinds, kinds, tagged};
