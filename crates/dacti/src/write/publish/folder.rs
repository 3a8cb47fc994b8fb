//! A folder of this machine as a store of parts.
//!
//! An object is renamed into place, so it appears only when it is complete. It is on disk before a
//! head names it. A head is replaced under a lock, which is on a file beside the head. Each new
//! head gets a modification second that no earlier head had: all heads have 65,536 bytes, so
//! servers and rsync distinguish two heads only by their time.

use super::PublishFault;
use super::store::{Condition, ObjectTag, PartStore, StoredBytes, StoredObject};
use crate::fetch::Location;
use crate::fetch::source::{read_file_at, read_full_of};
use crate::{AtomicFile, Error};
use bytes::Bytes;
use core::time::Duration;
use daicon_core::Span;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A folder as a store.
#[derive(Debug, Clone)]
pub struct FolderStore {
    folder: PathBuf,
}

impl FolderStore {
    /// Returns the folder at `folder` as a store. It is created when the first object is stored.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn path(&self, name: &str) -> PathBuf {
        let mut path = self.folder.clone();
        path.extend(name.split('/').filter(|segment| !segment.is_empty()));
        path
    }

    fn create_folder_of(path: &Path) -> Result<(), Error> {
        let Some(folder) = path.parent() else { return Ok(()) };
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))
    }
}

impl PartStore for FolderStore {
    fn shown(&self, name: &str) -> String {
        Location::from(self.path(name)).to_string()
    }

    fn get(&self, name: &str, range: Option<Span>) -> Result<Option<StoredBytes>, Error> {
        let path = self.path(name);
        let failed = |error| Error::io("read", &path, error);
        let Some(file) = open(&path)? else { return Ok(None) };
        let metadata = file.metadata().map_err(failed)?;
        let len = metadata.len();
        let whole = Span { start: 0, end: len };
        let wanted = range.unwrap_or(whole);
        let (start, end) = (wanted.start.min(len), wanted.end.min(len));
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or_default()];
        let read = |at, buf: &mut [u8]| read_file_at(&file, at, buf);
        let filled = read_full_of(read, start, &mut bytes).map_err(failed)?;
        bytes.truncate(filled);
        // The tag of a head is its hash. The tag of a longer file is its length and modification
        // time.
        let tag = if range.is_none() && len <= dacti_cdn::HEAD_LEN {
            Some(blake3::hash(&bytes).to_hex().to_string())
        } else {
            let modified = metadata.modified().map_err(failed)?;
            let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
            Some(format!("{len}-{}", since.as_nanos()))
        };
        let tag = ObjectTag { tag, version: None };
        Ok(Some(StoredBytes { bytes: bytes.into(), len, tag }))
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        let path = self.path(name);
        Self::create_folder_of(&path)?;
        let mut file = AtomicFile::create(&path)?;
        file.write_all(&bytes).map_err(|error| Error::io("write", &path, error))?;
        file.commit()
    }

    fn replace(&self, name: &str, bytes: Bytes, condition: &Condition) -> Result<(), Error> {
        let path = self.path(name);
        Self::create_folder_of(&path)?;
        // The lock is kept from the check of the condition to the rename.
        let lock = HeadLock::take(&path)?;
        let conflict = || Error::from(PublishFault::Conflict { place: self.shown(name) });
        let len = std::fs::metadata(&path).map_or(0, |found| found.len());
        let range = (len > dacti_cdn::HEAD_LEN).then_some(Span { start: 0, end: 1 });
        let found = self.get(name, range)?;
        match (condition, &found) {
            (Condition::Absent, None) | (Condition::Any, _) => {}
            (Condition::Unchanged(tag), Some(found)) if found.tag == *tag => {}
            _ => return Err(conflict()),
        }
        let mut file = AtomicFile::create(&path)?;
        let failed = |error| Error::io("write", &path, error);
        file.write_all(&bytes).map_err(failed)?;
        file.file().set_modified(second_behind(&path)).map_err(failed)?;
        file.commit()?;
        drop(lock);
        Ok(())
    }

    fn list(&self, folder: &str) -> Result<Vec<StoredObject>, Error> {
        let path = self.path(folder);
        let failed = |error| Error::io("list", &path, error);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut objects = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let Some(own) = entry.file_name().to_str().map(ToOwned::to_owned) else { continue };
            let is_file = entry.file_type().map_err(failed)?.is_file();
            // Temporary files and locks of this program are not objects of the store.
            if is_file && !own.starts_with(".dacti-") {
                let found = entry.metadata().map_err(failed)?;
                let modified = found.modified().map_err(failed)?;
                objects.push(StoredObject {
                    name: format!("{folder}{own}"),
                    len: found.len(),
                    modified,
                });
            }
        }
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    fn delete(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("delete", &path, error))
            }
            _ => Ok(()),
        }
    }
}

