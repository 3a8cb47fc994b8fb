//! Finds equal contents that are stored more than once.

use crate::fetch::source::{Told, read_span};
use crate::index::IndexScan;
use crate::read::sealed_spans::SealedSpans;
use crate::read::view::read_failed;
use crate::report::VerifyProgress;
use crate::{Error, Package};
use core::ops::ControlFlow;
use dacti_index::Located;
use dacti_names::NAMES_ID;
use dacti_seal::SEALS_MAX;
use daicon_core::{Span, to_u64};
use std::collections::HashMap;

/// The number of first bytes of each region that are compared. Only regions with equal first bytes
/// are read whole.
const PREFIX_LEN: u64 = 4096;
/// The number of bytes that are read at once.
const PIECE_LEN: u64 = 1 << 18;

/// Equal stored bytes at several places of a package, without their seals.
///
/// Regions are equal if the length, the encoding and the BLAKE3 of their stored bytes are equal.
/// Digests in seals cannot be compared, because each digest includes an id. A region is read only
/// if another region has the same length and encoding. Its first 4 KiB are read first. Regions
/// whose first bytes are equal are read whole. Equal contents are not found if their encodings
/// differ or they were compressed in different ways.
///
/// In the compact layout, a packer stores equal contents once. In the cdn layout with seals, it
/// stores them once for up to 16 regions. Without seals, it stores a copy for each region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Duplicates {
    /// The number of places that have the same bytes as an earlier place. In a package with seals,
    /// at most 16 regions can share a place. If more regions have the same bytes, the further
    /// places that they need do not count.
    pub regions: u64,
    /// The number of stored bytes at the places that `regions` counts.
    /// [`Usage::live`](super::Usage::live) includes these bytes.
    pub len: u64,
    /// The number of places that had to be read.
    pub candidates: u64,
    /// The number of bytes that were read to find duplicates.
    pub read: u64,
}

impl Duplicates {
    pub(super) fn find(
        package: &Package,
        scan: &IndexScan,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<Self, Error> {
        let len = package.view().len();
        let mut places: Vec<Located> = scan.found.clone();
        places.retain(|found| {
            found.id != NAMES_ID && !found.span.is_empty() && found.within(len).is_ok()
        });
        let sealed = SealedSpans::of(package, &places);
        let class = |found: &Located| (found.span.len(), found.encoding.tag());
        places.sort_by_key(|found| (class(found), found.span.start));
        // Regions that share their bytes count as one place.
        places.dedup_by_key(|found| (class(found), found.span.start));
        let classes = || places.chunk_by(|a, b| class(a) == class(b)).filter(|like| like.len() > 1);
        let bytes_total = classes().flatten().map(|found| found.span.len());
        let bytes_total = bytes_total.fold(0, u64::saturating_add);
        let found = Self::default();
        let mut finder = Finder { package, sealed, found, bytes: 0, bytes_total, progress };
        let source = &**package.source();
        let starts = classes().flatten().map(|found| starting(found.span, PREFIX_LEN)).collect();
        let told = Told::new(source, starts);
        let mut suspects = Vec::new();
        for like in classes() {
            finder.found.candidates = finder.found.candidates.saturating_add(to_u64(like.len()));
            finder.compare(like, &mut suspects)?;
        }
        drop(told);
        // The order of the map is random, so the suspects are sorted.
        suspects.sort_unstable();
        let _told =
            Told::new(source, suspects.iter().flatten().copied().flat_map(pieces).collect());
        for spans in suspects {
            finder.compare_whole(&spans)?;
        }
        Ok(finder.found)
    }
}

/// Returns the first bytes of a span, at most `len_max` bytes.
fn starting(span: Span, len_max: u64) -> Span {
    Span { start: span.start, end: span.start.saturating_add(len_max).min(span.end) }
}

/// Returns the pieces in which a span is read.
fn pieces(span: Span) -> impl Iterator<Item = Span> {
    let mut left = span;
    core::iter::from_fn(move || {
        let piece = starting(left, PIECE_LEN);
        left.start = piece.end;
        (!piece.is_empty()).then_some(piece)
    })
}

struct Finder<'f> {
    package: &'f Package,
    /// The number of regions that share the stored bytes at each place.
    sealed: SealedSpans,
    found: Duplicates,
    /// The number of bytes of candidates whose result is known. It includes bytes that were not
    /// read.
    bytes: u64,
    bytes_total: u64,
    progress: &'f mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
}

impl Finder<'_> {
    /// Compares regions of equal length and encoding by their first bytes. If regions with equal
    /// first bytes have more bytes than these, they are added to `suspects`.
    fn compare(&mut self, like: &[Located], suspects: &mut Vec<Vec<Span>>) -> Result<(), Error> {
        let mut by_hash: HashMap<[u8; 32], Vec<Span>> = HashMap::new();
        for found in like {
            let hash = self.hash(starting(found.span, PREFIX_LEN))?;
            by_hash.entry(hash).or_default().push(found.span);
        }
        for spans in by_hash.into_values() {
            let len = spans.first().map_or(0, Span::len);
            if len > PREFIX_LEN && spans.len() > 1 {
                suspects.push(spans);
                continue;
            }
            // The result is known: the hash covers each region as a whole, or differs from all
            // other hashes.
            for _ in &spans {
                self.settle(len)?;
            }
            self.count(&spans);
        }
        Ok(())
    }

    /// Finds equal regions. All `spans` must have the same length and equal first bytes.
    fn compare_whole(&mut self, spans: &[Span]) -> Result<(), Error> {
        let mut equal: HashMap<[u8; 32], Vec<Span>> = HashMap::new();
        for span in spans {
            equal.entry(self.hash(*span)?).or_default().push(*span);
            self.settle(span.len())?;
        }
        for spans in equal.values() {
            self.count(spans);
        }
        Ok(())
    }

    /// Counts the places that equal bytes take, minus the places that they need.
    fn count(&mut self, spans: &[Span]) {
        let len = spans.first().map_or(0, Span::len);
        let regions = spans.iter().map(|span| self.sealed.count_at(*span));
        let regions = regions.fold(0, usize::saturating_add);
        let needed = match self.package.view().seals() {
            Some(_) => regions.div_ceil(usize::try_from(SEALS_MAX).unwrap_or(1)),
            None => 1,
        };
        let again = spans.len().saturating_sub(needed);
        self.found.regions = self.found.regions.saturating_add(to_u64(again));
        self.found.len = self.found.len.saturating_add(len.saturating_mul(to_u64(again)));
    }

    /// Returns the hash of a span's bytes.
    fn hash(&mut self, span: Span) -> Result<[u8; 32], Error> {
        let mut hasher = blake3::Hasher::new();
        for piece in pieces(span) {
            let bytes = read_span(&**self.package.source(), piece).map_err(read_failed)?;
            hasher.update(&bytes);
            self.found.read = self.found.read.saturating_add(to_u64(bytes.len()));
            self.tell()?;
            if to_u64(bytes.len()) < piece.len() {
                // The file was truncated since it was opened. The position is hashed, too, so that
                // this region equals no other.
                hasher.update(&span.start.to_le_bytes());
                break;
            }
        }
        Ok(hasher.finalize().into())
    }

    /// Counts a candidate whose result is known.
    fn settle(&mut self, len: u64) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(len);
        self.tell()
    }

    fn tell(&mut self) -> Result<(), Error> {
        let (bytes, bytes_total) = (self.bytes, self.bytes_total);
        match (self.progress)(VerifyProgress { bytes, bytes_total }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped),
        }
    }
}
