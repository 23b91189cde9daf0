//! `anteroom.v1` below `/v1`: one handler for each request, a WebSocket, and the document that describes them.

mod complete;
mod document;
mod exchange;
mod messages;
mod queues;
mod room;
mod socket;

use actix_web::{
    HttpRequest, HttpResponse,
    error::InternalError,
    http::{Method, header},
    web::{self, PathConfig, ServiceConfig},
};

use super::guard;
use crate::error::{Error, ErrorCode};

use exchange::refusal;

/// A path below `/v1` and what may be asked there.
fn at(config: &mut ServiceConfig, path: &str, routes: Vec<(Method, actix_web::Route)>) {
    let allowed: Vec<String> = routes.iter().map(|(method, _)| method.to_string()).collect();
    let allowed = allowed.join(", ");
    let resource =
        routes.into_iter().fold(web::resource(path), |resource, (_, route)| resource.route(route));
    config.service(resource.default_service(web::to(move || {
        let allowed = allowed.clone();
        async move {
            let mut answer = refusal(&ErrorCode::MethodNotAllowed.into());
            if let Ok(allowed) = header::HeaderValue::from_str(&allowed) {
                answer.headers_mut().insert(header::ALLOW, allowed);
            }
            answer
        }
    })));
}

macro_rules! routes {
    ($config:ident: $($path:literal => $($method:ident $handler:path),+;)*) => {
        /// What is configured, for the test that compares it with the document.
        #[cfg(test)]
        pub(super) const PATHS: &[(&str, &[&str])] = &[$(($path, &[$(stringify!($method)),+])),*];

        fn paths($config: &mut ServiceConfig) {
            $(at($config, $path, vec![$((Method::$method, web::method(Method::$method).to($handler))),+]);)*
        }
    };
}

/// The routes of the protocol.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(
        web::scope("/v1")
            .app_data(PathConfig::default().error_handler(|_, _| {
                let error = Error::new(ErrorCode::InvalidName, "the path is not UTF-8");
                InternalError::from_response("path", refusal(&error)).into()
            }))
            .wrap_fn(guard::guard)
            .configure(paths)
            .default_service(web::to(not_found)),
    );
}

routes! { config:
    "/openapi.json" => GET document::document;
    "/docs" => GET document::docs;
    "/docs/queen" => GET document::docs;
    "/docs/queen.md" => GET document::queen;
    "/docs.js" => GET document::script;
    "/docs.css" => GET document::style;
    "/docs.svg" => GET document::icon;
    "/rooms/{room}/ws" => GET socket::socket;
    "/rooms/{room}/participants" => GET room::participants;
    "/rooms/{room}/transaction" => POST room::transaction;
    "/rooms/{room}/queues" => GET queues::list;
    "/rooms/{room}/queues/{queue}" => GET queues::inspect, PUT queues::open, PATCH queues::configure,
        DELETE queues::delete;
    "/rooms/{room}/queues/{queue}/explain" => GET queues::explain;
    "/rooms/{room}/queues/{queue}/close" => POST queues::close;
    "/rooms/{room}/queues/{queue}/pause" => POST queues::pause;
    "/rooms/{room}/queues/{queue}/resume" => POST queues::resume;
    "/rooms/{room}/queues/{queue}/drain" => POST queues::drain;
    "/rooms/{room}/queues/{queue}/purge" => POST queues::purge;
    "/rooms/{room}/queues/{queue}/seek" => POST queues::seek;
    "/rooms/{room}/queues/{queue}/groups/{group}" => PUT queues::group_open, DELETE queues::group_delete;
    "/rooms/{room}/queues/{queue}/schedules/{name}" => PUT queues::schedule_put,
        DELETE queues::schedule_delete;
    "/rooms/{room}/queues/{queue}/schedules/{name}/pause" => POST queues::schedule_pause;
    "/rooms/{room}/queues/{queue}/schedules/{name}/resume" => POST queues::schedule_resume;
    "/rooms/{room}/queues/{queue}/schedules/{name}/fire" => POST queues::schedule_fire;
    "/rooms/{room}/queues/{queue}/messages" => GET messages::browse, POST messages::send;
    "/rooms/{room}/queues/{queue}/messages/raw" => POST messages::send_raw;
    "/rooms/{room}/queues/{queue}/messages/{message}" => GET messages::find;
    "/rooms/{room}/queues/{queue}/messages/{message}/result" => GET messages::result;
    "/rooms/{room}/queues/{queue}/receive" => POST messages::receive;
    "/rooms/{room}/queues/{queue}/settle" => POST messages::settle;
    "/rooms/{room}/queues/{queue}/extend" => POST messages::extend;
    "/rooms/{room}/queues/{queue}/change" => POST messages::change;
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    let path: String = request.path().chars().take(200).collect();
    refusal(&Error::new(ErrorCode::NotFound, format!("there is nothing at {path}")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What only the page itself asks for.
    const OF_THE_PAGE: [&str; 5] =
        ["/docs/queen", "/docs/queen.md", "/docs.js", "/docs.css", "/docs.svg"];

    #[test]
    fn the_document_lists_what_is_served_and_nothing_else() {
        let served: BTreeSet<String> = PATHS
            .iter()
            .filter(|(path, _)| !OF_THE_PAGE.contains(path))
            .flat_map(|(path, methods)| {
                methods.iter().map(move |method| format!("{method} /v1{path}"))
            })
            .collect();
        let document: serde_json::Value = serde_json::from_str(document::text()).unwrap();
        let mut listed = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                assert!(listed.insert(format!("{} {path}", method.to_uppercase())));
            }
        }
        assert_eq!(served, listed);
        assert!(served.len() > 30);
    }
}
