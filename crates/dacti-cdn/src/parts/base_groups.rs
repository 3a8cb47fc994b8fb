//! The base groups of a package in parts: the last groups of its index, if one part holds exactly
//! these groups.
//!
//! A run of changes can be put in front of these groups without writing them again. Specification:
//! `docs/spec/dacti-parts.md`, "Second starts", "The run of changes".

use super::{PartEntry, PartList};
use dacti_index::{GROUP_ENTRIES, GROUP_LEN, INDEX_HEADER_LEN};
use daicon_core::{Span, to_u64};

/// The last groups of an index. One entry of the list of parts holds exactly these groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseGroups {
    /// The number of the first of these groups in the index.
    pub first_group: u32,
    /// The number of groups.
    pub groups: u32,
    /// The span of these groups in the current index, absolute.
    pub span: Span,
}

impl BaseGroups {
    /// Returns the last groups of `index`, if an entry of `list` holds these groups and nothing
    /// else.
    #[must_use]
    pub fn of(list: &PartList, index: Span, index_groups: u32) -> Option<Self> {
        let is_last = |entry: &&PartEntry| entry.span.end == index.end;
        let span = list.entries().iter().find(is_last)?.span;
        let groups_at = index.start.checked_add(INDEX_HEADER_LEN)?;
        let before = span.start.checked_sub(groups_at)?;
        let is_whole = before.is_multiple_of(GROUP_LEN) && span.len().is_multiple_of(GROUP_LEN);
        let count = |len: u64| u32::try_from(len.checked_div(GROUP_LEN)?).ok();
        let (first_group, groups) = (count(before)?, count(span.len())?);
        let all = first_group.checked_add(groups)?;
        (is_whole && all == index_groups).then_some(Self { first_group, groups, span })
    }

    /// Returns the number of entries for which the groups have room.
    #[must_use]
    pub fn entries_max(&self) -> u64 {
        u64::from(self.groups).saturating_mul(to_u64(GROUP_ENTRIES))
    }
}
