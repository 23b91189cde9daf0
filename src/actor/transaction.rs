//! Changes of several queues of a room, together or not at all.
//!
//! ```text
//!   room ── Prepare ──► queue A, queue B …      each checks, and keeps what is needed
//!   room ── Commit ───► queue A, queue B …      each does it and puts its records into one `Joint`
//!                       the last one appends the joint: one entry of the journal, all of it or nothing
//!   room ◄── durable ── then the client is answered
//! ```
//!
//! Between its commit and the joint's append a queue writes nothing of its own: its records stay in order. A queue that
//! is prepared goes on serving everybody else.

use std::sync::Arc;

use actix::{
    ActorFutureExt, Addr, AsyncContext, Context, Handler, MailboxError, Message, MessageResult,
    WrapFuture,
};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{
    messages::Stored,
    queue::QueueActor,
    room::{RoomActor, reply},
};
use crate::{
    engine::{
        Command, Outcome as QueueOutcome, Permit, Record, RecordNumber, ReplyTo, Transaction,
    },
    error::{Error, ErrorCode},
    service::{Create, Outcome, TransactionPart},
    store::{Appended, Batch, Requests, Store, StoreError},
    types::{QueueName, RequestId, RoomName, SessionId},
};

/// Who asks when the room does so on its own account. Real sessions begin at 1.
pub(super) const ROOM: SessionId = SessionId(0);

pub(super) const ROOM_ASKS: ReplyTo =
    ReplyTo { session: ROOM, request: RequestId(0), permit: Permit::InFlight };

type Answer = Result<QueueOutcome, ErrorCode>;

/// To a queue: check this, and keep what it needs.
#[derive(Message)]
#[rtype(result = "Answer")]
pub(super) struct Prepare {
    ticket: u64,
    transaction: Transaction,
    create: Create,
}

/// To a queue: do what was prepared.
#[derive(Message)]
#[rtype(result = "Answer")]
pub(super) struct Commit {
    ticket: u64,
    joint: Arc<Joint>,
    create: Create,
}

/// To a queue: give back what was kept.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Abort {
    ticket: u64,
}

/// To a queue: the joint that it took part in is appended.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct JointAppended {
    pub(super) through: RecordNumber,
    pub(super) result: Result<Appended, StoreError>,
}

/// One queue's part of a joint.
pub(super) struct Part {
    pub(super) room: RoomName,
    pub(super) queue: QueueName,
    pub(super) first: RecordNumber,
    pub(super) records: Vec<Record>,
    pub(super) through: RecordNumber,
    pub(super) address: Addr<QueueActor>,
}

/// The records of all queues of a transaction.
pub(super) struct Joint {
    state: Mutex<JointState>,
}

struct JointState {
    missing: usize,
    parts: Vec<Part>,
    done: Option<oneshot::Sender<Result<(), StoreError>>>,
}

impl Joint {
    fn new(queues: usize) -> (Arc<Self>, oneshot::Receiver<Result<(), StoreError>>) {
        let (done, durable) = oneshot::channel();
        let state =
            JointState { missing: queues, parts: Vec::with_capacity(queues), done: Some(done) };
        (Arc::new(Self { state: Mutex::new(state) }), durable)
    }

    /// A queue's part; the last one sends all of them to the store.
    pub(super) fn add(&self, part: Part, store: &dyn Store) {
        let mut state = self.state.lock();
        state.parts.push(part);
        state.missing -= 1;
        if state.missing > 0 {
            return;
        }
        let parts = std::mem::take(&mut state.parts);
        let done = state.done.take();
        drop(state);
        append(parts, done, store);
    }
}

fn append(
    parts: Vec<Part>,
    done: Option<oneshot::Sender<Result<(), StoreError>>>,
    store: &dyn Store,
) {
    let batches: Vec<Batch<'_>> = parts
        .iter()
        .filter(|part| !part.records.is_empty())
        .map(|Part { room, queue, first, records, .. }| Batch {
            room,
            queue,
            first: *first,
            records,
        })
        .collect();
    let addresses: Vec<_> = parts.iter().map(|part| (part.address.clone(), part.through)).collect();
    // The one who is told when it is durable: now, or by the store later.
    let done = Arc::new(Mutex::new(done));
    let tell = move |done: &Mutex<Option<oneshot::Sender<_>>>, result: Result<(), StoreError>| {
        let done = done.lock().take();
        if let Some(done) = done {
            let _ = done.send(result);
        }
    };
    let (later, told) = (addresses.clone(), Arc::clone(&done));
    let when_stored = Box::new(move |result: Result<(), StoreError>| {
        for (address, through) in later {
            #[expect(clippy::disallowed_methods, reason = "one per queue; carries no message")]
            address.do_send(Stored { through, result: result.clone() });
        }
        tell(&told, result);
    });
    let appended = if batches.is_empty() {
        Ok(Appended::Durable)
    } else {
        store.append(&batches, Requests::Many, when_stored)
    };
    for (address, through) in addresses {
        #[expect(clippy::disallowed_methods, reason = "one per queue; carries no message")]
        address.do_send(JointAppended { through, result: appended.clone() });
    }
    match appended {
        Ok(Appended::Durable) => tell(&done, Ok(())),
        Ok(Appended::Pending) => {}
        Err(error) => tell(&done, Err(error)),
    }
}

/// All its queues are ready for it.
pub(super) struct PreparedTransaction {
    ticket: u64,
    queues: Vec<QueueName>,
    addresses: Vec<(Addr<QueueActor>, Create)>,
    to: ReplyTo,
}

