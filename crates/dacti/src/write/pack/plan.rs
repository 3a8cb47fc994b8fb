//! Decides in which order regions are stored and which groups list them, before any region is read.
//!
//! Regions are stored in path order and listed in id order. If the data have more than 4 GiB, the
//! ids are cut into ranges. The regions of a range are stored together, so that the 32-bit offsets
//! of a group reach all its regions. Specification: `docs/spec/dacti-package.md`, "Ids and sizes",
//! "Past 4 GiB".

use super::equal::Equals;
use super::hot::Hot;
use super::input::Input;
use super::shared::Shared;
use super::{BuildOptions, LayoutChoice, digest_list};
use crate::Error;
use dacti_cdn::{IndexPlace, padding};
use dacti_index::{
    Encoding, GROUP_ENTRIES, GROUPS_MAX, IdRange, Misuse, REGION_LEN_MAX, id_ranges,
};
use dacti_lookup::RunSpec;
use dacti_names::NAMES_ID;
use daicon_core::{COMPONENT_ENTRY_LEN, PREAMBLE_LEN, Span, TABLE_HEADER_LEN};

/// All positions that are known before regions are encoded.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) encoding: Encoding,
    /// The numbers of the inputs in the order in which they are stored. If inputs share stored
    /// bytes, only the first of them is in this order.
    pub(super) data_order: Vec<usize>,
    /// The inputs that share stored bytes.
    pub(super) shared: Shared,
    /// The regions that lie in the head. The orders and ranges of this plan do not include them.
    pub(super) hot: Hot,
    /// The id ranges, as positions in `data_order`.
    pub(super) ranges: Vec<IdRange>,
    /// The numbers of the inputs in the order of the index: by encoding, then by id. Hot regions
    /// are left out.
    pub(super) id_order: Vec<usize>,
    /// The parts into which `id_order` is cut. Each part has groups of its own.
    pub(super) parts: Vec<Part>,
    pub(super) index: IndexPlace,
    /// The absolute span of the digest list, in front of the data. It is empty if there is none.
    pub(super) digest_list: Span,
    /// The absolute start of the data. The data begin with the dictionary, and the regions follow.
    pub(super) data_at: u64,
    /// The stored bytes of the dictionary with its seal; empty if there is none.
    pub(super) dictionary: Vec<u8>,
    /// The length of all contents, including the names list.
    pub(super) content_len: u64,
    /// Whether the package gets the names component.
    pub(super) names_component: bool,
}

/// Regions of one encoding in one id range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// The number of the id range.
    pub(super) range: usize,
    pub(super) encoding: Encoding,
    /// The position of the first region in `id_order`.
    pub(super) first: usize,
    /// The number of regions.
    pub(super) count: usize,
}

impl Part {
    /// Returns the number of groups that list the regions.
    pub(super) const fn groups(&self) -> usize {
        self.count.div_ceil(GROUP_ENTRIES)
    }
}

