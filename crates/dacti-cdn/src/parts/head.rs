//! Converts the head of a package between its two forms, in parts and as one file, and computes its
//! digest.
//!
//! Specification: `docs/spec/dacti-parts.md`, "The region", "The head".

use super::{PACKAGE_ID, PARTS_FORMAT_VERSION, PARTS_LEN, PartsError, PartsFault, PartsRegion};
use crate::Digest;
use alloc::vec::Vec;
use daicon_core::{FormatHeader, SIGNATURE, Span, struct_at};

pub(super) use crate::HEAD_LEN;

/// Position of the format's major and minor version, absolute.
const FORMAT_VERSION: Span = Span { start: 24, end: 28 };
/// The format version of the same package as one file: 0.1.
const ONE_FILE_VERSION: [u8; 4] = [0, 0, 1, 0];
/// Position of the digest in the region, relative to its start. The signature follows it.
const DIGEST_OFFSET: u64 = 1952;
/// Length of digest and signature.
const DIGEST_AND_SIGNATURE_LEN: u64 = 96;

/// Returns whether a head states that the package is in parts. Reads only the preamble.
#[must_use]
pub fn is_in_parts(head: &[u8]) -> bool {
    let header = head.strip_prefix(&SIGNATURE).and_then(struct_at::<FormatHeader>);
    header.is_some_and(|header| {
        header.id.get() == PACKAGE_ID && header.version() == PARTS_FORMAT_VERSION
    })
}

/// Returns the digest of a head whose parts region starts at `region_at`.
///
/// # Errors
/// `HeadLen` if the head is not 65,536 bytes long; `TooShort` if the region passes the end of the
/// head.
pub fn head_digest(head: &[u8], region_at: u64) -> Result<Digest, PartsError> {
    let mut copy = checked(head, region_at)?;
    let start = region_at.saturating_add(DIGEST_OFFSET);
    let end = start.saturating_add(DIGEST_AND_SIGNATURE_LEN);
    fill(&mut copy, Span { start, end }, &[]);
    Ok(Digest::of(&copy))
}

/// Converts the head of a package in parts to the head of the same package as one file. The result
/// has format version 0.1, and zeros in place of the parts region.
///
/// # Errors
/// The errors of [`head_digest`].
pub fn one_file_head(head: &[u8], region_at: u64) -> Result<Vec<u8>, PartsError> {
    let mut copy = checked(head, region_at)?;
    fill(&mut copy, FORMAT_VERSION, &ONE_FILE_VERSION);
    fill(&mut copy, region_span(region_at), &[]);
    Ok(copy)
}

/// Converts a head of a package to the head of the same package in parts. The result has format
/// version 0.2, and `region` with the digest of the result. `sign` computes the signature of this
/// digest. If `sign` returns `None`, the head is unsigned, and has zeros in place of the signature.
///
/// # Errors
/// The errors of [`head_digest`].
pub fn parts_head(
    head: &[u8],
    region_at: u64,
    region: &PartsRegion,
    sign: impl FnOnce(&Digest) -> Option<[u8; 64]>,
) -> Result<Vec<u8>, PartsError> {
    let mut copy = checked(head, region_at)?;
    let [a, b] = PARTS_FORMAT_VERSION.major.to_le_bytes();
    let [c, d] = PARTS_FORMAT_VERSION.minor.to_le_bytes();
    fill(&mut copy, FORMAT_VERSION, &[a, b, c, d]);
    let unsigned = PartsRegion { digest: Digest::default(), signature: [0; 64], ..region.clone() };
    fill(&mut copy, region_span(region_at), &unsigned.emit());
    let digest = Digest::of(&copy);
    let signature = sign(&digest).unwrap_or([0; 64]);
    let signed = PartsRegion { digest, signature, ..unsigned };
    fill(&mut copy, region_span(region_at), &signed.emit());
    Ok(copy)
}

/// Returns the first 6 bytes of the hash of a head's own name. The name is the last segment of the
/// head's path.
#[must_use]
pub fn name_hash(name: &str) -> [u8; 6] {
    let Digest(digest) = Digest::of(name.as_bytes());
    digest.first_chunk().copied().unwrap_or_default()
}

