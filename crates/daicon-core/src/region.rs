//! Regions as entries store them: relative to a region base.
//!
//! Specification: `docs/spec/daicon.md`, "Regions".

use crate::{Misuse, Span};

/// A region as an entry stores it: offset and size, each four bytes. The offset is relative to the
/// table's region base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Region {
    /// Bytes from the table's region base.
    pub offset: u32,
    /// Length in bytes.
    pub size: u32,
}

impl Region {
    /// Creates a region of `size` bytes that starts `offset` bytes after its table's region base.
    #[must_use]
    pub const fn new(offset: u32, size: u32) -> Self {
        Self { offset, size }
    }

    /// Returns the region of a span, for a table whose region base is `base`.
    ///
    /// # Errors
    /// `RegionBeforeBase` if the span starts before the base; `RegionTooFar` if it starts 4 GiB or
    /// more after the base; `RegionTooLong` if it is 4 GiB or longer.
    pub fn of(span: Span, base: u64) -> Result<Self, Misuse> {
        let (start, len) = (span.start, span.len());
        let offset = start.checked_sub(base).ok_or(Misuse::RegionBeforeBase { start, base })?;
        let offset = u32::try_from(offset).map_err(|_| Misuse::RegionTooFar { start, base })?;
        let size = u32::try_from(len).map_err(|_| Misuse::RegionTooLong { start, len })?;
        Ok(Self { offset, size })
    }

    /// Reads the eight bytes of an entry's data as a region.
    #[must_use]
    pub const fn from_data(data: [u8; 8]) -> Self {
        let [o0, o1, o2, o3, size @ ..] = data;
        Self { offset: u32::from_le_bytes([o0, o1, o2, o3]), size: u32::from_le_bytes(size) }
    }

    /// Returns the region as the eight bytes of an entry's data.
    #[must_use]
    pub const fn to_data(self) -> [u8; 8] {
        let [o0, o1, o2, o3] = self.offset.to_le_bytes();
        let [s0, s1, s2, s3] = self.size.to_le_bytes();
        [o0, o1, o2, o3, s0, s1, s2, s3]
    }

    /// Returns the span of the region, for a table whose region base is `base`; `None` if the span
    /// passes `u64::MAX`.
    #[must_use]
    pub fn resolve(self, base: u64) -> Option<Span> {
        Span::new(base.checked_add(u64::from(self.offset))?, u64::from(self.size))
    }
}

#[cfg(test)]
mod tests {
    use super::{Misuse, Region, Span};

    #[test]
    fn region_data_is_offset_then_size() {
        let region = Region::new(0x0102_0304, 0x0506_0708);
        assert_eq!(region.to_data(), [4, 3, 2, 1, 8, 7, 6, 5]);
        assert_eq!(Region::from_data(region.to_data()), region);
    }

    #[test]
    fn a_span_that_no_region_can_name_is_refused() {
        // spec: R-EMIT-05
        let gib4 = 1 << 32;
        let of = |start, len, base| Region::of(Span::new(start, len).unwrap(), base);
        assert_eq!(of(100, 9, 60), Ok(Region::new(40, 9)));
        assert_eq!(of(gib4 - 1, gib4 - 1, 0), Ok(Region::new(u32::MAX, u32::MAX)));
        assert_eq!(of(59, 9, 60), Err(Misuse::RegionBeforeBase { start: 59, base: 60 }));
        assert_eq!(of(gib4, 0, 0), Err(Misuse::RegionTooFar { start: gib4, base: 0 }));
        assert_eq!(of(7, gib4, 0), Err(Misuse::RegionTooLong { start: 7, len: gib4 }));
    }

    #[test]
    fn region_resolves_past_four_gibibytes() {
        let span = Region::new(u32::MAX, u32::MAX).resolve(1 << 40);
        assert_eq!(span, Span::new((1 << 40) + 0xffff_ffff, 0xffff_ffff));
    }

    #[test]
    fn region_that_passes_the_last_position_is_refused() {
        assert_eq!(Region::new(1, 0).resolve(u64::MAX), None);
        assert_eq!(Region::new(0, 1).resolve(u64::MAX), None);
        assert!(Region::new(0, 0).resolve(u64::MAX).is_some_and(|span| span.is_empty()));
    }
}
