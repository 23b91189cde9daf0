//! Small values of the protocol: texts and JSON that stay where they came from, words that may be numbers.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};
use serde_json::value::RawValue;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, OneOfBuilder, Type},
    },
};

use crate::wire::json::check_depth;

/// A text, borrowed from the frame where it has no escapes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Text<'_> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for TextVisitor<'a> {
            type Value = Text<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

/// The exact text of a JSON value: found by scanning, never parsed into a tree. Nested at most 128 deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// A value that a [`Cursor`](crate::wire::scan::Cursor) has passed.
    pub(super) const fn scanned(text: &'a str) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub const fn get(self) -> &'a str {
        self.0
    }
}

impl<'a> From<&'a RawValue> for Json<'a> {
    fn from(value: &'a RawValue) -> Self {
        Self(value.get())
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        check_depth(text).map_err(|error| de::Error::custom(error.message))?;
        Ok(Self(text))
    }
}

/// Tells `null` from absence: a field that is there is `Some`, and `Some(None)` if it is null.
pub(super) fn there<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// A value that is there, null or not.
pub(super) fn json<'de: 'a, 'a, D>(deserializer: D) -> Result<Option<Json<'a>>, D::Error>
where
    D: Deserializer<'de>,
{
    Json::deserialize(deserializer).map(Some)
}

/// The same for a value that is kept.
pub(super) fn raw<'de, D>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error>
where
    D: Deserializer<'de>,
{
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

macro_rules! word_or_number {
    ($(#[$meta:meta])* $name:ident: $($(#[$doc:meta])* $variant:ident = $word:literal),+; $(#[$number_doc:meta])* $number:ident, $expected:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
            $(#[$number_doc])* $number(u64),
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant => serializer.serialize_str($word),)+
                    Self::$number(number) => serializer.serialize_u64(*number),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ThisVisitor;
                impl Visitor<'_> for ThisVisitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_u64<E>(self, number: u64) -> Result<$name, E> {
                        Ok($name::$number(number))
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        match text {
                            $($word => Ok($name::$variant),)+
                            // In a query everything is a text.
                            _ => text.parse().map($name::$number).map_err(|_| {
                                E::invalid_value(de::Unexpected::Str(text), &self)
                            }),
                        }
                    }
                }
                deserializer.deserialize_any(ThisVisitor)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($word),+]));
                let number = ObjectBuilder::new().schema_type(Type::Integer);
                OneOfBuilder::new()
                    .description(Some(concat!("Either ", $expected, ".")))
                    .item(words)
                    .item(number)
                    .into()
            }
        }

        impl ToSchema for $name {}
    };
}

word_or_number! {
    /// Where a group begins that is met for the first time.
    Begin:
    /// At the oldest message that is kept.
    All = "all",
    /// After the newest.
    New = "new";
    /// At the first message that was sent at this time or later.
    Time, "\"all\", \"new\", or a time in milliseconds since the epoch"
}

word_or_number! {
    /// Where a group is moved to.
    SeekTo:
    /// To the oldest message that is kept.
    Start = "start",
    /// After the newest.
    End = "end";
    /// To the first message that was sent at this time or later.
    Time, "\"start\", \"end\", or a time in milliseconds since the epoch"
}

word_or_number! {
    /// How long something is kept.
    Keep:
    /// As long as the queue exists.
    Forever = "forever";
    /// So many milliseconds.
    Ms, "\"forever\", or a number of milliseconds"
}

/// What something is after being read: `true` unless the client says otherwise.
pub(super) const fn yes() -> bool {
    true
}

/// For `skip_serializing_if`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) const fn is_true(value: &bool) -> bool {
    *value
}

/// For `skip_serializing_if`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) const fn is_false(value: &bool) -> bool {
    !*value
}
