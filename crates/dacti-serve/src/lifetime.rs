//! How long caches may keep an answer.
//!
//! An update of a package that grows changes only the head, and appends bytes. So a range that lies
//! after the head and within the file never changes. An answer that depends on the file's length
//! may change. Specification: `docs/spec/dacti-cdn.md`.

use crate::range::{Asked, Form};
use dacti::HEAD_LEN;
use hyper::header::HeaderValue;

/// The kind of a file that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A package whose layout promises that it grows by appending.
    Grows,
    /// A part of a package in parts, whose name is the hash of its bytes.
    Part,
    /// Any other file. It may be replaced at any time.
    Other,
}

impl Kind {
    /// Returns whether a path names a part. The name of the file has 64 hexadecimal digits, which
    /// `-` and the number of a piece may follow. The name of its folder ends with `.parts`.
    pub(crate) fn is_part(path: &str) -> bool {
        let Some((folder, name)) = path.rsplit_once('/') else { return false };
        let (digest, piece) = name.split_once('-').unwrap_or((name, "0"));
        let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        let is_name = digest.len() == 64 && digest.bytes().all(is_digit);
        let is_piece = piece.bytes().all(|digit| digit.is_ascii_digit());
        is_name && is_piece && folder.strip_suffix(".parts").is_some()
    }
}

/// The values of `Cache-Control`.
#[derive(Debug, Clone)]
pub(crate) struct Lifetimes {
    short: HeaderValue,
    long: HeaderValue,
    of_cids: HeaderValue,
    none: HeaderValue,
}

/// The lifetime that the path gateway specification demands for paths under `/ipfs/`, in seconds.
const CID_MAX_AGE: u32 = 29_030_400;

impl Lifetimes {
    pub(crate) fn new(head_max_age: u32, data_max_age: u32) -> Self {
        let immutable = |age| format!("public, max-age={age}, immutable, no-transform");
        let field = |text: String| {
            // This always succeeds, because the texts have only ASCII characters that are allowed
            // in a field.
            HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static("no-store"))
        };
        Self {
            short: field(format!("public, max-age={head_max_age}, no-transform")),
            long: field(immutable(data_max_age)),
            of_cids: field(immutable(data_max_age.min(CID_MAX_AGE))),
            none: HeaderValue::from_static("no-store"),
        }
    }

    /// Returns the lifetime of bytes of a file.
    pub(crate) fn of(&self, kind: Kind, asked: &Asked) -> &HeaderValue {
        match (kind, asked) {
            (_, Asked::Unsatisfiable | Asked::Several | Asked::Part { form: Form::Open, .. }) => {
                &self.none
            }
            (Kind::Part, Asked::Whole | Asked::Part { .. }) => &self.long,
            (Kind::Grows, Asked::Part { bytes, form }) if bytes.start >= HEAD_LEN => match form {
                Form::Closed => &self.long,
                // After the file has grown, the answer to such a range has more bytes.
                Form::Cut | Form::Open => &self.none,
            },
            _ => &self.short,
        }
    }

    /// Returns the lifetime of an answer that may be replaced.
    pub(crate) const fn short(&self) -> &HeaderValue {
        &self.short
    }

    /// Returns the lifetime of the content of a CID.
    pub(crate) const fn of_cids(&self) -> &HeaderValue {
        &self.of_cids
    }

    /// Returns the lifetime of an answer that no cache may keep.
    pub(crate) const fn none(&self) -> &HeaderValue {
        &self.none
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Lifetimes};
    use crate::range::asked;

    #[track_caller]
    fn check(kind: Kind, range: Option<&str>, expected: &str) {
        let asked = asked(range.map(str::as_bytes), 2 << 20);
        let lifetimes = Lifetimes::new(5, 31_536_000);
        assert_eq!(lifetimes.of(kind, &asked).to_str().unwrap(), expected, "{range:?}");
    }

    const SHORT: &str = "public, max-age=5, no-transform";
    const LONG: &str = "public, max-age=31536000, immutable, no-transform";

    #[test]
    fn only_ranges_that_never_change_are_kept_for_long() {
        check(Kind::Grows, Some("bytes=65536-65536"), LONG);
        check(Kind::Grows, Some("bytes=1048576-2097151"), LONG);
        check(Kind::Grows, Some("bytes=0-65535"), SHORT);
        check(Kind::Grows, Some("bytes=65535-70000"), SHORT);
        check(Kind::Grows, None, SHORT);
        check(Kind::Other, Some("bytes=65536-65536"), SHORT);
    }

    #[test]
    fn parts_never_change() {
        check(Kind::Part, None, LONG);
        check(Kind::Part, Some("bytes=0-9"), LONG);
        check(Kind::Part, Some("bytes=2097152-2097153"), "no-store");
        let digest = "0123456789abcdef".repeat(4);
        assert!(Kind::is_part(&format!("sub/a.dacti-pack.parts/{digest}")));
        assert!(Kind::is_part(&format!("a.parts/{digest}-12")));
        for other in [
            digest.clone(),
            format!("a/{digest}"),
            format!("a.parts/{digest}-x"),
            format!("a.parts/heads/{digest}"),
            format!("a.parts/{}", digest.to_uppercase()),
            String::from("a.parts/index.html"),
        ] {
            assert!(!Kind::is_part(&other), "{other}");
        }
    }

    #[test]
    fn answers_that_depend_on_the_length_are_not_kept() {
        let depends = ["bytes=65536-", "bytes=-5", "bytes=1048576-2097152", "bytes=2097152-"];
        for range in depends.into_iter().chain(["bytes=0-1,5-6"]) {
            check(Kind::Grows, Some(range), "no-store");
        }
    }
}
