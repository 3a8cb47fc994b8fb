//! The usual strategy: new entries in one delta group.
//!
//! Updates use the delta groups from the last to the first, so newer entries lie before older
//! entries. A group lists either regions of one encoding, or removals. Specification:
//! `docs/spec/dacti-cdn.md`, "Delta".

use super::block::Block;
use super::steps::Steps;
use crate::Reason;
use crate::wanted::Wanted;
use crate::{DeltaGroup, Error, Field, Snapshot, UpdatePolicy};
use alloc::vec::Vec;
use dacti_index::{Encoding, Entry, GROUP_ENTRIES, GroupHeader, INDEX_ENTRY_LEN};
use daicon_core::{Span, bytes_of, to_u64};
use uuid::Uuid;

/// The delta group for an update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    group: DeltaGroup,
    base: u64,
    encoding: Encoding,
}

/// Returns the delta group for an update. This is the newest group in use that has the encoding of
/// the update, has room for the whole update, and has its base less than 4 GiB before the update's
/// bytes. No newer group may list an id of the update. If there is no such group, the update gets
/// the next unused group.
pub(crate) fn slot(
    snapshot: &Snapshot,
    wanted: &Wanted<'_>,
    block: &Block,
) -> Result<Slot, Reason> {
    let listing = Listing::of(wanted, block)?;
    let Some(last) = snapshot.delta_groups.last() else { return Err(Reason::NoDeltaGroups) };
    let entries = to_u64(listing.ids.len());
    if listing.ids.len() > GROUP_ENTRIES {
        return Err(Reason::TooManyEntries { entries });
    }
    let encoding = listing.encoding;
    if !listing.reaches(block.at) {
        return Err(Reason::OutOfReach);
    }
    let fresh = |group: DeltaGroup| Slot { group, base: block.at, encoding };
    let Some(newest) = snapshot.current_delta() else { return Ok(fresh(*last)) };
    let from = usize::try_from(newest.number).unwrap_or(usize::MAX);
    let mut against = None;
    for used in snapshot.delta_groups.iter().skip(from).filter(|group| group.length > 0) {
        let reason = if used.encoding != encoding {
            Reason::OtherEncoding
        } else if entries > u64::from(used.free()) {
            Reason::DeltasFull { entries, free: used.free() }
        } else if !listing.reaches(used.base) {
            Reason::OutOfReach
        } else {
            return Ok(Slot { group: *used, base: used.base, encoding });
        };
        against.get_or_insert(reason);
        // An older group is not possible: this group's entry of the same id would hide the new
        // entry.
        if snapshot.lists_any(used, &listing.ids) {
            break;
        }
    }
    let unused = from.checked_sub(1).and_then(|unused| snapshot.delta_groups.get(unused));
    unused.map(|unused| fresh(*unused)).ok_or(against.unwrap_or(Reason::NoDeltaGroups))
}

/// The entries that a delta group would list for an update.
struct Listing<'b> {
    /// The ids, ascending.
    ids: Vec<Uuid>,
    encoding: Encoding,
    /// The spans that must start less than 4 GiB after the group base.
    places: &'b [Span],
}

impl<'b> Listing<'b> {
    fn of(wanted: &Wanted<'_>, block: &'b Block) -> Result<Self, Reason> {
        if !wanted.puts.is_empty() && !wanted.removes.is_empty() {
            return Err(Reason::PutsAndRemoves);
        }
        if wanted.changes_tables() {
            return Err(Reason::ChangesNoTable);
        }
        let (mut ids, encoding, places): (Vec<_>, _, _) =
            if let Some((_, first)) = wanted.puts.first() {
                let ids = wanted.puts.iter().map(|(_, put)| put.id);
                (ids.collect(), first.encoding, &block.puts)
            } else {
                let ids = wanted.removes.iter().map(|(_, remove)| remove.id);
                (ids.collect(), Encoding::GONE, &block.removes)
            };
        if wanted.puts.iter().any(|(_, put)| put.encoding != encoding) {
            return Err(Reason::MixedEncodings);
        }
        if ids.is_empty() {
            return Err(Reason::AddsNoRegion);
        }
        ids.sort_unstable();
        // A removal without a seal has no bytes, so its distance from the group base does not
        // matter.
        let has_places = encoding != Encoding::GONE || places.iter().any(|seal| !seal.is_empty());
        Ok(Self { ids, encoding, places: if has_places { places } else { &[] } })
    }

    fn reaches(&self, base: u64) -> bool {
        self.places.iter().all(|place| offset(place, base).is_some())
    }
}

