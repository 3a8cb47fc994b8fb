//! Positioned reads, streams made of such reads, stores of blocks, and the errors of readers and
//! writers that do IO.

use alloc::vec::Vec;
use std::io::{self, Read};

use crate::cid::Cid;
use crate::error::Error;

/// An error of a reader or writer that does IO.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A fault of the archive, or a misuse.
    #[error(transparent)]
    Format(#[from] Error),
    /// An error of the source or the sink.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ReadError {
    /// Returns the fault of the archive or the misuse; `None` for an error of the source or the
    /// sink.
    #[must_use]
    pub fn format(&self) -> Option<&Error> {
        match self {
            Self::Format(error) => Some(error),
            Self::Io(_) => None,
        }
    }
}

/// A source of blocks: for [`write_dag`](crate::write_dag), and for paths and files within a DAG.
pub trait BlockStore {
    /// Writes the block of a CID into `into`, which the caller has emptied. Returns false if the
    /// store lacks the block.
    ///
    /// # Errors
    /// An error of the store.
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError>;
}

/// Positioned reads: the only operations of a source that random access needs.
pub trait ReadAt {
    /// Fills `buffer` with the bytes from `offset` on. Returns the number of bytes read. The number
    /// is smaller than the buffer only at the end of the source.
    ///
    /// # Errors
    /// An error of the source.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Returns the source's length.
    ///
    /// # Errors
    /// An error of the source.
    fn len(&self) -> io::Result<u64>;

    /// Tells whether the source is empty.
    ///
    /// # Errors
    /// An error of the source.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        (**self).len()
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(from..).unwrap_or_default();
        let got = rest.len().min(buffer.len());
        for (to, from) in buffer.chunks_mut(got.max(1)).zip(rest.chunks(got.max(1))).take(1) {
            if let (Some(to), Some(from)) = (to.get_mut(..got), from.get(..got)) {
                to.copy_from_slice(from);
            }
        }
        Ok(got)
    }

    fn len(&self) -> io::Result<u64> {
        Ok((*self).len() as u64)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(offset, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.as_slice().len() as u64)
    }
}

impl ReadAt for std::fs::File {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut got = 0;
        while let Some(room) = buffer.get_mut(got..).filter(|room| !room.is_empty()) {
            match file_read(self, room, offset.saturating_add(got as u64)) {
                Ok(0) => break,
                Ok(more) => got = got.saturating_add(more),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(got)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

#[cfg(unix)]
fn file_read(file: &std::fs::File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, room, offset)
}

#[cfg(windows)]
fn file_read(file: &std::fs::File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, room, offset)
}

/// Reads a source as a stream, from an offset on.
#[derive(Debug)]
pub struct ReadFrom<S> {
    source: S,
    offset: u64,
}

impl<S: ReadAt> ReadFrom<S> {
    /// Makes a stream that begins at an offset.
    pub fn new(source: S, offset: u64) -> Self {
        Self { source, offset }
    }
}

impl<S: ReadAt> Read for ReadFrom<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read_at(self.offset, buffer)?;
        self.offset = self.offset.saturating_add(got as u64);
        Ok(got)
    }
}
