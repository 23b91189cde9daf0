//! Queues: what they are, what is set on them, their groups and schedules.

use actix_web::{HttpResponse, web::Payload};

use super::exchange::At;
use crate::wire::native::{
    Receipt, Request, Text,
    answer::{Configured, Count, Empty, Explanation, Inspection, NextAt, Queues},
    request::{
        Configure, GroupDelete, GroupFrom, GroupOpen, InGroup, Nothing, Open, Purge, Schedule,
        ScheduleName, SchedulePut, Seek,
    },
};

/// List the queues of the room
///
/// All queues that were made and not deleted, by name, with the number of ready messages of their work group. Over
/// WebSocket: `list`. Needs the grant `queues.list`.
#[utoipa::path(get, path = "/v1/rooms/{room}/queues", tag = "queues", responses((status = 200, body = Queues)))]
pub(super) async fn list(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |_, asked| asked.operation(None, Request::List(Nothing {}))).await
}

/// Show a queue
///
/// Settings, groups with their counts, partitions, schedules and totals. Over WebSocket: `inspect`. Needs `queues.list`.
/// Refused with `queue_not_found`.
#[utoipa::path(get, path = "/v1/rooms/{room}/queues/{queue}", tag = "queues", responses((status = 200, body = Inspection)))]
pub(super) async fn inspect(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| asked.operation(at.queue(), Request::Inspect(Nothing {}))).await
}

/// Open a queue
///
/// Makes the queue, or opens it again if it is closed; an open queue stays open. With `settings` they are changed as well,
/// together with the opening or not at all. The body may be missing. Over WebSocket: `open`. Needs `send`, `receive`
/// or `manage` on the queue; with `settings` `manage`. Answers the settings in force. Refused with `invalid_settings` (names the
/// setting and its range), `too_many_queues`.
#[utoipa::path(put, path = "/v1/rooms/{room}/queues/{queue}", tag = "queues", request_body = Option<Open>,
    responses((status = 200, body = Configured)))]
pub(super) async fn open(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| asked.operation(at.queue(), Request::Open(asked.json::<Open>()?)))
        .await
}

/// Change the settings of a queue
///
/// Makes the queue if it is not there. All changes happen or none. They hold for messages already in the queue, too, wherever
/// a setting is looked at later (leases, attempts, back-off, order, rate, concurrency, retention); the delay, ttl, window
/// and dedup window of a message are fixed when it is sent. Over WebSocket: `configure`. Needs `manage` on the queue.
/// Refused with `invalid_settings`, `too_many_queues`.
#[utoipa::path(patch, path = "/v1/rooms/{room}/queues/{queue}", tag = "queues", request_body = Configure,
    responses((status = 200, body = Configured)))]
pub(super) async fn configure(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        asked.operation(at.queue(), Request::Configure(asked.json::<Configure>()?))
    })
    .await
}

/// Delete a queue
///
/// Removes the queue with all that is in it: messages, groups, schedules, settings. Waiting receivers are refused with
/// `queue_not_found`; leases are lost. Over WebSocket: `delete`. Needs `manage` on the queue. Refused with
/// `queue_not_found`.
#[utoipa::path(delete, path = "/v1/rooms/{room}/queues/{queue}", tag = "queues", responses((status = 200, body = Empty)))]
pub(super) async fn delete(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| asked.operation(at.queue(), Request::Delete(asked.json()?))).await
}

/// Say why nothing moves
///
/// The first reason, of the list in `code`, why a group of the queue hands out nothing. Over WebSocket: `explain`. Needs
/// `queues.list`. Refused with `queue_not_found`, `group_not_found`, `group_required`.
#[utoipa::path(get, path = "/v1/rooms/{room}/queues/{queue}/explain", tag = "queues",
    params(("group" = Option<String>, Query, description = "The group; absent: the work group")),
    responses((status = 200, body = Explanation)))]
pub(super) async fn explain(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        asked.operation(at.queue(), Request::Explain(asked.query::<InGroup<'_>>()?))
    })
    .await
}

