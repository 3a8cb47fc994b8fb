//! The barriers of an update: the state of the file when a barrier begins, and the state after a
//! barrier has failed.

use crate::update_crash::{Expected, SCENARIOS, run};
use crate::update_files::Disk;
use dacti::update::UpdateFile;
use dacti::update::{Barrier, Digest};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// A file with caches before it. At one of the barriers, a cache is stale.
#[derive(Debug)]
struct Published {
    disk: Arc<Disk>,
    /// The number of the barrier that fails. The first barrier has number 0.
    behind_at: usize,
    barriers: AtomicUsize,
    /// The number of calls that had changed the file when the barrier failed. `None` until then.
    calls: Mutex<Option<usize>>,
}

impl UpdateFile for Published {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.disk.read_at(at, buf)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        self.disk.write_at(at, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync()
    }

    fn modified(&self) -> io::Result<SystemTime> {
        self.disk.modified()
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.disk.set_modified(time)
    }

    fn is_in_place(&self) -> io::Result<bool> {
        self.disk.is_in_place()
    }

    fn barrier(&self, barrier: &Barrier) -> io::Result<()> {
        // The file system may lose bytes that are not synced. So this barrier compares the bytes
        // that a power cut would leave, not the bytes that programs see.
        let origin = self.disk.remains(|| false);
        for probe in &barrier.probes {
            let range = usize::try_from(probe.span.start).unwrap()..;
            let part = &origin[range][..usize::try_from(probe.span.len()).unwrap()];
            assert_eq!(Digest::of(part), probe.digest, "the origin has not what is asked for");
        }
        assert!(!barrier.probes.is_empty());
        if self.barriers.fetch_add(1, Ordering::Relaxed) == self.behind_at {
            *self.calls.lock().unwrap() = Some(self.disk.calls());
            return Err(io::Error::other("a cache is behind"));
        }
        Ok(())
    }
}

#[test]
fn a_barrier_that_does_not_pass_ends_the_update_and_leaves_it_to_be_resumed() {
    // spec: R-CDN-18
    for scenario in &SCENARIOS {
        let dir = tempfile::tempdir().unwrap();
        let expected = Expected::of(scenario, dir.path());
        let barriers = expected.barriers();
        assert!(barriers >= 2, "{}: before the first step, and before the switch", scenario.name);
        for behind_at in 0..=barriers {
            let disk = Disk::new(expected.old.clone(), usize::MAX);
            let (barriers_met, calls) = (AtomicUsize::new(0), Mutex::default());
            let file =
                Published { disk: Arc::clone(&disk), behind_at, barriers: barriers_met, calls };
            let file = Arc::new(file);
            let ended = run(Arc::clone(&file) as Arc<dyn UpdateFile>, dir.path(), scenario.change);
            let when = format!("{}, barrier {behind_at} of {barriers}", scenario.name);
            if behind_at == barriers {
                ended.unwrap_or_else(|error| panic!("{when}: {error}"));
                assert_eq!(file.barriers.load(Ordering::Relaxed), barriers);
                assert!(disk.seen() == expected.new, "{when}");
                continue;
            }
            let error = ended.expect_err(&when).to_string();
            assert!(error.contains("a cache is behind"), "{when}: {error}");
            let calls = file.calls.lock().unwrap().expect("it was met");
            assert_eq!(calls, disk.calls(), "{when}: nothing is written behind it");
            let left = disk.seen();
            assert!(!expected.check(&left, &when), "{when}: every barrier is before the switch");
            expected.check_resumed(scenario, &left, dir.path(), &when);
        }
    }
}
