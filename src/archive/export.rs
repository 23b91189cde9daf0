//! The lines of a store.

use std::{collections::HashMap, io::Write, mem, path::Path, sync::Arc};

use bytes::Bytes;

use super::{ArchiveError, Counts, restore};
use crate::{
    engine::{BLOCK, Image, Message, Queue, RecordNumber},
    journal::{LINES_FORMAT, Line, Part},
    store::{Keys, Offline, QueueKey, StoreError, Stored},
    types::RoomName,
};

/// So many items of a list stand in one line.
const ITEMS: usize = 1000;

/// About so many bytes of bodies are read at a time.
const BODIES: usize = 4 << 20;

/// Writes the store of a directory that no server uses. `rooms`: only these; with none, all.
///
/// # Errors
/// [`ArchiveError`]; what was written has no last line, then.
pub fn export(
    directory: &Path,
    keys: &Keys,
    rooms: &[RoomName],
    out: &mut dyn Write,
) -> Result<Counts, ArchiveError> {
    let store = Offline::open(directory, keys)?;
    let mut export = Export {
        store,
        out,
        line: Vec::new(),
        counts: Counts::default(),
        lines: 0,
        encrypts: keys.encrypts(),
    };
    let by = env!("CARGO_PKG_VERSION").to_owned();
    export.part(Part::Store { format: LINES_FORMAT, by })?;
    for key in export.store.queues()? {
        if rooms.is_empty() || rooms.contains(&key.0) {
            export.queue(&key)?;
        }
    }
    let Counts { queues, messages } = export.counts;
    export.part(Part::End { queues, messages, lines: export.lines })?;
    export.out.flush()?;
    Ok(export.counts)
}

struct Export<'a> {
    store: Offline<'a>,
    out: &'a mut dyn Write,
    /// Room for one.
    line: Vec<u8>,
    counts: Counts,
    lines: u64,
    encrypts: bool,
}

impl Export<'_> {
    fn line(&mut self, line: &Line) -> Result<(), ArchiveError> {
        self.line.clear();
        line.write(&mut self.line);
        self.out.write_all(&self.line)?;
        self.lines += 1;
        Ok(())
    }

    fn part(&mut self, part: Part) -> Result<(), ArchiveError> {
        self.line(&Line::Part(part))
    }

    /// A list that may be long.
    fn list<T: Clone>(
        &mut self,
        items: &[T],
        part: impl Fn(Vec<T>) -> Part,
    ) -> Result<(), ArchiveError> {
        items.chunks(ITEMS).try_for_each(|some| self.part(part(some.to_vec())))
    }

    fn queue(&mut self, key: &QueueKey) -> Result<(), ArchiveError> {
        let Stored { saved, records } = self.store.load(key)?;
        let store = &self.store;
        let queue = restore(saved.image, records, self.encrypts, |after| store.blocks(key, after))?;
        if !queue.exists() {
            return Ok(());
        }
        let image = queue.image();
        let needed = image.needed_blocks();
        self.image(key, image)?;
        for (partition, first, last) in needed {
            for block in first..=last {
                self.block(key, &queue, partition, block)?;
            }
        }
        self.counts.queues += 1;
        Ok(())
    }

    fn image(&mut self, (room, name): &QueueKey, mut image: Image) -> Result<(), ArchiveError> {
        // Records begin anew where the lines are read.
        image.last_record = RecordNumber(0);
        image.partitions.iter_mut().for_each(|partition| partition.live.clear());
        let lanes = image.groups.iter_mut().map(|group| {
            let lanes = group.iter_mut().flat_map(|group| &mut group.lanes);
            lanes.map(|lane| mem::take(&mut lane.deliveries)).collect::<Vec<_>>()
        });
        let deliveries: Vec<_> = lanes.collect();
        let first = image.first_partition();
        let (ids, keys) = (mem::take(&mut image.ids), mem::take(&mut image.keys));
        let (parents, settled) = (mem::take(&mut image.parents), mem::take(&mut image.settled));
        let rated = mem::take(&mut image.deliveries);
        let (room, name, image) = (room.clone(), name.clone(), Box::new(image));
        self.part(Part::Queue { room, name, image })?;
        for (group, lanes) in (0..).zip(deliveries) {
            for (partition, deliveries) in (first..=u32::MAX).zip(lanes) {
                self.list(&deliveries, |of| Part::Deliveries { group, partition, of })?;
            }
        }
        self.list(&ids, |of| Part::Ids { of })?;
        self.list(&keys, |of| Part::Keys { of })?;
        self.list(&parents, |of| Part::Parents { of })?;
        self.list(&settled, |of| Part::Settled { of })?;
        self.list(&rated, |of| Part::Rated { of })
    }

    fn block(
        &mut self,
        key: &QueueKey,
        queue: &Queue,
        partition: u32,
        block: u64,
    ) -> Result<(), ArchiveError> {
        let Some(block) = queue.block(partition, block) else { return Ok(()) };
        let last = block.block * BLOCK + (BLOCK - 1);
        let mut bodies: HashMap<u64, Bytes> = HashMap::new();
        for message in block.messages {
            let offset = message.position.offset;
            let message = if message.body.is_away() {
                if !bodies.contains_key(&offset) {
                    bodies = self
                        .store
                        .bodies(key, partition, (offset, last), BODIES)?
                        .into_iter()
                        .collect();
                }
                let body = bodies.remove(&offset).filter(|body| body.len() == message.body.len());
                let body = body.ok_or_else(|| {
                    let text =
                        format!("state store: the body of message {} is missing", message.position);
                    StoreError::Failed(text)
                })?;
                Arc::new(Message { body: message.body.with(body), ..message.as_ref().clone() })
            } else {
                message
            };
            self.line(&Line::Message(message))?;
            self.counts.messages += 1;
        }
        Ok(())
    }
}
