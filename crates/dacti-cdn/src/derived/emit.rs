//! The bytes of a new index and its fences, in pieces of bounded length.

use super::NewIndex;
use super::merge::{Change, Listed};
use super::runs::{Grouper, Runs};
use crate::{Action, DerivedRegion, Edit, Error, Misuse, PieceContent, Plan, Snapshot, Strategy};
use alloc::vec;
use alloc::vec::Vec;
use dacti_index::{Entry, GROUP_LEN, GroupHeader, INDEX_HEADER_LEN, emit_group, emit_header};
use dacti_lookup::emit_lookup_with;
use daicon_core::{Span, to_u64};

/// The maximum number of groups in one piece.
const PIECE_GROUPS: usize = 64;

/// The bytes of a new index or a run of changes, computed from a snapshot and the edits of a plan.
/// They are divided into the pieces of the plan's append.
///
/// One pass over the entries finds the runs and their groups, and another pass emits them. This
/// needs memory for one piece, about 400 kB, and 48 bytes for each group. If there is more than one
/// run, each entry needs 8 bytes more.
#[derive(Debug)]
pub struct Derived<'a> {
    new: NewIndex<'a>,
    expected: Vec<(Span, DerivedRegion)>,
}

impl<'a> Derived<'a> {
    /// Returns the bytes that `plan` derives from its snapshot; `None` if the plan writes no index.
    /// The snapshot must have the needed entries: a fold needs all of them, and a run of changes
    /// needs the entries before the base groups.
    ///
    /// # Errors
    /// `Misuse` if plan and snapshot do not belong together, or if the entries of the snapshot were
    /// not read. Otherwise the fault that prevents a new index.
    pub fn of(plan: &Plan, snapshot: &'a Snapshot) -> Result<Option<Self>, Error> {
        let Some(append) = plan.append() else { return Ok(None) };
        let expected: Vec<_> = append
            .pieces
            .iter()
            .filter_map(|piece| match piece.content {
                PieceContent::Derived { region, .. } => Some((piece.span, region)),
                _ => None,
            })
            .collect();
        let Some((first, _)) = expected.first() else { return Ok(None) };
        let changes = changes_of(plan)?;
        let new = if plan.strategy == Strategy::Changes {
            let entries = snapshot.changes()?;
            let new = NewIndex::before_base(snapshot, entries, changes, first.start)?;
            new.map_err(|_| Misuse::NotDerived)?
        } else {
            let entries = snapshot.entries().ok_or(Misuse::IndexNeeded)?;
            NewIndex::fold(snapshot, entries, changes, first.start)?
        };
        if pieces(&new) != expected {
            return Err(Misuse::NotDerived.into());
        }
        Ok(Some(Self { new, expected }))
    }

    /// Returns the spans of the pieces, ascending.
    #[must_use]
    pub fn spans(&self) -> impl ExactSizeIterator<Item = Span> + '_ {
        self.expected.iter().map(|(span, _)| *span)
    }

    /// Returns the place and the bytes of the fences, if they lie in the head. A step of the plan
    /// writes them there.
    pub(crate) fn fences_in_head(&self) -> Result<Option<(Span, Vec<u8>)>, Error> {
        self.new.in_head()
    }

    /// Gives each piece to `take`, ascending, with its position.
    ///
    /// # Errors
    /// The first error of `take`.
    pub fn emit<E: From<Error>>(
        &self,
        take: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        emit_pieces(&self.new, take)
    }
}

/// Returns the changes that the edits of a plan make to the index. The regions and seals in the
/// changes have the positions that the plan has chosen.
fn changes_of(plan: &Plan) -> Result<Vec<Change>, Error> {
    let at = plan.append().map_or(plan.before.len, |append| append.at);
    let keeps_removals = plan.strategy == Strategy::Changes;
    let mut starts = vec![at; plan.edits.len()];
    let appended = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Append(append) => Some(&append.pieces),
        _ => None,
    });
    for piece in appended.flatten() {
        if let PieceContent::Edit { edit, .. } = piece.content {
            let start = usize::try_from(edit).ok().and_then(|edit| starts.get_mut(edit));
            *start.ok_or(Misuse::NotDerived)? = piece.span.start;
        }
    }
    let change = |(edit, start): (&Edit, u64)| match edit {
        Edit::Put(put) => {
            let size = u32::try_from(put.size).ok()?;
            let listed = Listed { id: put.id, start, size, encoding: put.encoding };
            Some(Change { id: put.id, put: Some(listed) })
        }
        Edit::Remove(remove) if keeps_removals => {
            Some(Change::removal(remove.id, start, remove.seal_len))
        }
        Edit::Remove(remove) => Some(Change { id: remove.id, put: None }),
        Edit::Component(_) | Edit::ExplicitIds => None,
    };
    Ok(plan.edits.iter().zip(starts).filter_map(change).collect())
}

/// Returns the spans of the pieces of a new index.
pub(crate) fn pieces(new: &NewIndex<'_>) -> Vec<(Span, DerivedRegion)> {
    let mut pieces = Vec::new();
    if !new.fences.is_empty() && !new.fences_in_head {
        pieces.push((new.fences, DerivedRegion::Fences));
    }
    let mut start = new.written.start;
    let piece_len = GROUP_LEN.saturating_mul(to_u64(PIECE_GROUPS));
    let mut len = INDEX_HEADER_LEN.saturating_add(piece_len);
    while start < new.written.end {
        let end = start.saturating_add(len).min(new.written.end);
        pieces.push((Span { start, end }, DerivedRegion::Index));
        (start, len) = (end, piece_len);
    }
    pieces
}

