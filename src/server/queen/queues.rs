//! Queues: their settings, and their end.

use actix_web::{HttpResponse, web::Payload};

use super::exchange::At;
use crate::{facade::queen::configure, types::Millis};

pub(super) async fn configure(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        let (queue, operation) = configure::read(call)?;
        let result = visit.ask(operation, Millis(0)).await;
        configure::write(&queue, result)
    })
    .await
}

pub(super) async fn delete(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, _, visit| {
        let queue = &at.parts.queue;
        let result = visit.ask(configure::delete(queue)?, Millis(0)).await;
        configure::deleted(queue, result)
    })
    .await
}
