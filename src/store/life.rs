//! Whether somebody who writes to the journal still takes something.

use std::time::Duration;

use super::StoreError;

/// How often a full disk is looked at again.
const FULL_WAIT: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Default)]
pub(super) enum Life {
    #[default]
    Open,
    /// Nothing is taken any more; what is there is written.
    Closing,
    /// Nothing is written any more.
    Broken(StoreError),
}

impl Life {
    pub(super) const fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// # Errors
    /// Why nothing is taken.
    pub(super) fn admit(&self) -> Result<(), StoreError> {
        match self {
            Self::Open => Ok(()),
            Self::Closing => Err(StoreError::Failed("the store is closed".into())),
            Self::Broken(error) => Err(error.clone()),
        }
    }

    pub(super) fn close(&mut self) {
        if self.is_open() {
            *self = Self::Closing;
        }
    }
}

/// The disk is full: there may be room later.
#[expect(clippy::disallowed_methods, reason = "only threads that do nothing else wait so")]
pub(super) fn wait_for_room() {
    std::thread::sleep(FULL_WAIT);
}
