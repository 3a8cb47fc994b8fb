//! A file that appears under its name whole, or not at all.

use crate::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file under a temporary name beside its place. It disappears unless it is committed.
#[derive(Debug)]
pub struct AtomicFile {
    temp: NamedTempFile,
    path: PathBuf,
}

impl AtomicFile {
    /// A new, empty file that is to become `path`. What stands there stays until the commit.
    ///
    /// # Errors
    /// `NotAFile` where `path` is a directory; `Io`.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if path.is_dir() {
            return Err(Error::NotAFile { path: path.into() });
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".dacti-").suffix(".tmp");
        #[cfg(unix)]
        {
            // What any new file gets: the umask takes from it what it must.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temp = builder.tempfile_in(folder).map_err(|error| Error::io("create", path, error))?;
        Ok(Self { temp, path: path.into() })
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &File {
        self.temp.as_file()
    }

    /// Where the file will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the file on disk and gives it its name, in place of what had it.
    ///
    /// # Errors
    /// `Io`. The temporary file is gone then.
    pub fn commit(self) -> Result<(), Error> {
        let path = self.path;
        let failed = |error| Error::io("write", &path, error);
        self.temp.as_file().sync_all().map_err(failed)?;
        self.temp.persist(&path).map_err(|error| Error::io("create", &path, error.error))?;
        Ok(())
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
