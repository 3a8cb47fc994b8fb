//! The requests that check a host: the requests that a reader sends, and some that show how the
//! host controls caches.

use super::PublishedForm;
use crate::fetch::{HttpAsker, Location, PlainAnswer};
use crate::{Error, HEAD_LEN};
use dacti_cdn::parts::{PartsHead, is_in_parts};
use dacti_http::Tag;
use daicon_core::Span;

/// The length of the ranges in the middle and at the end, in bytes.
const RANGE_LEN: u64 = 1_000;
/// The origin that a browser sends for a page of another host.
pub(super) const PAGE_ORIGIN: &str = "https://reader.example";

/// The answers of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSeen {
    /// The place.
    pub place: Location,
    /// The answer for the head's range.
    pub head: PlainAnswer,
    /// The answer to the same request, sent again. It may come from a cache.
    pub again: PlainAnswer,
    /// The answer to a request for the head's range with a query that was never used before.
    pub nonce: PlainAnswer,
    /// The answer to a request for the head's range with the header fields of a browser, which
    /// accepts compressed answers.
    pub coded: PlainAnswer,
    /// A range in the middle of the file, and the answer for it.
    pub middle: Option<(Span, PlainAnswer)>,
    /// The last range of the file, and the answer for it.
    pub last: Option<(Span, PlainAnswer)>,
    /// The answer for a range after the end of the file.
    pub past: Option<PlainAnswer>,
    /// The answers for the first part, if the package is in parts and has any part.
    pub part: Option<PartSeen>,
    /// The answer for a part that does not exist, if the package is in parts.
    pub missing: Option<PlainAnswer>,
}

/// The answers for a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSeen {
    /// The length that the object must have, in bytes.
    pub len: u64,
    /// The first range of the object, and the answer for it.
    pub first: (Span, PlainAnswer),
    /// The last range of the object, and the answer for it.
    pub last: (Span, PlainAnswer),
}

impl HostSeen {
    /// Returns the form of the package that the place serves.
    #[must_use]
    pub fn form(&self) -> PublishedForm {
        let body = &self.head.body;
        if is_in_parts(body) {
            PublishedForm::InParts
        } else if body.starts_with(&daicon_core::SIGNATURE) {
            PublishedForm::OneFile
        } else {
            PublishedForm::Neither
        }
    }

    /// Returns the length of the file; `None` if the answers do not show it.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        let stated = || self.head.field("content-length")?.parse().ok().filter(|_| self.is_whole());
        self.head.total().or_else(stated)
    }

    /// Returns whether the file is known to be empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Returns whether the answer to the range request contains the whole file.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.head.status == 200
    }
}

/// Sends the range requests of a reader to the place at `url`, and some requests that show how
/// caches behave. `nonce` must be a number that was never used before.
///
/// Cost: about ten requests, and the bytes of a few heads.
///
/// # Errors
/// `Remote` if the place does not answer.
pub fn look(asker: &HttpAsker, url: &str, nonce: u64) -> Result<HostSeen, Error> {
    let head_span = Span { start: 0, end: HEAD_LEN };
    let head = asker.ask_range(url, head_span, &[])?;
    let again = asker.ask_range(url, head_span, &[])?;
    let tagged = Tag::Nonce { slice: 0, nonce }.append_to(url).into_owned();
    let with_nonce = asker.ask_range(&tagged, head_span, &[])?;
    let as_browser = [("accept-encoding", "gzip, br, zstd"), ("origin", PAGE_ORIGIN)];
    let coded = asker.ask_range(url, head_span, &as_browser)?;
    let mut seen = HostSeen {
        place: Location::from(url),
        head,
        again,
        nonce: with_nonce,
        coded,
        middle: None,
        last: None,
        past: None,
        part: None,
        missing: None,
    };
    if !matches!(seen.head.status, 200 | 206) {
        return Ok(seen);
    }
    if let Some(len) = seen.len() {
        let ask =
            |span: Span| -> Result<_, Error> { Ok(Some((span, asker.ask_range(url, span, &[])?))) };
        if len > HEAD_LEN.saturating_add(RANGE_LEN.saturating_mul(2)) {
            let start = HEAD_LEN.midpoint(len);
            seen.middle = ask(Span { start, end: start.saturating_add(RANGE_LEN).min(len) })?;
        }
        if len > 0 {
            seen.last = ask(Span { start: len.saturating_sub(RANGE_LEN), end: len })?;
        }
        // The request has a query of its own. So no cache keeps the answer under a URL that readers
        // use.
        let (start, nonce) = (len.saturating_add(1 << 30), nonce.wrapping_add(1));
        let tagged = Tag::Nonce { slice: 0, nonce }.append_to(url).into_owned();
        let past = Span { start, end: start.saturating_add(1) };
        seen.past = Some(asker.ask_range(&tagged, past, &[])?);
    }
    look_at_parts(asker, url, nonce, &mut seen)?;
    Ok(seen)
}

/// Requests the first part, and a part that does not exist.
fn look_at_parts(
    asker: &HttpAsker,
    url: &str,
    nonce: u64,
    seen: &mut HostSeen,
) -> Result<(), Error> {
    let Some(head) = seen.head.body.get(..usize::try_from(HEAD_LEN).unwrap_or(usize::MAX)) else {
        return Ok(());
    };
    let Some(parsed) = is_in_parts(head).then(|| PartsHead::parse(head).ok()).flatten() else {
        return Ok(());
    };
    let region = &parsed.region;
    let beside = |name: &str| beside(url, &format!("{}{name}", region.prefix));
    // No part has this digest.
    let missing = beside(&format!("{nonce:016x}{}", "0".repeat(48)));
    seen.missing = Some(asker.ask(&missing, &[("accept-encoding", "identity")], 1)?);
    if let Some(entry) = region.list.entries().first() {
        let (part, len) = (beside(&entry.object_name(0)), entry.object_span(0).len());
        let ask =
            |span: Span| -> Result<_, Error> { Ok((span, asker.ask_range(&part, span, &[])?)) };
        let first = ask(Span { start: 0, end: RANGE_LEN.min(len) })?;
        let last = ask(Span { start: len.saturating_sub(RANGE_LEN), end: len })?;
        seen.part = Some(PartSeen { len, first, last });
    }
    Ok(())
}

/// Returns the URL of an object beside the file at `url`.
fn beside(url: &str, name: &str) -> String {
    // spec: R-PART-09
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let path = url.get(..end).unwrap_or(url);
    let folder = path.rfind('/').and_then(|last| path.get(..=last)).unwrap_or_default();
    format!("{folder}{name}")
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn an_object_lies_beside_the_file() {
        assert_eq!(beside("http://a/b/p?x=/y", "p.parts/1"), "http://a/b/p.parts/1");
        assert_eq!(beside("http://a/p", "q"), "http://a/q");
    }
}
