//! What is in a journal, and how the store is: which pieces are there, and which queues still need them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{Health, StoreError, Urgency, recovery::QueueKey, slot::Piece};
use crate::journal::RecordNumber;

pub(super) struct Ledger {
    state: Mutex<State>,
    /// There is no room for another piece.
    is_full: AtomicBool,
    health: Mutex<Option<StoreError>>,
}

struct State {
    /// Oldest first; the last one may be written to.
    pieces: VecDeque<Held>,
    last: u64,
    /// The last piece of which it was said that it could be free soon.
    offered: Option<u64>,
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
    pub(super) fn new(pieces: impl IntoIterator<Item = Held>, last: u64) -> Self {
        let state = State { pieces: pieces.into_iter().collect(), last, offered: None };
        Self { state: Mutex::new(state), is_full: AtomicBool::new(false), health: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn health(&self) -> Health {
        let failed = self.health.lock().unwrap_or_else(PoisonError::into_inner).clone();
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
                *self.health.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
            }
        }
    }

    /// The last position that is durable.
    pub(super) fn last(&self) -> u64 {
        self.state().last
    }

    /// This position is durable, and has these records.
    pub(super) fn wrote(
        &self,
        piece: Piece,
        position: u64,
        queues: &mut Vec<(QueueKey, RecordNumber)>,
    ) {
        let mut state = self.state();
        state.last = position;
        let Piece { number, bytes, is_last } = piece;
        if state.pieces.back().is_none_or(|last| last.number != number) {
            state.pieces.push_back(Held { number, bytes, last: position, holders: HashMap::new() });
            if is_last {
                self.set_full(true);
            }
        }
        let Some(held) = state.pieces.back_mut() else { return };
        held.last = position;
        held.holders.extend(queues.drain(..));
    }

    /// The queue is saved up to and including `through`.
    pub(super) fn let_go(&self, queue: &QueueKey, through: RecordNumber) {
        for piece in &mut self.state().pieces {
            if piece.holders.get(queue).is_some_and(|last| *last <= through) {
                piece.holders.remove(queue);
            }
        }
    }

    /// Up to `max` queues that hold up the oldest pieces. They must be saved if all pieces take more than `bytes_max`; else
    /// they are asked once for each piece, and only if they are few.
    pub(super) fn overdue(&self, bytes_max: u64, max: usize) -> Vec<(QueueKey, Urgency)> {
        let mut state = self.state();
        let mut excess = state.pieces.iter().map(|piece| piece.bytes).sum::<u64>();
        let mut overdue = Vec::new();
        for piece in state.pieces.iter().take(state.pieces.len().saturating_sub(1)) {
            if excess <= bytes_max || overdue.len() >= max {
                break;
            }
            excess -= piece.bytes;
            let holders = piece.holders.keys().take(max - overdue.len()).cloned();
            overdue.extend(holders.map(|queue| (queue, Urgency::Must)));
        }
        if overdue.is_empty()
            && state.pieces.len() > FEW
            && let Some(oldest) = state.pieces.front().filter(|it| it.holders.len() <= max)
            && state.offered != Some(oldest.number)
        {
            overdue.extend(oldest.holders.keys().map(|queue| (queue.clone(), Urgency::IfCheap)));
            state.offered = Some(oldest.number);
        }
        overdue
    }

    /// The last position of the oldest piece that nothing holds, if there is one that is not written to.
    pub(super) fn free(&self) -> Option<u64> {
        let state = self.state();
        let oldest = state.pieces.front()?;
        (state.pieces.len() > 1 && oldest.holders.is_empty()).then_some(oldest.last)
    }

    /// Everything up to this position is truncated.
    pub(super) fn truncated(&self, through: u64) {
        self.state().pieces.retain(|piece| piece.last > through);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(queue: &str) -> QueueKey {
        ("r".parse().unwrap(), queue.parse().unwrap())
    }

    fn piece(number: u64) -> Piece {
        Piece { number, bytes: 100, is_last: false }
    }

    #[test]
    fn the_oldest_of_several_pieces_is_offered_once_to_few_and_beyond_the_limit_they_must() {
        let ledger = Ledger::new([], 0);
        for number in 1..=2 {
            ledger.wrote(piece(number), number, &mut vec![(key("a"), RecordNumber(number))]);
        }
        assert_eq!(ledger.overdue(1000, 8), [], "two are few");
        ledger.wrote(piece(3), 3, &mut vec![(key("b"), RecordNumber(1))]);
        assert_eq!(ledger.overdue(1000, 8), [(key("a"), Urgency::IfCheap)]);
        assert_eq!(ledger.overdue(1000, 8), [], "once");
        assert_eq!(ledger.overdue(200, 8), [(key("a"), Urgency::Must)], "always");
        ledger.let_go(&key("a"), RecordNumber(1));
        assert_eq!(ledger.free(), Some(1));
        ledger.truncated(1);
        let mut many = ["a", "b", "c"].map(|queue| (key(queue), RecordNumber(9))).to_vec();
        ledger.wrote(piece(4), 4, &mut many.clone());
        assert_eq!(ledger.overdue(1000, 8), [(key("a"), Urgency::IfCheap)], "the next piece");
        ledger.let_go(&key("a"), RecordNumber(2));
        ledger.truncated(2);
        ledger.let_go(&key("b"), RecordNumber(1));
        ledger.truncated(3);
        ledger.wrote(piece(5), 5, &mut many);
        ledger.wrote(piece(6), 6, &mut vec![(key("a"), RecordNumber(10))]);
        assert_eq!(ledger.overdue(1000, 2), [], "these are too many to be asked");
        assert_eq!(ledger.overdue(100, 2).len(), 2);
    }
}
