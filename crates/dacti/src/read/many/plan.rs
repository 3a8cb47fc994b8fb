//! The reads of many regions, planned before anything is read.

use super::find::{Asked, begin, has_other_id, id_of, other_id};
use super::reads::{Early, Manner, Reads};
use crate::find::scan;
use crate::{Package, RegionName};
use dacti_index::Located;
use dacti_names::NAMES_ID;
use daicon_core::Span;

/// The reads that [`Package::get_many`] and similar calls would make. Over HTTP, each read is one
/// request.
///
/// A plan does not include the requests that are repeated after faults, so reading costs more if
/// there are faults. The plan ignores budgets and other threads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct GetPlan {
    /// Reads that find the regions: blocks of the index, and the names list if paths are looked up
    /// in it. These reads are made first. A package with many updates may need more of them than
    /// planned, and a package without fences fewer.
    pub index: Vec<Span>,
    /// The number of regions whose places are unknown until the reads of `index` are made. The plan
    /// does not include the reads of their bytes.
    pub unknown: u64,
    /// Reads of the regions whose places are known, in the order in which they are sent.
    pub reads: Vec<Span>,
    /// The read of the head that follows all other reads and shows whether the file is still the
    /// same: see [`ReadAt::look`](crate::fetch::ReadAt::look).
    pub look: Option<Span>,
    /// The number of unused bytes between regions. They are fetched if one read with them can
    /// replace several reads.
    pub over_fetch: u64,
    /// The number of regions whose places are known: `reads` fetches them, or they are in memory.
    pub regions: u64,
    /// The number of regions whose bytes are in memory, such as in the head. Nothing is read for
    /// them.
    pub in_hand: u64,
    /// The number of names that have no region.
    pub absent: u64,
    /// The number of names and regions that give an error. Nothing is read for them.
    pub faults: u64,
}

impl GetPlan {
    /// Returns the number of reads. It includes the reads that find regions and the last read of
    /// the head.
    #[must_use]
    pub fn requests(&self) -> u64 {
        let look = u64::from(self.look.is_some());
        count(self.index.len()).saturating_add(count(self.reads.len())).saturating_add(look)
    }

    /// Returns the number of bytes of all reads, including unused bytes and the reads that find
    /// regions.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let all = self.index.iter().chain(&self.reads).chain(&self.look);
        all.fold(0, |sum, span| sum.saturating_add(span.len()))
    }

    /// Returns whether the places of all regions are known, so that the plan has all reads.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.unknown == 0
    }

    /// Finds regions with the bytes in memory. Adds the reads that [`Package::find_many`] would
    /// make to find the other regions. Returns the found regions in the order of their names.
    fn look_up(&mut self, package: &Package, names: &[RegionName<'_>]) -> Vec<Located> {
        let list = package.names_in_hand();
        let (mut asked, mut unnamed): (Vec<Asked>, u64) = (Vec::new(), 0);
        for (i, name) in names.iter().enumerate() {
            match id_of(package, *name, list) {
                Ok(Some(id)) => asked.push((id, i)),
                Ok(None) => unnamed = unnamed.saturating_add(1),
                Err(_) => self.faults = self.faults.saturating_add(1),
            }
        }
        let mut places: Vec<Option<Located>> = names.iter().map(|_| None).collect();
        let mut absent = Vec::new();
        self.look_up_ids(package, asked, &mut places, &mut absent);
        let mut others = Vec::new();
        for i in absent {
            let name = names.get(i).filter(|name| has_other_id(package, **name));
            match (name, list) {
                (Some(_), None) => unnamed = unnamed.saturating_add(1),
                (Some(name), Some(list)) if let Some(id) = other_id(*name, list) => {
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
            let (list, _) = self.look_up_names(package);
            self.index.extend(list);
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

    /// Adds the reads that find the place of the names list. Returns the reads of the list itself,
    /// and whether its place is already known.
    fn look_up_names(&mut self, package: &Package) -> (Vec<Span>, bool) {
        let mut names = None;
        let mut is_known = true;
        if let Some(scanned) = package.names_at().get() {
            names = *scanned;
        } else {
            let mut unknown = begin(package, vec![(NAMES_ID, 0)], &mut |_, found| {
                names = found.ok().flatten();
            });
            is_known = unknown.len() == 0;
            self.index.extend(unknown.reads(package));
        }
        let mut plan = Self::default();
        plan.add(package, Manner::Whole, names);
        (plan.reads, is_known)
    }

    /// Adds the reads of found regions.
    pub(super) fn add(
        &mut self,
        package: &Package,
        manner: Manner,
        found: impl IntoIterator<Item = Located>,
    ) {
        let reads = Reads::of(package, manner, true, found.into_iter().map(Ok), |_, early| {
            self.count_early(&early);
        });
        self.add_reads(package, &reads);
    }

    /// Adds the read of the head that follows all other reads.
    pub(super) fn add_look(&mut self, package: &Package) {
        let reads = !self.index.is_empty() || !self.reads.is_empty();
        self.look = package.source().look(reads);
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
    /// Plans the reads of [`get_many`](Self::get_many) for these names, without reading.
    ///
    /// If some regions are unknown, [`find_many`](Self::find_many) finds them, and
    /// [`plan_get_at`](Self::plan_get_at) then plans their reads.
    ///
    /// ```no_run
    /// # let package = dacti::Package::open("maps.dacti-pack")?;
    /// let names = ["12/2200/1343", "12/2200/1344"];
    /// let plan = package.plan_get(names);
    /// println!("{} requests to find the regions", plan.index.len());
    /// let found: Vec<_> = package.find_many(names).into_iter().flatten().flatten().collect();
    /// let plan = package.plan_get_at(found);
    /// println!("{} requests, {} bytes, {} of them unused", plan.requests(), plan.bytes(),
    ///     plan.over_fetch);
    /// # Ok::<(), dacti::Error>(())
    /// ```
    #[must_use]
    pub fn plan_get<'a, K: Into<RegionName<'a>>>(
        &self,
        names: impl IntoIterator<Item = K>,
    ) -> GetPlan {
        let names: Vec<RegionName<'a>> = names.into_iter().map(Into::into).collect();
        let mut plan = GetPlan::default();
        let found = plan.look_up(self, &names);
        plan.add(self, Manner::Whole, found);
        plan.add_look(self);
        plan
    }

    /// Plans the reads that [`list`](Self::list) makes of the index and the names list. Reads
    /// nothing.
    ///
    /// If the place of the names list is not known, `unknown` is 1. [`find`](Self::find) with
    /// [`NAMES_ID`] finds the place. Each further segment of the list takes one more read.
    #[must_use]
    pub fn plan_list(&self) -> GetPlan {
        let in_hand = |span: &Span| self.lent(*span).is_none();
        let windows = scan::windows(&**self.source(), self.view());
        let index = windows.into_iter().filter(in_hand).collect();
        let mut plan = GetPlan { index, ..GetPlan::default() };
        if self.names_in_hand().is_none() {
            // No reads are added to find the names list, because the read of the whole index finds
            // it.
            let (reads, is_known) = GetPlan::default().look_up_names(self);
            (plan.reads, plan.unknown) = (reads, u64::from(!is_known));
        }
        plan
    }

    /// Plans the reads of [`get_many_at`](Self::get_many_at) for regions that were found before,
    /// without reading.
    #[must_use]
    pub fn plan_get_at(&self, found: impl IntoIterator<Item = Located>) -> GetPlan {
        let mut plan = GetPlan::default();
        plan.add(self, Manner::Whole, found);
        plan.add_look(self);
        plan
    }
}
