//! The partitions of a queue, one by one, as a group sees them.

use super::{
    effect::Outcome,
    lane::{Hold, Lane},
    log::Seen,
    partition::Partition,
    queue::Queue,
    view::{Counts, PartitionSurvey},
};
use crate::{
    error::ErrorCode,
    types::{GroupName, PartitionKey},
};

impl Queue {
    pub(super) fn survey(
        &self,
        group: Option<&GroupName>,
        only: Option<&PartitionKey>,
        after: Option<u32>,
        limit: u32,
    ) -> Result<Outcome, ErrorCode> {
        let group = self.named(group)?;
        let mut numbers: Vec<u32> = match only {
            Some(key) => self.by_key.get(key).copied().into_iter().collect(),
            None => self.partitions.numbers().collect(),
        };
        numbers.retain(|number| after.is_none_or(|after| *number > after));
        let is_last = numbers.len() <= limit as usize;
        numbers.truncate(limit as usize);
        let next = numbers.last().copied().filter(|_| !is_last);
        let surveyed = numbers.into_iter().filter_map(|number| {
            let part = self.partitions.get(number)?;
            Some(surveyed(number, part, self.lane_of(group, number)?))
        });
        Ok(Outcome::Surveyed { partitions: surveyed.collect(), next })
    }
}

fn surveyed(number: u32, part: &Partition, lane: &Lane) -> PartitionSurvey {
    let mut counts = Counts::default();
    lane.count(part.log.len(), &mut counts);
    let is_open = |hold: &Hold| !matches!(hold, Hold::Dead { .. } | Hold::Done);
    let known = lane.exceptions().find(|(_, delivery)| is_open(&delivery.hold));
    let mut fresh = part.log.from(lane.next).map(|(offset, _)| offset);
    let fresh = fresh.find(|offset| lane.get(*offset).is_none());
    let oldest = known.map(|(offset, _)| offset).into_iter().chain(fresh).min();
    let sent_at = |offset| part.log.get(offset).map(Seen::sent_at);
    PartitionSurvey {
        key: part.key.clone(),
        number,
        start: part.log.next_at(0).unwrap_or_else(|| part.log.end()),
        end: part.log.end(),
        counts,
        oldest_open: oldest.and_then(sent_at),
        newest: part.log.last().and_then(sent_at),
        leased_until: lane.run.as_ref().and_then(|run| run.lease.until),
    }
}
