//! The interface of all stores. A store packs regions into a file, and finds them again.

use crate::work::{Key, Work};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

/// An open store.
pub trait Look {
    /// Appends the content of a region to `out`. Returns whether the region exists.
    fn get(&mut self, key: &Key, out: &mut Vec<u8>) -> bool;
}

/// The number of reads of a file, and the number of bytes that they returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    pub reads: u64,
    pub bytes: u64,
}

/// A store: a crate that is used in a certain way.
pub trait Store {
    fn name(&self) -> &'static str;

    /// Returns the name of the file. Stores that return the same name share the file, and the first
    /// of them packs it.
    fn file(&self) -> &'static str;

    /// Returns a description of the way of use, for the notes after the table.
    fn how(&self) -> &'static str;

    /// Packs all regions into a file, and syncs the file to the disk.
    fn pack(&self, work: &Work, path: &Path);

    /// Opens the file, and passes the open store to `with`.
    fn open(&self, path: &Path, with: &mut dyn FnMut(&mut dyn Look));

    /// Opens the file, finds one region, and reads it. Returns the number of reads, or `None` if
    /// they cannot be counted.
    fn cold(&self, path: &Path, key: &Key, out: &mut Vec<u8>) -> Option<Reads>;
}

/// A file that counts its reads.
pub struct Counting<F> {
    file: F,
    counts: Counts,
}

/// The counters, which all clones share.
#[derive(Clone, Default)]
pub struct Counts(Rc<Cell<(u64, u64)>>);

impl Counts {
    pub fn add(&self, bytes: usize) {
        let (reads, all) = self.0.get();
        self.0.set((reads + 1, all + bytes as u64));
    }

    pub fn reads(&self) -> Reads {
        let (reads, bytes) = self.0.get();
        Reads { reads, bytes }
    }
}

impl Counting<File> {
    /// Opens a file with a buffer of `buffer` bytes. Only reads of the file are counted, not reads
    /// of the buffer.
    pub fn open(path: &Path, buffer: usize, counts: &Counts) -> BufReader<Self> {
        let file = File::open(path).expect("it was packed");
        BufReader::with_capacity(buffer, Self { file, counts: counts.clone() })
    }
}

impl<F: Read> Read for Counting<F> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buf)?;
        self.counts.add(read);
        Ok(read)
    }
}

impl<F: Seek> Seek for Counting<F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Reads exactly `len` bytes from `at`, and counts the read.
pub fn read_at(file: &File, at: u64, len: usize, counts: &Counts) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let read = read_at_most(file, at, &mut bytes);
    assert_eq!(read, len, "the file has them");
    counts.add(read);
    bytes
}

/// Fills `buf` with the bytes from position `at` on. Returns their number, which is smaller if the
/// file ends before.
pub fn read_at_most(mut file: &File, at: u64, buf: &mut [u8]) -> usize {
    #[cfg(unix)]
    {
        let _ = &mut file;
        std::os::unix::fs::FileExt::read_at(file, buf, at).expect("it can be read")
    }
    #[cfg(not(unix))]
    {
        file.seek(SeekFrom::Start(at)).expect("it can be sought");
        file.read(buf).expect("it can be read")
    }
}

/// Syncs a written file to the disk. Every store does this at the end of packing.
pub fn synced(file: &File) {
    file.sync_all().expect("it can be synced");
}
