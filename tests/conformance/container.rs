//! Compares `daicon-core` with fixtures and with the reference. Also compares the walks over all
//! small containers with the reference.

use crate::support::{self, Fixture, container_verdict, fixtures, id_of, read, uuid_of};
use dacti_tests::dump;
use dacti_tests::reference::{self as by, Container, Fault, Found, TableSeen, small};
use daicon_core::{
    ComponentMatch, ComponentSpec, Diagnostic, ErrorKind, Event, Format, Limits, Misuse,
    PreambleSpec, Region, Requirement, Span, TableSpec, TableWalker, Version, Window,
    emit_container,
};
use proptest::prelude::*;

type Walker = TableWalker;

/// How a walk gets its bytes.
#[derive(Clone, Copy, Debug)]
enum Feeding {
    /// Exactly the wanted bytes.
    Exact,
    /// The wanted bytes, and all bytes of the file after them.
    ToTheEnd,
    /// Exactly the wanted bytes, at a memory address with this remainder modulo 16.
    Aligned(usize),
    /// First a head of this length, then exactly the wanted bytes.
    Prefetched(usize),
}

/// A complete walk: the tables and components that were found, the spans that were wanted, and the
/// result.
struct Walk {
    walker: Walker,
    seen: Container,
    wants: Vec<(u64, u64)>,
    error: Option<daicon_core::Error>,
}

fn walk(file: &[u8], known: bool, feeding: Feeding) -> Walk {
    let walker = Walker::new(known.then_some(file.len() as u64));
    let mut walk = Walk { walker, seen: Container::default(), wants: Vec::new(), error: None };
    while let Some(want) = walk.walker.want() {
        walk.wants.push((want.start, want.end));
        assert!(walk.wants.len() <= 2 * 64 + 1, "a walk has a bounded number of feeds");
        assert!(want.len() <= 28 * 256, "a want is bounded by the limits");
        if let Err(error) = feed(&mut walk, file, want, feeding) {
            walk.error = Some(error);
            assert_eq!(walk.walker.want(), None, "after an error nothing is wanted");
        }
    }
    finish(&mut walk);
    walk
}

fn feed(walk: &mut Walk, file: &[u8], want: Span, how: Feeding) -> Result<(), daicon_core::Error> {
    let exact = read(file, want.start, want.end);
    let mut moved = Vec::new();
    let bytes = match how {
        Feeding::Exact => exact,
        Feeding::ToTheEnd => read(file, want.start, u64::MAX),
        Feeding::Aligned(remainder) => {
            moved.resize(32 + exact.len(), 0xaa);
            let start = moved.as_ptr().align_offset(16) + remainder;
            moved[start..start + exact.len()].copy_from_slice(exact);
            &moved[start..start + exact.len()]
        }
        Feeding::Prefetched(len) => {
            let prefix = &file[..len.min(file.len())];
            let window = if prefix.len() == file.len() {
                Window::ending_file(0, prefix)
            } else {
                Window::new(0, prefix)
            };
            window.answer(want).unwrap_or(exact)
        }
    };
    match walk.walker.feed(bytes)? {
        Some(Event::Preamble(head)) => {
            walk.seen.format = id_of(head.id.get());
            (walk.seen.major, walk.seen.minor) = (head.major.get(), head.minor.get());
        }
        Some(Event::Table(table)) => {
            let (base, count) = (table.region_base(), table.header().count.get());
            let extension = table.extension_at().unwrap_or(0);
            walk.seen.tables.push(TableSeen { at: table.at(), base, extension, count });
            assert_eq!(table.entries().len() as u64, u64::from(count));
        }
        Some(_) | None => {}
    }
    Ok(())
}

/// Makes the reference's diagnostics comparable with a walker's. A walker keeps at most sixteen
/// diagnostics and counts the others. So if there are more than sixteen, only their number is
/// compared.
fn countable(mut seen: Container, diagnostics: u64) -> Container {
    if diagnostics > 16 {
        seen.ignored = vec![(diagnostics, diagnostics)];
        (seen.looped, seen.reserved) = (None, Vec::new());
    }
    seen
}

