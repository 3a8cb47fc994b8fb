//! Publications and updates one after the other, with failures at every operation of the store.

use crate::store::{Fate, Meeting, Memory, NAME, Op};
use dacti::publish::{
    CopyState, Place, PublishFault, PublishOptions, Standing, collect, history, open_version,
    publish, pull, tag,
};
use dacti::report::Finding;
use dacti::seal::{SealPolicy, SecretKey};
use dacti::update::{Change, ChangeKind, Update, UpdateOptions};
use dacti::{
    BuildOptions, DigestListChoice, EncodingChoice, Error, Limits, Package, PackageBuilder,
};
use dacti_tests::reference as by;
use dacti_tests::reference::parts::read_head;
use daicon_core::Version;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

pub type Model = BTreeMap<String, Vec<u8>>;

/// Makes a package of `count` regions, as a file.
pub fn package(dir: &TempDir, count: usize) -> (PathBuf, Model) {
    let path = dir.path().join("one.dacti-pack");
    let options =
        BuildOptions { slice_len: 4096, encoding: EncodingChoice::None, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    let model: Model = (0..count).map(|i| (format!("file/{i}"), content(i, 0))).collect();
    for (name, bytes) in &model {
        builder.add(name.as_str(), bytes.clone()).unwrap();
    }
    builder.build(&path).unwrap();
    (path, model)
}

pub fn content(n: usize, version: usize) -> Vec<u8> {
    let seed = format!("{n} {version}");
    let mut bytes = vec![0; 20 + n * 7 % 90];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Returns a store, after publishing a package of `count` regions to it.
pub fn published(count: usize) -> (Memory, Model) {
    let dir = tempfile::tempdir().unwrap();
    let (path, model) = package(&dir, count);
    let store = Memory::default();
    let published =
        publish(&Package::open(path).unwrap(), &store.place(), &PublishOptions::default()).unwrap();
    assert_eq!((published.standing, published.sequence), (Standing::First, 1));
    (store, model)
}

pub fn update(store: &Memory, change: impl FnOnce(&mut Update)) -> Result<(), Error> {
    let mut update =
        Update::at_place(&store.place(), UpdateOptions::default(), PublishOptions::default())?;
    change(&mut update);
    update.plan()?.apply()
}

pub fn put(store: &Memory, model: &mut Model, files: &[(&str, &[u8])]) {
    update(store, |update| {
        for (name, bytes) in files {
            update.put(*name, bytes.to_vec()).unwrap();
        }
    })
    .unwrap();
    model.extend(files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())));
}

/// Checks that the published package has these contents. Reads it in two ways: the reference
/// assembles the whole file from the parts, and our reader reads the parts.
#[track_caller]
pub fn assert_holds(store: &Memory, model: &Model) {
    let file = store.assembled();
    let container = by::read_package(&file).expect("it is good");
    let index = by::read_index(&file, &container).expect("it is good");
    let found: BTreeMap<_, _> = index
        .regions()
        .into_iter()
        .filter(|(id, _)| *id != by::NAMES)
        .map(|(id, entry)| (id, by::content(&file, &entry, 1 << 20).expect("it is good")))
        .collect();
    let id = |name: &String| by::path_id(name);
    let expected: BTreeMap<_, _> =
        model.iter().map(|(name, bytes)| (id(name), bytes.clone())).collect();
    assert_eq!(found, expected);
    let sequence = head(store).region.sequence;
    let package = open_version(&store.place(), sequence, Limits::default()).unwrap();
    for (name, bytes) in model {
        assert_eq!(&package.get(name.as_str()).unwrap(), bytes, "{name}");
    }
    assert_eq!(package.find("no such path").unwrap(), None);
}

pub fn head(store: &Memory) -> by::parts::Head {
    let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
    read_head(&store.bytes(NAME).unwrap(), &hash).expect("the head is right")
}

