//! Patterns that choose files of a folder, in the spelling of gitignore.
//!
//! If a pattern is the name of an existing file or folder, it means only that one. Other patterns
//! are globs.

use crate::outcome::Failure;
use core::cell::Cell;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::path::Path;

/// The patterns of one option, such as `--exclude`.
#[derive(Debug)]
pub(crate) struct Patterns {
    option: &'static str,
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    /// The pattern as it was given.
    text: String,
    matcher: Gitignore,
    /// Whether the pattern has matched anything so far.
    used: Cell<bool>,
}

impl Patterns {
    /// Reads the patterns of an option.
    ///
    /// `exists(path, rooted)` returns whether a file or folder has this name. `rooted` says whether
    /// the path starts at the root.
    pub(crate) fn new(
        option: &'static str,
        texts: &[String],
        exists: &dyn Fn(&str, bool) -> bool,
    ) -> Result<Self, Failure> {
        let pattern = |text: &String| -> Result<Pattern, Failure> {
            let line = line(text, exists);
            let matcher = matcher(&line).map_err(|error| {
                Failure::Usage(format!("{option} {text:?}: wrong pattern: {error}"))
            })?;
            Ok(Pattern { text: text.clone(), matcher, used: Cell::new(false) })
        };
        Ok(Self { option, patterns: texts.iter().map(pattern).collect::<Result<_, _>>()? })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Returns the verdict of the last pattern that matches a path: false if the pattern begins
    /// with `!`, and true otherwise. Returns `None` if no pattern matches.
    pub(crate) fn verdict(&self, path: &Path, is_dir: bool) -> Option<bool> {
        let normal = dacti_names::normalize(&path.to_string_lossy()).into_owned();
        let mut verdict = None;
        for pattern in &self.patterns {
            let matched = |path: &Path| match pattern.matcher.matched(path, is_dir) {
                Match::None => None,
                Match::Ignore(_) => Some(true),
                Match::Whitelist(_) => Some(false),
            };
            if let Some(found) = matched(path).or_else(|| matched(Path::new(&normal))) {
                pattern.used.set(true);
                verdict = Some(found);
            }
        }
        verdict
    }

    /// Returns whether the patterns take a file, by its own path or by a folder around it.
    pub(crate) fn takes_file(&self, path: &Path) -> bool {
        let mut folders = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        let by_folder = folders.find_map(|folder| self.verdict(folder, true));
        self.verdict(path, false).or(by_folder).unwrap_or_default()
    }

    /// Returns the patterns that have matched nothing, a message each.
    pub(crate) fn unused(&self) -> impl Iterator<Item = String> {
        let unused = self.patterns.iter().filter(|pattern| !pattern.used.get());
        unused.map(|pattern| format!("{} {:?} matches nothing", self.option, pattern.text))
    }
}

/// Reads a file of patterns, such as `.dactiignore`, for the folder that it is in.
pub(crate) fn read(file: &Path, folder: &Path) -> Result<Gitignore, Failure> {
    let mut builder = GitignoreBuilder::new(folder);
    let failed = |error: &dyn core::fmt::Display| {
        Failure::Failed(format!("cannot read {}: {error}", crate::output::shown(file)))
    };
    if let Some(error) = builder.add(file) {
        return Err(failed(&error));
    }
    builder.build().map_err(|error| failed(&error))
}

/// Compiles a pattern of the command line. Gitignore reads a faulty glob as a plain name, but on
/// the command line such a glob is an error.
fn matcher(line: &str) -> Result<Gitignore, ignore::Error> {
    if let Err(error) = globset::Glob::new(line.trim_start_matches('!')) {
        return Err(ignore::Error::Glob { glob: Some(line.into()), err: error.kind().to_string() });
    }
    let mut builder = GitignoreBuilder::new("");
    builder.add_line(None, line)?;
    builder.build()
}

/// Returns a pattern as a line of gitignore, with the characters of an existing name escaped.
fn line(text: &str, exists: &dyn Fn(&str, bool) -> bool) -> String {
    let text = dacti_names::normalize(text);
    // Gitignore does not allow `./` at the start of a pattern, but shells complete file names to
    // this form.
    let rooted = text.strip_prefix("./").map(|rest| format!("/{rest}"));
    let text = rooted.as_deref().unwrap_or(&text);
    let name = text.trim_start_matches('/').trim_end_matches('/');
    if !has_wildcards(text) || !exists(name, text.trim_end_matches('/').contains('/')) {
        return text.into();
    }
    escaped(text)
}

/// Returns whether a pattern has characters that are special in gitignore.
pub(crate) fn has_wildcards(text: &str) -> bool {
    text.starts_with(['#', '!'])
        || text.ends_with(' ')
        || text.contains(['*', '?', '[', ']', '{', '}', '\\'])
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        if r"*?[]{}!#\ ".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::Patterns;
    use std::path::Path;

    fn patterns(texts: &[&str], names: &[&str]) -> Patterns {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        Patterns::new("--exclude", &texts, &|name, _| names.contains(&name)).unwrap()
    }

    #[track_caller]
    fn check(pattern: &str, path: &str, is_dir: bool, expected: Option<bool>) {
        let found = patterns(&[pattern], &[]).verdict(Path::new(path), is_dir);
        assert_eq!(found, expected, "{pattern} {path}");
    }

    #[test]
    fn patterns_are_spelled_as_in_gitignore() {
        check("secrets/", "secrets", true, Some(true));
        check("secrets/", "a/secrets", true, Some(true));
        check("secrets/", "secrets", false, None);
        check(".env", "a/.env", false, Some(true));
        check("./.env", ".env", false, Some(true));
        check("./.env", "a/.env", false, None);
        check("/.env", "a/.env", false, None);
        check(".git/", ".git", true, Some(true));
        check("*.key", "a/b.key", false, Some(true));
        check("a/*.key", "a/b.key", false, Some(true));
        check("a/*.key", "b/a/b.key", false, None);
        check("a/**/b", "a/x/y/b", false, Some(true));
        check("!a", "a", false, Some(false));
        check("caf\u{e9}", "cafe\u{301}", false, Some(true));
        check("cafe\u{301}", "caf\u{e9}", false, Some(true));
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let patterns = patterns(&["*.md", "!README.md"], &[]);
        assert_eq!(patterns.verdict(Path::new("a.md"), false), Some(true));
        assert_eq!(patterns.verdict(Path::new("README.md"), false), Some(false));
        assert_eq!(patterns.verdict(Path::new("a.txt"), false), None);
    }

    #[test]
    fn a_name_that_exists_is_no_glob() {
        for name in ["[slug].js", "{a,b}", "a*", "back\\slash", "#1", "!a", "a b ", "what?"] {
            let found = patterns(&[name], &[name]);
            assert_eq!(found.verdict(Path::new(name), false), Some(true), "{name}");
            assert_eq!(found.verdict(Path::new("s.js"), false), None, "{name}");
            assert_eq!(found.verdict(Path::new("ab"), false), None, "{name}");
        }
    }

    #[test]
    fn a_file_is_taken_with_its_folder() {
        let found = patterns(&["docs/", "!docs/draft"], &[]);
        assert!(found.takes_file(Path::new("docs/a/b")));
        assert!(!found.takes_file(Path::new("docs/draft")));
        assert!(!found.takes_file(Path::new("a")));
    }

    #[test]
    fn what_has_matched_nothing_is_told() {
        let found = patterns(&["a", "b"], &[]);
        found.verdict(Path::new("a"), false);
        assert_eq!(found.unused().collect::<Vec<_>>(), ["--exclude \"b\" matches nothing"]);
    }
}
