//! Every fixture that is a package: the reader for browsers gives the program's bytes and errors.

use crate::{Site, System};
use dacti::fetch::HttpOptions;
use dacti::{Error, Package};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// UUID of the package format, as it stands in a file.
const PACKAGE: [u8; 16] = [
    0x29, 0x79, 0x0f, 0x5f, 0x77, 0x75, 0xe5, 0x4b, 0x8b, 0xb5, 0x4a, 0x63, 0x19, 0x9b, 0x67, 0x22,
];

/// Copies the fixtures that are packages, and returns their names.
fn packages(into: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dacti_tests::FIXTURES).expect("the fixtures are committed") {
        let path = entry.expect("an entry").path();
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

/// Returns what a program can tell of an error.
fn fault(error: &Error) -> Value {
    json!({ "kind": error.kind().to_string(), "what": error.what(), "at": error.at() })
}

/// Returns every region of a package by its digest, or its error.
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

#[track_caller]
fn check(system: System) {
    let mut names = Vec::new();
    let site = Site::new(|folder| names = packages(folder));
    let found = site.run(system, "packages", &json!([site.url(""), names]));
    let mut wrong = Vec::new();
    for name in &names {
        let options = HttpOptions::default();
        let by_url = Package::open_url_with(&site.url(name), &options).map(|(package, _)| package);
        let by_file = Package::open(site.path().join(name));
        let forms = [(name.clone(), read(by_url)), (format!("{name} as a file"), read(by_file))];
        for (name, expected) in forms {
            if found[&name] != expected {
                wrong.push(format!("{name}\n  expected {expected}\n  found    {}", found[&name]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), names.len(), wrong.join("\n"));
}

#[test]
fn node_reads_every_package_as_the_program_does() {
    check(System::Node);
}

#[test]
fn chromium_reads_every_package_as_the_program_does() {
    check(System::Chromium);
}
