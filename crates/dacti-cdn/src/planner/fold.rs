//! The strategy that can publish all kinds of edits: a new index in the block, and a new second
//! table.
//!
//! Specification: `docs/spec/dacti-cdn.md`, "Fold".

use super::block::Block;
use super::steps::Steps;
use super::tables;
use crate::derived::{Change, DERIVED_ALIGN, Listed, NewIndex, emit_pieces, pieces};
use crate::wanted::Wanted;
use crate::{Digest, Error, Misuse, PieceContent, Snapshot, UpdatePolicy};
use alloc::vec::Vec;
use dacti_lookup::LOOKUP_ID;

/// Appends regions and the new index, writes the second table, and switches to it.
pub(crate) fn steps<'p>(
    snapshot: &Snapshot,
    wanted: &Wanted<'_>,
    mut block: Block,
    policy: &'p UpdatePolicy,
) -> Result<Steps<'p>, Error> {
    let entries = snapshot.entries().ok_or(Misuse::IndexNeeded)?;
    block.align(DERIVED_ALIGN)?;
    if snapshot.is_in_parts {
        // The new groups become a part of their own. The zeros for seals must be in the part that
        // holds the regions, so they are added before the groups.
        block.push_room()?;
    }
    let changes = changes(wanted, &block, false)?;
    let new = NewIndex::fold(snapshot, entries, changes, block.end)?;
    let mut steps = derived_steps(snapshot, wanted, block, &new, policy)?;
    steps.dying = snapshot.dying_in_fold(wanted);
    Ok(steps)
}

/// Appends a new index, writes its fences and the second table, and switches to it.
pub(super) fn derived_steps<'p>(
    snapshot: &Snapshot,
    wanted: &Wanted<'_>,
    mut block: Block,
    new: &NewIndex<'_>,
    policy: &'p UpdatePolicy,
) -> Result<Steps<'p>, Error> {
    let mut digests = Vec::new();
    emit_pieces(new, |_, bytes| {
        digests.push(Digest::of(bytes));
        Ok::<(), Error>(())
    })?;
    let mut last = Vec::new();
    for ((span, region), digest) in pieces(new).into_iter().zip(digests) {
        last.push((span.len(), PieceContent::Derived { region, digest }));
    }
    if !new.ends_block() {
        for (len, content) in last.drain(..) {
            block.push(len, content)?;
        }
    }
    tables::steps_of_index(snapshot, wanted, block, new, last, policy)
}

/// Returns the changes that the edits make to the index. For a fold, removed regions are left out.
/// For a run of changes, their removals are listed.
pub(super) fn changes(
    wanted: &Wanted<'_>,
    block: &Block,
    keeps_removals: bool,
) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    for ((edit, put), span) in wanted.puts.iter().zip(&block.puts) {
        let too_long = Misuse::TooLong { edit: *edit, len: put.size };
        let size = u32::try_from(put.size).map_err(|_| too_long)?;
        let listed = Listed { id: put.id, start: span.start, size, encoding: put.encoding };
        changes.push(Change { id: put.id, put: Some(listed) });
    }
    for ((_, remove), seal) in wanted.removes.iter().zip(&block.removes) {
        changes.push(if keeps_removals {
            Change::removal(remove.id, seal.start, seal.len())
        } else {
            Change { id: remove.id, put: None }
        });
    }
    Ok(changes)
}

impl Snapshot {
    /// Returns the number of bytes of the old index, of its fences, and of replaced and removed
    /// regions.
    pub(crate) fn dying_in_fold(&self, wanted: &Wanted<'_>) -> u64 {
        let fences = self.components.iter().find(|found| found.id == LOOKUP_ID);
        let fences = fences.and_then(|fences| fences.span_within(self.len).ok());
        let fences = fences.map_or(0, |fences| fences.len());
        wanted.replaced_len().saturating_add(self.index.len()).saturating_add(fences)
    }
}

