//! A package in a file that is mapped into memory: the one place that maps files.
//!
//! A mapping is shared with everybody who writes to the file, which no library can make entirely
//! safe: see `docs/rationale.md`, "Why is a file mapped only on request?". The call that Rust
//! therefore marks as unsafe is made by `symbolic-common`, and what could go wrong is kept small
//! here: what a package changes, its head, is never lent from the mapping, and neither is what lies
//! behind the length that the file had when it was opened.

use super::{FileSource, Lent, ReadAt};
use crate::Error;
use crate::HEAD_LEN;
use bytes::{Buf, Bytes};
use daicon_core::Span;
use std::io;
use std::path::Path;
use symbolic_common::ByteView;

/// A regular file as a source that lends its bytes, for many look-ups in one package.
///
/// It is faster than a [`FileSource`](super::FileSource) where many regions are read, and slower
/// where one is, as mapping and unmapping cost more than a few reads.
///
/// Whoever cuts the file short while it is mapped ends this program: reading what is gone from a
/// mapping is a signal (SIGBUS), not an error. Updates of a package never do that, as they only
/// append; overwriting the file in place by other means does. Take a `FileSource` for files that
/// others may overwrite.
#[derive(Debug)]
pub struct MmapSource {
    file: FileSource,
    /// What is mapped behind the head, which changes when a package is updated: it is read, once,
    /// into a view of its own.
    lent: Lent,
}

impl MmapSource {
    /// Opens the file at `path`, notes its length, and maps it.
    ///
    /// # Errors
    /// `NotAFile`; `Io`, also where the file is too large for this machine's addresses or lies on a
    /// file system that does not map.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = FileSource::open(path)?;
        let map = ByteView::map_file_ref(file.file());
        let mut map = Bytes::from_owner(map.map_err(|source| Error::io("map", path, source))?);
        map.advance(usize::try_from(HEAD_LEN).unwrap_or(usize::MAX).min(map.len()));
        Ok(Self { file, lent: Lent::new(HEAD_LEN, map) })
    }
}

impl ReadAt for MmapSource {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(at, buf)
    }

    fn is_local(&self) -> bool {
        self.file.is_local()
    }

    fn slice(&self, span: Span) -> Option<&[u8]> {
        self.lent.slice(span)
    }

    fn lent(&self) -> Lent {
        self.lent.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{MmapSource, ReadAt};
    use crate::Error;
    use daicon_core::Span;

    #[test]
    fn what_lies_behind_the_head_is_lent_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mapped");
        let content: Vec<u8> = (0..70_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        std::fs::write(&path, &content).unwrap();
        let source = MmapSource::open(&path).unwrap();
        assert_eq!(source.len(), 70_000);
        let slice = |start, end| source.slice(Span { start, end });
        assert_eq!(slice(65_536, 70_000), Some(&content[65_536..]));
        assert_eq!(slice(65_536, 65_536), Some(&[][..]));
        assert_eq!(slice(65_535, 65_540), None, "in the head");
        assert_eq!(slice(69_999, 70_001), None, "past the end");
        assert_eq!(slice(80_000, 80_001), None, "past the end");
        // What the file grows by later is not there either.
        let mut grown = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut grown, &[7; 10_000]).unwrap();
        assert_eq!((source.len(), slice(69_999, 70_001)), (70_000, None));
        let mut head = [0; 4];
        assert_eq!(source.read_at(65_534, &mut head).unwrap(), 4);
        assert_eq!(head, content[65_534..65_538]);
    }

    #[test]
    fn an_empty_file_is_mapped_as_nothing_and_a_folder_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("empty");
        std::fs::write(&path, b"").unwrap();
        let source = MmapSource::open(&path).unwrap();
        assert_eq!((source.len(), source.slice(Span { start: 0, end: 1 })), (0, None));
        let error = MmapSource::open(dir.path()).unwrap_err();
        assert!(matches!(error, Error::NotAFile { .. }), "{error}");
    }
}
