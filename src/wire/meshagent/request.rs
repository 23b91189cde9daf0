//! What a client asks, from either generation's form.
//!
//! The body of a message is found by scanning, never parsed into a tree: it stays the sender's bytes.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::plain;
use crate::{
    error::{Error, ErrorCode},
    types::{Payload, keep},
    wire::json::check_depth,
};

/// The kind of a message from the client, as the start packet says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestKind {
    /// `room.invoke_tool`.
    InvokeTool,
    /// `room.tool_call_request_chunk`: a piece of a streamed input.
    ToolCallChunk,
    /// `room.list_toolkits`.
    ListToolkits,
    /// `set_attributes`, which wants no answer.
    SetAttributes,
    /// `queues.…`, the direct form.
    Queues(QueueTool),
    /// `messaging.…`, the direct form.
    Messaging(MessagingTool),
    /// Anything else, by its name.
    Other(String),
}

impl RequestKind {
    /// Reads the end of a start packet.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        match bytes {
            b"room.invoke_tool" | b"agent.invoke_tool" => Self::InvokeTool,
            b"room.tool_call_request_chunk" => Self::ToolCallChunk,
            b"room.list_toolkits" | b"agent.list_toolkits" => Self::ListToolkits,
            b"set_attributes" => Self::SetAttributes,
            _ => {
                let text = String::from_utf8_lossy(bytes.get(..NAME_SHOWN).unwrap_or(bytes));
                match text.split_once('.') {
                    Some(("queues", tool)) => QueueTool::read(tool).map(Self::Queues),
                    Some(("messaging", tool)) => MessagingTool::read(tool).map(Self::Messaging),
                    _ => None,
                }
                .unwrap_or_else(|| Self::Other(text.into_owned()))
            }
        }
    }
}

/// Longest word for what a message is.
const KIND_BYTES_MAX: usize = 255;

/// So much of an unknown name is repeated in the refusal.
const NAME_SHOWN: usize = 100;

/// The calls of `queues`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum QueueTool {
    List,
    Open,
    Send,
    Receive,
    Drain,
    Close,
}

impl QueueTool {
    pub(super) fn read(name: &str) -> Option<Self> {
        Some(match name {
            "list" => Self::List,
            "open" => Self::Open,
            "send" => Self::Send,
            "receive" => Self::Receive,
            "drain" => Self::Drain,
            "close" => Self::Close,
            _ => return None,
        })
    }
}

/// What only the server may say of others: whoever could say it too could make participants appear and
/// vanish in the eyes of the clients.
const SERVER_KINDS: [&str; 4] =
    ["messaging.enabled", "participant.enabled", "participant.disabled", "participant.attributes"];

/// The calls of `messaging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum MessagingTool {
    Enable,
    Disable,
    Send,
    Broadcast,
}

impl MessagingTool {
    fn read(name: &str) -> Option<Self> {
        Some(match name {
            "enable" => Self::Enable,
            "disable" => Self::Disable,
            "send" => Self::Send,
            "broadcast" => Self::Broadcast,
            _ => return None,
        })
    }
}

/// A call of `queues`.
#[derive(Debug, PartialEq, Eq)]
pub struct QueueCall<'a> {
    /// Which.
    pub tool: QueueTool,
    /// On which queue; empty for `list`.
    pub name: Cow<'a, str>,
    /// Make the queue if there is none. The clients' default is yes.
    pub create: bool,
    /// Wait for a message. The clients' default is yes.
    pub wait: bool,
    /// The body of a `send`; `null` otherwise.
    pub message: &'a str,
}

/// A call of `messaging`.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum MessagingCall {
    Enable,
    Disable,
    Send { to: String, kind: String, message: Payload, attachment: Bytes },
    Broadcast { kind: String, message: Payload, attachment: Bytes },
}

/// A request, read.
#[derive(Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Of the queues.
    Queues(QueueCall<'a>),
    /// Of messaging.
    Messaging(MessagingCall),
    /// Sets attributes; no answer.
    SetAttributes(Vec<(String, Payload)>),
    /// Asks for the toolkits of the room.
    ListToolkits,
    /// A piece of a streamed input. The call it belongs to was refused; the piece wants an answer still.
    ToolCallChunk,
}

