//! Finds private keys in bytes of any kind, so that no program publishes one by mistake.
//!
//! The search takes bytes piece by piece, and keeps a few numbers between pieces. It allocates
//! nothing. Specification: `docs/spec/dacti-seal.md`, "Key files".

/// The text before the digits of each private key.
const MARKER: &[u8; 21] = b"dacti-ed25519-private";
/// The eighth byte of the marker is `d`, like its first byte. So if a mismatch follows 8 matched
/// bytes, the last of them may be the first byte of a new match.
const REPEATED: (usize, usize) = (8, 1);
/// Number of characters of the marker before `55`. The search looks for `55` first, because two
/// fives in a row are rarer than any letter.
const BEFORE_FIVES: usize = 9;
const FIVES: u64 = u64::from_ne_bytes([b'5'; 8]);
/// Number of hexadecimal digits of a private key.
const DIGITS: u32 = 64;
/// Number of bytes after a marker in which the search counts digits.
const WINDOW: u32 = 512;

/// A search for private keys in bytes that are given piece by piece.
///
/// It finds the marker `dacti-ed25519-private`, in upper or lower case, if 64 hexadecimal digits
/// follow it within 512 bytes. The text around them does not matter: quotes, JSON, a mail's `>`, a
/// comment, bytes that are not text. Blanks, line ends and punctuation between the digits are
/// ignored. Zero bytes are skipped, so that UTF-16 is searched as well.
///
/// ```
/// use dacti_seal::KeySearch;
///
/// let mut search = KeySearch::default();
/// search.feed(b"KEY=\"dacti-ed25519-");
/// search.feed(b"private 1 ");
/// assert!(!search.has_found());
/// search.feed(&[b'0'; 64]);
/// assert!(search.has_found());
/// ```
#[derive(Debug, Clone, Default)]
pub struct KeySearch {
    /// The last bytes so far match this many bytes at the start of the marker.
    matched: usize,
    /// Number of further bytes in which the search counts digits. It starts at 512 after each
    /// marker.
    window: u32,
    /// Number of hexadecimal digits since the last marker, or since the last letter that is not a
    /// hexadecimal digit.
    digits: u32,
    found: bool,
}

impl KeySearch {
    /// Returns whether `bytes` contain a private key.
    #[must_use]
    pub fn finds_in(bytes: &[u8]) -> bool {
        let mut search = Self::default();
        search.feed(bytes);
        search.has_found()
    }

    /// Takes the next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        let mut taken = self.follow(piece, 0);
        let mut tried = taken;
        while let Some(fives) = first_fives(piece, tried) {
            tried = fives.saturating_add(1);
            let before = piece.get(taken..fives).unwrap_or_default();
            let start = last_characters(before, BEFORE_FIVES);
            if start.first().copied().is_some_and(is_first_of_marker) {
                self.matched = 1;
                taken = self.follow(piece, fives.saturating_sub(start.len()).saturating_add(1));
                tried = tried.max(taken);
            }
        }
        // A marker may begin in the last bytes, and continue in the next piece.
        let mut rest = piece.get(taken..).unwrap_or_default();
        rest = last_characters(rest, MARKER.len().saturating_sub(1));
        while let Some(first) = rest.iter().copied().position(is_first_of_marker) {
            self.matched = 1;
            let taken = self.follow(rest, first.saturating_add(1));
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// Takes bytes from `at` on. Stops after a private key, or before a byte that neither continues
    /// a marker nor lies in the window after a marker. Returns the position of the first byte that
    /// was not taken.
    fn follow(&mut self, piece: &[u8], at: usize) -> usize {
        let mut rest = piece.get(at..).unwrap_or_default();
        while let [byte, behind @ ..] = rest
            && !self.found
            && (self.matched > 0 || self.window > 0)
        {
            self.take(*byte);
            rest = behind;
        }
        piece.len().saturating_sub(rest.len())
    }

    /// Returns whether a private key was found in the bytes so far.
    #[must_use]
    pub const fn has_found(&self) -> bool {
        self.found
    }

    fn take(&mut self, byte: u8) {
        if byte == 0 {
            return;
        }
        if self.window > 0 {
            self.window = self.window.saturating_sub(1);
            self.digits = match byte {
                _ if byte.is_ascii_hexdigit() => self.digits.saturating_add(1),
                _ if byte.is_ascii_alphabetic() => 0,
                _ => self.digits,
            };
            self.found = self.digits >= DIGITS;
        }
        let byte = byte.to_ascii_lowercase();
        let mut matched = self.matched;
        while matched > 0 && MARKER.get(matched) != Some(&byte) {
            matched = if matched == REPEATED.0 { REPEATED.1 } else { 0 };
        }
        matched = if MARKER.get(matched) == Some(&byte) { matched.saturating_add(1) } else { 0 };
        if matched == MARKER.len() {
            (matched, self.window, self.digits) = (0, WINDOW, 0);
        }
        self.matched = matched;
    }
}

/// Finds the first `5` at or after `from` that is followed by another `5` or by a zero byte, and
/// returns its position. The function looks at eight bytes at once, because the release build of
/// the program vectorises no loop.
fn first_fives(bytes: &[u8], from: usize) -> Option<usize> {
    let bytes = bytes.get(from..)?;
    let behind = bytes.get(1..)?;
    let in_word = |at: usize| {
        let mut pairs = bytes.get(at..)?.iter().zip(behind.get(at..)?).take(8);
        let found = pairs.position(|(five, next)| *five == b'5' && matches!(next, b'5' | 0));
        found.map(|i| from.saturating_add(at).saturating_add(i))
    };
    let words = bytes.as_chunks::<8>().0.iter().zip(behind.as_chunks::<8>().0);
    let whole = words.len().saturating_mul(8);
    let may_be_in = |(word, next): (&[u8; 8], &[u8; 8])| {
        let [word, next] = [word, next].map(|bytes| u64::from_le_bytes(*bytes));
        zeros(word ^ FIVES) & (zeros(next ^ FIVES) | zeros(next)) != 0
    };
    let candidates = words.zip((0..).step_by(8)).filter(|(pair, _)| may_be_in(*pair));
    candidates.map(|(_, at)| at).chain([whole]).find_map(in_word)
}

/// Returns a word in which the high bit of each zero byte of `word` is set. The high bits of bytes
/// above a zero byte may be set, too.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(u64::from_ne_bytes([1; 8])) & !word & u64::from_ne_bytes([0x80; 8])
}

