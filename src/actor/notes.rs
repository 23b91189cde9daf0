//! Notes: what participants write down about the messages of a queue, beside it and kept when it is gone.
//!
//! They are the messages of one internal queue of the room, a partition for each queue that they are about; nobody takes
//! them. When there are too many, the oldest make room.

use std::sync::Arc;

use super::room::RoomActor;
use crate::{
    engine::{
        Command, Filter, NewMessage, Outcome as QueueOutcome, Overflow, Position, QueueSettings,
        ReplyTo, States,
    },
    error::{Error, ErrorCode},
    service::{Create, Outcome},
    types::{PartitionKey, QueueName},
};

/// Notes of one room,
const NOTES_MAX: u64 = 100_000;
/// and bytes of them.
const BYTES_MAX: u64 = 64 << 20;

fn notes() -> Result<QueueName, Error> {
    QueueName::internal("notes").map_err(|_| ErrorCode::Internal.into())
}

fn settings() -> Arc<QueueSettings> {
    Arc::new(QueueSettings {
        messages_max: Some(NOTES_MAX),
        bytes_max: Some(BYTES_MAX),
        overflow: Overflow::DropOldest,
        ..QueueSettings::default()
    })
}

fn partition(about: &QueueName) -> Result<PartitionKey, Error> {
    about.as_str().parse().map_err(|_| ErrorCode::InvalidName.into())
}

impl RoomActor {
    /// Keeps a note.
    pub(super) fn note(
        &mut self,
        about: &QueueName,
        note: NewMessage,
        to: ReplyTo,
    ) -> Result<Option<Outcome>, Error> {
        let message = NewMessage { partition: Some(partition(about)?), ..note };
        self.ask(&notes()?, Create::With(settings()), Command::Send { message }, to)?;
        Ok(None)
    }

    /// Shows notes.
    pub(super) fn notes(
        &mut self,
        about: Option<&QueueName>,
        labels: Vec<(Arc<str>, Arc<str>)>,
        after: Option<Position>,
        to: ReplyTo,
    ) -> Result<Option<Outcome>, Error> {
        let queue = notes()?;
        if !self.queues.contains_key(&queue) {
            let outcome = QueueOutcome::Browsed { items: Vec::new(), next: None };
            return Ok(Some(Outcome::Queue { queue, outcome }));
        }
        let partition = about.map(partition).transpose()?;
        let filter = Filter { partition, labels, ..Filter::states(States::ALL) };
        let limit = u32::try_from(self.shared.limits.items_per_request).unwrap_or(u32::MAX);
        let browse = Command::Browse { group: None, filter: Box::new(filter), after, limit };
        self.ask(&queue, Create::No, browse, to)?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{Permit, Queue, QueueConfig},
        types::{Payload, RequestId, SessionId, Timestamp},
    };

    /// Keeps notes of so many bytes; how many are kept then, and the offset of the first one.
    fn keep(count: u64, bytes: usize) -> (usize, Option<u64>) {
        let mut queue = Queue::new(QueueConfig::unlimited());
        queue.set_founding(Some(settings()));
        let to = ReplyTo { session: SessionId(1), request: RequestId(1), permit: Permit::None };
        let body = Payload::from(bytes::Bytes::from(vec![b' '; bytes]));
        let mut effects = Vec::new();
        for _ in 0..count {
            let message = NewMessage { partition: None, body: body.clone(), options: None };
            queue.apply(Timestamp(1), to, Command::Send { message }, &mut effects);
            effects.clear();
        }
        let filter = Filter::states(States::ALL);
        let browse =
            Command::Browse { group: None, filter: Box::new(filter), after: None, limit: 1 };
        queue.apply(Timestamp(1), to, browse, &mut effects);
        let first = effects.iter().find_map(|effect| match effect {
            crate::engine::Effect::Reply {
                result: Ok(QueueOutcome::Browsed { items, .. }),
                ..
            } => Some(items.first()?.message.position.offset),
            _ => None,
        });
        (queue.size(), first)
    }

    #[test]
    fn at_the_limit_all_notes_are_kept_and_past_it_the_oldest_makes_room() {
        let max = usize::try_from(NOTES_MAX).unwrap();
        assert_eq!(keep(NOTES_MAX, 1), (max, Some(0)));
        assert_eq!(keep(NOTES_MAX + 1, 1), (max, Some(1)));
        let large = 1 << 20;
        let max = usize::try_from(BYTES_MAX).unwrap() / large;
        assert_eq!(keep(max as u64, large), (max, Some(0)));
        assert_eq!(keep(max as u64 + 1, large), (max, Some(1)));
    }
}
