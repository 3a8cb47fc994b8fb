//! The bytes of an index after the head. They are fetched as a whole, once for all look-ups.
//!
//! A fold writes such an index. If its bytes were not kept, each look-up in a remote package would
//! fetch the index, or blocks of it, again. Specification: `docs/spec/dacti-package.md`, "An index
//! after the head".

use std::sync::{Arc, Mutex, PoisonError};

/// The maximum length of an index that is fetched as a whole. It is the length of one read of a
/// scan.
pub(crate) const KEPT_LEN_MAX: u64 = 256 * 1024;

/// The bytes; `None` until they were read. The lock is held only while the pointer is copied.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptIndex(Arc<Mutex<Option<Arc<Vec<u8>>>>>);

impl KeptIndex {
    /// Returns the bytes if they were read.
    pub(crate) fn bytes(&self) -> Option<Arc<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the bytes, and returns them.
    pub(crate) fn keep(&self, bytes: Vec<u8>) -> Arc<Vec<u8>> {
        let bytes = Arc::new(bytes);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&bytes));
        bytes
    }

    /// Drops the bytes, because they are at fault.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
