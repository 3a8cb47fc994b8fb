//! The reasons for which a plan does not use a strategy.

/// The reason why a plan does not use a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, rename_all = "snake_case"))]
pub enum Reason {
    /// A cheaper strategy publishes the edits.
    #[error("a cheaper strategy publishes the edits")]
    Dearer,
    /// The strategy cannot add or replace regions.
    #[error("this strategy cannot add regions")]
    AddsNoRegion,
    /// The strategy cannot remove regions.
    #[error("this strategy cannot remove regions")]
    RemovesNoRegion,
    /// The update adds and removes regions, but a delta group lists either regions or removals.
    #[error("this strategy cannot add and remove regions in one update")]
    PutsAndRemoves,
    /// The edits change a table that the strategy cannot change.
    #[error("this strategy cannot change the tables that the edits change")]
    ChangesNoTable,
    /// The current index has no delta groups: it was made by a fold, or the packer left none.
    #[error("the current index has no delta groups")]
    NoDeltaGroups,
    /// The update has more regions than a group has entries.
    #[error("the update has {entries} entries, but a group has room for 255")]
    TooManyEntries {
        /// Entries that the update needs.
        entries: u64,
    },
    /// The newest delta group has too little room, and no free group is left.
    #[error("the update has {entries} entries, but the newest delta group has room for {free}")]
    DeltasFull {
        /// Entries that the update needs.
        entries: u64,
        /// Number of free entries in the newest group.
        free: u32,
    },
    /// The regions have several encodings, but all regions of a group have the same encoding.
    #[error("the regions have several encodings, but a group has one")]
    MixedEncodings,
    /// The newest delta group has another encoding than the update.
    #[error("the newest delta group has another encoding than the update")]
    OtherEncoding,
    /// The new regions end 4 GiB or more after the base of the newest delta group, or they have
    /// 4 GiB or more in all. An entry stores a distance of less than 4 GiB.
    #[error("the block ends 4 GiB or more after the base of each delta group")]
    OutOfReach,
    /// The extension tables have moved the new index 4 GiB or more after the region base of its
    /// table.
    #[error(
        "the new index would lie 4 GiB or more after the region base of its table: change fewer \
         components in one update"
    )]
    IndexOutOfReach,
    /// The first table has too few free slots.
    #[error("the first table has {free} free slots, but {needed} are needed")]
    FirstTableFull {
        /// Slots needed.
        needed: u32,
        /// Slots free.
        free: u32,
    },
    /// The component's region would lie 4 GiB or more after the first table's region base.
    #[error("the block lies 4 GiB or more after the region base of the first table")]
    FirstTableOutOfReach,
    /// The second table lies in neither of the two places that the layout names.
    #[error("the second table is in neither of the two places that the layout names")]
    NoSecondTable,
    /// The names component, whose data must change, is not in the second table.
    #[error("the names component is not in the second table")]
    NamesElsewhere,
    /// The package is in parts, and its current index ends after the start of the block. The block
    /// takes positions of that index, so the strategy cannot keep the index.
    #[error(
        "the current index ends after the start of the block, and both cannot have the same \
         positions: a new index must be written"
    )]
    IndexPassesEnd,
    /// No part holds exactly the last groups of the index, or the fences of these groups do not lie
    /// in the head.
    #[error(
        "no part holds exactly the last groups of the index, or the fences of these groups are not \
         in the head"
    )]
    NoBaseGroups,
    /// The changes since the base are more than a tenth of the regions that the base groups can
    /// list.
    #[error(
        "{changes} changes are more than a tenth of the {regions} entries that the base groups can \
         list"
    )]
    ManyChanges {
        /// Number of changes that the run would list. If the earlier changes were not read, only
        /// the edits are counted.
        changes: u64,
        /// Number of entries for which the base groups have room.
        regions: u64,
    },
    /// The head has too little room for the fences of all runs.
    #[error("the head has too little room for the fences of all runs")]
    NoRoomForFences,
}
