//! The lookup region as a borrowed view: the runs of an index, and their fences.
//!
//! This module never reads groups; a search compares groups with the fences. Specification:
//! `docs/spec/dacti-lookup.md`, "The lookup region", "Binding".

use crate::{
    Contradiction, Error, FENCE_LEN, FIRST_ENTRY_LEN, Fence, LOOKUP_HEADER_LEN, LookupHeader,
    RUN_LEN, RUNS_MAX, RunFault, RunRecord, STRIDE_MAX, Structure,
};
use dacti_index::{GROUP_LEN, GROUPS_MAX, INDEX_HEADER_LEN, index_len};
use daicon_core::{Span, slice_at, struct_at, to_u64};

/// The fences of an index, borrowed from the bytes that they were read from.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'b> {
    at: u64,
    index_at: u64,
    runs: &'b [RunRecord],
    fences: &'b [Fence],
}

/// One run and its fences.
#[derive(Debug, Clone, Copy)]
pub struct Run<'b> {
    /// The number of the run's first group in the index.
    pub first_group: u32,
    /// The number of groups, at least one.
    pub groups: u32,
    /// The number of groups from one fence to the next, at least one.
    pub stride: u32,
    /// The fences of the run: one for every `stride` groups, made of the first id of these groups.
    pub fences: &'b [Fence],
    /// Number of the run's first fence among all fences.
    pub first_fence: usize,
}

impl Run<'_> {
    /// Returns the number of the first group of `block`, counted in the whole index, and the count
    /// of groups in the block.
    pub(crate) fn block_groups(&self, block: usize) -> (u32, u32) {
        let skipped = u32::try_from(block).unwrap_or(u32::MAX).saturating_mul(self.stride);
        let groups = self.groups.saturating_sub(skipped).min(self.stride);
        (self.first_group.saturating_add(skipped), groups)
    }

    /// Returns the fence of `block`, and the fence of the run's next block, if there is one.
    pub(crate) fn block_fences(&self, block: usize) -> (u64, Option<u64>) {
        let fence = |n: usize| self.fences.get(n).map(|fence| fence.get());
        (fence(block).unwrap_or(0), fence(block.saturating_add(1)))
    }
}

impl<'b> Lookup<'b> {
    /// Views `bytes`, which start at file position `at`, as a lookup region. Ignores bytes after
    /// the fences.
    ///
    /// Cost: a few nanoseconds for each run. This does not check the fences. A search compares the
    /// fences that it uses with the index, and [`check_fences`](Self::check_fences) checks all of
    /// them.
    ///
    /// # Errors
    /// Faults of the header and of the runs.
    pub fn parse(bytes: &'b [u8], at: u64) -> Result<Self, Error> {
        let header: &LookupHeader = struct_at(bytes).ok_or_else(|| {
            Error::truncated(Structure::LookupHeader, at, LOOKUP_HEADER_LEN, at, bytes)
        })?;
        if header.version.get() != 0 {
            return Err(Error::UnsupportedVersion { at, found: header.version.get() });
        }
        let count = to_usize(header.runs.get());
        if count == 0 {
            return Err(Error::Run { at, fault: RunFault::Empty });
        }
        if count > RUNS_MAX {
            let (found, limit) = (to_u64(count), to_u64(RUNS_MAX));
            return Err(Error::LimitExceeded { what: Structure::LookupHeader, at, found, limit });
        }
        let runs_at = at.saturating_add(LOOKUP_HEADER_LEN);
        let rest = bytes.get(size_of::<LookupHeader>()..).unwrap_or_default();
        let runs: &[RunRecord] = slice_at(rest, count).ok_or_else(|| {
            let needed = RUN_LEN.saturating_mul(to_u64(count));
            Error::truncated(Structure::LookupRun, runs_at, needed, runs_at, rest)
        })?;
        let index_at = header.index_at.get();
        let fences = check_runs(runs, runs_at, index_at)?;
        let fences_at = runs_at.saturating_add(RUN_LEN.saturating_mul(to_u64(count)));
        let rest = rest.get(size_of_val(runs)..).unwrap_or_default();
        let fences = slice_at(rest, fences).ok_or_else(|| {
            let needed = FENCE_LEN.saturating_mul(to_u64(fences));
            Error::truncated(Structure::LookupFence, fences_at, needed, fences_at, rest)
        })?;
        Ok(Self { at, index_at, runs, fences })
    }