impl Snapshot {
    /// Returns whether a delta group lists one of `ids`, which ascend.
    pub(crate) fn lists_any(&self, group: &DeltaGroup, ids: &[Uuid]) -> bool {
        // If the group cannot be read, assume that it lists all ids.
        self.delta_group(group).map_or(true, |group| {
            group.entries().iter().any(|entry| ids.binary_search(&entry.id.get()).is_ok())
        })
    }
}

/// Appends the stored bytes of regions or the seals of removals, writes the entries, and switches
/// to the new length of the group. If the group was empty, also writes its base and its encoding
/// before the switch.
pub(crate) fn steps<'p>(
    snapshot: &Snapshot,
    wanted: &Wanted<'_>,
    block: Block,
    slot: &Slot,
    policy: &'p UpdatePolicy,
) -> Result<Steps<'p>, Error> {
    let Slot { group, base, encoding } = slot;
    let mut entries: Vec<Entry> = Vec::new();
    for ((_, put), span) in wanted.puts.iter().zip(&block.puts) {
        // This cannot fail, because the base of the chosen group is near enough to these regions,
        // and because the sizes were checked.
        let fits = offset(span, *base).zip(u32::try_from(put.size).ok());
        let (offset, size) = fits.ok_or(Error::PastLastPosition)?;
        entries.push(Entry::new(put.id, offset, size));
    }
    for ((_, remove), seal) in wanted.removes.iter().zip(&block.removes) {
        let offset = if seal.is_empty() { Some(0) } else { offset(seal, *base) };
        entries.push(Entry::new(remove.id, offset.ok_or(Error::PastLastPosition)?, 0));
    }
    let added = u8::try_from(entries.len()).unwrap_or(u8::MAX);
    let entries: Vec<u8> = entries.iter().flat_map(bytes_of).copied().collect();
    let mut steps = Steps::new(snapshot, policy);
    steps.dying = wanted.replaced_len();
    if let Some(append) = block.into_append()? {
        steps.append(append);
    }
    let used = INDEX_ENTRY_LEN.saturating_mul(u64::from(group.length));
    steps.reserve(group.entries_at().saturating_add(used), &entries)?;
    if group.length == 0 {
        let header = GroupHeader::new(*base, *encoding, 0);
        let header = bytes_of(&header);
        steps.reserve(group.at, header.get(..12).unwrap_or(header))?;
    }
    let field = Field::DeltaLength { group: group.number };
    steps.switch(field, group.length_at(), &[group.length.saturating_add(added)])?;
    Ok(steps)
}

/// Returns the offset of stored bytes from the group base; `None` if the offset is negative or does
/// not fit into 32 bits.
fn offset(place: &Span, base: u64) -> Option<u32> {
    u32::try_from(place.start.checked_sub(base)?).ok()
}

#[cfg(test)]
mod tests {
    use crate::world::{World, fresh, id, put, remove};
    use crate::{Action, Cost, Digest, Field, Strategy, UpdatePolicy, plan};
    use crate::{Edit, Error, Misuse, check};
    use daicon_core::Span;
    use std::vec::Vec;

    #[test]
    fn one_region_into_a_fresh_package_of_five() {
        // spec: R-CDN-21, R-CDN-23
        // The package has one filled group and so nine delta groups. Group 8 starts at 53,264,
        // which is 4168 + 8 + 8 * 6136.
        let world = fresh(5);
        assert_eq!(world.len, 131_072);
        let snapshot = world.snapshot().unwrap();
        let plan = plan(&snapshot, &[put(9, 6)], &UpdatePolicy::default()).unwrap();
        assert_eq!(plan.strategy, Strategy::Delta);
        let mut head = world.bytes[..65_536].to_vec();
        let digests: Vec<Digest> = plan.steps.iter().map(|step| step.after.head).collect();
        let [barrier, append, landed, entries, header, reserved, switch] = &plan.steps[..] else {
            panic!("{:?}", plan.steps)
        };
        let Action::Barrier(probed) = &barrier.action else { panic!("{barrier:?}") };
        assert_eq!(probed.probes[0].span, Span { start: 0, end: 65_536 });
        assert_eq!(probed.probes[0].digest, Digest::of(&head));
        let Action::Append(block) = &append.action else { panic!("{append:?}") };
        let spans: Vec<_> = block.pieces.iter().map(|piece| piece.span).collect();
        let region = Span { start: 131_072, end: 131_110 };
        assert_eq!(spans, [region, Span { start: 131_110, end: 196_608 }]);
        assert_eq!(append.after.len, 196_608);
        let Action::Barrier(probed) = &landed.action else { panic!("{landed:?}") };
        assert_eq!((probed.probes[0].span, probed.probes.len()), (region, 1));
        let Action::Reserve(written) = &entries.action else { panic!("{entries:?}") };
        let entry = b"\x09\0\0\x01\0\0\0\x40\x80\0\0\0\0\0\0\0\0\0\0\0\x06\0\0\0";
        // The id is 01000009-0000-4000-8000-000000000000. In an entry, the bytes of each of its
        // first three fields are reversed.
        assert_eq!(id(9).as_u128() >> 64, 0x0100_0009_0000_4000);
        assert_eq!((written.at, &written.before[..]), (53_280, &[0; 24][..]));
        assert_eq!(written.after, entry);
        let Action::Reserve(written) = &header.action else { panic!("{header:?}") };
        assert_eq!((written.at, &written.before[..]), (53_264, &[0; 12][..]));
        assert_eq!(written.after, b"\0\0\x02\0\0\0\0\0none");
        let Action::Barrier(probed) = &reserved.action else { panic!("{reserved:?}") };
        head[53_280..53_304].copy_from_slice(entry);
        head[53_264..53_276].copy_from_slice(b"\0\0\x02\0\0\0\0\0none");
        assert_eq!(probed.probes[0].digest, Digest::of(&head));
        let Action::Switch(switched) = &switch.action else { panic!("{switch:?}") };
        assert_eq!(switched.field, Field::DeltaLength { group: 8 });
        assert_eq!(
            (switched.at, &switched.before[..], &switched.after[..]),
            (53_276, &[0][..], &[1][..])
        );
        head[53_276] = 1;
        assert_eq!(digests[6], Digest::of(&head));
        let bytes_padding = 65_536 - 38;
        let expected = Cost {
            slices_dirtied: 1,
            slices_fresh: 1,
            bytes_written: 38 + 24 + 12 + 1,
            bytes_padding,
            bytes_dying: 0,
        };
        assert_eq!(plan.cost, expected);
    }

