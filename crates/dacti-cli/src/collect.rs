//! Finds the files to pack, and decides about special entries: links, hidden files, and names that
//! a package cannot have.

use crate::outcome::Failure;
use crate::output::{counted, printable, shown};
use crate::patterns::{self, Patterns};
use crate::{files, output};
use clap::ValueEnum;
use core::cell::OnceCell;
use ignore::gitignore::Gitignore;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

/// The name of a file of patterns. The patterns leave out files of the folder that has this file.
const IGNORE_FILE: &str = ".dactiignore";

/// Which files of a folder are taken.
#[derive(Debug, clap::Args)]
pub(crate) struct Filters {
    /// From folders, take only the files that match this pattern, or that lie in a folder that
    /// matches it. Patterns are written as in gitignore. A pattern that is the name of an existing
    /// file means only that file. May be given several times.
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,
    /// Leave out files and folders that match this pattern. Each line of a file .dactiignore does
    /// the same for its folder. May be given several times.
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Take hidden files and folders too: those whose name starts with a dot.
    #[arg(long)]
    hidden: bool,
    /// Fail if a pattern of --include or --exclude matches nothing. Without this option, a warning
    /// is printed.
    #[arg(long)]
    strict: bool,
    /// How to treat symbolic links in folders.
    #[arg(long, value_enum, default_value_t = Symlinks::Refuse)]
    symlinks: Symlinks,
}

/// What to do about symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Symlinks {
    /// Fail at a link.
    Refuse,
    /// Take the file or folder that a link leads to, under the link's name.
    Follow,
    /// Leave links out.
    Skip,
}

/// The files to pack.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Each item is a path in the package, and the file on disk.
    pub(crate) files: Vec<(String, PathBuf)>,
    pub(crate) left_out: LeftOut,
}

impl Collected {
    /// Adds the files of another input.
    pub(crate) fn append(&mut self, other: Self) {
        self.files.extend(other.files);
        self.left_out.add(&other.left_out);
    }
}

/// Counts of files that were left out, for a message to the user.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    pub(crate) symlinks: u64,
    pub(crate) empty_folders: u64,
    pub(crate) own_output: bool,
    pub(crate) leftovers: u64,
    /// Hidden files and folders, each folder counted once.
    pub(crate) hidden: u64,
    /// Files that --include, --exclude and .dactiignore leave out, as the user has asked.
    pub(crate) filtered: u64,
}

impl LeftOut {
    fn filter(&mut self) {
        self.filtered = self.filtered.saturating_add(1);
    }

    fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.symlinks, other.symlinks),
            (&mut self.empty_folders, other.empty_folders),
            (&mut self.leftovers, other.leftovers),
            (&mut self.hidden, other.hidden),
            (&mut self.filtered, other.filtered),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.own_output |= other.own_output;
    }

    /// Fails if the filters leave out all files.
    pub(crate) fn refuse_nothing(files: usize, filtered: u64) -> Result<(), Failure> {
        if files > 0 || filtered == 0 {
            return Ok(());
        }
        let message = "--include and --exclude leave out all files";
        Err(Failure::Failed(message.into()))
    }

    /// Returns the messages for the user, a line each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let Self { symlinks, empty_folders, own_output, leftovers, hidden, filtered: _ } = self;
        let mut note = |count: u64, one: &str, many: &str, what: &str| {
            if count > 0 {
                notes.push(format!("{} {what}", counted(count, one, many)));
            }
        };
        note(*symlinks, "symbolic link was", "symbolic links were", "skipped");
        note(*empty_folders, "folder without files is", "folders without files are", "not kept");
        let (one, many) = ("hidden file or folder was", "hidden files or folders were");
        note(*hidden, one, many, "left out: --hidden takes them");
        let one = "temporary file of a killed run (.dacti-*.tmp) was";
        note(*leftovers, one, "temporary files of killed runs (.dacti-*.tmp) were", "left out");
        if *own_output {
            notes.push("the output itself lies in the folder and was left out".into());
        }
        notes
    }
}

#[derive(Debug)]
pub(crate) struct Collector {
    include: Patterns,
    exclude: Patterns,
    hidden: bool,
    strict: bool,
    symlinks: Symlinks,
    /// The path of the output. If it is a link, the link is replaced, and the file that it leads to
    /// stays.
    output: Option<PathBuf>,
}

