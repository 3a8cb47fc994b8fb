//! The content of one region as a stream that is verified at its end. Until then, the stream holds
//! back only the last byte.

use super::proof::read_len;
use crate::fetch::source::{Doubt, ReadAt, read_full, read_span};
use crate::hash::{HashPool, PARALLEL_LEN_MIN};
use crate::read::dictionary::PackageDictionary;
use crate::read::explain::Explainer;
use crate::read::seals::Trust;
use crate::read::total::Total;
use crate::{Error, Package, RegionName, View};
use dacti_index::{Decoder, Encoding, Located};
use dacti_seal::{Hashes, Verdict};
use daicon_core::Span;
use std::io::{self, Read};
use std::sync::Arc;

/// The length of one read of a long sealed region, which several threads hash. Other regions are
/// read in pieces of the length that the source prefers.
const PIECE_LONG: usize = 4 * PARALLEL_LEN_MIN;
const PIECE_LONG_FROM: u64 = 16 << 20;

/// Returns how many stored bytes of a region are read at once.
fn piece_len(source: &dyn ReadAt, stored_len: u64, is_sealed: bool) -> usize {
    let is_long = is_sealed && stored_len >= PIECE_LONG_FROM;
    if is_long { PIECE_LONG } else { source.read_len().max(1) }
}

/// Returns the reads of a stream of the bytes at `stored`. If the policy needs the seal, `span`
/// also has the seal after these bytes. If `whole` is set, one read fetches all of `span`.
pub(crate) fn pieces(
    source: &dyn ReadAt,
    stored: Span,
    span: Span,
    whole: bool,
) -> impl Iterator<Item = Span> + use<> {
    let piece_len = piece_len(source, stored.len(), span != stored);
    let piece_len = u64::try_from(piece_len).unwrap_or(u64::MAX);
    let mut next = (!span.is_empty()).then_some(span.start);
    core::iter::from_fn(move || {
        let start = next?;
        let end = start.saturating_add(piece_len);
        if whole || end >= stored.end {
            next = None;
            return Some(Span { start, end: span.end });
        }
        next = Some(end);
        Some(Span { start, end })
    })
}

/// Returns the reads of a stream that is verified before its first byte is handed out. Such a
/// stream may read its bytes twice: first to verify them, then to hand them out. The first result
/// is whether the stream makes the reads of [`pieces`], which verify the bytes. It is false if the
/// package keeps a proof of the region. The second result contains the later reads, which hand the
/// bytes out; it is `None` if the first reads are enough.
pub(crate) fn second_pieces(
    package: &Package,
    located: &Located,
    span: Span,
) -> (bool, Option<impl Iterator<Item = Span> + use<>>) {
    let (source, stored) = (&**package.source(), located.span);
    let is_sealed = span != stored;
    let is_proven = is_sealed && package.proofs().get(located).is_some();
    let one_piece = pieces(source, stored, span, false).nth(1).is_none();
    let is_read_twice = is_sealed && !one_piece && source.is_local();
    let len = u64::try_from(read_len(source, stored.len())).unwrap_or(u64::MAX);
    let second = (is_proven || is_read_twice).then(|| {
        let mut next = stored.start;
        core::iter::from_fn(move || {
            let span = Span { start: next, end: next.saturating_add(len).min(stored.end) };
            next = span.end;
            (!span.is_empty()).then_some(span)
        })
    });
    (!is_proven, second)
}

