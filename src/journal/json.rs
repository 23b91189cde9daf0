//! The same types as JSON text: for what people and other programs are to read. Made from the same tables.
//!
//! ```text
//! fields     an object; what is none, or a list without items, is left out
//! kind       "dead_letter", or {"dead": {its fields}}
//! tagged     an object, as for fields; options that say nothing are left out
//! tuple      an array
//! moment     a number, milliseconds; as all durations
//! payload    {"json": as it was sent} | {"text": text, "type": content type} | {"base64": bytes, "type": content type}
//! ```
//!
//! Nothing is lost: what is read is what was written, to the byte. JSON that cannot stand in a line as it is
//! is text without a type. Fields that are not known, missing, or there twice are refused.

use std::{borrow::Cow, fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    engine::{Message, Parent, Position, RecordNumber, Sequence, Timing},
    types::{
        GroupName, Millis, PartitionKey, Payload, QueueName, RoomName, ScheduleName, Timestamp,
    },
};

/// The text says something else: what, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WrongJson(pub(super) String);

impl WrongJson {
    /// The same, in a field of this name.
    pub(super) fn inside(self, name: &str) -> Self {
        Self(format!("{name}: {}", self.0))
    }
}

/// Something with a text of its own.
pub(super) trait Json: Sized {
    /// Appends it, on one line.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads it.
    fn read(json: &RawValue) -> Result<Self, WrongJson>;

    /// What a field that is left out stands for; none: it must be there.
    fn left_out() -> Option<Self> {
        None
    }

    /// Whether it is left out as a field.
    fn is_left_out(&self) -> bool {
        false
    }
}

/// Reads what serde knows.
fn known<T: DeserializeOwned>(json: &RawValue) -> Result<T, WrongJson> {
    serde_json::from_str(json.get()).map_err(|error| {
        let text = error.to_string();
        WrongJson(text.split(" at line ").next().unwrap_or_default().to_owned())
    })
}

/// Writes what serde knows.
fn put(value: &(impl serde::Serialize + ?Sized), out: &mut Vec<u8>) {
    // Neither a number nor a text fails, and memory takes all.
    let _ = serde_json::to_writer(out, value);
}

/// The items of an array.
fn items(json: &RawValue) -> Result<Vec<&RawValue>, WrongJson> {
    serde_json::from_str(json.get()).map_err(|_| WrongJson("not an array".to_owned()))
}

/// An object that is written.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    is_begun: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, is_begun: false }
    }

    pub(super) fn field(&mut self, name: &str, value: &impl Json) {
        if !value.is_left_out() {
            self.always(name, value);
        }
    }

    pub(super) fn always(&mut self, name: &str, value: &impl Json) {
        value.write(self.name(name));
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.push(if self.is_begun { b',' } else { b'{' });
        self.is_begun = true;
        put(name, self.out);
        self.out.push(b':');
        self.out
    }

    pub(super) fn end(self) {
        self.out.extend_from_slice(if self.is_begun { b"}" } else { b"{}" });
    }
}

/// An object that is read.
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'a> Object<'a> {
    pub(super) fn read(json: &'a RawValue) -> Result<Self, WrongJson> {
        let object: Self =
            serde_json::from_str(json.get()).map_err(|_| WrongJson("not an object".to_owned()))?;
        Ok(object)
    }

    /// Takes a field out.
    pub(super) fn find(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(super) fn field<T: Json>(&mut self, name: &str) -> Result<T, WrongJson> {
        match self.maybe(name)? {
            Some(value) => Ok(value),
            None => T::left_out().ok_or_else(|| WrongJson(format!("{name} is missing"))),
        }
    }

    pub(super) fn maybe<T: Json>(&mut self, name: &str) -> Result<Option<T>, WrongJson> {
        let found = self.find(name);
        found.map(|json| T::read(json).map_err(|wrong| wrong.inside(name))).transpose()
    }

    /// All fields have been taken out.
    pub(super) fn end(self) -> Result<(), WrongJson> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                Err(WrongJson(format!("{name:?} is not known here, or there twice")))
            }
        }
    }
}

