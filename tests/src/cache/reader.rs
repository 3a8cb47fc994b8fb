//! A reader that obeys R-CDN-30 and R-CDN-33. It reads at one moment, through edges of one kind.
//!
//! It reads everything, in each way that the specification allows. If caches can give several
//! answers to a request, it tries all of them.

use super::edge::{Edge, Head, Part};
use super::origin::{HEAD, Origin};
use crate::reference::{
    BROT, EntrySeen, Found, GONE, GROUP, INDEX, Id, Index, LAYOUT, LOOKUP, NAMES, SEAL, SIGNATURE,
    Segment, region, seal, segment, swap, unbrotli,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// The maximum length of decoded content, in bytes.
const CAP: u64 = 1 << 26;
/// The maximum number of combinations of ambiguous answers that one reader tries. If a plan is
/// correct, no answer is ambiguous.
const WAYS_MAX: usize = 64;
/// The maximum number of answers to one request that the reader tries one by one.
const ANSWERS_MAX: usize = 4096;

/// A reader's result for one region: its content and the seal after it, both as digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// The digest of the content.
    pub content: [u8; 16],
    /// The digest of the seal's bytes.
    pub seal: [u8; 16],
}

/// Returns the first half of a BLAKE3 hash.
#[must_use]
pub fn short_hash(bytes: &[u8]) -> [u8; 16] {
    blake3::hash(bytes).as_bytes()[..16].try_into().expect("sixteen bytes")
}

/// Everything that a reader sees of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The content of each component, except the index and the fences.
    pub components: BTreeMap<(Id, u16), [u8; 16]>,
    /// The answer for each region, without the names list.
    pub regions: BTreeMap<Id, Answer>,
    /// The names list: for each path, the id of the region and its length.
    pub names: BTreeMap<String, (Id, u64)>,
}

/// The reason why a reader gave up. The reader had asked the origin before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The structure that is missing or contradicts itself.
    pub what: String,
    /// Its position.
    pub at: u64,
}

fn refuse<T>(what: impl Into<String>, at: u64) -> Result<T, Refusal> {
    Err(Refusal { what: what.into(), at })
}

/// The check that a reader makes on an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Duty {
    /// The answer needs no check.
    Free,
    /// The header of an index region of `size` bytes must be valid.
    IndexHeader { size: u64 },
    /// The stored bytes must decode, and one of the seals after them must have their digest.
    Stored { id: Id, encoding: [u8; 4], size: u64, seals: Seals, segment_at: Option<u64> },
    /// A block of a run must have the entry of an id, or prove that the run lacks the id.
    Block { id: Id, groups: u64, next: bool, key: u64, next_key: Option<u64> },
}

/// The seals after stored bytes: the length of a seal, or 0 if there are none, and the maximum
/// number of seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seals {
    len: u64,
    max: u64,
}

impl Seals {
    fn of_component(bytes: &[u8]) -> Self {
        let (len, max) = match u32_at(bytes, 4) {
            1 => (32, 1),
            2 => (96, 1),
            3 => (32, u32_at(bytes, 28)),
            _ => (96, u32_at(bytes, 28)),
        };
        Self { len, max: max.into() }
    }

    /// Returns the seal that has this digest. `behind` holds the seals, which follow the stored
    /// bytes.
    fn find<'b>(&self, behind: &'b [u8], digest: &[u8; 32]) -> Option<&'b [u8]> {
        behind.chunks_exact(self.len as usize).find(|seal| seal[..32] == *digest)
    }
}

