//! Code that several modules use: the committed fixtures, verdict lines, and random numbers from a
//! seed that is printed.

use dacti_tests::reference::Id;
use std::fmt::Display;
use std::fs;
use std::path::Path;
use uuid::Uuid;

/// A committed fixture.
pub struct Fixture {
    /// Its name, which starts with its area.
    pub name: String,
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// The first line of its `.expect` file.
    pub verdict: String,
    /// The lines of its `.expect` file after the second one.
    pub dump: String,
}

impl Fixture {
    /// Returns whether readers must accept the file.
    pub fn is_good(&self) -> bool {
        self.verdict == "ok"
    }
}

/// Returns the fixtures of an area, in the order of their names.
pub fn fixtures(area: &str) -> Vec<Fixture> {
    let directory = Path::new(dacti_tests::FIXTURES);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the fixtures are committed") {
        let path = entry.expect("the directory can be read").path();
        let name = path.file_stem().expect("files have names").to_string_lossy().into_owned();
        if path.extension().is_some_and(|end| end == "expect")
            && name.starts_with(&format!("{area}_"))
        {
            let expect = fs::read_to_string(&path).expect("an expectation is text");
            let mut lines = expect.splitn(3, '\n');
            let verdict = lines.next().unwrap_or_default().to_owned();
            let dump = lines.nth(1).unwrap_or_default().to_owned();
            let bytes = fs::read(path.with_extension("bin")).expect("each expectation has a file");
            found.push(Fixture { name, bytes, verdict, dump });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Compares one of our readers with all fixtures of an area, of which there must be `at_least`.
/// Fails with a list of all differences.
#[track_caller]
pub fn check(area: &str, at_least: usize, ours: impl Fn(&[u8]) -> Result<String, String>) {
    let all = fixtures(area);
    assert!(all.len() >= at_least, "only {} fixtures of {area}", all.len());
    let mut wrong = Vec::new();
    for fixture in &all {
        let (verdict, dump) = match ours(&fixture.bytes) {
            Ok(dump) => ("ok".to_owned(), dump),
            Err(verdict) => (verdict, String::new()),
        };
        if verdict != fixture.verdict {
            wrong.push(format!("{}: must be {:?}, is {verdict:?}", fixture.name, fixture.verdict));
        } else if dump != fixture.dump {
            wrong.push(format!("{}: must hold\n{}holds\n{dump}", fixture.name, fixture.dump));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

/// Returns the verdict line for an error of this kind, structure and position.
pub fn verdict(kind: impl Display, what: impl Display, at: impl Into<Option<u64>>) -> String {
    match at.into() {
        Some(at) => format!("error {kind} {what} at {at:#x}"),
        None => format!("error {kind} {what} nowhere"),
    }
}

/// Returns the verdict line for an error of a container.
pub fn container_verdict(error: &daicon_core::Error) -> String {
    verdict(
        error.kind(),
        error.what().map_or_else(String::new, |what| what.to_string()),
        error.at(),
    )
}

/// Returns the verdict line for an error of an index.
pub fn index_verdict(error: &dacti_index::Error) -> String {
    verdict(
        error.kind(),
        error.what().map_or_else(String::new, |what| what.to_string()),
        error.at(),
    )
}

/// Returns the verdict line for an error of a names list.
pub fn names_verdict(error: &dacti_names::Error) -> String {
    verdict(error.kind(), error.what(), error.at())
}

/// Converts a UUID of our crates to an id of the reference.
pub fn id_of(id: Uuid) -> Id {
    *id.as_bytes()
}

/// Converts an id of the reference to a UUID of our crates.
pub fn uuid_of(id: Id) -> Uuid {
    Uuid::from_bytes(id)
}

/// Returns those bytes of `start..end` that the file has. If the file ends before `end`, fewer
/// bytes are returned, or none.
pub fn read(file: &[u8], start: u64, end: u64) -> &[u8] {
    let clamp = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(file.len());
    &file[clamp(start)..clamp(end)]
}

/// A generator of pseudo-random numbers (splitmix64).
pub struct Random(pub u64);

impl Random {
    /// Returns the next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`. `end` must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