/// Converts the walker's results into the types of the reference.
fn finish(walk: &mut Walk) {
    let found = |component: &daicon_core::Component| Found {
        at: component.at,
        id: id_of(component.id),
        major: component.version.major,
        minor: component.version.minor,
        data: component.data,
        base: component.base,
    };
    walk.seen.components = walk.walker.components().iter().map(found).collect();
    for diagnostic in walk.walker.diagnostics() {
        match *diagnostic {
            Diagnostic::Loop { extension_at, .. } => walk.seen.looped = Some(extension_at),
            Diagnostic::Duplicate { at, first_at } => walk.seen.ignored.push((at, first_at)),
            Diagnostic::ReservedNotZero { at, found } => walk.seen.reserved.push((at, found)),
            _ => panic!("a diagnostic that the specification does not have"),
        }
    }
    let kept = walk.walker.diagnostics().count() as u64;
    assert_eq!(kept, walk.walker.diagnostics_count().min(16));
    walk.seen = countable(walk.seen.clone(), walk.walker.diagnostics_count());
}

fn outcome(walk: Walk) -> Result<Container, String> {
    match walk.error {
        Some(error) => Err(container_verdict(&error)),
        None => Ok(walk.seen),
    }
}

fn reference(file: &[u8]) -> Result<Container, String> {
    let seen = by::read_container(file).map_err(|fault: Fault| fault.to_string())?;
    let diagnostics = seen.ignored.len() + seen.reserved.len() + usize::from(seen.looped.is_some());
    Ok(countable(seen, diagnostics as u64))
}

/// Returns the tables and components of a file, and the regions of the components, in the form of a
/// fixture's dump.
fn ours(file: &[u8]) -> Result<String, String> {
    let len = file.len() as u64;
    let Walk { walker, seen, error, .. } = walk(file, true, Feeding::Exact);
    if let Some(error) = error {
        return Err(container_verdict(&error));
    }
    let mut out = dump::head(&seen.format, seen.major, seen.minor, len);
    for table in &seen.tables {
        out += &dump::table(table.at, table.base, table.extension, table.count);
    }
    for component in walker.components() {
        let region = component.span_within(len).map_err(|error| container_verdict(&error))?;
        let version = (component.version.major, component.version.minor);
        let region = (region.start, region.len());
        out += &dump::component(component.at, &id_of(component.id), version, region);
    }
    for (at, first_at) in &seen.ignored {
        out += &dump::ignored(*at, *first_at);
    }
    if let Some(to) = seen.looped {
        out += &dump::looped(to);
    }
    for (at, value) in &seen.reserved {
        out += &dump::reserved(*at, *value);
    }
    Ok(out)
}

#[test]
fn fixtures_of_the_container() {
    support::check("container", 55, ours);
}

#[test]
fn any_feeding_gives_the_same() {
    // spec: R-SIG-01, R-EXT-08, R-TBL-09
    for Fixture { name, bytes, .. } in
        ["container", "index", "package"].into_iter().flat_map(fixtures)
    {
        let expected = outcome(walk(&bytes, true, Feeding::Exact));
        let mut others = vec![Feeding::ToTheEnd];
        others.extend((0..16).map(Feeding::Aligned));
        others.extend([0, 27, 28, 51, 52, 79, 80, 1000, 65_536].map(Feeding::Prefetched));
        for feeding in others {
            assert_eq!(outcome(walk(&bytes, true, feeding)), expected, "{name}, {feeding:?}");
        }
    }
}

#[test]
fn every_truncation_of_a_chain_is_named() {
    // spec: R-FMT-04, R-TBL-02, R-TBL-03
    let world = World { counts: [2, 3, 1], extensions: [140, 260, 0] };
    let file = world.file();
    for len in 0..file.len() {
        check_against_reference(&file[..len], &format!("cut to {len} bytes"));
    }
}

