//! Trains a dictionary. It consists of those segments of the samples whose short strings occur in
//! the most samples.
//!
//! The method is FASTCOVER of zstd (`lib/dictBuilder/fastcover.c`), after Liao, Petri, Moffat and
//! Wirth, "Effective Construction of Relative Lempel-Ziv Dictionaries" (WWW 2016). In contrast to
//! zstd, a string counts once for each sample that contains it, because a compressor finds
//! repetitions within one content without a dictionary. The code uses only integers, so every
//! machine chooses the same segments.

/// The length of the strings that are counted.
const STRING_LEN: usize = 8;
/// The table of counts has 2 to the power of this number slots. With this many slots, few strings
/// share a slot.
const TABLE_BITS: u32 = 20;
/// The length of the segments that are chosen.
const SEGMENT_LEN: usize = 1024;
/// The minimum length of an epoch. An epoch is a part of the samples, and each segment is chosen
/// from one epoch.
const EPOCH_LEN_MIN: usize = 10 * SEGMENT_LEN;

/// Returns a dictionary of at most `len` bytes for contents like the samples. `ends` has the end of
/// each sample. The segments that are chosen first lie at the dictionary's end, where references to
/// them are shortest.
///
/// Memory: 8 MiB for the counts.
pub(super) fn train(samples: &[u8], ends: &[usize], len: usize) -> Vec<u8> {
    let mut counts = counts(samples, ends);
    let epochs = epochs(samples.len().saturating_sub(STRING_LEN.saturating_sub(1)), len);
    let mut window = Window { in_window: vec![0; 1 << TABLE_BITS] };
    let mut chosen: Vec<&[u8]> = Vec::new();
    let (mut left, mut idle) = (len, 0_usize);
    for (start, end) in epochs.iter().copied().cycle() {
        let epoch = strings_at(samples, start, end);
        let Some(segment) = window.best(epoch, &counts) else {
            idle = idle.saturating_add(1);
            // No epoch has a segment left that is worth adding.
            if idle >= epochs.len() {
                break;
            }
            continue;
        };
        idle = 0;
        for slot in slots(segment) {
            if let Some(count) = counts.get_mut(slot) {
                *count = 0;
            }
        }
        let segment = segment.get(segment.len().saturating_sub(left)..).unwrap_or_default();
        left = left.saturating_sub(segment.len());
        chosen.push(segment);
        if left == 0 {
            break;
        }
    }
    chosen.reverse();
    chosen.concat()
}

/// Returns the bytes of the strings that begin at the positions from `start` to `end`.
fn strings_at(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    let end = end.saturating_add(STRING_LEN.saturating_sub(1)).min(bytes.len());
    bytes.get(start..end).unwrap_or_default()
}

/// Returns the slot of the string at each position.
fn slots(bytes: &[u8]) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator {
    let slot = |string: &[u8]| {
        let string: [u8; STRING_LEN] = string.try_into().unwrap_or_default();
        // The multiplier of zstd's hash of eight bytes.
        let hash = u64::from_le_bytes(string).wrapping_mul(0xcf1b_bcdc_b7a5_6463);
        usize::try_from(hash >> (64 - TABLE_BITS)).unwrap_or_default()
    };
    bytes.windows(STRING_LEN).map(slot)
}

/// Returns, for each slot, the number of samples with a string of that slot, minus one. One is
/// subtracted because a string that occurs in only one sample has no value in a dictionary.
fn counts(samples: &[u8], ends: &[usize]) -> Vec<u32> {
    let mut counts = vec![0_u32; 1 << TABLE_BITS];
    let mut seen = vec![0_u32; 1 << TABLE_BITS];
    let mut start = 0;
    for (number, end) in (1_u32..).zip(ends) {
        for slot in slots(samples.get(start..*end).unwrap_or_default()) {
            if let (Some(seen), Some(count)) = (seen.get_mut(slot), counts.get_mut(slot))
                && *seen != number
            {
                *count = count.saturating_add(1);
                *seen = number;
            }
        }
        start = *end;
    }
    for count in &mut counts {
        *count = count.saturating_sub(1);
    }
    counts
}

