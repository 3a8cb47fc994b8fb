//! Runs jobs on several threads with bounded memory, and hands over their results in the order of
//! the jobs.
//!
//! The order makes the output independent of the number of threads. All jobs share one limit on the
//! results that wait. One exception prevents a deadlock: the job whose results are handed over next
//! may always have one waiting result.
//!
//! A long job may use the threads that have no job or that wait.

use crate::Error;
use core::num::NonZeroUsize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A result of a job.
pub(crate) trait Weigh {
    /// Returns the approximate number of bytes of memory that the result takes while it waits.
    fn weight(&self) -> usize;
}

/// A job was stopped because another job failed. The other job's error is reported to the caller.
#[derive(Debug)]
pub(crate) struct Stopped;

/// The channel through which one job hands over its results.
#[derive(Debug)]
pub(crate) struct Lane<'s, T: Weigh> {
    shared: &'s Shared<T>,
    job: usize,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    /// Signals that a result was made, or that a job ended.
    made: Condvar,
    /// Signals that a result was taken, or that another job has its turn.
    taken: Condvar,
    jobs: usize,
    weight_max: usize,
}

#[derive(Debug)]
struct State<T> {
    next_job: usize,
    turn: usize,
    weight: usize,
    stopped: bool,
    /// The number of threads that have no job or wait in `put`, minus the number of threads that
    /// jobs have started in their place. It is negative if a thread continues its own job while the
    /// thread that was started in its place still works.
    idle: isize,
    made: BTreeMap<usize, VecDeque<T>>,
    ended: BTreeMap<usize, Result<(), Error>>,
    /// Results that `take` returned for reuse of their memory.
    spare: Vec<T>,
}

impl<T> State<T> {
    /// Returns whether no result of the job waits.
    fn is_empty(&self, job: usize) -> bool {
        self.made.get(&job).is_none_or(VecDeque::is_empty)
    }
}

/// The maximum number of returned results that are kept for reuse.
const SPARE_MAX: usize = 8;

/// Runs `jobs` jobs on `threads` threads. `take` receives their results, job by job, on the calling
/// thread. If it returns a result, later jobs reuse the memory of that result.
///
/// # Errors
/// The first error in the order of the jobs, or the error of `take`.
pub(crate) fn run<T: Weigh + Send>(
    jobs: usize,
    threads: NonZeroUsize,
    weight_max: usize,
    work: impl Fn(usize, &Lane<'_, T>) -> Result<Result<(), Error>, Stopped> + Sync,
    take: impl FnMut(T) -> Result<Option<T>, Error>,
) -> Result<(), Error> {
    let workers = threads.get().min(jobs);
    let state = State {
        next_job: 0,
        turn: 0,
        weight: 0,
        stopped: false,
        idle: threads.get().saturating_sub(workers).try_into().unwrap_or(isize::MAX),
        made: BTreeMap::new(),
        ended: BTreeMap::new(),
        spare: Vec::new(),
    };
    let shared = Shared {
        state: Mutex::new(state),
        made: Condvar::new(),
        taken: Condvar::new(),
        jobs,
        weight_max,
    };
    std::thread::scope(|scope| {
        crate::threads::start(scope, workers, || || shared.work(&work))?;
        // If `take` fails or panics, the jobs are stopped, because they would wait for `take`
        // forever.
        let stop = StopOnDrop(&shared);
        let result = shared.take_all(take);
        drop(stop);
        result
    })
}

impl<'s, T: Weigh> Lane<'s, T> {
    /// Counts an idle thread as used, so that the job may start a thread in its place. Returns
    /// `None` if no thread is idle.
    pub(crate) fn take_idle(&self) -> Option<Idle<'s, T>> {
        let mut state = self.shared.lock();
        if state.idle < 1 {
            return None;
        }
        state.idle = state.idle.saturating_sub(1);
        Some(Idle(self.shared))
    }

    /// Returns a result to reuse. It still has its old content.
    pub(crate) fn spare(&self) -> Option<T> {
        self.shared.lock().spare.pop()
    }

    /// Hands over a result. Waits while the results that were not taken yet need too much memory.
    /// The job whose turn it is does not wait if all its earlier results were taken.
    pub(crate) fn put(&self, made: T) -> Result<(), Stopped> {
        let weight = made.weight();
        let shared = self.shared;
        let fits = |state: &State<T>| {
            state.stopped
                || (state.turn == self.job && state.is_empty(self.job))
                || state.weight.saturating_add(weight) <= shared.weight_max
        };
        let mut state = shared.lock();
        state.idle = state.idle.saturating_add(1);
        let mut state = shared
            .taken
            .wait_while(state, |state| !fits(state))
            .unwrap_or_else(PoisonError::into_inner);
        state.idle = state.idle.saturating_sub(1);
        if state.stopped {
            return Err(Stopped);
        }
        state.weight = state.weight.saturating_add(weight);
        state.made.entry(self.job).or_default().push_back(made);
        if state.turn == self.job {
            shared.made.notify_all();
        }
        Ok(())
    }
}

