//! Which law a plan breaks, and how.

use core::fmt;

/// A law of publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Law {
    /// What readers can reach is never moved or changed, and bytes past the end are never reused.
    W1,
    /// What a switch makes reachable stands before it, behind a barrier.
    W2,
    /// A switch is one write of at most eight naturally aligned bytes in the head.
    W3,
    /// One switch publishes the whole update.
    W4,
    /// An update shares no cached slice with old data.
    W5,
    /// A plan begins with a barrier on the switch before.
    W8,
    /// None of those: the plan does not say what it does, or is of another file.
    Plan,
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan => f.write_str("the plan contradicts itself or the file"),
            law => write!(f, "law {law:?} is broken"),
        }
    }
}

/// How a plan breaks a law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Breach {
    /// An append begins before the file's physical end.
    #[error("an append begins before the physical end of the file, whose bytes may be cached")]
    BytesReused,
    /// Bytes of the head are reserved that a reader may use.
    #[error("bytes are written that readers of the published head use")]
    Read,
    /// Something is written in place outside the head.
    #[error("bytes outside the package head are written in place")]
    OutsideHead,
    /// A component, a table or the index that was published is gone or changed.
    #[error("what was published is gone, or changed, in the new view")]
    Lost,
    /// The new view reaches bytes that the plan does not write before the switch.
    #[error("the new view reaches bytes that the plan does not append")]
    Unwritten,
    /// No barrier stands between the last write and the switch.
    #[error("no barrier proves all that the switch publishes")]
    NoBarrier,
    /// Pieces of an append do not follow each other.
    #[error("the pieces of an append do not follow each other ascending")]
    NotAscending,
    /// The head is written before the append that it points at.
    #[error("the head is written before the bytes behind it")]
    HeadBeforeTail,
    /// Something is written after the switch.
    #[error("something is written after the switch")]
    AfterSwitch,
    /// A probe or purge names bytes that are not there at that time.
    #[error("a barrier asks for bytes past the end of the file as it is then")]
    ProbePastEnd,
    /// The switch has more than eight bytes, or is not naturally aligned.
    #[error("the switch is not 1, 2, 4 or 8 naturally aligned bytes")]
    Torn,
    /// The switch is none of the fields that publish.
    #[error("the switch is not the field that it says")]
    Field,
    /// Nothing is published.
    #[error("there is no switch")]
    NoSwitch,
    /// The switch publishes something else than the edits.
    #[error("the switch publishes something else than the edits, or not all of them")]
    Incomplete,
    /// An append does not begin and end at slices.
    #[error("an append does not begin and end at multiples of the slice length")]
    Unaligned,
    /// An append begins further behind the end than at the next slice.
    #[error("an append begins further behind the end of the file than at the next slice")]
    Gap,
    /// More than one append.
    #[error("there is more than one append")]
    SecondAppend,
    /// The slice length cannot be, or is below the package's own.
    #[error("the slice length is not possible, or below the package's own")]
    SliceLen,
    /// The plan does not begin with a barrier on the whole head.
    #[error("the first step is no barrier on the whole head as it is")]
    NoFirstBarrier,
    /// The plan is of another package.
    #[error("the plan is of a package with another file id")]
    OtherPackage,
    /// Length or digests before or after are not what the file has or the steps make.
    #[error("lengths, digests or bytes before or after are not those of the file")]
    State,
    /// A probe has another digest than what stands there.
    #[error("a probe has another digest than the bytes that it asks for")]
    ProbeDigest,
    /// A probe of bytes that neither the head has nor the plan appends.
    #[error("a probe is neither in the head nor a piece of the append")]
    ProbeUnknown,
    /// A piece has another length than its bytes.
    #[error("a piece has another length than its bytes")]
    PieceLen,
    /// Edits that cannot be, or whose bytes are not appended once each.
    #[error("the edits cannot be made, or their bytes are not appended once each")]
    Edits,
    /// The strategy is not the one of the switch.
    #[error("the strategy is not that of the switch")]
    Strategy,
    /// The cost is not that of the steps.
    #[error("the cost is not that of the steps")]
    Cost,
    /// The new index is not what the entries and the edits make.
    #[error("the new index is not what the old one and the edits make")]
    Derived,
}

impl Breach {
    /// The law that it breaks.
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
            Self::Unaligned | Self::Gap | Self::SecondAppend | Self::SliceLen => Law::W5,
            Self::NoFirstBarrier => Law::W8,
            Self::OtherPackage
            | Self::State
            | Self::ProbeDigest
            | Self::ProbeUnknown
            | Self::PieceLen
            | Self::Edits
            | Self::Strategy
            | Self::Cost
            | Self::Derived => Law::Plan,
        }
    }
}

/// A broken law, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Number of the step, from 0; `None` where it is the plan as a whole.
    pub step: Option<u32>,
    /// What is wrong.
    pub breach: Breach,
}

impl Fault {
    /// The law that is broken.
    #[must_use]
    pub const fn law(&self) -> Law {
        self.breach.law()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.law())?;
        if let Some(step) = self.step {
            write!(f, " by step {step}")?;
        }
        write!(f, ": {}", self.breach)
    }
}

impl core::error::Error for Fault {}
