//! The location of a file. Messages show it without its secrets.

use super::redacted::redacted;
use core::fmt;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The location of a file: a path, or a URL of a server or an object store.
///
/// A URL may have a password before its host, and a signature in its query. `Display` and `Debug`
/// never show either of them: they print `https://host/path?...`. This also holds for a mistyped
/// URL, such as `http:/user:password@host`, which counts as a path. Only
/// [`secret_url`](Self::secret_url) and [`path`](Self::path) return the text as it was given.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Location {
    given: OsString,
    kind: LocationKind,
}

/// The kind of a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LocationKind {
    /// A path of the file system.
    Path,
    /// A URL of a server: `http` or `https`.
    Server,
    /// A URL of an object store, such as `s3`, `gs` or `az`, or a `file` URL.
    Store,
    /// A URL with another scheme.
    Unknown,
}

/// The schemes of URLs from which packages can be read.
const SCHEMES: [(&str, LocationKind); 10] = [
    ("http", LocationKind::Server),
    ("https", LocationKind::Server),
    ("s3", LocationKind::Store),
    ("s3a", LocationKind::Store),
    ("gs", LocationKind::Store),
    ("az", LocationKind::Store),
    ("azure", LocationKind::Store),
    ("abfs", LocationKind::Store),
    ("abfss", LocationKind::Store),
    ("file", LocationKind::Store),
];

impl Location {
    /// Returns the location that `given` names. Text that starts with `SCHEME://` is a URL; all
    /// other text is a path.
    pub fn new(given: impl Into<OsString>) -> Self {
        let given = given.into();
        let kind = given.to_str().and_then(scheme).map_or(LocationKind::Path, |scheme| {
            let known = SCHEMES.iter().find(|(known, _)| scheme.eq_ignore_ascii_case(known));
            known.map_or(LocationKind::Unknown, |(_, kind)| *kind)
        });
        Self { given, kind }
    }

    /// Returns the location of `name` in the same folder. The query is dropped.
    #[cfg(feature = "store")]
    pub(crate) fn sibling(&self, name: &str) -> Self {
        let given = self.given.to_string_lossy();
        let path = given.find(['?', '#']).and_then(|end| given.get(..end)).unwrap_or(&given);
        let folder = path.rfind('/').and_then(|last| path.get(..=last)).unwrap_or_default();
        Self { given: format!("{folder}{name}").into(), kind: self.kind }
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> LocationKind {
        self.kind
    }

    /// Returns whether this is a URL.
    #[must_use]
    pub fn is_url(&self) -> bool {
        self.kind != LocationKind::Path
    }

    /// Returns the path; `None` for a URL.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        (self.kind == LocationKind::Path).then(|| Path::new(&self.given))
    }

    /// Returns the URL with its secrets, for sending requests; `None` for a path.
    #[must_use]
    pub fn secret_url(&self) -> Option<&str> {
        if self.is_url() { self.given.to_str() } else { None }
    }
}

/// Returns the scheme of a text of the form `SCHEME://…`.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let mut bytes = scheme.bytes();
    let is_scheme = bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some(scheme)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&redacted(&self.given.to_string_lossy()))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

impl From<&str> for Location {
    fn from(given: &str) -> Self {
        Self::new(given)
    }
}

impl From<String> for Location {
    fn from(given: String) -> Self {
        Self::new(given)
    }
}

impl From<&OsStr> for Location {
    fn from(given: &OsStr) -> Self {
        Self::new(given)
    }
}

impl From<OsString> for Location {
    fn from(given: OsString) -> Self {
        Self::new(given)
    }
}

impl From<&Path> for Location {
    fn from(given: &Path) -> Self {
        Self::new(given)
    }
}

impl From<PathBuf> for Location {
    fn from(given: PathBuf) -> Self {
        Self::new(given)
    }
}

#[cfg(test)]
mod tests {
    use super::{Location, LocationKind};
    use std::path::Path;

    #[test]
    fn credentials_queries_and_fragments_are_never_shown() {
        for (given, shown) in [
            ("https://h/p.dacti-pack", "https://h/p.dacti-pack"),
            ("https://me:secret@h:81/p?sig=secret#x", "https://h:81/p?..."),
            ("http://h/p?", "http://h/p?..."),
            ("http://h/p#secret", "http://h/p"),
            ("http://secret@h", "http://h"),
            ("http://a@secret@h/a@b", "http://h/a@b"),
            ("http://h?secret", "http://h?..."),
            ("http://h/p#a?secret", "http://h/p"),
            ("HTTPS://me:secret@h\\p?secret", "HTTPS://h\\p?..."),
            ("s3://key:secret@bucket/key", "s3://bucket/key"),
            ("ftp://me:secret@h/p?secret", "ftp://h/p?..."),
            ("x://secret@", "x://"),
        ] {
            let location = Location::from(given);
            assert_eq!(location.to_string(), shown);
            assert_eq!(format!("{location:?}"), format!("Location({shown})"));
            assert_eq!((location.secret_url(), location.path()), (Some(given), None));
        }
    }

    #[test]
    fn paths_are_shown_as_they_are() {
        for given in ["a.dacti-pack", "/a/b?c", "a:b", "1://x", "://x", "a b://c", "c:\\x", "-"] {
            let location = Location::from(given);
            assert_eq!(location.to_string(), given);
            assert_eq!(location.kind(), LocationKind::Path);
            assert_eq!((location.secret_url(), location.path()), (None, Some(Path::new(given))));
        }
    }

    #[test]
    fn schemes_tell_servers_from_stores() {
        for (given, kind) in [
            ("http://h/p", LocationKind::Server),
            ("HTTPS://h/p", LocationKind::Server),
            ("s3://b/k", LocationKind::Store),
            ("abfss://b/k", LocationKind::Store),
            ("file:///p", LocationKind::Store),
            ("ftp://h/p", LocationKind::Unknown),
        ] {
            assert_eq!(Location::from(given).kind(), kind, "{given}");
        }
    }
}
