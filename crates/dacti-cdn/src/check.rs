//! Proves that a plan keeps the laws. The check does not depend on the program that made the plan.
//!
//! The check carries out the plan on the snapshot, step by step, and trusts no claim of the plan.
//! It compares the contents of regions by their digests. It can compare a new index only if the
//! snapshot has the entries from which the index is made. Specification: `docs/spec/dacti-cdn.md`,
//! "Laws".

mod fault;
mod head;
mod published;

pub use fault::{Breach, Fault, Law};

use crate::snapshot::Found;
use crate::wanted::Wanted;
use crate::{
    Action, Append, Barrier, Cost, Derived, Digest, Edit, Error, HEAD_LEN, Piece, PieceContent,
    Plan, Reserve, Snapshot, State, Step, Strategy, Switch, check_slice_len,
};
use alloc::vec::Vec;
use daicon_core::{Span, to_u64};
use published::Published;

/// Carries out `plan` on the head of `snapshot`. Proves that the plan keeps the laws W1 to W5 and
/// W8, and that its claims are true.
///
/// If the snapshot has the entries of the index, the check also proves the content of a new index.
/// For a run of changes, the entries before the base groups suffice. Without these entries, the
/// check proves only that a barrier covers the whole new index before the switch. To prove the
/// `replaced_len` of each edit, the check needs the snapshot's entries or its
/// [look-ups](Snapshot::set_found).
///
/// # Errors
/// The first broken law, with its step.
pub fn check(plan: &Plan, snapshot: &Snapshot) -> Result<(), Fault> {
    let whole = |breach: Breach| Fault { step: None, breach };
    check_frame(plan, snapshot).map_err(whole)?;
    let mut run = Run::new(plan, snapshot);
    for (i, step) in plan.steps.iter().enumerate() {
        let fault = |breach| Fault { step: u32::try_from(i).ok(), breach };
        run.step(i, &step.action).map_err(fault)?;
        if run.state() != step.after {
            return Err(fault(Breach::State));
        }
    }
    if !run.switched {
        return Err(whole(Breach::NoSwitch));
    }
    check_edits(plan, snapshot).map_err(whole)?;
    check_cost(plan, snapshot).map_err(whole)?;
    let is_known = match plan.strategy {
        Strategy::Changes => snapshot.changes().is_ok(),
        _ => snapshot.entries().is_some(),
    };
    if is_known {
        check_derived(plan, snapshot, &run.head).map_err(whole)?;
    }
    Ok(())
}

/// Checks the cost that the plan states, and the replaced lengths that its edits state.
fn check_cost(plan: &Plan, snapshot: &Snapshot) -> Result<(), Breach> {
    for edit in &plan.edits {
        let Some(id) = edit.region_id() else { continue };
        let expected = match snapshot.found(id) {
            Found::Region { len } => len,
            Found::Missing => 0,
            Found::Unknown => continue,
        };
        if edit.replaced_len() != expected {
            return Err(Breach::ReplacedLen);
        }
    }
    let wanted = Wanted::of(snapshot, &plan.edits).map_err(|_| Breach::Edits)?;
    let bytes_dying = match plan.strategy {
        Strategy::Delta => wanted.replaced_len(),
        Strategy::Changes => snapshot.dying_in_changes(&wanted),
        Strategy::Fold => snapshot.dying_in_fold(&wanted),
        Strategy::FirstTable | Strategy::SecondTable => 0,
    };
    if plan.cost != (Cost { bytes_dying, ..Cost::of(&plan.steps, plan.slice_len) }) {
        return Err(Breach::Cost);
    }
    Ok(())
}

/// Checks the claims of the plan that do not depend on its steps.
fn check_frame(plan: &Plan, snapshot: &Snapshot) -> Result<(), Breach> {
    if plan.file_id != snapshot.layout.file_id {
        return Err(Breach::OtherPackage);
    }
    if plan.before != snapshot.state() {
        return Err(Breach::State);
    }
    if check_slice_len(plan.slice_len).is_err() || plan.slice_len < snapshot.layout.slice_len {
        return Err(Breach::SliceLen);
    }
    Wanted::of(snapshot, &plan.edits).map_err(|_| Breach::Edits)?;
    Ok(())
}

/// The file after the steps so far.
struct Run<'p> {
    plan: &'p Plan,
    snapshot: &'p Snapshot,
    head: Vec<u8>,
    /// Digest of the current head.
    digest: Digest,
    len: u64,
    pieces: Vec<&'p Piece>,
    /// For each piece, whether a barrier has proven it.
    proven: Vec<bool>,
    /// Whether a barrier has proven the current head.
    head_proven: bool,
    reserved: bool,
    switched: bool,
}

impl<'p> Run<'p> {
    fn new(plan: &'p Plan, snapshot: &'p Snapshot) -> Self {
        Self {
            plan,
            snapshot,
            head: snapshot.head.clone(),
            digest: Digest::of(&snapshot.head),
            len: snapshot.len,
            pieces: Vec::new(),
            proven: Vec::new(),
            head_proven: false,
            reserved: false,
            switched: false,
        }
    }

    fn state(&self) -> State {
        State { len: self.len, head: self.digest }
    }

