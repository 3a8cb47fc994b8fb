//! Compresses a long content in sections, which idle threads compress at the same time.
//!
//! The sections have a fixed length, so the number of threads does not change the bytes. Each
//! compressed section ends with a whole byte, and may copy from the section before it. So the
//! compressed sections, one after the other, are one Brotli stream for any decoder.
//!
//! The package's dictionary is not used here. A content that is compressed with it is shorter than
//! one section (R-PKG-11).

use super::brotli::{compress_with, params};
use brotli::enc::encode::BrotliEncoderOperation::BROTLI_OPERATION_FLUSH;
use brotli::enc::encode::{BrotliEncoderStateStruct, IsFirst};
use brotli::enc::{Allocator, StandardAlloc};
use core::mem::swap;
use daicon_core::to_u64;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread::{Builder, ScopedJoinHandle};

/// The length of each section except the last. A content of at most this length has one section.
pub(super) const SECTION_LEN: u64 = 8 << 20;

/// A section may copy from this many bytes before it. The largest window of Brotli's streams
/// reaches no further.
const BEFORE_LEN: usize = (1 << 22) - 16;

/// While another thread compresses a section, this thread compresses later ones. If more than this
/// many of its sections are ready, it waits for the earlier section.
const READY_MAX: usize = 2;

/// The number of bytes by which the buffer for the compressed bytes of a section grows each time.
const ROOM_LEN: usize = 1 << 20;

/// The empty last meta-block (RFC 7932, section 9.2): the bits ISLAST and ISLASTEMPTY.
const END: [u8; 1] = [3];

type Encoder = BrotliEncoderStateStruct<StandardAlloc>;

/// Writes the compressed `content`, of about `len` bytes, to `sink`.
///
/// `take_idle` returns an idle thread, if there is one, as a value that gives the thread back when
/// it is dropped. Memory at quality 5: about 70 MiB for each thread.
pub(super) fn compress<I>(
    content: &mut impl Read,
    len: u64,
    quality: u8,
    take_idle: impl Fn() -> Option<I>,
    sink: &mut impl Write,
) -> io::Result<()> {
    std::thread::scope(|scope| {
        let mut waiting = VecDeque::new();
        let mut before = Arc::new(Vec::new());
        loop {
            let bytes = Arc::new(read_section(content)?);
            if bytes.is_empty() {
                break;
            }
            let section = Section { len, quality, before, bytes: Arc::clone(&bytes) };
            before = bytes;
            let started = take_idle().and_then(|idle| {
                let section = section.clone();
                let thread = Builder::new().spawn_scoped(scope, move || section.compress());
                thread.ok().map(|thread| Compressed::Later(thread, idle))
            });
            // If the system starts no thread, this thread compresses the section.
            waiting.push_back(started.unwrap_or_else(|| Compressed::Ready(section.compress())));
            while waiting.front().is_some_and(Compressed::is_ready) || is_full(&waiting) {
                take_first(&mut waiting, sink)?;
            }
        }
        while !waiting.is_empty() {
            take_first(&mut waiting, sink)?;
        }
        sink.write_all(&END)
    })
}

/// A compressed section, or the thread that compresses it.
enum Compressed<'scope, I> {
    Ready(io::Result<Vec<u8>>),
    Later(ScopedJoinHandle<'scope, io::Result<Vec<u8>>>, I),
}

impl<I> Compressed<'_, I> {
    fn is_ready(&self) -> bool {
        match self {
            Self::Ready(_) => true,
            Self::Later(thread, _) => thread.is_finished(),
        }
    }
}

/// Returns whether this thread must wait for the first section before it compresses another one.
fn is_full<I>(waiting: &VecDeque<Compressed<'_, I>>) -> bool {
    let ready = waiting.iter().filter(|section| matches!(section, Compressed::Ready(_)));
    ready.count() > READY_MAX
}

/// Waits until the first section is compressed, and writes it.
fn take_first<I>(
    waiting: &mut VecDeque<Compressed<'_, I>>,
    sink: &mut impl Write,
) -> io::Result<()> {
    let compressed = match waiting.pop_front() {
        None => return Ok(()),
        Some(Compressed::Ready(compressed)) => compressed,
        Some(Compressed::Later(thread, idle)) => {
            let compressed = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            drop(idle);
            compressed
        }
    };
    sink.write_all(&compressed?)
}

