//! Interrupts updates at every call that changes the file. After each interruption, the package
//! must be the complete old package or the complete new one, and the update can be resumed.

use crate::support::Random;
use crate::update_files::{Disk, EIO, ENOSPC, Fault, Faulty};
use dacti::container::Version;
use dacti::update::{Action, Plan, Reserve, Switch};
use dacti::update::{Extent, SavedPlan, Update, UpdateFile, UpdateOptions};
use dacti::{BuildOptions, EncodingChoice, Error, Package, PackageBuilder};
use dacti_tests::reference as by;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

/// A package, and an update of it.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    /// A function that makes the package.
    package: fn(&Path),
    /// A function that adds the edits to the update.
    pub change: fn(&mut Update),
    strategy: &'static str,
}

pub const SCENARIOS: [Scenario; 8] = [
    Scenario { name: "fresh", package: fresh, change: put_three, strategy: "delta" },
    Scenario { name: "updated", package: updated, change: put_three, strategy: "delta" },
    Scenario { name: "removal", package: updated, change: remove_two, strategy: "delta" },
    Scenario { name: "both", package: updated, change: put_and_remove, strategy: "fold" },
    Scenario { name: "folded", package: folded, change: put_three, strategy: "fold" },
    Scenario { name: "component", package: updated, change: component, strategy: "first table" },
    Scenario { name: "table full", package: full, change: component, strategy: "second table" },
    Scenario { name: "names ahead", package: fresh, change: put_255, strategy: "delta" },
];

fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..len).map(|_| random.next() as u8).collect()
}

fn fresh(path: &Path) {
    let options =
        BuildOptions { slice_len: 4096, encoding: EncodingChoice::None, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    for i in 0..12 {
        builder.add(format!("old/{i}"), bytes(100 * i, i as u64)).unwrap();
    }
    builder.build(path).unwrap();
}

fn apply(path: &Path, change: fn(&mut Update)) {
    let mut update = Update::open(path, UpdateOptions::default()).unwrap();
    change(&mut update);
    update.plan().unwrap().apply().unwrap();
}

fn updated(path: &Path) {
    fresh(path);
    apply(path, |update| {
        update.put("old/3", bytes(77, 30)).unwrap();
        update.put("once/new", bytes(5000, 31)).unwrap();
    });
}

fn folded(path: &Path) {
    updated(path);
    apply(path, |update| {
        update.put("old/8", bytes(66, 32)).unwrap();
        update.remove("old/7").unwrap();
    });
}

/// Makes a package whose first table has no free slot.
fn full(path: &Path) {
    updated(path);
    for n in 0..14 {
        let mut update = Update::open(path, UpdateOptions::default()).unwrap();
        update.add_component_data(Uuid::from_u128(0xc0 + n), Version::new(0, 1), [n as u8; 8]);
        update.plan().unwrap().apply().unwrap();
    }
}

fn put_three(update: &mut Update) {
    // This region is long, so it takes two writes.
    static LONG: OnceLock<Vec<u8>> = OnceLock::new();
    update.put("new/long", LONG.get_or_init(|| bytes(1_100_000, 1)).clone()).unwrap();
    update.put("new/short", bytes(50, 2)).unwrap();
    update.put("old/3", bytes(333, 3)).unwrap();
}

fn put_and_remove(update: &mut Update) {
    update.put("new/short", bytes(50, 2)).unwrap();
    update.remove("old/5").unwrap();
    update.remove("once/new").unwrap();
}

fn remove_two(update: &mut Update) {
    update.remove("old/5").unwrap();
    update.remove("once/new").unwrap();
}

fn component(update: &mut Update) {
    update.add_component(Uuid::from_u128(0xabc), Version::new(0, 3), bytes(6000, 9));
}

fn put_255(update: &mut Update) {
    for i in 0..255 {
        update.put(format!("many/{i}"), bytes(20, i)).unwrap();
    }
}

/// The content of a package, as the reference reads it. Regions have their ids as keys, and the
/// names list is left out. The content of a component is the content of its region.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holds {
    regions: BTreeMap<by::Id, Vec<u8>>,
    components: BTreeSet<(by::Id, [u8; 8])>,
}

/// The components whose content changes with every fold.
const MOVING: [by::Id; 2] = [by::INDEX, by::LOOKUP];

