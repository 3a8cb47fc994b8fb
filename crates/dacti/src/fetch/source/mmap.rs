//! A package in a file that is mapped into memory. No other module maps files.
//!
//! Any program that writes to the file changes the mapped bytes. So no library can make a mapping
//! entirely safe: see `docs/rationale.md`, "Why is a file mapped only on request?". For this
//! reason, Rust marks the call that maps a file as unsafe. The crate `symbolic-common` makes this
//! call. This module keeps the risk small. It never lends the head, because updates change the
//! head. It never lends bytes past the length that the file had when it was opened.

use super::{FileSource, Lent, ReadAt};
use crate::Error;
use crate::HEAD_LEN;
use bytes::{Buf, Bytes};
use daicon_core::Span;
use std::io;
use std::path::Path;
use symbolic_common::ByteView;

/// A regular file that lends its bytes. It is meant for programs that look up many regions in one
/// package.
///
/// For many regions it is faster than a [`FileSource`](super::FileSource). For one region it is
/// slower, because mapping and unmapping take longer than a few reads.
///
/// If another program truncates the file while it is mapped, this program ends: a read of the
/// missing bytes causes a signal (SIGBUS), not an error. Updates keep all published bytes of a
/// package, so they never cause this. Programs that overwrite the file in place can cause it. If
/// other programs may overwrite a file, use a `FileSource`.
#[derive(Debug)]
pub struct MmapSource {
    file: FileSource,
    /// The mapped bytes after the head. The head changes when a package is updated, so it is read
    /// once and kept in the view.
    lent: Lent,
}

impl MmapSource {
    /// Opens the file at `path`, records its length, and maps it.
    ///
    /// # Errors
    /// `NotAFile`; `Io`, also if the file is too large for the address space, or if its file system
    /// cannot map files.
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
        // Bytes that are appended later are not lent, either.
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
