//! One request, one answer.

use actix_web::{HttpRequest, HttpResponse, web::Payload};
use serde::Deserialize;

use crate::{
    auth::{self, Identity},
    error::{Error, ErrorCode},
    facade::native::{HttpRequest as Asked, WAIT_MAX, problem},
    server::{
        Context,
        visit::{self, Refused, Visit, answer, bearer, closing, query, read_body, switch_of},
    },
    service::{Operation, Outcome},
    types::RoomName,
};

/// Where a request was made.
pub(super) type At = visit::At<Parts>;

/// What stands in the path, decoded.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Parts {
    pub(super) room: String,
    queue: Option<String>,
    pub(super) group: String,
    pub(super) name: String,
    pub(super) message: String,
}

/// A refusal as HTTP.
pub(super) fn refusal(error: &Error) -> HttpResponse {
    answer(problem(error))
}

/// Who asks, if the token is good for this room: from the header, else from `or`.
pub(super) fn identify(
    request: &HttpRequest,
    room: &str,
    or: Option<&str>,
    context: &Context,
) -> Result<Identity, Error> {
    let token = bearer(request)?.or(or).ok_or(ErrorCode::TokenMissing)?;
    let identity = auth::verify(&context.keys, token, context.clock.now())?;
    let room: RoomName = room
        .parse()
        .map_err(|error| Error::new(ErrorCode::InvalidName, format!("`room`: {error}")))?;
    identity.ensure_room(&room)?;
    Ok(identity)
}

impl At {
    /// What stands in the path.
    pub(super) const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The queue in the path.
    pub(super) fn queue(&self) -> Option<&str> {
        self.parts.queue.as_deref()
    }

    /// The dedup key that a client sends along.
    pub(super) fn idempotency_key(&self) -> Result<Option<&str>, Error> {
        let Some(key) = self.request.headers().get("idempotency-key") else { return Ok(None) };
        let wrong =
            |_| Error::new(ErrorCode::InvalidRequest, "`Idempotency-Key` must be plain ASCII");
        key.to_str().map(Some).map_err(wrong)
    }

    /// Does what `understand` makes of the request.
    pub(super) async fn exchange(
        &self,
        body: Payload,
        understand: impl FnOnce(&Self, &Asked) -> Result<Operation, Error>,
    ) -> HttpResponse {
        match self.result(body, understand).await {
            Ok(outcome) => answer(Ok(outcome).into()),
            Err(Refused { error, ends }) => {
                closing(refusal(&error), ends || error.code == ErrorCode::ServerClosing)
            }
        }
    }

    async fn result(
        &self,
        body: Payload,
        understand: impl FnOnce(&Self, &Asked) -> Result<Operation, Error>,
    ) -> Result<Outcome, Refused> {
        let (context, clock) = (&self.context, self.context.clock.as_ref());
        let switch = switch_of(&self.request);
        let mut query = query(&self.request);
        let token = query.iter().position(|(name, _)| name == "token");
        let token = token.map(|at| query.remove(at).1);
        let identity = identify(&self.request, &self.parts.room, token.as_deref(), context)?;

        let bytes_max = context.service.limits().message_bytes;
        let body = read_body(body, bytes_max, &switch, clock).await?;
        let items_max = context.service.limits().items_per_request;
        let asked = Asked { now: clock.now(), items_max, body, query };
        let operation = understand(self, &asked)?;
        drop(asked);

        let mut visit = Visit::begin(context, identity, switch)?;
        Ok(visit.ask(operation, WAIT_MAX).await?)
    }
}
