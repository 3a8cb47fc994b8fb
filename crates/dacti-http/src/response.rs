//! The status of an answer, and the fields that the machine reads.
//!
//! This module reads the fields, and does not judge the answer. Specification:
//! `docs/spec/dacti-http.md`, "Answers".

use crate::fault::Coding;
use crate::mark::{Mark, date};
use daicon_core::Span;

/// The part of an answer before its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) content_range: Option<ContentRange>,
    pub(crate) content_len: Option<u64>,
    pub(crate) coding: Option<Coding>,
    pub(crate) multipart: bool,
    pub(crate) retry_after_secs: Option<u64>,
    /// A hash of the `ETag`, or else of `Last-Modified`.
    validator: Option<u64>,
    modified: Option<u64>,
    has_etag: bool,
    has_range: bool,
}

impl Response {
    /// Returns an answer of this status, without fields.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// Returns the answer with one more field. The name may have any case; unknown fields are
    /// ignored.
    #[must_use]
    pub fn with_field(mut self, name: &str, value: &[u8]) -> Self {
        let value = value.trim_ascii();
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("content-range") {
            // Two fields of one name may contradict each other, so neither is used.
            let first = !core::mem::replace(&mut self.has_range, true);
            self.content_range = ContentRange::parse(value).filter(|_| first);
        } else if is("content-length") {
            self.content_len = digits(value);
        } else if is("content-encoding") {
            self.coding = Coding::parse(value).or(self.coding);
        } else if is("content-type") {
            let multipart = b"multipart/byteranges";
            self.multipart = value
                .get(..multipart.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(multipart));
        } else if is("retry-after") {
            self.retry_after_secs = digits(value);
        } else if is("etag") {
            self.has_etag = true;
            self.validator = Some(hash(value.strip_prefix(b"W/").unwrap_or(value)));
        } else if is("last-modified") {
            self.modified = date(value);
            if !self.has_etag {
                self.validator = Some(hash(value));
            }
        }
        self
    }

    /// Returns the state of the file from which the bytes were read. `len` is the length of the
    /// file.
    pub(crate) const fn mark(&self, len: Option<u64>) -> Mark {
        Mark { validator: self.validator, modified: self.modified, len }
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }
}

/// The contents of a `Content-Range`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentRange {
    /// `None` in a 416.
    pub(crate) span: Option<Span>,
    /// The file's length, if the server reported it.
    pub(crate) total: Option<u64>,
}

impl ContentRange {
    /// Reads `bytes A-B/N`, `bytes A-B/*`, `bytes */N`, and `*/N` without a unit, as some caches
    /// write it.
    fn parse(value: &[u8]) -> Option<Self> {
        let value = core::str::from_utf8(value).ok()?;
        let value = match value.get(..5) {
            Some(unit) if unit.eq_ignore_ascii_case("bytes") => value.get(5..)?.trim_start(),
            _ => value,
        };
        let (range, total) = value.split_once('/')?;
        let total = match total.trim() {
            "*" => None,
            total => Some(digits(total.as_bytes())?),
        };
        let range = range.trim();
        if range == "*" {
            return Some(Self { span: None, total });
        }
        let (first, last) = range.split_once('-')?;
        let (start, last) = (digits(first.as_bytes())?, digits(last.as_bytes())?);
        let end = last.checked_add(1)?;
        let fits = start < end && total.is_none_or(|total| end <= total);
        fits.then_some(Self { span: Some(Span { start, end }), total })
    }
}

/// Reads a number of decimal digits only.
fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(value).ok()?.parse().ok()
}

/// Hashes a validator by FNV-1a. A validator is only a hint, so no cryptographic hash is needed.
fn hash(value: &[u8]) -> u64 {
    value.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{ContentRange, Response};
    use crate::fault::Coding;
    use daicon_core::Span;

    #[track_caller]
    fn check(value: &str, expected: Option<ContentRange>) {
        let answer = Response::new(206).with_field("Content-Range", value.as_bytes());
        assert_eq!(answer.content_range, expected, "{value:?}");
    }

    const fn range(start: u64, end: u64, total: Option<u64>) -> ContentRange {
        ContentRange { span: Some(Span { start, end }), total }
    }

    #[test]
    fn content_ranges_are_taken_as_servers_write_them() {
        // spec: R-HTTP-10
        check("bytes 0-65535/100000", Some(range(0, 65_536, Some(100_000))));
        check("BYTES  0-0/1", Some(range(0, 1, Some(1))));
        check("bytes 5-9/*", Some(range(5, 10, None)));
        let none = |total| Some(ContentRange { span: None, total });
        check("bytes */100", none(Some(100)));
        check("*/100", none(Some(100)));
        check("bytes */*", none(None));
    }

    #[test]
    fn malformed_content_ranges_are_none() {
        // spec: R-HTTP-10
        let bad = [
            "",
            "bytes",
            "bytes 0-9",
            "bytes 9-5/10",
            "bytes 0-9/9",
            "bytes -5/10",
            "bytes 0-/10",
            "bytes +0-9/10",
            "bytes 0-18446744073709551615/*",
            "bytes 0-9/1e3",
            "items 0-9/10",
            "bytes 0-9,20-29/100",
            "bytes 0 - 9/10",
            "\u{fffd}ytes 0-9/10",
        ];
        for value in bad {
            check(value, None);
        }
        let twice = Response::new(206).with_field("content-range", b"bytes 0-9/10");
        let twice = twice.with_field("content-range", b"bytes 0-9/10");
        assert_eq!(twice.content_range, None);
    }

    #[test]
    fn only_codings_that_change_bytes_count() {
        // spec: R-HTTP-12
        for (value, coding) in [
            ("identity", None),
            ("", None),
            ("GZIP", Some(Coding::Gzip)),
            ("br", Some(Coding::Brotli)),
            ("gzip, br", Some(Coding::Other)),
        ] {
            let answer = Response::new(206).with_field("Content-Encoding", value.as_bytes());
            assert_eq!(answer.coding, coding, "{value:?}");
        }
    }

    #[test]
    fn an_etag_counts_before_a_date_weak_or_not() {
        let etag = Response::new(206).with_field("etag", b"\"a\"");
        let both =
            Response::new(206).with_field("last-modified", b"x").with_field("etag", b"W/\"a\"");
        assert_eq!(etag.validator, both.validator);
        let behind = etag.with_field("last-modified", b"x");
        assert_eq!(etag.validator, behind.validator);
        assert_ne!(etag.validator, Response::new(206).with_field("etag", b"\"b\"").validator);
    }

    #[test]
    fn only_seconds_are_taken_as_a_time_to_wait() {
        // spec: R-HTTP-18
        let wait = |value: &str| {
            Response::new(503).with_field("retry-after", value.as_bytes()).retry_after_secs
        };
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait("Fri, 31 Dec 1999 23:59:59 GMT"), None);
        assert_eq!(wait("99999999999999999999"), None);
    }
}