/// A refusal that says which queue is the reason: "the queue jobs has no such schedule".
pub(super) fn about(queue: &QueueName, code: ErrorCode) -> Error {
    let sentence = match code.meaning().strip_prefix("the queue ") {
        Some(rest) => format!("the queue {queue} {rest}"),
        None => format!("{}: {queue}", code.meaning()),
    };
    Error::new(code, sentence)
}

impl Handler<Prepare> for QueueActor {
    type Result = MessageResult<Prepare>;

    fn handle(&mut self, prepare: Prepare, _: &mut Self::Context) -> Self::Result {
        let Prepare { ticket, transaction, create } = prepare;
        MessageResult(
            self.ask(create, Command::Prepare { ticket, transaction: Box::new(transaction) }),
        )
    }
}

impl Handler<Abort> for QueueActor {
    type Result = ();

    fn handle(&mut self, Abort { ticket }: Abort, _: &mut Self::Context) {
        // Nothing is kept under this ticket if it could not be prepared.
        let _ = self.ask(Create::Yes, Command::Abort { ticket });
    }
}

impl Handler<Commit> for QueueActor {
    type Result = MessageResult<Commit>;

    fn handle(
        &mut self,
        Commit { ticket, joint, create }: Commit,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        MessageResult(self.commit(ticket, create, &joint, ctx.address()))
    }
}

impl RoomActor {
    /// Prepares all parts; when all can be done, commits them. The session's later requests wait.
    pub(super) fn transact(
        &mut self,
        parts: Vec<TransactionPart>,
        to: ReplyTo,
        ctx: &mut Context<Self>,
    ) -> Result<Option<Outcome>, Error> {
        let mut names: Vec<&QueueName> = parts.iter().map(|part| &part.queue).collect();
        names.sort_unstable();
        if parts.is_empty() || names.windows(2).any(|two| two[0] == two[1]) {
            let text = "a transaction names each of its queues once, and at least one";
            return Err(Error::new(ErrorCode::InvalidRequest, text));
        }
        let addresses = self.addresses_for(&parts)?;
        self.flush(to.session);
        let ticket = self.next_ticket();
        self.set_busy(to.session, true);
        let creates =
            parts.iter().map(|part| part.founding.clone().map_or(Create::Yes, Create::With));
        let addresses: Vec<_> = addresses.into_iter().zip(creates).collect();
        let (queues, transactions): (Vec<_>, Vec<_>) =
            parts.into_iter().map(|part| (part.queue, part.transaction)).unzip();
        let prepared =
            addresses.iter().zip(transactions).map(|((address, create), transaction)| {
                address.send(Prepare { ticket, transaction, create: create.clone() })
            });
        let prepared = join_all(prepared.collect::<Vec<_>>());
        ctx.spawn(prepared.into_actor(self).map(move |answers, room, ctx| {
            let refused = answers.into_iter().zip(&queues).find_map(|(answer, queue)| {
                let code = match answer {
                    Ok(Ok(_)) => return None,
                    Ok(Err(code)) => code,
                    Err(_) => ErrorCode::Internal,
                };
                Some(about(queue, code))
            });
            match refused {
                None => room.commit(PreparedTransaction { ticket, queues, addresses, to }, ctx),
                Some(error) => {
                    for (address, _) in &addresses {
                        #[expect(
                            clippy::disallowed_methods,
                            reason = "one per queue; carries no message"
                        )]
                        address.do_send(Abort { ticket });
                    }
                    room.finish_transaction(to, Err(error), ctx);
                }
            }
        }));
        Ok(None)
    }

    /// Commits one transaction after the other: a queue's records go into its joints in order.
    fn commit(&mut self, prepared: PreparedTransaction, ctx: &mut Context<Self>) {
        if self.is_committing {
            return self.to_commit.push_back(prepared);
        }
        self.is_committing = true;
        let PreparedTransaction { ticket, queues, addresses, to } = prepared;
        let (joint, durable) = Joint::new(addresses.len());
        let committed = addresses.iter().map(|(address, create)| {
            address.send(Commit { ticket, joint: Arc::clone(&joint), create: create.clone() })
        });
        let committed = join_all(committed.collect::<Vec<_>>());
        ctx.spawn(committed.into_actor(self).map(move |answers, room, ctx| {
            // The joint is appended by now; when it is durable, the client hears.
            room.is_committing = false;
            if let Some(next) = room.to_commit.pop_front() {
                room.commit(next, ctx);
            }
            let finish = durable.into_actor(room).map(move |durable, room: &mut Self, ctx| {
                room.answer_transaction(queues, answers, matches!(durable, Ok(Ok(()))), to, ctx);
            });
            ctx.spawn(finish);
        }));
    }

    fn answer_transaction(
        &mut self,
        queues: Vec<QueueName>,
        answers: Vec<Result<Answer, MailboxError>>,
        is_durable: bool,
        to: ReplyTo,
        ctx: &mut Context<Self>,
    ) {
        let parts = queues.into_iter().zip(answers).map(|(queue, answer)| {
            let outcome = answer.map_err(|_| ErrorCode::Internal)??;
            Ok((queue, outcome))
        });
        let result = match parts.collect::<Result<Vec<_>, ErrorCode>>() {
            Ok(parts) if is_durable => Ok(Outcome::Transacted { parts }),
            Ok(_) => Err(ErrorCode::StoreFailed.into()),
            Err(code) => Err(code.into()),
        };
        self.finish_transaction(to, result, ctx);
    }

    /// Answers, and lets the session's later requests in.
    fn finish_transaction(
        &mut self,
        to: ReplyTo,
        result: Result<Outcome, Error>,
        ctx: &mut Context<Self>,
    ) {
        if let Some(link) = self.link(to.session) {
            reply(&link, to, result);
        }
        self.set_busy(to.session, false);
        self.catch_up(to.session, ctx);
    }
}
