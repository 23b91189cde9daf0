//! The store on disks that do their worst: nothing acknowledged is lost, whatever stops working, and when.

use std::{cell::Cell, sync::mpsc};

use super::*;
use crate::{
    journal::{Record, RecordNumber},
    store::{
        disk::bad::{BadDisk, Fault},
        entries::EntryReader,
        frame, recovery,
        slot::{BySlot, Epoch, LARGE, MAIN, Slot},
    },
};

const SEGMENT: u64 = 2048;

/// From so many bytes on a record is written apart.
const LARGE_FROM: usize = SEGMENT as usize / 16;

/// A small generator: the same numbers for the same seed.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let state = Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    move || {
        let mut next = state.get();
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        state.set(next);
        next
    }
}

fn open_with(disk: &BadDisk, directory: &Path, keys: Keys) -> Result<DurableStore, OpenError> {
    let lock = Lock::take(&directory.join("lock"))?.ok_or(OpenError::Locked)?;
    let options = OpenOptions {
        directory: directory.to_owned(),
        segment_bytes: SEGMENT,
        journal_bytes: 4 * SEGMENT,
        keys,
    };
    let (disk, blobs) = (Arc::new(disk.clone()), Arc::new(disk.clone()));
    DurableStore::open_on(disk, blobs, &directory.join("state.db"), lock, options, &|_, _| {})
}

fn open(disk: &BadDisk, directory: &Path) -> Result<DurableStore, OpenError> {
    open_with(disk, directory, Keys::default())
}

fn key(room: &str, queue: &str) -> QueueKey {
    (room.parse().unwrap(), queue.parse().unwrap())
}

/// A record that is about so long, and differs from all others.
fn record(number: u64, length: usize) -> Record {
    let key = format!("{number}{}", "x".repeat(length));
    Record::PartitionAdded { partition: number as u32, key: key.parse().unwrap() }
}

fn borrowed(batches: &[(QueueKey, RecordNumber, Vec<Record>)]) -> Vec<Batch<'_>> {
    batches
        .iter()
        .map(|(key, first, records)| Batch { room: &key.0, queue: &key.1, first: *first, records })
        .collect()
}

/// What was appended to some queues, and what of it was acknowledged.
#[derive(Default)]
struct Witness {
    appended: BTreeMap<QueueKey, Vec<Record>>,
    acknowledged: BTreeMap<QueueKey, usize>,
    /// How often it was so at once.
    at_once: usize,
}

impl Witness {
    /// Appends records to some queues at once and waits until they are safe, or not.
    fn append(&mut self, store: &DurableStore, queues: &[(&str, &str)], length: usize) -> bool {
        self.append_on(store, queues, length, &|| ())
    }

    fn append_on(
        &mut self,
        store: &DurableStore,
        queues: &[(&str, &str)],
        length: usize,
        make_room: &dyn Fn(),
    ) -> bool {
        let mut batches = Vec::new();
        for (room, queue) in queues {
            let key = key(room, queue);
            let all = self.appended.entry(key.clone()).or_default();
            let first = all.len() as u64 + 1;
            let records = vec![record(first, length), record(first + 1, 1)];
            all.extend(records.iter().cloned());
            batches.push((key, RecordNumber(first), records));
        }
        let borrowed = borrowed(&batches);
        let (done, told) = mpsc::channel();
        let done = Box::new(move |result| done.send(result).unwrap());
        let appended = store.append(&borrowed, Requests::One, done);
        let is_safe = match appended {
            Ok(Appended::Durable) => {
                self.at_once += 1;
                true
            }
            Ok(Appended::Pending) => loop {
                match told.recv_timeout(Duration::from_millis(20)) {
                    Ok(result) => break result.is_ok(),
                    // It waits for room, and goes on when there is some.
                    Err(mpsc::RecvTimeoutError::Timeout) if store.is_full() => make_room(),
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(gone) => panic!("never answered: {gone}"),
                }
            },
            Err(_) => false,
        };
        if is_safe {
            for (key, ..) in batches {
                let count = self.appended[&key].len();
                self.acknowledged.insert(key, count);
            }
        }
        is_safe
    }

