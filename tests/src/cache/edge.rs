//! The contents of an edge's cache: for each slice the states in which it can have fetched it.

use super::origin::{HEAD, Origin};

/// How old a slice outside the head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Age {
    /// As old as the last barrier allows, like the head's slices.
    Renewed,
    /// Fetched at any earlier moment and never fetched again: data that is cached as immutable.
    Kept,
    /// Neither the slice nor the head is cached; all bytes come from the origin.
    Fresh,
}

/// A kind of edge.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// Its slice length.
    pub slice: u64,
    /// How old its data may be.
    pub age: Age,
}

/// One slice's contribution to an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Number of the slice.
    pub slice: u64,
    /// The moment at which it was fetched.
    pub moment: usize,
    /// If the slice was written while it was fetched: the offset from which its bytes are of a
    /// later moment, and that moment.
    pub torn: Option<(u64, usize)>,
    /// The wanted bytes; `None` if the slice does not have all of them.
    pub bytes: Option<Vec<u8>>,
}

impl Part {
    /// Returns whether its bytes differ from the present ones.
    #[must_use]
    pub fn is_old(&self, now: &Self) -> bool {
        self.bytes != now.bytes
    }
}

/// A head, and the slices that it was made of.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their hash.
    pub hash: [u8; 32],
    /// The number of its slices that are not of the present state.
    pub old: usize,
    /// The slices that are not of the present state, as text.
    pub told: String,
}

/// The heads that an edge can answer with.
#[derive(Debug)]
pub struct Heads {
    /// The heads, without duplicates.
    pub heads: Vec<Head>,
    /// The number of mixes of slices that were built.
    pub mixes: u64,
    /// Whether there were more mixes than were built.
    pub sampled: bool,
}

/// The maximum number of mixes of one head that are built one by one.
const MIXES_MAX: usize = 4096;
/// The maximum number of positions at which a slice is torn, for each pair of states.
const TEARS_MAX: usize = 24;

impl Edge {
    /// Returns the first and the last moment at which an edge can have fetched a slice, if it
    /// answers at `moment`.
    fn window(self, origin: &Origin, moment: usize, slice: u64) -> (usize, usize) {
        match self.age {
            Age::Fresh => (moment, moment),
            Age::Kept if slice * self.slice >= HEAD => (0, moment),
            _ => (origin.moments()[moment].floor, moment),
        }
    }

    /// Returns the states in which an edge can hold a range within one slice: first the present
    /// state, then other distinct states, then torn ones.
    #[must_use]
    pub fn parts(self, origin: &Origin, moment: usize, at: u64, len: u64) -> Vec<Part> {
        let slice = at / self.slice;
        let mut out: Vec<Part> = Vec::new();
        let mut add = |part: Part| {
            if !out.iter().any(|seen| seen.bytes == part.bytes) {
                out.push(part);
            }
        };
        for moment in origin.changes(self.window(origin, moment, slice), at, len).into_iter().rev()
        {
            let bytes = origin.read(moment, at, len);
            add(Part { slice, moment, torn: None, bytes });
        }
        let whole = out.clone();
        for older in &whole {
            for newer in whole.iter().filter(|newer| newer.moment > older.moment) {
                for torn in tear(older, newer, at) {
                    if !out.iter().any(|seen| seen.bytes == torn.bytes) {
                        out.push(torn);
                    }
                }
            }
        }
        out
    }

