//! The proof that a compacted file has the same content as the old one. The new file is read back
//! for this proof.
//!
//! The proof does not use the code that made the file. Specification: `docs/spec/dacti-package.md`,
//! "Compaction".

use crate::error::CompactionFault;
use crate::fetch::source::{FileSource, read_full, read_span};
use crate::hash::PARALLEL_LEN_MIN;
use crate::index::IndexScan;
use crate::read::view::read_failed;
use crate::write::pack::Draft;
use crate::{Error, Package};
use dacti_index::Located;
use dacti_names::{NAMES_ID, Name};
use dacti_seal::{
    DIGEST_LEN, Hashes, Kind, Seal, SealPolicy, Seals, SecretKey, digest_of_hash, seals_span,
    verify_hash,
};
use std::sync::Arc;
use uuid::Uuid;

/// Numbers of the regions, names and seals that were found to be the same in both files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    /// The number of regions with the same id, encoding, length and BLAKE3 of stored bytes, without
    /// the names list. If contents were encoded again: the number of regions with the same id and
    /// content.
    pub regions: u64,
    /// The number of stored bytes that were read back.
    pub bytes: u64,
    /// The number of paths that lead to the same region and state the same length for it.
    pub names: u64,
    /// The number of digests that were computed again and match the seals in the new file. It
    /// includes the digest of the names list.
    pub digests: u64,
    /// The number of signatures that are equal in both files. They are not verified, because that
    /// needs a trusted key. If the package was signed again: the number of signatures that were
    /// verified with the new key.
    pub signatures: u64,
}

/// Reads the new file back and compares it with `old`. The index and the names of `old` are given.
/// If regions were encoded again (`anew`), their contents are compared.
pub(super) fn prove(
    old: &Package,
    scan: &IndexScan,
    names: &[Name<'_>],
    draft: &Draft<'_>,
    signer: Option<&SecretKey>,
    anew: bool,
) -> Result<Proof, Error> {
    let file = draft.file.try_clone().map_err(read_failed)?;
    let source = FileSource::of(file).map_err(read_failed)?;
    let mut new = Package::from_source(Arc::new(source), *old.limits())?;
    let policy = signer.map(|key| SealPolicy::Signature(vec![key.public()]));
    if let Some(policy) = &policy {
        new = new.require(policy.clone());
    }
    let view = new.view();
    let faults = [
        view.layout_fault().map(ToString::to_string),
        view.seals_fault().map(|fault| fault.to_string()),
    ];
    if let Some(fault) = faults.into_iter().flatten().next() {
        return Err(unproven(fault));
    }
    let (found, fences_fault) = new.scan_with_fences()?;
    if let Some(fault) = fences_fault.as_ref().or_else(|| view.fences_fault().map(|fault| &**fault))
    {
        return Err(unproven(fault.to_string()));
    }
    if let Some(fault) = found.faults.first() {
        return Err(unproven(fault.to_string()));
    }
    let mut hashes: Vec<(Uuid, [u8; 32])> = draft.hashes().collect();
    hashes.sort_unstable();
    let mut proof = Proof::default();
    let mut pairs = pairs(scan, &found, anew)?;
    // The regions are read in the order of the new file.
    pairs.sort_by_key(|(_, new)| new.span.start);
    for (before, after) in pairs {
        if anew {
            prove_content((old, before), (&new, after))?;
        }
        // If regions were encoded again and the new file has no seals, the packer did not hash
        // their stored bytes.
        let hashes = (!anew || new.view().seals().is_some()).then_some(&hashes[..]);
        prove_region((old, before), (&new, after), hashes, policy.as_ref(), &mut proof)?;
    }
    if !anew {
        prove_dictionary(old, &new)?;
    }
    if new.names()?.all() != names {
        return Err(unproven("the names differ".into()));
    }
    proof.names = u64::try_from(names.len()).unwrap_or(u64::MAX);
    if let Some(list) = found.found.iter().find(|found| found.id == NAMES_ID) {
        // The digest of the names list was verified when the list was read.
        proof.digests = proof.digests.saturating_add(u64::from(view.seals().is_some()));
        proof.bytes = proof.bytes.saturating_add(list.span.len());
    }
    Ok(proof)
}

/// Pairs every region of the old index, except the names list, with the region of the new index
/// that must equal it.
fn pairs<'s>(
    old: &'s IndexScan,
    new: &'s IndexScan,
    anew: bool,
) -> Result<Vec<(&'s Located, &'s Located)>, Error> {
    let regions = |scan: &'s IndexScan| scan.found.iter().filter(|found| found.id != NAMES_ID);
    if regions(old).count() != regions(new).count() {
        return Err(unproven("the numbers of regions differ".into()));
    }
    let alike = |(old, new): &(&Located, &Located)| {
        let is_same = old.encoding == new.encoding && old.span.len() == new.span.len();
        old.id == new.id && (anew || is_same)
    };
    let pairs: Vec<_> = regions(old).zip(regions(new)).collect();
    match pairs.iter().find(|pair| !alike(pair)) {
        None => Ok(pairs),
        Some((old, new)) => Err(unproven(format!(
            "where the old file lists region {}, the new file lists another region or length ({})",
            old.id, new.id
        ))),
    }
}

