//! Fixtures of formats: versions, required components, and the order of the checks.

use super::{Case, bad, good};
use crate::expect::FORMAT;
use crate::reference::{Component, Id, Table, head, id, table};

const FIRST: Id = FORMAT.requires[0].id;
const SECOND: Id = FORMAT.requires[1].id;
const ANOTHER: Id = id("5f0f7929-7577-4be5-8bb5-4a63199b6722");

const OTHER_FORMAT: &str = "error unsupported format header at 0x8";
const OTHER_VERSION: &str = "error unsupported format header at 0x18";
const MISSING: &str = "error unsupported component at 0x1c";
/// The faults at the first entry of the first table (`AT_FIRST`) and at the second one
/// (`AT_SECOND`).
const AT_FIRST: &str = "error unsupported component at 0x34";
const AT_SECOND: &str = "error unsupported component at 0x50";

const fn of(id: Id, major: u16, minor: u16) -> Component {
    Component { id, major, minor, offset: 0, size: 0 }
}

fn file(format: Id, version: (u16, u16), components: &[Component]) -> Vec<u8> {
    let mut out = head(format, version.0, version.1);
    out.extend(table(&Table { components: components.to_vec(), ..Table::default() }));
    out
}

/// Returns a file of this version that has all required components.
fn version(major: u16, minor: u16) -> Vec<u8> {
    file(FORMAT.needed.id, (major, minor), &[of(FIRST, 1, 2), of(SECOND, 0, 1)])
}

/// Returns a file of the required version that has these components.
fn components(components: &[Component]) -> Vec<u8> {
    file(FORMAT.needed.id, (2, 3), components)
}

/// Returns a file whose second table overlaps its first table.
fn with_bad_table(format: Id, version: (u16, u16)) -> Vec<u8> {
    let mut out = head(format, version.0, version.1);
    let components = vec![of(FIRST, 1, 2), of(SECOND, 0, 1)];
    out.extend(table(&Table { extension: 30, components, ..Table::default() }));
    out
}

pub(super) const CASES: &[Case] = &[
    good("format_of_the_version", "R-VER-01, R-VER-03", || version(2, 3)),
    good("format_of_the_next_minor", "R-VER-01, R-VER-03", || version(2, 4)),
    good("format_of_the_last_minor", "R-VER-01, R-VER-03", || version(2, u16::MAX)),
    bad("format_of_an_earlier_minor", OTHER_VERSION, "R-VER-01, R-VER-03", || version(2, 2)),
    bad("format_of_minor_0", OTHER_VERSION, "R-VER-01, R-VER-03", || version(2, 0)),
    bad("format_of_the_next_major", OTHER_VERSION, "R-VER-01, R-VER-03", || version(3, 3)),
    bad("format_of_an_earlier_major", OTHER_VERSION, "R-VER-01, R-VER-03", || version(1, 3)),
    bad("format_of_major_0", OTHER_VERSION, "R-VER-01, R-VER-03", || version(0, 3)),
    bad("format_of_a_version_in_wrong_order", OTHER_VERSION, "R-VER-03, R-FMT-01", || {
        version(3, 2)
    }),
    bad("format_of_another_uuid", OTHER_FORMAT, "R-FMT-03", || {
        file(ANOTHER, (2, 3), &[of(FIRST, 1, 2), of(SECOND, 0, 1)])
    }),
    // Cases of files with several faults. They show the order of the checks: the UUID, the version,
    // the tables, the components.
    bad("format_of_another_uuid_and_version", OTHER_FORMAT, "R-FMT-03, R-VER-03", || {
        file(ANOTHER, (9, 9), &[])
    }),
    bad("format_of_another_uuid_with_a_bad_table", OTHER_FORMAT, "R-FMT-03, R-TBL-09", || {
        with_bad_table(ANOTHER, (2, 3))
    }),
    bad("format_of_another_version_with_a_bad_table", OTHER_VERSION, "R-VER-03, R-TBL-09", || {
        with_bad_table(FORMAT.needed.id, (2, 2))
    }),
    bad(
        "format_with_a_bad_table",
        "error corrupt table header at 0x1e",
        "R-EXT-07, R-TBL-09",
        || with_bad_table(FORMAT.needed.id, (2, 3)),
    ),
    bad(
        "format_without_a_component_and_with_a_cut_table",
        "error truncated table entries at 0x34",
        "R-VER-04, R-TBL-09",
        || {
            let mut out = components(&[of(SECOND, 0, 1)]);
            out.pop();
            out
        },
    ),
    bad("format_cut_after_its_uuid", "error truncated format header at 0x8", "R-FMT-04", || {
        version(2, 3)[..24].to_vec()
    }),
    bad(
        "format_of_another_uuid_cut_after_it",
        "error truncated format header at 0x8",
        "R-FMT-04",
        || file(ANOTHER, (2, 3), &[])[..24].to_vec(),
    ),
    // Cases of required components.
    good("format_with_a_later_minor_of_a_component", "R-VER-01, R-VER-04", || {
        components(&[of(FIRST, 1, 7), of(SECOND, 0, 1)])
    }),
    good("format_with_a_listed_minor_of_major_0", "R-VER-02, R-VER-04", || {
        components(&[of(FIRST, 1, 2), of(SECOND, 0, 3)])
    }),
    good("format_with_another_major_before_the_right_one", "R-VER-04, R-DUP-02", || {
        components(&[of(FIRST, 2, 9), of(SECOND, 1, 1), of(FIRST, 1, 2), of(SECOND, 0, 1)])
    }),
    bad("format_without_components", MISSING, "R-VER-04", || components(&[])),
    bad("format_without_the_first_component", MISSING, "R-VER-04", || {
        components(&[of(SECOND, 0, 1)])
    }),
    bad("format_without_the_second_component", MISSING, "R-VER-04", || {
        components(&[of(FIRST, 1, 2)])
    }),
    bad("format_with_an_earlier_minor_of_a_component", AT_FIRST, "R-VER-01, R-VER-04", || {
        components(&[of(FIRST, 1, 1), of(SECOND, 0, 1)])
    }),
    bad("format_with_the_next_major_of_a_component", AT_FIRST, "R-VER-01, R-VER-04", || {
        components(&[of(FIRST, 2, 2), of(SECOND, 0, 1)])
    }),
    bad("format_with_major_0_of_a_component", AT_FIRST, "R-VER-01, R-VER-04", || {
        components(&[of(FIRST, 0, 2), of(SECOND, 0, 1)])
    }),
    bad(
        "format_with_a_minor_of_major_0_that_is_not_listed",
        AT_SECOND,
        "R-VER-02, R-VER-04",
        || components(&[of(FIRST, 1, 2), of(SECOND, 0, 2)]),
    ),
    bad("format_with_a_later_minor_of_major_0", AT_SECOND, "R-VER-02, R-VER-04", || {
        components(&[of(FIRST, 1, 2), of(SECOND, 0, 4)])
    }),
    bad("format_with_two_faulty_components", MISSING, "R-VER-04", || {
        // The first required component is missing, and the second one has a wrong version. The
        // reader reports the first requirement.
        components(&[of(SECOND, 0, 2)])
    }),
    bad("format_with_the_right_minor_as_a_duplicate", AT_FIRST, "R-VER-04, R-DUP-01", || {
        components(&[of(FIRST, 1, 1), of(FIRST, 1, 2), of(SECOND, 0, 1)])
    }),
];
