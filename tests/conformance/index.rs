//! Compares `dacti-index` with fixtures and with the reference. Also counts its reads, and decodes
//! with limits.

use crate::support::{self, container_verdict, fixtures, id_of, index_verdict, read, uuid_of};
use dacti_index::{
    Encoding, Entry, Event, Finder, Group, GroupHeader, INDEX_ID, INDEX_MINORS, INDEX_VERSION,
    IndexReader, Located, Misuse, Progress, decode_into, decode_to_vec, emit_group, emit_header,
    id_ranges, index_len,
};
use dacti_tests::dump;
use dacti_tests::reference::{self as by, EntrySeen, GROUP, Index, NONE, small};
use daicon_core::{Format, Requirement, Span, TableWalker, Version};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Returns the region of a file's index component, as `daicon-core` reads it.
pub fn index_span(file: &[u8]) -> Result<Span, String> {
    let len = file.len() as u64;
    let mut walker = TableWalker::new(Some(len));
    while let Some(want) = walker.want() {
        walker.feed(read(file, want.start, want.end)).map_err(|e| container_verdict(&e))?;
    }
    let requires = [Requirement::with_minors(INDEX_ID, INDEX_VERSION, INDEX_MINORS)];
    let format = Format { requires: &requires, ..Format::new(INDEX_ID, INDEX_VERSION) };
    format.check(walker.components()).map_err(|error| container_verdict(&error))?;
    let component = walker
        .find(INDEX_ID, INDEX_VERSION)
        .or_else(|| walker.find(INDEX_ID, Version::new(0, 0)))
        .expect("the check passed");
    component.span_within(len).map_err(|error| container_verdict(&error))
}

/// The spans that a machine wanted, in the order of its requests.
type Wants = Vec<(u64, u64)>;

/// Returns the entries that our reader finds in an index, and the spans that it wanted.
pub fn walk(file: &[u8], region: Span) -> (Result<Index, String>, Wants) {
    let mut wants = Vec::new();
    let mut seen = Index { region: (region.start, region.len()), ..Index::default() };
    let mut run = || -> Result<Index, dacti_index::Error> {
        let mut reader = IndexReader::new(region)?;
        let mut number = 0;
        while let Some(want) = reader.want() {
            wants.push((want.start, want.end));
            assert!(want.len() <= 255 * 24, "no want is longer than a group's entries");
            match reader.feed(read(file, want.start, want.end)) {
                Ok(Some(Event::Header { groups })) => seen.groups = groups,
                Ok(Some(Event::Group(group))) => {
                    seen.entries.extend(entries_of(&group, number));
                    number += 1;
                }
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(reader.want(), None, "after an error nothing is wanted");
                    return Err(error);
                }
            }
        }
        assert!(wants.len() as u64 <= 1 + 2 * u64::from(seen.groups));
        Ok(seen.clone())
    };
    let result = run().map_err(|error| index_verdict(&error));
    (result, wants)
}

fn entries_of(group: &Group<'_>, number: u32) -> Vec<EntrySeen> {
    let seen = |(i, entry): (usize, &Entry)| EntrySeen {
        at: group.at() + 16 + 24 * i as u64,
        group: number,
        group_at: group.at(),
        id: id_of(entry.id.get()),
        base: group.base(),
        encoding: group.encoding().tag(),
        offset: entry.offset.get(),
        size: entry.size.get(),
    };
    group.entries().iter().enumerate().map(seen).collect()
}

/// Searches for an id. Returns the place of the region, and the spans that the search wanted.
pub fn find(file: &[u8], region: Span, id: by::Id) -> (Result<Option<Located>, String>, Wants) {
    let mut wants = Vec::new();
    let mut run = || -> Result<Option<Located>, dacti_index::Error> {
        let mut finder = Finder::new(region, uuid_of(id))?;
        while let Some(want) = finder.want() {
            wants.push((want.start, want.end));
            finder.feed(read(file, want.start, want.end))?;
        }
        Ok(finder.found())
    };
    let result = run().map_err(|error| index_verdict(&error));
    (result, wants)
}

