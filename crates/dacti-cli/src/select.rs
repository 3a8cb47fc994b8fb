//! Finds the regions that the paths, ids and patterns of the command line mean.
//!
//! A text that names a region means only that region. Other texts are read as patterns. All texts
//! are converted to Unicode form C first, because file names of some systems are in another form.

use crate::outcome::Failure;
use crate::output::{quoted, shown};
use dacti::{ListedRef, Listing, Located, Package, RegionName};
use globset::{GlobBuilder, GlobMatcher};
use std::borrow::Cow;
use std::path::Path;
use uuid::Uuid;

/// A path or pattern of the command line.
///
/// `*` and `?` stay within a part of the path, `**` crosses parts. A pattern without a slash
/// matches a name in any folder; a pattern that begins with a slash matches from the root.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// The text without a slash at its start.
    name: String,
    /// Whether the text is matched from the root.
    rooted: bool,
    /// `None` if the text is not a glob; it can still be a name.
    glob: Option<GlobMatcher>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// `names` are the paths and ids that the text may mean. If one of them equals the text, the
    /// text is not a glob.
    pub(crate) fn new<N: AsRef<str>>(
        text: &str,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, Failure> {
        let text = path(text);
        let name = text.strip_prefix('/').unwrap_or(&text).to_owned();
        let mut pattern = Self { rooted: text.contains('/'), name, glob: None };
        if names.into_iter().any(|name| pattern.matches(name.as_ref())) {
            return Ok(pattern);
        }
        let anywhere = if pattern.rooted { "" } else { "**/" };
        let glob = GlobBuilder::new(&format!("{anywhere}{}", pattern.name))
            .literal_separator(true)
            .build()
            .map_err(|error| Failure::Usage(format!("wrong pattern: {}", error.kind())))?;
        pattern.glob = Some(glob.compile_matcher());
        Ok(pattern)
    }

    /// Returns whether the pattern means this path or id.
    pub(crate) fn matches(&self, name: &str) -> bool {
        if let Some(glob) = &self.glob {
            return glob.is_match(name);
        }
        let last = name.rsplit('/').next().unwrap_or(name);
        name == self.name || (!self.rooted && last == self.name)
    }
}

/// Returns a path of the command line in Unicode normalisation form C, the form of all paths in
/// packages.
pub(crate) fn path(text: &str) -> Cow<'_, str> {
    dacti_names::normalize(text)
}

/// Returns the regions that a pattern means. Without a pattern, returns all regions.
pub(crate) fn matching<'l>(
    text: Option<&str>,
    listing: &'l Listing<'_>,
) -> Result<impl Iterator<Item = ListedRef<'l>> + Clone, Failure> {
    let names = || listing.iter().map(|region| region.name());
    let pattern = text.map(|text| Pattern::new(text, names())).transpose()?;
    Ok(listing.iter().filter(move |region| {
        pattern.as_ref().is_none_or(|pattern| pattern.matches(&region.name()))
    }))
}

/// Reads an id that is written with hyphens.
fn as_id(text: &str) -> Option<Uuid> {
    let hyphenated = text.len() == uuid::fmt::Hyphenated::LENGTH;
    Uuid::parse_str(text).ok().filter(|_| hyphenated)
}

/// Finds the region that a text names: by id if the text is the id of a region, and otherwise by
/// path.
pub(crate) fn find<'k>(
    package: &Package,
    text: &'k str,
) -> Result<(RegionName<'k>, Option<Located>), dacti::Error> {
    if let Some(id) = as_id(text)
        && let Some(located) = package.find(id)?
    {
        return Ok((RegionName::Id(id), Some(located)));
    }
    Ok((RegionName::Path(text), package.find(text)?))
}

/// Finds the regions that texts name, as [`find`] does, with joint reads.
pub(crate) fn find_all<'k>(
    package: &Package,
    texts: &[&'k str],
) -> Vec<Result<(RegionName<'k>, Option<Located>), dacti::Error>> {
    let ids: Vec<Uuid> = texts.iter().filter_map(|text| as_id(text)).collect();
    let mut by_id = package.find_many(ids).into_iter();
    let by_path = package.find_many(texts.iter().copied());
    let find = |(text, by_path): (&&'k str, Result<Option<Located>, dacti::Error>)| {
        let id = as_id(text);
        if let Some((id, found)) = id.zip(id.and_then(|_| by_id.next()))
            && let Some(found) = found?
        {
            return Ok((RegionName::Id(id), Some(found)));
        }
        Ok((RegionName::Path(text), by_path?))
    };
    texts.iter().zip(by_path).map(find).collect()
}

/// Returns the failure of a pattern that matches none of these regions.
pub(crate) fn nothing_matches<'l>(
    package: &Path,
    text: &str,
    listed: impl Iterator<Item = ListedRef<'l>> + Clone,
) -> Failure {
    let paths = listed.filter_map(|listed| listed.path);
    let what = meant(text, paths).unwrap_or_else(|| LIST.into());
    Failure::Failed(format!("{}: nothing matches {}: {what}", shown(package), quoted(text)))
}

