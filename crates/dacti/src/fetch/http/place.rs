//! Where a package is: the URL that the user gave, and the place to which its redirects led.

use dacti_http::{Tag, is_presigned};
use reqwest::Url;
use std::sync::{Mutex, PoisonError};

/// A URL, and where it led.
#[derive(Debug)]
pub(crate) struct Place {
    given: Url,
    /// Requests of a session go to one place, so that they do not see two states of two mirrors.
    pinned: Mutex<Option<Url>>,
}

impl Place {
    pub(crate) const fn new(given: Url) -> Self {
        Self { given, pinned: Mutex::new(None) }
    }

    pub(crate) const fn given(&self) -> &Url {
        &self.given
    }

    /// The URL of a request with this tag. Where it is to be found anew, what it led to is
    /// forgotten.
    pub(crate) fn url(&self, tag: Tag, resolve: bool) -> Option<Url> {
        let mut pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        if resolve {
            *pinned = None;
        }
        let url = pinned.as_ref().unwrap_or(&self.given);
        Url::parse(&tag.append_to(url.as_str())).ok()
    }

    pub(crate) fn pin(&self, url: Url) {
        *self.pinned.lock().unwrap_or_else(PoisonError::into_inner) = Some(url);
    }

    /// Whether a query can be added to where this leads.
    pub(crate) fn takes_tags(&self) -> bool {
        let pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        !is_presigned(pinned.as_ref().unwrap_or(&self.given).as_str())
    }
}

/// A URL as a message shows it: without credentials, and without its query, which may be one.
pub(crate) fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    // These fail only for URLs that have neither.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    if shown.query().is_some() {
        shown.set_query(Some("..."));
    }
    shown.to_string()
}

#[cfg(test)]
mod tests {
    use super::{Place, redacted};
    use dacti_http::Tag;
    use reqwest::Url;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("it is a URL")
    }

    #[test]
    fn credentials_and_queries_are_not_shown() {
        for (given, shown) in [
            ("https://h/p.dacti-pack", "https://h/p.dacti-pack"),
            ("https://me:secret@h:81/p?sig=secret#x", "https://h:81/p?..."),
            ("http://h/p?", "http://h/p?..."),
        ] {
            assert_eq!(redacted(&url(given)), shown);
        }
    }

    #[test]
    fn a_place_is_kept_until_it_is_to_be_found_anew() {
        // spec: R-HTTP-19
        let place = Place::new(url("http://a/p?v=1"));
        let at = |tag, resolve| place.url(tag, resolve).expect("it is one").to_string();
        assert_eq!(at(Tag::Slice(0), false), "http://a/p?v=1&g=0");
        assert!(place.takes_tags());
        place.pin(url("http://b/q?X-Amz-Signature=1"));
        assert!(!place.takes_tags());
        assert_eq!(at(Tag::None, false), "http://b/q?X-Amz-Signature=1");
        assert_eq!(at(Tag::None, true), "http://a/p?v=1");
        assert!(place.takes_tags());
    }
}
