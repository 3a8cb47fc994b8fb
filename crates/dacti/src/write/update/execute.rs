//! Carries out a plan on a file, step by step. Each step is on disk before the next one begins.
//!
//! Every step can be repeated, because it writes the same bytes to the same place again. If that
//! place has bytes that do not belong to the plan, the execution stops before it overwrites them.
//! Specification: `docs/spec/dacti-cdn.md`.

use super::block::Block;
use super::file::{Reading, UpdateFile, write_all};
use super::times::Times;
use super::{StateFault, UpdateFault};
use crate::Error;
use crate::fetch::source::{read_full, read_span};
use core::ops::{ControlFlow, Range};
use dacti_cdn::{
    Action, Append, Breach, Digest, Fault, HEAD_LEN, Plan, Reserve, State, Step, Switch,
};
use daicon_core::Span;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The maximum number of bytes that are written at once.
const WRITE_LEN: usize = 1 << 20;

/// The progress that the execution of a plan has made on a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The step with this number, from 0, is next and was not started.
    Before(usize),
    /// The step with this number, from 0, was started but not finished.
    Within(usize),
    /// All steps are done.
    Done,
}

/// The progress of a plan that is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UpdateProgress {
    /// The number of steps that are done.
    pub steps: usize,
    /// The number of all steps.
    pub steps_total: usize,
    /// The number of bytes that were appended.
    pub bytes: u64,
    /// The number of all bytes to append.
    pub bytes_total: u64,
}

/// Carries out the steps `range` of a plan.
///
/// Steps that were done before are done again. Suppose that the disk failed in an earlier attempt.
/// Then reading the bytes back would not prove that they are on disk.
pub(super) fn execute(
    file: &Arc<dyn UpdateFile>,
    plan: &Plan,
    block: &Block<'_>,
    range: Range<usize>,
    progress: &mut dyn FnMut(UpdateProgress) -> ControlFlow<()>,
) -> Result<(), Error> {
    let times = Times::start(&**file).map_err(failed("set the modification time of"))?;
    let bytes_total = plan.append().map_or(0, |append| append.span().len());
    let told = UpdateProgress { steps_total: plan.steps.len(), bytes_total, ..Default::default() };
    let mut execution = Execution { file, plan, block, times, told, progress };
    let steps = plan.steps.iter().enumerate().take(range.end).skip(range.start);
    for (i, step) in steps {
        execution.step(i, step)?;
    }
    Ok(())
}

/// Returns the progress that the execution of a plan has made on the file.
pub(super) fn standing(file: &Arc<dyn UpdateFile>, plan: &Plan) -> Result<Standing, Error> {
    if plan.switch().is_none() {
        return Err(UpdateFault::from(Fault { step: None, breach: Breach::NoSwitch }).into());
    }
    let head = read_head(file)?;
    let found = state_of(file, &head)?;
    if found == plan.after() {
        return Ok(Standing::Done);
    }
    if let Some(step) = (0..plan.steps.len()).find(|i| plan.state_before(*i) == found) {
        return Ok(Standing::Before(step));
    }
    let within = |(i, step): (usize, &Step)| is_within(plan, i, step, found, &head).then_some(i);
    match plan.steps.iter().enumerate().find_map(within) {
        Some(step) => Ok(Standing::Within(step)),
        None => Err(state_fault(plan, 0, found, Some(plan.after()))),
    }
}

/// Returns whether a step was started but not finished, so that the file has some of its bytes.
fn is_within(plan: &Plan, i: usize, step: &Step, found: State, head: &[u8]) -> bool {
    let before = plan.state_before(i);
    match &step.action {
        Action::Append(_) => {
            found.head == before.head && (before.len..=step.after.len).contains(&found.len)
        }
        Action::Reserve(Reserve { at, before: old, after: new })
        | Action::Switch(Switch { at, before: old, after: new, .. }) => {
            found.len == before.len && is_torn(head, *at, old, new, before.head)
        }
        Action::Barrier(_) => false,
    }
}

