//! The strategy that writes a new second table into the unused one of its two places. Extension
//! tables take the components that the second table cannot hold.
//!
//! The data of an unknown component may be a region. So unknown components keep their data and
//! their region base. Specification: `docs/spec/dacti-cdn.md`, "Second table".

use super::block::Block;
use super::components;
use super::steps::Steps;
use crate::Reason;
use crate::derived::{DERIVED_ALIGN, NewIndex};
use crate::snapshot::T1_EXTENSION_AT;
use crate::wanted::Wanted;
use crate::{Error, Field, PieceContent, Snapshot, UpdatePolicy};
use alloc::vec;
use alloc::vec::Vec;
use dacti_index::{INDEX_ID, INDEX_VERSION};
use dacti_lookup::{LOOKUP_ID, LOOKUP_VERSION};
use dacti_names::{Flags, NAMES_ID};
use daicon_core::{ComponentSpec, Region, Span, Table, TableSpec, to_u64};

/// Checks that a new second table, with the same index, can publish all edits.
pub(crate) fn fits(snapshot: &Snapshot, wanted: &Wanted<'_>) -> Result<(), Reason> {
    if !wanted.removes.is_empty() {
        return Err(Reason::RemovesNoRegion);
    }
    if !wanted.puts.is_empty() {
        return Err(Reason::AddsNoRegion);
    }
    if snapshot.index_passes_end() {
        return Err(Reason::IndexPassesEnd);
    }
    fits_second(snapshot, wanted)
}

/// Checks that the second table lies in one of the two places that the layout names. If the plan
/// must change the flags of the names component, also checks that this table has the component.
pub(crate) fn fits_second(snapshot: &Snapshot, wanted: &Wanted<'_>) -> Result<(), Reason> {
    let second = snapshot.second_table().ok_or(Reason::NoSecondTable)?;
    if wanted.explicit_ids && second.components().all(|found| found.id != NAMES_ID) {
        return Err(Reason::NamesElsewhere);
    }
    Ok(())
}

/// The new second table.
struct Second {
    base: u64,
    components: Vec<ComponentSpec>,
    /// The components for which the table has no free slot, or that need a different region base.
    /// Each component is paired with the region base that it needs.
    rest: Vec<(u64, ComponentSpec)>,
    /// The number of extension tables that the block holds.
    tables: usize,
    extension_at: u64,
}

/// Appends the block and the extension tables, writes the second table, and switches to it.
pub(crate) fn steps<'p>(
    snapshot: &Snapshot,
    wanted: &Wanted<'_>,
    mut block: Block,
    policy: &'p UpdatePolicy,
) -> Result<Steps<'p>, Error> {
    let second = Second::of(snapshot, wanted, &block, None)?;
    let second = second.with_rest(&mut block)?;
    second.steps(snapshot, wanted, block, None, policy)
}

/// Does the same as [`steps`] for a new index. The pieces `last` lie at the end of the block, after
/// the extension tables.
pub(crate) fn steps_of_index<'p>(
    snapshot: &Snapshot,
    wanted: &Wanted<'_>,
    mut block: Block,
    new: &NewIndex<'_>,
    last: Vec<(u64, PieceContent)>,
    policy: &'p UpdatePolicy,
) -> Result<Steps<'p>, Error> {
    let second = Second::of(snapshot, wanted, &block, Some(new))?;
    let second = second.with_rest(&mut block)?;
    if new.ends_block() {
        block.align(DERIVED_ALIGN)?;
    }
    for (len, content) in last {
        block.push(len, content)?;
    }
    if new.ends_block() && block.end != new.written.end {
        // The extension tables lie before the index. They have moved the index too far from the
        // region base, so another base was chosen. With this base, the number of extension tables
        // differs from the number that was computed before. A block of a different length does not
        // have this problem.
        return Err(Error::NoStrategy { reason: Reason::IndexOutOfReach });
    }
    second.steps(snapshot, wanted, block, new.in_head()?, policy)
}

