//! The cost of updates, and thousands of updates one after the other, compared with a model.

use crate::support::Random;
use dacti::update::Strategy;
use dacti::update::{LockedFile, Update, UpdateFile, UpdateOptions};
use dacti::{BuildOptions, EncodingChoice, Package, PackageBuilder};
use dacti_tests::reference as by;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Builds a package of `regions` small regions.
fn build(path: &Path, regions: u32, slice_len: u64) {
    let encoding = EncodingChoice::None;
    let mut builder =
        PackageBuilder::new(BuildOptions { slice_len, encoding, ..BuildOptions::default() });
    for i in 0..regions {
        builder.add(name(i), format!("content {i}").into_bytes()).unwrap();
    }
    builder.build(path).unwrap();
}

fn name(i: u32) -> String {
    format!("folder{}/file{i:06}.txt", i % 97)
}

fn open(path: &Path) -> Update {
    Update::open(path, UpdateOptions::default()).unwrap()
}

/// Applies an update that puts `puts`. Returns its cost in four numbers: the bytes after the head
/// that changed in the old file, the slices of 64 KiB that changed, the appended bytes, and the
/// number of plans.
fn cost(path: &Path, puts: &[(String, Vec<u8>)]) -> (usize, usize, usize, usize) {
    let old = fs::read(path).unwrap();
    let mut update = open(path);
    for (path, content) in puts {
        update.put(path.as_str(), content.clone()).unwrap();
    }
    let planned = update.plan().unwrap();
    assert!(planned.plans().iter().all(|plan| plan.strategy == Strategy::Delta));
    let plans = planned.plans().len();
    let told: u64 = planned.plans().iter().map(|plan| plan.cost.slices_dirtied).max().unwrap();
    planned.apply().unwrap();
    let new = fs::read(path).unwrap();
    let behind = old[65_536..].iter().zip(&new[65_536..]).filter(|(a, b)| a != b).count();
    let slices = old.chunks(65_536).zip(new.chunks(65_536)).filter(|(a, b)| a != b).count();
    assert_eq!(told, slices as u64, "the plan says so");
    let package = Package::open(path).unwrap();
    for (path, content) in puts {
        assert_eq!(&package.get(path).unwrap(), content);
    }
    (behind, slices, new.len() - old.len(), plans)
}

#[test]
fn an_update_dirties_one_slice_and_appends_what_it_adds() {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let fresh = dir.path().join("fresh.dacti-pack");
    build(&fresh, 100_000, 65_536);
    for count in [1, 100, 255] {
        for new in [false, true] {
            let path = dir.path().join("package.dacti-pack");
            fs::copy(&fresh, &path).unwrap();
            let puts: Vec<_> = (0..count)
                .map(|i| {
                    let path = if new { format!("new/{i}") } else { name(i * 391) };
                    (path, vec![b'x'; 100 + i as usize])
                })
                .collect();
            let (behind, slices, fresh, plans) = cost(&path, &puts);
            assert_eq!((behind, slices), (0, 1), "{count} regions, new: {new}");
            // A region is stored without encoding, with a seal of 32 bytes. A name takes a record
            // of 32 bytes, and the bytes of its path.
            let stored: usize = puts.iter().map(|(_, content)| content.len() + 32).sum();
            let names: usize = match new {
                true => puts.iter().map(|(path, _)| 32 + path.len()).sum::<usize>() + 32 + 32,
                false => 0,
            };
            // The 255 new regions and the names list need 256 entries, and a group has 255. So a
            // first plan publishes the names list, in a slice of its own.
            let expected_plans = if new && count == 255 { 2 } else { 1 };
            assert_eq!(plans, expected_plans);
            assert!(fresh <= stored + names + 65_536 * plans, "{count}, {new}: {fresh} bytes");
            println!(
                "{count} regions, new: {new}: {fresh} fresh bytes, {slices} slice, {plans} plans"
            );
        }
    }
}

/// The content that a package must have.
type Model = BTreeMap<String, Vec<u8>>;

/// Makes one random update. About nine of ten updates put a path, and the others remove a path.
fn change(update: &mut Update, model: &mut Model, random: &mut Random, number: u32) {
    if random.below(10) == 0 && !model.is_empty() {
        let path = model.keys().nth(random.below(model.len())).unwrap().clone();
        update.remove(&path).unwrap();
        model.remove(&path);
        return;
    }
    let path = format!("path/{}", random.below(60));
    let content = format!("{number} {}", "y".repeat(random.below(300))).into_bytes();
    update.put(path.as_str(), content.clone()).unwrap();
    model.insert(path, content);
}

/// Returns everything that the facade lists, with the content that it reads.
fn read(package: &Package) -> Model {
    let listed = package.list().unwrap();
    listed.iter().map(|l| (l.name(), package.get(l.located.id).unwrap())).collect()
}

/// Returns the content of all regions by id, as the reference reads them, without the names list.
fn by_reference(file: &[u8]) -> BTreeMap<by::Id, Vec<u8>> {
    let container = by::read_container(file).unwrap();
    let index = by::read_index(file, &container).unwrap();
    let regions = index.regions().into_iter().filter(|(id, _)| *id != by::NAMES);
    regions.map(|(id, entry)| (id, by::content(file, &entry, 1 << 20).unwrap())).collect()
}

