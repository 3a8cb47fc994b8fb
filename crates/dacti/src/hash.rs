//! BLAKE3 of stored bytes, with several threads if there are many bytes.
//!
//! The hash does not depend on the number of threads.

use core::num::NonZeroUsize;
#[cfg(not(target_family = "wasm"))]
use {
    crate::threads,
    rayon::{ThreadPool, ThreadPoolBuilder},
    std::sync::OnceLock,
};

/// The minimum number of bytes for which several threads share the hashing.
///
/// The gain was measured on two cores. A second thread slows down the hashing of 128 and 256 KiB,
/// because it takes about 10 µs to hand over the work. With two threads, 512 KiB are hashed 1.6
/// times as fast, 1 MiB 1.75 times (one thread takes 160 µs), and 4 MiB 1.9 times. Below 1 MiB, the
/// gain does not justify a second core, which may have other work.
pub(crate) const PARALLEL_LEN_MIN: usize = 1 << 20;

/// Threads that hash. They are started when [`PARALLEL_LEN_MIN`] bytes or more are hashed at once
/// for the first time. WebAssembly has no threads.
#[derive(Debug)]
pub(crate) struct HashPool {
    #[cfg(not(target_family = "wasm"))]
    asked: Option<NonZeroUsize>,
    /// `None` if one thread is enough, or if the system starts no thread. Then the caller's thread
    /// hashes.
    #[cfg(not(target_family = "wasm"))]
    pool: OnceLock<Option<ThreadPool>>,
}

#[cfg(target_family = "wasm")]
impl HashPool {
    /// Creates a pool that uses only the caller's thread.
    pub(crate) const fn new(_: Option<NonZeroUsize>) -> Self {
        Self {}
    }

    /// Adds the next bytes to a hash.
    #[expect(clippy::unused_self, reason = "other targets have threads in it")]
    pub(crate) fn update(&self, hasher: &mut blake3::Hasher, bytes: &[u8]) {
        hasher.update(bytes);
    }

    /// Returns the hash of bytes in memory.
    #[expect(clippy::unused_self, reason = "other targets have threads in it")]
    pub(crate) fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        *blake3::hash(bytes).as_bytes()
    }
}

#[cfg(not(target_family = "wasm"))]
impl HashPool {
    /// Creates a pool that has no threads yet. Later it starts `asked` threads, or one for each
    /// core.
    pub(crate) const fn new(asked: Option<NonZeroUsize>) -> Self {
        Self { asked, pool: OnceLock::new() }
    }

    /// Adds the next bytes to a hash.
    pub(crate) fn update(&self, hasher: &mut blake3::Hasher, bytes: &[u8]) {
        match self.pool(bytes.len()) {
            Some(pool) => pool.install(|| _ = hasher.update_rayon(bytes)),
            None => _ = hasher.update(bytes),
        }
    }

    /// Returns the hash of bytes in memory.
    pub(crate) fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        if bytes.len() < PARALLEL_LEN_MIN {
            return *blake3::hash(bytes).as_bytes();
        }
        let mut hasher = blake3::Hasher::new();
        self.update(&mut hasher, bytes);
        *hasher.finalize().as_bytes()
    }

    fn pool(&self, len: usize) -> Option<&ThreadPool> {
        if len < PARALLEL_LEN_MIN {
            return None;
        }
        // The cores are counted only here, because asking the system for their number takes longer
        // than opening a package.
        let start = || match threads::count(self.asked) {
            NonZeroUsize::MIN => None,
            threads => ThreadPoolBuilder::new().num_threads(threads.get()).build().ok(),
        };
        self.pool.get_or_init(start).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::{HashPool, PARALLEL_LEN_MIN};
    use core::num::NonZeroUsize;

    #[test]
    fn threads_change_no_hash() {
        let bytes: Vec<u8> = (0_u32..3_000_001).map(|i| i.to_le_bytes()[i as usize % 3]).collect();
        for len in [0, 1, PARALLEL_LEN_MIN - 1, PARALLEL_LEN_MIN, bytes.len()] {
            let expected = *blake3::hash(&bytes[..len]).as_bytes();
            for threads in [1, 2, 5] {
                let pool = HashPool::new(NonZeroUsize::new(threads));
                assert_eq!(pool.hash(&bytes[..len]), expected);
                let mut hasher = blake3::Hasher::new();
                bytes[..len].chunks(PARALLEL_LEN_MIN + 7).for_each(|piece| {
                    pool.update(&mut hasher, piece);
                });
                assert_eq!(*hasher.finalize().as_bytes(), expected);
            }
        }
    }
}
