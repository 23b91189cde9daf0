//! Deliveries by offset. Most are close together, behind where the group takes next: those are in a window, found by
//! subtraction. What is far from the others is in a tree, so that an old one that nobody settles does not make the window long.

use std::collections::{BTreeMap, VecDeque};

use super::lane::Delivery;

/// So many empty places there may be in the window, beside as many as are taken.
const SLACK: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// Offset of the first place of the window.
    first: u64,
    /// Begins with a place that is taken.
    window: VecDeque<Option<Delivery>>,
    /// Those in the window.
    taken: usize,
    /// All others.
    far: BTreeMap<u64, Delivery>,
}

impl Deliveries {
    fn place(&self, offset: u64) -> Option<usize> {
        usize::try_from(offset.checked_sub(self.first)?).ok()
    }

    pub(super) fn get(&self, offset: u64) -> Option<&Delivery> {
        let near = self.place(offset).and_then(|place| self.window.get(place)?.as_ref());
        if near.is_some() || self.far.is_empty() { near } else { self.far.get(&offset) }
    }

    pub(super) fn get_mut(&mut self, offset: u64) -> Option<&mut Delivery> {
        let place = self.place(offset);
        match place.and_then(|place| self.window.get_mut(place)?.as_mut()) {
            Some(near) => Some(near),
            None if self.far.is_empty() => None,
            None => self.far.get_mut(&offset),
        }
    }

    pub(super) fn contains(&self, offset: u64) -> bool {
        self.get(offset).is_some()
    }

    /// There must be none yet at this offset.
    pub(super) fn insert(&mut self, offset: u64, delivery: Delivery) {
        if self.window.is_empty() {
            self.first = offset;
        }
        let length = self.window.len();
        match self.place(offset) {
            Some(place) if place < length => {
                if let Some(empty) = self.window.get_mut(place) {
                    *empty = Some(delivery);
                    self.taken += 1;
                }
            }
            Some(place) if place - length <= SLACK => {
                self.window.resize_with(place, || None);
                self.window.push_back(Some(delivery));
                self.taken += 1;
            }
            _ => drop(self.far.insert(offset, delivery)),
        }
        self.tidy();
    }

    pub(super) fn remove(&mut self, offset: u64) -> Option<Delivery> {
        let near = self.place(offset).and_then(|place| self.window.get_mut(place)?.take());
        if near.is_none() {
            return if self.far.is_empty() { None } else { self.far.remove(&offset) };
        }
        self.taken -= 1;
        self.tidy();
        near
    }

    /// The window begins with a place that is taken, and not much of it is empty.
    fn tidy(&mut self) {
        loop {
            match self.window.front() {
                Some(None) => {}
                Some(Some(_)) if self.window.len() > 2 * self.taken + SLACK => {
                    if let Some(Some(old)) = self.window.front_mut().map(Option::take) {
                        self.far.insert(self.first, old);
                        self.taken -= 1;
                    }
                }
                Some(Some(_)) => return,
                None => return self.window.shrink_to(SLACK),
            }
            self.window.pop_front();
            self.first += 1;
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Delivery> {
        self.far.values().chain(self.window.iter().flatten())
    }

    /// By offset, from this one on.
    pub(super) fn from(&self, offset: u64) -> impl Iterator<Item = (u64, &Delivery)> {
        let mut far = self.far.range(offset..).map(|(offset, it)| (*offset, it)).peekable();
        let skipped = self.place(offset).unwrap_or(0).min(self.window.len());
        let near = (self.first..).zip(&self.window).skip(skipped);
        let mut near = near.filter_map(|(offset, it)| Some((offset, it.as_ref()?))).peekable();
        std::iter::from_fn(move || match (far.peek(), near.peek()) {
            (Some((one, _)), Some((other, _))) if one < other => far.next(),
            (_, Some(_)) => near.next(),
            (_, None) => far.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::lane::Hold;

    fn delivery(attempts: u32) -> Delivery {
        Delivery { attempts, hold: Hold::Ready, ..Delivery::FRESH }
    }

    fn check(deliveries: &Deliveries, expected: &BTreeMap<u64, u32>, from: u64) {
        let all: Vec<_> = deliveries.from(from).map(|(at, it)| (at, it.attempts)).collect();
        let wanted: Vec<_> = expected.range(from..).map(|(at, it)| (*at, *it)).collect();
        assert_eq!(all, wanted);
        assert_eq!(deliveries.values().count(), expected.len());
        assert_eq!(deliveries.taken, deliveries.window.iter().flatten().count());
        assert!(deliveries.window.front().is_none_or(Option::is_some));
        assert!(deliveries.window.len() <= 2 * deliveries.taken + SLACK + 1);
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0..4u8, 0..300u64, any::<u32>()), 1..400)) {
            let (mut deliveries, mut expected) = (Deliveries::default(), BTreeMap::new());
            for (what, offset, attempts) in steps {
                match what {
                    0 | 1 if !expected.contains_key(&offset) => {
                        deliveries.insert(offset, delivery(attempts));
                        expected.insert(offset, attempts);
                    }
                    2 => {
                        let removed = deliveries.remove(offset).map(|it| it.attempts);
                        prop_assert_eq!(removed, expected.remove(&offset));
                    }
                    _ => {
                        let got = deliveries.get(offset).map(|it| it.attempts);
                        prop_assert_eq!(got, expected.get(&offset).copied());
                        prop_assert_eq!(deliveries.contains(offset), got.is_some());
                        if let Some(it) = deliveries.get_mut(offset) {
                            it.attempts = 7;
                            expected.insert(offset, 7);
                        }
                    }
                }
                check(&deliveries, &expected, offset);
            }
        }
    }

    #[test]
    fn one_that_nobody_settles_does_not_make_the_window_long() {
        let mut deliveries = Deliveries::default();
        deliveries.insert(0, delivery(0));
        for offset in 1..100_000 {
            deliveries.insert(offset, delivery(1));
            if offset > 10 {
                deliveries.remove(offset - 10).unwrap();
            }
        }
        assert!(deliveries.window.len() < 2 * SLACK);
        assert_eq!(deliveries.get(0).unwrap().attempts, 0);
        assert_eq!(deliveries.far.len(), 1);
    }
}
