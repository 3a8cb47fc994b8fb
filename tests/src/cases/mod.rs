//! The list of all fixtures. Each fixture has a name, the verdict of a reader, the rules that it
//! shows, and its bytes.
//!
//! A person writes the verdict of a bad file, from the tables of faults in `docs/spec/`. A verdict
//! never comes from our code.

mod compact;
mod container;
mod dictionary;
mod format;
mod index;
mod key;
mod lookup;
mod names;
mod package;
mod parts;
mod path;
mod seal;

/// A fixture.
#[derive(Clone, Copy)]
pub struct Case {
    /// The name: the area, an underscore, and the condition.
    pub name: &'static str,
    /// The verdict: `ok`, or `error <kind> <structure> at 0x<hex>`.
    pub verdict: &'static str,
    /// The ids of the rules that the fixture shows, separated by commas.
    pub spec: &'static str,
    /// Returns the bytes of the file.
    pub bytes: fn() -> Vec<u8>,
}

const fn good(name: &'static str, spec: &'static str, bytes: fn() -> Vec<u8>) -> Case {
    Case { name, verdict: "ok", spec, bytes }
}

const fn bad(
    name: &'static str,
    verdict: &'static str,
    spec: &'static str,
    bytes: fn() -> Vec<u8>,
) -> Case {
    Case { name, verdict, spec, bytes }
}

/// Returns all fixtures, area by area.
#[must_use]
pub fn all() -> Vec<Case> {
    [
        container::CASES,
        index::CASES,
        names::CASES,
        package::CASES,
        dictionary::CASES,
        format::CASES,
        path::CASES,
        lookup::CASES,
        seal::CASES,
        key::CASES,
        compact::CASES,
        parts::CASES,
    ]
    .concat()
}
