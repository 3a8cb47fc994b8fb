//! Brotli and signatures. The host provides them in a separate module, which is loaded when the
//! first region needs it.

use dacti::seal::SignatureCheck;
use dacti_index::OpenBrotli;
use std::sync::Arc;

/// The decoder of Brotli and the checks of signatures.
#[derive(Debug, Clone, Copy)]
pub struct Tools {
    /// Begins a Brotli stream.
    pub open_brotli: OpenBrotli,
    /// Returns the checks of a key; `None` if the bytes are not a key.
    pub checks_of: fn(&[u8; 32]) -> Option<Arc<dyn SignatureCheck>>,
    /// Returns whether a tool was called before its module was loaded, and resets this record.
    pub take_missed: fn() -> bool,
    /// Whether the tools are part of this module, so that nothing must be loaded.
    pub are_here: bool,
}
