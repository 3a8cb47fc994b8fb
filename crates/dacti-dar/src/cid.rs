//! CIDs: version, codec, hash function and digest. The digest of an identity CID is the block
//! itself, and may be longer than the digest of any hash function.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use cid::Version;
use multibase::Base;
use multihash::Multihash;

use crate::varint;

/// The multihash code of identity CIDs.
pub(crate) const IDENTITY: u64 = 0x00;
/// The multihash code of sha2-256, the only hash function that CIDs of version 0 use.
pub(crate) const SHA2_256: u64 = 0x12;
/// The codec of CIDs of version 0.
pub(crate) const DAG_PB: u64 = 0x70;

/// The length of the text of a CID of version 0.
const V0_TEXT_LEN: usize = 46;

/// The multibase prefixes of bases that are not a power of two: 58, 36 and 10. The time that their
/// decoders take grows with the square of the text's length.
const UNEVEN_BASES: [char; 5] = ['z', 'Z', 'k', 'K', '9'];
/// The maximum length of a text in one of the `UNEVEN_BASES`. Every CID fits, except long identity
/// CIDs.
const UNEVEN_TEXT_LEN_MAX: usize = 256;

/// The maximum length of a hash function's digest, in bytes.
pub(crate) const DIGEST_LEN_MAX: usize = 64;
/// The maximum length of the content of an identity CID that is a root, a CAR section or an
/// argument. See `R-DARLNK-06`.
pub const IDENTITY_LEN_MAX: usize = 4096;
/// The maximum length of version, codec, hash code and digest length together.
const PREFIX_LEN_MAX: usize = 4 * varint::LEN_MAX;
/// The maximum length of a CID whose block has a frame.
pub(crate) const CID_LEN_MAX: usize = PREFIX_LEN_MAX + DIGEST_LEN_MAX;
/// The maximum length of an identity CID.
pub(crate) const IDENTITY_CID_LEN_MAX: usize = PREFIX_LEN_MAX + IDENTITY_LEN_MAX;

/// All parts of a CID except its digest. The blocks of one bucket of the index have the same
/// prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// CID version, 0 or 1.
    pub version: u8,
    /// Codec of the block.
    pub codec: u64,
    /// Multihash code.
    pub hash: u64,
    /// Digest length in bytes: at most 64, or [`IDENTITY_LEN_MAX`] for an identity CID.
    pub digest_len: u16,
}

impl Prefix {
    /// Returns the prefix of a CID.
    #[must_use]
    pub fn of(cid: &Cid) -> Self {
        cid.prefix
    }

    /// Returns the same prefix in the other CID version; `None` if only version 1 can express it.
    ///
    /// CIDs of both prefixes name the same blocks.
    #[must_use]
    pub fn other_version(self) -> Option<Self> {
        self.can_be_v0().then_some(Self { version: 1_u8.saturating_sub(self.version), ..self })
    }

    fn can_be_v0(&self) -> bool {
        self.codec == DAG_PB && self.hash == SHA2_256 && self.digest_len == 32
    }

    /// Tells whether version, codec, hash code and digest length are a valid combination.
    pub(crate) fn is_valid(&self) -> bool {
        let most = if self.hash == IDENTITY { IDENTITY_LEN_MAX } else { DIGEST_LEN_MAX };
        let known = self.version == 1 || (self.version == 0 && self.can_be_v0());
        known && usize::from(self.digest_len) <= most
    }

    /// Returns the bytes of a CID before its digest.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::new();
        self.push(&mut out);
        out
    }

    fn push(self, out: &mut Vec<u8>) {
        if self.version != 0 {
            varint::push(out, u64::from(self.version));
            varint::push(out, self.codec);
        }
        varint::push(out, self.hash);
        varint::push(out, u64::from(self.digest_len));
    }

    fn len(self) -> u64 {
        let version_and_codec = if self.version == 0 {
            0
        } else {
            varint::len(u64::from(self.version)).saturating_add(varint::len(self.codec))
        };
        let digest = varint::len(u64::from(self.digest_len));
        version_and_codec.saturating_add(varint::len(self.hash)).saturating_add(digest)
    }

    /// Returns the CID with this prefix and this digest; `None` if the prefix states a different
    /// length of the digest.
    pub(crate) fn with(self, digest: &[u8]) -> Option<Cid> {
        let fits = self.is_valid() && digest.len() == usize::from(self.digest_len);
        fits.then(|| Cid { prefix: self, digest: Digest::new(digest) })
    }
}

