//! The state store: what queues were when they were last saved, in SQLite. Never on the way of an acknowledgement.
//!
//! ```text
//! meta   name → number             format, id of the store, frames of the journal that are no longer needed, sum of all queues,
//!                                  sum of all places in files
//! queue  room, queue → image       all of a queue but its messages, the last record it knows, when it wants to be woken;
//!                                  empty as long as only blocks are saved
//! part   queue, partition, block   messages of one block without their bodies; may be newer or older than the image, which
//!                                  says what counts
//! body   queue, partition, offset  bodies of some messages, the first of which has this offset; or where in a file they are
//! ```
//!
//! Every row that matters carries a checksum over its content and its place. SQLite forgets the end of a damaged log in silence:
//! `retired` is older then than the first segment of the journal, and the start is refused.

mod blocks;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    OpenError, StoreError,
    blobs::{self, Blobs, Extent},
    cipher::{Keys, Sealing},
    disk::Disk,
    places::QueueKey,
    slot::{BySlot, LARGE, MAIN, Slot},
};
use crate::{
    journal::{self, BlockImage, Image, RecordNumber},
    types::{QueueName, RoomName, Timestamp},
};

/// The version of what is in the directory.
const FORMAT: i64 = 3;

/// The one before: all bodies are in rows.
const WITHOUT_BLOBS: i64 = 2;

/// Large rows are not keys of their own: whoever looks for one would read all those that he passes by.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS queue (
        id INTEGER PRIMARY KEY, room TEXT NOT NULL, queue TEXT NOT NULL, applied INTEGER NOT NULL,
        frame INTEGER NOT NULL, exists_ INTEGER NOT NULL, due INTEGER, image BLOB NOT NULL, UNIQUE (room, queue));
    CREATE TABLE IF NOT EXISTS part (
        queue INTEGER NOT NULL, part INTEGER NOT NULL, block INTEGER NOT NULL, messages BLOB NOT NULL,
        UNIQUE (queue, part, block));
    CREATE TABLE IF NOT EXISTS body (
        queue INTEGER NOT NULL, part INTEGER NOT NULL, first INTEGER NOT NULL, bodies BLOB NOT NULL,
        UNIQUE (queue, part, first));";

/// What came with [`FORMAT`]. A start reads all of the index.
const WITH_BLOBS: &str = "
    ALTER TABLE body ADD COLUMN file INTEGER;
    ALTER TABLE body ADD COLUMN at INTEGER;
    ALTER TABLE body ADD COLUMN length INTEGER;
    CREATE INDEX body_in_file ON body (file, at, length) WHERE file IS NOT NULL;
    INSERT INTO meta VALUES ('extents', 0);";

/// Bytes of a page: a piece of bodies fills some.
const PAGE: u32 = 16 << 10;

/// So much is written ahead before it is brought to its place.
const AHEAD: u32 = 4 << 20;

/// What a row holds: part of the place it is bound to.
const IMAGES: u8 = 0;
const BLOCKS: u8 = 1;
const BODIES: u8 = 2;

pub(super) struct State {
    path: PathBuf,
    connection: Connection,
    blobs: Arc<Blobs>,
}

/// A queue as it was saved.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The last record it knows.
    pub applied: RecordNumber,
    /// All of it but its messages; none: it was never saved.
    pub image: Option<Image>,
}

/// A queue to be saved.
#[derive(Debug)]
pub struct Save {
    /// Whose queue.
    pub room: RoomName,
    /// Which queue.
    pub queue: QueueName,
    /// The last record it knows. All up to it must be durable.
    pub applied: RecordNumber,
    /// All of it but its messages; none: more blocks are to come before it.
    pub image: Option<Image>,
    /// Messages that are not saved yet. With an image there are no others.
    pub blocks: Vec<BlockImage>,
    /// Blocks that are kept though the image may not need them: number of the partition, first and last block.
    pub wanted: Vec<(u32, u64, u64)>,
    /// Whether there is such a queue; it may have been deleted.
    pub exists: bool,
    /// When it wants to be woken.
    pub due: Option<Timestamp>,
}

