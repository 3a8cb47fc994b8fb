//! A list of CIDs, stored as their bytes one after another. The list of a CAR's roots may have
//! millions of CIDs.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::cid::Cid;

/// A list of CIDs, stored as their bytes. Clones share the bytes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CidList {
    bytes: Arc<Vec<u8>>,
    len: usize,
}

impl CidList {
    /// Returns the number of CIDs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a CID.
    pub fn push(&mut self, cid: &Cid) {
        cid.push(Arc::make_mut(&mut self.bytes));
        self.len = self.len.saturating_add(1);
    }

    /// Appends the CID of these bytes. Returns false if they are not a CID.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) -> bool {
        let valid = Cid::read_all(bytes).is_ok();
        if valid {
            Arc::make_mut(&mut self.bytes).extend_from_slice(bytes);
            self.len = self.len.saturating_add(1);
        }
        valid
    }

    /// Returns the CIDs, in order.
    #[must_use]
    pub fn iter(&self) -> CidListIter<'_> {
        CidListIter { bytes: &self.bytes }
    }

    /// Returns a list without repeated CIDs. Of equal CIDs, only the first one is kept.
    #[must_use]
    pub fn distinct(&self) -> Self {
        let mut places: Vec<(&[u8], usize)> = Vec::with_capacity(self.len);
        let mut rest = self.bytes.as_slice();
        while let Ok((_, len)) = Cid::read(rest) {
            let (cid, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            places.push((cid, places.len()));
            rest = after;
        }
        places.sort_unstable();
        places.dedup_by_key(|(cid, _)| *cid);
        places.sort_unstable_by_key(|(_, place)| *place);
        let mut bytes = Vec::new();
        for (cid, _) in &places {
            bytes.extend_from_slice(cid);
        }
        Self { bytes: Arc::new(bytes), len: places.len() }
    }
}

/// The CIDs of a [`CidList`].
#[derive(Debug, Clone)]
pub struct CidListIter<'l> {
    bytes: &'l [u8],
}

impl Iterator for CidListIter<'_> {
    type Item = Cid;

    fn next(&mut self) -> Option<Cid> {
        let (cid, len) = Cid::read(self.bytes).ok()?;
        self.bytes = self.bytes.get(len..).unwrap_or_default();
        Some(cid)
    }
}

impl<'l> IntoIterator for &'l CidList {
    type Item = Cid;
    type IntoIter = CidListIter<'l>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'c> FromIterator<&'c Cid> for CidList {
    fn from_iter<I: IntoIterator<Item = &'c Cid>>(cids: I) -> Self {
        let mut list = Self::default();
        cids.into_iter().for_each(|cid| list.push(cid));
        list
    }
}

impl FromIterator<Cid> for CidList {
    fn from_iter<I: IntoIterator<Item = Cid>>(cids: I) -> Self {
        let mut list = Self::default();
        cids.into_iter().for_each(|cid| list.push(&cid));
        list
    }
}

impl<const N: usize> From<[Cid; N]> for CidList {
    fn from(cids: [Cid; N]) -> Self {
        cids.into_iter().collect()
    }
}

impl fmt::Debug for CidList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_order_and_length() {
        let cid = |content: &[u8]| Cid::new_identity(0x55, content).unwrap();
        let list = CidList::from([cid(b"b"), cid(b"a"), cid(b"b"), cid(&[7; 200]), cid(b"a")]);
        assert_eq!(list.len(), 5);
        let expected = CidList::from([cid(b"b"), cid(b"a"), cid(&[7; 200])]);
        assert_eq!(list.distinct(), expected);
        assert_eq!(list.iter().nth(3), Some(cid(&[7; 200])));
        assert!(CidList::default().is_empty() && CidList::default().distinct().is_empty());
    }
}
