//! A region that is copied from another package. Its stored bytes and its seal stay unchanged.
//!
//! Nothing is encoded here. Specification: `docs/spec/dacti-package.md`, "Compaction".

use crate::fetch::source::{ReadAt, read_full, read_span};
use crate::read::dictionary::{Dictionary, PackageDictionary};
use crate::read::explain::Explainer;
use crate::read::seals::Trust;
use crate::read::total::Total;
use crate::read::view::read_failed;
use crate::{Error, Package, View};
use dacti_index::{Decoder, Encoding, Located, Structure};
use dacti_seal::{Hashes, Seal, digest_of_hash};
use std::io::{self, Read};
use std::sync::Arc;

/// The number of decoded bytes that are checked at once.
const DECODED_LEN: usize = 64 * 1024;

/// A package whose regions are copied.
#[derive(Debug)]
pub(crate) struct KeptFrom {
    source: Arc<dyn ReadAt>,
    view: Arc<View>,
    trust: Arc<Trust>,
    dictionary: PackageDictionary,
    explainer: Explainer,
    /// The maximum number of bytes to which an unsealed region may decode.
    decoded_len_max: u64,
    /// The number of bytes to which all unsealed regions together may still decode.
    total: Total,
}

impl KeptFrom {
    /// Returns the dictionary of the package.
    pub(crate) const fn dictionary(&self) -> &PackageDictionary {
        &self.dictionary
    }

    /// Creates the origin of the regions `regions`, which are copied from `package`.
    pub(crate) fn new(package: &Package, regions: &[Located]) -> Self {
        // The policy of the package's reader is ignored. If a region has a digest, the digest is
        // checked.
        let trust = Arc::new(Trust::new(package.view().seals_read().cloned()));
        let (source, view) = (Arc::clone(package.source()), Arc::clone(package.shared_view()));
        Self {
            dictionary: PackageDictionary::new(
                Arc::clone(&source),
                Arc::clone(&view),
                Arc::clone(&trust),
                dacti_index::open_brotli,
            ),
            source,
            view,
            trust,
            explainer: package.explainer().clone(),
            decoded_len_max: package.limits().stream_len_max,
            total: Total::of(package, regions),
        }
    }
}

/// A region of a package whose regions are copied.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) from: Arc<KeptFrom>,
    pub(crate) located: Located,
    /// The name of the region in messages about damage.
    pub(crate) name: String,
    /// Whether the region gets a new seal.
    pub(crate) reseal: bool,
}

impl Kept {
    /// Returns the dictionary that the region needs.
    fn dictionary(&self) -> Result<Option<&Dictionary>, Error> {
        if !self.located.encoding.needs_dictionary() {
            return Ok(None);
        }
        self.from.dictionary.get().map_err(|error| self.damaged(error))
    }

    /// Opens the stored bytes as a stream. If the bytes prove to be damaged, the stream ends with
    /// an error.
    pub(super) fn open(&self) -> Result<KeptReader<'_>, Error> {
        let located = self.located.within(self.from.source.len());
        let located = located.map_err(|error| self.damaged(error.into()))?;
        let sealed = self.from.trust.verifier(located).map_err(|error| self.damaged(error))?;
        // A decoder checks only regions without a digest, because a digest is a stronger proof. A
        // region that has no digest and an unknown encoding cannot be checked.
        let is_brotli = [Encoding::BROTLI, Encoding::BROTLI_DICTIONARY].contains(&located.encoding);
        let decoder = (sealed.seals_span(0).is_none() && is_brotli)
            .then(|| Decoder::new(&located, self.from.decoded_len_max))
            .transpose();
        let mut decoder = decoder.map_err(|error| self.damaged(error.into()))?;
        if let (Some(decoder), Some(dictionary)) = (&mut decoder, self.dictionary()?) {
            decoder.give_dictionary(&dictionary.bytes);
        }
        Ok(KeptReader { kept: self, decoder, at: located.span.start })
    }

    /// Checks `hash`, the hash of the stored bytes, against the region's seal. Returns the seal to
    /// copy. The result is empty if the region has no seal or gets a new one.
    pub(super) fn seal(&self, hash: &[u8; 32]) -> Result<Vec<u8>, Error> {
        let KeptFrom { trust, view, source, explainer, .. } = &*self.from;
        let located = self.located;
        let verifier = trust.verifier(located).map_err(|error| self.damaged(error))?;
        let end = view.object_end(located.span.start);
        let (Some(span), Some(seals)) = (verifier.seals_span(end), trust.seals()) else {
            return Ok(Vec::new());
        };
        let bytes = read_span(&**source, span).map_err(read_failed)?;
        let dictionary = self.dictionary()?.map(|dictionary| dictionary.hash);
        let hashes = Hashes { stored: *hash, dictionary };
        if let Err(error) = verifier.finish_with(hashes, &bytes) {
            let error = explainer.explain(error, &located, &hashes, (seals, &bytes));
            return Err(self.damaged(error.into()));
        }
        if self.reseal {
            return Ok(Vec::new());
        }
        let digest = digest_of_hash(located.id, located.encoding, located.span.len(), hashes);
        let found = Seal::find(&bytes, seals, span.start, &digest);
        let mut seal = vec![0; usize::try_from(seals.kind.seal_len()).unwrap_or_default()];
        if let Some((_, found)) = found.map_err(|error| self.damaged(error.into()))? {
            found.emit(seals.kind, &mut seal)?;
        }
        Ok(seal)
    }

    fn damaged(&self, fault: Error) -> Error {
        Error::Damaged { name: self.name.clone(), fault: Box::new(fault) }
    }

    /// Returns the error of a failed read. An IO error and `TotalTooLong` stay as they are, and any
    /// other error becomes `Damaged`.
    pub(super) fn failed(&self, error: io::Error) -> Error {
        match Error::from_read(error) {
            error @ (Error::Io { .. } | Error::TotalTooLong { .. }) => error,
            error => self.damaged(error),
        }
    }
}

/// A reader of the stored bytes of a region of another package.
#[derive(Debug)]
pub(super) struct KeptReader<'k> {
    kept: &'k Kept,
    /// The decoder that checks the stored bytes if they have no digest.
    decoder: Option<Decoder>,
    at: u64,
}

impl KeptReader<'_> {
    /// Decodes bytes to check them, and drops the content.
    fn judge(&mut self, mut stored: &[u8]) -> io::Result<()> {
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        let mut out = vec![0; DECODED_LEN];
        loop {
            let progress = decoder.decode(stored, &mut out).map_err(invalid)?;
            self.kept.from.total.spend(progress.written)?;
            stored = stored.get(progress.read..).unwrap_or_default();
            if progress.written == 0 && (stored.is_empty() || progress.read == 0) {
                return Ok(());
            }
        }
    }
}

impl Read for KeptReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let span = self.kept.located.span;
        let left = usize::try_from(span.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let len = left.min(buf.len());
        let buf = buf.get_mut(..len).unwrap_or_default();
        if left == 0 {
            if let Some(decoder) = self.decoder.take() {
                decoder.finish().map_err(invalid)?;
            }
            return Ok(0);
        }
        let read = read_full(&*self.kept.from.source, self.at, buf)?;
        if read < len {
            // The file has become shorter since it was opened.
            let (what, at, needed) = (Structure::StoredRegion, span.start, span.len());
            let end = self.at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            return Err(invalid(dacti_index::Error::Truncated { what, at, needed, end }));
        }
        self.at = self.at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        self.judge(buf)?;
        Ok(read)
    }
}

/// Wraps the fault of a stored region in the IO error that a reader returns.
fn invalid(fault: dacti_index::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}
