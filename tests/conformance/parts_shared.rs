//! Runs of changes in packages in which regions share stored bytes.

use crate::store::Memory;
use crate::updates::{Model, assert_holds, content, head};
use dacti::layout::ExpectedUpdates;
use dacti::publish::{PublishOptions, open_version, publish};
use dacti::report::Finding;
use dacti::seal::{SealKind, SecretKey};
use dacti::update::{Strategy, Update, UpdateOptions};
use dacti::{BuildOptions, EncodingChoice, Limits, Package, PackageBuilder};
use dacti_tests::reference as by;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use uuid::Uuid;

/// The number of regions. Eleven groups list at most 2,805 regions.
const COUNT: usize = 2600;

/// Publishes a package in which four consecutive files have the same content.
fn published(key: Option<&SecretKey>, publishing: &PublishOptions) -> (Memory, Model) {
    let options = BuildOptions {
        slice_len: 4096,
        encoding: EncodingChoice::None,
        expect: Some(ExpectedUpdates { updates: 1, regions: 100 }),
        ..BuildOptions::default()
    };
    let mut builder = PackageBuilder::new(options);
    if let Some(key) = key {
        builder.sign(key.clone());
    }
    let model: Model = (0..COUNT).map(|n| (format!("file/{n}"), content(n / 4, 0))).collect();
    for (name, bytes) in &model {
        builder.add(name.as_str(), bytes.clone()).unwrap();
    }
    let (file, _) = builder.build_to_vec().unwrap();
    let package = Package::from_bytes(file).unwrap();
    let seals = package.view().seals().unwrap();
    let kind = if key.is_some() { SealKind::Signature } else { SealKind::Digest };
    assert_eq!((seals.kind, seals.seals_max), (kind, 4));
    let place = |n: usize| package.locate(&format!("file/{n}")[..]).unwrap().span;
    assert!(place(0) == place(3) && place(3) != place(4));
    let store = Memory::default();
    publish(&package, &store.place(), publishing).unwrap();
    (store, model)
}

/// Publishes an update, and returns its strategy.
fn update(
    store: &Memory,
    key: Option<&SecretKey>,
    publishing: &PublishOptions,
    change: impl FnOnce(&mut Update),
) -> Strategy {
    let place = store.place();
    let mut update =
        Update::at_place(&place, UpdateOptions::default(), publishing.clone()).unwrap();
    if let Some(key) = key {
        update.sign(key.clone()).unwrap();
    }
    change(&mut update);
    let planned = update.plan().unwrap();
    let [plan] = planned.plans() else { panic!("one plan") };
    let strategy = plan.strategy;
    planned.apply().unwrap();
    strategy
}

/// Checks that a verification finds no fault, that a list has exactly these names, and that every
/// region can be read. After each region, its part must have room for 16 seals.
#[track_caller]
fn assert_sealed(store: &Memory, model: &Model, seal_len: u64) {
    let sequence = head(store).region.sequence;
    let package = open_version(&store.place(), sequence, Limits::default()).unwrap();
    let report = package.verify(None, &mut |_| ControlFlow::Continue(())).unwrap();
    // The names list keeps the names of removed regions.
    let is_name = |finding: &Finding| matches!(finding, Finding::NameWithoutRegion { .. });
    assert!(report.findings.iter().all(is_name), "{:?}", report.findings);
    let listed = package.list().unwrap();
    let listed: BTreeSet<_> = listed.into_iter().map(|region| region.path.unwrap()).collect();
    assert!(listed.iter().map(String::as_str).eq(model.keys().map(String::as_str)));
    let parts = head(store).region.entries;
    for (name, bytes) in model {
        assert_eq!(package.get(name.as_str()).unwrap(), *bytes, "{name}");
        let span = package.locate(name.as_str()).unwrap().span;
        let holds = |part: &by::parts::Entry| {
            (part.start..part.start + part.len).contains(&span.start)
                && span.end + 16 * seal_len <= part.start + part.len
        };
        assert!(parts.iter().any(holds), "{name}");
    }
}

#[test]
fn runs_of_changes_keep_shared_contents_and_their_seals() {
    // spec: R-CDN-19, R-PART-34, R-PART-36, R-PART-37, R-SEAL-22, R-SEAL-24
    for key in [None, Some(SecretKey::from_seed(&[7; 32], Uuid::from_u128(5)))] {
        let key = key.as_ref();
        let seal_len = if key.is_some() { 96 } else { 32 };
        let publishing = PublishOptions { key: key.cloned(), ..PublishOptions::default() };
        let (store, mut model) = published(key, &publishing);
        assert_sealed(&store, &model, seal_len);
        let full = update(&store, key, &publishing, |update| {
            for n in 0..200 {
                let (name, bytes) = (format!("file/{}", n * 13), content(n, 1));
                update.put(name.as_str(), bytes.clone()).unwrap();
                model.insert(name, bytes);
            }
        });
        assert_eq!(full, Strategy::Delta);
        let mut runs = 0;
        for round in 0..30 {
            let removed = format!("file/{}", round * 4 + 1);
            let strategy = update(&store, key, &publishing, |update| {
                // Both regions get the same content, and regions of the base also have this
                // content.
                for (name, bytes) in [
                    (format!("file/{}", round * 4 + 2), content(round + 9, 0)),
                    (format!("new/{}", round % 7), content(round + 9, 0)),
                ] {
                    update.put(name.as_str(), bytes.clone()).unwrap();
                    model.insert(name, bytes);
                }
                if round % 3 == 0 {
                    update.remove(removed.as_str()).unwrap();
                    model.remove(&removed);
                }
            });
            runs += u32::from(strategy == Strategy::Changes);
            if strategy == Strategy::Changes {
                let region = head(&store).region;
                let last = region.entries.last().unwrap();
                assert_eq!(last.start, region.end, "the second start follows the block");
                // The zeros for further seals precede the index header.
                let file = store.assembled();
                let index = by::read_index(&file, &by::read_package(&file).unwrap()).unwrap();
                let header = index.region.0;
                let room = &file[(header - 15 * seal_len) as usize..header as usize];
                assert!(room.iter().all(|byte| *byte == 0));
            }
            if round % 10 == 9 {
                assert_sealed(&store, &model, seal_len);
                assert_holds(&store, &model);
            }
        }
        assert!(runs >= 10, "{runs} runs of changes");
    }
}