/// A container of three tables, at 28, 140 and 260. Each has up to three components, and its
/// extension offset may have any value.
#[derive(Clone, Copy, Debug)]
struct World {
    counts: [u32; 3],
    extensions: [u64; 3],
}

impl World {
    fn file(&self) -> Vec<u8> {
        let mut file = by::head(by::PACKAGE, 0, 1);
        for (i, at) in [28_usize, 140, 260].into_iter().enumerate() {
            // Two tables can have components with the same id, so there are duplicates in the
            // chain.
            let components = (0..self.counts[i]).map(|n| by::component(small(n + i as u32), n, 1));
            let table = by::Table {
                base: 10 * i as u64,
                extension: self.extensions[i],
                components: components.collect(),
                ..by::Table::default()
            };
            by::place(&mut file, at, &by::table(&table));
        }
        file
    }
}

/// Compares our walk with the reference, once with the file's length and once without it.
#[track_caller]
pub fn check_against_reference(file: &[u8], what: &str) {
    let expected = reference(file);
    assert_eq!(outcome(walk(file, true, Feeding::Exact)), expected, "{what}");
    let unknown = outcome(walk(file, false, Feeding::Exact));
    if unknown != expected {
        // Without the file's length, the walk may report another fault only in one case: a table
        // that overlaps an earlier table and is also cut off.
        let overlaps =
            matches!(&unknown, Err(error) if error.starts_with("error corrupt table header"));
        let is_cut = matches!(&expected, Err(error) if error.starts_with("error truncated table"));
        assert!(overlaps && is_cut, "{what}: {unknown:?} for {expected:?}");
    }
}

fn all_counts() -> impl Iterator<Item = [u32; 3]> {
    (0..64).map(|i| [i / 16, i / 4 % 4, i % 4])
}

#[test]
fn small_worlds_with_every_extension_target() {
    // spec: R-EXT-01, R-EXT-04, R-EXT-06, R-EXT-07, R-DUP-01, R-TBL-09
    let mut worlds = 0;
    for counts in all_counts() {
        let len = World { counts, extensions: [0; 3] }.file().len() as u64;
        let far = [u64::from(u32::MAX), 1 << 32, u64::MAX - 24, u64::MAX - 23, u64::MAX];
        for (which, chain) in [[0, 260, 0], [140, 0, 0], [140, 260, 0]].into_iter().enumerate() {
            for target in (0..=len + 1).chain(far) {
                let mut extensions = chain;
                extensions[which] = target;
                let world = World { counts, extensions };
                check_against_reference(&world.file(), &format!("{world:?}"));
                worlds += 1;
            }
        }
    }
    assert!(worlds > 50_000, "only {worlds} worlds");
}

#[test]
fn small_worlds_cut_at_every_byte() {
    // spec: R-TBL-02, R-TBL-03, R-FMT-04
    for counts in all_counts() {
        for extensions in [[140, 260, 0], [260, 28, 140], [140, 140, 0], [260, 0, 0]] {
            let world = World { counts, extensions };
            let file = world.file();
            for len in 0..=file.len() {
                check_against_reference(&file[..len], &format!("{world:?} cut to {len}"));
            }
        }
    }
}

#[test]
fn small_worlds_with_every_single_byte_changed() {
    let world = World { counts: [1, 2, 1], extensions: [140, 260, 0] };
    let file = world.file();
    for at in 0..file.len() {
        for byte in 0..=255 {
            let mut changed = file.clone();
            changed[at] = byte;
            check_against_reference(&changed, &format!("{byte:#x} at {at:#x}"));
        }
    }
}

