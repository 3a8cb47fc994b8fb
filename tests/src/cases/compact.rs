//! Fixtures of compaction (`compact`), and of signing an existing package (`sign`). A fixture is
//! the old file. The lines after `ok` describe the new file.

use super::{Case, bad, dictionary, good};
use crate::reference::seals::{EXAMPLE, STRANGER, signed_component};
use crate::reference::{
    BROT, Component, Entry, GONE, GROUP, Group, INDEX, Id, Link, NAMES, NONE, Name, PACKAGE,
    Stored, Table, brotli_stored, cdn_package, cdn_package_hot, cdn_package_sealed,
    cdn_package_with, compact_package, component, head, index, names, names_of, path_id, place,
    seal, small, stored, swap, table,
};

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn files() -> Vec<Stored> {
    vec![stored("a.txt", b"hello\n"), stored("b", b""), stored("dir/c", b"content")]
}

/// Returns the usual files, and `count` files with the same bytes.
fn alike(count: usize) -> Vec<Stored> {
    let same = (0..count).map(|n| stored(&format!("same/{n:02}"), b"the same"));
    files().into_iter().chain(same).collect()
}

fn cdn(files: &[Stored]) -> Vec<u8> {
    cdn_package(files, &names_of(files), NONE, 4096, &blake3)
}

fn bare(files: &[Stored]) -> Vec<u8> {
    cdn_package_with(files, &names_of(files), NONE, 4096, &blake3, false)
}

fn compact(files: &[Stored]) -> Vec<u8> {
    compact_package(files, &names_of(files), NONE)
}

/// Returns a package in the cdn layout that the example's publisher has signed.
fn signed(files: &[Stored]) -> Vec<u8> {
    let list = names_of(files);
    let component = signed_component(EXAMPLE.package, &[EXAMPLE.key()], &blake3);
    let behind = |id: Id, bytes: &[u8]| {
        let digest = seal(id, NONE, bytes, &blake3);
        [&digest[..], &EXAMPLE.sign(&digest)].concat()
    };
    cdn_package_sealed(files, &list, NONE, 4096, &blake3, Some(component), &behind)
}

/// Returns the start of delta group `number` in a small package.
fn delta_at(number: usize) -> usize {
    4168 + 8 + GROUP as usize * number
}

/// Puts regions into delta group `number` of a small package, as an update would.
fn put(out: &mut Vec<u8>, number: usize, encoding: [u8; 4], regions: &[(Id, &[u8])], seals: bool) {
    let group = delta_at(number);
    out[group + 8..group + 12].copy_from_slice(&encoding);
    for (id, bytes) in regions {
        let at = group + 16 + 24 * usize::from(out[group + 12]);
        let [start, size] = [out.len() as u32, bytes.len() as u32].map(u32::to_le_bytes);
        place(out, at, &[&swap(*id)[..], &start, &size].concat());
        out.extend(*bytes);
        if seals {
            out.extend(seal(*id, encoding, bytes, &blake3));
        }
        out[group + 12] += 1;
    }
    out.resize(out.len().next_multiple_of(4096), 0);
}

/// Returns a signed package whose seal component states `count` keys. The component starts at 1080,
/// and the region of the parts component starts at 1536. So 12 keys fit between them, and 13 do
/// not.
fn of_keys(count: usize) -> Vec<u8> {
    let mut out = signed(&files());
    let keys = [&[EXAMPLE.key()][..], &vec![STRANGER.key(); count - 1]].concat();
    let component = signed_component(EXAMPLE.package, &keys, &blake3);
    place(&mut out, 1080, &component);
    // Sets the component's size in the second entry of T1.
    place(&mut out, 28 + 24 + 28 + 24, &(component.len() as u32).to_le_bytes());
    out
}

fn named(path: &str, id: Id, length: u64) -> Name {
    Name { id, length, path: path.as_bytes().to_vec() }
}

/// Returns a package in neither layout. It has the components of `others`, and an index of `count`
/// groups, which `groups` makes. The argument of `groups` is the group base.
fn loose(
    others: &[Component],
    groups: impl FnOnce(u64) -> Vec<Group>,
    count: u64,
    data: &[u8],
) -> Vec<u8> {
    let index_at = 52 + 28 * (1 + others.len()) as u64;
    let base = index_at + 8 + GROUP * count;
    let region = index(&groups(base));
    let mut components = vec![component(INDEX, index_at as u32, region.len() as u32)];
    components.extend(others);
    let mut out = head(PACKAGE, 0, 1);
    out.extend(table(&Table { components, ..Table::default() }));
    out.extend(region);
    out.extend(data);
    out
}

