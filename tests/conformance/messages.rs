//! The exact messages of all errors of the lower crates.
//!
//! If the snapshot changes, read it. Each message must state the structure, the position, the
//! expected value and the found value. If the user can do something, the message must say what.

use daicon_core::{Span, Version};
use std::fmt::Display;
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
const OTHER: Uuid = Uuid::from_u128(7);

#[track_caller]
fn check(name: &str, messages: &[&dyn Display]) {
    let text: String = messages.iter().map(|message| format!("{message}\n")).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("messages_{name}"), text));
}

#[test]
fn of_the_container() {
    use daicon_core::{Error, Misuse, Structure};
    let span = Span { start: 28, end: 80 };
    let (one, two) = (Version::new(1, 2), Version::new(2, 0));
    let (what, at) = (Structure::TableEntries, 0x34);
    check(
        "daicon_core",
        &[
            &Error::NotDaicon { found: *b"PK\x03\x04\0\0\0\0" },
            &Error::UnsupportedContainer { found: b'1' },
            &Error::Truncated { what, at, needed: 56, end: 80 },
            &Error::OutOfBounds {
                what: Structure::ComponentRegion,
                at,
                base: u64::MAX,
                offset: 1,
                size: 2,
            },
            &Error::Overlap { what: Structure::TableHeader, at: 29, end: 81, other: span },
            &Error::LimitExceeded { what, at, found: 257, limit: 256 },
            &Error::WrongFormat { expected: ID, found: OTHER },
            &Error::UnsupportedFormatVersion { required: one, found: two },
            &Error::MissingComponent { id: ID, required: one },
            &Error::IncompatibleComponent { id: ID, at, required: one, found: two },
            &Error::Misuse(Misuse::BufferTooShort { needed: 80, len: 79 }),
            &Error::Misuse(Misuse::TooFewSlots { components: 3, slots: 2 }),
            &Error::Misuse(Misuse::DuplicateComponent { id: ID, major: 1 }),
            &Error::Misuse(Misuse::TooManyComponents { found: 300, limit: 256 }),
            &Error::Misuse(Misuse::TooManyTables { found: 65, limit: 64 }),
            &Error::Misuse(Misuse::FirstTable { at: 80 }),
            &Error::Misuse(Misuse::Overlap { at: 79, other: span }),
            &Error::Misuse(Misuse::Extension { extension_at: 60, other: span }),
            &Error::Misuse(Misuse::Link { at: 28, extension_at: 300, next: 80 }),
            &Error::Misuse(Misuse::PastLastPosition { at: u64::MAX }),
            &Error::Misuse(Misuse::RegionBeforeBase { start: 59, base: 60 }),
            &Error::Misuse(Misuse::RegionTooFar { start: 1 << 32, base: 0 }),
            &Error::Misuse(Misuse::RegionTooLong { start: 7, len: 1 << 32 }),
            &Error::Misuse(Misuse::FedAfterEnd),
        ],
    );
}

#[test]
fn of_the_index() {
    use dacti_index::{Encoding, Error, Misuse, Structure};
    let at = 0x1000;
    check(
        "dacti_index",
        &[
            &Error::Truncated { what: Structure::GroupEntries, at, needed: 48, end: 0x1010 },
            &Error::RegionTooSmall { at, groups: 2, needed: 12_280, size: 12_279 },
            &Error::UnsupportedVersion { at, found: 1 },
            &Error::OutOfBounds { at, base: u64::MAX, offset: 1, size: 2 },
            &Error::UnsupportedEncoding { at, encoding: Encoding::from_tag(*b"zstd") },
            &Error::UnsupportedEncoding { at, encoding: Encoding::from_tag(*b"\xff\0z\n") },
            &Error::NoDictionary { at },
            &Error::PastWindow { at, window_len: 65_520 },
            &Error::Brotli { at, offset: 3 },
            &Error::Incomplete { at, size: 9 },
            &Error::TrailingBytes { at, used: 7, size: 9 },
            &Error::TooLong { what: Structure::BrotliStream, at, limit: 65_536 },
            &Error::OutOfMemory { what: Structure::BrotliStream, at },
            &Error::Misuse(Misuse::BufferTooShort { needed: 6136, len: 6135 }),
            &Error::Misuse(Misuse::GroupLength { length: 2, entries: 1 }),
            &Error::Misuse(Misuse::TooManyGroups { groups: 700_000 }),
            &Error::Misuse(Misuse::RegionTooLong { len: 1 << 32 }),
            &Error::Misuse(Misuse::PastLastPosition { entry: 3 }),
            &Error::Misuse(Misuse::FedAfterEnd),
        ],
    );
}