#[test]
fn a_walk_wants_what_it_needs_and_no_more() {
    // spec: R-TBL-01
    let wants = |file: &[u8]| walk(file, true, Feeding::Exact).wants;
    let one = fixtures("container").into_iter().find(|f| f.name == "container_published_80_bytes");
    let one = one.expect("the fixture is committed").bytes;
    assert_eq!(wants(&one), [(0, 28), (28, 52), (52, 80)]);
    let world = World { counts: [1, 0, 3], extensions: [140, 260, 0] };
    let expected = [(0, 28), (28, 52), (52, 80), (140, 164), (260, 284), (284, 368)];
    assert_eq!(wants(&world.file()), expected);
}

#[test]
fn what_is_found_early_is_found_for_good() {
    // spec: R-DUP-03, R-DUP-04, R-EXT-02, R-EXT-03
    let world = World { counts: [3, 3, 3], extensions: [140, 260, 0] };
    let file = world.file();
    let mut walker = Walker::new(None);
    let mut before = Vec::new();
    let mut grown = Vec::new();
    while let Some(want) = walker.want() {
        let event = walker.feed(read(&file, want.start, want.end)).expect("the world is good");
        if matches!(event, Some(Event::Table(_))) {
            let now = walker.components().to_vec();
            assert_eq!(now[..before.len()], before, "nothing found before has changed");
            grown.push(now.len());
            before = now;
        }
    }
    // The first table has the ids 0 to 2. The second table adds 3, and the third table adds 4.
    assert_eq!(grown, [3, 4, 5]);

    // A caller that needs a component of the second table has to walk up to that table. It may stop
    // there.
    let mut walker = Walker::new(None);
    let requires = [Requirement::new(uuid_of(small(3)), Version::new(0, 1))];
    let format =
        Format { requires: &requires, ..Format::new(uuid_of(by::PACKAGE), Version::new(0, 1)) };
    let mut feeds = 0;
    while let Some(want) = walker.want().filter(|_| !format.is_met(walker.components())) {
        walker.feed(read(&file, want.start, want.end)).expect("the world is good");
        feeds += 1;
    }
    assert_eq!(feeds, 5, "head, two headers, two tables' entries");
    assert_eq!(walker.want(), Some(Span { start: 260, end: 284 }), "the third table is on offer");
}

#[test]
fn a_bad_extension_does_not_take_away_what_was_found() {
    // spec: R-EXT-02, R-DUP-03
    let world = World { counts: [2, 0, 0], extensions: [u64::MAX, 0, 0] };
    let file = world.file();
    let walk = walk(&file, true, Feeding::Exact);
    let expected = "error truncated table header at 0xffffffffffffffff";
    assert_eq!(walk.error.as_ref().map(container_verdict).as_deref(), Some(expected));
    assert_eq!(walk.walker.components().len(), 2);
}

#[test]
fn a_bad_region_leaves_the_others_readable() {
    // spec: R-REG-02, R-REG-03, R-REG-06, R-TBL-06
    let components = [
        by::component(small(1), u32::MAX, 9),
        by::component(small(2), 0, 80),
        by::component(small(3), 109, 0),
    ];
    let mut file = by::head(by::PACKAGE, 0, 1);
    file.extend(by::table(&by::Table { components: components.to_vec(), ..by::Table::default() }));
    let walk = walk(&file, true, Feeding::Exact);
    assert_eq!(walk.error, None, "the walk judges no region");
    let [bad, good, empty] = walk.walker.components() else { panic!("three components") };
    let verdict = bad.span_within(file.len() as u64).map_err(|error| container_verdict(&error));
    assert_eq!(verdict, Err("error truncated component region at 0xffffffff".into()));
    assert_eq!(bad.data, [0xff, 0xff, 0xff, 0xff, 9, 0, 0, 0], "handed on unchanged");
    assert_eq!(good.span_within(file.len() as u64), Ok(Span { start: 0, end: 80 }));
    assert_eq!(empty.span_within(file.len() as u64).map(|span| span.len()), Ok(0));
    // If the file's length is unknown, `span` detects only overflow.
    assert_eq!(bad.span().map(|span| span.len()), Ok(9));
}

