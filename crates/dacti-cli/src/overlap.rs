//! Warns about regions that share some, but not all, of their stored bytes.

use crate::{Talk, output};
use dacti::{ListedRef, Listing, Package};

/// A warning about regions that overlap in a part of their bytes.
#[derive(Debug)]
pub(crate) struct Overlapping<'l> {
    /// The second region of the first pair that overlaps.
    pub(crate) region: ListedRef<'l>,
    pub(crate) message: String,
}

/// Returns a warning if listed regions overlap in a part of their bytes.
pub(crate) fn find<'l>(package: &Package, listing: &'l Listing<'_>) -> Option<Overlapping<'l>> {
    let found = package.part_overlaps(listing.regions());
    let [first, second] = found.first?;
    let of = |id| listing.iter().find(|listed| listed.located.id == id);
    let (first, region) = (of(first.id)?, of(second.id)?);
    let count = output::counted(found.count, "region shares", "regions share");
    let message = format!(
        "{count} some stored bytes with another region, and no packer writes such regions: the \
         first is {:?} at {}, which overlaps {:?} at {}; do not trust this package unless you know \
         why",
        region.name(),
        region.located.span,
        first.name(),
        first.located.span,
    );
    Some(Overlapping { region, message })
}

impl Overlapping<'_> {
    pub(crate) fn tell(&self, talk: Talk) {
        if talk >= Talk::Normal {
            output::warning(&self.message);
        }
    }
}