/// Returns the length of the extension tables of a plan with a new index, padding included.
pub(crate) fn rest_len(
    snapshot: &Snapshot,
    wanted: &Wanted<'_>,
    block: &Block,
    new: &NewIndex<'_>,
) -> Result<u64, Error> {
    let mut tables = Block::starting_at(block.end);
    Second::of(snapshot, wanted, block, Some(new))?.with_rest(&mut tables)?;
    tables.align(DERIVED_ALIGN)?;
    Ok(tables.end.saturating_sub(block.end))
}

impl Second {
    fn of(
        snapshot: &Snapshot,
        wanted: &Wanted<'_>,
        block: &Block,
        new: Option<&NewIndex<'_>>,
    ) -> Result<Self, Error> {
        let slots = usize::try_from(snapshot.layout.t2_slots).unwrap_or(usize::MAX);
        let old =
            snapshot.second_table().ok_or(Error::NoStrategy { reason: Reason::NoSecondTable })?;
        let old_base = old.region_base();
        let base = new.map_or(old_base, |new| new.base(old_base));
        let mut second = Self {
            base,
            components: Vec::new(),
            rest: Vec::new(),
            tables: 0,
            // This is the position of the third table, or 0 if there is none. The old extension
            // offset is not copied, because it may lead back to an earlier table.
            extension_at: snapshot.tables.get(2).map_or(0, |third| third.span.start),
        };
        if let Some(new) = new {
            let region = |span| Region::of(span, base).map_err(|_| Error::PastLastPosition);
            let index = region(new.index)?;
            second.components = vec![ComponentSpec::with_region(INDEX_ID, INDEX_VERSION, index)];
            if !new.fences.is_empty() && !snapshot.names_elsewhere(new.fences) {
                let (here, own) = (Region::of(new.fences, base), Region::of(new.fences, 0));
                let fences = here.or(own).map_err(|_| Error::PastLastPosition)?;
                let spec = ComponentSpec::with_region(LOOKUP_ID, LOOKUP_VERSION, fences);
                second.take(spec, here.is_ok(), 0, slots);
            }
        }
        for found in old.components() {
            let counts = snapshot.components.iter().any(|counting| counting.at == found.at);
            let replaced = new.is_some() && [INDEX_ID, LOOKUP_ID].contains(&found.id);
            if !counts || replaced {
                continue;
            }
            let mut spec = ComponentSpec::with_data(found.id, found.version, found.data);
            if found.id == NAMES_ID && wanted.explicit_ids {
                spec.data = Flags { explicit_ids: true }.to_data();
            }
            // The data of an unknown component may be a region, which needs the old region base.
            // The data of the names component is known not to be a region.
            let here = base == old_base || found.id == NAMES_ID;
            second.take(spec, here, old_base, slots);
        }
        for ((_, new), span) in wanted.components.iter().zip(&block.components) {
            let here = components::spec(new, *span, base);
            let own = span.start;
            let spec = here.or_else(|| components::spec(new, *span, own));
            let spec = spec.ok_or(Error::PastLastPosition)?;
            let base = if here.is_some() { base } else { own };
            second.take(spec, here.is_some(), base, slots);
        }
        Ok(second)
    }

    /// Adds a component to the table if `here` is true and a slot is free. Otherwise adds it to
    /// `rest`, with this region base.
    fn take(&mut self, spec: ComponentSpec, here: bool, base: u64, slots: usize) {
        if here && self.components.len() < slots {
            self.components.push(spec);
        } else {
            self.rest.push((base, spec));
        }
    }

    /// Appends one table for each region base in `rest`. The extension offset of each table leads
    /// to the table that was added before it.
    fn with_rest(mut self, block: &mut Block) -> Result<Self, Error> {
        let mut rest = core::mem::take(&mut self.rest);
        rest.sort_by_key(|(base, _)| *base);
        for same in rest.chunk_by(|a, b| a.0 == b.0) {
            let Some((base, _)) = same.first() else { continue };
            let components: Vec<_> = same.iter().map(|(_, spec)| *spec).collect();
            block.align(DERIVED_ALIGN)?;
            let (at, extension_at) = (block.end, self.extension_at);
            let (region_base, components) = (*base, &components[..]);
            let spec = TableSpec { at, region_base, extension_at, slots: 0, components };
            let mut table = vec![0; usize::try_from(spec.emitted_len()?).unwrap_or_default()];
            spec.emit(&mut table)?;
            let len = to_u64(table.len());
            self.extension_at = block.push(len, PieceContent::Inline(table))?.start;
            self.tables = self.tables.saturating_add(1);
        }
        Ok(self)
    }