const FLAGS: Component = component(NAMES, 0, 0);

/// Returns a package with this names list and with regions of one byte.
fn listing(list: &[Name], ids: &[Id]) -> Vec<u8> {
    let list = names(Link::default(), list);
    let size = list.len() as u32;
    let mut entries = vec![Entry { id: NAMES, offset: 0, size }];
    entries.extend((size..).zip(ids).map(|(offset, id)| Entry { id: *id, offset, size: 1 }));
    let data = [&list[..], &vec![b'1'; ids.len()]].concat();
    loose(&[FLAGS], |base| vec![Group { base, entries, ..Group::default() }], 1, &data)
}

/// Returns a package with two runs, each with its own encoding.
fn mixed() -> Vec<u8> {
    let stream = brotli_stored(b"brotli");
    let size = stream.len() as u32;
    let data = [&b"plain"[..], &stream, b"????"].concat();
    let of = |base, encoding, id, offset, size| Group {
        base,
        encoding,
        entries: vec![Entry { id: small(id), offset, size }],
        ..Group::default()
    };
    let groups = |base| {
        vec![
            of(base, NONE, 1, 0, 5),
            of(base, *b"lzma", 3, 5 + size, 4),
            of(base, BROT, 2, 5, size),
        ]
    };
    loose(&[], groups, 3, &data)
}

/// The start of the data in a package of three files that has the cdn layout.
const DATA: usize = 65_536;

