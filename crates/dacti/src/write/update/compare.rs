//! Finds the inputs whose content the package already has.

use super::stage::Effort;
use crate::hash::HashPool;
use crate::read::many::Digests;
use crate::write::pack::dictionary::NewDictionary;
use crate::write::pack::encode::{Encoder, PIECE_LEN};
use crate::write::pack::input::Input;
use crate::write::pack::pipeline::{Weigh, run};
use crate::write::pack::write::batches;
use crate::{Encoding, Error, Located, Package};
use dacti_index::IdRange;
use dacti_seal::{DIGEST_LEN, Hashes, LISTED_LEN, SEALS_MAX, digest_of_hash};
use daicon_core::to_u64;
use std::collections::HashMap;
use std::io::{self, Read};
use uuid::Uuid;

/// The number of bytes of content that are compared at once.
const BUF_LEN: usize = 64 * 1024;
/// The maximum length of an index that is read together with the digest list.
const LISTED_INDEX_MAX: u64 = 2 << 20;

/// How an update encodes its regions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoded<'e> {
    pub(super) quality: u8,
    pub(super) dictionary: Option<&'e NewDictionary>,
}

/// The results for a batch of inputs.
#[derive(Debug)]
struct Results<T>(Vec<T>);

impl<T> Weigh for Results<T> {
    fn weight(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<T>())
    }
}

/// Returns, for each input, whether its region has the same content. The inputs are compared on all
/// cores.
///
/// If the package is in parts and has seals, no region is fetched. Each input is encoded. If the
/// result is as long as the stored region, the digests of both are compared. Only the seals of such
/// regions are fetched, and one request fetches adjacent seals. If more than one request is needed,
/// the digest list is fetched instead, provided that the package has one and that the index is
/// short.
pub(super) fn unchanged(
    package: &Package,
    inputs: &[(Input, Option<Located>)],
    encoded: Encoded<'_>,
    effort: Effort,
) -> Result<Vec<bool>, Error> {
    if !package.source().is_in_parts() || package.view().seals().is_none() {
        return each(inputs, effort, |input, found| is_unchanged(package, input, found))
            .map(|unchanged| unchanged.into_iter().map(|found| found == Some(true)).collect());
    }
    let digests = each(inputs, effort, |input, found| digest(input, found, encoded))?;
    let digests: Vec<_> = digests.into_iter().map(Option::flatten).collect();
    let same_len = inputs.iter().zip(&digests).filter(|(_, digest)| digest.is_some());
    let old = same_len.filter_map(|((_, found), _)| found.as_ref());
    let old = OldDigests::read(package, old.collect());
    let is_unchanged = |((_, found), digest): (&(Input, Option<Located>), Option<_>)| {
        found.as_ref().zip(digest).is_some_and(|(found, digest)| old.has(found, &digest))
    };
    Ok(inputs.iter().zip(digests).map(is_unchanged).collect())
}

/// Calls `job` on all cores for each input that has a region. Returns the results in the order of
/// the inputs, `None` for an input without a region.
fn each<T: Send>(
    inputs: &[(Input, Option<Located>)],
    effort: Effort,
    job: impl Fn(&Input, Located) -> Result<T, Error> + Sync,
) -> Result<Vec<Option<T>>, Error> {
    let alone: Vec<&Input> = inputs.iter().map(|(input, _)| input).collect();
    let batches = batches(&alone, &[IdRange { first: 0, count: inputs.len(), stored_len_max: 0 }]);
    let mut results = Vec::with_capacity(inputs.len());
    run(
        batches.len(),
        effort.threads,
        effort.in_flight_max,
        |number, lane| {
            let batch = batches.get(number).and_then(|batch| inputs.get(batch.clone()));
            let batch = batch.unwrap_or_default().iter();
            let done = batch.map(|(input, found)| found.map(|found| job(input, found)).transpose());
            match done.collect() {
                Ok(done) => lane.put(Results(done)).map(Ok),
                Err(error) => Ok(Err(error)),
            }
        },
        |Results(done)| {
            results.extend(done);
            Ok(None)
        },
    )?;
    Ok(results)
}

/// The digests of regions.
struct OldDigests {
    /// The first bytes of digests, from the digest list.
    listed: HashMap<Uuid, [u8; LISTED_LEN]>,
    /// The digests after the other regions.
    sealed: Digests,
}