#[test]
fn an_update_is_one_part_and_the_head() {
    // spec: R-PART-01, R-PART-02, R-PART-07, R-PART-21, R-PART-22, R-PART-30, R-PART-31
    let (store, mut model) = published(40);
    assert_eq!(store.names().len(), 2);
    let before = head(&store);
    store.fates(|_, _| Fate::Works);
    put(&store, &mut model, &[("file/3", b"changed"), ("new", b"one more")]);
    let ops = store.works();
    let puts: Vec<_> = ops.iter().filter(|op| matches!(op, Op::Put(..) | Op::Replace(_))).collect();
    let [Op::Put(part, len), Op::Replace(name)] = puts[..] else { panic!("{ops:?}") };
    assert!(part.starts_with("p.dacti-pack.parts/") && name == NAME);
    // The part is uploaded before the head. It has the two contents with their digests, and a names
    // segment.
    assert!((7 + 8 + 2 * 32..400).contains(len), "{len} bytes");
    let after = head(&store);
    assert_eq!((after.region.sequence, after.region.entries.len()), (2, 2));
    assert_eq!(after.file_id, before.file_id);
    let block = after.region.entries[1];
    assert_eq!(block.start, before.region.end.next_multiple_of(8));
    assert_eq!((block.len, after.region.end), (*len as u64, block.start + block.len));
    assert_holds(&store, &model);
    // To make the plan, the publisher reads few objects.
    let gets = ops.iter().filter(|op| matches!(op, Op::Get(_))).count();
    assert!(gets <= 5, "{ops:?}");
}

#[test]
fn a_removal_folds_and_a_later_publication_continues() {
    let (store, mut model) = published(12);
    update(&store, |update| {
        update.remove("file/4").unwrap();
    })
    .unwrap();
    model.remove("file/4");
    assert_holds(&store, &model);
    put(&store, &mut model, &[("file/4", b"back again")]);
    assert_holds(&store, &model);
    // An update of a local copy can be published. An update of the published package can be pulled
    // into the copy.
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    pulled(&store, &copy, CopyState::New);
    let mut local = Update::open(&copy, UpdateOptions::default()).unwrap();
    local.put("local", b"added here".to_vec()).unwrap();
    local.plan().unwrap().apply().unwrap();
    model.insert("local".into(), b"added here".to_vec());
    let package = Package::open(&copy).unwrap();
    let done = publish(&package, &store.place(), &PublishOptions::default()).unwrap();
    assert_eq!((done.standing, done.sequence), (Standing::Continued, 4));
    assert_holds(&store, &model);
    let again = publish(&package, &store.place(), &PublishOptions::default()).unwrap();
    assert_eq!((again.standing, again.sequence, again.bytes), (Standing::Same, 4, 0));
}

#[test]
fn a_local_package_that_is_published_after_each_update_keeps_the_list_short() {
    // spec: R-PART-27, R-PART-29
    let (store, mut model) = published(12);
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    pulled(&store, &copy, CopyState::New);
    for n in 0..60 {
        let bytes = content(3, n + 1);
        let mut local = Update::open(&copy, UpdateOptions::default()).unwrap();
        local.put("file/3", bytes.clone()).unwrap();
        local.plan().unwrap().apply().unwrap();
        model.insert("file/3".into(), bytes);
        let package = Package::open(&copy).unwrap();
        let done = publish(&package, &store.place(), &PublishOptions::default()).unwrap();
        assert_eq!((done.standing, done.sequence), (Standing::Continued, 2 + n as u64));
        assert_holds(&store, &model);
        let entries = head(&store).region.entries;
        let fresh_end = entries[0].start + entries[0].len;
        assert!(entries.iter().filter(|entry| entry.start >= fresh_end).count() <= 24);
    }
    let versions = history(&store.place()).unwrap();
    assert!(versions.len() > 1, "a merge archives the head that it replaces");
    for version in &versions {
        open_version(&store.place(), version.sequence, Limits::default()).unwrap();
    }
}

