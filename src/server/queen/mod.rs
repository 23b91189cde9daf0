//! Queen MQ's HTTP protocol: below `/api/v1`, and for any room below `/rooms/{room}/queen`.
//!
//! The room is the token's. Without a token, where the server allows that, it is the one in the path, else `queen`.

mod exchange;
mod groups;
mod look;
mod messages;
mod modes;
mod queues;
mod streams;
mod survey;
mod traces;

use actix_web::{
    HttpResponse,
    web::{self, PathConfig, ServiceConfig},
};

use super::{guard, visit::answer};
use crate::facade::queen;

use exchange::unknown;
pub(super) use modes::Modes;

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
    let in_room = below("/rooms/{room}/queen")
        .service(web::scope("/api/v1").configure(paths))
        .configure(public);
    config.service(in_room).configure(public);
}

/// What anybody may ask.
fn public(config: &mut ServiceConfig) {
    config
        .route("/health", web::get().to(look::health))
        .route("/status", web::get().to(look::live))
        .route("/metrics", web::get().to(look::metrics))
        .route("/metrics/prometheus", web::get().to(look::prometheus))
        .route("/streams/v1/{rest:.*}", web::to(look::not_offered));
}

fn paths(config: &mut ServiceConfig) {
    config
        .route("/configure", web::post().to(queues::configure))
        .route("/push", web::post().to(messages::push))
        .route("/pop", web::get().to(messages::pop_any))
        .route("/pop/queue/{queue}", web::get().to(messages::pop))
        .route("/pop/queue/{queue}/partition/{partition}", web::get().to(messages::pop))
        .route("/ack", web::post().to(messages::ack))
        .route("/ack/batch", web::post().to(messages::ack_batch))
        .route("/transaction", web::post().to(messages::transaction))
        .route("/lease/{lease}/extend", web::post().to(messages::extend))
        .configure(of_groups)
        .configure(of_streams)
        .configure(not_offered)
        .configure(of_messages)
        .configure(of_room);
}

fn of_groups(config: &mut ServiceConfig) {
    config
        .route("/consumer-groups", web::get().to(groups::all))
        .route("/consumer-groups/lagging", web::get().to(survey::lagging))
        .route("/consumer-groups/{group}", web::get().to(survey::group))
        .route("/consumer-groups/{group}", web::delete().to(groups::forget))
        .route("/consumer-groups/{group}/subscription", web::post().to(groups::subscription))
        .route("/consumer-groups/{group}/queues/{queue}", web::delete().to(groups::forget))
        .route("/consumer-groups/{group}/queues/{queue}/seek", web::post().to(groups::seek))
        .route(
            "/consumer-groups/{group}/queues/{queue}/partitions/{partition}/seek",
            web::post().to(groups::seek),
        );
}

/// The surfaces of their second generation that nothing here does.
fn not_offered(config: &mut ServiceConfig) {
    for path in ["/kv", "/locks", "/timers", "/ephemeral"] {
        config
            .route(path, web::to(look::not_offered))
            .route(&format!("{path}/{{rest:.*}}"), web::to(look::not_offered));
    }
}

fn of_streams(config: &mut ServiceConfig) {
    config
        .route("/fetch", web::post().to(survey::fetch))
        .route("/partitions/changed", web::post().to(survey::changed))
        .route("/stream/define", web::post().to(streams::define))
        .route("/stream/poll", web::post().to(streams::poll))
        .route("/stream/ack", web::post().to(streams::ack))
        .route("/stream/renew-lease", web::post().to(streams::renew))
        .route("/stream/seek", web::post().to(streams::seek));
}

fn of_messages(config: &mut ServiceConfig) {
    config
        .route("/traces", web::post().to(traces::keep))
        .route("/traces/names", web::get().to(traces::names))
        .route("/traces/by-name/{name}", web::get().to(traces::by_name))
        .route("/traces/{partition_id}/{transaction_id}", web::get().to(traces::of_message))
        .route("/dlq", web::get().to(look::dead_letters))
        .route("/dlq", web::delete().to(look::purge))
        .route("/dlq/{dead}/replay", web::post().to(look::replay))
        .route("/messages", web::get().to(look::messages))
        .route("/messages/{partition_id}/{transaction_id}", web::get().to(look::message))
        .route("/messages/{partition_id}/{transaction_id}", web::delete().to(look::delete_message))
        .route("/messages/{partition_id}/{transaction_id}/retry", web::post().to(look::replay));
}

fn of_room(config: &mut ServiceConfig) {
    config
        .route("/resources/queues", web::get().to(look::queues))
        .route("/resources/queues/{queue}", web::get().to(survey::queue))
        .route("/resources/queues/{queue}", web::delete().to(queues::delete))
        .route("/resources/queues/{queue}/depth", web::get().to(survey::depth))
        .route("/resources/overview", web::get().to(look::overview))
        .route("/resources/namespaces", web::get().to(look::namespaces))
        .route("/resources/tasks", web::get().to(look::tasks))
        .route("/status", web::get().to(look::status))
        .route("/status/queues", web::get().to(look::queues))
        .route("/status/queues/{queue}", web::get().to(survey::status_of))
        .route("/status/analytics", web::get().to(look::no_series))
        .route("/status/buffers", web::get().to(look::no_series))
        .route("/analytics/{what}", web::get().to(look::no_series))
        .route("/stats/refresh", web::post().to(look::refreshed))
        .route("/system/maintenance", web::get().to(look::maintenance))
        .route("/system/maintenance", web::post().to(look::set_maintenance))
        .route("/system/maintenance/pop", web::get().to(look::pop_maintenance))
        .route("/system/maintenance/pop", web::post().to(look::set_pop_maintenance));
}

async fn not_found() -> HttpResponse {
    answer(queen::no_such_route())
}
