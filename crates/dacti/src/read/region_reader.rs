//! The content of one region as a stream, verified before its last byte is handed out.

use crate::fetch::source::{Doubt, ReadAt, read_full, read_span};
use crate::hash::{HashPool, PARALLEL_LEN_MIN};
use crate::read::explain::Explainer;
use crate::read::seals::Trust;
use crate::{Error, Package, View};
use dacti_index::{Decoder, Encoding, Located};
use dacti_seal::Verdict;
use daicon_core::Span;
use std::io::{self, Read};
use std::sync::Arc;

/// Stored bytes that are read at once of a region that several threads hash; else as the source
/// says.
const PIECE_LONG: usize = 4 * PARALLEL_LEN_MIN;
const PIECE_LONG_FROM: u64 = 16 << 20;

/// How many stored bytes are read at once of a region.
fn piece_len(source: &dyn ReadAt, stored_len: u64, is_sealed: bool) -> usize {
    let is_long = is_sealed && stored_len >= PIECE_LONG_FROM;
    if is_long { PIECE_LONG } else { source.read_len().max(1) }
}

/// The reads that a stream of the bytes at `stored` takes, which are `span` with the seal behind
/// them where that counts. Where they are read `whole`, it is one.
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

/// A region's content, decoded as it is read.
///
/// Where the region has a seal and it counts, the last byte is kept back until the seal was found
/// to fit: whoever has read to the end has verified content, and whoever has not yet does not. An
/// error means that what was read before is not to be used. [`verdict`](Self::verdict) tells;
/// [`VerifiedReader`](crate::VerifiedReader) is the type of which it holds always.
///
/// Memory: 64 KiB of stored bytes, 4 MiB of a region so long that several threads hash it, and for
/// `brot` the decoder's window of at most 16 MiB. Errors
/// carry a [`dacti_index::Error`] or a [`dacti_seal::Error`] as their source.
#[derive(Debug)]
pub struct RegionReader {
    source: Arc<dyn ReadAt>,
    view: Arc<View>,
    trust: Arc<Trust>,
    explainer: Explainer,
    hash_pool: Arc<HashPool>,
    located: Located,
    decoder: Decoder,
    piece: Vec<u8>,
    taken: usize,
    next_at: u64,
    /// Where the seal is; `None` where nothing is verified.
    seal: Option<Span>,
    seal_bytes: Vec<u8>,
    hasher: blake3::Hasher,
    /// The latest decoded byte, kept back.
    held: Option<u8>,
    verdict: Option<Verdict>,
    /// What is wrong with the region, once that was told: nothing more of it is handed out.
    fault: Option<Fault>,
}

/// What is wrong with a region.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Its seal does not fit.
    Seal,
    Content(dacti_index::Error),
}

/// Why there is nothing to hand out.
enum Stop {
    /// What a source says, which may say otherwise next time, or a seal that does not fit.
    Io(io::Error),
    /// Stored bytes that do not decode.
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

impl RegionReader {
    pub(crate) fn new(
        package: &Package,
        located: Located,
        decode_as: Encoding,
        decoded_len_max: u64,
    ) -> Result<Self, Error> {
        let source = Arc::clone(package.source());
        Self::over(source, package, located, decode_as, decoded_len_max)
    }

    /// As [`new`](Self::new), with another source of the same bytes.
    pub(crate) fn over(
        source: Arc<dyn ReadAt>,
        package: &Package,
        located: Located,
        decode_as: Encoding,
        decoded_len_max: u64,
    ) -> Result<Self, Error> {
        let trust = Arc::clone(package.trust());
        let decoder = Decoder::new(&Located { encoding: decode_as, ..located }, decoded_len_max)?;
        let all = trust.span(located)?;
        let seal = Span { start: located.span.end, end: all.end };
        let seal = Some(seal).filter(|seal| !seal.is_empty());
        Ok(Self {
            source,
            view: Arc::clone(package.shared_view()),
            trust,
            explainer: package.explainer().clone(),
            hash_pool: Arc::clone(package.hash_pool()),
            located,
            decoder,
            piece: Vec::new(),
            taken: 0,
            next_at: located.span.start,
            seal,
            seal_bytes: Vec::new(),
            hasher: blake3::Hasher::new(),
            held: None,
            verdict: seal.is_none().then_some(Verdict::Unchecked),
            fault: None,
        })
    }

    /// Has these threads hash, and not all that there are.
    pub(crate) fn hash_by(&mut self, pool: &Arc<HashPool>) {
        self.hash_pool = Arc::clone(pool);
    }

