//! Bytes that may be too many to be kept in memory.
//!
//! They are kept in a temporary file. WebAssembly has no files, so it keeps them in memory.

use std::io;
#[cfg(not(target_family = "wasm"))]
use {
    super::source::{read_file_at, write_file_at},
    std::fs::File,
};

/// A temporary file. The file is deleted when this value is dropped.
#[derive(Debug)]
#[cfg(not(target_family = "wasm"))]
pub(crate) struct Temporary(File);

#[cfg(not(target_family = "wasm"))]
impl Temporary {
    /// Creates an empty file.
    pub(crate) fn new() -> io::Result<Self> {
        tempfile::tempfile().map(Self)
    }

    #[cfg(feature = "http-client")]
    pub(crate) fn len(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Reads from position `at`, and returns the number of bytes; 0 at the end.
    pub(crate) fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        read_file_at(&self.0, at, buf)
    }

    /// Writes `bytes` at position `at`, which must not exceed the length.
    pub(crate) fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        write_file_at(&self.0, at, bytes)
    }

    /// Drops all bytes.
    #[cfg(feature = "http-client")]
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.0.set_len(0)
    }
}

/// Bytes in memory, used instead of a temporary file.
#[derive(Debug)]
#[cfg(target_family = "wasm")]
pub(crate) struct Temporary(Vec<u8>);

#[cfg(target_family = "wasm")]
impl Temporary {
    /// Creates a value without bytes.
    #[expect(clippy::unnecessary_wraps, reason = "other targets make a file")]
    pub(crate) const fn new() -> io::Result<Self> {
        Ok(Self(Vec::new()))
    }

    pub(crate) fn len(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    /// Reads from position `at`, and returns the number of bytes; 0 at the end.
    #[expect(clippy::unnecessary_wraps, reason = "other targets read a file")]
    pub(crate) fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        for (to, from) in buf.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(rest.len().min(buf.len()))
    }

    /// Writes `bytes` at position `at`, which must not exceed the length.
    pub(crate) fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.truncate(usize::try_from(at).unwrap_or(usize::MAX));
        self.0.try_reserve(bytes.len())?;
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    /// Drops all bytes.
    #[expect(clippy::unnecessary_wraps, reason = "other targets change a file")]
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.0.clear();
        Ok(())
    }
}