    /// Returns the steps that append the block, write the fences into the head, write the second
    /// table, and switch to it.
    fn steps<'p>(
        self,
        snapshot: &Snapshot,
        wanted: &Wanted<'_>,
        block: Block,
        fences: Option<(Span, Vec<u8>)>,
        policy: &'p UpdatePolicy,
    ) -> Result<Steps<'p>, Error> {
        let components = wanted.components.len().saturating_add(1);
        components::check_limits(snapshot, self.tables, components)?;
        let place = snapshot.place.unwrap_or_default();
        let [a, b] = snapshot.t2_spans();
        let to = if place == 0 { b } else { a };
        let spec = TableSpec {
            at: to.start,
            region_base: self.base,
            extension_at: self.extension_at,
            slots: snapshot.layout.t2_slots,
            components: &self.components,
        };
        let mut table = vec![0; usize::try_from(to.len()).unwrap_or_default()];
        spec.emit(&mut table)?;
        let mut steps = Steps::new(snapshot, policy);
        if let Some(append) = block.into_append()? {
            steps.append(append);
        }
        if let Some((span, bytes)) = fences {
            steps.reserve(span.start, &bytes)?;
        }
        steps.reserve(to.start, &table)?;
        // The layout stores places in 32 bits, so the high half of the extension offset stays zero.
        let at = u32::try_from(to.start).unwrap_or(u32::MAX);
        steps.switch(Field::Extension, T1_EXTENSION_AT, &at.to_le_bytes())?;
        Ok(steps)
    }
}

impl NewIndex<'_> {
    /// Returns the old region base, if the new index and the fences in the block lie within 4 GiB
    /// after it. Otherwise returns the start of these fences, or the start of the index if no
    /// fences lie in the block.
    fn base(&self, old: u64) -> u64 {
        let is_first = !self.fences_in_head && !self.fences.is_empty();
        let first = if is_first { self.fences } else { self.index };
        let is_named = [first, self.index].iter().all(|span| Region::of(*span, old).is_ok());
        if is_named { old } else { first.start }
    }
}

impl Snapshot {
    /// Returns whether a table other than T2 names these fences. Such a table stays in the chain.
    /// In a package of 4 GiB or more, it can be an extension table after T2.
    fn names_elsewhere(&self, fences: Span) -> bool {
        let second = self.tables.get(1).map(|table| table.span).unwrap_or_default();
        let found = self.components.iter().find(|found| found.id == LOOKUP_ID);
        found.is_some_and(|found| {
            let entry = Span { start: found.at, end: found.at };
            found.span() == Ok(fences) && !second.contains(&entry)
        })
    }

    /// Returns the second table of the chain, if it is in one of the layout's places.
    pub(crate) fn second_table(&self) -> Option<Table<'_>> {
        self.place?;
        let table = self.tables.get(1)?;
        Table::parse(&table.bytes, table.span.start).ok()
    }
}

#[cfg(test)]
mod tests {
    use crate::world::{World, fresh, put, remove};
    use crate::{
        ComponentContent, Digest, Edit, Error, Misuse, NewComponent, Reason, Strategy,
        UpdatePolicy, check, plan,
    };
    use dacti_index::INDEX_ID;
    use daicon_core::{Component, ComponentSpec, Region, Version};
    use std::vec;
    use std::vec::Vec;
    use uuid::Uuid;

    fn new(n: u128, content: ComponentContent) -> Edit {
        let id = Uuid::from_u128(n);
        Edit::Component(NewComponent { id, version: Version::new(1, 0), content })
    }

    fn region(n: u128, size: u64) -> Edit {
        let digest = Digest::of(&vec![0; size as usize]);
        new(n, ComponentContent::Region { size, digest })
    }

