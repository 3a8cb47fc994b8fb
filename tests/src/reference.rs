//! An independent writer and reader of the container, the index, the names list and whole packages.
//!
//! It checks our crates, so it imports none of them and shares no design with them. It follows
//! `docs/spec/` only. It writes bytes one field after the other, keeps a whole file in memory, and
//! treats a UUID as sixteen bytes in text order. It is not for untrusted input. Speed does not
//! matter: the reader takes quadratic time if that makes the code shorter.

pub mod compaction;
pub mod dictionary;
pub mod formats;
pub mod lookup;
pub mod parts;
pub mod seals;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A UUID in text order: sixteen bytes, most significant field first.
pub type Id = [u8; 16];

/// The container's first eight bytes.
pub const SIGNATURE: [u8; 8] = [0xff, 0x64, 0x61, 0x69, 0x63, 0x6f, 0x6e, 0x30];
/// The package format.
pub const PACKAGE: Id = id("5f0f7929-7577-4be5-8bb5-4a63199b6722");
/// The index component.
pub const INDEX: Id = id("2c5e4717-b715-429b-85cd-d320d242547a");
/// The layout component.
pub const LAYOUT: Id = id("198f23aa-227b-499f-9da1-6410035ed473");
/// The lookup component.
pub const LOOKUP: Id = id("20e717c9-2799-4f4c-a341-3153d87bfb07");
/// The parts component.
pub const PARTS: Id = id("72da7639-7975-4034-932f-631faf32da1c");
/// The seal component.
pub const SEAL: Id = id("f7624209-bdc4-4eb7-b9d7-9f1e3970a09b");
/// The id of the names component, and of the region that holds the names list.
pub const NAMES: Id = id("16665c3c-6a55-4f8a-b0af-910ac2f7e414");
/// The namespace of ids that are made from paths.
pub const PATHS: Id = id("8d44e5dd-b871-4639-9f80-630abffdaf58");
/// The tag of a region that is stored without encoding.
pub const NONE: [u8; 4] = *b"none";
/// The tag of a region that is one brotli stream.
pub const BROT: [u8; 4] = *b"brot";
/// The tag of a group that removes regions.
pub const GONE: [u8; 4] = *b"gone";
/// Bytes of a group: a header of 16 and 255 entries of 24.
pub const GROUP: u64 = 6136;
/// The length in a names record that means an unknown length.
pub const UNKNOWN: u64 = u64::MAX;

/// Reads a UUID from its text.
///
/// # Panics
/// If the text is not a UUID.
#[must_use]
pub const fn id(text: &str) -> Id {
    let text = text.as_bytes();
    assert!(text.len() == 36);
    let mut out = [0; 16];
    let (mut from, mut to) = (0, 0);
    while to < 16 {
        if text[from] == b'-' {
            from += 1;
        }
        out[to] = nibble(text[from]) << 4 | nibble(text[from + 1]);
        from += 2;
        to += 1;
    }
    out
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => panic!("not a lower-case hexadecimal digit"),
    }
}

/// Returns the UUID whose last four bytes are `number`, and whose other bytes are zero.
#[must_use]
pub const fn small(number: u32) -> Id {
    let [a, b, c, d] = number.to_be_bytes();
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
}

/// A UUID as text.
#[must_use]
pub fn text(id: &Id) -> String {
    let mut out = String::new();
    for (i, byte) in id.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        write!(out, "{byte:02x}").expect("a string takes everything");
    }
    out
}

/// Converts a UUID from text order to file order, or back. Both directions reverse the bytes of
/// each of the first three fields.
#[must_use]
pub const fn swap(id: Id) -> Id {
    let [a, b, c, d, e, f, g, h, rest @ ..] = id;
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

// ------------------------------------------------------------------------------------------
// Writing
// ------------------------------------------------------------------------------------------

/// A component to write.
#[derive(Clone, Copy, Debug)]
pub struct Component {
    /// Its UUID.
    pub id: Id,
    /// Its major version.
    pub major: u16,
    /// Its minor version.
    pub minor: u16,
    /// The first half of its data, usually the offset of a region.
    pub offset: u32,
    /// The second half of its data, usually the size of a region.
    pub size: u32,
}

/// Returns a component of version 0.1 with this offset and this size of its region.
#[must_use]
pub const fn component(id: Id, offset: u32, size: u32) -> Component {
    Component { id, major: 0, minor: 1, offset, size }
}

/// A table to write. Tests can give every field a wrong value.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The region base.
    pub base: u64,
    /// The extension offset.
    pub extension: u64,
    /// The reserved field.
    pub reserved: u32,
    /// The value of the count field. `None` means the number of components.
    pub count: Option<u32>,
    /// The minimum number of slots. Slots without a component are zero.
    pub slots: usize,
    /// The components.
    pub components: Vec<Component>,
}

/// Returns a preamble: signature and format header.
#[must_use]
pub fn head(format: Id, major: u16, minor: u16) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    out.extend(swap(format));
    out.extend(major.to_le_bytes());
    out.extend(minor.to_le_bytes());
    out
}

/// Writes a table: header, entries, zeros for the free slots.
#[must_use]
pub fn table(table: &Table) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(table.base.to_le_bytes());
    out.extend(table.extension.to_le_bytes());
    out.extend(table.reserved.to_le_bytes());
    let count = table.components.len();
    out.extend(table.count.unwrap_or(count as u32).to_le_bytes());
    for component in &table.components {
        out.extend(swap(component.id));
        out.extend(component.major.to_le_bytes());
        out.extend(component.minor.to_le_bytes());
        out.extend(component.offset.to_le_bytes());
        out.extend(component.size.to_le_bytes());
    }
    out.resize(24 + 28 * table.slots.max(count), 0);
    out
}

/// Writes `bytes` into `file` at `at`. Zeros are appended to a file that is too short.
pub fn place(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// An entry of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The region's id.
    pub id: Id,
    /// Its offset from the group's base.
    pub offset: u32,
    /// Its size as stored.
    pub size: u32,
}

/// A group of an index. It may have more entries than its length states. Readers ignore the further
/// entries.
#[derive(Clone, Debug)]
pub struct Group {
    /// The absolute offset to which the offsets of its entries are added.
    pub base: u64,
    /// The encoding of its regions.
    pub encoding: [u8; 4],
    /// The value of the length field. `None` means the number of entries.
    pub length: Option<u8>,
    /// The three bytes of padding.
    pub padding: [u8; 3],
    /// The entries, oldest first.
    pub entries: Vec<Entry>,
}

impl Default for Group {
    fn default() -> Self {
        Self { base: 0, encoding: NONE, length: None, padding: [0; 3], entries: Vec::new() }
    }
}

/// Returns an empty group with base and encoding zero, which is reserved for updates.
#[must_use]
pub fn delta() -> Group {
    Group { encoding: [0; 4], ..Group::default() }
}

