//! Maps a package: the use of every byte.

use crate::index::IndexScan;
use crate::read::sealed_spans::SealedSpans;
use crate::report::gaps::Gaps;
use crate::{Error, Package};
use core::fmt;
use dacti_cdn::HEAD_LEN;
use dacti_cdn::parts::PartList;
use dacti_index::{
    DICTIONARY_ID, GROUP_HEADER_LEN, GROUP_LEN, INDEX_ENTRY_LEN, INDEX_HEADER_LEN, Located,
};
use dacti_lookup::LOOKUP_ID;
use dacti_names::NAMES_ID;
use daicon_core::{PREAMBLE_LEN, Span, TABLE_HEADER_LEN};
use uuid::Uuid;

/// The maximum total number of bytes in gaps that are checked for zeros.
const GAPS_LEN_MAX: u64 = 64 << 20;

/// The use of consecutive bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Claimant {
    /// Signature and format header.
    Start,
    /// A component table: its header and its entries in use.
    Table,
    /// Room for later components: free slots after a table's entries, or the place of T2 that is
    /// not in use.
    TableRoom,
    /// The region of a component.
    Component(Uuid),
    /// Room for fences.
    KeysRoom,
    /// The header of the index.
    IndexHeader,
    /// Headers and used entries of groups.
    Groups,
    /// Unused entries of groups.
    GroupsRoom,
    /// Stored bytes of regions.
    Regions,
    /// Stored bytes of regions, each followed by its seal.
    SealedRegions,
    /// Stored bytes of the names list, and its seal if it has one.
    Names,
    /// Stored bytes of the dictionary, and its seal if it has one.
    Dictionary,
    /// Seals of removals. A removal is an entry that says that a region is absent.
    Removals,
    /// Stored bytes that replaced entries name, with their seals.
    Replaced,
    /// Positions at which a part of a package in parts starts a second time. The bytes of the part
    /// are claimed where the part starts first.
    SecondStart,
    /// Zeros after packed or appended bytes, up to a multiple of the slice length.
    Padding,
    /// Zeros that no structure claims.
    Zeros,
    /// Bytes that no structure claims, and that are not all zero.
    Unclaimed,
    /// Bytes that no structure claims, and that were not checked.
    NotLookedAt,
}

impl fmt::Display for Claimant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "signature and format header",
            Self::Table => "component table",
            Self::TableRoom => "room for components",
            Self::Component(id) => return write!(f, "component {id}"),
            Self::KeysRoom => "room for fences",
            Self::IndexHeader => "index header",
            Self::Groups => "index groups",
            Self::GroupsRoom => "room for index entries",
            Self::Regions => "regions",
            Self::SealedRegions => "regions, each with its seal",
            Self::Names => "names list",
            Self::Dictionary => "dictionary",
            Self::Removals => "seals of removals",
            Self::Replaced => "replaced regions",
            Self::SecondStart => "second start of a part",
            Self::Padding => "padding",
            Self::Zeros => "unclaimed, zeros",
            Self::Unclaimed => "unclaimed",
            Self::NotLookedAt => "unclaimed, not checked",
        })
    }
}

/// Consecutive bytes and their use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The bytes, absolute.
    pub span: Span,
    /// The use of these bytes.
    pub claimant: Claimant,
    /// The number of regions, entries or slots in these bytes.
    pub count: u64,
}

impl Claim {
    const fn is_regions(&self) -> bool {
        use Claimant::{Names, Regions, SealedRegions};
        matches!(self.claimant, Regions | SealedRegions | Names)
    }
}

/// Two claims on some of the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// The claim that starts first.
    pub first: Claim,
    /// The claim that overlaps it.
    pub second: Claim,
}

/// The use of all bytes of a package.
#[derive(Debug, Clone, Default)]
pub struct FileMap {
    /// The claims, in ascending order and without gaps. Adjacent claims for the same use are
    /// joined.
    pub claims: Vec<Claim>,
    /// Pairs of claims that share some bytes. Equal regions that share all their bytes do not
    /// count.
    pub overlaps: Vec<Overlap>,
    /// The number of regions that share all their bytes with another region.
    pub shared: u64,
    /// The number of regions and components that extend past the end of the file, or past the last
    /// position that a file can have. No claim includes them.
    pub outside: u64,
    /// The length of each seal.
    seal_len: u64,
    /// Whether several seals may follow the stored bytes of regions.
    has_shared: bool,
    /// The length of all seals, each counted once.
    seals_len: u64,
    /// The length of the names list's seals. `seals_len` includes them.
    names_seals_len: u64,
    /// The length of the dictionary's seal. `seals_len` includes it.
    dictionary_seal_len: u64,
}

