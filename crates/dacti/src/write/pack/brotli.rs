//! Compresses contents with Brotli. A short content is compressed in one call, with the package's
//! dictionary if there is one. A long content is compressed as a stream.

use super::sections::{self, SECTION_LEN};
use brotli::enc::BrotliEncoderParams;
use brotli::enc::backward_references::{AnyHasher, BrotliHasherParams, UnionHasher};
use brotli::enc::combined_alloc::BrotliAlloc;
use brotli::enc::encode::{
    BrotliEncoderDestroyInstance, BrotliEncoderMaxCompressedSize, BrotliEncoderOperation,
    BrotliEncoderStateStruct,
};
use brotli::{Allocator, SliceWrapper, SliceWrapperMut};
use core::any::{Any, TypeId};
use daicon_core::to_u64;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read, Write};

/// The lowest quality at which the encoder uses a dictionary.
pub(crate) const DICTIONARY_QUALITY_MIN: u8 = 2;

/// Compresses short contents one after the other, and uses the same memory for all of them.
///
/// For each content the encoder needs a megabyte of zeros, most of it for the table of its match
/// finder. Allocating and clearing this memory takes longer than compressing a small page.
#[derive(Default)]
pub(super) struct Compressor {
    memory: Memory,
    kept: Option<Kept>,
}

/// The match finder of the last content, and the parameters for which it was made.
struct Kept {
    hasher: UnionHasher<Memory>,
    params: BrotliHasherParams,
    made_for: (u8, i32),
}

impl Compressor {
    /// Compresses `content` and appends the result to `out`. The result does not depend on earlier
    /// contents.
    ///
    /// An encoder that receives the whole content at once takes 4 % less time than one that
    /// receives it in pieces.
    pub(super) fn compress(
        &mut self,
        content: &[u8],
        quality: u8,
        dictionary: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut encoder = BrotliEncoderStateStruct::new(core::mem::take(&mut self.memory));
        let dictionary = dictionary.unwrap_or_default();
        encoder.params = params(to_u64(content.len()), quality, dictionary);
        let made_for = (quality, encoder.params.lgwin);
        let is_short = content.len() <= SHORT_LEN_MAX;
        if let Some(kept) = self.kept.take().filter(|kept| is_short && kept.made_for == made_for) {
            encoder.params.hasher = kept.params;
            encoder.hasher_ = kept.hasher;
        }
        match shown(dictionary, content) {
            Some(shown) if !shown.is_empty() => encoder.set_custom_dictionary(shown.len(), &shown),
            Some(_) => {}
            // This also turns off Brotli's own dictionary. A stream that refers to no dictionary
            // decodes to the same content with any dictionary.
            None => encoder.params.use_dictionary = false,
        }
        let room_len = BrotliEncoderMaxCompressedSize(content.len());
        let finish = BrotliEncoderOperation::BROTLI_OPERATION_FINISH;
        let compressed = compress_with(&mut encoder, finish, content, room_len, out);
        // At these qualities a match finder counts its used slots. Clearing the counts resets it.
        if (5..=9).contains(&quality) && is_short {
            let mut hasher = core::mem::take(&mut encoder.hasher_);
            if !matches!(hasher, UnionHasher::Uninit) {
                hasher.GetHasherCommon().is_prepared_ = 0;
                self.kept = Some(Kept { hasher, params: encoder.params.hasher, made_for });
            }
        }
        BrotliEncoderDestroyInstance(&mut encoder);
        self.memory = encoder.m8;
        compressed
    }
}

/// Compresses all of `content` and appends the result to `out`. `operation` tells the encoder to
/// finish the stream at the end, or only to flush it. `out` grows by `room_len` bytes at once.
pub(super) fn compress_with(
    encoder: &mut BrotliEncoderStateStruct<impl BrotliAlloc>,
    operation: BrotliEncoderOperation,
    content: &[u8],
    room_len: usize,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let (mut left, mut read, mut end) = (content.len(), 0, out.len());
    loop {
        out.resize(end.saturating_add(room_len), 0);
        let room = out.get_mut(end..).unwrap_or_default();
        let (mut room_left, mut written) = (room.len(), 0);
        let went_on = encoder.compress_stream(
            operation,
            &mut left,
            content,
            &mut read,
            &mut room_left,
            room,
            &mut written,
            &mut None,
            &mut |_, _, _, _| (),
        );
        if !went_on || written == 0 {
            return Err(io::Error::other("the Brotli encoder has made no progress"));
        }
        end = end.saturating_add(written);
        if left == 0 && !encoder.has_more_output() {
            break;
        }
    }
    out.truncate(end);
    Ok(())
}