#[test]
fn limits_are_the_callers() {
    // spec: R-TBL-07, R-TBL-08
    let world = World { counts: [2, 2, 2], extensions: [140, 260, 0] };
    let file = world.file();
    let run = |tables_max, components_max| {
        let limits = Limits { tables_max, components_max };
        let mut walker = Walker::with_limits(Some(file.len() as u64), limits);
        while let Some(want) = walker.want() {
            if let Err(error) = walker.feed(read(&file, want.start, want.end)) {
                return Err(container_verdict(&error));
            }
        }
        Ok(walker.components().len())
    };
    assert_eq!(run(3, 6), Ok(4));
    assert_eq!(run(2, 6), Err("error limit table header at 0x104".into()));
    assert_eq!(run(0, 6), Err("error limit table header at 0x1c".into()));
    // The limit also counts duplicates. The tables have six entries with four different ids.
    assert_eq!(run(3, 5), Err("error limit table entries at 0x11c".into()));
    assert_eq!(run(3, 1), Err("error limit table entries at 0x34".into()));
}

#[test]
fn feeding_a_walk_that_has_ended_is_the_callers_mistake() {
    let mut walker = Walker::new(None);
    assert!(walker.feed(b"no container").is_err());
    let again = walker.feed(&[0; 100]).expect_err("the walk has ended");
    assert_eq!(again, daicon_core::Error::Misuse(Misuse::FedAfterEnd));
}

#[test]
fn versions_fit_by_the_two_rules() {
    // spec: R-VER-01, R-VER-02
    for (needed, found) in
        (0..4 * 4 * 4 * 4_u16).map(|i| ((i / 64, i / 16 % 4), (i / 4 % 4, i % 4)))
    {
        let fits = found.0 == needed.0
            && if needed.0 == 0 { found.1 == needed.1 } else { found.1 >= needed.1 };
        let (needed, found) = (Version::new(needed.0, needed.1), Version::new(found.0, found.1));
        assert_eq!(needed.accepts(found), fits, "{found} for {needed}");
    }
}

#[test]
fn formats_say_what_is_missing() {
    // spec: R-VER-02, R-VER-03, R-VER-04, R-FMT-03
    let mut file = by::head(by::PACKAGE, 1, 4);
    let found =
        |id, major, minor| by::Component { id: small(id), major, minor, offset: 0, size: 0 };
    let components = vec![found(1, 0, 3), found(2, 2, 0), found(2, 1, 5)];
    file.extend(by::table(&by::Table { components, ..by::Table::default() }));
    let walk = walk(&file, true, Feeding::Exact);
    let head = walk.walker.format_header().expect("it was fed");
    let format = Format::new(uuid_of(by::PACKAGE), Version::new(1, 4));
    assert_eq!(format.check_header(head), Ok(()));
    for (version, expected) in [
        (Version::new(1, 5), "error unsupported format header at 0x18"),
        (Version::new(2, 0), "error unsupported format header at 0x18"),
        (Version::new(0, 4), "error unsupported format header at 0x18"),
    ] {
        let error = Format { version, ..format }.check_header(head).expect_err("it does not fit");
        assert_eq!(container_verdict(&error), expected);
    }
    let other = Format::new(uuid_of(small(7)), Version::new(1, 4)).check_header(head);
    let expected = "error unsupported format header at 0x8";
    assert_eq!(other.map_err(|error| container_verdict(&error)), Err(expected.into()));

    let id = |number| uuid_of(small(number));
    let requires = [
        Requirement::new(id(1), Version::new(0, 2)),
        Requirement::with_minors(id(1), Version::new(0, 2), &[3]),
        Requirement::new(id(2), Version::new(1, 5)),
        Requirement::new(id(2), Version::new(1, 6)),
        Requirement::new(id(3), Version::new(0, 0)),
    ];
    let format = Format { requires: &requires, ..format };
    let answers: Vec<_> =
        format.matches(walk.walker.components()).map(|(_, answer)| answer).collect();
    let [first, second, third] = walk.walker.components() else { panic!("three components") };
    let expected = [
        ComponentMatch::Incompatible(first),
        ComponentMatch::Found(first),
        ComponentMatch::Found(third),
        ComponentMatch::Incompatible(second),
        ComponentMatch::Missing,
    ];
    assert_eq!(answers, expected);
    let checked = |requires: &[Requirement<'_>]| {
        let format = Format { requires, ..Format::new(id(9), Version::new(1, 0)) };
        format.check(walk.walker.components()).map_err(|error| container_verdict(&error))
    };
    assert_eq!(checked(&requires[1..3]), Ok(()));
    assert_eq!(checked(&requires[..1]), Err("error unsupported component at 0x34".into()));
    assert_eq!(checked(&requires[3..4]), Err("error unsupported component at 0x50".into()));
    assert_eq!(checked(&requires[4..]), Err("error unsupported component at 0x1c".into()));
}

