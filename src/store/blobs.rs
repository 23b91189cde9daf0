//! Files of bodies beside the state store, in which a row says where. What goes through SQLite is written twice, ahead and then to
//! its place, page by page; here it is written once.
//!
//! ```text
//!  save:  put, put, … ─► flush ─► rows are committed that say where ─► what they took the place of is free
//!  file:  │ extent │ extent │ given back │ extent │ … appended
//! ```
//!
//! An extent begins with a block, and is never written twice. A free one is given back to the file system; a file without any
//! others is removed. A start begins a new file: so nothing that a crash left behind is ever written over, and all that no row
//! knows is free. Content has its checksum in itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::{
    OpenError, StoreError,
    disk::{BlockFile, Directory, Disk, DiskFile, Memory},
};

/// A file gets no more from here on.
const FILE: u64 = 64 << 20;

/// So much is given to the disk at a time: whatever else is synced meanwhile does not have to wait for all of it.
const AT_A_TIME: usize = 1 << 20;

/// Where something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Extent {
    /// In which file.
    pub(super) file: u64,
    pub(super) at: u64,
    pub(super) length: u64,
}

impl Extent {
    /// What it adds to the sum of all, so that one that is missing or changed is noticed: its place would pass for free.
    pub(super) fn fingerprint(self) -> i64 {
        let numbers = [self.file, self.at, self.length];
        let bytes: Vec<u8> = numbers.into_iter().flat_map(u64::to_le_bytes).collect();
        let low = crc32c::crc32c(&bytes);
        (i64::from(crc32c::crc32c_append(low, &bytes)) << 32) ^ i64::from(low)
    }

    /// Says where it was that something is wrong.
    pub(super) fn blame(self, error: StoreError) -> StoreError {
        match error {
            StoreError::Failed(text) => {
                let Self { file, at, .. } = self;
                StoreError::Failed(format!("{text}: blobs/{}, from byte {at} on", name(file)))
            }
            full @ StoreError::Full => full,
        }
    }
}

/// See the module.
pub(super) struct Blobs {
    disk: Arc<dyn Disk>,
    writing: Mutex<Option<Writing>>,
    in_use: Mutex<InUse>,
    /// Who reads finds what the rows say that he has seen.
    reading: RwLock<()>,
}

struct InUse {
    /// The bytes of each file that are not free.
    bytes: BTreeMap<u64, u64>,
    /// Put, and not yet in a row for certain.
    put: Vec<Extent>,
    /// To be given back.
    free: Vec<Extent>,
    /// The number of the last file.
    last: u64,
}

/// The end of the file that is written to.
struct Writing {
    number: u64,
    file: Box<dyn BlockFile>,
    /// Where the memory goes.
    at: u64,
    /// All before this is synced.
    synced: u64,
    memory: Memory,
    filled: usize,
}

