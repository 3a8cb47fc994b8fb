//! The file that an update writes to: reads and writes by position, and the lock of its one writer.
//!
//! The meaning of the bytes plays no role here. Tests implement a file that fails. Specification:
//! `docs/spec/dacti-cdn.md`.

use super::UpdateFault;
use crate::Error;
use crate::fetch::source::{ReadAt, read_file_at};
use dacti_cdn::Barrier;
use daicon_core::Span;
#[cfg(target_os = "linux")]
use rustix::io::Errno;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A file that can be updated: read and written by position, made longer, and synced to disk.
///
/// An implementation ensures that there is one writer at a time.
pub trait UpdateFile: core::fmt::Debug + Send + Sync {
    /// Returns the file's length now, in bytes.
    ///
    /// # Errors
    /// An error of the system.
    fn len(&self) -> io::Result<u64>;

    /// Returns whether the file is empty now.
    ///
    /// # Errors
    /// An error of the system.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads into `buf` from position `at` and returns the number of bytes: 0 only at the end or
    /// for an empty `buf`.
    ///
    /// # Errors
    /// An error of the system.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Writes some of `bytes` at position `at`, by one system call, and returns the number of bytes
    /// written.
    ///
    /// # Errors
    /// An error of the system. Some of the bytes may be in the file then.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Makes the file longer, with zeros.
    ///
    /// # Errors
    /// An error of the system.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves room on disk for the bytes of a span at the end of the file, and leaves the file's
    /// length unchanged. It is called before the first of these bytes is written, so that a full
    /// disk leaves the file unchanged.
    ///
    /// # Errors
    /// The disk, or the user's share of it, has no room. A file that cannot reserve room returns no
    /// error.
    fn reserve(&self, span: Span) -> io::Result<()> {
        let _ = span;
        Ok(())
    }

    /// Syncs the written bytes and the length to disk.
    ///
    /// # Errors
    /// An error of the system. The bytes may or may not be on disk then.
    fn sync(&self) -> io::Result<()>;

    /// Returns the modification time, which servers send to their clients.
    ///
    /// # Errors
    /// An error of the system.
    fn modified(&self) -> io::Result<SystemTime>;

    /// Sets the modification time.
    ///
    /// # Errors
    /// An error of the system.
    fn set_modified(&self, time: SystemTime) -> io::Result<()>;

    /// Returns whether the file still has its name.
    ///
    /// # Errors
    /// An error of the system.
    fn is_in_place(&self) -> io::Result<bool>;

    /// Waits until no reader of this file gets old bytes for the spans of `barrier` through any
    /// cache. It is called when the file itself has the new bytes on disk.
    ///
    /// A local file has no cache in front of it, so by default this returns at once. For a file
    /// that is published through caches, an implementation waits for the sum of their lifetimes, or
    /// probes each cache until it answers with the new bytes.
    ///
    /// # Errors
    /// The reason why the wait failed. The update ends then and can be resumed. The switch is not
    /// written, unless it was written before this barrier.
    fn barrier(&self, barrier: &Barrier) -> io::Result<()> {
        let _ = barrier;
        Ok(())
    }

    /// Returns whether a reserve needs a modification second of its own. Caches recognize changed
    /// bytes by the second, and a barrier before the switch waits until they have the reserve. If
    /// the barriers of a file pass at once, a reserve needs no new second, and an update sets the
    /// time forward by at most one second.
    fn reserve_needs_second(&self) -> bool {
        true
    }

    /// Returns whether the file represents a package in parts, whose blocks begin at the next
    /// multiple of 8 and need no padding.
    fn is_in_parts(&self) -> bool {
        false
    }

    /// Publishes the writes of a plan after its last step. A file on a disk needs nothing here,
    /// because the switch has published it.
    ///
    /// # Errors
    /// The reason why nothing was published. Readers still see the old package then.
    fn publish(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// A regular file that only this process may update, until it is closed or the process ends.
///
/// Readers are not locked out: they see the old package or the new one.
#[derive(Debug)]
pub struct LockedFile {
    file: File,
    path: PathBuf,
}

impl LockedFile {
    /// Opens the file at `path` for an update.
    ///
    /// # Errors
    /// `NotAFile`; [`UpdateFault::Locked`] if another writer has the file;
    /// [`UpdateFault::Replaced`] if another file took its name meanwhile; `Io`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |source| Error::io("open", path, source);
        // Checked before the file is opened: opening a pipe would wait for a writer.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(Error::NotAFile { path: path.into() });
        }
        let file = open_alone(path)?;
        let locked = Self { file, path: path.into() };
        if !locked.is_in_place().map_err(failed)? {
            return Err(UpdateFault::Replaced { path: path.into() }.into());
        }
        Ok(locked)
    }
}

