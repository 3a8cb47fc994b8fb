//! The bytes of a new package that this machine already has. They may be in an unfinished copy, or
//! in the package that the copy replaces.
//!
//! If a package was built again, its unchanged regions are found by the digest list. Specification:
//! `docs/spec/dacti-seal.md`, "The digest list".

use super::partial::Partial;
use super::pull::pieces;
use crate::fetch::source::ReadAt;
use crate::index::IndexScan;
use crate::read::sealed_spans::SealedSpans;
use crate::read::whole::read_whole;
use crate::{Error, Package};
use dacti_index::Located;
use dacti_seal::{Kind, Seals, Verdict};
use daicon_core::Span;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// The wanted package, read from the unfinished copy, and its index.
#[derive(Debug)]
pub(super) struct Wanted {
    copy: Package,
    scan: IndexScan,
}

/// Returns the spans to fetch first: the index, the digest list, and the dictionary with its seal.
/// The dictionary is needed because the seals of regions cover its hash.
pub(super) fn first(package: &Package) -> Vec<Span> {
    let mut first = vec![package.view().index()];
    first.extend(package.digest_list_span());
    if let Some(Ok(Span { start, end })) = package.view().dictionary() {
        first.push(Span { start, end: end.saturating_add(package.trust().seal_len()) });
    }
    first
}

impl Wanted {
    /// Reads the index from the unfinished copy; `None` if the copy lacks needed bytes.
    pub(super) fn read(partial: &Partial, package: &Package) -> Result<Option<Self>, Error> {
        let source = Arc::new(partial.source()?);
        let Ok(copy) = Package::from_source(source, *package.limits()) else { return Ok(None) };
        let Ok(scan) = copy.scan_index() else { return Ok(None) };
        Ok(Some(Self { copy, scan }))
    }

    /// Returns the spans of the regions that an earlier pull completed, with their seals.
    pub(super) fn completed(&self) -> Vec<Span> {
        let mut completed = Vec::new();
        if self.seal_len() == 0 {
            return completed;
        }
        let sealed = SealedSpans::of(&self.copy, &self.scan.found);
        // If regions share stored bytes, each has its own seal, and all these seals must be
        // complete.
        let mut verified: HashMap<Span, usize> = HashMap::new();
        for located in &self.scan.found {
            let verdict = self.copy.stored_reader_at(*located).and_then(|mut r| r.verify());
            if verdict.is_ok_and(|verdict| verdict != Verdict::Unchecked) {
                let count = verified.entry(located.span).or_default();
                *count = count.saturating_add(1);
                if *count >= sealed.count(located) {
                    completed.push(sealed.span(located));
                }
            }
        }
        completed
    }

    /// Finds the regions that have the same digest in `local`. Returns for each of them its span in
    /// the wanted package, with its seals, and its start in `local`. If several regions share
    /// stored bytes, their seals are left out, because their order is not known.
    pub(super) fn shared_with(&self, local: &Package) -> Result<Vec<(Span, u64)>, Error> {
        // spec: R-DIG-04
        let listed = self.copy.listed_digests(&self.scan)?;
        if listed.is_empty() || !self.has_seals_of(local) {
            return Ok(Vec::new());
        }
        let Ok(there) = local.scan_index() else { return Ok(Vec::new()) };
        let there: HashMap<Uuid, &Located> =
            there.found.iter().map(|located| (located.id, located)).collect();
        let has_shared = self.copy.trust().has_shared() || local.trust().has_shared();
        let packed = self.scan.found.iter().chain(&self.scan.replaced);
        let sealed = SealedSpans::of(&self.copy, packed);
        let mut shared = Vec::new();
        for located in &self.scan.found {
            let (Some(digest), Some(old)) = (listed.get(&located.id), there.get(&located.id))
            else {
                continue;
            };
            let is_alike = old.encoding == located.encoding && old.span.len() == located.span.len();
            let Some(seal_at) = local.seal_at(old, digest)?.filter(|_| is_alike) else { continue };
            if !has_shared {
                shared.push((sealed.span(located), old.span.start));
                continue;
            }
            shared.push((located.span, old.span.start));
            if sealed.count(located) == 1 {
                let seals = sealed.span(located);
                shared.push((Span { start: located.span.end, ..seals }, seal_at));
            }
        }
        Ok(shared)
    }