    /// Returns the absolute start of the index region to which the fences belong.
    #[must_use]
    pub const fn index_at(&self) -> u64 {
        self.index_at
    }

    /// Returns whether the fences belong to the index at `index`, which has `groups` groups. Fences
    /// of another index are not a fault of the file: the reader ignores them, and scans the index.
    ///
    /// # Errors
    /// `Run` if the fences belong to the index, but their last run does not end with the last
    /// group. A search would miss the groups after that run.
    pub fn is_of(&self, index: Span, groups: u32) -> Result<bool, Error> {
        if index.is_empty() || index.start != self.index_at {
            return Ok(false);
        }
        let end = |run: &RunRecord| run.first_group.get().saturating_add(run.groups.get());
        if self.runs.last().map(end) != Some(groups) {
            let before = self.runs.len().saturating_sub(1);
            let at = self.run_at(before);
            return Err(Error::Run { at, fault: RunFault::End });
        }
        Ok(true)
    }

    /// Returns the number of delta groups, which precede all runs. Their entries take precedence
    /// over the entries of the runs. [`find_in_groups`](crate::find_in_groups) searches them.
    #[must_use]
    pub fn delta_groups(&self) -> u32 {
        self.runs.first().map_or(0, |run| run.first_group.get())
    }

    /// Returns the runs, newest first.
    pub fn runs(&self) -> impl Iterator<Item = Run<'b>> + use<'b> {
        let lookup = *self;
        let mut next = lookup.first_run();
        core::iter::from_fn(move || {
            let (i, run) = next?;
            next = lookup.run_after(i, &run);
            Some(run)
        })
    }

    /// Returns the number of fences in all runs.
    #[must_use]
    pub const fn fence_count(&self) -> usize {
        self.fences.len()
    }

    /// Checks in each run that no fence is smaller than the fence before it.
    ///
    /// A search does not need this check, because the groups themselves prove its answers. A
    /// program that verifies whole files needs it.
    ///
    /// # Errors
    /// `Contradiction`, at the first fence that is too small.
    pub fn check_fences(&self) -> Result<(), Error> {
        for run in self.runs() {
            let pairs = run.fences.iter().zip(run.fences.iter().skip(1));
            if let Some(i) = { pairs }.position(|(before, fence)| fence.get() < before.get()) {
                let n = run.first_fence.saturating_add(i).saturating_add(1);
                let (what, fault) = (Structure::LookupFence, Contradiction::FencesUnsorted);
                return Err(Error::Contradiction { what, at: self.fence_at(n), fault });
            }
        }
        Ok(())
    }

    /// Returns the span of the fences of all runs, absolute.
    #[must_use]
    pub fn fences_span(&self) -> Span {
        let (start, end) = (self.fence_at(0), self.fence_at(self.fences.len()));
        Span { start, end }
    }

    /// Returns the span of block number `n`; the blocks of all runs are counted together. If the
    /// run has a next block, the span includes that block's first entry. Returns `None` if there is
    /// no block `n`.
    #[must_use]
    pub fn block_span(&self, n: usize) -> Option<Span> {
        let (run, block) = self.block(n)?;
        Some(self.run_block_span(&run, block))
    }

    /// Returns the span of block number `block` of `run`. If the run has a next block, the span
    /// includes the first entry of that next block.
    pub(crate) fn run_block_span(&self, run: &Run<'_>, block: usize) -> Span {
        let (first, groups) = run.block_groups(block);
        let Span { start, end } = self.groups_span(first, groups);
        let (_, next_fence) = run.block_fences(block);
        let rest = if next_fence.is_some() { FIRST_ENTRY_LEN } else { 0 };
        Span { start, end: end.saturating_add(rest) }
    }

    /// Returns the run that has block number `n`, and the block's number in that run. `n` counts
    /// the blocks of all runs.
    pub(crate) fn block(&self, n: usize) -> Option<(Run<'b>, usize)> {
        let run = self.runs().find(|run| n < run.first_fence.saturating_add(run.fences.len()))?;
        Some((run, n.checked_sub(run.first_fence)?))
    }

