//! A store from lines: all of them, or nothing.

use std::{
    io::{BufRead, Read as _},
    path::Path,
    sync::Arc,
};

use super::{ArchiveError, Counts, restore};
use crate::{
    engine::{BLOCK, BlockImage, Encryption, Image, Message, Position, RecordNumber},
    journal::{LINES_FORMAT, Line, Part},
    store::{Filling, Keys, QueueKey, Save, StoreError},
};

/// No line is longer.
const LINE_MAX: u64 = 256 << 20;

/// About so many bytes of messages are saved at a time.
const PIECE: usize = 4 << 20;

/// Reads lines into a directory that no server uses, and that has nothing of their rooms.
///
/// # Errors
/// [`ArchiveError`]; nothing is imported, then.
pub fn import(
    directory: &Path,
    keys: &Keys,
    lines: &mut dyn BufRead,
) -> Result<Counts, ArchiveError> {
    let filling = Filling::begin(directory, keys)?;
    let mut import = Import {
        filling,
        encrypts: keys.encrypts(),
        number: 0,
        last: None,
        building: None,
        counts: Counts::default(),
    };
    let mut line = Vec::new();
    let mut is_over = false;
    loop {
        line.clear();
        (&mut *lines).take(LINE_MAX + 1).read_until(b'\n', &mut line)?;
        import.number += 1;
        match (line.is_empty(), is_over) {
            (true, true) => break,
            (true, false) => return Err(import.wrong("the end is missing: the file is cut")),
            (false, true) => return Err(import.wrong("there is something after the end")),
            (false, false) if line.len() as u64 > LINE_MAX => {
                return Err(import.wrong("the line is too long"));
            }
            (false, false) => {
                let line =
                    Line::read(&line).map_err(|wrong| ArchiveError::json(import.number, &wrong))?;
                is_over = import.take(line)?;
            }
        }
    }
    let Import { filling, counts, .. } = import;
    filling.end()?;
    Ok(counts)
}

struct Import<'a> {
    filling: Filling<'a>,
    encrypts: bool,
    /// Of the line that is looked at, from 1.
    number: u64,
    /// The last queue.
    last: Option<QueueKey>,
    building: Option<Building>,
    counts: Counts,
}

/// A queue of which not all lines were read.
struct Building {
    key: QueueKey,
    /// Its line.
    number: u64,
    image: Image,
    last: Option<Seen>,
    /// Messages of a block that may get more, and whole blocks.
    messages: Vec<Arc<Message>>,
    blocks: Vec<BlockImage>,
    bytes: usize,
    /// Of all messages, if they can be those of several partitions.
    sequences: Vec<u64>,
}

/// Where a message was, and its sequence.
type Seen = (Position, u64);

