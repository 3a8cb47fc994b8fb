//! Decodes stored bytes to a region's content, in pieces or into a buffer, within a limit that the
//! caller sets.
//!
//! Specification: `docs/spec/dacti-index.md`, "Encodings".

use crate::{Encoding, Error, Located, Structure};
use daicon_core::to_u64;
#[cfg(feature = "alloc")]
use {
    crate::{BrotliStanding, BrotliStep, BrotliStream, OpenBrotli, window_len},
    alloc::boxed::Box,
};

/// The progress of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Stored bytes taken from the start of the input.
    pub read: usize,
    /// Decoded bytes written to the start of the output.
    pub written: usize,
    /// Whether the whole region is decoded.
    pub done: bool,
}

/// The decoding of one region, in pieces of any size.
///
/// ```
/// use dacti_index::{Decoder, Encoding, Located};
/// # use daicon_core::Span;
/// # use uuid::Uuid;
/// # let (id, at, span) = (Uuid::nil(), 0, Span { start: 0, end: 5 });
/// let mut decoder = Decoder::new(&Located { id, at, span, encoding: Encoding::NONE }, 1 << 20)?;
/// let mut out = [0; 3];
/// let progress = decoder.decode(b"hello", &mut out)?;
/// assert_eq!((progress.read, &out[..progress.written]), (3, &b"hel"[..]));
/// # Ok::<(), dacti_index::Error>(())
/// ```
///
/// Before you decode a `brod` region, call [`give_dictionary`](Self::give_dictionary) with the
/// package's dictionary.
///
/// Memory: the encoding `none` needs no memory. `brot` and `brod` need the window of the stream,
/// which is at most 16 MiB. `brod` also needs a copy of the dictionary.
#[derive(Debug)]
pub struct Decoder {
    at: u64,
    stored_len: u64,
    taken: u64,
    decoded: u64,
    #[cfg(feature = "alloc")]
    decoded_len_max: u64,
    #[cfg(feature = "alloc")]
    window: Window,
    done: bool,
    codec: Codec,
}

enum Codec {
    None,
    #[cfg(feature = "alloc")]
    Brotli(Box<dyn BrotliStream>),
    /// A `brod` region whose dictionary was not given yet.
    #[cfg(feature = "alloc")]
    Awaiting(OpenBrotli),
}

/// The part of a Brotli stream's window that the dictionary leaves for content.
#[cfg(feature = "alloc")]
#[derive(Debug, Clone, Copy)]
enum Window {
    /// The window does not limit the content, because the stream has no dictionary. Also the value
    /// for a window that RFC 7932 does not define: the decoder then refuses the stream.
    Any,
    /// The window is not known yet. The value is the length of the dictionary in bytes.
    Unread(u64),
    /// The first value is the maximum length of the content, in bytes. The second value is the
    /// distance that the window reaches back, in bytes.
    Read(u64, u64),
}

impl core::fmt::Debug for Codec {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            #[cfg(feature = "alloc")]
            Self::Brotli(_) => "Brotli",
            #[cfg(feature = "alloc")]
            Self::Awaiting(_) => "Awaiting",
        })
    }
}

impl Decoder {
    /// Creates a decoder of the region at `located`. The decoder refuses content of more than
    /// `decoded_len_max` bytes.
    ///
    /// # Errors
    /// `UnsupportedEncoding`, also for `brot` and `brod` if the feature `brotli` is off. `TooLong`
    /// for a region of encoding `none` that is longer than `decoded_len_max`.
    pub fn new(located: &Located, decoded_len_max: u64) -> Result<Self, Error> {
        #[cfg(feature = "brotli")]
        return Self::with_brotli(crate::open_brotli, located, decoded_len_max);
        #[cfg(not(feature = "brotli"))]
        match located.encoding {
            Encoding::NONE => Self::by(Codec::None, located, decoded_len_max),
            encoding => Err(Error::UnsupportedEncoding { at: located.span.start, encoding }),
        }
    }

