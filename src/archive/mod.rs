//! A store as a text, and a store from such a text: to look into it, to change it, to take it elsewhere.
//!
//! What the lines say is in [`journal::Line`](crate::journal::Line). A text of a store that did not change is the same text. All is in
//! it that a restart keeps; what ends with a restart is not: leases (their messages are ready), receivers, sessions. Totals
//! and what is remembered of ids and keys are in it. What is encrypted in the store is plain in the text.
//!
//! Neither direction has more in memory than a server has of one queue whose bodies are away.

mod export;
mod import;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

pub use export::export;
pub use import::import;

use crate::{
    engine::{Queue, QueueConfig, Record},
    journal::{BlockImage, Image, WrongJson},
    store::{Keys, OpenError, StoreError},
    types::RoomName,
};

/// What was written or read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Queues.
    pub queues: u64,
    /// Messages in them.
    pub messages: u64,
}

/// Why a store is not exported or imported.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum ArchiveError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Store(#[from] OpenError),
    #[error("line {number}: {why}; nothing is imported")]
    Line { number: u64, why: String },
}

impl From<StoreError> for ArchiveError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

impl ArchiveError {
    fn line(number: u64, why: impl Into<String>) -> Self {
        Self::Line { number, why: why.into() }
    }

    fn json(number: u64, wrong: &WrongJson) -> Self {
        Self::line(number, wrong.to_string())
    }
}

/// Exports into a new file, which nobody else may read; none: standard output.
///
/// # Errors
/// [`ArchiveError`]; there is no file, then.
pub fn export_to(
    directory: &Path,
    keys: &Keys,
    rooms: &[RoomName],
    path: Option<&Path>,
) -> Result<Counts, ArchiveError> {
    let Some(path) = path else {
        return export(directory, keys, rooms, &mut BufWriter::new(io::stdout().lock()));
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|error| about(path, &error))?;
    let mut out = BufWriter::new(&file);
    let written = export(directory, keys, rooms, &mut out).and_then(|counts| {
        out.flush()?;
        file.sync_all()?;
        Ok(counts)
    });
    if written.is_err() {
        // It is cut, and would be refused as such.
        let _ = fs::remove_file(path);
    }
    written
}

/// Imports from a file; `-` is standard input.
///
/// # Errors
/// [`ArchiveError`]; nothing is imported, then.
pub fn import_from(directory: &Path, keys: &Keys, path: &Path) -> Result<Counts, ArchiveError> {
    if path == Path::new("-") {
        return import(directory, keys, &mut io::stdin().lock());
    }
    let file = File::open(path).map_err(|error| about(path, &error))?;
    import(directory, keys, &mut BufReader::new(file))
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// A queue from what is stored of it. `blocks` gives some after one, in order; none: there are no more.
fn restore(
    image: Option<Image>,
    records: Vec<Record>,
    encrypts: bool,
    mut blocks: impl FnMut(Option<(u32, u64)>) -> Result<Vec<BlockImage>, StoreError>,
) -> Result<Queue, StoreError> {
    let config = QueueConfig { encrypts, ..QueueConfig::unlimited() };
    let Some(image) = image else { return Ok(replayed(Queue::new(config), records)) };
    let (mut after, mut failed) = (None, None);
    let all = std::iter::from_fn(|| match blocks(after) {
        Ok(blocks) => {
            after = Some(blocks.last().map(|last| (last.partition, last.block))?);
            Some(blocks)
        }
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    let restored = Queue::restore(config, image, all.flatten());
    match failed {
        Some(error) => Err(error),
        None => restored
            .map(|queue| replayed(queue, records))
            .map_err(|error| StoreError::Failed(error.to_string())),
    }
}

fn replayed(mut queue: Queue, records: Vec<Record>) -> Queue {
    records.into_iter().for_each(|record| queue.replay(record));
    queue
}
