//! What the server says, and how a request is written.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Error, QueueEvent, ServerError};

/// What a server says first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// The room.
    pub room: String,
    /// The session, a name to come back to.
    pub session: String,
    /// Our id as a participant.
    pub participant: String,
    /// Our name, from the token.
    pub name: String,
    /// Our role, from the token.
    pub role: String,
    /// Whether this is the session that we had.
    pub resumed: bool,
    /// Frames of ours that the server has got in it.
    pub received: u64,
    /// How long the session outlives a connection, in milliseconds.
    pub resume_ms: u64,
    /// What the server allows.
    pub limits: ServerLimits,
}

/// What the server allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ServerLimits {
    /// Bytes of one request.
    pub message_bytes: u64,
    /// Unanswered requests.
    pub requests_in_flight: u64,
    /// Messages, leases or ids in one request.
    pub items_per_request: u64,
}

/// One thing that the server says. What is there tells which it is.
#[derive(Debug, Deserialize)]
pub(super) struct Frame<'a> {
    #[serde(default)]
    pub(super) id: Option<u64>,
    #[serde(borrow)]
    pub(super) ok: Option<&'a RawValue>,
    pub(super) error: Option<ServerError>,
    pub(super) hello: Option<Hello>,
    pub(super) receiver: Option<u64>,
    #[serde(borrow)]
    pub(super) messages: Option<&'a RawValue>,
    pub(super) watch: Option<u64>,
    pub(super) missed: Option<u64>,
    #[serde(borrow)]
    pub(super) notice: Option<&'a RawValue>,
}

/// Reads a text: one frame or a batch of them, each with its text.
pub(super) fn read(text: &str) -> Result<Vec<(&str, Frame<'_>)>, Error> {
    let one = |text| -> Result<_, Error> { Ok((text, serde_json::from_str(text)?)) };
    if text.trim_start().starts_with('[') {
        let parts: Vec<&RawValue> = serde_json::from_str(text)?;
        parts.into_iter().map(|part| one(part.get())).collect()
    } else {
        Ok(vec![one(text)?])
    }
}

/// An event as it stands in a frame.
pub(super) fn event(text: &str) -> Result<QueueEvent, Error> {
    Ok(serde_json::from_str(text)?)
}

/// Writes a request: these fields, then those of `fields`, which must be written as an object.
pub(super) fn request(
    id: Option<u64>,
    op: &str,
    queue: Option<&str>,
    fields: &(impl Serialize + ?Sized),
) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Head<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        op: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        queue: Option<&'a str>,
    }
    let mut text = serde_json::to_string(&Head { id, op, queue })?;
    let fields = serde_json::to_string(fields)?;
    let inner = fields
        .strip_prefix('{')
        .ok_or_else(|| Error::Invalid("a request must be written as an object".to_owned()))?;
    if inner != "}" {
        text.pop();
        text.push(',');
        text.push_str(inner);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_one_object() {
        assert_eq!(request(Some(1), "list", None, &json!({})).unwrap(), r#"{"id":1,"op":"list"}"#);
        assert_eq!(
            request(None, "send", Some("a\"b"), &json!({"body": 1})).unwrap(),
            r#"{"op":"send","queue":"a\"b","body":1}"#
        );
        assert!(request(None, "x", None, &[1]).is_err());
    }

    #[test]
    fn frames_come_alone_and_in_batches() {
        let frames = read(r#"[{"id":1,"ok":{"a": 1}},{"watch":7,"missed":2}]"#).unwrap();
        assert_eq!(frames[0].1.ok.map(RawValue::get), Some(r#"{"a": 1}"#));
        assert_eq!((frames[1].1.watch, frames[1].1.missed), (Some(7), Some(2)));
        let text = r#"{"id":null,"error":{"code":"queue_full","number":412,"message":"full"}}"#;
        let frames = read(text).unwrap();
        assert_eq!(frames[0].1.error.as_ref().map(|error| error.number), Some(412));
        assert!(read("nonsense").is_err());
        let hello = read(r#"{"hello":{"session":"s","resumed":true,"received":3}}"#).unwrap();
        assert_eq!(hello[0].1.hello.as_ref().map(|hello| hello.received), Some(3));
    }
}