fn region_span(region_at: u64) -> Span {
    Span { start: region_at, end: region_at.saturating_add(PARTS_LEN) }
}

/// Returns a copy of a head, after checking its length and the place of the region.
fn checked(head: &[u8], region_at: u64) -> Result<Vec<u8>, PartsError> {
    let len = u64::try_from(head.len()).unwrap_or(u64::MAX);
    if len != HEAD_LEN {
        return Err(PartsError { at: 0, fault: PartsFault::HeadLen(len) });
    }
    if region_span(region_at).end > HEAD_LEN {
        let found = HEAD_LEN.saturating_sub(region_at);
        return Err(PartsError { at: region_at, fault: PartsFault::TooShort(found) });
    }
    Ok(head.to_vec())
}

/// Writes `bytes` at the start of `span`, and zeros after them. The caller has checked the span.
fn fill(head: &mut [u8], span: Span, bytes: &[u8]) {
    let bounds = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    let Some(place) = head.get_mut(bounds(span.start)..bounds(span.end)) else { return };
    place.fill(0);
    for (to, from) in place.iter_mut().zip(bytes) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::{head_digest, is_in_parts, name_hash, one_file_head, parts_head};
    use crate::Digest;
    use crate::parts::{PACKAGE_ID, PARTS_AT, PartsFault, PartsRegion};
    use daicon_core::SIGNATURE;
    use std::vec;

    fn head() -> vec::Vec<u8> {
        let mut head = vec![7; 65_536];
        head[..8].copy_from_slice(&SIGNATURE);
        head[8..24].copy_from_slice(&PACKAGE_ID.to_bytes_le());
        head[24..28].copy_from_slice(&[0, 0, 1, 0]);
        head[1536..3584].fill(0);
        head
    }

    #[test]
    fn a_head_becomes_one_in_parts_and_back_without_another_change() {
        // spec: R-PART-02, R-PART-16
        let region = PartsRegion { sequence: 5, end: 65_536, ..PartsRegion::default() };
        let parts = parts_head(&head(), PARTS_AT, &region, |_| None).expect("the head is whole");
        assert!(is_in_parts(&parts) && !is_in_parts(&head()));
        let mut of_another_format = parts.clone();
        of_another_format[8] ^= 1;
        assert!(!is_in_parts(&of_another_format), "other formats have a version 0.2, too");
        assert_eq!(one_file_head(&parts, PARTS_AT).expect("whole"), head());
        // The test computes the digest itself, from the head with 96 zeros at 1536 + 1952.
        let mut zeroed = parts.clone();
        zeroed[3488..3584].fill(0);
        let digest = *blake3::hash(&zeroed).as_bytes();
        assert_eq!(parts[3488..3520], digest);
        assert_eq!(head_digest(&parts, PARTS_AT), Ok(Digest(digest)));
    }

    #[test]
    fn a_signature_is_made_of_the_digest_and_does_not_change_it() {
        // spec: R-PART-16, R-PART-17
        let region = PartsRegion { end: 65_536, ..PartsRegion::default() };
        let unsigned = parts_head(&head(), PARTS_AT, &region, |_| None).expect("whole");
        let signed = parts_head(&head(), PARTS_AT, &region, |_| Some([9; 64])).expect("whole");
        assert_eq!(signed[3520..3584], [9; 64]);
        assert_eq!(signed[..3520], unsigned[..3520]);
        assert_eq!(head_digest(&signed, PARTS_AT), head_digest(&unsigned, PARTS_AT));
    }

    #[test]
    fn a_head_of_another_length_is_refused() {
        // spec: R-PART-03
        for len in [0, 65_535, 65_537] {
            let error = head_digest(&vec![0; len], PARTS_AT).expect_err("its length");
            assert_eq!(error.fault, PartsFault::HeadLen(len as u64));
        }
        let error = head_digest(&head(), 65_536 - 2047).expect_err("the region passes the end");
        assert_eq!(error.fault, PartsFault::TooShort(2047));
    }

    #[test]
    fn a_name_is_known_by_six_bytes_of_its_hash() {
        let hash = blake3::hash(b"docs.dacti-pack");
        assert_eq!(name_hash("docs.dacti-pack"), hash.as_bytes()[..6]);
    }
}
