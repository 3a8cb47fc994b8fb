//! Many regions at once. They are found in the order of their ids, and read in the order of the
//! file, with few reads.

mod digests;
mod find;
mod plan;
mod readers;
mod reads;

pub(crate) use digests::Digests;
pub use plan::GetPlan;
pub use readers::Readers;

use crate::fetch::source::{Told, read_span};
use crate::fetch::{FaultStreak, refuse_unless};
use crate::read::region::{doubted, region, region_of};
use crate::{Error, Package, Region, RegionName};
use core::ops::ControlFlow;
use dacti_index::Located;
use reads::{Early, Manner, Reads};
use std::borrow::Cow;

impl Package {
    /// Finds the stored bytes of many regions, in the order of `names`; `None` for a name without a
    /// region. An error for one name does not affect the others.
    ///
    /// The results equal those of [`find`](Self::find) for each name. But the look-ups share the
    /// reads of the index, and one read fetches blocks near each other. Memory: one such read, and
    /// 400 bytes for each name.
    pub fn find_many<'a, K: Into<RegionName<'a>>>(
        &self,
        names: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Option<Located>, Error>> {
        let names: Vec<RegionName<'a>> = names.into_iter().map(Into::into).collect();
        find::find_all(self, &names)
    }

    /// Reads the contents of many regions, in the order of `names`, each whole and decoded. An
    /// error for one name does not affect the others.
    ///
    /// All contents together have at most [`Limits::region_len_max`](crate::Limits::region_len_max)
    /// bytes. For more bytes, use [`visit_many`](Self::visit_many).
    pub fn get_many<'a, K: Into<RegionName<'a>>>(
        &self,
        names: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Vec<u8>, Error>> {
        self.contents(self.find_or_tell(names))
    }

    /// Does the same as [`get_many`](Self::get_many), for regions that were found before.
    pub fn get_many_at(
        &self,
        found: impl IntoIterator<Item = Located>,
    ) -> Vec<Result<Vec<u8>, Error>> {
        self.contents(found.into_iter().map(Ok).collect())
    }

    fn contents(&self, found: Vec<Result<Located, Error>>) -> Vec<Result<Vec<u8>, Error>> {
        let mut contents: Vec<_> = found.iter().map(|_| Ok(Vec::new())).collect();
        let mut left = self.limits().region_len_max;
        self.visit(found, &mut left, &mut |i, region, left| {
            if let Some(slot) = contents.get_mut(i) {
                *slot = region.map(Region::into_vec);
                let len = slot.as_ref().map_or(0, Vec::len);
                *left = left.saturating_sub(u64::try_from(len).unwrap_or(u64::MAX));
            }
            ControlFlow::Continue(())
        });
        refuse_unless(self.confirm(), contents)
    }

    /// Hands the regions of `names` to `visit`, whole and decoded, until `visit` returns `Break`.
    /// The arguments of `visit` are the index of the name in `names`, and the region or its error.
    ///
    /// Errors and regions in memory are handed out first, then the other regions in the order of
    /// the file. If regions are at most [`Limits::gap_len_max`](crate::Limits::gap_len_max) bytes
    /// apart, they are read together, up to [`Limits::read_len_max`](crate::Limits::read_len_max)
    /// bytes. Memory: one such read, the bytes that the source reads ahead, one region, and 400
    /// bytes for each name.
    ///
    /// # Errors
    /// The errors of [`confirm`](Self::confirm), after the last region. `Replaced` means that some
    /// of the regions may belong to another file.
    pub fn visit_many<'a, K: Into<RegionName<'a>>>(
        &self,
        names: impl IntoIterator<Item = K>,
        mut visit: impl FnMut(usize, Result<Region<'_>, Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let found = self.find_or_tell(names);
        let mut len_max = self.limits().region_len_max;
        self.visit(found, &mut len_max, &mut |i, region, _| visit(i, region));
        self.confirm()
    }

    /// Finds the regions of all names. A name without a region gets the error `NotFound`.
    fn find_or_tell<'a, K: Into<RegionName<'a>>>(
        &self,
        names: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Located, Error>> {
        let names: Vec<RegionName<'a>> = names.into_iter().map(Into::into).collect();
        let found = find::find_all(self, &names).into_iter().zip(names);
        let told = found.map(|(found, name)| {
            found?.ok_or_else(|| Error::NotFound { region: name.to_string() })
        });
        told.collect()
    }

    fn visit(&self, found: Vec<Result<Located, Error>>, len_max: &mut u64, visit: &mut Visit<'_>) {
        let mut early = Vec::new();
        let reads = Reads::of(self, Manner::Whole, true, found, |i, found| early.push((i, found)));
        let announce = || Told::new(&**self.source(), reads.ahead(self));
        // A region in memory may need the dictionary, so the dictionary is read before any region
        // is handed out. All reads are announced together.
        let mut announced = reads.needs_dictionary().then(announce);
        reads.read_dictionary(self);
        for (i, early) in early {
            let told = match early {
                Early::InHand(located) => region(self, located, None, *len_max),
                Early::Fault(fault) => Err(fault),
            };
            if visit(i, told, len_max).is_break() {
                return;
            }
        }
        let _told = announced.take().unwrap_or_else(announce);
        // If a fault of the server would affect every further region, the reading ends, and all
        // further regions get this fault.
        let (mut streak, mut ended) = (FaultStreak::default(), None);
        for read in &reads.joined {
            let together = reads.together(read);
            // A region that shares no read is read alone. So are regions whose shared read failed,
            // because the error may affect only one of them.
            let bytes = match together {
                [_] => None,
                _ if ended.is_some() => None,
                _ => read_span(&**self.source(), read.span).ok(),
            };
            for one in together {
                let part = { bytes.as_deref() }.and_then(|b| one.span.slice_of(b, read.span.start));
                let told = match (&ended, part) {
                    (Some(ended), _) => Err(Error::repeated(ended)),
                    (None, Some(part)) => self.part(one.located, part, *len_max),
                    (None, None) => region(self, one.located, None, *len_max),
                };
                if ended.is_none() && streak.note(told.as_ref().err()) {
                    ended = told.as_ref().err().map(Error::repeated);
                }
                if visit(one.i, told, len_max).is_break() {
                    return;
                }
            }
        }
    }

    /// Returns a region whose bytes were read together with those of other regions. If the bytes
    /// are wrong, the region is read alone.
    fn part<'p>(
        &'p self,
        located: Located,
        part: &'p [u8],
        len_max: u64,
    ) -> Result<Region<'p>, Error> {
        match region_of(self, located, Cow::Borrowed(part), None, len_max) {
            Err(fault) if doubted(self, located, &fault)? => region(self, located, None, len_max),
            result => result,
        }
    }
}

/// A function that takes the index of a name, and the region or its error. It may lower the limit
/// on the content of each later region.
type Visit<'v> = dyn FnMut(usize, Result<Region<'_>, Error>, &mut u64) -> ControlFlow<()> + 'v;
