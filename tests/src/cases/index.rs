//! Fixtures of the index. Each file has a preamble and a table (80 bytes), the index region, and
//! the stored bytes. The dump has the content of every region whose entry counts.

use super::{Case, bad, good};
use crate::reference::{
    BROT, Component, Entry, GONE, GROUP, Group, INDEX, NONE, PACKAGE, Table, brotli_stored,
    component, delta, head, index, index_with, path_id, place, small, table,
};

/// The start of the stored bytes if the index has one group (`ONE`) or two groups (`TWO`).
const ONE: u64 = 80 + 8 + GROUP;
const TWO: u64 = ONE + GROUP;
const THREE: u64 = TWO + GROUP;

const ENTRY_0: &str = "error corrupt entry at 0x68";

/// 1 MiB of zeros after `brotli -q 11`. This is the maximum length that tests decode.
const AT_CAP: &[u8] = b"\x5b\xff\xff\x8f\x7f\x02\x20\x1e\x0b\x04\x72\xef\x1f\x00";
/// 1 MiB of zeros and one more zero after `brotli -q 11`.
const PAST_CAP: &[u8] = b"\x9b\x00\x00\x10\xf8\x27\x00\xe2\xb1\x40\x40\xf7\xfe\x01";
/// 64 MiB of zeros after `brotli -q 11`.
const BOMB: &[u8] = b"\
    \xcb\xff\xff\x3f\xf8\x27\x00\xe2\xb1\x40\x20\xf7\xfe\x8f\xff\xff\x7f\xf0\x4f\x00\xc4\x61\
    \x11\x80\xee\xfd\x1f\xff\xff\xff\xe0\x9f\x00\x88\xc3\x02\x00\xdd\xfb\x3f\xfe\xff\xff\xc1\
    \x3f\x01\x10\x87\x05\x00\xba\xf7\x7f\xfc\xff\xff\x83\x7f\x02\x20\x0e\x0b\x00\x74\xef\xff\
    \xf8\xff\xff\x07\xff\x04\x40\x1c\x16\x00\xe8\xde\xff\xf1\xff\xff\x0f\xfe\x09\x80\x38\x2c\
    \x00\xd0\xbd\xff\xe3\xff\xff\x1f\xfc\x13\x00\x71\x58\x00\xa0\x7b\xff\x37";
/// "to be, or not to be, that is the question: to be, or not to be\n" after `brotli -q 11`.
const QUESTION: &[u8] =
    b"\x1b>\x00\x00\x9c\x07\xb6\xad8\xfdB\xdc9\xb2\xa0\xbeV\x00a\xa1\x93oer%\xe6V \
    :\xe0\x90\x03\xa7\x1f\xdaR\x08\x00\xea\xc7\xc2Lg*\xad\xc1(i\xa3\x85\xd5\x03";

/// Returns a file: preamble and table, this index region, the stored bytes.
fn file(region: &[u8], stored: &[u8]) -> Vec<u8> {
    sized(region.len() as u32, &[region, stored].concat())
}

/// Returns a file whose index component states that the index region has `size` bytes.
fn sized(size: u32, rest: &[u8]) -> Vec<u8> {
    versioned(Component { size, ..component(INDEX, 80, 0) }, rest)
}

fn versioned(named: Component, rest: &[u8]) -> Vec<u8> {
    let mut out = head(PACKAGE, 0, 1);
    out.extend(table(&Table { components: vec![named], ..Table::default() }));
    out.extend(rest);
    out
}

fn entry(id: u32, offset: u32, size: u32) -> Entry {
    Entry { id: small(id), offset, size }
}

fn group(base: u64, entries: &[Entry]) -> Group {
    Group { base, entries: entries.to_vec(), ..Group::default() }
}

/// Returns a group whose entries are removals.
fn gone(base: u64, entries: &[Entry]) -> Group {
    Group { encoding: GONE, ..group(base, entries) }
}

/// Returns a file with one region at this place. The file ends five bytes after the index.
fn region_at(base: u64, offset: u32, size: u32) -> Vec<u8> {
    file(&index(&[group(base, &[entry(1, offset, size)])]), b"hello")
}

/// Returns a file with one region of the encoding `brot`. Its stored bytes follow the index.
fn brotli(stream: &[u8]) -> Vec<u8> {
    let only = group(ONE, &[entry(1, 0, stream.len() as u32)]);
    file(&index(&[Group { encoding: BROT, ..only }]), stream)
}

