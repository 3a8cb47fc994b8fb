//! Packages: compares the facade `dacti` with fixtures, and its packages with those of the
//! reference.

use crate::index;
use crate::support::{self, Random, fixtures, id_of, uuid_of, verdict};
use dacti::fetch::{BytesSource, Counted, ReadAt, ReadStats};
use dacti::layout::Layout;
use dacti::report::FileMap;
use dacti::seal::{SealPolicy, SecretKey, Verdict};
use dacti::{
    BuildOptions, Content, EncodingChoice, InputName, LayoutChoice, Limits, Package,
    PackageBuilder, RegionName,
};
use dacti_index::Encoding;
use dacti_tests::dump;
use dacti_tests::reference::{
    self as by, GROUP, Group, Link, NONE, Stored, path_id, small, stored,
};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// Returns the verdict line of the facade's error.
pub fn package_verdict(error: &dacti::Error) -> String {
    verdict(error.kind(), error.what().unwrap_or_default(), error.at())
}

fn told(error: dacti::Error) -> String {
    package_verdict(&error)
}

/// Returns the facade's results for a package, in the form of a fixture's dump.
pub fn dump_of(file: &[u8]) -> Result<String, String> {
    let package = Package::from_bytes(file.to_vec()).map_err(told)?;
    let view = package.view();
    let (format, version) = (id_of(view.format()), view.version());
    let mut out = dump::head(&format, version.major, version.minor, view.len());
    let index_lines = index_of(file, &package)?;
    if let Some(fault) = view.layout_fault() {
        return Err(package_verdict(fault));
    }
    if let Some(layout) = view.layout() {
        let keys = (layout.fences.start as u32, layout.fences.len() as u32);
        let Layout { file_id, slice_len, fresh_end, delta_groups, .. } = layout;
        out += &dump::layout(file_id, *slice_len, *fresh_end, *delta_groups, keys);
    }
    out += &index_lines;
    for name in package.names().map_err(told)?.all() {
        if package.find(name.id()).map_err(told)?.is_some() {
            let hint = name.decoded_len.unwrap_or(by::UNKNOWN);
            out += &dump::name(name.path, &id_of(name.id()), hint);
        }
    }
    Ok(out)
}

fn index_of(file: &[u8], package: &Package) -> Result<String, String> {
    let seen = index::walk(file, package.view().index()).0?;
    let mut out = dump::index(seen.region, seen.groups);
    for entry in &seen.entries {
        out += &dump::entry(entry.at, &entry.id, entry.group, entry.offset, entry.size);
    }
    for located in package.regions().map_err(told)? {
        let content = match located.encoding {
            Encoding::NONE | Encoding::BROTLI | Encoding::BROTLI_DICTIONARY => {
                Some(package.get_capped(located.id, dump::CAP).map_err(told)?)
            }
            _ => {
                package.stored(&located).map_err(told)?;
                None
            }
        };
        let span = (located.span.start, located.span.len());
        out += &dump::region(&id_of(located.id), span, located.encoding.tag(), content.as_deref());
    }
    for removal in package.scan_index().map_err(told)?.removals() {
        assert_eq!(package.find(removal.id).map_err(told)?, None, "it is removed");
        package.stored(removal).map_err(told)?;
        out += &dump::removal(&id_of(removal.id), removal.span.start);
    }
    Ok(out)
}

#[test]
fn fixtures_of_packages() {
    support::check("package", 48, dump_of);
}

#[test]
fn fixtures_of_the_index_are_read_by_the_facade_too() {
    // spec: R-PKG-03, R-ENT-02
    support::check("index", 63, |file| {
        let package = Package::from_bytes(file.to_vec()).map_err(told)?;
        index_of(file, &package)
    });
}

/// Returns whether a package without regions opens although its seal component has this fault. If
/// the package had regions, readers would refuse them because of the fault.
pub fn is_bare_with(file: &[u8], fault: &str) -> bool {
    let Ok(package) = Package::from_bytes(file.to_vec()) else { return false };
    let seals_fault = package.view().seals_fault();
    seals_fault.is_some_and(|own| package_verdict(&own.into()) == fault)
        && package.regions().is_ok_and(|regions| regions.is_empty())
}

/// If a package opens, checks that the spans of its map cover every byte of the file exactly once.
pub fn check_map(file: &[u8]) {
    let Ok(package) = Package::from_bytes(file.to_vec()) else { return };
    if let Ok(map) = FileMap::read(&package) {
        let mut at = 0;
        for claim in &map.claims {
            assert_eq!(claim.span.start, at, "{:?}", map.claims);
            assert!(!claim.span.is_empty(), "{:?}", map.claims);
            at = claim.span.end;
        }
        assert_eq!(at, file.len() as u64, "{:?}", map.claims);
    }
}

#[test]
fn the_map_of_every_fixture_tells_of_every_byte_once() {
    for fixture in ["container", "index", "package"].into_iter().flat_map(fixtures) {
        println!("{}", fixture.name);
        check_map(&fixture.bytes);
    }
}

#[test]
fn a_layout_that_lies_does_not_stretch_the_map() {
    let fixture =
        fixtures("package").into_iter().find(|f| f.name == "package_layout_of_other_places");
    let file = fixture.expect("the fixture is committed").bytes;
    let region = 0x186c;
    for field in [44, 48, 52, 56, 60, 64] {
        for value in [0, 1, 27, 28, 8191, 8192, 1 << 20, u32::MAX - 1, u32::MAX] {
            let mut changed = file.clone();
            by::place(&mut changed, region + field, &value.to_le_bytes());
            println!("{value} at {field} of the layout");
            check_map(&changed);
        }
    }
}

#[test]
fn verifying_finds_what_the_reference_finds() {
    for fixture in ["index", "package"].into_iter().flat_map(fixtures) {
        let Ok(package) = Package::from_bytes(fixture.bytes.clone()) else { continue };
        let report = package.verify(NonZeroUsize::new(2), &mut |_| ControlFlow::Continue(()));
        let whole = report.is_ok_and(|report| report.is_whole());
        // Verification must find a fault if the reference reports one. Two kinds of fixtures are
        // left out: some exceed the fixtures' limit on content, which is lower than the default
        // limit, and others have a faulty layout, which reading does not need. If a region has an
        // unknown encoding, the fixture is good, but verification cannot decode the region.
        let verdict = &fixture.verdict;
        if !verdict.contains("layout")
            && !fixture.name.contains("layout")
            && !verdict.starts_with("error limit brotli")
        {
            let expected = fixture.is_good() && !fixture.dump.contains("not decoded");
            assert_eq!(whole, expected, "{}", fixture.name);
        }
    }
}

#[test]
fn the_newest_entry_counts_even_where_it_is_bad() {
    // spec: R-ORD-01, R-ENT-01, R-ENT-02
    let group = |base, entries: &[(u32, u32)]| Group {
        base,
        entries: entries
            .iter()
            .map(|(id, offset)| by::Entry { id: small(*id), offset: *offset, size: 1 })
            .collect(),
        ..Group::default()
    };
    let base = 80 + 8 + 2 * GROUP;
    let groups = [group(u64::MAX, &[(1, 5)]), group(base, &[(1, 0), (2, 1)])];
    let mut file = by::head(by::PACKAGE, 0, 1);
    let components = vec![by::component(by::INDEX, 80, 8 + 2 * GROUP as u32)];
    file.extend(by::table(&by::Table { components, ..by::Table::default() }));
    file.extend(by::index(&groups));
    file.extend(b"12");
    let package = Package::from_bytes(file).expect("tables and index are good");
    let expected = "error corrupt entry at 0x68";
    assert_eq!(package.get(uuid_of(small(1))).map_err(told), Err(expected.into()));
    assert_eq!(package.get(uuid_of(small(2))).map_err(told), Ok(b"2".to_vec()));
    assert_eq!(package.regions().map_err(told).map(|_| ()), Err(expected.into()));
    let mut faults = Vec::new();
    let listed = package.list_lossy(&mut faults).expect("the rest reads");
    let listed: Vec<_> = listed.iter().map(|listed| id_of(listed.located.id)).collect();
    assert_eq!(listed, [small(2)], "the older entry of the first id does not come back");
    assert_eq!(faults.iter().map(|fault| fault.at()).collect::<Vec<_>>(), [Some(0x68)]);
}

#[test]
fn a_package_cut_anywhere_is_read_as_by_the_reference() {
    for name in ["package_compact", "package_of_neither_layout", "package_names_of_two_segments"] {
        let fixture = fixtures("package").into_iter().find(|f| f.name == name);
        let file = fixture.expect("the fixture is committed").bytes;
        // The first 400 and the last 400 bytes hold most of the structures, so the file is cut at
        // each of these bytes. In between, it is cut at every 97th byte.
        let lens =
            (0..=file.len()).filter(|len| *len < 400 || file.len() - len < 400 || len % 97 == 0);
        for len in lens {
            let cut = &file[..len];
            let expected = dacti_tests::expect::dump_of("package", cut).map_err(|f| f.to_string());
            assert_eq!(dump_of(cut), expected, "{name} cut to {len} bytes");
        }
    }
}

// ------------------------------------------------------------------------------------------
// Building
// ------------------------------------------------------------------------------------------

/// The options with which the reference builds packages: no encoding, and slices of 4 KiB.
pub const PLAIN: BuildOptions = BuildOptions {
    layout: LayoutChoice::Cdn,
    expect: None,
    slice_len: 4096,
    seals: true,
    share: true,
    digest_list: dacti::DigestListChoice::Never,
    encoding: EncodingChoice::None,
    quality: 5,
    dictionary: dacti::DictionaryChoice::None,
    threads: None,
    in_flight_max: 64 << 20,
};

/// Builds a package of these files, which are added in the given order.
pub fn build(files: &[Stored], options: BuildOptions) -> Vec<u8> {
    build_with(files, options, |_| {})
}

