//! Equal contents that are stored more than once.

use super::to_u64;
use crate::source::read_full;
use crate::view::read_failed;
use crate::{Error, IndexScan, Package, VerifyProgress};
use core::ops::ControlFlow;
use dacti_index::Located;
use dacti_names::NAMES_ID;
use daicon_core::Span;
use std::collections::{HashMap, HashSet};

/// Bytes by which regions are told apart before they are read whole.
const PREFIX_LEN: u64 = 4096;
/// Bytes that are read at once.
const PIECE_LEN: usize = 1 << 18;

/// Equal stored bytes at more than one place of a package, seals left aside.
///
/// Regions are equal where length, encoding and BLAKE3 hash of their stored bytes are: seals say
/// nothing here, as the digest in a seal is of one id. So of regions whose length and encoding no
/// other has, nothing is read; of the others the first 4 KiB, and the whole of those that are still
/// like another then. Equal contents in two encodings, or compressed in two ways, are not found.
///
/// Compaction into the compact layout stores them once, and into the cdn layout as often as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Duplicates {
    /// Places that have what stands at an earlier one.
    pub regions: u64,
    /// Stored bytes at these places: part of [`Usage::live`](super::Usage::live).
    pub len: u64,
    /// Places that had to be read.
    pub candidates: u64,
    /// Bytes that were read to find out.
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
        let class = |found: &Located| (found.span.len(), found.encoding.tag());
        places.sort_by_key(|found| (class(found), found.span.start));
        // What shares its bytes is stored once.
        places.dedup_by_key(|found| (class(found), found.span.start));
        let classes = || places.chunk_by(|a, b| class(a) == class(b)).filter(|like| like.len() > 1);
        let bytes_total = classes().flatten().map(|found| found.span.len());
        let bytes_total = bytes_total.fold(0, u64::saturating_add);
        let mut finder =
            Finder { package, found: Self::default(), bytes: 0, bytes_total, progress };
        for like in classes() {
            finder.found.candidates = finder.found.candidates.saturating_add(to_u64(like.len()));
            finder.compare(like)?;
        }
        Ok(finder.found)
    }
}

struct Finder<'f> {
    package: &'f Package,
    found: Duplicates,
    /// Candidates' bytes that are settled, read or not.
    bytes: u64,
    bytes_total: u64,
    progress: &'f mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
}

impl Finder<'_> {
    /// Finds what is equal among regions of one length and encoding.
    fn compare(&mut self, like: &[Located]) -> Result<(), Error> {
        let len = like.first().map_or(0, |found| found.span.len());
        let mut by_hash: HashMap<[u8; 32], Vec<Span>> = HashMap::new();
        for found in like {
            let hash = self.hash(found.span, PREFIX_LEN)?;
            by_hash.entry(hash).or_default().push(found.span);
            if len <= PREFIX_LEN {
                self.settle(len)?;
            }
        }
        for spans in by_hash.into_values() {
            let again = match (len <= PREFIX_LEN, spans.len()) {
                // All of them was hashed; the first is no duplicate.
                (true, equal) => equal.saturating_sub(1),
                (false, 1) => {
                    self.settle(len)?;
                    0
                }
                (false, _) => self.count_whole(&spans)?,
            };
            self.found.regions = self.found.regions.saturating_add(to_u64(again));
            self.found.len = self.found.len.saturating_add(len.saturating_mul(to_u64(again)));
        }
        Ok(())
    }

    /// How many of some regions equal another that comes before.
    fn count_whole(&mut self, spans: &[Span]) -> Result<usize, Error> {
        let mut distinct = HashSet::new();
        for span in spans {
            distinct.insert(self.hash(*span, u64::MAX)?);
            self.settle(span.len())?;
        }
        Ok(spans.len().saturating_sub(distinct.len()))
    }

    /// The hash of a span's first bytes.
    fn hash(&mut self, span: Span, len_max: u64) -> Result<[u8; 32], Error> {
        let end = span.start.saturating_add(len_max).min(span.end);
        let mut hasher = blake3::Hasher::new();
        let mut at = span.start;
        let mut piece = vec![0; PIECE_LEN.min(usize::try_from(span.len()).unwrap_or(PIECE_LEN))];
        while at < end {
            let left = usize::try_from(end.saturating_sub(at)).unwrap_or(PIECE_LEN);
            let want = left.min(piece.len());
            let piece = piece.get_mut(..want).unwrap_or_default();
            let source = &**self.package.source();
            let read = read_full(source, at, piece).map_err(read_failed)?;
            if read == 0 {
                // The file was cut since it was opened: what is gone equals nothing else.
                hasher.update(&at.to_le_bytes());
                break;
            }
            hasher.update(piece.get(..read).unwrap_or_default());
            at = at.saturating_add(to_u64(read));
            self.found.read = self.found.read.saturating_add(to_u64(read));
            self.tell()?;
        }
        Ok(hasher.finalize().into())
    }

    /// Counts a candidate as done.
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
