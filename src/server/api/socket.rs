//! The WebSocket of the protocol.

use std::sync::Arc;

use actix_web::{HttpResponse, http::header, web::Payload};
use uuid::Uuid;

use super::exchange::{At, identify, refusal};
use crate::server::visit::query;
use crate::{
    error::{Error, ErrorCode},
    facade::native::{NativeDialect, Welcome},
    server::{
        Context,
        room::{Entry, RoomConversation},
        ws,
    },
    wire::native::{BEARER, PROTOCOL},
};

/// What a client offers: whether our protocol is among it, and a token.
struct Offer {
    any: bool,
    ours: bool,
    token: Option<String>,
}

impl Offer {
    fn read(at: &At) -> Self {
        let mut offer = Self { any: false, ours: false, token: None };
        let lines = at.request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
        for protocol in lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','))
        {
            let protocol = protocol.trim();
            offer.any = true;
            offer.ours |= protocol == PROTOCOL;
            if let Some(token) = protocol.strip_prefix(BEARER) {
                offer.token = Some(token.to_owned());
            }
        }
        offer
    }
}

/// Opens a WebSocket to the room
///
/// Refused with `session_lost` (with `resume`: connect without it), `too_many_connections`, `too_many_participants`.
#[utoipa::path(
    get,
    path = "/v1/rooms/{room}/ws",
    tag = "websocket",
    params(
        ("Sec-WebSocket-Protocol" = Option<String>, Header,
            description = "`anteroom.v1`; beside it `bearer.TOKEN`, for browsers, which cannot set `Authorization`"),
        ("resume" = Option<String>, Query,
            description = "The `session` of an earlier `hello`, to be resumed with a token of the same participant"),
        ("received" = Option<u64>, Query, description = "Text frames that the client has got in that session"),
    ),
    responses(
        (status = 101, description = "The connection is a WebSocket now; the first frame is `hello`"),
    ),
)]
pub(super) async fn socket(at: At, payload: Payload) -> HttpResponse {
    let offer = Offer::read(&at);
    let conversation = match admit(&at, &offer).await {
        Ok(conversation) => conversation,
        Err(error) => {
            tracing::info!(code = error.code.name(), "connection refused");
            return refusal(&error);
        }
    };
    let (limits, clock) = (at.context.service.limits(), Arc::clone(&at.context.clock));
    let opened = match offer.ours {
        true => ws::upgrade_to(PROTOCOL, &at.request, payload, conversation, limits, clock),
        false => ws::upgrade(&at.request, payload, conversation, limits, clock),
    };
    opened.unwrap_or_else(|error| {
        refusal(&Error::new(
            ErrorCode::InvalidRequest,
            format!("not a WebSocket handshake: {error}"),
        ))
    })
}

/// Everything that can refuse a connection, before the upgrade.
async fn admit(at: &At, offer: &Offer) -> Result<RoomConversation, Error> {
    let context: &Context = &at.context;
    let query = query(&at.request);
    let parameter = |wanted: &str| {
        query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    };
    let token = offer.token.as_deref().or_else(|| parameter("token"));
    let identity = identify(&at.request, &at.parts().room, token, context)?;
    if offer.any && !offer.ours {
        let sentence = "offer the subprotocol anteroom.v1, or none";
        return Err(Error::new(ErrorCode::InvalidRequest, sentence));
    }
    let place = context.connections.take_place()?;
    if let Some(session) = parameter("resume") {
        let received = parameter("received").unwrap_or("0").parse().map_err(|_| {
            Error::new(ErrorCode::InvalidRequest, "`received` must be a whole number")
        })?;
        let detached =
            context.sessions.resume(session, identity, received, context.clock.elapsed()).await?;
        let entry = Entry::Back(Box::new(detached), received);
        return Ok(RoomConversation::new(entry, context, place));
    }
    let seat = context.service.enter(identity)?;
    let welcome = Welcome {
        room: seat.identity().room.to_string(),
        // Whoever knows it may take the session over, with a token of the same participant.
        session: Uuid::now_v7().to_string(),
        number: seat.session().0,
        participant: seat.participant_id().to_owned(),
        name: seat.identity().name.to_string(),
        role: seat.identity().role.clone(),
        resume_ms: context.sessions.keep_for.0,
    };
    let dialect = Box::new(NativeDialect::new(welcome, seat.limits()));
    Ok(RoomConversation::new(Entry::New(Box::new(seat), dialect), context, place))
}
