//! The lookup region as a borrowed view: which runs an index has, and their fences.
//!
//! Knows nothing of groups' contents; what a search finds there is held against the fences by
//! `search`. Specification: `docs/spec/dacti-lookup.md`, "The lookup region", "Binding".

use crate::{
    Contradiction, Error, FENCE_LEN, Fence, LOOKUP_HEADER_LEN, LookupHeader, Misuse, RUN_LEN,
    RUNS_MAX, RunFault, RunRecord, STRIDE_MAX, Search, Structure,
};
use dacti_index::{GROUP_LEN, GROUPS_MAX, INDEX_HEADER_LEN, index_len};
use daicon_core::{Span, slice_at, struct_at};
use uuid::Uuid;

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
    /// Its first group's number in the index.
    pub first_group: u32,
    /// How many groups it has, at least one.
    pub groups: u32,
    /// Groups from one fence to the next, at least one.
    pub stride: u32,
    /// The first fences of every `stride` groups.
    pub fences: &'b [Fence],
    /// Number of the run's first fence among all fences.
    pub first_fence: usize,
}

impl<'b> Lookup<'b> {
    /// Views `bytes`, which start at file position `at`, as a lookup region. Bytes behind the fences
    /// are not looked at.
    ///
    /// Cost: a few nanoseconds a run. Fences are not looked at, as a search holds those that it uses
    /// against the index; [`check_fences`](Self::check_fences) looks at all of them.
    ///
    /// # Errors
    /// What is wrong with header or runs.
    pub fn parse(bytes: &'b [u8], at: u64) -> Result<Self, Error> {
        let header: &LookupHeader = struct_at(bytes)
            .ok_or_else(|| truncated(Structure::LookupHeader, at, LOOKUP_HEADER_LEN, at, bytes))?;
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
        let behind = bytes.get(size_of::<LookupHeader>()..).unwrap_or_default();
        let runs: &[RunRecord] = slice_at(behind, count).ok_or_else(|| {
            let needed = RUN_LEN.saturating_mul(to_u64(count));
            truncated(Structure::LookupRun, runs_at, needed, runs_at, behind)
        })?;
        let index_at = header.index_at.get();
        let fences = check_runs(runs, runs_at, index_at)?;
        let fences_at = runs_at.saturating_add(RUN_LEN.saturating_mul(to_u64(count)));
        let behind = behind.get(size_of_val(runs)..).unwrap_or_default();
        let fences = slice_at(behind, fences).ok_or_else(|| {
            let needed = FENCE_LEN.saturating_mul(to_u64(fences));
            truncated(Structure::LookupFence, fences_at, needed, fences_at, behind)
        })?;
        Ok(Self { at, index_at, runs, fences })
    }

    /// Where the index region starts that the fences are of, absolute.
    #[must_use]
    pub const fn index_at(&self) -> u64 {
        self.index_at
    }

    /// Whether the fences are of the index at `index`, which has `groups` groups. Where they are not,
    /// they are of no use: the reader does without, which is no fault of the file.
    ///
    /// # Errors
    /// `Run`, where they are of it and do not end with it: groups without a fence would never be
    /// found.
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

    /// How many groups stand in front of all runs: the delta groups, which a search of the runs
    /// does not look into and which count before them. See
    /// [`find_in_groups`](crate::find_in_groups).
    #[must_use]
    pub fn delta_groups(&self) -> u32 {
        self.runs.first().map_or(0, |run| run.first_group.get())
    }

    /// The runs, newest first.
    pub fn runs(&self) -> impl Iterator<Item = Run<'b>> + use<'b> {
        let lookup = *self;
        let mut next = lookup.first_run();
        core::iter::from_fn(move || {
            let (i, run) = next?;
            next = lookup.run_behind(i, &run);
            Some(run)
        })
    }

    /// How many fences all runs have.
    #[must_use]
    pub const fn fence_count(&self) -> usize {
        self.fences.len()
    }

