//! Reads the digest list of a package, and compares it with the index and the seals.
//!
//! Specification: `docs/spec/dacti-seal.md`, "The digest list".

use crate::fetch::source::read_span;
use crate::index::IndexScan;
use crate::read::sealed_spans::SealedSpans;
use crate::read::total::check_compared;
use crate::read::view::read_failed;
use crate::read::whole::hash_whole;
use crate::{Error, Package};
use dacti_index::{GROUP_LEN, Located};
use dacti_seal::{
    DIGEST_LIST_ID, DIGEST_LIST_VERSION, DigestList, DigestListFault, Hashes, LISTED_LEN,
    digest_of_hash,
};
use daicon_core::{ComponentMatch, Requirement, Span, to_u64};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use uuid::Uuid;

const DIGEST_LIST: Requirement<'static> = Requirement::new(DIGEST_LIST_ID, DIGEST_LIST_VERSION);

impl Package {
    /// Returns the place of the digest list, if the package has one.
    pub(crate) fn digest_list_span(&self) -> Option<Span> {
        match DIGEST_LIST.find(self.view().components()) {
            ComponentMatch::Found(component) => component.span().ok(),
            ComponentMatch::Incompatible(_) | ComponentMatch::Missing => None,
        }
    }

    /// Reads the digest list, if the package has one.
    pub(crate) fn read_digest_list(
        &self,
    ) -> Result<Option<Result<DigestList, DigestListFault>>, Error> {
        let Some(span) = self.digest_list_span() else { return Ok(None) };
        // A list has at most one digest for each entry of the index. Bytes after this many digests
        // are not read.
        let entries = self.view().index().len() / 24;
        let end = span.end.min(span.start.saturating_add(DigestList::len_of(entries)));
        let bytes = read_span(&**self.source(), Span { start: span.start, end });
        Ok(Some(DigestList::parse(&bytes.map_err(read_failed)?)))
    }

    /// Returns the regions in the groups after the delta groups, ascending by id. These are the
    /// regions that the packer wrote. Regions that updates have replaced or removed since are
    /// included.
    fn packed(&self, scan: &IndexScan) -> Vec<Located> {
        let delta_groups = self.view().layout().map_or(0, |layout| layout.delta_groups);
        let deltas = u64::from(delta_groups).saturating_mul(GROUP_LEN);
        let start = self.view().index().start.saturating_add(deltas);
        let entries = scan.found.iter().chain(&scan.replaced).chain(&scan.removals);
        let mut packed: Vec<_> = entries.filter(|located| located.at > start).copied().collect();
        packed.sort_unstable_by_key(|located| located.id);
        packed
    }

    /// Returns the digests in the list, without those of regions that an update has replaced or
    /// removed. The result is empty if the package has no list, or if the list does not describe
    /// the current index.
    pub(crate) fn listed_digests(
        &self,
        scan: &IndexScan,
    ) -> Result<HashMap<Uuid, [u8; LISTED_LEN]>, Error> {
        // spec: R-DIG-03, R-DIG-04
        let Some(Ok(list)) = self.read_digest_list()? else { return Ok(HashMap::new()) };
        let packed = self.packed(scan);
        let ids = DigestList::hash_ids(packed.iter().map(|located| located.id));
        if list.index_at != self.view().index().start
            || list.digests.len() != packed.len()
            || list.ids != ids
        {
            return Ok(HashMap::new());
        }
        let mut listed: HashMap<_, _> =
            packed.iter().map(|located| located.id).zip(list.digests).collect();
        for old in &scan.replaced {
            listed.remove(&old.id);
        }
        Ok(listed)
    }

    /// Returns the fault of the digest list; `None` if it has none. Each digest of the list must
    /// match the digest of its region.
    pub(crate) fn digest_list_fault(
        &self,
        scan: &IndexScan,
    ) -> Result<Option<DigestListFault>, Error> {
        // spec: R-DIG-05
        let list = match self.read_digest_list()? {
            None => return Ok(None),
            Some(Err(fault)) => return Ok(Some(fault)),
            Some(Ok(list)) => list,
        };
        if list.index_at != self.view().index().start {
            // A fold has written a new index, so readers ignore the list.
            return Ok(None);
        }
        let packed = self.packed(scan);
        let ids = DigestList::hash_ids(packed.iter().map(|located| located.id));
        if list.digests.len() != packed.len() || list.ids != ids {
            return Ok(Some(DigestListFault::OtherRegions));
        }
        let sealed = SealedSpans::of(self, &packed);
        let is_alone = |located: &Located| sealed.count(located) == 1;
        // If regions share stored bytes, the seals of all these regions follow the bytes, in any
        // order. So the digest of each region is computed from the stored bytes, and not read from
        // a seal.
        let sharing: Vec<&Located> = packed.iter().filter(|found| !is_alone(found)).collect();
        check_compared(self, &sharing)?;
        let mut hashes: HashMap<Span, Hashes> = HashMap::new();
        for (located, listed) in packed.iter().zip(&list.digests) {
            let is_listed = if is_alone(located) {
                self.has_digest(located, listed)?
            } else {
                let hashes = match hashes.entry(located.span) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(free) => *free.insert(self.stored_hashes(located)?),
                };
                let (id, encoding, len) = (located.id, located.encoding, located.span.len());
                digest_of_hash(id, encoding, len, hashes).starts_with(listed)
            };
            if !is_listed {
                return Ok(Some(DigestListFault::OtherRegions));
            }
        }
        Ok(None)
    }

    /// Returns the hashes from which the digest of a region is made.
    fn stored_hashes(&self, located: &Located) -> Result<Hashes, Error> {
        let span = located.within(self.view().bound())?.span;
        let stored = hash_whole(&**self.source(), span, self.hash_pool())?;
        let dictionary = self.dictionary().needed_by(located.encoding)?.map(|read| read.hash);
        Ok(Hashes { stored, dictionary })
    }

    /// Returns whether one of the seals after a region's stored bytes begins with these bytes of a
    /// digest.
    pub(crate) fn has_digest(
        &self,
        located: &Located,
        listed: &[u8; LISTED_LEN],
    ) -> Result<bool, Error> {
        Ok(self.seal_at(located, listed)?.is_some())
    }

    /// Finds the seal after a region's stored bytes that begins with these bytes of a digest, and
    /// returns its position. If several seals may follow the stored bytes, all of them are read.
    pub(crate) fn seal_at(
        &self,
        located: &Located,
        listed: &[u8; LISTED_LEN],
    ) -> Result<Option<u64>, Error> {
        if self.trust().seals().is_none() {
            return Ok(None);
        }
        let (seal_len, listed_len) = (self.trust().seal_len(), to_u64(LISTED_LEN));
        let span = self.trust().seal_starts(located, listed_len, u64::MAX, self.view());
        let bytes = read_span(&**self.source(), span).map_err(read_failed)?;
        let step = usize::try_from(seal_len).unwrap_or(usize::MAX);
        let found = bytes.chunks(step).position(|seal| seal.starts_with(listed));
        Ok(found.map(|n| span.start.saturating_add(seal_len.saturating_mul(to_u64(n)))))
    }
}