    /// What is there is what was appended, in order, and all that was acknowledged is.
    fn check(&self, store: &DurableStore, context: &str) {
        for (key, appended) in &self.appended {
            let records = store.load(&key.0, &key.1).unwrap().records;
            let acknowledged = self.acknowledged.get(key).copied().unwrap_or_default();
            assert!(records.len() >= acknowledged, "{context}: {key:?} lost what was acknowledged");
            assert!(appended.starts_with(&records), "{context}: {key:?} is not what was appended");
        }
    }
}

/// A script: what it appends; it stops at the first refusal. Half of them append to one queue for so long that the thread
/// does no longer commit.
fn run(store: &DurableStore, disk: &BadDisk, seed: u64) -> Witness {
    let mut witness = Witness::default();
    let mut random = random(seed);
    let alone = if seed.is_multiple_of(2) { 12 } else { 0 };
    for step in 0..12 + alone {
        let queues: &[_] = match random() % 4 {
            _ if step < alone => &[("r", "a")],
            0 => &[("r", "a")],
            1 => &[("r", "b")],
            2 => &[("r", "a"), ("r", "b"), ("s", "a")],
            _ => &[("s", "a")],
        };
        // Some of them are written apart.
        let length = match (random() % 150) as usize {
            length if step < alone => length % (LARGE_FROM - 50),
            _ if step % 12 == 7 => LARGE_FROM + 100,
            length => length,
        };
        if !witness.append_on(store, queues, length, &|| disk.repair()) {
            break;
        }
    }
    witness
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_at_any_operation() {
    let mut at_once = 0;
    for seed in 1..4 {
        for operation in 1.. {
            let directory = tempfile::tempdir().unwrap();
            let disk = BadDisk::default();
            disk.fail_at(operation, Fault::PowerCut);
            let witness = match open(&disk, directory.path()) {
                Ok(store) => run(&store, &disk, seed),
                Err(_) => Witness::default(),
            };
            at_once += witness.at_once;
            let is_over = disk.operations() < operation;
            for cut in 0..3 {
                let mut random = random(seed * 1000 + operation * 10 + cut);
                let after = disk.after_power_cut(|| random().is_multiple_of(2));
                let context = format!("seed {seed}, operation {operation}, cut {cut}");
                let store = open(&after, directory.path());
                let store = store.unwrap_or_else(|error| panic!("{context}: {error}"));
                witness.check(&store, &context);
            }
            if is_over {
                assert!(operation > 20, "the script does something");
                break;
            }
        }
    }
    assert!(at_once > 0, "who is alone commits at once");
}

#[test]
fn a_large_frame_is_there_as_a_whole_or_not_at_all() {
    let names: Vec<String> = (0..1000).map(|number| format!("q{number}")).collect();
    let queues: Vec<_> = names.iter().map(|queue| ("r", queue.as_str())).collect();
    let mut seen = [0; 2];
    for operation in 1.. {
        let directory = tempfile::tempdir().unwrap();
        let disk = BadDisk::default();
        let store = open(&disk, directory.path()).unwrap();
        let mut witness = Witness::default();
        disk.fail_at(operation, Fault::PowerCut);
        let is_safe = witness.append(&store, &queues, 100);
        let is_over = disk.operations() < operation;
        drop(store);
        let mut random = random(operation);
        let after = disk.after_power_cut(|| random().is_multiple_of(2));
        let context = format!("operation {operation}");
        let store = open(&after, directory.path()).unwrap();
        witness.check(&store, &context);
        let stored = queues.iter().filter(|(room, queue)| {
            let (room, queue) = key(room, queue);
            !store.load(&room, &queue).unwrap().records.is_empty()
        });
        let stored = stored.count();
        assert!(stored == 0 || stored == queues.len(), "{context}: {stored} of a frame");
        seen[usize::from(is_safe)] += 1;
        if is_over {
            break;
        }
    }
    assert!(seen[0] > 3 && seen[1] > 0, "{seen:?}");
}

#[test]
fn what_was_acknowledged_survives_a_failure_of_any_operation() {
    for fault in [Fault::Error, Fault::Short, Fault::NoRoom] {
        for operation in 1.. {
            let directory = tempfile::tempdir().unwrap();
            let disk = BadDisk::default();
            disk.fail_at(operation, fault);
            let context = format!("{fault:?} at operation {operation}");
            let witness = match open(&disk, directory.path()) {
                Ok(store) => {
                    let witness = run(&store, &disk, operation);
                    let refused = witness.appended.values().map(Vec::len).sum::<usize>()
                        > witness.acknowledged.values().sum::<usize>();
                    assert!(!(refused && fault == Fault::NoRoom), "{context}: it was only full");
                    if refused {
                        let health = store.health();
                        assert!(matches!(health, Health::Failed(_)), "{context}: {health:?}");
                    }
                    witness
                }
                Err(_) => Witness::default(),
            };
            let is_over = disk.operations() < operation;
            disk.repair();
            let store = open(&disk, directory.path());
            let store = store.unwrap_or_else(|error| panic!("{context}: {error}"));
            witness.check(&store, &context);
            if is_over {
                assert!(operation > 20, "the script does something");
                break;
            }
        }
    }
}

/// The files of a store that was stopped in order, and those of one that was killed.
fn small_store(keys: fn() -> Keys) -> (tempfile::TempDir, Witness, BTreeMap<String, Vec<u8>>) {
    let directory = tempfile::tempdir().unwrap();
    let disk = BadDisk::default();
    let store = open_with(&disk, directory.path(), keys()).unwrap();
    let mut witness = Witness::default();
    for length in [1, LARGE_FROM, 30, 60] {
        assert!(witness.append(&store, &[("r", "a")], length));
        assert!(witness.append(&store, &[("r", "b"), ("s", "a")], length % LARGE_FROM));
    }
    drop(store);
    (directory, witness, disk.files())
}

/// Opens a store with these files, and looks whether all is there. `Err`: it was refused.
fn reopen(
    files: &BTreeMap<String, Vec<u8>>,
    directory: &Path,
    keys: Keys,
) -> Result<BTreeMap<QueueKey, Vec<Record>>, OpenError> {
    let disk = BadDisk::with_files(files);
    let found = found(&disk, directory, &keys)?;
    Ok(all_records(&disk, &found, &keys)?)
}

fn state(directory: &Path) -> Result<State, OpenError> {
    let blobs: Arc<dyn Disk> = Arc::new(BadDisk::default());
    State::open(&directory.join("state.db"), &blobs)
}

fn found(disk: &BadDisk, directory: &Path, keys: &Keys) -> Result<Recovered, OpenError> {
    let state = state(directory)?;
    let found = recover(disk, state.store()?, &state.retired()?, keys, &|_, _| {})?;
    check_clean_mark(disk, &found)?;
    Ok(found)
}

fn all_records(
    disk: &BadDisk,
    found: &Recovered,
    keys: &Keys,
) -> Result<BTreeMap<QueueKey, Vec<Record>>, StoreError> {
    let mut all = BTreeMap::new();
    for (room, queues) in &found.places {
        for (queue, places) in queues {
            let mut entries = EntryReader::new(disk, keys);
            let records = entries::records(places, RecordNumber(0), |place| {
                let segments = &found.slots.of(place.slot).segments;
                entries.read(place, || recovery::place(segments, place.position))
            })?;
            all.insert((room.clone(), queue.clone()), records);
        }
    }
    Ok(all)
}

/// The file of a kind, and how much of it is used.
fn only(files: &BTreeMap<String, Vec<u8>>, kind: &str) -> (String, usize) {
    let segments: Vec<_> = files.keys().filter(|name| name.ends_with(kind)).collect();
    let [name] = segments[..] else { panic!("{segments:?}") };
    let used = files[name].iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (name.clone(), used)
}

#[test]
fn no_flipped_bit_goes_unnoticed_after_a_stop_in_order() {
    for keys in [Keys::default, || Keys::new([[7; 32]])] {
        let (directory, witness, files) = small_store(keys);
        assert_eq!(reopen(&files, directory.path(), keys()).unwrap(), witness.appended);
        for (name, length) in [".segment", ".large", CLEAN].map(|kind| only(&files, kind)) {
            let name = name.as_str();
            for byte in 0..length {
                let mut files = files.clone();
                files.get_mut(name).unwrap()[byte] ^= 1 << (byte % 8);
                match reopen(&files, directory.path(), keys()) {
                    // Between a body and the next frame nothing stands that counts.
                    Ok(all) => assert_eq!(all, witness.appended, "{name}, byte {byte}"),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
            for length in 0..length {
                let mut files = files.clone();
                files.get_mut(name).unwrap().truncate(length);
                assert!(
                    reopen(&files, directory.path(), keys()).is_err(),
                    "{name}, cut to {length} bytes"
                );
            }
        }
    }
}

#[test]
fn what_goes_bad_between_a_start_and_its_reading_is_noticed() {
    for keys in [Keys::default, || Keys::new([[7; 32]])] {
        let (directory, witness, files) = small_store(keys);
        let found = found(&BadDisk::with_files(&files), directory.path(), &keys()).unwrap();
        for kind in [".segment", ".large"] {
            let (name, used) = only(&files, kind);
            let mut refused = 0;
            for byte in 0..used {
                let mut files = files.clone();
                files.get_mut(&name).unwrap()[byte] ^= 1 << (byte % 8);
                match all_records(&BadDisk::with_files(&files), &found, &keys()) {
                    Ok(all) => assert_eq!(all, witness.appended, "{name}, byte {byte}"),
                    Err(_) => refused += 1,
                }
            }
            assert!(refused > used / 4, "{name}: {refused} of {used}");
        }
    }
}

/// After a crash a damaged last frame cannot be told from one that was never finished.
#[test]
fn after_a_crash_only_the_end_can_be_missing() {
    let (directory, witness, mut files) = small_store(Keys::default);
    files.remove(CLEAN);
    let (segment, used) = only(&files, ".segment");
    let bytes = files[&segment].clone();
    let mut starts = vec![0];
    let kin = {
        let state = state(directory.path()).unwrap();
        frame::Kin { store: state.store().unwrap(), generation: (1 << 32) + 1 }
    };
    while let Some(frame) = frame::Frame::of(&bytes[*starts.last().unwrap()..], kin) {
        starts.push(starts.last().unwrap() + frame.stride() as usize);
    }
    let last = starts[starts.len() - 2];
    let without_last = {
        let mut files = files.clone();
        files.get_mut(&segment).unwrap()[last..].fill(0);
        reopen(&files, directory.path(), Keys::default()).unwrap()
    };
    assert_ne!(without_last, witness.appended);
    for byte in 0..used {
        let mut files = files.clone();
        files.get_mut(&segment).unwrap()[byte] ^= 1 << (byte % 8);
        match reopen(&files, directory.path(), Keys::default()) {
            Ok(all) if byte >= last => assert!(all == witness.appended || all == without_last),
            Ok(all) => assert_eq!(all, witness.appended, "byte {byte}"),
            Err(OpenError::Damaged { name, offset, .. }) => {
                assert_eq!(name, segment);
                assert!(starts.contains(&(offset as usize)) && offset as usize <= byte);
            }
            Err(error) => panic!("byte {byte}: {error}"),
        }
    }
    // What is written apart was acknowledged if it is named.
    let (large, used) = only(&files, ".large");
    for byte in 0..used {
        let mut files = files.clone();
        files.get_mut(&large).unwrap()[byte] ^= 1 << (byte % 8);
        match reopen(&files, directory.path(), Keys::default()) {
            Ok(all) => assert_eq!(all, witness.appended, "byte {byte}"),
            Err(OpenError::Damaged { name, .. }) => assert_eq!(name, segment),
            Err(error) => panic!("byte {byte}: {error}"),
        }
    }
    files.remove(&large);
    let missing = reopen(&files, directory.path(), Keys::default());
    assert!(matches!(missing, Err(OpenError::Damaged { .. })), "{missing:?}");
}

/// Others pass it by; what comes for its own queues does not.
#[test]
fn what_is_large_holds_up_its_own_queues_only() {
    let directory = tempfile::tempdir().unwrap();
    let disk = BadDisk::default();
    let store = open(&disk, directory.path()).unwrap();
    let mut next = BTreeMap::new();
    let (done, told) = mpsc::channel();
    let mut append = |queues: &[&str], length: usize| {
        let name = format!("{} {length}", queues.concat());
        let batches: Vec<_> = queues
            .iter()
            .map(|queue| {
                let number = next.entry((*queue).to_owned()).or_insert(0);
                *number += 1;
                (key("r", queue), RecordNumber(*number), vec![record(*number, length)])
            })
            .collect();
        let borrowed = borrowed(&batches);
        let done = done.clone();
        let done = Box::new(move |result: Result<(), StoreError>| {
            assert_eq!(result, Ok(()));
            done.send(name).unwrap();
        });
        assert_eq!(store.append(&borrowed, Requests::Many, done), Ok(Appended::Pending));
    };
    // There is no room for what is large, until there is: one free file is for all others.
    disk.fill_up();
    append(&["z"], 1);
    assert_eq!(told.recv().unwrap(), "z 1");
    append(&["a"], LARGE_FROM);
    append(&["a", "b"], 1);
    append(&["b"], 2);
    append(&["c"], 3);
    assert_eq!(told.recv().unwrap(), "c 3");
    append(&["c"], LARGE_FROM + 1);
    append(&["c"], 4);
    assert_eq!(told.recv_timeout(Duration::from_millis(100)), Err(mpsc::RecvTimeoutError::Timeout));
    disk.repair();
    let order: Vec<_> = told.iter().take(5).collect();
    let of = |queue: char| order.iter().filter(|name| name.contains(queue)).collect::<Vec<_>>();
    assert_eq!(of('a'), ["a 128", "ab 1"]);
    assert_eq!(of('b'), ["ab 1", "b 2"]);
    assert_eq!(of('c'), ["c 129", "c 4"]);
    drop(store);
    let store = open(&disk, directory.path()).unwrap();
    for (queue, count) in next {
        let (room, queue) = key("r", &queue);
        let records = store.load(&room, &queue).unwrap().records;
        assert_eq!(records.len() as u64, count, "{queue}");
    }
}

#[test]
fn a_journal_without_its_state_store_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let disk = BadDisk::default();
    let mut witness = Witness::default();
    let store = open(&disk, directory.path()).unwrap();
    assert!(witness.append(&store, &[("r", "a")], 10));
    drop(store);
    let kept = directory.path().join("kept");
    for left in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::rename(directory.path().join(left), kept.with_extension(left));
    }
    let error = open(&disk, directory.path()).err().unwrap();
    assert!(error.to_string().contains("it is missing"), "{error}");
    // The refused start has made nothing that a second one would take for it.
    assert!(open(&disk, directory.path()).is_err());
    for left in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::rename(kept.with_extension(left), directory.path().join(left));
    }
    witness.check(&open(&disk, directory.path()).unwrap(), "put back");
}

