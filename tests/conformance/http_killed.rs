//! Kills `dacti pull` with a signal, at each of fifty requests, while another thread reads the
//! copy.

use crate::{Server, right};
use dacti::{BuildOptions, DigestListChoice, EncodingChoice, Package, PackageBuilder};
use dacti_tests::program::program;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const KILLS: usize = 50;
/// The time that the reading thread waits between two reads of the copy.
const PAUSE: Duration = Duration::from_millis(2);
/// The number of regions, and the numbers of two regions whose contents differ between the two
/// versions.
const REGIONS: usize = 1_500;
const CHANGED: [usize; 2] = [7, 1_457];

fn content(n: usize, version: usize) -> Vec<u8> {
    format!("region {n} in version {version}, ").repeat(40).into_bytes()
}

/// Builds a package, and returns its bytes. In version 1, every 25th region has another content.
fn build(at: &Path, version: usize) -> Vec<u8> {
    let options = BuildOptions {
        slice_len: 4096,
        encoding: EncodingChoice::None,
        digest_list: DigestListChoice::Always,
        ..BuildOptions::default()
    };
    let mut builder = PackageBuilder::new(options);
    for n in 0..REGIONS {
        let version = if n % 25 == 7 { version } else { 0 };
        builder.add(format!("file/{n}").as_str(), content(n, version)).expect("a new path");
    }
    builder.build(at).expect("it is built");
    fs::read(at).expect("it is there")
}

fn pull(url: &str, copy: &Path) -> Child {
    let mut command = Command::new(program());
    command.args(["pull", "--quiet", url]).arg(copy);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

/// Replaces the file of a name in one step. So a reader of this name never sees a part of the
/// bytes.
fn replace(copy: &Path, bytes: &[u8]) {
    let scratch = copy.with_extension("scratch");
    fs::write(&scratch, bytes).expect("it is written");
    fs::rename(scratch, copy).expect("it is renamed");
}

/// Reads changed regions of the copy until `stop` is set. All regions that it reads together must
/// have one version. Returns the number of reads.
fn read_until(copy: &Path, stop: &AtomicBool) -> usize {
    let mut reads = 0;
    while !stop.load(Ordering::Relaxed) {
        let package = Package::open(copy).expect("the copy is always a whole package");
        let got = CHANGED.map(|n| package.get(format!("file/{n}").as_str()).expect("it is there"));
        let is = |version: usize| (0..2).all(|i| got[i] == content(CHANGED[i], version));
        assert!(is(0) || is(1), "regions of two versions, or wrong bytes");
        reads += 1;
        std::thread::sleep(PAUSE);
    }
    reads
}

#[test]
fn a_pull_that_is_killed_at_fifty_requests_goes_on_and_ends_well() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let copy = dir.path().join("copy");
    let old = build(&dir.path().join("old"), 0);
    let new = build(&dir.path().join("new"), 1);
    // When request number `limit` arrives, the server reports this to the test, and sends no
    // answer.
    let limit = Arc::new(AtomicUsize::new(usize::MAX));
    let (reached, at_limit) = channel();
    let (limit_2, reached) = (Arc::clone(&limit), Mutex::new(reached));
    let script = move |seen: &crate::Seen, _: usize, file: &[u8]| {
        if limit_2.load(Ordering::Relaxed) == 0 {
            let _ = reached.lock().expect("no thread panicked").send(());
            std::thread::park();
        } else if limit_2.load(Ordering::Relaxed) != usize::MAX {
            limit_2.fetch_sub(1, Ordering::Relaxed);
        }
        right(seen, file)
    };
    let server = Server::start(new.clone(), Box::new(script));
    replace(&copy, &old);
    assert!(pull(&server.url, &copy).wait().expect("it ends").success());
    assert!(fs::read(&copy).expect("it is there") == new);
    let whole = server.seen().len();
    assert!(whole >= KILLS, "{whole} requests");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_until(&copy, &stop));
        for kill in 0..KILLS {
            replace(&copy, &old);
            limit.store(kill * whole / KILLS, Ordering::Relaxed);
            let mut child = pull(&server.url, &copy);
            at_limit.recv().expect("the request comes");
            child.kill().expect("it runs");
            assert!(!child.wait().expect("it ends").success());
            assert!(
                fs::read(&copy).expect("it is there") == old,
                "kill {kill}: the old copy stays"
            );
            limit.store(usize::MAX, Ordering::Relaxed);
            while at_limit.try_recv().is_ok() {}
            assert!(pull(&server.url, &copy).wait().expect("it ends").success(), "kill {kill}");
            assert!(fs::read(&copy).expect("it is there") == new, "kill {kill}");
        }
        stop.store(true, Ordering::Relaxed);
        let reads = reader.join().expect("no wrong bytes");
        assert!(reads > KILLS, "{reads} reads");
    });
    let mut left: Vec<_> = fs::read_dir(dir.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["copy", "new", "old"], "no unfinished file is left");
}
