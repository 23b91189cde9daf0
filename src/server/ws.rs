//! WebSocket connections that hold: the actor shell around a [`Conversation`].
//!
//! ```text
//!             ┌ Inlet ─────────► FrameReader ─► Connection ─► Conversation
//!   socket ◄──┤                                    │ end of each turn: read, submit, fill
//!             └ Outbox ◄─ Egress ◄──── Frames ◄────┘
//! ```
//!
//! The one file that names `actix-web-actors`, which is deprecated upstream. Its WebSockets buffer a frame whatever its
//! announced size, do not join fragments, say no close code, and keep an unbounded outgoing queue. So only its handshake and
//! its context for actors are used. Bytes come through [`FrameReader`], read only while the conversation is ready for them, and
//! leave through [`Frames`], filled only while the socket takes them.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
    time::Duration,
};

use actix::{Actor, ActorContext, Addr, AsyncContext, Handler};
use actix_web::{
    Error, HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header,
    web::{Bytes, BytesMut, Payload},
};
use actix_web_actors::{HttpContext, ws::handshake};
use futures_util::Stream;

use super::{inlet::Inlet, outbox::Outbox, switch::Switch, turn::Turn};
use crate::{
    actor::{Pump, Pumped},
    clock::Clock,
    error::ErrorCode,
    service::{Outlet, ToSession},
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
pub trait Conversation: Unpin + 'static {
    /// The connection is open.
    fn opened(&mut self, outlet: Box<dyn Outlet>, frames: &mut Frames);

    /// A whole message came.
    ///
    /// # Errors
    /// How the connection is to end.
    fn received(&mut self, message: Message) -> Result<(), Close>;

    /// A pong came.
    fn ponged(&mut self, payload: &[u8], frames: &mut Frames);

    /// Something came through the outlet, or may have come elsewhere.
    fn arrived(&mut self, items: Vec<ToSession>);

    /// Whether more may be read from the peer.
    fn is_ready(&self) -> bool;

    /// Requests read and not yet submitted.
    fn staged(&self) -> usize;

    /// End of a turn: hands over what was read.
    fn submit(&mut self);

    /// Writes what there is to write, about [`CHUNK_BYTES`] at a time.
    fn fill(&mut self, frames: &mut Frames);

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

/// So many bytes are read from one peer before the worker looks after its other connections.
const TURN_BYTES: usize = 64 * 1024;

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
    let (Some(inlet), Some(outbox)) =
        (request.conn_data::<Rc<Inlet>>().cloned(), request.conn_data::<Rc<Outbox>>().cloned())
    else {
        // Not a socket of ours.
        return HttpResponse::InternalServerError().finish();
    };
    let pipe = Rc::new(Pipe { frames: RefCell::default(), outbox, goes_on: Cell::new(false) });
    let switch = request.conn_data::<Arc<Switch>>().cloned().unwrap_or_default();
    switch.upgrade();
    inlet.take();
    let connection = Connection {
        conversation,
        pipe: Rc::clone(&pipe),
        inlet,
        payload,
        early: Early::Expected,
        reader: FrameReader::new(limits),
        turn: Arc::new(Turn::new(TURN_BYTES)),
        pings: Pings { max: limits.pings_per_second, since: clock.elapsed(), count: 0 },
        switch,
        clock,
        ended: false,
        ended_by_word: false,
    };
    response.streaming(Egress { actor: Some(Box::pin(HttpContext::create(connection))), pipe })
}

/// What connection and response share. Both live in the connection's task.
struct Pipe {
    frames: RefCell<Frames>,
    outbox: Rc<Outbox>,
    /// There is more to be done when what is filled in is with the socket.
    goes_on: Cell<bool>,
}

/// Bytes to the peer: past the HTTP layer, to which the response never has any. Runs the actor when the socket can take more.
struct Egress<S> {
    actor: Option<Pin<Box<S>>>,
    pipe: Rc<Pipe>,
}

