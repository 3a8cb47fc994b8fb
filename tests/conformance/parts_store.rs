//! A store in memory. It counts its operations, and lets them fail if the test wants it.

use bytes::Bytes;
use dacti::fetch::{Location, SessionOptions};
use dacti::publish::{
    Condition, ObjectTag, PartStore, Place, PublishFault, StoredBytes, StoredObject,
};
use dacti::{Error, ErrorKind, Span};
use dacti_tests::reference::parts;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

/// The length of a digest in bytes.
const DIGEST_LEN: u64 = 32;
/// The name of the head in all tests.
pub const NAME: &str = "p.dacti-pack";

/// An operation of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Get(String),
    Put(String, usize),
    Replace(String),
    List(String),
    Delete(String),
}

/// What happens to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Works,
    /// The operation fails, and changes nothing.
    Fails,
    /// The operation changes the store, but its caller gets an error.
    AnswerLost,
}

type Fates = dyn Fn(usize, &Op) -> Fate + Send + Sync;

#[derive(Debug, Clone)]
struct Object {
    bytes: Bytes,
    /// How many times an object was stored under this name.
    version: u64,
    stored: SystemTime,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    ops: Vec<Op>,
    fates: Option<Box<Fates>>,
}

/// A store in memory. All clones share the same objects.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no thread panicked")
    }

    /// Returns the place of the head in this store.
    pub fn place(&self) -> Place {
        Place::new(Arc::new(self.clone()), NAME).expect("it is a name")
    }

    /// Sets a function that decides what happens to each operation from now on. The operations are
    /// numbered from 0.
    pub fn fates(&self, fates: impl Fn(usize, &Op) -> Fate + Send + Sync + 'static) {
        let mut state = self.state();
        state.ops.clear();
        state.fates = Some(Box::new(fates));
    }

    /// Lets all operations succeed from now on. Returns the operations since the call of `fates`.
    pub fn works(&self) -> Vec<Op> {
        let mut state = self.state();
        state.fates = None;
        std::mem::take(&mut state.ops)
    }

    /// Returns a new store with the same objects.
    pub fn copy(&self) -> Self {
        let objects = self.state().objects.clone();
        Self(Arc::new(Mutex::new(State { objects, ..State::default() })))
    }

    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.state().objects.get(name).map(|object| object.bytes.to_vec())
    }

    pub fn names(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    pub fn set(&self, name: &str, bytes: Vec<u8>) {
        let _ = self.state().store(name, bytes.into());
    }

    pub fn remove(&self, name: &str) {
        assert!(self.state().objects.remove(name).is_some(), "{name} is there");
    }

    /// Makes every object older by this time.
    pub fn age(&self, by: Duration) {
        for object in self.state().objects.values_mut() {
            object.stored -= by;
        }
    }

    /// Returns the published package in one file, as the reference assembles it from the parts.
    pub fn assembled(&self) -> Vec<u8> {
        self.assembled_of(NAME)
    }

    pub fn assembled_of(&self, name: &str) -> Vec<u8> {
        let head = self.bytes(name).expect("there is a head");
        let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
        parts::assemble(&head, &hash, &|name| {
            self.bytes(name).unwrap_or_else(|| panic!("the part {name} is missing"))
        })
    }

    fn decide(&self, op: Op) -> Fate {
        let mut state = self.state();
        let number = state.ops.len();
        let fate = state.fates.as_ref().map_or(Fate::Works, |fates| fates(number, &op));
        state.ops.push(op);
        fate
    }

    fn work<T>(
        &self,
        op: Op,
        work: impl FnOnce(&mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self.decide(op) {
            Fate::Works => work(&mut self.state()),
            Fate::Fails => Err(broken()),
            Fate::AnswerLost => work(&mut self.state()).and(Err(broken())),
        }
    }
}

fn broken() -> Error {
    let place = Location::from("memory");
    Error::Remote { place, kind: ErrorKind::Unavailable, source: "the connection broke".into() }
}

impl State {
    fn store(&mut self, name: &str, bytes: Bytes) -> u64 {
        let version = self.objects.get(name).map_or(0, |object| object.version) + 1;
        let object = Object { bytes, version, stored: SystemTime::now() };
        self.objects.insert(name.to_owned(), object);
        version
    }
}

fn tag(object: &Object) -> ObjectTag {
    ObjectTag { tag: Some(object.version.to_string()), version: None }
}

impl PartStore for Memory {
    fn shown(&self, name: &str) -> String {
        name.to_owned()
    }

    fn get(&self, name: &str, range: Option<Span>) -> Result<Option<StoredBytes>, Error> {
        self.work(Op::Get(name.to_owned()), |state| {
            Ok(state.objects.get(name).map(|object| {
                let len = object.bytes.len();
                let range = range.map_or(0..len, |range| {
                    (range.start as usize).min(len)..(range.end as usize).min(len)
                });
                let bytes = object.bytes.slice(range);
                StoredBytes { bytes, len: len as u64, tag: tag(object) }
            }))
        })
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        self.work(Op::Put(name.to_owned(), bytes.len()), |state| {
            state.store(name, bytes);
            Ok(())
        })
    }

    fn replace(&self, name: &str, bytes: Bytes, condition: &Condition) -> Result<(), Error> {
        self.work(Op::Replace(name.to_owned()), |state| {
            let there = state.objects.get(name).map(tag);
            let holds = match condition {
                Condition::Any => true,
                Condition::Absent => there.is_none(),
                Condition::Unchanged(expected) => there.as_ref() == Some(expected),
            };
            if !holds {
                return Err(PublishFault::Conflict { place: name.to_owned() }.into());
            }
            state.store(name, bytes);
            Ok(())
        })
    }

    fn list(&self, folder: &str) -> Result<Vec<StoredObject>, Error> {
        self.work(Op::List(folder.to_owned()), |state| {
            let below = state.objects.iter().filter(|(name, _)| {
                name.strip_prefix(folder).is_some_and(|own| !own.contains('/'))
            });
            let object = |(name, object): (&String, &Object)| StoredObject {
                name: name.clone(),
                len: object.bytes.len() as u64,
                modified: object.stored,
            };
            Ok(below.map(object).collect())
        })
    }

    fn delete(&self, name: &str) -> Result<(), Error> {
        self.work(Op::Delete(name.to_owned()), |state| {
            state.objects.remove(name);
            Ok(())
        })
    }
}

/// A store in memory that counts how many reads of one digest are in progress at once.
#[derive(Debug, Clone, Default)]
pub struct Meeting(pub Memory, Arc<(Mutex<Met>, Condvar)>);

#[derive(Debug, Clone, Copy, Default)]
pub struct Met {
    /// The number of reads in progress now.
    now: usize,
    /// The maximum of this number so far.
    pub max: usize,
    /// The number of all reads.
    pub reads: usize,
}

impl Meeting {
    /// Returns the numbers since the last call of this.
    pub fn take(&self) -> Met {
        std::mem::take(&mut *self.1.0.lock().expect("no thread panicked"))
    }

    /// Waits until `number` reads were in progress at once, but at most for a second.
    fn meet(&self, number: usize) {
        let (met, change) = &*self.1;
        let mut now = met.lock().expect("no thread panicked");
        now.now += 1;
        now.reads += 1;
        now.max = now.max.max(now.now);
        change.notify_all();
        let limit = Duration::from_secs(1);
        let waited = change.wait_timeout_while(now, limit, |met| met.max < number);
        waited.expect("no thread panicked").0.now -= 1;
    }
}

impl PartStore for Meeting {
    fn shown(&self, name: &str) -> String {
        self.0.shown(name)
    }

    fn get(&self, name: &str, range: Option<Span>) -> Result<Option<StoredBytes>, Error> {
        if range.is_some_and(|range| range.len() == DIGEST_LEN) {
            self.meet(2);
        }
        self.0.get(name, range)
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        self.0.put(name, bytes)
    }

    fn replace(&self, name: &str, bytes: Bytes, condition: &Condition) -> Result<(), Error> {
        self.0.replace(name, bytes, condition)
    }

    fn list(&self, folder: &str) -> Result<Vec<StoredObject>, Error> {
        self.0.list(folder)
    }

    fn delete(&self, name: &str) -> Result<(), Error> {
        self.0.delete(name)
    }
}

/// Returns options with waits that are short enough for tests.
pub fn impatient() -> SessionOptions {
    SessionOptions { upload_wait_millis: 20, backoff_millis: 1, ..SessionOptions::default() }
}
