//! Queen MQ's HTTP protocol: below `/api/v1`, and for any room below `/rooms/{room}/queen`.
//!
//! The room is the token's. Without a token, where the server allows that, it is the one in the path, else `queen`.

mod exchange;
mod messages;
mod queues;
mod streams;
mod traces;

use actix_web::{
    HttpResponse,
    web::{self, PathConfig, ServiceConfig},
};

use super::{guard, visit::answer};
use crate::facade::queen;

use exchange::unknown;

/// The routes of the protocol.
pub(super) fn configure(config: &mut ServiceConfig) {
    let below = |prefix: &str| {
        web::scope(prefix)
            .app_data(PathConfig::default().error_handler(|_, _| {
                actix_web::error::InternalError::from_response("path", unknown()).into()
            }))
            .wrap_fn(guard::guard)
            .default_service(web::to(not_found))
    };
    config.service(below("/api/v1").configure(paths));
    let of_room = below("/rooms/{room}/queen").service(web::scope("/api/v1").configure(paths));
    config.service(of_room);
}

fn paths(config: &mut ServiceConfig) {
    config
        .route("/configure", web::post().to(queues::configure))
        .route("/resources/queues/{queue}", web::delete().to(queues::delete))
        .route("/push", web::post().to(messages::push))
        .route("/pop/queue/{queue}", web::get().to(messages::pop))
        .route("/pop/queue/{queue}/partition/{partition}", web::get().to(messages::pop))
        .route("/ack", web::post().to(messages::ack))
        .route("/ack/batch", web::post().to(messages::ack_batch))
        .route("/lease/{lease}/extend", web::post().to(messages::extend))
        .route("/traces", web::post().to(traces::keep))
        .route("/traces/names", web::get().to(traces::names))
        .route("/traces/by-name/{name}", web::get().to(traces::by_name))
        .route("/traces/{partition}/{message}", web::get().to(traces::of_message))
        .route("/stream/define", web::post().to(streams::define))
        .route("/stream/poll", web::post().to(streams::poll))
        .route("/stream/ack", web::post().to(streams::ack))
        .route("/stream/renew-lease", web::post().to(streams::renew))
        .route("/stream/seek", web::post().to(streams::seek));
}

async fn not_found() -> HttpResponse {
    answer(queen::no_such_route())
}
