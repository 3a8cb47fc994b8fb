//! The check of a package whose bytes are read for a publication: the seals of its regions, and a
//! search for private keys. The bytes pass by once, in order, and are not read again.
//!
//! Specification: `docs/spec/dacti-seal.md`, "Checking a region".

use crate::{Error, Package};
use dacti_index::Located;
use dacti_seal::{KeySearch, Verifier};
use daicon_core::{Span, to_u64};
use std::collections::VecDeque;

/// The check of the regions of a package. It takes pieces of the file, ascending.
///
/// A region is checked only if its first byte passes by. Of regions that overlap in part, only the
/// first one is checked, so that the work stays in proportion to the bytes.
///
/// Memory: 56 bytes for each region, and the seals of the regions that begin in the last piece.
pub(super) struct Passing<'p> {
    package: &'p Package,
    /// The regions that did not begin yet, by their positions.
    ahead: VecDeque<Located>,
    /// Regions whose stored bytes or seals are not complete.
    open: Vec<Open<'p>>,
    /// `at` is the end of the last piece. `stored_end` is the end of the stored bytes of the region
    /// that began last.
    at: u64,
    stored_end: u64,
}

/// Regions with the same stored bytes, of which a part has passed by.
struct Open<'p> {
    stored: Span,
    /// The span of all seals; empty if the package has none.
    seals: Span,
    verifiers: Vec<(Located, Verifier<'p>)>,
    search: KeySearch,
    seal_bytes: Vec<u8>,
}

impl<'p> Passing<'p> {
    /// Reads the index of a package.
    ///
    /// # Errors
    /// A damaged index.
    pub(super) fn new(package: &'p Package) -> Result<Self, Error> {
        let mut scan = package.scan_index()?;
        if let Some(fault) = scan.faults.drain(..).next() {
            return Err(fault.into());
        }
        for located in &scan.found {
            located.within(package.view().bound())?;
        }
        scan.found.sort_unstable_by_key(|located| (located.span, located.id));
        let ahead = scan.found.into();
        Ok(Self { package, ahead, open: Vec::new(), at: 0, stored_end: 0 })
    }

    /// Takes the piece of the file at `at`.
    ///
    /// # Errors
    /// `Damaged` for a region whose bytes do not match its seal; `PrivateKey`.
    pub(super) fn take(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        let Some(piece) = Span::new(at, to_u64(bytes.len())) else { return Ok(()) };
        if at != self.at {
            // The bytes between the two pieces are missing, so the regions that continue in them
            // are not checked.
            self.open.clear();
        }
        self.at = piece.end;
        for mut open in core::mem::take(&mut self.open) {
            open.take(piece, bytes);
            self.end_or_keep(open)?;
        }
        while let Some(first) = self.ahead.pop_front_if(|located| located.span.start < piece.end) {
            let mut alike = vec![first];
            while let Some(other) = self.ahead.pop_front_if(|other| other.span == first.span) {
                alike.push(other);
            }
            if first.span.start < at || first.span.start < self.stored_end {
                continue;
            }
            self.stored_end = first.span.end;
            let mut open = self.begin(first.span, alike)?;
            open.take(piece, bytes);
            self.end_or_keep(open)?;
        }
        Ok(())
    }

    /// Checks the regions whose seals are not complete at the end of the file.
    pub(super) fn end(mut self) -> Result<(), Error> {
        let open = core::mem::take(&mut self.open);
        open.iter().try_for_each(|open| self.judge(open))
    }

    fn begin(&self, stored: Span, alike: Vec<Located>) -> Result<Open<'p>, Error> {
        let mut seals = Span { start: stored.end, end: stored.end };
        let mut verifiers = Vec::new();
        let seals_max = usize::try_from(self.package.trust().seals_max()).unwrap_or(usize::MAX);
        for located in alike.into_iter().take(seals_max) {
            let verifier = self.package.trust().verifier(located);
            let verifier = verifier.map_err(|fault| self.damaged(&located, fault))?;
            let dictionary = self.package.dictionary().needed_by(located.encoding);
            let dictionary = dictionary.map_err(|fault| self.damaged(&located, fault))?;
            let verifier = verifier.with_dictionary(dictionary.map(|read| read.hash));
            let end = self.package.view().object_end(stored.start);
            seals.end = verifier.seals_span(end).map_or(seals.end, |span| span.end);
            verifiers.push((located, verifier));
        }
        let (search, seal_bytes) = (KeySearch::default(), Vec::new());
        Ok(Open { stored, seals, verifiers, search, seal_bytes })
    }

    fn end_or_keep(&mut self, open: Open<'p>) -> Result<(), Error> {
        if open.seals.end <= self.at {
            return self.judge(&open);
        }
        self.open.push(open);
        Ok(())
    }

    fn judge(&self, open: &Open<'_>) -> Result<(), Error> {
        for (located, verifier) in &open.verifiers {
            if open.search.has_found() {
                return Err(Error::PrivateKey { name: self.name(located), file: None });
            }
            let verdict = verifier.finish(&open.seal_bytes);
            verdict.map_err(|fault| self.damaged(located, fault.into()))?;
        }
        Ok(())
    }

    fn damaged(&self, located: &Located, fault: Error) -> Error {
        Error::Damaged { name: self.name(located), fault: Box::new(fault) }
    }

    /// Returns the path of a region, or its id.
    fn name(&self, located: &Located) -> String {
        let names = self.package.names().ok();
        let name = names.and_then(|names| names.iter().find(|name| name.id() == located.id));
        name.map_or_else(|| located.id.to_string(), |name| name.path.to_owned())
    }
}

impl Open<'_> {
    /// Takes the parts of a piece that belong to the stored bytes and to the seals.
    fn take(&mut self, piece: Span, bytes: &[u8]) {
        let part = |of: Span| {
            let (start, end) = (of.start.max(piece.start), of.end.min(piece.end));
            let part = (start < end).then_some(Span { start, end });
            part.and_then(|part| part.slice_of(bytes, piece.start)).unwrap_or_default()
        };
        let stored = part(self.stored);
        self.search.feed(stored);
        for (_, verifier) in &mut self.verifiers {
            verifier.update(stored);
        }
        self.seal_bytes.extend_from_slice(part(self.seals));
    }
}