/// Returns an index region: header and groups.
#[must_use]
pub fn index(groups: &[Group]) -> Vec<u8> {
    index_with(0, groups.len() as u32, groups)
}

/// Returns an index region with this version and this count of groups in its header, even if they
/// are wrong.
#[must_use]
pub fn index_with(version: u32, count: u32, groups: &[Group]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(version.to_le_bytes());
    out.extend(count.to_le_bytes());
    for group in groups {
        let start = out.len();
        out.extend(group.base.to_le_bytes());
        out.extend(group.encoding);
        out.push(group.length.unwrap_or(group.entries.len() as u8));
        out.extend(group.padding);
        for entry in &group.entries {
            out.extend(swap(entry.id));
            out.extend(entry.offset.to_le_bytes());
            out.extend(entry.size.to_le_bytes());
        }
        assert!(group.entries.len() <= 255, "a group has room for 255 entries");
        out.resize(start + GROUP as usize, 0);
    }
    out
}

/// One record of a names segment, with its path.
#[derive(Clone, Debug)]
pub struct Name {
    /// The region's explicit id. It is zero if the id is the hash of the path.
    pub id: Id,
    /// The length of the content, or [`UNKNOWN`].
    pub length: u64,
    /// The path. It is a string of bytes, because tests also write invalid paths.
    pub path: Vec<u8>,
}

/// The attributes of a file in a names segment of version 1: its time in seconds and nanoseconds,
/// and whether it is a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The modification time.
    pub time: Option<(i64, u32)>,
    /// Whether the file is a program.
    pub program: Option<bool>,
}

/// The link of a names segment, which gives the place of the earlier segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    /// The absolute start of the earlier segment's stored bytes, or 0 if there is no earlier
    /// segment.
    pub at: u64,
    /// The number of its stored bytes.
    pub size: u32,
    /// Its encoding tag.
    pub encoding: [u8; 4],
    /// The length of its content.
    pub decoded: u64,
}

/// Returns a names segment: header, records, paths.
#[must_use]
pub fn names(link: Link, names: &[Name]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0_u32.to_le_bytes());
    out.extend((names.len() as u32).to_le_bytes());
    out.extend(link.at.to_le_bytes());
    out.extend(link.size.to_le_bytes());
    out.extend(link.encoding);
    out.extend(link.decoded.to_le_bytes());
    let mut heap: Vec<u8> = Vec::new();
    for name in names {
        out.extend(swap(name.id));
        out.extend(name.length.to_le_bytes());
        out.extend((heap.len() as u32).to_le_bytes());
        out.extend((name.path.len() as u32).to_le_bytes());
        heap.extend(&name.path);
    }
    out.extend(heap);
    out
}

/// Returns a names segment of version 1: header, records, attributes, paths.
#[must_use]
pub fn names_with(link: Link, list: &[Name], kept: &[Kept]) -> Vec<u8> {
    let mut out = names(link, list);
    out[0] = 1;
    let heap = out.split_off(32 + 32 * list.len());
    for Kept { time, program } in kept {
        let (seconds, nanoseconds) = time.unwrap_or_default();
        out.extend(seconds.to_le_bytes());
        out.extend(nanoseconds.to_le_bytes());
        let program = program.map_or(0, |program| 2 + 4 * u32::from(program));
        out.extend((u32::from(time.is_some()) + program).to_le_bytes());
    }
    out.extend(heap);
    out
}

/// The layout component's region.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The file id.
    pub file_id: Id,
    /// The slice length.
    pub slice: u64,
    /// The end of the package before any update.
    pub end: u64,
    /// The number of delta groups.
    pub deltas: u32,
    /// The start of the reserve for fences.
    pub keys_at: u32,
    /// The length of this reserve, in bytes.
    pub keys_len: u32,
}

/// Returns the 80 bytes of the layout component's region.
#[must_use]
pub fn layout(layout: &Layout) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0_u32.to_le_bytes());
    out.extend(65_536_u32.to_le_bytes());
    out.extend(layout.file_id);
    out.extend(layout.slice.to_le_bytes());
    out.extend(layout.end.to_le_bytes());
    out.extend(layout.deltas.to_le_bytes());
    for field in [16_u32, 504, 752, 8] {
        out.extend(field.to_le_bytes());
    }
    out.extend(layout.keys_at.to_le_bytes());
    out.extend(layout.keys_len.to_le_bytes());
    out.extend([0; 12]);
    assert_eq!(out.len(), 80);
    out
}

/// Returns a lookup region for one run. `firsts` are the first ids of its groups.
#[must_use]
pub fn lookup(index_at: u64, first_group: u32, firsts: &[Id], stride: u32) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0_u32.to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    out.extend(index_at.to_le_bytes());
    let keys: Vec<_> = firsts.iter().step_by(stride as usize).collect();
    for field in [first_group, firsts.len() as u32, stride, keys.len() as u32] {
        out.extend(field.to_le_bytes());
    }
    for key in keys {
        out.extend(&key[..8]);
    }
    out
}

/// Returns the lookup region with the smallest stride whose length is at most `room` bytes.
fn lookup_within(index_at: u64, first_group: u32, firsts: &[Id], room: u64) -> Vec<u8> {
    (1..)
        .map(|stride| lookup(index_at, first_group, firsts, stride))
        .find(|region| region.len() as u64 <= room)
        .expect("some stride leaves one key")
}

/// Returns a brotli stream of uncompressed blocks. A compressor writes such a stream for
/// incompressible bytes.
#[must_use]
pub fn brotli_stored(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // The window of 64 KiB takes one zero bit, so the first block starts at bit 1. Later blocks
    // start at bit 0.
    let mut shift = 1;
    for block in content.chunks(65_536) {
        // The first three bits of a block are zeros. They mean that the block is not the last one,
        // and that its length takes four nibbles. The length minus one follows, and then the bit
        // that means "not compressed".
        let length = block.len() as u32 - 1;
        let bits = length << (3 + shift) | 1 << (19 + shift);
        out.extend(&bits.to_le_bytes()[..3]);
        out.extend(block);
        shift = 0;
    }
    // The stream ends with an empty last block, which is two one bits.
    out.push(if content.is_empty() { 0b110 } else { 0b11 });
    out
}

/// One file of a package, in its stored form.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its path.
    pub path: String,
    /// Its explicit id, if it has one.
    pub id: Option<Id>,
    /// Its bytes as stored.
    pub bytes: Vec<u8>,
    /// The length of the content.
    pub decoded: u64,
}

/// Returns a file that is stored without encoding.
#[must_use]
pub fn stored(path: &str, bytes: &[u8]) -> Stored {
    Stored { path: path.to_owned(), id: None, bytes: bytes.to_vec(), decoded: bytes.len() as u64 }
}

fn entry_id(file: &Stored) -> Id {
    file.id.unwrap_or_else(|| path_id(&file.path))
}

