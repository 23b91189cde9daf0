//! A queue as it is, but for its messages: see `block`.

use bytes::Bytes;

use super::{
    NotARecord,
    table::{Reader, Written, fields, kinds},
};
use crate::engine::{
    GroupImage, Image, KeyImage, LaneImage, Parent, PartitionImage, RecordNumber, SettledImage,
    Standing, Status, Totals,
};

/// The version of what follows.
const FORMAT: u8 = 1;

/// An image with groups that did not begin with the oldest message: they come last.
const WITH_STARTS: u8 = 2;

/// An image whose first partition is not number 0: its number comes after those groups.
const WITH_FIRST: u8 = 3;

/// An image's bytes.
#[must_use]
pub fn encode_image(image: &Image) -> Vec<u8> {
    let format = match (image.first_partition(), image.starts.is_empty()) {
        (0, true) => FORMAT,
        (0, false) => WITH_STARTS,
        _ => WITH_FIRST,
    };
    let mut out = vec![format];
    image.put(&mut out);
    if format >= WITH_STARTS {
        image.starts.put(&mut out);
    }
    if format == WITH_FIRST {
        image.first_partition().put(&mut out);
    }
    out
}

/// Reads an image that fills `bytes`.
///
/// # Errors
/// [`NotARecord`].
pub fn decode_image(mut bytes: Bytes) -> Result<Image, NotARecord> {
    let mut reader = Reader { bytes: &mut bytes, number: RecordNumber(0) };
    let format = reader.byte()?;
    if !(FORMAT..=WITH_FIRST).contains(&format) {
        return Err(NotARecord);
    }
    let mut image = Image::get(&mut reader)?;
    if format >= WITH_STARTS {
        image.starts = Written::get(&mut reader)?;
    }
    if format == WITH_FIRST {
        image.first_partition = Some(Written::get(&mut reader)?);
    }
    // There is one way of writing it.
    let is_one = match format {
        WITH_STARTS => !image.starts.is_empty(),
        WITH_FIRST => image.first_partition() > 0,
        _ => true,
    };
    if bytes.is_empty() && is_one { Ok(image) } else { Err(NotARecord) }
}

fields!(Image {
    last_record,
    last_sequence,
    generation,
    now,
    status,
    paused,
    settings,
    totals,
    partitions,
    groups,
    ids,
    keys,
    parents,
    schedules,
    settled,
    deliveries
} without { starts, first_partition });

fields!(PartitionImage { key, is_there, end, live, gathering });

fields!(GroupImage { name, lanes });

fields!(LaneImage { next, failures, deliveries });

fields!(KeyImage { partition, key, position, id, content, forget_at });

fields!(SettledImage { position, at, result });

fields!(Totals {
    sent,
    duplicates,
    delivered,
    done,
    retried,
    released,
    leases_expired,
    dead,
    dropped,
    cancelled
});

kinds!(Status { 1 Absent 2 Open 3 Closed });

/// `1 | position` or `2 | text id`
impl Written for Parent {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Position(position) => {
                out.push(1);
                position.put(out);
            }
            Self::Id(id) => {
                out.push(2);
                id.put(out);
            }
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        match reader.byte()? {
            1 => Written::get(reader).map(Self::Position),
            2 => Written::get(reader).map(Self::Id),
            _ => Err(NotARecord),
        }
    }
}

impl<A: Written, B: Written, C: Written> Written for (A, B, C) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
        self.2.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        Ok((A::get(reader)?, B::get(reader)?, C::get(reader)?))
    }
}

