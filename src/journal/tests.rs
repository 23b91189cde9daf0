//! Every kind of record with all that may be in it; the bytes themselves; and bytes that are none.

use std::sync::Arc;

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{
    engine::{
        Ageing, Backoff, BackoffKind, CatchUp, DedupKey, Durability, Encryption, Message,
        MessageOrder, NewMessage, OnDuplicate, Options, Overflow, ParentFailed, Position,
        QueueSettings, Rate, ScheduleSpec, Sequence, Standing, Timing, Window,
    },
    types::{Millis, Payload, Timestamp},
};

const NUMBER: RecordNumber = RecordNumber(77);

fn number() -> impl Strategy<Value = u64> {
    // Numbers of every length, and the edges.
    prop_oneof![Just(0), Just(u64::MAX), (0..64_u32, any::<u64>()).prop_map(|(s, n)| n >> s)]
}

fn at() -> impl Strategy<Value = Timestamp> {
    number().prop_map(Timestamp)
}

fn millis() -> impl Strategy<Value = Millis> {
    number().prop_map(Millis)
}

fn sequence() -> impl Strategy<Value = Sequence> {
    number().prop_map(Sequence)
}

fn text() -> impl Strategy<Value = Arc<str>> {
    "\\PC{0,12}".prop_map(Arc::from)
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>() -> impl Strategy<Value = T>
{
    "[a-z é:*]{1,12}".prop_map(|text| text.parse().unwrap())
}

fn payload() -> impl Strategy<Value = Payload> {
    (vec(any::<u8>(), 0..200), option::of(text())).prop_map(|(bytes, content_type)| {
        let bytes = Bytes::from(bytes);
        match content_type {
            None => Payload::from(bytes),
            Some(content_type) => Payload::binary(bytes, &content_type),
        }
    })
}

fn position() -> impl Strategy<Value = Position> {
    (any::<u32>(), number()).prop_map(|(partition, offset)| Position { partition, offset })
}

fn positions() -> impl Strategy<Value = Vec<Position>> {
    vec(position(), 0..5)
}

fn backoff() -> impl Strategy<Value = Backoff> {
    let kind = prop_oneof![
        Just(BackoffKind::Fixed),
        Just(BackoffKind::Linear),
        Just(BackoffKind::Exponential)
    ];
    (kind, millis(), millis(), any::<u8>()).prop_map(|(kind, base, cap, jitter)| Backoff {
        kind,
        base,
        cap,
        jitter,
    })
}

fn key() -> impl Strategy<Value = DedupKey> {
    let on_duplicate = prop_oneof![Just(OnDuplicate::Keep), Just(OnDuplicate::Replace)];
    (text(), option::of(millis()), any::<bool>(), on_duplicate).prop_map(
        |(text, window, until_settled, on_duplicate)| DedupKey {
            text,
            window,
            until_settled,
            on_duplicate,
        },
    )
}

fn options() -> impl Strategy<Value = Options> {
    let parent_failed =
        prop_oneof![Just(ParentFailed::Wait), Just(ParentFailed::Fail), Just(ParentFailed::Run)];
    let times = (
        option::of(millis()),
        option::of(at()),
        option::of(millis()),
        option::of(at()),
        option::of(any::<u32>()),
        option::of(backoff()),
    );
    let rest = (
        option::of(text()),
        option::of(key()),
        prop_oneof![any::<i32>(), Just(0), Just(i32::MIN), Just(i32::MAX)],
        option::of(text()),
        vec((text(), text()), 0..4),
        option::of(payload()),
        vec(text(), 0..4),
        parent_failed,
    );
    (times, rest).prop_map(|(times, rest)| {
        let (delay, not_before, ttl, deadline, attempts_max, backoff) = times;
        let (id, key, priority, kind, labels, headers, depends_on, parent_failed) = rest;
        Options {
            id,
            key,
            priority,
            delay,
            not_before,
            ttl,
            deadline,
            kind,
            labels,
            headers,
            attempts_max,
            backoff,
            depends_on,
            parent_failed,
        }
    })
}

fn boxed_options() -> impl Strategy<Value = Option<Box<Options>>> {
    option::of(options().prop_map(Box::new))
}

fn message() -> impl Strategy<Value = Arc<Message>> {
    (sequence(), position(), at(), option::of(at()), payload(), boxed_options()).prop_map(
        |(sequence, position, sent_at, expires_at, body, options)| {
            let sent_in = NUMBER;
            Arc::new(Message { sequence, position, sent_at, sent_in, expires_at, body, options })
        },
    )
}

fn settings() -> impl Strategy<Value = QueueSettings> {
    let ordering = prop_oneof![
        Just(MessageOrder::Fifo),
        Just(MessageOrder::Priority),
        Just(MessageOrder::Deadline)
    ];
    let ageing = (millis(), any::<i32>(), any::<i32>()).prop_map(|(every, step, top)| Ageing {
        every,
        step,
        top,
    });
    let window = (millis(), any::<bool>(), any::<u32>())
        .prop_map(|(length, debounce, messages)| Window { length, debounce, messages });
    let overflow =
        prop_oneof![Just(Overflow::Reject), Just(Overflow::DropOldest), Just(Overflow::DeadLetter)];
    let rate = (any::<u32>(), millis()).prop_map(|(count, per)| Rate { count, per });
    let safety = (
        prop_oneof![Just(Durability::Durable), Just(Durability::Relaxed)],
        prop_oneof![Just(Encryption::Optional), Just(Encryption::Required)],
    );
    let special = (ordering, option::of(ageing), backoff(), option::of(window), overflow, safety);
    let numbers = (
        option::of(number()),
        option::of(number()),
        any::<u32>(),
        option::of(any::<u32>()),
        option::of(rate),
    );
    let times = (millis(), millis(), option::of(millis()), millis(), millis(), millis(), millis());
    let labels = prop_oneof![Just(Vec::new()), vec((text(), text()), 0..3)];
    let others = (any::<[bool; 5]>(), labels, any::<i32>(), millis());
    (special, numbers, times, others).prop_map(|(special, numbers, times, others)| {
        let (flags, labels, priority, batch_wait) = others;
        let (ordering, ageing, backoff, window, overflow, (durability, encryption)) = special;
        let (messages_max, bytes_max, attempts_max, concurrency, rate) = numbers;
        let (lease, delay, ttl, dedup_window, retain_open, retain_settled, retain_dead) = times;
        let [expiry_is_failure, dead_letter, dead_letter_expired, dedup_content, work_group] =
            flags;
        QueueSettings {
            ordering,
            ageing,
            lease,
            attempts_max,
            backoff,
            expiry_is_failure,
            dead_letter,
            dead_letter_expired,
            delay,
            ttl,
            window,
            dedup_window,
            dedup_content,
            messages_max,
            bytes_max,
            overflow,
            retain_open,
            retain_settled,
            retain_dead,
            rate,
            concurrency,
            work_group,
            durability,
            encryption,
            labels,
            priority,
            batch_wait,
        }
    })
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        Just(Standing::Ready),
        Just(Standing::Blocked),
        at().prop_map(|until| Standing::Delayed { until }),
        Just(Standing::Held),
        (at(), text()).prop_map(|(at, reason)| Standing::Dead { at, reason }),
        (at(), option::of(payload())).prop_map(|(at, result)| Standing::Done { at, result }),
        at().prop_map(|at| Standing::Dropped { at }),
    ]
}

