//! The messages of saved queues: what is said of them by the block, and their bodies in pieces.
//!
//! A block has a row of its own. Its bodies stand in rows of some of them each, by the offset of the first: one body is
//! read without all others, and no row is much larger than its largest body. A piece that is worth it is in a file beside
//! the state store.

use std::collections::HashMap;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::{BLOCKS, BODIES, State, failed, place, senseless, unwrap, wrap};
use crate::{
    journal::{self, BLOCK, BlockImage},
    store::{
        Bodies, Keys, OpenError, StoreError,
        blobs::{Blobs, Extent},
        places::QueueKey,
    },
};

/// Bytes of bodies from which on a piece gets no more.
const PIECE: usize = 64 << 10;

/// A piece of so many bytes is written to a file: to sync that one, too, costs more than a few pages.
const FILED: usize = 16 << 10;

/// Blocks that are read at a time.
const PAGE: u32 = 64;

impl State {
    fn id(&self, (room, queue): &QueueKey) -> Result<Option<i64>, StoreError> {
        let text = "SELECT id FROM queue WHERE room = ? AND queue = ?";
        let mut statement = self.connection.prepare_cached(text).map_err(failed)?;
        let id = statement.query_row([room.as_str(), queue.as_str()], |row| row.get(0));
        id.optional().map_err(failed)
    }

    /// Some blocks of a queue, in order, from the one after `after` on; none: there are no more. Bodies are away.
    pub(in crate::store) fn blocks(
        &self,
        key: &QueueKey,
        after: Option<(u32, u64)>,
        keys: &Keys,
    ) -> Result<Vec<BlockImage>, StoreError> {
        let Some(id) = self.id(key)? else { return Ok(Vec::new()) };
        let (part, block) = after.map_or((-1, 0), |(part, block)| (i64::from(part), block));
        let text = "SELECT part, block, messages FROM part
             WHERE queue = ? AND (part, block) > (?, ?) ORDER BY part, block LIMIT ?";
        let mut statement = self.connection.prepare_cached(text).map_err(failed)?;
        let values = params![id, part, block.cast_signed(), PAGE];
        let mut rows = statement.query(values).map_err(failed)?;
        let mut blocks = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let part: u32 = row.get(0).map_err(failed)?;
            let block: i64 = row.get(1).map_err(failed)?;
            let content = row.get(2).map_err(failed)?;
            let content = unwrap(content, &place(&key.0, &key.1, BLOCKS, part, block), keys)?;
            let block = journal::decode_block(part, block.cast_unsigned(), content);
            blocks.push(block.map_err(|_| senseless())?);
        }
        Ok(blocks)
    }

    /// Bodies of messages from offset `first` on, up to `last`, and perhaps some around them. Not all, if they are more
    /// than `bytes_max`.
    pub(in crate::store) fn bodies(
        &self,
        key: &QueueKey,
        part: u32,
        (first, last): (u64, u64),
        bytes_max: usize,
        keys: &Keys,
    ) -> Result<Bodies, StoreError> {
        let Some(id) = self.id(key)? else { return Ok(Vec::new()) };
        read(&self.connection, &self.blobs, (id, key), part, (first, last), bytes_max, keys)
    }
}

/// All extents that rows know, in order.
pub(super) fn extents(connection: &Connection) -> Result<Vec<Extent>, OpenError> {
    let text = "SELECT file, at, length FROM body WHERE file IS NOT NULL ORDER BY file, at, length";
    let mut statement = connection.prepare(text)?;
    let mut rows = statement.query([])?;
    let mut extents = Vec::new();
    while let Some(row) = rows.next()? {
        extents.extend(extent(row, 0)?);
    }
    Ok(extents)
}

/// Where the bodies of a row are, if they are in a file.
fn extent(row: &Row<'_>, column: usize) -> Result<Option<Extent>, rusqlite::Error> {
    let Some(file) = row.get::<_, Option<i64>>(column)? else { return Ok(None) };
    let (at, length): (i64, i64) = (row.get(column + 1)?, row.get(column + 2)?);
    let [file, at, length] = [file, at, length].map(i64::cast_unsigned);
    Ok(Some(Extent { file, at, length }))
}

fn read(
    connection: &Connection,
    blobs: &Blobs,
    (id, (room, queue)): (i64, &QueueKey),
    part: u32,
    (first, last): (u64, u64),
    bytes_max: usize,
    keys: &Keys,
) -> Result<Bodies, StoreError> {
    // What a row says from here on is in the files as long as they are read.
    let mut files = blobs.reader();
    // The piece with the first one may begin before it.
    let text = "SELECT first, file, at, length, bodies FROM body WHERE queue = ?1 AND part = ?2 AND first <= ?4 AND first >= coalesce(
             (SELECT max(first) FROM body WHERE queue = ?1 AND part = ?2 AND first <= ?3), ?3) ORDER BY first";
    let mut statement = connection.prepare_cached(text).map_err(failed)?;
    let values = params![id, part, first.cast_signed(), last.min(i64::MAX as u64).cast_signed()];
    let mut rows = statement.query(values).map_err(failed)?;
    let (mut found, mut bytes): (Bodies, usize) = (Vec::new(), 0);
    while bytes < bytes_max
        && let Some(row) = rows.next().map_err(failed)?
    {
        let at: i64 = row.get(0).map_err(failed)?;
        let extent = extent(row, 1).map_err(failed)?;
        let content = match extent {
            Some(extent) => files.read(extent).map_err(|error| extent.blame(error))?,
            None => row.get(4).map_err(failed)?,
        };
        bytes += content.len();
        let content = unwrap(content, &place(room, queue, BODIES, part, at), keys);
        let content = content.map_err(|error| match extent {
            Some(extent) => extent.blame(error),
            None => error,
        })?;
        found.extend(journal::decode_bodies(content).map_err(|_| senseless())?);
    }
    Ok(found)
}

