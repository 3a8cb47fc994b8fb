//! The search for private keys in long files: chunk by chunk, before the first byte of a chunk is
//! sent. So the first answer does not wait until the whole file was read.
//!
//! A private key must not leave the server, because anybody who has it can sign as its owner.

use crate::read::read_at;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use dacti::seal::KeySearch;
use std::fs::File;
use std::io;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// The longest file that is searched whole before it is served for the first time.
pub(crate) const SHORT: u64 = 16 << 20;
/// The length of a chunk.
const CHUNK: u64 = 1 << 20;
/// The number of bytes before and after a chunk that are searched with it, because a key may cross
/// its borders. The text of a key is much shorter, even in UTF-16.
const AROUND: u64 = 64 << 10;
/// The maximum number of chunks whose result is remembered. A file of 1 TiB has this many chunks.
const CHUNKS_MAX: u64 = 1 << 20;
/// Bytes that are read at once.
const READ_LEN: usize = 64 << 10;

/// The chunks of one file that were searched. All requests for the file share it.
#[derive(Debug)]
pub(crate) struct Searched {
    len: u64,
    /// A bit for each chunk that has no key.
    clean: Box<[AtomicU64]>,
    is_secret: AtomicBool,
}

impl Searched {
    pub(crate) fn new(len: u64) -> Self {
        let chunks = len.div_ceil(CHUNK).min(CHUNKS_MAX);
        let words = usize::try_from(chunks.div_ceil(64)).unwrap_or(0);
        let clean = (0..words).map(|_| AtomicU64::new(0)).collect();
        Self { len, clean, is_secret: AtomicBool::new(false) }
    }

    /// Returns whether a private key was found in the file.
    pub(crate) fn is_secret(&self) -> bool {
        self.is_secret.load(Ordering::Relaxed)
    }

    /// Returns the end of the chunk that holds the byte at `at`.
    pub(crate) fn chunk_end(at: u64) -> u64 {
        (at | (CHUNK - 1)).saturating_add(1)
    }

    /// Returns whether the chunk that holds the byte at `at` was searched and has no key.
    pub(crate) fn is_clean(&self, at: u64) -> bool {
        let (word, bit) = place(at);
        self.clean.get(word).is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Searches the chunk that holds the byte at `at`, on a thread that may block.
    ///
    /// # Errors
    /// `PermissionDenied` if the chunk has a private key, or an error of the file.
    pub(crate) async fn search(self: Arc<Self>, file: Arc<File>, at: u64) -> io::Result<()> {
        let end = Self::chunk_end(at);
        let start = end.saturating_sub(CHUNK).saturating_sub(AROUND);
        let span = start..end.saturating_add(AROUND).min(self.len);
        let found = spawn_blocking(move || shows_private_key(&file, span));
        if found.await.map_err(io::Error::other)?? {
            self.is_secret.store(true, Ordering::Relaxed);
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let (word, bit) = place(at);
        if let Some(word) = self.clean.get(word) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Returns the place of a chunk's bit: the number of its word, and the bit.
fn place(at: u64) -> (usize, u64) {
    let chunk = at / CHUNK;
    let word = usize::try_from(chunk / 64).unwrap_or(usize::MAX);
    (word, 1_u64.rotate_left(u32::try_from(chunk % 64).unwrap_or(0)))
}

/// Searches a span of a file for a private key.
pub(crate) fn shows_private_key(file: &File, span: Range<u64>) -> io::Result<bool> {
    let (mut search, mut at) = (KeySearch::default(), span.start);
    let mut buf = vec![0; READ_LEN];
    while at < span.end && !search.has_found() {
        let rest = span.end.saturating_sub(at);
        let most = usize::try_from(rest).map_or(READ_LEN, |rest| rest.min(READ_LEN));
        let read = match read_at(file, at, buf.get_mut(..most).unwrap_or_default()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            break;
        }
        search.feed(buf.get(..read).unwrap_or_default());
        at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    Ok(search.has_found())
}

#[cfg(all(test, unix))]
mod tests {
    use super::{CHUNK, Searched};
    use std::fs::File;
    use std::io::ErrorKind;
    use std::os::unix::fs::FileExt;
    use std::sync::Arc;

    const KEY: &[u8] = b"dacti-ed25519-private 1 \
        000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn a_key_taints_each_chunk_that_holds_a_part_of_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // The key crosses the start of chunk 2, crosses its end, or lies within it.
        for at in [2 * CHUNK - 1, 3 * CHUNK - 1, 2 * CHUNK + 5] {
            let file = tempfile::tempfile().unwrap();
            file.set_len(5 * CHUNK + 3).unwrap();
            file.write_all_at(KEY, at).unwrap();
            let file: Arc<File> = Arc::new(file);
            let searched = Arc::new(Searched::new(5 * CHUNK + 3));
            let search = |at: u64| {
                let search = Arc::clone(&searched).search(Arc::clone(&file), at);
                runtime.block_on(search).map_err(|error| error.kind())
            };
            for clean in [0, 5 * CHUNK + 2] {
                assert!(!searched.is_clean(clean));
                assert_eq!(search(clean), Ok(()), "{at}");
                assert!(searched.is_clean(clean) && !searched.is_clean(CHUNK));
            }
            assert!(!searched.is_secret());
            for chunk in [at / CHUNK, 2, (at + KEY.len() as u64) / CHUNK] {
                assert_eq!(search(chunk * CHUNK), Err(ErrorKind::PermissionDenied), "{at}");
                assert!(!searched.is_clean(chunk * CHUNK) && searched.is_secret());
            }
        }
    }

    #[test]
    fn a_file_of_any_length_takes_little_memory() {
        let searched = Searched::new(u64::MAX);
        assert_eq!(searched.clean.len(), 1 << 14);
        assert!(!searched.is_clean(u64::MAX));
        assert_eq!(Searched::chunk_end(u64::MAX), u64::MAX);
        assert_eq!((Searched::chunk_end(0), Searched::chunk_end(CHUNK)), (CHUNK, 2 * CHUNK));
    }
}
