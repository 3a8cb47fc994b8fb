//! Many regions at once: found in the order of their ids, read in the order of the file, near ones
//! by one read.

use crate::content::{doubted, region, region_of};
use crate::source::read_span;
use crate::{Error, Key, Package, Region};
use core::ops::ControlFlow;
use dacti_index::Located;
use dacti_names::region_id;
use daicon_core::{Joining, Slices, Span, coalesce};
use std::borrow::Cow;

/// A region that was found, to be read.
#[derive(Debug)]
struct Wanted {
    /// Its stored bytes, and its seal where that counts.
    span: Span,
    /// Its place among the keys.
    i: usize,
    located: Located,
}

impl Package {
    /// Where the stored bytes of many regions are, in the order of `keys`; `None` where there is no
    /// such region. Each key's fault is its own.
    ///
    /// As [`find`](Self::find) for each, in the order of their ids, so that what is read of the
    /// index is used for its neighbours too.
    pub fn find_many<'a, K: Into<Key<'a>>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Option<Located>, Error>> {
        let keys: Vec<Key<'a>> = keys.into_iter().map(Into::into).collect();
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_cached_key(|i| match keys.get(*i) {
            Some(Key::Id(id)) => Some(*id),
            Some(Key::Path(path)) => region_id(path).ok(),
            None => None,
        });
        let mut found: Vec<_> = keys.iter().map(|_| Ok(None)).collect();
        for i in order {
            if let (Some(key), Some(slot)) = (keys.get(i), found.get_mut(i)) {
                *slot = self.find(*key);
            }
        }
        found
    }

    /// The contents of many regions, in the order of `keys`, each whole and decoded. Each key's
    /// fault is its own.
    ///
    /// All of them together are at most [`Limits::region_len_max`](crate::Limits::region_len_max)
    /// bytes: for more, see [`visit_many`](Self::visit_many).
    pub fn get_many<'a, K: Into<Key<'a>>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Vec<u8>, Error>> {
        let mut contents = Vec::new();
        let mut left = self.limits().region_len_max;
        let found = self.find_or_tell(keys, |_| contents.push(Ok(Vec::new())));
        self.visit(found, &mut left, &mut |i, region, left| {
            if let Some(slot) = contents.get_mut(i) {
                *slot = region.map(Region::into_vec);
                let len = slot.as_ref().map_or(0, Vec::len);
                *left = left.saturating_sub(u64::try_from(len).unwrap_or(u64::MAX));
            }
            ControlFlow::Continue(())
        });
        contents
    }

    /// Hands the regions of `keys` to `visit`, each with its key's place among the keys, whole and
    /// decoded, until it breaks. Each key's fault is its own.
    ///
    /// They come in the order of the file, after what is not there and what costs no read. Regions
    /// that lie no more than [`Limits::gap_len_max`](crate::Limits::gap_len_max) bytes apart are
    /// read together, up to [`Limits::read_len_max`](crate::Limits::read_len_max) bytes. Memory:
    /// one such read, the region in hand, and 150 bytes for each key.
    pub fn visit_many<'a, K: Into<Key<'a>>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        mut visit: impl FnMut(usize, Result<Region<'_>, Error>) -> ControlFlow<()>,
    ) {
        let found = self.find_or_tell(keys, |_| ());
        let mut len_max = self.limits().region_len_max;
        self.visit(found, &mut len_max, &mut |i, region, _| visit(i, region));
    }

    /// Finds all; what is not there is `NotFound`. `each` is told of each key.
    fn find_or_tell<'a, K: Into<Key<'a>>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        mut each: impl FnMut(Key<'a>),
    ) -> Vec<Result<Located, Error>> {
        let keys: Vec<Key<'a>> = keys.into_iter().map(Into::into).collect();
        let found = self.find_many(keys.iter().copied());
        let found = found.into_iter().zip(keys).map(|(found, key)| {
            each(key);
            found?.ok_or_else(|| Error::NotFound { key: key.to_string() })
        });
        found.collect()
    }

    fn visit(&self, found: Vec<Result<Located, Error>>, len_max: &mut u64, visit: &mut Visit<'_>) {
        let mut wanted = Vec::new();
        for (i, found) in found.into_iter().enumerate() {
            let span = found.and_then(|located| Ok((located, self.trust().span(located)?)));
            let told = match span {
                Ok((located, span)) if self.lent(span).is_none() => {
                    wanted.push(Wanted { span, i, located });
                    continue;
                }
                // Its bytes are in hand.
                Ok((located, _)) => region(self, located, None, *len_max),
                Err(fault) => Err(fault),
            };
            if visit(i, told, len_max).is_break() {
                return;
            }
        }
        wanted.sort_by_key(|wanted| (wanted.span, wanted.i));
        let spans: Vec<Span> = wanted.iter().map(|wanted| wanted.span).collect();
        let reads: Vec<_> = coalesce(&spans, self.joining()).collect();
        let ahead: Vec<_> = reads.iter().map(|read| read.span).collect();
        self.source().will_read(&ahead);
        for read in reads {
            let end = read.first.saturating_add(read.count);
            let together = wanted.get(read.first..end).unwrap_or_default();
            // One region alone is read as it always is. So are those whose joint read fails: what
            // fails for one of them is not the fault of the others.
            let bytes = match together {
                [_] => None,
                _ => read_span(&**self.source(), read.span).ok(),
            };
            for one in together {
                let part = { bytes.as_deref() }.and_then(|b| one.span.slice_of(b, read.span.start));
                let told = match part {
                    Some(part) => self.part(one.located, part, *len_max),
                    None => region(self, one.located, None, *len_max),
                };
                if visit(one.i, told, len_max).is_break() {
                    return;
                }
            }
        }
    }

    /// A region from bytes that were read together with others; where they are wrong it is read by
    /// itself.
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

    /// How regions are joined into reads: within the caller's limits and, where the package grew,
    /// never across the slices that caches hold.
    fn joining(&self) -> Joining {
        let slices = self.view().layout();
        let slices = slices.map(|layout| Slices { from: layout.fresh_end, len: layout.slice_len });
        let limits = self.limits();
        Joining { gap_len_max: limits.gap_len_max, len_max: limits.read_len_max, slices }
    }
}

/// Takes a region with its key's place, and may lower what the next ones may decode to.
type Visit<'v> = dyn FnMut(usize, Result<Region<'_>, Error>, &mut u64) -> ControlFlow<()> + 'v;
