//! A source that records its reads for a test.

use dacti::Span;
use dacti::fetch::ReadAt;
use std::sync::{Arc, Mutex};

/// A source that records its reads, and does not lend its bytes.
#[derive(Debug)]
pub struct Noting {
    bytes: Vec<u8>,
    pub reads: Mutex<Vec<Span>>,
}

impl Noting {
    pub fn new(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { bytes, reads: Mutex::default() })
    }
}

impl ReadAt for Noting {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let rest = self.bytes.get(at as usize..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        let read = Span { start: at, end: at + len as u64 };
        self.reads.lock().expect("no thread panicked").push(read);
        assert!(at + buf.len() as u64 <= self.len(), "no read passes the end of the file");
        Ok(len)
    }
}
