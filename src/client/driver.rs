//! The task that has the connection: writes what handles ask for, hands out what the server says, and makes
//! the connection anew.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};

use super::{
    Builder, COMMANDS_WAITING_MAX, ConnectionEvent, Error, Hello, Notice,
    frame::{self, Frame},
    link::{Abandoned, Board, Call, Command, Delivery, Pending, Watcher, leases, release},
    message::Wire,
    outbox::Outbox,
    socket::{self, Resume, SESSION_LOST, Socket},
};

/// Frames that may be kept because they are not known to have arrived; past it no more are taken.
const UNCONFIRMED_MAX: usize = 4096;

/// Once so many frames are unconfirmed, the server is asked for a sign.
const UNCONFIRMED_TO_ASK: usize = 512;

/// How long the last words of a client may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Our own pings; handles use ids from 1.
const PING_ID: u64 = 0;

struct Entry {
    /// Number of its frame in the session.
    number: u64,
    text: Utf8Bytes,
    pending: Pending,
}

/// Why a connection ended.
enum Broken {
    /// The session may be there still.
    Connection(String),
    /// The server ended the session, and perhaps says how long to stay away.
    Session { reason: String, is_final: bool },
    /// A server that starts anew.
    Restart { reason: String, wait: Duration },
    /// No handle is left, or one asked for the end.
    Asked,
}

pub(super) struct Driver {
    pub(super) options: Builder,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) board: Arc<Board>,
    pub(super) closing: watch::Receiver<bool>,
    pub(super) hello: watch::Sender<Hello>,
    pub(super) ended: watch::Sender<Option<String>>,
    pub(super) connection: broadcast::Sender<ConnectionEvent>,
    pub(super) notices: broadcast::Sender<Notice>,
    state: State,
}

#[derive(Default)]
struct State {
    pending: HashMap<u64, Entry>,
    outbox: Outbox,
    /// Frames of this session that are here.
    received: u64,
    /// Intervals in which the server said nothing.
    silent: u32,
    /// Number of the frame of our ping that is under way.
    ping: Option<u64>,
}

impl Driver {
    #[expect(clippy::too_many_arguments, reason = "the other ends of a link")]
    pub(super) fn new(
        options: Builder,
        commands: mpsc::Receiver<Command>,
        board: Arc<Board>,
        closing: watch::Receiver<bool>,
        hello: watch::Sender<Hello>,
        ended: watch::Sender<Option<String>>,
        connection: broadcast::Sender<ConnectionEvent>,
        notices: broadcast::Sender<Notice>,
    ) -> Self {
        let state = State::default();
        Self { options, commands, board, closing, hello, ended, connection, notices, state }
    }

    /// Serves until nobody needs it or there is no connection to be had.
    pub(super) async fn run(mut self, mut socket: Socket) {
        let reason = loop {
            let broken = self.serve(&mut socket).await;
            let (reason, is_session_over, wait) = match broken {
                Broken::Asked => {
                    let _ = tokio::time::timeout(FAREWELL, self.leave(&mut socket)).await;
                    break "the client is closed".to_owned();
                }
                Broken::Session { reason, is_final: true } => break reason,
                Broken::Session { reason, is_final: false } => (reason, true, Duration::ZERO),
                Broken::Connection(reason) => (reason, false, Duration::ZERO),
                Broken::Restart { reason, wait } => (reason, false, wait),
            };
            drop(socket);
            self.tell(ConnectionEvent::Disconnected { reason: reason.clone() });
            let Some(policy) = self.options.reconnect else { break reason };
            if is_session_over {
                self.begin_anew(&reason);
            }
            let again = self.reconnect(policy, wait, is_session_over);
            let made = match policy.give_up_after {
                None => again.await,
                Some(limit) => match tokio::time::timeout(limit, again).await {
                    Ok(made) => made,
                    Err(_) => Err(reason),
                },
            };
            match made {
                Ok(made) => socket = made,
                Err(reason) => break reason,
            }
        };
        self.end(reason);
    }

    fn tell(&self, event: ConnectionEvent) {
        // Without listeners there is nobody to tell.
        let _ = self.connection.send(event);
    }