#[test]
fn the_wrong_key_and_a_second_process_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let disk = BadDisk::default();
    let store = open_with(&disk, directory.path(), Keys::new([[1; 32]])).unwrap();
    let mut witness = Witness::default();
    assert!(witness.append(&store, &[("r", "a")], 10));
    assert!(matches!(open(&disk, directory.path()), Err(OpenError::Locked)));
    drop(store);
    for keys in [Keys::default(), Keys::new([[2; 32]])] {
        let error = open_with(&disk, directory.path(), keys).err().unwrap();
        assert!(error.to_string().contains("no key"), "{error}");
    }
    let rotated = Keys::new([[2; 32], [1; 32]]);
    let store = open_with(&disk, directory.path(), rotated).unwrap();
    assert!(witness.append(&store, &[("r", "a")], 10));
    drop(store);
    let store = open_with(&disk, directory.path(), Keys::new([[2; 32], [1; 32]])).unwrap();
    witness.check(&store, "both keys");
    let bytes: Vec<u8> = disk.files().into_values().flatten().collect();
    assert!(!bytes.windows(6).any(|six| six == b"xxxxxx"), "nothing can be read without a key");
}

fn epochs(disk: &BadDisk) -> Vec<u64> {
    let names = disk.files().into_keys();
    let named = names.filter_map(|name| match Named::of(&name) {
        Some(Named::Segment { generation, .. }) => Some(generation >> 32),
        _ => None,
    });
    named.collect()
}

