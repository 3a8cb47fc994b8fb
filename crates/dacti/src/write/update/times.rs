//! Sets the modification time of a file that is updated. Each content of the head gets a second of
//! its own, because servers distinguish two contents only by the second of this time.
//!
//! If the head changes twice within a second, the update does not wait until the second is over.
//! Instead, it sets the modification time to a later second, which may lie in the future.
//! Specification: `docs/spec/dacti-cdn.md`.

use super::file::UpdateFile;
use core::time::Duration;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// The latest modification second that the head got.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    last: u64,
}

impl Times {
    /// Checks that the time can be set, before anything is written.
    pub(super) fn start(file: &dyn UpdateFile) -> io::Result<Self> {
        let found = file.modified()?;
        file.set_modified(found)?;
        Ok(Self { last: seconds(found) })
    }

    /// Corrects the modification time after a write that needs no second of its own. The system has
    /// set it to the current time, which is too early if the head's time was set forward before.
    pub(super) fn keep(&mut self, file: &dyn UpdateFile) -> io::Result<()> {
        let found = seconds(file.modified()?);
        if found < self.last {
            return self.set(file);
        }
        self.last = found;
        Ok(())
    }

    /// Sets the modification time to a second after the head's last one. Call it after a write that
    /// changes the head.
    pub(super) fn advance(&mut self, file: &dyn UpdateFile) -> io::Result<()> {
        self.last = seconds(SystemTime::now()).max(self.last.saturating_add(1));
        self.set(file)
    }

    fn set(self, file: &dyn UpdateFile) -> io::Result<()> {
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(self.last));
        file.set_modified(time.ok_or(io::ErrorKind::InvalidInput)?)
    }
}

/// Returns the time in seconds since 1970, as a server sends it.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
