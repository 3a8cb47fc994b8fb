//! A package in a file. The file is read by position, so threads can share one open file.

use super::ReadAt;
use crate::Error;
#[cfg(unix)]
use rustix::buffer::spare_capacity;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

/// A regular file as a source.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    /// The length at the time when the file was opened.
    opened_len: u64,
    /// The length at the first call of [`len`](ReadAt::len). If the file grows while a package is
    /// opened, all bytes that the head names lie within this length, because the head is read
    /// before that call.
    len: OnceLock<u64>,
}

impl FileSource {
    /// Opens the file at `path`. The first call of [`len`](ReadAt::len) determines its length.
    ///
    /// # Errors
    /// `Io`; `NotAFile` for a directory, a device, a pipe or a socket, because these are not
    /// opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |source| Error::io("open", path, source);
        // The kind of the file is checked before the file is opened, because opening a pipe would
        // wait for a writer.
        let found = std::fs::metadata(path).map_err(failed)?;
        if !found.is_file() {
            return Err(Error::NotAFile { path: path.into() });
        }
        let file = File::open(path).map_err(failed)?;
        Ok(Self { file, opened_len: found.len(), len: OnceLock::new() })
    }

    #[cfg(feature = "write")]
    /// Creates a source from a file that is open for reading.
    pub(crate) fn of(file: File) -> io::Result<Self> {
        let opened_len = file.metadata()?.len();
        Ok(Self { file, opened_len, len: OnceLock::new() })
    }

    /// Returns the open file.
    #[cfg(any(unix, windows))]
    pub(super) const fn file(&self) -> &File {
        &self.file
    }
}

impl ReadAt for FileSource {
    fn len(&self) -> u64 {
        let now = || self.file.metadata().map_or(self.opened_len, |found| found.len());
        *self.len.get_or_init(now)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        read_file_at(&self.file, at, buf)
    }

    fn is_local(&self) -> bool {
        true
    }

    // The default implementation fills the buffer with zeros before it reads. This one does not.
    #[cfg(unix)]
    fn read_up_to(&self, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut buf = Vec::new();
        buf.try_reserve_exact(len)?;
        while buf.len() < len {
            let at = at.saturating_add(u64::try_from(buf.len()).unwrap_or(u64::MAX));
            match rustix::io::pread(&self.file, spare_capacity(&mut buf), at) {
                Ok(0) => break,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        buf.truncate(len);
        Ok(buf)
    }
}

/// Reads a file by position. On Unix, the file's cursor does not move.
pub(crate) fn read_file_at(file: &File, at: u64, buf: &mut [u8]) -> io::Result<usize> {
    #[cfg(unix)]
    let read = std::os::unix::fs::FileExt::read_at(file, buf, at);
    #[cfg(windows)]
    let read = std::os::windows::fs::FileExt::seek_read(file, buf, at);
    // Files are not supported on other systems, such as in a browser.
    #[cfg(not(any(unix, windows)))]
    let read = {
        let _ = (file, buf, at);
        Err(io::ErrorKind::Unsupported.into())
    };
    read
}

/// Writes all of `bytes` to a file at a position.
#[cfg(all(any(feature = "async", feature = "write"), not(target_family = "wasm")))]
pub(crate) fn write_file_at(file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    #[cfg(unix)]
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)?;
    #[cfg(windows)]
    {
        let (mut at, mut bytes) = (at, bytes);
        while !bytes.is_empty() {
            let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            at = at.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
            bytes = bytes.get(written..).unwrap_or_default();
        }
    }
    Ok(())
}
