//! Counts the bytes of a package by their use, finds dead bytes, and tells whether compaction pays.
//!
//! Specification: `docs/spec/dacti-package.md`, "The cdn layout". The format does not define when
//! compaction pays; [`Compaction`] defines it for this crate.

mod duplicates;

pub use duplicates::Duplicates;

use crate::index::IndexScan;
use crate::report::{Claimant, FileMap, VerifyProgress};
use crate::{Error, HEAD_LEN, Package};
use core::ops::ControlFlow;
use dacti_cdn::IndexPlace;
use dacti_cdn::parts::BaseGroups;
use dacti_index::{Encoding, GROUP_ENTRIES, INDEX_HEADER_LEN};
use dacti_lookup::{LOOKUP_ID, RunSpec};
use dacti_seal::{SEALS_MAX, Seals};
use daicon_core::{COMPONENT_ENTRY_LEN, PREAMBLE_LEN, TABLE_HEADER_LEN, to_u64};
use std::collections::BTreeMap;

/// The maximum number of unclaimed bytes that are checked to distinguish padding from dead bytes.
const LOOK_MAX: u64 = 1 << 30;
/// Compaction pays if it saves at least the file's length divided by this number.
const PAYS_FROM: u64 = 4;

/// The bytes of a package by their use.
///
/// Each byte of the file counts in exactly one of the first ten numbers, so their sum is the
/// file's length. These numbers are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Stored bytes of the regions that the index lists, without the names list.
    pub live: u64,
    /// The seals of the live regions, of the dictionary, of the names list and of removals.
    pub seals: u64,
    /// Stored bytes of the dictionary.
    pub dictionary: u64,
    /// Stored bytes of the names list, in all segments.
    pub names: u64,
    /// The current index: its header, its groups in use and its fences.
    pub index: u64,
    /// Signature, format header, tables, and all component regions that no other number counts.
    pub head: u64,
    /// Room for later entries, components and fences.
    pub reserve: u64,
    /// Positions at which parts of a package in parts start a second time. They are part of the
    /// package's length, but take no room in a store.
    pub second_starts: u64,
    /// Unclaimed zeros, at the ends of slices and in gaps.
    pub padding: u64,
    /// All other bytes: replaced regions with their seals, old indexes and names lists, remains of
    /// interrupted updates, and bytes of other programs.
    pub dead: u64,
    /// The part of `dead` that entries of the index still name. The rest of `dead` consists of
    /// remains of folds, of interrupted updates and of other programs, and of zeros that belonged
    /// to a removed region.
    pub replaced: u64,
    /// The part of `dead` that was not checked. At most 1 GiB of unclaimed bytes is checked, and
    /// all further unclaimed bytes count as dead.
    pub not_looked_at: u64,
    /// The number of regions that the index lists, without the names list.
    pub regions: u64,
    /// The number of regions that share all their bytes with another region. These bytes count
    /// once.
    pub shared: u64,
    /// The number of regions whose stored bytes extend past the end of the file, or whose entry has
    /// an invalid span. The other numbers do not include them.
    pub outside: u64,
    /// The number of segments of the names list.
    pub segments: u64,
    /// The room for updates.
    pub reserve_left: ReserveLeft,
    /// Equal contents that are stored more than once; `None` if the caller did not ask for them.
    pub duplicates: Option<Duplicates>,
    /// The effect of a compaction.
    pub compaction: Compaction,
}

/// The room in the head for updates. All numbers are zero in a package without the `dacti-layout`
/// component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReserveLeft {
    /// The number of entries that new and changed regions can still add to the delta groups. An
    /// update adds one entry for each region, and one more if it adds paths.
    pub entries: u64,
    /// The number of delta groups without any entry.
    pub delta_groups: u64,
    /// The number of free slots of the first table, for components that never move.
    pub t1_slots: u64,
    /// The number of free slots of the current second table.
    pub t2_slots: u64,
    /// The absolute position at which a fold may write the second table. `None` if both places of
    /// the second table are in use, or neither.
    pub t2_place: Option<u64>,
}

/// The effect of a compaction, and whether it pays, that is, whether it is worth its cost.
///
/// A compaction pays if it saves a quarter of the file and at least a slice. It also pays if the
/// package was folded and its index takes more than a slice, because every update then writes the
/// whole index again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compaction {
    /// The approximate length of the new file, in the package's layout.
    pub len: u64,
    /// The number of bytes that compaction saves.
    pub saved: u64,
    /// Whether compaction saves a quarter of the file and at least a slice.
    pub saves_enough: bool,
    /// Whether no delta group is left, so that each update writes an index of more than a slice.
    pub updates_are_dear: bool,
}