    /// Does the same as [`new`](Self::new), with a Brotli decoder that the caller provides.
    ///
    /// # Errors
    /// The errors of [`new`](Self::new).
    #[cfg(feature = "alloc")]
    pub fn with_brotli(
        open: OpenBrotli,
        located: &Located,
        decoded_len_max: u64,
    ) -> Result<Self, Error> {
        let codec = match located.encoding {
            Encoding::NONE => Codec::None,
            Encoding::BROTLI => Codec::Brotli(open(None)),
            Encoding::BROTLI_DICTIONARY => Codec::Awaiting(open),
            encoding => {
                return Err(Error::UnsupportedEncoding { at: located.span.start, encoding });
            }
        };
        Self::by(codec, located, decoded_len_max)
    }

    fn by(codec: Codec, located: &Located, decoded_len_max: u64) -> Result<Self, Error> {
        let (at, stored_len) = (located.span.start, located.span.len());
        if matches!(codec, Codec::None) && stored_len > decoded_len_max {
            let what = Structure::StoredRegion;
            return Err(Error::TooLong { what, at, limit: decoded_len_max });
        }
        Ok(Self {
            at,
            stored_len,
            taken: 0,
            decoded: 0,
            #[cfg(feature = "alloc")]
            decoded_len_max,
            #[cfg(feature = "alloc")]
            window: Window::Any,
            done: false,
            codec,
        })
    }

    /// Returns whether the region is a `brod` region whose dictionary was not given yet.
    #[must_use]
    pub const fn awaits_dictionary(&self) -> bool {
        #[cfg(feature = "alloc")]
        if matches!(self.codec, Codec::Awaiting(_)) {
            return true;
        }
        false
    }

    /// Gives the package's dictionary to the decoder of a `brod` region. Call it before the first
    /// byte is decoded. Does nothing for a region that does not [await](Self::awaits_dictionary) a
    /// dictionary.
    pub fn give_dictionary(&mut self, dictionary: &[u8]) {
        #[cfg(feature = "alloc")]
        if let Codec::Awaiting(open) = self.codec {
            self.window = Window::Unread(to_u64(dictionary.len()));
            self.codec = Codec::Brotli(open(Some(dictionary)));
        }
        #[cfg(not(feature = "alloc"))]
        let _ = dictionary;
    }

    /// Decodes some of `stored` into `out`. `stored` starts with the first byte that no earlier
    /// call has taken.
    ///
    /// Call this until the progress says that the region is done. If a call takes no stored byte
    /// and writes no decoded byte, the decoder needs more input or a larger `out`.
    ///
    /// # Errors
    /// `Brotli`, `TrailingBytes`, `TooLong`; `NoDictionary` and `PastWindow` for `brod`.
    pub fn decode(&mut self, stored: &[u8], out: &mut [u8]) -> Result<Progress, Error> {
        let left = self.stored_len.saturating_sub(self.taken);
        let stored = stored.get(..clamp(left, stored.len())).unwrap_or(stored);
        let mut progress = match &mut self.codec {
            Codec::None => self.copy(stored, out),
            #[cfg(feature = "alloc")]
            Codec::Brotli(_) => self.decompress(stored, out)?,
            #[cfg(feature = "alloc")]
            Codec::Awaiting(_) => return Err(Error::NoDictionary { at: self.at }),
        };
        self.taken = self.taken.saturating_add(to_u64(progress.read));
        self.decoded = self.decoded.saturating_add(to_u64(progress.written));
        if progress.done && self.taken < self.stored_len {
            let (at, used, size) = (self.at, self.taken, self.stored_len);
            return Err(Error::TrailingBytes { at, used, size });
        }
        self.done |= progress.done;
        progress.done = self.done;
        Ok(progress)
    }

    /// Checks that the region is complete. Call this after the last stored byte.
    ///
    /// # Errors
    /// `Truncated` if stored bytes are missing, `Incomplete` if the stream has not ended.
    pub fn finish(&self) -> Result<(), Error> {
        if self.done || (self.stored_len == 0 && matches!(self.codec, Codec::None)) {
            return Ok(());
        }
        let at = self.at;
        #[cfg(feature = "alloc")]
        if matches!(self.codec, Codec::Awaiting(_)) {
            return Err(Error::NoDictionary { at });
        }
        #[cfg(feature = "alloc")]
        if matches!(self.codec, Codec::Brotli(_)) && self.taken == self.stored_len {
            return Err(Error::Incomplete { at, size: self.stored_len });
        }
        let (what, needed) = (Structure::StoredRegion, self.stored_len);
        Err(Error::Truncated { what, at, needed, end: at.saturating_add(self.taken) })
    }

