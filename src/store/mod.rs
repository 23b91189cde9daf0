//! Where records live. Knows when a record is safe; knows no rule of a queue.

mod memory;

pub use memory::MemoryStore;

use crate::{
    journal::Record,
    types::{QueueName, RoomName},
};

/// Why the store did not take a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The medium failed; nothing more is taken from here on.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Whether a batch is safe already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// As safe as this store makes it.
    Durable,
    /// Under way: `done` will say.
    Pending,
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
    /// What happened to it.
    pub records: &'a [Record],
}

/// Takes records and says when they are safe.
///
/// Batches of one queue become durable in the order in which they were appended. After an error
/// nothing more of that queue is taken: what follows a hole must not be kept.
pub trait Store: Send + Sync + 'static {
    /// Takes batches of different queues: after a crash all of them are there, or none. Never blocks. `done` is
    /// called only after [`Appended::Pending`].
    ///
    /// # Errors
    /// [`StoreError`] when they were not taken.
    fn append(&self, batches: &[Batch<'_>], done: Done) -> Result<Appended, StoreError>;

    /// All records of a queue, in order.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    fn load(&self, room: &RoomName, queue: &QueueName) -> Result<Vec<Record>, StoreError>;
}