/// Returns the content of a package's names list.
#[must_use]
pub fn names_of(files: &[Stored]) -> Vec<u8> {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    let names_list: Vec<_> = sorted
        .iter()
        .map(|file| Name {
            id: file.id.unwrap_or([0; 16]),
            length: file.decoded,
            path: file.path.clone().into_bytes(),
        })
        .collect();
    names(Link::default(), &names_list)
}

/// Returns the regions of a package in the order of their data: first the names list, then the
/// files in the order of their paths.
fn regions(files: &[Stored], names_list: &[u8]) -> Vec<(Id, Vec<u8>)> {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    let mut out = Vec::new();
    if !files.is_empty() {
        out.push((NAMES, names_list.to_vec()));
    }
    out.extend(sorted.iter().map(|file| (entry_id(file), file.bytes.clone())));
    out
}

/// Sorts entries by id, and returns groups of 255 entries.
fn sorted_groups(base: u64, encoding: [u8; 4], mut entries: Vec<Entry>) -> Vec<Group> {
    entries.sort_by_key(|entry| entry.id);
    entries
        .chunks(255)
        .map(|chunk| Group { base, encoding, entries: chunk.to_vec(), ..Group::default() })
        .collect()
}

/// Returns the names component. The first bit of its data is set if a file has an explicit id.
fn names_component(files: &[Stored]) -> Component {
    component(NAMES, u32::from(files.iter().any(|file| file.id.is_some())), 0)
}

/// Returns a package of less than 4 GiB in the compact layout. `names_list` has the stored bytes of
/// the names list.
#[must_use]
pub fn compact_package(files: &[Stored], names_list: &[u8], encoding: [u8; 4]) -> Vec<u8> {
    let regions = regions(files, names_list);
    let groups = regions.len().div_ceil(255) as u64;
    let components = 1 + usize::from(!files.is_empty());
    let mut index_at = 28 + 24 + 28 * components as u64;
    let index_len = if regions.is_empty() { 0 } else { 8 + GROUP * groups };
    let mut fences = Vec::new();
    if index_at + index_len > 65_536 {
        let mut ids: Vec<Id> = regions.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        let firsts: Vec<Id> = ids.chunks(255).map(|group| group[0]).collect();
        let fences_at = index_at + 28;
        let room = 65_536 - fences_at;
        // The length of the lookup region does not depend on the position of the index.
        let len = lookup_within(0, 0, &firsts, room).len() as u64;
        index_at = fences_at + len;
        fences = lookup_within(index_at, 0, &firsts, room);
    }
    let base = index_at + index_len;
    let mut data: Vec<u8> = Vec::new();
    let mut places: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    let mut entries = Vec::new();
    for (id, bytes) in regions {
        let size = bytes.len() as u32;
        let end = data.len() as u32;
        let offset = *places.entry(bytes.clone()).or_insert(end);
        if offset == end {
            data.extend(&bytes);
        }
        entries.push(Entry { id, offset, size });
    }
    let index_component = match index_len {
        0 => component(INDEX, 0, 0),
        len => component(INDEX, index_at as u32, len as u32),
    };
    let mut listed = vec![index_component];
    if !files.is_empty() {
        listed.push(names_component(files));
    }
    if !fences.is_empty() {
        let at = index_at as u32 - fences.len() as u32;
        listed.push(component(LOOKUP, at, fences.len() as u32));
    }
    let mut out = head(PACKAGE, 0, 1);
    out.extend(table(&Table { components: listed, ..Table::default() }));
    out.extend(&fences);
    if index_len > 0 {
        out.extend(index(&sorted_groups(base, encoding, entries)));
    }
    out.extend(data);
    out
}

/// Returns the digest that follows a region. `hash` hashes the stored bytes.
#[must_use]
pub fn seal(id: Id, encoding: [u8; 4], bytes: &[u8], hash: &dyn Fn(&[u8]) -> [u8; 32]) -> [u8; 32] {
    seal_after(id, encoding, bytes, None, hash)
}

/// Returns the digest that follows a region. With the encoding `brod`, it also covers the
/// dictionary.
#[must_use]
pub fn seal_after(
    id: Id,
    encoding: [u8; 4],
    bytes: &[u8],
    dictionary: Option<&[u8]>,
    hash: &dyn Fn(&[u8]) -> [u8; 32],
) -> [u8; 32] {
    let mut input = b"dacti-seal digest v0".to_vec();
    input.extend(swap(id));
    input.extend(encoding);
    input.extend((bytes.len() as u64).to_le_bytes());
    input.extend(hash(bytes));
    if let Some(dictionary) = dictionary.filter(|_| encoding == dictionary::BROD) {
        input.extend(hash(dictionary));
    }
    hash(&input)
}

/// Returns the region of a seal component for digests without signatures.
#[must_use]
pub fn seal_component(hash: &dyn Fn(&[u8]) -> [u8; 32]) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 0, 1, 0, 0, 0];
    out.resize(32, 0);
    let digest = hash(&[b"dacti-seal component v0", &out[..]].concat());
    out.extend(digest);
    out
}

/// Returns a package of less than 4 GiB in the cdn layout, with a digest after each region. `hash`
/// is BLAKE3, which this file does not implement.
#[must_use]
pub fn cdn_package(
    files: &[Stored],
    names_list: &[u8],
    encoding: [u8; 4],
    slice: u64,
    hash: &dyn Fn(&[u8]) -> [u8; 32],
) -> Vec<u8> {
    cdn_package_with(files, names_list, encoding, slice, hash, true)
}

/// Returns a package like [`cdn_package`], but no two regions share stored bytes.
#[must_use]
pub fn cdn_package_apart(
    files: &[Stored],
    names_list: &[u8],
    encoding: [u8; 4],
    slice: u64,
    hash: &dyn Fn(&[u8]) -> [u8; 32],
) -> Vec<u8> {
    let behind = |id: Id, bytes: &[u8]| seal(id, encoding, bytes, hash).to_vec();
    let component = Some(seal_component(hash));
    let sealing = Sealing { component, behind: &behind, shares: false };
    cdn_package_of(files, names_list, encoding, slice, hash, sealing, &[])
}

/// Returns a package of less than 4 GiB in the cdn layout. A digest follows each region if `seals`
/// is true. `hash` is BLAKE3, which this file does not implement.
#[must_use]
pub fn cdn_package_with(
    files: &[Stored],
    names_list: &[u8],
    encoding: [u8; 4],
    slice: u64,
    hash: &dyn Fn(&[u8]) -> [u8; 32],
    seals: bool,
) -> Vec<u8> {
    cdn_package_hot(files, names_list, encoding, slice, hash, seals, &[])
}

