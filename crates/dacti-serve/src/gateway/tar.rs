//! Writes the files, folders and symbolic links of a UnixFS DAG as a TAR.
//!
//! The TAR has the form `ustar` of POSIX.1. Extended headers hold the values that do not fit into
//! this form. The tree starts with the name at the end of the path. Specification: IPIP-0288.

use super::fault::Fault;
use super::file::FileNode;
use super::sink::Sink;
use super::store::Store;
use core::fmt::Write as _;
use dacti_dar::Cid;
use dacti_dar::unixfs::{Entry, Kind, Node, ShardWalk};
use std::collections::HashSet;
use std::io::{self, Write};
use std::vec;

/// The unit of a TAR, in bytes.
const UNIT: usize = 512;
/// The maximum length of an entry's path, in bytes.
const PATH_LEN_MAX: usize = 64 << 10;
/// The approximate number of bytes of memory that an entry takes, without its name.
const EACH: usize = size_of::<Entry>() + 64;
/// The maximum number of bytes of names and CIDs that wait in all open folders.
const WAITING_LEN_MAX: usize = 16 << 20;

/// A tree whose top node was read.
#[derive(Debug)]
pub(super) struct Tree {
    store: Store,
    top: FileNode,
    name: Vec<u8>,
}

/// A folder whose entries are being written.
struct Folder {
    path: Vec<u8>,
    entries: vec::IntoIter<Entry>,
    /// The further blocks of a sharded folder.
    shards: Option<ShardWalk>,
    /// The number of bytes of memory that the entries take.
    len: usize,
}

impl Tree {
    /// Returns the tree below `top`. `name` is the last name of the path. If `name` is missing or
    /// cannot be the name of a file, the tree starts with the text of the CID of `top`.
    pub(super) fn new(store: Store, top: FileNode, name: Option<&[u8]>) -> Self {
        let is_plain = |name: &&[u8]| !matches!(*name, b"" | b"." | b"..") && !name.contains(&b'/');
        let name = name.filter(is_plain).map(<[u8]>::to_vec);
        let name = name.unwrap_or_else(|| top.cid.to_string().into_bytes());
        Self { store, top, name }
    }

    /// Writes the TAR. An error cuts the answer.
    pub(super) fn write(self, sink: &mut Sink) -> io::Result<()> {
        let Self { store, top, name } = self;
        let (open, symlinks) = (Vec::new(), HashSet::new());
        let mut tar = Tar { store, sink, open, waiting: 0, symlinks };
        tar.node(name.clone(), top)?;
        while let Some((path, cid)) = tar.next(&name)? {
            let block = tar.store.block(&cid).map_err(Fault::from)?;
            let block = block.ok_or_else(|| Fault::Missing(cid.clone()))?;
            let node = Node::read(&cid, &block).map_err(Fault::from)?;
            drop(block);
            tar.node(path, FileNode { cid, node })?;
        }
        // Two empty units end a TAR.
        tar.sink.write_all(&[0; 2 * UNIT])
    }
}

struct Tar<'s> {
    store: Store,
    sink: &'s mut Sink,
    open: Vec<Folder>,
    /// The number of bytes of memory that the open folders and the paths of the symbolic links
    /// take.
    waiting: usize,
    /// The paths of the symbolic links so far.
    symlinks: HashSet<Vec<u8>>,
}

