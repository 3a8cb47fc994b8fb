//! An argument of `put`: what to put, and the path to put it at.

use crate::outcome::Failure;
use crate::{output, select};
use dacti::Content;
use dacti::fetch::Location;
use std::fs::File;
use std::path::PathBuf;

/// An argument of `put`: the content, and the path to put it under.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Input {
    /// The path of the region or of the folder; `None` to use the file's own name.
    pub(crate) prefix: Option<String>,
    pub(crate) source: Source,
}

/// Where content comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard input.
    Standard,
    /// A pipe, such as a shell makes of `<(command)`.
    Pipe(PathBuf),
    /// A file or folder.
    File(PathBuf),
}

impl Source {
    fn of(from: &str) -> Self {
        let file = PathBuf::from(from);
        if is_pipe(&file) { Self::Pipe(file) } else { Self::File(file) }
    }

    /// Returns the content of the source. Standard input and pipes can be read only once, from
    /// front to back.
    pub(crate) fn content(&self) -> Result<Content<'static>, Failure> {
        match self {
            Self::Standard => Ok(Content::reader(std::io::stdin())),
            Self::File(file) => Ok(Content::file(file)),
            Self::Pipe(file) => {
                let pipe = File::open(file).map_err(|error| {
                    Failure::Failed(format!("cannot read {}: {error}", output::shown(file)))
                })?;
                Ok(Content::reader(pipe))
            }
        }
    }
}

impl Input {
    /// Reads an argument. If a file or folder has the whole text as its name, the text means that
    /// file or folder, and not PATH=FILE.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        Self::parse_with(text, &|name| PathBuf::from(name).symlink_metadata().is_ok())
    }

    fn parse_with(text: &str, exists: &dyn Fn(&str) -> bool) -> Result<Self, Failure> {
        let location = Location::from(text);
        if location.is_url() {
            let location = location.to_string();
            let location = output::printable(&location);
            return Err(Failure::Usage(format!("{location}: give a file or folder, not a URL")));
        }
        // The text may be a mistyped URL with secrets, such as its query. The message shows the URL
        // without them.
        let has_file = |(_, from): (String, &str)| from == "-" || exists(from);
        let shown = location.to_string();
        if shown != text && !exists(text) && !split(text).is_some_and(has_file) {
            let shown = output::printable(&shown);
            let what = "there is no file of this name; give a file or folder, not a URL";
            return Err(Failure::Usage(format!("{shown}: {what}")));
        }
        if text == "-" {
            return Err(Failure::Usage("standard input needs a path: PATH=-".into()));
        }
        let split = if exists(text) { None } else { split(text) };
        let Some((path, from)) = split else {
            let source = Source::of(text);
            if matches!(source, Source::Pipe(_)) {
                return Err(Failure::Usage(format!("{text}: a pipe needs a path: PATH={text}")));
            }
            return Ok(Self { prefix: None, source });
        };
        let source = if from == "-" { Source::Standard } else { Source::of(from) };
        let path = path.strip_suffix('/').unwrap_or(&path);
        let path = select::path(path);
        match dacti_names::check_path(&path) {
            Ok(_) => Ok(Self { prefix: Some(path.into_owned()), source }),
            Err(dacti_names::Error::Path { fault, .. }) => {
                let shown = format!("{path}={}", Location::from(from));
                let shown = output::printable(&shown);
                let what = format!("{path:?} cannot be the path of a region: it {fault}");
                Err(Failure::Usage(format!("{shown}: there is no file of this name, and {what}")))
            }
            Err(error) => Err(Failure::Usage(error.to_string())),
        }
    }
}

/// Splits at the first equals sign without a backslash before it. In the part before this sign,
/// drops each backslash that precedes an equals sign or another backslash.
fn split(text: &str) -> Option<(String, &str)> {
    let (mut path, mut chars) = (String::new(), text.char_indices().peekable());
    while let Some((at, c)) = chars.next() {
        match c {
            '=' => return Some((path, text.get(at.saturating_add(1)..)?)),
            '\\' => match chars.next_if(|(_, next)| ['=', '\\'].contains(next)) {
                Some((_, escaped)) => path.push(escaped),
                None => path.push(c),
            },
            c => path.push(c),
        }
    }
    None
}

#[cfg(unix)]
fn is_pipe(file: &std::path::Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(file).is_ok_and(|found| found.file_type().is_fifo())
}

#[cfg(not(unix))]
const fn is_pipe(_: &std::path::Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::{Input, Source};

    /// Parses `text` as if only these files existed.
    #[track_caller]
    fn check(files: &[&str], text: &str, prefix: Option<&str>, from: &str) {
        let source = if from == "-" { Source::Standard } else { Source::File(from.into()) };
        let expected = Input { prefix: prefix.map(Into::into), source };
        let found = Input::parse_with(text, &|name| files.contains(&name));
        assert_eq!(found.unwrap(), expected, "{text}");
    }

    #[test]
    fn the_first_equals_sign_ends_the_path() {
        check(&[], "a/b=../file", Some("a/b"), "../file");
        check(&[], "a=b=c", Some("a"), "b=c");
        check(&[], "docs/=site", Some("docs"), "site");
        check(&[], "a=-", Some("a"), "-");
        check(&[], "site", None, "site");
        for wrong in ["=file", "/a=file", "a//b=file", "../a=file", "-"] {
            assert!(Input::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_of_that_name_is_meant_first() {
        check(&["year=2024"], "year=2024", None, "year=2024");
        check(&["./k=v.txt"], "./k=v.txt", None, "./k=v.txt");
        check(&["k=v.txt", "v.txt"], "k=v.txt", None, "k=v.txt");
        check(&["k=v.txt", "v.txt"], "k=./v.txt", Some("k"), "./v.txt");
        check(&["x"], "year\\=2024=x", Some("year=2024"), "x");
        check(&["x"], "a\\\\b=x", Some("a\\b"), "x");
        check(&["x"], "a\\b=x", Some("a\\b"), "x");
    }

    #[test]
    fn paths_are_brought_into_form_c() {
        check(&[], "cafe\u{301}=x", Some("caf\u{e9}"), "x");
    }
}