/// The name of the number up to which frames are no longer needed.
fn retired(slot: Slot) -> &'static str {
    if slot == LARGE { "retired_large" } else { "retired" }
}

fn senseless() -> StoreError {
    StoreError::Failed("state store: a saved queue makes no sense".into())
}

fn failed(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
        _ => StoreError::Failed(format!("state store: {error}")),
    }
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    // Saying it once more would write, for which there may be no room.
    if connection.pragma_query_value(None, "auto_vacuum", |row| row.get::<_, i64>(0))? == 0 {
        connection.pragma_update(None, "page_size", PAGE)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", AHEAD / PAGE)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

fn number(connection: &Connection, name: &str) -> Result<Option<i64>, rusqlite::Error> {
    let text = "SELECT value FROM meta WHERE name = ?";
    connection.query_row(text, [name], |row| row.get(0)).optional()
}

/// Whether [`State::open`] changes it. Only who has the lock of the directory may open it then.
pub(super) fn is_of_earlier_format(path: &Path) -> Result<bool, OpenError> {
    Ok(must(&connect(path)?, "format")?.cast_signed() == WITHOUT_BLOBS)
}

/// Where the bodies of a state store are that are in files beside it.
pub(super) fn extents(path: &Path) -> Result<Vec<Extent>, OpenError> {
    all_extents(&mut connect(path)?)
}

fn all_extents(connection: &mut Connection) -> Result<Vec<Extent>, OpenError> {
    // Of one moment, whoever writes meanwhile.
    let moment = connection.transaction()?;
    let extents = blocks::extents(&moment)?;
    match blobs::fingerprint(&extents) == must(&moment, "extents")?.cast_signed() {
        true => Ok(extents),
        false => Err(OpenError::State("what it says of blobs is damaged".to_owned())),
    }
}

fn must(connection: &Connection, name: &str) -> Result<u64, OpenError> {
    let number = number(connection, name)?;
    number.map(i64::cast_unsigned).ok_or_else(|| OpenError::State(format!("{name} is missing")))
}

impl State {
    /// Opens one that is there, and the files of bodies beside it.
    pub(super) fn open(path: &Path, blobs: &Arc<dyn Disk>) -> Result<Self, OpenError> {
        if !path.is_file() {
            return Err(OpenError::State("it is missing".to_owned()));
        }
        let mut connection = connect(path)?;
        match must(&connection, "format")?.cast_signed() {
            FORMAT => {}
            WITHOUT_BLOBS => {
                let transaction = connection.transaction()?;
                transaction.execute_batch(WITH_BLOBS)?;
                transaction.execute("UPDATE meta SET value = ? WHERE name = 'format'", [FORMAT])?;
                transaction.commit()?;
            }
            other => return Err(OpenError::Format(other)),
        }
        let blobs = Arc::new(Blobs::open(Arc::clone(blobs), &all_extents(&mut connection)?)?);
        Ok(Self { path: path.to_owned(), connection, blobs })
    }

    /// Opens it, or makes it with all that a new one needs: half of it could never be opened again.
    pub(super) fn open_or_make(path: &Path, blobs: &Arc<dyn Disk>) -> Result<Self, OpenError> {
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(|error| OpenError::State(error.to_string()))?;
        let mut connection = connect(path)?;
        if number(&connection, "format")?.is_none() {
            let transaction = connection.transaction()?;
            transaction.execute_batch(WITH_BLOBS)?;
            let store = i64::from_le_bytes(id);
            for (name, value) in [("format", FORMAT), ("store", store), ("retired", 0), ("sum", 0)]
            {
                transaction.execute("INSERT INTO meta VALUES (?, ?)", params![name, value])?;
            }
            transaction.commit()?;
        }
        drop(connection);
        Self::open(path, blobs)
    }

    /// The same once more, for another thread.
    pub(super) fn another(&self) -> Result<Self, OpenError> {
        let connection = connect(&self.path)?;
        Ok(Self { path: self.path.clone(), connection, blobs: Arc::clone(&self.blobs) })
    }

    /// Bytes of bodies in files beside it.
    pub(super) fn blob_bytes(&self) -> u64 {
        self.blobs.bytes()
    }

    /// Gives back what is free in those files.
    pub(super) fn give_back(&self) -> Result<(), StoreError> {
        self.blobs.give_back()
    }

    /// The id of the store.
    pub(super) fn store(&self) -> Result<u64, OpenError> {
        must(&self.connection, "store")
    }

    /// All frames of each slot up to these are no longer needed.
    pub(super) fn retired(&self) -> Result<BySlot<u64>, OpenError> {
        // There is none before the first one is.
        let large = number(&self.connection, retired(LARGE))?.map_or(0, i64::cast_unsigned);
        Ok(BySlot { main: must(&self.connection, retired(MAIN))?, large })
    }

    pub(super) fn set_retired(&self, slot: Slot, frame: u64) -> Result<(), StoreError> {
        let text = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
        let set = self.connection.execute(text, params![retired(slot), frame.cast_signed()]);
        set.map_err(failed)?;
        Ok(())
    }

    /// All queues: who, whether there is one, when it wants to be woken.
    pub(super) fn queues(&self) -> Result<Vec<(QueueKey, bool, Option<Timestamp>)>, OpenError> {
        let text = "SELECT room, queue, applied, exists_, due FROM queue";
        let mut statement = self.connection.prepare(text)?;
        let mut rows = statement.query([])?;
        let (mut queues, mut sum) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let (room, queue): (String, String) = (row.get(0)?, row.get(1)?);
            sum = i64::wrapping_add(sum, Row::read(row, 2)?.fingerprint(&room, &queue));
            let wrong =
                || OpenError::State(format!("the name of a queue is damaged: {room} {queue}"));
            let key = (
                room.parse().map_err(|_| wrong())?,
                QueueName::stored(&queue).map_err(|_| wrong())?,
            );
            let due: Option<i64> = row.get(4)?;
            queues.push((key, row.get(3)?, due.map(|at| Timestamp(at.cast_unsigned()))));
        }
        if sum != must(&self.connection, "sum")?.cast_signed() {
            return Err(OpenError::State("queues are missing or damaged".to_owned()));
        }
        Ok(queues)
    }

    /// Forgets queues that were deleted, if nothing of them is in the journal: neither from before frame `retired`, nor, as
    /// `is_in_journal` says, since.
    pub(super) fn forget_deleted(
        &mut self,
        retired: u64,
        is_in_journal: impl Fn(&str, &str) -> bool,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction().map_err(failed)?;
        let mut left = Vec::new();
        let mut forget = || -> Result<(), rusqlite::Error> {
            let text = "SELECT id, room, queue, applied, exists_, due FROM queue WHERE exists_ = 0 AND frame <= ?";
            let mut statement = transaction.prepare(text)?;
            let mut rows = statement.query([retired.cast_signed()])?;
            let mut sum = 0;
            while let Some(row) = rows.next()? {
                let (id, room, queue): (i64, String, String) =
                    (row.get(0)?, row.get(1)?, row.get(2)?);
                if !is_in_journal(&room, &queue) {
                    sum = i64::wrapping_sub(sum, Row::read(row, 3)?.fingerprint(&room, &queue));
                    for table in ["part WHERE queue", "queue WHERE id"] {
                        transaction.execute(&format!("DELETE FROM {table} = ?"), [id])?;
                    }
                    blocks::remove_bodies(&transaction, "queue = ?", [id], &mut left)?;
                }
            }
            add_to(&transaction, "extents", blobs::fingerprint(&left).wrapping_neg())?;
            add_to(&transaction, "sum", sum)
        };
        forget().map_err(failed)?;
        transaction.commit().map_err(failed)?;
        self.blobs.committed(&left);
        Ok(())
    }

    /// Whether a queue is saved.
    pub(super) fn knows(&self, room: &RoomName, queue: &QueueName) -> Result<bool, StoreError> {
        self.connection
            .prepare_cached("SELECT 1 FROM queue WHERE room = ? AND queue = ?")
            .and_then(|mut statement| statement.exists([room.as_str(), queue.as_str()]))
            .map_err(failed)
    }

    /// The queues of a room.
    pub(super) fn queues_of(&self, room: &RoomName) -> Result<Vec<QueueName>, StoreError> {
        let read = || -> Result<Vec<String>, rusqlite::Error> {
            let mut statement =
                self.connection.prepare_cached("SELECT queue FROM queue WHERE room = ?")?;
            let rows = statement.query_map([room.as_str()], |row| row.get(0))?;
            rows.collect()
        };
        let names = read().map_err(failed)?;
        let names = names.iter().map(|name| QueueName::stored(name));
        names
            .collect::<Result<_, _>>()
            .map_err(|_| StoreError::Failed("state store: a damaged name".into()))
    }

    /// A queue without its messages.
    pub(super) fn load(&self, (room, queue): &QueueKey, keys: &Keys) -> Result<Saved, StoreError> {
        let text = "SELECT applied, image FROM queue WHERE room = ? AND queue = ?";
        let found = self.connection.query_row(text, [room.as_str(), queue.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?))
        });
        let Some((applied, image)) = found.optional().map_err(failed)? else {
            return Ok(Saved::default());
        };
        if Vec::is_empty(&image) {
            return Ok(Saved::default()); // Some blocks were saved ahead.
        }
        let image = unwrap(image, &place(room, queue, IMAGES, 0, applied), keys)?;
        let image = journal::decode_image(image).map_err(|_| senseless())?;
        let applied = RecordNumber(applied.cast_unsigned());
        Ok(Saved { applied, image: Some(image) })
    }

    /// Saves a queue, all of it or nothing. `frame`: the last one that may know it.
    pub(super) fn save(&mut self, save: &Save, frame: u64, keys: &Keys) -> Result<(), StoreError> {
        match self.commit(save, frame, keys) {
            Ok(left) => {
                self.blobs.committed(&left);
                Ok(())
            }
            Err(error) => {
                // Where there was no room nothing of the transaction is left. After another error nobody knows.
                self.blobs.undone(error == StoreError::Full);
                Err(error)
            }
        }
    }

    fn commit(&mut self, save: &Save, frame: u64, keys: &Keys) -> Result<Vec<Extent>, StoreError> {
        let transaction = self.connection.transaction().map_err(failed)?;
        let left = write(&transaction, &self.blobs, save, frame, keys)?;
        self.blobs.flush()?;
        transaction.commit().map_err(failed)?;
        Ok(left)
    }

    /// What is saved from here on is there with [`Self::end_filling`], all of it or nothing. Nobody else may use it meanwhile:
    /// pages that were not there before are written once, and need not be written ahead.
    pub(super) fn begin_filling(&self) -> Result<(), OpenError> {
        let mode: String =
            self.connection
                .pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
        if mode != "delete" {
            return Err(OpenError::Locked);
        }
        Ok(self.connection.execute_batch("BEGIN EXCLUSIVE")?)
    }

    /// Saves a queue, or some blocks of it, with all else.
    pub(super) fn fill(&self, save: &Save, frame: u64, keys: &Keys) -> Result<(), StoreError> {
        let left = write(&self.connection, &self.blobs, save, frame, keys)?;
        self.blobs.committed(&left);
        Ok(())
    }

    pub(super) fn end_filling(&self) -> Result<(), OpenError> {
        self.blobs.flush()?;
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    /// Copies all of it as it is now, whoever writes meanwhile.
    pub(super) fn copy_to(&self, path: &Path) -> Result<(), OpenError> {
        let name =
            path.to_str().ok_or_else(|| OpenError::State("the path is no text".to_owned()))?;
        self.connection.execute("VACUUM INTO ?", [name])?;
        Ok(())
    }

    /// On a full disk: gives all free pages back, and empties the file of what was written ahead.
    pub(super) fn make_room(&self) {
        for text in ["PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            if let Err(error) = self.run(text) {
                tracing::debug!(%error, "state.db is not made smaller");
            }
        }
    }

    /// Gives pages back that are free.
    pub(super) fn shrink(&self) -> Result<(), StoreError> {
        self.run("PRAGMA incremental_vacuum(256)").map_err(failed)
    }

    /// A pragma that works a little with every step.
    fn run(&self, text: &str) -> Result<(), rusqlite::Error> {
        let mut statement = self.connection.prepare(text)?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    }
}

