//! The bytes of an append, piece by piece. They are taken from encoded regions, from a new index,
//! or from the data file of a saved plan.
//!
//! Every piece is checked against its digest in the plan. A piece of a new index is checked before
//! it is handed out, and any other piece after its last byte. Specification:
//! `docs/spec/dacti-cdn.md`.

use super::UpdateFault;
use super::stage::Stage;
use crate::Error;
use crate::fetch::source::read_file_at;
use core::ops::Range;
use dacti_cdn::{Append, Derived, Digest, Piece, PieceContent, Plan, Snapshot};
use std::fs::File;
use std::io;
use std::path::Path;

/// The number of bytes that are read at once.
const PIECE_LEN: u64 = 1 << 20;

/// The source of an append's bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Block<'b> {
    /// The regions that were just encoded.
    Staged(Staged<'b>),
    /// The data file of a saved plan.
    Saved {
        file: &'b File,
        path: &'b Path,
        /// The position of the append's first byte in that file.
        at: u64,
    },
}

/// The regions that were just encoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Staged<'b> {
    pub(super) stage: &'b Stage,
    /// For each edit, the number of the staged region that has its bytes.
    pub(super) numbers: &'b [Option<usize>],
    pub(super) plan: &'b Plan,
    /// The snapshot from which the plan was made. The bytes of a new index are derived from it.
    pub(super) snapshot: &'b Snapshot,
}

/// A function that receives bytes and their position in the package.
pub(super) type Take<'t> = dyn FnMut(u64, &[u8]) -> Result<(), Error> + 't;

impl Block<'_> {
    /// Hands out the bytes of all pieces except those of zeros, in ascending order, with their
    /// positions in the package.
    pub(super) fn each(&self, append: &Append, take: &mut Take<'_>) -> Result<(), Error> {
        let pieces = &append.pieces[..];
        let is_derived = |piece: &Piece| matches!(piece.content, PieceContent::Derived { .. });
        let derived = match self {
            Self::Staged(_) => {
                let first = pieces.iter().position(is_derived).unwrap_or(pieces.len());
                let end = pieces.iter().rposition(is_derived);
                first..end.map_or(first, |last| last.saturating_add(1))
            }
            // The data file also has the bytes of a new index, so they are read like all other
            // bytes.
            Self::Saved { .. } => pieces.len()..pieces.len(),
        };
        let part = |range: Range<usize>| pieces.get(range).unwrap_or_default();
        for piece in part(0..derived.start) {
            self.piece(append, piece, take)?;
        }
        if let Self::Staged(staged) = self {
            staged.derived(part(derived.clone()), take)?;
        }
        for piece in part(derived.end..pieces.len()) {
            self.piece(append, piece, take)?;
        }
        Ok(())
    }

    fn piece(&self, append: &Append, piece: &Piece, take: &mut Take<'_>) -> Result<(), Error> {
        let at = piece.span.start;
        let edit = match &piece.content {
            PieceContent::Zeros => return Ok(()),
            PieceContent::Inline(bytes) => return take(at, bytes),
            PieceContent::Edit { edit, .. } => usize::try_from(*edit).ok(),
            PieceContent::Derived { .. } => None,
        };
        let mut hasher = blake3::Hasher::new();
        let mut buf = Vec::new();
        let mut offset = 0_u64;
        while offset < piece.span.len() {
            let len = piece.span.len().saturating_sub(offset).min(PIECE_LEN);
            buf.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
            let piece_at = at.saturating_add(offset);
            match self {
                Self::Staged(Staged { stage, numbers, .. }) => {
                    let number = edit.and_then(|edit| numbers.get(edit).copied().flatten());
                    stage.read(number.unwrap_or(usize::MAX), offset, &mut buf)?;
                }
                Self::Saved { file, path, at } => {
                    let within = piece_at.saturating_sub(append.at);
                    read_exact_at(file, at.saturating_add(within), &mut buf)
                        .map_err(|error| Error::io("read", path, error))?;
                }
            }
            hasher.update(&buf);
            take(piece_at, &buf)?;
            offset = offset.saturating_add(len);
        }
        hold_against(at, &piece.content, Digest(hasher.finalize().into()))
    }
}

impl Staged<'_> {
    /// Hands out the pieces of a new index, one after the other.
    fn derived(&self, pieces: &[Piece], take: &mut Take<'_>) -> Result<(), Error> {
        let Some(derived) = Derived::of(self.plan, self.snapshot)? else { return Ok(()) };
        derived.emit(|at, bytes| {
            let piece = pieces.iter().find(|piece| piece.span.start == at);
            let content = piece.map_or(&PieceContent::Zeros, |piece| &piece.content);
            hold_against(at, content, Digest::of(bytes))?;
            take(at, bytes)
        })
    }
}

/// Returns the length of an append without the zeros at its end.
pub(super) fn written_len(append: &Append) -> u64 {
    let last = append.pieces.iter().rev().find(|piece| piece.content != PieceContent::Zeros);
    last.map_or(0, |piece| piece.span.end.saturating_sub(append.at))
}

/// Checks the bytes at `at` against their digest in the plan.
fn hold_against(at: u64, content: &PieceContent, found: Digest) -> Result<(), Error> {
    match content.digest() {
        Some(expected) if expected != found => {
            Err(UpdateFault::Payload { at, expected, found }.into())
        }
        _ => Ok(()),
    }
}

/// Fills `buf` with the bytes of a file from a position on.
pub(super) fn read_exact_at(file: &File, at: u64, buf: &mut [u8]) -> io::Result<()> {
    let (mut at, mut left) = (at, buf);
    while !left.is_empty() {
        let read = match read_file_at(file, at, left) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        left = left.get_mut(read..).unwrap_or_default();
    }
    Ok(())
}