    fn step(&mut self, i: usize, action: &'p Action) -> Result<(), Breach> {
        if i == 0 && !matches!(action, Action::Barrier(_)) {
            return Err(Breach::NoFirstBarrier);
        }
        match action {
            Action::Barrier(barrier) => self.barrier(barrier)?,
            _ if self.switched => return Err(Breach::AfterSwitch),
            Action::Append(append) => self.append(i, append)?,
            Action::Reserve(reserve) => self.reserve(reserve)?,
            Action::Switch(switch) => self.switch(switch)?,
        }
        if i == 0 && !self.head_proven {
            return Err(Breach::NoFirstBarrier);
        }
        Ok(())
    }

    fn append(&mut self, i: usize, append: &'p Append) -> Result<(), Breach> {
        if self.reserved {
            return Err(Breach::HeadBeforeTail);
        }
        let is_append = |step: &Step| matches!(step.action, Action::Append(_));
        if self.plan.steps.iter().take(i).any(is_append) {
            return Err(Breach::SecondAppend);
        }
        if append.at < self.len {
            return Err(Breach::BytesReused);
        }
        let align = self.snapshot.block_align(self.plan.slice_len);
        let aligned = |at: u64| at.is_multiple_of(align);
        if !aligned(append.at) || !aligned(append.span().end) {
            return Err(Breach::Unaligned);
        }
        if self.len.checked_next_multiple_of(align) != Some(append.at) {
            return Err(Breach::Gap);
        }
        let mut end = append.at;
        for piece in &append.pieces {
            if piece.span.start != end || piece.span.end <= end {
                return Err(Breach::NotAscending);
            }
            end = piece.span.end;
            if let PieceContent::Inline(bytes) = &piece.content
                && u64::try_from(bytes.len()) != Ok(piece.span.len())
            {
                return Err(Breach::PieceLen);
            }
            self.pieces.push(piece);
            self.proven.push(false);
        }
        if !self.has_room(append) {
            return Err(Breach::NoRoom);
        }
        self.len = end;
        Ok(())
    }

    /// Returns whether an append has the zeros that [`Snapshot::room_len`] describes. These zeros
    /// must be an inline piece, because barriers prove inline pieces, but not
    /// `PieceContent::Zeros`. Usually only padding follows these zeros, so the last piece before
    /// the padding is checked. In a package in parts, a new index may follow these zeros. Then the
    /// first piece after the last edit is checked.
    fn has_room(&self, append: &Append) -> bool {
        // spec: R-CDN-19
        let len = self.snapshot.room_len;
        let is_other = |piece: &&Piece| piece.content != PieceContent::Zeros;
        let room = if self.snapshot.is_in_parts && self.plan.strategy.writes_index() {
            let is_edit = |piece: &Piece| matches!(piece.content, PieceContent::Edit { .. });
            let edits =
                append.pieces.iter().rposition(is_edit).map_or(0, |last| last.saturating_add(1));
            append.pieces.iter().skip(edits).find(is_other)
        } else {
            append.pieces.iter().rev().find(is_other)
        };
        len == 0
            || room.is_some_and(|piece| match &piece.content {
                PieceContent::Inline(bytes) => {
                    to_u64(bytes.len()) >= len && bytes.iter().all(|byte| *byte == 0)
                }
                _ => false,
            })
    }

    fn reserve(&mut self, reserve: &Reserve) -> Result<(), Breach> {
        let span = self.fits(reserve.at, &reserve.before, &reserve.after)?;
        if !self.snapshot.nobody_reads(span) && !self.is_room_of_new_fences(span) {
            return Err(Breach::Read);
        }
        self.reserved = true;
        self.write(span, &reserve.after);
        Ok(())
    }

    /// Returns whether the plan may write fences of a new index at `span`. In a package in parts,
    /// the head is replaced as a whole, so readers of the old head still have the old fences.
    fn is_room_of_new_fences(&self, span: Span) -> bool {
        // spec: R-PART-37
        let room = self.snapshot.fence_room().filter(|_| self.plan.strategy.writes_index());
        room.is_some_and(|room| room.contains(&span))
    }

    fn barrier(&mut self, barrier: &Barrier) -> Result<(), Breach> {
        for probe in &barrier.probes {
            if probe.span.end > self.len || probe.span.is_empty() {
                return Err(Breach::ProbePastEnd);
            }
            if let Some(bytes) = probe.span.slice_of(&self.head, 0) {
                if Digest::of(bytes) != probe.digest {
                    return Err(Breach::ProbeDigest);
                }
                self.head_proven |= probe.span.len() == HEAD_LEN;
                continue;
            }
            let piece = self.pieces.binary_search_by_key(&probe.span.start, |p| p.span.start);
            let piece = piece.map_err(|_| Breach::ProbeUnknown)?;
            let found = self.pieces.get(piece).filter(|found| found.span == probe.span);
            let found = found.ok_or(Breach::ProbeUnknown)?;
            if found.content.digest() != Some(probe.digest) {
                return Err(Breach::ProbeDigest);
            }
            if let Some(proven) = self.proven.get_mut(piece) {
                *proven = true;
            }
        }
        if barrier.purge.iter().any(|span| span.end > self.len || span.is_empty()) {
            return Err(Breach::ProbePastEnd);
        }
        Ok(())
    }