/// A region's content, decoded while it is read, **before it is verified**.
///
/// It reads every stored byte once and keeps none. So it suits callers that use no byte before the
/// end, such as a program that writes a file under a temporary name. All other callers should use a
/// [`RegionReader`](crate::RegionReader), which verifies first.
///
/// If the region has a seal to check, the last byte is kept back until the seal has matched. So a
/// caller that has read to the end has verified content; before the end, its bytes may be wrong.
/// After an error, use none of the bytes. [`verdict`](Self::verdict) tells which check was made.
///
/// Memory: one read of the source (64 KiB for a file), or 4 MiB for a sealed region of 16 MiB or
/// more; and for `brot` the decoder's window of at most 16 MiB. Errors carry a
/// [`dacti_index::Error`] or a [`dacti_seal::Error`] as their source.
#[derive(Debug)]
pub struct UnverifiedReader {
    source: Arc<dyn ReadAt>,
    view: Arc<View>,
    trust: Arc<Trust>,
    explainer: Explainer,
    hash_pool: Arc<HashPool>,
    /// `None` if neither the seal nor the decoder needs the dictionary, or once both have it.
    dictionary: Option<Arc<PackageDictionary>>,
    dictionary_hash: Option<[u8; 32]>,
    located: Located,
    decoder: Decoder,
    piece: Vec<u8>,
    taken: usize,
    next_at: u64,
    /// The span of the seals; `None` if nothing is left to verify.
    seal: Option<Span>,
    seal_bytes: Vec<u8>,
    hasher: blake3::Hasher,
    /// The number of bytes that this and other regions may still decode to.
    total: Option<Arc<Total>>,
    /// The latest decoded byte, kept back.
    held: Option<u8>,
    verdict: Option<Verdict>,
    /// The fault of the region, once it was reported. After that, no more bytes are handed out.
    fault: Option<Fault>,
}

/// The fault of a region.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// The seal does not match.
    Seal,
    Content(dacti_index::Error),
}

