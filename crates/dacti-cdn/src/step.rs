//! The steps of a plan: append, reserve, barrier, switch.
//!
//! A step is data: the bytes, their place, the old bytes, and the state of the file after the step.
//! Specification: `docs/spec/dacti-cdn.md`, "Steps".

use crate::Digest;
use alloc::vec::Vec;
use daicon_core::Span;

/// The state of a file between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct State {
    /// Physical length in bytes.
    pub len: u64,
    /// Digest of the head.
    pub head: Digest,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Step {
    /// The action.
    pub action: Action,
    /// State of the file after the step.
    pub after: State,
}

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, rename_all = "snake_case"))]
pub enum Action {
    /// Writes bytes past the end of the file.
    Append(Append),
    /// Writes head bytes that no reader uses.
    Reserve(Reserve),
    /// Waits until origin and caches answer with the right bytes.
    Barrier(Barrier),
    /// Writes the field that publishes the update.
    Switch(Switch),
}

/// Bytes past the end of the file, written in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Append {
    /// Start of the bytes, absolute. It is a multiple of the slice length; in a package in parts,
    /// it is a multiple of 8.
    pub at: u64,
    /// The pieces, without gaps. The end of the last piece is a multiple of the slice length; in a
    /// package in parts, it is a multiple of 8. Zeros at the end need not be written, because
    /// extending the file has the same effect.
    pub pieces: Vec<Piece>,
}

impl Append {
    /// Returns the span of the append, absolute.
    #[must_use]
    pub fn span(&self) -> Span {
        let end = self.pieces.last().map_or(self.at, |piece| piece.span.end);
        Span { start: self.at, end }
    }
}

/// A piece of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Piece {
    /// Span of the piece, absolute.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::span"))]
    pub span: Span,
    /// Content of the piece.
    pub content: PieceContent,
}

/// The content of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, rename_all = "snake_case"))]
pub enum PieceContent {
    /// The bytes of an edit: stored bytes and seal of a region, the seal of a removal, or the
    /// region of a component.
    Edit {
        /// Number of the edit, from 0.
        edit: u32,
        /// Digest of the bytes.
        digest: Digest,
    },
    /// Bytes of a new index, made by [`Derived`](crate::Derived).
    Derived {
        /// The region to which the bytes belong.
        region: DerivedRegion,
        /// Digest of the bytes.
        digest: Digest,
    },
    /// Bytes that the plan itself has: an extension table, or the zeros that
    /// [`Snapshot::room_len`](crate::Snapshot::room_len) describes.
    Inline(#[cfg_attr(feature = "serde", serde(with = "crate::json::hex"))] Vec<u8>),
    /// Zeros for alignment. Barriers do not probe them.
    Zeros,
}

impl PieceContent {
    /// Returns the digest of the bytes; `None` for zeros.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Edit { digest, .. } | Self::Derived { digest, .. } => Some(*digest),
            Self::Inline(bytes) => Some(Digest::of(bytes)),
            Self::Zeros => None,
        }
    }
}

/// The region of a derived piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum DerivedRegion {
    /// The lookup region.
    Fences,
    /// The index region. Its header is in the first piece.
    Index,
}

/// A write of head bytes that no reader uses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Reserve {
    /// Position of the bytes, absolute.
    pub at: u64,
    /// The old bytes.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::hex"))]
    pub before: Vec<u8>,
    /// The new bytes, of the same length as the old ones.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::hex"))]
    pub after: Vec<u8>,
}

/// The proof that origin and caches have the bytes of the previous steps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Barrier {
    /// The ranges for which origin and caches must answer with the right bytes, ascending. Each
    /// range lies in the head, or is a piece of the append.
    pub probes: Vec<Probe>,
    /// The ranges to purge from caches before the probes.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::spans"))]
    pub purge: Vec<Span>,
}

/// A range that readers use, with its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Probe {
    /// The range, absolute.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::span"))]
    pub span: Span,
    /// Digest of the range's bytes.
    pub digest: Digest,
}

/// The write that publishes the plan. It changes one field of the head, by one write of at most
/// eight naturally aligned bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Switch {
    /// The field.
    pub field: Field,
    /// Position of the field, absolute.
    pub at: u64,
    /// The old bytes.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::hex"))]
    pub before: Vec<u8>,
    /// The new bytes, of the same length as the old ones.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::hex"))]
    pub after: Vec<u8>,
}

/// A field that can publish an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, rename_all = "snake_case"))]
pub enum Field {
    /// The length of a delta group: one byte.
    DeltaLength {
        /// Number of the group in the index, from 0.
        group: u32,
    },
    /// The low four bytes of the extension offset of the first table.
    Extension,
    /// The count of the first table: four bytes.
    Count,
}
