//! The proof of a region: one hash for each piece of its stored bytes. The hashes are computed
//! while all stored bytes are checked against the seal.
//!
//! The seal covers the stored bytes as a whole, so all of them are read before any of them is
//! handed out. When the bytes are read again, each piece is compared with the proof. If the file
//! has changed in between, the reader returns an error instead of wrong bytes.

use crate::fetch::source::{Doubt, ReadAt, read_full};
use dacti_index::Located;
use dacti_seal::{Structure, Verdict};
use daicon_core::Span;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The length of a piece. Regions of at least `LONG_FROM` bytes have pieces of `PIECE_LEN_LONG`
/// bytes, so that their proof stays short: at most 512 KiB for 4 GiB.
const PIECE_LEN: u64 = 64 << 10;
const PIECE_LEN_LONG: u64 = 256 << 10;
const LONG_FROM: u64 = 16 << 20;

/// The maximum total length, in bytes, of the proofs that an open package keeps.
const KEPT_LEN_MAX: usize = 1 << 20;

/// Returns the length of each piece of a region, except the last piece.
pub(super) const fn piece_len(stored_len: u64) -> u64 {
    if stored_len < LONG_FROM { PIECE_LEN } else { PIECE_LEN_LONG }
}

/// Returns how many bytes of a proven region are read at once. These are whole pieces, so that no
/// piece is read and hashed twice.
pub(super) fn read_len(source: &dyn ReadAt, stored_len: u64) -> usize {
    let len = usize::try_from(piece_len(stored_len)).unwrap_or(usize::MAX);
    let pieces = source.read_len().checked_div(len).unwrap_or_default().max(1);
    len.saturating_mul(pieces)
}

/// The hashes of all pieces of a region's stored bytes. As a whole, these bytes matched their seal.
#[derive(Debug)]
pub(crate) struct Proof {
    pieces: Vec<[u8; 32]>,
    pub(super) verdict: Verdict,
}

/// Hashes stored bytes piece by piece. The bytes arrive in order.
#[derive(Debug)]
pub(super) struct PieceHasher {
    piece_len: usize,
    filled: usize,
    hasher: blake3::Hasher,
    pieces: Vec<[u8; 32]>,
}

impl PieceHasher {
    pub(super) fn new(stored_len: u64) -> Self {
        let piece_len = usize::try_from(piece_len(stored_len)).unwrap_or(usize::MAX);
        Self { piece_len, filled: 0, hasher: blake3::Hasher::new(), pieces: Vec::new() }
    }

    /// Takes the next stored bytes.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let len = self.piece_len.saturating_sub(self.filled).min(bytes.len());
            let (now, later) = bytes.split_at(len);
            self.hasher.update(now);
            self.filled = self.filled.saturating_add(len);
            if self.filled >= self.piece_len {
                self.end_piece();
            }
            bytes = later;
        }
    }

    fn end_piece(&mut self) {
        self.pieces.push(*self.hasher.finalize().as_bytes());
        self.hasher.reset();
        self.filled = 0;
    }

    /// Returns the proof. The caller must have verified that all these bytes together match their
    /// seal.
    pub(super) fn finish(mut self, verdict: Verdict) -> Proof {
        if self.filled > 0 {
            self.end_piece();
        }
        Proof { pieces: self.pieces, verdict }
    }
}

/// The stored bytes of a proven region. Each piece is compared with the proof when it is read.
#[derive(Debug)]
pub(super) struct Proven {
    bytes: Arc<dyn ReadAt>,
    stored: Span,
    proof: Arc<Proof>,
}

impl Proven {
    pub(super) fn new(bytes: Arc<dyn ReadAt>, stored: Span, proof: Arc<Proof>) -> Self {
        Self { bytes, stored, proof }
    }

    /// Returns the number of the piece that contains a position of the stored bytes.
    fn piece_at(&self, at: u64) -> u64 {
        let len = piece_len(self.stored.len());
        at.saturating_sub(self.stored.start).checked_div(len).unwrap_or_default()
    }

