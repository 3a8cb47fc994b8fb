//! What a publisher wants of a plan.
//!
//! Specification: `docs/spec/dacti-cdn.md`, "The plan".

use crate::{Error, Misuse, Snapshot, check_slice_len};

/// How to plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdatePolicy {
    /// Appends begin and end at multiples of this: a power of two, and at least the package's own
    /// slice length, which is taken where this is `None`. For a package that moves to caches with
    /// larger slices.
    pub slice_len: Option<u64>,
    /// Each region that is put begins at a multiple of this: a power of two of at most the slice
    /// length. 1 for none between them.
    pub region_align: u64,
    /// What caches may be asked to forget at each barrier.
    pub purge: Purge,
    /// Whether the plan ends with a barrier on its own switch. Without, it is the first step of
    /// the next plan.
    pub confirm: bool,
}

impl Default for UpdatePolicy {
    fn default() -> Self {
        Self { slice_len: None, region_align: 1, purge: Purge::Nothing, confirm: false }
    }
}

/// What caches may be asked to forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purge {
    /// Nothing: barriers wait until caches ask again by themselves.
    #[default]
    Nothing,
    /// The package head, by the range that readers use.
    Head,
    /// All that a barrier probes. Helps where a cache has kept the answer that there is nothing
    /// behind the old end.
    Probed,
}

impl UpdatePolicy {
    /// What appends to this package are aligned to.
    ///
    /// # Errors
    /// `Misuse` where the policy's numbers cannot be.
    pub fn slice_len_for(&self, snapshot: &Snapshot) -> Result<u64, Error> {
        let expected = snapshot.layout().slice_len;
        let found = self.slice_len.unwrap_or(expected);
        check_slice_len(found)?;
        if found < expected {
            return Err(Misuse::SliceTooShort { expected, found }.into());
        }
        if !self.region_align.is_power_of_two() || self.region_align > found {
            return Err(Misuse::RegionAlign(self.region_align).into());
        }
        Ok(found)
    }
}