impl Drop for LockedFile {
    /// Unlocks the file at once. Closing it would not suffice: a child process that another thread
    /// starts at this moment may hold a copy of the file.
    fn drop(&mut self) {
        #[cfg(not(windows))]
        let _ = self.file.unlock();
    }
}

/// Opens a file and locks out other writers. The lock ends with the open file, even if the process
/// is killed.
#[cfg(not(windows))]
fn open_alone(path: &Path) -> Result<File, Error> {
    let failed = |source| Error::io("open", path, source);
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(UpdateFault::Locked { path: path.into() }.into()),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", path, error)),
    }
}

/// Opens a file and locks out other writers. A lock on byte ranges would also lock out readers.
#[cfg(windows)]
fn open_alone(path: &Path) -> Result<File, Error> {
    use std::os::windows::fs::OpenOptionsExt;
    /// Other programs may read, rename and delete the file.
    const SHARE_READ_AND_DELETE: u32 = 0x1 | 0x4;
    const SHARING_VIOLATION: i32 = 32;
    let mut options = OpenOptions::new();
    options.read(true).write(true).share_mode(SHARE_READ_AND_DELETE);
    options.open(path).map_err(|error| match error.raw_os_error() {
        Some(SHARING_VIOLATION) => UpdateFault::Locked { path: path.into() }.into(),
        _ => Error::io("open", path, error),
    })
}

impl UpdateFile for LockedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        read_file_at(&self.file, at, buf)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(unix)]
        let written = std::os::unix::fs::FileExt::write_at(&self.file, bytes, at);
        #[cfg(windows)]
        let written = std::os::windows::fs::FileExt::seek_write(&self.file, bytes, at);
        written
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    #[cfg(target_os = "linux")]
    fn reserve(&self, span: Span) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, span.start, span.len()) {
            Err(full @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(full.into()),
            // Some file systems cannot reserve.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn modified(&self) -> io::Result<SystemTime> {
        self.file.metadata()?.modified()
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.file.set_modified(time)
    }

    fn reserve_needs_second(&self) -> bool {
        false
    }

    fn is_in_place(&self) -> io::Result<bool> {
        match std::fs::metadata(&self.path) {
            Ok(found) => Ok(is_same(&self.file.metadata()?, &found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Returns whether two files are the same one.
#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Returns whether two files can be the same one, as far as the system tells.
#[cfg(not(unix))]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len() && a.modified().ok() == b.modified().ok()
}

/// The file as a source of bytes, with the length that it had at first.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    file: Arc<dyn UpdateFile>,
    len: u64,
}

impl Reading {
    pub(super) fn new(file: Arc<dyn UpdateFile>) -> io::Result<Self> {
        let len = file.len()?;
        Ok(Self { file, len })
    }
}

impl ReadAt for Reading {
    fn is_in_parts(&self) -> bool {
        self.file.is_in_parts()
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(at, buf)
    }
}

/// Writes all of `bytes`, in as many calls as needed.
pub(super) fn write_all(file: &dyn UpdateFile, at: u64, bytes: &[u8]) -> io::Result<()> {
    let (mut at, mut left) = (at, bytes);
    while !left.is_empty() {
        let written = match file.write_at(at, left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        at = at.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        left = left.get(written..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{LockedFile, UpdateFault, UpdateFile};
    use crate::Error;

    #[test]
    fn a_second_writer_is_told_who_is_there_and_gets_it_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("package");
        std::fs::write(&path, "bytes").unwrap();
        let first = LockedFile::open(&path).unwrap();
        let error = LockedFile::open(&path).unwrap_err();
        assert!(matches!(error, Error::Update(UpdateFault::Locked { .. })), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"bytes", "readers are not kept out");
        drop(first);
        assert_eq!(LockedFile::open(&path).unwrap().len().unwrap(), 5);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_lost_its_name_is_not_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("package"), dir.path().join("other"));
        std::fs::write(&path, "bytes").unwrap();
        let file = LockedFile::open(&path).unwrap();
        assert!(file.is_in_place().unwrap());
        std::fs::write(&other, "bytes").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(!file.is_in_place().unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(!file.is_in_place().unwrap());
    }
}
