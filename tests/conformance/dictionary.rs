//! Packages with a dictionary. They are packed, read in every way, damaged, updated and compacted.

mod noting;

use core::num::NonZeroUsize;
use core::ops::ControlFlow;
use dacti::compact::{CompactOptions, Recompress};
use dacti::fetch::ReadAt;
use dacti::report::Finding;
use dacti::seal::{SealPolicy, SecretKey};
use dacti::update::{Update, UpdateOptions};
use dacti::{
    BuildOptions, Content, DictionaryChoice, DigestListChoice, Encoding, EncodingChoice, Error,
    ErrorKind, LayoutChoice, Limits, Package, PackageBuilder, Span,
};
use dacti_index::DICTIONARY_ID;
use dacti_tests::reference::{self as by, dictionary as reference};
use noting::Noting;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

const OPTIONS: BuildOptions = BuildOptions {
    layout: LayoutChoice::Cdn,
    slice_len: 4096,
    expect: None,
    seals: true,
    share: true,
    digest_list: DigestListChoice::Never,
    encoding: EncodingChoice::Brotli,
    quality: 5,
    dictionary: DictionaryChoice::None,
    threads: None,
    in_flight_max: 64 << 20,
};
const COMPACT: BuildOptions = BuildOptions { layout: LayoutChoice::Compact, ..OPTIONS };
const UNSEALED: BuildOptions = BuildOptions { seals: false, ..OPTIONS };

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// Returns pseudo-random bytes, which do not compress.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// Returns the bytes that all pages have in common. They compress badly alone, so the stored length
/// of a page shows whether it uses the dictionary.
fn shared() -> Vec<u8> {
    noise(7, 3000)
}

/// Returns the content of page `n`.
fn page(n: usize) -> Vec<u8> {
    [&shared()[..], format!("page {n} has its own words, {}", n * n).as_bytes()].concat()
}

fn paths(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("page {n}.html")).collect()
}

/// Packs `count` pages. The dictionary is the bytes that they have in common.
fn packed(count: usize, options: BuildOptions) -> Vec<u8> {
    packed_with(count, options, |builder| {
        builder.set_dictionary(shared()).expect("it is short enough");
    })
}

fn packed_with(
    count: usize,
    options: BuildOptions,
    set: impl FnOnce(&mut PackageBuilder),
) -> Vec<u8> {
    let mut builder = PackageBuilder::new(options);
    set(&mut builder);
    for (n, path) in paths(count).into_iter().enumerate() {
        builder.add(path, page(n)).expect("a good name");
    }
    builder.build_to_vec().expect("it can be built").0
}

fn open(file: &[u8]) -> Package {
    Package::from_bytes(file).expect("it is sound")
}

/// Replaces the UUID of the dictionary component by an unknown UUID. For readers, the file then
/// lacks the component.
fn without_component(mut file: Vec<u8>) -> Vec<u8> {
    let id = DICTIONARY_ID.to_bytes_le();
    let at = file.windows(16).position(|bytes| bytes == id).expect("it has the component");
    file[at] ^= 1;
    file
}

#[test]
fn every_way_to_read_a_region_gives_its_content() {
    // spec: R-PKG-11, R-PKG-12
    for options in [OPTIONS, COMPACT, UNSEALED] {
        let file = packed(300, options);
        let package = open(&file);
        assert_eq!(package.read_dictionary().expect("it is sound").as_deref(), Some(&shared()[..]));
        let paths = paths(300);
        for (n, path) in paths.iter().enumerate() {
            let located = package.locate(path).expect("it is there");
            assert_eq!(located.encoding, Encoding::BROTLI_DICTIONARY);
            assert!(located.span.len() < 100, "the dictionary has most of it");
            let expected = page(n);
            assert!(package.get(path).expect("it is sound") == expected);
            let mut content = Vec::new();
            package.reader(path).expect("it is there").read_to_end(&mut content).expect("sound");
            assert!(content == expected);
            let mut content = Vec::new();
            let mut reader = package.unverified_reader(path).expect("it is there");
            reader.read_to_end(&mut content).expect("sound");
            assert!(content == expected);
            assert!(package.range(path, 2990..3010).expect("sound") == expected[2990..3010]);
            if options == OPTIONS {
                let mut content = Vec::new();
                let mut reader = package.verified_reader(path).expect("it is sealed");
                reader.read_to_end(&mut content).expect("sound");
                assert!(content == expected);
            }
        }
        let many = package.get_many(paths.iter().map(String::as_str));
        assert!(many.into_iter().zip(0..).all(|(got, n)| got.expect("sound") == page(n)));
        let names = package.find(dacti_names::NAMES_ID).expect("sound").expect("it is there");
        assert_eq!(names.encoding, Encoding::BROTLI, "a listing does without the dictionary");
        let report = package.verify(None, &mut |_| ControlFlow::Continue(())).expect("it is read");
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let usage = package.usage(false, &mut |_| ControlFlow::Continue(())).expect("it is read");
        assert_eq!(usage.total(), file.len() as u64);
        let place = package.view().dictionary().expect("it is there").expect("it is inside");
        assert_eq!((usage.dictionary, usage.dead), (place.len(), 0));
    }
}