    /// Checks that an update switches the length of delta group `group`. Also checks that the
    /// update writes the group base `base`, or none.
    #[track_caller]
    fn switched(world: &World, edits: &[Edit], group: u32, base: Option<u64>) {
        let snapshot = world.snapshot().unwrap();
        let plan = plan(&snapshot, edits, &UpdatePolicy::default()).unwrap();
        assert_eq!(check(&plan, &snapshot), Ok(()));
        assert_eq!(plan.switch().unwrap().1.field, Field::DeltaLength { group });
        let header = plan.steps.iter().find_map(|step| match &step.action {
            Action::Reserve(reserve) if reserve.after.len() == 12 => Some(&reserve.after),
            _ => None,
        });
        let found = header.map(|header| u64::from_le_bytes(*header.first_chunk().unwrap()));
        assert_eq!(found, base);
    }

    /// Returns a package whose delta group 8 is in use, with this length, base and encoding.
    fn used(length: u8, base: u64, tag: [u8; 4]) -> World {
        let mut world = fresh(5);
        world.bytes[53_264..53_272].copy_from_slice(&base.to_le_bytes());
        world.bytes[53_272..53_276].copy_from_slice(&tag);
        world.bytes[53_276] = length;
        world
    }

    #[test]
    fn an_update_goes_behind_the_group_in_use_or_one_further_down() {
        // spec: R-CDN-21, R-CDN-22, R-CDN-23
        let at = 131_072;
        let some: Vec<_> = (0..5).map(|n| put(n, 1)).collect();
        switched(&fresh(5), &some, 8, Some(at));
        switched(&used(250, 65_536, *b"none"), &some, 8, None);
        // The update does not fit into group 8: the group has room for only four entries, or lists
        // regions of another encoding.
        switched(&used(251, 65_536, *b"none"), &some, 7, Some(at));
        switched(&used(9, 65_536, *b"brot"), &some, 7, Some(at));
        // A block at 4 GiB is near enough to the group base 65,536. A block that starts one slice
        // later is too far from this base.
        let mut world = used(9, 65_536, *b"none");
        world.len = 1 << 32;
        switched(&world, &some, 8, None);
        world.len = (1 << 32) + 65_536;
        switched(&world, &some, 7, Some(world.len));
        // A crash has left bytes after the published end. The update begins at the next slice.
        world.len = 131_073;
        let snapshot = world.snapshot().unwrap();
        let plan = plan(&snapshot, &some, &UpdatePolicy::default()).unwrap();
        assert_eq!(plan.append().unwrap().at, 196_608);
        assert_eq!(check(&plan, &snapshot), Ok(()));
    }

