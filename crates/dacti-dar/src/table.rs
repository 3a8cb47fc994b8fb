//! All distinct blocks of an archive, in the order of the archive: CID, frame offset, length, and
//! length of the subtree.
//!
//! Memory per distinct block: 24 bytes of record, the digest (32 bytes for sha2-256), and 9 bytes
//! of hash table at a load of at most 7/8. Records, digests and hash table grow by doubling, so a
//! block takes 66 to 133 bytes, and 100 on average.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::cid::{Cid, Prefix};
use crate::error::{Error, Structure};
use crate::limits::Limits;

/// The maximum of an offset or length. Both have 48 bits, in the index and in this table.
pub(crate) const OFFSET_MAX: u64 = (1 << 48) - 1;

/// The number of a block: its position in the order of the archive, counted from 0.
pub(crate) type Id = u32;

/// A CID prefix, and the digests of the blocks that have it.
#[derive(Debug)]
struct Bucket {
    prefix: Prefix,
    /// The bucket number that hashes and comparisons use for the digests of this bucket. The
    /// buckets of both versions of a prefix use the number of the bucket that was added first. So
    /// both versions of a CID find the same block.
    home: u16,
    bytes: Vec<u8>,
    digests: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Frame offset in the upper 48 bits, bucket in the lower 16.
    offset: u64,
    /// Subtree length in the upper 48 bits, flags in the lower 16.
    subtree: u64,
    len: u32,
    /// The digest's number in its bucket.
    slot: u32,
}

const CLOSED: u64 = 1;
const ROOT: u64 = 2;

/// The place of a block in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockPlace {
    /// The offset of its frame.
    pub offset: u64,
    /// The length of the block in bytes.
    pub len: u32,
    /// The number of bytes from the start of the block's frame to the end of the last frame in its
    /// subtree.
    pub subtree_len: u64,
}

/// All blocks seen so far.
#[derive(Debug, Default)]
pub(crate) struct BlockTable {
    buckets: Vec<Bucket>,
    by_prefix: BTreeMap<Prefix, u16>,
    entries: Vec<Entry>,
    /// Each element holds the upper half of the hash of its key, so the table can grow without
    /// reading the keys.
    table: HashTable<(u32, Id)>,
    hasher: DefaultHashBuilder,
}

impl BlockTable {
    /// Returns the number of a prefix. A new prefix gets a new number.
    pub(crate) fn intern(
        &mut self,
        prefix: Prefix,
        at: u64,
        limits: &Limits,
    ) -> Result<u16, Error> {
        if let Some(number) = self.bucket(&prefix) {
            return Ok(number);
        }
        let found = self.buckets.len();
        let number = u16::try_from(found).ok().filter(|&n| n < limits.prefixes_max);
        let Some(number) = number else {
            return Err(Error::LimitExceeded {
                what: Structure::Frame,
                at,
                found: (found as u64).saturating_add(1),
                limit: u64::from(limits.prefixes_max),
            });
        };
        let other = prefix.other_version().and_then(|other| self.bucket(&other));
        let (bytes, digests, home) = (prefix.to_bytes(), Vec::new(), other.unwrap_or(number));
        self.buckets.push(Bucket { prefix, home, bytes, digests });
        self.by_prefix.insert(prefix, number);
        Ok(number)
    }

    /// Returns the number of a known prefix.
    pub(crate) fn bucket(&self, prefix: &Prefix) -> Option<u16> {
        // Nearly all CIDs of an archive share one or two prefixes, so a few comparisons find most
        // prefixes without the map.
        for (i, bucket) in self.buckets.iter().take(4).enumerate() {
            if bucket.prefix == *prefix {
                return u16::try_from(i).ok();
            }
        }
        self.by_prefix.get(prefix).copied()
    }

    /// Returns the number of a CID's prefix or of the same prefix in the other CID version.
    pub(crate) fn bucket_of(&self, cid: &Cid) -> Option<u16> {
        let prefix = Prefix::of(cid);
        self.bucket(&prefix).or_else(|| self.bucket(&prefix.other_version()?))
    }

