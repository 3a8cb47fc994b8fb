//! The runs of a new index, chosen so that the index needs few groups.
//!
//! All regions of a group have one encoding, and lie within 4 GiB. If a region lies far from the
//! regions with neighbouring ids, it would split their group. Such a region is put into another
//! run. Specification: `docs/spec/dacti-cdn.md`, "Runs of a fold".

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
    /// The regions that were packed form one range. Windows of 4 GiB divide the later regions.
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

impl Runs {
    /// Returns the runs. For each encoding, it chooses the first of the divisions that need the
    /// fewest groups.
    pub(crate) fn of(merged: &Merged<'_>, fresh_end: u64) -> Result<Self, Error> {
        let mut extents: BTreeMap<[u8; 4], (u64, u64)> = BTreeMap::new();
        for listed in merged.iter() {
            let start = listed.start;
            let extent = extents.entry(listed.encoding.tag()).or_insert((start, start));
            *extent = (extent.0.min(start), extent.1.max(start));
            too_many(LimitOf::Encodings, extents.len(), ENCODINGS_MAX)?;
        }
        let mut chosen = Vec::new();
        for (tag, (low, high)) in extents {
            let one_window = high.saturating_sub(low) <= RANGE_LEN_MAX;
            let cuts = if one_window { &CUTS[..1] } else { &CUTS[..] };
            let encoding = Encoding::from_tag(tag);
            let tries = cuts.iter().filter_map(|cut| cut_into(merged, encoding, *cut, fresh_end));
            let groups = |runs: &Vec<Run>| runs.iter().map(|run| run.firsts.len()).sum::<usize>();
            let best = tries.min_by_key(groups);
            let runs = best.ok_or(Error::LimitExceeded {
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

    /// Returns whether `listed` belongs to `run`.
    pub(crate) fn has(&self, run: &Run, listed: &Listed) -> bool {
        listed.encoding == run.encoding
            && run.cut.window(listed.start, self.fresh_end) == run.window
    }
}

/// Divides the regions of an encoding into runs. Returns `None` if there are too many runs.
fn cut_into(merged: &Merged<'_>, encoding: Encoding, cut: Cut, fresh_end: u64) -> Option<Vec<Run>> {
    let mut runs: BTreeMap<u64, (Grouper, Run)> = BTreeMap::new();
    for listed in merged.iter().filter(|listed| listed.encoding == encoding) {
        let window = cut.window(listed.start, fresh_end);
        let (grouper, run) = runs.entry(window).or_insert_with(|| {
            (Grouper::default(), Run { encoding, cut, window, firsts: Vec::new(), newest: 0 })
        });
        run.newest = run.newest.max(listed.start);
        if grouper.begins(listed.start) {
            run.firsts.push(listed.id);
        }
        if runs.len() > RUNS_MAX {
            return None;
        }
    }
    Some(runs.into_values().map(|(_, run)| run).collect())
}

fn too_many(what: LimitOf, found: usize, limit: usize) -> Result<(), Error> {
    if found > limit {
        return Err(Error::LimitExceeded { what, found: to_u64(found), limit: to_u64(limit) });
    }
    Ok(())
}