    fn switch(&mut self, switch: &Switch) -> Result<(), Breach> {
        let len = switch.after.len();
        let aligned = len.is_power_of_two() && len <= 8;
        let aligned = aligned && u64::try_from(len).is_ok_and(|len| switch.at.is_multiple_of(len));
        if !aligned {
            return Err(Breach::Torn);
        }
        let span = self.fits(switch.at, &switch.before, &switch.after)?;
        if self.snapshot.field_span(switch.field) != Some(span) {
            return Err(Breach::Field);
        }
        let unproven = |(piece, proven): (&&Piece, &bool)| {
            !proven && !matches!(piece.content, PieceContent::Zeros)
        };
        if !self.head_proven || self.pieces.iter().zip(&self.proven).any(unproven) {
            return Err(Breach::NoBarrier);
        }
        self.write(span, &switch.after);
        self.switched = true;
        let published = Published {
            plan: self.plan,
            snapshot: self.snapshot,
            head: &self.head,
            pieces: &self.pieces,
        };
        published.check(switch)
    }

    /// Returns the span of a write into the head, after comparing the old bytes.
    fn fits(&self, at: u64, before: &[u8], after: &[u8]) -> Result<Span, Breach> {
        let len = to_u64(after.len());
        let span = Span::new(at, len).filter(|span| span.end <= HEAD_LEN && !span.is_empty());
        let span = span.ok_or(Breach::OutsideHead)?;
        if span.slice_of(&self.head, 0) != Some(before) || before.len() != after.len() {
            return Err(Breach::State);
        }
        Ok(span)
    }

    fn write(&mut self, span: Span, after: &[u8]) {
        let start = usize::try_from(span.start).unwrap_or(usize::MAX);
        let there = self.head.get_mut(start..start.saturating_add(after.len()));
        if let Some(there) = there {
            there.copy_from_slice(after);
        }
        self.digest = Digest::of(&self.head);
        self.head_proven = false;
    }
}

/// Checks that the append has the bytes of each edit exactly once.
fn check_edits(plan: &Plan, snapshot: &Snapshot) -> Result<(), Breach> {
    let removal_seal_len = if plan.strategy.lists_removals() { snapshot.seal_len } else { 0 };
    for edit in &plan.edits {
        let Edit::Remove(remove) = edit else { continue };
        let is_empty = remove.seal_len == 0;
        if remove.seal_len != removal_seal_len || (is_empty && remove.digest != Digest::default()) {
            return Err(Breach::Edits);
        }
    }
    let mut expected: Vec<Option<(u64, Digest)>> = plan.edits.iter().map(Edit::bytes).collect();
    let pieces = plan.append().into_iter().flat_map(|append| &append.pieces);
    for piece in pieces {
        let PieceContent::Edit { edit, digest } = piece.content else { continue };
        let slot = usize::try_from(edit).ok().and_then(|edit| expected.get_mut(edit));
        if slot.and_then(Option::take) != Some((piece.span.len(), digest)) {
            return Err(Breach::Edits);
        }
    }
    // An edit without bytes needs no piece.
    if expected.iter().flatten().any(|(len, _)| *len > 0) {
        return Err(Breach::Edits);
    }
    Ok(())
}

/// Checks that the new index has the entries of the old index, with the edits applied.
fn check_derived(plan: &Plan, snapshot: &Snapshot, head: &[u8]) -> Result<(), Breach> {
    let derived = Derived::of(plan, snapshot).map_err(|_| Breach::Derived)?;
    let Some(derived) = derived else { return Ok(()) };
    let pieces = plan.append().into_iter().flat_map(|append| &append.pieces);
    let mut expected = pieces.filter(|piece| matches!(piece.content, PieceContent::Derived { .. }));
    let in_head = derived.fences_in_head().map_err(|_| Breach::Derived)?;
    if let Some((span, bytes)) = in_head
        && span.slice_of(head, 0) != Some(&bytes)
    {
        return Err(Breach::Derived);
    }
    let emitted = derived.emit(|_, bytes| {
        let digest = expected.next().and_then(|piece| piece.content.digest());
        if digest == Some(Digest::of(bytes)) { Ok(()) } else { Err(Emitted::Other) }
    });
    emitted.map_err(|_| Breach::Derived)
}

/// The error that stops the comparison, for any reason.
enum Emitted {
    Other,
}

impl From<Error> for Emitted {
    fn from(_: Error) -> Self {
        Self::Other
    }
}

#[cfg(test)]
mod tests {
    use super::{Breach, Law};
    use crate::world::{World, fresh, id, put, remove};
    use crate::{
        Action, Append, ComponentContent, Cost, Digest, Edit, NewComponent, Piece, PieceContent,
        Plan, Snapshot, State, Step, Strategy, UpdatePolicy, check, plan,
    };
    use daicon_core::{ComponentSpec, Region, Span, Version};
    use std::vec::Vec;
    use uuid::Uuid;

    const FOREIGN: ComponentSpec =
        ComponentSpec::with_data(Uuid::from_u128(77), Version::new(1, 0), [9; 8]);

    /// A package of five regions, with an unknown component in the second table.
    fn world() -> World {
        let mut world = fresh(5);
        let index = Region::new(4168, 8 + 61_360);
        let id = dacti_index::INDEX_ID;
        let index = ComponentSpec::with_region(id, Version::new(0, 1), index);
        world.write_tables(&[], &[index, FOREIGN]);
        world
    }

    fn component(n: u128, size: u64) -> Edit {
        let digest = Digest::of(&std::vec![0; size as usize]);
        let content = ComponentContent::Region { size, digest };
        Edit::Component(NewComponent {
            id: Uuid::from_u128(n),
            version: Version::new(1, 0),
            content,
        })
    }