/// Returns a package in the cdn layout. `behind` returns the seal that follows a region.
#[must_use]
pub fn cdn_package_sealed(
    files: &[Stored],
    names_list: &[u8],
    encoding: [u8; 4],
    slice: u64,
    hash: &dyn Fn(&[u8]) -> [u8; 32],
    seal_component: Option<Vec<u8>>,
    behind: &dyn Fn(Id, &[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let sealing = Sealing { component: seal_component, behind, shares: true };
    cdn_package_of(files, names_list, encoding, slice, hash, sealing, &[])
}

/// Returns a package of less than 4 GiB in the cdn layout. The files at the paths `hot` are hot
/// regions.
#[must_use]
pub fn cdn_package_hot(
    files: &[Stored],
    names_list: &[u8],
    encoding: [u8; 4],
    slice: u64,
    hash: &dyn Fn(&[u8]) -> [u8; 32],
    seals: bool,
    hot: &[&str],
) -> Vec<u8> {
    let component = seals.then(|| seal_component(hash));
    let behind = |id: Id, bytes: &[u8]| {
        if seals { seal(id, encoding, bytes, hash).to_vec() } else { Vec::new() }
    };
    let sealing = Sealing { component, behind: &behind, shares: true };
    cdn_package_of(files, names_list, encoding, slice, hash, sealing, hot)
}

/// Returns the number of delta groups and the start of the index. The arguments are the number of
/// filled groups, the number of entries in them, and the length of the hot regions in bytes.
fn hot_place(filled: u64, entries: usize, hot_len: u64) -> (u64, u64) {
    let start = |groups: u64| 65_528 - GROUP * groups;
    let usual = if entries <= 2_000_000 { 8 } else { 4 };
    let keys = |stride: u64| 32 + 8 * filled.div_ceil(stride);
    let keys = (1..).map(keys).find(|keys| *keys <= start(usual) - 3584).expect("some stride");
    let whole = (1..=10_u64.saturating_sub(filled)).rev();
    let whole = whole.map(|deltas| (deltas, start(deltas + filled), 0));
    let behind = (1..=usual).rev().map(|deltas| (deltas, start(deltas), keys));
    let (deltas, index_at, _) = whole
        .chain(behind)
        .find(|(_, start, keys)| start - 3584 >= keys + hot_len)
        .expect("hot regions that fit");
    (deltas, index_at)
}

/// The ids of regions that share stored bytes, and the shared bytes.
type Sharing = (Vec<Id>, Vec<u8>);

/// Puts regions with equal stored bytes into one group, at most 16 regions in each group. The
/// regions are given in the order of their data, and a group has the position of its first region.
/// Regions are equal if `key` returns the same value for them. `may` returns whether a region may
/// share its bytes. A region without bytes shares nothing.
pub(crate) fn sharing<R: AsRef<[u8]> + Clone, K: Ord>(
    regions: Vec<(Id, R)>,
    key: impl Fn(&R) -> K,
    may: impl Fn(&Id, &R) -> bool,
) -> Vec<(Vec<Id>, R)> {
    let mut groups: Vec<(Vec<Id>, R)> = Vec::new();
    let mut latest: BTreeMap<K, usize> = BTreeMap::new();
    for (id, region) in regions {
        let shares = may(&id, &region) && !region.as_ref().is_empty();
        let found = latest.get(&key(&region)).filter(|_| shares);
        if let Some(group) = found.map(|at| &mut groups[*at]).filter(|(ids, _)| ids.len() < 16) {
            group.0.push(id);
            continue;
        }
        if shares {
            latest.insert(key(&region), groups.len());
        }
        groups.push((vec![id], region));
    }
    groups
}

/// A seal component's region, and a function that returns the seal of each region.
struct Sealing<'b> {
    component: Option<Vec<u8>>,
    behind: &'b dyn Fn(Id, &[u8]) -> Vec<u8>,
    /// Whether regions with equal stored bytes share them. This has an effect only if there are
    /// seals.
    shares: bool,
}

fn cdn_package_of(
    files: &[Stored],
    names_list: &[u8],
    encoding: [u8; 4],
    slice: u64,
    hash: &dyn Fn(&[u8]) -> [u8; 32],
    sealing: Sealing<'_>,
    hot: &[&str],
) -> Vec<u8> {
    let hot_ids: Vec<_> =
        { files.iter() }.filter(|file| hot.contains(&&file.path[..])).map(entry_id).collect();
    let (hot, regions): (Vec<_>, Vec<_>) =
        regions(files, names_list).into_iter().partition(|(id, _)| hot_ids.contains(id));
    let store = |groups: &[Sharing]| {
        let mut data: Vec<u8> = Vec::new();
        let mut entries = Vec::new();
        for (ids, bytes) in groups {
            let (offset, size) = (data.len() as u32, bytes.len() as u32);
            data.extend(bytes);
            for id in ids {
                entries.push(Entry { id: *id, offset, size });
                data.extend((sealing.behind)(*id, bytes));
            }
        }
        (data, entries)
    };
    let alone = |regions: Vec<(Id, Vec<u8>)>| -> Vec<Sharing> {
        regions.into_iter().map(|(id, bytes)| (vec![id], bytes)).collect()
    };
    let count = regions.len();
    let hot = alone(hot);
    let regions = match &sealing.component {
        Some(_) if sealing.shares => sharing(regions, |bytes| bytes.clone(), |id, _| *id != NAMES),
        _ => alone(regions),
    };
    let seals_max = regions.iter().map(|(ids, _)| ids.len()).max().unwrap_or(1);
    let component_region = sealing.component.map(|region| match seals_max {
        0 | 1 => region,
        max => seals::shared_component(region, max as u32, hash),
    });
    let (hot_data, mut hot_entries) = store(&hot);
    let (mut data, entries) = store(&regions);
    if seals_max > 1 {
        // A reader may read 16 seals after every region, so zeros follow the last region's seal.
        data.resize(data.len() + 15 * (sealing.behind)([0; 16], &[]).len(), 0);
    }
    let filled = count.div_ceil(255) as u64;
    let (deltas, index_at) = match (filled, count) {
        _ if !hot.is_empty() => hot_place(filled, count, hot_data.len() as u64),
        (0..=10, _) => (10 - filled, 4168),
        (_, ..=2_000_000) => (8, 16_440),
        _ => (4, 40_984),
    };
    let is_whole = index_at + 8 + GROUP * (deltas + filled) == 65_536;
    let index_len = 8 + GROUP * (deltas + filled);
    let base = index_at + index_len;
    let mut groups: Vec<_> = (0..deltas).map(|_| delta()).collect();
    let hot_at = index_at - hot_data.len() as u64;
    if !hot.is_empty() {
        for entry in &mut hot_entries {
            entry.offset += hot_at as u32;
        }
        groups[deltas as usize - 1] = sorted_groups(0, encoding, hot_entries).remove(0);
    }
    let filled_groups = sorted_groups(base, encoding, entries);
    let firsts: Vec<_> = filled_groups.iter().map(|group| group.entries[0].id).collect();
    groups.extend(filled_groups);
    let index_region = index(&groups);
    let mut digested = b"dacti-layout file id v0".to_vec();
    digested.extend(&index_region);
    if component_region.is_some() {
        for (_, bytes) in hot.iter().chain(&regions) {
            digested.extend(hash(bytes));
        }
    } else {
        let all = hot.iter().chain(&regions).flat_map(|(_, bytes)| bytes.clone());
        digested.extend(hash(&all.collect::<Vec<u8>>()));
    }
    let file_id = hash(&digested)[..16].try_into().expect("sixteen bytes");
    let end = (base + data.len() as u64).next_multiple_of(slice);
    let (keys_at, keys_len) = if is_whole { (0, 0) } else { (3584, (hot_at - 3584) as u32) };
    let mut out = head(PACKAGE, 0, 1);
    let mut components = vec![component(LAYOUT, 1000, 80)];
    if let Some(region) = component_region {
        components.push(component(SEAL, 1080, region.len() as u32));
        place(&mut out, 1080, &region);
    }
    // The region of the parts component is zeros until the package is published in parts.
    components.push(component(PARTS, 1536, 2048));
    place(
        &mut out,
        28,
        &table(&Table { extension: 504, slots: 16, components, ..Table::default() }),
    );
    let mut components =
        vec![component(INDEX, index_at as u32, index_len as u32), names_component(files)];
    if keys_len > 0 {
        let keys = lookup_within(index_at, deltas as u32, &firsts, keys_len.into());
        components.push(component(LOOKUP, keys_at, keys.len() as u32));
        place(&mut out, keys_at as usize, &keys);
    }
    place(&mut out, 504, &table(&Table { slots: 8, components, ..Table::default() }));
    let promise = Layout { file_id, slice, end, deltas: deltas as u32, keys_at, keys_len };
    place(&mut out, 1000, &layout(&promise));
    place(&mut out, index_at as usize, &index_region);
    place(&mut out, hot_at as usize, &hot_data);
    out.extend(data);
    out.resize(end as usize, 0);
    out
}

// ------------------------------------------------------------------------------------------
// SHA-1 and the ids of paths
// ------------------------------------------------------------------------------------------

/// Returns the SHA-1 hash of a message, as FIPS 180-4 defines it.
#[must_use]
pub fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in padded.chunks(64) {
        let mut words = [0_u32; 80];
        for t in 0..80 {
            words[t] = if t < 16 {
                u32::from_be_bytes(block[4 * t..4 * t + 4].try_into().expect("four bytes"))
            } else {
                (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1)
            };
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (t, word) in words.iter().enumerate() {
            let (mix, constant) = match t {
                0..20 => (b & c | !b & d, 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mix)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut out = [0; 20];
    for (to, word) in out.chunks_mut(4).zip(state) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    out
}

/// Returns the id of a path: its UUID of version 5 in the namespace of paths.
#[must_use]
pub fn path_id(path: &str) -> Id {
    let mut message = PATHS.to_vec();
    message.extend(path.as_bytes());
    let digest = sha1(&message);
    let mut out: Id = digest[..16].try_into().expect("sixteen bytes");
    out[6] = out[6] & 0x0f | 0x50;
    out[8] = out[8] & 0x3f | 0x80;
    out
}

// ------------------------------------------------------------------------------------------
// Reading
// ------------------------------------------------------------------------------------------

/// The fault of a file, in the words of the first line of a fixture's `.expect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `corrupt`, `truncated`, `unsupported`, `limit`, `denied` or `misuse`.
    pub kind: &'static str,
    /// The structure.
    pub what: &'static str,
    /// Its position, absolute.
    pub at: u64,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error {} {} at {:#x}", self.kind, self.what, self.at)
    }
}

fn fault<T>(kind: &'static str, what: &'static str, at: u64) -> Result<T, Fault> {
    Err(Fault { kind, what, at })
}

fn u16_at(file: &[u8], at: u64) -> u16 {
    let at = at as usize;
    u16::from_le_bytes(file[at..at + 2].try_into().expect("two bytes"))
}

fn u32_at(file: &[u8], at: u64) -> u32 {
    let at = at as usize;
    u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(file: &[u8], at: u64) -> u64 {
    let at = at as usize;
    u64::from_le_bytes(file[at..at + 8].try_into().expect("eight bytes"))
}

fn id_at(file: &[u8], at: u64) -> Id {
    let at = at as usize;
    swap(file[at..at + 16].try_into().expect("sixteen bytes"))
}

fn tag_at(file: &[u8], at: u64) -> [u8; 4] {
    let at = at as usize;
    file[at..at + 4].try_into().expect("four bytes")
}

/// A table that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSeen {
    /// Its start.
    pub at: u64,
    /// Its region base.
    pub base: u64,
    /// Its extension offset.
    pub extension: u64,
    /// Its count.
    pub count: u32,
}

/// A component that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The position of its entry.
    pub at: u64,
    /// Its UUID.
    pub id: Id,
    /// Its major version.
    pub major: u16,
    /// Its minor version.
    pub minor: u16,
    /// Its data.
    pub data: [u8; 8],
    /// The region base of its table.
    pub base: u64,
}

/// The content of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The format's UUID.
    pub format: Id,
    /// Its major version.
    pub major: u16,
    /// Its minor version.
    pub minor: u16,
    /// The tables, in the order of the chain.
    pub tables: Vec<TableSeen>,
    /// The components, without duplicates.
    pub components: Vec<Found>,
    /// The duplicate entries, which readers ignore. Each has its own position and the position of
    /// the first entry with the same UUID and major version.
    pub ignored: Vec<(u64, u64)>,
    /// The extension offset that leads back to an earlier table and thereby ends the chain.
    pub looped: Option<u64>,
    /// The reserved fields that are not zero: position and value.
    pub reserved: Vec<(u64, u32)>,
}

/// The content of a container's first 28 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// The format's UUID.
    pub format: Id,
    /// Its major version.
    pub major: u16,
    /// Its minor version.
    pub minor: u16,
}

