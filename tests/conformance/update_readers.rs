//! Reads a package in other processes while it is updated several hundred times.

use dacti::update::{Update, UpdateOptions};
use dacti::{BuildOptions, EncodingChoice, Package, PackageBuilder};
use std::path::Path;
use std::process::{Command, Stdio};

/// The environment variable that names the package for a child process to read.
const CHILD: &str = "DACTI_TESTS_READER";
const UPDATES: u32 = 500;
const READERS: usize = 3;
const PATHS: u32 = 20;

/// Returns the content of a region in a version. The content states the version, so that a mix of
/// versions is noticed.
fn content(path: u32, version: u32) -> Vec<u8> {
    format!("{path} {version} {}", "v".repeat((version % 50) as usize)).into_bytes()
}

fn version_of(content: &[u8]) -> u32 {
    let text = str::from_utf8(content).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Reads all regions by one view. Checks that they have the same version, and returns it.
fn read(package: &Package) -> u32 {
    let mut versions = Vec::new();
    for path in 0..PATHS {
        let found = package.get(&format!("path/{path}")).unwrap();
        let version = version_of(&found);
        assert_eq!(found, content(path, version), "path {path}");
        versions.push(version);
    }
    versions.dedup();
    assert_eq!(versions.len(), 1, "a mixture: {versions:?}");
    versions[0]
}

/// Opens the package and reads it, again and again. Also reads by old views that it still has open.
fn reader(path: &Path) {
    let mut held: Vec<(Package, u32)> = Vec::new();
    let (mut last, mut opened) = (0, 0);
    while last < UPDATES {
        let package = Package::open(path).unwrap();
        let version = read(&package);
        assert!(version >= last, "back from {last} to {version}");
        last = version;
        opened += 1;
        if opened % 16 == 1 {
            held.push((package, version));
        }
        if opened % 64 == 0 {
            for (package, version) in &held {
                assert_eq!(read(package), *version, "an old view has changed");
            }
        }
    }
    for (package, version) in &held {
        assert_eq!(read(package), *version, "an old view has changed");
    }
    println!("opened {opened} times, {} views held", held.len());
}

#[test]
fn readers_in_other_processes_see_one_version_or_the_next() {
    // spec: R-CDN-30, R-CDN-31
    if let Some(path) = std::env::var_os(CHILD) {
        return reader(Path::new(&path));
    }
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = dir.path().join("package.dacti-pack");
    let encoding = EncodingChoice::None;
    let mut builder =
        PackageBuilder::new(BuildOptions { slice_len: 4096, encoding, ..BuildOptions::default() });
    for number in 0..PATHS {
        builder.add(format!("path/{number}"), content(number, 0)).unwrap();
    }
    builder.build(&path).unwrap();
    let child = || {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "--quiet", "--nocapture", "--test-threads=1"]);
        child.arg("update_readers::readers_in_other_processes_see_one_version_or_the_next");
        child.env(CHILD, &path).stdout(Stdio::piped()).stderr(Stdio::piped());
        child.spawn().unwrap()
    };
    let readers: Vec<_> = (0..READERS).map(|_| child()).collect();
    for version in 1..=UPDATES {
        let mut update = Update::open(&path, UpdateOptions::default()).unwrap();
        for number in 0..PATHS {
            update.put(format!("path/{number}"), content(number, version)).unwrap();
        }
        update.plan().unwrap().apply().unwrap();
    }
    for reader in readers {
        let output = reader.wait_with_output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        print!("{out}");
        assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    }
}
