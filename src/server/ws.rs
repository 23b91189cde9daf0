//! WebSocket connections that hold: the actor shell around a [`Conversation`].
//!
//! ```text
//!             ┌─ FrameReader ─► Connection ─► Conversation
//!   socket ◄──┤                     │ end of each turn: read, submit, fill, write
//!             └─ Outbox ◄── Frames ◄┘
//! ```
//!
//! A connection goes on with another worker if it is better off there (`workers.rs`): all it has is its `Line`.
//!
//! The one file that names `actix-web-actors`, which is deprecated upstream. Its WebSockets buffer a frame whatever its
//! announced size, do not join fragments, say no close code, keep an unbounded outgoing queue, and live inside the HTTP layer. So only
//! its handshake is used. Then the connection has its socket for itself (`handover.rs`): bytes come through [`FrameReader`], read
//! only while the conversation is ready for them, and leave through [`Frames`], filled only while the socket takes them.

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
    time::Duration,
};

use actix::{Actor, ActorContext, AsyncContext, Context};
use actix_web::{
    Error, HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header,
    rt,
    web::{BytesMut, Payload},
};
use actix_web_actors::ws::handshake;

use super::{
    handover::Handover, outbox::Outbox, parting::part, socket::Socket, switch::Switch, turn::Turn,
    workers::Load,
};
use crate::{
    actor::{Pump, Pumped},
    clock::Clock,
    error::ErrorCode,
    types::{Limits, Millis},
    wire::websocket::{Close, FrameReader, Frames, Message, Received},
};

/// How a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// With a close frame.
    Close(Close),
    /// TCP is dropped without one.
    Cut,
}

/// What speaks on a connection.
pub trait Conversation: Send + Unpin + 'static {
    /// The connection is open; `switch` wakes it.
    fn opened(&mut self, switch: &Arc<Switch>, frames: &mut Frames);

    /// A whole message came.
    ///
    /// # Errors
    /// How the connection is to end.
    fn received(&mut self, message: Message) -> Result<(), Close>;

    /// A pong came.
    fn ponged(&mut self, payload: &[u8], frames: &mut Frames);

    /// The connection was woken: something may have come.
    fn arrived(&mut self);

    /// Whether more may be read from the peer.
    fn is_ready(&self) -> bool;

    /// Requests read and not yet submitted.
    fn staged(&self) -> usize;

    /// End of a turn: hands over what was read.
    fn submit(&mut self);

    /// Writes what there is to write, about [`CHUNK_BYTES`] at a time; how many messages.
    fn fill(&mut self, frames: &mut Frames) -> usize;

    /// How often [`Self::tick`] is to be called.
    fn tick_interval(&self) -> Duration;

    /// Time has passed; says whether the connection is to end.
    fn tick(&mut self, frames: &mut Frames) -> Option<Ending>;

    /// Whether the connection is to end now that everything is written.
    fn ending(&self) -> Option<Ending>;

    /// The connection is gone. `by_word`: one of the two sides said so.
    fn gone(&mut self, by_word: bool, frames: Frames);
}

/// Frames are filled up to about this size, then the socket must take them first.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// So many bytes are read from one peer before the worker looks after its other connections. More takes less processor time, but lets who
/// sends get ahead of who receives (`examples/bench/RESULTS.md`).
const TURN_BYTES: usize = 80 * 1024;

/// So much is read ahead of a conversation that is not ready: so that the end of the connection is noticed.
const AHEAD_BYTES: usize = 64 * 1024;

/// More staged requests than this are submitted even while further frames wait to be read.
const BATCH_MAX: usize = 256;

thread_local! {
    /// Where all connections of a worker read to.
    static SHARED: RefCell<BytesMut> = RefCell::default();
}

/// Answers a WebSocket handshake and lets `conversation` speak on the connection.
///
/// # Errors
/// The answer to a request that is not a WebSocket handshake.
pub fn upgrade<C: Conversation>(
    request: &HttpRequest,
    payload: Payload,
    conversation: C,
    limits: &Limits,
    clock: Arc<dyn Clock>,
) -> Result<HttpResponse, Error> {
    let response = handshake(request)?;
    Ok(open(request, response, payload, conversation, limits, clock))
}

/// The same for a protocol that has a name: the client must be told that it is spoken.
///
/// # Errors
/// The answer to a request that is not a WebSocket handshake.
pub fn upgrade_to<C: Conversation>(
    protocol: &'static str,
    request: &HttpRequest,
    payload: Payload,
    conversation: C,
    limits: &Limits,
    clock: Arc<dyn Clock>,
) -> Result<HttpResponse, Error> {
    let mut response = handshake(request)?;
    response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, protocol));
    Ok(open(request, response, payload, conversation, limits, clock))
}

