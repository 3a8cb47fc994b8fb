//! Compares the crates with the fixtures of formats, paths, fences, seals, key files and
//! compaction.

use crate::package::package_verdict;
use crate::support::{self, container_verdict, id_of, read, uuid_of, verdict};
use dacti::compact::{CompactOptions, CompactionFault};
use dacti::seal::{PublicKey, SealKind, SealPolicy, SecretKey};
use dacti::{Error, Package};
use dacti_lookup::{LOOKUP_ID, LOOKUP_VERSION, Lookup, SearchOutcome, find_in_groups};
use dacti_tests::dump;
use dacti_tests::expect::{FORMAT, PATHS, misses, policies};
use dacti_tests::reference::formats::Needed;
use dacti_tests::reference::seals::{EXAMPLE, Policy};
use dacti_tests::reference::{Id, path_id};
use daicon_core::{ComponentMatch, Event, Format, Requirement, Span, TableWalker, Version};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

fn told(error: Error) -> String {
    package_verdict(&error)
}

// ------------------------------------------------------------------------------------------
// Formats
// ------------------------------------------------------------------------------------------

fn requirement(needed: &Needed) -> Requirement<'static> {
    let version = Version::new(needed.major, needed.minor);
    Requirement::with_minors(uuid_of(needed.id), version, needed.minors)
}

fn format(file: &[u8]) -> Result<String, String> {
    let requires: Vec<_> = FORMAT.requires.iter().map(requirement).collect();
    let Requirement { id, version, .. } = requirement(&FORMAT.needed);
    let ours = Format { requires: &requires, ..Format::new(id, version) };
    let told = |error: daicon_core::Error| container_verdict(&error);
    let mut walker: TableWalker = TableWalker::new(Some(file.len() as u64));
    let mut out = String::new();
    while let Some(want) = walker.want() {
        let event = walker.feed(read(file, want.start, want.end)).map_err(told)?;
        if let Some(Event::Preamble(header)) = event {
            ours.check_header(&header).map_err(told)?;
            let Version { major, minor } = header.version();
            out += &dump::head(&id_of(header.id.get()), major, minor, file.len() as u64);
        }
    }
    ours.check(walker.components()).map_err(told)?;
    for (required, answer) in ours.matches(walker.components()) {
        let ComponentMatch::Found(found) = answer else { unreachable!("the check passed") };
        let version = (found.version.major, found.version.minor);
        out += &dump::met(&id_of(required.id), version, found.at);
    }
    Ok(out)
}

#[test]
fn fixtures_of_formats() {
    support::check("format", 30, format);
}

// ------------------------------------------------------------------------------------------
// Paths
// ------------------------------------------------------------------------------------------

fn paths(file: &[u8]) -> Result<String, String> {
    let mut out = String::new();
    for path in PATHS {
        // Each path gets a newly opened package. Otherwise, a look-up could use what an earlier
        // look-up read.
        let package = Package::from_bytes(file.to_vec()).map_err(told)?;
        let found = package.find(path).map(|found| found.map(|found| id_of(found.id)));
        out += &dump::path(path, found.map_err(told));
    }
    Ok(out)
}

#[test]
fn fixtures_of_path_look_ups() {
    support::check("path", 14, paths);
}

// ------------------------------------------------------------------------------------------
// Fences
// ------------------------------------------------------------------------------------------

fn lookup_verdict(error: &dacti_lookup::Error) -> String {
    verdict(
        error.kind(),
        error.what().map_or_else(String::new, |what| what.to_string()),
        error.at(),
    )
}

/// Returns the position of the entry that counts for an id. Searches the delta groups first, and
/// then the runs with their fences. Returns `None` for a removal.
fn search(file: &[u8], index: Span, lookup: &Lookup<'_>, id: Id) -> Result<Option<u64>, String> {
    let told = |error: dacti_lookup::Error| lookup_verdict(&error);
    let groups = lookup.delta_groups();
    let deltas = read(file, index.start + 8, index.end);
    let found = find_in_groups(deltas, index.start + 8, groups, uuid_of(id)).map_err(told)?;
    if let Some(found) = found {
        return Ok((!found.is_removal()).then_some(found.at));
    }
    let mut search = lookup.search(uuid_of(id));
    while let Some(want) = search.want() {
        search.feed(read(file, want.start, want.end)).map_err(told)?;
    }
    Ok(match search.outcome().expect("the search has ended") {
        SearchOutcome::Found(found) => (!found.is_removal()).then_some(found.at),
        SearchOutcome::Absent => None,
    })
}