impl Duty {
    /// Returns whether the bytes pass the check. If they do not, the edge is stale (R-CDN-33).
    fn holds(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Free => true,
            Self::IndexHeader { size } => {
                u32_at(bytes, 0) == 0 && 8 + GROUP * u64::from(u32_at(bytes, 4)) <= *size
            }
            Self::Stored { id, encoding, size, seals, segment_at } => {
                let (stored, behind) = bytes.split_at(*size as usize);
                let digest = seal(*id, *encoding, stored, &hash);
                if seals.len > 0 && seals.find(behind, &digest).is_none() {
                    return false;
                }
                let Ok(content) = decode(stored, *encoding) else { return false };
                segment_at.is_none_or(|at| segment(&content, at).is_ok())
            }
            Self::Block { id, groups, next, key, next_key } => {
                found_in(bytes, *groups, id).is_some()
                    || proves_miss(bytes, *groups, *next, *key, *next_key)
            }
        }
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn decode(stored: &[u8], encoding: [u8; 4]) -> Result<Vec<u8>, &'static str> {
    if encoding == BROT { unbrotli(stored, CAP) } else { Ok(stored.to_vec()) }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn id_at(bytes: &[u8], at: usize) -> Id {
    swap(bytes[at..at + 16].try_into().expect("sixteen bytes"))
}

fn key_of(id: &Id) -> u64 {
    u64::from_be_bytes(id[..8].try_into().expect("eight bytes"))
}

/// The result of a request. If the caches were stale, it is the origin's answer.
#[derive(Clone, Debug)]
struct Outcome {
    bytes: Result<Rc<[u8]>, Refusal>,
    old: usize,
    told: String,
}

/// The result of a reader for one combination of answers.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The reader's view, or the reason why the reader gave up.
    pub view: Result<Rc<View>, Refusal>,
    /// The number of slices in the answers that were older than the origin's present state.
    pub old: usize,
    /// A description of these slices.
    pub told: String,
}

/// Results that depend only on a head. Later moments reuse them.
#[derive(Default)]
pub struct Known {
    directories: HashMap<[u8; 32], Rc<Vec<Way<Directory>>>>,
    entries: HashMap<[u8; 32], Rc<Entries>>,
}

/// The reader's world at one moment: the origin, the edges, and all answers so far.
pub struct World<'o> {
    origin: &'o Origin,
    edge: Edge,
    moment: usize,
    /// The ids that the reader also looks up with the fences.
    probes: &'o [Id],
    answers: HashMap<(u64, u64, Duty), Rc<Vec<Outcome>>>,
    directories: HashMap<[u8; 32], Rc<Vec<Way<Directory>>>>,
    known: &'o RefCell<Known>,
    /// The number of requests for ranges after the head.
    fetched: u64,
    contents: HashMap<[u8; 32], Rc<Vec<Seen>>>,
    /// The number of mixes of old and new slices that were tried as answers.
    pub mixes: u64,
    /// The number of stale answers. After each of them, the reader asked the origin.
    pub escalations: u64,
    /// Whether a request had more possible answers than the reader tried.
    pub sampled: bool,
}

/// The result of one combination of ambiguous answers.
struct Way<T> {
    result: Result<T, Refusal>,
    old: usize,
    told: String,
}

/// The choice that was made for each ambiguous answer.
#[derive(Default)]
struct Choices {
    script: Vec<usize>,
    sizes: Vec<usize>,
    old: usize,
    told: String,
}

/// The tables and the index, as far as the reader has read them so far.
#[derive(Debug)]
struct Directory {
    components: Vec<Found>,
    region: (u64, u64),
    /// The groups. If a group lies in the head, this is only its used part.
    groups: Vec<Rc<[u8]>>,
    /// A hash of all fields. Directories with equal hashes have equal entries.
    key: [u8; 32],
}

/// The entries of a directory's groups.
#[derive(Debug)]
struct Entries {
    /// The regions, by the entries that count.
    regions: BTreeMap<Id, EntrySeen>,
    /// The removals that count.
    removals: BTreeMap<Id, EntrySeen>,
    /// The spans of the head that hold regions, components and seals.
    in_head: Vec<(u64, u64)>,
}

impl<'o> World<'o> {
    /// Returns the world at a moment.
    #[must_use]
    pub fn new(
        origin: &'o Origin,
        edge: Edge,
        moment: usize,
        probes: &'o [Id],
        known: &'o RefCell<Known>,
    ) -> Self {
        Self {
            origin,
            edge,
            moment,
            probes,
            answers: HashMap::new(),
            directories: HashMap::new(),
            known,
            fetched: 0,
            contents: HashMap::new(),
            mixes: 0,
            escalations: 0,
            sampled: false,
        }
    }

