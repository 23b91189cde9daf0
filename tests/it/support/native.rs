//! A scripted peer of `anteroom.v1`: says exactly what it is told, answers pings.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{
    Server,
    raw::{CLOSE, PING, PONG, RawSocket, Refusal, TEXT},
    within,
};

pub struct Native {
    pub socket: RawSocket,
    pub hello: Value,
    last_id: u64,
    early: VecDeque<String>,
    /// Text frames that came and that were said in this session, the hello not counted.
    pub heard: u64,
    pub said: u64,
    /// Pings are answered at once, as every real client does.
    pub pongs: bool,
}

impl Native {
    /// Joins with a token in the header.
    pub async fn join(server: &Server, room: &str, token: &str) -> Self {
        let path = format!("/v1/rooms/{room}/ws");
        let headers = [format!("Authorization: Bearer {token}")];
        match Self::connect(server, &path, &headers).await {
            Ok(peer) => peer,
            Err(refusal) => panic!("{refusal:?}"),
        }
    }

    /// Any handshake; past it, the hello.
    pub async fn connect(server: &Server, path: &str, headers: &[String]) -> Result<Self, Refusal> {
        let socket =
            within("the handshake", RawSocket::connect(server.address(), path, headers)).await?;
        let (hello, early) = (Value::Null, VecDeque::new());
        let mut peer = Self { socket, hello, last_id: 0, early, heard: 0, said: 0, pongs: true };
        let first = peer.next().await;
        peer.hello = first["hello"].clone();
        assert!(peer.hello.is_object(), "{first}");
        peer.heard = 0;
        Ok(peer)
    }

    /// Comes back to a session of which `received` frames are known.
    pub async fn resume(
        server: &Server,
        room: &str,
        token: &str,
        session: &Value,
        received: u64,
    ) -> Result<Self, Refusal> {
        let session = session.as_str().unwrap();
        let path = format!("/v1/rooms/{room}/ws?resume={session}&received={received}");
        let mut peer =
            Self::connect(server, &path, &[format!("Authorization: Bearer {token}")]).await?;
        peer.heard = received;
        peer.said = peer.hello["received"].as_u64().unwrap();
        peer.last_id = 1000; // Other ids than those of before.
        Ok(peer)
    }

    /// Says something.
    pub async fn say(&mut self, text: &str) {
        self.said += 1;
        self.socket.send(TEXT, text.as_bytes()).await.expect("the server reads");
    }

    /// Asks something under a new id, which is returned.
    pub async fn ask(&mut self, mut request: Value) -> u64 {
        self.last_id += 1;
        request["id"] = json!(self.last_id);
        self.say(&request.to_string()).await;
        self.last_id
    }

    /// Asks and waits for the reply; other frames are kept.
    pub async fn call(&mut self, request: Value) -> Value {
        let id = self.ask(request).await;
        self.reply(id).await
    }

    /// The same for what must be granted: what stands in `ok`.
    pub async fn ok(&mut self, request: Value) -> Value {
        let reply = self.call(request.clone()).await;
        assert!(reply["ok"].is_object(), "{request}: {reply}");
        reply["ok"].clone()
    }

    /// The same for what must be refused: the code.
    pub async fn refused(&mut self, request: Value) -> String {
        let reply = self.call(request.clone()).await;
        let code = reply["error"]["code"].as_str();
        code.unwrap_or_else(|| panic!("{request}: {reply}")).to_owned()
    }

    /// Waits for the reply to a request; other frames are kept.
    pub async fn reply(&mut self, id: u64) -> Value {
        let is_it = |text: &String| {
            let value: Value = serde_json::from_str(text).unwrap();
            value["id"] == json!(id) && value.get("watch").is_none()
        };
        if let Some(at) = self.early.iter().position(is_it) {
            return serde_json::from_str(&self.early.remove(at).unwrap()).unwrap();
        }
        loop {
            let text = self.hear().await.expect("a reply before the end");
            if is_it(&text) {
                return serde_json::from_str(&text).unwrap();
            }
            self.early.push_back(text);
        }
    }

    /// The next frame.
    pub async fn next(&mut self) -> Value {
        serde_json::from_str(&self.next_text().await).unwrap()
    }

    /// The text of the next frame.
    pub async fn next_text(&mut self) -> String {
        match self.early.pop_front() {
            Some(text) => text,
            None => self.hear().await.expect("a frame before the end"),
        }
    }

    /// Waits for the end: close code and reason, or none when TCP just ended.
    pub async fn end(&mut self) -> Option<(u16, String)> {
        loop {
            if let Err(end) = self.hear().await {
                return end;
            }
        }
    }

    async fn hear(&mut self) -> Result<String, Option<(u16, String)>> {
        loop {
            let frame = within("the server to say something", self.socket.next()).await;
            let Some(frame) = frame else { return Err(None) };
            match frame.opcode {
                PING if !self.pongs => {}
                PING => drop(self.socket.send(PONG, &frame.data).await),
                CLOSE => {
                    let (code, reason) = frame.data.split_at(2);
                    let code = u16::from_be_bytes([code[0], code[1]]);
                    return Err(Some((code, String::from_utf8(reason.to_vec()).unwrap())));
                }
                TEXT => {
                    self.heard += 1;
                    return Ok(String::from_utf8(frame.data).unwrap());
                }
                other => panic!("a frame of opcode {other}"),
            }
        }
    }
}