/// The reason why no bytes can be handed out.
enum Stop {
    /// The source failed, perhaps only temporarily, or the seal does not match.
    Io(io::Error),
    /// The stored bytes do not decode.
    Content(dacti_index::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<dacti_index::Error> for Stop {
    fn from(fault: dacti_index::Error) -> Self {
        Self::Content(fault)
    }
}

/// The result of checking all stored bytes against their seal.
pub(super) enum Judged {
    Fits,
    /// The bytes do not match the seal, and the source reads them in another way from now on.
    Again(io::Error),
}

impl UnverifiedReader {
    pub(crate) fn new(
        package: &Package,
        located: Located,
        decode_as: Encoding,
        decoded_len_max: u64,
    ) -> Result<Self, Error> {
        let source = Arc::clone(package.source());
        Self::over(source, package, located, decode_as, decoded_len_max)
    }

    /// Does the same as [`new`](Self::new), with another source of the same bytes.
    pub(crate) fn over(
        source: Arc<dyn ReadAt>,
        package: &Package,
        located: Located,
        decode_as: Encoding,
        decoded_len_max: u64,
    ) -> Result<Self, Error> {
        let trust = Arc::clone(package.trust());
        let as_stored = Located { encoding: decode_as, ..located };
        let decoder = Decoder::with_brotli(package.open_brotli(), &as_stored, decoded_len_max)?;
        let all = trust.span(located, package.view())?;
        source.note_region(all);
        let seal = Span { start: located.span.end, end: all.end };
        let seal = Some(seal).filter(|seal| !seal.is_empty());
        let needs_dictionary =
            located.encoding.needs_dictionary() && (seal.is_some() || decoder.awaits_dictionary());
        Ok(Self {
            source,
            view: Arc::clone(package.shared_view()),
            trust,
            explainer: package.explainer().clone(),
            hash_pool: Arc::clone(package.hash_pool()),
            dictionary: needs_dictionary.then(|| Arc::clone(package.dictionary())),
            dictionary_hash: None,
            located,
            decoder,
            piece: Vec::new(),
            taken: 0,
            next_at: located.span.start,
            seal,
            seal_bytes: Vec::new(),
            hasher: blake3::Hasher::new(),
            total: None,
            held: None,
            verdict: seal.is_none().then_some(Verdict::Unchecked),
            fault: None,
        })
    }

    /// Hashes with the threads of `pool`, instead of one thread for each core.
    pub(crate) fn hash_by(&mut self, pool: &Arc<HashPool>) {
        self.hash_pool = Arc::clone(pool);
    }

    /// Returns where the region is stored.
    #[must_use]
    pub const fn located(&self) -> &Located {
        &self.located
    }

    /// Makes decoded bytes count against a total limit for several regions.
    pub(crate) fn share(&mut self, total: &Arc<Total>) {
        self.total = Some(Arc::clone(total));
    }

    /// Returns the number of decoded bytes so far. While the stream holds a byte back, this number
    /// is one more than the number of bytes handed out.
    #[must_use]
    pub const fn decoded_len(&self) -> u64 {
        self.decoder.decoded_len()
    }

    /// Returns whether the region's seal is checked.
    pub(crate) const fn is_judged(&self) -> bool {
        self.seal.is_some()
    }

    /// Returns which check was made; `None` before the end.
    #[must_use]
    pub const fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// Returns whether a fault of the region was reported.
    pub(super) const fn is_refused(&self) -> bool {
        self.fault.is_some()
    }

    pub(super) fn source(&self) -> &dyn ReadAt {
        &*self.source
    }

    pub(super) fn shared_source(&self) -> Arc<dyn ReadAt> {
        Arc::clone(&self.source)
    }

    /// Returns whether one read fetches all stored bytes. Then they are checked before they are
    /// decoded.
    pub(super) fn is_one_piece(&self) -> bool {
        let stored_len = self.located.span.len();
        let piece = piece_len(&*self.source, stored_len, self.seal.is_some());
        u64::try_from(piece).is_ok_and(|piece| stored_len <= piece)
    }

    /// Reads the next stored bytes without decoding them; false at their end.
    pub(super) fn next_stored(&mut self) -> io::Result<bool> {
        self.refill()
    }

    /// Returns the stored bytes that were read last.
    pub(super) fn stored_piece(&self) -> &[u8] {
        &self.piece
    }

    /// Starts again with the first stored byte.
    pub(super) fn rewind(&mut self) {
        self.piece.clear();
        self.taken = 0;
        self.next_at = self.located.span.start;
        self.hasher.reset();
        self.fault = None;
    }

    /// Starts again from the first byte. `bytes` are stored bytes that are already proven.
    pub(super) fn take_proven(&mut self, bytes: Arc<dyn ReadAt>, verdict: Verdict) {
        self.rewind();
        self.source = bytes;
        self.seal = None;
        self.dictionary = self.dictionary.take().filter(|_| self.decoder.awaits_dictionary());
        self.verdict = Some(verdict);
    }

    /// Reads stored bytes from an offset in the region. The bytes must be proven or need no proof.
    pub(super) fn read_stored(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let len = u64::try_from(out.len()).unwrap_or(u64::MAX);
        let at = self.located.span.start.saturating_add(offset);
        if let Some(bytes) = Span::new(at, len).and_then(|span| self.view.head().answer(span)) {
            out.copy_from_slice(bytes);
            return Ok(bytes.len());
        }
        read_full(&*self.source, at, out)
    }

    /// Reads the dictionary if the region needs it, and announces the first piece of the region.
    fn take_dictionary(&mut self) -> io::Result<()> {
        let Some(dictionary) = &self.dictionary else { return Ok(()) };
        let all = Span { start: self.next_at, end: self.end() };
        let stored = Span { start: self.next_at, end: self.located.span.end };
        let first = pieces(&*self.source, stored, all, false).next().unwrap_or(all);
        let read = dictionary.get_with(first).map_err(io::Error::other)?;
        if let Some(read) = read {
            self.decoder.give_dictionary(&read.bytes);
            self.dictionary_hash = Some(read.hash);
        }
        self.dictionary = None;
        Ok(())
    }

    /// Reads the next piece of stored bytes; false at their end. If this piece contains all stored
    /// bytes, it is checked at once against its seal. If the piece is wrong and the source can read
    /// it in another way, it is read again.
    fn refill(&mut self) -> io::Result<bool> {
        self.take_dictionary()?;
        let at = self.next_at;
        let all = Span { start: self.located.span.start, end: self.end() };
        loop {
            if !self.next_piece()? {
                return Ok(false);
            }
            let is_whole = at == all.start && self.next_at >= self.located.span.end;
            if !is_whole || self.verdict.is_some() {
                return Ok(true);
            }
            let Err(error) = self.judge() else { return Ok(true) };
            // `doubt` may return an error of its own, so the fault is recorded before this call.
            self.fault = Some(Fault::Seal);
            if !self.source.doubt(all, Doubt::Digest)? {
                return Err(error);
            }
            self.fault = None;
            self.next_at = at;
            self.hasher.reset();
        }
    }

    /// Returns the end of the bytes to read. This is the end of the seal if the seal is checked,
    /// otherwise the end of the stored bytes.
    fn end(&self) -> u64 {
        self.seal.map_or(self.located.span.end, |seal| seal.end)
    }

    fn next_piece(&mut self) -> io::Result<bool> {
        let left = self.located.span.end.saturating_sub(self.next_at);
        if left == 0 {
            return Ok(false);
        }
        let piece = piece_len(&*self.source, self.located.span.len(), self.seal.is_some());
        let len = usize::try_from(left).unwrap_or(piece).min(piece);
        let filled = self.read_piece(len)?;
        self.taken = 0;
        self.next_at = self.next_at.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        if self.seal.is_some() {
            self.hash_pool.update(&mut self.hasher, &self.piece);
        }
        Ok(filled > 0)
    }

    /// Reads at most `len` of the next stored bytes, and returns how many. The read of the last
    /// stored bytes also reads the seal.
    fn read_piece(&mut self, len: usize) -> io::Result<usize> {
        let stored_len = u64::try_from(len).unwrap_or(u64::MAX);
        let is_last = self.next_at.saturating_add(stored_len) >= self.located.span.end;
        let seal_len = self.seal.filter(|_| is_last).map_or(0, |seal| seal.len());
        let want_len = stored_len.saturating_add(seal_len);
        let want = Span::new(self.next_at, want_len);
        if let Some(bytes) = want.and_then(|want| self.view.head().answer(want)) {
            self.piece.clear();
            self.piece.extend_from_slice(bytes);
        } else {
            self.piece.resize(usize::try_from(want_len).unwrap_or(len), 0);
            let read = read_full(&*self.source, self.next_at, &mut self.piece);
            // After a failed read, the buffer holds zeros. They are removed, because the read may
            // be repeated and zeros must not be used as content.
            self.piece.truncate(*read.as_ref().unwrap_or(&0));
            if let Err(error) = read {
                self.taken = 0;
                return Err(error);
            }
        }
        self.seal_bytes.clear();
        self.seal_bytes.extend_from_slice(self.piece.get(len..).unwrap_or_default());
        self.piece.truncate(len);
        Ok(self.piece.len())
    }

    /// Decodes into `out`, and returns the number of bytes; 0 at the content's end.
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Stop> {
        self.take_dictionary()?;
        loop {
            let stored = self.piece.get(self.taken..).unwrap_or_default();
            let progress = self.decoder.decode(stored, out)?;
            self.taken = self.taken.saturating_add(progress.read);
            if let Some(total) = &self.total {
                total.spend(progress.written)?;
            }
            if progress.written > 0 || progress.done {
                return Ok(progress.written);
            }
            if self.taken == self.piece.len() && !self.refill()? {
                self.decoder.finish()?;
                return Ok(0);
            }
        }
    }

    /// Returns the error that tells why decoding stopped. If the content is at fault, every later
    /// read returns an error.
    fn stopped(&mut self, stop: Stop) -> io::Error {
        match stop {
            Stop::Io(error) => error,
            Stop::Content(fault) => self.refused(Fault::Content(fault)),
        }
    }

    /// Records the fault of the region, and returns the error that every later read repeats.
    fn refused(&mut self, fault: Fault) -> io::Error {
        self.fault = Some(fault);
        let (judged, or_else) = match fault {
            Fault::Seal => (self.judge(), io::ErrorKind::InvalidData.into()),
            // If the content is too long, the remaining stored bytes are not read, so the seal
            // cannot be checked.
            Fault::Content(fault @ dacti_index::Error::TooLong { .. }) => (Ok(()), invalid(fault)),
            // If bytes do not decode, they may differ from the sealed bytes. If so, the seal's
            // error is returned.
            Fault::Content(fault) => (self.verify(), invalid(fault)),
        };
        judged.err().unwrap_or(or_else)
    }

    /// Checks the seal of the region, after all of its content was decoded.
    fn verify(&mut self) -> io::Result<()> {
        match self.judge_all()? {
            Judged::Fits => Ok(()),
            // Some bytes were already handed out, so the region is not read again here. The caller
            // can open a new reader.
            Judged::Again(error) => Err(error),
        }
    }

    /// Reads the remaining stored bytes and checks all of them against their seal.
    pub(super) fn judge_all(&mut self) -> io::Result<Judged> {
        if self.verdict.is_some() {
            return Ok(Judged::Fits);
        }
        // The seal also covers stored bytes that the decoder did not need.
        while self.refill()? {}
        if let Some(seal) = self.seal.filter(|_| self.located.span.is_empty()) {
            // Usually the read of the last stored bytes also reads the seals. This region has no
            // stored bytes, so its seals are read here.
            self.seal_bytes = match self.view.head().answer(seal) {
                Some(bytes) => bytes.into(),
                None => read_span(&*self.source, seal)?,
            };
        }
        let Err(error) = self.judge() else { return Ok(Judged::Fits) };
        self.fault = Some(Fault::Seal);
        let all = Span { start: self.located.span.start, end: self.end() };
        if self.source.doubt(all, Doubt::Digest)? { Ok(Judged::Again(error)) } else { Err(error) }
    }

    /// Checks the stored bytes against their seal, after all of them were read.
    fn judge(&mut self) -> io::Result<()> {
        if self.seal.is_none() {
            return Ok(());
        }
        let seal = &self.seal_bytes[..];
        let verifier = self.trust.verifier(self.located).map_err(io::Error::other)?;
        if self.next_at < self.located.span.end {
            // The file was truncated since it was opened.
            let (at, needed) = (self.located.span.start, self.located.span.len());
            let (what, end) = (dacti_index::Structure::StoredRegion, self.next_at);
            return Err(invalid(dacti_index::Error::Truncated { what, at, needed, end }));
        }
        let stored = *self.hasher.finalize().as_bytes();
        let hashes = Hashes { stored, dictionary: self.dictionary_hash };
        let explained = |error| match self.trust.seals() {
            Some(seals) => self.explainer.explain(error, &self.located, &hashes, (seals, seal)),
            None => error,
        };
        let verdict = verifier.finish_with(hashes, seal).map_err(|error| invalid(explained(error)));
        self.verdict = Some(verdict?);
        Ok(())
    }
}

impl Read for UnverifiedReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(first) = out.first_mut() else { return Ok(0) };
        if let Some(fault) = self.fault {
            return Err(self.refused(fault));
        }
        if self.verdict.is_some() {
            if let Some(held) = self.held.take() {
                *first = held;
                return Ok(1);
            }
            return self.decode(out).map_err(|stop| self.stopped(stop));
        }
        loop {
            let written = self.decode(out).map_err(|stop| self.stopped(stop))?;
            let Some(last) = written.checked_sub(1) else {
                self.verify()?;
                return self.read(out);
            };
            // The output lags by one byte: the byte that was held back is handed out first, and the
            // last decoded byte is held back.
            let latest = out.get(last).copied();
            let before = core::mem::replace(&mut self.held, latest);
            if let Some(before) = before {
                out.copy_within(..last, 1);
                if let Some(slot) = out.first_mut() {
                    *slot = before;
                }
                return Ok(written);
            }
            if last > 0 {
                return Ok(last);
            }
        }
    }
}

