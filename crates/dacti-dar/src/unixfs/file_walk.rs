//! The blocks of a file, or of a range of its bytes, in order: a machine that names the next block
//! that it needs.

use alloc::vec::Vec;
use core::ops::Range;

use super::{Kind, Node, UnixFsError};
use crate::cid::Cid;

/// The maximum depth of a file's tree. With 174 links in each node, ten levels hold more than any
/// real file.
const DEPTH_MAX: usize = 64;
/// The maximum number of parts that wait at once. A tree of three levels with 8,192 links in each
/// node needs fewer than 25,000.
const PARTS_MAX: usize = 1 << 18;

/// Walks the DAG of a file in depth-first order.
///
/// The walk checks the lengths that the nodes state, as far as it reads their blocks. Below the
/// top, a node may be empty only if the file has no other part. So each other block brings bytes of
/// the file, and the work is in proportion to the bytes that are read. If a range is given, the
/// walk does not read blocks without bytes in the range.
#[derive(Debug)]
pub struct FileWalk {
    range: Option<Range<u64>>,
    /// The remaining parts, with the next part on top. The length of a part is `None` if its parent
    /// does not state it. `Close` marks the end of an open node.
    to_come: Vec<Part>,
    /// The bytes of the last block that lie in the range.
    data: Vec<u8>,
    done: u64,
    /// The offset in the file at which each open node must end, and the node's CID.
    ends: Vec<(u64, Cid)>,
}

#[derive(Debug)]
enum Part {
    Open { cid: Cid, len: Option<u64>, depth: usize },
    Close,
}

impl FileWalk {
    /// Begins a walk over a file whose top node was already read. Without `range`, the walk covers
    /// the whole file; otherwise it covers the blocks that have bytes in the range.
    ///
    /// # Errors
    /// [`UnixFsError::Kind`] if the node is not a file; [`UnixFsError::File`] if it contradicts
    /// itself.
    pub fn new(cid: &Cid, file: Node, range: Option<Range<u64>>) -> Result<Self, UnixFsError> {
        let (to_come, data, ends) = (Vec::new(), Vec::new(), Vec::new());
        let mut walk = Self { range, to_come, data, done: 0, ends };
        walk.enter(cid, file, None, 0)?;
        walk.settle()?;
        Ok(walk)
    }

    /// Returns the CID of the block that [`Self::feed`] needs next; `None` at the end. The block of
    /// an identity CID is inside the CID.
    #[must_use]
    pub fn want(&self) -> Option<&Cid> {
        match self.to_come.last() {
            Some(Part::Open { cid, .. }) => Some(cid),
            _ => None,
        }
    }

    /// Takes the block that [`Self::want`] names. The caller guarantees that the block matches the
    /// CID.
    ///
    /// # Errors
    /// A block that is not part of a file, or that contradicts the lengths stated before. After an
    /// error, the walk has ended.
    pub fn feed(&mut self, block: &[u8]) -> Result<(), UnixFsError> {
        self.data.clear();
        let Some(Part::Open { cid, len, depth }) = self.to_come.pop() else { return Ok(()) };
        let entered = Node::read(&cid, block)
            .and_then(|node| self.enter(&cid, node, len, depth))
            .and_then(|()| self.settle());
        if entered.is_err() {
            self.to_come.clear();
            self.data.clear();
        }
        entered
    }

    /// Returns the bytes of the last block that belong to the file and lie in the range.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
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
        let parts = self.to_come.len().saturating_add(node.links.len());
        let too_many = depth > DEPTH_MAX || parts > PARTS_MAX;
        if empty && !is_only || !sizes_fit || contradiction || too_many {
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
        self.take(node.data);
        Ok(())
    }

    /// Keeps the bytes of a block that lie in the range.
    fn take(&mut self, data: Vec<u8>) {
        let start = self.done;
        self.done = start.saturating_add(data.len() as u64);
        self.data = data;
        let Some(range) = &self.range else { return };
        let at = |offset: u64| {
            let at = usize::try_from(offset.saturating_sub(start)).unwrap_or(usize::MAX);
            at.min(self.data.len())
        };
        let (from, to) = (at(range.start), at(range.end));
        self.data.truncate(to);
        self.data.drain(..from.min(to));
    }

