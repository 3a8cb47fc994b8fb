//! The groups of an index that lie in the head, sorted by id for those who look up many regions.
//!
//! They are the delta groups, or the whole of a small index; their entries are in no order, and the
//! newest of an id counts. The first look-up scans them, the second sorts them once. Specification:
//! `docs/spec/dacti-index.md`, "Which entry counts".

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

    /// The entry of `id` that counts in the first `groups` groups of `bytes`, which start at file
    /// position `at`.
    pub(crate) fn find(
        &self,
        bytes: &[u8],
        at: u64,
        groups: u32,
        id: Uuid,
    ) -> Result<Option<Located>, dacti_lookup::Error> {
        if groups > Self::GROUPS_MAX || !self.asked.load(Ordering::Relaxed) {
            self.asked.store(true, Ordering::Relaxed);
            return find_in_groups(bytes, at, groups, id);
        }
        let sorted = self.sorted.get_or_init(|| sort(bytes, at, groups));
        let Some(sorted) = sorted else { return find_in_groups(bytes, at, groups, id) };
        let Ok(i) = sorted.ids.binary_search(&id.as_u128()) else { return Ok(None) };
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
    Some(Sorted { ids, located })
}

#[cfg(test)]
mod tests {
    use super::Front;
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
