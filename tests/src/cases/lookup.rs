//! Fixtures of the lookup component: its region, and the results of searches with its fences.
//!
//! All regions are empty, so a search reads only the index and the lookup region.

use super::{Case, bad, good};
use crate::reference::{
    Component, Entry, GROUP, Group, INDEX, Id, LOOKUP, PACKAGE, Table, component, delta, head, id,
    index, table,
};

/// The start of the index in every file.
const INDEX_AT: u64 = 108;

/// Returns the id whose first eight bytes are `fence`, and whose other bytes are `rest`.
const fn of(fence: u64, rest: u64) -> Id {
    ((fence as u128) << 64 | rest as u128).to_be_bytes()
}

/// A run to write.
struct Run<'g> {
    groups: &'g [&'g [Id]],
    stride: u32,
}

fn group(ids: &[Id]) -> Group {
    let entries = ids.iter().map(|id| Entry { id: *id, offset: 0, size: 0 }).collect();
    Group { entries, ..Group::default() }
}

/// Returns the lookup region of these runs. `deltas` is the number of delta groups before the runs.
fn region(index_at: u64, deltas: u32, runs: &[Run<'_>]) -> Vec<u8> {
    let mut out = [[0; 4], (runs.len() as u32).to_le_bytes()].concat();
    out.extend(index_at.to_le_bytes());
    let mut first = deltas;
    for run in runs {
        let groups = run.groups.len() as u32;
        for field in [first, groups, run.stride, groups.div_ceil(run.stride)] {
            out.extend(field.to_le_bytes());
        }
        first += groups;
    }
    for run in runs {
        for ids in run.groups.iter().step_by(run.stride as usize) {
            out.extend(&ids[0][..8]);
        }
    }
    out
}

/// Returns a file with delta groups and runs. `change` can alter the lookup region, which follows
/// the index.
fn file(deltas: &[&[Id]], runs: &[Run<'_>], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let empty = |ids: &&[Id]| if ids.is_empty() { delta() } else { group(ids) };
    let mut groups: Vec<_> = deltas.iter().map(empty).collect();
    groups.extend(runs.iter().flat_map(|run| run.groups.iter().map(|ids| group(ids))));
    let mut lookup = region(INDEX_AT, deltas.len() as u32, runs);
    change(&mut lookup);
    let index_len = 8 + GROUP * groups.len() as u64;
    let named = component(LOOKUP, (INDEX_AT + index_len) as u32, lookup.len() as u32);
    with(named, index_len, &[index(&groups), lookup].concat())
}

/// Returns a file with an index and one other component. `bytes` has the regions of both, which
/// start at 108.
fn with(named: Component, index_len: u64, bytes: &[u8]) -> Vec<u8> {
    let components = vec![component(INDEX, INDEX_AT as u32, index_len as u32), named];
    let mut out = head(PACKAGE, 0, 1);
    out.extend(table(&Table { components, ..Table::default() }));
    out.extend(bytes);
    out
}

const A: &[Id] = &[of(10, 0), of(12, 0)];
const B: &[Id] = &[of(20, 0), of(25, 7)];
const C: &[Id] = &[of(30, 0), of(30, 9), of(35, 0)];

/// Returns a file with one run of three groups and a fence for each group. The lookup region
/// follows the index, and starts at 18,524 = 0x485c.
fn three(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    file(&[], &[Run { groups: &[A, B, C], stride: 1 }], change)
}

/// Returns a file with one delta group and two runs of one group each. The lookup region follows
/// the index, and starts at 18,524.
fn two_runs(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let newer = Run { groups: &[&[of(20, 0), of(40, 0)]], stride: 1 };
    let older = Run { groups: &[A], stride: 1 };
    file(&[&[of(12, 0), of(1, 1), of(12, 0)]], &[newer, older], change)
}

fn patch(region: &mut [u8], at: usize, value: u32) {
    region[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Returns a file with one run. One of its blocks contradicts these fences.
fn contradicted(groups: &[&[Id]], fences: &[u64]) -> Vec<u8> {
    file(&[], &[Run { groups, stride: 1 }], |region| {
        for (i, fence) in fences.iter().enumerate() {
            region[32 + 8 * i..40 + 8 * i].copy_from_slice(&fence.to_be_bytes());
        }
    })
}

/// Returns the worked example of the specification: eight delta groups, a run of two groups, and a
/// run of five groups.
fn example() -> Vec<u8> {
    let own = id("3d97e44e-13d6-543b-ac7c-a138f7307a35");
    let c0 = id("c0ffee00-0000-4000-8000-000000000000");
    let newer: &[&[Id]] = &[&[own], &[of(0x7000_0000_0000_0000, 1)]];
    let older: &[&[Id]] = &[
        &[id("10000000-0000-4000-8000-000000000000")],
        &[of(0x4a3b_2c1d_0e0f_1010, 5), id("4a3b2c1d-0e0f-1011-8000-000000000000")],
        &[id("4a3b2c1d-0e0f-1011-8000-000000000001")],
        &[of(0x8000_0000_0000_0000, 2)],
        &[c0],
    ];
    let runs = [Run { groups: newer, stride: 2 }, Run { groups: older, stride: 2 }];
    let mut groups: Vec<_> = (0..8).map(|_| delta()).collect();
    groups.extend(newer.iter().chain(older).map(|ids| group(ids)));
    let index_len = 8 + GROUP * groups.len() as u64;
    let components = vec![component(INDEX, 16_440, index_len as u32), component(LOOKUP, 1536, 80)];
    let mut out = head(PACKAGE, 0, 1);
    out.extend(table(&Table { components, ..Table::default() }));
    out.resize(1536, 0);
    out.extend(region(16_440, 8, &runs));
    out.resize(16_440, 0);
    out.extend(index(&groups));
    out
}

/// Faults of a file with three groups. Their positions are the start of the lookup region and the
/// records of the two runs.
const HEADER_CUT: &str = "error truncated lookup header at 0x485c";
const RUN_WRONG: &str = "error corrupt lookup run at 0x486c";
const SECOND_RUN_WRONG: &str = "error corrupt lookup run at 0x487c";
const STRIDE_LIMIT: &str = "error limit lookup run at 0x486c";
/// Faults of blocks. Their positions are the first entries of the groups (108 + 8 + 16, and 6,136
/// more for each later group) and the header of the second group.
const ENTRY_0: &str = "error corrupt lookup block at 0x84";
const ENTRY_1: &str = "error corrupt lookup block at 0x187c";
const GROUP_1: &str = "error corrupt lookup block at 0x186c";

pub(super) const CASES: &[Case] = &[
    good("lookup_of_removed_ids", "R-GONE-01, R-LKP-14", || {
        // The older delta group removes the ids 12, 20 and 1. The newer delta group puts 20 again.
        // The run has no entry for 1.
        let deltas = [&[of(12, 0), of(20, 0), of(1, 1)][..], &[of(20, 0)]];
        let run = Run { groups: &[A, B], stride: 1 };
        let mut out = file(&[deltas[1], deltas[0]], &[run], |_| ());
        let second = (INDEX_AT + 8 + GROUP) as usize;
        out[second + 8..second + 12].copy_from_slice(b"gone");
        out
    }),
    good("lookup_of_removals_in_a_run", "R-GONE-01, R-LKP-14", || {
        // Our writers put removals only into delta groups. Here, the newer run has removals, which
        // hide entries of the older run.
        let mut out = two_runs(|_| ());
        let run = (INDEX_AT + 8 + GROUP) as usize;
        out[run + 8..run + 12].copy_from_slice(b"gone");
        out
    }),
    good("lookup_of_three_blocks", "R-LKP-01, R-LKP-03, R-LKP-10, R-LKP-12", || three(|_| ())),
    good("lookup_of_stride_2", "R-LKP-03, R-LKP-10", || {
        file(&[], &[Run { groups: &[A, B, C], stride: 2 }], |_| ())
    }),
    good("lookup_of_stride_256", "R-LKP-05, R-LKP-10", || {
        file(&[], &[Run { groups: &[A, B, C], stride: 256 }], |_| ())
    }),
    good("lookup_of_two_runs_and_a_delta_group", "R-LKP-14, R-ORD-01, R-ORD-02", || {
        two_runs(|_| ())
    }),
    good("lookup_of_empty_delta_groups", "R-LKP-14", || {
        file(&[&[], &[], &[of(20, 0)]], &[Run { groups: &[A, B], stride: 1 }], |_| ())
    }),
    good("lookup_of_one_id_in_all_runs", "R-LKP-14", || {
        let run = || Run { groups: &[A], stride: 1 };
        file(&[], &[run(), run(), run()], |_| ())
    }),
    good("lookup_of_equal_fences", "R-LKP-11, R-LKP-12", || {
        let low: &[Id] = &[of(10, 0), of(20, 2)];
        let run =
            Run { groups: &[low, &[of(20, 4), of(20, 6)], &[of(20, 8), of(30, 0)]], stride: 1 };
        file(&[], &[run], |_| ())
    }),
    good("lookup_of_extreme_ids", "R-LKP-10, R-LKP-13", || {
        let run = Run { groups: &[&[[0; 16]], &[of(u64::MAX, 0), [0xff; 16]]], stride: 1 };
        file(&[], &[run], |_| ())
    }),
    good("lookup_example_of_the_specification", "R-LKP-01, R-LKP-03, R-LKP-11", example),
    good("lookup_with_bytes_behind_the_fences", "R-LKP-02", || {
        three(|region| region.extend([0xff; 9]))
    }),
    // Cases of fences that belong to an index at another position, or to an empty index.
    good("lookup_of_an_index_elsewhere", "R-LKP-08", || three(|region| patch(region, 8, 116))),
    good("lookup_of_an_index_4_gib_on", "R-LKP-08", || three(|region| patch(region, 12, 1))),
    good("lookup_of_an_empty_index", "R-LKP-08", || {
        let lookup = region(INDEX_AT, 0, &[Run { groups: &[A], stride: 1 }]);
        with(component(LOOKUP, INDEX_AT as u32, lookup.len() as u32), 0, &lookup)
    }),
    good("lookup_of_an_index_elsewhere_with_wrong_fences", "R-LKP-08", || {
        three(|region| {
            patch(region, 8, 116);
            region[32..].reverse();
        })
    }),
    good("lookup_of_version_0_2_of_the_component", "R-LKP-21, R-VER-02", || {
        let newer = Component { minor: 2, ..component(LOOKUP, 108 + 8 + 6136, 0) };
        with(newer, 8 + GROUP, &index(&[group(A)]))
    }),
    // Cases of faults in the lookup region.
    bad("lookup_of_no_bytes", HEADER_CUT, "R-LKP-07", || three(Vec::clear)),
    bad("lookup_cut_in_the_header", HEADER_CUT, "R-LKP-07", || three(|region| region.truncate(15))),
    bad(
        "lookup_region_outside",
        "error truncated component region at 0x485c",
        "R-REG-02, R-LKP-21",
        || {
            let mut out = three(|_| ());
            out.pop();
            out
        },
    ),
    bad("lookup_version_1", "error unsupported lookup header at 0x485c", "R-LKP-02", || {
        three(|region| region[0] = 1)
    }),
    bad(
        "lookup_version_1_of_another_index",
        "error unsupported lookup header at 0x485c",
        "R-LKP-02, R-LKP-08",
        || {
            three(|region| {
                region[3] = 1;
                patch(region, 8, 116);
            })
        },
    ),
    bad("lookup_of_65_runs", "error limit lookup header at 0x485c", "R-LKP-04", || {
        three(|region| patch(region, 4, 65))
    }),
    bad("lookup_of_maximal_runs", "error limit lookup header at 0x485c", "R-LKP-04", || {
        three(|region| patch(region, 4, u32::MAX))
    }),
    bad("lookup_without_runs", "error corrupt lookup run at 0x485c", "R-LKP-04", || {
        three(|region| patch(region, 4, 0))
    }),
    bad(
        "lookup_cut_in_the_run_records",
        "error truncated lookup run at 0x486c",
        "R-LKP-07",
        || three(|region| region.truncate(31)),
    ),
    bad("lookup_cut_in_the_fences", "error truncated lookup fence at 0x487c", "R-LKP-07", || {
        three(|region| region.truncate(32 + 23))
    }),
    bad(
        "lookup_cut_before_the_fences",
        "error truncated lookup fence at 0x487c",
        "R-LKP-07",
        || three(|region| region.truncate(32)),
    ),
    bad("lookup_stride_0", RUN_WRONG, "R-LKP-05", || three(|region| patch(region, 24, 0))),
    bad("lookup_stride_257", STRIDE_LIMIT, "R-LKP-05", || three(|region| patch(region, 24, 257))),
    bad("lookup_stride_257_of_no_groups", STRIDE_LIMIT, "R-LKP-05", || {
        three(|region| {
            patch(region, 24, 257);
            patch(region, 20, 0);
        })
    }),
    bad("lookup_run_without_groups", RUN_WRONG, "R-LKP-06", || {
        three(|region| {
            patch(region, 20, 0);
            patch(region, 28, 0);
        })
    }),
    bad("lookup_one_fence_too_few", RUN_WRONG, "R-LKP-06", || three(|region| patch(region, 28, 2))),
    bad("lookup_one_fence_too_many", RUN_WRONG, "R-LKP-06", || {
        three(|region| patch(region, 28, 4))
    }),
    bad("lookup_fences_that_wrap", RUN_WRONG, "R-LKP-06", || {
        three(|region| patch(region, 28, u32::MAX))
    }),
    bad("lookup_run_past_the_last_group_there_can_be", RUN_WRONG, "R-LKP-06", || {
        three(|region| patch(region, 16, 699_960))
    }),
    bad("lookup_run_of_maximal_groups", RUN_WRONG, "R-LKP-06", || {
        three(|region| patch(region, 20, u32::MAX))
    }),
    bad("lookup_run_past_the_last_position", RUN_WRONG, "R-LKP-06", || {
        three(|region| region[8..16].fill(0xff))
    }),
    bad("lookup_runs_with_a_gap", SECOND_RUN_WRONG, "R-LKP-06", || {
        two_runs(|region| patch(region, 32, 3))
    }),
    bad("lookup_runs_that_overlap", SECOND_RUN_WRONG, "R-LKP-06", || {
        two_runs(|region| patch(region, 32, 1))
    }),
    bad("lookup_run_ends_before_the_index", RUN_WRONG, "R-LKP-09", || {
        // The record states that the run has two groups. The third group then belongs to no run.
        three(|region| {
            patch(region, 20, 2);
            patch(region, 28, 2);
        })
    }),
    bad("lookup_run_ends_behind_the_index", RUN_WRONG, "R-LKP-09", || {
        three(|region| {
            patch(region, 20, 4);
            patch(region, 28, 4);
            region.extend([0xff; 8]);
        })
    }),
    bad("lookup_run_begins_late", RUN_WRONG, "R-LKP-09", || three(|region| patch(region, 16, 1))),
    bad("lookup_fences_descend", "error corrupt lookup fence at 0x4884", "R-LKP-20", || {
        three(|region| region[32..40].fill(0xff))
    }),
    bad("lookup_last_fence_descends", "error corrupt lookup fence at 0x488c", "R-LKP-20", || {
        three(|region| region[48..56].fill(0))
    }),
    bad(
        "lookup_fence_stored_as_a_uuid",
        "error corrupt lookup fence at 0x4884",
        "R-LKP-01, R-LKP-20",
        || {
            // The first four bytes of the first fence are in reverse order, as in a UUID in file
            // order.
            let id = |fence: u64| [of(fence, 0)];
            let [a, b, c] = [id(1 << 32), id(2 << 32), id(3 << 32)];
            let run = Run { groups: &[&a, &b, &c], stride: 1 };
            file(&[], &[run], |region| region[32..36].reverse())
        },
    ),
    // Cases of blocks that contradict their fences.
    bad("lookup_first_fence_below_the_first_entry", ENTRY_0, "R-LKP-13", || {
        contradicted(&[A, B], &[9])
    }),
    bad("lookup_first_fence_above_the_first_entry", ENTRY_0, "R-LKP-13", || {
        contradicted(&[A, B], &[11])
    }),
    bad("lookup_fence_below_its_block", ENTRY_1, "R-LKP-15", || contradicted(&[A, B], &[10, 19])),
    bad("lookup_fence_above_its_block", ENTRY_1, "R-LKP-15", || contradicted(&[A, B], &[10, 21])),
    bad("lookup_block_does_not_ascend", "error corrupt lookup block at 0x9c", "R-LKP-15", || {
        contradicted(&[&[of(10, 0), of(9, 0)], B], &[])
    }),
    bad("lookup_block_with_an_id_twice", "error corrupt lookup block at 0x9c", "R-LKP-15", || {
        contradicted(&[&[of(10, 0), of(10, 0), of(12, 0)], B], &[])
    }),
    bad("lookup_block_passes_the_next_one", ENTRY_1, "R-LKP-15", || {
        contradicted(&[&[of(10, 0), of(20, 1)], B], &[])
    }),
    bad("lookup_block_ends_with_the_next_id", ENTRY_1, "R-LKP-15", || {
        contradicted(&[&[of(10, 0), of(20, 0)], B], &[])
    }),
    bad("lookup_block_does_not_ascend_between_groups", ENTRY_1, "R-LKP-15", || {
        file(&[], &[Run { groups: &[B, A, C], stride: 2 }], |_| ())
    }),
    bad("lookup_empty_group_inside_a_block", GROUP_1, "R-LKP-16", || {
        let mut out = file(&[], &[Run { groups: &[A, B, C], stride: 4 }], |_| ());
        out[0x186c + 12] = 0;
        out
    }),
    bad("lookup_empty_group_behind_a_block", GROUP_1, "R-LKP-16", || {
        let mut out = file(&[], &[Run { groups: &[A, B], stride: 1 }], |_| ());
        out[0x186c + 12] = 0;
        out
    }),
    bad(
        "lookup_empty_first_group",
        "error corrupt lookup block at 0x74",
        "R-LKP-16, R-LKP-13",
        || {
            let mut out = file(&[], &[Run { groups: &[A, B], stride: 1 }], |_| ());
            out[0x74 + 12] = 0;
            out
        },
    ),
];
