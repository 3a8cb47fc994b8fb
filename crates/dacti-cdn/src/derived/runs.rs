//! The runs of a new index, chosen so that the index needs few groups.
//!
//! All regions of a group have one encoding, and lie within 4 GiB. A region that lies far from the
//! regions with neighbouring ids would split their group, so it is put into another run.
//! Specification: `docs/spec/dacti-cdn.md`, "Runs of a fold".

use super::merge::{Listed, Merged};
use crate::snapshot::ENCODINGS_MAX;
use crate::{Error, LimitOf};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use dacti_index::{Encoding, GROUP_ENTRIES, RANGE_LEN_MAX};
use dacti_lookup::{RUNS_MAX, RunSpec};
use daicon_core::to_u64;
use uuid::Uuid;

/// The ways in which the regions of one encoding can be divided by their positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    /// The regions are not divided.
    Whole,
    /// The regions that the packer wrote form one range. Windows of 4 GiB divide the later regions.
    Fresh,
    /// Windows of 4 GiB divide all regions, from the start of the file.
    Windows,
}

const CUTS: [Cut; 3] = [Cut::Whole, Cut::Fresh, Cut::Windows];

impl Cut {
    fn window(self, start: u64, fresh_end: u64) -> u64 {
        match self {
            Self::Whole => 0,
            Self::Fresh => {
                start.checked_sub(fresh_end).map_or(0, |past| (past >> 32).saturating_add(1))
            }
            Self::Windows => start >> 32,
        }
    }
}

/// The runs of an index, in their order.
#[derive(Debug)]
pub(crate) struct Runs {
    pub(crate) runs: Vec<Run>,
    fresh_end: u64,
}

/// A run: its regions, and the first id of each of its groups.
#[derive(Debug)]
pub(crate) struct Run {
    encoding: Encoding,
    cut: Cut,
    window: u64,
    pub(crate) firsts: Vec<Uuid>,
    newest: u64,
}

/// Divides the regions of a run into groups.
#[derive(Debug, Default)]
pub(crate) struct Grouper {
    count: usize,
    low: u64,
    high: u64,
}

impl Grouper {
    /// Adds a region that starts at `start`. Returns whether it begins a new group.
    pub(crate) fn begins(&mut self, start: u64) -> bool {
        let (low, high) = (self.low.min(start), self.high.max(start));
        let fits = self.count > 0
            && self.count < GROUP_ENTRIES
            && high.saturating_sub(low) <= RANGE_LEN_MAX;
        if fits {
            (self.low, self.high) = (low, high);
            self.count = self.count.saturating_add(1);
        } else {
            *self = Self { count: 1, low: start, high: start };
        }
        !fits
    }
}

/// The regions of one encoding, divided by every [`Cut`].
#[derive(Debug)]
struct Divided {
    low: u64,
    high: u64,
    /// The runs of each cut, by the numbers of their windows; `None` if there are too many runs.
    by_cut: [Option<BTreeMap<u64, (Grouper, Run)>>; CUTS.len()],
}

impl Divided {
    fn new(start: u64) -> Self {
        Self { low: start, high: start, by_cut: [const { Some(BTreeMap::new()) }; CUTS.len()] }
    }

    fn take(&mut self, listed: &Listed, fresh_end: u64) {
        let Listed { id, start, encoding, .. } = *listed;
        (self.low, self.high) = (self.low.min(start), self.high.max(start));
        for (cut, by_window) in CUTS.into_iter().zip(&mut self.by_cut) {
            let Some(runs) = by_window else { continue };
            let window = cut.window(start, fresh_end);
            let (grouper, run) = runs.entry(window).or_insert_with(|| {
                (Grouper::default(), Run { encoding, cut, window, firsts: Vec::new(), newest: 0 })
            });
            run.newest = run.newest.max(start);
            if grouper.begins(start) {
                run.firsts.push(id);
            }
            if runs.len() > RUNS_MAX {
                *by_window = None;
            }
        }
    }

    /// Returns the runs of the cut that needs the fewest groups. If several cuts need this number
    /// of groups, the first of these cuts is chosen. Returns `None` if every cut makes too many
    /// runs.
    fn best(self) -> Option<Vec<Run>> {
        let one_window = self.high.saturating_sub(self.low) <= RANGE_LEN_MAX;
        let cuts = if one_window { 1 } else { CUTS.len() };
        let runs = self.by_cut.into_iter().take(cuts).flatten();
        let runs = runs.map(|runs| runs.into_values().map(|(_, run)| run).collect());
        runs.min_by_key(|runs: &Vec<Run>| runs.iter().map(|run| run.firsts.len()).sum::<usize>())
    }
}