impl FileMap {
    /// Maps a package. Cost: the index, the names list and up to 64 MiB of unclaimed bytes are
    /// read. Memory: 40 bytes for each entry.
    ///
    /// # Errors
    /// A wrong index; an error of the source.
    pub fn read(package: &Package) -> Result<Self, Error> {
        Self::of(package, &package.scan_index()?)
    }

    /// Maps a package whose index was read before.
    ///
    /// # Errors
    /// An error of the source.
    pub fn of(package: &Package, scan: &IndexScan) -> Result<Self, Error> {
        Self::of_looking(package, scan, GAPS_LEN_MAX)
    }

    /// Maps a package without reading the gaps.
    pub(crate) fn claims_of(package: &Package, scan: &IndexScan) -> Result<Self, Error> {
        Self::of_looking(package, scan, 0)
    }

    /// Maps a package, and checks up to `look_max` unclaimed bytes.
    pub(crate) fn of_looking(
        package: &Package,
        scan: &IndexScan,
        look_max: u64,
    ) -> Result<Self, Error> {
        let seal_len = package.trust().seal_len();
        let has_shared = package.trust().has_shared();
        let mut map = Self { seal_len, has_shared, ..Self::default() };
        let mut claims = tables(package);
        claims.extend(components(package, &mut map.outside));
        index(package, scan, &mut claims);
        regions(package, scan, &mut claims, &mut map.outside);
        let len = package.view().len();
        for claim in &mut claims {
            claim.span.end = claim.span.end.min(len);
        }
        claims.retain(|claim| !claim.span.is_empty());
        // Of claims with the same start, the longest is sorted first. So a claim that lies inside
        // another one follows it.
        claims.sort_by_key(|claim| (claim.span.start, core::cmp::Reverse(claim.span.end)));
        let mut gaps = Gaps::new(package, replaced(package, scan), look_max);
        let mut last: Option<Claim> = None;
        for claim in claims {
            map.take(package, &mut gaps, last, claim)?;
            last = last.filter(|last| last.span.end > claim.span.end).or(Some(claim));
        }
        let end = last.map_or(0, |last| last.span.end);
        map.fill(package, &mut gaps, Span { start: end, end: len })?;
        Ok(map)
    }

    /// Returns the length of all seals. The claims of their regions include them.
    #[must_use]
    pub const fn seals_len(&self) -> u64 {
        self.seals_len
    }

    /// Returns the length of the names list's seals. `seals_len` includes them.
    pub(crate) const fn names_seals_len(&self) -> u64 {
        self.names_seals_len
    }

    /// Returns the length of the dictionary's seal. `seals_len` includes it.
    pub(crate) const fn dictionary_seal_len(&self) -> u64 {
        self.dictionary_seal_len
    }

    /// Returns the total length of the claims with the use [`Unclaimed`](Claimant::Unclaimed).
    #[must_use]
    pub fn unclaimed_len(&self) -> u64 {
        let unclaimed = self.claims.iter().filter(|claim| claim.claimant == Claimant::Unclaimed);
        unclaimed.fold(0, |sum, claim| sum.saturating_add(claim.span.len()))
    }

    /// Adds a claim. `last` is the earlier claim with the highest end.
    fn take(
        &mut self,
        package: &Package,
        gaps: &mut Gaps,
        last: Option<Claim>,
        claim: Claim,
    ) -> Result<(), Error> {
        let end = last.map_or(0, |last| last.span.end);
        if claim.span.start >= end {
            self.fill(package, gaps, Span { start: end, end: claim.span.start })?;
            self.push(claim);
            return Ok(());
        }
        let Some(last) = last else { return Ok(()) };
        if last.span == claim.span && last.is_regions() && claim.is_regions() {
            self.shared = self.shared.saturating_add(1);
            if self.has_shared {
                // If regions share stored bytes, the claim on these bytes contains one seal for
                // each of the regions.
                self.count_seal(claim.claimant, self.seal_len);
            }
            if let Some(claim) = self.claims.last_mut() {
                claim.count = claim.count.saturating_add(1);
            }
            return Ok(());
        }
        self.overlaps.push(Overlap { first: last, second: claim });
        if claim.span.end > end {
            self.push(Claim { span: Span { start: end, end: claim.span.end }, ..claim });
        }
        Ok(())
    }

