//! Runs of changes: updates of a package in parts whose delta groups are full.
//!
//! Such an update does not upload the base groups again. Instead, the list of parts gets a second
//! start for their part.

use crate::http::{Act, Server};
use crate::store::{Fate, Memory, NAME, Op, impatient};
use crate::updates::{Model, assert_holds, content, head, put, update};
use dacti::fetch::HttpOptions;
use dacti::publish::{CopyState, PublishFault, PublishOptions, Standing, publish, pull};
use dacti::update::{Strategy, Update, UpdateOptions};
use dacti::{AsyncPackage, BuildOptions, EncodingChoice, Error, Limits, Package, PackageBuilder};
use dacti_tests::reference as by;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::{Duration, Instant};

/// Returns a store with a package of `count` regions and one delta group. `count` must exceed
/// 2,550, so that the index has base groups.
pub fn published_with_one_delta_group(count: usize) -> (Memory, Model) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one.dacti-pack");
    let expect = Some(dacti::layout::ExpectedUpdates { updates: 1, regions: 100 });
    let encoding = EncodingChoice::None;
    let options = BuildOptions { slice_len: 4096, encoding, expect, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    let model: Model = (0..count).map(|i| (format!("file/{i}"), content(i, 0))).collect();
    for (name, bytes) in &model {
        builder.add(name.as_str(), bytes.clone()).unwrap();
    }
    builder.build(&path).unwrap();
    let store = Memory::default();
    let package = Package::open(path).unwrap();
    assert_eq!(package.view().layout().unwrap().delta_groups, 1);
    publish(&package, &store.place(), &PublishOptions::default()).unwrap();
    (store, model)
}

/// Returns a store whose package has a run of changes. Its delta group was full, so the last update
/// wrote the run.
pub fn with_run() -> (Memory, Model) {
    with_run_of(5000)
}

fn with_run_of(count: usize) -> (Memory, Model) {
    let (store, mut model) = published_with_one_delta_group(count);
    let files: Vec<_> = (0..254).map(|n| (format!("file/{}", n * 19), content(n, 1))).collect();
    let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    put(&store, &mut model, &files);
    assert!(second_starts(&store).is_empty());
    put(&store, &mut model, &[("file/7", b"first of the run"), ("new/0", b"and new")]);
    assert_eq!(second_starts(&store).len(), 1);
    (store, model)
}

/// Returns the second starts in the list: the starts of entries whose part has an earlier entry.
fn second_starts(store: &Memory) -> Vec<u64> {
    let mut seen = BTreeSet::new();
    let entries = head(store).region.entries;
    let second = entries.iter().filter(|entry| !seen.insert(entry.digest));
    second.map(|entry| entry.start).collect()
}

fn remove(store: &Memory, model: &mut Model, names: &[&str]) {
    update(store, |update| {
        for name in names {
            update.remove(*name).unwrap();
        }
    })
    .unwrap();
    for name in names {
        assert!(model.remove(*name).is_some(), "{name}");
    }
}

/// Returns the total length of the objects that were stored since the call of `Memory::fates`, and
/// whether one of them is an archived head.
fn uploaded(store: &Memory) -> (usize, bool) {
    let ops = store.works();
    let puts = ops.iter().filter_map(|op| match op {
        Op::Put(name, len) => Some((name, len)),
        _ => None,
    });
    let archived = puts.clone().any(|(name, _)| name.contains("/heads/"));
    (puts.map(|(_, len)| len).sum(), archived)
}

