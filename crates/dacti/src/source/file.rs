//! A package in a file, read by position, so that threads share one open file.

use super::ReadAt;
use crate::Error;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

/// A regular file as a source.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    /// When it was opened.
    opened_len: u64,
    /// When it was first asked for: a file that grows may have been read before that, and what was
    /// read must not name bytes that the length does not cover.
    len: OnceLock<u64>,
}

impl FileSource {
    /// Opens the file at `path`. Its length is noted when it is first asked for.
    ///
    /// # Errors
    /// `Io`; `NotAFile` for a directory, a device, a pipe or a socket, none of which is opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |source| Error::io("open", path, source);
        // Asked before it is opened: opening a pipe would wait for a writer.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(Error::NotAFile { path: path.into() });
        }
        let file = File::open(path).map_err(failed)?;
        Self::of(file).map_err(failed)
    }

    /// A file that is open for reading.
    pub(crate) fn of(file: File) -> io::Result<Self> {
        let opened_len = file.metadata()?.len();
        Ok(Self { file, opened_len, len: OnceLock::new() })
    }

    /// The open file.
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
}

/// Reads a file by position, without moving its cursor where the system can do that.
pub(crate) fn read_file_at(file: &File, at: u64, buf: &mut [u8]) -> io::Result<usize> {
    #[cfg(unix)]
    let read = std::os::unix::fs::FileExt::read_at(file, buf, at);
    #[cfg(windows)]
    let read = std::os::windows::fs::FileExt::seek_read(file, buf, at);
    read
}

/// Writes all of `bytes` to a file at a position.
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