/// Close a queue
///
/// From now on sends and receives are refused with `queue_closed`, and so are the receivers that wait. Messages stay, and so
/// do leases: everything else works as before. Closing a closed queue changes nothing. Over WebSocket: `close`. Needs `send`,
/// `receive` or `manage` on the queue. Refused with `queue_not_found`.
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/close", tag = "queues", responses((status = 200, body = Empty)))]
pub(super) async fn close(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| asked.operation(at.queue(), Request::Close(asked.json()?))).await
}

/// Pause a queue
///
/// From now on nothing is handed out; sends go on, receivers wait, settling works. Pausing twice changes nothing. Over
/// WebSocket: `pause`. Needs `manage` on the queue. Refused with `queue_not_found`.
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/pause", tag = "queues", responses((status = 200, body = Empty)))]
pub(super) async fn pause(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| asked.operation(at.queue(), Request::Pause(asked.json()?))).await
}

/// Resume a queue
///
/// Hands out again. Over WebSocket: `resume`. Needs `manage` on the queue. Refused with `queue_not_found`.
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/resume", tag = "queues", responses((status = 200, body = Empty)))]
pub(super) async fn resume(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| asked.operation(at.queue(), Request::Resume(asked.json()?))).await
}

/// Remove the ready messages
///
/// Removes the messages that are ready in the work group. Over WebSocket: `drain`. Needs `receive` or `manage` on the queue. Refused with
/// `queue_not_found`, `group_required`.
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/drain", tag = "queues", responses((status = 200, body = Count)))]
pub(super) async fn drain(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| asked.operation(at.queue(), Request::Drain(asked.json()?))).await
}

/// Remove messages by state
///
/// Ends the messages of a group that are in one of these states; leased ones are never meant. What other groups have of them
/// stays. Over WebSocket: `purge`. Needs `manage` on the queue (for `["ready"]` of the work group `receive` is enough).
/// Refused with `queue_not_found`, `group_not_found`, `group_required`.
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/purge", tag = "queues", request_body = Purge,
    responses((status = 200, body = Count)))]
pub(super) async fn purge(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        asked.operation(at.queue(), Request::Purge(asked.json::<Purge<'_>>()?))
    })
    .await
}

/// Move a group
///
/// Everything that is kept from there on is ready again for the group (delayed or blocked, if its own time has not come),
/// everything before is done. The group's leases are lost, its dead letters and failures forgotten. Over WebSocket: `seek`.
/// Needs `manage` on the queue. Refused with `queue_not_found`, `group_not_found`, `group_required`.
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/seek", tag = "groups", request_body = Seek,
    responses((status = 200, body = Empty)))]
pub(super) async fn seek(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        asked.operation(at.queue(), Request::Seek(asked.json::<Seek<'_>>()?))
    })
    .await
}

/// Make a group
///
/// A consumer group gets every message, whatever other groups do with it. (A receive that names a group makes it, too.) The
/// queue is made if it is not there. The body may be missing. Over WebSocket: `group_open`. Needs `manage` on the
/// queue. Refused with `group_exists`, `too_many_groups`, `too_many_partitions` (partitions × groups), `too_many_queues`.
#[utoipa::path(put, path = "/v1/rooms/{room}/queues/{queue}/groups/{group}", tag = "groups", request_body = Option<GroupFrom>,
    responses((status = 200, body = Empty)))]
pub(super) async fn group_open(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        let (GroupFrom { from }, group) = (asked.json()?, Text::from(at.parts().group.as_str()));
        asked.operation(at.queue(), Request::GroupOpen(GroupOpen { group, from }))
    })
    .await
}

/// Remove a group
///
/// Its receivers are refused with `group_not_found`, its leases are lost. Messages that only this group was not done with are
/// removed. Over WebSocket: `group_delete`. Needs `manage` on the queue. Refused with `queue_not_found`,
/// `group_not_found`.
#[utoipa::path(delete, path = "/v1/rooms/{room}/queues/{queue}/groups/{group}", tag = "groups",
    responses((status = 200, body = Empty)))]
