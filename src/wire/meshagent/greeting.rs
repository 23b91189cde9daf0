//! What the server says first, unasked: `room_ready` and `connected`.

use bytes::Bytes;
use serde_json::json;

use super::packet::{Piece, write_message, write_packed};
use crate::wire::websocket::Frames;

/// How the data of the two pushes is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `u64 length | JSON`, for every client since 0.0.29.
    Packed,
    /// Eight spaces, then the JSON. Python before 0.0.29 reads the data as plain JSON and skips white
    /// space; packed readers of that time take the spaces for an enormous length and clamp it.
    Spaces,
}

impl Layout {
    /// Chooses by what the client says of itself at the handshake.
    ///
    /// Clients since 0.2.1 send a version or an `Authorization` header. Of the rest, Node sends no
    /// user agent and Python says `aiohttp`; both read `Spaces`. Browsers and Dart need `Packed`.
    #[must_use]
    pub fn choose(has_version: bool, has_authorization: bool, user_agent: Option<&str>) -> Self {
        let old_or_node = user_agent.is_none_or(|agent| agent.contains("aiohttp"));
        if !has_version && !has_authorization && old_or_node { Self::Spaces } else { Self::Packed }
    }
}

/// The push `room_ready`.
pub fn room_ready(
    frames: &mut Frames,
    id: u64,
    layout: Layout,
    room: &str,
    url: &str,
    session: &str,
) {
    let header = json!({"room_name": room, "room_url": url, "session_id": session});
    push(frames, id, layout, "room_ready", &header.to_string());
}

/// The push `connected`.
pub fn connected(frames: &mut Frames, id: u64, layout: Layout, participant: &str, name: &str) {
    let attributes = json!({"name": name});
    let header = json!({"type": "init", "participantId": participant, "attributes": attributes});
    push(frames, id, layout, "connected", &header.to_string());
}

fn push(frames: &mut Frames, id: u64, layout: Layout, kind: &str, header: &str) {
    let header = Piece::Copied(header.as_bytes());
    let nothing = Piece::Copied(b"");
    match layout {
        Layout::Packed => {
            write_packed(frames, id, kind, &[header, nothing, nothing], &Bytes::new())
        }
        Layout::Spaces => write_message(frames, id, kind, &[Piece::Copied(b"        "), header]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_follows_the_handshake() {
        let python = Some("Python/3.11 aiohttp/3.9");
        let browser = Some("Mozilla/5.0 (X11; Linux x86_64)");
        for (version, authorization, agent, expected) in [
            (true, true, python, Layout::Packed),  // Python since 0.43
            (true, false, python, Layout::Packed), // Python 0.2.1 to 0.42
            (false, true, python, Layout::Packed),
            (false, false, python, Layout::Spaces), // Python before 0.2.1
            (false, false, None, Layout::Spaces),   // Node
            (false, false, browser, Layout::Packed),
            (false, false, Some("Dart/3.4 (dart:io)"), Layout::Packed),
            (true, false, None, Layout::Packed),
        ] {
            assert_eq!(Layout::choose(version, authorization, agent), expected, "{agent:?}");
        }
    }
}