/// Reads signature and format header.
///
/// # Errors
/// The first fault.
pub fn read_preamble(file: &[u8]) -> Result<Preamble, Fault> {
    let len = file.len() as u64;
    if len < 8 {
        return fault("truncated", "signature", 0);
    }
    if file[..7] != SIGNATURE[..7] {
        return fault("corrupt", "signature", 0);
    }
    if file[7] != SIGNATURE[7] {
        return fault("unsupported", "signature", 0);
    }
    if len < 28 {
        return fault("truncated", "format header", 8);
    }
    Ok(Preamble { format: id_at(file, 8), major: u16_at(file, 24), minor: u16_at(file, 26) })
}

/// Reads a container. The limits are the default limits: 64 tables and 256 components.
///
/// # Errors
/// The first fault in the specification's order of checks.
pub fn read_container(file: &[u8]) -> Result<Container, Fault> {
    let Preamble { format, major, minor } = read_preamble(file)?;
    let mut seen = Container { format, major, minor, ..Container::default() };
    let mut at = 28;
    loop {
        read_table(file, at, &mut seen)?;
        at = u64_at(file, at + 8);
        if at == 0 {
            return Ok(seen);
        }
        if seen.tables.iter().any(|table| table.at == at) {
            seen.looped = Some(at);
            return Ok(seen);
        }
    }
}