    /// Returns the number of stored bytes taken so far.
    #[must_use]
    pub const fn stored_taken(&self) -> u64 {
        self.taken
    }

    /// Returns the number of decoded bytes so far.
    #[must_use]
    pub const fn decoded_len(&self) -> u64 {
        self.decoded
    }

    fn copy(&self, stored: &[u8], out: &mut [u8]) -> Progress {
        let len = stored.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..len), stored.get(..len)) {
            to.copy_from_slice(from);
        }
        let done = self.taken.saturating_add(to_u64(len)) >= self.stored_len;
        Progress { read: len, written: len, done }
    }

    #[cfg(feature = "alloc")]
    fn decompress(&mut self, stored: &[u8], out: &mut [u8]) -> Result<Progress, Error> {
        let content_max = self.content_max(stored)?;
        let room = content_max.saturating_sub(self.decoded);
        let room = clamp(room, out.len());
        // If the content has reached its maximum length, the decoder tries to decode one more byte.
        // If this succeeds, the content is too long.
        let mut probe = [0];
        let at_cap = room == 0 && !out.is_empty();
        let out = if at_cap { &mut probe[..] } else { out.get_mut(..room).unwrap_or_default() };
        let Codec::Brotli(stream) = &mut self.codec else { return Ok(Progress::default()) };
        let BrotliStep { read, written, standing } = stream.decompress(stored, out);
        if at_cap && written > 0 {
            return Err(self.too_long());
        }
        match standing {
            BrotliStanding::Wrong => {
                let offset = self.taken.saturating_add(to_u64(read));
                Err(Error::Brotli { at: self.at, offset })
            }
            BrotliStanding::Done => Ok(Progress { read, written, done: true }),
            BrotliStanding::More => Ok(Progress { read, written, done: false }),
        }
    }

    /// Returns the maximum length of the content. It is the smaller of the caller's limit and the
    /// part of the stream's window that the dictionary leaves free.
    #[cfg(feature = "alloc")]
    fn content_max(&mut self, stored: &[u8]) -> Result<u64, Error> {
        if let (Window::Unread(dictionary_len), Some(first)) = (self.window, stored.first()) {
            // The decoder itself refuses a stream whose window RFC 7932 does not allow.
            self.window = match window_len(*first) {
                Some(window_len) => match window_len.checked_sub(dictionary_len) {
                    Some(left) => Window::Read(left, window_len),
                    None => return Err(Error::PastWindow { at: self.at, window_len }),
                },
                None => Window::Any,
            };
        }
        Ok(match self.window {
            Window::Read(left, _) => left.min(self.decoded_len_max),
            Window::Any | Window::Unread(_) => self.decoded_len_max,
        })
    }

    /// Returns the error for content that is longer than [`content_max`](Self::content_max).
    #[cfg(feature = "alloc")]
    const fn too_long(&self) -> Error {
        let at = self.at;
        match self.window {
            Window::Read(left, window_len) if left < self.decoded_len_max => {
                Error::PastWindow { at, window_len }
            }
            _ => {
                let (what, limit) = (Structure::BrotliStream, self.decoded_len_max);
                Error::TooLong { what, at, limit }
            }
        }
    }

    #[cfg(feature = "alloc")]
    const fn what(&self) -> Structure {
        match self.codec {
            Codec::None => Structure::StoredRegion,
            #[cfg(feature = "alloc")]
            Codec::Brotli(_) | Codec::Awaiting(_) => Structure::BrotliStream,
        }
    }
}

/// Decodes all stored bytes of a region into `out`. Returns the decoded length.
///
/// # Errors
/// The errors of [`Decoder`]; `TooLong` if `out` is too short; `Truncated` if `stored` is too
/// short.
pub fn decode_into(located: &Located, stored: &[u8], out: &mut [u8]) -> Result<usize, Error> {
    let mut decoder = Decoder::new(located, to_u64(out.len()))?;
    let (mut read, mut written) = (0, 0);
    loop {
        let input = stored.get(read..).unwrap_or_default();
        let output = out.get_mut(written..).unwrap_or_default();
        let full = output.is_empty();
        // If the buffer is full, the decoder tries to decode one more byte. If this succeeds, the
        // content is too long.
        let mut probe = [0];
        let output = if full { &mut probe[..] } else { output };
        let progress = decoder.decode(input, output)?;
        read = read.saturating_add(progress.read);
        written = written.saturating_add(progress.written);
        if progress.done {
            return Ok(written);
        }
        if progress.read == 0 && progress.written == 0 {
            return decoder.finish().map(|()| written);
        }
    }
}

