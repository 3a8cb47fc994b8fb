//! Random updates, read through random caches by two readers. One is the reference, which reads a
//! whole file that is assembled from slices of different states. The other is `Package` of the
//! facade, whose source answers like edges.

use crate::cdn_cases::{SEALINGS, case, edges, foreign, put, remove};
use crate::cdn_planner::{Update, built, key, update_with};
use dacti::fetch::ReadAt;
use dacti::{Limits, Package};
use dacti_cdn::{Purge, UpdatePolicy};
use dacti_seal::SealPolicy;
use dacti_tests::cache::{Case, Edge, HEAD, Model, Origin};
use dacti_tests::edit::Sealing;
use dacti_tests::reference::{self as by, Id, NAMES};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use uuid::Uuid;

/// Returns a pseudo-random number, which depends only on the arguments. So the same request always
/// gets the same answer.
fn choose(seed: u64, at: u64, step: u64) -> u64 {
    let mut x =
        seed ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ step.wrapping_mul(0xd1b5_4a32_d192_ed03);
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        x = (x ^ (x >> 30)).wrapping_mul(factor);
    }
    x ^ (x >> 31)
}

/// A session of a reader with a cache of the kind `edge`. The reader has fetched the head at the
/// moment `then`, and fetches all other bytes at the moment `now`.
#[derive(Clone, Copy, Debug)]
struct Session {
    edge: Edge,
    then: usize,
    now: usize,
    seed: u64,
}

impl Session {
    fn read(&self, origin: &Origin, moment: usize, at: u64, len: u64) -> Option<Vec<u8>> {
        let mut step = 0;
        let mut pick = |n: usize| {
            step += 1;
            (choose(self.seed, at, step) % n as u64) as usize
        };
        self.edge.sample(origin, moment, (at, len), &mut pick)
    }

    fn head(&self, origin: &Origin) -> Vec<u8> {
        self.read(origin, self.then, 0, HEAD).expect("a package has a whole head")
    }
}

/// A source that answers as edges can.
#[derive(Debug)]
struct Mixed {
    origin: Arc<Origin>,
    session: Session,
    head: Vec<u8>,
    /// Whether a slice lacked wanted bytes. The reader then has to read past the caches.
    short: AtomicBool,
    /// Whether the reader is reading past the caches.
    escalated: AtomicBool,
}

