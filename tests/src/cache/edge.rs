//! The cache of an edge: for each slice, the states of the file that the cached bytes can have.

use super::origin::{HEAD, Origin};

/// How old the cached bytes of a slice after the head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Age {
    /// They are no older than the last barrier allows. For slices of the head, this holds with
    /// `Kept`, too.
    Renewed,
    /// They may be from any earlier moment, because the cache treats them as immutable and never
    /// fetches them again.
    Kept,
    /// The cache keeps nothing, not even the head. All its answers have the origin's present bytes.
    Fresh,
}

/// A kind of edge, which is a cache that answers readers.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// Its slice length.
    pub slice: u64,
    /// How old its cached bytes may be.
    pub age: Age,
}

/// The bytes that one slice contributes to an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number of the slice.
    pub slice: u64,
    /// The moment at which the cache fetched the slice.
    pub moment: usize,
    /// If the origin wrote into the slice while the cache fetched it, the end of the slice is newer
    /// than its start. Then this is the offset of the first newer byte, and the moment to which the
    /// newer bytes belong.
    pub torn: Option<(u64, usize)>,
    /// The wanted bytes, or `None` if the slice lacks some of them.
    pub bytes: Option<Vec<u8>>,
}

impl Part {
    /// Returns whether the bytes of this part differ from the present bytes. `now` has the present
    /// bytes.
    #[must_use]
    pub fn is_old(&self, now: &Self) -> bool {
        self.bytes != now.bytes
    }
}

/// A head, and a description of the slices from which it was assembled.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The hash of these bytes.
    pub hash: [u8; 32],
    /// The number of slices that are older than the present state.
    pub old: usize,
    /// A description of these slices.
    pub told: String,
}

/// The heads with which an edge can answer.
#[derive(Debug)]
pub struct Heads {
    /// The heads, without duplicates.
    pub heads: Vec<Head>,
    /// The number of mixes of slices that were assembled.
    pub mixes: u64,
    /// Whether further mixes exist that were not assembled.
    pub sampled: bool,
}

/// The maximum number of mixes of one head that are assembled.
const MIXES_MAX: usize = 4096;
/// The maximum number of torn states of a slice that are tried for each pair of moments.
const TEARS_MAX: usize = 24;

impl Edge {
    /// Returns the first and the last moment at which an edge can have fetched a slice, if the edge
    /// answers at `moment`.
    fn window(self, origin: &Origin, moment: usize, slice: u64) -> (usize, usize) {
        match self.age {
            Age::Fresh => (moment, moment),
            Age::Kept if slice * self.slice >= HEAD => (0, moment),
            _ => (origin.moments()[moment].floor, moment),
        }
    }

    /// Returns the states in which an edge can hold a range within one slice. The present state is
    /// the first. Other states follow, without duplicates, and then torn states.
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

    /// Returns one possible answer of an edge of this kind. Up to three writes can happen while the
    /// edge fetches a slice. Returns `None` if a slice is too short. `pick(n)` returns a number
    /// below `n`.
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
                // The cache fetches a slice in ascending order. If the origin writes meanwhile, all
                // words from some position on are of a later moment.
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

    /// Returns every head with which an edge can answer at a moment. These are all combinations of
    /// slices without tears, and each torn slice with all other slices in their present or their
    /// oldest state.
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
    /// Returns a head of these bytes. `told` describes its `old` slices, which are older than the
    /// present state.
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

/// Returns the torn forms of a slice: the start of `older` and the end of `newer`. An origin that
/// is writing can answer with them, because it reads bytes in ascending order. It never tears an
/// aligned word of eight bytes (W3).
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
    // The first cut is left out. All bytes before it are equal, so the torn form would equal
    // `newer`.
    let step = cuts.len().div_ceil(TEARS_MAX).max(1);
    let torn = |cut: &usize| {
        let bytes = [&front[..*cut], &back[*cut..]].concat();
        let (slice, moment) = (older.slice, older.moment);
        Part { slice, moment, torn: Some((at + *cut as u64, newer.moment)), bytes: Some(bytes) }
    };
    cuts.iter().skip(1).step_by(step).map(torn).collect()
}