#[test]
fn every_start_begins_an_epoch_whatever_the_file_says() {
    let directory = tempfile::tempdir().unwrap();
    let (disk, lock) = (BadDisk::default(), directory.path().join("lock"));
    let mut witness = Witness::default();
    for text in ["", "0000000000\n", "nonsense", "0000000001\n", "0000000041\n"] {
        std::fs::write(&lock, text).unwrap();
        let store = open(&disk, directory.path()).unwrap();
        witness.check(&store, text);
        assert!(witness.append(&store, &[("r", "a")], 10));
    }
    assert_eq!(epochs(&disk), [1, 2, 3, 4, 42]);
    assert_eq!(std::fs::read_to_string(lock).unwrap(), "0000000042\n");
}

#[test]
fn who_was_taken_over_writes_no_further_file() {
    let directory = tempfile::tempdir().unwrap();
    let disk = BadDisk::default();
    let store = open(&disk, directory.path()).unwrap();
    let mut witness = Witness::default();
    assert!(witness.append(&store, &[("r", "a")], 10));
    // As if another process had got the lock.
    std::fs::write(directory.path().join("lock"), "0000000002\n").unwrap();
    let written = (0..20).take_while(|_| witness.append(&store, &[("r", "a")], 200)).count();
    assert!(written < 20, "a file has room for some");
    let health = store.health();
    assert!(
        matches!(&health, Health::Failed(StoreError::Failed(why)) if why.contains("taken the journal over")),
        "{health:?}"
    );
    drop(store);
    witness.check(&open(&disk, directory.path()).unwrap(), "the next one");
}