impl<S: Stream<Item = Result<Bytes, Error>>> Stream for Egress<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        while !self.pipe.outbox.is_full() {
            let Some(actor) = &mut self.actor else { return Poll::Ready(None) };
            let polled = actor.as_mut().poll_next(cx);
            let mut frames = self.pipe.frames.borrow_mut();
            while let Some(chunk) = frames.next_chunk() {
                self.pipe.outbox.push(chunk);
            }
            drop(frames);
            match polled {
                Poll::Ready(None | Some(Err(_))) => {
                    self.actor = None;
                    // The HTTP layer reads again, to see the end.
                    cx.waker().wake_by_ref();
                }
                _ if self.pipe.goes_on.take() => {}
                _ => return Poll::Pending,
            }
        }
        self.pipe.outbox.expect_more();
        Poll::Pending
    }
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

/// What came right behind the request, before it was answered.
enum Early {
    /// There may be some.
    Expected,
    /// The payload was empty; the HTTP layer may have had no place for more, and is asked once again.
    Asked,
    Over,
}

/// The session actor.
struct Connection<C: Conversation> {
    conversation: C,
    pipe: Rc<Pipe>,
    inlet: Rc<Inlet>,
    /// Where the HTTP layer puts what came before the inlet was taken.
    payload: Payload,
    early: Early,
    reader: FrameReader,
    turn: Arc<Turn>,
    pings: Pings,
    switch: Arc<Switch>,
    clock: Arc<dyn Clock>,
    ended: bool,
    /// With a close frame, of whichever side.
    ended_by_word: bool,
}

impl<C: Conversation> Drop for Connection<C> {
    fn drop(&mut self) {
        self.inlet.give_back();
        // After a last word there is still something to be written.
        let frames = if self.ended_by_word { Frames::default() } else { self.pipe.frames.take() };
        self.conversation.gone(self.ended_by_word, frames);
    }
}

impl<C: Conversation> Connection<C> {
    fn end(&mut self, ending: Ending, ctx: &mut HttpContext<Self>) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.ended_by_word = matches!(ending, Ending::Close(_));
        match ending {
            Ending::Close(close) => {
                let mut frames = self.pipe.frames.borrow_mut();
                self.conversation.fill(&mut frames);
                frames.close(close);
            }
            Ending::Cut => self.switch.throw(),
        }
        ctx.stop();
    }

    /// Reads until nothing is there, the turn is over, or enough waits for a conversation that is not ready. Whether the peer
    /// says no more.
    fn read(&mut self, task: &mut TaskContext<'_>) -> Result<bool, Ending> {
        let mut fresh = BytesMut::new();
        loop {
            let is_ready = self.understand(&mut fresh)?;
            self.reader.keep(std::mem::take(&mut fresh));
            let is_enough = !is_ready && self.reader.kept() >= AHEAD_BYTES;
            if is_enough || self.turn.poll(task).is_pending() {
                return Ok(false);
            }
            match self.read_some(task, &mut fresh) {
                Poll::Ready(Ok(0)) => return Ok(true),
                Poll::Ready(Ok(count)) => self.turn.take(count),
                // TCP has failed, and the peer has said nothing wrong.
                Poll::Ready(Err(_)) => return Err(Ending::Cut),
                Poll::Pending => return Ok(false),
            }
        }
    }

    /// Reads into the memory of a large frame that has begun, or else into `fresh`.
    fn read_some(
        &mut self,
        task: &mut TaskContext<'_>,
        fresh: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        if let Some(read) = self.read_early(task, fresh) {
            return read.map(Ok);
        }
        if let Some((large, room)) = self.reader.room() {
            return self.inlet.poll_read(task, large, room.min(TURN_BYTES));
        }
        SHARED.with_borrow_mut(|shared| {
            let count = ready!(self.inlet.poll_read(task, shared, TURN_BYTES))?;
            *fresh = shared.split();
            Poll::Ready(Ok(count))
        })
    }

    /// None: nothing came early, or all of it is read.
    fn read_early(
        &mut self,
        task: &mut TaskContext<'_>,
        fresh: &mut BytesMut,
    ) -> Option<Poll<usize>> {
        if matches!(self.early, Early::Over) {
            return None;
        }
        if let Poll::Ready(Some(Ok(bytes))) = Pin::new(&mut self.payload).poll_next(task) {
            self.early = Early::Expected;
            *fresh = bytes.into();
            return Some(Poll::Ready(fresh.len()));
        }
        if matches!(self.early, Early::Asked) {
            self.early = Early::Over;
            return None;
        }
        self.early = Early::Asked;
        task.waker().wake_by_ref();
        Some(Poll::Pending)
    }

    /// Understands what was read, as long as the conversation is ready for it. Whether it still is.
    fn understand(&mut self, fresh: &mut BytesMut) -> Result<bool, Ending> {
        while self.conversation.is_ready() {
            match self.reader.next(fresh).map_err(Ending::Close)? {
                Some(received) => self.received(received).map_err(Ending::Close)?,
                None => return Ok(true),
            }
            if self.conversation.staged() >= BATCH_MAX {
                self.conversation.submit();
            }
        }
        Ok(false)
    }

    fn received(&mut self, received: Received) -> Result<(), Close> {
        match received {
            Received::Message(message) => return self.conversation.received(message),
            Received::Ping(payload) => {
                if !self.pings.admit(self.clock.elapsed()) {
                    return Err(ErrorCode::TooManyPings.into());
                }
                self.pipe.frames.borrow_mut().pong(&payload);
            }
            Received::Pong(payload) => {
                self.conversation.ponged(&payload, &mut self.pipe.frames.borrow_mut());
            }
            Received::Close(code) => return Err(Close::new(code, "")),
        }
        Ok(())
    }
}

