//! The reference reader's result for a fixture: the lines of the dump, or the first fault.
//!
//! The area of a fixture is its name up to the first underscore. By the area, this module reads:
//! `container` up to the components' regions, `index` up to the contents of all regions, `package`
//! also the names and the layout. A fixture of `names` is a single segment.
//! `tests/fixtures/README.md` describes all areas.

use crate::dump;
use crate::reference as by;
use crate::reference::dictionary::BROD;
use crate::reference::formats::{Format, Needed, read_format};
use crate::reference::lookup::{read_lookup, search};
use crate::reference::seals::{
    ELSEWHERE, EXAMPLE, Policy, Publisher, STRANGER, judge, read_component, read_key,
};
use crate::reference::{Container, Fault, Id};
use std::collections::BTreeSet;

/// The position of the segment in fixtures of the area `names`. No bytes precede it.
pub const SEGMENT_AT: u64 = 0;

/// Returns the dump of a good file.
///
/// # Errors
/// The first fault of a bad file.
///
/// # Panics
/// If the area is unknown.
pub fn dump_of(area: &str, file: &[u8]) -> Result<String, Fault> {
    match area {
        "container" => container(file),
        "index" => index(file, &by::read_container(file)?),
        "names" => names(file),
        "package" => package(file),
        "format" => format(file),
        "path" => paths(file),
        "lookup" => lookup(file),
        "seal" => seals(file),
        "key" => read_key(file),
        "compact" => compacted(file, None),
        "sign" => compacted(file, Some(&EXAMPLE)),
        "parts" => parts(file),
        other => panic!("no such area: {other}"),
    }
}

fn parts(head: &[u8]) -> Result<String, Fault> {
    let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
    let read = by::parts::read_head(head, &hash)?;
    let region = &read.region;
    let is_signed = EXAMPLE.signed_head(&region.digest, &region.signature);
    let mut out = dump::parts(
        std::str::from_utf8(&region.prefix).expect("it was checked"),
        (region.sequence, region.end, region.expiry),
        read.len,
        is_signed,
    );
    for entry in &region.entries {
        out += &dump::part((entry.start, entry.len), entry.exponent, &entry.digest);
    }
    Ok(out)
}

fn container(file: &[u8]) -> Result<String, Fault> {
    let len = file.len() as u64;
    let seen = by::read_container(file)?;
    let mut out = dump::head(&seen.format, seen.major, seen.minor, len);
    for table in &seen.tables {
        out += &dump::table(table.at, table.base, table.extension, table.count);
    }
    for found in &seen.components {
        let region = by::region(found, len)?;
        out += &dump::component(found.at, &found.id, (found.major, found.minor), region);
    }
    for (at, first_at) in &seen.ignored {
        out += &dump::ignored(*at, *first_at);
    }
    if let Some(at) = seen.looped {
        out += &dump::looped(at);
    }
    for (at, value) in &seen.reserved {
        out += &dump::reserved(*at, *value);
    }
    Ok(out)
}

fn index(file: &[u8], container: &Container) -> Result<String, Fault> {
    let index = by::read_index(file, container)?;
    let mut out = dump::index(index.region, index.groups);
    for entry in &index.entries {
        out += &dump::entry(entry.at, &entry.id, entry.group, entry.offset, entry.size);
    }
    let seals = read_component(file, container, &blake3);
    for (id, entry) in index.regions() {
        let span = by::stored_span(&entry, file.len() as u64)?;
        let dictionary = match entry.encoding {
            BROD => {
                if let Some(seals) = &seals {
                    by::dictionary::check_seal(file, container, &seals.clone()?, &blake3)?;
                }
                by::dictionary::read(file, container).transpose()?
            }
            _ => None,
        };
        if let Some(seals) = &seals {
            let (seals, dictionary) = (seals.clone()?, dictionary.as_deref());
            by::check_seal_after(file, &entry, &seals, dictionary, &blake3)?;
        }
        let content = match entry.encoding {
            by::NONE | by::BROT | BROD => {
                Some(by::dictionary::content_in(file, container, &entry, dump::CAP)?)
            }
            _ => None,
        };
        out += &dump::region(&id, span, entry.encoding, content.as_deref());
    }
    for (id, entry) in index.removals() {
        let (at, _) = by::stored_span(&entry, file.len() as u64)?;
        if let Some(seals) = &seals {
            by::check_seal(file, &entry, &seals.clone()?, &blake3)?;
        }
        out += &dump::removal(&id, at);
    }
    Ok(out)
}

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn names(file: &[u8]) -> Result<String, Fault> {
    let segment = by::segment(file, SEGMENT_AT)?;
    let line = |name: &by::NameSeen| {
        let by::Kept { time, program } = name.kept;
        dump::name(&name.path, &name.id, name.length) + &dump::kept(time, program)
    };
    Ok(segment.names.iter().map(line).collect())
}