/// Writes it; what no row knows any more when all of it is committed.
fn write(
    transaction: &Connection,
    blobs: &Blobs,
    save: &Save,
    frame: u64,
    keys: &Keys,
) -> Result<Vec<Extent>, StoreError> {
    let key = (save.room.clone(), save.queue.clone());
    let id = match &save.image {
        Some(image) => write_image(transaction, save, image, frame, keys)?,
        None => id_for_blocks(transaction, &key, frame)?,
    };
    let mut left = Vec::new();
    for one in &save.blocks {
        blocks::write(transaction, blobs, (id, &key), one, keys, &mut left)?;
    }
    if let Some(image) = &save.image {
        let mut needed = image.needed_blocks();
        needed.extend(&save.wanted);
        needed.sort_unstable();
        blocks::remove_unneeded(transaction, id, &needed, &mut left).map_err(failed)?;
    }
    let change = blobs.put_since().wrapping_sub(blobs::fingerprint(&left));
    add_to(transaction, "extents", change).map_err(failed)?;
    Ok(left)
}

fn write_image(
    transaction: &Connection,
    save: &Save,
    image: &Image,
    frame: u64,
    keys: &Keys,
) -> Result<i64, StoreError> {
    let (room, queue) = (save.room.as_str(), save.queue.as_str());
    let applied = save.applied.0.cast_signed();
    let text = "SELECT applied, exists_, due FROM queue WHERE room = ? AND queue = ?";
    let before = transaction
        .query_row(text, [room, queue], |row| Row::read(row, 0))
        .optional()
        .map_err(failed)?;
    let of_row = place(&save.room, &save.queue, IMAGES, 0, applied);
    let content = wrap(&journal::encode_image(image), &of_row, keys)?;
    let due = save.due.map(|at| at.0.min(i64::MAX as u64).cast_signed());
    let id = transaction
        .prepare_cached(
            "INSERT INTO queue (room, queue, applied, frame, exists_, due, image) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (room, queue) DO UPDATE SET applied = ?3, frame = ?4, exists_ = ?5, due = ?6, image = ?7
             RETURNING id",
        )
        .and_then(|mut statement| {
            let frame = frame.cast_signed();
            let values = params![room, queue, applied, frame, save.exists, due, content];
            statement.query_row(values, |row| row.get(0))
        })
        .map_err(failed)?;
    let old = before.map_or(0, |row| row.fingerprint(room, queue));
    let new = Row { applied, exists: save.exists, due };
    let change = new.fingerprint(room, queue).wrapping_sub(old);
    add_to(transaction, "sum", change).map_err(failed)?;
    Ok(id)
}

