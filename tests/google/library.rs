//! Google's Brotli library, which is in C: compresses and decompresses with a dictionary.
//!
//! Calls of C functions are `unsafe`. No other file of the tests has such calls.

use compu_brotli_sys as c;
use core::ffi::c_int;
use core::ptr;

/// Compresses `content` with a window of 2^`bits` bytes. The stream refers to `dictionary`.
///
/// # Panics
/// If the library fails.
#[must_use]
pub fn compress(content: &[u8], dictionary: &[u8], quality: u8, bits: u32) -> Vec<u8> {
    let mut out = vec![0; content.len() + content.len() / 16 + 1024];
    // SAFETY: the pointers lead to slices that have the given lengths, and these slices outlive the
    // encoder and the prepared dictionary. Each instance is destroyed once, after its last use.
    unsafe {
        let prepared = c::BrotliEncoderPrepareDictionary(
            c::BrotliSharedDictionaryType_BROTLI_SHARED_DICTIONARY_RAW,
            dictionary.len(),
            dictionary.as_ptr(),
            c_int::from(quality),
            None,
            None,
            ptr::null_mut(),
        );
        let encoder = c::BrotliEncoderCreateInstance(None, None, ptr::null_mut());
        let quality_set = c::BrotliEncoderSetParameter(
            encoder,
            c::BrotliEncoderParameter_BROTLI_PARAM_QUALITY,
            quality.into(),
        );
        let window_set = c::BrotliEncoderSetParameter(
            encoder,
            c::BrotliEncoderParameter_BROTLI_PARAM_LGWIN,
            bits,
        );
        let attached = c::BrotliEncoderAttachPreparedDictionary(encoder, prepared);
        assert_eq!((quality_set, window_set, attached), (1, 1, 1));
        let (mut left, mut next) = (content.len(), content.as_ptr());
        let (mut room, mut to, mut written) = (out.len(), out.as_mut_ptr(), 0);
        let went_on = c::BrotliEncoderCompressStream(
            encoder,
            c::BrotliEncoderOperation_BROTLI_OPERATION_FINISH,
            &raw mut left,
            &raw mut next,
            &raw mut room,
            &raw mut to,
            &raw mut written,
        );
        let is_finished = c::BrotliEncoderIsFinished(encoder);
        c::BrotliEncoderDestroyInstance(encoder);
        c::BrotliEncoderDestroyPreparedDictionary(prepared);
        assert_eq!((went_on, is_finished, left), (1, 1, 0), "the room is enough");
        out.truncate(written);
    }
    out
}

/// Decompresses a stream that refers to `dictionary`, to at most `len_max` bytes. Returns `None` if
/// the library refuses the stream.
#[must_use]
pub fn decompress(stored: &[u8], dictionary: &[u8], len_max: usize) -> Option<Vec<u8>> {
    let mut out = vec![0; len_max + 1];
    // SAFETY: the pointers lead to slices that have the given lengths, and these slices outlive the
    // decoder. Each instance is destroyed once, after its last use.
    unsafe {
        let decoder = c::BrotliDecoderCreateInstance(None, None, ptr::null_mut());
        let attached = c::BrotliDecoderAttachDictionary(
            decoder,
            c::BrotliSharedDictionaryType_BROTLI_SHARED_DICTIONARY_RAW,
            dictionary.len(),
            dictionary.as_ptr(),
        );
        assert_eq!(attached, 1);
        let (mut left, mut next) = (stored.len(), stored.as_ptr());
        let (mut room, mut to, mut written) = (out.len(), out.as_mut_ptr(), 0);
        let result = c::BrotliDecoderDecompressStream(
            decoder,
            &raw mut left,
            &raw mut next,
            &raw mut room,
            &raw mut to,
            &raw mut written,
        );
        c::BrotliDecoderDestroyInstance(decoder);
        if result != c::BrotliDecoderResult_BROTLI_DECODER_RESULT_SUCCESS || left > 0 {
            return None;
        }
        out.truncate(written);
    }
    Some(out)
}