fn read_table(file: &[u8], at: u64, seen: &mut Container) -> Result<(), Fault> {
    let len = file.len() as u64;
    if seen.tables.len() == 64 {
        return fault("limit", "table header", at);
    }
    if at.checked_add(24).is_none_or(|end| end > len) {
        return fault("truncated", "table header", at);
    }
    let taken = |table: &TableSeen| (table.at, table.at + 24 + 28 * u64::from(table.count));
    let mut earlier = vec![(0, 28)];
    earlier.extend(seen.tables.iter().map(taken));
    let overlaps = |end: u64| earlier.iter().any(|(start, stop)| at < *stop && *start < end);
    if overlaps(at + 24) {
        return fault("corrupt", "table header", at);
    }
    let count = u32_at(file, at + 20);
    let before: u64 = seen.tables.iter().map(|table| u64::from(table.count)).sum();
    if before + u64::from(count) > 256 {
        return fault("limit", "table entries", at + 24);
    }
    let end = at + 24 + 28 * u64::from(count);
    if end > len {
        return fault("truncated", "table entries", at + 24);
    }
    if overlaps(end) {
        return fault("corrupt", "table header", at);
    }
    let (base, extension) = (u64_at(file, at), u64_at(file, at + 8));
    seen.tables.push(TableSeen { at, base, extension, count });
    if u32_at(file, at + 16) != 0 {
        seen.reserved.push((at + 16, u32_at(file, at + 16)));
    }
    for i in 0..u64::from(count) {
        let at = at + 24 + 28 * i;
        let data = file[at as usize + 20..at as usize + 28].try_into().expect("eight bytes");
        let (id, major, minor) = (id_at(file, at), u16_at(file, at + 16), u16_at(file, at + 18));
        match seen.components.iter().find(|other| other.id == id && other.major == major) {
            Some(first) => seen.ignored.push((at, first.at)),
            None => seen.components.push(Found { at, id, major, minor, data, base }),
        }
    }
    Ok(())
}

/// Returns the start and the length of a component's region.
///
/// # Errors
/// If a sum exceeds 2^64 - 1, or the region exceeds the end of the file.
pub fn region(found: &Found, len: u64) -> Result<(u64, u64), Fault> {
    let offset = u64::from(u32_at(&found.data, 0));
    let size = u64::from(u32_at(&found.data, 4));
    span(found.base, offset, size, len, ("component region", "component region"), found.at)
}

/// Returns the start and the length of the `size` bytes at `base + offset`. The entry at `entry_at`
/// names these bytes.
fn span(
    base: u64,
    offset: u64,
    size: u64,
    len: u64,
    (overflow, truncated): (&'static str, &'static str),
    entry_at: u64,
) -> Result<(u64, u64), Fault> {
    let Some(start) = base.checked_add(offset) else {
        return fault("corrupt", overflow, entry_at);
    };
    match start.checked_add(size) {
        None => fault("corrupt", overflow, entry_at),
        Some(end) if size > 0 && end > len => fault("truncated", truncated, start),
        Some(_) => Ok((start, size)),
    }
}

/// An entry of an index that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntrySeen {
    /// The position of the entry.
    pub at: u64,
    /// Its group.
    pub group: u32,
    /// The position of its group.
    pub group_at: u64,
    /// The region's id.
    pub id: Id,
    /// The group's base.
    pub base: u64,
    /// The group's encoding.
    pub encoding: [u8; 4],
    /// Its offset.
    pub offset: u32,
    /// Its size.
    pub size: u32,
}

/// The content of an index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// The region's start and length.
    pub region: (u64, u64),
    /// The number of groups that the header counts.
    pub groups: u32,
    /// Every valid entry, in the order of the file.
    pub entries: Vec<EntrySeen>,
}

impl Index {
    /// Returns the regions: the entry that counts for each id, unless it is a removal.
    #[must_use]
    pub fn regions(&self) -> BTreeMap<Id, EntrySeen> {
        self.counting().into_iter().filter(|(_, entry)| entry.encoding != GONE).collect()
    }

    /// Returns the removals that count.
    #[must_use]
    pub fn removals(&self) -> BTreeMap<Id, EntrySeen> {
        self.counting().into_iter().filter(|(_, entry)| entry.encoding == GONE).collect()
    }

    /// Returns the entry that counts for each id. In the first group that has the id, this is the
    /// last entry with the id.
    fn counting(&self) -> BTreeMap<Id, EntrySeen> {
        let mut out: BTreeMap<Id, EntrySeen> = BTreeMap::new();
        for entry in &self.entries {
            match out.get(&entry.id) {
                Some(newer) if newer.group < entry.group => {}
                _ => {
                    out.insert(entry.id, *entry);
                }
            }
        }
        out
    }
}

/// Reads the index that a container's index component names.
///
/// # Errors
/// The first fault. An index component of version 0.0 or 0.1 must exist.
pub fn read_index(file: &[u8], container: &Container) -> Result<Index, Fault> {
    let named = |found: &&Found| found.id == INDEX && found.major == 0 && found.minor <= 1;
    let Some(found) = container.components.iter().find(named) else {
        let other = container.components.iter().find(|found| found.id == INDEX);
        return fault("unsupported", "component", other.map_or(28, |found| found.at));
    };
    let index = index_at(file, region(found, file.len() as u64)?)?;
    let has_layout = |found: &Found| found.id == LAYOUT && (found.major, found.minor) == (0, 1);
    let (at, len) = index.region;
    if !container.components.iter().any(has_layout) {
        return Ok(index);
    }
    if 8 + GROUP * u64::from(index.groups) != len {
        return fault("corrupt", "index header", at);
    }
    if at < 65_536 {
        return Ok(index);
    }
    // Updates do not write into an index after the head, so none of its groups may be empty.
    let groups: BTreeSet<u32> = index.entries.iter().map(|entry| entry.group).collect();
    match (0..index.groups).find(|group| !groups.contains(group)) {
        Some(group) => fault("corrupt", "group header", at + 8 + GROUP * u64::from(group)),
        None => Ok(index),
    }
}