/// The row of a queue, which is made if it was never saved.
fn id_for_blocks(
    transaction: &Connection,
    (room, queue): &QueueKey,
    frame: u64,
) -> Result<i64, StoreError> {
    let (room, queue) = (room.as_str(), queue.as_str());
    let find = "SELECT id FROM queue WHERE room = ? AND queue = ?";
    let find = || transaction.query_row(find, [room, queue], |row| row.get(0)).optional();
    if let Some(id) = find().map_err(failed)? {
        return Ok(id);
    }
    let row = Row { applied: 0, exists: true, due: None };
    let text = "INSERT INTO queue (room, queue, applied, frame, exists_, image) VALUES (?, ?, 0, ?, 1, x'')";
    transaction.execute(text, params![room, queue, frame.cast_signed()]).map_err(failed)?;
    add_to(transaction, "sum", row.fingerprint(room, queue)).map_err(failed)?;
    Ok(transaction.last_insert_rowid())
}

/// What is read of all queues without their images.
struct Row {
    applied: i64,
    exists: bool,
    due: Option<i64>,
}

impl Row {
    fn read(row: &rusqlite::Row<'_>, at: usize) -> Result<Self, rusqlite::Error> {
        Ok(Self { applied: row.get(at)?, exists: row.get(at + 1)?, due: row.get(at + 2)? })
    }

