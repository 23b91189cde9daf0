//! Queues: their settings, and their end.

use actix_web::{HttpResponse, web::Payload};

use super::exchange::{At, NO_WAIT};
use crate::facade::queen::configure::{self, Configure};

pub(super) async fn configure(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        let configure = Configure::read(call)?;
        let found = visit.ask(configure.first(), NO_WAIT).await;
        let (operation, answer) = configure.then(found)?;
        Configure::write(visit.ask(operation, NO_WAIT).await, &answer)
    })
    .await
}

pub(super) async fn delete(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, _, visit| {
        let queue = &at.parts.queue;
        let result = visit.ask(configure::delete(queue)?, NO_WAIT).await;
        configure::deleted(queue, result)
    })
    .await
}