fn new_files(disk: impl Disk + 'static, directory: &Path) -> (Files, Epoch) {
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let lock = Arc::new(Lock::take(&directory.join("lock")).unwrap().unwrap());
    let found =
        recover(disk.as_ref(), 7, &BySlot::default(), &Keys::default(), &|_, _| {}).unwrap();
    Files::take_over(disk, Arc::default(), lock, 7, SEGMENT, found).unwrap()
}

#[test]
fn a_frame_is_appended_where_it_belongs_and_by_the_epochs_writer_only() {
    let directory = tempfile::tempdir().unwrap();
    let (files, epoch) = new_files(BadDisk::default(), directory.path());
    assert_eq!(epoch, Epoch(1));
    let append = |slot, position, epoch| {
        let mut frame = vec![0; frame::HEADER + 8];
        files.append(Slot(slot), position, Epoch(epoch), &mut frame).is_ok()
    };
    assert!(append(0, 1, 1));
    for (slot, position, epoch) in
        [(0, 1, 1), (0, 3, 1), (0, 2, 0), (0, 2, 2), (1, 2, 1), (2, 1, 1)]
    {
        assert!(!append(slot, position, epoch), "{slot} {position} {epoch}");
    }
    assert!(append(0, 2, 1) && append(1, 1, 1) && append(1, 2, 1) && append(0, 3, 1));
}

