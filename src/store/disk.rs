//! The few things that the store asks of a file system, so that tests can put a bad one in its place.

#[cfg(test)]
pub(super) mod bad;

use std::{
    cell::Cell,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FallocateFlags, OFlags, fallocate, fcntl_setfl},
    io::{Errno, retry_on_intr},
};

/// A directory of files.
pub(super) trait Disk: Send + Sync + 'static {
    /// All files: names and lengths.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;
    /// A new file of so many bytes, all zeros, for which there is room. It is synced, its name is not.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn DiskFile>>;
    /// A file that is there.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// So many bytes are written as a whole; a power of two, at most [`ALIGNED`].
    fn block(&self) -> usize;
    /// A file that is there, to write whole blocks of it.
    fn open_blocks(&self, name: &str) -> io::Result<Box<dyn BlockFile>>;
    /// Gives a file another name, which must be free.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// What was made, renamed and removed so far survives a power cut from now on.
    fn sync_names(&self) -> io::Result<()>;
    /// Keeps away whoever would copy the files; none: somebody does.
    fn uncopied(&self) -> io::Result<Option<Uncopied>>;
}

/// A file, open for reading and writing.
pub(super) trait DiskFile: Send + Sync {
    /// Its length.
    fn length(&self) -> io::Result<u64>;
    /// Fills `bytes`; fewer are an error.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// All of these bytes.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// What was written so far survives a power cut from now on.
    fn sync(&self) -> io::Result<()>;
    /// Nobody needs these bytes any more. They read as zeros, or as they are where the file system cannot give them back.
    fn give_back(&self, offset: u64, bytes: u64) -> io::Result<()>;
}

/// A file of which whole blocks are written, from [`Memory`].
pub(super) trait BlockFile: Send {
    /// Writes these blocks.
    fn write(&self, blocks: &[u8], offset: u64) -> io::Result<()>;
    /// What was written so far survives a power cut from now on.
    fn sync(&self) -> io::Result<()>;
    /// Writes zeros to all of it: whoever writes there later changes nothing but content.
    fn fill(&self) -> io::Result<()>;
}

/// Of what [`Memory`] begins at a multiple. Disks write as much at once, or less.
pub(super) const ALIGNED: usize = 4096;

/// Memory that a disk can read by itself.
pub(super) struct Memory {
    bytes: Box<[u8]>,
    start: usize,
    length: usize,
}

impl Memory {
    /// Zeros.
    pub(super) fn new(length: usize) -> Self {
        let bytes = vec![0; length + ALIGNED].into_boxed_slice();
        let start = bytes.as_ptr().align_offset(ALIGNED);
        Self { bytes, start, length }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.start + self.length).unwrap_or_default()
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.start + self.length).unwrap_or_default()
    }
}

/// A directory of the real file system.
pub(super) struct Directory(PathBuf);

/// So much of a new file is written and synced at a time: whoever syncs another file meanwhile waits for no more.
const FILLED: usize = 1 << 20;

/// Nobody copies the files of a directory while this is held.
pub(super) struct Uncopied(#[expect(dead_code, reason = "held, not used")] Option<File>);

/// No file of a directory is removed or given back while this is held.
pub(super) struct Copying(#[expect(dead_code, reason = "held, not used")] File);

/// Makes room for a new file. It reads as zeros.
pub(super) fn make_room(file: &File, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return file.sync_all();
    }
    match retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, bytes)) {
        Ok(()) => file.sync_all(),
        // Only what is written has its room for certain.
        Err(Errno::OPNOTSUPP) => fill(file, bytes),
        Err(error) => Err(error.into()),
    }
}

fn fill(file: &File, bytes: u64) -> io::Result<()> {
    let zeros = Memory::new(FILLED);
    let mut at = 0;
    while at < bytes {
        let length = usize::try_from(bytes - at).unwrap_or(FILLED).min(FILLED);
        file.write_all_at(zeros.bytes().get(..length).unwrap_or_default(), at)?;
        at += length as u64;
        file.sync_data()?;
    }
    file.sync_all()
}