/// Returns the starts and ends of the epochs.
fn epochs(strings: usize, len: usize) -> Vec<(usize, usize)> {
    let segments = len.div_ceil(SEGMENT_LEN).max(1);
    let epoch_len = strings.div_ceil(segments).max(EPOCH_LEN_MIN.min(strings)).max(1);
    let starts = (0..strings).step_by(epoch_len);
    starts.map(|start| (start, start.saturating_add(epoch_len))).collect()
}

/// A window that slides over an epoch, and counts how often each slot occurs in it.
struct Window {
    in_window: Vec<u16>,
}

impl Window {
    /// Returns the segment of an epoch whose distinct strings have the largest sum of counts.
    /// Strings of count 0 at its ends are cut off. Returns `None` if all counts are 0.
    fn best<'a>(&mut self, epoch: &'a [u8], counts: &[u32]) -> Option<&'a [u8]> {
        let count = |slot: usize| counts.get(slot).copied().unwrap_or_default();
        let strings = SEGMENT_LEN.saturating_sub(STRING_LEN.saturating_sub(1));
        // The slots that leave the window; no slot leaves before the window has its full length.
        let mut leaving = slots(epoch);
        let (mut score, mut best, mut best_end) = (0_u64, 0, 0);
        for (end, slot) in (1_usize..).zip(slots(epoch)) {
            if self.enter(slot) {
                score = score.saturating_add(u64::from(count(slot)));
            }
            if end > strings
                && let Some(old) = leaving.next()
                && self.leave(old)
            {
                score = score.saturating_sub(u64::from(count(old)));
            }
            if score > best {
                (best, best_end) = (score, end);
            }
        }
        for slot in leaving {
            if let Some(times) = self.in_window.get_mut(slot) {
                *times = 0;
            }
        }
        let segment = strings_at(epoch, best_end.saturating_sub(strings), best_end);
        let is_worth = |slot: usize| count(slot) > 0;
        let first = slots(segment).position(is_worth)?;
        let last = slots(segment).rposition(is_worth)?;
        Some(strings_at(segment, first, last.saturating_add(1)))
    }

    /// Counts a string that enters the window. Returns whether it is the only one of its slot in
    /// the window.
    fn enter(&mut self, slot: usize) -> bool {
        let Some(times) = self.in_window.get_mut(slot) else { return false };
        *times = times.saturating_add(1);
        *times == 1
    }

    /// Removes a string that leaves the window. Returns whether it was the last of its slot in the
    /// window.
    fn leave(&mut self, slot: usize) -> bool {
        let Some(times) = self.in_window.get_mut(slot) else { return false };
        *times = times.saturating_sub(1);
        *times == 0
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "the numbers in tests are small")]
mod tests {
    use super::train;

    /// Returns samples one after the other, and their ends.
    fn joined(samples: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let ends = samples.iter().scan(0, |end, sample| {
            *end += sample.len();
            Some(*end)
        });
        (samples.concat(), ends.collect())
    }

    fn noise(seed: u8, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut out);
        out
    }

    #[test]
    fn the_text_that_samples_share_is_chosen_once() {
        let shared = b"<html><head><title>The same beginning of each page</title></head>";
        let samples: Vec<Vec<u8>> = (0..10)
            .map(|i| [noise(i, 6000), shared.to_vec(), noise(i + 100, 6000)].concat())
            .collect();
        let (samples, ends) = joined(&samples);
        let dictionary = train(&samples, &ends, 4096);
        let places = dictionary.windows(shared.len()).filter(|part| *part == shared);
        assert_eq!(places.count(), 1, "in {} bytes", dictionary.len());
    }

    #[test]
    fn what_one_sample_repeats_is_not_worth_a_place() {
        let (samples, ends) = joined(&[b"again and again, ".repeat(200), noise(1, 3000)]);
        assert_eq!(train(&samples, &ends, 4096), b"");
        assert_eq!(train(b"", &[], 4096), b"");
        assert_eq!(train(b"short", &[5], 4096), b"");
    }

    #[test]
    fn a_dictionary_has_at_most_the_wanted_length() {
        let texts: Vec<Vec<u8>> = (0..20).map(|_| noise(7, 20_000)).collect();
        let (samples, ends) = joined(&texts);
        for len in [1, 100, 4096, 10_000] {
            assert_eq!(train(&samples, &ends, len).len(), len);
        }
    }
}