/// Appends the name of a kind as it is written: `dead_letter` for `DeadLetter`.
pub(super) fn put_kind(kind: &str, out: &mut Vec<u8>) {
    for (at, byte) in kind.bytes().enumerate() {
        if at > 0 && byte.is_ascii_uppercase() {
            out.push(b'_');
        }
        out.push(byte.to_ascii_lowercase());
    }
}

/// Which kind it is, and its fields.
pub(super) fn kind(json: &RawValue) -> Result<(Cow<'_, str>, Object<'_>), WrongJson> {
    if json.get().starts_with('"') {
        return Ok((Cow::Owned(known(json)?), Object(Vec::new())));
    }
    let Object(mut fields) = Object::read(json)?;
    match (fields.pop(), fields.is_empty()) {
        (Some((name, json)), true) => {
            let object = Object::read(json).map_err(|wrong| wrong.inside(&name))?;
            Ok((name, object))
        }
        _ => Err(WrongJson("not an object with one field".to_owned())),
    }
}

/// Whether the name is that of the kind.
pub(super) fn is_kind(name: &str, kind: &str) -> bool {
    let mut written = Vec::with_capacity(name.len() + 1);
    put_kind(kind, &mut written);
    name.as_bytes() == written
}

macro_rules! as_serde_does {
    ($($type:ident)*) => {
        $(impl Json for $type {
            fn write(&self, out: &mut Vec<u8>) {
                put(self, out);
            }

            fn read(json: &RawValue) -> Result<Self, WrongJson> {
                known(json)
            }
        })*
    };
}

as_serde_does!(u64 u32 usize i32 u8 bool String);

macro_rules! as_its_number {
    ($($type:ident)*) => {
        $(impl Json for $type {
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }

            fn read(json: &RawValue) -> Result<Self, WrongJson> {
                Json::read(json).map(Self)
            }
        })*
    };
}

as_its_number!(RecordNumber Sequence Timestamp Millis);

macro_rules! names {
    ($($type:ident $make:expr)*) => {
        $(impl Json for $type {
            fn write(&self, out: &mut Vec<u8>) {
                put(self.as_str(), out);
            }

            fn read(json: &RawValue) -> Result<Self, WrongJson> {
                let text: String = known(json)?;
                $make(&text).map_err(|error| WrongJson(format!("{text:?}: {error}")))
            }
        })*
    };
}

names!(
    GroupName str::parse::<Self>
    PartitionKey str::parse::<Self>
    RoomName str::parse::<Self>
    ScheduleName str::parse::<Self>
    QueueName Self::stored
);

impl Json for Arc<str> {
    fn write(&self, out: &mut Vec<u8>) {
        put(self.as_ref(), out);
    }

    fn read(json: &RawValue) -> Result<Self, WrongJson> {
        known::<String>(json).map(Self::from)
    }
}

impl<T: Json> Json for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(out),
            None => out.extend_from_slice(b"null"),
        }
    }

    fn read(json: &RawValue) -> Result<Self, WrongJson> {
        if json.get() == "null" { Ok(None) } else { T::read(json).map(Some) }
    }

    fn left_out() -> Option<Self> {
        Some(None)
    }

    fn is_left_out(&self) -> bool {
        self.is_none()
    }
}

