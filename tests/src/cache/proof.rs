//! Checks the views of all readers. A forbidden view is a kind of corruption.

use super::edge::{Age, Edge, Head};
use super::origin::{HEAD, Op, Origin};
use super::reader::{Known, Refusal, Seen, View, World, short_hash};
use crate::reference::{GROUP, Id, text};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::rc::Rc;

/// The expected content of a package, as the author of the case states it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The content of each region.
    pub regions: BTreeMap<Id, Vec<u8>>,
    /// The region of each path.
    pub names: BTreeMap<String, Id>,
    /// The content of the components that the case names.
    pub components: BTreeMap<Id, Vec<u8>>,
}

/// An update of a case.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its edits.
    pub name: String,
    /// Its steps.
    pub ops: Vec<Op>,
    /// The content of the package after this update.
    pub after: Model,
}

/// A published package and its updates.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name, which states the property that the case tests.
    pub name: String,
    /// The first bytes of the published file.
    pub base: Vec<u8>,
    /// The length of the published file. All bytes after `base` are zeros.
    pub len: u64,
    /// The content of the published package.
    pub before: Model,
    /// The updates, one after the other.
    pub plans: Vec<Plan>,
}

/// The numbers of plans, states and readers that were tested.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Plans that were played. A plan counts once for every kind of edge.
    pub plans: u64,
    /// Prefixes of a plan's list of writes. A prefix can end in the middle of a step.
    pub prefixes: u64,
    /// Mixes of old and new slices, in heads and in other answers.
    pub mixes: u64,
    /// Readers. Each reader took one head, and read everything else at one moment.
    pub readers: u64,
    /// Stale answers. After each of them, a reader asked the origin.
    pub escalations: u64,
    /// Kinds of edges that had too many possible answers, so only a sample was tested.
    pub sampled: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.plans += other.plans;
        self.prefixes += other.prefixes;
        self.mixes = self.mixes.saturating_add(other.mixes);
        self.readers += other.readers;
        self.escalations = self.escalations.saturating_add(other.escalations);
        self.sampled += other.sampled;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plans, prefixes, mixes, readers, escalations, sampled } = self;
        write!(
            f,
            "{plans} plans, {prefixes} prefixes, {mixes} mixes, {readers} readers, \
             {escalations} escalations, {sampled} sampled"
        )
    }
}

/// A kind of corruption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Bytes that were never published under an id, or a region under an id that was never
    /// published.
    WrongBytes,
    /// The single answers are all right, but some are from the old view and others from the new
    /// view.
    HalfUpdate,
    /// All answers are from one published view, but the barriers forbid this view at this moment.
    OutOfTime,
    /// Missing or damaged bytes, even at the origin.
    Lost,
    /// The origin's own head does not lead to the published state.
    NotVisible,
}

/// A forbidden view that a reader had.
#[derive(Clone, Debug)]
pub struct Breach {
    /// Its kind.
    pub kind: Kind,
    /// The number of slices in the answers that were older than the origin's present state.
    pub old: usize,
    /// A description of the moment, the head, the answers and the view.
    pub story: String,
}

/// The result of one case with one kind of edge.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The numbers of plans, states and readers that were tested.
    pub counts: Counts,
    /// For each kind of corruption: how often it occurred, and the breach with the fewest old
    /// slices.
    pub breaches: BTreeMap<Kind, (u64, Breach)>,
}

impl Report {
    fn breach(&mut self, kind: Kind, old: usize, story: impl FnOnce() -> String) {
        match self.breaches.get_mut(&kind) {
            Some((count, smallest)) => {
                *count += 1;
                if old < smallest.old {
                    *smallest = Breach { kind, old, story: story() };
                }
            }
            None => {
                self.breaches.insert(kind, (1, Breach { kind, old, story: story() }));
            }
        }
    }

    /// Adds another report.
    pub fn add(&mut self, other: Self) {
        self.counts += other.counts;
        for (kind, (count, breach)) in other.breaches {
            self.breach(kind, breach.old, || breach.story);
            self.breaches.get_mut(&kind).expect("just put in").0 += count - 1;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.counts)?;
        for (kind, (count, breach)) in &self.breaches {
            write!(f, "\n  {kind:?} {count} times, the smallest: {}", breach.story)?;
        }
        Ok(())
    }
}

