//! Making a connection: the handshake and the server's hello.

use futures_util::StreamExt;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        Error as WsError, Message,
        client::IntoClientRequest,
        http::{HeaderValue, Response},
        protocol::WebSocketConfig,
    },
};

use super::{Builder, Error, frame, frame::Hello};

/// Bytes of the largest message that is accepted.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The session to go on with, and how many of its frames are here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resume {
    pub(super) session: String,
    pub(super) received: u64,
}

/// Why a session cannot go on, though a new one may begin.
pub(super) const SESSION_LOST: &str = "session_lost";

/// One attempt.
pub(super) async fn connect(
    options: &Builder,
    resume: Option<&Resume>,
) -> Result<(Socket, Hello), Error> {
    let attempt = async {
        let mut socket = open(options, resume).await?;
        let hello = greeting(&mut socket).await?;
        Ok((socket, hello))
    };
    match tokio::time::timeout(options.connect_timeout, attempt).await {
        Ok(result) => result,
        Err(_) => Err(Error::Connect(format!("{} does not answer", options.url))),
    }
}

async fn open(options: &Builder, resume: Option<&Resume>) -> Result<Socket, Error> {
    let bad = |error: &dyn std::fmt::Display| Error::Connect(error.to_string());
    let mut request =
        address(&options.url, &options.room, resume)?.into_client_request().map_err(|e| bad(&e))?;
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", options.token))
        .map_err(|_| Error::Connect("the token has characters that no token has".to_owned()))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert("Authorization", bearer);
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("anteroom.v1"));
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    match connect_async_with_config(request, Some(config), true).await {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(response)) => Err(refusal(&response)),
        Err(WsError::Io(error)) => Err(Error::Connect(format!("{}: {error}", options.url))),
        Err(error) => Err(bad(&error)),
    }
}

fn address(url: &str, room: &str, resume: Option<&Resume>) -> Result<String, Error> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| {
        Error::Connect(format!("`{url}` is not a server: write http://127.0.0.1:8080"))
    })?;
    let scheme = match scheme {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        other => return Err(Error::Connect(format!("`{other}://` is not http:// or https://"))),
    };
    let rest = rest.trim_end_matches('/');
    let query = resume.map_or_else(String::new, |resume| {
        format!("?resume={}&received={}", encoded(&resume.session), resume.received)
    });
    Ok(format!("{scheme}://{rest}/v1/rooms/{}/ws{query}", encoded(room)))
}

/// A text as one segment of a path.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn refusal(response: &Response<Option<Vec<u8>>>) -> Error {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Problem {
        code: Option<String>,
        detail: Option<String>,
        title: Option<String>,
    }
    let body = response.body().as_deref().unwrap_or_default();
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let status = response.status();
    let message = problem.detail.or(problem.title).unwrap_or_else(|| {
        status.canonical_reason().unwrap_or("no reason was given").to_ascii_lowercase()
    });
    Error::Refused { status: status.as_u16(), code: problem.code, message }
}

async fn greeting(socket: &mut Socket) -> Result<Hello, Error> {
    loop {
        let message = match socket.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(Error::Connect(error.to_string())),
            None => return Err(Error::Connect("the server hung up".to_owned())),
        };
        match message {
            Message::Text(text) => {
                let first = frame::read(&text)?.into_iter().next();
                return first.and_then(|(_, frame)| frame.hello).ok_or_else(|| {
                    Error::Connect("what the server says first is no hello".to_owned())
                });
            }
            Message::Close(reason) => {
                let reason = reason.map(|reason| reason.reason.to_string()).unwrap_or_default();
                return Err(Error::Connect(format!("the server hung up: {reason}")));
            }
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let resume = Resume { session: "a b".to_owned(), received: 7 };
        for (url, room, resume, expected) in [
            ("http://h:1", "demo", None, "ws://h:1/v1/rooms/demo/ws"),
            ("wss://h/base/", "a/b.é", None, "wss://h/base/v1/rooms/a%2Fb%2E%C3%A9/ws"),
            ("https://h", "r", Some(&resume), "wss://h/v1/rooms/r/ws?resume=a%20b&received=7"),
        ] {
            assert_eq!(address(url, room, resume).unwrap(), expected);
        }
        assert!(address("127.0.0.1:8080", "r", None).is_err());
        assert!(address("ftp://h", "r", None).is_err());
    }

    #[test]
    fn a_refusal_says_what_the_server_says() {
        let problem = br#"{"code":"wrong_room","detail":"the token is for another room"}"#;
        let mut response = Response::new(Some(problem.to_vec()));
        *response.status_mut() = tokio_tungstenite::tungstenite::http::StatusCode::FORBIDDEN;
        let error = refusal(&response);
        assert_eq!(error.code(), "wrong_room");
        assert!(error.to_string().contains("another room"), "{error}");
    }
}
