//! The search for an id among the sorted entries of one group.

use crate::order::{order, prefix};
use core::cmp::Ordering;
use dacti_index::Entry;

/// After the first guess, the search computes this many further positions by interpolation.
const GUESSES: u32 = 2;
/// After these positions, each step is twice as long as the step before it. After a step of more
/// than this many entries, the search becomes a binary search.
const STEP_MAX: usize = 8;

/// Returns the position of `target` among sorted `entries`, or the position at which it would be.
///
/// `guess` is a likely position, and `gap` is the average difference between the ids of
/// neighbouring entries. The search reads no entry twice, and only a few entries if ids are spread
/// evenly.
pub(crate) fn seek(
    entries: &[Entry],
    target: u128,
    guess: usize,
    gap: u64,
) -> Result<usize, usize> {
    let (mut low, mut high) = (0, entries.len());
    let (mut at, mut guesses, mut step) = (guess, 0, 1_usize);
    while low < high {
        at = at.clamp(low, high.saturating_sub(1));
        let Some(id) = entries.get(at).map(order) else { break };
        let ordering = id.cmp(&target);
        match ordering {
            Ordering::Equal => return Ok(at),
            Ordering::Less => low = at.saturating_add(1),
            Ordering::Greater => high = at,
        }
        if step > STEP_MAX {
            at = low.midpoint(high);
            continue;
        }
        let by = if guesses < GUESSES {
            guesses = guesses.saturating_add(1);
            let distance = prefix(id).abs_diff(prefix(target)).checked_div(gap).unwrap_or(0);
            usize::try_from(distance).unwrap_or(usize::MAX).max(1)
        } else {
            step = step.saturating_mul(2);
            step
        };
        at = match ordering {
            Ordering::Less => at.saturating_add(by),
            _ => at.saturating_sub(by),
        };
    }
    Err(low)
}

#[cfg(test)]
mod tests {
    use super::seek;
    use dacti_index::Entry;
    use std::vec::Vec;
    use uuid::Uuid;

    #[test]
    fn any_guess_leads_to_the_same_place() {
        let ids = (0..200_u128).map(|n| (n * n * 3) << 60);
        let entries: Vec<_> = ids.map(|id| Entry::new(Uuid::from_u128(id), 0, 0)).collect();
        for (i, entry) in entries.iter().enumerate() {
            let id = entry.id.get().as_u128();
            for guess in [0, 1, 99, 150, 199, 200, usize::MAX] {
                for gap in [1, 1000, 1 << 60, u64::MAX] {
                    assert_eq!(seek(&entries, id, guess, gap), Ok(i));
                    assert_eq!(seek(&entries, id + 1, guess, gap), Err(i + 1));
                }
            }
        }
        assert_eq!(seek(&[], 0, 0, 1), Err(0));
    }
}
