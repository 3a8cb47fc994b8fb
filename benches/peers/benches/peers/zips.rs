//! ZIP, with the crates `zip` and `rc-zip`. The files in the archive are not compressed.

use crate::mapped::map;
use crate::store::{Counting, Counts, Look, Reads, Store, synced};
use crate::work::{Key, Work};
use rc_zip_sync::{EntryHandle, ReadZip};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Cursor, Read, Seek, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The length in bytes of the buffer through which the file is read, if reads are counted.
const BUFFER: usize = 64 * 1024;

pub struct Zip;

impl Store for Zip {
    fn name(&self) -> &'static str {
        "zip"
    }

    fn file(&self) -> &'static str {
        "zip"
    }

    fn how(&self) -> &'static str {
        "stored entries, in a map; each read checks the entry's CRC-32; reads counted below a \
         buffer of 64 KiB"
    }

    fn pack(&self, work: &Work, path: &Path) {
        let file = File::create(path).expect("it can be created");
        let mut zip = ZipWriter::new(BufWriter::with_capacity(1 << 20, file));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (key, content) in work.regions() {
            zip.start_file(key.name(), options).expect("it can be written");
            zip.write_all(content).expect("it can be written");
        }
        let buffer = zip.finish().expect("it can be written");
        synced(&buffer.into_inner().expect("it can be written"));
    }

    fn open(&self, path: &Path, with: &mut dyn FnMut(&mut dyn Look)) {
        let map = map(path);
        with(&mut ZipArchive::new(Cursor::new(&map[..])).expect("it was packed"));
    }

    fn cold(&self, path: &Path, key: &Key, out: &mut Vec<u8>) -> Option<Reads> {
        let counts = Counts::default();
        let file = Counting::open(path, BUFFER, &counts);
        ZipArchive::new(file).expect("it was packed").get(key, out);
        Some(counts.reads())
    }
}

impl<R: Read + Seek> Look for ZipArchive<R> {
    fn get(&mut self, key: &Key, out: &mut Vec<u8>) -> bool {
        // Looks up the bytes of the name. If the code looked up the name as text, the crate would
        // compare all entries before it reports a miss.
        let Some(at) = self.index_for_name_raw(key.name().as_bytes()) else { return false };
        let mut entry = self.by_index(at).expect("the entry is sound");
        entry.read_to_end(out).expect("the entry is sound");
        true
    }
}

/// Reads the file of [`Zip`] with the crate `rc-zip`.
pub struct RcZip;

impl Store for RcZip {
    fn name(&self) -> &'static str {
        "rc-zip"
    }

    fn file(&self) -> &'static str {
        "zip"
    }

    fn how(&self) -> &'static str {
        "reads zip's file, in a map; has no writer; its own search by name is linear, so a hash \
         map of the names is made when it is opened"
    }

    fn pack(&self, _: &Work, _: &Path) {
        unreachable!("zip packs the file");
    }

    fn open(&self, path: &Path, with: &mut dyn FnMut(&mut dyn Look)) {
        let map = map(path);
        let bytes = &map[..];
        let archive = bytes.read_zip().expect("it was packed");
        let entries = archive.entries().map(|entry| (entry.name.clone(), entry)).collect();
        with(&mut ByName { entries });
    }

    fn cold(&self, path: &Path, key: &Key, out: &mut Vec<u8>) -> Option<Reads> {
        let counts = Counts::default();
        let file = CountedCursors { file: File::open(path).expect("it was packed"), counts };
        let size = file.file.metadata().expect("it has a length").len();
        let archive = rc_zip_sync::ReadZipWithSize::read_zip_with_size(&file, size);
        let archive = archive.expect("it was packed");
        let entry = archive.by_name(key.name()).expect("it is there");
        entry.reader().read_to_end(out).expect("the entry is sound");
        Some(file.counts.reads())
    }
}

struct ByName<'a> {
    entries: HashMap<String, EntryHandle<'a, &'a [u8]>>,
}

impl Look for ByName<'_> {
    fn get(&mut self, key: &Key, out: &mut Vec<u8>) -> bool {
        let Some(entry) = self.entries.get(key.name()) else { return false };
        entry.reader().read_to_end(out).expect("the entry is sound");
        true
    }
}

/// Makes cursors that count their reads.
struct CountedCursors {
    file: File,
    counts: Counts,
}

struct CountedCursor<'f> {
    of: &'f CountedCursors,
    at: u64,
}

impl rc_zip_sync::HasCursor for CountedCursors {
    type Cursor<'a> = CountedCursor<'a>;

    fn cursor_at(&self, at: u64) -> CountedCursor<'_> {
        CountedCursor { of: self, at }
    }
}

impl Read for CountedCursor<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let read = crate::store::read_at_most(&self.of.file, self.at, buf);
        self.at += read as u64;
        self.of.counts.add(read);
        Ok(read)
    }
}