impl Runs {
    /// Returns the runs, in one pass over the regions. Chooses for each encoding the cut that needs
    /// the fewest groups.
    pub(crate) fn of(merged: &Merged<'_>, fresh_end: u64) -> Result<Self, Error> {
        let mut by_encoding: BTreeMap<[u8; 4], Divided> = BTreeMap::new();
        for listed in merged.iter() {
            let divided = by_encoding.entry(listed.encoding.tag());
            divided.or_insert_with(|| Divided::new(listed.start)).take(&listed, fresh_end);
            too_many(LimitOf::Encodings, by_encoding.len(), ENCODINGS_MAX)?;
        }
        let mut chosen = Vec::new();
        for divided in by_encoding.into_values() {
            let runs = divided.best().ok_or(Error::LimitExceeded {
                what: LimitOf::Runs,
                found: to_u64(RUNS_MAX).saturating_add(1),
                limit: to_u64(RUNS_MAX),
            })?;
            chosen.extend(runs);
        }
        too_many(LimitOf::Runs, chosen.len(), RUNS_MAX)?;
        chosen.sort_by_key(|run| (core::cmp::Reverse(run.newest), run.encoding.tag()));
        Ok(Self { runs: chosen, fresh_end })
    }

    /// Returns for each run the numbers of its regions, ascending by id, in one pass.
    pub(crate) fn members(&self, merged: &Merged<'_>) -> Vec<Vec<usize>> {
        let mut members: Vec<Vec<usize>> = self.runs.iter().map(|_| Vec::new()).collect();
        let key = |run: &Run| (run.encoding.tag(), run.window);
        let cuts = self.runs.iter().map(|run| (run.encoding.tag(), run.cut));
        let cuts: BTreeMap<[u8; 4], Cut> = cuts.collect();
        let runs = self.runs.iter().zip(&mut members);
        let mut runs: BTreeMap<_, _> = runs.map(|(run, members)| (key(run), members)).collect();
        for (number, listed) in merged.numbered() {
            let tag = listed.encoding.tag();
            let window = cuts.get(&tag).map(|cut| cut.window(listed.start, self.fresh_end));
            if let Some(members) = window.and_then(|window| runs.get_mut(&(tag, window))) {
                members.push(number);
            }
        }
        members
    }

    pub(crate) fn groups(&self) -> u64 {
        self.runs.iter().fold(0, |sum, run| sum.saturating_add(to_u64(run.firsts.len())))
    }

    pub(crate) fn specs(&self) -> Vec<RunSpec> {
        let mut first_group: u32 = 0;
        let spec = |run: &Run| {
            let groups = u32::try_from(run.firsts.len()).unwrap_or(u32::MAX);
            let spec = RunSpec { first_group, groups };
            first_group = first_group.saturating_add(groups);
            spec
        };
        self.runs.iter().map(spec).collect()
    }
}

fn too_many(what: LimitOf, found: usize, limit: usize) -> Result<(), Error> {
    if found > limit {
        return Err(Error::LimitExceeded { what, found: to_u64(found), limit: to_u64(limit) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{NewIndex, emit_pieces};
    use crate::snapshot::ENCODINGS_MAX;
    use crate::world::{fresh, id};
    use crate::{Error, IndexEntries};
    use dacti_index::Encoding;

    /// Makes an index of `n` regions with `encodings` encodings. Returns how many steps over the
    /// regions this takes.
    fn steps(n: u32, encodings: u32) -> u64 {
        let tag = |n: u32| Encoding::from_tag((n % encodings + 0x2020_2020).to_le_bytes());
        let entries = IndexEntries::of((0..n).map(|n| (id(n), u64::from(n) * 10, 10, tag(n))));
        let snapshot = fresh(5).snapshot().unwrap();
        let new = NewIndex::fold(&snapshot, &entries, std::vec![], 1 << 40).unwrap();
        let mut len = 0;
        emit_pieces(&new, |_, bytes| {
            len += bytes.len() as u64;
            Ok::<(), Error>(())
        })
        .unwrap();
        assert_eq!(len, new.fences.len() + new.index.len());
        new.merged.steps()
    }

    #[test]
    fn the_work_of_a_fold_does_not_grow_with_the_number_of_runs() {
        let most = u32::try_from(ENCODINGS_MAX).unwrap();
        for (n, encodings) in [(5_000, 1), (5_000, most / 2), (5_000, most), (10_000, most)] {
            // One pass finds the runs, and one emits them. Each pass takes one step for each
            // region, and one step to notice the end.
            assert_eq!(steps(n, encodings), 2 * u64::from(n) + 2, "{n}, {encodings}");
        }
    }
}
