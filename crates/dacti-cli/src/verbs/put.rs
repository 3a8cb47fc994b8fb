//! `dacti put`: regions are added to a published package, or replaced.

use crate::collect::{Collector, LeftOut, Symlinks};
use crate::ids::Ids;
use crate::outcome::{Failure, Outcome};
use crate::update::Options;
use crate::{Talk, output};
use dacti::update::Update;
use dacti::{Content, InputName};
use std::path::{Path, PathBuf};

/// Add regions to a package, or replace them, without breaking anyone who reads it.
///
/// New bytes go behind the old end, and one small write in the first 64 KiB publishes all of them:
/// readers and caches see the old package or the new one. What the package has already with the
/// same content is left as it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// What to put: PATH=FILE, where - is standard input; PATH=DIR for all files below a
    /// directory; a directory, whose files have paths relative to it; a file by its own name.
    #[arg(required = true, value_name = "PATH=FILE|DIR")]
    inputs: Vec<String>,
    /// Put again what the package has with the same content.
    #[arg(long)]
    force: bool,
    /// Of directories, take only paths that match this glob. May be given several times.
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Of directories, leave out paths that match this glob. May be given several times.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Give paths ids of their own. Each line of the file is a UUID and a path; # starts a
    /// comment.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// What to do about symbolic links in directories.
    #[arg(long, value_enum, default_value_t = Symlinks::Refuse)]
    symlinks: Symlinks,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let mut ids = self.ids.as_deref().map(Ids::read).transpose()?.unwrap_or_default();
        let collector = Collector::new(&self.include, &self.exclude, self.symlinks, &self.package)?;
        let mut update = self.options.open(&self.package, self.force)?;
        let (mut stdin, mut files, mut filtered) = (false, 0_usize, 0_u64);
        for input in &self.inputs {
            let Input { prefix, from } = Input::parse(input)?;
            if let (Some(path), "-") = (&prefix, from) {
                if core::mem::replace(&mut stdin, true) {
                    return Err(Failure::Usage("standard input can be put once".into()));
                }
                put(&mut update, &mut ids, path.clone(), Content::reader(std::io::stdin()))?;
                continue;
            }
            let from = Path::new(from);
            let is_dir = from.is_dir();
            let collected = collector.collect(&[from.into()])?;
            files = files.saturating_add(collected.files.len());
            filtered = filtered.saturating_add(collected.left_out.filtered);
            for (path, file) in collected.files {
                let path = match &prefix {
                    Some(prefix) if is_dir => format!("{prefix}/{path}"),
                    Some(prefix) => prefix.clone(),
                    None => path,
                };
                if talk == Talk::Verbose {
                    output::note(&output::printable(&path));
                }
                put(&mut update, &mut ids, path, Content::file(file))?;
            }
            if talk >= Talk::Normal {
                collected.left_out.notes().iter().for_each(|line| output::note(line));
            }
        }
        LeftOut::refuse_nothing(files.saturating_add(stdin.into()), filtered)?;
        ids.end()?;
        self.options.finish(&self.package, update, talk)
    }
}

fn put(
    update: &mut Update,
    ids: &mut Ids,
    path: String,
    content: Content<'_>,
) -> Result<(), Failure> {
    let Some((id, line)) = ids.take(&path) else {
        update.put(path, content)?;
        return Ok(());
    };
    let name = InputName::path_with_id(path, id);
    update.put(name, content).map(drop).map_err(|error| match error {
        dacti::Error::ReservedId { .. } => ids.wrong(line, &error.to_string()),
        error => error.into(),
    })
}

/// An argument that says what to put.
#[derive(Debug, PartialEq, Eq)]
struct Input<'a> {
    /// The path, or that of the folder.
    prefix: Option<String>,
    from: &'a str,
}

impl<'a> Input<'a> {
    fn parse(text: &'a str) -> Result<Self, Failure> {
        let Some((path, from)) = text.split_once('=') else {
            if text == "-" {
                let message = "standard input needs a path: PATH=-";
                return Err(Failure::Usage(message.into()));
            }
            return Ok(Self { prefix: None, from: text });
        };
        let path = dacti_names::normalize(path.strip_suffix('/').unwrap_or(path));
        match dacti_names::check_path(&path) {
            Ok(_) => Ok(Self { prefix: Some(path.into_owned()), from }),
            Err(dacti_names::Error::Path { fault, .. }) => {
                let shown = output::printable(text);
                let what = format!("{path:?} cannot be the path of a region: it {fault}");
                Err(Failure::Usage(format!("{shown}: {what}")))
            }
            Err(error) => Err(Failure::Usage(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Input;

    #[track_caller]
    fn check(text: &str, prefix: Option<&str>, from: &str) {
        let expected = Input { prefix: prefix.map(Into::into), from };
        assert_eq!(Input::parse(text).unwrap(), expected, "{text}");
    }

    #[test]
    fn the_first_equals_sign_ends_the_path() {
        check("a/b=../file", Some("a/b"), "../file");
        check("a=b=c", Some("a"), "b=c");
        check("docs/=site", Some("docs"), "site");
        check("a=-", Some("a"), "-");
        check("site", None, "site");
        for wrong in ["=file", "/a=file", "a//b=file", "../a=file", "-"] {
            assert!(Input::parse(wrong).is_err(), "{wrong}");
        }
    }
}