    fn push(&mut self, claim: Claim) {
        if claim.is_regions() || claim.claimant == Claimant::Dictionary {
            // The claim of a sealed region ends with the seal.
            self.count_seal(claim.claimant, self.seal_len.min(claim.span.len()));
        }
        if let Some(before) = self.claims.last_mut()
            && before.claimant == claim.claimant
            && before.span.end == claim.span.start
        {
            before.span.end = claim.span.end;
            before.count = before.count.saturating_add(claim.count);
        } else {
            self.claims.push(claim);
        }
    }

    /// Counts a seal that is part of a claim.
    fn count_seal(&mut self, claimant: Claimant, len: u64) {
        self.seals_len = self.seals_len.saturating_add(len);
        match claimant {
            Claimant::Names => self.names_seals_len = self.names_seals_len.saturating_add(len),
            Claimant::Dictionary => self.dictionary_seal_len = len,
            _ => {}
        }
    }

    /// Classifies the bytes between claims.
    fn fill(&mut self, package: &Package, gaps: &mut Gaps, gap: Span) -> Result<(), Error> {
        gaps.fill(package, gap, &mut |claim| self.push(claim))
    }
}

fn claim(start: u64, len: u64, claimant: Claimant, count: u64) -> Claim {
    Claim { span: Span { start, end: start.saturating_add(len) }, claimant, count }
}

/// Returns the claims of the preamble, of the tables, and of the room for tables that the layout
/// states.
fn tables(package: &Package) -> Vec<Claim> {
    let view = package.view();
    let mut claims = vec![claim(0, PREAMBLE_LEN, Claimant::Start, 1)];
    claims.extend(
        view.tables().iter().map(|table| claim(table.start, table.len(), Claimant::Table, 1)),
    );
    let Some(layout) = view.layout() else { return claims };
    // The layout describes only room in the head. So room that extends past the head is ignored.
    let mut room = Vec::new();
    let places = layout.t2_places.map(|at| (u64::from(at), layout.t2_slots));
    for (at, slots) in [(PREAMBLE_LEN, layout.t1_slots), places[0], places[1]] {
        let len = daicon_core::COMPONENT_ENTRY_LEN.saturating_mul(slots.into());
        let end = at.saturating_add(TABLE_HEADER_LEN).saturating_add(len);
        let used = view.tables().iter().find(|table| table.start == at);
        let start = used.map_or(at, |table| table.end);
        let free = end.saturating_sub(start);
        room.push(claim(start, free, Claimant::TableRoom, free / daicon_core::COMPONENT_ENTRY_LEN));
    }
    let keys = view.components().iter().filter(|component| component.id == LOOKUP_ID);
    let keys = keys.filter_map(|component| component.span().ok());
    let used = { keys }.find(|keys| layout.fences.contains(keys) && !keys.is_empty());
    let free_at = used.map_or(layout.fences.start, |keys| keys.end);
    let free = layout.fences.end.saturating_sub(free_at);
    if let Some(before) = used {
        let len = before.start.saturating_sub(layout.fences.start);
        room.push(claim(layout.fences.start, len, Claimant::KeysRoom, 1));
    }
    room.push(claim(free_at, free, Claimant::KeysRoom, 1));
    claims.extend(room.into_iter().filter(|claim| claim.span.end <= HEAD_LEN));
    claims
}

/// Returns the claims of components on their regions. It leaves out the index, because the index is
/// mapped group by group, and the names component, because it has no region.
fn components(package: &Package, outside: &mut u64) -> Vec<Claim> {
    let view = package.view();
    let others = view
        .components()
        .iter()
        .filter(|component| component.id != dacti_index::INDEX_ID && component.id != NAMES_ID);
    others
        .filter_map(|component| {
            let Ok(span) = component.span_within(view.len()) else {
                *outside = outside.saturating_add(1);
                return None;
            };
            if component.id == DICTIONARY_ID {
                let len = span.len().saturating_add(package.trust().seal_len());
                return Some(claim(span.start, len, Claimant::Dictionary, 1));
            }
            Some(claim(span.start, span.len(), Claimant::Component(component.id), 1))
        })
        .collect()
}