/// Advice for messages: how to find the names of regions.
pub(crate) const LIST: &str = "list the regions with `dacti ls`";

/// Suggests a path that is similar to a path that names no region.
pub(crate) fn meant<'p>(
    text: &str,
    paths: impl Iterator<Item = &'p str> + Clone,
) -> Option<String> {
    let wanted = path(text);
    let wanted = wanted.trim_matches('/');
    let folder = format!("{wanted}/");
    if !wanted.is_empty() && paths.clone().any(|path| path.starts_with(&folder)) {
        return Some(format!("it is a folder: write \"{folder}**\" for the regions in it"));
    }
    let near = paths.filter_map(|path| Some((nearness(wanted, path)?, path)));
    near.min().map(|(_, path)| format!("did you mean {path:?}? If not, {LIST}"))
}

/// Returns the distance of a path from the wanted one: the smaller, the more similar. `None` if
/// they are not similar.
fn nearness(wanted: &str, path: &str) -> Option<usize> {
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let stem = |name: &str| match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem.to_owned(),
        _ => name.to_owned(),
    };
    let (lower, wanted_lower) = (path.to_lowercase(), wanted.to_lowercase());
    if lower == wanted_lower {
        return Some(0);
    }
    let (name, wanted_name) = (last(path), last(wanted));
    if name == wanted_name {
        return Some(1);
    }
    if stem(&name) == stem(&wanted_name) {
        return Some(2);
    }
    // The paths differ by one typing mistake.
    (edits_at_most_one(&lower, &wanted_lower)).then_some(3)
}

/// Returns whether one inserted, deleted, replaced or swapped character makes the texts equal.
fn edits_at_most_one(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (short, long) = if a.len() <= b.len() { (&a, &b) } else { (&b, &a) };
    if long.len().saturating_sub(short.len()) > 1 {
        return false;
    }
    let start = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let (short, long) =
        (short.get(start..).unwrap_or_default(), long.get(start..).unwrap_or_default());
    if short.len() < long.len() {
        return long.get(1..) == Some(short);
    }
    let swapped = matches!((short, long), ([a, b, rest @ ..], [c, d, more @ ..])
        if a == d && b == c && rest == more);
    swapped || short.get(1..) == long.get(1..)
}

#[cfg(test)]
mod tests {
    use super::{Pattern, meant};

    #[track_caller]
    fn check(pattern: &str, path: &str, expected: bool) {
        let none: [&str; 0] = [];
        assert_eq!(
            Pattern::new(pattern, none).unwrap().matches(path),
            expected,
            "{pattern} {path}"
        );
    }

    #[test]
    fn a_glob_without_a_slash_means_any_folder() {
        check("*.html", "index.html", true);
        check("*.html", "a/b/index.html", true);
        check("a/*.html", "a/index.html", true);
        check("a/*.html", "a/b/index.html", false);
        check("a/**", "a/b/index.html", true);
        check("a/**", "b/a/index.html", false);
        check("/index.html", "index.html", true);
        check("/index.html", "a/index.html", false);
        check("/*/*.html", "a/index.html", true);
    }

    #[test]
    fn a_name_that_exists_is_no_glob() {
        let names = ["pages/[slug].js", "pages/s.js", "{a,b}", "a", "x*", "xy", "back\\slash"];
        let matched = |text: &str| {
            let pattern = Pattern::new(text, names).unwrap();
            names.into_iter().filter(|name| pattern.matches(name)).collect::<Vec<_>>()
        };
        assert_eq!(matched("pages/[slug].js"), ["pages/[slug].js"]);
        assert_eq!(matched("[slug].js"), ["pages/[slug].js"]);
        assert_eq!(matched("{a,b}"), ["{a,b}"]);
        assert_eq!(matched("x*"), ["x*"]);
        assert_eq!(matched("/x*"), ["x*"]);
        assert_eq!(matched("back\\slash"), ["back\\slash"]);
        assert_eq!(matched("pages/*.js"), ["pages/[slug].js", "pages/s.js"]);
    }

    #[test]
    fn names_in_form_d_mean_those_in_form_c() {
        let pattern = Pattern::new("cafe\u{301}*", ["a"]).unwrap();
        assert!(pattern.matches("docs/caf\u{e9}.txt"));
    }

    #[test]
    fn a_near_miss_is_told() {
        let paths = ["README.md", "docs/index.html", "docs/guide/a.txt"];
        let told = |text: &str| meant(text, paths.into_iter()).unwrap_or_default();
        for (text, path) in [
            ("readme.md", "README.md"),
            ("readme", "README.md"),
            ("index.html", "docs/index.html"),
            ("docs/index.htm", "docs/index.html"),
            ("docs/idnex.html", "docs/index.html"),
        ] {
            assert!(told(text).starts_with(&format!("did you mean {path:?}?")), "{}", told(text));
        }
        assert!(told("docs").starts_with("it is a folder"));
        assert!(told("docs/guide/").starts_with("it is a folder"));
        assert_eq!(told("nothing/like/it"), "");
    }
}