/// Returns the content of a region. Our decoder decodes it in three ways, which must have the same
/// result.
pub fn content(file: &[u8], located: &Located, cap: u64) -> Result<Vec<u8>, String> {
    let located = located.within(file.len() as u64).map_err(|error| index_verdict(&error))?;
    let stored = read(file, located.span.start, located.span.end);
    let whole = decode_to_vec(&located, stored, None, cap).map_err(|e| index_verdict(&e));
    let misled =
        decode_to_vec(&located, stored, Some(u64::MAX), cap).map_err(|e| index_verdict(&e));
    assert_eq!(misled, whole, "a wrong hint changes nothing");
    let mut buffer = vec![0xaa; cap as usize];
    let into = decode_into(&located, stored, &mut buffer).map_err(|error| index_verdict(&error));
    match (&whole, into) {
        (Ok(whole), Ok(len)) => assert_eq!(&buffer[..len], &whole[..]),
        (whole, into) => assert_eq!(into.err(), whole.as_ref().err().cloned()),
    }
    whole
}

/// Returns the index, the entries and the regions of a file, in the form of a fixture's dump.
pub fn dump_of(file: &[u8]) -> Result<String, String> {
    let region = index_span(file)?;
    let index = walk(file, region).0?;
    let mut out = dump::index(index.region, index.groups);
    for entry in &index.entries {
        out += &dump::entry(entry.at, &entry.id, entry.group, entry.offset, entry.size);
    }
    let ids: BTreeMap<_, _> = index.entries.iter().map(|entry| (entry.id, ())).collect();
    let mut removals = String::new();
    for id in ids.keys() {
        let Some(located) = find(file, region, *id).0? else {
            removals += &dump::removal(id, removal(file, region, *id)?);
            continue;
        };
        let tag = located.encoding.tag();
        let content = match located.encoding {
            Encoding::NONE | Encoding::BROTLI => Some(content(file, &located, dump::CAP)?),
            _ => None,
        };
        let located = located.within(file.len() as u64).map_err(|error| index_verdict(&error))?;
        let span = (located.span.start, located.span.len());
        out += &dump::region(id, span, tag, content.as_deref());
    }
    Ok(out + &removals)
}

/// Returns the offset that the removal of an id states, as an absolute position. The index must
/// have this removal.
fn removal(file: &[u8], region: Span, id: by::Id) -> Result<u64, String> {
    let mut reader = IndexReader::new(region).map_err(|error| index_verdict(&error))?;
    while let Some(want) = reader.want() {
        let event = reader.feed(read(file, want.start, want.end));
        let Some(Event::Group(group)) = event.map_err(|error| index_verdict(&error))? else {
            continue;
        };
        if let Some(found) = group.find(uuid_of(id)).map_err(|error| index_verdict(&error))? {
            assert!(found.is_removal(), "a region is found");
            return Ok(found.span.start);
        }
    }
    panic!("an id that is listed is found or removed");
}

#[test]
fn fixtures_of_the_index() {
    support::check("index", 63, dump_of);
}

#[test]
fn the_entry_that_counts_is_found_in_every_fixture() {
    // spec: R-ORD-01, R-ORD-02, R-ORD-03, R-ORD-04
    for fixture in fixtures("index").into_iter().filter(support::Fixture::is_good) {
        let file = &fixture.bytes;
        let container = by::read_container(file).expect("the fixture is good");
        let expected = by::read_index(file, &container).expect("the fixture is good").regions();
        let region = index_span(file).expect("the fixture is good");
        for (id, entry) in &expected {
            let found = find(file, region, *id).0.expect("the fixture is good");
            assert_eq!(found.map(|found| found.at), Some(entry.at), "{}", fixture.name);
        }
        assert_eq!(find(file, region, [0xee; 16]).0, Ok(None), "{}", fixture.name);
    }
}

/// Returns an index whose groups have these numbers of entries. It starts at the start of a file,
/// and its ids count up from 1.
fn counted(lengths: &[u8]) -> Vec<u8> {
    let mut next = 0;
    let groups: Vec<_> = lengths
        .iter()
        .map(|length| {
            let mut id = || {
                next += 1;
                by::Entry { id: small(next), offset: 0, size: 0 }
            };
            by::Group { entries: (0..*length).map(|_| id()).collect(), ..by::Group::default() }
        })
        .collect();
    by::index(&groups)
}

fn all_of(file: &[u8]) -> Span {
    Span { start: 0, end: file.len() as u64 }
}

