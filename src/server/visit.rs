//! A session that lasts as long as one request over HTTP: it asks its room, once or several times, and goes.
//!
//! The handler's future owns the visit. When it is dropped, or gives up because the peer has hung up, the seat
//! goes with it, and the room forgets the receiver that waited.

use std::{collections::BTreeMap, future::Future, pin::pin, sync::Arc, time::Duration};

use actix_http::ConnectionType;
use actix_web::{
    Error as ActixError, FromRequest, HttpRequest, HttpResponse, dev,
    http::{StatusCode, header},
    rt::time::timeout,
    web::{Data, Path, Payload, Query},
};
use bytes::Bytes;
use futures_util::future::{Either, select};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    Context,
    connections::Place,
    switch::{REQUEST_MAX, Switch},
};
use crate::{
    auth::Identity,
    clock::Clock,
    error::{Error, ErrorCode},
    facade::Written,
    service::{Link, Operation, Outcome, Outlet, Permit, Reply, Request, Seat, ToSession},
    types::{Millis, RequestId},
};

/// Where a request was made; `P` is what stands in its path, decoded.
pub(super) struct At<P> {
    pub(super) request: HttpRequest,
    pub(super) context: Data<Context>,
    pub(super) parts: P,
}

impl<P: DeserializeOwned + 'static> FromRequest for At<P> {
    type Error = ActixError;
    type Future = std::future::Ready<Result<Self, ActixError>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let parts = Path::<P>::from_request(request, payload).into_inner();
        let context = Data::<Context>::from_request(request, payload).into_inner();
        std::future::ready(parts.and_then(|parts| {
            Ok(Self { request: request.clone(), context: context?, parts: parts.into_inner() })
        }))
    }
}

/// An answer as HTTP.
pub(super) fn answer(Written { status, content_type, body }: Written) -> HttpResponse {
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

/// The answer, and whether the connection ends with it.
pub(super) fn closing(mut answer: HttpResponse, ends: bool) -> HttpResponse {
    if ends {
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    answer
}

/// The token of a request's header.
///
/// # Errors
/// `TokenInvalid` when the header holds something else.
pub(super) fn bearer(request: &HttpRequest) -> Result<Option<&str>, ErrorCode> {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let bearer = value.to_str().ok().and_then(|value| value.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    bearer.map(|(_, token)| Some(token.trim())).ok_or(ErrorCode::TokenInvalid)
}

/// A request's body has this long to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A refusal, and whether the connection ends with it: what is left of the request would be taken for the next.
pub(super) struct Refused {
    pub(super) error: Error,
    pub(super) ends: bool,
}

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self { error: error.into(), ends: false }
    }
}

/// The switch of a request's connection.
pub(super) fn switch_of(request: &HttpRequest) -> Arc<Switch> {
    request.conn_data::<Arc<Switch>>().cloned().unwrap_or_default()
}

/// Reads a whole body.
pub(super) async fn read_body(
    body: Payload,
    bytes_max: usize,
    switch: &Switch,
    clock: &dyn Clock,
) -> Result<Bytes, Refused> {
    let for_body = Millis(u64::try_from(BODY_TIMEOUT.as_millis()).unwrap_or(u64::MAX));
    switch.expect_answer(clock.elapsed(), Millis(for_body.0 + REQUEST_MAX.0));
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

/// See the module.
pub(super) struct Visit {
    seat: Seat,
    link: Arc<Link>,
    receiver: UnboundedReceiver<ToSession>,
    switch: Arc<Switch>,
    clock: Arc<dyn Clock>,
    /// Requests made.
    asked: u64,
    _place: Place,
}

impl Visit {
    /// Takes a seat that nobody sees.
    ///
    /// # Errors
    /// Those of [`crate::service::Service::enter`], and `ServerClosing`.
    pub(super) fn begin(
        context: &Context,
        identity: Identity,
        switch: Arc<Switch>,
    ) -> Result<Self, Error> {
        let place = context.connections.visit()?;
        let seat = context.service.enter(identity)?;
        let (sender, receiver) = unbounded_channel();
        let outgoing_max = seat.limits().outgoing_bytes;
        let link = Arc::new(Link::new(seat.session(), Box::new(Mailbox(sender)), outgoing_max));
        seat.visit(Arc::clone(&link));
        place.announce(&link);
        let clock = Arc::clone(&context.clock);
        Ok(Self { seat, link, receiver, switch, clock, asked: 0, _place: place })
    }

    /// Who asks.
    pub(super) const fn identity(&self) -> &Identity {
        self.seat.identity()
    }

    /// Asks one thing. If it may wait, it does so for no longer than `wait`.
    ///
    /// # Errors
    /// What the room says; `ServerClosing` when it is given up.
    pub(super) async fn ask(
        &mut self,
        operation: Operation,
        wait: Millis,
    ) -> Result<Outcome, Error> {
        let mut results = self.ask_all(vec![operation], wait).await?;
        results.pop().unwrap_or_else(|| Err(ErrorCode::Internal.into()))
    }

    /// Asks several things, which take effect in their order; the answers are in the same order.
    ///
    /// # Errors
    /// `ServerClosing` when it is given up: the server stops, or the peer has hung up while something waits.
    pub(super) async fn ask_all(
        &mut self,
        operations: Vec<Operation>,
        wait: Millis,
    ) -> Result<Vec<Result<Outcome, Error>>, Error> {
        let waits = operations.iter().any(Operation::parks);
        let (first, count) = (self.asked + 1, operations.len());
        self.asked += count as u64;
        let requests = (first..).zip(operations).map(|(id, operation)| {
            let permit = if operation.parks() { Permit::Parked } else { Permit::InFlight };
            Request { id: RequestId(id), permit, operation }
        });
        let refused = self.seat.submit(requests.collect());
        let mut answers: BTreeMap<u64, Result<Outcome, Error>> = BTreeMap::new();
        for Reply { id, result, .. } in refused {
            answers.insert(id.0, result);
        }
        let wait = if waits { wait } else { Millis(0) };
        self.switch.expect_answer(self.clock.elapsed(), Millis(wait.0 + REQUEST_MAX.0));
        let switch = Arc::clone(&self.switch);
        let mut hung_up = pin!(switch.hung_up());
        while answers.len() < count {
            let Reply { id, result, .. } = self.next_reply(waits, hung_up.as_mut()).await?;
            if let Ok(Outcome::Queues { booked, .. }) = &result {
                self.link.written(*booked);
            }
            // An earlier request of this visit may have been given up.
            if id.0 >= first {
                answers.insert(id.0, result);
            }
        }
        Ok(answers.into_values().collect())
    }

    async fn next_reply(
        &mut self,
        waits: bool,
        hung_up: impl Future<Output = ()> + Unpin,
    ) -> Result<Reply, Error> {
        let mut hung_up = hung_up;
        loop {
            let item = {
                let next = pin!(self.receiver.recv());
                if waits {
                    match select(next, &mut hung_up).await {
                        Either::Left((item, _)) => item,
                        // Nobody hears it.
                        Either::Right(_) => return Err(ErrorCode::ServerClosing.into()),
                    }
                } else {
                    next.await
                }
            };
            match item {
                Some(ToSession::Reply(reply)) => return Ok(reply),
                Some(ToSession::Finish) if waits => return Err(ErrorCode::ServerClosing.into()),
                // A visitor hears of nothing else.
                Some(_) => {}
                None => return Err(ErrorCode::Internal.into()),
            }
        }
    }
}

/// What the room says to the requests.
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
