//! Room that is given up when there is no other: so that a queue can be saved on a full disk, and the journal gets shorter.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

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
        let made = self.fill();
        if made.is_err() {
            self.give_up();
        }
        made
    }

    fn fill(&self) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        let zeros = vec![0; 1 << 16];
        let mut left = self.bytes;
        while left > 0 {
            let length = left.min(zeros.len() as u64);
            file.write_all(zeros.get(..length as usize).unwrap_or_default())?;
            left -= length;
        }
        file.sync_all()
    }

    /// Removes it.
    pub(super) fn give_up(&self) {
        // One that is not there has been given up.
        let _ = fs::remove_file(&self.path);
    }
}