/// Builds a package like `build`. `set` sets further options before the package is written.
fn build_with(
    files: &[Stored],
    options: BuildOptions,
    set: impl FnOnce(&mut PackageBuilder),
) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let out = directory.path().join("built.dacti-pack");
    let mut builder = PackageBuilder::new(options);
    set(&mut builder);
    for file in files {
        let name = match file.id {
            Some(id) => InputName::path_with_id(&file.path[..], uuid_of(id)),
            None => InputName::from(&file.path[..]),
        };
        builder.add(name, file.bytes.clone()).expect("a good name");
    }
    let built = builder.build(&out).expect("it can be built");
    let bytes = std::fs::read(&out).expect("it is there");
    assert_eq!(built.len, bytes.len() as u64);
    assert_eq!(built.regions, files.len() as u64);
    let left: Vec<_> = std::fs::read_dir(directory.path()).expect("it is there").collect();
    assert_eq!(left.len(), 1, "nothing but the package is left");
    bytes
}

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns files with many kinds of paths. Some contents repeat, and some are empty. If there are
/// many files, two of them have explicit ids.
pub fn some_files(count: u32) -> Vec<Stored> {
    let mut files: Vec<_> = (0..count)
        .map(|i| {
            let path = match i % 4 {
                0 => format!("{i}.txt"),
                1 => format!("dir/{i}"),
                2 => format!("dir-{i}/ü"),
                _ => format!("dir/sub/{i}.html"),
            };
            stored(&path, format!("content {}", i % 7).repeat(i as usize % 5).as_bytes())
        })
        .collect();
    if count > 20 {
        files[11].id = Some(small(11));
        files[13].id = Some([0xfe; 16]);
    }
    files
}

#[track_caller]
fn assert_same(ours: &[u8], expected: &[u8], what: &str) {
    let differs = ours.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!((differs, ours.len()), (None, expected.len()), "{what}: first difference, length");
}

#[test]
fn packages_are_built_as_the_reference_writes_them() {
    // spec: R-LAY-01, R-LAY-02, R-LAY-03, R-LAY-05, R-LAY-06, R-LAY-07, R-LAY-09
    // spec: R-LAY-10, R-LAY-11, R-ORD-05, R-ORD-06
    // spec: R-PKG-07, R-PKG-10, R-NAME-01, R-GRP-04, R-SEAL-01, R-SEAL-04, R-SEAL-05
    for count in [0, 1, 2, 21, 253, 254, 255, 256, 509, 510, 1000] {
        let files = some_files(count);
        let names = by::names_of(&files);
        let expected = by::compact_package(&files, &names, NONE);
        let compact = BuildOptions { layout: LayoutChoice::Compact, ..PLAIN };
        assert_same(&build(&files, compact), &expected, &format!("{count} files, compact"));
        for slice_len in [4096, 1 << 20] {
            let expected = by::cdn_package(&files, &names, NONE, slice_len, &blake3);
            let ours = build(&files, BuildOptions { slice_len, ..PLAIN });
            assert_same(&ours, &expected, &format!("{count} files, slices of {slice_len}"));
            let expected = by::cdn_package_with(&files, &names, NONE, slice_len, &blake3, false);
            let ours = build(&files, BuildOptions { slice_len, seals: false, ..PLAIN });
            assert_same(&ours, &expected, &format!("{count} files, no seals"));
        }
    }
}

#[test]
fn an_index_longer_than_the_head_starts_in_it() {
    // spec: R-LAY-03, R-LAY-04, R-LAY-06, R-LAY-07
    // Ten groups have room for 2,550 entries. The names list takes one of them.
    for (count, deltas, index_at) in [(2549, 0, 4168), (2550, 8, 16_440), (2805, 8, 16_440)] {
        let files = some_files(count);
        let ours = build(&files, PLAIN);
        let expected = by::cdn_package(&files, &by::names_of(&files), NONE, 4096, &blake3);
        assert_same(&ours, &expected, &format!("{count} files"));
        let container = by::read_container(&ours).expect("it is good");
        let layout = by::read_layout(&ours, &container).expect("it is good").expect("it has one");
        let index = by::read_index(&ours, &container).expect("it is good");
        assert_eq!((layout.deltas, index.region.0), (deltas, index_at), "{count} files");
        assert!(deltas == 0 || index_at + 8 + GROUP * u64::from(deltas) == 65_536);
    }
}

#[test]
fn an_index_longer_than_the_head_has_fences_in_the_compact_layout_too() {
    // spec: R-LAY-10, R-LKP-19
    for (count, has_fences) in [(2549, false), (2550, true), (5000, true)] {
        let files = some_files(count);
        let ours = build(&files, BuildOptions { layout: LayoutChoice::Compact, ..PLAIN });
        let expected = by::compact_package(&files, &by::names_of(&files), NONE);
        assert_same(&ours, &expected, &format!("{count} files"));
        let package = Package::from_bytes(ours).unwrap();
        assert_eq!(package.view().has_fences(), has_fences, "{count} files");
        assert!(package.view().fences_fault().is_none(), "{count} files");
        let verified = package.verify(None, &mut |_| ControlFlow::Continue(())).unwrap();
        assert!(verified.findings.is_empty(), "{count} files: {:?}", verified.findings);
        for file in files.iter().step_by(97) {
            assert_eq!(package.get(&file.path).unwrap(), file.bytes, "{count} files");
        }
    }
}

#[test]
fn the_specifications_example_has_the_hash_that_it_says() {
    // spec: R-LAY-07, R-LAY-09, R-LAY-10
    let files = [stored("a.txt", b"hello\n")];
    let names = by::names_of(&files);
    let cdn = "ff8e59cc5fa07ec06711c90cc3a06f7510f14e66996721bc67a2d7ac5daa67fb";
    let compact = "8ff78a2fd1938935307be1aa40031a6a8481da9b59fb0d501eb87553c1ef2be3";
    let hot = "598b61af14e843110860d6bd7c35a5447c3fab380d380b33df7f9f925dea3d5b";
    let hot_reference =
        by::cdn_package_hot(&files, &names, NONE, 65_536, &blake3, true, &["a.txt"]);
    assert_eq!(hex(&blake3(&hot_reference)), hot, "the reference's");
    let reference = by::cdn_package(&files, &names, NONE, 65_536, &blake3);
    assert_eq!(hex(&blake3(&reference)), cdn, "the reference's");
    assert_eq!(
        hex(&blake3(&by::compact_package(&files, &names, NONE))),
        compact,
        "the reference's"
    );
    let none = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
    assert_eq!(hex(&blake3(&build(&files, none))), cdn);
    assert_eq!(hex(&blake3(&build_hot(&files, none, &["a.txt"]))), hot);
    let none = BuildOptions { layout: LayoutChoice::Compact, ..none };
    let ours = build(&files, none);
    assert_eq!((hex(&blake3(&ours)).as_str(), ours.len()), (compact, 6327));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    // spec: R-PKG-09
    let mut files = some_files(300);
    files.push(stored("long", &b"0123456789abcdef".repeat(200_000)));
    for encoding in [EncodingChoice::None, EncodingChoice::Brotli, EncodingChoice::Auto] {
        for layout in [LayoutChoice::Cdn, LayoutChoice::Compact] {
            let options = BuildOptions { encoding, layout, ..PLAIN };
            let first = build(&files, options);
            for (threads, in_flight_max) in [(1, 1), (2, 64 << 20), (7, 100_000)] {
                let options =
                    BuildOptions { threads: NonZeroUsize::new(threads), in_flight_max, ..options };
                let mut shuffled = files.clone();
                let mut random = Random(threads as u64);
                for i in 1..shuffled.len() {
                    shuffled.swap(i, random.below(i + 1));
                }
                assert_same(&build(&shuffled, options), &first, &format!("{options:?}"));
            }
        }
    }
}

/// Returns the content of every region of a package, as the reference reads it.
fn contents(file: &[u8]) -> BTreeMap<by::Id, Vec<u8>> {
    let container = by::read_container(file).expect("it is good");
    let regions = by::read_index(file, &container).expect("it is good").regions();
    let get = |(id, entry)| (id, by::content(file, &entry, 1 << 30).expect("it is good"));
    regions.into_iter().map(get).collect()
}

#[test]
fn what_we_compress_the_reference_reads() {
    // spec: R-PKG-07, R-ENC-03, R-NAME-01
    let mut files = some_files(600);
    let mut random = Random(7);
    let noise: Vec<u8> = (0..300_000).map(|_| random.next() as u8).collect();
    files.push(stored("noise", &noise));
    files.push(stored("zeros", &vec![0; 3_000_000]));
    for layout in [LayoutChoice::Cdn, LayoutChoice::Compact] {
        for quality in [0, 5, 11] {
            let options =
                BuildOptions { layout, quality, encoding: EncodingChoice::Brotli, ..PLAIN };
            let package = build(&files, options);
            let found = contents(&package);
            assert_eq!(found.len(), files.len() + 1);
            for file in &files {
                let id = file.id.unwrap_or_else(|| path_id(&file.path));
                assert!(found[&id] == file.bytes, "{}", file.path);
            }
            assert_eq!(found[&by::NAMES], by::names_of(&files), "the names list");
            let container = by::read_container(&package).expect("it is good");
            let index = by::read_index(&package, &container).expect("it is good");
            assert!(index.entries.iter().all(|entry| entry.encoding == by::BROT));
        }
    }
}

