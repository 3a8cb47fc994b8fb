//! The `Range` field of a request, compared with a length.
//!
//! RFC 9110, section 14. One range is answered exactly. If a request has several ranges or a
//! malformed one, the answer has the whole content, as the RFC allows.

use core::ops::Range;

/// The part of some content that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The whole content, because the request has no valid range.
    Whole,
    /// The whole content, because the request has several ranges.
    Several,
    /// These bytes.
    Part { bytes: Range<u64>, form: Form },
    /// Bytes after the end only.
    Unsatisfiable,
}

/// The form of a range. It determines whether the answer depends on the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `a-b`, within the length.
    Closed,
    /// `a-b`, cut at the length.
    Cut,
    /// `a-` or `-n`.
    Open,
}

/// Reads the field's value for `len` bytes.
pub(crate) fn asked(value: Option<&[u8]>, len: u64) -> Asked {
    let Some(set) = value.and_then(set) else { return Asked::Whole };
    if set.contains(',') {
        return Asked::Several;
    }
    let Some((first, last)) = set.trim_matches([' ', '\t']).split_once('-') else {
        return Asked::Whole;
    };
    match (first.is_empty(), last.is_empty()) {
        (true, true) => Asked::Whole,
        (true, false) => suffix(last, len),
        (false, true) => number(first).map_or(Asked::Whole, |first| open(first, len)),
        (false, false) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => closed(first, last, len),
            _ => Asked::Whole,
        },
    }
}

fn set(value: &[u8]) -> Option<&str> {
    let (unit, set) = core::str::from_utf8(value).ok()?.split_once('=')?;
    unit.eq_ignore_ascii_case("bytes").then_some(set)
}

/// Reads a decimal number. A number above `u64::MAX` is read as `u64::MAX`.
fn number(digits: &str) -> Option<u64> {
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn suffix(last: &str, len: u64) -> Asked {
    match number(last) {
        None => Asked::Whole,
        Some(0) => Asked::Unsatisfiable,
        Some(_) if len == 0 => Asked::Unsatisfiable,
        Some(n) => Asked::Part { bytes: len.saturating_sub(n)..len, form: Form::Open },
    }
}

fn open(first: u64, len: u64) -> Asked {
    if first >= len {
        return Asked::Unsatisfiable;
    }
    Asked::Part { bytes: first..len, form: Form::Open }
}

fn closed(first: u64, last: u64, len: u64) -> Asked {
    if first >= len {
        return Asked::Unsatisfiable;
    }
    let (end, form) = match last.checked_add(1) {
        Some(end) if end <= len => (end, Form::Closed),
        _ => (len, Form::Cut),
    };
    Asked::Part { bytes: first..end, form }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Form, asked};

    #[track_caller]
    fn check(value: &str, len: u64, expected: &Asked) {
        assert_eq!(asked(Some(value.as_bytes()), len), *expected, "{value:?} of {len}");
    }

    fn part(start: u64, end: u64, form: Form) -> Asked {
        Asked::Part { bytes: start..end, form }
    }

    #[test]
    fn one_range_is_exact() {
        check("bytes=0-0", 10, &part(0, 1, Form::Closed));
        check("bytes=2-9", 10, &part(2, 10, Form::Closed));
        check("bytes=2-10", 10, &part(2, 10, Form::Cut));
        check("bytes=0-65535", 80, &part(0, 80, Form::Cut));
        check("BYTES= 9-9\t", 10, &part(9, 10, Form::Closed));
        check("bytes=7-", 10, &part(7, 10, Form::Open));
        check("bytes=-3", 10, &part(7, 10, Form::Open));
        check("bytes=-30", 10, &part(0, 10, Form::Open));
        check("bytes=1-18446744073709551615", 10, &part(1, 10, Form::Cut));
        check("bytes=1-99999999999999999999999", 10, &part(1, 10, Form::Cut));
    }

    #[test]
    fn bytes_past_the_end_are_unsatisfiable() {
        for value in ["bytes=10-", "bytes=10-10", "bytes=99999999999999999999-", "bytes=-0"] {
            check(value, 10, &Asked::Unsatisfiable);
        }
        for value in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            check(value, 0, &Asked::Unsatisfiable);
        }
    }

    #[test]
    fn malformed_ranges_are_ignored() {
        let wrong = ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=3-2", "lines=1-2"];
        for value in wrong.into_iter().chain(["bytes=+1-2", "bytes=1 - 2", "bytes=0x1-2"]) {
            check(value, 10, &Asked::Whole);
        }
        assert_eq!(asked(None, 10), Asked::Whole);
        assert_eq!(asked(Some(b"bytes=\xff-1"), 10), Asked::Whole);
        check("bytes=0-1,3-4", 10, &Asked::Several);
    }
}
