//! Places regions one after the other.

use crate::{Misuse, Region, Span, to_u64};

/// The positions of regions that follow each other without gaps.
///
/// ```
/// use daicon_core::{Region, RegionLayout, container_len};
///
/// // The regions follow the preamble and a table of two components.
/// let mut layout = RegionLayout::new(container_len(2), 0);
/// assert_eq!(layout.place(5)?, Region::new(108, 5));
/// assert_eq!(layout.place(3)?, Region::new(113, 3));
/// assert_eq!(layout.end(), 116);
/// # Ok::<(), daicon_core::Misuse>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionLayout {
    end: u64,
    base: u64,
}

impl RegionLayout {
    /// Starts at file position `start`, for a table whose region base is `base`.
    #[must_use]
    pub fn new(start: usize, base: u64) -> Self {
        Self { end: to_u64(start), base }
    }

    /// Places a region of `len` bytes after the last one.
    ///
    /// # Errors
    /// The errors of [`Region::of`].
    pub fn place(&mut self, len: usize) -> Result<Region, Misuse> {
        let past = Misuse::PastLastPosition { at: self.end };
        let span = Span::new(self.end, to_u64(len)).ok_or(past)?;
        let region = Region::of(span, self.base)?;
        self.end = span.end;
        Ok(region)
    }

    /// Returns the absolute end of the last region.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }
}