fn read_section(content: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    content.by_ref().take(SECTION_LEN).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[derive(Clone)]
struct Section {
    /// The length of the whole content.
    len: u64,
    quality: u8,
    /// The section before this one; empty for the first section.
    before: Arc<Vec<u8>>,
    bytes: Arc<Vec<u8>>,
}

impl Section {
    fn compress(&self) -> io::Result<Vec<u8>> {
        let mut encoder = self.encoder();
        // Without this buffer, the encoder would allocate and clear a longer one for each block of
        // a meta-block.
        encoder.storage_size_ = self.bytes.len().saturating_mul(2).saturating_add(1024);
        encoder.storage_ = Allocator::<u8>::alloc_cell(&mut encoder.m8, encoder.storage_size_);
        let mut out = Vec::new();
        compress_with(&mut encoder, BROTLI_OPERATION_FLUSH, &self.bytes, ROOM_LEN, &mut out)?;
        Ok(out)
    }

    /// Returns an encoder that has seen the bytes before this section.
    fn encoder(&self) -> Encoder {
        let mut encoder = Encoder::new(StandardAlloc::default());
        encoder.params = params(self.len, self.quality, &[]);
        // The stream continues after this section. So the section ends with a whole byte and
        // without the end of the stream.
        encoder.params.bare_stream = true;
        encoder.params.appendable = true;
        let start = self.before.len().saturating_sub(BEFORE_LEN);
        let before = self.before.get(start..).unwrap_or_default();
        let [.., second_last, last] = before else { return encoder };
        // The stream began with an earlier section. So this section has no stream header, and does
        // not refer to earlier distances.
        encoder.params.catable = true;
        let mut warm = Encoder::new(StandardAlloc::default());
        warm.params = encoder.params.clone();
        warm.set_custom_dictionary(before.len(), before);
        if warm.input_pos_ == 0 {
            // At the lowest qualities the encoder takes no bytes before a content. The section then
            // copies nothing from the section before it.
            return encoder;
        }
        // `warm` has read these bytes as a dictionary, and an encoder allows no match across the
        // end of its dictionary (see `brotli::shown`). So the state of `warm` is moved to
        // `encoder`, which treats these bytes as a part of the content.
        encoder.params = warm.params.clone();
        swap(&mut encoder.hasher_, &mut warm.hasher_);
        swap(&mut encoder.ringbuffer_, &mut warm.ringbuffer_);
        encoder.input_pos_ = to_u64(before.len());
        encoder.last_flush_pos_ = encoder.input_pos_;
        encoder.last_processed_pos_ = encoder.input_pos_;
        (encoder.prev_byte_, encoder.prev_byte2_) = (*last, *second_last);
        // The encoder stores two bytes uncompressed if it does not know the bytes before them.
        encoder.is_first_mb = IsFirst::BothCatableBytesWritten;
        encoder
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "the numbers in tests are small"
)]
mod tests {
    use super::{SECTION_LEN, compress};
    use core::cell::Cell;
    use std::io::Read;

    /// One of `count` idle threads.
    struct Idle<'c>(&'c Cell<usize>);

    impl<'c> Idle<'c> {
        fn take(count: &'c Cell<usize>) -> Option<Self> {
            count.set(count.get().checked_sub(1)?);
            Some(Self(count))
        }
    }

    impl Drop for Idle<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    /// Returns words in an order that does not repeat, mixed with copies of bytes shortly before
    /// them.
    fn text(len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 64);
        let mut n = 1_u32;
        while out.len() < len {
            n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match (n >> 24) % 8 {
                0 if out.len() > 70_000 => {
                    let start = out.len() - 1 - (n >> 8) as usize % 65_536;
                    out.extend_from_within(start..(start + 40).min(out.len()));
                }
                _ => out.extend(format!("{:x} ", n >> 20).bytes()),
            }
        }
        out.truncate(len);
        out
    }

    /// Compresses with several numbers of idle threads, checks that the bytes are the same and
    /// decode to the content, and returns them.
    #[track_caller]
    fn check(content: &[u8], quality: u8) -> Vec<u8> {
        let mut first: Option<Vec<u8>> = None;
        for threads in [0, 3] {
            let (count, mut out) = (Cell::new(threads), Vec::new());
            let len = content.len() as u64;
            compress(&mut &content[..], len, quality, || Idle::take(&count), &mut out).unwrap();
            assert_eq!(count.get(), threads, "every thread is given back");
            assert!(first.as_ref().is_none_or(|first| *first == out), "{threads} idle threads");
            first = Some(out);
        }
        let compressed = first.unwrap();
        let mut decoded = Vec::new();
        brotli::Decompressor::new(&compressed[..], 1 << 16).read_to_end(&mut decoded).unwrap();
        assert!(decoded == content, "quality {quality}, {} bytes", content.len());
        compressed
    }

    #[test]
    fn threads_change_no_byte_of_long_contents() {
        // spec: R-PKG-09
        let section = SECTION_LEN as usize;
        let content = text(2 * section + 3);
        for (quality, len) in [
            (0, section + 1),
            (1, section + 2),
            (2, content.len()),
            (5, content.len()),
            (5, 2 * section),
            (9, section + 1),
        ] {
            check(&content[..len], quality);
        }
    }

    #[test]
    fn a_section_copies_bytes_before_it() {
        // The second section is a copy of the end of the first one, and the window reaches these
        // bytes.
        let section = SECTION_LEN as usize;
        let content = text(section);
        let twice = [&content[..], &content[section - 2_000_000..]].concat();
        let (once, twice) = (check(&content, 5).len(), check(&twice, 5).len());
        assert!(twice - once < 2_000, "{once} and {twice} bytes");
    }

    #[test]
    fn matches_across_the_start_of_a_section_do_no_harm() {
        // The bytes around the start of a section occur again and again. So do the bytes around the
        // position at which the encoder's buffer starts anew.
        let section = SECTION_LEN as usize;
        let content: Vec<u8> =
            b"html><p>some <html><p>words".iter().copied().cycle().take(2 * section).collect();
        for quality in [2, 5] {
            let compressed = check(&content, quality);
            assert!(compressed.len() < 20_000, "{} bytes", compressed.len());
        }
    }

    #[test]
    fn bytes_that_do_not_compress_grow_little() {
        let mut content = vec![0; SECTION_LEN as usize + 5_000_000];
        blake3::Hasher::new().finalize_xof().fill(&mut content);
        let compressed = check(&content, 5);
        assert!(compressed.len() < content.len() + 100, "{} bytes", compressed.len());
    }
}