#[test]
fn updates_after_full_deltas_upload_the_changes_and_not_the_base() {
    // spec: R-PART-05, R-PART-22, R-PART-27, R-PART-34, R-PART-36
    let (store, mut model) = with_run();
    let groups = 5001_u64.div_ceil(255) * 6136;
    let base = head(&store).region.entries[0];
    assert_eq!((base.start, base.len), (65_536, groups), "the groups are a part of their own");
    let mut merges = 0;
    for n in 0..30 {
        store.fates(|_, _| Fate::Works);
        let entries = head(&store).region.entries.len();
        let stored = content(n, 2);
        let (changed, new) = (format!("file/{}", n * 3 + 1), format!("new/{n}"));
        put(&store, &mut model, &[(&changed, &stored), (&new, b"one more")]);
        let (bytes, archived) = uploaded(&store);
        // The update uploads two regions with digests, a segment of the names list, and a run of
        // two or three groups.
        let run = bytes - stored.len() - 8 - 2 * 32;
        if head(&store).region.entries.len() > entries {
            assert!((2 * 6136..3 * 6136 + 2500).contains(&run), "{n}: {run} bytes");
            assert!(!archived, "no part is dropped, so the head is not archived");
        } else {
            // The list of parts was full, so this update merged blocks.
            merges += 1;
            assert!(archived && bytes > 20 * 2 * 6136);
        }
        let region = head(&store).region;
        let [second] = second_starts(&store)[..] else { panic!("{:?}", region.entries) };
        assert_eq!(second, region.end, "the second start follows the block");
        let last = region.entries.last().unwrap();
        assert_eq!((last.start, last.len, last.digest), (second, groups, base.digest));
        assert!(region.entries.len() <= 34);
    }
    assert_eq!(merges, 1);
    assert_holds(&store, &model);
    // The run also holds removals. One update may both remove and put.
    store.fates(|_, _| Fate::Works);
    remove(&store, &mut model, &["file/4", "new/3", "file/4999"]);
    assert!(uploaded(&store).0 < 5 * 6136);
    update(&store, |update| {
        update.remove("file/0").unwrap();
        update.put("file/4", b"back again".to_vec()).unwrap();
    })
    .unwrap();
    model.remove("file/0");
    model.insert("file/4".into(), b"back again".to_vec());
    assert_holds(&store, &model);
}

#[test]
fn a_tenth_of_changes_is_folded_and_the_new_groups_are_kept_from_then_on() {
    // spec: R-PART-29, R-PART-36
    let (store, mut model) = with_run();
    let mut strategies = Vec::new();
    for round in 0..6 {
        let mut next =
            Update::at_place(&store.place(), UpdateOptions::default(), PublishOptions::default())
                .unwrap();
        for n in 0..90 {
            let (name, bytes) = (format!("file/{}", (round * 90 + n) * 7), content(n, round + 5));
            next.put(name.as_str(), bytes.clone()).unwrap();
            model.insert(name, bytes);
        }
        let planned = next.plan().unwrap();
        let [plan] = planned.plans() else { panic!("one plan") };
        strategies.push(plan.strategy);
        planned.apply().unwrap();
    }
    // The 20 base groups have room for 5,100 entries, so a run may list at most 510 changes. The
    // run lists 256 changes at first, and each round adds up to 90.
    use Strategy::{Changes, Fold};
    assert_eq!(strategies, [Changes, Changes, Fold, Changes, Changes, Changes]);
    assert_holds(&store, &model);
    let entries = head(&store).region.entries;
    let groups = entries.iter().filter(|entry| entry.len == 20 * 6136);
    let digests: Vec<_> = groups.map(|entry| entry.digest).collect();
    assert_eq!(digests.len(), 3, "the first base, the new one, and its second start");
    assert_eq!(digests[1], digests[2]);
    // Later updates merge entries of the list, but keep the new base groups as a separate part.
    for n in 0..40 {
        put(&store, &mut model, &[("file/1", &content(1, n + 100))]);
        assert_eq!(second_starts(&store).len(), 1, "{n}");
        let entries = head(&store).region.entries;
        assert!(entries.len() <= 34);
    }
    assert_holds(&store, &model);
}

