//! Compares two packages: how they differ, and which bytes a client that has the old package must
//! fetch.
//!
//! Specification: `docs/spec/dacti-package.md`, "File id"; `docs/spec/dacti-seal.md`.

use crate::fetch::source::{Told, read_full, read_span};
use crate::index::IndexScan;
use crate::read::many::Digests;
use crate::read::sealed_spans::SealedSpans;
use crate::read::total::check_compared;
use crate::read::view::read_failed;
use crate::report::moves::{self, Alone};
use crate::report::{Claimant, FileMap, VerifyProgress};
use crate::{Error, HEAD_LEN, Package};
use core::cmp::Ordering;
use core::fmt;
use core::ops::ControlFlow;
use dacti_index::Located;
use dacti_names::NAMES_ID;
use dacti_seal::{DIGEST_LEN, DigestList, LISTED_LEN};
use daicon_core::Span;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// The minimum number of bytes of each package that are compared at once. If each read is a
/// request, more bytes are compared at once.
const PIECE_LEN: usize = 1 << 16;

/// To compare a region by a digest list, this many bytes are read in both packages together.
const LISTED_READ: u64 = 32;

/// One of two packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The old package, which the client has.
    Old,
    /// The package that the client wants.
    New,
}

/// Why two packages cannot be compared.
#[derive(Debug, thiserror::Error)]
#[error("{}{error}", .region.as_ref().map_or(String::new(), |name| format!("{name:?}: ")))]
pub struct DiffError {
    /// The package at fault.
    pub side: Side,
    /// The path or id of the region at fault; `None` if the fault is not in a region.
    pub region: Option<String>,
    /// The fault.
    pub error: Error,
}

/// How the new package relates to the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relation {
    /// The same state of the same file: the layout component (with its file id), the length and the
    /// head are equal.
    Same,
    /// An update of the old package: the layout component is equal, and the file is not shorter.
    Grown,
    /// An earlier state of the old package: the layout component is equal, and the file is shorter.
    Earlier,
    /// Another file with the same regions under the same paths.
    SameContent,
    /// Another file.
    Other,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "the same file",
            Self::Grown => "the same file, grown",
            Self::Earlier => "the same file, in an earlier state",
            Self::SameContent => "another file with the same content",
            Self::Other => "another file",
        })
    }
}

/// A region that differs between the packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// The region's id.
    pub id: Uuid,
    /// The path, if a names list has one. If both names lists have one, it is the path in the new
    /// package.
    pub path: Option<String>,
    /// The length of the region's stored bytes in the old package; `None` if the region is missing
    /// there.
    pub old_len: Option<u64>,
    /// The length of the region's stored bytes in the new package. `None` if the region is missing
    /// there, or if the packages were compared by the digest list of the new package, because that
    /// list has no lengths.
    pub new_len: Option<u64>,
}

/// A region that is in both packages under different paths. Either its id has another path, or the
/// same stored bytes have another id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The region's id in the new package.
    pub id: Uuid,
    /// The region's id in the old package. It differs from `id` if the file moved, because the id
    /// is a hash of the path.
    pub old_id: Uuid,
    /// The region's path in the old package; `None` if it has none.
    pub old: Option<String>,
    /// The region's path in the new package; `None` if it has none.
    pub new: Option<String>,
}

/// The evidence by which regions of both packages were compared. The first four fields count
/// regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Regions at the same place of the same file. Nothing was read, because published bytes never
    /// change.
    pub by_place: u64,
    /// Regions that differ in length or encoding, or are empty. Nothing was read.
    pub by_entry: u64,
    /// Regions compared by the digests in their seals. A digest covers id, encoding, length and
    /// stored bytes. Only digests were read, so this does not detect damage. If the new package is
    /// remote, its digest list may supply the first 16 bytes of each digest.
    pub by_digest: u64,
    /// Regions compared by their stored bytes, up to the first difference.
    pub by_content: u64,
    /// Bytes of digests and contents that were read in both packages. Unused bytes that were read
    /// between digests do not count.
    pub read: u64,
}

