//! Builds the nodes of files, folders and symbolic links. The blocks are the same as those of IPFS
//! nodes with raw leaves and CIDs of version 1.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::hamt::{FANOUT, HASH_TYPE, Places, prefix};
use crate::cid::{Cid, DAG_PB, SHA2_256};
use crate::hash::multihash;
use crate::protobuf::{push_bytes, push_number};
use crate::varint;

const RAW: u64 = 0x55;
const FILE: u64 = 2;
const FOLDER: u64 = 1;
const SYMLINK: u64 = 4;
const SHARD: u64 = 5;

/// The way in which a folder's size is measured. The size decides whether the folder is sharded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderSize {
    /// The bytes of all names and CIDs.
    Links,
    /// The bytes of the folder's block.
    Block,
}

/// The numbers that determine the DAG of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// The number of a file's bytes in one leaf.
    pub chunk_len: u32,
    /// The maximum number of links of a file's inner node.
    pub width: usize,
    /// The way in which a folder's size is measured.
    pub folder_size: FolderSize,
    /// The maximum size of a folder that is not sharded, in bytes.
    pub folder_size_max: usize,
}

impl Default for Profile {
    /// The defaults of IPFS nodes: chunks of 256 KiB, 174 links, folders of 256 KiB of links.
    fn default() -> Self {
        Self {
            chunk_len: 256 << 10,
            width: 174,
            folder_size: FolderSize::Links,
            folder_size_max: 256 << 10,
        }
    }
}

impl Profile {
    /// The profile `unixfs-v1-2025` (IPIP-499): chunks of 1 MiB, 1,024 links, folder blocks of 256
    /// KiB.
    #[must_use]
    pub fn v1_2025() -> Self {
        Self { chunk_len: 1 << 20, width: 1024, folder_size: FolderSize::Block, ..Self::default() }
    }
}

/// The metadata that a node records in addition to a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Modification time: seconds since 1970, and nanoseconds.
    pub mtime: Option<(i64, u32)>,
}

impl Metadata {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn push(&self, message: &mut Vec<u8>) {
        if let Some(mode) = self.mode {
            push_number(message, 7, u64::from(mode));
        }
        if let Some((seconds, nanoseconds)) = self.mtime {
            let mut time = Vec::new();
            push_number(&mut time, 1, seconds.cast_unsigned());
            if nanoseconds > 0 {
                varint::push(&mut time, (2 << 3) | 5);
                time.extend_from_slice(&nanoseconds.to_le_bytes());
            }
            push_bytes(message, 8, &time);
        }
    }
}

/// A node that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// Its CID.
    pub cid: Cid,
    /// The number of bytes in the file.
    pub content: u64,
    /// The number of bytes in all blocks.
    pub total: u64,
}

impl Item {
    /// Returns the item of a file's leaf. The leaf's block is the data itself, which the caller
    /// keeps.
    #[must_use]
    pub fn leaf(data: &[u8]) -> Self {
        let len = data.len() as u64;
        Self { cid: cid(RAW, data), content: len, total: len }
    }
}

/// Builds nodes, and passes each block except the leaves to its sink.
#[derive(Debug)]
pub struct Builder<F> {
    profile: Profile,
    sink: F,
}

impl<F: FnMut(&Cid, Vec<u8>)> Builder<F> {
    /// Makes a builder.
    pub fn new(profile: Profile, sink: F) -> Self {
        Self { profile, sink }
    }

    /// Builds the tree over the leaves of a file. A single leaf without metadata needs no tree: the
    /// leaf is the file.
    pub fn file(&mut self, leaves: Vec<Item>, metadata: &Metadata) -> Item {
        let mut items = leaves;
        if items.len() == 1 && metadata.is_empty() {
            return items.swap_remove(0);
        }
        loop {
            let mut above = Vec::new();
            let top = items.len() <= self.profile.width;
            let mut rest = items.into_iter().peekable();
            while rest.peek().is_some() {
                let children: Vec<Item> = rest.by_ref().take(self.profile.width).collect();
                let metadata = if top { *metadata } else { Metadata::default() };
                above.push(self.inner(children, &metadata));
            }
            if top {
                return above.pop().unwrap_or_else(|| self.inner(Vec::new(), metadata));
            }
            items = above;
        }
    }

