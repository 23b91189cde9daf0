//! A queue as it is at one moment, to be kept instead of the records that led to it.
//!
//! Messages are apart from the rest, in blocks of their partition: they hardly ever change, so a block is
//! written once, and what becomes of its messages is in the image, which is small. What ends with a crash is
//! in no image: leases, receivers, watchers, prepared transactions. A leased message is ready in it.

use std::sync::Arc;

use super::{
    group::Group,
    known::{KnownId, KnownKey},
    lane::{Delivery, Hold, Lane},
    log::{BLOCK, Ended, Slot},
    message::{Message, Position, Sequence},
    numbered::Numbered,
    partition::{Gathering, Partition},
    queue::{Parent, Queue, QueueConfig, WORK},
    record::{RecordNumber, Standing},
    schedule::ScheduleSpec,
    send::hold_of,
    settings::{FOREVER, QueueSettings},
    timers::Timer,
    view::{Status, Totals},
};
use crate::types::{GroupName, PartitionKey, Payload, ScheduleName, Timestamp};

/// All of a queue but its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the queue")]
pub struct Image {
    pub last_record: RecordNumber,
    pub last_sequence: Sequence,
    pub generation: u64,
    pub now: Timestamp,
    pub status: Status,
    pub paused: bool,
    pub settings: Box<QueueSettings>,
    pub totals: Totals,
    /// By number.
    pub partitions: Vec<PartitionImage>,
    /// By number; the work group is the first.
    pub groups: Vec<Option<GroupImage>>,
    /// Own ids of messages that are no longer kept.
    pub ids: Vec<(Arc<str>, Position, Timestamp)>,
    pub keys: Vec<KeyImage>,
    pub parents: Vec<(Position, Vec<Parent>)>,
    pub schedules: Vec<(ScheduleName, Box<ScheduleSpec>, Option<Timestamp>)>,
    pub settled: Vec<SettledImage>,
    /// Deliveries that the rate still counts.
    pub deliveries: Vec<Timestamp>,
    /// Groups that did not begin with the oldest message.
    pub starts: Vec<(u32, Sequence)>,
    /// The number of the first partition, if it is not 0: numbers go on where those of a deleted queue ended.
    pub first_partition: Option<u32>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the partition")]
pub struct PartitionImage {
    pub key: PartitionKey,
    /// Not so of the first ones of an older image: they went with a queue that was deleted.
    pub is_there: bool,
    /// Offset of the next message.
    pub end: u64,
    /// Offsets of the kept messages: the first, and how many follow it at once, itself included.
    pub live: Vec<(u64, u64)>,
    /// When its window closes, and how many messages are in it.
    pub gathering: Option<(Timestamp, u32)>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the group")]
pub struct GroupImage {
    pub name: Option<GroupName>,
    /// One for each partition of the image.
    pub lanes: Vec<LaneImage>,
}

/// Where a group stands in a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the lane")]
pub struct LaneImage {
    pub next: u64,
    pub failures: u32,
    /// What is neither done before `next` nor fresh: offset, attempts, failures, where it stands.
    pub deliveries: Vec<(u64, u32, u32, Standing)>,
}

/// A dedup key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the key")]
pub struct KeyImage {
    pub partition: u32,
    pub key: Arc<str>,
    pub position: Position,
    pub id: Option<Arc<str>>,
    pub content: Option<u64>,
    pub forget_at: Option<Timestamp>,
}

/// What is known of the end of a kept message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the message's slot")]
pub struct SettledImage {
    pub position: Position,
    pub at: Timestamp,
    pub result: Option<Payload>,
}

/// Messages of one block of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockImage {
    /// Number of the partition.
    pub partition: u32,
    /// Number of the block.
    pub block: u64,
    /// Those that were kept when the block was saved, by offset. Some may be gone by now.
    pub messages: Vec<Arc<Message>>,
}

/// Image and blocks do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a saved queue lacks some of its messages")]
pub struct Damaged;

impl Image {
    /// The number of the first partition.
    #[must_use]
    pub fn first_partition(&self) -> u32 {
        self.first_partition.unwrap_or_default()
    }

