//! The fixed words of the format: magic, marks, the trailer's footer. Knows no state.

use alloc::vec::Vec;

use crate::varint;

/// What an archive begins with; the fourth byte is the version.
pub const MAGIC: [u8; 4] = *b"dar\x01";

/// A root follows: its CID, then its frame or back-reference.
pub(crate) const MARK_ROOT: i64 = -1;
/// The blocks end here.
pub(crate) const MARK_END: i64 = -2;
/// An index follows: the length of what comes, then that.
pub(crate) const MARK_INDEX: i64 = -3;
/// Marks are the numbers that would refer to a place inside the magic.
pub(crate) const MARK_LOWEST: i64 = -4;

/// SHA3-512 of all CIDs.
pub(crate) const DIGEST_LEN: u64 = 64;
/// The digest, the index offset and the trailer offset.
pub(crate) const FOOTER_LEN: u64 = DIGEST_LEN + 16;
/// Magic and an empty list: the first place where a frame can stand.
pub(crate) const FRAMES_AT_MIN: u64 = 5;

/// The index offset of an archive without one.
pub(crate) const NO_INDEX: i64 = -1;

/// Appends the trailer's fixed end.
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

/// What a frame begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    /// A block of that many bytes.
    Block(u64),
    /// A repeat of the block whose frame begins there.
    Reference(u64),
    Root,
    End,
    Index,
    /// The fourth mark, which nobody has defined.
    Reserved,
}

impl Head {
    /// Reads a frame's first number, and the bytes that it takes.
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