/// A delivery: offset, attempts, failures, where it stands.
impl Written for (u64, u32, u32, Standing) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
        self.2.put(out);
        self.3.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        Ok((u64::get(reader)?, u32::get(reader)?, u32::get(reader)?, Standing::get(reader)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{
            Command, DedupKey, NewMessage, OnDuplicate, Options, Outcome, Park, Permit, Queue,
            QueueConfig, ReplyTo, ScheduleSpec, SettingsPatch, Take, Timing, Verdict,
        },
        types::{Millis, Payload, RequestId, SessionId, Timestamp},
    };

    const CONFIG: QueueConfig = QueueConfig {
        messages_max: 100,
        bytes_max: 10_000,
        parked_max: 10,
        groups_max: 10,
        partitions_max: 10,
        schedules_max: 10,
        open_is_idempotent: false,
        encrypts: true,
        first_generation: 7,
    };

    fn ask(queue: &mut Queue, now: u64, command: Command) -> Outcome {
        let (session, request) = (SessionId(1), RequestId(1));
        let from = ReplyTo { session, request, permit: Permit::InFlight };
        let mut effects = Vec::new();
        queue.apply(Timestamp(now), from, command, &mut effects);
        let reply = effects.into_iter().find_map(|effect| match effect {
            crate::engine::Effect::Reply { result, .. } => Some(result),
            _ => None,
        });
        reply.unwrap().unwrap()
    }

    fn send(queue: &mut Queue, now: u64, options: Options) {
        let message = NewMessage {
            partition: options.kind.as_ref().map(|kind| kind.parse().unwrap()),
            body: Payload::from("{}"),
            options: Some(Box::new(options)),
        };
        ask(queue, now, Command::Send { message });
    }

    /// A queue with something of everything that an image has.
    fn full() -> Queue {
        let mut queue = Queue::new(CONFIG);
        let patch =
            SettingsPatch { retain_settled: Some(Millis(10_000)), ..SettingsPatch::default() };
        ask(&mut queue, 1, Command::Open { settings: Some(Box::new(patch)), idempotent: false });
        let group = "g".parse().unwrap();
        ask(&mut queue, 1, Command::OpenGroup { group, start: crate::engine::Start::All });
        let key = DedupKey {
            text: "k".into(),
            window: None,
            until_settled: false,
            on_duplicate: OnDuplicate::Keep,
        };
        send(&mut queue, 2, Options { id: Some("a".into()), key: Some(key), ..Options::default() });
        send(&mut queue, 3, Options { depends_on: vec!["b".into()], ..Options::default() });
        send(&mut queue, 4, Options { delay: Some(Millis(50)), ..Options::default() });
        send(&mut queue, 5, Options { kind: Some("other".into()), ..Options::default() });
        for verdict in [
            Verdict::Done { result: Some(Payload::from("1")) },
            Verdict::Dead { reason: Some("no".into()) },
        ] {
            let take = Command::Take(Box::new(Take::one(Park::No)));
            let Outcome::Delivered(delivered) = ask(&mut queue, 6, take) else { panic!() };
            let items = vec![(delivered[0].lease.unwrap(), verdict)];
            ask(&mut queue, 7, Command::Settle { items });
        }
        let spec = ScheduleSpec {
            timing: Timing::Every(Millis(1000)),
            catch_up: crate::engine::CatchUp::Skip,
            message: NewMessage::from(Payload::from("2")),
            paused: false,
            since: Timestamp(0),
        };
        let name = "s".parse().unwrap();
        ask(&mut queue, 8, Command::PutSchedule { name, spec: Box::new(spec) });
        queue
    }

    #[test]
    fn an_image_comes_back() {
        let mut queue = full();
        let (image, blocks) = (queue.image(), queue.unsaved_blocks(usize::MAX, false));
        assert_eq!(image.settled.len(), 1);
        assert!(!image.keys.is_empty() && !image.parents.is_empty() && !image.schedules.is_empty());
        assert_eq!(blocks.iter().map(|block| block.messages.len()).sum::<usize>(), 4);
        assert!(!queue.has_unsaved_blocks(false), "they are saved now");
        let read = decode_image(encode_image(&image).into());
        assert_eq!(read.as_ref(), Ok(&image));
        let restored = Queue::restore(CONFIG, read.unwrap(), blocks).unwrap();
        assert_eq!(restored.image(), image);
        assert!(Queue::restore(CONFIG, image, []).is_err(), "without its messages");
    }

    /// A queue that was deleted twice, and has a message.
    fn deleted_twice() -> Queue {
        let mut queue = Queue::new(CONFIG);
        for now in 1..=2 {
            send(&mut queue, now, Options::default());
            ask(&mut queue, now, Command::Delete);
        }
        send(&mut queue, 3, Options::default());
        queue
    }

    #[test]
    fn the_number_of_the_first_partition_comes_back() {
        let mut queue = deleted_twice();
        let (image, blocks) = (queue.image(), queue.unsaved_blocks(usize::MAX, false));
        let bytes = encode_image(&image);
        assert_eq!((bytes.first(), bytes.last()), (Some(&WITH_FIRST), Some(&2)));
        assert_eq!(decode_image(bytes.into()).as_ref(), Ok(&image));
        assert_eq!(Queue::restore(CONFIG, image.clone(), blocks).unwrap().image(), image);
        // There is one way of writing 0.
        let with_none = Image { first_partition: None, ..image };
        let mut bytes = encode_image(&with_none);
        assert_eq!(bytes.first(), Some(&FORMAT));
        bytes[0] = WITH_FIRST;
        bytes.extend([0, 0]);
        assert!(decode_image(bytes.into()).is_err());
    }

    #[test]
    fn a_place_for_each_partition_that_is_gone_is_read_too() {
        let mut queue = deleted_twice();
        let (image, blocks) = (queue.image(), queue.unsaved_blocks(usize::MAX, false));
        let gone = || PartitionImage {
            key: crate::types::PartitionKey::default(),
            is_there: false,
            end: 0,
            live: Vec::new(),
            gathering: None,
        };
        let mut before = Image { first_partition: None, ..image.clone() };
        before.partitions.splice(0..0, [gone(), gone()]);
        for group in before.groups.iter_mut().flatten() {
            group.lanes.splice(0..0, [LaneImage::default(), LaneImage::default()]);
        }
        let before = decode_image(encode_image(&before).into()).unwrap();
        assert_eq!(before.needed_blocks(), image.needed_blocks());
        assert_eq!(Queue::restore(CONFIG, before, blocks.clone()).unwrap().image(), image);
        let too_far = Image { first_partition: Some(u32::MAX), ..image };
        assert!(Queue::restore(CONFIG, too_far.clone(), blocks).is_err());
        assert_eq!(too_far.needed_blocks(), [(u32::MAX, 0, 0)]);
    }

    #[test]
    fn what_is_cut_or_of_another_format_is_no_image() {
        let queue = full();
        let whole = encode_image(&queue.image());
        for length in 0..whole.len() {
            assert!(decode_image(Bytes::copy_from_slice(&whole[..length])).is_err(), "{length}");
        }
        let mut other = whole.clone();
        other[0] = 9;
        assert!(decode_image(other.into()).is_err());
        let mut longer = whole;
        longer.push(0);
        assert!(decode_image(longer.into()).is_err());
    }

    /// The form of version 1, for ever.
    #[test]
    fn an_empty_queue_has_these_bytes() {
        let mut queue = Queue::new(CONFIG);
        ask(&mut queue, 5, Command::Close);
        let image = encode_image(&queue.image());
        let settings = {
            let mut out = Vec::new();
            queue.image().settings.put(&mut out);
            out
        };
        // Its records are that it was opened, and closed.
        let mut expected = vec![1, 2, 0, 7, 5, 3, 0];
        expected.extend(settings);
        expected.extend([0; 10]); // Totals.
        expected.extend([0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(image, expected);
    }
}
