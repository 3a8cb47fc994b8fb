//! The `dacti-layout` component, and the map of a new package's head.
//!
//! The component records the room that a packer has left for updates. Readers of regions do not
//! need it. Specification: `docs/spec/dacti-package.md`, "The cdn layout", "The dacti-layout
//! component".

use crate::{Error, LayoutFault, Misuse};
use bytemuck::{Pod, Zeroable};
use dacti_index::{GROUP_LEN, INDEX_HEADER_LEN, index_len};
use dacti_lookup::{RUNS_MAX, RunSpec, lookup_len, stride_for};
use daicon_core::{
    COMPONENT_ENTRY_LEN, HEAD_LEN, Span, U32Le, U64Le, Version, bytes_of, struct_at, to_u64,
};
use uuid::Uuid;

/// The UUID of the layout component.
pub const LAYOUT_ID: Uuid = Uuid::from_u128(0x198f23aa_227b_499f_9da1_6410035ed473);
/// The component version that this crate writes and reads.
pub const LAYOUT_VERSION: Version = Version::new(0, 1);
/// Length of the layout component's region, in bytes.
pub const LAYOUT_LEN: u64 = 80;
/// The default slice length. If a cache has longer slices, readers stay correct, but need more
/// requests.
pub const SLICE_LEN: u64 = 65_536;
/// The shortest and the longest allowed slice length.
pub const SLICE_LEN_RANGE: core::ops::RangeInclusive<u64> = 4096..=1 << 30;

/// Slots of the first table, used ones included.
pub const T1_SLOTS: u32 = 16;
/// Slots of each place of the second table.
pub const T2_SLOTS: u32 = 8;
/// Positions of the two places of the second table. A fold switches from one to the other.
pub const T2_PLACES: [u64; 2] = [504, 752];
/// Position of the layout component's region.
pub const LAYOUT_AT: u64 = 1000;
/// Position of the seal component's region.
pub const SEAL_AT: u64 = 1080;
/// The start of the parts component's region in a new package, absolute.
pub const PARTS_AT: u64 = 1536;
/// Length of the parts component's region, in bytes.
pub const PARTS_LEN: u64 = 2048;
/// Start of the room for lookup fences.
pub const FENCES_AT: u64 = PARTS_AT + PARTS_LEN;
/// The maximum number of groups that fit into the head. A longer index has `DELTA_GROUPS` delta
/// groups. Above `LARGE_ENTRIES` entries, it has only `DELTA_GROUPS_LARGE`, to leave room for more
/// fences.
const HEAD_GROUPS: u32 = 10;
const DELTA_GROUPS: u32 = 8;
const DELTA_GROUPS_LARGE: u32 = 4;
const LARGE_ENTRIES: u64 = 2_000_000;

/// The content of the layout component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// File id: 16 bytes of the digest of the first index and its regions. It differs between
    /// packages.
    pub file_id: [u8; 16],
    /// Slice length in bytes: appends begin at its multiples.
    pub slice_len: u64,
    /// End of the package when it was packed, absolute. It is a multiple of the slice length.
    pub fresh_end: u64,
    /// Number of delta groups of the first index.
    pub delta_groups: u32,
    /// Slots of the first table, used ones included.
    pub t1_slots: u32,
    /// Positions of the two places of the second table, absolute.
    pub t2_places: [u32; 2],
    /// Slots of each place of the second table.
    pub t2_slots: u32,
    /// The room for lookup fences in the head, absolute; empty if there is none.
    pub fences: Span,
}

/// The bytes of the component's region.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct LayoutRegion {
    version: U32Le,
    head_len: U32Le,
    file_id: [u8; 16],
    slice_len: U64Le,
    fresh_end: U64Le,
    delta_groups: U32Le,
    t1_slots: U32Le,
    t2_places: [U32Le; 2],
    t2_slots: U32Le,
    fences_at: U32Le,
    fences_len: U32Le,
    reserved: [u8; 12],
}

const _: () = assert!(size_of::<LayoutRegion>() as u64 == LAYOUT_LEN);