/// A digest. The prefix stored with the digest states its length.
#[derive(Clone)]
enum Digest {
    Short([u8; DIGEST_LEN_MAX]),
    Long(Arc<[u8]>),
}

impl Digest {
    fn new(bytes: &[u8]) -> Self {
        let mut short = [0; DIGEST_LEN_MAX];
        match short.get_mut(..bytes.len()) {
            Some(to) => {
                to.copy_from_slice(bytes);
                Self::Short(short)
            }
            None => Self::Long(bytes.into()),
        }
    }
}

/// A CID, the name of a block.
///
/// The [`cid`] crate's CIDs convert to this type and back. This type also holds the long identity
/// CIDs of archives and CARs, with content of up to [`IDENTITY_LEN_MAX`] bytes.
///
/// Two CIDs are equal if all their parts are equal. A CID of version 0 and its form in version 1
/// name the same block, see [`Cid::is_same_block`].
#[derive(Clone)]
pub struct Cid {
    prefix: Prefix,
    digest: Digest,
}

impl Cid {
    /// Makes a CID of version 1.
    #[must_use]
    pub fn new_v1(codec: u64, hash: Multihash<DIGEST_LEN_MAX>) -> Self {
        let digest_len = u16::from(hash.size());
        let prefix = Prefix { version: 1, codec, hash: hash.code(), digest_len };
        Self { prefix, digest: Digest::new(hash.digest()) }
    }

    /// Makes an identity CID, which holds its block; `None` if the block is longer than
    /// [`IDENTITY_LEN_MAX`].
    #[must_use]
    pub fn new_identity(codec: u64, block: &[u8]) -> Option<Self> {
        let digest_len = u16::try_from(block.len()).ok()?;
        Prefix { version: 1, codec, hash: IDENTITY, digest_len }.with(block)
    }

    /// Returns the version, 0 or 1.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.prefix.version
    }

    /// Returns the codec of the block.
    #[must_use]
    pub fn codec(&self) -> u64 {
        self.prefix.codec
    }

    /// Returns the multihash code of the hash function.
    #[must_use]
    pub fn hash_code(&self) -> u64 {
        self.prefix.hash
    }

    /// Returns the digest. The digest of an identity CID is the block itself.
    #[must_use]
    pub fn digest(&self) -> &[u8] {
        match &self.digest {
            Digest::Short(bytes) => {
                bytes.get(..usize::from(self.prefix.digest_len)).unwrap_or_default()
            }
            Digest::Long(bytes) => bytes,
        }
    }

    /// Tells whether this is an identity CID, which contains its block.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.prefix.hash == IDENTITY
    }

    /// Returns whether both CIDs name the same block. Such CIDs are equal, or differ only in their
    /// version.
    #[must_use]
    pub fn is_same_block(&self, other: &Self) -> bool {
        let prefix = other.prefix;
        let same = self.prefix == prefix || Some(self.prefix) == prefix.other_version();
        same && self.digest() == other.digest()
    }

    /// Returns the same CID in the other version; `None` if only version 1 can name the block.
    #[must_use]
    pub fn other_version(&self) -> Option<Self> {
        Some(Self { prefix: self.prefix.other_version()?, digest: self.digest.clone() })
    }

    /// Returns the CID's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.push(&mut out);
        out
    }

    /// Returns the number of the CID's bytes.
    #[must_use]
    pub fn encoded_len(&self) -> u64 {
        self.prefix.len().saturating_add(self.digest().len() as u64)
    }

    /// Appends the CID's bytes.
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        self.prefix.push(out);
        out.extend_from_slice(self.digest());
    }

    /// Reads a CID from the front of `bytes`. Returns it, and its length in bytes.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, usize), CidFault> {
        let (prefix, at) = read_prefix(bytes)?;
        let end = at.saturating_add(usize::from(prefix.digest_len));
        let digest = bytes.get(at..end).ok_or(CidFault::Short)?;
        Ok((prefix.with(digest).ok_or(CidFault::Invalid)?, end))
    }

    /// Reads a CID that fills all of `bytes`.
    pub(crate) fn read_all(bytes: &[u8]) -> Result<Self, CidFault> {
        match Self::read(bytes)? {
            (cid, len) if len == bytes.len() => Ok(cid),
            _ => Err(CidFault::Invalid),
        }
    }
}