/// Returns the example of the specification, which has 6,230 bytes.
fn example() -> Vec<u8> {
    let only = Entry { id: path_id("hello.txt"), offset: 0, size: 6 };
    file(&index(&[group(ONE, &[only])]), b"hello\n")
}

/// Returns a file whose index has one group, although the index header counts `groups` groups.
fn counts(groups: u32) -> Vec<u8> {
    file(&index_with(0, groups, &[group(ONE, &[entry(1, 0, 5)])]), b"hello")
}

fn cut(mut file: Vec<u8>, len: u64) -> Vec<u8> {
    file.truncate(len as usize);
    file
}

pub(super) const CASES: &[Case] = &[
    // Cases of the index header.
    good("index_example_of_the_specification", "R-IDX-01, R-ENT-01, R-GRP-01", example),
    good("index_of_component_version_0_0", "R-IDX-01", || {
        let region = index(&[group(ONE, &[entry(1, 0, 5)])]);
        let named = Component { minor: 0, ..component(INDEX, 80, region.len() as u32) };
        versioned(named, &[&region[..], b"hello"].concat())
    }),
    good("index_of_no_bytes", "R-IDX-02", || sized(0, b"")),
    good("index_of_no_groups", "R-IDX-05", || file(&index(&[]), b"")),
    bad("index_of_one_byte", "error corrupt index header at 0x50", "R-IDX-03", || {
        sized(1, &[0; 99])
    }),
    bad("index_of_seven_bytes", "error corrupt index header at 0x50", "R-IDX-03", || {
        sized(7, &[0; 99])
    }),
    bad("index_version_1", "error unsupported index header at 0x50", "R-IDX-04", || {
        file(&index_with(1, 0, &[]), b"")
    }),
    bad("index_version_maximal", "error unsupported index header at 0x50", "R-IDX-04", || {
        file(&index_with(u32::MAX, 0, &[]), b"")
    }),
    bad("index_component_version_0_2", "error unsupported component at 0x34", "R-IDX-01", || {
        versioned(Component { minor: 2, ..component(INDEX, 0, 0) }, b"")
    }),
    bad("index_component_version_1_1", "error unsupported component at 0x34", "R-IDX-01", || {
        versioned(Component { major: 1, ..component(INDEX, 0, 0) }, b"")
    }),
    bad("index_cut_in_header", "error truncated component region at 0x50", "R-IDX-05", || {
        cut(example(), 87)
    }),
    bad(
        "index_cut_in_group_header",
        "error truncated component region at 0x50",
        "R-IDX-05",
        || cut(example(), 96),
    ),
    bad("index_cut_in_last_group", "error truncated component region at 0x50", "R-IDX-05", || {
        cut(example(), ONE - 1)
    }),
    bad("index_groups_one_too_many", "error corrupt index header at 0x50", "R-IDX-05", || {
        counts(2)
    }),
    bad("index_groups_maximal", "error corrupt index header at 0x50", "R-IDX-05", || {
        counts(u32::MAX)
    }),
    bad("index_groups_one_below_maximal", "error corrupt index header at 0x50", "R-IDX-05", || {
        counts(u32::MAX - 1)
    }),
    bad("index_groups_that_wrap_to_none", "error corrupt index header at 0x50", "R-IDX-05", || {
        // 6,136 × 2^29 is a multiple of 2^32. A reader that multiplies with 32 bits would get a
        // length of 0 for the groups.
        counts(0x2000_0000)
    }),
    bad(
        "index_region_one_byte_short_of_its_group",
        "error corrupt index header at 0x50",
        "R-IDX-05",
        || {
            let mut region = index(&[group(ONE, &[])]);
            region.pop();
            file(&region, b"")
        },
    ),
    good("index_groups_behind_the_counted", "R-IDX-06", || {
        let newest = group(TWO, &[entry(1, 0, 5)]);
        let reserve = group(u64::MAX, &[entry(1, 7, 7), entry(2, 9, 9)]);
        file(&index_with(0, 1, &[newest, reserve]), b"hello")
    }),
    // Cases of groups.
    good("index_entries_behind_the_length", "R-GRP-01", || {
        let entries = [entry(1, 0, 5), entry(2, u32::MAX, u32::MAX), entry(1, 9, 9)];
        file(&index(&[Group { length: Some(1), ..group(ONE, &entries) }]), b"hello")
    }),
    good("index_groups_of_length_0_are_not_judged", "R-GRP-02", || {
        let odd = Group { base: u64::MAX, encoding: *b"\xff\xff\xff\xff", ..Group::default() };
        file(&index(&[odd, group(TWO, &[entry(1, 0, 5)])]), b"hello")
    }),
    good("index_padding_not_zero", "R-GRP-03", || {
        file(&index(&[Group { padding: [0xff; 3], ..group(ONE, &[entry(1, 0, 5)]) }]), b"hello")
    }),
    good("index_of_a_full_group", "R-GRP-01", || {
        let entries: Vec<_> = (0..255).map(|i| entry(i, i % 5, 1)).collect();
        file(&index(&[group(ONE, &entries)]), b"hello")
    }),
    // Cases of entries.
    good("index_region_base_of_the_table_has_no_part", "R-ENT-01, R-REG-01", || {
        let region = index(&[group(ONE, &[entry(1, 0, 5)])]);
        let mut out = head(PACKAGE, 0, 1);
        let named = component(INDEX, 10, region.len() as u32);
        out.extend(table(&Table { base: 70, components: vec![named], ..Table::default() }));
        [&out[..], &region, b"hello"].concat()
    }),
    good("index_entries_share_bytes", "R-ENT-04", || {
        let entries = [entry(1, 0, 5), entry(2, 0, 5), entry(3, 1, 3), entry(4, 4, 1)];
        file(&index(&[group(ONE, &entries)]), b"hello")
    }),
    good("index_empty_region_anywhere", "R-ENT-03", || {
        let far = group(u64::MAX - 7, &[entry(1, 7, 0)]);
        file(&index(&[far, group(TWO, &[entry(2, 5, 0), entry(3, 0, 5)])]), b"hello")
    }),
    good("index_region_below_its_base_by_nothing", "R-ENT-01", || region_at(0, ONE as u32, 5)),
    bad(
        "index_region_one_byte_too_long",
        "error truncated stored region at 0x1850",
        "R-ENT-02",
        || region_at(ONE, 0, 6),
    ),
    bad("index_region_at_the_end", "error truncated stored region at 0x1855", "R-ENT-02", || {
        region_at(ONE, 5, 1)
    }),
    bad("index_region_cut", "error truncated stored region at 0x1850", "R-ENT-02", || {
        cut(region_at(ONE, 0, 5), ONE + 4)
    }),
    bad(
        "index_region_of_maximal_offset_and_size",
        "error truncated stored region at 0x10000184f",
        "R-ENT-02",
        || region_at(ONE, u32::MAX, u32::MAX),
    ),
    bad(
        "index_region_of_maximal_size",
        "error truncated stored region at 0x1850",
        "R-ENT-02",
        || region_at(ONE, 0, u32::MAX),
    ),
    bad("index_region_start_wraps", "error corrupt entry at 0x68", "R-ENT-01", || {
        region_at(u64::MAX, 1, 5)
    }),
    bad(
        "index_region_start_wraps_into_the_file",
        "error corrupt entry at 0x68",
        "R-ENT-01",
        || region_at(u64::MAX - 4, 0x1855, 5),
    ),
    bad("index_region_end_wraps", "error corrupt entry at 0x68", "R-ENT-01", || {
        region_at(u64::MAX - 9, 5, 5)
    }),
    bad(
        "index_empty_region_start_wraps",
        "error corrupt entry at 0x68",
        "R-ENT-01, R-ENT-03",
        || region_at(u64::MAX, 1, 0),
    ),
    // Cases of several entries with one id. They show which entry counts.
    good("index_newest_entry_counts", "R-ORD-01, R-ORD-02, R-ORD-03", || {
        let newest = group(TWO, &[entry(1, 0, 1), entry(2, 1, 1), entry(1, 2, 1)]);
        let oldest = group(TWO, &[entry(3, 3, 1), entry(2, 4, 1), entry(3, 5, 1), entry(1, 6, 1)]);
        file(&index(&[newest, oldest]), b"0123456789")
    }),
    good("index_newest_entry_counts_though_the_oldest_is_bad", "R-ORD-01, R-ENT-02", || {
        let oldest = group(u64::MAX, &[entry(1, u32::MAX, 1)]);
        file(&index(&[group(TWO, &[entry(1, 0, 5)]), oldest]), b"hello")
    }),
    good("index_not_sorted", "R-ORD-04", || {
        let newest = group(TWO, &[entry(9, 0, 1), entry(3, 1, 1), entry(7, 2, 1)]);
        let oldest = group(TWO, &[entry(8, 3, 1), entry(1, 4, 1)]);
        file(&index(&[newest, delta(), oldest]), &[&[0; GROUP as usize][..], b"hello"].concat())
    }),
    // Cases of removals.
    good("index_removal_hides_older_entries", "R-GONE-01", || {
        let older = group(THREE, &[entry(1, 0, 5), entry(2, 0, 5)]);
        file(
            &index(&[gone(0, &[entry(1, 0, 0)]), group(THREE, &[entry(1, 1, 1)]), older]),
            b"hello",
        )
    }),
    good("index_removal_before_a_newer_entry", "R-GONE-01", || {
        let newer = group(TWO, &[entry(1, 0, 5)]);
        file(&index(&[newer, gone(0, &[entry(1, 0, 0), entry(2, 0, 0)])]), b"hello")
    }),
    good("index_removal_of_an_id_that_was_never_there", "R-GONE-01", || {
        let twice = gone(ONE, &[entry(7, 5, 0), entry(7, 0, 0)]);
        file(&index(&[twice]), b"hello")
    }),
    good("index_removal_leads_anywhere", "R-GONE-01, R-ENT-03", || {
        file(
            &index(&[gone(u64::MAX - 7, &[entry(1, 7, 0)]), group(TWO, &[entry(2, 0, 5)])]),
            b"hello",
        )
    }),
    good("index_removal_with_bytes_that_does_not_count", "R-GONE-02", || {
        let newer = group(TWO, &[entry(1, 0, 5)]);
        file(&index(&[newer, gone(TWO, &[entry(1, 0, 5)])]), b"hello")
    }),
    good("index_encoding_gone_of_other_case_removes_nothing", "R-GONE-01, R-ENC-01", || {
        file(&index(&[Group { encoding: *b"GONE", ..group(ONE, &[entry(1, 0, 5)]) }]), b"hello")
    }),
    bad("index_removal_with_bytes", "error corrupt entry at 0x80", "R-GONE-02", || {
        file(&index(&[gone(ONE, &[entry(1, 0, 0), entry(2, 0, 1)])]), b"hello")
    }),
    bad("index_removal_with_as_many_bytes_as_possible", ENTRY_0, "R-GONE-02", || {
        file(&index(&[gone(ONE, &[entry(1, 0, u32::MAX)])]), b"hello")
    }),
    bad("index_removal_wraps", ENTRY_0, "R-GONE-01, R-ENT-01", || {
        file(&index(&[gone(u64::MAX, &[entry(1, 1, 0)])]), b"hello")
    }),
    // Cases of encodings.
    good("index_unknown_encoding_is_listed", "R-ENC-01, R-PKG-08", || {
        let unknown = Group { encoding: *b"zst\0", ..group(TWO, &[entry(1, 0, 2)]) };
        file(&index(&[unknown, group(TWO, &[entry(2, 2, 3)])]), b"hello")
    }),
    good("index_encoding_of_other_case_is_another", "R-ENC-01", || {
        file(&index(&[Group { encoding: *b"NONE", ..group(ONE, &[entry(1, 0, 5)]) }]), b"hello")
    }),
    good("index_brotli", "R-ENC-03, R-PKG-08", || {
        let streams = [QUESTION.to_vec(), brotli_stored(b"hello"), brotli_stored(b""), vec![0x3b]];
        let mut entries = Vec::new();
        let mut stored = Vec::new();
        for (i, stream) in streams.iter().enumerate() {
            entries.push(entry(i as u32, stored.len() as u32, stream.len() as u32));
            stored.extend(stream);
        }
        let plain = Group { encoding: NONE, ..group(TWO, &[entry(9, 0, 2)]) };
        file(&index(&[Group { encoding: BROT, ..group(TWO, &entries) }, plain]), &stored)
    }),
    good("index_brotli_as_long_as_the_cap", "R-ENC-05", || brotli(AT_CAP)),
    bad(
        "index_brotli_one_byte_past_the_cap",
        "error limit brotli stream at 0x1850",
        "R-ENC-05",
        || brotli(PAST_CAP),
    ),
    bad("index_brotli_bomb", "error limit brotli stream at 0x1850", "R-ENC-05", || brotli(BOMB)),
    bad("index_brotli_garbage", "error corrupt brotli stream at 0x1850", "R-ENC-03", || {
        brotli(b"\xff\xff\xff\xff garbage")
    }),
    bad("index_brotli_large_window", "error corrupt brotli stream at 0x1850", "R-ENC-03", || {
        // These bytes start a stream of Brotli's extension for windows of up to 1 GiB. RFC 7932
        // does not define this extension.
        brotli(&[&[0x11, 0x1e][..], b"\x03\x03\x03"].concat())
    }),
    bad("index_brotli_trailing_byte", "error corrupt brotli stream at 0x1850", "R-ENC-03", || {
        brotli(&[QUESTION, b"\0"].concat())
    }),
    bad("index_brotli_two_streams", "error corrupt brotli stream at 0x1850", "R-ENC-03", || {
        brotli(&[QUESTION, QUESTION].concat())
    }),
    bad("index_brotli_of_no_bytes", "error truncated brotli stream at 0x1850", "R-ENC-04", || {
        brotli(b"")
    }),
    bad(
        "index_brotli_cut_in_first_byte",
        "error truncated brotli stream at 0x1850",
        "R-ENC-04",
        || brotli(&QUESTION[..1]),
    ),
    bad(
        "index_brotli_cut_in_the_middle",
        "error truncated brotli stream at 0x1850",
        "R-ENC-04",
        || brotli(&QUESTION[..QUESTION.len() / 2]),
    ),
    bad(
        "index_brotli_cut_before_last_byte",
        "error truncated brotli stream at 0x1850",
        "R-ENC-04",
        || {
            let stream = brotli_stored(b"hello");
            brotli(&stream[..stream.len() - 1])
        },
    ),
    good("index_in_an_extension_table", "R-IDX-01, R-EXT-03", || {
        let mut out = head(PACKAGE, 0, 1);
        let first = Component { minor: 7, ..component(small(5), 0, 0) };
        let extension = ONE + 5;
        let components = vec![first];
        out.extend(table(&Table { extension, components, ..Table::default() }));
        out.extend(index(&[group(ONE, &[entry(1, 0, 5)])]));
        out.extend(b"hello");
        let named = component(INDEX, 80, 8 + GROUP as u32);
        place(
            &mut out,
            extension as usize,
            &table(&Table { components: vec![named], ..Table::default() }),
        );
        out
    }),
    // The same faults as in cases above, with other values or at other positions.
    bad("index_of_four_bytes", "error corrupt index header at 0x50", "R-IDX-03", || {
        sized(4, &[0; 99])
    }),
    bad(
        "index_version_of_the_other_byte_order",
        "error unsupported index header at 0x50",
        "R-IDX-04",
        || file(&index_with(1 << 24, 1, &[group(ONE, &[])]), b""),
    ),
    bad("index_groups_1_of_no_room", "error corrupt index header at 0x50", "R-IDX-05", || {
        file(&index_with(0, 1, &[]), b"")
    }),
    bad(
        "index_region_past_the_file",
        "error truncated component region at 0x50",
        "R-REG-02",
        || sized(u32::MAX, &index(&[])),
    ),
    bad(
        "index_last_entry_of_a_full_group_outside",
        "error truncated stored region at 0x1854",
        "R-ENT-02",
        || {
            let mut entries: Vec<_> = (0..255).map(|i| entry(i, 0, 1)).collect();
            (entries[254].offset, entries[254].size) = (4, 2);
            file(&index(&[group(ONE, &entries)]), b"hello")
        },
    ),
    bad(
        "index_entry_of_the_second_group_wraps",
        "error corrupt entry at 0x1860",
        "R-ENT-01",
        || {
            let far = group(u64::MAX - 3, &[entry(2, 4, 1)]);
            file(&index(&[group(TWO, &[entry(1, 0, 5)]), far]), b"hello")
        },
    ),
    bad(
        "index_newest_entry_is_bad",
        "error truncated stored region at 0x304d",
        "R-ORD-01, R-ENT-02",
        || {
            let newest = group(TWO, &[entry(1, 0, 5), entry(1, 5, 1)]);
            file(&index(&[newest, group(TWO, &[entry(1, 0, 5)])]), b"hello")
        },
    ),
    bad("index_brotli_region_cut", "error truncated stored region at 0x1850", "R-ENT-02", || {
        let whole = brotli(QUESTION);
        let len = whole.len() as u64 - 1;
        cut(whole, len)
    }),
    bad("index_brotli_plain_text", "error corrupt brotli stream at 0x1850", "R-ENC-03", || {
        brotli(b"This was never compressed, whatever the group says.")
    }),
    bad(
        "index_brotli_empty_with_trailing_byte",
        "error corrupt brotli stream at 0x1850",
        "R-ENC-03",
        || brotli(&[0x06, 0x00]),
    ),
    bad("index_brotli_bomb_cut", "error limit brotli stream at 0x1850", "R-ENC-05", || {
        brotli(&BOMB[..BOMB.len() / 2])
    }),
];