#[test]
fn auto_takes_brotli_where_the_whole_shrinks() {
    let auto =
        BuildOptions { encoding: EncodingChoice::Auto, layout: LayoutChoice::Compact, ..PLAIN };
    let text = [stored("text", &b"again and again ".repeat(1000))];
    let brotli = BuildOptions { encoding: EncodingChoice::Brotli, ..auto };
    assert_same(&build(&text, auto), &build(&text, brotli), "text");
    assert_eq!(build(&[], auto).len(), 80);
    // The region has an explicit id and no path, so the package has no names list. The random bytes
    // do not become shorter with Brotli.
    let mut random = Random(7);
    let noise: Vec<u8> = (0..300_000).map(|_| random.next() as u8).collect();
    let built = |options| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let out = directory.path().join("built.dacti-pack");
        let mut builder = PackageBuilder::new(options);
        builder.add(uuid_of(small(1)), noise.clone()).expect("a good id");
        builder.build(&out).expect("it can be built");
        std::fs::read(&out).expect("it is there")
    };
    let none = BuildOptions { encoding: EncodingChoice::None, ..auto };
    assert_same(&built(auto), &built(none), "noise");
    assert!(built(brotli).len() > built(none).len());
}

#[test]
fn id_ranges_stay_within_four_gibibytes() {
    // spec: R-ORD-06, R-ORD-07, R-PKG-10
    // Two of the regions are a sparse file of 2 GiB, which takes no space on the disk and becomes
    // tiny with Brotli. The builder does not know this when it plans the id ranges: without
    // encoding, the regions take more than 4 GiB, so it plans two id ranges.
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut builder =
        PackageBuilder::new(BuildOptions { encoding: EncodingChoice::Brotli, quality: 0, ..PLAIN });
    let sparse = directory.path().join("sparse");
    let file = std::fs::File::create(&sparse).expect("a file can be made");
    file.set_len(1 << 31).expect("sparse files are possible");
    for (path, id) in [("a", 3), ("b", 2), ("c", 1), ("d", 4)] {
        let name = InputName::path_with_id(path, uuid_of(small(id)));
        let content = match id {
            1 | 2 => Content::file(&sparse),
            _ => path.as_bytes().to_vec().into(),
        };
        builder.add(name, content).expect("a good name");
    }
    let out = directory.path().join("built.dacti-pack");
    builder.build(&out).expect("it can be built");
    let package = std::fs::read(&out).expect("it is there");
    let container = by::read_container(&package).expect("it is good");
    let index = by::read_index(&package, &container).expect("it is good");
    let groups: Vec<_> = index.entries.chunk_by(|a, b| a.group == b.group).collect();
    let ids: Vec<Vec<_>> =
        groups.iter().map(|group| group.iter().map(|e| e.id).collect()).collect();
    assert_eq!(ids, [vec![small(1)], vec![small(2), small(3), small(4), by::NAMES]]);
    // In the second range, the data have this order: the names list, and then the paths "a", "b",
    // "d".
    let mut at = index.region.0 + index.region.1;
    for (group, order) in groups.iter().zip([&[0][..], &[3, 1, 0, 2]]) {
        assert!(
            group.iter().all(|entry| entry.base == at),
            "a range's base is where its data starts"
        );
        for i in order {
            assert_eq!(group[*i].base + u64::from(group[*i].offset), at, "no gap");
            // The digest follows the stored bytes.
            at += u64::from(group[*i].size) + 32;
        }
    }
    assert_eq!(package.len() as u64, at.next_multiple_of(4096));
    let opened = Package::open(&out).expect("it is good");
    assert_eq!(opened.get("d").expect("it is there"), b"d");
    assert_eq!(opened.names().expect("it is good").all().len(), 4);
}

#[test]
fn regions_without_a_path_come_last_by_id() {
    // spec: R-PKG-10, R-NAME-14
    let directory = tempfile::tempdir().expect("a temporary directory");
    let out = directory.path().join("built.dacti-pack");
    let mut builder = PackageBuilder::new(PLAIN);
    for id in [9, 3] {
        builder.add(uuid_of(small(id)), vec![id as u8; 3]).expect("a good id");
    }
    builder.add("path", b"path".to_vec()).expect("a good path");
    builder.build(&out).expect("it can be built");
    let package = Package::open(&out).expect("it is good");
    let at = |key: RegionName<'_>| package.locate(key).expect("it is there").span.start;
    assert_eq!(at(uuid_of(small(3)).into()), at("path".into()) + 4 + 32);
    assert_eq!(at(uuid_of(small(9)).into()), at(uuid_of(small(3)).into()) + 3 + 32);
    let listed: Vec<_> = package
        .list()
        .expect("it is good")
        .into_iter()
        .map(|l| (l.path, id_of(l.located.id)))
        .collect();
    let expected = [(Some("path".into()), path_id("path")), (None, small(3)), (None, small(9))];
    assert_eq!(listed, expected);
}

#[test]
fn what_cannot_be_built_is_refused_and_leaves_nothing() {
    // spec: R-NAME-09, R-ENT-05, R-PATH-01, R-PATH-02, R-PATH-03
    let refused = |names: &[InputName]| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let out = directory.path().join("built.dacti-pack");
        let mut builder = PackageBuilder::new(PLAIN);
        let added = names.iter().try_for_each(|n| builder.add(n.clone(), vec![1]).map(|_| ()));
        let error =
            added.and_then(|()| builder.build(&out).map(|_| ())).expect_err("it is refused");
        let left = std::fs::read_dir(directory.path()).expect("it is there").count();
        assert_eq!(left, 0, "nothing is left");
        error.kind().to_string()
    };
    let with_id = |path: &str, id| InputName::path_with_id(path, uuid_of(id));
    assert_eq!(refused(&["a".into(), "a".into()]), "misuse");
    assert_eq!(refused(&["a".into(), with_id("b", path_id("a"))]), "misuse");
    assert_eq!(refused(&[with_id("a", small(1)), uuid_of(small(1)).into()]), "misuse");
    assert_eq!(refused(&[with_id("a", [0; 16])]), "misuse");
    assert_eq!(refused(&[with_id("a", by::NAMES)]), "misuse");
    for path in ["", "/a", "a/", "..", "a/../b", "a//b", "a\0b", "u\u{308}"] {
        assert_eq!(refused(&[path.into()]), "misuse", "{path:?}");
    }
    for options in [
        BuildOptions { slice_len: 0, ..PLAIN },
        BuildOptions { slice_len: 2048, ..PLAIN },
        BuildOptions { slice_len: 12_288, ..PLAIN },
        BuildOptions { slice_len: 1 << 31, ..PLAIN },
        BuildOptions { quality: 12, ..PLAIN },
    ] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let out = directory.path().join("built.dacti-pack");
        let error = PackageBuilder::new(options).build(&out).expect_err("it is refused");
        assert_eq!((error.kind().to_string().as_str(), out.exists()), ("misuse", false));
    }
    // The sparse file is one byte longer than 32 bits can state.
    let directory = tempfile::tempdir().expect("a temporary directory");
    let long = directory.path().join("long");
    std::fs::File::create(&long)
        .and_then(|file| file.set_len(1 << 32))
        .expect("sparse files are possible");
    let error = PackageBuilder::new(PLAIN)
        .add("long", long.as_path())
        .map(|_| ())
        .expect_err("it is refused");
    assert_eq!(error.kind().to_string(), "misuse");
}

#[test]
fn a_build_that_is_stopped_leaves_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let out = directory.path().join("built.dacti-pack");
    let mut builder = PackageBuilder::new(PLAIN);
    for path in ["a", "b", "c"] {
        builder.add(path, vec![1; 3 << 20]).expect("a good path");
    }
    let mut told = 0;
    let stop_at_the_second = &mut |_| {
        told += 1;
        if told == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let error = builder.build_with(&out, stop_at_the_second).expect_err("it was stopped");
    assert!(matches!(error, dacti::Error::Stopped), "{error}");
    assert_eq!(std::fs::read_dir(directory.path()).expect("it is there").count(), 0);
}

/// Creates a sparse input of `len` bytes, which are zeros before `tail`.
fn sparse(path: &std::path::Path, len: u64, tail: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::create(path).expect("a new file");
    file.write_all_at(tail, len - tail.len() as u64).expect("there is room");
}

#[test]
fn a_package_past_four_gibibytes_is_written_and_read() {
    // spec: R-ORD-07, R-ENT-01, R-PKG-10
    // Each id range has one region, so the third range starts past 4 GiB.
    const LEN: u64 = 2_200_000_000;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let out = directory.path().join("built.dacti-pack");
    let mut builder = PackageBuilder::new(PLAIN);
    for i in 0..3 {
        let file = directory.path().join(format!("large{i}"));
        sparse(&file, LEN, format!("the end of {i}").as_bytes());
        builder.add(format!("large{i}"), file).expect("a good path");
    }
    for i in 0..600 {
        builder.add(format!("small{i}"), format!("content {i}").into_bytes()).expect("good");
    }
    let built = builder.build(&out).expect("it can be built");
    assert!(built.len > 3 * LEN, "{} bytes", built.len);

    let package = Package::open(&out).expect("it was just built");
    let groups = package.groups().expect("the index is sound");
    let bases: Vec<u64> = groups.iter().filter(|g| g.length > 0).map(|g| g.base).collect();
    assert!(bases.is_sorted() && bases.iter().any(|base| *base > 1 << 32), "{bases:x?}");
    for located in package.regions().expect("the index is sound") {
        let base = bases.iter().rev().find(|base| **base <= located.span.start);
        let base = base.expect("each region lies behind the base of its range");
        assert!(located.span.end - base <= u64::from(u32::MAX), "{located:?}");
    }
    for i in 0..3 {
        let path = format!("large{i}");
        let located = package.locate(path.as_str()).expect("it is there");
        assert_eq!(located.span.len(), LEN);
        let mut tail = [0; 12];
        package.source().read_at(located.span.end - 12, &mut tail).expect("it is there");
        assert_eq!(tail, format!("the end of {i}").as_bytes());
    }
    for i in [0, 299, 599] {
        let content = package.get(format!("small{i}").as_str()).expect("it is there");
        assert_eq!(content, format!("content {i}").as_bytes());
    }
}

