//! The check of a switch: it publishes exactly the edits, and reaches only appended or old bytes.

use super::fault::Breach;
use crate::{
    ComponentContent, DeltaGroup, DerivedRegion, Edit, Field, HEAD_LEN, NewComponent, Piece,
    PieceContent, Plan, Put, Remove, Snapshot, Strategy, Switch,
};
use alloc::vec::Vec;
use dacti_index::{Encoding, Group, INDEX_ID, INDEX_VERSION};
use dacti_lookup::LOOKUP_ID;
use dacti_names::{Flags, NAMES_ID};
use daicon_core::{Component, Span, TABLES_MAX, Table};
use uuid::Uuid;

/// The file after the switch.
pub(super) struct Published<'p> {
    pub(super) plan: &'p Plan,
    pub(super) snapshot: &'p Snapshot,
    pub(super) head: &'p [u8],
    /// The appended pieces, ascending.
    pub(super) pieces: &'p [&'p Piece],
}

impl<'p> Published<'p> {
    pub(super) fn check(&self, switch: &Switch) -> Result<(), Breach> {
        match (switch.field, self.plan.strategy) {
            (Field::DeltaLength { group }, Strategy::Delta) => self.check_delta(group, switch),
            (Field::Count, Strategy::FirstTable) => self.check_first_table(),
            (Field::Extension, Strategy::SecondTable | Strategy::Changes | Strategy::Fold) => {
                self.check_chain(switch)
            }
            _ => Err(Breach::Strategy),
        }
    }

    /// Checks that the new entries of the delta group are exactly the puts or exactly the removals,
    /// and that no newer group lists an id of the edits.
    fn check_delta(&self, number: u32, switch: &Switch) -> Result<(), Breach> {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let delta = self.snapshot.delta_groups.get(number).ok_or(Breach::Field)?;
        let (puts, removes) = (self.puts(), self.removes());
        let mut ids: Vec<Uuid> = self.plan.edits.iter().filter_map(Edit::region_id).collect();
        ids.sort_unstable();
        let newer = self.snapshot.delta_groups.iter().take(number);
        let mut newer = newer.filter(|group| group.length > 0);
        if newer.any(|group| self.snapshot.lists_any(group, &ids)) {
            return Err(Breach::Incomplete);
        }
        let (&[before], &[after]) = (&switch.before[..], &switch.after[..]) else {
            return Err(Breach::Torn);
        };
        let wanted = if removes.is_empty() { puts.len() } else { removes.len() };
        let added = after.checked_sub(before).map(usize::from);
        if added != Some(wanted) || wanted != self.edits_that_count() {
            return Err(Breach::Incomplete);
        }
        let group = self.group(delta)?;
        let added = group.regions().skip(usize::from(before));
        let mut listed = Vec::new();
        for located in added {
            let located = located.map_err(|_| Breach::Unwritten)?;
            listed.push((located.id, located.span));
        }
        listed.sort_unstable_by_key(|(id, _)| *id);
        let find = |id: Uuid| {
            let found = listed.binary_search_by_key(&id, |(id, _)| *id).ok();
            found.and_then(|i| listed.get(i)).map(|(_, span)| *span).ok_or(Breach::Incomplete)
        };
        for (number, put) in puts {
            let span = find(put.id)?;
            if span.len() != put.size || group.encoding() != put.encoding {
                return Err(Breach::Incomplete);
            }
            self.stands(number, span)?;
        }
        for (number, remove) in removes {
            let span = find(remove.id)?;
            if group.encoding() != Encoding::GONE {
                return Err(Breach::Incomplete);
            }
            match remove.seal_len {
                // spec: R-GONE-03
                0 if span.start == group.base() => {}
                0 => return Err(Breach::Unwritten),
                _ => self.stands(number, span)?,
            }
        }
        Ok(())
    }