impl Collector {
    /// Returns a collector for these inputs of the package at `output`.
    pub(crate) fn new(filters: &Filters, inputs: &[&Path], output: &Path) -> Result<Self, Failure> {
        let names = Names { inputs, odd: OnceCell::new() };
        let exists = |name: &str, rooted| names.has(name, rooted);
        Ok(Self {
            include: Patterns::new("--include", &filters.include, &exists)?,
            exclude: Patterns::new("--exclude", &filters.exclude, &exists)?,
            hidden: filters.hidden,
            strict: filters.strict,
            symlinks: filters.symlinks,
            output: files::place(output),
        })
    }

    /// Finds the files of an input: a file, or all files below a folder.
    pub(crate) fn collect(&self, input: &Path) -> Result<Collected, Failure> {
        let mut collected = Collected::default();
        // If the command line names a link, the file or folder that the link leads to is packed.
        let metadata = std::fs::metadata(input).map_err(|error| cannot_read(input, &error))?;
        if metadata.is_dir() {
            self.walk(input, &mut collected)?;
        } else {
            self.take_named(input, metadata.is_file(), &mut collected)?;
        }
        Ok(collected)
    }

    /// Reports the patterns that have matched nothing. Call this after all inputs were collected.
    pub(crate) fn tell_unused(&self) -> Result<(), Failure> {
        let unused: Vec<_> = self.include.unused().chain(self.exclude.unused()).collect();
        if let Some(first) = unused.first().filter(|_| self.strict) {
            return Err(Failure::Failed(format!("{first}, and --strict was given")));
        }
        output::warnings(unused.iter(), "");
        Ok(())
    }

    fn walk(&self, root: &Path, collected: &mut Collected) -> Result<(), Failure> {
        let walk = WalkDir::new(root)
            .follow_links(self.symlinks == Symlinks::Follow)
            .min_depth(1)
            .sort_by_file_name();
        let mut entries = walk.into_iter();
        let mut folders = Folders::default();
        let mut ignores = Ignores::default();
        ignores.enter(0, root)?;
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if self.is_unwanted(root, &ignores, &error) => continue,
                Err(error) => return Err(walk_failed(root, &error)),
            };
            ignores.leave(entry.depth());
            let kind = entry.file_type();
            let relative = relative(root, entry.path());
            let left_out = self.leaves_out(relative, &entry, &ignores, &mut collected.left_out);
            if left_out {
                if kind.is_dir() {
                    entries.skip_current_dir();
                }
                continue;
            }
            folders.meet(entry.depth(), kind.is_dir());
            if kind.is_dir() {
                ignores.enter(entry.depth(), entry.path())?;
                // With --include, the names of folders are judged later, together with each file.
                if self.include.is_empty() {
                    path_of(relative, entry.path())?;
                }
                continue;
            }
            // A link gets here only if links are not followed. A link to a folder is refused or
            // counted even if --include does not match the link, because a pattern may match files
            // in the folder that the link leads to.
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

    /// Returns whether an entry is left out, by patterns or by its name. If so, counts it.
    fn leaves_out(
        &self,
        relative: &Path,
        entry: &DirEntry,
        ignores: &Ignores,
        left_out: &mut LeftOut,
    ) -> bool {
        let is_dir = entry.file_type().is_dir();
        if self.excludes(relative, is_dir, entry.path(), ignores) {
            left_out.filter();
            return true;
        }
        if is_leftover(entry.file_name()) {
            left_out.leftovers = left_out.leftovers.saturating_add(1);
            return true;
        }
        // Only this program reads the ignore file, so a package does not need it.
        if entry.file_name() == IGNORE_FILE {
            return true;
        }
        if is_hidden(entry.file_name()) && !self.hidden {
            left_out.hidden = left_out.hidden.saturating_add(1);
            return true;
        }
        false
    }

