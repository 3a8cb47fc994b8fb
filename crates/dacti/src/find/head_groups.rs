//! The groups of an index that lie in the head: the delta groups, or all of a small index.
//!
//! The entries of these groups are unsorted, and the newest entry of an id counts. The first
//! look-up scans the groups; the second sorts them once. Specification: `docs/spec/dacti-index.md`,
//! "Which entry counts".

use crate::read::index_region::Groups;
use crate::threads::known;
use core::sync::atomic::{AtomicBool, Ordering};
use dacti_index::{GROUP_LEN, Group, Located};
use dacti_lookup::find_in_groups;
use std::sync::OnceLock;
use uuid::Uuid;

/// The state of the groups in the head: whether a look-up has read them, and their sorted entries.
#[derive(Debug, Default)]
pub(crate) struct HeadGroups {
    /// Whether there was a look-up.
    asked: AtomicBool,
    /// `None` if the groups cannot be read.
    sorted: OnceLock<Option<Sorted>>,
}

/// The answer of the sorted groups about an id.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Recalled<'h> {
    /// The region of the id. Its bytes may extend past the file's end.
    Found(&'h Located),
    /// No group has the id.
    Absent,
    /// No answer: the groups are not sorted yet, or the entry is at fault.
    Nothing,
}

/// The entries that count, by id. The ids have an array of their own, so that a search reads only
/// ids.
#[derive(Debug)]
struct Sorted {
    ids: Vec<u128>,
    /// `None` for an entry whose span ends past 2^64.
    located: Vec<Option<Located>>,
    /// The start of each bucket in `ids`, and the end of the last bucket. There are as many buckets
    /// as ids, so a bucket has few ids if the ids are spread evenly.
    starts: Vec<usize>,
}

impl Sorted {
    fn new(ids: Vec<u128>, located: Vec<Option<Located>>) -> Self {
        let before = |bucket: usize| ids.partition_point(|id| bucket_of(*id, ids.len()) < bucket);
        let starts = (0..=ids.len()).map(before).collect();
        Self { ids, located, starts }
    }

    /// Returns the index of an id in `ids`.
    fn position(&self, id: u128) -> Option<usize> {
        let bucket = bucket_of(id, self.ids.len());
        let (start, end) = (*self.starts.get(bucket)?, *self.starts.get(bucket.checked_add(1)?)?);
        let position = self.ids.get(start..end)?.binary_search(&id).ok()?;
        start.checked_add(position)
    }
}

/// Returns the number of the bucket to which an id belongs. The id's first eight bytes select one
/// of `count` buckets.
fn bucket_of(id: u128, count: usize) -> usize {
    let count = u128::try_from(count).unwrap_or(0);
    // The product of two 64-bit numbers has at most 128 bits, so it does not wrap.
    usize::try_from((id >> 64).wrapping_mul(count) >> 64).unwrap_or(0)
}

impl HeadGroups {
    /// The maximum number of groups that are sorted. A head has room for fewer.
    const SORTED_MAX: u32 = 16;

    /// Returns the answer of the sorted groups about `id`.
    #[inline]
    pub(crate) fn recall(&self, id: Uuid) -> Recalled<'_> {
        match self.sorted.get() {
            Some(Some(sorted)) if sorted.ids.is_empty() => Recalled::Absent,
            Some(Some(sorted)) => sorted.recall(id.as_u128()),
            _ => Recalled::Nothing,
        }
    }

    /// Finds the newest entry of `id` in `groups`. All calls on one `HeadGroups` must pass the same
    /// groups.
    pub(crate) fn find(
        &self,
        groups: Groups<'_>,
        id: Uuid,
    ) -> Result<Option<Located>, dacti_lookup::Error> {
        let Groups { at, count, bytes } = groups;
        // Only the first look-up writes the flag. If each look-up wrote it, the look-ups of other
        // threads, which all read it, would be slower.
        let is_asked =
            self.asked.load(Ordering::Relaxed) || self.asked.swap(true, Ordering::Relaxed);
        if is_asked
            && count <= Self::SORTED_MAX
            && let Some(sorted) = known(&self.sorted, || sort(groups))
        {
            match sorted.recall(id.as_u128()) {
                Recalled::Found(located) => return Ok(Some(*located)),
                Recalled::Absent => return Ok(None),
                // The entry is at fault. The scan below reports the fault.
                Recalled::Nothing => {}
            }
        }
        find_in_groups(bytes, at, count, id)
    }
}

impl Sorted {
    #[inline(never)]
    fn recall(&self, id: u128) -> Recalled<'_> {
        let Some(i) = self.position(id) else { return Recalled::Absent };
        let located = self.located.get(i).and_then(Option::as_ref);
        located.map_or(Recalled::Nothing, Recalled::Found)
    }
}

/// Sorts by id all entries that count. Returns `None` if a group is truncated.
fn sort(groups: Groups<'_>) -> Option<Sorted> {
    let mut found = Vec::new();
    for g in 0..groups.count {
        let offset = GROUP_LEN.checked_mul(u64::from(g))?;
        let bytes = groups.bytes.get(usize::try_from(offset).ok()?..)?;
        let group = Group::parse(bytes, groups.at.checked_add(offset)?).ok()?;
        // Groups are stored newest first, but the entries of a group are stored oldest first. So
        // the entries are reversed.
        let entries = group.entries().iter().zip(group.regions()).rev();
        found.extend(entries.map(|(entry, located)| (entry.id.get().as_u128(), located.ok())));
    }
    // A stable sort leaves the newest of equal ids first, and `dedup_by_key` keeps the first.
    found.sort_by_key(|(id, _)| *id);
    found.dedup_by_key(|(id, _)| *id);
    let (ids, located) = found.into_iter().unzip();
    Some(Sorted::new(ids, located))
}

#[cfg(test)]
mod tests {
    use super::{HeadGroups, Sorted};
    use crate::read::index_region::Groups;
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
        let all = Groups { at: 0, count: 3, bytes: &bytes };
        let head_groups = HeadGroups::default();
        for _ in 0..3 {
            let start = |id| {
                let found = head_groups.find(all, Uuid::from_u128(id)).unwrap();
                found.map(|located| located.span.start)
            };
            assert_eq!([7, 9, 8, 0].map(start), [Some(52), Some(55), None, None]);
        }
        let none = Groups { count: 0, ..all };
        assert_eq!(HeadGroups::default().find(none, Uuid::from_u128(7)), Ok(None));
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
        let groups = Groups { at: 0, count: 2, bytes: &[0; 6136 + 15] };
        let head_groups = HeadGroups::default();
        for _ in 0..3 {
            assert!(head_groups.find(groups, Uuid::nil()).is_err());
        }
    }

    #[test]
    fn an_entry_that_names_no_place_is_an_error_for_its_id_alone() {
        let mut bytes = vec![0; 6136];
        let entries = [1, 2].map(|id| Entry::new(Uuid::from_u128(id), 0, u32::from(id == 1)));
        emit_group(&GroupHeader::new(0, Encoding::NONE, 2), &entries, &mut bytes).unwrap();
        // No writer uses this base. With it, the first entry's span ends past the last position.
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        let groups = Groups { at: 0, count: 1, bytes: &bytes };
        let head_groups = HeadGroups::default();
        for _ in 0..3 {
            assert!(head_groups.find(groups, Uuid::from_u128(1)).is_err());
            assert!(head_groups.find(groups, Uuid::from_u128(2)).unwrap().is_some());
        }
    }
}
