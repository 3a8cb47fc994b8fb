//! The bytes of a file, chunk by chunk, without recursion.

use std::io::{self, Read};

use super::folder::block;
use super::{FileWalk, Node, UnixFsError};
use crate::cid::Cid;
use crate::source::BlockStore;

/// Reads a file's bytes, one chunk in memory at a time: a loop around [`FileWalk`].
#[derive(Debug)]
pub struct FileReader<'s, S> {
    store: &'s mut S,
    walk: FileWalk,
    /// The number of bytes of the walk's chunk that were already returned.
    at: usize,
}

impl<'s, S: BlockStore> FileReader<'s, S> {
    /// Makes a reader of a file whose top node was already read.
    ///
    /// # Errors
    /// [`UnixFsError::Kind`] if the node is not a file.
    pub fn new(store: &'s mut S, cid: &Cid, file: Node) -> Result<Self, UnixFsError> {
        Ok(Self { store, walk: FileWalk::new(cid, file, None)?, at: 0 })
    }

    /// Returns the next bytes; none at the end.
    ///
    /// # Errors
    /// A missing block, a wrong file, an error of the store.
    pub fn next_chunk(&mut self) -> Result<&[u8], UnixFsError> {
        while self.at >= self.walk.data().len() {
            let Some(cid) = self.walk.want().cloned() else { return Ok(&[]) };
            self.walk.feed(&block(self.store, &cid)?)?;
            self.at = 0;
        }
        let at = core::mem::replace(&mut self.at, self.walk.data().len());
        Ok(self.walk.data().get(at..).unwrap_or_default())
    }
}

impl<S: BlockStore> Read for FileReader<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunk = self.next_chunk().map_err(io::Error::other)?;
        let len = chunk.len().min(buffer.len());
        let rest = chunk.len().saturating_sub(len);
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), chunk.get(..len)) {
            to.copy_from_slice(from);
        }
        self.at = self.at.saturating_sub(rest);
        Ok(len)
    }
}
