//! Formats that have no index: tar and CAR. Users of these formats build a map of offsets, so this
//! bench builds one, too.

use crate::mapped::map;
use crate::store::{Counting, Counts, Look, Reads, Store, synced};
use crate::work::{Key, Work};
use cid::{Cid, multihash::Multihash};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use uuid::Uuid;

/// The length in bytes of the buffer through which the file is read, if reads are counted.
const BUFFER: usize = 64 * 1024;

/// The offset and the length of each region.
type Offsets = HashMap<Uuid, (u64, usize)>;

struct Open<'m> {
    map: &'m [u8],
    offsets: Offsets,
}

impl Look for Open<'_> {
    fn get(&mut self, key: &Key, out: &mut Vec<u8>) -> bool {
        let Some((at, len)) = self.offsets.get(&key.id) else { return false };
        out.extend_from_slice(&self.map[*at as usize..][..*len]);
        true
    }
}

/// Reads a region of a file. Its place is taken from the map of offsets.
fn read_one(
    file: &mut (impl Read + Seek),
    offsets: &Offsets,
    key: &Key,
    out: &mut Vec<u8>,
) -> Option<()> {
    let (at, len) = offsets.get(&key.id)?;
    file.seek(SeekFrom::Start(*at)).expect("it can be sought");
    file.take(*len as u64).read_to_end(out).expect("it can be read");
    Some(())
}

pub struct Tar;

impl Store for Tar {
    fn name(&self) -> &'static str {
        "tar"
    }

    fn file(&self) -> &'static str {
        "tar"
    }

    fn how(&self) -> &'static str {
        "has no index: a hash map of offsets is made by a scan of all headers when it is opened, \
         in a map; reads counted below a buffer of 64 KiB"
    }

    fn pack(&self, work: &Work, path: &Path) {
        let file = File::create(path).expect("it can be created");
        let mut builder = tar::Builder::new(BufWriter::with_capacity(1 << 20, file));
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        for (key, content) in work.regions() {
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, key.name(), content).expect("it can be written");
        }
        let buffer = builder.into_inner().expect("it can be written");
        synced(&buffer.into_inner().expect("it can be written"));
    }

    fn open(&self, path: &Path, with: &mut dyn FnMut(&mut dyn Look)) {
        let map = map(path);
        let mut archive = tar::Archive::new(Cursor::new(&map[..]));
        let offsets = tar_offsets(archive.entries_with_seek().expect("it was packed"));
        with(&mut Open { map: &map, offsets });
    }

    fn cold(&self, path: &Path, key: &Key, out: &mut Vec<u8>) -> Option<Reads> {
        let counts = Counts::default();
        // Reads the file from its start to its end. Seeking from header to header would take one
        // read for each header.
        let mut archive = tar::Archive::new(Counting::open(path, BUFFER, &counts));
        let offsets = tar_offsets(archive.entries().expect("it was packed"));
        let mut file = Counting::open(path, key_len(&offsets, key), &counts);
        read_one(&mut file, &offsets, key, out)?;
        Some(counts.reads())
    }
}

fn key_len(offsets: &Offsets, key: &Key) -> usize {
    offsets.get(&key.id).map_or(1, |(_, len)| *len)
}

fn tar_offsets(entries: tar::Entries<'_, impl Read>) -> Offsets {
    entries
        .map(|entry| {
            let entry = entry.expect("it was packed");
            let id = Uuid::try_parse_ascii(&entry.path_bytes()).expect("names are ids");
            (id, (entry.raw_file_position(), entry.size() as usize))
        })
        .collect()
}

pub struct Car;

impl Store for Car {
    fn name(&self) -> &'static str {
        "car"
    }

    fn file(&self) -> &'static str {
        "car"
    }

    fn how(&self) -> &'static str {
        "CAR v1 written by iroh-car, under CIDs that hold the ids and no hash, so that none is \
         computed; a hash map of offsets is made by a scan of all lengths when it is opened, in a \
         map; reads counted below a buffer of 64 KiB"
    }

    fn pack(&self, work: &Work, path: &Path) {
        let file = File::create(path).expect("it can be created");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let written = runtime.block_on(async {
            let buffer = Blocking(BufWriter::with_capacity(1 << 20, file));
            let header = iroh_car::CarHeader::new_v1(vec![cid(&work.keys[0])]);
            let mut writer = iroh_car::CarWriter::new(header, buffer);
            for (key, content) in work.regions() {
                writer.write(cid(key), content).await.expect("it can be written");
            }
            writer.finish().await.expect("it can be written")
        });
        synced(&written.0.into_inner().expect("it can be written"));
    }

    fn open(&self, path: &Path, with: &mut dyn FnMut(&mut dyn Look)) {
        let map = map(path);
        let offsets = car_offsets(Cursor::new(&map[..]));
        with(&mut Open { map: &map, offsets });
    }

    fn cold(&self, path: &Path, key: &Key, out: &mut Vec<u8>) -> Option<Reads> {
        let counts = Counts::default();
        let offsets = car_offsets(Counting::open(path, BUFFER, &counts));
        let mut file = Counting::open(path, key_len(&offsets, key), &counts);
        read_one(&mut file, &offsets, key, out)?;
        Some(counts.reads())
    }
}

/// The code of the multihash "identity". Its digest is not computed: it is the content.
const IDENTITY: u64 = 0;
const RAW: u64 = 0x55;

fn cid(key: &Key) -> Cid {
    Cid::new_v1(RAW, Multihash::wrap(IDENTITY, key.id.as_bytes()).expect("it fits"))
}

fn car_offsets(mut file: impl Read + Seek) -> Offsets {
    let mut offsets = Offsets::new();
    let (header, _) = varint(&mut file).expect("it was packed");
    file.seek_relative(header as i64).expect("it can be sought");
    let mut at = file.stream_position().expect("it has a position");
    while let Some((len, varint_len)) = varint(&mut file) {
        // The CID has the version, the codec, the code of the hash, the length of the digest, and
        // the digest, which is the id.
        let mut cid = [0; 20];
        file.read_exact(&mut cid).expect("it was packed");
        let id = Uuid::from_slice(&cid[4..]).expect("16 bytes");
        let data_len = len as usize - cid.len();
        let data_at = at + varint_len + cid.len() as u64;
        offsets.insert(id, (data_at, data_len));
        file.seek_relative(data_len as i64).expect("it can be sought");
        at = data_at + data_len as u64;
    }
    offsets
}

/// Reads an unsigned varint. Returns the number and its length in bytes, or `None` at the end of
/// the file.
fn varint(file: &mut impl Read) -> Option<(u64, u64)> {
    let (mut value, mut len) = (0, 0);
    loop {
        let mut byte = [0];
        if file.read(&mut byte).expect("it can be read") == 0 {
            return None;
        }
        value |= u64::from(byte[0] & 0x7f) << (7 * len);
        len += 1;
        if byte[0] & 0x80 == 0 {
            return Some((value, len));
        }
    }
}

/// A writer with the trait `AsyncWrite` of tokio. Each write blocks until it is done, so the writer
/// is always ready.
struct Blocking<W>(W);

impl<W: std::io::Write + Unpin> tokio::io::AsyncWrite for Blocking<W> {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(self.get_mut().0.write(buf))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(self.get_mut().0.flush())
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(self.get_mut().0.flush())
    }
}
