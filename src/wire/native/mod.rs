//! `anteroom.v1`: our own protocol, JSON over WebSocket and over HTTP. Pure.
//!
//! Both say the same things with the same words. What HTTP has in its path (`room`, `queue`, ids) and in its
//! query stands beside the other fields in a WebSocket frame.
//!
//! # WebSocket: `GET /v1/rooms/{room}/ws`
//!
//! Subprotocol `anteroom.v1`. The token comes as `Authorization: Bearer TOKEN`, as a second subprotocol
//! `bearer.TOKEN` (browsers), or as `?token=TOKEN`. Text frames; a frame holds one JSON object, or an array of
//! them (a batch, taken in that order). Binary frames are refused.
//!
//! ```text
//! client  {"id":1,"op":"send","queue":"jobs","body":{"page":1}}
//! server  {"id":1,"ok":{"id":"0-0","duplicate":false}}
//! server  {"id":2,"error":{"code":"queue_closed","number":302,"message":"the queue jobs is closed",
//!                          "retryable":true,"may_have_happened":false}}
//! ```
//!
//! * `id`: any whole number from 0 to 2^53 − 1, chosen by the client, unique among its unanswered requests. Each request
//!   has exactly one reply; replies come in any order. A request without an `id` gets no reply unless it is refused,
//!   then with `"id":null`.
//! * What the server says first: `{"hello":{"protocol":"anteroom.v1","room","session","participant","name","role",
//!   "resumed":false,"received":0,"resume_ms":30000,"limits":{"message_bytes","requests_in_flight","items_per_request"},"time":ms}}`.
//! * **Receiving by push**: `{"id":5,"op":"subscribe","queue":"jobs","credit":100,…}` (fields of `receive` but `max`,
//!   `wait_ms` and `partitions`). Messages come as `{"receiver":5,"queue":"jobs","messages":[MESSAGE…]}` while fewer than `credit` of
//!   them are unsettled; settling frees credit, `{"op":"credit","receiver":5,"queue":"jobs","credit":200}` changes it.
//!   The reply to request 5 comes when the subscription ends: by `{"op":"cancel","receiver":5,"queue":"jobs"}`
//!   (`ok: {}`), or because the queue is closed or deleted (an error). `cancel` also ends a waiting `receive`.
//! * **Watching**: `{"id":7,"op":"watch"}` (all queues) or with `"queue"`; the reply comes at once, then events
//!   `{"watch":7,"queue":"jobs","event":"delivered","at":ms,"message":"0-0","group":null,"count":1}`, and
//!   `{"watch":7,"missed":12}` when they came faster than they were read. `{"op":"unwatch","watch":7}`.
//! * **Resuming**: both sides count the text frames that they got in a session, the `hello` not counted. When TCP
//!   ends without a close frame, the session lives on for `resume_ms`: its leases and receivers stay, and what the server would say is kept.
//!   The client connects with `?resume=SESSION&received=N`, N being the frames that it has got. `hello` says
//!   `"resumed":true` and how many frames of the client the server has got (`received`); the server then says
//!   again what the client has not got, and the client says again what the server has not got. A session that is no more:
//!   the connection is refused with 404 `session_lost`, and the client starts anew.
//! * **Presence**: `{"op":"participants"}` lists who is in the room. `{"op":"message","to":ID,"type":"…","message":JSON}`
//!   sends to one participant, without `to` to all others; `{"op":"messaging","enabled":true}` takes part. They come as
//!   `{"notice":"message","from":ID,"type","message"}`, `{"notice":"joined","participant":{…}}`, `{"notice":"left","participant_id":ID}`,
//!   `{"notice":"attributes","participant_id":ID,"attributes":{…}}`, `{"notice":"participants","participants":[…]}`. `{"op":"attributes","attributes":{…}}` sets one's own.
//! * `{"op":"ping"}` → `ok: {"time": ms}`.
//! * A server that stops closes with 1012 and the reason `restart;retry_ms=N`. Errors that end the session close with 1008 and
//!   the code as the reason (4401 for the token ones).
//!
//! # Bodies
//!
//! `"body"` is any JSON value and comes out byte for byte as it went in. `"base64"` with `"content_type"` is
//! any bytes. A message has one of the two.
//!
//! # Operations
//!
//! Times are milliseconds since the Unix epoch (`…_at`, `time`), lengths are milliseconds (`…_ms`). An unknown field or
//! a field of the wrong type is `invalid_request` and names the field. `group` is absent or null for the work group.
//! HTTP paths are below `/v1/rooms/{room}`; the answer is what stands in `ok`.
//!
//! | op | HTTP | request | answer |
//! |---|---|---|---|
//! | `list` | `GET /queues` | | `{queues:[{name,size}]}` |
//! | `open` | `PUT /queues/{queue}` | `{settings?}` | `{settings}`; an open queue is opened again |
//! | `configure` | `PATCH /queues/{queue}` | `{settings, replace?}` | `{settings}` |
//! | `inspect` | `GET /queues/{queue}` | | INSPECTION |
//! | `explain` | `GET /queues/{queue}/explain?group=` | `{group?}` | `{code, sentence, counts, receivers}` |
//! | `close` `pause` `resume` | `POST /queues/{queue}/close` … | | `{}` |
//! | `drain` | `POST /queues/{queue}/drain` | | `{count}`: ready messages of the work group |
//! | `purge` | `POST /queues/{queue}/purge` | `{states, group?}` | `{count}` |
//! | `delete` | `DELETE /queues/{queue}` | | `{}` |
//! | `send` | `POST /queues/{queue}/messages` | MESSAGE to send, or `{messages:[…]}`; `create?` (true) | `{id, duplicate}` or `{messages:[{id,duplicate}]}` |
//! | | `POST /queues/{queue}/messages/raw?key=&priority=&delay_ms=…` | the body itself, `Content-Type` | the same |
//! | `receive` | `POST /queues/{queue}/receive` | RECEIVE | `{messages:[…]}`, perhaps none |
//! | `subscribe` `credit` `cancel` | – | see above | |
//! | `settle` | `POST /queues/{queue}/settle` | `{items:[ITEM…]}` or one ITEM | `{results:[{status, at?}]}` |
//! | `extend` | `POST /queues/{queue}/extend` | `{leases:[…], by_ms?}` | `{until:[ms or null…]}` |
//! | `transaction` | `POST /transaction` | `{parts:[{queue, settle:[ITEM…]?, send:[…]?}]}` | `{parts:[{queue, settled:[{status,at?}], sent:[{id,duplicate}]}]}` |
//! | `browse` | `GET /queues/{queue}/messages?states=ready,dead&group=&partition=&type=&reason=&sent_before=&label=a:b&after=&limit=` | `{states?, group?, partition?, type?, labels?, reason?, sent_before?, after?, limit?}` (`states` default all, `limit` 100) | `{messages:[VIEW…], next: id or null}` |
//! | `find` | `GET /queues/{queue}/messages/{id}?group=` | `{message, group?}` | VIEW |
//! | `await` | `GET /queues/{queue}/messages/{id}/result?wait_ms=` | `{message, wait_ms?}` | VIEW once it is done, dead or gone, else as it is when the wait is over |
//! | `change` | `POST /queues/{queue}/change` | `{action: cancel, promote, redrive, bury; ids or filter+limit?; group?, per_second?, reason?, dry_run?}` | `{count, ids}` (the first 1,000) |
//! | `group_open` | `PUT /queues/{queue}/groups/{group}` | `{from?: "all", "new", ms}` | `{}` |
//! | `group_delete` | `DELETE /queues/{queue}/groups/{group}` | | `{}` |
//! | `seek` | `POST /queues/{queue}/seek` | `{group?, partition?, to: "start", "end", ms}` | `{}` |
//! | `schedule_put` | `PUT /queues/{queue}/schedules/{name}` | `{every_ms or cron+zone? or at; message: MESSAGE to send; catch_up?: "skip","once"; paused?}` | `{next_at}` |
//! | `schedule_delete` | `DELETE /queues/{queue}/schedules/{name}` | | `{}` |
//! | `schedule_pause` `schedule_resume` | `POST /queues/{queue}/schedules/{name}/pause` … | | `{next_at}` |
//! | `schedule_fire` | `POST /queues/{queue}/schedules/{name}/fire` | | `{id, duplicate}` |
//! | `watch` `unwatch` | – | see above | `{}` |
//! | `participants` | `GET /participants` | | `{participants:[{id,name,role,attributes}]}` |
//!
//! **MESSAGE to send**: `{body | base64+content_type, partition?, message_id?, key?, key_window_ms?, key_until_settled?,
//! key_replace?, priority?, delay_ms?, not_before?, ttl_ms?, deadline?, type?, labels?:{name:text}, headers?:{…},
//! attempts_max?, backoff?, depends_on?:[id…], parent_failed?: "wait","fail","run"}`.
//!
//! **RECEIVE**: `{max? (1), wait_ms? (0), lease_ms?, lease?: "timed" (default over HTTP) | "bound" (timed, and ends with the
//! session; default over WebSocket) | "session" (as long as the session) | "none" (done when handed out), group?, from?: "all","new",ms,
//! partition?, partitions? (take whole partitions, at most so many), labels?, create? (true)}`.
//!
//! **Received MESSAGE**: `{id, lease (null with "none"), attempt, until (ms or null), position,
//! partition, sent_at, body | base64+content_type, and of type, labels, headers, priority, key, deadline, expires_at what is there}`.
//!
//! **ITEM**: `{lease, outcome: "done" (default) | "retry" | "dead" | "release" | "cancel", result?, delay_ms?, reason?}`.
//! **status**: `done`, `back` (`at`: ready then, null: at once), `dead`, `dropped`, `cancelled`, `lost`.
//!
//! **VIEW**: a received MESSAGE without `lease`, and `{state, attempts, failures, until, ended_at, reason, result}`.
//!
//! **SETTINGS**, all optional when set, null puts back the default; all present when shown: `{ordering: "fifo","priority","deadline",
//! ageing: {every_ms, step, top} or null, lease_ms, attempts_max, backoff: {kind: "fixed","linear","exponential", base_ms, cap_ms,
//! jitter_percent}, expiry_is_failure, dead_letter, dead_letter_expired, delay_ms, ttl_ms or null, window: {length_ms, debounce, messages} or null,
//! dedup_window_ms, dedup_content, messages_max, bytes_max (or null), overflow: "reject","drop_oldest","dead_letter", retain_open_ms,
//! retain_settled_ms, retain_dead_ms (a number or "forever"), rate: {count, per_ms} or null, concurrency or null, work_group,
//! durability: "durable","relaxed", encryption: "optional","required", labels: {name: text}, priority}`.
//!
//! **INSPECTION**: `{name, status: "open","closed", paused, settings, messages, bytes, groups:[{name (null: work group), counts, receivers,
//! oldest_ready_at}], partitions:[{name, number, messages, end}], schedules:[{name, every_ms | cron+zone | at, catch_up, paused, next_at, message}],
//! totals:{sent,duplicates,delivered,done,retried,released,leases_expired,dead,dropped,cancelled}}`. **counts**: `{blocked,delayed,ready,leased,dead,done}`.
//!
//! # HTTP
//!
//! Token as `Authorization: Bearer` or `?token=`. Errors are `application/problem+json`: `{type: "about:blank",
//! title, status, detail, code, number, retryable, may_have_happened}`. `Idempotency-Key` on a send is
//! the dedup key of its messages (`KEY`, in a batch `KEY:INDEX`) unless they have their own. `GET /v1/openapi.json`, and a page at `/v1/docs`.
//!
//! Knows no grants, no engine, no sockets.

pub mod answer;
mod frame;
mod message;
mod plain;
mod read;
pub mod request;
mod sending;
pub mod settings;
mod value;

pub use super::writer::Writer;
pub use frame::{Call, Frame, Hello, HelloLimits, ID_MAX, OPS, Request, Said, Taken, read_frames};
pub use message::{Labels, NewMessage, ParentFailed, Receipt, Received, SendRequest, State, View};
pub use read::{read, read_query};
pub use sending::Sending;
pub use value::{Begin, Json, Keep, SeekTo, Text};

/// The name of the protocol, as a WebSocket subprotocol.
pub const PROTOCOL: &str = "anteroom.v1";

/// Before the token in a second subprotocol.
pub const BEARER: &str = "bearer.";

#[cfg(test)]
mod tests;