fn spec() -> impl Strategy<Value = ScheduleSpec> {
    let timing = prop_oneof![
        at().prop_map(Timing::At),
        millis().prop_map(Timing::Every),
        ("\\PC{0,20}", "\\PC{0,20}")
            .prop_map(|(expression, zone)| Timing::Cron { expression, zone }),
    ];
    let message = (option::of(name()), payload(), boxed_options())
        .prop_map(|(partition, body, options)| NewMessage { partition, body, options });
    let catch_up = prop_oneof![Just(CatchUp::Skip), Just(CatchUp::Once)];
    (timing, message, catch_up, any::<bool>(), at()).prop_map(
        |(timing, message, catch_up, paused, since)| ScheduleSpec {
            timing,
            message,
            catch_up,
            paused,
            since,
        },
    )
}

/// One strategy for each kind, in the order of their numbers.
fn kinds() -> Vec<BoxedStrategy<Record>> {
    let n = any::<u32>;
    vec![
        Just(Record::Opened).boxed(),
        Just(Record::Closed).boxed(),
        any::<bool>().prop_map(|paused| Record::Paused { paused }).boxed(),
        Just(Record::Deleted).boxed(),
        settings().prop_map(|settings| Record::Configured { settings: Box::new(settings) }).boxed(),
        (n(), name())
            .prop_map(|(partition, key)| Record::PartitionAdded { partition, key })
            .boxed(),
        (n(), name(), sequence())
            .prop_map(|(group, name, from)| Record::GroupAdded { group, name, from })
            .boxed(),
        (n(), at()).prop_map(|(group, at)| Record::GroupRemoved { group, at }).boxed(),
        (message(), standing())
            .prop_map(|(message, standing)| Record::Sent { message, standing })
            .boxed(),
        (message(), standing())
            .prop_map(|(message, standing)| Record::Replaced { message, standing })
            .boxed(),
        (n(), at(), positions())
            .prop_map(|(group, at, positions)| Record::Settled { group, at, positions })
            .boxed(),
        (n(), position(), n(), standing())
            .prop_map(|(group, position, failures, standing)| Record::Moved {
                group,
                position,
                failures,
                standing,
            })
            .boxed(),
        (at(), positions()).prop_map(|(at, positions)| Record::Removed { at, positions }).boxed(),
        (n(), at(), sequence(), positions())
            .prop_map(|(group, at, through, kept)| Record::Purged { group, at, through, kept })
            .boxed(),
        (n(), n(), number(), at())
            .prop_map(|(group, partition, offset, at)| Record::Sought {
                group,
                partition,
                offset,
                at,
            })
            .boxed(),
        (n(), n(), n())
            .prop_map(|(group, partition, failures)| Record::Charged { group, partition, failures })
            .boxed(),
        (name(), spec(), option::of(at()))
            .prop_map(|(name, spec, next)| Record::Scheduled { name, spec: Box::new(spec), next })
            .boxed(),
        name().prop_map(|name| Record::Unscheduled { name }).boxed(),
        (n(), number())
            .prop_map(|(group, from)| Record::GroupBegan { group, from: Sequence(from) })
            .boxed(),
    ]
}