/// Lets all readers of one kind of edge read everything, at every moment of a case.
#[must_use]
pub fn prove(case: &Case, edge: Edge) -> Report {
    let proof = Proof::new(case, edge);
    let mut report = Report::default();
    report.counts.plans = case.plans.len() as u64;
    report.counts.prefixes = proof.origin.moments().len() as u64;
    proof.check_truths(&mut report);
    let mut heads: Vec<Rc<Vec<Head>>> = Vec::new();
    for now in 0..proof.origin.moments().len() {
        match heads.last() {
            Some(same) if proof.head_is_as_before(now) => heads.push(Rc::clone(same)),
            _ => {
                let all = edge.heads(&proof.origin, now);
                report.counts.mixes += all.mixes;
                report.counts.sampled += u64::from(all.sampled);
                heads.push(Rc::new(all.heads));
            }
        }
        proof.check_moment(&heads, now, &mut report);
    }
    report
}

impl Case {
    /// Carries out all steps. Returns the origin and the moments at which views become visible: 0
    /// for the published file, then one moment for each plan.
    #[must_use]
    pub fn play(&self) -> (Origin, Vec<usize>) {
        let (origin, published, _) = self.play_all();
        (origin, published)
    }

    fn play_all(&self) -> (Origin, Vec<usize>, Vec<usize>) {
        let mut origin = Origin::new(&self.base, self.len);
        let (mut published, mut ends) = (vec![0], vec![0]);
        for (plan, ops) in self.plans.iter().map(|plan| &plan.ops).enumerate() {
            let last = ops.iter().rposition(|op| matches!(op, Op::Switch { .. }));
            for (i, op) in ops.iter().enumerate() {
                origin.run(plan + 1, i + 1, op);
                if Some(i) == last {
                    published.push(origin.now());
                }
            }
            if last.is_none() {
                published.push(origin.now());
            }
            ends.push(origin.now());
        }
        (origin, published, ends)
    }

    /// Returns the content of the package before and after each plan.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        std::iter::once(&self.before).chain(self.plans.iter().map(|plan| &plan.after))
    }
}

struct Proof<'c> {
    case: &'c Case,
    edge: Edge,
    origin: Origin,
    /// The moments at which the views become visible: 0 for the published file, then one moment for
    /// each plan.
    published: Vec<usize>,
    /// The views of a reader that asks only the origin: before the first plan, and after each plan.
    truths: Vec<Result<Rc<View>, Refusal>>,
    probes: Vec<Id>,
    known: RefCell<Known>,
}

impl<'c> Proof<'c> {
    fn new(case: &'c Case, edge: Edge) -> Self {
        let (origin, published, ends) = case.play_all();
        let probes = probes(case);
        let known = RefCell::default();
        let fresh = Edge { slice: HEAD, age: Age::Fresh };
        let truth = |end: &usize| {
            let head = origin.read(*end, 0, HEAD).expect("a package has a whole head");
            let mut world = World::new(&origin, fresh, *end, &probes, &known);
            world.see(&Head::new(head, 0, String::new())).remove(0).view
        };
        let truths = ends.iter().map(truth).collect();
        Self { case, edge, origin, published, truths, probes, known }
    }

    /// Returns the number of the view that a reader of the origin gets at a moment.
    fn version(&self, moment: usize) -> usize {
        self.published.iter().rposition(|published| *published <= moment).unwrap_or(0)
    }

    /// Checks that the origin's views have the content that the case states.
    fn check_truths(&self, report: &mut Report) {
        let models = self.case.models();
        for (i, (truth, model)) in self.truths.iter().zip(models).enumerate() {
            let told =
                |what: String| format!("{}: after plan {i} at the origin: {what}", self.case.name);
            match truth {
                Err(refusal) => report.breach(Kind::Lost, 0, || told(format!("{refusal:?}"))),
                Ok(view) => {
                    if let Some(what) = differs(view, model) {
                        report.breach(Kind::WrongBytes, 0, || told(what));
                    }
                }
            }
        }
    }

    /// Returns whether the heads that edges can answer with are the same at `now` as at the moment
    /// before `now`.
    fn head_is_as_before(&self, now: usize) -> bool {
        let [before, after] = [&self.origin.moments()[now - 1], &self.origin.moments()[now]];
        before.floor == after.floor && self.origin.changes((now - 1, now), 0, HEAD).len() == 1
    }

