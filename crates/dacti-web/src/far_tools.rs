//! The tools of the second module. This module calls them through the host.
//!
//! The lint that is switched off here concerns only the block of imports, as in `boundary.rs`.
#![expect(
    unsafe_code,
    reason = "only for the block of imports: without it this module cannot call JavaScript"
)]

use crate::Tools;
use core::cell::Cell;
use dacti::seal::{MESSAGE_LEN, SIGNATURE_LEN, SignatureCheck};
use dacti_index::{BrotliStanding, BrotliStep, BrotliStream};
use std::sync::Arc;

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    safe fn brotli_open(dictionary: *const u8, dictionary_len: usize, has_dictionary: u32) -> u32;
    safe fn brotli_run(
        stream: u32,
        stored: *const u8,
        stored_len: usize,
        out: *mut u8,
        out_len: usize,
        progress: *mut u32,
    ) -> u32;
    safe fn brotli_close(stream: u32);
    safe fn is_key(key: *const u8) -> u32;
    safe fn is_signed(
        key: *const u8,
        signature: *const u8,
        message: *const u8,
        message_len: usize,
    ) -> u32;
}

/// The code that a tool returns while the second module is not loaded.
const ABSENT: u32 = 3;

/// The tools in the second module.
pub(crate) const TOOLS: Tools = Tools {
    open_brotli: |dictionary| {
        let bytes = dictionary.unwrap_or_default();
        let has_dictionary = u32::from(dictionary.is_some());
        Box::new(Stream(brotli_open(bytes.as_ptr(), bytes.len(), has_dictionary)))
    },
    checks_of: |key| Key(*key).of_key(key),
    take_missed: || MISSED.replace(false),
    are_here: false,
};

/// A Brotli stream of the second module, by its number; 0 if that module was not loaded.
#[derive(Debug)]
struct Stream(u32);

impl BrotliStream for Stream {
    fn decompress(&mut self, stored: &[u8], out: &mut [u8]) -> BrotliStep {
        // One call copies at most this many stored bytes, and at most this many bytes of output.
        const PIECE: usize = 64 << 10;
        let stored_len = stored.len().min(PIECE);
        let mut progress = [0_u32; 2];
        let (from, to, out_len) = (stored.as_ptr(), out.as_mut_ptr(), out.len().min(PIECE));
        let code = brotli_run(self.0, from, stored_len, to, out_len, progress.as_mut_ptr());
        MISSED.set(MISSED.get() || code == ABSENT);
        let standing = match code {
            0 => BrotliStanding::Done,
            1 => BrotliStanding::More,
            _ => BrotliStanding::Wrong,
        };
        let [read, written] = progress.map(|len| usize::try_from(len).unwrap_or(0));
        BrotliStep { read, written, standing }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        brotli_close(self.0);
    }
}

/// A key. The second module checks its signatures.
#[derive(Debug)]
struct Key([u8; 32]);

impl SignatureCheck for Key {
    fn is_signed(&self, message: &[u8; MESSAGE_LEN], signature: &[u8; SIGNATURE_LEN]) -> bool {
        let code = is_signed(self.0.as_ptr(), signature.as_ptr(), message.as_ptr(), message.len());
        MISSED.set(MISSED.get() || code == ABSENT);
        code == 1
    }

    fn of_key(&self, key: &[u8; 32]) -> Option<Arc<dyn SignatureCheck>> {
        let code = is_key(key.as_ptr());
        MISSED.set(MISSED.get() || code == ABSENT);
        (code == 1).then(|| Arc::new(Self(*key)) as Arc<dyn SignatureCheck>)
    }
}

thread_local! {
    /// Whether a tool was called before the second module was loaded.
    static MISSED: Cell<bool> = const { Cell::new(false) };
}