    /// Adds a file that the command line names.
    fn take_named(
        &self,
        file: &Path,
        is_file: bool,
        collected: &mut Collected,
    ) -> Result<(), Failure> {
        let shown = shown(file);
        if self.output.as_ref().is_some_and(|output| files::is_at(file, output)) {
            return Err(Failure::Failed(format!(
                "{shown} is both input and output: name another output with -o"
            )));
        }
        let name = Path::new(file.file_name().unwrap_or(file.as_os_str()));
        let excluded = self.exclude.verdict(name, false) == Some(true);
        if excluded || !self.includes(name) {
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

    /// Adds a file that a walk has found. Leaves out the output and, if links are not refused, each
    /// symbolic link. The caller handles folders.
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
                return Err(symlink(file));
            }
            left_out.symlinks = left_out.symlinks.saturating_add(1);
        } else if !kind.is_file() {
            return Err(neither_file_nor_folder(file));
        } else if self.is_output(entry) {
            refuse_what_is_no_package(file)?;
            left_out.own_output = true;
        } else {
            collected.files.push((path, file.into()));
        }
        Ok(())
    }

    /// Returns whether patterns leave out a path. Patterns of the command line take precedence over
    /// patterns of files, and patterns of a deeper folder over patterns of the folders around it.
    fn excludes(&self, relative: &Path, is_dir: bool, path: &Path, ignores: &Ignores) -> bool {
        let verdict = self.exclude.verdict(relative, is_dir);
        verdict.or_else(|| ignores.verdict(path, is_dir)).unwrap_or_default()
    }

    /// Returns whether a path is included. Without --include, every path is included.
    fn includes(&self, relative: &Path) -> bool {
        self.include.is_empty() || self.include.takes_file(relative)
    }

    /// Returns whether a walk failed at an entry that the filters leave out anyway. Such an entry
    /// may be a link to a missing file, or to a folder that contains the link.
    fn is_unwanted(&self, root: &Path, ignores: &Ignores, error: &walkdir::Error) -> bool {
        let Some(path) = error.path() else { return false };
        let relative = relative(root, path);
        let leads_nowhere = path.is_symlink() && !path.exists();
        let is_hidden = !self.hidden && path.file_name().is_some_and(is_hidden);
        is_hidden
            || self.excludes(relative, false, path, ignores)
            || (leads_nowhere && !self.includes(relative))
    }

    /// Returns whether an entry of a walk is the output itself, or a link to it.
    fn is_output(&self, entry: &DirEntry) -> bool {
        let Some(output) = &self.output else { return false };
        // The names are compared first, because this decides most cases without a call to the
        // system.
        (entry.path_is_symlink() || output.file_name() == Some(entry.file_name()))
            && files::is_at(entry.path(), output)
    }
}

/// The names of the files below the inputs, to find out whether a pattern is the name of a file.
struct Names<'i> {
    inputs: &'i [&'i Path],
    /// The names that contain characters of a glob, from any folder, without the path of the
    /// folder. Most inputs have no such name.
    odd: OnceCell<HashSet<String>>,
}

impl Names<'_> {
    /// Returns whether a file or folder has this name. If `rooted`, the name is a path that starts
    /// at an input; otherwise it is a name in any folder.
    fn has(&self, name: &str, rooted: bool) -> bool {
        if rooted {
            let at = |input: &&Path| input.join(name).symlink_metadata().is_ok();
            return self.inputs.iter().any(at);
        }
        self.odd.get_or_init(|| self.odd_names()).contains(name)
    }

    fn odd_names(&self) -> HashSet<String> {
        let walks = self.inputs.iter().map(|input| WalkDir::new(input).min_depth(0));
        // Faults are ignored here, because the walk that collects the files meets them again and
        // reports them.
        let entries = walks.flatten().filter_map(Result::ok);
        let names = entries
            .map(|entry| dacti_names::normalize(&entry.file_name().to_string_lossy()).into_owned());
        names.filter(|name| patterns::has_wildcards(name)).collect()
    }
}

/// The `.dactiignore` files of the folders around the current entry, the outermost folder first.
#[derive(Debug, Default)]
struct Ignores(Vec<(usize, Gitignore)>);

