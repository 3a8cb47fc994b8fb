//! How ids fall into buckets: evenly by their first eight bytes.

use dacti_lookup::Fence;

/// How ids fall into buckets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    /// How many buckets there are.
    pub(super) count: usize,
    first: u64,
    last: u64,
    /// Buckets for each step of an id's first eight bytes, times 2^64.
    factor: u64,
}

impl Spread {
    /// At most `count` buckets for the ids of a run with these keys. `None` where there is no
    /// dividing them.
    pub(super) fn new(count: usize, keys: &[Fence]) -> Option<Self> {
        let (first, last) = (keys.first()?.get(), keys.last()?.get());
        // The ids behind the last key are taken to be as far apart as the others.
        let gaps = u64::try_from(keys.len()).ok()?.checked_sub(1)?;
        let gap = last.checked_sub(first)?.checked_div(gaps)?;
        let last = last.saturating_add(gap);
        let width = last.checked_sub(first)?;
        // No more than there are beginnings: the factor is below one, and its 64 bits are enough.
        let count = count.min(usize::try_from(width).unwrap_or(usize::MAX));
        if count == 0 {
            return None;
        }
        let steps = u128::from(width).checked_add(1)?;
        let factor = (u128::try_from(count).ok()? << 64).checked_div(steps)?;
        Some(Self { count, first, last, factor: u64::try_from(factor).ok()? })
    }

    /// The bucket of ids that begin with `lead`; those before the first id fall into the first.
    #[inline]
    pub(super) fn bucket_of(&self, lead: u64) -> usize {
        let distance = lead.min(self.last).saturating_sub(self.first);
        // Two numbers of 64 bits: their product has no more than 128. As the factor was rounded
        // down, what is left above it stays below `count`.
        let place = u128::from(distance).wrapping_mul(u128::from(self.factor)) >> 64;
        usize::try_from(place).unwrap_or(usize::MAX)
    }
}
