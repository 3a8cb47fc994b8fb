//! Finds the files to pack, and decides about everything that is not a plain file with a plain
//! name.

use crate::outcome::Failure;
use crate::output::printable;
use crate::select::Globs;
use clap::ValueEnum;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

/// What to do about symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Symlinks {
    /// A link is an error.
    Refuse,
    /// Pack what it leads to, under its own name.
    Follow,
    /// Leave it out.
    Skip,
}

/// The files to pack.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Path in the package, and the file.
    pub(super) files: Vec<(String, PathBuf)>,
    pub(super) left_out: LeftOut,
}

/// What a user may miss later.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pub(super) symlinks: u64,
    pub(super) empty_folders: u64,
    pub(super) own_output: bool,
}

#[derive(Debug)]
pub(super) struct Collector {
    include: Globs,
    exclude: Globs,
    symlinks: Symlinks,
    /// The package's own place, as far as it exists.
    output: Option<PathBuf>,
}

impl Collector {
    pub(super) fn new(
        include: &[String],
        exclude: &[String],
        symlinks: Symlinks,
        output: &Path,
    ) -> Result<Self, Failure> {
        let (include, exclude) = (Globs::new(include)?, Globs::new(exclude)?);
        Ok(Self { include, exclude, symlinks, output: output.canonicalize().ok() })
    }

    pub(super) fn collect(&self, inputs: &[PathBuf]) -> Result<Collected, Failure> {
        let mut collected = Collected::default();
        for input in inputs {
            // What is named on the command line is meant, link or not.
            let metadata = std::fs::metadata(input).map_err(|error| cannot_read(input, &error))?;
            if metadata.is_dir() {
                self.walk(input, &mut collected)?;
            } else {
                let name = input.file_name().unwrap_or(input.as_os_str());
                let path = path_of(Path::new(name), input)?;
                if self.is_output(input) {
                    let shown = input.display();
                    return Err(Failure::Failed(format!("{shown} is both input and output")));
                }
                self.take(path, input.clone(), metadata.is_file(), &mut collected)?;
            }
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
            let entry = entry.map_err(|error| walk_failed(root, &error))?;
            let Some(path) = self.wanted(root, &entry)? else {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
                continue;
            };
            let kind = entry.file_type();
            folders.meet(entry.depth(), kind.is_dir());
            if kind.is_dir() {
                continue;
            }
            if kind.is_symlink() {
                if self.symlinks == Symlinks::Refuse {
                    let shown = entry.path().display();
                    return Err(Failure::Failed(format!(
                        "{shown} is a symbolic link: --symlinks follow packs what it leads to, \
                         --symlinks skip leaves links out"
                    )));
                }
                collected.left_out.symlinks = collected.left_out.symlinks.saturating_add(1);
                continue;
            }
            self.take(path, entry.into_path(), kind.is_file(), collected)?;
        }
        let empty = folders.end();
        collected.left_out.empty_folders = collected.left_out.empty_folders.saturating_add(empty);
        Ok(())
    }

    /// The entry's path in the package, unless it is excluded. Names that are excluded are not
    /// judged.
    fn wanted(&self, root: &Path, entry: &DirEntry) -> Result<Option<String>, Failure> {
        let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
        if self.exclude.matches(&relative.to_string_lossy()) {
            return Ok(None);
        }
        path_of(relative, entry.path()).map(Some)
    }

    fn take(
        &self,
        path: String,
        file: PathBuf,
        is_file: bool,
        collected: &mut Collected,
    ) -> Result<(), Failure> {
        if self.exclude.matches(&path) || !(self.include.is_empty() || self.include.matches(&path))
        {
            return Ok(());
        }
        if !is_file {
            let shown = file.display();
            return Err(Failure::Failed(format!(
                "{shown} is neither a file nor a folder: --exclude leaves it out"
            )));
        }
        if self.is_output(&file) {
            collected.left_out.own_output = true;
            return Ok(());
        }
        collected.files.push((path, file));
        Ok(())
    }

    /// Whether the file is what stands at the package's own place.
    fn is_output(&self, file: &Path) -> bool {
        let Some(output) = &self.output else { return false };
        // The name first: it rules out nearly all without asking the system.
        output.file_name() == file.file_name()
            && file.canonicalize().is_ok_and(|file| file == *output)
    }
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
    let shown = file.display();
    let parts: Option<Vec<&str>> = relative.iter().map(OsStr::to_str).collect();
    let Some(parts) = parts else {
        return Err(Failure::Failed(format!(
            "{shown}: the name is not UTF-8: rename it, or --exclude leaves it out"
        )));
    };
    let path = parts.join("/");
    let path = dacti_names::normalize(&path);
    match dacti_names::check_path(&path) {
        Ok(_) => Ok(path.into_owned()),
        Err(error) => Err(Failure::Failed(format!("{}: {error}", printable(&path)))),
    }
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("cannot read {}: {error}", path.display()))
}

fn walk_failed(root: &Path, error: &walkdir::Error) -> Failure {
    let path = error.path().unwrap_or(root);
    match (error.io_error(), error.loop_ancestor()) {
        (_, Some(ancestor)) => {
            let (shown, ancestor) = (path.display(), ancestor.display());
            Failure::Failed(format!("{shown} is a symbolic link to {ancestor}, in which it lies"))
        }
        (Some(error), None) => cannot_read(path, error),
        (None, None) => Failure::Failed(error.to_string()),
    }
}