fn lookup(file: &[u8]) -> Result<String, String> {
    let told = |error: dacti_lookup::Error| lookup_verdict(&error);
    let mut walker: TableWalker = TableWalker::new(Some(file.len() as u64));
    while let Some(want) = walker.want() {
        walker.feed(read(file, want.start, want.end)).map_err(|error| container_verdict(&error))?;
    }
    let index = crate::index::index_span(file)?;
    let seen = crate::index::walk(file, index).0?;
    let Some(component) = walker.find(LOOKUP_ID, LOOKUP_VERSION) else {
        return Ok(dump::no_lookup("none"));
    };
    let span =
        component.span_within(file.len() as u64).map_err(|error| container_verdict(&error))?;
    let lookup = Lookup::parse(read(file, span.start, span.end), span.start).map_err(told)?;
    if !lookup.is_of(index, seen.groups).map_err(told)? {
        return Ok(dump::no_lookup("of another index"));
    }
    lookup.check_fences().map_err(told)?;
    let mut out = dump::lookup((span.start, span.len()), lookup.index_at());
    for (i, run) in lookup.runs().enumerate() {
        let fences: Vec<_> = run.fences.iter().map(|fence| fence.get().to_be_bytes()).collect();
        let at = span.start + 16 + 16 * i as u64;
        let [first, groups, stride] = [run.first_group, run.groups, run.stride].map(u64::from);
        out += &dump::run(at, first, groups, stride, &fences);
    }
    let listed: BTreeSet<Id> = seen.entries.iter().map(|entry| entry.id).collect();
    let listed: Vec<Id> = listed.into_iter().collect();
    let mut missing = String::new();
    for id in misses(&listed) {
        missing += &dump::search(&id, search(file, index, &lookup, id)?);
    }
    for id in listed {
        out += &dump::search(&id, search(file, index, &lookup, id)?);
    }
    Ok(out + &missing)
}

#[test]
fn fixtures_of_fences() {
    support::check("lookup", 52, lookup);
}

#[test]
fn a_package_whose_fences_are_refused_is_read_by_its_index() {
    // spec: R-LKP-21, R-LKP-08, R-LKP-15
    for fixture in support::fixtures("lookup") {
        let package = Package::from_bytes(fixture.bytes.clone()).expect("the index is good");
        let index = crate::index::index_span(&fixture.bytes).expect("the index is good");
        let seen = crate::index::walk(&fixture.bytes, index).0.expect("the index is good");
        for (id, entry) in seen.regions() {
            let found = package.find(uuid_of(id)).expect("it is found by a scan, or by fences");
            let at = found.map(|found| found.at);
            // If a block is out of order, a look-up in it may miss ids.
            let sorted = !fixture.verdict.contains("lookup block");
            assert!(at == Some(entry.at) || !sorted, "{}: {at:?}", fixture.name);
        }
        for id in misses(&seen.regions().into_keys().collect::<Vec<_>>()) {
            assert_eq!(package.find(uuid_of(id)).map_err(told), Ok(None), "{}", fixture.name);
        }
    }
}

// ------------------------------------------------------------------------------------------
// Seals and keys
// ------------------------------------------------------------------------------------------

fn policy_of(policy: Policy<'_>) -> SealPolicy {
    match policy {
        Policy::Nothing => SealPolicy::Nothing,
        Policy::Digest => SealPolicy::Digest,
        Policy::Signature(trusted) => SealPolicy::Signature(
            trusted
                .iter()
                .map(|publisher| {
                    PublicKey::new(&publisher.key(), uuid_of(publisher.package)).expect("a key")
                })
                .collect(),
        ),
    }
}

/// Returns the verdict on a refused region, and then the name of the case. Several cases of the
/// specification have the same verdict, so the verdict alone is not enough.
fn refusal(error: &Error) -> String {
    use dacti_seal::Error as E;
    let case = match error {
        Error::Seal(E::Swapped { .. }) => " (swapped)",
        Error::Seal(E::Unsealed { .. }) => " (unsealed)",
        Error::Seal(E::Unsigned { .. }) => " (unsigned)",
        Error::Seal(E::WrongKey { .. }) => " (wrong key)",
        Error::Seal(E::WrongPackage { .. }) => " (wrong package)",
        _ => "",
    };
    package_verdict(error) + case
}

fn seals(file: &[u8]) -> Result<String, String> {
    let open = || Package::from_bytes(file.to_vec()).map_err(told);
    let package = open()?;
    let view = package.view();
    let mut out = match (view.seals(), view.seals_fault()) {
        (None, None) => dump::seals("none"),
        (_, Some(fault)) => dump::seals(&told(fault.into())),
        (Some(seals), None) => {
            let seal_len = if seals.kind == SealKind::Signature { 96 } else { 32 };
            let lens = (seal_len, seals.seals_max.into());
            dump::seals_of(lens, &id_of(seals.package), &seals.keys)
        }
    };
    let index = crate::index::index_span(file)?;
    let entries = crate::index::walk(file, index).0?.regions();
    for id in entries.into_keys() {
        for (name, policy) in policies() {
            let package = open()?.require(policy_of(policy));
            let judged = package.locate(uuid_of(id)).and_then(|found| package.stored(&found));
            let told = judged.map_or_else(|error| refusal(&error), |_| "ok".to_owned());
            out += &dump::judged(&id, name, &told);
        }
    }
    Ok(out)
}

