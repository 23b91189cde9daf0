//! A journal as the store knows it: frames by slot, position and epoch.
//!
//! * A *slot* is a part of a journal that has one writer. A server by itself has two, one of them for what is large, and its
//!   journal is the files of its directory (`files`); one that many servers share would give each of them some slots.
//! * Frames of a slot have *positions* 1, 2, 3 … without gaps.
//! * An *epoch* begins when a writer takes a slot over, and is higher than all before it. Who writes in an epoch that is
//!   over is refused.

use bytes::Bytes;

use super::{StoreError, places::Place};

/// A part of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(pub(super) u16);

/// Everything that a server by itself writes, in order.
pub(super) const MAIN: Slot = Slot(0);

/// What would hold up all others there, each in a frame by itself: a frame of [`MAIN`] names it (`apart`).
pub(super) const LARGE: Slot = Slot(1);

/// One for each slot of a server by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BySlot<T> {
    pub(super) main: T,
    pub(super) large: T,
}

impl<T> BySlot<T> {
    pub(super) fn of(&self, slot: Slot) -> &T {
        if slot == LARGE { &self.large } else { &self.main }
    }

    pub(super) fn of_mut(&mut self, slot: Slot) -> &mut T {
        if slot == LARGE { &mut self.large } else { &mut self.main }
    }

    pub(super) fn each(&self) -> [(Slot, &T); 2] {
        [(MAIN, &self.main), (LARGE, &self.large)]
    }
}

/// How often a slot was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Epoch(pub(super) u32);

/// What is truncated as a whole: where a frame went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Ascends with the positions.
    pub(super) number: u64,
    /// What it takes.
    pub(super) bytes: u64,
    /// There is no room for another one.
    pub(super) is_last: bool,
}

/// Keeps frames. It is made by taking its slots over.
pub(super) trait Journal: Send + Sync + 'static {
    /// Makes a frame durable: `HEADER` free bytes and a body, which it may change. It is the one after the last.
    ///
    /// # Errors
    /// [`StoreError::Full`]: there is no room, nothing was written, and the frame is as it was. All others are final: also
    /// that the slot was taken over by somebody else.
    fn append(
        &self,
        slot: Slot,
        position: u64,
        epoch: Epoch,
        frame: &mut Vec<u8>,
    ) -> Result<Piece, StoreError>;

    /// Reads what was there when a slot was taken over, and is not truncated.
    fn reader(&self) -> Box<dyn Reader + '_>;

    /// Frames up to this one, which is the last of its piece, are no longer needed. That they are not is written down.
    ///
    /// # Errors
    /// [`StoreError`].
    fn truncate(&self, slot: Slot, through: u64) -> Result<(), StoreError>;

    /// Does ahead what an append should not have to wait for.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room for what it needs.
    fn tend(&self) -> Result<(), StoreError>;

    /// There is no room: gives back what it can do without.
    fn make_room(&self);
}

/// Reads one entry of a journal after the other.
pub(super) trait Reader {
    /// What there is from the beginning of an entry on.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn read(&mut self, place: &Place) -> Result<Bytes, StoreError>;
}
