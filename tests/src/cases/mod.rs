//! The list of all fixtures: each has a name, the verdict of a reader, the requirements that it
//! shows, and its bytes.
//!
//! Verdicts of bad files are written by hand from the tables of faults in `docs/spec/`, and never
//! come from our code.

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

/// One fixture.
#[derive(Clone, Copy)]
pub struct Case {
    /// `<area>_<condition>`.
    pub name: &'static str,
    /// `ok`, or `error <kind> <structure> at 0x<hex>`.
    pub verdict: &'static str,
    /// The requirements shown, separated by commas.
    pub spec: &'static str,
    /// The file.
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

/// Every fixture, by area.
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