/// The number of bytes that a client with the old package must fetch to have the new package.
///
/// If the new package is an update of the old file, these are the appended bytes, and the head if
/// it changed. If the new package is another file, these are its head, tables, index and names
/// list, and the new and changed regions with their seals. Padding and dead bytes are not fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fetch {
    /// The number of bytes of the head, which is fetched whole.
    pub head: u64,
    /// The number of bytes that were appended to the old file.
    pub appended: u64,
    /// The number of slices in the appended bytes, by the layout's slice length.
    pub slices: u64,
    /// If the new package is another file: the number of bytes of its index, tables and names list
    /// that lie after its head.
    pub index: u64,
    /// If the new package is another file: the number of bytes of new and changed regions, with
    /// their seals, that lie after its head. A digest list has no lengths. So if the packages were
    /// compared by a digest list, the lengths in the old package are used.
    pub regions: u64,
}

impl Fetch {
    /// Returns the sum of all bytes.
    #[must_use]
    pub const fn total(&self) -> u64 {
        let Self { head, appended, index, regions, .. } = *self;
        head.saturating_add(appended).saturating_add(index).saturating_add(regions)
    }
}

/// The difference of two packages. Regions are compared by their stored bytes. So a region counts
/// as changed even if the same content was only encoded or compressed in another way. All lists
/// ascend by id and do not include the names list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// How the new package relates to the old one.
    pub relation: Relation,
    /// Regions that only the new package has.
    pub added: Vec<Differing>,
    /// Regions whose stored bytes or encoding differ.
    pub changed: Vec<Differing>,
    /// Regions that only the old package has.
    pub removed: Vec<Differing>,
    /// Regions in both packages whose paths differ, whether they changed or not. This includes
    /// files that moved: regions with the same stored bytes under different ids. In remote
    /// packages, moves are not searched for.
    pub renamed: Vec<Renamed>,
    /// The number of regions that are the same in both packages.
    pub unchanged: u64,
    /// The evidence by which regions were compared.
    pub evidence: Evidence,
    /// The bytes to fetch.
    pub fetch: Fetch,
}

impl Difference {
    /// Compares two packages.
    ///
    /// The comparison stops if `progress` returns `Break`. Cost: both indexes and names lists are
    /// read, and for each region in both packages the bytes that [`Evidence`] describes. Memory: 56
    /// bytes for each entry of either package; both names lists, and a pointer for each name; the
    /// lists of differences; 64 KiB for the current region (4 MiB over HTTP); 120 bytes for each
    /// pair of regions with digests; and 80 bytes for each region that may have moved.
    ///
    /// # Errors
    /// An index or a names list that cannot be read; a region in both packages that the comparison
    /// must read, but cannot; `TotalTooLong` if regions share bytes and the comparison would read
    /// far more bytes than the packages have; `Stopped`.
    pub fn between(
        old: &Package,
        new: &Package,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<Self, DiffError> {
        let old = Listing::read(old, Side::Old)?;
        let new = Listing::read_new(new, &old)?;
        let is_same_file = same_file(old.package, new.package);
        let mut comparison = Comparison {
            old: &old,
            new: &new,
            is_same_file,
            digests: Default::default(),
            compared: HashMap::new(),
            found: Self::of_nothing(),
            missing: Vec::new(),
            alone: [Vec::new(), Vec::new()],
        };
        comparison.check_total()?;
        comparison.read_digests();
        comparison.compare_all(progress)?;
        comparison.find_moves(progress)?;
        let Comparison { mut found, mut missing, .. } = comparison;
        found.relation = found.relation(old.package, new.package, is_same_file);
        found.fetch = match found.relation {
            Relation::Same | Relation::Earlier => Fetch::default(),
            Relation::Grown => growth(old.package, new.package),
            Relation::SameContent | Relation::Other => new.fetch(&mut missing)?,
        };
        for listing in [&old, &new] {
            let failed = |error| DiffError { side: listing.side, region: None, error };
            listing.package.confirm().map_err(failed)?;
        }
        Ok(found)
    }

    fn of_nothing() -> Self {
        Self {
            relation: Relation::Other,
            added: Vec::new(),
            changed: Vec::new(),
            removed: Vec::new(),
            renamed: Vec::new(),
            unchanged: 0,
            evidence: Evidence::default(),
            fetch: Fetch::default(),
        }
    }

    fn relation(&self, old: &Package, new: &Package, is_same_file: bool) -> Relation {
        let (old_len, new_len) = (old.view().len(), new.view().len());
        match is_same_file {
            true if new_len < old_len => Relation::Earlier,
            true if new_len == old_len && head(old) == head(new) => Relation::Same,
            true => Relation::Grown,
            false if self.is_empty() => Relation::SameContent,
            false => Relation::Other,
        }
    }

    /// Returns whether both packages have the same regions under the same paths.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.changed.is_empty()
            && self.removed.is_empty()
            && self.renamed.is_empty()
    }
}