#[test]
fn the_reference_reads_the_same_dictionary_contents_and_digests() {
    // spec: R-ENC-06, R-SEAL-20, R-DICT-01, R-LAY-06, R-LAY-09, R-LAY-10
    for options in [OPTIONS, COMPACT, UNSEALED] {
        let file = packed(300, options);
        let container = by::read_package(&file).expect("it is a package");
        let dictionary = reference::read(&file, &container).expect("it has one").expect("sound");
        assert_eq!(dictionary, shared());
        let (at, len) = reference::place_of(&file, &container).expect("it has one").expect("sound");
        let index = by::read_index(&file, &container).expect("it is sound");
        assert_eq!(at, index.region.0 + index.region.1, "it stands where the data start");
        let stored = &file[at as usize..(at + len) as usize];
        let seals = by::seals::read_component(&file, &container, &blake3);
        let seals = seals.transpose().expect("it is sound");
        let seal_len = seals.as_ref().map(|seals| seals.seal_len);
        assert_eq!(seal_len, (options == OPTIONS).then_some(32));
        if seals.is_some() {
            let seal = by::seal(reference::DICTIONARY, by::BROT, stored, &blake3);
            assert_eq!(file[(at + len) as usize..][..32], seal);
        }
        let (mut seen, mut stored_all) = (0, Vec::new());
        let regions = index.regions();
        for entry in regions.values() {
            let (start, size) = by::stored_span(entry, file.len() as u64).expect("it is inside");
            stored_all.push((start, start + size));
            if let Some(seals) = &seals {
                by::check_seal_after(&file, entry, seals, Some(&dictionary), &blake3)
                    .expect("the digest covers the dictionary");
            }
            let content = reference::content_in(&file, &container, entry, 1 << 20).expect("sound");
            if entry.encoding == reference::BROD {
                assert!(content.starts_with(&shared()), "{:?}", entry.id);
                seen += 1;
            }
        }
        assert_eq!(seen, 300);
        // The file id is a hash. It covers the dictionary first, and then the regions in the order
        // of their data.
        stored_all.sort_unstable();
        stored_all.insert(0, (at, at + len));
        let Some(layout) = by::read_layout(&file, &container).expect("it is sound") else {
            continue;
        };
        let (start, len) = index.region;
        let mut digested = b"dacti-layout file id v0".to_vec();
        digested.extend(&file[start as usize..(start + len) as usize]);
        let parts = stored_all.iter().map(|(start, end)| &file[*start as usize..*end as usize]);
        if seals.is_some() {
            digested.extend(parts.flat_map(blake3));
        } else {
            digested.extend(blake3(&parts.collect::<Vec<_>>().concat()));
        }
        assert_eq!(layout.file_id, blake3(&digested)[..16]);
    }
}

