//! Which path leads where.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    rt::time::timeout,
    web::{self, Data, Path, Payload, ServiceConfig},
};
use serde_json::json;

use super::{
    Context, api, origin, queen,
    room::{Entry, RoomConversation},
    ws,
};
use crate::{
    auth,
    error::{Error, ErrorCode},
    facade::meshagent::{self, Handshake, MeshagentDialect},
    service::{Health, Seat},
    types::RoomName,
};

/// A request's body has this long to arrive,
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// and this much room.
const BODY_BYTES_MAX: usize = 64 * 1024;

const LANDING_PAGE: &str = include_str!("../../static/index.html");

/// The routes of the server.
pub(super) fn configure(context: &Arc<Context>, config: &mut ServiceConfig) {
    config
        .app_data(Data::from(Arc::clone(context)))
        .route("/", web::get().to(landing_page))
        .route("/health/live", web::get().to(live))
        .route("/health/ready", web::get().to(ready))
        .route("/config", web::get().to(meshagent::config))
        .route("/accounts/projects/{project}/rooms/{room}/connect", web::post().to(connect))
        .route("/rooms/{room}", web::get().to(room));
    api::configure(config);
    queen::configure(config);
}

async fn landing_page() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; style-src 'self' 'unsafe-inline'",
        ))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .body(LANDING_PAGE)
}

/// The process runs.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "live"}))
}

/// New connections are welcome.
async fn ready(context: Data<Context>) -> HttpResponse {
    // The store fails a moment before the server begins to close.
    let has_failed = matches!(context.service.health(), Health::Failed(_));
    let unready = |status| HttpResponse::ServiceUnavailable().json(json!({"status": status}));
    match context.connections.is_closing() {
        _ if has_failed => unready("failed"),
        true => unready("closing"),
        false => HttpResponse::Ok().json(json!({"status": "ready"})),
    }
}

/// The `meshagent` command line asks for a token.
async fn connect(
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Payload,
    context: Data<Context>,
) -> HttpResponse {
    match timeout(BODY_TIMEOUT, body.to_bytes_limited(BODY_BYTES_MAX)).await {
        Ok(Ok(Ok(body))) => {
            meshagent::connect(&request, path.into_inner(), &body, &context.keys, &context.service)
        }
        Ok(Ok(Err(_))) => HttpResponse::BadRequest().finish(),
        Ok(Err(_)) => HttpResponse::PayloadTooLarge().finish(),
        Err(_) => HttpResponse::RequestTimeout().force_close().finish(),
    }
}

/// A MeshAgent client joins a room.
async fn room(
    request: HttpRequest,
    name: Path<String>,
    payload: Payload,
    context: Data<Context>,
) -> HttpResponse {
    let handshake = Handshake::read(&request);
    let conversation = match admit(&request, &name, &handshake, &context) {
        Ok(conversation) => conversation,
        Err(error) => {
            tracing::info!(code = error.code.name(), "connection refused");
            return meshagent::refusal(&error);
        }
    };
    let limits = context.service.limits();
    ws::upgrade(&request, payload, conversation, limits, Arc::clone(&context.clock))
        .unwrap_or_else(HttpResponse::from_error)
}

/// Everything that can refuse a connection, before the upgrade.
fn admit(
    request: &HttpRequest,
    name: &str,
    handshake: &Handshake,
    context: &Context,
) -> Result<RoomConversation, Error> {
    if !origin::is_allowed(request, &context.origins) {
        return Err(ErrorCode::OriginNotAllowed.into());
    }
    let token = handshake.token.as_deref().ok_or(ErrorCode::TokenMissing)?;
    let identity = auth::verify(&context.keys, token, context.clock.now())?;
    let name: RoomName = name.parse().map_err(|_| ErrorCode::InvalidName)?;
    identity.ensure_room(&name)?;
    let place = context.connections.take_place()?;
    let seat = context.service.enter(identity)?;
    let dialect = dialect(request, handshake, &seat);
    Ok(RoomConversation::new(Entry::New(Box::new(seat), Box::new(dialect)), context, place))
}

fn dialect(request: &HttpRequest, handshake: &Handshake, seat: &Seat) -> MeshagentDialect {
    let identity = seat.identity();
    let room = identity.room.as_str();
    let greeting = [
        room.to_owned(),
        meshagent::room_url(request, room),
        seat.session().to_string(),
        seat.participant_id().to_owned(),
        identity.name.to_string(),
    ];
    MeshagentDialect::new(handshake.layout, seat.limits().message_bytes, greeting)
}
