//! The two HTTP calls of the `meshagent` command line.

use actix_web::{HttpRequest, HttpResponse, Responder, http::StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::handshake::{bearer, room_url};
use crate::{
    auth::{self, Claims, KeyRing, SDK_VERSION},
    error::{Error, ErrorCode},
    service::Service,
    types::{Millis, ParticipantName, RoomName},
};

/// How long a token lives that is given out for an API key.
const TOKEN_LIFETIME: Millis = Millis::from_secs(24 * 3600);

/// `GET /config`: the version of the protocol that this server knows. The command line warns when it is
/// larger than its own.
pub async fn config() -> impl Responder {
    HttpResponse::Ok().json(json!({"version": SDK_VERSION}))
}

#[derive(Default, Deserialize)]
struct Body {
    email: Option<String>,
}

/// `POST /accounts/projects/{project}/rooms/{room}/connect`: a token for a room, against an API key; or
/// against a token for that room, which is given back.
#[must_use]
pub fn connect(
    request: &HttpRequest,
    (project, room): (String, String),
    body: &[u8],
    keys: &KeyRing,
    service: &Service,
) -> HttpResponse {
    match token_for(request, &room, body, keys, service) {
        Ok(jwt) => HttpResponse::Ok().json(json!({
            "jwt": jwt,
            "room_name": room,
            "project_id": project,
            "room_url": room_url(request, &room),
        })),
        Err(error) => refusal(&error),
    }
}

fn token_for(
    request: &HttpRequest,
    room: &str,
    body: &[u8],
    keys: &KeyRing,
    service: &Service,
) -> Result<String, Error> {
    let room: RoomName = room.parse().map_err(|_| ErrorCode::InvalidName)?;
    let bearer = bearer(request).ok_or(ErrorCode::TokenMissing)?;
    let now = service.clock().now();
    let Some(key) = keys.api_key(bearer) else {
        let identity = auth::verify(keys, bearer, now)?;
        identity.ensure_room(&room)?;
        return Ok(bearer.to_owned());
    };
    let body: Body = match body {
        [] => Body::default(),
        body => serde_json::from_slice(body).map_err(|_| ErrorCode::InvalidJson)?,
    };
    let name = body.email.as_deref().unwrap_or("user");
    let name: ParticipantName = name.parse().map_err(|_| ErrorCode::InvalidName)?;
    let mut claims = Claims::full_access(name, room);
    claims.key_id = Some(key.key_id());
    claims.project = Some(key.project());
    claims.expires_at = Some(now.after(TOKEN_LIFETIME));
    claims.sign(keys)
}

/// A refusal as HTTP. MeshAgent's clients stop trying only on 403 and 404: a bad token is 403 here, and a
/// room whose name cannot be is not found.
pub(crate) fn refusal(error: &Error) -> HttpResponse {
    let status = match error.code.http_status() {
        400 => 404,
        401 => 403,
        status => status,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({"code": error.code.name(), "message": error.message});
    HttpResponse::build(status).json(body)
}
