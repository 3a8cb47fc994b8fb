//! The lookup component: its fences, and searches that use only fences.
//!
//! It follows `docs/spec/dacti-lookup.md`.

use super::{
    Container, EntrySeen, Fault, GONE, GROUP, Id, Index, LOOKUP, fault, id_at, region, u32_at,
    u64_at,
};

/// A run, as its record describes it, and its fences.
#[derive(Clone, Debug)]
pub struct Run {
    /// The position of its record.
    pub at: u64,
    /// The number of its first group.
    pub first: u64,
    /// The number of its groups.
    pub groups: u64,
    /// The number of groups from one fence to the next.
    pub stride: u64,
    /// The position of its fences.
    pub fences_at: u64,
    /// The fences, in the byte order of the file.
    pub fences: Vec<[u8; 8]>,
}

/// A lookup region.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// Its start and its length.
    pub region: (u64, u64),
    /// The start of the index for which the fences were written.
    pub index_at: u64,
    /// The runs, newest first.
    pub runs: Vec<Run>,
}

/// Reads the lookup region of a container. Returns `None` if there is no lookup component.
///
/// # Errors
/// The first fault.
pub fn read_lookup(file: &[u8], container: &Container) -> Result<Option<Lookup>, Fault> {
    let named = |found: &&super::Found| found.id == LOOKUP && (found.major, found.minor) == (0, 1);
    let Some(found) = container.components.iter().find(named) else { return Ok(None) };
    let (at, len) = region(found, file.len() as u64)?;
    let bytes = if len == 0 { &[] } else { &file[at as usize..(at + len) as usize] };
    if len < 16 {
        return fault("truncated", "lookup header", at);
    }
    if u32_at(bytes, 0) != 0 {
        return fault("unsupported", "lookup header", at);
    }
    let count = u64::from(u32_at(bytes, 4));
    if count > 64 {
        return fault("limit", "lookup header", at);
    }
    if count == 0 {
        return fault("corrupt", "lookup run", at);
    }
    if 16 + 16 * count > len {
        return fault("truncated", "lookup run", at + 16);
    }
    let index_at = u64_at(bytes, 8);
    let mut runs: Vec<Run> = Vec::new();
    let mut fences_at = 16 + 16 * count;
    for i in 0..count {
        let record = 16 + 16 * i;
        let field = |n: u64| u64::from(u32_at(bytes, record + 4 * n));
        let (first, groups, stride, fences) = (field(0), field(1), field(2), field(3));
        if stride > 256 {
            return fault("limit", "lookup run", at + record);
        }
        let follows = runs.last().is_none_or(|before| before.first + before.groups == first);
        // The end of the run's last group must be a valid 64-bit position.
        let ends = index_at.checked_add(8 + GROUP * (first + groups)).is_some();
        if stride == 0
            || groups == 0
            || !follows
            || fences != groups.div_ceil(stride)
            || first + groups > 699_962
            || !ends
        {
            return fault("corrupt", "lookup run", at + record);
        }
        runs.push(Run {
            at: at + record,
            first,
            groups,
            stride,
            fences_at: at + fences_at,
            fences: vec![[0; 8]; fences as usize],
        });
        fences_at += 8 * fences;
    }
    if fences_at > len {
        return fault("truncated", "lookup fence", at + 16 + 16 * count);
    }
    for run in &mut runs {
        for (i, fence) in run.fences.iter_mut().enumerate() {
            let start = run.fences_at as usize + 8 * i;
            fence.copy_from_slice(&file[start..start + 8]);
        }
    }
    Ok(Some(Lookup { region: (at, len), index_at, runs }))
}

impl Lookup {
    /// Returns whether the fences were written for this index.
    ///
    /// # Errors
    /// If the fences were written for this index, but the last run does not end with its last
    /// group.
    pub fn is_of(&self, index: &Index) -> Result<bool, Fault> {
        if index.region.1 == 0 || index.region.0 != self.index_at {
            return Ok(false);
        }
        match self.runs.last() {
            Some(last) if last.first + last.groups == u64::from(index.groups) => Ok(true),
            last => fault("corrupt", "lookup run", last.map_or(self.region.0, |last| last.at)),
        }
    }