    fn update(world: &mut World, edits: &[Edit]) -> Result<Strategy, Error> {
        let snapshot = world.scanned();
        let plan = plan(&snapshot, edits, &UpdatePolicy::default())?;
        assert_eq!(check(&plan, &snapshot), Ok(()));
        world.apply(&plan, &snapshot);
        Ok(plan.strategy)
    }

    fn component(world: &World, n: u128) -> Option<Component> {
        let snapshot = world.snapshot().unwrap();
        snapshot.components.iter().find(|found| found.id == Uuid::from_u128(n)).copied()
    }

    #[test]
    fn components_fill_the_first_table_and_then_extensions() {
        // spec: R-CDN-20, R-CDN-24, R-CDN-25
        let mut world = fresh(5);
        let regions = world.regions();
        for n in 0..14 {
            assert_eq!(update(&mut world, &[region(n, 10)]), Ok(Strategy::FirstTable));
        }
        assert_eq!(component(&world, 13).unwrap().at, 28 + 24 + 15 * 28);
        // The second table has six free slots. After these are used, each new component gets its
        // own table.
        for n in 14..24 {
            assert_eq!(update(&mut world, &[region(n, 10)]), Ok(Strategy::SecondTable));
        }
        let snapshot = world.snapshot().unwrap();
        assert_eq!(snapshot.tables.len(), 2 + 4);
        assert_eq!(snapshot.components.len(), 2 + 2 + 24);
        assert_eq!(world.regions(), regions);
        // A fold keeps all components.
        let edits = [remove(3), region(30, 10), new(31, ComponentContent::Data([7; 8]))];
        assert_eq!(update(&mut world, &edits), Ok(Strategy::Fold));
        for n in 0..24 {
            let span = component(&world, n).unwrap().span().unwrap();
            assert_eq!((span.start % 65_536, span.len()), (0, 10), "{n}");
        }
        assert_eq!(component(&world, 31).unwrap().data, [7; 8]);
        assert_eq!(world.regions().len(), 4);
    }

    #[test]
    fn what_others_put_into_the_second_table_keeps_its_base() {
        // spec: R-CDN-26
        let mut world = fresh(5);
        let index = Region::new(4168, 8 + 61_360);
        let index = ComponentSpec::with_region(INDEX_ID, Version::new(0, 1), index);
        let foreign = |n: u8| {
            ComponentSpec::with_data(Uuid::from_u128(u128::from(n)), Version::new(1, 0), [n; 8])
        };
        world.write_tables(&[], &[index, foreign(1), foreign(2)]);
        // The new index lies past 4 GiB, too far from the region base 0.
        world.len = 5 << 32;
        assert_eq!(update(&mut world, &[remove(0), put(9, 10)]), Ok(Strategy::Fold));
        let first = component(&world, 1).unwrap();
        assert_eq!((first.base, first.data), (0, [1; 8]));
        let snapshot = world.snapshot().unwrap();
        let index = snapshot.components.iter().find(|found| found.id == INDEX_ID).unwrap();
        // The region of 10 bytes and its seal lie before the index, which is aligned to 8 bytes.
        assert_eq!(index.base, (5 << 32) + 48);
        assert!(first.at > 5 << 32, "in a table of its own");
        // The unknown component stays in this table after another fold.
        let edits = [remove(1), region(3, 10)];
        assert_eq!(update(&mut world, &edits), Ok(Strategy::Fold));
        assert_eq!(component(&world, 1), Some(first));
        assert_eq!(world.regions().len(), 4);
    }

    #[test]
    fn explicit_ids_are_said_once() {
        let mut world = fresh(5);
        assert_eq!(update(&mut world, &[Edit::ExplicitIds]), Ok(Strategy::SecondTable));
        assert!(world.snapshot().unwrap().explicit_ids());
        let again = update(&mut world, &[Edit::ExplicitIds]);
        assert_eq!(again, Err(Misuse::NoEdits.into()));
        assert_eq!(update(&mut world, &[put(1, 2), Edit::ExplicitIds]), Ok(Strategy::Delta));
    }

