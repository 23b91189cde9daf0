//! Messages: sent, taken, settled, looked at, changed.

use actix_web::{HttpResponse, http::header, web::Payload};

use super::exchange::At;
use crate::wire::native::{
    ParentFailed, Receipt, Request, SendRequest, State, Text, View,
    answer::{Changed, Extended, Messages, Page, Results, Sent},
    request::{Await, Change, Extend, Find, InGroup, Receive, Settle, Wait},
};

/// Send messages
///
/// Puts one message, or several (`messages`), at the end of their partitions. The answer comes when they are stored. A message is
/// *blocked* while one that it depends on is not done; else *delayed* until its time; else held until the queue's window closes
/// (shown as delayed); else *ready*. Checked in this order: `queue_closed`; ids, labels and texts out of bounds
/// (`invalid_request`); a known id or key (`duplicate: true`, or `key_conflict` with another body if the queue's
/// `dedup_content` is set); limits (`queue_full`, `queue_bytes_full`, `too_many_partitions`, `too_many_queues`). A batch is admitted
/// as a whole or refused as a whole. Over WebSocket: `send`. Needs `send` on the queue. Refused with those, `too_many_items`, and
/// `queue_not_found` (with `create: false`).
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/messages", tag = "messages", request_body = SendRequest,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "Dedup key of messages that have no `key` of their own: of one message as it is, of several `KEY:INDEX`, counted from 0")),
    responses((status = 200, body = Sent)))]
pub(super) async fn send(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| asked.send(at.queue(), at.idempotency_key()?)).await
}

/// Send a body as it is
///
/// The body of the request is the body of the message, `Content-Type` says what it is: `application/json` is a JSON body (it
/// must be JSON, and is kept byte for byte), anything else is kept as bytes and received as `base64` with `content_type`.
/// Without `Content-Type` it is `application/octet-stream`. What else can be said of a message stands in the query, with the
/// names that it has in a send; `depends_on` is written `a,b`, a label `label=name:value`, once for each; `headers` and `backoff`
/// cannot be said. Needs `send` on the queue. Refused as a send is: `queue_closed`, `key_conflict`, `queue_full`, `queue_bytes_full`,
/// `too_many_partitions`, `too_many_queues`, `queue_not_found` (with `create=false`).
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/messages/raw", tag = "messages",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The dedup key, unless `key` is there"),
        ("create" = Option<bool>, Query, description = "As in a send; so are all the others"),
        ("partition" = Option<String>, Query, description = "Name of the partition"),
        ("message_id" = Option<String>, Query, description = "The sender's own id"),
        ("key" = Option<String>, Query, description = "The dedup key"),
        ("key_window_ms" = Option<u64>, Query, description = "How long the key is remembered"),
        ("key_until_settled" = Option<bool>, Query, description = "The key is remembered until the message is settled"),
        ("key_replace" = Option<bool>, Query, description = "An untouched first message gets this body"),
        ("priority" = Option<i32>, Query, description = "Higher first"),
        ("delay_ms" = Option<u64>, Query, description = "Not ready before so long has passed"),
        ("not_before" = Option<u64>, Query, description = "Not ready before this time"),
        ("ttl_ms" = Option<u64>, Query, description = "Good for so long"),
        ("deadline" = Option<u64>, Query, description = "Expires at this time"),
        ("type" = Option<String>, Query, description = "What kind of message this is"),
        ("label" = Option<Vec<String>>, Query, description = "`name:value`; may come several times"),
        ("attempts_max" = Option<u32>, Query, description = "Failures until it is given up"),
        ("depends_on" = Option<Vec<String>>, Query, explode = false, description = "Ids, with commas between them"),
        ("parent_failed" = Option<ParentFailed>, Query, description = "When one of them is given up, expires or is cancelled"),
    ),
    request_body(content((Vec<u8> = "application/octet-stream"), (serde_json::Value = "application/json")),
        description = "The body of the message; any other content type is taken as bytes, too"),
    responses((status = 200, body = Receipt)))]
pub(super) async fn send_raw(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        let kind = at.request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok());
        asked.send_raw(at.queue(), kind, at.idempotency_key()?)
    })
    .await
}

/// Receive messages
///
/// Takes up to `max` messages that are ready, in the order of the queue, and leases them: nobody else of the group gets them until
/// they are settled or the lease ends. With none, waits up to `wait_ms` for one. The answer is a list, perhaps empty. A client that
/// goes away while it waits takes nothing. Over HTTP a lease is not bound to a session: it ends by settling or by time. The body may
/// be missing. Over WebSocket: `receive`, and `subscribe` for a stream. Needs `receive` on the queue. Refused with `queue_closed`,
/// `group_required`, `queue_not_found` (with `create: false`), `too_many_parked_on_queue`, `too_many_parked_in_room`,
/// `too_many_items`, `too_many_groups`, `too_many_partitions`, `too_many_queues`. A closed queue refuses those who wait, too.
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/receive", tag = "messages", request_body = Option<Receive>,
    responses((status = 200, body = Messages)))]
pub(super) async fn receive(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| asked.operation(at.queue(), Request::Receive(asked.json()?)))
        .await
}