#[test]
fn five_thousand_updates_give_what_a_model_says() {
    let seed = 0x5000;
    println!("seed {seed:#x}");
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = dir.path().join("package.dacti-pack");
    build(&path, 40, 4096);
    let mut model: Model =
        (0..40).map(|i| (name(i), format!("content {i}").into_bytes())).collect();
    let mut random = Random(seed);
    let mut strategies: BTreeMap<String, u32> = BTreeMap::new();
    let mut segments = 0;
    for number in 0..5000 {
        // After many updates, all further updates fold, and the test would no longer test delta
        // groups. So a new package is built, as after a compaction.
        if number % 1250 == 0 && number > 0 {
            fs::remove_file(&path).unwrap();
            let encoding = EncodingChoice::None;
            let options = BuildOptions { slice_len: 4096, encoding, ..BuildOptions::default() };
            let mut builder = PackageBuilder::new(options);
            for (path, content) in &model {
                builder.add(path.as_str(), content.clone()).unwrap();
            }
            builder.build(&path).unwrap();
        }
        let mut update = open(&path);
        // The first 1,000 of the 1,250 updates of each package remove nothing, so that they use
        // delta groups.
        if number % 1250 < 1000 {
            let path = format!("path/{}", random.below(60));
            let content = format!("{number} {}", "z".repeat(random.below(90))).into_bytes();
            update.put(path.as_str(), content.clone()).unwrap();
            model.insert(path, content);
        } else {
            change(&mut update, &mut model, &mut random, number);
        }
        let planned = update.plan().unwrap();
        for plan in planned.plans() {
            *strategies.entry(plan.strategy.to_string()).or_default() += 1;
        }
        planned.apply().unwrap();
        let package = Package::open(&path).unwrap();
        assert_eq!(read(&package), model, "update {number}");
        segments = segments.max(package.names().unwrap().segments());
        if number % 250 == 0 {
            let file = fs::read(&path).unwrap();
            let expected: BTreeMap<_, _> =
                model.iter().map(|(path, content)| (by::path_id(path), content.clone())).collect();
            assert_eq!(by_reference(&file), expected, "update {number}");
        }
    }
    println!("{strategies:?}, at most {segments} names segments");
    // Updates that only remove regions also use delta groups.
    assert!(strategies["delta"] > 4500 && strategies["fold"] > 350, "{strategies:?}");
    assert!(segments <= 12, "{segments} segments");
}

#[test]
fn deltas_that_are_full_are_folded_without_being_asked() {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = dir.path().join("package.dacti-pack");
    build(&path, 3, 4096);
    // The regions fill a part of one group. Nine groups with room for 2,295 entries remain for
    // updates.
    let (mut updates, mut folded) = (0, false);
    while !folded {
        let mut update = open(&path);
        for i in 0..100 {
            update.put(format!("{updates}/{i}"), b"1".to_vec()).unwrap();
        }
        let planned = update.plan().unwrap();
        folded = planned.plans()[0].strategy == Strategy::Fold;
        planned.apply().unwrap();
        updates += 1;
    }
    // Each update takes 101 entries, one of them for the names list. Two updates fit into a group
    // of 255 entries, so 18 updates fit into nine groups. The 19th update folds.
    assert_eq!(updates, 19);
    let package = Package::open(&path).unwrap();
    assert_eq!(package.list().unwrap().len(), 3 + 1900);
    assert_eq!(package.get("18/99").unwrap(), b"1");
}

#[test]
fn updates_go_on_past_four_gibibytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("package.dacti-pack");
    build(&path, 3, 4096);
    let mut model: Model = (0..3).map(|i| (name(i), format!("content {i}").into_bytes())).collect();
    let mut strategies = Vec::new();
    for number in 0..12_u64 {
        // The file ends with a long hole, as an interrupted update could leave it.
        let file = LockedFile::open(&path).unwrap();
        if number % 2 == 1 {
            file.set_len((number / 2 + 1) << 31).unwrap();
        }
        let mut update = Update::of_file(Arc::new(file), &path, UpdateOptions::default()).unwrap();
        let content = format!("at {number}").into_bytes();
        let name = format!("far/{}", number % 5);
        update.put(name.as_str(), content.clone()).unwrap();
        model.insert(name, content);
        if number == 9 {
            update.remove("far/2").unwrap();
            model.remove("far/2");
        }
        let planned = update.plan().unwrap();
        strategies.push(planned.plans()[0].strategy);
        planned.apply().unwrap();
        let package = Package::open(&path).unwrap();
        assert_eq!(read(&package), model, "update {number}");
    }
    assert!(fs::metadata(&path).unwrap().len() > 6 << 31);
    assert_eq!(strategies[..9], [Strategy::Delta; 9], "a group further down reaches further");
    assert_eq!(strategies[9..], [Strategy::Fold; 3]);
}

#[test]
fn what_is_the_same_is_not_put_unless_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("package.dacti-pack");
    build(&path, 300, 4096);
    let before = fs::read(&path).unwrap();
    let mut update = open(&path);
    for i in 0..300 {
        update.put(name(i), format!("content {i}").into_bytes()).unwrap();
    }
    let planned = update.plan().unwrap();
    assert!(planned.is_empty());
    assert_eq!(planned.changes().len(), 300);
    planned.apply().unwrap();
    assert!(fs::read(&path).unwrap() == before);
    let options = UpdateOptions { force: true, ..UpdateOptions::default() };
    let mut update = Update::open(&path, options).unwrap();
    update.put(name(7), b"content 7".to_vec()).unwrap();
    update.plan().unwrap().apply().unwrap();
    assert!(fs::metadata(&path).unwrap().len() > before.len() as u64);
}
