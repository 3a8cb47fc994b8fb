//! The search for one region in the runs of an index: a machine that says which span of groups it
//! wants next, and is fed the bytes of this span.
//!
//! Fences lead to a block, and the entries of that block decide the answer. This search does not
//! look into the delta groups, which precede the runs: the caller searches them. Specification:
//! `docs/spec/dacti-lookup.md`, "Search", "When a miss counts".

use crate::block::{Block, Place};
use crate::order::{first_id, prefix};
use crate::spread::LikelyGroups;
use crate::{Contradiction, Error, FIRST_ENTRY_LEN, Fence, Lookup, Misuse, Run};
use dacti_index::{GROUP_HEADER_LEN, Located};
use daicon_core::{Span, to_u64};
use uuid::Uuid;

/// The outcome of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchOutcome {
    /// A run has an entry for the id. If the entry is a [removal](Located::is_removal), the region
    /// is absent.
    Found(Located),
    /// No run has the region. The entries around the position of its id prove that.
    Absent,
}

#[derive(Debug, Clone, Copy)]
enum State<'b> {
    /// The id is below the run's first fence. If the run's first entry has this fence, the run does
    /// not have the id.
    Front {
        i: usize,
        run: Run<'b>,
    },
    /// If the run has the id, it is in block `block`, or in another of the blocks `low..=high`.
    Block {
        i: usize,
        run: Run<'b>,
        low: usize,
        high: usize,
        block: usize,
    },
    Ended,
}

/// A search in progress.
///
/// A search usually takes one feed for each run. If `n` consecutive fences of a run are equal to
/// the region's fence, the search of this run takes at most `2 + log2(n + 1)` feeds. That is at
/// most 22 for each run, and there are at most 64 runs.
#[derive(Debug, Clone)]
pub struct Search<'b> {
    lookup: Lookup<'b>,
    id: Uuid,
    state: State<'b>,
    outcome: Option<SearchOutcome>,
}

impl<'b> Lookup<'b> {
    /// Starts a search of the runs for `id`. Search the delta groups first: their entries take
    /// precedence over the entries of the runs.
    #[must_use]
    pub fn search(&self, id: Uuid) -> Search<'b> {
        let mut search = Search { lookup: *self, id, state: State::Ended, outcome: None };
        search.enter(self.first_run());
        search
    }

    /// Returns one search for each run, the newest run first. Each search begins at its run and
    /// continues with the older runs. A reader that fetches bytes over a network can ask for the
    /// first blocks of all these searches at once. [`search`](Self::search) wants one block after
    /// the other.
    pub fn searches(&self, id: Uuid) -> impl Iterator<Item = Search<'b>> + use<'b> {
        let lookup = *self;
        let mut next = lookup.first_run();
        core::iter::from_fn(move || {
            let (i, run) = next?;
            next = lookup.run_after(i, &run);
            let mut search = Search { lookup, id, state: State::Ended, outcome: None };
            search.enter(Some((i, run)));
            Some(search)
        })
    }
}

impl<'b> Search<'b> {
    /// Returns the span to feed next, absolute; `None` after an outcome or an error.
    ///
    /// The span is usually `stride` groups and the first entry after them.
    #[must_use]
    pub fn want(&self) -> Option<Span> {
        match &self.state {
            State::Front { run, .. } => {
                let start = self.lookup.groups_span(run.first_group, 1).start;
                Span::new(start, FIRST_ENTRY_LEN)
            }
            State::Block { run, block, .. } => Some(self.lookup.run_block_span(run, *block)),
            State::Ended => None,
        }
    }

    /// Returns the number of the wanted block; the blocks of all runs are counted together. Returns
    /// `None` if the search wants less than a block. Callers use the number to remember which
    /// blocks were [checked](Self::feed_checked).
    #[must_use]
    pub const fn block(&self) -> Option<usize> {
        match &self.state {
            State::Block { run, block, .. } => Some(run.first_fence.saturating_add(*block)),
            State::Front { .. } | State::Ended => None,
        }
    }

