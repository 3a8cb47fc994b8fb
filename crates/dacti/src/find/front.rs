//! The groups of an index that lie in the head, sorted by id for those who look up many regions.
//!
//! They are the delta groups, or the whole of a small index; their entries are in no order, and the
//! newest of an id counts. The first look-up scans them, the second sorts them once. Specification:
//! `docs/spec/dacti-index.md`, "Which entry counts".

use crate::threads::known;
use core::sync::atomic::{AtomicBool, Ordering};
use dacti_index::{GROUP_LEN, Group, Located};
use dacti_lookup::find_in_groups;
use std::sync::OnceLock;
use uuid::Uuid;

/// Groups at the front of an index whose bytes are in hand.
#[derive(Debug, Default)]
pub(crate) struct Front {
    /// Whether somebody has looked before.
    asked: AtomicBool,
    /// `None` where the groups cannot be read.
    sorted: OnceLock<Option<Sorted>>,
}

/// The entries that count, by id. The ids stand by themselves, as numbers, so that a search meets
/// nothing else.
#[derive(Debug)]
struct Sorted {
    ids: Vec<u128>,
    /// `None` of an entry that names no place.
    located: Vec<Option<Located>>,
    /// Where the ids of each bucket start, and where the last one ends: there are as many buckets
    /// as ids, and evenly spread ones are alone in theirs, as a rule.
    starts: Vec<usize>,
}

impl Sorted {
    fn new(ids: Vec<u128>, located: Vec<Option<Located>>) -> Self {
        let before = |bucket: usize| ids.partition_point(|id| bucket_of(*id, ids.len()) < bucket);
        let starts = (0..=ids.len()).map(before).collect();
        Self { ids, located, starts }
    }

    /// The place of an id among all.
    fn position(&self, id: u128) -> Option<usize> {
        let bucket = bucket_of(id, self.ids.len());
        let (start, end) = (*self.starts.get(bucket)?, *self.starts.get(bucket.checked_add(1)?)?);
        let position = self.ids.get(start..end)?.binary_search(&id).ok()?;
        start.checked_add(position)
    }
}

/// The bucket of an id, of `count`: by its first eight bytes.
fn bucket_of(id: u128, count: usize) -> usize {
    let count = u128::try_from(count).unwrap_or(0);
    // Two numbers of 64 bits: their product has no more than 128.
    usize::try_from((id >> 64).wrapping_mul(count) >> 64).unwrap_or(0)
}

/// What is told of an id.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told<'f> {
    /// Where its region is. That the file is that long is for others to say.
    Found(&'f Located),
    /// The groups do not have it.
    Absent,
    /// Nothing: search.
    Nothing,
}

impl Front {
    /// Groups that are sorted at most: more than a head has room for.
    const GROUPS_MAX: u32 = 16;

    /// Whether it is known that no group has an entry.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let is_empty = |sorted: &Sorted| sorted.ids.is_empty();
        self.sorted.get().is_some_and(|sorted| sorted.as_ref().is_some_and(is_empty))
    }

    /// What is known of an id, given as a number, since the groups were sorted.
    #[inline(never)]
    pub(crate) fn told(&self, id: u128) -> Told<'_> {
        let Some(Some(sorted)) = self.sorted.get() else { return Told::Nothing };
        let Some(i) = sorted.position(id) else { return Told::Absent };
        let located = sorted.located.get(i).and_then(Option::as_ref);
        located.map_or(Told::Nothing, Told::Found)
    }

    /// The entry of `id` that counts in the first `groups` groups of `bytes`, which start at file
    /// position `at`.
    pub(crate) fn find(
        &self,
        bytes: &[u8],
        at: u64,
        groups: u32,
        id: Uuid,
    ) -> Result<Option<Located>, dacti_lookup::Error> {
        // Written once, as all look-ups of all threads read it.
        let is_asked =
            self.asked.load(Ordering::Relaxed) || self.asked.swap(true, Ordering::Relaxed);
        if groups > Self::GROUPS_MAX || !is_asked {
            return find_in_groups(bytes, at, groups, id);
        }
        let sorted = known(&self.sorted, || sort(bytes, at, groups));
        let Some(sorted) = sorted else { return find_in_groups(bytes, at, groups, id) };
        let Some(i) = sorted.position(id.as_u128()) else { return Ok(None) };
        match sorted.located.get(i) {
            Some(Some(located)) => Ok(Some(*located)),
            // It is told what is wrong with it.
            _ => find_in_groups(bytes, at, groups, id),
        }
    }
}

