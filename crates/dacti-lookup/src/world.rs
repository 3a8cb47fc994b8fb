//! Indexes for tests: ids of many kinds, in groups and runs, with their lookup region.
//!
//! The expected outcome of a search is computed from the list of ids only, never from a group.

use crate::{Error, Lookup, RunSpec, SearchOutcome, emit_lookup, lookup_len};
use dacti_index::{Encoding, Entry, GroupHeader, emit_group, emit_header, index_len};
use daicon_core::Span;
use std::vec::Vec;
use uuid::Uuid;

/// The start of the index, absolute.
const INDEX_AT: u64 = 100;
const BASE: u64 = 1 << 33;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Random,
    /// Ids 0, 1, 2 and so on: all fences are 0.
    Sequential,
    EqualPrefix,
    /// Two or three consecutive ids at a time have equal fences.
    Pairs,
    /// The id begins with the fast-changing part of the time, so ids that are made one after
    /// another are far apart.
    V1,
    /// The id begins with the time, so all ids of a batch are close together.
    V7,
}

/// Returns `count` distinct ids, ascending.
pub(crate) fn ids(kind: Kind, count: usize) -> Vec<Uuid> {
    let id = |n: u128| match kind {
        Kind::Random => *Uuid::new_v5(&Uuid::nil(), &n.to_le_bytes()).as_bytes(),
        Kind::Sequential => n.to_be_bytes(),
        Kind::EqualPrefix => ((0x1234_5678_9abc_def0_u128 << 64) | (n * 77)).to_be_bytes(),
        Kind::Pairs => ((n * 2 / 5) << 64 | n).to_be_bytes(),
        Kind::V1 => {
            let ticks = 0x01ec_9414_c232_ab00 + n * 10_000_000;
            let fields = (ticks & 0xffff_ffff) << 96 | (ticks >> 32 & 0xffff) << 80;
            (fields | 0x1 << 76 | (ticks >> 48) << 64 | 0x8000_0242_ac13_0003).to_be_bytes()
        }
        Kind::V7 => {
            let time = 0x0191_3f3f_0000 + n / 50;
            (time << 80 | 0x7 << 76 | (n % 50 * 80) << 64 | 0x8000_0000_0000_0001).to_be_bytes()
        }
    };
    let mut ids: Vec<_> = (0..count as u128).map(id).map(Uuid::from_bytes).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    ids
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    /// The ids of all entries, run by run. The entry of id number `i` has the offset `i`.
    pub(crate) all: Vec<Uuid>,
    per_group: usize,
    fences_at: usize,
    index: Vec<u8>,
    region: Vec<u8>,
}

impl World {
    /// Creates runs of groups with `per_group` entries each. The last group of a run may have
    /// fewer.
    pub(crate) fn new(runs: &[Vec<Uuid>], per_group: usize, stride: u32) -> Self {
        let (mut index, mut specs, mut firsts) = (std::vec![0; 8], Vec::new(), Vec::new());
        let mut offset = 0;
        for run in runs {
            let first_group = firsts.len() as u32;
            for group in run.chunks(per_group) {
                firsts.push(group[0]);
                let entry = |(i, id): (usize, &Uuid)| Entry::new(*id, offset + i as u32, 1);
                let entries: Vec<_> = group.iter().enumerate().map(entry).collect();
                offset += group.len() as u32;
                let header = GroupHeader::new(BASE, Encoding::NONE, group.len() as u8);
                let mut out = [0; 6136];
                emit_group(&header, &entries, &mut out).unwrap();
                index.extend(out);
            }
            specs.push(RunSpec { first_group, groups: firsts.len() as u32 - first_group });
        }
        emit_header(firsts.len() as u32, &mut index).unwrap();
        assert_eq!(index.len() as u64, index_len(firsts.len() as u32));
        let mut region = std::vec![0; lookup_len(&specs, stride) as usize];
        let first = |group: u32| firsts[group as usize];
        emit_lookup(INDEX_AT, &specs, stride, first, &mut region).unwrap();
        let fences_at = 16 + 16 * specs.len();
        Self { all: runs.concat(), per_group, fences_at, index, region }
    }