impl Writing {
    fn put(&mut self, mut bytes: &[u8], block: usize) -> io::Result<()> {
        while !bytes.is_empty() {
            let left = self.memory.bytes_mut().get_mut(self.filled..).unwrap_or_default();
            let (some, rest) = bytes.split_at(bytes.len().min(left.len()));
            let (to, _) = left.split_at_mut(some.len());
            to.copy_from_slice(some);
            self.filled += some.len();
            bytes = rest;
            if self.filled == AT_A_TIME {
                self.write()?;
            }
        }
        let padded = self.filled.next_multiple_of(block);
        self.memory.bytes_mut().get_mut(self.filled..padded).unwrap_or_default().fill(0);
        self.filled = padded;
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let filled = std::mem::take(&mut self.filled);
        if filled > 0 {
            self.file.write(self.memory.bytes().get(..filled).unwrap_or_default(), self.at)?;
            self.at += filled as u64;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write()?;
        if self.synced < self.at {
            self.file.sync()?;
            self.synced = self.at;
        }
        Ok(())
    }
}

fn name(file: u64) -> String {
    format!("{file:016x}.blob")
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".blob").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

fn failed(error: io::Error) -> StoreError {
    match super::files::failed(error) {
        StoreError::Failed(text) => StoreError::Failed(format!("blobs: {text}")),
        full => full,
    }
}

impl Blobs {
    /// Opens the files, of which these extents are needed, in order.
    ///
    /// # Errors
    /// [`OpenError`] if there is no place for one of them.
    pub(super) fn open(disk: Arc<dyn Disk>, extents: &[Extent]) -> Result<Self, OpenError> {
        let lengths: BTreeMap<u64, u64> = disk
            .list()?
            .into_iter()
            .filter_map(|(name, length)| Some((number(&name)?, length)))
            .collect();
        let block = disk.block() as u64;
        let mut bytes: BTreeMap<u64, u64> = lengths.keys().map(|file| (*file, 0)).collect();
        let mut free = Vec::new();
        let mut last = Extent { file: 0, at: 0, length: 0 };
        // What is between two extents, and behind the last one of a file, is free.
        let mut gap = |file: u64, from: u64, to: u64| {
            free.extend((from < to).then(|| Extent { file, at: from, length: to - from }));
        };
        for &Extent { file, at, length } in extents {
            let wrong = |what: &str| OpenError::State(format!("blobs/{}: {what}", name(file)));
            let whole = *lengths.get(&file).ok_or_else(|| wrong("it is missing"))?;
            if last.file != file {
                gap(last.file, last.at + last.length, *lengths.get(&last.file).unwrap_or(&0));
                last = Extent { file, at: 0, length: 0 };
            }
            let end = at.checked_add(length).filter(|end| *end <= whole);
            let end = end.ok_or_else(|| wrong("its end is missing"))?;
            if at < last.at + last.length || !at.is_multiple_of(block) {
                return Err(wrong(&format!("what is said of byte {at} makes no sense")));
            }
            gap(file, last.at + last.length, at);
            let taken = end.next_multiple_of(block) - at;
            *bytes.entry(file).or_default() += taken;
            last = Extent { file, at, length: taken };
        }
        gap(last.file, last.at + last.length, *lengths.get(&last.file).unwrap_or(&0));
        let newest = lengths.keys().last().copied().unwrap_or(0);
        let in_use = Mutex::new(InUse { bytes, put: Vec::new(), free, last: newest });
        Ok(Self { disk, writing: Mutex::default(), in_use, reading: RwLock::default() })
    }

    /// Bytes that are not free.
    pub(super) fn bytes(&self) -> u64 {
        self.in_use.lock().bytes.values().sum()
    }

    /// Puts something at the end. It is there after [`Self::flush`].
    ///
    /// # Errors
    /// [`StoreError`]; nothing is written behind what is in doubt.
    pub(super) fn put(&self, content: &[u8]) -> Result<Extent, StoreError> {
        let mut writing = self.writing.lock();
        let block = self.disk.block();
        let length = content.len() as u64;
        let has_room = |it: &Writing| it.at + it.filled as u64 + length <= FILE;
        let mut to = match writing.take() {
            Some(to) if has_room(&to) || to.at + to.filled as u64 == 0 => to,
            None => self.begin(Memory::new(AT_A_TIME))?,
            Some(mut full) => {
                full.flush().map_err(failed)?;
                self.begin(full.memory)?
            }
        };
        let extent = Extent { file: to.number, at: to.at + to.filled as u64, length };
        to.put(content, block).map_err(failed)?;
        let mut in_use = self.in_use.lock();
        *in_use.bytes.entry(to.number).or_default() += self.taken(extent);
        in_use.put.push(extent);
        *writing = Some(to);
        Ok(extent)
    }

    fn taken(&self, extent: Extent) -> u64 {
        extent.length.next_multiple_of(self.disk.block() as u64)
    }

    fn begin(&self, memory: Memory) -> Result<Writing, StoreError> {
        let number = {
            let mut in_use = self.in_use.lock();
            in_use.last += 1;
            in_use.last
        };
        let name = name(number);
        let made = self.disk.create(&name, 0).and_then(|_| self.disk.sync_names());
        made.map_err(failed)?;
        self.in_use.lock().bytes.insert(number, 0);
        let file = self.disk.open_blocks(&name).map_err(failed)?;
        Ok(Writing { number, file, at: 0, synced: 0, memory, filled: 0 })
    }