    /// Returns edits that a plan of this strategy publishes.
    fn edits(strategy: Strategy) -> Vec<Edit> {
        match strategy {
            Strategy::Delta => [put(9, 6), put(1, 7)].to_vec(),
            Strategy::FirstTable => [component(5, 100)].to_vec(),
            Strategy::SecondTable => [component(5, 100), Edit::ExplicitIds].to_vec(),
            Strategy::Changes | Strategy::Fold => [put(9, 6), remove(3)].to_vec(),
        }
    }

    /// Returns the snapshot of a package for which the planner publishes [`edits`] by this
    /// strategy.
    fn snapshot(strategy: Strategy) -> Snapshot {
        match strategy {
            Strategy::Changes => crate::world::in_parts(2600, 8).with_changes(),
            _ => world().scanned(),
        }
    }

    fn planned(strategy: Strategy) -> (Plan, Snapshot) {
        let snapshot = snapshot(strategy);
        let edits = edits(strategy);
        let plan = plan(&snapshot, &edits, &UpdatePolicy::default()).unwrap();
        assert_eq!((plan.strategy, check(&plan, &snapshot)), (strategy, Ok(())));
        (plan, snapshot)
    }

    /// Sets the lengths, the digests of the head, and the cost to the values that follow from the
    /// steps. So the check refuses a changed plan because of the change itself, and not because of
    /// a digest.
    fn repair(plan: &mut Plan, snapshot: &Snapshot) {
        let mut head = snapshot.head.clone();
        let mut len = snapshot.len;
        for step in &mut plan.steps {
            match &mut step.action {
                Action::Append(append) => len = append.span().end,
                Action::Barrier(barrier) => {
                    for probe in &mut barrier.probes {
                        if let Some(bytes) = probe.span.slice_of(&head, 0) {
                            probe.digest = Digest::of(bytes);
                        }
                    }
                }
                Action::Reserve(crate::Reserve { at, before, after })
                | Action::Switch(crate::Switch { at, before, after, .. }) => {
                    let at = *at as usize;
                    if let Some(there) = head.get_mut(at..at + after.len()) {
                        *before = there.to_vec();
                        there.copy_from_slice(after);
                    }
                }
            }
            step.after = State { len, head: Digest::of(&head) };
        }
        let bytes_dying = plan.cost.bytes_dying;
        plan.cost = Cost { bytes_dying, ..Cost::of(&plan.steps, plan.slice_len) };
    }

    /// Checks that a plan of `strategy`, changed and repaired, is refused with `expected`.
    #[track_caller]
    fn breaks(strategy: Strategy, expected: Breach, change: impl FnOnce(&mut Plan)) {
        let (mut plan, snapshot) = planned(strategy);
        change(&mut plan);
        repair(&mut plan, &snapshot);
        let fault = check(&plan, &snapshot).expect_err("the plan was changed");
        assert_eq!(fault.breach, expected, "{fault}");
    }

    fn append(plan: &mut Plan) -> &mut Append {
        plan.steps.iter_mut().find_map(|step| as_append(step)).unwrap()
    }

    fn as_append(step: &mut Step) -> Option<&mut Append> {
        match &mut step.action {
            Action::Append(append) => Some(append),
            _ => None,
        }
    }

    fn reserve(plan: &mut Plan) -> &mut crate::Reserve {
        let is_reserve = |step: &Step| matches!(step.action, Action::Reserve(_));
        let i = plan.steps.iter().position(is_reserve).unwrap();
        let Action::Reserve(reserve) = &mut plan.steps[i].action else { unreachable!() };
        reserve
    }

    fn switch(plan: &mut Plan) -> &mut crate::Switch {
        let (i, _) = plan.switch().unwrap();
        let Action::Switch(switch) = &mut plan.steps[i].action else { unreachable!() };
        switch
    }

    fn shift(plan: &mut Plan, by: impl Fn(u64) -> u64) {
        let append = append(plan);
        append.at = by(append.at);
        for piece in &mut append.pieces {
            piece.span = Span { start: by(piece.span.start), end: by(piece.span.end) };
        }
    }

    #[test]
    fn bytes_that_may_be_cached_are_never_written_again() {
        // spec: R-CDN-10
        use Strategy::{Delta, FirstTable, Fold};
        breaks(Delta, Breach::BytesReused, |plan| shift(plan, |at| at - 65_536));
        // These writes hit the current second table, the layout region, and the length of another
        // delta group.
        for at in [504, 1000, 4176 + 12] {
            breaks(Delta, Breach::Read, |plan| reserve(plan).at = at);
        }
        // These writes hit the entry of the first component in the first table, and the current
        // place of the second table.
        breaks(FirstTable, Breach::Read, |plan| reserve(plan).at = 52);
        breaks(Fold, Breach::Read, |plan| reserve(plan).at = 504);
        breaks(Delta, Breach::OutsideHead, |plan| reserve(plan).at = 65_535);
    }

