//! Two publishers update one package at the same time, in every order of their operations on the
//! store. After each operation, a reader reads everything. Each publisher may crash before any of
//! its operations.

use crate::store::{Memory, NAME};
use crate::updates::{Publisher, assert_reads, head, published};
use bytes::Bytes;
use dacti::publish::{Condition, PartStore, Place, PublishFault, StoredBytes, StoredObject};
use dacti::{Error, ErrorKind, Span};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Decides which publisher may perform the next operation.
#[derive(Debug, Default)]
struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The publisher of each turn, in reverse order: the last element is the publisher of the next
    /// turn.
    order: Vec<usize>,
    done: [bool; 2],
    /// For each publisher, the number of operations that it may still perform before it crashes.
    left: [usize; 2],
    performed: [usize; 2],
}

impl Turns {
    /// Waits until it is the turn of publisher `who`, and then performs an operation.
    fn take<T>(
        &self,
        who: usize,
        operation: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut state = self.state.lock().unwrap();
        loop {
            // Skips the turns of publishers that have ended.
            while state.order.last().is_some_and(|next| state.done[*next]) {
                state.order.pop();
            }
            match state.order.last() {
                Some(next) if *next == who => break,
                // All planned turns are over, so both publishers may go on.
                None => break,
                Some(_) => state = self.changed.wait(state).unwrap(),
            }
        }
        state.order.pop();
        let result = match state.left[who].checked_sub(1) {
            Some(left) => {
                state.left[who] = left;
                state.performed[who] += 1;
                operation()
            }
            None => Err(crashed()),
        };
        drop(state);
        self.changed.notify_all();
        result
    }
}

/// Marks a publisher as ended when dropped: after its update, or after a panic of its reader.
struct Turn(Arc<Turns>, usize);

impl Drop for Turn {
    fn drop(&mut self) {
        let Self(turns, who) = self;
        turns.state.lock().unwrap_or_else(PoisonError::into_inner).done[*who] = true;
        turns.changed.notify_all();
    }
}

fn crashed() -> Error {
    let source = "the publisher is gone".into();
    Error::Remote { place: "memory".into(), kind: ErrorKind::Denied, source }
}

/// The way in which a publisher breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breach {
    None,
    /// It replaces the head without a condition, which breaks R-PART-21.
    Unconditional,
    /// It stores the parts after the head that names them, which breaks R-PART-21.
    PartsLast,
}

/// The store of one publisher. Every operation waits for its turn.
#[derive(Debug)]
struct Seat {
    store: Memory,
    turns: Arc<Turns>,
    who: usize,
    breach: Breach,
    late: Mutex<Vec<(String, Bytes)>>,
}

impl PartStore for Seat {
    fn shown(&self, name: &str) -> String {
        self.store.shown(name)
    }

    fn get(&self, name: &str, range: Option<Span>) -> Result<Option<StoredBytes>, Error> {
        self.turns.take(self.who, || self.store.get(name, range))
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        if self.breach == Breach::PartsLast {
            self.late.lock().unwrap().push((name.into(), bytes));
            return Ok(());
        }
        self.turns.take(self.who, || {
            self.store.put(name, bytes)?;
            look(&self.store);
            Ok(())
        })
    }

    fn replace(&self, name: &str, bytes: Bytes, condition: &Condition) -> Result<(), Error> {
        self.turns.take(self.who, || {
            let any = Condition::Any;
            let is_broken = self.breach == Breach::Unconditional;
            let condition = if is_broken { &any } else { condition };
            self.store.replace(name, bytes, condition)?;
            look(&self.store);
            Ok(())
        })?;
        for (name, bytes) in self.late.lock().unwrap().drain(..) {
            self.turns.take(self.who, || self.store.put(&name, bytes))?;
        }
        Ok(())
    }

    fn list(&self, folder: &str) -> Result<Vec<StoredObject>, Error> {
        self.turns.take(self.who, || self.store.list(folder))
    }

    fn delete(&self, name: &str) -> Result<(), Error> {
        self.turns.take(self.who, || self.store.delete(name))
    }
}

/// Reads every region of the present view. A reader could do so between any two operations.
fn look(store: &Memory) {
    let sequence = head(store).region.sequence;
    assert_reads(store, sequence);
}

/// The number of operations of an update that has no conflict.
const OPERATIONS: usize = 5;