    /// What was put survives a power cut from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let mut writing = self.writing.lock();
        if let Some(mut to) = writing.take() {
            to.flush().map_err(failed)?;
            *writing = Some(to);
        }
        Ok(())
    }

    /// What was put since the last time that rows were committed adds this to the sum of all.
    pub(super) fn put_since(&self) -> i64 {
        fingerprint(&self.in_use.lock().put)
    }

    /// Rows know all that was put, and no longer these, for certain.
    pub(super) fn committed(&self, left: &[Extent]) {
        let mut in_use = self.in_use.lock();
        in_use.put.clear();
        self.free(&mut in_use, left);
    }

    /// What was put since the last time that rows were committed is not to be known by any; if that `is_certain`, it is free.
    pub(super) fn undone(&self, is_certain: bool) {
        // What of it is in memory is not written any more.
        *self.writing.lock() = None;
        let mut in_use = self.in_use.lock();
        let put = std::mem::take(&mut in_use.put);
        if is_certain {
            self.free(&mut in_use, &put);
        }
    }

    fn free(&self, in_use: &mut InUse, extents: &[Extent]) {
        for extent in extents {
            let length = self.taken(*extent);
            if let Some(bytes) = in_use.bytes.get_mut(&extent.file) {
                *bytes = bytes.saturating_sub(length);
            }
            in_use.free.push(Extent { length, ..*extent });
        }
    }

    /// Gives back what is free, but not while somebody copies the files: then later.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn give_back(&self) -> Result<(), StoreError> {
        let current = self.writing.lock().as_ref().map(|it| it.number);
        let (unused, is_any_free) = {
            let in_use = self.in_use.lock();
            let unused = in_use.bytes.iter().filter(|(_, bytes)| **bytes == 0);
            let unused = unused.map(|(file, _)| *file).filter(|file| Some(*file) != current);
            (unused.collect::<BTreeSet<u64>>(), !in_use.free.is_empty())
        };
        if unused.is_empty() && !is_any_free {
            return Ok(());
        }
        // Who reads already has seen rows that may be gone now.
        let _unread = self.reading.write();
        let Some(_uncopied) = self.disk.uncopied().map_err(failed)? else { return Ok(()) };
        let free = std::mem::take(&mut self.in_use.lock().free);
        for extent in joined(free.into_iter().filter(|it| !unused.contains(&it.file)).collect()) {
            let file = self.disk.open(&name(extent.file)).map_err(failed)?;
            file.give_back(extent.at, extent.length).map_err(failed)?;
        }
        for file in &unused {
            self.disk.remove(&name(*file)).map_err(failed)?;
            self.in_use.lock().bytes.remove(file);
        }
        Ok(())
    }

    /// Reads what rows say that are looked at from now on.
    pub(super) fn reader(&self) -> BlobReader<'_> {
        BlobReader { disk: self.disk.as_ref(), file: None, _reading: self.reading.read() }
    }
}

/// The sum of these.
pub(super) fn fingerprint(extents: &[Extent]) -> i64 {
    extents.iter().fold(0, |sum, extent| sum.wrapping_add(extent.fingerprint()))
}

/// The same with as few extents as possible.
fn joined(mut extents: Vec<Extent>) -> Vec<Extent> {
    extents.sort_unstable();
    extents.dedup_by(|next, before| {
        let is_next = (before.file, before.at + before.length) == (next.file, next.at);
        before.length += if is_next { next.length } else { 0 };
        is_next
    });
    extents
}

/// Reads one extent after the other.
pub(super) struct BlobReader<'a> {
    disk: &'a dyn Disk,
    file: Option<(u64, Box<dyn DiskFile>)>,
    _reading: RwLockReadGuard<'a, ()>,
}

impl BlobReader<'_> {
    /// What was put there.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub(super) fn read(&mut self, extent: Extent) -> Result<Vec<u8>, StoreError> {
        let file = match self.file.take() {
            Some((open, file)) if open == extent.file => file,
            _ => self.disk.open(&name(extent.file)).map_err(failed)?,
        };
        let is_there = extent.length <= file.length().map_err(failed)?;
        let length = usize::try_from(extent.length).ok().filter(|_| is_there);
        let mut content =
            vec![0; length.ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))?];
        file.read_at(extent.at, &mut content).map_err(failed)?;
        self.file = Some((extent.file, file));
        Ok(content)
    }
}

