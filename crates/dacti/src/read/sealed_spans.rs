//! The spans of regions with their seals, for packages in which regions share stored bytes.
//!
//! Only the index tells how many regions share stored bytes, and so how many seals follow these
//! bytes. Specification: `docs/spec/dacti-seal.md`, "Shared stored bytes".

use crate::Package;
use dacti_index::Located;
use daicon_core::{Span, to_u64};
use std::collections::HashMap;

/// How many seals follow the stored bytes of each region.
#[derive(Debug)]
pub(crate) struct SealedSpans {
    seal_len: u64,
    seals_max: u64,
    /// The number of regions at each span; empty if no regions share stored bytes.
    counts: HashMap<Span, usize>,
}

impl SealedSpans {
    /// Counts the regions of a package at each span. Memory: about 30 bytes for each span, in a
    /// package with shared stored bytes.
    pub(crate) fn of<'l>(
        package: &Package,
        regions: impl IntoIterator<Item = &'l Located>,
    ) -> Self {
        let trust = package.trust();
        let mut counts = HashMap::new();
        if trust.has_shared() {
            for located in regions {
                let count: &mut usize = counts.entry(located.span).or_default();
                *count = count.saturating_add(1);
            }
        }
        Self { seal_len: trust.seal_len(), seals_max: trust.seals_max(), counts }
    }

    /// Returns the number of counted regions at the same span of stored bytes, including this
    /// region.
    pub(crate) fn count(&self, located: &Located) -> usize {
        self.count_at(located.span)
    }

    /// Returns the number of counted regions whose stored bytes are at this span.
    pub(crate) fn count_at(&self, span: Span) -> usize {
        self.counts.get(&span).copied().unwrap_or(1)
    }

    /// Returns the span of a region with the seals of all regions that share its stored bytes.
    pub(crate) fn span(&self, located: &Located) -> Span {
        let seals = to_u64(self.count(located)).min(self.seals_max);
        let Span { start, end } = located.span;
        Span { start, end: end.saturating_add(self.seal_len.saturating_mul(seals)) }
    }
}
