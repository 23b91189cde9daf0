//! Saved bodies in files beside the state store, on disks that do their worst.

use std::collections::BTreeMap;

use super::*;
use crate::{
    journal::{BLOCK, Message, Position, Sequence},
    store::disk::bad::{BadDisk, Fault},
    types::Payload,
};

fn open(disk: &BadDisk, directory: &Path) -> Result<State, OpenError> {
    let blobs: Arc<dyn Disk> = Arc::new(disk.clone());
    State::open_or_make(&directory.join("state.db"), &blobs)
}

fn key() -> QueueKey {
    ("r".parse().unwrap(), "deep".parse().unwrap())
}

/// The messages of a block in a version of it: some bodies fill a piece, which stands in a file then.
fn block(block: u64, version: u64) -> BlockImage {
    let message = |at: u64| {
        let body = vec![version as u8; if at.is_multiple_of(2) { 70_000 } else { 300 }];
        Arc::new(Message {
            sequence: Sequence(block * BLOCK + at + 1),
            position: Position { partition: 0, offset: block * BLOCK + at },
            sent_at: Timestamp(version),
            sent_in: RecordNumber(1),
            expires_at: None,
            body: Payload::binary(body.into(), "t"),
            options: None,
        })
    };
    BlockImage { partition: 0, block, messages: (0..4).map(message).collect() }
}

/// The same without the bodies, as it is when they are not in memory.
fn away(mut block: BlockImage) -> BlockImage {
    for message in &mut block.messages {
        let message = Arc::make_mut(message);
        message.body = Payload::away(message.body.len(), 0, message.body.shared_type().cloned());
    }
    block
}

fn save(state: &mut State, blocks: Vec<BlockImage>, keys: &Keys) -> Result<(), StoreError> {
    let (room, queue) = key();
    let (applied, image, wanted) = (RecordNumber(1), None, Vec::new());
    let save = Save { room, queue, applied, image, blocks, wanted, exists: true, due: None };
    state.save(&save, 1, keys)?;
    state.give_back()
}

/// The version of each block that is saved, with all its bodies.
fn saved(state: &State, keys: &Keys) -> Result<BTreeMap<u64, u64>, StoreError> {
    let mut versions = BTreeMap::new();
    for saved in state.blocks(&key(), None, keys)? {
        let version = saved.messages[0].sent_at.0;
        let offsets = (saved.block * BLOCK, saved.block * BLOCK + (BLOCK - 1));
        let bodies = state.bodies(&key(), 0, offsets, usize::MAX, keys)?;
        let expected = block(saved.block, version).messages;
        let expected = expected.iter().map(|it| (it.position.offset, it.body.bytes().clone()));
        assert!(bodies == expected.collect::<Vec<_>>(), "block {}", saved.block);
        versions.insert(saved.block, version);
    }
    Ok(versions)
}

/// Blocks of the disk that something stands in.
fn used(disk: &BadDisk) -> usize {
    let files = disk.files();
    let blocks = files.values().flat_map(|file| file.chunks(disk.block()));
    blocks.filter(|block| block.iter().any(|byte| *byte != 0)).count()
}

#[test]
fn saved_bodies_are_whole_whatever_fails_and_the_room_of_others_is_given_back() {
    let keys = Keys::default();
    let needed = {
        let (directory, disk) = (tempfile::tempdir().unwrap(), BadDisk::default());
        let mut state = open(&disk, directory.path()).unwrap();
        save(&mut state, vec![block(0, 1)], &keys).unwrap();
        used(&disk)
    };
    for fault in [Fault::PowerCut, Fault::Error, Fault::Short, Fault::NoRoom] {
        for operation in 1.. {
            let (directory, disk) = (tempfile::tempdir().unwrap(), BadDisk::default());
            disk.fail_at(operation, fault);
            let context = format!("{fault:?} at operation {operation}");
            let mut state = open(&disk, directory.path()).unwrap();
            let (mut safe, mut tried) = (BTreeMap::new(), BTreeMap::new());
            for blocks in [
                vec![block(0, 1)],
                vec![block(0, 2), block(1, 2)],
                vec![block(2, 3), block(0, 3)],
                vec![away(block(0, 3)), away(block(1, 2))],
            ] {
                let versions = blocks.iter().map(|it| (it.block, it.messages[0].sent_at.0));
                tried.extend(versions);
                if save(&mut state, blocks, &keys).is_err() {
                    break;
                }
                safe.clone_from(&tried);
            }
            drop(state);
            let mut seed = operation;
            let random = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                seed >> 63 == 1
            };
            let is_over = disk.operations() < operation;
            let disk = match fault {
                Fault::PowerCut => disk.after_power_cut(random),
                _ => disk,
            };
            disk.repair();
            let mut state =
                open(&disk, directory.path()).unwrap_or_else(|error| panic!("{context}: {error}"));
            let found = saved(&state, &keys).unwrap_or_else(|why| panic!("{context}: {why}"));
            assert!(found == safe || found == tried, "{context}: {found:?}, {safe:?}, {tried:?}");
            save(&mut state, vec![block(5, 5)], &keys).unwrap();
            state.give_back().unwrap();
            assert_eq!(used(&disk), (found.len() + 1) * needed, "{context}");
            if is_over {
                assert!(operation > 10 && found.len() == 3, "the script does something");
                break;
            }
        }
    }
}

