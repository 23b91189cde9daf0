//! A WebSocket client that does nothing by itself: no pong, no close, no limit, any frame.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// More than the payload of a request takes before it is read, less than a connection reads in a turn.
const PIECE: usize = 40_000;

/// A frame of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub opcode: u8,
    pub data: Vec<u8>,
}

pub struct RawSocket {
    pub stream: TcpStream,
    /// The head of the answer to the handshake.
    pub head: String,
    /// Bytes of the frames that came.
    pub came: usize,
    buffer: Vec<u8>,
}

/// What a refused handshake says.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub body: String,
}

impl RawSocket {
    /// Connects and shakes hands; `headers` are whole lines without their ends.
    pub async fn connect(address: &str, path: &str, headers: &[String]) -> Result<Self, Refusal> {
        Self::connect_and_say(address, path, headers, b"").await
    }

    /// The same, and says something before the handshake is answered, piece by piece.
    pub async fn connect_and_say(
        address: &str,
        path: &str,
        headers: &[String],
        early: &[u8],
    ) -> Result<Self, Refusal> {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut socket = Self { stream, head: String::new(), came: 0, buffer: Vec::new() };
        let mut head = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        headers.iter().for_each(|line| head.push_str(&format!("{line}\r\n")));
        let said = [format!("{head}\r\n").as_bytes(), early].concat();
        for (at, piece) in said.chunks(PIECE).enumerate() {
            if at > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            socket.stream.write_all(piece).await.unwrap();
        }
        let end = loop {
            if let Some(at) = socket.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            socket.fill().await.expect("an answer to the handshake");
        };
        let head = String::from_utf8(socket.buffer.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status == 101 {
            socket.head = head;
            return Ok(socket);
        }
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        while socket.buffer.len() < length.unwrap_or(0) {
            socket.fill().await.expect("the body of a refusal");
        }
        Err(Refusal { status, body: String::from_utf8_lossy(&socket.buffer).into_owned() })
    }

    async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The next frame; `None` when TCP has ended.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            self.fill().await.ok()?;
        }
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let [first, second, ..] = *self.buffer.as_slice() else { return None };
        assert_eq!(first & 0xf0, 0x80, "the server sends whole, plain frames");
        let (length, at) = match second {
            126 => (usize::from(u16::from_be_bytes(self.buffer.get(2..4)?.try_into().unwrap())), 4),
            127 => (u64::from_be_bytes(self.buffer.get(2..10)?.try_into().unwrap()) as usize, 10),
            length => (usize::from(length), 2),
        };
        let data = self.buffer.get(at..at + length)?.to_vec();
        self.buffer.drain(..at + length);
        self.came += at + length;
        Some(Frame { opcode: first & 0x0f, data })
    }

    /// A whole message in one frame.
    pub async fn send(&mut self, opcode: u8, data: &[u8]) -> io::Result<()> {
        self.send_raw(&frame(true, opcode, data)).await
    }

    /// Any bytes.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }
}

/// A masked frame (with the mask 0, so that the data stays readable).
pub fn frame(is_last: bool, opcode: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::from(is_last) << 7 | opcode];
    match data.len() {
        0..126 => bytes.push(0x80 | data.len() as u8),
        126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(data.len() as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(data);
    bytes
}