fn pulled(store: &Memory, copy: &Path, state: CopyState) -> u64 {
    let sequence = head(store).region.sequence;
    let package = open_version(&store.place(), sequence, Limits::default()).unwrap();
    let pulled = pull(&package, copy, &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(pulled.copy, state);
    assert_eq!(std::fs::read(copy).unwrap(), store.assembled());
    pulled.fetched
}

#[test]
fn a_copy_is_brought_up_to_date_by_the_bytes_that_it_lacks() {
    // spec: R-PART-15
    let (store, mut model) = published(60);
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    let all = pulled(&store, &copy, CopyState::New);
    put(&store, &mut model, &[("file/1", b"changed once")]);
    let block = head(&store).region.entries[1].len;
    assert_eq!(pulled(&store, &copy, CopyState::Grown), block);
    assert!(block * 10 < all);
    assert_eq!(pulled(&store, &copy, CopyState::Same), 0);
    // `pull` detects that a part was altered, and does not change the copy.
    put(&store, &mut model, &[("file/2", b"changed too")]);
    let before = std::fs::read(&copy).unwrap();
    let name = part_name(&store, 2);
    let mut bytes = store.bytes(&name).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    store.set(&name, bytes);
    let package = open_version(&store.place(), 3, Limits::default()).unwrap();
    let error = pull(&package, &copy, &mut |_, _| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().starts_with("part at 0x"), "{error}");
    assert_eq!(std::fs::read(&copy).unwrap(), before);
}

#[test]
fn every_altered_byte_of_a_part_is_found_by_a_verification() {
    // spec: R-PART-15
    let (store, mut model) = published(9);
    put(&store, &mut model, &[("file/1", b"changed")]);
    let verified = || {
        let package = open_version(&store.place(), 2, Limits::default()).unwrap();
        package.verify(None, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    assert!(verified().is_whole());
    // The last bytes of the first part are padding. They belong to no region.
    let name = part_name(&store, 0);
    let whole = store.bytes(&name).unwrap();
    assert_eq!(whole.last(), Some(&0));
    for at in (0..whole.len()).step_by(997).chain([whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        store.set(&name, bytes);
        let report = verified();
        let is_part = |finding: &Finding| matches!(finding, Finding::Part(_));
        assert!(report.findings.iter().any(is_part), "byte {at}: {:?}", report.findings);
        assert!(!report.is_whole(), "byte {at}");
    }
}

fn part_name(store: &Memory, entry: usize) -> String {
    let entry = head(store).region.entries[entry];
    let hex: String = entry.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("p.dacti-pack.parts/{hex}")
}

#[test]
fn every_operation_fails_once_and_the_same_command_ends_well() {
    // spec: R-PART-21, R-PART-23, R-PART-24
    let (start, model) = published(9);
    let mut after = model.clone();
    after.insert("file/0".into(), b"changed".to_vec());
    after.insert("new".into(), b"new".to_vec());
    let change = |update: &mut Update| {
        update.put("file/0", b"changed".to_vec()).unwrap();
        update.put("new", b"new".to_vec()).unwrap();
    };
    let mut failures = 0;
    for fate in [Fate::Fails, Fate::AnswerLost] {
        for at in 0.. {
            let store = start.copy();
            store.fates(move |number, _| if number == at { fate } else { Fate::Works });
            let result = update(&store, change);
            let ops = store.works();
            if ops.len() <= at {
                assert!(at >= 5, "{ops:?}");
                break;
            }
            failures += 1;
            // Whether or not the publisher got an error, readers see either the whole old package
            // or the whole new one.
            match (&result, head(&store).region.sequence) {
                (Ok(()), 2) | (Err(_), 2) => assert_holds(&store, &after),
                (Err(_), 1) => assert_holds(&store, &model),
                other => panic!("operation {at} of {ops:?}: {other:?}"),
            }
            update(&store, change).unwrap();
            assert_holds(&store, &after);
            assert_eq!(head(&store).region.sequence, 2, "it is published once");
        }
    }
    assert_eq!(failures, 10, "an update has five operations");
}

#[test]
fn a_lost_answer_to_the_switch_is_looked_up() {
    // spec: R-PART-24
    let (store, mut model) = published(9);
    store.fates(|_, op| if matches!(op, Op::Replace(_)) { Fate::AnswerLost } else { Fate::Works });
    put(&store, &mut model, &[("file/0", b"changed")]);
    store.works();
    assert_holds(&store, &model);
}

#[test]
fn two_publishers_at_once_are_told_of_each_other() {
    // spec: R-PART-21, R-PART-26
    let (store, mut model) = published(9);
    let open = || {
        let (update, publish) = (UpdateOptions::default(), PublishOptions::default());
        Update::at_place(&store.place(), update, publish).unwrap()
    };
    let (mut first, mut second) = (open(), open());
    first.put("a", b"of the first".to_vec()).unwrap();
    second.put("b", b"of the second".to_vec()).unwrap();
    first.plan().unwrap().apply().unwrap();
    let error = second.plan().unwrap().apply().unwrap_err();
    assert!(matches!(error, Error::Publish(PublishFault::Conflict { .. })), "{error}");
    model.insert("a".into(), b"of the first".to_vec());
    assert_holds(&store, &model);
}

#[test]
fn a_component_that_was_added_to_the_published_package_is_not_overwritten() {
    // spec: R-PART-26
    // The component's data lie in its table entry. So the update adds no part, and does not change
    // the index.
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = package(&dir, 9);
    let store = Memory::default();
    let by_default = PublishOptions::default();
    let publish_file =
        |options: &PublishOptions| publish(&Package::open(&path).unwrap(), &store.place(), options);
    publish_file(&by_default).unwrap();
    let mut update =
        Update::at_place(&store.place(), UpdateOptions::default(), by_default.clone()).unwrap();
    update.add_component_data(Uuid::from_u128(7), Version::new(1, 0), [7; 8]);
    update.plan().unwrap().apply().unwrap();
    let error = publish_file(&by_default).unwrap_err();
    assert!(matches!(error, Error::Publish(PublishFault::Diverged { .. })), "{error}");
    assert!(error.to_string().contains(&Uuid::from_u128(7).to_string()), "{error}");
    let done = publish_file(&PublishOptions { replace: true, ..by_default }).unwrap();
    assert_eq!(done.standing, Standing::Replaced);
}

#[test]
fn a_history_that_went_another_way_is_not_overwritten() {
    // spec: R-PART-26
    let dir = tempfile::tempdir().unwrap();
    let (path, mut model) = package(&dir, 9);
    let other = dir.path().join("other");
    std::fs::copy(&path, &other).unwrap();
    let store = Memory::default();
    let publish_file = |path: &Path, options: &PublishOptions| {
        publish(&Package::open(path).unwrap(), &store.place(), options)
    };
    let by_default = PublishOptions::default();
    let replacing = PublishOptions { replace: true, ..PublishOptions::default() };
    publish_file(&path, &by_default).unwrap();
    put(&store, &mut model, &[("a", b"put into the bucket")]);
    // Both histories have the same number of publications, so only digests show that they differ.
    let mut local = Update::open(&other, UpdateOptions::default()).unwrap();
    local.put("b", b"put into the file ..".to_vec()).unwrap();
    local.plan().unwrap().apply().unwrap();
    let error = publish_file(&other, &by_default).unwrap_err();
    assert!(matches!(error, Error::Publish(PublishFault::Diverged { .. })), "{error}");
    // The file is an earlier state of the published package. Publishing it again would undo the
    // update.
    let error = publish_file(&path, &by_default).unwrap_err();
    assert!(matches!(error, Error::Publish(PublishFault::Diverged { .. })), "{error}");
    assert_holds(&store, &model);
    let done = publish_file(&path, &replacing).unwrap();
    assert_eq!((done.standing, done.sequence), (Standing::Replaced, 3));
    model.remove("a");
    assert_holds(&store, &model);
    // The option `replace` is also needed to replace a published package by a different package.
    let elsewhere = tempfile::tempdir().unwrap();
    let (another, another_model) = package(&elsewhere, 3);
    let error = publish_file(&another, &by_default).unwrap_err();
    assert!(matches!(error, Error::Publish(PublishFault::OtherPackage { .. })), "{error}");
    publish_file(&another, &replacing).unwrap();
    assert_holds(&store, &another_model);
}

#[test]
fn five_hundred_updates_keep_the_list_short_and_the_uploads_few() {
    // spec: R-PART-05, R-PART-27, R-PART-29
    let (store, mut model) = published(100);
    let mut uploaded = 0;
    let mut blocks = 0;
    for n in 0..500 {
        store.fates(|_, _| Fate::Works);
        let bytes = content(n % 100, n + 1);
        put(&store, &mut model, &[(&format!("file/{}", n % 100), &bytes)]);
        let ops = store.works();
        uploaded += ops
            .iter()
            .map(|op| match op {
                Op::Put(name, len) if !name.contains("/heads/") => *len,
                _ => 0,
            })
            .sum::<usize>();
        let read = head(&store);
        let entries = &read.region.entries;
        assert!(entries.len() <= 34, "{}", entries.len());
        let fresh_end = entries[0].start + entries[0].len;
        assert!(entries.iter().filter(|entry| entry.start >= fresh_end).count() <= 24);
        blocks += bytes.len() + 32;
    }
    assert_holds(&store, &model);
    let heads = 500 * 65_536;
    assert!(uploaded + heads <= 5 * (blocks + heads), "{uploaded} bytes for {blocks}");
    // Every archived head leads to its own version, although later updates merged parts.
    let versions = history(&store.place()).unwrap();
    assert!(versions.len() > 5, "{}", versions.len());
    for version in &versions {
        let package = open_version(&store.place(), version.sequence, Limits::default()).unwrap();
        let n = version.sequence as usize - 2;
        let name = format!("file/{}", n % 100);
        assert_eq!(package.get(name.as_str()).unwrap(), content(n % 100, n + 1));
    }
}

#[test]
fn a_collection_keeps_what_any_head_names() {
    // spec: R-PART-27, R-PART-28
    let (store, mut model) = published(20);
    tag(&store.place(), None, "v1.dacti-pack", &PublishOptions::default()).unwrap();
    let first = store.assembled();
    for n in 0..80 {
        put(&store, &mut model, &[("file/7", &content(7, n + 1))]);
    }
    let place = store.place();
    let day = Duration::from_secs(86_400);
    assert!(!history(&place).unwrap().is_empty());
    // The collection deletes nothing, because no object is old enough.
    let collected = collect(&place, 7 * day, false).unwrap();
    assert_eq!((collected.heads.len(), collected.parts.len()), (0, 0));
    store.age(8 * day);
    put(&store, &mut model, &[("file/8", b"put a week later")]);
    let names = store.names();
    let dry = collect(&place, 7 * day, true).unwrap();
    assert_eq!(store.names(), names, "a dry run deletes nothing");
    assert!(!dry.heads.is_empty());
    assert_eq!(collect(&place, 7 * day, false).unwrap(), dry);
    assert!(store.names().len() < names.len());
    assert_holds(&store, &model);
    assert_eq!(store.assembled_of("v1.dacti-pack"), first, "a tag keeps its parts");
    // The collection does not delete objects of other programs.
    store.set("p.dacti-pack.parts/readme.txt", b"not ours".to_vec());
    store.age(8 * day);
    collect(&place, 7 * day, false).unwrap();
    assert_eq!(store.bytes("p.dacti-pack.parts/readme.txt").unwrap(), b"not ours");
    let error = collect(&place, Duration::from_secs(3599), true).unwrap_err();
    assert!(matches!(error, Error::Publish(PublishFault::Grace { seconds: 3599 })), "{error}");
}

#[test]
fn a_copy_of_a_head_is_a_version_and_a_rollback() {
    // spec: R-PART-20, R-PART-22, R-PART-25
    let (store, mut model) = published(20);
    let options = PublishOptions::default();
    let place = store.place();
    let v1 = tag(&place, None, "v1.dacti-pack", &options).unwrap();
    assert_eq!(v1, 1);
    let old = model.clone();
    put(&store, &mut model, &[("file/0", b"a bad release")]);
    let end = head(&store).region.end;
    // A rollback publishes the first version again, under a higher sequence. It does not reuse
    // positions of the newer version.
    let copy = place.sibling("v1.dacti-pack").unwrap();
    assert_eq!(tag(&copy, None, NAME, &options).unwrap(), 3);
    assert_holds(&store, &old);
    assert!(head(&store).region.end >= end);
    let mut model = old;
    put(&store, &mut model, &[("file/0", b"a better release")]);
    assert!(head(&store).region.entries.last().unwrap().start >= end);
    assert_holds(&store, &model);
    // An update of the copy starts a history of its own, with a new file id.
    let file_id = head(&store).file_id;
    let mut update = Update::at_place(&copy, UpdateOptions::default(), options).unwrap();
    update.put("file/1", b"of the copy".to_vec()).unwrap();
    update.plan().unwrap().apply().unwrap();
    let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
    let of_copy = read_head(&store.bytes("v1.dacti-pack").unwrap(), &hash).unwrap();
    assert_ne!(of_copy.file_id, file_id);
    assert_eq!(of_copy.region.name, hash(b"v1.dacti-pack")[..6]);
    assert_holds(&store, &model);
}

#[test]
fn a_signed_head_stays_signed_or_is_refused() {
    // spec: R-PART-17, R-PART-18, R-PART-19
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = package(&dir, 5);
    let key = SecretKey::from_seed(&[7; 32], Uuid::from_u128(5));
    let store = Memory::default();
    let signed = PublishOptions { key: Some(key.clone()), ..PublishOptions::default() };
    publish(&Package::open(&path).unwrap(), &store.place(), &signed).unwrap();
    let is_signed = |store: &Memory| {
        let region = head(store).region;
        let signature = region.signature.try_into().unwrap();
        key.public().signed_head(&region.digest, &signature)
    };
    assert!(is_signed(&store));
    let mut version = 0;
    let mut open = |options: &PublishOptions| {
        let mut update =
            Update::at_place(&store.place(), UpdateOptions::default(), options.clone()).unwrap();
        version += 1;
        update.put("file/0", content(0, version)).unwrap();
        update.plan().unwrap().apply()
    };
    let error = open(&PublishOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Publish(PublishFault::NeedsKey { .. })), "{error}");
    open(&signed).unwrap();
    assert!(is_signed(&store));
    // A reader with the key accepts a signed head. It refuses a head that is unsigned or has
    // expired.
    let read = || {
        let sequence = head(&store).region.sequence;
        let package = open_version(&store.place(), sequence, Limits::default()).unwrap();
        let package = package.require(SealPolicy::Signature(vec![key.public()]));
        package.find("file/0").map(|found| found.is_some())
    };
    assert!(read().unwrap());
    open(&PublishOptions { expiry: 1, ..signed }).unwrap();
    let expired = "head at 0x0: it expired at the Unix time";
    assert!(read().unwrap_err().to_string().starts_with(expired));
    open(&PublishOptions { unsigned: true, ..PublishOptions::default() }).unwrap();
    assert!(!is_signed(&store));
    assert!(
        read().unwrap_err().to_string().starts_with("head at 0x0: no trusted key has signed it")
    );
}

/// A publisher that takes part in a race. It puts one region.
pub struct Publisher {
    pub place: Place,
    pub name: String,
}

impl Publisher {
    pub fn run(&self) -> Result<(), Error> {
        let (update, publish) = (UpdateOptions::default(), PublishOptions::default());
        let mut update = Update::at_place(&self.place, update, publish)?;
        update.put(self.name.as_str(), self.name.clone().into_bytes())?;
        update.plan()?.apply()
    }
}

/// Reads every region of the version with this sequence. No read may need a retry.
pub fn assert_reads(store: &Memory, sequence: u64) -> Package {
    let place = Place::new(Arc::new(store.copy()), NAME).unwrap();
    let package = open_version(&place, sequence, Limits::default()).unwrap();
    for region in package.list().unwrap() {
        let name = region.path.expect("each has a path");
        let bytes = package.get(name.as_str()).unwrap();
        match name.strip_prefix("file/") {
            Some(n) => assert_eq!(bytes, content(n.parse().unwrap(), 0)),
            None => assert_eq!(bytes, name.as_bytes()),
        }
    }
    package
}

#[test]
fn an_update_of_many_files_takes_as_few_requests_as_one_of_a_single_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one.dacti-pack");
    let digest_list = DigestListChoice::Always;
    let mut builder =
        PackageBuilder::new(BuildOptions { seals: true, digest_list, ..BuildOptions::default() });
    let text = |n: usize| format!("{n} {}", "some words of a page, ".repeat(20 + n % 7));
    for n in 0..12_000 {
        builder.add(format!("file/{n:05}").as_str(), text(n).into_bytes()).unwrap();
    }
    builder.build(&path).unwrap();
    let store = Memory::default();
    publish(&Package::open(path).unwrap(), &store.place(), &PublishOptions::default()).unwrap();
    for count in [1, 100, 255] {
        store.fates(|_, _| Fate::Works);
        // The files lie all over the package. Every tenth has the content of its region.
        let files: Vec<_> = (0..count)
            .map(|i| {
                let n = i * 7919 % 12_000;
                let new = if i % 10 == 9 { String::new() } else { format!(" {count}") };
                (format!("file/{n:05}"), text(n) + &new)
            })
            .collect();
        let mut update =
            Update::at_place(&store.place(), UpdateOptions::default(), PublishOptions::default())
                .unwrap();
        for (name, text) in &files {
            update.put(name.as_str(), text.clone().into_bytes()).unwrap();
        }
        let planned = update.plan().unwrap();
        let is_unchanged = |change: &&Change| change.kind == ChangeKind::Unchanged;
        let unchanged = planned.changes().iter().filter(is_unchanged).count();
        planned.apply().unwrap();
        let ops = store.works();
        let puts = ops.iter().filter(|op| matches!(op, Op::Put(..) | Op::Replace(_))).count();
        let gets = ops.iter().filter(|op| matches!(op, Op::Get(_))).count();
        // The head, the index, the names, the dictionary, the digests, and the check of the part.
        assert!(gets <= 6, "{count} files: {ops:?}");
        assert_eq!(puts, 2);
        assert_eq!(unchanged, count / 10, "{count}");
    }
}

#[test]
fn reads_that_an_update_knows_in_advance_are_made_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one.dacti-pack");
    let mut builder = PackageBuilder::new(BuildOptions {
        seals: true,
        encoding: EncodingChoice::None,
        digest_list: DigestListChoice::Never,
        ..BuildOptions::default()
    });
    // The seal of each region lies 100 kB from the next, so no read has two of them. The object has
    // more than 2 MiB, so it is not read whole.
    let region = |n: u8| vec![n; 100_000];
    for n in 0..40 {
        builder.add(format!("file/{n}").as_str(), region(n)).unwrap();
    }
    builder.build(&path).unwrap();
    let store = Meeting::default();
    let place = Place::new(Arc::new(store.clone()), NAME).unwrap();
    publish(&Package::open(path).unwrap(), &place, &PublishOptions::default()).unwrap();
    for force in [false, true] {
        let options = UpdateOptions { force, ..UpdateOptions::default() };
        let mut update = Update::at_place(&place, options, PublishOptions::default()).unwrap();
        store.take();
        for n in 0..40 {
            update.put(format!("file/{n}").as_str(), region(n)).unwrap();
        }
        let planned = update.plan().unwrap();
        let met = store.take();
        if force {
            assert_eq!(met.reads, 0, "no digest is needed");
        } else {
            assert!(planned.is_empty());
            assert!((2..=16).contains(&met.max), "{met:?}");
            assert_eq!(met.reads, 40, "no digest is read twice");
        }
    }
}
