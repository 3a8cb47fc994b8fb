//! The digest list of a package: read, and compared with the index and the seals.
//!
//! Specification: `docs/spec/dacti-seal.md`, "The digest list".

use crate::fetch::source::read_span;
use crate::index::IndexScan;
use crate::read::view::read_failed;
use crate::{Error, Package};
use dacti_index::{GROUP_LEN, Located};
use dacti_seal::{DIGEST_LIST_ID, DIGEST_LIST_VERSION, DigestList, DigestListFault, LISTED_LEN};
use daicon_core::{ComponentMatch, Requirement, Span};
use std::collections::HashMap;
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
        // A list has no more digests than the index has entries.
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

    /// Returns the digests in the list, without those of regions that an update has replaced. The
    /// result is empty if the package has no list, or if the list does not describe the current
    /// index.
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

    /// Returns the fault of the digest list. Each of its digests must equal the digest in the
    /// region's seal.
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
            // A fold has written another index. Readers ignore the list.
            return Ok(None);
        }
        let packed = self.packed(scan);
        let ids = DigestList::hash_ids(packed.iter().map(|located| located.id));
        if list.digests.len() != packed.len() || list.ids != ids {
            return Ok(Some(DigestListFault::OtherRegions));
        }
        for (located, listed) in packed.iter().zip(&list.digests) {
            if self.seal_start(located)? != Some(*listed) {
                return Ok(Some(DigestListFault::OtherRegions));
            }
        }
        Ok(None)
    }

    /// Reads the first bytes of the seal after a region; `None` if the package has no seals.
    pub(crate) fn seal_start(&self, located: &Located) -> Result<Option<[u8; LISTED_LEN]>, Error> {
        if self.trust().seal_len() == 0 {
            return Ok(None);
        }
        let start = located.span.end;
        let end = start.saturating_add(u64::try_from(LISTED_LEN).unwrap_or(0));
        let bytes = read_span(&**self.source(), Span { start, end }).map_err(read_failed)?;
        Ok(bytes.first_chunk().copied())
    }
}