/// Returns a component with arbitrary fields.
fn any_component() -> impl Strategy<Value = by::Component> {
    (any::<u128>(), any::<(u16, u16, u32, u32)>()).prop_map(|(id, (major, minor, offset, size))| {
        by::Component { id: id.to_be_bytes(), major, minor, offset, size }
    })
}

fn spec_of(component: &by::Component) -> ComponentSpec {
    let version = Version::new(component.major, component.minor);
    let region = Region::new(component.offset, component.size);
    ComponentSpec::with_region(uuid_of(component.id), version, region)
}

proptest! {
    #[test]
    fn heads_are_emitted_as_the_reference_writes_them(
        format in any::<u128>(),
        (major, minor) in any::<(u16, u16)>(),
        (base, extension) in any::<(u64, u64)>(),
        components in prop::collection::vec(any_component(), 0..9),
        spare in 0..9_u32,
        junk in any::<u8>(),
    ) {
        // spec: R-FMT-01, R-FMT-02, R-EMIT-01, R-EMIT-02
        let slots = components.len() as u32 + spare;
        let table = by::Table {
            base, extension, slots: slots as usize, components, ..by::Table::default()
        };
        let mut expected = by::head(format.to_be_bytes(), major, minor);
        expected.extend(by::table(&table));
        let specs: Vec<_> = table.components.iter().map(spec_of).collect();
        let (format, version) = (uuid_of(format.to_be_bytes()), Version::new(major, minor));
        let head = PreambleSpec { format, version };
        let components = &specs[..];
        let ours =
            TableSpec { region_base: base, extension_at: extension, slots, components, at: 28 };
        let mut out = vec![junk; expected.len() + 5];
        let emitted = emit_container(&head, &[ours], &mut out);
        // The emitter must refuse an extension offset that leads into the preamble, this table or
        // its free slots.
        let leads_on = extension >= expected.len() as u64 && extension <= u64::MAX - 24;
        if extension != 0 && !leads_on {
            prop_assert_eq!(emitted.map_err(|error| error.kind()), Err(ErrorKind::Misuse));
            prop_assert_eq!(out, vec![junk; expected.len() + 5]);
            return Ok(());
        }
        prop_assert_eq!(emitted, Ok(expected.len()));
        prop_assert_eq!(&out[..expected.len()], &expected[..]);
        prop_assert_eq!(&out[expected.len()..], &[junk; 5][..]);
        // The table has any extension offset. Our reader must read the table, even if this offset
        // leads to a fault.
        let seen = walk(&expected, true, Feeding::Exact).seen;
        prop_assert_eq!(seen.tables.first(), Some(&TableSeen {
            at: 28, base, extension, count: table.components.len() as u32,
        }));
    }

    #[test]
    fn any_bytes_are_read_as_by_the_reference(
        mut file in prop::collection::vec(any::<u8>(), 28..400),
    ) {
        file[..8].copy_from_slice(&by::SIGNATURE);
        // Clears the high bytes of the table's count. With a large count, nearly every file would
        // be truncated.
        if let Some(count) = file.get_mut(49..52) {
            count.fill(0);
        }
        prop_assert_eq!(outcome(walk(&file, true, Feeding::Exact)), reference(&file));
    }
}