fn open<C: Conversation>(
    request: &HttpRequest,
    mut response: HttpResponseBuilder,
    payload: Payload,
    conversation: C,
    limits: &Limits,
    clock: Arc<dyn Clock>,
) -> HttpResponse {
    let Some(handover) = request.conn_data::<Rc<Handover>>().cloned() else {
        // Not a socket of ours.
        return HttpResponse::InternalServerError().finish();
    };
    let mut reader = FrameReader::new(limits);
    let pings = Pings { max: limits.pings_per_second, since: clock.elapsed(), count: 0 };
    let begin = move |socket: Socket, early: BytesMut| {
        socket.switch().upgrade();
        reader.keep(early);
        let mut line = Line {
            conversation,
            reader,
            frames: Frames::default(),
            outbox: Outbox::default(),
            load: Load::default(),
            pings,
            clock,
            ended_by_word: false,
        };
        line.conversation.opened(socket.switch(), &mut line.frames);
        Connection::new(line, socket).start();
    };
    response.streaming(handover.agree(payload, begin))
}

/// Pings of the peer in the present second.
struct Pings {
    max: usize,
    since: Millis,
    count: usize,
}

impl Pings {
    fn admit(&mut self, now: Millis) -> bool {
        if now.0 - self.since.0 >= 1000 {
            (self.since, self.count) = (now, 0);
        }
        self.count += 1;
        self.count <= self.max
    }
}

/// The session actor, as long as this thread looks after it.
struct Connection<C: Conversation> {
    /// None: it has ended, or has moved.
    line: Option<(Box<Line<C>>, Socket)>,
    turn: Arc<Turn>,
}

/// What a connection has on any thread.
struct Line<C: Conversation> {
    conversation: C,
    reader: FrameReader,
    frames: Frames,
    outbox: Outbox,
    load: Load,
    pings: Pings,
    clock: Arc<dyn Clock>,
    /// With a close frame, of whichever side.
    ended_by_word: bool,
}

impl<C: Conversation> Drop for Line<C> {
    fn drop(&mut self) {
        self.conversation.gone(self.ended_by_word, std::mem::take(&mut self.frames));
    }
}

impl<C: Conversation> Connection<C> {
    fn new(line: impl Into<Box<Line<C>>>, socket: Socket) -> Self {
        Self { line: Some((line.into(), socket)), turn: Arc::new(Turn::new(TURN_BYTES)) }
    }

    /// Goes on where the socket comes from.
    fn go_back(line: Box<Line<C>>, socket: Socket) {
        socket.go_back(|arrived| {
            if let Ok(socket) = arrived {
                Self::new(line, socket).start();
            }
        });
    }
}

impl<C: Conversation> Line<C> {
    fn end(&mut self, socket: Socket, ending: Ending) {
        if let Ending::Close(close) = ending {
            self.ended_by_word = true;
            self.conversation.fill(&mut self.frames);
            self.frames.close(close);
            self.pass_on();
            rt::spawn(part(socket, std::mem::take(&mut self.outbox)));
        }
    }

    /// Writes what is left, reads what is there, hands it over, and writes what there is to say.
    fn take_turn(
        &mut self,
        socket: &mut Socket,
        turn: &Arc<Turn>,
        task: &mut TaskContext<'_>,
    ) -> Result<(), Ending> {
        // Before anything is looked at: what comes later wakes.
        socket.switch().check(task).map_err(|_| Ending::Cut)?;
        self.conversation.arrived();
        self.write(socket, task)?;
        if self.outbox.is_full() {
            return Ok(());
        }
        let read = self.read(socket, turn, task);
        let was_ready = self.conversation.is_ready();
        // Also of a peer that goes: what it said before counts.
        self.submit();
        if read? {
            return Err(Ending::Cut);
        }
        self.load.said(self.conversation.fill(&mut self.frames));
        let filled = self.frames.len();
        self.write(socket, task)?;
        let is_written = self.outbox.is_empty();
        match self.conversation.ending() {
            Some(ending) if filled == 0 && is_written => Err(ending),
            ending => {
                let can_read_on = !was_ready && self.conversation.is_ready();
                let has_more = filled >= CHUNK_BYTES || ending.is_some();
                if can_read_on || (has_more && is_written) {
                    // After whoever else is there.
                    task.waker().wake_by_ref();
                }
                Ok(())
            }
        }
    }