    pub(crate) fn lookup(&self) -> Lookup<'_> {
        Lookup::parse(&self.region, 0).unwrap()
    }

    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        span.slice_of(&self.index, INDEX_AT).unwrap()
    }

    /// Searches for `id`. Returns the outcome and the number of feeds. Also checks that feeding
    /// likely bytes first does not change the outcome.
    pub(crate) fn search(&self, id: Uuid) -> (Result<SearchOutcome, Error>, usize) {
        let whole = self.search_in_blocks(id);
        assert_eq!(self.search_in_parts(id), whole.0, "{id}");
        whole
    }

    fn search_in_parts(&self, id: Uuid) -> Result<SearchOutcome, Error> {
        let lookup = self.lookup();
        let mut search = lookup.search(id);
        while let Some(want) = search.want() {
            if let Some(likely) = search.likely() {
                assert!(want.contains(&likely) && likely.len() < want.len() - 40);
                let mut cut = search.clone();
                assert!(!cut.feed_likely(&self.bytes(likely)[..15]));
                assert_eq!(cut.want(), Some(want));
                if search.feed_likely(self.bytes(likely)) {
                    assert_eq!((search.want(), search.likely()), (None, None));
                    break;
                }
            }
            search.feed(self.bytes(want))?;
        }
        Ok(search.outcome().unwrap())
    }

    fn search_in_blocks(&self, id: Uuid) -> (Result<SearchOutcome, Error>, usize) {
        let lookup = self.lookup();
        let (mut search, mut feeds) = (lookup.search(id), 0);
        while let Some(want) = search.want() {
            feeds += 1;
            if let Err(error) = search.feed(self.bytes(want)) {
                return (Err(error), feeds);
            }
        }
        (Ok(search.outcome().unwrap()), feeds)
    }

    /// Searches in a region that may be broken. The search may want bytes that do not exist.
    pub(crate) fn try_search(&self, id: Uuid) -> Result<Option<SearchOutcome>, Error> {
        let lookup = Lookup::parse(&self.region, 0)?;
        let groups = (self.index.len() - 8) / 6136;
        let index = Span::new(INDEX_AT, self.index.len() as u64).unwrap();
        if !lookup.is_of(index, groups as u32)? {
            return Ok(None);
        }
        let mut search = lookup.search(id);
        while let Some(want) = search.want() {
            search.feed(want.slice_of(&self.index, INDEX_AT).unwrap())?;
        }
        Ok(search.outcome())
    }

    /// Returns the number of the entry that was found.
    pub(crate) fn entry(&self, answer: SearchOutcome) -> Option<usize> {
        let SearchOutcome::Found(located) = answer else { return None };
        let offset = located.at - Self::group_at(0);
        let (group, entry) = (offset / 6136, (offset % 6136 - 16) / 24);
        Some(group as usize * self.per_group + entry as usize)
    }

    /// Returns the number of the region that was found, from its offset.
    pub(crate) fn number(&self, answer: SearchOutcome) -> Option<usize> {
        let SearchOutcome::Found(located) = answer else { return None };
        let number = (located.span.start - BASE) as usize;
        assert_eq!(located.id, self.all[number]);
        Some(number)
    }

    /// Returns the maximum number of feeds that the documentation of `Search` allows for one run.
    pub(crate) fn feeds_max(&self) -> usize {
        2 + (self.fence_count() + 1).ilog2() as usize
    }

    pub(crate) fn fence_count(&self) -> usize {
        (self.region.len() - self.fences_at) / 8
    }

    pub(crate) fn fence(&self, n: usize) -> u64 {
        let at = self.fences_at + 8 * n;
        u64::from_be_bytes(self.region[at..at + 8].try_into().unwrap())
    }

    pub(crate) fn set_fence(&mut self, n: usize, fence: u64) {
        let at = self.fences_at + 8 * n;
        self.region[at..at + 8].copy_from_slice(&fence.to_be_bytes());
    }

    pub(crate) fn group_at(group: usize) -> u64 {
        INDEX_AT + 8 + 6136 * group as u64
    }

    pub(crate) fn set_id(&mut self, group: usize, entry: usize, id: u128) {
        let at = 8 + 6136 * group + 16 + 24 * entry;
        self.index[at..at + 16].copy_from_slice(&Uuid::from_u128(id).to_bytes_le());
    }

    pub(crate) fn set_length(&mut self, group: usize, length: u8) {
        self.index[8 + 6136 * group + 12] = length;
    }

    /// Flips a bit of the lookup region, or of an entry. Returns the number of the entry; `None`
    /// for the lookup region.
    pub(crate) fn flip(&mut self, in_fences: bool, bit: proptest::sample::Index) -> Option<usize> {
        if in_fences {
            let bit = bit.index(self.region.len() * 8);
            self.region[bit / 8] ^= 1 << (bit % 8);
            return None;
        }
        let number = bit.index(self.all.len());
        let (group, entry) = (number / self.per_group, number % self.per_group);
        let bit = bit.index(24 * 8);
        self.index[8 + 6136 * group + 16 + 24 * entry + bit / 8] ^= 1 << (bit % 8);
        Some(number)
    }
}