    /// Returns the start of the piece with this number, or the end of the stored bytes if there is
    /// no such piece.
    fn start_of(&self, piece: u64) -> u64 {
        let before = piece.saturating_mul(piece_len(self.stored.len()));
        self.stored.start.saturating_add(before).min(self.stored.end)
    }

    /// Returns the span of the whole pieces that contain the `len` bytes after `at`. If `len` is
    /// longer than one read of the source, the span ends with the piece in which that read ends.
    fn pieces_of(&self, at: u64, len: usize) -> Span {
        let len = u64::try_from(len.min(self.bytes.read_len())).unwrap_or(u64::MAX);
        let last = at.saturating_add(len.saturating_sub(1)).min(self.stored.end.saturating_sub(1));
        let start = self.start_of(self.piece_at(at));
        Span { start, end: self.start_of(self.piece_at(last).saturating_add(1)) }
    }

    /// Fills `buf` with the pieces of `span` and compares them with the proof. If the pieces
    /// differ, they are read again as long as the source has another way to read them.
    fn read_pieces(&self, span: Span, buf: &mut [u8]) -> io::Result<()> {
        loop {
            let filled = read_full(&*self.bytes, span.start, buf)?;
            if filled == buf.len() && self.fits(span, buf) {
                return Ok(());
            }
            if !self.bytes.doubt(span, Doubt::Digest)? {
                let (what, at) = (Structure::StoredRegion, self.stored.start);
                let fault = dacti_seal::Error::Altered { what, at };
                return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
            }
        }
    }

    fn fits(&self, span: Span, bytes: &[u8]) -> bool {
        let first = usize::try_from(self.piece_at(span.start)).unwrap_or(usize::MAX);
        let proof = self.proof.pieces.get(first..).unwrap_or_default();
        let len = usize::try_from(piece_len(self.stored.len())).unwrap_or(usize::MAX);
        let pieces = bytes.chunks(len);
        pieces.len() <= proof.len()
            && pieces.zip(proof).all(|(piece, proof)| blake3::hash(piece) == *proof)
    }
}

impl ReadAt for Proven {
    fn len(&self) -> u64 {
        self.stored.end
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.stored.end.saturating_sub(at.max(self.stored.start));
        let len = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if len == 0 {
            return Ok(0);
        }
        let span = self.pieces_of(at, len);
        let span_len = usize::try_from(span.len()).unwrap_or(usize::MAX);
        if span.start == at && span_len <= len {
            self.read_pieces(span, buf.get_mut(..span_len).unwrap_or_default())?;
            return Ok(span_len);
        }
        let mut pieces = vec![0; span_len];
        self.read_pieces(span, &mut pieces)?;
        let before = usize::try_from(at.saturating_sub(span.start)).unwrap_or(usize::MAX);
        let wanted = pieces.get(before..).unwrap_or_default();
        let read = wanted.len().min(len);
        for (to, from) in buf.iter_mut().zip(wanted) {
            *to = *from;
        }
        Ok(read)
    }

    fn read_len(&self) -> usize {
        read_len(&*self.bytes, self.stored.len())
    }

    fn is_local(&self) -> bool {
        self.bytes.is_local()
    }

    fn doubt(&self, span: Span, why: Doubt) -> io::Result<bool> {
        self.bytes.doubt(span, why)
    }
}

/// The latest proofs of an open package. A region with a proof can be read again, or in ranges,
/// without being verified as a whole again.
#[derive(Debug, Default)]
pub(crate) struct Proofs(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The proofs, with the latest at the end.
    proofs: VecDeque<(Located, Arc<Proof>)>,
    len: usize,
}

