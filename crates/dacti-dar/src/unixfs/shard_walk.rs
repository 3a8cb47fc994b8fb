//! The blocks of a sharded folder, in order: a machine that names the next block that it needs.

use alloc::vec::Vec;

use super::hamt::{HASH_TYPE, Places, prefix, prefix_len};
use super::{Entry, Kind, Node, UnixFsError};
use crate::cid::Cid;

/// The maximum depth of a sharded folder. At the usual fan-out, eight levels use all bits of the
/// hash.
const DEPTH_MAX: usize = 64;

/// Walks the blocks of a sharded folder in depth-first order, but not the blocks of its entries.
///
/// Each name must be at the position that its hash states, so no block is valid at two positions.
/// The only blocks that wait are siblings of the current block and of the blocks above it.
#[derive(Debug)]
pub struct ShardWalk {
    fanout: u64,
    /// The blocks to read, with the next block on top.
    to_read: Vec<Shard>,
    entries: Vec<Entry>,
}

/// A block of a sharded folder that is still to be read.
#[derive(Debug)]
struct Shard {
    cid: Cid,
    /// The positions of the links that lead to it, one for each block above it.
    path: Vec<u64>,
}

impl ShardWalk {
    /// Begins a walk over a sharded folder whose top node was already read.
    ///
    /// # Errors
    /// [`UnixFsError::Shard`].
    pub fn new(cid: &Cid, top: Node) -> Result<Self, UnixFsError> {
        let mut walk = Self { fanout: top.fanout, to_read: Vec::new(), entries: Vec::new() };
        walk.enter(&Shard { cid: cid.clone(), path: Vec::new() }, top)?;
        Ok(walk)
    }

    /// Returns the CID of the block that [`Self::feed`] needs next; `None` at the end. The block of
    /// an identity CID is inside the CID.
    #[must_use]
    pub fn want(&self) -> Option<&Cid> {
        self.to_read.last().map(|shard| &shard.cid)
    }

    /// Takes the block that [`Self::want`] names. The caller guarantees that the block matches the
    /// CID.
    ///
    /// # Errors
    /// A block that is not part of the folder. After an error, the walk has ended.
    pub fn feed(&mut self, block: &[u8]) -> Result<(), UnixFsError> {
        let Some(shard) = self.to_read.pop() else { return Ok(()) };
        let entered = Node::read(&shard.cid, block).and_then(|node| self.enter(&shard, node));
        if entered.is_err() {
            self.to_read.clear();
        }
        entered
    }

    /// Returns the number of blocks that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.to_read.len()
    }

    /// Returns the entries of the blocks that were read since the last call.
    pub fn take_entries(&mut self) -> Vec<Entry> {
        core::mem::take(&mut self.entries)
    }

    fn enter(&mut self, shard: &Shard, node: Node) -> Result<(), UnixFsError> {
        let wrong = || UnixFsError::Shard(shard.cid.clone());
        let fanout = self.fanout;
        let same = node.kind == Kind::Shard && node.fanout == fanout;
        if !same || node.hash_type != HASH_TYPE || Places::of(b"", fanout).is_none() {
            return Err(wrong());
        }
        // A block below the top must have a link. Otherwise empty blocks could be linked without
        // end.
        if node.links.is_empty() && !shard.path.is_empty() || shard.path.len() > DEPTH_MAX {
            return Err(wrong());
        }
        let (mut before, below) = (None, self.to_read.len());
        for link in node.links {
            let (digits, name) =
                link.name.split_at_checked(prefix_len(fanout)).ok_or_else(wrong)?;
            let place = core::str::from_utf8(digits).ok();
            let place = place.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            let place = place.filter(|&place| prefix(place, fanout).as_bytes() == digits);
            // The positions in a block must ascend, so that each position occurs only once.
            let place = place.filter(|&place| place < fanout && before < Some(place));
            let place = place.ok_or_else(wrong)?;
            before = Some(place);
            let mut path = shard.path.clone();
            path.push(place);
            if name.is_empty() {
                self.to_read.push(Shard { cid: link.cid, path });
            } else if is_at(name, fanout, &path) {
                self.entries.push(Entry { name: name.to_vec(), cid: link.cid });
            } else {
                return Err(wrong());
            }
        }
        if let Some(new) = self.to_read.get_mut(below..) {
            new.reverse();
        }
        Ok(())
    }
}

/// Tells whether a name's hash has this path of positions.
fn is_at(name: &[u8], fanout: u64, path: &[u64]) -> bool {
    Places::of(name, fanout)
        .is_some_and(|mut places| path.iter().all(|&place| places.next() == Some(place)))
}
