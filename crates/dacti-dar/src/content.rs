//! CIDs as bytes, and the hash functions that prove that a block is the one that a CID names.

use alloc::vec::Vec;

use blake2::Blake2b;
use blake2::digest::consts::U32;
use cid::{Cid, Version};
use multihash::Multihash;
use sha2::{Digest as _, Sha256, Sha512};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};

use crate::varint;

/// Multihash codes.
pub(crate) const IDENTITY: u64 = 0x00;
const SHA2_256: u64 = 0x12;
const SHA2_512: u64 = 0x13;
const SHA3_512: u64 = 0x14;
const SHA3_384: u64 = 0x15;
const SHA3_256: u64 = 0x16;
const SHA3_224: u64 = 0x17;
const BLAKE3: u64 = 0x1e;
const BLAKE2B_256: u64 = 0xb220;

/// The longest digest that the `cid` crate holds.
pub(crate) const DIGEST_LEN_MAX: usize = 64;
/// Version, codec, hash code and digest length at their longest, and the digest.
pub(crate) const CID_LEN_MAX: usize = 4 * varint::LEN_MAX + DIGEST_LEN_MAX;
const DAG_PB: u64 = 0x70;

/// All of a CID but its digest. The blocks of one bucket of the index have it in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// CID version, 0 or 1.
    pub version: u8,
    /// Codec of the block.
    pub codec: u64,
    /// Multihash code.
    pub hash: u64,
    /// Digest length in bytes, 64 at most.
    pub digest_len: u8,
}

impl Prefix {
    /// Returns the prefix of a CID.
    #[must_use]
    pub fn of(cid: &Cid) -> Self {
        Self {
            version: match cid.version() {
                Version::V0 => 0,
                Version::V1 => 1,
            },
            codec: cid.codec(),
            hash: cid.hash().code(),
            digest_len: cid.hash().size(),
        }
    }

    /// Tells whether the parts fit together.
    pub(crate) fn is_valid(&self) -> bool {
        let v0 = self.codec == DAG_PB && self.hash == SHA2_256 && self.digest_len == 32;
        usize::from(self.digest_len) <= DIGEST_LEN_MAX && (self.version == 1 || v0)
    }

    /// Returns the bytes of a CID before its digest.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.version != 0 {
            varint::push(&mut out, u64::from(self.version));
            varint::push(&mut out, self.codec);
        }
        varint::push(&mut out, self.hash);
        varint::push(&mut out, u64::from(self.digest_len));
        out
    }

    /// Returns the CID of this prefix and a digest; `None` if they do not fit together.
    pub(crate) fn with(&self, digest: &[u8]) -> Option<Cid> {
        if digest.len() != usize::from(self.digest_len) {
            return None;
        }
        let hash = Multihash::wrap(self.hash, digest).ok()?;
        match self.version {
            0 => Cid::new_v0(hash).ok(),
            _ => Some(Cid::new_v1(self.codec, hash)),
        }
    }
}

/// The fault of bytes that are no CID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CidFault {
    Short,
    Invalid,
    DigestTooLong(u64),
}

impl From<varint::Fault> for CidFault {
    fn from(fault: varint::Fault) -> Self {
        match fault {
            varint::Fault::Short => Self::Short,
            varint::Fault::Overflow | varint::Fault::NotMinimal => Self::Invalid,
        }
    }
}

/// Reads a CID from the front of `bytes`. Returns it, and its length in bytes.
pub(crate) fn read_cid(bytes: &[u8]) -> Result<(Cid, usize), CidFault> {
    let mut rest = bytes;
    let mut next = || -> Result<u64, CidFault> {
        let (value, len) = varint::read(rest)?;
        rest = rest.get(len..).unwrap_or_default();
        Ok(value)
    };
    let first = next()?;
    let (version, codec, hash) = match first {
        SHA2_256 => (0, DAG_PB, SHA2_256),
        1 => (1, next()?, next()?),
        _ => return Err(CidFault::Invalid),
    };
    let digest_len = next()?;
    if digest_len > DIGEST_LEN_MAX as u64 {
        return Err(CidFault::DigestTooLong(digest_len));
    }
    let digest_len = u8::try_from(digest_len).map_err(|_| CidFault::Invalid)?;
    let prefix = Prefix { version, codec, hash, digest_len };
    if !prefix.is_valid() {
        return Err(CidFault::Invalid);
    }
    let digest = rest.get(..usize::from(digest_len)).ok_or(CidFault::Short)?;
    let rest_len = rest.len().saturating_sub(digest.len());
    let cid = prefix.with(digest).ok_or(CidFault::Invalid)?;
    Ok((cid, bytes.len().saturating_sub(rest_len)))
}