pub(super) const CASES: &[Case] = &[
    // Cases of packages without dead bytes. The new file equals the old file.
    good("compact_of_a_new_package", "R-CMP-01, R-CMP-02, R-CMP-08", || cdn(&files())),
    good("compact_of_a_new_package_without_seals", "R-CMP-02", || bare(&files())),
    good("compact_of_a_signed_package", "R-CMP-01, R-CMP-07", || signed(&files())),
    good("compact_of_a_compact_package", "R-CMP-02, R-LAY-11", || compact(&files())),
    good("compact_of_nothing", "R-CMP-02, R-CMP-04", || cdn(&[])),
    good("compact_of_nothing_in_80_bytes", "R-CMP-02", || compact(&[])),
    good("compact_of_hot_regions", "R-CMP-10", || {
        let list = names_of(&files());
        cdn_package_hot(&files(), &list, NONE, 4096, &blake3, true, &["a.txt", "b"])
    }),
    good("compact_of_two_groups", "R-CMP-02", || {
        let files: Vec<_> = (0..300).map(|i| stored(&format!("{i}"), &[i as u8])).collect();
        cdn(&files)
    }),
    // Cases of updated packages.
    good("compact_of_a_removed_region", "R-GONE-01, R-GONE-05, R-CMP-01, R-CMP-04", || {
        let mut out = cdn(&files());
        put(&mut out, 8, GONE, &[(path_id("a.txt"), b"")], true);
        out
    }),
    bad(
        "compact_of_a_removal_with_bytes",
        "error corrupt entry at 0xd020",
        "R-GONE-02, R-CMP-05",
        || {
            let mut out = cdn(&files());
            put(&mut out, 8, GONE, &[(path_id("a.txt"), b"x")], true);
            out
        },
    ),
    good("compact_of_a_replaced_region", "R-CMP-01, R-CMP-02", || {
        let mut out = cdn(&files());
        put(&mut out, 8, NONE, &[(path_id("a.txt"), b"newer\n")], true);
        out
    }),
    good("compact_of_a_region_replaced_twice", "R-CMP-01, R-ORD-02", || {
        let mut out = cdn(&files());
        let id = path_id("a.txt");
        put(&mut out, 8, NONE, &[(id, b"newer\n"), (id, b"newest")], true);
        out
    }),
    good("compact_of_a_hot_region_that_was_replaced", "R-CMP-10", || {
        let list = names_of(&files());
        let mut out =
            cdn_package_hot(&files(), &list, NONE, 4096, &blake3, true, &["a.txt", "dir/c"]);
        put(&mut out, 8, NONE, &[(path_id("a.txt"), b"cold")], true);
        out
    }),
    good("compact_of_a_region_without_a_path", "R-CMP-01, R-PKG-10", || {
        let mut out = cdn(&files());
        put(&mut out, 8, NONE, &[(small(9), b"no path"), (small(3), b"nor here")], true);
        out
    }),
    // Cases of shared stored bytes.
    good("compact_of_shared_bytes", "R-CMP-13, R-PKG-13", || cdn(&alike(20))),
    good("compact_of_shared_bytes_that_are_signed", "R-CMP-13, R-CMP-09, R-PKG-13", || {
        signed(&alike(3))
    }),
    good("compact_of_equal_bytes_that_an_update_put", "R-CMP-13", || {
        let mut out = cdn(&files());
        put(&mut out, 8, NONE, &[(small(9), b"content"), (small(3), b"content")], true);
        out
    }),
    good("compact_of_shared_bytes_after_an_update", "R-CMP-13, R-SEAL-21", || {
        let mut out = cdn(&alike(18));
        let ids = [path_id("same/00"), path_id("same/16")];
        put(&mut out, 8, NONE, &[(ids[0], b"now other"), (ids[1], b"")], true);
        out
    }),
    good("compact_of_bytes_that_nothing_shares_any_more", "R-CMP-13, R-SEAL-21", || {
        let mut out = cdn(&alike(2));
        put(&mut out, 8, NONE, &[(path_id("same/01"), b"now other")], true);
        out
    }),
    good("compact_of_equal_bytes_in_two_encodings", "R-CMP-13", || {
        let mut out = cdn(&alike(2));
        let bytes = brotli_stored(b"brotli");
        put(&mut out, 8, BROT, &[(small(9), &bytes), (small(10), &bytes)], true);
        put(&mut out, 7, NONE, &[(small(11), &bytes)], true);
        out
    }),
    // Cases of encodings.
    good("compact_of_three_encodings", "R-CMP-01, R-CMP-03", mixed),
    good("compact_of_two_encodings_in_the_cdn_layout", "R-CMP-03", || {
        let mut out = cdn(&files());
        put(&mut out, 8, BROT, &[(path_id("a.txt"), &brotli_stored(b"newer"))], true);
        out
    }),
    good("compact_of_a_sealed_stream_that_does_not_decode", "R-CMP-01, R-CMP-05", || {
        let mut out = cdn(&files());
        put(&mut out, 8, BROT, &[(path_id("a.txt"), b"no stream")], true);
        out
    }),
    // Cases of a dictionary.
    good("compact_of_a_dictionary", "R-CMP-11, R-LAY-11", dictionary::sound),
    good("compact_of_a_sealed_dictionary", "R-CMP-11, R-LAY-01, R-LAY-06, R-LAY-09", || {
        dictionary::sealed(dictionary::SHARED)
    }),
    bad(
        "compact_of_an_altered_dictionary",
        "error corrupt stored region at 0x18c8",
        "R-CMP-11, R-CMP-05",
        || {
            let mut out = dictionary::sealed(dictionary::SHARED);
            out[0x1918] ^= 1;
            out
        },
    ),
    bad(
        "compact_of_a_dictionary_that_is_no_stream",
        "error corrupt brotli stream at 0x186c",
        "R-CMP-11, R-CMP-05",
        || dictionary::stored(&[0x11; 9], dictionary::STREAM),
    ),
    bad(
        "compact_of_another_dictionary_than_the_seal_covers",
        "error corrupt stored region at 0x1919",
        "R-CMP-11, R-CMP-05, R-SEAL-20",
        || dictionary::sealed(b"another dictionary"),
    ),
    // Cases of names.
    good("compact_of_names_without_regions", "R-CMP-04", || {
        listing(&[named("a", small(1), 1), named("gone", small(2), 1)], &[small(1)])
    }),
    good("compact_of_names_that_all_are_dead", "R-CMP-04", || {
        listing(&[named("gone", small(2), 1)], &[small(1)])
    }),
    good("compact_of_wrong_hints", "R-CMP-04", || {
        listing(&[named("a", small(1), 77), named("dead", small(2), 1)], &[small(1)])
    }),
    good("compact_of_two_paths_of_a_region", "R-CMP-04, R-PKG-10", || {
        let list = [
            named("a", small(5), 1),
            named("b", [0; 16], 1),
            named("c", small(5), 1),
            named("d", small(1), 1),
        ];
        listing(&list, &[small(1), small(5), path_id("b")])
    }),
    good("compact_of_two_segments", "R-CMP-04, R-NAME-13", || {
        let older = names(Link::default(), &[named("a", [0; 16], 5), named("b", [0; 16], 1)]);
        let size = older.len() as u32;
        let link = |at| Link { at, size, encoding: NONE, decoded: size.into() };
        let at = 108 + 8 + GROUP;
        let newer = names(link(at), &[named("a", [0; 16], 1)]);
        let newer_size = newer.len() as u32;
        let data = [&older[..], &newer, b"ab"].concat();
        let entries = vec![
            Entry { id: NAMES, offset: size, size: newer_size },
            Entry { id: path_id("a"), offset: size + newer_size, size: 1 },
            Entry { id: path_id("b"), offset: size + newer_size + 1, size: 1 },
        ];
        loose(&[FLAGS], |base| vec![Group { base, entries, ..Group::default() }], 1, &data)
    }),
    // Cases of damaged packages.
    bad(
        "compact_of_a_region_outside",
        "error truncated stored region at 0x18ad",
        "R-CMP-05",
        || {
            let mut out = compact(&[stored("a", b"hello")]);
            out.truncate(out.len() - 2);
            out
        },
    ),
    bad(
        "compact_of_an_altered_region",
        "error corrupt stored region at 0x100ab",
        "R-CMP-05",
        || {
            let mut out = cdn(&files());
            out[0x100ab] ^= 1;
            out
        },
    ),
    bad(
        "compact_of_an_altered_names_list",
        "error corrupt stored region at 0x10000",
        "R-CMP-05",
        || {
            let mut out = cdn(&files());
            out[DATA + 130] ^= 1;
            out
        },
    ),
    bad(
        "compact_of_a_stream_that_does_not_decode",
        "error corrupt brotli stream at 0x1850",
        "R-CMP-05",
        || {
            let entries = vec![Entry { id: small(1), offset: 0, size: 4 }];
            let group = |base| vec![Group { base, encoding: BROT, entries, ..Group::default() }];
            loose(&[], group, 1, b"\xff\xff\xff\xff")
        },
    ),
    // Cases of components that other projects define.
    bad("compact_of_a_foreign_component", "error misuse component at 0x50", "R-CMP-06", || {
        loose(&[component(small(77), 1, 2)], |_| vec![], 0, b"")
    }),
    bad(
        "compact_of_a_later_version_of_a_component",
        "error misuse component at 0x50",
        "R-CMP-06",
        || loose(&[Component { minor: 2, ..FLAGS }], |_| vec![], 0, b""),
    ),
    // Cases of signatures.
    bad(
        "compact_of_a_signed_package_with_a_dead_name",
        "error misuse names list at 0x10000",
        "R-CMP-07",
        || {
            // Clears the last entry of the index, so one name leads to no region.
            let mut out = signed(&files());
            let group = delta_at(9);
            let last = group + 16 + 24 * 3;
            out[last..last + 24].fill(0);
            out[group + 12] = 3;
            out
        },
    ),
    good("compact_of_a_package_of_12_keys", "R-LAY-21, R-CMP-01", || of_keys(12)),
    bad(
        "compact_of_a_package_of_13_keys",
        "error misuse seal component at 0x438",
        "R-LAY-21",
        || of_keys(13),
    ),
    good("sign_of_a_package_of_13_keys", "R-CMP-09, R-LAY-21", || of_keys(13)),
    // Cases of signing an existing package.
    good("sign_of_a_new_package", "R-CMP-09, R-SEAL-07", || cdn(&files())),
    good("sign_of_a_package_without_seals", "R-CMP-09", || bare(&files())),
    good("sign_of_a_signed_package", "R-CMP-09", || {
        let mut out = signed(&files());
        // Puts a component with another key into the package, so the old signatures are invalid.
        // Signing a package does not check its old signatures.
        let other = signed_component(STRANGER.package, &[STRANGER.key()], &blake3);
        place(&mut out, 1080, &other);
        out
    }),
    good("sign_of_an_updated_package", "R-CMP-09", || {
        let mut out = cdn(&files());
        put(&mut out, 8, NONE, &[(path_id("b"), b"no longer empty")], true);
        out
    }),
    good("sign_of_a_compact_package", "R-CMP-09", || compact(&files())),
    bad("sign_of_an_altered_region", "error corrupt stored region at 0x100ab", "R-CMP-09", || {
        let mut out = cdn(&files());
        out[0x100ab] ^= 1;
        out
    }),
];
