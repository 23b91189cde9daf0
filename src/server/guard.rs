//! Which web pages may ask, and how browsers are told (CORS).

use std::future::{Future, ready};

use actix_web::{
    Error,
    body::BoxBody,
    dev::{Service, ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
    web::Data,
};
use futures_util::future::Either;

use super::{Context, origin, visit::answer};
use crate::{error::ErrorCode, facade::native::problem};

/// Stands before every handler of an interface over HTTP.
pub(super) fn guard<S>(
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<BoxBody>, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let origin = request.headers().get(header::ORIGIN).cloned();
    let is_allowed = request
        .app_data::<Data<Context>>()
        .is_some_and(|context| origin::is_allowed(request.request(), &context.origins));
    if !is_allowed {
        let answer = answer(problem(&ErrorCode::OriginNotAllowed.into()));
        return Either::Left(ready(Ok(request.into_response(answer))));
    }
    let asks_first = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if asks_first {
        let mut answer = actix_web::HttpResponse::NoContent().finish();
        let allow = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, idempotency-key"),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ];
        for (name, value) in allow {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        say_allowed(answer.headers_mut(), origin);
        return Either::Left(ready(Ok(request.into_response(answer))));
    }
    let answer = service.call(request);
    Either::Right(async move {
        let mut answer = answer.await?;
        say_allowed(answer.headers_mut(), origin);
        Ok(answer)
    })
}

fn say_allowed(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
}