#[test]
fn a_file_that_changes_between_adding_and_building_is_refused() {
    use std::fs::File;
    use std::time::{Duration, SystemTime};
    type Change = (&'static str, fn(&std::path::Path));
    let changes: [Change; 5] = [
        ("grown", |path| std::fs::write(path, [1; 200_001]).expect("there is room")),
        ("cut", |path| std::fs::write(path, [1; 199_999]).expect("there is room")),
        ("emptied", |path| std::fs::write(path, []).expect("there is room")),
        ("rewritten at the same length", |path| {
            std::fs::write(path, [2; 200_000]).expect("there is room");
            let later = SystemTime::now() + Duration::from_secs(9);
            let file = File::options().write(true).open(path).expect("it is there");
            file.set_modified(later).expect("it is ours");
        }),
        ("gone", |path| std::fs::remove_file(path).expect("it is there")),
    ];
    for encoding in [EncodingChoice::None, EncodingChoice::Brotli, EncodingChoice::Auto] {
        for (what, change) in changes {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let (file, out) = (directory.path().join("file"), directory.path().join("out"));
            std::fs::write(&file, [1; 200_000]).expect("there is room");
            let mut builder = PackageBuilder::new(BuildOptions { encoding, ..PLAIN });
            builder.add("before", vec![0; 1000]).expect("a good path");
            builder.add("file", file.as_path()).expect("a good path");
            change(&file);
            std::fs::write(&out, b"before").expect("there is room");
            let error = builder.build(&out).expect_err("it changed");
            let expected = if what == "gone" { "io" } else { "misuse" };
            assert_eq!(error.kind().to_string(), expected, "{what}: {error}");
            assert!(error.to_string().contains("file"), "{what}: {error}");
            assert_eq!(std::fs::read(&out).expect("it is there"), b"before", "{what}");
            let left = std::fs::read_dir(directory.path()).expect("it is there").count();
            assert_eq!(left, if what == "gone" { 1 } else { 2 }, "{what}: nothing else is left");
        }
    }
}

#[test]
fn content_from_files_readers_and_memory_is_the_same() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let bytes = b"the same content ".repeat(50_000);
    let file = directory.path().join("file");
    std::fs::write(&file, &bytes).expect("it can be written");
    let built = |content: Content<'_>| {
        let out = directory.path().join("built.dacti-pack");
        let mut builder = PackageBuilder::new(PLAIN);
        builder.add("path", content).expect("a good path");
        builder.build(&out).expect("it can be built");
        std::fs::read(&out).expect("it is there")
    };
    let first = built(bytes.clone().into());
    assert_same(&built(Content::file(&file)), &first, "from a file");
    assert_same(&built(Content::reader(&bytes[..])), &first, "from a reader");
    assert_same(&first, &build(&[stored("path", &bytes)], PLAIN), "from memory");
}

// ------------------------------------------------------------------------------------------
// Looking up
// ------------------------------------------------------------------------------------------

/// Returns a package with one group. The group has the names list, if it is given, and a region of
/// one byte for each id.
fn loose(flags: Option<(u16, u32)>, names: Option<&[u8]>, ids: &[by::Id]) -> Vec<u8> {
    let count = 1 + u64::from(flags.is_some());
    let base = 52 + 28 * count + 8 + GROUP;
    let mut data = names.unwrap_or_default().to_vec();
    let mut entries = Vec::new();
    if names.is_some() {
        entries.push(by::Entry { id: by::NAMES, offset: 0, size: data.len() as u32 });
    }
    for (number, id) in (1..).zip(ids) {
        entries.push(by::Entry { id: *id, offset: data.len() as u32, size: 1 });
        data.push(number);
    }
    let mut components =
        vec![by::component(by::INDEX, base as u32 - 8 - GROUP as u32, 8 + GROUP as u32)];
    if let Some((minor, flags)) = flags {
        components.push(by::Component { minor, ..by::component(by::NAMES, flags, 0) });
    }
    let mut file = by::head(by::PACKAGE, 0, 1);
    file.extend(by::table(&by::Table { components, ..by::Table::default() }));
    file.extend(by::index(&[Group { base, entries, ..Group::default() }]));
    file.extend(data);
    file
}

fn names_with(path: &str, id: by::Id) -> Vec<u8> {
    by::names(Link::default(), &[by::Name { id, length: by::UNKNOWN, path: path.into() }])
}

#[test]
fn paths_are_looked_up_by_the_rule() {
    // spec: R-PKG-04, R-PKG-05, R-PKG-06, R-NAME-07
    let given = names_with("a", small(5));
    let hashed = path_id("a");
    let content = |file: &[u8]| {
        let package = Package::from_bytes(file.to_vec()).expect("it is good");
        let found = package.get("a").map_err(|error| error.kind().to_string());
        // Compares with the reference, which must have the same result.
        let container = by::read_container(file).expect("it is good");
        let regions = by::read_index(file, &container).expect("it is good").regions();
        if let Ok(names) = by::names_list(file, &regions, 1 << 20) {
            let expected = by::look_up(&container, &regions, &names, "a")
                .map(|entry| by::content(file, entry, 1 << 20).expect("it is good"));
            assert_eq!(found.clone().ok(), expected);
        }
        found
    };
    let both = [hashed, small(5)];
    let absent = || Err("not found".to_owned());
    let (first, second) = (|| Ok(vec![1]), || Ok(vec![2]));
    // If the flag of the names component is clear, only the hashed id is used.
    assert_eq!(content(&loose(Some((1, 0)), Some(&given), &both)), first());
    assert_eq!(content(&loose(Some((1, 0)), Some(&given), &[small(6), small(5)])), absent());
    // The other bits of the component's data have no effect.
    assert_eq!(content(&loose(Some((1, u32::MAX - 1)), Some(&given), &both)), first());
    // If the flag is set, the names list is used first. For paths that the list lacks, the hashed
    // id is used.
    assert_eq!(content(&loose(Some((1, 1)), Some(&given), &both)), second());
    assert_eq!(content(&loose(Some((1, 1)), Some(&given), &[hashed])), absent());
    let other = names_with("b", small(5));
    assert_eq!(content(&loose(Some((1, 1)), Some(&other), &both)), first());
    assert_eq!(content(&loose(Some((1, 1)), None, &both)), first());
    // Without a names component, the hashed id is used first. If it has no region, the names list
    // is used.
    assert_eq!(content(&loose(None, Some(&given), &both)), first());
    assert_eq!(content(&loose(None, Some(&given), &[small(6), small(5)])), second());
    assert_eq!(content(&loose(None, Some(&given), &[small(6)])), absent());
    assert_eq!(content(&loose(None, None, &[small(6)])), absent());
    // A names component of a version other than 0.1 counts as absent.
    assert_eq!(content(&loose(Some((2, 1)), Some(&given), &both)), first());
    assert_eq!(content(&loose(Some((0, 0)), Some(&given), &[small(6), small(5)])), second());
    // The names list is only read if a rule requires it.
    assert_eq!(content(&loose(Some((1, 0)), Some(b"no segment"), &both)), first());
    assert_eq!(content(&loose(None, Some(b"no segment"), &both)), first());
    assert_eq!(content(&loose(Some((1, 1)), Some(b"no segment"), &both)), Err("truncated".into()));
}

#[test]
fn every_path_of_a_built_package_leads_to_its_content() {
    // spec: R-PKG-05, R-NAME-07, R-NAME-14
    let files = some_files(300);
    for layout in [LayoutChoice::Cdn, LayoutChoice::Compact] {
        let package = Package::from_bytes(build(&files, BuildOptions { layout, ..PLAIN }));
        let package = package.expect("it is good");
        for file in &files {
            assert_eq!(package.get(&file.path[..]).expect("it is there"), file.bytes);
            let id = uuid_of(file.id.unwrap_or_else(|| path_id(&file.path)));
            assert_eq!(package.get(id).expect("it is there"), file.bytes);
        }
        let error = package.get("no such path").expect_err("it is not there");
        assert_eq!(error.kind().to_string(), "not found");
        let mut expected: Vec<_> =
            files.iter().map(|f| (f.path.clone(), f.bytes.len() as u64)).collect();
        expected.sort();
        let listed = package.list().expect("it is good");
        let listed: Vec<_> = listed
            .into_iter()
            .map(|l| (l.path.expect("all have one"), l.decoded_len.expect("all are stored")))
            .collect();
        assert_eq!(listed, expected);
    }
}

#[test]
fn a_segments_chain_is_read_newest_first() {
    // spec: R-NAME-13
    let fixture =
        fixtures("package").into_iter().find(|f| f.name == "package_names_of_two_segments");
    let package =
        Package::from_bytes(fixture.expect("the fixture is committed").bytes).expect("it is good");
    // The older segment gives "b" the second region. The newer segment gives it the third.
    let get = |path: &str| package.get(path).expect("it is there");
    assert_eq!((get("a"), get("b"), get("c")), (b"1".to_vec(), b"3".to_vec(), b"1".to_vec()));
    assert_eq!(package.names().expect("it is good").segments(), 2);
}

#[test]
fn the_names_list_has_one_limit_for_all_its_segments() {
    let fixture =
        fixtures("package").into_iter().find(|f| f.name == "package_names_of_two_segments");
    let bytes = fixture.expect("the fixture is committed").bytes;
    let names = |names_len_max| {
        let limits = Limits { names_len_max, ..Limits::default() };
        let source = Arc::new(BytesSource::new(bytes.clone()));
        let package = Package::from_source(source, limits).expect("it is good");
        package.names().map(|names| names.segments()).map_err(|error| error.kind().to_string())
    };
    // Neither segment is encoded, so the span of the newer segment is as long as its content.
    let package = Package::from_bytes(bytes.clone()).expect("it is good");
    let newer = package.locate(uuid_of(by::NAMES)).expect("it is there").span.len();
    assert_eq!(names(4096), Ok(2));
    assert_eq!(names(newer), Err("limit".into()), "the newer one alone fits");
}