#[test]
fn a_walk_wants_what_it_needs_and_no_more() {
    // spec: R-GRP-01, R-IDX-02
    let file = counted(&[0, 2, 255]);
    let (_, wants) = walk(&file, all_of(&file));
    let expected = [
        (0, 8),
        (8, 24),
        (8 + GROUP, 24 + GROUP),
        (24 + GROUP, 24 + GROUP + 48),
        (8 + 2 * GROUP, 24 + 2 * GROUP),
        (24 + 2 * GROUP, 24 + 2 * GROUP + 255 * 24),
    ];
    assert_eq!(wants, expected);
    assert_eq!(walk(&file, Span { start: 500, end: 500 }).1, [], "an empty region is not read");
}

#[test]
fn a_search_ends_at_the_first_group_that_has_the_id() {
    // spec: R-ORD-01
    let file = counted(&[3, 3, 3]);
    let feeds = |id| find(&file, all_of(&file), small(id)).1.len();
    assert_eq!((feeds(1), feeds(3), feeds(4), feeds(9), feeds(10)), (3, 3, 5, 7, 7));
}

#[test]
fn a_file_that_ends_early_is_named_without_its_length() {
    // spec: R-IDX-05, R-GRP-01
    let file = counted(&[2, 1]);
    let at = 8 + GROUP as usize;
    for len in 0..file.len() {
        let (verdict, _) = walk(&file[..len], all_of(&file));
        let expected = match len {
            ..8 => Err("error truncated index header at 0x0"),
            8..24 => Err("error truncated group header at 0x8"),
            24..72 => Err("error truncated group entries at 0x18"),
            // The reader does not read the free slots of a group, so it does not notice that they
            // are cut off.
            _ if len < at => Err("error truncated group header at 0x1800"),
            _ if len < at + 16 => Err("error truncated group header at 0x1800"),
            _ if len < at + 40 => Err("error truncated group entries at 0x1810"),
            _ => Ok(3),
        };
        let verdict = verdict.map(|index| index.entries.len());
        assert_eq!(verdict, expected.map_err(str::to_owned), "cut to {len} bytes");
    }
}

#[test]
fn bases_past_four_gibibytes_are_added_in_64_bits() {
    // spec: R-ENT-01, R-ORD-07
    let entry = by::Entry { id: small(1), offset: u32::MAX, size: u32::MAX };
    for base in [1 << 32, (1 << 40) + 1, u64::MAX - 2 * u64::from(u32::MAX)] {
        let file = by::index(&[by::Group { base, entries: vec![entry], ..by::Group::default() }]);
        let found =
            find(&file, all_of(&file), small(1)).0.expect("the sums fit").expect("it is there");
        let start = base + u64::from(u32::MAX);
        assert_eq!(found.span, Span { start, end: start + u64::from(u32::MAX) });
    }
}

#[test]
fn one_bad_entry_leaves_the_others_readable() {
    // spec: R-ENT-01, R-ENT-02
    let entry = |id, offset, size| by::Entry { id: small(id), offset, size };
    let wraps = by::Group {
        base: u64::MAX - 9,
        entries: vec![entry(1, 9, 1), entry(2, 10, 0)],
        ..by::Group::default()
    };
    let outside =
        by::Group { entries: vec![entry(3, u32::MAX, 1), entry(4, 0, 4)], ..by::Group::default() };
    let file = by::index(&[wraps, outside]);
    let len = file.len() as u64;
    let get = |id| {
        let found = find(&file, all_of(&file), small(id)).0?.expect("it is listed");
        found.within(len).map(|found| found.span.len()).map_err(|error| index_verdict(&error))
    };
    assert_eq!(get(1), Err("error corrupt entry at 0x18".into()));
    assert_eq!(get(2), Err("error corrupt entry at 0x30".into()));
    assert_eq!(get(3), Err("error truncated stored region at 0xffffffff".into()));
    assert_eq!(get(4), Ok(4));
}