impl Tar<'_> {
    /// Returns the path and the CID of the next entry; `None` at the end.
    fn next(&mut self, top: &[u8]) -> Result<Option<(Vec<u8>, Cid)>, Fault> {
        while let Some(folder) = self.open.last_mut() {
            if let Some(entry) = folder.entries.next() {
                let path = below(top, &folder.path, &entry.name)?;
                self.refuse_through_symlink(&path)?;
                return Ok(Some((path, entry.cid)));
            }
            let walk = folder.shards.as_mut();
            let Some((walk, cid)) = walk.and_then(|walk| walk.want().cloned().map(|c| (walk, c)))
            else {
                self.waiting = self.waiting.saturating_sub(folder.len);
                self.open.pop();
                continue;
            };
            let block = self.store.block(&cid)?.ok_or(Fault::Missing(cid))?;
            walk.feed(&block)?;
            let entries = walk.take_entries();
            let len = len_of(&entries, walk.waiting());
            self.waiting = self.waiting.saturating_sub(folder.len).saturating_add(len);
            (folder.entries, folder.len) = (entries.into_iter(), len);
            self.refuse_too_much()?;
        }
        Ok(None)
    }

    /// Refuses a path through a symbolic link of this tree, because unpacking would follow the
    /// link.
    fn refuse_through_symlink(&self, path: &[u8]) -> Result<(), Fault> {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut ends = slashes.map(|(at, _)| at).chain([path.len()]);
        let is_link = |end: usize| path.get(..end).is_some_and(|part| self.symlinks.contains(part));
        if !self.symlinks.is_empty() && ends.any(is_link) {
            return Err(Fault::Name(String::from_utf8_lossy(path).into_owned()));
        }
        Ok(())
    }

    fn refuse_too_much(&self) -> Result<(), Fault> {
        if self.waiting > WAITING_LEN_MAX { Err(Fault::TooManyLinks) } else { Ok(()) }
    }

    /// Writes a node. The entries of a folder follow.
    fn node(&mut self, path: Vec<u8>, found: FileNode) -> io::Result<()> {
        let mut entry = Header::of(&found.node);
        match found.node.kind {
            Kind::File => {
                let len = found.content_len(&self.store, self.sink)?;
                entry.write(self.sink, &path, b"", len)?;
                // The header has stated the length. The walk fails unless the file has exactly this
                // length.
                found.write(&self.store, None, self.sink)?;
                pad(self.sink, len)?;
            }
            Kind::Symlink => {
                entry.write(self.sink, &path, &found.node.data, 0)?;
                self.waiting = self.waiting.saturating_add(path.len()).saturating_add(EACH);
                self.symlinks.insert(path);
                self.refuse_too_much()?;
            }
            _ => {
                entry.kind = b'5';
                entry.write(self.sink, &[&*path, b"/"].concat(), b"", 0)?;
                self.enter(path, found)?;
            }
        }
        Ok(())
    }

    fn enter(&mut self, path: Vec<u8>, found: FileNode) -> Result<(), Fault> {
        let FileNode { cid, node } = found;
        let (entries, shards) = if node.kind == Kind::Shard {
            let mut walk = ShardWalk::new(&cid, node)?;
            (walk.take_entries(), Some(walk))
        } else {
            (node.into_entries(), None)
        };
        let shards_waiting = shards.as_ref().map_or(0, ShardWalk::waiting);
        let len = len_of(&entries, shards_waiting).saturating_add(path.len());
        self.waiting = self.waiting.saturating_add(len);
        self.open.push(Folder { path, entries: entries.into_iter(), shards, len });
        self.refuse_too_much()
    }
}

/// Returns the number of bytes of memory that entries and waiting shards take.
fn len_of(entries: &[Entry], shards: usize) -> usize {
    let names = entries.iter().fold(0_usize, |sum, entry| sum.saturating_add(entry.name.len()));
    names.saturating_add(entries.len().saturating_add(shards).saturating_mul(EACH))
}

/// Returns the path of an entry. A name with slashes is a path. A path that leads out of the tree
/// is refused, so that unpacking writes nothing outside.
fn below(top: &[u8], folder: &[u8], name: &[u8]) -> Result<Vec<u8>, Fault> {
    let refused = || Fault::Name(String::from_utf8_lossy(name).into_owned());
    let mut path: Vec<&[u8]> = folder.split(|byte| *byte == b'/').collect();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(path.pop()),
            part => path.push(part),
        }
        // `..` must not remove the first part, which is the name of the top of the tree.
        if path.first() != Some(&top) {
            return Err(refused());
        }
    }
    let path = path.join(&b'/');
    let is_new = path.len() > top.len() && path.len() <= PATH_LEN_MAX && !path.contains(&0);
    if is_new && path != folder { Ok(path) } else { Err(refused()) }
}

/// The fields of an entry's header that come from its node.
struct Header {
    kind: u8,
    mode: u32,
    seconds: i64,
    nanoseconds: u32,
}

impl Header {
    fn of(node: &Node) -> Self {
        let (kind, mode) = match node.kind {
            Kind::File => (b'0', 0o644),
            Kind::Symlink => (b'2', 0o777),
            _ => (b'5', 0o755),
        };
        let (seconds, nanoseconds) = node.mtime.unwrap_or_default();
        Self { kind, mode: node.mode.unwrap_or(mode), seconds, nanoseconds }
    }

    /// Writes the header of an entry. If the entry needs an extended header, writes the extended
    /// header first.
    fn write(&self, sink: &mut Sink, path: &[u8], target: &[u8], len: u64) -> io::Result<()> {
        if target.contains(&0) {
            return Err(Fault::Name(String::from_utf8_lossy(target).into_owned()).into());
        }
        let mut more = Vec::new();
        let (short_path, short_target) = (short(path), short(target));
        if short_path.len() < path.len() {
            record(&mut more, "path", path);
        }
        if short_target.len() < target.len() {
            record(&mut more, "linkpath", target);
        }
        let stated_len = if len < OCTAL_END { len } else { 0 };
        if stated_len < len {
            record(&mut more, "size", len.to_string().as_bytes());
        }
        let seconds = u64::try_from(self.seconds).ok().filter(|seconds| *seconds < OCTAL_END);
        if seconds.is_none() || self.nanoseconds > 0 {
            record(&mut more, "mtime", time(self.seconds, self.nanoseconds).as_bytes());
        }
        let seconds = seconds.unwrap_or(0);
        if !more.is_empty() {
            let len = u64::try_from(more.len()).unwrap_or(u64::MAX);
            sink.write_all(&unit(b'x', b"more", b"", 0o644, len, seconds))?;
            sink.write_all(&more)?;
            pad(sink, len)?;
        }
        sink.write_all(&unit(
            self.kind,
            short_path,
            short_target,
            self.mode & 0o7777,
            stated_len,
            seconds,
        ))
    }
}

