//! The second table written anew in the place that is not in force, and extension tables for what
//! it cannot hold.
//!
//! Components of others are carried over as they lie, with the region base that they were written
//! for, as nobody knows whether their data is a region. Specification: `docs/spec/dacti-cdn.md`,
//! "Second table".

use super::steps::Steps;
use super::{Block, Reason, Wanted, first_table};
use crate::derived::DERIVED_ALIGN;
use crate::snapshot::T1_EXTENSION_AT;
use crate::{Content, Error, Field, LimitOf, Policy, Snapshot};
use alloc::vec;
use alloc::vec::Vec;
use dacti_index::{INDEX_ID, INDEX_VERSION};
use dacti_lookup::{LOOKUP_ID, LOOKUP_VERSION};
use dacti_names::{Flags, NAMES_ID};
use daicon_core::{COMPONENTS_MAX, ComponentSpec, Region, Span, TABLES_MAX, Table, TableSpec};

/// Whether a second table can take all that is wanted, with the index as it is.
pub(crate) fn fits(snapshot: &Snapshot, wanted: &Wanted<'_>) -> Result<(), Reason> {
    if !wanted.removes.is_empty() {
        return Err(Reason::RemovesNoRegion);
    }
    if !wanted.puts.is_empty() {
        return Err(Reason::AddsNoRegion);
    }
    fits_second(snapshot, wanted)
}

/// Whether there is a second table to write anew, with what is to change in it.
pub(crate) fn fits_second(snapshot: &Snapshot, wanted: &Wanted<'_>) -> Result<(), Reason> {
    let second = snapshot.second_table().ok_or(Reason::NoSecondTable)?;
    if wanted.explicit_ids && second.components().all(|found| found.id != NAMES_ID) {
        return Err(Reason::NamesElsewhere);
    }
    Ok(())
}

/// Where a new index and its keys stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRegions {
    pub(crate) keys: Span,
    pub(crate) index: Span,
}

/// What the second table will be.
struct Second {
    base: u64,
    components: Vec<ComponentSpec>,
    /// What it has no slots for, or cannot name, with the base that it needs.
    rest: Vec<(u64, ComponentSpec)>,
    extension_at: u64,
}

/// Appends the block and the extension tables that are needed, writes the second table, and
/// switches to it.
pub(crate) fn steps<'p>(
    snapshot: &Snapshot,
    wanted: &Wanted<'_>,
    mut block: Block,
    new: Option<NewRegions>,
    slice_len: u64,
    policy: &'p Policy,
) -> Result<Steps<'p>, Error> {
    let slots = usize::try_from(snapshot.layout.t2_slots).unwrap_or(usize::MAX);
    let mut second = Second::of(snapshot, wanted, &block, new, slots)?;
    let tables = second.append_rest(&mut block)?;
    check_limits(snapshot, tables, wanted.components.len().saturating_add(1))?;
    let place = snapshot.place.unwrap_or_default();
    let [a, b] = snapshot.t2_spans();
    let to = if place == 0 { b } else { a };
    let spec = TableSpec {
        region_base: second.base,
        extension_at: second.extension_at,
        slots: snapshot.layout.t2_slots,
        components: &second.components,
    };
    let mut table = vec![0; usize::try_from(to.len()).unwrap_or_default()];
    spec.emit(&mut table)?;
    let mut steps = Steps::new(snapshot, policy);
    if let Some(append) = block.into_append(slice_len)? {
        steps.append(append);
    }
    steps.reserve(to.start, &table)?;
    // Places are named by 32 bits, so the high half of the offset is zero before and after.
    let at = u32::try_from(to.start).unwrap_or(u32::MAX);
    steps.switch(Field::Extension, T1_EXTENSION_AT, &at.to_le_bytes())?;
    Ok(steps)
}