    /// Holds every fence against the one before it.
    ///
    /// A search does not need this: it proves what it answers by the groups themselves. It is for
    /// those who verify a whole file.
    ///
    /// # Errors
    /// `Contradiction`, at the first fence that is smaller than the one before it in its run.
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

    /// A search of the runs for `id`. The delta groups are the caller's to look into before.
    #[must_use]
    pub fn search(&self, id: Uuid) -> Search<'b> {
        Search::new(*self, id)
    }

    /// Where the fences are, of all runs, absolute.
    #[must_use]
    pub fn fences_span(&self) -> Span {
        let (start, end) = (self.fence_at(0), self.fence_at(self.fences.len()));
        Span { start, end }
    }

    /// The block that fence number `n`, among the fences of all runs, leads to, with the first entry
    /// behind it where its run goes on; `None` where there is no such fence.
    #[must_use]
    pub fn block_span(&self, n: usize) -> Option<Span> {
        let (run, block) = self.block(n)?;
        Some(crate::search::block_span(self, &run, block))
    }

    /// Proves what a miss in that block rests on: it begins with its fence, ascends, and ends before
    /// the entry behind it, which has the next fence. `bytes` are those of its
    /// [span](Self::block_span).
    ///
    /// # Errors
    /// `Contradiction`; what else is wrong with the block.
    pub fn check_block(&self, n: usize, bytes: &[u8]) -> Result<(), Error> {
        let (run, block) = self.block(n).ok_or(Misuse::NoSuchFence(to_u64(n)))?;
        crate::search::block_view(self, &run, block, bytes)?.check()
    }

    fn block(&self, n: usize) -> Option<(Run<'b>, usize)> {
        let run = self.runs().find(|run| n < run.first_fence.saturating_add(run.fences.len()))?;
        Some((run, n.checked_sub(run.first_fence)?))
    }

    /// The span of the `groups` groups from number `first` on, absolute.
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

    /// The run behind `run`, which is the one at `i`.
    pub(crate) fn run_behind(&self, i: usize, run: &Run<'b>) -> Option<(usize, Run<'b>)> {
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

/// Holds the runs against each other and against what an index can be. Returns how many fences they
/// have in all.
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

/// The group behind a run, where the run can be.
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

/// `bytes`, read for the position `read_at`, were too few for the structure at `at`.
pub(crate) fn truncated(
    what: Structure,
    at: u64,
    needed: u64,
    read_at: u64,
    bytes: &[u8],
) -> Error {
    Error::Truncated { what, at, needed, end: read_at.saturating_add(to_u64(bytes.len())) }
}

pub(crate) fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

pub(crate) fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::Lookup;
    use crate::{Contradiction, Error, RunFault, RunSpec, Structure, emit_lookup};
    use daicon_core::{ErrorKind, Span};
    use std::vec::Vec;
    use uuid::Uuid;

    /// Groups 8 and 9, then 10 to 14, stride 2: header, two records at 16 and 32, four fences at 48.
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
    fn what_is_wrong_is_named_with_its_place() {
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
    fn fences_out_of_order_are_found_by_those_who_look() {
        // spec: R-LKP-20
        let mut region = region();
        assert_eq!(Lookup::parse(&region, 1536).unwrap().check_fences(), Ok(()));
        // Equal fences are in order, and runs are apart from each other.
        region[71] = 10;
        assert_eq!(Lookup::parse(&region, 1536).unwrap().check_fences(), Ok(()));
        region[71] = 9;
        let (what, fault) = (Structure::LookupFence, Contradiction::FencesUnsorted);
        let expected = Error::Contradiction { what, at: 1536 + 64, fault };
        assert_eq!(expected.kind(), ErrorKind::Corrupt);
        assert_eq!(Lookup::parse(&region, 1536).unwrap().check_fences(), Err(expected));
    }
}
