//! The digest list: the first bytes of every region's digest, in one place.
//!
//! Each region's digest lies in the seal after the region. Without this list, a program that has an
//! older version of a package must read every seal to learn which regions are new. The list has all
//! digests in one place, but proves nothing: readers still verify regions against their seals.
//! Specification: `docs/spec/dacti-seal.md`, "The digest list".

use alloc::vec::Vec;
use daicon_core::{Version, to_u64};
use uuid::Uuid;

/// The UUID of the digest list component.
pub const DIGEST_LIST_ID: Uuid = Uuid::from_u128(0x8284bc13_60f6_4b72_8229_1358cd0f4f77);
/// The component version that this crate writes and reads.
pub const DIGEST_LIST_VERSION: Version = Version::new(0, 1);
/// Length of the region before the digests, in bytes.
pub const DIGEST_LIST_HEADER_LEN: u64 = 80;
/// Number of bytes of each digest in the list.
pub const LISTED_LEN: usize = 16;
/// The prefix of the bytes that are hashed for the list's own digest.
pub const DIGEST_LIST_DOMAIN: &[u8; 19] = b"dacti-digestlist v0";

/// The reason why a digest list is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DigestListFault {
    /// The region is shorter than its list.
    #[error("digest list: needs {needed} bytes, but its region has {len} bytes")]
    Short {
        /// Number of bytes that the list needs.
        needed: u64,
        /// Length of the region, in bytes.
        len: u64,
    },
    /// An unsupported version.
    #[error("digest list: version {0}, but only version 0 is supported")]
    Version(u32),
    /// The bytes do not match the list's own digest.
    #[error("digest list: altered: its bytes do not match its digest")]
    Altered,
    /// The listed ids or digests differ from those of the regions in the package.
    #[error("digest list: its ids or digests differ from those of the regions")]
    OtherRegions,
}

/// A digest list.
///
/// | + | bytes | content |
/// | --- | --- | --- |
/// | 0 | 4 | u32, version: 0 |
/// | 4 | 4 | u32, count of regions |
/// | 8 | 8 | u64, start of the index region, absolute |
/// | 16 | 32 | hash of the ids |
/// | 48 | 32 | hash of the domain, the 48 bytes before, and the digests |
/// | 80 | 16 × count | the first bytes of each digest, ascending by id |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestList {
    /// Start of the index region in which the packer listed the regions. After a fold has written
    /// another index, readers do not use the digest list.
    pub index_at: u64,
    /// The hash of the regions' ids, by [`hash_ids`](Self::hash_ids).
    pub ids: [u8; 32],
    /// The first bytes of each region's digest, ascending by id.
    pub digests: Vec<[u8; LISTED_LEN]>,
}

impl DigestList {
    /// Returns the length of the digest list's region for this number of regions.
    #[must_use]
    pub fn len_of(count: u64) -> u64 {
        count.saturating_mul(to_u64(LISTED_LEN)).saturating_add(DIGEST_LIST_HEADER_LEN)
    }

    /// Returns the hash of ids, which must ascend.
    #[must_use]
    pub fn hash_ids(ids: impl IntoIterator<Item = Uuid>) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for id in ids {
            hasher.update(&id.to_bytes_le());
        }
        *hasher.finalize().as_bytes()
    }

    /// Returns the region's bytes.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&0_u32.to_le_bytes());
        let count = u32::try_from(self.digests.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&self.index_at.to_le_bytes());
        out.extend_from_slice(&self.ids);
        let own = own_digest(&out, self.digests.as_flattened());
        out.extend_from_slice(&own);
        out.extend_from_slice(self.digests.as_flattened());
        out
    }

    /// Reads the digest list's region. Bytes after the list are ignored.
    ///
    /// # Errors
    /// The first fault. A reader should then continue without the list.
    pub fn parse(region: &[u8]) -> Result<Self, DigestListFault> {
        // spec: R-DIG-03
        let short = |needed| DigestListFault::Short { needed, len: to_u64(region.len()) };
        let header: &[u8; 80] =
            region.first_chunk().ok_or_else(|| short(DIGEST_LIST_HEADER_LEN))?;
        let (start, own) = header.split_at(48);
        let (numbers, ids) = start.split_at(16);
        let number = |at: usize| {
            let four = numbers.get(at..).and_then(|rest| rest.first_chunk::<4>());
            u32::from_le_bytes(four.copied().unwrap_or_default())
        };
        if number(0) != 0 {
            return Err(DigestListFault::Version(number(0)));
        }
        let needed = Self::len_of(number(4).into());
        let end = usize::try_from(needed).unwrap_or(usize::MAX);
        let listed = region.get(header.len()..end).ok_or_else(|| short(needed))?;
        if own != own_digest(start, listed) {
            return Err(DigestListFault::Altered);
        }
        let index_at = u64::from(number(8)) | u64::from(number(12)) << 32;
        let (digests, _) = listed.as_chunks();
        let ids = ids.first_chunk().copied().unwrap_or_default();
        Ok(Self { index_at, ids, digests: digests.to_vec() })
    }
}

fn own_digest(start: &[u8], listed: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(DIGEST_LIST_DOMAIN).update(start).update(listed);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::{DigestList, DigestListFault};
    use std::vec;
    use uuid::Uuid;

    fn list() -> DigestList {
        let ids = [1, 2].map(Uuid::from_u128);
        let digests = vec![[7; 16], [9; 16]];
        DigestList { index_at: 0x1_0000_1048, ids: DigestList::hash_ids(ids), digests }
    }

    #[test]
    fn a_list_is_laid_out_as_the_page_says() {
        // spec: R-DIG-01, R-DIG-02
        let bytes = list().emit();
        assert_eq!(bytes.len(), 80 + 2 * 16);
        assert_eq!(bytes[..16], [0, 0, 0, 0, 2, 0, 0, 0, 0x48, 0x10, 0, 0, 1, 0, 0, 0]);
        // The expected bytes are made by hand: ids as they are stored, with the first three fields
        // little-endian.
        let mut ids = [0; 32];
        (ids[15], ids[31]) = (1, 2);
        assert_eq!(bytes[16..48], *blake3::hash(&ids).as_bytes());
        let hashed = [b"dacti-digestlist v0", &bytes[..48], &bytes[80..]].concat();
        assert_eq!(bytes[48..80], *blake3::hash(&hashed).as_bytes());
        assert_eq!(bytes[80..96], [7; 16]);
        assert_eq!(DigestList::parse(&bytes), Ok(list()));
        assert_eq!(DigestList::parse(&[&bytes[..], &[1; 40]].concat()), Ok(list()));
    }

    #[test]
    fn every_bit_counts_and_lengths_are_checked() {
        // spec: R-DIG-03
        let bytes = list().emit();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(DigestList::parse(&altered).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            let needed = if len < 80 { 80 } else { 112 };
            let expected = DigestListFault::Short { needed, len: len as u64 };
            assert_eq!(DigestList::parse(&bytes[..len]), Err(expected));
        }
        let mut many = bytes.clone();
        many[4..8].fill(0xff);
        let needed = 80 + 16 * u64::from(u32::MAX);
        assert_eq!(DigestList::parse(&many), Err(DigestListFault::Short { needed, len: 112 }));
        let mut later = bytes;
        later[0] = 1;
        assert_eq!(DigestList::parse(&later), Err(DigestListFault::Version(1)));
    }
}