    /// Checks readers that read all bytes except the head at the moment `now`. `heads` lists, for
    /// each moment up to `now`, the heads that a reader could take then.
    fn check_moment(&self, heads: &[Rc<Vec<Head>>], now: usize, report: &mut Report) {
        let mut world = World::new(&self.origin, self.edge, now, &self.probes, &self.known);
        let mut known = HashMap::new();
        let first = if self.origin.moments()[now].whole { 0 } else { now };
        for (then, heads) in heads.iter().enumerate().skip(first) {
            if then > first && self.head_is_as_before(then) {
                continue; // the heads have not changed, so the readers are the same
            }
            let floor = self.origin.moments()[then].floor;
            let allowed = self.version(floor)..=self.version(then);
            for (i, head) in heads.iter().enumerate() {
                for seen in world.see(head) {
                    report.counts.readers += 1;
                    let old = head.old + seen.old;
                    let story = || self.story(then, now, head, &seen);
                    let version = self.identify(&seen, &mut known);
                    if let Some(kind) = self.judge(&seen, version, &allowed) {
                        report.breach(kind, old, story);
                    } else if i == 0 && !self.is_view(*allowed.end(), &seen) {
                        // The first head is the one that the origin itself had at that moment.
                        report.breach(Kind::NotVisible, old, story);
                    }
                }
            }
        }
        let next = self.origin.moments().get(now + 1);
        if next.is_none_or(|next| next.floor > now) {
            // This is the last moment before the next barrier, so the readers of this moment can
            // have every head since the last barrier.
            self.check_wanderers(&mut world, now, report);
        }
        report.counts.mixes = report.counts.mixes.saturating_add(world.mixes);
        report.counts.escalations = report.counts.escalations.saturating_add(world.escalations);
        report.counts.sampled += u64::from(world.sampled);
    }

    /// Checks readers that read the start of the head from one edge, and its rest from another
    /// edge.
    fn check_wanderers(&self, world: &mut World<'_>, now: usize, report: &mut Report) {
        let floor = self.origin.moments()[now].floor;
        let snapshots: Vec<(usize, Vec<u8>)> = self
            .origin
            .changes((floor, now), 0, HEAD)
            .into_iter()
            .map(|at| (at, self.origin.read(at, 0, HEAD).expect("a whole head")))
            .collect();
        let allowed = self.version(floor)..=self.version(now);
        let mut tried = BTreeSet::new();
        for (one, front) in &snapshots {
            for (other, back) in snapshots.iter().filter(|(other, _)| other != one) {
                let mut last = 0;
                for cut in joints() {
                    if front[last..cut] == back[last..cut] {
                        continue; // the previous cut gave the same head
                    }
                    last = cut;
                    let bytes = [&front[..cut], &back[cut..]].concat();
                    let told = format!(" [head up to {cut} of moment {one}, then of {other}]");
                    let head = Head::new(bytes, 1, told);
                    report.counts.mixes += 1;
                    if !tried.insert(head.hash) {
                        continue;
                    }
                    for seen in world.see(&head) {
                        report.counts.readers += 1;
                        if let Some((kind, what)) = self.judge_each(&seen, &allowed) {
                            let story =
                                || format!("{what}: {}", self.story(now, now, &head, &seen));
                            report.breach(kind, head.old + seen.old, story);
                        }
                    }
                }
            }
        }
    }

    /// Returns the number of the view that a reader had, or `None` if that view was never
    /// published.
    fn identify(
        &self,
        seen: &Seen,
        known: &mut HashMap<*const View, Option<usize>>,
    ) -> Option<usize> {
        let view = seen.view.as_ref().ok()?;
        *known
            .entry(Rc::as_ptr(view))
            .or_insert_with(|| self.truths.iter().rposition(|truth| truth.as_ref() == Ok(view)))
    }

    /// Returns whether a reader had the view of this number.
    fn is_view(&self, version: usize, seen: &Seen) -> bool {
        matches!((&self.truths[version], &seen.view), (Ok(truth), Ok(view)) if truth == view)
    }

    /// Returns the kind of corruption in a reader's view, or `None` if the view is allowed.
    fn judge(
        &self,
        seen: &Seen,
        version: Option<usize>,
        allowed: &std::ops::RangeInclusive<usize>,
    ) -> Option<Kind> {
        if seen.view.is_err() {
            return Some(Kind::Lost);
        }
        match version {
            // Two published views can be equal, so the view may be an allowed one.
            Some(_) if allowed.clone().any(|version| self.is_view(version, seen)) => None,
            Some(_) => Some(Kind::OutOfTime),
            None if self.strange(seen, &(0..=self.truths.len() - 1)).is_some() => {
                Some(Kind::WrongBytes)
            }
            None => Some(Kind::HalfUpdate),
        }
    }

    /// Returns a kind of corruption if some answer occurs in none of the allowed views.
    fn judge_each(
        &self,
        seen: &Seen,
        allowed: &std::ops::RangeInclusive<usize>,
    ) -> Option<(Kind, String)> {
        if let Err(refusal) = &seen.view {
            return Some((Kind::Lost, refusal.what.clone()));
        }
        let what = self.strange(seen, allowed)?;
        let ever = self.strange(seen, &(0..=self.truths.len() - 1)).is_none();
        Some((if ever { Kind::OutOfTime } else { Kind::WrongBytes }, what))
    }