impl<T: Json> Json for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (at, item) in self.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            item.write(out);
        }
        out.push(b']');
    }

    fn read(json: &RawValue) -> Result<Self, WrongJson> {
        let items = items(json)?.into_iter().enumerate();
        items
            .map(|(at, item)| T::read(item).map_err(|wrong| wrong.inside(&at.to_string())))
            .collect()
    }

    fn left_out() -> Option<Self> {
        Some(Self::new())
    }

    fn is_left_out(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Json> Json for Box<T> {
    fn write(&self, out: &mut Vec<u8>) {
        T::write(self, out);
    }

    fn read(json: &RawValue) -> Result<Self, WrongJson> {
        T::read(json).map(Self::new)
    }
}

impl<T: Json> Json for Arc<T> {
    fn write(&self, out: &mut Vec<u8>) {
        T::write(self, out);
    }

    fn read(json: &RawValue) -> Result<Self, WrongJson> {
        T::read(json).map(Self::new)
    }
}

macro_rules! tuples {
    ($($count:literal: $($type:ident)*;)*) => {
        $(impl<$($type: Json),*> Json for ($($type,)*) {
            fn write(&self, out: &mut Vec<u8>) {
                #[expect(non_snake_case, reason = "a value is called like its type")]
                let ($($type,)*) = self;
                out.push(b'[');
                $($type.write(out); out.push(b',');)*
                out.pop();
                out.push(b']');
            }

            fn read(json: &RawValue) -> Result<Self, WrongJson> {
                let wrong = || WrongJson(concat!("not an array of ", $count).to_owned());
                let mut items = items(json)?.into_iter();
                let tuple = ($($type::read(items.next().ok_or_else(wrong)?)?,)*);
                if items.next().is_none() { Ok(tuple) } else { Err(wrong()) }
            }
        })*
    };
}

tuples!(2: A B; 3: A B C; 4: A B C D;);

/// `"PARTITION-OFFSET"`
impl Json for Position {
    fn write(&self, out: &mut Vec<u8>) {
        put(&self.to_string(), out);
    }

    fn read(json: &RawValue) -> Result<Self, WrongJson> {
        let text: String = known(json)?;
        text.parse().map_err(|()| WrongJson(format!("{text:?} is no position")))
    }
}

impl Json for Payload {
    fn write(&self, out: &mut Vec<u8>) {
        let bytes = self.bytes();
        let text = std::str::from_utf8(bytes).ok();
        // What stands alone in its line, and is read again as it is.
        let is_plain = |text: &str| {
            let read = serde_json::from_str::<&RawValue>(text);
            !text.contains(['\n', '\r']) && read.is_ok_and(|read| read.get().len() == text.len())
        };
        let mut object = Writer::new(out);
        match (text, self.content_type()) {
            (Some(text), None) if is_plain(text) => {
                object.name("json").extend_from_slice(text.as_bytes());
            }
            (Some(text), _) => put(text, object.name("text")),
            (None, _) => put(&BASE64.encode(bytes), object.name("base64")),
        }
        object.field("type", &self.shared_type().cloned());
        object.end();
    }

    fn read(json: &RawValue) -> Result<Self, WrongJson> {
        let mut object = Object::read(json)?;
        let (raw, text) = (object.find("json"), object.maybe::<String>("text")?);
        let base64 = object.maybe::<String>("base64")?;
        let content_type: Option<String> = object.field("type")?;
        object.end()?;
        let bytes = match (raw, text, base64) {
            (Some(json), None, None) if content_type.is_none() => {
                Bytes::copy_from_slice(json.get().as_bytes())
            }
            (None, Some(text), None) => Bytes::from(text),
            (None, None, Some(base64)) => {
                Bytes::from(BASE64.decode(base64).map_err(|error| WrongJson(error.to_string()))?)
            }
            _ => return Err(WrongJson("one of json, text and base64 is wanted".to_owned())),
        };
        Ok(match content_type {
            Some(content_type) => Self::binary(bytes, &content_type),
            None => Self::from(bytes),
        })
    }
}

impl Json for Message {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { sequence, position, sent_at, sent_in: _, expires_at, body, options } = self;
        let mut object = Writer::new(out);
        object.field("position", position);
        object.field("sequence", sequence);
        object.field("sent_at", sent_at);
        object.field("expires_at", expires_at);
        object.field("body", body);
        object.field("options", options);
        object.end();
    }

    fn read(json: &RawValue) -> Result<Self, WrongJson> {
        let mut object = Object::read(json)?;
        let message = Self {
            position: object.field("position")?,
            sequence: object.field("sequence")?,
            sent_at: object.field("sent_at")?,
            sent_in: RecordNumber(0),
            expires_at: object.field("expires_at")?,
            body: object.field("body")?,
            options: object.field("options")?,
        };
        object.end()?;
        Ok(message)
    }
}