/// Decodes all stored bytes of a region into a new vector of at most `decoded_len_max` bytes.
///
/// `len_hint` is the expected length of the content. The first buffer has about this length, but
/// at most eight times the stored length, or 16 KiB if that is more. So a wrong hint costs time,
/// but little memory. The buffer grows only as bytes are decoded, to at most one byte more than
/// `decoded_len_max`.
///
/// # Errors
/// The errors of [`Decoder`]; `Truncated` if `stored` is too short; `NoDictionary` for a `brod`
/// region: see [`decode_to_vec_with`].
#[cfg(feature = "alloc")]
pub fn decode_to_vec(
    located: &Located,
    stored: &[u8],
    len_hint: Option<u64>,
    decoded_len_max: u64,
) -> Result<alloc::vec::Vec<u8>, Error> {
    decode_to_vec_with(None, located, stored, len_hint, decoded_len_max)
}

/// Does the same as [`decode_to_vec`], with the dictionary of the package, if it has one.
///
/// # Errors
/// The errors of [`Decoder`]; `Truncated` if `stored` is too short.
#[cfg(feature = "alloc")]
pub fn decode_to_vec_with(
    dictionary: Option<&[u8]>,
    located: &Located,
    stored: &[u8],
    len_hint: Option<u64>,
    decoded_len_max: u64,
) -> Result<alloc::vec::Vec<u8>, Error> {
    let decoder = Decoder::new(located, decoded_len_max)?;
    decode_all(decoder, dictionary, located, stored, len_hint, decoded_len_max)
}

/// Does the same as [`decode_to_vec_with`], with a Brotli decoder that the caller provides.
///
/// # Errors
/// The errors of [`Decoder`]; `Truncated` if `stored` is too short.
#[cfg(feature = "alloc")]
pub fn decode_to_vec_by(
    open: OpenBrotli,
    dictionary: Option<&[u8]>,
    located: &Located,
    stored: &[u8],
    len_hint: Option<u64>,
    decoded_len_max: u64,
) -> Result<alloc::vec::Vec<u8>, Error> {
    let decoder = Decoder::with_brotli(open, located, decoded_len_max)?;
    decode_all(decoder, dictionary, located, stored, len_hint, decoded_len_max)
}

#[cfg(feature = "alloc")]
fn decode_all(
    mut decoder: Decoder,
    dictionary: Option<&[u8]>,
    located: &Located,
    stored: &[u8],
    len_hint: Option<u64>,
    decoded_len_max: u64,
) -> Result<alloc::vec::Vec<u8>, Error> {
    const STEP: usize = 16 * 1024;
    if let Some(dictionary) = dictionary {
        decoder.give_dictionary(dictionary);
    }
    if located.encoding == Encoding::NONE {
        decoder.taken = to_u64(stored.len()).min(decoder.stored_len);
        decoder.done = decoder.taken == decoder.stored_len;
        decoder.finish()?;
        return Ok(stored.get(..clamp(located.span.len(), stored.len())).unwrap_or(stored).into());
    }
    let likely = to_u64(stored.len()).saturating_mul(8).max(to_u64(STEP));
    let start = len_hint.unwrap_or(likely).min(likely).min(decoded_len_max).saturating_add(1);
    let mut out = alloc::vec::Vec::new();
    grow(&mut out, start, &decoder)?;
    let (mut read, mut written) = (0, 0);
    loop {
        let input = stored.get(read..).unwrap_or_default();
        let progress = decoder.decode(input, out.get_mut(written..).unwrap_or_default())?;
        read = read.saturating_add(progress.read);
        written = written.saturating_add(progress.written);
        if progress.done {
            out.truncate(written);
            return Ok(out);
        }
        if written == out.len() {
            // The buffer grows only as bytes are decoded, so a decompression bomb cannot pass the
            // limit.
            let len = to_u64(out.len());
            let grown = len.saturating_add(len / 4).max(to_u64(STEP));
            grow(&mut out, grown.min(decoded_len_max.saturating_add(1)), &decoder)?;
        } else if progress.read == 0 && progress.written == 0 {
            decoder.finish()?;
        }
    }
}