/// Reads the index region that starts at `at` and has `len` bytes. It must lie within the file.
///
/// # Errors
/// The first fault.
pub fn index_at(file: &[u8], (at, len): (u64, u64)) -> Result<Index, Fault> {
    let mut out = Index { region: (at, len), ..Index::default() };
    if len == 0 {
        return Ok(out);
    }
    if len < 8 {
        return fault("corrupt", "index header", at);
    }
    if u32_at(file, at) != 0 {
        return fault("unsupported", "index header", at);
    }
    out.groups = u32_at(file, at + 4);
    if 8 + GROUP * u64::from(out.groups) > len {
        return fault("corrupt", "index header", at);
    }
    for group in 0..out.groups {
        let group_at = at + 8 + GROUP * u64::from(group);
        let (base, encoding) = (u64_at(file, group_at), tag_at(file, group_at + 8));
        for i in 0..u64::from(file[group_at as usize + 12]) {
            let at = group_at + 16 + 24 * i;
            let (id, offset, size) =
                (id_at(file, at), u32_at(file, at + 16), u32_at(file, at + 20));
            out.entries.push(EntrySeen { at, group, group_at, id, base, encoding, offset, size });
        }
    }
    Ok(out)
}

/// Returns the start and the length of an entry's stored bytes.
///
/// # Errors
/// If a sum exceeds 2^64 - 1, the bytes exceed the end of the file, or a removal has bytes.
pub fn stored_span(entry: &EntrySeen, len: u64) -> Result<(u64, u64), Fault> {
    if entry.encoding == GONE && entry.size > 0 {
        return fault("corrupt", "entry", entry.at);
    }
    let (offset, size) = (u64::from(entry.offset), u64::from(entry.size));
    span(entry.base, offset, size, len, ("entry", "stored region"), entry.at)
}

/// Returns the content of an entry. It must have at most `cap` bytes.
///
/// # Errors
/// The first fault.
pub fn content(file: &[u8], entry: &EntrySeen, cap: u64) -> Result<Vec<u8>, Fault> {
    let (at, size) = stored_span(entry, file.len() as u64)?;
    let bytes = if size == 0 { &[] } else { &file[at as usize..(at + size) as usize] };
    match entry.encoding {
        NONE if size > cap => fault("limit", "stored region", at),
        NONE => Ok(bytes.to_vec()),
        BROT => match unbrotli(bytes, cap) {
            Ok(content) => Ok(content),
            Err(kind) => fault(kind, "brotli stream", at),
        },
        _ => fault("unsupported", "stored region", at),
    }
}

/// Decodes one brotli stream. The stream must end with the last byte.
///
/// # Errors
/// The kind of the fault.
pub fn unbrotli(stream: &[u8], cap: u64) -> Result<Vec<u8>, &'static str> {
    use brotli::enc::StandardAlloc;
    use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
    let mut state = BrotliState::new_strict(
        StandardAlloc::default(),
        StandardAlloc::default(),
        StandardAlloc::default(),
    );
    let mut out = Vec::new();
    let (mut left, mut used, mut total) = (stream.len(), 0, 0);
    loop {
        let mut block = [0; 4096];
        let (mut room, mut written) = (block.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut used,
            stream,
            &mut room,
            &mut written,
            &mut block,
            &mut total,
            &mut state,
        );
        out.extend(&block[..written]);
        if out.len() as u64 > cap {
            return Err("limit");
        }
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess if left == 0 => return Ok(out),
            // The output buffer is full. The decoder may have more output, although it asks for
            // input.
            BrotliResult::NeedsMoreInput if written == block.len() => {}
            BrotliResult::NeedsMoreInput => return Err("truncated"),
            BrotliResult::ResultSuccess | BrotliResult::ResultFailure => return Err("corrupt"),
        }
    }
}

/// A record of a names segment that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameSeen {
    /// The path.
    pub path: String,
    /// The region's id, hashed from the path if the record has none.
    pub id: Id,
    /// Whether the record has an explicit id.
    pub explicit: bool,
    /// The length of the content, as the record states it.
    pub length: u64,
    /// The attributes of the file.
    pub kept: Kept,
}

/// A names segment that was read.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    /// The link to the earlier segment.
    pub link: Link,
    /// Its records.
    pub names: Vec<NameSeen>,
}

