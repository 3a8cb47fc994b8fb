//! Fixtures of packages. Each dump has the format, the index, the layout if any, the names, and the
//! content of every region.

use super::{Case, bad, good};
use crate::reference::{
    BROT, Component, Entry, GONE, GROUP, Group, INDEX, Id, LAYOUT, LOOKUP, Layout, Link, NAMES,
    NONE, Name, PACKAGE, SEAL, Stored, Table, brotli_stored, cdn_package, cdn_package_hot,
    cdn_package_with, compact_package, component, head, id, index, layout, lookup, names, names_of,
    path_id, place, seal, seal_component, small, stored, swap, table,
};

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn compact(files: &[Stored]) -> Vec<u8> {
    compact_package(files, &names_of(files), NONE)
}

fn cdn(files: &[Stored]) -> Vec<u8> {
    cdn_package(files, &names_of(files), NONE, 4096, &blake3)
}

fn hot(files: &[Stored], hot: &[&str]) -> Vec<u8> {
    cdn_package_hot(files, &names_of(files), NONE, 4096, &blake3, true, hot)
}

/// Returns the only file of some packages with hot regions. The stored bytes of the hot region
/// start at 4,130.
fn hello() -> Stored {
    stored("a.txt", b"hello\n")
}

fn brotli_file(path: &str, content: &[u8]) -> Stored {
    Stored { bytes: brotli_stored(content), ..stored(path, content) }
}

/// Returns a package with this preamble and an empty index.
fn of_format(format: Id, major: u16, minor: u16) -> Vec<u8> {
    let mut out = head(format, major, minor);
    out.extend(table(&Table { components: vec![component(INDEX, 0, 0)], ..Table::default() }));
    out
}

/// Returns a package with one table, which has the index and `others`.
fn loose(others: &[Component], groups: &[Group], data: &[u8]) -> Vec<u8> {
    let index_at = 52 + 28 * (1 + others.len()) as u32;
    let region = index(groups);
    let mut components = vec![component(INDEX, index_at, region.len() as u32)];
    components.extend(others);
    let mut out = head(PACKAGE, 0, 1);
    out.extend(table(&Table { components, ..Table::default() }));
    out.extend(region);
    out.extend(data);
    out
}

const NAMES_FLAGS: Component = component(NAMES, 0, 0);
/// The start of the data in a `loose` package that has one group and the names component.
const DATA: u64 = 108 + 8 + GROUP;

fn named(path: &str) -> Name {
    Name { id: [0; 16], length: 1, path: path.as_bytes().to_vec() }
}

/// Returns a package whose names list is a chain of segments. `segments` has their stored bytes,
/// the oldest segment first. The last segment is the names region.
fn chained(segments: &[Vec<u8>], encoding: [u8; 4]) -> Vec<u8> {
    let data = segments.concat();
    let size = segments.last().map_or(0, Vec::len) as u32;
    let newest = Entry { id: NAMES, offset: data.len() as u32 - size, size };
    let entries = vec![newest];
    loose(&[NAMES_FLAGS], &[Group { base: DATA, encoding, entries, ..Group::default() }], &data)
}

/// Returns a chain of `count` segments with one name each. Each segment links to the one before it.
fn long_chain(count: u32) -> Vec<u8> {
    let mut segments: Vec<Vec<u8>> = Vec::new();
    let mut link = Link::default();
    let mut at = DATA;
    for i in 0..count {
        let segment = names(link, &[named(&format!("{i:02}"))]);
        let size = segment.len() as u32;
        link = Link { at, size, encoding: NONE, decoded: u64::from(size) };
        at += u64::from(size);
        segments.push(segment);
    }
    chained(&segments, NONE)
}

/// Returns a chain of two segments. `link` returns the link of the newer segment, from the start
/// and the size of the older one.
fn two(link: fn(at: u64, size: u32) -> Link) -> Vec<u8> {
    let older = names(Link::default(), &[named("a")]);
    let newer = names(link(DATA, older.len() as u32), &[named("b")]);
    chained(&[older, newer], NONE)
}

fn link(at: u64, size: u32) -> Link {
    Link { at, size, encoding: NONE, decoded: u64::from(size) }
}

/// Returns a package with one region and this layout, which `change` can alter. The file ends at
/// 8,192.
fn promising(promise: &Layout, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut region = layout(promise);
    change(&mut region);
    let at = 108 + 8 + GROUP as u32;
    let named = component(LAYOUT, at, region.len() as u32);
    let only = Entry { id: small(1), offset: region.len() as u32, size: 5 };
    let groups = [Group { base: u64::from(at), entries: vec![only], ..Group::default() }];
    let mut out = loose(&[named], &groups, &[&region[..], b"hello"].concat());
    out.resize(8192, 0);
    out
}

