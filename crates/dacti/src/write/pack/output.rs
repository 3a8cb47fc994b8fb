//! The package during a build, in a file or in memory. The data are appended first. The part before
//! the data is written last.

use crate::fetch::source::{read_file_at, read_full_of, write_file_at};
use crate::{AtomicFile, Error};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// The length in bytes of the shortest run of zeros that becomes a hole. It is a few allocation
/// units of common file systems.
const HOLE_LEN: usize = 64 * 1024;
const HOLE: &[u8] = &[0; HOLE_LEN];

const TEMPORARY: &str = "a temporary file";

/// While the build continues, the file is synced each time that it has grown by this many bytes.
const EARLY_LEN: u64 = 16 << 20;

/// The number of bytes that are copied at once to the caller's writer.
const COPY_LEN: u64 = 256 * 1024;

/// The package during a build, and the file or memory that it grows in.
#[derive(Debug)]
pub(super) struct Output {
    place: Place,
    end: u64,
    /// The length at the last sync.
    early_at: u64,
    early: Option<Early>,
}

#[derive(Debug)]
enum Place {
    /// A file that gets its name at the end.
    Named(AtomicFile),
    /// A file without a name, from which the package is copied at the end.
    Unnamed(File),
    Memory(Vec<u8>),
}

impl Output {
    /// Builds a file that gets the name `path`.
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        Ok(Self::at(Place::Named(AtomicFile::create(path)?)))
    }

    /// Builds in a temporary file, from which the package is copied later.
    pub(super) fn unnamed() -> Result<Self, Error> {
        let file = tempfile::tempfile();
        let file = file.map_err(|error| Error::io("create", TEMPORARY.as_ref(), error))?;
        Ok(Self::at(Place::Unnamed(file)))
    }

    /// Builds in memory.
    pub(super) const fn memory() -> Self {
        Self::at(Place::Memory(Vec::new()))
    }

    const fn at(place: Place) -> Self {
        Self { place, end: 0, early_at: 0, early: None }
    }

    /// Returns the position of the next byte that is appended.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Appends bytes. Long runs of zeros become holes; all other bytes are written at once.
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

    /// Syncs a named file while it grows. Otherwise the disk would be idle until the end of the
    /// build.
    fn sync_early(&mut self) {
        let Place::Named(file) = &self.place else { return };
        if self.end.saturating_sub(self.early_at) >= EARLY_LEN {
            self.early_at = self.end;
            if self.early.is_none() {
                self.early = Early::start(file.file());
            }
            if let Some(early) = &self.early {
                early.ask();
            }
        }
    }

    /// Writes bytes anywhere before the end.
    pub(super) fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        let written = match &mut self.place {
            Place::Named(file) => write_file_at(file.file(), at, bytes),
            Place::Unnamed(file) => write_file_at(file, at, bytes),
            Place::Memory(memory) => write_memory_at(memory, at, bytes),
        };
        written.map_err(self.failed("write"))
    }

    fn set_len(&mut self, len: u64) -> Result<(), Error> {
        let set = match &mut self.place {
            Place::Named(file) => file.file().set_len(len),
            Place::Unnamed(file) => file.set_len(len),
            Place::Memory(memory) => resize(memory, len),
        };
        set.map_err(self.failed("write"))
    }

    /// Leaves a gap, so that the next byte is appended at `at`.
    pub(super) fn skip_to(&mut self, at: u64) {
        self.end = self.end.max(at);
    }

    /// Removes the bytes from `at` on.
    pub(super) fn truncate(&mut self, at: u64) -> Result<(), Error> {
        self.set_len(at)?;
        self.end = at;
        Ok(())
    }

    /// Sets the length to `len` bytes; new bytes are zeros.
    pub(super) fn finish(&mut self, len: u64) -> Result<(), Error> {
        self.set_len(len)?;
        self.end = len;
        // The system reports a failed write only once. If it reported the error to the sync thread,
        // the last sync succeeds. So the thread's error is checked here.
        self.early.take().map_or(Ok(()), Early::finish).map_err(self.failed("write"))
    }

    /// Gives a named file its name.
    pub(super) fn commit(self) -> Result<(), Error> {
        match self.place {
            Place::Named(file) => file.commit(),
            Place::Unnamed(_) | Place::Memory(_) => Ok(()),
        }
    }

    /// Copies the package to `out`.
    pub(super) fn copy_to(&self, out: &mut dyn Write) -> Result<(), Error> {
        let failed = |error| Error::io("write", "the output".as_ref(), error);
        let file = match &self.place {
            Place::Memory(memory) => return out.write_all(memory).map_err(failed),
            Place::Named(file) => file.file(),
            Place::Unnamed(file) => file,
        };
        let (mut at, mut piece) = (0, Vec::new());
        while at < self.end {
            let len = self.end.saturating_sub(at).min(COPY_LEN);
            piece.resize(usize::try_from(len).unwrap_or_default(), 0);
            read_full_of(|at, buf| read_file_at(file, at, buf), at, &mut piece)
                .map_err(self.failed("read"))?;
            out.write_all(&piece).map_err(failed)?;
            at = at.saturating_add(len);
        }
        out.flush().map_err(failed)
    }

    /// Returns the package if it was built in memory, otherwise no bytes.
    pub(super) fn into_memory(self) -> Vec<u8> {
        match self.place {
            Place::Memory(memory) => memory,
            Place::Named(_) | Place::Unnamed(_) => Vec::new(),
        }
    }

    /// Returns the open file.
    ///
    /// # Errors
    /// `Io` if the package is built in memory.
    pub(super) fn file(&self) -> Result<&File, Error> {
        match &self.place {
            Place::Named(file) => Ok(file.file()),
            Place::Unnamed(file) => Ok(file),
            Place::Memory(_) => Err(self.failed("open")(io::ErrorKind::Unsupported.into())),
        }
    }

    fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> Error + use<> {
        let path = match &self.place {
            Place::Named(file) => file.path().into(),
            Place::Unnamed(_) => PathBuf::from(TEMPORARY),
            Place::Memory(_) => PathBuf::from("memory"),
        };
        move |error| Error::io(action, &path, error)
    }
}

