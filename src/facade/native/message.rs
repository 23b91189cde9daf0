//! Messages: as they are sent → the engine's, and the engine's → as they are received and looked at.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;

use super::{
    operation::{invalid, name, own_id, text},
    settings::backoff,
};
use crate::{
    error::Error,
    service::{
        DedupKey, Delivered, Item, Message, NewMessage, OnDuplicate, Options, ParentFailed,
        Receipt, Settled,
    },
    types::{Millis, PartitionKey, Payload, Timestamp},
    wire::native::{self as wire, Json, Labels, Writer},
};

/// Labels of one message.
const LABELS_MAX: usize = 64;

/// The greatest priority, and minus the least.
const PRIORITY_MAX: i32 = 1_000_000;

/// Messages that one message may wait for.
const PARENTS_MAX: usize = 1000;

/// A message to be sent.
pub(super) fn new_message(
    buffer: &Bytes,
    mut message: wire::NewMessage<'_>,
) -> Result<NewMessage, Error> {
    let body = match (message.body.take(), message.base64.take(), message.content_type.take()) {
        (Some(body), None, None) => Payload::from_slice_of(buffer, body.get()),
        (None, Some(base64), Some(kind)) => {
            let bytes = BASE64_STANDARD.decode(base64.as_str());
            let bytes = bytes.map_err(|error| invalid(format!("`base64`: {error}")))?;
            Payload::binary(bytes.into(), &text("content_type", &kind)?)
        }
        (None, None, None) => return Err(invalid("missing field `body` or `base64`")),
        (Some(_), Some(_), _) => return Err(invalid("`base64`: not beside `body`")),
        (_, None, Some(_)) => return Err(invalid("`content_type`: only beside `base64`")),
        (None, Some(_), None) => return Err(invalid("missing field `content_type`")),
    };
    message_with(buffer, body, message)
}

/// A message whose body was read already.
pub(super) fn message_with(
    buffer: &Bytes,
    body: Payload,
    mut message: wire::NewMessage<'_>,
) -> Result<NewMessage, Error> {
    let partition = message.partition.take();
    let partition = partition.map(|key| name("partition", key.as_str())).transpose()?;
    let options = match message == wire::NewMessage::default() {
        true => None,
        false => Some(Box::new(options(buffer, message)?)),
    };
    Ok(NewMessage { partition, body, options })
}

/// What few messages have.
fn options(buffer: &Bytes, message: wire::NewMessage<'_>) -> Result<Options, Error> {
    let key = key(&message)?;
    let priority = message.priority.unwrap_or(0);
    if !(-PRIORITY_MAX..=PRIORITY_MAX).contains(&priority) {
        let sentence = format!("`priority` must be between -{PRIORITY_MAX} and {PRIORITY_MAX}");
        return Err(invalid(sentence));
    }
    let depends_on = message.depends_on.unwrap_or_default();
    if depends_on.len() > PARENTS_MAX {
        return Err(invalid(format!("`depends_on` has at most {PARENTS_MAX} ids")));
    }
    Ok(Options {
        id: message.message_id.map(|id| own_id("message_id", &id)).transpose()?,
        key,
        priority,
        delay: message.delay_ms.map(Millis),
        not_before: message.not_before.map(Timestamp),
        ttl: message.ttl_ms.map(Millis),
        deadline: message.deadline.map(Timestamp),
        kind: message.kind.map(|kind| text("type", &kind)).transpose()?,
        labels: message.labels.map_or(Ok(Vec::new()), |all| labels("labels", all))?,
        headers: message.headers.map(|headers| object(buffer, headers)).transpose()?,
        attempts_max: message.attempts_max,
        backoff: message.backoff.map(backoff).transpose()?,
        depends_on: depends_on.iter().map(|id| text("depends_on", id)).collect::<Result<_, _>>()?,
        parent_failed: match message.parent_failed {
            None | Some(wire::ParentFailed::Wait) => ParentFailed::Wait,
            Some(wire::ParentFailed::Fail) => ParentFailed::Fail,
            Some(wire::ParentFailed::Run) => ParentFailed::Run,
        },
    })
}

