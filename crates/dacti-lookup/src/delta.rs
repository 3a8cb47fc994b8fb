//! The search in delta groups. They belong to no run and have no fences.
//!
//! Specification: `docs/spec/dacti-lookup.md`, "Search".

use crate::Error;
use dacti_index::{GROUP_LEN, Group, Located};
use uuid::Uuid;

/// Finds the region `id` in the first `groups` groups of `bytes`, which start at file position
/// `at`.
///
/// The groups may be in any order. The first group that has the id decides, and within this group
/// the last entry with the id. The entry may be a [removal](Located::is_removal): the region is
/// then absent, even if a run lists it.
///
/// # Errors
/// The bytes end before the groups do, or the span of an entry passes 2^64.
pub fn find_in_groups(
    bytes: &[u8],
    at: u64,
    groups: u32,
    id: Uuid,
) -> Result<Option<Located>, Error> {
    for g in 0..groups {
        let offset = GROUP_LEN.saturating_mul(u64::from(g));
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let group =
            Group::parse(bytes.get(start..).unwrap_or_default(), at.saturating_add(offset))?;
        if let Some(located) = group.find(id)? {
            return Ok(Some(located));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::find_in_groups;
    use crate::Error;
    use dacti_index::{Encoding, Entry, GroupHeader, emit_group};
    use uuid::Uuid;

    #[test]
    fn delta_groups_are_searched_newest_first() {
        // spec: R-LKP-14
        let entry = |id, offset| Entry::new(Uuid::from_u128(id), offset, 1);
        let groups = [std::vec![], std::vec![entry(7, 1), entry(7, 2)], std::vec![entry(7, 3)]];
        let mut bytes = std::vec![0; 3 * 6136];
        for (group, out) in groups.iter().zip(bytes.chunks_exact_mut(6136)) {
            let header = GroupHeader::new(50, Encoding::NONE, group.len() as u8);
            emit_group(&header, group, out).unwrap();
        }
        let find = |groups, id| find_in_groups(&bytes, 0, groups, Uuid::from_u128(id));
        assert_eq!(find(3, 7).unwrap().unwrap().span.start, 52);
        assert_eq!(find(1, 7), Ok(None));
        assert_eq!(find(3, 8), Ok(None));
        let cut = find_in_groups(&bytes[..6136 + 15], 0, 3, Uuid::nil()).unwrap_err();
        assert!(matches!(cut, Error::Index(dacti_index::Error::Truncated { at: 6136, .. })));
    }
}
