//! Where records live. Knows when a record is safe; knows no rule of a queue.
//!
//! ```text
//!  append ──► journal: one frame per commit, synced, then `done`        (committer: a thread, or who is alone)
//!    large ─► a frame by itself in files of their own, before           (apart: a thread)
//!  save   ──► state store: a queue as it is, so that old parts of the journal can be used again   (keeper: a thread)
//!  load   ◄── what was saved, and the records since
//! ```
//!
//! `frame` and `segment` say what is on disk, `recovery` what a start makes of it.

pub mod admin;
mod apart;
mod blobs;
mod cipher;
mod committer;
mod disk;
mod durable;
mod entries;
mod files;
mod frame;
mod ledger;
mod life;
mod memory;
mod offline;
mod pace;
mod places;
mod recovery;
mod reserve;
mod scan;
mod segment;
mod slot;
mod state;
mod tail;

use std::io;

pub use cipher::Keys;
pub use durable::{DurableStore, OpenOptions};
pub use memory::MemoryStore;
pub use offline::{Filling, Offline};
pub use places::QueueKey;
pub use state::{Save, Saved};

use crate::{
    journal::{self, BlockImage, Record, RecordNumber},
    types::{QueueName, RoomName, Timestamp},
};

/// Why the store did not take a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The medium failed; nothing more is taken from here on.
    #[error("the store failed: {0}")]
    Failed(String),
    /// There is no room on the medium.
    #[error("the disk is full")]
    Full,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum OpenError {
    #[error("another process uses this directory")]
    Locked,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(
        "journal/{name}: damaged at byte {offset}: frame {number} had been acknowledged and cannot be read"
    )]
    Damaged { name: String, offset: u64, number: u64 },
    #[error("journal/{name}: the frame at byte {offset} cannot be read: {}", if *.key == 0 { "it makes no sense" } else { "there is no key for it" })]
    Unreadable { name: String, offset: u64, key: u32 },
    #[error(
        "journal/{name}: begins or ends with frame {first}, and {last} was the last one before: a file is missing, or the state store is older than it was"
    )]
    Missing { name: String, first: u64, last: u64 },
    #[error("state.db: {0}")]
    State(String),
    #[error(
        "the server was stopped in order, with frame {expected} as the last one; journal/{name} ends with frame {found}, at byte {offset}"
    )]
    CleanStop { expected: u64, found: u64, name: String, offset: u64 },
    #[error("the data is of format {0}, which this version does not know")]
    Format(i64),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::State(error.to_string())
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::State(error.to_string())
    }
}

/// How a store is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Health {
    /// It takes everything.
    #[default]
    Good,
    /// There is no room for more: it takes only what gives room back.
    Full,
    /// It takes nothing any more.
    Failed(StoreError),
}

/// Whether a batch is safe already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// As safe as this store makes it.
    Durable,
    /// Under way: `done` will say.
    Pending,
}

/// How much a queue should be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// If it is little work: part of the journal can be used again then, instead of another.
    IfCheap,
    /// There is no room in the journal for what it keeps there.
    Must,
}

/// How many requests wait for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requests {
    /// None: they are answered already. It may be written some milliseconds later, together with what comes meanwhile.
    None,
    /// One: its sender may be alone, and wait for nothing but this.
    One,
    /// Several, or it is not known.
    Many,
}

/// Called once, from any thread, when a pending batch is safe or has failed.
pub type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Records of one queue, in order.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Whose queue.
    pub room: &'a RoomName,
    /// Which queue.
    pub queue: &'a QueueName,
    /// Number of the first record.
    pub first: RecordNumber,
    /// What happened to it.
    pub records: &'a [Record],
}

impl Batch<'_> {
    fn key(&self) -> QueueKey {
        (self.room.clone(), self.queue.clone())
    }

    /// Number of the last record.
    const fn last(&self) -> RecordNumber {
        RecordNumber(self.first.0 + self.records.len() as u64 - 1)
    }

    /// Writes it down.
    fn put(&self, out: &mut Vec<u8>) {
        journal::put_entry(self.room, self.queue, self.first, self.records, out);
    }
}

/// Bodies by the offsets of their messages.
pub type Bodies = Vec<(u64, bytes::Bytes)>;

/// A queue as the store knows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// What was saved.
    pub saved: Saved,
    /// The records since, in order.
    pub records: Vec<Record>,
}

/// Takes records and says when they are safe.
///
/// Batches of one queue become durable in the order in which they were appended. After an error
/// nothing more of that queue is taken: what follows a hole must not be kept.
pub trait Store: Send + Sync + 'static {
    /// Takes batches of different queues: after a crash all of them are there, or none. `done` is called only after
    /// [`Appended::Pending`]. Blocks as long as a fast disk takes for one write, and that only for who is alone.
    ///
    /// # Errors
    /// [`StoreError`] when they were not taken.
    fn append(
        &self,
        batches: &[Batch<'_>],
        requests: Requests,
        done: Done,
    ) -> Result<Appended, StoreError>;

    /// Whether anything of this queue is stored. Quick.
    fn knows(&self, room: &RoomName, queue: &QueueName) -> bool;

    /// Whether what is appended is encrypted, or not kept at all.
    fn encrypts(&self) -> bool;

    /// Whether what is appended is kept for a later [`Self::load`], so that a queue that is saved need not be in memory.
    fn lasts(&self) -> bool;

    /// The queues of a room, deleted ones included that it still knows.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    fn queues(&self, room: &RoomName) -> Result<Vec<QueueName>, StoreError>;

    /// A queue as it is stored, but for its [`Self::blocks`]. Blocks.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn load(&self, room: &RoomName, queue: &QueueName) -> Result<Stored, StoreError>;

    /// Some saved blocks of a queue, in order, those after one: number of the partition and of the block. None: there are
    /// no more. All bodies are away. Blocks.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    fn blocks(
        &self,
        room: &RoomName,
        queue: &QueueName,
        after: Option<(u32, u64)>,
    ) -> Result<Vec<BlockImage>, StoreError>;

    /// Saved bodies of messages, from one offset of a partition to another, and perhaps some around them; about so many bytes
    /// of them at most. Blocks.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    fn bodies(
        &self,
        room: &RoomName,
        queue: &QueueName,
        partition: u32,
        offsets: (u64, u64),
        bytes_max: usize,
    ) -> Result<Bodies, StoreError>;

    /// Saves a queue as it is, or some of its blocks ahead. With its image it is saved as a whole, so that its records so far are no longer needed. `done` is called in any case.
    fn save(&self, save: Save, done: Done);

    /// Queues that should be saved soon, because their records hold up old parts of the journal.
    fn overdue(&self) -> Vec<(QueueKey, Urgency)>;

    /// Rooms with a queue that wants to be woken by `now`: so many of them at most, the rest the next time.
    fn due(&self, now: Timestamp, most: usize) -> Vec<RoomName>;

    /// How it is.
    fn health(&self) -> Health;

    /// Whether only what gives room back should be asked of it.
    fn is_full(&self) -> bool;
}
