//! Writes the committed fixtures. With `--check`, it compares them with new ones and writes
//! nothing.
//!
//! It uses only the reference implementation. If the reference reader's verdict on a case differs
//! from the stated verdict, the program fails.

use dacti_tests::cases::{self, Case};
use dacti_tests::expect;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const AREAS: [&str; 12] = [
    "container",
    "index",
    "names",
    "package",
    "format",
    "path",
    "lookup",
    "seal",
    "key",
    "compact",
    "sign",
    "parts",
];

fn main() -> ExitCode {
    let check = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [only] if only == "--check" => true,
        _ => {
            eprintln!("usage: fixtures [--check]");
            return ExitCode::from(2);
        }
    };
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut wrong = Vec::new();
    let mut listed = BTreeSet::new();
    for case in cases::all() {
        let expected = expectation(&case, &mut wrong);
        for (extension, content) in [("bin", (case.bytes)()), ("expect", expected.into_bytes())] {
            let path = directory.join(format!("{}.{extension}", case.name));
            if !listed.insert(path.clone()) {
                wrong.push(format!("{}: two cases have this name", case.name));
            }
            if check {
                match fs::read(&path) {
                    Ok(found) if found == content => {}
                    Ok(_) => wrong.push(format!("{}: differs", path.display())),
                    Err(error) => wrong.push(format!("{}: {error}", path.display())),
                }
            } else if let Err(error) = fs::write(&path, content) {
                wrong.push(format!("{}: {error}", path.display()));
            }
        }
    }
    wrong.extend(
        strays(&directory, &listed).iter().map(|path| format!("{}: no case", path.display())),
    );
    for line in &wrong {
        eprintln!("{line}");
    }
    println!("{} fixtures in {}", listed.len() / 2, directory.display());
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns the text of the `.expect` file of a case.
fn expectation(case: &Case, wrong: &mut Vec<String>) -> String {
    let area = case.name.split('_').next().unwrap_or_default();
    let (verdict, dump) = match expect::dump_of(area, &(case.bytes)()) {
        Ok(dump) => ("ok".to_owned(), dump),
        Err(fault) => (fault.to_string(), String::new()),
    };
    if verdict != case.verdict {
        wrong.push(format!(
            "{}: listed as {:?}, the reference says {verdict:?}",
            case.name, case.verdict
        ));
    }
    format!("{}\nspec: {}\n{dump}", case.verdict, case.spec)
}

/// Returns the files whose names begin with an area, although no case writes them.
fn strays(directory: &Path, listed: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let area = name.and_then(|name| name.split('_').next().map(str::to_owned));
            area.is_some_and(|area| AREAS.contains(&area.as_str())) && !listed.contains(path)
        })
        .collect()
}
