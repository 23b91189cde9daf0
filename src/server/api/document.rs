//! The OpenAPI document, and a page to read it.

use std::sync::OnceLock;

use actix_web::{HttpResponse, http::header};
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::{
        OpenApi as Document, PathItem, Ref, RefOr, Required, ResponseBuilder,
        content::ContentBuilder,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        schema::{ObjectBuilder, Type},
        security::{
            ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        },
    },
};

use super::{messages, queues, room, socket};
use crate::{error::ErrorCode, wire::native};

const RULES: &str = include_str!("../../../static/rules.md");
const WEBSOCKET: &str = include_str!("../../../static/websocket.md");
const PAGE: &str = include_str!("../../../static/docs.html");
const SCRIPT: &str = include_str!("../../../static/docs.js");
const STYLE: &str = include_str!("../../../static/docs.css");

#[derive(OpenApi)]
#[openapi(
    info(title = "anteroom.v1"),
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
    modifiers(&Common),
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

/// What all operations have in common.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        document.info.description = Some(format!("{RULES}\n{}\n{WEBSOCKET}", errors()));
        document.info.version = env!("CARGO_PKG_VERSION").to_owned();
        document.info.license = None;
        document.info.contact = None;
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The participant's token for this room"))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let query = ApiKey::Query(ApiKeyValue::with_description(
            "token",
            "The same token, for those who cannot set headers",
        ));
        components.add_security_scheme("query", SecurityScheme::ApiKey(query));
        for (path, item) in &mut document.paths.paths {
            for operation in operations(item) {
                if path.contains("{room}") {
                    complete(path, operation);
                }
            }
        }
        if let Some(socket) = document.paths.paths.get_mut("/v1/rooms/{room}/ws")
            && let Some(operation) = &mut socket.get
        {
            operation.description = Some(WEBSOCKET.to_owned());
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete]
        .into_iter()
        .filter_map(Option::as_mut)
}

/// Parts of the path, security, refusals.
fn complete(path: &str, operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    let parts = [
        (
            "room",
            "Name of the room; the token must be for it. 1 to 255 bytes of UTF-8 without control characters, percent-encoded",
        ),
        (
            "queue",
            "Name of the queue: 1 to 255 bytes of UTF-8 without control characters, percent-encoded",
        ),
        ("group", "Name of the group, likewise"),
        ("name", "Name of the schedule, likewise"),
        ("message", "Id or position of the message, percent-encoded"),
    ];
    let in_path: Vec<RefOr<Parameter>> = parts
        .into_iter()
        .filter(|(name, _)| path.contains(&format!("{{{name}}}")))
        .map(|(name, description)| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some(description))
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .build()
                .into()
        })
        .collect();
    parameters.splice(0..0, in_path);
    if let Some(RefOr::T(answer)) = operation.responses.responses.get_mut("200")
        && answer.description.is_empty()
    {
        answer.description = "It is done".to_owned();
    }
    operation.security = Some(vec![
        SecurityRequirement::new("bearer", Vec::<String>::new()),
        SecurityRequirement::new("query", Vec::<String>::new()),
    ]);
    for (status, description) in [
        (
            "400",
            "`invalid_request`, `invalid_json`, `invalid_name`, `invalid_settings`: the sentence names the field",
        ),
        ("401", "`token_missing`, `token_invalid`, `token_expired`, `token_not_yet_valid`"),
        ("403", "`wrong_room`, `permission_denied`, `origin_not_allowed`"),
        ("default", "Any other refusal: see the codes above"),
    ] {
        let problem = ResponseBuilder::new().description(description).content(
            "application/problem+json",
            ContentBuilder::new()
                .schema(Some(Ref::from_schema_name(native::answer::Problem::name())))
                .build(),
        );
        operation
            .responses
            .responses
            .entry(status.to_owned())
            .or_insert_with(|| problem.build().into());
    }
}

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

fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| Api::openapi().to_json().unwrap_or_default())
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

pub(super) async fn script() -> HttpResponse {
    file("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn style() -> HttpResponse {
    file("text/css; charset=utf-8", STYLE)
}

fn file(content_type: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'self'"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .body(text)
}