#[test]
fn an_unknown_encoding_is_named_and_its_bytes_are_handed_out() {
    // spec: R-ENC-01, R-ENC-02
    let fixture =
        fixtures("index").into_iter().find(|f| f.name == "index_unknown_encoding_is_listed");
    let file = fixture.expect("the fixture is committed").bytes;
    let region = index_span(&file).expect("the fixture is good");
    let found =
        find(&file, region, small(1)).0.expect("the fixture is good").expect("it is listed");
    assert_eq!(read(&file, found.span.start, found.span.end), b"he", "as stored");
    assert_eq!(found.encoding.name(), Some("zst"));
    let error = decode_to_vec(&found, b"he", None, 100).expect_err("it cannot be decoded");
    assert_eq!(
        index_verdict(&error),
        format!("error unsupported stored region at {:#x}", found.span.start)
    );
    assert!(error.to_string().contains("zst"), "{error}");
}

#[test]
fn content_may_be_as_long_as_the_cap_and_no_longer() {
    // spec: R-ENC-05
    let located = |encoding, stored: &[u8]| {
        let span = Span { start: 64, end: 64 + stored.len() as u64 };
        Located { id: uuid_of(small(1)), span, encoding, at: 8 }
    };
    let text = b"to be, or not to be";
    let stream = by::brotli_stored(text);
    for cap in 0..2 * text.len() as u64 {
        let fits = cap >= text.len() as u64;
        for (encoding, stored, what) in [
            (Encoding::NONE, &text[..], "stored region"),
            (Encoding::BROTLI, &stream, "brotli stream"),
        ] {
            let decoded = decode_to_vec(&located(encoding, stored), stored, None, cap);
            let expected =
                if fits { Ok(text.to_vec()) } else { Err(format!("error limit {what} at 0x40")) };
            assert_eq!(decoded.map_err(|error| index_verdict(&error)), expected, "a cap of {cap}");
        }
    }
}

#[test]
fn brotli_streams_are_read_as_by_the_reference_however_they_are_cut() {
    // spec: R-ENC-03, R-ENC-04
    let long = by::brotli_stored(&b"0123456789abcdef".repeat(5000));
    for stream in [by::brotli_stored(b""), by::brotli_stored(b"hello"), long] {
        let mut lens: Vec<_> = (0..stream.len().min(64)).collect();
        lens.extend(stream.len().saturating_sub(64)..=stream.len());
        for len in lens {
            let stored = &stream[..len];
            let span = Span { start: 0, end: len as u64 };
            let located =
                Located { id: uuid_of(small(1)), span, encoding: Encoding::BROTLI, at: 0 };
            let ours = content(stored, &located, dump::CAP);
            let expected = by::unbrotli(stored, dump::CAP)
                .map_err(|kind| format!("error {kind} brotli stream at 0x0"));
            assert_eq!(ours, expected, "cut to {len} bytes");
        }
    }
}

#[test]
fn decoding_by_pieces_gives_the_same_bytes() {
    // spec: R-ENC-03
    let text = b"The quick brown fox. ".repeat(400);
    let stream = by::brotli_stored(&text);
    let span = Span { start: 0, end: stream.len() as u64 };
    let located = Located { id: uuid_of(small(1)), span, encoding: Encoding::BROTLI, at: 0 };
    for (take, room) in [(1, 1), (1, 4096), (4096, 1), (7, 13), (1000, 1000)] {
        let mut decoder =
            dacti_index::Decoder::new(&located, text.len() as u64).expect("it is known");
        let (mut out, mut taken, mut calls) = (Vec::<u8>::new(), 0, 0);
        loop {
            let mut piece = vec![0; room];
            let stored = &stream[taken..stream.len().min(taken + take)];
            let Progress { read, written, done } =
                decoder.decode(stored, &mut piece).expect("it is good");
            taken += read;
            out.extend(&piece[..written]);
            calls += 1;
            assert!(calls <= 2 * (stream.len() + text.len()), "each call moves on");
            if done {
                break;
            }
        }
        assert_eq!((out == text, taken), (true, stream.len()), "{take} in, {room} out");
    }
}