impl Import<'_> {
    fn wrong(&self, why: impl Into<String>) -> ArchiveError {
        ArchiveError::line(self.number, why)
    }

    /// Whether it was the last line.
    fn take(&mut self, line: Line) -> Result<bool, ArchiveError> {
        let is_first = self.number == 1;
        if is_first != matches!(line, Line::Part(Part::Store { .. })) {
            return Err(self.wrong("the first line, and no other one, says which format this is"));
        }
        match line {
            Line::Message(message) => self.message(message)?,
            Line::Part(Part::Store { format, .. }) => {
                if format != LINES_FORMAT {
                    return Err(self.wrong(format!("this version does not know format {format}")));
                }
            }
            Line::Part(Part::Queue { room, name, image }) => {
                self.end_queue()?;
                self.begin_queue((room, name), *image)?;
            }
            Line::Part(Part::End { queues, messages, lines }) => {
                self.end_queue()?;
                let read = (self.counts.queues, self.counts.messages, self.number - 1);
                if read != (queues, messages, lines) {
                    return Err(self.wrong(format!(
                        "there should be {queues} queues, {messages} messages and {lines} lines, and there are {}, {} and {}",
                        read.0, read.1, read.2
                    )));
                }
                return Ok(true);
            }
            Line::Part(part) => self.list(part)?,
        }
        Ok(false)
    }

    fn begin_queue(&mut self, key: QueueKey, mut image: Image) -> Result<(), ArchiveError> {
        if self.last.as_ref().is_some_and(|last| *last >= key) {
            return Err(self.wrong("queues come in the order of their names, each of them once"));
        }
        if self.filling.has(&key.0) {
            let why = format!(
                "there is something of the room {:?} already, be it a deleted queue",
                key.0.as_str()
            );
            return Err(self.wrong(why));
        }
        if image.settings.encryption == Encryption::Required && !self.encrypts {
            return Err(self.wrong("the queue is to be encrypted, and there is no key"));
        }
        // The journal has nothing of it, and its messages are to come.
        image.last_record = RecordNumber(0);
        image.partitions.iter_mut().for_each(|partition| partition.live.clear());
        self.building = Some(Building {
            key,
            number: self.number,
            image,
            last: None,
            messages: Vec::new(),
            blocks: Vec::new(),
            bytes: 0,
            sequences: Vec::new(),
        });
        Ok(())
    }

    fn list(&mut self, part: Part) -> Result<(), ArchiveError> {
        let number = self.number;
        let misplaced =
            || ArchiveError::line(number, "it stands below no queue, or after its messages");
        let building = self.building.as_mut().filter(|one| one.last.is_none());
        let image = &mut building.ok_or_else(misplaced)?.image;
        match part {
            Part::Deliveries { group, partition, of } => {
                let place = image.place_of(partition);
                let group = image.groups.get_mut(group as usize).and_then(Option::as_mut);
                let lane = group.and_then(|group| group.lanes.get_mut(place?));
                lane.ok_or_else(|| {
                    ArchiveError::line(number, "there is no such group or partition")
                })?
                .deliveries
                .extend(of);
            }
            Part::Ids { of } => image.ids.extend(of),
            Part::Keys { of } => image.keys.extend(of),
            Part::Parents { of } => image.parents.extend(of),
            Part::Settled { of } => image.settled.extend(of),
            Part::Rated { of } => image.deliveries.extend(of),
            Part::Store { .. } | Part::Queue { .. } | Part::End { .. } => return Err(misplaced()),
        }
        Ok(())
    }

    fn message(&mut self, message: Arc<Message>) -> Result<(), ArchiveError> {
        let number = self.number;
        let wrong = |why: &str| ArchiveError::line(number, why);
        let Some(building) = &mut self.building else {
            return Err(wrong("the message stands below no queue"));
        };
        let (position, sequence) = (message.position, message.sequence.0);
        let place = building.image.place_of(position.partition);
        let partition = place.and_then(|place| building.image.partitions.get_mut(place));
        let Some(partition) = partition.filter(|it| position.offset < it.end) else {
            return Err(wrong("the queue has no such position"));
        };
        let is_after = |(last, before): Seen| {
            last < position && (last.partition != position.partition || before < sequence)
        };
        if !building.last.is_none_or(is_after) {
            return Err(wrong("messages come in the order of their positions and sequences"));
        }
        if sequence == 0 || sequence > building.image.last_sequence.0 {
            return Err(wrong("the queue has no such sequence"));
        }
        match partition.live.last_mut() {
            Some((first, count)) if *first + *count == position.offset => *count += 1,
            _ => partition.live.push((position.offset, 1)),
        }
        let block = |position: Position| (position.partition, position.offset / BLOCK);
        if building.last.is_some_and(|(last, _)| block(last) != block(position)) {
            building.end_block();
        }
        if building.image.partitions.len() > 1 {
            building.sequences.push(sequence);
        }
        building.last = Some((position, sequence));
        building.bytes += message.body.len() + size_of::<Message>();
        building.messages.push(message);
        self.counts.messages += 1;
        if building.bytes >= PIECE && !building.blocks.is_empty() {
            let save = building.save(false);
            self.filling.save(&save)?;
        }
        Ok(())
    }

    fn end_queue(&mut self) -> Result<(), ArchiveError> {
        let Some(mut building) = self.building.take() else { return Ok(()) };
        let number = building.number;
        let wrong = |why: &str| ArchiveError::line(number, why);
        building.sequences.sort_unstable();
        if building.sequences.windows(2).any(|two| two[0] == two[1]) {
            return Err(wrong("two messages of the queue have the same sequence"));
        }
        building.end_block();
        self.filling.save(&building.save(false))?;
        // What is saved must make a queue.
        let key = &building.key;
        let queue = restore(Some(building.image.clone()), Vec::new(), self.encrypts, |after| {
            self.filling.blocks(key, after)
        });
        let queue = match queue {
            Ok(queue) if queue.exists() => queue,
            Ok(_) => return Err(wrong("there is no such queue, as its status says")),
            Err(StoreError::Failed(why)) => return Err(wrong(&why)),
            Err(error) => return Err(error.into()),
        };
        let save = Save { due: queue.next_deadline(), ..building.save(true) };
        self.filling.save(&save)?;
        self.counts.queues += 1;
        self.last = Some(building.key);
        Ok(())
    }
}

impl Building {
    fn end_block(&mut self) {
        if let Some(Position { partition, offset }) = self.messages.first().map(|it| it.position) {
            let messages = std::mem::take(&mut self.messages);
            self.blocks.push(BlockImage { partition, block: offset / BLOCK, messages });
        }
    }

    /// The blocks that are whole, or the image.
    fn save(&mut self, is_last: bool) -> Save {
        self.bytes = 0;
        Save {
            room: self.key.0.clone(),
            queue: self.key.1.clone(),
            applied: self.image.last_record,
            image: is_last.then(|| self.image.clone()),
            blocks: std::mem::take(&mut self.blocks),
            wanted: Vec::new(),
            exists: true,
            due: None,
        }
    }
}
