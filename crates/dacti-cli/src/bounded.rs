//! A file that is read within bounds: what `--max-bytes` and `--max-requests` mean where no server
//! is asked.

use core::sync::atomic::{AtomicU64, Ordering};
use dacti::fetch::ReadAt;
use std::io;
use std::sync::Arc;

/// A source that ends with an error before more is read than allowed.
#[derive(Debug)]
pub(crate) struct Bounded {
    source: Arc<dyn ReadAt>,
    reads_left: AtomicU64,
    bytes_left: AtomicU64,
}

impl Bounded {
    /// At most so many reads of `source`, and bytes in all of them.
    pub(crate) fn new(source: Arc<dyn ReadAt>, reads_max: u64, bytes_max: u64) -> Self {
        Self { source, reads_left: reads_max.into(), bytes_left: bytes_max.into() }
    }
}

impl ReadAt for Bounded {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let len = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let len = len.min(self.len().saturating_sub(at));
        spend(&self.reads_left, 1, "a read", "--max-requests")?;
        spend(&self.bytes_left, len, &format!("{len} bytes"), "--max-bytes")?;
        self.source.read_at(at, buf)
    }

    fn read_len(&self) -> usize {
        self.source.read_len()
    }

    fn is_local(&self) -> bool {
        self.source.is_local()
    }
}

fn spend(left: &AtomicU64, n: u64, what: &str, option: &str) -> io::Result<()> {
    let spent = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(n));
    spent.map(drop).map_err(|left| {
        let error = format!("{what} would be needed, and {option} leaves {left}: allow more");
        io::Error::new(io::ErrorKind::QuotaExceeded, error)
    })
}

#[cfg(test)]
mod tests {
    use super::Bounded;
    use dacti::fetch::{BytesSource, ReadAt};
    use std::sync::Arc;

    #[test]
    fn reading_ends_before_a_bound_is_passed() {
        let of = |reads, bytes| Bounded::new(Arc::new(BytesSource::new(vec![7; 10])), reads, bytes);
        let source = of(3, 8);
        assert_eq!(source.read_at(4, &mut [0; 6]).unwrap(), 6);
        let error = source.read_at(0, &mut [0; 3]).unwrap_err().to_string();
        assert_eq!(error, "3 bytes would be needed, and --max-bytes leaves 2: allow more");
        // What lies behind the end is not counted.
        assert_eq!(source.read_at(8, &mut [0; 6]).unwrap(), 2);
        let error = source.read_at(0, &mut [0; 1]).unwrap_err().to_string();
        assert_eq!(error, "a read would be needed, and --max-requests leaves 0: allow more");
    }
}
