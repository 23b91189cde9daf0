//! Answers and pushes to the client. Every generation reads the same JSON.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use super::packet::{Piece, write_packed};
use crate::wire::websocket::Frames;

const RESPONSE: &str = "__response__";
const NOTHING: Piece<'_> = Piece::Copied(b"");

/// The answer without content.
pub fn empty(frames: &mut Frames, id: u64) {
    let header = [Piece::Copied(br#"{"type":"empty"}"#), NOTHING, NOTHING];
    write_packed(frames, id, RESPONSE, &header, &Bytes::new());
}

/// The answer with a JSON value, byte for byte.
pub fn answer_json(frames: &mut Frames, id: u64, json: &Bytes) {
    let header =
        [Piece::Copied(br#"{"type":"json","json":"#), Piece::Shared(json), Piece::Copied(b"}")];
    write_packed(frames, id, RESPONSE, &header, &Bytes::new());
}

#[derive(Serialize)]
struct QueueItem<'a> {
    name: &'a str,
    size: usize,
}

/// The answer to `list`. Python refuses other top-level keys than `queues`.
pub fn answer_queues<'a>(
    frames: &mut Frames,
    id: u64,
    queues: impl Iterator<Item = (&'a str, usize)>,
) {
    let items: Vec<_> = queues.map(|(name, size)| QueueItem { name, size }).collect();
    let queues = serde_json::to_vec(&BTreeMap::from([("queues", items)])).unwrap_or_default();
    answer_json(frames, id, &queues.into());
}

/// The refusal.
pub fn answer_error(frames: &mut Frames, id: u64, text: &str, code: u16) {
    #[derive(Serialize)]
    struct Refusal<'a> {
        r#type: &'static str,
        text: &'a str,
        code: u16,
    }
    let header = serde_json::to_vec(&Refusal { r#type: "error", text, code }).unwrap_or_default();
    write_packed(frames, id, RESPONSE, &[Piece::Copied(&header), NOTHING, NOTHING], &Bytes::new());
}

/// A participant as the clients read it.
#[derive(Debug, Serialize)]
pub struct Presence<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its role.
    pub role: &'a str,
    /// Its attributes, `name` among them.
    pub attributes: BTreeMap<&'a str, Box<RawValue>>,
}

/// The push `messaging.send`: from whom, of what type, a JSON value, an attachment.
pub fn notice(
    frames: &mut Frames,
    id: u64,
    from: &str,
    kind: &str,
    message: &Bytes,
    attachment: &Bytes,
) {
    #[derive(Serialize)]
    struct From<'a> {
        from_participant_id: &'a str,
        r#type: &'a str,
    }
    let mut head =
        serde_json::to_vec(&From { from_participant_id: from, r#type: kind }).unwrap_or_default();
    head.pop(); // The closing brace: the message follows as it is.
    head.extend_from_slice(br#","message":"#);
    let header = [Piece::Copied(&head), Piece::Shared(message), Piece::Copied(b"}")];
    write_packed(frames, id, "messaging.send", &header, attachment);
}
