//! What concerns the whole room.

use actix_web::{HttpResponse, web::Payload};

use super::exchange::At;
use crate::wire::native::{
    Request,
    answer::{Participants, Transacted},
    request::{Nothing, Transact},
};

/// List the participants of the room
///
/// Who is connected by WebSocket; requests over HTTP are seen by nobody. Over WebSocket: `participants`. Needs `messaging.list`.
#[utoipa::path(get, path = "/v1/rooms/{room}/participants", tag = "room", responses((status = 200, body = Participants)))]
pub(super) async fn participants(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |_, asked| asked.operation(None, Request::Participants(Nothing {}))).await
}

/// Change several queues together
///
/// Ends deliveries and sends messages in one or more queues: all of it happens, or nothing. Every lease must be live (`lease_lost`),
/// every message admitted (`queue_closed`, `queue_full`, `queue_bytes_full`, `too_many_partitions`) and no duplicate (`duplicate`); the
/// sentence of the refusal names the queue. A queue that is sent to is made if it is not there (`too_many_queues`); one that is
/// only settled in must be there (`queue_not_found`). Settles and sends of all parts together are at most `items_per_request`
/// (`too_many_items`). Over WebSocket: `transaction`. Needs `send` where messages are sent, `receive` where deliveries end.
#[utoipa::path(post, path = "/v1/rooms/{room}/transaction", tag = "room", request_body = Transact,
    responses((status = 200, body = Transacted)))]
pub(super) async fn transaction(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |_, asked| {
        asked.operation(None, Request::Transaction(asked.json::<Transact<'_>>()?))
    })
    .await
}
