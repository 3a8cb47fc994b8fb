//! Compares the guide with a sorted list of all ids, for ids of many kinds.

use super::Guide;
use crate::fetch::source::Lent;
use dacti_index::{Encoding, Entry, GroupHeader, IndexHeader, emit_group, emit_header, index_len};
use dacti_lookup::{Lookup, RunSpec, emit_lookup, lookup_len};
use daicon_core::Span;
use uuid::Uuid;

const AT: u64 = 1000;
const STRIDE: u32 = 3;
const LEN_MAX: u64 = 1 << 19;

/// An index of one run at offset 1,000, its lookup region, and every id with its region's start.
struct World {
    index: Vec<u8>,
    region: Vec<u8>,
    ids: Vec<(Uuid, u64)>,
}

impl World {
    /// Creates an index whose groups have these bases and ids.
    fn new(groups: &[(u64, Vec<Uuid>)]) -> Self {
        let count = u32::try_from(groups.len()).unwrap();
        let mut index = vec![0; usize::try_from(index_len(count)).unwrap()];
        emit_header(count, &mut index).unwrap();
        let mut all = Vec::new();
        let bytes = &mut index[size_of::<IndexHeader>()..];
        for ((base, ids), out) in groups.iter().zip(bytes.chunks_exact_mut(6136)) {
            let entries: Vec<_> =
                { (0..).zip(ids) }.map(|(i, id)| Entry::new(*id, i * 10, 7)).collect();
            let length = u8::try_from(ids.len()).unwrap();
            let header = GroupHeader::new(0, Encoding::NONE, length);
            emit_group(&header, &entries, out).unwrap();
            // `emit_group` refuses a base so high that entries extend past the last position. So
            // the test writes the base into the group afterwards.
            out[..8].copy_from_slice(&base.to_le_bytes());
            all.extend(ids.iter().zip(0_u64..).map(|(id, i)| (*id, base.wrapping_add(i * 10))));
        }
        let runs = [RunSpec { first_group: 0, groups: count }];
        let mut region = vec![0; usize::try_from(lookup_len(&runs, STRIDE)).unwrap()];
        let first = |g: u32| groups[usize::try_from(g).unwrap()].1[0];
        emit_lookup(AT, &runs, STRIDE, first, &mut region).unwrap();
        Self { index, region, ids: all }
    }

    fn lent(&self) -> Lent {
        Lent::new(AT, self.index.clone().into())
    }

    fn guide(&self, file_len: u64, len_max: u64) -> Option<Guide> {
        Guide::build(&Lookup::parse(&self.region, 0).unwrap(), &self.lent(), file_len, len_max)
    }

    /// Looks up every id and its neighbours in the guide. Returns the number of answers and the
    /// number of look-ups.
    fn ask(&self, len_max: u64) -> (usize, usize) {
        let guide = self.guide(u64::MAX, len_max).expect("there can be one");
        let mut told = (0, 0);
        for (id, start) in &self.ids {
            for near in [-1, 0, 1] {
                let near = Uuid::from_u128(id.as_u128().wrapping_add_signed(near));
                let expected = match self.ids.binary_search_by_key(&near, |(id, _)| *id) {
                    Ok(i) => Some(self.ids[i].1),
                    Err(_) => None,
                };
                assert!(near != *id || expected == Some(*start));
                told.1 += 1;
                let Some(found) = guide.find(near) else { continue };
                told.0 += 1;
                assert_eq!(found.map(|located| located.span.start), expected, "{near}");
                let Some(located) = found else { continue };
                assert_eq!((located.id, located.span.len()), (near, 7));
                let entry = Span::new(located.at, 16).unwrap();
                assert_eq!(self.lent().slice(entry).unwrap(), near.to_bytes_le());
            }
        }
        told
    }
}

fn full_groups(base: u64, ids: &[Uuid]) -> Vec<(u64, Vec<Uuid>)> {
    ids.chunks(255).map(|ids| (base, ids.to_vec())).collect()
}

