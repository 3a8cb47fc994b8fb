//! Fixtures of names segments. Each fixture is a single segment at position 0 of an imagined file.

use super::{Case, bad, good};
use crate::reference::{Kept, Link, NONE, Name, UNKNOWN, id, names, names_with, small};

fn named(path: &[u8]) -> Name {
    Name { id: [0; 16], length: 1, path: path.to_vec() }
}

/// Returns a segment with these paths.
fn of(paths: &[&[u8]]) -> Vec<u8> {
    let list: Vec<_> = paths.iter().map(|path| named(path)).collect();
    names(Link::default(), &list)
}

/// Returns the example of the specification, which has 116 bytes.
fn example() -> Vec<u8> {
    let first = Name { length: 6, ..named(b"a.txt") };
    let second = Name {
        id: id("00112233-4455-6677-8899-aabbccddeeff"),
        length: UNKNOWN,
        path: b"docs/index.html".to_vec(),
    };
    names(Link::default(), &[first, second])
}

/// Returns a segment with four records: with all attributes, with a time before 1970, without a
/// time, and without attributes.
fn kept() -> Vec<u8> {
    let list = [named(b"a"), named(b"b"), named(b"c"), named(b"d")];
    let kept = [
        Kept { time: Some((1_795_903_947, 123_456_789)), program: Some(true) },
        Kept { time: Some((-1, 999_999_999)), program: None },
        Kept { time: None, program: Some(false) },
        Kept::default(),
    ];
    names_with(Link::default(), &list, &kept)
}

/// Returns the segment of `kept` after changing four bytes.
fn patched_kept(at: usize, value: u32) -> Vec<u8> {
    let mut out = kept();
    out[at..at + 4].copy_from_slice(&value.to_le_bytes());
    out
}

fn linked(at: u64, size: u32) -> Vec<u8> {
    names(Link { at, size, encoding: NONE, decoded: 32 }, &[named(b"a")])
}

/// Returns the example after changing four bytes.
fn patched(at: usize, value: u32) -> Vec<u8> {
    let mut out = example();
    out[at..at + 4].copy_from_slice(&value.to_le_bytes());
    out
}

fn cut(len: usize) -> Vec<u8> {
    example()[..len].to_vec()
}

