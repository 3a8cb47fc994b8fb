//! The SHA3-512 over the CIDs of all blocks. Computing it takes about a fifth of the time of
//! reading or writing an archive. Nothing else depends on it, so a separate thread may compute it.

use alloc::vec::Vec;
use core::mem;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use sha3::{Digest as _, Sha3_512};

/// The size of a batch of CIDs, in bytes. An archive with fewer bytes of CIDs starts no thread.
const BATCH_LEN: usize = 64 << 10;
/// The number of batches that may wait for the thread.
const BATCHES_MAX: usize = 8;

/// A thread that hashes its input, and ends when the sender is dropped.
#[derive(Debug)]
struct Helper {
    batches: SyncSender<Vec<u8>>,
    thread: JoinHandle<Sha3_512>,
}

/// The digest of all CIDs so far.
#[derive(Debug)]
pub(crate) struct CidDigest {
    batch: Vec<u8>,
    hasher: Sha3_512,
    may_help: bool,
    helper: Option<Helper>,
}

impl CidDigest {
    pub(crate) fn new(may_help: bool) -> Self {
        Self { batch: Vec::new(), hasher: Sha3_512::new(), may_help, helper: None }
    }

    pub(crate) fn push(&mut self, prefix: &[u8], digest: &[u8]) {
        self.batch.extend_from_slice(prefix);
        self.batch.extend_from_slice(digest);
        if self.batch.len() >= BATCH_LEN {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        if self.may_help {
            // If no thread can be started, the current thread hashes the CIDs.
            self.may_help = false;
            self.helper = start(self.hasher.clone());
        }
        if let Some(helper) = &self.helper {
            let batch = mem::replace(&mut self.batch, Vec::with_capacity(BATCH_LEN + 256));
            // The thread takes every batch, so sending cannot fail.
            let sent = helper.batches.send(batch);
            debug_assert!(sent.is_ok(), "the thread ends when the sender is dropped");
            return;
        }
        self.hasher.update(&self.batch);
        self.batch.clear();
    }

    /// Returns the digest. Further CIDs begin a new digest.
    pub(crate) fn finish(&mut self) -> [u8; 64] {
        if let Some(Helper { batches, thread }) = self.helper.take() {
            drop(batches);
            // The thread cannot panic. If it did, the empty hasher would give a digest that matches
            // no archive.
            self.hasher = thread.join().unwrap_or_default();
        }
        self.hasher.update(&self.batch);
        self.batch.clear();
        self.hasher.finalize_reset().into()
    }
}

fn start(mut hasher: Sha3_512) -> Option<Helper> {
    let (batches, received) = sync_channel::<Vec<u8>>(BATCHES_MAX);
    let run = move || {
        for batch in received {
            hasher.update(&batch);
        }
        hasher
    };
    let thread = Builder::new().name("dar digest".into()).spawn(run).ok()?;
    Some(Helper { batches, thread })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_changes_no_digest() {
        for count in [0_u32, 1, 1800, 1900, 50_000] {
            let mut all = Sha3_512::new();
            let (mut alone, mut helped) = (CidDigest::new(false), CidDigest::new(true));
            for number in 0..count {
                let digest = [number.to_le_bytes(); 8].concat();
                all.update(b"\x01\x55\x12\x20");
                all.update(&digest);
                alone.push(b"\x01\x55\x12\x20", &digest);
                helped.push(b"\x01\x55\x12\x20", &digest);
            }
            let expected: [u8; 64] = all.finalize().into();
            assert_eq!(alone.finish(), expected, "{count}");
            assert_eq!(helped.finish(), expected, "{count}");
        }
    }
}