pub(super) async fn group_delete(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        let (Nothing {}, group) = (asked.json()?, Text::from(at.parts().group.as_str()));
        asked.operation(at.queue(), Request::GroupDelete(GroupDelete { group }))
    })
    .await
}

/// Make or replace a schedule
///
/// Sends a message at a time: once, every so often, or as a cron expression says. The queue is made if it is not there. A
/// message that is sent is like any other: give it a `key` if one that is still there is enough. Over WebSocket:
/// `schedule_put` with `name` beside the other fields. Needs `manage` on the queue. Refused with `invalid_request`
/// (a wrong cron expression or zone is named), `too_many_schedules`, `too_many_queues`.
#[utoipa::path(put, path = "/v1/rooms/{room}/queues/{queue}/schedules/{name}", tag = "schedules", request_body = Schedule,
    responses((status = 200, body = NextAt)))]
pub(super) async fn schedule_put(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        let schedule =
            SchedulePut::new(Text::from(at.parts().name.as_str()), asked.json::<Schedule<'_>>()?);
        asked.operation(at.queue(), Request::SchedulePut(Box::new(schedule)))
    })
    .await
}

/// Remove a schedule
///
/// Messages that it has sent stay. Over WebSocket: `schedule_delete`. Needs `manage` on the queue. Refused with
/// `queue_not_found`, `schedule_not_found`.
#[utoipa::path(delete, path = "/v1/rooms/{room}/queues/{queue}/schedules/{name}", tag = "schedules",
    responses((status = 200, body = Empty)))]
pub(super) async fn schedule_delete(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        let (Nothing {}, name) = (asked.json()?, Text::from(at.parts().name.as_str()));
        asked.operation(at.queue(), Request::ScheduleDelete(ScheduleName { name }))
    })
    .await
}

/// Pause a schedule
///
/// It stands still; occurrences are skipped. Over WebSocket: `schedule_pause`. Needs `manage` on the queue. Refused
/// with `queue_not_found`, `schedule_not_found`.
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/schedules/{name}/pause", tag = "schedules",
    responses((status = 200, body = NextAt)))]
pub(super) async fn schedule_pause(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        let (Nothing {}, name) = (asked.json()?, Text::from(at.parts().name.as_str()));
        asked.operation(at.queue(), Request::SchedulePause(ScheduleName { name }))
    })
    .await
}

/// Resume a schedule
///
/// It goes on with the next occurrence after now. Over WebSocket: `schedule_resume`. Needs `manage` on the queue.
/// Refused with `queue_not_found`, `schedule_not_found`.
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/schedules/{name}/resume", tag = "schedules",
    responses((status = 200, body = NextAt)))]
pub(super) async fn schedule_resume(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        let (Nothing {}, name) = (asked.json()?, Text::from(at.parts().name.as_str()));
        asked.operation(at.queue(), Request::ScheduleResume(ScheduleName { name }))
    })
    .await
}

/// Send a schedule's message now
///
/// Its next occurrence stays as it is. Works on a paused schedule, too. Over WebSocket: `schedule_fire`.
/// Needs `manage` on the queue. Refused with `queue_not_found`, `schedule_not_found`, and what refuses a send: `queue_closed`,
/// `key_conflict`, `queue_full`, `queue_bytes_full`, `too_many_partitions`.
#[utoipa::path(post, path = "/v1/rooms/{room}/queues/{queue}/schedules/{name}/fire", tag = "schedules",
    responses((status = 200, body = Receipt)))]
pub(super) async fn schedule_fire(at: At, body: Payload) -> HttpResponse {
    at.exchange(body, |at, asked| {
        let (Nothing {}, name) = (asked.json()?, Text::from(at.parts().name.as_str()));
        asked.operation(at.queue(), Request::ScheduleFire(ScheduleName { name }))
    })
    .await
}
