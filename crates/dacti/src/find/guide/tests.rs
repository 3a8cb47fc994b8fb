//! The guide held against a sorted list of all ids, whatever those are.

use super::bucket::{Buckets, Gathered};
use super::wanted::Wanted;
use super::{Guide, Told};
use crate::fetch::source::Lent;
use dacti_index::{Encoding, Entry, GroupHeader, IndexHeader, emit_group, emit_header, index_len};
use dacti_lookup::{Lookup, RunSpec, emit_lookup, lookup_len};
use daicon_core::Span;
use uuid::Uuid;

const AT: u64 = 1000;
const STRIDE: u32 = 3;

/// An index of one run, its groups cut where `groups` says, its lookup region at 0.
struct World {
    lent: Lent,
    region: Vec<u8>,
    ids: Vec<(Uuid, u64)>,
}

impl World {
    /// Groups of a base and ids.
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
            let header = GroupHeader::new(*base, Encoding::NONE, length);
            emit_group(&header, &entries, out).unwrap();
            all.extend(ids.iter().zip(0_u64..).map(|(id, i)| (*id, base.wrapping_add(i * 10))));
        }
        let runs = [RunSpec { first_group: 0, groups: count }];
        let mut region = vec![0; usize::try_from(lookup_len(&runs, STRIDE)).unwrap()];
        let first = |g: u32| groups[usize::try_from(g).unwrap()].1[0];
        emit_lookup(AT, &runs, STRIDE, first, &mut region).unwrap();
        Self { lent: Lent::new(AT, index.into()), region, ids: all }
    }

    /// Asks for every id, and those beside it, until the guide knows what it can. Returns how
    /// many of the last round it knew, of how many.
    fn ask(&self, len_max: u64) -> (usize, usize) {
        let lookup = Lookup::parse(&self.region, 0).unwrap();
        // Ids that all begin alike have none.
        let Some(guide) = Guide::new(&lookup, &self.lent, u64::MAX, len_max) else { return (0, 0) };
        let slice = |span: Span| self.lent.slice(span).unwrap();
        let run = slice(guide.run());
        let mut told = (0, 0);
        for round in 0..3 {
            for (id, start) in &self.ids {
                for near in [-1, 0, 1] {
                    let near = Uuid::from_u128(id.as_u128().wrapping_add_signed(near));
                    let expected = match self.ids.binary_search_by_key(&near, |(id, _)| *id) {
                        Ok(i) => Some(self.ids[i].1),
                        Err(_) => None,
                    };
                    assert!(near != *id || expected == Some(*start));
                    let mut found = find(&guide, near, &self.lent);
                    while let Told::Unknown = found {
                        let Some(block) = guide.block_to_fill(near, &self.region, 0, || true)
                        else {
                            break;
                        };
                        let bytes = slice(lookup.block_span(block).unwrap());
                        lookup.check_block(block, bytes).unwrap();
                        guide.fill(block, Some(run));
                        found = find(&guide, near, &self.lent);
                    }
                    let knows = match found {
                        Told::Found(located) => {
                            assert_eq!((located.id, Some(located.span.start)), (near, expected));
                            assert_eq!(located.span.len(), 7);
                            let entry = slice(Span::new(located.at, 16).unwrap());
                            assert_eq!(entry, near.to_bytes_le());
                            true
                        }
                        Told::Absent => {
                            assert_eq!(expected, None, "{near}");
                            true
                        }
                        Told::Unknown | Told::Nothing => false,
                    };
                    if round == 2 {
                        told = (told.0 + usize::from(knows), told.1 + 1);
                    }
                }
            }
        }
        told
    }
}

fn find(guide: &Guide, id: Uuid, lent: &Lent) -> Told {
    guide.filled().map_or(Told::Unknown, |filled| filled.find(id, lent.bytes()))
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
    // With little room, for one piece, there are more entries in a bucket than it has bytes for.
    for len_max in [1 << 19, 17 << 10] {
        let (knew, of) = World::new(&full_groups(50, &spread(5000))).ask(len_max);
        assert_eq!((knew, of), (15_000, 15_000), "in {len_max}");
    }
    let ids: Vec<_> = (1..=3000_u64).map(|n| Uuid::from_u64_pair(n << 44, 1 << 63)).collect();
    assert_eq!(World::new(&full_groups(50, &ids)).ask(1 << 19), (9000, 9000));
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
        World::new(&full_groups(50, &ids)).ask(1 << 19);
    }
}

