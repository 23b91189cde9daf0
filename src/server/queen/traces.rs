//! Traces: kept and shown.

use actix_web::{HttpResponse, web::Payload};

use super::exchange::At;
use crate::{
    error::Error,
    facade::queen::traces::{self, Traces},
    server::visit::Visit,
    types::Millis,
};

const NO_WAIT: Millis = Millis(0);

pub(super) async fn keep(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        let operation = traces::read(call)?;
        traces::kept(visit.ask(operation, NO_WAIT).await)
    })
    .await
}

/// All pages.
async fn all(mut traces: Traces, visit: &mut Visit) -> Result<Traces, Error> {
    while let Some(operation) = traces.next() {
        let page = visit.ask(operation, NO_WAIT).await;
        traces.page(page)?;
    }
    Ok(traces)
}

pub(super) async fn of_message(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, _, visit| {
        let At { parts, .. } = at;
        let traces = Traces::of_message(&parts.partition_id, &parts.transaction_id)?;
        Ok(all(traces, visit).await?.write())
    })
    .await
}

pub(super) async fn by_name(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let traces = all(Traces::of_name(&at.parts.name), visit).await?.by_name(call);
        let looks = visit.ask_all(traces.looks(), NO_WAIT).await?;
        Ok(traces.write(&looks))
    })
    .await
}

pub(super) async fn names(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| Ok(all(Traces::all(), visit).await?.names(call))).await
}
