//! The digest list of a new package.
//!
//! Specification: `docs/spec/dacti-seal.md`, "The digest list".

use super::output::Output;
use super::plan::Plan;
use super::write::Written;
use super::{BuildOptions, LayoutChoice};
use crate::{Encoding, Error};
use dacti_seal::{DIGEST_LIST_ID, DIGEST_LIST_VERSION, DigestList};
use daicon_core::ComponentSpec;
use uuid::Uuid;

/// Whether a package gets a digest list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DigestListChoice {
    /// A list is written if the package has at least 1,000 regions, and the list takes less than
    /// about 1 % of the package. If there are fewer regions, a reader can read all seals at little
    /// cost.
    #[default]
    Auto,
    /// A list is written in every package with seals.
    Always,
    /// No list is written.
    Never,
}

/// The minimum number of regions for which `Auto` writes a list.
const REGIONS_MIN: u64 = 1_000;
/// The maximum factor by which Brotli is assumed to shorten texts.
const BROTLI_FACTOR: u64 = 8;

/// Returns the length of the list for `regions` regions outside the head; 0 if no list is written.
pub(super) fn len(
    options: &BuildOptions,
    regions: u64,
    content_len: u64,
    encoding: Encoding,
    seal_len: u64,
) -> u64 {
    if seal_len == 0 || options.layout != LayoutChoice::Cdn {
        return 0;
    }
    let len = DigestList::len_of(regions);
    let factor = if encoding == Encoding::NONE { 1 } else { BROTLI_FACTOR };
    let is_small = len.saturating_mul(100).saturating_mul(factor) < content_len;
    let is_written = match options.digest_list {
        DigestListChoice::Auto => regions >= REGIONS_MIN && is_small,
        DigestListChoice::Always => true,
        DigestListChoice::Never => false,
    };
    if is_written { len } else { 0 }
}

/// Writes the list in front of the data. Returns its component.
pub(super) fn write(
    plan: &Plan,
    written: &Written,
    ids: &[Uuid],
    output: &mut Output,
) -> Result<Option<ComponentSpec>, Error> {
    let span = plan.digest_list;
    if span.is_empty() {
        return Ok(None);
    }
    let digest = |i: usize| written.seal_starts.get(i).copied();
    let mut regions: Vec<(Uuid, [u8; 16])> =
        plan.id_order.iter().filter_map(|i| ids.get(*i).copied().zip(digest(*i))).collect();
    regions.sort_unstable_by_key(|(id, _)| *id);
    let ids = DigestList::hash_ids(regions.iter().map(|(id, _)| *id));
    let digests = regions.into_iter().map(|(_, digest)| digest).collect();
    let list = DigestList { index_at: plan.index.span.start, ids, digests };
    output.write_at(span.start, &list.emit())?;
    let region = super::head::region(span)?;
    Ok(Some(ComponentSpec::with_region(DIGEST_LIST_ID, DIGEST_LIST_VERSION, region)))
}
