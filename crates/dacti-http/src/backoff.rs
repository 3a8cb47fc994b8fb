//! The length of the wait before a retry. Specification: `docs/spec/dacti-http.md`, "Retry".

use crate::Options;

/// Returns the wait before retry number `n`, counted from 0. The wait doubles with each retry, up
/// to the maximum. Half of each wait is random, so that readers that failed at the same time do not
/// retry at the same time.
pub(crate) fn backoff_millis(options: &Options, n: u32, random: u64) -> u64 {
    let full = options
        .backoff_millis
        .saturating_mul(1_u64.checked_shl(n).unwrap_or(u64::MAX))
        .min(options.backoff_millis_max);
    let half = full / 2;
    half.saturating_add(
        random.checked_rem(full.saturating_sub(half).saturating_add(1)).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::backoff_millis;
    use crate::Options;
    use std::vec::Vec;

    #[test]
    fn waits_double_up_to_the_longest_and_half_is_chance() {
        // spec: R-HTTP-18
        let options =
            Options { backoff_millis: 100, backoff_millis_max: 1_000, ..Options::default() };
        for (n, least, most) in
            [(0, 50, 100), (1, 100, 200), (2, 200, 400), (3, 400, 800), (4, 500, 1_000)]
        {
            let waits: Vec<_> = (0..2_000).map(|r| backoff_millis(&options, n, r)).collect();
            assert_eq!(waits.iter().min(), Some(&least));
            assert_eq!(waits.iter().max(), Some(&most));
        }
        assert_eq!(backoff_millis(&options, u32::MAX, 0), 500);
        let never = Options { backoff_millis: 0, ..options };
        assert_eq!(backoff_millis(&never, 9, u64::MAX), 0);
    }
}
