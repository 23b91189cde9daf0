//! Looking after a store from outside of the server: checking, repairing, copying.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{
    Keys, Offline, OpenError, StoreError, Stored, blobs,
    disk::Directory,
    durable::{CLEAN, check_clean_mark},
    offline::Place,
    places::QueueKey,
    segment::Named,
    slot::{LARGE, MAIN},
    state,
};
use crate::journal::{BLOCK, BlockImage, Image};

/// What a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Files of the journal in use.
    pub segments: u64,
    /// Their bytes.
    pub journal_bytes: u64,
    /// The last frame.
    pub last_frame: u64,
    /// Bytes of the state store,
    pub state_bytes: u64,
    /// and of bodies in files beside it.
    pub blob_bytes: u64,
    /// Queues that are stored.
    pub queues: u64,
    /// Rooms with such queues.
    pub rooms: u64,
    /// Messages in saved queues; those in the journal only are not counted.
    pub saved_messages: u64,
    /// Records in the journal that are not in a saved queue yet.
    pub journal_records: u64,
    /// Whether the server was stopped in order.
    pub is_clean: bool,
}

/// What was lost by a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The file that was damaged.
    pub file: String,
    /// Where.
    pub offset: u64,
    /// The first frame that is lost; all after it are.
    pub first_frame: u64,
    /// Where the files are as they were.
    pub kept_in: PathBuf,
}

/// Reads everything that is stored in a directory that no server uses, and checks it. Changes nothing.
///
/// # Errors
/// [`OpenError`]: what is wrong first.
pub fn check(directory: &Path, keys: &Keys) -> Result<Report, OpenError> {
    examine(&Offline::open(directory, keys)?)
}

fn examine(store: &Offline<'_>) -> Result<Report, OpenError> {
    let mut report = store.report()?;
    let mut last_room = None;
    for key in store.queues()? {
        let Stored { saved, records } = store.load(&key)?;
        if let Some(image) = &saved.image {
            ensure_whole(store, &key, image)?;
            report.saved_messages += live(image);
        }
        report.journal_records += records.len() as u64;
        report.queues += 1;
        report.rooms += u64::from(last_room.as_ref() != Some(&key.0));
        last_room = Some(key.0);
    }
    Ok(report)
}

fn live(image: &Image) -> u64 {
    let live = image.partitions.iter().flat_map(|partition| &partition.live);
    live.map(|(_, count)| count).sum()
}

/// Reads all messages that an image needs, and their bodies.
fn ensure_whole(store: &Offline<'_>, key: &QueueKey, image: &Image) -> Result<(), StoreError> {
    let needed = image.needed_blocks().into_iter();
    let mut needed = needed
        .flat_map(|(partition, first, last)| (first..=last).map(move |block| (partition, block)))
        .peekable();
    let mut after = None;
    loop {
        let blocks = store.blocks(key, after)?;
        let Some(last) = blocks.last() else { break };
        after = Some((last.partition, last.block));
        for block in &blocks {
            if needed.next_if_eq(&(block.partition, block.block)).is_some() {
                ensure_bodies(store, key, block)?;
            }
        }
    }
    match needed.next() {
        None => Ok(()),
        Some((_, block)) => {
            Err(StoreError::Failed(format!("state store: block {block} is missing")))
        }
    }
}

fn ensure_bodies(
    store: &Offline<'_>,
    key: &QueueKey,
    block: &BlockImage,
) -> Result<(), StoreError> {
    let offsets = (block.block * BLOCK, block.block * BLOCK + (BLOCK - 1));
    let bodies = store.bodies(key, block.partition, offsets, usize::MAX)?;
    let bodies: HashMap<u64, usize> =
        bodies.into_iter().map(|(offset, body)| (offset, body.len())).collect();
    for message in &block.messages {
        if bodies.get(&message.position.offset) != Some(&message.body.len()) {
            let position = message.position;
            let text = format!("state store: the body of message {position} is missing");
            return Err(StoreError::Failed(text));
        }
    }
    Ok(())
}

/// Cuts the journal where it is damaged. Everything from there on is lost, acknowledged or not; the files are kept as
/// they were. Nothing: nothing is damaged.
///
/// # Errors
/// [`OpenError`], also for damage that cannot be repaired so.
pub fn repair(directory: &Path, keys: &Keys) -> Result<Vec<Loss>, OpenError> {
    let place = Place::of(directory)?;
    let _lock = place.lock()?;
    let state = place.state()?;
    let mut losses = Vec::new();
    // What is cut may be named by a frame elsewhere: that is found next.
    loop {
        let cut = match place.recover(&state, keys) {
            Ok(found) => match check_clean_mark(place.journal.as_ref(), &found) {
                Ok(_) => return Ok(losses),
                Err(OpenError::CleanStop { found, .. }) => {
                    let kept_in = keep_away(&place, &[CLEAN.to_owned()])?;
                    Loss { file: CLEAN.to_owned(), offset: 0, first_frame: found + 1, kept_in }
                }
                Err(error) => return Err(error),
            },
            Err(OpenError::Damaged { name, offset, number }) => cut(&place, name, offset, number)?,
            Err(error) => return Err(error),
        };
        losses.push(cut);
    }
}