fn holds(file: &[u8]) -> Holds {
    let container = by::read_container(file).expect("the tables are whole");
    let index = by::read_index(file, &container).expect("the index is whole");
    let regions = index.regions().into_iter().filter(|(id, _)| *id != by::NAMES);
    let content =
        |entry: &by::EntrySeen| by::content(file, entry, 1 << 30).expect("a region is whole");
    let components = container.components.iter().filter(|found| !MOVING.contains(&found.id));
    Holds {
        regions: regions.map(|(id, entry)| (id, content(&entry))).collect(),
        components: components.map(|found| (found.id, found.data)).collect(),
    }
}

/// Returns the regions that the facade lists, with their names as keys.
fn listed(file: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let package = Package::from_bytes(file.to_vec()).expect("it opens");
    let listed = package.list().expect("it is listed");
    let get = |id: Uuid| package.get(id).expect("a region is whole and sealed");
    listed.iter().map(|listed| (listed.name(), get(listed.located.id))).collect()
}

/// The expected results of a scenario.
pub struct Expected {
    pub old: Vec<u8>,
    /// The package after the update, if nothing interrupts it.
    pub new: Vec<u8>,
    plans: Vec<Plan>,
    holds: [Holds; 2],
    listed: [BTreeMap<String, Vec<u8>>; 2],
}

impl Expected {
    pub fn of(scenario: &Scenario, dir: &Path) -> Self {
        let path = dir.join("expected.dacti-pack");
        (scenario.package)(&path);
        let old = fs::read(&path).unwrap();
        let mut update = Update::open(&path, UpdateOptions::default()).unwrap();
        (scenario.change)(&mut update);
        let planned = update.plan().unwrap();
        let plans = planned.plans().to_vec();
        assert_eq!(plans[0].strategy.to_string(), scenario.strategy, "{}", scenario.name);
        planned.save(dir.join("saved.plan")).unwrap();
        planned.apply().unwrap();
        let new = fs::read(&path).unwrap();
        let holds = [holds(&old), holds(&new)];
        let listed = [listed(&old), listed(&new)];
        assert_ne!(holds[0], holds[1], "the update does something");
        Self { old, new, plans, holds, listed }
    }

    /// Returns the number of barriers in all plans of the update.
    pub fn barriers(&self) -> usize {
        let steps = self.plans.iter().flat_map(|plan| &plan.steps);
        steps.filter(|step| matches!(step.action, Action::Barrier(_))).count()
    }

    /// Checks that a package after an interruption is the undamaged old package or the undamaged
    /// new one. Returns whether it is the new one.
    #[track_caller]
    pub fn check(&self, left: &[u8], when: &str) -> bool {
        let found = holds(left);
        let is_new = found == self.holds[1];
        assert!(is_new || found == self.holds[0], "{when}: neither the old package nor the new");
        assert_eq!(listed(left), self.listed[usize::from(is_new)], "{when}");
        self.check_old_bytes(left, when);
        is_new
    }

    /// Checks that the bytes of the old package are unchanged. Only switches and reserves may
    /// change bytes.
    #[track_caller]
    fn check_old_bytes(&self, left: &[u8], when: &str) {
        let mut allowed = vec![false; self.old.len()];
        for step in self.plans.iter().flat_map(|plan| &plan.steps) {
            if let Action::Reserve(Reserve { at, after, .. })
            | Action::Switch(Switch { at, after, .. }) = &step.action
            {
                allowed[*at as usize..*at as usize + after.len()].fill(true);
            }
        }
        assert!(left.len() >= self.old.len(), "{when}: the file became shorter");
        for (at, (old, left)) in self.old.iter().zip(left).enumerate() {
            assert!(old == left || allowed[at], "{when}: the byte at {at:#x} has changed");
        }
    }