#[test]
fn of_the_names_list() {
    use dacti_names::{Error, PathFault, Structure};
    let faults = [
        PathFault::Empty,
        PathFault::TooLong,
        PathFault::NotUtf8,
        PathFault::Nul,
        PathFault::EmptyPart,
        PathFault::DotPart,
        PathFault::NotNfc,
    ];
    let own = faults.map(|fault| Error::Path { what: Structure::Path, at: 0, fault });
    let (what, fault) = (Structure::NamesPath, PathFault::DotPart);
    let others = [
        Error::Path { what, at: 0x60, fault },
        Error::Truncated { what: Structure::NamesRecord, at: 32, needed: 64, end: 95 },
        Error::Mismatch { what: Structure::NamesRecord, at: 64, expected: 5, found: 4 },
        Error::Unsorted { at: 64 },
        Error::UnsupportedVersion { found: 1 },
        Error::LinkForward { end: 120, start: 119 },
        Error::TooManySegments { limit: 64 },
        Error::ReservedId { id: OTHER },
        Error::TooLarge { bytes: 1 << 32 },
    ];
    let all: Vec<&dyn Display> = own.iter().chain(&others).map(|error| error as _).collect();
    check("dacti_names", &all);
}

#[test]
fn of_reading_over_http() {
    // spec: R-HTTP-22
    use dacti_http::{Coding, Doubt, Error, Fault, Misuse};
    let span = Span { start: 0x10_0000, end: 0x10_03e8 };
    let faults = [
        Fault::Status(204),
        Fault::NotSatisfiable { len: Some(0x10_0000) },
        Fault::NotSatisfiable { len: None },
        Fault::NoRange,
        Fault::OtherRange { found: Span { start: 0, end: 9 } },
        Fault::OtherLength { expected: 1_000, found: 1_001 },
        Fault::Short { at: 0x10_0007 },
        Fault::Doubt(Doubt::Digest),
        Fault::Doubt(Doubt::Contradiction),
        Fault::Doubt(Doubt::Zeros),
    ];
    let stale = faults.map(|fault| Error::Stale { span, fault, tags: true });
    let codings = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd, Coding::Other];
    let encoded = codings.map(|coding| Error::Encoded { span, coding });
    let passing =
        [Fault::Unreachable, Fault::Tls, Fault::Reset, Fault::Timeout, Fault::Status(503)];
    let tags = true;
    let unavailable = passing.map(|fault| Error::Unavailable { span, fault, requests: 4, tags });
    let others = [
        Error::Stale { span, fault: Fault::NoRange, tags: false },
        Error::Unavailable { span, fault: Fault::Status(429), requests: 4, tags: false },
        Error::NoRanges { span, len: Some(70_000_000) },
        Error::NoRanges { span, len: None },
        Error::Busy { status: 503, secs: 120 },
        Error::NotFound { status: 404 },
        Error::Denied { status: 403 },
        Error::Redirects { status: 302 },
        Error::Refused { status: 400 },
        Error::Replaced { expected: [1; 16], found: [0xfe; 16] },
        Error::Unreadable,
        Error::BytesSpent { needed: 65_536, left: 1_000, max: 70_000 },
        Error::RequestsSpent { max: 3 },
        Misuse::OutOfTurn.into(),
    ];
    let all = stale.iter().chain(&encoded).chain(&unavailable).chain(&others);
    let all: Vec<&dyn Display> = all.map(|error| error as _).collect();
    check("dacti_http", &all);
}
