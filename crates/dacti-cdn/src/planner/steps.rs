//! Builds the steps, each with the state of the file after it.
//!
//! The order is always the same: barrier on the current head, append, barrier, reserves, barrier,
//! switch. Reserves write higher positions of the head before lower positions. Specification:
//! `docs/spec/dacti-cdn.md`, "Steps".

use crate::{
    Action, Append, Barrier, Cost, Digest, Edit, Error, Field, HEAD_LEN, Piece, Plan, Probe, Purge,
    Rejected, Reserve, Snapshot, State, Step, Strategy, Switch, UpdatePolicy,
};
use alloc::vec::Vec;
use daicon_core::Span;

const HEAD: Span = Span { start: 0, end: HEAD_LEN };

/// The steps so far.
#[derive(Debug)]
pub(crate) struct Steps<'p> {
    policy: &'p UpdatePolicy,
    head: Vec<u8>,
    before: State,
    state: State,
    taken: Vec<Step>,
    /// The number of bytes that the new view no longer reaches, for the plan's cost. The strategy
    /// sets this number.
    pub(crate) dying: u64,
}

impl<'p> Steps<'p> {
    /// Begins the steps with the barrier on the switch of the previous plan.
    pub(crate) fn new(snapshot: &Snapshot, policy: &'p UpdatePolicy) -> Self {
        let state = snapshot.state();
        let head = snapshot.head.clone();
        let mut steps = Self { policy, head, before: state, state, taken: Vec::new(), dying: 0 };
        steps.barrier_on_head();
        steps
    }

    /// Adds the append, and the barrier on it.
    pub(crate) fn append(&mut self, append: Append) {
        let probes = append.pieces.iter().filter_map(Piece::probe);
        let probes: Vec<_> = probes.map(|(span, digest)| Probe { span, digest }).collect();
        self.state.len = append.span().end;
        self.push(Action::Append(append));
        let purge = match self.policy.purge {
            Purge::Probed => probes.iter().map(|probe| probe.span).collect(),
            Purge::Nothing | Purge::Head => Vec::new(),
        };
        self.push(Action::Barrier(Barrier { probes, purge }));
    }

    /// Adds a write of unused bytes of the head.
    pub(crate) fn reserve(&mut self, at: u64, after: &[u8]) -> Result<(), Error> {
        let before = self.write(at, after)?;
        self.push(Action::Reserve(Reserve { at, before, after: after.to_vec() }));
        Ok(())
    }

    /// Adds the barrier on the reserved bytes, and the switch. If the policy says so, also adds a
    /// barrier on the switch.
    pub(crate) fn switch(&mut self, field: Field, at: u64, after: &[u8]) -> Result<(), Error> {
        self.barrier_on_head();
        let before = self.write(at, after)?;
        self.push(Action::Switch(Switch { field, at, before, after: after.to_vec() }));
        if self.policy.confirm {
            self.barrier_on_head();
        }
        Ok(())
    }

    fn barrier_on_head(&mut self) {
        let probes = [Probe { span: HEAD, digest: self.state.head }].to_vec();
        let purge = match self.policy.purge {
            Purge::Nothing => Vec::new(),
            Purge::Head | Purge::Probed => [HEAD].to_vec(),
        };
        self.push(Action::Barrier(Barrier { probes, purge }));
    }

    fn push(&mut self, action: Action) {
        self.taken.push(Step { action, after: self.state });
    }

    /// Writes into the head. Returns the old bytes.
    fn write(&mut self, at: u64, after: &[u8]) -> Result<Vec<u8>, Error> {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let end = start.saturating_add(after.len());
        // This cannot fail, because the snapshot has checked that all room for updates lies in the
        // head.
        let there = self.head.get_mut(start..end).ok_or(Error::PastLastPosition)?;
        let before = there.to_vec();
        there.copy_from_slice(after);
        self.state.head = Digest::of(&self.head);
        Ok(before)
    }

    pub(crate) fn into_plan(
        self,
        snapshot: &Snapshot,
        edits: &[Edit],
        strategy: Strategy,
        rejected: Vec<Rejected>,
        slice_len: u64,
    ) -> Plan {
        let cost = Cost { bytes_dying: self.dying, ..Cost::of(&self.taken, slice_len) };
        Plan {
            file_id: snapshot.layout.file_id,
            slice_len,
            edits: edits.to_vec(),
            strategy,
            rejected,
            cost,
            before: self.before,
            steps: self.taken,
        }
    }
}
