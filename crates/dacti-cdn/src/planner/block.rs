//! The block: the appended bytes of an update. It begins at a multiple of the slice length, or of 8
//! in a package in parts.

use crate::wanted::Wanted;
use crate::{Append, ComponentContent, Digest, Error, Piece, PieceContent, Snapshot, UpdatePolicy};
use alloc::vec;
use alloc::vec::Vec;
use daicon_core::Span;

/// A block that is being laid out.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// Start of the block: the first multiple of the alignment at or after the file's physical end.
    pub(crate) at: u64,
    pub(crate) end: u64,
    /// The alignment of the block's start and end.
    align: u64,
    /// The number of zeros of [`Snapshot::room_len`] that the block still lacks.
    room_len: u64,
    pieces: Vec<Piece>,
    /// The span of the stored bytes of each put, in order.
    pub(crate) puts: Vec<Span>,
    /// The span of the seal of each removal, in order. The spans are empty if the package has no
    /// seals.
    pub(crate) removes: Vec<Span>,
    /// The span of the region of each new component, in order. The span of a component without a
    /// region is empty.
    pub(crate) components: Vec<Span>,
}

impl Block {
    /// Returns an empty block that starts at `at` and is not padded.
    pub(crate) fn starting_at(at: u64) -> Self {
        Self { at, end: at, align: 1, ..Self::default() }
    }

    /// Lays out the bytes of all edits: regions, then seals of removals, then components.
    pub(crate) fn of_edits(
        snapshot: &Snapshot,
        wanted: &Wanted<'_>,
        slice_len: u64,
        policy: &UpdatePolicy,
    ) -> Result<Self, Error> {
        let align = snapshot.block_align(slice_len);
        let at = snapshot.len.checked_next_multiple_of(align);
        let at = at.ok_or(Error::PastLastPosition)?;
        let room_len = snapshot.room_len;
        let mut block = Self { at, end: at, align, room_len, ..Self::default() };
        for &(edit, put) in &wanted.puts {
            block.align(policy.region_align)?;
            let digest = put.digest;
            let len = put.size.saturating_add(put.seal_len);
            let span = block.push(len, PieceContent::Edit { edit, digest })?;
            // An edit without bytes has no piece, so no piece states its place. Its place is the
            // start of the block, which the plan states.
            let start = if len == 0 { at } else { span.start };
            block.puts.push(Span { start, end: start.saturating_add(put.size) });
        }
        for &(edit, remove) in &wanted.removes {
            let digest = remove.digest;
            let seal = block.push(remove.seal_len, PieceContent::Edit { edit, digest })?;
            block.removes.push(seal);
        }
        for &(edit, new) in &wanted.components {
            let span = match new.content {
                ComponentContent::Region { size, digest } => {
                    block.align(policy.region_align)?;
                    block.push(size, PieceContent::Edit { edit, digest })?
                }
                ComponentContent::Data(_) => Span::default(),
            };
            block.components.push(span);
        }
        Ok(block)
    }

    /// Adds a piece of `len` bytes, unless `len` is 0. Returns its span.
    pub(crate) fn push(&mut self, len: u64, content: PieceContent) -> Result<Span, Error> {
        let span = Span::new(self.end, len).ok_or(Error::PastLastPosition)?;
        self.end = span.end;
        if !span.is_empty() {
            self.pieces.push(Piece { span, content });
        }
        Ok(span)
    }

    /// Adds zeros up to a file position that is a multiple of `align`.
    pub(crate) fn align(&mut self, align: u64) -> Result<(), Error> {
        let end = self.end.checked_next_multiple_of(align).ok_or(Error::PastLastPosition)?;
        self.push(end.saturating_sub(self.end), PieceContent::Zeros)?;
        Ok(())
    }

    /// Adds the zeros of [`Snapshot::room_len`], unless the block already has them.
    pub(crate) fn push_room(&mut self) -> Result<(), Error> {
        // spec: R-CDN-19
        // Readers read these zeros together with a region, so the barrier proves them as well.
        let len = core::mem::take(&mut self.room_len);
        let room = vec![0; usize::try_from(len).unwrap_or_default()];
        self.push(len, PieceContent::Inline(room))?;
        Ok(())
    }

    /// Returns the append, padded to the alignment; `None` if there are no bytes.
    pub(crate) fn into_append(mut self) -> Result<Option<Append>, Error> {
        if self.end == self.at {
            return Ok(None);
        }
        self.push_room()?;
        self.align(self.align)?;
        Ok(Some(Append { at: self.at, pieces: self.pieces }))
    }
}

impl Piece {
    /// Returns the span and the digest that a barrier probes; `None` for zeros.
    pub(crate) fn probe(&self) -> Option<(Span, Digest)> {
        self.content.digest().map(|digest| (self.span, digest))
    }
}
