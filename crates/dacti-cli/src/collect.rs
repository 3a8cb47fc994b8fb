//! Finds the files to pack, and decides about everything that is not a plain file with a plain
//! name.

use crate::outcome::Failure;
use crate::output::{printable, shown};
use crate::select::Globs;
use crate::{files, keys};
use clap::ValueEnum;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

/// What to do about symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Symlinks {
    /// A link is an error.
    Refuse,
    /// Pack what it leads to, under its own name.
    Follow,
    /// Leave it out.
    Skip,
}

/// The files to pack.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Path in the package, and the file.
    pub(crate) files: Vec<(String, PathBuf)>,
    pub(crate) left_out: LeftOut,
}

/// What a user may miss later.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    pub(crate) symlinks: u64,
    pub(crate) empty_folders: u64,
    pub(crate) own_output: bool,
    pub(crate) leftovers: u64,
    /// What --include and --exclude say, which a user has asked for.
    pub(crate) filtered: u64,
}

impl LeftOut {
    fn filter(&mut self) {
        self.filtered = self.filtered.saturating_add(1);
    }

    /// Refuses to go on with `files` files, where that is none of them, for what was filtered.
    pub(crate) fn refuse_nothing(files: usize, filtered: u64) -> Result<(), Failure> {
        if files > 0 || filtered == 0 {
            return Ok(());
        }
        let message = "--include and --exclude leave nothing of what was given";
        Err(Failure::Failed(message.into()))
    }

    /// What to tell the user, a line each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let Self { symlinks, empty_folders, own_output, leftovers, filtered: _ } = self;
        if *symlinks > 0 {
            notes.push(format!("{symlinks} symbolic links were skipped"));
        }
        if *empty_folders > 0 {
            notes.push(format!("{empty_folders} folders without files are not kept"));
        }
        if *own_output {
            notes.push("the package itself lies in the directory and was left out".into());
        }
        if *leftovers > 0 {
            let what = "temporary files of runs that were killed (.dacti-*.tmp) were left out";
            notes.push(format!("{leftovers} {what}"));
        }
        notes
    }
}

#[derive(Debug)]
pub(crate) struct Collector {
    include: Globs,
    exclude: Globs,
    symlinks: Symlinks,
    /// The package's own place. A link there is replaced, and what it leads to is not touched.
    output: Option<PathBuf>,
}

impl Collector {
    pub(crate) fn new(
        include: &[String],
        exclude: &[String],
        symlinks: Symlinks,
        output: &Path,
    ) -> Result<Self, Failure> {
        let (include, exclude) = (Globs::new(include)?, Globs::new(exclude)?);
        Ok(Self { include, exclude, symlinks, output: files::place(output) })
    }

    pub(crate) fn collect(&self, inputs: &[PathBuf]) -> Result<Collected, Failure> {
        let mut collected = Collected::default();
        for input in inputs {
            // What is named on the command line is meant, link or not.
            let metadata = std::fs::metadata(input).map_err(|error| cannot_read(input, &error))?;
            if metadata.is_dir() {
                self.walk(input, &mut collected)?;
            } else {
                self.take_named(input, metadata.is_file(), &mut collected)?;
            }
        }
        // What is packed is published, and whoever reads a private key there can sign.
        if let Some((_, key)) = collected.files.iter().find(|(_, file)| keys::is_private(file)) {
            let shown = shown(key);
            return Err(Failure::Failed(format!(
                "{shown} is a private key and would be published: leave it out with --exclude"
            )));
        }
        Ok(collected)
    }

