//! Things by number. When all are given up the numbers go on, so that what was named by one of them is never taken for
//! what came later.

use std::ops::Range;

#[derive(Debug)]
pub(super) struct Numbered<T> {
    /// The number of the first one.
    first: u32,
    all: Vec<T>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self::starting_at(0)
    }
}

impl<T> Numbered<T> {
    pub(super) const fn starting_at(first: u32) -> Self {
        Self { first, all: Vec::new() }
    }

    /// One for each of these, with the same numbers.
    pub(super) fn like<U>(others: &Numbered<U>, one: impl FnMut(&U) -> T) -> Self {
        Self { first: others.first, all: others.all.iter().map(one).collect() }
    }

    pub(super) const fn len(&self) -> usize {
        self.all.len()
    }

    /// The first number that is in use, or will be.
    pub(super) const fn first(&self) -> u32 {
        self.first
    }

    /// The number of the next one.
    pub(super) fn next(&self) -> u32 {
        self.first.saturating_add(u32::try_from(self.all.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn numbers(&self) -> Range<u32> {
        self.first..self.next()
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.all.get(number.checked_sub(self.first)? as usize)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.all.get_mut(number.checked_sub(self.first)? as usize)
    }

    /// The one that there is, if there is one alone, and its number.
    #[inline]
    pub(super) fn only(&self) -> Option<(u32, &T)> {
        match self.all.as_slice() {
            [one] => Some((self.first, one)),
            _ => None,
        }
    }

    pub(super) fn push(&mut self, one: T) {
        self.all.push(one);
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.all.iter()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.numbers().zip(&self.all)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.numbers().zip(&mut self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{
            Command, Effect, NewMessage, Outcome, Permit, Queue, QueueConfig, ReplyTo,
            message::Position,
        },
        types::{Payload, RequestId, SessionId, Timestamp},
    };

    #[test]
    fn numbers_go_on_where_those_before_ended() {
        let mut before = Numbered::default();
        ["a", "b"].into_iter().for_each(|one| before.push(one));
        let mut after = Numbered::starting_at(before.next());
        assert_eq!((after.len(), after.numbers(), after.only()), (0, 2..2, None));
        after.push("c");
        assert_eq!((after.get(0), after.get(2), after.get(3)), (None, Some(&"c"), None));
        assert_eq!(after.only(), Some((2, &"c")));
        let lengths = Numbered::like(&after, |one| one.len());
        assert_eq!(lengths.iter().collect::<Vec<_>>(), [(2, &1)]);
    }

    #[test]
    fn nothing_is_left_of_a_queue_that_is_deleted_but_its_numbers() {
        let mut queue = Queue::new(QueueConfig::unlimited());
        let from =
            ReplyTo { session: SessionId(1), request: RequestId(1), permit: Permit::InFlight };
        for round in 0..100 {
            let (mut effects, now) = (Vec::new(), Timestamp(1));
            let message = NewMessage::from(Payload::from("{}"));
            queue.apply(now, from, Command::Send { message }, &mut effects);
            let position = effects.iter().find_map(|effect| match effect {
                Effect::Reply { result: Ok(Outcome::Sent(sent)), .. } => Some(sent.position),
                _ => None,
            });
            assert_eq!(position, Some(Position { partition: round, offset: 0 }));
            assert_eq!(queue.partitions.len(), 1);
            let image = queue.image();
            assert_eq!((image.first_partition(), image.partitions.len()), (round, 1));
            let blocks = queue.unsaved_blocks(usize::MAX, false);
            let again = Queue::restore(queue.config.clone(), image.clone(), blocks).unwrap();
            assert_eq!((again.image(), again.partitions.numbers()), (image, round..round + 1));
            queue.apply(now, from, Command::Delete, &mut effects);
        }
        assert_eq!(queue.partitions.numbers(), 100..100);
    }
}