impl Plan {
    /// Makes the plan for `inputs`. These are the names list first, and then the others in path
    /// order.
    pub(super) fn new(
        inputs: &[Input],
        hot: Hot,
        options: &BuildOptions,
        seal_len: u64,
        encoding: Encoding,
        dictionary: Vec<u8>,
        equals: &[Equals],
    ) -> Result<Self, Error> {
        let mut id_order = id_order(inputs)?;
        if !hot.order.is_empty() {
            id_order.retain(|i| inputs.get(*i).is_some_and(|input| !input.hot));
        }
        let lens = lens_max(inputs, encoding, seal_len);
        let ranges = id_ranges(id_order.iter().map(|i| lens.get(*i).copied().unwrap_or(0)))?;
        let shared = Shared::of(equals, inputs, &id_order, &ranges);
        let (data_order, data_ranges) = data_order(&id_order, &ranges, &shared);
        let (id_order, parts) = parts(inputs, id_order, &ranges, encoding);
        let filled = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.groups()));
        let filled = u32::try_from(filled).unwrap_or(u32::MAX);
        let entries = u64::try_from(id_order.len()).unwrap_or(u64::MAX);
        let has_names = inputs.iter().any(|input| input.id == NAMES_ID);
        let names_component = has_names || options.layout == LayoutChoice::Cdn;
        let components = 1_u64
            .saturating_add(names_component.into())
            .saturating_add((!dictionary.is_empty()).into());
        let index = match options.layout {
            LayoutChoice::Cdn if hot.order.is_empty() => match &options.expect {
                Some(expected) => {
                    let delta_groups = padding(expected, entries, 0).delta_groups;
                    IndexPlace::with_delta_groups(filled, delta_groups)?
                }
                None => IndexPlace::cdn(filled, entries),
            },
            LayoutChoice::Cdn => {
                IndexPlace::cdn_hot(filled, entries, hot.len).ok_or_else(|| Error::HotTooLong {
                    bytes: hot.len,
                    bytes_max: IndexPlace::hot_len_max(filled, entries),
                })?
            }
            LayoutChoice::Compact => {
                IndexPlace::compact(&runs(&parts, 0), compact_tables_end(components))
            }
        };
        if index.groups > GROUPS_MAX {
            let groups = u64::from(index.groups);
            return Err(dacti_index::Error::from(Misuse::TooManyGroups { groups }).into());
        }
        let content_len = inputs.iter().fold(0_u64, |sum, input| sum.saturating_add(input.len));
        let list_at = index.span.end.max(compact_tables_end(components));
        let list_len = digest_list::len(options, entries, content_len, encoding, seal_len);
        let data_at = list_at.saturating_add(list_len);
        Ok(Self {
            encoding,
            data_order,
            shared,
            hot,
            ranges: data_ranges,
            id_order,
            parts,
            index,
            digest_list: Span { start: list_at, end: data_at },
            data_at,
            dictionary,
            content_len,
            names_component,
        })
    }
}

/// Returns, for each region, the maximum number of bytes that it takes in an id range with its
/// seal.
fn lens_max(inputs: &[Input], encoding: Encoding, seal_len: u64) -> Vec<u64> {
    // The inputs are visited in their own order, because random accesses in id order are slower.
    let len_max = |input: &Input| {
        // A copied region is stored as it is, in any encoding. So its stored length is its `len`.
        let encoding = if input.as_kept().is_some() { Encoding::NONE } else { encoding };
        taken_len_max(input.len, encoding, seal_len)
    };
    inputs.iter().map(len_max).collect()
}

/// Returns the groups of `parts` as runs, one for each encoding. `next` is the number of the first
/// group.
pub(super) fn runs(parts: &[Part], mut next: u32) -> Vec<RunSpec> {
    let mut runs = Vec::new();
    for run in parts.chunk_by(|a, b| a.encoding == b.encoding) {
        let groups = run.iter().fold(0_usize, |sum, part| sum.saturating_add(part.groups()));
        let groups = u32::try_from(groups).unwrap_or(u32::MAX);
        runs.push(RunSpec { first_group: next, groups });
        next = next.saturating_add(groups);
    }
    runs
}

/// Returns the end of the only table of the `compact` layout, if the package has no fences.
fn compact_tables_end(components: u64) -> u64 {
    COMPONENT_ENTRY_LEN
        .saturating_mul(components)
        .saturating_add(PREAMBLE_LEN)
        .saturating_add(TABLE_HEADER_LEN)
}

/// Returns the numbers of the inputs by id. An id that occurs twice is an error.
fn id_order(inputs: &[Input]) -> Result<Vec<usize>, Error> {
    // Ids compare by their 16 bytes, in text order. Each id is sorted together with its number,
    // because a look-up of the id for each comparison takes longer.
    let mut ids: Vec<_> = inputs.iter().map(|input| input.id).zip(0_usize..).collect();
    ids.sort_unstable();
    for pair in ids.windows(2) {
        let &[(id, a), (next, b)] = pair else { continue };
        if id == next {
            let shown = |i: usize| inputs.get(i).map(ToString::to_string).unwrap_or_default();
            return Err(Error::DuplicateId { id, first: shown(a), second: shown(b) });
        }
    }
    Ok(ids.into_iter().map(|(_, i)| i).collect())
}

