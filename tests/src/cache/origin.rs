//! The origin: one file in the state after each write. It keeps the file in pages.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The length of the head, which readers fetch as one range.
pub const HEAD: u64 = 65_536;
/// The length of a page in bytes. The length of every slice is a multiple of this length.
const PAGE: u64 = 4096;

type Page = Arc<[u8]>;

/// A step of a plan, with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes bytes after the end of the file.
    Append {
        /// The position of the first byte.
        at: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Writes bytes of the head to which no view leads before the switch.
    Reserve {
        /// The position of the first byte.
        at: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Waits until every edge answers with a head that is at least as new as this step.
    Barrier,
    /// Writes the field that publishes the plan.
    Switch {
        /// Its position.
        at: u64,
        /// Its new bytes.
        bytes: Vec<u8>,
    },
}

/// The state of the file after a write, before the next write.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The moment of the last barrier. Edges answer with no older head.
    pub floor: usize,
    /// The number of the plan that wrote last, counted from 1, or 0 before the first plan.
    pub plan: usize,
    /// A description of the last write.
    pub label: String,
    /// Whether the last write completed a step.
    pub whole: bool,
}

/// A file in all its states.
#[derive(Clone, Debug)]
pub struct Origin {
    /// For each page, its contents and the moment at which each was written. Pages of zeros are
    /// left out.
    pages: BTreeMap<u64, Vec<(usize, Page)>>,
    lens: Vec<u64>,
    moments: Vec<Moment>,
}

impl Origin {
    /// Creates a file: the bytes of `file`, and then zeros up to the length `len`. At first, every
    /// cache has this state.
    #[must_use]
    pub fn new(file: &[u8], len: u64) -> Self {
        let pages = file.chunks(PAGE as usize).enumerate().filter(|(_, page)| {
            page.iter().any(|byte| *byte != 0) // pages of zeros are not stored
        });
        let full = |page: &[u8]| {
            let mut page = page.to_vec();
            page.resize(PAGE as usize, 0);
            Page::from(page)
        };
        Self {
            pages: pages.map(|(i, page)| (i as u64, vec![(0, full(page))])).collect(),
            lens: vec![len.max(file.len() as u64)],
            moments: vec![Moment { floor: 0, plan: 0, label: "before".to_owned(), whole: true }],
        }
    }

    /// Returns all moments, from the first to the last.
    #[must_use]
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// Returns the last moment.
    #[must_use]
    pub fn now(&self) -> usize {
        self.moments.len() - 1
    }

    /// Returns the length of the file at a moment.
    #[must_use]
    pub fn len(&self, moment: usize) -> u64 {
        self.lens[moment]
    }

    /// Carries out one step. A switch within one aligned word is a single write. Other steps are
    /// several writes, so that readers see the states between them.
    pub fn run(&mut self, plan: usize, number: usize, op: &Op) {
        let (name, at, bytes, cuts) = match op {
            Op::Barrier => {
                let floor = self.moments.len();
                self.push(plan, format!("{number} barrier"), self.lens[self.now()], true);
                self.moments[floor].floor = floor;
                return;
            }
            Op::Append { at, bytes } => ("append", *at, bytes, thirds(bytes.len(), 4096)),
            Op::Reserve { at, bytes } => ("reserve", *at, bytes, thirds(bytes.len(), 8)),
            Op::Switch { at, bytes } => ("switch", *at, bytes, words(*at, bytes.len())),
        };
        let mut start = 0;
        for end in cuts {
            let (from, to) = (at + start as u64, at + end as u64);
            let len = self.lens[self.now()].max(to);
            let label = format!("{number} {name} {from}..{to}");
            self.push(plan, label, len, end == bytes.len());
            self.write(from, &bytes[start..end]);
            start = end;
        }
    }

    fn push(&mut self, plan: usize, label: String, len: u64, whole: bool) {
        let floor = self.moments[self.now()].floor;
        self.moments.push(Moment { floor, plan, label, whole });
        self.lens.push(len);
    }

    /// Writes bytes, as a change of the present moment.
    fn write(&mut self, mut at: u64, mut bytes: &[u8]) {
        let now = self.now();
        while !bytes.is_empty() {
            let inside = (at % PAGE) as usize;
            let (part, rest) = bytes.split_at(bytes.len().min(PAGE as usize - inside));
            let states = self.pages.entry(at / PAGE).or_default();
            let mut page =
                states.last().map_or_else(|| vec![0; PAGE as usize], |(_, page)| page.to_vec());
            page[inside..inside + part.len()].copy_from_slice(part);
            states.push((now, page.into()));
            at += part.len() as u64;
            bytes = rest;
        }
    }

    /// Returns `len` bytes at `at`, as they were at a moment. Returns `None` if the file was
    /// shorter then.
    #[must_use]
    pub fn read(&self, moment: usize, at: u64, len: u64) -> Option<Vec<u8>> {
        let end = at + len;
        if end > self.lens[moment] {
            return None;
        }
        let mut out = vec![0; len as usize];
        for (page, states) in self.pages.range(at / PAGE..end.div_ceil(PAGE)) {
            let Some((_, bytes)) = states.iter().rev().find(|(from, _)| *from <= moment) else {
                continue;
            };
            let (start, stop) = ((page * PAGE).max(at), (page * PAGE + PAGE).min(end));
            let inside = (start - page * PAGE) as usize..(stop - page * PAGE) as usize;
            out[(start - at) as usize..(stop - at) as usize].copy_from_slice(&bytes[inside]);
        }
        Some(out)
    }

    /// Returns those moments of `from..=to` at which a range may have changed, in ascending order.
    /// The first is always `from`.
    #[must_use]
    pub fn changes(&self, (from, to): (usize, usize), at: u64, len: u64) -> Vec<usize> {
        let end = at + len;
        let pages = self.pages.range(at / PAGE..end.div_ceil(PAGE));
        let written = pages.flat_map(|(_, states)| states.iter().map(|(moment, _)| *moment));
        // If the file grows, its new bytes become readable. The range changes when the file becomes
        // long enough for the whole range.
        let grown = (1..self.lens.len()).filter(|i| self.lens[i - 1] < end && self.lens[*i] >= end);
        let mut out: Vec<_> = written.chain(grown).filter(|m| from < *m && *m <= to).collect();
        out.push(from);
        out.sort_unstable();
        out.dedup();
        out
    }
}

/// Returns the lengths after which a long write is interrupted: a third, about two thirds at a
/// multiple of `boundary`, and the full length.
fn thirds(len: usize, boundary: usize) -> Vec<usize> {
    let mut cuts = vec![len / 3, len * 2 / 3 / boundary * boundary, len];
    cuts.retain(|cut| *cut > 0);
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// Returns the lengths after which a switch is interrupted: only at borders of aligned words of
/// eight bytes (W3).
fn words(at: u64, len: usize) -> Vec<usize> {
    let mut cuts: Vec<_> = (1..len).filter(|cut| (at + *cut as u64).is_multiple_of(8)).collect();
    cuts.push(len);
    cuts
}
