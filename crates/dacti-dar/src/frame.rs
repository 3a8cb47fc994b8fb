//! The fixed words of the format: magic, marks, the end of the trailer.

use alloc::vec::Vec;

use crate::varint;

/// The first bytes of an archive. The fourth byte is the version.
pub const MAGIC: [u8; 4] = *b"dar\x01";

/// A root follows: its CID, then its frame or back-reference.
pub(crate) const MARK_ROOT: i64 = -1;
/// The end of the blocks.
pub(crate) const MARK_END: i64 = -2;
/// An index follows: its length, then the index.
pub(crate) const MARK_INDEX: i64 = -3;
/// The lowest mark. As back-references, the numbers of the marks would point into the magic, where
/// no frame can be. So these numbers are free for marks.
pub(crate) const MARK_LOWEST: i64 = -4;

/// The length of a SHA3-512.
pub(crate) const DIGEST_LEN: u64 = 64;
/// The length of the trailer's end: the digest, the index offset and the trailer offset.
pub(crate) const FOOTER_LEN: u64 = DIGEST_LEN + 16;
/// The lowest offset of a frame: the length of the magic and an empty list.
pub(crate) const FRAMES_AT_MIN: u64 = 5;

/// The index offset of an archive without an index.
pub(crate) const NO_INDEX: i64 = -1;

/// Appends the end of the trailer, which has a fixed length.
pub(crate) fn push_footer(
    out: &mut Vec<u8>,
    digest: &[u8; 64],
    index_at: Option<u64>,
    trailer_at: u64,
) {
    out.extend_from_slice(digest);
    let index_at = index_at.map_or(NO_INDEX, u64::cast_signed);
    out.extend_from_slice(&index_at.to_be_bytes());
    out.extend_from_slice(&trailer_at.to_be_bytes());
}

/// The number at the start of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    /// A block of this many bytes.
    Block(u64),
    /// A back-reference to the block whose frame begins at this offset.
    Reference(u64),
    Root,
    End,
    Index,
    /// The fourth mark, which has no meaning yet.
    Reserved,
}

impl Head {
    /// Reads the number at the start of a frame, and its length in bytes.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, usize), varint::Fault> {
        let (value, len) = varint::read_signed(bytes)?;
        let head = match value {
            0.. => Self::Block(value.cast_unsigned()),
            MARK_ROOT => Self::Root,
            MARK_END => Self::End,
            MARK_INDEX => Self::Index,
            MARK_LOWEST => Self::Reserved,
            _ => Self::Reference(value.unsigned_abs()),
        };
        Ok((head, len))
    }
}
