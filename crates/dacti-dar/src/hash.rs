//! The hash functions that prove that a block matches a CID.

use alloc::vec::Vec;

use blake2::Blake2b;
use blake2::digest::consts::{U32, U64};
use multihash::Multihash;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};

use crate::cid::{Cid, DIGEST_LEN_MAX, IDENTITY, SHA2_256};

const SHA1: u64 = 0x11;
const SHA2_512: u64 = 0x13;
const SHA3_512: u64 = 0x14;
const SHA3_384: u64 = 0x15;
const SHA3_256: u64 = 0x16;
const SHA3_224: u64 = 0x17;
const BLAKE3: u64 = 0x1e;
const SHA2_384: u64 = 0x20;
const BLAKE2B_256: u64 = 0xb220;
const BLAKE2B_512: u64 = 0xb240;

/// The minimum length of a digest that proves a block: 160 bits, the minimum of IPFS gateways. See
/// `R-DARFRM-12`.
const DIGEST_LEN_MIN: u16 = 20;

/// Returns the length of a function's whole digest; `None` if the function is unknown.
pub(crate) fn digest_len(code: u64) -> Option<u16> {
    match code {
        SHA1 => Some(20),
        SHA3_224 => Some(28),
        SHA2_256 | SHA3_256 | BLAKE3 | BLAKE2B_256 => Some(32),
        SHA2_384 | SHA3_384 => Some(48),
        SHA2_512 | SHA3_512 | BLAKE2B_512 => Some(64),
        _ => None,
    }
}

/// Tells whether this crate can check blocks against multihashes of this code and digest length.
///
/// A digest may be truncated, but not to fewer than 20 bytes.
#[must_use]
pub fn hash_is_known(code: u64, digest_len: u16) -> bool {
    let whole = self::digest_len(code);
    code == IDENTITY || whole.is_some_and(|whole| (DIGEST_LEN_MIN..=whole).contains(&digest_len))
}

/// Returns the multihash of some bytes. Returns `None` if the function is unknown, or if the bytes
/// are too long for an identity multihash of this type.
#[must_use]
pub fn multihash(code: u64, data: &[u8]) -> Option<Multihash<DIGEST_LEN_MAX>> {
    fn wrap(code: u64, digest: &[u8]) -> Option<Multihash<DIGEST_LEN_MAX>> {
        Multihash::wrap(code, digest).ok()
    }
    match code {
        IDENTITY => wrap(code, data),
        SHA1 => wrap(code, &Sha1::digest(data)),
        SHA2_256 => wrap(code, &Sha256::digest(data)),
        SHA2_384 => wrap(code, &Sha384::digest(data)),
        SHA2_512 => wrap(code, &Sha512::digest(data)),
        SHA3_224 => wrap(code, &Sha3_224::digest(data)),
        SHA3_256 => wrap(code, &Sha3_256::digest(data)),
        SHA3_384 => wrap(code, &Sha3_384::digest(data)),
        SHA3_512 => wrap(code, &Sha3_512::digest(data)),
        BLAKE3 => wrap(code, blake3::hash(data).as_bytes()),
        BLAKE2B_256 => wrap(code, &Blake2b::<U32>::digest(data)),
        BLAKE2B_512 => wrap(code, &Blake2b::<U64>::digest(data)),
        _ => None,
    }
}

/// The result of a check of a block against a CID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The block hashes to the CID.
    Yes,
    /// The block does not match. Holds the first 8 bytes of the block's own digest.
    No(u64),
    /// Nothing proves the block: the hash function is unknown, or the digest is too short or too
    /// long.
    Unknown,
}

/// Checks a block against a CID.
#[must_use]
pub fn fits(cid: &Cid, data: &[u8]) -> Fit {
    Hashed::new(data).fits(cid.hash_code(), cid.digest())
}

/// Returns the first 8 bytes of a digest as a number, padded with zeros.
pub(crate) fn digest_head(digest: &[u8]) -> u64 {
    let mut head = [0; 8];
    for (to, from) in head.iter_mut().zip(digest) {
        *to = *from;
    }
    u64::from_be_bytes(head)
}