#[test]
fn each_slot_has_files_of_its_own_and_the_free_ones_are_for_all() {
    let directory = tempfile::tempdir().unwrap();
    let disk = BadDisk::default();
    let (files, epoch) = new_files(disk.clone(), directory.path());
    let append = |slot, position| {
        let mut frame = vec![0; SEGMENT as usize - frame::HEADER];
        files.append(slot, position, epoch, &mut frame).unwrap();
    };
    let count = || {
        let names = disk.files().into_keys().collect::<Vec<_>>();
        let of = |kind: &str| names.iter().filter(|name| name.ends_with(kind)).count();
        (of(".segment"), of(".large"), of(".spare"))
    };
    for position in 1..=5 {
        append(LARGE, position);
        append(MAIN, position);
    }
    let (_, _, spares) = count();
    files.truncate(LARGE, 4).unwrap();
    assert_eq!(count(), (5, 1, spares + 4));
    files.truncate(MAIN, 2).unwrap();
    assert_eq!(count(), (3, 1, spares + 6));
    for position in 6..=9 {
        append(MAIN, position);
    }
    assert_eq!(count(), (7, 1, spares + 2));
    files.truncate(LARGE, 5).unwrap();
    assert_eq!(count(), (7, 1, spares + 2), "the last one is written to");
}