#[test]
fn bytes_that_many_regions_share_are_decoded_once() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let out = directory.path().join("built.dacti-pack");
    let options = BuildOptions { layout: LayoutChoice::Compact, ..PLAIN };
    let mut builder = PackageBuilder::new(options);
    for i in 0..1000 {
        builder.add(format!("{i}"), vec![7; 100_000]).expect("a good path");
    }
    builder.build(&out).expect("it can be built");
    let file = std::fs::read(&out).expect("it is there");
    let (_, read) = reads(&file, |package| {
        let report = package.verify(None, &mut |_| ControlFlow::Continue(())).expect("it is good");
        assert!(report.is_whole(), "{:?}", report.findings);
        let names_len = report.stored_len - 1000 * 100_000;
        assert_eq!((report.regions, report.decoded_len), (1001, 1000 * 100_000 + names_len));
    });
    assert!(read.bytes < 3 * file.len() as u64, "{read:?} of {} bytes", file.len());
}

#[test]
fn ids_that_the_package_hides_are_told() {
    // spec: R-NAME-01, R-PKG-04
    let directory = tempfile::tempdir().expect("a temporary directory");
    let out = directory.path().join("built.dacti-pack");
    let mut builder = PackageBuilder::new(PLAIN);
    let name = InputName::path_with_id("doc.txt", uuid_of(small(9)));
    builder.add(name, b"text".to_vec()).expect("a good path");
    builder.build(&out).expect("it can be built");
    let mut file = std::fs::read(&out).expect("it is there");
    let verify = |file: &[u8]| {
        let package = Package::from_bytes(file.to_vec()).expect("it opens");
        let found = package.find("doc.txt").expect("the index is sound").is_some();
        let report = package.verify(None, &mut |_| ControlFlow::Continue(())).expect("it is good");
        (found, report.is_whole())
    };
    assert_eq!(verify(&file), (true, true));
    // Clears the flag in the data of T2's second component, the names component.
    file[504 + 24 + 28 + 20] = 0;
    assert_eq!(verify(&file), (false, false));
}

#[test]
fn parts_of_shared_bytes_are_packed_as_bytes_of_their_own_are() {
    let whole = Arc::new((0..3_000_000_u32).map(|i| (i / 7 % 251) as u8).collect::<Vec<_>>());
    let parts = [("a", 0..10), ("b", 5..1_500_000), ("c", 7..7), ("d", 2_999_999..3_000_000)];
    for encoding in [EncodingChoice::None, EncodingChoice::Brotli] {
        for seals in [true, false] {
            let options = BuildOptions { encoding, quality: 1, seals, ..PLAIN };
            let built = |content: &dyn Fn(Range<usize>) -> Content<'static>| {
                let directory = tempfile::tempdir().expect("a temporary directory");
                let out = directory.path().join("built.dacti-pack");
                let mut builder = PackageBuilder::new(options);
                for (path, range) in &parts {
                    builder.add(*path, content(range.clone())).expect("a good path");
                }
                builder.build(&out).expect("it can be built");
                std::fs::read(&out).expect("it is there")
            };
            let shared = built(&|range| Content::shared(&whole, range).expect("it is within"));
            let owned = built(&|range| whole[range].to_vec().into());
            assert!(shared == owned, "{encoding:?}, seals {seals}");
        }
    }
    for outside in [3_000_000..3_000_001, 0..usize::MAX, 3_000_001..3_000_001] {
        assert!(Content::shared(&whole, outside).is_none());
    }
}

// ------------------------------------------------------------------------------------------
// Cost
// ------------------------------------------------------------------------------------------

/// Returns the reads of opening a package, and the reads of `step`.
fn reads(file: &[u8], step: impl FnOnce(&Package)) -> (ReadStats, ReadStats) {
    let source = Counted::new(Arc::new(BytesSource::new(file.to_vec())));
    let package = Package::from_source(Arc::new(source.clone()), Limits::default());
    let package = package.expect("it is good");
    let opened = source.stats();
    step(&package);
    let all = source.stats();
    (opened, ReadStats { reads: all.reads - opened.reads, bytes: all.bytes - opened.bytes })
}

#[test]
fn reads_are_counted() {
    let get = |package: &Package| {
        package.get("dir/1").expect("it is there");
    };
    // If the index has at most ten groups, opening takes one read for the head, and `get` takes one
    // read for the region.
    let mut files = some_files(300);
    files.retain(|file| file.id.is_none());
    // If regions shared bytes, each read would include 16 seals. So no regions share bytes here.
    let apart = || BuildOptions { share: false, ..PLAIN };
    let small_package = build(&files, apart());
    let (opened, got) = reads(&small_package, get);
    assert_eq!(opened, ReadStats { reads: 1, bytes: 65_536 });
    let len =
        files.iter().find(|file| file.path == "dir/1").expect("it is there").bytes.len() as u64;
    // The same read includes the digest of 32 bytes.
    let len = len + 32;
    assert_eq!(got, ReadStats { reads: 1, bytes: len });
    // A stream costs the same: its last read includes the digest.
    let (_, streamed) = reads(&small_package, |package| {
        let mut reader = package.reader("dir/1").expect("it is there");
        std::io::copy(&mut reader, &mut std::io::sink()).expect("it is whole");
    });
    assert_eq!(streamed, ReadStats { reads: 1, bytes: len });
    // If the index has more groups, `get` takes two reads: one for the groups between two fences,
    // and one for the region.
    let mut files = some_files(20_000);
    files.retain(|file| file.id.is_none());
    let large_package = build(&files, apart());
    let (opened, got) = reads(&large_package, get);
    assert_eq!(opened, ReadStats { reads: 1, bytes: 65_536 });
    assert_eq!(got, ReadStats { reads: 2, bytes: GROUP + 40 + len });
    // Without fences, the reader scans the index in windows of at most 256 KiB. Then it reads the
    // region.
    let (opened, got) = reads(&without_keys(&large_package), get);
    assert_eq!(opened, ReadStats { reads: 1, bytes: 65_536 });
    let index_len = 8 + GROUP * (8 + files.len().div_ceil(255) as u64);
    // The index after the head is read once, in windows of 256 KiB. A group that lies in two
    // windows may be read twice.
    let behind = 16_440 + index_len - 65_536;
    assert_eq!(got.reads, behind.div_ceil(256 * 1024) + 1, "{got:?}");
    assert!(got.bytes <= behind + len + got.reads * GROUP, "{got:?}");
}

#[test]
fn a_package_may_have_as_many_tables_and_components_as_a_container() {
    // Builds a package whose tables have the given numbers of components. The last component of the
    // last table is an empty index.
    let package = |counts: &[usize]| {
        let (mut file, mut number) = (by::head(by::PACKAGE, 0, 1), 0);
        let lens: Vec<usize> = counts.iter().map(|count| 24 + 28 * count).collect();
        let end = file.len() + lens.iter().sum::<usize>();
        for (i, (count, len)) in counts.iter().zip(&lens).enumerate() {
            let mut components: Vec<_> = (0..*count)
                .map(|_| {
                    number += 1;
                    by::component(by::small(7_000 + number), 0, 0)
                })
                .collect();
            let is_last = i + 1 == counts.len();
            if is_last {
                components[*count - 1] = by::component(by::INDEX, end as u32, 8);
            }
            let extension = if is_last { 0 } else { (file.len() + len) as u64 };
            file.extend(by::table(&by::Table { extension, components, ..by::Table::default() }));
        }
        file.extend([0; 8]);
        Package::from_bytes(file)
    };
    for counts in [vec![1], vec![32], vec![33], vec![256], vec![1; 8], vec![1; 9], vec![4; 64]] {
        let opened = package(&counts).expect("that many may be");
        assert_eq!(opened.view().components().len(), counts.iter().sum::<usize>(), "{counts:?}");
        assert_eq!(opened.view().tables().len(), counts.len());
        assert_eq!(opened.regions().expect("there are none"), []);
    }
    for counts in [vec![257], vec![1; 65]] {
        let error = package(&counts).expect_err("that is one too many");
        assert_eq!(error.kind(), dacti::ErrorKind::Limit, "{error}");
    }
}

/// Returns the package with a changed version of the lookup component. Readers do not know this
/// version, so they scan the index.
pub fn without_keys(file: &[u8]) -> Vec<u8> {
    let mut out = file.to_vec();
    // This is the position of the third entry of T2.
    let at = 504 + 24 + 2 * 28;
    assert_eq!(out[at..at + 16], by::swap(by::LOOKUP));
    out[at + 16] = 9;
    out
}

/// Returns a package of `count` empty regions with hashed ids, and the ids.
fn many(count: u32) -> (Vec<u8>, Vec<by::Id>) {
    let ids: Vec<_> = (0..count).map(|i| path_id(&format!("{i}"))).collect();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let out = directory.path().join("built.dacti-pack");
    let mut builder = PackageBuilder::new(PLAIN);
    for id in &ids {
        builder.add(uuid_of(*id), Vec::new()).expect("a good id");
    }
    builder.build(&out).expect("it can be built");
    (std::fs::read(&out).expect("it is there"), ids)
}

#[test]
fn a_region_of_many_takes_three_reads_of_few_bytes() {
    // spec: R-LKP-10, R-LKP-19
    for (count, block, bytes_max) in
        [(100_000, GROUP + 40, 75_000), (1_000_000, 3 * GROUP + 40, 90_000)]
    {
        let (file, ids) = many(count);
        for id in [ids[0], ids[77], ids[count as usize / 2]] {
            let (opened, got) = reads(&file, |package| {
                assert_eq!(package.get(uuid_of(id)).expect("it is there"), b"");
            });
            // The last read is for the region, which has only a digest and no stored bytes.
            assert_eq!(opened, ReadStats { reads: 1, bytes: 65_536 });
            assert!(got.reads <= 2 && got.bytes <= block + 32, "{got:?}");
            assert!(opened.bytes + got.bytes + 1024 <= bytes_max);
        }
        let (_, missed) = reads(&file, |package| {
            assert_eq!(package.find(uuid_of(path_id("none"))).expect("it is sound"), None);
        });
        assert_eq!(missed, ReadStats { reads: 1, bytes: block });
    }
}