fn any_record() -> impl Strategy<Value = Record> {
    proptest::strategy::Union::new(kinds())
}

fn written(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    encode(record, &mut out);
    out
}

proptest! {
    #[test]
    fn every_kind_survives_and_what_follows_is_left(
        records in kinds(),
        before in vec(any::<u8>(), 0..9),
    ) {
        for (at, record) in records.iter().enumerate() {
            let mut out = before.clone();
            encode(record, &mut out);
            prop_assert_eq!(&out[..before.len()], &before[..]);
            let mut bytes = Bytes::from(out).slice(before.len()..);
            prop_assert_eq!(usize::from(bytes[0]), at + 1, "a kind keeps its number");
            let mut longer = bytes.to_vec();
            longer.push(0xff);
            prop_assert_eq!(&decode(&mut bytes, NUMBER), &Ok(record.clone()));
            prop_assert!(bytes.is_empty());
            let mut bytes = Bytes::from(longer);
            prop_assert_eq!(&decode(&mut bytes, NUMBER), &Ok(record.clone()));
            prop_assert_eq!(bytes.as_ref(), [0xff].as_slice());
        }
    }

    #[test]
    fn every_record_survives_as_json_on_one_line(record in any_record()) {
        let mut text = Vec::new();
        json::Json::write(&record, &mut text);
        prop_assert!(!text.contains(&b'\n') && !text.contains(&b'\r'));
        let raw: Box<serde_json::value::RawValue> = serde_json::from_slice(&text).unwrap();
        let read: Record = json::Json::read(&raw).unwrap();
        // Which record it was is said nowhere.
        prop_assert_eq!(written(&read), written(&record));
    }

    #[test]
    fn every_cut_is_noticed(record in any_record()) {
        let written = Bytes::from(written(&record));
        for cut in 0..written.len() {
            prop_assert_eq!(decode(&mut written.slice(..cut), NUMBER), Err(NotARecord), "{}", cut);
        }
    }

    /// Bytes that begin like a record get further than those that do not.
    #[test]
    fn no_bytes_break_the_decoder(
        kind in 0..25_u8,
        mut bytes in vec(prop_oneof![any::<u8>(), 0..4_u8], 0..200),
    ) {
        let _ = decode(&mut Bytes::from(bytes.clone()), NUMBER);
        bytes.insert(0, kind);
        let _ = decode(&mut Bytes::from(bytes), NUMBER);
    }

    /// So do records with a few bytes changed. What can be read then can be written.
    #[test]
    fn no_changed_record_breaks_the_decoder(
        record in any_record(),
        changes in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = written(&record);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(read) = decode(&mut Bytes::from(bytes), NUMBER) {
            prop_assert_eq!(decode(&mut Bytes::from(written(&read)), NUMBER), Ok(read));
        }
    }

    #[test]
    fn signed_numbers_survive(number in prop_oneof![any::<i32>(), -200..200]) {
        let mut out = Vec::new();
        number.put(&mut out);
        let mut bytes = Bytes::from(out);
        let read = i32::get(&mut Reader { bytes: &mut bytes, number: NUMBER });
        prop_assert_eq!(read, Ok(number));
    }
}