impl Directory {
    /// A directory, made if it is not there, for nobody else to read.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self(path.to_owned()))
    }

    /// Waits until no file is just being given back.
    pub(super) fn copying(&self) -> io::Result<Copying> {
        let directory = File::open(&self.0)?;
        while directory.lock_shared().is_err_and(|it| it.kind() == io::ErrorKind::Interrupted) {}
        // Not every file system locks directories; a copy is checked, too.
        Ok(Copying(directory))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Disk for Directory {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let data = entry.metadata()?;
            if let Some(name) = entry.file_name().to_str()
                && data.is_file()
            {
                files.push((name.to_owned(), data.len()));
            }
        }
        files.sort();
        Ok(files)
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        match make_room(&file, bytes) {
            Ok(()) => Ok(Box::new(file)),
            Err(error) => {
                // Half a file is no file; that it cannot be removed changes nothing about the error.
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(name))?;
        Ok(Box::new(file))
    }

    fn block(&self) -> usize {
        ALIGNED
    }

    fn open_blocks(&self, name: &str) -> io::Result<Box<dyn BlockFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(name))?;
        Ok(Box::new(Direct { file, is_direct: Cell::new(true) }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    fn uncopied(&self) -> io::Result<Option<Uncopied>> {
        let directory = File::open(&self.0)?;
        match directory.try_lock() {
            Ok(()) => Ok(Some(Uncopied(Some(directory)))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            // Not every file system locks directories; a copy is checked, too.
            Err(fs::TryLockError::Error(_)) => Ok(Some(Uncopied(None))),
        }
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn give_back(&self, offset: u64, bytes: u64) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match retry_on_intr(|| fallocate(self, flags, offset, bytes)) {
            Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A file that is written past the page cache, if its file system can do that: a commit takes less time so, a quarter to a third less
/// processor time, and what is written only to be read after a crash takes no memory. The descriptor is an ordinary one but while
/// it writes: what stands between a process and its disk can still read by it as it likes.
struct Direct {
    file: File,
    is_direct: Cell<bool>,
}

impl Direct {
    /// Does this past the page cache, or not if that is not possible.
    fn directly(&self, write: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
        if self.is_direct.get() {
            let written = match fcntl_setfl(&self.file, OFlags::DIRECT) {
                Ok(()) => {
                    let written = write(&self.file);
                    fcntl_setfl(&self.file, OFlags::empty())?;
                    written
                }
                Err(error) => Err(error.into()),
            };
            // The file system does not know of this, or wants larger blocks: all of it is written again.
            if !written.as_ref().is_err_and(|it| it.kind() == io::ErrorKind::InvalidInput) {
                return written;
            }
            self.is_direct.set(false);
        }
        write(&self.file)
    }
}

impl BlockFile for Direct {
    fn write(&self, blocks: &[u8], offset: u64) -> io::Result<()> {
        self.directly(|file| file.write_all_at(blocks, offset))
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn fill(&self) -> io::Result<()> {
        let bytes = self.file.metadata()?.len();
        self.directly(|file| fill(file, bytes))
    }
}

/// Keeps a second process out of a directory for as long as it lives, and says how often it was taken over.
pub(super) struct Lock(File);

impl Lock {
    /// `None`: another process has it.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        let file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// The epoch that stands in it; none: nothing that makes sense.
    pub(super) fn epoch(&self) -> Option<u32> {
        let mut text = [0; 11];
        self.0.read_exact_at(&mut text, 0).ok()?;
        std::str::from_utf8(&text).ok()?.strip_suffix('\n')?.parse().ok()
    }

    /// Begins an epoch: one after that which stands here, and after `found`.
    pub(super) fn raise(&self, found: u32) -> io::Result<u32> {
        let last = self.epoch().unwrap_or_default().max(found);
        let epoch =
            last.checked_add(1).ok_or_else(|| io::Error::other("there is no epoch left"))?;
        let written = self.0.write_all_at(format!("{epoch:010}\n").as_bytes(), 0);
        match written.and_then(|()| self.0.sync_data()) {
            // It is in the journal, too, as soon as something is written there.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(epoch),
            written => written.map(|()| epoch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_file(blocks: u64) -> (tempfile::TempDir, Directory) {
        let path = tempfile::tempdir().unwrap();
        let directory = Directory::new(path.path()).unwrap();
        directory.create("file", blocks * ALIGNED as u64).unwrap();
        (path, directory)
    }

    #[test]
    fn whole_blocks_are_written_past_the_page_cache_and_read_through_it() {
        let (path, directory) = new_file(4);
        let file = directory.open_blocks("file").unwrap();
        file.fill().unwrap();
        let mut memory = Memory::new(2 * ALIGNED);
        memory.bytes_mut().fill(7);
        assert!(memory.bytes().as_ptr().addr().is_multiple_of(ALIGNED));
        file.write(memory.bytes(), ALIGNED as u64).unwrap();
        let whole = |byte: u8, blocks: usize| vec![byte; blocks * ALIGNED];
        let expected = [whole(0, 1), whole(7, 2), whole(0, 1)].concat();
        assert!(fs::read(path.path().join("file")).unwrap() == expected);
        memory.bytes_mut().fill(8);
        file.write(memory.bytes(), 2 * ALIGNED as u64).unwrap();
        let expected = [whole(0, 1), whole(7, 1), whole(8, 2)].concat();
        assert!(fs::read(path.path().join("file")).unwrap() == expected, "nothing old is cached");
    }

    #[test]
    fn what_a_file_system_does_not_take_directly_goes_through_the_page_cache() {
        let (path, directory) = new_file(1);
        let file = directory.open_blocks("file").unwrap();
        // No disk reads from an odd address.
        let memory = [vec![1; 1000], vec![2; ALIGNED - 1000]].concat();
        let mut odd = Memory::new(2 * ALIGNED);
        let odd = odd.bytes_mut().get_mut(1..=ALIGNED).unwrap();
        odd.copy_from_slice(&memory);
        file.write(odd, 0).unwrap();
        assert!(fs::read(path.path().join("file")).unwrap() == memory);
        file.write(odd, 0).unwrap();
    }
}