/// Returns whether both packages are states of one file. No update changes the layout component, so
/// these components are compared. The file id alone is not enough, because it does not depend on
/// the slice length.
fn same_file(old: &Package, new: &Package) -> bool {
    let (old, new) = (old.view().layout(), new.view().layout());
    old.is_some() && old == new
}

fn head(package: &Package) -> &[u8] {
    let view = package.view();
    view.head().answer(Span { start: 0, end: HEAD_LEN.min(view.len()) }).unwrap_or_default()
}

/// Returns the bytes to fetch from a file that has grown.
fn growth(old: &Package, new: &Package) -> Fetch {
    let (old_len, new_len) = (old.view().len(), new.view().len());
    let appended = new_len.saturating_sub(old_len);
    let slice_len = new.view().layout().map_or(1, |layout| layout.slice_len);
    let head = if head(old) == head(new) { 0 } else { HEAD_LEN.min(new_len) };
    Fetch { head, appended, slices: appended.div_ceil(slice_len), ..Fetch::default() }
}

/// The listing of a package.
struct Listing<'p> {
    package: &'p Package,
    side: Side,
    scan: IndexScan,
    /// Every path with its id, sorted by id.
    paths: Vec<(Uuid, &'p str)>,
    /// The first bytes of digests, from the digest list of the package.
    listed: HashMap<Uuid, [u8; LISTED_LEN]>,
    /// The number of seals after each region.
    sealed: SealedSpans,
    /// Whether the index was not read, because the digest list has exactly the regions of the old
    /// package. In this case, the lengths of changed regions are unknown.
    is_index_unread: bool,
}

impl<'p> Listing<'p> {
    fn read(package: &'p Package, side: Side) -> Result<Self, DiffError> {
        let failed = |error| DiffError { side, region: None, error };
        let mut scan = package.scan_index().map_err(failed)?;
        if let Some(fault) = scan.faults.pop() {
            return Err(failed(fault.into()));
        }
        // A local package does not use its digest list, because the digests in its seals can be
        // read as fast.
        let listed =
            if is_far(package) { package.listed_digests(&scan) } else { Ok(HashMap::new()) };
        Self::with(package, side, scan, listed.map_err(failed)?, false)
    }

    /// Reads the listing of the new package. If the package is remote and its digest list has
    /// exactly the regions of the old package, this reads the digest list instead of the index.
    fn read_new(package: &'p Package, old: &Listing<'_>) -> Result<Self, DiffError> {
        let failed = |error| DiffError { side: Side::New, region: None, error };
        let is_fresh = package.view().delta_entries() == 0;
        let has_seals = old.package.trust().seal_len() > 0;
        if is_far(package) && !is_far(old.package) && is_fresh && has_seals {
            let list = package.read_digest_list().map_err(failed)?;
            let ids = || old.scan.found.iter().map(|located| located.id);
            if let Some(Ok(list)) = list
                && list.index_at == package.view().index().start
                && list.digests.len() == old.scan.found.len()
                && list.ids == DigestList::hash_ids(ids())
            {
                let listed = ids().zip(list.digests).collect();
                let found = old.scan.found.clone();
                let scan = IndexScan { found, ..IndexScan::default() };
                return Self::with(package, Side::New, scan, listed, true);
            }
        }
        Self::read(package, Side::New)
    }

