//! Heads of packages in parts: the committed fixtures, and mutated heads.

use crate::support::{self, uuid_of};
use dacti::seal::SecretKey;
use dacti_cdn::Digest;
use dacti_cdn::parts::PartsHead;
use dacti_tests::reference::seals::EXAMPLE;
use dacti_tests::{dump, expect};
use daicon_core::Span;
use std::ops::Range;

/// The span of the head's digest in a new package. The signature follows the digest.
const DIGEST: Range<usize> = 3488..3520;
const SIGNATURE_END: usize = 3584;

/// Returns the fields of a head, in the form of a fixture's dump, or the verdict on a head that
/// readers refuse.
pub fn parts(head: &[u8]) -> Result<String, String> {
    let read = PartsHead::parse(head).map_err(|error| match error {
        dacti_cdn::Error::Container(error) => support::container_verdict(&error),
        dacti_cdn::Error::Parts(error) => {
            support::verdict(error.kind(), error.fault.structure(), Some(error.at))
        }
        other => panic!("{other}"),
    })?;
    let region = &read.region;
    let key = SecretKey::from_seed(&EXAMPLE.seed, uuid_of(EXAMPLE.package)).public();
    let is_signed = key.signed_head(&region.digest.0, &region.signature);
    let numbers = (region.sequence, region.end, region.expiry);
    let mut out = dump::parts(&region.prefix, numbers, read.len, is_signed);
    for entry in region.list.entries() {
        let place = (entry.span.start, entry.span.len());
        out += &dump::part(place, entry.piece_exponent, &entry.digest.0);
    }
    Ok(out)
}

#[test]
fn fixtures_of_heads_in_parts() {
    support::check("parts", 34, parts);
}

/// Compares a parsed head with the reference. The digest is computed again first, because nearly
/// all mutated heads would otherwise fail at the digest. Also checks that each entry of the list is
/// found, and nothing after the last entry.
pub fn fuzz(head: &[u8]) {
    let mut head = head.to_vec();
    if head.len() > SIGNATURE_END {
        let mut zeroed = head.clone();
        zeroed[DIGEST.start..SIGNATURE_END].fill(0);
        head[DIGEST].copy_from_slice(&Digest::of(&zeroed).0);
    }
    // If our reader finds a fault in the layout region, the results are not compared. That region
    // has its own fixtures and its own fuzz test.
    if let Err(error) = PartsHead::parse(&head)
        && !matches!(error, dacti_cdn::Error::Container(_) | dacti_cdn::Error::Parts(_))
    {
        return;
    }
    let expected = expect::dump_of("parts", &head).map_err(|fault| fault.to_string());
    // For the reference, the head is the whole file. So it reports a table after the head as
    // truncated.
    if expected.as_ref().is_err_and(|verdict| verdict.contains("truncated table")) {
        return;
    }
    assert_eq!(parts(&head), expected);
    let Ok(parsed) = PartsHead::parse(&head) else { return };
    let list = &parsed.region.list;
    for entry in list.entries() {
        for at in [entry.span.start, entry.span.end - 1] {
            let reads = list.resolve(Span { start: at, end: at + 1 }).expect("the entry has it");
            let [read] = reads[..] else { panic!("{reads:?}") };
            assert!(read.entry == *entry && read.span == Span { start: at, end: at + 1 });
            let object = entry.object_span(read.object);
            assert_eq!(object.start + read.range.start, at, "{entry:?}");
        }
    }
    // This position lies at the end of the list or at the end of the head, whichever is higher. So
    // no entry has it.
    let end = list.end().max(dacti::HEAD_LEN);
    assert!(list.resolve(Span { start: end, end: end + 1 }).is_err());
}
