//! The URL that the user gave, and the target to which its redirects led.

use crate::fetch::Location;
use dacti_http::{Tag, is_presigned};
use std::sync::{Mutex, PoisonError};

/// A URL, and the target of its redirects.
#[derive(Debug)]
pub(crate) struct Place {
    given: String,
    shown: Location,
    /// The target of redirects. All requests of a session use the same target, because two mirrors
    /// may have different states of the file.
    pinned: Mutex<Option<String>>,
}

impl Place {
    /// Returns the place of a URL that an HTTP client has checked.
    pub(crate) const fn new(given: String, shown: Location) -> Self {
        Self { given, shown, pinned: Mutex::new(None) }
    }

    /// Returns the URL that was given.
    pub(crate) fn given(&self) -> &str {
        &self.given
    }

    /// Returns the URL as messages show it.
    pub(crate) const fn shown(&self) -> &Location {
        &self.shown
    }

    /// Returns the URL of a request with this tag. If `resolve` is set, the target of earlier
    /// redirects is dropped first, and the URL is the given one.
    pub(crate) fn url(&self, tag: Tag, resolve: bool) -> String {
        let mut pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        if resolve {
            *pinned = None;
        }
        tag.append_to(pinned.as_ref().unwrap_or(&self.given)).into_owned()
    }

    pub(crate) fn pin(&self, url: String) {
        *self.pinned.lock().unwrap_or_else(PoisonError::into_inner) = Some(url);
    }

    /// Returns whether the current URL accepts a tag. A presigned URL does not, because its
    /// signature covers the query.
    pub(crate) fn takes_tags(&self) -> bool {
        let pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        !is_presigned(pinned.as_ref().unwrap_or(&self.given))
    }
}

#[cfg(test)]
mod tests {
    use super::Place;
    use dacti_http::Tag;

    #[test]
    fn a_place_is_kept_until_it_is_resolved_again() {
        // spec: R-HTTP-19
        let place = Place::new("http://a/p?v=1".into(), "http://a/p?v=1".into());
        let at = |tag, resolve| place.url(tag, resolve);
        assert_eq!(at(Tag::Slice(0), false), "http://a/p?v=1&g=0");
        assert!(place.takes_tags());
        place.pin("http://b/q?X-Amz-Signature=1".into());
        assert!(!place.takes_tags());
        assert_eq!(at(Tag::None, false), "http://b/q?X-Amz-Signature=1");
        assert_eq!(at(Tag::None, true), "http://a/p?v=1");
        assert!(place.takes_tags());
        assert_eq!(place.shown().to_string(), "http://a/p?...");
    }
}