    fn with(
        package: &'p Package,
        side: Side,
        scan: IndexScan,
        listed: HashMap<Uuid, [u8; LISTED_LEN]>,
        is_index_unread: bool,
    ) -> Result<Self, DiffError> {
        let failed = |error| DiffError { side, region: None, error };
        let names = package.names().map_err(failed)?.all();
        let mut paths: Vec<_> = names.iter().map(|name| (name.id(), name.path)).collect();
        paths.sort_unstable();
        let sealed = SealedSpans::of(package, &scan.found);
        Ok(Self { package, side, scan, paths, listed, sealed, is_index_unread })
    }

    /// Returns the paths that lead to a region.
    fn paths(&self, id: Uuid) -> &[(Uuid, &'p str)] {
        let start = self.paths.partition_point(|(of, _)| *of < id);
        let rest = self.paths.get(start..).unwrap_or_default();
        let count = rest.iter().take_while(|(of, _)| *of == id).count();
        rest.get(..count).unwrap_or_default()
    }

    fn path(&self, id: Uuid) -> Option<String> {
        self.paths(id).first().map(|(_, path)| (*path).into())
    }

    fn failed(&self, id: Uuid, error: impl Into<Error>) -> DiffError {
        let region = self.path(id).unwrap_or_else(|| id.to_string());
        DiffError { side: self.side, region: Some(region), error: error.into() }
    }

    /// Returns a region's span with its seals, including those of the regions that share its bytes.
    fn sealed_span(&self, located: &Located) -> Span {
        self.sealed.span(located)
    }

    /// Returns the bytes that a client must fetch from this package, if `missing` has the spans of
    /// all regions that the client lacks.
    fn fetch(&self, missing: &mut Vec<Span>) -> Result<Fetch, DiffError> {
        let failed = |error| DiffError { side: self.side, region: None, error };
        let head = HEAD_LEN.min(self.package.view().len());
        if self.is_index_unread {
            let list = self.package.digest_list_span().unwrap_or_default();
            let index = behind_head(self.package.view().index());
            let index = index.saturating_add(behind_head(list));
            let regions = missing.iter().map(Span::len).fold(0, u64::saturating_add);
            return Ok(Fetch { head, index, regions, ..Fetch::default() });
        }
        let map = FileMap::claims_of(self.package, &self.scan).map_err(failed)?;
        let mut index = 0_u64;
        for claim in &map.claims {
            let counts = match claim.claimant {
                Claimant::Start
                | Claimant::Table
                | Claimant::TableRoom
                | Claimant::Component(_)
                | Claimant::KeysRoom
                | Claimant::IndexHeader
                | Claimant::Groups
                | Claimant::GroupsRoom
                | Claimant::Dictionary
                | Claimant::Names => true,
                Claimant::Regions
                | Claimant::SealedRegions
                | Claimant::Removals
                | Claimant::Replaced
                | Claimant::SecondStart
                | Claimant::Padding
                | Claimant::Zeros
                | Claimant::Unclaimed
                | Claimant::NotLookedAt => false,
            };
            if counts {
                index = index.saturating_add(behind_head(claim.span));
            }
        }
        // Bytes that several regions share are fetched once.
        missing.sort_by_key(|span| (span.start, span.end));
        let (mut regions, mut at) = (0_u64, 0);
        for span in missing {
            let span = Span { start: span.start.max(at), end: span.end };
            regions = regions.saturating_add(behind_head(span));
            at = at.max(span.end);
        }
        Ok(Fetch { head, index, regions, ..Fetch::default() })
    }
}

/// Returns whether each read of a package is a request.
fn is_far(package: &Package) -> bool {
    package.source().read_len() > PIECE_LEN
}

/// Returns the number of bytes of a span that lie after the head.
fn behind_head(span: Span) -> u64 {
    span.end.saturating_sub(span.start.max(HEAD_LEN))
}

/// The comparison of two listings, region by region.
struct Comparison<'c, 'p> {
    old: &'c Listing<'p>,
    new: &'c Listing<'p>,
    is_same_file: bool,
    /// The digests of the old package, and of the new one.
    digests: [Digests; 2],
    /// For a span of the old package and one of the new package: whether their stored bytes are the
    /// same.
    compared: HashMap<(Span, Span), bool>,
    found: Difference,
    /// The spans, with seals, of the new and changed regions in the new package.
    missing: Vec<Span>,
    /// The regions that only the old package has, followed by those that only the new package has.
    alone: [Vec<Located>; 2],
}

impl<'c> Comparison<'c, '_> {
    fn compare_all(
        &mut self,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<(), DiffError> {
        let regions = |listing: &'_ Listing<'_>| {
            let found = listing.scan.found.iter().filter(|found| found.id != NAMES_ID);
            found.copied().collect::<Vec<_>>().into_iter().peekable()
        };
        let (mut old, mut new) = (regions(self.old), regions(self.new));
        let _told = self.tell();
        let lens = self.new.scan.found.iter().map(|found| found.span.len());
        let bytes_total = lens.fold(0, u64::saturating_add);
        let mut bytes = 0_u64;
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.id.cmp(&new.id),
            };
            let old = if order.is_le() { old.next() } else { None };
            let new = if order.is_ge() { new.next() } else { None };
            bytes = bytes.saturating_add(new.map_or(0, |new| new.span.len()));
            self.take(old, new)?;
            if progress(VerifyProgress { bytes, bytes_total }).is_break() {
                let (side, region, error) = (Side::New, None, Error::Stopped);
                return Err(DiffError { side, region, error });
            }
        }
    }

    /// Refuses to compare contents if regions share bytes and the comparison would read far more
    /// bytes than are stored.
    fn check_total(&self) -> Result<(), DiffError> {
        let [mut old, mut new] = self.compared_by(How::Content);
        if self.has_shared() {
            // If several seals may follow a region, regions with digests may also be compared by
            // their contents.
            let [more_old, more_new] = self.compared_by(How::Digest);
            old.extend(more_old);
            new.extend(more_new);
        }
        // Regions may share bytes. So a pair of regions is compared only if no earlier pair has the
        // same spans.
        let mut pairs = HashSet::new();
        let mut is_first =
            old.iter().zip(&new).map(|(old, new)| pairs.insert((old.span, new.span)));
        let is_first: Vec<bool> = is_first.by_ref().collect();
        for regions in [&mut old, &mut new] {
            let mut is_first = is_first.iter();
            regions.retain(|_| is_first.next().copied().unwrap_or_default());
        }
        for (listing, regions) in [(self.old, old), (self.new, new)] {
            let failed = |error| DiffError { side: listing.side, region: None, error };
            check_compared(listing.package, &regions).map_err(failed)?;
        }
        Ok(())
    }

    /// Reads all digests that are compared, for [`is_same`](Self::is_same).
    fn read_digests(&mut self) {
        let [old, new] = self.compared_by(How::Digest);
        self.digests =
            [Digests::read(self.old.package, old, 1), Digests::read(self.new.package, new, 1)];
    }

    /// Returns the regions of both packages that are compared by this evidence, ascending by id.
    fn compared_by(&self, how: How) -> [Vec<&'c Located>; 2] {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        let regions = &self.new.scan.found;
        for region in self.old.scan.found.iter().filter(|region| region.id != NAMES_ID) {
            let same = regions.binary_search_by_key(&region.id, |region| region.id);
            let Some(other) = same.ok().and_then(|i| regions.get(i)) else { continue };
            if self.how(region, other) == how {
                old.push(region);
                new.push(other);
            }
        }
        [old, new]
    }

    /// Announces the regions that will be read and compared. So their sources can read ahead.
    fn tell(&self) -> [Told<'c>; 2] {
        let len_max = u64::try_from(self.piece_len()).unwrap_or(u64::MAX);
        let [old, new] = self.compared_by(How::Content);
        [(self.old, old), (self.new, new)].map(|(listing, regions)| {
            // Longer regions are not announced: they are read in pieces, up to the first
            // difference.
            let spans = regions.iter().map(|region| region.span);
            let spans = spans.filter(|span| span.len() <= len_max);
            Told::new(&**listing.package.source(), spans.collect())
        })
    }

    /// Returns the number of bytes of a region that are compared at once.
    fn piece_len(&self) -> usize {
        let lens = [self.old, self.new].map(|listing| listing.package.source().read_len());
        lens.into_iter().fold(PIECE_LEN, usize::max)
    }

    /// Returns the evidence by which a region in both packages is compared.
    fn how(&self, old: &Located, new: &Located) -> How {
        if self.new.is_index_unread {
            return How::Listed;
        }
        let seals = [self.old, self.new].map(|listing| listing.package.trust().seal_len());
        let is_sealed = seals.iter().all(|len| *len > 0);
        // A digest covers the dictionary. Without digests, equal stored bytes mean equal contents
        // only if the dictionaries are equal, too.
        let needs_same = old.encoding.needs_dictionary() && !self.is_same_file && !is_sealed;
        let is_alike = old.span.len() == new.span.len()
            && old.encoding == new.encoding
            && (!needs_same || self.have_same_dictionary());
        if !is_alike || old.span.is_empty() {
            How::Entry { is_alike }
        } else if self.is_same_file && old.span == new.span {
            How::Place
        } else if self.new.listed.contains_key(&new.id) && is_sealed {
            How::Listed
        } else if is_sealed {
            How::Digest
        } else {
            How::Content
        }
    }

    /// Returns whether several seals may follow the stored bytes of a region.
    fn has_shared(&self) -> bool {
        [self.old, self.new].iter().any(|listing| listing.package.trust().has_shared())
    }

    /// Returns whether both packages have the same dictionary.
    fn have_same_dictionary(&self) -> bool {
        let hash = |listing: &Listing<'_>| {
            let read = listing.package.dictionary().get().ok()?;
            read.map(|dictionary| dictionary.hash)
        };
        hash(self.old).is_some_and(|old| hash(self.new) == Some(old))
    }

    /// Compares a region that is in one package or in both.
    fn take(&mut self, old: Option<Located>, new: Option<Located>) -> Result<(), DiffError> {
        let Some(id) = old.or(new).map(|located| located.id) else { return Ok(()) };
        let is_same = match (&old, &new) {
            (Some(old), Some(new)) => {
                self.compare_paths(id);
                self.is_same(old, new)?
            }
            _ => false,
        };
        if is_same {
            self.found.unchanged = self.found.unchanged.saturating_add(1);
            return Ok(());
        }
        self.missing.extend(new.map(|new| self.new.sealed_span(&new)));
        let len = |located: Option<Located>| located.map(|located| located.span.len());
        let path = self.new.path(id).or_else(|| self.old.path(id));
        match (old, new) {
            (Some(old), None) => self.alone[0].push(old),
            (None, Some(new)) => self.alone[1].push(new),
            _ => {}
        }
        let list = match (old, new) {
            (Some(_), Some(_)) => &mut self.found.changed,
            (Some(_), None) => &mut self.found.removed,
            _ => &mut self.found.added,
        };
        let new_len = len(new).filter(|_| !self.new.is_index_unread);
        list.push(Differing { id, path, old_len: len(old), new_len });
        Ok(())
    }

    /// If a removed region and an added region have the same stored bytes, replaces both by one
    /// move.
    fn find_moves(
        &mut self,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<(), DiffError> {
        let [old, new] = &self.alone;
        let old = Alone { package: self.old.package, regions: old };
        let new = Alone { package: self.new.package, regions: new };
        let lens = self.new.scan.found.iter().map(|found| found.span.len());
        let bytes = lens.fold(0, u64::saturating_add);
        let go_on = &mut || progress(VerifyProgress { bytes, bytes_total: bytes });
        let pairs = moves::find(&old, &new, &mut self.found.evidence.read, go_on);
        let pairs = pairs.map_err(|error| DiffError { side: Side::New, region: None, error })?;
        let mut gone: HashSet<Uuid> = HashSet::new();
        let mut at_hand: HashSet<Span> = HashSet::new();
        for [old, new] in pairs {
            gone.extend([old.id, new.id]);
            at_hand.insert(self.new.sealed_span(&new));
            let (old_path, new_path) = (self.old.path(old.id), self.new.path(new.id));
            let (id, old_id) = (new.id, old.id);
            self.found.renamed.push(Renamed { id, old_id, old: old_path, new: new_path });
        }
        self.found.renamed.sort_by_key(|renamed| renamed.id);
        self.found.removed.retain(|removed| !gone.contains(&removed.id));
        self.found.added.retain(|added| !gone.contains(&added.id));
        // A client with the old package has the bytes of regions that moved.
        self.missing.retain(|missing| !at_hand.contains(missing));
        Ok(())
    }

    fn compare_paths(&mut self, id: Uuid) {
        let (old, new) = (self.old.paths(id), self.new.paths(id));
        if old == new {
            return;
        }
        // Of several paths, this chooses the first that the other package lacks.
        let own = |paths: &[(Uuid, &str)], others: &[(Uuid, &str)]| {
            let own = first_missing(paths, others).or(paths.first());
            own.map(|(_, path)| (*path).to_owned())
        };
        self.found.renamed.push(Renamed { id, old_id: id, old: own(old, new), new: own(new, old) });
    }

    /// Returns whether a region is the same in both packages, by the cheapest evidence.
    fn is_same(&mut self, old: &Located, new: &Located) -> Result<bool, DiffError> {
        let (how, piece_len) = (self.how(old, new), self.piece_len());
        // If several seals follow the stored bytes, the first seal may belong to another region. If
        // the first seals of two regions are equal, the stored bytes are equal. If the first seals
        // differ, the stored bytes may still be equal.
        let may_differ = how == How::Digest && self.has_shared();
        let is_same_dictionary = !may_differ
            || !old.encoding.needs_dictionary()
            || self.is_same_file
            || self.have_same_dictionary();
        let evidence = &mut self.found.evidence;
        let (count, is_same) = match how {
            How::Entry { is_alike } => (&mut evidence.by_entry, is_alike),
            How::Place => (&mut evidence.by_place, true),
            How::Listed => {
                // spec: R-DIG-04
                let listed = self.new.listed.get(&new.id).copied().unwrap_or_default();
                let is_same = self.old.package.has_digest(old, &listed);
                let is_same = is_same.map_err(|error| self.old.failed(old.id, error))?;
                evidence.read = evidence.read.saturating_add(LISTED_READ);
                (&mut evidence.by_digest, is_same)
            }
            How::Digest => {
                let [old_digests, new_digests] = &self.digests;
                let old_digest = read_digest(self.old, old, old_digests, evidence)?;
                let is_same = old_digest == read_digest(self.new, new, new_digests, evidence)?;
                if is_same || !may_differ {
                    (&mut evidence.by_digest, is_same)
                } else {
                    let sides = [(self.old, old), (self.new, new)];
                    let is_same = is_same_dictionary
                        && is_same_content(&mut self.compared, sides, piece_len, evidence)?;
                    (&mut evidence.by_content, is_same)
                }
            }
            How::Content => {
                let sides = [(self.old, old), (self.new, new)];
                let is_same = is_same_content(&mut self.compared, sides, piece_len, evidence)?;
                (&mut evidence.by_content, is_same)
            }
        };
        *count = count.saturating_add(1);
        Ok(is_same)
    }
}