/// Returns whether a path obeys the rules for paths.
#[must_use]
pub fn path_is_good(path: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(path) else { return false };
    (1..=4096).contains(&path.len())
        && !path.contains(&0)
        && unicode_normalization::is_nfc(text)
        && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Reads the segment whose stored bytes start at `start`.
///
/// # Errors
/// The first fault; positions count from the start of the segment.
pub fn segment(bytes: &[u8], start: u64) -> Result<Segment, Fault> {
    let len = bytes.len() as u64;
    if len < 32 {
        return fault("truncated", "names header", 0);
    }
    let version = u32_at(bytes, 0);
    if version > 1 {
        return fault("unsupported", "names header", 0);
    }
    let count = u64::from(u32_at(bytes, 4));
    let attributes = 32 + 32 * count;
    if attributes > len {
        return fault("truncated", "names record", 32);
    }
    let heap = attributes + u64::from(version) * 16 * count;
    if heap > len {
        return fault("truncated", "names attributes", attributes);
    }
    let mut names: Vec<NameSeen> = Vec::new();
    let mut next = 0;
    for i in 0..count {
        let at = 32 + 32 * i;
        let (offset, size) = (u64::from(u32_at(bytes, at + 24)), u64::from(u32_at(bytes, at + 28)));
        if offset != next || !(1..=4096).contains(&size) {
            return fault("corrupt", "names record", at);
        }
        let path_at = heap + offset;
        if path_at + size > len {
            return fault("truncated", "names path", path_at);
        }
        let path = &bytes[path_at as usize..(path_at + size) as usize];
        if !path_is_good(path) {
            return fault("corrupt", "names path", path_at);
        }
        if names.last().is_some_and(|before| before.path.as_bytes() >= path) {
            return fault("corrupt", "names record", at);
        }
        let path = String::from_utf8(path.to_vec()).expect("checked above");
        let stored = id_at(bytes, at);
        let explicit = stored != [0; 16];
        let id = if explicit { stored } else { path_id(&path) };
        let (length, kept) = (u64_at(bytes, at + 16), Kept::default());
        names.push(NameSeen { path, id, explicit, length, kept });
        next += size;
    }
    if version == 1 {
        for (name, i) in names.iter_mut().zip(0..) {
            let at = attributes + 16 * i;
            let (nanoseconds, flags) = (u32_at(bytes, at + 8), u32_at(bytes, at + 12));
            let time = (flags & 1 != 0).then(|| (u64_at(bytes, at) as i64, nanoseconds));
            if time.is_some_and(|(_, nanoseconds)| nanoseconds > 999_999_999) {
                return fault("corrupt", "names attributes", at);
            }
            name.kept = Kept { time, program: (flags & 2 != 0).then_some(flags & 4 != 0) };
        }
    }
    if heap + next != len {
        return fault("corrupt", "names header", 0);
    }
    let link = Link {
        at: u64_at(bytes, 8),
        size: u32_at(bytes, 16),
        encoding: tag_at(bytes, 20),
        decoded: u64_at(bytes, 24),
    };
    if link.at != 0 {
        let end = link.at.checked_add(u64::from(link.size));
        if end.is_none_or(|end| end > start) {
            return fault("corrupt", "names link", 8);
        }
    }
    Ok(Segment { link, names })
}

/// Returns the paths of a package, including those without a region. If several segments have a
/// path, the newest segment counts.
///
/// # Errors
/// The first fault.
pub fn names_list(
    file: &[u8],
    regions: &BTreeMap<Id, EntrySeen>,
    cap: u64,
) -> Result<BTreeMap<String, NameSeen>, Fault> {
    names_list_by(file, regions, cap, &mut |_| Ok(()))
}

/// Does the same as [`names_list`], but passes each earlier segment to `judge` before reading it.
///
/// # Errors
/// The first fault.
pub fn names_list_by(
    file: &[u8],
    regions: &BTreeMap<Id, EntrySeen>,
    cap: u64,
    judge: &mut dyn FnMut(&EntrySeen) -> Result<(), Fault>,
) -> Result<BTreeMap<String, NameSeen>, Fault> {
    let mut out = BTreeMap::new();
    let Some(entry) = regions.get(&NAMES) else { return Ok(out) };
    let mut bytes = content(file, entry, cap)?;
    let (mut start, _) = stored_span(entry, file.len() as u64)?;
    for read in 1.. {
        let Segment { link, names } = segment(&bytes, start)?;
        for name in names {
            out.entry(name.path.clone()).or_insert(name);
        }
        if link.at == 0 {
            break;
        }
        if read == 64 {
            return fault("limit", "names link", 8);
        }
        let earlier = EntrySeen {
            id: NAMES,
            at: 0,
            group: 0,
            group_at: 0,
            base: link.at,
            encoding: link.encoding,
            offset: 0,
            size: link.size,
        };
        stored_span(&earlier, file.len() as u64)?;
        judge(&earlier)?;
        bytes = match content(file, &earlier, link.decoded) {
            Ok(bytes) if bytes.len() as u64 == link.decoded => bytes,
            Ok(_) | Err(Fault { kind: "limit", .. }) => return fault("corrupt", "names link", 8),
            Err(other) => return Err(other),
        };
        start = link.at;
    }
    Ok(out)
}

/// Compares a region's stored bytes with the digests that follow them in the file.
///
/// # Errors
/// The first fault.
pub fn check_seal(
    file: &[u8],
    entry: &EntrySeen,
    seals: &seals::Seals,
    hash: &dyn Fn(&[u8]) -> [u8; 32],
) -> Result<(), Fault> {
    check_seal_after(file, entry, seals, None, hash)
}

/// Does the same as [`check_seal`] for a package that may have a dictionary.
///
/// # Errors
/// The first fault.
pub fn check_seal_after(
    file: &[u8],
    entry: &EntrySeen,
    seals: &seals::Seals,
    dictionary: Option<&[u8]>,
    hash: &dyn Fn(&[u8]) -> [u8; 32],
) -> Result<(), Fault> {
    let start = entry.base + u64::from(entry.offset);
    let end = start + u64::from(entry.size);
    seals.after(file, end)?;
    let stored = &file[start as usize..end as usize];
    if entry.encoding == dictionary::BROD && dictionary.is_none() {
        return fault("unsupported", "stored region", start);
    }
    let digest = seal_after(entry.id, entry.encoding, stored, dictionary, hash);
    match seals.find(file, end, &digest)? {
        None => fault("corrupt", "stored region", start),
        Some(_) => Ok(()),
    }
}

/// Reads the layout component's region, if a container has one.
///
/// # Errors
/// The first fault.
pub fn read_layout(file: &[u8], container: &Container) -> Result<Option<Layout>, Fault> {
    let named = |found: &&Found| found.id == LAYOUT && (found.major, found.minor) == (0, 1);
    let Some(found) = container.components.iter().find(named) else { return Ok(None) };
    let len = file.len() as u64;
    let (at, size) = region(found, len)?;
    if size < 80 {
        return fault("corrupt", "layout", at);
    }
    if u32_at(file, at) != 0 {
        return fault("unsupported", "layout", at);
    }
    let seen = Layout {
        file_id: file[at as usize + 8..at as usize + 24].try_into().expect("sixteen bytes"),
        slice: u64_at(file, at + 24),
        end: u64_at(file, at + 32),
        deltas: u32_at(file, at + 40),
        keys_at: u32_at(file, at + 60),
        keys_len: u32_at(file, at + 64),
    };
    let slice_is_good = (4096..=1 << 30).contains(&seen.slice) && seen.slice.is_power_of_two();
    if u32_at(file, at + 4) != 65_536
        || !slice_is_good
        || !seen.end.is_multiple_of(seen.slice)
        || seen.end > len
    {
        return fault("corrupt", "layout", at);
    }
    Ok(Some(seen))
}

/// The package format.
pub const PACKAGE_FORMAT: formats::Format = formats::Format {
    needed: formats::Needed { id: PACKAGE, major: 0, minor: 1, minors: &[0] },
    requires: &[formats::Needed { id: INDEX, major: 0, minor: 1, minors: &[0] }],
};

/// Reads a container that must be a package.
///
/// # Errors
/// The first fault, in the specification's order of checks.
pub fn read_package(file: &[u8]) -> Result<Container, Fault> {
    formats::read_format(file, &PACKAGE_FORMAT)
}

/// Returns the id of the region to which a path leads, if the package has this region. It reads the
/// names list only if the rule for packages requires it.
///
/// # Errors
/// The first fault of the names list, if the rule requires the names list.
pub fn look_up_lazily(
    file: &[u8],
    container: &Container,
    regions: &BTreeMap<Id, EntrySeen>,
    path: &str,
    cap: u64,
) -> Result<Option<Id>, Fault> {
    let hashed = Some(path_id(path)).filter(|id| regions.contains_key(id));
    let named = |found: &&Found| found.id == NAMES && (found.major, found.minor) == (0, 1);
    let flags = container.components.iter().find(named).map(|found| found.data[0] & 1);
    if flags == Some(0) || flags.is_none() && hashed.is_some() {
        return Ok(hashed);
    }
    let names = names_list(file, regions, cap)?;
    let given = names.get(path).map(|name| Some(name.id).filter(|id| regions.contains_key(id)));
    Ok(given.unwrap_or(hashed))
}

/// Returns the entry of the region to which a path leads, by the rule for packages.
#[must_use]
pub fn look_up<'r>(
    container: &Container,
    regions: &'r BTreeMap<Id, EntrySeen>,
    names: &BTreeMap<String, NameSeen>,
    path: &str,
) -> Option<&'r EntrySeen> {
    let hashed = regions.get(&path_id(path));
    let named = names.get(path).map(|name| regions.get(&name.id));
    let component = container
        .components
        .iter()
        .find(|found| found.id == NAMES && found.major == 0 && found.minor == 1);
    match component {
        Some(component) if component.data[0] & 1 == 0 => hashed,
        Some(_) => named.unwrap_or(hashed),
        None => hashed.or(named.flatten()),
    }
}