fn message_with(body: Payload, options: Option<Options>) -> Arc<Message> {
    Arc::new(Message {
        sequence: Sequence(300),
        position: Position { partition: 1, offset: 2 },
        sent_at: Timestamp(5),
        sent_in: NUMBER,
        expires_at: None,
        body,
        options: options.map(Box::new),
    })
}

/// In full: the defaults of a later version may be others, and the bytes below stay.
fn defaults_of_0_1() -> QueueSettings {
    QueueSettings {
        ordering: MessageOrder::Fifo,
        ageing: None,
        lease: Millis(30_000),
        attempts_max: 5,
        backoff: Backoff {
            kind: BackoffKind::Exponential,
            base: Millis(0),
            cap: Millis(300_000),
            jitter: 0,
        },
        expiry_is_failure: true,
        dead_letter: true,
        dead_letter_expired: false,
        delay: Millis(0),
        ttl: None,
        window: None,
        dedup_window: Millis(3_600_000),
        dedup_content: false,
        messages_max: None,
        bytes_max: None,
        overflow: Overflow::Reject,
        retain_open: Millis(u64::MAX),
        retain_settled: Millis(0),
        retain_dead: Millis(1_209_600_000),
        rate: None,
        concurrency: None,
        work_group: true,
        durability: Durability::Durable,
        encryption: Encryption::Optional,
        labels: Vec::new(),
        priority: 0,
        batch_wait: Millis(0),
    }
}