    #[test]
    fn the_nearest_group_of_an_encoding_takes_its_updates() {
        // spec: R-CDN-21, R-CDN-22
        let mut world = fresh(5);
        let mut step = |edits: &[Edit], group: u32| {
            let snapshot = world.snapshot().unwrap();
            let plan = plan(&snapshot, edits, &UpdatePolicy::default()).unwrap();
            assert_eq!(check(&plan, &snapshot), Ok(()));
            assert_eq!(plan.switch().unwrap().1.field, Field::DeltaLength { group });
            world.apply(&plan, &snapshot);
            world.regions().into_keys().collect::<Vec<_>>()
        };
        let ids = |ids: &[u32]| ids.iter().map(|n| id(*n)).collect::<Vec<_>>();
        assert_eq!(step(&[put(9, 6)], 8), ids(&[0, 1, 2, 3, 4, 9]));
        assert_eq!(step(&[remove(9)], 7), ids(&[0, 1, 2, 3, 4]));
        // Puts and removals of other ids stay in their groups.
        assert_eq!(step(&[put(8, 6), put(1, 3)], 8), ids(&[0, 1, 2, 3, 4, 8]));
        assert_eq!(step(&[remove(0), remove(1)], 7), ids(&[2, 3, 4, 8]));
        // Group 7 lists region 9 as removed and is newer than group 8, so the put needs group 6.
        assert_eq!(step(&[put(9, 6)], 6), ids(&[2, 3, 4, 8, 9]));
        assert_eq!(step(&[remove(9)], 5), ids(&[2, 3, 4, 8]));
        assert_eq!(step(&[remove(2)], 5), ids(&[3, 4, 8]));
        assert_eq!(step(&[put(7, 1)], 6), ids(&[3, 4, 7, 8]));
    }

    #[test]
    fn a_removal_is_an_entry_without_bytes_and_its_seal() {
        // spec: R-CDN-22, R-CDN-23, R-GONE-03
        let world = fresh(5);
        let mut snapshot = world.snapshot().unwrap();
        snapshot.set_found([(id(3), Some(10))]);
        let planned = plan(&snapshot, &[remove(3)], &UpdatePolicy::default()).unwrap();
        let [_, append, _, entries, header, _, switch] = &planned.steps[..] else {
            panic!("{:?}", planned.steps)
        };
        let Action::Append(block) = &append.action else { panic!("{append:?}") };
        assert_eq!(block.pieces[0].span, Span { start: 131_072, end: 131_104 });
        let Action::Reserve(written) = &entries.action else { panic!("{entries:?}") };
        let entry = b"\x03\0\0\x01\0\0\0\x40\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        assert_eq!((written.at, &written.after[..]), (53_280, &entry[..]));
        let Action::Reserve(written) = &header.action else { panic!("{header:?}") };
        assert_eq!(written.after, b"\0\0\x02\0\0\0\0\0gone");
        let Action::Switch(switched) = &switch.action else { panic!("{switch:?}") };
        assert_eq!((switched.at, &switched.after[..]), (53_276, &[1][..]));
        let (bytes_written, bytes_padding) = (32 + 24 + 12 + 1, 65_536 - 32);
        let expected = Cost {
            slices_dirtied: 1,
            slices_fresh: 1,
            bytes_written,
            bytes_padding,
            bytes_dying: 42,
        };
        assert_eq!(planned.cost, expected);
        snapshot.set_found([(id(3), None)]);
        let missing = plan(&snapshot, &[remove(3)], &UpdatePolicy::default());
        assert_eq!(missing, Err(Misuse::NotThere { edit: 0 }.into()));
    }

    #[test]
    fn a_policy_is_held_against_the_package() {
        // spec: R-CDN-14
        let snapshot = fresh(5).snapshot().unwrap();
        let with = |slice_len, region_align| {
            let slice_len = Some(slice_len);
            let policy = UpdatePolicy { slice_len, region_align, ..UpdatePolicy::default() };
            plan(&snapshot, &[put(1, 5), put(2, 5)], &policy)
        };
        let longer = with(1 << 20, 4096).unwrap();
        assert_eq!(check(&longer, &snapshot), Ok(()));
        let pieces = &longer.append().unwrap().pieces;
        let starts: Vec<_> = pieces.iter().map(|piece| piece.span.start).collect();
        let at = 1 << 20;
        assert_eq!(starts, [at, at + 37, at + 4096, at + 4096 + 37]);
        let fails = |found: Result<_, Error>, expected: Misuse| {
            assert_eq!(found.map(|_| ()), Err(expected.into()));
        };
        fails(with(4096, 1), Misuse::SliceTooShort { expected: 65_536, found: 4096 });
        fails(with(100_000, 1), Misuse::SliceLen(100_000));
        fails(with(65_536, 0), Misuse::RegionAlign(0));
        fails(with(65_536, 131_072), Misuse::RegionAlign(131_072));
        let mut world = fresh(5);
        world.len = u64::MAX;
        let snapshot = world.snapshot().unwrap();
        let past = plan(&snapshot, &[put(1, 5)], &UpdatePolicy::default());
        assert_eq!(past, Err(Error::PastLastPosition));
    }
}
