//! A file that appears under its name only when it is complete.

use crate::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file under a temporary name in the folder of its path. It is deleted unless it is committed.
#[derive(Debug)]
pub struct AtomicFile {
    temp: NamedTempFile,
    path: PathBuf,
}

impl AtomicFile {
    /// Creates an empty file, which gets the name `path` when it is committed. Until then, a file
    /// that existed at `path` stays there.
    ///
    /// If `path` is a link, the link is replaced, and its target stays as it is.
    ///
    /// # Errors
    /// `NotAFile` if `path` is a directory, a device, a pipe or a socket, because these are not
    /// replaced; `Io`.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::check(path)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".dacti-").suffix(".tmp");
        #[cfg(unix)]
        {
            // A new file gets these permissions, restricted by the umask.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temp = builder
            .tempfile_in(folder_of(path))
            .map_err(|error| Error::io("create", path, system_error(error)))?;
        Ok(Self { temp, path: path.into() })
    }

    /// Checks that [`create`](Self::create) would accept this path. Nothing is created.
    ///
    /// # Errors
    /// `NotAFile`, for the same paths as `create`.
    pub fn check(path: &Path) -> Result<(), Error> {
        let found = std::fs::symlink_metadata(path);
        if found.is_ok_and(|found| !found.is_file() && !found.is_symlink()) {
            return Err(Error::NotAFile { path: path.into() });
        }
        Ok(())
    }

    /// Returns the open file.
    #[must_use]
    pub fn file(&self) -> &File {
        self.temp.as_file()
    }

    /// Returns the path that the file will get.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs the file to disk and gives it its name, which replaces the old file.
    ///
    /// # Errors
    /// `Io`. In this case the temporary file is deleted.
    pub fn commit(self) -> Result<(), Error> {
        let path = self.path;
        let failed = |error| Error::io("write", &path, error);
        self.temp.as_file().sync_all().map_err(failed)?;
        self.temp.persist(&path).map_err(|error| Error::io("create", &path, error.error))?;
        // Once the folder is synced, the new name is on disk. Some systems cannot sync folders, but
        // put the name on disk without this call. So an error is ignored.
        let _ = File::open(folder_of(&path)).map(|folder| folder.sync_all());
        Ok(())
    }
}

/// Returns the system's error without the path of the temporary file. The caller does not know that
/// path. Its folder comes from the path that the caller gave, and may contain a secret.
fn system_error(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((told, _)) => io::Error::new(error.kind(), told.to_owned()),
        None => error,
    }
}

/// Returns the folder of a path.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temp.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temp.as_file_mut().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::AtomicFile;
    use std::io::Write;

    #[test]
    fn what_stood_there_stays_until_the_commit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        drop(file);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "nothing is left of it");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_replaced_and_what_it_leads_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        AtomicFile::create(&link).unwrap().commit().unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_file());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_replaced() {
        let error = AtomicFile::create("/dev/null").unwrap_err();
        assert_eq!(error.to_string(), "\"/dev/null\" is not a regular file");
        assert!(AtomicFile::create(std::env::temp_dir()).is_err());
    }
}
