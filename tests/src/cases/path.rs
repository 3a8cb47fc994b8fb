//! Fixtures of path look-ups. They show to which region a path leads: by its hash, or by the names
//! list.

use super::{Case, good};
use crate::reference::{
    Component, Entry, GROUP, Group, INDEX, Id, Link, NAMES, Name, PACKAGE, Table, component, head,
    index, names, path_id, small, table,
};

fn named(path: &str, id: Id) -> Name {
    Name { id, length: 1, path: path.as_bytes().to_vec() }
}

/// Returns a package. It has a region of one byte for each id, this names list, and a names
/// component if `flags` is given.
fn package(flags: Option<Component>, ids: &[Id], list: &[u8]) -> Vec<u8> {
    let others: Vec<_> = flags.into_iter().collect();
    let index_at = 52 + 28 * (1 + others.len() as u64);
    let base = index_at + 8 + GROUP;
    let size = list.len() as u32;
    let mut entries = vec![Entry { id: NAMES, offset: 0, size }];
    entries.extend((size..).zip(ids).map(|(offset, id)| Entry { id: *id, offset, size: 1 }));
    let mut components = vec![component(INDEX, index_at as u32, 8 + GROUP as u32)];
    components.extend(others);
    let mut out = head(PACKAGE, 0, 1);
    out.extend(table(&Table { components, ..Table::default() }));
    out.extend(index(&[Group { base, entries, ..Group::default() }]));
    out.extend(list);
    out.extend(vec![b'1'; ids.len()]);
    out
}

const CLEAR: Option<Component> = Some(component(NAMES, 0, 0));
const SET: Option<Component> = Some(component(NAMES, 1, 0));

/// Returns a names list with three paths. `a` has the explicit id 9, `b` has its hashed id, and `c`
/// has an id without a region.
fn list() -> Vec<u8> {
    names(Link::default(), &[named("a", small(9)), named("b", [0; 16]), named("c", small(8))])
}

/// Bytes that all readers refuse as a names list.
const BROKEN: &[u8] = b"not a names list, although it is long enough";

/// Returns the ids of four regions: the hashed ids of `a`, `b` and `c`, and the id 9.
fn all() -> Vec<Id> {
    vec![path_id("a"), path_id("b"), path_id("c"), small(9)]
}

pub(super) const CASES: &[Case] = &[
    good("path_hashed_although_the_list_has_another_id", "R-PKG-04", || {
        package(CLEAR, &all(), &list())
    }),
    good("path_hashed_and_missing_although_the_list_has_an_id", "R-PKG-04", || {
        package(CLEAR, &[path_id("b"), small(9)], &list())
    }),
    good("path_hashed_without_reading_a_broken_list", "R-PKG-04", || {
        package(CLEAR, &all(), BROKEN)
    }),
    good("path_hashed_whatever_the_reserved_flags", "R-PKG-04", || {
        package(Some(component(NAMES, 0xffff_fffe, u32::MAX)), &all(), &list())
    }),
    good("path_by_the_list_before_the_hash", "R-PKG-05", || package(SET, &all(), &list())),
    good("path_by_the_list_to_a_missing_region", "R-PKG-05", || {
        package(SET, &[path_id("a"), path_id("c")], &list())
    }),
    good("path_hashed_if_the_list_does_not_have_it", "R-PKG-05", || {
        package(SET, &all(), &names(Link::default(), &[named("a", small(9))]))
    }),
    good("path_by_a_broken_list", "R-PKG-05, R-NAME-02", || package(SET, &all(), BROKEN)),
    good("path_hashed_first_without_the_component", "R-PKG-06", || package(None, &all(), &list())),
    good("path_by_the_list_on_a_miss_without_the_component", "R-PKG-06", || {
        package(None, &[path_id("b"), small(9)], &list())
    }),
    good("path_on_a_miss_by_a_broken_list_without_the_component", "R-PKG-06", || {
        package(None, &[path_id("b")], BROKEN)
    }),
    good("path_with_a_component_of_version_0_2", "R-PKG-06, R-VER-02", || {
        let newer = Component { minor: 2, ..component(NAMES, 0, 0) };
        package(Some(newer), &[path_id("b"), small(9)], &list())
    }),
    good("path_with_a_component_of_version_1_1", "R-PKG-06, R-VER-02", || {
        let newer = Component { major: 1, ..component(NAMES, 0, 0) };
        package(Some(newer), &[path_id("b"), small(9)], &list())
    }),
    good("path_without_component_and_list", "R-PKG-06", || {
        let mut out = package(None, &[path_id("b")], b"");
        // Removes the entry of the names list, which is the first entry. The second entry, of `b`,
        // moves to its place. The length of the only group becomes 1.
        let (group, entry) = (80 + 8, 80 + 8 + 16);
        let second = out[entry + 24..entry + 48].to_vec();
        out[entry..entry + 24].copy_from_slice(&second);
        out[group + 12] = 1;
        out
    }),
];