fn prove_region(
    (old, before): (&Package, &Located),
    (new, after): (&Package, &Located),
    hashes: Option<&[(Uuid, [u8; 32])]>,
    signed_by: Option<&SealPolicy>,
    proof: &mut Proof,
) -> Result<(), Error> {
    let hash = hash(new, after)?;
    let is_other = |hashes: &[(Uuid, [u8; 32])]| {
        let found = hashes.binary_search_by_key(&after.id, |(id, _)| *id).ok();
        found.and_then(|i| hashes.get(i)).is_none_or(|(_, expected)| *expected != hash)
    };
    if hashes.is_some_and(is_other) {
        return Err(unproven(format!("region {} has different bytes", after.id)));
    }
    proof.regions = proof.regions.saturating_add(1);
    proof.bytes = proof.bytes.saturating_add(after.span.len());
    let Some(seals) = new.view().seals() else { return Ok(()) };
    let dictionary = new.dictionary().get()?.map(|dictionary| dictionary.hash);
    let hashes = Hashes { stored: hash, dictionary };
    let digest = digest_of_hash(after.id, after.encoding, after.span.len(), hashes);
    let Some(seal) = find_seal(new, after, seals, &digest)? else {
        return Err(unproven(format!("region {} has a different digest", after.id)));
    };
    proof.digests = proof.digests.saturating_add(1);
    if let Some(policy) = signed_by {
        let mut bytes = [0; 96];
        seal.emit(seals.kind, &mut bytes)?;
        verify_hash(after, hashes, &bytes, Some(seals), policy)?;
        proof.signatures = proof.signatures.saturating_add(1);
    } else if seals.kind == Kind::Signature {
        let there = match old.view().seals() {
            Some(seals) => find_seal(old, before, seals, &digest)?,
            None => None,
        };
        if there != Some(seal) {
            return Err(unproven(format!("region {} has a different signature", after.id)));
        }
        proof.signatures = proof.signatures.saturating_add(u64::from(seal.signature.is_some()));
    }
    Ok(())
}

/// Compares the contents of a region in both files.
fn prove_content(old: (&Package, &Located), new: (&Package, &Located)) -> Result<(), Error> {
    let hash = |(package, located): (&Package, &Located)| {
        let mut hasher = blake3::Hasher::new();
        let read = hasher.update_reader(package.reader_at(*located)?).map(drop);
        read.map_err(Error::from_read)?;
        Ok::<_, Error>(hasher.finalize())
    };
    if hash(old)? == hash(new)? {
        return Ok(());
    }
    Err(unproven(format!("region {} has different content", new.1.id)))
}

/// Compares the dictionaries. Equal stored bytes decode to equal contents only if the dictionaries
/// are equal.
fn prove_dictionary(old: &Package, new: &Package) -> Result<(), Error> {
    let hash = |package: &Package| {
        let read = package.dictionary().get()?;
        Ok::<_, Error>(read.map(|dictionary| dictionary.hash))
    };
    if hash(old)? == hash(new)? { Ok(()) } else { Err(unproven("the dictionaries differ".into())) }
}

/// Returns the seal with this digest after a region's stored bytes.
fn find_seal(
    package: &Package,
    located: &Located,
    seals: &Seals,
    digest: &[u8; DIGEST_LEN],
) -> Result<Option<Seal>, Error> {
    let end = package.view().object_end(located.span.start);
    let span = seals_span(located, Some(seals), &SealPolicy::Digest, end)?.unwrap_or_default();
    let bytes = read_span(&**package.source(), span).map_err(read_failed)?;
    let found = Seal::find(&bytes, seals, span.start, digest)?;
    Ok(found.map(|(_, seal)| seal))
}

/// Returns the BLAKE3 of a region's stored bytes.
fn hash(package: &Package, located: &Located) -> Result<[u8; 32], Error> {
    let span = located.within(package.view().len())?.span;
    let mut hasher = blake3::Hasher::new();
    let len = usize::try_from(span.len()).unwrap_or(usize::MAX);
    let mut piece = vec![0; len.min(PARALLEL_LEN_MIN)];
    let mut at = span.start;
    while at < span.end {
        let left = usize::try_from(span.end.saturating_sub(at)).unwrap_or(usize::MAX);
        piece.truncate(left);
        let read = read_full(&**package.source(), at, &mut piece).map_err(read_failed)?;
        if read < piece.len() {
            return Err(unproven(format!("the file ends within region {}", located.id)));
        }
        package.hash_pool().update(&mut hasher, &piece);
        at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    Ok(*hasher.finalize().as_bytes())
}

fn unproven(what: String) -> Error {
    CompactionFault::Unproven(what).into()
}
