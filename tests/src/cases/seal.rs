//! Fixtures of seals: the verdict on each region under each seal policy.
//!
//! The container and the index of every package here are good, so every `.expect` file begins with
//! `ok`. The `judge` lines after `ok` state the verdict on each region under each seal policy.

use super::{Case, good};
use crate::reference::seals::{
    ELSEWHERE, EXAMPLE, Publisher, STRANGER, shared_component, signed_component,
};
use crate::reference::{
    BROT, Entry, GROUP, Group, INDEX, Id, NONE, PACKAGE, SEAL, Table, component, head, index, seal,
    seal_component, small, table,
};

/// The position of the seal component in every file. The component follows the index.
const COMPONENT_AT: u64 = 108 + 8 + GROUP;

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// Returns a region with its seal: the stored bytes, a digest, and a signature if there is a
/// signer.
fn sealed(id: Id, bytes: &[u8], signer: Option<&Publisher>) -> Vec<u8> {
    let digest = seal(id, NONE, bytes, &blake3);
    let signature = signer.map_or([0; 64], |signer| signer.sign(&digest));
    [bytes, &digest, &signature].concat()
}

/// Returns the seal component of the specification's example publisher.
fn own() -> Vec<u8> {
    signed_component(EXAMPLE.package, &[EXAMPLE.key()], &blake3)
}

/// Returns a package with this seal component and the data after it. The offsets in `entries` count
/// from the start of the data.
fn package(seals: &[u8], entries: &[(u32, u32, u32)], data: &[u8]) -> Vec<u8> {
    let base = COMPONENT_AT + seals.len() as u64;
    let entries = entries
        .iter()
        .map(|(id, offset, size)| Entry { id: small(*id), offset: *offset, size: *size })
        .collect();
    with_group(seals, Group { base, entries, ..Group::default() }, data)
}

fn with_group(seals: &[u8], group: Group, data: &[u8]) -> Vec<u8> {
    let components = vec![
        component(INDEX, 108, 8 + GROUP as u32),
        component(SEAL, COMPONENT_AT as u32, seals.len() as u32),
    ];
    let mut out = head(PACKAGE, 0, 1);
    out.extend(table(&Table { components, ..Table::default() }));
    out.extend(index(&[group]));
    out.extend(seals);
    out.extend(data);
    out
}

/// The length of a region of five bytes with its signed seal.
const LEN: u32 = 5 + 96;

/// Returns a package of two signed regions, `hello` and `world`. `change` can alter their data.
fn two(seals: &[u8], signer: &Publisher, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut data =
        [sealed(small(1), b"hello", Some(signer)), sealed(small(2), b"world", Some(signer))]
            .concat();
    change(&mut data);
    package(seals, &[(1, 0, 5), (2, LEN, 5)], &data)
}

/// Returns the package of `two` after changing the component. The component's digest is then
/// computed again.
fn component_changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut seals = own();
    seals.truncate(64);
    change(&mut seals);
    let digest = blake3(&[b"dacti-seal component v0", &seals[..]].concat());
    seals.extend(digest);
    two(&seals, &EXAMPLE, |_| ())
}

/// The order of the group of Ed25519, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Adds the group's order to a scalar. If a reader does not check the range of scalars, it accepts
/// the result as a second form of the signature.
fn unreduced(scalar: &mut [u8]) {
    let mut carry = 0_u16;
    for (byte, add) in scalar.iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
}

/// Returns a package in which the regions `first` to `last` share the stored bytes `sea`. A seal
/// for each of them follows. `max` is the maximum number of seals that the component states. The
/// region `alone` follows the seals. `change` can alter the seals.
fn shared(
    signer: Option<&Publisher>,
    ids: std::ops::RangeInclusive<u32>,
    max: u32,
    change: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let component = match signer {
        Some(_) => own(),
        None => seal_component(&blake3),
    };
    let component = shared_component(component, max, &blake3);
    let mut seals = ids.clone().flat_map(|id| seal_of(id, b"sea", signer)).collect();
    change(&mut seals);
    let alone = 3 + seals.len() as u32;
    let data = [&b"sea"[..], &seals, b"alone", &seal_of(99, b"alone", signer)].concat();
    let mut entries: Vec<_> = ids.map(|id| (id, 0, 3)).collect();
    entries.push((99, alone, 5));
    package(&component, &entries, &data)
}

/// Returns the seal of stored bytes under an id: a digest, and a signature if there is a signer.
fn seal_of(id: u32, bytes: &[u8], signer: Option<&Publisher>) -> Vec<u8> {
    let digest = seal(small(id), NONE, bytes, &blake3);
    let signature = signer.map_or(Vec::new(), |signer| signer.sign(&digest).to_vec());
    [&digest[..], &signature].concat()
}