/// Extends `out` to `len` bytes. Fails if the memory cannot be allocated.
#[cfg(feature = "alloc")]
fn grow(out: &mut alloc::vec::Vec<u8>, len: u64, decoder: &Decoder) -> Result<(), Error> {
    let no_room = Error::OutOfMemory { what: decoder.what(), at: decoder.at };
    let len = usize::try_from(len).map_err(|_| no_room)?;
    // `try_reserve_exact` is needed here: `try_reserve` may reserve twice as much memory, and so
    // pass the caller's limit.
    out.try_reserve_exact(len.saturating_sub(out.len())).map_err(|_| no_room)?;
    out.resize(len.max(out.len()), 0);
    Ok(())
}

fn clamp(len: u64, max: usize) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX).min(max)
}

#[cfg(feature = "brotli")]
#[cfg(test)]
mod tests {
    use super::{Decoder, decode_into, decode_to_vec};
    use crate::{Encoding, Error, Located, Structure};
    use daicon_core::Span;
    use std::io::Write;
    use std::{vec, vec::Vec};
    use uuid::Uuid;

    const AT: u64 = 1000;

    fn located(encoding: Encoding, stored: &[u8]) -> Located {
        let span = Span::new(AT, stored.len() as u64).unwrap();
        Located { id: Uuid::nil(), span, encoding, at: 0 }
    }

    fn compress(content: &[u8]) -> Vec<u8> {
        let mut stored = Vec::new();
        brotli::CompressorWriter::new(&mut stored, 4096, 5, 18).write_all(content).unwrap();
        stored
    }

    /// Decodes the region whole and in pieces of several sizes, and compares the results.
    #[track_caller]
    fn check(encoding: Encoding, stored: &[u8], cap: u64, expected: Result<&[u8], Error>) {
        let located = located(encoding, stored);
        let whole = decode_to_vec(&located, stored, None, cap);
        assert_eq!(whole.as_deref(), expected.as_ref().copied());
        let mut buffer = vec![0; cap as usize];
        let into = decode_into(&located, stored, &mut buffer).map(|len| &buffer[..len]);
        assert_eq!(into, expected);
        for pieces in [(1, 1), (1, 7), (7, 1), (3, 4096), (4096, 3)] {
            let streamed = stream(&located, stored, cap, pieces);
            assert_eq!(streamed.as_deref(), expected.as_ref().copied(), "{pieces:?}");
        }
    }

    #[test]
    fn memory_stays_within_the_limit_while_content_grows() {
        // Content of 100,000 bytes that compresses well makes the buffer grow several times. The
        // limit is not a power of two, so a buffer that only doubles would pass it.
        let content = vec![7; 100_000];
        let stored = compress(&content);
        let located = located(Encoding::BROTLI, &stored);
        let whole = decode_to_vec(&located, &stored, None, 100_000).unwrap();
        assert_eq!(whole, content);
        assert!(whole.capacity() <= 100_001, "{}", whole.capacity());
    }

    fn stream(
        located: &Located,
        stored: &[u8],
        cap: u64,
        pieces: (usize, usize),
    ) -> Result<Vec<u8>, Error> {
        stream_by(Decoder::new(located, cap)?, stored, pieces)
    }

    fn stream_by(
        mut decoder: Decoder,
        stored: &[u8],
        pieces: (usize, usize),
    ) -> Result<Vec<u8>, Error> {
        let (mut read, mut content) = (0, Vec::new());
        loop {
            let input = &stored[read..stored.len().min(read + pieces.0)];
            let mut out = vec![0; pieces.1];
            let progress = decoder.decode(input, &mut out)?;
            read += progress.read;
            content.extend(&out[..progress.written]);
            if progress.done {
                return Ok(content);
            }
            if progress.read + progress.written == 0 {
                decoder.finish()?;
            }
        }
    }

    #[test]
    fn stored_regions_come_back() {
        check(Encoding::NONE, b"hello", 5, Ok(b"hello"));
        check(Encoding::NONE, b"", 0, Ok(b""));
        let content = b"many words, many words, many words".repeat(100);
        check(Encoding::BROTLI, &compress(&content), content.len() as u64, Ok(&content));
        check(Encoding::BROTLI, &compress(&content), 1 << 20, Ok(&content));
        check(Encoding::BROTLI, &compress(b""), 0, Ok(b""));
    }