    /// Returns whether equal digests mean equal seals. A key always makes the same signature of a
    /// digest, but another key makes another signature.
    fn has_seals_of(&self, local: &Package) -> bool {
        match (self.copy.view().seals(), local.view().seals()) {
            (Some(new), Some(old)) if new.kind == Kind::Digest => old.kind == Kind::Digest,
            (Some(new), Some(old)) => {
                let is_same =
                    |old: &Seals| Seals { seals_max: new.seals_max, ..old.clone() } == *new;
                is_same(old) && !new.keys.is_empty()
            }
            _ => false,
        }
    }

    fn seal_len(&self) -> u64 {
        self.copy.trust().seal_len()
    }
}

/// The spans of the unfinished copy whose bytes are already there.
#[derive(Debug, Default)]
pub(super) struct Filled(Vec<Span>);

/// If at most this many bytes lie between two missing spans, both are fetched as one span.
const GAP_LEN_MAX: u64 = 1024;

impl Filled {
    pub(super) fn add(&mut self, spans: impl IntoIterator<Item = Span>) {
        self.0.extend(spans);
    }

    /// Returns the bytes of `wanted` that are not filled, as spans. `wanted` must ascend. A short
    /// filled span between two missing spans is fetched again.
    pub(super) fn missing(&mut self, wanted: &[Span]) -> Vec<Span> {
        self.0.sort_unstable_by_key(|span| (span.start, span.end));
        let mut missing: Vec<Span> = Vec::new();
        let mut i = 0;
        for span in wanted {
            let (mut at, first) = (span.start, missing.len());
            let mut add = |start: u64, end: u64| match missing.get_mut(first..) {
                Some([.., last]) if start.saturating_sub(last.end) <= GAP_LEN_MAX => last.end = end,
                _ if start < end => missing.push(Span { start, end }),
                _ => {}
            };
            while let Some(filled) = self.0.get(i).filter(|filled| filled.start < span.end) {
                if filled.start > at {
                    add(at, filled.start);
                }
                at = at.max(filled.end);
                if filled.end > span.end {
                    break;
                }
                i = i.saturating_add(1);
            }
            if at < span.end {
                add(at, span.end);
            }
        }
        missing
    }
}

/// Copies bytes of `local` to their new places in the unfinished copy.
pub(super) fn copy(
    partial: &Partial,
    local: &dyn ReadAt,
    shared: &[(Span, u64)],
) -> Result<(), Error> {
    for (span, from) in shared {
        let there = Span { start: *from, end: from.saturating_add(span.len()) };
        for piece in pieces(there) {
            let at = span.start.saturating_add(piece.start.saturating_sub(there.start));
            partial.write_at(at, &read_whole(local, piece)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Filled;
    use daicon_core::Span;

    #[test]
    fn missing_spans_are_those_between_filled_ones() {
        let span = |(start, end): (u64, u64)| Span { start, end };
        let missing = |wanted: &[(u64, u64)], filled: &[(u64, u64)]| {
            let mut spans = Filled::default();
            spans.add(filled.iter().copied().map(span));
            let wanted: Vec<_> = wanted.iter().copied().map(span).collect();
            let found = spans.missing(&wanted);
            found.into_iter().map(|span| (span.start, span.end)).collect::<Vec<_>>()
        };
        assert_eq!(missing(&[(0, 9)], &[]), [(0, 9)]);
        assert_eq!(missing(&[(0, 9)], &[(0, 9)]), []);
        assert_eq!(missing(&[(0, 90_000)], &[(10_000, 20_000)]), [(0, 10_000), (20_000, 90_000)]);
        // Filled spans may be in any order, overlap, and extend past the end of the wanted span.
        let filled = [(50_000, 99_999), (10_000, 20_000), (15_000, 30_000)];
        assert_eq!(missing(&[(0, 90_000)], &filled), [(0, 10_000), (30_000, 50_000)]);
        // A filled span of 1,024 bytes is too short to cut a fetch in two. A filled span of 1,025
        // bytes is long enough.
        assert_eq!(missing(&[(0, 90_000)], &[(10_000, 11_024)]), [(0, 90_000)]);
        assert_eq!(missing(&[(0, 90_000)], &[(10_000, 11_025)]), [(0, 10_000), (11_025, 90_000)]);
        // Two wanted spans are never joined. One filled span may overlap both.
        assert_eq!(missing(&[(0, 10), (20, 30)], &[]), [(0, 10), (20, 30)]);
        assert_eq!(missing(&[(0, 10), (20, 30)], &[(5, 25)]), [(0, 5), (25, 30)]);
        assert_eq!(missing(&[(0, 10), (20, 30)], &[(12, 15)]), [(0, 10), (20, 30)]);
    }
}
