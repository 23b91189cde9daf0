//! WebSocket connections that hold: the actor shell around a [`Conversation`].
//!
//! ```text
//!             ┌ Ingress: frame guard, back-pressure ─► codec ─► Connection ─► Conversation
//!   socket ◄──┤                                                    │ end of each turn: submit, fill
//!             └ Outbox ◄─ Egress: chunks ◄────────── Frames ◄──────┘
//! ```
//!
//! The one file that names `actix-web-actors`, which is deprecated upstream and leaves all of this open:
//! it buffers a frame whatever its announced size, does not join fragments, says no close code, and keeps
//! an unbounded outgoing queue. Here bytes leave through [`Frames`], filled only while the socket takes them.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker, ready},
    time::Duration,
};

use actix::{Actor, ActorContext, Addr, AsyncContext, Handler, StreamHandler};
use actix_http::ws::{Codec, Item, Message as Frame, ProtocolError};
use actix_web::{
    Error, HttpRequest, HttpResponse, HttpResponseBuilder,
    error::PayloadError,
    http::header,
    web::{Bytes, Payload},
};
use actix_web_actors::ws::{WebsocketContext, handshake};
use futures_util::Stream;

use super::{outbox::Outbox, switch::Switch, turn::Turn};
use crate::{
    actor::{Pump, Pumped},
    clock::Clock,
    error::ErrorCode,
    service::{Outlet, ToSession},
    types::{Limits, Millis},
    wire::websocket::{Aggregator, Close, FrameGuard, Frames, Message},
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

/// More staged requests than this are submitted even while further frames wait to be decoded.
const BATCH_MAX: usize = 256;

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
    let Some(outbox) = request.conn_data::<Rc<Outbox>>().cloned() else {
        // Not a socket of ours.
        return HttpResponse::InternalServerError().finish();
    };
    let pipe = Rc::new(Pipe {
        frames: RefCell::default(),
        outbox,
        guard: RefCell::new(FrameGuard::new(limits.frame_bytes as u64)),
        handled: Cell::new(0),
        turn: Arc::new(Turn::new(TURN_BYTES)),
        tripped: Cell::new(None),
        broken: Cell::new(false),
        goes_on: Cell::new(false),
        reading: Cell::new(true),
        reader: Cell::new(None),
    });
    let switch = request.conn_data::<Arc<Switch>>().cloned().unwrap_or_default();
    switch.upgrade();
    let connection = Connection {
        conversation,
        pipe: Rc::clone(&pipe),
        aggregator: Aggregator::new(limits.message_bytes, limits.fragments_per_message),
        pings: Pings { max: limits.pings_per_second, since: clock.elapsed(), count: 0 },
        switch,
        clock,
        ended: false,
        ended_by_word: false,
    };
    let ingress = Ingress { payload, pipe: Rc::clone(&pipe) };
    let codec = Codec::new().max_size(limits.frame_bytes);
    let actor = WebsocketContext::with_codec(connection, ingress, codec);
    response.streaming(Egress { actor: Some(Box::pin(actor)), pipe })
}

/// What the three parts of one connection share. All of them live in the connection's task.
struct Pipe {
    frames: RefCell<Frames>,
    outbox: Rc<Outbox>,
    guard: RefCell<FrameGuard>,
    /// Frames that the codec has handed to the actor.
    handled: Cell<u64>,
    turn: Arc<Turn>,
    tripped: Cell<Option<ErrorCode>>,
    /// Reading from TCP has failed.
    broken: Cell<bool>,
    /// There is more to be done when what is filled in is with the socket.
    goes_on: Cell<bool>,
    reading: Cell<bool>,
    reader: Cell<Option<Waker>>,
}

impl Pipe {
    fn has_frames_to_decode(&self) -> bool {
        self.guard.borrow().complete() > self.handled.get()
    }

    fn set_reading(&self, reading: bool) {
        if self.reading.replace(reading) != reading
            && reading
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }
}

/// Bytes from the peer, as long as the conversation is ready for them.
struct Ingress {
    payload: Payload,
    pipe: Rc<Pipe>,
}

impl Stream for Ingress {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        // The codec takes all it can get before it decodes one frame: fed freely, its buffer would grow as
        // long as the peer sends faster than we decode. It comes back for more when it has run dry.
        if self.pipe.has_frames_to_decode() {
            return Poll::Pending;
        }
        if !self.pipe.reading.get() {
            self.pipe.reader.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        ready!(self.pipe.turn.poll(cx));
        let polled = Pin::new(&mut self.payload).poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(chunk))) => {
                self.pipe.turn.take(chunk.len());
                if let Err(code) = self.pipe.guard.borrow_mut().inspect(chunk) {
                    self.pipe.tripped.set(Some(code));
                    return Poll::Ready(Some(Err(PayloadError::Overflow)));
                }
            }
            Poll::Ready(Some(Err(_))) => self.pipe.broken.set(true),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
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
                Poll::Ready(None | Some(Err(_))) => self.actor = None,
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

