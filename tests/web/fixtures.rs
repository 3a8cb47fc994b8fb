//! Reads every fixture that is a package with the reader for browsers. It must return the same
//! bytes and errors as the program.

use crate::{Site, System};
use dacti::fetch::HttpOptions;
use dacti::{Error, Package};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// The UUID of the package format, in the byte order of files.
const PACKAGE: [u8; 16] = [
    0x29, 0x79, 0x0f, 0x5f, 0x77, 0x75, 0xe5, 0x4b, 0x8b, 0xb5, 0x4a, 0x63, 0x19, 0x9b, 0x67, 0x22,
];

/// Copies the fixtures whose format is that of packages, and the fixtures of the area `package`,
/// which may have another format. Returns their names.
fn packages(into: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dacti_tests::FIXTURES).expect("the fixtures are committed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            continue;
        }
        let bytes = fs::read(&path).expect("a file");
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let is_package = bytes.get(8..24) == Some(&PACKAGE) || name.starts_with("package_");
        if name.ends_with(".bin") && is_package {
            fs::copy(&path, into.join(&name)).expect("a file");
            names.push(name);
        }
    }
    names.sort();
    assert!(names.len() > 100, "only {} packages", names.len());
    names
}

/// Returns those properties of an error that a program can read.
fn fault(error: &Error) -> Value {
    // If JavaScript cannot represent a number exactly, the number is a string.
    let at = error.at().map(|at| if at > 1 << 53 { json!(at.to_string()) } else { json!(at) });
    json!({ "kind": error.kind().to_string(), "what": error.what(), "at": at })
}

/// Returns the digest of each region of a package, or the region's error.
fn contents(package: &Package) -> Result<Value, Error> {
    let mut regions = Map::new();
    for listed in package.list()? {
        let content = match listed.path.as_deref() {
            Some(path) => package.get(path),
            None => package.get(listed.located.id),
        };
        let shown = content.map(|content| {
            Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        });
        let value = shown.map_or_else(|error| fault(&error), Value::from);
        regions.insert(listed.name(), value);
    }
    Ok(Value::Object(regions))
}

fn read(opened: Result<Package, Error>) -> Value {
    opened.and_then(|package| contents(&package)).unwrap_or_else(|error| fault(&error))
}

/// The number of damaged packages that are also read from a URL. Each of them takes seconds,
/// because the reader waits in case an upload is in progress.
const DAMAGED: usize = 24;

/// Returns the packages that are read from a URL: all good packages, and a few damaged packages.
fn remote(names: &[String]) -> Vec<&String> {
    let is_good = |name: &&String| {
        let expect = Path::new(dacti_tests::FIXTURES).join(name).with_extension("expect");
        fs::read_to_string(expect).is_ok_and(|text| text.starts_with("ok\n"))
    };
    let damaged = names.iter().filter(|name| !is_good(name)).step_by(9).take(DAMAGED);
    names.iter().filter(is_good).chain(damaged).collect()
}

#[track_caller]
fn check(system: System) {
    let mut names = Vec::new();
    let site = Site::new(|folder| names = packages(folder));
    let remote = remote(&names);
    let found = site.run(system, "packages", &json!([site.url(""), names, remote]));
    // A user can drop a file into a page. Such a file has no folder, so the parts of a package in
    // parts cannot be read.
    let by_file = |name: &String| {
        let bytes = fs::read(site.path().join(name)).expect("it was copied");
        (format!("{name} as a file"), read(Package::from_bytes(bytes)))
    };
    let by_url = |name: &&String| {
        let opened = Package::open_url_with(&site.url(name), &HttpOptions::default());
        ((*name).clone(), read(opened.map(|(package, _)| package)))
    };
    // Several threads read the packages, because the reader waits for seconds at each damaged
    // package.
    let remote = std::thread::scope(|scope| {
        let by_url = &by_url;
        let reads: Vec<_> = remote.iter().map(|name| scope.spawn(|| by_url(name))).collect();
        reads.into_iter().map(|read| read.join().expect("no panic")).collect::<Vec<_>>()
    });
    let mut wrong = Vec::new();
    for (name, expected) in names.iter().map(by_file).chain(remote) {
        if found[&name] != expected {
            wrong.push(format!("{name}\n  expected {expected}\n  found    {}", found[&name]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), names.len(), wrong.join("\n"));
}

#[test]
fn node_reads_every_package_as_the_program_does() {
    check(System::Node);
}

#[test]
fn deno_reads_every_package_as_the_program_does() {
    check(System::Deno);
}

#[test]
fn chromium_reads_every_package_as_the_program_does() {
    check(System::Chromium);
}