impl Layout {
    /// Reads a layout region that starts at `at` in a file of `len` bytes.
    ///
    /// # Errors
    /// `Layout` if the region is too short, or if one of its fields is invalid.
    pub fn parse(region: &[u8], at: u64, len: u64) -> Result<Self, Error> {
        let fault = |fault| Error::Layout { at, fault };
        let found = to_u64(region.len());
        let region: &LayoutRegion =
            struct_at(region).ok_or_else(|| fault(LayoutFault::TooShort(found)))?;
        if region.version.get() != 0 {
            return Err(fault(LayoutFault::Version(region.version.get())));
        }
        if u64::from(region.head_len.get()) != HEAD_LEN {
            return Err(fault(LayoutFault::HeadLen(region.head_len.get())));
        }
        let slice_len = region.slice_len.get();
        if check_slice_len(slice_len).is_err() {
            return Err(fault(LayoutFault::SliceLen(slice_len)));
        }
        let fresh_end = region.fresh_end.get();
        if fresh_end > len || !fresh_end.is_multiple_of(slice_len) {
            return Err(fault(LayoutFault::FreshEnd(fresh_end)));
        }
        let fences_at = u64::from(region.fences_at.get());
        let fences_end = fences_at.saturating_add(u64::from(region.fences_len.get()));
        Ok(Self {
            file_id: region.file_id,
            slice_len,
            fresh_end,
            delta_groups: region.delta_groups.get(),
            t1_slots: region.t1_slots.get(),
            t2_places: region.t2_places.map(U32Le::get),
            t2_slots: region.t2_slots.get(),
            fences: Span { start: fences_at, end: fences_end },
        })
    }

    /// Returns the bytes of the component's region.
    ///
    /// # Errors
    /// `Misuse` for a slice length that the format does not allow; `Layout` if `fresh_end` is not a
    /// multiple of the slice length, or if the room for fences ends at 4 GiB or later.
    pub fn emit(&self) -> Result<[u8; size_of::<LayoutRegion>()], Error> {
        check_slice_len(self.slice_len)?;
        let fault = |fault| Error::Layout { at: LAYOUT_AT, fault };
        if !self.fresh_end.is_multiple_of(self.slice_len) {
            return Err(fault(LayoutFault::FreshEnd(self.fresh_end)));
        }
        if u32::try_from(self.fences.end).is_err() {
            return Err(fault(LayoutFault::Fences(self.fences.end)));
        }
        let short = |n: u64| U32Le::new(u32::try_from(n).unwrap_or(u32::MAX));
        let region = LayoutRegion {
            version: U32Le::new(0),
            head_len: short(HEAD_LEN),
            file_id: self.file_id,
            slice_len: self.slice_len.into(),
            fresh_end: self.fresh_end.into(),
            delta_groups: self.delta_groups.into(),
            t1_slots: self.t1_slots.into(),
            t2_places: self.t2_places.map(U32Le::new),
            t2_slots: self.t2_slots.into(),
            fences_at: short(self.fences.start),
            fences_len: short(self.fences.len()),
            reserved: [0; 12],
        };
        let mut out = [0; size_of::<LayoutRegion>()];
        out.copy_from_slice(bytes_of(&region));
        Ok(out)
    }
}

/// The place of the index of a new package, and its delta groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexPlace {
    /// The whole index region, absolute.
    pub span: Span,
    /// Number of groups, delta groups included.
    pub groups: u32,
    /// Number of delta groups. They are the first groups.
    pub delta_groups: u32,
    /// Room for lookup fences, absolute.
    pub fences: Span,
    /// The stored bytes of hot regions, absolute. They end at the start of the index. Empty if
    /// there are no hot regions. The last delta group lists them.
    pub hot: Span,
}

impl IndexPlace {
    /// Returns the place of an index in the `cdn` layout. If the whole index does not fit into the
    /// head, only its delta groups lie in the head, and the last delta group ends where the head
    /// ends.
    #[must_use]
    pub fn cdn(filled: u32, entries: u64) -> Self {
        let (delta_groups, groups) = if filled <= HEAD_GROUPS {
            (HEAD_GROUPS.saturating_sub(filled), HEAD_GROUPS)
        } else {
            let delta = delta_groups_behind(entries);
            (delta, filled.saturating_add(delta))
        };
        let in_head = if filled <= HEAD_GROUPS { HEAD_GROUPS } else { delta_groups };
        let start = head_index_start(in_head);
        let span = Span { start, end: start.saturating_add(index_len(groups)) };
        let fences = if filled <= HEAD_GROUPS {
            Span::default()
        } else {
            Span { start: FENCES_AT, end: start }
        };
        Self { span, groups, delta_groups, fences, hot: Span::default() }
    }