    /// What a queue adds to the sum of all, so that one that is missing or changed is noticed.
    fn fingerprint(&self, room: &str, queue: &str) -> i64 {
        let high = crc32c::crc32c_append(crc32c::crc32c(room.as_bytes()), queue.as_bytes());
        let numbers = [self.applied, i64::from(self.exists), self.due.unwrap_or(-1)];
        let bytes: Vec<u8> = numbers.into_iter().flat_map(i64::to_le_bytes).collect();
        (i64::from(high) << 32) ^ i64::from(crc32c::crc32c_append(high, &bytes))
    }
}

fn add_to(transaction: &Connection, name: &str, change: i64) -> Result<(), rusqlite::Error> {
    if change == 0 {
        return Ok(());
    }
    let sum = number(transaction, name)?.unwrap_or(0);
    transaction
        .prepare_cached("UPDATE meta SET value = ? WHERE name = ?")?
        .execute(params![sum.wrapping_add(change), name])?;
    Ok(())
}

/// What the content of a row is bound to.
fn place(room: &RoomName, queue: &QueueName, kind: u8, part: u32, number: i64) -> Vec<u8> {
    let mut place = vec![kind];
    place.extend_from_slice(room.as_str().as_bytes());
    place.push(0);
    place.extend_from_slice(queue.as_str().as_bytes());
    place.push(0);
    place.extend_from_slice(&number.to_le_bytes());
    place.extend_from_slice(&part.to_le_bytes());
    place
}