/// An idle thread that a job uses. It is given back when this value is dropped.
#[derive(Debug)]
pub(crate) struct Idle<'s, T: Weigh>(&'s Shared<T>);

impl<T: Weigh> Drop for Idle<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.idle = state.idle.saturating_add(1);
    }
}

impl<T: Weigh> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panic in another thread does not corrupt the state, because every change is a single
        // assignment under the lock. When the threads are joined, the panic is raised again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, work: &impl Fn(usize, &Lane<'_, T>) -> Result<Result<(), Error>, Stopped>) {
        let stop = StopOnDrop(self);
        while let Some(job) = self.next_job() {
            let Ok(ended) = work(job, &Lane { shared: self, job }) else { break };
            let mut state = self.lock();
            state.ended.insert(job, ended);
            if state.turn == job {
                self.made.notify_all();
            }
        }
        let mut state = self.lock();
        state.idle = state.idle.saturating_add(1);
        // This thread did not panic, so the other threads continue.
        core::mem::forget(stop);
    }

    fn next_job(&self) -> Option<usize> {
        let mut state = self.lock();
        let job = state.next_job;
        if state.stopped || job >= self.jobs {
            return None;
        }
        state.next_job = job.saturating_add(1);
        Some(job)
    }

    fn take_all(&self, mut take: impl FnMut(T) -> Result<Option<T>, Error>) -> Result<(), Error> {
        for job in 0..self.jobs {
            let mut state = self.lock();
            state.turn = job;
            self.taken.notify_all();
            loop {
                if let Some(made) = state.made.get_mut(&job).and_then(VecDeque::pop_front) {
                    state.weight = state.weight.saturating_sub(made.weight());
                    drop(state);
                    self.taken.notify_all();
                    let spare = take(made)?;
                    state = self.lock();
                    if state.spare.len() < SPARE_MAX {
                        state.spare.extend(spare);
                    }
                } else if let Some(ended) = state.ended.remove(&job) {
                    state.made.remove(&job);
                    ended?;
                    break;
                } else if state.stopped {
                    // A thread panicked, and the scope raises the panic again.
                    return Ok(());
                } else {
                    state = self.made.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        Ok(())
    }
}

/// Stops all jobs when it is dropped.
struct StopOnDrop<'s, T: Weigh>(&'s Shared<T>);

impl<T: Weigh> Drop for StopOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.made.notify_all();
        self.0.taken.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::{Stopped, Weigh, run};
    use crate::Error;
    use core::num::NonZeroUsize;
    use core::sync::atomic::{AtomicUsize, Ordering};

    impl Weigh for usize {
        fn weight(&self) -> usize {
            1
        }
    }

    fn threads(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    #[test]
    fn what_is_made_comes_in_the_order_of_the_jobs() {
        for (workers, weight_max) in [(1, 1), (2, 1), (8, 3), (8, 1000)] {
            let mut taken = Vec::new();
            run(
                50,
                threads(workers),
                weight_max,
                |job, lane| {
                    for i in 0..job % 5 {
                        lane.put(job * 10 + i)?;
                    }
                    Ok(Ok(()))
                },
                |made| {
                    taken.push(made);
                    Ok(None)
                },
            )
            .unwrap();
            let expected: Vec<_> =
                (0..50).flat_map(|job| (0..job % 5).map(move |i| job * 10 + i)).collect();
            assert_eq!(taken, expected);
        }
    }

    #[test]
    fn the_first_error_in_order_is_the_one_that_is_told() {
        let result = run(
            20,
            threads(4),
            2,
            |job, lane| {
                lane.put(job)?;
                let region = format!("{job}");
                Ok(if job == 5 || job == 9 { Err(Error::NotFound { region }) } else { Ok(()) })
            },
            |_: usize| Ok(None),
        );
        assert!(matches!(result, Err(Error::NotFound { region }) if region == "5"));
    }

    /// A result of weight 1 that counts how many such results exist.
    struct Counted<'c>(&'c AtomicUsize);

    impl<'c> Counted<'c> {
        fn new(count: &'c AtomicUsize) -> Self {
            count.fetch_add(1, Ordering::SeqCst);
            Self(count)
        }
    }

    impl Weigh for Counted<'_> {
        fn weight(&self) -> usize {
            1
        }
    }

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_job_whose_turn_it_is_does_not_pile_up_either() {
        let count = AtomicUsize::new(0);
        let mut most = 0;
        run(
            1,
            threads(1),
            3,
            |_, lane| {
                for _ in 0..500 {
                    lane.put(Counted::new(&count))?;
                }
                Ok(Ok(()))
            },
            |taken| {
                // Meanwhile the job has enough time to make more results than the limit allows.
                for _ in 0..100 {
                    std::thread::yield_now();
                }
                most = most.max(count.load(Ordering::SeqCst));
                drop(taken);
                Ok(None)
            },
        )
        .unwrap();
        // At most three results wait. One more is being made, and one is being taken.
        assert!(most <= 5, "{most}");
    }

    #[test]
    fn what_is_given_back_is_lent_again() {
        let mut taken = Vec::new();
        run(
            30,
            threads(1),
            1,
            |_, lane| {
                let made = lane.spare().map_or(1, |spare| spare + 1);
                lane.put(made)?;
                Ok(Ok(()))
            },
            |made| {
                taken.push(made);
                Ok(Some(made))
            },
        )
        .unwrap();
        // At most three results exist at once: one is made, one waits, and one is taken. So each is
        // reused often.
        assert!(taken.iter().max() >= Some(&10), "{taken:?}");
    }

    #[test]
    fn a_job_gets_the_threads_that_have_no_job() {
        let most = AtomicUsize::new(0);
        let work = |job: usize, lane: &super::Lane<'_, usize>| {
            // The other job ends at once, so three of four threads become idle.
            while job == 0 && most.load(Ordering::SeqCst) < 3 {
                let taken: Vec<_> = core::iter::from_fn(|| lane.take_idle()).collect();
                most.fetch_max(taken.len(), Ordering::SeqCst);
                std::thread::yield_now();
            }
            Ok(Ok(()))
        };
        run(2, threads(4), 1, work, |_| Ok(None)).unwrap();
        assert_eq!(most.into_inner(), 3);
    }

    #[test]
    fn a_job_on_the_only_thread_gets_no_other() {
        let work = |_, lane: &super::Lane<'_, usize>| {
            assert!(lane.take_idle().is_none());
            lane.put(1).map(Ok)
        };
        run(2, threads(1), 1, work, |_| Ok(None)).unwrap();
    }

    #[test]
    fn a_failing_taker_stops_the_jobs() {
        let work = |job, lane: &super::Lane<'_, usize>| -> Result<Result<(), Error>, Stopped> {
            loop {
                lane.put(job)?;
            }
        };
        let result = run(4, threads(3), 10, work, |_| Err(Error::Unnamed));
        assert!(matches!(result, Err(Error::Unnamed)));
    }
}