/// The first number that 11 octal digits cannot hold.
const OCTAL_END: u64 = 1 << 33;

/// Returns the bytes of a path that the header itself can hold.
fn short(path: &[u8]) -> &[u8] {
    path.get(..100).unwrap_or(path)
}

/// Returns seconds since 1970 in decimal form, with the nanoseconds after the point.
fn time(seconds: i64, nanoseconds: u32) -> String {
    // -1.25 s is stored as -2 s and 750,000,000 ns.
    if seconds < 0 && nanoseconds > 0 {
        let whole = seconds.saturating_add(1).unsigned_abs();
        return format!("-{whole}.{:09}", 1_000_000_000_u32.saturating_sub(nanoseconds));
    }
    format!("{seconds}.{nanoseconds:09}")
}

/// Appends a record of an extended header. The record begins with its length, which includes the
/// digits of the length.
fn record(to: &mut Vec<u8>, name: &str, value: &[u8]) {
    let rest = name.len().saturating_add(value.len()).saturating_add(3);
    let mut len = rest.saturating_add(1);
    while len.to_string().len().saturating_add(rest) > len {
        len = len.saturating_add(1);
    }
    to.extend_from_slice(format!("{len} {name}=").as_bytes());
    to.extend_from_slice(value);
    to.push(b'\n');
}

/// Returns a header of one unit.
fn unit(kind: u8, path: &[u8], target: &[u8], mode: u32, len: u64, seconds: u64) -> [u8; UNIT] {
    let mut unit = [0; UNIT];
    let mut set = |at: usize, bytes: &[u8]| {
        for (to, from) in unit.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    set(0, path);
    set(100, format!("{mode:07o}\0").as_bytes());
    // The numbers of owner and group are 0.
    set(108, b"0000000\x000000000\0");
    set(124, format!("{len:011o}\0{seconds:011o}\0").as_bytes());
    // The checksum is computed as if its own field contained blanks.
    set(148, b"        ");
    set(156, &[kind]);
    set(157, target);
    set(257, b"ustar\x0000");
    let sum = unit.iter().fold(0_u32, |sum, byte| sum.saturating_add(u32::from(*byte)));
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "{sum:06o}\0 ");
    for (to, from) in unit.iter_mut().skip(148).zip(text.bytes()) {
        *to = from;
    }
    unit
}

/// Writes zeros after `len` bytes, up to the end of their last unit.
fn pad(sink: &mut Sink, len: u64) -> io::Result<()> {
    let unit = u64::try_from(UNIT).unwrap_or(u64::MAX);
    let rest = usize::try_from(len.next_multiple_of(unit).saturating_sub(len)).unwrap_or(0);
    sink.write_all([0; UNIT].get(..rest).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{below, record, time};

    #[test]
    fn names_stay_in_their_tree() {
        let path = |folder: &str, name: &str| {
            let path = below(b"top", folder.as_bytes(), name.as_bytes()).ok();
            path.map(|path| String::from_utf8(path).unwrap())
        };
        for (folder, name, expected) in [
            ("top", "a", Some("top/a")),
            ("top/a", "b c", Some("top/a/b c")),
            ("top/a", "../b/./c", Some("top/b/c")),
            ("top", "/etc/passwd", Some("top/etc/passwd")),
            ("top", "..", None),
            ("top/a", "..", None),
            ("top/a", "../../top/b", None),
            ("top", "../other", None),
            ("top", ".", None),
            ("top", "", None),
            ("top", "a\0b", None),
        ] {
            assert_eq!(path(folder, name).as_deref(), expected, "{folder} {name}");
        }
        assert_eq!(path("top", &"a".repeat(70_000)), None);
    }

    #[test]
    fn records_count_their_own_length() {
        for (len, expected) in [(2, "11 path=aa\n"), (89, "98 "), (90, "99 "), (91, "101 ")] {
            let mut found = Vec::new();
            record(&mut found, "path", "a".repeat(len).as_bytes());
            assert!(found.starts_with(expected.as_bytes()), "{}", found.escape_ascii());
            let stated = expected.split(' ').next().unwrap().parse::<usize>().unwrap();
            assert_eq!(found.len(), stated);
        }
    }

    #[test]
    fn times_before_1970_have_their_sign_once() {
        assert_eq!(time(5, 1), "5.000000001");
        assert_eq!(time(-2, 750_000_000), "-1.250000000");
        assert_eq!(time(-1, 750_000_000), "-0.250000000");
        assert_eq!(time(-2, 0), "-2.000000000");
    }
}