    /// Where the partition with this number is.
    #[must_use]
    pub fn place_of(&self, partition: u32) -> Option<usize> {
        let place = partition.checked_sub(self.first_partition())? as usize;
        (place < self.partitions.len()).then_some(place)
    }

    /// How many of the first partitions are not there.
    fn gone(&self) -> usize {
        self.partitions.iter().take_while(|part| !part.is_there).count()
    }

    /// Whether partitions and lanes fit together, and their numbers into what they are kept in.
    fn fits(&self) -> bool {
        let mut lanes = self.groups.iter().flatten().map(|group| group.lanes.len());
        let last = u32::try_from(self.partitions.len())
            .ok()
            .and_then(|all| self.first_partition().checked_add(all));
        last.is_some() && lanes.all(|count| count == self.partitions.len())
    }

    /// The blocks that hold messages which count: number of the partition, first and last number of a block.
    #[must_use]
    pub fn needed_blocks(&self) -> Vec<(u32, u64, u64)> {
        let mut needed: Vec<(u32, u64, u64)> = Vec::new();
        let numbers = self.first_partition()..=u32::MAX;
        for (partition, part) in numbers.zip(&self.partitions) {
            for (first, count) in part.live.iter().filter(|(_, count)| *count > 0) {
                let (from, to) = (first / BLOCK, first.saturating_add(count - 1) / BLOCK);
                match needed.last_mut() {
                    Some((same, _, last)) if *same == partition && *last + 1 >= from => *last = to,
                    _ => needed.push((partition, from, to)),
                }
            }
        }
        needed
    }
}

/// Where a lane's fresh messages begin, and its deliveries that are not yet restored.
type LaneLeft<'a> = (u64, &'a [(u64, u32, u32, Standing)]);

/// A small queue has at most so many of anything: what many connections at once have under way,
const SMALL: usize = 8192;

/// and bodies of so many bytes: a sixteenth of the file of the journal that it costs to go on without saving.
const SMALL_BYTES: usize = 4 << 20;

impl Queue {
    /// All but the messages.
    #[must_use]
    pub fn image(&self) -> Image {
        let group = |group: &Group| GroupImage {
            name: group.name.clone(),
            lanes: group.lanes.values().map(lane_image).collect(),
        };
        let mut settled = Vec::new();
        let mut partitions = Vec::with_capacity(self.partitions.len());
        for (partition, part) in self.partitions.iter() {
            for (offset, Ended { at, result }) in part.log.settled() {
                let position = Position { partition, offset };
                settled.push(SettledImage { position, at: *at, result: result.clone() });
            }
            partitions.push(PartitionImage {
                key: part.key.clone(),
                is_there: true,
                end: part.log.end(),
                live: part.log.ranges(),
                gathering: part.gathering.map(|open| (open.closes_at, open.messages)),
            });
        }
        let forgotten = |(id, known): (&Arc<str>, &KnownId)| {
            Some((Arc::clone(id), known.position, known.forget_at?))
        };
        let key = |((partition, key), known): (&(u32, Arc<str>), &KnownKey)| {
            let KnownKey { position, id, content, forget_at } = known.clone();
            KeyImage {
                partition: *partition,
                key: Arc::clone(key),
                position,
                id,
                content,
                forget_at,
            }
        };
        let parents = self.parents.iter();
        let schedules = self.schedules.iter();
        Image {
            last_record: self.last_record,
            last_sequence: self.last_sequence,
            generation: self.next_generation,
            now: self.now,
            status: self.status,
            paused: self.paused,
            settings: Box::new(self.settings.clone()),
            totals: self.totals,
            partitions,
            groups: self.groups.iter().map(|one| one.as_ref().map(group)).collect(),
            ids: self.known.ids.iter().filter_map(forgotten).collect(),
            keys: self.known.keys.iter().map(key).collect(),
            parents: parents.map(|(child, of)| (*child, of.iter().cloned().collect())).collect(),
            schedules: schedules
                .map(|(name, schedule)| (name.clone(), schedule.spec.clone(), schedule.next))
                .collect(),
            settled,
            deliveries: self.deliveries.iter().copied().collect(),
            starts: (0..)
                .zip(&self.groups)
                .filter_map(|(number, group)| Some((number, group.as_ref()?.from)))
                .filter(|(_, from)| from.0 > 0)
                .collect(),
            first_partition: Some(self.partitions.first()).filter(|first| *first > 0),
        }
    }

