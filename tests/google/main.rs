//! Exchanges `brod` streams with Google's C library. Each side decodes the streams that the other
//! side encodes. The library also decodes `brot` streams of long regions.

mod library;

use dacti::{BuildOptions, EncodingChoice, Package, PackageBuilder};
use dacti_index::{Encoding, Error, Located, decode_to_vec_with};
use daicon_core::{ErrorKind, Span};
use std::num::NonZeroUsize;
use uuid::Uuid;

/// The number of streams in each direction, and the number of streams that share a dictionary.
const STREAMS: u64 = 5000;
const AT_ONCE: u64 = 20;

/// Decodes a stream as a reader of packages does.
fn decode(stored: &[u8], dictionary: &[u8], len_max: usize) -> Result<Vec<u8>, Error> {
    let span = Span { start: 0, end: stored.len() as u64 };
    let encoding = Encoding::BROTLI_DICTIONARY;
    let located = Located { id: Uuid::nil(), span, encoding, at: 0 };
    decode_to_vec_with(Some(dictionary), &located, stored, None, len_max as u64)
}

/// Packs all contents into one package that has this dictionary. Returns the stored bytes of each
/// content.
fn packed(contents: &[Vec<u8>], dictionary: &[u8], quality: u8) -> Vec<Vec<u8>> {
    let options = BuildOptions {
        encoding: EncodingChoice::Brotli,
        quality,
        slice_len: 4096,
        ..BuildOptions::default()
    };
    let mut builder = PackageBuilder::new(options);
    builder.set_dictionary(dictionary.to_vec()).expect("it is short enough");
    for (n, content) in contents.iter().enumerate() {
        builder.add(format!("{n}"), content.clone()).expect("a good path");
    }
    let package = Package::from_bytes(builder.build_to_vec().expect("it can be built").0);
    let package = package.expect("it is sound");
    let stored = |n: usize| {
        let located = package.locate(&format!("{n}")).expect("it is there");
        assert_eq!(located.encoding, Encoding::BROTLI_DICTIONARY);
        package.stored(&located).expect("it is sound")
    };
    (0..contents.len()).map(stored).collect()
}

/// Returns the window that a packer chooses: at least 2^17 bytes, and enough for this length.
fn window_bits(len: usize) -> u32 {
    (len + 16).next_power_of_two().trailing_zeros().max(17)
}

/// A generator of pseudo-random texts (splitmix64).
struct Texts(u64);

impl Texts {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Returns a text of about `len` bytes. It has words of a few letters, pieces of `old`, and
    /// random bytes.
    fn text(&mut self, old: &[u8], len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < len {
            match self.below(8) {
                0 => {
                    let len = self.below(40);
                    out.extend((0..len).map(|_| self.next() as u8));
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
    // spec: R-ENC-06, R-ENC-09
    for seed in 0..STREAMS / AT_ONCE {
        let mut texts = Texts(seed);
        let dictionary_len = [1, 2, 100, 4000, 30_000, 65_536, 100_000][texts.below(7)];
        let dictionary = texts.text(b"", dictionary_len);
        let quality = [2, 3, 4, 5, 5, 5, 7, 9][texts.below(8)];
        let mut contents = Vec::new();
        for _ in 0..AT_ONCE {
            let len = [0, 1, 2, 3, 50, 3000, 9000, 40_000][texts.below(8)];
            contents.push(texts.text(&dictionary, len));
        }
        let ours = packed(&contents, &dictionary, quality);
        for (content, ours) in contents.iter().zip(ours) {
            let bits = window_bits(content.len() + dictionary_len);
            let theirs = library::compress(content, &dictionary, quality, bits);
            for (stored, by) in [(&ours, "ours"), (&theirs, "theirs")] {
                let decoded = decode(stored, &dictionary, content.len());
                assert!(decoded.as_deref() == Ok(&content[..]), "seed {seed}, {by}: ours decodes");
                let decoded = library::decompress(stored, &dictionary, content.len());
                let is_same = decoded.as_deref() == Some(&content[..]);
                assert!(is_same, "seed {seed}, {by}: theirs decodes");
            }
        }
    }
}

#[test]
fn at_the_edge_of_the_window_both_agree_and_behind_it_we_refuse() {
    // spec: R-ENC-07
    for seed in 0..40 {
        let mut texts = Texts(1_000_000 + seed);
        let window_len = (1 << 16) - 16;
        let dictionary_len = [1000, 30_000, 60_000][texts.below(3)];
        let dictionary = texts.text(b"", dictionary_len);
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
                // A distance that exceeds the window has another meaning. So the stream may be
                // refused before its content is as long as the window.
                let error = decoded.expect_err("it is too long");
                assert_eq!((error.kind(), error.at()), (ErrorKind::Corrupt, Some(0)), "{error}");
            }
        }
    }
}

#[test]
fn sections_of_a_long_region_are_one_stream_for_any_decoder() {
    // spec: R-PKG-09, R-ENC-03
    // A packer compresses contents of more than 8 MiB in sections of 8 MiB.
    let text = Texts(7).text(b"", (17 << 20) + 3);
    for (quality, len) in [(1, (8 << 20) + 1), (5, text.len()), (9, (8 << 20) + 3)] {
        let content = &text[..len];
        let build = |threads| {
            let options = BuildOptions {
                encoding: EncodingChoice::Brotli,
                quality,
                threads: NonZeroUsize::new(threads),
                ..BuildOptions::default()
            };
            let mut builder = PackageBuilder::new(options);
            builder.add("long", content.to_vec()).expect("a good path");
            builder.add("its copy", content.to_vec()).expect("a good path");
            builder.add("short", b"a short text".to_vec()).expect("a good path");
            builder.build_to_vec().expect("it can be built").0
        };
        let (alone, together) = (build(1), build(3));
        assert!(alone == together, "quality {quality}: threads change the bytes");
        let package = Package::from_bytes(together).expect("it is sound");
        let located = package.locate("long").expect("it is there");
        assert_eq!(located.encoding, Encoding::BROTLI);
        assert_eq!(package.locate("its copy").expect("it is there").span, located.span);
        let stored = package.stored(&located).expect("it is sound");
        assert!(stored.len() < content.len() / 2, "quality {quality}: {} bytes", stored.len());
        assert!(package.get("its copy").expect("it is sound") == *content, "quality {quality}");
        let theirs = library::decompress(&stored, b"", content.len());
        assert!(theirs.as_deref() == Some(content), "quality {quality}: theirs decodes");
    }
}
