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
/// This many requests for seals are made in any case.
const REQUESTS_MAX: usize = 4;
/// A request takes as long as about this many bytes, because one request follows the other.
const REQUEST_COST: u64 = 256 << 10;
/// An upload is taken to have this part of the inputs' bytes.
const STORED_PART: u64 = 4;

/// How an update encodes its regions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoded<'e> {
    pub(super) quality: u8,
    pub(super) dictionary: Option<&'e NewDictionary>,
}

/// The results for a batch of inputs: one value for each input, true if it is unchanged.
#[derive(Debug)]
struct Verdicts(Vec<bool>);

impl Weigh for Verdicts {
    fn weight(&self) -> usize {
        self.0.capacity()
    }
}

/// Returns, for each input, whether its region has the same content. The inputs are compared on all
/// cores.
///
/// If the package is in parts and has seals, no region is fetched. Only the seals are fetched, and
/// one request takes adjacent seals. If that takes more than four requests, the digest list is
/// fetched instead. If there is no list, and the requests cost more than an upload of the inputs
/// would, all inputs count as changed. Each input is encoded, and its digest is compared with its
/// region's digest.
pub(super) fn unchanged(
    package: &Package,
    inputs: &[(Input, Option<Located>)],
    encoded: Encoded<'_>,
    effort: Effort,
) -> Result<Vec<bool>, Error> {
    let is_sealed = package.view().seals().is_some();
    let found = || inputs.iter().filter_map(|(_, found)| found.as_ref());
    let content_len = inputs.iter().fold(0_u64, |sum, (input, _)| sum.saturating_add(input.len));
    let digests = (package.source().is_in_parts() && is_sealed)
        .then(|| OldDigests::read(package, found().collect(), content_len));
    let lens: Vec<&Input> = inputs.iter().map(|(input, _)| input).collect();
    let batches = batches(&lens, &[IdRange { first: 0, count: inputs.len(), stored_len_max: 0 }]);
    let mut unchanged = Vec::with_capacity(inputs.len());
    run(
        batches.len(),
        effort.threads,
        effort.in_flight_max,
        |job, lane| {
            let batch = batches.get(job).and_then(|batch| inputs.get(batch.clone()));
            let verdicts = batch.unwrap_or_default().iter().map(|(input, found)| match found {
                Some(found) => match &digests {
                    Some(digests) => has_digest(input, *found, digests, encoded),
                    None => is_unchanged(package, input, *found),
                },
                None => Ok(false),
            });
            match verdicts.collect() {
                Ok(verdicts) => lane.put(Verdicts(verdicts)).map(Ok),
                Err(error) => Ok(Err(error)),
            }
        },
        |Verdicts(verdicts)| {
            unchanged.extend(verdicts);
            Ok(None)
        },
    )?;
    Ok(unchanged)
}

/// The digests of the regions that an update may replace.
#[derive(Debug, Default)]
struct OldDigests {
    /// The first bytes of digests, from the digest list.
    listed: HashMap<Uuid, [u8; LISTED_LEN]>,
    /// The digests after the other regions.
    sealed: Digests,
}

impl OldDigests {
    /// Reads the digests of regions whose new contents have `content_len` bytes in total. A failed
    /// read leaves its digests out.
    fn read(package: &Package, mut regions: Vec<&Located>, content_len: u64) -> Self {
        let mut digests = Self::default();
        let (requests, bytes) = Digests::cost(package, regions.iter().copied(), SEALS_MAX);
        if requests > REQUESTS_MAX {
            let has_list = package.digest_list_span().is_some();
            let cost = bytes.saturating_add(REQUEST_COST.saturating_mul(to_u64(requests)));
            if has_list && package.view().index().len() <= LISTED_INDEX_MAX {
                let listed = package.scan_index().and_then(|scan| package.listed_digests(&scan));
                digests.listed = listed.unwrap_or_default();
            } else if cost > content_len / STORED_PART {
                return digests;
            }
        }
        regions.retain(|region| !digests.listed.contains_key(&region.id));
        digests.sealed = Digests::read(package, regions, SEALS_MAX);
        digests
    }

    /// Returns whether the digest of a region is known.
    fn knows(&self, region: &Located) -> bool {
        self.listed.contains_key(&region.id) || self.sealed.get(region.span.end).is_some()
    }

    /// Returns whether a region may have this digest.
    fn has(&self, region: &Located, digest: &[u8; DIGEST_LEN]) -> bool {
        match self.listed.get(&region.id) {
            Some(listed) => digest.starts_with(listed),
            None => self.sealed.get(region.span.end).is_some_and(|seals| seals.contains(digest)),
        }
    }
}

/// Returns whether the stored bytes of an input would have the digest of its region. If regions
/// share stored bytes, any digest after these bytes may match. A long input that would be
/// compressed counts as changed.
fn has_digest(
    input: &Input,
    found: Located,
    digests: &OldDigests,
    encoded: Encoded<'_>,
) -> Result<bool, Error> {
    if !digests.knows(&found) {
        return Ok(false);
    }
    if found.encoding == Encoding::NONE {
        if found.span.len() != input.len {
            return Ok(false);
        }
        let mut hasher = blake3::Hasher::new();
        let read = hasher.update_reader(&mut *input.open()?).map(drop);
        read.map_err(|error| input.failed(error))?;
        let hash = hasher.finalize();
        let ours = digest_of_hash(found.id, found.encoding, input.len, hash.as_bytes());
        input.check_unchanged(hasher.count())?;
        return Ok(digests.has(&found, &ours));
    }
    if input.len > PIECE_LEN {
        return Ok(false);
    }
    let hash_pool = &HashPool::new(None);
    let encoding = found.encoding;
    let dictionary = encoded.dictionary.filter(|_| encoding.needs_dictionary());
    if encoding.needs_dictionary() && dictionary.is_none() {
        return Ok(false);
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
    let dictionary = dictionary.map(|new| new.dictionary.hash);
    let hashes = Hashes { stored: *blake3::hash(&stored).as_bytes(), dictionary };
    let ours = digest_of_hash(found.id, encoding, to_u64(stored.len()), hashes);
    Ok(digests.has(&found, &ours))
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
