//! Packages whose regions share stored bytes. They are packed, read in every way, damaged, updated,
//! signed, compacted and published.

mod noting;

use core::ops::ControlFlow;
use dacti::compact::CompactOptions;
use dacti::fetch::ReadAt;
use dacti::publish::{Place, PublishOptions, publish};
use dacti::report::{Difference, Differing, Finding};
use dacti::seal::{SealKind, SealPolicy, SecretKey};
use dacti::update::{Strategy, Update, UpdateOptions};
use dacti::{
    BuildOptions, Content, DigestListChoice, Encoding, EncodingChoice, Error, ErrorKind, Limits,
    Located, Package, PackageBuilder, Span,
};
use dacti_tests::reference::{self as by, seals as reference};
use noting::Noting;
use std::io::Read as _;
use std::sync::Arc;
use uuid::Uuid;

fn options() -> BuildOptions {
    let digest_list = DigestListChoice::Never;
    BuildOptions {
        slice_len: 4096,
        encoding: EncodingChoice::None,
        digest_list,
        ..BuildOptions::default()
    }
}

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn key() -> SecretKey {
    let package = Uuid::from_bytes(reference::EXAMPLE.package);
    SecretKey::from_seed(&reference::EXAMPLE.seed, package)
}

fn go_on() -> impl FnMut(dacti::Progress) -> ControlFlow<()> {
    |_| ControlFlow::Continue(())
}

/// Returns 35 files with one content, two files with another content, one file with a content of
/// its own, and two empty files.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = (0..35)
        .map(|n| (format!("tiles/{n:02}"), b"the same sea, for all of these tiles".to_vec()))
        .collect();
    files.push(("licence".into(), b"do what you like".to_vec()));
    files.push(("tiles/licence".into(), b"do what you like".to_vec()));
    files.push(("alone".into(), b"nobody has these bytes".to_vec()));
    files.push(("empty/1".into(), vec![]));
    files.push(("empty/2".into(), vec![]));
    files
}

fn packed(options: BuildOptions, key: Option<SecretKey>, files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = PackageBuilder::new(options);
    key.map(|key| builder.sign(key).len());
    // The builder gets the files in the reverse order, because the package must not depend on the
    // order.
    for (path, content) in files.iter().rev() {
        builder.add(&path[..], content.clone()).expect("a good name");
    }
    builder.build_to_vec().expect("it can be built").0
}

fn open(file: &[u8]) -> Package {
    Package::from_bytes(file).expect("it is sound")
}

/// Checks that a package has exactly these files, in each way of reading them.
#[track_caller]
fn assert_holds(package: &Package, files: &[(String, Vec<u8>)]) {
    for (path, expected) in files {
        assert!(package.get(path).expect("it is sound") == *expected, "{path}");
        let mut content = Vec::new();
        package.reader(path).expect("it is there").read_to_end(&mut content).expect("sound");
        assert!(content == *expected);
        let mut content = Vec::new();
        let mut reader = package.unverified_reader(path).expect("it is there");
        reader.read_to_end(&mut content).expect("sound");
        assert!(content == *expected);
        let mut content = Vec::new();
        let mut reader = package.verified_reader(path).expect("it is sealed");
        reader.read_to_end(&mut content).expect("sound");
        assert!(content == *expected);
    }
    let many = package.get_many(files.iter().map(|(path, _)| &path[..]));
    assert!(many.into_iter().zip(files).all(|(got, (_, want))| got.expect("sound") == *want));
    assert_eq!(package.list().expect("sound").len(), files.len());
    assert_whole(package);
}

#[track_caller]
fn assert_whole(package: &Package) {
    let report = package.verify(None, &mut |_| ControlFlow::Continue(())).expect("it is read");
    // After a removal, the names list still has the name.
    let is_name = |finding: &Finding| matches!(finding, Finding::NameWithoutRegion { .. });
    assert!(report.findings.iter().all(is_name), "{:?}", report.findings);
    let usage = package.usage(true, &mut |_| ControlFlow::Continue(())).expect("it is read");
    assert_eq!(usage.total(), package.view().len());
    let regions = package.regions().expect("it is sound");
    assert_eq!(package.part_overlaps(regions).count, 0);
}