pub(super) const CASES: &[Case] = &[
    good("names_example_of_the_specification", "R-NAME-03, R-NAME-07, R-PATH-04", example),
    good("names_of_nothing", "R-NAME-03", || of(&[])),
    good("names_of_4096_bytes", "R-PATH-03", || of(&[&[b'n'; 4096]])),
    good("names_odd_but_allowed", "R-PATH-02", || {
        of(&[b" ", b"...", b"..a", b"C:\\x", b"CON", b"a\n", b"a..b", b"a/.b", b"a/b..", b"~"])
    }),
    good("names_ascend_by_bytes_not_by_parts", "R-NAME-05", || {
        of(&[b"A", b"a", b"a-b", b"a/b", b"ab", b"b/\xc3\xbc.txt"])
    }),
    good("names_several_of_one_region", "R-NAME-07", || {
        let alias = |path: &[u8]| Name { id: small(7), ..named(path) };
        names(Link::default(), &[alias(b"one"), alias(b"two")])
    }),
    good("names_link_to_zero_is_no_link", "R-NAME-10", || {
        let link = Link { at: 0, size: u32::MAX, encoding: *b"????", decoded: u64::MAX };
        names(link, &[named(b"a")])
    }),
    // Cases of attributes. In the segment of `kept`, they start at 0xa0 and end at 0xe0.
    good("names_attributes", "R-NAME-17, R-NAME-18", kept),
    good("names_attributes_with_reserved_bits", "R-NAME-18", || patched_kept(0xdc, 0xffff_fff8)),
    good("names_attributes_of_nothing", "R-NAME-03", || names_with(Link::default(), &[], &[])),
    good("names_nanoseconds_of_no_time", "R-NAME-19", || patched_kept(0xd8, u32::MAX)),
    bad(
        "names_nanoseconds_of_a_second",
        "error corrupt names attributes at 0xb0",
        "R-NAME-19",
        || patched_kept(0xb8, 1_000_000_000),
    ),
    bad("names_cut_in_attributes", "error truncated names attributes at 0xa0", "R-NAME-03", || {
        kept()[..0xdf].to_vec()
    }),
    bad(
        "names_version_1_without_attributes",
        "error truncated names attributes at 0x60",
        "R-NAME-03",
        || patched(0, 1),
    ),
    // Cases of faults in the header.
    bad("names_of_no_bytes", "error truncated names header at 0x0", "R-NAME-03", Vec::new),
    bad("names_cut_in_header", "error truncated names header at 0x0", "R-NAME-03", || cut(31)),
    bad("names_version_2", "error unsupported names header at 0x0", "R-NAME-02", || patched(0, 2)),
    bad("names_version_maximal", "error unsupported names header at 0x0", "R-NAME-02", || {
        patched(0, u32::MAX)
    }),
    bad("names_cut_in_records", "error truncated names record at 0x20", "R-NAME-03", || cut(95)),
    bad("names_count_one_too_many", "error truncated names record at 0x20", "R-NAME-03", || {
        patched(4, 3)
    }),
    bad("names_count_maximal", "error truncated names record at 0x20", "R-NAME-03", || {
        patched(4, u32::MAX)
    }),
    bad(
        "names_count_that_wraps_to_none",
        "error truncated names record at 0x20",
        "R-NAME-03",
        || patched(4, 0x0800_0000),
    ),
    bad("names_count_one_too_few", "error corrupt names path at 0x40", "R-NAME-03", || {
        // The count is 1, so readers take the second record for paths. Its id starts with
        // "3\"\x11\0D".
        patched(4, 1)
    }),
    bad(
        "names_bytes_behind_the_last_path",
        "error corrupt names header at 0x0",
        "R-NAME-03",
        || {
            let mut out = example();
            out.push(0);
            out
        },
    ),
    bad("names_bytes_behind_no_path", "error corrupt names header at 0x0", "R-NAME-03", || {
        let mut out = of(&[]);
        out.push(b'a');
        out
    }),
    // Cases of faults in records.
    bad("names_first_offset_not_zero", "error corrupt names record at 0x20", "R-NAME-04", || {
        patched(0x38, 1)
    }),
    bad("names_offset_leaves_a_gap", "error corrupt names record at 0x40", "R-NAME-04", || {
        patched(0x58, 6)
    }),
    bad("names_offset_reads_twice", "error corrupt names record at 0x40", "R-NAME-04", || {
        patched(0x58, 0)
    }),
    bad("names_offset_maximal", "error corrupt names record at 0x40", "R-NAME-04", || {
        patched(0x58, u32::MAX)
    }),
    bad("names_path_of_no_bytes", "error corrupt names record at 0x20", "R-NAME-04", || {
        of(&[b"", b"a"])
    }),
    bad("names_path_of_4097_bytes", "error corrupt names record at 0x20", "R-NAME-04", || {
        of(&[&[b'n'; 4097]])
    }),
    bad("names_path_length_maximal", "error corrupt names record at 0x40", "R-NAME-04", || {
        patched(0x5c, u32::MAX)
    }),
    bad("names_path_one_byte_too_long", "error truncated names path at 0x65", "R-NAME-03", || {
        patched(0x5c, 16)
    }),
    bad("names_cut_in_path", "error truncated names path at 0x65", "R-NAME-03", || cut(115)),
    bad("names_cut_before_paths", "error truncated names path at 0x60", "R-NAME-03", || cut(96)),
    bad("names_descend", "error corrupt names record at 0x40", "R-NAME-05", || of(&[b"b", b"a"])),
    bad("names_twice", "error corrupt names record at 0x60", "R-NAME-05", || {
        of(&[b"a", b"b", b"b"])
    }),
    bad("names_sorted_by_parts", "error corrupt names record at 0x40", "R-NAME-05", || {
        of(&[b"a/b", b"a-b"])
    }),
    // Cases of faults in paths.
    bad("names_not_utf8", "error corrupt names path at 0x40", "R-NAME-06, R-PATH-01", || {
        of(&[b"caf\xe9"])
    }),
    bad("names_surrogate_half", "error corrupt names path at 0x40", "R-PATH-01", || {
        of(&[b"\xed\xa0\x80"])
    }),
    bad("names_zero_byte", "error corrupt names path at 0x40", "R-PATH-01", || of(&[b"a\0b"])),
    bad("names_not_composed", "error corrupt names path at 0x61", "R-NAME-06, R-PATH-01", || {
        of(&[b"a", b"u\xcc\x88"])
    }),
    bad("names_parent", "error corrupt names path at 0x40", "R-PATH-02", || of(&[b"a/../b"])),
    bad("names_parent_first", "error corrupt names path at 0x40", "R-PATH-02", || of(&[b"../etc"])),
    bad("names_current", "error corrupt names path at 0x40", "R-PATH-02", || of(&[b"./a"])),
    bad("names_absolute", "error corrupt names path at 0x40", "R-PATH-02", || {
        of(&[b"/etc/passwd"])
    }),
    bad("names_two_slashes", "error corrupt names path at 0x40", "R-PATH-02", || of(&[b"a//b"])),
    bad("names_slash_at_the_end", "error corrupt names path at 0x61", "R-PATH-02", || {
        of(&[b"a", b"a/"])
    }),
    // Cases of faults in links. The area `package` has more of them.
    bad("names_link_at_the_segment_itself", "error corrupt names link at 0x8", "R-NAME-10", || {
        linked(1, 0)
    }),
    bad("names_link_forward", "error corrupt names link at 0x8", "R-NAME-10", || linked(65, 32)),
    bad("names_link_that_wraps", "error corrupt names link at 0x8", "R-NAME-10", || {
        linked(u64::MAX, 1)
    }),
    // The same faults as in cases above, with other values or at other positions.
    bad("names_of_one_byte", "error truncated names header at 0x0", "R-NAME-03", || cut(1)),
    bad("names_cut_before_records", "error truncated names record at 0x20", "R-NAME-03", || {
        cut(32)
    }),
    bad("names_first_length_longer", "error corrupt names record at 0x40", "R-NAME-04", || {
        patched(0x3c, 6)
    }),
    bad("names_first_length_shorter", "error corrupt names record at 0x40", "R-NAME-04", || {
        patched(0x3c, 4)
    }),
    bad("names_last_length_shorter", "error corrupt names header at 0x0", "R-NAME-03", || {
        patched(0x5c, 14)
    }),
    bad("names_last_length_0", "error corrupt names record at 0x40", "R-NAME-04", || {
        patched(0x5c, 0)
    }),
    bad(
        "names_differ_in_their_last_byte_only",
        "error corrupt names record at 0x40",
        "R-NAME-05",
        || of(&[b"long name/b", b"long name/a"]),
    ),
    bad(
        "names_prefix_behind_the_longer",
        "error corrupt names record at 0x40",
        "R-NAME-05",
        || of(&[b"ab", b"a"]),
    ),
    bad("names_overlong_utf8", "error corrupt names path at 0x40", "R-PATH-01", || {
        // These two bytes are an overlong encoding of the slash.
        of(&[b"a\xc0\xafb"])
    }),
    bad("names_utf8_cut", "error corrupt names path at 0x61", "R-PATH-01", || {
        of(&[b"a", b"b\xc3"])
    }),
    bad(
        "names_utf8_cut_and_continued_by_the_next",
        "error corrupt names path at 0x60",
        "R-PATH-01",
        || {
            // The bytes of both paths together are valid UTF-8, but the border between the paths
            // lies inside a character.
            of(&[b"a\xc3", b"\xbc"])
        },
    ),
    bad("names_past_unicode", "error corrupt names path at 0x40", "R-PATH-01", || {
        of(&[b"\xf4\x90\x80\x80"])
    }),
    bad("names_compatibility_character", "error corrupt names path at 0x40", "R-PATH-01", || {
        // The path is the angstrom sign. Normalisation form C replaces it by the letter A with a
        // ring.
        of(&["\u{212b}".as_bytes()])
    }),
    bad("names_zero_byte_alone", "error corrupt names path at 0x40", "R-PATH-01", || of(&[b"\0"])),
    bad("names_current_last", "error corrupt names path at 0x40", "R-PATH-02", || of(&[b"a/."])),
    bad("names_parent_alone", "error corrupt names path at 0x40", "R-PATH-02", || of(&[b".."])),
    bad("names_slash_alone", "error corrupt names path at 0x40", "R-PATH-02", || of(&[b"/"])),
    bad("names_link_far_away", "error corrupt names link at 0x8", "R-NAME-10", || {
        linked(1 << 40, 5)
    }),
];