    /// One connection, from hello to its end.
    async fn serve(&mut self, socket: &mut Socket) -> Broken {
        let mut ticks = tokio::time::interval(self.options.ping_interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.reset();
        self.state.silent = 0;
        loop {
            let has_room = self.state.outbox.len() < UNCONFIRMED_MAX;
            tokio::select! {
                said = Talk { socket, outbox: &mut self.state.outbox } => match said {
                    Ok(message) => if let Err(broken) = self.hear(message) { return broken },
                    Err(error) => return Broken::Connection(error.to_string()),
                },
                command = self.commands.recv(), if has_room => match command {
                    Some(command) => {
                        self.take(command);
                        // What waits goes out in the same write.
                        while self.state.outbox.len() < UNCONFIRMED_MAX
                            && let Ok(command) = self.commands.try_recv()
                        {
                            self.take(command);
                        }
                        if self.state.outbox.len() > UNCONFIRMED_TO_ASK {
                            self.ping();
                        }
                    }
                    None => return Broken::Asked,
                },
                () = self.board.wake.notified(), if has_room => self.clear_up(),
                () = async { drop(self.closing.wait_for(|is| *is).await) } => return Broken::Asked,
                _ = ticks.tick() => {
                    self.state.silent += 1;
                    if self.state.silent > 2 {
                        return Broken::Connection("the server says nothing any more".to_owned());
                    }
                    self.ping();
                }
            }
        }
    }

    fn ping(&mut self) {
        if self.state.ping.is_none()
            && let Ok(text) = frame::request(Some(PING_ID), "ping", None, &serde_json::json!({}))
        {
            self.state.ping = Some(self.state.outbox.push(text.into()));
        }
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Say(text) => drop(self.state.outbox.push(text)),
            Command::Request { id, text, pending } => {
                // Given up before it was written: it never was.
                if matches!(&pending, Pending::Call(call) if call.reply.is_closed()) {
                    return;
                }
                let number = self.state.outbox.push(text.clone());
                self.state.pending.insert(id, Entry { number, text, pending });
            }
        }
    }

    /// Does what handles that were dropped left behind.
    fn clear_up(&mut self) {
        let all = self.board.take();
        // What was dropped may have been asked for a moment ago, and then that comes first.
        for _ in 0..COMMANDS_WAITING_MAX {
            match self.commands.try_recv() {
                Ok(command) => self.take(command),
                Err(_) => break,
            }
        }
        for abandoned in all {
            let text = match abandoned {
                Abandoned::Release { queue, leases } => release(&queue, &leases),
                Abandoned::Unwatch(id) => match self.state.pending.remove(&id) {
                    Some(_) => {
                        frame::request(None, "unwatch", None, &serde_json::json!({"watch": id}))
                    }
                    None => continue,
                },
                Abandoned::Cancel(id) => {
                    let queue = match self.state.pending.get(&id).map(|entry| &entry.pending) {
                        Some(Pending::Call(Call { takes_from: Some(queue), .. })) => queue,
                        Some(Pending::Receiver(receiver)) => &receiver.queue,
                        Some(Pending::Call(_) | Pending::Watcher(_)) | None => continue,
                    };
                    let fields = serde_json::json!({"receiver": id});
                    frame::request(None, "cancel", Some(queue), &fields)
                }
            };
            if let Ok(text) = text {
                self.state.outbox.push(text.into());
            }
        }
    }