    #[test]
    fn a_new_table_keeps_what_the_old_one_had() {
        // spec: R-CDN-26
        // The third entry of the new table is an unknown component. The first change drops it, the
        // second changes its version, and the third changes its data.
        for strategy in [Strategy::SecondTable, Strategy::Fold] {
            let entry = 24 + 2 * 28;
            breaks(strategy, Breach::Lost, |plan| reserve(plan).after[20] = 2);
            breaks(strategy, Breach::Lost, |plan| reserve(plan).after[entry + 16] += 1);
            breaks(strategy, Breach::Lost, |plan| reserve(plan).after[entry + 20] += 1);
        }
        breaks(Strategy::SecondTable, Breach::Lost, |plan| reserve(plan).after[24 + 20] += 8);
    }

    #[test]
    fn a_run_of_changes_stands_right_before_the_base_groups() {
        // spec: R-PART-36, R-PART-37
        use Strategy::{Changes, Fold};
        fn table(plan: &mut Plan) -> &mut crate::Reserve {
            let reserves = plan.steps.iter_mut().filter_map(|step| match &mut step.action {
                Action::Reserve(reserve) => Some(reserve),
                _ => None,
            });
            reserves.last().unwrap()
        }
        // The first entry of the new table is the index: its offset is at 44, its size at 48.
        let number =
            |table: &[u8], at: usize| u32::from_le_bytes(*table[at..].first_chunk::<4>().unwrap());
        breaks(Changes, Breach::Unwritten, |plan| {
            let size = number(&table(plan).after, 48) - 6136;
            table(plan).after[48..52].copy_from_slice(&size.to_le_bytes());
        });
        breaks(Changes, Breach::Unwritten, |plan| table(plan).after[44] += 8);
        // If zeros follow the run, the base groups do not follow it directly.
        breaks(Changes, Breach::Unwritten, |plan| {
            let append = append(plan);
            let span = Span::new(append.span().end, 8).unwrap();
            append.pieces.push(Piece { span, content: PieceContent::Zeros });
        });
        // The first changes alter the fences. The later changes move the fences to bytes that
        // readers use.
        for at in [0, 8, 16, 40, 60] {
            breaks(Changes, Breach::Derived, |plan| reserve(plan).after[at] ^= 1);
        }
        for at in [504, 1000, 3576, 16_432] {
            breaks(Changes, Breach::Read, |plan| reserve(plan).at = at);
        }
        breaks(Changes, Breach::Unwritten, |plan| plan.strategy = Fold);
        breaks(Fold, Breach::Strategy, |plan| plan.strategy = Changes);
        // A run of changes lists the removal, so the removal must have a seal.
        breaks(Changes, Breach::Edits, |plan| {
            let Edit::Remove(remove) = &mut plan.edits[1] else { unreachable!() };
            remove.seal_len = 0;
        });
    }

    #[test]
    fn what_is_published_stands_before_it_behind_a_barrier() {
        // spec: R-CDN-11
        use Strategy::{Delta, FirstTable, Fold, SecondTable};
        // The changes alter the offset of an entry, the offset of a component, and the offset of
        // the index.
        breaks(Delta, Breach::Unwritten, |plan| reserve(plan).after[16] += 1);
        breaks(FirstTable, Breach::Unwritten, |plan| reserve(plan).after[20] += 1);
        breaks(Fold, Breach::Unwritten, |plan| reserve(plan).after[24 + 20] += 8);
        // The new table has an extension offset, but the plan writes no table there.
        breaks(SecondTable, Breach::Unwritten, |plan| reserve(plan).after[8] = 8);
        for strategy in [Delta, FirstTable, SecondTable, Fold] {
            breaks(strategy, Breach::NoBarrier, |plan| drop(plan.steps.remove(2)));
            breaks(strategy, Breach::NoBarrier, |plan| {
                let (at, _) = plan.switch().unwrap();
                plan.steps.remove(at - 1);
            });
            breaks(strategy, Breach::AfterSwitch, |plan| {
                let (at, _) = plan.switch().unwrap();
                plan.steps.push(plan.steps[at - 2].clone());
            });
            breaks(strategy, Breach::ProbePastEnd, |plan| plan.steps.swap(1, 2));
            breaks(strategy, Breach::HeadBeforeTail, |plan| plan.steps[1..4].rotate_right(1));
        }
        breaks(Delta, Breach::NotAscending, |plan| append(plan).pieces.swap(0, 1));
        breaks(Delta, Breach::NotAscending, |plan| {
            append(plan).pieces[1].span.start += 1;
        });
    }

    #[test]
    fn a_switch_is_one_aligned_field() {
        // spec: R-CDN-12
        use Strategy::{Delta, Fold};
        breaks(Fold, Breach::Torn, |plan| switch(plan).after = b"\xf0\x02\0\0\0\0\0\0".to_vec());
        breaks(Fold, Breach::Torn, |plan| switch(plan).after.truncate(3));
        breaks(Delta, Breach::Torn, |plan| switch(plan).after.clear());
        breaks(Delta, Breach::Field, |plan| switch(plan).at += 1);
        breaks(Fold, Breach::Field, |plan| switch(plan).at = 48);
        breaks(Delta, Breach::Field, |plan| {
            switch(plan).field = crate::Field::DeltaLength { group: 10 };
        });
    }

