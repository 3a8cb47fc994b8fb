//! Finds out why a digest did not match: the bytes were either swapped or altered.
//!
//! Bytes are swapped if their digest matches under another id. So this module computes the digest
//! again under other ids of the index, until a limit on their number is reached. Specification:
//! `docs/spec/dacti-seal.md`, "Verification".

use crate::fetch::source::ReadAt;
use crate::find::scan;
use crate::{Error, Limits, View};
use core::sync::atomic::{AtomicU64, Ordering};
use dacti_index::Located;
use dacti_seal::{Hashes, Seals, Structure, explain_with};
use std::sync::Arc;

/// The index of an open package, and the number of entries that may still be tried.
#[derive(Debug, Clone)]
pub(crate) struct Explainer {
    source: Arc<dyn ReadAt>,
    view: Arc<View>,
    /// The number of entries that may still be tried. Without a limit, the work on a package of
    /// altered regions would grow with the square of the number of regions.
    left: Arc<AtomicU64>,
}

impl Explainer {
    pub(crate) fn new(source: Arc<dyn ReadAt>, view: Arc<View>, limits: &Limits) -> Self {
        Self { source, view, left: Arc::new(AtomicU64::new(limits.explained_entries_max)) }
    }

    /// If the digest of the region's stored bytes matches under another id of the index, returns
    /// the error that these bytes were swapped. Otherwise returns `error`. `bytes` are the seals
    /// after the stored bytes.
    pub(crate) fn explain(
        &self,
        error: dacti_seal::Error,
        located: &Located,
        hashes: &Hashes,
        (seals, bytes): (&Seals, &[u8]),
    ) -> dacti_seal::Error {
        let dacti_seal::Error::Altered { what: Structure::StoredRegion, .. } = error else {
            return error;
        };
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return error;
        }
        let (mut explained, mut tried) = (error, 0_u64);
        // A fault of the index ends this pass early. Then only the ids before the fault were tried,
        // and the fault is not reported here.
        let _ = scan::groups(&*self.source, &self.view, |group| {
            let ids = group.entries().iter().map(|entry| entry.id.get());
            tried = tried.saturating_add(u64::try_from(ids.len()).unwrap_or(u64::MAX));
            explained = explain_with(error, located, *hashes, bytes, seals, ids);
            if explained != error || tried >= left { Err(Error::Stopped) } else { Ok(()) }
        });
        let spend = |left: u64| Some(left.saturating_sub(tried));
        // Once no tries are left, all wrong bytes are reported as altered.
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
        explained
    }
}
