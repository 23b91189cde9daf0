//! The OpenAPI document, and a page to read it.

use std::sync::OnceLock;

use actix_web::{HttpResponse, http::header};
use utoipa::OpenApi;

use super::{complete::complete, messages, queues, room, socket};
use crate::{error::ErrorCode, wire::native};

const RULES: &str = include_str!("../../../static/rules.md");
const WEBSOCKET: &str = include_str!("../../../static/websocket.md");
const PAGE: &str = include_str!("../../../static/docs.html");
const QUEEN: &str = include_str!("../../../static/queen.md");
const SCRIPT: &str = include_str!("../../../static/docs.js");
const STYLE: &str = include_str!("../../../static/docs.css");
const ICON: &str = include_str!("../../../static/docs.svg");

#[derive(OpenApi)]
#[openapi(
    info(title = "anteroom.v1", license(name = "Apache-2.0")),
    paths(
        document, docs, socket::socket, room::participants, room::transaction,
        queues::list, queues::inspect, queues::open, queues::configure, queues::delete, queues::explain,
        queues::close, queues::pause, queues::resume, queues::drain, queues::purge, queues::seek,
        queues::group_open, queues::group_delete, queues::schedule_put, queues::schedule_delete,
        queues::schedule_pause, queues::schedule_resume, queues::schedule_fire,
        messages::browse, messages::send, messages::send_raw, messages::find, messages::result,
        messages::receive, messages::settle, messages::extend, messages::change,
    ),
    components(schemas(native::answer::Problem, native::request::Subscribe)),
    tags(
        (name = "messages", description = "Send, receive, settle, look at"),
        (name = "queues", description = "Open, configure, inspect"),
        (name = "groups", description = "Consumer groups: each gets every message"),
        (name = "schedules", description = "Messages that are sent at a time"),
        (name = "room", description = "What concerns the whole room"),
        (name = "websocket", description = "The same over a WebSocket, and what only a WebSocket can"),
        (name = "document", description = "This document"),
    ),
)]
struct Api;

/// The table of errors.
fn errors() -> String {
    let mut table = String::from(
        "## Errors\n\n| code | number | HTTP | retryable | may have happened | meaning |\n|---|---|---|---|---|---|\n",
    );
    for code in ErrorCode::ALL {
        table.push_str(&format!(
            "| `{}` | {} | {} | {} | {} | {} |\n",
            code.name(),
            code.number(),
            code.http_status(),
            code.is_retryable(),
            code.may_have_happened(),
            code.meaning()
        ));
    }
    table
}

pub(super) fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
        complete(&mut document, format!("{RULES}\n{}\n{WEBSOCKET}", errors()), WEBSOCKET);
        document.to_string()
    })
}

/// This document
///
/// No token is needed.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "document",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(text())
}

/// A page to read this document, and to try it
///
/// No token is needed to read it.
#[utoipa::path(get, path = "/v1/docs", tag = "document",
    responses((status = 200, description = "A page", content_type = "text/html")))]
pub(super) async fn docs() -> HttpResponse {
    file("text/html; charset=utf-8", PAGE)
}

/// The text of a page of its own: coming from Queen MQ.
pub(super) async fn queen() -> HttpResponse {
    file("text/markdown; charset=utf-8", QUEEN)
}

pub(super) async fn script() -> HttpResponse {
    file("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn style() -> HttpResponse {
    file("text/css; charset=utf-8", STYLE)
}

pub(super) async fn icon() -> HttpResponse {
    file("image/svg+xml", ICON)
}

fn file(content_type: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'self'"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .body(text)
}
