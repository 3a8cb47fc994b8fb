//! The URL that the user gave, and the place to which its redirects led.

use crate::fetch::Location;
use dacti_http::{Tag, is_presigned};
use reqwest::Url;
use std::sync::{Mutex, PoisonError};

/// A URL, and the target of its redirects.
#[derive(Debug)]
pub(crate) struct Place {
    given: Url,
    shown: Location,
    /// All requests of a session go to one place, because two mirrors may have two states of the
    /// file.
    pinned: Mutex<Option<Url>>,
}

impl Place {
    pub(crate) fn new(given: Url) -> Self {
        let shown = Location::from(given.as_str());
        Self { given, shown, pinned: Mutex::new(None) }
    }

    /// Returns the place of an object beside this file: the URL with its last path segment replaced
    /// by `name`. The query is dropped unless `keeps_query` says that it holds for objects too.
    pub(crate) fn object(&self, name: &str, keeps_query: bool) -> Option<Self> {
        // spec: R-PART-09
        let mut url = self.given.clone();
        if !keeps_query {
            url.set_query(None);
        }
        url.set_fragment(None);
        url.path_segments_mut().ok()?.pop().extend(name.split('/'));
        Some(Self::new(url))
    }

    /// Returns the URL as messages show it.
    pub(crate) const fn shown(&self) -> &Location {
        &self.shown
    }

    /// Returns the URL of a request with this tag. `resolve` makes it drop the pinned place.
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

    /// Returns whether the current place accepts a query.
    pub(crate) fn takes_tags(&self) -> bool {
        let pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        !is_presigned(pinned.as_ref().unwrap_or(&self.given).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Place;
    use dacti_http::Tag;
    use reqwest::Url;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("it is a URL")
    }

    #[test]
    fn an_object_lies_beside_the_file() {
        // spec: R-PART-09
        let object = |text: &str, keeps_query| {
            let object = Place::new(url(text)).object("p.parts/5d0c-1", keeps_query);
            object.expect("there is a path").url(Tag::None, false).expect("it is one").to_string()
        };
        assert_eq!(object("http://a/b/p?v=1#x", false), "http://a/b/p.parts/5d0c-1");
        assert_eq!(object("http://a/b/p?v=1", true), "http://a/b/p.parts/5d0c-1?v=1");
        assert_eq!(object("http://u:s@a/p", false), "http://u:s@a/p.parts/5d0c-1");
        let place = Place::new(url("http://a/p")).object("ein teil/ü", false);
        let url = place.expect("there is a path").url(Tag::Nonce { slice: 0, nonce: 1 }, false);
        let expected = "http://a/ein%20teil/%C3%BC?g=0-0000000000000001";
        assert_eq!(url.expect("it is one").as_str(), expected);
    }

    #[test]
    fn a_place_is_kept_until_it_is_resolved_again() {
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
        assert_eq!(place.shown().to_string(), "http://a/p?...");
    }
}