/// Copies extents to the same places in files of another directory, which is empty.
pub(super) fn copy(extents: Vec<Extent>, from: &Directory, to: &Directory) -> io::Result<()> {
    let mut buffer = vec![0; AT_A_TIME];
    for extents in joined(extents).chunk_by(|one, other| one.file == other.file) {
        let Some(Extent { file, .. }) = extents.first() else { continue };
        let source = from.open(&name(*file))?;
        to.create(&name(*file), 0)?;
        let target = to.open(&name(*file))?;
        for extent in extents {
            let mut at = extent.at;
            let end = extent.at + extent.length;
            while at < end {
                let length = usize::try_from(end - at).unwrap_or(AT_A_TIME).min(AT_A_TIME);
                let some = buffer.get_mut(..length).unwrap_or_default();
                source.read_at(at, some)?;
                target.write_at(some, at)?;
                at += length as u64;
            }
        }
        target.sync()?;
    }
    to.sync_names()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::bad::{BadDisk, Fault};

    fn open(disk: &BadDisk, extents: &[Extent]) -> Result<Blobs, OpenError> {
        Blobs::open(Arc::new(disk.clone()), extents)
    }

    fn content(number: u8, length: usize) -> Vec<u8> {
        vec![number; length]
    }

    fn put(blobs: &Blobs, number: u8, length: usize) -> Extent {
        blobs.put(&content(number, length)).unwrap()
    }

    /// What each block of a file begins with; 0: it was given back.
    fn blocks(disk: &BadDisk, file: u64) -> Vec<u8> {
        let files = disk.files();
        files[&name(file)].chunks(disk.block()).map(|block| block[0]).collect()
    }

    #[test]
    fn what_is_put_is_read_and_survives_a_power_cut_once_it_is_flushed() {
        let disk = BadDisk::default();
        let blobs = open(&disk, &[]).unwrap();
        let lengths = [1, 511, 512, 513, AT_A_TIME + 5, 2 * AT_A_TIME, 7];
        let lengths = || lengths.iter().enumerate().map(|(at, length)| (at as u8 + 1, *length));
        let extents: Vec<_> = lengths().map(|(at, length)| put(&blobs, at, length)).collect();
        blobs.flush().unwrap();
        let lost = put(&blobs, 99, 10);
        let disk = disk.after_power_cut(|| false);
        let blobs = open(&disk, &extents).unwrap();
        let mut reader = blobs.reader();
        for ((at, length), extent) in lengths().zip(&extents) {
            assert!(reader.read(*extent).unwrap() == content(at, length), "{extent:?}");
        }
        assert!(reader.read(lost).is_err());
        assert!(reader.read(Extent { length: u64::MAX, ..lost }).is_err());
    }

    #[test]
    fn what_is_free_is_given_back_and_a_file_without_anything_else_is_removed() {
        let disk = BadDisk::default();
        let blobs = open(&disk, &[]).unwrap();
        let extents: Vec<_> = (1..=5).map(|number| put(&blobs, number, 700)).collect();
        blobs.flush().unwrap();
        assert_eq!(blobs.bytes(), 5 * 1024);
        blobs.committed(&[extents[2], extents[0], extents[1]]);
        blobs.give_back().unwrap();
        assert_eq!(blocks(&disk, 1), [0, 0, 0, 0, 0, 0, 4, 4, 5, 5]);
        assert_eq!(blobs.bytes(), 2 * 1024);
        // A start goes on in a file of its own, and knows what is free by what is not.
        let blobs = open(&disk, &[extents[4]]).unwrap();
        let next = put(&blobs, 6, 10);
        blobs.flush().unwrap();
        blobs.give_back().unwrap();
        assert_eq!((next.file, blocks(&disk, 1)), (2, [vec![0; 8], vec![5; 2]].concat()));
        blobs.committed(&[extents[4], next]);
        blobs.give_back().unwrap();
        assert_eq!(disk.files().into_keys().collect::<Vec<_>>(), [name(2)], "it is written to");
        open(&disk, &[]).unwrap().give_back().unwrap();
        assert!(disk.files().is_empty());
    }

    #[test]
    fn what_was_put_for_nothing_is_free() {
        let disk = BadDisk::default();
        let blobs = open(&disk, &[]).unwrap();
        let kept = put(&blobs, 1, 700);
        blobs.flush().unwrap();
        blobs.committed(&[]);
        put(&blobs, 2, 700);
        blobs.flush().unwrap();
        put(&blobs, 3, 700);
        blobs.undone(true);
        blobs.give_back().unwrap();
        assert_eq!((blocks(&disk, 1), blobs.bytes()), (vec![1, 1, 0, 0], 1024));
        let next = put(&blobs, 4, 700);
        blobs.flush().unwrap();
        blobs.committed(&[kept, next]);
        blobs.give_back().unwrap();
        assert_eq!(disk.files().into_keys().collect::<Vec<_>>(), [name(2)]);
    }

    #[test]
    fn what_rows_know_and_files_do_not_is_refused() {
        let disk = BadDisk::default();
        let blobs = open(&disk, &[]).unwrap();
        let extents: Vec<_> = (1..=2).map(|number| put(&blobs, number, 700)).collect();
        blobs.flush().unwrap();
        assert!(open(&disk, &extents).is_ok());
        for wrong in [
            Extent { file: 2, at: 0, length: 1 },
            Extent { file: 1, at: 1024, length: 1025 },
            Extent { file: 1, at: u64::MAX, length: 1 },
            Extent { file: 1, at: 512, length: 1 },
            Extent { file: 1, at: 1030, length: 1 },
        ] {
            let refused = open(&disk, &[extents[0], wrong]).err().unwrap().to_string();
            assert!(refused.contains(&format!("blobs/{}: ", name(wrong.file))), "{refused}");
        }
    }

    #[test]
    fn nothing_follows_what_is_in_doubt() {
        let disk = BadDisk::default();
        let blobs = open(&disk, &[]).unwrap();
        let good = put(&blobs, 1, 10);
        blobs.flush().unwrap();
        put(&blobs, 2, 10);
        disk.fail_at(1, Fault::Short);
        assert!(matches!(blobs.flush(), Err(StoreError::Failed(_))));
        let next = put(&blobs, 3, 10);
        blobs.flush().unwrap();
        assert_eq!((good.file, next.file), (1, 2));
        disk.fill_up();
        // In the file that is there, there may be room.
        let last = put(&blobs, 4, 10);
        assert_eq!((last.file, blobs.flush()), (2, Ok(())));
    }

    #[test]
    fn a_full_file_is_followed_by_another_and_nothing_is_given_back_while_it_is_copied() {
        let path = tempfile::tempdir().unwrap();
        let directory = || Directory::new(path.path()).unwrap();
        let blobs = Blobs::open(Arc::new(directory()), &[]).unwrap();
        let large = FILE as usize / 4 + 1;
        let extents: Vec<_> = (1..=7).map(|number| put(&blobs, number, large)).collect();
        blobs.flush().unwrap();
        let files: Vec<_> = extents.iter().map(|extent| extent.file).collect();
        assert_eq!(files, [1, 1, 1, 2, 2, 2, 3]);
        let copying = directory().copying().unwrap();
        blobs.committed(&extents[..4]);
        blobs.give_back().unwrap();
        assert_eq!(directory().list().unwrap().len(), 3);
        let target = tempfile::tempdir().unwrap();
        let to = Directory::new(target.path()).unwrap();
        copy(extents[3..].to_vec(), &directory(), &to).unwrap();
        drop(copying);
        blobs.give_back().unwrap();
        assert_eq!(directory().list().unwrap().len(), 2);
        for blobs in [blobs, Blobs::open(Arc::new(to), &extents[3..]).unwrap()] {
            let mut reader = blobs.reader();
            for (extent, number) in extents.iter().zip(1..).skip(4) {
                assert!(reader.read(*extent).unwrap() == content(number, large));
            }
        }
    }
}