    /// Returns the span of `groups` groups, from group number `first` on, absolute.
    #[must_use]
    pub fn groups_span(&self, first: u32, groups: u32) -> Span {
        let at = |group: u32| {
            let offset = GROUP_LEN.saturating_mul(u64::from(group));
            self.index_at.saturating_add(INDEX_HEADER_LEN).saturating_add(offset)
        };
        Span { start: at(first), end: at(first.saturating_add(groups)) }
    }

    pub(crate) fn first_run(&self) -> Option<(usize, Run<'b>)> {
        Some((0, self.run(0, 0)?))
    }

    /// Returns the run after `run`, and the number of that next run. `i` is the number of `run`.
    pub(crate) fn run_after(&self, i: usize, run: &Run<'b>) -> Option<(usize, Run<'b>)> {
        let i = i.saturating_add(1);
        Some((i, self.run(i, run.first_fence.saturating_add(run.fences.len()))?))
    }

    fn run(&self, i: usize, first_fence: usize) -> Option<Run<'b>> {
        let record = self.runs.get(i)?;
        let end = first_fence.checked_add(to_usize(record.fences.get()))?;
        Some(Run {
            first_group: record.first_group.get(),
            groups: record.groups.get(),
            stride: record.stride.get(),
            fences: self.fences.get(first_fence..end)?,
            first_fence,
        })
    }

    fn run_at(&self, i: usize) -> u64 {
        let offset = RUN_LEN.saturating_mul(to_u64(i)).saturating_add(LOOKUP_HEADER_LEN);
        self.at.saturating_add(offset)
    }

    fn fence_at(&self, n: usize) -> u64 {
        self.run_at(self.runs.len()).saturating_add(FENCE_LEN.saturating_mul(to_u64(n)))
    }
}

/// Checks that the runs are consecutive and fit into an index. Returns the total number of their
/// fences.
fn check_runs(runs: &[RunRecord], runs_at: u64, index_at: u64) -> Result<usize, Error> {
    let (mut at, mut next_group, mut fences) = (runs_at, None, 0_usize);
    for run in runs {
        let (first, groups) = (run.first_group.get(), run.groups.get());
        let (stride, count) = (run.stride.get(), run.fences.get());
        if stride > STRIDE_MAX {
            let (found, limit) = (u64::from(stride), u64::from(STRIDE_MAX));
            return Err(Error::LimitExceeded { what: Structure::LookupRun, at, found, limit });
        }
        let end = run_end(first, groups, stride, next_group, index_at);
        let end = end.map_err(|fault| Error::Run { at, fault })?;
        if groups.div_ceil(stride) != count {
            return Err(Error::Run { at, fault: RunFault::Fences });
        }
        next_group = Some(end);
        fences = fences.saturating_add(to_usize(count));
        at = at.saturating_add(RUN_LEN);
    }
    Ok(fences)
}

/// Returns the number of the group after a run, if the run is valid.
pub(crate) fn run_end(
    first: u32,
    groups: u32,
    stride: u32,
    next_group: Option<u32>,
    index_at: u64,
) -> Result<u32, RunFault> {
    if groups == 0 {
        return Err(RunFault::Empty);
    }
    if stride == 0 {
        return Err(RunFault::Stride);
    }
    if next_group.is_some_and(|next| next != first) {
        return Err(RunFault::FirstGroup);
    }
    first
        .checked_add(groups)
        .filter(|end| *end <= GROUPS_MAX && index_at.checked_add(index_len(*end)).is_some())
        .ok_or(RunFault::Groups)
}

fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::Lookup;
    use crate::{Contradiction, Error, RunFault, RunSpec, Structure, emit_lookup};
    use daicon_core::{ErrorKind, Span};
    use std::vec::Vec;
    use uuid::Uuid;

    /// Returns the lookup region of two runs with stride 2: groups 8 and 9, and groups 10 to 14. It
    /// has a header, run records at 16 and 32, and four fences at 48.
    fn region() -> Vec<u8> {
        let runs = [RunSpec { first_group: 8, groups: 2 }, RunSpec { first_group: 10, groups: 5 }];
        let mut out = std::vec![0; 80];
        let id = |group: u32| Uuid::from_u128(u128::from(group) << 64);
        assert_eq!(emit_lookup(16_440, &runs, 2, id, &mut out), Ok(80));
        out
    }

    fn index() -> Span {
        Span::new(16_440, 8 + 15 * 6136).unwrap()
    }

    #[test]
    fn runs_and_fences_come_back() {
        // spec: R-LKP-02, R-LKP-03
        let mut region = region();
        region.extend([0xff; 9]);
        let lookup = Lookup::parse(&region, 1536).unwrap();
        let runs: Vec<_> = lookup
            .runs()
            .map(|run| (run.first_group, run.groups, run.stride, run.first_fence, run.fences.len()))
            .collect();
        assert_eq!(runs, [(8, 2, 2, 0, 1), (10, 5, 2, 1, 3)]);
        let fences: Vec<_> =
            lookup.runs().flat_map(|run| run.fences).map(|fence| fence.get()).collect();
        assert_eq!(fences, [8, 10, 12, 14]);
        assert_eq!((lookup.delta_groups(), lookup.fence_count()), (8, 4));
    }

    #[test]
    fn fences_of_another_index_are_not_used() {
        // spec: R-LKP-08, R-LKP-09
        let region = region();
        let lookup = Lookup::parse(&region, 1536).unwrap();
        assert_eq!(lookup.is_of(index(), 15), Ok(true));
        assert_eq!(lookup.is_of(Span::new(16_448, 92_048).unwrap(), 15), Ok(false));
        assert_eq!(lookup.is_of(Span::default(), 0), Ok(false));
        for groups in [14, 16] {
            let expected = Error::Run { at: 1536 + 32, fault: RunFault::End };
            assert_eq!(lookup.is_of(index(), groups), Err(expected));
        }
    }

    #[track_caller]
    fn check(change: impl Fn(&mut Vec<u8>), expected: Error) {
        let mut region = region();
        change(&mut region);
        assert_eq!(Lookup::parse(&region, 1536).err(), Some(expected));
    }

    #[test]
    fn each_fault_is_named_with_its_place() {
        // spec: R-LKP-02, R-LKP-04, R-LKP-05, R-LKP-06, R-LKP-07
        let (header, run, fence) =
            (Structure::LookupHeader, Structure::LookupRun, Structure::LookupFence);
        check(|r| r[0] = 1, Error::UnsupportedVersion { at: 1536, found: 1 });
        let cut = |what, at, needed, end| Error::Truncated { what, at, needed, end };
        check(|r| r.truncate(15), cut(header, 1536, 16, 1551));
        check(|r| r.truncate(47), cut(run, 1552, 32, 1583));
        check(|r| r.truncate(79), cut(fence, 1584, 32, 1615));
        let limit = |what, at, found, limit| Error::LimitExceeded { what, at, found, limit };
        check(|r| r[4] = 65, limit(header, 1536, 65, 64));
        check(|r| r[41] = 1, limit(run, 1568, 258, 256));
        let fault = |at, fault| Error::Run { at, fault };
        check(|r| r[4] = 0, fault(1536, RunFault::Empty));
        check(|r| r[20] = 0, fault(1552, RunFault::Empty));
        check(|r| r[24] = 0, fault(1552, RunFault::Stride));
        check(|r| r[32] = 11, fault(1568, RunFault::FirstGroup));
        check(|r| r[28] = 2, fault(1552, RunFault::Fences));
        check(|r| r[44] = 2, fault(1568, RunFault::Fences));
        check(|r| r[38] = 11, fault(1568, RunFault::Groups));
        check(|r| r[8..16].fill(0xff), fault(1552, RunFault::Groups));
        check(|r| r[16..20].fill(0xff), fault(1552, RunFault::Groups));
    }

    #[test]
    fn fences_out_of_order_are_found_by_check_fences() {
        // spec: R-LKP-20
        let mut region = region();
        assert_eq!(Lookup::parse(&region, 1536).unwrap().check_fences(), Ok(()));
        // Equal fences are valid, and the order of fences is checked in each run separately.
        region[71] = 10;
        assert_eq!(Lookup::parse(&region, 1536).unwrap().check_fences(), Ok(()));
        region[71] = 9;
        let (what, fault) = (Structure::LookupFence, Contradiction::FencesUnsorted);
        let expected = Error::Contradiction { what, at: 1536 + 64, fault };
        assert_eq!(expected.kind(), ErrorKind::Corrupt);
        assert_eq!(Lookup::parse(&region, 1536).unwrap().check_fences(), Err(expected));
    }
}