    /// Returns the place of an index in the `cdn` layout with hot regions in the head. `hot_len` is
    /// the length of the hot regions in bytes, seals included. `filled` counts groups and `entries`
    /// counts entries, both without the hot regions.
    ///
    /// If the hot regions need the room, there are fewer delta groups, but at least one, which
    /// lists the hot regions. If possible, the whole index lies in the head. The number of fences
    /// is the same as without hot regions. Returns `None` if the hot regions do not fit into the
    /// head.
    #[must_use]
    pub fn cdn_hot(filled: u32, entries: u64, hot_len: u64) -> Option<Self> {
        let (delta_groups, in_head) = Self::hot_choices(filled, entries)
            .find(|choice| Self::hot_room(*choice, filled, entries) >= hot_len)?;
        let start = head_index_start(in_head);
        let hot = Span { start: start.checked_sub(hot_len)?, end: start };
        let groups = filled.saturating_add(delta_groups);
        let is_whole = in_head == groups;
        let fences =
            if is_whole { Span::default() } else { Span { start: FENCES_AT, end: hot.start } };
        let span = Span { start, end: start.saturating_add(index_len(groups)) };
        Some(Self { span, groups, delta_groups, fences, hot })
    }

    /// Returns the maximum length of all hot regions together, in bytes.
    #[must_use]
    pub fn hot_len_max(filled: u32, entries: u64) -> u64 {
        let choices = Self::hot_choices(filled, entries);
        choices.map(|choice| Self::hot_room(choice, filled, entries)).max().unwrap_or(0)
    }

    /// Returns pairs, the best first: a possible number of delta groups, and the number of groups
    /// of the index that then lie in the head.
    fn hot_choices(filled: u32, entries: u64) -> impl Iterator<Item = (u32, u32)> {
        let whole = 1..=HEAD_GROUPS.saturating_sub(filled);
        let whole = whole.rev().map(move |delta| (delta, delta.saturating_add(filled)));
        // An index without filled groups always fits into the head.
        let behind = 1..=if filled == 0 { 0 } else { delta_groups_behind(entries) };
        whole.chain(behind.rev().map(|delta| (delta, delta)))
    }

    /// Returns the number of bytes that are free for hot regions between the fences and the index,
    /// if the index has this choice of delta groups.
    fn hot_room((delta, in_head): (u32, u32), filled: u32, entries: u64) -> u64 {
        let room = head_index_start(in_head).saturating_sub(FENCES_AT);
        if in_head > delta || filled == 0 {
            return room;
        }
        let runs = [RunSpec { first_group: delta, groups: filled }];
        let by_default = head_index_start(delta_groups_behind(entries)).saturating_sub(FENCES_AT);
        let stride = stride_for(&runs, by_default);
        room.saturating_sub(stride.map_or(0, |stride| lookup_len(&runs, stride)))
    }

    /// Returns the place of an index in the `cdn` layout with `delta_groups` delta groups. If the
    /// whole index fits into the head, the index may have more delta groups than this.
    ///
    /// # Errors
    /// `Misuse` if the delta groups do not fit the head beside the fences.
    pub fn with_delta_groups(filled: u32, delta_groups: u32) -> Result<Self, Error> {
        if filled.saturating_add(delta_groups) <= HEAD_GROUPS {
            return Ok(Self::cdn(filled, 0));
        }
        let fits = |groups: u32| stride_in(fences_room(groups), filled).is_some();
        if delta_groups > HEAD_GROUPS || !fits(delta_groups) {
            let max = (0..=HEAD_GROUPS).rev().find(|groups| fits(*groups)).unwrap_or_default();
            return Err(Misuse::DeltaGroups { found: delta_groups, max }.into());
        }
        let groups = filled.saturating_add(delta_groups);
        let fences = fences_room(delta_groups);
        let span = Span { start: fences.end, end: fences.end.saturating_add(index_len(groups)) };
        Ok(Self { span, groups, delta_groups, fences, hot: Span::default() })
    }

