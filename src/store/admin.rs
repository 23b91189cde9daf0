//! Looking after a store from outside of the server: checking, repairing, copying.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Keys, OpenError, StoreError,
    disk::{Directory, Disk, Lock},
    durable::{CLEAN, check_clean_mark},
    recovery::{QueueKey, Recovered, Sources, recover},
    segment::Named,
    state::State,
};
use crate::journal::{BLOCK, BlockImage, Image, Record};

/// What a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Files of the journal in use.
    pub segments: u64,
    /// Their bytes.
    pub journal_bytes: u64,
    /// The last frame.
    pub last_frame: u64,
    /// Bytes of the state store.
    pub state_bytes: u64,
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

/// The parts of a store's directory.
struct Place {
    directory: PathBuf,
    journal: Arc<dyn Disk>,
}

impl Place {
    fn of(directory: &Path) -> Result<Self, OpenError> {
        if !directory.join("state.db").is_file() || !directory.join("journal").is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no store here").into());
        }
        let journal: Arc<dyn Disk> = Arc::new(Directory::new(&directory.join("journal"))?);
        Ok(Self { directory: directory.to_owned(), journal })
    }

    fn state_path(&self) -> PathBuf {
        self.directory.join("state.db")
    }

    fn lock(&self) -> Result<Lock, OpenError> {
        Lock::take(&self.directory.join("lock"))?.ok_or(OpenError::Locked)
    }

    fn recover(&self, state: &State, keys: &Keys) -> Result<Recovered, OpenError> {
        recover(self.journal.as_ref(), state.store()?, state.retired()?, keys, &|_, _| {})
    }
}

/// Reads everything that is stored in a directory that no server uses, and checks it. Changes nothing.
///
/// # Errors
/// [`OpenError`]: what is wrong first.
pub fn check(directory: &Path, keys: &Keys) -> Result<Report, OpenError> {
    let place = Place::of(directory)?;
    let _lock = place.lock()?;
    examine(&place, keys)
}

fn examine(place: &Place, keys: &Keys) -> Result<Report, OpenError> {
    let state = State::open(&place.state_path())?;
    let found = place.recover(&state, keys)?;
    let is_clean = check_clean_mark(place.journal.as_ref(), &found)?;
    let sources = Sources::of(&place.journal, &found.segments);
    let mut report = Report {
        segments: found.segments.len() as u64,
        journal_bytes: found.segments.iter().map(|segment| segment.bytes).sum(),
        last_frame: found.last,
        state_bytes: fs::metadata(place.state_path())?.len(),
        is_clean,
        ..Report::default()
    };
    let mut queues: BTreeMap<_, ()> = BTreeMap::new();
    for (queue, exists, _) in state.queues()? {
        if exists {
            queues.insert(queue, ());
        }
    }
    for (room, of_room) in &found.places {
        queues.extend(of_room.keys().map(|queue| ((room.clone(), queue.clone()), ())));
    }
    let mut last_room = None;
    for key in queues.keys() {
        let saved = state.load(key, keys)?;
        let places = found.places.get(&key.0).and_then(|of_room| of_room.get(&key.1));
        let records: Vec<Record> =
            sources.records(places.map_or(&[], Vec::as_slice), saved.applied, keys)?;
        if let Some(image) = &saved.image {
            ensure_whole(&state, key, image, keys)?;
            report.saved_messages += live(image);
        }
        report.journal_records += records.len() as u64;
        report.queues += 1;
        report.rooms += u64::from(last_room != Some(&key.0));
        last_room = Some(&key.0);
    }
    Ok(report)
}

fn live(image: &Image) -> u64 {
    let live = image.partitions.iter().flat_map(|partition| &partition.live);
    live.map(|(_, count)| count).sum()
}

