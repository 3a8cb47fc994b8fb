//! What many regions would cost, told before anything is read.

use super::find::{Asked, begin, has_other_id, id_of, other_id};
use super::reads::{Early, Manner, Reads};
use crate::find::scan;
use crate::{Package, RegionName};
use dacti_index::Located;
use dacti_names::NAMES_ID;
use daicon_core::Span;

/// What [`Package::get_many`] and its like would read: over HTTP, each read is one request.
///
/// A plan counts no retries, resumes and escalations: what goes wrong costs more. It knows nothing
/// of budgets, and of what other threads read meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct GetPlan {
    /// Reads that tell where regions are: blocks of the index, and the names list where paths are
    /// looked up in it. They come first. Where they do not tell all, as in a package that was
    /// updated often, more follow; where the package has no lookup keys, some may not be needed.
    pub index: Vec<Span>,
    /// Regions whose places are not known before those reads; what they take themselves is not in
    /// the plan.
    pub unknown: u64,
    /// Reads of regions whose places are known, in the order in which they are sent.
    pub reads: Vec<Span>,
    /// Bytes of those reads that lie between regions and are fetched for nothing, to save reads.
    pub over_fetch: u64,
    /// Regions that the plan is for, as far as their places are known: those that the reads bring,
    /// and those in hand.
    pub regions: u64,
    /// Regions among them whose bytes are in hand, in the head or in memory: they take no read.
    pub in_hand: u64,
    /// Keys that are known to name no region.
    pub absent: u64,
    /// Keys and regions that are known to end in an error: they take no read.
    pub faults: u64,
}