#[test]
fn a_save_for_which_there_is_no_room_leaves_nothing_behind() {
    let keys = Keys::default();
    let (directory, disk) = (tempfile::tempdir().unwrap(), BadDisk::default());
    let mut state = open(&disk, directory.path()).unwrap();
    save(&mut state, vec![block(0, 1)], &keys).unwrap();
    let before = used(&disk);
    let pages = |state: &State, max: u32| {
        state.connection.pragma_update_and_check(None, "max_page_count", max, |_| Ok(())).unwrap();
    };
    pages(&state, 1);
    let many = || (1..300).map(|number| block(number, 2)).collect::<Vec<_>>();
    for _ in 0..3 {
        assert_eq!(save(&mut state, many(), &keys), Err(StoreError::Full));
        state.give_back().unwrap();
        assert_eq!(used(&disk), before);
    }
    assert_eq!(saved(&state, &keys), Ok(BTreeMap::from([(0, 1)])));
    pages(&state, u32::MAX - 1);
    save(&mut state, vec![block(0, 2), block(1, 2)], &keys).unwrap();
    assert_eq!(saved(&state, &keys), Ok(BTreeMap::from([(0, 2), (1, 2)])));
    assert_eq!(used(&disk), 2 * before);
}

#[test]
fn bodies_in_files_are_encrypted_and_belong_where_they_stand() {
    let keys = Keys::new([[7; 32]]);
    let (directory, disk) = (tempfile::tempdir().unwrap(), BadDisk::default());
    let mut state = open(&disk, directory.path()).unwrap();
    save(&mut state, vec![block(0, 120), block(1, 120)], &keys).unwrap();
    assert_eq!(saved(&state, &keys), Ok(BTreeMap::from([(0, 120), (1, 120)])));
    let bytes: Vec<u8> = disk.files().into_values().flatten().collect();
    assert!(!bytes.windows(8).any(|some| some == [120; 8]), "nothing can be read without a key");
    let wrong = saved(&state, &Keys::default()).unwrap_err().to_string();
    assert!(wrong.contains("there is no key"), "{wrong}");
    // Two rows that say each other's place.
    state
        .connection
        .execute_batch("UPDATE body SET at = (SELECT sum(at) FROM body AS other WHERE other.first % 1024 = body.first % 1024) - at")
        .unwrap();
    let wrong = saved(&state, &keys).unwrap_err().to_string();
    assert!(wrong.contains("damaged: blobs/0000000000000001.blob, from byte"), "{wrong}");
}

#[test]
fn after_a_save_that_failed_the_next_one_counts_only_its_own() {
    let keys = Keys::default();
    let (directory, disk) = (tempfile::tempdir().unwrap(), BadDisk::default());
    let mut state = open(&disk, directory.path()).unwrap();
    // Of the second there is nothing from which its bodies could be taken.
    let wrong = save(&mut state, vec![block(0, 1), away(block(1, 1))], &keys).unwrap_err();
    assert!(matches!(wrong, StoreError::Failed(_)), "{wrong}");
    save(&mut state, vec![block(2, 1)], &keys).unwrap();
    drop(state);
    let state = open(&disk, directory.path()).unwrap();
    assert_eq!(saved(&state, &keys), Ok(BTreeMap::from([(2, 1)])));
}

#[test]
fn a_place_that_is_changed_or_missing_is_noticed_before_it_passes_for_free() {
    let (directory, disk) = (tempfile::tempdir().unwrap(), BadDisk::default());
    let mut state = open(&disk, directory.path()).unwrap();
    save(&mut state, vec![block(0, 1), block(1, 1)], &Keys::default()).unwrap();
    for change in [
        "UPDATE body SET length = length - 512 WHERE at = 0",
        "UPDATE body SET file = NULL WHERE at = 0",
        "DELETE FROM body WHERE at = 0",
        "UPDATE meta SET value = value + 1 WHERE name = 'extents'",
    ] {
        let path = directory.path().join("state.db");
        state.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let kept = directory.path().join("kept");
        std::fs::copy(&path, &kept).unwrap();
        assert_eq!(state.connection.execute(change, []).unwrap(), 1, "{change}");
        drop(state);
        let refused = open(&disk, directory.path()).err().unwrap().to_string();
        assert!(refused.contains("what it says of blobs is damaged"), "{change}: {refused}");
        std::fs::rename(&kept, &path).unwrap();
        state = open(&disk, directory.path()).unwrap();
    }
}

#[test]
fn a_state_store_without_files_is_taken_over() {
    let (directory, disk) = (tempfile::tempdir().unwrap(), BadDisk::default());
    let path = directory.path().join("state.db");
    let connection = connect(&path).unwrap();
    let text = "INSERT INTO meta VALUES ('format', 2), ('store', 7), ('retired', 0), ('sum', 0)";
    connection.execute_batch(text).unwrap();
    drop(connection);
    assert!(is_of_earlier_format(&path).unwrap());
    let mut state = open(&disk, directory.path()).unwrap();
    save(&mut state, vec![block(0, 1)], &Keys::default()).unwrap();
    assert!(!is_of_earlier_format(&path).unwrap() && state.blob_bytes() > 0);
    assert_eq!(saved(&state, &Keys::default()), Ok(BTreeMap::from([(0, 1)])));
}