/// Returns whether the head is in the middle of a write: each byte of the span at `at` is old or
/// new, and the rest of the head is unchanged.
fn is_torn(head: &[u8], at: u64, old: &[u8], new: &[u8], before: Digest) -> bool {
    let len = u64::try_from(old.len()).unwrap_or(u64::MAX);
    let Some(span) = Span::new(at, len) else { return false };
    let mut head = head.to_vec();
    let usize_of = |at| usize::try_from(at).unwrap_or(usize::MAX);
    let range = usize_of(span.start)..usize_of(span.end);
    let Some(found) = head.get_mut(range) else { return false };
    let is_either = |((found, old), new): ((&u8, &u8), &u8)| found == old || found == new;
    if old.len() != new.len() || !found.iter().zip(old).zip(new).all(is_either) {
        return false;
    }
    found.copy_from_slice(old);
    Digest::of(&head) == before
}

struct Execution<'e, 'b> {
    file: &'e Arc<dyn UpdateFile>,
    plan: &'e Plan,
    block: &'e Block<'b>,
    times: Times,
    told: UpdateProgress,
    progress: &'e mut dyn FnMut(UpdateProgress) -> ControlFlow<()>,
}

impl Execution<'_, '_> {
    fn step(&mut self, i: usize, step: &Step) -> Result<(), Error> {
        if !self.file.is_in_place().map_err(failed("open"))? {
            return Err(UpdateFault::Replaced { path: Path::new("").into() }.into());
        }
        match &step.action {
            Action::Append(append) => self.append(i, append)?,
            Action::Reserve(Reserve { at, before, after }) => self.patch(i, *at, before, after)?,
            Action::Switch(Switch { at, before, after, .. }) => {
                self.patch(i, *at, before, after)?;
            }
            Action::Barrier(barrier) => {
                self.file.barrier(barrier).map_err(|error| match error.kind() {
                    io::ErrorKind::Interrupted => Error::Stopped,
                    _ => failed("pass a barrier of")(error),
                })?;
            }
        }
        let found = state_of(self.file, &read_head(self.file)?)?;
        if !self.is_on_the_way(i, found) {
            return Err(state_fault(self.plan, i, found, Some(step.after)));
        }
        self.told.steps = i.saturating_add(1);
        self.tell()
    }

    /// Returns whether the file is in the state after this step, or in the state after a later step
    /// that an earlier execution has done.
    fn is_on_the_way(&self, i: usize, found: State) -> bool {
        self.plan.steps.iter().skip(i).any(|step| step.after == found)
            || matches!(standing(self.file, self.plan), Ok(Standing::Within(within)) if within > i)
    }

    fn append(&mut self, i: usize, append: &Append) -> Result<(), Error> {
        let len = self.file.len().map_err(failed("read"))?;
        let end = append.span().end;
        let before = self.plan.state_before(i).len;
        if len < before || len > end.max(before) {
            let found = state_of(self.file, &read_head(self.file)?)?;
            let after = self.plan.steps.get(i).map(|step| step.after);
            return Err(state_fault(self.plan, i, found, after));
        }
        if let Some(room) = Span::new(len, end.saturating_sub(len)).filter(|room| !room.is_empty())
        {
            self.file.reserve(room).map_err(failed("make room in"))?;
        }
        // Adjacent bytes are collected, so that many small regions are written by few calls.
        let (block, mut together) = (self.block, Together::default());
        block.each(append, &mut |at, bytes| {
            if !together.takes(at, bytes) {
                self.write(i, &mut together, len)?;
                together.at = at;
            }
            together.bytes.extend_from_slice(bytes);
            Ok(())
        })?;
        self.write(i, &mut together, len)?;
        // Zeros at the end are not written, because making the file longer adds them.
        if self.file.len().map_err(failed("read"))? < end {
            self.file.set_len(end).map_err(failed("write"))?;
        }
        self.times.keep(&**self.file).map_err(failed("set the modification time of"))?;
        self.file.sync().map_err(failed("write"))
    }

    /// Writes the collected bytes and drops them from the collection.
    fn write(&mut self, i: usize, together: &mut Together, len: u64) -> Result<(), Error> {
        if together.bytes.is_empty() {
            return Ok(());
        }
        self.hold_against(i, together, len)?;
        write_all(&**self.file, together.at, &together.bytes).map_err(failed("write"))?;
        self.times.keep(&**self.file).map_err(failed("set the modification time of"))?;
        let written = u64::try_from(together.bytes.len()).unwrap_or(u64::MAX);
        self.told.bytes = self.told.bytes.saturating_add(written);
        together.bytes.clear();
        self.tell()
    }

