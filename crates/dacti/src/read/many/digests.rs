//! The digests of many regions. They are read from the seals after the regions, with few reads.

use super::reads::joining;
use crate::Package;
use crate::fetch::source::{Told, read_span};
use dacti_index::Located;
use dacti_seal::DIGEST_LEN;
use daicon_core::{Joined, Span, coalesce, to_u64};
use std::collections::HashMap;

/// The digests of regions, found by the position at which a region's stored bytes end. If a read
/// failed, the digests that it would have fetched are missing.
#[derive(Debug, Default)]
pub(crate) struct Digests(HashMap<u64, Box<[[u8; DIGEST_LEN]]>>);

impl Digests {
    /// Reads the digests after the stored bytes of these regions. In a package with shared stored
    /// bytes, several digests may follow, of which at most `max` are read. Otherwise one digest is
    /// read for each region. Memory: one read, 70 bytes for each region, and 32 bytes for each
    /// further digest.
    pub(crate) fn read<'l>(
        package: &Package,
        sealed: impl IntoIterator<Item = &'l Located>,
        max: u32,
    ) -> Self {
        let mut spans = spans(package, sealed, max);
        let mut found = HashMap::new();
        let seal_len = package.trust().seal_len().max(to_u64(DIGEST_LEN));
        let step = usize::try_from(seal_len).unwrap_or(usize::MAX);
        let mut take = |span: Span, bytes: &[u8]| {
            let digests = bytes.chunks(step).filter_map(|seal| seal.first_chunk().copied());
            let digests: Box<[[u8; DIGEST_LEN]]> = digests.collect();
            if !digests.is_empty() {
                found.insert(span.start, digests);
            }
        };
        spans.retain(|span| {
            let lent = package.lent(*span).map(|bytes| take(*span, bytes));
            lent.is_none()
        });
        let reads: Vec<Joined> = coalesce(&spans, joining(package)).collect();
        let source = &**package.source();
        let _told = Told::new(source, reads.iter().map(|read| read.span).collect());
        let mut spans = spans.iter();
        for read in reads {
            let bytes = read_span(source, read.span).unwrap_or_default();
            for span in spans.by_ref().take(read.count) {
                if let Some(bytes) = span.slice_of(&bytes, read.span.start) {
                    take(*span, bytes);
                }
            }
        }
        Self(found)
    }

    /// Returns the number of reads that [`read`](Self::read) makes.
    #[cfg(feature = "write")]
    pub(crate) fn reads<'l>(
        package: &Package,
        sealed: impl IntoIterator<Item = &'l Located>,
        max: u32,
    ) -> usize {
        let mut spans = spans(package, sealed, max);
        spans.retain(|span| package.lent(*span).is_none());
        coalesce(&spans, joining(package)).count()
    }

    /// Returns the digests after the stored bytes that end at position `end`.
    pub(crate) fn get(&self, end: u64) -> Option<&[[u8; DIGEST_LEN]]> {
        self.0.get(&end).map(|digests| &**digests)
    }
}

/// Returns the spans of the digests after the stored bytes of regions, ascending.
fn spans<'l>(
    package: &Package,
    sealed: impl IntoIterator<Item = &'l Located>,
    max: u32,
) -> Vec<Span> {
    let (len, trust, view) = (to_u64(DIGEST_LEN), package.trust(), package.view());
    let span = |located: &Located| trust.seal_starts(located, len, max.into(), view);
    let within = |span: &Span| span.end <= view.bound();
    let mut spans: Vec<Span> = sealed.into_iter().map(span).filter(within).collect();
    spans.sort_unstable();
    spans.dedup();
    spans
}