fn package(file: &[u8]) -> Result<String, Fault> {
    let seen = by::read_package(file)?;
    let mut out = dump::head(&seen.format, seen.major, seen.minor, file.len() as u64);
    let index_lines = index(file, &seen)?;
    if let Some(layout) = by::read_layout(file, &seen)? {
        let keys = (layout.keys_at, layout.keys_len);
        out += &dump::layout(&layout.file_id, layout.slice, layout.end, layout.deltas, keys);
    }
    out += &index_lines;
    let regions = by::read_index(file, &seen)?.regions();
    let seals = read_component(file, &seen, &blake3).transpose()?;
    // The index has no entry for an earlier segment. But the segment has a seal, like the names
    // list.
    let mut judge = |segment: &by::EntrySeen| match &seals {
        Some(seals) => by::check_seal(file, segment, seals, &blake3),
        None => Ok(()),
    };
    for (path, name) in by::names_list_by(file, &regions, dump::CAP, &mut judge)? {
        // The dump leaves out names whose id has no entry.
        if regions.contains_key(&name.id) {
            out += &dump::name(&path, &name.id, name.length);
        }
    }
    Ok(out)
}

/// The format of the area `format` is version 2.3. It requires a component of version 1.2, and
/// another component of version 0.1 or 0.3.
pub const FORMAT: Format = Format {
    needed: Needed {
        id: by::id("e2c5a7d0-43b1-4f0e-9d56-0c1f7a2b8e11"),
        major: 2,
        minor: 3,
        minors: &[],
    },
    requires: &[
        Needed {
            id: by::id("b7f3e6a4-5d0c-4c58-8a0b-6c2d9e417f22"),
            major: 1,
            minor: 2,
            minors: &[],
        },
        Needed {
            id: by::id("37cb72a4-caab-440c-8b7c-869019ed348e"),
            major: 0,
            minor: 1,
            minors: &[3],
        },
    ],
};

fn format(file: &[u8]) -> Result<String, Fault> {
    let seen = read_format(file, &FORMAT)?;
    let mut out = dump::head(&seen.format, seen.major, seen.minor, file.len() as u64);
    for needed in FORMAT.requires {
        let met = needed.met(&seen).expect("the reader checked it");
        out += &dump::met(&met.id, (met.major, met.minor), met.at);
    }
    Ok(out)
}

/// The paths that fixtures of the area `path` look up.
pub const PATHS: [&str; 4] = ["a", "b", "c", "missing"];

fn paths(file: &[u8]) -> Result<String, Fault> {
    let seen = by::read_package(file)?;
    let regions = by::read_index(file, &seen)?.regions();
    let mut out = String::new();
    for path in PATHS {
        out += &dump::path(path, by::look_up_lazily(file, &seen, &regions, path, dump::CAP));
    }
    Ok(out)
}

