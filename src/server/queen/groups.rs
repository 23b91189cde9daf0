//! Consumer groups.

use actix_web::{HttpResponse, web::Payload};

use super::exchange::{At, NO_WAIT};
use crate::facade::queen::groups::{self, Forget, Seek, Subscription};

pub(super) async fn all(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| Ok(groups::all(call, &At::queues(visit).await?))).await
}

pub(super) async fn forget(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let queue = at.parts.queue.as_str();
        let queue = Some(queue).filter(|queue| !queue.is_empty());
        let mut forget = Forget::read(call, &at.parts.group, queue)?;
        let operations = forget.operations(&At::queues(visit).await?)?;
        forget.write(visit.ask_all(operations, NO_WAIT).await?)
    })
    .await
}

pub(super) async fn subscription(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let mut subscription = Subscription::read(call, &at.parts.group)?;
        let operations = subscription.operations(&At::queues(visit).await?);
        subscription.write(visit.ask_all(operations, NO_WAIT).await?)
    })
    .await
}

pub(super) async fn seek(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let partition = at.parts.partition.as_deref();
        let mut seek = Seek::read(call, &at.parts.group, &at.parts.queue, partition)?;
        let operations = seek.then(visit.ask(seek.first(), NO_WAIT).await)?;
        seek.write(visit.ask_all(operations, NO_WAIT).await?)
    })
    .await
}