/// The bytes of a block, and the digests of them that were computed so far. No digest is computed
/// twice.
pub(crate) struct Hashed<'a> {
    data: &'a [u8],
    first: Option<Multihash<DIGEST_LEN_MAX>>,
    others: Vec<Multihash<DIGEST_LEN_MAX>>,
    /// The number of bytes that were hashed.
    work: u64,
}

impl<'a> Hashed<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self::with(data, None)
    }

    /// Does the same as [`Self::new`], with a digest of these bytes that the caller has already
    /// computed.
    pub(crate) fn with(data: &'a [u8], first: Option<Multihash<DIGEST_LEN_MAX>>) -> Self {
        Self { data, first, others: Vec::new(), work: 0 }
    }

    /// Returns the digests of a block without its bytes. `digests` must have all digests that the
    /// caller will ask for.
    pub(crate) fn known(digests: Vec<Multihash<DIGEST_LEN_MAX>>) -> Self {
        Self { data: &[], first: None, others: digests, work: 0 }
    }

    /// Returns the number of bytes that were hashed.
    pub(crate) fn work(&self) -> u64 {
        self.work
    }

    pub(crate) fn fits(&mut self, code: u64, digest: &[u8]) -> Fit {
        let known = u16::try_from(digest.len()).is_ok_and(|len| hash_is_known(code, len));
        if !known {
            return Fit::Unknown;
        }
        if code == IDENTITY {
            return if digest == self.data { Fit::Yes } else { Fit::No(digest_head(self.data)) };
        }
        let Some(own) = self.digest(code) else { return Fit::Unknown };
        let whole = own.digest();
        if whole.starts_with(digest) { Fit::Yes } else { Fit::No(digest_head(whole)) }
    }

    /// Returns the block's digest by a function; `None` if the function is unknown.
    pub(crate) fn digest(&mut self, code: u64) -> Option<&Multihash<DIGEST_LEN_MAX>> {
        if self.first.is_some_and(|hash| hash.code() == code) {
            return self.first.as_ref();
        }
        // The search is short, because the list has at most one digest for each known function.
        if !self.others.iter().any(|hash| hash.code() == code) {
            self.work = self.work.saturating_add(self.data.len() as u64);
            self.others.push(multihash(code, self.data)?);
        }
        self.others.iter().find(|hash| hash.code() == code)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "the numbers in tests are small")]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: u64, hex: &str) {
        let digest: Vec<u8> = (0..hex.len() / 2)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        assert_eq!(multihash(code, b"abc").unwrap().digest(), digest);
        let mut hashed = Hashed::new(b"abc");
        for len in 0..=64 {
            let mut cut = digest.clone();
            cut.resize(len, 0);
            let expected = if (20..=digest.len()).contains(&len) { Fit::Yes } else { Fit::Unknown };
            assert_eq!(hashed.fits(code, &cut), expected, "{code:#x} {len}");
        }
        let mut other = digest.clone();
        other[19] ^= 1;
        assert_eq!(hashed.fits(code, &other[..20]), Fit::No(digest_head(&digest)));
        assert_eq!(hashed.work(), 3, "it is hashed once");
    }

    // The digests of "abc" are from FIPS 180-2, FIPS 202 and RFC 7693.
    // spec: R-DARLNK-02, R-DARFRM-12
    #[test]
    fn digests_are_those_of_the_standards_whole_or_cut() {
        check(0x11, "a9993e364706816aba3e25717850c26c9cd0d89d");
        check(0x12, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check(
            0x20,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
             8086072ba1e7cc2358baeca134c825a7",
        );
        check(
            0x13,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        );
        check(0x17, "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf");
        check(0x16, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
        check(
            0xb240,
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
             7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
        );
        assert_eq!(multihash(0x99, b"abc"), None);
        assert!(!hash_is_known(0x99, 32));
    }
}