/// Memory that an encoder has returned, as pieces, by the type of their elements. The encoder of
/// the next content reuses it.
#[derive(Default)]
struct Memory(HashMap<TypeId, Vec<Box<dyn Any>>>);

/// A piece of memory that an encoder uses.
#[derive(Debug)]
struct Cell<T>(Vec<T>);

impl<T> Default for Cell<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> SliceWrapper<T> for Cell<T> {
    fn slice(&self) -> &[T] {
        &self.0
    }
}

impl<T> SliceWrapperMut<T> for Cell<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Clone + Default + 'static> Allocator<T> for Memory {
    type AllocatedMemory = Cell<T>;

    fn alloc_cell(&mut self, len: usize) -> Cell<T> {
        let cells = self.0.get_mut(&TypeId::of::<T>());
        let mut cell = cells.and_then(|cells| take_fitting(cells, len)).unwrap_or_default();
        // The encoder expects zeros.
        cell.clear();
        cell.resize(len, T::default());
        Cell(cell)
    }

    fn free_cell(&mut self, cell: Cell<T>) {
        if cell.0.capacity() > 0 {
            self.0.entry(TypeId::of::<T>()).or_default().push(Box::new(cell.0));
        }
    }
}

impl BrotliAlloc for Memory {}

/// Removes and returns the shortest piece of memory that has room for `len` elements. If no piece
/// has enough room, returns the last piece.
fn take_fitting<T: 'static>(cells: &mut Vec<Box<dyn Any>>, len: usize) -> Option<Vec<T>> {
    let room = |cell: &Box<dyn Any>| cell.downcast_ref::<Vec<T>>().map(Vec::capacity);
    let fitting = cells.iter().enumerate().filter(|(_, cell)| room(cell) >= Some(len));
    let shortest = fitting.min_by_key(|(_, cell)| room(cell)).map(|(i, _)| i);
    let i = shortest.or(cells.len().checked_sub(1))?;
    cells.swap_remove(i).downcast().ok().map(|cell| *cell)
}

/// The match finder is kept for the next content if a content has at most this many bytes. Longer
/// contents need a match finder with other parameters.
const SHORT_LEN_MAX: usize = 1 << 20;

/// Returns the dictionary that the encoder receives; `None` if the content must be compressed
/// without one.
///
/// The encoder (crate `brotli` 8.0.4) panics if a match begins with the last byte of the dictionary
/// and continues in the content: it cuts such a match to one byte, a length that no stream can
/// express. So the last byte is replaced by a byte that does not occur in the content. No match can
/// contain that byte, so the stream decodes to the same content with the true dictionary.
fn shown<'d>(dictionary: &'d [u8], content: &[u8]) -> Option<Cow<'d, [u8]>> {
    let (Some(last), Some(first)) = (dictionary.last(), content.first()) else {
        return Some(Cow::Borrowed(dictionary));
    };
    if !content.windows(2).any(|pair| pair == [*last, *first]) {
        return Some(Cow::Borrowed(dictionary));
    }
    let mut is_used = [false; 256];
    for byte in content {
        if let Some(is_used) = is_used.get_mut(usize::from(*byte)) {
            *is_used = true;
        }
    }
    let unused = is_used.iter().position(|is_used| !is_used)?;
    let mut shown = dictionary.to_vec();
    *shown.last_mut()? = u8::try_from(unused).ok()?;
    Some(Cow::Owned(shown))
}

/// Writes the compressed `content`, of about `len` bytes, to `sink`. Idle threads compress sections
/// of a long content, see [`sections::compress`].
pub(super) fn compress_stream<I>(
    content: &mut impl Read,
    len: u64,
    quality: u8,
    take_idle: impl Fn() -> Option<I>,
    sink: &mut impl Write,
) -> io::Result<()> {
    if len > SECTION_LEN {
        return sections::compress(content, len, quality, take_idle, sink);
    }
    brotli::BrotliCompress(content, sink, &params(len, quality, &[])).map(drop)
}

pub(super) fn params(len: u64, quality: u8, dictionary: &[u8]) -> BrotliEncoderParams {
    BrotliEncoderParams {
        quality: quality.into(),
        // The dictionary lies before the content, in the same window.
        lgwin: window_bits(len.saturating_add(to_u64(dictionary.len()))),
        size_hint: usize::try_from(len).unwrap_or(usize::MAX),
        ..BrotliEncoderParams::default()
    }
}