    /// Returns a part of the [wanted](Self::want) span. If the region exists and ids are spread
    /// evenly, this part almost certainly has the region's entry. Returns `None` if the part would
    /// be the whole block, or if the fences do not show the position.
    ///
    /// If the caller feeds this part first, the look-up of an existing region reads fewer bytes,
    /// but the look-up of an absent region takes one more read. A reader that shares a cache with
    /// other readers should ask for whole blocks, because the others ask for the same blocks.
    #[must_use]
    pub fn likely(&self) -> Option<Span> {
        let (first, likely) = self.likely_groups()?;
        Some(self.lookup.groups_span(first, likely.groups))
    }

    /// Takes the [likely](Self::likely) bytes. Returns whether the region is in them. If it is, the
    /// search has ended. Otherwise the search wants the same span as before.
    pub fn feed_likely(&mut self, bytes: &[u8]) -> bool {
        let Some((first, likely)) = self.likely_groups() else { return false };
        let at = self.lookup.groups_span(first, likely.groups).start;
        // A fault in these bytes is not reported here. `feed` reports it when it takes the whole
        // block.
        let found = Block::of_likely(&likely, bytes, at).find(self.id);
        let Ok(Place::Found(located)) = found else { return false };
        (self.state, self.outcome) = (State::Ended, Some(SearchOutcome::Found(located)));
        true
    }

    /// Returns the groups of the wanted block that probably have the id, and the number in the
    /// index of the first of them.
    fn likely_groups(&self) -> Option<(u32, LikelyGroups)> {
        let State::Block { run, block, low, high, .. } = &self.state else { return None };
        if low != high {
            // Ids with equal fences are not spread evenly.
            return None;
        }
        let (first, groups) = run.block_groups(*block);
        let (fence, next_fence) = run.block_fences(*block);
        let likely = LikelyGroups::of(fence, next_fence?, groups, self.id)?;
        Some((first.saturating_add(likely.first), likely))
    }

    /// Takes the wanted bytes, and ignores bytes past them. A shorter slice means that the file
    /// ends there. Returns the outcome if the search has ended.
    ///
    /// If the block has the id, this reads a few entries. If not, it reads the whole block and
    /// checks it as [`Lookup::check_block`] does: only a valid block proves that the id is absent.
    ///
    /// # Errors
    /// `Contradiction` if groups and fences do not agree, and other faults of the index. The search
    /// has then ended.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<SearchOutcome>, Error> {
        self.take(bytes, true)
    }

    /// Does the same as [`feed`](Self::feed) for a block whose bytes were checked before. If the id
    /// is absent, this does not check the block again.
    ///
    /// # Errors
    /// The errors of [`feed`](Self::feed).
    pub fn feed_checked(&mut self, bytes: &[u8]) -> Result<Option<SearchOutcome>, Error> {
        self.take(bytes, false)
    }

    /// Returns the outcome; `None` before the end of the search, and after an error.
    #[must_use]
    pub const fn outcome(&self) -> Option<SearchOutcome> {
        self.outcome
    }

    fn take(&mut self, bytes: &[u8], check: bool) -> Result<Option<SearchOutcome>, Error> {
        let want = self.want();
        // Only the match arms that continue set the state again, so an error ends the search.
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Front { i, run } => {
                let at = want.map_or(0, |want| want.start);
                let fence = run.fences.first().map(|fence| fence.get());
                if Some(prefix(first_id(bytes, at)?)) != fence {
                    let at = at.saturating_add(GROUP_HEADER_LEN);
                    return Err(Error::contradiction(at, Contradiction::FirstFence));
                }
                self.enter(self.lookup.run_after(i, &run));
            }
            State::Block { i, run, low, high, block } => {
                let view = Block::of(&self.lookup, &run, block, bytes)?;
                let place = view.find(self.id)?;
                if let Place::Found(located) = place {
                    self.outcome = Some(SearchOutcome::Found(located));
                    return Ok(self.outcome);
                }
                if check {
                    view.check()?;
                }
                match self.turn(&view, place, block)? {
                    Turn::Absent => self.enter(self.lookup.run_after(i, &run)),
                    Turn::Left if block > low => {
                        self.probe(i, run, low, block.saturating_sub(1));
                    }
                    Turn::Right if block < high => {
                        self.probe(i, run, block.saturating_add(1), high);
                    }
                    Turn::Left | Turn::Right => {
                        return Err(Error::contradiction(view.at, Contradiction::Moved));
                    }
                }
            }
            State::Ended => return Err(Misuse::FedAfterEnd.into()),
        }
        Ok(self.outcome)
    }

    /// Decides where the search continues after a block that does not have the region.
    fn turn(&self, view: &Block<'_>, place: Place, block: usize) -> Result<Turn, Error> {
        match place {
            Place::Before if block > 0 => Ok(Turn::Left),
            // If the id is equal to the next block's first id, the next block has it.
            Place::After if view.next_fence.is_some() => {
                let right = self.id.as_u128() >= view.next_id()?;
                Ok(if right { Turn::Right } else { Turn::Absent })
            }
            _ => Ok(Turn::Absent),
        }
    }

    /// Starts the search of a run, or ends the search if no run is left.
    fn enter(&mut self, run: Option<(usize, Run<'b>)>) {
        let Some((i, run)) = run else {
            self.state = State::Ended;
            self.outcome = Some(SearchOutcome::Absent);
            return;
        };
        let fence = prefix(self.id.as_u128());
        let Some(high) = at_most(run.fences, fence).checked_sub(1) else {
            self.state = State::Front { i, run };
            return;
        };
        // If the fence of a block is equal to the region's fence, the block may have the region.
        // The end of the block before it may have the region, too.
        let equal = run.fences.get(high).is_some_and(|last| last.get() == fence);
        let low = if equal { below(run.fences, high, fence).saturating_sub(1) } else { high };
        self.probe(i, run, low, high);
    }

    fn probe(&mut self, i: usize, run: Run<'b>, low: usize, high: usize) {
        // The middle is rounded up. If only one fence is equal to the region's fence, the region is
        // most likely the first region of the block with that fence.
        let block = high.saturating_sub(high.saturating_sub(low) / 2);
        self.state = State::Block { i, run, low, high, block };
    }
}

