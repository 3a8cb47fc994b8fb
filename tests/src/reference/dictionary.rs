//! The dictionary: its component, contents that refer to it, and digests that cover it.
//!
//! It follows `docs/spec/dacti-index.md`, "The dictionary".

use super::seals::Seals;
use super::{
    BROT, Container, EntrySeen, Fault, Id, content, fault, id, region, stored_span, unbrotli,
};

/// The dictionary component.
pub const DICTIONARY: Id = id("58bc9b0a-a4fc-45f4-b4e5-efea35336faf");
/// The encoding tag of regions that refer to the dictionary.
pub const BROD: [u8; 4] = *b"brod";
/// The maximum length of a dictionary, in bytes.
pub const LEN_MAX: u64 = 1 << 20;

/// Returns the place of a container's stored dictionary, or `None` if the container has no
/// dictionary.
///
/// # Errors
/// If the region lies outside the file.
#[must_use]
pub fn place_of(file: &[u8], container: &Container) -> Option<Result<(u64, u64), Fault>> {
    let named =
        |found: &&super::Found| found.id == DICTIONARY && (found.major, found.minor) == (0, 1);
    let found = container.components.iter().find(named)?;
    Some(region(found, file.len() as u64))
}

/// Checks the digest after a container's dictionary, if the container has a dictionary.
///
/// # Errors
/// The first fault.
pub fn check_seal(
    file: &[u8],
    container: &Container,
    seals: &Seals,
    hash: &dyn Fn(&[u8]) -> [u8; 32],
) -> Result<(), Fault> {
    let Some(place) = place_of(file, container) else { return Ok(()) };
    let (base, size) = place?;
    let size = u32::try_from(size).expect("the size of a component's region");
    let (at, group, group_at, offset) = (0, 0, 0, 0);
    let entry =
        EntrySeen { at, group, group_at, id: DICTIONARY, base, encoding: BROT, offset, size };
    super::check_seal(file, &entry, seals, hash)
}

/// Reads a container's dictionary. Returns `None` if the container has none.
///
/// # Errors
/// If the region lies outside the file, or its bytes do not decode.
#[must_use]
pub fn read(file: &[u8], container: &Container) -> Option<Result<Vec<u8>, Fault>> {
    let place = place_of(file, container)?;
    Some(place.and_then(|(at, len)| {
        let stored = if len == 0 { &[] } else { &file[at as usize..(at + len) as usize] };
        unbrotli(stored, LEN_MAX).or_else(|kind| fault(kind, "brotli stream", at))
    }))
}

/// Returns the content of an entry. The entry's region may refer to the dictionary of the
/// container.
///
/// # Errors
/// The first fault.
pub fn content_in(
    file: &[u8],
    container: &Container,
    entry: &EntrySeen,
    cap: u64,
) -> Result<Vec<u8>, Fault> {
    if entry.encoding != BROD {
        return content(file, entry, cap);
    }
    let (at, size) = stored_span(entry, file.len() as u64)?;
    let Some(dictionary) = read(file, container) else {
        return fault("unsupported", "stored region", at);
    };
    let bytes = if size == 0 { &[] } else { &file[at as usize..(at + size) as usize] };
    unbrotli_after(&dictionary?, bytes, cap).or_else(|kind| fault(kind, "brotli stream", at))
}

/// Returns the length of a stream's window in bytes, which is how far the stream can refer back.
/// Returns `None` if RFC 7932, section 9.1, does not define the window.
fn reach(stream: &[u8]) -> Option<u64> {
    let first = *stream.first()?;
    let codes: [(u8, u8, u32); 15] = [
        (0b0, 1, 16),
        (0b000_0001, 7, 17),
        (0b0011, 4, 18),
        (0b0101, 4, 19),
        (0b0111, 4, 20),
        (0b1001, 4, 21),
        (0b1011, 4, 22),
        (0b1101, 4, 23),
        (0b1111, 4, 24),
        (0b010_0001, 7, 10),
        (0b011_0001, 7, 11),
        (0b100_0001, 7, 12),
        (0b101_0001, 7, 13),
        (0b110_0001, 7, 14),
        (0b111_0001, 7, 15),
    ];
    let of = |(code, len, _): &&(u8, u8, u32)| first & ((1 << len) - 1) == *code;
    codes.iter().find(of).map(|(_, _, bits)| (1 << bits) - 16)
}

/// Decodes one brotli stream that refers to a dictionary. The stream must end with the last byte.
///
/// # Errors
/// The kind of the fault.
pub fn unbrotli_after(dictionary: &[u8], stream: &[u8], cap: u64) -> Result<Vec<u8>, &'static str> {
    use brotli::enc::StandardAlloc;
    use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
    let left = match reach(stream).map(|reach| reach.checked_sub(dictionary.len() as u64)) {
        Some(None) => return Err("corrupt"),
        Some(Some(left)) => left,
        None => cap,
    };
    let mut state = BrotliState::new_with_custom_dictionary(
        StandardAlloc::default(),
        StandardAlloc::default(),
        StandardAlloc::default(),
        dictionary.to_vec().into(),
    );
    state.large_window = false;
    let mut out = vec![0; cap.min(left) as usize + 1];
    let (mut unused, mut used, mut room, mut written) = (stream.len(), 0, out.len(), 0);
    let result = BrotliDecompressStream(
        &mut unused,
        &mut used,
        stream,
        &mut room,
        &mut written,
        &mut out,
        &mut 0,
        &mut state,
    );
    if written as u64 > cap.min(left) {
        return Err(if left < cap { "corrupt" } else { "limit" });
    }
    match result {
        BrotliResult::ResultSuccess if unused == 0 => {
            out.truncate(written);
            Ok(out)
        }
        BrotliResult::NeedsMoreInput => Err("truncated"),
        _ => Err("corrupt"),
    }
}