/// Reads a message of this kind.
///
/// # Errors
/// `NotSupported` for the parts of the Room API that are not queues or messaging; `InvalidJson` and
/// `InvalidRequest` for what is not understood.
pub fn read_request<'a>(kind: &RequestKind, data: &'a Bytes) -> Result<Request<'a>, Error> {
    match kind {
        RequestKind::ToolCallChunk => Ok(Request::ToolCallChunk),
        RequestKind::ListToolkits => Ok(Request::ListToolkits),
        RequestKind::Other(name) => Err(not_supported(name)),
        RequestKind::SetAttributes => set_attributes(data),
        RequestKind::InvokeTool => invoke_tool(unpack(data)?.0),
        RequestKind::Queues(tool) => {
            // Python 0.0.21 sends `list` without any data.
            let header = if data.is_empty() { b"{}" } else { unpack(data)?.0 };
            queue_call(*tool, plain::arguments(header).map_or_else(|| parse(header), Ok)?)
        }
        RequestKind::Messaging(tool) => {
            let (header, attachment) = unpack(data)?;
            let arguments: Arguments<'_> = parse(header)?;
            let attachment = keep(data, attachment);
            let message = arguments.message.map(Cow::Borrowed);
            messaging_call(*tool, arguments, message, attachment)
        }
    }
}

/// Splits packed data into header and attachment.
fn unpack(data: &Bytes) -> Result<(&[u8], &[u8]), Error> {
    let truncated = || Error::new(ErrorCode::InvalidRequest, "the header is cut short");
    let (length, rest) = data.split_first_chunk::<8>().ok_or_else(truncated)?;
    let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| truncated())?;
    rest.split_at_checked(length).ok_or_else(truncated)
}

#[derive(Debug, Deserialize)]
pub(super) struct Invocation<'a> {
    #[serde(borrow)]
    pub(super) toolkit: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) tool: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) arguments: Content<'a>,
}

/// The content that carries a tool's arguments.
#[derive(Debug, Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) json: Option<Arguments<'a>>,
}

/// The arguments of all calls in one, so that a request is read in one pass whatever its keys' order.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Arguments<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) create: Option<bool>,
    pub(super) wait: Option<bool>,
    /// `null` is a message, too.
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) message: Option<&'a str>,
    #[serde(borrow)]
    to_participant_id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message_json: Option<Cow<'a, str>>,
    #[serde(borrow)]
    attachment_base64: Option<Cow<'a, str>>,
}

fn present<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a str>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(|value| Some(value.get()))
}

fn invoke_tool(header: &[u8]) -> Result<Request<'_>, Error> {
    if let Some((tool, arguments)) = plain::invocation(header) {
        return queue_call(tool, arguments);
    }
    let invocation: Invocation<'_> = match parse(header) {
        Ok(invocation) => invocation,
        // Perhaps it is well-formed for a toolkit that we do not have.
        Err(error) => return Err(refuse_unread(header).unwrap_or(error)),
    };
    let Invocation { toolkit, tool, arguments } = invocation;
    let unknown = || not_supported(&format!("{toolkit}.{tool}"));
    match toolkit.as_ref() {
        "queues" => {
            let tool = QueueTool::read(&tool).ok_or_else(unknown)?;
            queue_call(tool, arguments.json.ok_or_else(no_arguments)?)
        }
        "messaging" => {
            let tool = MessagingTool::read(&tool).ok_or_else(unknown)?;
            let mut arguments = arguments.json.ok_or_else(no_arguments)?;
            let attachment = match arguments.attachment_base64.take() {
                None => Bytes::new(),
                Some(text) => (BASE64_STANDARD.decode(text.as_bytes()))
                    .map_err(|_| invalid("attachment_base64 is not base64"))?
                    .into(),
            };
            let message = arguments.message_json.take();
            messaging_call(tool, arguments, message, attachment)
        }
        _ => Err(unknown()),
    }
}

fn refuse_unread(header: &[u8]) -> Option<Error> {
    #[derive(Deserialize)]
    struct Names<'a> {
        #[serde(borrow)]
        toolkit: Cow<'a, str>,
        #[serde(borrow)]
        tool: Cow<'a, str>,
    }
    let names: Names<'_> = serde_json::from_slice(header).ok()?;
    let ours = matches!(names.toolkit.as_ref(), "queues" | "messaging");
    (!ours).then(|| not_supported(&format!("{}.{}", names.toolkit, names.tool)))
}