    /// Whether there is so little of it that to save it is next to nothing.
    #[must_use]
    pub fn is_small(&self) -> bool {
        let lanes = self.partitions.len() * self.groups.len();
        let noted = [&self.known.ids.len(), &self.known.keys.len(), &self.parents.len()];
        let rest = [&self.schedules.len(), &self.deliveries.len(), &self.messages, &lanes];
        noted.into_iter().chain(rest).all(|count| *count <= SMALL) && self.bytes <= SMALL_BYTES
    }

    /// Blocks with messages that no earlier call has returned, or not as they are now: until they weigh so much, or
    /// all of them. Those that go `ahead` of an image can be saved without one.
    pub fn unsaved_blocks(&mut self, weight_max: usize, ahead: bool) -> Vec<BlockImage> {
        let (mut blocks, mut weight): (Vec<BlockImage>, usize) = (Vec::new(), 0);
        for (partition, part) in self.partitions.iter_mut() {
            while weight < weight_max
                && let Some(number) = part.next_unsaved(ahead)
            {
                let block = block_image(part, partition, number);
                weight += block.as_ref().map_or(0, weight_of);
                blocks.extend(block);
            }
        }
        blocks
    }

    /// The kept messages of one block, saved or not.
    #[must_use]
    pub fn block(&self, partition: u32, block: u64) -> Option<BlockImage> {
        block_image(self.partitions.get(partition)?, partition, block)
    }

    /// Whether [`Self::unsaved_blocks`] has something to return.
    #[must_use]
    pub fn has_unsaved_blocks(&self, ahead: bool) -> bool {
        self.partitions.values().any(|part| part.first_unsaved(ahead).is_some())
    }

    /// About how many blocks can go ahead of an image; none if there are none.
    #[must_use]
    pub fn blocks_ahead(&self) -> usize {
        self.partitions.values().map(Partition::blocks_ahead).sum()
    }

    /// These blocks were returned by [`Self::unsaved_blocks`], and not saved: they are returned again.
    pub fn not_saved(&mut self, blocks: &[(u32, u64)]) {
        for (partition, block) in blocks {
            if let Some(part) = self.partitions.get_mut(*partition) {
                part.changed.insert(*block);
            }
        }
    }

    /// A message that may be in a saved block is another one now.
    pub(super) fn has_changed(&mut self, position: Position) {
        if let Some(part) = self.partitions.get_mut(position.partition)
            && position.offset < part.saved_to
        {
            part.changed.insert(position.offset / BLOCK);
        }
    }

    /// Messages in leases, over all groups.
    #[must_use]
    pub fn leased(&self) -> usize {
        self.groups.iter().flatten().map(|group| group.leased).sum()
    }