    /// Returns the first answer of a reader that occurs in none of these views.
    fn strange(&self, seen: &Seen, versions: &std::ops::RangeInclusive<usize>) -> Option<String> {
        let view = seen.view.as_ref().ok()?;
        let truths: Vec<&View> = self.truths[versions.clone()]
            .iter()
            .filter_map(|truth| truth.as_deref().ok())
            .collect();
        if let Some(id) = foreign(view, &truths, |view| &view.regions) {
            return Some(format!("region {}", text(&id)));
        }
        if let Some((id, _)) = foreign(view, &truths, |view| &view.components) {
            return Some(format!("component {}", text(&id)));
        }
        foreign(view, &truths, |view| &view.names).map(|path| format!("path {path}"))
    }

    fn story(&self, then: usize, now: usize, head: &Head, seen: &Seen) -> String {
        let moment = |at: usize| {
            let moment = &self.origin.moments()[at];
            let plan = moment.plan.checked_sub(1).map(|plan| &self.case.plans[plan].name[..]);
            format!("{at} ({}, {})", plan.unwrap_or("base"), moment.label)
        };
        let Edge { slice, age } = self.edge;
        let what = match &seen.view {
            Err(refusal) => format!("{refusal:?}"),
            Ok(view) => self.nearest(view),
        };
        format!(
            "{}, slices of {slice} bytes, data {age:?}; head at moment {}{}; data at moment {}{}: \
             {what}",
            self.case.name,
            moment(then),
            head.told,
            moment(now),
            seen.told,
        )
    }

    /// Returns, for each published view, the number of answers that differ from it.
    fn nearest(&self, view: &View) -> String {
        let count = |truth: &View| {
            let regions: BTreeSet<_> = view.regions.iter().collect();
            regions.symmetric_difference(&truth.regions.iter().collect()).count()
        };
        let told = self.truths.iter().enumerate().map(|(i, truth)| match truth {
            Ok(truth) => format!("{} from view {i}", count(truth)),
            Err(_) => format!("view {i} is lost"),
        });
        format!("differs in {}", told.collect::<Vec<_>>().join(", "))
    }
}

/// Returns the first key whose answer in `view` occurs in none of the true views.
fn foreign<K: Ord + Clone, V: PartialEq>(
    view: &View,
    truths: &[&View],
    map: impl Fn(&View) -> &BTreeMap<K, V>,
) -> Option<K> {
    let known = truths.iter().flat_map(|truth| map(truth).keys());
    let mut keys = map(view).keys().chain(known);
    keys.find(|key| {
        let answer = map(view).get(key);
        !truths.iter().any(|truth| map(truth).get(key) == answer)
    })
    .cloned()
}

/// Returns the positions in the head at which one structure ends and the next begins.
fn joints() -> BTreeSet<usize> {
    let groups = (0..=10).map(|n| (HEAD - n * GROUP) as usize);
    let header = (1..=10).map(|n| (HEAD - n * GROUP) as usize - 8);
    [504, 752, 1000, 1144, 1536].into_iter().chain(groups).chain(header).collect()
}

/// Returns ids to look up: some that the plans change, some that they do not change, and some that
/// the package lacks.
fn probes(case: &Case) -> Vec<Id> {
    let mut out = BTreeSet::from([[0; 16], [0x7f; 16], [0xff; 16]]);
    let mut before = &case.before;
    out.extend(before.regions.keys().step_by(before.regions.len() / 8 + 1));
    for after in case.plans.iter().map(|plan| &plan.after) {
        let changed = |id: &&Id| before.regions.get(*id) != after.regions.get(*id);
        let both = before.regions.keys().chain(after.regions.keys());
        out.extend(both.filter(changed).take(40).copied());
        before = after;
    }
    out.into_iter().collect()
}

/// Returns the first difference between a reader's view and the content that the case states.
fn differs(view: &View, model: &Model) -> Option<String> {
    let ids: BTreeSet<_> = view.regions.keys().chain(model.regions.keys()).collect();
    for id in ids {
        let found = view.regions.get(id).map(|answer| answer.content);
        if found != model.regions.get(id).map(|content| short_hash(content)) {
            return Some(format!("region {} is wrong", text(id)));
        }
    }
    let shown: BTreeMap<_, _> =
        view.names.iter().filter(|(_, (id, _))| view.regions.contains_key(id)).collect();
    let paths: BTreeSet<_> = shown.keys().copied().chain(model.names.keys()).collect();
    for path in paths {
        let expected = model.names.get(path).map(|id| (*id, model.regions[id].len() as u64));
        if shown.get(path).map(|found| **found) != expected {
            return Some(format!("path {path} is wrong"));
        }
    }
    for (id, content) in &model.components {
        if view.components.get(&(*id, 0)) != Some(&short_hash(content)) {
            return Some(format!("component {} is wrong", text(id)));
        }
    }
    None
}
