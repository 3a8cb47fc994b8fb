//! Writes the lines of an `.expect` file from the third line on. Each line describes one structure.
//!
//! The reference reader writes the committed lines. The conformance tests write lines from the
//! results of our crates, which must be equal.

use crate::reference::{Id, text};
use std::fmt::{Display, Write as _};

/// The maximum length of content that a dump decodes, in bytes.
pub const CAP: u64 = 1 << 20;

/// Writes the preamble and the length of a file.
#[must_use]
pub fn head(format: &Id, major: u16, minor: u16, len: u64) -> String {
    format!("format {} {major}.{minor} length {len}\n", text(format))
}

/// Writes a table of the chain.
#[must_use]
pub fn table(at: u64, base: u64, extension: u64, count: u32) -> String {
    format!("table {at:#x} base {base:#x} extension {extension:#x} count {count}\n")
}

/// Writes a component without its duplicates, and the component's region.
#[must_use]
pub fn component(at: u64, id: &Id, (major, minor): (u16, u16), (start, len): (u64, u64)) -> String {
    format!("component {at:#x} {} {major}.{minor} region {start:#x}+{len}\n", text(id))
}

/// Writes a duplicate entry of a table, and the position of the first entry, which counts instead.
#[must_use]
pub fn ignored(at: u64, first_at: u64) -> String {
    format!("ignored {at:#x} for {first_at:#x}\n")
}

/// Writes the region of the parts component, without its list of parts, and the package's length.
#[must_use]
pub fn parts(
    prefix: &str,
    (sequence, end, expiry): (u64, u64, u64),
    len: u64,
    signed: bool,
) -> String {
    let signed = if signed { "signed" } else { "not signed" };
    format!(
        "parts prefix {prefix:?} sequence {sequence} end {end:#x} expiry {expiry} length {len} \
         {signed}\n"
    )
}

/// Writes an entry of the list of parts.
#[must_use]
pub fn part((start, len): (u64, u64), exponent: u8, digest: &[u8; 32]) -> String {
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("part {start:#x}+{len} exponent {exponent} {digest}\n")
}

/// Writes an extension offset that leads back to an earlier table.
#[must_use]
pub fn looped(to: u64) -> String {
    format!("loop to {to:#x}\n")
}

/// Writes a reserved field that is not zero.
#[must_use]
pub fn reserved(at: u64, value: u32) -> String {
    format!("reserved {at:#x} is {value:#x}\n")
}

/// Writes an index.
#[must_use]
pub fn index((start, len): (u64, u64), groups: u32) -> String {
    format!("index {start:#x}+{len} groups {groups}\n")
}

/// Writes an entry of a group. It need not be the entry that counts for its id.
#[must_use]
pub fn entry(at: u64, id: &Id, group: u32, offset: u32, size: u32) -> String {
    format!("entry {at:#x} {} group {group} {offset:#x}+{size}\n", text(id))
}

/// Writes a region by the entry that counts. `content` is `None` if the encoding is unknown.
#[must_use]
pub fn region(id: &Id, (start, len): (u64, u64), tag: [u8; 4], content: Option<&[u8]>) -> String {
    let content = content.map_or_else(|| "not decoded".to_owned(), bytes);
    format!("region {} {start:#x}+{len} {} {content}\n", text(id), tag.escape_ascii())
}

/// Writes a removal that counts, and the position of its seal.
#[must_use]
pub fn removal(id: &Id, at: u64) -> String {
    format!("removal {} {at:#x}\n", text(id))
}

/// Writes a name.
#[must_use]
pub fn name(path: &str, id: &Id, length: u64) -> String {
    format!("name {} {} hint {length:#x}\n", path.as_bytes().escape_ascii(), text(id))
}

/// Writes the attributes of a file. Returns an empty text if there are none.
#[must_use]
pub fn kept(time: Option<(i64, u32)>, program: Option<bool>) -> String {
    let time = time.map_or(String::new(), |(s, n)| format!("  modified {s}.{n:09}\n"));
    let program = program.map_or(String::new(), |program| format!("  program {program}\n"));
    time + &program
}

/// Writes a layout.
#[must_use]
pub fn layout(file_id: &Id, slice: u64, end: u64, deltas: u32, keys: (u32, u32)) -> String {
    let id = text(file_id);
    format!("layout {id} slice {slice} end {end} deltas {deltas} keys {}+{}\n", keys.0, keys.1)
}

/// Writes a requirement of a format, and the component that meets it.
#[must_use]
pub fn met(id: &Id, (major, minor): (u16, u16), at: u64) -> String {
    format!("requires {} met by {major}.{minor} at {at:#x}\n", text(id))
}

/// Writes the result of looking up a path: a region's id, "nothing", or a fault.
#[must_use]
pub fn path(path: &str, found: Result<Option<Id>, impl Display>) -> String {
    match found {
        Ok(Some(id)) => format!("path {path} region {}\n", text(&id)),
        Ok(None) => format!("path {path} missing\n"),
        Err(fault) => format!("path {path} {fault}\n"),
    }
}

/// Writes why the fences cannot be used.
#[must_use]
pub fn no_lookup(why: &str) -> String {
    format!("lookup {why}\n")
}

/// Writes a lookup region.
#[must_use]
pub fn lookup((start, len): (u64, u64), index_at: u64) -> String {
    format!("lookup {start:#x}+{len} index {index_at:#x}\n")
}

/// Writes a run and its fences.
#[must_use]
pub fn run(at: u64, first: u64, groups: u64, stride: u64, fences: &[[u8; 8]]) -> String {
    let mut out = format!("run {at:#x} first {first} groups {groups} stride {stride} fences");
    for fence in fences {
        write!(out, " {:016x}", u64::from_be_bytes(*fence)).expect("a string takes everything");
    }
    out + "\n"
}

/// Writes the result of a search with fences: the entry that counts, or "nothing".
#[must_use]
pub fn search(id: &Id, entry_at: Option<u64>) -> String {
    match entry_at {
        Some(at) => format!("find {} entry {at:#x}\n", text(id)),
        None => format!("find {} missing\n", text(id)),
    }
}

/// Writes why a package has no seals.
#[must_use]
pub fn seals(why: &str) -> String {
    format!("seals {why}\n")
}

/// Writes the content of a seal component.
#[must_use]
pub fn seals_of((seal_len, seals_max): (u64, u64), package: &Id, keys: &[[u8; 32]]) -> String {
    let several = if seals_max > 1 { format!(", up to {seals_max}") } else { String::new() };
    let mut out = format!("seals of {seal_len} bytes{several} package {} keys", text(package));
    for key in keys {
        out.push(' ');
        for byte in key {
            write!(out, "{byte:02x}").expect("a string takes everything");
        }
    }
    out + "\n"
}

/// Writes the verdict on a region under a seal policy.
#[must_use]
pub fn judged(id: &Id, policy: &str, told: &str) -> String {
    format!("judge {} by {policy}: {told}\n", text(id))
}

/// Writes the length and the hash of a file that compaction made.
#[must_use]
pub fn compacted(len: u64, hash: &[u8; 32]) -> String {
    let mut out = format!("compacted {len} bytes, BLAKE3 ");
    for byte in hash {
        write!(out, "{byte:02x}").expect("a string takes everything");
    }
    out + "\n"
}

/// Returns short content as it is, and long content as its length and its FNV-1a hash.
fn bytes(content: &[u8]) -> String {
    if content.len() <= 64 {
        return format!("\"{}\"", content.escape_ascii());
    }
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = content.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    format!("{} bytes, FNV-1a {hash:016x}", content.len())
}