fn key(message: &wire::NewMessage<'_>) -> Result<Option<DedupKey>, Error> {
    let wire::NewMessage { key_window_ms, key_until_settled, key_replace, .. } = message;
    let Some(key) = &message.key else {
        for (is_there, field) in [
            (key_window_ms.is_some(), "key_window_ms"),
            (key_until_settled.is_some(), "key_until_settled"),
            (key_replace.is_some(), "key_replace"),
        ] {
            if is_there {
                return Err(invalid(format!("`{field}`: only beside `key`")));
            }
        }
        return Ok(None);
    };
    Ok(Some(DedupKey {
        text: text("key", key)?,
        window: key_window_ms.map(Millis),
        until_settled: key_until_settled.unwrap_or(false),
        on_duplicate: match key_replace {
            Some(true) => OnDuplicate::Replace,
            _ => OnDuplicate::Keep,
        },
    }))
}

/// Labels as the engine has them: sorted by name.
pub(super) type SortedLabels = Vec<(Arc<str>, Arc<str>)>;

pub(super) fn labels(field: &str, labels: Labels<'_>) -> Result<SortedLabels, Error> {
    if labels.len() > LABELS_MAX {
        return Err(invalid(format!("`{field}` has at most {LABELS_MAX} labels")));
    }
    labels.iter().map(|(name, value)| Ok((text(field, name)?, text(field, value)?))).collect()
}

fn object(buffer: &Bytes, json: Json<'_>) -> Result<Payload, Error> {
    if !json.get().starts_with('{') {
        return Err(invalid("`headers`: an object is expected"));
    }
    Ok(Payload::from_slice_of(buffer, json.get()))
}

/// What became of a message that was sent.
pub(super) fn write_receipt(out: &mut Writer, receipt: &Receipt) {
    out.put("{\"id\":");
    match &receipt.id {
        Some(id) => out.text(id),
        None => out.dashed(receipt.position.parts()),
    }
    out.put(if receipt.duplicate { ",\"duplicate\":true}" } else { ",\"duplicate\":false}" });
}

/// What became of a lease.
pub(super) fn write_settled(out: &mut Writer, settled: Settled) {
    let (status, at) = match settled {
        Settled::Done => return out.put("{\"status\":\"done\"}"),
        Settled::Back { at } => ("back", at),
        Settled::Dead => ("dead", None),
        Settled::Dropped => ("dropped", None),
        Settled::Cancelled => ("cancelled", None),
        Settled::Lost => ("lost", None),
    };
    out.put("{\"status\":");
    out.plain(status);
    if let Some(Timestamp(at)) = at {
        out.name("at");
        out.number(at);
    }
    out.put("}");
}

/// A list of things that are written by `write`.
pub(super) fn write_list<T>(
    out: &mut Writer,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Writer, T),
) {
    out.put("[");
    for item in items {
        out.element();
        write(out, item);
    }
    out.put("]");
}

fn begin_with_id(out: &mut Writer, message: &Message) {
    out.put("{\"id\":");
    match message.options.as_ref().and_then(|options| options.id.as_ref()) {
        Some(id) => out.text(id),
        None => out.dashed(message.position.parts()),
    }
}

/// What a message is, wherever it stands.
fn write_content(out: &mut Writer, message: &Message, partition: &PartitionKey) {
    out.put(",\"position\":");
    out.dashed(message.position.parts());
    out.put(",\"partition\":");
    out.text(partition.as_str());
    out.put(",\"sent_at\":");
    out.number(message.sent_at.0);
    match message.body.content_type() {
        None => {
            out.put(",\"body\":");
            out.json(message.body.bytes());
        }
        Some(kind) => {
            out.name("base64");
            out.base64(message.body.bytes());
            out.name("content_type");
            out.text(kind);
        }
    }
    if let Some(options) = &message.options {
        write_options(out, options);
    }
    if let Some(Timestamp(at)) = message.expires_at {
        out.name("expires_at");
        out.number(at);
    }
}