    /// Returns every result that a reader with this head can have.
    pub fn see(&mut self, head: &Head) -> Vec<Seen> {
        let directories = self.directories(head);
        let head = &head.bytes[..];
        let mut out = Vec::new();
        for way in directories.iter() {
            match &way.result {
                Err(refusal) => out.push(Seen {
                    view: Err(refusal.clone()),
                    old: way.old,
                    told: way.told.clone(),
                }),
                Ok(directory) => {
                    for seen in self.contents(head, directory).iter() {
                        let told = format!("{}{}", way.told, seen.told);
                        let view = seen.view.clone();
                        out.push(Seen { view, old: way.old + seen.old, told });
                    }
                }
            }
        }
        out
    }

    fn directories(&mut self, head: &Head) -> Rc<Vec<Way<Directory>>> {
        let known = self.directories.get(&head.hash).cloned();
        if let Some(known) =
            known.or_else(|| self.known.borrow().directories.get(&head.hash).cloned())
        {
            return known;
        }
        let before = self.fetched;
        let ways = Rc::new(self.ways(|world, choices| world.directory(&head.bytes, choices)));
        if self.fetched == before {
            self.known.borrow_mut().directories.insert(head.hash, Rc::clone(&ways));
        } else {
            self.directories.insert(head.hash, Rc::clone(&ways));
        }
        ways
    }