/// Ids that look random, ascending.
fn spread(count: u64) -> Vec<Uuid> {
    let id = |n: u64| {
        let lead = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Uuid::from_u64_pair(lead, lead.rotate_left(17))
    };
    let mut ids: Vec<_> = (1..=count).map(id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn spread_ids_are_found_and_missed_without_a_search() {
    // spec: R-LKP-12
    // With 4 KiB for the guide, a slot has about five entries.
    for len_max in [LEN_MAX, 4 << 10] {
        let told = World::new(&full_groups(50, &spread(5000))).ask(len_max);
        assert_eq!(told, (15_000, 15_000), "in {len_max}");
    }
    let ids: Vec<_> = (1..=3000_u64).map(|n| Uuid::from_u64_pair(n << 44, 1 << 63)).collect();
    assert_eq!(World::new(&full_groups(50, &ids)).ask(LEN_MAX), (9000, 9000));
}

#[test]
fn whatever_the_ids_the_guide_tells_nothing_wrong() {
    // spec: R-LKP-12
    let sequential = (1..=2000_u128).map(Uuid::from_u128).collect::<Vec<_>>();
    let pair = |n| Uuid::from_u64_pair((n / 2) << 40, n);
    let pairs = (1..=2000_u64).map(pair).collect::<Vec<_>>();
    let times = (0..2000_u64)
        .map(|n| Uuid::from_u64_pair((0x0192_0000_0000 + n * n) << 16 | 0x7abc, n.rotate_right(9)));
    let clustered = (0..2000_u64).map(|n| {
        let lead = if n < 1990 { n << 8 } else { u64::MAX - ((2000 - n) << 50) };
        Uuid::from_u64_pair(lead, n)
    });
    for ids in [sequential, pairs, times.collect(), clustered.collect()] {
        assert!(ids.is_sorted());
        World::new(&full_groups(50, &ids)).ask(LEN_MAX);
    }
}

#[test]
fn groups_with_room_and_bases_of_their_own_are_told_apart() {
    let ids = spread(4000);
    // Of every seven groups, the second, the fourth and the seventh are not full. A new base begins
    // with every second group.
    let mut groups = Vec::new();
    let mut rest = &ids[..];
    for (g, take) in [255, 100, 255, 3, 255, 255, 1].into_iter().cycle().enumerate() {
        let (ids, behind) = rest.split_at(take.min(rest.len()));
        if ids.is_empty() {
            break;
        }
        groups.push((u64::try_from(g / 2).unwrap() << 33, ids.to_vec()));
        rest = behind;
    }
    let (told, of) = World::new(&groups).ask(LEN_MAX);
    assert!(told > 11_000, "{told} of {of}");
}

#[test]
fn what_stands_behind_the_last_entry_is_no_entry() {
    // spec: R-LKP-12, R-GRP-01
    let ids = spread(3000);
    let behind = Uuid::from_u128(ids.last().unwrap().as_u128() + 1);
    // In the first round, the last id is in the last group. In the second round, a group with
    // another base follows that group.
    for more in [false, true] {
        let mut groups = full_groups(50, &ids);
        if more {
            groups.push((60, vec![Uuid::from_u128(behind.as_u128() + 1)]));
        }
        let mut world = World::new(&groups);
        let at = 8 + 11 * 6136 + 16 + (3000 - 11 * 255) * 24;
        assert_eq!(world.index[at..at + 24], [0; 24]);
        let entry = Entry::new(behind, 5, 7);
        world.index[at..at + 24].copy_from_slice(daicon_core::bytes_of(&entry));
        let guide = world.guide(u64::MAX, LEN_MAX).unwrap();
        let told = [ids[2999], behind].map(|id| guide.find(id));
        // In the first round, the guide gives both answers, because it knows where the entries of
        // the last group end. In the second round, the slot of both ids includes the free places
        // before the next group. So the slot has too many places, and the guide gives no answer.
        assert_eq!(told[0].is_some_and(|found| found.is_some()), !more, "{told:?}");
        assert_eq!(told[1], (!more).then_some(None));
    }
}

#[test]
fn a_guide_is_no_larger_than_its_limit() {
    // 236 groups have 60,180 places. So the guide has at most 32,768 slots of four bytes. It needs
    // at least 4,096 slots, because no slot may have more than 16 places on average.
    let world = World::new(&full_groups(50, &spread(60_000)));
    for (len_max, slots) in [(1 << 30, 1 << 15), (1 << 17, 1 << 15), ((1 << 17) - 1, 1 << 14)] {
        assert_eq!(world.guide(u64::MAX, len_max).unwrap().slots.len(), slots, "in {len_max}");
    }
    assert_eq!(world.guide(u64::MAX, 4096 * 4).unwrap().slots.len(), 4096);
    assert!(world.guide(u64::MAX, 4096 * 4 - 1).is_none());
    assert!(world.guide(u64::MAX, 0).is_none());
}

#[test]
fn a_region_past_the_end_of_the_file_is_left_to_the_search_to_tell() {
    let ids = spread(2000);
    // The last entry of each group ends at most 2,540 + 7 bytes after the base. With a base of 50,
    // this is 2,597. With a base near the last position, the sum exceeds the last position.
    for (base, len, found) in
        [(50, 2597, true), (50, 2596, false), (u64::MAX - 2546, u64::MAX, false)]
    {
        let guide = World::new(&full_groups(base, &ids)).guide(len, LEN_MAX).unwrap();
        let told = guide.find(ids[254]);
        assert_eq!(told.map(|region| region.unwrap().span.end), found.then_some(2597));
    }
}

#[test]
fn a_run_that_is_not_in_order_has_no_guide() {
    // spec: R-LKP-12
    let mut ids = spread(3000);
    assert!(World::new(&full_groups(50, &ids)).guide(u64::MAX, LEN_MAX).is_some());
    ids.swap(1700, 1701);
    assert!(World::new(&full_groups(50, &ids)).guide(u64::MAX, LEN_MAX).is_none());
    let mut world = World::new(&full_groups(50, &spread(3000)));
    // This changes the second fence. The header and the description of the run precede the fences.
    world.region[16 + 16 + 8] ^= 1;
    assert!(world.guide(u64::MAX, LEN_MAX).is_none());
}
