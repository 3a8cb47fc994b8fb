//! The regions that share stored bytes in a package with seals.
//!
//! Specification: `docs/spec/dacti-seal.md`, "Shared stored bytes".

use super::equal::Equals;
use super::input::Input;
use dacti_index::IdRange;
use dacti_seal::SEALS_MAX;
use foldhash::{HashMap, HashSet};
use uuid::Uuid;

/// A group, in this module: regions with the same stored bytes. It is not a group of the index.
#[derive(Debug)]
pub(crate) struct Group {
    /// The BLAKE3 of their content, or, for copied regions, of their stored bytes.
    pub(crate) hash: [u8; 32],
    /// The numbers of the other inputs, ascending. The first input in data order is left out.
    pub(crate) others: Vec<usize>,
}

/// All groups of a package, in the sense of this module.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The groups. Each is found by the id of its first input.
    groups: HashMap<Uuid, Group>,
    /// The numbers of the inputs that share the stored bytes of an earlier input.
    others: HashSet<usize>,
    /// The number of regions of the largest group; 0 without groups.
    count_max: u32,
}

impl Shared {
    /// Forms groups of at most 16 inputs. All inputs of a group lie in one id range, because
    /// entries of another range cannot reach the stored bytes. `id_order` has the numbers of the
    /// inputs by id.
    pub(super) fn of(
        equals: &[Equals],
        inputs: &[Input],
        id_order: &[usize],
        ranges: &[IdRange],
    ) -> Self {
        let mut shared = Self::default();
        if equals.is_empty() {
            return shared;
        }
        // spec: R-PKG-13
        let range_of = (ranges.len() > 1).then(|| ranges_of(inputs.len(), id_order, ranges));
        let range = |i: &usize| range_of.as_ref().and_then(|of| of.get(*i)).copied().unwrap_or(0);
        for Equals { hash, inputs: numbers } in equals {
            let mut numbers = numbers.clone();
            // The sort is stable, so the numbers ascend within a range.
            numbers.sort_by_key(range);
            let groups_max = usize::try_from(SEALS_MAX).unwrap_or(1);
            for in_range in numbers.chunk_by(|a, b| range(a) == range(b)) {
                for group in in_range.chunks(groups_max) {
                    shared.add(*hash, group, inputs);
                }
            }
        }
        shared
    }

    fn add(&mut self, hash: [u8; 32], group: &[usize], inputs: &[Input]) {
        let Some((first, others)) = group.split_first().filter(|(_, others)| !others.is_empty())
        else {
            return;
        };
        let Some(first) = inputs.get(*first) else { return };
        self.groups.insert(first.id, Group { hash, others: others.to_vec() });
        self.others.extend(others);
        let count = u32::try_from(group.len()).unwrap_or(u32::MAX);
        self.count_max = self.count_max.max(count);
    }

    /// Returns the maximum number of seals after stored bytes.
    pub(super) fn seals_max(&self) -> u32 {
        self.count_max.max(1)
    }

    /// Returns whether an input shares the stored bytes of an earlier input in data order.
    pub(super) fn is_other(&self, input: usize) -> bool {
        self.others.contains(&input)
    }

    /// Returns the numbers of the other inputs of a group, whose first input has this id.
    pub(super) fn others(&self, first: Uuid) -> &[usize] {
        self.group(first).map_or(&[], |group| &group.others)
    }

    /// Returns the group whose first input has this id.
    pub(super) fn group(&self, first: Uuid) -> Option<&Group> {
        // Most packages have no groups, so this saves most look-ups.
        if self.groups.is_empty() { None } else { self.groups.get(&first) }
    }
}

/// Returns the number of each input's id range.
fn ranges_of(inputs: usize, id_order: &[usize], ranges: &[IdRange]) -> Vec<usize> {
    let mut range_of = vec![0; inputs];
    for (number, range) in ranges.iter().enumerate() {
        let end = range.first.saturating_add(range.count);
        for i in id_order.get(range.first..end).unwrap_or_default() {
            if let Some(slot) = range_of.get_mut(*i) {
                *slot = number;
            }
        }
    }
    range_of
}

/// The groups of a package and the inputs to which their numbers refer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sharing<'s> {
    pub(crate) shared: &'s Shared,
    pub(crate) inputs: &'s [Input],
}

impl<'s> Sharing<'s> {
    /// Returns the inputs that share the stored bytes of `first`.
    pub(super) fn others(self, first: &Input) -> impl Iterator<Item = &'s Input> {
        let others = self.shared.others(first.id);
        others.iter().filter_map(move |i| self.inputs.get(*i))
    }
}