impl Compaction {
    /// Returns whether compaction pays.
    #[must_use]
    pub const fn pays(&self) -> bool {
        self.saves_enough || self.updates_are_dear
    }
}

impl Usage {
    /// Returns the sum of the first ten numbers, which is the file's length.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self { live, seals, dictionary, names, index, head, reserve, padding, dead, .. } =
            *self;
        let second_starts = self.second_starts;
        let parts =
            [live, seals, dictionary, names, index, head, reserve, second_starts, padding, dead];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

impl Package {
    /// Counts the bytes of the package by their use. If `duplicates` is set, regions of equal
    /// length are compared.
    ///
    /// The count stops if `progress` returns `Break`. Cost: the index, the names list and up to 1
    /// GiB of unclaimed bytes are read; for duplicates see [`Duplicates`]. Memory: as much as
    /// [`list`](Self::list) takes, 40 bytes for each entry of the map, and 72 bytes for each region
    /// that may be a duplicate.
    ///
    /// # Errors
    /// An index that cannot be read at all; an error of the source; `Stopped`.
    pub fn usage(
        &self,
        duplicates: bool,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<Usage, Error> {
        let scan = self.scan_index()?;
        let map = FileMap::of_looking(self, &scan, LOOK_MAX)?;
        let mut usage = parts(&map);
        debug_assert_eq!(usage.total(), self.view().len(), "every byte is in one part");
        let has_names = scan.found.iter().any(|found| found.id == dacti_names::NAMES_ID);
        usage.regions = to_u64(scan.found.len()).saturating_sub(u64::from(has_names));
        usage.segments = self.names().map_or(0, |names| to_u64(names.segments()));
        usage.reserve_left = reserve_left(self, &scan);
        if duplicates {
            usage.duplicates = Some(Duplicates::find(self, &scan, progress)?);
        }
        usage.compaction = compaction(self, &scan, &usage);
        self.confirm()?;
        Ok(usage)
    }
}

/// Adds the length of every claim to the number for its use.
fn parts(map: &FileMap) -> Usage {
    let mut usage = Usage {
        live: 0,
        seals: map.seals_len(),
        dictionary: 0,
        names: 0,
        index: 0,
        head: 0,
        reserve: 0,
        second_starts: 0,
        padding: 0,
        dead: 0,
        replaced: 0,
        not_looked_at: 0,
        regions: 0,
        shared: map.shared,
        outside: map.outside,
        segments: 0,
        reserve_left: ReserveLeft::default(),
        duplicates: None,
        compaction: Compaction::default(),
    };
    for claim in &map.claims {
        let part = match claim.claimant {
            Claimant::Regions | Claimant::SealedRegions => &mut usage.live,
            Claimant::Names => &mut usage.names,
            Claimant::Dictionary => &mut usage.dictionary,
            Claimant::Component(LOOKUP_ID) | Claimant::IndexHeader | Claimant::Groups => {
                &mut usage.index
            }
            Claimant::Start | Claimant::Table | Claimant::Component(_) => &mut usage.head,
            Claimant::TableRoom | Claimant::KeysRoom | Claimant::GroupsRoom => &mut usage.reserve,
            Claimant::SecondStart => &mut usage.second_starts,
            Claimant::Padding | Claimant::Zeros => &mut usage.padding,
            Claimant::Removals => &mut usage.seals,
            Claimant::Replaced => &mut usage.replaced,
            Claimant::NotLookedAt => &mut usage.not_looked_at,
            Claimant::Unclaimed => &mut usage.dead,
        };
        *part = part.saturating_add(claim.span.len());
    }
    usage.dead = usage.dead.saturating_add(usage.replaced).saturating_add(usage.not_looked_at);
    // The claims of sealed regions include their seals, which `Usage` counts separately.
    let (names_seals, dictionary_seal) = (map.names_seals_len(), map.dictionary_seal_len());
    usage.names = usage.names.saturating_sub(names_seals);
    usage.dictionary = usage.dictionary.saturating_sub(dictionary_seal);
    let others = names_seals.saturating_add(dictionary_seal);
    usage.live = usage.live.saturating_sub(map.seals_len().saturating_sub(others));
    usage
}

fn reserve_left(package: &Package, scan: &IndexScan) -> ReserveLeft {
    let view = package.view();
    let Some(layout) = view.layout() else { return ReserveLeft::default() };
    let slots_used = |at: u64| {
        let table = view.tables().iter().find(|table| table.start == at);
        let len = table.map(|table| table.len().saturating_sub(TABLE_HEADER_LEN));
        len.map(|len| len / COMPONENT_ENTRY_LEN)
    };
    let [a, b] = layout.t2_places.map(u64::from);
    let (in_force, t2_place) = match (slots_used(a), slots_used(b)) {
        (Some(used), None) => (Some(used), Some(b)),
        (None, Some(used)) => (Some(used), Some(a)),
        _ => (None, None),
    };
    let deltas = usize::try_from(delta_groups(package)).unwrap_or(usize::MAX);
    let deltas = scan.groups.get(..deltas.min(scan.groups.len())).unwrap_or_default();
    // Updates fill the delta groups from the last to the first.
    let empty = deltas.iter().take_while(|group| group.length == 0).count();
    let mut begun = deltas.iter().skip(empty).filter(|group| group.encoding != Encoding::GONE);
    let begun = begun
        .next()
        .map_or(0, |group| to_u64(GROUP_ENTRIES).saturating_sub(u64::from(group.length)));
    let t1_used = slots_used(PREAMBLE_LEN).unwrap_or_default();
    ReserveLeft {
        entries: to_u64(GROUP_ENTRIES).saturating_mul(to_u64(empty)).saturating_add(begun),
        delta_groups: to_u64(empty),
        t1_slots: u64::from(layout.t1_slots).saturating_sub(t1_used),
        t2_slots: in_force.map_or(0, |used| u64::from(layout.t2_slots).saturating_sub(used)),
        t2_place,
    }
}

/// Returns the number of delta groups in the current index. After a fold, there are none.
fn delta_groups(package: &Package) -> u32 {
    let view = package.view();
    let fresh = view.index().start < HEAD_LEN;
    view.layout().filter(|_| fresh).map_or(0, |layout| layout.delta_groups)
}

/// Returns the effect of a compaction. This assumes that layout, regions and seals stay the same,
/// and that the names list does not become longer.
fn compaction(package: &Package, scan: &IndexScan, usage: &Usage) -> Compaction {
    let view = package.view();
    let mut entries: BTreeMap<[u8; 4], usize> = BTreeMap::new();
    for found in &scan.found {
        let count = entries.entry(found.encoding.tag()).or_default();
        *count = count.saturating_add(1);
    }
    let groups = entries.values().map(|count| count.div_ceil(GROUP_ENTRIES));
    let groups = u32::try_from(groups.fold(0_usize, usize::saturating_add)).unwrap_or(u32::MAX);
    let data = [usage.live, usage.seals, usage.dictionary, usage.names];
    let data = data.into_iter().fold(0, u64::saturating_add);
    // A compaction of a package with seals stores equal contents only once, so the bytes of
    // duplicates are subtracted.
    let again = usage.duplicates.as_ref().filter(|_| view.seals().is_some());
    let data = data.saturating_sub(again.map_or(0, |again| again.len));
    let (len, slice_len) = if let Some(layout) = view.layout() {
        let index = IndexPlace::cdn(groups, to_u64(scan.found.len()));
        let shares = again.is_some_and(|again| again.len > 0);
        let room_len = view.seals().map_or(0, |seals| {
            let seals_max = if shares { SEALS_MAX } else { seals.seals_max };
            Seals { seals_max, ..seals.clone() }.room_len()
        });
        let end = index.span.end.saturating_add(data).saturating_add(room_len);
        (end.checked_next_multiple_of(layout.slice_len).unwrap_or(end), layout.slice_len)
    } else {
        // The compact layout has one table, in most cases with two components, and its own fences.
        let tables =
            PREAMBLE_LEN.saturating_add(TABLE_HEADER_LEN).saturating_add(COMPONENT_ENTRY_LEN * 2);
        let runs = [RunSpec { first_group: 0, groups }];
        (IndexPlace::compact(&runs, tables).span.end.saturating_add(data), INDEX_HEADER_LEN)
    };
    let saved = view.len().saturating_sub(usage.second_starts).saturating_sub(len);
    let folded = view.layout().is_some() && view.index().start >= HEAD_LEN;
    // An update of a package in parts does not write the base groups again.
    let groups = u32::try_from(scan.groups.len()).unwrap_or(u32::MAX);
    let kept = view.parts().and_then(|parts| {
        BaseGroups::of(&parts.region.list, view.index(), groups).map(|base| base.span.len())
    });
    let rewritten = usage.index.saturating_sub(kept.unwrap_or_default());
    Compaction {
        len,
        saved,
        saves_enough: saved >= slice_len && saved >= view.len() / PAYS_FROM,
        updates_are_dear: folded && rewritten > slice_len,
    }
}