/// Reads the prefix of a CID. Returns the prefix, and its length in bytes.
fn read_prefix(bytes: &[u8]) -> Result<(Prefix, usize), CidFault> {
    let mut at = 0_usize;
    let mut next = || -> Result<u64, CidFault> {
        let (value, len) = varint::read(bytes.get(at..).unwrap_or_default())?;
        at = at.saturating_add(len);
        Ok(value)
    };
    let (version, codec, hash) = match next()? {
        SHA2_256 => (0, DAG_PB, SHA2_256),
        1 => (1, next()?, next()?),
        _ => return Err(CidFault::Invalid),
    };
    let len = next()?;
    let most = if hash == IDENTITY { IDENTITY_LEN_MAX } else { DIGEST_LEN_MAX };
    let digest_len = u16::try_from(len).map_err(|_| CidFault::DigestTooLong(len))?;
    if usize::from(digest_len) > most {
        return Err(CidFault::DigestTooLong(len));
    }
    let prefix = Prefix { version, codec, hash, digest_len };
    if prefix.is_valid() { Ok((prefix, at)) } else { Err(CidFault::Invalid) }
}

/// The fault of bytes that are not a CID.
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

/// The error for bytes or text that are not a CID, or are a CID that this crate cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CidError {
    /// The input is not a CID.
    #[error("not a CID")]
    Invalid,
    /// The digest is too long.
    #[error("the digest of a CID has {found} bytes, more than this program supports")]
    TooLong {
        /// The length of the digest.
        found: u64,
    },
}

impl From<CidFault> for CidError {
    fn from(fault: CidFault) -> Self {
        match fault {
            CidFault::Short | CidFault::Invalid => Self::Invalid,
            CidFault::DigestTooLong(found) => Self::TooLong { found },
        }
    }
}

impl TryFrom<&[u8]> for Cid {
    type Error = CidError;

    fn try_from(bytes: &[u8]) -> Result<Self, CidError> {
        Ok(Self::read_all(bytes)?)
    }
}

impl FromStr for Cid {
    type Err = CidError;

    fn from_str(text: &str) -> Result<Self, CidError> {
        let text = text.rsplit_once("/ipfs/").map_or(text, |(_, text)| text);
        // The text of a CID of version 0 has no multibase prefix.
        let bytes = match text.len() {
            V0_TEXT_LEN if text.starts_with("Qm") => Base::Base58Btc.decode(text),
            len if len > UNEVEN_TEXT_LEN_MAX && text.starts_with(UNEVEN_BASES) => {
                return Err(CidError::Invalid);
            }
            _ => multibase::decode(text).map(|(_, bytes)| bytes),
        };
        let cid = Self::read_all(&bytes.map_err(|_| CidError::Invalid)?)?;
        let is_v0 = text.len() == V0_TEXT_LEN && text.starts_with("Qm");
        if is_v0 == (cid.version() == 0) { Ok(cid) } else { Err(CidError::Invalid) }
    }
}

impl TryFrom<&str> for Cid {
    type Error = CidError;

    fn try_from(text: &str) -> Result<Self, CidError> {
        text.parse()
    }
}

impl From<cid::Cid> for Cid {
    fn from(cid: cid::Cid) -> Self {
        let hash = cid.hash();
        let version = u8::from(cid.version() != Version::V0);
        let digest_len = u16::from(hash.size());
        let prefix = Prefix { version, codec: cid.codec(), hash: hash.code(), digest_len };
        Self { prefix, digest: Digest::new(hash.digest()) }
    }
}

impl TryFrom<&Cid> for cid::Cid {
    type Error = CidError;

