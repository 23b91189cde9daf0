//! Messages: pushed, popped, acknowledged.

use actix_web::{HttpResponse, web::Payload};

use super::exchange::At;
use crate::{
    facade::queen::{
        ack::{self, Acks},
        pop::{self, Pop},
        push::Push,
    },
    types::Millis,
};

/// For what does not wait.
const NO_WAIT: Millis = Millis(0);

pub(super) async fn push(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        let mut push = Push::read(call)?;
        let results = visit.ask_all(push.operations(), NO_WAIT).await?;
        Ok(push.write(&results))
    })
    .await
}

pub(super) async fn pop(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let (pop, operation) = Pop::read(call, &at.parts.queue, at.parts.partition.as_deref())?;
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
