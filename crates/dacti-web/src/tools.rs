//! Brotli and signatures, which the host brings: they stand in a module of their own, and it is
//! loaded when the first region needs it.

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
    /// Returns whether the module of these functions was asked for and is not there, and forgets
    /// it.
    pub take_missed: fn() -> bool,
    /// Whether they are part of this module, so that nothing is loaded.
    pub are_here: bool,
}