    #[test]
    fn one_switch_publishes_all_of_the_update() {
        // spec: R-CDN-13
        use Strategy::{Delta, FirstTable, SecondTable};
        breaks(Delta, Breach::Incomplete, |plan| switch(plan).after[0] -= 1);
        breaks(Delta, Breach::Incomplete, |plan| switch(plan).after[0] += 1);
        breaks(FirstTable, Breach::Incomplete, |plan| switch(plan).after[0] += 1);
        breaks(SecondTable, Breach::Incomplete, |plan| switch(plan).after[0] += 8);
        for strategy in [Delta, FirstTable, SecondTable, Strategy::Fold] {
            breaks(strategy, Breach::NoSwitch, |plan| drop(plan.steps.pop()));
            breaks(strategy, Breach::AfterSwitch, |plan| {
                let again = plan.steps.last().cloned().unwrap();
                plan.steps.push(again);
            });
        }
        // The switch leaves out an edit.
        breaks(Delta, Breach::Incomplete, |plan| {
            plan.edits.push(remove(3));
        });
        breaks(SecondTable, Breach::Incomplete, |plan| {
            plan.edits.push(remove(3));
        });
    }

    #[test]
    fn an_update_shares_no_slice_with_old_data() {
        // spec: R-CDN-14
        let padded = |plan: &mut Plan| drop(append(plan).pieces.pop());
        breaks(Strategy::Delta, Breach::Unaligned, padded);
        breaks(Strategy::Delta, Breach::Unaligned, |plan| shift(plan, |at| at + 4096));
        // An append must not leave a gap after the end of the file, small or huge.
        for by in [65_536, 1 << 62] {
            breaks(Strategy::Delta, Breach::Gap, |plan| shift(plan, |at| at + by));
        }
        breaks(Strategy::Delta, Breach::SecondAppend, |plan| {
            let (len, zeros) = (append(plan).span().end, PieceContent::Zeros);
            let piece = Piece { span: Span { start: len, end: len + 65_536 }, content: zeros };
            let second = Action::Append(Append { at: len, pieces: [piece].to_vec() });
            let after = plan.after();
            plan.steps.insert(2, Step { action: second, after });
        });
        // An empty first append is refused as well, because `Plan::append` would return it in place
        // of the second append.
        breaks(Strategy::Delta, Breach::SecondAppend, |plan| {
            let (at, after) = (append(plan).at, plan.before);
            let empty = Action::Append(Append { at, pieces: Vec::new() });
            plan.steps.insert(1, Step { action: empty, after });
        });
        breaks(Strategy::Delta, Breach::SliceLen, |plan| plan.slice_len = 4096);
        breaks(Strategy::Delta, Breach::SliceLen, |plan| plan.slice_len = 65_537);
    }

    #[test]
    fn a_block_of_a_package_with_shared_bytes_ends_with_room_for_seals() {
        // spec: R-CDN-19
        for strategy in Strategy::ALL {
            let (without, mut snapshot) = planned(strategy);
            snapshot.room_len = 480;
            let refused = check(&without, &snapshot).map_err(|fault| fault.breach);
            assert_eq!(refused, Err(Breach::NoRoom));
            let with = plan(&snapshot, &edits(strategy), &UpdatePolicy::default()).unwrap();
            assert_eq!((with.strategy, check(&with, &snapshot)), (strategy, Ok(())));
            let append_of_plan = with.append().unwrap();
            let pieces = &append_of_plan.pieces;
            let zeros = PieceContent::Inline(std::vec![0; 480]);
            let at = pieces.iter().position(|piece| piece.content == zeros).unwrap();
            let room = &pieces[at];
            assert_eq!(room.span.len(), 480);
            // Only the padding follows the zeros. If the plan writes a run of changes, the run
            // follows the zeros, and the second start of the base groups follows the run.
            let [last] = &pieces[at + 1..] else { panic!("{pieces:?}") };
            assert_eq!(last.span.start, room.span.end);
            if strategy == Strategy::Changes {
                assert!(matches!(last.content, PieceContent::Derived { .. }));
            } else {
                assert_eq!(last.content, PieceContent::Zeros);
                assert_eq!(last.span.end % 65_536, 0);
            }
            // Readers read these zeros, so a barrier must prove that caches have them.
            let is_proven = with.steps.iter().any(|step| match &step.action {
                Action::Barrier(barrier) => barrier.probes.iter().any(|p| p.span == room.span),
                _ => false,
            });
            assert!(is_proven);
            // The plan holds these zeros as an inline piece. The check refuses a piece with a byte
            // other than zero, and also a piece of fewer zeros.
            for (len, byte) in [(479, 0), (480, 1)] {
                let mut other = with.clone();
                let pieces = &mut append(&mut other).pieces;
                let Span { start, end } = room.span;
                let span = Span { start, end: start + len as u64 };
                pieces[at] = Piece { span, content: PieceContent::Inline(std::vec![byte; len]) };
                if span.end < end {
                    let span = Span { start: span.end, end };
                    pieces.insert(at + 1, Piece { span, content: PieceContent::Zeros });
                }
                let refused = check(&other, &snapshot).map_err(|fault| fault.breach);
                assert_eq!(refused.unwrap_err(), Breach::NoRoom);
            }
        }
        // If the zeros reach into the next slice, the block has one slice more.
        let mut snapshot = world().scanned();
        snapshot.room_len = 480;
        for (size, end) in [(65_024, 131_072 + 65_536), (65_025, 131_072 + 131_072)] {
            let plan = plan(&snapshot, &[put(9, size)], &UpdatePolicy::default()).unwrap();
            assert_eq!(plan.append().unwrap().span().end, end);
        }
    }

