//! JSON and queries → requests, with refusals that name the field.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::error::Category;
use serde_path_to_error::Path;

use crate::error::{Error, ErrorCode};

/// So many bytes of a sentence are said at most: it may repeat what the client wrote.
const SENTENCE_MAX: usize = 500;

pub(super) fn refusal(code: ErrorCode, mut sentence: String) -> Error {
    if sentence.len() > SENTENCE_MAX {
        let end = (0..=SENTENCE_MAX).rev().find(|at| sentence.is_char_boundary(*at)).unwrap_or(0);
        sentence.truncate(end);
        sentence.push('…');
    }
    Error::new(code, sentence)
}

/// Reads a whole JSON text. What is borrowed is borrowed from `text`.
///
/// # Errors
/// `InvalidJson`, or `InvalidRequest` with a sentence that names the field.
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| why::<T>(text, &error))
}

/// Reads again, slower, to find out which field is wrong.
fn why<'a, T: Deserialize<'a>>(text: &'a str, error: &serde_json::Error) -> Error {
    // A number where a word is expected is called a mistake of syntax, too.
    if error.classify() != Category::Data && serde_json::from_str::<IgnoredAny>(text).is_err() {
        return refusal(ErrorCode::InvalidJson, error.to_string());
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let named = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => return refusal(ErrorCode::InvalidRequest, error.to_string()),
        Err(named) => named,
    };
    let sentence = located("", named.path(), named.inner());
    refusal(ErrorCode::InvalidRequest, sentence)
}

/// A sentence that names the field; `outer` is what `path` stands in.
pub(super) fn located(outer: &str, path: &Path, error: &impl fmt::Display) -> String {
    let inner = path.to_string();
    let between = if outer.is_empty() || inner.starts_with('[') { "" } else { "." };
    let path = format!("{outer}{between}{inner}");
    let path = path.trim_end_matches('?').trim_end_matches('.');
    let sentence = error.to_string();
    let sentence =
        sentence.rsplit_once(" at line ").map_or(sentence.as_str(), |(before, _)| before);
    // An unknown field is named by the sentence; the path says where it stands.
    let unknown = sentence.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let holder = unknown.and_then(|name| path.strip_suffix(name));
    match holder.map_or(path, |holder| holder.trim_end_matches('.')) {
        "" => sentence.to_owned(),
        path => format!("`{path}`: {sentence}"),
    }
}

/// Reads the pairs of a query, already decoded, into the same type as a body. A list is written `a,b`; labels
/// are written `label=name:value`, once for each.
///
/// # Errors
/// `InvalidRequest` with a sentence that names the field.
pub fn read_query<'a, T: Deserialize<'a>>(pairs: &'a [(String, String)]) -> Result<T, Error> {
    let pairs = Pairs { all: pairs, next: 0, current: None, labels_given: false };
    T::deserialize(MapAccessDeserializer::new(pairs))
        .map_err(|QueryError(sentence)| refusal(ErrorCode::InvalidRequest, sentence))
}

/// Why a query is not understood.
#[derive(Debug)]
struct QueryError(String);

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for QueryError {}

impl de::Error for QueryError {
    fn custom<T: fmt::Display>(sentence: T) -> Self {
        Self(sentence.to_string())
    }
}

const LABEL: &str = "label";

struct Pairs<'a> {
    all: &'a [(String, String)],
    next: usize,
    current: Option<&'a (String, String)>,
    labels_given: bool,
}

impl<'de> MapAccess<'de> for Pairs<'de> {
    type Error = QueryError;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, QueryError> {
        while let Some(pair) = self.all.get(self.next) {
            self.next += 1;
            if pair.0 == LABEL && std::mem::replace(&mut self.labels_given, true) {
                continue;
            }
            self.current = Some(pair);
            let name = if pair.0 == LABEL { "labels" } else { pair.0.as_str() };
            return seed.deserialize(name.into_deserializer()).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, QueryError> {
        let Some((name, text)) = self.current else {
            return Err(QueryError("a value without a name".to_owned()));
        };
        let value = if name == LABEL { Value::Labels(self.all) } else { Value::Text(text) };
        seed.deserialize(value).map_err(|QueryError(why)| QueryError(format!("`{name}`: {why}")))
    }
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Text(&'a str),
    Labels(&'a [(String, String)]),
}

impl<'a> Value<'a> {
    const fn text(self) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::Labels(_) => "",
        }
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $what:literal,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
            match self.text().parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => {
                    Err(de::Error::invalid_value(de::Unexpected::Str(self.text()), &$what))
                }
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = QueryError;

    parsed! {
        deserialize_bool visit_bool "true or false",
        deserialize_u8 visit_u8 "u8",
        deserialize_u16 visit_u16 "u16",
        deserialize_u32 visit_u32 "u32",
        deserialize_u64 visit_u64 "u64",
        deserialize_i32 visit_i32 "i32",
        deserialize_i64 visit_i64 "i64",
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_borrowed_str(self.text())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, QueryError> {
        visitor.visit_enum(de::value::BorrowedStrDeserializer::new(self.text()))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: V,
    ) -> Result<V::Value, QueryError> {
        Err(QueryError("a JSON value, which cannot stand in a query".to_owned()))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        let parts = self.text().split(',').map(Part);
        visitor.visit_seq(de::value::SeqDeserializer::new(parts))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        let Value::Labels(all) = self else {
            return Err(QueryError("an object, which cannot stand in a query".to_owned()));
        };
        let labels = all.iter().filter(|(name, _)| name == LABEL).map(|(_, text)| text.as_str());
        let labels: Result<Vec<_>, _> = labels
            .map(|text| {
                let (name, value) = text.split_once(':').ok_or_else(|| {
                    QueryError(format!("{text:?} is not a name and a value with `:` between them"))
                })?;
                Ok((Part(name), Part(value)))
            })
            .collect();
        visitor.visit_map(de::value::MapDeserializer::new(labels?.into_iter()))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct
        struct identifier ignored_any
    }
}

struct Part<'a>(&'a str);

impl<'de> IntoDeserializer<'de, QueryError> for Part<'de> {
    type Deserializer = Value<'de>;

    fn into_deserializer(self) -> Value<'de> {
        Value::Text(self.0)
    }
}
