//! `brod` streams between our encoder and decoder and Google's library in C, in both directions.

mod library;

use brotli::enc::{BrotliEncoderParams, StandardAlloc};
use dacti_index::{Encoding, Error, Located, decode_to_vec_with};
use daicon_core::Span;
use proptest::prelude::RngCore as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use uuid::Uuid;

/// Streams in each direction.
const STREAMS: u32 = 5000;

/// Decodes as a reader of packages does.
fn decode(stored: &[u8], dictionary: &[u8], len_max: usize) -> Result<Vec<u8>, Error> {
    let span = Span { start: 0, end: stored.len() as u64 };
    let encoding = Encoding::BROTLI_DICTIONARY;
    let located = Located { id: Uuid::nil(), span, encoding, at: 0 };
    decode_to_vec_with(Some(dictionary), &located, stored, None, len_max as u64)
}

/// Compresses as the packer does.
fn compress(content: &[u8], dictionary: &[u8], quality: u8, bits: u32) -> Vec<u8> {
    let params = BrotliEncoderParams {
        quality: quality.into(),
        lgwin: bits as i32,
        size_hint: content.len(),
        ..BrotliEncoderParams::default()
    };
    let mut out = Vec::new();
    brotli::BrotliCompressCustomIoCustomDict(
        &mut brotli::IoReaderWrapper(&mut &content[..]),
        &mut brotli::IoWriterWrapper(&mut out),
        &mut [0; 4096],
        &mut [0; 4096],
        &params,
        StandardAlloc::default(),
        &mut |_, _, _, _| (),
        dictionary,
        std::io::ErrorKind::UnexpectedEof.into(),
    )
    .expect("memory takes all bytes");
    out
}

/// The window of a packer: from 2^17, so that content and dictionary fit.
fn window_bits(len: usize) -> u32 {
    (len + 16).next_power_of_two().trailing_zeros().max(17)
}

struct Texts(TestRng);

impl Texts {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end as u64) as usize
    }

    /// Words of a few letters, parts of `old`, and noise, of about `len` bytes.
    fn text(&mut self, old: &[u8], len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < len {
            match self.below(8) {
                0 => {
                    let mut noise = vec![0; self.below(40)];
                    self.0.fill_bytes(&mut noise);
                    out.extend(noise);
                }
                1..=4 if !old.is_empty() => {
                    let start = self.below(old.len());
                    let end = old.len().min(start + self.below(300));
                    out.extend(&old[start..end]);
                }
                5 if !out.is_empty() => {
                    let start = self.below(out.len());
                    let again = out[start..out.len().min(start + 60)].to_vec();
                    out.extend(again);
                }
                _ => {
                    let words: [&[u8]; 5] =
                        [b"<div class=\"", b"the ", b" function(", b"\">\n", b"packages"];
                    out.extend(words[self.below(words.len())]);
                }
            }
        }
        out.truncate(len);
        out
    }
}

#[test]
fn both_libraries_decode_the_streams_of_both() {
    // spec: R-ENC-06
    for seed in 0..STREAMS {
        let mut texts = Texts::new(seed.into());
        let dictionary_len = [1, 2, 100, 4000, 30_000, 65_536, 100_000][texts.below(7)];
        let dictionary = texts.text(b"", dictionary_len);
        let len = [0, 1, 2, 3, 50, 3000, 9000, 40_000][texts.below(8)];
        let content = texts.text(&dictionary, len);
        let quality = [2, 3, 4, 5, 5, 5, 5, 9][texts.below(8)];
        let bits = window_bits(len + dictionary_len);
        let ours = compress(&content, &dictionary, quality, bits);
        let theirs = library::compress(&content, &dictionary, quality, bits);
        for (stored, by) in [(&ours, "ours"), (&theirs, "theirs")] {
            let decoded = decode(stored, &dictionary, len);
            assert!(decoded.as_deref() == Ok(&content[..]), "seed {seed}, {by}: ours decodes");
            let decoded = library::decompress(stored, &dictionary, len);
            assert!(decoded.as_deref() == Some(&content[..]), "seed {seed}, {by}: theirs decodes");
        }
    }
}

#[test]
fn at_the_edge_of_the_window_both_agree_and_behind_it_we_refuse() {
    // spec: R-ENC-07
    for seed in 0..40 {
        let mut texts = Texts::new(1_000_000 + seed);
        let window_len = (1 << 16) - 16;
        let dictionary = texts.text(b"", [1000, 30_000, 60_000][texts.below(3)]);
        for past in [-2_isize, -1, 0, 1, 2, 1000] {
            let len = (window_len - dictionary.len()).strict_add_signed(past);
            let content = texts.text(&dictionary, len);
            let stored = library::compress(&content, &dictionary, 5, 16);
            let decoded = decode(&stored, &dictionary, len);
            let theirs = library::decompress(&stored, &dictionary, len);
            assert!(theirs.as_deref() == Some(&content[..]), "seed {seed}: theirs decodes");
            if past <= 0 {
                assert!(decoded.as_deref() == Ok(&content[..]), "seed {seed}, {past}");
            } else {
                let window_len = window_len as u64;
                assert_eq!(decoded.unwrap_err(), Error::PastWindow { at: 0, window_len });
            }
        }
    }
}
