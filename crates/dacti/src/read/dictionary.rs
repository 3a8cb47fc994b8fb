//! The dictionary of an open package: read once, with the first region that needs it.
//!
//! Specification: `docs/spec/dacti-index.md`, "The dictionary".

use crate::fetch::source::{ReadAt, Told, read_span};
use crate::read::seals::Trust;
use crate::read::view::read_failed;
use crate::{Error, View};
use dacti_index::{
    DICTIONARY_ID, DICTIONARY_LEN_MAX, Encoding, Located, OpenBrotli, decode_to_vec_by,
};
use dacti_seal::Hashes;
use daicon_core::Span;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// A decoded dictionary with its BLAKE3 hash.
#[derive(Debug, Clone)]
pub(crate) struct Dictionary {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) hash: [u8; 32],
}

impl Dictionary {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { hash: blake3::hash(&bytes).into(), bytes: bytes.into() }
    }
}

/// The dictionary of an open package. It is read when the first region needs it.
#[derive(Debug)]
pub(crate) struct PackageDictionary {
    source: Arc<dyn ReadAt>,
    view: Arc<View>,
    trust: Arc<Trust>,
    brotli: OpenBrotli,
    read: OnceLock<Dictionary>,
}

impl PackageDictionary {
    pub(crate) fn new(
        source: Arc<dyn ReadAt>,
        view: Arc<View>,
        trust: Arc<Trust>,
        brotli: OpenBrotli,
    ) -> Self {
        Self { source, view, trust, brotli, read: OnceLock::new() }
    }

    /// Returns the place of the stored dictionary; `None` if the package has none.
    ///
    /// # Errors
    /// A component region outside the file.
    pub(crate) fn located(&self) -> Result<Option<Located>, Error> {
        let Some(span) = self.view.dictionary() else { return Ok(None) };
        let (id, encoding) = (DICTIONARY_ID, Encoding::BROTLI);
        let span = span?;
        Ok(Some(Located { id, span, encoding, at: span.start }))
    }

    /// Returns the span that [`get`](Self::get) must read; `None` if it need not read anything.
    pub(crate) fn unread(&self) -> Option<Span> {
        if self.read.get().is_some() {
            return None;
        }
        let span = self.trust.span(self.located().ok()??, &self.view).ok()?;
        self.lent(span).is_none().then_some(span)
    }

    fn lent(&self, span: Span) -> Option<&[u8]> {
        self.source.slice(span).or_else(|| self.view.head().answer(span))
    }

    /// Returns the dictionary, and reads it at the first call; `None` if the package has none.
    ///
    /// # Errors
    /// A component region outside the file; a seal that does not match; bytes that do not decode,
    /// or decode to more than 1 MiB; errors of the source.
    pub(crate) fn get(&self) -> Result<Option<&Dictionary>, Error> {
        if let Some(read) = self.read.get() {
            return Ok(Some(read));
        }
        let Some(located) = self.located()? else { return Ok(None) };
        let span = self.trust.span(located, &self.view)?;
        loop {
            let bytes = match self.lent(span) {
                Some(bytes) => Cow::Borrowed(bytes),
                None => read_span(&*self.source, span).map(Cow::Owned).map_err(read_failed)?,
            };
            let is_lent = matches!(bytes, Cow::Borrowed(_));
            match self.judged(&located, &bytes) {
                Ok(read) => return Ok(Some(self.read.get_or_init(|| read))),
                Err(fault) => match fault.doubt().filter(|_| !is_lent) {
                    // The source may be able to read the bytes in another way, such as past a stale
                    // cache. Then they are read again.
                    Some(why) if self.source.doubt(span, why).map_err(read_failed)? => {}
                    _ => return Err(fault),
                },
            }
        }
    }

    /// Returns the dictionary; `None` if regions of this encoding need none, or the package has
    /// none.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub(crate) fn needed_by(&self, encoding: Encoding) -> Result<Option<&Dictionary>, Error> {
        if encoding.needs_dictionary() { self.get() } else { Ok(None) }
    }

    /// Returns the dictionary, for a region whose bytes will be read at `region`. If the dictionary
    /// must be read, this first announces both reads to the source, so that a remote source fetches
    /// both in one round trip.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub(crate) fn get_with(&self, region: Span) -> Result<Option<&Dictionary>, Error> {
        let Some(span) = self.unread() else { return self.get() };
        // If reading the dictionary fails, `told` is dropped, which withdraws both announced reads.
        let told = Told::new(&*self.source, vec![span, region]);
        let read = self.get()?;
        told.keep();
        Ok(read)
    }

    /// Verifies and decodes the dictionary. `bytes` are its stored bytes, followed by its seal if
    /// the policy needs the seal.
    fn judged(&self, located: &Located, bytes: &[u8]) -> Result<Dictionary, Error> {
        let len = usize::try_from(located.span.len()).unwrap_or(usize::MAX);
        let (stored, seal) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
        let verifier = self.trust.verifier(*located)?;
        verifier.finish_with(Hashes::from(*blake3::hash(stored).as_bytes()), seal)?;
        let max = DICTIONARY_LEN_MAX;
        let decoded = decode_to_vec_by(self.brotli, None, located, stored, None, max)?;
        Ok(Dictionary::new(decoded))
    }
}