/// Returns the options and the key for each combination: with digests or signatures, with Brotli or
/// without encoding.
fn variants() -> Vec<(BuildOptions, Option<SecretKey>)> {
    let brotli = BuildOptions { encoding: EncodingChoice::Brotli, ..options() };
    let list = BuildOptions { digest_list: DigestListChoice::Always, ..options() };
    let mut variants = Vec::new();
    for options in [options(), brotli, list] {
        variants.extend([(options, None), (options, Some(key()))]);
    }
    variants
}

#[test]
fn every_way_to_read_a_shared_region_gives_its_content() {
    // spec: R-SEAL-21, R-SEAL-22, R-PKG-13
    for (options, key) in variants() {
        let kind = if key.is_some() { SealKind::Signature } else { SealKind::Digest };
        let policy = key.as_ref().map(|key| SealPolicy::Signature(vec![key.public()]));
        let file = packed(options, key, &files());
        let mut package = open(&file);
        if let Some(policy) = policy {
            package = package.require(policy);
        }
        let seals = package.view().seals().expect("it has seals");
        assert_eq!((seals.kind, seals.seals_max), (kind, 16));
        assert_holds(&package, &files());
        let place = |path: &str| package.locate(path).expect("it is there").span;
        let tiles: Vec<Span> = (0..35).map(|n| place(&format!("tiles/{n:02}"))).collect();
        // At most 16 regions share bytes, so the 35 equal regions form groups of 16, 16 and 3.
        let alike: Vec<usize> = tiles.chunk_by(|a, b| a == b).map(<[_]>::len).collect();
        assert_eq!(alike, [16, 16, 3]);
        assert_eq!(place("licence"), place("tiles/licence"));
        assert_ne!(place("alone"), place("licence"));
        assert_ne!(place("empty/1"), place("empty/2"), "regions without bytes share nothing");
    }
}

#[test]
fn a_package_is_that_of_the_reference() {
    // spec: R-PKG-13, R-LAY-06, R-LAY-09, R-SEAL-21
    let stored: Vec<_> = files().iter().map(|(path, bytes)| by::stored(path, bytes)).collect();
    let names = by::names_of(&stored);
    let expected = by::cdn_package(&stored, &names, by::NONE, 4096, &blake3);
    assert!(packed(options(), None, &files()) == expected);
    let publisher = reference::EXAMPLE;
    let component = reference::signed_component(publisher.package, &[publisher.key()], &blake3);
    let behind = |id, bytes: &[u8]| {
        let digest = by::seal(id, by::NONE, bytes, &blake3);
        [&digest[..], &publisher.sign(&digest)].concat()
    };
    let component = Some(component);
    let signed =
        by::cdn_package_sealed(&stored, &names, by::NONE, 4096, &blake3, component, &behind);
    assert!(packed(options(), Some(key()), &files()) == signed);
    for threads in [1, 2, 7] {
        let options = BuildOptions { threads: core::num::NonZeroUsize::new(threads), ..options() };
        assert!(packed(options, None, &files()) == expected);
    }
}

#[test]
fn a_package_that_shares_nothing_keeps_its_bytes() {
    // spec: R-SEAL-21
    let alone = files().into_iter().skip(34).take(1).chain([
        ("a".into(), b"a".to_vec()),
        ("empty/1".into(), vec![]),
        ("empty/2".into(), vec![]),
    ]);
    let alone: Vec<_> = alone.collect();
    let file = packed(options(), None, &alone);
    assert!(file == packed(BuildOptions { share: false, ..options() }, None, &alone));
    assert_eq!(open(&file).view().seals().map(|seals| seals.seals_max), Some(1));
    // If the caller asks for it, equal regions do not share bytes.
    let apart = packed(BuildOptions { share: false, ..options() }, None, &files());
    let package = open(&apart);
    assert_eq!(package.view().seals().map(|seals| seals.seals_max), Some(1));
    assert_holds(&package, &files());
    assert!(apart.len() >= packed(options(), None, &files()).len());
}

