//! A caller's check of blocks before they are written. This crate does not judge content: the check
//! is a function of the caller.

use crate::cid::Cid;
use alloc::sync::Arc;
use core::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

type Check = dyn FnMut(&Cid, &[u8]) -> io::Result<()> + Send;

/// A function that sees each block before it is written to an archive or a CAR, in the order of the
/// archive. For an identity CID, the function gets the bytes that the CID contains.
///
/// If the function returns an error, the block is not written, and the writer returns the error.
#[derive(Clone)]
pub struct BlockCheck(Arc<Mutex<Check>>);

impl BlockCheck {
    /// Makes a check that calls this function.
    pub fn new(check: impl FnMut(&Cid, &[u8]) -> io::Result<()> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(check)))
    }

    pub(crate) fn run(&self, cid: &Cid, data: &[u8]) -> io::Result<()> {
        let mut check = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        check(cid, if cid.is_identity() { cid.digest() } else { data })
    }
}

impl fmt::Debug for BlockCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockCheck")
    }
}