/// Adds the claims of the index, as the scan found it.
fn index(package: &Package, scan: &IndexScan, claims: &mut Vec<Claim>) {
    let index = package.view().index();
    if index.is_empty() {
        return;
    }
    claims.extend(
        second_starts(package).map(|span| claim(span.start, span.len(), Claimant::SecondStart, 1)),
    );
    claims.push(claim(index.start, INDEX_HEADER_LEN, Claimant::IndexHeader, 1));
    let mut end = index.start.saturating_add(INDEX_HEADER_LEN);
    for group in &scan.groups {
        let used = u64::from(group.length);
        // A group without entries is room for updates, so its header is not in use.
        let header_len = if used == 0 { 0 } else { GROUP_HEADER_LEN };
        let used_len = INDEX_ENTRY_LEN.saturating_mul(used).saturating_add(header_len);
        let (at, free) = (first_start(package, group.at), GROUP_LEN.saturating_sub(used_len));
        claims.push(claim(at, used_len, Claimant::Groups, used));
        let room_at = at.saturating_add(used_len);
        claims.push(claim(room_at, free, Claimant::GroupsRoom, free / INDEX_ENTRY_LEN));
        end = group.at.saturating_add(GROUP_LEN);
    }
    // Bytes after the last group belong to the index, but their use is unknown.
    claims.push(claim(end, index.end.saturating_sub(end), Claimant::GroupsRoom, 0));
}

/// Returns the second starts of parts.
fn second_starts(package: &Package) -> impl Iterator<Item = Span> {
    let list = package.view().parts().map(|parts| &parts.region.list);
    list.into_iter().flat_map(PartList::second_starts).map(|(entry, _)| entry.span)
}

/// Converts `at` to the position of the same byte in the first start of its part. In a package of
/// one file, returns `at`.
fn first_start(package: &Package, at: u64) -> u64 {
    let byte = Span { start: at, end: at.saturating_add(1) };
    let list = package.view().parts().map(|parts| &parts.region.list);
    list.and_then(|list| Some(list.settled(byte).first()?.start)).unwrap_or(at)
}

fn regions(package: &Package, scan: &IndexScan, claims: &mut Vec<Claim>, outside: &mut u64) {
    let (len, seal_len) = (package.view().len(), package.trust().seal_len());
    let sealed = SealedSpans::of(package, &scan.found);
    *outside = outside.saturating_add(u64::try_from(scan.faults.len()).unwrap_or(u64::MAX));
    for found in &scan.found {
        if found.within(len).is_err() {
            *outside = outside.saturating_add(1);
            continue;
        }
        let is_names = found.id == NAMES_ID;
        let claimant = match (is_names, seal_len) {
            (true, _) => Claimant::Names,
            (false, 0) => Claimant::Regions,
            (false, _) => Claimant::SealedRegions,
        };
        let Span { start, end } = sealed.span(found);
        claims.push(claim(start, end.saturating_sub(start), claimant, 1));
    }
    for removal in scan.removals.iter().filter(|_| seal_len > 0) {
        claims.push(region(removal, seal_len, Claimant::Removals));
    }
    // No entry names the earlier segments of the names list, so their places are taken from the
    // list itself. If the list is at fault, other code reports the fault.
    let earlier = package.names().ok().and_then(|names| names.places().get(1..));
    for place in earlier.unwrap_or_default() {
        claims.push(region(place, seal_len, Claimant::Names));
    }
}

fn region(located: &Located, seal_len: u64, claimant: Claimant) -> Claim {
    let span = located.span;
    claim(span.start, span.len().saturating_add(seal_len), claimant, 1)
}

/// Returns the spans that replaced entries name, with their seals. Spans outside the file are left
/// out.
fn replaced(package: &Package, scan: &IndexScan) -> Vec<Span> {
    let len = package.view().len();
    // If one of several regions that share stored bytes is replaced, the seals of all these regions
    // stay in the file.
    let sealed = SealedSpans::of(package, scan.found.iter().chain(&scan.replaced));
    let within = scan.replaced.iter().filter(|located| located.within(len).is_ok());
    within.map(|located| sealed.span(located)).collect()
}
