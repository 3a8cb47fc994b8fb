//! The steps of a plan, in the words of the protocol: append, reserve, barrier, switch.
//!
//! A step is data: what is written where, what stood there before, and what the file is like after
//! it. Specification: `docs/spec/dacti-cdn.md`, "Steps".

use crate::Digest;
use alloc::vec::Vec;
use daicon_core::Span;

/// What a file is like: enough to tell before a step from after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct State {
    /// Physical length in bytes.
    pub len: u64,
    /// Of the first 65,536 bytes.
    pub head: Digest,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// What the file is like when it is done.
    pub after: State,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, rename_all = "snake_case"))]
pub enum Action {
    /// Bytes past the end of the file.
    Append(Append),
    /// Bytes of the head that nobody reads yet.
    Reserve(Reserve),
    /// Nothing is written before all caches answer with these bytes.
    Barrier(Barrier),
    /// The one field that publishes the update.
    Switch(Switch),
}

/// Bytes past the end of the file, written ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Append {
    /// Where they start, absolute: a multiple of the slice length.
    pub at: u64,
    /// What is written, each piece right behind the one before. The last ends at a multiple of the
    /// slice length, most often with zeros that need not be written: a file can be made longer
    /// without them.
    pub pieces: Vec<Piece>,
}

impl Append {
    /// The bytes that the append takes, absolute.
    #[must_use]
    pub fn span(&self) -> Span {
        let end = self.pieces.last().map_or(self.at, |piece| piece.span.end);
        Span { start: self.at, end }
    }
}

/// A part of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Piece {
    /// Where it stands, absolute.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::span"))]
    pub span: Span,
    /// What it holds.
    pub content: PieceContent,
}

/// What a piece holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, rename_all = "snake_case"))]
pub enum PieceContent {
    /// The bytes of an edit: of a region its stored bytes and seal, of a component its region.
    Edit {
        /// Number of the edit, from 0.
        edit: u32,
        /// Of the bytes.
        digest: Digest,
    },
    /// Bytes of a new index, made by [`Derived`](crate::Derived).
    Derived {
        /// Of what.
        region: DerivedRegion,
        /// Of the bytes.
        digest: Digest,
    },
    /// A few bytes that the plan holds itself: an extension table.
    Inline(#[cfg_attr(feature = "serde", serde(with = "crate::json::hex"))] Vec<u8>),
    /// Zeros.
    Zeros,
}

impl PieceContent {
    /// Of the bytes; `None` for zeros.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Edit { digest, .. } | Self::Derived { digest, .. } => Some(*digest),
            Self::Inline(bytes) => Some(Digest::of(bytes)),
            Self::Zeros => None,
        }
    }
}

/// What a derived piece is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum DerivedRegion {
    /// The lookup region.
    Fences,
    /// The index region: its header and groups in the first piece, then groups.
    Index,
}

/// Bytes of the head that nobody reads yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Reserve {
    /// Where they stand, absolute.
    pub at: u64,
    /// What stands there before.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::hex"))]
    pub before: Vec<u8>,
    /// What stands there afterwards: as many bytes.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::hex"))]
    pub after: Vec<u8>,
}

/// The proof that all caches have what stands before it in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Barrier {
    /// What origin and edges must answer with, head first, then ascending.
    pub probes: Vec<Probe>,
    /// What caches are asked to forget before they are probed.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::spans"))]
    pub purge: Vec<Span>,
}

/// A range that readers use, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Probe {
    /// The range, absolute.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::span"))]
    pub span: Span,
    /// Of its bytes.
    pub digest: Digest,
}

/// A field of the head that publishes, written by one call: at most eight bytes, naturally aligned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Switch {
    /// Which one.
    pub field: Field,
    /// Where it stands, absolute.
    pub at: u64,
    /// What stands there before.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::hex"))]
    pub before: Vec<u8>,
    /// What stands there afterwards: as many bytes.
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
    /// The extension offset of the first table, of which the low four bytes change.
    Extension,
    /// The count of the first table: four bytes.
    Count,
}
