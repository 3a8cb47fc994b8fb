//! The file that is being built, written at its end and, at last, at its front.

use crate::source::write_file_at;
use crate::{AtomicFile, Error};
use std::fs::File;
use std::io;
use std::path::Path;

/// Zeros that are left out as holes, in bytes: what file systems commonly give and take at once, a
/// few times over.
const HOLE_LEN: usize = 64 * 1024;
const HOLE: &[u8] = &[0; HOLE_LEN];

/// The file that is being built, with the place where it grows.
#[derive(Debug)]
pub(super) struct Output {
    file: AtomicFile,
    end: u64,
}

impl Output {
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        Ok(Self { file: AtomicFile::create(path)?, end: 0 })
    }

    /// Where the next byte goes.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Appends bytes. Long runs of zeros become holes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut at = self.end;
        for block in bytes.chunks(HOLE_LEN) {
            if block != HOLE {
                self.write_at(at, block)?;
            }
            at = at.saturating_add(u64::try_from(block.len()).unwrap_or(u64::MAX));
        }
        self.end = at;
        Ok(())
    }

    /// Writes bytes anywhere before the end.
    pub(super) fn write_at(&self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        write_file_at(self.file(), at, bytes).map_err(self.failed("write"))
    }

    /// Leaves a gap: the next byte goes to `at`.
    pub(super) fn skip_to(&mut self, at: u64) {
        self.end = self.end.max(at);
    }

    /// Takes back what was appended from `at` on.
    pub(super) fn truncate(&mut self, at: u64) -> Result<(), Error> {
        self.file().set_len(at).map_err(self.failed("write"))?;
        self.end = at;
        Ok(())
    }

    /// Makes the file `len` bytes long; the bytes behind the end are zeros.
    pub(super) fn finish(&mut self, len: u64) -> Result<(), Error> {
        self.file().set_len(len).map_err(self.failed("write"))?;
        self.end = len;
        Ok(())
    }

    /// Gives the file its name.
    pub(super) fn commit(self) -> Result<(), Error> {
        self.file.commit()
    }

    /// The open file.
    pub(super) fn file(&self) -> &File {
        self.file.file()
    }

    fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> Error + use<'_> {
        move |error| Error::io(action, self.file.path(), error)
    }
}