#[test]
fn a_region_costs_itself_and_the_dictionary_once() {
    let source = Noting::new(packed(40, OPTIONS));
    let noted = Arc::clone(&source);
    let reads = || core::mem::take(&mut *noted.reads.lock().expect("no thread panicked"));
    let package = Package::from_source(source as Arc<dyn ReadAt>, Limits::default());
    let package = package.expect("it is sound");
    let sealed = |span: Span| Span { start: span.start, end: span.end + 32 };
    let place = package.view().dictionary().expect("it is there").expect("it is inside");
    let place_of = |path: &str| sealed(package.locate(path).expect("it is there").span);
    reads();
    // Listing the regions does not read the dictionary.
    assert_eq!(package.list().expect("it is sound").len(), 40);
    assert!(reads().iter().all(|read| *read != sealed(place)));
    let expected = [sealed(place), place_of("page 3.html")];
    assert_eq!(package.plan_get(["page 3.html"]).reads, expected);
    package.get("page 3.html").expect("it is sound");
    assert_eq!(reads(), expected);
    let expected = [place_of("page 4.html")];
    assert_eq!(package.plan_get(["page 4.html"]).reads, expected);
    package.get("page 4.html").expect("it is sound");
    assert_eq!(reads(), expected);
}

#[test]
fn without_the_component_only_the_regions_that_need_it_are_lost() {
    // spec: R-ENC-08, R-SEAL-20, R-DICT-02
    for options in [OPTIONS, UNSEALED] {
        let file = without_component(packed(3, options));
        let package = open(&file);
        let error = package.get("page 1.html").expect_err("the dictionary is missing");
        let is_typed = matches!(
            error,
            Error::Index(dacti_index::Error::NoDictionary { .. })
                | Error::Seal(dacti_seal::Error::NoDictionary { .. })
        );
        assert!(is_typed && error.kind() == ErrorKind::Unsupported, "{error}");
        let mut reader = package.reader("page 1.html").expect("it is there");
        let error = reader.read_to_end(&mut Vec::new()).expect_err("the dictionary is missing");
        assert!(error.to_string().contains("dictionary"), "{error}");
        assert_eq!(package.list().expect("the names list does without").len(), 3);
        let nothing = open(&file).require(SealPolicy::Nothing);
        let located = nothing.locate("page 1.html").expect("it is there");
        assert_eq!(nothing.stored(&located).expect("it is there").len() as u64, located.span.len());
        let report = package.verify(None, &mut |_| ControlFlow::Continue(())).expect("it is read");
        assert_eq!(report.findings.len(), 3, "{:?}", report.findings);
    }
}

#[test]
fn a_faulty_dictionary_is_reported_with_its_place() {
    // spec: R-DICT-01, R-DICT-02
    let file = packed(3, UNSEALED);
    let place = open(&file).view().dictionary().expect("it is there").expect("it is inside");
    let check = |change: &dyn Fn(&mut Vec<u8>), expected: &str| {
        let mut bad = file.clone();
        change(&mut bad);
        let package = open(&bad);
        let error = package.get("page 1.html").expect_err("the dictionary is faulty");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(package.list().expect("the names list does without").len(), 3);
        let report = package.verify(None, &mut |_| ControlFlow::Continue(())).expect("it is read");
        let has = |finding: &Finding| matches!(finding, Finding::Dictionary(_));
        assert!(report.findings.iter().any(has), "{:?}", report.findings);
    };
    let id = DICTIONARY_ID.to_bytes_le();
    let entry = file.windows(16).position(|bytes| bytes == id).expect("it has the component");
    let at = format!("brotli stream at {:#x}", place.start);
    // The stored bytes of the dictionary are truncated, no Brotli stream, or outside the file.
    check(&|file| file[entry + 24..][..4].copy_from_slice(&9_u32.to_le_bytes()), &at);
    check(&|file| file[place.start as usize] = 0x11, &at);
    check(&|file| file[entry + 20..][..4].fill(0xff), "component region");
    // The dictionary decodes to more bytes than the format allows.
    let mut long = Vec::new();
    let params = brotli::enc::BrotliEncoderParams::default();
    brotli::BrotliCompress(&mut &vec![0; (1 << 20) + 1][..], &mut long, &params).expect("memory");
    assert!((long.len() as u64) < place.len());
    let change = |file: &mut Vec<u8>| {
        file[place.start as usize..][..long.len()].copy_from_slice(&long);
        file[entry + 24..][..4].copy_from_slice(&(long.len() as u32).to_le_bytes());
    };
    check(&change, "decodes to more than the limit of 1048576 bytes");
}

