//! Fixtures of the container. A reader of these files follows the chain of tables, and then takes
//! the region of each component.

use super::{Case, bad, good};
use crate::reference::{
    Component, INDEX, PACKAGE, Table, component, head, id, place, small, table,
};

const TEXT: [u8; 16] = id("37cb72a4-caab-440c-8b7c-869019ed348e");

/// Returns the preamble and the first table of a package of version 0.0.
fn file(first: &Table) -> Vec<u8> {
    let mut out = head(PACKAGE, 0, 0);
    out.extend(table(first));
    out
}

fn with(components: &[Component]) -> Table {
    Table { components: components.to_vec(), ..Table::default() }
}

/// Returns the first file that was published, which has 80 bytes.
fn published() -> Vec<u8> {
    file(&with(&[Component { id: INDEX, major: 0, minor: 0, offset: 0, size: 0 }]))
}

/// Returns a file with a text component. Its region has five bytes, and follows the table.
fn hello() -> Vec<u8> {
    let mut out = file(&with(&[component(TEXT, 80, 5)]));
    out.extend(b"hello");
    out
}

/// Returns the file of `hello` with another region.
fn hello_at(base: u64, offset: u32, size: u32) -> Vec<u8> {
    let mut out =
        file(&Table { base, components: vec![component(TEXT, offset, size)], ..Table::default() });
    out.extend(b"hello");
    out
}

/// Returns a file of 52 bytes. Its first table is empty, and has this extension offset.
fn extends_to(extension: u64) -> Vec<u8> {
    file(&Table { extension, ..Table::default() })
}

/// Returns a file with a chain of `count` tables, all without components.
fn chain(count: u64) -> Vec<u8> {
    let mut out = head(PACKAGE, 0, 0);
    for i in 1..=count {
        let extension = if i < count { 28 + 24 * i } else { 0 };
        out.extend(table(&Table { extension, ..Table::default() }));
    }
    out
}

/// Returns `count` components with empty regions. Their ids count up from `first`.
fn many(first: u32, count: u32) -> Vec<Component> {
    (first..first + count).map(|i| component(small(i), 0, 0)).collect()
}

/// Returns a file whose first table has one component, but this count.
fn counts(count: u32) -> Vec<u8> {
    file(&Table { count: Some(count), ..with(&[component(TEXT, 0, 0)]) })
}

/// Returns a file with three tables. The second one has four components and starts at 0x100. The
/// third one starts at `third_at`.
fn three(third_at: usize, third: &Table) -> Vec<u8> {
    let mut out = file(&Table { extension: 0x100, ..with(&[component(small(1), 0, 0)]) });
    let second = Table { extension: third_at as u64, ..with(&many(2, 4)) };
    place(&mut out, 0x100, &table(&second));
    // The third table may overlap earlier bytes. The earlier bytes are kept.
    let kept = out.clone();
    place(&mut out, third_at, &table(third));
    out[0x100..kept.len()].copy_from_slice(&kept[0x100..]);
    out
}

fn cut(mut file: Vec<u8>, len: usize) -> Vec<u8> {
    file.truncate(len);
    file
}

fn patched(mut file: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    file[at] = byte;
    file
}