/// Returns the window for content of `len` bytes. The window is as small as possible but reaches
/// all of the content, from 128 KiB to 4 MiB. So a reader of a small region needs little memory.
fn window_bits(len: u64) -> i32 {
    // A window of 2^n reaches back 2^n - 16 bytes. For a window below 2^17 this encoder allocates
    // and clears tables of 32 MiB for each region. This takes ten times as long as the compression
    // itself (measured on 52,000 HTML files).
    let bits = len.saturating_add(16).next_power_of_two().trailing_zeros();
    i32::try_from(bits.clamp(17, 22)).unwrap_or(22)
}

#[cfg(test)]
mod tests {
    use super::{Compressor, DICTIONARY_QUALITY_MIN, compress_stream, window_bits};
    use std::io::Read;

    #[test]
    fn windows_just_reach_the_content() {
        for (len, bits) in [(0, 17), (131_056, 17), (131_057, 18), (262_128, 18), (1 << 40, 22)] {
            assert_eq!(window_bits(len), bits, "{len}");
        }
    }

    /// Returns bytes that do not compress. Brotli makes them longer.
    fn noise(len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut out);
        out
    }

    /// Compresses with a dictionary, and checks that the result decodes to the same content.
    #[track_caller]
    fn check(content: &[u8], dictionary: &[u8], quality: u8) {
        let mut stored = Vec::new();
        let mut compressor = Compressor::default();
        compressor.compress(content, quality, Some(dictionary), &mut stored).unwrap();
        let span = daicon_core::Span::new(0, stored.len() as u64).unwrap();
        let encoding = dacti_index::Encoding::BROTLI_DICTIONARY;
        let located = dacti_index::Located { id: uuid::Uuid::nil(), span, encoding, at: 0 };
        let len = content.len() as u64;
        let decoded =
            dacti_index::decode_to_vec_with(Some(dictionary), &located, &stored, None, len);
        assert!(decoded.as_deref() == Ok(content), "quality {quality}: {:?}", decoded.err());
    }

    #[test]
    fn a_match_across_the_end_of_the_dictionary_does_no_harm() {
        // spec: R-ENC-09
        // In the content, the dictionary's last byte is often followed by the byte with which the
        // content starts.
        let dictionary = [&noise(500)[..], b"<"].concat();
        let text = b"html><p>some <html><p>words <html><p>and more <html><p>".repeat(20);
        let mut all = text.clone();
        all.extend(0..=255);
        for quality in DICTIONARY_QUALITY_MIN..=11 {
            for content in [&text[..], &all, &all[..300], b"", b"h", b"<h"] {
                check(content, &dictionary, quality);
                check(content, b"<", quality);
                check(content, b"x<", quality);
            }
        }
    }

    #[test]
    fn what_is_compressed_at_once_and_as_a_stream_decompresses_to_the_same() {
        let texts = |len: usize| b"some text, more text; ".iter().copied().cycle().take(len);
        let mut compressor = Compressor::default();
        for quality in 0..=11 {
            for len in [0, 1, 15, 4096, 65_535, 65_536, 65_537, 300_000] {
                for content in [noise(len), texts(len).collect()] {
                    let (mut at_once, mut stream) = (b"before".to_vec(), Vec::new());
                    compressor.compress(&content, quality, None, &mut at_once).unwrap();
                    let len = u64::try_from(len).unwrap();
                    let no_idle = || None::<()>;
                    compress_stream(&mut &content[..], len, quality, no_idle, &mut stream).unwrap();
                    let at_once = at_once.strip_prefix(b"before").unwrap();
                    for compressed in [at_once, &stream] {
                        let mut decompressed = Vec::new();
                        let mut reader = brotli::Decompressor::new(compressed, 4096);
                        reader.read_to_end(&mut decompressed).unwrap();
                        assert!(decompressed == content, "quality {quality}, {len} bytes");
                    }
                }
            }
        }
    }

    #[test]
    fn earlier_contents_do_not_change_the_bytes() {
        let texts: Vec<Vec<u8>> = (0..60_usize)
            .map(|n| {
                let words = (0..n * 97).map(|i| format!("{} ", (i * i + n) % (7 + n * 3)));
                words.collect::<String>().into_bytes()
            })
            .collect();
        let mut again = Compressor::default();
        for quality in [0, 2, 4, 5, 6, 7, 9, 10, 11] {
            // The reversed order makes short texts also follow long ones.
            for (i, text) in texts.iter().chain(texts.iter().rev()).enumerate() {
                let dictionary = (i % 3 == 0).then_some(&texts[40][..]);
                let (mut kept, mut fresh) = (Vec::new(), Vec::new());
                again.compress(text, quality, dictionary, &mut kept).unwrap();
                Compressor::default().compress(text, quality, dictionary, &mut fresh).unwrap();
                assert!(kept == fresh, "quality {quality}, {} bytes", text.len());
            }
        }
    }
}