impl<C: Conversation> Actor for Connection<C> {
    type Context = HttpContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let outlet = ActorOutlet { address: ctx.address(), switch: Arc::clone(&self.switch) };
        self.conversation.opened(Box::new(outlet), &mut self.pipe.frames.borrow_mut());
        ctx.run_interval(self.conversation.tick_interval(), |connection, ctx| {
            let ending = connection.conversation.tick(&mut connection.pipe.frames.borrow_mut());
            if let Some(ending) = ending {
                connection.end(ending, ctx);
            }
        });
        ctx.spawn(Pump::default());
    }
}

impl<C: Conversation> Pumped for Connection<C> {
    fn turn_ends(&mut self, ctx: &mut Self::Context, task: &mut TaskContext<'_>) {
        if self.ended {
            return;
        }
        // Before anything is looked at: what comes later wakes.
        self.switch.listen(task);
        self.conversation.arrived(Vec::new());
        let read = self.read(task);
        let was_ready = self.conversation.is_ready();
        // Also of a peer that goes: what it said before counts.
        self.conversation.submit();
        match read {
            Ok(false) => {}
            Ok(true) => return ctx.stop(),
            Err(ending) => return self.end(ending, ctx),
        }
        self.conversation.fill(&mut self.pipe.frames.borrow_mut());
        let filled = self.pipe.frames.borrow().len();
        match self.conversation.ending() {
            Some(ending) if filled == 0 => self.end(ending, ctx),
            ending => {
                let can_read_on = !was_ready && self.conversation.is_ready();
                self.pipe.goes_on.set(filled >= CHUNK_BYTES || ending.is_some() || can_read_on);
            }
        }
    }
}

/// From the outlet.
#[derive(actix::Message)]
#[rtype(result = "()")]
struct Arrived(Vec<ToSession>);

impl<C: Conversation> Handler<Arrived> for Connection<C> {
    type Result = ();

    fn handle(&mut self, Arrived(items): Arrived, _: &mut Self::Context) {
        self.conversation.arrived(items);
    }
}

struct ActorOutlet<C: Conversation> {
    address: Addr<Connection<C>>,
    switch: Arc<Switch>,
}

impl<C: Conversation> Outlet for ActorOutlet<C> {
    fn send(&self, items: Vec<ToSession>) {
        if items.is_empty() {
            // Only to look elsewhere for them: that needs no mailbox.
            return self.switch.wake();
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "what waits is bounded by permits and by the link's gauge; messages stay leased"
        )]
        self.address.do_send(Arrived(items));
    }

    fn cut(&self) {
        self.switch.throw();
    }
}