    #[test]
    fn the_cap_is_the_last_byte_that_may_come_out() {
        let what = Structure::StoredRegion;
        check(Encoding::NONE, b"hello", 4, Err(Error::TooLong { what, at: AT, limit: 4 }));
        let what = Structure::BrotliStream;
        let bomb = compress(&vec![0; 1 << 24]);
        assert!(bomb.len() < 1000, "16 MiB in {} bytes", bomb.len());
        check(Encoding::BROTLI, &bomb, 65_536, Err(Error::TooLong { what, at: AT, limit: 65_536 }));
        check(Encoding::BROTLI, &compress(b"x"), 0, Err(Error::TooLong { what, at: AT, limit: 0 }));
    }

    #[test]
    fn garbage_truncation_and_trailing_bytes_are_told_apart() {
        let stored = compress(&b"many words, many words".repeat(9));
        let longer = [&stored[..], b"!"].concat();
        let (used, size) = (stored.len() as u64, longer.len() as u64);
        check(Encoding::BROTLI, &longer, 1 << 12, Err(Error::TrailingBytes { at: AT, used, size }));
        for len in 0..stored.len() {
            let expected = Error::Incomplete { at: AT, size: len as u64 };
            check(Encoding::BROTLI, &stored[..len], 1 << 12, Err(expected));
        }
        let error = decode_to_vec(&located(Encoding::BROTLI, &[0xff; 9]), &[0xff; 9], None, 99);
        assert!(matches!(error, Err(Error::Brotli { at: AT, .. })), "{error:?}");
    }

    /// Compresses with a window of 2^`bits` and a dictionary.
    fn compress_with(dictionary: &[u8], content: &[u8], bits: i32) -> Vec<u8> {
        let params = brotli::enc::BrotliEncoderParams {
            quality: 5,
            lgwin: bits,
            ..brotli::enc::BrotliEncoderParams::default()
        };
        let mut stored = Vec::new();
        brotli::BrotliCompressCustomIoCustomDict(
            &mut brotli::IoReaderWrapper(&mut &content[..]),
            &mut brotli::IoWriterWrapper(&mut stored),
            &mut [0; 4096],
            &mut [0; 4096],
            &params,
            brotli::enc::StandardAlloc::default(),
            &mut |_, _, _, _| (),
            dictionary,
            std::io::Error::from(std::io::ErrorKind::UnexpectedEof),
        )
        .unwrap();
        stored
    }

    /// Decodes with a dictionary, whole and in pieces, and compares the results.
    #[track_caller]
    fn check_with(dictionary: &[u8], stored: &[u8], cap: u64, expected: Result<&[u8], Error>) {
        let located = located(Encoding::BROTLI_DICTIONARY, stored);
        let whole = super::decode_to_vec_with(Some(dictionary), &located, stored, None, cap);
        assert!(whole.as_deref() == expected.as_ref().copied(), "{:?}", whole.err());
        for pieces in [(1, 7), (4096, 3), (1 << 20, 1 << 20)] {
            let decoder = || {
                let mut decoder = Decoder::new(&located, cap)?;
                decoder.give_dictionary(dictionary);
                Ok(decoder)
            };
            let streamed = decoder().and_then(|decoder| stream_by(decoder, stored, pieces));
            assert!(streamed.as_deref() == expected.as_ref().copied(), "{pieces:?}");
        }
    }

