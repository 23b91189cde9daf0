//! Bodies: JSON text that stays byte for byte what it was, or any bytes.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::Error;

/// What a message says.
#[derive(Debug, Clone)]
pub enum Body {
    /// JSON, as its sender wrote it.
    Json(Box<RawValue>),
    /// Anything else.
    Bytes {
        /// The bytes.
        data: Vec<u8>,
        /// What they are.
        content_type: String,
    },
}

impl Body {
    /// Any value that can be written as JSON.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it cannot.
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        Ok(Self::Json(serde_json::value::to_raw_value(value)?))
    }

    /// JSON text, which is checked and kept as it is (but for blanks around it).
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not JSON.
    pub fn raw(text: impl Into<String>) -> Result<Self, Error> {
        RawValue::from_string(text.into())
            .map(Self::Json)
            .map_err(|error| Error::Invalid(format!("the body is not JSON: {error}")))
    }

    /// Any bytes.
    #[must_use]
    pub fn bytes(data: impl Into<Vec<u8>>, content_type: impl Into<String>) -> Self {
        Self::Bytes { data: data.into(), content_type: content_type.into() }
    }

    /// The bytes: of JSON, its text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Json(text) => text.get().as_bytes(),
            Self::Bytes { data, .. } => data,
        }
    }

    /// The JSON text; none if it is not JSON.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Json(text) => Some(text.get()),
            Self::Bytes { .. } => None,
        }
    }

    /// What the bytes are.
    #[must_use]
    pub fn content_type(&self) -> &str {
        match self {
            Self::Json(_) => "application/json",
            Self::Bytes { content_type, .. } => content_type,
        }
    }

    /// The body as a value of a type.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is none.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(serde_json::from_slice(self.as_bytes())?)
    }

    /// From the fields of a message on the wire.
    pub(super) fn from_wire(
        body: Option<Box<RawValue>>,
        base64: Option<String>,
        content_type: Option<String>,
    ) -> Result<Self, Error> {
        match (body, base64) {
            (Some(json), _) => Ok(Self::Json(json)),
            (None, Some(text)) => Ok(Self::Bytes {
                data: BASE64_STANDARD
                    .decode(text)
                    .map_err(|error| Error::Invalid(format!("a body is not base64: {error}")))?,
                content_type: content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
            }),
            (None, None) => Err(Error::Invalid("a message has no body".to_owned())),
        }
    }

    /// The fields of a message on the wire.
    pub(super) fn into_wire(self) -> (Option<Box<RawValue>>, Option<String>, Option<String>) {
        match self {
            Self::Json(json) => (Some(json), None, None),
            Self::Bytes { data, content_type } => {
                (None, Some(BASE64_STANDARD.encode(data)), Some(content_type))
            }
        }
    }
}

/// A `null` is a body like any other; serde alone would read it as none.
pub(super) fn some_raw<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_text_stays_as_it_was() {
        for text in ["null", "{\"b\": 1.0,  \"a\":1e2}", "\"\\u00e9\"", "12345678901234567890123"] {
            assert_eq!(Body::raw(format!(" {text}\n")).unwrap().text(), Some(text));
        }
        assert!(Body::raw("{").is_err());
        assert!(Body::raw("1 2").is_err());
    }

    #[test]
    fn bytes_go_over_the_wire_and_back() {
        let (json, base64, kind) = Body::bytes([0, 255, 1], "image/png").into_wire();
        assert_eq!((json.is_none(), base64.as_deref()), (true, Some("AP8B")));
        let body = Body::from_wire(None, base64, kind).unwrap();
        assert_eq!((body.as_bytes(), body.content_type()), (&[0, 255, 1][..], "image/png"));
        assert!(Body::from_wire(None, Some("?".to_owned()), None).is_err());
    }
}
