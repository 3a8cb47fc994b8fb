//! The file that is being built, written at its end and, at last, at its front.

use crate::fetch::source::write_file_at;
use crate::{AtomicFile, Error};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Zeros that are left out as holes, in bytes: what file systems commonly give and take at once, a
/// few times over.
const HOLE_LEN: usize = 64 * 1024;
const HOLE: &[u8] = &[0; HOLE_LEN];

/// Bytes after which those written so far are put on disk while more are made.
const EARLY_LEN: u64 = 16 << 20;

/// The file that is being built, with the place where it grows.
#[derive(Debug)]
pub(super) struct Output {
    file: AtomicFile,
    end: u64,
    /// Where it grew to when what was there was last asked to be put on disk, and who does it.
    early_at: u64,
    early: Option<Early>,
}

impl Output {
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        Ok(Self { file: AtomicFile::create(path)?, end: 0, early_at: 0, early: None })
    }

    /// Where the next byte goes.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Appends bytes. Long runs of zeros become holes; what is between them is written at once.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let full = rest.chunks(HOLE_LEN).take_while(|block| *block != HOLE);
            let full = full.fold(0_usize, |len, block| len.saturating_add(block.len()));
            let (written, behind) = rest.split_at(full);
            self.write_at(self.end, written)?;
            let holes = behind.chunks(HOLE_LEN).take_while(|block| *block == HOLE).count();
            let (hole, behind) = behind.split_at(holes.saturating_mul(HOLE_LEN));
            let len = full.saturating_add(hole.len());
            self.end = self.end.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
            rest = behind;
        }
        self.sync_early();
        Ok(())
    }

    /// Has what was written so far put on disk, where that is a good part of it: the disk is not to
    /// wait until everything is made.
    fn sync_early(&mut self) {
        if self.end.saturating_sub(self.early_at) >= EARLY_LEN {
            self.early_at = self.end;
            if self.early.is_none() {
                self.early = Early::start(self.file());
            }
            if let Some(early) = &self.early {
                early.ask();
            }
        }
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
        // An error that was told there is not told again.
        self.early.take().map_or(Ok(()), Early::finish).map_err(self.failed("write"))
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

/// A thread that puts a file on disk while it grows.
///
/// It is only a start: the file is synced as a whole before it gets its name.
#[derive(Debug)]
struct Early {
    asked: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Early {
    /// `None` where there is no thread to have: then it is all done at the end.
    fn start(file: &File) -> Option<Self> {
        let file = file.try_clone().ok()?;
        let (asked, asks) = sync_channel(1);
        let sync = move || asks.iter().try_for_each(|()| file.sync_data());
        let thread = std::thread::Builder::new().spawn(sync).ok()?;
        Some(Self { asked, thread })
    }

    fn ask(&self) {
        // Where it has not come to the last one yet, that one will do.
        let _ = self.asked.try_send(());
    }

    /// Waits for it, and says whether anything went wrong.
    fn finish(self) -> io::Result<()> {
        drop(self.asked);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

#[cfg(test)]
mod tests {
    use super::{EARLY_LEN, HOLE_LEN, Output};

    #[test]
    fn what_is_appended_is_there_and_long_zeros_are_holes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut output = Output::create(&path).unwrap();
        output.skip_to(10);
        let some = |len: usize| (1..=u8::MAX).cycle().take(len).collect::<Vec<u8>>();
        let zeros = |len: usize| vec![0; len];
        let parts = [
            some(3 * HOLE_LEN + 5),
            [zeros(HOLE_LEN), some(HOLE_LEN), zeros(2 * HOLE_LEN), some(1)].concat(),
            [some(2 * HOLE_LEN), zeros(3 * HOLE_LEN)].concat(),
            zeros(7),
            vec![],
        ];
        for part in &parts {
            output.append(part).unwrap();
        }
        let len = 10 + parts.iter().map(Vec::len).sum::<usize>();
        assert_eq!(output.end(), u64::try_from(len).unwrap());
        output.finish(output.end()).unwrap();
        output.commit().unwrap();
        let expected = [zeros(10), parts.concat()].concat();
        assert!(std::fs::read(&path).unwrap() == expected);
    }

    #[test]
    fn a_large_file_is_put_on_disk_early_and_a_small_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut output = Output::create(&dir.path().join("file")).unwrap();
        let part = vec![0; 4 * HOLE_LEN];
        while output.end() < EARLY_LEN {
            assert!(output.early.is_none());
            output.append(&part).unwrap();
        }
        assert!(output.early.is_some());
        output.finish(EARLY_LEN + 1).unwrap();
        assert!(output.early.is_none());
        assert_eq!(output.file().metadata().unwrap().len(), EARLY_LEN + 1);
    }
}
