//! Messages: pushed, popped, acknowledged.

use actix_web::{HttpResponse, web::Payload};

use super::{
    exchange::{At, NO_WAIT},
    modes::Mode,
};
use crate::facade::queen::{
    ack::{self, Acks},
    pop::{self, Pop},
    push::Push,
    transaction::{self, Bundle},
};

pub(super) async fn push(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let mut push = Push::read(call)?;
        if at.modes().is_on(Mode::Pushes, &visit.identity().room) {
            push.may_take_a_while();
        }
        let results = visit.ask_all(push.operations(), NO_WAIT).await?;
        push.write(&results)
    })
    .await
}

pub(super) async fn pop(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let (pop, operation) = Pop::read(call, &at.parts.queue, at.parts.partition.as_deref())?;
        if at.modes().is_on(Mode::Pops, &visit.identity().room) {
            return Ok(pop.nothing());
        }
        pop.write(visit.ask(operation, pop::WAIT_MAX).await)
    })
    .await
}

pub(super) async fn pop_any(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let (pop, operation) = Pop::read_any(call)?;
        if at.modes().is_on(Mode::Pops, &visit.identity().room) {
            return Ok(pop.nothing());
        }
        pop.write(visit.ask(operation, pop::WAIT_MAX).await)
    })
    .await
}

pub(super) async fn ack(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        let mut acks = Acks::read_one(call)?;
        let results = visit.ask_all(acks.operations(), NO_WAIT).await?;
        acks.write(&results)
    })
    .await
}

pub(super) async fn ack_batch(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        let mut acks = Acks::read_batch(call)?;
        let results = visit.ask_all(acks.operations(), NO_WAIT).await?;
        acks.write(&results)
    })
    .await
}

pub(super) async fn transaction(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        let id = uuid::Uuid::now_v7().to_string();
        let mut bundle = match Bundle::read(call) {
            Ok(bundle) => bundle,
            Err(error) => return transaction::rolled_back(&id, error),
        };
        let result = match bundle.operation() {
            Some(operation) => Some(visit.ask(operation, NO_WAIT).await),
            None => None,
        };
        bundle.write(&id, result)
    })
    .await
}

pub(super) async fn extend(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let result = match ack::extend(call, &at.parts.lease) {
            Some(operation) => Some(visit.ask(operation, NO_WAIT).await),
            None => None,
        };
        ack::extended(&at.parts.lease, result)
    })
    .await
}
