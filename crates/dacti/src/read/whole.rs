//! Reads or hashes all bytes of a span. A missing byte is an error.

use crate::Error;
use crate::fetch::source::{ReadAt, read_span};
use crate::hash::HashPool;
use crate::read::view::read_failed;
use daicon_core::{Span, to_u64};
use std::io::ErrorKind;

/// The number of bytes that are read and hashed at once.
const PIECE_LEN: u64 = 4 << 20;

/// Receives the pieces of a span in ascending order, each with its position.
pub(crate) type TakePiece<'t> = dyn FnMut(u64, &[u8]) -> Result<(), Error> + 't;

/// Reads all of `span`.
pub(crate) fn read_whole(source: &dyn ReadAt, span: Span) -> Result<Vec<u8>, Error> {
    let bytes = read_span(source, span).map_err(read_failed)?;
    if to_u64(bytes.len()) == span.len() {
        return Ok(bytes);
    }
    Err(read_failed(ErrorKind::UnexpectedEof.into()))
}

/// Returns the BLAKE3 of all bytes of `span`. Memory: 4 MiB.
pub(crate) fn hash_whole(
    source: &dyn ReadAt,
    span: Span,
    pool: &HashPool,
) -> Result<[u8; 32], Error> {
    hash_whole_with(source, span, pool, &mut |_, _| Ok(()))
}

/// Does the same as [`hash_whole`], and gives each piece to `take`, with its position.
pub(crate) fn hash_whole_with(
    source: &dyn ReadAt,
    span: Span,
    pool: &HashPool,
    take: &mut TakePiece<'_>,
) -> Result<[u8; 32], Error> {
    let mut hasher = blake3::Hasher::new();
    let mut at = span.start;
    while at < span.end {
        let end = at.saturating_add(PIECE_LEN).min(span.end);
        let piece = read_whole(source, Span { start: at, end })?;
        pool.update(&mut hasher, &piece);
        take(at, &piece)?;
        at = end;
    }
    Ok(hasher.finalize().into())
}