/// Writes a block and its bodies. Bodies that are away are in the rows that it takes the place of.
pub(super) fn write(
    transaction: &Connection,
    blobs: &Blobs,
    (id, key): (i64, &QueueKey),
    block: &BlockImage,
    keys: &Keys,
    left: &mut Vec<Extent>,
) -> Result<(), StoreError> {
    let (part, number) = (block.partition, block.block.cast_signed());
    let of_row = place(&key.0, &key.1, BLOCKS, part, number);
    let content = wrap(&journal::encode_block(block), &of_row, keys)?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?)")
        .and_then(|mut statement| statement.execute(params![id, part, number, content]))
        .map_err(failed)?;
    let (first, last) = (block.block * BLOCK, block.block * BLOCK + (BLOCK - 1));
    let mut away: HashMap<u64, Bytes> = HashMap::new();
    if block.messages.iter().any(|message| message.body.is_away()) {
        // They may have been put there just now.
        blobs.flush()?;
        let old = read(transaction, blobs, (id, key), part, (first, last), usize::MAX, keys)?;
        away.extend(old);
    }
    let range = params![id, part, first.cast_signed(), last.cast_signed()];
    remove_bodies(transaction, "queue = ? AND part = ? AND first BETWEEN ? AND ?", range, left)
        .map_err(failed)?;
    let (mut piece, mut bytes): (Bodies, usize) = (Vec::new(), 0);
    for message in &block.messages {
        let offset = message.position.offset;
        let body = match message.body.here() {
            Some(body) => body.clone(),
            None => {
                let body = away.remove(&offset).filter(|body| body.len() == message.body.len());
                body.ok_or_else(|| missing(part, offset))?
            }
        };
        bytes += body.len();
        piece.push((offset, body));
        if bytes >= PIECE {
            write_piece(transaction, blobs, (id, key), part, &piece, keys)?;
            (piece, bytes) = (Vec::new(), 0);
        }
    }
    write_piece(transaction, blobs, (id, key), part, &piece, keys)
}

fn write_piece(
    transaction: &Connection,
    blobs: &Blobs,
    (id, key): (i64, &QueueKey),
    part: u32,
    piece: &[(u64, Bytes)],
    keys: &Keys,
) -> Result<(), StoreError> {
    let Some((first, _)) = piece.first() else { return Ok(()) };
    let first = first.cast_signed();
    let of_row = place(&key.0, &key.1, BODIES, part, first);
    let content = wrap(&journal::encode_bodies(piece), &of_row, keys)?;
    let (content, at) = match content.len() < FILED {
        true => (content, None),
        false => (Vec::new(), Some(blobs.put(&content)?)),
    };
    let [file, at, length] = match at {
        Some(Extent { file, at, length }) => [file, at, length].map(|it| Some(it.cast_signed())),
        None => [None; 3],
    };
    transaction
        .prepare_cached(
            "INSERT INTO body (queue, part, first, bodies, file, at, length) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut statement| {
            statement.execute(params![id, part, first, content, file, at, length])
        })
        .map_err(failed)?;
    Ok(())
}

fn missing(part: u32, offset: u64) -> StoreError {
    StoreError::Failed(format!("state store: the body of message {part}-{offset} is missing"))
}

/// Removes rows of bodies, and says what no row knows any more.
pub(super) fn remove_bodies(
    transaction: &Connection,
    of: &str,
    values: impl Params,
    left: &mut Vec<Extent>,
) -> Result<(), rusqlite::Error> {
    let text = format!("DELETE FROM body WHERE {of} RETURNING file, at, length");
    let mut statement = transaction.prepare_cached(&text)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        left.extend(extent(row, 0)?);
    }
    Ok(())
}

/// Removes what lies between the blocks that are needed: number of the partition, first and last block, in order.
pub(super) fn remove_unneeded(
    transaction: &Connection,
    id: i64,
    needed: &[(u32, u64, u64)],
    left: &mut Vec<Extent>,
) -> Result<(), rusqlite::Error> {
    let mut blocks = transaction.prepare_cached(
        "DELETE FROM part WHERE queue = ? AND (part, block) >= (?, ?) AND (part, block) < (?, ?)",
    )?;
    let bodies = "queue = ? AND (part, first) >= (?, ?) AND (part, first) < (?, ?)";
    let mut remove = |from: (i64, u64), to: (i64, u64)| {
        let offset = |block: u64| block.saturating_mul(BLOCK).min(i64::MAX as u64).cast_signed();
        blocks.execute(params![id, from.0, from.1.cast_signed(), to.0, to.1.cast_signed()])?;
        let values = params![id, from.0, offset(from.1), to.0, offset(to.1)];
        remove_bodies(transaction, bodies, values, left)
    };
    let mut from = (0, 0);
    for (part, first, last) in needed {
        let part = i64::from(*part);
        remove(from, (part, *first))?;
        from = from.max((part, last + 1));
    }
    remove(from, (i64::MAX, 0))?;
    Ok(())
}