    #[test]
    fn edits_that_cannot_be_are_refused_before_anything_is_planned() {
        // spec: R-CDN-06, R-CDN-07
        let mut world = fresh(5);
        let mut fails = |edits: &[Edit], expected: Misuse| {
            assert_eq!(update(&mut world, edits), Err(expected.into()));
        };
        fails(&[], Misuse::NoEdits);
        fails(&[put(1, 5), put(1, 6)], Misuse::DuplicateEdit { first: 0, second: 1 });
        let twice = [put(1, 5), put(2, 5), remove(1)];
        fails(&twice, Misuse::DuplicateEdit { first: 0, second: 2 });
        fails(&[region(7, 1), region(7, 2)], Misuse::DuplicateEdit { first: 0, second: 1 });
        fails(&[put(1, 5), remove(5)], Misuse::NotThere { edit: 1 });
        let Edit::Put(sound) = put(1, 5) else { unreachable!() };
        let long = Edit::Put(crate::Put { size: 1 << 32, ..sound });
        fails(&[long], Misuse::TooLong { edit: 0, len: 1 << 32 });
        let signed = Edit::Put(crate::Put { seal_len: 96, ..sound });
        fails(&[signed], Misuse::SealLen { edit: 0, expected: 32, found: 96 });
        for tag in [*b"\0\0\0\0", *b"\xff\xff\xff\xff", *b"a\0b\0"] {
            let encoding = dacti_index::Encoding::from_tag(tag);
            let odd = Edit::Put(crate::Put { encoding, ..sound });
            fails(&[odd], Misuse::Encoding { edit: 0 });
        }
        let own = crate::LAYOUT_ID.as_u128();
        fails(&[region(own, 1)], Misuse::ComponentReserved { edit: 0 });
        let huge = new(7, ComponentContent::Region { size: 1 << 32, digest: Digest::default() });
        fails(&[huge], Misuse::TooLong { edit: 0, len: 1 << 32 });
        update(&mut world, &[region(7, 1)]).unwrap();
        let exists = update(&mut world, &[region(7, 1)]);
        let at = 28 + 24 + 2 * 28;
        assert_eq!(exists, Err(Misuse::ComponentExists { edit: 0, at }.into()));
    }

    #[test]
    fn without_a_second_table_in_its_place_there_is_no_fold() {
        let mut world = fresh(5);
        // The second table is in neither of the places that the layout names.
        world.layout.t2_places = [1200, 1448];
        world.bytes[1000..1080].copy_from_slice(&world.layout.emit().unwrap());
        let snapshot = world.scanned();
        let policy = UpdatePolicy::default();
        let refused = plan(&snapshot, &[remove(1), put(9, 1)], &policy);
        let reason = Reason::NoSecondTable;
        assert_eq!(refused, Err(Error::NoStrategy { reason }));
        assert_eq!(plan(&snapshot, &[put(1, 1)], &policy).unwrap().strategy, Strategy::Delta);
    }

    #[test]
    fn each_other_strategy_says_why_not() {
        // spec: R-CDN-20
        use Reason::{AddsNoRegion, ChangesNoTable, Dearer, MixedEncodings, TooManyEntries};
        let snapshot = fresh(5).scanned();
        let reasons = |edits: &[Edit]| -> Vec<Reason> {
            let plan = plan(&snapshot, edits, &UpdatePolicy::default()).unwrap();
            plan.rejected.iter().map(|rejected| rejected.reason).collect()
        };
        assert_eq!(reasons(&[put(1, 1)]), [AddsNoRegion, AddsNoRegion, Dearer]);
        assert_eq!(reasons(&[region(1, 1)]), [ChangesNoTable, Dearer, Dearer]);
        let many: Vec<_> = (0..256).map(|n| put(n, 1)).collect();
        let entries = 256;
        assert_eq!(reasons(&many), [TooManyEntries { entries }, AddsNoRegion, AddsNoRegion]);
        let Edit::Put(brotli) = put(2, 1) else { unreachable!() };
        let encoding = dacti_index::Encoding::BROTLI;
        let brotli = Edit::Put(crate::Put { encoding, ..brotli });
        assert_eq!(reasons(&[put(1, 1), brotli]), [MixedEncodings, AddsNoRegion, AddsNoRegion]);
    }
}