    /// Returns the place of an index in the `compact` layout. The index starts at `at`, where the
    /// table ends, and has no room for updates. Without regions, the index is empty. If the index
    /// would end after the head, and its fences fit into the head, the fences lie before the index.
    /// Their component makes the table one entry longer, so the fences start one entry after `at`.
    #[must_use]
    pub fn compact(runs: &[RunSpec], at: u64) -> Self {
        let groups = runs.iter().fold(0_u32, |sum, run| sum.saturating_add(run.groups));
        let len = if groups == 0 { 0 } else { index_len(groups) };
        let mut fences = Span::default();
        // The region of an empty index has the offset 0.
        let mut start = if groups == 0 { 0 } else { at };
        if start.saturating_add(len) > HEAD_LEN {
            let fences_at = at.saturating_add(COMPONENT_ENTRY_LEN);
            let stride = stride_for(runs, HEAD_LEN.saturating_sub(fences_at));
            // Each search looks into every run, so readers accept only a limited number of runs. An
            // index of more runs has no fences.
            if let Some(stride) = stride.filter(|_| runs.len() <= RUNS_MAX) {
                start = fences_at.saturating_add(lookup_len(runs, stride));
                fences = Span { start: fences_at, end: start };
            }
        }
        let span = Span { start, end: start.saturating_add(len) };
        Self { span, groups, delta_groups: 0, fences, hot: Span::default() }
    }
}

/// Returns the number of delta groups of an index that ends after the head.
const fn delta_groups_behind(entries: u64) -> u32 {
    if entries > LARGE_ENTRIES { DELTA_GROUPS_LARGE } else { DELTA_GROUPS }
}

/// Returns the start of an index whose first `groups` groups end at the end of the head.
fn head_index_start(groups: u32) -> u64 {
    let head_part = GROUP_LEN.saturating_mul(groups.into()).saturating_add(INDEX_HEADER_LEN);
    HEAD_LEN.saturating_sub(head_part)
}

/// Returns the room for fences, which precedes an index whose first `groups_in_head` groups lie in
/// the head.
pub(crate) fn fences_room(groups_in_head: u32) -> Span {
    Span { start: FENCES_AT, end: head_index_start(groups_in_head) }
}

/// Returns the stride with which the fences of one run of `filled` groups fit into `room`.
pub(crate) fn stride_in(room: Span, filled: u32) -> Option<u32> {
    // The number of the first group does not change the length.
    stride_for(&[RunSpec { first_group: 0, groups: filled }], room.len())
}

/// Checks that a slice length is a power of two from 4 KiB to 1 GiB.
///
/// # Errors
/// `Misuse`.
pub fn check_slice_len(slice_len: u64) -> Result<(), Error> {
    if SLICE_LEN_RANGE.contains(&slice_len) && slice_len.is_power_of_two() {
        return Ok(());
    }
    Err(Misuse::SliceLen(slice_len).into())
}

#[cfg(test)]
mod tests {
    use super::{IndexPlace, Layout, check_slice_len};
    use crate::Misuse;
    use daicon_core::Span;

    #[test]
    fn an_index_that_fits_the_head_lies_in_it_whole() {
        // spec: R-LAY-03
        for (filled, delta) in [(0, 10), (1, 9), (9, 1), (10, 0)] {
            let place = IndexPlace::cdn(filled, u64::from(filled) * 255);
            assert_eq!(place.span, Span { start: 4168, end: 65_536 });
            assert_eq!((place.groups, place.delta_groups), (10, delta));
        }
    }

    #[test]
    fn a_larger_index_has_its_delta_groups_at_the_heads_end() {
        // spec: R-LAY-04
        let place = IndexPlace::cdn(11, 2551);
        assert_eq!((place.span.start, place.groups, place.delta_groups), (16_440, 19, 8));
        assert_eq!(place.span.start + 8 + 8 * 6136, 65_536);
        assert_eq!(place.fences, Span { start: 3584, end: 16_440 });
        let large = IndexPlace::cdn(7844, 2_000_001);
        assert_eq!((large.span.start, large.delta_groups), (40_984, 4));
        assert_eq!(IndexPlace::cdn(7844, 2_000_000).delta_groups, 8);
    }