impl Ignores {
    /// Reads the `.dactiignore` file of a folder, if the folder has one.
    fn enter(&mut self, depth: usize, folder: &Path) -> Result<(), Failure> {
        let file = folder.join(IGNORE_FILE);
        if file.is_file() {
            self.0.push((depth, patterns::read(&file, folder)?));
        } else if file.symlink_metadata().is_ok() {
            // A file of patterns may leave out secrets, so an unusable one is an error.
            let what = "is not a file of patterns: remove it, or put a file in its place";
            return Err(Failure::Failed(format!("{} {what}", shown(&file))));
        }
        Ok(())
    }

    /// Drops the files of folders that do not contain an entry at `depth`.
    fn leave(&mut self, depth: usize) {
        while self.0.last().is_some_and(|(folder, _)| *folder >= depth) {
            self.0.pop();
        }
    }

    fn verdict(&self, path: &Path, is_dir: bool) -> Option<bool> {
        let found = self.0.iter().rev().map(|(_, file)| file.matched(path, is_dir));
        { found }.find_map(|found| (!found.is_none()).then_some(found.is_ignore()))
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn symlink(file: &Path) -> Failure {
    let shown = shown(file);
    Failure::Failed(if file.exists() {
        format!(
            "{shown} is a symbolic link: with --symlinks follow, the file or folder that it leads \
             to is packed; with --symlinks skip, links are left out"
        )
    } else {
        format!(
            "{shown} is a symbolic link that leads nowhere: remove it, or leave out links with \
             --symlinks skip"
        )
    })
}

/// Returns whether a file has the name of a temporary file of this program. A run that is killed
/// leaves such a file behind.
pub(crate) fn is_leftover(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    (name.starts_with(".dacti-") && name.ends_with(".tmp")) || name.starts_with(".dacti-pull-")
}

fn relative<'p>(root: &Path, path: &'p Path) -> &'p Path {
    path.strip_prefix(root).unwrap_or(path)
}

/// Refuses to replace a file that is not a package, because it may be the only copy of other data.
fn refuse_what_is_no_package(file: &Path) -> Result<(), Failure> {
    let is_empty = std::fs::metadata(file).is_ok_and(|found| found.len() == 0);
    if is_empty || dacti::Package::open(file).is_ok() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{} lies in the folder to be packed and is not a package, but it would be replaced by the \
         output: name another output with -o",
        shown(file)
    )))
}

/// Counts empty folders during a depth-first walk. A folder is empty if the next entry is not
/// deeper than the folder.
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

/// Returns a relative file name as a path in a package: UTF-8, in normalisation form C, with
/// slashes.
fn path_of(relative: &Path, file: &Path) -> Result<String, Failure> {
    let Some(path) = relative.to_str() else {
        return Err(Failure::Failed(format!(
            "{}: the name is not UTF-8: rename the file, or leave it out with --exclude",
            shown(file)
        )));
    };
    let with_slashes = (MAIN_SEPARATOR != '/').then(|| path.replace(MAIN_SEPARATOR, "/"));
    let path = dacti_names::normalize(with_slashes.as_deref().unwrap_or(path));
    match dacti_names::check_path(&path) {
        Ok(_) => Ok(path.into_owned()),
        Err(error) => Err(Failure::Failed(format!("{}: {error}", printable(&path)))),
    }
}

fn neither_file_nor_folder(file: &Path) -> Failure {
    let shown = shown(file);
    Failure::Failed(format!("{shown} is neither a file nor a folder: leave it out with --exclude"))
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    let shown = shown(path);
    Failure::Failed(match path.read_link() {
        Ok(target) if !path.exists() => {
            let target = self::shown(&target);
            format!("cannot read {shown}: it is a symbolic link to {target}, which does not exist")
        }
        _ => format!("cannot read {shown}: {error}"),
    })
}

fn walk_failed(root: &Path, error: &walkdir::Error) -> Failure {
    let path = error.path().unwrap_or(root);
    match (error.io_error(), error.loop_ancestor()) {
        (_, Some(ancestor)) => {
            let (shown, ancestor) = (shown(path), shown(ancestor));
            Failure::Failed(format!(
                "{shown} is a symbolic link to {ancestor}, a folder that contains the link: remove \
                 it, or leave out links with --symlinks skip"
            ))
        }
        (Some(error), None) => cannot_read(path, error),
        (None, None) => Failure::Failed(printable(&error.to_string()).into_owned()),
    }
}
