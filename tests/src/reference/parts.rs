//! Packages in parts: their heads, and the whole package that a head and its objects form.
//!
//! It follows `docs/spec/dacti-parts.md`.

use super::{Fault, LAYOUT, PACKAGE, PARTS, fault, id_at, read_container, u16_at, u32_at, u64_at};

/// The length of a head.
pub const HEAD: u64 = 65_536;
/// The position of the parts component's region in a new package.
pub const REGION_AT: u64 = 1536;
/// The length of the region.
pub const REGION: u64 = 2048;

/// An entry of the list of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The first position of the part.
    pub start: u64,
    /// The length of the part.
    pub len: u64,
    /// The piece exponent, which gives the length of the pieces.
    pub exponent: u8,
    /// The hash of the part's bytes.
    pub digest: [u8; 32],
}

/// The region of the parts component.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Region {
    /// The first bytes of the hash of the head's name.
    pub name: [u8; 6],
    /// The prefix: the folder of the objects.
    pub prefix: Vec<u8>,
    /// The list of parts.
    pub entries: Vec<Entry>,
    /// The time at which the head expires, in seconds since 1970. 0 means that it never expires.
    pub expiry: u64,
    /// The sequence.
    pub sequence: u64,
    /// The lowest position at which the next block may start.
    pub end: u64,
    /// The head's digest, as the region states it.
    pub digest: [u8; 32],
    /// The head's signature, as the region states it.
    pub signature: Vec<u8>,
}

/// A head of a package in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The region of the parts component.
    pub region: Region,
    /// The file id.
    pub file_id: [u8; 16],
    /// The length of the package.
    pub len: u64,
}

/// Returns the bytes of a region. Its digest and its signature may be wrong.
#[must_use]
pub fn region(region: &Region) -> Vec<u8> {
    let mut out = vec![0; REGION as usize];
    out[4..8].copy_from_slice(&(region.entries.len() as u32).to_le_bytes());
    out[8..10].copy_from_slice(&(region.prefix.len() as u16).to_le_bytes());
    out[10..16].copy_from_slice(&region.name);
    out[16..16 + region.prefix.len()].copy_from_slice(&region.prefix);
    for (i, entry) in region.entries.iter().enumerate() {
        let at = 256 + 48 * i;
        out[at..at + 8].copy_from_slice(&entry.start.to_le_bytes());
        out[at + 8..at + 16].copy_from_slice(&entry.len.to_le_bytes());
        out[at + 15] = entry.exponent;
        out[at + 16..at + 48].copy_from_slice(&entry.digest);
    }
    out[1928..1936].copy_from_slice(&region.expiry.to_le_bytes());
    out[1936..1944].copy_from_slice(&region.sequence.to_le_bytes());
    out[1944..1952].copy_from_slice(&region.end.to_le_bytes());
    out
}

/// Converts the head of a package in one file to a head of a package in parts. Sets the version,
/// the region, the digest, and the signature, which `sign` computes from the digest.
pub fn head_in_parts(
    one_file: &[u8],
    parts: &Region,
    hash: &dyn Fn(&[u8]) -> [u8; 32],
    sign: &dyn Fn(&[u8; 32]) -> Vec<u8>,
) -> Vec<u8> {
    let mut head = one_file[..HEAD as usize].to_vec();
    head[26] = 2;
    let at = REGION_AT as usize;
    head[at..at + REGION as usize].copy_from_slice(&region(parts));
    let digest = hash(&head);
    head[at + 1952..at + 1984].copy_from_slice(&digest);
    head[at + 1984..at + 2048].copy_from_slice(&sign(&digest));
    head
}

/// Reads a head.
///
/// # Errors
/// The first fault.
pub fn read_head(head: &[u8], hash: &dyn Fn(&[u8]) -> [u8; 32]) -> Result<Head, Fault> {
    if head.len() as u64 != HEAD {
        return fault("corrupt", "head", 0);
    }
    let container = read_container(head)?;
    let find = |id| {
        container
            .components
            .iter()
            .find(|found| found.id == id && (found.major, found.minor) == (0, 1))
    };
    let Some(found) = find(PARTS) else { return fault("unsupported", "component", 28) };
    let place = |found: &super::Found| {
        (found.base + u64::from(u32_at(&found.data, 0)), u64::from(u32_at(&found.data, 4)))
    };
    let (at, size) = place(found);
    if at + size > HEAD {
        return fault("corrupt", "parts", at);
    }
    if size < REGION {
        return fault("truncated", "parts", at);
    }
    let seen = read_region(&head[at as usize..(at + REGION) as usize], at)?;
    let Some(found) = find(LAYOUT) else { return fault("unsupported", "component", 28) };
    let (layout, _) = place(found);
    let mut zeroed = head.to_vec();
    zeroed[at as usize + 1952..at as usize + 2048].fill(0);
    if hash(&zeroed) != seen.digest {
        return fault("corrupt", "head", 0);
    }
    let last = seen.entries.last().map_or(0, |last| last.start + last.len);
    let len = u64_at(head, layout + 32).max(last);
    let id = layout as usize + 8;
    let file_id = head[id..id + 16].try_into().expect("sixteen bytes");
    Ok(Head { region: seen, file_id, len })
}

