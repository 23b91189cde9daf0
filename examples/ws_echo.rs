//! Echoes every message through the very connection layer of the server, for conformance suites.
//!
//! ```text
//! cargo run --release --example ws_echo -- --listen 127.0.0.1:9001
//! ```
//!
//! The limits are those of a suite that sends messages of 16 MiB in as many fragments as it likes.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Payload, ServiceConfig},
};
use anteroom::{
    clock::{Clock, SystemClock},
    server::{
        Switch, Switchboard, Workers, bind, listen,
        ws::{self, CHUNK_BYTES, Conversation, Ending},
    },
    types::Limits,
    wire::websocket::{Close, Frames, Message},
};

/// So many messages may wait to be echoed before the peer is read further.
const WAITING_MAX: usize = 64;

#[derive(Default)]
struct Echo {
    waiting: VecDeque<Message>,
}

impl Conversation for Echo {
    fn opened(&mut self, _: &Arc<Switch>, _: &mut Frames) {}

    fn received(&mut self, message: Message) -> Result<(), Close> {
        self.waiting.push_back(message);
        Ok(())
    }

    fn ponged(&mut self, _: &[u8], _: &mut Frames) {}

    fn arrived(&mut self) {}

    fn is_ready(&self) -> bool {
        self.waiting.len() < WAITING_MAX
    }

    fn staged(&self) -> usize {
        0
    }

    fn submit(&mut self) {}

    fn fill(&mut self, frames: &mut Frames) -> usize {
        let before = self.waiting.len();
        while frames.len() < CHUNK_BYTES
            && let Some(message) = self.waiting.pop_front()
        {
            match message {
                Message::Text(text) => frames.text(text.as_bytes()),
                Message::Binary(data) => frames.binary(&data),
            }
        }
        before - self.waiting.len()
    }

    fn tick_interval(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn tick(&mut self, _: &mut Frames) -> Option<Ending> {
        None
    }

    fn ending(&self) -> Option<Ending> {
        None
    }

    fn gone(&mut self, _: bool, _: Frames) {}
}

fn limits() -> Limits {
    Limits {
        frame_bytes: 32 << 20,
        message_bytes: 32 << 20,
        fragments_per_message: 1 << 20,
        ..Limits::default()
    }
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--listen").skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    actix_web::rt::System::new().block_on(async move {
        let for_routes = Arc::clone(&clock);
        let routes = move |config: &mut ServiceConfig| {
            let clock = Arc::clone(&for_routes);
            let echo = move |request: HttpRequest, payload: Payload| {
                let clock = Arc::clone(&clock);
                async move { ws::upgrade(&request, payload, Echo::default(), &limits(), clock) }
            };
            config.route("/", web::get().to(echo));
            config.default_service(web::to(|| async { HttpResponse::NotFound().finish() }));
        };
        let board = Arc::new(Switchboard::new(1024));
        let (server, address) =
            listen(bind(address)?, 2, &Workers::new(|_| None), &board, &clock, routes)?;
        println!("ready ws://{address}/");
        server.await
    })
}
