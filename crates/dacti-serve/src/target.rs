//! The path of a request: the file that it names, and perhaps a region of that file. Whether they
//! exist is not checked here.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str};

/// The characters that are escaped in a URL: all except the unreserved characters of RFC 3986,
/// section 2.3.
pub(crate) const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Separates the path of a package from the path of a region in it.
const REGION: &str = "/-/";

/// The meaning of a request's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The relative path; empty for the site itself.
    pub(crate) path: String,
    /// Whether the path ends with `/` and so names a directory.
    pub(crate) directory: bool,
}

impl Target {
    /// Reads the path of a request's target. Returns `None` if the path is not UTF-8 or does not
    /// begin with `/`, or if [`is_served`] refuses a part of the file's path. The name `only` is
    /// always accepted, because it is the one file that is served.
    pub(crate) fn parse(path: &str, only: Option<&str>) -> Option<Self> {
        let decoded = percent_decode_str(path).decode_utf8().ok()?;
        let asked = decoded.strip_prefix('/')?;
        let directory = asked.is_empty() || asked.ends_with('/');
        let path = asked.strip_suffix('/').unwrap_or(asked);
        let served = |part: &str| Some(part) == only || is_served(part);
        // Only the file's part of the path is checked. The look-up in the package checks the
        // region's path.
        let file = path.find(REGION).and_then(|at| path.get(..at)).unwrap_or(path);
        let good = asked.is_empty() || file.split('/').all(served);
        good.then(|| Self { path: path.into(), directory })
    }

    /// Returns a package and the path of a region in it, if this path may name a region. If the
    /// path ends with `/`, the region is its `index.html`.
    pub(crate) fn region(&self) -> Option<(&str, String)> {
        let (package, region) = match self.path.split_once(REGION) {
            Some((package, region)) => (package, region),
            // The path was `/PKG/-/`. It has lost its last `/`, so it does not contain `/-/` any
            // more.
            None => (self.path.strip_suffix("/-").filter(|_| self.directory)?, ""),
        };
        let mut region = String::from(region);
        if self.directory {
            if !region.is_empty() {
                region.push('/');
            }
            region.push_str("index.html");
        }
        Some((package, region))
    }
}

/// Returns whether a file of this name is served.
pub(crate) fn is_served(name: &str) -> bool {
    let hidden = name.starts_with('.') && name != ".well-known";
    !name.is_empty() && !hidden && !name.contains(['\0', '\\'])
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[track_caller]
    fn check(path: &str, expected: Option<(&str, bool)>) {
        let found = Target::parse(path, None);
        let found = found.as_ref().map(|target| (target.path.as_str(), target.directory));
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn paths_are_decoded_once() {
        check("/", Some(("", true)));
        check("/a/b.txt", Some(("a/b.txt", false)));
        check("/a/", Some(("a", true)));
        check("/%61%20b", Some(("a b", false)));
        check("/%2561", Some(("%61", false)));
        check("/.well-known/x", Some((".well-known/x", false)));
    }

    #[test]
    fn paths_out_of_the_site_name_nothing() {
        for path in ["", "a", "//", "/a//b", "/..", "/../a", "/a/../b", "/%2e%2e/a", "/a/.%2e/b"] {
            check(path, None);
        }
        for path in ["/.git/config", "/a/.env", "/a%00b", "/a%5cb", "/%ff", "/./a", "/%2e"] {
            check(path, None);
        }
    }

    #[test]
    fn the_one_file_may_have_any_name() {
        let parse = |path| Target::parse(path, Some(".p")).map(|target| target.path);
        assert_eq!(parse("/.p").as_deref(), Some(".p"));
        assert_eq!(parse("/.p/-/a").as_deref(), Some(".p/-/a"));
        assert_eq!(parse("/.q"), None);
        assert_eq!(parse("/.."), None);
    }

    #[test]
    fn a_region_is_named_after_its_package() {
        let region = |path| {
            Target::parse(path, None).and_then(|target| {
                target.region().map(|(package, region)| (String::from(package), region))
            })
        };
        let some = |package: &str, region: &str| Some((package.into(), region.into()));
        assert_eq!(region("/docs/p.dacti-pack/-/a/b.html"), some("docs/p.dacti-pack", "a/b.html"));
        assert_eq!(region("/p/-/a/"), some("p", "a/index.html"));
        assert_eq!(region("/p/-/"), some("p", "index.html"));
        assert_eq!(region("/p/-/a/-/b"), some("p", "a/-/b"));
        assert_eq!(region("/p/-/.hidden"), some("p", ".hidden"));
        assert_eq!(region("/p/-"), None);
        assert_eq!(region("/../p/-/a"), None);
    }
}