#[test]
fn fixtures_of_seals() {
    support::check("seal", 40, seals);
}

fn key(bytes: &[u8]) -> Result<String, String> {
    let none = || "error misuse key file at 0x0".to_owned();
    let text = std::str::from_utf8(bytes).map_err(|_| none())?;
    let (kind, public) = match (PublicKey::from_text(text), SecretKey::from_text(text)) {
        (Ok(public), Err(_)) => ("public", public),
        (Err(_), Ok(secret)) => ("private", secret.public()),
        (Err(_), Err(_)) => return Err(none()),
        (Ok(_), Ok(_)) => unreachable!("a key is public or private"),
    };
    let digits: String = public.key().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("key {kind} {digits} package {}\n", public.package()))
}

#[test]
fn fixtures_of_key_files() {
    support::check("key", 25, key);
}

// ------------------------------------------------------------------------------------------
// Compaction
// ------------------------------------------------------------------------------------------

/// Returns the verdict on a package whose compaction was refused.
fn compaction_verdict(package: &Package, error: &Error) -> String {
    match error {
        Error::Damaged { fault, .. } => package_verdict(fault),
        Error::Compaction { fault: CompactionFault::ForeignComponent { id } } => {
            let components = package.view().components();
            let at = components.iter().find(|found| found.id == *id).map(|found| found.at);
            verdict(error.kind(), "component", at)
        }
        Error::Compaction { fault: CompactionFault::NamesUnsigned } => {
            let list = package.find(uuid_of(dacti_tests::reference::NAMES)).expect("a good index");
            verdict(error.kind(), "names list", list.map(|list| list.span.start))
        }
        Error::Compaction { fault: CompactionFault::TooManyKeys { .. } } => {
            let components = package.view().components();
            let seals = components.iter().find(|found| found.id == dacti::seal::SEAL_ID);
            let at = seals.and_then(|found| found.span().ok()).map(|span| span.start);
            verdict(error.kind(), "seal component", at)
        }
        other => package_verdict(other),
    }
}

fn compacted(file: &[u8], key: Option<&SecretKey>) -> Result<String, String> {
    let package = Package::from_bytes(file.to_vec()).map_err(told)?;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("new.dacti-pack");
    let (options, go_on) = (CompactOptions::default(), &mut |_| ControlFlow::Continue(()));
    let done = match key {
        Some(key) => package.sign(&path, key, &options, go_on),
        None => package.compact(&path, &options, go_on),
    };
    if let Err(error) = done {
        assert!(!path.exists(), "nothing stands under the new name");
        return Err(compaction_verdict(&package, &error));
    }
    let new = std::fs::read(&path).expect("it is there");
    let mut out = dump::compacted(new.len() as u64, blake3::hash(&new).as_bytes());
    let new = Package::from_bytes(new).map_err(told)?;
    let regions = new.regions().map_err(told)?;
    for found in &regions {
        let span = (found.span.start, found.span.len());
        out += &dump::region(&id_of(found.id), span, found.encoding.tag(), None);
    }
    for name in new.names().map_err(told)?.all() {
        let hint = name.decoded_len.unwrap_or(dacti_tests::reference::UNKNOWN);
        out += &dump::name(name.path, &id_of(name.id()), hint);
    }
    Ok(out)
}

#[test]
fn fixtures_of_compaction() {
    support::check("compact", 27, |file| compacted(file, None));
}

#[test]
fn fixtures_of_signing() {
    let key = SecretKey::from_seed(&EXAMPLE.seed, uuid_of(EXAMPLE.package));
    support::check("sign", 6, |file| compacted(file, Some(&key)));
}

// ------------------------------------------------------------------------------------------
// Paths and Unicode
// ------------------------------------------------------------------------------------------

#[test]
fn paths_are_normalised_by_the_unicode_that_the_specification_names() {
    // spec: R-PATH-01
    assert_eq!(unicode_normalization::UNICODE_VERSION, (18, 0, 0));
    // Unicode has not assigned U+0378, so normalisation neither composes it nor moves it.
    for path in ["\u{378}", "a\u{378}", "\u{378}\u{301}"] {
        let id = dacti::region_id(path).map(id_of);
        assert_eq!(id, Ok(path_id(path)), "{path:?}");
    }
    // A letter followed by a mark is refused if Unicode has a composed form of them.
    assert!(dacti::region_id("e\u{301}").is_err());
}
