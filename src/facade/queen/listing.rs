//! What a list is to show: of which queue, partition and time, and which page of that.

use super::{Call, name};
use crate::{
    error::Error,
    service::{Command, Create, Filter, Operation, States},
    types::{GroupName, PartitionKey, QueueName, Timestamp},
    wire::queen::time,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) queue: Option<QueueName>,
    partition: Option<PartitionKey>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    pub(super) limit: usize,
    pub(super) offset: usize,
}

impl Listing {
    /// Reads the query. A page has so many, if nobody says.
    ///
    /// # Errors
    /// `InvalidName`.
    pub(super) fn read(call: &Call, page: usize) -> Result<Self, Error> {
        let query = &call.query;
        let number = |text: &str| query.number(text).and_then(|it| usize::try_from(it).ok());
        Ok(Self {
            queue: query.text("queue").map(|text| name("queue", text)).transpose()?,
            partition: query.text("partition").map(|text| name("partition", text)).transpose()?,
            from: query.text("from").and_then(time::read),
            to: query.text("to").and_then(time::read),
            limit: number("limit").unwrap_or(page).min(call.items_max),
            offset: number("offset").unwrap_or(0),
        })
    }

    /// Looks at up to so many messages of a queue, as a group sees them.
    pub(super) fn browse(
        &self,
        queue: &QueueName,
        group: Option<&GroupName>,
        states: States,
        limit: u32,
    ) -> Operation {
        let filter = Filter { partition: self.partition.clone(), ..Filter::states(states) };
        let command =
            Command::Browse { group: group.cloned(), filter: Box::new(filter), after: None, limit };
        Operation::Queue { queue: queue.clone(), create: Create::No, command }
    }

    /// Whether that moment is meant.
    pub(super) fn covers(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at <= to)
    }

    /// The page.
    pub(super) fn page<'a, T>(&self, all: &'a [T]) -> &'a [T] {
        let rest = all.get(self.offset..).unwrap_or_default();
        rest.get(..self.limit).unwrap_or(rest)
    }
}
