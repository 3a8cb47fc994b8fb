//! A limit on the bytes of all regions of a package together, when they are decoded, copied or
//! compared.
//!
//! A limit for each region is not enough: a small file can list thousands of regions that each
//! decode to the limit, or that all share the same stored bytes.

use crate::{Error, Located, Package, Span};
use core::sync::atomic::{AtomicU64, Ordering};
use daicon_core::to_u64;
use std::io;

/// However small a package is, all its regions together may take this many bytes.
const FLOOR: u64 = 64 << 20;
/// The number of bytes of content that are allowed for each stored byte. Text decodes to fewer than
/// 100 bytes for each stored byte, and logs to fewer than 500.
const DECODED_RATIO: u64 = 1000;
/// The number of bytes that may be copied or compared for each stored byte. It is above 1, because
/// regions may share stored bytes.
const COPIED_RATIO: u64 = 100;

/// Returns the number of bytes that the spans cover. Each byte counts once.
fn distinct_len(mut spans: Vec<Span>) -> u64 {
    spans.sort_unstable();
    let (mut len, mut end) = (0_u64, 0);
    for span in spans {
        len = len.saturating_add(span.end.saturating_sub(span.start.max(end)));
        end = end.max(span.end);
    }
    len
}

/// Returns how many bytes the regions together may take.
fn limit(package: &Package, regions: &[Located], ratio: u64) -> u64 {
    package.limits().total_len_max.unwrap_or_else(|| {
        let file = Span { start: 0, end: package.view().len() };
        let inside = regions.iter().map(|found| found.span).filter(|span| file.contains(span));
        let spans: Vec<Span> = inside.collect();
        let shared = shared_len(&spans, package.trust().seals_max());
        distinct_len(spans).saturating_add(shared).saturating_mul(ratio).saturating_add(FLOOR)
    })
}

/// Returns the number of additional bytes that the regions would take if none shared its stored
/// bytes with others. Of regions with the same span, at most `seals_max` count, because a writer
/// lets no more of them share these bytes.
fn shared_len(spans: &[Span], seals_max: u64) -> u64 {
    if seals_max <= 1 {
        return 0;
    }
    let mut spans = spans.to_vec();
    spans.sort_unstable();
    let more = spans.chunk_by(|a, b| a == b).map(|alike| {
        let others = to_u64(alike.len()).min(seals_max).saturating_sub(1);
        alike.first().map_or(0, Span::len).saturating_mul(others)
    });
    let more = more.fold(0, u64::saturating_add);
    // If spans overlap in part, this sum counts the common bytes several times, so it is limited.
    more.min(distinct_len(spans).saturating_mul(seals_max.saturating_sub(1)))
}

/// Refuses to copy regions if they share bytes and separate copies would make the new file far
/// larger.
#[cfg(feature = "write")]
pub(crate) fn check_copy(package: &Package, regions: &[Located]) -> Result<(), Error> {
    check_len(package, regions)
}

/// Refuses to compare regions if they share bytes and the comparison would read far more bytes than
/// are stored.
pub(crate) fn check_compared(package: &Package, regions: &[&Located]) -> Result<(), Error> {
    let regions: Vec<Located> = regions.iter().copied().copied().collect();
    check_len(package, &regions)
}

fn check_len(package: &Package, regions: &[Located]) -> Result<(), Error> {
    let limit = limit(package, regions, COPIED_RATIO);
    let len = regions.iter().fold(0_u64, |sum, found| sum.saturating_add(found.span.len()));
    if len > limit { Err(Error::TotalTooLong { limit }) } else { Ok(()) }
}

/// The number of bytes to which the streams of several regions may still decode.
#[derive(Debug)]
pub(crate) struct Total {
    left: AtomicU64,
    limit: u64,
}

impl Total {
    /// Creates the total of `regions`, with their limit. No byte is counted yet.
    pub(crate) fn of(package: &Package, regions: &[Located]) -> Self {
        let limit = limit(package, regions, DECODED_RATIO);
        Self { left: limit.into(), limit }
    }

    /// Counts decoded bytes.
    pub(crate) fn spend(&self, len: usize) -> io::Result<()> {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let less = |left: u64| left.checked_sub(len);
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        let limit = self.limit;
        spent.map(drop).map_err(|_| {
            // The bytes that are left might be enough for a shorter region. They are dropped, so
            // that the result does not depend on the order of the regions.
            self.left.store(0, Ordering::Relaxed);
            io::Error::new(io::ErrorKind::QuotaExceeded, Error::TotalTooLong { limit })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Span, distinct_len, shared_len};

    #[test]
    fn regions_that_share_all_of_their_bytes_count_like_separate_ones() {
        let span = |start, end| Span { start, end };
        let spans = [span(0, 10), span(20, 25), span(0, 10), span(0, 10)];
        assert_eq!(shared_len(&spans, 1), 0);
        assert_eq!(shared_len(&spans, 16), 20);
        // If two seals may follow the same bytes, at most two of the three regions at 0..10 count.
        assert_eq!(shared_len(&spans, 2), 10);
        // These are 100 pairs of regions. The regions of a pair have the same span, and the pairs
        // overlap in part. All of them together take 199 bytes of the file.
        let pairs: Vec<Span> =
            (0..100).flat_map(|n| [span(n, n + 100), span(n, n + 100)]).collect();
        assert_eq!(distinct_len(pairs.clone()), 199);
        assert_eq!(shared_len(&pairs, 16), 15 * 199);
    }

    #[test]
    fn bytes_that_spans_share_are_counted_once() {
        let span = |start, end| Span { start, end };
        assert_eq!(distinct_len(vec![]), 0);
        assert_eq!(distinct_len(vec![span(10, 20), span(30, 35)]), 15);
        assert_eq!(distinct_len(vec![span(30, 35), span(10, 20), span(10, 20)]), 15);
        assert_eq!(distinct_len(vec![span(0, 20), span(5, 10), span(15, 40)]), 40);
        assert_eq!(distinct_len(vec![span(5, 5), span(5, u64::MAX)]), u64::MAX - 5);
    }
}
