//! Room that is given up when there is no other: so that a queue can be saved on a full disk, and the journal gets shorter.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::disk;

/// As much as SQLite writes ahead before it brings it to its place, twice.
const BYTES: u64 = 8 << 20;

/// A file that is there only to be removed.
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    /// Beside the state store; small if the journal is.
    pub(super) fn beside(state: &Path, segment_bytes: u64) -> Self {
        let bytes = segment_bytes.saturating_mul(128).min(BYTES);
        Self { path: state.with_file_name("reserve"), bytes }
    }

    /// Makes it if it is not there.
    pub(super) fn make(&self) -> io::Result<()> {
        if fs::metadata(&self.path).is_ok_and(|data| data.len() == self.bytes) {
            return Ok(());
        }
        let made = File::create(&self.path).and_then(|file| disk::make_room(&file, self.bytes));
        if made.is_err() {
            self.give_up();
        }
        made
    }

    /// Removes it.
    pub(super) fn give_up(&self) {
        // One that is not there has been given up.
        let _ = fs::remove_file(&self.path);
    }
}
