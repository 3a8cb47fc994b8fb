//! Spans that were announced to a source.

use super::ReadAt;
use daicon_core::Span;

/// Spans that were announced to a source. When this value is dropped, the spans that were not read
/// are withdrawn.
#[derive(Debug)]
pub(crate) struct Told<'s> {
    source: &'s dyn ReadAt,
    spans: Vec<Span>,
}

impl<'s> Told<'s> {
    pub(crate) fn new(source: &'s dyn ReadAt, spans: Vec<Span>) -> Self {
        source.will_read(&spans);
        Self { source, spans }
    }

    /// Drops this value without withdrawing any span, because other code will read the remaining
    /// spans.
    pub(crate) fn keep(mut self) {
        self.spans.clear();
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.source.will_not_read(&self.spans);
    }
}