/// Returns a package of two regions. Its index starts at `at`, and has one group for each region.
/// `beside` is a second component in the table.
fn index_behind(at: usize, beside: Component, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let only = |n| vec![Entry { id: small(n), offset: 188, size: 5 }];
    let groups = [1, 2].map(|n| Group { entries: only(n), ..Group::default() });
    let mut region = index(&groups);
    change(&mut region);
    let components = vec![beside, component(INDEX, at as u32, region.len() as u32)];
    let mut out = head(PACKAGE, 0, 1);
    out.extend(table(&Table { components, ..Table::default() }));
    out.extend(layout(&PROMISE));
    out.extend(b"hello");
    out.resize(at, 0);
    out.extend(region);
    out.resize(out.len().next_multiple_of(4096), 0);
    out
}

/// Returns a package with a layout and an index that starts at 65,536, as a fold would leave it.
fn folded(change: fn(&mut Vec<u8>)) -> Vec<u8> {
    index_behind(65_536, component(LAYOUT, 108, 80), change)
}

/// Returns a package of two files in the cdn layout, after `change` has altered it.
fn in_head(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let files = [hello(), stored("b", b"another one")];
    let mut out = cdn_package_with(&files, &names_of(&files), NONE, 4096, &blake3, false);
    change(&mut out);
    out
}

/// Returns a package of two files after an update that removed `b`. The removal is an entry of
/// delta group 8, the last one. In a package with seals, the seal of the removal is at 0x11000.
fn removing(seals: bool, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let files = [hello(), stored("b", b"not any more")];
    let mut out = cdn_package_with(&files, &names_of(&files), NONE, 4096, &blake3, seals);
    let mut behind =
        if seals { seal(path_id("b"), GONE, b"", &blake3).to_vec() } else { Vec::new() };
    change(&mut behind);
    let group = 4168 + 8 + 8 * GROUP as usize;
    let base = out.len() as u64;
    place(&mut out, group, &base.to_le_bytes());
    place(&mut out, group + 8, b"gone\x01");
    place(&mut out, group + 16, &swap(path_id("b")));
    if seals {
        out.extend(behind);
        out.resize(out.len().next_multiple_of(4096), 0);
    }
    out
}

/// The start of the index in a `loose` package with one other component.
const INDEX_AT: u64 = 108;
const REMOVAL_ALTERED: &str = "error corrupt stored region at 0x11000";
const INDEX_BEHIND: &str = "error corrupt index header at 0x10000";
const INDEX_IN_HEAD: &str = "error corrupt index header at 0x1048";
const ALTERED: &str = "error corrupt stored region at 0x18ac";
const SEAL_UNKNOWN: &str = "error unsupported seal component at 0x186c";

/// Returns a package with one sealed region, `hello`. Its data start with the 64 bytes of the seal
/// component. The arguments can alter the component, and the bytes after it.
fn sealed(component_change: fn(&mut Vec<u8>), data_change: fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut region = seal_component(&blake3);
    component_change(&mut region);
    let named = component(SEAL, DATA as u32, region.len() as u32);
    region.resize(region.len().max(64), 0);
    let only = Entry { id: small(1), offset: region.len() as u32, size: 5 };
    let groups = [Group { base: DATA, entries: vec![only], ..Group::default() }];
    let mut data = [&b"hello"[..], &seal(small(1), NONE, b"hello", &blake3)].concat();
    data_change(&mut data);
    loose(&[named], &groups, &[region, data].concat())
}

/// Changes a seal component, and then computes its digest again.
fn again(component: &mut Vec<u8>, change: fn(&mut Vec<u8>)) {
    component.truncate(32);
    change(component);
    let digest = blake3(&[b"dacti-seal component v0", &component[..]].concat());
    component.extend(digest);
}

/// Returns a package of one region. `keys` is its lookup region, which follows the index.
fn with_keys(keys: &[u8]) -> Vec<u8> {
    let named = component(LOOKUP, DATA as u32, keys.len() as u32);
    let only = Entry { id: small(1), offset: keys.len() as u32, size: 5 };
    let groups = [Group { base: DATA, entries: vec![only], ..Group::default() }];
    loose(&[named], &groups, &[keys, b"hello"].concat())
}