fn read_region(bytes: &[u8], at: u64) -> Result<Region, Fault> {
    if u32_at(bytes, 0) != 0 {
        return fault("unsupported", "parts", at);
    }
    let (count, prefix_len) = (u64::from(u32_at(bytes, 4)), usize::from(u16_at(bytes, 8)));
    if count > 34 || prefix_len > 240 {
        return fault("limit", "parts", at);
    }
    let prefix = bytes[16..16 + prefix_len].to_vec();
    if !is_plain(&prefix) {
        return fault("corrupt", "parts", at + 16);
    }
    let mut entries: Vec<Entry> = Vec::new();
    for i in 0..count {
        let entry = 256 + 48 * i;
        let (start, both) = (u64_at(bytes, entry), u64_at(bytes, entry + 8));
        let (len, exponent) = (both & ((1 << 56) - 1), (both >> 56) as u8);
        let is_placed =
            start >= HEAD && len > 0 && start.checked_add(len).is_some_and(|end| end <= 1 << 56);
        let is_cut = exponent == 0
            || ((16..=55).contains(&exponent) && len.div_ceil(1 << exponent) <= 65_536);
        if !is_placed || !is_cut {
            return fault("corrupt", "parts", at + entry);
        }
        let digest = bytes[entry as usize + 16..entry as usize + 48].try_into().expect("32 bytes");
        entries.push(Entry { start, len, exponent, digest });
    }
    for (i, pair) in entries.windows(2).enumerate() {
        if pair[1].start < pair[0].start + pair[0].len {
            return fault("corrupt", "parts", at + 256 + 48 * (i as u64 + 1));
        }
    }
    let end = u64_at(bytes, 1944);
    for (i, entry) in entries.iter().enumerate() {
        // Only a second start of a part may exceed the end field. The first start must not.
        let part = |entry: &Entry| (entry.digest, entry.len, entry.exponent);
        let first = entries.iter().find(|first| part(first) == part(entry)).unwrap_or(entry);
        if first.start + first.len > end {
            return fault("corrupt", "parts", at + 256 + 48 * i as u64);
        }
    }
    Ok(Region {
        name: bytes[10..16].try_into().expect("six bytes"),
        prefix,
        entries,
        expiry: u64_at(bytes, 1928),
        sequence: u64_at(bytes, 1936),
        end,
        digest: bytes[1952..1984].try_into().expect("32 bytes"),
        signature: bytes[1984..2048].to_vec(),
    })
}

fn is_plain(prefix: &[u8]) -> bool {
    let Ok(prefix) = std::str::from_utf8(prefix) else { return false };
    if prefix.is_empty() {
        return true;
    }
    let Some(path) = prefix.strip_suffix('/') else { return false };
    path.split('/').all(|segment| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && !segment.chars().any(|c| "\\?#%:".contains(c) || c.is_control())
    })
}

/// Returns the package in one file that a head and its objects form. If no part covers a range, its
/// bytes are zeros.
///
/// # Panics
/// If an object is missing, or if its length or its hash is not the one that the head states.
#[must_use]
pub fn assemble(
    head: &[u8],
    hash: &dyn Fn(&[u8]) -> [u8; 32],
    object: &dyn Fn(&str) -> Vec<u8>,
) -> Vec<u8> {
    assert!(is_in_parts(head), "the head says that it is in parts");
    let read = read_head(head, hash).expect("the head is right");
    let mut file = vec![0; read.len as usize];
    file[..HEAD as usize].copy_from_slice(head);
    let prefix = String::from_utf8(read.region.prefix.clone()).expect("it is text");
    for entry in &read.region.entries {
        let hex: String = entry.digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let bytes = if entry.exponent == 0 {
            object(&format!("{prefix}{hex}"))
        } else {
            let pieces = entry.len.div_ceil(1 << entry.exponent);
            (0..pieces).flat_map(|n| object(&format!("{prefix}{hex}-{n}"))).collect()
        };
        assert_eq!(bytes.len() as u64, entry.len);
        assert_eq!(hash(&bytes), entry.digest);
        file[entry.start as usize..(entry.start + entry.len) as usize].copy_from_slice(&bytes);
    }
    file[26] = 1;
    file[REGION_AT as usize..(REGION_AT + REGION) as usize].fill(0);
    file
}

/// Converts a position of a package in parts. If it lies in a second start of a part, returns the
/// position of the same byte at the part's first start. Otherwise returns `at`.
#[must_use]
pub fn first_start(region: &Region, at: u64) -> u64 {
    let part = |entry: &Entry| (entry.digest, entry.len, entry.exponent);
    let holds = |entry: &&Entry| entry.start <= at && at < entry.start + entry.len;
    let Some(entry) = region.entries.iter().find(holds) else { return at };
    let first = region.entries.iter().find(|first| part(first) == part(entry)).unwrap_or(entry);
    first.start + (at - entry.start)
}

/// Returns the byte at position `at`, by a list whose entries have one piece each. Returns `None`
/// if no entry has the position.
#[must_use]
pub fn byte(region: &Region, at: u64, byte_of: &dyn Fn(&str, u64) -> Option<u8>) -> Option<u8> {
    let holds = |entry: &&Entry| entry.start <= at && at < entry.start + entry.len;
    let entry = region.entries.iter().find(holds)?;
    let hex: String = entry.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let prefix = String::from_utf8(region.prefix.clone()).expect("it is text");
    byte_of(&format!("{prefix}{hex}"), at - entry.start)
}

/// Returns whether these bytes begin with the head of a package in parts.
#[must_use]
pub fn is_in_parts(head: &[u8]) -> bool {
    head.len() >= 28 && id_at(head, 8) == PACKAGE && (u16_at(head, 24), u16_at(head, 26)) == (0, 2)
}
