//! One request, one answer: a session that lasts as long as the request.
//!
//! The handler's future owns the seat. When it is dropped, or gives up because the peer has hung up, the seat
//! goes with it, and the room forgets the receiver that waited.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use actix_http::ConnectionType;
use actix_web::{
    Error as ActixError, FromRequest, HttpRequest, HttpResponse, dev,
    http::{StatusCode, header},
    rt::time::timeout,
    web::{Data, Path, Payload, Query},
};
use bytes::Bytes;
use futures_util::future::{Either, select};
use serde::Deserialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    auth::{self, Identity},
    error::{Error, ErrorCode},
    facade::native::{HttpRequest as Asked, WAIT_MAX, Written, problem},
    server::{
        Context,
        switch::{REQUEST_MAX, Switch},
    },
    service::{Link, Operation, Outcome, Outlet, Permit, Reply, Request, ToSession},
    types::{Millis, RequestId, RoomName},
};

/// A request's body has this long to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a request was made.
pub(super) struct At {
    pub(super) request: HttpRequest,
    pub(super) context: Data<Context>,
    parts: Parts,
}

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

impl FromRequest for At {
    type Error = ActixError;
    type Future = std::future::Ready<Result<Self, ActixError>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let parts = Path::<Parts>::from_request(request, payload).into_inner();
        let context = Data::<Context>::from_request(request, payload).into_inner();
        std::future::ready(parts.and_then(|parts| {
            Ok(Self { request: request.clone(), context: context?, parts: parts.into_inner() })
        }))
    }
}

/// A refusal as HTTP.
pub(super) fn refusal(error: &Error) -> HttpResponse {
    answer(problem(error))
}

fn answer(Written { status, content_type, body }: Written) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    answer.insert_header((header::CONTENT_TYPE, content_type));
    if status == StatusCode::UNAUTHORIZED {
        answer.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
    }
    answer.body(body)
}

/// The pairs of a request's query.
pub(super) fn query(request: &HttpRequest) -> Vec<(String, String)> {
    Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map(Query::into_inner)
        .unwrap_or_default()
}

/// Who asks, if the token is good for this room: from the header, else from `or`.
pub(super) fn identify(
    request: &HttpRequest,
    room: &str,
    or: Option<&str>,
    context: &Context,
) -> Result<Identity, Error> {
    let token = match request.headers().get(header::AUTHORIZATION) {
        Some(value) => {
            let bearer = value.to_str().ok().and_then(|value| value.split_once(' '));
            let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            bearer.map(|(_, token)| token.trim()).ok_or(ErrorCode::TokenInvalid)?
        }
        None => or.ok_or(ErrorCode::TokenMissing)?,
    };
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
                let mut answer = refusal(&error);
                if ends || error.code == ErrorCode::ServerClosing {
                    answer.head_mut().set_connection_type(ConnectionType::Close);
                }
                answer
            }
        }
    }

    async fn result(
        &self,
        body: Payload,
        understand: impl FnOnce(&Self, &Asked) -> Result<Operation, Error>,
    ) -> Result<Outcome, Refused> {
        let (context, clock) = (&self.context, self.context.clock.as_ref());
        let switch = self.request.conn_data::<Arc<Switch>>().cloned().unwrap_or_default();
        let mut query = query(&self.request);
        let token = query.iter().position(|(name, _)| name == "token");
        let token = token.map(|at| query.remove(at).1);
        let identity = identify(&self.request, &self.parts.room, token.as_deref(), context)?;

        let for_body = Millis(u64::try_from(BODY_TIMEOUT.as_millis()).unwrap_or(u64::MAX));
        switch.expect_answer(clock.elapsed(), Millis(for_body.0 + REQUEST_MAX.0));
        let body = read_body(body, context.service.limits().message_bytes).await?;
        let items_max = context.service.limits().items_per_request;
        let asked = Asked { now: clock.now(), items_max, body, query };
        let operation = understand(self, &asked)?;
        drop(asked);

        let place = context.connections.visit()?;
        let seat = context.service.enter(identity)?;
        let (sender, receiver) = unbounded_channel();
        let outgoing_max = seat.limits().outgoing_bytes;
        let link = Arc::new(Link::new(seat.session(), Box::new(Mailbox(sender)), outgoing_max));
        seat.visit(Arc::clone(&link));
        place.announce(&link);
        let waits = operation.parks();
        let permit = if waits { Permit::Parked } else { Permit::InFlight };
        let refused = seat.submit(vec![Request { id: RequestId(1), permit, operation }]);
        if let Some(Reply { result, .. }) = refused.into_iter().next() {
            return Ok(result?);
        }
        let wait = if waits { WAIT_MAX } else { Millis(0) };
        switch.expect_answer(clock.elapsed(), Millis(wait.0 + REQUEST_MAX.0));
        Ok(reply(receiver, &link, waits, switch.hung_up()).await?)
    }
}

/// A refusal, and whether the connection ends with it: what is left of the request would be taken for the next.
struct Refused {
    error: Error,
    ends: bool,
}

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self { error: error.into(), ends: false }
    }
}

/// Waits for the reply.
async fn reply(
    mut receiver: UnboundedReceiver<ToSession>,
    link: &Link,
    waits: bool,
    hung_up: impl Future<Output = ()>,
) -> Result<Outcome, Error> {
    let mut hung_up = pin!(hung_up);
    loop {
        let item = {
            let next = pin!(receiver.recv());
            if waits {
                match select(next, hung_up.as_mut()).await {
                    Either::Left((item, _)) => item,
                    // Nobody hears it.
                    Either::Right(_) => return Err(ErrorCode::ServerClosing.into()),
                }
            } else {
                next.await
            }
        };
        match item {
            Some(ToSession::Reply(Reply { result, .. })) => {
                if let Ok(Outcome::Queues { booked, .. }) = &result {
                    link.written(*booked);
                }
                return result;
            }
            Some(ToSession::Finish) if waits => return Err(ErrorCode::ServerClosing.into()),
            // A visitor hears of nothing else.
            Some(_) => {}
            None => return Err(ErrorCode::Internal.into()),
        }
    }
}

async fn read_body(body: Payload, bytes_max: usize) -> Result<Bytes, Refused> {
    let error = match timeout(BODY_TIMEOUT, body.to_bytes_limited(bytes_max)).await {
        Ok(Ok(Ok(body))) => return Ok(body),
        Ok(Ok(Err(_))) => Error::new(ErrorCode::InvalidRequest, "the body is broken off"),
        Ok(Err(_)) => {
            let sentence = format!("a body has at most {bytes_max} bytes");
            Error::new(ErrorCode::MessageTooLarge, sentence)
        }
        Err(_) => Error::new(ErrorCode::InvalidRequest, "the body did not come in time"),
    };
    Err(Refused { error, ends: true })
}

/// What the room says to the request.
struct Mailbox(UnboundedSender<ToSession>);

impl Outlet for Mailbox {
    fn send(&self, items: Vec<ToSession>) {
        for item in items {
            // A request that was given up hears nothing more.
            let _ = self.0.send(item);
        }
    }

    fn cut(&self) {}
}
