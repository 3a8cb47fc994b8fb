//! Which paths are meant: globs as they are given on the command line.

use crate::outcome::Failure;
use crate::output::shown;
use dacti::{Listed, Located, Package, RegionName};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::path::Path;
use uuid::Uuid;

/// Paths that match any of some globs.
///
/// `*` and `?` stay within a part of the path, `**` crosses parts. A glob without a slash means a
/// name in any folder; one that begins with a slash is matched from the root.
#[derive(Debug, Clone)]
pub(crate) struct Globs(GlobSet);

impl Globs {
    pub(crate) fn new<'g>(globs: impl IntoIterator<Item = &'g String>) -> Result<Self, Failure> {
        let wrong = |error: &globset::Error| Failure::Usage(format!("wrong glob: {error}"));
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            let (anywhere, glob) = match glob.strip_prefix('/') {
                Some(rooted) => ("", rooted),
                None => (if glob.contains('/') { "" } else { "**/" }, &glob[..]),
            };
            let glob =
                GlobBuilder::new(&format!("{anywhere}{glob}")).literal_separator(true).build();
            set.add(glob.map_err(|error| wrong(&error))?);
        }
        Ok(Self(set.build().map_err(|error| wrong(&error))?))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

/// What a key on the command line means, and the region that it names, if any: an id where it looks
/// like one and the package has it, else a path.
pub(crate) fn find<'k>(
    package: &Package,
    key: &'k str,
) -> Result<(RegionName<'k>, Option<Located>), dacti::Error> {
    let hyphenated = key.len() == uuid::fmt::Hyphenated::LENGTH;
    if let Some(id) = Uuid::parse_str(key).ok().filter(|_| hyphenated)
        && let Some(located) = package.find(id)?
    {
        return Ok((RegionName::Id(id), Some(located)));
    }
    Ok((RegionName::Path(key), package.find(key)?))
}

/// A glob that matches none of these regions.
pub(crate) fn nothing_matches(package: &Path, glob: &str, listed: &[Listed]) -> Failure {
    let folder = format!("{}/", glob.trim_matches('/'));
    let mut paths = listed.iter().filter_map(|listed| listed.path.as_deref());
    let what = if paths.any(|path| path.starts_with(&folder)) {
        format!("it is a folder, and \"{folder}**\" means what is in it")
    } else {
        "list what there is with `dacti ls`".into()
    };
    Failure::Failed(format!("{}: nothing matches {glob:?}: {what}", shown(package)))
}

#[cfg(test)]
mod tests {
    use super::Globs;

    #[track_caller]
    fn check(glob: &str, path: &str, expected: bool) {
        assert_eq!(
            Globs::new([&glob.to_owned()]).unwrap().matches(path),
            expected,
            "{glob} {path}"
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
}