#[test]
fn no_flipped_bit_gives_wrong_bytes() {
    // spec: R-SEAL-13, R-SEAL-20
    let file = packed(2, OPTIONS);
    let end = file.iter().rposition(|byte| *byte != 0).expect("it has data") + 1;
    let data_at = open(&file).view().dictionary().expect("it is there").expect("sound").start;
    assert!(data_at == 65_536 && end > 65_536);
    let (mut refused, mut read) = (0, 0);
    // Most bytes of the head are zeros that readers ignore. Of these bytes, only some bits are
    // flipped.
    for at in 0..end {
        let is_used = file[at] != 0 || !(1600..65_536).contains(&at);
        for bit in if is_used { 0..8 } else { at % 8..at % 8 + 1 } {
            if !is_used && !at.is_multiple_of(7) {
                continue;
            }
            let mut bad = file.clone();
            bad[at] ^= 1 << bit;
            let Ok(package) = Package::from_bytes(bad) else { continue };
            for n in 0..2 {
                match package.get(paths(2)[n].as_str()) {
                    Ok(content) => {
                        assert!(content == page(n), "bit {bit} of byte {at:#x}: wrong bytes");
                        read += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(refused > 1000 && read > 1000, "{refused} refused, {read} read");
}

#[test]
fn another_dictionary_is_noticed_by_the_seals() {
    // spec: R-SEAL-20
    let file = packed(2, OPTIONS);
    // An attacker could replace the dictionary and its seal by another dictionary of the same
    // stored length, and a seal that matches this other dictionary.
    let other = packed_with(2, OPTIONS, |builder| {
        builder.set_dictionary(noise(8, 3000)).expect("it is short enough");
    });
    let place = open(&file).view().dictionary().expect("it is there").expect("sound");
    assert_eq!(open(&other).view().dictionary().expect("there").expect("sound"), place);
    let span = place.start as usize..place.end as usize + 32;
    let mut mixed = file.clone();
    mixed[span.clone()].copy_from_slice(&other[span]);
    let error = open(&mixed).get("page 1.html").expect_err("it is not the packed one");
    let what = dacti_seal::Structure::StoredRegion;
    let altered =
        matches!(error, Error::Seal(dacti_seal::Error::Altered { what: w, .. }) if w == what);
    assert!(altered, "{error}");
}

#[test]
fn the_bytes_do_not_depend_on_threads_or_order() {
    // spec: R-PKG-09
    let auto = BuildOptions { dictionary: DictionaryChoice::Auto, ..OPTIONS };
    let expected = packed_with(400, auto, |_| {});
    assert!(open(&expected).read_dictionary().expect("sound").is_some(), "it pays");
    for threads in [1, 3] {
        let threads = NonZeroUsize::new(threads);
        let mut builder = PackageBuilder::new(BuildOptions { threads, ..auto });
        for (n, path) in paths(400).into_iter().enumerate().rev() {
            builder.add(path, Content::from(page(n))).expect("a good name");
        }
        assert!(builder.build_to_vec().expect("it can be built").0 == expected);
    }
}

#[test]
fn a_dictionary_that_does_not_pay_is_not_used() {
    let auto = BuildOptions { dictionary: DictionaryChoice::Auto, ..OPTIONS };
    let has = |contents: &dyn Fn(u64) -> Vec<u8>, count: u64| {
        let mut builder = PackageBuilder::new(auto);
        for n in 0..count {
            builder.add(format!("{n}"), contents(n)).expect("a good name");
        }
        let (file, built) = builder.build_to_vec().expect("it can be built");
        let read = open(&file).read_dictionary().expect("sound").is_some();
        assert_eq!((built.dictionary_len > 0, built.encoding.needs_dictionary()), (read, read));
        read
    };
    assert!(!has(&|n| noise(n, 3000), 100), "contents without anything in common");
    assert!(!has(&|n| page(n as usize), 20), "too little to save anything");
    assert!(has(&|n| page(n as usize), 100));
    // Most bytes of the package belong to one long region, which would not use a dictionary.
    let mostly_long = |n: u64| if n == 0 { noise(0, 9 << 20) } else { page(n as usize) };
    assert!(!has(&mostly_long, 100));
}

#[test]
fn a_dictionary_fits_readers_or_is_refused() {
    // spec: R-DICT-04
    let refused = |options: BuildOptions, len: usize| {
        let mut builder = PackageBuilder::new(options);
        builder.set_dictionary(vec![b'x'; len]).err().map(|error| error.to_string())
    };
    assert_eq!(refused(OPTIONS, 1 << 20), None);
    let length = |found| {
        let expected = "1 to 1,048,576 bytes";
        Some(format!("length of the dictionary: expected {expected}, found {found}"))
    };
    assert_eq!(refused(OPTIONS, (1 << 20) + 1), length(1_048_577));
    assert_eq!(refused(OPTIONS, 0), length(0));
    let quality = refused(BuildOptions { quality: 1, ..OPTIONS }, 9);
    let expected = "quality with a dictionary: expected 2 to 11, found 1";
    assert_eq!(quality.as_deref(), Some(expected));
}

#[test]
fn long_contents_and_hot_regions_do_without() {
    // spec: R-PKG-11, R-LAY-12
    let mut builder = PackageBuilder::new(OPTIONS);
    builder.set_dictionary(shared()).expect("it is short enough");
    builder.add_hot("hot", page(1)).expect("a good name");
    let limit = (1 << 22) - 16 - shared().len();
    let text = |len: usize| b"some text ".iter().copied().cycle().take(len).collect::<Vec<_>>();
    builder.add("fits", text(limit)).expect("a good name");
    builder.add("too long", text(limit + 1)).expect("a good name");
    let file = builder.build_to_vec().expect("it can be built").0;
    let package = open(&file);
    let encoding = |path: &str| package.locate(path).expect("it is there").encoding;
    assert_eq!(encoding("hot"), Encoding::BROTLI);
    assert_eq!(encoding("fits"), Encoding::BROTLI_DICTIONARY);
    assert_eq!(encoding("too long"), Encoding::BROTLI);
    assert!(package.get("hot").expect("sound") == page(1));
    for (path, len) in [("fits", limit), ("too long", limit + 1)] {
        assert!(package.get(path).expect("sound") == text(len));
    }
    let report = package.verify(None, &mut |_| ControlFlow::Continue(())).expect("it is read");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[test]
fn updates_use_the_dictionary_and_compaction_keeps_it() {
    // spec: R-PKG-12, R-DICT-03, R-CMP-11
    for options in [OPTIONS, UNSEALED] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (path, new_path) = (dir.path().join("old"), dir.path().join("new"));
        std::fs::write(&path, packed(5, options)).expect("it can be written");
        let dictionary = |package: &Package| package.read_dictionary().expect("sound");
        let before = dictionary(&Package::open(&path).expect("sound"));
        let mut update = Update::open(&path, UpdateOptions::default()).expect("it is sound");
        update.put("page 1.html", page(100)).expect("a good name");
        update.put("new.html", page(200)).expect("a good name");
        update.put("page 2.html", page(2)).expect("a good name");
        let planned = update.plan().expect("it can be planned");
        assert_eq!(planned.plans().len(), 1);
        assert_eq!(planned.plans()[0].strategy, dacti::update::Strategy::Delta, "one switch");
        planned.apply().expect("it can be written");
        let package = Package::open(&path).expect("it is sound");
        for (name, n) in [("page 1.html", 100), ("new.html", 200), ("page 2.html", 2)] {
            let located = package.locate(name).expect("it is there");
            assert_eq!(located.encoding, Encoding::BROTLI_DICTIONARY);
            assert!(package.get(name).expect("sound") == page(n));
        }
        assert_eq!(package.list().expect("it is sound").len(), 6);
        assert_eq!(dictionary(&package), before);
        let compacted = package
            .compact(&new_path, &CompactOptions::default(), &mut |_| ControlFlow::Continue(()))
            .expect("it can be compacted");
        assert_eq!(compacted.proof.regions, 6);
        let new = Package::open(&new_path).expect("it is sound");
        assert_eq!(dictionary(&new), before);
        // Packing the same contents with the same dictionary gives the same file.
        let mut builder = PackageBuilder::new(options);
        builder.set_dictionary(shared()).expect("it is short enough");
        for (n, name) in paths(5).into_iter().enumerate() {
            builder.add(name, page(if n == 1 { 100 } else { n })).expect("a good name");
        }
        builder.add("new.html", page(200)).expect("a good name");
        let fresh = builder.build_to_vec().expect("it can be built").0;
        assert!(std::fs::read(&new_path).expect("it is there") == fresh);
    }
}

#[test]
fn a_package_built_anew_with_the_old_dictionary_keeps_its_stored_bytes() {
    let old = open(&packed(50, OPTIONS));
    let dictionary = old.read_dictionary().expect("sound").expect("it has one").to_vec();
    let new = packed_with(60, OPTIONS, |builder| {
        builder.set_dictionary(dictionary).expect("it is short enough");
    });
    let new = open(&new);
    for path in paths(50) {
        let (old_place, new_place) = (old.locate(&path).expect("there"), new.locate(&path));
        let new_place = new_place.expect("it is there");
        assert_eq!(old.stored(&old_place).expect("sound"), new.stored(&new_place).expect("sound"));
    }
}

#[test]
fn contents_are_encoded_anew_with_another_dictionary() {
    // spec: R-CMP-12, R-DICT-03
    for options in [OPTIONS, UNSEALED] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let out = dir.path().join("new");
        let old = open(&packed_with(300, options, |_| {}));
        assert_eq!(old.read_dictionary().expect("sound"), None);
        let recompress = |package: &Package, recompress: Recompress, out: &Path| {
            let options =
                CompactOptions { recompress: Some(recompress), ..CompactOptions::default() };
            let compacted = package.compact(out, &options, &mut |_| ControlFlow::Continue(()));
            compacted.expect("it can be compacted")
        };
        let compacted = recompress(&old, Recompress::Auto, &out);
        assert_eq!(compacted.proof.regions, 300);
        let new = Package::open(&out).expect("it is sound");
        assert!(new.read_dictionary().expect("sound").is_some(), "it pays");
        for (n, path) in paths(300).iter().enumerate() {
            assert!(new.get(path.as_str()).expect("sound") == page(n));
        }
        // Packing these contents gives the same file.
        let auto = BuildOptions { dictionary: DictionaryChoice::Auto, ..options };
        assert!(std::fs::read(&out).expect("it is there") == packed_with(300, auto, |_| {}));
        let plain = dir.path().join("plain");
        recompress(&new, Recompress::Plain, &plain);
        // Without a dictionary, these pages do not become smaller with Brotli, so the encoding
        // `Auto` stores them without encoding.
        let by_choice = BuildOptions { encoding: EncodingChoice::Auto, ..options };
        assert!(std::fs::read(&plain).expect("it is there") == packed_with(300, by_choice, |_| {}));
        let with = dir.path().join("with");
        recompress(&new, Recompress::With(shared()), &with);
        assert!(std::fs::read(&with).expect("it is there") == packed(300, options));
    }
}

#[test]
fn a_signed_package_is_encoded_anew_only_with_a_key() {
    // spec: R-CMP-12
    let key = SecretKey::from_seed(&[7; 32], uuid::Uuid::from_u128(9));
    let file = packed_with(20, OPTIONS, |builder| {
        builder.sign(key.clone());
    });
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("new");
    let options = CompactOptions {
        recompress: Some(Recompress::With(shared())),
        ..CompactOptions::default()
    };
    let go_on = &mut |_| ControlFlow::Continue(());
    let error = open(&file).compact(&out, &options, go_on).expect_err("it needs the key");
    assert!(error.to_string().contains("all regions have to be signed again"), "{error}");
    let options = CompactOptions { key: Some(key.clone()), ..options };
    let compacted = open(&file).compact(&out, &options, go_on).expect("it has the key");
    assert_eq!((compacted.proof.regions, compacted.proof.signatures), (20, 20));
    let signed = Package::open(&out).expect("it is sound");
    let signed = signed.require(SealPolicy::Signature(vec![key.public()]));
    for (n, path) in paths(20).iter().enumerate() {
        assert!(signed.get(path.as_str()).expect("it is signed") == page(n));
    }
}