/// The position of the seal component in a package with sealed segments. The older segment follows
/// the component.
const SEGMENTS_AT: u64 = 136 + 8 + GROUP;

/// Returns a package whose names list has two sealed segments with one name each. `change` can
/// alter the older segment and its seal.
fn sealed_segments(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let behind = |bytes: &[u8]| [bytes, &seal(NAMES, NONE, bytes, &blake3)].concat();
    let older = names(Link::default(), &[named("a")]);
    let (at, size) = (SEGMENTS_AT + 64, older.len() as u32);
    let newer = names(link(at, size), &[named("b")]);
    let newer_size = newer.len() as u32;
    let mut stored = behind(&older);
    change(&mut stored);
    let offset = 64 + size + 32;
    let mut data = [seal_component(&blake3), stored, behind(&newer)].concat();
    let mut entries = vec![Entry { id: NAMES, offset, size: newer_size }];
    for path in ["a", "b"] {
        let (id, offset) = (path_id(path), data.len() as u32);
        entries.push(Entry { id, offset, size: 1 });
        data.extend([path.as_bytes(), &seal(id, NONE, path.as_bytes(), &blake3)].concat());
    }
    let group = Group { base: SEGMENTS_AT, entries, ..Group::default() };
    loose(&[NAMES_FLAGS, component(SEAL, SEGMENTS_AT as u32, 64)], &[group], &data)
}

const PROMISE: Layout = Layout {
    file_id: *b"\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
    slice: 4096,
    end: 8192,
    deltas: 0,
    keys_at: 0,
    keys_len: 0,
};

const LAYOUT_WRONG: &str = "error corrupt layout at 0x186c";
/// The fault of the older one of two sealed segments.
const SEGMENT_ALTERED: &str = "error corrupt stored region at 0x18c8";
const HOT_ALTERED: &str = "error corrupt stored region at 0x1022";
const OTHER_FORMAT: &str = "error unsupported format header at 0x8";
const OTHER_VERSION: &str = "error unsupported format header at 0x18";
const NO_INDEX: &str = "error unsupported component at 0x1c";

