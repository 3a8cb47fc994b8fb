//! One entry of the list of parts: a range of positions, its digest, and the names of its objects.
//!
//! Specification: `docs/spec/dacti-parts.md`, "The list", "Names".

use super::PartsFault;
use super::head::HEAD_LEN;
use crate::Digest;
use alloc::format;
use alloc::string::{String, ToString};
use bytemuck::{Pod, Zeroable};
use daicon_core::{Span, U64Le};

/// The default piece exponent: a large entry is cut into pieces of 2^26 bytes, which is 64 MiB.
pub const PIECE_EXPONENT_DEFAULT: u8 = 26;
/// The allowed piece exponents.
const PIECE_EXPONENTS: core::ops::RangeInclusive<u8> = 16..=55;
/// The maximum number of pieces of an entry.
const PIECES_MAX: u64 = 65_536;
/// The maximum end of a part. So each length fits into the 56 bits of its field.
const END_MAX: u64 = 1 << 56;

/// A range of a package's positions that one part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartEntry {
    /// The positions that the part holds, absolute.
    pub span: Span,
    /// The piece exponent: each piece has 2 to this power bytes. The exponent is 0 if the part is
    /// one object.
    pub piece_exponent: u8,
    /// The BLAKE3 hash of all bytes of the entry.
    pub digest: Digest,
}

/// The bytes of the entry in the region.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct EntryBytes {
    start: U64Le,
    len_and_exponent: U64Le,
    digest: [u8; 32],
}

const _: () = assert!(size_of::<EntryBytes>() == 48);

impl EntryBytes {
    /// Returns the entry that these bytes describe, after checking its place and its pieces.
    pub(super) fn parse(&self) -> Result<PartEntry, PartsFault> {
        let both = self.len_and_exponent.get();
        let [.., piece_exponent] = both.to_le_bytes();
        let len = both & END_MAX.saturating_sub(1);
        let start = self.start.get();
        let end =
            start.checked_add(len).filter(|end| len > 0 && start >= HEAD_LEN && *end <= END_MAX);
        let end = end.ok_or(PartsFault::EntryPlace { start, len })?;
        let digest = Digest(self.digest);
        let entry = PartEntry { span: Span { start, end }, piece_exponent, digest };
        entry.check_pieces()?;
        Ok(entry)
    }
}

impl PartEntry {
    /// Returns the entry's 48 bytes.
    pub(super) fn emit(&self) -> EntryBytes {
        let exponent = u64::from(self.piece_exponent) << 56;
        EntryBytes {
            start: self.span.start.into(),
            len_and_exponent: (self.span.len() | exponent).into(),
            digest: self.digest.0,
        }
    }

    /// Returns whether two entries name the same part. The starts of the entries may differ.
    #[must_use]
    pub fn is_same_part(&self, other: &Self) -> bool {
        let part = |entry: &Self| (entry.digest, entry.span.len(), entry.piece_exponent);
        part(self) == part(other)
    }

    fn check_pieces(&self) -> Result<(), PartsFault> {
        let (exponent, len) = (self.piece_exponent, self.span.len());
        let fits = exponent == 0
            || PIECE_EXPONENTS.contains(&exponent) && len.div_ceil(self.piece_len()) <= PIECES_MAX;
        if fits { Ok(()) } else { Err(PartsFault::Pieces { exponent, len }) }
    }

    /// Returns the length of each object of the entry in bytes. The last object may be shorter.
    #[must_use]
    pub const fn piece_len(&self) -> u64 {
        if self.piece_exponent == 0 {
            return self.span.len();
        }
        match 1_u64.checked_shl(self.piece_exponent as u32) {
            Some(len) => len,
            None => u64::MAX,
        }
    }

    /// Returns the number of objects that hold the entry. It is 1 if the entry is not cut into
    /// pieces.
    #[must_use]
    pub const fn object_count(&self) -> u64 {
        match self.piece_len() {
            0 => 1,
            len => self.span.len().div_ceil(len),
        }
    }

    /// Returns the name of the object with this number, from 0, relative to the prefix.
    #[must_use]
    pub fn object_name(&self, object: u64) -> String {
        if self.piece_exponent == 0 {
            return self.digest.to_string();
        }
        format!("{}-{object}", self.digest)
    }

    /// Returns the positions that the object with this number holds, absolute.
    #[must_use]
    pub fn object_span(&self, object: u64) -> Span {
        let offset = object.saturating_mul(self.piece_len());
        let start = self.span.start.saturating_add(offset).min(self.span.end);
        let end = start.saturating_add(self.piece_len()).min(self.span.end);
        Span { start, end }
    }
}

#[cfg(test)]
mod tests {
    use super::{PartEntry, PartsFault};
    use crate::Digest;
    use daicon_core::Span;

    fn entry(start: u64, end: u64, piece_exponent: u8) -> PartEntry {
        PartEntry { span: Span { start, end }, piece_exponent, digest: Digest([0xab; 32]) }
    }

    #[test]
    fn an_entry_is_48_bytes_with_the_exponent_in_the_highest() {
        // spec: R-PART-05
        let bytes = entry(0x1_0000, 0x2_0010, 26).emit();
        let expected = [&[0, 0, 1, 0, 0, 0, 0, 0][..], &[0x10, 0, 1, 0, 0, 0, 0, 26], &[0xab; 32]];
        assert_eq!(bytemuck::bytes_of(&bytes), expected.concat());
        assert_eq!(bytes.parse(), Ok(entry(0x1_0000, 0x2_0010, 26)));
    }

    #[test]
    fn objects_are_named_by_digest_and_piece() {
        // spec: R-PART-08
        let name = "ab".repeat(32);
        assert_eq!(entry(65_536, 65_546, 0).object_name(0), name);
        let pieces = entry(65_536, 65_536 + 3 * 65_536 + 7, 16);
        assert_eq!(pieces.object_count(), 4);
        assert_eq!(pieces.object_name(3), name + "-3");
        let start = 65_536 * 4;
        assert_eq!(pieces.object_span(3), Span { start, end: start + 7 });
        let whole = entry(65_536, 65_546, 0);
        assert_eq!((whole.object_count(), whole.object_span(0)), (1, whole.span));
    }

    #[test]
    fn an_entry_out_of_place_or_in_too_many_pieces_is_refused() {
        // spec: R-PART-05, R-PART-06
        let place = |start, end| entry(start, end, 0).emit().parse();
        for (start, end) in [(65_535, 65_540), (65_536, 65_536), (1 << 55, (1 << 56) + 1)] {
            let fault = PartsFault::EntryPlace { start, len: end - start };
            assert_eq!(place(start, end), Err(fault));
        }
        assert!(place(65_536, 1 << 56).is_ok());
        for exponent in [1, 15, 56, 255] {
            let fault = PartsFault::Pieces { exponent, len: 1 };
            assert_eq!(entry(65_536, 65_537, exponent).emit().parse(), Err(fault));
        }
        let len = 65_536 << 16;
        assert!(entry(65_536, 65_536 + len, 16).emit().parse().is_ok());
        let fault = PartsFault::Pieces { exponent: 16, len: len + 1 };
        assert_eq!(entry(65_536, 65_537 + len, 16).emit().parse(), Err(fault));
    }
}