fn queue_call<'a>(tool: QueueTool, arguments: Arguments<'a>) -> Result<Request<'a>, Error> {
    let name = match (tool, arguments.name) {
        (QueueTool::List, name) => name.unwrap_or_default(),
        (_, Some(name)) => name,
        (_, None) => return Err(invalid("`name` is missing")),
    };
    let message = match (tool, arguments.message) {
        (QueueTool::Send, None) => return Err(invalid("`message` is missing")),
        (QueueTool::Send, Some(message)) => {
            check_depth(message)?;
            message
        }
        _ => "null",
    };
    let create = arguments.create.unwrap_or(true);
    let wait = arguments.wait.unwrap_or(true);
    Ok(Request::Queues(QueueCall { tool, name, create, wait, message }))
}

fn messaging_call<'a>(
    tool: MessagingTool,
    arguments: Arguments<'_>,
    message: Option<Cow<'_, str>>,
    attachment: Bytes,
) -> Result<Request<'a>, Error> {
    let call = match tool {
        MessagingTool::Enable => return Ok(Request::Messaging(MessagingCall::Enable)),
        MessagingTool::Disable => return Ok(Request::Messaging(MessagingCall::Disable)),
        MessagingTool::Send | MessagingTool::Broadcast => {
            let kind = arguments.kind.ok_or_else(|| invalid("`type` is missing"))?.into_owned();
            if kind.len() > KIND_BYTES_MAX {
                return Err(invalid("`type` is longer than 255 bytes"));
            }
            if SERVER_KINDS.contains(&kind.as_str()) {
                return Err(Error::new(
                    ErrorCode::InvalidRequest,
                    "only the server says that type",
                ));
            }
            let message = message.ok_or_else(|| invalid("the message is missing"))?.into_owned();
            // An object, and nothing but an object.
            let _: &RawValue = parse(message.as_bytes())?;
            check_depth(&message)?;
            let message = Payload::from(Bytes::from(message));
            match (tool, arguments.to_participant_id) {
                (MessagingTool::Broadcast, _) => {
                    MessagingCall::Broadcast { kind, message, attachment }
                }
                (_, Some(to)) => {
                    let to = to.into_owned();
                    MessagingCall::Send { to, kind, message, attachment }
                }
                (_, None) => return Err(invalid("`to_participant_id` is missing")),
            }
        }
    };
    Ok(Request::Messaging(call))
}

/// Packed since Python 0.0.29, plain JSON before: the first byte tells.
fn set_attributes(data: &Bytes) -> Result<Request<'_>, Error> {
    let header = if data.first() == Some(&b'{') { data } else { unpack(data)?.0 };
    let attributes: std::collections::BTreeMap<String, &RawValue> = parse(header)?;
    attributes.values().try_for_each(|value| check_depth(value.get()))?;
    let attributes = (attributes.into_iter())
        // Python since 0.0.29 adds its trace context to every header.
        .filter(|(name, _)| name != "__meshagent__")
        .map(|(name, value)| (name, Payload::from(Bytes::copy_from_slice(value.get().as_bytes()))));
    Ok(Request::SetAttributes(attributes.collect()))
}

pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Error> {
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(invalid("the request is not a JSON object"));
    }
    serde_json::from_slice(json).map_err(|error| {
        let code = if error.is_data() { ErrorCode::InvalidRequest } else { ErrorCode::InvalidJson };
        Error::new(code, format!("the request is not understood: {}", shown(&error.to_string())))
    })
}

/// What is repeated of a client's own text.
fn shown(text: &str) -> &str {
    let end = (0..=NAME_SHOWN.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or("")
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorCode::InvalidRequest, message)
}

fn no_arguments() -> Error {
    invalid("the arguments must be of type json")
}

fn not_supported(what: &str) -> Error {
    let what = shown(what);
    Error::new(ErrorCode::NotSupported, format!("{what} is not supported by this server"))
}

#[cfg(test)]
mod tests;