/// Cuts a slot of the journal in this file.
fn cut(place: &Place, name: String, offset: u64, number: u64) -> Result<Loss, OpenError> {
    let slot_of = |name: &str| match Named::of(name) {
        Some(Named::Segment { slot, .. }) => Some(slot),
        _ => None,
    };
    let files = place.journal.list()?;
    // Their names are in the order of their frames.
    let is_later = |other: &String| *other > name && slot_of(other) == slot_of(&name);
    let mut away: Vec<String> = files
        .iter()
        .map(|(name, _)| name.clone())
        .filter(|other| is_later(other) || other == CLEAN)
        .collect();
    away.push(name.clone());
    let kept_in = keep_away(place, &away)?;
    // The good frames of the damaged file stay, in a file of the same name.
    let good = fs::read(kept_in.join(&name))?;
    let file = place.journal.create(&name, good.len() as u64)?;
    file.write_at(good.get(..offset as usize).unwrap_or_default(), 0)?;
    file.sync()?;
    place.journal.sync_names()?;
    Ok(Loss { file: name, offset, first_frame: number, kept_in })
}

/// Moves files of the journal into a new directory beside it.
fn keep_away(place: &Place, names: &[String]) -> Result<PathBuf, OpenError> {
    let free = (1..)
        .map(|number| place.directory.join(format!("lost-{number}")))
        .find(|path| !path.exists());
    let directory = free.unwrap_or_default();
    fs::create_dir(&directory)?;
    for name in names {
        fs::rename(place.directory.join("journal").join(name), directory.join(name))?;
    }
    Ok(directory)
}

/// So often a copy is begun anew when the server gives away a file that is being copied: where files cannot be locked, or a
/// copy takes too long.
const TRIES: u32 = 5;

/// Copies a store, whether a server uses it or not, and checks the copy.
///
/// # Errors
/// [`OpenError`]; the target must not be there.
pub fn backup(directory: &Path, target: &Path, keys: &Keys) -> Result<Report, OpenError> {
    let place = Place::of(directory)?;
    for left in (0..TRIES).rev() {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", target.display()))
        };
        DirBuilder::new().mode(0o700).create(target).map_err(named)?;
        match copy(&place, target)
            .and_then(|()| examine(&Offline::unlocked(Place::of(target)?, keys)?))
        {
            Ok(report) => return Ok(report),
            // The server has used a file again that was not copied yet.
            Err(_) if left > 0 => fs::remove_dir_all(target)?,
            Err(error) => return Err(error),
        }
    }
    Err(OpenError::Locked)
}

/// State first: the journal must not be older than it.
fn copy(place: &Place, target: &Path) -> Result<(), OpenError> {
    // A server of an earlier version must not find it changed.
    let is_old = state::is_of_earlier_format(&place.state_path())?;
    let _lock = is_old.then(|| place.lock()).transpose()?;
    let path = target.join("state.db");
    let of = |directory: &Path, name: &str| Directory::new(&directory.join(name));
    let (blobs, copied) = (of(&place.directory, "blobs")?, of(target, "blobs")?);
    // All that this state needs stays until it is copied.
    let _blobs_stay = blobs.copying()?;
    let journal_stays = of(&place.directory, "journal")?.copying()?;
    place.state()?.copy_to(&path)?;
    fs::File::open(&path)?.sync_all()?;
    let journal = target.join("journal");
    Directory::new(&journal)?;
    // What a frame names is there when the frame is: it is copied after it.
    for slot in [MAIN, LARGE] {
        for (name, _) in place.journal.list()? {
            let is_used = match Named::of(&name) {
                Some(Named::Segment { slot: of, .. }) => of == slot,
                _ => name == CLEAN && slot == MAIN,
            };
            if is_used {
                copy_file(&place.directory.join("journal"), &journal, &name)?;
            }
        }
    }
    fs::File::open(&journal)?.sync_all()?;
    drop(journal_stays);
    blobs::copy(state::extents(&path)?, &blobs, &copied)?;
    fs::File::open(target)?.sync_all()?;
    Ok(())
}

fn copy_file(from: &Path, to: &Path, name: &str) -> Result<(), OpenError> {
    match fs::copy(from.join(name), to.join(name)) {
        Ok(_) => Ok(fs::File::open(to.join(name))?.sync_all()?),
        // Given back meanwhile; the check says whether it is missed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Copies a backup to where a server will use it, and checks it.
///
/// # Errors
/// [`OpenError`]; there must be no store in the target.
pub fn restore(backup: &Path, directory: &Path, keys: &Keys) -> Result<Report, OpenError> {
    let place = Place::of(backup)?;
    for name in ["state.db", "journal", "blobs"] {
        if directory.join(name).exists() {
            let text = format!("{} is there already", directory.join(name).display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text).into());
        }
    }
    Directory::new(directory)?;
    copy(&place, directory)?;
    examine(&Offline::unlocked(Place::of(directory)?, keys)?)
}
