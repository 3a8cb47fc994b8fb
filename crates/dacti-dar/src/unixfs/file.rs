//! The bytes of a file, chunk by chunk, without recursion.

use alloc::vec::Vec;
use std::io::{self, Read};

use super::folder::node;
use super::{Kind, Node, UnixFsError};
use crate::cid::Cid;
use crate::source::BlockStore;

/// The deepest tree of a file. With 174 links a node, ten levels are more than enough.
const DEPTH_MAX: usize = 64;

/// Reads a file's bytes, one chunk in memory at a time.
///
/// The lengths that the nodes state are checked. Below the top no part is empty, except for the
/// only part of an empty file. So the work is limited by the bytes that are read.
#[derive(Debug)]
pub struct FileReader<'s, S> {
    store: &'s mut S,
    /// The parts to come, the next on top: each with its length, if its parent states it.
    to_come: Vec<Part>,
    chunk: Vec<u8>,
    at: usize,
    done: u64,
    /// Where each open node must end, and its depth.
    ends: Vec<(u64, Cid)>,
}

#[derive(Debug)]
enum Part {
    Open { cid: Cid, len: Option<u64>, depth: usize },
    Close,
}

impl<'s, S: BlockStore> FileReader<'s, S> {
    /// Makes a reader of the file whose own node was read.
    ///
    /// # Errors
    /// [`UnixFsError::Kind`] if the node is not a file.
    pub fn new(store: &'s mut S, cid: &Cid, file: Node) -> Result<Self, UnixFsError> {
        let (to_come, chunk, ends) = (Vec::new(), Vec::new(), Vec::new());
        let mut reader = Self { store, to_come, chunk, at: 0, done: 0, ends };
        reader.enter(cid, file, None, 0)?;
        Ok(reader)
    }

    /// Returns the next bytes; none at the end.
    ///
    /// # Errors
    /// A missing block, a wrong file, an error of the store.
    pub fn next_chunk(&mut self) -> Result<&[u8], UnixFsError> {
        while self.at >= self.chunk.len() {
            match self.to_come.pop() {
                None => return Ok(&[]),
                Some(Part::Close) => {
                    if let Some((end, cid)) = self.ends.pop()
                        && end != self.done
                    {
                        return Err(UnixFsError::File(cid));
                    }
                }
                Some(Part::Open { cid, len, depth }) => {
                    let node = node(self.store, &cid)?;
                    self.enter(&cid, node, len, depth)?;
                }
            }
        }
        let at = core::mem::replace(&mut self.at, self.chunk.len());
        Ok(self.chunk.get(at..).unwrap_or_default())
    }

    /// Puts the parts of a node on the stack.
    fn enter(
        &mut self,
        cid: &Cid,
        node: Node,
        len: Option<u64>,
        depth: usize,
    ) -> Result<(), UnixFsError> {
        if node.kind != Kind::File {
            return Err(UnixFsError::Kind { cid: cid.clone(), expected: "file" });
        }
        let empty = depth > 0 && node.data.is_empty() && node.links.is_empty();
        let is_only = self.done == 0 && self.to_come.iter().all(|part| matches!(part, Part::Close));
        let sizes_fit = node.block_sizes.is_empty() || node.block_sizes.len() == node.links.len();
        let contradiction = len.zip(node.file_size).is_some_and(|(len, stated)| len != stated);
        if empty && !is_only || !sizes_fit || contradiction || depth > DEPTH_MAX {
            return Err(UnixFsError::File(cid.clone()));
        }
        if let Some(len) = len.or(node.file_size) {
            self.ends.push((self.done.saturating_add(len), cid.clone()));
            self.to_come.push(Part::Close);
        }
        let mut sizes = node.block_sizes.into_iter().rev();
        for link in node.links.into_iter().rev() {
            let depth = depth.saturating_add(1);
            self.to_come.push(Part::Open { cid: link.cid, len: sizes.next(), depth });
        }
        self.done = self.done.saturating_add(node.data.len() as u64);
        (self.chunk, self.at) = (node.data, 0);
        Ok(())
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