/// A source in memory. Readers treat it as a local file.
#[derive(Debug)]
struct Local(Counted);

impl ReadAt for Local {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(at, buf)
    }

    fn is_local(&self) -> bool {
        true
    }
}

#[test]
fn auto_takes_the_encoding_in_which_hot_regions_fit() {
    let mut random = Random(8);
    let mut noise = |len: usize| (0..len).map(|_| random.below(256) as u8).collect::<Vec<u8>>();
    let auto = BuildOptions { encoding: EncodingChoice::Auto, ..PLAIN };
    // `room` is the exact space for one hot region in the head. With Brotli, incompressible bytes
    // need more space.
    let room = match try_build_hot(&[stored("hot", &noise(65_000))], PLAIN, &["hot"]) {
        Err(dacti::Error::HotTooLong { bytes_max, .. }) => bytes_max as usize - 32,
        other => panic!("{other:?}"),
    };
    let full = stored("hot", &noise(room));
    let brotli = BuildOptions { encoding: EncodingChoice::Brotli, ..PLAIN };
    assert!(try_build_hot(std::slice::from_ref(&full), brotli, &["hot"]).is_err());
    let file = try_build_hot(std::slice::from_ref(&full), auto, &["hot"]).expect("it fits");
    assert_eq!(file, try_build_hot(&[full], PLAIN, &["hot"]).expect("it fits"));
    // The hot content is too long for the head without encoding, and short enough with Brotli. The
    // builder must encode it, although the package as a whole does not become shorter with Brotli.
    let mut half = noise(30_000);
    half.extend(vec![7; 40_000]);
    let mut files: Vec<_> = (0..20_000).map(|i| stored(&format!("{i:05}"), &[i as u8])).collect();
    files.push(stored("hot", &half));
    assert!(try_build_hot(&files, PLAIN, &["hot"]).is_err());
    let file = try_build_hot(&files, auto, &["hot"]).expect("it fits");
    let package = Package::from_bytes(file).expect("it is good");
    let found = package.locate("hot").expect("it is there");
    assert!(found.encoding == Encoding::BROTLI && found.span.end <= 65_536, "{found:?}");
}

#[test]
fn of_a_local_source_less_than_a_block_is_read_until_its_neighbours_are_asked_for() {
    // In this package, each block has two groups.
    let (file, ids) = many(600_000);
    let counted = Counted::new(Arc::new(BytesSource::new(file)));
    let local = Local(counted.clone());
    let package = Package::from_source(Arc::new(local), Limits::default()).expect("it is good");
    let mut sorted = ids;
    sorted.sort_unstable();
    let read = |id: by::Id, is_there: bool| {
        let before = counted.stats();
        let found = package.find(uuid_of(id)).expect("it is sound");
        assert_eq!(found.is_some(), is_there);
        let after = counted.stats();
        (after.reads - before.reads, after.bytes - before.bytes)
    };
    let block = 2 * GROUP + 40;
    // The first id lies in the middle of a group, so the reader needs only that group. The second
    // id is the last one of a group, so the next group could also have an entry for it.
    assert_eq!(read(sorted[510 * 3 + 100], true), (1, GROUP));
    assert_eq!(read(sorted[510 * 40 + 254], true), (1, block));
    // If the group lacks the id, the reader reads the whole block and keeps it.
    let mut absent = sorted[510 * 5 + 120];
    absent[15] ^= 1;
    assert_eq!(read(absent, false), (2, GROUP + block));
    assert_eq!(read(sorted[510 * 5 + 121], true), (0, 0));
    // The first look-up in a block reads one group. The second one reads the whole block, but only
    // if no look-up in another block came between them.
    assert_eq!(read(sorted[510 * 9 + 90], true), (1, GROUP));
    assert_eq!(read(sorted[510 * 9 + 91], true), (1, block));
    assert_eq!(read(sorted[510 * 9 + 400], true), (0, 0));
    assert_eq!(read(sorted[510 * 3 + 100], true), (1, GROUP));
    // Look-ups give the same results whether or not the reader keeps a block.
    let scanned = package.scan_index().expect("it is sound");
    for located in scanned.regions().iter().step_by(997) {
        assert_eq!(package.find(located.id).expect("it is sound"), Some(*located));
    }
}

#[test]
fn keys_that_are_wrong_cost_time_and_nothing_else() {
    // spec: R-LKP-08, R-LKP-15
    let mut files = some_files(3000);
    files.retain(|file| file.id.is_none());
    let file = build(&files, PLAIN);
    let found = |file: &[u8]| {
        let package = Package::from_bytes(file.to_vec()).expect("it is good");
        for stored in &files {
            assert_eq!(package.get(&stored.path[..]).expect("it is there"), stored.bytes);
        }
        for i in 0..50 {
            assert_eq!(package.find(&format!("no such/{i}")[..]).expect("it is sound"), None);
        }
        let report =
            package.verify(None, &mut |_| ControlFlow::Continue(())).expect("it has an index");
        assert!(report.is_whole());
        assert_eq!(report.findings.is_empty(), package.view().fences_fault().is_none());
        let told: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        (package.view().has_fences(), told.join("; "))
    };
    assert_eq!(found(&file), (true, String::new()));
    let changed = |change: &dyn Fn(&mut [u8])| {
        let mut wrong = file.clone();
        change(&mut wrong);
        found(&wrong)
    };
    let (has_fences, told) = changed(&|file| file[3584 + 32..3584 + 40].fill(0xff));
    assert!(has_fences && told.starts_with("lookup block at 0x10010: "), "the first entry: {told}");
    let (has_fences, told) = changed(&|file| file[3584 + 8] ^= 8);
    assert!(!has_fences && told.contains("0xe00"), "of another index: {told}");
    let (has_fences, told) = changed(&|file| file[3584 + 20] ^= 1);
    assert!(!has_fences && told.starts_with("lookup run at 0xe10: "), "another count: {told}");
    assert_eq!(found(&without_keys(&file)), (false, String::new()));
    // Exchanges two entries of the third group. The second of them then violates the order.
    let mut wrong = file.clone();
    let at = 65_536 + 2 * GROUP as usize + 16 + 7 * 24;
    let (first, second) = wrong[at..at + 48].split_at_mut(24);
    first.swap_with_slice(second);
    let package = Package::from_bytes(wrong).expect("its head is good");
    let report = package.verify(None, &mut |_| ControlFlow::Continue(())).expect("it has an index");
    let [finding] = &report.findings[..] else { panic!("{report:?}") };
    let told = finding.to_string();
    assert!(told.starts_with(&format!("lookup block at {:#x}: ", at + 24)), "{told}");
    for stored in &files {
        assert_eq!(package.get(&stored.path[..]).expect("it is there"), stored.bytes);
    }
}

#[test]
fn a_seal_component_behind_the_end_is_told_where_it_starts() {
    // spec: R-SEAL-03
    let mut file = build(&some_files(3), PLAIN);
    // The second entry of T1 is the seal component. The offset of its region follows its UUID and
    // its version.
    let at = 28 + 24 + 28 + 20;
    assert_eq!(file[at..at + 4], 1080_u32.to_le_bytes());
    file[at..at + 4].copy_from_slice(&0x0fff_0000_u32.to_le_bytes());
    let fault = Package::from_bytes(file).expect("its head is good").view().seals_fault();
    assert_eq!(fault.expect("it is cut off").at(), Some(0x0fff_0000));
}

// ------------------------------------------------------------------------------------------
// Hot regions
// ------------------------------------------------------------------------------------------

/// Builds a package in which the files at the paths `hot` are hot.
fn try_build_hot(
    files: &[Stored],
    options: BuildOptions,
    hot: &[&str],
) -> Result<Vec<u8>, dacti::Error> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let out = directory.path().join("built.dacti-pack");
    let mut builder = PackageBuilder::new(options);
    for file in files {
        let name = match file.id {
            Some(id) => InputName::path_with_id(&file.path[..], uuid_of(id)),
            None => InputName::from(&file.path[..]),
        };
        let content = file.bytes.clone();
        match hot.contains(&&file.path[..]) {
            true => builder.add_hot(name, content)?,
            false => builder.add(name, content)?,
        };
    }
    let result = builder.build(&out);
    let left = std::fs::read_dir(directory.path()).expect("it is there").count();
    assert_eq!(left, usize::from(result.is_ok()));
    result.map(|built| {
        let bytes = std::fs::read(&out).expect("it is there");
        assert_eq!((built.len, built.regions), (bytes.len() as u64, files.len() as u64));
        bytes
    })
}

fn build_hot(files: &[Stored], options: BuildOptions, hot: &[&str]) -> Vec<u8> {
    try_build_hot(files, options, hot).expect("it can be built")
}