impl GetPlan {
    /// How many reads there are, those that tell places included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        count(self.index.len()).saturating_add(count(self.reads.len()))
    }

    /// Bytes of all reads, those that tell places and those read for nothing included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let all = self.index.iter().chain(&self.reads);
        all.fold(0, |sum, span| sum.saturating_add(span.len()))
    }

    /// Whether the places of all regions are known, so that nothing is missing in the plan.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.unknown == 0
    }

    /// Finds regions as [`Package::find_many`] does, as far as what is in hand tells, and adds what
    /// it would read for the others. Returns the regions in the order of their keys.
    fn look_up(&mut self, package: &Package, keys: &[RegionName<'_>]) -> Vec<Located> {
        let names = package.names_in_hand();
        let (mut asked, mut unnamed): (Vec<Asked>, u64) = (Vec::new(), 0);
        for (i, key) in keys.iter().enumerate() {
            match id_of(package, *key, names) {
                Ok(Some(id)) => asked.push((id, i)),
                Ok(None) => unnamed = unnamed.saturating_add(1),
                Err(_) => self.faults = self.faults.saturating_add(1),
            }
        }
        let mut places: Vec<Option<Located>> = keys.iter().map(|_| None).collect();
        let mut absent = Vec::new();
        self.look_up_ids(package, asked, &mut places, &mut absent);
        let mut others = Vec::new();
        for i in absent {
            let key = keys.get(i).filter(|key| has_other_id(package, **key));
            match (key, names) {
                (Some(_), None) => unnamed = unnamed.saturating_add(1),
                (Some(key), Some(names)) if let Some(id) = other_id(*key, names) => {
                    others.push((id, i));
                }
                _ => self.absent = self.absent.saturating_add(1),
            }
        }
        let mut absent = Vec::new();
        self.look_up_ids(package, others, &mut places, &mut absent);
        self.absent = self.absent.saturating_add(count(absent.len()));
        self.unknown = self.unknown.saturating_add(unnamed);
        if unnamed > 0 {
            let (names, _) = self.look_up_names(package);
            self.index.extend(names);
        }
        places.into_iter().flatten().collect()
    }

    fn look_up_ids(
        &mut self,
        package: &Package,
        asked: Vec<Asked>,
        places: &mut [Option<Located>],
        absent: &mut Vec<usize>,
    ) {
        let mut unknown = begin(package, asked, &mut |i, found| match found {
            Ok(Some(located)) => places.iter_mut().skip(i).take(1).for_each(|place| {
                *place = Some(located);
            }),
            Ok(None) => absent.push(i),
            Err(_) => self.faults = self.faults.saturating_add(1),
        });
        absent.sort_unstable();
        self.unknown = self.unknown.saturating_add(count(unknown.len()));
        self.index.extend(unknown.reads(package));
    }

    /// Adds what tells where the names list is. Returns what is read of that, and whether its place
    /// is known.
    fn look_up_names(&mut self, package: &Package) -> (Vec<Span>, bool) {
        let mut names = None;
        let mut unknown = begin(package, vec![(NAMES_ID, 0)], &mut |_, found| {
            names = found.ok().flatten();
        });
        let is_known = unknown.len() == 0;
        self.index.extend(unknown.reads(package));
        let mut plan = Self::default();
        plan.add(package, Manner::Whole, names);
        (plan.reads, is_known)
    }

    /// Adds the reads of regions that were found.
    pub(super) fn add(
        &mut self,
        package: &Package,
        manner: Manner,
        found: impl IntoIterator<Item = Located>,
    ) {
        let reads = Reads::of(package, manner, found.into_iter().map(Ok), |_, early| {
            self.count_early(&early);
        });
        self.add_reads(package, &reads);
    }

    pub(super) fn add_reads(&mut self, package: &Package, reads: &Reads) {
        self.regions = self.regions.saturating_add(count(reads.wanted.len()));
        reads.tell(package, self);
    }

    pub(super) fn count_early(&mut self, early: &Early) {
        let more = |n: &mut u64| *n = n.saturating_add(1);
        match early {
            Early::InHand(_) => {
                more(&mut self.regions);
                more(&mut self.in_hand);
            }
            Early::Fault(_) => more(&mut self.faults),
        }
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

impl Package {
    /// What [`get_many`](Self::get_many) of these keys would read, as far as that is known without
    /// reading: nothing is read for it.
    ///
    /// Where places are not known, [`find_many`](Self::find_many) reads what tells them, and
    /// [`plan_get_at`](Self::plan_get_at) then tells the rest.
    ///
    /// ```no_run
    /// # let package = dacti::Package::open("maps.dacti-pack")?;
    /// let keys = ["12/2200/1343", "12/2200/1344"];
    /// let plan = package.plan_get(keys);
    /// println!("{} requests for where they are", plan.index.len());
    /// let found: Vec<_> = package.find_many(keys).into_iter().flatten().flatten().collect();
    /// let plan = package.plan_get_at(found);
    /// println!("{} requests, {} bytes, {} for nothing", plan.requests(), plan.bytes(),
    ///     plan.over_fetch);
    /// # Ok::<(), dacti::Error>(())
    /// ```
    #[must_use]
    pub fn plan_get<'a, K: Into<RegionName<'a>>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> GetPlan {
        let keys: Vec<RegionName<'a>> = keys.into_iter().map(Into::into).collect();
        let mut plan = GetPlan::default();
        let found = plan.look_up(self, &keys);
        plan.add(self, Manner::Whole, found);
        plan
    }

    /// What [`list`](Self::list) would read, which is the index and the names list, as far as that
    /// is known without reading: nothing is read for it.
    ///
    /// `unknown` is 1 where it is not known where the names list is: [`find`](Self::find) of
    /// [`NAMES_ID`] reads what tells it. A list of several segments, as updates make them, takes
    /// a read more for each, and maybe one for where that is.
    #[must_use]
    pub fn plan_list(&self) -> GetPlan {
        let in_hand = |span: &Span| self.lent(*span).is_none();
        let windows = scan::windows(&**self.source(), self.view());
        let index = windows.into_iter().filter(in_hand).collect();
        let mut plan = GetPlan { index, ..GetPlan::default() };
        if self.names_in_hand().is_none() {
            let (reads, is_known) = plan.look_up_names(self);
            (plan.reads, plan.unknown) = (reads, u64::from(!is_known));
        }
        plan
    }

    /// What [`get_many_at`](Self::get_many_at) of these regions, which were found before, would
    /// read. Nothing is read for it.
    #[must_use]
    pub fn plan_get_at(&self, found: impl IntoIterator<Item = Located>) -> GetPlan {
        let mut plan = GetPlan::default();
        plan.add(self, Manner::Whole, found);
        plan
    }
}
