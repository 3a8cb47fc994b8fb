//! A package in its state before or after some steps of a plan. No step is carried out for this: an
//! overlay is the same file with a different head and length.

use super::UpdateFault;
use super::execute::failed;
use crate::Error;
use crate::fetch::source::{ReadAt, read_full, read_span};
use crate::read::view::read_failed;
use dacti_cdn::{
    Action, Breach, Fault, HEAD_LEN, IndexEntries, IndexEntriesReader, Plan, Reserve, Snapshot,
    SnapshotReader, Switch,
};
use daicon_core::Span;
use std::io;
use std::sync::Arc;

/// A source with a different head and length.
#[derive(Debug, Clone)]
pub(super) struct Overlay {
    source: Arc<dyn ReadAt>,
    head: Vec<u8>,
    len: u64,
}

/// Which bytes the head gets where steps change it: the bytes before the steps, or those after
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

impl Overlay {
    /// Returns the file in its state before the plan, although steps may have been done.
    pub(super) fn before(source: Arc<dyn ReadAt>, plan: &Plan) -> Result<Self, Error> {
        Self::new(source, plan, Side::Before, plan.before.len)
    }

    /// Returns the file in its state after the plan. The bytes of the append are not in it.
    pub(super) fn after(source: Arc<dyn ReadAt>, plan: &Plan) -> Result<Self, Error> {
        Self::new(source, plan, Side::After, plan.after().len)
    }

    fn new(source: Arc<dyn ReadAt>, plan: &Plan, side: Side, len: u64) -> Result<Self, Error> {
        let head = read_span(&*source, Span { start: 0, end: HEAD_LEN });
        let mut head = head.map_err(failed("read"))?;
        for (step, number) in plan.steps.iter().zip(0_u32..) {
            if let Action::Reserve(Reserve { at, before, after })
            | Action::Switch(Switch { at, before, after, .. }) = &step.action
            {
                let bytes = if side == Side::Before { before } else { after };
                let at = usize::try_from(*at).unwrap_or(usize::MAX);
                let place = head.get_mut(at..at.saturating_add(bytes.len()));
                let fault = Fault { step: Some(number), breach: Breach::OutsideHead };
                place.ok_or(UpdateFault::from(fault))?.copy_from_slice(bytes);
            }
        }
        Ok(Self { source, head, len })
    }
}

impl ReadAt for Overlay {
    fn is_in_parts(&self) -> bool {
        self.source.is_in_parts()
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(rest) = self.head.get(start..).filter(|rest| !rest.is_empty()) {
            let len = rest.len().min(buf.len());
            for (to, from) in buf.iter_mut().zip(rest) {
                *to = *from;
            }
            return Ok(len);
        }
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let len = left.min(buf.len());
        read_full(&*self.source, at, buf.get_mut(..len).unwrap_or_default())
    }
}

/// Reads the snapshot of a package of `len` bytes. A planner of a package in parts also needs the
/// list of parts.
pub(in crate::write) fn read_snapshot(source: &dyn ReadAt, len: u64) -> Result<Snapshot, Error> {
    let mut reader = SnapshotReader::new(len);
    while let Some(want) = reader.want() {
        reader.feed(&read_span(source, want).map_err(read_failed)?)?;
    }
    Ok(reader.finish()?)
}

/// Reads all entries of the index into a snapshot, for a fold.
pub(super) fn read_entries(source: &dyn ReadAt, snapshot: &mut Snapshot) -> Result<(), Error> {
    let scan = snapshot.entries_reader()?;
    snapshot.set_entries(read_all(source, scan, snapshot.index())?);
    Ok(())
}

/// Reads the entries before the base groups into a snapshot, for a run of changes.
pub(super) fn read_changes(source: &dyn ReadAt, snapshot: &mut Snapshot) -> Result<(), Error> {
    let scan = snapshot.changes_reader()?;
    let base = snapshot.base_groups().map_or(0, |base| base.span.start);
    let groups = Span { end: base, ..snapshot.index() };
    snapshot.set_changes(read_all(source, scan, groups)?);
    Ok(())
}

/// Runs a scan to its end. The bytes of the scan lie in `groups`.
fn read_all(
    source: &dyn ReadAt,
    mut scan: IndexEntriesReader,
    groups: Span,
) -> Result<IndexEntries, Error> {
    let (mut at, mut ahead) = (0, Vec::new());
    while let Some(want) = scan.want() {
        let known = Span { start: at, end: at.saturating_add(len_of(&ahead)) };
        if !known.contains(&want) {
            let end = want.start.saturating_add(READ_AHEAD).min(groups.end).max(want.end);
            ahead = read_span(source, Span { start: want.start, end }).map_err(read_failed)?;
            at = want.start;
        }
        let skip = usize::try_from(want.start.saturating_sub(at)).unwrap_or(usize::MAX);
        scan.feed(ahead.get(skip..).unwrap_or_default())?;
    }
    Ok(scan.finish()?)
}

/// The number of bytes of the index that are read at once.
const READ_AHEAD: u64 = 256 * 1024;

fn len_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
