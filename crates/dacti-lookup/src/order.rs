//! The order of ids, and the check that the groups of a run ascend.
//!
//! Specification: `docs/spec/dacti-lookup.md`, "When a miss counts".

use crate::{Contradiction, Error, FIRST_ENTRY_LEN, Structure};
use dacti_index::{Entry, GROUP_HEADER_LEN, Group, GroupHeader, INDEX_ENTRY_LEN};
use daicon_core::struct_at;

/// Checks the groups of a run, one after the other: the ids must ascend, and each group that has a
/// fence must begin with it.
#[derive(Debug, Clone, Default)]
pub struct RunOrder {
    /// The last id so far.
    before: Option<u128>,
}

impl RunOrder {
    /// Takes the run's next group. `fence` is the group's fence, if it has one.
    ///
    /// # Errors
    /// `Contradiction`: the group has no entries, its fence differs, or an id does not ascend.
    pub fn take(&mut self, group: &Group<'_>, fence: Option<u64>) -> Result<(), Error> {
        let Some(first) = group.entries().first() else {
            return Err(Error::contradiction(group.at(), Contradiction::EmptyGroup));
        };
        let mut at = group.at().saturating_add(GROUP_HEADER_LEN);
        if fence.is_some_and(|fence| fence != prefix(order(first))) {
            return Err(Error::contradiction(at, Contradiction::FirstFence));
        }
        for entry in group.entries() {
            self.ascend(order(entry), at)?;
            at = at.saturating_add(INDEX_ENTRY_LEN);
        }
        Ok(())
    }

    /// Takes the next id. Its entry starts at `at`.
    pub(crate) fn ascend(&mut self, id: u128, at: u64) -> Result<(), Error> {
        if self.before.replace(id).is_some_and(|before| before >= id) {
            return Err(Error::contradiction(at, Contradiction::Unsorted));
        }
        Ok(())
    }
}

/// Returns the first id of the group in `bytes`, which start at file position `at`. Reads only the
/// group's header and its first entry.
pub(crate) fn first_id(bytes: &[u8], at: u64) -> Result<u128, Error> {
    let what = Structure::LookupBlock;
    let short = || Error::truncated(what, at, FIRST_ENTRY_LEN, at, bytes);
    let header = struct_at::<GroupHeader>(bytes).ok_or_else(short)?;
    let rest = bytes.get(size_of::<GroupHeader>()..).unwrap_or_default();
    let entry = struct_at::<Entry>(rest).ok_or_else(short)?;
    if header.length == 0 {
        return Err(Error::contradiction(at, Contradiction::EmptyGroup));
    }
    Ok(order(entry))
}

/// Returns an entry's id as a number. These numbers have the same order as the texts of the ids.
pub(crate) fn order(entry: &Entry) -> u128 {
    entry.id.get().as_u128()
}

/// Returns the part of an id that is stored in its fence.
pub(crate) fn prefix(id: u128) -> u64 {
    u64::try_from(id >> 64).unwrap_or(u64::MAX)
}