impl OldDigests {
    /// Reads the digests of these regions. If a read fails, its digests are left out.
    fn read(package: &Package, mut regions: Vec<&Located>) -> Self {
        let is_listed = package.digest_list_span().is_some()
            && package.view().index().len() <= LISTED_INDEX_MAX
            && Digests::reads(package, regions.iter().copied(), SEALS_MAX) > 1;
        let listed = is_listed
            .then(|| package.scan_index().and_then(|scan| package.listed_digests(&scan)).ok());
        let listed = listed.flatten().unwrap_or_default();
        regions.retain(|region| !listed.contains_key(&region.id));
        Self { listed, sealed: Digests::read(package, regions, SEALS_MAX) }
    }

    /// Returns whether a region has this digest. If regions share stored bytes, any digest after
    /// these bytes may match.
    fn has(&self, region: &Located, digest: &[u8; DIGEST_LEN]) -> bool {
        match self.listed.get(&region.id) {
            Some(listed) => digest.starts_with(listed),
            None => self.sealed.get(region.span.end).is_some_and(|seals| seals.contains(digest)),
        }
    }
}

/// Returns the digest that the region `found` would have with the content of an input. Returns
/// `None` if the stored bytes would have another length, or if the input is not compressed here: it
/// is too long, or its dictionary was not read.
fn digest(
    input: &Input,
    found: Located,
    encoded: Encoded<'_>,
) -> Result<Option<[u8; DIGEST_LEN]>, Error> {
    if found.encoding == Encoding::NONE {
        if found.span.len() != input.len {
            return Ok(None);
        }
        let mut hasher = blake3::Hasher::new();
        let read = hasher.update_reader(&mut *input.open()?).map(drop);
        read.map_err(|error| input.failed(error))?;
        let hash = hasher.finalize();
        let ours = digest_of_hash(found.id, found.encoding, input.len, hash.as_bytes());
        input.check_unchanged(hasher.count())?;
        return Ok(Some(ours));
    }
    if input.len > PIECE_LEN {
        return Ok(None);
    }
    let hash_pool = &HashPool::new(None);
    let encoding = found.encoding;
    let dictionary = encoded.dictionary.filter(|_| encoding.needs_dictionary());
    if encoding.needs_dictionary() && dictionary.is_none() {
        return Ok(None);
    }
    let again = Encoder {
        encoding,
        quality: encoded.quality,
        dictionary,
        sealing: None,
        hashes: false,
        hash_pool,
        sharing: None,
    };
    let stored = again.stored(input)?;
    if to_u64(stored.len()) != found.span.len() {
        return Ok(None);
    }
    let dictionary = dictionary.map(|new| new.dictionary.hash);
    let hashes = Hashes { stored: *blake3::hash(&stored).as_bytes(), dictionary };
    Ok(Some(digest_of_hash(found.id, encoding, found.span.len(), hashes)))
}

/// Returns whether a region has the content of an input. A region that cannot be read counts as
/// different, so the update writes it again.
fn is_unchanged(package: &Package, input: &Input, found: Located) -> Result<bool, Error> {
    if found.encoding == Encoding::NONE && found.span.len() != input.len {
        return Ok(false);
    }
    let Ok(mut stored) = package.unverified_reader_at(found) else { return Ok(false) };
    let mut content = input.open()?;
    let (mut ours, mut theirs) = (vec![0; buf_len(input.len)], vec![0; buf_len(input.len)]);
    let mut len = 0_u64;
    loop {
        let read = read_some(&mut *content, &mut ours).map_err(|error| input.failed(error))?;
        let ours = ours.get(..read).unwrap_or_default();
        // The whole buffer is filled, even if it is longer than the rest of the input. So if the
        // region is longer than the input, more bytes are read here, and the comparison fails.
        let Ok(stored) = read_some(&mut stored, &mut theirs) else { return Ok(false) };
        if theirs.get(..stored) != Some(ours) {
            return Ok(false);
        }
        len = len.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if read == 0 {
            input.check_unchanged(len)?;
            return Ok(true);
        }
    }
}

/// Returns the length of the buffer for an input of `len` bytes: the input's length, but at least 1
/// and at most `BUF_LEN`.
fn buf_len(len: u64) -> usize {
    usize::try_from(len.min(PIECE_LEN)).unwrap_or(BUF_LEN).clamp(1, BUF_LEN)
}

/// Fills `buf`, or a part of it if the content ends first.
fn read_some(from: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0_usize;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => filled = filled.saturating_add(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