/// What other versions will have written. A row may be added, never changed.
#[test]
fn the_bytes_are_these() {
    let position = |partition, offset| Position { partition, offset };
    let label = |name: &str, value: &str| (Arc::from(name), Arc::from(value));
    let rows: Vec<(Record, &[u8])> = vec![
        (Record::Opened, &[1]),
        (Record::Closed, &[2]),
        (Record::Paused { paused: true }, &[3, 1]),
        (Record::Deleted, &[4]),
        (
            Record::Configured { settings: Box::new(defaults_of_0_1()) },
            &[
                5, 1, 1, 1, 2, 1, 0, 3, 3, 0xb0, 0xea, 1, 4, 1, 5, 5, 6, 3, 0, 0xe0, 0xa7, 18, 0,
                6, 1, 1, 7, 1, 1, 8, 1, 0, 9, 1, 0, 10, 1, 0, 11, 1, 0, 12, 4, 0x80, 0xdd, 0xdb, 1,
                13, 1, 0, 14, 1, 0, 15, 1, 0, 16, 1, 1, 17, 10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                0xff, 0xff, 0xff, 1, 18, 1, 0, 19, 5, 0x80, 0x90, 0xe4, 0xc0, 4, 20, 1, 0, 21, 1,
                0, 22, 1, 1, 23, 1, 1, 24, 1, 1, 0,
            ],
        ),
        (
            Record::PartitionAdded { partition: 300, key: "é".parse().unwrap() },
            &[6, 0xac, 2, 2, 0xc3, 0xa9],
        ),
        (
            Record::GroupAdded { group: 1, name: "g".parse().unwrap(), from: Sequence(128) },
            &[7, 1, 1, b'g', 0x80, 1],
        ),
        (Record::GroupRemoved { group: 1, at: Timestamp(5) }, &[8, 1, 5]),
        (
            Record::Sent {
                message: message_with(Payload::from("[]"), None),
                standing: Standing::Ready,
            },
            &[9, 0xac, 2, 1, 2, 5, 0, 0, 2, b'[', b']', 0, 1],
        ),
        (
            Record::Replaced {
                message: message_with(
                    Payload::binary(Bytes::from_static(&[0xff]), "a/b"),
                    Some(Options {
                        id: Some("i".into()),
                        priority: -2,
                        labels: vec![label("n", "v")],
                        parent_failed: ParentFailed::Run,
                        ..Options::default()
                    }),
                ),
                standing: Standing::Dead { at: Timestamp(9), reason: "x".into() },
            },
            &[
                10, 0xac, 2, 1, 2, 5, 0, 1, 3, b'a', b'/', b'b', 1, 0xff, 1, 1, 3, 1, 1, b'i', 3,
                1, 3, 9, 5, 1, 1, b'n', 1, b'v', 14, 1, 3, 0, 5, 9, 1, b'x',
            ],
        ),
        (
            Record::Settled {
                group: 0,
                at: Timestamp(1),
                positions: vec![position(0, 1), position(2, 3)],
            },
            &[11, 0, 1, 2, 0, 1, 2, 3],
        ),
        (
            Record::Moved {
                group: 0,
                position: position(1, 2),
                failures: 3,
                standing: Standing::Delayed { until: Timestamp(4) },
            },
            &[12, 0, 1, 2, 3, 3, 4],
        ),
        (
            Record::Moved {
                group: 0,
                position: position(1, 2),
                failures: 3,
                standing: Standing::Dropped { at: Timestamp(4) },
            },
            &[12, 0, 1, 2, 3, 7, 4],
        ),
        (Record::Removed { at: Timestamp(1), positions: vec![] }, &[13, 1, 0]),
        (
            Record::Purged {
                group: 0,
                at: Timestamp(1),
                through: Sequence(2),
                kept: vec![position(0, 1)],
            },
            &[14, 0, 1, 2, 1, 0, 1],
        ),
        (Record::Sought { group: 0, partition: 1, offset: 2, at: Timestamp(3) }, &[15, 0, 1, 2, 3]),
        (Record::Charged { group: 0, partition: 1, failures: 2 }, &[16, 0, 1, 2]),
        (
            Record::Scheduled {
                name: "s".parse().unwrap(),
                spec: Box::new(ScheduleSpec {
                    timing: Timing::Every(Millis(7)),
                    message: NewMessage::from(Payload::from("1")),
                    catch_up: CatchUp::Once,
                    paused: false,
                    since: Timestamp(8),
                }),
                next: Some(Timestamp(9)),
            },
            &[17, 1, b's', 2, 7, 0, 0, 1, b'1', 0, 2, 0, 8, 1, 9],
        ),
        (Record::Unscheduled { name: "s".parse().unwrap() }, &[18, 1, b's']),
        (Record::GroupBegan { group: 1, from: Sequence(128) }, &[19, 1, 0x80, 1]),
        (
            Record::Configured {
                settings: Box::new(QueueSettings {
                    labels: vec![label("a", "b")],
                    priority: -1,
                    ..defaults_of_0_1()
                }),
            },
            &[
                5, 1, 1, 1, 2, 1, 0, 3, 3, 0xb0, 0xea, 1, 4, 1, 5, 5, 6, 3, 0, 0xe0, 0xa7, 18, 0,
                6, 1, 1, 7, 1, 1, 8, 1, 0, 9, 1, 0, 10, 1, 0, 11, 1, 0, 12, 4, 0x80, 0xdd, 0xdb, 1,
                13, 1, 0, 14, 1, 0, 15, 1, 0, 16, 1, 1, 17, 10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                0xff, 0xff, 0xff, 1, 18, 1, 0, 19, 5, 0x80, 0x90, 0xe4, 0xc0, 4, 20, 1, 0, 21, 1,
                0, 22, 1, 1, 23, 1, 1, 24, 1, 1, 25, 5, 1, 1, b'a', 1, b'b', 26, 1, 1, 0,
            ],
        ),
    ];
    for (record, bytes) in rows {
        assert_eq!(written(&record), bytes, "{record:?}");
        assert_eq!(decode(&mut Bytes::from_static(bytes), NUMBER), Ok(record));
    }
}

