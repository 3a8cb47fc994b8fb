//! The reasons for which a plan does not use a strategy.

/// Why a way was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, rename_all = "snake_case"))]
pub enum Reason {
    /// A cheaper way does it.
    #[error("a cheaper way does it")]
    Dearer,
    /// It cannot add or replace regions.
    #[error("it cannot add regions")]
    AddsNoRegion,
    /// It cannot take regions away.
    #[error("it cannot take regions away")]
    RemovesNoRegion,
    /// It cannot add components, or say that there are explicit ids.
    #[error("it changes no table, or not this one")]
    ChangesNoTable,
    /// The index in force has no delta groups: there was a fold, or none were left for updates.
    #[error("the index in force has no delta groups")]
    NoDeltaGroups,
    /// More regions than a group has entries.
    #[error("{entries} entries do not fit one group, which takes 255")]
    TooManyEntries {
        /// Entries that the update needs.
        entries: u64,
    },
    /// The current delta group has too little room, and there is none below it.
    #[error("{entries} entries do not fit the last delta group, which has room for {free}")]
    DeltasFull {
        /// Entries that the update needs.
        entries: u64,
        /// Entries that the last group still takes.
        free: u32,
    },
    /// The regions are stored in more than one encoding, and a group has one.
    #[error("the regions are stored in more than one encoding, and a group has one")]
    MixedEncodings,
    /// The last delta group has another encoding.
    #[error("the last delta group has another encoding")]
    OtherEncoding,
    /// The last delta group does not reach the fresh bytes, which lie 4 GiB or more behind its
    /// base, or the update alone passes 4 GiB.
    #[error("no delta group reaches the fresh bytes: they span more than 4 GiB from its base")]
    OutOfReach,
    /// The first table has too few free slots.
    #[error("the first table has {free} free slots, {needed} are needed")]
    FirstTableFull {
        /// Slots needed.
        needed: u32,
        /// Slots free.
        free: u32,
    },
    /// The component's region would lie where the first table's 32-bit offsets do not reach.
    #[error("the first table does not reach the fresh bytes")]
    FirstTableOutOfReach,
    /// The second table is not in one of the two places that the layout names.
    #[error("the second table is in none of the two places of the layout")]
    NoSecondTable,
    /// The names component, which is to say that there are explicit ids, is not in the second
    /// table.
    #[error("the names component is not in the second table")]
    NamesElsewhere,
}