/// Where a search continues after a block without the region: in the blocks before it, in the
/// blocks after it, or not in this run.
enum Turn {
    Left,
    Right,
    /// The run does not have the region.
    Absent,
}

/// Counts the sorted `fences` that are at most `fence`. Looks first at the position that `fence`
/// would have if ids were spread evenly.
fn at_most(fences: &[Fence], fence: u64) -> usize {
    let (mut low, mut high) = (0, fences.len());
    let spread = u128::from(fence).saturating_mul(u128::from(to_u64(fences.len()))) >> 64;
    let (mut at, mut step) = (usize::try_from(spread).unwrap_or(0), 1_usize);
    while low < high {
        at = at.clamp(low, high.saturating_sub(1));
        let fits = fences.get(at).is_some_and(|found| found.get() <= fence);
        let far = step > 8;
        if fits {
            low = at.saturating_add(1);
            at = at.saturating_add(step);
        } else {
            high = at;
            at = at.saturating_sub(step);
        }
        if far {
            at = low.midpoint(high);
        }
        step = step.saturating_mul(2);
    }
    low
}

/// Counts the fences below `fence` among the first `end` of the sorted `fences`.
fn below(fences: &[Fence], end: usize, fence: u64) -> usize {
    fences.get(..end).unwrap_or_default().partition_point(|found| found.get() < fence)
}

#[cfg(test)]
mod tests {
    use super::SearchOutcome;
    use crate::world::{Kind, World, ids};
    use crate::{Contradiction, Error, Lookup, Structure};
    use daicon_core::Span;
    use proptest::prelude::*;
    use std::vec::Vec;
    use uuid::Uuid;

    const KINDS: [Kind; 6] =
        [Kind::Random, Kind::Sequential, Kind::EqualPrefix, Kind::Pairs, Kind::V1, Kind::V7];