impl Second {
    fn of(
        snapshot: &Snapshot,
        wanted: &Wanted<'_>,
        block: &Block,
        new: Option<NewRegions>,
        slots: usize,
    ) -> Result<Self, Error> {
        let old =
            snapshot.second_table().ok_or(Error::NoStrategy { reason: Reason::NoSecondTable })?;
        let old_base = old.region_base();
        let base = new.map_or(old_base, |new| new.base(old_base));
        let mut second = Self {
            base,
            components: Vec::new(),
            rest: Vec::new(),
            extension_at: old.extension_at().unwrap_or_default(),
        };
        if let Some(new) = new {
            second.components = new.components(base)?;
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
            // Only of the names component it is known that its data is no region.
            let here = base == old_base || found.id == NAMES_ID;
            second.take(spec, here, old_base, slots);
        }
        for ((_, new), span) in wanted.components.iter().zip(&block.components) {
            let here = first_table::spec(new, *span, base);
            let own = span.start;
            let spec = here.or_else(|| first_table::spec(new, *span, own));
            let spec = spec.ok_or(Error::PastLastPosition)?;
            let base = if here.is_some() { base } else { own };
            second.take(spec, here.is_some(), base, slots);
        }
        Ok(second)
    }

    /// Takes a component where it is `here` that it can stand and there is a slot; else leaves it
    /// to an extension table of that base.
    fn take(&mut self, spec: ComponentSpec, here: bool, base: u64, slots: usize) {
        if here && self.components.len() < slots {
            self.components.push(spec);
        } else {
            self.rest.push((base, spec));
        }
    }

    /// Appends tables for the rest, one for each base, each pointing at the one before it. Returns
    /// how many.
    fn append_rest(&mut self, block: &mut Block) -> Result<usize, Error> {
        let mut rest = core::mem::take(&mut self.rest);
        rest.sort_by_key(|(base, _)| *base);
        let mut tables = 0;
        for same in rest.chunk_by(|a, b| a.0 == b.0) {
            let Some((base, _)) = same.first() else { continue };
            let components: Vec<_> = same.iter().map(|(_, spec)| *spec).collect();
            let extension_at = self.extension_at;
            let spec =
                TableSpec { region_base: *base, extension_at, slots: 0, components: &components };
            let mut table = vec![0; usize::try_from(spec.emitted_len()?).unwrap_or_default()];
            spec.emit(&mut table)?;
            block.align(DERIVED_ALIGN)?;
            let len = u64::try_from(table.len()).unwrap_or(u64::MAX);
            self.extension_at = block.push(len, Content::Inline(table))?.start;
            tables = usize::saturating_add(tables, 1);
        }
        Ok(tables)
    }
}

impl NewRegions {
    /// The region base before, where the new regions can be named from there.
    fn base(&self, old: u64) -> u64 {
        let named = [self.keys, self.index].iter().all(|span| Region::of(*span, old).is_some());
        if named { old } else { self.keys.start }
    }

    fn components(&self, base: u64) -> Result<Vec<ComponentSpec>, Error> {
        let region = |span| Region::of(span, base).ok_or(Error::PastLastPosition);
        let index = ComponentSpec::with_region(INDEX_ID, INDEX_VERSION, region(self.index)?);
        let mut components = vec![index];
        if !self.keys.is_empty() {
            let keys = region(self.keys)?;
            components.push(ComponentSpec::with_region(LOOKUP_ID, LOOKUP_VERSION, keys));
        }
        Ok(components)
    }
}

/// Holds the chain's length against what readers take.
pub(crate) fn check_limits(
    snapshot: &Snapshot,
    tables: usize,
    components: usize,
) -> Result<(), Error> {
    let to_u64 = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let entries = |span: &Span| span.len() / daicon_core::ENTRY_LEN;
    let listed = snapshot
        .tables
        .iter()
        .fold(to_u64(components), |sum, table| sum.saturating_add(entries(&table.span)));
    let sums = [
        (LimitOf::Tables, to_u64(snapshot.tables.len().saturating_add(tables)), TABLES_MAX),
        (LimitOf::Components, listed, COMPONENTS_MAX),
    ];
    for (what, found, limit) in sums {
        if found > to_u64(limit) {
            return Err(Error::LimitExceeded { what, found, limit: to_u64(limit) });
        }
    }
    Ok(())
}

impl Snapshot {
    /// The second table of the chain, where it is in one of the layout's places.
    pub(crate) fn second_table(&self) -> Option<Table<'_>> {
        self.place?;
        let table = self.tables.get(1)?;
        Table::parse(&table.bytes, table.span.start).ok()
    }
}