pub(crate) fn emit_pieces<E: From<Error>>(
    new: &NewIndex<'_>,
    mut take: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(fences) = new.fence_bytes()?
        && !new.fences_in_head
    {
        take(new.fences.start, &fences)?;
    }
    let mut pieces = Pieces { at: new.index.start, bytes: Vec::new(), groups: 0, take };
    let mut header = [0; 8];
    emit_header(new.groups, &mut header).map_err(Error::from)?;
    pieces.bytes.extend_from_slice(&header);
    if let [_] = &new.runs.runs[..] {
        pieces.run(new.merged.iter())?;
    } else {
        for members in new.runs.members(&new.merged) {
            pieces.run(members.into_iter().filter_map(|number| new.merged.get(number)))?;
        }
    }
    pieces.flush()
}

impl NewIndex<'_> {
    /// Returns the lookup region; `None` if there is none.
    fn fence_bytes(&self) -> Result<Option<Vec<u8>>, Error> {
        let Some(stride) = self.stride else { return Ok(None) };
        let mut fences = vec![0; usize::try_from(self.fences.len()).unwrap_or_default()];
        let mut firsts = Firsts::new(&self.runs);
        let first_id = |group| firsts.get(group);
        let (at, specs) = (self.index.start, self.specs());
        emit_lookup_with(at, &specs, stride, first_id, &self.kept, &mut fences)?;
        Ok(Some(fences))
    }

    /// Returns the place and the bytes of the fences, if they lie in the head.
    pub(crate) fn in_head(&self) -> Result<Option<(Span, Vec<u8>)>, Error> {
        let bytes = self.fence_bytes()?.filter(|_| self.fences_in_head);
        Ok(bytes.map(|bytes| (self.fences, bytes)))
    }
}

/// The first ids of the groups, for callers that ask by ascending group number.
struct Firsts<'r> {
    left: alloc::boxed::Box<dyn Iterator<Item = uuid::Uuid> + 'r>,
    next: u32,
}

impl<'r> Firsts<'r> {
    fn new(runs: &'r Runs) -> Self {
        let left = runs.runs.iter().flat_map(|run| run.firsts.iter().copied());
        Self { left: alloc::boxed::Box::new(left), next: 0 }
    }

    fn get(&mut self, group: u32) -> uuid::Uuid {
        let skip = usize::try_from(group.saturating_sub(self.next)).unwrap_or(usize::MAX);
        self.next = group.saturating_add(1);
        self.left.nth(skip).unwrap_or_default()
    }
}

/// Collects groups until they make up a piece.
struct Pieces<F> {
    at: u64,
    bytes: Vec<u8>,
    groups: usize,
    take: F,
}

impl<F> Pieces<F> {
    /// Takes the regions of a run, ascending by id.
    fn run<E: From<Error>>(&mut self, regions: impl Iterator<Item = Listed>) -> Result<(), E>
    where
        F: FnMut(u64, &[u8]) -> Result<(), E>,
    {
        let mut group: Vec<Listed> = Vec::new();
        let mut grouper = Grouper::default();
        for listed in regions {
            if grouper.begins(listed.start) && !group.is_empty() {
                self.group(&group)?;
                group.clear();
            }
            group.push(listed);
        }
        if group.is_empty() { Ok(()) } else { self.group(&group) }
    }

    fn group<E: From<Error>>(&mut self, listed: &[Listed]) -> Result<(), E>
    where
        F: FnMut(u64, &[u8]) -> Result<(), E>,
    {
        if self.groups == PIECE_GROUPS {
            self.flush()?;
        }
        let base = listed.iter().map(|listed| listed.start).min().unwrap_or_default();
        let entry = |listed: &Listed| {
            // The base reaches these regions, because the grouper has checked their distance.
            let offset = u32::try_from(listed.start.saturating_sub(base)).unwrap_or(u32::MAX);
            Entry::new(listed.id, offset, listed.size)
        };
        let entries: Vec<Entry> = listed.iter().map(entry).collect();
        let encoding = listed.first().map_or(dacti_index::Encoding::NONE, |first| first.encoding);
        let length = u8::try_from(entries.len()).unwrap_or(u8::MAX);
        let header = GroupHeader::new(base, encoding, length);
        let start = self.bytes.len();
        let len = usize::try_from(GROUP_LEN).unwrap_or(usize::MAX);
        self.bytes.resize(start.saturating_add(len), 0);
        let out = self.bytes.get_mut(start..).unwrap_or_default();
        emit_group(&header, &entries, out).map_err(Error::from)?;
        self.groups = self.groups.saturating_add(1);
        Ok(())
    }

    fn flush<E>(&mut self) -> Result<(), E>
    where
        F: FnMut(u64, &[u8]) -> Result<(), E>,
    {
        (self.take)(self.at, &self.bytes)?;
        self.at = self.at.saturating_add(to_u64(self.bytes.len()));
        self.bytes.clear();
        self.groups = 0;
        Ok(())
    }
}