impl ReadAt for Mixed {
    fn len(&self) -> u64 {
        self.origin.len(self.session.now)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let end = self.len().min(at.saturating_add(buf.len() as u64));
        let end = if at < HEAD { end.min(HEAD) } else { end };
        let Some(len) = end.checked_sub(at).filter(|len| *len > 0) else { return Ok(0) };
        let bytes = if at < HEAD {
            Some(self.head[at as usize..end as usize].to_vec())
        } else if self.escalated.load(Ordering::Relaxed) {
            self.origin.read(self.session.now, at, len)
        } else {
            self.session.read(&self.origin, self.session.now, at, len)
        };
        let Some(bytes) = bytes else {
            self.short.store(true, Ordering::Relaxed);
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        };
        buf[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

/// The numbers of plans, sessions and regions, and of reads that were repeated past caches.
#[derive(Debug, Default)]
struct Tried {
    plans: AtomicU64,
    sessions: AtomicU64,
    regions: AtomicU64,
    escalations: AtomicU64,
}

/// The content of each region.
type Regions = BTreeMap<Id, Vec<u8>>;

/// Returns everything that the facade reads in a session.
fn by_facade(
    origin: &Arc<Origin>,
    session: Session,
    policy: &SealPolicy,
    tried: &Tried,
) -> Regions {
    let source = Arc::new(Mixed {
        origin: Arc::clone(origin),
        session,
        head: session.head(origin),
        short: AtomicBool::new(false),
        escalated: AtomicBool::new(false),
    });
    // The first read may fail only if a slice lacked bytes. The reader then reads again, past the
    // caches.
    let retry = |what: &dyn Fn() -> Result<Vec<u8>, dacti::Error>| {
        what().unwrap_or_else(|error| {
            assert!(source.short.swap(false, Ordering::Relaxed), "{session:?}: {error}");
            tried.escalations.fetch_add(1, Ordering::Relaxed);
            source.escalated.store(true, Ordering::Relaxed);
            let again = what().unwrap_or_else(|error| panic!("{session:?}: escalated: {error}"));
            source.escalated.store(false, Ordering::Relaxed);
            again
        })
    };
    let open = || Package::from_source(Arc::clone(&source) as Arc<dyn ReadAt>, Limits::default());
    let list = || -> Result<Vec<u8>, dacti::Error> {
        let ids = open()?.regions()?.into_iter().map(|located| located.id);
        Ok(ids.flat_map(Uuid::into_bytes).collect())
    };
    let ids = retry(&list);
    let mut out = Regions::new();
    for id in ids.chunks(16).map(|id| Id::try_from(id).expect("sixteen bytes")) {
        if id != NAMES {
            let get = || open()?.require(policy.clone()).get(Uuid::from_bytes(id));
            out.insert(id, retry(&get));
        }
    }
    out
}

/// Returns everything that the reference reads in a session. If a slice lacks bytes, they are taken
/// from the origin.
fn by_reference(origin: &Origin, session: Session) -> Regions {
    let mut file = session.head(origin);
    let len = origin.len(session.now);
    while (file.len() as u64) < len {
        let at = file.len() as u64;
        let end = ((at / session.edge.slice + 1) * session.edge.slice).min(len);
        let mixed = session.read(origin, session.now, at, end - at);
        let whole = || origin.read(session.now, at, end - at).expect("within the file");
        file.extend(mixed.unwrap_or_else(whole));
    }
    let container = by::read_container(&file).expect("a good container");
    let index = by::read_index(&file, &container).expect("a good index");
    let regions = index.regions();
    let contents = regions
        .iter()
        .filter(|(id, _)| **id != NAMES)
        .map(|(id, entry)| (*id, by::content(&file, entry, 1 << 26).expect("a good region")));
    contents.collect()
}

/// Reads the package of a case in many random sessions.
fn read_in_sessions(case: &Case, sealing: Sealing, sessions: u64, seed: u64, tried: &Tried) {
    let (origin, published) = case.play();
    let origin = Arc::new(origin);
    let version = |moment: usize| published.iter().rposition(|at| *at <= moment).unwrap_or(0);
    let models: Vec<&Model> = case.models().collect();
    let policy = match sealing {
        Sealing::None => SealPolicy::Nothing,
        Sealing::Digest => SealPolicy::Digest,
        Sealing::Signed => SealPolicy::Signature(vec![key().public()]),
    };
    let edges = edges();
    tried.plans.fetch_add(case.plans.len() as u64, Ordering::Relaxed);
    for i in 0..sessions {
        let pick = |step: u64, n: usize| (choose(seed, i, step) % n as u64) as usize;
        let now = pick(1, origin.now() + 1);
        // Half of the readers have fetched their head now, and the others at a random earlier
        // moment.
        let then = if i % 2 == 0 { now } else { pick(2, now + 1) };
        let edge = edges[pick(3, edges.len())];
        let session = Session { edge, then, now, seed: choose(seed, i, 4) };
        let floor = origin.moments()[then].floor;
        let allowed: BTreeSet<_> = (version(floor)..=version(then)).collect();
        let readers = [
            ("facade", by_facade(&origin, session, &policy, tried)),
            ("reference", by_reference(&origin, session)),
        ];
        for (reader, seen) in readers {
            tried.sessions.fetch_add(1, Ordering::Relaxed);
            tried.regions.fetch_add(seen.len() as u64, Ordering::Relaxed);
            assert!(
                allowed.iter().any(|version| models[*version].regions == seen),
                "{reader}, {session:?}: neither of the views {allowed:?} of {}",
                case.name
            );
        }
    }
}

/// A random edit.
#[derive(Clone, Debug)]
enum Change {
    Put(usize, usize),
    Remove(usize),
}

fn update() -> impl Strategy<Value = (Vec<Change>, bool, u8, bool)> {
    let len = prop_oneof![Just(0_usize), 1..200_usize, 3000..9000_usize];
    let change = prop_oneof![
        6 => (0..30_usize, len).prop_map(|(path, len)| Change::Put(path, len)),
        1 => (0..30_usize).prop_map(Change::Remove),
    ];
    // The random values are the edits, whether to use Brotli, the number of new components, and
    // whether to move to longer slices.
    (prop::collection::vec(change, 1..12), any::<bool>(), 0..3_u8, prop::bool::weighted(0.2))
}

/// Carries out updates as plans of the simulation. An update has each path only once, and removes
/// only regions that exist.
fn run_updates(
    package: &mut dacti_tests::edit::Published,
    updates: &[(Vec<Change>, bool, u8, bool)],
) -> Vec<dacti_tests::cache::Plan> {
    let mut plans = Vec::new();
    for (version, (changes, brotli, components, larger)) in updates.iter().enumerate() {
        let mut edits = BTreeMap::new();
        for change in changes {
            let path = |i: usize| format!("dir{}/file{i}.bin", i % 3);
            match change {
                Change::Put(i, len) => {
                    edits.insert(path(*i), put(&path(*i), version as u32 + 1, *len));
                }
                Change::Remove(i) if package.model.names.contains_key(&path(*i)) => {
                    edits.insert(path(*i), remove(&path(*i)));
                }
                Change::Remove(_) => {}
            }
        }
        if edits.is_empty() {
            continue;
        }
        let number = 10 * version as u32;
        let components = (0..u32::from(*components)).map(|i| (foreign(number + i), vec![7; 300]));
        let update = Update {
            edits: edits.into_values().collect(),
            brotli: *brotli,
            components: components.collect(),
            explicit_ids: false,
        };
        let slice_len = larger.then_some(package.slice * 4);
        let policy = UpdatePolicy { slice_len, purge: Purge::Head, ..UpdatePolicy::default() };
        plans.push(update_with(package, &update, &policy));
    }
    plans
}

#[test]
fn random_updates_behind_random_caches_are_seen_old_or_new() {
    let seed: u64 = std::env::var("DACTI_SEED").map_or(11, |seed| seed.parse().expect("a number"));
    println!("DACTI_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let tried = Tried::default();
    let packages = SEALINGS.map(|sealing| built(24, 4096, sealing));
    let strategy = (0..3_usize, prop::collection::vec(update(), 1..5), any::<u64>());
    TestRunner::new_with_rng(config, rng)
        .run(&strategy, |(sealing, updates, seed)| {
            let case = case(format!("{updates:?}"), &packages[sealing], |package| {
                run_updates(package, &updates)
            });
            read_in_sessions(&case, SEALINGS[sealing], 60, seed, &tried);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("DACTI_SEED={seed}: {failure}"));
    println!("{tried:?}");
    assert!(tried.escalations.into_inner() > 0, "some slices were short");
}