fn write_memory_at(memory: &mut Vec<u8>, at: u64, bytes: &[u8]) -> io::Result<()> {
    let end = at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    if end > u64::try_from(memory.len()).unwrap_or(u64::MAX) {
        resize(memory, end)?;
    }
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    let end = at.saturating_add(bytes.len());
    memory.get_mut(at..end).unwrap_or_default().copy_from_slice(bytes);
    Ok(())
}

fn resize(memory: &mut Vec<u8>, len: u64) -> io::Result<()> {
    let len = usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    memory.try_reserve(len.saturating_sub(memory.len()))?;
    memory.resize(len, 0);
    Ok(())
}

/// A thread that syncs a file while it grows.
///
/// Before the file gets its name, it is synced once more as a whole.
#[derive(Debug)]
struct Early {
    asked: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Early {
    /// Starts the thread. Returns `None` if the system refuses a second handle of the file, or a
    /// thread. In that case the file is synced only at its end.
    fn start(file: &File) -> Option<Self> {
        let file = file.try_clone().ok()?;
        let (asked, asks) = sync_channel(1);
        let sync = move || asks.iter().try_for_each(|()| file.sync_data());
        let thread = std::thread::Builder::new().spawn(sync).ok()?;
        Some(Self { asked, thread })
    }

    fn ask(&self) {
        // If the previous request is still waiting, one sync is enough for both.
        let _ = self.asked.try_send(());
    }

    /// Waits for the thread, and returns its error.
    fn finish(self) -> io::Result<()> {
        drop(self.asked);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "the numbers in tests are small")]
mod tests {
    use super::{EARLY_LEN, HOLE_LEN, Output};

    #[test]
    fn what_is_appended_is_there_and_long_zeros_are_holes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let expected = fill(&mut Output::memory());
        let mut output = Output::memory();
        fill(&mut output);
        assert!(output.into_memory() == expected);
        let mut output = Output::unnamed().unwrap();
        fill(&mut output);
        let mut copied = Vec::new();
        output.copy_to(&mut copied).unwrap();
        assert!(copied == expected);
        let mut output = Output::create(&path).unwrap();
        fill(&mut output);
        output.commit().unwrap();
        assert!(std::fs::read(&path).unwrap() == expected);
    }

    /// Fills an output, and returns the bytes that it must have.
    fn fill(output: &mut Output) -> Vec<u8> {
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
        [zeros(10), parts.concat()].concat()
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
        assert_eq!(output.file().unwrap().metadata().unwrap().len(), EARLY_LEN + 1);
    }
}