    /// Resumes the update on two copies of the file: in one from the saved plan, in the other by
    /// repeating the update.
    #[track_caller]
    pub fn check_resumed(&self, scenario: &Scenario, left: &[u8], dir: &Path, when: &str) {
        let path = dir.join("resumed.dacti-pack");
        fs::write(&path, left).unwrap();
        let saved = SavedPlan::open(dir.join("saved.plan")).unwrap();
        let standing = saved.apply(&path, Extent::Rest).unwrap_or_else(|e| panic!("{when}: {e}"));
        assert!(standing.is_done(), "{when}");
        assert!(fs::read(&path).unwrap() == self.new, "{when}: resumed, the file is another");

        let is_new = holds(left) == self.holds[1];
        let file = Disk::new(left.to_vec(), usize::MAX);
        let mut update = Update::of_file(
            Arc::clone(&file) as Arc<dyn UpdateFile>,
            dir,
            UpdateOptions::default(),
        )
        .unwrap_or_else(|e| panic!("{when}: {e}"));
        if is_new {
            // The interrupted run has already completed the update. Repeating it would fail if it
            // removes regions or adds components.
            return;
        }
        (scenario.change)(&mut update);
        update
            .plan()
            .and_then(dacti::update::PlannedUpdate::apply)
            .unwrap_or_else(|e| panic!("{when}: {e}"));
        let bytes = file.seen();
        let [_, expected] = &self.listed;
        assert_eq!(&listed(&bytes), expected, "{when}: from nothing");
        assert_eq!(holds(&bytes).regions, self.holds[1].regions, "{when}: from nothing");
        self.check_old_bytes_but_reserve(&bytes, when);
        let (old_len, left_len) = (self.old.len(), left.len());
        assert!(
            bytes[old_len..left_len] == left[old_len..],
            "{when}: written bytes were used again"
        );
    }

    /// Checks the bytes of the old package after the head. Bytes of the head may differ: a repeated
    /// update may use other slots than the interrupted one.
    #[track_caller]
    fn check_old_bytes_but_reserve(&self, bytes: &[u8], when: &str) {
        assert!(bytes[65_536..self.old.len()] == self.old[65_536..], "{when}: old bytes changed");
    }
}

/// Runs an update of a file, and returns its result.
pub fn run(file: Arc<dyn UpdateFile>, dir: &Path, change: fn(&mut Update)) -> Result<(), Error> {
    let mut update = Update::of_file(file, dir.join("package"), UpdateOptions::default())?;
    change(&mut update);
    update.plan()?.apply()
}

#[test]
fn a_call_that_fails_leaves_the_old_package_or_the_new() {
    // spec: R-CDN-15
    for scenario in &SCENARIOS {
        let dir = tempfile::tempdir().unwrap();
        let expected = Expected::of(scenario, dir.path());
        let path = dir.path().join("package.dacti-pack");
        let faults =
            [Fault::Fails(ENOSPC), Fault::Fails(EIO), Fault::FailsHalf(ENOSPC), Fault::Short];
        let (mut calls, mut new) = (0, 0);
        for fault in faults {
            for at in 0.. {
                fs::write(&path, &expected.old).unwrap();
                let file = Faulty::open(&path, at, fault).unwrap();
                let ended =
                    run(Arc::clone(&file) as Arc<dyn UpdateFile>, dir.path(), scenario.change);
                let (reached, when) =
                    (file.calls() > at, format!("{}, {fault:?} at {at}", scenario.name));
                drop(file);
                let left = fs::read(&path).unwrap();
                let is_new = expected.check(&left, &when);
                match &ended {
                    Ok(()) => assert!(is_new && left == expected.new, "{when}"),
                    Err(error) => {
                        assert!(reached && fault != Fault::Short, "{when}: {error}");
                        expected.check_resumed(scenario, &left, dir.path(), &when);
                    }
                }
                calls += 1;
                new += u32::from(is_new);
                if !reached {
                    break;
                }
            }
        }
        println!("{}: {calls} runs, {new} of them ended with the new package", scenario.name);
    }
}

#[test]
fn a_disk_that_loses_what_was_not_synced_has_the_old_package_or_the_new() {
    // spec: R-CDN-15
    for scenario in &SCENARIOS {
        let dir = tempfile::tempdir().unwrap();
        let expected = Expected::of(scenario, dir.path());
        let mut random = Random(0xd15c);
        let mut states = 0;
        for cut_at in 0.. {
            let disk = Disk::new(expected.old.clone(), cut_at);
            let ended = run(Arc::clone(&disk) as Arc<dyn UpdateFile>, dir.path(), scenario.change);
            let mut lefts = vec![disk.remains(|| false), disk.remains(|| true)];
            lefts.extend((0..4).map(|_| disk.some(&mut random)));
            lefts.sort();
            lefts.dedup();
            for left in lefts {
                let when = format!("{}, power out at {cut_at}", scenario.name);
                let is_new = expected.check(&left, &when);
                assert!(ended.is_err() || is_new, "{when}: what was told to be done is lost");
                expected.check_resumed(scenario, &left, dir.path(), &when);
                states += 1;
            }
            if ended.is_ok() {
                assert_eq!(disk.calls(), cut_at.min(disk.calls()));
                break;
            }
        }
        println!("{}: {states} states of the disk", scenario.name);
    }
}