    /// Gives the socket what it takes.
    fn write(&mut self, socket: &mut Socket, task: &mut TaskContext<'_>) -> Result<(), Ending> {
        self.pass_on();
        while !self.outbox.is_empty() {
            match self.outbox.write(|slices| socket.poll_write(task, slices)) {
                Poll::Pending => break,
                Poll::Ready(Ok(count @ 1..)) => self.load.wrote(count),
                Poll::Ready(_) => return Err(Ending::Cut),
            }
        }
        Ok(())
    }

    fn pass_on(&mut self) {
        while let Some(chunk) = self.frames.next_chunk() {
            self.outbox.push(chunk);
        }
    }

    /// Reads until nothing is there, the turn is over, or enough waits for a conversation that is not ready. Whether the peer
    /// says no more.
    fn read(
        &mut self,
        socket: &mut Socket,
        turn: &Arc<Turn>,
        task: &mut TaskContext<'_>,
    ) -> Result<bool, Ending> {
        let mut fresh = BytesMut::new();
        loop {
            let is_ready = self.understand(&mut fresh)?;
            self.reader.keep(std::mem::take(&mut fresh));
            let is_enough = !is_ready && self.reader.kept() >= AHEAD_BYTES;
            if is_enough || turn.poll(task).is_pending() {
                return Ok(false);
            }
            match self.read_some(socket, task, &mut fresh) {
                Poll::Ready(Ok(0)) => return Ok(true),
                Poll::Ready(Ok(count)) => {
                    turn.take(count);
                    self.load.read(count);
                }
                // TCP has failed, and the peer has said nothing wrong.
                Poll::Ready(Err(_)) => return Err(Ending::Cut),
                Poll::Pending => return Ok(false),
            }
        }
    }

    /// Reads into the memory of a large frame that has begun, or else into `fresh`.
    fn read_some(
        &mut self,
        socket: &mut Socket,
        task: &mut TaskContext<'_>,
        fresh: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        if let Some((large, room)) = self.reader.room() {
            return socket.poll_read(task, large, room.min(TURN_BYTES));
        }
        SHARED.with_borrow_mut(|shared| {
            let count = ready!(socket.poll_read(task, shared, TURN_BYTES))?;
            *fresh = shared.split();
            Poll::Ready(Ok(count))
        })
    }

    /// Understands what was read, as long as the conversation is ready for it. Whether it still is.
    fn understand(&mut self, fresh: &mut BytesMut) -> Result<bool, Ending> {
        while self.conversation.is_ready() {
            match self.reader.next(fresh).map_err(Ending::Close)? {
                Some(received) => self.received(received).map_err(Ending::Close)?,
                None => return Ok(true),
            }
            if self.conversation.staged() >= BATCH_MAX {
                self.submit();
            }
        }
        Ok(false)
    }

    fn submit(&mut self) {
        self.load.asked(self.conversation.staged());
        self.conversation.submit();
    }

    fn received(&mut self, received: Received) -> Result<(), Close> {
        match received {
            Received::Message(message) => return self.conversation.received(message),
            Received::Ping(payload) => {
                if !self.pings.admit(self.clock.elapsed()) {
                    return Err(ErrorCode::TooManyPings.into());
                }
                self.frames.pong(&payload);
            }
            Received::Pong(payload) => {
                self.conversation.ponged(&payload, &mut self.frames);
            }
            Received::Close(code) => return Err(Close::new(code, "")),
        }
        Ok(())
    }
}

impl<C: Conversation> Actor for Connection<C> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some((line, _)) = &self.line else { return };
        ctx.run_interval(line.conversation.tick_interval(), |connection, ctx| {
            let Some((line, _)) = &mut connection.line else { return };
            // A peer that does not read would not answer either; its switch ends it.
            if line.outbox.is_full() {
                return;
            }
            if let Some(ending) = line.conversation.tick(&mut line.frames)
                && let Some((mut line, socket)) = connection.line.take()
            {
                line.end(socket, ending);
                ctx.stop();
            }
        });
        ctx.spawn(Pump::default());
    }
}

impl<C: Conversation> Pumped for Connection<C> {
    fn turn_ends(&mut self, ctx: &mut Self::Context, task: &mut TaskContext<'_>) {
        let Some((line, socket)) = &mut self.line else { return };
        let ended = line.take_turn(socket, &self.turn, task);
        let goes_back = ended.is_ok() && line.load.turn_ends() && socket.can_go_back();
        if (ended.is_err() || goes_back)
            && let Some((mut line, socket)) = self.line.take()
        {
            match ended {
                Ok(()) => Self::go_back(line, socket),
                Err(ending) => line.end(socket, ending),
            }
            ctx.stop();
        }
    }
}
