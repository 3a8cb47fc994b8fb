//! `entity-bytes`: a range of a file's bytes, with ends that may count from the file's end.

use core::ops::Range;

/// A range, its last byte included. Negative numbers count from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntityBytes {
    from: i64,
    /// `None` is the end of the file.
    to: Option<i64>,
}

/// The bytes of a file that a range names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    Bytes(Range<u64>),
    /// The range ends before it begins.
    Nothing,
    /// The range has no bytes of the file: it begins at the file's end or later, or ends before the
    /// file's start.
    Outside,
}

impl EntityBytes {
    /// Reads `from:to`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once(':')?;
        let to = match to {
            "*" => None,
            to => Some(number(to)?),
        };
        Some(Self { from: number(from)?, to })
    }

    /// Returns the bytes that the range names in a file of `len` bytes.
    pub(super) fn of(&self, len: u64) -> Named {
        let len = i128::from(len);
        let place = |number: i64| {
            let number = i128::from(number);
            if number < 0 { len.saturating_add(number) } else { number }
        };
        let from = place(self.from);
        let end = self.to.map_or(len, |to| place(to).saturating_add(1));
        let is_empty = match self.to {
            None => len == 0 && from <= 0,
            Some(_) => end <= from,
        };
        if is_empty {
            return Named::Nothing;
        }
        let (start, end) = (from.max(0), end.min(len));
        match (u64::try_from(start), u64::try_from(end)) {
            (Ok(start), Ok(end)) if start < end => Named::Bytes(start..end),
            _ => Named::Outside,
        }
    }
}

impl core::fmt::Display for EntityBytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.to {
            Some(to) => write!(f, "{}:{to}", self.from),
            None => write!(f, "{}:*", self.from),
        }
    }
}

/// Reads a number of digits, perhaps after a minus sign.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::{EntityBytes, Named};

    #[track_caller]
    fn check(text: &str, expected: &Named) {
        let range = EntityBytes::parse(text).expect("a range");
        assert_eq!((range.of(1026), range.to_string().as_str()), (expected.clone(), text));
    }

    #[test]
    fn ranges_are_those_of_the_specification() {
        for (text, start, end) in [
            ("0:*", 0, 1026),
            ("512:*", 512, 1026),
            ("512:1023", 512, 1024),
            ("0:0", 0, 1),
            ("512:-256", 512, 771),
            ("-5:*", 1021, 1026),
            ("-9999:*", 0, 1026),
            ("-9999:-3", 0, 1024),
            ("-1:-1", 1025, 1026),
            ("1000:9223372036854775807", 1000, 1026),
        ] {
            check(text, &Named::Bytes(start..end));
        }
        check("5:4", &Named::Nothing);
        check("-3:-9", &Named::Nothing);
        check("1026:*", &Named::Outside);
        check("1026:1030", &Named::Outside);
        check("-5000:-2000", &Named::Outside);
    }

    #[test]
    fn an_empty_file_has_no_bytes() {
        for text in ["0:*", "-5:*"] {
            assert_eq!(EntityBytes::parse(text).expect("a range").of(0), Named::Nothing, "{text}");
        }
        assert_eq!(EntityBytes::parse("0:5").expect("a range").of(0), Named::Outside);
    }

    #[test]
    fn other_texts_are_no_ranges() {
        for text in
            ["", ":", "1", "1:", ":1", "*:1", "a:b", "+1:2", "1:2:3", "99999999999999999999:*"]
        {
            assert_eq!(EntityBytes::parse(text), None, "{text}");
        }
    }
}