/// Returns the first element of `own` that `others` lacks. Both lists must ascend.
fn first_missing<'a, T: Ord>(own: &'a [T], others: &[T]) -> Option<&'a T> {
    own.iter().find(|own| others.binary_search(own).is_err())
}

/// The evidence by which a region is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Entry {
        is_alike: bool,
    },
    Place,
    /// By the digest list of the new package.
    Listed,
    Digest,
    Content,
}

/// Returns the digest in a region's seal. It is read now if it was not read together with others.
fn read_digest(
    listing: &Listing<'_>,
    located: &Located,
    digests: &Digests,
    evidence: &mut Evidence,
) -> Result<Vec<u8>, DiffError> {
    let failed = |error| listing.failed(located.id, error);
    located.within(listing.package.view().len()).map_err(|error| failed(error.into()))?;
    let at = located.span.end;
    let needed = u64::try_from(DIGEST_LEN).unwrap_or(u64::MAX);
    let span = Span { start: at, end: at.saturating_add(needed) };
    let source = &**listing.package.source();
    let digest = match digests.get(at) {
        Some(digests) => digests.first().map(|digest| digest.to_vec()).unwrap_or_default(),
        None => read_span(source, span).map_err(|error| failed(read_failed(error)))?,
    };
    let read = u64::try_from(digest.len()).unwrap_or(u64::MAX);
    evidence.read = evidence.read.saturating_add(read);
    if read < needed {
        let (what, end) = (dacti_seal::Structure::Seal, at.saturating_add(read));
        return Err(failed(dacti_seal::Error::Truncated { what, at, needed, end }.into()));
    }
    Ok(digest)
}