/// Reads all messages that an image needs, and their bodies.
fn ensure_whole(
    state: &State,
    key: &QueueKey,
    image: &Image,
    keys: &Keys,
) -> Result<(), StoreError> {
    let needed = image.needed_blocks().into_iter();
    let mut needed = needed
        .flat_map(|(partition, first, last)| (first..=last).map(move |block| (partition, block)))
        .peekable();
    let mut after = None;
    loop {
        let blocks = state.blocks(key, after, keys)?;
        let Some(last) = blocks.last() else { break };
        after = Some((last.partition, last.block));
        for block in &blocks {
            if needed.next_if_eq(&(block.partition, block.block)).is_some() {
                ensure_bodies(state, key, block, keys)?;
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
    state: &State,
    key: &QueueKey,
    block: &BlockImage,
    keys: &Keys,
) -> Result<(), StoreError> {
    let offsets = (block.block * BLOCK, block.block * BLOCK + (BLOCK - 1));
    let bodies = state.bodies(key, block.partition, offsets, usize::MAX, keys)?;
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
/// they were. `None`: nothing is damaged.
///
/// # Errors
/// [`OpenError`], also for damage that cannot be repaired so.
pub fn repair(directory: &Path, keys: &Keys) -> Result<Option<Loss>, OpenError> {
    let place = Place::of(directory)?;
    let _lock = place.lock()?;
    let state = State::open(&place.state_path())?;
    let (name, offset, number) = match place.recover(&state, keys) {
        Ok(found) => match check_clean_mark(place.journal.as_ref(), &found) {
            Ok(_) => return Ok(None),
            Err(OpenError::CleanStop { found, .. }) => {
                let kept_in = keep_away(&place, &[CLEAN.to_owned()])?;
                let file = CLEAN.to_owned();
                return Ok(Some(Loss { file, offset: 0, first_frame: found + 1, kept_in }));
            }
            Err(error) => return Err(error),
        },
        Err(OpenError::Damaged { name, offset, number }) => (name, offset, number),
        Err(error) => return Err(error),
    };
    let files = place.journal.list()?;
    let is_later =
        |other: &String| *other > name && matches!(Named::of(other), Some(Named::Segment { .. }));
    let mut away: Vec<String> = files
        .iter()
        .map(|(name, _)| name.clone())
        .filter(|other| is_later(other) || other == CLEAN)
        .collect();
    away.push(name.clone());
    let kept_in = keep_away(&place, &away)?;
    // The good frames of the damaged file stay, in a file of the same name.
    let good = fs::read(kept_in.join(&name))?;
    let file = place.journal.create(&name, good.len() as u64)?;
    file.write_at(good.get(..offset as usize).unwrap_or_default(), 0)?;
    file.sync()?;
    place.journal.sync_names()?;
    Ok(Some(Loss { file: name, offset, first_frame: number, kept_in }))
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

/// So often a copy is begun anew when the server gives away a file that is being copied.
const TRIES: u32 = 5;

/// Copies a store, whether a server uses it or not, and checks the copy.
///
/// # Errors
/// [`OpenError`]; the target must not be there.
pub fn backup(directory: &Path, target: &Path, keys: &Keys) -> Result<Report, OpenError> {
    let place = Place::of(directory)?;
    for left in (0..TRIES).rev() {
        DirBuilder::new().mode(0o700).create(target)?;
        match copy(&place, target).and_then(|()| examine(&Place::of(target)?, keys)) {
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
    let state = target.join("state.db");
    State::open(&place.state_path())?.copy_to(&state)?;
    fs::File::open(&state)?.sync_all()?;
    let journal = target.join("journal");
    Directory::new(&journal)?;
    for (name, _) in place.journal.list()? {
        let is_used = matches!(Named::of(&name), Some(Named::Segment { .. })) || name == CLEAN;
        if is_used {
            match fs::copy(place.directory.join("journal").join(&name), journal.join(&name)) {
                Ok(_) => fs::File::open(journal.join(&name))?.sync_all()?,
                // Given back meanwhile; the check says whether it is missed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    fs::File::open(&journal)?.sync_all()?;
    fs::File::open(target)?.sync_all()?;
    Ok(())
}

/// Copies a backup to where a server will use it, and checks it.
///
/// # Errors
/// [`OpenError`]; there must be no store in the target.
pub fn restore(backup: &Path, directory: &Path, keys: &Keys) -> Result<Report, OpenError> {
    let place = Place::of(backup)?;
    for name in ["state.db", "journal"] {
        if directory.join(name).exists() {
            let text = format!("{} is there already", directory.join(name).display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text).into());
        }
    }
    Directory::new(directory)?;
    copy(&place, directory)?;
    examine(&Place::of(directory)?, keys)
}
