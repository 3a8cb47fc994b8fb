//! Fixtures of the heads of packages in parts.

use super::{Case, bad, good};
use crate::reference::parts::{Entry, REGION_AT, Region, head_in_parts};
use crate::reference::seals::EXAMPLE;
use crate::reference::{NONE, Stored, cdn_package, names_of, stored};

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn files() -> Vec<Stored> {
    vec![stored("a.txt", b"hello\n")]
}

fn package() -> Vec<u8> {
    let files = files();
    cdn_package(&files, &names_of(&files), NONE, 4096, &blake3)
}

fn entry(start: u64, len: u64, exponent: u8) -> Entry {
    Entry { start, len, exponent, digest: [start as u8 ^ len as u8; 32] }
}

/// Returns the region of the parts component after the first publication of the package.
fn first() -> Region {
    let package = package();
    let data = &package[65_536..];
    let entry = Entry { start: 65_536, len: data.len() as u64, exponent: 0, digest: blake3(data) };
    Region {
        name: blake3(b"p.dacti-pack")[..6].try_into().expect("six bytes"),
        prefix: b"p.dacti-pack.parts/".to_vec(),
        entries: vec![entry],
        sequence: 1,
        end: package.len() as u64,
        ..Region::default()
    }
}

/// Returns a head in which `change` has altered the region. The digest is computed after that.
fn with(change: impl FnOnce(&mut Region)) -> Vec<u8> {
    let mut region = first();
    change(&mut region);
    head_in_parts(&package(), &region, &blake3, &|_| vec![0; 64])
}