/// Returns the numbers of the inputs in the order in which they are stored: range by range, and in
/// path order within a range. If an input shares the stored bytes of an earlier one, this order
/// leaves it out. The returned ranges refer to this order.
fn data_order(
    id_order: &[usize],
    ranges: &[IdRange],
    shared: &Shared,
) -> (Vec<usize>, Vec<IdRange>) {
    let mut order = id_order.to_vec();
    for range in ranges {
        let end = range.first.saturating_add(range.count);
        if let Some(part) = order.get_mut(range.first..end) {
            // Inputs are in path order, so their numbers sort in path order, too.
            part.sort_unstable();
        }
    }
    if shared.seals_max() <= 1 {
        return (order, ranges.to_vec());
    }
    let (mut stored, mut stored_ranges) = (Vec::new(), Vec::with_capacity(ranges.len()));
    for range in ranges {
        let (first, end) = (stored.len(), range.first.saturating_add(range.count));
        let in_range = order.get(range.first..end).unwrap_or_default();
        stored.extend(in_range.iter().copied().filter(|i| !shared.is_other(*i)));
        let count = stored.len().saturating_sub(first);
        stored_ranges.push(IdRange { first, count, ..*range });
    }
    (stored, stored_ranges)
}

/// Sorts regions from id order into the order of the index. If all regions have one encoding, the
/// order stays the same. If copied regions have other encodings, there is one run for each
/// encoding, in the order of the encoding tags.
fn parts(
    inputs: &[Input],
    id_order: Vec<usize>,
    ranges: &[IdRange],
    encoding: Encoding,
) -> (Vec<usize>, Vec<Part>) {
    // The inputs are visited in their own order, because random accesses in id order are slower.
    let tags: Vec<_> = inputs.iter().map(|input| input.encoding(encoding).tag()).collect();
    let tag = |i: &usize| tags.get(*i).copied().unwrap_or(encoding.tag());
    let mut keyed = Vec::new();
    for (number, range) in ranges.iter().enumerate() {
        let end = range.first.saturating_add(range.count);
        let in_range = id_order.get(range.first..end).unwrap_or_default();
        keyed.extend(in_range.iter().map(|i| (tag(i), number, *i)));
    }
    drop(id_order);
    // The sort is stable, so ids stay in order within a part.
    keyed.sort_by_key(|(tag, number, _)| (*tag, *number));
    let mut parts: Vec<Part> = Vec::new();
    for (first, (tag, range, _)) in keyed.iter().enumerate() {
        let encoding = Encoding::from_tag(*tag);
        match parts.last_mut() {
            Some(part) if part.encoding == encoding && part.range == *range => {
                part.count = part.count.saturating_add(1);
            }
            _ => parts.push(Part { range: *range, encoding, first, count: 1 }),
        }
    }
    (keyed.into_iter().map(|(.., i)| i).collect(), parts)
}

/// Returns the maximum number of bytes that a region takes in an id range with its seal.
///
/// A seal may extend past the range's end, because no entry has the offset of a seal. So a region
/// of the maximum length fits into a range.
fn taken_len_max(len: u64, encoding: Encoding, seal_len: u64) -> u64 {
    let stored = stored_len_max(len, encoding);
    let taken = stored.saturating_add(seal_len);
    taken.min(REGION_LEN_MAX.max(stored))
}

/// Returns the maximum number of stored bytes for `len` bytes of content in this encoding.
fn stored_len_max(len: u64, encoding: Encoding) -> u64 {
    if encoding == Encoding::NONE {
        return len;
    }
    // Brotli stores incompressible bytes in blocks of at least 16 KiB, and adds a few bytes to
    // each. Four additional bytes are allowed for each 16 KiB.
    let blocks = len >> 12;
    len.saturating_add(blocks).saturating_add(64).min(REGION_LEN_MAX)
}

#[cfg(test)]
mod tests {
    use super::{Shared, data_order, stored_len_max};
    use dacti_index::{Encoding, id_ranges};

    #[test]
    fn ranges_are_stored_one_by_one_in_path_order() {
        // The inputs are numbered 0 to 4 in path order. In id order they are 4 2 0 3 1. Each has
        // two gigabytes, so two of them fit into a range.
        let id_order = [4, 2, 0, 3, 1];
        let ranges = id_ranges([2_000_000_000; 5]).unwrap();
        let (order, same) = data_order(&id_order, &ranges, &Shared::default());
        assert_eq!(order, [2, 4, 0, 3, 1]);
        assert_eq!(same, ranges);
    }

    #[test]
    fn what_fits_an_entry_is_not_refused_for_brotlis_overhead() {
        assert_eq!(stored_len_max(0xffff_ffff, Encoding::BROTLI), 0xffff_ffff);
        assert_eq!(stored_len_max(0, Encoding::BROTLI), 64);
        assert_eq!(stored_len_max(9, Encoding::NONE), 9);
    }
}
