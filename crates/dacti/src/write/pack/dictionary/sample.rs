//! Trains the dictionary of a new package on a sample of its contents. Another sample decides
//! whether the dictionary makes the package smaller.
//!
//! The samples depend only on the inputs, so the same input gives the same dictionary.

use super::train::train;
use super::{NewDictionary, WINDOW_LEN_MAX};
use crate::Error;
use crate::write::pack::brotli;
use crate::write::pack::input::Input;
use daicon_core::to_u64;

/// A dictionary is trained on one of every `TRAINED_PART` bytes of all contents, but on at least
/// `TRAINED_LEN_MIN` and at most `TRAINED_LEN_MAX` bytes.
const TRAINED_LEN_MAX: u64 = 32 << 20;
const TRAINED_LEN_MIN: u64 = 512 << 10;
const TRAINED_PART: u64 = 16;
/// To judge a dictionary, one of every `JUDGED_PART` bytes of all contents is compressed, but at
/// least `JUDGED_LEN_MIN` and at most `JUDGED_LEN_MAX` bytes.
const JUDGED_LEN_MAX: u64 = 1 << 20;
const JUDGED_LEN_MIN: u64 = 64 << 10;
const JUDGED_PART: u64 = 128;
/// The maximum number of bytes of one content in a sample.
const PIECE_LEN_MAX: u64 = 64 << 10;
/// The minimum number of bytes of content for which a dictionary is trained.
const CONTENT_LEN_MIN: u64 = 128 << 10;
/// The lengths of dictionaries that are tried. A longer one would make the package smaller by a few
/// bytes for each region, but each session fetches it whole.
const LENS: [usize; 3] = [8 << 10, 32 << 10, 96 << 10];
/// A longer dictionary replaces a shorter one if it makes the package smaller by at least
/// 1/`LONGER_PART`.
const LONGER_PART: u64 = 100;
/// A dictionary is used if it makes the package smaller by at least 1/`USED_PART`.
const USED_PART: u64 = 20;
/// The number of bytes that a region takes besides its stored bytes, for its index entry, digest
/// and name.
const REGION_LEN: u64 = 120;

/// Contents in a sample, stored one after the other.
#[derive(Debug, Default)]
struct Sample {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Sample {
    /// Takes a sample of about `len` bytes, evenly spread over the inputs. Removes the sampled
    /// inputs from the list.
    fn take(inputs: &mut Vec<&Input>, len: u64) -> Result<Self, Error> {
        let piece_len = |input: &Input| input.len.min(PIECE_LEN_MAX);
        let all = inputs.iter().fold(0_u64, |sum, input| sum.saturating_add(piece_len(input)));
        // The inputs have about `step` times as many bytes as the sample. To spread the sample
        // evenly, an input is taken when `step` times its length in bytes has passed since the
        // previous taken input.
        let step = all.div_ceil(len.max(1)).max(1);
        let (mut passed, mut taken) = (0_u64, Vec::new());
        inputs.retain(|input| {
            passed = passed.saturating_add(piece_len(input));
            let cost = piece_len(input).saturating_mul(step);
            let is_taken = passed >= cost;
            if is_taken {
                passed = passed.saturating_sub(cost);
                taken.push(*input);
            }
            !is_taken
        });
        let (mut sample, mut content) = (Self::default(), Vec::new());
        for input in taken {
            let bytes = input.content(&mut content)?;
            let piece = usize::try_from(piece_len(input)).unwrap_or(usize::MAX);
            sample.bytes.extend_from_slice(bytes.get(..piece).unwrap_or(bytes));
            sample.ends.push(sample.bytes.len());
        }
        Ok(sample)
    }

    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.bytes.get(start..*end))
    }

    /// Returns the total compressed length of the pieces. Each piece is compressed alone.
    fn compressed_len(&self, quality: u8, dictionary: Option<&[u8]>) -> Result<u64, Error> {
        let (mut len, mut out) = (0_u64, Vec::new());
        let mut compressor = brotli::Compressor::default();
        for piece in self.pieces() {
            out.clear();
            compressor
                .compress(piece, quality, dictionary, &mut out)
                .map_err(|error| Error::io("compress", "a sample".as_ref(), error))?;
            len = len.saturating_add(to_u64(out.len()));
        }
        Ok(len)
    }
}

/// Trains a dictionary for inputs, which are in path order. Returns `None` if no dictionary makes
/// the package small enough.
///
/// # Errors
/// An input that cannot be read.
pub(in crate::write::pack) fn choose(
    inputs: &[Input],
    quality: u8,
) -> Result<Option<NewDictionary>, Error> {
    let [.., longest] = LENS;
    let fits = |len: u64| (1..=WINDOW_LEN_MAX.saturating_sub(to_u64(longest))).contains(&len);
    let may_need = |input: &&Input| input.may_need_dictionary() && fits(input.len);
    let mut eligible: Vec<&Input> = inputs.iter().filter(may_need).collect();
    let sum = |sum: u64, input: &&Input| sum.saturating_add(input.len);
    let content_len = eligible.iter().fold(0, sum);
    let all_len = inputs.iter().fold(0, |all, input| sum(all, &input));
    if content_len < CONTENT_LEN_MIN || quality < brotli::DICTIONARY_QUALITY_MIN {
        return Ok(None);
    }
    let judged_len = (content_len / JUDGED_PART).clamp(JUDGED_LEN_MIN, JUDGED_LEN_MAX);
    let trained_len = (content_len / TRAINED_PART).clamp(TRAINED_LEN_MIN, TRAINED_LEN_MAX);
    let judged = Sample::take(&mut eligible, judged_len)?;
    let trained = Sample::take(&mut eligible, trained_len)?;
    let dictionary = train(&trained.bytes, &trained.ends, longest);
    let overhead = to_u64(inputs.len()).saturating_mul(REGION_LEN);
    let estimate = Estimate {
        sampled_len: to_u64(judged.bytes.len()).max(1),
        content_len,
        others: all_len.saturating_sub(content_len).saturating_add(overhead),
    };
    let without = estimate.package_len(judged.compressed_len(quality, None)?);
    let (mut best_len, mut best) = (without, None);
    for len in LENS {
        let bytes = dictionary.get(dictionary.len().saturating_sub(len)..).unwrap_or(&dictionary);
        if bytes.is_empty() {
            break;
        }
        let mut tried = NewDictionary::new(bytes.into(), quality)?;
        let with = estimate.package_len(judged.compressed_len(quality, Some(bytes))?);
        let with = with.saturating_add(to_u64(tried.stored().len()));
        let part = if best.is_none() { USED_PART } else { LONGER_PART };
        if with <= best_len.saturating_sub(best_len.checked_div(part).unwrap_or_default()) {
            tried.saves = without.saturating_sub(with);
            (best_len, best) = (with, Some(tried));
        }
        if bytes.len() == dictionary.len() {
            break;
        }
    }
    Ok(best)
}

/// Estimates the length of a package from a sample.
struct Estimate {
    sampled_len: u64,
    /// The length of the contents that may be encoded with the dictionary.
    content_len: u64,
    /// The length of the rest of the package: the contents that cannot use the dictionary, as if
    /// they were not compressed, and the index, digests and names.
    others: u64,
}

impl Estimate {
    /// Returns the length of the package if all contents compress like the sample.
    fn package_len(&self, compressed_len: u64) -> u64 {
        let scaled = u128::from(compressed_len).saturating_mul(self.content_len.into());
        let scaled = scaled.checked_div(self.sampled_len.into()).unwrap_or_default();
        u64::try_from(scaled).unwrap_or(u64::MAX).saturating_add(self.others)
    }
}