    /// Closes complete nodes, and skips parts outside the range.
    fn settle(&mut self) -> Result<(), UnixFsError> {
        let is_done = |range: &Range<u64>| range.is_empty() || self.done >= range.end;
        if self.range.as_ref().is_some_and(is_done) {
            self.to_come.clear();
        }
        loop {
            match self.to_come.last() {
                Some(Part::Close) => {
                    self.to_come.pop();
                    if let Some((end, cid)) = self.ends.pop()
                        && end != self.done
                    {
                        return Err(UnixFsError::File(cid));
                    }
                }
                Some(Part::Open { len: Some(len), .. }) if self.is_outside(*len) => {
                    self.done = self.done.saturating_add(*len);
                    self.to_come.pop();
                }
                Some(Part::Open { .. }) | None => return Ok(()),
            }
        }
    }

    /// Tells whether the next part has no bytes in the range. `len` is the part's length.
    fn is_outside(&self, len: u64) -> bool {
        self.range.as_ref().is_some_and(|range| {
            let end = self.done.saturating_add(len);
            len == 0 || end <= range.start || self.done >= range.end
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unixfs::{Builder, Item, Metadata, Profile};
    use alloc::collections::BTreeMap;
    use alloc::vec;

    /// Makes a file with nine leaves of 4 bytes and one leaf of 2 bytes. Each node has up to three
    /// links.
    fn file() -> (Cid, BTreeMap<Vec<u8>, Vec<u8>>, Vec<Cid>) {
        let bytes: Vec<u8> = (0..38).collect();
        let mut blocks = BTreeMap::new();
        let leaves: Vec<Item> = bytes.chunks(4).map(Item::leaf).collect();
        let cids = leaves.iter().map(|leaf| leaf.cid.clone()).collect();
        for (leaf, data) in leaves.iter().zip(bytes.chunks(4)) {
            blocks.insert(leaf.cid.to_bytes(), data.to_vec());
        }
        let profile = Profile { chunk_len: 4, width: 3, ..Profile::default() };
        let mut inner = vec![];
        let mut builder =
            Builder::new(profile, |cid: &Cid, block| inner.push((cid.clone(), block)));
        let top = builder.file(leaves, &Metadata::default()).cid;
        blocks.extend(inner.into_iter().map(|(cid, block)| (cid.to_bytes(), block)));
        (top, blocks, cids)
    }

    /// Returns the bytes of a range, and the numbers of the leaves that were read for it.
    fn walked(range: Option<Range<u64>>) -> (Vec<u8>, Vec<usize>, usize) {
        let (top, blocks, leaves) = file();
        let node = Node::read(&top, &blocks[&top.to_bytes()]).unwrap();
        let mut walk = FileWalk::new(&top, node, range).unwrap();
        let (mut bytes, mut read, mut inner) = (walk.data().to_vec(), vec![], vec![]);
        while let Some(cid) = walk.want().cloned() {
            match leaves.iter().position(|leaf| *leaf == cid) {
                Some(leaf) => read.push(leaf),
                None => inner.push(cid.clone()),
            }
            walk.feed(&blocks[&cid.to_bytes()]).unwrap();
            bytes.extend(walk.data());
        }
        (bytes, read, inner.len())
    }

    #[test]
    fn a_range_takes_the_blocks_that_have_its_bytes_and_no_other() {
        let all: Vec<u8> = (0..38).collect();
        // Four nodes hold the ten leaves: 3, 3, 3 and 1. Two nodes below the top hold these four
        // nodes.
        assert_eq!(walked(None), (all.clone(), (0..10).collect(), 6));
        let check = |range: Range<u64>, leaves: Vec<usize>, inner: usize| {
            let expected = range.clone().map(|byte| u8::try_from(byte).unwrap()).collect();
            assert_eq!(walked(Some(range.clone())), (expected, leaves, inner), "{range:?}");
        };
        check(0..1, vec![0], 2);
        check(3..5, vec![0, 1], 2);
        check(11..13, vec![2, 3], 3);
        check(36..38, vec![9], 2);
        check(4..8, vec![1], 2);
        check(0..38, (0..10).collect(), 6);
        assert_eq!(walked(Some(5..5)), (vec![], vec![], 0));
        assert_eq!(walked(Some(38..90)), (vec![], vec![], 0));
    }

    #[test]
    fn a_part_of_another_length_than_stated_is_refused_if_it_is_read() {
        let (top, blocks, leaves) = file();
        let node = Node::read(&top, &blocks[&top.to_bytes()]).unwrap();
        let mut walk = FileWalk::new(&top, node, Some(0..8)).unwrap();
        let mut result = Ok(());
        while let Some(cid) = walk.want().cloned() {
            let mut block = blocks[&cid.to_bytes()].clone();
            if cid == leaves[1] {
                block.push(0);
            }
            result = walk.feed(&block);
        }
        assert!(matches!(result, Err(UnixFsError::File(cid)) if cid == leaves[1]));
    }
}
