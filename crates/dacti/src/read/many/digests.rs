//! The digests of many regions, read from their seals in few reads.

use super::reads::joining;
use crate::Package;
use crate::fetch::source::{Told, read_span};
use dacti_index::Located;
use dacti_seal::DIGEST_LEN;
use daicon_core::{Joined, Span, coalesce};
use std::collections::HashMap;

/// Digests by their positions, without those whose read failed.
#[derive(Debug, Default)]
pub(crate) struct Digests(HashMap<u64, [u8; DIGEST_LEN]>);

impl Digests {
    /// Reads the digests after the stored bytes of these regions. Memory: 60 bytes for each, and
    /// one read.
    pub(crate) fn read<'l>(
        package: &Package,
        sealed: impl IntoIterator<Item = &'l Located>,
    ) -> Self {
        let len = u64::try_from(DIGEST_LEN).unwrap_or(u64::MAX);
        let within = |span: &Span| span.end <= package.view().bound();
        let spans = sealed.into_iter().filter_map(|located| Span::new(located.span.end, len));
        let mut spans: Vec<Span> = spans.filter(within).collect();
        spans.sort_unstable();
        spans.dedup();
        let mut found = HashMap::new();
        let mut take = |span: Span, bytes: &[u8]| {
            if let Ok(digest) = bytes.try_into() {
                found.insert(span.start, digest);
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

    /// Returns the digest at a position.
    pub(crate) fn get(&self, at: u64) -> Option<&[u8; DIGEST_LEN]> {
        self.0.get(&at)
    }
}