/// Settle deliveries
///
/// Ends leases. Each item is answered by itself; one whose lease is no longer live is `lost` and changes nothing, and the others
/// happen all the same. A lease of one queue means nothing in another. A partition lease is settled by the leases of its messages:
/// the *head* is the first item that is not `done`; everything before it (or before the last `done`) is done; the lease ends if
/// there is a head or the last message of the run is done. Over WebSocket: `settle`. Needs `receive` on the queue. Refused with
/// `queue_not_found`, `too_many_items`.
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/settle", tag = "messages", request_body = Settle,
    responses((status = 200, body = Results)))]
pub(super) async fn settle(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| asked.operation(at.queue(), Request::Settle(asked.json()?))).await
}

/// Prolong leases
///
/// Each timed lease that is live ends `by_ms` after now, if that is later than it would have. Over WebSocket: `extend`. Needs
/// `receive` on the queue. Refused with `queue_not_found`, `too_many_items`.
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/extend", tag = "messages", request_body = Extend,
    responses((status = 200, body = Extended)))]
pub(super) async fn extend(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        asked.operation(at.queue(), Request::Extend(asked.json::<Extend<'_>>()?))
    })
    .await
}

/// Browse messages
///
/// Shows messages without taking them, by position, a page at a time. Over WebSocket: `browse`, with `states` as a list and `labels`
/// as an object. Needs `receive` or `manage` on the queue. Refused with `queue_not_found`, `group_not_found`, `group_required`,
/// `too_many_items`.
#[utoipa::path(get, path = "/v1/rooms/{room}/queues/{queue}/messages", tag = "messages",
    params(
        ("states" = Option<Vec<State>>, Query, explode = false, description = "States, with commas between them: `ready,dead`. Absent: any"),
        ("group" = Option<String>, Query, description = "As this group sees them; absent: the work group"),
        ("partition" = Option<String>, Query, description = "In this partition"),
        ("type" = Option<String>, Query, description = "Of this type"),
        ("label" = Option<Vec<String>>, Query, description = "`name:value`; may come several times, all must match"),
        ("reason" = Option<String>, Query, description = "Dead, and this text is part of the reason"),
        ("sent_before" = Option<u64>, Query, description = "Sent before this time, in milliseconds since the epoch"),
        ("after" = Option<String>, Query, description = "After this position: `next` of the page before"),
        ("limit" = Option<u32>, Query, description = "At most so many: 1 to the server's limit `items_per_request`, default 100"),
    ),
    responses((status = 200, body = Page)))]
pub(super) async fn browse(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| asked.operation(at.queue(), Request::Browse(asked.query()?)))
        .await
}

/// Show one message
///
/// By its id or its position, as a group sees it. Over WebSocket: `find`. Needs `receive` or `manage` on the queue. Refused with
/// `message_not_found` (also when it is done and no longer kept), `queue_not_found`, `group_not_found`, `group_required`.
#[utoipa::path(get, path = "/v1/rooms/{room}/queues/{queue}/messages/{message}", tag = "messages",
    params(("group" = Option<String>, Query, description = "The group; absent: the work group")),
    responses((status = 200, body = View)))]
pub(super) async fn find(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        let (InGroup { group }, message) =
            (asked.query()?, Text::from(at.parts().message.as_str()));
        asked.operation(at.queue(), Request::Find(Find { message, group }))
    })
    .await
}

/// Wait for the result of a message
///
/// Answers when the message is done, dead or gone in the work group, at the latest after `wait_ms`; then it is shown as it is.
/// One that is already done, dead or not to be found is answered at once (`message_not_found` if it is not known). Set
/// `retain_settled_ms` on the queue to be able to ask later. Over WebSocket: `await`. Needs `send` or `receive` on the queue.
/// Refused with `queue_not_found`, `too_many_parked_on_queue`, `too_many_parked_in_room`.
#[utoipa::path(get, path = "/v1/rooms/{room}/queues/{queue}/messages/{message}/result", tag = "messages",
    params(("wait_ms" = Option<u64>, Query, description = "How long to wait, 0 to 60,000 milliseconds; default 0")),
    responses((status = 200, body = View)))]
pub(super) async fn result(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        let (Wait { wait_ms }, message) = (asked.query()?, Text::from(at.parts().message.as_str()));
        asked.operation(at.queue(), Request::Await(Await { message, wait_ms }))
    })
    .await
}

/// Change messages by hand
///
/// Cancels, promotes, redrives or buries messages: those with these `ids`, or the first ones that `filter` lets through. Ids that the
/// queue does not know are passed over, like messages in a state that the action does not apply to: `count` and `ids` of the answer
/// are those that were changed. Over WebSocket: `change`. Needs `manage` on the queue. Refused with `queue_not_found`,
/// `group_not_found`, `group_required`, `too_many_items`.
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/change", tag = "messages", request_body = Change,
    responses((status = 200, body = Changed)))]
pub(super) async fn change(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        let change = Box::new(asked.json::<Change<'_>>()?);
        asked.operation(at.queue(), Request::Change(change))
    })
    .await
}