    /// Builds an inner node of a file.
    fn inner(&mut self, children: Vec<Item>, metadata: &Metadata) -> Item {
        let content = sum(children.iter().map(|child| child.content));
        let mut message = Vec::new();
        push_number(&mut message, 1, FILE);
        push_number(&mut message, 3, content);
        for child in &children {
            push_number(&mut message, 4, child.content);
        }
        metadata.push(&mut message);
        let links: Vec<_> = children.into_iter().map(|child| (String::new(), child)).collect();
        self.keep(&links, &message, content)
    }

    /// Builds a symbolic link.
    pub fn symlink(&mut self, target: &[u8], metadata: &Metadata) -> Item {
        let mut message = Vec::new();
        push_number(&mut message, 1, SYMLINK);
        push_bytes(&mut message, 2, target);
        metadata.push(&mut message);
        self.keep(&[], &message, target.len() as u64)
    }

    /// Builds a folder, which is sharded if it is large. Names must be distinct. Returns `None` if
    /// a sharded folder would have two names with the same hash, because the format cannot store
    /// both.
    pub fn folder(&mut self, entries: Vec<(String, Item)>, metadata: &Metadata) -> Option<Item> {
        let mut entries = entries;
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        let mut message = Vec::new();
        push_number(&mut message, 1, FOLDER);
        metadata.push(&mut message);
        let size = match self.profile.folder_size {
            FolderSize::Links => entries.iter().fold(0_usize, |sum, (name, item)| {
                let cid_len = usize::try_from(item.cid.encoded_len()).unwrap_or(usize::MAX);
                sum.saturating_add(name.len()).saturating_add(cid_len)
            }),
            FolderSize::Block => encode(&entries, &message).len(),
        };
        if size <= self.profile.folder_size_max {
            let content = sum(entries.iter().map(|(_, item)| item.content));
            return Some(self.keep(&entries, &message, content));
        }
        let mut placed = Vec::new();
        for (name, item) in entries {
            placed.push((Places::of(name.as_bytes(), FANOUT)?, name, item));
        }
        self.shard(placed, metadata)
    }

    /// Builds one block of a sharded folder, and the blocks below it. Eight levels use all bits of
    /// the hash.
    fn shard(&mut self, entries: Vec<(Places, String, Item)>, metadata: &Metadata) -> Option<Item> {
        let mut by_place: BTreeMap<u64, Vec<(Places, String, Item)>> = BTreeMap::new();
        for (mut places, name, item) in entries {
            by_place.entry(places.next()?).or_default().push((places, name, item));
        }
        let mut bits = [0_u8; 32];
        let mut links = Vec::new();
        for (place, mut entries) in by_place {
            // The bitmap is one big-endian number.
            let byte = usize::try_from(place >> 3).ok()?;
            let byte = bits.len().checked_sub(byte)?.checked_sub(1)?;
            *bits.get_mut(byte)? |= 1_u8.wrapping_shl(u32::try_from(place & 7).ok()?);
            let digits = prefix(place, FANOUT);
            match (entries.len(), entries.pop()) {
                (1, Some((_, name, item))) => links.push((digits + &name, item)),
                (_, last) => {
                    entries.extend(last);
                    links.push((digits, self.shard(entries, &Metadata::default())?));
                }
            }
        }
        let zeros = bits.iter().take_while(|&&byte| byte == 0).count();
        let mut message = Vec::new();
        push_number(&mut message, 1, SHARD);
        push_bytes(&mut message, 2, bits.get(zeros..).unwrap_or_default());
        push_number(&mut message, 5, HASH_TYPE);
        push_number(&mut message, 6, FANOUT);
        metadata.push(&mut message);
        let content = sum(links.iter().map(|(_, item)| item.content));
        Some(self.keep(&links, &message, content))
    }

    fn keep(&mut self, links: &[(String, Item)], message: &[u8], content: u64) -> Item {
        let below = sum(links.iter().map(|(_, item)| item.total));
        let block = encode(links, message);
        let cid = cid(DAG_PB, &block);
        let total = below.saturating_add(block.len() as u64);
        (self.sink)(&cid, block);
        Item { cid, content, total }
    }
}

/// Returns the block of a node.
fn encode(links: &[(String, Item)], message: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, item) in links {
        let mut link = Vec::new();
        push_bytes(&mut link, 1, &item.cid.to_bytes());
        push_bytes(&mut link, 2, name.as_bytes());
        push_number(&mut link, 3, item.total);
        push_bytes(&mut block, 2, &link);
    }
    push_bytes(&mut block, 1, message);
    block
}

fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

fn cid(codec: u64, block: &[u8]) -> Cid {
    Cid::new_v1(codec, multihash(SHA2_256, block).unwrap_or_default())
}
