//! A send as it is read. Nearly all are nothing but a body, and the many things that others may say cost
//! those nothing.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeSeed, MapAccess, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
};

use super::{
    message::SendRequest,
    value::{Json, Text},
};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending<'a> {
    /// One message, of which nothing but its body is said.
    Body(Json<'a>),
    /// Anything else.
    Full(Box<SendRequest<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Sending<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SendingVisitor<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for SendingVisitor<'a> {
            type Value = Sending<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a send")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let mut rest = Rest { map, body: None, next: None };
                rest.next = rest.next_but_body()?;
                if let (None, Some(body)) = (&rest.next, rest.body) {
                    return Ok(Sending::Body(body));
                }
                let mut send: Box<SendRequest<'a>> =
                    Deserialize::deserialize(MapAccessDeserializer::new(&mut rest))?;
                send.body = rest.body;
                Ok(Sending::Full(send))
            }
        }
        deserializer.deserialize_map(SendingVisitor(PhantomData))
    }
}

/// The fields but for the body, which is put aside.
struct Rest<'de, A> {
    map: A,
    body: Option<Json<'de>>,
    /// A field whose name is read.
    next: Option<Text<'de>>,
}

impl<'de, A: MapAccess<'de>> Rest<'de, A> {
    fn next_but_body(&mut self) -> Result<Option<Text<'de>>, A::Error> {
        while let Some(name) = self.map.next_key::<Text<'de>>()? {
            if name.as_str() != "body" {
                return Ok(Some(name));
            }
            if self.body.is_some() {
                return Err(de::Error::duplicate_field("body"));
            }
            self.body = Some(self.map.next_value()?);
        }
        Ok(None)
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for &mut Rest<'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let name = match self.next.take() {
            Some(name) => Some(name),
            None => self.next_but_body()?,
        };
        name.map(|name| seed.deserialize(StrDeserializer::new(name.as_str()))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