#[test]
fn groups_with_room_and_bases_of_their_own_are_told_apart() {
    let ids = spread(4000);
    // An id range ends in the second, the fourth and the seventh group.
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
    let (knew, of) = World::new(&groups).ask(1 << 19);
    assert!(knew > 3000, "{knew} of {of}");
}

#[test]
fn ids_whose_bytes_are_alike_are_told_apart() {
    // spec: R-LKP-12
    // The hash is of the sum of both halves, which is the same in all of these.
    let alike = |n: u64| {
        let lead = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let fields = [lead >> 32, (lead >> 16) & 0xffff, lead & 0xffff];
        let stored = fields[0] | fields[1] << 32 | fields[2] << 48;
        Uuid::from_u64_pair(lead, (stored ^ 0x1234).swap_bytes())
    };
    let mut ids: Vec<_> = (1..=4000).map(alike).collect();
    ids.sort_unstable();
    let world = World::new(&full_groups(50, &ids));
    assert_eq!(world.ask(1 << 19), (12_000, 12_000));
    let run: Vec<_> = ids.iter().map(|id| Wanted::new(*id).tag()).collect();
    assert!(run.iter().all(|tag| *tag == run[0]), "they are not what this is about");
}

#[test]
fn what_stands_behind_the_last_entry_is_no_entry() {
    // spec: R-LKP-12, R-GRP-01
    // Ids with the byte 1, next to that of a place without an entry, which is 0: the last of the
    // run, and one behind it, in the reserve.
    let tagged = |n: u128| Wanted::new(Uuid::from_u128(n)).tag() == 1;
    let behind = |n: u128| (n..n + 100_000).find(|n| tagged(*n)).unwrap();
    let mut ids = spread(3000);
    let last = behind(ids.last().unwrap().as_u128() + 1);
    ids.push(Uuid::from_u128(last));
    let reserved = behind(last + 1);
    let World { lent, region, .. } = World::new(&full_groups(50, &ids));
    let mut index = lent.bytes().to_vec();
    let at = 8 + 11 * 6136 + 16 + (3001 - 11 * 255) * 24;
    let entry = Entry::new(Uuid::from_u128(reserved), 5, 7);
    assert_eq!(index[at..at + 24], [0; 24]);
    index[at..at + 24].copy_from_slice(daicon_core::bytes_of(&entry));
    let lent = Lent::new(AT, index.into());
    let lookup = Lookup::parse(&region, 0).unwrap();
    let guide = Guide::new(&lookup, &lent, u64::MAX, 1 << 19).unwrap();
    let run = lent.slice(guide.run()).unwrap();
    for _ in 0..2 {
        let _ = guide.block_to_fill(ids[0], &region, 0, || true);
    }
    (0..guide.blocks).for_each(|block| guide.fill(block, Some(run)));
    assert!(matches!(find(&guide, Uuid::from_u128(last), &lent), Told::Found(_)));
    let told = find(&guide, Uuid::from_u128(reserved), &lent);
    assert!(matches!(told, Told::Absent), "{told:?}");
}

#[test]
fn bytes_are_told_apart_exactly() {
    let ids = spread(4000);
    let wanted: Vec<_> = ids.iter().map(|id| Wanted::new(*id)).collect();
    for (n, ids) in (0..).zip(ids.chunks(7)) {
        let buckets = Buckets::new(1);
        let mut some = Gathered::default();
        let some_ids = &ids[..n % 8 % (ids.len() + 1)];
        for (slot, id) in (0..).zip(some_ids) {
            some.push(slot, &Entry::new(*id, 0, 0));
        }
        buckets.set(0, &some).unwrap();
        let bucket = buckets.get(0).unwrap();
        for wanted in &wanted {
            let tags = some_ids.iter().map(|id| Wanted::new(*id).tag());
            let expected = { (0..).zip(tags) }
                .filter(|(_, tag)| *tag == wanted.tag())
                .fold(0, |bits, (i, _)| bits | 0x80_u64 << (8 * i));
            assert_eq!(bucket.alike(wanted), expected, "{some_ids:?}");
        }
    }
}

