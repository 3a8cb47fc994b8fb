//! Compares the parts of a package in parts with the digests in its head's list.
//!
//! Specification: `docs/spec/dacti-parts.md`, R-PART-15.

use crate::fetch::source::ReadAt;
use crate::hash::HashPool;
use crate::read::whole::hash_whole;
use crate::{Error, Package};
use dacti_cdn::parts::{PartEntry, PartsError, PartsFault};

/// Returns the faults of the parts, in the order of the parts. A package of one file has none.
///
/// Cost: all bytes of the parts are read.
pub(crate) fn faults(package: &Package, pool: &HashPool) -> Vec<Error> {
    let Some(parts) = package.view().parts() else { return Vec::new() };
    // A second start has the same bytes as the first start, so only first starts are checked.
    let entries = parts.region.list.first_starts();
    entries.filter_map(|entry| check(&**package.source(), entry, pool).err()).collect()
}

/// Checks one part, whose bytes are read from `source`.
pub(crate) fn check(source: &dyn ReadAt, entry: &PartEntry, pool: &HashPool) -> Result<(), Error> {
    // spec: R-PART-15
    if hash_whole(source, entry.span, pool)? == entry.digest.0 {
        return Ok(());
    }
    let fault = PartsError { at: entry.span.start, fault: PartsFault::PartDigest };
    Err(dacti_cdn::Error::from(fault).into())
}
