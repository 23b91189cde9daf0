//! Windows over queues: defined, polled, acknowledged, renewed, sought.

use actix_web::{HttpResponse, web::Payload};

use super::exchange::At;
use crate::{
    error::Error,
    facade::{
        Written,
        queen::{
            Call,
            streams::{self, Asked, Next},
        },
    },
    server::visit::Visit,
    types::Millis,
};

const NO_WAIT: Millis = Millis(0);

pub(super) async fn define(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        let (stream, operation) = streams::define(call)?;
        streams::defined(&stream, visit.ask(operation, NO_WAIT).await)
    })
    .await
}

pub(super) async fn poll(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| ask(Asked::poll(call)?, call, visit).await).await
}

pub(super) async fn ack(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| ask(Asked::ack(call)?, call, visit).await).await
}

pub(super) async fn renew(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| ask(Asked::renew(call)?, call, visit).await).await
}

pub(super) async fn seek(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| ask(Asked::seek(call)?, call, visit).await).await
}

async fn ask(asked: Asked, call: &Call, visit: &mut Visit) -> Result<Written, Error> {
    let found = visit.ask(asked.find(), NO_WAIT).await;
    let (found, operation) = asked.found(found)?;
    let result = visit.ask(operation, streams::WAIT_MAX).await;
    let mut window = match found.answer(result)? {
        Next::Answer(written) => return Ok(written),
        Next::Window(window) => window,
    };
    while let Some(operation) = window.next(call) {
        let page = visit.ask(operation, NO_WAIT).await;
        window.page(page)?;
    }
    Ok(window.write())
}