    #[test]
    fn in_a_package_in_parts_the_room_follows_the_edits() {
        // spec: R-CDN-19, R-PART-37
        // In these plans, extension tables and a new index follow the room.
        for strategy in [Strategy::Changes, Strategy::Fold] {
            let mut snapshot = snapshot(Strategy::Changes);
            if strategy == Strategy::Fold {
                let world = crate::world::in_parts(2600, 8);
                snapshot = world.scanned();
                snapshot.base = None;
            }
            snapshot.room_len = 480;
            let components = (0..9).map(|n| component(100 + n, 10));
            let edits: Vec<_> = [put(9, 6), remove(3)].into_iter().chain(components).collect();
            let plan = plan(&snapshot, &edits, &UpdatePolicy::default()).unwrap();
            assert_eq!((plan.strategy, check(&plan, &snapshot)), (strategy, Ok(())));
            let pieces = &plan.append().unwrap().pieces;
            let zeros = PieceContent::Inline(std::vec![0; 480]);
            let room = pieces.iter().position(|piece| piece.content == zeros).unwrap();
            let is_edit = |piece: &Piece| matches!(piece.content, PieceContent::Edit { .. });
            // A fold writes no seal for the removal.
            let edits = 1 + usize::from(strategy == Strategy::Changes) + 9;
            assert_eq!(pieces.iter().filter(|piece| is_edit(piece)).count(), edits);
            assert!(!pieces[room..].iter().any(is_edit));
            assert!(pieces.len() > room + 2, "tables and the index follow");
            let mut other = plan.clone();
            append(&mut other).pieces[room].content = PieceContent::Zeros;
            let refused = check(&other, &snapshot).map_err(|fault| fault.breach);
            assert_eq!(refused, Err(Breach::NoRoom));
        }
    }

    #[test]
    fn a_plan_begins_with_a_barrier_on_the_head() {
        // spec: R-CDN-17
        breaks(Strategy::Delta, Breach::NoFirstBarrier, |plan| drop(plan.steps.remove(0)));
        breaks(Strategy::Delta, Breach::NoFirstBarrier, |plan| {
            let Action::Barrier(barrier) = &mut plan.steps[0].action else { unreachable!() };
            barrier.probes[0].span.end -= 1;
        });
    }

    #[test]
    fn a_plan_says_what_it_does() {
        // spec: R-CDN-40, R-CDN-41
        use Strategy::{Delta, Fold, SecondTable};
        breaks(Delta, Breach::OtherPackage, |plan| plan.file_id[0] ^= 1);
        breaks(Delta, Breach::State, |plan| plan.before.len += 1);
        breaks(Delta, Breach::Strategy, |plan| plan.strategy = Fold);
        breaks(Delta, Breach::Edits, |plan| plan.edits[1] = plan.edits[0]);
        breaks(Delta, Breach::Incomplete, |plan| plan.edits.truncate(1));
        // A removal in a fold has no seal.
        let removes = |n| {
            let Edit::Remove(sealed) = remove(n) else { unreachable!() };
            let digest = Digest::default();
            Edit::Remove(crate::Remove { seal_len: 0, digest, replaced_len: 42, ..sealed })
        };
        breaks(Fold, Breach::Edits, |plan| plan.edits[1] = removes(99));
        breaks(Fold, Breach::Derived, |plan| plan.edits[1] = removes(2));
        breaks(Fold, Breach::Edits, |plan| {
            let Edit::Remove(with_seal) = &mut plan.edits[1] else { unreachable!() };
            with_seal.seal_len = 32;
        });
        let digest = Digest::default();
        breaks(Delta, Breach::ProbeDigest, |plan| {
            append(plan).pieces[0].content = PieceContent::Edit { edit: 0, digest };
        });
        breaks(Delta, Breach::ProbeUnknown, |plan| {
            let Action::Barrier(barrier) = &mut plan.steps[2].action else { unreachable!() };
            barrier.probes[0].span.end -= 1;
        });
        breaks(SecondTable, Breach::Incomplete, |plan| {
            plan.edits.retain(|edit| *edit != Edit::ExplicitIds);
        });
        let (mut plan, snapshot) = planned(Delta);
        plan.cost.bytes_written += 1;
        assert_eq!(check(&plan, &snapshot).unwrap_err().law(), Law::Plan);
        plan.steps[3].after.len += 1;
        let fault = check(&plan, &snapshot).unwrap_err();
        assert_eq!((fault.step, fault.breach), (Some(3), Breach::State));
    }

    fn replaced(edit: &mut Edit) -> &mut u64 {
        match edit {
            Edit::Put(put) => &mut put.replaced_len,
            Edit::Remove(remove) => &mut remove.replaced_len,
            _ => unreachable!(),
        }
    }

