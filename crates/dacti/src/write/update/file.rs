//! The file to which an update writes: reads and writes by position, and the lock of its only
//! writer.
//!
//! This code does not interpret the bytes. Tests replace the file by one that fails. Specification:
//! `docs/spec/dacti-cdn.md`.

use super::UpdateFault;
use crate::Error;
use crate::fetch::source::{ReadAt, read_file_at};
use dacti_cdn::Barrier;
use dacti_cdn::parts::PartList;
use daicon_core::Span;
#[cfg(target_os = "linux")]
use rustix::io::Errno;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A file that can be updated. It can be read and written by position, made longer, and synced to
/// disk.
///
/// An implementation must ensure that the file has only one writer at a time.
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
    /// An error of the system. In this case the file may already have some of the bytes.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Makes the file longer, with zeros.
    ///
    /// # Errors
    /// An error of the system.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves room on disk for the bytes of a span at the end of the file. The file's length
    /// stays unchanged. An update calls this before it writes the first of these bytes. So if the
    /// disk is full, the file stays unchanged.
    ///
    /// # Errors
    /// The disk is full, or the user's quota is used up. If a file system cannot reserve room, this
    /// is no error.
    fn reserve(&self, span: Span) -> io::Result<()> {
        let _ = span;
        Ok(())
    }

    /// Syncs the written bytes and the length to disk.
    ///
    /// # Errors
    /// An error of the system. In this case it is unknown whether the bytes are on disk.
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

    /// Waits until no cache gives a reader of this file old bytes for the spans of `barrier`. An
    /// update calls this after the new bytes of the file itself are on disk.
    ///
    /// A local file is not cached elsewhere, so by default this returns at once. If a file is
    /// published through caches, an implementation waits for the sum of their lifetimes, or probes
    /// each cache until it answers with the new bytes.
    ///
    /// # Errors
    /// The reason why the wait failed. The update then ends, and can be resumed. The switch is not
    /// written, unless it was written before this barrier.
    fn barrier(&self, barrier: &Barrier) -> io::Result<()> {
        let _ = barrier;
        Ok(())
    }

    /// Returns whether a reserve needs a modification second of its own. Caches recognize changed
    /// bytes by this second. If a barrier before the switch waits until all caches have the
    /// reserve, the reserve needs a new second. If the file's barriers return at once, it needs
    /// none, and an update sets the modification time of the file forward by at most one second.
    fn reserve_needs_second(&self) -> bool {
        true
    }

    /// Returns the length of the package that readers see. A package in parts may be longer than
    /// the file, because its index ends in second starts of parts. The next block replaces these.
    ///
    /// # Errors
    /// An error of the system.
    fn view_len(&self) -> io::Result<u64> {
        self.len()
    }

    /// Announces the spans that will be read next, each by one read. A remote file can read several
    /// of them at once.
    fn will_read(&self, spans: &[Span]) {
        let _ = spans;
    }

    /// Withdraws spans that [`will_read`](Self::will_read) announced and that were not read.
    fn will_not_read(&self, spans: &[Span]) {
        let _ = spans;
    }

    /// Returns the list of parts if the file represents a package in parts. In this case a block
    /// begins at the next multiple of 8, and needs no padding.
    fn list(&self) -> Option<&PartList> {
        None
    }

    /// Publishes the writes of a plan after its last step. A file on a disk does nothing here,
    /// because the switch has already published them.
    ///
    /// # Errors
    /// The reason why nothing was published. In this case readers still see the old package.
    fn publish(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// A regular file that only this process may update, until the file is closed or the process ends.
///
/// Readers can still read the file. They see the old package or the new one.
#[derive(Debug)]
pub struct LockedFile {
    file: File,
    path: PathBuf,
}

impl LockedFile {
    /// Opens the file at `path` for an update.
    ///
    /// # Errors
    /// `NotAFile`; [`UpdateFault::Locked`] if another writer has locked the file;
    /// [`UpdateFault::Replaced`] if another file has replaced it meanwhile; `Io`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |source| Error::io("open", path, source);
        // This is checked before the file is opened, because opening a pipe would block until a
        // writer opens it.
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
    /// Unlocks the file at once. Closing it is not enough: if another thread starts a child process
    /// at this moment, the child may have a copy of the open file.
    fn drop(&mut self) {
        #[cfg(not(windows))]
        let _ = self.file.unlock();
    }
}

/// Opens a file and locks out other writers. The lock ends when the file is closed, and also if the
/// process is killed.
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

/// Opens a file and locks out other writers. A lock on byte ranges is not used, because it would
/// also lock out readers.
#[cfg(windows)]
fn open_alone(path: &Path) -> Result<File, Error> {
    use std::os::windows::fs::OpenOptionsExt;
    /// These flags let other programs read, rename and delete the file.
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
            // Some file systems cannot reserve room, so other errors are ignored.
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

/// Returns whether the metadata belong to the same file.
#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Returns whether the metadata can belong to the same file. This system gives no certain answer.
#[cfg(not(unix))]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len() && a.modified().ok() == b.modified().ok()
}

/// The file as a source of bytes. The length of the source is the file's length when the source was
/// created.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    file: Arc<dyn UpdateFile>,
    len: u64,
}

impl Reading {
    pub(super) fn new(file: Arc<dyn UpdateFile>) -> io::Result<Self> {
        let len = file.view_len()?;
        Ok(Self { file, len })
    }
}

impl ReadAt for Reading {
    fn is_in_parts(&self) -> bool {
        self.file.list().is_some()
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(at, buf)
    }

    fn will_read(&self, spans: &[Span]) {
        self.file.will_read(spans);
    }

    fn will_not_read(&self, spans: &[Span]) {
        self.file.will_not_read(spans);
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
