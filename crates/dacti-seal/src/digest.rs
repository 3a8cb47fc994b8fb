//! The digest of a region. It covers the region's id, encoding, size and stored bytes, and the
//! dictionary if the stored bytes refer to it.
//!
//! Specification: `docs/spec/dacti-seal.md`, "The digest".

use core::fmt;
use dacti_index::Encoding;
use daicon_core::to_u64;
use uuid::Uuid;

/// Length of a digest.
pub const DIGEST_LEN: usize = 32;
/// The prefix of the bytes that are hashed for a region's digest. No other BLAKE3 input of this
/// project begins with it.
pub const DIGEST_DOMAIN: &[u8; 20] = b"dacti-seal digest v0";
/// Number of bytes that are hashed for a digest, without the hash of a dictionary.
const INPUT_LEN: usize = 80;

/// The BLAKE3 hashes from which a region's digest is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashes {
    /// The hash of the stored bytes.
    pub stored: [u8; DIGEST_LEN],
    /// The hash of the package's decoded dictionary. Only the digest of a region with the encoding
    /// `brod` covers it.
    pub dictionary: Option<[u8; DIGEST_LEN]>,
}

impl From<[u8; DIGEST_LEN]> for Hashes {
    fn from(stored: [u8; DIGEST_LEN]) -> Self {
        Self { stored, dictionary: None }
    }
}

impl From<&[u8; DIGEST_LEN]> for Hashes {
    fn from(stored: &[u8; DIGEST_LEN]) -> Self {
        Self::from(*stored)
    }
}

/// Returns the digest of a region from the BLAKE3 hash of its stored bytes. For the encoding
/// `brod`, the hash of the dictionary is also needed: without it, the digest matches no seal of
/// such a region.
///
/// Use this if you hash the stored bytes yourself, for example with several threads.
#[must_use]
pub fn digest_of_hash(
    id: Uuid,
    encoding: Encoding,
    stored_len: u64,
    hashes: impl Into<Hashes>,
) -> [u8; DIGEST_LEN] {
    let Hashes { stored, dictionary } = hashes.into();
    let (id, tag, len) = (id.to_bytes_le(), encoding.tag(), stored_len.to_le_bytes());
    let input: [u8; INPUT_LEN] = concat(&[DIGEST_DOMAIN, &id, &tag, &len, &stored]);
    match dictionary.filter(|_| encoding.needs_dictionary()) {
        None => *blake3::hash(&input).as_bytes(),
        Some(dictionary) => {
            let input: [u8; INPUT_LEN + DIGEST_LEN] = concat(&[&input, &dictionary]);
            *blake3::hash(&input).as_bytes()
        }
    }
}

/// Joins byte slices whose total length is `LEN`.
pub(crate) fn concat<const LEN: usize>(parts: &[&[u8]]) -> [u8; LEN] {
    let mut out = [0; LEN];
    let bytes = parts.iter().copied().flatten();
    debug_assert_eq!(bytes.clone().count(), LEN, "lengths are constants of the format");
    for (slot, byte) in out.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    out
}

/// Returns the digest of a region from all its stored bytes. For the encoding `brod`, use
/// [`digest_of_hash`].
#[must_use]
pub fn digest(id: Uuid, encoding: Encoding, stored: &[u8]) -> [u8; DIGEST_LEN] {
    let len = to_u64(stored.len());
    digest_of_hash(id, encoding, len, *blake3::hash(stored).as_bytes())
}

/// The digest of a region whose stored bytes are given in pieces.
#[derive(Clone, Default)]
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
    /// Starts a digest.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next stored bytes.
    pub fn update(&mut self, stored: &[u8]) {
        self.hasher.update(stored);
        self.given = self.given.saturating_add(to_u64(stored.len()));
    }

    /// Returns the number of stored bytes taken so far.
    #[must_use]
    pub const fn given(&self) -> u64 {
        self.given
    }

    /// Returns the BLAKE3 hash of the stored bytes taken so far.
    #[must_use]
    pub fn stored_hash(&self) -> [u8; DIGEST_LEN] {
        *self.hasher.finalize().as_bytes()
    }

    /// Returns the digest of region `id` with the stored bytes taken so far. For the encoding
    /// `brod`, use [`digest_of_hash`] with the [hash](Self::stored_hash).
    #[must_use]
    pub fn finish(&self, id: Uuid, encoding: Encoding) -> [u8; DIGEST_LEN] {
        digest_of_hash(id, encoding, self.given, self.stored_hash())
    }
}

#[cfg(test)]
mod tests {
    use super::{Digester, Hashes, digest, digest_of_hash};
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
            let mut digester = Digester::new();
            large.chunks(len).for_each(|piece| digester.update(piece));
            let digest = digester.finish(id, Encoding::NONE);
            assert_eq!((digest, digester.given()), (LARGE_DIGEST, 100_000));
        }
    }

    #[test]
    fn the_input_lies_as_the_table_of_the_specification_says() {
        // spec: R-SEAL-05
        let id = Uuid::from_u128(0x00112233_4455_6677_8899_aabbccddeeff);
        let mut input = b"dacti-seal digest v0".to_vec();
        input.extend([0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66]);
        input.extend([0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]);
        input.extend(*b"none\x02\x01\0\0\0\0\0\0");
        input.extend([7; 32]);
        let digest = digest_of_hash(id, Encoding::NONE, 0x0102, [7; 32]);
        assert_eq!(digest, *blake3::hash(&input).as_bytes());
    }

    #[test]
    fn the_dictionary_ends_the_input_of_regions_that_need_it() {
        // spec: R-SEAL-20
        let id = Uuid::from_u128(0x00112233_4455_6677_8899_aabbccddeeff);
        let mut input = b"dacti-seal digest v0".to_vec();
        input.extend([0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66]);
        input.extend([0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]);
        input.extend(*b"brod\x02\x01\0\0\0\0\0\0");
        input.extend([7; 32]);
        input.extend([9; 32]);
        let hashes = Hashes { stored: [7; 32], dictionary: Some([9; 32]) };
        let digest = digest_of_hash(id, Encoding::BROTLI_DICTIONARY, 0x0102, hashes);
        assert_eq!(digest, *blake3::hash(&input).as_bytes());
        // Regions with other encodings do not refer to the dictionary.
        let digest = digest_of_hash(id, Encoding::BROTLI, 0x0102, hashes);
        assert_eq!(digest, digest_of_hash(id, Encoding::BROTLI, 0x0102, [7; 32]));
    }
}
