//! A disk in memory that does what real ones do on their worst day: forgets what was not synced, in any order, tears
//! the last write, refuses, has no room.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use super::{BlockFile, Disk, DiskFile, Uncopied};

/// A write is kept or lost by the sector.
const SECTOR: usize = 512;

/// What the n-th operation does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Fault {
    /// Nothing, with an error.
    Error,
    /// Nothing: there is no room. The same for all that make files, from then on.
    NoRoom,
    /// A write does half of it, with an error.
    Short,
    /// The power goes: this and all later operations do nothing, with an error.
    PowerCut,
}

#[derive(Clone, Default)]
pub(in crate::store) struct BadDisk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// By name, as it is now.
    names: BTreeMap<String, usize>,
    /// By name, as it would be after a power cut.
    durable_names: BTreeMap<String, usize>,
    contents: Vec<Content>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    no_room: bool,
    is_off: bool,
}

#[derive(Default, Clone)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Written since the last sync: where, and what.
    unsynced: Vec<(usize, Vec<u8>)>,
}

impl BadDisk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// The operation with this number, counted from 1, fails so.
    pub(in crate::store) fn fail_at(&self, operation: u64, fault: Fault) {
        let mut inner = self.inner();
        inner.fault = Some((inner.operations + operation, fault));
    }

    pub(in crate::store) fn operations(&self) -> u64 {
        self.inner().operations
    }

    /// There is no room for another file.
    pub(in crate::store) fn fill_up(&self) {
        self.inner().no_room = true;
    }

    /// There is room again, and nothing fails any more.
    pub(in crate::store) fn repair(&self) {
        let mut inner = self.inner();
        inner.fault = None;
        inner.no_room = false;
    }

    /// What a power cut leaves: of what was not synced, each sector or not as `choose` says.
    pub(in crate::store) fn after_power_cut(&self, mut choose: impl FnMut() -> bool) -> Self {
        let inner = self.inner();
        let mut after = Inner { contents: inner.contents.clone(), ..Inner::default() };
        for content in &mut after.contents {
            let mut left = content.durable.clone();
            for (at, bytes) in content.unsynced.drain(..) {
                for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                    let at = at + number * SECTOR;
                    // A torn sector: the first half of it.
                    let length = if choose() {
                        sector.len()
                    } else if choose() {
                        sector.len() / 2
                    } else {
                        0
                    };
                    if left.len() < at + length {
                        left.resize(at + length, 0);
                    }
                    left[at..at + length].copy_from_slice(&sector[..length]);
                }
            }
            content.now.clone_from(&left);
            content.durable = left;
        }
        let names = if choose() { inner.names.clone() } else { inner.durable_names.clone() };
        after.names.clone_from(&names);
        after.durable_names = names;
        Self(Arc::new(Mutex::new(after)))
    }

    /// The bytes of all files, to look at and to change.
    pub(in crate::store) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let inner = self.inner();
        let content =
            |(name, at): (&String, &usize)| (name.clone(), inner.contents[*at].now.clone());
        inner.names.iter().map(content).collect()
    }

    pub(in crate::store) fn with_files(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut inner = Inner::default();
        for (name, bytes) in files {
            inner.names.insert(name.clone(), inner.contents.len());
            let (now, durable) = (bytes.clone(), bytes.clone());
            inner.contents.push(Content { now, durable, unsynced: Vec::new() });
        }
        inner.durable_names.clone_from(&inner.names);
        Self(Arc::new(Mutex::new(inner)))
    }
}

fn refused() -> io::Error {
    io::Error::other("input/output error")
}