    fn group(&self, delta: &DeltaGroup) -> Result<Group<'_>, Breach> {
        let rest = Span { start: delta.at, end: HEAD_LEN };
        let rest = rest.slice_of(self.head, 0).unwrap_or_default();
        Group::parse(rest, delta.at).map_err(|_| Breach::Field)
    }

    /// Returns the number of edits that change something. The edit of the flag for explicit ids
    /// changes nothing if the flag is set already.
    fn edits_that_count(&self) -> usize {
        let said = self.snapshot.explicit_ids();
        self.plan.edits.iter().filter(|edit| !said || **edit != Edit::ExplicitIds).count()
    }

    fn puts(&self) -> Vec<(u32, &'p Put)> {
        let put = |(number, edit): (u32, &'p Edit)| match edit {
            Edit::Put(put) => Some((number, put)),
            _ => None,
        };
        (0_u32..).zip(&self.plan.edits).filter_map(put).collect()
    }

    fn removes(&self) -> Vec<(u32, &'p Remove)> {
        let remove = |(number, edit): (u32, &'p Edit)| match edit {
            Edit::Remove(remove) => Some((number, remove)),
            _ => None,
        };
        (0_u32..).zip(&self.plan.edits).filter_map(remove).collect()
    }

    fn new_components(&self) -> Vec<(u32, &'p NewComponent)> {
        let new = |(number, edit): (u32, &'p Edit)| match edit {
            Edit::Component(new) => Some((number, new)),
            _ => None,
        };
        (0_u32..).zip(&self.plan.edits).filter_map(new).collect()
    }

    /// Checks that the block has the bytes of edit `number` at `span`.
    fn stands(&self, number: u32, span: Span) -> Result<(), Breach> {
        let of_edit = |piece: &&&Piece| match piece.content {
            PieceContent::Edit { edit, .. } => edit == number,
            _ => false,
        };
        match self.pieces.iter().find(of_edit) {
            Some(piece) if piece.span.start == span.start && piece.span.contains(&span) => Ok(()),
            // A region without stored bytes and seal has no piece.
            None if span.is_empty() => Ok(()),
            _ => Err(Breach::Unwritten),
        }
    }

    /// Checks that the new entries of the first table are the new components.
    fn check_first_table(&self) -> Result<(), Breach> {
        let at = daicon_core::PREAMBLE_LEN;
        let rest = Span { start: at, end: self.snapshot.t1_span().end };
        let rest = rest.slice_of(self.head, 0).unwrap_or_default();
        // If the count exceeds the number of slots, readers would read other bytes of the head as
        // entries.
        let table = Table::parse(rest, at).map_err(|_| Breach::Unwritten)?;
        let before = usize::try_from(self.snapshot.t1_count()).unwrap_or(usize::MAX);
        let new = self.new_components();
        let added = table.entries().len().checked_sub(before);
        if added != Some(new.len()) || new.len() != self.edits_that_count() {
            return Err(Breach::Incomplete);
        }
        let added: Vec<_> = table.components().skip(before).collect();
        self.check_new(&added, &new)
    }

    fn check_new(&self, added: &[Component], new: &[(u32, &NewComponent)]) -> Result<(), Breach> {
        if added.len() != new.len() {
            return Err(Breach::Incomplete);
        }
        for (number, new) in new {
            let found = added.iter().find(|found| found.id == new.id);
            let found = found.filter(|found| found.version == new.version);
            let found = found.ok_or(Breach::Incomplete)?;
            match new.content {
                ComponentContent::Data(data) if data == found.data => {}
                ComponentContent::Region { size, .. } => {
                    let span = found.span().map_err(|_| Breach::Unwritten)?;
                    if span.len() != size {
                        return Err(Breach::Incomplete);
                    }
                    self.stands(*number, span)?;
                }
                ComponentContent::Data(_) => return Err(Breach::Incomplete),
            }
        }
        Ok(())
    }

    /// Checks that the new chain has all components of the old chain, the new components, and one
    /// index.
    fn check_chain(&self, switch: &Switch) -> Result<(), Breach> {
        let place = self.snapshot.place.ok_or(Breach::Field)?;
        let [a, b] = self.snapshot.t2_spans();
        let to = if place == 0 { b } else { a };
        let at = switch.after.first_chunk::<4>().ok_or(Breach::Torn)?;
        if u64::from(u32::from_le_bytes(*at)) != to.start {
            return Err(Breach::Incomplete);
        }
        let components = self.walk(to)?;
        let old = &self.snapshot.components;
        let folds = self.plan.strategy.writes_index();
        let key = |found: &Component| (found.id, found.version.major);
        for before in old {
            let after = components.iter().find(|found| key(found) == key(before));
            // A new index replaces the fences, so the old fences may be missing.
            if after.is_none() && before.id == LOOKUP_ID && folds {
                continue;
            }
            self.check_kept(before, after.ok_or(Breach::Lost)?)?;
        }
        let is_new = |found: &&Component| old.iter().all(|before| key(before) != key(found));
        let added = components.iter().filter(is_new);
        let added = added.filter(|found| !folds || found.id != LOOKUP_ID);
        let added: Vec<_> = added.copied().collect();
        self.check_new(&added, &self.new_components())?;
        match self.plan.strategy {
            Strategy::Changes | Strategy::Fold => self.check_new_index(&components),
            _ if self.changes_regions() => Err(Breach::Incomplete),
            _ => Ok(()),
        }
    }
}