#[test]
fn a_setting_that_was_not_written_has_its_default_and_an_unknown_one_is_an_error() {
    let read = |bytes: &'static [u8]| decode(&mut Bytes::from_static(bytes), NUMBER);
    let with = |settings| Ok(Record::Configured { settings: Box::new(settings) });
    let default = QueueSettings::default;
    assert_eq!(read(&[5, 0]), with(default()));
    assert_eq!(read(&[5, 4, 1, 9, 0]), with(QueueSettings { attempts_max: 9, ..default() }));
    let batch_wait = Millis(5);
    assert_eq!(read(&[5, 27, 1, 5, 0]), with(QueueSettings { batch_wait, ..default() }));
    for (bad, why) in [
        (&[5, 28, 1, 0, 0][..], "tag unknown"),
        (&[5, 4, 1, 9, 4, 1, 9, 0], "twice"),
        (&[5, 6, 1, 0, 4, 1, 9, 0], "not ascending"),
        (&[5, 4, 2, 9, 9, 0], "value shorter than its length"),
        (&[5, 4, 1, 0x80, 1, 0], "value longer than its length"),
        (&[5, 6, 1, 2, 0], "no flag"),
        (&[5, 1, 1, 4, 0], "no ordering"),
        (&[5, 4, 1, 9], "no end"),
    ] {
        assert_eq!(read(bad), Err(NotARecord), "{why}");
    }
}

#[test]
fn what_cannot_be_is_no_record() {
    for (bad, why) in [
        (&[0][..], "kind 0"),
        (&[19], "kind unknown"),
        (&[8, 0x80, 0x80, 0x80, 0x80, 0x10], "group 2^32"),
        (&[6, 0, 0], "empty name"),
        (&[6, 0, 1, b'\n'], "control character in a name"),
        (&[6, 0, 2, 0xc3, 0x28], "not UTF-8"),
        (&[13, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0], "number of 65 bits"),
        (&[13, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "2^64 - 1 positions"),
        (&[18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "2^64 - 1 bytes"),
    ] {
        assert_eq!(decode(&mut Bytes::from_static(bad), NUMBER), Err(NotARecord), "{why}");
    }
}

#[test]
fn a_body_has_memory_of_its_own_and_a_message_knows_its_record() {
    let message = message_with(Payload::from("\"body\""), None);
    let bytes = Bytes::from(written(&Record::Sent { message, standing: Standing::Held }));
    let Ok(Record::Sent { message, .. }) = decode(&mut bytes.clone(), RecordNumber(5)) else {
        panic!();
    };
    assert!(!bytes.as_ptr_range().contains(&message.body.bytes().as_ptr()));
    assert_eq!(message.sent_in, RecordNumber(5));
}