    /// A queue from its image and its blocks, in order.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn restore(
        config: QueueConfig,
        image: Image,
        blocks: impl IntoIterator<Item = BlockImage>,
    ) -> Result<Self, Damaged> {
        let (first, gone) = (image.first_partition(), image.gone());
        let first_there = u32::try_from(gone).ok().and_then(|gone| first.checked_add(gone));
        let first_there = first_there.filter(|_| image.fits()).ok_or(Damaged)?;
        let mut queue = Self::new(config);
        let generation = queue.next_generation.max(image.generation);
        (queue.now, queue.moment, queue.next_generation) = (image.now, image.now, generation);
        (queue.status, queue.paused, queue.settings) =
            (image.status, image.paused, *image.settings);
        queue.totals = image.totals;
        (queue.last_record, queue.last_sequence) = (image.last_record, image.last_sequence);
        queue.deliveries = image.deliveries.into();
        queue.partitions = Numbered::starting_at(first_there);
        for part in image.partitions.iter().skip(gone) {
            queue.restore_partition(part)?;
        }
        queue.groups.clear();
        for (number, group) in (0..).zip(&image.groups) {
            let group_is = |group: &GroupImage| {
                let lanes = group.lanes.iter().skip(gone);
                restore_group(group.name.clone(), lanes, first_there)
            };
            queue.groups.push(group.as_ref().map(group_is));
            if let Some(GroupImage { name: Some(name), .. }) = group {
                queue.by_name.insert(name.clone(), number);
            }
        }
        queue.forget_last_numbers();
        for (group, from) in image.starts {
            queue.group_began(group, from);
        }
        queue.restore_messages(first, &image.partitions, &image.groups, blocks)?;
        for SettledImage { position, at, result } in image.settled {
            queue.restore_settled(position, Ended { at, result });
        }
        for (id, position, forget_at) in image.ids {
            queue.timers.set(forget_at, Timer::Id { id: Arc::clone(&id) });
            queue.known.ids.insert(id, KnownId { position, forget_at: Some(forget_at) });
        }
        for KeyImage { partition, key, position, id, content, forget_at } in image.keys {
            if let Some(at) = forget_at {
                queue.timers.set(at, Timer::Key { partition, key: Arc::clone(&key) });
            }
            queue
                .known
                .keys
                .insert((partition, key), KnownKey { position, id, content, forget_at });
        }
        for (child, parents) in image.parents {
            queue.wait_for(child, Some(&parents.into_iter().collect()));
        }
        for (name, spec, next) in image.schedules {
            queue.set_schedule(name, spec, next);
        }
        // Nobody waits, and nobody watches.
        queue.unserved.clear();
        queue.effects.clear();
        Ok(queue)
    }

    fn restore_partition(&mut self, image: &PartitionImage) -> Result<(), Damaged> {
        if !image.is_there {
            return Err(Damaged); // A queue is deleted as a whole.
        }
        let number = self.partitions.next();
        let mut part = Partition::new(image.key.clone());
        if let Some((closes_at, messages)) = image.gathering {
            part.gathering = Some(Gathering { closes_at, messages });
            self.timers.set(closes_at, Timer::Window { partition: number });
        }
        self.partitions.push(part);
        if image.key == PartitionKey::default() {
            self.default_partition = Some(number);
        }
        self.by_key.insert(image.key.clone(), number);
        Ok(())
    }

    fn restore_messages(
        &mut self,
        first: u32,
        partitions: &[PartitionImage],
        groups: &[Option<GroupImage>],
        blocks: impl IntoIterator<Item = BlockImage>,
    ) -> Result<(), Damaged> {
        let mut messages = blocks.into_iter().flat_map(|block| block.messages).peekable();
        for (place, (partition, image)) in (first..=u32::MAX).zip(partitions).enumerate() {
            // Deliveries of each group, in the order of the messages.
            let mut deliveries: Vec<_> = groups
                .iter()
                .map(|group| {
                    let lane = group.as_ref().and_then(|group| group.lanes.get(place));
                    (
                        lane.map_or(0, |lane| lane.next),
                        lane.map_or(&[][..], |lane| &lane.deliveries),
                    )
                })
                .collect();
            // No offset was used that no message was sent with.
            if image.end > self.last_sequence.0 {
                return Err(Damaged);
            }
            let live = image.live.iter();
            for offset in live.flat_map(|(first, count)| *first..first.saturating_add(*count)) {
                let position = Position { partition, offset };
                while messages.next_if(|message| message.position < position).is_some() {}
                let message = messages.next_if(|message| message.position == position);
                self.restore_message(message.ok_or(Damaged)?, &mut deliveries);
                if (offset + 1).is_multiple_of(BLOCK) {
                    self.pack(partition, offset / BLOCK);
                }
            }
            if deliveries.iter().any(|(_, left)| !left.is_empty()) {
                return Err(Damaged); // Of messages that are not kept.
            }
            let Some(part) = self.partitions.get_mut(partition) else { continue };
            part.log.skip_to(image.end);
            part.saved_to = image.end;
            for group in self.groups.iter_mut().flatten() {
                if let Some(lane) = group.lanes.get_mut(partition) {
                    lane.advance(&part.log);
                }
                group.reindex(partition, &part.log);
            }
            if self.settings.retain_open != FOREVER {
                self.watch_oldest(partition);
            }
        }
        Ok(())
    }

    /// A block is restored. If the bodies are away there is little to keep of it.
    fn pack(&mut self, partition: u32, block: u64) {
        if let Some(part) = self.partitions.get_mut(partition) {
            part.log.pack(block);
        }
    }

    /// Puts a message where it was, and where each group has it: `next` of the group's lane, and what is left
    /// of its deliveries.
    fn restore_message(&mut self, message: Arc<Message>, groups: &mut [LaneLeft<'_>]) {
        let position = message.position;
        self.messages += 1;
        self.bytes += message.body.len();
        if message.body.is_away() {
            self.away += message.body.len();
        }
        if let Some(at) = message.expires_at {
            self.timers.set(at, Timer::Expiry { position });
        }
        if let Some(id) = message.options.as_ref().and_then(|options| options.id.clone()) {
            self.known.ids.insert(id, KnownId { position, forget_at: None });
        }
        if let Some(part) = self.partitions.get_mut(position.partition) {
            part.log.skip_to(position.offset);
            part.log.push(Slot { message, open: 0, dead: 0, settled: None });
            part.has_settled(position.offset);
        }
        for (group, (next, deliveries)) in (WORK..).zip(groups) {
            match deliveries.split_first() {
                Some(((at, attempts, failures, standing), rest)) if *at == position.offset => {
                    *deliveries = rest;
                    match standing {
                        Standing::Done { .. } | Standing::Dropped { .. } => {
                            self.finish(group, position)
                        }
                        _ => self.place(group, position, (*attempts, *failures), hold_of(standing)),
                    }
                }
                _ if position.offset >= *next && self.group(group).is_some() => {
                    self.restore_fresh(group, position);
                }
                _ => {}
            }
        }
    }

    fn restore_settled(&mut self, position: Position, ended: Ended) {
        let ends_at = ended.at.after(self.settings.retain_settled);
        let Some(part) = self.partitions.get_mut(position.partition) else { return };
        let Some(slot) = part.log.get_mut(position.offset) else { return };
        if slot.is_settled() {
            self.timers.set(ends_at, Timer::Settled { position });
        }
        slot.settled = Some(Box::new(ended));
    }
}