#[test]
fn a_cold_read_takes_four_requests_and_three_round_trips() {
    // spec: R-PART-37, R-PART-38
    // The base has 48 groups. The reader does not fetch all of them, because they are too long.
    let (store, model) = with_run_of(12_000);
    for (name, requests) in [("file/7", 4), ("file/8", 4), ("no/such", 3)] {
        // The server holds back the first answer for a block until the request for the second block
        // has arrived. So the reader must send both requests at once.
        let parts = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&parts);
        let server = Server::start(&store, move |seen, _| {
            if seen.is_part() && asked.fetch_add(1, SeqCst) == 0 {
                let start = Instant::now();
                while asked.load(SeqCst) < 2 && start.elapsed() < Duration::from_secs(20) {
                    std::thread::yield_now();
                }
                assert!(asked.load(SeqCst) >= 2, "both blocks are asked for at once");
            }
            Act::Right
        });
        let package = server.open().unwrap();
        let found = package.find(name).unwrap();
        assert_eq!(found.is_some(), model.contains_key(name));
        if found.is_some() {
            assert_eq!(package.get(name).unwrap(), model[name]);
        }
        let seen = server.seen();
        assert_eq!(seen.len(), requests, "{name}: {seen:?}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = HttpOptions { session: impatient(), ..HttpOptions::default() };
        let found = runtime.block_on(async {
            let package = AsyncPackage::open_url_with(&server.url, &options).await.unwrap();
            package.find(name).await.unwrap()
        });
        assert_eq!(found.is_some(), model.contains_key(name));
        assert_eq!(server.seen().len(), 3, "{name}: the head and a block of each run");
    }
}

#[test]
fn a_rollback_and_a_copy_lead_to_their_own_groups() {
    // spec: R-PART-22, R-PART-25, R-PART-27, R-PART-34
    let (store, mut model) = with_run();
    let (first, sequence) = (model.clone(), head(&store).region.sequence);
    let options = PublishOptions { archive: true, ..PublishOptions::default() };
    let mut next =
        Update::at_place(&store.place(), UpdateOptions::default(), options.clone()).unwrap();
    next.put("file/9", vec![9; 20_000]).unwrap();
    next.plan().unwrap().apply().unwrap();
    model.insert("file/9".into(), vec![9; 20_000]);
    assert_holds(&store, &model);
    let end = head(&store).region.end;
    let place = store.place();
    dacti::publish::tag(&place, Some(sequence), NAME, &options).unwrap();
    assert_holds(&store, &first);
    let region = head(&store).region;
    assert_eq!(region.end, end, "the end never falls");
    let last = region.entries.last().unwrap();
    assert!(last.start < end && last.start + last.len > end, "a second start may lie across it");
    let mut model = first;
    put(&store, &mut model, &[("file/10", b"after the rollback")]);
    assert_holds(&store, &model);
    assert!(second_starts(&store)[0] > end);
}

#[test]
fn every_operation_fails_once_and_the_same_command_ends_well() {
    // spec: R-PART-21, R-PART-23, R-PART-24
    let (start, model) = with_run();
    let mut after = model.clone();
    after.insert("file/0".into(), b"changed".to_vec());
    let change = |update: &mut Update| {
        update.put("file/0", b"changed".to_vec()).unwrap();
    };
    let sequence = head(&start).region.sequence;
    let mut failures = 0;
    for fate in [Fate::Fails, Fate::AnswerLost] {
        for at in 0.. {
            let store = start.copy();
            store.fates(move |number, _| if number == at { fate } else { Fate::Works });
            let result = update(&store, change);
            if store.works().len() <= at {
                break;
            }
            failures += 1;
            match (&result, head(&store).region.sequence - sequence) {
                (Ok(()) | Err(_), 1) => assert_holds(&store, &after),
                (Err(_), 0) => assert_holds(&store, &model),
                other => panic!("operation {at}: {other:?}"),
            }
            update(&store, change).unwrap();
            assert_holds(&store, &after);
        }
    }
    assert!(failures > 10, "{failures}");
}

/// Returns a store in which `change` has altered the list in the head. The head's digest matches
/// the altered list.
fn with_list(store: &Memory, change: impl FnOnce(&mut by::parts::Region)) -> Memory {
    let (changed, file) = (store.copy(), store.assembled());
    let mut region = head(store).region;
    change(&mut region);
    let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
    changed.set(NAME, by::parts::head_in_parts(&file, &region, &hash, &|_| vec![0; 64]));
    changed
}

/// Returns the contents that a reader of the published head gets, with `None` for each region that
/// cannot be read.
fn reads(store: &Memory, names: &[&str]) -> Vec<Option<Vec<u8>>> {
    let sequence = head(store).region.sequence;
    let package =
        dacti::publish::open_version(&store.place(), sequence, Limits::default()).unwrap();
    names.iter().map(|name| package.get(*name).ok()).collect()
}