/// Runs two publishers with turns in this order. Each of them puts one region.
fn run(start: &Memory, order: Vec<usize>, left: [usize; 2], breach: Breach) -> Outcome {
    let store = start.copy();
    let order = order.into_iter().rev().collect();
    let state = State { order, left, ..State::default() };
    let turns = Arc::new(Turns { state: Mutex::new(state), changed: Condvar::new() });
    let results: Vec<Result<(), Error>> = std::thread::scope(|scope| {
        let publishers: Vec<_> = (0..2)
            .map(|who| {
                let (turns, store) = (Arc::clone(&turns), store.clone());
                scope.spawn(move || {
                    let _turn = Turn(Arc::clone(&turns), who);
                    let late = Mutex::default();
                    let seat = Seat { store, turns: Arc::clone(&turns), who, breach, late };
                    let place = Place::new(Arc::new(seat), NAME).unwrap();
                    let name = format!("of/{who}");
                    Publisher { place, name }.run()
                })
            })
            .collect();
        publishers.into_iter().map(|publisher| publisher.join().unwrap()).collect()
    });
    let performed = turns.state.lock().unwrap().performed;
    Outcome { store, results, performed }
}

struct Outcome {
    store: Memory,
    results: Vec<Result<(), Error>>,
    performed: [usize; 2],
}

impl Outcome {
    /// Checks the package. It must have the region of each publisher that succeeded, and must lack
    /// the region of each publisher that had a conflict.
    fn judge(&self) {
        let mut expected = BTreeMap::new();
        for (who, result) in self.results.iter().enumerate() {
            match result {
                Ok(()) => drop(expected.insert(format!("of/{who}"), true)),
                Err(Error::Publish(PublishFault::Conflict { .. })) => {
                    expected.insert(format!("of/{who}"), false);
                }
                // A publisher may crash before or after it has replaced the head. So its region may
                // or may not be there.
                Err(Error::Remote { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let package = assert_reads(&self.store, head(&self.store).region.sequence);
        for (name, is_there) in expected {
            let found = package.find(name.as_str()).unwrap().is_some();
            assert_eq!(found, is_there, "{name}: {:?}", self.results);
        }
    }
}

/// Returns all orders of `a` turns of the first publisher and `b` turns of the second publisher.
fn orders(a: usize, b: usize) -> Vec<Vec<usize>> {
    if a == 0 {
        return vec![vec![1; b]];
    }
    if b == 0 {
        return vec![vec![0; a]];
    }
    let first = orders(a - 1, b).into_iter().map(|rest| [vec![0], rest].concat());
    let second = orders(a, b - 1).into_iter().map(|rest| [vec![1], rest].concat());
    first.chain(second).collect()
}

#[test]
fn every_order_of_two_publishers_loses_nothing() {
    // spec: R-PART-21, R-PART-22, R-PART-24, R-PART-26
    let (start, _) = published(3);
    let orders = orders(OPERATIONS, OPERATIONS);
    assert_eq!(orders.len(), 252);
    let mut conflicts = 0;
    for order in orders {
        let outcome = run(&start, order, [usize::MAX; 2], Breach::None);
        assert!(outcome.performed.iter().all(|count| *count >= OPERATIONS - 2));
        outcome.judge();
        conflicts += outcome.results.iter().filter(|result| result.is_err()).count();
    }
    assert!(conflicts > 100, "{conflicts}");
}

#[test]
fn a_publisher_that_crashes_anywhere_harms_nobody() {
    // spec: R-PART-21, R-PART-23
    let (start, _) = published(3);
    // One publisher crashes after each possible number of operations. The operations of the other
    // publisher come before, between or after these operations.
    for crash in 0..OPERATIONS {
        for order in orders(crash, OPERATIONS) {
            let outcome = run(&start, order, [crash, usize::MAX], Breach::None);
            assert!(outcome.results[0].is_err());
            outcome.judge();
        }
    }
}

#[test]
fn a_switch_without_a_condition_loses_an_update() {
    let (start, _) = published(3);
    let caught = std::panic::catch_unwind(|| {
        for order in orders(OPERATIONS, OPERATIONS) {
            run(&start, order, [usize::MAX; 2], Breach::Unconditional).judge();
        }
    });
    assert!(caught.is_err(), "some order loses one of the updates");
}

#[test]
fn a_head_before_its_parts_is_seen_by_readers() {
    let (start, _) = published(3);
    let caught = std::panic::catch_unwind(|| {
        run(&start, vec![0; 12], [usize::MAX, 0], Breach::PartsLast).judge();
    });
    assert!(caught.is_err(), "the reader met a head whose part was not there");
}
