//! Decodes a Brotli stream piece by piece, with the decoder of this crate or with another one.
//!
//! For example, a program in a web page provides a decoder that it loads only when a region needs
//! it.
//! Specification: `docs/spec/dacti-index.md`, "Encodings".

use alloc::boxed::Box;

/// The decoding of one Brotli stream (RFC 7932). Refuses windows larger than 16 MiB.
pub trait BrotliStream: Send + Sync {
    /// Decodes some of `stored` into `out`. `stored` starts with the first byte that no earlier
    /// call has taken.
    fn decompress(&mut self, stored: &[u8], out: &mut [u8]) -> BrotliStep;
}

/// The progress of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrotliStep {
    /// Stored bytes taken from the start of the input.
    pub read: usize,
    /// Decoded bytes written to the start of the output.
    pub written: usize,
    /// The state of the stream after the call.
    pub standing: BrotliStanding,
}

/// The state of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrotliStanding {
    /// The stream has ended.
    Done,
    /// The stream needs more input or more room for output.
    More,
    /// The bytes are not a Brotli stream.
    Wrong,
}

/// A function that begins a stream. If it is given a dictionary, the decoder must place the
/// dictionary before the content in the stream's window.
pub type OpenBrotli = fn(dictionary: Option<&[u8]>) -> Box<dyn BrotliStream>;

/// Begins a stream that the decoder of this crate decodes.
#[cfg(feature = "brotli")]
#[must_use]
pub fn open_brotli(dictionary: Option<&[u8]>) -> Box<dyn BrotliStream> {
    built_in::open(dictionary)
}

/// The decoder of this crate.
#[cfg(feature = "brotli")]
mod built_in {
    use super::{BrotliStanding, BrotliStep, BrotliStream};
    use crate::window::{Cells, Heap};
    use alloc::boxed::Box;
    use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState};

    type State = BrotliState<Heap, Heap, Heap>;

    pub(super) fn open(dictionary: Option<&[u8]>) -> Box<dyn BrotliStream> {
        // Strict mode refuses windows larger than 16 MiB, because RFC 7932 has no such windows.
        let Some(dictionary) = dictionary else {
            return Box::new(State::new_strict(Heap, Heap, Heap));
        };
        let cells = Cells::of(dictionary);
        let mut state = State::new_with_custom_dictionary(Heap, Heap, Heap, cells);
        state.large_window = false;
        Box::new(state)
    }

    impl BrotliStream for State {
        fn decompress(&mut self, stored: &[u8], out: &mut [u8]) -> BrotliStep {
            let (mut available_in, mut read) = (stored.len(), 0);
            let (mut available_out, mut written) = (out.len(), 0);
            let result = BrotliDecompressStream(
                &mut available_in,
                &mut read,
                stored,
                &mut available_out,
                &mut written,
                out,
                &mut 0,
                self,
            );
            let standing = match result {
                BrotliResult::ResultSuccess => BrotliStanding::Done,
                BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {
                    BrotliStanding::More
                }
                BrotliResult::ResultFailure => BrotliStanding::Wrong,
            };
            BrotliStep { read, written, standing }
        }
    }
}
