//! The laws, and the ways to break them.

use core::fmt;

/// A law of publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Law {
    /// W1: bytes that readers can reach never move or change, and bytes past the end are never
    /// reused.
    W1,
    /// W2: before a switch, a barrier proves all bytes that the switch makes reachable.
    W2,
    /// W3: a switch is one write of at most eight naturally aligned bytes in the head.
    W3,
    /// W4: one switch publishes the whole update.
    W4,
    /// W5: an update shares no cached slice with old data.
    W5,
    /// W8: a plan begins with a barrier on the switch of the previous plan.
    W8,
    /// The plan contradicts itself, or belongs to another file.
    Plan,
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan => f.write_str("the plan contradicts itself or the file"),
            law => write!(f, "the plan breaks law {law:?}"),
        }
    }
}

/// A way to break a law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Breach {
    /// An append begins before the file's physical end.
    #[error(
        "an append begins before the physical end of the file, where caches may still hold old \
         bytes"
    )]
    BytesReused,
    /// A reserve writes head bytes that a reader may use.
    #[error("a reserve writes bytes that readers of the published head use")]
    Read,
    /// A step writes into old bytes outside the head.
    #[error("a step writes into old bytes outside the head")]
    OutsideHead,
    /// The new view lacks a published component, table or index, or changes it.
    #[error("the new view lacks or changes a published component, table or index")]
    Lost,
    /// The new view reaches bytes that the plan does not write before the switch.
    #[error("the new view reaches bytes that the plan does not append")]
    Unwritten,
    /// No barrier proves all bytes of the update before the switch.
    #[error("the barriers do not cover all bytes that the switch publishes")]
    NoBarrier,
    /// The pieces of an append have gaps between them, or do not ascend.
    #[error("the pieces of an append must follow each other without gaps")]
    NotAscending,
    /// The plan writes the head before the append.
    #[error("the plan writes the head before the append")]
    HeadBeforeTail,
    /// A step writes after the switch.
    #[error("a step writes after the switch")]
    AfterSwitch,
    /// A barrier probes or purges bytes past the end that the file has at that step.
    #[error("a barrier asks for bytes past the end of the file at that step")]
    ProbePastEnd,
    /// The switch has more than eight bytes, or is not naturally aligned.
    #[error("the switch is not 1, 2, 4 or 8 naturally aligned bytes")]
    Torn,
    /// The switch does not have the position or the length of its field.
    #[error("the switch does not write exactly the field that it names")]
    Field,
    /// The plan has no switch.
    #[error("the plan has no switch")]
    NoSwitch,
    /// The switch does not publish all edits, or publishes something else.
    #[error("the switch publishes more or less than the edits")]
    Incomplete,
    /// The append does not begin and end at multiples of the slice length, or of 8 in a package in
    /// parts.
    #[error(
        "an append must begin and end at multiples of the slice length, or of 8 if the package is \
         in parts"
    )]
    Unaligned,
    /// The append begins past the end of the file, rounded up to the alignment.
    #[error("the append begins past the first aligned position after the end of the file")]
    Gap,
    /// The plan has more than one append.
    #[error("the plan has more than one append")]
    SecondAppend,
    /// The slice length is invalid, or shorter than the package's slice length.
    #[error("the slice length is invalid, or shorter than the package's slice length")]
    SliceLen,
    /// The package has shared stored bytes, but the append lacks the zeros that must follow its
    /// edits; see [`Snapshot::room_len`](crate::Snapshot::room_len).
    #[error(
        "the append must have zeros after its edits, because readers fetch as many bytes after a \
         region as its seals may take"
    )]
    NoRoom,
    /// The plan does not begin with a barrier on the whole head.
    #[error("the first step must be a barrier on the whole current head")]
    NoFirstBarrier,
    /// The plan belongs to another package.
    #[error("the file id in the plan differs from the file id of the package")]
    OtherPackage,
    /// A state in the plan, or the old bytes that a write states, differ from the file.
    #[error("a length, a digest or the old bytes in the plan do not match the file")]
    State,
    /// The digest of a probe does not match its bytes.
    #[error("the digest of a probe does not match the bytes that the probe asks for")]
    ProbeDigest,
    /// The span of a probe is neither inside the head nor equal to the span of a piece.
    #[error("a probe must ask for bytes inside the head, or for exactly one piece of the append")]
    ProbeUnknown,
    /// The stated length of a piece differs from the number of its bytes.
    #[error("the stated length of a piece differs from the number of its bytes")]
    PieceLen,
    /// An edit is invalid, or the append does not have the bytes of each edit exactly once.
    #[error("an edit is invalid, or the append does not have the bytes of each edit exactly once")]
    Edits,
    /// The package does not allow the strategy, or the strategy does not use this switch.
    #[error(
        "the package does not allow the plan's strategy, or the switch does not belong to this \
         strategy"
    )]
    Strategy,
    /// The cost that the plan states differs from the cost of its steps.
    #[error("the stated cost differs from the cost of the steps")]
    Cost,
    /// The `replaced_len` of an edit differs from the length of the region that the edit replaces
    /// or removes.
    #[error("`replaced_len` is not the length of the region that the edit replaces or removes")]
    ReplacedLen,
    /// The new index differs from the old index with the edits applied.
    #[error("the new index differs from the old index with the edits applied")]
    Derived,
}

impl Breach {
    /// Returns the broken law.
    #[must_use]
    pub const fn law(&self) -> Law {
        match self {
            Self::BytesReused | Self::Read | Self::OutsideHead | Self::Lost => Law::W1,
            Self::Unwritten
            | Self::NoBarrier
            | Self::NotAscending
            | Self::HeadBeforeTail
            | Self::AfterSwitch
            | Self::ProbePastEnd => Law::W2,
            Self::Torn | Self::Field => Law::W3,
            Self::NoSwitch | Self::Incomplete => Law::W4,
            Self::Unaligned | Self::Gap | Self::SecondAppend | Self::SliceLen | Self::NoRoom => {
                Law::W5
            }
            Self::NoFirstBarrier => Law::W8,
            Self::OtherPackage
            | Self::State
            | Self::ProbeDigest
            | Self::ProbeUnknown
            | Self::PieceLen
            | Self::Edits
            | Self::Strategy
            | Self::Cost
            | Self::ReplacedLen
            | Self::Derived => Law::Plan,
        }
    }
}

/// A broken law, with its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Number of the step, from 0; `None` if no single step is at fault.
    pub step: Option<u32>,
    /// The way in which the law is broken.
    pub breach: Breach,
}

impl Fault {
    /// Returns the broken law.
    #[must_use]
    pub const fn law(&self) -> Law {
        self.breach.law()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.law())?;
        if let Some(step) = self.step {
            write!(f, " in step {step}")?;
        }
        write!(f, ": {}", self.breach)
    }
}

impl core::error::Error for Fault {}