/// Returns a group that both the reference and our code can write.
fn any_group() -> impl Strategy<Value = by::Group> {
    let entry = any::<(u8, u32, u32)>().prop_map(|(id, offset, size)| by::Entry {
        id: small(u32::from(id)),
        offset,
        size,
    });
    let encoding = prop::sample::select(vec![NONE, by::BROT, *b"zst\0", [0xff; 4]]);
    (any::<u64>(), encoding, prop::collection::vec(entry, 0..40)).prop_map(
        |(base, encoding, entries)| by::Group { base, encoding, entries, ..by::Group::default() },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn indexes_are_read_as_by_the_reference(
        groups in prop::collection::vec(any_group(), 0..5),
        before in 0..70_usize,
        behind in 0..70_usize,
    ) {
        // spec: R-IDX-06, R-GRP-01, R-ORD-01, R-ORD-02, R-ORD-03
        let region = by::index(&groups);
        let file = [&vec![0xee; before][..], &region, &vec![0xee; behind]].concat();
        let span = Span { start: before as u64, end: file.len() as u64 };
        let region = (span.start, span.len());
        let expected = by::index_at(&file, region).expect("the reference wrote it");
        prop_assert_eq!(walk(&file, span).0, Ok(expected.clone()));
        for id in 0..=255 {
            let found = find(&file, span, small(id)).0;
            match expected.regions().get(&small(id)) {
                None => prop_assert_eq!(found, Ok(None)),
                Some(entry) => match by::stored_span(entry, u64::MAX) {
                    Err(fault) => prop_assert_eq!(found, Err(fault.to_string())),
                    Ok((start, len)) => {
                        let found = found.expect("the sums fit").expect("it is listed");
                        prop_assert_eq!((found.span.start, found.span.len()), (start, len));
                        prop_assert_eq!(found.at, entry.at);
                        prop_assert_eq!(found.encoding.tag(), entry.encoding);
                    }
                },
            }
        }
    }

    #[test]
    fn indexes_are_emitted_as_the_reference_writes_them(
        groups in prop::collection::vec(any_group(), 0..4),
        junk in any::<u8>(),
    ) {
        // spec: R-GRP-04, R-FMT-02
        let mut out = vec![junk; index_len(groups.len() as u32) as usize];
        let mut at = emit_header(groups.len() as u32, &mut out).expect("the buffer is long enough");
        for group in &groups {
            let length = group.entries.len() as u8;
            let header = GroupHeader::new(group.base, Encoding::from_tag(group.encoding), length);
            let entries: Vec<_> =
                group.entries.iter().map(|e| Entry::new(uuid_of(e.id), e.offset, e.size)).collect();
            at += emit_group(&header, &entries, &mut out[at..]).expect("the buffer is long enough");
        }
        prop_assert_eq!(at, out.len());
        prop_assert_eq!(out, by::index(&groups));
    }

    #[test]
    fn id_ranges_are_cut_where_the_rule_says(
        sizes in prop::collection::vec(0..=u32::MAX, 0..40),
        scale in 0..3_u32,
    ) {
        // spec: R-ORD-07
        let sizes: Vec<_> = sizes.iter().map(|size| u64::from(*size >> (4 * scale))).collect();
        // The test computes the expected ranges with a simple loop. A region starts a new range if
        // the sum of the sizes would otherwise exceed 2^32 - 1.
        let mut expected: Vec<(usize, usize, u64)> = Vec::new();
        for (i, size) in sizes.iter().enumerate() {
            match expected.last_mut() {
                Some((_, count, sum)) if *sum + size <= u64::from(u32::MAX) => {
                    *count += 1;
                    *sum += size;
                }
                _ => expected.push((i, 1, *size)),
            }
        }
        let ranges = id_ranges(sizes.iter().copied()).expect("every size fits");
        let ours: Vec<_> = ranges.iter().map(|r| (r.first, r.count, r.stored_len_max)).collect();
        prop_assert_eq!(ours, expected);
    }
}

#[test]
fn what_32_bits_cannot_say_is_refused() {
    // spec: R-ENT-05
    assert!(id_ranges([u64::from(u32::MAX)]).is_ok());
    let expected = Misuse::RegionTooLong { len: 1 << 32 };
    assert_eq!(id_ranges([1, 1 << 32]), Err(expected.into()));
    // With 699,962 groups, the index region has the maximum length that its 32-bit size allows.
    assert!(
        8 + GROUP * 699_962 <= u64::from(u32::MAX) && 8 + GROUP * 699_963 > u64::from(u32::MAX)
    );
    assert_eq!(emit_header(699_962, &mut [0; 8]), Ok(8));
    let expected = Misuse::TooManyGroups { groups: 699_963 };
    assert_eq!(emit_header(699_963, &mut [0; 8]), Err(expected.into()));
}