    fn hear(&mut self, message: Message) -> Result<(), Broken> {
        self.state.silent = 0;
        match message {
            Message::Text(text) => {
                self.state.received += 1;
                let frames = frame::read(&text).map_err(|error| Broken::Session {
                    reason: error.to_string(),
                    is_final: true,
                })?;
                for (text, frame) in frames {
                    self.dispatch(text, frame);
                }
                Ok(())
            }
            Message::Close(close) => {
                let (code, reason) = close
                    .map_or((1005, String::new()), |c| (u16::from(c.code), c.reason.to_string()));
                Err(ending(code, reason))
            }
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn dispatch(&mut self, text: &str, frame: Frame<'_>) {
        if let (Some(id), true) = (frame.id, frame.ok.is_some() || frame.error.is_some()) {
            let answer = match (frame.ok, frame.error) {
                (_, Some(error)) => Err(Error::Server(error)),
                (Some(ok), None) => Ok(ok.to_owned()),
                (None, None) => return,
            };
            self.answer(id, answer);
        } else if let (Some(id), Some(messages)) = (frame.receiver, frame.messages) {
            self.deliver(id, messages.get());
        } else if let Some(id) = frame.watch {
            self.watched(id, text, frame.missed);
        } else if frame.notice.is_some() {
            if let Ok(notice) = serde_json::from_str::<Notice>(text) {
                let _ = self.notices.send(notice);
            }
        } else if let Some(error) = frame.error {
            // Of a request that nobody waits for.
            self.tell(ConnectionEvent::Complaint(error));
        }
    }

    fn answer(&mut self, id: u64, answer: super::link::Answer) {
        if id == PING_ID {
            if let Some(number) = self.state.ping.take() {
                self.state.outbox.arrived(number);
            }
            return;
        }
        let Some(entry) = self.state.pending.remove(&id) else { return };
        let Entry { number, text, pending } = entry;
        self.state.outbox.arrived(number);
        match pending {
            Pending::Call(call) => {
                if let (Err(Ok(answer)), Some(queue)) = (call.reply.send(answer), call.takes_from) {
                    let leases = leases(answer.get());
                    self.give_back(&queue, &leases);
                }
            }
            Pending::Receiver(receiver) => {
                if let Err(error) = answer {
                    *receiver.end.lock() = Some(error);
                }
            }
            Pending::Watcher(mut watcher) => {
                let stays = answer.is_ok();
                if let Some(reply) = watcher.reply.take() {
                    let _ = reply.send(answer);
                }
                if stays {
                    let pending = Pending::Watcher(watcher);
                    self.state.pending.insert(id, Entry { number, text, pending });
                }
            }
        }
    }

    fn give_back(&mut self, queue: &str, leases: &[String]) {
        if !leases.is_empty()
            && let Ok(text) = release(queue, leases)
        {
            self.state.outbox.push(text.into());
        }
    }

    fn deliver(&mut self, id: u64, messages: &str) {
        let epoch = self.board.epoch();
        let Ok(messages) = serde_json::from_str::<Vec<Wire>>(messages) else { return };
        let mut unwanted = Vec::new();
        let mut from = None;
        if let Some(Entry { pending: Pending::Receiver(receiver), .. }) =
            self.state.pending.get(&id)
        {
            from = Some(Arc::clone(&receiver.queue));
            for message in messages {
                let lease = message.lease.clone();
                // No room: the server gave more than the credit. Nobody there: it was dropped.
                if receiver.messages.try_send(Delivery { message, epoch }).is_err() {
                    unwanted.extend(lease);
                }
            }
        }
        if let Some(queue) = from {
            self.give_back(&queue, &unwanted);
        }
    }

    fn watched(&mut self, id: u64, text: &str, missed: Option<u64>) {
        let Some(Entry { pending: Pending::Watcher(watcher), .. }) = self.state.pending.get(&id)
        else {
            return;
        };
        if let Some(missed) = missed {
            watcher.missed.add(missed);
        } else if let Ok(event) = frame::event(text)
            && (watcher.missed.is_open() || watcher.events.try_send(event).is_err())
        {
            watcher.missed.add(1);
        }
    }

    /// Attempts until one succeeds or all others would fail, too.
    async fn reconnect(
        &mut self,
        policy: super::Reconnect,
        mut wait: Duration,
        is_session_over: bool,
    ) -> Result<Socket, String> {
        let mut is_resuming = self.options.is_resuming && !is_session_over;
        if !is_resuming && !is_session_over {
            self.begin_anew("a new session was asked for");
        }
        for attempt in 0_u32.. {
            wait += policy.wait(attempt, random());
            let mut closing = self.closing.clone();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = closing.wait_for(|is| *is) => return Err("the client is closed".to_owned()),
            }
            wait = Duration::ZERO;
            if self.commands.is_closed() && self.commands.is_empty() {
                return Err("the client is closed".to_owned());
            }
            let resume = is_resuming.then(|| Resume {
                session: self.hello.borrow().session.clone(),
                received: self.state.received,
            });
            let made = tokio::select! {
                made = socket::connect(&self.options, resume.as_ref()) => made,
                _ = closing.wait_for(|is| *is) => return Err("the client is closed".to_owned()),
            };
            match made {
                Ok((socket, hello)) => {
                    let goes_on =
                        hello.resumed && is_resuming && self.state.outbox.resume(hello.received);
                    if hello.resumed && !goes_on {
                        // The server has another idea of what was said: neither can go on from here.
                        self.begin_anew("server and client do not agree on what was said");
                        is_resuming = false;
                        continue;
                    }
                    if is_resuming && !goes_on {
                        self.begin_anew("the server began a new one");
                    }
                    let session = hello.session.clone();
                    self.hello.send_replace(hello);
                    self.tell(ConnectionEvent::Connected { session, is_resumed: goes_on });
                    return Ok(socket);
                }
                Err(error) if is_resuming && is_lost(&error) => {
                    self.begin_anew(&error.to_string());
                    is_resuming = false;
                }
                Err(error) if is_final(&error) => return Err(error.to_string()),
                Err(_) => {}
            }
        }
        Err("no attempt succeeded".to_owned())
    }

    /// The session is lost: what may have happened fails, what did not or does no harm is said again.
    fn begin_anew(&mut self, reason: &str) {
        self.board.epoch.fetch_add(1, Ordering::AcqRel);
        let state = std::mem::take(&mut self.state);
        let mut entries: Vec<_> = state.pending.into_iter().collect();
        entries.sort_unstable_by_key(|(id, _)| *id);
        let mut failed = 0;
        for (id, entry) in entries {
            let is_written = state.outbox.is_written(entry.number);
            match entry.pending {
                Pending::Call(call) if is_written && !call.is_repeatable => {
                    failed += 1;
                    let reason = format!("the session is lost: {reason}");
                    let _ = call.reply.send(Err(Error::Closed { may_have_happened: true, reason }));
                }
                Pending::Call(call) if call.reply.is_closed() => {}
                Pending::Receiver(receiver) if receiver.messages.is_closed() => {}
                pending => {
                    let command = Command::Request { id, text: entry.text, pending };
                    self.take(command);
                }
            }
        }
        self.tell(ConnectionEvent::SessionLost { reason: reason.to_owned(), failed });
    }

    /// Writes what was asked for and says good-bye.
    async fn leave(&mut self, socket: &mut Socket) {
        while let Ok(command) = self.commands.try_recv() {
            self.take(command);
        }
        self.clear_up();
        while let Some(frame) = self.state.outbox.write() {
            if socket.feed(Message::Text(frame)).await.is_err() {
                return;
            }
        }
        // A server that is still there answers the close; what it says before is heard.
        if socket.close(None).await.is_ok() {
            while let Some(Ok(message)) = socket.next().await {
                if self.hear(message).is_err() {
                    return;
                }
            }
        }
    }

    /// Nothing more will come.
    fn end(mut self, reason: String) {
        self.ended.send_replace(Some(reason.clone()));
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.take(command);
        }
        for (_, entry) in self.state.pending.drain() {
            let may_have_happened = self.state.outbox.is_written(entry.number);
            let error = Error::Closed { may_have_happened, reason: reason.clone() };
            match entry.pending {
                Pending::Call(call) => {
                    let may_have_happened = may_have_happened && !call.is_repeatable;
                    let reason = reason.clone();
                    let _ = call.reply.send(Err(Error::Closed { may_have_happened, reason }));
                }
                Pending::Receiver(receiver) => {
                    *receiver.end.lock() = Some(error);
                }
                Pending::Watcher(Watcher { reply, .. }) => {
                    if let Some(reply) = reply {
                        let _ = reply.send(Err(error));
                    }
                }
            }
        }
        self.tell(ConnectionEvent::Ended { reason });
    }
}