#[test]
fn packages_with_hot_regions_are_built_as_the_reference_writes_them() {
    // spec: R-LAY-01, R-LAY-02, R-LAY-05, R-LAY-07, R-LAY-09, R-LAY-12, R-LAY-13
    // The longer the hot contents are, the fewer delta groups the head has room for.
    for (count, long) in [(3, 10), (3, 2500), (3, 20_000), (3, 49_552), (3, 54_952), (255, 9000)]
        .into_iter()
        .chain([(2300, 4000), (2600, 0), (2600, 12_000), (2600, 40_000)])
    {
        let mut files = some_files(count);
        files.push(stored("hot/long", &vec![7; long]));
        files.push(stored("hot/empty", b""));
        files.push(Stored { id: Some(small(3)), ..stored("a-hot", b"with an id of its own") });
        let hot = ["hot/long", "a-hot", "hot/empty", "0.txt"];
        let names = by::names_of(&files);
        for seals in [true, false] {
            let expected = by::cdn_package_hot(&files, &names, NONE, 4096, &blake3, seals, &hot);
            let ours = build_hot(&files, BuildOptions { seals, ..PLAIN }, &hot);
            assert_same(&ours, &expected, &format!("{count} files, {long} bytes"));
        }
        // The reference's reader has no rule for hot regions. It must find every content by the
        // general rules.
        let file = build_hot(&files, PLAIN, &hot);
        let found = contents(&file);
        assert_eq!(found.len(), files.len() + 1);
        for stored in &files {
            let id = stored.id.unwrap_or_else(|| path_id(&stored.path));
            assert_eq!(found[&id], stored.bytes, "{}", stored.path);
        }
        // Our reader also finds every content, and reports no diagnostics.
        let package = Package::from_bytes(file).expect("it is good");
        for stored in &files {
            assert_eq!(got(&package, &stored.path).as_deref(), Ok(&stored.bytes[..]));
        }
        let report = package.verify(None, &mut |_| ControlFlow::Continue(())).expect("it reads");
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let map = FileMap::read(&package).expect("it reads");
        assert!(map.overlaps.is_empty() && map.unclaimed_len() == 0);
    }
}

#[test]
fn a_hot_region_comes_with_the_head() {
    // spec: R-LAY-12
    for (count, encoding) in [(300, EncodingChoice::None), (20_000, EncodingChoice::Brotli)] {
        let mut files = some_files(count);
        files.retain(|file| file.id.is_none());
        files.push(stored("hot", &b"asked for first of all ".repeat(80)));
        let file = build_hot(&files, BuildOptions { encoding, ..PLAIN }, &["hot"]);
        let (opened, got) = reads(&file, |package| {
            let content = package.get("hot").expect("it is there");
            assert_eq!(content, files.last().expect("it is there").bytes);
            let mut reader = package.reader("hot").expect("it is there");
            let mut streamed = Vec::new();
            std::io::Read::read_to_end(&mut reader, &mut streamed).expect("it is whole");
            assert_eq!((streamed, reader.verdict()), (content, Some(dacti::seal::Verdict::Digest)));
        });
        assert_eq!(opened, ReadStats { reads: 1, bytes: 65_536 });
        assert_eq!(got, ReadStats { reads: 0, bytes: 0 });
        // Other regions cost the same as in a package without hot regions. In a large package,
        // `get` reads a block of groups and then the region.
        let (_, got) = reads(&file, |package| drop(package.get("dir/1").expect("it is there")));
        assert_eq!(got.reads, if count > 2550 { 2 } else { 1 });
        let (_, missed) = reads(&file, |package| {
            assert_eq!(package.find("none").expect("it is sound"), None);
        });
        assert_eq!(missed.reads, u64::from(count > 2550));
    }
}

#[test]
fn hot_regions_that_do_not_fit_are_refused_with_the_numbers() {
    // spec: R-LAY-13
    let told = |files: &[Stored], options, hot: &[&str]| {
        try_build_hot(files, options, hot).expect_err("it does not fit").to_string()
    };
    // One group lies after the head, so the head needs a lookup region: a header of 32 bytes and a
    // fence of 8 bytes. This leaves 55,768 bytes for the hot regions.
    let sizes = |len: usize| [stored("a", &vec![1; len]), stored("b", b"")];
    let fits = 55_768 - 32;
    build_hot(&sizes(fits), PLAIN, &["a"]);
    let expected = "the hot regions take 55769 bytes with their seals, and the head has room for \
                    55768: mark fewer or smaller ones";
    assert_eq!(told(&sizes(fits + 1), PLAIN, &["a"]), expected);
    // This content is so long that the builder refuses it without reading it.
    let error = told(&sizes(3 << 20), PLAIN, &["a"]);
    assert!(error.starts_with("the hot regions take 3145760 bytes"), "{error}");
    // The limit applies to the stored bytes, which Brotli makes short.
    let brotli = BuildOptions { encoding: EncodingChoice::Brotli, ..PLAIN };
    let package = Package::from_bytes(build_hot(&sizes(3 << 20), brotli, &["a"]));
    let package = package.expect("it is good");
    assert_eq!(package.get("a").expect("it is there").len(), 3 << 20);
    assert!(package.locate("a").expect("it is there").span.end <= 65_536);
    // If Brotli does not make the contents shorter, the error states their stored length.
    let mut random = Random(5);
    let noise: Vec<u8> = (0..2 << 20).map(|_| random.next() as u8).collect();
    let error = told(&[stored("a", &noise)], brotli, &["a"]);
    let bytes = error.split(' ').nth(4).and_then(|bytes| bytes.parse::<usize>().ok());
    assert!(bytes.is_some_and(|bytes| bytes > 2 << 20 && bytes < (2 << 20) + 4096), "{error}");

    let files: Vec<_> = (0..256).map(|i| stored(&format!("{i}"), b"x")).collect();
    let paths: Vec<_> = files.iter().map(|file| &file.path[..]).collect();
    build_hot(&files, PLAIN, &paths[1..]);
    let expected = "256 regions are marked hot, and at most 255 can be: mark fewer";
    assert_eq!(told(&files, PLAIN, &paths), expected);
    let compact = BuildOptions { layout: LayoutChoice::Compact, ..PLAIN };
    let expected =
        "hot regions lie in the head, where the compact layout has no room: use the cdn layout";
    assert_eq!(told(&files, compact, &paths[..1]), expected);
}

#[test]
fn hot_regions_are_signed_as_all_others() {
    // spec: R-LAY-12, R-SEAL-01
    let key = SecretKey::from_seed(&[7; 32], uuid_of(small(9)));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let out = directory.path().join("built.dacti-pack");
    let mut builder = PackageBuilder::new(PLAIN);
    builder.sign(key.clone());
    builder.add_hot("hot", b"hot".to_vec()).expect("a good name");
    builder.add("cold", b"cold".to_vec()).expect("a good name");
    builder.build(&out).expect("it can be built");
    let mut file = std::fs::read(&out).expect("it is there");
    let policy = SealPolicy::Signature(vec![key.public()]);
    let package = |file: &[u8]| {
        Package::from_bytes(file.to_vec()).expect("it is good").require(policy.clone())
    };
    assert_eq!(got(&package(&file), "hot").as_deref(), Ok(&b"hot"[..]));
    assert_eq!(got(&package(&file), "cold").as_deref(), Ok(&b"cold"[..]));
    let at = package(&file).locate("hot").expect("it is there").span.start as usize;
    assert!(at + 3 + 96 <= 65_536);
    file[at] ^= 1;
    assert!(got(&package(&file), "hot").expect_err("it is altered").contains("altered"));
}

// ------------------------------------------------------------------------------------------
// Seals
// ------------------------------------------------------------------------------------------

/// Reads a region whole and as a stream. Both ways must have the same result, which is returned.
fn got(package: &Package, path: &str) -> Result<Vec<u8>, String> {
    let whole = package.get(path).map_err(|error| error.to_string());
    let streamed =
        package.reader(path).map_err(|error| error.to_string()).and_then(|mut reader| {
            let mut out = Vec::new();
            let mut one = [0];
            loop {
                match std::io::Read::read(&mut reader, &mut one) {
                    Ok(0) => {
                        assert!(reader.verdict().is_some(), "the end was told before the verdict");
                        return Ok(out);
                    }
                    Ok(_) => out.push(one[0]),
                    Err(error) => {
                        let content = package.stored(reader.located());
                        assert!(content.is_err() || out.is_empty(), "{error}");
                        return Err(error.to_string());
                    }
                }
            }
        });
    assert_eq!(whole, streamed, "{path}");
    whole
}

/// Flips bits of a package, one at a time, in all bytes that have a meaning. No flip may lead to a
/// wrong content. Flips in sealed bytes, in seals and in the component must be detected. The length
/// of a region with its seal is a power of two. So a flipped bit of an offset can lead to a
/// neighbouring region, which is intact.
fn flip_each_bit(
    files: &[Stored],
    file: &[u8],
    component: Range<usize>,
    policy: Option<&SealPolicy>,
) {
    let sealed_at = file.len() - file.iter().rev().position(|byte| *byte != 0).expect("some");
    let index_at = 4168 + 8 + 9 * GROUP as usize;
    let entries = index_at..index_at + 16 + (1 + files.len()) * 24;
    let used = [0..752, 1000..component.end, 4168..4176, entries, 65_536..sealed_at];
    let sound = Package::from_bytes(file.to_vec()).expect("it is good");
    let place = |package: &Package, stored: &Stored| Some(package.find(&*stored.path).ok()??.span);
    let places: Vec<_> = files.iter().map(|stored| place(&sound, stored)).collect();
    let (mut refused, mut on_neighbours) = (0, 0);
    for bit in used.into_iter().flat_map(|bytes| bytes.start * 8..bytes.end * 8) {
        let mut flipped = file.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(mut package) = Package::from_bytes(flipped) else { continue };
        if let Some(policy) = policy {
            package = package.require(policy.clone());
        }
        let in_sealed = bit / 8 >= 65_536;
        let mut all_whole = true;
        for (stored, own) in files.iter().zip(&places) {
            let found = place(&package, stored);
            on_neighbours += usize::from(found != *own && places.contains(&found));
            match package.get(&stored.path[..]) {
                // A flip can change the seal component so that readers do not recognise it. Without
                // a seal policy, readers treat the package as one without seals.
                Ok(content) => assert_eq!(content, stored.bytes, "bit {bit} of {:#x}", bit / 8),
                Err(_) => all_whole = false,
            }
        }
        all_whole &= package.names().is_ok();
        refused += usize::from(!all_whole);
        if in_sealed || component.contains(&(bit / 8)) {
            assert!(!all_whole, "bit {} of {:#x} was not detected", bit % 8, bit / 8);
            let report = package.verify(NonZeroUsize::new(1), &mut |_| ControlFlow::Continue(()));
            assert!(report.is_ok_and(|report| !report.is_whole()), "{:#x}", bit / 8);
        }
    }
    assert!(refused >= (sealed_at - 65_536 + component.len()) * 8, "{refused}");
    assert!(on_neighbours >= files.len(), "each has a neighbour one bit away: {on_neighbours}");
}