/// Opens a regular file; `None` if the path does not exist. A directory is an error, because it
/// cannot be an object.
fn open(path: &Path) -> Result<Option<File>, Error> {
    let failed = |error| Error::io("open", path, error);
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if !found.is_file() {
        return Err(Error::NotAFile { path: path.into() });
    }
    File::open(path).map(Some).map_err(failed)
}

/// Returns a modification time for a new head: the current time, or one second after the current
/// head's time, whichever is later.
fn second_behind(path: &Path) -> SystemTime {
    let seconds =
        |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = seconds(SystemTime::now());
    let last = std::fs::metadata(path).and_then(|found| found.modified()).map(seconds);
    let second = last.map_or(now, |last| now.max(last.saturating_add(1)));
    UNIX_EPOCH.checked_add(Duration::from_secs(second)).unwrap_or_else(SystemTime::now)
}

/// A lock that allows only one publisher to replace a head. It is on an open file beside the head.
#[derive(Debug)]
struct HeadLock {
    file: File,
}

impl HeadLock {
    /// Waits until this process gets the lock of the head at `path`.
    fn take(path: &Path) -> Result<Self, Error> {
        let mut name = std::ffi::OsString::from(".dacti-lock-");
        name.push(path.file_name().unwrap_or_default());
        let lock = path.with_file_name(name);
        let failed = |error| Error::io("lock", &lock, error);
        let file = File::options().create(true).truncate(false).write(true).open(&lock);
        let file = file.map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for HeadLock {
    fn drop(&mut self) {
        // Closing the file also releases the lock, unless a child process has a copy of the handle.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::FolderStore;
    use crate::Error;
    use crate::write::publish::{Condition, PartStore, PublishFault};
    use daicon_core::Span;

    #[test]
    fn objects_are_stored_listed_read_and_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let store = FolderStore::new(dir.path());
        assert!(store.get("p/a", None).unwrap().is_none());
        store.put("p/a", "hello".into()).unwrap();
        store.put("p/heads/b", "b".into()).unwrap();
        store.put("q", "q".into()).unwrap();
        let names: Vec<_> = store.list("p/").unwrap().into_iter().map(|o| o.name).collect();
        assert_eq!(names, ["p/a"]);
        assert_eq!(store.list("").unwrap().len(), 1);
        let read = store.get("p/a", Some(Span { start: 1, end: 99 })).unwrap().unwrap();
        assert_eq!((&read.bytes[..], read.len), (&b"ello"[..], 5));
        store.delete("p/a").unwrap();
        store.delete("p/a").unwrap();
        assert!(store.get("p/a", None).unwrap().is_none());
        assert!(matches!(store.get("p", None), Err(Error::NotAFile { .. })));
    }

    #[test]
    fn a_head_is_replaced_only_if_nobody_else_did() {
        // spec: R-PART-21
        let dir = tempfile::tempdir().unwrap();
        let store = FolderStore::new(dir.path());
        let conflict = |result: Result<(), Error>| {
            matches!(result, Err(Error::Publish(PublishFault::Conflict { .. })))
        };
        store.replace("h", "one".into(), &Condition::Absent).unwrap();
        let second = || {
            let time = std::fs::metadata(dir.path().join("h")).unwrap().modified().unwrap();
            time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
        };
        let (one, first) = (store.get("h", None).unwrap().unwrap().tag, second());
        assert!(conflict(store.replace("h", "two".into(), &Condition::Absent)));
        store.replace("h", "two".into(), &Condition::Unchanged(one.clone())).unwrap();
        assert!(second() > first, "servers tell two heads apart by the second");
        assert!(conflict(store.replace("h", "three".into(), &Condition::Unchanged(one))));
        assert_eq!(&store.get("h", None).unwrap().unwrap().bytes[..], b"two");
        store.replace("h", "four".into(), &Condition::Any).unwrap();
    }
}