#[test]
fn each_rule_of_second_starts_broken_in_turn_is_caught() {
    // spec: R-PART-05, R-PART-34, R-PART-35, R-PART-36
    let (store, mut model) = with_run();
    let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
    let refused = |broken: &Memory| by::parts::read_head(&broken.bytes(NAME).unwrap(), &hash).err();
    let last = |region: &mut by::parts::Region| region.entries.len() - 1;
    let fault = |n: usize| {
        Some(by::Fault { kind: "corrupt", what: "parts", at: 1536 + 256 + 48 * n as u64 })
    };
    let n = head(&store).region.entries.len() - 1;
    // An entry that ends past the end field must be a second start. These entries are not: each
    // differs from the first start in its digest, its length or its piece exponent.
    let other = with_list(&store, |region| {
        let last = last(region);
        region.entries[last].digest[0] ^= 1;
    });
    assert_eq!(refused(&other), fault(n));
    let shorter = with_list(&store, |region| {
        let last = last(region);
        region.entries[last].len -= 6136;
    });
    assert_eq!(refused(&shorter), fault(n));
    let pieces = with_list(&store, |region| {
        let last = last(region);
        region.entries[last].exponent = 20;
    });
    assert_eq!(refused(&pieces), fault(n));
    for broken in [&other, &shorter, &pieces] {
        let error = dacti_cdn::parts::PartsHead::parse(&broken.bytes(NAME).unwrap()).unwrap_err();
        let expected = format!("parts at {:#x}: the entry ends at", 1536 + 256 + 48 * n);
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    // The second start of the base groups is moved by one group. So readers find other bytes, or
    // none, at the positions of these groups. They may fail, but must not return wrong bytes.
    let names = ["file/7", "file/8", "file/4998", "new/0"];
    let right = reads(&store, &names);
    assert!(right.iter().all(Option::is_some));
    let moved = with_list(&store, |region| {
        let last = last(region);
        region.entries[last].start += 6136;
    });
    let found = reads(&moved, &names);
    assert!(found.iter().zip(&right).all(|(found, right)| found.is_none() || found == right));
    assert_eq!((&found[1], &found[2]), (&None, &None), "the base groups are elsewhere");
    // Without the second start, no entry of the list has the positions of the base groups in the
    // index.
    let hole = with_list(&store, |region| region.entries.truncate(n));
    assert!(std::panic::catch_unwind(|| assert_holds(&hole, &model)).is_err());
    // The second start must lie directly after the run (R-PART-37). Here, it lies 8 bytes later, so
    // the index does not continue with the base groups.
    put(&store, &mut model, &[("file/8", b"changed")]);
    let stale = with_list(&store, |region| {
        let last = last(region);
        region.entries[last].start += 8;
        region.end += 8;
    });
    assert!(std::panic::catch_unwind(|| assert_holds(&stale, &model)).is_err());
}

/// Pulls the published package into `copy`, and returns the number of fetched bytes.
fn pulled(store: &Memory, copy: &std::path::Path, state: CopyState) -> u64 {
    let sequence = head(store).region.sequence;
    let place = store.place();
    let package = dacti::publish::open_version(&place, sequence, Limits::default()).unwrap();
    let pulled = pull(&package, copy, &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(pulled.copy, state);
    assert!(std::fs::read(copy).unwrap() == store.assembled(), "the copy is the package");
    pulled.fetched
}

#[test]
fn a_copy_follows_the_runs_and_a_copy_can_be_published_again() {
    // spec: R-PART-15, R-PART-34
    let (store, mut model) = with_run();
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    let stored: u64 = {
        let mut digests = BTreeSet::new();
        let entries = head(&store).region.entries;
        entries.iter().filter(|e| digests.insert(e.digest)).map(|e| e.len).sum()
    };
    assert_eq!(pulled(&store, &copy, CopyState::New), stored, "each part is fetched once");
    for n in 0..3 {
        store.fates(|_, _| Fate::Works);
        put(&store, &mut model, &[(&format!("file/{n}"), b"changed")]);
        let (bytes, _) = uploaded(&store);
        assert_eq!(pulled(&store, &copy, CopyState::Grown), bytes as u64, "the block alone");
    }
    // A local update of the copy folds. Its publication continues the history of the published
    // package.
    let mut local = Update::open(&copy, UpdateOptions::default()).unwrap();
    local.put("local", b"added here".to_vec()).unwrap();
    let planned = local.plan().unwrap();
    assert_eq!(planned.plans()[0].strategy, Strategy::Fold);
    planned.apply().unwrap();
    model.insert("local".into(), b"added here".to_vec());
    let package = Package::open(&copy).unwrap();
    let done = publish(&package, &store.place(), &PublishOptions::default()).unwrap();
    assert_eq!(done.standing, Standing::Continued);
    assert_holds(&store, &model);
    // The fold has put the fences into its block, not into the head. So the next update folds
    // again, and puts them into the head. The update after it writes a run of changes.
    for strategy in [Strategy::Fold, Strategy::Changes] {
        let (update, publish) = (UpdateOptions::default(), PublishOptions::default());
        let mut next = Update::at_place(&store.place(), update, publish).unwrap();
        next.put("later", format!("{strategy}").into_bytes()).unwrap();
        let planned = next.plan().unwrap();
        assert_eq!(planned.plans()[0].strategy, strategy);
        planned.apply().unwrap();
        model.insert("later".into(), format!("{strategy}").into_bytes());
        assert_holds(&store, &model);
    }
    // The copy is now an earlier state of the published package.
    let error = publish(&package, &store.place(), &PublishOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Publish(PublishFault::Diverged { .. })), "{error}");
}

#[test]
fn a_view_whose_second_start_moved_reads_on_by_the_first_one() {
    // spec: R-PART-13, R-PART-35
    let (store, mut model) = with_run();
    let base = {
        let digest = head(&store).region.entries[0].digest;
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    // At first, a cache answers 404 for the part of the base groups.
    let fails = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fails);
    let heads = Arc::new(AtomicUsize::new(0));
    let seen_heads = Arc::clone(&heads);
    let server = Server::start(&store, move |seen, _| {
        if !seen.is_part() && seen_heads.fetch_add(1, SeqCst) > 0 {
            // The reader requests the head again. From now on, the cache has the part.
            failing.store(false, SeqCst);
        }
        let is_base = seen.name_has(&base);
        if is_base && failing.load(SeqCst) { Act::Status(404) } else { Act::Right }
    });
    let package = server.open().unwrap();
    // This update writes a block over the positions that the second start has in the reader's view.
    let long = vec![7; 300_000];
    put(&store, &mut model, &[("long", &long)]);
    assert_eq!(package.get("file/8").unwrap(), content(8, 0));
    assert_eq!(package.get("file/4998").unwrap(), content(4998, 0));
    assert_eq!(package.find("long").unwrap(), None, "the view is the old one");
    assert!(!fails.load(SeqCst), "the later head was read");
}

#[test]
fn a_collection_keeps_the_part_of_a_second_start() {
    // spec: R-PART-28, R-PART-34
    let (store, mut model) = with_run();
    for n in 0..60 {
        put(&store, &mut model, &[("file/1", &content(1, n + 3))]);
    }
    store.age(Duration::from_secs(8 * 86_400));
    let week = Duration::from_secs(7 * 86_400);
    let collected = dacti::publish::collect(&store.place(), week, false).unwrap();
    assert!(!collected.parts.is_empty(), "merged parts are unused");
    assert_holds(&store, &model);
}

/// Returns whether every later list leads to the same bytes as the list of the view itself.
/// `translate` converts a position of the view before the look-up in a later list.
fn later_lists_agree(
    store: &Memory,
    regions: &[by::parts::Region],
    translate: impl Fn(&by::parts::Region, u64) -> u64,
) -> bool {
    let objects: std::collections::BTreeMap<String, Vec<u8>> = {
        let names = store.names().into_iter();
        names.map(|name| (name.clone(), store.bytes(&name).unwrap())).collect()
    };
    let object = |name: &str, at: u64| objects[name].get(usize::try_from(at).unwrap()).copied();
    regions.iter().enumerate().all(|(i, view)| {
        // For each entry, the test compares the first byte, the last byte, and some bytes between
        // them.
        let places = view.entries.iter().flat_map(|entry| {
            let step = usize::try_from(entry.len / 7).unwrap().max(1);
            (0..entry.len).step_by(step).chain([entry.len - 1]).map(|at| entry.start + at)
        });
        places.into_iter().all(|at| {
            let expected = by::parts::byte(view, at, &object);
            let at = translate(view, at);
            regions[i + 1..].iter().all(|later| by::parts::byte(later, at, &object) == expected)
        })
    })
}

#[test]
fn every_later_list_leads_to_the_bytes_of_every_view() {
    // spec: R-PART-22, R-PART-29, R-PART-34, R-PART-35
    let (store, mut model) = with_run();
    let mut regions = vec![head(&store).region];
    for n in 0..40 {
        // The updates write blocks of several lengths. One of them folds, and some merge parts.
        let count = if n == 9 { 300 } else { 1 + n % 4 };
        let files: Vec<_> = (0..count)
            .map(|i| (format!("file/{}", (n * 31 + i * 13) % 5000), content(i, n + 20)))
            .collect();
        let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
        put(&store, &mut model, &files);
        regions.push(head(&store).region);
    }
    assert_holds(&store, &model);
    assert!(later_lists_agree(&store, &regions, by::parts::first_start));
    // If readers do not translate positions (R-PART-35), a later list leads them to other bytes.
    assert!(!later_lists_agree(&store, &regions, |_, at| at));
    // If publishers break R-PART-22, a block can take positions of a first start. Then a later list
    // also leads to other bytes.
    let mut falls = regions.clone();
    let by = falls[5].entries.iter().rev().find(|entry| entry.start < falls[5].end).unwrap().len;
    for region in &mut falls[6..] {
        let from = regions[5].end - by;
        for entry in region.entries.iter_mut().filter(|entry| entry.start >= from) {
            entry.start -= 8;
        }
    }
    assert!(!later_lists_agree(&store, &falls, by::parts::first_start));
}

#[test]
fn an_update_uploads_its_regions_the_changes_since_the_base_and_the_head() {
    // spec: R-PART-36, R-PART-37
    let groups = |entries: usize| 6136 * entries.div_ceil(255);
    // In a package of a million regions, eight full delta groups and 50 updates of 100 regions make
    // a run of this length.
    assert!(groups(8 * 255 + 50 * 100) + 8 < 200_000);
    let (store, mut model) = with_run_of(12_000);
    // The run lists each changed id once. These are the 254 regions of the delta group, the two
    // regions of the next update, and the names list.
    let mut changed: BTreeSet<String> = (0..254).map(|n| format!("file/{}", n * 19)).collect();
    changed.extend(["file/7".into(), "new/0".into(), "names".into()]);
    for round in 0..7 {
        let files: Vec<_> =
            (0..100).map(|n| (format!("file/{}", n * 5 + round), content(n, round + 40))).collect();
        let stored: usize = files.iter().map(|(_, bytes)| bytes.len() + 32).sum();
        let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
        store.fates(|_, _| Fate::Works);
        put(&store, &mut model, &files);
        changed.extend(files.iter().map(|(name, _)| (*name).to_owned()));
        let expected = stored.next_multiple_of(8) + 8 + groups(changed.len());
        assert_eq!(uploaded(&store), (expected, false), "round {round}");
    }
    let names: Vec<_> = (0..100).map(|n| format!("file/{}", 6000 + n)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let gone = names.iter().filter(|name| !changed.contains(**name)).count();
    store.fates(|_, _| Fate::Works);
    remove(&store, &mut model, &names);
    // The removals form a run of their own. If a removed region was changed before, its entry is no
    // longer in the other run.
    let left = changed.len() - (names.len() - gone);
    let expected = names.len() * 32 + 8 + groups(left) + groups(names.len());
    assert_eq!(uploaded(&store), (expected, false));
    assert_holds(&store, &model);
}