/// What a close frame means.
fn ending(code: u16, reason: String) -> Broken {
    match code {
        1012 => {
            let wait = reason.split(';').find_map(|part| part.trim().strip_prefix("retry_ms="));
            let wait = wait.and_then(|number| number.parse().ok()).unwrap_or(0_u64);
            Broken::Restart {
                reason: "the server restarts".to_owned(),
                wait: Duration::from_millis(wait.min(60_000)),
            }
        }
        // By the token: a new connection with it would end the same way.
        4401 => Broken::Session { reason, is_final: true },
        1008 | 1009 | 1002 | 1003 | 1007 => {
            let is_final = ["token_", "wrong_room"].iter().any(|word| reason.starts_with(word));
            Broken::Session { reason: format!("the server ended it: {reason} ({code})"), is_final }
        }
        _ => Broken::Connection(format!("the server closed it: {reason} ({code})")),
    }
}

fn is_lost(error: &Error) -> bool {
    match error {
        Error::Refused { status, code, .. } => {
            code.as_deref() == Some(SESSION_LOST) || *status == 404
        }
        _ => false,
    }
}

/// Whether another attempt would fail, too.
const fn is_final(error: &Error) -> bool {
    match error {
        Error::Refused { status, .. } => {
            *status >= 400 && *status < 500 && *status != 408 && *status != 429
        }
        _ => false,
    }
}

fn random() -> u16 {
    let mut bytes = [0; 2];
    // Without random numbers all clients wait equally long.
    let _ = getrandom::fill(&mut bytes);
    u16::from_ne_bytes(bytes)
}

/// Writes all that can be written and reads one message. Dropped, it has lost nothing.
struct Talk<'a> {
    socket: &'a mut Socket,
    outbox: &'a mut Outbox,
}

impl Future for Talk<'_> {
    type Output = Result<Message, WsError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { socket, outbox } = self.get_mut();
        let mut socket = Pin::new(&mut **socket);
        while outbox.has_unwritten() {
            match socket.as_mut().poll_ready(cx)? {
                Poll::Pending => break,
                Poll::Ready(()) => {
                    if let Some(frame) = outbox.write() {
                        socket.as_mut().start_send(Message::Text(frame))?;
                    }
                }
            }
        }
        let _ = socket.as_mut().poll_flush(cx)?;
        match ready!(socket.poll_next(cx)) {
            Some(message) => Poll::Ready(message),
            None => Poll::Ready(Err(WsError::ConnectionClosed)),
        }
    }
}