    fn walk(&self, root: &Path, collected: &mut Collected) -> Result<(), Failure> {
        let walk = WalkDir::new(root)
            .follow_links(self.symlinks == Symlinks::Follow)
            .min_depth(1)
            .sort_by_file_name();
        let mut entries = walk.into_iter();
        let mut folders = Folders::default();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if self.is_unwanted(root, &error) => continue,
                Err(error) => return Err(walk_failed(root, &error)),
            };
            let kind = entry.file_type();
            let relative = relative(root, entry.path());
            if self.excludes(relative) {
                collected.left_out.filter();
                if kind.is_dir() {
                    entries.skip_current_dir();
                }
                continue;
            }
            folders.meet(entry.depth(), kind.is_dir());
            if kind.is_dir() {
                // What is to be included is judged file by file, with the names of its folders.
                if self.include.is_empty() {
                    path_of(relative, entry.path())?;
                }
                continue;
            }
            // A link to a folder stands for what lies in there, which may be wanted.
            if self.includes(relative) || (kind.is_symlink() && entry.path().is_dir()) {
                self.take_met(relative, &entry, collected)?;
            } else {
                collected.left_out.filter();
            }
        }
        let empty = folders.end();
        collected.left_out.empty_folders = collected.left_out.empty_folders.saturating_add(empty);
        Ok(())
    }

    /// Takes a file that is named on the command line.
    fn take_named(
        &self,
        file: &Path,
        is_file: bool,
        collected: &mut Collected,
    ) -> Result<(), Failure> {
        let shown = shown(file);
        if self.output.as_ref().is_some_and(|output| files::is_at(file, output)) {
            return Err(Failure::Failed(format!("{shown} is both input and output")));
        }
        let name = Path::new(file.file_name().unwrap_or(file.as_os_str()));
        if self.excludes(name) || !self.includes(name) {
            collected.left_out.filter();
            return Ok(());
        }
        let path = path_of(name, file)?;
        if !is_file {
            return Err(neither_file_nor_folder(file));
        }
        collected.files.push((path, file.into()));
        Ok(())
    }

    /// Takes what a walk met, and which is no folder, unless it is to be left out.
    fn take_met(
        &self,
        relative: &Path,
        entry: &DirEntry,
        collected: &mut Collected,
    ) -> Result<(), Failure> {
        let (file, kind) = (entry.path(), entry.file_type());
        let path = path_of(relative, file)?;
        let left_out = &mut collected.left_out;
        if kind.is_symlink() {
            if self.symlinks == Symlinks::Refuse {
                return Err(Failure::Failed(format!(
                    "{} is a symbolic link: --symlinks follow packs what it leads to, \
                     --symlinks skip leaves links out",
                    shown(file)
                )));
            }
            left_out.symlinks = left_out.symlinks.saturating_add(1);
        } else if !kind.is_file() {
            return Err(neither_file_nor_folder(file));
        } else if self.is_output(entry) {
            refuse_what_is_no_package(file)?;
            left_out.own_output = true;
        } else if is_leftover(entry.file_name()) {
            left_out.leftovers = left_out.leftovers.saturating_add(1);
        } else {
            collected.files.push((path, file.into()));
        }
        Ok(())
    }

    /// Whether a relative path is excluded, as it is or in normalisation form C.
    fn excludes(&self, relative: &Path) -> bool {
        let path = relative.to_string_lossy();
        self.exclude.matches(&path) || self.exclude.matches(&dacti_names::normalize(&path))
    }

    /// Whether a relative path is asked for.
    fn includes(&self, relative: &Path) -> bool {
        self.include.is_empty()
            || self.include.matches(&dacti_names::normalize(&relative.to_string_lossy()))
    }

    /// Whether a walk failed at what was not to be packed: a link that leads nowhere or back.
    fn is_unwanted(&self, root: &Path, error: &walkdir::Error) -> bool {
        let Some(path) = error.path() else { return false };
        let relative = relative(root, path);
        let leads_nowhere = path.is_symlink() && !path.exists();
        self.excludes(relative) || (leads_nowhere && !self.includes(relative))
    }

    /// Whether what a walk met stands at the package's own place, or leads there.
    fn is_output(&self, entry: &DirEntry) -> bool {
        let Some(output) = &self.output else { return false };
        // The name first: it rules out nearly all without asking the system.
        (entry.path_is_symlink() || output.file_name() == Some(entry.file_name()))
            && files::is_at(entry.path(), output)
    }
}

/// Whether a file has a name that this program gives to what it has not finished, and which stays
/// where it is killed.
pub(crate) fn is_leftover(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(".dacti-") && name.ends_with(".tmp")
}

fn relative<'p>(root: &Path, path: &'p Path) -> &'p Path {
    path.strip_prefix(root).unwrap_or(path)
}

/// An earlier package at the output's place is left out and replaced; any other file there is
/// somebody's, and would be lost.
fn refuse_what_is_no_package(file: &Path) -> Result<(), Failure> {
    let is_empty = std::fs::metadata(file).is_ok_and(|found| found.len() == 0);
    if is_empty || dacti::Package::open(file).is_ok() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{} is the output, lies in the directory to be packed, and is no package: it would be lost",
        shown(file)
    )))
}

/// Counts folders in which nothing was met, from the depths of a depth-first walk.
#[derive(Debug, Default)]
struct Folders {
    last_was_folder_at: Option<usize>,
    empty: u64,
}

impl Folders {
    fn meet(&mut self, depth: usize, is_dir: bool) {
        if self.last_was_folder_at.is_some_and(|folder| depth <= folder) {
            self.empty = self.empty.saturating_add(1);
        }
        self.last_was_folder_at = is_dir.then_some(depth);
    }

    fn end(self) -> u64 {
        self.empty.saturating_add(u64::from(self.last_was_folder_at.is_some()))
    }
}

/// A relative file name as a path in a package: UTF-8, in normalisation form C, with slashes.
fn path_of(relative: &Path, file: &Path) -> Result<String, Failure> {
    let parts: Option<Vec<&str>> = relative.iter().map(OsStr::to_str).collect();
    let Some(parts) = parts else {
        return Err(Failure::Failed(format!(
            "{}: the name is not UTF-8: rename it, or --exclude leaves it out",
            shown(file)
        )));
    };
    let path = parts.join("/");
    let path = dacti_names::normalize(&path);
    match dacti_names::check_path(&path) {
        Ok(_) => Ok(path.into_owned()),
        Err(error) => Err(Failure::Failed(format!("{}: {error}", printable(&path)))),
    }
}

fn neither_file_nor_folder(file: &Path) -> Failure {
    let shown = shown(file);
    Failure::Failed(format!("{shown} is neither a file nor a folder: --exclude leaves it out"))
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("cannot read {}: {error}", shown(path)))
}

fn walk_failed(root: &Path, error: &walkdir::Error) -> Failure {
    let path = error.path().unwrap_or(root);
    match (error.io_error(), error.loop_ancestor()) {
        (_, Some(ancestor)) => {
            let (shown, ancestor) = (shown(path), shown(ancestor));
            Failure::Failed(format!("{shown} is a symbolic link to {ancestor}, in which it lies"))
        }
        (Some(error), None) => cannot_read(path, error),
        (None, None) => Failure::Failed(printable(&error.to_string())),
    }
}
