//! Stored bytes that were fetched over a network, kept until they are verified and decoded.

use crate::fetch::source::ReadAt;
#[cfg(any(feature = "async", feature = "write"))]
use crate::fetch::temporary::Temporary;
use daicon_core::Span;
use std::io;

/// The maximum length of a region that is kept in memory. A longer one is written to a temporary
/// file.
const MEMORY_LEN_MAX: u64 = 8 << 20;

/// The stored bytes of a region that were fetched so far.
#[derive(Debug)]
pub(super) struct Spool {
    stored: Span,
    memory: Vec<u8>,
    #[cfg(any(feature = "async", feature = "write"))]
    file: Option<Temporary>,
    len: u64,
}

impl Spool {
    /// Creates an empty spool for the bytes at `stored`. Returns `None` if the bytes need a
    /// temporary file, and this crate was built without support for temporary files.
    pub(super) fn new(stored: Span) -> Option<Self> {
        let fits = stored.len() <= MEMORY_LEN_MAX;
        (fits || cfg!(any(feature = "async", feature = "write"))).then_some(Self {
            stored,
            memory: Vec::new(),
            #[cfg(any(feature = "async", feature = "write"))]
            file: None,
            len: 0,
        })
    }

    /// Drops all bytes.
    pub(super) fn clear(&mut self) {
        self.memory.clear();
        self.len = 0;
    }

    /// Appends the next bytes.
    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        #[cfg(any(feature = "async", feature = "write"))]
        if self.stored.len() > MEMORY_LEN_MAX {
            let file = match &mut self.file {
                Some(file) => file,
                None => self.file.insert(Temporary::new()?),
            };
            file.write_at(self.len, bytes)?;
            self.len = self.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            return Ok(());
        }
        self.memory.extend_from_slice(bytes);
        self.len = self.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}

impl ReadAt for Spool {
    fn len(&self) -> u64 {
        self.stored.start.saturating_add(self.len)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let at = at.saturating_sub(self.stored.start);
        #[cfg(any(feature = "async", feature = "write"))]
        if let Some(file) = &self.file {
            return file.read_at(at, buf);
        }
        let rest = usize::try_from(at).ok().and_then(|at| self.memory.get(at..));
        let rest = rest.unwrap_or_default();
        for (to, from) in buf.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(rest.len().min(buf.len()))
    }

    fn is_local(&self) -> bool {
        true
    }
}

#[cfg(all(test, any(feature = "async", feature = "write")))]
mod tests {
    use super::{MEMORY_LEN_MAX, Spool};
    use crate::fetch::source::ReadAt;
    use daicon_core::Span;

    #[test]
    fn bytes_in_memory_and_in_a_file_are_read_as_they_came() {
        for len in [1000, MEMORY_LEN_MAX + 1000] {
            let mut spool = Spool::new(Span::new(50, len).unwrap()).unwrap();
            let byte = |at: u64| (at % 253) as u8;
            for round in 0..2 {
                // `clear` must drop the bytes of the first round.
                spool.clear();
                let bytes: Vec<u8> = (0..len).map(|at| byte(at) ^ (1 - round)).collect();
                bytes.chunks(70_000).for_each(|part| spool.put(part).unwrap());
            }
            let mut buf = [0; 3];
            for at in [0, 1, len - 3] {
                assert_eq!(spool.read_at(50 + at, &mut buf).unwrap(), 3);
                assert_eq!(buf, [byte(at), byte(at + 1), byte(at + 2)]);
            }
            assert_eq!(spool.read_at(50 + len - 1, &mut buf).unwrap(), 1);
            assert_eq!(spool.len(), 50 + len);
        }
    }
}