#[test]
fn one_read_fetches_a_region_and_its_seals() {
    // spec: R-SEAL-22, R-LAY-06
    for (key, seal_len) in [(None, 32), (Some(key()), 96)] {
        let bytes = packed(options(), key, &files());
        let len = bytes.len() as u64;
        let source = Noting::new(bytes);
        let noted = Arc::clone(&source);
        let reads = || core::mem::take(&mut *noted.reads.lock().expect("no thread panicked"));
        let package = Package::from_source(source as Arc<dyn ReadAt>, Limits::default());
        let package = package.expect("it is sound");
        for (path, content) in files() {
            let Span { start, end } = package.locate(&path).expect("it is there").span;
            let expected = [Span { start, end: end + 16 * seal_len }];
            assert!(expected[0].end <= len, "the package ends with room for the read");
            assert_eq!(package.plan_get([&path[..]]).reads, expected);
            reads();
            assert!(package.get(&path).expect("it is sound") == content);
            assert_eq!(reads(), expected);
        }
    }
}

#[test]
fn no_flipped_bit_gives_wrong_bytes() {
    // spec: R-SEAL-13, R-SEAL-22, R-SEAL-23
    let few = &files()[33..38];
    let file = packed(options(), None, few);
    assert_eq!(open(&file).view().seals().map(|seals| seals.seals_max), Some(2));
    let end = file.iter().rposition(|byte| *byte != 0).expect("it has data") + 1;
    let (mut refused, mut read) = (0, 0);
    for at in 0..end {
        // In the reserve for components and entries, which is zeros, the test flips only one bit of
        // each byte.
        let is_used = file[at] != 0 || !(1600..53_000).contains(&at);
        for bit in if is_used { 0..8 } else { at % 8..at % 8 + 1 } {
            let mut bad = file.clone();
            bad[at] ^= 1 << bit;
            let Ok(package) = Package::from_bytes(bad) else { continue };
            for (path, expected) in few {
                match package.get(path) {
                    Ok(content) => {
                        assert!(content == *expected, "bit {bit} of byte {at:#x}: wrong bytes");
                        read += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(refused > 1000 && read > 1000, "{refused} refused, {read} read");
}

/// Returns the place of a region's stored bytes, and the position of its seal, which is found by
/// the digest.
fn place_of(file: &[u8], path: &str) -> (Located, usize) {
    let located = open(file).locate(path).expect("it is there");
    let Span { start, end } = located.span;
    let stored = &file[start as usize..end as usize];
    let digest = by::seal(by::path_id(path), by::NONE, stored, &blake3);
    let seals = file[end as usize..].chunks(32);
    let n = seals.take(16).position(|seal| *seal == digest).expect("it has a seal");
    (located, end as usize + 32 * n)
}

#[test]
fn the_seals_of_other_regions_open_none() {
    // spec: R-SEAL-13, R-SEAL-16, R-SEAL-23
    let file = packed(options(), None, &files());
    let (located, at) = place_of(&file, "tiles/03");
    let sharing = (0..16).map(|n| Uuid::from_bytes(by::path_id(&format!("tiles/{n:02}"))));
    let sharing: Vec<Uuid> = sharing.collect();
    let is_swapped = |error: &Error| {
        matches!(error, Error::Seal(dacti_seal::Error::Swapped { asked, sealed, .. })
            if *asked == located.id && sharing.contains(sealed))
    };
    // The region's own seal is missing. Readers must refuse the region, although 15 seals of
    // regions with the same bytes follow.
    let mut lost = file.clone();
    lost[at..at + 32].fill(0);
    let error = open(&lost).get("tiles/03").expect_err("it has no seal");
    assert!(is_swapped(&error), "{error}");
    // All other regions stay readable.
    for path in ["tiles/00", "tiles/04", "tiles/15", "tiles/16", "licence", "alone"] {
        assert!(open(&lost).get(path).is_ok(), "{path}");
    }
    // In place of the region's seal is the seal of a region with other bytes. Readers must still
    // refuse the region.
    let (_, other) = place_of(&file, "licence");
    let mut neighbour = file.clone();
    neighbour.copy_within(other..other + 32, at);
    let error = open(&neighbour).get("tiles/03").expect_err("this is the seal of other bytes");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    // Two seals are exchanged. Readers accept seals in any order.
    let (_, last) = place_of(&file, "tiles/15");
    let mut turned = file.clone();
    let (first, second) = turned.split_at_mut(last);
    first[at..at + 32].swap_with_slice(&mut second[..32]);
    assert_holds(&open(&turned), &files());
    // If the entry names a part of the region's seals, or starts inside another region's bytes,
    // readers must refuse the region.
    let entry = open(&file).find(located.id).expect("sound").expect("there").at as usize;
    for (change, at) in [(1_i64, entry + 20), (-1, entry + 20), (32, entry + 20), (1, entry + 16)] {
        let mut other = file.clone();
        let field = u32::from_le_bytes(other[at..at + 4].try_into().expect("4 bytes"));
        let field = u32::try_from(i64::from(field) + change).expect("it is small");
        other[at..at + 4].copy_from_slice(&field.to_le_bytes());
        let package = open(&other);
        let error = package.get("tiles/03").expect_err("other bytes than the sealed ones");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{change}");
        let overlaps = package.part_overlaps(package.regions().expect("sound"));
        assert!(overlaps.count > 0, "{change}");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let out = dir.path().join("out");
        let refused = package.compact(&out, &CompactOptions::default(), &mut go_on());
        assert!(matches!(refused, Err(Error::Overlap { .. })), "{change}");
    }
}

#[test]
fn a_contents_change_between_two_looks_is_noticed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name);
    for name in ["a", "b"] {
        std::fs::write(path(name), vec![1; 100_000]).expect("it can be written");
    }
    let mut builder = PackageBuilder::new(options());
    builder.add("a", path("a")).and_then(|b| b.add("b", path("b"))).expect("they are there");
    let modified = std::fs::metadata(path("a")).and_then(|m| m.modified()).expect("it is there");
    let mut is_first = true;
    let out = path("out");
    // The progress function is called for the first time after the builder has hashed the contents
    // once.
    let refused = builder.build_with(&out, &mut |_| {
        if core::mem::take(&mut is_first) {
            // The file gets another content. Its length and its time stay the same.
            let mut other = vec![1; 100_000];
            other[99_999] = 2;
            std::fs::write(path("a"), other).expect("it can be written");
            let file = std::fs::File::options().write(true).open(path("a")).expect("there");
            file.set_modified(modified).expect("it can be set");
        }
        ControlFlow::Continue(())
    });
    // The builder either notices that the content has changed, or stores for each region the
    // content that its file has now.
    match refused {
        Ok(_) => {
            let package = Package::open(&out).expect("it is sound");
            let [a, b] = ["a", "b"].map(|path| package.get(path).expect("sound"));
            assert_eq!((a[99_999], b[99_999]), (2, 1), "each region has the bytes of its file");
        }
        Err(error) => assert!(matches!(error, Error::Changed { .. }), "{error}"),
    }
}

#[test]
fn updates_leave_the_regions_that_share_bytes_alone() {
    // spec: R-CDN-19, R-CMP-13, R-SEAL-01, R-SEAL-24
    for key in [None, Some(key())] {
        let seal_len: u64 = if key.is_some() { 96 } else { 32 };
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("p.dacti-pack");
        std::fs::write(&path, packed(options(), key.clone(), &files())).expect("written");
        let before = open(&std::fs::read(&path).expect("it is there")).view().len();
        let with_key = || {
            let mut update = Update::open(&path, UpdateOptions::default()).expect("it is sound");
            if let Some(key) = &key {
                update.sign(key.clone()).expect("the package is signed");
            }
            update
        };
        let mut expected = files();
        // The update changes the first and the last one of the regions that share bytes. It also
        // adds a region with the content of the others.
        let mut first = with_key();
        for (name, content) in [("tiles/00", "land"), ("tiles/34", "ice")] {
            let found = expected.iter_mut().find(|(path, _)| path == name).expect("there");
            // The new content is as long as the old one, so the length in the names list stays
            // right.
            found.1 = format!("{content:36}").into_bytes();
            first.put(name, found.1.clone()).expect("a good name");
        }
        let sea = expected.iter().find(|(path, _)| path == "tiles/05").expect("there").1.clone();
        first.put("tiles/new", sea.clone()).expect("a good name");
        expected.push(("tiles/new".into(), sea));
        let planned = first.plan().expect("it can be planned");
        assert_eq!(planned.plans()[0].strategy, Strategy::Delta);
        planned.apply().expect("it can be written");
        let file = std::fs::read(&path).expect("it is there");
        assert_holds(&open(&file), &expected);
        let end = file.iter().rposition(|byte| *byte != 0).expect("it has data") as u64 + 1;
        assert!(end > before && file.len() as u64 - end >= 15 * seal_len, "room for 15 seals");
        // A removal removes one region. The regions that share its bytes stay.
        let mut second = with_key();
        for name in ["tiles/01", "licence"] {
            second.remove(name).expect("it is there");
        }
        let planned = second.plan().expect("it can be planned");
        assert_eq!(planned.plans()[0].strategy, Strategy::Delta);
        planned.apply().expect("it can be written");
        expected.retain(|(path, _)| path != "tiles/01" && path != "licence");
        let package = Package::open(&path).expect("it is sound");
        assert!(package.find("tiles/01").expect("sound").is_none());
        for (name, content) in &expected {
            assert!(package.get(name).expect("sound") == *content, "{name}");
        }
        assert_whole(&package);
        // The removed region can be put again. It then shares bytes with no other region.
        let mut third = with_key();
        third.put("licence", b"do what you like".to_vec()).expect("a good name");
        third.plan().expect("it can be planned").apply().expect("it can be written");
        expected.push(("licence".into(), b"do what you like".to_vec()));
        let package = Package::open(&path).expect("it is sound");
        let place = |path: &str| package.locate(path).expect("there").span;
        assert_ne!(place("licence"), place("tiles/licence"));
        // Compaction makes equal regions share bytes again. It writes the same file as a packer.
        let out = dir.path().join("new");
        let options = CompactOptions { key: key.clone(), ..CompactOptions::default() };
        let compacted = package.compact(&out, &options, &mut go_on()).expect("it can be");
        assert!(compacted.built.shared_len > 0);
        expected.sort();
        let fresh = packed(self::options(), key.clone(), &expected);
        assert!(std::fs::read(&out).expect("it is there") == fresh);
        let new = Package::open(&out).expect("it is sound");
        assert_holds(&new, &expected);
        // If the compacted regions share no bytes, older readers also accept the file.
        let options = CompactOptions { unshare: true, ..options };
        new.compact(&path, &options, &mut go_on()).expect("it can be compacted");
        let apart = Package::open(&path).expect("it is sound");
        assert_eq!(apart.view().seals().map(|seals| seals.seals_max), Some(1));
        assert_holds(&apart, &expected);
    }
}

#[test]
fn signing_gives_each_region_a_seal_of_its_own() {
    // spec: R-CMP-09
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("signed");
    let apart = packed(BuildOptions { share: false, ..options() }, None, &files());
    for file in [packed(options(), None, &files()), apart] {
        let signed = open(&file).sign(&out, &key(), &CompactOptions::default(), &mut go_on());
        let signed = signed.expect("it can be signed");
        assert_eq!(signed.proof.signatures, 40, "one for each region");
        let bytes = std::fs::read(&out).expect("it is there");
        assert!(bytes == packed(options(), Some(key()), &files()));
        let package = open(&bytes).require(SealPolicy::Signature(vec![key().public()]));
        assert_holds(&package, &files());
    }
}

#[test]
fn differences_are_found_though_the_seals_have_no_order() {
    // spec: R-DIG-04
    let mut other = files();
    other[3].1 = b"the same sea, but for one of the til".to_vec();
    other[36].1 = b"do what you must".to_vec();
    other.retain(|(path, _)| path != "tiles/20");
    let apart = BuildOptions { share: false, ..options() };
    for [old_options, new_options] in
        [[options(), options()], [apart, options()], [options(), apart]]
    {
        let old = open(&packed(old_options, None, &files()));
        let new = open(&packed(new_options, None, &other));
        let found = Difference::between(&old, &new, &mut |_| ControlFlow::Continue(()));
        let found = found.expect("they are read");
        let paths = |list: &[Differing]| -> Vec<String> {
            list.iter().filter_map(|differing| differing.path.clone()).collect()
        };
        let mut changed = paths(&found.changed);
        changed.sort();
        assert_eq!(changed, ["tiles/03", "tiles/licence"]);
        assert_eq!(paths(&found.removed), ["tiles/20"]);
        assert_eq!(found.unchanged, 37);
    }
}

#[test]
fn a_digest_list_with_the_digest_of_a_sharing_region_is_noticed() {
    // spec: R-DIG-05
    let options = BuildOptions { digest_list: DigestListChoice::Always, ..options() };
    let file = packed(options, None, &files());
    assert_whole(&open(&file));
    // The list has the first 16 bytes of each digest, in the order of the ids. The test exchanges
    // the digests of two regions that share bytes, and computes the list's hash again.
    let mut ids: Vec<[u8; 16]> = files().iter().map(|(path, _)| by::path_id(path)).collect();
    ids.push(by::NAMES);
    ids.sort_unstable();
    let number = |path: &str| ids.iter().position(|id| *id == by::path_id(path)).expect("there");
    let (_, seal_at) = place_of(&file, "tiles/02");
    let digest = &file[seal_at..seal_at + 16];
    let first = file.windows(16).position(|bytes| bytes == digest).expect("it is listed");
    let list_at = first - 16 * number("tiles/02");
    let place = |path: &str| list_at + 16 * number(path);
    let mut other = file.clone();
    let (a, b) = (place("tiles/02"), place("tiles/07"));
    for i in 0..16 {
        other.swap(a + i, b + i);
    }
    // The list's hash precedes the digests. It covers the 48 bytes before itself, and the digests.
    let end = list_at + 16 * ids.len();
    let hashed = [&b"dacti-digestlist v0"[..], &other[list_at - 80..list_at - 32]].concat();
    let hash = |list: &[u8]| blake3(&[&hashed[..], &list[list_at..end]].concat());
    assert_eq!(file[list_at - 32..list_at], hash(&file));
    let hash = hash(&other);
    other[list_at - 32..list_at].copy_from_slice(&hash);
    let findings = open(&other).verify(None, &mut |_| ControlFlow::Continue(())).expect("read");
    let is_list = |finding: &Finding| matches!(finding, Finding::DigestList(_));
    assert!(findings.findings.iter().any(is_list), "{:?}", findings.findings);
}

#[test]
fn a_package_in_parts_is_published_updated_and_read() {
    // spec: R-SEAL-22, R-CDN-19
    let dir = tempfile::tempdir().expect("a temporary directory");
    let place = Place::in_folder(dir.path().join("p.dacti-pack")).expect("a folder");
    let package = open(&packed(options(), None, &files()));
    publish(&package, &place, &PublishOptions::default()).expect("it can be published");
    let path = dir.path().join("p.dacti-pack");
    assert_holds(&Package::open(&path).expect("it is sound"), &files());
    let mut expected = files();
    expected[0].1 = b"land".to_vec();
    let update = Update::at_place(&place, UpdateOptions::default(), PublishOptions::default());
    let mut update = update.expect("it can be read");
    update.put("tiles/00", b"land".to_vec()).expect("a good name");
    // The region that the update puts is the last one of its block. A reader reads 16 seals after
    // it, so the block must have room for them.
    update.plan().expect("it can be planned").apply().expect("it can be written");
    let published = Package::open(&path).expect("it is sound");
    assert_holds(&published, &expected);
    let parts = published.view().parts().expect("it is in parts").region.list.entries().to_vec();
    for (name, _) in &expected {
        let Span { start, end } = published.locate(name).expect("there").span;
        let part = parts.iter().find(|part| part.span.contains(&Span { start, end }));
        assert!(part.is_some_and(|part| end + 16 * 32 <= part.span.end), "{name}");
    }
}

#[test]
fn contents_of_all_sources_and_lengths_are_shared() {
    // spec: R-PKG-13
    let dir = tempfile::tempdir().expect("a temporary directory");
    let long: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let path = dir.path().join("long");
    std::fs::write(&path, &long).expect("it can be written");
    for encoding in [EncodingChoice::None, EncodingChoice::Brotli] {
        let mut builder = PackageBuilder::new(BuildOptions { encoding, ..options() });
        builder.add("a", long.clone()).expect("a good name");
        builder.add("b", path.clone()).expect("a good name");
        builder.add("c", Content::reader(&long[..])).expect("a good name");
        builder.add("d", long[..2_999_999].to_vec()).expect("a good name");
        let (file, built) = builder.build_to_vec().expect("it can be built");
        let package = open(&file);
        let place = |path: &str| package.locate(path).expect("there").span;
        assert!(place("a") == place("b") && place("b") == place("c") && place("c") != place("d"));
        assert_eq!(built.shared_len, 2 * place("a").len());
        for path in ["a", "b", "c"] {
            assert!(package.get(path).expect("sound") == long);
        }
        assert!(package.get("d").expect("sound") == long[..2_999_999]);
        assert_eq!(
            package.locate("a").expect("there").encoding,
            match encoding {
                EncodingChoice::None => Encoding::NONE,
                _ => Encoding::BROTLI,
            }
        );
        assert_whole(&package);
    }
}