#[test]
fn every_flipped_bit_of_a_sealed_package_is_detected() {
    // spec: R-SEAL-03, R-SEAL-11, R-SEAL-13
    let files: Vec<_> = (0..8_u8).map(|i| stored(&format!("dir/{i}"), &[i * 3 + 1; 32])).collect();
    flip_each_bit(&files, &build(&files, PLAIN), 1080..1144, None);
}

#[test]
fn every_flipped_bit_of_a_signed_package_is_detected() {
    // spec: R-SEAL-03, R-SEAL-12, R-SEAL-13, R-SEAL-15
    let files: Vec<_> = (0..4_u8).map(|i| stored(&format!("{i}"), &[i * 3 + 1; 32])).collect();
    let key = SecretKey::from_seed(&[7; 32], uuid_of(small(9)));
    let file = build_with(&files, PLAIN, |builder| _ = builder.sign(key.clone()));
    let policy = SealPolicy::Signature(vec![key.public()]);
    let signed = Package::from_bytes(file.clone()).expect("it is good").require(policy.clone());
    for stored in &files {
        assert_eq!(got(&signed, &stored.path).as_deref(), Ok(&stored.bytes[..]));
    }
    // The seal component of a signed package has 96 bytes, which include the public key.
    flip_each_bit(&files, &file, 1080..1176, Some(&policy));
}

#[test]
fn a_stream_of_which_nothing_is_checked_is_no_verified_reader() {
    // spec: R-SEAL-13
    let files = [stored("a", b"some content"), stored("empty", b"")];
    let sealed = Package::from_bytes(build(&files, PLAIN)).expect("it is good");
    for stored in &files {
        let mut reader = sealed.verified_reader(&stored.path[..]).expect("it has a seal");
        assert_eq!(
            (reader.verdict(), reader.located().span.len()),
            (None, stored.bytes.len() as u64)
        );
        let mut read = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut read).expect("it is sound");
        assert_eq!((read, reader.verdict()), (stored.bytes.clone(), Some(Verdict::Digest)));
    }
    let refused = |package: &Package| {
        let error = package.verified_reader("a").expect_err("nothing is checked");
        assert!(matches!(error, dacti::Error::Seal(_)), "{error}");
        error.to_string()
    };
    let unsealed = build(&files, BuildOptions { seals: false, ..PLAIN });
    let unsealed = Package::from_bytes(unsealed).expect("it is good");
    assert!(refused(&unsealed).contains("unsealed"));
    assert!(
        refused(&sealed.require(SealPolicy::Nothing))
            .contains("the policy requires nothing of seals")
    );
}

/// Returns the package after exchanging the places of two regions in their entries.
fn with_swapped_places(file: &[u8], [a, b]: [&str; 2]) -> Vec<u8> {
    let container = by::read_container(file).expect("it is good");
    let regions = by::read_index(file, &container).expect("it is good").regions();
    let [a, b] = [a, b].map(|path| regions[&path_id(path)]);
    let mut out = file.to_vec();
    for (to, from) in [(a, b), (b, a)] {
        let place = [from.offset.to_le_bytes(), from.size.to_le_bytes()].concat();
        by::place(&mut out, to.at as usize + 16, &place);
    }
    out
}

#[test]
fn swapped_regions_are_told_from_altered_ones() {
    // spec: R-SEAL-13, R-SEAL-16
    // The cases are short regions of a small index, short regions of a large index with fences, and
    // long regions that several threads hash.
    for (more, len) in [(0, 16), (3000, 16), (0, 17 << 20)] {
        let mut files = some_files(more);
        files.retain(|file| file.id.is_none());
        let long = |byte: u8| (0..len).map(|i| (i / 7) as u8 ^ byte).collect::<Vec<u8>>();
        files.extend([stored("one", &long(1)), stored("two", &long(2))]);
        let file = build(&files, PLAIN);
        let swapped = with_swapped_places(&file, ["one", "two"]);
        let package = Package::from_bytes(swapped.clone()).expect("it is good");
        let located = package.locate("one").expect("it is there");
        let expected = format!(
            "stored region at {:#x}: swapped: asked for {}, but it was sealed as {}: the index was \
             altered",
            located.span.start,
            uuid_of(path_id("one")),
            uuid_of(path_id("two")),
        );
        // The reader refuses the region both whole and as a stream.
        let whole = package.get("one").expect_err("it is refused");
        assert_eq!(whole.to_string(), expected);
        let mut reader = package.reader("one").expect("it is there");
        let mut out = Vec::new();
        let error = std::io::Read::read_to_end(&mut reader, &mut out).expect_err("refused");
        assert_eq!(error.to_string(), expected);
        assert!((out.len() as u64) < located.span.len() && reader.verdict().is_none());
        // The altered bytes match the digest of no region, so the error names no other region.
        let mut altered = file;
        altered[located.span.start as usize + 3] ^= 1;
        let package = Package::from_bytes(altered).expect("it is good");
        let told = package.get("two").expect_err("it is refused").to_string();
        assert!(told.contains("altered"), "{told}");
        // If the limits forbid the search for another region, the reader reads nothing more, and
        // the error reports only an alteration.
        let limits = Limits { explained_entries_max: 0, ..Limits::default() };
        let source = Counted::new(Arc::new(BytesSource::new(swapped)));
        let package = Package::from_source(Arc::new(source.clone()), limits).expect("it is good");
        let located = package.locate("one").expect("it is there");
        let before = source.stats().reads;
        let told = package.stored(&located).expect_err("it is refused").to_string();
        assert!(told.contains("altered"), "{told}");
        assert_eq!(source.stats().reads, before + 1);
    }
}

#[test]
fn explaining_has_an_end() {
    let mut files: Vec<_> = (0..1999).map(|i| stored(&format!("{i}"), &[i as u8; 4])).collect();
    let file = build(&files, PLAIN);
    // The two smallest ids lie in the first group. The search always reads whole groups, so even a
    // limit of one entry lets it read this group.
    files.sort_by_key(|file| path_id(&file.path));
    let [first, second] = [0, 1].map(|i| &files[i].path[..]);
    let swapped = with_swapped_places(&file, [first, second]);
    let limits = Limits { explained_entries_max: 1, ..Limits::default() };
    let source = Arc::new(BytesSource::new(swapped));
    let package = Package::from_source(source, limits).expect("it is good");
    let told = |path: &str| package.get(path).expect_err("it is refused").to_string();
    assert!(told(first).contains("swapped"));
    // The first search used up the limit, so the second error cannot name the other region.
    assert!(told(second).contains("altered"));
}

#[test]
fn a_stream_keeps_its_last_byte_until_it_is_verified() {
    // spec: R-SEAL-13
    for (encoding, len) in [
        (EncodingChoice::None, 0_usize),
        (EncodingChoice::None, 1),
        (EncodingChoice::None, 65_536),
        (EncodingChoice::None, 200_000),
        (EncodingChoice::Brotli, 1),
        (EncodingChoice::Brotli, 3_000_000),
    ] {
        let mut random = Random(7);
        let content: Vec<u8> = (0..len).map(|_| random.below(7) as u8).collect();
        let files = [stored("a", &content)];
        let file = build(&files, BuildOptions { encoding, ..PLAIN });
        let package = Package::from_bytes(file.clone()).expect("it is good");
        assert_eq!(got(&package, "a").as_deref(), Ok(&content[..]));
        let located = package.locate("a").expect("it is there");
        // The digest is altered, so the reader refuses the region although its content is right.
        let mut wrong = file.clone();
        wrong[located.span.end as usize + 31] ^= 1;
        let package = Package::from_bytes(wrong).expect("it is good");
        let mut reader = package.reader("a").expect("it is there");
        let mut out = Vec::new();
        let error = std::io::Read::read_to_end(&mut reader, &mut out).expect_err("it is refused");
        assert!(error.to_string().contains("altered"), "{error}");
        assert!(out.len() < len.max(1), "{} of {len} bytes were handed out", out.len());
        assert_eq!(reader.verdict(), None);
        // If a stored byte is altered, the error concerns the seal, even if the decoder would also
        // fail.
        if len > 1 {
            let mut wrong = file.clone();
            wrong[(located.span.start + located.span.len() / 2) as usize] ^= 0x10;
            let package = Package::from_bytes(wrong).expect("it is good");
            let mut reader = package.reader("a").expect("it is there");
            let error = std::io::copy(&mut reader, &mut std::io::sink()).expect_err("refused");
            assert!(error.to_string().contains("altered"), "{error}");
        }
        // If the seal policy requires nothing, the reader returns the bytes.
        let package = package.require(dacti::seal::SealPolicy::Nothing);
        assert_eq!(got(&package, "a").as_deref(), Ok(&content[..]));
    }
}

#[test]
fn what_was_not_sealed_is_refused_only_where_seals_are_required() {
    // spec: R-SEAL-11, R-SEAL-14
    let files = some_files(3);
    for options in [
        BuildOptions { seals: false, ..PLAIN },
        BuildOptions { layout: LayoutChoice::Compact, ..PLAIN },
    ] {
        let package = Package::from_bytes(build(&files, options)).expect("it is good");
        assert_eq!(package.get("0.txt").expect("nothing is required"), files[0].bytes);
        let package = package.require(dacti::seal::SealPolicy::Digest);
        let error = package.get("0.txt").expect_err("a digest is required");
        assert_eq!(error.kind(), dacti::ErrorKind::Denied);
    }
}