    fn contents(&mut self, head: &[u8], directory: &Directory) -> Rc<Vec<Seen>> {
        let mut known = self.known.borrow_mut();
        let entries = known.entries.entry(directory.key);
        let entries = Rc::clone(entries.or_insert_with(|| directory.entries().into()));
        drop(known);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&directory.key);
        for (start, end) in &entries.in_head {
            hasher.update(&head[*start as usize..*end as usize]);
        }
        let key = *hasher.finalize().as_bytes();
        if let Some(known) = self.contents.get(&key) {
            return Rc::clone(known);
        }
        let ways = self.ways(|world, choices| world.view(head, directory, &entries, choices));
        let seen = ways.into_iter().map(|way| Seen {
            view: way.result.map(Rc::new),
            old: way.old,
            told: way.told,
        });
        let seen = Rc::new(seen.collect::<Vec<_>>());
        self.contents.insert(key, Rc::clone(&seen));
        seen
    }

    /// Calls a read once for each combination of ambiguous answers.
    fn ways<T>(
        &mut self,
        go: impl Fn(&mut Self, &mut Choices) -> Result<T, Refusal>,
    ) -> Vec<Way<T>> {
        let mut out = Vec::new();
        let mut choices = Choices::default();
        loop {
            let result = go(self, &mut choices);
            let Choices { mut script, sizes, old, told } = choices;
            out.push(Way { result, old, told });
            script.resize(sizes.len(), 0);
            while script.last().is_some_and(|last| last + 1 == sizes[script.len() - 1]) {
                script.pop();
            }
            let Some(last) = script.last_mut() else { return out };
            if out.len() == WAYS_MAX {
                self.sampled = true;
                return out;
            }
            *last += 1;
            choices = Choices { script, ..Choices::default() };
        }
    }

    /// Fetches a range: from the head if the range lies in the head, and from the caches if not.
    fn fetch(
        &mut self,
        head: &[u8],
        (at, len): (u64, u64),
        duty: Duty,
        choices: &mut Choices,
    ) -> Result<Rc<[u8]>, Refusal> {
        if len == 0 {
            return Ok(Rc::from([]));
        }
        if at.checked_add(len).is_none_or(|end| end > 1 << 40) || len > 1 << 30 {
            return refuse("a range that cannot be", at);
        }
        if at + len <= HEAD {
            let bytes = &head[at as usize..(at + len) as usize];
            if duty.holds(bytes) {
                return Ok(bytes.into());
            }
            // The head is stale. A real reader would now fetch the present head, so the simulation
            // stops here.
            return refuse(format!("{duty:?} in the head"), at);
        }
        self.fetched += 1;
        let key = (at, len, duty);
        let outcomes = match self.answers.get(&key) {
            Some(known) => Rc::clone(known),
            None => {
                let new = Rc::new(self.outcomes(at, len, &key.2));
                self.answers.insert(key, Rc::clone(&new));
                new
            }
        };
        let at = choices.sizes.len();
        let i = if outcomes.len() > 1 {
            choices.sizes.push(outcomes.len());
            choices.script.get(at).copied().unwrap_or(0)
        } else {
            0
        };
        choices.old += outcomes[i].old;
        choices.told += &outcomes[i].told;
        outcomes[i].bytes.clone()
    }

    /// Returns every possible result of a request.
    fn outcomes(&mut self, at: u64, len: u64, duty: &Duty) -> Vec<Outcome> {
        let cuts = self.edge.cut(at, len);
        let parts: Vec<Vec<Part>> = cuts
            .iter()
            .map(|(at, len)| self.edge.parts(self.origin, self.moment, *at, *len))
            .collect();
        let product = |counts: &mut dyn Iterator<Item = usize>| {
            counts.fold(1_u64, |product, count| product.saturating_mul(count as u64))
        };
        let mixes = product(&mut parts.iter().map(Vec::len));
        self.mixes = self.mixes.saturating_add(mixes);
        let complete: Vec<Vec<&Part>> =
            parts.iter().map(|p| p.iter().filter(|part| part.bytes.is_some()).collect()).collect();
        let whole = product(&mut complete.iter().map(Vec::len));
        let mut out: Vec<Outcome> = Vec::new();
        let mut escalated = mixes - whole;
        let mut choice = vec![0; parts.len()];
        for looked_at in 0..whole {
            if looked_at as usize == ANSWERS_MAX {
                self.sampled = true;
                break;
            }
            let chosen = || complete.iter().zip(&choice).map(|(part, i)| part[*i]);
            let slices: Vec<_> = chosen().filter_map(|part| part.bytes.as_deref()).collect();
            let bytes = slices.concat();
            if !duty.holds(&bytes) {
                escalated += 1;
            } else if !out.iter().any(|seen| seen.bytes.as_deref() == Ok(&bytes[..])) {
                let stale: Vec<_> =
                    chosen().zip(&parts).filter(|(part, all)| part.is_old(&all[0])).collect();
                let told = stale.iter().map(|(part, _)| part.to_string()).collect();
                out.push(Outcome { bytes: Ok(bytes.into()), old: stale.len(), told });
            }
            if let Some(next) = (0..choice.len()).find(|i| choice[*i] + 1 < complete[*i].len()) {
                choice[next] += 1;
                choice[..next].fill(0);
            }
        }
        if escalated > 0 {
            self.escalations = self.escalations.saturating_add(escalated);
            let outcome = self.escalate(at, len, duty);
            if !out.iter().any(|seen| seen.bytes == outcome.bytes) {
                out.push(outcome);
            }
        }
        out
    }

    /// Sends the request to the origin, past all caches. The origin answers in its present state.
    fn escalate(&self, at: u64, len: u64, duty: &Duty) -> Outcome {
        let bytes = match self.origin.read(self.moment, at, len) {
            None => refuse(format!("{len} bytes that the origin does not have"), at),
            Some(bytes) if duty.holds(&bytes) => Ok(bytes.into()),
            Some(_) => refuse(format!("bytes at the origin that fail {duty:?}"), at),
        };
        Outcome { bytes, old: 0, told: String::new() }
    }

    /// Reads the tables and the index.
    fn directory(&mut self, head: &[u8], choices: &mut Choices) -> Result<Directory, Refusal> {
        if head[..8] != SIGNATURE {
            return refuse("signature", 0);
        }
        let mut components: Vec<Found> = Vec::new();
        let (mut at, mut tables) = (28, Vec::new());
        while at != 0 && !tables.contains(&at) {
            if tables.len() == 64 {
                return refuse("more than 64 tables", at);
            }
            tables.push(at);
            let header = self.fetch(head, (at, 24), Duty::Free, choices)?;
            let count = u32_at(&header, 20);
            if count > 256 {
                return refuse("more than 256 components", at);
            }
            let span = (at + 24, 28 * u64::from(count));
            let entries = self.fetch(head, span, Duty::Free, choices)?;
            for (i, entry) in entries.chunks_exact(28).enumerate() {
                let found = Found {
                    at: at + 24 + 28 * i as u64,
                    id: id_at(entry, 0),
                    major: u16::from_le_bytes([entry[16], entry[17]]),
                    minor: u16::from_le_bytes([entry[18], entry[19]]),
                    data: entry[20..].try_into().expect("eight bytes"),
                    base: u64_at(&header, 0),
                };
                if !components.iter().any(|c| (c.id, c.major) == (found.id, found.major)) {
                    components.push(found);
                }
            }
            at = u64_at(&header, 8);
        }
        // If readers do not accept a component's version, the component counts as absent (R-IDX-01,
        // R-VER-02).
        components.retain(|found| {
            let minors = if found.id == INDEX { 0..=1 } else { 1..=1 };
            let ours = [INDEX, LOOKUP, NAMES, SEAL, LAYOUT].contains(&found.id);
            !ours || found.major == 0 && minors.contains(&found.minor)
        });
        let Some(named) = components.iter().find(|found| found.id == INDEX) else {
            return refuse("no index component", 28);
        };
        let region =
            region(named, u64::MAX).or_else(|fault| refuse(fault.to_string(), fault.at))?;
        let groups = self.groups(head, region, choices)?;
        Ok(Directory::new(components, region, groups))
    }

    /// Reads the groups of an index, one by one.
    fn groups(
        &mut self,
        head: &[u8],
        (at, size): (u64, u64),
        choices: &mut Choices,
    ) -> Result<Vec<Rc<[u8]>>, Refusal> {
        if size == 0 {
            return Ok(Vec::new());
        }
        let header = self.fetch(head, (at, 8), Duty::IndexHeader { size }, choices)?;
        let mut groups = Vec::new();
        for group in 0..u64::from(u32_at(&header, 4)) {
            let at = at + 8 + GROUP * group;
            let len = if at + GROUP <= HEAD {
                16 + 24 * u64::from(head[at as usize + 12])
            } else {
                GROUP
            };
            groups.push(self.fetch(head, (at, len), Duty::Free, choices)?);
        }
        Ok(groups)
    }

    /// Reads all regions, components and names.
    fn view(
        &mut self,
        head: &[u8],
        directory: &Directory,
        entries: &Entries,
        choices: &mut Choices,
    ) -> Result<View, Refusal> {
        let mut view = View::default();
        let mut seals = Seals { len: 0, max: 1 };
        for found in &directory.components {
            if [INDEX, LOOKUP].contains(&found.id) {
                continue;
            }
            let digest = if found.id == NAMES {
                short_hash(&found.data)
            } else {
                let bytes = self.component(head, found, choices)?;
                if found.id == SEAL {
                    seals = Seals::of_component(&bytes);
                }
                short_hash(&bytes)
            };
            view.components.insert((found.id, found.major), digest);
        }
        for (id, entry) in &entries.regions {
            let answer = self.stored(head, entry, seals, choices)?;
            if *id == NAMES {
                view.names = self.names(head, answer.1, entry, seals, choices)?;
            } else {
                view.regions.insert(*id, answer.0);
            }
        }
        for removal in entries.removals.values() {
            self.stored(head, removal, seals, choices)?;
        }
        self.look_up(head, directory, &entries.regions, choices)?;
        Ok(view)
    }

    fn component(
        &mut self,
        head: &[u8],
        found: &Found,
        choices: &mut Choices,
    ) -> Result<Rc<[u8]>, Refusal> {
        let span = region(found, u64::MAX).or_else(|fault| refuse(fault.to_string(), fault.at))?;
        let bytes = self.fetch(head, span, Duty::Free, choices)?;
        let least = if found.id == LAYOUT { 80 } else { 0 };
        let least = if found.id == SEAL { 64 } else { least };
        if bytes.len() < least {
            refuse("a component that is too short", found.at)
        } else {
            Ok(bytes)
        }
    }

    /// Reads one region. Returns its answer and its content.
    fn stored(
        &mut self,
        head: &[u8],
        entry: &EntrySeen,
        seals: Seals,
        choices: &mut Choices,
    ) -> Result<(Answer, Vec<u8>), Refusal> {
        let at = entry.base.wrapping_add(u64::from(entry.offset));
        let size = u64::from(entry.size);
        let (id, encoding) = (entry.id, entry.encoding);
        let segment_at = (id == NAMES).then_some(at);
        let duty = Duty::Stored { id, encoding, size, seals, segment_at };
        let bytes = self.fetch(head, (at, size + seals.len * seals.max), duty, choices)?;
        let (stored, behind) = bytes.split_at(size as usize);
        let digest = seal(id, encoding, stored, &hash);
        let own = if seals.len == 0 { None } else { seals.find(behind, &digest) };
        let seal = own.unwrap_or_default();
        let Ok(content) = decode(stored, encoding) else { return refuse("a stream", at) };
        Ok((Answer { content: short_hash(&content), seal: short_hash(seal) }, content))
    }

    fn names(
        &mut self,
        head: &[u8],
        mut content: Vec<u8>,
        entry: &EntrySeen,
        seals: Seals,
        choices: &mut Choices,
    ) -> Result<BTreeMap<String, (Id, u64)>, Refusal> {
        let mut out = BTreeMap::new();
        let mut at = entry.base + u64::from(entry.offset);
        for _ in 0..64 {
            let Ok(Segment { link, names }) = segment(&content, at) else {
                return refuse("a names segment", at);
            };
            for name in names {
                out.entry(name.path).or_insert((name.id, name.length));
            }
            if link.at == 0 {
                return Ok(out);
            }
            let (size, encoding) = (link.size, link.encoding);
            let earlier = EntrySeen { base: link.at, encoding, offset: 0, size, ..*entry };
            content = self.stored(head, &earlier, seals, choices)?.1;
            at = link.at;
        }
        refuse("more than 64 names segments", at)
    }

    /// Looks up ids with the fences. A look-up must find the same as the scan of all groups.
    fn look_up(
        &mut self,
        head: &[u8],
        directory: &Directory,
        regions: &BTreeMap<Id, EntrySeen>,
        choices: &mut Choices,
    ) -> Result<(), Refusal> {
        let Some(named) = directory.components.iter().find(|found| found.id == LOOKUP) else {
            return Ok(());
        };
        let keys = self.component(head, named, choices)?;
        if keys.len() < 32 || u64_at(&keys, 8) != directory.region.0 {
            return Ok(()); // the fences belong to another index
        }
        let runs =
            Runs::parse(&keys).ok_or(Refusal { what: "lookup keys".into(), at: named.at })?;
        for id in self.probes {
            let found = self.find(head, directory, &runs, id, choices)?;
            let found = found.filter(|(_, _, encoding)| *encoding != GONE);
            let scanned = regions
                .get(id)
                .map(|entry| (entry.base + u64::from(entry.offset), entry.size, entry.encoding));
            if found != scanned {
                return refuse(format!("look-up found {found:?}, a scan {scanned:?}"), named.at);
            }
        }
        Ok(())
    }

    fn find(
        &mut self,
        head: &[u8],
        directory: &Directory,
        runs: &Runs,
        id: &Id,
        choices: &mut Choices,
    ) -> Result<Option<(u64, u32, [u8; 4])>, Refusal> {
        let first = runs.0.first().map_or(0, |run| run.first);
        for group in directory.groups.iter().take(first as usize) {
            if let Some(found) = found_in(group, 1, id) {
                return Ok(Some(found));
            }
        }
        for run in &runs.0 {
            let block = run.keys.partition_point(|key| *key <= key_of(id)).saturating_sub(1);
            let start = run.stride * block as u64;
            let groups = run.stride.min(run.groups - start);
            let next = start + groups < run.groups;
            let at = directory.region.0 + 8 + GROUP * (run.first + start);
            let duty = Duty::Block {
                id: *id,
                groups,
                next,
                key: run.keys[block],
                next_key: run.keys.get(block + 1).copied(),
            };
            let len = GROUP * groups + if next { 40 } else { 0 };
            let bytes = self.fetch(head, (at, len), duty, choices)?;
            if let Some(found) = found_in(&bytes, groups, id) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Directory {
    fn new(components: Vec<Found>, region: (u64, u64), groups: Vec<Rc<[u8]>>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for found in &components {
            hasher.update(&found.id).update(&found.major.to_le_bytes());
            hasher.update(&found.data).update(&found.base.to_le_bytes());
        }
        hasher.update(&region.0.to_le_bytes()).update(&region.1.to_le_bytes());
        for group in &groups {
            hasher.update(&(group.len() as u64).to_le_bytes()).update(group);
        }
        Self { components, region, groups, key: *hasher.finalize().as_bytes() }
    }

    fn entries(&self) -> Entries {
        let mut index = Index { region: self.region, ..Index::default() };
        for (group, bytes) in self.groups.iter().enumerate() {
            let group_at = self.region.0 + 8 + GROUP * group as u64;
            for i in 0..usize::from(bytes[12]) {
                let at = 16 + 24 * i;
                index.entries.push(EntrySeen {
                    at: group_at + at as u64,
                    group: group as u32,
                    group_at,
                    id: id_at(bytes, at),
                    base: u64_at(bytes, 0),
                    encoding: bytes[8..12].try_into().expect("four bytes"),
                    offset: u32_at(bytes, at + 16),
                    size: u32_at(bytes, at + 20),
                });
            }
        }
        let (regions, removals) = (index.regions(), index.removals());
        let stored = regions.values().chain(removals.values()).map(|entry| {
            // The longest seal has 96 bytes.
            (entry.base.wrapping_add(u64::from(entry.offset)), u64::from(entry.size) + 96)
        });
        let others = self.components.iter().filter(|found| found.id != INDEX);
        let spans = others.filter_map(|found| region(found, u64::MAX).ok()).chain(stored);
        let in_head = spans
            .filter(|(at, _)| *at < HEAD)
            .map(|(at, len)| (at, (at + len).min(HEAD)))
            .collect();
        Entries { regions, removals, in_head }
    }
}

/// A run, as the lookup component describes it.
struct Run {
    first: u64,
    groups: u64,
    stride: u64,
    keys: Vec<u64>,
}

struct Runs(Vec<Run>);

impl Runs {
    fn parse(region: &[u8]) -> Option<Self> {
        let count = u32_at(region, 4) as usize;
        let mut keys_at = 16 + 16 * count;
        let mut out = Vec::new();
        for i in 0..count {
            let field = |n: usize| -> Option<u64> {
                let bytes = region.get(16 + 16 * i + 4 * n..)?.get(..4)?;
                Some(u64::from(u32::from_le_bytes(bytes.try_into().ok()?)))
            };
            let (first, groups, stride, count) = (field(0)?, field(1)?, field(2)?, field(3)?);
            let keys = region.get(keys_at..keys_at + 8 * count as usize)?;
            keys_at += 8 * count as usize;
            let keys =
                keys.chunks(8).map(|key| u64::from_be_bytes(key.try_into().expect("eight bytes")));
            if stride == 0 || groups.div_ceil(stride) != count {
                return None;
            }
            out.push(Run { first, groups, stride, keys: keys.collect() });
        }
        Some(Self(out))
    }
}

/// Returns the entry that counts for an id in consecutive groups.
fn found_in(bytes: &[u8], groups: u64, id: &Id) -> Option<(u64, u32, [u8; 4])> {
    for group in bytes.chunks(GROUP as usize).take(groups as usize) {
        for i in (0..usize::from(group[12])).rev() {
            let at = 16 + 24 * i;
            if id_at(group, at) == *id {
                let start = u64_at(group, 0).wrapping_add(u64::from(u32_at(group, at + 16)));
                let encoding = group[8..12].try_into().expect("four bytes");
                return Some((start, u32_at(group, at + 20), encoding));
            }
        }
    }
    None
}

/// Returns whether a block without the id proves that the whole run lacks the id (R-LKP-15).
fn proves_miss(bytes: &[u8], groups: u64, next: bool, key: u64, next_key: Option<u64>) -> bool {
    let mut ids: Vec<Id> = Vec::new();
    for group in bytes.chunks(GROUP as usize).take(groups as usize) {
        if group[12] == 0 {
            return false;
        }
        ids.extend((0..usize::from(group[12])).map(|i| id_at(group, 16 + 24 * i)));
    }
    if next {
        let behind = id_at(bytes, (groups * GROUP) as usize + 16);
        if next_key != Some(key_of(&behind)) {
            return false;
        }
        ids.push(behind);
    }
    ids.first().is_some_and(|first| key_of(first) == key)
        && ids.windows(2).all(|pair| pair[0] < pair[1])
}