fn group(bytes: &[u8], at: u64, g: u32) -> Result<Group<'_>, dacti_index::Error> {
    let offset = GROUP_LEN.saturating_mul(u64::from(g));
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    Group::parse(bytes.get(start..).unwrap_or_default(), at.saturating_add(offset))
}

/// The entries that count, by id; `None` where a group is cut off.
fn sort(bytes: &[u8], at: u64, groups: u32) -> Option<Sorted> {
    let mut found = Vec::new();
    for g in 0..groups {
        let group = group(bytes, at, g).ok()?;
        // Newest first, as groups are.
        let entries = group.entries().iter().zip(group.regions()).rev();
        found.extend(entries.map(|(entry, located)| (entry.id.get().as_u128(), located.ok())));
    }
    // Stable: of equal ids the newest stays in front.
    found.sort_by_key(|(id, _)| *id);
    found.dedup_by_key(|(id, _)| *id);
    let (ids, located) = found.into_iter().unzip();
    Some(Sorted::new(ids, located))
}

#[cfg(test)]
mod tests {
    use super::{Front, Sorted};
    use dacti_index::{Encoding, Entry, GroupHeader, emit_group};
    use uuid::Uuid;

    #[test]
    fn the_newest_entry_counts_however_often_it_is_asked_for() {
        // spec: R-ORD-01, R-ORD-02, R-LKP-14
        let entry = |id, offset| Entry::new(Uuid::from_u128(id), offset, 1);
        let groups = [vec![entry(9, 5)], vec![], vec![entry(7, 1), entry(9, 4), entry(7, 2)]];
        let mut bytes = vec![0; 3 * 6136];
        for (group, out) in groups.iter().zip(bytes.chunks_exact_mut(6136)) {
            let length = u8::try_from(group.len()).unwrap();
            emit_group(&GroupHeader::new(50, Encoding::NONE, length), group, out).unwrap();
        }
        let front = Front::default();
        for _ in 0..3 {
            let start = |id| {
                let found = front.find(&bytes, 0, 3, Uuid::from_u128(id)).unwrap();
                found.map(|located| located.span.start)
            };
            assert_eq!([7, 9, 8, 0].map(start), [Some(52), Some(55), None, None]);
        }
        assert_eq!(Front::default().find(&bytes, 0, 0, Uuid::from_u128(7)), Ok(None));
    }

    #[test]
    fn an_id_is_found_in_its_bucket_however_the_ids_are_spread() {
        let spread = |n: u128| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let kinds: [Vec<u128>; 5] = [
            (1..500).map(spread).collect(),
            (1..500).collect(),
            (1..500).map(|n| (u128::MAX >> 1).wrapping_add(n << 3)).collect(),
            vec![0, 1, u128::MAX >> 64, 1 << 64, 1 << 127, u128::MAX],
            vec![],
        ];
        for mut ids in kinds {
            ids.sort_unstable();
            let sorted = Sorted::new(ids.clone(), Vec::new());
            let near = ids.iter().flat_map(|id| [-1, 0, 1].map(|by| id.wrapping_add_signed(by)));
            for id in near.chain([0, 7, u128::MAX]) {
                assert_eq!(sorted.position(id), ids.binary_search(&id).ok(), "{id:#x}");
            }
        }
    }

    #[test]
    fn a_group_that_is_cut_off_is_an_error_each_time() {
        let front = Front::default();
        for _ in 0..3 {
            assert!(front.find(&[0; 6136 + 15], 0, 2, Uuid::nil()).is_err());
        }
    }

    #[test]
    fn an_entry_that_names_no_place_is_an_error_for_its_id_alone() {
        let mut bytes = vec![0; 6136];
        let entries = [1, 2].map(|id| Entry::new(Uuid::from_u128(id), 0, u32::from(id == 1)));
        emit_group(&GroupHeader::new(u64::MAX, Encoding::NONE, 2), &entries, &mut bytes).unwrap();
        let front = Front::default();
        for _ in 0..3 {
            assert!(front.find(&bytes, 0, 1, Uuid::from_u128(1)).is_err());
            assert!(front.find(&bytes, 0, 1, Uuid::from_u128(2)).unwrap().is_some());
        }
    }
}