/// Appends a CID's bytes.
pub(crate) fn push_cid(out: &mut Vec<u8>, cid: &Cid) {
    out.extend_from_slice(&Prefix::of(cid).to_bytes());
    out.extend_from_slice(cid.hash().digest());
}

/// Returns the length of a CID in bytes.
pub(crate) fn cid_len(cid: &Cid) -> u64 {
    cid.encoded_len() as u64
}

/// Tells whether the CID carries its block within itself.
#[must_use]
pub fn is_identity(cid: &Cid) -> bool {
    cid.hash().code() == IDENTITY
}

/// Returns the first 8 bytes of a digest as a number, padded with zeros.
pub(crate) fn digest_head(digest: &[u8]) -> u64 {
    let mut head = [0; 8];
    for (to, from) in head.iter_mut().zip(digest) {
        *to = *from;
    }
    u64::from_be_bytes(head)
}

/// Tells whether this crate can check blocks against multihashes of this code and digest length.
#[must_use]
pub fn hash_is_known(code: u64, digest_len: u8) -> bool {
    let len = match code {
        IDENTITY => return true,
        SHA2_256 | SHA3_256 | BLAKE3 | BLAKE2B_256 => 32,
        SHA2_512 | SHA3_512 => 64,
        SHA3_384 => 48,
        SHA3_224 => 28,
        _ => return false,
    };
    // A shortened digest proves less than its function promises: it counts as unknown.
    digest_len == len
}

/// Returns the multihash of some bytes; `None` if the function is unknown.
#[must_use]
pub fn multihash(code: u64, data: &[u8]) -> Option<Multihash<DIGEST_LEN_MAX>> {
    fn wrap(code: u64, digest: &[u8]) -> Option<Multihash<DIGEST_LEN_MAX>> {
        Multihash::wrap(code, digest).ok()
    }
    match code {
        IDENTITY => wrap(code, data),
        SHA2_256 => wrap(code, &Sha256::digest(data)),
        SHA2_512 => wrap(code, &Sha512::digest(data)),
        SHA3_224 => wrap(code, &Sha3_224::digest(data)),
        SHA3_256 => wrap(code, &Sha3_256::digest(data)),
        SHA3_384 => wrap(code, &Sha3_384::digest(data)),
        SHA3_512 => wrap(code, &Sha3_512::digest(data)),
        BLAKE3 => wrap(code, blake3::hash(data).as_bytes()),
        BLAKE2B_256 => wrap(code, &Blake2b::<U32>::digest(data)),
        _ => None,
    }
}

/// The result of a check of a block against a CID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The block hashes to the CID.
    Yes,
    /// The block does not. Holds the first 8 bytes of the block's own digest.
    No(u64),
    /// The CID's hash function is unknown to this crate.
    Unknown,
}

/// Checks a block against a CID.
#[must_use]
pub fn fits(cid: &Cid, data: &[u8]) -> Fit {
    Hashed::new(data).fits(cid.hash().code(), cid.hash().digest())
}

/// The bytes of one block, with the digests taken of them so far. No digest is taken twice.
pub(crate) struct Hashed<'a> {
    data: &'a [u8],
    first: Option<Multihash<DIGEST_LEN_MAX>>,
    others: Vec<Multihash<DIGEST_LEN_MAX>>,
}

impl<'a> Hashed<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self::with(data, None)
    }

    /// As [`Self::new`], with a digest that was taken of the same bytes before.
    pub(crate) fn with(data: &'a [u8], first: Option<Multihash<DIGEST_LEN_MAX>>) -> Self {
        Self { data, first, others: Vec::new() }
    }

    pub(crate) fn fits(&mut self, code: u64, digest: &[u8]) -> Fit {
        let Ok(len) = u8::try_from(digest.len()) else { return Fit::Unknown };
        if !hash_is_known(code, len) {
            return Fit::Unknown;
        }
        if code == IDENTITY {
            return if digest == self.data { Fit::Yes } else { Fit::No(digest_head(self.data)) };
        }
        let Some(own) = self.get(code) else { return Fit::Unknown };
        if own.digest() == digest { Fit::Yes } else { Fit::No(digest_head(own.digest())) }
    }

    fn get(&mut self, code: u64) -> Option<&Multihash<DIGEST_LEN_MAX>> {
        if self.first.is_none() {
            self.first = multihash(code, self.data);
        }
        if self.first.is_some_and(|hash| hash.code() == code) {
            return self.first.as_ref();
        }
        // At most as many as there are known functions.
        if !self.others.iter().any(|hash| hash.code() == code) {
            self.others.push(multihash(code, self.data)?);
        }
        self.others.iter().find(|hash| hash.code() == code)
    }
}