impl Inner {
    /// Counts an operation; whether it is to be done, or how it fails.
    fn begin(&mut self, makes_room: bool) -> io::Result<Option<Fault>> {
        self.operations += 1;
        if self.is_off {
            return Err(refused());
        }
        if self.no_room && makes_room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        match self.fault.filter(|(at, _)| *at == self.operations) {
            None => Ok(None),
            Some((_, Fault::Short)) => Ok(Some(Fault::Short)),
            Some((_, Fault::Error)) => Err(refused()),
            Some((_, Fault::NoRoom)) => {
                self.no_room = true;
                if makes_room { Err(io::ErrorKind::StorageFull.into()) } else { Ok(None) }
            }
            Some((_, Fault::PowerCut)) => {
                self.is_off = true;
                Err(refused())
            }
        }
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for BadDisk {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let inner = self.inner();
        let length = |at: &usize| inner.contents[*at].now.len() as u64;
        Ok(inner.names.iter().map(|(name, at)| (name.clone(), length(at))).collect())
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.inner();
        inner.begin(true)?;
        if inner.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let zeros = vec![0; bytes as usize];
        let at = inner.contents.len();
        inner.contents.push(Content { now: zeros.clone(), durable: zeros, unsynced: Vec::new() });
        inner.names.insert(name.to_owned(), at);
        Ok(Box::new(BadFile { disk: self.clone(), at }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let at = self.inner().find(name)?;
        Ok(Box::new(BadFile { disk: self.clone(), at }))
    }

    fn block(&self) -> usize {
        SECTOR
    }

    fn open_blocks(&self, name: &str) -> io::Result<Box<dyn BlockFile>> {
        let at = self.inner().find(name)?;
        Ok(Box::new(BadFile { disk: self.clone(), at }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.begin(false)?;
        let at = inner.find(from)?;
        inner.names.remove(from);
        inner.names.insert(to.to_owned(), at);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.begin(false)?;
        inner.find(name)?;
        inner.names.remove(name);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut inner = self.inner();
        inner.begin(false)?;
        inner.durable_names = inner.names.clone();
        Ok(())
    }

    fn uncopied(&self) -> io::Result<Option<Uncopied>> {
        Ok(Some(Uncopied(None)))
    }
}

struct BadFile {
    disk: BadDisk,
    at: usize,
}

impl DiskFile for BadFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.inner().contents[self.at].now.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let inner = self.disk.inner();
        let found = inner.contents[self.at].now.get(offset as usize..offset as usize + bytes.len());
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut inner = self.disk.inner();
        let is_short = inner.begin(false)? == Some(Fault::Short);
        let bytes = if is_short { &bytes[..bytes.len() / 2] } else { bytes };
        let (content, at) = (&mut inner.contents[self.at], offset as usize);
        if content.now.len() < at + bytes.len() {
            content.now.resize(at + bytes.len(), 0);
        }
        content.now[at..at + bytes.len()].copy_from_slice(bytes);
        content.unsynced.push((at, bytes.to_vec()));
        if is_short { Err(refused()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.begin(false)?;
        let content = &mut inner.contents[self.at];
        content.durable.clone_from(&content.now);
        content.unsynced.clear();
        Ok(())
    }

    /// At once and for ever: what was still needed is missed.
    fn give_back(&self, offset: u64, bytes: u64) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.begin(false)?;
        let Content { now, durable, unsynced } = &mut inner.contents[self.at];
        let range = offset as usize..(offset + bytes) as usize;
        for bytes in [now, durable] {
            let end = range.end.min(bytes.len());
            bytes[range.start.min(end)..end].fill(0);
        }
        unsynced.retain(|(at, bytes)| at + bytes.len() <= range.start || *at >= range.end);
        Ok(())
    }
}

impl BlockFile for BadFile {
    fn write(&self, blocks: &[u8], offset: u64) -> io::Result<()> {
        assert!(blocks.as_ptr().addr().is_multiple_of(SECTOR));
        assert!(blocks.len().is_multiple_of(SECTOR) && offset.is_multiple_of(SECTOR as u64));
        self.write_at(blocks, offset)
    }

    fn sync(&self) -> io::Result<()> {
        DiskFile::sync(self)
    }

    fn fill(&self) -> io::Result<()> {
        self.write_at(&vec![0; self.length()? as usize], 0)?;
        DiskFile::sync(self)
    }
}
