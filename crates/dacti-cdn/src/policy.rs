//! The update policy: the choices of a caller for a plan.
//!
//! Specification: `docs/spec/dacti-cdn.md`, "The plan".

use crate::{Error, Misuse, Snapshot, check_slice_len};

/// The choices of a caller for a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdatePolicy {
    /// The slice length: appends begin and end at its multiples. It must be a power of two, and at
    /// least the package's own slice length. `None` means the package's own slice length. Set a
    /// longer one if the package is moved to caches with longer slices.
    pub slice_len: Option<u64>,
    /// The alignment of new regions: a power of two, at most the slice length. With 1, there are no
    /// gaps between regions.
    pub region_align: u64,
    /// The bytes to purge from caches at each barrier.
    pub purge: Purge,
    /// Whether the plan ends with a barrier on its own switch. If not, the first barrier of the
    /// next plan proves this switch.
    pub confirm: bool,
}

impl Default for UpdatePolicy {
    fn default() -> Self {
        Self { slice_len: None, region_align: 1, purge: Purge::Nothing, confirm: false }
    }
}

/// The bytes to purge from caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purge {
    /// Nothing is purged. Barriers wait until caches ask the origin again by themselves.
    #[default]
    Nothing,
    /// The head, as one range.
    Head,
    /// All ranges that a barrier probes. This helps if a cache has kept an answer from the time
    /// before these ranges existed.
    Probed,
}

impl UpdatePolicy {
    /// Returns the slice length for appends to this package.
    ///
    /// # Errors
    /// `Misuse` if a number of the policy is invalid.
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