/// The chain of tables after the switch.
impl Published<'_> {
    fn changes_regions(&self) -> bool {
        let changes = |edit: &Edit| matches!(edit, Edit::Put(_) | Edit::Remove(_));
        self.plan.edits.iter().any(changes)
    }

    /// Returns the components of the new chain. Each table after the second must be an old table or
    /// an appended one.
    fn walk(&self, second: Span) -> Result<Vec<Component>, Breach> {
        let first = self.snapshot.tables.first().ok_or(Breach::Lost)?;
        let first = Table::parse(&first.bytes, first.span.start).map_err(|_| Breach::Lost)?;
        let mut components: Vec<Component> = first.components().collect();
        let bytes = second.slice_of(self.head, 0).ok_or(Breach::OutsideHead)?;
        // If the count exceeds the number of slots, readers would read other bytes of the head as
        // entries.
        let mut table = Table::parse(bytes, second.start).map_err(|_| Breach::Unwritten)?;
        for _ in 0..TABLES_MAX {
            for component in table.components() {
                let key = |found: &Component| (found.id, found.version.major);
                if components.iter().all(|found| key(found) != key(&component)) {
                    components.push(component);
                }
            }
            let Some(next) = table.extension_at() else { return Ok(components) };
            table = self.table_at(next)?;
        }
        Err(Breach::Lost)
    }

    /// Returns the table at `at`. It must be a table that the plan appends, or an old table that
    /// follows the second table.
    fn table_at(&self, at: u64) -> Result<Table<'_>, Breach> {
        let mut inline = self.pieces.iter().filter(|piece| piece.span.start == at);
        let inline = inline.find_map(|piece| match &piece.content {
            PieceContent::Inline(bytes) => Some(&bytes[..]),
            _ => None,
        });
        let mut old = self.snapshot.tables.iter().skip(2);
        let old = || old.find(|table| table.span.start == at).map(|table| &table.bytes[..]);
        let bytes = inline.or_else(old).ok_or(Breach::Unwritten)?;
        Table::parse(bytes, at).map_err(|_| Breach::Unwritten)
    }

    /// Checks that an old component is unchanged, except for the changes of the plan.
    fn check_kept(&self, before: &Component, after: &Component) -> Result<(), Breach> {
        if self.plan.strategy.writes_index() && [INDEX_ID, LOOKUP_ID].contains(&before.id) {
            return Ok(());
        }
        if before.version != after.version {
            return Err(Breach::Lost);
        }
        if before.id == NAMES_ID {
            let explicit = self.plan.edits.contains(&Edit::ExplicitIds);
            let said = Flags::from_data(before.data).explicit_ids;
            if Flags::from_data(after.data).explicit_ids != (said || explicit) {
                return Err(Breach::Incomplete);
            }
            return Ok(());
        }
        // The data of index and fences is a region relative to the region base. A new table may
        // have another region base, so the check compares the spans.
        let same = if [INDEX_ID, LOOKUP_ID].contains(&before.id) {
            before.span() == after.span()
        } else {
            (before.data, before.base) == (after.data, after.base)
        };
        if same { Ok(()) } else { Err(Breach::Lost) }
    }

    /// Checks that the index consists of the derived pieces. If the plan writes a run of changes,
    /// the base groups must follow these pieces. The fences must be derived pieces, lie in the
    /// head's room for fences, or be the old fences.
    fn check_new_index(&self, components: &[Component]) -> Result<(), Breach> {
        let span_of = |id| {
            let found = components.iter().find(|found: &&Component| found.id == id);
            found.map(|found| found.span().map_err(|_| Breach::Unwritten)).transpose()
        };
        let index = span_of(INDEX_ID)?.ok_or(Breach::Lost)?;
        let appended = self.appended(DerivedRegion::Index).ok_or(Breach::Unwritten)?;
        // If the plan writes a run of changes, the base groups follow the block as a second start
        // of their part.
        let kept = match (self.plan.strategy, self.snapshot.base_groups()) {
            (Strategy::Changes, Some(base)) => base.span.len(),
            (Strategy::Changes, None) => return Err(Breach::Strategy),
            _ => 0,
        };
        let ends_block = self.pieces.last().is_some_and(|last| last.span.end == appended.end);
        let end = appended.end.saturating_add(kept);
        if index != (Span { end, ..appended }) || (kept > 0 && !ends_block) {
            return Err(Breach::Unwritten);
        }
        // Readers ignore index components of other versions, so the index component must have the
        // current version.
        let mut read = components.iter().filter(|found| found.id == INDEX_ID);
        if read.all(|found| found.version != INDEX_VERSION) {
            return Err(Breach::Lost);
        }
        let fences = span_of(LOOKUP_ID)?;
        let old = self.snapshot.components.iter().find(|found| found.id == LOOKUP_ID);
        let old = old.and_then(|found| found.span().ok());
        // The fences of the old index may stay: readers ignore them, because they belong to another
        // index.
        let is_in_room =
            |fences: Span| self.snapshot.fence_room().is_some_and(|room| room.contains(&fences));
        if let Some(found) = fences
            && fences != self.appended(DerivedRegion::Fences)
            && fences != old
            && !is_in_room(found)
        {
            return Err(Breach::Unwritten);
        }
        Ok(())
    }

    /// Returns the span of the derived pieces of a region, if they follow each other.
    fn appended(&self, region: DerivedRegion) -> Option<Span> {
        let of_part = |piece: &&&Piece| match piece.content {
            PieceContent::Derived { region: found, .. } => found == region,
            _ => false,
        };
        let mut pieces = self.pieces.iter().filter(of_part);
        let first = pieces.next()?.span;
        pieces.try_fold(first, |span, piece| {
            let next = piece.span;
            (next.start == span.end).then_some(Span { end: next.end, ..span })
        })
    }
}