#[test]
fn a_duplicate_is_not_written() {
    // spec: R-EMIT-03
    let twice = by::Component { id: small(1), major: 1, minor: 0, offset: 0, size: 0 };
    let newer = by::Component { minor: 1, ..twice };
    let other = by::Component { major: 2, ..twice };
    let head = PreambleSpec { format: uuid_of(by::PACKAGE), version: Version::new(0, 1) };
    let emit = |components: &[by::Component]| {
        let components: Vec<_> = components.iter().map(spec_of).collect();
        let table = TableSpec { components: &components, ..TableSpec::default() };
        emit_container(&head, &[table], &mut [0; 200])
    };
    let expected = Misuse::DuplicateComponent { id: uuid_of(small(1)), major: 1 };
    assert_eq!(emit(&[twice, newer]), Err(expected.into()));
    assert_eq!(emit(&[twice, other]), Ok(108));
}

#[test]
fn tables_that_we_chain_neither_loop_nor_overlap() {
    // spec: R-EMIT-04
    let head = PreambleSpec { format: uuid_of(by::PACKAGE), version: Version::new(0, 1) };
    for (first_count, first_slots, second_slots) in [(0, 0, 0), (1, 1, 2), (2, 16, 8), (3, 3, 0)] {
        let specs: Vec<_> =
            (0..first_count).map(|i| spec_of(&by::component(small(i), 0, 0))).collect();
        let first = TableSpec { slots: first_slots, components: &specs, ..TableSpec::default() };
        // The emitted length of a table includes its free slots. The next table starts after the
        // slots.
        let second_at = 28 + first.emitted_len().expect("the slots are enough");
        let extra = [spec_of(&by::component(small(99), 0, 0))];
        let (at, slots) = (second_at, second_slots);
        let second = TableSpec { at, slots, components: &extra, ..TableSpec::default() };
        let mut file = vec![0xee; 2000];
        let len = emit_container(&head, &[first, second], &mut file).expect("there is room");
        assert_eq!(len as u64, second_at + second.emitted_len().expect("the slots are enough"));
        let seen = reference(&file[..len]).expect("what we write is good");
        assert_eq!((seen.looped, seen.components.len()), (None, first_count as usize + 1));
        assert_eq!(seen.tables.iter().map(|table| table.at).collect::<Vec<_>>(), [28, second_at]);
    }
}

#[test]
fn the_first_published_file_is_what_we_emit() {
    // spec: R-EMIT-01, R-EMIT-06
    let published =
        fixtures("container").into_iter().find(|f| f.name.ends_with("published_80_bytes"));
    let published = published.expect("the fixture is committed").bytes;
    // These bytes were copied by hand, not written by the reference. They come from a file that the
    // first program for this format wrote.
    let typed: [u8; 80] = *b"\xffdaicon0)y\x0f_wu\xe5K\x8b\xb5Jc\x19\x9bg\"\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\
        \x17G^,\x15\xb7\x9bB\x85\xcd\xd3 \xd2BTz\0\0\0\0\0\0\0\0\0\0\0\0";
    assert_eq!(published, typed);
    let head = PreambleSpec { format: uuid_of(by::PACKAGE), version: Version::new(0, 0) };
    let index =
        ComponentSpec::with_region(uuid_of(by::INDEX), Version::new(0, 0), Region::new(0, 0));
    let table = TableSpec { components: &[index], ..TableSpec::default() };
    let mut out = [0xff; 80];
    assert_eq!(emit_container(&head, &[table], &mut out), Ok(80));
    assert_eq!(out, typed);
}