    #[track_caller]
    fn check_hot((filled, entries, hot_len): (u32, u64, u64), expected: Option<(u32, u64, Span)>) {
        let place = IndexPlace::cdn_hot(filled, entries, hot_len);
        let found = place.map(|place| {
            assert_eq!(
                place.hot,
                Span { start: place.span.start - hot_len, end: place.span.start }
            );
            assert_eq!(place.groups, filled + place.delta_groups);
            (place.delta_groups, place.span.start, place.fences)
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn groups_for_updates_give_way_to_hot_regions() {
        // spec: R-LAY-12, R-LAY-13
        let none = Span::default();
        // The whole index lies in the head: one filled group and the delta groups. With ten groups,
        // 584 bytes are free for hot regions. Each delta group that is left out frees 6,136 more
        // bytes.
        check_hot((1, 200, 584), Some((9, 4168, none)));
        check_hot((1, 200, 585), Some((8, 10_304, none)));
        check_hot((1, 200, 584 + 8 * 6136), Some((1, 53_256, none)));
        // For one more byte, the filled group must lie after the head. Its one fence takes 8 bytes,
        // after a header of 32 bytes.
        let fences = |end| Span { start: 3584, end };
        let len = 584 + 8 * 6136 + 1;
        check_hot((1, 200, len), Some((1, 59_392, fences(59_392 - len))));
        check_hot((1, 200, 55_808 - 40), Some((1, 59_392, fences(3624))));
        check_hot((1, 200, 55_808 - 39), None);
        assert_eq!(IndexPlace::hot_len_max(1, 200), 55_808 - 40);
        // Ten filled groups and the delta group that lists the hot regions do not fit into the head
        // together.
        check_hot((10, 2550, 100), Some((8, 16_440, fences(16_340))));
        // There is no filled group, because all regions are hot.
        check_hot((0, 0, 55_808), Some((1, 59_392, none)));
        check_hot((0, 0, 55_809), None);
        // The fences of 393 groups take 3,144 bytes, and the header before them takes 32 bytes. The
        // room has 12,856 bytes.
        check_hot((393, 100_001, 12_856 - 3176), Some((8, 16_440, fences(6760))));
        check_hot((393, 100_001, 12_856 - 3175), Some((7, 22_576, fences(22_576 - 9681))));
        // 3,922 groups have 1,308 fences with a stride of 3. This is the stride without hot
        // regions.
        let fences_len = 32 + 8 * 1308;
        assert_eq!(IndexPlace::hot_len_max(3922, 1_000_001), 55_808 - fences_len);
        check_hot(
            (3922, 1_000_001, 12_856 - fences_len),
            Some((8, 16_440, fences(3584 + fences_len))),
        );
    }

    #[test]
    fn a_caller_may_choose_the_delta_groups() {
        // spec: R-LAY-20
        // Beside 9 filled groups, only one delta group fits into the head. With five delta groups,
        // the index starts at 65,536 - 8 - 5 * 6136 = 34,848, and the filled groups lie after the
        // head.
        let place = IndexPlace::with_delta_groups(9, 5).unwrap();
        assert_eq!((place.span.start, place.groups, place.delta_groups), (34_848, 14, 5));
        assert_eq!(place.span.end, 34_848 + 8 + 14 * 6136);
        assert_eq!(place.fences, Span { start: 3584, end: 34_848 });
        // If the index fits into the head with the chosen delta groups, further delta groups fill
        // the rest of the head.
        assert_eq!(IndexPlace::with_delta_groups(3, 2), Ok(IndexPlace::cdn(3, 765)));
        assert_eq!(IndexPlace::with_delta_groups(393, 8), Ok(IndexPlace::cdn(393, 100_000)));
        let none = IndexPlace::with_delta_groups(393, 0).unwrap();
        assert_eq!((none.span.start, none.groups, none.delta_groups), (65_528, 393, 0));
        // Ten delta groups leave 584 bytes, for 69 fences of at most 256 groups each.
        assert!(IndexPlace::with_delta_groups(69 * 256, 10).is_ok());
        let refused = |found, max| Err(Misuse::DeltaGroups { found, max }.into());
        assert_eq!(IndexPlace::with_delta_groups(69 * 256 + 1, 10), refused(10, 9));
        assert_eq!(IndexPlace::with_delta_groups(5, 11), refused(11, 10));
    }

    #[test]
    fn slices_are_powers_of_two_within_bounds() {
        for good in [4096, 65_536, 1 << 30] {
            assert!(check_slice_len(good).is_ok());
        }
        for bad in [0, 1, 2048, 4097, 3 << 20, 1 << 31] {
            assert!(check_slice_len(bad).is_err());
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let layout = Layout {
            file_id: *b"0123456789abcdef",
            slice_len: 4096,
            fresh_end: 8192,
            delta_groups: 9,
            t1_slots: 16,
            t2_places: [504, 752],
            t2_slots: 8,
            fences: Span { start: 3584, end: 16_440 },
        };
        let region = layout.emit().unwrap();
        assert_eq!(region[..4], [0; 4]);
        assert_eq!(region[4..8], [0, 0, 1, 0], "head length, little-endian");
        assert_eq!(Layout::parse(&region, 1000, 8192).unwrap(), layout);
        assert!(Layout::parse(&region, 1000, 8191).is_err(), "the fresh end lies past the file");
        assert!(Layout::parse(&region[..79], 1000, 8192).is_err());
    }
}