#[test]
fn a_guide_is_as_large_as_its_entries_need_and_no_larger_than_its_limit() {
    // 60,000 entries have 20,060 buckets of 32 bytes at best, as the last of 236 groups counts as
    // full, in pieces of 512; 79 blocks take a byte each. Nothing is allocated for one look-up.
    let world = World::new(&full_groups(50, &spread(60_000)));
    let lookup = Lookup::parse(&world.region, 0).unwrap();
    for (len_max, buckets, pieces) in [(1 << 20, 20_060, 40), (1 << 16, 1536, 3)] {
        let guide = Guide::new(&lookup, &world.lent, u64::MAX, len_max).unwrap();
        let run = world.lent.slice(guide.run()).unwrap();
        assert_eq!((guide.blocks, guide.spread.count), (79, buckets));
        let first = world.ids[0].0;
        assert!(guide.block_to_fill(first, &world.region, 0, || true).is_none());
        assert!(guide.filled().is_none(), "one look-up needs no guide");
        assert!(guide.block_to_fill(first, &world.region, 0, || true).is_none());
        let filled = guide.filled().expect("two need one");
        assert_eq!(filled.buckets.pieces(), 0);
        guide.fill(0, Some(run));
        assert!(filled.buckets.pieces() <= 1, "one block, one piece");
        (1..guide.blocks).for_each(|block| guide.fill(block, Some(run)));
        assert_eq!(filled.buckets.pieces(), pieces);
        for (id, _) in world.ids.iter().step_by(7) {
            assert!(matches!(find(&guide, *id, &world.lent), Told::Found(_)));
        }
    }
}

#[test]
fn a_region_past_the_end_of_the_file_is_left_to_the_search_to_tell() {
    let ids = spread(2000);
    // The last entry of each group ends at 50 + 2,540 + 7 at most; a base near the top of all
    // positions makes sums that pass it.
    for (base, len, found) in
        [(50, 2597, true), (50, 2596, false), (u64::MAX - 2546, u64::MAX, false)]
    {
        let world = World::new(&full_groups(base, &ids));
        let lookup = Lookup::parse(&world.region, 0).unwrap();
        let guide = Guide::new(&lookup, &world.lent, len, 1 << 19).unwrap();
        let run = world.lent.slice(guide.run()).unwrap();
        for _ in 0..2 {
            let _ = guide.block_to_fill(ids[0], &world.region, 0, || true);
        }
        (0..guide.blocks).for_each(|block| guide.fill(block, Some(run)));
        let told = find(&guide, ids[254], &world.lent);
        let is_found = matches!(told, Told::Found(located) if located.span.end == 2597);
        assert_eq!(is_found, found, "{told:?}");
        assert!(found || matches!(told, Told::Nothing), "{told:?}");
    }
}

#[test]
fn what_cannot_be_guided_is_not() {
    let world = World::new(&full_groups(50, &spread(300)));
    let lookup = Lookup::parse(&world.region, 0).unwrap();
    assert!(Guide::new(&lookup, &world.lent, u64::MAX, 0).is_none(), "no room");
    let same = [Uuid::from_u128(1), Uuid::from_u128(2)];
    let world = World::new(&full_groups(50, &same));
    let lookup = Lookup::parse(&world.region, 0).unwrap();
    assert!(
        Guide::new(&lookup, &world.lent, u64::MAX, 1 << 19).is_none(),
        "nothing to divide ids by"
    );
}

#[test]
fn a_block_that_is_given_up_is_left_to_the_search() {
    let world = World::new(&full_groups(50, &spread(300)));
    let lookup = Lookup::parse(&world.region, 0).unwrap();
    let guide = Guide::new(&lookup, &world.lent, u64::MAX, 1 << 19);
    // One block, so one key, and nothing to divide ids by.
    assert!(guide.is_none());
    let world = World::new(&full_groups(50, &spread(1500)));
    let lookup = Lookup::parse(&world.region, 0).unwrap();
    let guide = Guide::new(&lookup, &world.lent, u64::MAX, 1 << 19).expect("there is room");
    let id = world.ids[9].0;
    for _ in 0..4 {
        assert!(matches!(find(&guide, id, &world.lent), Told::Unknown));
        while let Some(block) = guide.block_to_fill(id, &world.region, 0, || true) {
            guide.fill(block, None);
        }
    }
}
