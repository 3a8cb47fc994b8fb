//! The strategy for new components: it uses free slots of the first table. The switch writes the
//! count of that table.
//!
//! Specification: `docs/spec/dacti-cdn.md`, "First table".

use super::block::Block;
use super::components;
use super::steps::Steps;
use crate::Reason;
use crate::snapshot::T1_COUNT_AT;
use crate::wanted::Wanted;
use crate::{Error, Field, Snapshot, UpdatePolicy};
use alloc::vec::Vec;
use daicon_core::bytes_of;

/// Checks that the first table has room for all edits.
pub(crate) fn fits(snapshot: &Snapshot, wanted: &Wanted<'_>, block: &Block) -> Result<(), Reason> {
    if !wanted.removes.is_empty() {
        return Err(Reason::RemovesNoRegion);
    }
    if !wanted.puts.is_empty() {
        return Err(Reason::AddsNoRegion);
    }
    if wanted.explicit_ids {
        return Err(Reason::ChangesNoTable);
    }
    if snapshot.index_passes_end() {
        return Err(Reason::IndexPassesEnd);
    }
    let free = snapshot.room().first_table_free;
    let needed = u32::try_from(wanted.components.len()).unwrap_or(u32::MAX);
    if needed > free {
        return Err(Reason::FirstTableFull { needed, free });
    }
    let base = snapshot.t1_base();
    let named = wanted.components.iter().zip(&block.components);
    for ((_, new), span) in named {
        if components::spec(new, *span, base).is_none() {
            return Err(Reason::FirstTableOutOfReach);
        }
    }
    Ok(())
}

pub(crate) fn steps<'p>(
    snapshot: &Snapshot,
    wanted: &Wanted<'_>,
    block: Block,
    policy: &'p UpdatePolicy,
) -> Result<Steps<'p>, Error> {
    components::check_limits(snapshot, 0, wanted.components.len())?;
    let base = snapshot.t1_base();
    let named = wanted.components.iter().zip(&block.components);
    let mut entries = Vec::new();
    for ((_, new), span) in named {
        let spec = components::spec(new, *span, base).ok_or(Error::PastLastPosition)?;
        entries.extend_from_slice(bytes_of(&spec.to_entry()));
    }
    let mut steps = Steps::new(snapshot, policy);
    if let Some(append) = block.into_append()? {
        steps.append(append);
    }
    let count = snapshot.t1_count();
    steps.reserve(snapshot.t1_end(), &entries)?;
    let added = u32::try_from(wanted.components.len()).unwrap_or(u32::MAX);
    let after = count.saturating_add(added).to_le_bytes();
    steps.switch(Field::Count, T1_COUNT_AT, &after)?;
    Ok(steps)
}