/// The environment variable that gives a child process its task: a scenario, a call and a fault.
const CHILD: &str = "DACTI_TESTS_CRASH";

#[test]
fn a_process_that_is_killed_leaves_the_old_package_or_the_new() {
    if let Ok(told) = std::env::var(CHILD) {
        let mut told = told.split('|');
        let mut next = || told.next().expect("scenario, call, fault, path");
        let scenario: usize = next().parse().unwrap();
        let at: usize = next().parse().unwrap();
        let fault = if next() == "half" { Fault::AbortHalf } else { Fault::Abort };
        let path = Path::new(next());
        let file = Faulty::open(path, at, fault).unwrap();
        run(file, path.parent().unwrap(), SCENARIOS[scenario].change).unwrap();
        return;
    }
    for (number, scenario) in SCENARIOS.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let expected = Expected::of(scenario, dir.path());
        let path = dir.path().join("package.dacti-pack");
        let mut killed = 0;
        for fault in ["none", "half"] {
            for at in 0.. {
                fs::write(&path, &expected.old).unwrap();
                let mut child = Command::new(std::env::current_exe().unwrap());
                child.args(["--exact", "--quiet", "--test-threads=1"]);
                child.arg(
                    "update_crash::a_process_that_is_killed_leaves_the_old_package_or_the_new",
                );
                child.env(CHILD, format!("{number}|{at}|{fault}|{}", path.display()));
                let output = child.output().unwrap();
                let when = format!("{}, killed at {at} ({fault})", scenario.name);
                let left = fs::read(&path).unwrap();
                let is_new = expected.check(&left, &when);
                if output.status.success() {
                    assert!(is_new && at > 0, "{when}");
                    break;
                }
                assert_eq!(output.status.code(), None, "{when}: {output:?}");
                expected.check_resumed(scenario, &left, dir.path(), &when);
                killed += 1;
            }
        }
        println!("{}: killed {killed} times", scenario.name);
    }
}

#[test]
fn no_two_contents_of_the_head_share_a_second() {
    // spec: R-CDN-16
    for scenario in &SCENARIOS {
        let dir = tempfile::tempdir().unwrap();
        let expected = Expected::of(scenario, dir.path());
        let disk = Disk::new(expected.old.clone(), usize::MAX);
        // Each new content of the head gets a modification time in another second. All these
        // updates take less than a second in total, so later ones set times in the future.
        run(Arc::clone(&disk) as Arc<dyn UpdateFile>, dir.path(), scenario.change).unwrap();
        let mut update = Update::of_file(
            Arc::clone(&disk) as Arc<dyn UpdateFile>,
            dir.path(),
            UpdateOptions::default(),
        )
        .unwrap();
        update.put("one/more", b"1".to_vec()).unwrap();
        update.plan().unwrap().apply().unwrap();
        let mut seconds = BTreeMap::new();
        for (head, time) in disk.heads() {
            let second = time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            let first = *seconds.entry(second).or_insert(head);
            assert_eq!(first, head, "{}: two heads at {second}", scenario.name);
        }
        assert!(seconds.len() >= 5, "{}: {}", scenario.name, seconds.len());
    }
}

#[test]
fn a_switch_that_is_torn_at_any_byte_is_the_old_one_the_new_one_or_taken_up_again() {
    // spec: R-CDN-12
    for scenario in &SCENARIOS {
        let dir = tempfile::tempdir().unwrap();
        let expected = Expected::of(scenario, dir.path());
        let plan = expected.plans.last().unwrap();
        let (_, switch) = plan.switch().unwrap();
        let at = switch.at as usize;
        let changed: Vec<_> =
            (0..switch.after.len()).filter(|i| switch.before[*i] != switch.after[*i]).collect();
        // A switch writes at most eight aligned bytes, and changes at most four of them. Disks and
        // processors write such bytes in one piece.
        assert!(switch.after.len() <= 8 && at.is_multiple_of(switch.after.len()));
        assert!(changed.len() <= 4, "{changed:?}");
        for torn in 0..=switch.after.len() {
            let mut left = expected.new.clone();
            left[at..at + switch.after.len()].copy_from_slice(&switch.before);
            left[at..at + torn].copy_from_slice(&switch.after[..torn]);
            let when = format!("{}, torn after {torn} bytes", scenario.name);
            let whole = changed.iter().all(|i| *i < torn) || changed.iter().all(|i| *i >= torn);
            if whole {
                expected.check(&left, &when);
            } else {
                // Only a part of the extension offset was written, so readers refuse the file.
                assert!(Package::from_bytes(left.clone()).is_err(), "{when}");
            }
            let path = dir.path().join("torn.dacti-pack");
            fs::write(&path, &left).unwrap();
            let saved = SavedPlan::open(dir.path().join("saved.plan")).unwrap();
            assert!(saved.apply(&path, Extent::Rest).unwrap().is_done(), "{when}");
            assert!(fs::read(&path).unwrap() == expected.new, "{when}");
        }
    }
}

