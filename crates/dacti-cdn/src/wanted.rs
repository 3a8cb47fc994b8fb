//! The edits, checked and sorted by kind. Both the planner and the check use this module.

use crate::parts::PARTS_ID;
use crate::snapshot::Found;
use crate::{
    ComponentContent, Edit, Error, LAYOUT_ID, Misuse, NewComponent, Put, Remove, Snapshot,
};
use alloc::vec::Vec;
use dacti_index::{Encoding, INDEX_ID, REGION_LEN_MAX};
use dacti_lookup::LOOKUP_ID;
use dacti_names::NAMES_ID;
use dacti_seal::{DIGEST_LIST_ID, SEAL_ID};
use daicon_core::to_u64;
use uuid::Uuid;

/// Components that a plan writes by itself, or that only a packer can write.
const OWN: [Uuid; 7] =
    [LAYOUT_ID, INDEX_ID, LOOKUP_ID, NAMES_ID, PARTS_ID, SEAL_ID, DIGEST_LIST_ID];

/// The edits by kind, each with its number.
#[derive(Debug, Default)]
pub(crate) struct Wanted<'e> {
    pub(crate) puts: Vec<(u32, &'e Put)>,
    pub(crate) removes: Vec<(u32, &'e Remove)>,
    pub(crate) components: Vec<(u32, &'e NewComponent)>,
    /// Whether the flag for explicit ids must be set in the names component.
    pub(crate) explicit_ids: bool,
}

impl<'e> Wanted<'e> {
    pub(crate) fn of(snapshot: &Snapshot, edits: &'e [Edit]) -> Result<Self, Error> {
        let mut wanted = Self::default();
        for (i, edit) in edits.iter().enumerate() {
            let too_many = |_| Misuse::TooManyEdits(to_u64(edits.len()));
            let number = u32::try_from(i).map_err(too_many)?;
            match edit {
                Edit::Put(put) => {
                    check_put(snapshot, number, put)?;
                    wanted.puts.push((number, put));
                }
                Edit::Remove(remove) => {
                    if snapshot.found(remove.id) == Found::Missing {
                        return Err(Misuse::NotThere { edit: number }.into());
                    }
                    wanted.removes.push((number, remove));
                }
                Edit::Component(component) => {
                    check_component(snapshot, number, component)?;
                    wanted.components.push((number, component));
                }
                Edit::ExplicitIds => wanted.explicit_ids = !snapshot.explicit_ids(),
            }
        }
        wanted.refuse_duplicates()?;
        if wanted.changes_no_region() && !wanted.changes_tables() {
            return Err(Misuse::NoEdits.into());
        }
        Ok(wanted)
    }

    pub(crate) fn changes_no_region(&self) -> bool {
        self.puts.is_empty() && self.removes.is_empty()
    }

    pub(crate) fn changes_tables(&self) -> bool {
        !self.components.is_empty() || self.explicit_ids
    }

    /// Returns the sum of the lengths that the edits replace, as the edits state them.
    pub(crate) fn replaced_len(&self) -> u64 {
        let puts = self.puts.iter().map(|(_, put)| put.replaced_len);
        let removes = self.removes.iter().map(|(_, remove)| remove.replaced_len);
        puts.chain(removes).fold(0, u64::saturating_add)
    }

    /// Checks that the seal of each removal is as long as the package's seals.
    pub(crate) fn check_seals(&self, snapshot: &Snapshot) -> Result<(), Misuse> {
        for &(edit, remove) in &self.removes {
            let (expected, found) = (snapshot.seal_len, remove.seal_len);
            if expected != found {
                return Err(Misuse::SealLen { edit, expected, found });
            }
        }
        Ok(())
    }

    fn refuse_duplicates(&self) -> Result<(), Misuse> {
        let puts = self.puts.iter().map(|(number, put)| (put.id, *number));
        let removes = self.removes.iter().map(|(number, remove)| (remove.id, *number));
        refuse_equal(puts.chain(removes).collect())?;
        let component = |(number, new): &(u32, &NewComponent)| (new.key(), *number);
        refuse_equal(self.components.iter().map(component).collect())
    }
}

fn refuse_equal<K: Ord>(mut keys: Vec<(K, u32)>) -> Result<(), Misuse> {
    keys.sort_unstable();
    for pair in keys.windows(2) {
        if let [(a, first), (b, second)] = pair
            && a == b
        {
            return Err(Misuse::DuplicateEdit { first: *first, second: *second });
        }
    }
    Ok(())
}

fn check_put(snapshot: &Snapshot, edit: u32, put: &Put) -> Result<(), Misuse> {
    if put.size > REGION_LEN_MAX {
        return Err(Misuse::TooLong { edit, len: put.size });
    }
    let (expected, found) = (snapshot.seal_len, put.seal_len);
    if expected != found {
        return Err(Misuse::SealLen { edit, expected, found });
    }
    if put.encoding == Encoding::GONE {
        return Err(Misuse::Encoding { edit });
    }
    if put.encoding.name().is_none_or(|name| name.is_empty() || name.contains('\0')) {
        return Err(Misuse::Encoding { edit });
    }
    Ok(())
}

fn check_component(snapshot: &Snapshot, edit: u32, new: &NewComponent) -> Result<(), Misuse> {
    if OWN.contains(&new.id) {
        return Err(Misuse::ComponentReserved { edit });
    }
    let same = |found: &&daicon_core::Component| (found.id, found.version.major) == new.key();
    if let Some(found) = snapshot.components.iter().find(same) {
        return Err(Misuse::ComponentExists { edit, at: found.at });
    }
    match new.content {
        ComponentContent::Region { size, .. } if size > REGION_LEN_MAX => {
            Err(Misuse::TooLong { edit, len: size })
        }
        _ => Ok(()),
    }
}
