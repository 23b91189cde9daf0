//! Partitions one by one: depths, lags; and reading by offset.

use actix_web::{HttpResponse, web::Payload};

use super::exchange::{At, NO_WAIT};
use crate::{
    error::{Error, ErrorCode},
    facade::{
        Written,
        queen::{
            self, Call,
            reads::{ChangedPartitions, Fetching},
            resources::{self, Shown},
            survey::{self, OfGroup},
        },
    },
    server::visit::Visit,
    types::GroupName,
};

/// Looks that are made together.
const AT_ONCE: usize = 256;

async fn shown(
    at: At,
    body: Payload,
    write: fn(&Shown, &[crate::service::PartitionSurvey]) -> Written,
) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let queue = at.parts.queue.as_str();
        let seen = Shown::of(queue, visit.ask(resources::inspect(queue)?, NO_WAIT).await)?;
        let asked = survey::ask(seen.queue(), seen.slowest(), call);
        let parts = survey::found(visit.ask(asked, NO_WAIT).await)?;
        Ok(write(&seen, &parts))
    })
    .await
}

pub(super) async fn queue(at: At, body: Payload) -> HttpResponse {
    shown(at, body, resources::one).await
}

pub(super) async fn status_of(at: At, body: Payload) -> HttpResponse {
    shown(at, body, resources::status_of).await
}

pub(super) async fn depth(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let queue = at.parts.queue.as_str();
        let seen = Shown::of(queue, visit.ask(resources::inspect(queue)?, NO_WAIT).await)?;
        let said = call.query.text("group").or_else(|| call.query.text("consumerGroup"));
        let group = match said {
            Some(_) => queen::group(said)?,
            None => seen.slowest(),
        };
        let found = visit.ask(survey::ask(seen.queue(), group, call), NO_WAIT).await;
        let is_new = matches!(&found, Err(error) if error.code == ErrorCode::GroupNotFound);
        let found = match is_new {
            true => visit.ask(survey::ask(seen.queue(), None, call), NO_WAIT).await,
            false => found,
        };
        Ok(survey::depth(queue, said, &survey::found(found)?, is_new))
    })
    .await
}

async fn of_groups(
    call: &Call,
    visit: &mut Visit,
    only: Option<&Option<GroupName>>,
) -> Result<Vec<OfGroup>, Error> {
    let queues = At::queues(visit).await?;
    let (mut groups, operations) = survey::ask_groups(call, &queues, only);
    let mut results = Vec::with_capacity(operations.len());
    for some in operations.chunks(AT_ONCE) {
        results.extend(visit.ask_all(some.to_vec(), NO_WAIT).await?);
    }
    survey::found_groups(&mut groups, results)?;
    Ok(groups)
}

pub(super) async fn lagging(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        Ok(survey::lagging(call, &of_groups(call, visit, None).await?))
    })
    .await
}

pub(super) async fn group(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |at, call, visit| {
        let wanted = queen::group(Some(&at.parts.group))?;
        Ok(survey::group(call, &of_groups(call, visit, Some(&wanted)).await?))
    })
    .await
}

pub(super) async fn fetch(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        let mut fetching = Fetching::read(call)?;
        for entry in std::mem::take(&mut fetching.entries) {
            let result = visit.ask(entry.first(), NO_WAIT).await;
            let mut reading = fetching.begin(&entry, result)?;
            while let Some(current) = reading {
                let result = visit.ask(current.next(), NO_WAIT).await;
                reading = fetching.page(current, result)?;
            }
        }
        Ok(fetching.write())
    })
    .await
}

pub(super) async fn changed(at: At, body: Payload) -> HttpResponse {
    at.serve(body, async |_, call, visit| {
        let mut changed = ChangedPartitions::read(call)?;
        let operations = std::mem::take(&mut changed.operations);
        let results = visit.ask_all(operations, NO_WAIT).await?;
        changed.write(call, results)
    })
    .await
}
