//! The unfinished copy of a pull, in a file beside the target. The next pull resumes from this
//! file.

use crate::fetch::source::{FileSource, read_file_at, read_full_of, write_file_at};
use crate::read::view::read_failed;
use crate::update::UpdateFault;
use crate::{AtomicFile, Error};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// An unfinished copy that no other process writes.
#[derive(Debug)]
pub(super) struct Partial {
    file: File,
    /// The path of the unfinished copy, and the path that the finished copy gets.
    own_path: PathBuf,
    path: PathBuf,
    /// Whether the file already has bytes of an earlier pull of the same state.
    pub(super) is_resumed: bool,
}

impl Partial {
    /// Opens the unfinished copy for `path`. The copy begins with `head` and has `len` bytes. If an
    /// earlier pull of another state left bytes, they are dropped.
    pub(super) fn open(path: &Path, head: &[u8], len: u64) -> Result<Self, Error> {
        AtomicFile::check(path)?;
        let own_path = own_path(path);
        let failed = |error| Error::io("create", path, error);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&own_path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(UpdateFault::Locked { path: path.into() }.into());
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut found = vec![0; head.len()];
        let read = |at, buf: &mut [u8]| read_file_at(&file, at, buf);
        let filled = read_full_of(read, 0, &mut found).map_err(failed)?;
        let is_long = file.metadata().map_err(failed)?.len() == len;
        let is_resumed = is_long && filled == head.len() && found == head;
        if !is_resumed {
            file.set_len(0).and_then(|()| file.set_len(len)).map_err(failed)?;
            write_file_at(&file, 0, head).map_err(failed)?;
        }
        Ok(Self { file, own_path, path: path.into(), is_resumed })
    }

    /// Deletes the unfinished copy of an interrupted pull, if there is one.
    pub(super) fn forget(path: &Path) {
        // Usually there is no such file, so an error is ignored.
        let _ = std::fs::remove_file(own_path(path));
    }

    pub(super) fn write_at(&self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        let failed = |error| Error::io("write", &self.path, error);
        write_file_at(&self.file, at, bytes).map_err(failed)
    }

    /// Returns the file as a source of bytes.
    pub(super) fn source(&self) -> Result<FileSource, Error> {
        let handle = self.file.try_clone().map_err(|e| Error::io("open", &self.path, e))?;
        FileSource::of(handle).map_err(read_failed)
    }

    /// Syncs the file, and renames it to the path of the finished copy. This replaces the old copy.
    pub(super) fn commit(self) -> Result<(), Error> {
        let failed = |error: io::Error| Error::io("write", &self.path, error);
        self.file.sync_all().map_err(failed)?;
        std::fs::rename(&self.own_path, &self.path)
            .map_err(|error| Error::io("create", &self.path, error))?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // Once the folder is synced, the new name is on disk. Some systems cannot sync folders, but
        // put the name on disk without this call. So an error is ignored.
        let _ = File::open(folder.unwrap_or(Path::new("."))).map(|folder| folder.sync_all());
        Ok(())
    }

    /// Deletes the file, because its bytes are wrong.
    pub(super) fn discard(self) -> Result<(), Error> {
        let failed = |error| Error::io("delete", &self.own_path, error);
        std::fs::remove_file(&self.own_path).map_err(failed)
    }
}

/// Returns the path of the unfinished copy that an interrupted [`pull`](super::pull) to `path` has
/// left, if there is one: `.dacti-pull-NAME` in the same folder.
///
/// The next pull resumes from this copy. A caller may delete it; the next pull then starts anew.
#[must_use]
pub fn unfinished_copy(path: &Path) -> Option<PathBuf> {
    Some(own_path(path)).filter(|path| path.exists())
}

/// Returns the path of the unfinished copy for `path`.
fn own_path(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".dacti-pull-");
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}