impl Package {
    /// Opens a region's content as a stream that hands bytes out before they are verified: see
    /// [`UnverifiedReader`]. [`reader`](Self::reader) verifies them first.
    ///
    /// # Errors
    /// The errors of [`locate`](Self::locate) and
    /// [`unverified_reader_at`](Self::unverified_reader_at).
    pub fn unverified_reader<'a>(
        &self,
        name: impl Into<RegionName<'a>>,
    ) -> Result<UnverifiedReader, Error> {
        self.unverified_reader_at(self.locate(name)?)
    }

    /// Does the same as [`unverified_reader`](Self::unverified_reader), for a region that was found
    /// before.
    ///
    /// # Errors
    /// Stored bytes outside the file; an unknown encoding; a region without encoding that is longer
    /// than [`Limits::stream_len_max`](crate::Limits::stream_len_max).
    pub fn unverified_reader_at(&self, located: Located) -> Result<UnverifiedReader, Error> {
        let located = located.within(self.view().bound())?;
        UnverifiedReader::new(self, located, located.encoding, self.limits().stream_len_max)
    }

    /// Does the same as [`unverified_reader_at`](Self::unverified_reader_at), for the stored bytes
    /// without decoding.
    ///
    /// # Errors
    /// The errors of [`unverified_reader_at`](Self::unverified_reader_at), except for an unknown
    /// encoding.
    pub fn unverified_stored_reader_at(&self, located: Located) -> Result<UnverifiedReader, Error> {
        let located = located.within(self.view().bound())?;
        UnverifiedReader::new(self, located, Encoding::NONE, self.limits().stream_len_max)
    }
}

fn invalid(error: impl core::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
