//! Proves that a plan keeps the laws, whoever made it.
//!
//! The plan is carried out on what the snapshot knows, step by step; nothing is taken from the
//! planner. What a plan does not hold, the content of regions and of a new index, is known by its
//! digest only, unless the snapshot has the entries. Specification: `docs/spec/dacti-cdn.md`,
//! "Laws".

mod fault;
mod head;
mod published;

pub use fault::{Breach, Fault, Law};

use crate::plan::{Wanted, cost};
use crate::{
    Action, Append, Barrier, Content, Cost, Derived, Digest, Edit, Error, HEAD_LEN, Piece, Plan,
    Reserve, Snapshot, State, Switch, check_slice_len,
};
use alloc::vec::Vec;
use daicon_core::Span;
use published::Published;

/// Proves that `plan` keeps the laws W1 to W5 when it is carried out on the file of `snapshot`, and
/// that it says what it does.
///
/// Where the snapshot has the entries of the index, the content of a fold's new index is proven
/// too; else only that all of it stands before the switch, behind a barrier.
///
/// # Errors
/// The first law that is broken, and by which step.
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
    check_edits(plan).map_err(whole)?;
    let expected = Cost { bytes_dying: plan.cost.bytes_dying, ..cost(&plan.steps, plan.slice_len) };
    if plan.cost != expected {
        return Err(whole(Breach::Cost));
    }
    if snapshot.entries().is_some() {
        check_derived(plan, snapshot).map_err(whole)?;
    }
    Ok(())
}

/// What does not depend on the steps.
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

/// The file as the plan leaves it so far.
struct Run<'p> {
    plan: &'p Plan,
    snapshot: &'p Snapshot,
    head: Vec<u8>,
    /// Of the head as it is.
    digest: Digest,
    len: u64,
    pieces: Vec<&'p Piece>,
    /// Which of them stand behind a barrier.
    proven: Vec<bool>,
    /// Whether the head as it is stands behind a barrier.
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
            Action::Append(append) => self.append(append)?,
            Action::Reserve(reserve) => self.reserve(reserve)?,
            Action::Switch(switch) => self.switch(switch)?,
        }
        if i == 0 && !self.head_proven {
            return Err(Breach::NoFirstBarrier);
        }
        Ok(())
    }

    fn append(&mut self, append: &'p Append) -> Result<(), Breach> {
        if self.reserved {
            return Err(Breach::HeadBeforeTail);
        }
        if append.at < self.len {
            return Err(Breach::BytesReused);
        }
        let aligned = |at: u64| at.is_multiple_of(self.plan.slice_len);
        if !aligned(append.at) || !aligned(append.span().end) {
            return Err(Breach::Unaligned);
        }
        let mut end = append.at;
        for piece in &append.pieces {
            if piece.span.start != end || piece.span.end <= end {
                return Err(Breach::NotAscending);
            }
            end = piece.span.end;
            if let Content::Inline(bytes) = &piece.content
                && u64::try_from(bytes.len()) != Ok(piece.span.len())
            {
                return Err(Breach::PieceLen);
            }
            self.pieces.push(piece);
            self.proven.push(false);
        }
        self.len = end;
        Ok(())
    }

    fn reserve(&mut self, reserve: &Reserve) -> Result<(), Breach> {
        let span = self.fits(reserve.at, &reserve.before, &reserve.after)?;
        if !self.snapshot.nobody_reads(span) {
            return Err(Breach::Read);
        }
        self.reserved = true;
        self.write(span, &reserve.after);
        Ok(())
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
        let unproven =
            |(piece, proven): (&&Piece, &bool)| !proven && !matches!(piece.content, Content::Zeros);
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

    /// The bytes of the head that are to be written, held against what stands there.
    fn fits(&self, at: u64, before: &[u8], after: &[u8]) -> Result<Span, Breach> {
        let len = u64::try_from(after.len()).unwrap_or(u64::MAX);
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

/// Each edit has its bytes, once, and no others are appended.
fn check_edits(plan: &Plan) -> Result<(), Breach> {
    let mut expected: Vec<Option<(u64, Digest)>> = plan.edits.iter().map(Edit::bytes).collect();
    let pieces = plan.append().into_iter().flat_map(|append| &append.pieces);
    for piece in pieces {
        let Content::Edit { edit, digest } = piece.content else { continue };
        let slot = usize::try_from(edit).ok().and_then(|edit| expected.get_mut(edit));
        if slot.and_then(Option::take) != Some((piece.span.len(), digest)) {
            return Err(Breach::Edits);
        }
    }
    // What has no bytes needs no piece.
    if expected.iter().flatten().any(|(len, _)| *len > 0) {
        return Err(Breach::Edits);
    }
    Ok(())
}

/// The new index is what entries and edits make.
fn check_derived(plan: &Plan, snapshot: &Snapshot) -> Result<(), Breach> {
    let entries = snapshot.entries().ok_or(Breach::Derived)?;
    let missing = |edit: &Edit| matches!(edit, Edit::Remove { id } if entries.find(*id).is_none());
    if plan.edits.iter().any(missing) {
        return Err(Breach::Edits);
    }
    let derived = Derived::of(plan, snapshot).map_err(|_| Breach::Derived)?;
    let Some(derived) = derived else { return Ok(()) };
    let pieces = plan.append().into_iter().flat_map(|append| &append.pieces);
    let mut expected = pieces.filter(|piece| matches!(piece.content, Content::Derived { .. }));
    let emitted = derived.emit(|_, bytes| {
        let digest = expected.next().and_then(|piece| piece.content.digest());
        if digest == Some(Digest::of(bytes)) { Ok(()) } else { Err(Emitted::Other) }
    });
    emitted.map_err(|_| Breach::Derived)
}

/// Why an emission was stopped.
enum Emitted {
    Other,
}

impl From<Error> for Emitted {
    fn from(_: Error) -> Self {
        Self::Other
    }
}
