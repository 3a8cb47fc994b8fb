//! The folder that regions are written into.
//!
//! Every access goes through a handle of the folder, which no link in it can leave.

mod tree;

use super::reason::Reason;
use crate::outcome::{Failure, content_fault, is_total};
use crate::output;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use cap_tempfile::TempFile;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::Path;
pub(in crate::verbs) use tree::Recorded;

/// Why a region was not written.
#[derive(Debug)]
pub(in crate::verbs) enum Refusal {
    /// Only this region cannot be written.
    Refused(Reason),
    /// No region can be written.
    Failed(Failure),
}

/// A folder to write into.
#[derive(Debug)]
pub(in crate::verbs) struct Place {
    dir: Dir,
    overwrite: bool,
}

impl Place {
    /// Opens the folder. It is made if it does not exist.
    pub(in crate::verbs) fn open(path: &Path, overwrite: bool) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Self::existing(path, overwrite)
    }

    /// Opens a folder that exists.
    pub(in crate::verbs) fn existing(path: &Path, overwrite: bool) -> io::Result<Self> {
        Ok(Self { dir: Dir::open_ambient_dir(path, ambient_authority())?, overwrite })
    }

    /// Writes a file, whole or not at all. Returns its length.
    pub(in crate::verbs) fn write(
        &self,
        path: &str,
        content: &mut dyn Read,
        recorded: &Recorded,
    ) -> Result<u64, Refusal> {
        let path = Path::new(path);
        let name = path.file_name().unwrap_or(path.as_os_str());
        let opened;
        let folder = match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            None => &self.dir,
            Some(folder) => {
                opened = self.folder(folder).map_err(|error| refusal(&error))?;
                &opened
            }
        };
        self.check_free(folder, name)?;
        let mut file = TempFile::new(folder).map_err(|error| refusal(&error))?;
        let len = copy(content, &mut file)?;
        recorded.apply(file.as_file()).map_err(|error| refusal(&error))?;
        file.replace(name).map_err(|error| refusal(&error))?;
        Ok(len)
    }

    /// Returns whether the folder has no entries, so that no place in it is taken.
    pub(in crate::verbs) fn is_empty(&self) -> bool {
        self.dir.entries().is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Returns why a file would not be written, as far as can be told before the write.
    pub(in crate::verbs) fn refuses(&self, path: &str) -> Option<Reason> {
        let path = Path::new(path);
        let folder = path.parent().unwrap_or(Path::new(""));
        // If a folder is missing or is a link, the write itself reports it.
        let folder = self.dir.open_dir_nofollow_all(folder).ok()?;
        match self.check_free(&folder, path.file_name()?) {
            Err(Refusal::Refused(reason)) => Some(reason),
            Ok(()) | Err(Refusal::Failed(_)) => None,
        }
    }

    /// Checks that a name may be written in a folder.
    fn check_free(&self, folder: &Dir, name: &OsStr) -> Result<(), Refusal> {
        match folder.symlink_metadata(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(refusal(&error)),
            Ok(found) if found.is_dir() => {
                Err(Refusal::Refused(Reason::new("exists", "a folder of that name exists")))
            }
            Ok(_) if !self.overwrite => {
                let reason = "exists already: --overwrite replaces it";
                Err(Refusal::Refused(Reason::new("exists", reason)))
            }
            // A link is replaced, and its target stays.
            Ok(_) => Ok(()),
        }
    }

    /// Opens the folder at `path` without following links. It is made if it does not exist.
    fn folder(&self, path: &Path) -> io::Result<Dir> {
        if let Ok(dir) = self.dir.open_dir_nofollow_all(path) {
            return Ok(dir);
        }
        let mut dir = self.dir.try_clone()?;
        for part in path {
            match dir.create_dir(part) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => dir = open_nofollow(&dir, Path::new(part))?,
            }
        }
        Ok(dir)
    }
}

/// Opens folder by folder without following a link.
trait OpenNoFollow {
    fn open_dir_nofollow_all(&self, path: &Path) -> io::Result<Dir>;
}

impl OpenNoFollow for Dir {
    fn open_dir_nofollow_all(&self, path: &Path) -> io::Result<Dir> {
        path.iter().try_fold(self.try_clone()?, |dir, part| open_nofollow(&dir, Path::new(part)))
    }
}

fn open_nofollow(dir: &Dir, part: &Path) -> io::Result<Dir> {
    if dir.symlink_metadata(part)?.is_symlink() {
        return Err(io::Error::other(format!(
            "{} is a link, and links are not followed",
            output::shown(part)
        )));
    }
    dir.open_dir(part)
}

fn copy(content: &mut dyn Read, file: &mut TempFile<'_>) -> Result<u64, Refusal> {
    let (mut buf, mut len) = (vec![0; 64 * 1024], 0_u64);
    loop {
        if crate::interrupt::asked() {
            return Err(Refusal::Failed(Failure::Interrupted));
        }
        // A fault of reading concerns this region; a fault of writing may concern the disk.
        let read = content.read(&mut buf).map_err(|error| match content_fault(&error) {
            // No other region would be written either.
            fault if is_total(&error) => Refusal::Failed(Failure::Failed(fault)),
            fault => Refusal::Refused(Reason::new("content", fault)),
        })?;
        if read == 0 {
            return Ok(len);
        }
        let bytes = buf.get(..read).unwrap_or_default();
        file.write_all(bytes).map_err(|error| refusal(&error))?;
        len = len.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
}

/// Returns whether an error of the system concerns this file only, or all files.
fn refusal(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::ReadOnlyFilesystem => {
            Refusal::Failed(Failure::Failed(format!("cannot write: {error}")))
        }
        _ => Refusal::Refused(Reason::new("write", error.to_string())),
    }
}