    /// Compares the planned bytes with the bytes that the file already has in their place. Only an
    /// earlier attempt of this plan may have written there. So each byte must be the planned byte
    /// or a zero.
    fn hold_against(&self, i: usize, planned: &mut Together, len: u64) -> Result<(), Error> {
        let Together { at, bytes, existing } = planned;
        let at = *at;
        if at >= len {
            return Ok(());
        }
        existing.resize(bytes.len(), 0);
        let reading = Reading::new(Arc::clone(self.file)).map_err(failed("read"))?;
        let filled = read_full(&reading, at, existing).map_err(failed("read"))?;
        let found = existing.iter().take(filled).zip(&*bytes);
        match found.zip(at..).find(|((found, planned), _)| found != planned && **found != 0) {
            Some((_, at)) => Err(UpdateFault::OtherBytes { step: i.saturating_add(1), at }.into()),
            None => Ok(()),
        }
    }

    /// Writes a piece of the head, by one call unless the system writes less. Returns an error if
    /// the head has a byte there that is neither the old nor the new one.
    fn patch(&mut self, i: usize, at: u64, before: &[u8], after: &[u8]) -> Result<(), Error> {
        let head = read_head(self.file)?;
        let found = Span::new(at, u64::try_from(before.len()).unwrap_or(u64::MAX))
            .and_then(|span| span.slice_of(&head, 0))
            .unwrap_or_default();
        let is_either = |((found, old), new): ((&u8, &u8), &u8)| found == old || found == new;
        let fits = found.len() == after.len() && before.len() == after.len();
        if !fits || !found.iter().zip(before).zip(after).all(is_either) {
            let found = state_of(self.file, &head)?;
            let step_after = self.plan.steps.get(i).map(|step| step.after);
            return Err(state_fault(self.plan, i, found, step_after));
        }
        write_all(&**self.file, at, after).map_err(failed("write"))?;
        let is_switch = self.plan.switch().is_some_and(|(switch, _)| switch == i);
        if found == after || !(is_switch || self.file.reserve_needs_second()) {
            // The head needs no new modification second in two cases: it already had these bytes,
            // or the step is a reserve, whose bytes no view uses before the switch.
            self.times.keep(&**self.file).map_err(failed("set the modification time of"))?;
        } else {
            self.times.advance(&**self.file).map_err(failed("set the modification time of"))?;
        }
        self.file.sync().map_err(failed("write"))
    }

    fn tell(&mut self) -> Result<(), Error> {
        match (self.progress)(self.told) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped),
        }
    }
}

/// Adjacent bytes that are written at once.
#[derive(Debug, Default)]
struct Together {
    at: u64,
    bytes: Vec<u8>,
    /// The bytes that the file has in the same place.
    existing: Vec<u8>,
}

impl Together {
    /// Returns whether `bytes`, which belong at `at`, follow the collected bytes and fit into the
    /// same write.
    fn takes(&self, at: u64, bytes: &[u8]) -> bool {
        let len = self.bytes.len().saturating_add(bytes.len());
        let end = u64::try_from(self.bytes.len()).ok().and_then(|len| self.at.checked_add(len));
        end == Some(at) && len <= WRITE_LEN
    }
}

fn state_fault(plan: &Plan, i: usize, found: State, after: Option<State>) -> Error {
    let before = plan.state_before(i);
    let (step, after) = (i.saturating_add(1), after.unwrap_or(before));
    UpdateFault::State(Box::new(StateFault { step, found, before, after })).into()
}

fn read_head(file: &Arc<dyn UpdateFile>) -> Result<Vec<u8>, Error> {
    let reading = Reading::new(Arc::clone(file)).map_err(failed("read"))?;
    read_span(&reading, Span { start: 0, end: HEAD_LEN }).map_err(failed("read"))
}

fn state_of(file: &Arc<dyn UpdateFile>, head: &[u8]) -> Result<State, Error> {
    let len = file.len().map_err(failed("read"))?;
    Ok(State { len, head: Digest::of(head) })
}

/// Returns an IO error without a path. The caller that opened the package adds the path.
pub(super) fn failed(action: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::io(action, Path::new(""), error)
}
