//! Warns about regions that share some of their stored bytes, and not all.

use crate::{Talk, output};
use dacti::{Listed, Package};

/// A warning about such regions.
#[derive(Debug)]
pub(crate) struct Overlapping<'l> {
    /// The first region that takes bytes of another one.
    pub(crate) region: &'l Listed,
    pub(crate) message: String,
}

/// Finds such regions among all that are listed.
pub(crate) fn find<'l>(package: &Package, listed: &'l [Listed]) -> Option<Overlapping<'l>> {
    let found = package.part_overlaps(listed.iter().map(|listed| listed.located));
    let [first, second] = found.first?;
    let of = |id| listed.iter().find(|listed| listed.located.id == id);
    let (first, region) = (of(first.id)?, of(second.id)?);
    let count = output::counted(found.count, "region shares", "regions share");
    let message = format!(
        "{count} some of the stored bytes of another one, which no packer does: the \
         first is {:?} at {}, which overlaps {:?} at {}; do not trust this package unless you \
         know why",
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