    /// Checks that no fence of a run is smaller than the fence before it.
    ///
    /// # Errors
    /// The first fence that is smaller than the fence before it.
    pub fn check_order(&self) -> Result<(), Fault> {
        for run in &self.runs {
            for (i, pair) in run.fences.windows(2).enumerate() {
                if pair[1] < pair[0] {
                    return fault("corrupt", "lookup fence", run.fences_at + 8 * (i as u64 + 1));
                }
            }
        }
        Ok(())
    }
}

/// Searches for a region: first in the delta groups, then in each run with its fences. It checks
/// every block that it reads. The specification lets readers skip this check if the block has the
/// id.
///
/// # Errors
/// The first structure that contradicts the fences.
pub fn search(
    file: &[u8],
    index: &Index,
    lookup: &Lookup,
    id: &Id,
) -> Result<Option<EntrySeen>, Fault> {
    let found = search_entry(file, index, lookup, id)?;
    Ok(found.filter(|found| found.encoding != GONE))
}

/// Returns the entry that counts for an id. It may be a removal.
fn search_entry(
    file: &[u8],
    index: &Index,
    lookup: &Lookup,
    id: &Id,
) -> Result<Option<EntrySeen>, Fault> {
    let deltas = lookup.runs.first().map_or(0, |run| run.first);
    let delta = |entry: &&EntrySeen| u64::from(entry.group) < deltas && entry.id == *id;
    // In the first group that has the id, the last entry with the id counts.
    let newest = index.entries.iter().filter(delta).map(|entry| entry.group).min();
    let in_newest = |entry: &&EntrySeen| delta(entry) && Some(entry.group) == newest;
    if let Some(found) = index.entries.iter().rfind(in_newest) {
        return Ok(Some(*found));
    }
    for run in &lookup.runs {
        if let Some(found) = search_run(file, index, lookup, run, id)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn search_run(
    file: &[u8],
    index: &Index,
    lookup: &Lookup,
    run: &Run,
    id: &Id,
) -> Result<Option<EntrySeen>, Fault> {
    let key = &id[..8];
    let not_above = run.fences.iter().filter(|fence| &fence[..] <= key).count();
    if not_above == 0 {
        let at = lookup.index_at + 8 + GROUP * run.first + 16;
        let first = first_of(file, lookup.index_at, run.first)?;
        return match first[..8] == run.fences[0] {
            true => Ok(None),
            false => fault("corrupt", "lookup block", at),
        };
    }
    // The search starts with the last block that can have the id, and goes backwards. It ends at a
    // block whose fence is below the id's prefix, or whose first id is below the id.
    for block in (0..not_above).rev() {
        let entries = check_block(file, index, lookup, run, block)?;
        if let Some(found) = entries.iter().find(|entry| entry.id == *id) {
            return Ok(Some(*found));
        }
        if &run.fences[block][..] < key || entries[0].id < *id {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Returns the entries of a block. Checks that its first id has the fence as prefix, that its ids
/// ascend, and that its last id is below the first id of the next block.
fn check_block(
    file: &[u8],
    index: &Index,
    lookup: &Lookup,
    run: &Run,
    block: usize,
) -> Result<Vec<EntrySeen>, Fault> {
    let first = run.first + block as u64 * run.stride;
    let end = (first + run.stride).min(run.first + run.groups);
    let mut entries: Vec<EntrySeen> = Vec::new();
    for group in first..end {
        let group_at = lookup.index_at + 8 + GROUP * group;
        let of_group = index.entries.iter().filter(|entry| u64::from(entry.group) == group);
        let before = entries.len();
        for entry in of_group {
            let is_first = entries.is_empty();
            if is_first && entry.id[..8] != run.fences[block]
                || entries.last().is_some_and(|last| last.id >= entry.id)
            {
                return fault("corrupt", "lookup block", entry.at);
            }
            entries.push(*entry);
        }
        if entries.len() == before {
            return fault("corrupt", "lookup block", group_at);
        }
    }
    let Some(next) = run.fences.get(block + 1) else { return Ok(entries) };
    let next_id = first_of(file, lookup.index_at, end)?;
    if next_id[..8] != *next || entries.last().is_some_and(|last| last.id >= next_id) {
        return fault("corrupt", "lookup block", lookup.index_at + 8 + GROUP * end + 16);
    }
    Ok(entries)
}

/// Returns the id of a group's first entry.
fn first_of(file: &[u8], index: u64, group: u64) -> Result<Id, Fault> {
    let at = index + 8 + GROUP * group;
    if file[at as usize + 12] == 0 {
        return fault("corrupt", "lookup block", at);
    }
    Ok(id_at(file, at + 16))
}