/// The session actor.
struct Connection<C: Conversation> {
    conversation: C,
    pipe: Rc<Pipe>,
    aggregator: Aggregator,
    pings: Pings,
    switch: Arc<Switch>,
    clock: Arc<dyn Clock>,
    ended: bool,
    /// With a close frame, of whichever side.
    ended_by_word: bool,
}

impl<C: Conversation> Drop for Connection<C> {
    fn drop(&mut self) {
        // After a last word there is still something to be written.
        let frames = if self.ended_by_word { Frames::default() } else { self.pipe.frames.take() };
        self.conversation.gone(self.ended_by_word, frames);
    }
}

impl<C: Conversation> Connection<C> {
    fn end(&mut self, ending: Ending, ctx: &mut WebsocketContext<Self>) {
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

    fn frame(&mut self, frame: Frame) -> Result<(), Ending> {
        let message = match frame {
            Frame::Text(text) => Message::Text(text),
            Frame::Binary(data) => Message::Binary(data),
            Frame::Continuation(Item::FirstText(data)) => {
                return self.aggregator.first(true, &data).map_err(Ending::Close);
            }
            Frame::Continuation(Item::FirstBinary(data)) => {
                return self.aggregator.first(false, &data).map_err(Ending::Close);
            }
            Frame::Continuation(Item::Continue(data)) => {
                return self.aggregator.more(&data).map_err(Ending::Close);
            }
            Frame::Continuation(Item::Last(data)) => {
                self.aggregator.last(&data).map_err(Ending::Close)?
            }
            Frame::Ping(payload) => {
                if !self.pings.admit(self.clock.elapsed()) {
                    return Err(Ending::Close(ErrorCode::TooManyPings.into()));
                }
                self.pipe.frames.borrow_mut().pong(&payload);
                return Ok(());
            }
            Frame::Pong(payload) => {
                self.conversation.ponged(&payload, &mut self.pipe.frames.borrow_mut());
                return Ok(());
            }
            Frame::Close(reason) => {
                let code = reason.map_or(1000, |reason| u16::from(reason.code));
                return Err(Ending::Close(Close::new(code, "")));
            }
            Frame::Nop => return Ok(()),
        };
        self.conversation.received(message).map_err(Ending::Close)
    }

    /// The codec says what is wrong but not how to end.
    fn ending_for(&self, error: &ProtocolError) -> Ending {
        Ending::Close(match (self.pipe.tripped.get(), error) {
            (Some(code), _) => code.into(),
            (None, ProtocolError::Overflow) => ErrorCode::FrameTooLarge.into(),
            // Text that is not UTF-8 arrives as an I/O error with a sentence.
            (None, ProtocolError::Io(error)) if error.to_string().contains("utf-8") => {
                Close::NOT_UTF8
            }
            // TCP has failed, and the peer has said nothing wrong.
            _ if self.pipe.broken.get() => return Ending::Cut,
            _ => Close::PROTOCOL,
        })
    }
}

impl<C: Conversation> Actor for Connection<C> {
    type Context = WebsocketContext<Self>;

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
        if !self.pipe.has_frames_to_decode() || self.conversation.staged() >= BATCH_MAX {
            self.conversation.submit();
        }
        self.conversation.fill(&mut self.pipe.frames.borrow_mut());
        self.pipe.set_reading(self.conversation.is_ready());
        let filled = self.pipe.frames.borrow().len();
        match self.conversation.ending() {
            Some(ending) if filled == 0 => self.end(ending, ctx),
            ending => self.pipe.goes_on.set(filled >= CHUNK_BYTES || ending.is_some()),
        }
    }
}

impl<C: Conversation> StreamHandler<Result<Frame, ProtocolError>> for Connection<C> {
    fn handle(&mut self, frame: Result<Frame, ProtocolError>, ctx: &mut Self::Context) {
        if self.ended {
            return;
        }
        self.pipe.handled.set(self.pipe.handled.get() + 1);
        let result = match frame {
            Ok(frame) => self.frame(frame),
            Err(error) => Err(self.ending_for(&error)),
        };
        if let Err(ending) = result {
            self.end(ending, ctx);
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
