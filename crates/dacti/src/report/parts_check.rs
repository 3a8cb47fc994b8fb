//! Compares the parts of a package in parts with the digests in its head's list.
//!
//! Specification: `docs/spec/dacti-parts.md`, R-PART-15.

use crate::fetch::source::read_span;
use crate::hash::HashPool;
use crate::read::view::read_failed;
use crate::{Error, Package};
use dacti_cdn::parts::{PartEntry, PartsError, PartsFault};
use daicon_core::Span;

/// Bytes that are read and hashed at once.
const PIECE: u64 = 4 << 20;

/// Returns the faults of the parts, in their order. There are none in a package of one file.
///
/// Cost: all bytes of the parts are read.
pub(crate) fn faults(package: &Package, pool: &HashPool) -> Vec<Error> {
    let Some(parts) = package.view().parts() else { return Vec::new() };
    let entries = parts.region.list.entries().iter();
    entries.filter_map(|entry| check(package, entry, pool).err()).collect()
}

/// Checks one part.
fn check(package: &Package, entry: &PartEntry, pool: &HashPool) -> Result<(), Error> {
    // spec: R-PART-15
    let mut hasher = blake3::Hasher::new();
    let Span { start: mut at, end } = entry.span;
    while at < end {
        let next = at.saturating_add(PIECE).min(end);
        let piece = Span { start: at, end: next };
        pool.update(&mut hasher, &read_span(&**package.source(), piece).map_err(read_failed)?);
        at = next;
    }
    if *hasher.finalize().as_bytes() == entry.digest.0 {
        return Ok(());
    }
    let fault = PartsError { at: entry.span.start, fault: PartsFault::PartDigest };
    Err(dacti_cdn::Error::from(fault).into())
}