    #[test]
    fn every_region_is_found_and_nothing_else_whatever_the_ids() {
        // spec: R-LKP-10, R-LKP-11, R-LKP-12
        for kind in KINDS {
            for (count, per_group, stride) in [(1, 255, 1), (700, 255, 2), (60, 3, 4), (9, 1, 2)] {
                let world = World::new(&[ids(kind, count)], per_group, stride);
                for (i, id) in world.all.iter().enumerate() {
                    let (answer, feeds) = world.search(*id);
                    assert_eq!(world.number(answer.unwrap()), Some(i), "{kind:?} {id}");
                    assert!(feeds <= world.feeds_max(), "{kind:?}: {feeds} feeds");
                    for near in [id.as_u128().wrapping_sub(1), id.as_u128().wrapping_add(1)] {
                        let near = Uuid::from_u128(near);
                        let expected = world.all.iter().position(|id| *id == near);
                        assert_eq!(world.number(world.search(near).0.unwrap()), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn evenly_spread_ids_take_one_feed_of_one_block() {
        // spec: R-LKP-10
        let world = World::new(&[ids(Kind::Random, 5000)], 255, 3);
        let lookup = world.lookup();
        for id in &world.all {
            let want = lookup.search(*id).want().unwrap();
            // A block has three groups, and the want includes the first entry of the next block.
            // The last block of the run has two groups and no next block.
            assert!(matches!(want.len(), 18_448 | 12_272), "{want}");
            assert_eq!(world.search(*id).1, 1);
        }
    }

    #[test]
    fn evenly_spread_ids_are_in_the_likely_part_of_their_block() {
        // The likely part is one group if the id's expected position is at least 2 √n entries from
        // each border between two groups. Here n is the number of entries in the block. This is
        // true for 2 x 211 of 510 positions, for 147 + 2 x 201 of 765, and for 6 x 75 + 2 x 165 of
        // 2,040.
        for (stride, per_cent) in [(2, 82), (3, 71), (8, 38)] {
            let world = World::new(&[ids(Kind::Random, 40_000)], 255, stride);
            let lookup = world.lookup();
            let (mut found, mut of_one_group) = (0, 0);
            for id in &world.all {
                let mut search = lookup.search(*id);
                let Some(likely) = search.likely() else { continue };
                found += 1;
                of_one_group += usize::from(likely.len() == 6136);
                assert!(likely.len() == 6136 || likely.len() == 2 * 6136, "{likely}");
                assert!(search.feed_likely(world.bytes(likely)), "{id}");
                let Some(SearchOutcome::Found(located)) = search.outcome() else { panic!("{id}") };
                assert!(likely.contains(&Span::new(located.at, 24).unwrap()));
            }
            let share = of_one_group * 100 / world.all.len();
            assert!(share.abs_diff(per_cent) < 2, "{share} % of one group");
            assert!(stride == 2 || found > 37_000, "all but those of the last block: {found}");
        }
    }

    #[test]
    fn nothing_is_foretold_where_fences_are_equal() {
        let world = World::new(&[ids(Kind::EqualPrefix, 2000)], 255, 2);
        for id in &world.all {
            assert_eq!(world.lookup().search(*id).likely(), None);
        }
    }

    #[test]
    fn nothing_is_foretold_where_a_block_is_one_group_or_the_last() {
        let world = World::new(&[ids(Kind::Random, 600)], 255, 1);
        for id in &world.all {
            assert_eq!(world.lookup().search(*id).likely(), None);
        }
        let world = World::new(&[ids(Kind::Random, 1200)], 255, 3);
        assert_eq!(world.lookup().search(Uuid::max()).likely(), None);
        assert_eq!(world.lookup().search(Uuid::nil()).likely(), None);
    }

    #[test]
    fn a_region_before_the_first_fence_is_looked_for_in_one_entry() {
        // spec: R-LKP-13
        let world = World::new(&[[7, 8, 9].map(|n| Uuid::from_u128(n << 64)).to_vec()], 1, 1);
        let id = Uuid::from_u128(6 << 64);
        let want = world.lookup().search(id).want().unwrap();
        assert_eq!((want.start, want.len()), (World::group_at(0), 40));
        assert_eq!(world.search(id), (Ok(SearchOutcome::Absent), 1));
        let mut wrong = world.clone();
        wrong.set_fence(0, 8);
        let at = World::group_at(0) + 16;
        let (what, fault) = (Structure::LookupBlock, Contradiction::FirstFence);
        let expected = Error::Contradiction { what, at, fault };
        assert_eq!(wrong.search(Uuid::from_u128(7 << 64)), (Err(expected), 1));
    }

    #[test]
    fn newer_runs_are_asked_first() {
        // spec: R-LKP-14
        let old = ids(Kind::Random, 600);
        let new: Vec<Uuid> = old.iter().copied().step_by(3).collect();
        let world = World::new(&[new.clone(), old.clone()], 100, 2);
        for id in &old {
            let number = world.number(world.search(*id).0.unwrap()).unwrap();
            let place = new.iter().position(|other| other == id);
            let place = place.or(old.iter().position(|other| other == id).map(|i| i + new.len()));
            assert_eq!(Some(number), place);
        }
        assert_eq!(world.search(Uuid::max()), (Ok(SearchOutcome::Absent), 2));
    }

    #[track_caller]
    fn check(change: impl Fn(&mut World), id: u128, at: u64, fault: Contradiction) {
        // The index starts at 100 and has four groups of two ids: 1 2 | 3 4 | 5 6 | 7 8. There is
        // one fence for every two groups.
        let mut world = World::new(&[(1..9).map(|n| Uuid::from_u128(n << 64)).collect()], 2, 2);
        change(&mut world);
        let what = Structure::LookupBlock;
        let expected = Error::Contradiction { what, at, fault };
        assert_eq!(world.search(Uuid::from_u128(id)).0, Err(expected));
    }

    #[test]
    fn a_miss_counts_only_where_the_block_bears_it_out() {
        // spec: R-LKP-15, R-LKP-16
        let entry = |group: u64, entry: u64| 108 + 6136 * group + 16 + 24 * entry;
        let absent = (3 << 64) + 1;
        let first = Contradiction::FirstFence;
        check(|w| w.set_id(0, 0, 1 << 63), absent, entry(0, 0), first);
        check(|w| w.set_fence(0, 0), absent, entry(0, 0), first);
        let unsorted = Contradiction::Unsorted;
        check(|w| w.set_id(0, 1, 9 << 64), absent, entry(1, 0), unsorted);
        check(|w| w.set_id(0, 1, 1 << 64), absent, entry(0, 1), unsorted);
        check(|w| w.set_id(1, 1, 5 << 64), absent, entry(2, 0), unsorted);
        let next = Contradiction::NextFence;
        check(|w| w.set_id(2, 0, 6 << 64), absent, entry(2, 0), next);
        check(|w| w.set_fence(1, 6), absent, entry(2, 0), next);
        let empty = Contradiction::EmptyGroup;
        check(|w| w.set_length(0, 0), absent, 108, empty);
        check(|w| w.set_length(2, 0), absent, 108 + 2 * 6136, empty);
    }

    #[test]
    fn a_block_that_was_checked_is_not_looked_at_again() {
        let mut world = World::new(&[ids(Kind::Random, 600)], 255, 3);
        world.set_id(0, 5, 0);
        let id = Uuid::from_u128(world.all[300].as_u128() + 1);
        let lookup = world.lookup();
        let mut search = lookup.search(id);
        assert_eq!(search.block(), Some(0));
        let want = search.want().unwrap();
        assert!(search.clone().feed(world.bytes(want)).is_err());
        assert_eq!(search.feed_checked(world.bytes(want)), Ok(Some(SearchOutcome::Absent)));
    }

    #[test]
    fn a_short_feed_is_a_truncated_block() {
        // spec: R-LKP-17
        let world = World::new(&[ids(Kind::Sequential, 9)], 2, 2);
        let lookup = world.lookup();
        for id in [world.all[0], world.all[8], Uuid::nil()] {
            let mut search = lookup.search(id);
            let want = search.want().unwrap();
            let bytes = world.bytes(want);
            let error = search.feed(&bytes[..bytes.len() - 1]).unwrap_err();
            let (what, at, needed) = (Structure::LookupBlock, want.start, want.len());
            assert_eq!(error, Error::Truncated { what, at, needed, end: want.end - 1 });
            assert_eq!((search.want(), search.outcome()), (None, None));
            assert!(search.feed(bytes).is_err(), "nothing is wanted");
        }
    }

    fn kind() -> impl Strategy<Value = Kind> {
        prop::sample::select(&KINDS[..])
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..<_>::default() })]

        /// If groups are sorted, a search returns the result of a scan, or an error. This is true
        /// for right and for wrong fences.
        #[test]
        fn wrong_fences_neither_hide_nor_make_up_a_region(
            kind in kind(),
            count in 1_usize..60,
            stride in 1_u32..5,
            fences in prop::collection::vec(any::<(prop::sample::Index, u64, bool)>(), 0..6),
            probes in prop::collection::vec((any::<prop::sample::Index>(), -1_i128..2), 1..40),
        ) {
            // spec: R-LKP-15
            let mut world = World::new(&[ids(kind, count)], 2, stride);
            for (i, any, swap) in fences {
                let n = i.index(world.fence_count());
                let other = world.fence(world.fence_count() - 1 - n);
                world.set_fence(n, if swap { other } else { any });
            }
            for (i, delta) in probes {
                let id = world.all[i.index(count)].as_u128().wrapping_add_signed(delta);
                let id = Uuid::from_u128(id);
                let (answer, feeds) = world.search(id);
                prop_assert!(feeds <= world.feeds_max());
                if let Ok(answer) = answer {
                    let expected = world.all.iter().position(|other| *other == id);
                    prop_assert_eq!(world.number(answer), expected);
                }
            }
        }

        /// One bit of the groups or the lookup region is flipped. If an entry is unchanged, the
        /// search must not report its region as absent. Equal fences do not bound a block, so all
        /// ids of this test have different fences.
        #[test]
        fn a_flipped_bit_costs_no_more_than_what_it_hits(
            kind in prop::sample::select(&[Kind::Random, Kind::V1, Kind::V7][..]),
            count in 1_usize..40,
            stride in 1_u32..4,
            in_fences in any::<bool>(),
            bit in any::<prop::sample::Index>(),
        ) {
            let world = World::new(&[ids(kind, count)], 3, stride);
            let mut flipped = world.clone();
            let touched = flipped.flip(in_fences, bit);
            for (i, id) in world.all.iter().enumerate().filter(|(i, _)| Some(*i) != touched) {
                match flipped.try_search(*id) {
                    Ok(Some(SearchOutcome::Absent)) => prop_assert!(false, "{} was there", id),
                    // The found entry is the entry of the region, or the flip has changed the id of
                    // another entry into this id.
                    Ok(Some(answer)) => {
                        let entry = world.entry(answer);
                        prop_assert!(entry == Some(i) || entry == touched, "{}", id);
                    }
                    // The flip was detected.
                    Ok(None) | Err(_) => {}
                }
            }
        }

        /// Whatever the bytes are, nothing panics, and the search ends.
        #[test]
        fn any_region_over_any_index_ends(
            header in prop::collection::vec(any::<u8>(), 0..200),
            runs in 0_u32..4,
            id in any::<u128>(),
        ) {
            let mut region = header;
            if region.len() >= 16 {
                region[..4].fill(0);
                region[4..8].copy_from_slice(&runs.to_le_bytes());
                region[8..16].fill(0);
            }
            for run in region.chunks_exact_mut(16).skip(1).take(runs as usize) {
                for field in run.chunks_exact_mut(4) {
                    field[1..].fill(0);
                    field[0] &= 7;
                }
            }
            if let Ok(lookup) = Lookup::parse(&region, 0) {
                let mut search = lookup.search(Uuid::from_u128(id));
                let mut feeds = 0;
                let garbage = std::vec![0x11_u8; 8 * 6136];
                while let Some(want) = search.want() {
                    feeds += 1;
                    prop_assert!(feeds < 100);
                    let _ = search.feed(&garbage[..(want.len() as usize).min(garbage.len())]);
                }
            }
        }
    }
}