fn write_options(out: &mut Writer, options: &Options) {
    if let Some(kind) = &options.kind {
        out.name("type");
        out.text(kind);
    }
    if !options.labels.is_empty() {
        out.name("labels");
        write_labels(out, &options.labels);
    }
    if let Some(headers) = &options.headers {
        out.name("headers");
        out.json(headers.bytes());
    }
    if options.priority != 0 {
        out.name("priority");
        out.number(options.priority);
    }
    if let Some(key) = &options.key {
        out.name("key");
        out.text(&key.text);
    }
    if let Some(Timestamp(at)) = options.deadline {
        out.name("deadline");
        out.number(at);
    }
}

fn write_labels(out: &mut Writer, labels: &[(Arc<str>, Arc<str>)]) {
    out.put("{");
    for (name, value) in labels {
        out.element();
        out.text(name);
        out.put(":");
        out.text(value);
    }
    out.put("}");
}

/// A message that was handed out.
pub(super) fn write_delivered(out: &mut Writer, delivered: &Delivered) {
    let Delivered { message, partition, lease, attempt, until } = delivered;
    begin_with_id(out, message);
    out.put(",\"lease\":");
    match lease {
        Some(lease) => out.dashed(lease.parts()),
        None => out.put("null"),
    }
    out.put(",\"attempt\":");
    out.number(*attempt);
    out.put(",\"until\":");
    out.number_or_null(until.map(|at| at.0));
    write_content(out, message, partition);
    out.put("}");
}

/// A message as a group sees it.
pub(super) fn write_item(out: &mut Writer, item: &Item) {
    begin_with_id(out, &item.message);
    out.name("state");
    out.plain(item.state.name());
    for (name, number) in [("attempts", item.attempts), ("failures", item.failures)] {
        out.name(name);
        out.number(number);
    }
    for (name, at) in [("until", item.until), ("ended_at", item.ended_at)] {
        out.name(name);
        out.number_or_null(at.map(|at| at.0));
    }
    out.name("reason");
    match &item.reason {
        Some(reason) => out.text(reason),
        None => out.put("null"),
    }
    out.name("result");
    match &item.result {
        Some(result) => out.json(result.bytes()),
        None => out.put("null"),
    }
    write_content(out, &item.message, &item.partition);
    out.put("}");
}

/// A message as it was sent: for a schedule, which sends it again and again.
pub(super) fn write_new(out: &mut Writer, message: &NewMessage) {
    out.put("{");
    match message.body.content_type() {
        None => {
            out.name("body");
            out.json(message.body.bytes());
        }
        Some(kind) => {
            out.name("base64");
            out.base64(message.body.bytes());
            out.name("content_type");
            out.text(kind);
        }
    }
    if let Some(partition) = &message.partition {
        out.name("partition");
        out.text(partition.as_str());
    }
    if let Some(options) = &message.options {
        write_all_options(out, options);
    }
    out.put("}");
}

fn write_all_options(out: &mut Writer, options: &Options) {
    if let Some(id) = &options.id {
        out.name("message_id");
        out.text(id);
    }
    write_options(out, options);
    if let Some(key) = &options.key {
        for (name, is_so) in [
            ("key_until_settled", key.until_settled),
            ("key_replace", key.on_duplicate == OnDuplicate::Replace),
        ] {
            if is_so {
                out.name(name);
                out.put("true");
            }
        }
    }
    let window = options.key.as_ref().and_then(|key| key.window);
    for (name, number) in [
        ("key_window_ms", window.map(|window| window.0)),
        ("delay_ms", options.delay.map(|delay| delay.0)),
        ("not_before", options.not_before.map(|at| at.0)),
        ("ttl_ms", options.ttl.map(|ttl| ttl.0)),
        ("attempts_max", options.attempts_max.map(u64::from)),
    ] {
        if let Some(number) = number {
            out.name(name);
            out.number(number);
        }
    }
    if let Some(backoff) = options.backoff {
        out.name("backoff");
        out.value(&super::settings::show_backoff(backoff));
    }
    if !options.depends_on.is_empty() {
        out.name("depends_on");
        write_list(out, &options.depends_on, |out, id| out.text(id));
    }
    let word = match options.parent_failed {
        ParentFailed::Wait => return,
        ParentFailed::Fail => "fail",
        ParentFailed::Run => "run",
    };
    out.name("parent_failed");
    out.plain(word);
}