/// Returns ids that the index lacks, to test look-ups that must fail. The candidates are the
/// successor of each listed id, the smallest id and the largest id. Listed ids among them are left
/// out.
#[must_use]
pub fn misses(listed: &[Id]) -> Vec<Id> {
    let next = |id: &Id| u128::from_be_bytes(*id).wrapping_add(1).to_be_bytes();
    let mut out: Vec<_> = listed.iter().map(next).chain([[0; 16], [0xff; 16]]).collect();
    out.retain(|id| !listed.contains(id));
    out.sort_unstable();
    out.dedup();
    out
}

fn lookup(file: &[u8]) -> Result<String, Fault> {
    let seen = by::read_container(file)?;
    let index = by::read_index(file, &seen)?;
    let Some(lookup) = read_lookup(file, &seen)? else { return Ok(dump::no_lookup("none")) };
    if !lookup.is_of(&index)? {
        return Ok(dump::no_lookup("of another index"));
    }
    lookup.check_order()?;
    let mut out = dump::lookup(lookup.region, lookup.index_at);
    for run in &lookup.runs {
        out += &dump::run(run.at, run.first, run.groups, run.stride, &run.fences);
    }
    // Removals also have entries, so their ids count as listed.
    let listed: BTreeSet<Id> = index.entries.iter().map(|entry| entry.id).collect();
    let listed: Vec<_> = listed.into_iter().collect();
    let mut missing = String::new();
    for id in misses(&listed) {
        let found = search(file, &index, &lookup, &id)?;
        missing += &dump::search(&id, found.map(|found| found.at));
    }
    for id in listed {
        let found = search(file, &index, &lookup, &id)?;
        out += &dump::search(&id, found.map(|found| found.at));
    }
    Ok(out + &missing)
}

/// The seal policies of the area `seal`, with their names.
#[must_use]
pub fn policies() -> Vec<(&'static str, Policy<'static>)> {
    const OWN: &[Publisher] = &[EXAMPLE];
    const OTHER_KEY: &[Publisher] = &[STRANGER];
    const OTHER_PACKAGE: &[Publisher] = &[ELSEWHERE];
    const BOTH: &[Publisher] = &[STRANGER, ELSEWHERE, EXAMPLE];
    vec![
        ("nothing", Policy::Nothing),
        ("digest", Policy::Digest),
        ("key", Policy::Signature(OWN)),
        ("other key", Policy::Signature(OTHER_KEY)),
        ("other package", Policy::Signature(OTHER_PACKAGE)),
        ("all keys", Policy::Signature(BOTH)),
    ]
}

fn seals(file: &[u8]) -> Result<String, Fault> {
    let seen = by::read_package(file)?;
    let index = by::read_index(file, &seen)?;
    let mut out = match read_component(file, &seen, &blake3) {
        None => dump::seals("none"),
        Some(Err(fault)) => dump::seals(&fault.to_string()),
        Some(Ok(seals)) => {
            let lens = (seals.seal_len, seals.seals_max);
            dump::seals_of(lens, &seals.package, &seals.keys)
        }
    };
    for (id, entry) in index.regions() {
        for (name, policy) in policies() {
            let judged = judge(file, &seen, &index, &entry, policy, &blake3);
            let told = judged.map_or_else(|refused| refused.to_string(), |()| "ok".to_owned());
            out += &dump::judged(&id, name, &told);
        }
    }
    Ok(out)
}

fn compacted(file: &[u8], signer: Option<&Publisher>) -> Result<String, Fault> {
    let new = by::compaction::compact(file, signer, &blake3)?;
    let mut out = dump::compacted(new.len() as u64, &blake3(&new));
    // The contents are not decoded, because the content of a sealed region may be invalid.
    let regions = by::read_index(&new, &by::read_package(&new)?)?.regions();
    for (id, entry) in &regions {
        let span = by::stored_span(entry, new.len() as u64)?;
        out += &dump::region(id, span, entry.encoding, None);
    }
    for (path, name) in by::names_list(&new, &regions, dump::CAP)? {
        out += &dump::name(&path, &name.id, name.length);
    }
    Ok(out)
}