fn lane_image(lane: &Lane) -> LaneImage {
    let standing = |delivery: &Delivery| match &delivery.hold {
        Hold::Ready | Hold::Leased(_) | Hold::InRun => Standing::Ready,
        Hold::Delayed(until) => Standing::Delayed { until: *until },
        Hold::Held => Standing::Held,
        Hold::Blocked => Standing::Blocked,
        Hold::Dead { at, reason } => Standing::Dead { at: *at, reason: Arc::clone(reason) },
        Hold::Done => Standing::Done { at: Timestamp(0), result: None },
    };
    let deliveries = lane.exceptions();
    LaneImage {
        next: lane.next,
        failures: lane.failures,
        deliveries: deliveries
            .map(|(offset, one)| (offset, one.attempts, one.failures, standing(one)))
            .collect(),
    }
}

fn restore_group<'a>(
    name: Option<GroupName>,
    images: impl Iterator<Item = &'a LaneImage>,
    first: u32,
) -> Group {
    let mut lanes = Numbered::starting_at(first);
    for image in images {
        let mut lane = Lane::starting_at(image.next);
        lane.failures = image.failures;
        lanes.push(lane);
    }
    Group::new(name, lanes)
}

/// Roughly the bytes of a block.
fn weight_of(block: &BlockImage) -> usize {
    const BASE: usize = 64;
    block.messages.iter().map(|it| BASE + it.body.here().map_or(0, bytes::Bytes::len)).sum()
}

/// None: nothing in it is kept.
fn block_image(part: &Partition, partition: u32, block: u64) -> Option<BlockImage> {
    let end = (block + 1) * BLOCK;
    let kept = part.log.from(block * BLOCK).take_while(|(offset, _)| *offset < end);
    let messages: Vec<_> = kept.map(|(_, seen)| seen.message()).collect();
    (!messages.is_empty()).then_some(BlockImage { partition, block, messages })
}