/// A publisher with a third key, for the example's publisher's package.
const THIRD: Publisher = Publisher { seed: [7; 32], ..EXAMPLE };

pub(super) const CASES: &[Case] = &[
    good("seal_signed", "R-SEAL-01, R-SEAL-05, R-SEAL-06, R-SEAL-07, R-SEAL-12", || {
        two(&own(), &EXAMPLE, |_| ())
    }),
    good("seal_by_the_second_of_two_keys", "R-SEAL-12", || {
        let keys = [STRANGER.key(), EXAMPLE.key()];
        two(&signed_component(EXAMPLE.package, &keys, &blake3), &EXAMPLE, |_| ())
    }),
    good("seal_by_a_trusted_key_that_the_component_does_not_name", "R-SEAL-12", || {
        two(&signed_component(EXAMPLE.package, &[], &blake3), &EXAMPLE, |_| ())
    }),
    good("seal_of_64_keys", "R-SEAL-03, R-SEAL-12", || {
        let keys = [EXAMPLE.key(); 64];
        two(&signed_component(EXAMPLE.package, &keys, &blake3), &EXAMPLE, |_| ())
    }),
    good("seal_of_digests", "R-SEAL-01, R-SEAL-11, R-SEAL-14", || {
        let digest = seal(small(1), NONE, b"hello", &blake3);
        let data = [&b"hello"[..], &digest].concat();
        package(&seal_component(&blake3), &[(1, 0, 5)], &data)
    }),
    good("seal_without_component", "R-SEAL-11, R-SEAL-14", || {
        let components = vec![component(INDEX, 80, 8 + GROUP as u32)];
        let mut out = head(PACKAGE, 0, 1);
        out.extend(table(&Table { components, ..Table::default() }));
        let entries = vec![Entry { id: small(1), offset: 0, size: 5 }];
        out.extend(index(&[Group { base: 80 + 8 + GROUP, entries, ..Group::default() }]));
        out.extend(b"hello");
        out
    }),
    good("seal_without_signature", "R-SEAL-09, R-SEAL-14", || {
        package(&own(), &[(1, 0, 5)], &sealed(small(1), b"hello", None))
    }),
    good("seal_of_no_bytes", "R-SEAL-02, R-SEAL-05", || {
        let data = [&b"any"[..], &sealed(small(1), b"", Some(&EXAMPLE))].concat();
        package(&own(), &[(1, 3, 0)], &data)
    }),
    good("seal_of_no_bytes_at_another_place", "R-SEAL-02, R-SEAL-13", || {
        let data = [&b"any"[..], &sealed(small(1), b"", Some(&EXAMPLE))].concat();
        package(&own(), &[(1, 2, 0)], &[&data[..], &[0; 8]].concat())
    }),
    // Cases of shared stored bytes.
    good("seal_shared_by_two", "R-SEAL-21, R-SEAL-22, R-SEAL-23", || {
        shared(Some(&EXAMPLE), 1..=2, 2, |_| ())
    }),
    good("seal_shared_by_sixteen", "R-SEAL-21, R-SEAL-22, R-SEAL-23", || {
        shared(None, 1..=16, 16, |_| ())
    }),
    good("seal_shared_in_another_order", "R-SEAL-22, R-SEAL-23", || {
        shared(Some(&EXAMPLE), 1..=3, 3, |seals| seals.rotate_left(96))
    }),
    good("seal_shared_by_seventeen", "R-SEAL-21, R-SEAL-22", || shared(None, 1..=17, 16, |_| ())),
    good("seal_shared_by_more_than_the_component_says", "R-SEAL-21, R-SEAL-22", || {
        shared(Some(&EXAMPLE), 1..=3, 2, |_| ())
    }),
    good("seal_shared_without_the_seal_of_one", "R-SEAL-16, R-SEAL-23", || {
        shared(Some(&EXAMPLE), 1..=3, 3, |seals| {
            // Replaces the second seal with a seal for an id that no entry has.
            seals[96..192].copy_from_slice(&seal_of(50, b"sea", Some(&EXAMPLE)));
        })
    }),
    good("seal_shared_with_the_seal_of_other_bytes", "R-SEAL-13, R-SEAL-23", || {
        shared(None, 1..=3, 16, |seals| {
            seals[32..64].copy_from_slice(&seal_of(2, b"ice", None));
        })
    }),
    good("seal_shared_with_a_repeated_digest", "R-SEAL-23, R-SEAL-15", || {
        shared(Some(&EXAMPLE), 1..=2, 4, |seals| {
            // Two seals have the digest of region 2. The first has a wrong signature, the second a
            // right one.
            let mut wrong = seal_of(2, b"sea", Some(&EXAMPLE));
            wrong[40] ^= 1;
            seals.splice(96..96, wrong);
        })
    }),
    good("seal_shared_and_unsigned", "R-SEAL-09, R-SEAL-14, R-SEAL-23", || {
        shared(Some(&EXAMPLE), 1..=2, 2, |seals| seals[128..].fill(0))
    }),
    good("seal_shared_and_cut", "R-SEAL-10, R-SEAL-22", || {
        let mut out = shared(Some(&EXAMPLE), 1..=2, 2, |_| ());
        // The file ends within the second seal after `sea`. So it also lacks the region `alone`.
        out.truncate((COMPONENT_AT + 96 + 3 + 191) as usize);
        out
    }),
    good("seal_shared_whose_size_runs_into_the_seals", "R-SEAL-13, R-SEAL-21", || {
        let data = [&b"sea"[..], &seal_of(1, b"sea", None), &seal_of(2, b"sea", None)].concat();
        let component = shared_component(seal_component(&blake3), 2, &blake3);
        package(&component, &[(1, 0, 3), (2, 0, 35)], &[&data[..], &[0; 64]].concat())
    }),
    good("seal_shared_in_a_package_of_kind_1", "R-SEAL-21, R-SEAL-16", || {
        let data = [&b"sea"[..], &seal_of(1, b"sea", None), &seal_of(2, b"sea", None)].concat();
        let mut component = shared_component(seal_component(&blake3), 2, &blake3);
        component[4] = 1;
        let digest = blake3(&[b"dacti-seal component v0", &component[..32]].concat());
        component[32..].copy_from_slice(&digest);
        package(&component, &[(1, 0, 3), (2, 0, 3)], &data)
    }),
    good("seal_component_of_kind_4_and_no_seals", "R-SEAL-03, R-SEAL-22", || {
        component_changed(|seals| seals[4] = 4)
    }),
    good("seal_component_of_17_seals", "R-SEAL-03, R-SEAL-19", || {
        component_changed(|seals| {
            seals[4] = 4;
            seals[28] = 17;
        })
    }),
    good("seal_component_of_kind_5", "R-SEAL-03, R-SEAL-19", || {
        component_changed(|seals| seals[4] = 5)
    }),
    // Cases of seals that are cut off, missing or in other places.
    good("seal_cut", "R-SEAL-10", || two(&own(), &EXAMPLE, |data| _ = data.pop())),
    good("seal_missing_at_the_end", "R-SEAL-10", || {
        two(&own(), &EXAMPLE, |data| data.truncate(LEN as usize + 5))
    }),
    good("seal_at_the_last_position", "R-SEAL-10, R-SEAL-02", || {
        let entries = vec![Entry { id: small(1), offset: 0, size: 0 }];
        with_group(&own(), Group { base: u64::MAX, entries, ..Group::default() }, b"")
    }),
    good("seal_of_stored_bytes_that_are_cut", "R-ENT-02, R-SEAL-10", || {
        two(&own(), &EXAMPLE, |data| data.truncate(LEN as usize + 4))
    }),
    // Cases of the digest.
    good("seal_of_an_altered_byte", "R-SEAL-13", || two(&own(), &EXAMPLE, |data| data[4] ^= 1)),
    good("seal_with_an_altered_digest", "R-SEAL-13", || {
        two(&own(), &EXAMPLE, |data| data[5] ^= 0x80)
    }),
    good("seal_of_zeros", "R-SEAL-13", || two(&own(), &EXAMPLE, |data| data[..101].fill(0))),
    good("seal_of_swapped_regions", "R-SEAL-16, R-SEAL-05", || {
        two(&own(), &EXAMPLE, |data| data.rotate_left(LEN as usize))
    }),
    good("seal_of_one_region_under_both_ids", "R-SEAL-16", || {
        two(&own(), &EXAMPLE, |data| data.copy_within(..LEN as usize, LEN as usize))
    }),
    good("seal_of_a_region_that_is_in_no_index", "R-SEAL-13, R-SEAL-16", || {
        let data = sealed(small(9), b"hello", Some(&EXAMPLE));
        package(&own(), &[(1, 0, 5)], &data)
    }),
    good("seal_of_another_encoding", "R-SEAL-05, R-SEAL-13", || {
        let base = COMPONENT_AT + 96;
        let entries = vec![Entry { id: small(1), offset: 0, size: 5 }];
        let group = Group { base, encoding: BROT, entries, ..Group::default() };
        with_group(&own(), group, &sealed(small(1), b"hello", Some(&EXAMPLE)))
    }),
    // Cases of the signature.
    good("seal_with_an_altered_signature", "R-SEAL-15", || {
        two(&own(), &EXAMPLE, |data| data[37] ^= 1)
    }),
    good("seal_with_an_unreduced_scalar", "R-SEAL-08, R-SEAL-15", || {
        two(&own(), &EXAMPLE, |data| unreduced(&mut data[69..101]))
    }),
    good("seal_with_the_signature_of_the_other_region", "R-SEAL-06, R-SEAL-15", || {
        two(&own(), &EXAMPLE, |data| {
            let other = data[LEN as usize + 37..].to_vec();
            data[37..101].copy_from_slice(&other);
        })
    }),
    good("seal_by_a_stranger_that_the_component_names", "R-SEAL-17", || {
        let keys = [EXAMPLE.key(), STRANGER.key()];
        two(&signed_component(EXAMPLE.package, &keys, &blake3), &STRANGER, |_| ())
    }),
    good("seal_by_a_third_key_that_the_component_names", "R-SEAL-17", || {
        let keys = [EXAMPLE.key(), THIRD.key()];
        two(&signed_component(EXAMPLE.package, &keys, &blake3), &THIRD, |_| ())
    }),
    good("seal_by_a_third_key_that_nobody_names", "R-SEAL-17, R-SEAL-15", || {
        two(&own(), &THIRD, |_| ())
    }),
    good("seal_of_another_package", "R-SEAL-17, R-SEAL-12", || {
        let keys = [ELSEWHERE.key()];
        two(&signed_component(ELSEWHERE.package, &keys, &blake3), &ELSEWHERE, |_| ())
    }),
    good("seal_of_another_package_by_a_third_key", "R-SEAL-17", || {
        let third = Publisher { package: small(5), ..THIRD };
        two(&signed_component(small(5), &[], &blake3), &third, |_| ())
    }),
    good("seal_for_another_package_than_the_component_names", "R-SEAL-06, R-SEAL-15", || {
        two(&own(), &ELSEWHERE, |_| ())
    }),
    // Cases of faulty seal components. A faulty component does not count as missing.
    good("seal_component_of_version_1", "R-SEAL-03, R-SEAL-19", || {
        component_changed(|seals| seals[0] = 1)
    }),
    good("seal_component_of_kind_0", "R-SEAL-03, R-SEAL-19", || {
        component_changed(|seals| seals[4] = 0)
    }),
    good("seal_component_of_65_keys", "R-SEAL-03, R-SEAL-19", || {
        component_changed(|seals| seals[24] = 65)
    }),
    good("seal_component_with_a_wrong_digest", "R-SEAL-04, R-SEAL-19", || {
        let mut seals = own();
        seals[95] ^= 1;
        two(&seals, &EXAMPLE, |_| ())
    }),
    good("seal_component_of_31_bytes", "R-SEAL-03, R-SEAL-19", || {
        two(&own()[..31], &EXAMPLE, |_| ())
    }),
    good("seal_component_of_no_bytes", "R-SEAL-03, R-SEAL-19", || two(&[], &EXAMPLE, |_| ())),
    good("seal_component_cut_in_its_keys", "R-SEAL-03, R-SEAL-19", || {
        two(&own()[..63], &EXAMPLE, |_| ())
    }),
    good("seal_component_of_version_1_and_65_keys", "R-SEAL-03", || {
        component_changed(|seals| {
            seals[0] = 1;
            seals[24] = 65;
        })
    }),
    good("seal_component_past_the_file", "R-REG-02, R-SEAL-19", || {
        let mut out = two(&own(), &EXAMPLE, |_| ());
        // Changes the offset of the second component's region, so that the region ends one byte
        // after the end of the file. The offset lies 20 bytes after the start of the component's
        // entry.
        let len = out.len() as u32;
        out[100..104].copy_from_slice(&(len - 95).to_le_bytes());
        out
    }),
    good("seal_component_whose_end_wraps", "R-REG-01, R-SEAL-19", || {
        let mut out = two(&own(), &EXAMPLE, |_| ());
        // Changes the table's region base. The offset of the index changes, too, so that the index
        // stays at its position.
        out[28..36].copy_from_slice(&(u64::MAX - 200).to_le_bytes());
        out[72..76].copy_from_slice(&200_u32.to_le_bytes());
        out[76..80].copy_from_slice(&0_u32.to_le_bytes());
        out
    }),
    good("seal_component_of_version_0_2", "R-SEAL-11, R-VER-02", || {
        let mut out = two(&own(), &EXAMPLE, |_| ());
        // Changes the minor version of the second component.
        out[98] = 2;
        out
    }),
];
