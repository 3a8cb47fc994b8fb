//! The lookup keys of an open package: with them a region is found in one read of a few groups.
//!
//! They are only a help: where they are missing, of another index, or contradict it, the index is
//! scanned. Specification: `docs/spec/dacti-lookup.md`.

use crate::Error;
use crate::source::{ReadAt, read_span};
use crate::view::{View, read_failed};
use core::iter::Peekable;
use dacti_index::{GROUP_LEN, Group, INDEX_HEADER_LEN, IndexHeader, Located};
use dacti_lookup::{Answer, Contradiction, Key, Lookup, Run, Structure, find_in_groups};
use daicon_core::{Span, Window, struct_at};
use std::sync::OnceLock;
use uuid::Uuid;

/// The lookup region of the index in force, checked when the package was opened.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    at: u64,
    bytes: Vec<u8>,
    /// What a search met first that made it scan.
    contradiction: OnceLock<dacti_lookup::Error>,
}

impl Keys {
    /// Takes the lookup region `bytes`, which stand at `at`, for the index at `index`.
    pub(crate) fn new(bytes: Vec<u8>, at: u64, index: Span, groups: u32) -> Result<Self, Error> {
        let lookup = Lookup::parse(&bytes, at)?;
        if !lookup.is_of(index, groups)? {
            return Err(Error::OtherIndex { at, index_at: lookup.index_at() });
        }
        Ok(Self { at, bytes, contradiction: OnceLock::new() })
    }

    /// What a search met first that made it scan the index instead.
    pub(crate) fn contradiction(&self) -> Option<&dacti_lookup::Error> {
        self.contradiction.get()
    }

    /// What holds every key against its group, and every group of the runs against the one before
    /// it.
    pub(crate) fn checker(&self) -> Result<KeysCheck<'_>, Error> {
        let lookup = Lookup::parse(&self.bytes, self.at)?;
        lookup.check_keys()?;
        let runs = lookup.runs().collect::<Vec<_>>().into_iter().peekable();
        Ok(KeysCheck { runs, number: 0, before: None })
    }

    /// Finds the entry of `id` that counts. `None` where the keys are of no use, and the index is
    /// to be scanned.
    pub(crate) fn find(
        &self,
        source: &dyn ReadAt,
        view: &View,
        id: Uuid,
    ) -> Result<Option<Answer>, Error> {
        match self.search(source, view, id) {
            Ok(answer) => Ok(Some(answer)),
            // An entry that names no place is at fault by itself: a scan finds no better one.
            Err(Error::Lookup(dacti_lookup::Error::Index(fault))) => Err(fault.into()),
            Err(Error::Lookup(fault)) => {
                // The first one is told; later ones are most likely the same.
                let _ = self.contradiction.set(fault);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn search(&self, source: &dyn ReadAt, view: &View, id: Uuid) -> Result<Answer, Error> {
        let lookup = Lookup::parse(&self.bytes, self.at)?;
        let head = view.head();
        let mut fetched = Vec::new();
        let deltas = lookup.delta_groups();
        let start = view.index().start.saturating_add(INDEX_HEADER_LEN);
        let end = start.saturating_add(GROUP_LEN.saturating_mul(u64::from(deltas)));
        let groups = fetch(source, &head, Span { start, end }, &mut fetched)?;
        if let Some(found) = find_in_groups(groups, start, deltas, id)? {
            return Ok(Answer::Found(found));
        }
        let mut search = lookup.search(id);
        while let Some(want) = search.want() {
            search.feed(fetch(source, &head, want, &mut fetched)?)?;
        }
        Ok(search.answer().unwrap_or(Answer::Absent))
    }
}

/// A check of lookup keys while the index is read: it takes every group in turn.
#[derive(Debug)]
pub(crate) struct KeysCheck<'k> {
    runs: Peekable<std::vec::IntoIter<Run<'k>>>,
    /// Number of the next group.
    number: u32,
    /// The last id of the run so far.
    before: Option<Uuid>,
}

impl KeysCheck<'_> {
    /// Takes the next group of the index.
    pub(crate) fn take(&mut self, group: &Group<'_>) -> Result<(), Error> {
        let g = self.number;
        self.number = g.saturating_add(1);
        while self.runs.next_if(|run| run.first_group.saturating_add(run.groups) <= g).is_some() {}
        let Some(run) = self.runs.peek().filter(|run| run.first_group <= g) else {
            return Ok(());
        };
        let in_run = g.saturating_sub(run.first_group);
        if in_run == 0 {
            self.before = None;
        }
        let Some(first) = group.entries().first() else {
            return Err(contradiction(group.at(), Contradiction::EmptyGroup));
        };
        let n = usize::try_from(in_run.checked_div(run.stride).unwrap_or(0)).ok();
        let key = n.and_then(|n| run.keys.get(n)).copied();
        if in_run.is_multiple_of(run.stride) && key != Some(Key::of(first.id.get())) {
            return Err(contradiction(group.at(), Contradiction::FirstKey));
        }
        for entry in group.entries() {
            let id = entry.id.get();
            if self.before.replace(id).is_some_and(|before| before >= id) {
                return Err(contradiction(group.at(), Contradiction::Unsorted));
            }
        }
        Ok(())
    }
}

fn contradiction(at: u64, fault: Contradiction) -> Error {
    dacti_lookup::Error::Contradiction { what: Structure::LookupBlock, at, fault }.into()
}

/// The bytes of `want`, from the head where it has them, else read into `fetched`.
fn fetch<'f>(
    source: &dyn ReadAt,
    head: &Window<'f>,
    want: Span,
    fetched: &'f mut Vec<u8>,
) -> Result<&'f [u8], Error> {
    if let Some(bytes) = head.answer(want) {
        return Ok(bytes);
    }
    *fetched = read_span(source, want).map_err(read_failed)?;
    Ok(fetched)
}

/// How many groups the index at `index` says that it has; `None` where there is no saying.
pub(crate) fn group_count(source: &dyn ReadAt, head: &Window<'_>, index: Span) -> Option<u32> {
    let want = Span::new(index.start, INDEX_HEADER_LEN).filter(|want| index.contains(want))?;
    let mut fetched = Vec::new();
    let bytes = fetch(source, head, want, &mut fetched).ok()?;
    struct_at::<IndexHeader>(bytes).map(|header| header.groups.get())
}

/// A found region, held against the file's length.
pub(crate) fn located(answer: Answer, len: u64) -> Result<Option<Located>, Error> {
    match answer {
        Answer::Found(located) => Ok(Some(located.within(len)?)),
        Answer::Absent => Ok(None),
    }
}