/// Returns whether two regions of equal length have the same stored bytes. Each pair of spans is
/// compared only once.
fn is_same_content(
    compared: &mut HashMap<(Span, Span), bool>,
    sides: [(&Listing<'_>, &Located); 2],
    piece_len: usize,
    evidence: &mut Evidence,
) -> Result<bool, DiffError> {
    let pair = (sides[0].1.span, sides[1].1.span);
    if let Some(is_same) = compared.get(&pair) {
        return Ok(*is_same);
    }
    let is_same = have_same_bytes(sides, piece_len, evidence)?;
    compared.insert(pair, is_same);
    Ok(is_same)
}

/// Reads two regions of equal length, and returns whether they have the same stored bytes.
fn have_same_bytes(
    sides: [(&Listing<'_>, &Located); 2],
    piece_len: usize,
    evidence: &mut Evidence,
) -> Result<bool, DiffError> {
    for (listing, located) in sides {
        let within = located.within(listing.package.view().len());
        within.map_err(|error| listing.failed(located.id, error))?;
    }
    let mut at = 0_u64;
    let mut pieces = [Vec::new(), Vec::new()];
    let len = sides[0].1.span.len();
    while at < len {
        let left = usize::try_from(len.saturating_sub(at)).unwrap_or(piece_len).min(piece_len);
        for ((listing, located), piece) in sides.iter().zip(&mut pieces) {
            piece.resize(left, 0);
            let from = located.span.start.saturating_add(at);
            let read = read_full(&**listing.package.source(), from, piece)
                .map_err(|error| listing.failed(located.id, read_failed(error)))?;
            let read = u64::try_from(read).unwrap_or(u64::MAX);
            evidence.read = evidence.read.saturating_add(read);
            if usize::try_from(read).ok() != Some(left) {
                // The file was truncated since it was opened.
                let (at, needed) = (located.span.start, len);
                let (what, end) = (dacti_index::Structure::StoredRegion, from.saturating_add(read));
                let error = dacti_index::Error::Truncated { what, at, needed, end };
                return Err(listing.failed(located.id, error));
            }
        }
        if pieces[0] != pieces[1] {
            return Ok(false);
        }
        at = at.saturating_add(u64::try_from(left).unwrap_or(u64::MAX));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::first_missing;
    use core::cell::Cell;
    use core::cmp::Ordering;

    /// A number that counts how often it is compared.
    #[derive(Debug)]
    struct Counting<'c>(u32, &'c Cell<u32>);

    impl PartialEq for Counting<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other).is_eq()
        }
    }

    impl Eq for Counting<'_> {}

    impl PartialOrd for Counting<'_> {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for Counting<'_> {
        fn cmp(&self, other: &Self) -> Ordering {
            self.1.set(self.1.get().saturating_add(1));
            self.0.cmp(&other.0)
        }
    }

    #[test]
    fn the_first_path_that_the_other_package_lacks_is_found_by_few_comparisons() {
        let comparisons = |n: u32| {
            let count = Cell::new(0);
            let all = |range: core::ops::Range<u32>| {
                range.map(|n| Counting(n, &count)).collect::<Vec<_>>()
            };
            // The last element of `own` is the only one that `others` lacks.
            let (own, others) = (all(0..n), all(0..n - 1));
            assert_eq!(first_missing(&own, &others).map(|found| found.0), Some(n - 1));
            assert_eq!(first_missing(&others, &own).map(|found| found.0), None);
            count.get()
        };
        let (one, two) = (comparisons(5000), comparisons(10_000));
        assert!(two < one * 9 / 4, "{one}, {two}");
        // Each path is searched for twice, and each search takes about 13 comparisons.
        assert!(one < 5000 * 2 * 15, "{one}");
    }
}