/// Returns the end of `bytes` that has `count` characters. Zero bytes do not count. Returns all
/// bytes if they have fewer characters.
fn last_characters(bytes: &[u8], count: usize) -> &[u8] {
    let mut characters = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte != 0);
    let start = characters.nth(count.saturating_sub(1)).map_or(0, |(start, _)| start);
    bytes.get(start..).unwrap_or_default()
}

/// Returns whether a byte is the marker's first letter, in upper or lower case.
const fn is_first_of_marker(byte: u8) -> bool {
    byte | 0x20 == MARKER[0]
}

#[cfg(test)]
mod tests {
    use super::{KeySearch, MARKER, REPEATED};
    use crate::SecretKey;
    use crate::test_data::key;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use std::format;
    use std::string::String;
    use std::vec::Vec;
    use uuid::Uuid;

    const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const LINE: &str = "dacti-ed25519-private 1 \
        000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f \
        00112233-4455-6677-8899-aabbccddeeff";

    /// Searches in all of `bytes`, and again in two pieces of `bytes`, for each position of the
    /// cut.
    #[track_caller]
    fn check(bytes: &[u8], expected: bool) {
        assert_eq!(KeySearch::finds_in(bytes), expected, "{}", bytes.escape_ascii());
        let cuts = if bytes.len() < 1000 { bytes.len() } else { 0 };
        for cut in 0..=cuts {
            let mut search = KeySearch::default();
            search.feed(&bytes[..cut]);
            search.feed(&bytes[cut..]);
            assert_eq!(search.has_found(), expected, "cut at {cut}: {}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_key_is_found_whatever_stands_around_it() {
        // spec: R-SEAL-18
        let wrapped = LINE.replace("0a0b", "0a\r\n> 0b");
        let json = LINE.split(' ').map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        for text in [
            String::from(LINE),
            format!("{LINE}\n"),
            format!("\u{feff}{LINE}"),
            format!("KEY=\"{LINE}\""),
            format!("export KEY='{LINE}'"),
            format!("{{\"key\": \"{LINE}\"}}"),
            format!("[{json}]"),
            format!("> {LINE}"),
            format!("# {LINE}"),
            format!("// {LINE}"),
            format!("<p>{LINE}</p>"),
            format!("- key: {LINE}"),
            format!("prefix{LINE}suffix"),
            format!("dacti-ed{LINE}"),
            format!("dacti-ed25519-private is its marker: {LINE}"),
            LINE.replace(' ', "\t"),
            LINE.replace(' ', "%20"),
            LINE.replace(' ', "\r\n"),
            LINE.to_uppercase(),
            LINE.replace(" 1 ", " 2 "),
            format!("dacti-ed25519-private={DIGITS}"),
            wrapped,
        ] {
            check(text.as_bytes(), true);
        }
        let wide: Vec<u8> = LINE.encode_utf16().flat_map(u16::to_le_bytes).collect();
        check(&wide, true);
        let wide: Vec<u8> = LINE.encode_utf16().flat_map(u16::to_be_bytes).collect();
        check(&wide, true);
        check(&[b"caf\xe9 \xff\xfe", LINE.as_bytes(), b"\xff"].concat(), true);
        let far = [&*std::vec![b'd'; 100_000], LINE.as_bytes(), &*std::vec![7; 100_000]].concat();
        check(&far, true);
    }

    #[test]
    fn the_texts_of_private_keys_are_found() {
        let private = key().to_text();
        let other = SecretKey::from_seed(&[9; 32], Uuid::nil()).to_text();
        for text in [&private, &other, &format!("a line\n{private}"), &format!("{private}{other}")]
        {
            assert!(KeySearch::finds_in(text.as_bytes()), "{text}");
        }
        let public = key().public().to_text();
        for text in
            [&public[..], "", "as `dacti-ed25519-private 1` says", "dacti-ed25519-privately x"]
        {
            assert!(!KeySearch::finds_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn texts_about_keys_are_not_keys() {
        for text in [
            "",
            "dacti-ed25519-private",
            "as `dacti-ed25519-private 1` says",
            "dacti-ed25519-private 1 <64 hexadecimal digits> <UUID of the package>",
            "dacti-ed25519-private 1 0001…1e1f 00112233-4455-6677-8899-aabbccddeeff",
        ] {
            check(text.as_bytes(), false);
        }
        check(LINE.replace("private", "public").as_bytes(), false);
        check(
            format!("dacti-ed25519-private 1 {}", DIGITS.replace("0a0b", "0a0x")).as_bytes(),
            false,
        );
        check(format!("{DIGITS} dacti-ed25519-private").as_bytes(), false);
        let far = format!("dacti-ed25519-private{}{DIGITS}", ".".repeat(512));
        check(far.as_bytes(), false);
    }

    #[test]
    fn the_marker_repeats_its_start_at_one_place() {
        for len in 1..MARKER.len() {
            let again = (1..len).rev().find(|n| MARKER[..*n] == MARKER[len - n..len]);
            assert_eq!(again, (len == REPEATED.0).then_some(REPEATED.1), "{len}");
        }
    }

    /// Searches as `docs/spec/dacti-seal.md` says, in all bytes at once.
    fn contains_key(bytes: &[u8]) -> bool {
        let text: Vec<u8> =
            bytes.iter().filter(|byte| **byte != 0).map(u8::to_ascii_lowercase).collect();
        let markers = (0..text.len()).filter(|at| text[*at..].starts_with(MARKER));
        markers.map(|at| &text[at + MARKER.len()..]).any(|behind| {
            let mut digits = 0;
            behind[..behind.len().min(512)].iter().any(|byte| {
                digits = match byte {
                    b'0'..=b'9' | b'a'..=b'f' => digits + 1,
                    b'g'..=b'z' => 0,
                    _ => digits,
                };
                digits == 64
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..<_>::default() })]

        #[test]
        fn parts_of_markers_in_pieces_are_found_like_whole_ones(
            parts in vec(
                prop_oneof![
                    4 => select(&["dacti-ed25519-private", "dacti-", "ed25519", "-private"][..]),
                    2 => select(&["d", "D", "2", "5", "55", "\0", "\0\0\0", ".", "x"][..]),
                    2 => Just(DIGITS),
                    1 => Just("................................................................"),
                ],
                0..30,
            ),
            is_wide in any::<bool>(),
            piece_len in 1_usize..100,
        ) {
            let mut bytes = parts.concat().into_bytes();
            if is_wide {
                bytes = bytes.into_iter().flat_map(|byte| [0, byte]).collect();
            }
            let mut search = KeySearch::default();
            bytes.chunks(piece_len).for_each(|piece| search.feed(piece));
            prop_assert_eq!(search.has_found(), contains_key(&bytes), "{}", bytes.escape_ascii());
            prop_assert_eq!(KeySearch::finds_in(&bytes), contains_key(&bytes));
        }
    }
}