    /// Returns one of the answers that edges of this kind can give, with up to three tears in each
    /// slice; `None` if a slice is short. `pick(n)` chooses a number below `n`.
    pub fn sample(
        self,
        origin: &Origin,
        moment: usize,
        (at, len): (u64, u64),
        pick: &mut dyn FnMut(usize) -> usize,
    ) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(len as usize);
        for (at, len) in self.cut(at, len) {
            let (floor, top) = self.window(origin, moment, at / self.slice);
            let mut then = floor + pick(top - floor + 1);
            let mut bytes = origin.read(then, at, len)?;
            let mut start = 0;
            for _ in 0..pick(4) {
                // The slice was read in ascending order during a write, so all words after a
                // certain position are of a later moment.
                then += pick(top - then + 1);
                start += pick(bytes.len() - start);
                let cut = (at as usize + start).next_multiple_of(8) - at as usize;
                if cut < bytes.len() {
                    let later = origin.read(then, at, len)?;
                    bytes[cut..].copy_from_slice(&later[cut..]);
                    start = cut;
                }
            }
            out.extend(bytes);
        }
        Some(out)
    }

    /// Splits a range at the borders of slices.
    #[must_use]
    pub fn cut(self, at: u64, len: u64) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        let mut start = at;
        while start < at + len {
            let end = (start / self.slice + 1).saturating_mul(self.slice).min(at + len);
            out.push((start, end - start));
            start = end;
        }
        out
    }

    /// Returns every head that an edge can answer with at a moment: all combinations of whole
    /// states, and each torn slice with the other slices in the present or the oldest state.
    #[must_use]
    pub fn heads(self, origin: &Origin, moment: usize) -> Heads {
        let ranges = self.cut(0, HEAD);
        let slices: Vec<Vec<Part>> =
            ranges.iter().map(|(at, len)| self.parts(origin, moment, *at, *len)).collect();
        let whole: Vec<usize> =
            slices.iter().map(|s| s.iter().filter(|part| part.torn.is_none()).count()).collect();
        let mut out = Heads { heads: Vec::new(), mixes: 0, sampled: false };
        let mut seen = std::collections::HashSet::new();
        let mut add = |choice: &[usize], out: &mut Heads| {
            out.mixes += 1;
            let head = assemble(&slices, choice);
            if seen.insert(head.hash) {
                out.heads.push(head);
            }
        };
        let mut choice = vec![0; slices.len()];
        loop {
            add(&choice, &mut out);
            if out.mixes as usize >= MIXES_MAX {
                out.sampled = true;
                break;
            }
            let Some(next) = (0..choice.len()).find(|i| choice[*i] + 1 < whole[*i]) else { break };
            choice[next] += 1;
            choice[..next].fill(0);
        }
        for (i, parts) in slices.iter().enumerate() {
            for torn in whole[i]..parts.len() {
                for oldest in [false, true] {
                    let mut choice: Vec<_> =
                        whole.iter().map(|n| if oldest { n - 1 } else { 0 }).collect();
                    choice[i] = torn;
                    add(&choice, &mut out);
                }
            }
        }
        out
    }
}

fn assemble(slices: &[Vec<Part>], choice: &[usize]) -> Head {
    let mut bytes = Vec::with_capacity(HEAD as usize);
    let (mut old, mut told) = (0, String::new());
    for (parts, i) in slices.iter().zip(choice) {
        let part = &parts[*i];
        bytes.extend(part.bytes.as_ref().expect("a package has a whole head"));
        if *i > 0 {
            old += 1;
            told += &part.to_string();
        }
    }
    Head::new(bytes, old, told)
}

impl Head {
    /// A head, and the slices that it was made of.
    #[must_use]
    pub fn new(bytes: Vec<u8>, old: usize, told: String) -> Self {
        let hash = *blake3::hash(&bytes).as_bytes();
        Self { bytes, hash, old, told }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, " [slice {} of moment {}", self.slice, self.moment)?;
        if let Some((at, later)) = self.torn {
            write!(f, ", from byte {at} on of moment {later}")?;
        }
        if self.bytes.is_none() {
            write!(f, ", short")?;
        }
        write!(f, "]")
    }
}

/// Returns the answers that an origin can give during a write. It reads in ascending order, so the
/// start of an answer is not newer than its end. A word of eight aligned bytes is never torn (W3).
fn tear(older: &Part, newer: &Part, at: u64) -> Vec<Part> {
    let (Some(front), Some(back)) = (&older.bytes, &newer.bytes) else { return Vec::new() };
    let word = |i: usize| (at + i as u64) / 8;
    let mut cuts: Vec<usize> = Vec::new();
    let mut last = None;
    for i in (0..front.len()).filter(|i| front[*i] != back[*i]) {
        if last != Some(word(i)) {
            cuts.push((word(i) * 8).saturating_sub(at) as usize);
            last = Some(word(i));
        }
    }
    // A tear before the first difference would change nothing.
    let step = cuts.len().div_ceil(TEARS_MAX).max(1);
    let torn = |cut: &usize| {
        let bytes = [&front[..*cut], &back[*cut..]].concat();
        let (slice, moment) = (older.slice, older.moment);
        Part { slice, moment, torn: Some((at + *cut as u64, newer.moment)), bytes: Some(bytes) }
    };
    cuts.iter().skip(1).step_by(step).map(torn).collect()
}
