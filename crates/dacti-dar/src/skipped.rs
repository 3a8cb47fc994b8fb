//! Finds, by their digests, the waiting links that a writer has skipped since it last wrote a
//! block. A reader cannot see a skip: it assigns a block with the digest of a skipped link to that
//! link. So the writer must not write such a block for a link deeper in the stack.

use alloc::collections::BTreeSet;
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::hash::{Hashed, hash_is_known};
use crate::limits::UnknownHash;
use crate::order::Order;

/// The skipped links, as the documentation of this file describes. Memory: about 10 to 20 bytes for
/// each link.
#[derive(Debug, Default)]
pub(crate) struct SkippedLinks {
    /// For each link, the height of the stack of waiting links at its end.
    heights: HashTable<usize>,
    /// The pairs of hash function and digest length that the links use. This crate supports at most
    /// a few hundred pairs, so the set stays small.
    kinds: BTreeSet<(u64, u16)>,
    hasher: DefaultHashBuilder,
}

impl SkippedLinks {
    pub(crate) fn is_empty(&self) -> bool {
        self.heights.is_empty()
    }

    /// Forgets all links. Frees the memory that many links took, so that a later call is cheap.
    pub(crate) fn clear(&mut self) {
        if !self.is_empty() {
            *self = Self::default();
        }
    }

    /// Adds the link that ends at a height of the stack.
    pub(crate) fn insert(&mut self, order: &Order, height: usize) {
        let Some((bucket, start)) = order.link_below(height) else { return };
        let Some(prefix) = order.table.prefix(bucket) else { return };
        let digest = order.link_digest(height, start);
        if self.holds_link(order, bucket, digest) {
            return;
        }
        self.kinds.insert((prefix.hash, prefix.digest_len));
        let hasher = &self.hasher;
        let hash_at = |&height: &usize| {
            let start = order.link_below(height).map_or(0, |(_, start)| start);
            hasher.hash_one(order.link_digest(height, start))
        };
        self.heights.insert_unique(hasher.hash_one(digest), height, hash_at);
    }

    /// Tells whether one of the links names the block of this bucket and digest.
    pub(crate) fn holds_link(&self, order: &Order, bucket: u16, digest: &[u8]) -> bool {
        let same = |&height: &usize| {
            let link = order.link_below(height);
            link.is_some_and(|(other, start)| {
                order.table.is_same((other, order.link_digest(height, start)), (bucket, digest))
            })
        };
        self.heights.find(self.hasher.hash_one(digest), same).is_some()
    }

    /// Tells whether a reader would assign a block to one of the links.
    pub(crate) fn take(&self, order: &Order, block: &mut Hashed<'_>, unknown: UnknownHash) -> bool {
        self.kinds.iter().any(|&(code, len)| {
            if !hash_is_known(code, len) {
                return unknown == UnknownHash::Trust;
            }
            let Some(own) = block.digest(code) else { return false };
            let Some(cut) = own.digest().get(..usize::from(len)) else { return false };
            let takes = |&height: &usize| {
                let Some((bucket, start)) = order.link_below(height) else { return false };
                let digest = order.link_digest(height, start);
                let prefix = order.table.prefix(bucket);
                digest == cut && prefix.is_some_and(|prefix| prefix.hash == code)
            };
            self.heights.find(self.hasher.hash_one(cut), takes).is_some()
        })
    }
}