impl Proofs {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A thread may have panicked while it held the lock. Then the recorded length of the proofs
        // may be wrong, but it still limits their number.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, located: &Located) -> Option<Arc<Proof>> {
        let kept = self.kept();
        let found = kept.proofs.iter().find(|(of, _)| of == located);
        found.map(|(_, proof)| Arc::clone(proof))
    }

    pub(super) fn keep(&self, located: Located, proof: &Arc<Proof>) {
        let len_of = |proof: &Proof| proof.pieces.len().saturating_mul(32).saturating_add(128);
        let mut kept = self.kept();
        if kept.proofs.iter().any(|(of, _)| *of == located) {
            return;
        }
        kept.len = kept.len.saturating_add(len_of(proof));
        kept.proofs.push_back((located, Arc::clone(proof)));
        while kept.len > KEPT_LEN_MAX
            && let Some((_, oldest)) = kept.proofs.pop_front()
        {
            kept.len = kept.len.saturating_sub(len_of(&oldest));
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the numbers in tests are small")]
mod tests {
    use super::{PIECE_LEN, PieceHasher, Proofs, Proven};
    use crate::fetch::source::{BytesSource, ReadAt};
    use dacti_index::{Encoding, Located};
    use dacti_seal::Verdict;
    use daicon_core::Span;
    use std::sync::Arc;
    use uuid::Uuid;

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i / 251) as u8 ^ i as u8).collect()
    }

    /// Returns a region at position 10 of a file, with its proof.
    fn proven(content: &[u8], file: Vec<u8>) -> Proven {
        let stored = Span::new(10, content.len() as u64).unwrap();
        let mut hasher = PieceHasher::new(stored.len());
        content.chunks(1000).for_each(|part| hasher.update(part));
        let proof = Arc::new(hasher.finish(Verdict::Digest));
        Proven::new(Arc::new(BytesSource::new(file)), stored, proof)
    }

    fn file(content: &[u8]) -> Vec<u8> {
        [&[7; 10][..], content, &[8; 40]].concat()
    }

    #[test]
    fn every_part_of_the_stored_bytes_is_read_as_it_was() {
        let content = content(3 * PIECE_LEN as usize + 17);
        let proven = proven(&content, file(&content));
        let piece = PIECE_LEN as usize;
        for at in [0, 1, 999, piece - 1, piece, piece + 1, 3 * piece, content.len() - 1] {
            for len in [1, 2, 1000, piece, piece + 1, content.len()] {
                let mut buf = vec![0; len];
                let read = super::read_full(&proven, 10 + at as u64, &mut buf).unwrap();
                assert_eq!(read, len.min(content.len() - at), "{at} {len}");
                assert!(buf[..read] == content[at..at + read], "{at} {len}");
            }
        }
        assert_eq!(proven.read_at(10 + content.len() as u64, &mut [0; 9]).unwrap(), 0);
    }

    #[test]
    fn a_piece_that_changed_is_refused_and_the_others_are_read() {
        let content = content(3 * PIECE_LEN as usize + 17);
        let mut changed = file(&content);
        changed[10 + PIECE_LEN as usize] ^= 1;
        let proven = proven(&content, changed);
        let mut buf = [0; 5];
        assert_eq!(proven.read_at(10, &mut buf).unwrap(), 5);
        assert_eq!(buf, content[..5]);
        let error = proven.read_at(10 + 2 * PIECE_LEN - 5, &mut buf).unwrap_err().to_string();
        assert!(error.contains("stored region at 0xa: altered"), "{error}");
        assert_eq!(proven.read_at(10 + 2 * PIECE_LEN, &mut buf).unwrap(), 5);
        // The file was truncated.
        let proven = super::tests::proven(&content, file(&content)[..1000].to_vec());
        assert!(proven.read_at(10, &mut buf).is_err());
    }

    #[test]
    fn the_latest_proofs_are_kept_within_their_bound() {
        let proofs = Proofs::default();
        let located = |n: u64| Located {
            id: Uuid::from_u128(n.into()),
            span: Span { start: n, end: n + 1 },
            encoding: Encoding::NONE,
            at: 0,
        };
        let mut hasher = PieceHasher::new(1);
        (0..4).for_each(|_| hasher.update(&vec![0; 64 << 10]));
        let proof = Arc::new(hasher.finish(Verdict::Digest));
        for n in 0..10_000 {
            proofs.keep(located(n), &proof);
            assert!(proofs.get(&located(n)).is_some());
        }
        // Each proof takes 256 bytes, so 4,096 proofs fit into `KEPT_LEN_MAX`.
        assert!(proofs.get(&located(10_000 - 4096)).is_some());
        assert!(proofs.get(&located(10_000 - 4097)).is_none());
    }
}