    fn try_from(cid: &Cid) -> Result<Self, CidError> {
        Self::try_from(cid.to_bytes()).map_err(|_| {
            let found = cid.digest().len() as u64;
            CidError::TooLong { found }
        })
    }
}

impl PartialEq for Cid {
    fn eq(&self, other: &Self) -> bool {
        self.prefix == other.prefix && self.digest() == other.digest()
    }
}

impl Eq for Cid {}

impl PartialOrd for Cid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cid {
    fn cmp(&self, other: &Self) -> Ordering {
        self.prefix.cmp(&other.prefix).then_with(|| self.digest().cmp(other.digest()))
    }
}

impl Hash for Cid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.prefix.hash(state);
        self.digest().hash(state);
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.to_bytes();
        let text: String = match self.version() {
            0 => Base::Base58Btc.encode(bytes),
            _ => multibase::encode(Base::Base32Lower, bytes),
        };
        f.pad(&text)
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({self})")
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "the numbers in tests are small"
)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    // spec: R-DARLNK-06
    #[test]
    fn identity_cids_are_read_up_to_their_limit() {
        for len in [0, 1, 64, 65, 127, 128, 4095, 4096] {
            let content = vec![7; len];
            let cid = Cid::new_identity(0x55, &content).unwrap();
            let bytes = [vec![1, 0x55, 0], uleb(len), content.clone()].concat();
            assert_eq!(cid.to_bytes(), bytes);
            assert_eq!(cid.encoded_len(), bytes.len() as u64);
            assert_eq!(Cid::try_from(&bytes[..]).as_ref(), Ok(&cid));
            assert_eq!(cid.to_string().parse().as_ref(), Ok(&cid));
            assert_eq!(cid.digest(), content);
            assert_eq!(cid::Cid::try_from(&cid).is_ok(), len <= 64);
        }
        assert_eq!(Cid::new_identity(0x55, &[0; 4097]), None);
        let long = [vec![1, 0x55, 0], uleb(4097), vec![0; 4097]].concat();
        assert_eq!(Cid::try_from(&long[..]), Err(CidError::TooLong { found: 4097 }));
        let hash = [vec![1, 0x55, 0x12, 65], vec![0; 65]].concat();
        assert_eq!(Cid::try_from(&hash[..]), Err(CidError::TooLong { found: 65 }));
    }

    fn uleb(value: usize) -> Vec<u8> {
        if value < 128 {
            vec![value as u8]
        } else {
            vec![(value % 128) as u8 + 128, (value / 128) as u8]
        }
    }

    #[test]
    fn the_text_is_that_of_the_cid_crate() {
        let empty = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
        let v0: Cid = empty.parse().unwrap();
        assert_eq!((v0.version(), v0.codec(), v0.hash_code()), (0, 0x70, 0x12));
        assert_eq!(v0.to_string(), empty);
        let v1 = v0.other_version().unwrap();
        assert_eq!(v1.to_string(), "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
        assert!(v0.is_same_block(&v1) && v0 != v1);
        assert_eq!(v1.other_version(), Some(v0.clone()));
        assert_eq!(Cid::from(cid::Cid::try_from(&v0).unwrap()), v0);
        // Texts in other bases are read, too. Long texts in bases that are not a power of two are
        // refused.
        for base in [Base::Base16Lower, Base::Base58Btc, Base::Base36Lower, Base::Base64Url] {
            let text = multibase::encode(base, v1.to_bytes());
            assert_eq!(text.parse().as_ref(), Ok(&v1), "{text}");
        }
        let long = Cid::new_identity(0x55, &[7; 300]).unwrap().to_bytes();
        let text = multibase::encode(Base::Base58Btc, &long);
        assert_eq!(text.parse::<Cid>(), Err(CidError::Invalid));
        // The multibase form of a CID of version 0 is not valid.
        let text = multibase::encode(Base::Base32Lower, v0.to_bytes());
        assert_eq!(text.parse::<Cid>(), Err(CidError::Invalid));
        for wrong in ["", "Q", "bafy", "nonsense"] {
            assert_eq!(wrong.parse::<Cid>(), Err(CidError::Invalid), "{wrong}");
        }
    }
}
