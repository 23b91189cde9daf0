//! Looking: at messages, dead letters, queues, and the server itself.

use actix_web::{
    HttpResponse,
    web::{Data, Payload},
};

use super::{
    exchange::{At, NO_WAIT},
    modes::Mode,
};
use crate::{
    facade::queen::{
        dead::{self, Replay},
        message::{self, Delete, Show},
        resources, system,
    },
    server::{Context, visit::answer},
    service::Health,
};

pub(super) async fn dead_letters(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        let mut list = dead::List::read(call)?;
        let queues = At::queues_or(visit, list.queue()).await?;
        let operations = list.operations(&queues);
        list.write(visit.ask_all(operations, NO_WAIT).await?)
    })
    .await
}

pub(super) async fn purge(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        let list = dead::List::read(call)?;
        let queues = At::queues_or(visit, list.queue()).await?;
        dead::purged(visit.ask_all(list.purge(&queues), NO_WAIT).await?)
    })
    .await
}

pub(super) async fn replay(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let mut replay = match at.parts.dead.is_empty() {
            true => Replay::of_message(&at.parts.partition_id, &at.parts.transaction_id)?,
            false => Replay::of_dead(call, &at.parts.dead)?,
        };
        let found = visit.ask(replay.first(), NO_WAIT).await;
        let sent = visit.ask(replay.then(found)?, NO_WAIT).await;
        let (discard, receipt) = replay.last(sent)?;
        replay.write(&receipt, visit.ask(discard, NO_WAIT).await)
    })
    .await
}

pub(super) async fn messages(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        let mut list = message::List::read(call)?;
        let queues = At::queues_or(visit, list.queue()).await?;
        let operations = list.operations(&queues);
        list.write(&queues, visit.ask_all(operations, NO_WAIT).await?)
    })
    .await
}

pub(super) async fn message(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, _, visit| {
        let show = Show::read(&at.parts.partition_id, &at.parts.transaction_id)?;
        show.write(visit.ask_all(show.operations(), NO_WAIT).await?)
    })
    .await
}

pub(super) async fn delete_message(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, _, visit| {
        let delete = Delete::read(&at.parts.partition_id, &at.parts.transaction_id)?;
        let operations = delete.then(visit.ask(delete.first(), NO_WAIT).await)?;
        delete.write(visit.ask_all(operations, NO_WAIT).await?)
    })
    .await
}

macro_rules! of_room {
    ($($handler:ident: $write:expr;)*) => {
        $(pub(super) async fn $handler(at: At, body: Payload) -> HttpResponse {
            at.serve(body, async |_, call, visit| {
                let queues = At::queues(visit).await?;
                Ok($write(call, &queues))
            })
            .await
        })*
    };
}

of_room! {
    queues: resources::queues;
    overview: resources::overview;
    namespaces: |_, all| resources::labelled(all, "namespace");
    tasks: |_, all| resources::labelled(all, "task");
    status: resources::status;
}

pub(super) async fn no_series(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, _, _| Ok(system::no_series())).await
}

pub(super) async fn refreshed(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, _, _| Ok(system::refreshed())).await
}

async fn maintained(at: At, body: Payload, mode: Mode, is_change: bool) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let (identity, modes) = (visit.identity(), at.modes());
        if is_change {
            identity.grants.ensure_manage_all()?;
            modes.set(mode, &identity.room, system::switch(&call.body)?)?;
        }
        let all = modes.show(&identity.room);
        Ok(system::maintenance(modes.is_on(mode, &identity.room), all))
    })
    .await
}

pub(super) async fn maintenance(at: At, body: Payload) -> HttpResponse {
    maintained(at, body, Mode::Pushes, false).await
}

pub(super) async fn set_maintenance(at: At, body: Payload) -> HttpResponse {
    maintained(at, body, Mode::Pushes, true).await
}

pub(super) async fn pop_maintenance(at: At, body: Payload) -> HttpResponse {
    maintained(at, body, Mode::Pops, false).await
}

pub(super) async fn set_pop_maintenance(at: At, body: Payload) -> HttpResponse {
    maintained(at, body, Mode::Pops, true).await
}

/// What their servers have and this one does not.
pub(super) async fn not_offered(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, _, _| Ok(system::not_offered("this part of Queen"))).await
}

pub(super) async fn health(context: Data<Context>) -> HttpResponse {
    let has_failed = matches!(context.service.health(), Health::Failed(_));
    answer(system::health(!has_failed && !context.connections.is_closing()))
}

pub(super) async fn live() -> HttpResponse {
    answer(system::live())
}

pub(super) async fn prometheus(context: Data<Context>) -> HttpResponse {
    let uptime = context.clock.elapsed().0 / 1000;
    let relaxed = context.service.relaxed_queues();
    answer(system::prometheus(context.connections.taken(), uptime, relaxed))
}

pub(super) async fn metrics(context: Data<Context>) -> HttpResponse {
    answer(system::metrics(context.connections.taken(), context.clock.elapsed().0 / 1000))
}