    /// Where the region is stored.
    #[must_use]
    pub const fn located(&self) -> &Located {
        &self.located
    }

    /// Decoded bytes so far, one more than were handed out while a byte is kept back.
    #[must_use]
    pub const fn decoded_len(&self) -> u64 {
        self.decoder.decoded_len()
    }

    /// Whether the region's seal is checked.
    pub(crate) const fn is_judged(&self) -> bool {
        self.seal.is_some()
    }

    /// What was found out about the content that was read; `None` while it is not verified.
    #[must_use]
    pub const fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// Reads the next piece of stored bytes; false where there is none. Where one piece is all of
    /// them, and the seal, they are judged at once, and read again as long as the source knows
    /// another way.
    fn refill(&mut self) -> io::Result<bool> {
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
            // Also where the source has no other way and says why.
            self.fault = Some(Fault::Seal);
            if !self.source.doubt(all, Doubt::Digest)? {
                return Err(error);
            }
            self.fault = None;
            self.next_at = at;
            self.hasher.reset();
        }
    }

    /// Where the last of the bytes ends that are to be read.
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

    /// Reads the next `len` stored bytes, or as many as there are, and says how many. The seal
    /// comes with the last of them.
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
            // What could not be read may be asked for again, and nothing in its place is content.
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

    /// Decodes into `out`; 0 at the content's end.
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Stop> {
        loop {
            let stored = self.piece.get(self.taken..).unwrap_or_default();
            let progress = self.decoder.decode(stored, out)?;
            self.taken = self.taken.saturating_add(progress.read);
            if progress.written > 0 || progress.done {
                return Ok(progress.written);
            }
            if self.taken == self.piece.len() && !self.refill()? {
                self.decoder.finish()?;
                return Ok(0);
            }
        }
    }

    /// The error for a stop, by which the region is given up where bytes are wrong.
    fn stopped(&mut self, stop: Stop) -> io::Error {
        match stop {
            Stop::Io(error) => error,
            Stop::Content(fault) => self.refused(Fault::Content(fault)),
        }
    }

    /// What is told of the region from now on. A source that could not read may do so next time.
    fn refused(&mut self, fault: Fault) -> io::Error {
        self.fault = Some(fault);
        let (judged, or_else) = match fault {
            Fault::Seal => (self.judge(), io::ErrorKind::InvalidData.into()),
            // What is too long is not read on to find out what was sealed.
            Fault::Content(fault @ dacti_index::Error::TooLong { .. }) => (Ok(()), invalid(fault)),
            // Where a decoder stumbles over bytes that are not what was sealed, that is the reason.
            Fault::Content(fault) => (self.verify(), invalid(fault)),
        };
        judged.err().unwrap_or(or_else)
    }

    /// Judges the region, all of whose content was decoded.
    fn verify(&mut self) -> io::Result<()> {
        if self.verdict.is_some() {
            return Ok(());
        }
        // What the decoder had no need of is part of the stored bytes all the same.
        while self.refill()? {}
        if let Some(seal) = self.seal.filter(|_| self.located.span.is_empty()) {
            // No bytes, with which it would have come.
            self.seal_bytes = match self.view.head().answer(seal) {
                Some(bytes) => bytes.into(),
                None => read_span(&*self.source, seal)?,
            };
        }
        let Err(error) = self.judge() else { return Ok(()) };
        self.fault = Some(Fault::Seal);
        // Too late to read them again here, but not for whoever begins anew.
        let all = Span { start: self.located.span.start, end: self.end() };
        self.source.doubt(all, Doubt::Digest)?;
        Err(error)
    }

    /// Holds the stored bytes against their seal, both of which were read.
    fn judge(&mut self) -> io::Result<()> {
        if self.seal.is_none() {
            return Ok(());
        }
        let seal = &self.seal_bytes[..];
        let verifier = self.trust.verifier(self.located).map_err(io::Error::other)?;
        if self.next_at < self.located.span.end {
            // The file was cut since it was opened.
            let (at, needed) = (self.located.span.start, self.located.span.len());
            let (what, end) = (dacti_index::Structure::StoredRegion, self.next_at);
            return Err(invalid(dacti_index::Error::Truncated { what, at, needed, end }));
        }
        let hash = *self.hasher.finalize().as_bytes();
        let explained = |error| self.explainer.explain(error, &self.located, &hash, seal);
        let verdict = verifier.finish_with(&hash, seal).map_err(|error| invalid(explained(error)));
        self.verdict = Some(verdict?);
        Ok(())
    }
}

impl Read for RegionReader {
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
            // One byte late: the one kept back goes first, and the last is kept back.
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

fn invalid(error: impl core::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