/// Length of checksum, key and nonce.
const WRAPPING: usize = 20;

fn wrap(content: &[u8], place: &[u8], keys: &Keys) -> Result<Vec<u8>, StoreError> {
    let mut row = Vec::with_capacity(WRAPPING + content.len() + 16);
    row.resize(WRAPPING, 0);
    row.extend_from_slice(content);
    let sealing = keys.seal(&mut row, WRAPPING, place)?;
    row[4..8].copy_from_slice(&sealing.key.to_le_bytes());
    row[8..WRAPPING].copy_from_slice(&sealing.nonce);
    let crc = crc32c::crc32c_append(crc32c::crc32c(place), &row[4..]);
    row[..4].copy_from_slice(&crc.to_le_bytes());
    Ok(row)
}

fn unwrap(row: Vec<u8>, place: &[u8], keys: &Keys) -> Result<Bytes, StoreError> {
    let damaged = || StoreError::Failed("state store: a saved queue is damaged".into());
    if row.len() < WRAPPING {
        return Err(damaged());
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(place), &row[4..]);
    if row[..4] != crc.to_le_bytes() {
        return Err(damaged());
    }
    let mut sealing = Sealing { key: 0, nonce: [0; 12] };
    sealing.key = row[4..8].try_into().map_or(0, u32::from_le_bytes);
    sealing.nonce.copy_from_slice(&row[8..WRAPPING]);
    keys.open(sealing, place, Bytes::from(row).split_off(WRAPPING))
        .ok_or_else(|| StoreError::Failed("state store: there is no key for a saved queue".into()))
}

#[cfg(test)]
mod tests;