pub(super) const CASES: &[Case] = &[
    // Cases of the format.
    good("package_published_80_bytes", "R-PKG-01", || {
        let empty = Component { minor: 0, ..component(INDEX, 0, 0) };
        let mut out = head(PACKAGE, 0, 0);
        out.extend(table(&Table { components: vec![empty], ..Table::default() }));
        out
    }),
    bad("package_of_another_format", OTHER_FORMAT, "R-PKG-01, R-FMT-03", || {
        of_format(id("37cb72a4-caab-440c-8b7c-869019ed348e"), 0, 1)
    }),
    bad("package_of_another_format_with_a_bad_table", OTHER_FORMAT, "R-FMT-03, R-TBL-09", || {
        // The extension offset leads into the preamble, which the container's rules forbid.
        let mut out = of_format(small(1), 0, 1);
        out[36] = 5;
        out
    }),
    bad("package_version_0_2_with_a_cut_table", OTHER_VERSION, "R-VER-03, R-TBL-09", || {
        let mut out = of_format(PACKAGE, 0, 2);
        out.truncate(40);
        out
    }),
    bad("package_version_0_2", OTHER_VERSION, "R-PKG-01, R-VER-02, R-VER-03", || {
        of_format(PACKAGE, 0, 2)
    }),
    bad("package_version_1_0", OTHER_VERSION, "R-PKG-01, R-VER-03", || of_format(PACKAGE, 1, 0)),
    bad("package_version_1_1", OTHER_VERSION, "R-PKG-01", || of_format(PACKAGE, 1, 1)),
    bad("package_format_uuid_in_text_order", OTHER_FORMAT, "R-PKG-01, R-FMT-02", || {
        let mut out = of_format(PACKAGE, 0, 1);
        out[8..24].copy_from_slice(&PACKAGE);
        out
    }),
    bad("package_without_index", NO_INDEX, "R-PKG-02", || {
        let mut out = head(PACKAGE, 0, 1);
        out.extend(table(&Table { components: vec![NAMES_FLAGS], ..Table::default() }));
        out
    }),
    bad("package_of_no_components", NO_INDEX, "R-PKG-02", || {
        let mut out = head(PACKAGE, 0, 1);
        out.extend(table(&Table::default()));
        out
    }),
    bad(
        "package_with_index_of_version_0_2",
        "error unsupported component at 0x34",
        "R-PKG-02",
        || {
            let mut out = head(PACKAGE, 0, 1);
            let newer = Component { minor: 2, ..component(INDEX, 0, 0) };
            out.extend(table(&Table { components: vec![newer], ..Table::default() }));
            out
        },
    ),
    good("package_with_index_of_two_majors", "R-PKG-02, R-DUP-02", || {
        let other = Component { major: 1, minor: 0, ..component(INDEX, u32::MAX, u32::MAX) };
        let mut out = head(PACKAGE, 0, 1);
        let components = vec![other, component(INDEX, 0, 0)];
        out.extend(table(&Table { components, ..Table::default() }));
        out
    }),
    // Cases of the two layouts.
    good("package_compact_empty", "R-LAY-10", || compact(&[])),
    good("package_compact", "R-LAY-10, R-LAY-11, R-ENT-04", || {
        compact(&[
            stored("b/\u{fc}.txt", b"same"),
            stored("a.txt", b"same"),
            stored("empty", b""),
            stored("docs/index.html", b"<p>other</p>"),
        ])
    }),
    good("package_compact_brotli", "R-PKG-07, R-ENC-03", || {
        let files = [brotli_file("one", b"1"), brotli_file("two", b"22"), brotli_file("nil", b"")];
        compact_package(&files, &brotli_stored(&names_of(&files)), BROT)
    }),
    good("package_cdn_empty", "R-LAY-01, R-LAY-03, R-LAY-05", || cdn(&[])),
    good("package_cdn", "R-LAY-01, R-LAY-02, R-LAY-03, R-LAY-06, R-LAY-09", || {
        cdn(&[stored("a.txt", b"hello\n"), stored("b", b"")])
    }),
    good("package_cdn_without_seals", "R-LAY-01, R-SEAL-11", || {
        let files = [stored("a.txt", b"hello\n"), stored("b", b"")];
        cdn_package_with(&files, &names_of(&files), NONE, 4096, &blake3, false)
    }),
    good("package_hot", "R-LAY-12, R-LAY-13, R-LAY-09", || {
        let files = [
            stored("theme/site.css", b"* {}"),
            stored("index.html", b"<p>first of all</p>"),
            stored("cold", b"and this later"),
            Stored { id: Some(small(9)), ..stored("none", b"") },
        ];
        hot(&files, &["index.html", "theme/site.css", "none"])
    }),
    good("package_hot_alone_but_for_the_names", "R-LAY-12", || hot(&[hello()], &["a.txt"])),
    good("package_hot_and_one_delta_group_left", "R-LAY-13", || {
        hot(&[stored("long", &[7; 49_552])], &["long"])
    }),
    good("package_hot_and_the_index_behind_the_head", "R-LAY-13, R-LAY-01", || {
        hot(&[stored("long", &[7; 54_952])], &["long"])
    }),
    good("package_hot_and_updated", "R-LAY-12, R-ORD-01", || {
        // Appends newer bytes for `a.txt` to the file. Their entry follows the older entry in the
        // same group.
        let mut out = hot(&[hello()], &["a.txt"]);
        let (group, at) = (4168 + 8 + 8 * GROUP as usize, out.len() as u32);
        let newer = [&b"newer"[..], &seal(path_id("a.txt"), NONE, b"newer", &blake3)].concat();
        out.extend(newer);
        out.resize(out.len().next_multiple_of(4096), 0);
        let entry = [&swap(path_id("a.txt"))[..], &at.to_le_bytes(), &5_u32.to_le_bytes()].concat();
        place(&mut out, group + 16 + 24, &entry);
        out[group + 12] = 2;
        out
    }),
    bad("package_hot_byte_altered", HOT_ALTERED, "R-SEAL-13", || {
        let mut out = hot(&[hello()], &["a.txt"]);
        out[4130] ^= 1;
        out
    }),
    bad("package_hot_digest_altered", HOT_ALTERED, "R-SEAL-13", || {
        let mut out = hot(&[hello()], &["a.txt"]);
        out[4130 + 6 + 31] ^= 1;
        out
    }),
    bad(
        "package_hot_found_one_byte_off",
        "error corrupt stored region at 0x1023",
        "R-SEAL-13",
        || {
            let mut out = hot(&[hello()], &["a.txt"]);
            out[4168 + 8 + 8 * GROUP as usize + 16 + 16] += 1;
            out
        },
    ),
    good("package_sealed_reserve_and_more_behind", "R-SEAL-03, R-SEAL-04", || {
        sealed(|component| component.extend([0xff; 9]), |_| ())
    }),
    bad("package_sealed_byte_altered", ALTERED, "R-SEAL-13", || {
        sealed(|_| (), |data| data[4] ^= 1)
    }),
    bad("package_sealed_digest_altered", ALTERED, "R-SEAL-13", || {
        sealed(|_| (), |data| data[5 + 31] ^= 0x80)
    }),
    bad("package_sealed_digest_of_zeros", ALTERED, "R-SEAL-13", || {
        sealed(|_| (), |data| data[5..].fill(0))
    }),
    bad("package_sealed_as_another_id", ALTERED, "R-SEAL-05, R-SEAL-13", || {
        sealed(|_| (), |data| data[5..].copy_from_slice(&seal(small(2), NONE, b"hello", &blake3)))
    }),
    bad("package_sealed_as_another_encoding", ALTERED, "R-SEAL-05, R-SEAL-13", || {
        sealed(|_| (), |data| data[5..].copy_from_slice(&seal(small(1), BROT, b"hello", &blake3)))
    }),
    bad("package_seal_past_the_file", "error truncated seal at 0x18b1", "R-SEAL-10", || {
        sealed(|_| (), |data| data.truncate(5 + 31))
    }),
    bad(
        "package_seal_component_altered",
        "error corrupt seal component at 0x186c",
        "R-SEAL-04",
        || sealed(|component| component[9] = 1, |_| ()),
    ),
    bad("package_seal_component_version_1", SEAL_UNKNOWN, "R-SEAL-03", || {
        sealed(|component| component[0] = 1, |_| ())
    }),
    bad("package_seal_component_kind_5", SEAL_UNKNOWN, "R-SEAL-03", || {
        sealed(|component| again(component, |component| component[4] = 5), |_| ())
    }),
    bad(
        "package_seal_component_of_65_keys",
        "error limit seal component at 0x186c",
        "R-SEAL-03",
        || sealed(|component| component[24] = 65, |_| ()),
    ),
    bad(
        "package_seal_component_cut",
        "error truncated seal component at 0x186c",
        "R-SEAL-03",
        || sealed(|component| component.truncate(63), |_| ()),
    ),
    bad(
        "package_seal_component_outside",
        "error truncated component region at 0x1892",
        "R-REG-02, R-SEAL-19",
        || {
            let mut out = sealed(|_| (), |_| ());
            // Changes the offset of the second component, so that its region starts 63 bytes before
            // the end of the file. The offset field is 20 bytes after the start of the component's
            // entry.
            let at = out.len() as u32 - 63;
            out[100..104].copy_from_slice(&at.to_le_bytes());
            out
        },
    ),
    good("package_lookup_of_another_index", "R-LKP-08", || {
        with_keys(&lookup(INDEX_AT + 8, 0, &[small(1)], 1))
    }),
    good("package_lookup_of_other_ids", "R-LKP-15, R-LKP-21", || {
        with_keys(&lookup(INDEX_AT, 0, &[[0xff; 16]], 1))
    }),
    good("package_lookup_of_fewer_groups", "R-LKP-06", || with_keys(&lookup(INDEX_AT, 0, &[], 1))),
    good("package_lookup_right", "R-LKP-01, R-LKP-03", || {
        with_keys(&lookup(INDEX_AT, 0, &[small(1)], 1))
    }),
    good("package_of_neither_layout", "R-PKG-03, R-EXT-03, R-EXT-08", || {
        let mut out = head(PACKAGE, 0, 0);
        let components = vec![component(small(77), 0, 4)];
        out.extend(table(&Table { extension: 0x107, components, ..Table::default() }));
        let components = vec![component(INDEX, 0x100, 8 + GROUP as u32)];
        place(&mut out, 0x107, &table(&Table { base: 0x101, components, ..Table::default() }));
        let entries = vec![
            Entry { id: path_id("z"), offset: 0x51, size: 3 },
            Entry { id: path_id("a"), offset: 0x50, size: 2 },
        ];
        let only = Group { base: 2, entries, ..Group::default() };
        place(&mut out, 0x201, &index(&[only]));
        out
    }),
    good("package_of_mixed_encodings", "R-PKG-08, R-ENC-01", || {
        let stream = brotli_stored(b"brotli");
        let data = [&b"plain"[..], &stream, b"????"].concat();
        let base = 80 + 8 + 3 * GROUP;
        let of = |encoding, id, offset, size| Group {
            base,
            encoding,
            entries: vec![Entry { id: small(id), offset, size }],
            ..Group::default()
        };
        let stream_len = stream.len() as u32;
        let groups =
            [of(NONE, 1, 0, 5), of(BROT, 2, 5, stream_len), of(*b"lzma", 3, 5 + stream_len, 4)];
        loose(&[], &groups, &data)
    }),
    // Cases of names.
    good("package_with_explicit_id", "R-NAME-01, R-NAME-07, R-PKG-05", || {
        let chosen = Stored { id: Some(small(9)), ..stored("chosen", b"by hand") };
        compact(&[chosen, stored("hashed", b"by path")])
    }),
    good("package_names_without_entries_and_entries_without_names", "R-NAME-14", || {
        let list = names(Link::default(), &[named("gone"), named("here")]);
        let size = list.len() as u32;
        let entries = vec![
            Entry { id: NAMES, offset: 0, size },
            Entry { id: path_id("here"), offset: size, size: 1 },
            Entry { id: small(3), offset: size + 1, size: 1 },
        ];
        let group = Group { base: DATA, entries, ..Group::default() };
        loose(&[NAMES_FLAGS], &[group], &[&list[..], b"12"].concat())
    }),
    good("package_with_wrong_hints", "R-NAME-08", || {
        let off = |path, decoded| Stored { decoded, ..stored(path, b"four") };
        compact(&[off("less", 0), off("more", 5), off("most", u64::MAX - 1)])
    }),
    good("package_names_of_two_segments", "R-NAME-13, R-NAME-11", || {
        let older = [Name { id: small(1), ..named("a") }, Name { id: small(2), ..named("b") }];
        let older = brotli_stored(&names(Link::default(), &older));
        let decoded = older.len() as u64 - 4;
        let back = Link { at: DATA, size: older.len() as u32, encoding: BROT, decoded };
        let newer = [Name { id: small(3), ..named("b") }, Name { id: small(1), ..named("c") }];
        let newer = names(back, &newer);
        let behind = (older.len() + newer.len()) as u32;
        let mut entries =
            vec![Entry { id: NAMES, offset: older.len() as u32, size: newer.len() as u32 }];
        entries.extend((1..=3).map(|i| Entry { id: small(i), offset: behind + i - 1, size: 1 }));
        let group = Group { base: DATA, entries, ..Group::default() };
        let flags = component(NAMES, 1, 0);
        loose(&[flags], &[group], &[&older[..], &newer, b"123"].concat())
    }),
    good("package_names_of_64_segments", "R-NAME-12", || long_chain(64)),
    bad("package_names_of_65_segments", "error limit names link at 0x8", "R-NAME-12", || {
        long_chain(65)
    }),
    bad("package_link_past_its_start", "error corrupt names link at 0x8", "R-NAME-10", || {
        two(|at, size| link(at, size + 1))
    }),
    bad("package_link_to_itself", "error corrupt names link at 0x8", "R-NAME-10", || {
        two(|at, size| link(at + u64::from(size), size))
    }),
    bad(
        "package_link_of_unknown_encoding",
        "error unsupported stored region at 0x186c",
        "R-NAME-10",
        || two(|at, size| Link { encoding: *b"zstd", ..link(at, size) }),
    ),
    bad("package_link_says_less", "error corrupt names link at 0x8", "R-NAME-11", || {
        two(|at, size| Link { decoded: u64::from(size) - 1, ..link(at, size) })
    }),
    bad("package_link_says_more", "error corrupt names link at 0x8", "R-NAME-11", || {
        two(|at, size| Link { decoded: u64::from(size) + 1, ..link(at, size) })
    }),
    bad("package_link_says_maximal", "error corrupt names link at 0x8", "R-NAME-11", || {
        two(|at, size| Link { decoded: u64::MAX, ..link(at, size) })
    }),
    bad(
        "package_names_bad_in_the_older_segment",
        "error corrupt names path at 0x40",
        "R-NAME-06",
        || {
            let older = names(Link::default(), &[named("..")]);
            let newer = names(link(DATA, older.len() as u32), &[named("b")]);
            chained(&[older, newer], NONE)
        },
    ),
    bad("package_names_not_decodable", "error corrupt brotli stream at 0x186c", "R-ENC-03", || {
        chained(&[names(Link::default(), &[named("\u{7f}")])], BROT)
    }),
    // Cases of names lists whose earlier segments have seals of their own.
    good("package_names_of_two_sealed_segments", "R-NAME-16, R-NAME-13", || {
        sealed_segments(|_| ())
    }),
    bad("package_earlier_segment_altered", SEGMENT_ALTERED, "R-NAME-16, R-SEAL-13", || {
        // The path `a` of the older segment becomes `c`, which the segment's digest does not cover.
        sealed_segments(|stored| stored[64] = b'c')
    }),
    bad("package_earlier_segment_with_an_altered_digest", SEGMENT_ALTERED, "R-NAME-16", || {
        sealed_segments(|stored| stored[65] ^= 1)
    }),
    bad("package_earlier_segment_sealed_as_another_region", SEGMENT_ALTERED, "R-NAME-16", || {
        sealed_segments(|stored| {
            let other = seal(path_id("a"), NONE, &stored[..65], &blake3);
            stored[65..].copy_from_slice(&other);
        })
    }),
    // Cases of the layout component.
    good("package_layout_of_other_places", "R-LAY-08", || promising(&PROMISE, |_| ())),
    good("package_layout_longer_and_reserved_not_zero", "R-LAY-08", || {
        promising(&PROMISE, |region| {
            region[68..].fill(0xff);
            region.extend([0xee; 8]);
        })
    }),
    bad("package_layout_of_79_bytes", LAYOUT_WRONG, "R-LAY-08", || {
        promising(&PROMISE, |region| region.truncate(79))
    }),
    bad("package_layout_version_1", "error unsupported layout at 0x186c", "R-LAY-08", || {
        promising(&PROMISE, |region| region[0] = 1)
    }),
    bad("package_layout_head_length_wrong", LAYOUT_WRONG, "R-LAY-08", || {
        promising(&PROMISE, |region| region[4] = 1)
    }),
    bad("package_layout_slice_0", LAYOUT_WRONG, "R-LAY-08", || {
        promising(&Layout { slice: 0, ..PROMISE }, |_| ())
    }),
    bad("package_layout_slice_2048", LAYOUT_WRONG, "R-LAY-08", || {
        promising(&Layout { slice: 2048, ..PROMISE }, |_| ())
    }),
    bad("package_layout_slice_4097", LAYOUT_WRONG, "R-LAY-08", || {
        promising(&Layout { slice: 4097, end: 4097, ..PROMISE }, |_| ())
    }),
    bad("package_layout_slice_2_gib", LAYOUT_WRONG, "R-LAY-08", || {
        promising(&Layout { slice: 1 << 31, end: 0, ..PROMISE }, |_| ())
    }),
    bad("package_layout_end_not_aligned", LAYOUT_WRONG, "R-LAY-08", || {
        promising(&Layout { end: 8191, ..PROMISE }, |_| ())
    }),
    bad("package_layout_end_past_the_file", LAYOUT_WRONG, "R-LAY-08", || {
        promising(&Layout { end: 12_288, ..PROMISE }, |_| ())
    }),
    // Cases of an index after the head.
    good("package_index_behind_the_head", "R-LAY-22", || folded(|_| ())),
    bad("package_index_behind_the_head_of_zeros", INDEX_BEHIND, "R-LAY-22", || {
        folded(|index| index.fill(0))
    }),
    bad("package_index_behind_the_head_with_a_reserve", INDEX_BEHIND, "R-LAY-22", || {
        folded(|index| index.extend([0; GROUP as usize]))
    }),
    bad("package_index_behind_the_head_with_a_byte_more", INDEX_BEHIND, "R-LAY-22", || {
        folded(|index| index.push(0))
    }),
    bad("package_index_behind_the_head_counts_too_few", INDEX_BEHIND, "R-LAY-22", || {
        folded(|index| index[4] = 1)
    }),
    bad(
        "package_index_behind_the_head_with_an_empty_group",
        "error corrupt group header at 0x11800",
        "R-LAY-22",
        || folded(|index| index[8 + GROUP as usize..].fill(0)),
    ),
    bad(
        "package_index_behind_the_head_of_version_1",
        "error unsupported index header at 0x10000",
        "R-IDX-04, R-LAY-22",
        || folded(|index| index[0] = 1),
    ),
    good("package_of_a_removed_region", "R-GONE-01, R-GONE-03", || removing(true, |_| ())),
    good("package_of_a_removed_region_without_seals", "R-GONE-03", || removing(false, |_| ())),
    bad("package_of_a_removal_with_another_seal", REMOVAL_ALTERED, "R-GONE-04", || {
        // This seal would be right for an empty region with the same id and the encoding `none`.
        removing(true, |behind| behind.copy_from_slice(&seal(path_id("b"), NONE, b"", &blake3)))
    }),
    bad("package_of_a_removal_with_the_seal_of_another_id", REMOVAL_ALTERED, "R-GONE-04", || {
        removing(true, |behind| behind.copy_from_slice(&seal(path_id("c"), GONE, b"", &blake3)))
    }),
    bad(
        "package_of_a_removal_whose_seal_is_cut",
        "error truncated seal at 0x11000",
        "R-GONE-04",
        || {
            let mut out = removing(true, |_| ());
            out.truncate(0x11000 + 31);
            out
        },
    ),
    bad(
        "package_index_at_the_end_of_the_head_with_a_reserve",
        "error corrupt index header at 0xfff8",
        "R-LAY-22",
        || index_behind(65_528, component(LAYOUT, 108, 80), |index| index.extend([0; 100])),
    ),
    bad("package_index_in_the_head_counts_too_few", INDEX_IN_HEAD, "R-LAY-22", || {
        // The count of nine leaves out the tenth group, which is the only filled one.
        in_head(|out| place(out, 4168 + 4, &9_u32.to_le_bytes()))
    }),
    bad("package_index_in_the_head_counts_none", INDEX_IN_HEAD, "R-LAY-22", || {
        in_head(|out| place(out, 4168 + 4, &0_u32.to_le_bytes()))
    }),
    bad("package_index_in_the_head_without_bytes", INDEX_IN_HEAD, "R-LAY-22", || {
        // Sets the size of the index region to 0, in the first component of T2.
        in_head(|out| place(out, 552, &0_u32.to_le_bytes()))
    }),
    good("package_index_behind_the_head_without_a_layout", "R-LAY-22", || {
        index_behind(65_536, component(small(7), 108, 80), |index| {
            index[8 + GROUP as usize..].fill(0);
            index.extend([0; 100]);
        })
    }),
    bad(
        "package_layout_region_outside",
        "error truncated component region at 0x2000",
        "R-REG-02",
        || {
            let mut out = promising(&PROMISE, |_| ());
            // Changes the offset of the second component. It lies 20 bytes after the start of the
            // component's entry.
            out[100..104].copy_from_slice(&8192_u32.to_le_bytes());
            out
        },
    ),
    // The same faults as in cases above, with other values or at other positions.
    bad("package_version_maximal", OTHER_VERSION, "R-PKG-01", || {
        of_format(PACKAGE, u16::MAX, u16::MAX)
    }),
    bad("package_version_0_256", OTHER_VERSION, "R-PKG-01, R-FMT-01", || {
        of_format(PACKAGE, 0, 256)
    }),
    bad(
        "package_with_index_of_version_1_0",
        "error unsupported component at 0x34",
        "R-PKG-02",
        || {
            let mut out = head(PACKAGE, 0, 1);
            let newer = Component { major: 1, minor: 0, ..component(INDEX, 0, 0) };
            out.extend(table(&Table { components: vec![newer], ..Table::default() }));
            out
        },
    ),
    bad("package_layout_of_no_bytes", "error corrupt layout at 0x186c", "R-LAY-08", || {
        promising(&PROMISE, Vec::clear)
    }),
    bad("package_layout_version_maximal", "error unsupported layout at 0x186c", "R-LAY-08", || {
        promising(&PROMISE, |region| region[..4].fill(0xff))
    }),
    bad("package_layout_head_length_0", LAYOUT_WRONG, "R-LAY-08", || {
        promising(&PROMISE, |region| region[4..8].fill(0))
    }),
    bad("package_layout_slice_3_mib", LAYOUT_WRONG, "R-LAY-08", || {
        promising(&Layout { slice: 3 << 20, end: 0, ..PROMISE }, |_| ())
    }),
    bad("package_layout_slice_maximal", LAYOUT_WRONG, "R-LAY-08", || {
        promising(&Layout { slice: u64::MAX, end: 0, ..PROMISE }, |_| ())
    }),
    bad("package_layout_end_maximal", LAYOUT_WRONG, "R-LAY-08", || {
        promising(&Layout { end: u64::MAX, ..PROMISE }, |_| ())
    }),
    bad("package_layout_end_of_a_larger_slice", LAYOUT_WRONG, "R-LAY-08", || {
        promising(&Layout { slice: 1 << 14, ..PROMISE }, |_| ())
    }),
    bad("package_link_maximal", "error corrupt names link at 0x8", "R-NAME-10", || {
        two(|_, size| link(u64::MAX, size))
    }),
    bad("package_link_into_the_middle", "error corrupt names header at 0x0", "R-NAME-03", || {
        // The link leaves out the first four bytes of the segment.
        two(|at, size| link(at + 4, size - 4))
    }),
];
