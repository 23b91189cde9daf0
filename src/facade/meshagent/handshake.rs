//! What a client says when it connects: its token, and by what it leaves out, its generation.

use actix_web::{HttpRequest, http::header, web::Query};
use serde::Deserialize;

use crate::wire::meshagent::Layout;

#[derive(Debug, Default, Deserialize)]
struct Parameters {
    token: Option<String>,
    v: Option<String>,
}

/// The handshake of a room connection.
pub struct Handshake {
    /// From the `Authorization` header, or else from the query: browsers and older clients cannot set
    /// headers.
    pub token: Option<String>,
    /// How the client reads what the server says first.
    pub layout: Layout,
}

impl Handshake {
    /// Reads the request.
    #[must_use]
    pub fn read(request: &HttpRequest) -> Self {
        let query = Query::<Parameters>::from_query(request.query_string());
        let Parameters { token, v } = query.map(Query::into_inner).unwrap_or_default();
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let authorization = text(header::AUTHORIZATION);
        let layout = Layout::choose(v.is_some(), authorization.is_some(), text(header::USER_AGENT));
        let token = match authorization {
            Some(_) => bearer(request).map(str::to_owned),
            None => token,
        };
        Self { token, layout }
    }
}

/// The bearer token of a request.
pub(super) fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Where this server has the room, as the client reached it.
#[must_use]
pub fn room_url(request: &HttpRequest, room: &str) -> String {
    let connection = request.connection_info();
    let scheme = if connection.scheme() == "https" { "wss" } else { "ws" };
    let path: String = room.bytes().map(encode).collect();
    format!("{scheme}://{}/rooms/{path}", connection.host())
}

fn encode(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    }
}
