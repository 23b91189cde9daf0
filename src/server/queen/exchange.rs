//! One request: whose it is, its body, what the room says to it.

use actix_web::{HttpResponse, http::Method, web::Payload};
use serde::Deserialize;

use super::modes::Modes;
use crate::{
    auth::{self, Grants, Identity},
    error::{Error, ErrorCode},
    facade::{
        Written,
        queen::{
            self, Call,
            groups::{self, Queues},
            resources,
        },
    },
    server::visit::{self, Refused, Visit, answer, bearer, closing, query, read_body, switch_of},
    types::{Millis, QueueName, RoomName},
    wire::queen::Query,
};

/// A body has at most so many bytes: as many as their own servers take.
const BODY_BYTES_MAX: usize = 64 << 20;

/// For what does not wait.
pub(super) const NO_WAIT: Millis = Millis(0);

/// The room of those who name none.
const ROOM: &str = "queen";

/// Where a request was made.
pub(super) type At = visit::At<Parts>;

/// What stands in the path, decoded.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Parts {
    room: Option<String>,
    pub(super) queue: String,
    pub(super) partition: Option<String>,
    pub(super) lease: String,
    pub(super) group: String,
    /// Of a trace.
    pub(super) name: String,
    /// Of a dead letter.
    pub(super) dead: String,
    pub(super) partition_id: String,
    pub(super) transaction_id: String,
}

/// A path that cannot be read.
pub(super) fn unknown() -> HttpResponse {
    let error = Error::new(ErrorCode::InvalidName, "the path is not UTF-8");
    answer(queen::refusal(&error))
}

impl At {
    /// Who asks, and in which room.
    fn identify(&self) -> Result<(Identity, bool), Error> {
        let context = &self.context;
        let room: Option<RoomName> = match &self.parts.room {
            Some(room) => Some(room.parse().map_err(|_| ErrorCode::InvalidName)?),
            None => None,
        };
        let token = bearer(&self.request)?;
        if let Some(token) = token {
            let identity = auth::verify_with_roles(&context.keys, token, context.clock.now())?;
            if let Some(room) = &room {
                identity.ensure_room(room)?;
            }
            return Ok((identity, true));
        }
        if !context.is_open {
            return Err(ErrorCode::TokenMissing.into());
        }
        let identity = Identity {
            name: ROOM.parse().map_err(|_| ErrorCode::Internal)?,
            role: auth::DEFAULT_ROLE.to_owned(),
            room: room.map_or_else(|| ROOM.parse(), Ok).map_err(|_| ErrorCode::Internal)?,
            grants: Grants::full(),
            expires_at: None,
        };
        Ok((identity, false))
    }

    /// What rooms have switched.
    pub(super) fn modes(&self) -> &Modes {
        &self.context.modes
    }

    /// Looks at all queues of the room.
    pub(super) async fn queues(visit: &mut Visit) -> Result<Queues, Error> {
        let listed = visit.ask(groups::list(), NO_WAIT).await;
        let (names, operations) = groups::inspect_all(listed)?;
        Queues::found(names, visit.ask_all(operations, NO_WAIT).await?)
    }

    /// Looks at one queue, if it is one that is meant.
    pub(super) async fn queues_or(
        visit: &mut Visit,
        queue: Option<&QueueName>,
    ) -> Result<Queues, Error> {
        let Some(queue) = queue else { return Self::queues(visit).await };
        let operation = resources::inspect(queue.as_str())?;
        Queues::found(vec![queue.clone()], vec![visit.ask(operation, NO_WAIT).await])
    }

    /// Does the work of a request.
    pub(super) async fn serve(
        &self,
        body: Payload,
        work: impl AsyncFnOnce(&Self, &Call, &mut Visit) -> Result<Written, Error>,
    ) -> HttpResponse {
        match self.work(body, work).await {
            Ok(written) => answer(written),
            Err(Refused { error, ends }) => {
                let ends = ends || error.code == ErrorCode::ServerClosing;
                closing(answer(queen::refusal(&error)), ends)
            }
        }
    }

    async fn work(
        &self,
        body: Payload,
        work: impl AsyncFnOnce(&Self, &Call, &mut Visit) -> Result<Written, Error>,
    ) -> Result<Written, Refused> {
        let (context, clock) = (&self.context, self.context.clock.as_ref());
        let (identity, has_token) = self.identify()?;
        // Of their roles one alone may delete queues and groups.
        if identity.role == auth::roles::READ_WRITE && self.request.method() == Method::DELETE {
            let error = Error::new(ErrorCode::PermissionDenied, "Insufficient permissions");
            return Err(error.into());
        }
        let switch = switch_of(&self.request);
        let body = read_body(body, BODY_BYTES_MAX, &switch, clock).await?;
        let call = Call {
            now: clock.now(),
            items_max: context.service.limits().items_per_request,
            body,
            query: Query(query(&self.request)),
            producer: has_token.then(|| identity.name.clone()),
        };
        let mut visit = Visit::begin(context, identity, switch)?;
        Ok(work(self, &call, &mut visit).await?)
    }
}