#[test]
fn while_a_journal_is_copied_no_file_of_it_is_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let journal = || Directory::new(&directory.path().join("journal")).unwrap();
    let (files, epoch) = new_files(journal(), directory.path());
    let append = |position| {
        // A file each.
        let mut frame = vec![0; journal().block() - frame::HEADER];
        files.append(MAIN, position, epoch, &mut frame).unwrap();
    };
    let used = || {
        let names = journal().list().unwrap().into_iter().map(|(name, _)| name);
        names.filter(|name| name.ends_with(".segment")).count()
    };
    (1..=3).for_each(append);
    let copying = journal().copying().unwrap();
    files.truncate(MAIN, 2).unwrap();
    (4..=6).for_each(append);
    assert_eq!(used(), 6);
    files.tend().unwrap();
    assert_eq!(used(), 6, "it is still copied");
    drop(copying);
    files.tend().unwrap();
    assert_eq!(used(), 4);
    let copying = journal().copying().unwrap();
    let many = files::COPIED_MAX as u64;
    (7..=6 + many).for_each(append);
    files.truncate(MAIN, 2 + many).unwrap();
    assert_eq!(used() as u64, 4 + many, "these are kept for it");
    files.truncate(MAIN, 3 + many).unwrap();
    assert_eq!(used(), 3, "it takes too long");
    drop(copying);
}

#[test]
fn a_file_without_zeros_is_used_in_a_hurry_and_left_for_one_with_zeros() {
    let directory = tempfile::tempdir().unwrap();
    let (files, epoch) = new_files(BadDisk::default(), directory.path());
    let mut position = 0;
    let mut append = |length: usize| {
        position += 1;
        let mut frame = vec![0; frame::HEADER + length];
        files.append(MAIN, position, epoch, &mut frame).unwrap().number
    };
    let whole = SEGMENT as usize - 2 * frame::HEADER;
    #[expect(clippy::disallowed_methods, reason = "until nobody is in a hurry")]
    let calm_down = || std::thread::sleep(files::UNHURRIED);
    calm_down();
    files.tend().unwrap();
    let filled = [append(whole), append(whole)];
    let hurried = append(8);
    assert!(filled[0] < filled[1] && filled[1] < hurried);
    assert_eq!(append(8), hurried, "there is nothing better");
    calm_down();
    assert_eq!(append(8), hurried, "nor now");
    files.tend().unwrap();
    let left_for = append(8);
    assert!(left_for > hurried);
    assert_eq!(append(8), left_for);
}

#[test]
fn what_nobody_waits_for_is_written_soon_and_with_whatever_somebody_waits_for() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&BadDisk::default(), directory.path()).unwrap();
    let append = |queue: &str, number: u64, requests| {
        let (room, queue) = key("r", queue);
        let (first, records) = (RecordNumber(number), vec![record(number, 1)]);
        let (done, told) = mpsc::channel();
        let done = Box::new(move |result: Result<(), StoreError>| done.send(result).unwrap());
        let batch = Batch { room: &room, queue: &queue, first, records: &records };
        assert_eq!(store.append(&[batch], requests, done), Ok(Appended::Pending));
        told
    };
    let soon = |told: &mpsc::Receiver<_>| told.recv_timeout(Duration::from_secs(20)).unwrap();
    // By itself.
    assert_eq!(soon(&append("relaxed", 1, Requests::None)), Ok(()));
    let told: Vec<_> = (2..1002).map(|at| append("relaxed", at, Requests::None)).collect();
    told.iter().for_each(|told| assert_eq!(soon(told), Ok(())));
    // Whoever waits takes it along, and a stop does not forget it.
    let lying = append("relaxed", 1002, Requests::None);
    assert_eq!(soon(&append("durable", 1, Requests::One)), Ok(()));
    assert_eq!(lying.try_recv(), Ok(Ok(())), "before it or with it");
    let lying = append("relaxed", 1003, Requests::None);
    store.close().unwrap();
    assert_eq!(lying.try_recv(), Ok(Ok(())));
}