/// Removes all steps of a plan.
fn take_steps(plan: &mut Value) {
    plan["steps"] = Value::Array(Vec::new());
}

/// Sets the position of a reserve to the last possible position.
fn set_last_position(plan: &mut Value) {
    let steps = plan["steps"].as_array_mut().unwrap();
    let mut reserves = steps.iter_mut().filter_map(|step| step["action"].get_mut("reserve"));
    reserves.next().unwrap()["at"] = u64::MAX.into();
}

#[test]
fn a_saved_plan_refuses_another_file_other_bytes_and_another_turn() {
    // spec: R-CDN-15, R-CDN-40, R-CDN-42
    let dir = tempfile::tempdir().unwrap();
    let scenario = &SCENARIOS[0];
    let expected = Expected::of(scenario, dir.path());
    let (path, plan) = (dir.path().join("package"), dir.path().join("saved.plan"));
    fs::write(&path, &expected.old).unwrap();
    let saved = SavedPlan::open(&plan).unwrap();
    let told =
        |result: Result<dacti::update::SavedStanding, Error>| result.unwrap_err().to_string();
    let error = told(saved.apply(&path, Extent::Step(3)));
    assert_eq!(error, "step 3 is out of order: the next step is 1");
    let error = told(saved.apply(&path, Extent::Step(99)));
    assert!(error.contains("there is no step 99"), "{error}");

    // Another program has changed a byte of the head since the plan was made.
    let mut other = expected.old.clone();
    other[2000] ^= 1;
    fs::write(&path, &other).unwrap();
    let error = told(saved.apply(&path, Extent::Whole));
    assert!(error.starts_with("step 1: the file is neither in the state before"), "{error}");
    assert!(error.contains("its head has the digest"), "{error}");
    assert!(fs::read(&path).unwrap() == other, "nothing was written");

    // Another program has appended bytes to the file since the plan was made.
    let mut other = expected.old.clone();
    other.extend([7; 4096]);
    fs::write(&path, &other).unwrap();
    let error = told(saved.apply(&path, Extent::Rest));
    assert!(error.contains("do not belong to this plan"), "{error}");
    assert!(fs::read(&path).unwrap() == other, "nothing was written");

    // The saved plan is changed in several ways. Each change causes the fault beside it.
    fs::write(&path, &expected.old).unwrap();
    let json: Value = serde_json::from_slice(&fs::read(&plan).unwrap()).unwrap();
    let changes = [
        (take_steps as fn(&mut Value), "the plan has no switch"),
        (set_last_position, "a step writes into old bytes outside the head"),
    ];
    for (change, expected_error) in changes {
        let mut json = json.clone();
        change(&mut json[0]);
        let changed = dir.path().join("changed.plan");
        fs::write(&changed, json.to_string()).unwrap();
        fs::copy(dir.path().join("saved.plan.data"), dir.path().join("changed.plan.data")).unwrap();
        let error = told(SavedPlan::open(&changed).unwrap().apply(&path, Extent::Whole));
        assert!(error.contains(expected_error), "{error}");
        assert!(fs::read(&path).unwrap() == expected.old, "nothing was written");
    }

    // A byte of the plan's data file is changed.
    let data = dir.path().join("saved.plan.data");
    let mut bytes = fs::read(&data).unwrap();
    bytes[100] ^= 1;
    fs::write(&data, bytes).unwrap();
    let error = told(SavedPlan::open(&plan).unwrap().apply(&path, Extent::Whole));
    assert!(error.contains("the bytes were changed, or belong to another plan"), "{error}");
    assert!(fs::read(&path).unwrap() == expected.old, "nothing was written");
}