/// `{"at": moment}`, `{"every": duration}`, `{"cron": expression, "zone": zone}`
impl Json for Timing {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Writer::new(out);
        match self {
            Self::At(at) => object.field("at", at),
            Self::Every(every) => object.field("every", every),
            Self::Cron { expression, zone } => {
                object.field("cron", expression);
                object.field("zone", zone);
            }
        }
        object.end();
    }

    fn read(json: &RawValue) -> Result<Self, WrongJson> {
        let mut object = Object::read(json)?;
        let (at, every) = (object.maybe("at")?, object.maybe("every")?);
        let timing = match (at, every) {
            (Some(at), None) => Self::At(at),
            (None, Some(every)) => Self::Every(every),
            (None, None) => {
                Self::Cron { expression: object.field("cron")?, zone: object.field("zone")? }
            }
            _ => return Err(WrongJson("one of at, every and cron is wanted".to_owned())),
        };
        object.end()?;
        Ok(timing)
    }
}

/// A position, or `{"id": id}`.
impl Json for Parent {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Position(position) => position.write(out),
            Self::Id(id) => {
                let mut object = Writer::new(out);
                object.field("id", id);
                object.end();
            }
        }
    }

    fn read(json: &RawValue) -> Result<Self, WrongJson> {
        if json.get().starts_with('"') {
            return Position::read(json).map(Self::Position);
        }
        let mut object = Object::read(json)?;
        let parent = Self::Id(object.field("id")?);
        object.end()?;
        Ok(parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Options, Standing};

    fn read<T: Json>(text: &str) -> Result<T, String> {
        let json: &RawValue = serde_json::from_str(text).unwrap();
        T::read(json).map_err(|wrong| wrong.to_string())
    }

    fn written(value: &impl Json) -> String {
        let mut out = Vec::new();
        value.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_body_stands_there_as_it_was_sent_if_it_can_stand_in_a_line() {
        let json = |bytes: &'static [u8]| Payload::from(Bytes::from_static(bytes));
        let typed = |bytes: &'static [u8]| Payload::binary(Bytes::from_static(bytes), "t");
        for (body, expected) in [
            (json(br#"{"n":  1.50}"#), r#"{"json":{"n":  1.50}}"#),
            (json(b"[1,\n2]"), r#"{"text":"[1,\n2]"}"#),
            (json(b" 1"), r#"{"text":" 1"}"#),
            (json(b"no json"), r#"{"text":"no json"}"#),
            (json(b"\xff"), r#"{"base64":"/w=="}"#),
            (typed(b"1"), r#"{"text":"1","type":"t"}"#),
            (typed(b"\0\xff"), r#"{"base64":"AP8=","type":"t"}"#),
        ] {
            assert_eq!(written(&body), expected);
            assert_eq!(read(expected), Ok(body));
        }
    }

    #[test]
    fn what_says_something_else_is_refused_with_its_place() {
        for (text, expected) in [
            (r#"{"dead":{"at":1}}"#, "dead: reason is missing"),
            (
                r#"{"dead":{"at":-1,"reason":""}}"#,
                "dead: at: invalid value: integer `-1`, expected u64",
            ),
            (
                r#"{"dead":{"at":1,"at":2,"reason":""}}"#,
                "dead: \"at\" is not known here, or there twice",
            ),
            (r#"{"ready":{},"dead":{}}"#, "not an object with one field"),
            (r#"{"dead":1}"#, "dead: not an object"),
            (r#""dead""#, "dead: at is missing"),
            (r#""Ready""#, "\"Ready\" is none of those known here"),
            ("[]", "not an object"),
        ] {
            assert_eq!(read::<Standing>(text), Err(expected.to_owned()), "{text}");
        }
        let wrong: Result<Options, _> = read(r#"{"priority":0,"size":1}"#);
        assert_eq!(wrong, Err("\"size\" is not known here, or there twice".to_owned()));
        for text in ["[1]", "[1,2,3]", "1"] {
            assert!(read::<(u64, u64)>(text).is_err(), "{text}");
        }
        for text in
            [r#"{}"#, r#"{"json":1,"text":"1"}"#, r#"{"json":1,"type":"t"}"#, r#"{"base64":"?"}"#]
        {
            assert!(read::<Payload>(text).is_err(), "{text}");
        }
    }
}
