//! What is in a journal, and how the store is: which pieces are there, and which queues still need them.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::{Mutex, MutexGuard};

use super::{
    Health, StoreError, Urgency,
    places::QueueKey,
    slot::{BySlot, Piece, Slot},
};
use crate::journal::RecordNumber;

pub(super) struct Ledger {
    slots: Mutex<BySlot<Pieces>>,
    /// There is no room for another piece.
    is_full: AtomicBool,
    health: Mutex<Option<StoreError>>,
}

/// Those of a slot.
#[derive(Default)]
pub(super) struct Pieces {
    /// Oldest first; the last one may be written to.
    held: VecDeque<Held>,
    /// The last position that is durable.
    last: u64,
    /// The last piece of which it was said that it could be free soon.
    offered: Option<u64>,
}

impl Pieces {
    pub(super) fn new(held: impl IntoIterator<Item = Held>, last: u64) -> Self {
        Self { held: held.into_iter().collect(), last, offered: None }
    }

    /// All but the one that may be written to.
    fn over(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().take(self.held.len().saturating_sub(1))
    }
}

/// With more pieces than these the oldest could be free for use again: to write to one costs half as much as to make another.
const FEW: usize = 2;

/// A piece, and who needs it.
pub(super) struct Held {
    pub(super) number: u64,
    pub(super) bytes: u64,
    /// The last position in it.
    pub(super) last: u64,
    /// Queues with records in it that are not saved yet, and the last of these.
    pub(super) holders: HashMap<QueueKey, RecordNumber>,
}

impl Ledger {
    pub(super) fn new(slots: BySlot<Pieces>) -> Self {
        Self { slots: Mutex::new(slots), is_full: AtomicBool::new(false), health: Mutex::default() }
    }

    fn slots(&self) -> MutexGuard<'_, BySlot<Pieces>> {
        self.slots.lock()
    }

    pub(super) fn health(&self) -> Health {
        let failed = self.health.lock().clone();
        match failed {
            Some(error) => Health::Failed(error),
            None if self.is_full() => Health::Full,
            None => Health::Good,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Nothing can be written any more, or there is no room.
    pub(super) fn failed(&self, error: &StoreError) {
        match error {
            StoreError::Full => self.set_full(true),
            StoreError::Failed(_) => {
                *self.health.lock() = Some(error.clone());
            }
        }
    }

    /// The last position of a slot that is durable.
    pub(super) fn last(&self, slot: Slot) -> u64 {
        self.slots().of(slot).last
    }

    /// This position is durable, and has these records.
    pub(super) fn wrote(
        &self,
        slot: Slot,
        piece: Piece,
        position: u64,
        queues: &mut Vec<(QueueKey, RecordNumber)>,
    ) {
        let mut slots = self.slots();
        let pieces = slots.of_mut(slot);
        pieces.last = position;
        let Piece { number, bytes, is_last } = piece;
        if pieces.held.back().is_none_or(|last| last.number != number) {
            pieces.held.push_back(Held { number, bytes, last: position, holders: HashMap::new() });
            if is_last {
                self.set_full(true);
            }
        }
        let Some(held) = pieces.held.back_mut() else { return };
        held.last = position;
        held.holders.extend(queues.drain(..));
    }

    /// The queue is saved up to and including `through`.
    pub(super) fn let_go(&self, queue: &QueueKey, through: RecordNumber) {
        let mut slots = self.slots();
        let BySlot { main, large } = &mut *slots;
        for piece in main.held.iter_mut().chain(&mut large.held) {
            if piece.holders.get(queue).is_some_and(|last| *last <= through) {
                piece.holders.remove(queue);
            }
        }
    }

    /// Up to `max` queues that hold up the oldest pieces. They must be saved if all pieces take more than `bytes_max`; else
    /// they are asked once for each piece, and only if they are few.
    pub(super) fn overdue(&self, bytes_max: u64, max: usize) -> Vec<(QueueKey, Urgency)> {
        let mut slots = self.slots();
        let BySlot { main, large } = &mut *slots;
        let all = main.held.iter().chain(&large.held);
        let mut excess = all.map(|piece| piece.bytes).sum::<u64>();
        let mut overdue = Vec::new();
        for piece in large.over().chain(main.over()) {
            if excess <= bytes_max || overdue.len() >= max {
                break;
            }
            excess -= piece.bytes;
            let holders = piece.holders.keys().take(max - overdue.len()).cloned();
            overdue.extend(holders.map(|queue| (queue, Urgency::Must)));
        }
        for pieces in [main, large] {
            if overdue.is_empty()
                && pieces.held.len() > FEW
                && let Some(oldest) = pieces.held.front().filter(|it| it.holders.len() <= max)
                && pieces.offered != Some(oldest.number)
            {
                let holders = oldest.holders.keys();
                overdue.extend(holders.map(|queue| (queue.clone(), Urgency::IfCheap)));
                pieces.offered = Some(oldest.number);
            }
        }
        overdue
    }

    /// The last position of the oldest piece of a slot that nothing holds, if there is one that is not written to.
    pub(super) fn free(&self) -> Option<(Slot, u64)> {
        let slots = self.slots();
        slots.each().into_iter().find_map(|(slot, pieces)| {
            let oldest = pieces.over().next().filter(|oldest| oldest.holders.is_empty())?;
            Some((slot, oldest.last))
        })
    }

    /// Everything up to this position is truncated.
    pub(super) fn truncated(&self, slot: Slot, through: u64) {
        self.slots().of_mut(slot).held.retain(|piece| piece.last > through);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::slot::MAIN;

    fn key(queue: &str) -> QueueKey {
        ("r".parse().unwrap(), queue.parse().unwrap())
    }

    fn piece(number: u64) -> Piece {
        Piece { number, bytes: 100, is_last: false }
    }

    #[test]
    fn the_oldest_of_several_pieces_is_offered_once_to_few_and_beyond_the_limit_they_must() {
        let ledger = Ledger::new(BySlot::default());
        for number in 1..=2 {
            ledger.wrote(MAIN, piece(number), number, &mut vec![(key("a"), RecordNumber(number))]);
        }
        assert_eq!(ledger.overdue(1000, 8), [], "two are few");
        ledger.wrote(MAIN, piece(3), 3, &mut vec![(key("b"), RecordNumber(1))]);
        assert_eq!(ledger.overdue(1000, 8), [(key("a"), Urgency::IfCheap)]);
        assert_eq!(ledger.overdue(1000, 8), [], "once");
        assert_eq!(ledger.overdue(200, 8), [(key("a"), Urgency::Must)], "always");
        ledger.let_go(&key("a"), RecordNumber(1));
        assert_eq!(ledger.free(), Some((MAIN, 1)));
        ledger.truncated(MAIN, 1);
        let mut many = ["a", "b", "c"].map(|queue| (key(queue), RecordNumber(9))).to_vec();
        ledger.wrote(MAIN, piece(4), 4, &mut many.clone());
        assert_eq!(ledger.overdue(1000, 8), [(key("a"), Urgency::IfCheap)], "the next piece");
        ledger.let_go(&key("a"), RecordNumber(2));
        ledger.truncated(MAIN, 2);
        ledger.let_go(&key("b"), RecordNumber(1));
        ledger.truncated(MAIN, 3);
        ledger.wrote(MAIN, piece(5), 5, &mut many);
        ledger.wrote(MAIN, piece(6), 6, &mut vec![(key("a"), RecordNumber(10))]);
        assert_eq!(ledger.overdue(1000, 2), [], "these are too many to be asked");
        assert_eq!(ledger.overdue(100, 2).len(), 2);
    }
}
