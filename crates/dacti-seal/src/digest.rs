//! The digest of a region: over its id, its encoding, its size and its stored bytes.
//!
//! Specification: `docs/spec/dacti-seal.md`, "The digest".

use core::fmt;
use dacti_index::Encoding;
use uuid::Uuid;

/// Length of a digest.
pub const DIGEST_LEN: usize = 32;
/// What a region's digest is hashed over first: no other use of BLAKE3 begins with it.
pub const DIGEST_DOMAIN: &[u8; 20] = b"dacti-seal digest v0";
/// Bytes that are hashed before the stored ones.
pub const PREFIX_LEN: usize = 48;

/// What is hashed before the stored bytes: domain, region id as stored, encoding tag, count of
/// stored bytes.
///
/// For those who hash with a BLAKE3 of their own, over several threads say. [`Digester`] does it by
/// itself.
#[must_use]
pub fn digest_prefix(id: Uuid, encoding: Encoding, stored_len: u64) -> [u8; PREFIX_LEN] {
    let parts: [&[u8]; 4] =
        [DIGEST_DOMAIN, &id.to_bytes_le(), &encoding.tag(), &stored_len.to_le_bytes()];
    concat(&parts)
}

/// Parts of a fixed length in all, one after the other.
pub(crate) fn concat<const LEN: usize>(parts: &[&[u8]]) -> [u8; LEN] {
    let mut out = [0; LEN];
    let bytes = parts.iter().copied().flatten();
    debug_assert_eq!(bytes.clone().count(), LEN, "lengths are constants of the format");
    for (slot, byte) in out.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    out
}

/// The digest of a region whose stored bytes are all in hand.
#[must_use]
pub fn digest(id: Uuid, encoding: Encoding, stored: &[u8]) -> [u8; DIGEST_LEN] {
    let len = u64::try_from(stored.len()).unwrap_or(u64::MAX);
    let mut digester = Digester::new(id, encoding, len);
    digester.update(stored);
    digester.finish()
}

/// The digest of a region whose stored bytes come in pieces.
#[derive(Clone)]
pub struct Digester {
    hasher: blake3::Hasher,
    given: u64,
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digester").field("given", &self.given).finish_non_exhaustive()
    }
}

impl Digester {
    /// A digest of the region `id` with `stored_len` stored bytes.
    #[must_use]
    pub fn new(id: Uuid, encoding: Encoding, stored_len: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&digest_prefix(id, encoding, stored_len));
        Self { hasher, given: 0 }
    }

    /// Takes the next stored bytes.
    pub fn update(&mut self, stored: &[u8]) {
        self.hasher.update(stored);
        self.given = self.given.saturating_add(u64::try_from(stored.len()).unwrap_or(u64::MAX));
    }

    /// How many stored bytes were taken.
    #[must_use]
    pub const fn given(&self) -> u64 {
        self.given
    }

    /// The digest. It is that of the region only when as many bytes were taken as it was said to
    /// have.
    #[must_use]
    pub fn finish(&self) -> [u8; DIGEST_LEN] {
        *self.hasher.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::{Digester, digest, digest_prefix};
    use crate::test_data::{EMPTY_DIGEST, HELLO_SEALED, LARGE_DIGEST, hello};
    use dacti_index::Encoding;
    use std::vec::Vec;
    use uuid::Uuid;

    #[test]
    fn digests_are_those_of_an_independent_implementation() {
        // spec: R-SEAL-05
        let id = hello().id;
        assert_eq!(digest(id, Encoding::NONE, b"hello\n"), HELLO_SEALED[6..38]);
        assert_eq!(digest(Uuid::nil(), Encoding::BROTLI, b""), EMPTY_DIGEST);
        let large: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
        assert_eq!(digest(id, Encoding::NONE, &large), LARGE_DIGEST);
        for len in [1, 64, 1024, 4096, 99_999] {
            let mut digester = Digester::new(id, Encoding::NONE, 100_000);
            large.chunks(len).for_each(|piece| digester.update(piece));
            assert_eq!((digester.finish(), digester.given()), (LARGE_DIGEST, 100_000));
        }
    }

    #[test]
    fn the_prefix_lies_as_the_table_of_the_specification_says() {
        // spec: R-SEAL-05
        let id = Uuid::from_u128(0x00112233_4455_6677_8899_aabbccddeeff);
        let prefix = digest_prefix(id, Encoding::NONE, 0x0102);
        assert_eq!(prefix[..20], *b"dacti-seal digest v0");
        assert_eq!(prefix[20..24], [0x33, 0x22, 0x11, 0x00], "as stored: fields little-endian");
        assert_eq!(prefix[28..36], [0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]);
        assert_eq!(prefix[36..], *b"none\x02\x01\0\0\0\0\0\0");
    }
}