    /// Returns whether two CIDs name the same block. Each is the CID of a link or of a block. Their
    /// versions may differ.
    pub(crate) fn is_same(&self, one: (u16, &[u8]), other: (u16, &[u8])) -> bool {
        self.home(one.0) == self.home(other.0) && one.1 == other.1
    }

    fn home(&self, bucket: u16) -> u16 {
        self.buckets.get(usize::from(bucket)).map_or(bucket, |bucket| bucket.home)
    }

    pub(crate) fn prefix(&self, bucket: u16) -> Option<Prefix> {
        Some(self.buckets.get(usize::from(bucket))?.prefix)
    }

    pub(crate) fn prefix_bytes(&self, bucket: u16) -> &[u8] {
        self.buckets.get(usize::from(bucket)).map_or(&[], |bucket| &bucket.bytes)
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    fn entry(&self, id: Id) -> Option<&Entry> {
        self.entries.get(usize::try_from(id).ok()?)
    }

    fn entry_mut(&mut self, id: Id) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(id).ok()?)
    }

    /// Returns bucket and digest of a block.
    pub(crate) fn key(&self, id: Id) -> Option<(u16, &[u8])> {
        key_of(&self.buckets, self.entry(id)?)
    }

    pub(crate) fn cid(&self, id: Id) -> Option<Cid> {
        let (bucket, digest) = self.key(id)?;
        self.prefix(bucket)?.with(digest)
    }

    /// Returns the hash of a block's bucket and digest. A caller that needs the hash twice keeps
    /// it.
    pub(crate) fn hash(&self, bucket: u16, digest: &[u8]) -> u32 {
        let hash = self.hasher.hash_one((self.home(bucket), digest));
        u32::try_from(hash >> 32).unwrap_or(0)
    }

    pub(crate) fn find(&self, bucket: u16, digest: &[u8]) -> Option<Id> {
        self.find_hashed(self.hash(bucket, digest), bucket, digest)
    }

    pub(crate) fn find_hashed(&self, hash: u32, bucket: u16, digest: &[u8]) -> Option<Id> {
        let same = |&(other, id): &(u32, Id)| {
            let key = (other == hash).then(|| self.key(id)).flatten();
            key.is_some_and(|key| self.is_same(key, (bucket, digest)))
        };
        Some(self.table.find(spread(hash), same)?.1)
    }

    pub(crate) fn find_cid(&self, cid: &Cid) -> Option<Id> {
        self.find(self.bucket_of(cid)?, cid.digest())
    }

    /// Adds a block, unless the table has it. Its subtree stays open until [`Self::close`].
    pub(crate) fn insert(
        &mut self,
        bucket: u16,
        digest: &[u8],
        offset: u64,
        len: u32,
        limits: &Limits,
    ) -> Result<Option<Id>, Error> {
        let hash = self.hash(bucket, digest);
        if self.find_hashed(hash, bucket, digest).is_some() {
            return Ok(None);
        }
        self.insert_hashed(hash, bucket, digest, offset, len, limits).map(Some)
    }

    /// Does the same as [`Self::insert`], for a block that the table is known to lack.
    pub(crate) fn insert_hashed(
        &mut self,
        hash: u32,
        bucket: u16,
        digest: &[u8],
        offset: u64,
        len: u32,
        limits: &Limits,
    ) -> Result<Id, Error> {
        let what = Structure::Block;
        let id = self.len();
        if id >= limits.blocks_max {
            let (found, limit) = (u64::from(id).saturating_add(1), u64::from(limits.blocks_max));
            return Err(Error::LimitExceeded { what, at: offset, found, limit });
        }
        if offset > OFFSET_MAX {
            return Err(Error::LimitExceeded {
                what,
                at: offset,
                found: offset,
                limit: OFFSET_MAX,
            });
        }
        let Some(home) = self.buckets.get_mut(usize::from(bucket)) else {
            return Err(Error::LimitExceeded { what, at: offset, found: 0, limit: 0 });
        };
        // A digest of an unknown hash function may have a length of 0. At most one block in each
        // bucket has such a digest.
        let stride = usize::from(home.prefix.digest_len).max(1);
        let slot = u32::try_from(home.digests.len().checked_div(stride).unwrap_or(0)).unwrap_or(0);
        home.digests.extend_from_slice(digest);
        let offset = offset.wrapping_shl(16) | u64::from(bucket);
        self.entries.push(Entry { offset, subtree: 0, len, slot });
        self.table.insert_unique(spread(hash), (hash, id), |&(hash, _)| spread(hash));
        Ok(id)
    }

    /// Sets the end of a block's subtree.
    pub(crate) fn close(&mut self, id: Id, end: u64) {
        if let Some(entry) = self.entry_mut(id) {
            let len = end.saturating_sub(entry.offset >> 16);
            entry.subtree = len.wrapping_shl(16) | (entry.subtree & 0xffff) | CLOSED;
        }
    }

    pub(crate) fn is_closed(&self, id: Id) -> bool {
        self.entry(id).is_some_and(|entry| entry.subtree & CLOSED != 0)
    }

    /// Marks a block as a root. Returns false if the block was already a root.
    pub(crate) fn set_root(&mut self, id: Id) -> bool {
        let Some(entry) = self.entry_mut(id) else { return false };
        let fresh = entry.subtree & ROOT == 0;
        entry.subtree |= ROOT;
        fresh
    }

    pub(crate) fn is_root(&self, id: Id) -> bool {
        self.entry(id).is_some_and(|entry| entry.subtree & ROOT != 0)
    }

    pub(crate) fn located(&self, id: Id) -> Option<BlockPlace> {
        let entry = self.entry(id)?;
        let (offset, subtree_len) = (entry.offset >> 16, entry.subtree >> 16);
        Some(BlockPlace { offset, len: entry.len, subtree_len })
    }

    /// Finds the block whose frame begins at an offset.
    pub(crate) fn at_offset(&self, offset: u64) -> Option<Id> {
        let i = self.entries.binary_search_by_key(&offset, |entry| entry.offset >> 16).ok()?;
        u32::try_from(i).ok()
    }

    /// Returns the buckets that hold blocks. The buckets have the order of the index, and the
    /// blocks of each bucket are sorted by digest.
    pub(crate) fn sorted(&self) -> Vec<(Prefix, Vec<Id>)> {
        let mut ids: Vec<Vec<Id>> = Vec::new();
        ids.resize_with(self.buckets.len(), Vec::new);
        for (id, entry) in (0..).zip(&self.entries) {
            if let Some(bucket) = ids.get_mut(usize::from(bucket_of(entry))) {
                bucket.push(id);
            }
        }
        let mut sorted = Vec::new();
        for &number in self.by_prefix.values() {
            let (Some(prefix), Some(mut bucket)) =
                (self.prefix(number), ids.get_mut(usize::from(number)).map(core::mem::take))
            else {
                continue;
            };
            if bucket.is_empty() {
                continue;
            }
            bucket.sort_unstable_by(|&a, &b| self.key(a).cmp(&self.key(b)));
            sorted.push((prefix, bucket));
        }
        sorted
    }
}

/// Spreads a hash over 64 bits: the table derives the position from the lower bits, and a tag from
/// the upper bits.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn bucket_of(entry: &Entry) -> u16 {
    u16::try_from(entry.offset & 0xffff).unwrap_or(0)
}

fn key_of<'t>(buckets: &'t [Bucket], entry: &Entry) -> Option<(u16, &'t [u8])> {
    let number = bucket_of(entry);
    let bucket = buckets.get(usize::from(number))?;
    let len = usize::from(bucket.prefix.digest_len);
    let start = usize::try_from(entry.slot).ok()?.checked_mul(len)?;
    Some((number, bucket.digests.get(start..start.checked_add(len)?)?))
}
