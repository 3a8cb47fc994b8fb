//! What the reference reader says to a fixture: the lines of its dump, or the first fault.
//!
//! The area, the name up to the first underscore, decides how far a file is read: `container` to
//! the components' regions, `index` to the contents of all regions, `package` to names and layout
//! too; `names` files are bare segments.

use crate::dump;
use crate::reference as by;
use crate::reference::{Container, Fault};

/// Where the bare segments of the `names` area are said to start: nothing can come before them.
pub const SEGMENT_AT: u64 = 0;

/// The dump of a good file.
///
/// # Errors
/// The first fault of a bad one.
///
/// # Panics
/// Where the area is unknown.
pub fn dump_of(area: &str, file: &[u8]) -> Result<String, Fault> {
    match area {
        "container" => container(file),
        "index" => index(file, &by::read_container(file)?),
        "names" => names(file),
        "package" => package(file),
        other => panic!("no such area: {other}"),
    }
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
    let seals = by::read_seals(file, container, &blake3);
    for (id, entry) in index.regions() {
        let span = by::stored_span(&entry, file.len() as u64)?;
        if let Some(seal_len) = &seals {
            by::check_seal(file, &entry, seal_len.clone()?, &blake3)?;
        }
        let content = match entry.encoding {
            by::NONE | by::BROT => Some(by::content(file, &entry, dump::CAP)?),
            _ => None,
        };
        out += &dump::region(&id, span, entry.encoding, content.as_deref());
    }
    Ok(out)
}

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn names(file: &[u8]) -> Result<String, Fault> {
    let segment = by::segment(file, SEGMENT_AT)?;
    Ok(segment.names.iter().map(|name| dump::name(&name.path, &name.id, name.length)).collect())
}

fn package(file: &[u8]) -> Result<String, Fault> {
    let seen = by::read_container(file)?;
    by::check_format(&seen)?;
    let mut out = dump::head(&seen.format, seen.major, seen.minor, file.len() as u64);
    let index_lines = index(file, &seen)?;
    if let Some(layout) = by::read_layout(file, &seen)? {
        let keys = (layout.keys_at, layout.keys_len);
        out += &dump::layout(&layout.file_id, layout.slice, layout.end, layout.deltas, keys);
    }
    out += &index_lines;
    let regions = by::read_index(file, &seen)?.regions();
    for (path, name) in by::names_list(file, &regions, dump::CAP)? {
        // A name without an entry is not shown.
        if regions.contains_key(&name.id) {
            out += &dump::name(&path, &name.id, name.length);
        }
    }
    Ok(out)
}