    #[test]
    fn what_dies_is_what_the_package_has() {
        // spec: R-CDN-41
        use Strategy::{Delta, FirstTable, Fold, SecondTable};
        // Region 1 has 10 bytes and a seal of 32 bytes. Region 9 is new.
        let lens = |plan: &Plan| plan.edits.iter().map(Edit::replaced_len).collect::<Vec<_>>();
        let (plan, _) = planned(Delta);
        assert_eq!((lens(&plan), plan.cost.bytes_dying), ([0, 42].to_vec(), 42));
        let (plan, _) = planned(Fold);
        assert_eq!((lens(&plan), plan.cost.bytes_dying), ([0, 42].to_vec(), 42 + 61_368));
        for strategy in [Delta, Fold] {
            for i in [0, 1] {
                breaks(strategy, Breach::ReplacedLen, |plan| {
                    *replaced(&mut plan.edits[i]) += 1;
                    plan.cost.bytes_dying += 1;
                });
            }
        }
        for strategy in [Delta, FirstTable, SecondTable, Fold] {
            breaks(strategy, Breach::Cost, |plan| plan.cost.bytes_dying += 1);
        }
        // Look-ups prove the same lengths as the whole index. Without look-ups, only the sum of the
        // lengths is checked.
        let (mut plan, _) = planned(Delta);
        let mut snapshot = world().snapshot().unwrap();
        snapshot.set_found([(id(1), Some(10)), (id(9), None)]);
        assert_eq!(check(&plan, &snapshot), Ok(()));
        *replaced(&mut plan.edits[0]) = 1;
        assert_eq!(check(&plan, &snapshot).unwrap_err().breach, Breach::ReplacedLen);
        snapshot.set_found([]);
        assert_eq!(check(&plan, &snapshot).unwrap_err().breach, Breach::Cost);
        plan.cost.bytes_dying += 1;
        assert_eq!(check(&plan, &snapshot), Ok(()));
    }

    #[test]
    fn a_removal_is_listed_in_a_group_of_removals_in_front_of_its_region() {
        // spec: R-CDN-22, R-GONE-03
        let mut world = world();
        let step = |world: &mut World, edits: &[Edit]| {
            let snapshot = world.scanned();
            let plan = plan(&snapshot, edits, &UpdatePolicy::default()).unwrap();
            world.apply(&plan, &snapshot);
        };
        step(&mut world, &[put(1, 5)]);
        step(&mut world, &[remove(2)]);
        // Group 8 lists the put, and group 7 lists the removal. The next update removes regions 1
        // and 0.
        let snapshot = world.scanned();
        let removal = [remove(1), remove(0)];
        let sound = plan(&snapshot, &removal, &UpdatePolicy::default()).unwrap();
        assert_eq!(check(&sound, &snapshot), Ok(()));
        let fails = |expected: Breach, change: &dyn Fn(&mut Plan)| {
            let mut plan = sound.clone();
            change(&mut plan);
            repair(&mut plan, &snapshot);
            assert_eq!(check(&plan, &snapshot).unwrap_err().breach, expected);
        };
        // The changes hit the first entry: its size, its offset, and its id.
        fails(Breach::Unwritten, &|plan| reserve(plan).after[20] = 1);
        fails(Breach::Unwritten, &|plan| reserve(plan).after[16] += 1);
        fails(Breach::Incomplete, &|plan| reserve(plan).after[0] = 3);
        fails(Breach::Edits, &|plan| {
            let Edit::Remove(removed) = &mut plan.edits[0] else { unreachable!() };
            removed.digest = Digest::default();
        });
        fails(Breach::Edits, &|plan| plan.edits[0] = remove(77));
        // In the first plan, the removals are in group 8, which lists puts. In the second plan, the
        // removal of region 1 is in group 8, but the newer group 7 lists the put of region 1.
        let at = |group: u64| 4168 + 8 + 6136 * group;
        fails(Breach::Incomplete, &|plan| {
            reserve(plan).at = at(8) + 16 + 24;
            let switch = switch(plan);
            (switch.at, switch.field) = (at(8) + 12, crate::Field::DeltaLength { group: 8 });
            switch.after = [3].to_vec();
        });
        let mut world = fresh(5);
        for (group, tag, n) in [(8, *b"gone", 2), (7, *b"none", 1)] {
            let at = at(group) as usize;
            world.bytes[at + 8..at + 12].copy_from_slice(&tag);
            world.bytes[at + 12] = 1;
            world.bytes[at + 16..at + 32].copy_from_slice(&id(n).to_bytes_le());
        }
        world.bytes[at(8) as usize..at(8) as usize + 8].copy_from_slice(&131_072_u64.to_le_bytes());
        let snapshot = world.snapshot().unwrap();
        let removes = |n| plan(&snapshot, &[remove(n)], &UpdatePolicy::default()).unwrap();
        let field = |plan: &Plan| plan.switch().unwrap().1.field;
        assert_eq!(field(&removes(3)), crate::Field::DeltaLength { group: 8 });
        let behind = removes(1);
        assert_eq!(field(&behind), crate::Field::DeltaLength { group: 6 });
        let mut hidden = removes(3);
        hidden.edits[0] = remove(1);
        let entry = reserve(&mut hidden);
        entry.after[..16].copy_from_slice(&id(1).to_bytes_le());
        repair(&mut hidden, &snapshot);
        assert_eq!(check(&hidden, &snapshot).unwrap_err().breach, Breach::Incomplete);
    }

    #[test]
    fn every_breach_names_its_law() {
        let (mut plan, snapshot) = planned(Strategy::Delta);
        plan.steps.remove(0);
        let fault = check(&plan, &snapshot).unwrap_err();
        let expected = "the plan breaks law W8 in step 0: the first step must be a barrier on the \
                        whole current head";
        assert_eq!(std::string::ToString::to_string(&fault), expected);
        let laws: Vec<_> = [Breach::Read, Breach::NoBarrier, Breach::Torn, Breach::NoSwitch]
            .iter()
            .map(Breach::law)
            .collect();
        assert_eq!(laws, [Law::W1, Law::W2, Law::W3, Law::W4]);
    }
}