pub(super) const CASES: &[Case] = &[
    // Cases of the signature and the format header.
    good("container_published_80_bytes", "R-FMT-01, R-FMT-02, R-REG-04, R-EMIT-06", published),
    bad("container_of_no_bytes", "error truncated signature at 0x0", "R-FMT-04", Vec::new),
    bad("container_cut_in_signature", "error truncated signature at 0x0", "R-FMT-04", || {
        cut(published(), 7)
    }),
    bad(
        "container_cut_after_signature",
        "error truncated format header at 0x8",
        "R-FMT-04",
        || cut(published(), 8),
    ),
    bad(
        "container_cut_in_format_header",
        "error truncated format header at 0x8",
        "R-FMT-04",
        || cut(published(), 27),
    ),
    bad("container_is_text", "error corrupt signature at 0x0", "R-SIG-01", || {
        b"daicon0 but without its first byte".to_vec()
    }),
    bad(
        "container_signature_first_byte_wrong",
        "error corrupt signature at 0x0",
        "R-SIG-01",
        || patched(published(), 0, 0xfe),
    ),
    bad(
        "container_signature_seventh_byte_wrong",
        "error corrupt signature at 0x0",
        "R-SIG-01",
        || patched(published(), 6, b'm'),
    ),
    bad("container_of_next_generation", "error unsupported signature at 0x0", "R-SIG-02", || {
        patched(published(), 7, b'1')
    }),
    bad(
        "container_signature_last_byte_is_a_slash",
        "error unsupported signature at 0x0",
        "R-SIG-02",
        || patched(published(), 7, b'/'),
    ),
    // Cases of tables.
    good("container_without_components", "R-TBL-01, R-EXT-01", || file(&Table::default())),
    bad("container_cut_before_table", "error truncated table header at 0x1c", "R-TBL-02", || {
        cut(published(), 28)
    }),
    bad(
        "container_cut_in_table_header",
        "error truncated table header at 0x1c",
        "R-TBL-02",
        || cut(published(), 51),
    ),
    bad("container_cut_before_entry", "error truncated table entries at 0x34", "R-TBL-03", || {
        cut(published(), 52)
    }),
    bad("container_cut_in_entry", "error truncated table entries at 0x34", "R-TBL-03", || {
        cut(published(), 79)
    }),
    bad(
        "container_count_one_too_many",
        "error truncated table entries at 0x34",
        "R-TBL-03",
        || counts(2),
    ),
    bad("container_count_256_of_one", "error truncated table entries at 0x34", "R-TBL-03", || {
        counts(256)
    }),
    good("container_count_below_slots", "R-TBL-05", || {
        let components = vec![component(TEXT, 28, 4), component(INDEX, 0, 4)];
        file(&Table { count: Some(1), slots: 4, components, ..Table::default() })
    }),
    good("container_count_zero_before_garbage", "R-TBL-01, R-TBL-05", || {
        let mut out = file(&Table { count: Some(0), ..with(&[component(TEXT, 0, 1)]) });
        out.extend([0xff; 100]);
        out
    }),
    good("container_reserved_not_zero", "R-TBL-04", || {
        file(&Table { reserved: 0xffff_ffff, ..with(&[component(TEXT, 0, 8)]) })
    }),
    good("container_of_256_components", "R-TBL-08, R-TBL-06", || file(&with(&many(1, 256)))),
    bad("container_of_257_components", "error limit table entries at 0x34", "R-TBL-08", || {
        file(&with(&many(1, 257)))
    }),
    bad(
        "container_count_maximal",
        "error limit table entries at 0x34",
        "R-TBL-08, R-TBL-09",
        || counts(u32::MAX),
    ),
    bad(
        "container_count_one_below_maximal",
        "error limit table entries at 0x34",
        "R-TBL-08",
        || counts(u32::MAX - 1),
    ),
    bad(
        "container_count_that_wraps_to_one_entry",
        "error limit table entries at 0x34",
        "R-TBL-08",
        // 28 × count is 28 modulo 2^32. A reader that multiplies with 32 bits would see one
        // component.
        || counts(0x4000_0001),
    ),
    bad(
        "container_duplicates_pass_the_limit",
        "error limit table entries at 0x418",
        "R-TBL-08",
        || {
            let mut out = file(&Table { extension: 0x400, ..with(&many(1, 30)) });
            let again = vec![component(TEXT, 0, 0); 227];
            place(&mut out, 0x400, &table(&with(&again)));
            out
        },
    ),
    good("container_of_64_tables", "R-TBL-07", || chain(64)),
    bad("container_of_65_tables", "error limit table header at 0x61c", "R-TBL-07", || chain(65)),
    // Cases of extension offsets.
    good("container_extension_backwards_and_unaligned", "R-EXT-01, R-EXT-08, R-REG-01", || {
        let mut out = file(&Table { extension: 0x111, ..with(&[component(TEXT, 8, 4)]) });
        let third = Table { base: 0x20, ..with(&[component(small(9), 4, 4)]) };
        place(&mut out, 0x51, &table(&third));
        let second =
            Table { base: 0x10, extension: 0x51, ..with(&[component(INDEX, 0x100, 0x20)]) };
        place(&mut out, 0x111, &table(&second));
        out
    }),
    good("container_extension_points_at_itself", "R-EXT-04, R-EXT-05", || {
        file(&Table { extension: 28, ..with(&[component(TEXT, 0, 8)]) })
    }),
    good("container_third_table_points_at_second", "R-EXT-04", || {
        three(0x1c0, &Table { extension: 0x100, ..with(&many(7, 1)) })
    }),
    bad("container_extension_1", "error corrupt table header at 0x1", "R-EXT-06, R-TBL-09", || {
        extends_to(1)
    }),
    bad("container_extension_4", "error corrupt table header at 0x4", "R-EXT-06", || extends_to(4)),
    bad("container_extension_27", "error corrupt table header at 0x1b", "R-EXT-06", || {
        extends_to(27)
    }),
    bad(
        "container_extension_into_its_header",
        "error corrupt table header at 0x1d",
        "R-EXT-07",
        || {
            let mut out = extends_to(29);
            out.resize(200, 0);
            out
        },
    ),
    bad(
        "container_extension_into_its_entries",
        "error corrupt table header at 0x34",
        "R-EXT-07",
        || file(&Table { extension: 0x34, ..with(&many(0, 2)) }),
    ),
    bad(
        "container_tables_overlap_by_one_byte",
        "error corrupt table header at 0xe9",
        "R-EXT-07",
        || three(0xe9, &Table::default()),
    ),
    bad("container_table_around_a_table", "error corrupt table header at 0xc0", "R-EXT-07", || {
        three(0xc0, &with(&many(7, 8)))
    }),
    good("container_tables_touch", "R-EXT-07, R-EXT-08", || three(0xe8, &Table::default())),
    bad(
        "container_extension_at_the_end",
        "error truncated table header at 0x34",
        "R-TBL-02",
        || extends_to(52),
    ),
    bad(
        "container_extension_past_the_end",
        "error truncated table header at 0x35",
        "R-TBL-02",
        || extends_to(53),
    ),
    bad("container_extension_cut", "error truncated table header at 0x34", "R-TBL-02", || {
        let mut out = extends_to(52);
        out.extend([0; 23]);
        out
    }),
    bad(
        "container_extension_last_that_fits_64_bits",
        "error truncated table header at 0xffffffffffffffe7",
        "R-TBL-02",
        || extends_to(u64::MAX - 24),
    ),
    bad(
        "container_extension_maximal",
        "error truncated table header at 0xffffffffffffffff",
        "R-TBL-02",
        || extends_to(u64::MAX),
    ),
    bad(
        "container_extension_whose_header_wraps",
        "error truncated table header at 0xffffffffffffffe8",
        "R-TBL-02",
        || extends_to(u64::MAX - 23),
    ),
    // Cases of duplicate components.
    good("container_duplicates_along_the_chain", "R-DUP-01, R-DUP-02, R-DUP-03, R-DUP-05", || {
        let first = Component { id: TEXT, major: 1, minor: 1, offset: 1, size: 1 };
        let newer = Component { minor: 9, offset: 2, ..first };
        let other = Component { major: 2, minor: 0, offset: 3, ..first };
        let mut out = file(&Table { extension: 0x100, ..with(&[first, other, newer]) });
        let again = Component { offset: 4, ..other };
        let extension = Table { base: 0x10, ..with(&[again, newer, component(INDEX, 5, 1)]) };
        place(&mut out, 0x100, &table(&extension));
        out
    }),
    // Cases of component regions.
    good("container_region_ends_with_the_file", "R-REG-01, R-REG-02", hello),
    good("container_regions_overlap_each_other_and_the_head", "R-REG-05", || {
        let mut all = many(1, 3);
        (all[0].offset, all[0].size) = (0, 136);
        (all[1].offset, all[1].size) = (20, 40);
        (all[2].offset, all[2].size) = (59, 77);
        file(&with(&all))
    }),
    good("container_empty_region_far_outside", "R-REG-04", || hello_at(1 << 60, u32::MAX, 0)),
    good("container_empty_region_at_the_last_position", "R-REG-04", || {
        hello_at(u64::MAX - 5, 5, 0)
    }),
    bad(
        "container_region_one_byte_too_long",
        "error truncated component region at 0x50",
        "R-REG-02",
        || hello_at(0, 80, 6),
    ),
    bad(
        "container_region_at_the_end",
        "error truncated component region at 0x55",
        "R-REG-02",
        || hello_at(0x55, 0, 1),
    ),
    bad("container_region_cut", "error truncated component region at 0x50", "R-REG-02", || {
        cut(hello(), 84)
    }),
    bad(
        "container_region_of_maximal_offset_and_size",
        "error truncated component region at 0xffffffff",
        "R-REG-02",
        || hello_at(0, u32::MAX, u32::MAX),
    ),
    bad(
        "container_region_start_wraps",
        "error corrupt component region at 0x34",
        "R-REG-01",
        || hello_at(u64::MAX - 79, 80, 5),
    ),
    bad(
        "container_empty_region_start_wraps",
        "error corrupt component region at 0x34",
        "R-REG-01, R-REG-04",
        || hello_at(u64::MAX, 1, 0),
    ),
    bad("container_region_end_wraps", "error corrupt component region at 0x34", "R-REG-01", || {
        hello_at(u64::MAX - 83, 80, 5)
    }),
    // The same faults as in cases above, with other values or at other positions.
    bad("container_of_one_byte", "error truncated signature at 0x0", "R-FMT-04", || vec![0xff]),
    bad(
        "container_signature_second_byte_wrong",
        "error corrupt signature at 0x0",
        "R-SIG-01",
        || patched(published(), 1, b'D'),
    ),
    bad("container_signature_backwards", "error corrupt signature at 0x0", "R-SIG-01", || {
        let mut out = published();
        out[..8].reverse();
        out
    }),
    bad(
        "container_signature_last_byte_zero",
        "error unsupported signature at 0x0",
        "R-SIG-02",
        || patched(published(), 7, 0),
    ),
    bad(
        "container_cut_in_format_version",
        "error truncated format header at 0x8",
        "R-FMT-04",
        || cut(published(), 25),
    ),
    bad("container_cut_in_count", "error truncated table header at 0x1c", "R-TBL-02", || {
        cut(published(), 50)
    }),
    bad("container_extension_8", "error corrupt table header at 0x8", "R-EXT-06", || extends_to(8)),
    bad("container_extension_24", "error corrupt table header at 0x18", "R-EXT-06", || {
        extends_to(24)
    }),
    bad(
        "container_extension_at_its_end_less_one",
        "error corrupt table header at 0x33",
        "R-EXT-07",
        || {
            let mut out = extends_to(51);
            out.resize(100, 0);
            out
        },
    ),
    bad(
        "container_extension_2_to_the_32",
        "error truncated table header at 0x100000000",
        "R-TBL-02",
        || extends_to(1 << 32),
    ),
    bad(
        "container_third_table_in_the_head",
        "error corrupt table header at 0x14",
        "R-EXT-06",
        || {
            let mut out = three(0x200, &Table::default());
            out[0x108] = 0x14;
            out[0x109] = 0;
            out
        },
    ),
    bad("container_third_table_cut", "error truncated table entries at 0x218", "R-TBL-03", || {
        let whole = three(0x200, &with(&many(9, 2)));
        let len = whole.len() - 1;
        cut(whole, len)
    }),
    bad(
        "container_third_table_of_too_many",
        "error limit table entries at 0x218",
        "R-TBL-08",
        || three(0x200, &Table { count: Some(252), ..with(&many(9, 2)) }),
    ),
    bad(
        "container_region_of_one_byte_far_outside",
        "error truncated component region at 0xffffffff",
        "R-REG-02",
        || hello_at(0, u32::MAX, 1),
    ),
    bad(
        "container_region_base_past_the_file",
        "error truncated component region at 0x100000000",
        "R-REG-02",
        || hello_at(1 << 32, 0, 5),
    ),
    bad(
        "container_second_region_outside",
        "error truncated component region at 0x6c",
        "R-REG-02",
        || file(&with(&[component(TEXT, 0, 108), component(INDEX, 108, 1)])),
    ),
];