    /// Returns bytes that do not compress. Each seed gives different bytes.
    fn noise(seed: u32, len: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let step = |_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        };
        (0..len).map(step).collect()
    }

    #[test]
    fn regions_with_a_dictionary_come_back() {
        // spec: R-ENC-06
        let dictionary = noise(1, 30_000);
        for content in [&b""[..], b"x", &dictionary[7..29_000], &noise(2, 5000)] {
            let stored = compress_with(&dictionary, content, 17);
            check_with(&dictionary, &stored, content.len() as u64, Ok(content));
            if content.len() == 28_993 {
                assert!(stored.len() < 100, "the dictionary has it");
            }
        }
        let located = located(Encoding::BROTLI_DICTIONARY, b"\x06");
        let expected = Error::NoDictionary { at: AT };
        assert_eq!(decode_to_vec(&located, b"\x06", None, 9), Err(expected));
        assert_eq!(decode_into(&located, b"\x06", &mut [0; 9]), Err(expected));
        assert_eq!(Decoder::new(&located, 9).unwrap().finish(), Err(expected));
        assert!(Decoder::new(&located, 9).unwrap().awaits_dictionary());
    }

    #[test]
    fn content_and_dictionary_fit_the_window_or_are_refused() {
        // spec: R-ENC-07
        let window_len = (1 << 16) - 16;
        let dictionary = noise(3, 20_000);
        let long = noise(4, 1 << 16);
        for (len, fits) in
            [(window_len - 20_000, true), (window_len - 19_999, false), (50_000, false)]
        {
            let content = [&dictionary[..9000], &long[..len - 9000]].concat();
            let stored = compress_with(&dictionary, &content, 16);
            let at = AT;
            let past = Error::PastWindow { at, window_len: window_len as u64 };
            let expected = if fits { Ok(&content[..]) } else { Err(past) };
            check_with(&dictionary, &stored, 1 << 20, expected);
            // If both limits are exceeded, the error names the caller's limit.
            let (what, limit) = (Structure::BrotliStream, 100);
            check_with(&dictionary, &stored, 100, Err(Error::TooLong { what, at, limit }));
        }
        let stored = compress_with(b"", b"x", 16);
        let past = Error::PastWindow { at: AT, window_len: window_len as u64 };
        check_with(&noise(5, window_len), &stored, 9, Err(past));
        check_with(&noise(5, window_len + 1), &stored, 9, Err(past));
        check_with(&noise(5, window_len - 1), &stored, 9, Ok(b"x"));
    }

    /// A test decoder. Its streams begin with one byte, which it skips; the other bytes are the
    /// content.
    struct Plain(bool);

    impl crate::BrotliStream for Plain {
        fn decompress(&mut self, stored: &[u8], out: &mut [u8]) -> crate::BrotliStep {
            let skip = usize::from(!core::mem::replace(&mut self.0, true));
            let len = out.len().min(stored.len().saturating_sub(skip));
            out[..len].copy_from_slice(&stored[skip..skip + len]);
            let standing = match stored.get(skip..).and_then(<[u8]>::last) {
                Some(b'!') => crate::BrotliStanding::Wrong,
                Some(b'.') if skip + len == stored.len() => crate::BrotliStanding::Done,
                _ => crate::BrotliStanding::More,
            };
            crate::BrotliStep { read: skip + len, written: len, standing }
        }
    }

    #[test]
    fn a_caller_brings_a_decoder_of_its_own() {
        let open = |_: Option<&[u8]>| std::boxed::Box::new(Plain(false)) as _;
        let decoded = |stored: &[u8], cap| {
            let located = located(Encoding::BROTLI, stored);
            super::decode_to_vec_by(open, None, &located, stored, None, cap)
        };
        assert_eq!(decoded(b"<content.", 100), Ok(b"content.".to_vec()));
        assert_eq!(decoded(b"<content!", 100), Err(Error::Brotli { at: AT, offset: 9 }));
        assert_eq!(decoded(b"<content", 100), Err(Error::Incomplete { at: AT, size: 8 }));
        let (what, limit) = (Structure::BrotliStream, 3);
        assert_eq!(decoded(b"<content.", 3), Err(Error::TooLong { what, at: AT, limit }));
    }

    #[test]
    fn fewer_stored_bytes_than_the_entry_says_are_a_truncation() {
        let located = located(Encoding::NONE, b"hello");
        let what = Structure::StoredRegion;
        let expected = Error::Truncated { what, at: AT, needed: 5, end: AT + 4 };
        assert_eq!(decode_to_vec(&located, b"hell", None, 99), Err(expected));
        assert_eq!(decode_into(&located, b"hell", &mut [0; 99]), Err(expected));
    }

    #[test]
    fn an_unknown_encoding_is_named() {
        let encoding = Encoding::from_tag(*b"zstd");
        let expected = Error::UnsupportedEncoding { at: AT, encoding };
        assert_eq!(Decoder::new(&located(encoding, b""), 0).unwrap_err(), expected);
    }
}
