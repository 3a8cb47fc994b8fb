//! A request to send: its range, its header fields, and the tag on its URL.
//!
//! This module reads only the query and the fragment of a URL. Specification:
//! `docs/spec/dacti-http.md`, "Requests", "Tags".

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::fmt;
use daicon_core::Span;

/// An addition to the URL. Caches treat the URL with the addition as a different URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tag {
    /// Nothing.
    #[default]
    None,
    /// `g=SLICE`, where `SLICE` is the start of the aligned slice in which the region starts. No
    /// reader requests this URL before the bytes of that slice are published, so caches may keep
    /// its answers for ever.
    Slice(u64),
    /// `g=SLICE-NONCE`: a URL that no reader has requested before.
    Nonce {
        /// The slice.
        slice: u64,
        /// A random number.
        nonce: u64,
    },
}

impl Tag {
    /// Returns `url` with this tag in its query, and without its fragment.
    #[must_use]
    pub fn append_to<'u>(&self, url: &'u str) -> Cow<'u, str> {
        let (url, _) = url.split_once('#').unwrap_or((url, ""));
        if *self == Self::None {
            return Cow::Borrowed(url);
        }
        let joint = match url.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        Cow::Owned(format!("{url}{joint}{self}"))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Slice(slice) => write!(f, "g={slice}"),
            Self::Nonce { slice, nonce } => write!(f, "g={slice}-{nonce:016x}"),
        }
    }
}

/// Returns whether a URL carries a signature over its query, so that nothing may be added to it.
///
/// It recognises the signatures of S3 and compatible stores, Google Cloud Storage, Azure and
/// `CloudFront`. For a URL that is signed in another way, switch
/// [`Options::tags`](crate::Options::tags) off.
#[must_use]
pub fn is_presigned(url: &str) -> bool {
    const SIGNED: &[&str] =
        &["x-amz-signature", "x-goog-signature", "googleaccessid", "sig", "signature"];
    let (url, _) = url.split_once('#').unwrap_or((url, ""));
    let Some((_, query)) = url.split_once('?') else { return false };
    query.split('&').any(|pair| {
        let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
        SIGNED.iter().any(|signed| name.eq_ignore_ascii_case(signed))
    })
}

/// A request to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The bytes to ask for, absolute; `None` asks for the whole file.
    pub range: Option<Span>,
    /// The tag to add to the URL.
    pub tag: Tag,
    /// Whether to begin at the URL that the user gave, instead of the target of its redirects.
    pub resolve: bool,
    /// The longest time until the answer begins, in milliseconds.
    pub first_byte_millis_max: u64,
    /// The longest silence in the middle of the answer, in milliseconds.
    pub silence_millis_max: u64,
    /// The longest time for the whole answer, in milliseconds.
    pub millis_max: u64,
}

impl Request {
    /// Returns the header fields to send in addition to the caller's own. Send no `If-Range`,
    /// `If-Match`, `Cache-Control` or similar field.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        // No fetch asks for an empty span, so the last byte is before the span's end.
        let range = self.range.map(|span| {
            let last = span.end.saturating_sub(1);
            ("range", format!("bytes={}-{last}", span.start))
        });
        range.into_iter().chain([("accept-encoding", String::from("identity"))])
    }
}

#[cfg(test)]
mod tests {
    use super::{Request, Tag, is_presigned};
    use daicon_core::Span;
    use std::borrow::ToOwned;
    use std::vec::Vec;

    #[test]
    fn a_range_is_closed_and_no_coding_is_accepted() {
        // spec: R-HTTP-01, R-HTTP-02
        let range = Span::new(1_048_576, 10);
        let (tag, resolve) = (Tag::None, false);
        let first_byte_millis_max = 1;
        let silence_millis_max = 1;
        let request = Request {
            range,
            tag,
            resolve,
            first_byte_millis_max,
            silence_millis_max,
            millis_max: 1,
        };
        let fields: Vec<_> = request.fields().collect();
        assert_eq!(
            fields,
            [
                ("range", "bytes=1048576-1048585".to_owned()),
                ("accept-encoding", "identity".to_owned())
            ]
        );
        let fields: Vec<_> = Request { range: None, ..request }.fields().collect();
        assert_eq!(fields, [("accept-encoding", "identity".to_owned())]);
    }

    #[test]
    fn a_tag_follows_the_query_and_replaces_the_fragment() {
        // spec: R-HTTP-06
        let slice = Tag::Slice(1_048_576);
        let nonce = Tag::Nonce { slice: 0, nonce: 0xab };
        for (tag, url, tagged) in [
            (Tag::None, "http://h/p?a=b#f", "http://h/p?a=b"),
            (slice, "http://h/p", "http://h/p?g=1048576"),
            (slice, "http://h/p#f?x", "http://h/p?g=1048576"),
            (slice, "http://h/p?a=b", "http://h/p?a=b&g=1048576"),
            (slice, "http://h/p?", "http://h/p?g=1048576"),
            (slice, "http://h/p?a&", "http://h/p?a&g=1048576"),
            (nonce, "http://h/p", "http://h/p?g=0-00000000000000ab"),
        ] {
            assert_eq!(tag.append_to(url), tagged);
        }
    }

    #[test]
    fn signed_queries_are_recognised() {
        // spec: R-HTTP-07
        for (url, signed) in [
            ("https://b.s3.amazonaws.com/k?X-Amz-Algorithm=A&X-Amz-Signature=0f", true),
            ("https://s.googleapis.com/b/k?x-goog-signature=0f", true),
            ("https://a.blob.core.windows.net/c/k?sv=1&sig=x%3D", true),
            ("https://d.cloudfront.net/k?Expires=1&Signature=s&Key-Pair-Id=K", true),
            ("https://h/k?sign=1&v=2", false),
            ("https://h/signature=1", false),
            ("https://h/k#?sig=1", false),
        ] {
            assert_eq!(is_presigned(url), signed, "{url}");
        }
    }
}
