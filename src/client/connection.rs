//! One connection of a participant: calls out, answers in, matched by message id.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error as WsError, Message, client::IntoClientRequest, http::HeaderValue},
};

use super::ClientError;
use crate::wire::meshagent::{Joined, Packets, cut};

/// Bytes of the largest message that is accepted.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// A request and where its answer goes.
pub(super) struct Call {
    pub(super) header: Vec<u8>,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// What the server answered.
pub(super) enum Answer {
    Empty,
    Json(Bytes),
    Error { text: String, code: u16 },
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects, waits until the room is ready, and serves the calls until they or the connection end.
pub(super) async fn open(
    url: &str,
    room: &str,
    token: &str,
    calls: mpsc::Receiver<Call>,
) -> Result<(), ClientError> {
    let url = url.strip_suffix('/').unwrap_or(url).replacen("http", "ws", 1);
    let bad = |error: &dyn std::fmt::Display| ClientError::Connect(error.to_string());
    let mut request =
        format!("{url}/rooms/{room}").into_client_request().map_err(|error| bad(&error))?;
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| bad(&error))?;
    request.headers_mut().insert("Authorization", bearer);
    let (stream, _) = connect_async(request).await.map_err(|error| match error {
        WsError::Http(response) => ClientError::Refused { status: response.status().as_u16() },
        error => bad(&error),
    })?;
    let mut connection = Connection {
        stream,
        calls,
        packets: Packets::new(MESSAGE_BYTES_MAX),
        open: HashMap::new(),
        last_id: 0,
        greetings: 0,
    };
    while connection.greetings < 2 {
        connection.read().await?;
    }
    tokio::spawn(async move {
        // When it ends, the calls that are open are dropped, and with them their answers.
        let _ = connection.serve().await;
    });
    Ok(())
}

struct Connection {
    stream: Stream,
    calls: mpsc::Receiver<Call>,
    packets: Packets,
    open: HashMap<u64, oneshot::Sender<Answer>>,
    last_id: u64,
    /// `room_ready` and `connected`.
    greetings: usize,
}

impl Connection {
    async fn serve(&mut self) -> Result<(), ClientError> {
        loop {
            tokio::select! {
                call = self.calls.recv() => match call {
                    Some(call) => self.write(call).await?,
                    None => return self.stream.close(None).await.map_err(|_| ClientError::Closed),
                },
                message = self.stream.next() => self.take_in(message)?,
            }
        }
    }

    async fn write(&mut self, call: Call) -> Result<(), ClientError> {
        self.feed(call).await?;
        // What waits goes out in the same write.
        while let Ok(call) = self.calls.try_recv() {
            self.feed(call).await?;
        }
        self.stream.flush().await.map_err(|_| ClientError::Closed)
    }

    async fn feed(&mut self, Call { header, reply }: Call) -> Result<(), ClientError> {
        self.last_id += 1;
        self.open.insert(self.last_id, reply);
        let data = [&(header.len() as u64).to_be_bytes()[..], &header].concat();
        for packet in cut(self.last_id, "room.invoke_tool", &data.into()) {
            self.stream.feed(Message::Binary(packet)).await.map_err(|_| ClientError::Closed)?;
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<(), ClientError> {
        let message = self.stream.next().await;
        self.take_in(message)
    }

    fn take_in(&mut self, message: Option<Result<Message, WsError>>) -> Result<(), ClientError> {
        let Some(Ok(message)) = message else { return Err(ClientError::Closed) };
        let Message::Binary(packet) = message else { return Ok(()) };
        let mut joined = None;
        self.packets
            .next(packet, &mut |event| joined = Some(event))
            .map_err(|_| ClientError::Closed)?;
        if let Some(Joined::Message { id, kind, data }) = joined {
            match kind.as_ref() {
                b"room_ready" | b"connected" => self.greetings += 1,
                b"__response__" => self.answer(id, &data),
                _ => {}
            }
        }
        Ok(())
    }

    fn answer(&mut self, id: u64, data: &Bytes) {
        let Some(reply) = self.open.remove(&id) else { return };
        if let Some(answer) = read_answer(data) {
            let _ = reply.send(answer);
        }
    }
}

fn read_answer(data: &Bytes) -> Option<Answer> {
    #[derive(Deserialize)]
    struct Header<'a> {
        r#type: &'a str,
        #[serde(borrow)]
        json: Option<&'a RawValue>,
        text: Option<String>,
        code: Option<u16>,
    }
    let header: Header<'_> = serde_json::from_slice(data.get(8..)?).ok()?;
    Some(match header.r#type {
        "empty" => Answer::Empty,
        "error" => {
            Answer::Error { text: header.text.unwrap_or_default(), code: header.code.unwrap_or(0) }
        }
        // A `null` is read as no value by serde, and is a message all the same.
        "json" => Answer::Json(
            header
                .json
                .map_or(Bytes::from_static(b"null"), |json| data.slice_ref(json.get().as_bytes())),
        ),
        _ => return None,
    })
}