#[cfg(test)]
mod tests {
    use crate::world::{fresh, id, put, remove};
    use crate::{
        Action, Cost, DerivedRegion, Digest, Field, Misuse, PieceContent, Reason, Rejected,
        Strategy, UpdatePolicy, check, plan,
    };
    use dacti_lookup::{LOOKUP_ID, Lookup, SearchOutcome};
    use daicon_core::Span;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn one_region_out_of_a_fresh_package_of_five() {
        // spec: R-CDN-25, R-CDN-27
        let mut world = fresh(5);
        // Without delta groups, only a fold can remove a region.
        world.layout.delta_groups = 0;
        world.bytes[1000..1080].copy_from_slice(&world.layout.emit().unwrap());
        let removal = [remove(3)];
        let policy = UpdatePolicy::default();
        let needed = plan(&world.snapshot().unwrap(), &removal, &policy);
        assert_eq!(needed, Err(Misuse::IndexNeeded.into()));
        let snapshot = world.scanned();
        let plan = plan(&snapshot, &removal, &policy).unwrap();
        assert_eq!(plan.strategy, Strategy::Fold);
        let expected = [
            (Strategy::Delta, Reason::NoDeltaGroups),
            (Strategy::FirstTable, Reason::RemovesNoRegion),
            (Strategy::SecondTable, Reason::RemovesNoRegion),
        ];
        let expected = expected.map(|(strategy, reason)| Rejected { strategy, reason });
        assert_eq!(plan.rejected, expected);
        assert_eq!(check(&plan, &snapshot), Ok(()));
        let [_, append, _, table, _, switch] = &plan.steps[..] else { panic!("{:?}", plan.steps) };
        // An index of one group has no fences. Its header and four entries are written by hand
        // here.
        let mut index = b"\0\0\0\0\x01\0\0\0\0\0\x01\0\0\0\0\0none\x04\0\0\0".to_vec();
        for (n, offset) in [(0, 0), (1, 42), (2, 84), (4, 168)] {
            index.extend([n, 0, 0, 1, 0, 0, 0, 0x40, 0x80, 0, 0, 0, 0, 0, 0, 0]);
            index.extend([offset, 0, 0, 0, 10, 0, 0, 0]);
        }
        index.resize(6144, 0);
        let Action::Append(block) = &append.action else { panic!("{append:?}") };
        let [index_piece, zeros] = &block.pieces[..] else { panic!("{:?}", block.pieces) };
        let span = Span { start: 131_072, end: 137_216 };
        let digest = Digest::of(&index);
        assert_eq!(index_piece.span, span);
        assert_eq!(
            index_piece.content,
            PieceContent::Derived { region: DerivedRegion::Index, digest }
        );
        assert_eq!((zeros.span.end, &zeros.content), (196_608, &PieceContent::Zeros));
        let Action::Reserve(table) = &table.action else { panic!("{table:?}") };
        let mut expected = vec![0; 20];
        expected.extend(b"\x02\0\0\0");
        expected.extend(b"\x17\x47\x5e\x2c\x15\xb7\x9b\x42\x85\xcd\xd3\x20\xd2\x42\x54\x7a");
        expected.extend(b"\0\0\x01\0\0\0\x02\0\0\x18\0\0");
        expected.extend(b"\x3c\x5c\x66\x16\x55\x6a\x8a\x4f\xb0\xaf\x91\x0a\xc2\xf7\xe4\x14");
        expected.extend(b"\0\0\x01\0\0\0\0\0\0\0\0\0");
        expected.resize(248, 0);
        assert_eq!((table.at, &table.after), (752, &expected));
        let Action::Switch(switch) = &switch.action else { panic!("{switch:?}") };
        assert_eq!((switch.field, switch.at), (Field::Extension, 36));
        assert_eq!(
            (&switch.before[..], &switch.after[..]),
            (&[0xf8, 1, 0, 0][..], &[0xf0, 2, 0, 0][..])
        );
        let expected = Cost {
            slices_dirtied: 1,
            slices_fresh: 1,
            bytes_written: 6144 + 248 + 4,
            bytes_padding: 65_536 - 6144,
            bytes_dying: 10 + 32 + 61_368,
        };
        assert_eq!(plan.cost, expected);
        world.apply(&plan, &snapshot);
        assert_eq!(world.read(span), index);
        let left: Vec<_> = world.regions().into_keys().collect();
        assert_eq!(left, [0, 1, 2, 4].map(id));
    }

    #[test]
    fn regions_past_four_gibibytes_form_a_run_of_their_own() {
        // spec: R-CDN-27, R-CDN-28, R-CDN-29
        let mut world = fresh(2600);
        let at: u64 = 6 << 30;
        world.len = at;
        let snapshot = world.scanned();
        let edits = [put(5, 1), put(3000, 1), remove(7)];
        let plan = plan(&snapshot, &edits, &UpdatePolicy::default()).unwrap();
        assert_eq!(check(&plan, &snapshot), Ok(()));
        world.apply(&plan, &snapshot);
        assert_eq!(world.regions().len(), 2600);
        // Two regions with seals take 66 bytes, so the fences start at 72. The index has two runs:
        // one of a single group, and one of ceil(2598 / 255) = 11 groups. The lookup region has 144
        // bytes: 16 + 2 * 16 + 12 * 8.
        let fences = Span { start: at + 72, end: at + 216 };
        let index = Span { start: fences.end, end: fences.end + 8 + 12 * 6136 };
        let after = world.snapshot().unwrap();
        assert_eq!(after.index(), index);
        let found = after.components().iter().find(|found| found.id == LOOKUP_ID).unwrap();
        assert_eq!((found.span(), found.base), (Ok(fences), fences.start));
        let bytes = world.read(fences);
        let lookup = Lookup::parse(&bytes, fences.start).unwrap();
        assert_eq!(lookup.is_of(index, 12), Ok(true));
        let runs: Vec<_> = lookup.runs().map(|run| (run.first_group, run.groups)).collect();
        assert_eq!(runs, [(0, 1), (1, 11)]);
        for n in [0, 5, 7, 100, 2599, 3000] {
            let mut search = lookup.search(id(n));
            while let Some(want) = search.want() {
                search.feed(&world.read(want)).unwrap();
            }
            let located = match search.outcome() {
                Some(SearchOutcome::Found(located)) => {
                    Some((located.span.start, located.span.len()))
                }
                _ => None,
            };
            assert_eq!(located, world.regions().get(&id(n)).copied(), "{n}");
        }
    }

    #[test]
    fn all_regions_can_be_removed_and_others_come() {
        let mut world = fresh(3);
        let all: Vec<_> = (0..3).map(remove).collect();
        for edits in [&all[..], &[put(1, 4)]] {
            let snapshot = world.scanned();
            let plan = plan(&snapshot, edits, &UpdatePolicy::default()).unwrap();
            assert_eq!(check(&plan, &snapshot), Ok(()));
            world.apply(&plan, &snapshot);
        }
        assert_eq!(world.regions().into_keys().collect::<Vec<_>>(), [id(1)]);
    }
}