/// Returns a head in which the bytes at `at` are altered. The digest is computed after that.
fn changed(at: u64, bytes: &[u8]) -> Vec<u8> {
    let mut head = with(|_| ());
    head[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    let region = REGION_AT as usize;
    head[region + 1952..region + 2048].fill(0);
    let digest = blake3(&head);
    head[region + 1952..region + 1984].copy_from_slice(&digest);
    head
}

const HEAD: &str = "error corrupt head at 0x0";
const REGION: u64 = REGION_AT;
const FIRST: &str = "error corrupt parts at 0x700";
const SECOND: &str = "error corrupt parts at 0x730";
const PREFIX: &str = "error corrupt parts at 0x610";

fn prefixed(prefix: &[u8]) -> Vec<u8> {
    with(|region| region.prefix = prefix.to_vec())
}

pub(super) const CASES: &[Case] = &[
    good("parts_first_publication", "R-PART-02, R-PART-05, R-PART-16", || with(|_| ())),
    good("parts_signed_and_expiring", "R-PART-17, R-PART-19", || {
        let region = Region { expiry: 4_000_000_000, ..first() };
        let sign = |digest: &[u8; 32]| EXAMPLE.sign_head(digest).to_vec();
        head_in_parts(&package(), &region, &blake3, &sign)
    }),
    good("parts_list_of_34_entries", "R-PART-04, R-PART-05", || {
        with(|region| {
            region.entries = (0..34).map(|i| entry(65_536 + 16 * i, 9, 0)).collect();
            region.end = 1 << 50;
        })
    }),
    good("parts_pieces_and_the_last_position", "R-PART-05, R-PART-06, R-PART-07", || {
        with(|region| {
            region.entries = vec![entry(65_536, 65_536 << 16, 16), entry((1 << 56) - 1, 1, 55)];
            region.end = u64::MAX;
        })
    }),
    good("parts_second_start_past_the_end", "R-PART-05, R-PART-34", || {
        with(|region| {
            let first = region.entries[0];
            region.entries.push(Entry { start: region.end + 8, ..first });
        })
    }),
    good("parts_second_start_across_the_end", "R-PART-05, R-PART-34", || {
        with(|region| {
            let first = region.entries[0];
            region.entries.push(Entry { start: region.end, ..first });
            region.end += 9;
        })
    }),
    bad("parts_second_start_of_another_digest", SECOND, "R-PART-05, R-PART-34", || {
        with(|region| {
            let mut second = Entry { start: region.end, ..region.entries[0] };
            second.digest[31] ^= 1;
            region.entries.push(second);
        })
    }),
    bad("parts_second_start_of_another_length", SECOND, "R-PART-05, R-PART-34", || {
        with(|region| {
            let first = region.entries[0];
            region.entries.push(Entry { start: region.end, len: first.len - 1, ..first });
        })
    }),
    bad("parts_second_start_in_other_pieces", SECOND, "R-PART-05, R-PART-34", || {
        with(|region| {
            let first = region.entries[0];
            region.entries.push(Entry { start: region.end, exponent: 16, ..first });
        })
    }),
    bad("parts_first_start_past_the_end", FIRST, "R-PART-05, R-PART-34", || {
        with(|region| {
            let first = region.entries[0];
            region.entries.push(Entry { start: region.end, ..first });
            region.end -= 1;
        })
    }),
    good("parts_empty_prefix_and_list", "R-PART-05, R-PART-10", || {
        with(|region| (region.prefix, region.entries) = (Vec::new(), Vec::new()))
    }),
    bad("parts_head_a_byte_short", HEAD, "R-PART-03", || {
        let mut head = with(|_| ());
        head.pop();
        head
    }),
    bad("parts_head_a_byte_long", HEAD, "R-PART-03", || {
        let mut head = with(|_| ());
        head.push(0);
        head
    }),
    bad("parts_head_of_two_ages", HEAD, "R-PART-16", || {
        let mut head = with(|_| ());
        let later = with(|region| region.sequence = 2);
        head[..16_384].copy_from_slice(&later[..16_384]);
        head[REGION as usize..REGION as usize + 2048]
            .copy_from_slice(&with(|_| ())[REGION as usize..REGION as usize + 2048]);
        head[40_000] ^= 1;
        head
    }),
    bad("parts_digest_altered", HEAD, "R-PART-16", || {
        let mut head = with(|_| ());
        head[REGION as usize + 1952] ^= 1;
        head
    }),
    bad("parts_no_component", "error unsupported component at 0x1c", "R-PART-03", || {
        // Gives another id to the third component of the first table.
        changed(108, &[0x77; 16])
    }),
    bad("parts_region_short", "error truncated parts at 0x600", "R-PART-04", || {
        changed(132, &2047_u32.to_le_bytes())
    }),
    bad("parts_region_past_the_head", "error corrupt parts at 0xf801", "R-PART-04", || {
        changed(128, &(65_536_u32 - 2047).to_le_bytes())
    }),
    bad("parts_version", "error unsupported parts at 0x600", "R-PART-04", || changed(REGION, &[1])),
    bad("parts_list_of_35_entries", "error limit parts at 0x600", "R-PART-04", || {
        changed(REGION + 4, &[35])
    }),
    bad("parts_list_of_all_ones", "error limit parts at 0x600", "R-PART-04", || {
        changed(REGION + 4, &[0xff; 4])
    }),
    bad("parts_prefix_too_long", "error limit parts at 0x600", "R-PART-04", || {
        changed(REGION + 8, &[241, 0])
    }),
    bad("parts_entry_in_the_head", FIRST, "R-PART-05", || {
        with(|region| region.entries[0].start -= 1)
    }),
    bad("parts_entry_empty", FIRST, "R-PART-05", || with(|region| region.entries[0].len = 0)),
    bad("parts_entry_past_the_last_position", FIRST, "R-PART-05", || {
        with(|region| {
            region.entries = vec![entry(1 << 56, 1, 0)];
            region.end = u64::MAX;
        })
    }),
    bad("parts_entries_overlap", SECOND, "R-PART-05", || {
        with(|region| region.entries.push(entry(65_537, 9_999, 0)))
    }),
    bad("parts_entries_descend", SECOND, "R-PART-05", || {
        with(|region| {
            region.entries = vec![entry(70_000, 10, 0), entry(65_536, 10, 0)];
            region.end = 80_000;
        })
    }),
    bad("parts_end_before_the_last_entry", FIRST, "R-PART-05", || with(|region| region.end -= 1)),
    bad("parts_exponent_of_15", FIRST, "R-PART-06", || {
        with(|region| region.entries[0].exponent = 15)
    }),
    bad("parts_exponent_of_56", FIRST, "R-PART-06", || {
        with(|region| region.entries[0].exponent = 56)
    }),
    bad("parts_too_many_pieces", FIRST, "R-PART-06", || {
        with(|region| {
            region.entries = vec![entry(65_536, (65_536 << 16) + 1, 16)];
            region.end = u64::MAX;
        })
    }),
    bad("parts_prefix_climbs", PREFIX, "R-PART-10", || prefixed(b"../")),
    bad("parts_prefix_climbs_inside", PREFIX, "R-PART-10", || prefixed(b"a/../../b/")),
    bad("parts_prefix_climbs_in_code", PREFIX, "R-PART-10", || prefixed(b"%2e%2e/")),
    bad("parts_prefix_with_a_scheme", PREFIX, "R-PART-10", || prefixed(b"https://host/")),
    bad("parts_prefix_from_the_root", PREFIX, "R-PART-10", || prefixed(b"/parts/")),
    bad("parts_prefix_with_a_query", PREFIX, "R-PART-10", || prefixed(b"a?b/")),
    bad("parts_prefix_with_a_backslash", PREFIX, "R-PART-10", || prefixed(b"a\\b/")),
    bad("parts_prefix_without_its_slash", PREFIX, "R-PART-10", || prefixed(b"parts")),
    bad("parts_prefix_that_is_no_text", PREFIX, "R-PART-10", || prefixed(b"\xff/")),
];
