//! Fixtures of packages with a dictionary.

use super::{Case, bad, good};
use crate::reference::dictionary::{BROD, DICTIONARY};
use crate::reference::{
    BROT, Component, Entry, GROUP, Group, INDEX, PACKAGE, SEAL, Table, brotli_stored, component,
    head, index, seal, seal_after, seal_component, small, table,
};

/// The dictionary, which has 45 bytes.
pub(super) const SHARED: &[u8] = b"The beginning that all of these pages share. ";
/// A stream that refers to the dictionary. The crate `brotli` 8 wrote it at quality 5. The crate
/// and Google's library both decode it to the bytes of the dictionary and then `And the end.`.
pub(super) const STREAM: &[u8] =
    b"\x81\xc0\x01\0 \xb0\x01G:\xd0\xe0\x93\xb7\x96\x9a\xa8bLU\xd7\x17L\xa8\\\x0a";
/// The start of the dictionary in a package that has two components and one group.
const AT: u64 = 108 + 8 + GROUP;

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// Returns a package with one region, an index and the dictionary component. `data` starts with the
/// stored dictionary.
fn package(dictionary: Component, region: Entry, data: &[u8]) -> Vec<u8> {
    let entries = vec![region];
    let groups = [Group { base: AT, encoding: BROD, entries, ..Group::default() }];
    let region = index(&groups);
    let mut out = head(PACKAGE, 0, 1);
    let components = vec![component(INDEX, 108, region.len() as u32), dictionary];
    out.extend(table(&Table { components, ..Table::default() }));
    out.extend(region);
    out.extend(data);
    out
}

/// Returns a package with a dictionary and one region. The arguments are the stored bytes of both.
pub(super) fn stored(dictionary: &[u8], stream: &[u8]) -> Vec<u8> {
    let size = dictionary.len() as u32;
    let region = Entry { id: small(1), offset: size, size: stream.len() as u32 };
    let data = [dictionary, stream].concat();
    package(component(DICTIONARY, AT as u32, size), region, &data)
}

pub(super) fn sound() -> Vec<u8> {
    stored(&brotli_stored(SHARED), STREAM)
}

/// Returns a package with digests. The digest of its region covers `sealed_with` instead of the
/// package's dictionary.
pub(super) fn sealed(sealed_with: &[u8]) -> Vec<u8> {
    let dictionary = brotli_stored(SHARED);
    let component_bytes = seal_component(&blake3);
    // The seal component takes one more entry of 28 bytes in the table, so everything after the
    // table lies 28 bytes later. The seal component's region follows the index.
    let at = AT + 28;
    let size = dictionary.len() as u32;
    let entries = vec![Entry { id: small(1), offset: 64 + size + 32, size: STREAM.len() as u32 }];
    let groups = [Group { base: at, encoding: BROD, entries, ..Group::default() }];
    let region = index(&groups);
    let components = vec![
        component(INDEX, 136, region.len() as u32),
        component(SEAL, at as u32, 64),
        component(DICTIONARY, at as u32 + 64, size),
    ];
    let mut out = head(PACKAGE, 0, 1);
    out.extend(table(&Table { components, ..Table::default() }));
    out.extend(region);
    out.extend(component_bytes);
    out.extend(&dictionary);
    out.extend(seal(DICTIONARY, BROT, &dictionary, &blake3));
    out.extend(STREAM);
    out.extend(seal_after(small(1), BROD, STREAM, Some(sealed_with), &blake3));
    out
}

/// Returns a package with a dictionary of 1,000 bytes and a stream of nine bytes. The stream's
/// window has 1,008 bytes, which is less than both together.
fn past_the_window() -> Vec<u8> {
    let dictionary = brotli_stored(&[b'x'; 1000]);
    // The first seven bits state a window of 2^10 bytes. Then comes a block that is not the last
    // one. Its length takes four nibbles, which hold 8 for a length of 9 bytes. The block is not
    // compressed. An empty last block ends the stream.
    let bits: u32 = 0b010_0001 | 8 << (7 + 3) | 1 << (7 + 19);
    let stream = [&bits.to_le_bytes()[..], b"nine long", &[0b11]].concat();
    stored(&dictionary, &stream)
}

pub(super) const CASES: &[Case] = &[
    good("package_dictionary", "R-ENC-06, R-DICT-01", sound),
    good("package_dictionary_sealed", "R-SEAL-20, R-DICT-01", || sealed(SHARED)),
    bad(
        "package_dictionary_with_an_altered_digest",
        "error corrupt stored region at 0x18c8",
        "R-DICT-01",
        || {
            // The digest of the dictionary lies before the region, which starts at 0x1919.
            let mut out = sealed(SHARED);
            out[0x1918] ^= 1;
            out
        },
    ),
    good(
        "package_dictionary_component_of_a_later_version_is_skipped_without_regions",
        "R-VER-02",
        || {
            let named = Component { minor: 2, ..component(DICTIONARY, AT as u32, 3) };
            let groups: [Group; 0] = [];
            let region = index(&groups);
            let mut out = head(PACKAGE, 0, 1);
            let components = vec![component(INDEX, 108, region.len() as u32), named];
            out.extend(table(&Table { components, ..Table::default() }));
            out.extend(region);
            out.resize(AT as usize + 3, 0);
            out
        },
    ),
    bad(
        "package_dictionary_missing",
        // This is the start of the region. Before it lie 116 bytes, the group of 6,136 bytes, and
        // 49 bytes of a dictionary that no component names.
        "error unsupported stored region at 0x189d",
        "R-ENC-08",
        || {
            let dictionary = brotli_stored(SHARED);
            let size = dictionary.len() as u32;
            let region = Entry { id: small(1), offset: size, size: STREAM.len() as u32 };
            let data = [&dictionary[..], STREAM].concat();
            package(component(small(9), AT as u32, size), region, &data)
        },
    ),
    bad(
        "package_dictionary_that_is_no_stream",
        "error corrupt brotli stream at 0x186c",
        "R-DICT-01",
        || stored(&[0x11; 9], STREAM),
    ),
    bad(
        "package_dictionary_that_ends_too_early",
        "error truncated brotli stream at 0x186c",
        "R-DICT-01",
        || stored(&brotli_stored(SHARED)[..20], STREAM),
    ),
    bad(
        "package_dictionary_outside_the_file",
        "error truncated component region at 0x7fffffff",
        "R-DICT-02",
        || {
            let region = Entry { id: small(1), offset: 0, size: STREAM.len() as u32 };
            package(component(DICTIONARY, 0x7fff_ffff, 9), region, STREAM)
        },
    ),
    bad(
        "package_dictionary_and_content_past_the_window",
        // This is the start of the region. Before it lie 116 bytes, the group of 6,136 bytes, and
        // the stored dictionary of 1,004 bytes.
        "error corrupt brotli stream at 0x1c58",
        "R-ENC-07",
        past_the_window,
    ),
    bad(
        "package_dictionary_region_that_is_no_stream",
        "error corrupt brotli stream at 0x189d",
        "R-ENC-03",
        || stored(&brotli_stored(SHARED), &[0x11; 9]),
    ),
    bad(
        "package_dictionary_region_sealed_with_another",
        // The region starts at 136 + 8 + 6,136 + 64 + 49 + 32. These are the lengths of everything
        // before it: preamble and table, index header, group, seal component, dictionary, and the
        // dictionary's digest.
        "error corrupt stored region at 0x1919",
        "R-SEAL-20",
        || sealed(b"another dictionary"),
    ),
];
