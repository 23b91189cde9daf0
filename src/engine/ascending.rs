//! A set to which mostly something greater than all else is added, and from which mostly the least is taken: leases of one
//! length end in the order in which they begin. That is a line; what comes out of order is in a tree.

use std::collections::{BTreeSet, VecDeque};

/// So many places of the line may be empty, beside as many as are taken.
const SLACK: usize = 64;

#[derive(Debug)]
pub(super) struct Ascending<T> {
    /// In order, and whether it is still there: the first one is.
    line: VecDeque<(T, bool)>,
    /// Those of the line that are still there.
    live: usize,
    others: BTreeSet<T>,
}

impl<T> Default for Ascending<T> {
    fn default() -> Self {
        Self { line: VecDeque::new(), live: 0, others: BTreeSet::new() }
    }
}

impl<T: Ord + Copy> Ascending<T> {
    pub(super) fn insert(&mut self, item: T) {
        if self.line.back().is_some_and(|(last, _)| item <= *last) {
            if self.in_line(item).is_none() {
                self.others.insert(item);
            }
        } else if self.others.is_empty() || !self.others.contains(&item) {
            self.line.push_back((item, true));
            self.live += 1;
        }
    }

    pub(super) fn remove(&mut self, item: T) {
        match self.in_line(item) {
            Some(is_there) => {
                *is_there = false;
                self.live -= 1;
                self.tidy();
            }
            None => drop(self.others.remove(&item)),
        }
    }

    /// Its place in the line, if it is there.
    fn in_line(&mut self, item: T) -> Option<&mut bool> {
        let at = match self.line.front() {
            Some((first, _)) if *first == item => 0,
            _ => self.line.binary_search_by(|(other, _)| other.cmp(&item)).ok()?,
        };
        self.line.get_mut(at).map(|(_, is_there)| is_there).filter(|is_there| **is_there)
    }

    fn tidy(&mut self) {
        while self.line.front().is_some_and(|(_, is_there)| !is_there) {
            self.line.pop_front();
        }
        if self.line.len() > 2 * self.live + SLACK {
            self.line.retain(|(_, is_there)| *is_there);
        }
        if self.line.is_empty() {
            self.line.shrink_to(SLACK);
        }
    }

    pub(super) fn first(&self) -> Option<T> {
        let line = self.line.front().map(|(first, _)| *first);
        match self.others.first().copied() {
            None => line,
            Some(other) => Some(line.map_or(other, |line| line.min(other))),
        }
    }

    pub(super) fn pop_first(&mut self) -> Option<T> {
        let first = self.first()?;
        self.remove(first);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((0..5u8, 0..40u32), 1..500)) {
            let (mut set, mut expected) = (Ascending::default(), BTreeSet::new());
            for (step, (what, item)) in (0..).zip(steps) {
                match what {
                    // Most come in order.
                    0 | 1 => {
                        let item = if what == 0 { step / 3 + 20 } else { item + step / 4 };
                        set.insert(item);
                        expected.insert(item);
                    }
                    2 => {
                        // One that is there, or not.
                        let item = expected.range(item..).next().copied().unwrap_or(item);
                        set.remove(item);
                        expected.remove(&item);
                    }
                    3 => prop_assert_eq!(set.pop_first(), expected.pop_first()),
                    _ => {
                        let last = expected.pop_last();
                        last.into_iter().for_each(|last| set.remove(last));
                    }
                }
                prop_assert_eq!(set.first(), expected.first().copied());
                prop_assert_eq!(set.live + set.others.len(), expected.len());
                prop_assert_eq!(set.live, set.line.iter().filter(|(_, it)| *it).count());
                prop_assert!(set.line.len() <= 2 * set.live + SLACK);
            }
            while let Some(item) = expected.pop_first() {
                prop_assert_eq!(set.pop_first(), Some(item));
            }
            prop_assert_eq!(set.first(), None);
        }
    }

    #[test]
    fn one_that_stays_does_not_keep_the_places_of_all_others() {
        let mut set = Ascending::default();
        (0..100_000).for_each(|item| {
            set.insert(item);
            if item > 1 {
                set.remove(item - 1);
            }
        });
        assert!(set.line.len() <= 2 * 2 + SLACK && set.others.is_empty());
        assert_eq!((set.pop_first(), set.pop_first()), (Some(0), Some(99_999)));
    }

    #[test]
    fn what_was_removed_can_come_again() {
        let mut set = Ascending::default();
        [1, 2, 3].into_iter().for_each(|item| set.insert(item));
        set.remove(2);
        set.insert(2);
        set.remove(3);
        set.insert(3);
        assert_eq!(
            [set.pop_first(), set.pop_first(), set.pop_first()],
            [Some(1), Some(2), Some(3)]
        );
        assert_eq!(set.pop_first(), None);
    }
}
